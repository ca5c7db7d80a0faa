-- Rows that an update moves to another partition: one update for whoever listens to the partitioned table.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE SCHEMA yard;
CREATE TABLE yard.parcel (id integer NOT NULL, status text NOT NULL, note text, PRIMARY KEY (id, status)) PARTITION BY LIST (status);
CREATE TABLE yard.parcel_open PARTITION OF yard.parcel FOR VALUES IN ('open', 'held');
-- Its columns stand in another order, and one was dropped.
CREATE TABLE yard.parcel_paid (gone integer, note text, status text NOT NULL, id integer NOT NULL);
ALTER TABLE yard.parcel_paid DROP COLUMN gone;
ALTER TABLE yard.parcel ATTACH PARTITION yard.parcel_paid FOR VALUES IN ('paid');
CREATE TABLE yard.parcel_rest PARTITION OF yard.parcel DEFAULT PARTITION BY RANGE (id);
CREATE TABLE yard.parcel_rest_1 PARTITION OF yard.parcel_rest FOR VALUES FROM (0) TO (100);
CREATE TABLE yard.parcel_rest_2 PARTITION OF yard.parcel_rest FOR VALUES FROM (100) TO (1000);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Parcel
schema: yard
fields: {id: integer!, status: text!, note: text}
actions:
  - name: on_paid
    on: update Parcel.status
    condition: new.status = 'paid'
    steps:
      - insert: "Said SET what = 'paid ' || new.id || ', was ' || old.status"
  - name: on_new
    on: insert Parcel
    steps:
      - insert: "Said SET what = 'new ' || new.id"
  - name: on_gone
    on: delete Parcel
    steps:
      - insert: "Said SET what = 'gone ' || old.id"
---
entity: Said
schema: yard
fields: {what: text}
$$, adopt => true);
\set ECHO all
CREATE FUNCTION yard.said() RETURNS TABLE (what text) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM yard.said RETURNING id, said.what) SELECT what FROM gone ORDER BY id $$;
INSERT INTO yard.parcel SELECT n, 'open' FROM generate_series(1, 4) AS n;
DELETE FROM yard.said;
-- Moved, changed in place, and both in one statement.
UPDATE yard.parcel SET status = 'paid' WHERE id = 1;
SELECT * FROM yard.said();
UPDATE yard.parcel SET status = CASE id WHEN 2 THEN 'held' ELSE 'paid' END;
SELECT * FROM yard.said();
SELECT action, type, data -> 'old' ->> 'status' AS old, data -> 'new' ->> 'status' AS new FROM specql.events WHERE action = 'yard.on_paid' ORDER BY id;
-- Back, which no rule wants; and through partitions of partitions.
UPDATE yard.parcel SET status = 'open' WHERE id = 1;
UPDATE yard.parcel SET status = 'odd' WHERE id = 3;
UPDATE yard.parcel SET id = id + 100 WHERE status = 'odd';
SELECT * FROM yard.said();
UPDATE yard.parcel SET status = 'paid', note = 'back' WHERE id = 103;
SELECT * FROM yard.said();
-- A row that is deleted is deleted, wherever it has been before.
DELETE FROM yard.parcel WHERE id = 103;
INSERT INTO yard.parcel VALUES (5, 'open');
SELECT * FROM yard.said();
-- In one transaction, there and back; and rolled back.
BEGIN;
UPDATE yard.parcel SET status = 'paid' WHERE id = 5;
UPDATE yard.parcel SET status = 'open' WHERE id = 5;
UPDATE yard.parcel SET status = 'paid' WHERE id = 5;
SAVEPOINT s;
UPDATE yard.parcel SET status = 'open' WHERE id = 5;
ROLLBACK TO s;
COMMIT;
SELECT * FROM yard.said();
-- By MERGE, which updates, inserts and deletes in one statement; before 15 by parts of a statement.
INSERT INTO yard.parcel VALUES (6, 'open'), (7, 'open');
DELETE FROM yard.said;
\set ECHO none
SELECT current_setting('server_version_num')::integer >= 150000 AS has_merge \gset
\if :has_merge
MERGE INTO yard.parcel AS p USING (VALUES (6, 'paid'), (7, 'gone'), (8, 'open')) AS v(id, status) ON p.id = v.id
WHEN MATCHED AND v.status = 'gone' THEN DELETE
WHEN MATCHED THEN UPDATE SET status = v.status
WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.status);
\else
WITH gone AS (DELETE FROM yard.parcel WHERE id = 7), paid AS (UPDATE yard.parcel SET status = 'paid' WHERE id = 6)
INSERT INTO yard.parcel VALUES (8, 'open');
\endif
\set ECHO all
SELECT * FROM yard.said() ORDER BY what;
-- Statements on a partition that is partitioned, which fire no statement trigger of the table above: within it, and out of it by the table.
INSERT INTO yard.parcel VALUES (9, 'odd');
DELETE FROM yard.said;
UPDATE yard.parcel_rest SET id = 109 WHERE id = 9;
SELECT * FROM yard.said();
UPDATE yard.parcel_rest SET id = id WHERE id = 109;
SELECT * FROM yard.said();
SELECT count(*) FROM specql.events WHERE action IN ('yard.on_new', 'yard.on_gone') AND data::text LIKE '%109%';
-- Triggers of others in between: one that changes other rows of the table, and one that lets the row vanish.
CREATE FUNCTION yard.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        UPDATE yard.parcel SET status = 'paid' WHERE id = 8;
        INSERT INTO yard.parcel VALUES (old.id + 50, 'open');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_meddle AFTER DELETE ON yard.parcel FOR EACH ROW EXECUTE FUNCTION yard.meddle();
