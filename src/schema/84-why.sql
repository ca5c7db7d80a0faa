-- The trace of one event: what caused it, which conditions held, what it caused.

-- The steps of a process in their order, with those that it has not begun.
CREATE FUNCTION specql.why_process(id uuid) RETURNS TABLE (step integer, kind text, what text, detail text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p record;
    s record;
BEGIN
    SELECT u.action, u.version, u.subject, u.status, u.params, u.started_at, u.deadline, NULL::timestamptz AS ended_at, u.caller, u.traceparent, u.cancel_reason, u.last_error, u.sqlstate
    INTO p FROM specql.process AS u WHERE u.id = why_process.id AND specql.sees(u.action);
    IF NOT FOUND THEN
        SELECT f.action, f.version, f.subject, f.status, f.params, f.started_at, NULL::timestamptz AS deadline, f.ended_at, f.caller, f.traceparent, f.cancel_reason, f.last_error, f.sqlstate
        INTO p FROM specql.finished_process AS f WHERE f.id = why_process.id AND specql.sees(f.action);
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    step := 1;
    kind := 'process';
    what := format('%s%s: %s', p.action, coalesce(' of ' || p.subject, ''), p.status);
    detail := concat_ws(', ', 'version ' || p.version, 'started at ' || p.started_at, 'by ' || (p.caller ->> 'user'), 'ended at ' || p.ended_at,
                        'to end by ' || p.deadline, 'with ' || p.params::text);
    RETURN NEXT;
    IF p.traceparent IS NOT NULL THEN
        step := step + 1;
        kind := 'trace';
        what := split_part(p.traceparent, '-', 2);
        detail := p.traceparent;
        RETURN NEXT;
    END IF;
    kind := 'step';
    FOR s IN SELECT coalesce(d.name, l.name) AS name, coalesce(d.status, 'not begun') AS status, l.sentence, d.*
             FROM jsonb_populate_recordset(NULL::specql.process_step, specql.steps_of(why_process.id)) AS d
             FULL JOIN (SELECT o.* FROM specql.process_plan_step AS o WHERE o.action = p.action AND o.version = p.version) AS l ON l.number = d.number
             WHERE d.number IS NOT NULL OR p.ended_at IS NULL
             ORDER BY coalesce(d.number, l.number) LOOP
        step := step + 1;
        what := s.name || ': ' || s.status;
        detail := nullif(concat_ws(', ', s.sentence, CASE WHEN s.attempts > 1 THEN s.attempts || ' attempts' END, CASE WHEN s.undo_attempts > 1 THEN s.undo_attempts || ' attempts to undo it' END,
            CASE WHEN s.status <> 'skipped' THEN 'began at ' || s.started_at END, CASE WHEN s.status <> 'skipped' THEN 'ended at ' || s.ended_at END,
            CASE WHEN s.status = 'waiting' THEN 'waits' || coalesce(' for ' || s.event, '') || coalesce(' of ' || s.key, '') || coalesce(' until ' || s.timeout_at, '') END,
            'looked at again at ' || s.wake_at, 'call ' || s.delivery::text, CASE WHEN s.unknown THEN 'nobody knows what came of it' END, 'gave ' || s.result::text, 'error: ' || s.error), '');
        RETURN NEXT;
    END LOOP;
    IF p.cancel_reason IS NOT NULL THEN
        step := step + 1;
        kind := 'cancelled';
        what := p.cancel_reason;
        detail := NULL;
        RETURN NEXT;
    END IF;
    IF p.last_error IS NOT NULL THEN
        step := step + 1;
        kind := 'failure';
        what := concat_ws(': ', p.sqlstate, p.last_error);
        detail := CASE p.status WHEN 'stuck' THEN format('SELECT specql.retry_process(%L)', why_process.id) END;
        RETURN NEXT;
    END IF;
END $$;
COMMENT ON FUNCTION specql.why_process(uuid) IS 'What specql.why tells of a process; nothing if there is none';

-- Conditions are asked again of the logged rows, by today's rules and with the rights of whoever wrote them.
CREATE FUNCTION specql.why(event_id uuid) RETURNS TABLE (step integer, kind text, what text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e record;
    r record;
    known boolean := false;
BEGIN
    step := 0;
    FOR e IN SELECT v.*, f.relation, f.sqlstate, f.context, f.next_attempt_at
             FROM specql.every_event AS v LEFT JOIN specql.failure AS f ON f.id = v.id AND f.action = v.action
             WHERE v.id = why.event_id AND specql.sees(v.action) ORDER BY v.action LOOP
        IF NOT known THEN
            known := true;
            step := step + 1;
            kind := 'event';
            what := e.type || coalesce(' of ' || e.subject, '');
            detail := e.data::text;
            RETURN NEXT;
            IF e.traceparent IS NOT NULL THEN
                step := step + 1;
                kind := 'trace';
                what := split_part(e.traceparent, '-', 2);
                detail := e.traceparent;
                RETURN NEXT;
            END IF;
            kind := 'context';
            FOR r IN SELECT s.key, s.value FROM jsonb_each_text(e.settings) AS s ORDER BY s.key LOOP
                step := step + 1;
                what := r.key;
                detail := r.value;
                RETURN NEXT;
            END LOOP;
            kind := 'cause';
            FOR r IN
                WITH RECURSIVE causes AS (
                    SELECT e.caused_by AS id, e.depth - 1 AS depth WHERE e.caused_by IS NOT NULL
                    UNION
                    SELECT v.caused_by, c.depth - 1
                    FROM causes AS c JOIN specql.every_event AS v ON v.id = c.id WHERE v.caused_by IS NOT NULL)
                SELECT DISTINCT ON (c.depth, c.id) c.id, v.type, v.action, v.subject
                FROM causes AS c LEFT JOIN specql.every_event AS v ON v.id = c.id AND specql.sees(v.action)
                ORDER BY c.depth DESC, c.id, v.action LOOP
                step := step + 1;
                what := coalesce(r.type || coalesce(' of ' || r.subject, ''), 'an event that is no longer logged, or of another''s action');
                detail := r.id || coalesce(', handled by ' || r.action, '');
                RETURN NEXT;
            END LOOP;
        END IF;
        CONTINUE WHEN e.action IS NULL;
        step := step + 1;
        kind := 'action';
        what := e.action || ': ' || e.status;
        detail := format('%s attempt%s%s', e.attempts, CASE WHEN e.attempts = 1 THEN '' ELSE 's' END,
            (SELECT format(', handled together with %s other event%s', count(*) - 1, CASE WHEN count(*) > 2 THEN 's' ELSE '' END) FROM specql.event_log AS l
             WHERE l.batch = e.batch AND l.action = e.action AND l.id >= e.batch AND l.xid = e.xid HAVING count(*) > 1));
        RETURN NEXT;
        IF e.entity IS NOT NULL THEN
            kind := 'branch';
            BEGIN
                FOR r IN SELECT c.branch, c.held,
                                c."values" - '{branches,event_time,event_data,subject}'::text[] AS seen
                         FROM specql.recheck(coalesce(e.relation, to_regclass(e.entity)), e.action, e.data, e.caller, e.settings) AS c LOOP
                    step := step + 1;
                    what := format('%s %s', r.branch, CASE WHEN r.held THEN 'held' ELSE 'did not hold' END);
                    detail := r.seen::text;
                    RETURN NEXT;
                END LOOP;
            EXCEPTION WHEN OTHERS THEN
                step := step + 1;
                what := 'the conditions cannot be asked again';
                detail := SQLERRM;
                RETURN NEXT;
            END;
        END IF;
        kind := 'delivery';
        FOR r IN SELECT * FROM specql.every_delivery AS o WHERE o.event_id = e.id AND o.action = e.action ORDER BY o.id LOOP
            step := step + 1;
            what := format('%s %s: %s', r.kind, coalesce(r.service, r.channel), coalesce(r.operation, r.message));
            detail := format('%s, %s attempts%s', r.status, r.attempts, coalesce(', ' || r.last_error, ''))
                   -- Without a payload of its own it has the event's data.
                   || CASE WHEN jsonb_typeof(r.payload) = 'object' AND r.payload <> coalesce(e.data, '{}')
                           THEN coalesce((SELECT ', with ' || string_agg(k.key, ', ' ORDER BY k.key) FROM jsonb_object_keys(r.payload) AS k(key)), ', with nothing')
                           ELSE '' END
                   || coalesce(', answer: ' || left(r.response, 200), '');
            RETURN NEXT;
        END LOOP;
        kind := 'caused';
        FOR r IN SELECT v.id, v.type, v.action, v.subject, v.status FROM specql.every_event AS v
                 -- An answer is caused by the event of its call, and not by those that were handled together with it.
                 WHERE v.caused_by IN (e.batch, e.id) AND specql.sees(v.action) ORDER BY v.id, v.action LOOP
            step := step + 1;
            what := r.type || coalesce(' of ' || r.subject, '');
            detail := format('%s%s, %s', r.id, coalesce(', handled by ' || r.action, ''), r.status);
            RETURN NEXT;
        END LOOP;
        IF e.sqlstate IS NOT NULL THEN
            step := step + 1;
            kind := 'failure';
            what := format('%s: %s', e.sqlstate, e.last_error);
            detail := concat_ws(E'\n', CASE WHEN e.next_attempt_at IS NULL THEN 'parked' ELSE 'next attempt ' || e.next_attempt_at END,
                                e.context);
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT known THEN
        RETURN QUERY SELECT w.* FROM specql.why_process(event_id) AS w;
        IF FOUND THEN
            RETURN;
        END IF;
        RAISE EXCEPTION 'there is no event % in the log', why.event_id
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id, type, occurred_at FROM specql.events ORDER BY id DESC LIMIT 10';
    END IF;
END $$;
COMMENT ON FUNCTION specql.why(uuid) IS
'The trace of an event: what caused it, which conditions held with which values, what was queued, what it caused, what failed. Or the story of a process: its steps, their times, attempts and results';

REVOKE ALL ON FUNCTION specql.why(uuid), specql.why_process(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.why(uuid) TO specql_admin;
