-- A PL/pgSQL function as one writes it by hand, into a table like specql's log.
CREATE TABLE bench.events (LIKE specql.event_log_0 INCLUDING ALL);
CREATE FUNCTION bench.emit(p_type text, p_data jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    v_id uuid := specql.uuid_v7();
BEGIN
    INSERT INTO bench.events (slot, id, type, data, occurred_at, xid, root, depth, batch, status, attempts, deliveries, processed_at)
    VALUES (0, v_id, p_type, p_data, clock_timestamp(), pg_current_xact_id(), v_id, 1, v_id, 'unheard', 0, 0, now());
    RETURN v_id;
END $$;
