-- Waits of processes by hand: events, people, conditions, groups of steps; versions, and processes that are stuck.
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
CREATE SCHEMA visas AUTHORIZATION regress_process_owner;
SET client_min_messages = warning;
SET ROLE regress_process_owner;

-- A step with this name and this result.
CREATE PROCEDURE visas.make(name text, result text) LANGUAGE plpgsql AS $make$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION visas.%I(p_process uuid, p_params jsonb, p_results jsonb) RETURNS jsonb LANGUAGE plpgsql AS %L',
                   name, format('BEGIN RETURN %s; END', result));
END $make$;
CREATE TABLE visas.applicant (name text PRIMARY KEY, checked boolean NOT NULL DEFAULT false);
CALL visas.make('papers', $$jsonb_build_object('key', p_params ->> 'name')$$);
CALL visas.make('checked', $$jsonb_build_object('holds', (SELECT a.checked FROM visas.applicant AS a WHERE a.name = p_params ->> 'name'))$$);
CALL visas.make('ask', $$jsonb_build_object('role', 'regress_process_boss', 'question', 'A visa for ' || (p_params ->> 'name') || '?', 'choices', '["yes", "no"]'::jsonb, 'repeat', '1 day')$$);
CALL visas.make('choose', $$jsonb_build_object('steps', CASE p_results -> 'ask' ->> 'choice' WHEN 'yes' THEN '["grant"]'::jsonb ELSE '["refuse"]' END)$$);
CALL visas.make('grant', $$p_results -> 'ask'$$);
CALL visas.make('refuse', $$p_results -> 'ask'$$);
CALL visas.make('remember', $$'{}'::jsonb$$);
CALL visas.make('fail', $$jsonb_build_object('n', 1 / (p_params ->> 'n')::integer)$$);
SELECT specql.register_process('visas.apply', '{"steps": [
    {"number": 1, "name": "papers", "kind": "wait_for", "function": "visas.papers", "event": "papers_came", "timeout": "5 days"},
    {"number": 2, "name": "remember", "kind": "do", "function": "visas.remember", "after_timeout_of": 1},
    {"number": 3, "name": "both", "kind": "parallel"},
    {"number": 4, "name": "checked", "kind": "wait_until_true", "function": "visas.checked", "parent": 3},
    {"number": 5, "name": "ask", "kind": "ask", "function": "visas.ask", "timeout": "30 days", "parent": 3},
    {"number": 6, "name": "choose", "kind": "choose", "function": "visas.choose"},
    {"number": 7, "name": "grant", "kind": "do", "function": "visas.grant", "chosen_by": 6},
    {"number": 8, "name": "refuse", "kind": "do", "function": "visas.refuse", "chosen_by": 6}]}');
CREATE FUNCTION visas.start(name text) RETURNS uuid LANGUAGE sql AS
    $$ SELECT specql.start_process('visas.apply', jsonb_build_object('name', name), name) $$;
-- Its listeners.
CREATE FUNCTION visas.papers_came() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM specql.end_waits('visas.apply', 1, array_agg(r.event_data ->> 'name'), array_agg(r.event_data)) FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
END $$;
SELECT specql.register_action('visas.apply', 'papers_came', NULL, 'visas.papers_came', NULL, part => 'source papers');
CREATE FUNCTION visas.applicant_changed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM specql.ask_again('visas.apply', 4, r.event_data ->> 'name') FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
END $$;
SELECT specql.register_action('visas.apply', 'applicant_changed', NULL, 'visas.applicant_changed', NULL, part => 'source checked');
INSERT INTO visas.applicant SELECT 'a' || i FROM generate_series(1, 9) AS i;
CREATE VIEW visas.now AS SELECT p.subject, p.version, p.status, p.step, p.results - 'papers' AS results, p.last_error FROM specql.processes AS p ORDER BY p.subject, p.id;
CREATE FUNCTION visas.id(subject text) RETURNS uuid LANGUAGE sql AS $$ SELECT p.id FROM specql.processes AS p WHERE p.subject = $1 ORDER BY p.id DESC LIMIT 1 $$;

-- An event ends the waits for its key; what the others wait for does not come.
SELECT count(visas.start('a' || i)) AS started FROM generate_series(1, 3) AS i;
SELECT specql.emit('papers_came', '{"name": "a1", "page": 1}') IS NOT NULL AND specql.emit('papers_came', '{"name": "a1", "page": 2}') IS NOT NULL AND specql.emit('papers_came', '{"name": "a9"}') IS NOT NULL AS emitted;
TABLE visas.now;
SELECT specql.drain();
TABLE visas.now;
SELECT results -> 'papers' AS papers FROM specql.processes WHERE subject = 'a1';
-- A signal does the same; not twice, and not for what nobody waits for.
SELECT specql.signal(visas.id('a2'), 'papers_came', '{"by": "hand"}');
\set VERBOSITY sqlstate
SELECT specql.signal(visas.id('a2'), 'papers_came');
SELECT specql.signal(visas.id('a3'), 'christmas');
SELECT specql.signal('00000000-0000-0000-0000-000000000000', 'papers_came');
\set VERBOSITY terse
-- For the third it is too late: steps for that come.
RESET ROLE;
SET specql.clock_offset = '6 days';
SET ROLE regress_process_owner;
SELECT specql.drain();
RESET ROLE;
RESET specql.clock_offset;
SET ROLE regress_process_owner;
TABLE visas.now;
\set VERBOSITY sqlstate
SELECT specql.signal(visas.id('a3'), 'papers_came');
\set VERBOSITY terse

