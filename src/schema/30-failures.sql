-- Events whose handler failed: they are tried again, later and later, until they are parked for a person.

CREATE TABLE specql.failure (
    id uuid NOT NULL,
    action text NOT NULL,
    type text NOT NULL,
    entity text,
    relation regclass,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    status text NOT NULL CHECK (status IN ('failed', 'parked')),
    attempts integer NOT NULL,
    sqlstate text NOT NULL,
    message text,
    detail text,
    hint text,
    context text,
    first_failed_at timestamptz NOT NULL,
    last_failed_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    caller jsonb,
    traceparent text,
    settings jsonb,
    PRIMARY KEY (id, action),
    CHECK ((status = 'failed') = (next_attempt_at IS NOT NULL))
);
CREATE INDEX failure_due ON specql.failure (next_attempt_at) WHERE status = 'failed';
CREATE INDEX failure_action ON specql.failure (action, next_attempt_at) WHERE status = 'failed';
CREATE INDEX failure_caused_by ON specql.failure (caused_by) WHERE caused_by IS NOT NULL;
COMMENT ON TABLE specql.failure IS 'Events whose handler failed: waiting for the next attempt, or parked; shown by specql.failures';
COMMENT ON COLUMN specql.failure.id IS 'The event';
COMMENT ON COLUMN specql.failure.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failure.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failure.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.failure.relation IS 'The same as an object, which follows a rename';
COMMENT ON COLUMN specql.failure.subject IS 'The id of that row';
COMMENT ON COLUMN specql.failure.data IS 'The rows as specql.event_log has them, or the payload: what the next attempt works with';
COMMENT ON COLUMN specql.failure.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failure.xid IS 'The transaction';
COMMENT ON COLUMN specql.failure.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failure.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failure.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.failure.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failure.attempts IS 'How many failed attempts count: all but those that met an outage';
COMMENT ON COLUMN specql.failure.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failure.message IS 'Of the last error';
COMMENT ON COLUMN specql.failure.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failure.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failure.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failure.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failure.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failure.next_attempt_at IS 'When the next attempt is due; NULL if parked';
COMMENT ON COLUMN specql.failure.caller IS 'Who did it: the role as user, and the claims';
COMMENT ON COLUMN specql.failure.traceparent IS 'The trace that it happened in, as the W3C writes it';
COMMENT ON COLUMN specql.failure.settings IS 'The settings that specql.context named, as the session had them';
SELECT pg_catalog.pg_extension_config_dump('specql.failure', '');

-- Full jitter, so that what failed in one moment does not come back in one moment.
CREATE FUNCTION specql.pause_after(attempts integer, backoff interval) RETURNS interval
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT random() * least($2 * 2 ^ least($1 - 1, 20), interval '1 hour')
$$;
COMMENT ON FUNCTION specql.pause_after(integer, interval) IS
'How long to wait after so many failed attempts: any time up to backoff * 2^(attempts - 1), at most an hour';

-- What another server or a migration has to give first takes as long as it takes; what the data of the event are not good
-- for will not be better next time. The lists of an action decide over what stands here, and of their entries the longest.
-- These functions are asked for each event that fails, so their plans are kept, which those of SQL functions are not.
CREATE FUNCTION specql.error_kind(sqlstate text, retry_on text[], park_on text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listed text := CASE WHEN $2 <> '{}' OR $3 <> '{}' THEN
        (SELECT l.kind
         FROM (SELECT r.code, 'usual' AS kind FROM unnest($2) AS r(code) UNION ALL SELECT p.code, 'final' FROM unnest($3) AS p(code)) AS l
         WHERE starts_with($1, l.code) ORDER BY length(l.code) DESC LIMIT 1) END;
BEGIN
    RETURN CASE WHEN listed IS NOT NULL THEN listed
                WHEN $1 IN ('40001', '53300', '57P03', 'SQ209') OR left($1, 2) = '08' THEN 'waiting'
                WHEN $1 IN ('SQ200', 'SQ208') OR left($1, 2) IN ('22', '23', '27', '42') THEN 'final'
                ELSE 'usual' END;
END $$;
COMMENT ON FUNCTION specql.error_kind(text, text[], text[]) IS
'What follows an error of an action''s handler, by retry_on and park_on of the action. usual: it is tried again up to max_attempts; final: it is tried once more, then parked; waiting: it is tried again without counting, as long as it takes';

CREATE FUNCTION specql.is_waiting(action text, sqlstate text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT specql.error_kind($2, a.retry_on, a.park_on) FROM specql.action AS a WHERE a.action = $1 LIMIT 1),
                    specql.error_kind($2, '{}', '{}')) = 'waiting'
$$;
COMMENT ON FUNCTION specql.is_waiting(text, text) IS
'Whether the error is of the kind waiting for the action: its other events would meet it too';

CREATE FUNCTION specql.after_error(action text, attempts_before integer, sqlstate text, failing_since timestamptz, park boolean,
    OUT status text, OUT attempts integer, OUT shortest_pause interval, OUT longest_pause interval)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    r specql.action;
    kind text;
    backoff interval;
    most integer;
