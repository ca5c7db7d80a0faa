-- Set-based SQL by hand: what the update will do is read from the rows as they are, then the update is done.
BEGIN;
INSERT INTO inventory.inventory_event
    (product_id, event_type, quantity_change, previous_stock, new_stock, triggered_at, event_data)
SELECT p.id, 'low_stock', n - p.stock_quantity, p.stock_quantity, n, now(), jsonb_build_object('reorder_point', p.reorder_point)
FROM inventory.product AS p CROSS JOIN LATERAL (SELECT NEW_STOCK AS n) AS s
WHERE p.stock_quantity <> n AND n <= p.reorder_point AND n > 0;
INSERT INTO bench.outbox (service, operation, product_id, payload)
SELECT c.service, c.operation, p.id, PAYLOAD
FROM inventory.product AS p CROSS JOIN LATERAL (SELECT NEW_STOCK AS n) AS s
    CROSS JOIN (VALUES ('notification_service', 'send_low_stock_alert'), ('procurement_service', 'create_reorder_request'))
        AS c(service, operation)
WHERE p.stock_quantity <> n AND n <= p.reorder_point AND n > 0;
UPDATE inventory.product SET stock_quantity = NEW_STOCK;
COMMIT
