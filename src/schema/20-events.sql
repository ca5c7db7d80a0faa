-- Events: capture and dispatch, emit, the event log, failures and retries.

-- ---- identifiers -----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.uuid_v7() RETURNS uuid
LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_uuid_v7';
COMMENT ON FUNCTION specql.uuid_v7() IS
'A new time-ordered identifier (RFC 9562 version 7); within a session each is greater than the one before';

CREATE FUNCTION specql.uuid_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.to_timestamp(
    (('x' || pg_catalog.substr(pg_catalog.replace(id::text, '-', ''), 1, 12))::bit(48)::bigint)::double precision / 1000);
COMMENT ON FUNCTION specql.uuid_time(uuid) IS 'When a version 7 identifier was made, to the millisecond';

CREATE FUNCTION specql.reaction_id(event_id uuid, step integer) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_reaction_id';
COMMENT ON FUNCTION specql.reaction_id(uuid, integer) IS
'In a handler: the id of the event row that a step inserts in reaction to an event, by which it is found again when the deliveries are done';

-- ---- the clock -------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.clock() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_clock';
COMMENT ON FUNCTION specql.clock() IS
'The time by which events happen, windows slide and retries are due: clock_timestamp(), moved by specql.clock_offset';

-- ---- the registry ----------------------------------------------------------------------------------------------------

CREATE TABLE specql.action (
    action text NOT NULL,
    event text NOT NULL,
    relation text,
    handler text NOT NULL,
    capture text,
    on_error text NOT NULL DEFAULT 'retry' CHECK (on_error IN ('retry', 'abort')),
    max_attempts integer NOT NULL DEFAULT 8 CHECK (max_attempts > 0),
    backoff interval NOT NULL DEFAULT '1 second' CHECK (backoff >= '0'),
    enabled boolean NOT NULL DEFAULT true,
    processed text,
    part text NOT NULL DEFAULT '',
    paused_at timestamptz,
    run_order integer NOT NULL DEFAULT 0,
    place integer[] NOT NULL DEFAULT '{}',
    uses_caller boolean NOT NULL DEFAULT false,
    CHECK ((relation IS NULL) = (capture IS NULL))
);
-- An action may watch several tables, each with a handler of its own; a window or correlation several events.
CREATE UNIQUE INDEX action_key ON specql.action (action, (coalesce(relation, '')), part);
COMMENT ON TABLE specql.action IS 'Actions as the runtime knows them: written by specql.register_action, shown by specql.actions';
COMMENT ON COLUMN specql.action.action IS 'Schema and name, e.g. inventory.on_stock_change';
COMMENT ON COLUMN specql.action.event IS 'The custom event it listens to, or the name of the row event, e.g. stock_quantity_changed';
COMMENT ON COLUMN specql.action.relation IS 'The table whose changes it watches; NULL for a custom event';
COMMENT ON COLUMN specql.action.handler IS 'The function that handles its events';
COMMENT ON COLUMN specql.action.capture IS 'The function whose expressions decide which changes are events; NULL for a custom event';
COMMENT ON COLUMN specql.action.on_error IS 'retry: a failing handler leaves the statement alone and is tried again; abort: it fails the statement';
COMMENT ON COLUMN specql.action.max_attempts IS 'After so many failed attempts an event is parked until a person acts';
COMMENT ON COLUMN specql.action.backoff IS 'The first delay between attempts; it doubles with each';
COMMENT ON COLUMN specql.action.processed IS 'A function (uuid[]) that is told the events whose last delivery has succeeded, run with its owner''s rights; or NULL';
COMMENT ON COLUMN specql.action.part IS
'Of a window or correlation: match (its steps, which only its matches reach) or source and the event that is counted; empty for other actions';
COMMENT ON COLUMN specql.action.paused_at IS 'Since when its events wait for specql.resume; NULL: they are handled';
COMMENT ON COLUMN specql.action.run_order IS 'What its order: says. Of the actions that one statement or custom event sets off, smaller ones run first, of equals those with on_error = abort, then by place';
COMMENT ON COLUMN specql.action.place IS 'Its place in the order of the texts, compared from the left';
COMMENT ON COLUMN specql.action.uses_caller IS 'Whether the event log keeps the caller of its events';
COMMENT ON COLUMN specql.action.enabled IS 'Whether a custom event reaches the action; for tables, see ALTER TABLE ... DISABLE TRIGGER';
SELECT pg_catalog.pg_extension_config_dump('specql.action', '');

