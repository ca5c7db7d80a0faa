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
COMMENT ON COLUMN specql.failure.data IS 'Old and new row, or the payload: what the next attempt works with';
COMMENT ON COLUMN specql.failure.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failure.xid IS 'The transaction';
COMMENT ON COLUMN specql.failure.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failure.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failure.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.failure.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failure.attempts IS 'How often the handler failed for it';
COMMENT ON COLUMN specql.failure.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failure.message IS 'Of the last error';
COMMENT ON COLUMN specql.failure.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failure.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failure.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failure.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failure.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failure.next_attempt_at IS 'When the next attempt is due; NULL if parked';
COMMENT ON COLUMN specql.failure.caller IS 'Who did it: the role as user, and the claims';
SELECT pg_catalog.pg_extension_config_dump('specql.failure', '');

-- Full jitter, so that what failed in one moment does not come back in one moment.
CREATE FUNCTION specql.pause_after(attempts integer, backoff interval) RETURNS interval
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT random() * least($2 * 2 ^ least($1 - 1, 20), interval '1 hour')
$$;
COMMENT ON FUNCTION specql.pause_after(integer, interval) IS
'How long to wait after so many failed attempts: any time up to backoff * 2^(attempts - 1), at most an hour';

CREATE FUNCTION specql.next_attempt(action text, attempts integer, park boolean,
    OUT status text, OUT next_attempt_at timestamptz)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.park THEN 'parked' ELSE 'failed' END,
           CASE WHEN NOT p.park
                THEN specql.clock() + specql.pause_after($2, p.backoff) END
    FROM (SELECT $3 OR $2 >= coalesce(max(a.max_attempts), 8) AS park,
                 coalesce(max(a.backoff), interval '1 second') AS backoff
          FROM specql.action AS a WHERE a.action = $1) AS p
$$;
COMMENT ON FUNCTION specql.next_attempt(text, integer, boolean) IS
'What becomes of an event after so many failed attempts, by max_attempts and backoff of its action';

CREATE FUNCTION specql.retry(event_id uuid, action text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry';
COMMENT ON FUNCTION specql.retry(uuid, text) IS
'Tries a failed or parked event again now, for one or all actions it failed for; how many handled it';

CREATE FUNCTION specql.retry_due(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry_due';
COMMENT ON FUNCTION specql.retry_due(integer) IS
'Tries the failed events of the caller''s actions again whose time has come; how many it tried. specql.drain() does it';

CREATE VIEW specql.failures AS
    SELECT id, action, type, subject, status, attempts, sqlstate, message, detail, hint, context, data, occurred_at,
           first_failed_at, last_failed_at, next_attempt_at, caused_by, root, depth
    FROM specql.failure;
COMMENT ON VIEW specql.failures IS
'Events whose handler failed; specql.drain() tries those again that are due, SELECT specql.retry(id) one by hand';
COMMENT ON COLUMN specql.failures.id IS 'The event; for specql.retry and specql.why';
COMMENT ON COLUMN specql.failures.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failures.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failures.subject IS 'The id of the row that changed';
COMMENT ON COLUMN specql.failures.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failures.attempts IS 'How often the handler failed for it';
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

REVOKE ALL ON FUNCTION specql.pause_after(integer, interval), specql.next_attempt(text, integer, boolean), specql.retry(uuid, text), specql.retry_due(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.retry(uuid, text), specql.retry_due(integer) TO specql_admin;
GRANT SELECT ON specql.failures TO specql_admin;
