-- Tables that others inherit: rows of those are seen through them, but raise no events.
\set ECHO none
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE SCHEMA zoo;
CREATE TABLE zoo.animal (id integer PRIMARY KEY, legs integer);
CREATE TABLE zoo.bird (wings integer) INHERITS (zoo.animal);
CREATE TABLE zoo."Fish" (fins integer) INHERITS (zoo.animal);
CREATE TABLE zoo.part (id integer) PARTITION BY LIST (id);
CREATE TABLE zoo.part_1 PARTITION OF zoo.part FOR VALUES IN (1);
\set spec 'entity: Animal\nschema: zoo\nfields: {id: integer!, legs: integer}\nactions:\n  - name: seen\n    on: insert Animal\n    steps:\n      - notify: x "seen"\n'
\set ECHO all
SELECT line, col, code, message FROM specql.validate(:'spec');
SELECT action, object FROM specql.apply(:'spec');
-- So are rules on a table that no text declares.
SELECT line, col, code, message, hint FROM specql.validate(E'schema: zoo\nactions:\n  - name: seen\n    on: insert Animal\n    steps:\n      - notify: x "seen"\n');
-- Those that inherit may be adopted, and partitions are no such tables.
SELECT count(*) FROM specql.validate(E'entity: Bird\nschema: zoo\nfields: {id: integer!, wings: integer}\nactions:\n  - name: seen\n    on: insert Bird\n    steps:\n      - notify: x "seen"\n---\nentity: Part\nschema: zoo\nfields: {id: integer}\n');
ALTER TABLE zoo.bird NO INHERIT zoo.animal;
ALTER TABLE zoo."Fish" NO INHERIT zoo.animal;
SELECT action, object FROM specql.apply(:'spec') WHERE kind = 'table';
-- What comes to be inherited later is found.
SELECT count(*) FROM specql.health() WHERE "check" LIKE 'table%';
ALTER TABLE zoo."Fish" INHERIT zoo.animal;
SELECT "check", status, detail FROM specql.health() WHERE "check" LIKE 'table%';
\set ECHO none
DROP SCHEMA zoo CASCADE;
DROP EXTENSION specql CASCADE;
