-- TRUNCATE: an event of its own, and the end of all rows for whoever asks for their state.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Cart
schema: yard
fields: {label: text}
actions:
  - name: note_emptied
    on: truncate Cart
    steps:
      - insert: Note SET what = event_type
      - notify: yard "emptied"
      - emit: yard_emptied
  - name: note_by_nobody
    on: truncate yard.Cart
    condition: caller.user = 'nobody'
    steps:
      - insert: Note SET what = 'never'
  - name: on_yard_emptied
    on: event yard_emptied
    steps:
      - insert: "Note SET what = 'heard of ' || (payload.truncated)::text"
  - name: note_gone
    on: delete Cart
    steps:
      - insert: "Note SET what = 'gone ' || label"
---
entity: Note
schema: yard
fields: {what: text}
---
entity: Wheel
schema: yard
fields: {cart: ref(Cart), size: integer}
actions:
  - name: keep_wheels
    on: Wheel
    steps:
      - append: WheelLog SET wheel_id = id, state = row_to_json(new), at = event_time
---
entity: WheelLog
schema: yard
fields: {wheel_id: uuid, state: json, at: timestamp}
$$);
\set ECHO all
CREATE FUNCTION pg_temp.notes() RETURNS TABLE (what text) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM yard.note RETURNING id, note.what) SELECT what FROM gone ORDER BY id $$;
SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE t.tgrelid = 'yard.cart'::regclass AND NOT t.tgisinternal ORDER BY t.tgname;

-- ---- one event for each statement and table, whatever rows there were ---------------------------------------------------
INSERT INTO yard.cart (label) VALUES ('red'), ('blue');
TRUNCATE yard.cart CASCADE;
SELECT * FROM pg_temp.notes();
SELECT action, type, subject, data FROM specql.events WHERE type <> 'yard.wheel.changed' ORDER BY id;
SELECT channel, payload IS NOT NULL AS told FROM specql.deliveries;
TRUNCATE yard.cart, yard.note, yard.wheel;
SELECT * FROM pg_temp.notes();
BEGIN;
TRUNCATE yard.cart CASCADE;
ROLLBACK;
SELECT * FROM pg_temp.notes();
ALTER TABLE yard.cart DISABLE TRIGGER note_emptied_trigger;
TRUNCATE yard.cart CASCADE;
ALTER TABLE yard.cart ENABLE TRIGGER note_emptied_trigger;
SELECT * FROM pg_temp.notes();

-- ---- a failure is tried again, a pause holds it, a replay repeats it -----------------------------------------------------
ALTER TABLE yard.note ADD CONSTRAINT no_notes CHECK (what IS NULL);
SET client_min_messages = error;
TRUNCATE yard.cart CASCADE;
SET client_min_messages = warning;
SELECT action, data FROM specql.failures;
ALTER TABLE yard.note DROP CONSTRAINT no_notes;
SELECT count(specql.retry(id)) AS retried FROM specql.failures;
SELECT count(*) >= 0 AS drained FROM specql.drain();
SELECT * FROM pg_temp.notes();
SELECT specql.pause('yard.note_emptied');
TRUNCATE yard.cart CASCADE;
SELECT * FROM pg_temp.notes();
SELECT specql.resume('yard.note_emptied') > 0 AS resumed;
SELECT count(*) >= 0 AS drained FROM specql.drain();
SELECT * FROM pg_temp.notes();

-- ---- the state of rows: none that there was is alive after it ------------------------------------------------------------
INSERT INTO yard.cart (id, label) VALUES ('00000000-0000-7000-8000-0000000000cc', 'green');
INSERT INTO yard.wheel (id, size) VALUES ('00000000-0000-7000-8000-00000000000a', 1), ('00000000-0000-7000-8000-00000000000b', 2);
SELECT clock_timestamp() AS before \gset
TRUNCATE yard.wheel;
SELECT clock_timestamp() AS after \gset
INSERT INTO yard.wheel (id, size) VALUES ('00000000-0000-7000-8000-00000000000b', 3);
SELECT specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000a', :'before') ->> 'size' AS before,
       specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000a', :'after') IS NULL AS after,
       specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000a', now()) IS NULL AS now;
SELECT specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000b', :'before') ->> 'size' AS before,
       specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000b', :'after') IS NULL AS after,
       specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000b', now()) ->> 'size' AS now;
