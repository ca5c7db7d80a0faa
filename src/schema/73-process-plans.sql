-- Plans of processes: an action whose steps may wait has one, a list of steps in their order with the functions that do them. An apply
-- that changes it makes a new version; a process goes on by the version that it began with, and the last one takes its version along.

CREATE TABLE specql.process_plan (
    action text NOT NULL,
    version integer NOT NULL,
    compensates boolean NOT NULL,
    record text,
    deadline interval,
    digest text NOT NULL,
    current boolean NOT NULL,
    kept boolean NOT NULL DEFAULT false,
    dropped_in xid8,
    PRIMARY KEY (action, version)
);
CREATE UNIQUE INDEX process_plan_current ON specql.process_plan (action) WHERE current;
COMMENT ON TABLE specql.process_plan IS 'Actions whose steps may wait, version by version: written by specql.register_process';
COMMENT ON COLUMN specql.process_plan.action IS 'Schema and name';
COMMENT ON COLUMN specql.process_plan.version IS 'From 1; it grows when the steps change';
COMMENT ON COLUMN specql.process_plan.compensates IS 'Whether a process that fails undoes what its steps did';
COMMENT ON COLUMN specql.process_plan.record IS 'The function (uuid, text, jsonb, text) that is told status, results and error after each change of them; or NULL';
COMMENT ON COLUMN specql.process_plan.deadline IS 'A process that takes longer fails';
COMMENT ON COLUMN specql.process_plan.digest IS 'Of what specql.register_process was told: told the same again, it changes nothing';
COMMENT ON COLUMN specql.process_plan.current IS 'New processes begin by it';
COMMENT ON COLUMN specql.process_plan.kept IS 'Its functions are copies, which specql.keep_process made and which nothing but its processes uses';
COMMENT ON COLUMN specql.process_plan.dropped_in IS 'The transaction that dropped the action; registered again in the same one, as by apply, it goes on';
SELECT pg_catalog.pg_extension_config_dump('specql.process_plan', '');

CREATE TABLE specql.process_plan_step (
    action text NOT NULL,
    version integer NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('do', 'check', 'call', 'wait', 'wait_for', 'wait_until_true', 'ask', 'choose', 'parallel', 'any')),
    parent integer,
    chosen_by integer,
    after_timeout_of integer,
    function text,
    undo text,
    undo_kind text NOT NULL DEFAULT 'do' CHECK (undo_kind IN ('do', 'call')),
    service text,
    operation text,
    undo_service text,
    undo_operation text,
    event text,
    retries integer NOT NULL DEFAULT 0 CHECK (retries BETWEEN 0 AND 1000),
    undo_retries integer NOT NULL DEFAULT 3 CHECK (undo_retries BETWEEN 0 AND 1000),
    backoff interval NOT NULL DEFAULT '1 second' CHECK (backoff BETWEEN '0' AND '366 days'),
    timeout interval CHECK (timeout BETWEEN '0' AND '36600 days'),
    sentence text,
    PRIMARY KEY (action, version, number),
    UNIQUE (action, version, name),
    CHECK (kind IN ('parallel', 'any', 'wait_for') OR function IS NOT NULL),
    CHECK (kind <> 'call' OR service IS NOT NULL AND operation IS NOT NULL),
    CHECK (undo IS NULL OR undo_kind <> 'call' OR undo_service IS NOT NULL AND undo_operation IS NOT NULL),
    CHECK (kind <> 'wait_for' OR event IS NOT NULL),
    CHECK (parent < number AND chosen_by < number AND after_timeout_of < number)
);
COMMENT ON TABLE specql.process_plan_step IS 'The steps of each version of a plan';
COMMENT ON COLUMN specql.process_plan_step.action IS 'Schema and name';
COMMENT ON COLUMN specql.process_plan_step.version IS 'As in specql.process_plan';
COMMENT ON COLUMN specql.process_plan_step.number IS 'Its place';
COMMENT ON COLUMN specql.process_plan_step.name IS 'Under which its result is known to the steps after it';
COMMENT ON COLUMN specql.process_plan_step.kind IS
'do; check (a do that is never undone); call (of a service: ends with its answer); wait (until a time); wait_for (an event); wait_until_true (a condition); ask (a person); choose (which steps come); parallel (all steps in it); any (the first of them)';
COMMENT ON COLUMN specql.process_plan_step.parent IS 'The parallel or any that it is part of';
COMMENT ON COLUMN specql.process_plan_step.chosen_by IS 'It comes only if this choose names it';
COMMENT ON COLUMN specql.process_plan_step.after_timeout_of IS 'It comes only if the wait of this step was in vain; that step is not a failure then';
COMMENT ON COLUMN specql.process_plan_step.function IS
'What does it: (uuid, jsonb, jsonb) returns jsonb, given the process, its parameters and the results so far; NULL is a step that does not come, else its result, or what it is to wait for. NULL: nothing is to be done';
COMMENT ON COLUMN specql.process_plan_step.undo IS 'What undoes it, called in the same way; NULL: nothing does';
COMMENT ON COLUMN specql.process_plan_step.undo_kind IS 'do, or call: the undo gives the payload of a call, and is done with its answer';
COMMENT ON COLUMN specql.process_plan_step.service IS 'Of a call: the service';
COMMENT ON COLUMN specql.process_plan_step.operation IS 'Of a call: what of the service';
COMMENT ON COLUMN specql.process_plan_step.undo_service IS 'Of an undo that calls: the service';
COMMENT ON COLUMN specql.process_plan_step.undo_operation IS 'Of an undo that calls: what of the service';
COMMENT ON COLUMN specql.process_plan_step.event IS 'Of a wait_for: what it waits for';
COMMENT ON COLUMN specql.process_plan_step.retries IS 'How often it is tried again after an error; beside that, what met a lock or an outage is tried up to eight times';
COMMENT ON COLUMN specql.process_plan_step.undo_retries IS 'How often its undo is tried again';
COMMENT ON COLUMN specql.process_plan_step.backoff IS 'The pause before it is tried again; it doubles';
COMMENT ON COLUMN specql.process_plan_step.timeout IS 'How long it may wait';
COMMENT ON COLUMN specql.process_plan_step.sentence IS 'What it does, for people';
SELECT pg_catalog.pg_extension_config_dump('specql.process_plan_step', '');

