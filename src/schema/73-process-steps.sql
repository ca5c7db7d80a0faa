-- The steps of a process: which is next, and what becomes of it. Each function is one transition, made by whoever has locked the
-- process; code of roles runs between specql.begin_step and specql.end_step or specql.fail_step (src/pg/processes).

CREATE FUNCTION specql.plan_step(process uuid, number integer) RETURNS specql.process_plan_step
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row specql.process_plan_step;
BEGIN
    SELECT s.* INTO found_row FROM specql.process AS p
    JOIN specql.process_plan_step AS s ON s.action = p.action AND s.version = p.version AND s.number = $2
    WHERE p.id = $1;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION specql.plan_step(uuid, integer) IS 'A step as the plan of a process has it';

-- Those of a group begin when it has begun, the others one after the other. A wait whose condition is to be asked again has a turn, too.
CREATE FUNCTION specql.next_step(p specql.process) RETURNS specql.process_plan_step
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row specql.process_plan_step;
BEGIN
    SELECT s.* INTO found_row
    FROM specql.process_plan_step AS s
    LEFT JOIN specql.process_step AS d ON d.process = $1.id AND d.number = s.number
    LEFT JOIN specql.process_step AS g ON g.process = $1.id AND g.number = s.parent
    WHERE s.action = $1.action AND s.version = $1.version
      AND (s.parent IS NULL OR g.status = 'waiting')
      AND CASE WHEN d.number IS NULL THEN s.parent IS NOT NULL
                    OR NOT EXISTS (SELECT FROM specql.process_step AS a
                                   WHERE a.process = $1.id AND a.parent IS NULL AND a.status IN ('waiting', 'retrying'))
               ELSE d.status = 'retrying' AND d.wake_at <= specql.clock() OR d.status = 'waiting' AND d.asked END
    ORDER BY s.number LIMIT 1;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION specql.next_step(specql.process) IS 'The step that a process can do now; NULLs if there is none';

-- A choose names those of its steps that come; a wait in vain lets those come that are for that.
CREATE FUNCTION specql.is_chosen(p specql.process, s specql.process_plan_step) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ($2.chosen_by IS NULL
            OR EXISTS (SELECT FROM specql.process_step AS c
                       WHERE c.process = $1.id AND c.number = $2.chosen_by AND c.status = 'done' AND c.result -> 'steps' ? $2.name))
       AND ($2.after_timeout_of IS NULL
            OR EXISTS (SELECT FROM specql.process_step AS w
                       WHERE w.process = $1.id AND w.number = $2.after_timeout_of AND w.status = 'timed_out'));
END $$;
COMMENT ON FUNCTION specql.is_chosen(specql.process, specql.process_plan_step) IS 'Does a step come, as far as a choose or a wait before it decides that?';

