-- Processes by hand: steps, waits, undoing, in the session of their owner, who is no superuser.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET datestyle = ISO;
SET timezone = 'UTC';
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS specql;
SET specql.worker = off;
DROP ROLE IF EXISTS regress_process_owner, regress_process_clerk, regress_process_boss;
CREATE ROLE regress_process_boss;
CREATE ROLE regress_process_clerk IN ROLE regress_process_boss;
CREATE ROLE regress_process_owner IN ROLE specql_admin;
CREATE SCHEMA trips AUTHORIZATION regress_process_owner;
SET client_min_messages = warning;
SET ROLE regress_process_owner;

CREATE TABLE trips.did (id integer GENERATED ALWAYS AS IDENTITY, what text, by_whom text DEFAULT current_user);
CREATE TABLE trips.broken (name text PRIMARY KEY);
GRANT INSERT, DELETE ON trips.broken TO PUBLIC;
-- What a step does, unless it is broken.
CREATE FUNCTION trips.note(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM trips.broken AS b WHERE b.name = what) THEN
        RAISE EXCEPTION '% is broken', what USING ERRCODE = 'SQ206';
    END IF;
    INSERT INTO trips.did (what) VALUES (what);
END $$;
-- A step with this name and this body.
CREATE PROCEDURE trips.make(name text, result text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format($$CREATE OR REPLACE FUNCTION trips.%I(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE plpgsql AS
        %L$$, name, format('BEGIN PERFORM trips.note(%L); RETURN %s; END', name, result));
END $make$;
CALL trips.make('reserve', $$jsonb_build_object('seat', p_params ->> 'seat')$$);
CALL trips.make('reserve_undo', $$'{}'::jsonb$$);
CALL trips.make('check', $$'{}'::jsonb$$);
CALL trips.make('gift', $$CASE WHEN p_params ? 'gift' THEN '{}'::jsonb END$$);
CALL trips.make('gift_undo', $$'{}'::jsonb$$);
CALL trips.make('charge', $$jsonb_build_object('amount', 10, 'seat', p_results -> 'reserve' ->> 'seat')$$);
CALL trips.make('charge_undo', $$jsonb_build_object('refund', p_results -> 'charge' ->> 'id')$$);
CALL trips.make('confirm', $$jsonb_build_object('paid', p_results -> 'charge' ->> 'id')$$);
CREATE TABLE trips.record (id uuid PRIMARY KEY, status text, results jsonb, error text);
CREATE FUNCTION trips.keep_record(p_process uuid, p_status text, p_results jsonb, p_error text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO trips.record VALUES (p_process, p_status, p_results, p_error)
    ON CONFLICT (id) DO UPDATE SET status = p_status, results = p_results, error = p_error $$;

SELECT specql.register_process('trips.book', '{"compensates": true, "record": "trips.keep_record", "deadline": "30 days", "steps": [
    {"number": 1, "name": "reserve", "kind": "do", "function": "trips.reserve", "undo": "trips.reserve_undo"},
    {"number": 2, "name": "check", "kind": "check", "function": "trips.check"},
    {"number": 3, "name": "gift", "kind": "do", "function": "trips.gift", "undo": "trips.gift_undo"},
    {"number": 4, "name": "charge", "kind": "call", "function": "trips.charge", "service": "bank", "operation": "charge", "timeout": "1 hour", "backoff": "1 minute",
     "undo": "trips.charge_undo", "undo_kind": "call", "undo_service": "bank", "undo_operation": "refund", "undo_retries": 1},
    {"number": 5, "name": "pause", "kind": "wait", "function": "trips.pause"},
    {"number": 6, "name": "confirm", "kind": "do", "function": "trips.confirm", "retries": 2, "backoff": "1 minute"}]}');
CREATE FUNCTION trips.pause(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE sql AS
    $$ SELECT jsonb_build_object('until', specql.clock() + interval '3 days') $$;
SELECT specql.register_service('bank', NULL);
-- Whoever may call it starts it with the rights of its owner.
CREATE FUNCTION trips.book(seat text, more jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    $$ SELECT specql.start_process('trips.book', jsonb_build_object('seat', seat) || more, seat) $$;
RESET ROLE;

CREATE VIEW did AS SELECT string_agg(what || CASE by_whom WHEN 'regress_process_owner' THEN '' ELSE ' AS ' || by_whom END, ', ' ORDER BY id) AS did FROM trips.did;
CREATE VIEW now AS SELECT p.subject, p.status, p.step, p.results - 'pause' AS results, p.last_error FROM specql.processes AS p ORDER BY p.id;
CREATE FUNCTION answer_bank(answer jsonb, verdict text DEFAULT 'done') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT * INTO d FROM specql.take('bank', 1);
    IF verdict = 'done' THEN PERFORM specql.ack(d.id, answer); ELSE PERFORM specql.nack(d.id, verdict, final => true); END IF;
    RETURN concat_ws(' ', d.operation, d.payload, d.action, d.type, d.aggregateid = (SELECT p.id::text FROM specql.process AS p WHERE p.id::text = d.aggregateid));
END $$;

-- The first steps are done in the caller's transaction; then an answer, and a time.
SELECT trips.book('1A') IS NOT NULL AS booked;
TABLE did;
TABLE now;
SELECT answer_bank('{"id": "ch_1"}');
TABLE now;
SELECT specql.drain();
TABLE now;
SELECT status, results - 'pause' AS results, error FROM trips.record;
SET specql.clock_offset = '4 days';
SELECT specql.drain();
TABLE did;
TABLE now;
SELECT status, results - 'pause' AS results, error FROM trips.record;
RESET specql.clock_offset;

-- A step that is broken is tried again; then all is undone, the last first, and what did not happen is not.
CREATE PROCEDURE start_again() LANGUAGE sql AS $$
    TRUNCATE trips.did, trips.broken, trips.record;
    DELETE FROM specql.finished_process;
$$;
CALL start_again();
INSERT INTO trips.broken VALUES ('confirm');
SELECT trips.book('2A', '{"gift": true}') IS NOT NULL AS booked;
SELECT answer_bank('{"id": "ch_2"}');
SELECT specql.drain();
SET specql.clock_offset = '4 days';
SELECT specql.drain();
TABLE now;
SET specql.clock_offset = '4 days 1 hour';
SELECT specql.drain();
TABLE now;
SET specql.clock_offset = '4 days 2 hours';
SELECT specql.drain();
TABLE now;
-- The service refuses the refund, twice: the others are undone all the same, and a person is asked.
SELECT answer_bank(NULL, 'no refunds');
SELECT specql.drain();
SET specql.clock_offset = '4 days 3 hours';
SELECT specql.drain();
SELECT answer_bank(NULL, 'no refunds today');
SELECT specql.drain();
TABLE did;
TABLE now;
SELECT status, error FROM trips.record;
CREATE FUNCTION story(subject text) RETURNS TABLE (kind text, what text, detail text) LANGUAGE sql AS $$
    SELECT w.kind, w.what, regexp_replace(regexp_replace(w.detail, ' (at|by|until) [0-9-]{10} [0-9:.+-]*', '', 'g'), '[0-9a-f-]{36}', '(id)', 'g')
    FROM specql.processes AS p, specql.why(p.id) AS w WHERE p.subject = $1 AND w.what NOT LIKE 'pause%' $$;
SELECT * FROM story('2A');
SELECT h.status, h.detail FROM specql.health() AS h WHERE h."check" = 'processes';
SELECT s.name, s.status, s.attempts, s.undo_attempts, s.error FROM specql.process_step AS s ORDER BY s.number;
SELECT specql.retry_process(id) FROM specql.processes;
SELECT specql.retry_process(id) FROM specql.processes;
SELECT specql.drain();
SELECT answer_bank('{}');
SELECT specql.drain();
TABLE did;
TABLE now;
SELECT status, error FROM trips.record;
RESET specql.clock_offset;

-- A step that fails at once: the saga is failed when its function returns. What has no undo is let be.
CALL start_again();
INSERT INTO trips.broken VALUES ('charge');
SELECT trips.book('3A', '{"gift": true}') IS NOT NULL AS booked;
TABLE did;
TABLE now;
SELECT s ->> 'name' AS step, s ->> 'status' AS status, s ->> 'error' AS error FROM specql.finished_process, jsonb_array_elements(steps) AS s;

-- A refusal is known: nothing was done. A call that nobody answers may have been done, and is undone.
CALL start_again();
SELECT trips.book('4A') IS NOT NULL AS booked;
SELECT specql.record_results(ARRAY(SELECT d.id FROM specql.take('bank', 1) AS d), '{dead}', '{0}', '{no money}', '{402}', '{"{\"no\": 1}"}');
SELECT specql.drain();
TABLE did;
TABLE now;
CALL start_again();
SELECT trips.book('4B') IS NOT NULL AS booked;
SELECT id AS taken FROM specql.take('bank', 1) \gset
SET specql.clock_offset = '2 hours';
SELECT specql.drain();
TABLE now;
-- Whoever has the call may make it yet. When it comes back it is not sent again, and undone.
SELECT specql.drain();
SELECT specql.nack(:'taken', 'not now');
SET specql.clock_offset = '4 hours';
SELECT specql.drain();
SELECT answer_bank('{}');
SELECT specql.drain();
TABLE did;
TABLE now;
RESET specql.clock_offset;
-- One that has not left does not leave any more, and there is nothing to undo.
CALL start_again();
SELECT trips.book('4C') IS NOT NULL AS booked;
SET specql.clock_offset = '2 hours';
SELECT specql.drain();
TABLE did;
TABLE now;
SELECT * FROM story('4C');
SELECT count(*) AS calls FROM specql.take('bank', 1);
RESET specql.clock_offset;

-- Somebody cancels. A second time there is nothing to cancel.
CALL start_again();
SELECT trips.book('5A') IS NOT NULL AS booked;
SELECT specql.cancel_process(id, 'no time') FROM specql.processes;
SELECT specql.cancel_process(id, 'no time') FROM specql.processes;
SELECT specql.drain();
SELECT specql.cancel_process(id, 'no time') FROM specql.processes;
TABLE did;
TABLE now;
SELECT status, error FROM trips.record;

-- Its time is over.
CALL start_again();
SELECT trips.book('6A') IS NOT NULL AS booked;
SELECT answer_bank('{"id": "ch_6"}');
SELECT specql.drain();
SET specql.clock_offset = '31 days';
SELECT specql.drain();
TABLE now;
SELECT answer_bank('{}');
SELECT specql.drain();
TABLE now;
RESET specql.clock_offset;

-- A function is gone: it is stuck, until it is there again. One that somebody else makes instead is not called.
CALL start_again();
SET ROLE regress_process_owner;
ALTER FUNCTION trips.confirm(uuid, jsonb, jsonb) RENAME TO confirmed;
RESET ROLE;
SELECT trips.book('7A') IS NOT NULL AS booked;
SELECT answer_bank('{"id": "ch_7"}');
SELECT specql.drain();
SET specql.clock_offset = '4 days';
SELECT specql.drain();
TABLE now;
CREATE FUNCTION trips.confirm(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"mine": 1}'::jsonb $$;
SELECT specql.retry_process(id) FROM specql.processes;
SELECT specql.drain();
TABLE now;
SELECT status, error FROM trips.record;
DROP FUNCTION trips.confirm(uuid, jsonb, jsonb);
ALTER FUNCTION trips.confirmed(uuid, jsonb, jsonb) RENAME TO confirm;
SELECT specql.retry_process(id) FROM specql.processes;
SELECT specql.drain();
TABLE did;
TABLE now;
RESET specql.clock_offset;

-- A call that was tried, and whose time is over, is not sent behind its refund.
CALL start_again();
SELECT trips.book('9A') IS NOT NULL AS booked;
SELECT specql.nack(o.id, 'the line broke') FROM specql.take('bank', 100) AS o;
SET specql.clock_offset = '2 hours';
SELECT specql.drain();
SELECT answer_bank('{}');
SELECT specql.drain();
SELECT subject, status, last_error FROM now WHERE subject = '9A';
SELECT count(*) AS left_over FROM specql.outbox AS o WHERE o.action = 'trips.book';
RESET specql.clock_offset;

-- Nobody but the owner starts it without its function.
SELECT specql.start_process('trips.book', '{}');
SELECT specql.start_process('trips.nothing', '{}');
SELECT specql.register_process('trips.nothing', '{"steps": []}');
SELECT specql.register_process('trips.nothing', '{"steps": [{"number": 1, "name": "a", "kind": "do", "function": "a"}]}');
SELECT specql.register_process('trips.nothing', '{"steps": [{"number": 1, "name": "a", "kind": "dance", "function": "trips.a"}]}');
SELECT specql.register_process('trips.nothing', '{"steps": [{"number": 1, "name": "a", "kind": "do", "function": "trips.a"}, {"number": 2, "name": "b", "kind": "do", "function": "trips.b", "parent": 1}]}');

-- What has failed by the steps of an action that was dropped does not go on by those of another of its name.
SET ROLE regress_process_owner;
CREATE FUNCTION trips.fails(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION trips.goes(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{}'::jsonb $$;
SELECT specql.register_process('trips.again', '{"steps": [{"number": 1, "name": "a", "kind": "do", "function": "trips.fails", "retries": 1}]}');
SELECT specql.start_process('trips.again', '{}') AS failed \gset
RESET ROLE;
SET specql.clock_offset = '1 day';
SET ROLE regress_process_owner;
SELECT specql.drain() > 0;
SELECT version, status, last_error FROM specql.processes WHERE action = 'trips.again';
SELECT specql.unregister_action('trips.again');
SELECT specql.register_process('trips.again', '{"steps": [{"number": 1, "name": "a", "kind": "do", "function": "trips.goes"}]}');
SELECT specql.retry_process(:'failed');
SELECT specql.unregister_action('trips.again');
RESET ROLE;
RESET specql.clock_offset;

SELECT count(*) AS left_over FROM specql.process_step;
DROP SCHEMA trips CASCADE;
DROP OWNED BY regress_process_owner;
DROP ROLE regress_process_owner, regress_process_clerk, regress_process_boss;
