-- What the extension is made of, a line for each property of each of its objects: an upgraded database and a fresh one say the same.
\pset format unaligned
\pset tuples_only on
WITH member AS (
    SELECT d.classid, d.objid, (pg_identify_object(d.classid, d.objid, 0)).type || ' ' || (pg_identify_object(d.classid, d.objid, 0)).identity AS name
    FROM pg_depend AS d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT x.oid FROM pg_extension AS x WHERE x.extname = 'specql')),
relation AS (SELECT m.name, c.* FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid)
SELECT m.name || ': ' || p.property
FROM member AS m CROSS JOIN LATERAL (SELECT coalesce(obj_description(m.objid, (SELECT c.relname FROM pg_class AS c WHERE c.oid = m.classid)), 'no comment')) AS p(property)
UNION ALL
SELECT m.name || ': ' || pg_get_functiondef(p.oid) || ' ' || pg_get_userbyid(p.proowner) || ' ' ||
       coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) AS a), 'default')
FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
UNION ALL
SELECT r.name || ': ' || r.relkind::text || ' ' || r.relrowsecurity || ' ' || r.relpersistence::text || ' ' || pg_get_userbyid(r.relowner) || ' ' ||
       coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(r.relacl) AS a), 'default') || ' ' ||
       coalesce(r.reloptions::text, '') || CASE WHEN r.relkind = 'v' THEN pg_get_viewdef(r.oid) ELSE '' END
FROM relation AS r
UNION ALL
SELECT r.name || ' column ' || row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum) || ': ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' ||
       a.attnotnull || ' ' || a.attcompression::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(col_description(r.oid, a.attnum), '')
FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND r.relkind NOT IN ('i', 'I')
LEFT JOIN pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
UNION ALL
SELECT r.name || ' constraint: ' || c.conname || ' ' || pg_get_constraintdef(c.oid) FROM relation AS r JOIN pg_constraint AS c ON c.conrelid = r.oid
UNION ALL
SELECT r.name || ' index: ' || pg_get_indexdef(i.indexrelid) FROM relation AS r JOIN pg_index AS i ON i.indrelid = r.oid
UNION ALL
SELECT r.name || ' policy: ' || p.polname || ' ' || pg_get_expr(p.polqual, p.polrelid) || ' ' || coalesce(obj_description(p.oid, 'pg_policy'), '')
FROM relation AS r JOIN pg_policy AS p ON p.polrelid = r.oid
UNION ALL
SELECT r.name || ' trigger: ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM relation AS r JOIN pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT m.name || ': ' || e.evtevent || ' ' || e.evtfoid::regproc || ' ' || e.evtenabled::text || ' ' || e.evttags::text
FROM member AS m JOIN pg_event_trigger AS e ON m.classid = 'pg_event_trigger'::regclass AND e.oid = m.objid
UNION ALL
SELECT 'dumped: ' || c.t::regclass || ' ' || c.condition
FROM pg_extension AS x CROSS JOIN LATERAL unnest(x.extconfig, x.extcondition) AS c(t, condition) WHERE x.extname = 'specql'
UNION ALL
SELECT 'help: ' || md5(h::text) FROM specql.help_page AS h
ORDER BY 1;
