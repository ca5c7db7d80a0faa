-- From a text to objects, and again: what apply, plan, script, explain and validate give, and what is recorded.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'UTC';
DROP EXTENSION IF EXISTS specql CASCADE;
DROP SCHEMA IF EXISTS house CASCADE;
CREATE EXTENSION specql;
RESET client_min_messages;
\set ECHO all

\set lamp 'entity: Lamp\nschema: house\ndescription: "Lights, and who is told of them"\nfields:\n  room: text!\n  lit: boolean = false\n  watts: integer\nactions:\n  - name: on_lit\n    trigger: lit_changed\n    conditions:\n      - if: "lit AND watts > 100"\n        then:\n          - notify: owner "a bright lamp"\n'

-- Before: nothing is known, and looking changes nothing.
SELECT * FROM specql.validate(:'lamp');
SELECT step, action, kind, object, destructive, sql IS NOT NULL AS has_sql FROM specql.plan(:'lamp');
SELECT * FROM specql.explain(:'lamp') ORDER BY name;
SELECT count(*) AS schemas FROM pg_namespace WHERE nspname = 'house';
SELECT count(*) AS recorded FROM specql.object;

-- Apply, and apply again.
SELECT * FROM specql.apply(:'lamp');
SELECT DISTINCT action FROM specql.apply(:'lamp');
SELECT DISTINCT action, sql FROM specql.plan(:'lamp');

-- What is recorded: one text, one version of one unit, all objects in the order of their making.
SELECT applied_by = current_user AS by_me, text = :'lamp' AS verbatim FROM specql.spec;
SELECT schema, entity, "table", version, applied_by = current_user AS by_me FROM specql.entities;
SELECT spec, version, kind FROM specql.history;
SELECT kind, identity, unit FROM specql.object ORDER BY id;

-- The script alone makes the same table and functions.
CREATE TABLE script AS SELECT specql.script(:'lamp') AS sql;
SELECT md5(string_agg(pg_get_functiondef(p.oid), '' ORDER BY p.proname)) AS before
    FROM pg_proc p WHERE pronamespace = 'house'::regnamespace \gset
BEGIN;
SET LOCAL client_min_messages = warning;
DROP SCHEMA house CASCADE;
DO $$ BEGIN EXECUTE (SELECT sql FROM script); END $$;
SELECT md5(string_agg(pg_get_functiondef(p.oid), '' ORDER BY p.proname)) = :'before' AS same
    FROM pg_proc p WHERE pronamespace = 'house'::regnamespace;
ROLLBACK;
DROP TABLE script;

-- A new field is added; the version goes up, and the history keeps both.
\set wider 'entity: Lamp\nschema: house\ndescription: "Lights, and who is told of them"\nfields:\n  room: text!\n  lit: boolean = false\n  watts: integer\n  colour: text\nactions:\n  - name: on_lit\n    trigger: lit_changed\n    conditions:\n      - if: "lit AND watts > 100"\n        then:\n          - notify: owner "a bright lamp"\n'
SELECT action, kind, object FROM specql.apply(:'wider') WHERE action <> 'unchanged';
SELECT spec, version FROM specql.history ORDER BY version;
SELECT attname FROM pg_attribute WHERE attrelid = 'house.lamp'::regclass AND attnum > 0 ORDER BY attnum;

-- Taking it away again would lose data: refused, then allowed.
SELECT action, kind, object FROM specql.apply(:'lamp') WHERE action <> 'unchanged';
\echo :LAST_ERROR_SQLSTATE
SELECT action, kind, object, destructive, sql FROM specql.plan(:'lamp', allow_destructive => true) WHERE action <> 'unchanged';
SELECT action, kind, object FROM specql.apply(:'lamp', allow_destructive => true) WHERE action <> 'unchanged';
SELECT count(*) AS versions FROM specql.history;

-- An object dropped by hand is made again.
DROP TRIGGER lit_trigger ON house.lamp;
SELECT action, kind, object FROM specql.apply(:'lamp') WHERE action <> 'unchanged';

-- Rules that no text wants any more go; the table and its data stay.
\set plain 'entity: Lamp\nschema: house\ndescription: "Lights, and who is told of them"\nfields:\n  room: text!\n  lit: boolean = false\n  watts: integer\n'
SELECT action, kind, object FROM specql.apply(:'plain') WHERE action <> 'unchanged';
SELECT proname FROM pg_proc WHERE pronamespace = 'house'::regnamespace;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'house.lamp'::regclass;
SELECT kind, identity FROM specql.object ORDER BY id;

-- Transactions: a rolled back apply never was.
BEGIN;
SELECT count(*) > 0 AS some FROM specql.apply(:'lamp') WHERE action = 'create';
ROLLBACK;
SELECT kind, identity FROM specql.object ORDER BY id;
SELECT count(*) AS functions FROM pg_proc WHERE pronamespace = 'house'::regnamespace;

-- Every object of the extension's own says what it is for.
SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
      AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'specql'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
-- Nothing that changes something is open to all; nothing of the extension was captured from outside.
SELECT p.proname FROM pg_proc p
    WHERE p.pronamespace = 'specql'::regnamespace AND p.proname IN ('apply', 'plan', 'script', 'validate', 'explain')
      AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p')
      AND has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE');

SET client_min_messages = warning;
DROP SCHEMA house CASCADE;
DROP EXTENSION specql CASCADE;
