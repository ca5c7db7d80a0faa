-- The same by hand, with the fewest statements: rows are locked in the order of their keys, everything is tested before anything is written.
CREATE FUNCTION sales.place_order(p_customer_id uuid, p_items jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    v_order uuid;
    v_lines integer;
    v_found integer;
    v_wrong record;
BEGIN
    PERFORM FROM sales.customer WHERE id = p_customer_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no customer %', p_customer_id;
    END IF;
    PERFORM FROM sales.product
    WHERE id IN (SELECT (i ->> 'product_id')::uuid FROM jsonb_array_elements(p_items) AS i)
    ORDER BY id FOR NO KEY UPDATE;
    SELECT count(*), count(p.id), sum(i.quantity * p.price) > 100000 AS dear, min(i.quantity) < 1 OR max(i.quantity) > 1000 AS odd
    INTO v_wrong
    FROM jsonb_to_recordset(p_items) AS i(product_id uuid, quantity integer) LEFT JOIN sales.product AS p ON p.id = i.product_id;
    IF v_wrong.dear OR v_wrong.odd IS NOT FALSE THEN
        RAISE EXCEPTION 'the order is too large, or a quantity is none';
    END IF;
    INSERT INTO sales."order" (customer_id, total)
    SELECT p_customer_id, sum(i.quantity * p.price)
    FROM jsonb_to_recordset(p_items) AS i(product_id uuid, quantity integer) JOIN sales.product AS p ON p.id = i.product_id
    RETURNING id INTO v_order;
    INSERT INTO sales.order_item (order_id, product_id, quantity, unit_price)
    SELECT v_order, p.id, i.quantity, p.price
    FROM jsonb_to_recordset(p_items) AS i(product_id uuid, quantity integer) JOIN sales.product AS p ON p.id = i.product_id;
    GET DIAGNOSTICS v_lines = ROW_COUNT;
    IF v_lines <> jsonb_array_length(p_items) THEN
        RAISE EXCEPTION 'there is no such product';
    END IF;
    UPDATE sales.product AS p SET stock = p.stock - s.quantity
    FROM (SELECT i.product_id, sum(i.quantity) AS quantity FROM jsonb_to_recordset(p_items) AS i(product_id uuid, quantity integer)
          GROUP BY i.product_id) AS s
    WHERE p.id = s.product_id AND p.stock >= s.quantity;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found <> (SELECT count(DISTINCT i ->> 'product_id') FROM jsonb_array_elements(p_items) AS i) THEN
        RAISE EXCEPTION 'insufficient_stock';
    END IF;
    UPDATE sales.customer SET orders = orders + 1 WHERE id = p_customer_id;
    RETURN v_order;
END $$;