CREATE FUNCTION specql.results_of(process uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(jsonb_object_agg(s.name, s.result ORDER BY s.number), '{}') FROM specql.process_step AS s WHERE s.process = $1 AND s.result IS NOT NULL;
END $$;
COMMENT ON FUNCTION specql.results_of(uuid) IS 'The results of the steps of a process, by their names';

-- ---- what becomes of a step --------------------------------------------------------------------------------------------

CREATE FUNCTION specql.finish_step(process uuid, number integer, status text, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS s
    SET status = $3, result = $4, ended_at = specql.clock(), wake_at = NULL, asked = false
    WHERE s.process = $1 AND s.number = $2;
END $$;
COMMENT ON FUNCTION specql.finish_step(uuid, integer, text, jsonb) IS 'A step has ended: done or skipped';

CREATE FUNCTION specql.skip_step(p specql.process, s specql.process_plan_step) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO specql.process_step (process, number, action, name, kind, parent, status, started_at, ended_at)
    VALUES ($1.id, $2.number, $1.action, $2.name, $2.kind, $2.parent, 'skipped', specql.clock(), specql.clock());
END $$;
COMMENT ON FUNCTION specql.skip_step(specql.process, specql.process_plan_step) IS 'A step does not come';

-- Until it has ended it counts as one that is tried again: so it is, if this transaction fails.
CREATE FUNCTION specql.try_step(p specql.process, s specql.process_plan_step) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO specql.process_step AS d (process, number, action, name, kind, parent, status, attempts, started_at)
    VALUES ($1.id, $2.number, $1.action, $2.name, $2.kind, $2.parent, 'retrying', 1, specql.clock())
    ON CONFLICT ON CONSTRAINT process_step_pkey DO UPDATE
    SET status = 'retrying', attempts = d.attempts + 1, asked = false,
        began_in = CASE WHEN d.began_in < pg_snapshot_xmin(pg_current_snapshot()) THEN '0' ELSE d.began_in END;
END $$;
COMMENT ON FUNCTION specql.try_step(specql.process, specql.process_plan_step) IS 'A step is tried now, once more';

CREATE FUNCTION specql.let_wait(process uuid, number integer, until timestamptz, timeout interval) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS s
    SET status = 'waiting', timeout_at = coalesce(s.timeout_at, specql.clock() + $4),
        wake_at = least($3, coalesce(s.timeout_at, specql.clock() + $4)), error = NULL, sqlstate = NULL
    WHERE s.process = $1 AND s.number = $2;
END $$;
COMMENT ON FUNCTION specql.let_wait(uuid, integer, timestamptz, interval) IS
'A step waits from now on: to be looked at then, and for how long at most';

CREATE FUNCTION specql.time_of(result jsonb, key text) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (result ->> key)::timestamptz;
EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION 'a step gave % as the time that it waits until', result -> key USING ERRCODE = 'invalid_parameter_value';
END $$;
COMMENT ON FUNCTION specql.time_of(jsonb, text) IS 'What a step waits until';

-- A NULL for its time: there is nothing to wait for.
CREATE FUNCTION specql.wait_until(process uuid, s specql.process_plan_step, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until constant timestamptz := specql.time_of(result, 'until');
BEGIN
    IF until IS NULL OR until <= specql.clock() THEN
        PERFORM specql.finish_step(process, s.number, 'done', result);
    ELSE
        UPDATE specql.process_step AS d SET timeout_at = NULL, attempts = 1 WHERE d.process = $1 AND d.number = s.number;
        PERFORM specql.let_wait(process, s.number, until, NULL);
    END IF;
END $$;
COMMENT ON FUNCTION specql.wait_until(uuid, specql.process_plan_step, jsonb) IS 'A step waits until a time';

CREATE FUNCTION specql.wait_for_event(process uuid, s specql.process_plan_step, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS d SET event = s.event, key = wait_for_event.result ->> 'key' WHERE d.process = $1 AND d.number = s.number;
    PERFORM specql.let_wait(process, s.number, NULL, s.timeout);
END $$;
COMMENT ON FUNCTION specql.wait_for_event(uuid, specql.process_plan_step, jsonb) IS 'A step waits for an event of a key';

-- Who changes a row now, and has not committed yet, does not see that somebody waits; so it is asked again when the transactions are
-- over that were open now, seldom if they take long. Whether they are is asked before the condition: specql.try_step.
CREATE FUNCTION specql.wait_for_condition(process uuid, s specql.process_plan_step, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d specql.process_step;
BEGIN
    IF coalesce((result ->> 'holds')::boolean, false) THEN
        PERFORM specql.finish_step(process, s.number, 'done', result);
        RETURN;
    END IF;
    UPDATE specql.process_step AS t SET began_in = coalesce(t.began_in, pg_current_xact_id()), attempts = 1
    WHERE t.process = $1 AND t.number = s.number RETURNING t.* INTO d;
    PERFORM specql.let_wait(process, s.number, CASE WHEN d.began_in <> '0' THEN
        specql.clock() + least(greatest((specql.clock() - d.started_at) / 4, interval '100 ms'), interval '1 min') END, s.timeout);
END $$;
COMMENT ON FUNCTION specql.wait_for_condition(uuid, specql.process_plan_step, jsonb) IS 'A step waits until a condition over rows holds';

CREATE FUNCTION specql.end_step(process uuid, number integer, undo boolean, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    s constant specql.process_plan_step := specql.plan_step(process, number);
BEGIN
    IF jsonb_typeof(result) <> 'object' THEN
        RAISE EXCEPTION 'step % gave %, which is no JSON object', s.name, jsonb_typeof(result) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF undo THEN
        PERFORM specql.end_undo(process, s, result);
    ELSIF result IS NULL THEN
        PERFORM specql.finish_step(process, number, 'skipped', NULL);
    ELSIF s.kind IN ('do', 'check', 'choose') THEN
        PERFORM specql.finish_step(process, number, 'done', result);
    ELSIF s.kind = 'call' THEN
        PERFORM specql.call_service(process, s, s.service, s.operation, s.name, result);
        PERFORM specql.let_wait(process, number, NULL, s.timeout);
    ELSIF s.kind = 'wait' THEN
        PERFORM specql.wait_until(process, s, result);
    ELSIF s.kind = 'wait_for' THEN
        PERFORM specql.wait_for_event(process, s, result);
    ELSIF s.kind = 'wait_until_true' THEN
        PERFORM specql.wait_for_condition(process, s, result);
    ELSIF s.kind = 'ask' THEN
        PERFORM specql.ask(process, s, result);
    ELSE
        PERFORM specql.let_wait(process, number, NULL, s.timeout);
    END IF;
END $$;
COMMENT ON FUNCTION specql.end_step(uuid, integer, boolean, jsonb) IS
'A step, or its undo, was done without an error, and gave this: it has ended, or waits from now on';

-- Something that it needs is gone, or somebody else's: to try it again, or to undo the others, is a person's decision.
CREATE FUNCTION specql.is_missing(sqlstate text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN $1 IN ('SQ209', '3F000', '42P01', '42703', '42704', '42883', '42501');
COMMENT ON FUNCTION specql.is_missing(text) IS 'Does an error say that something is not there any more, or may not be used?';

CREATE FUNCTION specql.retries_after(retries integer, sqlstate text) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $2 IN ('40P01', '55P03') OR specql.error_kind($2, '{}', '{}') = 'waiting' THEN greatest($1, 7) ELSE $1 END
$$;
COMMENT ON FUNCTION specql.retries_after(integer, text) IS 'How often a step is tried again after an error: what met a lock or an outage up to seven times at least';

CREATE FUNCTION specql.fail_step(process uuid, number integer, undo boolean, message text, sqlstate text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    s constant specql.process_plan_step := specql.plan_step(process, number);
    d specql.process_step;
BEGIN
    IF undo THEN
        PERFORM specql.fail_undo(process, s, message, sqlstate);
        RETURN;
    END IF;
    -- After the error there is nothing of the attempt any more.
    SELECT t.* INTO d FROM specql.process_step AS t WHERE t.process = $1 AND t.number = $2;
    IF specql.is_missing(sqlstate) THEN
        PERFORM specql.mark_failed(process, number, 'retrying', message, sqlstate);
        PERFORM specql.stick(process, s.name || ': ' || message, sqlstate);
    ELSIF d.attempts <= specql.retries_after(CASE s.kind WHEN 'check' THEN 0 ELSE s.retries END, sqlstate) THEN
        PERFORM specql.mark_failed(process, number, 'retrying', message, sqlstate);
        UPDATE specql.process_step AS t SET wake_at = specql.clock() + specql.pause_after(d.attempts, s.backoff)
        WHERE t.process = $1 AND t.number = $2;
        UPDATE specql.process AS p SET last_error = s.name || ': ' || message, sqlstate = $5 WHERE p.id = $1;
    ELSE
        PERFORM specql.mark_failed(process, number, 'failed', message, sqlstate);
        PERFORM specql.fail_process(process, s.name || ': ' || message, sqlstate);
    END IF;
END $$;
COMMENT ON FUNCTION specql.fail_step(uuid, integer, boolean, text, text) IS
'A step, or its undo, met an error: it is tried again, or the process fails, or is stuck if something is missing';

CREATE FUNCTION specql.mark_failed(process uuid, number integer, status text, message text, sqlstate text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS s
    SET status = $3, error = $4, sqlstate = $5, ended_at = CASE $3 WHEN 'retrying' THEN NULL ELSE specql.clock() END, wake_at = NULL, asked = false
    WHERE s.process = $1 AND s.number = $2;
END $$;
COMMENT ON FUNCTION specql.mark_failed(uuid, integer, text, text, text) IS 'Writes the error of a step down';

-- Without steps for it, a wait in vain is a failure.
CREATE FUNCTION specql.time_out(p specql.process, d specql.process_step) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.mark_failed(p.id, d.number, 'timed_out', 'its time was over', '57014');
    PERFORM specql.abandon(p.id, d.number), specql.cancel_steps(p.id, d.number);
    IF NOT EXISTS (SELECT FROM specql.process_plan_step AS s
                   WHERE s.action = p.action AND s.version = p.version AND s.after_timeout_of = d.number) THEN
        PERFORM specql.fail_process(p.id, d.name || ': its time was over', '57014');
    END IF;
END $$;
COMMENT ON FUNCTION specql.time_out(specql.process, specql.process_step) IS 'The wait of a step was in vain: the steps come that are for that, or the process fails';

-- What nobody waits for any more: a question is closed, and a call that is not being sent now is not sent, or not again: it would come
-- behind what undoes it. One that was tried may have arrived.
CREATE FUNCTION specql.abandon(process uuid, number integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    call uuid;
    unsent uuid;
    tried integer;
BEGIN
    UPDATE specql.task AS t SET closed_at = specql.clock(), remind_at = NULL
    WHERE t.process = $1 AND t.number = $2 AND t.answered_at IS NULL AND t.closed_at IS NULL;
    SELECT s.delivery INTO call FROM specql.process_step AS s WHERE s.process = $1 AND s.number = $2;
    IF call IS NOT NULL THEN
        SELECT o.id, o.attempts INTO unsent, tried FROM specql.outbox AS o
        WHERE o.id = call AND o.status IN ('waiting', 'held') FOR UPDATE SKIP LOCKED;
        UPDATE specql.process_step AS s SET unknown = unsent IS NULL OR tried > 0 WHERE s.process = $1 AND s.number = $2;
        IF unsent IS NOT NULL THEN
            PERFORM specql.retire(ARRAY[unsent], '{replaced}', '{nobody waits for its answer any more}', NULL, NULL);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION specql.abandon(uuid, integer) IS 'Nobody waits for what a step waited for: its question is closed, its call is not sent, or not again';

CREATE FUNCTION specql.cancel_steps(process uuid, parent integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cancelled integer;
BEGIN
    FOR cancelled IN SELECT s.number FROM specql.process_step AS s
                     WHERE s.process = $1 AND s.status IN ('waiting', 'retrying')
                       AND ($2 IS NULL OR s.parent = $2) ORDER BY s.number FOR UPDATE LOOP
        IF $2 IS NOT NULL THEN
            PERFORM specql.cancel_steps($1, cancelled);
        END IF;
        PERFORM specql.finish_step($1, cancelled, 'cancelled', NULL), specql.abandon($1, cancelled);
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.cancel_steps(uuid, integer) IS 'Cancels what a process, or a group of its steps, is about';

-- A parallel ends with the last of its steps, an any with the first. True if one has ended.
CREATE FUNCTION specql.settle_groups(p specql.process) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    g record;
    settled boolean := false;
BEGIN
    FOR g IN SELECT s.number, s.kind,
                    (SELECT d.name FROM specql.process_step AS d
                     WHERE d.process = p.id AND d.parent = s.number AND d.status IN ('done', 'timed_out') ORDER BY d.ended_at, d.number LIMIT 1) AS first,
                    EXISTS (SELECT FROM specql.process_plan_step AS c
                            LEFT JOIN specql.process_step AS d ON d.process = p.id AND d.number = c.number
                            WHERE c.action = p.action AND c.version = p.version AND c.parent = s.number
                              AND (d.number IS NULL OR d.status IN ('waiting', 'retrying'))) AS open
             FROM specql.process_step AS s
             WHERE s.process = p.id AND s.status = 'waiting' AND s.kind IN ('parallel', 'any') ORDER BY s.number DESC LOOP
        IF g.kind = 'any' AND g.first IS NOT NULL THEN
            PERFORM specql.cancel_steps(p.id, g.number);
        ELSIF g.open THEN
            CONTINUE;
        END IF;
        PERFORM specql.finish_step(p.id, g.number, 'done', CASE g.kind WHEN 'any' THEN jsonb_build_object('first', g.first) ELSE '{}' END);
        settled := true;
    END LOOP;
    RETURN settled;
END $$;
COMMENT ON FUNCTION specql.settle_groups(specql.process) IS 'Ends the groups of steps that have ended, and cancels what an any does not need any more; are there such?';

REVOKE ALL ON FUNCTION specql.plan_step(uuid, integer), specql.next_step(specql.process), specql.is_chosen(specql.process, specql.process_plan_step),
    specql.results_of(uuid), specql.finish_step(uuid, integer, text, jsonb), specql.skip_step(specql.process, specql.process_plan_step),
    specql.try_step(specql.process, specql.process_plan_step), specql.let_wait(uuid, integer, timestamptz, interval), specql.time_of(jsonb, text),
    specql.wait_until(uuid, specql.process_plan_step, jsonb), specql.wait_for_event(uuid, specql.process_plan_step, jsonb),
    specql.wait_for_condition(uuid, specql.process_plan_step, jsonb), specql.end_step(uuid, integer, boolean, jsonb), specql.is_missing(text),
    specql.retries_after(integer, text), specql.fail_step(uuid, integer, boolean, text, text), specql.mark_failed(uuid, integer, text, text, text),
    specql.time_out(specql.process, specql.process_step), specql.abandon(uuid, integer), specql.cancel_steps(uuid, integer),
    specql.settle_groups(specql.process)
FROM PUBLIC;
