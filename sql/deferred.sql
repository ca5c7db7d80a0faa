-- Constraints that are checked at COMMIT: what a rule violates is an error of the rule, not of the user's COMMIT.
\set ECHO none
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE SCHEMA d;
CREATE TABLE d.account (id integer PRIMARY KEY);
CREATE TABLE d.sale (id integer PRIMARY KEY, account integer, label text, note text,
                     main_account integer REFERENCES d.account DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE d.entry (sale integer, account integer NOT NULL REFERENCES d.account DEFERRABLE INITIALLY DEFERRED, label text,
                      CONSTRAINT one_label UNIQUE (label) DEFERRABLE);
CREATE TABLE d.mark (sale integer, part integer) PARTITION BY LIST (part);
CREATE TABLE d.mark_1 PARTITION OF d.mark FOR VALUES IN (1, 7, 8);
CREATE FUNCTION d.no_seven() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.part = 7 THEN RAISE EXCEPTION 'no sevens, says %', current_user; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER no_seven AFTER INSERT ON d.mark_1 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION d.no_seven();
INSERT INTO d.account VALUES (1);
\set ECHO all
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Sale
schema: d
fields: {id: integer!, account: integer, label: text, note: text, main_account: integer}
actions:
  - name: book
    on: insert Sale
    steps:
      - insert: Entry SET sale = id, account = account, label = label
---
entity: Entry
schema: d
fields: {sale: integer, account: integer!, label: text}
actions:
  - name: mark
    on: insert Entry
    conditions:
      - if: label LIKE 'mark%'
        then:
          - insert: Mark SET sale = sale, part = account
---
entity: Mark
schema: d
fields: {sale: integer, part: integer}
$$, adopt => true);

-- Two of four violate a foreign key: the others are booked, and COMMIT passes.
BEGIN;
INSERT INTO d.sale VALUES (1, 1, 'a'), (2, 7, 'b'), (3, 1, 'c'), (4, 8, 'd');
COMMIT;
SELECT sale, label FROM d.entry ORDER BY sale;
SELECT action, subject, sqlstate, attempts, status, context FROM specql.failures ORDER BY subject;
-- What was missing is there.
INSERT INTO d.account VALUES (7);
SELECT specql.retry(id) FROM specql.failures ORDER BY subject;
SELECT sale, label FROM d.entry ORDER BY sale;
SELECT subject, attempts FROM specql.failures;

-- A unique constraint that the session has deferred, which it still is afterwards.
BEGIN;
SET CONSTRAINTS d.one_label DEFERRED;
INSERT INTO d.sale VALUES (5, 1, 'a'), (6, 1, 'f');
INSERT INTO d.entry VALUES (0, 1, 'f');
UPDATE d.entry SET label = 'g' WHERE sale = 0;
COMMIT;
SELECT sale, label FROM d.entry WHERE sale NOT BETWEEN 1 AND 4 ORDER BY sale;
SELECT subject, sqlstate FROM specql.failures WHERE subject > '4';
-- And one that it has not: the statement of the handler raises it.
INSERT INTO d.sale VALUES (7, 1, 'a');
SELECT subject, sqlstate, context LIKE '%deferred%' AS at_the_end FROM specql.failures WHERE subject = '7';

-- The session may have violated it for now: then the rule waits for the COMMIT.
TRUNCATE specql.failure;
BEGIN;
INSERT INTO d.entry VALUES (100, 9, 'early');
INSERT INTO d.sale VALUES (8, 9, 'h');
SELECT count(*) FROM d.entry WHERE sale = 8;
INSERT INTO d.account VALUES (9);
COMMIT;
SELECT count(*) FROM specql.failures WHERE subject = '8';
SELECT count(*) > 0 FROM specql.drain();
SELECT sale, account, label FROM d.entry WHERE sale IN (8, 100) ORDER BY sale;
-- Later events of the transaction wait with it, so that they are handled in their order.
BEGIN;
INSERT INTO d.entry VALUES (101, 33, 'too early');
INSERT INTO d.sale VALUES (40, 1, 'first');
INSERT INTO d.account VALUES (33);
INSERT INTO d.sale VALUES (41, 1, 'second');
COMMIT;
SELECT specql.drain() >= 2;
SELECT sale FROM d.entry WHERE sale IN (40, 41) ORDER BY ctid;
-- What else the session has violated is not asked.
BEGIN;
INSERT INTO d.sale VALUES (9, 1, 'i', NULL, 55);
SELECT count(*) FROM d.entry WHERE sale = 9;
INSERT INTO d.account VALUES (55);
COMMIT;

