-- The inventory story: a spec is applied, stock moves, and the rules of the spec do the rest.
-- Run by `make demo`; the variable `specs` names a directory that the server can read.

\set ECHO none
-- Deliveries leave after the commit; a story has to wait for its end.
CREATE PROCEDURE pg_temp.wait_for_deliveries() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM FROM specql.deliveries WHERE status IN ('waiting', 'leased') AND (service IS NULL OR service IN (SELECT name FROM specql.service));
        EXIT WHEN NOT FOUND;
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
\set espresso '\'01900000-0000-7000-8000-000000000001\''
\set grinder  '\'01900000-0000-7000-8000-000000000002\''

\echo
\echo [4/10] A spec becomes tables, triggers and functions
\set ECHO queries
CREATE EXTENSION specql;
SELECT * FROM specql.apply(pg_read_file(:'specs' || '/inventory_events.yaml'));
\set ECHO none
\echo Applying the same text again changes nothing:
SET client_min_messages = error;
\set ECHO queries
SELECT action, count(*) FROM specql.apply(pg_read_file(:'specs' || '/inventory_events.yaml')) GROUP BY action;

\set ECHO none
\echo
\echo [5/10] A receiver for the calls; two products, three customers waiting for a grinder
\set ECHO queries
INSERT INTO specql.secret (name, value, signs_for) VALUES ('demo', 'demo key', '{notification_service,procurement_service}');
SELECT action, kind, object FROM specql.apply(format($$
service: notification_service
url: %1$s/notify
secret: demo
operations: {send_low_stock_alert: {path: /low-stock}}
---
service: procurement_service
url: %1$s/procurement
secret: demo
$$, :'receiver'));
INSERT INTO inventory.product (id, name, stock_quantity, reorder_point, backorder_available) VALUES
    (:espresso, 'Espresso machine', 50, 10, false),
    (:grinder,  'Coffee grinder',   30, 10, false);
INSERT INTO sales.backorder (customer_id, product_id, quantity, status, created_at)
SELECT gen_random_uuid(), :grinder, quantity, 'pending', now() - age
FROM (VALUES (60, interval '3 days'), (30, interval '2 days'), (25, interval '1 day')) AS waiting(quantity, age);

\set ECHO none
\echo
\echo [6/10] The grinder runs low, runs out, and comes back
\set ECHO queries
LISTEN sales_team;
UPDATE inventory.product SET stock_quantity = 5 WHERE id = :grinder;
UPDATE inventory.product SET stock_quantity = 0 WHERE id = :grinder;
SELECT name, stock_quantity, backorder_available FROM inventory.product ORDER BY name;
UPDATE inventory.product SET stock_quantity = 100 WHERE id = :grinder;
SELECT name, stock_quantity, backorder_available FROM inventory.product ORDER BY name;
\set ECHO none
\echo A supplier delivers: an event that no table raises by itself.
\set ECHO queries
SELECT specql.emit('reorder_delivered', jsonb_build_object(
           'product_id', :espresso, 'delivered_quantity', 20,
           'supplier_id', gen_random_uuid(), 'po_number', 'PO-9')) IS NOT NULL AS emitted;

\set ECHO none
\echo
\echo [7/10] What happened
\set ECHO queries
SELECT p.name AS product, ie.event_type, ie.quantity_change AS change, ie.previous_stock AS before,
       ie.new_stock AS after, ie.event_data
FROM inventory.inventory_event ie JOIN inventory.product p ON ie.product_id = p.id
ORDER BY ie.id;
SELECT p.name AS product, bo.quantity, bo.created_at::date, bo.status
FROM sales.backorder bo JOIN inventory.product p ON bo.product_id = p.id
ORDER BY bo.created_at;
\set ECHO none
\echo Calls and notifications were queued in the same transaction; the worker has delivered them after it:
CALL pg_temp.wait_for_deliveries();
\set ECHO queries
SELECT kind, coalesce(service, channel) AS "to", coalesce(operation, message) AS what, status
FROM specql.deliveries ORDER BY id;

\set ECHO none
\echo
\echo [8/10] How the rules were understood, and what was generated
\set ECHO queries
SELECT name, resolved_to, rule
FROM specql.explain(pg_read_file(:'specs' || '/inventory_events.yaml'))
WHERE name IN ('stock_level_changed', 'new_stock', 'reorder_delivered', 'delivered_quantity', 'available_quantity');
\set ECHO none
\echo '\\sf inventory.process_backorders'
\sf inventory.process_backorders
\echo What sets off what, for any editor that draws Mermaid:
\set ECHO queries
\pset format unaligned
\pset tuples_only on
SELECT specql.graph();
\pset tuples_only off
\pset format aligned
\set ECHO none
\echo What each rule did so far:
\set ECHO queries
SELECT action, fired, failed, retried, p50_latency IS NOT NULL AS has_latency FROM specql.action_stats;
