-- Materialized views of entities: made, refreshed when it is time, and made again when their query, or what they read, changes.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set ECHO all

SELECT $$
entity: Sale
schema: shop
fields:
  article: text!
  amount: integer! = 0
  sold_on: date!
materialized_view:
  - name: daily
    query: |
      SELECT sold_on AS day, article, sum(amount) AS amount
      FROM sale GROUP BY sold_on, article
    refresh: every 1 hour
    concurrent: true
    unique: [day, article]
    description: "What was sold on each day"
  - name: best
    query: "SELECT article FROM daily ORDER BY amount DESC LIMIT 1"
$$ AS spec \gset
SELECT action, kind, object, detail FROM specql.apply(:'spec');
SELECT obj_description('shop.daily'::regclass) AS comment;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'shop.daily'::regclass;
SELECT current_setting('search_path') AS unchanged;
SELECT DISTINCT action FROM specql.apply(:'spec');
SELECT * FROM specql.drift();

INSERT INTO shop.sale (article, amount, sold_on) VALUES ('a', 2, '2026-11-30'), ('a', 3, '2026-11-30'), ('b', 1, '2026-11-30');
SELECT specql.drain() AS not_yet;
SELECT count(*) FROM shop.daily;
SET specql.clock_offset = '61 min';
SELECT specql.drain();
SELECT * FROM shop.daily ORDER BY article;
SELECT specql.drain() AS not_again;

-- Another interval leaves the view as it is; another query makes it anew; another type of a column does, too.
SELECT replace(:'spec', 'every 1 hour', 'every day') AS changed \gset
SELECT action, kind, object, sql FROM specql.plan(:'changed') WHERE action <> 'unchanged';
SELECT replace(:'changed', 'ORDER BY amount DESC', 'ORDER BY amount') AS changed \gset
SELECT action, kind, object, sql FROM specql.plan(:'changed') WHERE action <> 'unchanged';
SELECT count(*) > 0 AS applied FROM specql.apply(:'changed');
SELECT * FROM shop.best;
SELECT replace(:'changed', 'amount: integer!', 'amount: bigint!') AS changed \gset
SELECT action, kind, object FROM specql.plan(:'changed') WHERE action <> 'unchanged';
SELECT count(*) > 0 AS applied FROM specql.apply(:'changed');
SELECT * FROM shop.daily ORDER BY article;

-- A refresh that fails is in sight, and is not tried all the time.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Ratio
schema: shop
fields: {a: integer!, b: integer!}
materialized_view: {name: ratio_view, query: "SELECT a / b AS ratio FROM ratio", refresh: every 5 minutes}
$$);
INSERT INTO shop.ratio (a, b) VALUES (1, 0);
SET specql.clock_offset = '2 days';
SELECT specql.drain();
SELECT specql.drain() AS not_before_its_time;
SELECT "check", status, regexp_replace(detail, 'tried again at .*', 'tried again') AS detail FROM specql.health() WHERE "check" LIKE 'refresh%';
UPDATE shop.ratio SET b = 2;
UPDATE specql.upkeep SET due_at = specql.clock() WHERE name LIKE '%ratio%';
SELECT specql.drain();
SELECT count(*) AS problems FROM specql.health() WHERE "check" LIKE 'refresh%';

-- What is in the way, and what is removed.
CREATE VIEW shop.taken AS SELECT 1 AS one;
SELECT m.line, m.message FROM specql.validate($$
entity: Ratio
schema: shop
fields: {a: integer!, b: integer!}
materialized_view: [{name: taken, query: SELECT 1}, {name: sale, query: SELECT 1}, {name: ratio_view, query: SELECT 1}]
$$) AS m;
SELECT action FROM specql.apply($$
entity: Ratio
schema: shop
fields: {a: integer!, b: integer!}
materialized_view: {name: ratio_view, query: SELECT c FROM ratio}
$$);
SELECT action, kind, object FROM specql.remove('shop.Ratio');
SELECT name FROM specql.upkeep;
