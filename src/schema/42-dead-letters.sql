-- Dead letters stay until somebody queues them again or discards them.

CREATE VIEW specql.dead_letters AS
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.attempts, d.last_error, d.http_status, d.response, d.created_at,
           d.finished_at AS died_at
    FROM specql.dead_letter AS d;
COMMENT ON VIEW specql.dead_letters IS
'Deliveries that were given up. They stay: SELECT specql.redrive(id) queues one again, specql.discard(id) lets it go';
COMMENT ON COLUMN specql.dead_letters.id IS 'The delivery';
COMMENT ON COLUMN specql.dead_letters.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.dead_letters.service IS 'The service that was called';
COMMENT ON COLUMN specql.dead_letters.operation IS 'What of the service';
COMMENT ON COLUMN specql.dead_letters.channel IS 'Who was to be notified';
COMMENT ON COLUMN specql.dead_letters.message IS 'What they were to be told';
COMMENT ON COLUMN specql.dead_letters.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.dead_letters.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.dead_letters.type IS 'The event''s type';
COMMENT ON COLUMN specql.dead_letters.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.dead_letters.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.dead_letters.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.dead_letters.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.dead_letters.last_error IS 'Of the last attempt';
COMMENT ON COLUMN specql.dead_letters.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letters.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.dead_letters.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.dead_letters.died_at IS 'When it was given up';

CREATE FUNCTION specql.is_too_large(d specql.dead_letter) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.payload_size(d.payload) + coalesce(octet_length(d.message), 0)
               > pg_size_bytes(specql.setting('max_payload_size'))
           OR specql.payload_size(d.payload) < 100 AND d.payload ? 'specql.omitted_bytes'
$$;
COMMENT ON FUNCTION specql.is_too_large(specql.dead_letter) IS 'Is a dead letter larger than specql.max_payload_size, or without its payload for that reason?';

-- Its process has gone on without it, or waits to be told by specql.retry_process, which queues another.
CREATE FUNCTION specql.is_of_process(d specql.dead_letter) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM specql.own_payload AS p
                   WHERE p.id = $1.id AND p.aggregatetype = $1.action AND p.idempotency_key = p.aggregateid || ':' || p.type)
$$;
COMMENT ON FUNCTION specql.is_of_process(specql.dead_letter) IS 'Is a dead letter the call of a step of a process, or of what undoes one?';

CREATE FUNCTION specql.redrive(id uuid) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r specql.dead_letter;
BEGIN
    SELECT d.* INTO r FROM specql.dead_letter AS d WHERE d.id = redrive.id AND specql.may_handle(d.action, d.owner) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF specql.is_too_large(r) THEN
        RAISE EXCEPTION 'the delivery is too large for specql.max_payload_size' USING ERRCODE = 'program_limit_exceeded',
            HINT = CASE WHEN r.payload ? 'specql.omitted_bytes'
                        THEN 'Its payload was not kept. specql.replay(..., deliver => true) queues what the handler queues for its event today.'
                        ELSE 'Let a superuser raise the setting, or specql.discard(id) the delivery.' END;
    END IF;
    IF specql.is_of_process(r) THEN
        RAISE EXCEPTION 'the delivery is a call of process %, which does not wait for it any more', r.aggregateid
            USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'specql.why(process) tells what became of it. specql.retry_process(process) lets one that is stuck go on; specql.discard(id) lets the delivery go.';
    END IF;
    PERFORM specql.wake_worker();
    DELETE FROM specql.dead_letter AS d WHERE d.id = redrive.id;
    r.status := 'waiting';
    r.attempts := 0;
    r.available_at := clock_timestamp();
    r.finished_at := NULL;
    r.http_status := NULL;
    r.response := NULL;
    INSERT INTO specql.outbox VALUES (r.*);
    RETURN 1;
END $$;
COMMENT ON FUNCTION specql.redrive(uuid) IS 'Queues a dead letter again, with all its attempts; 0 if there is none with this id';

-- A literal of unknown type means this one, so that it must also understand an id.
CREATE FUNCTION specql.redrive(service text, since timestamptz DEFAULT NULL) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(specql.redrive(d.id)), 0)::integer
    FROM (SELECT l.id FROM specql.dead_letter AS l
          WHERE (l.id::text = $1 OR l.service = $1 AND NOT specql.is_too_large(l) AND NOT specql.is_of_process(l)) AND ($2 IS NULL OR l.finished_at >= $2) ORDER BY l.id) AS d
$$;
COMMENT ON FUNCTION specql.redrive(text, timestamptz) IS
'Queues all dead letters of a service again, or those that died since, but those that are too large, and those of processes, which go on without them; how many';

CREATE FUNCTION specql.discard(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r specql.dead_letter;
BEGIN
    DELETE FROM specql.dead_letter AS d WHERE d.id = discard.id AND specql.may_handle(d.action, d.owner) RETURNING d.* INTO r;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM specql.wake_worker();
    -- The next call of its idempotency key may be made.
    DELETE FROM specql.known_key AS k USING specql.own_payload AS p
    WHERE p.id = discard.id AND p.idempotency_key IS NOT NULL AND k.id = p.id
      AND (k.service, k.operation, k.key) = (r.service, p.operation, p.idempotency_key) AND k.owner = r.owner;
    r.status := 'discarded';
    r.finished_at := clock_timestamp();
    INSERT INTO specql.delivery_history VALUES (r.*);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.discard(uuid) IS
'Gives a dead letter up for good: later calls of its key are not blocked by it any more. Its event stays unprocessed';

REVOKE ALL ON FUNCTION specql.is_too_large(specql.dead_letter), specql.is_of_process(specql.dead_letter), specql.redrive(uuid),
    specql.redrive(text, timestamptz), specql.discard(uuid)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.redrive(uuid), specql.redrive(text, timestamptz), specql.discard(uuid) TO specql_admin;
GRANT SELECT ON specql.dead_letters TO specql_admin;
