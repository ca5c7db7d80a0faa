-- Tables whose rows are kept in partitions by time: made ahead by apply, drain and the worker, dropped after their retention.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'America/New_York';
CREATE EXTENSION specql;
\set ECHO all

-- Times move with specql.clock_offset, and partitions do; so a date stands for now.
SELECT set_config('specql.clock_offset', (timestamptz '2026-11-15 12:00+00' - date_trunc('second', clock_timestamp()))::text, false) IS NOT NULL AS set;
SELECT $$
entity: Sale
schema: shop
key: [id, sold_at]
unique: [receipt, sold_at]
fields:
  receipt: text!
  amount: money! = 0
  sold_at: timestamp = now()
computed_fields: {gross: amount * 1.19}
indexes:
  - columns: [sold_at DESC]
partitioning: {strategy: range, column: sold_at, intervals: [monthly], retention: 3 months, premake: 2}
actions:
  - name: on_sale
    on: insert Sale
    condition: "amount > 10"
    steps:
      - notify: till "{receipt}"
$$ AS spec \gset
SELECT action, kind, object, detail FROM specql.apply(:'spec') WHERE kind IN ('table', 'upkeep', 'trigger');
SELECT b.* FROM specql.partition_bounds('shop.sale') AS b ORDER BY b.since;
SELECT obj_description('shop.sale_2026_11'::regclass) AS comment;
SELECT DISTINCT action FROM specql.apply(:'spec');

-- A rule sees the rows of all partitions, and a time that none takes is an error.
INSERT INTO shop.sale (receipt, amount, sold_at) VALUES ('a', 20, '2026-11-30 23:59:59+00'), ('b', 30, '2026-12-01 00:00+00'), ('c', 1, '2027-01-31 00:00+00');
SELECT tableoid::regclass AS partition, receipt, gross FROM shop.sale ORDER BY receipt;
SELECT subject LIKE '["%", "2026-1%T%"]' AS both, data #>> '{new,receipt}' AS receipt FROM specql.events ORDER BY 2;
INSERT INTO shop.sale (receipt, sold_at) VALUES ('d', '2027-02-01 00:00+00');
SELECT specql.make_partitions('shop.sale', '2026-08-20 00:00+00', '2026-11-01 00:00+00') AS made;
INSERT INTO shop.sale (receipt, amount, sold_at) VALUES ('old', 40, '2026-08-31 12:00+00');
SELECT count(*) AS events FROM specql.events;

-- The months go by. What is older than the retention goes, with its rows, as a whole; a partition of somebody else stays.
CREATE TABLE shop.sale_before (LIKE shop.sale INCLUDING ALL);
ALTER TABLE shop.sale ATTACH PARTITION shop.sale_before FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2026-08-01 00:00+00');
SELECT set_config('specql.clock_offset', (timestamptz '2026-12-01 00:00:10+00' - date_trunc('second', clock_timestamp()))::text, false) IS NOT NULL AS set;
SELECT specql.drain();
SELECT b.partition, b.since FROM specql.partition_bounds('shop.sale') AS b ORDER BY b.since;
SELECT name, last_error, due_at FROM specql.upkeep ORDER BY name;
SELECT specql.drain();
SELECT "check", status, detail FROM specql.health() WHERE "check" LIKE '%partitions%';

-- What another period, premake and retention change is what comes.
SELECT replace(:'spec', 'intervals: [monthly], retention: 3 months, premake: 2', 'intervals: [quarterly], premake: 2') AS changed \gset
SELECT action, kind, object, sql FROM specql.plan(:'changed') WHERE action <> 'unchanged';
SELECT count(*) > 0 AS applied FROM specql.apply(:'changed');
SELECT b.* FROM specql.partition_bounds('shop.sale') AS b ORDER BY b.since DESC LIMIT 4;
SELECT name FROM specql.upkeep;
-- Not so another column, or none.
SELECT action FROM specql.apply(replace(replace(replace(:'changed', 'column: sold_at', 'column: paid_at'), 'sold_at]', 'paid_at]'), 'amount: money! = 0', E'amount: money! = 0\n  paid_at: timestamp'));
SELECT action FROM specql.apply(replace(:'changed', 'partitioning: {strategy: range, column: sold_at, intervals: [quarterly], premake: 2}', ''));
SELECT count(*) > 0 AS made FROM specql.apply($$
entity: Note
schema: shop
key: [id, at]
fields: {at: timestamp}
$$);
SELECT action FROM specql.apply($$
entity: Note
schema: shop
key: [id, at]
fields: {at: timestamp}
partitioning: {strategy: range, column: at, intervals: daily}
$$);

-- What cannot be done is in sight, and tried again after a while.
SELECT set_config('specql.clock_offset', (timestamptz '2028-01-01 00:00:10+00' - date_trunc('second', clock_timestamp()))::text, false) IS NOT NULL AS set;
CREATE TABLE shop.sale_2028_q1 ();
SELECT specql.drain();
SELECT "check", status, regexp_replace(detail, 'tried again at .*', 'tried again') AS detail FROM specql.health() WHERE "check" LIKE '%partitions%';
SELECT specql.drain() AS not_before_its_time;
DROP TABLE shop.sale_2028_q1;
UPDATE specql.upkeep SET due_at = specql.clock();
SELECT specql.drain();
SELECT count(*) AS problems FROM specql.health() WHERE "check" LIKE '%partitions%';

-- A log is append-only partition by partition; and the table of an entity that is removed goes on.
SELECT count(*) > 0 AS made FROM specql.apply($$
entity: SaleLog
schema: shop
key: [id, at]
fields: {receipt: text, at: timestamp}
partitioning: {strategy: range, column: at, intervals: daily, premake: 1}
---
schema: shop
actions:
  - name: log_sale
    on: insert Sale
    steps:
      - append: SaleLog SET receipt = receipt, at = specql.clock()
$$);
INSERT INTO shop.sale (receipt, sold_at) VALUES ('logged', '2028-01-02 00:00+00');
SELECT receipt FROM shop.sale_log_2028_01_01;
DELETE FROM shop.sale_log_2028_01_01;
DELETE FROM shop.sale_log;
SELECT count(*) > 0 AS removed FROM specql.remove('shop.log_sale', 'shop.SaleLog');
SELECT name FROM specql.upkeep ORDER BY 1;
SELECT * FROM specql.drift();
SELECT action, kind, object FROM specql.remove('shop.Sale', drop_table => true) WHERE kind IN ('table', 'upkeep');
SELECT count(*) AS partitions FROM pg_class WHERE relname LIKE 'sale\_20%';

-- A partitioned table that was there before.
CREATE TABLE shop.visit (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
SELECT action, object, detail FROM specql.apply($$
entity: Visit
schema: shop
key: [id, day]
fields: {id: bigint, day: date}
partitioning: {strategy: range, column: day, intervals: weekly, retention: 52 weeks, premake: 1}
$$) WHERE kind IN ('table', 'upkeep');
SELECT b.* FROM specql.partition_bounds('shop.visit') AS b ORDER BY b.since;
SELECT m.message FROM specql.validate($$
entity: Visit
schema: shop
table: shop.other
key: [id, day]
fields: {id: bigint, day: date}
partitioning: {strategy: range, column: day, intervals: weekly}
$$) AS m;
CREATE TABLE shop.other (id bigint, day date, PRIMARY KEY (id, day));
SELECT m.message FROM specql.validate($$
entity: Other
schema: shop
key: [id, day]
fields: {id: bigint, day: date}
partitioning: {strategy: range, column: day, intervals: weekly}
$$) AS m;
