-- A failing handler does not fail the statement, loses nothing, and does not take other events with it.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
SELECT rt.watch('rt.item');

-- ---- an error in the middle of a set: one of a hundred fails, ninety-nine are handled --------------------------------
SELECT rt.install('divide', 'rt.item', 'INSERT', '{true}', 'UPDATE rt.item AS i SET flag = (100 / e.qty > 0) FROM rt.divide_rows(1) AS e WHERE i.id = e.id;');
INSERT INTO rt.item SELECT i, i - 42, 10, NULL FROM generate_series(1, 100) AS i;
SELECT count(*), count(flag) AS handled, min(id) FILTER (WHERE flag IS NULL) AS not_handled FROM rt.item;
SELECT count(*), bool_or(id = 42) AS has_42 FROM rt.traces();
SELECT action, type, subject, status, attempts, sqlstate, message, detail, hint, context, data, next_attempt_at IS NOT NULL AS due, depth
FROM specql.failures;
SELECT status, count(*), count(processed_at) AS processed, max(attempts) AS attempts, max(last_error) AS last_error FROM specql.events GROUP BY status ORDER BY 1;

-- Tried again, it fails again; mended and tried again, it is gone.
SELECT specql.retry_due();
SELECT status, attempts, sqlstate FROM specql.failures;
SELECT specql.retry_due(0), specql.retry('00000000-0000-7000-8000-000000000000');
CREATE OR REPLACE FUNCTION rt.divide_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, old_qty, qty) SELECT 'mended', 1, e.id, e.old_qty, e.qty FROM rt.divide_rows(1) AS e;
    PERFORM specql.notify('ops', 'mended', 1);
    RETURN NULL;
END $$;
SELECT specql.retry_due();
SELECT * FROM rt.traces();
SELECT count(*) FROM specql.failures;
SELECT subject, status, attempts, last_error, deliveries FROM specql.events WHERE subject = '42';
SELECT specql.retry_due();
DROP TRIGGER divide_trigger ON rt.item;
TRUNCATE rt.item;

-- ---- attempts run out: parked until someone acts ------------------------------------------------------------------------
SELECT rt.install('bad', 'rt.item', 'UPDATE', '{true}', 'RAISE EXCEPTION ''no way'' USING ERRCODE = ''RT001'', DETAIL = ''because'', HINT = ''ask'';');
INSERT INTO rt.item VALUES (1, 1);
UPDATE rt.item SET qty = 2;
SELECT id AS event FROM specql.failures \gset
SELECT status, attempts, sqlstate, message, detail, hint FROM specql.failures;
SELECT specql.retry_due();
SELECT specql.retry_due();
SELECT status, attempts, next_attempt_at FROM specql.failures;
SELECT specql.retry_due();
SELECT specql.retry(:'event');
SELECT status, attempts FROM specql.failures;
SELECT status, attempts, last_error, processed_at FROM specql.events WHERE id = :'event';
-- The row changed meanwhile; the event is about the rows as they were.
UPDATE rt.item SET qty = 77 WHERE id = 1;
CREATE OR REPLACE FUNCTION rt.bad_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, old_qty, qty) SELECT TG_OP || ' ' || TG_NAME, 1, e.id, e.old_qty, e.qty FROM rt.bad_rows(1) AS e;
    RETURN NULL;
END $$;
SELECT specql.retry(:'event', 'rt.on_bad');
SELECT specql.retry(:'event');
SELECT * FROM rt.traces();
SELECT status, attempts FROM specql.events WHERE id = :'event';
-- Backoff: the next attempt lies between now and backoff * 2 ^ (attempts - 1).
SELECT specql.register_action('rt.on_bad', 'changed', 'rt.item', 'rt.bad_handler', 'rt.bad_capture', 'retry', 10, '1 minute');
SELECT s.attempts, bool_and(status = 'failed') AS failed,
    bool_and(next_attempt_at BETWEEN clock_timestamp() - interval '1 second' AND clock_timestamp() + least(interval '1 minute' * 2 ^ (s.attempts - 1), interval '1 hour')) AS inside,
    max(next_attempt_at) - clock_timestamp() > least(interval '1 minute' * 2 ^ (s.attempts - 1), interval '1 hour') / 2 AS spread
