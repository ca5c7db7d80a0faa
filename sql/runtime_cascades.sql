-- Events that cause events: who caused what, and where it ends.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
CREATE TABLE rt.a (id integer PRIMARY KEY, qty integer);
CREATE TABLE rt.b (id integer PRIMARY KEY, qty integer);
SELECT rt.watch('rt.a'), rt.watch('rt.b');
-- Two rules that set each other off.
SELECT rt.install('a', 'rt.a', 'UPDATE', '{true}', 'UPDATE rt.b AS t SET qty = t.qty + 1 FROM rt.a_rows(1) AS e WHERE t.id = e.id;');
SELECT rt.install('b', 'rt.b', 'UPDATE', '{true}', 'UPDATE rt.a AS t SET qty = t.qty + 1 FROM rt.b_rows(1) AS e WHERE t.id = e.id;');
INSERT INTO rt.a VALUES (1, 0);
INSERT INTO rt.b VALUES (1, 0);
SET specql.max_cascade_depth = 4;
UPDATE rt.a SET qty = 10;
-- The event that went too deep is what failed: the statement and the four events before it stand.
SELECT a.qty AS a, b.qty AS b FROM rt.a, rt.b;
SELECT * FROM rt.traces();
SELECT e.action, e.depth, e.status, c.depth AS cause, e.root = r.id AS root
FROM specql.events AS e LEFT JOIN specql.events AS c ON c.id = e.caused_by, (SELECT id FROM specql.events WHERE depth = 1) AS r
ORDER BY e.depth;
SELECT action, status, attempts, sqlstate, message, detail, hint FROM specql.failures;
-- It is parked, because trying again by itself would end at the same place.
SELECT specql.retry_due();
SELECT specql.retry(id) FROM specql.failures;
SELECT status, attempts, detail FROM specql.failures;
-- With a higher limit it goes on from its depth, and stops there.
SET specql.max_cascade_depth = 6;
SELECT specql.retry(id) FROM specql.failures;
SELECT action, depth, status, detail FROM specql.failures;
SELECT a.qty AS a, b.qty AS b FROM rt.a, rt.b;
DELETE FROM specql.failure;
TRUNCATE rt.trace;

-- A limit of one: nothing may cause anything.
SET specql.max_cascade_depth = 1;
UPDATE rt.a SET qty = 10;
SELECT action, depth, detail FROM specql.failures;
DELETE FROM specql.failure;
RESET specql.max_cascade_depth;
SHOW specql.max_cascade_depth;

-- With on_error = abort the error goes up: to the nearest handler that may fail, whose event is the failed one then (here
-- the second run of a), or to the statement.
DROP TRIGGER a_trigger ON rt.a;
DROP TRIGGER b_trigger ON rt.b;
DROP FUNCTION rt.a_capture, rt.a_rows, rt.a_handler, rt.b_capture, rt.b_rows, rt.b_handler;
SELECT rt.install('a', 'rt.a', 'UPDATE', '{true}', 'UPDATE rt.b AS t SET qty = t.qty + 1 FROM rt.a_rows(1) AS e WHERE t.id = e.id;');
SELECT rt.install('b', 'rt.b', 'UPDATE', '{true}', 'UPDATE rt.a AS t SET qty = t.qty + 1 FROM rt.b_rows(1) AS e WHERE t.id = e.id;', 'abort');
TRUNCATE rt.trace;
SET specql.max_cascade_depth = 3;
UPDATE rt.a SET qty = 100;
SELECT a.qty AS a, b.qty AS b FROM rt.a, rt.b;
SELECT action, depth, status, sqlstate, detail FROM specql.failures;
DELETE FROM specql.failure;
UPDATE rt.b SET qty = 200;
SELECT a.qty AS a, b.qty AS b FROM rt.a, rt.b;
SELECT action, depth, status, sqlstate, detail FROM specql.failures;
DROP TRIGGER a_trigger ON rt.a;
DROP TRIGGER b_trigger ON rt.b;
DELETE FROM specql.failure;
TRUNCATE rt.trace;
RESET specql.max_cascade_depth;

-- Through emit, and a trigger of the user's between: the chain is the same.
SELECT rt.listen('ping', 'ping', 'PERFORM specql.emit(''pong'', jsonb_build_object(''qty'', e.qty + 1)) FROM rt.ping_rows(1) AS e;');
SELECT rt.listen('pong', 'pong', 'PERFORM specql.emit(''ping'', jsonb_build_object(''qty'', e.qty + 1)) FROM rt.pong_rows(1) AS e;');
SET specql.max_cascade_depth = 5;
SELECT specql.emit('ping', '{"qty": 1}') IS NOT NULL AS emitted;
SELECT * FROM rt.traces();
SELECT e.type, e.action, e.depth, e.status, c.type AS cause FROM specql.events AS e LEFT JOIN specql.events AS c ON c.id = e.caused_by
WHERE e.type IN ('ping', 'pong') ORDER BY e.depth;
SELECT detail FROM specql.failures;
-- An event nobody listens to cannot go on, and is not refused.
SELECT specql.unregister_action('rt.on_pong');
SET specql.max_cascade_depth = 1;
SELECT specql.emit('ping', '{"qty": 1}') IS NOT NULL AS emitted;
SELECT e.type, e.depth, e.status FROM specql.events AS e ORDER BY e.id DESC LIMIT 1;
RESET specql.max_cascade_depth;
-- Only superusers, and whoever they allow, may move the limit.
SET ROLE specql_admin;
SET specql.max_cascade_depth = 1000;
RESET ROLE;

-- Why?
SELECT step, kind, regexp_replace(what, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS what, regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS detail
FROM specql.why((SELECT id FROM specql.events WHERE type = 'pong' AND depth = 4));
SELECT step, kind, regexp_replace(what, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS what, regexp_replace(split_part(detail, E'\n', 1), '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS detail
FROM specql.why((SELECT id FROM specql.failures));
SELECT rt.install('w', 'rt.item', 'INSERT', '{new.qty > 1, new.qty > 5}', 'PERFORM specql.call_external(''s'', ''o'', 1); PERFORM specql.emit(''after'');');
SELECT rt.watch('rt.item');
INSERT INTO rt.item VALUES (1, 3), (2, 7);
SELECT step, kind, regexp_replace(what, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS what, regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', '<id>', 'g') AS detail
FROM specql.why((SELECT id FROM specql.events WHERE action = 'rt.on_w' AND subject = '2'));
SELECT * FROM specql.why('00000000-0000-7000-8000-000000000000');
\set ECHO none
\i sql/include/runtime_end.psql
