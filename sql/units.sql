-- What is installed as a whole: out as text, back to an older version, away, and how it differs from what was applied.
\set ECHO none
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
DROP EXTENSION IF EXISTS specql CASCADE;
CREATE EXTENSION specql;
\set ECHO all

\set lamp 'entity: Lamp\nschema: house\nfields:\n  room: text!\n  lit: boolean = false\n  watts: integer\nactions:\n  - name: on_lit\n    trigger: lit_changed\n    steps:\n      - insert: Record SET\n          lamp_id: "id"\n          share: "100 / watts"\n'
\set record 'entity: Record\nschema: diary\nfields:\n  lamp_id: uuid\n  share: integer\n'
\set rules 'actions:\n  - name: on_night\n    trigger: night_began\n    steps:\n      - notify: owner "it is night"\n  - name: many_nights\n    trigger: nights\n    condition: "COUNT(night_began) >= 3 WITHIN 1 week"\n    steps:\n      - notify: owner "so many nights"\n'
\set service 'service: mail\nurl: https://mail.example.org/in\n'

-- Nothing is installed.
SELECT specql.export();
SELECT specql.export('Lamp');
SELECT * FROM specql.remove('Lamp');
SELECT * FROM specql.rollback('Lamp', 1);
SELECT * FROM specql.drift();

SELECT count(*) > 5 AS made FROM specql.apply(:'lamp' || E'---\n' || :'record' || E'---\n' || :'service');
SELECT count(*) > 3 AS made FROM specql.apply(:'rules', 'house');

-- Out, and in again: nothing changes. One of them alone.
SELECT specql.export();
SELECT DISTINCT action FROM specql.apply(specql.export());
SELECT specql.export('house.Lamp') = :'lamp' AS verbatim, specql.export('entity:diary.Record') = :'record' AS verbatim_too;
SELECT specql.export('mail');
SELECT specql.export('Lump');
-- A text that holds all of it, for a database that has nothing.
SELECT specql.export() AS all \gset
SELECT specql.remove(u) IS NOT NULL AS removed, count(*) > 0 AS some
FROM unnest(ARRAY['on_night', 'many_nights', 'Lamp', 'Record', 'mail']) AS u GROUP BY 1;
SELECT count(*) AS units FROM specql.unit;
SELECT action, count(*) > 0 AS some FROM specql.apply(:'all') GROUP BY 1 ORDER BY 1;
SELECT specql.export() = :'all' AS same;

-- An older version, and the newest again.
\set lamp2 'entity: Lamp\nschema: house\nfields:\n  room: text!\n  lit: boolean = false\n  watts: integer\n  colour: text\n'
SELECT action, kind, object FROM specql.apply(:'lamp2') WHERE action <> 'unchanged';
SELECT action, kind, object FROM specql.rollback('Lamp', 1) WHERE action <> 'unchanged';
SELECT action, kind, object FROM specql.rollback('Lamp', 1, true) WHERE action <> 'unchanged';
SELECT spec, version FROM specql.history WHERE spec = 'house.Lamp' ORDER BY version;
SELECT * FROM specql.rollback('Lamp', 9);

-- Somebody mends by hand.
ALTER TABLE house.lamp ADD COLUMN remark text;
SELECT * FROM specql.drift();
ALTER TABLE house.lamp DROP COLUMN watts CASCADE;
ALTER TABLE house.lamp DISABLE TRIGGER lit_trigger;
ALTER TABLE diary.record ALTER COLUMN share TYPE bigint;
CREATE OR REPLACE FUNCTION house.handle_on_night_events() RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE OR REPLACE FUNCTION house.handle_night_events() RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
DROP TRIGGER specql_capture ON house.lamp;
SELECT * FROM specql.drift();
SELECT status, detail FROM specql.health() WHERE "check" = 'drift';
-- The spec brings it back, but what the trigger and the types are now was somebody's wish.
SELECT action, kind, object, detail FROM specql.apply(specql.export('Lamp')) WHERE action <> 'unchanged';
SELECT action, kind, object, detail FROM specql.apply(specql.export('on_night')) WHERE action <> 'unchanged';
SELECT * FROM specql.drift();
ALTER TABLE house.lamp ENABLE TRIGGER lit_trigger;
ALTER TABLE diary.record ALTER COLUMN share TYPE integer;
SELECT * FROM specql.drift();
-- What a server of another major version said is not compared.
UPDATE specql.object SET state = 'other words', server = server - 1 WHERE kind = 'function';
SELECT * FROM specql.drift();
SELECT DISTINCT action FROM specql.apply(specql.export());

-- Away: what others need stays. A table stays with its rows, and is the entity's again when that comes back.
\set reader 'actions:\n  - name: on_record\n    on: insert diary.Record\n    steps:\n      - notify: owner "written"\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'reader', 'house');
SELECT * FROM specql.remove('Record', drop_table => true);
INSERT INTO house.lamp (room, watts) VALUES ('hall', 0), ('attic', 50);
SET client_min_messages = error;
UPDATE house.lamp SET lit = true;
SET client_min_messages = warning;
SELECT sqlstate, action FROM specql.failures;
SELECT * FROM specql.remove('Lamp');
SELECT count(*) AS rows_kept FROM house.lamp;
SELECT specql.retry(id) FROM specql.failures;
SELECT status, sqlstate, action FROM specql.failures;
UPDATE house.lamp SET lit = false;
SELECT count(*) AS records FROM diary.record;
UPDATE house.lamp SET watts = 10 WHERE watts = 0;
SELECT action, count(*) > 0 AS some FROM specql.rollback('house.Lamp', 1) GROUP BY 1 ORDER BY 1;
UPDATE house.lamp SET lit = true;
SELECT count(*) AS records FROM diary.record;
SELECT specql.retry(id) FROM specql.failures;
SELECT count(*) AS records FROM diary.record;
SELECT action, kind, object FROM specql.remove('Lamp', drop_table => true) WHERE kind = 'table';
SELECT to_regclass('house.lamp') IS NULL AS gone;
SELECT action, kind, object FROM specql.remove('house.on_night') ORDER BY 1, 2, 3;
SELECT action, kind, object FROM specql.remove('mail');
SELECT kind, schema, name FROM specql.unit ORDER BY 1, 2, 3;
SELECT text FROM specql.spec WHERE text LIKE '# removed%' ORDER BY id DESC LIMIT 3;

-- Names that several have.
SELECT count(*) > 0 AS made FROM specql.apply(E'entity: Lamp\nschema: garden\nfields: {room: text}\n---\n' || :'lamp');
SELECT * FROM specql.remove('Lamp');

-- Who may apply may do all of this, to what belongs to them; nobody else.
CREATE ROLE units_keeper IN ROLE specql_admin;
CREATE ROLE units_nobody;
GRANT CREATE ON DATABASE :DBNAME TO units_keeper;
SET ROLE units_nobody;
SELECT specql.export();
SELECT * FROM specql.drift();
SELECT * FROM specql.remove('garden.Lamp');
SELECT * FROM specql.rollback('garden.Lamp', 1);
SET ROLE units_keeper;
SELECT length(specql.export()) > 10 AS exported;
SELECT count(*) FROM specql.drift();
SELECT * FROM specql.remove('garden.Lamp', drop_table => true);
SELECT count(*) > 0 AS made FROM specql.apply(E'entity: Own\nschema: keeper\nfields: {room: text}\n');
SELECT action, kind, object FROM specql.remove('Own', drop_table => true);
RESET ROLE;
DROP SCHEMA keeper;
DROP OWNED BY units_keeper;
DROP ROLE units_keeper, units_nobody;
