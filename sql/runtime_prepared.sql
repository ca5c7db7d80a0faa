-- Prepared transactions: events are handled before the transaction is prepared. Needs max_prepared_transactions > 0.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
CREATE TABLE rt.part (id integer PRIMARY KEY, qty integer) PARTITION BY RANGE (id);
CREATE TABLE rt.part_low PARTITION OF rt.part FOR VALUES FROM (0) TO (100);
SELECT rt.watch('rt.part'), rt.watch('rt.item');
SELECT rt.install('part', 'rt.part', 'INSERT', '{true}');
SELECT rt.install('item', 'rt.item', 'INSERT', '{true}');
BEGIN;
INSERT INTO rt.item VALUES (1, 1);
INSERT INTO rt.part_low VALUES (2, 2);
PREPARE TRANSACTION 'specql_rt_commit';
BEGIN;
INSERT INTO rt.item VALUES (3, 3);
INSERT INTO rt.part_low VALUES (4, 4);
PREPARE TRANSACTION 'specql_rt_rollback';
-- Not visible to others before it is committed.
SELECT count(*) FROM rt.trace;
ROLLBACK PREPARED 'specql_rt_rollback';
COMMIT PREPARED 'specql_rt_commit';
SELECT * FROM rt.traces();
SELECT action, subject FROM specql.events ORDER BY id;
\set ECHO none
\i sql/include/runtime_end.psql