FROM generate_series(1, 9) AS s(attempts), generate_series(1, 100), LATERAL specql.next_attempt('rt.on_bad', s.attempts - 1, 'P0001', clock_timestamp(), s.attempts < generate_series * 0)
GROUP BY 1 ORDER BY 1;
SELECT status, next_attempt_at FROM specql.next_attempt('rt.on_bad', 9, 'P0001', clock_timestamp(), false);
DROP TRIGGER bad_trigger ON rt.item;
SELECT count(*) FROM specql.failures;
DELETE FROM specql.failure;

-- ---- a handler that fails for everything is not tried for ever -----------------------------------------------------------
SELECT rt.install('never', 'rt.item', 'INSERT', '{true}', 'INSERT INTO rt.gone VALUES (1);');
INSERT INTO rt.item SELECT i, i FROM generate_series(100, 299) AS i;
SELECT status, sqlstate, attempts, count(*) FROM specql.failures GROUP BY 1, 2, 3;
CREATE TABLE rt.gone (i integer);
SELECT specql.retry_due(50);
SELECT specql.retry_due();
SELECT count(*) FROM rt.gone;
SELECT count(*) FROM rt.traces();
SELECT count(*) FROM specql.failures;
DROP TRIGGER never_trigger ON rt.item;
-- Sixteen bad ones at the start do not condemn the rest.
SELECT rt.install('start', 'rt.item', 'INSERT', '{true}', 'PERFORM 1 / (e.id / 1016) FROM rt.start_rows(1) AS e;');
INSERT INTO rt.item SELECT 1000 + i, i FROM generate_series(0, 999) AS i;
SELECT count(*), max(subject) FROM specql.failures;
SELECT count(*), min(subject) FROM specql.events WHERE action = 'rt.on_start';
SELECT count(*) FROM rt.traces();
DELETE FROM specql.failure;
DROP TRIGGER start_trigger ON rt.item;

-- ---- what a failed attempt wrote is undone, deliveries and caused events too --------------------------------------------
SELECT rt.install('partial', 'rt.item', 'UPDATE', '{true}', 'PERFORM specql.call_external(''s'', ''o'', 1); PERFORM specql.emit(''half''); PERFORM 1 / (SELECT min(qty) FROM rt.partial_rows(1));');
UPDATE rt.item SET qty = id - 100 WHERE id IN (100, 101);
SELECT * FROM rt.traces();
SELECT operation, aggregateid FROM specql.deliveries WHERE service = 's';
SELECT e.type, e.depth, c.subject FROM specql.events AS e JOIN specql.events AS c ON c.id = e.caused_by WHERE e.type = 'half';
SELECT subject, status FROM specql.events WHERE action = 'rt.on_partial' ORDER BY id;
DELETE FROM specql.failure;
DROP TRIGGER partial_trigger ON rt.item;

-- ---- handlers that are gone, or disabled -----------------------------------------------------------------------------------
SELECT rt.install('lost', 'rt.item', 'UPDATE', '{true}');
ALTER FUNCTION rt.lost_handler() RENAME TO lost_handler_2;
UPDATE rt.item SET qty = 5 WHERE id = 100;
SELECT sqlstate, message FROM specql.failures;
ALTER FUNCTION rt.lost_handler_2() RENAME TO lost_handler;
ALTER TABLE rt.item DISABLE TRIGGER lost_trigger;
SELECT specql.retry_due();
SELECT sqlstate, message FROM specql.failures;
ALTER TABLE rt.item ENABLE TRIGGER lost_trigger;
-- Renaming the table is no obstacle.
ALTER TABLE rt.item RENAME TO thing;
SELECT specql.retry_due();
SELECT * FROM rt.traces();
ALTER TABLE rt.thing RENAME TO item;
-- A condition that does not hold any more: there is nothing to do.
CREATE OR REPLACE FUNCTION rt.lost_handler() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''once''; END';
UPDATE rt.item SET qty = 6 WHERE id = 100;
CREATE OR REPLACE FUNCTION rt.lost_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[new.qty > 6], coalesce(new.id, old.id)::text, jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)),
        new.id, old.id, new.qty, old.qty
    FROM rt.item AS old, rt.item AS new WHERE false;
