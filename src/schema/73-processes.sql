-- Processes as people see them, and what people do with them: signal, cancel, retry, migrate.

CREATE VIEW specql.processes AS
    SELECT p.id, p.action, p.version, p.subject, p.status,
           (SELECT string_agg(s.name, ', ' ORDER BY s.number) FROM specql.process_step AS s
            WHERE s.process = p.id AND s.status IN ('waiting', 'retrying', 'undoing', 'undo_failed') AND s.kind NOT IN ('parallel', 'any')) AS step,
           p.params, p.results, p.started_at,
           (SELECT min(s.wake_at) FROM specql.process_step AS s WHERE s.process = p.id) AS wake_at,
           p.deadline, NULL::timestamptz AS ended_at, p.caller, p.cancel_reason, p.last_error
    FROM specql.process AS p
    JOIN specql.owned_action AS o ON o.action = p.action
    WHERE specql.is_mine(o.owner)
    UNION ALL
    SELECT f.id, f.action, f.version, f.subject, f.status, NULL, f.params, f.results, f.started_at, NULL, NULL, f.ended_at, f.caller, f.cancel_reason, f.last_error
    FROM specql.finished_process AS f
    JOIN specql.owned_action AS o ON o.action = f.action
    WHERE specql.is_mine(o.owner);
COMMENT ON VIEW specql.processes IS 'Processes of actions of the current user: where each stands, and for specql.event_retention those that have ended';
COMMENT ON COLUMN specql.processes.id IS 'For specql.why, specql.signal, specql.cancel_process, specql.retry_process, specql.migrate_process';
COMMENT ON COLUMN specql.processes.action IS 'Schema and name';
COMMENT ON COLUMN specql.processes.version IS 'Of the steps that it goes on by: those of when it began';
COMMENT ON COLUMN specql.processes.subject IS 'What it is about';
COMMENT ON COLUMN specql.processes.status IS
'running (a step is tried again soon), waiting, compensating (what its steps did is being undone), stuck (look at last_error; specql.retry_process goes on there), completed, failed, cancelled';
COMMENT ON COLUMN specql.processes.step IS 'The steps that it is about';
COMMENT ON COLUMN specql.processes.params IS 'What it was started with';
COMMENT ON COLUMN specql.processes.results IS 'Step by step, by their names';
COMMENT ON COLUMN specql.processes.started_at IS 'When it was started';
COMMENT ON COLUMN specql.processes.wake_at IS 'When it is looked at, if nothing comes before';
COMMENT ON COLUMN specql.processes.deadline IS 'If it is under way then, it fails';
COMMENT ON COLUMN specql.processes.ended_at IS 'When it ended';
COMMENT ON COLUMN specql.processes.caller IS 'Who started it';
COMMENT ON COLUMN specql.processes.cancel_reason IS 'What specql.cancel_process was told';
COMMENT ON COLUMN specql.processes.last_error IS 'Why it failed, is stuck, or tries a step again';

CREATE FUNCTION specql.steps_of(process uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(
        (SELECT coalesce((SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(s) - '{process,action,asked,began_in}'::text[]) ORDER BY s.number)
                          FROM specql.process_step AS s WHERE s.process = p.id), '[]')
         FROM specql.process AS p WHERE p.id = $1 AND specql.sees(p.action)),
        (SELECT f.steps FROM specql.finished_process AS f WHERE f.id = $1 AND specql.sees(f.action) LIMIT 1))
$$;
COMMENT ON FUNCTION specql.steps_of(uuid) IS
'The steps of a process of the caller, one that has ended, too: name, kind, status, attempts, result, error, started_at, ended_at; NULL if there is none';

-- Locked, if it is under way.
CREATE FUNCTION specql.own_process(id uuid) RETURNS specql.process
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p specql.process;
    ended record;
BEGIN
    SELECT r.* INTO p FROM specql.process AS r WHERE r.id = own_process.id;
    IF FOUND THEN
        PERFORM specql.require_action(p.action, specql.viewer());
        SELECT r.* INTO p FROM specql.process AS r WHERE r.id = own_process.id FOR UPDATE;
        IF FOUND THEN
            RETURN p;
        END IF;
    END IF;
    SELECT f.action, f.status INTO ended FROM specql.finished_process AS f WHERE f.id = own_process.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no process %', own_process.id USING ERRCODE = 'no_data_found', HINT = 'SELECT id, action, status FROM specql.processes';
    END IF;
    PERFORM specql.require_action(ended.action, specql.viewer());
    p.status := ended.status;
    RETURN p;
