-- Turns of a process: what is to be done next, calls of services and their answers, and how a process ends: completed, or failed and
-- undone. As in 73-process-steps.sql, whoever calls these has locked the process; but for specql.end_call_steps.

-- ---- calls -------------------------------------------------------------------------------------------------------------

-- All attempts of a step have one key, by which the receiver tells a repetition.
CREATE FUNCTION specql.call_service(process uuid, s specql.process_plan_step, service text, operation text, what text, payload jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    call constant uuid := specql.uuid_v7();
    at constant timestamptz := clock_timestamp();
    whole constant boolean := specql.setting('whole_deliveries')::boolean;
    p specql.process;
BEGIN
    SELECT r.* INTO p FROM specql.process AS r WHERE r.id = call_service.process;
    IF specql.payload_size(payload) > pg_size_bytes(specql.setting('max_payload_size')) THEN
        RAISE EXCEPTION 'step % calls % with % kB, specql.max_payload_size is %', s.name, service,
            (specql.payload_size(payload) + 1023) / 1024, specql.setting('max_payload_size') USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO specql.own_payload (id, aggregatetype, aggregateid, type, operation, payload, traceparent, idempotency_key)
    VALUES (call, p.action, p.id::text, what, call_service.operation, call_service.payload, p.traceparent, p.id || ':' || what);
    INSERT INTO specql.outbox (id, aggregatetype, aggregateid, type, payload, kind, service, operation, action, available_at, created_at, owner, traceparent)
    VALUES (call, CASE WHEN whole THEN p.action END, CASE WHEN whole THEN p.id::text END, CASE WHEN whole THEN what END,
            CASE WHEN whole THEN call_service.payload END, 'call', call_service.service, CASE WHEN whole THEN call_service.operation END,
            p.action, at, at, specql.owner_of(p.action)::specql.role, CASE WHEN whole THEN p.traceparent END);
    UPDATE specql.process_step AS d SET delivery = call WHERE d.process = p.id AND d.number = s.number;
    PERFORM specql.wake_worker();
END $$;
COMMENT ON FUNCTION specql.call_service(uuid, specql.process_plan_step, text, text, text, jsonb) IS
'Queues the call of a step, or of its undo: with the process and the step as the header Idempotency-Key, whatever the attempt';

-- By whatever way a call has ended, in the transaction that writes that down. It waits for no lock of a process, whose steps may take long.
CREATE FUNCTION specql.end_call_steps(ids uuid[], verdicts text[], errors text[], http_statuses integer[], responses text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    INSERT INTO specql.process_ready (action, process, outcome)
    SELECT s.action, s.process, jsonb_build_object('delivery', e.id, 'done', e.verdict = 'done',
               'error', CASE WHEN e.verdict <> 'done' THEN coalesce(e.error, (SELECT o.last_error FROM specql.outbox AS o WHERE o.id = e.id), 'the call was given up') END,
               -- An answer that says no is one: the service did nothing.
               'unknown', e.verdict = 'dead' AND (e.http_status BETWEEN 400 AND 499 AND e.http_status NOT IN (408, 409)) IS NOT TRUE,
               'response', coalesce(specql.json_of(e.response), CASE WHEN e.response <> '' THEN jsonb_build_object('response', e.response) END, '{}'))
    FROM unnest(ids, verdicts, errors, http_statuses, responses) AS e(id, verdict, error, http_status, response)
    JOIN specql.process_step AS s ON s.delivery = e.id
    WHERE e.verdict IN ('done', 'dead', 'replaced') AND s.status IN ('waiting', 'undoing');
    IF FOUND THEN
        PERFORM specql.wake_worker();
    END IF;
END $$;
COMMENT ON FUNCTION specql.end_call_steps(uuid[], text[], text[], integer[], text[]) IS
'Leaves what came of these calls for the processes whose steps wait for that. For specql.retire, the one way that calls end';

-- What comes when nobody waits for it any more changes nothing.
CREATE FUNCTION specql.take_outcome(process uuid, outcome jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done constant boolean := outcome ->> 'done';
BEGIN
    UPDATE specql.process_step AS s
    SET status = CASE WHEN s.status = 'waiting' THEN CASE WHEN done THEN 'done' ELSE 'failed' END WHEN done THEN 'undone' ELSE 'undo_failed' END,
        result = CASE WHEN s.status = 'waiting' AND done THEN outcome -> 'response' ELSE s.result END,
        error = outcome ->> 'error', sqlstate = NULL, wake_at = NULL,
        ended_at = CASE s.status WHEN 'waiting' THEN specql.clock() ELSE s.ended_at END,
        unknown = s.unknown OR s.status = 'waiting' AND (outcome ->> 'unknown')::boolean
    WHERE s.process = take_outcome.process AND s.delivery = (outcome ->> 'delivery')::uuid AND s.status IN ('waiting', 'undoing');
END $$;
COMMENT ON FUNCTION specql.take_outcome(uuid, jsonb) IS 'Ends the step, or the undo, that waits for the answer to a call';

CREATE FUNCTION specql.waits_for_answer(delivery uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM specql.process_step AS s WHERE s.delivery = $1);
END $$;
COMMENT ON FUNCTION specql.waits_for_answer(uuid) IS 'Does a step of a process wait for the answer to this call? Then all of it is kept';

-- ---- failing and undoing -----------------------------------------------------------------------------------------------

CREATE FUNCTION specql.stick(process uuid, message text, sqlstate text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process AS p SET status = 'stuck', last_error = $2, sqlstate = $3, deadline = NULL, begun = 0 WHERE p.id = $1;
    UPDATE specql.process_step AS s SET wake_at = NULL WHERE s.process = $1 AND s.wake_at IS NOT NULL;
    INSERT INTO specql.process_ready (action, process) SELECT p.action, p.id FROM specql.process AS p WHERE p.id = $1 AND p.told IS NOT NULL;
END $$;
COMMENT ON FUNCTION specql.stick(uuid, text, text) IS 'A process cannot go on before a person has looked at it';

CREATE FUNCTION specql.fail_process(process uuid, message text, sqlstate text, cancelled boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.cancel_steps(process, NULL);
    UPDATE specql.process AS p
    SET status = CASE WHEN l.compensates THEN 'compensating' WHEN cancelled THEN 'cancelled' ELSE 'failed' END, deadline = NULL,
        cancel_reason = CASE WHEN cancelled THEN coalesce(message, '') END,
        last_error = CASE WHEN cancelled THEN p.last_error ELSE message END, sqlstate = CASE WHEN cancelled THEN p.sqlstate ELSE fail_process.sqlstate END
    FROM specql.process_plan AS l
    WHERE p.id = fail_process.process AND l.action = p.action AND l.version = p.version;
END $$;
COMMENT ON FUNCTION specql.fail_process(uuid, text, text, boolean) IS 'A process has failed, or is cancelled: what it waits for is, too, and it undoes what it did if it compensates';

-- What is being undone goes on; else what ended last comes first.
CREATE FUNCTION specql.next_undo(p specql.process) RETURNS specql.process_step
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_row specql.process_step;
BEGIN
    SELECT d.* INTO found_row
    FROM specql.process_step AS d
    JOIN specql.process_plan_step AS s ON s.action = $1.action AND s.version = $1.version AND s.number = d.number
    WHERE d.process = $1.id AND s.undo IS NOT NULL AND s.kind <> 'check'
      AND (d.status IN ('undoing', 'done') OR d.unknown AND d.status IN ('failed', 'timed_out', 'cancelled'))
    ORDER BY (d.status = 'undoing' AND d.wake_at <= specql.clock()) IS NOT TRUE, d.status <> 'undoing', d.ended_at DESC, d.number DESC LIMIT 1;
    RETURN found_row;
END $$;
COMMENT ON FUNCTION specql.next_undo(specql.process) IS 'The step that is undone next, or is being undone; NULLs if there is nothing left';

-- A call that may have been made is undone when it cannot be made any more: not while somebody has it, and what comes back of it
-- then, to be tried again, is not sent.
CREATE FUNCTION specql.may_undo(d specql.process_step) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    until timestamptz;
BEGIN
    IF d.status = 'undoing' THEN
        RETURN d.wake_at <= specql.clock();
    ELSIF NOT d.unknown THEN
        RETURN true;
    END IF;
    PERFORM specql.abandon(d.process, d.number);
    SELECT max(u.leased_until) INTO until
    FROM (SELECT l.leased_until FROM specql.leased_call AS l WHERE l.id = d.delivery
          UNION ALL
          SELECT o.leased_until FROM specql.outbox AS o WHERE o.id = d.delivery) AS u;
    IF until IS NULL THEN
        RETURN true;
    END IF;
    UPDATE specql.process_step AS s SET wake_at = specql.clock() + greatest(until - clock_timestamp(), interval '100 ms')
    WHERE s.process = d.process AND s.number = d.number;
    RETURN false;
END $$;
COMMENT ON FUNCTION specql.may_undo(specql.process_step) IS 'Can a step be undone now? If not, it is looked at again later';

CREATE FUNCTION specql.end_undo(process uuid, s specql.process_plan_step, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF s.undo_kind = 'call' AND result IS NOT NULL THEN
        PERFORM specql.call_service(process, s, s.undo_service, s.undo_operation, s.name || ':undo', result);
        UPDATE specql.process_step AS d SET wake_at = NULL WHERE d.process = $1 AND d.number = s.number;
    ELSE
        UPDATE specql.process_step AS d SET status = 'undone', wake_at = NULL, error = NULL, sqlstate = NULL WHERE d.process = $1 AND d.number = s.number;
    END IF;
END $$;
COMMENT ON FUNCTION specql.end_undo(uuid, specql.process_plan_step, jsonb) IS 'An undo was done, or waits for the answer to its call';

CREATE FUNCTION specql.fail_undo(process uuid, s specql.process_plan_step, message text, sqlstate text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS d
    SET status = 'undo_failed', error = $3, sqlstate = $4, wake_at = NULL WHERE d.process = $1 AND d.number = $2.number;
END $$;
COMMENT ON FUNCTION specql.fail_undo(uuid, specql.process_plan_step, text, text) IS 'An undo met an error';

-- An undo whose attempts are used up does not keep the others from being tried.
CREATE FUNCTION specql.retry_undos(p specql.process) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_step AS d
    SET status = 'undoing', delivery = NULL, wake_at = specql.clock() + specql.pause_after(d.undo_attempts, s.backoff)
    FROM specql.process_plan_step AS s
    WHERE d.process = $1.id AND s.action = $1.action AND s.version = $1.version AND s.number = d.number
      AND d.status = 'undo_failed' AND NOT specql.is_missing(coalesce(d.sqlstate, ''))
      AND d.undo_attempts <= specql.retries_after(s.undo_retries, d.sqlstate);
END $$;
COMMENT ON FUNCTION specql.retry_undos(specql.process) IS 'Undos that failed are tried again, later, unless their attempts are used up';

-- ---- what waits is woken -----------------------------------------------------------------------------------------------

-- What somebody else is ending now is left to them. A time that may have moved is asked for again before it counts.
CREATE FUNCTION specql.wake_steps(p specql.process) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d specql.process_step;
BEGIN
    FOR d IN SELECT s.* FROM specql.process_step AS s
             WHERE s.process = p.id AND s.status = 'waiting' AND s.wake_at <= specql.clock() AND NOT (s.kind = 'wait' AND s.asked)
             ORDER BY s.number FOR UPDATE SKIP LOCKED LOOP
        -- A step before may have failed the process.
        EXIT WHEN (SELECT r.status NOT IN ('running', 'waiting') FROM specql.process AS r WHERE r.id = p.id);
        IF d.timeout_at <= specql.clock() THEN
            PERFORM specql.time_out(p, d);
        ELSIF d.kind = 'wait' THEN
            PERFORM specql.finish_step(p.id, d.number, 'done', jsonb_build_object('until', d.wake_at));
        ELSIF d.kind = 'ask' THEN
            PERFORM specql.remind(p, d);
        ELSE
            UPDATE specql.process_step AS s SET asked = true, wake_at = s.timeout_at WHERE s.process = p.id AND s.number = d.number;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.wake_steps(specql.process) IS 'Ends the waits of a process whose time has come, or was over, and reminds of its questions';

-- The call of a step has failed.
CREATE FUNCTION specql.take_failed(p specql.process) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d specql.process_step;
BEGIN
    FOR d IN SELECT s.* FROM specql.process_step AS s WHERE s.process = p.id AND s.status = 'failed' ORDER BY s.ended_at, s.number LOOP
        PERFORM specql.fail_step(p.id, d.number, false, d.error, d.sqlstate);
        EXIT WHEN (SELECT r.status NOT IN ('running', 'waiting') FROM specql.process AS r WHERE r.id = p.id);
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.take_failed(specql.process) IS 'Tries steps again whose calls were given up, or fails the process';

-- ---- turns -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.stand(p specql.process) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN CASE
        WHEN $1.status IN ('running', 'waiting') THEN
            CASE WHEN EXISTS (SELECT FROM specql.process_step AS s WHERE s.process = $1.id AND s.status = 'waiting') THEN 'waiting'
                 WHEN EXISTS (SELECT FROM specql.process_step AS s WHERE s.process = $1.id AND s.status = 'retrying') THEN 'running'
                 ELSE 'completed' END
        WHEN $1.status = 'compensating' THEN
            CASE WHEN (specql.next_undo($1)).number IS NOT NULL THEN 'compensating'
                 WHEN EXISTS (SELECT FROM specql.process_step AS s WHERE s.process = $1.id AND s.status = 'undo_failed') THEN 'stuck'
                 WHEN $1.cancel_reason IS NOT NULL THEN 'cancelled' ELSE 'failed' END
        ELSE $1.status END;
END $$;
COMMENT ON FUNCTION specql.stand(specql.process) IS 'The status of a process that can do nothing now';

-- what: step or undo, to be called now with these arguments, in a subtransaction if `caught`; record, to be told; NULL: the process
-- waits, or has ended.
CREATE FUNCTION specql.begin_step(process uuid, OUT what text, OUT number integer, OUT function text, OUT caught boolean,
    OUT params jsonb, OUT results jsonb, OUT status text, OUT error text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    p specql.process;
    plan specql.process_plan;
    s specql.process_plan_step;
    d specql.process_step;
    look record;
BEGIN
    LOOP
        SELECT r.* INTO p FROM specql.process AS r WHERE r.id = begin_step.process FOR UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT l.* INTO plan FROM specql.process_plan AS l WHERE l.action = p.action AND l.version = p.version;
        params := p.params;
        IF p.status IN ('running', 'waiting') THEN
            IF p.deadline <= specql.clock() THEN
                PERFORM specql.fail_process(p.id, 'its time was over', '57014');
                CONTINUE;
            END IF;
            SELECT bool_or(t.status = 'waiting' AND t.wake_at <= specql.clock()) AS due, bool_or(t.status = 'failed') AS failed,
                   bool_or(t.status = 'waiting' AND t.kind IN ('parallel', 'any')) AS groups
            INTO look FROM specql.process_step AS t WHERE t.process = p.id;
            IF look.due OR look.failed THEN
                PERFORM specql.wake_steps(p), specql.take_failed(p);
                CONTINUE WHEN (SELECT r.status IS DISTINCT FROM p.status FROM specql.process AS r WHERE r.id = p.id);
            END IF;
            CONTINUE WHEN look.groups AND specql.settle_groups(p);
            s := specql.next_step(p);
            IF s.number IS NOT NULL THEN
                IF (s.chosen_by IS NOT NULL OR s.after_timeout_of IS NOT NULL) AND NOT specql.is_chosen(p, s) THEN
                    PERFORM specql.skip_step(p, s);
                    CONTINUE;
                END IF;
                PERFORM specql.try_step(p, s);
                number := s.number;
                IF s.function IS NULL THEN
                    PERFORM specql.end_step(p.id, s.number, false, '{}');
                    CONTINUE;
                END IF;
                what := 'step';
                function := s.function;
                caught := plan.compensates OR s.retries > 0;
                results := specql.results_of(p.id);
                RETURN;
            END IF;
        ELSIF p.status = 'compensating' THEN
            PERFORM specql.retry_undos(p);
            d := specql.next_undo(p);
            IF d.number IS NOT NULL AND specql.may_undo(d) THEN
                s := specql.plan_step(p.id, d.number);
                UPDATE specql.process_step AS t SET status = 'undoing', undo_attempts = t.undo_attempts + 1, delivery = NULL, wake_at = NULL
                WHERE t.process = p.id AND t.number = d.number;
                what := 'undo';
                number := d.number;
                function := s.undo;
                caught := true;
                results := specql.results_of(p.id);
                RETURN;
            END IF;
        END IF;
        EXIT;
    END LOOP;
    status := specql.stand(p);
    results := specql.results_of(p.id);
    IF status = 'stuck' AND p.last_error IS NULL THEN
        p.last_error := (SELECT t.name || ', undone: ' || t.error FROM specql.process_step AS t
                         WHERE t.process = p.id AND t.status = 'undo_failed' ORDER BY t.number LIMIT 1);
    END IF;
    IF status = 'completed' AND p.status <> 'completed' THEN
        -- What was tried again went well in the end.
        p.last_error := NULL;
    END IF;
    error := coalesce(p.last_error, p.cancel_reason);
    IF plan.record IS NOT NULL AND (status, results) IS DISTINCT FROM (p.told, p.results) THEN
        what := 'record';
        function := plan.record;
        caught := true;
    END IF;
    IF (status, results, what) IS DISTINCT FROM (p.status, p.results, NULL) OR p.begun > 0 THEN
        UPDATE specql.process AS r
        SET status = begin_step.status, results = begin_step.results, begun = 0, last_error = p.last_error,
            told = CASE what WHEN 'record' THEN begin_step.status ELSE r.told END
        WHERE r.id = p.id;
    END IF;
    IF what IS NULL AND status IN ('completed', 'failed', 'cancelled') THEN
        PERFORM specql.end_process(p.id);
    END IF;
END $$;
COMMENT ON FUNCTION specql.begin_step(uuid) IS
'What a process does next: a step, the undo of one, telling its record. What needs no code of its owner is done on the way: steps that do not come, waits that are over, the end';

-- The process goes on; its owner sees why the row does not tell.
CREATE FUNCTION specql.fail_record(process uuid, message text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process AS p SET last_error = concat_ws('; ', p.last_error, 'its record was not told: ' || $2) WHERE p.id = $1;
END $$;
COMMENT ON FUNCTION specql.fail_record(uuid, text) IS 'The record function of a process met an error';

REVOKE ALL ON FUNCTION specql.call_service(uuid, specql.process_plan_step, text, text, text, jsonb),
    specql.end_call_steps(uuid[], text[], text[], integer[], text[]), specql.take_outcome(uuid, jsonb), specql.waits_for_answer(uuid), specql.stick(uuid, text, text), specql.fail_process(uuid, text, text, boolean),
    specql.next_undo(specql.process), specql.may_undo(specql.process_step), specql.end_undo(uuid, specql.process_plan_step, jsonb),
    specql.fail_undo(uuid, specql.process_plan_step, text, text), specql.retry_undos(specql.process), specql.wake_steps(specql.process),
    specql.take_failed(specql.process), specql.stand(specql.process), specql.begin_step(uuid), specql.fail_record(uuid, text)
FROM PUBLIC;
