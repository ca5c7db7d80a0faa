-- Tables that somebody renames or moves: nothing makes an empty one in their place, and what says the new place takes them over.
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all

SELECT $$
entity: Order
schema: shop
fields:
  buyer: ref(Buyer)
  state: enum(new, paid) = 'new'
  code: text
indexes: [{columns: [code], unique: true}]
actions:
  - name: on_paid
    on: update Order.state
    steps:
      - update: Buyer SET orders = orders + 1
      - append: Ledger SET
          order_id: "id"
---
entity: Buyer
schema: shop
fields: {name: text, orders: integer = 0}
$$ AS shop \gset
\set other 'entity: Parcel\nschema: store\nfields: {shop_order: ref(shop.Order)}\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'shop');
INSERT INTO shop.buyer (name) VALUES ('Ada');
INSERT INTO shop."order" (buyer_id, code) SELECT id, 'a' FROM shop.buyer;

-- Renamed: an error that says where it is and what mends it; drift says the same.
ALTER TABLE shop."order" RENAME TO orders;
SELECT severity, code, line, col, message, hint FROM specql.validate(:'shop');
SELECT * FROM specql.drift();
SELECT * FROM specql.rollback('shop.Order', 1);
SELECT to_regclass('shop."order"') IS NULL AS none_made;
-- Others may be applied, but what refers to it waits.
SELECT count(*) > 0 AS made FROM specql.apply(E'entity: Shelf\nschema: store\nfields: {place: text}\n');
SELECT severity, code, message, hint FROM specql.validate(:'other');
-- The rules go on.
UPDATE shop.orders SET state = 'paid';
SELECT orders, (SELECT count(*) FROM shop.ledger) AS ledger FROM shop.buyer;

-- The spec says the new name: the table is taken over as it is, with its rules.
SELECT replace(:'shop', E'schema: shop\nfields:\n  buyer', E'schema: shop\ntable: orders\nfields:\n  buyer') AS named \gset
SELECT action, kind, object FROM specql.apply(:'named') WHERE action <> 'unchanged';
SELECT DISTINCT action FROM specql.apply(:'named');
SELECT * FROM specql.drift();
SELECT * FROM specql.moved_table;
UPDATE shop.orders SET state = 'new';
SELECT orders, (SELECT count(*) FROM shop.ledger) AS ledger FROM shop.buyer;
SELECT conname FROM pg_constraint WHERE conrelid = 'shop.orders'::regclass AND contype <> 'n' ORDER BY 1;
SELECT count(*) > 0 AS made FROM specql.apply(:'other');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'store.parcel'::regclass AND contype = 'f';
SELECT count(*) > 0 AS gone FROM specql.remove('Parcel', true);

-- A name in the spec for which there is no table is not where the rows are.
SELECT severity, code, line, col, message, hint FROM specql.validate(replace(:'named', 'table: orders', 'table: purchases'));

-- To another schema, and another name too.
CREATE SCHEMA archive;
ALTER TABLE shop.orders SET SCHEMA archive;
SELECT kind, object, problem, fix FROM specql.drift();
ALTER TABLE archive.orders RENAME TO "Old Orders";
SELECT kind, object, problem, fix FROM specql.drift();
SELECT code, message, hint FROM specql.validate(:'named');
SELECT action, kind, object FROM specql.apply(replace(:'named', 'table: orders', 'table: archive."Old Orders"')) WHERE action <> 'unchanged';
UPDATE archive."Old Orders" SET state = 'paid';
SELECT orders, (SELECT count(*) FROM shop.ledger) AS ledger FROM shop.buyer;
SELECT * FROM specql.drift();
-- And back, by the commands that the hint gives.
ALTER TABLE archive."Old Orders" SET SCHEMA shop;
ALTER TABLE shop."Old Orders" RENAME TO "order";
SELECT action, kind, object FROM specql.apply(:'shop') WHERE action <> 'unchanged';
SELECT * FROM specql.drift();

-- A log that steps make is not made anew either.
ALTER TABLE shop.ledger RENAME TO books;
SELECT code, line, col, message, hint FROM specql.validate(:'shop');
ALTER TABLE shop.books RENAME TO ledger;
SELECT DISTINCT action FROM specql.apply(:'shop');

-- An entity that is renamed with its table: the old one goes first, and leaves the table to it.
ALTER TABLE shop."order" RENAME TO sale;
SELECT replace(replace(:'shop', 'entity: Order', 'entity: Sale'), 'Order.', 'Sale.') AS sale \gset
SELECT code, line, col, message, hint FROM specql.validate(:'sale');
SELECT action, kind, object FROM specql.remove('shop.Order') WHERE kind <> 'function';
SELECT action, kind, object FROM specql.apply(:'sale') WHERE action <> 'unchanged' ORDER BY 1, 2, 3;
SELECT conname FROM pg_constraint WHERE conrelid = 'shop.sale'::regclass AND contype <> 'n' ORDER BY 1;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'shop.sale'::regclass ORDER BY 1::text;
UPDATE shop.sale SET state = 'new';
SELECT orders, (SELECT count(*) FROM shop.ledger) AS ledger FROM shop.buyer;
SELECT * FROM specql.drift();
SELECT kind, identity, unit FROM specql.object WHERE kind NOT IN ('function', 'registration') ORDER BY 1, 2;

-- A schema that is renamed.
ALTER SCHEMA shop RENAME TO outlet;
SELECT kind, object, problem, fix FROM specql.drift();
SELECT code, line, col, message, hint FROM specql.validate(:'sale');
SELECT replace(:'sale', 'schema: shop', 'schema: outlet') AS outlet \gset
SELECT DISTINCT code, message, hint FROM specql.validate(:'outlet') ORDER BY 2;
SELECT action, kind, count(*) FROM specql.remove_schema('shop') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS functions FROM pg_proc WHERE pronamespace = 'outlet'::regnamespace;
SELECT action, kind, object FROM specql.apply(:'outlet') WHERE kind IN ('schema', 'table', 'constraint', 'index');
UPDATE outlet.sale SET state = 'paid';
SELECT orders, (SELECT count(*) FROM outlet.ledger) AS ledger FROM outlet.buyer;
SELECT * FROM specql.drift();
SELECT to_regnamespace('shop') IS NULL AS no_new_schema;

-- Dropped: to apply its spec would make an empty one, so drift does not say that.
DROP TABLE outlet.sale CASCADE;
SELECT DISTINCT fix FROM specql.drift();
-- An adopted table that somebody moved is not made again by what is applied or removed elsewhere.
CREATE SCHEMA here; CREATE SCHEMA there;
CREATE TABLE here.kept (id uuid PRIMARY KEY, s text);
INSERT INTO here.kept VALUES ('00000000-0000-0000-0000-000000000001', 'data');
SELECT count(*) > 0 AS applied FROM specql.apply(E'entity: Kept\nschema: here\nfields: {s: text}\nactions:\n  - {name: on_kept, on: insert Kept, steps: [{notify: x "y"}]}\n', adopt => true);
ALTER TABLE here.kept SET SCHEMA there;
SELECT action, kind, object FROM specql.apply(E'entity: Other\nschema: elsewhere\nfields: {s: text}\n') WHERE object LIKE '%kept%';
SELECT action, kind, object FROM specql.remove('elsewhere.Other', true) WHERE object LIKE '%kept%';
SELECT to_regclass('here.kept') AS made_again, identity, schema FROM specql.moved_table WHERE identity = 'here.kept';
