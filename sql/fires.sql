-- fires: in which sessions an action's triggers fire, told by session_replication_role.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all
CREATE FUNCTION pg_temp.spec(fires text) RETURNS text LANGUAGE sql AS $$
    SELECT E'entity: Box\nschema: yard\nfields: {size: integer}\nactions:\n  - name: here\n    on: Box\n    steps:\n'
        || E'      - insert: "Said SET what = \'here \' || size"\n  - name: there\n    on: insert Box\n' || fires
        || E'    steps:\n      - insert: "Said SET what = \'there \' || size"\n---\nentity: Said\nschema: yard\nfields: {what: text}\n' $$;
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(E'    fires: always\n'));
CREATE FUNCTION pg_temp.modes() RETURNS TABLE (name text, mode "char") LANGUAGE sql AS $$
    SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'yard.box'::regclass AND NOT tgisinternal ORDER BY 1 $$;
CREATE FUNCTION pg_temp.said() RETURNS TABLE (what text) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM yard.said RETURNING id, said.what) SELECT what FROM gone ORDER BY what $$;
SELECT * FROM pg_temp.modes();
INSERT INTO yard.box (size) VALUES (1);
SELECT * FROM pg_temp.said();
SET session_replication_role = replica;
INSERT INTO yard.box (size) VALUES (2);
RESET session_replication_role;
SELECT * FROM pg_temp.said();
SELECT * FROM specql.drift();
SELECT "check", detail FROM specql.health() WHERE status = 'half';

-- A later apply keeps it, though it replaces the triggers; taken out of the spec it is gone.
SELECT count(*) > 0 AS applied FROM specql.apply(replace(pg_temp.spec(E'    fires: always\n'), 'on: insert Box', 'on: Box'));
SELECT * FROM pg_temp.modes();
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(E'    fires: replica\n'));
SELECT * FROM pg_temp.modes();
INSERT INTO yard.box (size) VALUES (3);
SET session_replication_role = replica;
INSERT INTO yard.box (size) VALUES (4);
RESET session_replication_role;
SELECT * FROM pg_temp.said();
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(''));
SELECT * FROM pg_temp.modes();
SELECT count(*) FROM specql.drift();

-- What somebody has set by hand is seen, and half of it leads nowhere.
ALTER TABLE yard.box ENABLE ALWAYS TRIGGER there_trigger;
SELECT object, problem, fix FROM specql.drift();
SELECT "check", detail FROM specql.health() WHERE status = 'half';
ALTER TABLE yard.box ENABLE TRIGGER there_trigger;
ALTER TABLE yard.box ENABLE ALWAYS TRIGGER specql_capture;
SELECT object, problem, fix FROM specql.drift();
SELECT "check", detail FROM specql.health() WHERE status = 'half';
ALTER TABLE yard.box DISABLE TRIGGER specql_capture;
SELECT object, problem, fix FROM specql.drift();
SELECT "check", detail FROM specql.health() WHERE status = 'half';
ALTER TABLE yard.box ENABLE TRIGGER specql_capture;
SELECT count(*) FROM specql.drift();
SELECT count(*) FROM specql.health() WHERE status = 'half';

-- On partitions too, those that come later among them.
CREATE TABLE yard.part (id integer PRIMARY KEY, size integer) PARTITION BY RANGE (id);
CREATE TABLE yard.part_1 PARTITION OF yard.part FOR VALUES FROM (0) TO (10);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Part
schema: yard
fields: {id: integer!, size: integer}
actions:
  - name: parts
    on: insert Part
    fires: always
    steps:
      - insert: "Said SET what = 'part ' || id"
$$, adopt => true);
CREATE TABLE yard.part_2 PARTITION OF yard.part FOR VALUES FROM (10) TO (20);
SELECT tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname = 'specql_capture' AND tgrelid::regclass::text LIKE 'yard.part%' ORDER BY 1;
SET session_replication_role = replica;
INSERT INTO yard.part VALUES (1, 1);
INSERT INTO yard.part_2 VALUES (11, 1);
RESET session_replication_role;
SELECT * FROM pg_temp.said();
ALTER TABLE yard.part_2 DISABLE TRIGGER specql_capture;
SELECT "check", detail FROM specql.health() WHERE status = 'half';

-- A custom event has no trigger.
SELECT count(*) FROM specql.apply($$
schema: yard
actions:
  - name: heard
    on: event told
    fires: always
    steps:
      - notify: yard "told"
$$);
SET client_min_messages = error;
DROP SCHEMA yard CASCADE;
DROP EXTENSION specql CASCADE;
