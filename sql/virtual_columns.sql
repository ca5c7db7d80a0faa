-- Generated columns: virtual ones, which PostgreSQL 18 has, are known to rules like those that are stored.
\set ECHO none
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
SELECT CASE WHEN current_setting('server_version_num')::integer >= 180000 THEN 'VIRTUAL' ELSE 'STORED' END AS kind \gset
CREATE SCHEMA v;
CREATE TABLE v.line (id integer PRIMARY KEY, price integer, quantity integer,
                     total integer GENERATED ALWAYS AS (price * quantity) :kind, label text GENERATED ALWAYS AS ('no. ' || id::text) :kind, text text);
\set ECHO all
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Line
schema: v
fields: {id: integer!, price: integer, quantity: integer, total: integer, label: text}
actions:
  - name: large
    on: insert Line
    condition: total > 100
    steps:
      - insert: Note SET what = label || ' costs ' || total
  - name: other_total
    on: update Line.total
    steps:
      - insert: Note SET what = label || ' cost ' || old.total || ' and costs ' || new.total
  - name: gone
    on: delete Line
    condition: total > 100
    steps:
      - insert: Note SET what = old.label || ' is gone'
---
entity: Note
schema: v
fields: {what: text}
$$, adopt => true);
INSERT INTO v.line (id, price, quantity) VALUES (1, 10, 10), (2, 10, 11);
UPDATE v.line SET quantity = quantity + 1 WHERE id = 1;
UPDATE v.line SET price = 11, quantity = 10 WHERE id = 1;
DELETE FROM v.line WHERE id = 2;
SELECT what FROM v.note ORDER BY what;
SELECT type, data FROM specql.events ORDER BY type;
-- What the log holds is handled again as it was.
SELECT replayed FROM specql.replay('v.large', since => now() - interval '1 day') AS r(replayed);
SELECT count(*) FROM specql.failures;
-- Row images that are made column by column have them too, and rows that there are not have none.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: v
actions:
  - name: every
    trigger: any_line_change
    steps:
      - insert: Note SET what = 'now ' || label
$$);
SET specql.max_event_size = '1kB';
INSERT INTO v.line (id, price, quantity) VALUES (3, 1, 2);
UPDATE v.line SET text = repeat('text', 1000) WHERE id = 3;
RESET specql.max_event_size;
SELECT data FROM specql.events WHERE action = 'v.every' ORDER BY id;
\set ECHO none
DROP SCHEMA v CASCADE;
DROP EXTENSION specql CASCADE;
