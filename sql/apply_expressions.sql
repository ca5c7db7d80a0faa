-- Expressions in the server: what is found outside pg_catalog is written with its schema, what cannot be is refused,
-- and the offsets of errors survive quotes, folded lines and characters of several bytes.
\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS specql CASCADE;
DROP SCHEMA IF EXISTS house, tools CASCADE;
DROP FUNCTION IF EXISTS public.brightness(integer);
DROP TYPE IF EXISTS public.mood;
CREATE EXTENSION specql;
CREATE SCHEMA tools;
CREATE FUNCTION tools.double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE FUNCTION public.brightness(watts integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 10 * watts';
CREATE FUNCTION public.several(n integer) RETURNS SETOF integer LANGUAGE sql AS 'SELECT generate_series(1, n)';
CREATE TYPE public.mood AS ENUM ('cosy', 'bright');
CREATE TYPE tools.pair AS (a integer, b integer);
CREATE FUNCTION tools.pair_sum(p tools.pair, q tools.pair) RETURNS tools.pair LANGUAGE sql IMMUTABLE
    AS 'SELECT ROW(p.a + q.a, p.b + q.b)::tools.pair';
CREATE OPERATOR tools.+ (LEFTARG = tools.pair, RIGHTARG = tools.pair, FUNCTION = tools.pair_sum);
RESET client_min_messages;
\set ECHO all

-- Functions and types of public, and of another schema.
\set lamp 'entity: Lamp\nschema: house\nfields:\n  watts: integer\n  mood: mood\n  lumen: integer\n  twice: integer\nactions:\n  - name: on_watts\n    trigger: watts_changed\n    conditions:\n      - if: "brightness(watts) > 100 AND mood IS DISTINCT FROM ''cosy''::mood"\n        then:\n          - update: Lamp SET\n              lumen: "brightness(watts)"\n              twice: "tools.double(watts) + CASE WHEN mood = mood ''bright'' THEN 1 ELSE 0 END"\n'
SELECT * FROM specql.validate(:'lamp');
SET client_min_messages = error;
SELECT count(*) FROM specql.apply(:'lamp') WHERE action = 'create';
RESET client_min_messages;
SELECT regexp_matches(prosrc, '(\w*\.?(?:double|brightness)\(|[\w.]+ ''bright'')', 'g') FROM pg_proc
    WHERE oid = 'house.trigger_watts_events()'::regprocedure;
INSERT INTO house.lamp (watts, mood) VALUES (1, 'bright');
SET search_path = pg_catalog;
UPDATE house.lamp SET watts = 20;
SELECT watts, lumen, twice FROM house.lamp;
RESET search_path;

-- Installed expressions are looked up again by every apply, whoever calls it and with whatever path.
SET search_path = tools, house;
SET client_min_messages = error;
SELECT DISTINCT action FROM specql.apply(:'lamp');
SELECT action, kind, object FROM specql.apply(E'entity: Other\nschema: house\nfields: {a: integer}\n') WHERE action <> 'unchanged';
RESET client_min_messages;
RESET search_path;

-- In another schema a function is found only if it is named with it.
\set one 'entity: Bulb\nschema: house\nfields:\n  power: integer = '
SELECT code, line, col, message, hint FROM specql.validate(:'one' || 'double(2)');
SELECT code, line, col, message FROM specql.validate(:'one' || 'tools.double(2)');
SELECT code, line, col, message FROM specql.validate(:'one' || 'several(2)');

-- Operators outside pg_catalog have to be written out.
\set pair 'entity: Pair\nschema: house\nfields:\n  sum: tools.pair = '
SELECT code, line, col, message, hint FROM specql.validate(:'pair' || '(1, 2)::tools.pair + (3, 4)::tools.pair');
SELECT code, line, col, message, hint FROM specql.validate(:'pair' || '(1, 2)::tools.pair OPERATOR(tools.+) (3, 4)::tools.pair');

-- Types as PostgreSQL reads them.
SELECT code, line, col, message FROM specql.validate(
    E'entity: T\nschema: house\nfields:\n  a: numeric(10,2)\n  b: tstzrange\n  c: text[]\n  d: mood\n  e: nosuch\n  f: anyelement\n  g: "int; drop table x"\n  h: "int -- x"\n  i: setof int\n');

-- Where in the text the error is.
\set rule 'entity: L\nschema: house\nfields:\n  n: text\n  w: integer\nactions:\n  - name: a\n    on: insert L\n    conditions:\n'
SELECT code, line, col, message FROM specql.validate(:'rule' || E'      - if: "n = ''größer…'' AND nosuch(1)"\n        then: [{notify: x "y"}]\n');
SELECT code, line, col, message FROM specql.validate(:'rule' || E'      - if: ''n = ''''a'''' AND nosuch(1)''\n        then: [{notify: x "y"}]\n');
SELECT code, line, col, message FROM specql.validate(:'rule' || E'      - if: >\n          n = ''a''\n          AND nosuch(1)\n        then: [{notify: x "y"}]\n');
SELECT code, line, col, message FROM specql.validate(:'rule' || E'      - if: n = ''a''\n            AND nosuch(1)\n        then: [{notify: x "y"}]\n');

-- Habits from other languages get a word.
SELECT code, message, hint FROM specql.validate(:'rule' || E'      - if: "w == 1"\n        then: [{notify: x "y"}]\n');
SELECT code, message, hint FROM specql.validate(:'rule' || E'      - if: "(w = 1) && (w = 2)"\n        then: [{notify: x "y"}]\n');
SELECT code, message, hint FROM specql.validate(:'rule' || E'      - if: "w"\n        then: [{notify: x "y"}]\n');

SET client_min_messages = warning;
DROP SCHEMA house, tools CASCADE;
DROP FUNCTION public.brightness(integer), public.several(integer);
DROP TYPE public.mood;
DROP EXTENSION specql CASCADE;
