-- A spec with errors, and errors on the way: one error with everything in it, and the database as it was before.
\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS specql CASCADE;
DROP SCHEMA IF EXISTS house, cellar CASCADE;
CREATE EXTENSION specql;
-- A debug build counts live C++ objects; others have none to show.
CREATE SCHEMA cellar;
DO $$
BEGIN
    CREATE FUNCTION cellar.live_objects() RETURNS bigint LANGUAGE c AS '$libdir/specql', 'specql_live_objects';
EXCEPTION WHEN undefined_function THEN
    CREATE FUNCTION cellar.live_objects() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
END $$;
CREATE FUNCTION cellar.state() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s schemas, %s specs, %s units, %s objects, %s live',
                  (SELECT count(*) FROM pg_namespace WHERE nspname = 'house'), (SELECT count(*) FROM specql.spec),
                  (SELECT count(*) FROM specql.unit), (SELECT count(*) FROM specql.object), cellar.live_objects())
$$;
RESET client_min_messages;
\set ECHO all

-- All problems in one error: the first in the message, all in the detail.
SELECT * FROM specql.apply(E'entity: Lamp\nschema: house\nfeilds: {}\nactions:\n  - name: on_lit\n    triger: lit_changed\n');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM specql.plan(E'entity: Lamp\nfeilds: {}\n');
SELECT specql.script(E'entity: Lamp\nfeilds: {}\n');
SELECT * FROM specql.explain(E'entity: Lamp\nfeilds: {}\n');
SELECT * FROM specql.validate(E'entity: Lamp\nfeilds: {}\n');
SELECT cellar.state();

-- No text at all, rubbish, and too much.
SELECT * FROM specql.apply(NULL);
SELECT code, line, col FROM specql.validate('');
SELECT code, line, col FROM specql.validate(E'\x01\x02');
SELECT code, line, col FROM specql.validate(repeat('[', 100000));
SELECT code, line, col FROM specql.validate('% ' || chr(8238) || ' &*!');
SET specql.max_spec_size = '2kB';
SELECT code, line, col, message FROM specql.validate(repeat(' ', 3000));
RESET specql.max_spec_size;
\set VERBOSITY sqlstate
SET specql.max_spec_size = '9MB';
\set VERBOSITY default
SELECT cellar.state();

-- An error of the server in the middle of the steps: its own SQLSTATE, and the object in the context.
SELECT * FROM specql.apply(E'entity: Lamp\nschema: house\nfields:\n  place: point\nindexes:\n  - {name: lamp_place, columns: [place]}\n');
\echo :LAST_ERROR_SQLSTATE
SELECT cellar.state();
-- The same caught by a caller, whose transaction goes on.
DO $$
BEGIN
    PERFORM * FROM specql.apply(E'entity: Lamp\nschema: house\nfields:\n  place: point\nindexes:\n  - {name: lamp_place, columns: [place]}\n');
EXCEPTION WHEN undefined_object THEN
    RAISE NOTICE 'caught, %', cellar.state();
END $$;

-- Interrupted inside the reading of a long text.
SELECT string_agg(format(E'entity: A%s\nfields:\n%s', i,
                         (SELECT string_agg(format(E'  field_%s: integer\n', j), '') FROM generate_series(1, 50) j)), E'---\n') AS big
    FROM generate_series(1, 900) i \gset
\set SHOW_CONTEXT never
-- The server may tell a timeout that strikes while it parses as a request of the user.
\set VERBOSITY sqlstate
SET statement_timeout = '20ms';
SELECT count(*) FROM specql.validate(:'big');
\echo :LAST_ERROR_SQLSTATE
RESET statement_timeout;
\set VERBOSITY default
\set SHOW_CONTEXT errors
SELECT cellar.state();

-- What somebody else made is never overwritten.
CREATE SCHEMA house;
CREATE VIEW house.lamp AS SELECT 1 AS id;
SELECT * FROM specql.apply(E'entity: Lamp\nschema: house\nfields: {lit: boolean}\n');
\echo :LAST_ERROR_SQLSTATE
DROP VIEW house.lamp;
CREATE TABLE house.lamp (id uuid PRIMARY KEY, lit text, watts integer);
\set rule 'entity: Lamp\nschema: house\nfields:\n  lit: boolean\n  watts: integer\nactions:\n  - name: on_lit\n    trigger: lit_changed\n    steps:\n      - notify: owner "x"\n'
SELECT * FROM specql.apply(:'rule');
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE house.lamp ALTER COLUMN lit TYPE boolean USING false;
CREATE FUNCTION house.trigger_lit_events() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT * FROM specql.apply(:'rule');
\echo :LAST_ERROR_SQLSTATE
CREATE TRIGGER lit_trigger AFTER UPDATE ON house.lamp FOR EACH STATEMENT EXECUTE FUNCTION house.trigger_lit_events();
ALTER FUNCTION house.trigger_lit_events() RENAME TO my_own;
SELECT * FROM specql.apply(:'rule');
\echo :LAST_ERROR_SQLSTATE
SELECT tgname, tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'house.lamp'::regclass;
DROP TRIGGER lit_trigger ON house.lamp;
SELECT action, kind, object, detail FROM specql.apply(:'rule');
SELECT cellar.state();

-- A library of another version refuses to work, in words.
BEGIN;
UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'specql';
SELECT * FROM specql.validate('entity: A');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA house, cellar CASCADE;
DROP EXTENSION specql CASCADE;
