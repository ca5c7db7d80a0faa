-- One line for each generated PL/pgSQL function of this database: "ok" or "not ok" with what plpgsql_check says.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS plpgsql_check;

WITH handler AS (
    -- What is done with an answer is about a row of the table, and no trigger.
    SELECT DISTINCT a.handler AS name, to_regclass(a.relation) AS tgrelid FROM specql.action AS a
    WHERE a.relation IS NOT NULL AND NOT starts_with(a.part, 'answer ')
    UNION
    SELECT format('%I.%I', n.nspname, p.proname), t.tgrelid FROM pg_trigger AS t
    JOIN pg_proc AS p ON p.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname <> 'specql' AND NOT t.tgisinternal
), generated AS (
    SELECT p.oid, p.oid::regprocedure::text AS name, p.prorettype,
           (SELECT h.tgrelid FROM handler h WHERE h.name = format('%I.%I', n.nspname, p.proname) LIMIT 1) AS relation
    FROM specql.object o
    JOIN pg_proc p ON p.oid = o.identity::regprocedure
    JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_language l ON l.oid = p.prolang
    WHERE o.kind = 'function' AND l.lanname = 'plpgsql'
)
SELECT CASE WHEN problems IS NULL THEN 'ok - ' || name ELSE 'not ok - ' || name || E'\n' || problems END
FROM (
    SELECT g.name,
           (SELECT string_agg(c, E'\n')
            FROM plpgsql_check_function(g.oid, coalesce(g.relation, 0), extra_warnings => false,
                                        performance_warnings => false) AS c) AS problems
    FROM generated g ORDER BY g.name
) AS checked;
