-- Versions in use: before an apply changes the functions of a process that is under way, they are copied, and it goes on by the copies.

CREATE FUNCTION specql.copy_name(function text, version integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', n.parts[1], CASE WHEN octet_length(n.parts[2] || '_v' || $2) <= 63 THEN n.parts[2] ELSE md5(n.parts[2]) END || '_v' || $2)
    FROM (SELECT parse_ident($1) AS parts) AS n
$$;
COMMENT ON FUNCTION specql.copy_name(text, integer) IS 'What the copy of a function of a plan is called';

CREATE FUNCTION specql.functions_of_plan(action text, version integer) RETURNS TABLE (function text, arguments text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT f.name, 'uuid, jsonb, jsonb'
    FROM specql.process_plan_step AS s, unnest(ARRAY[s.function, s.undo]) AS f(name)
    WHERE s.action = $1 AND s.version = $2 AND f.name IS NOT NULL
    UNION ALL
    SELECT p.record, 'uuid, text, jsonb, text' FROM specql.process_plan AS p WHERE p.action = $1 AND p.version = $2 AND p.record IS NOT NULL
$$;
COMMENT ON FUNCTION specql.functions_of_plan(text, integer) IS 'The functions that a version of a plan calls';

-- Only what belongs to the owner of the action: anything else is never called.
CREATE FUNCTION specql.function_of_plan(action text, function text, arguments text) RETURNS regprocedure
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid::regprocedure FROM pg_proc AS p
    WHERE p.oid = to_regprocedure($2 || '(' || $3 || ')') AND p.prokind = 'f' AND p.proowner = specql.owner_of($1)
$$;
COMMENT ON FUNCTION specql.function_of_plan(text, text, text) IS 'The function that a plan means by a name; NULL if there is none, or it is somebody else''s';

-- Processes that begin meanwhile wait for the plan, and then find another one.
CREATE FUNCTION specql.functions_to_keep(action text) RETURNS TABLE (function text, arguments text, copy text, version integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    used integer;
BEGIN
    PERFORM specql.require_action($1, specql.viewer());
    FOR used IN SELECT p.version FROM specql.process_plan AS p WHERE p.action = $1 AND NOT p.kept ORDER BY p.version FOR UPDATE LOOP
        IF EXISTS (SELECT FROM specql.process AS r WHERE r.action = $1 AND r.version = used) THEN
            RETURN QUERY SELECT f.function, f.arguments, specql.copy_name(f.function, used), used FROM specql.functions_of_plan($1, used) AS f
                         WHERE specql.function_of_plan($1, f.function, f.arguments) IS NOT NULL;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.functions_to_keep(text) IS 'The functions of an action by which processes go on that are under way, and what copies of them are to be called';

-- New processes begin by the functions themselves, whatever becomes of them: so there is another version from now on.
CREATE FUNCTION specql.note_kept(action text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    k record;
    used integer;
BEGIN
    PERFORM specql.require_action($1, specql.viewer());
    SELECT p.version INTO used FROM specql.process_plan AS p
    WHERE p.action = $1 AND p.current AND EXISTS (SELECT FROM specql.functions_to_keep($1) AS f WHERE f.version = p.version);
    IF FOUND THEN
        UPDATE specql.process_plan AS p SET current = false WHERE p.action = $1 AND p.version = used;
        INSERT INTO specql.process_plan (action, version, compensates, record, deadline, digest, current, dropped_in)
        SELECT p.action, n.version, p.compensates, p.record, p.deadline, p.digest, true, p.dropped_in
        FROM specql.process_plan AS p, (SELECT max(m.version) + 1 AS version FROM specql.process_plan AS m WHERE m.action = $1) AS n
        WHERE p.action = $1 AND p.version = used;
        INSERT INTO specql.process_plan_step (action, version, number, name, kind, parent, chosen_by, after_timeout_of, function, undo, undo_kind,
            service, operation, undo_service, undo_operation, event, retries, undo_retries, backoff, timeout, sentence)
        SELECT s.action, p.version, s.number, s.name, s.kind, s.parent, s.chosen_by, s.after_timeout_of, s.function, s.undo, s.undo_kind,
            s.service, s.operation, s.undo_service, s.undo_operation, s.event, s.retries, s.undo_retries, s.backoff, s.timeout, s.sentence
        FROM specql.process_plan_step AS s JOIN specql.process_plan AS p ON p.action = s.action AND p.current
        WHERE s.action = $1 AND s.version = used;
    END IF;
    FOR k IN SELECT f.* FROM specql.functions_to_keep($1) AS f WHERE specql.function_of_plan($1, f.copy, f.arguments) IS NOT NULL LOOP
        UPDATE specql.process_plan_step AS s
        SET function = CASE s.function WHEN k.function THEN k.copy ELSE s.function END, undo = CASE s.undo WHEN k.function THEN k.copy ELSE s.undo END
        WHERE s.action = $1 AND s.version = k.version AND k.function IN (s.function, s.undo);
        UPDATE specql.process_plan AS p SET record = k.copy WHERE p.action = $1 AND p.version = k.version AND p.record = k.function;
    END LOOP;
    UPDATE specql.process_plan AS p SET kept = true
    WHERE p.action = $1 AND NOT p.current AND EXISTS (SELECT FROM specql.process AS r WHERE r.action = $1 AND r.version = p.version);
END $$;
COMMENT ON FUNCTION specql.note_kept(text) IS 'Writes the names of the copies into the versions of the plan that are in use. For specql.keep_process';

-- As whoever applies: the copies are made with the rights of the caller, and belong to whom the functions belong.
CREATE FUNCTION specql.keep_process(action text) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    k record;
    f record;
    kept integer := 0;
BEGIN
    FOR k IN SELECT * FROM specql.functions_to_keep(action) LOOP
        SELECT d.definition, d.name, substr(d.definition, strpos(d.definition, d.name || '(') + length(d.name)) AS rest, p.proowner INTO f
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        CROSS JOIN LATERAL (SELECT pg_get_functiondef(p.oid) AS definition, format('%I.%I', n.nspname, p.proname) AS name) AS d
        WHERE p.oid = to_regprocedure(k.function || '(' || k.arguments || ')');
        -- One that was left behind is replaced, if it is the caller's.
        EXECUTE replace(left(f.definition, length(f.definition) - length(f.rest)), f.name, k.copy) || f.rest;
        EXECUTE format('COMMENT ON FUNCTION %s(%s) IS %L', k.copy, k.arguments,
                       format('%s as it was in version %s of the process %s; it goes with the last process of that version', k.function, k.version, action));
        EXECUTE format('REVOKE ALL ON FUNCTION %s(%s) FROM PUBLIC', k.copy, k.arguments);
        IF f.proowner <> (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user) THEN
            EXECUTE format('ALTER FUNCTION %s(%s) OWNER TO %s', k.copy, k.arguments, f.proowner::regrole);
        END IF;
        kept := kept + 1;
    END LOOP;
    IF kept > 0 THEN
        PERFORM specql.note_kept(action);
    END IF;
    RETURN kept;
END $$;
COMMENT ON FUNCTION specql.keep_process(text) IS
'Copies the functions of an action by which processes go on that are under way, before they are changed; how many. specql.apply() does it';

CREATE FUNCTION specql.processes_using(functions text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT p.action
    FROM specql.process_plan AS p, LATERAL specql.functions_of_plan(p.action, p.version) AS f
    WHERE NOT p.kept AND specql.sees(p.action) AND EXISTS (SELECT FROM specql.process AS r WHERE r.action = p.action AND r.version = p.version)
      AND specql.function_of_plan(p.action, f.function, f.arguments) = ANY (ARRAY(SELECT to_regprocedure(u.name) FROM unnest($1) AS u(name)))
$$;
COMMENT ON FUNCTION specql.processes_using(text[]) IS 'Actions of the caller with processes under way that go on by one of these functions';

CREATE FUNCTION specql.keep_processes(functions text[]) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(specql.keep_process(u.action)), 0)::integer FROM specql.processes_using($1) AS u(action)
$$;
COMMENT ON FUNCTION specql.keep_processes(text[]) IS 'Lets processes that are under way go on by copies of these functions, which are about to be changed; how many were copied. specql.apply() calls this first';

-- A copy that something of a user hangs on stays.
CREATE FUNCTION specql.drop_copies(action text, version integer) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    copy regprocedure;
BEGIN
    FOR copy IN SELECT p.oid FROM specql.functions_of_plan($1, $2) AS f
                JOIN pg_proc AS p ON p.oid = specql.function_of_plan($1, f.function, f.arguments)
                WHERE p.proname LIKE '%\_v' || $2 LOOP
        BEGIN
            EXECUTE format('DROP FUNCTION %s', copy);
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            RAISE WARNING '% stays: %', copy, SQLERRM;
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.drop_copies(text, integer) IS 'Drops the copies that specql.keep_process made for a version, which nobody uses any more';

REVOKE ALL ON FUNCTION specql.copy_name(text, integer), specql.functions_of_plan(text, integer), specql.function_of_plan(text, text, text), specql.functions_to_keep(text),
    specql.note_kept(text), specql.keep_process(text), specql.processes_using(text[]), specql.keep_processes(text[]), specql.drop_copies(text, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.functions_to_keep(text), specql.note_kept(text), specql.keep_process(text),
    specql.processes_using(text[]), specql.keep_processes(text[])
TO specql_admin;
