-- The inventory document, end to end: its YAML blocks applied as they stand, its SQL run as it stands.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`

-- Apply: what was made, in which order, and nothing the second time.
RESET client_min_messages;
SELECT action, kind, object FROM specql.apply(:'inventory');
SET client_min_messages = error;
SELECT DISTINCT action FROM specql.apply(:'inventory');
\d inventory.inventory_event
\d inventory.product
\d sales.backorder
SELECT action, kind, object, detail FROM specql.apply(:'advanced', schema => 'inventory');
SELECT DISTINCT action FROM specql.apply(:'advanced', schema => 'inventory');
-- Applying the first text again does not undo the second.
SELECT DISTINCT action FROM specql.apply(:'inventory');

RESET client_min_messages;

-- A product, another one that must not change, and backorders of both.
\set product '\'01900000-0000-7000-8000-000000000001\''
\set bystander '\'01900000-0000-7000-8000-000000000002\''
INSERT INTO inventory.product (id, name, stock_quantity, reorder_point, backorder_available) VALUES
    (:product, 'grinder', 50, 10, false),
    (:bystander, 'kettle', 50, 10, false);
INSERT INTO sales.backorder (customer_id, product_id, quantity, status, created_at) VALUES
    (gen_random_uuid(), :product, 60, 'pending', '2026-01-01'),
    (gen_random_uuid(), :product, 70, 'cancelled', '2026-01-02'),
    (gen_random_uuid(), :product, 30, 'pending', '2026-01-03'),
    (gen_random_uuid(), :product, 25, 'pending', '2026-01-04'),
    (gen_random_uuid(), :product, 5, 'pending', '2026-01-05'),
    (gen_random_uuid(), :bystander, 1, 'pending', '2026-01-01');

-- Usage examples: automatic stock monitoring.
UPDATE inventory.product SET stock_quantity = 5 WHERE id = :product;
SELECT event_type, quantity_change, previous_stock, new_stock, event_data, product_id = :product AS of_product,
       triggered_at = (SELECT max(triggered_at) FROM inventory.inventory_event) AS stamped
FROM inventory.inventory_event;
UPDATE inventory.product SET stock_quantity = 0 WHERE id = :product;
SELECT name, stock_quantity, backorder_available FROM inventory.product ORDER BY name;
UPDATE inventory.product SET stock_quantity = 100 WHERE id = :product;
SELECT name, stock_quantity, backorder_available FROM inventory.product ORDER BY name;
-- 60 and 30 fit in 100; 25 does not and ends it, although 5 behind it would fit.
SELECT p.name, bo.quantity, bo.status, bo.fulfilled_at IS NOT NULL AS fulfilled
FROM sales.backorder bo JOIN inventory.product p ON p.id = bo.product_id ORDER BY p.name, bo.created_at;

-- No change of the quantity, no event; nor by a change of something else; nor by a rolled back change.
UPDATE inventory.product SET stock_quantity = 100 WHERE id = :product;
UPDATE inventory.product SET name = 'grinder' WHERE id = :product;
BEGIN;
UPDATE inventory.product SET stock_quantity = 1 WHERE id = :product;
ROLLBACK;
SELECT event_type, count(*) FROM inventory.inventory_event GROUP BY event_type ORDER BY event_type;

-- Custom events: stock grows on that product only, and the event remembers the stock before.
SELECT specql.emit('reorder_delivered', jsonb_build_object('product_id', :product, 'delivered_quantity', 20,
           'supplier_id', :bystander, 'po_number', 'PO-9')) IS NOT NULL AS emitted;
SELECT name, stock_quantity, last_restocked IS NOT NULL AS restocked FROM inventory.product ORDER BY name;
SELECT event_type, quantity_change, previous_stock, new_stock, event_data FROM inventory.inventory_event
WHERE event_data ? 'po_number';
SELECT specql.emit('order_item_created', jsonb_build_object('product_id', :product, 'ordered_quantity', 115,
           'order_id', :bystander, 'customer_id', :bystander)) IS NOT NULL AS emitted;
SELECT specql.emit('order_item_created', jsonb_build_object('product_id', :product, 'ordered_quantity', 1,
           'order_id', :bystander, 'customer_id', :bystander)) IS NOT NULL AS emitted;
SELECT event_type, quantity_change, previous_stock, new_stock, event_data FROM inventory.inventory_event
WHERE event_data ? 'order_id';

-- Event monitoring: recent inventory events.
SELECT event_type, product_name, quantity_change, previous_stock, new_stock, event_data - 'supplier_id' AS event_data FROM (
SELECT
    ie.event_type,
    p.name as product_name,
    ie.quantity_change,
    ie.previous_stock,
    ie.new_stock,
    ie.triggered_at,
    ie.event_data
FROM inventory.inventory_event ie
JOIN inventory.product p ON ie.product_id = p.id
ORDER BY ie.triggered_at DESC
LIMIT 10
) AS recent ORDER BY triggered_at DESC;

-- Event monitoring: event type distribution.
SELECT event_type, event_count, round(avg_quantity_change, 2) AS avg_quantity_change FROM (
SELECT
    event_type,
    COUNT(*) as event_count,
    AVG(quantity_change) as avg_quantity_change
FROM inventory.inventory_event
WHERE triggered_at > now() - interval '7 days'
GROUP BY event_type
) AS distribution ORDER BY event_type;

-- Backorder management.
SELECT product_name, quantity, status, created_at, fulfilled_at FROM (
SELECT
    bo.customer_id,
    p.name as product_name,
    bo.quantity,
    bo.status,
    bo.created_at,
    bo.fulfilled_at
FROM sales.backorder bo
JOIN inventory.product p ON bo.product_id = p.id
WHERE bo.status = 'pending'
ORDER BY bo.created_at
) AS pending ORDER BY created_at, product_name;
SELECT inventory.process_backorders(:product);
SELECT inventory.process_backorders(:product);

-- Stock level trends.
SELECT name, net_change, min_stock, max_stock FROM (
SELECT
    p.name,
    date_trunc('day', ie.triggered_at) as date,
    SUM(ie.quantity_change) as net_change,
    MIN(ie.new_stock) as min_stock,
    MAX(ie.new_stock) as max_stock
FROM inventory.inventory_event ie
JOIN inventory.product p ON ie.product_id = p.id
WHERE ie.triggered_at > now() - interval '30 days'
GROUP BY p.name, date_trunc('day', ie.triggered_at)
ORDER BY date
) AS trend ORDER BY name;
SELECT name, reorder_events, round(avg_stock_at_reorder, 1) AS avg_stock_at_reorder, min_stock_at_reorder FROM (
SELECT
    p.name,
    COUNT(*) as reorder_events,
    AVG(ie.new_stock) as avg_stock_at_reorder,
    MIN(ie.new_stock) as min_stock_at_reorder
FROM inventory.inventory_event ie
JOIN inventory.product p ON ie.product_id = p.id
WHERE ie.event_type = 'low_stock'
  AND ie.triggered_at > now() - interval '90 days'
GROUP BY p.name
) AS frequency ORDER BY name;

-- System performance.
SELECT event_type, avg_processing_seconds >= 0 AS avg_known, max_processing_seconds >= 0 AS max_known, total_events FROM (
SELECT
    event_type,
    AVG(EXTRACT(EPOCH FROM (processed_at - triggered_at))) as avg_processing_seconds,
    MAX(EXTRACT(EPOCH FROM (processed_at - triggered_at))) as max_processing_seconds,
    COUNT(*) as total_events
FROM inventory.inventory_event
WHERE processed_at IS NOT NULL
GROUP BY event_type
) AS latency ORDER BY event_type;
SELECT * FROM (
SELECT
    event_type,
    COUNT(*) as total_events,
    SUM(CASE WHEN processed_at IS NULL THEN 1 ELSE 0 END) as failed_events,
    ROUND(
        SUM(CASE WHEN processed_at IS NULL THEN 1 ELSE 0 END)::decimal /
        COUNT(*) * 100, 2
    ) as failure_rate
FROM inventory.inventory_event
GROUP BY event_type
) AS failures ORDER BY event_type;

-- The function that writes the log has its own name, for triggers written by hand.
SELECT inventory.create_inventory_event(:bystander, 'backorder', -1, 50, 49, NULL) IS NOT NULL AS created;
SELECT event_type, quantity_change, previous_stock, new_stock, event_data FROM inventory.inventory_event
WHERE event_type = 'backorder';

-- A whole table at once is one set.
UPDATE inventory.product SET stock_quantity = 5;
SELECT count(*) FROM inventory.inventory_event WHERE new_stock = 5;

-- Event sourcing: every change of a product and of an event is in the log, and the log stays as it is.
SELECT entity_id = :product AS of_product, event_type, count(*) FROM inventory.inventory_event_log
GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE inventory.inventory_event_log SET event_type = 'nothing';
DELETE FROM inventory.inventory_event_log;
TRUNCATE inventory.inventory_event_log;

-- What waits for delivery.
SELECT kind, coalesce(service, channel) AS receiver, coalesce(operation, message) AS what, count(*)
FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT * FROM specql.failures;

-- Advanced patterns: five products low within the hour alert the management once, the sixth alone does not, the tenth does.
INSERT INTO inventory.product (name, stock_quantity, reorder_point) SELECT 'spare ' || i, 50, 10 FROM generate_series(1, 10) AS i;
SELECT specql.forget_window('inventory.aggregated_alerts');
DO $$
BEGIN
    FOR i IN 1..10 LOOP
        UPDATE inventory.product SET stock_quantity = 5 WHERE name = 'spare ' || i;
        COMMIT;
        PERFORM specql.evaluate_windows();
        RAISE INFO '% low: % alerts, % requests', i,
            (SELECT count(*) FROM specql.deliveries WHERE message = 'Multiple products low on stock'),
            (SELECT count(*) FROM inventory.bulk_reorder_request);
        COMMIT;
    END LOOP;
END $$;
SELECT match_count, cardinality(event_ids) FROM inventory.bulk_reorder_request ORDER BY first_at;
-- A failed order together with a failed payment is escalated once.
SELECT specql.emit('order_failed', '{"order_id": 1}') IS NOT NULL, specql.emit('payment_failed', '{"order_id": 1}') IS NOT NULL;
SELECT specql.evaluate_windows();
SELECT specql.emit('inventory_shortage', '{"order_id": 1}') IS NOT NULL;
SELECT specql.evaluate_windows();
SELECT channel, message, payload -> 'match_count' AS match_count FROM specql.escalations;

SET client_min_messages = warning;
DROP EXTENSION specql CASCADE;
DROP SCHEMA inventory, sales CASCADE;
