-- What ends waits: events, people, signals, changes of rows. It turns the step from waiting to done, which only one can do, and leaves a
-- row in specql.process_ready; a worker of the owner goes on with the process after the commit.

CREATE FUNCTION specql.end_wait(process uuid, number integer, result jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ended text;
BEGIN
    UPDATE specql.process_step AS s
    SET status = 'done', result = end_wait.result, ended_at = specql.clock(), wake_at = NULL, asked = false
    WHERE s.process = end_wait.process AND s.number = end_wait.number AND s.status = 'waiting' RETURNING s.action INTO ended;
    IF ended IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO specql.process_ready (action, process) VALUES (ended, end_wait.process);
    PERFORM specql.wake_worker();
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.end_wait(uuid, integer, jsonb) IS 'Ends the wait of a step, and says whether it did: of those who try at once one does';

-- Those of former versions, too: by the name of the step, or if there is no such step any more, by the event.
CREATE FUNCTION specql.end_event_waits(action text, number integer, keys text[], data jsonb[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    waited specql.process_plan_step;
    w record;
    ended integer := 0;
BEGIN
    SELECT s.* INTO waited FROM specql.process_plan AS l JOIN specql.process_plan_step AS s ON s.action = l.action AND s.version = l.version
    WHERE l.action = $1 AND l.current AND s.number = $2;
    FOR w IN SELECT DISTINCT ON (s.process, s.number) s.process, s.number, e.data
             FROM unnest($3, $4) WITH ORDINALITY AS e(key, data, place)
             JOIN specql.process_step AS s ON s.action = $1 AND s.event = waited.event AND s.status = 'waiting'
                  AND coalesce(md5(s.key), '') = ANY (ARRAY['', md5(e.key)])
             WHERE s.name = waited.name
                OR NOT EXISTS (SELECT FROM specql.process_plan_step AS o
                               WHERE o.action = $1 AND o.version = waited.version AND o.name = s.name AND o.event = waited.event)
             ORDER BY s.process, s.number, e.place LOOP
        ended := ended + specql.end_wait(w.process, w.number, coalesce(w.data, '{}'))::integer;
    END LOOP;
    RETURN ended;
END $$;
COMMENT ON FUNCTION specql.end_event_waits(text, integer, text[], jsonb[]) IS 'What specql.end_waits does';

CREATE FUNCTION specql.end_waits(action text, number integer, keys text[], data jsonb[]) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_end_waits';
COMMENT ON FUNCTION specql.end_waits(text, integer, text[], jsonb[]) IS
'Events have come that a step of the action that is handling them waits for: ends the waits for their keys, and those for any key, with their data; how many. Generated code calls this';

CREATE FUNCTION specql.ask_waiting(action text, number integer, subject text) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    waited text;
    asked integer;
BEGIN
    SELECT s.name INTO waited FROM specql.process_plan AS l JOIN specql.process_plan_step AS s ON s.action = l.action AND s.version = l.version
    WHERE l.action = $1 AND l.current AND s.number = $2;
    IF subject IS NULL THEN
        INSERT INTO specql.process_ready (action, process, number)
        SELECT s.action, s.process, s.number FROM specql.process_step AS s
        WHERE s.action = $1 AND s.name = waited AND s.status = 'waiting' AND s.kind IN ('wait', 'wait_until_true') ORDER BY s.process;
    ELSE
        INSERT INTO specql.process_ready (action, process, number)
        SELECT s.action, s.process, s.number
        FROM specql.process AS p JOIN specql.process_step AS s ON s.process = p.id
        WHERE p.action = $1 AND p.subject = $3 AND s.name = waited AND s.status = 'waiting' AND s.kind IN ('wait', 'wait_until_true') ORDER BY s.process;
    END IF;
    GET DIAGNOSTICS asked = ROW_COUNT;
    IF asked > 0 THEN
        PERFORM specql.wake_worker();
    END IF;
    RETURN asked;
END $$;
COMMENT ON FUNCTION specql.ask_waiting(text, integer, text) IS 'What specql.ask_again does';

CREATE FUNCTION specql.ask_again(action text, number integer, subject text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_ask_again';
COMMENT ON FUNCTION specql.ask_again(text, integer, text) IS
'Rows have changed that the condition, or the time, of a step reads, whose action is handling that: it is asked again for the processes that wait for it, or for those about one subject; how many. Generated code calls this';

-- ---- people ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.tell_task(t specql.task, step text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO specql.outbox (id, aggregatetype, aggregateid, type, payload, kind, channel, message, action, owner)
    VALUES (specql.uuid_v7(), $1.action, $1.process::text, $2,
            jsonb_build_object('task', $1.id, 'process', $1.process, 'question', $1.question, 'choices', to_jsonb($1.choices), 'due', $1.due_at, 'reminder', $1.reminders),
            'notify', $1.channel, $1.question, $1.action, specql.owner_of($1.action)::specql.role);
    SELECT specql.wake_worker();
$$;
COMMENT ON FUNCTION specql.tell_task(specql.task, text) IS 'Notifies whoever is asked';

CREATE FUNCTION specql.ask(process uuid, s specql.process_plan_step, result jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t specql.task;
BEGIN
    IF result ->> 'role' IS NULL OR result ->> 'question' IS NULL THEN
        RAISE EXCEPTION 'step % asks nobody, or nothing', s.name USING ERRCODE = 'invalid_parameter_value';
    END IF;
    t.id := specql.uuid_v7();
    t.action := s.action;
    t.process := process;
    t.number := s.number;
    t.channel := result ->> 'role';
    t.role := (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = t.channel)::specql.role;
    t.question := result ->> 'question';
    t.choices := ARRAY(SELECT c.choice FROM jsonb_array_elements_text(CASE jsonb_typeof(result -> 'choices') WHEN 'array' THEN result -> 'choices' ELSE '[]' END) AS c(choice));
    t.asked_at := specql.clock();
    t.due_at := specql.time_of(result, 'due');
    t.repeat_after := (result ->> 'repeat')::interval;
    t.remind_at := t.asked_at + t.repeat_after;
    t.reminders := 0;
    INSERT INTO specql.task VALUES (t.*);
    PERFORM specql.tell_task(t, s.name), specql.let_wait(process, s.number, t.remind_at, s.timeout);
END $$;
COMMENT ON FUNCTION specql.ask(uuid, specql.process_plan_step, jsonb) IS 'A step asks a person, and waits for the answer';

CREATE FUNCTION specql.remind(p specql.process, d specql.process_step) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t specql.task;
BEGIN
    UPDATE specql.task AS r SET reminders = r.reminders + 1, remind_at = specql.clock() + r.repeat_after
    WHERE r.process = p.id AND r.number = d.number AND r.closed_at IS NULL AND r.remind_at <= specql.clock() RETURNING r.* INTO t;
    IF FOUND THEN
        PERFORM specql.tell_task(t, d.name);
    END IF;
    UPDATE specql.process_step AS s
    SET wake_at = least(s.timeout_at, (SELECT r.remind_at FROM specql.task AS r WHERE r.process = p.id AND r.number = d.number AND r.closed_at IS NULL))
    WHERE s.process = p.id AND s.number = d.number;
END $$;
COMMENT ON FUNCTION specql.remind(specql.process, specql.process_step) IS 'Whoever is asked is reminded, and again later';

-- The row of the step decides: an answer that comes when its time is over, or another one was given, changes nothing.
CREATE FUNCTION specql.answer(task uuid, choice text, comment text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    viewer constant oid := specql.viewer();
    t specql.task;
BEGIN
    SELECT r.* INTO t FROM specql.task AS r WHERE r.id = answer.task;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no task %', answer.task USING ERRCODE = 'no_data_found', HINT = 'Those that there are, are shown by specql.tasks; a process that has ended takes its own along.';
    END IF;
    IF NOT (coalesce(pg_has_role(viewer, nullif(t.role::oid, 0), 'MEMBER'), false) OR specql.sees(t.action)) THEN
        RAISE EXCEPTION 'this is a question to %', t.channel USING ERRCODE = 'insufficient_privilege', HINT = 'Members of the role that is asked answer it, and whoever may look after the action.';
    END IF;
    IF t.answered_at IS NULL AND t.closed_at IS NULL AND (choice IS NULL OR t.choices <> '{}' AND choice <> ALL (t.choices)) THEN
        RAISE EXCEPTION '% is no answer to this question', coalesce(quote_literal(choice), 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Choices: ' || coalesce(nullif(array_to_string(t.choices, ', '), ''), 'any text') || '.';
    END IF;
    IF t.answered_at IS NULL AND t.closed_at IS NULL
       AND specql.end_wait(t.process, t.number, jsonb_build_object('choice', choice, 'comment', comment, 'answered_by', viewer::regrole::text)) THEN
        UPDATE specql.task AS r
        SET answer = choice, comment = answer.comment, answered_by = viewer::regrole::text, answered_at = specql.clock(), remind_at = NULL WHERE r.id = t.id;
        RETURN;
    END IF;
    SELECT r.* INTO t FROM specql.task AS r WHERE r.id = answer.task;
    IF t.answered_at IS NOT NULL THEN
        RAISE EXCEPTION '% has answered this', t.answered_by USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RAISE EXCEPTION 'this question is closed: its process does not wait for an answer any more' USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
COMMENT ON FUNCTION specql.answer(uuid, text, text) IS
'Answers a question of specql.tasks, as a member of the role that is asked or as who may look after the action; the first answer counts, and the process goes on';

CREATE VIEW specql.tasks WITH (security_barrier) AS
    SELECT t.id, t.action, t.process, t.channel, t.question, t.choices, t.asked_at, t.due_at,
           CASE WHEN t.answered_at IS NOT NULL THEN 'answered' WHEN t.closed_at IS NOT NULL THEN 'closed' ELSE 'open' END AS status,
           t.reminders, t.answer, t.comment, t.answered_by, t.answered_at
    FROM specql.task AS t
    WHERE pg_catalog.pg_has_role(CURRENT_USER::name, nullif(t.role::oid, 0), 'MEMBER')
       OR EXISTS (SELECT FROM specql.owned_action AS o WHERE o.action = t.action AND specql.is_mine(o.owner));
COMMENT ON VIEW specql.tasks IS 'Questions of processes under way to the current user, to roles he is a member of, and of his actions: SELECT specql.answer(id, choice, comment)';
COMMENT ON COLUMN specql.tasks.id IS 'For specql.answer';
COMMENT ON COLUMN specql.tasks.action IS 'Schema and name';
COMMENT ON COLUMN specql.tasks.process IS 'The process that asks';
COMMENT ON COLUMN specql.tasks.channel IS 'Who is asked';
COMMENT ON COLUMN specql.tasks.question IS 'What is asked';
COMMENT ON COLUMN specql.tasks.choices IS 'What may be answered; empty: anything';
COMMENT ON COLUMN specql.tasks.asked_at IS 'When it was asked';
COMMENT ON COLUMN specql.tasks.due_at IS 'When an answer is expected';
COMMENT ON COLUMN specql.tasks.status IS 'open, answered, or closed (no answer is wanted any more)';
COMMENT ON COLUMN specql.tasks.reminders IS 'How often whoever is asked was reminded';
COMMENT ON COLUMN specql.tasks.answer IS 'What was answered';
COMMENT ON COLUMN specql.tasks.comment IS 'What was said beside it';
COMMENT ON COLUMN specql.tasks.answered_by IS 'By whom';
COMMENT ON COLUMN specql.tasks.answered_at IS 'When';

REVOKE ALL ON FUNCTION specql.end_wait(uuid, integer, jsonb), specql.end_event_waits(text, integer, text[], jsonb[]),
    specql.end_waits(text, integer, text[], jsonb[]), specql.ask_waiting(text, integer, text), specql.ask_again(text, integer, text),
    specql.tell_task(specql.task, text), specql.ask(uuid, specql.process_plan_step, jsonb),
    specql.remind(specql.process, specql.process_step)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.end_waits(text, integer, text[], jsonb[]), specql.ask_again(text, integer, text) TO specql_admin;
GRANT SELECT ON specql.tasks TO PUBLIC;
