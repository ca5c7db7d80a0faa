-- No trigger: the application writes events and calls itself. All rows at once by set_bulk.sql; single rows by this function, so that it
-- is one round trip with prepared plans. PAYLOAD is what a call carries, from the row `p` before and its new stock `n`.
CREATE FUNCTION bench.set_stock(p_id uuid, n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p inventory.product;
BEGIN
    SELECT * INTO p FROM inventory.product WHERE id = p_id FOR NO KEY UPDATE;
    UPDATE inventory.product SET stock_quantity = n WHERE id = p_id;
    IF p.stock_quantity <> n AND n <= p.reorder_point AND n > 0 THEN
        INSERT INTO inventory.inventory_event
            (product_id, event_type, quantity_change, previous_stock, new_stock, triggered_at, event_data)
        VALUES (p_id, 'low_stock', n - p.stock_quantity, p.stock_quantity, n, now(), jsonb_build_object('reorder_point', p.reorder_point));
        INSERT INTO bench.outbox (service, operation, product_id, payload)
        SELECT c.service, c.operation, p_id, PAYLOAD
        FROM (VALUES ('notification_service', 'send_low_stock_alert'), ('procurement_service', 'create_reorder_request'))
            AS c(service, operation);
    END IF;
END $$;
