-- The best set-based SQL by hand: what the update will do is read from the rows as they are, then the update is done.
BEGIN;
INSERT INTO inventory.inventory_event
    (product_id, event_type, quantity_change, previous_stock, new_stock, triggered_at, event_data)
SELECT id, 'low_stock', n - stock_quantity, stock_quantity, n, now(), jsonb_build_object('reorder_point', reorder_point)
FROM (SELECT *, NEW_STOCK AS n FROM inventory.product) AS p
WHERE stock_quantity <> n AND n <= reorder_point AND n > 0;
INSERT INTO bench.outbox (service, operation, aggregateid, payload)
SELECT 'notification_service', 'send_low_stock_alert', id::text,
       jsonb_build_object('old', to_jsonb(p), 'new', to_jsonb(p) || jsonb_build_object('stock_quantity', NEW_STOCK))
FROM inventory.product AS p
WHERE stock_quantity <> NEW_STOCK AND NEW_STOCK <= reorder_point AND NEW_STOCK > 0;
INSERT INTO bench.outbox (service, operation, aggregateid, payload)
SELECT 'procurement_service', 'create_reorder_request', id::text,
       jsonb_build_object('old', to_jsonb(p), 'new', to_jsonb(p) || jsonb_build_object('stock_quantity', NEW_STOCK))
FROM inventory.product AS p
WHERE stock_quantity <> NEW_STOCK AND NEW_STOCK <= reorder_point AND NEW_STOCK > 0;
UPDATE inventory.product SET stock_quantity = NEW_STOCK;
COMMIT;
