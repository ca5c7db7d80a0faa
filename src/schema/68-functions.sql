-- Calls of functions that did not exist when their spec was applied. They wait in the outbox as calls of an undeclared
-- service; once the function is there they are made, as the handler would have made them.

-- Only a function of whoever owns the action's handler: it runs with that role's rights, and others may be allowed to create
-- functions in the schema.
CREATE FUNCTION specql.find_function(d specql.whole_delivery, OUT owner oid, OUT command text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT p.proowner,
           format('SELECT %I.%I(%s)', n.nspname, p.proname, (
               SELECT string_agg(format(CASE WHEN t.typname IN ('json', 'jsonb') THEN '%I => ($1 -> %L)::%s'
                                             WHEN t.typcategory = 'A' THEN '%I => ARRAY(SELECT jsonb_array_elements_text($1 -> %L))::%s'
                                             ELSE '%I => ($1 ->> %L)::%s' END,
                                        a.name, k.key, format_type(a.type, NULL)), ', ' ORDER BY a.place)
               FROM unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a(name, type, place)
               JOIN jsonb_object_keys(CASE jsonb_typeof(d.payload) WHEN 'object' THEN d.payload ELSE '{}' END) AS k(key) ON a.name IN (k.key, 'p_' || k.key)
               JOIN pg_type AS t ON t.oid = a.type))
    INTO owner, command
    FROM specql.action AS c
    JOIN specql.owned_action AS w ON w.action = c.action
    JOIN pg_proc AS h ON h.oid = to_regprocedure(c.handler || '()') AND h.proowner = w.owner
    JOIN pg_proc AS p ON p.pronamespace = h.pronamespace AND p.proname = d.operation AND p.proowner = h.proowner
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE c.action = d.action AND p.prokind = 'f' AND p.proargmodes IS NULL
      -- Each key is an argument, and each argument that has no default is a key.
      AND NOT EXISTS (SELECT FROM jsonb_object_keys(CASE jsonb_typeof(d.payload) WHEN 'object' THEN d.payload ELSE '{}' END) AS k(key)
                      WHERE NOT (k.key = ANY (coalesce(p.proargnames, '{}')) OR 'p_' || k.key = ANY (coalesce(p.proargnames, '{}'))))
      AND NOT EXISTS (SELECT FROM unnest(p.proargnames[:p.pronargs - p.pronargdefaults]) AS a(name)
                      WHERE NOT (d.payload ? a.name OR a.name LIKE 'p\_%' AND d.payload ? substr(a.name, 3)))
    ORDER BY p.oid LIMIT 1;
EXCEPTION
    -- A handler's name, or a payload, that nothing can be made of.
    WHEN OTHERS THEN
        owner := NULL;
        command := NULL;
END $$;
COMMENT ON FUNCTION specql.find_function(specql.whole_delivery) IS
'The function that a waiting call means, by its name and those of its arguments, and the role to call it as; NULLs if there is none yet';

CREATE FUNCTION specql.run_as(action text, owner oid, command text, argument jsonb, traceparent text, settings jsonb) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_run_as';
COMMENT ON FUNCTION specql.run_as(text, oid, text, jsonb, text, jsonb) IS
'Runs a command with one argument, $1, as a role, in a subtransaction, with the trace and the settings of an event; its error, or NULL. For the worker';

-- Services that nobody declared, from one to the next along the index, however many calls wait for each. What waits for
-- nobody's function is only looked at, a hundred calls of a service at most.
CREATE FUNCTION specql.due_functions() RETURNS TABLE (service text, action text, operation text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    called text;
    one specql.whole_delivery;
BEGIN
    IF specql.is_copy() THEN
        RETURN;
    END IF;
    FOR called IN SELECT c.service FROM specql.undeclared_services AS c LOOP
        FOR one IN SELECT DISTINCT ON (w.action, w.operation) w.*
                   FROM specql.whole_delivery AS w
                   WHERE w.place = 'outbox' AND w.action IS NOT NULL
                     AND w.id = ANY (ARRAY(SELECT o.id FROM specql.outbox AS o
                                           WHERE o.service = called AND o.available_at <= clock_timestamp()
                                           ORDER BY o.available_at, o.id LIMIT 100)) LOOP
            CONTINUE WHEN (SELECT f.command FROM specql.find_function(one) AS f) IS NULL;
            service := called;
            action := one.action;
            operation := one.operation;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.due_functions() IS 'What waiting calls of functions that exist now are about';

-- The attempt is counted before it is made: it may end the session.
CREATE FUNCTION specql.claim_function_call(action text, OUT id uuid, OUT owner oid, OUT command text, OUT payload jsonb,
    OUT traceparent text, OUT settings jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    due record;
    d specql.whole_delivery;
BEGIN
    FOR due IN SELECT f.* FROM specql.due_functions() AS f WHERE f.action = claim_function_call.action LOOP
        FOR d IN SELECT w.* FROM specql.whole_delivery AS w
                 WHERE w.place = 'outbox'
                   AND w.id = ANY (ARRAY(
                       SELECT o.id FROM specql.outbox AS o
                       WHERE o.service = due.service AND o.available_at <= clock_timestamp() AND o.action = due.action
                         AND coalesce(o.operation, (SELECT x.operation FROM specql.definition AS x WHERE x.id = o.definition),
                                      (SELECT x.operation FROM specql.own_payload AS x WHERE x.id = o.id)) = due.operation
                       ORDER BY o.available_at, o.id LIMIT 100 FOR UPDATE SKIP LOCKED))
                 ORDER BY w.available_at, w.id LOOP
            SELECT f.owner, f.command INTO owner, command FROM specql.find_function(d) AS f;
            CONTINUE WHEN command IS NULL;
            IF d.attempts > 8 THEN
                PERFORM specql.record_results(ARRAY[d.id], '{dead}', NULL, '{the last attempt ended its session}', NULL, NULL);
                CONTINUE;
            END IF;
            UPDATE specql.outbox AS o
            SET attempts = o.attempts + 1, available_at = clock_timestamp() + specql.pause_after(o.attempts + 1, '1 s')
            WHERE o.id = d.id;
            id := d.id;
            payload := d.payload;
            traceparent := d.traceparent;
            settings := (SELECT l.settings FROM specql.event_log AS l WHERE l.id = d.event_id AND l.action = d.action LIMIT 1);
            RETURN;
        END LOOP;
    END LOOP;
    command := NULL;
END $$;
COMMENT ON FUNCTION specql.claim_function_call(text) IS 'A waiting call of a function of an action, its attempt counted; NULLs if none is due';

CREATE FUNCTION specql.end_function_call(id uuid, problem text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF problem IS NOT NULL THEN
        UPDATE specql.outbox AS o SET last_error = problem WHERE o.id = end_function_call.id AND o.attempts <= 8;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    PERFORM specql.record_results(ARRAY[end_function_call.id], ARRAY[CASE WHEN problem IS NULL THEN 'done' ELSE 'dead' END],
                                  NULL, ARRAY[problem], NULL, NULL);
END $$;
COMMENT ON FUNCTION specql.end_function_call(uuid, text) IS
'What became of a call of specql.claim_function_call: done, due again, or a dead letter when its attempts are used up';

CREATE FUNCTION specql.call_functions(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due record;
    c record;
    handled integer := 0;
BEGIN
    FOR due IN SELECT DISTINCT f.action FROM specql.due_functions() AS f WHERE specql.sees(f.action) ORDER BY f.action LOOP
        LOOP
            EXIT WHEN handled >= max_items;
            SELECT * INTO c FROM specql.claim_function_call(due.action);
            EXIT WHEN c.id IS NULL;
            PERFORM specql.end_function_call(c.id, specql.run_as(due.action, c.owner, c.command, c.payload, c.traceparent, c.settings));
            handled := handled + 1;
        END LOOP;
    END LOOP;
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.call_functions(integer) IS
'Makes the waiting calls of functions that exist now, of the caller''s actions; how many. For specql.drain()';

REVOKE ALL ON FUNCTION specql.find_function(specql.whole_delivery), specql.run_as(text, oid, text, jsonb, text, jsonb), specql.due_functions(),
    specql.claim_function_call(text), specql.end_function_call(uuid, text), specql.call_functions(integer)
FROM PUBLIC;