-- A condition is asked again when a row has changed that it reads.
UPDATE visas.applicant SET checked = true WHERE name = 'a1';
SELECT specql.emit('applicant_changed', '{"name": "a1"}') IS NOT NULL AS emitted;
SELECT specql.drain() > 0 AS drained;
TABLE visas.now;

-- A person answers: a member of the role, once, with one of the choices.
RESET ROLE;
SELECT question, status, reminders FROM specql.tasks ORDER BY asked_at;
SET ROLE regress_process_clerk;
SELECT question, choices, status, due_at FROM specql.tasks ORDER BY question;
SELECT specql.answer(id, 'perhaps') FROM specql.tasks WHERE question LIKE '%a1%';
SELECT specql.answer(id, 'yes', 'a nice person') FROM specql.tasks WHERE question LIKE '%a1%';
\set VERBOSITY sqlstate
SELECT specql.answer(id, 'no') FROM specql.tasks WHERE question LIKE '%a1%';
\set VERBOSITY terse
SELECT question, status, answer, comment, answered_by FROM specql.tasks ORDER BY question;
SELECT specql.answer('00000000-0000-0000-0000-000000000000', 'yes');
RESET ROLE;
CREATE ROLE regress_process_stranger;
SELECT id AS task FROM specql.tasks WHERE question LIKE '%a2%' \gset
SET ROLE regress_process_stranger;
SELECT count(*) FROM specql.tasks;
SELECT specql.answer(:'task', 'yes');
RESET ROLE;
DROP ROLE regress_process_stranger;
SET ROLE regress_process_owner;
SELECT specql.drain();
TABLE visas.now;

-- Whoever is asked is reminded; when it is too late, the question is closed, and the process fails, for it has no steps for that.
RESET ROLE;
SET specql.clock_offset = '8 days';
SET ROLE regress_process_owner;
SELECT specql.drain() > 0 AS drained;
SELECT question, status, reminders FROM specql.tasks WHERE question LIKE '%a2%';
RESET ROLE;
SET specql.clock_offset = '40 days';
SET ROLE regress_process_owner;
SELECT specql.drain() > 0 AS drained;
RESET ROLE;
RESET specql.clock_offset;
SET ROLE regress_process_owner;
TABLE visas.now;
\set VERBOSITY sqlstate
SELECT specql.answer(:'task', 'yes');
\set VERBOSITY terse
-- It goes on there.
SELECT specql.retry_process(visas.id('a2'));
SELECT specql.drain() > 0 AS drained;
TABLE visas.now;
UPDATE visas.applicant SET checked = true WHERE name = 'a2';
SELECT specql.emit('applicant_changed', '{"name": "a2"}') IS NOT NULL AS emitted;
SELECT specql.answer(id, 'no') FROM specql.tasks WHERE question LIKE '%a2%' AND status = 'open';
SELECT specql.drain() > 0 AS drained;
TABLE visas.now;

-- Without compensation an error of the first steps is the caller's, and nothing remains; unless the step is tried again.
SELECT specql.register_process('visas.fail', '{"steps": [{"number": 1, "name": "fail", "kind": "do", "function": "visas.fail"}]}');
SELECT specql.start_process('visas.fail', '{"n": 0}', 'f1');
SELECT specql.register_process('visas.fail', '{"steps": [{"number": 1, "name": "fail", "kind": "do", "function": "visas.fail", "retries": 1}]}');
SELECT specql.start_process('visas.fail', '{"n": 0}', 'f2') IS NOT NULL AS started;
SELECT status, step, last_error FROM specql.processes WHERE subject LIKE 'f%';
SELECT specql.cancel_process(visas.id('f2'), 'hopeless');
SELECT specql.drain() > 0 AS drained;
SELECT status, step, last_error, cancel_reason FROM specql.processes WHERE subject LIKE 'f%';

-- The first of several: the others are cancelled.
SELECT specql.register_process('visas.first', '{"steps": [
    {"number": 1, "name": "first", "kind": "any", "timeout": "9 days"},
    {"number": 2, "name": "papers", "kind": "wait_for", "function": "visas.papers", "event": "papers_came", "parent": 1},
    {"number": 3, "name": "ask", "kind": "ask", "function": "visas.ask", "parent": 1},
    {"number": 4, "name": "late", "kind": "do", "function": "visas.remember", "after_timeout_of": 1}]}');
