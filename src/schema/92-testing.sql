-- Tests that nobody wrote: suites made from the specs in force, run by pgTAP.

CREATE FUNCTION specql.test_suites() RETURNS TABLE (suite text, actions integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_test_suites';
COMMENT ON FUNCTION specql.test_suites() IS 'The suites that specql.runtests can run: per schema and pattern one, with the number of actions in it';

CREATE FUNCTION specql.test_statements(suite text)
RETURNS TABLE (test integer, title text, kind text, sql text, description text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_test_statements';
COMMENT ON FUNCTION specql.test_statements(text) IS
'A suite, statement by statement: kind is fixture, step, check (a pgTAP call) or skip (sql is the reason)';

-- Where pgTAP is; its functions call each other without a schema.
CREATE FUNCTION specql.pgtap_schema() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pgtap'
$$;
COMMENT ON FUNCTION specql.pgtap_schema() IS 'The schema of the extension pgtap in this database; NULL if it is not installed';

-- Tests run what rules and tables reach: as whoever owns the actions, not as whoever wants to see them tested.
CREATE FUNCTION specql.suite_owner(suite text) RETURNS oid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tested_schema constant text := regexp_replace(suite, '\.[^.]*$', '');
    owners constant oid[] := ARRAY(SELECT DISTINCT o.owner::oid FROM specql.action AS a JOIN specql.owned_action AS o ON o.action = a.action
                                   WHERE starts_with(a.action, tested_schema || '.'));
BEGIN
    IF cardinality(owners) > 1 THEN
        RAISE EXCEPTION 'actions of schema % belong to several roles: %', tested_schema,
            (SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) FROM pg_roles AS r WHERE r.oid = ANY (owners))
            USING ERRCODE = 'SQ101', DETAIL = 'A suite runs as the owner of what it tests.',
                  HINT = 'Let one of them, or a role that both are members of, apply all specs of a schema; REASSIGN OWNED gives functions to another role.';
    END IF;
    -- Nothing is registered: there is nothing of others to run.
    RETURN coalesce(owners[1], specql.viewer());
END $$;
COMMENT ON FUNCTION specql.suite_owner(text) IS 'The role that owns the actions of a suite, as which its statements run';

CREATE FUNCTION specql.execute_as(owner oid, sql text) RETURNS TABLE (place integer, line text)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_execute_as';
COMMENT ON FUNCTION specql.execute_as(oid, text) IS
'Runs a statement as a role whose rights the caller has, and gives its first column. For specql.runtests';

-- What is there after some statements, which are taken back. `queries` says what to look at: by place a query of jsonb.
CREATE FUNCTION specql.test_outcome(script text, queries jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET datestyle = 'ISO, MDY' AS $$
DECLARE
    outcome jsonb := '{}';
    q record;
    found jsonb;
BEGIN
    BEGIN
        EXECUTE script;
        FOR q IN SELECT e.key AS place, e.value AS query FROM jsonb_each_text(queries) AS e LOOP
            EXECUTE format('SELECT coalesce(jsonb_agg(r.found), ''[]'') FROM (%s) AS r(found)', q.query) INTO found;
            outcome := outcome || jsonb_build_object(q.place, found);
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'SQ207', MESSAGE = 'the statements are taken back';
    EXCEPTION WHEN SQLSTATE 'SQ207' THEN
        NULL;
    END;
    RETURN outcome;
END $$;
COMMENT ON FUNCTION specql.test_outcome(text, jsonb) IS
'Runs statements, looks, and takes all back: by place what is there, of a query of jsonb for each. For suites';

CREATE FUNCTION specql.outcomes_differ(found jsonb, wanted jsonb, unstable jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(d.place, d.lines) FILTER (WHERE d.lines IS NOT NULL), '{}')
    FROM (SELECT w.place, (
              SELECT jsonb_agg(l.line ORDER BY l.line) FROM (
                  (SELECT '+ ' || (r - c.names)::text FROM jsonb_array_elements(found -> w.place) AS r
                   EXCEPT ALL SELECT '+ ' || (r - c.names)::text FROM jsonb_array_elements(wanted -> w.place) AS r)
                  UNION ALL
                  (SELECT '- ' || (r - c.names)::text FROM jsonb_array_elements(wanted -> w.place) AS r
                   EXCEPT ALL SELECT '- ' || (r - c.names)::text FROM jsonb_array_elements(found -> w.place) AS r)) AS l(line)) AS lines
          FROM jsonb_object_keys(wanted) AS w(place),
               LATERAL (SELECT ARRAY(SELECT jsonb_array_elements_text(unstable -> w.place)) AS names) AS c) AS d
$$;
COMMENT ON FUNCTION specql.outcomes_differ(jsonb, jsonb, jsonb) IS
'By place the rows of one outcome that the other has not (+) and that only the other has (-), without columns that are different every time';

-- Where the two differ, the reference runs once more: a column that is then different again says nothing.
CREATE FUNCTION specql.test_difference(script text, reference text, queries jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found constant jsonb := specql.test_outcome(script, queries);
    wanted constant jsonb := specql.test_outcome(reference, queries);
    difference constant jsonb := specql.outcomes_differ(found, wanted, '{}');
    again jsonb;
    unstable jsonb;
BEGIN
    IF difference = '{}' THEN
        RETURN difference;
    END IF;
    again := specql.test_outcome(reference, queries);
    SELECT coalesce(jsonb_object_agg(u.place, u.names), '{}') INTO unstable
    FROM (SELECT w.place, jsonb_agg(DISTINCT k.name) AS names
          FROM jsonb_object_keys(wanted) AS w(place), jsonb_array_elements(wanted -> w.place) AS r(cells),
               jsonb_object_keys(r.cells) AS k(name)
          WHERE ARRAY(SELECT o -> k.name FROM jsonb_array_elements(wanted -> w.place) AS o ORDER BY 1)
                <> ARRAY(SELECT o -> k.name FROM jsonb_array_elements(again -> w.place) AS o ORDER BY 1)
          GROUP BY w.place) AS u;
    RETURN specql.outcomes_differ(found, wanted, unstable);
END $$;
COMMENT ON FUNCTION specql.test_difference(text, text, jsonb) IS
'What is different after some statements from what is there after those of a reference; all of them are taken back. For suites';

-- Everything happens in a subtransaction that is rolled back: nothing is delivered, nothing stays.
CREATE FUNCTION specql.runtests(suite text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    pgtap constant text := specql.pgtap_schema();
    owner oid;
    statements jsonb;
    s record;
    line text;
    lines text[] := '{}';
    broken integer := 0;
    problem text;
BEGIN
    IF pgtap IS NULL THEN
        RAISE EXCEPTION 'specql.runtests needs pgTAP, which is not installed in this database'
            USING ERRCODE = 'undefined_function',
                  HINT = format('Type CREATE EXTENSION pgtap SCHEMA public; on Debian its package is postgresql-%s-pgtap.',
                                current_setting('server_version_num')::integer / 10000);
    END IF;
    SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') INTO statements FROM specql.test_statements($1) AS t;
    owner := specql.suite_owner($1);
    BEGIN
        PERFORM set_config('search_path', format('pg_catalog, %s, pg_temp', pgtap), true),
                set_config('client_min_messages', 'error', true);
        SELECT e.line INTO line FROM specql.execute_as(owner, format('SELECT plan(%s)',
            (SELECT count(*) FROM jsonb_array_elements(statements) AS e WHERE e ->> 'kind' IN ('check', 'skip')))) AS e;
        lines := array_append(lines, line);
        FOR s IN SELECT * FROM jsonb_to_recordset(statements)
                 AS e(test integer, title text, kind text, sql text, description text) LOOP
            IF s.kind = 'skip' THEN
                SELECT e.line INTO line FROM specql.execute_as(owner,
                    format('SELECT ok(true, %L) || '' '' || diag(''SKIP '' || %L)', s.description, s.sql)) AS e;
                lines := array_append(lines, line);
                CONTINUE;
            END IF;
            BEGIN
                IF s.kind = 'check' THEN
                    IF s.test = broken THEN
                        RAISE EXCEPTION '%', problem;
                    END IF;
                    SELECT e.line INTO line FROM specql.execute_as(owner, 'SELECT ' || s.sql) AS e;
                    lines := array_append(lines, line);
                ELSE
                    PERFORM specql.execute_as(owner, s.sql);
                END IF;
            EXCEPTION WHEN OTHERS THEN
                IF s.kind = 'check' THEN
                    SELECT e.line INTO line FROM specql.execute_as(owner,
                        format('SELECT fail(%L) || E''\n'' || diag(%L)', s.description, SQLERRM)) AS e;
                    lines := array_append(lines, line);
                ELSIF s.test <> broken THEN
                    broken := s.test;
                    problem := format('%s: %s', SQLERRM, s.sql);
                END IF;
            END;
        END LOOP;
        FOR line IN SELECT e.line FROM specql.execute_as(owner, 'SELECT * FROM finish()') AS e ORDER BY e.place LOOP
            lines := array_append(lines, line);
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'SQ207', MESSAGE = 'the tests are rolled back';
    EXCEPTION WHEN SQLSTATE 'SQ207' THEN
        NULL;
    END;
    RETURN QUERY SELECT l FROM unnest(lines) WITH ORDINALITY AS u(l, place) ORDER BY place;
END $$;
COMMENT ON FUNCTION specql.runtests(text) IS
'Runs a suite made from the specs in force with pgTAP, and rolls back all that it did. Gives lines of TAP';

-- The same as a script, for people to read and pg_prove to run.
CREATE FUNCTION specql.test_script(suite text) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH s AS MATERIALIZED (
        SELECT t.*, row_number() OVER () AS place FROM specql.test_statements($1) AS t),
    line AS (
        SELECT s.place,
               CASE WHEN s.test IS DISTINCT FROM lag(s.test) OVER (ORDER BY s.place)
                    THEN E'\n-- ' || s.title || E'\n' ELSE '' END ||
               CASE s.kind WHEN 'check' THEN 'SELECT ' || s.sql || ';'
                           WHEN 'skip' THEN format('SELECT ok(true, %L) || %L;', s.description,
                                                   ' # SKIP ' || replace(s.sql, E'\n', ' '))
                           ELSE s.sql || ';' END AS sql
        FROM s)
    SELECT format(E'-- Suite %s, written by specql from the specs in force.\n', $1) ||
           E'\\set QUIET 1\n\\set ON_ERROR_STOP 1\n\\pset format unaligned\n\\pset tuples_only true\n\\pset pager off\n' ||
           E'BEGIN;\nSET LOCAL client_min_messages = error;\n' ||
           format(E'SET LOCAL search_path = pg_catalog, %s, pg_temp;\n', coalesce(specql.pgtap_schema(), 'public')) ||
           format(E'SELECT plan(%s);\n', (SELECT count(*) FROM s WHERE s.kind IN ('check', 'skip'))) ||
           coalesce(string_agg(line.sql, E'\n' ORDER BY line.place), '') ||
           E'\n\nSELECT * FROM finish();\nROLLBACK;\n'
    FROM line
$$;
COMMENT ON FUNCTION specql.test_script(text) IS
'A suite as a psql script that ends with ROLLBACK: to read, to keep, and for pg_prove';

REVOKE ALL ON FUNCTION specql.test_suites(), specql.test_statements(text), specql.pgtap_schema(), specql.suite_owner(text), specql.execute_as(oid, text),
    specql.test_outcome(text, jsonb), specql.outcomes_differ(jsonb, jsonb, jsonb), specql.test_difference(text, text, jsonb),
    specql.runtests(text), specql.test_script(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.test_suites(), specql.test_statements(text), specql.pgtap_schema(), specql.suite_owner(text),
    specql.execute_as(oid, text), specql.test_outcome(text, jsonb), specql.outcomes_differ(jsonb, jsonb, jsonb),
    specql.test_difference(text, text, jsonb), specql.runtests(text), specql.test_script(text) TO specql_admin;
