-- A changed entity: what PostgreSQL can do without losing a value is done, what is there already is recorded, and the rest
-- wants allow_destructive.
CREATE EXTENSION specql;
SET check_function_bodies = off;
SET client_min_messages = warning;
SET timezone = 'UTC';
\pset format unaligned

CREATE FUNCTION pg_temp.spec(fields text, rules text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT E'entity: Valve\nschema: mill\nfields:\n  ' || replace(fields, '; ', E'\n  ') || E'\n' || rules $$;
CREATE FUNCTION pg_temp.change(fields text, rules text DEFAULT '', destructive boolean DEFAULT false)
RETURNS TABLE (step integer, action text, kind text, object text, destructive boolean, sql text) LANGUAGE sql AS $$
    SELECT * FROM specql.plan(pg_temp.spec($1, $2), allow_destructive => $3) WHERE action <> 'unchanged' $$;
CREATE FUNCTION pg_temp.apply(fields text, rules text DEFAULT '', destructive boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text) LANGUAGE sql AS $$
    SELECT * FROM specql.apply(pg_temp.spec($1, $2), allow_destructive => $3) WHERE action <> 'unchanged' $$;
CREATE FUNCTION pg_temp.refused(fields text) RETURNS TABLE (code text, message text, hint text) LANGUAGE sql AS $$
    SELECT code, message, hint FROM specql.validate(pg_temp.spec($1)) $$;
CREATE FUNCTION pg_temp.columns() RETURNS TABLE (name name, type text, required boolean, "default" text) LANGUAGE sql AS $$
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required, pg_get_expr(d.adbin, d.adrelid) AS "default"
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = 'mill.valve'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'id' ORDER BY a.attnum $$;
CREATE FUNCTION pg_temp.checks() RETURNS TABLE (name name, definition text) LANGUAGE sql AS $$
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'mill.valve'::regclass AND contype = 'c' ORDER BY 1 $$;

SELECT * FROM pg_temp.apply('n: smallint = 3; kind: enum(x, y); size: decimal(6,2); label: varchar(10); day: date; note: text');
INSERT INTO mill.valve (kind, size, label, day, note) VALUES ('x', 1.25, 'a', '2026-01-02', 'word');

-- Wider types, another default, more values.
SELECT sql FROM pg_temp.change('n: bigint = 4; kind: enum(x, y, z); size: decimal(8,2); label: varchar(20); day: timestamp; note: text');
SELECT * FROM pg_temp.apply('n: bigint = 4; kind: enum(x, y, z); size: decimal(8,2); label: varchar(20); day: timestamp; note: text');
SELECT * FROM pg_temp.apply('n: bigint = 4; kind: enum(x, y, z); size: decimal(8,2); label: varchar(20); day: timestamp; note: text');
SELECT * FROM pg_temp.columns();
SELECT * FROM pg_temp.checks();
SELECT n, kind, size, label, day::date, note FROM mill.valve;
INSERT INTO mill.valve (kind) VALUES ('z') RETURNING n;
INSERT INTO mill.valve (id, kind) VALUES ('00000000-0000-7000-8000-000000000000', 'w');

-- A default taken away, one given, and columns required or no longer so; rich types bring their checks and take them away.
SELECT destructive, sql FROM pg_temp.change('n: numeric!; kind: enum(x, y, z) = x; size: decimal(8,2); label: text; day: timestamp; note: slug');
UPDATE mill.valve SET note = 'Not a slug' WHERE kind = 'z';
SELECT * FROM pg_temp.apply('n: numeric!; kind: enum(x, y, z) = x; size: decimal(8,2); label: text; day: timestamp; note: slug');
UPDATE mill.valve SET note = 'a-slug' WHERE kind = 'z';
SELECT * FROM pg_temp.apply('n: numeric!; kind: enum(x, y, z) = x; size: decimal(8,2); label: text; day: timestamp; note: slug');
SELECT * FROM pg_temp.apply('n: numeric; kind: enum(x, y, z) = x; size: decimal(8,2); label: text; day: timestamp; note: text');
SELECT * FROM pg_temp.columns();
SELECT * FROM pg_temp.checks();

-- What the owner of the table did by hand is recorded.
ALTER TABLE mill.valve ALTER COLUMN size TYPE numeric(20,6), ALTER COLUMN n SET DEFAULT 9, ALTER COLUMN n SET NOT NULL;
SELECT * FROM pg_temp.apply('n: numeric! = 9; kind: enum(x, y, z) = x; size: decimal(20,6); label: text; day: timestamp; note: text');
SELECT * FROM pg_temp.apply('n: numeric! = 9; kind: enum(x, y, z) = x; size: decimal(20,6); label: text; day: timestamp; note: text');
SELECT count(*) AS versions FROM specql.history;

-- Values that would change or be refused want a word; without it nothing happens.
SELECT * FROM pg_temp.refused('n: integer! = 9; kind: enum(x, z) = x; size: decimal(20,6); label: varchar(3); day: timestamp; note: text');
SELECT * FROM pg_temp.apply('n: integer! = 9; kind: enum(x, z) = x; size: decimal(20,6); label: varchar(3); day: timestamp; note: text');
\echo :LAST_ERROR_SQLSTATE
SELECT destructive, sql FROM pg_temp.change('n: integer! = 9; kind: enum(x, z) = x; size: decimal(20,6); label: varchar(3); day: timestamp; note: text', destructive => true);
SELECT * FROM pg_temp.apply('n: integer! = 9; kind: enum(x, z) = x; size: decimal(20,6); label: varchar(3); day: timestamp; note: text', destructive => true);
SELECT * FROM pg_temp.columns();
SELECT * FROM pg_temp.checks();
-- What no cast can do wants another way.
SELECT * FROM pg_temp.refused('n: integer! = 9; kind: enum(x, z) = x; size: uuid; label: varchar(3); day: timestamp; note: text');
ALTER TABLE mill.valve ALTER COLUMN size TYPE uuid USING gen_random_uuid();
SELECT * FROM pg_temp.apply('n: integer! = 9; kind: enum(x, z) = x; size: uuid; label: varchar(3); day: timestamp; note: text');

-- A field that comes brings its checks; one that goes takes them along.
SELECT sql FROM pg_temp.change('n: integer! = 9; kind: enum(x, z) = x; size: uuid; label: varchar(3); day: timestamp; note: text; state: {type: "enum(on, off)", check: "state <> note"}');
SELECT * FROM pg_temp.apply('n: integer! = 9; kind: enum(x, z) = x; size: uuid; label: varchar(3); day: timestamp; note: text; state: {type: "enum(on, off)", check: "state <> note"}');
SELECT * FROM pg_temp.checks();
SELECT sql FROM pg_temp.change('n: integer! = 9; size: uuid; label: varchar(3); day: timestamp; note: text; state: {type: "enum(on, off)", check: "state <> label"}', destructive => true);
SELECT * FROM pg_temp.apply('n: integer! = 9; size: uuid; label: varchar(3); day: timestamp; note: text; state: {type: "enum(on, off)", check: "state <> label"}', destructive => true);
SELECT * FROM pg_temp.checks();

-- Rules that read a column are made again when it changes, whoever's they are, with their grants.
DROP SCHEMA mill CASCADE;
SELECT count(*) > 0 AS made FROM pg_temp.apply('n: integer; kind: enum(x, y); note: text');
SELECT count(*) > 0 AS made FROM specql.apply(E'schema: mill\nactions:\n  - name: on_much\n    on: update Valve.n\n    condition: "n > 10 AND kind = ''x''"\n    steps:\n      - notify: crew "much"\n');
REVOKE ALL ON FUNCTION mill.much_capture() FROM PUBLIC;
SELECT action, kind, object, destructive FROM pg_temp.change('n: bigint; kind: enum(x, y); note: text');
SELECT * FROM pg_temp.apply('n: bigint; kind: enum(x, y); note: text');
SELECT proacl FROM pg_proc WHERE oid = 'mill.much_capture()'::regprocedure;
SELECT DISTINCT action FROM specql.apply(specql.export());
INSERT INTO mill.valve (n, kind) VALUES (1, 'x');
UPDATE mill.valve SET n = 12000000000;
SELECT message, payload #>> '{new,n}' AS n FROM specql.deliveries;
-- A field and the rule that reads it go together.
SELECT count(*) > 0 AS made FROM pg_temp.apply('n: bigint; kind: enum(x, y); note: text', E'actions:\n  - name: on_note\n    on: update Valve.note\n    steps:\n      - notify: crew "note"\n');
SELECT * FROM pg_temp.apply('n: bigint; kind: enum(x, y); title: text', E'actions:\n  - name: on_note\n    on: update Valve.title\n    steps:\n      - notify: crew "title"\n', true);
-- A view of somebody else's keeps the type as it is: the error says so, and where it comes from.
CREATE VIEW mill.seen AS SELECT n FROM mill.valve;
SELECT count(*) FROM pg_temp.apply('n: numeric; kind: enum(x, y); title: text', E'actions:\n  - name: on_note\n    on: update Valve.title\n    steps:\n      - notify: crew "title"\n');
SELECT * FROM specql.drift();
DROP SCHEMA mill CASCADE;
