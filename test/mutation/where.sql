-- Every update and every delete that was generated, with a WHERE that means every row, and with each part of its WHERE left
-- out: what a sentence does to rows that it does not mean must be noticed. Not where a part only spares rows what they have
-- already, as in SET state = 'resolved' WHERE state <> 'resolved'; and not in functions that ask who calls them, which tests leave out.
CREATE FUNCTION pg_temp.widened()
RETURNS TABLE (function regprocedure, place integer, was text, becomes text) LANGUAGE sql AS $$
    WITH statement AS (
        SELECT f.oid::regprocedure AS function, m.n::integer AS place, m.found[1] AS was
        FROM specql.object AS o JOIN pg_proc AS f ON f.oid = o.identity::regprocedure
        JOIN pg_language AS l ON l.oid = f.prolang,
             regexp_matches(f.prosrc, '(?:UPDATE|DELETE FROM) \S+ AS t\s[^;]*?\mWHERE ([^;]+);', 'g') WITH ORDINALITY AS m(found, n)
        WHERE o.kind = 'function' AND l.lanname = 'plpgsql' AND m.found[1] <> 'true' AND f.proname NOT LIKE '%\_processed'
          AND f.prosrc NOT LIKE '%-- requires: %'
          AND m.found[1] NOT LIKE '%taken.%' AND m.found[1] NOT LIKE '%candidate%')
    SELECT s.function, s.place, s.was, 'true' FROM statement AS s
    UNION ALL
    SELECT s.function, s.place, s.was,
           (SELECT string_agg(q.part, ' AND ' ORDER BY q.n) FROM unnest(p.parts) WITH ORDINALITY AS q(part, n) WHERE q.n <> w.n)
    FROM statement AS s, LATERAL (SELECT string_to_array(s.was, ' AND ')) AS p(parts), generate_subscripts(p.parts, 1) AS w(n)
    WHERE cardinality(p.parts) > 1 AND p.parts[w.n] <> 't.state <> ''resolved''' AND s.was !~ '\m(OR|BETWEEN|CASE)\M'
$$;

CREATE FUNCTION pg_temp.run_widened(function regprocedure, place integer, was text, becomes text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    lines text[];
    suites text[];
    failed integer;
    name constant text := format('%s: WHERE %s becomes WHERE %s', function, was, becomes);
    changed constant text := replace(pg_get_functiondef(function), 'WHERE ' || was || ';', 'WHERE ' || becomes || ';');
BEGIN
    suites := ARRAY(SELECT s.suite FROM specql.test_suites() AS s JOIN pg_proc AS p ON p.oid = function
                    WHERE s.suite LIKE p.pronamespace::regnamespace || '.%');
    BEGIN
        EXECUTE changed;
        lines := ARRAY(SELECT r FROM unnest(suites) AS s, specql.runtests(s) AS r);
        RAISE EXCEPTION USING ERRCODE = 'ZZ001';
    EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
        NULL;
    END;
    failed := (SELECT count(*) FROM unnest(lines) AS l WHERE l LIKE 'not ok%');
    RETURN format('%s - %s: %s tests failed', CASE WHEN failed > 0 THEN 'ok' ELSE 'not ok' END, name, failed);
END $$;

SELECT format('SELECT pg_temp.run_widened(%L::regprocedure, %s, %L, %L);', w.function, w.place, w.was, w.becomes)
FROM (SELECT w.*, row_number() OVER (ORDER BY w.function::text, w.place, w.becomes) AS n FROM pg_temp.widened() AS w) AS w
WHERE w.n % 2 = :part ORDER BY w.n \gexec