CREATE FUNCTION specql.action_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_action_changed';
COMMENT ON FUNCTION specql.action_changed() IS 'Makes every session read specql.action again';
CREATE TRIGGER action_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON specql.action
    FOR EACH STATEMENT EXECUTE FUNCTION specql.action_changed();
COMMENT ON TRIGGER action_changed ON specql.action IS 'Makes all sessions read the actions again when one is changed';
-- Sessions that apply replicated or restored rows must notice too.
ALTER TABLE specql.action ENABLE ALWAYS TRIGGER action_changed;

-- Kept when an action goes: its events are still in the log.
CREATE TABLE specql.action_owner (
    action text NOT NULL PRIMARY KEY,
    owner specql.role NOT NULL,
    place integer[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE specql.action_owner IS 'Whose actions the events in the log were for; see 90-rights.sql for what follows from it. And where they stand, for when one that is gone comes back';
COMMENT ON COLUMN specql.action_owner.place IS 'Its place in the order of the texts, the last one it had';
COMMENT ON COLUMN specql.action_owner.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_owner.owner IS 'Who owned its handler when it was registered; see specql.owned_action';
SELECT pg_catalog.pg_extension_config_dump('specql.action_owner', '');
CREATE TRIGGER action_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON specql.action_owner
    FOR EACH STATEMENT EXECUTE FUNCTION specql.action_changed();
COMMENT ON TRIGGER action_changed ON specql.action_owner IS 'Makes all sessions read the actions again when one has another owner';
ALTER TABLE specql.action_owner ENABLE ALWAYS TRIGGER action_changed;

-- No part of a dump, as oids are of one database: there the owner is who was it when the action was registered.
CREATE TABLE specql.action_function (
    action text NOT NULL,
    function oid NOT NULL,
    PRIMARY KEY (action, function)
);
COMMENT ON TABLE specql.action_function IS 'The handlers of actions, by which their owner changes with that of their functions: REASSIGN OWNED';
COMMENT ON COLUMN specql.action_function.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_function.function IS 'Of pg_proc, in this database';

-- A function that was dropped and made again by somebody is not the one that was registered.
CREATE VIEW specql.owned_action AS
    SELECT o.action,
           coalesce((SELECT p.proowner
                     FROM specql.action_function AS f
                     JOIN pg_catalog.pg_proc AS p ON p.oid = f.function
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                     JOIN specql.action AS a ON a.action = f.action AND pg_catalog.parse_ident(a.handler) = ARRAY[n.nspname, p.proname]::text[]
                     WHERE f.action = o.action ORDER BY f.function LIMIT 1), o.owner::oid)::specql.role AS owner
    FROM specql.action_owner AS o;
COMMENT ON VIEW specql.owned_action IS 'Who owns each action now';
COMMENT ON COLUMN specql.owned_action.action IS 'Schema and name';
COMMENT ON COLUMN specql.owned_action.owner IS 'Who owns its handler; or, when that is gone, owned it at the last';

CREATE FUNCTION specql.register_action(action text, event text, relation text, handler text, capture text,
    on_error text DEFAULT 'retry', max_attempts integer DEFAULT NULL, backoff interval DEFAULT NULL,
    enabled boolean DEFAULT true, processed text DEFAULT NULL, part text DEFAULT '', run_order integer DEFAULT 0,
    place integer[] DEFAULT '{}', uses_caller boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_action';
COMMENT ON FUNCTION specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean) IS
'Tells the runtime of an action; again with other values changes it. Handler and capture function must belong to the caller and to roles with the rights of the table''s owner. Generated code calls this';

-- Functions that run as the extension's owner ask for whom.
CREATE FUNCTION specql.viewer() RETURNS oid
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'specql_viewer';
COMMENT ON FUNCTION specql.viewer() IS
'For whom functions work that run as the extension''s owner: in a handler its owner, else who the session is, or has become with SET ROLE';

-- What belongs to nobody, because its role was dropped, is for the owner of the database.
CREATE FUNCTION specql.works_for(owner specql.role, caller oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_has_role($2, coalesce(r.oid, d.datdba), 'USAGE')
           OR (SELECT pg_has_role($2, x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql')
    FROM pg_database AS d LEFT JOIN pg_roles AS r ON r.oid = $1::oid
    WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION specql.works_for(specql.role, oid) IS
'Has the caller the rights of the owner, or of the database''s owner if that role is gone?';

-- In a view current_user is whoever reads it.
CREATE FUNCTION specql.is_mine(owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.works_for($1, (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user))
$$;
COMMENT ON FUNCTION specql.is_mine(specql.role) IS 'Has the current user the rights of the owner? For views';

CREATE FUNCTION specql.sees(action text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1 IS NULL
           OR (SELECT pg_has_role(specql.viewer(), x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql')
           OR EXISTS (SELECT FROM specql.owned_action AS o WHERE o.action = $1 AND specql.works_for(o.owner, specql.viewer()))
$$;
COMMENT ON FUNCTION specql.sees(text) IS
'May the user of this session see the events of an action? For functions that run with other rights';

-- The same for all actions at once.
CREATE FUNCTION specql.visible_actions() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT pg_has_role(v.role, x.extowner, 'USAGE')
                THEN ARRAY(SELECT o.action FROM specql.owned_action AS o WHERE specql.works_for(o.owner, v.role)) END
    FROM (SELECT specql.viewer() AS role OFFSET 0) AS v, pg_extension AS x WHERE x.extname = 'specql'
$$;
COMMENT ON FUNCTION specql.visible_actions() IS 'Actions whose events the user of this session may see; NULL: all';

-- What views ask with the rights of whoever reads them is left to PUBLIC: works_for, is_mine.
REVOKE ALL ON FUNCTION specql.viewer(), specql.sees(text), specql.visible_actions() FROM PUBLIC;

CREATE FUNCTION specql.require_owner(what text, owner specql.role, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    responsible text := owner::text;
BEGIN
    IF NOT specql.works_for(owner, caller) THEN
        IF responsible = '-' THEN
            responsible := (SELECT d.datdba::regrole::text FROM pg_database AS d WHERE d.datname = current_database());
            what := format('%s, whose owner is gone,', what);
        END IF;
        RAISE EXCEPTION '% belongs to %', what, responsible
            USING ERRCODE = 'SQ101', HINT = format('Let %s do it, or become a member of that role.', responsible);
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_owner(text, specql.role, oid) IS
'An error unless the caller has the rights of the owner; what belongs to nobody any more is the database''s owner''s';

CREATE FUNCTION specql.require_database_owner(what text) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner($1, d.datdba::specql.role, specql.viewer()) FROM pg_database AS d WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION specql.require_database_owner(text) IS 'An error unless the viewer has the rights of the database''s owner';

-- Names are in the schemas that they begin with: nobody takes one where he could not make the action's functions.
CREATE FUNCTION specql.require_name(action text, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace AS n
                   WHERE starts_with(require_name.action, n.nspname || '.') AND has_schema_privilege(caller, n.oid, 'CREATE'))
       AND NOT (SELECT pg_has_role(caller, x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql') THEN
        RAISE EXCEPTION 'an action % cannot be registered by you', action
            USING ERRCODE = 'SQ101', DETAIL = 'Its name begins with no schema that you may create objects in.';
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_name(text, oid) IS 'An error unless the name of an action begins with a schema that the caller may create objects in';

CREATE FUNCTION specql.require_action(action text, caller oid) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('action ' || o.action, o.owner, $2) FROM specql.owned_action AS o WHERE o.action = $1
$$;
COMMENT ON FUNCTION specql.require_action(text, oid) IS 'An error if an action belongs to somebody else than the caller';

CREATE FUNCTION specql.drop_action(action text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, $2);
    DELETE FROM specql.action_function AS f WHERE f.action = $1;
    DELETE FROM specql.action AS a WHERE a.action = $1;
$$;
REVOKE ALL ON FUNCTION specql.require_owner(text, specql.role, oid), specql.require_database_owner(text), specql.require_name(text, oid),
    specql.require_action(text, oid), specql.drop_action(text, oid) FROM PUBLIC;
COMMENT ON FUNCTION specql.drop_action(text, oid) IS 'What specql.unregister_action does, for its caller';

CREATE FUNCTION specql.unregister_action(action text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_action';
COMMENT ON FUNCTION specql.unregister_action(text) IS 'Makes the runtime forget an action, on all its tables. Generated code calls this';

-- ---- the event log ---------------------------------------------------------------------------------------------------

-- History, so that what is claimed and retried (specql.failure, specql.outbox) stays small. The log is a ring of eight
-- partitions: each takes the events of a sixth of specql.event_retention, then the next one's turn comes; `slot` is
-- fixed when an event is logged. specql.expire_events() empties a partition whose newest event is older than the
-- retention. No table is ever created or dropped at run time, so pg_dump and pg_restore see the same extension members
-- everywhere, and the ring goes on where it was. A partition that was not emptied in time only keeps its events longer.
CREATE TABLE specql.event_log (
    slot smallint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    action text,
    entity text,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    batch uuid NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    deliveries integer NOT NULL,
    last_error text,
    processed_at timestamptz,
    caller jsonb
) PARTITION BY LIST (slot);
COMMENT ON TABLE specql.event_log IS 'Finished events, one row per event and handling action; shown by specql.events';
COMMENT ON COLUMN specql.event_log.slot IS 'The partition in the ring';
COMMENT ON COLUMN specql.event_log.id IS 'Time-ordered; an event that several actions handled has a row for each';
COMMENT ON COLUMN specql.event_log.type IS 'Table and event (inventory.product.stock_quantity_changed), or the custom event';
COMMENT ON COLUMN specql.event_log.action IS 'The action that handled it; NULL for a custom event nobody listens to';
COMMENT ON COLUMN specql.event_log.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.event_log.subject IS 'The id of that row';
COMMENT ON COLUMN specql.event_log.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.event_log.occurred_at IS 'By the clock when the row was captured, or as given to specql.emit';
COMMENT ON COLUMN specql.event_log.xid IS 'The transaction';
COMMENT ON COLUMN specql.event_log.caused_by IS 'The event whose handler caused this one; the first of them, if it handled several together';
COMMENT ON COLUMN specql.event_log.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.event_log.depth IS 'The place in that chain; 1 for an event that nothing caused';
COMMENT ON COLUMN specql.event_log.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.event_log.status IS 'done, unheard (no action listens), or unmatched (log_events = all)';
COMMENT ON COLUMN specql.event_log.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.event_log.deliveries IS 'How many deliveries the handler queued for it';
COMMENT ON COLUMN specql.event_log.last_error IS 'Of an attempt that failed before';
COMMENT ON COLUMN specql.event_log.processed_at IS 'When the reactions were done; NULL while a delivery waits';
COMMENT ON COLUMN specql.event_log.caller IS 'Who did it: the role as user, and the claims; kept if the action asks for it, and if no action listens';

CREATE TABLE specql.event_log_0 PARTITION OF specql.event_log FOR VALUES IN (0);
CREATE TABLE specql.event_log_1 PARTITION OF specql.event_log FOR VALUES IN (1);
CREATE TABLE specql.event_log_2 PARTITION OF specql.event_log FOR VALUES IN (2);
CREATE TABLE specql.event_log_3 PARTITION OF specql.event_log FOR VALUES IN (3);
CREATE TABLE specql.event_log_4 PARTITION OF specql.event_log FOR VALUES IN (4);
CREATE TABLE specql.event_log_5 PARTITION OF specql.event_log FOR VALUES IN (5);
CREATE TABLE specql.event_log_6 PARTITION OF specql.event_log FOR VALUES IN (6);
CREATE TABLE specql.event_log_7 PARTITION OF specql.event_log FOR VALUES IN (7);
COMMENT ON TABLE specql.event_log_0 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_1 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_2 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_3 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_4 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_5 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_6 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_7 IS 'Partition of specql.event_log';
-- Ids grow with time: this index is appended to, finds an event, the newest, and a partition's first and last. It is not
-- unique because several actions may handle one event.
CREATE INDEX event_log_id ON specql.event_log (id);
-- Readers in the order of commits find by it what was committed between two snapshots.
CREATE INDEX event_log_xid ON specql.event_log (xid);
CREATE INDEX event_log_caused_by ON specql.event_log (caused_by) WHERE caused_by IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_0', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_1', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_2', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_3', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_4', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_5', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_6', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_7', '');

-- ---- failures --------------------------------------------------------------------------------------------------------

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

-- ---- events of paused actions -----------------------------------------------------------------------------------------

CREATE TABLE specql.waiting_event (
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
    deliver boolean NOT NULL,
    caller jsonb,
    PRIMARY KEY (action, id)
);
CREATE INDEX waiting_event_id ON specql.waiting_event (id);
COMMENT ON TABLE specql.waiting_event IS 'Events of paused actions, until specql.resume(action); shown by specql.events';
COMMENT ON COLUMN specql.waiting_event.id IS 'The event';
COMMENT ON COLUMN specql.waiting_event.action IS 'The paused action';
COMMENT ON COLUMN specql.waiting_event.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.waiting_event.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.waiting_event.relation IS 'The same as an object, which follows a rename';
COMMENT ON COLUMN specql.waiting_event.subject IS 'The id of that row';
COMMENT ON COLUMN specql.waiting_event.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.waiting_event.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.waiting_event.xid IS 'The transaction';
COMMENT ON COLUMN specql.waiting_event.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.waiting_event.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.waiting_event.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.waiting_event.deliver IS 'False if a replay that delivers nothing caused it';
COMMENT ON COLUMN specql.waiting_event.caller IS 'Who did it: the role as user, and the claims';
SELECT pg_catalog.pg_extension_config_dump('specql.waiting_event', '');

-- Transactions that were open while the action was resumed leave such events; the worker and specql.drain() handle them.
CREATE VIEW specql.released_actions AS
    SELECT DISTINCT a.action FROM specql.action AS a
    WHERE a.paused_at IS NULL AND EXISTS (SELECT FROM specql.waiting_event AS w WHERE w.action = a.action);
COMMENT ON VIEW specql.released_actions IS 'Actions whose events wait though they are not paused: work that is due';
COMMENT ON COLUMN specql.released_actions.action IS 'Schema and name';

CREATE FUNCTION specql.handle_released(action text DEFAULT NULL, max_items bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_handle_released';
COMMENT ON FUNCTION specql.handle_released(text, bigint) IS
'Handles events that waited for an action to be resumed, of one action or all; how many. specql.resume and the worker do it';

-- Full jitter: any time up to backoff * 2^(attempts - 1), at most an hour, so that what failed in one moment does not
-- come back in one moment.
CREATE FUNCTION specql.next_attempt(action text, attempts integer, park boolean,
    OUT status text, OUT next_attempt_at timestamptz)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.park THEN 'parked' ELSE 'failed' END,
           CASE WHEN NOT p.park
                THEN specql.clock() + random() * least(p.backoff * 2 ^ least($2 - 1, 20), interval '1 hour') END
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
'Tries all failed events again whose time has come; how many it tried. The worker and specql.drain() do it';

-- Looks at the ids at both ends of each partition's index only.
CREATE FUNCTION specql.expire_events() RETURNS TABLE (partition text, newest timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    retention constant interval := specql.setting('event_retention')::interval;
    first uuid;
    last uuid;
    waiting boolean;
BEGIN
    FOR slot IN 0..7 LOOP
        partition := format('specql.event_log_%s', slot);
        EXECUTE format('SELECT id FROM %s ORDER BY id LIMIT 1', partition) INTO first;
        EXECUTE format('SELECT id FROM %s ORDER BY id DESC LIMIT 1', partition) INTO last;
        newest := specql.uuid_time(last);
        CONTINUE WHEN newest IS NULL OR newest >= now() - retention;
        -- An event is not history while one of its deliveries waits or is dead.
        SELECT EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id BETWEEN first AND last)
               OR EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id BETWEEN first AND last)
        INTO waiting;
        CONTINUE WHEN waiting;
        -- Nor before every reader has read it.
        EXECUTE format('SELECT EXISTS (SELECT FROM specql.reader AS r WHERE r.seen IS NULL
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid >= pg_snapshot_xmax(r.seen))
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))))',
                       partition) INTO waiting;
        CONTINUE WHEN waiting;
        BEGIN
            EXECUTE format('TRUNCATE %s', partition);
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.expire_events() IS
'Empties the partitions of the event log whose events are all older than specql.event_retention; events with waiting deliveries stay, and those that a reader of specql.read_events has not read';

-- ---- what triggers and handlers call ------------------------------------------------------------------------------------

CREATE FUNCTION specql.capture() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_capture';
COMMENT ON FUNCTION specql.capture() IS
'Row trigger, one for all actions of a table: keeps the rows that match a condition for the end of the statement';

CREATE FUNCTION specql.dispatch() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_dispatch';
COMMENT ON FUNCTION specql.dispatch() IS
'Statement trigger of an action; arguments: action, handler, capture function, event, on_error. Runs the handler once for all captured rows';

CREATE FUNCTION specql.matched(branch integer) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_matched';
COMMENT ON FUNCTION specql.matched(integer) IS 'In a handler: does this branch hold for any of its events?';

CREATE FUNCTION specql.rows(branch integer) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'specql_rows';
COMMENT ON FUNCTION specql.rows(integer) IS
'In a handler: its events for which this branch holds. The caller''s column list chooses by name among event_id, event_type, event_time, event_data, subject and the outputs of the capture function';

CREATE FUNCTION specql.several() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_several';
COMMENT ON FUNCTION specql.several() IS 'In a handler: has it more than one event to handle?';

CREATE FUNCTION specql.has_update_rules(relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_trigger AS t
                   WHERE t.tgrelid = $1 AND t.tgfoid = 'specql.dispatch()'::regprocedure
                     AND t.tgtype & 16 <> 0 AND t.tgenabled <> 'D')
$$;
COMMENT ON FUNCTION specql.has_update_rules(regclass) IS
'In a handler: does an action that is switched on listen to updates of this table? Then each change of a row is made by itself';

-- Conditions and steps call it as the owner of the action, so it is everybody's. Whoever asks learns only who he is himself.
CREATE FUNCTION specql.caller(key text) RETURNS text
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_caller';
COMMENT ON FUNCTION specql.caller(text) IS
'Who did it, for user the role that the session works as, for any other key that of the claims in the first of the settings named by specql.caller_claims that is set; in a handler of the event that is handled, as it was when that happened';

CREATE FUNCTION specql.payload(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload';
COMMENT ON FUNCTION specql.payload(jsonb, text) IS
'In a handler: the value at a key as text; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_json(data jsonb, key text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_json';
COMMENT ON FUNCTION specql.payload_json(jsonb, text) IS
'The value at a key as it is; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_array(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_array';
COMMENT ON FUNCTION specql.payload_array(jsonb, text) IS
'The same for a JSON array, written as PostgreSQL reads arrays; text is taken as it is';

CREATE FUNCTION specql.emit(type text, data jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit';
COMMENT ON FUNCTION specql.emit(text, jsonb, timestamptz) IS
'Raises a custom event in this transaction; its handlers have run when it returns. The event''s id';

CREATE FUNCTION specql.emit(type text, data jsonb[], occurred_at timestamptz[] DEFAULT NULL) RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_array';
COMMENT ON FUNCTION specql.emit(text, jsonb[], timestamptz[]) IS 'Raises many custom events of one type, handled as one set';

CREATE FUNCTION specql.emit(type text, data text, occurred_at text DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_text';
COMMENT ON FUNCTION specql.emit(text, text, text) IS
'The same for a payload written as a plain literal, whose type PostgreSQL would otherwise have to guess';

CREATE FUNCTION specql.refuse_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_refuse_change';
COMMENT ON FUNCTION specql.refuse_change() IS 'Trigger that keeps an append-only log append-only: refuses UPDATE, DELETE and TRUNCATE';

CREATE FUNCTION specql.recheck(relation regclass, action text, data jsonb, caller jsonb DEFAULT NULL)
RETURNS TABLE (branch integer, held boolean, "values" jsonb)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_recheck';
COMMENT ON FUNCTION specql.recheck(regclass, text, jsonb, jsonb) IS
'Which conditions of an action hold for a logged change of a row, by today''s rules, and the values its steps read';

-- Everything that changes something, or shows other people's data, is for specql_admin, and for whoever it is granted to.
-- Left to PUBLIC: uuid_v7 and uuid_time (column defaults run as whoever inserts), payload and caller.
REVOKE ALL ON FUNCTION specql.action_changed(), specql.capture(), specql.dispatch(), specql.refuse_change(),
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean), specql.unregister_action(text),
    specql.handle_released(text, bigint), specql.next_attempt(text, integer, boolean), specql.retry(uuid, text), specql.retry_due(integer), specql.expire_events(),
    specql.matched(integer), specql.rows(integer), specql.several(), specql.has_update_rules(regclass),
    specql.emit(text, jsonb, timestamptz), specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text),
    specql.recheck(regclass, text, jsonb, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.capture(), specql.dispatch(), specql.refuse_change(),
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean), specql.unregister_action(text),
    specql.retry(uuid, text), specql.retry_due(integer), specql.expire_events(),
    specql.matched(integer), specql.rows(integer), specql.several(), specql.has_update_rules(regclass),
    specql.emit(text, jsonb, timestamptz), specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text)
TO specql_admin;
