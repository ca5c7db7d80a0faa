-- Something of everything: rules, events that failed or wait, calls, notifications, a window that has counted two events of three.
SET client_min_messages = error;
CREATE EXTENSION specql;
CREATE SCHEMA yard;
CREATE FUNCTION yard.look() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('yard.opened') IS NULL THEN RAISE EXCEPTION 'not opened yet'; END IF;
END $$;
SELECT specql.apply($$
entity: Parcel
schema: yard
fields: {weight: "numeric(8,2)"}
actions:
  - name: on_heavy
    on: insert Parcel
    condition: weight > 30
    steps:
      - insert: Note SET what = 'heavy ' || round(weight)
      - notify: ops "heavy"
      - call_external: scales "weighed"
  - name: on_open
    on: Parcel
    steps:
      - call: look()
  - name: on_slow
    on: insert Parcel
    steps:
      - insert: Note SET what = 'slow ' || round(weight)
---
entity: Note
schema: yard
fields: {what: text}
---
schema: yard
actions:
  - name: on_many
    condition: "COUNT(parcel_created) >= 3 WITHIN 30 days"
    trigger: many_parcels
    steps:
      - insert: Note SET what = 'many'
$$);
SELECT specql.pause('yard.on_slow');
INSERT INTO yard.parcel (weight) VALUES (40), (35);
UPDATE yard.parcel SET weight = 41 WHERE weight = 40;
SELECT specql.evaluate_windows(100);
-- What a worker does first: it remembers where it is.
SELECT specql.is_copy();