SELECT specql.start_process('visas.first', '{"name": "a5"}', 'g1') IS NOT NULL AND specql.start_process('visas.first', '{"name": "a6"}', 'g2') IS NOT NULL AS started;
SELECT specql.signal(visas.id('g1'), 'papers');
SELECT specql.drain();
RESET ROLE;
SET specql.clock_offset = '10 days';
SET ROLE regress_process_owner;
SELECT specql.drain();
RESET ROLE;
RESET specql.clock_offset;
SET ROLE regress_process_owner;
SELECT p.subject, p.status, p.results, (SELECT string_agg(format('%s %s', s ->> 'name', s ->> 'status'), ', ') FROM jsonb_array_elements(f.steps) AS s) AS steps
FROM specql.processes AS p, LATERAL (SELECT specql.steps_of(p.id) AS steps) AS f WHERE p.subject LIKE 'g%' ORDER BY 1;

RESET ROLE;
CREATE VIEW visas.plans AS SELECT version, current, kept FROM specql.process_plan WHERE action = 'visas.apply' ORDER BY version;
GRANT SELECT ON visas.plans TO PUBLIC;
SET ROLE regress_process_owner;
-- Versions: a process goes on by what it began with, whose functions are copied before they change, and go with the last one.
SELECT visas.start('a7') IS NOT NULL AND visas.start('a8') IS NOT NULL AND visas.start('a9') IS NOT NULL AS started;
SELECT specql.keep_processes('{"visas.grant(uuid, jsonb, jsonb)",visas.nothing()}'), specql.keep_processes('{"visas.grant(uuid, jsonb, jsonb)"}');
SELECT version, current, kept FROM visas.plans;
CALL visas.make('grant', $$'{"new": true}'::jsonb$$);
CALL visas.make('ask', $$jsonb_build_object('role', 'nobody', 'question', 'New?')$$);
SELECT specql.register_process('visas.apply', '{"steps": [
    {"number": 1, "name": "papers", "kind": "wait_for", "function": "visas.papers", "event": "papers_came"},
    {"number": 2, "name": "remember", "kind": "do", "function": "visas.remember", "after_timeout_of": 1},
    {"number": 3, "name": "ask", "kind": "ask", "function": "visas.ask"},
    {"number": 4, "name": "grant", "kind": "do", "function": "visas.grant"}]}');
SELECT proname FROM pg_proc WHERE pronamespace = 'visas'::regnamespace AND proname LIKE '%\_v_' ORDER BY 1;
SELECT specql.emit('papers_came', '{"name": "a7"}') IS NOT NULL AND specql.emit('papers_came', '{"name": "a9"}') IS NOT NULL AS emitted;
-- One that is so far the same may change over.
SELECT specql.migrate_process(visas.id('a8'));
SELECT specql.signal(visas.id('a8'), 'papers');
SELECT specql.drain() > 0 AS drained;
\set VERBOSITY sqlstate
SELECT specql.migrate_process(visas.id('a7'));
\set VERBOSITY terse
SELECT subject, version, status, step FROM visas.now WHERE subject IN ('a7', 'a8', 'a9');
SELECT specql.answer(id, 'yes') FROM specql.tasks WHERE status = 'open' AND question LIKE ANY ('{New?,%a7%,%a9%}');
UPDATE visas.applicant SET checked = true;
SELECT specql.cancel_process(visas.id('a9'));
SELECT specql.ask_again('visas.apply', 4, NULL);
INSERT INTO visas.applicant VALUES ('b');
SELECT specql.drain() > 0 AS drained;
SELECT pg_sleep(0.2);
SELECT specql.drain() >= 0 AS drained;
SELECT subject, version, status, step, results - '{papers,ask}'::text[] AS results FROM visas.now WHERE subject IN ('a7', 'a8', 'a9');
SELECT specql.cancel_process(p.id) FROM specql.processes AS p WHERE p.ended_at IS NULL ORDER BY p.subject;
SELECT specql.drain() > 0 AS drained;
SELECT proname FROM pg_proc WHERE pronamespace = 'visas'::regnamespace AND proname LIKE '%\_v_' ORDER BY 1;
SELECT count(*) AS left_over FROM specql.tasks;

-- A dropped action's processes go on to their end.
SELECT visas.start('c1') IS NOT NULL AS started;
SELECT specql.keep_process('visas.apply');
SELECT specql.unregister_action('visas.apply');
DROP FUNCTION visas.grant(uuid, jsonb, jsonb), visas.ask(uuid, jsonb, jsonb);
SELECT visas.start('c2');
SELECT specql.signal(visas.id('c1'), 'papers');
SELECT specql.drain() > 0 AS drained;
SELECT specql.answer(id, 'yes') FROM specql.tasks;
SELECT specql.drain() > 0 AS drained;
SELECT subject, status, results -> 'grant' AS results FROM visas.now WHERE subject LIKE 'c%';
SELECT proname FROM pg_proc WHERE pronamespace = 'visas'::regnamespace AND proname LIKE '%\_v_' ORDER BY 1;
RESET ROLE;
SELECT (SELECT count(*) FROM specql.process) AS processes, (SELECT count(*) FROM specql.process_step) AS steps,
       (SELECT count(*) FROM specql.process_ready) AS ready, (SELECT count(*) FROM specql.process_plan WHERE NOT current) AS versions;
DROP SCHEMA visas CASCADE;
DROP OWNED BY regress_process_owner;
DROP ROLE regress_process_owner, regress_process_clerk, regress_process_boss;
