-- Schedules: actions that are due every day, every five minutes, or as cron says. A worker, or specql.drain(), writes what is due into
-- specql.waiting_event, and when it is due next, in one transaction; from there it is handled like what waited for specql.resume.

CREATE FUNCTION specql.next_due(schedule text, after timestamptz) RETURNS timestamptz
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_next_due';
COMMENT ON FUNCTION specql.next_due(text, timestamptz) IS
'When a schedule, as on: of an action has it, is due next after a moment; NULL if it is not for ten years';

CREATE FUNCTION specql.last_due(schedule text, since timestamptz, until timestamptz) RETURNS timestamptz
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_last_due';
COMMENT ON FUNCTION specql.last_due(text, timestamptz, timestamptz) IS
'When a schedule was due last until a moment, that included, and after another one; NULL if it was not';

CREATE TABLE specql.schedule (
    action text NOT NULL PRIMARY KEY,
    schedule text NOT NULL,
    missed text NOT NULL CHECK (missed IN ('run_once', 'run_all', 'skip')),
    last_due_at timestamptz,
    due_at timestamptz,
    dropped_in xid8
);
COMMENT ON TABLE specql.schedule IS 'Actions that are due at times: written by specql.register_schedule, shown by specql.schedules';
COMMENT ON COLUMN specql.schedule.action IS 'Schema and name';
COMMENT ON COLUMN specql.schedule.schedule IS 'As on: of the action has it';
COMMENT ON COLUMN specql.schedule.missed IS 'What becomes of due times that passed while nobody could run it: run_once, run_all or skip';
COMMENT ON COLUMN specql.schedule.last_due_at IS 'The due time of its last event';
COMMENT ON COLUMN specql.schedule.due_at IS 'The first due time that has not been seen to; NULL: it never comes';
COMMENT ON COLUMN specql.schedule.dropped_in IS 'The transaction that dropped the action; registered again in the same one, as by apply, it goes on';
SELECT pg_catalog.pg_extension_config_dump('specql.schedule', '');

