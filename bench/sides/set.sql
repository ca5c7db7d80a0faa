-- No trigger: the application writes events and calls itself. Bulk updates by bulk_set.sql; single rows by this function,
-- so that it is one round trip with prepared plans.
CREATE FUNCTION bench.set_stock(p_id uuid, p_stock integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_old inventory.product;
BEGIN
    SELECT * INTO v_old FROM inventory.product WHERE id = p_id FOR NO KEY UPDATE;
    UPDATE inventory.product SET stock_quantity = p_stock WHERE id = p_id;
    IF v_old.stock_quantity <> p_stock AND p_stock <= v_old.reorder_point AND p_stock > 0 THEN
        INSERT INTO inventory.inventory_event
            (product_id, event_type, quantity_change, previous_stock, new_stock, triggered_at, event_data)
        VALUES (p_id, 'low_stock', p_stock - v_old.stock_quantity, v_old.stock_quantity, p_stock, now(),
                jsonb_build_object('reorder_point', v_old.reorder_point));
        INSERT INTO bench.outbox (service, operation, aggregateid, payload)
        VALUES ('notification_service', 'send_low_stock_alert', p_id::text, jsonb_build_object('old', to_jsonb(v_old),
                    'new', to_jsonb(v_old) || jsonb_build_object('stock_quantity', p_stock))),
               ('procurement_service', 'create_reorder_request', p_id::text, jsonb_build_object('old', to_jsonb(v_old),
                    'new', to_jsonb(v_old) || jsonb_build_object('stock_quantity', p_stock)));
    END IF;
END $$;