END;
SELECT specql.retry_due();
SELECT subject, status, attempts FROM specql.events WHERE action = 'rt.on_lost' ORDER BY id DESC LIMIT 1;
-- The trigger is dropped: the failure waits, and says so.
UPDATE rt.item SET qty = 7 WHERE id = 100;
DROP TRIGGER lost_trigger ON rt.item;
SELECT specql.retry_due();
SELECT sqlstate, message, hint FROM specql.failures;
DELETE FROM specql.failure;

-- ---- on_error: abort makes the rule an invariant --------------------------------------------------------------------------
SELECT rt.install('strict', 'rt.item', 'UPDATE', '{true}', 'IF specql.matched(1) AND EXISTS (SELECT FROM rt.strict_rows(1) AS e WHERE e.qty < 0) THEN RAISE EXCEPTION ''negative''; END IF;', 'abort');
UPDATE rt.item SET qty = -1 WHERE id = 100;
UPDATE rt.item SET qty = 1 WHERE id = 100;
SELECT * FROM rt.traces();
SELECT count(*) FROM specql.failures;
-- Beside it, one that may fail: the strict one runs first, and only it counts.
SELECT rt.install('lax', 'rt.item', 'UPDATE', '{true}', 'RAISE EXCEPTION ''lax'';');
UPDATE rt.item SET qty = -1 WHERE id = 100;
SELECT count(*) FROM specql.failures;
UPDATE rt.item SET qty = 2 WHERE id = 100;
SELECT * FROM rt.traces();
SELECT action, message FROM specql.failures;
DROP TRIGGER strict_trigger ON rt.item;
DROP TRIGGER lax_trigger ON rt.item;
DELETE FROM specql.failure;

-- ---- errors that must not be swallowed: a cancelled statement is cancelled -------------------------------------------
SELECT rt.install('slow', 'rt.item', 'UPDATE', '{true}', 'PERFORM pg_sleep(10);');
SET statement_timeout = '200ms';
UPDATE rt.item SET qty = 3 WHERE id = 100;
RESET statement_timeout;
SELECT count(*) FROM specql.failures;
SELECT qty FROM rt.item WHERE id = 100;
-- A lock that cannot be had is a failure like any other.
DROP TRIGGER slow_trigger ON rt.item;
SELECT rt.install('nowait', 'rt.item', 'UPDATE', '{true}', 'RAISE lock_not_available;');
UPDATE rt.item SET qty = 4 WHERE id = 100;
SELECT sqlstate FROM specql.failures;
DROP TRIGGER nowait_trigger ON rt.item;
DELETE FROM specql.failure;

-- ---- custom events: each listener fails for itself -----------------------------------------------------------------------
SELECT rt.listen('good', 'order');
SELECT rt.listen('broken', 'order', 'IF EXISTS (SELECT FROM rt.broken_rows(1) AS e WHERE e.qty > 5) THEN RAISE ''too many''; END IF;');
SELECT specql.emit('order', '{"qty": 6}') IS NOT NULL AS emitted;
SELECT specql.emit('order', '{"qty": 1}') IS NOT NULL AS emitted;
SELECT * FROM rt.traces();
SELECT type, action, status FROM specql.events WHERE type = 'order' ORDER BY id, action;
SELECT specql.emit('order', '{"amount": 6}') IS NOT NULL AS emitted;
SELECT action, sqlstate, message, detail FROM specql.failures ORDER BY id, action;
CREATE OR REPLACE FUNCTION rt.broken_handler() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.trace (action, qty) SELECT 'mended', e.qty FROM rt.broken_rows(1) AS e;
END $$;
SELECT specql.retry_due();
SELECT * FROM rt.traces();
SELECT action, status, attempts FROM specql.events WHERE type = 'order' ORDER BY id, action;
SELECT specql.unregister_action('rt.on_good');
SELECT specql.retry_due();
SELECT message FROM specql.failures WHERE action = 'rt.on_good';
\set ECHO none
\i sql/include/runtime_end.psql
