-- By hand, in one function: nothing says where an instance stands, and nothing is undone but by the transaction.
CREATE FUNCTION bench.trade(p_good uuid, p_account uuid, p_quantity integer) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    v_trade uuid;
BEGIN
    INSERT INTO depot.trade (good_id, account_id, quantity) VALUES (p_good, p_account, p_quantity) RETURNING id INTO v_trade;
    UPDATE depot.good SET reserved = reserved + p_quantity WHERE id = p_good;
    INSERT INTO depot.entry (trade_id, what) VALUES (p_good, 'begun');
    UPDATE depot.account SET balance = balance - p_quantity * 3 WHERE id = p_account;
    UPDATE depot.good SET stock = stock - p_quantity, reserved = reserved - p_quantity WHERE id = p_good;
    INSERT INTO depot.entry (trade_id, what) VALUES (p_good, 'done');
    UPDATE depot.trade SET status = 'completed' WHERE id = v_trade;
    RETURN v_trade;
END $$;
CREATE PROCEDURE bench.run(n integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM bench.trade(bench.id(i % 1000), bench.id(i % 999), 2);
        COMMIT;
    END LOOP;
END $$;
