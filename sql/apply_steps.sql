-- An error that PostgreSQL raises while a plan is carried out says where in the spec it comes from.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) FROM specql.apply(E'entity: Pipe\nschema: duct\nfields: {bore: integer}\n');
INSERT INTO duct.pipe (bore) VALUES (1);
-- A field that must have a value, on a table with rows: a new one, and one that has been there.
SELECT specql.apply(E'entity: Pipe\nschema: duct\nfields:\n  bore: integer\n  length: integer!\n');
INSERT INTO duct.pipe (bore) VALUES (NULL);
SELECT specql.apply(E'entity: Pipe\nschema: duct\nfields:\n  bore: integer!\n');
-- An index whose name another table has, and one over what changes.
CREATE TABLE duct.taken (x integer);
CREATE INDEX pipe_bore_idx ON duct.taken (x);
SELECT specql.apply(E'entity: Pipe\nschema: duct\nfields: {bore: integer}\nindexes:\n  - columns: [bore]\n');
SELECT specql.apply(E'entity: Pipe\nschema: duct\nfields: {bore: integer}\nindexes:\n  - name: chance\n    columns: [bore]\n    where: "random() > 1"\n');
-- No right to create in the schema.
CREATE ROLE specql_plumber;
GRANT specql_admin TO specql_plumber;
SET ROLE specql_plumber;
SELECT specql.apply(E'entity: Tap\nschema: duct\nfields: {bore: integer}\n');
RESET ROLE;
-- More columns than a table can have are found before any command runs.
SELECT specql.apply(E'entity: Wide\nschema: duct\nfields:\n' || string_agg(format(E'  f%s: integer\n', i), '' ORDER BY i)) FROM generate_series(1, 1700) i;
-- Who called apply is still to be seen.
DO $$ BEGIN
    PERFORM specql.apply(E'entity: Wide\nschema: duct\nfields:\n' || string_agg(format(E'  field_%s: integer\n', i), '' ORDER BY i)) FROM generate_series(1001, 2700) i;
END $$;
-- No right to create in the database: nothing smaller than the text's entity wants the schema.
SET ROLE specql_plumber;
SELECT specql.apply(E'\nentity: Tap\nschema: flue\nfields: {bore: integer}\n');
RESET ROLE;
-- An action of the text, and one that is installed already.
CREATE FUNCTION duct.mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER bore_trigger BEFORE UPDATE ON duct.pipe FOR EACH ROW EXECUTE FUNCTION duct.mine();
SELECT specql.apply(E'schema: duct\nactions:\n  - name: on_bore\n    on: update Pipe.bore\n    steps:\n      - notify: crew "bore"\n');
DROP TRIGGER bore_trigger ON duct.pipe;
SELECT count(*) > 0 AS made FROM specql.apply(E'schema: duct\nactions:\n  - name: on_bore\n    trigger: bore_created\n    steps:\n      - notify: crew "bore"\n');
REVOKE ALL ON SCHEMA duct FROM PUBLIC;
CREATE TABLE duct.bore (id uuid PRIMARY KEY, v integer);
CREATE TRIGGER bore_trigger BEFORE UPDATE ON duct.bore FOR EACH ROW EXECUTE FUNCTION duct.mine();
SELECT specql.apply(E'entity: Bore\nschema: duct\nfields: {v: integer}\n');
DROP SCHEMA duct CASCADE;
DROP ROLE specql_plumber;
