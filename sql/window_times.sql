-- When an event of a window happened: one answer for what counts live and for backtests, and explain says it.
\set ECHO none
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set ECHO all

CREATE SCHEMA w;
CREATE TABLE w.sale (id integer PRIMARY KEY, shop text, sold_at timestamp);
CREATE TABLE w.visit (id integer PRIMARY KEY, shop text, came_at timestamptz, left_at timestamptz);
SELECT $$
entity: Sale
schema: w
fields: {shop: text}
actions:
  - name: rush
    trigger: rush_hour
    condition: "COUNT(sale_created) >= 3 WITHIN 1 hour BY shop"
    steps:
      - append: Rush SET
          shop: "match_key"
          last: "last_at"
---
entity: Visit
schema: w
fields: {shop: text}
actions:
  - name: crowd
    trigger: crowded
    condition: "COUNT(visit_created) >= 3 WITHIN 1 hour BY shop"
    steps:
      - append: Crowd SET
          shop: "match_key"
---
entity: Own
schema: w
fields: {shop: text, noted_at: timestamp}
actions:
  - name: noted
    trigger: many_noted
    condition: "COUNT(own_created) >= 3 WITHIN 1 hour BY shop"
    steps:
      - append: Noted SET
          shop: "match_key"
---
entity: Said
schema: w
fields: {shop: text, occurred_at: timestamp, created_at: timestamp}
actions:
  - name: renamed
    trigger: many_renamed
    condition: "COUNT(said_shop_changed) >= 2 WITHIN 1 hour"
    steps:
      - append: Renamed SET
          last: "last_at"
$$ AS spec \gset
SELECT count(*) > 0 AS made FROM specql.apply(:'spec');
SELECT action, name, resolved_to FROM specql.explain(:'spec') WHERE rule LIKE '%when an event%' ORDER BY 1;

-- The only time column of a table that was there: three sales within an hour are those that say so.
INSERT INTO w.sale VALUES (1, 'a', '2026-01-01 10:00'), (2, 'a', '2026-01-02 10:00'), (3, 'a', '2026-01-03 10:00'),
    (4, 'b', '2026-01-01 10:00'), (5, 'b', '2026-01-01 10:20'), (6, 'b', '2026-01-01 10:40');
-- Of several none is it, and what specql made has its time in occurred_at or nowhere.
INSERT INTO w.visit SELECT n, 'a', '2026-01-01'::timestamptz + n * interval '1 day' FROM generate_series(1, 3) AS n;
INSERT INTO w.own (shop, noted_at) SELECT 'a', '2026-01-01'::timestamptz + n * interval '1 day' FROM generate_series(1, 3) AS n;
INSERT INTO w.said (shop, occurred_at) VALUES ('a', '2026-01-01'), ('b', '2026-01-03'), ('c', '2026-01-03 00:10');
UPDATE w.said SET shop = shop || '!';
SELECT specql.drain() IS NOT NULL AS counted;
SELECT shop, last FROM w.rush;
SELECT shop FROM w.crowd;
SELECT shop FROM w.noted;
SELECT last FROM w.renamed;
SELECT action, count(*), min(at) < '2026-02-01' AS as_the_row_says FROM specql.backtest(:'spec', since => '2025-12-01') GROUP BY 1 ORDER BY 1;
