-- Events that are raised later: emit: x after 2 days. Each is kept until its time, and then waits for the actions that listen by
-- then, or is logged as one that nobody listens to.

CREATE TABLE specql.later_event (
    owner specql.role NOT NULL,
    due_at timestamptz NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    deliver boolean NOT NULL,
    caller jsonb,
    traceparent text,
    settings jsonb,
    PRIMARY KEY (owner, due_at, id)
);
COMMENT ON TABLE specql.later_event IS 'Events that will be raised: written by specql.emit_later, shown by specql.later_events';
COMMENT ON COLUMN specql.later_event.owner IS 'Who raises it';
COMMENT ON COLUMN specql.later_event.due_at IS 'When, by specql.clock(): the time of the event';
COMMENT ON COLUMN specql.later_event.id IS 'The event';
COMMENT ON COLUMN specql.later_event.type IS 'The custom event';
COMMENT ON COLUMN specql.later_event.data IS 'Its payload';
COMMENT ON COLUMN specql.later_event.xid IS 'The transaction that wanted it';
COMMENT ON COLUMN specql.later_event.caused_by IS 'The event whose handler wanted it';
COMMENT ON COLUMN specql.later_event.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.later_event.depth IS 'Its place in a cascade, which begins anew with it';
COMMENT ON COLUMN specql.later_event.deliver IS 'False if a replay that delivers nothing caused it';
COMMENT ON COLUMN specql.later_event.caller IS 'Who wanted it: the role as user, and the claims';
COMMENT ON COLUMN specql.later_event.traceparent IS 'The trace that it was wanted in, as the W3C writes it';
COMMENT ON COLUMN specql.later_event.settings IS 'The settings that specql.context named, as the session had them';
SELECT pg_catalog.pg_extension_config_dump('specql.later_event', '');

CREATE FUNCTION specql.emit_later(type text, after interval, data jsonb DEFAULT '{}') RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_later';
COMMENT ON FUNCTION specql.emit_later(text, interval, jsonb) IS
'Raises a custom event when so much time has passed, whatever becomes of who wanted it: it waits for a worker then, or for specql.drain(). The event''s id';

CREATE FUNCTION specql.heard_by(type text) RETURNS text[]
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_heard_by';
COMMENT ON FUNCTION specql.heard_by(text) IS 'The actions that a custom event reaches';

CREATE FUNCTION specql.log_unheard(event specql.later_event) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_log_unheard';
COMMENT ON FUNCTION specql.log_unheard(specql.later_event) IS 'Logs an event whose time has come and that nobody listens to';

-- From role to role along the index, however many events wait for each.
CREATE VIEW specql.due_emitter AS
    WITH RECURSIVE emitter AS (
        (SELECT l.owner FROM specql.later_event AS l ORDER BY l.owner LIMIT 1)
        UNION ALL
        SELECT (SELECT l.owner FROM specql.later_event AS l WHERE l.owner > e.owner ORDER BY l.owner LIMIT 1)
        FROM emitter AS e WHERE e.owner IS NOT NULL)
    SELECT e.owner, (SELECT l.due_at FROM specql.later_event AS l WHERE l.owner = e.owner ORDER BY l.due_at LIMIT 1) AS due_at
    FROM emitter AS e WHERE e.owner IS NOT NULL;
COMMENT ON VIEW specql.due_emitter IS 'When the next event is to be raised for each role';
COMMENT ON COLUMN specql.due_emitter.owner IS 'The role, which may be gone';
COMMENT ON COLUMN specql.due_emitter.due_at IS 'By specql.clock()';

-- What another session has taken out is left to it. The list of those who listen is read once for each type.
CREATE FUNCTION specql.raise_later(owner oid, max_events integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    now constant timestamptz := specql.clock();
    due specql.later_event[];
BEGIN
    WITH gone AS (
        DELETE FROM specql.later_event AS l
        USING (SELECT w.due_at, w.id FROM specql.later_event AS w WHERE w.owner::oid = $1 AND w.due_at <= now
               ORDER BY w.due_at, w.id LIMIT max_events FOR UPDATE SKIP LOCKED) AS k
        WHERE l.owner::oid = $1 AND l.due_at = k.due_at AND l.id = k.id
        RETURNING l)
    SELECT array_agg(g.l) INTO due FROM gone AS g;
    WITH heard AS (
        SELECT t.type, specql.heard_by(t.type) AS actions FROM (SELECT DISTINCT l.type FROM unnest(due) AS l) AS t)
    INSERT INTO specql.waiting_event (id, action, type, data, occurred_at, xid, caused_by, root, depth, deliver, caller, traceparent, settings)
    SELECT l.id, a.action, l.type, l.data, l.due_at, pg_current_xact_id(), l.caused_by, l.root, l.depth, l.deliver, l.caller, l.traceparent, l.settings
    FROM unnest(due) AS l JOIN heard AS h ON h.type = l.type, unnest(h.actions) AS a(action);
    PERFORM specql.log_unheard(l) FROM unnest(due) AS l WHERE specql.heard_by(l.type) = '{}';
    PERFORM specql.wake_worker();
    RETURN coalesce(cardinality(due), 0);
END $$;
COMMENT ON FUNCTION specql.raise_later(oid, integer) IS
'Lets the events of a role whose time has come wait for the actions that listen to them; how many. For the worker';

CREATE VIEW specql.later_events AS
    SELECT l.id, l.type, l.data, l.due_at, l.owner::pg_catalog.text AS owner, l.xid, l.caused_by, l.root
    FROM specql.later_event AS l
    WHERE specql.is_mine(l.owner);
COMMENT ON VIEW specql.later_events IS 'Events that the current user has had raised for later, and when they will be';
COMMENT ON COLUMN specql.later_events.id IS 'The event';
COMMENT ON COLUMN specql.later_events.type IS 'The custom event';
COMMENT ON COLUMN specql.later_events.data IS 'Its payload';
COMMENT ON COLUMN specql.later_events.due_at IS 'When it will be raised, or should have been since';
COMMENT ON COLUMN specql.later_events.owner IS 'Who raises it';
COMMENT ON COLUMN specql.later_events.xid IS 'The transaction that wanted it';
COMMENT ON COLUMN specql.later_events.caused_by IS 'The event whose handler wanted it';
COMMENT ON COLUMN specql.later_events.root IS 'The event at the start of the chain of causes';

REVOKE ALL ON FUNCTION specql.emit_later(text, interval, jsonb), specql.heard_by(text), specql.log_unheard(specql.later_event),
    specql.raise_later(oid, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.emit_later(text, interval, jsonb) TO specql_admin;
GRANT SELECT ON specql.later_events TO specql_admin;
