-- Tables that Citus distributes raise no events, so they cannot have rules. Of Citus there is only what specql looks at.
\set ECHO none
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
RESET allow_system_table_mods;
CREATE SCHEMA mart;
CREATE TABLE mart.basket (id integer PRIMARY KEY, total integer);
CREATE TABLE mart.visit (id integer PRIMARY KEY, place text);
INSERT INTO pg_dist_partition VALUES ('mart.basket');
\set basket 'entity: Basket\nschema: mart\nfields: {id: integer!, total: integer}\nactions:\n  - name: filled\n    on: update Basket.total\n    steps:\n      - notify: x "filled"\n'
\set visit 'entity: Visit\nschema: mart\nfields: {id: integer!, place: text}\nactions:\n  - name: came\n    on: insert Visit\n    steps:\n      - notify: x "came"\n'
\set ECHO all
SELECT line, col, code, message, hint FROM specql.validate(:'basket');
SELECT action, object FROM specql.apply(:'basket');
-- Others are none of its business; what is distributed later is found, and refused when it is applied again.
SELECT action, object FROM specql.apply(:'visit') WHERE kind = 'table';
SELECT count(*) FROM specql.health() WHERE "check" LIKE 'table%';
INSERT INTO pg_dist_partition VALUES ('mart.visit');
SELECT "check", status, detail FROM specql.health() WHERE "check" LIKE 'table%';
SELECT line, col, code, message FROM specql.validate(:'visit');
-- Other specs can be applied, and once the table is a local one, all of them.
SELECT count(*) FROM specql.apply(E'entity: Till\nschema: mart\nfields: {name: text}') WHERE kind = 'table';
DELETE FROM pg_dist_partition;
SELECT action, object FROM specql.apply(:'basket') WHERE kind = 'table';
SELECT DISTINCT action FROM specql.apply(:'visit');
\set ECHO none
SET allow_system_table_mods = on;
DROP TABLE pg_catalog.pg_dist_partition;
DROP SCHEMA mart CASCADE;
DROP EXTENSION specql CASCADE;
