-- Going on with processes: which are due, taking one, and where they go when they have ended.

-- Finished processes are history, in a ring of partitions as events are: specql.event_log. A million of them slow nothing down.
CREATE TABLE specql.finished_process (
    slot smallint NOT NULL,
    id uuid NOT NULL,
    action text NOT NULL,
    version integer NOT NULL,
    subject text,
    status text NOT NULL,
    params jsonb NOT NULL,
    results jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    caller jsonb,
    traceparent text,
    settings jsonb,
    cancel_reason text,
    last_error text,
    sqlstate text,
    steps jsonb NOT NULL,
    logged_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY LIST (slot);
COMMENT ON TABLE specql.finished_process IS 'Processes that have ended, for specql.event_retention; shown by specql.processes';
COMMENT ON COLUMN specql.finished_process.slot IS 'The partition in the ring';
COMMENT ON COLUMN specql.finished_process.id IS 'The process';
COMMENT ON COLUMN specql.finished_process.action IS 'Schema and name';
COMMENT ON COLUMN specql.finished_process.version IS 'Of the plan that it went on by';
COMMENT ON COLUMN specql.finished_process.subject IS 'What it was about';
COMMENT ON COLUMN specql.finished_process.status IS 'completed, failed or cancelled';
COMMENT ON COLUMN specql.finished_process.params IS 'What it was started with';
COMMENT ON COLUMN specql.finished_process.results IS 'Step by step, by their names';
COMMENT ON COLUMN specql.finished_process.started_at IS 'By specql.clock()';
COMMENT ON COLUMN specql.finished_process.ended_at IS 'By specql.clock()';
COMMENT ON COLUMN specql.finished_process.caller IS 'Who started it';
COMMENT ON COLUMN specql.finished_process.traceparent IS 'The trace that it was started in';
COMMENT ON COLUMN specql.finished_process.settings IS 'The settings that specql.context named, as the session had them';
COMMENT ON COLUMN specql.finished_process.cancel_reason IS 'What specql.cancel_process was told';
COMMENT ON COLUMN specql.finished_process.last_error IS 'Why it failed, or what was tried again';
COMMENT ON COLUMN specql.finished_process.sqlstate IS 'Of that error';
COMMENT ON COLUMN specql.finished_process.steps IS 'Its rows of specql.process_step';
COMMENT ON COLUMN specql.finished_process.logged_at IS 'When it came here, by the server''s clock';

CREATE TABLE specql.finished_process_0 PARTITION OF specql.finished_process FOR VALUES IN (0);
CREATE TABLE specql.finished_process_1 PARTITION OF specql.finished_process FOR VALUES IN (1);
CREATE TABLE specql.finished_process_2 PARTITION OF specql.finished_process FOR VALUES IN (2);
CREATE TABLE specql.finished_process_3 PARTITION OF specql.finished_process FOR VALUES IN (3);
CREATE TABLE specql.finished_process_4 PARTITION OF specql.finished_process FOR VALUES IN (4);
CREATE TABLE specql.finished_process_5 PARTITION OF specql.finished_process FOR VALUES IN (5);
CREATE TABLE specql.finished_process_6 PARTITION OF specql.finished_process FOR VALUES IN (6);
CREATE TABLE specql.finished_process_7 PARTITION OF specql.finished_process FOR VALUES IN (7);
COMMENT ON TABLE specql.finished_process_0 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_1 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_2 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_3 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_4 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_5 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_6 IS 'Partition of specql.finished_process';
COMMENT ON TABLE specql.finished_process_7 IS 'Partition of specql.finished_process';
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_0', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_1', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_2', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_3', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_4', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_5', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_6', '');
SELECT pg_catalog.pg_extension_config_dump('specql.finished_process_7', '');
CREATE INDEX finished_process_id ON specql.finished_process (id);
CREATE INDEX finished_process_action ON specql.finished_process (action, ended_at);
CREATE INDEX finished_process_logged ON specql.finished_process (logged_at);

CREATE FUNCTION specql.history_slot() RETURNS smallint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN mod(floor(extract(epoch FROM clock_timestamp()) / greatest(extract(epoch FROM specql.setting('event_retention')::interval) / 6, 1))::bigint, 8);
END $$;
COMMENT ON FUNCTION specql.history_slot() IS 'The partition of specql.finished_process that takes what ends now: each takes a sixth of specql.event_retention in turn';

CREATE FUNCTION specql.expire_processes() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    newest timestamptz;
    emptied integer := 0;
BEGIN
    FOR slot IN 0..7 LOOP
        EXECUTE format('SELECT f.logged_at FROM specql.finished_process_%s AS f ORDER BY f.logged_at DESC LIMIT 1', slot) INTO newest;
        CONTINUE WHEN newest IS NULL OR newest >= now() - specql.setting('event_retention')::interval;
        BEGIN
            EXECUTE format('TRUNCATE specql.finished_process_%s', slot);
            emptied := emptied + 1;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN emptied;
END $$;
COMMENT ON FUNCTION specql.expire_processes() IS 'Empties the partitions of specql.finished_process whose processes all ended longer ago than specql.event_retention; how many. The worker does it';

-- Who ends a step now is waited for, and nothing of it is lost: it is in the history.
CREATE FUNCTION specql.end_process(process uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p specql.process;
    steps jsonb;
BEGIN
    PERFORM FROM specql.process_step AS s WHERE s.process = end_process.process ORDER BY s.number FOR UPDATE;
    WITH gone AS (DELETE FROM specql.process_step AS s WHERE s.process = end_process.process RETURNING s.*)
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(g) - '{process,action,asked,began_in}'::text[]) ORDER BY g.number), '[]') INTO steps FROM gone AS g;
    DELETE FROM specql.task AS t WHERE t.process = end_process.process;
    DELETE FROM specql.process_ready AS r WHERE r.process = end_process.process;
    DELETE FROM specql.process AS r WHERE r.id = end_process.process RETURNING r.* INTO p;
    INSERT INTO specql.finished_process (slot, id, action, version, subject, status, params, results, started_at, ended_at, caller, traceparent,
        settings, cancel_reason, last_error, sqlstate, steps)
    VALUES (specql.history_slot(), p.id, p.action, p.version, p.subject, p.status, p.params, p.results, p.started_at, specql.clock(), p.caller, p.traceparent,
            p.settings, p.cancel_reason, p.last_error, p.sqlstate, steps);
    IF EXISTS (SELECT FROM specql.process_plan AS l WHERE l.action = p.action AND l.version = p.version AND NOT l.current) THEN
        PERFORM specql.forget_plans(p.action);
    END IF;
