-- Who may do what, and with whose rights rules run.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
CREATE ROLE rt_owner;
CREATE ROLE rt_writer;
CREATE ROLE rt_emitter;
GRANT specql_admin TO rt_owner;
GRANT ALL ON SCHEMA rt TO rt_owner;
GRANT USAGE ON SCHEMA rt TO rt_writer;

-- The owner of a table has a rule on it; who writes to the table needs no other right, and lends none.
SET ROLE rt_owner;
CREATE TABLE rt.stock (id integer PRIMARY KEY, qty integer);
CREATE TABLE rt.seen (what text, who text);
CREATE FUNCTION rt.big(qty integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'rt_owner' THEN RAISE 'condition evaluated as %', current_user; END IF;
    RETURN qty > 10;
END $$;
REVOKE ALL ON FUNCTION rt.big(integer) FROM PUBLIC;
CREATE FUNCTION rt.stock_capture(OUT branches boolean[], OUT subject text, OUT data jsonb, OUT id integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[rt.big(new.qty)], new.id::text, jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)), new.id
    FROM rt.stock AS old, rt.stock AS new;
END;
-- Not SECURITY DEFINER, and still run as its owner.
CREATE FUNCTION rt.stock_handler() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.seen SELECT 'row ' || r.id, current_user FROM specql.rows(1) AS r(id integer);
    PERFORM specql.notify('c', 'm', 1);
    RETURN NULL;
END $$;
CREATE TRIGGER stock_trigger AFTER INSERT OR UPDATE ON rt.stock FOR EACH STATEMENT
    EXECUTE FUNCTION specql.dispatch();
CREATE TRIGGER specql_capture AFTER INSERT OR UPDATE OR DELETE ON rt.stock FOR EACH ROW EXECUTE FUNCTION specql.capture();
SELECT specql.register_action('rt.on_stock', 'changed', 'rt.stock', 'rt.stock_handler', 'rt.stock_capture', 'retry', 3, '0 seconds');
GRANT INSERT, UPDATE, SELECT ON rt.stock TO rt_writer;
RESET ROLE;
SET ROLE rt_writer;
INSERT INTO rt.stock VALUES (1, 11), (2, 2);
SELECT * FROM rt.seen;
SELECT current_user;
RESET ROLE;
SELECT * FROM rt.seen;

-- Failures are written and retried with the extension's rights, handlers run again with their owner's.
SET ROLE rt_owner;
CREATE OR REPLACE FUNCTION rt.stock_handler() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no: %', current_user; END $$;
SET ROLE rt_writer;
UPDATE rt.stock SET qty = 12 WHERE id = 1;
SET ROLE rt_owner;
SELECT message FROM specql.failures;
CREATE OR REPLACE FUNCTION rt.stock_handler() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.seen SELECT 'again ' || r.id, current_user || ' ' || current_setting('is_superuser') FROM specql.rows(1) AS r(id integer);
    RETURN NULL;
END $$;
SELECT specql.retry_due();
SELECT * FROM rt.seen;
SELECT kind, what, detail FROM specql.why((SELECT max(id::text)::uuid FROM specql.events)) WHERE kind = 'branch';
RESET ROLE;

-- A trigger cannot be used to run somebody else's function with its owner's rights, nor can a registration.
CREATE FUNCTION rt.of_superuser() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'running as %', current_user; END $$;
CREATE FUNCTION rt.secret() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RAISE 'running as %', current_user; END $$;
CREATE FUNCTION rt.of_superuser_void() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RAISE 'running as %', current_user; END $$;
REVOKE ALL ON FUNCTION rt.secret() FROM PUBLIC;
SET ROLE rt_owner;
CREATE TABLE rt.mine (id integer, qty integer);
CREATE FUNCTION rt.mine_capture(OUT branches boolean[], OUT subject text, OUT data jsonb) RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[true], new.id::text, '{}'::jsonb FROM rt.mine AS old, rt.mine AS new;
END;
CREATE TRIGGER a AFTER INSERT ON rt.mine FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch();
CREATE TRIGGER b AFTER INSERT ON rt.mine FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch('abort');
CREATE TRIGGER specql_capture AFTER INSERT ON rt.mine FOR EACH ROW EXECUTE FUNCTION specql.capture();
INSERT INTO rt.mine VALUES (1, 1);
SELECT specql.register_action('c', 'e', NULL, 'rt.of_superuser_void', NULL);
SELECT specql.register_action('c', 'e', NULL, 'rt.not_there', NULL);
RESET ROLE;
SELECT action, message FROM specql.failures ORDER BY action;
DELETE FROM specql.failure;

