-- A queue as one writes it by hand, with a history; and loops that empty each queue in batches of 100, or a batch as PgQ cuts it.
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE TABLE bench.queue (
    id uuid PRIMARY KEY DEFAULT specql.uuid_v7(),
    service text NOT NULL,
    operation text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE bench.done (LIKE bench.queue, finished_at timestamptz NOT NULL);

CREATE FUNCTION bench.enqueue(p_service text, p_operation text, p_payload jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    v_id uuid := specql.uuid_v7();
BEGIN
    INSERT INTO bench.queue (id, service, operation, payload) VALUES (v_id, p_service, p_operation, p_payload);
    RETURN v_id;
END $$;

CREATE PROCEDURE bench.drain_plpgsql(expected bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_item record;
    v_handled bigint := 0;
    v_batch integer;
BEGIN
    LOOP
        v_batch := 0;
        FOR v_item IN SELECT * FROM bench.queue ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
            DELETE FROM bench.queue WHERE id = v_item.id;
            INSERT INTO bench.done VALUES (v_item.id, v_item.service, v_item.operation, v_item.payload, v_item.created_at, clock_timestamp());
            v_batch := v_batch + 1;
        END LOOP;
        EXIT WHEN v_batch = 0;
        v_handled := v_handled + v_batch;
        COMMIT;
    END LOOP;
    ASSERT v_handled = expected;
END $$;

CREATE PROCEDURE bench.drain_pgq(expected bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_batch bigint;
    v_handled bigint := 0;
    v_item record;
BEGIN
    PERFORM pgq.force_tick('bench');
    PERFORM pgq.ticker('bench');
    COMMIT;
    LOOP
        v_batch := pgq.next_batch('bench', 'consumer');
        EXIT WHEN v_batch IS NULL;
        FOR v_item IN SELECT * FROM pgq.get_batch_events(v_batch) LOOP
            v_handled := v_handled + 1;
        END LOOP;
        PERFORM pgq.finish_batch(v_batch);
        COMMIT;
    END LOOP;
    ASSERT v_handled = expected, v_handled;
END $$;

CREATE PROCEDURE bench.drain_specql(expected bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_batch bigint;
    v_handled bigint := 0;
BEGIN
    LOOP
        SELECT specql.ack(VARIADIC coalesce(array_agg(t.id), '{}')) INTO v_batch FROM specql.take('pull', 100) AS t;
        EXIT WHEN v_batch = 0;
        v_handled := v_handled + v_batch;
        COMMIT;
    END LOOP;
    ASSERT v_handled = expected, v_handled;
END $$;

CREATE PROCEDURE bench.empty() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE bench.queue, bench.done, specql.outbox, specql.delivery_history, specql.dead_letter;
    IF EXISTS (SELECT FROM pgq.queue) THEN
        PERFORM pgq.unregister_consumer('bench', 'consumer');
        PERFORM pgq.drop_queue('bench');
    END IF;
    PERFORM pgq.create_queue('bench');
    PERFORM pgq.register_consumer('bench', 'consumer');
END $$;

-- So many calls that wait for a service, as handlers queue them.
CREATE PROCEDURE bench.fill(p_service text, n bigint) LANGUAGE sql AS $$
    INSERT INTO specql.outbox (id, aggregatetype, aggregateid, type, payload, kind, service, operation)
    SELECT specql.uuid_v7(), 'inventory.product', i::text, 'stock_quantity_changed',
           jsonb_build_object('n', i, 'text', repeat('x', 100)), 'call', p_service, 'op'
    FROM generate_series(1, n) AS i
$$;
