-- Several events about one row in one set: they are handled one after the other, as a row-level trigger would, although
-- the handler's statements are about sets and each touches a row once.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
CREATE TABLE rt.part (id integer, qty integer, hits integer DEFAULT 0, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE rt.part_1 PARTITION OF rt.part FOR VALUES FROM (0) TO (10);
CREATE TABLE rt.part_2 PARTITION OF rt.part FOR VALUES FROM (10) TO (20);
SELECT rt.watch('rt.part');
SELECT rt.install('hit', 'rt.part', 'UPDATE', '{new.qty IS DISTINCT FROM old.qty}',
    'UPDATE rt.part AS p SET hits = p.hits + 1 FROM rt.hit_rows(1) AS e WHERE p.id = e.id;');
INSERT INTO rt.part VALUES (1, 0), (2, 0), (11, 0);

-- Written straight to a partition, the statements of a transaction are one set at its end.
BEGIN;
UPDATE rt.part_1 SET qty = 1;
UPDATE rt.part_1 SET qty = 2 WHERE id = 1;
UPDATE rt.part_2 SET qty = 3;
UPDATE rt.part_1 SET qty = 4 WHERE id = 1;
COMMIT;
SELECT * FROM rt.traces();
SELECT id, hits FROM rt.part ORDER BY id;
-- Three rounds: 1 2; 1 11; 1.
SELECT count(DISTINCT batch) AS rounds, count(*) AS events FROM specql.events;

-- Two statements, each with its own set: nothing to take apart.
BEGIN;
UPDATE rt.part SET qty = 5;
UPDATE rt.part SET qty = 6;
COMMIT;
SELECT count(*) FROM rt.traces();
SELECT id, hits FROM rt.part ORDER BY id;
SELECT count(DISTINCT batch) AS rounds, count(*) AS events FROM specql.events;

-- A foreign key that cascades to two columns of a row updates it twice in one statement.
CREATE TABLE rt.child (id integer PRIMARY KEY, qty integer REFERENCES rt.item ON UPDATE CASCADE,
    other integer REFERENCES rt.item ON UPDATE CASCADE, hits integer DEFAULT 0);
SELECT rt.watch('rt.child');
SELECT rt.install('twice', 'rt.child', 'UPDATE', '{new.hits = old.hits}',
    'UPDATE rt.child AS c SET hits = c.hits + 1 FROM rt.twice_rows(1) AS e WHERE c.id = e.id;');
INSERT INTO rt.item VALUES (1, 0), (2, 0);
INSERT INTO rt.child VALUES (11, 1, 1), (12, 1, 2), (13, 2, NULL);
UPDATE rt.item SET id = id + 100;
SELECT id, qty, other, hits FROM rt.child ORDER BY id;

-- One that fails is alone with it; the same row's other events are handled.
DROP TRIGGER hit_trigger ON rt.part;
SELECT count(*) FROM rt.traces();
SELECT rt.install('divide', 'rt.part', 'UPDATE', '{new.qty IS DISTINCT FROM old.qty}',
    'UPDATE rt.part AS p SET hits = p.hits + 10 / e.qty FROM rt.divide_rows(1) AS e WHERE p.id = e.id;');
UPDATE rt.part SET hits = 0;
BEGIN;
UPDATE rt.part_1 SET qty = 1 WHERE id = 1;
UPDATE rt.part_1 SET qty = 0 WHERE id = 1;
UPDATE rt.part_1 SET qty = 2 WHERE id = 1;
COMMIT;
SELECT id, hits FROM rt.part WHERE id = 1;
SELECT subject, message FROM specql.failures;

\set ECHO none
\i sql/include/runtime_end.psql