-- Rolled back, it has not been; and what a transaction inserts behind its TRUNCATE is there.
BEGIN; TRUNCATE yard.wheel; ROLLBACK;
SELECT specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000b', clock_timestamp()) ->> 'size' AS now;
BEGIN;
TRUNCATE yard.wheel;
INSERT INTO yard.wheel (id, size) VALUES ('00000000-0000-7000-8000-00000000000c', 4);
COMMIT;
SELECT specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000b', clock_timestamp()) IS NULL AS gone,
       specql.state_at('yard.Wheel', '00000000-0000-7000-8000-00000000000c', clock_timestamp()) ->> 'size' AS there;
CREATE TABLE yard.again (LIKE yard.wheel INCLUDING ALL);
SELECT specql.rebuild('yard.Wheel', 'yard.again');
SELECT size FROM yard.again;
TRUNCATE yard.again;
SELECT specql.rebuild('yard.Wheel', 'yard.again', :'after');
SELECT specql.rebuild('yard.Wheel', 'yard.again', :'before');
SELECT size FROM yard.again ORDER BY 1;
-- Of the event log alone.
SET client_min_messages = error;
SELECT count(*) > 0 AS removed FROM specql.remove(true, 'yard.Wheel', 'yard.WheelLog');
SET client_min_messages = warning;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Axle
schema: yard
fields: {size: integer}
actions:
  - name: see_axles
    on: Axle
    steps:
      - notify: axles "changed"
$$);
INSERT INTO yard.axle (id, size) VALUES ('00000000-0000-7000-8000-00000000000a', 1), ('00000000-0000-7000-8000-00000000000b', 1);
SELECT clock_timestamp() AS before \gset
TRUNCATE yard.axle;
SELECT clock_timestamp() AS after \gset
INSERT INTO yard.axle (id, size) VALUES ('00000000-0000-7000-8000-00000000000b', 2);
SELECT specql.state_at('yard.Axle', '00000000-0000-7000-8000-00000000000a', :'before') ->> 'size' AS before,
       specql.state_at('yard.Axle', '00000000-0000-7000-8000-00000000000a', :'after') IS NULL AS after,
       specql.state_at('yard.Axle', '00000000-0000-7000-8000-00000000000b', :'after') IS NULL AS after_too,
       specql.state_at('yard.Axle', '00000000-0000-7000-8000-00000000000b', now()) ->> 'size' AS now,
       specql.state_at('yard.Axle', '00000000-0000-7000-8000-00000000000f', now()) IS NULL AS never;

-- ---- a partitioned table: of all of it ------------------------------------------------------------------------------------
CREATE TABLE yard.load (id integer PRIMARY KEY, weight integer) PARTITION BY RANGE (id);
CREATE TABLE yard.load_low PARTITION OF yard.load FOR VALUES FROM (0) TO (100);
CREATE TABLE yard.load_high PARTITION OF yard.load FOR VALUES FROM (100) TO (200);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Load
schema: yard
fields: {weight: integer}
actions:
  - name: see_loads
    on: Load
    steps:
      - notify: loads "changed"
  - name: see_no_loads
    on: truncate Load
    steps:
      - insert: Note SET what = event_type
$$, adopt => true);
SELECT * FROM pg_temp.notes();
INSERT INTO yard.load VALUES (1, 1), (101, 2);
TRUNCATE yard.load;
SELECT * FROM pg_temp.notes();
SELECT specql.state_at('yard.Load', 101, clock_timestamp()) IS NULL AS gone;

-- ---- what it cannot say, and what is said of it -------------------------------------------------------------------------------
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Bolt
schema: yard
fields: {size: integer, status: text}
actions:
  - name: of_rows
    on: truncate Bolt
    conditions:
      - if: "status = 'lost' AND old.size > 1"
        then:
          - update: Bolt SET size = 1
          - insert: "Note SET what = new.status || bolt.status"
  - name: of_a_field
    on: truncate Bolt.size
    steps:
      - notify: bolts "gone"
  - name: fine
    on: truncate Bolt
    steps:
      - create: Bolt SET size = 0
$$);
SELECT object, detail FROM specql.apply($$
entity: Bolt
schema: yard
fields: {size: integer}
actions:
  - name: see_gone
    on: delete Bolt
    steps:
      - notify: bolts "gone"
$$) WHERE object LIKE 'specql%';
SELECT name, resolved_to FROM specql.explain((SELECT specql.export('yard.Cart'))) WHERE action = 'yard.note_emptied';
SELECT * FROM specql.drift();
SET client_min_messages = error;
DROP SCHEMA yard CASCADE;
DROP EXTENSION specql CASCADE;
