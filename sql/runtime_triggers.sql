-- What a statement fires of the triggers of its table: none if no row can match, that of specql.capture for each row that may, and
-- of those of the actions one. What the rules do is the same as where all of them fire.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
-- Trigger and calls, as EXPLAIN ANALYZE counts them.
CREATE FUNCTION rt.fired(statement text) RETURNS TABLE (fired text) LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || statement INTO plan;
    RETURN QUERY SELECT format('%s %s', t ->> 'Trigger Name', t ->> 'Calls') FROM json_array_elements(plan -> 0 -> 'Triggers') AS t
                 WHERE t ->> 'Constraint Name' IS NULL;
END $$;
SELECT rt.watch('rt.item');
SELECT rt.install('high', 'rt.item', 'UPDATE', '{new.qty > 100}');
SELECT rt.install('low', 'rt.item', 'INSERT OR UPDATE', '{new.qty < 0}');
SELECT rt.install('new', 'rt.item', 'INSERT', '{new.qty = 7}');
INSERT INTO rt.item SELECT n, 10 FROM generate_series(1, 5) AS n;

SELECT rt.fired('UPDATE rt.item SET qty = 11');
SELECT rt.fired('UPDATE rt.item SET qty = 101 WHERE id < 3');
SELECT rt.fired('UPDATE rt.item SET qty = id - 2');
SELECT rt.fired('INSERT INTO rt.item VALUES (6, 8)');
SELECT rt.fired('INSERT INTO rt.item VALUES (7, 7), (8, -8)');
SELECT rt.fired('INSERT INTO rt.item VALUES (7, 8), (8, -8) ON CONFLICT (id) DO UPDATE SET qty = 200');
SELECT rt.fired('DELETE FROM rt.item WHERE id > 5');
SELECT * FROM rt.traces();

-- ---- switched off, and on again: the first of those that are on does the work ------------------------------------------
ALTER TABLE rt.item DISABLE TRIGGER high_trigger;
SELECT rt.fired('UPDATE rt.item SET qty = CASE id WHEN 1 THEN -1 ELSE 102 END WHERE id < 3');
ALTER TABLE rt.item ENABLE TRIGGER high_trigger;
SELECT rt.fired('UPDATE rt.item SET qty = CASE id WHEN 1 THEN -2 ELSE 103 END WHERE id < 3');
ALTER TABLE rt.item DISABLE TRIGGER low_trigger, ENABLE ALWAYS TRIGGER high_trigger, ENABLE ALWAYS TRIGGER specql_capture;
SET session_replication_role = replica;
SELECT rt.fired('UPDATE rt.item SET qty = CASE id WHEN 1 THEN -3 ELSE 104 END WHERE id < 3');
RESET session_replication_role;
SELECT * FROM rt.traces();
ALTER TABLE rt.item ENABLE TRIGGER low_trigger, ENABLE TRIGGER high_trigger, ENABLE TRIGGER specql_capture;

-- ---- a trigger of somebody else between them, and one with a condition, which is not enough for the others ------------
CREATE FUNCTION rt.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER kept AFTER UPDATE ON rt.item FOR EACH STATEMENT EXECUTE FUNCTION rt.look();
SELECT rt.fired('UPDATE rt.item SET qty = 11 WHERE id = 1');
DROP TRIGGER high_trigger ON rt.item;
CREATE TRIGGER high_trigger AFTER UPDATE ON rt.item FOR EACH STATEMENT WHEN (pg_trigger_depth() > 7) EXECUTE FUNCTION specql.dispatch();
SELECT rt.fired('UPDATE rt.item SET qty = 105 WHERE id = 1');
SELECT rt.fired('UPDATE rt.item SET qty = 105 WHERE id = 1');
DROP TRIGGER high_trigger ON rt.item;
CREATE TRIGGER high_trigger AFTER UPDATE OF low ON rt.item FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch();
SELECT count(*) FROM rt.fired('UPDATE rt.item SET qty = 106 WHERE id = 1');
SELECT rt.fired('UPDATE rt.item SET qty = 106 WHERE id = 1');
DROP TRIGGER specql_capture ON rt.item;
CREATE TRIGGER specql_capture AFTER UPDATE ON rt.item FOR EACH ROW WHEN (new.id < 3) EXECUTE FUNCTION specql.capture();
SELECT count(*) FROM rt.fired('UPDATE rt.item SET qty = 107');
SELECT rt.fired('UPDATE rt.item SET qty = 108');
SELECT rt.fired('UPDATE rt.item SET qty = 1');
SELECT * FROM rt.traces();
DROP TRIGGER kept ON rt.item;
DROP TRIGGER high_trigger ON rt.item;
DROP TRIGGER specql_capture ON rt.item;
SELECT rt.watch('rt.item');

