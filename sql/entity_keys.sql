-- Keys of an entity: of several columns, natural ones, identities, unique fields, computed fields and all kinds of indexes;
-- and what becomes of the table when the spec changes.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set ECHO all

SELECT $$
entity: Product
schema: shop
key: sku
fields:
  sku: VARCHAR(20)
  name: TEXT!
  price: NUMERIC(10,2)! = 1
  made_at: TIMESTAMPTZ
  email: {type: email, unique: true}
unique: [name, made_at]
indexes:
  - columns: [price DESC NULLS LAST, name]
    include: [made_at]
  - columns: [lower(name)]
    unique: true
    where: price > 0
  - name: product_made
    columns: [made_at]
    using: brin
---
entity: OrderLine
schema: shop
key: [order_number, line]
unique: [[product, line], [order_number, product]]
fields:
  order_number: integer
  line: smallint
  product: ref(Product)!
  quantity: integer! = 1
  price: decimal(10,2)! = 0
computed_fields:
  total: quantity * price
  big: {type: boolean!, expression: "quantity * price > 100", description: "Needs a look", check: "big IS NOT NULL"}
indexes:
  - columns: [total DESC]
    where: big
actions:
  - name: on_big
    on: update OrderLine.total
    conditions:
      - if: "new.total > old.total AND new.big"
        then:
          - insert: Ticket SET title = 'line ' || line, amount = new.total
  - name: on_line
    on: OrderLine
    steps:
      - notify: lines "changed"
---
entity: Ticket
schema: shop
fields:
  id: {type: bigint, identity: always}
  title: text!
  amount: numeric
actions:
  - name: on_ticket
    on: insert Ticket
    steps:
      - notify: desk "A ticket {title}"
$$ AS spec \gset
SELECT action, kind, object FROM specql.apply(:'spec') WHERE kind IN ('table', 'constraint', 'index');
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'shop'::regnamespace AND c.relkind = 'r' ORDER BY c.relname, a.attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ANY ('{shop.product,shop.order_line,shop.ticket}'::regclass[]) ORDER BY 1;
SELECT DISTINCT action FROM specql.apply(:'spec');

-- A rule reads what is computed; a row of a key of two columns is known by both.
INSERT INTO shop.product (sku, name) VALUES ('a', 'A'), ('b', 'B');
INSERT INTO shop.order_line VALUES (1, 1, 'a', 1, 10), (1, 2, 'b', 1, 20);
UPDATE shop.order_line SET quantity = 20 WHERE line = 1;
SELECT * FROM shop.ticket;
SELECT action, subject, data #> '{new,total}' AS total FROM specql.events ORDER BY id, action;
SELECT specql.state_at('shop.OrderLine', '[1, 1]', now()) -> 'quantity' AS quantity;
CREATE TABLE shop.order_line_again (LIKE shop.order_line INCLUDING ALL);
SELECT specql.rebuild('shop.OrderLine', 'shop.order_line_again');
SELECT count(*) AS same FROM (TABLE shop.order_line INTERSECT TABLE shop.order_line_again) AS s;
-- Of what is unique together one may be the same.
INSERT INTO shop.order_line VALUES (2, 3, 'a');
INSERT INTO shop.order_line VALUES (2, 4, 'a');
DELETE FROM shop.order_line WHERE order_number = 2;

-- Nobody writes what PostgreSQL computes or counts.
SELECT m.line, m.message, m.hint FROM specql.validate($$
schema: shop
actions:
  - name: on_a
    on: insert Product
    steps:
      - update: OrderLine SET total = 3 WHERE line = 1
      - insert: Ticket SET id = 4, title = 'x'
$$) AS m;

-- Another expression: the column is made anew, with what is on it; a field that is computed no more keeps its values.
SELECT replace(replace(:'spec', 'total: quantity * price', 'total: quantity * price * 2'), 'big: {type: boolean!, expression: "quantity * price > 100"',
               'big: {type: boolean!, expression: "quantity > 1"') AS changed \gset
SELECT action, kind, object, destructive, sql FROM specql.plan(:'changed') WHERE action <> 'unchanged' AND kind <> 'function';
SELECT count(*) > 0 AS applied FROM specql.apply(:'changed');
SELECT * FROM shop.order_line ORDER BY line;
SELECT pg_get_indexdef('shop.order_line_total_idx'::regclass);
SELECT conname FROM pg_constraint WHERE conrelid = 'shop.order_line'::regclass AND contype = 'c';
SELECT * FROM specql.drift();
SELECT replace(replace(:'changed', E'computed_fields:\n  total: quantity * price * 2\n', E'  total: numeric\ncomputed_fields:\n'), 'identity: always', 'identity: by default') AS plain \gset
SELECT action, kind, object, destructive, sql FROM specql.plan(:'plain') WHERE action <> 'unchanged' AND kind <> 'function';
SELECT count(*) > 0 AS applied FROM specql.apply(:'plain');
SELECT * FROM shop.order_line ORDER BY line;
INSERT INTO shop.ticket (id, title) VALUES (90, 'by hand');
-- The other way round its values would be lost; a key stays the one it is.
SELECT action FROM specql.apply(:'changed');
SELECT action FROM specql.apply(replace(:'plain', 'key: [order_number, line]', 'key: [order_number, product]'));
SELECT action FROM specql.apply(replace(:'plain', 'key: sku', 'key: name'));

-- An id that becomes an identity goes on behind the numbers there are.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Note
schema: shop
fields:
  id: integer
  text: text
$$);
INSERT INTO shop.note VALUES (7, 'seven');
SELECT action, sql FROM specql.plan($$
entity: Note
schema: shop
fields:
  id: {type: integer, identity: by default}
  text: text
$$) WHERE kind = 'table';
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Note
schema: shop
fields:
  id: {type: integer, identity: by default}
  text: text
$$);
INSERT INTO shop.note (text) VALUES ('next') RETURNING id;

-- A table that was there before has the key, the identity and the computed columns that it has.
CREATE TABLE shop.seat (hall text, number integer, label text GENERATED ALWAYS AS (hall || number) STORED, PRIMARY KEY (hall, number));
SELECT action, object, detail FROM specql.apply($$
entity: Seat
schema: shop
key: [hall, number]
fields: {hall: text, number: integer}
computed_fields: {label: {type: text, expression: "hall || number"}}
$$) WHERE kind = 'table';
SELECT m.message FROM specql.validate($$
entity: Seat
schema: shop
key: number
fields: {hall: text, number: {type: integer, identity: always}}
$$) AS m;
SELECT action FROM specql.apply($$
entity: Seat
schema: shop
key: number
fields: {hall: text, number: {type: integer, identity: always}}
$$);

-- A row that is known by two columns cannot be referred to by one.
SELECT m.line, m.message, m.hint FROM specql.validate($$
entity: Booking
schema: shop
fields: {seat: ref(Seat)}
$$) AS m;
