-- Events that wait: of paused actions until they are resumed, matches of windows until their steps run, and what statements
-- have left in which too many events failed.

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
    traceparent text,
    settings jsonb,
    PRIMARY KEY (action, id)
);
CREATE INDEX waiting_event_id ON specql.waiting_event (id);
COMMENT ON TABLE specql.waiting_event IS 'Events of paused actions, until specql.resume(action), and those that a worker handles next; shown by specql.events';
COMMENT ON COLUMN specql.waiting_event.id IS 'The event';
COMMENT ON COLUMN specql.waiting_event.action IS 'The action that will handle it';
COMMENT ON COLUMN specql.waiting_event.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.waiting_event.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.waiting_event.relation IS 'The same as an object, which follows a rename';
COMMENT ON COLUMN specql.waiting_event.subject IS 'The id of that row';
COMMENT ON COLUMN specql.waiting_event.data IS 'The rows as specql.event_log has them, or the payload';
COMMENT ON COLUMN specql.waiting_event.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.waiting_event.xid IS 'The transaction';
COMMENT ON COLUMN specql.waiting_event.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.waiting_event.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.waiting_event.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.waiting_event.deliver IS 'False if a replay that delivers nothing caused it';
COMMENT ON COLUMN specql.waiting_event.caller IS 'Who did it: the role as user, and the claims';
COMMENT ON COLUMN specql.waiting_event.traceparent IS 'The trace that it happened in, as the W3C writes it';
COMMENT ON COLUMN specql.waiting_event.settings IS 'The settings that specql.context named, as the session had them';
SELECT pg_catalog.pg_extension_config_dump('specql.waiting_event', '');

-- Transactions that were open while the action was resumed leave such events; the worker and specql.drain() handle them.
CREATE VIEW specql.released_actions AS
    SELECT DISTINCT a.action FROM specql.action AS a
    WHERE a.paused_at IS NULL AND EXISTS (SELECT FROM specql.waiting_event AS w WHERE w.action = a.action);
COMMENT ON VIEW specql.released_actions IS 'Actions whose events wait though they are not paused: work that is due';
COMMENT ON COLUMN specql.released_actions.action IS 'Schema and name';

CREATE FUNCTION specql.handle_released(action text) RETURNS bigint
LANGUAGE c VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_handle_released';
COMMENT ON FUNCTION specql.handle_released(text) IS
'Handles events that waited for an action to be resumed; how many. For specql.resume';

CREATE FUNCTION specql.pause(action text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(pause.action);
BEGIN
    IF EXISTS (SELECT FROM specql.action AS a WHERE a.action = name AND a.on_error = 'abort') THEN
        RAISE EXCEPTION 'action % has on_error: abort: a statement that needs it cannot leave it for later', name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'To do without it for a while, disable its trigger: ALTER TABLE ... DISABLE TRIGGER.';
    END IF;
    UPDATE specql.action AS a SET paused_at = clock_timestamp() WHERE a.action = name AND a.paused_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.pause(text) IS
'From the commit on, an action''s events wait until specql.resume(action); false if it was paused already';

CREATE FUNCTION specql.resume(action text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(resume.action);
BEGIN
    UPDATE specql.action AS a SET paused_at = NULL WHERE a.action = name AND a.paused_at IS NOT NULL;
    RETURN specql.handle_released(name);
END $$;
COMMENT ON FUNCTION specql.resume(text) IS 'Handles, in their order, the events that waited for a paused action, and ends the pause; how many there were';

REVOKE ALL ON FUNCTION specql.handle_released(text), specql.pause(text), specql.resume(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.pause(text), specql.resume(text) TO specql_admin;
