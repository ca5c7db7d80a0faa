-- Many events that add to a column which rounds before the point: not their sum is rounded, but what each leaves. PostgreSQL 15 and later.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA trap;
CREATE TABLE trap.account (nr integer PRIMARY KEY, coarse numeric(8,-2) DEFAULT 0);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: trap
entity: Event
fields: {account: integer, q: integer}
---
entity: Account
schema: trap
fields: {coarse: "numeric(8,-2)"}
---
schema: trap
actions:
  - name: on_coarse
    on: insert Event
    steps:
      - update: Account SET coarse = coarse + q WHERE nr = account
$$, adopt => true);
INSERT INTO trap.account VALUES (1), (2);
INSERT INTO trap.event (account, q) VALUES (1, 30), (2, 49), (1, 40), (1, 45), (2, 120);
SELECT nr, coarse FROM trap.account ORDER BY nr;
SELECT count(*) AS failed FROM specql.failures;
