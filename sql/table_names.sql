-- table: names the table of an entity as SQL would: capitals, another schema, a name of its own.
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all

CREATE SCHEMA legacy;
CREATE TABLE legacy."Shipment" ("shipmentId" integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'new', "shippedAt" timestamptz);
CREATE TABLE legacy."the carriers" (id bigint PRIMARY KEY, parcels integer DEFAULT 0);
SELECT $$
entity: Carrier
schema: dispatch
table: 'legacy."the carriers"'
fields: {parcels: integer}
---
entity: Shipment
schema: dispatch
table: legacy."Shipment"
fields:
  state: text
  shippedAt: timestamp
actions:
  - name: on_shipped
    trigger: shipment_state_changed
    conditions:
      - if: "shipment.state = 'shipped' AND old.state <> new.state"
        then:
          - update: Shipment SET shippedAt = now()
          - insert: Parcel SET
              shipment: "shipment_id"
              carrier: "1"
  - name: each_change
    trigger: any_shipment_change
    steps:
      - append: ShipmentLog SET
          shipment_id: "shipment_id"
          state_was: "row_to_json(new)"
          at: "event_time"
---
entity: Parcel
schema: dispatch
table: parcels
fields:
  shipment: ref(Shipment)
  carrier: ref(Carrier)
  kind: enum(box, tube) = 'box'
  event_type: enum(packed)
indexes: [{columns: [kind]}]
actions:
  - name: on_parcel
    trigger: parcel_created
    steps:
      - update: Carrier SET parcels = parcels + 1
      - emit: parcel_sent
  - name: weighed
    pattern: batch/bulk_operation
    operation: update
    params: {limit_kind: text}
    steps:
      - update: Parcel SET kind = 'tube' WHERE kind = limit_kind
$$ AS spec \gset
SELECT action, kind, object FROM specql.apply(:'spec') WHERE kind IN ('table', 'constraint', 'index', 'trigger');
SELECT DISTINCT action FROM specql.apply(:'spec');
SELECT DISTINCT action FROM specql.apply(specql.export());
SELECT * FROM specql.drift();
SELECT schema, entity, "table" FROM specql.entities ORDER BY 1, 2;
SELECT proname FROM pg_proc WHERE pronamespace = 'dispatch'::regnamespace ORDER BY 1;
SELECT name, resolved_to FROM specql.explain(:'spec') ORDER BY 1, 2;
INSERT INTO legacy."the carriers" VALUES (1);
INSERT INTO legacy."Shipment" DEFAULT VALUES;
INSERT INTO legacy."Shipment" DEFAULT VALUES;
UPDATE legacy."Shipment" SET state = 'shipped' WHERE "shipmentId" = 2;
SELECT "shipmentId", state, "shippedAt" IS NOT NULL AS shipped FROM legacy."Shipment" ORDER BY 1;
SELECT shipment_id, carrier_id, kind FROM dispatch.parcels;
SELECT parcels FROM legacy."the carriers";
SELECT shipment_id, count(*) FROM dispatch.shipment_log GROUP BY 1 ORDER BY 1;
SELECT type, data ? 'parcel_id' AS has_id, data - '{id,parcel_id}'::text[] AS data FROM specql.events WHERE type = 'parcel_sent';
SELECT count(*) FROM specql.failures;
SELECT specql.state_at('dispatch.Shipment', '2', now() - interval '1 hour');

-- The entity's name is the word for it; the table's own name is known too.
SELECT severity, code, message, hint FROM specql.validate(E'schema: dispatch\nactions:\n  - name: on_p\n    on: insert Parcel\n    steps:\n      - update: parcels SET kind = \'box\' WHERE id = new.id\n');
-- What is no table, is somebody else's, or is not there.
CREATE VIEW legacy.shown AS SELECT * FROM legacy."Shipment";
CREATE ROLE table_names_user IN ROLE specql_admin;
GRANT USAGE, CREATE ON SCHEMA legacy TO table_names_user;
SELECT severity, code, line, col, message, hint FROM specql.validate(E'entity: Seen\nschema: legacy\ntable: shown\nfields: {state: text}\n');
CREATE TABLE legacy."Owned" (v integer);
SET ROLE table_names_user;
SELECT severity, code, line, col, message FROM specql.validate(E'entity: Other\nschema: legacy\ntable: "\\"Owned\\""\nfields: {v: integer}\n');
RESET ROLE;
DROP OWNED BY table_names_user;
DROP ROLE table_names_user;
SELECT action, kind, object FROM specql.apply(E'entity: Fresh\nschema: legacy\ntable: "\\"Made Here\\""\nfields: {v: integer, f: ref(Fresh)}\n');
SELECT severity, code, line, col, message, hint FROM specql.validate(E'entity: A\ntable: Shipment\nfields: {v: integer}\n---\nentity: B\ntable: a.b.c\nfields: {v: integer}\n---\nentity: C\ntable: legacy."Made Here"\nfields: {v: integer}\n');
SELECT action, kind, object FROM specql.remove('dispatch.Shipment', 'Parcel', 'Carrier') WHERE kind IN ('table', 'constraint', 'index', 'trigger');
SELECT * FROM specql.drift();

-- " on " in a name, which also stands between names and their tables.
SELECT $$
entity: Lamp
schema: house
table: '"turn on lamp"'
fields:
  socket: ref(Socket)
  lit: boolean = false
actions:
  - name: on_lit
    on: update Lamp.lit
    steps:
      - update: Socket SET uses = uses + 1
      - append: LampLog SET
          lamp_id: "id"
---
entity: Socket
schema: house
fields: {uses: integer = 0}
$$ AS lamp \gset
SELECT action, kind, object FROM specql.apply(:'lamp') WHERE kind NOT IN ('function', 'schema');
SELECT DISTINCT action FROM specql.apply(:'lamp');
SELECT kind, identity, on_table FROM specql.object WHERE on_table LIKE 'house.%' AND state IS NOT NULL ORDER BY 1, 2;
INSERT INTO house.socket DEFAULT VALUES;
INSERT INTO house."turn on lamp" (socket_id) SELECT id FROM house.socket;
UPDATE house."turn on lamp" SET lit = true;
SELECT uses, (SELECT count(*) FROM house.lamp_log) AS logged FROM house.socket;
ALTER TABLE house."turn on lamp" RENAME TO "put on lamp";
SELECT action, kind, object FROM specql.apply(replace(:'lamp', 'turn on', 'put on')) WHERE action <> 'unchanged' AND kind <> 'function';
SELECT * FROM specql.drift();
SELECT kind, identity, on_table FROM specql.object WHERE on_table LIKE 'house.%' AND state IS NOT NULL ORDER BY 1, 2;
ALTER TABLE house."put on lamp" DISABLE TRIGGER lit_trigger;
SELECT kind, object, problem, fix FROM specql.drift();
SELECT action, kind, object FROM specql.remove('Lamp', true) WHERE kind <> 'function';
SELECT count(*) AS left_over FROM pg_trigger WHERE tgrelid = to_regclass('house."put on lamp"');