-- What foreign keys have found good is not looked at again with each statement.
BEGIN;
DO $$ BEGIN FOR i IN 1000 .. 1099 LOOP INSERT INTO d.sale VALUES (i, 1); END LOOP; END $$;
SELECT pg_stat_get_xact_numscans('d.account_pkey'::regclass) BETWEEN 100 AND 400 AS once_or_twice;
-- It may be violated afterwards; that is found at COMMIT.
DELETE FROM d.account WHERE id = 1;
COMMIT;
SELECT count(*) FROM d.sale WHERE id >= 1000;
-- So it is for what made it good, and is rolled back to a savepoint.
BEGIN;
INSERT INTO d.entry VALUES (1100, 66);
SAVEPOINT missing;
INSERT INTO d.account VALUES (66);
INSERT INTO d.sale VALUES (1101, 1);
SELECT count(*) FROM d.entry WHERE sale = 1101;
ROLLBACK TO missing;
COMMIT;
-- The constraint stays deferred for the session,
BEGIN;
INSERT INTO d.sale VALUES (1000, 1);
INSERT INTO d.entry VALUES (1001, 44);
INSERT INTO d.account VALUES (44);
COMMIT;
SELECT sale, account FROM d.entry WHERE sale IN (1000, 1001) ORDER BY sale;
-- or immediate, as the session has said.
BEGIN;
SET CONSTRAINTS d.entry_account_fkey IMMEDIATE;
INSERT INTO d.sale VALUES (1002, 1);
INSERT INTO d.entry VALUES (1003, 45);
ROLLBACK;

-- A rule of a rule, whose row goes to a partition with a constraint trigger of its own.
BEGIN;
INSERT INTO d.sale VALUES (10, 1, 'mark 1'), (11, 7, 'mark 7');
COMMIT;
SELECT sale, part FROM d.mark;
SELECT sale, label FROM d.entry WHERE sale IN (10, 11) ORDER BY sale;
SELECT action, sqlstate, message FROM specql.failures;

-- With on_error: abort the transaction fails, at COMMIT as for the user's own statements.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Sale
schema: d
fields: {id: integer!, account: integer, label: text, note: text, main_account: integer}
actions:
  - name: book
    on: insert Sale
    on_error: abort
    steps:
      - insert: Entry SET sale = id, account = account, label = label
$$);
BEGIN;
INSERT INTO d.sale VALUES (12, 77, 'l');
COMMIT;
SELECT count(*) FROM d.sale WHERE id = 12;

-- Who raises an event need not have rights in the schema that the handler writes to.
\set ECHO none
CREATE ROLE d_guest;
CREATE SCHEMA d_front;
CREATE TABLE d_front.request (id integer, account integer);
GRANT USAGE ON SCHEMA d_front TO d_guest;
GRANT INSERT ON d_front.request TO d_guest;
\set ECHO all
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Request
schema: d_front
fields: {id: integer, account: integer}
actions:
  - name: request
    on: insert Request
    steps:
      - insert: d.Entry SET sale = id, account = account
$$, adopt => true);
SET SESSION AUTHORIZATION d_guest;
INSERT INTO d_front.request VALUES (30, 1);
INSERT INTO d_front.request VALUES (31, 77);
RESET SESSION AUTHORIZATION;
SELECT sale, account FROM d.entry WHERE sale IN (30, 31);
SELECT action, message FROM specql.failures WHERE action = 'd_front.request';
SELECT count(*) FROM specql.events WHERE action = 'd_front.request' AND status = 'waiting';

-- A trigger that somebody has deferred runs with the rights of the session, never with those of a function around the statement.
\set ECHO none
CREATE ROLE d_clerk;
GRANT specql_admin TO d_clerk;
GRANT CREATE, USAGE ON SCHEMA d TO d_clerk;
CREATE TABLE d.deal (id integer);
ALTER TABLE d.deal OWNER TO d_clerk;
CREATE FUNCTION d.sell() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$INSERT INTO d.deal VALUES (20)$$;
SET SESSION AUTHORIZATION d_clerk;
CREATE FUNCTION d.who() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trigger runs as %', current_user; END $$;
CREATE TABLE d.trap (sale integer);
CREATE CONSTRAINT TRIGGER who AFTER INSERT ON d.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION d.who();
\set ECHO all
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Deal
schema: d
fields: {id: integer}
actions:
  - name: trap
    on: insert Deal
    steps:
      - insert: Trap SET sale = 1
---
entity: Trap
schema: d
fields: {sale: integer}
$$, adopt => true);
SELECT d.sell();
RESET SESSION AUTHORIZATION;
SELECT action, message FROM specql.failures WHERE action = 'd.trap';
\set ECHO none
DROP SCHEMA d, d_front CASCADE;
DROP EXTENSION specql CASCADE;
DROP ROLE d_clerk, d_guest;
