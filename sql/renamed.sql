-- renamed_from: what has another name now keeps what it has.
\set ECHO none
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE FUNCTION pg_temp.planned(spec text) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', p.action, p.kind, p.object, p.destructive, CASE WHEN p.kind <> 'function' THEN regexp_replace(p.sql, '\s+', ' ', 'g') END)
    FROM specql.plan(spec) AS p WHERE p.action <> 'unchanged' $$;
CREATE FUNCTION pg_temp.applied(spec text) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', a.action, a.kind, a.object, a.detail) FROM specql.apply(spec) AS a WHERE a.action <> 'unchanged' $$;
SELECT $$
entity: Parcel
schema: shop
fields:
  mass: integer! = 1
  price: decimal(10,2)
  state: enum(waiting, sent) = 'waiting'
  customer: ref(Customer)
actions:
  - name: on_heavy
    on: update Parcel.mass
    conditions:
      - if: "mass > 10"
        then:
          - insert: Note SET parcel_id = id, kilos = mass
  - name: watch
    on: Parcel
    steps:
      - notify: ops "parcel"
---
entity: Customer
schema: shop
fields: {name: text}
---
entity: Note
schema: shop
fields: {parcel_id: uuid, kilos: integer}
$$ AS before \gset
SELECT replace(replace(replace(replace(:'before', 'mass: integer! = 1', 'weight: {type: integer! = 1, renamed_from: mass}'),
       'price: decimal(10,2)', 'total_price: {type: "decimal(10,2)", renamed_from: [cost, price]}'),
       'state: enum(waiting, sent) = ''waiting''', 'status: {type: "enum(waiting, sent) = ''waiting''", renamed_from: state}'),
       'customer: ref(Customer)', 'buyer: {type: ref(Customer), renamed_from: customer}') AS after \gset
SELECT replace(replace(:'after', 'Parcel.mass', 'Parcel.weight'), 'mass > 10', 'weight > 10') AS after \gset
SELECT replace(:'after', 'kilos = mass', 'kilos = weight') AS after \gset
\set ECHO all
SELECT count(*) > 0 FROM specql.apply(:'before');
INSERT INTO shop.customer (name) VALUES ('Ada');
INSERT INTO shop.parcel (id, mass, price, customer_id) SELECT '00000000-0000-7000-8000-000000000001', 5, 9.5, id FROM shop.customer;
-- A handler that fails: its events wait under the old names.
ALTER TABLE shop.note ADD CONSTRAINT no CHECK (kilos < 0);
UPDATE shop.parcel SET mass = 20;
SELECT action, status FROM specql.failures;

-- Without renamed_from: refused, and the hint has the line to write.
SELECT code, message, hint FROM specql.validate(regexp_replace(:'after', '\{type: "?([^,"]+(?:,2\))?)"?, renamed_from: [^\n]*\}', '\1', 'g'));
SELECT code, hint FROM specql.validate(replace(:'before', 'mass', 'weight'));
SELECT code, hint FROM specql.validate(replace(:'before', 'price: decimal', 'total_price: decimal'));
-- One of another type, and of another name, is another one.
SELECT code, hint FROM specql.validate(replace(:'before', 'price: decimal(10,2)', 'remark: text'));

-- plan and validate change nothing.
SELECT code, message FROM specql.validate(:'after') WHERE severity <> 'notice';
SELECT pg_temp.planned(:'after');
SELECT attname FROM pg_attribute WHERE attrelid = 'shop.parcel'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(*) FROM specql.former_column;
-- apply does, and keeps what there is.
SELECT pg_temp.applied(:'after');
SELECT weight, total_price, status, buyer_id IS NOT NULL AS buyer FROM shop.parcel;
SELECT * FROM specql.drift();
-- Again: nothing.
SELECT pg_temp.planned(:'after');
SELECT pg_temp.applied(:'after');
SELECT specql.export('shop.Parcel') ~ 'renamed_from: mass';

-- What was logged before is read with the names of now.
SELECT data #>> '{new,mass}' AS logged, data #>> '{new,weight}' AS present FROM specql.events WHERE action = 'shop.watch' ORDER BY id;
SELECT s ->> 'weight', s ->> 'total_price', s ->> 'status', s ? 'mass', s ? 'price'
FROM specql.state_at('shop.Parcel', '00000000-0000-7000-8000-000000000001', clock_timestamp()) AS s;
CREATE TABLE shop.again (LIKE shop.parcel INCLUDING ALL);
SELECT specql.rebuild('shop.Parcel', 'shop.again');
SELECT weight, total_price, status, buyer_id IS NOT NULL FROM shop.again;
-- And so are events that wait: the failed one is handled.
ALTER TABLE shop.note DROP CONSTRAINT no;
SELECT specql.retry(id) FROM specql.failures;
SELECT kilos FROM shop.note;
SELECT count(*) FROM specql.failures;
UPDATE shop.parcel SET weight = 30;
SELECT kilos FROM shop.note ORDER BY kilos;

-- A chain of names: the first that is there.
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {a: text, z: text}');
INSERT INTO shop.chain (a) VALUES ('kept');
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {c: {type: text, renamed_from: [b, a]}, z: text}');
SELECT c FROM shop.chain;
-- Renamed by hand: it does nothing, but the former name is known.
ALTER TABLE shop.chain RENAME COLUMN c TO d;
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: c}, z: text}');
SELECT name, former FROM specql.former_column WHERE relation = 'shop.chain'::regclass ORDER BY name, former;
-- A new field under the old name, when renamed_from is gone from the text.
SELECT pg_temp.applied('entity: Chain' || E'\nschema: shop\nfields: {d: text, z: text, c: text}');
SELECT specql.with_present_names('shop.chain', '{"c": 1, "z": 2}'), specql.with_present_names('shop.chain', '{"c": 1, "d": 2}'),
       specql.with_present_names('shop.chain', '{"z": 1, "specql.omitted": {"c": "too large"}}');

-- What cannot be.
SELECT code, line, col, message, hint FROM specql.validate('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: [e, z]}}');
SELECT code, line, col, message, hint FROM specql.validate('entity: Chain' || E'\nschema: shop\nfields: {d: {type: text, renamed_from: z}, z: text}');

-- Only of what is one's own.
CREATE ROLE regress_renamer;
GRANT specql_admin TO regress_renamer;
GRANT USAGE ON SCHEMA shop TO regress_renamer;
SET ROLE regress_renamer;
SELECT pg_temp.planned('entity: Chain' || E'\nschema: shop\nfields: {e: {type: text, renamed_from: d}, z: text, c: text}');
SELECT * FROM specql.apply('entity: Chain' || E'\nschema: shop\nfields: {e: {type: text, renamed_from: d}, z: text, c: text}');
RESET ROLE;
SELECT attname FROM pg_attribute WHERE attrelid = 'shop.chain'::regclass AND attnum > 0 ORDER BY attnum;

-- An older version knows the old name: refused, with the line to write.
SELECT * FROM specql.rollback('shop.Chain', 1);
DROP OWNED BY regress_renamer;
DROP ROLE regress_renamer;