END $$;
COMMENT ON FUNCTION specql.own_process(uuid) IS
'A process of an action of the caller, locked; of one that has ended only its status; an error if there is none, or it is of somebody else';

CREATE FUNCTION specql.signal(process uuid, name text, data jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    p specql.process;
    waiting integer;
    ended boolean := false;
BEGIN
    SELECT r.* INTO p FROM specql.process AS r WHERE r.id = signal.process;
    IF FOUND THEN
        PERFORM specql.require_action(p.action, specql.viewer());
    ELSE
        p := specql.own_process(process);
    END IF;
    FOR waiting IN SELECT s.number FROM specql.process_step AS s
                   WHERE s.process = signal.process AND s.status = 'waiting' AND s.kind = 'wait_for' AND signal.name IN (s.event, s.name) ORDER BY s.number LOOP
        ended := specql.end_wait(process, waiting, coalesce(data, '{}')) OR ended;
    END LOOP;
    IF NOT ended THEN
        RAISE EXCEPTION 'process % does not wait for %', process, coalesce(name, 'NULL') USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = CASE WHEN p.id IS NULL THEN format('It is %s.', p.status)
                        ELSE coalesce((SELECT 'It waits for ' || string_agg(s.event, ', ' ORDER BY s.number) || '.' FROM specql.process_step AS s
                                       WHERE s.process = signal.process AND s.status = 'waiting' AND s.event IS NOT NULL), 'It waits for no event.') END;
    END IF;
END $$;
COMMENT ON FUNCTION specql.signal(uuid, text, jsonb) IS
'Lets a process go on that waits for this event, or in the step of this name, as if it had come; an error if it does not wait for it';

CREATE FUNCTION specql.cancel_process(id uuid, reason text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    p constant specql.process := specql.own_process(id);
BEGIN
    IF p.id IS NULL OR p.status NOT IN ('running', 'waiting', 'stuck')
       OR EXISTS (SELECT FROM specql.process_step AS s WHERE s.process = p.id AND s.status IN ('undoing', 'undone', 'undo_failed')) THEN
        RETURN false;
    END IF;
    PERFORM specql.fail_process(p.id, reason, NULL, true);
    INSERT INTO specql.process_ready (action, process) VALUES (p.action, p.id);
    PERFORM specql.wake_worker();
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.cancel_process(uuid, text) IS
'Ends a process: what it waits for is cancelled, and what it did is undone if it compensates; false if it has ended, or is being undone already';

-- A step that was under way begins anew.
CREATE FUNCTION specql.resume_failed(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f specql.finished_process;
BEGIN
    DELETE FROM specql.finished_process AS h USING specql.process_plan AS l
    WHERE h.id = $1 AND h.status = 'failed' AND l.action = h.action AND l.version = h.version AND NOT l.compensates RETURNING h.* INTO f;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO specql.process (id, action, version, subject, status, params, results, started_at, deadline, caller, traceparent, settings, last_error, sqlstate, told)
    SELECT f.id, f.action, f.version, f.subject, 'running', f.params, f.results, f.started_at, specql.clock() + l.deadline, f.caller, f.traceparent, f.settings,
           f.last_error, f.sqlstate, f.status
    FROM specql.process_plan AS l WHERE l.action = f.action AND l.version = f.version;
    INSERT INTO specql.process_step (process, number, action, name, kind, parent, status, attempts, undo_attempts, result, started_at, ended_at, delivery)
    SELECT f.id, s.number, f.action, s.name, s.kind, s.parent, s.status, s.attempts, s.undo_attempts, s.result, s.started_at, s.ended_at, s.delivery
    FROM jsonb_populate_recordset(NULL::specql.process_step, f.steps) AS s
    WHERE s.status IN ('done', 'skipped')
       OR s.status = 'timed_out' AND EXISTS (SELECT FROM specql.process_plan_step AS a
                                             WHERE a.action = f.action AND a.version = f.version AND a.after_timeout_of = s.number);
    INSERT INTO specql.process_ready (action, process) VALUES (f.action, f.id);
    PERFORM specql.wake_worker();
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.resume_failed(uuid) IS 'A process that has failed, and undone nothing, goes on with the step that failed; false if it cannot';

CREATE FUNCTION specql.retry_process(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    p constant specql.process := specql.own_process(id);
    undoes constant boolean := EXISTS (SELECT FROM specql.process_step AS s WHERE s.process = p.id AND s.status IN ('undoing', 'undone', 'undo_failed'));
BEGIN
    IF p.id IS NULL THEN
        RETURN specql.resume_failed(retry_process.id);
    ELSIF p.status <> 'stuck' THEN
        RETURN false;
    END IF;
    UPDATE specql.process AS r
    SET status = CASE WHEN undoes THEN 'compensating' ELSE 'running' END, deadline = CASE WHEN NOT undoes THEN specql.clock() + l.deadline END, begun = 0
    FROM specql.process_plan AS l WHERE r.id = p.id AND l.action = r.action AND l.version = r.version;
    UPDATE specql.process_step AS s
    SET status = CASE s.status WHEN 'undo_failed' THEN 'undoing' ELSE s.status END,
        attempts = CASE s.status WHEN 'retrying' THEN 0 ELSE s.attempts END,
        undo_attempts = CASE s.status WHEN 'undo_failed' THEN 0 ELSE s.undo_attempts END,
        delivery = CASE s.status WHEN 'undo_failed' THEN NULL ELSE s.delivery END,
        asked = s.status = 'waiting' AND s.kind IN ('wait', 'wait_until_true'),
        wake_at = CASE WHEN s.status = 'waiting' AND s.kind <> 'ask' THEN s.timeout_at ELSE specql.clock() END
    WHERE s.process = p.id AND (s.status IN ('retrying', 'undo_failed', 'waiting') OR s.status = 'undoing' AND s.delivery IS NULL);
    INSERT INTO specql.process_ready (action, process) VALUES (p.action, p.id);
    PERFORM specql.wake_worker();
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.retry_process(uuid) IS
'Lets a process go on that is stuck, where it is, or one that has failed and undoes nothing, with the step that failed; false if it is neither';

CREATE FUNCTION specql.migrate_process(id uuid) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    p constant specql.process := specql.own_process(id);
    target integer;
    other text;
BEGIN
    IF p.id IS NULL THEN
        RAISE EXCEPTION 'process % is %', id, p.status USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT l.version INTO target FROM specql.process_plan AS l WHERE l.action = p.action AND l.current AND l.dropped_in IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'action % is not there any more', p.action USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- All up to the last that it has begun.
    SELECT coalesce(o.name, n.name) INTO other
    FROM (SELECT s.* FROM specql.process_plan_step AS s WHERE s.action = p.action AND s.version = p.version) AS o
    FULL JOIN (SELECT s.* FROM specql.process_plan_step AS s WHERE s.action = p.action AND s.version = target) AS n ON n.number = o.number
    WHERE coalesce(o.number, n.number) <= (SELECT max(s.number) FROM specql.process_step AS s WHERE s.process = p.id)
      AND (o.name, o.kind, o.parent, o.chosen_by, o.after_timeout_of, o.event) IS DISTINCT FROM (n.name, n.kind, n.parent, n.chosen_by, n.after_timeout_of, n.event)
    ORDER BY coalesce(o.number, n.number) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'process % cannot go on by version %: step % is another one there', id, target, other
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The steps up to the one that it is about must be the same.';
    END IF;
    UPDATE specql.process AS r SET version = target WHERE r.id = p.id;
    PERFORM specql.forget_plans(p.action);
    RETURN target;
END $$;
COMMENT ON FUNCTION specql.migrate_process(uuid) IS
'Lets a process go on by the steps that its action has now, where those up to the one that it is about are the same; the version';

REVOKE ALL ON FUNCTION specql.steps_of(uuid), specql.own_process(uuid), specql.signal(uuid, text, jsonb), specql.cancel_process(uuid, text), specql.resume_failed(uuid),
    specql.retry_process(uuid), specql.migrate_process(uuid)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.steps_of(uuid), specql.signal(uuid, text, jsonb), specql.cancel_process(uuid, text), specql.retry_process(uuid), specql.migrate_process(uuid)
TO specql_admin;
GRANT SELECT ON specql.processes TO specql_admin;
