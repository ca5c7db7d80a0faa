-- Who may apply, what they may touch, and as whom things are done.
\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS specql CASCADE;
DROP SCHEMA IF EXISTS house CASCADE;
DROP ROLE IF EXISTS specql_test_admin, specql_test_other, specql_test_user;
CREATE EXTENSION specql;
CREATE ROLE specql_test_admin;
CREATE ROLE specql_test_other;
CREATE ROLE specql_test_user;
GRANT specql_admin TO specql_test_admin, specql_test_other;
SELECT format('GRANT CREATE ON DATABASE %I TO specql_test_admin, specql_test_other', current_database()) \gexec
RESET client_min_messages;
\set ECHO all
\set lamp 'entity: Lamp\nschema: house\nfields:\n  lit: boolean\n  switched: integer = 0\nactions:\n  - name: on_lit\n    trigger: lit_changed\n    steps:\n      - update: Lamp SET switched = switched + 1\n'

-- Not without membership.
SET ROLE specql_test_user;
SELECT * FROM specql.apply(:'lamp');
SELECT * FROM specql.validate(:'lamp');
SELECT count(*) FROM specql.unit;
RESET ROLE;

-- A member who is no superuser; what was made is the member's.
SET ROLE specql_test_admin;
SET client_min_messages = error;
SELECT action, kind, object FROM specql.apply(:'lamp');
SELECT DISTINCT action FROM specql.apply(:'lamp');
RESET client_min_messages;
SELECT current_user;
SELECT applied_by FROM specql.history;
INSERT INTO specql.unit VALUES ('entity', 'x', 'y', 1, '', 1);
RESET ROLE;
SELECT relowner::regrole FROM pg_class WHERE oid = 'house.lamp'::regclass;
SELECT DISTINCT proowner::regrole FROM pg_proc WHERE pronamespace = 'house'::regnamespace;
SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'house';

-- Those who only use the table need no right on anything else.
GRANT USAGE ON SCHEMA house TO specql_test_user;
GRANT SELECT, INSERT, UPDATE ON house.lamp TO specql_test_user;
SET ROLE specql_test_user;
INSERT INTO house.lamp (id, lit) VALUES ('01900000-0000-7000-8000-000000000001', false);
UPDATE house.lamp SET lit = true;
SELECT lit, switched FROM house.lamp;
SELECT house.trigger_lit_events();
RESET ROLE;

-- TRIGGER on a table is not enough to put a rule on it: the rule would run as whoever writes.
GRANT USAGE, CREATE ON SCHEMA house TO specql_test_other;
GRANT ALL ON house.lamp TO specql_test_other;
SET ROLE specql_test_other;
SET client_min_messages = error;
SELECT * FROM specql.apply(E'actions:\n  - name: on_other\n    on: update Lamp.lit\n    steps:\n      - notify: me "x"\n', schema => 'house');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'house.lamp'::regclass ORDER BY tgname;

-- A search path of the caller's, with functions that would catch calls, changes nothing.
CREATE SCHEMA trap;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.quote_ident(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE TABLE trap.pg_class (oid oid);
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.textne);
GRANT USAGE ON SCHEMA trap TO specql_test_admin;
SET ROLE specql_test_admin;
SET search_path = trap, pg_catalog;
SELECT DISTINCT action FROM specql.apply(:'lamp');
SELECT action, kind, object FROM specql.apply(E'entity: Bell\nschema: house\nfields:\n  rung: timestamp = now()\n')
    WHERE action OPERATOR(pg_catalog.<>) 'unchanged';
SHOW search_path;
RESET search_path;
RESET ROLE;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'house.bell'::regclass ORDER BY adnum;

SET client_min_messages = warning;
DROP SCHEMA house, trap CASCADE;
DROP EXTENSION specql CASCADE;
DROP OWNED BY specql_test_admin, specql_test_other, specql_test_user;
DROP ROLE specql_test_admin, specql_test_other, specql_test_user;
