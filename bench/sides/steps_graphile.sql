-- A job for each step: it does the step and adds the job of the next, in one transaction and one round trip.
CREATE FUNCTION bench.step(p_trade uuid, p_step integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v depot.trade;
BEGIN
    SELECT * INTO v FROM depot.trade WHERE id = p_trade;
    CASE p_step
        WHEN 1 THEN UPDATE depot.good SET reserved = reserved + v.quantity WHERE id = v.good_id;
        WHEN 2 THEN INSERT INTO depot.entry (trade_id, what) VALUES (v.good_id, 'begun');
        WHEN 3 THEN UPDATE depot.account SET balance = balance - v.quantity * 3 WHERE id = v.account_id;
        WHEN 4 THEN UPDATE depot.good SET stock = stock - v.quantity, reserved = reserved - v.quantity WHERE id = v.good_id;
        WHEN 5 THEN
            INSERT INTO depot.entry (trade_id, what) VALUES (v.good_id, 'done');
            UPDATE depot.trade SET status = 'completed' WHERE id = p_trade;
            RETURN true;
    END CASE;
    PERFORM graphile_worker.add_job('step', json_build_object('trade', p_trade, 'step', p_step + 1));
    RETURN false;
END $$;
CREATE FUNCTION bench.begin_trades(n integer) RETURNS bigint LANGUAGE sql AS $$
    WITH t AS (
        INSERT INTO depot.trade (good_id, account_id, quantity) SELECT bench.id(i % 1000), bench.id(i % 999), 2 FROM generate_series(1, n) AS i
        RETURNING id)
    SELECT count(graphile_worker.add_job('step', json_build_object('trade', t.id, 'step', 1))) FROM t
$$;
