-- state_at and rebuild for keys of every type, and of several columns.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set ECHO all

CREATE SCHEMA k;
CREATE TABLE k.by_text (code text PRIMARY KEY, v integer);
CREATE TABLE k.by_int (id integer PRIMARY KEY, v integer);
CREATE TABLE k.by_big (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v integer);
CREATE TABLE k.by_date (day date PRIMARY KEY, v integer);
CREATE TABLE k.by_time (at timestamptz PRIMARY KEY, v integer);
CREATE TABLE k.by_pair (shop text, number integer, v integer, PRIMARY KEY (shop, number));
CREATE TABLE k.by_none (v integer);
SELECT string_agg(format(E'entity: By%s\nschema: k\nfields: {v: integer}\nactions:\n  - name: on_%s\n    on: By%1$s\n    steps:\n      - notify: c "changed"\n', initcap(t), t), E'---\n') AS spec
FROM unnest('{text,int,big,date,time,pair,none}'::text[]) AS t \gset
SELECT count(*) > 0 AS made FROM specql.apply(:'spec');
SET DateStyle = 'German, DMY';
SET timezone = 'America/New_York';
INSERT INTO k.by_text VALUES ('a''b', 1);
INSERT INTO k.by_int VALUES (7, 1);
INSERT INTO k.by_big (v) VALUES (1);
INSERT INTO k.by_date VALUES ('2026-02-03', 1);
INSERT INTO k.by_time VALUES ('2026-02-03 12:00+00', 1);
INSERT INTO k.by_pair VALUES ('a', 1, 1), ('a', 2, 1);
INSERT INTO k.by_none VALUES (1);
SET DateStyle = 'ISO, MDY';
SET timezone = 'UTC';
SELECT pg_sleep(0.01);
SELECT clock_timestamp() AS t1 \gset
SELECT pg_sleep(0.01);
UPDATE k.by_text SET v = 2;
UPDATE k.by_int SET v = 2;
UPDATE k.by_big SET v = 2;
UPDATE k.by_date SET v = 2;
UPDATE k.by_time SET v = 2;
UPDATE k.by_pair SET v = 2;
DELETE FROM k.by_pair WHERE number = 2;
SELECT entity, subject FROM specql.events ORDER BY 1, 2;

SELECT specql.state_at('ByText', 'a''b', :'t1') -> 'v' AS text, specql.state_at('ByText', 'a''b', now()) -> 'v' AS now;
SELECT specql.state_at('ByInt', 7, :'t1') -> 'v' AS int, specql.state_at('ByInt', '7', now()) -> 'v' AS now;
SELECT specql.state_at('ByBig', 1::bigint, :'t1') -> 'v' AS big, specql.state_at('k.by_big', '1', now()) -> 'v' AS now;
SELECT specql.state_at('ByDate', '2026-02-03'::date, :'t1') -> 'v' AS date, specql.state_at('ByDate', '3 Feb 2026', now()) -> 'v' AS now;
SELECT specql.state_at('ByTime', '2026-02-03 12:00+00'::timestamptz, :'t1') -> 'v' AS time, specql.state_at('ByTime', '2026-02-03 07:00-05', now()) -> 'v' AS now;
SELECT specql.state_at('ByPair', '["a", 1]', :'t1') -> 'v' AS pair, specql.state_at('ByPair', '["a",1]'::jsonb, now()) -> 'v' AS now,
       specql.state_at('ByPair', '["a", 2]', :'t1') -> 'v' AS other, specql.state_at('ByPair', '["a", 2]', now()) IS NULL AS deleted;
\set VERBOSITY default
SELECT specql.state_at('ByInt', 'seven', now());
SELECT specql.state_at('ByPair', '["a"]', now());
SELECT specql.state_at('ByPair', 'a', now());
SELECT specql.state_at('ByNone', '1', now());
SELECT specql.state_at('ByPair', '["z", 1]', now() - interval '1 year');
\set VERBOSITY terse

CREATE TABLE k.again_pair (LIKE k.by_pair);
CREATE TABLE k.again_date (LIKE k.by_date);
SET client_min_messages = notice;
SELECT specql.rebuild('ByPair', 'k.again_pair');
SELECT specql.rebuild('ByDate', 'k.again_date', :'t1');
SELECT * FROM k.again_pair;
SELECT * FROM k.again_date;
-- An equal key that is written differently, and rows captured under other formats than those of whoever asks.
CREATE SCHEMA plain;
CREATE TABLE plain.price (amount numeric PRIMARY KEY, v integer);
CREATE TABLE plain.slot (starts timestamptz(3) PRIMARY KEY, period daterange, lasts interval, share double precision);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Price
schema: plain
fields: {v: integer}
actions:
  - {name: on_price, trigger: any_price_change, steps: [{notify: nobody "price"}]}
---
entity: Slot
schema: plain
fields: {share: "double precision"}
actions:
  - {name: on_slot, trigger: any_slot_change, steps: [{notify: nobody "slot"}]}
$$, adopt => true);
INSERT INTO plain.price VALUES (1.5, 1);
SELECT clock_timestamp() AS then \gset
UPDATE plain.price SET v = 2;
SELECT specql.state_at('plain.Price', '1.50', :'then') ->> 'v' AS v;
SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = 0; SET timezone = 'Europe/Berlin';
INSERT INTO plain.slot VALUES ('2026-05-01 12:00+02', '[2026-01-05,2026-01-09)', '-1 day -2 hours', 0.1::float8 + 0.2::float8);
RESET DateStyle; RESET IntervalStyle; RESET extra_float_digits; RESET timezone;
CREATE TABLE plain.slot_again (LIKE plain.slot);
SELECT specql.rebuild('plain.Slot', 'plain.slot_again');
SELECT a = s AS same FROM plain.slot AS s, plain.slot_again AS a;
SELECT subject, data -> 'new' -> 'period' AS period FROM specql.events WHERE entity = 'plain.slot';
