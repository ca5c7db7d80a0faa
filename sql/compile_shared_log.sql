-- A log that the steps of several texts write has the columns of all of them, whichever text is applied again.
SET client_min_messages = error;
CREATE EXTENSION specql;
\set door 'entity: Door\nschema: house\nfields: {open: boolean}\nactions:\n  - name: on_door\n    trigger: open_changed\n    steps:\n      - append: Diary SET\n          what: "''door''"\n          was_open: old.open\n'
\set lamp 'entity: Lamp\nschema: house\nfields: {watts: integer}\nactions:\n  - name: on_lamp\n    trigger: watts_changed\n    steps:\n      - append: Diary SET\n          watts: watts\n          what: "''lamp''"\n'
SELECT count(*) > 0 AS applied FROM specql.apply(:'door');
SELECT action, kind, object, sql FROM specql.plan(:'lamp') WHERE object = 'house.diary';
SELECT count(*) > 0 AS applied FROM specql.apply(:'lamp');
SELECT DISTINCT action FROM specql.apply(:'door');
SELECT DISTINCT action FROM specql.apply(:'lamp');
INSERT INTO house.door (open) VALUES (false);
INSERT INTO house.lamp (watts) VALUES (40);
UPDATE house.door SET open = true;
UPDATE house.lamp SET watts = 60;
SELECT what, was_open, watts FROM house.diary ORDER BY id;