-- ---- several parts of one statement, on one table: the triggers of the last are for all ---------------------------------
UPDATE rt.item SET qty = 5;
WITH first AS (UPDATE rt.item SET qty = -10 WHERE id = 1 RETURNING id)
UPDATE rt.item SET qty = 10 WHERE id = 2;
WITH first AS (UPDATE rt.item SET qty = 10 WHERE id = 1 RETURNING id)
UPDATE rt.item SET qty = -10 WHERE id = 2;
SELECT * FROM rt.traces();
-- A foreign key's own statement ends after that which set it off, and no row of it matches.
CREATE TABLE rt.node (id integer PRIMARY KEY, qty integer REFERENCES rt.node ON UPDATE CASCADE ON DELETE SET NULL);
SELECT rt.watch('rt.node');
SELECT rt.install('node', 'rt.node', 'UPDATE OR DELETE', '{new.id > 100, old.id = 4, new.qty = 99}');
INSERT INTO rt.node VALUES (1, NULL), (2, 1), (4, 4), (5, 4);
UPDATE rt.node SET id = 101 WHERE id = 1;
SELECT * FROM rt.traces();
DELETE FROM rt.node WHERE id = 4;
SELECT * FROM rt.traces();
-- And here only a row of it does.
UPDATE rt.node SET id = 1 WHERE id = 101;
SELECT count(*) FROM rt.traces();
UPDATE rt.node SET id = 99 WHERE id = 1;
SELECT * FROM rt.traces();

-- ---- nested: the outer statement's rows have passed when the inner one begins -------------------------------------------
DROP TRIGGER low_trigger ON rt.item;
DROP TRIGGER new_trigger ON rt.item;
SELECT rt.install('deep', 'rt.item', 'UPDATE', '{new.qty > 1000}');
CREATE FUNCTION rt.touched(what integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rt.item SET qty = qty WHERE id = 5;
    RETURN what;
END $$;
UPDATE rt.item SET qty = 1;
UPDATE rt.item SET qty = rt.touched(1000 + id) WHERE id < 4;
SELECT * FROM rt.traces();
DROP TRIGGER deep_trigger ON rt.item;

-- ---- a condition that may raise an error is asked later, what stands before it at once -----------------------------------
SELECT rt.install('raises', 'rt.item', 'UPDATE', '{new.qty > 50 AND 100 / new.low = 10}');
UPDATE rt.item SET qty = 2 WHERE id = 1;
SELECT rt.fired('UPDATE rt.item SET qty = 50 WHERE id = 1');
SELECT rt.fired('UPDATE rt.item SET qty = 51 WHERE id < 3');
SELECT * FROM rt.traces();

DROP TRIGGER raises_trigger ON rt.item;
-- Of whole rows.
SELECT rt.install('whole', 'rt.item', 'UPDATE', '{old IS NULL OR new IS NOT NULL AND new.qty = 60}');
UPDATE rt.item SET qty = 2 WHERE id = 1;
SELECT rt.fired('UPDATE rt.item SET qty = 50');
SELECT rt.fired('UPDATE rt.item SET qty = 60 WHERE id < 3');
SELECT * FROM rt.traces();

-- ---- specql.log_events = all logs what matches nothing, so its triggers fire ----------------------------------------------
SET specql.log_events = 'all';
SELECT rt.fired('UPDATE rt.item SET qty = 1 WHERE id = 1');
SELECT count(*) FROM specql.events WHERE data -> 'new' ->> 'qty' = '1';
RESET specql.log_events;

-- ---- what has lost its action runs nothing, and fails the statement only if the action was a check --------------------
RESET client_min_messages;
CREATE TRIGGER gone_trigger AFTER UPDATE ON rt.item FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch();
UPDATE rt.item SET qty = 60 WHERE id = 1;
SELECT * FROM rt.traces();
CREATE OR REPLACE TRIGGER gone_trigger AFTER UPDATE ON rt.item FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch('abort');
UPDATE rt.item SET qty = 60 WHERE id = 1;
ALTER TABLE rt.item DISABLE TRIGGER gone_trigger;
UPDATE rt.item SET qty = 60 WHERE id = 1;
SELECT action, relation, enabled FROM specql.actions ORDER BY action;
SELECT count(*) FROM specql.failures;