CREATE FUNCTION specql.check_process(plan jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text;
BEGIN
    IF jsonb_typeof(plan) IS DISTINCT FROM 'object' OR jsonb_typeof(plan -> 'steps') IS DISTINCT FROM 'array' OR plan -> 'steps' = '[]' THEN
        problem := 'it has no steps';
    ELSE
        SELECT format('function %s is named without its schema', f.name) INTO problem
        FROM (SELECT plan ->> 'record' AS name
              UNION ALL SELECT unnest(ARRAY[s ->> 'function', s ->> 'undo']) FROM jsonb_array_elements(plan -> 'steps') AS s) AS f
        WHERE cardinality(parse_ident(f.name)) <> 2 LIMIT 1;
        problem := coalesce(problem, (
            SELECT format('step %s is of step %s, which is none that it can be of', s ->> 'name', r.number)
            FROM jsonb_array_elements(plan -> 'steps') AS s,
                 LATERAL (VALUES (s ->> 'parent', '{parallel,any}'::text[]), (s ->> 'chosen_by', '{choose}'),
                                 (s ->> 'after_timeout_of', '{call,wait_for,wait_until_true,ask,parallel,any}')) AS r(number, kinds)
            WHERE r.number IS NOT NULL
              AND NOT EXISTS (SELECT FROM jsonb_array_elements(plan -> 'steps') AS o WHERE o ->> 'number' = r.number AND o ->> 'kind' = ANY (r.kinds))
            LIMIT 1));
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'this is no plan of a process: %', problem USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;
COMMENT ON FUNCTION specql.check_process(jsonb) IS 'An error if what specql.register_process is told is no plan';

-- Versions that no process needs any more.
CREATE FUNCTION specql.forget_plans(action text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT p.version, p.kept FROM specql.process_plan AS p
             WHERE p.action = forget_plans.action AND NOT p.current AND p.dropped_in IS DISTINCT FROM pg_current_xact_id()
               AND NOT EXISTS (SELECT FROM specql.process AS r WHERE r.action = p.action AND r.version = p.version)
             FOR UPDATE SKIP LOCKED LOOP
        IF v.kept THEN
            PERFORM specql.drop_copies(forget_plans.action, v.version);
        END IF;
        DELETE FROM specql.process_plan_step AS s WHERE s.action = forget_plans.action AND s.version = v.version;
        DELETE FROM specql.process_plan AS p WHERE p.action = forget_plans.action AND p.version = v.version;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.forget_plans(text) IS 'Forgets the versions of a plan by which no process goes on and none will begin';

CREATE FUNCTION specql.forget_dropped_plans() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE specql.process_plan AS p SET current = false, dropped_in = NULL WHERE p.action = new.action AND p.dropped_in IS NOT NULL;
    PERFORM specql.forget_plans(new.action);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.forget_dropped_plans() IS 'Forgets the plan of an action that was dropped, but for what its processes go on by';

CREATE CONSTRAINT TRIGGER forget_dropped_plans AFTER UPDATE ON specql.process_plan DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.dropped_in IS NOT NULL) EXECUTE FUNCTION specql.forget_dropped_plans();
COMMENT ON TRIGGER forget_dropped_plans ON specql.process_plan IS 'No process begins by the plan of an action that is gone';

CREATE FUNCTION specql.write_process_plan(action text, plan jsonb, caller oid) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told constant text := md5(plan::text);
    known specql.process_plan;
    made integer;
BEGIN
    PERFORM specql.require_action(action, caller), specql.require_name(action, caller), specql.check_process(plan);
    -- Two that register it at once: the second sees what the first did.
    INSERT INTO specql.action_owner AS o (action, owner) VALUES (write_process_plan.action, caller::specql.role)
    ON CONFLICT ON CONSTRAINT action_owner_pkey DO UPDATE SET owner = excluded.owner;
    SELECT p.* INTO known FROM specql.process_plan AS p WHERE p.action = write_process_plan.action AND p.current FOR UPDATE;
    UPDATE specql.process_plan AS p SET dropped_in = NULL WHERE p.action = write_process_plan.action AND p.dropped_in IS NOT NULL;
    IF known.digest = told THEN
        RETURN known.version;
    END IF;
    made := 1 + coalesce((SELECT max(p.version) FROM specql.process_plan AS p WHERE p.action = write_process_plan.action), 0);
    IF known.action IS NULL THEN
        -- An action that was dropped is back: what failed by a version of then does not go on by one of now.
        made := greatest(made, 1 + (SELECT max(f.version) FROM specql.finished_process AS f WHERE f.action = write_process_plan.action));
    END IF;
    UPDATE specql.process_plan AS p SET current = false WHERE p.action = write_process_plan.action AND p.current;
    INSERT INTO specql.process_plan (action, version, compensates, record, deadline, digest, current)
    VALUES (write_process_plan.action, made, coalesce((plan ->> 'compensates')::boolean, false), plan ->> 'record', (plan ->> 'deadline')::interval, told, true);
    INSERT INTO specql.process_plan_step (action, version, number, name, kind, parent, chosen_by, after_timeout_of, function, undo, undo_kind,
        service, operation, undo_service, undo_operation, event, retries, undo_retries, backoff, timeout, sentence)
    SELECT write_process_plan.action, made, s.number, s.name, s.kind, s.parent, s.chosen_by, s.after_timeout_of, s.function, s.undo,
           coalesce(s.undo_kind, 'do'), s.service, s.operation, s.undo_service, s.undo_operation, s.event, coalesce(s.retries, 0),
           coalesce(s.undo_retries, greatest(s.retries, 3)), coalesce(s.backoff, interval '1 second'), s.timeout, s.sentence
    FROM jsonb_to_recordset(plan -> 'steps') AS s(number integer, name text, kind text, parent integer, chosen_by integer,
        after_timeout_of integer, function text, undo text, undo_kind text, service text, operation text, undo_service text,
        undo_operation text, event text, retries integer, undo_retries integer, backoff interval, timeout interval, sentence text);
    DELETE FROM specql.action_function AS f WHERE f.action = write_process_plan.action AND f.step IS NOT NULL;
    INSERT INTO specql.action_function (action, function, step)
    SELECT s.action, to_regprocedure(s.function || '(uuid,jsonb,jsonb)'), s.function FROM specql.process_plan_step AS s
    WHERE s.action = write_process_plan.action AND s.version = made AND to_regprocedure(s.function || '(uuid,jsonb,jsonb)') IS NOT NULL
    ORDER BY s.number LIMIT 1;
    PERFORM specql.forget_plans(action);
    RETURN made;
END $$;
COMMENT ON FUNCTION specql.write_process_plan(text, jsonb, oid) IS 'What specql.register_process does, for its caller';

CREATE FUNCTION specql.register_process(action text, plan jsonb) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_process';
COMMENT ON FUNCTION specql.register_process(text, jsonb) IS
'Tells the runtime the steps of an action that may wait: compensates, record, deadline, and steps with the columns of specql.process_plan_step; its version. Told the same again it changes nothing, else processes that are under way go on by the version they began with. Generated code calls this';

REVOKE ALL ON FUNCTION specql.check_process(jsonb), specql.forget_plans(text), specql.forget_dropped_plans(),
    specql.write_process_plan(text, jsonb, oid), specql.register_process(text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_process(text, jsonb) TO specql_admin;
