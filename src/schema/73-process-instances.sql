-- Processes: where each stands. Between two waits everything is one transaction: of whoever starts it up to the first wait, then of a
-- worker of its owner, or of specql.drain(). A step and its mark here are one transaction.
--
-- Locks: who goes on with a process, cancels or retries it has locked its row, then rows of its steps. Who ends a wait turns the step
-- from waiting to something else, which only one can do, and leaves a row in specql.process_ready: never does it wait for the process. Who delivers calls only leaves that row, with the answer.

CREATE TABLE specql.process (
    id uuid NOT NULL PRIMARY KEY,
    action text NOT NULL,
    version integer NOT NULL,
    subject text,
    status text NOT NULL CHECK (status IN ('running', 'waiting', 'compensating', 'completed', 'failed', 'cancelled', 'stuck')),
    params jsonb NOT NULL,
    results jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    deadline timestamptz,
    caller jsonb,
    traceparent text,
    settings jsonb,
    cancel_reason text,
    last_error text,
    sqlstate text,
    told text,
    begun integer NOT NULL DEFAULT 0
) WITH (fillfactor = 60);
CREATE INDEX process_version ON specql.process (action, version);
CREATE INDEX process_subject ON specql.process (action, subject) WHERE subject IS NOT NULL;
CREATE INDEX process_deadline ON specql.process (action, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX process_stuck ON specql.process (action) WHERE status = 'stuck';
COMMENT ON TABLE specql.process IS 'Processes that are under way or stuck; shown by specql.processes. When one ends it goes to specql.finished_process';
COMMENT ON COLUMN specql.process.id IS 'The process';
COMMENT ON COLUMN specql.process.action IS 'Schema and name';
COMMENT ON COLUMN specql.process.version IS 'Of the plan that it goes on by';
COMMENT ON COLUMN specql.process.subject IS 'What it is about';
COMMENT ON COLUMN specql.process.status IS
'running (a step is tried again soon), waiting, compensating (what its steps did is being undone), completed, failed, cancelled, or stuck (a person must look: specql.retry_process, specql.cancel_process)';
COMMENT ON COLUMN specql.process.params IS 'What it was started with';
COMMENT ON COLUMN specql.process.results IS 'Step by step, by their names';
COMMENT ON COLUMN specql.process.started_at IS 'By specql.clock()';
COMMENT ON COLUMN specql.process.deadline IS 'If it is under way then, it fails';
COMMENT ON COLUMN specql.process.caller IS 'Who started it: specql.caller() in its steps';
COMMENT ON COLUMN specql.process.traceparent IS 'The trace that it was started in';
COMMENT ON COLUMN specql.process.settings IS 'The settings that specql.context named, as the session had them';
COMMENT ON COLUMN specql.process.cancel_reason IS 'What specql.cancel_process was told';
COMMENT ON COLUMN specql.process.last_error IS 'Why it failed, is stuck, or its last step was tried again';
COMMENT ON COLUMN specql.process.sqlstate IS 'Of that error';
COMMENT ON COLUMN specql.process.told IS 'The status that the record function was told last';
COMMENT ON COLUMN specql.process.begun IS 'How often a worker has begun to go on with it whose session ended meanwhile';
SELECT pg_catalog.pg_extension_config_dump('specql.process', '');

-- A step has no row before it begins.
CREATE TABLE specql.process_step (
    process uuid NOT NULL,
    number integer NOT NULL,
    action text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    parent integer,
    status text NOT NULL CHECK (status IN ('waiting', 'retrying', 'done', 'skipped', 'failed', 'timed_out', 'cancelled', 'undoing', 'undone', 'undo_failed')),
    attempts integer NOT NULL DEFAULT 0,
    undo_attempts integer NOT NULL DEFAULT 0,
    result jsonb,
    error text,
    sqlstate text,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    wake_at timestamptz,
    timeout_at timestamptz,
    event text,
    key text,
    asked boolean NOT NULL DEFAULT false,
    began_in xid8,
    delivery uuid,
    unknown boolean NOT NULL DEFAULT false,
    PRIMARY KEY (process, number)
) WITH (fillfactor = 60);
-- However many wait, what is due is found along the first, what an event ends along the second, what an answer ends along the third.
CREATE INDEX process_step_wake ON specql.process_step (action, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX process_step_event ON specql.process_step (action, event, (coalesce(pg_catalog.md5(key), ''))) WHERE status = 'waiting' AND event IS NOT NULL;
CREATE INDEX process_step_delivery ON specql.process_step (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX process_step_condition ON specql.process_step (action, name) WHERE status = 'waiting' AND kind IN ('wait', 'wait_until_true');
COMMENT ON TABLE specql.process_step IS 'The steps that processes under way have begun';
COMMENT ON COLUMN specql.process_step.process IS 'The process';
COMMENT ON COLUMN specql.process_step.number IS 'Its place in the plan';
COMMENT ON COLUMN specql.process_step.action IS 'Of the process';
COMMENT ON COLUMN specql.process_step.name IS 'Its name in the plan';
COMMENT ON COLUMN specql.process_step.kind IS 'As in specql.process_plan_step';
COMMENT ON COLUMN specql.process_step.parent IS 'The parallel or any that it is part of';
COMMENT ON COLUMN specql.process_step.status IS
'waiting, retrying (after an error), done, skipped (it was not to come), failed, timed_out, cancelled; when the process compensates undoing, undone, undo_failed';
COMMENT ON COLUMN specql.process_step.attempts IS 'How often it was tried';
COMMENT ON COLUMN specql.process_step.undo_attempts IS 'How often its undo was tried';
COMMENT ON COLUMN specql.process_step.result IS 'What it gave, or how its wait ended';
COMMENT ON COLUMN specql.process_step.error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.process_step.sqlstate IS 'Of that error';
COMMENT ON COLUMN specql.process_step.started_at IS 'When it began';
COMMENT ON COLUMN specql.process_step.ended_at IS 'When it ended; what ended last is undone first';
COMMENT ON COLUMN specql.process_step.wake_at IS 'When a worker looks at it; NULL: something else ends it';
COMMENT ON COLUMN specql.process_step.timeout_at IS 'When its wait is in vain';
COMMENT ON COLUMN specql.process_step.event IS 'What it waits for';
COMMENT ON COLUMN specql.process_step.key IS 'Of which key; NULL: of any';
COMMENT ON COLUMN specql.process_step.asked IS 'Its condition, or its time, is to be asked again';
COMMENT ON COLUMN specql.process_step.began_in IS 'Of a condition: the transaction that asked it first, whose older ones may change it unseen; 0 when they have ended';
COMMENT ON COLUMN specql.process_step.delivery IS 'The call whose answer it waits for, or waited for';
COMMENT ON COLUMN specql.process_step.unknown IS 'Nobody can say whether the service did what the call asked: it is undone as if it had';
SELECT pg_catalog.pg_extension_config_dump('specql.process_step', '');

CREATE TABLE specql.process_ready (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    process uuid NOT NULL,
    number integer,
    outcome jsonb
);
CREATE INDEX process_ready_action ON specql.process_ready (action, id);
CREATE INDEX process_ready_process ON specql.process_ready (process);
COMMENT ON TABLE specql.process_ready IS 'Processes that can go on: left by whatever ended a wait, taken by a worker of the owner or specql.drain()';
COMMENT ON COLUMN specql.process_ready.id IS 'The order';
COMMENT ON COLUMN specql.process_ready.action IS 'Of the process';
COMMENT ON COLUMN specql.process_ready.process IS 'The process';
COMMENT ON COLUMN specql.process_ready.number IS 'The step whose condition is to be asked again; NULL: a wait has ended';
COMMENT ON COLUMN specql.process_ready.outcome IS 'What came of a call of the process: who delivers never waits for a step';
COMMENT ON SEQUENCE specql.process_ready_id_seq IS 'Numbers specql.process_ready';
SELECT pg_catalog.pg_extension_config_dump('specql.process_ready', '');
SELECT pg_catalog.pg_extension_config_dump('specql.process_ready_id_seq', '');

CREATE TABLE specql.task (
    id uuid NOT NULL PRIMARY KEY,
    action text NOT NULL,
    process uuid NOT NULL,
    number integer NOT NULL,
    channel text NOT NULL,
    role specql.role,
    question text NOT NULL,
    choices text[] NOT NULL,
    asked_at timestamptz NOT NULL,
    due_at timestamptz,
    repeat_after interval CHECK (repeat_after BETWEEN '1 second' AND '366 days'),
    remind_at timestamptz,
    reminders integer NOT NULL DEFAULT 0,
    answer text,
    comment text,
    answered_by text,
    answered_at timestamptz,
    closed_at timestamptz
);
CREATE INDEX task_process ON specql.task (process, number);
COMMENT ON TABLE specql.task IS 'Questions to people of processes under way; shown by specql.tasks';
COMMENT ON COLUMN specql.task.id IS 'For specql.answer';
COMMENT ON COLUMN specql.task.action IS 'Of the process';
COMMENT ON COLUMN specql.task.process IS 'The process';
COMMENT ON COLUMN specql.task.number IS 'The step that asks';
COMMENT ON COLUMN specql.task.channel IS 'Who is asked, as the step has it; notified there';
COMMENT ON COLUMN specql.task.role IS 'The role of this name as the question was asked; NULL if there was none: then it is answered by whoever may look after the action';
COMMENT ON COLUMN specql.task.question IS 'What is asked';
COMMENT ON COLUMN specql.task.choices IS 'What may be answered; empty: anything';
COMMENT ON COLUMN specql.task.asked_at IS 'When it was asked';
COMMENT ON COLUMN specql.task.due_at IS 'When an answer is expected';
COMMENT ON COLUMN specql.task.repeat_after IS 'How often whoever is asked is reminded';
COMMENT ON COLUMN specql.task.remind_at IS 'When they are reminded next';
COMMENT ON COLUMN specql.task.reminders IS 'How often they were';
COMMENT ON COLUMN specql.task.answer IS 'What was answered';
COMMENT ON COLUMN specql.task.comment IS 'What was said beside it';
COMMENT ON COLUMN specql.task.answered_by IS 'By whom';
COMMENT ON COLUMN specql.task.answered_at IS 'When';
COMMENT ON COLUMN specql.task.closed_at IS 'Since when no answer is wanted any more';
SELECT pg_catalog.pg_extension_config_dump('specql.task', '');

CREATE FUNCTION specql.make_process(action text, params jsonb, subject text, id uuid, caller oid, started_by jsonb, traceparent text, settings jsonb) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    plan specql.process_plan;
    made constant uuid := coalesce(id, specql.uuid_v7());
BEGIN
    -- Who changes the plan meanwhile is waited for, and waits for those that have begun; then there is another version.
    FOR attempt IN 1..2 LOOP
        SELECT p.* INTO plan FROM specql.process_plan AS p
        WHERE p.action = make_process.action AND p.current AND p.dropped_in IS NULL FOR KEY SHARE;
        EXIT WHEN FOUND;
    END LOOP;
    IF plan.action IS NULL THEN
        RAISE EXCEPTION 'there is no process %', coalesce(action, 'NULL') USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Actions whose steps may wait are processes; specql.apply() makes them.';
    END IF;
    -- The first steps run in this transaction, as the caller.
    IF specql.owner_of(action) IS DISTINCT FROM caller THEN
        RAISE EXCEPTION 'action % belongs to %', action, specql.owner_of(action)::regrole
            USING ERRCODE = 'SQ101', HINT = 'Call the function of the action, which starts it with its owner''s rights.';
    END IF;
    INSERT INTO specql.process (id, action, version, subject, status, params, started_at, deadline, caller, traceparent, settings)
    VALUES (made, plan.action, plan.version, make_process.subject, 'running', coalesce(make_process.params, '{}'), specql.clock(),
            specql.clock() + plan.deadline, started_by, make_process.traceparent, make_process.settings);
    RETURN made;
END $$;
COMMENT ON FUNCTION specql.make_process(text, jsonb, text, uuid, oid, jsonb, text, jsonb) IS 'Writes down a process that begins. For specql.start_process';

CREATE FUNCTION specql.start_process(action text, params jsonb, subject text DEFAULT NULL, id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_start_process';
COMMENT ON FUNCTION specql.start_process(text, jsonb, text, uuid) IS
'Starts a process of an action of the current user and does its steps up to the first wait, in this transaction; its id. An error of a step is the caller''s, and nothing remains, unless the process compensates or the step is tried again. Generated code calls this';

REVOKE ALL ON FUNCTION specql.make_process(text, jsonb, text, uuid, oid, jsonb, text, jsonb), specql.start_process(text, jsonb, text, uuid)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.start_process(text, jsonb, text, uuid) TO specql_admin;