END $$;
COMMENT ON FUNCTION specql.end_process(uuid) IS 'A process has ended: it goes to the history, and the last one of an old version takes that along';

-- ---- which are due -----------------------------------------------------------------------------------------------------

CREATE VIEW specql.due_process AS
    SELECT a.action,
           least((SELECT specql.clock() FROM specql.process_ready AS r WHERE r.action = a.action LIMIT 1),
                 (SELECT s.wake_at FROM specql.process_step AS s WHERE s.action = a.action AND s.wake_at IS NOT NULL ORDER BY s.wake_at LIMIT 1),
                 (SELECT p.deadline FROM specql.process AS p WHERE p.action = a.action AND p.deadline IS NOT NULL ORDER BY p.deadline LIMIT 1)) AS due_at
    FROM (SELECT DISTINCT l.action FROM specql.process_plan AS l) AS a;
COMMENT ON VIEW specql.due_process IS 'When a process of each action can go on next';
COMMENT ON COLUMN specql.due_process.action IS 'Schema and name';
COMMENT ON COLUMN specql.due_process.due_at IS 'By specql.clock(); NULL: none waits for a time';

-- What another session has is left to it, and so is a step that somebody ends now.
CREATE FUNCTION specql.find_process(action text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    now constant timestamptz := specql.clock();
    found_id uuid;
BEGIN
    SELECT p.id INTO found_id FROM specql.process_ready AS r JOIN specql.process AS p ON p.id = r.process
    WHERE r.action = $1 ORDER BY r.id LIMIT 1 FOR UPDATE OF p SKIP LOCKED;
    IF found_id IS NULL THEN
        SELECT p.id INTO found_id FROM specql.process_step AS s JOIN specql.process AS p ON p.id = s.process
        WHERE s.action = $1 AND s.wake_at IS NOT NULL AND s.wake_at <= now ORDER BY s.wake_at LIMIT 1 FOR UPDATE OF p, s SKIP LOCKED;
    END IF;
    IF found_id IS NULL THEN
        SELECT p.id INTO found_id FROM specql.process AS p
        WHERE p.action = $1 AND p.deadline IS NOT NULL AND p.deadline <= now ORDER BY p.deadline LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF found_id IS NULL THEN
        -- Of processes that have ended meanwhile.
        DELETE FROM specql.process_ready AS d
        WHERE d.id = ANY (ARRAY(SELECT r.id FROM specql.process_ready AS r
                                WHERE r.action = $1 AND NOT EXISTS (SELECT FROM specql.process AS p WHERE p.id = r.process)
                                ORDER BY r.id LIMIT 100 FOR UPDATE SKIP LOCKED));
    END IF;
    RETURN found_id;
END $$;
COMMENT ON FUNCTION specql.find_process(text) IS 'Locks a process of an action that can go on; NULL if there is none';

-- In a statement of its own: what has happened before the process was locked is seen.
CREATE FUNCTION specql.open_process(process uuid, OUT action text, OUT owner oid, OUT caller jsonb, OUT traceparent text, OUT settings jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    numbers integer[];
    outcomes jsonb[];
    outcome jsonb;
BEGIN
    SELECT p.action, specql.owner_of(p.action), p.caller, p.traceparent, p.settings INTO action, owner, caller, traceparent, settings
    FROM specql.process AS p WHERE p.id = open_process.process FOR UPDATE;
    WITH taken AS (DELETE FROM specql.process_ready AS r WHERE r.process = open_process.process RETURNING r.id, r.number, r.outcome)
    SELECT array_agg(t.number) FILTER (WHERE t.number IS NOT NULL), array_agg(t.outcome ORDER BY t.id) FILTER (WHERE t.outcome IS NOT NULL)
    INTO numbers, outcomes FROM taken AS t;
    FOREACH outcome IN ARRAY coalesce(outcomes, '{}') LOOP
        PERFORM specql.take_outcome(process, outcome);
    END LOOP;
    IF numbers IS NOT NULL THEN
        UPDATE specql.process_step AS s SET asked = true
        WHERE s.process = open_process.process AND s.number = ANY (numbers) AND s.status = 'waiting' AND s.kind IN ('wait', 'wait_until_true');
    END IF;
END $$;
COMMENT ON FUNCTION specql.open_process(uuid) IS 'A process goes on now: whose it is and what its steps see';

CREATE FUNCTION specql.count_process(action text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counted constant uuid := specql.find_process(action);
    times integer;
BEGIN
    UPDATE specql.process AS p SET begun = p.begun + 1 WHERE p.id = counted RETURNING p.begun INTO times;
    IF times > 8 THEN
        PERFORM specql.stick(counted, 'the last attempts ended their sessions', NULL);
        RETURN NULL;
    END IF;
    RETURN counted;
END $$;
COMMENT ON FUNCTION specql.count_process(text) IS 'A process of an action that can go on, the attempt counted before it is made: it may end the session; NULL if there is none';

-- The error met none of its steps, but the engine, or the end of the transaction.
CREATE FUNCTION specql.park_process(process uuid, message text, sqlstate text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    b record;
BEGIN
    PERFORM specql.open_process(process);
    SELECT * INTO b FROM specql.begin_step(process);
    IF b.what IN ('step', 'undo') THEN
        PERFORM specql.fail_step(process, b.number, b.what = 'undo', message, sqlstate);
    ELSE
        PERFORM specql.stick(process, message, sqlstate);
    END IF;
    INSERT INTO specql.process_ready (action, process) SELECT p.action, p.id FROM specql.process AS p WHERE p.id = park_process.process;
END $$;
COMMENT ON FUNCTION specql.park_process(uuid, text, text) IS 'Going on with a process failed as a whole: its next step is taken to be the one that did, and without one it is stuck';

CREATE FUNCTION specql.advance_process(action text) RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_advance_process';
COMMENT ON FUNCTION specql.advance_process(text) IS 'Goes on with a process of an action that is due, with its owner''s rights; false if none is. For specql.run_processes';

CREATE FUNCTION specql.run_processes(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due text;
    handled integer := 0;
BEGIN
    FOR due IN SELECT d.action FROM specql.due_process AS d WHERE d.due_at <= specql.clock() AND specql.sees(d.action) ORDER BY d.due_at LOOP
        LOOP
            EXIT WHEN handled >= max_items OR NOT specql.advance_process(due);
            handled := handled + 1;
        END LOOP;
    END LOOP;
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.run_processes(integer) IS 'Goes on with the processes of the caller''s actions that can; how many. For specql.drain()';

REVOKE ALL ON FUNCTION specql.history_slot(), specql.expire_processes(), specql.end_process(uuid), specql.find_process(text), specql.open_process(uuid),
    specql.count_process(text), specql.park_process(uuid, text, text), specql.advance_process(text), specql.run_processes(integer)
FROM PUBLIC;
