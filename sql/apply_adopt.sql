-- Tables that are taken over: only those of the text, with the key they have; and what an apply left whose record is gone.
CREATE EXTENSION specql;
SET client_min_messages = warning;

-- What adopt => true may add is added to tables of the text alone, not to those that were adopted before.
CREATE SCHEMA shed;
CREATE TABLE shed.old (v integer);
SELECT action, kind, object FROM specql.apply(E'entity: Old\nschema: shed\nfields: {v: integer}\n');
SELECT action, kind, object FROM specql.plan(E'entity: Fresh\nschema: shed\nfields: {v: integer}\n', adopt => true);
SELECT action, kind, object FROM specql.apply(E'entity: Fresh\nschema: shed\nfields: {v: integer}\n', adopt => true);
SELECT attname FROM pg_attribute WHERE attrelid = 'shed.old'::regclass AND attnum > 0;
SELECT action, kind, object, sql FROM specql.plan(E'entity: Old\nschema: shed\nfields: {v: integer}\n', adopt => true);

-- A key of its own stays the table's key, also where it is called id.
CREATE TABLE shed.rake (id integer PRIMARY KEY, v integer, seen integer DEFAULT 0);
CREATE TABLE shed.hoe (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v integer);
CREATE TABLE shed.log (id integer, v integer);
SELECT $$
entity: Rake
schema: shed
fields: {v: integer, seen: integer}
actions:
  - name: on_rake
    on: update Rake.v
    steps:
      - update: Rake SET seen = seen + 1
      - insert: Hoe SET
          v: "rake_id"
---
entity: Hoe
schema: shed
fields: {v: integer}
---
entity: Log
schema: shed
fields: {v: integer}
$$ AS tools \gset
SELECT action, kind, object FROM specql.apply(:'tools') WHERE kind = 'table';
SELECT DISTINCT action FROM specql.apply(:'tools', adopt => true);
INSERT INTO shed.rake VALUES (7, 1), (8, 1);
UPDATE shed.rake SET v = 2 WHERE id = 7;
SELECT * FROM shed.rake ORDER BY id;
SELECT * FROM shed.hoe;
-- Where the fields say what id is, the table must have it.
SELECT code, message FROM specql.validate(E'entity: Rake\nschema: shed\nfields: {id: uuid, v: integer}\n');
-- A ref has the type of that key.
SELECT action, kind, object FROM specql.apply(E'entity: Loan\nschema: shed\nfields: {rake: ref(Rake), hoe: ref(Hoe)}\nactions:\n  - name: on_loan\n    on: insert Loan\n    steps:\n      - update: Rake SET seen = seen + 10 WHERE id = rake\n') WHERE kind IN ('table', 'constraint');
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'shed.loan'::regclass AND attname LIKE '%\_id';
INSERT INTO shed.loan (rake_id) VALUES (8);
SELECT * FROM shed.rake ORDER BY id;

-- DROP EXTENSION takes the record, the triggers and the defaults. The same texts, with adopt, bring all of it back:
-- indexes and foreign keys, functions of windows and of actions on several tables, the guard of logs.
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
SELECT $$
entity: Shelf
schema: inventory
fields: {product: ref(Product), place: text = 'left', width: integer = 3}
indexes: [{columns: [place]}]
actions:
  - name: on_width
    on: update Shelf.width
    steps:
      - notify: joiner "another shelf"
$$ AS shelf \gset
SELECT action, count(*) FROM specql.apply(:'inventory') GROUP BY 1;
SELECT action, count(*) FROM specql.apply(:'advanced', 'inventory') GROUP BY 1 ORDER BY 1;
SELECT action, count(*) FROM specql.apply(:'shelf') GROUP BY 1;
CREATE FUNCTION shed.generated() RETURNS TABLE (n bigint, digest text) LANGUAGE sql AS $$
    SELECT count(*), md5(string_agg(pg_get_functiondef(oid), '' ORDER BY proname)) FROM pg_proc
    WHERE pronamespace IN ('inventory'::regnamespace, 'sales'::regnamespace) $$;
CREATE FUNCTION shed.triggers() RETURNS TABLE (n bigint, digest text) LANGUAGE sql AS $$
    SELECT count(*), md5(string_agg(pg_get_triggerdef(oid) || tgenabled::text, '' ORDER BY tgname, tgrelid)) FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'inventory'::regnamespace) $$;
SELECT n AS functions, digest AS functions_digest FROM shed.generated() \gset
SELECT n AS triggers, digest AS triggers_digest FROM shed.triggers() \gset
DROP EXTENSION specql CASCADE;
CREATE EXTENSION specql;
SELECT action, kind, count(*) FROM specql.apply(:'inventory', adopt => true) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT action, kind, count(*) FROM specql.apply(:'advanced', 'inventory', adopt => true) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT action, kind, object, detail FROM specql.apply(:'shelf', adopt => true);
SELECT n = :functions AND digest = :'functions_digest' AS same FROM shed.generated();
SELECT n = :triggers AND digest = :'triggers_digest' AS same FROM shed.triggers();
SELECT DISTINCT action FROM specql.apply(:'inventory');
SELECT DISTINCT action FROM specql.apply(:'advanced', 'inventory');
SELECT * FROM specql.drift();
INSERT INTO inventory.product (name, stock_quantity, reorder_point) VALUES ('drill', 9, 5);
UPDATE inventory.product SET stock_quantity = 4;
SELECT event_type FROM inventory.inventory_event;
SELECT count(*) FROM inventory.inventory_event_log;
DELETE FROM inventory.inventory_event_log;
SELECT count(*) FROM specql.log_readings();

-- A dump without data has the triggers too, but no record.
TRUNCATE specql.action, specql.spec, specql.unit, specql.unit_version, specql.object, specql.window_rule CASCADE;
SELECT action, kind, count(*) FROM specql.apply(:'inventory', adopt => true) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT action, kind, count(*) FROM specql.apply(:'advanced', 'inventory', adopt => true) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT n = :triggers AND digest = :'triggers_digest' AS same FROM shed.triggers();

-- Tables are specql's again: what the text says otherwise by now is done, and later too.
DROP EXTENSION specql CASCADE;
CREATE EXTENSION specql;
SELECT replace(:'shelf', 'width: integer', 'width: bigint') AS shelf \gset
SELECT action, kind, object, detail FROM specql.apply(:'shelf' || E'---\n' || :'inventory', adopt => true) WHERE kind = 'table' OR object ~ 'width';
SELECT action, object, sql FROM specql.plan(replace(:'inventory', 'cancelled', 'cancelled, returned')) WHERE action <> 'unchanged';

-- Without adopt the missing defaults are told of; adopt mends them later, too.
DROP EXTENSION specql CASCADE;
CREATE EXTENSION specql;
SET client_min_messages = notice;
SELECT action, object FROM specql.apply(:'shelf' || E'---\nentity: Product\nschema: inventory\nfields: {name: text}\n') WHERE kind = 'table';
SET client_min_messages = warning;
INSERT INTO inventory.shelf DEFAULT VALUES;
SELECT severity, code, line, col, message, hint FROM specql.validate(:'shelf');
ALTER TABLE inventory.shelf ALTER COLUMN place DROP DEFAULT;
SELECT action, object, sql FROM specql.plan(:'shelf', adopt => true) WHERE action <> 'unchanged';
SELECT action, object, detail FROM specql.apply(:'shelf', adopt => true) WHERE action <> 'unchanged';
INSERT INTO inventory.shelf DEFAULT VALUES RETURNING place, width;
SELECT DISTINCT action FROM specql.apply(:'shelf');
DROP SCHEMA inventory, sales, shed CASCADE;
