-- Custom events.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
-- Nobody listens: the event is logged all the same.
SELECT specql.emit('lonely') IS NOT NULL AS id;
SELECT specql.emit('lonely', '{"a": 1}', '2026-01-01 12:00+00') IS NOT NULL AS id;
SELECT specql.emit('lonely', '{"a": 2}'::jsonb, '2026-01-01 13:00+00'::timestamptz) IS NOT NULL AS id;
SELECT specql.emit(type => 'lonely', data => NULL::jsonb) IS NOT NULL AS id;
SELECT specql.emit('lonely', data => '{"a": 3}', occurred_at => '2026-01-02 00:00+00') IS NOT NULL AS id;
SELECT type, action, entity, subject, data, CASE WHEN occurred_at < '2026-02-01' THEN occurred_at END AS at, caused_by, depth, status, attempts,
    root = id AS root, processed_at IS NOT NULL AS processed
FROM specql.events ORDER BY id;
SELECT specql.emit(NULL);
SELECT specql.emit('lonely', '{"a": ');
-- Many at once are one set.
SELECT rt.listen('order', 'order_placed');
SELECT array_length(specql.emit('order_placed', ARRAY['{"qty": 1}', '{"qty": 2}', NULL, '{"qty": 3}']::jsonb[]), 1);
SELECT * FROM rt.traces();
SELECT sqlstate, data FROM specql.failures;
DELETE FROM specql.failure;
SELECT array_length(specql.emit('order_placed', ARRAY['{"qty": 4}', '{"qty": 5}']::jsonb[], ARRAY['2026-01-01', NULL]::timestamptz[]), 1);
SELECT data, CASE WHEN occurred_at < '2026-02-01' THEN occurred_at END AS at FROM specql.events WHERE action IS NOT NULL AND (data->'qty')::integer IN (4, 5) ORDER BY id;
SELECT specql.emit('order_placed', ARRAY[]::jsonb[]), specql.emit('order_placed', NULL::jsonb[]);
SELECT specql.emit('order_placed', ARRAY['{}']::jsonb[], ARRAY[]::timestamptz[]);
SELECT * FROM rt.traces();
-- Ten thousand.
SELECT array_length(specql.emit('order_placed', (SELECT array_agg(jsonb_build_object('qty', i)) FROM generate_series(1, 10000) AS i)), 1);
SELECT count(*), sum(qty) FROM rt.traces();
SELECT count(*), count(DISTINCT id) AS ids, count(DISTINCT batch) AS sets FROM specql.events WHERE type = 'order_placed' AND batch = (SELECT batch FROM specql.events ORDER BY id DESC LIMIT 1);
-- Listeners: several, in the order of their names; the same event, a row for each.
SELECT rt.listen('audit', 'order_placed');
SELECT specql.emit('order_placed', '{"qty": 7}') AS id \gset
SELECT * FROM rt.traces();
SELECT action, status, data FROM specql.events WHERE id = :'id' ORDER BY action;
-- Registered again without change, changed, switched off, taken away; every change is seen at once, and its undoing too.
SELECT specql.register_action('rt.on_audit', 'order_placed', NULL, 'rt.audit_handler', NULL, 'retry', 3, '0 seconds');
SELECT specql.register_action('rt.on_audit', 'order_paid', NULL, 'rt.audit_handler', NULL, 'retry', 3, '0 seconds');
SELECT specql.emit('order_placed', '{"qty": 8}'), specql.emit('order_paid', '{"qty": 9}') \gset
SELECT * FROM rt.traces();
SELECT specql.register_action('rt.on_audit', 'order_paid', NULL, 'rt.audit_handler', NULL, enabled => false);
SELECT specql.emit('order_paid', '{"qty": 10}') \gset
BEGIN;
SELECT specql.register_action('rt.on_audit', 'order_paid', NULL, 'rt.audit_handler', NULL);
SELECT specql.emit('order_paid', '{"qty": 11}') \gset
SELECT * FROM rt.traces();
ROLLBACK;
SELECT specql.emit('order_paid', '{"qty": 12}') \gset
SELECT * FROM rt.traces();
SELECT action, event, relation, handler, on_error, max_attempts, backoff, enabled FROM specql.actions ORDER BY action;
SELECT specql.unregister_action('rt.on_audit'), specql.unregister_action('rt.on_audit');
SELECT action FROM specql.actions;
SELECT specql.register_action('rt.on_audit', 'order_paid', NULL, 'rt.audit_handler', NULL, 'maybe');
SELECT specql.register_action('rt.on_audit', 'order_paid', NULL, 'rt.audit_handler', 'rt.something');
-- Rolled back, it never happened.
BEGIN;
SELECT specql.emit('order_placed', '{"qty": 99999}') \gset
ROLLBACK;
SELECT * FROM rt.traces();
SELECT count(*) FROM specql.events WHERE data->'qty' = '99999';
-- In the middle of another statement, and caused by a row event.
SELECT rt.watch('rt.item');
SELECT rt.install('watch', 'rt.item', 'INSERT', '{true}', 'PERFORM specql.emit(''order_placed'', jsonb_build_object(''qty'', e.qty)) FROM rt.watch_rows(1) AS e;');
INSERT INTO rt.item VALUES (1, 100), (2, 200) RETURNING id, specql.emit('order_placed', jsonb_build_object('qty', qty)) IS NOT NULL AS emitted;
SELECT * FROM rt.traces();
SELECT e.data, e.depth, c.type AS cause FROM specql.events AS e LEFT JOIN specql.events AS c ON c.id = e.caused_by
WHERE e.type = 'order_placed' ORDER BY e.id DESC LIMIT 4;
-- Not where nothing may be written.
BEGIN READ ONLY;
SELECT specql.emit('order_placed');
ROLLBACK;
-- Payload: a key that is not there is an error that names it; null is a value.
SELECT specql.payload('{"a": "x", "b": 1.50, "c": null, "d": {"e": [1]}, "t": true}', k) FROM unnest(ARRAY['a', 'b', 'c', 'd', 't']) AS k;
-- JSON's arrays are PostgreSQL's, and JSON stays JSON.
SELECT specql.payload_array('{"a": ["x", "say \"hi\\\\\"", null, "{,}"]}', 'a')::text[];
SELECT specql.payload_array('{"a": [[1, 2], [3, 4]]}', 'a')::integer[], specql.payload_array('{"a": []}', 'a')::integer[];
SELECT specql.payload_array('{"a": "{1,2}"}', 'a')::integer[], specql.payload_array('{"a": [{"k": 1}]}', 'a')::jsonb[];
SELECT specql.payload_json(j, 'a') FROM unnest(ARRAY['{"a": "x"}', '{"a": {"b": [1]}}', '{"a": null}']::jsonb[]) AS j;
SELECT specql.payload('{"a": 1}', 'b');
SELECT specql.payload('[1]', 'b'), specql.payload(NULL, 'b');
SELECT specql.payload(NULL, 'b');
\set ECHO none
\i sql/include/runtime_end.psql
