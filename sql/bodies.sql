-- The body of a call is written by hand for speed; here is what it must be, by the server's own functions.
CREATE EXTENSION specql;
SET client_min_messages=warning;
SELECT count(*) FROM specql.apply(E'service: pull\n---\nentity: T\nschema: s\nfields:\n  n: decimal\n  x: text\nactions:\n  - name: on_t\n    on: T\n    steps:\n      - call_external: pull "op"\n');
INSERT INTO s.t (n,x) VALUES (1.50, E'quo"te\n\\ \u00e4'), (NULL, NULL);
UPDATE s.t SET n = 12345678901234567890.1;
DELETE FROM s.t;
-- [1, "old", "new"] has both words, and is no row.
SELECT count(specql.enqueue('pull', 'we"ird/op', ARRAY['1', 'null', '"x"', '[1,"old","new"]', '{"a":{"b":[1,2,{"c":null}]}}', '{"old":null,"new":null}', '{}']::jsonb[]));
CREATE FUNCTION body_of(format text, d specql.whole_delivery, max_retries integer, numbers text DEFAULT 'json') RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (CASE $1
        WHEN 'cloudevents' THEN jsonb_strip_nulls(jsonb_build_object(
            'specversion', '1.0', 'id', d.id, 'type', d.type,
            'source', '/specql/' || current_database() || '/' || replace(d.aggregatetype, '.', '/'),
            'subject', d.aggregateid, 'time', d.created_at, 'datacontenttype', 'application/json',
            'operation', d.operation, 'eventid', d.event_id)) || jsonb_build_object('data', p.payload)
        WHEN 'hasura' THEN jsonb_build_object(
            'id', d.id, 'created_at', d.created_at, 'trigger', jsonb_build_object('name', d.operation),
            'table', jsonb_build_object('schema', split_part(d.aggregatetype, '.', 1), 'name', split_part(d.aggregatetype, '.', 2)),
            'event', jsonb_build_object('op', o.op, 'session_variables', NULL, 'data', CASE WHEN o.row THEN
                jsonb_build_object('old', p.payload -> 'old', 'new', p.payload -> 'new')
                ELSE jsonb_build_object('old', NULL, 'new', p.payload) END),
            'delivery_info', jsonb_build_object('current_retry', d.attempts, 'max_retries', $3))
        WHEN 'supabase' THEN jsonb_build_object(
            'type', o.op, 'schema', split_part(d.aggregatetype, '.', 1), 'table', split_part(d.aggregatetype, '.', 2),
            'record', CASE WHEN o.row THEN p.payload -> 'new' ELSE p.payload END,
            'old_record', CASE WHEN o.row THEN p.payload -> 'old' END)
        ELSE p.payload END)::text
    FROM (SELECT CASE WHEN $4 = 'text' THEN specql.numbers_as_text(d.payload) ELSE d.payload END AS payload) AS p,
         LATERAL (SELECT p.payload ?& '{old,new}' AS row,
                 CASE WHEN NOT p.payload ?& '{old,new}' OR jsonb_typeof(p.payload -> 'old') = 'null' THEN 'INSERT'
                      WHEN jsonb_typeof(p.payload -> 'new') = 'null' THEN 'DELETE' ELSE 'UPDATE' END AS op) AS o
$$;
SELECT f AS format, n AS numbers, count(*), count(*) FILTER (WHERE body_of(f, d, 3, n) = specql.delivery_body(f, d, 3, n)) AS same
FROM specql.whole_delivery AS d, unnest('{cloudevents,hasura,supabase,plain}'::text[]) AS f, unnest('{json,text}'::text[]) AS n
WHERE jsonb_typeof(d.payload) <> 'array' GROUP BY f, n ORDER BY f, n;
SELECT f AS format, specql.delivery_body(f, d, 3)::jsonb - '{id,time,source,created_at}'::text[] AS body
FROM specql.whole_delivery AS d, unnest('{cloudevents,hasura,supabase,plain}'::text[]) AS f WHERE jsonb_typeof(d.payload) = 'array' ORDER BY f;
