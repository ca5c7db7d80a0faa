-- The SQL reference as Markdown, from the catalog's own comments. Run by scripts/reference.
\pset format unaligned
\pset tuples_only on
\pset footer off
-- Loads the library, so that its settings are known.
SELECT count(*) FROM specql.validate('') \g /dev/null

\echo '### Functions'
\echo
\echo '| function | returns | does |'
\echo '|---|---|---|'
SELECT format('| `specql.%s(%s)` | `%s` | %s |', p.proname,
              regexp_replace(regexp_replace(pg_get_function_arguments(p.oid), '::[a-z ]+(\[\])?(?=,|$)', '', 'g'),
                             ' DEFAULT ', ' = ', 'g'),
              pg_get_function_result(p.oid), replace(obj_description(p.oid, 'pg_proc'), '|', '\|'))
FROM pg_proc p
WHERE p.pronamespace = 'specql'::regnamespace
ORDER BY p.proname, p.oid;
\echo
\echo '### Tables and views'
\echo
SELECT format(E'**`specql.%s`** (%s): %s\n\n| column | type | |\n|---|---|---|\n%s\n', c.relname,
              CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, obj_description(c.oid, 'pg_class'),
              (SELECT string_agg(format('| `%s` | `%s` | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                                        coalesce(replace(col_description(c.oid, a.attnum), '|', '\|'), '')), E'\n' ORDER BY a.attnum)
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_class c
WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition
ORDER BY c.relkind = 'v' DESC, c.relname;
\echo '### Settings'
\echo
\echo '| setting | default | who may set it | does |'
\echo '|---|---|---|---|'
SELECT format('| `%s` | `%s` | %s | %s |', name, coalesce(boot_val || coalesce(' ' || unit, ''), ''),
              CASE context WHEN 'user' THEN 'everyone' WHEN 'superuser' THEN 'superusers' WHEN 'sighup' THEN 'the configuration file'
                           ELSE context END,
              rtrim(short_desc, '.') || coalesce('. ' || rtrim(extra_desc, '.'), ''))
FROM pg_settings WHERE name LIKE 'specql.%'
ORDER BY name;