-- An operator of the writer's making does not get into what the extension runs.
CREATE SCHEMA rt_evil AUTHORIZATION rt_writer;
SET ROLE rt_writer;
CREATE FUNCTION rt_evil.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked as %', current_user; END $$;
CREATE OPERATOR rt_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = rt_evil.equal);
SET search_path = rt_evil, pg_catalog;
RESET ROLE;
CREATE OR REPLACE FUNCTION rt.stock_handler() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
SET ROLE rt_writer;
UPDATE rt.stock SET qty = 13 WHERE id = 1;
RESET ROLE;
RESET search_path;
SELECT message FROM specql.failures;

-- Nor does a function get into a condition: what the owner's own functions look up there is the owner's choice.
DELETE FROM specql.failure;
CREATE FUNCTION rt.is_far(qty integer) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN abs(qty) > 10; END';
SELECT rt.install('far', 'rt.item', 'UPDATE', '{rt.is_far(new.qty)}');
SELECT rt.watch('rt.item');
INSERT INTO rt.item VALUES (1, 0);
GRANT SELECT, UPDATE ON rt.item TO rt_writer;
SET ROLE rt_writer;
CREATE FUNCTION rt_evil.abs(integer) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked as %', current_user; END $$;
SET search_path = rt_evil, pg_catalog;
UPDATE rt.item SET qty = 20 WHERE id = 1;
SHOW search_path;
RESET ROLE;
RESET search_path;
SELECT count(*) FROM specql.failures;
SELECT action, qty FROM rt.trace WHERE action = 'far';

-- Everything that changes something, or shows other people's rows, is closed to the public.
SET ROLE rt_writer;
SELECT specql.emit('x');
SELECT specql.retry('00000000-0000-7000-8000-000000000000');
SELECT specql.retry_due();
SELECT * FROM specql.events;
SELECT * FROM specql.failures;
SELECT * FROM specql.deliveries;
SELECT * FROM specql.event_log;
SELECT specql.register_action('a', 'b', NULL, 'c', NULL);
SELECT * FROM specql.why('00000000-0000-7000-8000-000000000000');
SELECT specql.uuid_v7() IS NOT NULL AS id;
RESET ROLE;
-- What may be called by PUBLIC, in full.
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'specql'::regnamespace AND has_function_privilege('rt_emitter', p.oid, 'EXECUTE')
    AND p.proname IN ('uuid_v7', 'uuid_time', 'payload', 'emit', 'retry', 'retry_due', 'drain', 'rows', 'matched', 'capture', 'dispatch', 'notify', 'escalate',
        'call_external', 'acknowledge', 'register_action', 'unregister_action', 'action_changed', 'refuse_change', 'next_attempt', 'expire_events', 'recheck', 'why')
ORDER BY 1;
-- emit alone can be granted.
GRANT EXECUTE ON FUNCTION specql.emit(text, text, text) TO rt_emitter;
SET ROLE rt_emitter;
SELECT specql.emit('granted', '{}') IS NOT NULL AS emitted;
RESET ROLE;
-- Members of specql_admin look, but do not write behind the extension's back.
SET ROLE rt_owner;
SELECT count(*) FROM specql.events WHERE type = 'granted';
DELETE FROM specql.failure;
INSERT INTO specql.action VALUES ('a', 'b', NULL, 'c');
RESET ROLE;
-- Every table, view, column and function that the runtime adds has a comment.
SELECT c.oid::regclass FROM pg_class AS c WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    AND (c.relname ~ '^(event_log|action|failure|outbox)' OR c.relname IN ('events', 'actions', 'deliveries', 'escalations', 'failures'))
    AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'specql'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA rt_evil CASCADE;
DROP OWNED BY rt_owner, rt_writer, rt_emitter CASCADE;
DROP ROLE rt_owner, rt_writer, rt_emitter;
\i sql/include/runtime_end.psql
