-- Calls of functions that did not exist when their spec was applied. They wait in the outbox as calls of an undeclared
-- service; once the function is there they are made, as the handler would have made them.

-- Only a function of whoever owns the action's handler: it runs with that role's rights, and others may be allowed to create
-- functions in the schema.
CREATE FUNCTION specql.find_function(d specql.outbox, OUT owner oid, OUT command text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.proowner,
           format('SELECT %I.%I(%s)', n.nspname, p.proname, (
               SELECT string_agg(format(CASE WHEN t.typname IN ('json', 'jsonb') THEN '%I => ($1 -> %L)::%s'
                                             WHEN t.typcategory = 'A' THEN '%I => ARRAY(SELECT jsonb_array_elements_text($1 -> %L))::%s'
                                             ELSE '%I => ($1 ->> %L)::%s' END,
                                        a.name, k.key, format_type(a.type, NULL)), ', ' ORDER BY a.place)
               FROM unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a(name, type, place)
               JOIN jsonb_object_keys($1.payload) AS k(key) ON a.name IN (k.key, 'p_' || k.key)
               JOIN pg_type AS t ON t.oid = a.type))
    FROM specql.action AS c
    JOIN specql.owned_action AS w ON w.action = c.action
    JOIN pg_proc AS h ON h.oid = to_regprocedure(c.handler || '()') AND h.proowner = w.owner
    JOIN pg_proc AS p ON p.pronamespace = h.pronamespace AND p.proname = $1.operation AND p.proowner = h.proowner
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE c.action = $1.action AND p.prokind = 'f' AND p.proargmodes IS NULL
      -- Each key is an argument, and each argument that has no default is a key.
      AND NOT EXISTS (SELECT FROM jsonb_object_keys($1.payload) AS k(key)
                      WHERE NOT (k.key = ANY (coalesce(p.proargnames, '{}')) OR 'p_' || k.key = ANY (coalesce(p.proargnames, '{}'))))
      AND NOT EXISTS (SELECT FROM unnest(p.proargnames[:p.pronargs - p.pronargdefaults]) AS a(name)
                      WHERE NOT ($1.payload ? a.name OR a.name LIKE 'p\_%' AND $1.payload ? substr(a.name, 3)))
    ORDER BY p.oid LIMIT 1
$$;
COMMENT ON FUNCTION specql.find_function(specql.outbox) IS
'The function that a waiting call means, by its name and those of its arguments, and the role to call it as; NULLs if there is none yet';

CREATE FUNCTION specql.run_as(owner oid, command text, argument jsonb) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_run_as';
COMMENT ON FUNCTION specql.run_as(oid, text, jsonb) IS
'Runs a command with one argument, $1, as a role, in a subtransaction; its error, or NULL. For the worker';

CREATE FUNCTION specql.call_functions(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    place text := '';
    one specql.outbox;
    d specql.outbox;
    found_function record;
    problem text;
    handled integer := 0;
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    LOOP
        -- From service to service along the index, however many calls wait for each.
        SELECT o.service INTO place FROM specql.outbox AS o WHERE o.service > place ORDER BY o.service LIMIT 1;
        EXIT WHEN place IS NULL OR handled >= max_items;
        CONTINUE WHEN EXISTS (SELECT FROM specql.service AS s WHERE s.name = place);
        -- What waits for nobody's function is not touched: only looked at, a hundred at most.
        FOR one IN SELECT DISTINCT ON (w.action, w.operation) w.*
                 FROM (SELECT o.* FROM specql.outbox AS o
                       WHERE o.service = place AND o.available_at <= clock_timestamp()
                       ORDER BY o.available_at, o.id LIMIT 100) AS w
                 WHERE w.action IS NOT NULL LOOP
            SELECT * INTO found_function FROM specql.find_function(one);
            CONTINUE WHEN found_function.command IS NULL;
            FOR d IN SELECT o.* FROM specql.outbox AS o
                     WHERE o.service = place AND o.available_at <= clock_timestamp()
                       AND o.action = one.action AND o.operation = one.operation
                     ORDER BY o.available_at, o.id LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
                SELECT * INTO found_function FROM specql.find_function(d);
                CONTINUE WHEN found_function.command IS NULL;
                UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = d.id;
                problem := specql.run_as(found_function.owner, found_function.command, d.payload);
                IF problem IS NULL THEN
                    PERFORM specql.ack(d.id);
                ELSE
                    PERFORM specql.nack(d.id, problem);
                END IF;
                handled := handled + 1;
                EXIT WHEN handled >= max_items;
            END LOOP;
            EXIT WHEN handled >= max_items;
        END LOOP;
    END LOOP;
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.call_functions(integer) IS
'Makes waiting calls of functions that exist now; how many. The worker and specql.drain() do it';

REVOKE ALL ON FUNCTION specql.find_function(specql.outbox), specql.run_as(oid, text, jsonb), specql.call_functions(integer)
FROM PUBLIC;