BEGIN
    SELECT a.* INTO r FROM specql.action AS a WHERE a.action = $1 LIMIT 1;
    kind := specql.error_kind($3, coalesce(r.retry_on, '{}'), coalesce(r.park_on, '{}'));
    backoff := coalesce(r.backoff, interval '1 second');
    most := coalesce(r.max_attempts, 8);
    attempts := attempts_before + CASE kind WHEN 'waiting' THEN 0 ELSE 1 END;
    status := 'failed';
    IF park OR kind = 'usual' AND attempts >= most OR kind = 'final' AND attempts >= least(most, 2) THEN
        status := 'parked';
    ELSIF kind = 'waiting' THEN
        longest_pause := least(greatest(backoff, clock_timestamp() - failing_since), interval '1 minute');
        shortest_pause := longest_pause / 2;
    ELSE
        -- As specql.pause_after.
        longest_pause := least(backoff * 2 ^ least(attempts - 1, 20), interval '1 hour');
        shortest_pause := interval '0';
    END IF;
END $$;
COMMENT ON FUNCTION specql.after_error(text, integer, text, timestamptz, boolean) IS
'What becomes of an event after one more failed attempt, by specql.error_kind, max_attempts and backoff of its action: how many attempts count, and how long to wait at least and at most; NULL if it is parked';

CREATE FUNCTION specql.next_attempt(action text, attempts_before integer, sqlstate text, failing_since timestamptz, park boolean,
    OUT status text, OUT attempts integer, OUT next_attempt_at timestamptz)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
BEGIN
    a := specql.after_error($1, $2, $3, $4, $5);
    status := a.status;
    attempts := a.attempts;
    next_attempt_at := specql.clock() + a.shortest_pause + random() * (a.longest_pause - a.shortest_pause);
END $$;
COMMENT ON FUNCTION specql.next_attempt(text, integer, text, timestamptz, boolean) IS
'The same as specql.after_error, with the time of the next attempt, at random between the two';

CREATE FUNCTION specql.retry(event_id uuid, action text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry';
COMMENT ON FUNCTION specql.retry(uuid, text) IS
'Tries a failed or parked event again now, for one or all actions it failed for; how many handled it';

CREATE FUNCTION specql.retry_due(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry_due';
COMMENT ON FUNCTION specql.retry_due(integer) IS
'Tries the failed events of the caller''s actions again whose time has come; how many it tried. specql.drain() does it';

-- Apply may hold locks that a retry waits for, so it waits for none.
CREATE FUNCTION specql.retry_missing(actions text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH missing AS (
        SELECT f.id, f.action FROM specql.failure AS f
        WHERE f.sqlstate IN ('SQ209', '3F000', '42P01', '42703', '42704', '42883') AND ($1 IS NULL OR f.action = ANY ($1))
        FOR UPDATE SKIP LOCKED)
    UPDATE specql.failure AS f SET status = 'failed', next_attempt_at = specql.clock()
    FROM missing AS m WHERE f.id = m.id AND f.action = m.action
$$;
COMMENT ON FUNCTION specql.retry_missing(text[]) IS
'Makes events due, parked ones too, that failed because something was missing: a rule that was applied or made again may have it. NULL stands for all actions';

CREATE VIEW specql.failures AS
    SELECT id, action, type, subject, status, attempts, sqlstate, message, detail, hint, context,
           CASE WHEN entity IS NULL THEN data ELSE specql.whole_images(data) END AS data, occurred_at,
           first_failed_at, last_failed_at, next_attempt_at, caused_by, root, depth
    FROM specql.failure;
COMMENT ON VIEW specql.failures IS
'Events whose handler failed; specql.drain() tries those again that are due, SELECT specql.retry(id) one by hand';
COMMENT ON COLUMN specql.failures.id IS 'The event; for specql.retry and specql.why';
COMMENT ON COLUMN specql.failures.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failures.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failures.subject IS 'The id of the row that changed';
COMMENT ON COLUMN specql.failures.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failures.attempts IS 'How many failed attempts count: all but those that met an outage, see specql.error_kind';
COMMENT ON COLUMN specql.failures.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failures.message IS 'Of the last error';
COMMENT ON COLUMN specql.failures.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failures.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failures.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failures.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.failures.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failures.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failures.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failures.next_attempt_at IS 'When the next attempt is due; NULL if parked';
COMMENT ON COLUMN specql.failures.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failures.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failures.depth IS 'The place in that chain';

REVOKE ALL ON FUNCTION specql.pause_after(integer, interval), specql.error_kind(text, text[], text[]), specql.is_waiting(text, text),
    specql.after_error(text, integer, text, timestamptz, boolean), specql.next_attempt(text, integer, text, timestamptz, boolean),
    specql.retry_missing(text[]), specql.retry(uuid, text), specql.retry_due(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.retry(uuid, text), specql.retry_due(integer) TO specql_admin;
GRANT SELECT ON specql.failures TO specql_admin;
