-- What schedules, due times of rows and events for later have in common: when each is due, how a worker or specql.drain() lets
-- them come, and that what is theirs goes with their action.

CREATE FUNCTION specql.raise_waiting(action text, type text, data jsonb[], due_at timestamptz[]) RETURNS uuid[]
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH raised AS (
        INSERT INTO specql.waiting_event (id, action, type, data, occurred_at, xid, root, depth, deliver)
        SELECT i.id, $1, $2, i.data, i.due_at, pg_current_xact_id(), i.id, 0, true
        FROM (SELECT specql.uuid_v7() AS id, o.data, o.due_at
              FROM (SELECT u.data, u.due_at FROM unnest($3, $4) WITH ORDINALITY AS u(data, due_at, place) ORDER BY u.place OFFSET 0) AS o
              OFFSET 0) AS i
        RETURNING id)
    SELECT coalesce(array_agg(r.id ORDER BY r.id), '{}') FROM raised AS r
$$;
COMMENT ON FUNCTION specql.raise_waiting(text, text, jsonb[], timestamptz[]) IS
'Raises events of times for one action, which wait for it as if it had been resumed; their ids';

-- At the end of the transaction, when the action has not come back. The argument is the table with what is the action's too.
CREATE FUNCTION specql.forget_dropped() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    EXECUTE format('DELETE FROM specql.%I AS r WHERE r.action = $1 AND r.dropped_in IS NOT NULL', TG_TABLE_NAME) USING new.action;
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone > 0 AND TG_NARGS > 0 THEN
        EXECUTE format('DELETE FROM specql.%I AS d WHERE d.action = $1', TG_ARGV[0]) USING new.action;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.forget_dropped() IS 'Forgets what the runtime knew of the times of an action that was dropped';

CREATE CONSTRAINT TRIGGER forget_dropped AFTER UPDATE ON specql.schedule DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.dropped_in IS NOT NULL) EXECUTE FUNCTION specql.forget_dropped();
COMMENT ON TRIGGER forget_dropped ON specql.schedule IS 'An action that is gone has no schedule';
CREATE CONSTRAINT TRIGGER forget_dropped AFTER UPDATE ON specql.due_rule DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.dropped_in IS NOT NULL) EXECUTE FUNCTION specql.forget_dropped('due_row');
COMMENT ON TRIGGER forget_dropped ON specql.due_rule IS 'Rows are not due any more for an action that is gone';

CREATE VIEW specql.due_time AS
    SELECT specql.owner_of(s.action) AS owner, 'schedule' AS kind, s.action AS name, s.due_at FROM specql.due_schedule AS s
    UNION ALL
    SELECT specql.owner_of(d.action), 'due', d.action, d.due_at FROM specql.due_action AS d WHERE d.due_at IS NOT NULL
    UNION ALL
    SELECT coalesce(r.oid, (SELECT d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())),
           'later', (e.owner::pg_catalog.oid)::pg_catalog.text, e.due_at
    FROM specql.due_emitter AS e LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = e.owner::pg_catalog.oid;
COMMENT ON VIEW specql.due_time IS 'When the next event of each kind of time is to be raised';
COMMENT ON COLUMN specql.due_time.owner IS 'The role whose worker raises it; of what belongs to a role that is gone, the owner of the database';
COMMENT ON COLUMN specql.due_time.kind IS 'schedule, due (of a row) or later (an event that was raised for later)';
COMMENT ON COLUMN specql.due_time.name IS 'The action; of later events the oid of their role';
COMMENT ON COLUMN specql.due_time.due_at IS 'By specql.clock()';

CREATE FUNCTION specql.raise_time(kind text, name text) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE kind
        WHEN 'schedule' THEN RETURN specql.raise_due(name);
        WHEN 'due' THEN RETURN specql.raise_due_rows(name);
        WHEN 'later' THEN RETURN specql.raise_later(name::oid);
    END CASE;
END $$;
COMMENT ON FUNCTION specql.raise_time(text, text) IS
'Raises events of a kind in specql.due_time whose time has come; how many, up to some. For the worker';

-- A schedule that is not understood any more, as of a zone that is gone, must not hold up the others.
CREATE FUNCTION specql.raise_times() RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due record;
    batch integer;
    raised integer := 0;
BEGIN
    FOR due IN SELECT t.kind, t.name FROM specql.due_time AS t
               WHERE t.due_at <= specql.clock() AND specql.works_for(t.owner::specql.role, specql.viewer()) ORDER BY t.due_at LOOP
        LOOP
            BEGIN
                batch := specql.raise_time(due.kind, due.name);
            EXCEPTION WHEN invalid_parameter_value THEN
                RAISE WARNING 'action % is due, and its schedule cannot be followed: %', due.name, SQLERRM USING ERRCODE = SQLSTATE;
                batch := 0;
            END;
            raised := raised + batch;
            EXIT WHEN batch = 0;
        END LOOP;
    END LOOP;
    RETURN raised;
END $$;
COMMENT ON FUNCTION specql.raise_times() IS
'Raises the events of the caller''s schedules, rows and events for later whose time has come; how many. For specql.drain()';

REVOKE ALL ON FUNCTION specql.raise_waiting(text, text, jsonb[], timestamptz[]), specql.forget_dropped(), specql.raise_time(text, text),
    specql.raise_times()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.raise_times() TO specql_admin;
