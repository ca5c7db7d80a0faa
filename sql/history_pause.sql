-- A paused action's events wait, and are handled in their order on resume.
\set ECHO none
\i sql/include/runtime.psql
-- Versions count the lines of a function's declarations differently.
\set SHOW_CONTEXT never
\set ECHO all
SELECT rt.watch('rt.item');
SELECT rt.install('note', 'rt.item', 'UPDATE', '{new.qty > 0}', 'PERFORM specql.notify(''ops'', ''noted'', 1);');
SELECT specql.register_action('rt.on_note', 'changed', 'rt.item', 'rt.note_handler', 'rt.note_capture');
SELECT rt.install('other', 'rt.item', 'UPDATE', '{true}');
SELECT specql.register_action('rt.on_other', 'changed', 'rt.item', 'rt.other_handler', 'rt.other_capture');
INSERT INTO rt.item VALUES (1, 1), (2, 2);

-- The full name, or the last part of it.
SELECT specql.pause('on_note'), specql.pause('rt.on_note') AS again;
SELECT action, paused_at IS NOT NULL AS paused FROM specql.actions ORDER BY 1;
UPDATE rt.item SET qty = 10 WHERE id = 1;
UPDATE rt.item SET qty = 20;
UPDATE rt.item SET qty = -1;
-- The other action goes on. Rows that match no condition are no events.
SELECT * FROM rt.traces();
SELECT type, action, entity, subject, data -> 'new' -> 'qty' AS qty, status, attempts, processed_at FROM specql.events WHERE action = 'rt.on_note' ORDER BY id;
SELECT count(*) FROM specql.deliveries;
SELECT action FROM specql.released_actions;
-- What is rolled back does not wait.
BEGIN;
UPDATE rt.item SET qty = 99;
ROLLBACK;
SELECT count(*) FROM specql.waiting_event;
-- Draining leaves them alone.
SELECT specql.retry_due();
SELECT kind, what FROM specql.why((SELECT id FROM specql.events WHERE status = 'paused' ORDER BY id LIMIT 1));
SELECT specql.resume('on_note');
SELECT * FROM rt.traces();
SELECT subject, data -> 'new' -> 'qty' AS qty, status, attempts, deliveries FROM specql.events WHERE action = 'rt.on_note' ORDER BY id;
SELECT count(*) FROM specql.deliveries;
SELECT specql.resume('on_note') AS nothing_waits;
UPDATE rt.item SET qty = 30 WHERE id = 1;
SELECT * FROM rt.traces();

-- A handler that fails for one of them: it is a failure like any other.
SELECT specql.pause('rt.on_note');
UPDATE rt.item SET qty = id + 40;
CREATE OR REPLACE FUNCTION rt.note_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, qty) SELECT 'divides', 1, e.id, 100 / (e.qty - 41) FROM rt.note_rows(1) AS e;
    RETURN NULL;
END $$;
SELECT specql.resume('rt.on_note');
SELECT * FROM rt.traces();
SELECT action, subject, status, sqlstate, attempts FROM specql.failures;
DELETE FROM specql.failure;
-- Batches of one event, and all events fail: one warning says how many, and so does that of the retries.
SELECT specql.pause('rt.on_note');
UPDATE rt.item SET qty = id;
UPDATE rt.item SET qty = -id;
SET specql.batch_size = 1;
CREATE OR REPLACE FUNCTION rt.note_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, qty) SELECT 'divides', 1, e.id, 100 / (e.qty - e.qty) FROM rt.note_rows(1) AS e;
    RETURN NULL;
END $$;
SELECT specql.resume('rt.on_note');
UPDATE specql.failure SET next_attempt_at = specql.clock();
SELECT specql.retry_due();
RESET specql.batch_size;
SELECT count(*) FROM rt.traces();
DELETE FROM specql.failure;

-- Custom events, and what their handlers cause; paused in the same transaction that raises them.
CREATE FUNCTION rt.order_handler() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, qty) SELECT 'order', 1, (r.event_data ->> 'n')::integer FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
    PERFORM specql.emit('order_noted', r.event_data) FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
END $$;
CREATE FUNCTION rt.noted_handler() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, qty) SELECT 'noted', 1, (r.event_data ->> 'n')::integer FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
END $$;
SELECT specql.register_action('rt.on_order', 'order', NULL, 'rt.order_handler', NULL);
SELECT specql.register_action('rt.on_noted', 'order_noted', NULL, 'rt.noted_handler', NULL);
SELECT specql.pause('rt.on_noted');
BEGIN;
SELECT specql.pause('rt.on_order');
SELECT count(*) FROM specql.emit('order', ARRAY['{"n": 1}', '{"n": 2}']::jsonb[]);
COMMIT;
SELECT action, depth, status FROM specql.events WHERE type LIKE 'order%' ORDER BY id;
SELECT specql.resume('rt.on_order');
SELECT action, depth, status, caused_by IS NOT NULL AS caused FROM specql.events WHERE type LIKE 'order%' ORDER BY id;
SELECT specql.resume('rt.on_noted');
SELECT * FROM rt.traces();

-- Events that waited while a session resumed that could not see them are handled by the worker, or by draining.
INSERT INTO specql.waiting_event
SELECT specql.uuid_v7(), 'rt.on_order', 'order', NULL, NULL, NULL, '{"n": 3}', now(), pg_current_xact_id(), NULL, specql.uuid_v7(), 1, true;
SELECT * FROM specql.released_actions;
SELECT specql.next_work(1000);
SELECT specql.retry_due();
SELECT * FROM rt.traces();

-- Not every action can wait.
SELECT rt.install('strict', 'rt.item', 'UPDATE', '{true}', '', 'abort');
SELECT specql.register_action('rt.on_strict', 'changed', 'rt.item', 'rt.strict_handler', 'rt.strict_capture', 'abort');
SELECT specql.pause('rt.on_strict');
SELECT specql.pause('rt.on_nothing');
SELECT specql.resume(NULL);
CREATE SCHEMA other;
SELECT specql.register_action('other.on_note', 'e', NULL, 'rt.order_handler', NULL);
SELECT specql.pause('on_note');
DROP SCHEMA other;
\i sql/include/runtime_end.psql