CREATE TRIGGER aa_meddle AFTER INSERT ON yard.parcel FOR EACH ROW WHEN (false) EXECUTE FUNCTION yard.meddle();
UPDATE yard.parcel SET status = 'paid' WHERE id = 4 AND false;
INSERT INTO yard.parcel VALUES (10, 'open');
DELETE FROM yard.said;
UPDATE yard.parcel SET status = 'paid' WHERE id = 10;
SELECT * FROM yard.said() ORDER BY what;
DROP TRIGGER zz_meddle ON yard.parcel;
CREATE FUNCTION yard.vanish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN new.note = 'vanish' THEN NULL ELSE new END; END $$;
CREATE TRIGGER vanish BEFORE INSERT ON yard.parcel_paid FOR EACH ROW EXECUTE FUNCTION yard.vanish();
INSERT INTO yard.parcel VALUES (11, 'open', 'vanish'), (12, 'open', NULL);
DELETE FROM yard.said;
UPDATE yard.parcel SET status = 'paid' WHERE id IN (11, 12);
SELECT * FROM yard.said() ORDER BY what;
SELECT count(*) FROM yard.parcel WHERE id = 11;
INSERT INTO yard.parcel VALUES (13, 'open', 'vanish');
DELETE FROM yard.said;
UPDATE yard.parcel SET status = 'paid' WHERE id = 13;
SELECT * FROM yard.said();
-- Many at once.
INSERT INTO yard.parcel SELECT n, 'open' FROM generate_series(1001, 4000) AS n;
DELETE FROM yard.said;
UPDATE yard.parcel SET status = 'paid' WHERE id > 1000;
SELECT count(*), count(DISTINCT what), min(what) FROM yard.said();
-- A rule that only listens to deletions must not take a move for one.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Parcel
schema: yard
fields: {id: integer!, status: text!, note: text}
actions:
  - name: on_gone
    on: delete Parcel
    steps:
      - insert: "Said SET what = 'gone ' || old.id"
$$, adopt => true);
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'specql_capture' AND tgrelid = 'yard.parcel'::regclass;
UPDATE yard.parcel SET status = 'open' WHERE status = 'paid';
SELECT * FROM yard.said();
-- What listens to one partition, which rows leave and enter.
SELECT count(*) > 0 AS removed FROM specql.remove('yard.Parcel');
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: ParcelPaid
schema: yard
fields: {id: integer!, status: text!, note: text}
actions:
  - name: on_left
    on: ParcelPaid
    conditions:
      - if: "old.id IS NULL"
        then: [{insert: "Said SET what = 'entered ' || new.id"}]
      - if: "new.id IS NULL"
        then: [{insert: "Said SET what = 'left ' || old.id"}]
$$, adopt => true);
UPDATE yard.parcel SET status = 'paid' WHERE id = 12;
UPDATE yard.parcel SET status = 'open' WHERE id = 12;
SELECT * FROM yard.said();
SET client_min_messages = error;
DROP SCHEMA yard CASCADE;
DROP EXTENSION specql CASCADE;
