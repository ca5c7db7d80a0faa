-- Queues, each with a procedure that puts n messages in one by one, one that puts them in at once, and one that takes n out and is done with them:
-- in batches of 100, or a batch as PgQ cuts it. Every one hands the payloads over and keeps what was handled until something removes it.
SET client_min_messages = warning;
CREATE FUNCTION bench.payload(i bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$ SELECT jsonb_build_object('n', i, 'text', repeat('x', 100)) $$;

-- A plain table: a number as the key, an index of what waits, FOR UPDATE SKIP LOCKED.
CREATE TABLE bench.queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    operation text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX ON bench.queue (id) WHERE done_at IS NULL;

CREATE FUNCTION bench.enqueue(p_service text, p_operation text, p_payload jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO bench.queue (service, operation, payload) VALUES (p_service, p_operation, p_payload) RETURNING id INTO v_id;
    RETURN v_id;
END $$;
CREATE PROCEDURE bench.one_by_one_plain(n bigint) LANGUAGE sql AS $$
    SELECT count(bench.enqueue('pull', 'op', bench.payload(i))) FROM generate_series(1, n) AS i
$$;
CREATE PROCEDURE bench.at_once_plain(n bigint) LANGUAGE sql AS $$
    INSERT INTO bench.queue (service, operation, payload) SELECT 'pull', 'op', bench.payload(i) FROM generate_series(1, n) AS i
$$;
CREATE PROCEDURE bench.drain_plain(n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_handled bigint := 0;
    v_batch bigint;
BEGIN
    WHILE v_handled < n LOOP
        WITH taken AS (
            UPDATE bench.queue SET done_at = now() WHERE id = ANY (ARRAY(
                SELECT id FROM bench.queue WHERE done_at IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED))
            RETURNING payload)
        SELECT count(payload) INTO v_batch FROM taken;
        COMMIT;
        ASSERT v_batch > 0, v_handled;
        v_handled := v_handled + v_batch;
    END LOOP;
END $$;

-- PgQ. What was put in since the last tick is a batch.
SELECT pgq.create_queue('bench'), pgq.register_consumer('bench', 'consumer');
CREATE PROCEDURE bench.one_by_one_pgq(n bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count(pgq.insert_event('bench', 'op', bench.payload(i)::text)) FROM generate_series(1, n) AS i;
    COMMIT;
    PERFORM pgq.force_tick('bench');
    PERFORM pgq.ticker('bench');
END $$;
CREATE PROCEDURE bench.drain_pgq(n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_handled bigint := 0;
    v_count bigint;
    v_batch bigint;
BEGIN
    WHILE v_handled < n LOOP
        v_batch := pgq.next_batch('bench', 'consumer');
        ASSERT v_batch IS NOT NULL, v_handled;
        SELECT count(ev_data) INTO v_count FROM pgq.get_batch_events(v_batch);
        PERFORM pgq.finish_batch(v_batch);
        COMMIT;
        v_handled := v_handled + v_count;
    END LOOP;
END $$;

-- specql: as an application puts calls into a service's queue, and as the calls of a rule, here one that hears a custom event.
\set spec 'service: pull\n---\nschema: bench\nactions:\n  - name: on_queued\n    trigger: queued\n    steps:\n      - call_external: pull "op"\n'
SELECT count(*) FROM specql.apply(:'spec');
CREATE PROCEDURE bench.one_by_one_specql(n bigint) LANGUAGE sql AS $$
    SELECT count(specql.call_external('pull', 'op', NULL::uuid, bench.payload(i))) FROM generate_series(1, n) AS i
$$;
CREATE PROCEDURE bench.at_once_specql(n bigint) LANGUAGE sql AS $$
    SELECT cardinality(specql.enqueue('pull', 'op', ARRAY(SELECT bench.payload(i) FROM generate_series(1, n) AS i)))
$$;
CREATE PROCEDURE bench.at_once_specql_events(n bigint) LANGUAGE sql AS $$
    SELECT count(*) FROM specql.emit('queued', ARRAY(SELECT bench.payload(i) FROM generate_series(1, n) AS i))
$$;
CREATE PROCEDURE bench.drain_specql(n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_handled bigint := 0;
    v_batch bigint;
BEGIN
    WHILE v_handled < n LOOP
        SELECT specql.ack(VARIADIC coalesce(array_agg(t.id), '{}')) INTO v_batch FROM specql.take('pull', 100) AS t WHERE t.payload IS NOT NULL;
        COMMIT;
        ASSERT v_batch > 0, v_handled;
        v_handled := v_handled + v_batch;
    END LOOP;
END $$;
