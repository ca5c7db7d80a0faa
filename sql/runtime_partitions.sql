-- Partitioned tables: rules live on the partitioned table, rows in its partitions.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
CREATE TABLE rt.part (id integer, qty integer, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE rt.part_low PARTITION OF rt.part FOR VALUES FROM (0) TO (100);
-- This one has its columns in another order, and a dropped one.
CREATE TABLE rt.part_high (gone text, note text, qty integer, id integer NOT NULL);
ALTER TABLE rt.part_high DROP COLUMN gone;
ALTER TABLE rt.part ATTACH PARTITION rt.part_high FOR VALUES FROM (100) TO (1000);
-- And this one is partitioned again.
CREATE TABLE rt.part_top PARTITION OF rt.part FOR VALUES FROM (1000) TO (9999) PARTITION BY RANGE (id);
CREATE TABLE rt.part_top_1 PARTITION OF rt.part_top FOR VALUES FROM (1000) TO (2000);
SELECT rt.watch('rt.part');
SELECT rt.install('p', 'rt.part', 'INSERT OR UPDATE OR DELETE', '{new.qty > 10, old.qty > 10}');
INSERT INTO rt.part VALUES (1, 11, 'low'), (2, 2, 'low'), (101, 111, 'high');
SELECT * FROM rt.traces();
SELECT subject, entity, type, data FROM specql.events ORDER BY id;
UPDATE rt.part SET qty = qty + 10;
SELECT * FROM rt.traces();

-- A row that moves is deleted from one partition and inserted into the other, for triggers; for actions it is one update.
UPDATE rt.part SET id = 102 WHERE id = 1;
SELECT * FROM rt.traces();
SELECT subject, data->'old'->'id' AS old, data->'new'->'id' AS new FROM specql.events ORDER BY id DESC LIMIT 1;

-- Rows written straight to a partition: no statement trigger of the partitioned table fires. They are handled before the
-- transaction commits, and nothing is lost.
INSERT INTO rt.part_low VALUES (3, 33, 'direct');
SELECT * FROM rt.traces();
BEGIN;
UPDATE rt.part_high SET qty = 1000 WHERE id = 101;
SELECT * FROM rt.traces();
SAVEPOINT a;
UPDATE rt.part_high SET qty = 1001 WHERE id = 101;
ROLLBACK TO a;
SAVEPOINT b;
UPDATE rt.part_high SET qty = 1002 WHERE id = 101;
RELEASE b;
COMMIT;
SELECT * FROM rt.traces();
-- A statement on the whole table takes what its own (sub)transaction captured before; rolled back, it waits again.
BEGIN;
UPDATE rt.part_high SET qty = 1003 WHERE id = 101;
SAVEPOINT a;
UPDATE rt.part SET qty = 77 WHERE id = 3;
SELECT * FROM rt.traces();
ROLLBACK TO a;
SELECT * FROM rt.traces();
COMMIT;
SELECT * FROM rt.traces();
BEGIN;
UPDATE rt.part_high SET qty = 5000 WHERE id = 101;
ROLLBACK;
SELECT * FROM rt.traces();

-- At that late moment handlers may still defer constraints, and those are still checked.
CREATE TABLE rt.ref (id integer REFERENCES rt.item DEFERRABLE INITIALLY DEFERRED);
CREATE OR REPLACE FUNCTION rt.p_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.ref SELECT e.qty FROM rt.p_rows(1) AS e;
    RETURN NULL;
END $$;
INSERT INTO rt.item VALUES (50, 50);
UPDATE rt.part_low SET qty = 50 WHERE id = 3;
UPDATE rt.part_low SET qty = 51 WHERE id = 3;
SELECT id, qty FROM rt.part_low ORDER BY id;
SELECT * FROM rt.ref;

-- A handler that writes straight to a partition: what that causes belongs to the handler's own success.
SELECT rt.install('item', 'rt.item', 'INSERT', '{true}',
    'INSERT INTO rt.part_low SELECT e.id, 20, ''by handler'' FROM rt.item_rows(1) AS e;
     IF specql.matched(2) THEN RAISE EXCEPTION ''taken back''; END IF;');
SELECT rt.watch('rt.item');
CREATE OR REPLACE FUNCTION rt.p_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, qty) SELECT 'p', 1, e.id, e.qty FROM rt.p_rows(1) AS e;
    RETURN NULL;
END $$;
BEGIN;
INSERT INTO rt.item VALUES (60, 1);
SELECT * FROM rt.traces();
COMMIT;
SELECT e.action, e.subject, e.depth, c.action AS cause FROM specql.events AS e JOIN specql.events AS c ON c.id = e.caused_by ORDER BY e.id;

-- A partition of a partition: through the top, through the middle, and straight.
INSERT INTO rt.part VALUES (1001, 51, 'top');
SELECT * FROM rt.traces();
BEGIN;
UPDATE rt.part_top SET qty = 52 WHERE id = 1001;
SELECT * FROM rt.traces();
UPDATE rt.part_top_1 SET qty = 53 WHERE id = 1001;
COMMIT;
SELECT * FROM rt.traces();
-- Rows of three partitions in one statement are one set.
UPDATE rt.part SET qty = 60 WHERE id IN (2, 101, 1001);
SELECT * FROM rt.traces() ORDER BY id;
SELECT count(*) AS events FROM specql.events WHERE batch = (SELECT batch FROM specql.events ORDER BY id DESC LIMIT 1);

-- Detached, it is a table without rules.
ALTER TABLE rt.part DETACH PARTITION rt.part_high;
UPDATE rt.part_high SET qty = 6000;
SELECT * FROM rt.traces();
ALTER TABLE rt.part ATTACH PARTITION rt.part_high FOR VALUES FROM (100) TO (1000);
UPDATE rt.part SET qty = 6001 WHERE id > 100;
SELECT * FROM rt.traces() ORDER BY id;
\set ECHO none
\i sql/include/runtime_end.psql
