-- MERGE: each row's change goes to the action that listens to it. PostgreSQL 15 and later.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SELECT rt.watch('rt.item');
SELECT rt.install('ins', 'rt.item', 'INSERT', '{true}');
SELECT rt.install('upd', 'rt.item', 'UPDATE', '{true}');
SELECT rt.install('del', 'rt.item', 'DELETE', '{true}');
SELECT rt.install('any', 'rt.item', 'INSERT OR UPDATE OR DELETE', '{new.qty > 100 OR old.qty > 100}');
INSERT INTO rt.item VALUES (1, 1), (2, 2), (3, 300);
SELECT * FROM rt.traces();
MERGE INTO rt.item AS i USING (VALUES (1, 11), (2, 222), (3, NULL), (4, 400)) AS v (id, qty) ON i.id = v.id
WHEN MATCHED AND v.qty IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET qty = v.qty
WHEN NOT MATCHED THEN INSERT (id, qty) VALUES (v.id, v.qty);
SELECT * FROM rt.traces() ORDER BY action, id;
-- The three kinds of change that "any" listens to are one set.
SELECT count(DISTINCT batch) AS sets, count(*) AS events FROM specql.events
WHERE action = 'rt.on_any' AND xid = (SELECT xid FROM specql.events ORDER BY id DESC LIMIT 1);
-- In a WITH, with RETURNING, which PostgreSQL 17 has: the statement's events are the same.
\set ECHO none
SELECT CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN 'WITH merged AS (' ELSE '' END AS begin,
       CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN 'RETURNING merge_action(), i.id) INSERT INTO rt.trace (action, id) SELECT merge_action, id FROM merged WHERE false' ELSE '' END AS end \gset
:begin MERGE INTO rt.item AS i USING (VALUES (1, 12), (5, 5)) AS v (id, qty) ON i.id = v.id
WHEN MATCHED THEN UPDATE SET qty = v.qty
WHEN NOT MATCHED THEN INSERT (id, qty) VALUES (v.id, v.qty) :end;
\set ECHO all
SELECT * FROM rt.traces() ORDER BY action, id;
\set ECHO none
\i sql/include/runtime_end.psql
