-- The registry of actions: what the runtime knows of each, and whose it is. Generated code writes it, every session
-- reads it.

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
    retry_on text[] NOT NULL DEFAULT '{}',
    park_on text[] NOT NULL DEFAULT '{}',
    tells_private boolean NOT NULL DEFAULT false,
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
'Of a window or correlation: match (its steps, which only its matches reach) or source and the event that is counted; schedule, which only its times reach; due, which rows reach at their times, with source for what keeps these; answer and what its steps listen to if the call of a step says what is done with its answer; empty for the rest';
COMMENT ON COLUMN specql.action.paused_at IS 'Since when its events wait for specql.resume; NULL: they are handled';
COMMENT ON COLUMN specql.action.run_order IS 'What its order: says. Of the actions that one statement or custom event sets off, smaller ones run first, of equals those with on_error = abort, then by place';
COMMENT ON COLUMN specql.action.place IS 'Its place in the order of the texts, compared from the left';
COMMENT ON COLUMN specql.action.uses_caller IS 'Whether the event log keeps the caller of its events';
COMMENT ON COLUMN specql.action.retry_on IS 'SQLSTATEs, or their first two characters, that are retried up to max_attempts, whatever specql.error_kind says of them';
COMMENT ON COLUMN specql.action.park_on IS 'SQLSTATEs, or their first two characters, after which an event is tried once more and then parked';
COMMENT ON COLUMN specql.action.tells_private IS 'Whether it has to do with private fields: then texts of its errors are kept and shown without values';
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
    place integer[] NOT NULL DEFAULT '{}',
    paused_at timestamptz,
    dropped_in xid8
);
COMMENT ON TABLE specql.action_owner IS 'Whose actions the events in the log were for, and so who sees them. And where they stand, for when one that is gone comes back';
COMMENT ON COLUMN specql.action_owner.place IS 'Its place in the order of the texts, the last one it had';
COMMENT ON COLUMN specql.action_owner.paused_at IS 'Since when it was paused when it was dropped';
COMMENT ON COLUMN specql.action_owner.dropped_in IS 'The transaction that dropped it; registered again in the same one, as by apply, it stays paused';
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
    step text,
    PRIMARY KEY (action, function)
);
COMMENT ON TABLE specql.action_function IS 'The handlers of actions, and a function of each process, by which their owner changes with that of their functions: REASSIGN OWNED';
COMMENT ON COLUMN specql.action_function.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_function.function IS 'Of pg_proc, in this database';
COMMENT ON COLUMN specql.action_function.step IS 'The name by which the plan of a process has it; NULL: a handler';

-- A function that was dropped and made again by somebody is not the one that was registered.
CREATE VIEW specql.owned_action AS
    SELECT o.action,
           coalesce((SELECT p.proowner
                     FROM specql.action_function AS f
                     JOIN pg_catalog.pg_proc AS p ON p.oid = f.function
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                     WHERE f.action = o.action
                       AND (pg_catalog.parse_ident(f.step) = ARRAY[n.nspname, p.proname]::text[]
                            OR EXISTS (SELECT FROM specql.action AS a
                                       WHERE a.action = f.action AND pg_catalog.parse_ident(a.handler) = ARRAY[n.nspname, p.proname]::text[]))
                     ORDER BY f.function LIMIT 1), o.owner::oid)::specql.role AS owner
    FROM specql.action_owner AS o;
COMMENT ON VIEW specql.owned_action IS 'Who owns each action now';
COMMENT ON COLUMN specql.owned_action.action IS 'Schema and name';
COMMENT ON COLUMN specql.owned_action.owner IS 'Who owns its handler, or a function of its steps; or, when that is gone, owned it at the last';

CREATE FUNCTION specql.register_action(action text, event text, relation text, handler text, capture text,
    on_error text DEFAULT 'retry', max_attempts integer DEFAULT NULL, backoff interval DEFAULT NULL,
    enabled boolean DEFAULT true, processed text DEFAULT NULL, part text DEFAULT '', run_order integer DEFAULT 0,
    place integer[] DEFAULT '{}', uses_caller boolean DEFAULT false, retry_on text[] DEFAULT '{}', park_on text[] DEFAULT '{}',
    tells_private boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_action';
COMMENT ON FUNCTION specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean, text[], text[], boolean) IS
'Tells the runtime of an action; again with other values changes it. Handler and capture function must belong to the caller and to roles with the rights of the table''s owner. Generated code calls this';