CREATE FUNCTION specql.write_schedule(action text, schedule text, missed text, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_action(action, caller), specql.require_name(action, caller);
    DELETE FROM specql.schedule AS s WHERE s.action = write_schedule.action AND s.schedule <> write_schedule.schedule;
    INSERT INTO specql.schedule AS s (action, schedule, missed, due_at)
    VALUES (action, schedule, missed, specql.next_due(schedule, specql.clock()))
    ON CONFLICT ON CONSTRAINT schedule_pkey DO UPDATE SET missed = excluded.missed, dropped_in = NULL;
    PERFORM specql.wake_worker();
END $$;
COMMENT ON FUNCTION specql.write_schedule(text, text, text, oid) IS 'What specql.register_schedule does, for its caller';

CREATE FUNCTION specql.register_schedule(action text, schedule text, missed text DEFAULT 'run_once') RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_schedule';
COMMENT ON FUNCTION specql.register_schedule(text, text, text) IS
'Tells the runtime when an action is due; with another schedule than before it begins anew, now. Generated code calls this';

-- Those that are due now. A paused one is not: what it misses is seen to when it is resumed.
CREATE VIEW specql.due_schedule AS
    SELECT s.action, s.due_at
    FROM specql.schedule AS s JOIN specql.action AS a ON a.action = s.action AND a.part = 'schedule'
    WHERE a.enabled AND a.paused_at IS NULL AND s.dropped_in IS NULL AND s.due_at IS NOT NULL;
COMMENT ON VIEW specql.due_schedule IS 'When each schedule is to be looked at';
COMMENT ON COLUMN specql.due_schedule.action IS 'Schema and name';
COMMENT ON COLUMN specql.due_schedule.due_at IS 'By specql.clock()';

CREATE FUNCTION specql.raise_due(action text, max_events integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now constant timestamptz := specql.clock();
    s specql.schedule;
    due timestamptz;
    raised integer := 0;
BEGIN
    -- Another session that has it sees to it.
    SELECT r.* INTO s FROM specql.schedule AS r
    WHERE r.action = raise_due.action AND r.due_at <= now
      AND EXISTS (SELECT FROM specql.due_schedule AS d WHERE d.action = r.action)
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    due := s.due_at;
    IF s.missed <> 'run_all' THEN
        due := coalesce(specql.last_due(s.schedule, due, now), due);
    END IF;
    WHILE due <= now AND raised < max_events LOOP
        IF s.missed <> 'skip' OR due >= now - interval '1 min' THEN
            PERFORM specql.raise_waiting(s.action, s.schedule, ARRAY[jsonb_build_object('due_at', due, 'last_due_at', s.last_due_at)], ARRAY[due]);
            s.last_due_at := due;
            raised := raised + 1;
        END IF;
        due := specql.next_due(s.schedule, due);
    END LOOP;
    UPDATE specql.schedule AS r SET last_due_at = s.last_due_at, due_at = due WHERE r.action = s.action;
    RETURN raised;
END $$;
COMMENT ON FUNCTION specql.raise_due(text, integer) IS
'Lets a schedule whose time has come, or that has missed some, raise its events, which wait for their action then; how many. For the worker';

CREATE FUNCTION specql.run_schedule(action text, data jsonb DEFAULT '{}') RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run uuid;
BEGIN
    action := specql.known_action(action);
    PERFORM specql.require_action(action, specql.viewer());
    SELECT (specql.raise_waiting(s.action, s.schedule, ARRAY[d.data], ARRAY[coalesce((d.data ->> 'due_at')::timestamptz, specql.clock())]))[1] INTO run
    FROM specql.schedule AS s JOIN specql.action AS a ON a.action = s.action AND a.part = 'schedule' AND a.enabled
    CROSS JOIN LATERAL (SELECT jsonb_build_object('due_at', specql.clock(), 'last_due_at', s.last_due_at) || run_schedule.data AS data) AS d
    WHERE s.action = run_schedule.action AND s.dropped_in IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'action % has no schedule, or is switched off', action
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Those that have one are shown by specql.schedules.';
    END IF;
    PERFORM specql.wake_worker();
    RETURN run;
END $$;
COMMENT ON FUNCTION specql.run_schedule(text, jsonb) IS
'Runs an action that has a schedule once more, as if it was due now, or at another due_at in data: its event waits for a worker, or for specql.drain(). Its id';

CREATE VIEW specql.schedules AS
    SELECT s.action, s.schedule, s.missed, s.last_due_at AS last_at, s.due_at AS next_at,
           (SELECT a.enabled AND a.paused_at IS NULL FROM specql.action AS a WHERE a.action = s.action AND a.part = 'schedule') AS active
    FROM specql.schedule AS s
    WHERE s.dropped_in IS NULL AND EXISTS (SELECT FROM specql.action AS a WHERE a.action = s.action AND a.part = 'schedule');
COMMENT ON VIEW specql.schedules IS 'Actions that are due at times, and when';
COMMENT ON COLUMN specql.schedules.action IS 'Schema and name';
COMMENT ON COLUMN specql.schedules.schedule IS 'As on: has it';
COMMENT ON COLUMN specql.schedules.missed IS 'What becomes of due times that nobody could see to: run_once, run_all or skip';
COMMENT ON COLUMN specql.schedules.last_at IS 'The due time of its last event';
COMMENT ON COLUMN specql.schedules.next_at IS 'When it is due next, or has been due since';
COMMENT ON COLUMN specql.schedules.active IS 'False while it is switched off or paused';

REVOKE ALL ON FUNCTION specql.next_due(text, timestamptz), specql.last_due(text, timestamptz, timestamptz),
    specql.write_schedule(text, text, text, oid), specql.register_schedule(text, text, text), specql.raise_due(text, integer),
    specql.run_schedule(text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.next_due(text, timestamptz), specql.last_due(text, timestamptz, timestamptz),
    specql.register_schedule(text, text, text), specql.run_schedule(text, jsonb)
TO specql_admin;
GRANT SELECT ON specql.schedules TO specql_admin;
