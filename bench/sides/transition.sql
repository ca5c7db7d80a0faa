-- One trigger per statement, which reads the changed rows as two tables.
CREATE FUNCTION bench.stock_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory.inventory_event
        (product_id, event_type, quantity_change, previous_stock, new_stock, triggered_at, event_data)
    SELECT n.id, 'low_stock', n.stock_quantity - o.stock_quantity, o.stock_quantity, n.stock_quantity, now(),
           jsonb_build_object('reorder_point', n.reorder_point)
    FROM old_rows AS o JOIN new_rows AS n USING (id)
    WHERE o.stock_quantity <> n.stock_quantity AND n.stock_quantity <= n.reorder_point AND n.stock_quantity > 0;
    IF FOUND THEN
        INSERT INTO bench.outbox (service, operation, product_id, payload)
        SELECT c.service, c.operation, n.id,
               jsonb_build_object('product_id', n.id, 'stock', n.stock_quantity, 'reorder_point', n.reorder_point)
        FROM old_rows AS o JOIN new_rows AS n USING (id)
            CROSS JOIN (VALUES ('notification_service', 'send_low_stock_alert'), ('procurement_service', 'create_reorder_request'))
                AS c(service, operation)
        WHERE o.stock_quantity <> n.stock_quantity AND n.stock_quantity <= n.reorder_point AND n.stock_quantity > 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_changed AFTER UPDATE ON inventory.product REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bench.stock_changed();
-- Plans are kept from the first statement of a session; one made for a single row must not be used for all of them.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_nestloop = off', current_database()); END $$;