CREATE FUNCTION specql.drop_action(action text, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_action($1, $2);
    UPDATE specql.action_owner AS o SET paused_at = p.paused_at, dropped_in = pg_current_xact_id()
    FROM (SELECT max(a.paused_at) AS paused_at FROM specql.action AS a WHERE a.action = $1) AS p
    WHERE o.action = $1 AND p.paused_at IS NOT NULL;
    UPDATE specql.schedule AS s SET dropped_in = pg_current_xact_id() WHERE s.action = $1;
    UPDATE specql.due_rule AS r SET dropped_in = pg_current_xact_id() WHERE r.action = $1;
    UPDATE specql.process_plan AS p SET dropped_in = pg_current_xact_id() WHERE p.action = $1;
    DELETE FROM specql.action_function AS f WHERE f.action = $1;
    DELETE FROM specql.action AS a WHERE a.action = $1;
END $$;
COMMENT ON FUNCTION specql.drop_action(text, oid) IS 'What specql.unregister_action does, for its caller';

CREATE FUNCTION specql.unregister_action(action text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_action';
COMMENT ON FUNCTION specql.unregister_action(text) IS 'Makes the runtime forget an action, on all its tables. Generated code calls this';

CREATE FUNCTION specql.trigger_name(capture text) RETURNS name
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_trigger_name';
COMMENT ON FUNCTION specql.trigger_name(text) IS 'The name of the trigger of the action with this capture function: the function''s own, with _trigger for _capture';

-- The state of the triggers is read from the catalog: a DBA switches an action off there.
CREATE VIEW specql.actions AS
    SELECT a.action, a.event, a.relation, a.handler, a.on_error, a.max_attempts, a.backoff,
           CASE WHEN a.relation IS NULL OR a.part LIKE 'answer %' THEN a.enabled
                ELSE a.enabled AND EXISTS (
                    SELECT FROM pg_catalog.pg_trigger AS t
                    WHERE t.tgrelid = pg_catalog.to_regclass(a.relation)
                      AND t.tgfoid = 'specql.dispatch()'::pg_catalog.regprocedure AND t.tgenabled <> 'D'
                      AND t.tgname = specql.trigger_name(a.capture)) END AS enabled,
           a.part, a.paused_at, a.run_order,
           pg_catalog.dense_rank() OVER (ORDER BY a.run_order, a.on_error <> 'abort', a.place, a.action) AS turn,
           a.retry_on, a.park_on
    FROM specql.action AS a;
COMMENT ON VIEW specql.actions IS 'Installed actions, and whether they are switched on';
COMMENT ON COLUMN specql.actions.action IS 'Schema and name';
COMMENT ON COLUMN specql.actions.event IS 'What it listens to';
COMMENT ON COLUMN specql.actions.relation IS 'The table whose changes it watches; NULL for a custom event';
COMMENT ON COLUMN specql.actions.handler IS 'The function that handles its events; \sf shows it';
COMMENT ON COLUMN specql.actions.on_error IS 'retry or abort';
COMMENT ON COLUMN specql.actions.max_attempts IS 'After so many failed attempts an event is parked';
COMMENT ON COLUMN specql.actions.backoff IS 'The first delay between attempts; it doubles with each';
COMMENT ON COLUMN specql.actions.enabled IS 'ALTER TABLE ... DISABLE TRIGGER switches an action off';
COMMENT ON COLUMN specql.actions.part IS 'Of a window or correlation: match, or source and the event that it counts; schedule; due, and source for what keeps when rows are due; answer and an event for what is done with the answers to its calls';
COMMENT ON COLUMN specql.actions.paused_at IS 'Since when its events wait for specql.resume(action); NULL: they are handled';
COMMENT ON COLUMN specql.actions.run_order IS 'What its order: says';
COMMENT ON COLUMN specql.actions.turn IS 'Of those that one statement or custom event sets off, the one with the smaller number runs first';
COMMENT ON COLUMN specql.actions.retry_on IS 'SQLSTATEs and classes that are retried up to max_attempts';
COMMENT ON COLUMN specql.actions.park_on IS 'SQLSTATEs and classes after which an event is tried once more and then parked';

CREATE FUNCTION specql.known_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_names text[] := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a WHERE a.action = $1);
BEGIN
    IF found_names = '{}' THEN
        found_names := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a
                             WHERE right(a.action, length($1) + 1) = '.' || $1 ORDER BY 1);
    END IF;
    IF cardinality(found_names) = 1 THEN
        RETURN found_names[1];
    ELSIF cardinality(found_names) > 1 THEN
        RAISE EXCEPTION 'several actions are named %: %', $1, array_to_string(found_names, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    RAISE EXCEPTION 'there is no action %', coalesce($1, 'NULL')
        USING ERRCODE = 'undefined_object',
              HINT = coalesce('Installed are ' || (SELECT string_agg(n.action, ', ') FROM (
                         SELECT DISTINCT a.action FROM specql.action AS a ORDER BY 1 LIMIT 10) AS n)
                         || '; see specql.actions.', 'No action is installed; see specql.apply.');
END $$;
COMMENT ON FUNCTION specql.known_action(text) IS 'The full name of an action, given with or without its schema; an error if there is none';

REVOKE ALL ON FUNCTION specql.drop_action(text, oid), specql.action_changed(), specql.trigger_name(text),
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean, text[], text[], boolean),
    specql.unregister_action(text), specql.known_action(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text, integer, integer[], boolean, text[], text[], boolean),
    specql.unregister_action(text), specql.known_action(text), specql.trigger_name(text)
TO specql_admin;
GRANT SELECT ON specql.actions, specql.action TO specql_admin;
