-- From the spec to SQL: what every kind of field, trigger and step becomes, and what it then does.
CREATE EXTENSION IF NOT EXISTS specql;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
\set spec `cat sql/include/shop.yaml`
SELECT specql.script(:'spec');
SELECT name || ' → ' || resolved_to || ' [' || rule || ']' FROM specql.explain(:'spec') ORDER BY action, name, resolved_to;
SELECT action || ' ' || kind || ' ' || object FROM specql.apply(:'spec');
SELECT DISTINCT action FROM specql.apply(:'spec');

-- Defaults, checks and references hold.
INSERT INTO shop.customer (id, email, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'ada@example.org', 'Ada') RETURNING tier;
INSERT INTO shop.customer (email) VALUES ('nonsense');
INSERT INTO shop."order" (id, customer_id, tags, total, qty)
VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a', '{red,blue}', 50, 1),
       ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000a', '{}', 0, 1),
       ('00000000-0000-0000-0000-000000000003', NULL, NULL, 70, 2)
RETURNING status, qty;
INSERT INTO shop."order" (qty) VALUES (0);

-- on_error: abort makes the rule an invariant: an order without a total cannot be paid.
UPDATE shop."order" SET status = 'paid' WHERE id = '00000000-0000-0000-0000-000000000002';
-- A paid order notifies, logs its tags, and is shipped by the event it emits.
UPDATE shop."order" SET status = 'paid' WHERE id IN ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000003');
SELECT id, status, total FROM shop."order" ORDER BY id;
SELECT what, order_id FROM shop.order_log ORDER BY what;
SELECT order_id, amount FROM shop.shipping_log ORDER BY order_id;
SELECT name FROM shop.customer WHERE id = '00000000-0000-0000-0000-00000000000a';
SELECT kind, coalesce(service, channel), coalesce(operation, message) FROM specql.deliveries WHERE action LIKE 'shop.%' ORDER BY 2, 3, created_at;
UPDATE shop.shipping_log SET amount = 0;
TRUNCATE shop.shipping_log;

-- A bulk operation with a plain LIMIT counts rows.
UPDATE shop."order" SET placed_at = '2020-01-01';
SELECT shop.close_old('2021-01-01');
SELECT status, count(*) FROM shop."order" GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM shop.order_log WHERE what = 'closed';

-- A deleted row is an event too; what it emits carries the old row and its key.
DELETE FROM shop."order" WHERE id = '00000000-0000-0000-0000-000000000003';
SELECT type, data - 'placed_at' FROM specql.events WHERE type = 'order_gone';
