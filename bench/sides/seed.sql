-- Row-level triggers as one writes them by hand; the functions it calls and does not define are one outbox insert each.

CREATE FUNCTION inventory.notify_low_stock(p_product_id uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bench.outbox (service, operation, product_id, payload)
    VALUES ('notification_service', 'send_low_stock_alert', p_product_id, jsonb_build_object('product_id', p_product_id));
$$;
CREATE FUNCTION inventory.create_reorder_request(p_product_id uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bench.outbox (service, operation, product_id, payload)
    VALUES ('procurement_service', 'create_reorder_request', p_product_id, jsonb_build_object('product_id', p_product_id));
$$;
CREATE FUNCTION inventory.notify_out_of_stock(p_product_id uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bench.outbox (service, operation, product_id, payload)
    VALUES ('sales_team', 'out_of_stock', p_product_id, jsonb_build_object('product_id', p_product_id));
$$;
CREATE FUNCTION sales.notify_backorder_fulfilled(p_customer_id uuid, p_product_id uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bench.outbox (service, operation, product_id, payload)
    VALUES ('customers', 'backorder_fulfilled', p_product_id, jsonb_build_object('product_id', p_product_id));
$$;

-- Stock level change trigger
CREATE OR REPLACE FUNCTION inventory.trigger_stock_change_events()
RETURNS trigger AS $$
BEGIN
    -- Only trigger on stock quantity changes
    IF OLD.stock_quantity = NEW.stock_quantity THEN
        RETURN NEW;
    END IF;

    -- Low stock event
    IF NEW.stock_quantity <= NEW.reorder_point AND NEW.stock_quantity > 0 THEN
        PERFORM inventory.create_inventory_event(
            NEW.id,
            'low_stock',
            NEW.stock_quantity - OLD.stock_quantity,
            OLD.stock_quantity,
            NEW.stock_quantity,
            jsonb_build_object('reorder_point', NEW.reorder_point)
        );

        -- Trigger external notifications
        PERFORM inventory.notify_low_stock(NEW.id);
        PERFORM inventory.create_reorder_request(NEW.id);
    END IF;

    -- Out of stock event
    IF NEW.stock_quantity = 0 THEN
        PERFORM inventory.create_inventory_event(
            NEW.id,
            'out_of_stock',
            NEW.stock_quantity - OLD.stock_quantity,
            OLD.stock_quantity,
            NEW.stock_quantity,
            NULL
        );

        -- Enable backorders and notify
        UPDATE inventory.product SET backorder_available = true WHERE id = NEW.id;
        PERFORM inventory.notify_out_of_stock(NEW.id);
    END IF;

    -- Restock event
    IF OLD.stock_quantity = 0 AND NEW.stock_quantity > 0 THEN
        PERFORM inventory.create_inventory_event(
            NEW.id,
            'restock',
            NEW.stock_quantity - OLD.stock_quantity,
            OLD.stock_quantity,
            NEW.stock_quantity,
            NULL
        );

        -- Process backorders
        PERFORM inventory.process_backorders(NEW.id);
    END IF;

    RETURN NEW;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER;

-- Create trigger
CREATE TRIGGER stock_change_trigger
    AFTER UPDATE ON inventory.product
    FOR EACH ROW EXECUTE FUNCTION inventory.trigger_stock_change_events();

-- Event processing function
CREATE OR REPLACE FUNCTION inventory.create_inventory_event(
    p_product_id uuid,
    p_event_type text,
    p_quantity_change integer,
    p_previous_stock integer,
    p_new_stock integer,
    p_event_data jsonb
) RETURNS uuid AS $$
DECLARE
    v_event_id uuid;
BEGIN
    INSERT INTO inventory.inventory_event (
        product_id, event_type, quantity_change,
        previous_stock, new_stock, triggered_at, event_data
    ) VALUES (
        p_product_id, p_event_type, p_quantity_change,
        p_previous_stock, p_new_stock, now(), p_event_data
    ) RETURNING id INTO v_event_id;

    -- Mark as processed
    UPDATE inventory.inventory_event SET processed_at = now() WHERE id = v_event_id;

    RETURN v_event_id;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER;

-- Backorder processing
CREATE OR REPLACE FUNCTION inventory.process_backorders(
    p_product_id uuid
) RETURNS integer AS $$
DECLARE
    v_backorder record;
    v_processed_count integer := 0;
BEGIN
    -- Get available stock
    DECLARE
        v_available_stock integer;
    BEGIN
        SELECT stock_quantity INTO v_available_stock
        FROM inventory.product WHERE id = p_product_id;

        -- Process backorders FIFO
        FOR v_backorder IN
            SELECT * FROM sales.backorder
            WHERE product_id = p_product_id AND status = 'pending'
            ORDER BY created_at
        LOOP
            IF v_available_stock >= v_backorder.quantity THEN
                -- Fulfill backorder
                UPDATE sales.backorder SET
                    status = 'fulfilled',
                    fulfilled_at = now()
                WHERE id = v_backorder.id;

                -- Reduce available stock
                v_available_stock := v_available_stock - v_backorder.quantity;
                v_processed_count := v_processed_count + 1;

                -- Notify customer
                PERFORM sales.notify_backorder_fulfilled(v_backorder.customer_id, p_product_id);
            ELSE
                -- Not enough stock for remaining backorders
                EXIT;
            END IF;
        END LOOP;
    END;

    RETURN v_processed_count;
END;
$$ LANGUAGE plpgsql SECURITY DEFINER;
