-- Whatever statement changes the rows, each change is seen once, by the handler of its statement.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
SELECT rt.watch('rt.item');

-- ---- INSERT … ON CONFLICT: the inserted and the updated rows go to their own actions --------------------------------
SELECT rt.install('ins', 'rt.item', 'INSERT', '{true}');
SELECT rt.install('upd', 'rt.item', 'UPDATE', '{new.qty IS DISTINCT FROM old.qty}');
SELECT rt.install('both', 'rt.item', 'INSERT OR UPDATE', '{new.qty > 100}');
INSERT INTO rt.item VALUES (1, 10), (2, 20);
SELECT * FROM rt.traces();
INSERT INTO rt.item VALUES (2, 200), (3, 300) ON CONFLICT (id) DO UPDATE SET qty = excluded.qty;
SELECT * FROM rt.traces();
-- One set for both halves of it.
SELECT count(DISTINCT batch) AS sets, count(*) AS events FROM specql.events WHERE action = 'rt.on_both';
INSERT INTO rt.item VALUES (3, 301), (4, 4) ON CONFLICT DO NOTHING;
SELECT * FROM rt.traces();

-- ---- COPY -------------------------------------------------------------------------------------------------------------
COPY rt.item (id, qty) FROM stdin;
5	50
6	600
\.
SELECT * FROM rt.traces();

-- ---- data-modifying WITH: both parts are one statement's level, each with its own rows -------------------------------
WITH gone AS (UPDATE rt.item SET qty = qty + 1 WHERE id = 1 RETURNING id)
UPDATE rt.item SET qty = qty + 1 WHERE id = 2;
SELECT * FROM rt.traces();
DELETE FROM rt.item;
DROP TRIGGER ins_trigger ON rt.item;
DROP TRIGGER both_trigger ON rt.item;

-- ---- foreign keys: what they cascade to is a change like any other; one statement may update a row twice -------------
CREATE TABLE rt.child (id integer PRIMARY KEY, qty integer REFERENCES rt.item ON UPDATE CASCADE ON DELETE CASCADE,
    other integer REFERENCES rt.item ON UPDATE CASCADE ON DELETE SET NULL);
SELECT rt.watch('rt.child');
SELECT rt.install('child', 'rt.child', 'UPDATE OR DELETE', '{true}');
INSERT INTO rt.item VALUES (1, 0), (2, 0);
INSERT INTO rt.child VALUES (11, 1, 1), (12, 1, 2), (13, 2, 2);
-- 11 refers to item 1 twice and is updated twice, each time with its own old and new row.
UPDATE rt.item SET id = 5 WHERE id = 1;
SELECT * FROM rt.traces();
SELECT subject, data->'old'->'qty' AS old_qty, data->'new'->'qty' AS qty, data->'old'->'other' AS old_other, data->'new'->'other' AS other
FROM specql.events WHERE action = 'rt.on_child' ORDER BY id;
DELETE FROM rt.item WHERE id = 2;
SELECT * FROM rt.traces();
SELECT * FROM rt.child ORDER BY id;
DELETE FROM rt.child;
SELECT count(*) FROM rt.traces();
DROP TABLE rt.child CASCADE;

-- ---- nested: a handler updates the table it listens to ------------------------------------------------------------------
DELETE FROM rt.item;
SELECT count(*) FROM rt.traces();
DROP TRIGGER upd_trigger ON rt.item;
-- Below 3 the handler adds one, which is an event again; at 3 its own update touches no row, and it ends.
SELECT rt.install('up', 'rt.item', 'UPDATE', '{new.qty < 3 AND new.qty IS DISTINCT FROM old.qty, new.qty >= 3}',
    'UPDATE rt.item AS i SET qty = i.qty + 1 FROM rt.up_rows(1) AS e WHERE i.id = e.id;');
INSERT INTO rt.item VALUES (1, 0), (2, 1), (3, 9);
UPDATE rt.item SET qty = CASE id WHEN 3 THEN 10 ELSE id END;
SELECT * FROM rt.traces();
SELECT id, qty FROM rt.item ORDER BY id;
-- Who caused what: the depth of each change, and the root of all is the first set's first event.
SELECT e.depth, e.subject, e.data->'new'->'qty' AS qty, c.depth AS cause, e.root = (SELECT min(id::text)::uuid FROM specql.events WHERE action = 'rt.on_up' AND depth = 1) AS first_root
FROM specql.events AS e LEFT JOIN specql.events AS c ON c.id = e.caused_by WHERE e.action = 'rt.on_up' ORDER BY e.depth, e.id;
DROP TRIGGER up_trigger ON rt.item;
TRUNCATE rt.item;

-- ---- other triggers, savepoints and exception blocks between capture and dispatch --------------------------------------
SELECT rt.install('seen', 'rt.item', 'INSERT OR UPDATE', '{true}');
CREATE TABLE rt.other (id integer PRIMARY KEY, qty integer);
SELECT rt.watch('rt.other');
SELECT rt.install('nested', 'rt.other', 'INSERT', '{true}');
-- Runs for each row after specql_capture: changes the same and another table, and undoes that for even rows.
CREATE FUNCTION rt.disturb() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        INSERT INTO rt.other VALUES (new.id, new.qty);
        UPDATE rt.item SET qty = -qty WHERE id = new.id;
        IF new.id % 2 = 0 THEN
            RAISE EXCEPTION 'even';
        END IF;
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_disturb AFTER INSERT ON rt.item FOR EACH ROW EXECUTE FUNCTION rt.disturb();
INSERT INTO rt.item VALUES (1, 10), (2, 20), (3, 30);
SELECT * FROM rt.traces();
SELECT id, qty FROM rt.item ORDER BY id;
SELECT action, subject, depth FROM specql.events WHERE action IN ('rt.on_seen', 'rt.on_nested') ORDER BY id;
DROP TRIGGER zz_disturb ON rt.item;
-- Savepoints: what is rolled back was never an event.
BEGIN;
UPDATE rt.item SET qty = 1 WHERE id = 1;
SAVEPOINT a;
UPDATE rt.item SET qty = 2 WHERE id = 2;
ROLLBACK TO a;
UPDATE rt.item SET qty = 3 WHERE id = 3;
SAVEPOINT b;
UPDATE rt.item SET qty = 4 WHERE id = 3;
RELEASE b;
COMMIT;
SELECT * FROM rt.traces();
BEGIN;
UPDATE rt.item SET qty = 9;
ROLLBACK;
SELECT * FROM rt.traces();
-- A statement that fails after some of its rows were captured leaves nothing behind for the next.
CREATE FUNCTION rt.fail_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.id = 3 THEN RAISE EXCEPTION 'late'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER zz_fail AFTER UPDATE ON rt.item FOR EACH ROW EXECUTE FUNCTION rt.fail_late();
BEGIN;
SAVEPOINT a;
UPDATE rt.item SET qty = 100;
ROLLBACK TO a;
UPDATE rt.item SET qty = 101 WHERE id = 1;
COMMIT;
SELECT * FROM rt.traces();
DROP TRIGGER zz_fail ON rt.item;

-- A function called in the middle of a statement changes the same table: its statement ends first.
CREATE FUNCTION rt.insert_other(i integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.item VALUES (i, i);
    RETURN i;
END $$;
UPDATE rt.item SET qty = rt.insert_other(id + 10) WHERE id IN (1, 2);
SELECT * FROM rt.traces();

-- ---- a cursor, a prepared statement, a table rewritten in between ----------------------------------------------------
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM rt.item WHERE id = 1 FOR UPDATE;
FETCH c \gset fetched_
UPDATE rt.item SET qty = 55 WHERE CURRENT OF c;
COMMIT;
PREPARE change(integer) AS UPDATE rt.item SET qty = $1 WHERE id = 1;
EXECUTE change(56);
ALTER TABLE rt.item ADD COLUMN extra text DEFAULT 'new';
EXECUTE change(57);
ALTER TABLE rt.item ALTER COLUMN low TYPE bigint;
EXECUTE change(58);
ALTER TABLE rt.item DROP COLUMN extra;
EXECUTE change(59);
SELECT * FROM rt.traces();
SELECT data->'new' AS row FROM (SELECT * FROM specql.events WHERE action = 'rt.on_seen' ORDER BY id DESC LIMIT 4) AS e ORDER BY id;

-- ---- replica role: origin triggers are silent; ALWAYS ones are not ------------------------------------------------------
SET session_replication_role = replica;
UPDATE rt.item SET qty = 60 WHERE id = 1;
SELECT * FROM rt.traces();
ALTER TABLE rt.item ENABLE ALWAYS TRIGGER specql_capture;
UPDATE rt.item SET qty = 61 WHERE id = 1;
SELECT * FROM rt.traces();
ALTER TABLE rt.item ENABLE ALWAYS TRIGGER seen_trigger;
UPDATE rt.item SET qty = 62 WHERE id = 1;
SELECT * FROM rt.traces();
ALTER TABLE rt.item ENABLE REPLICA TRIGGER seen_trigger;
UPDATE rt.item SET qty = 63 WHERE id = 1;
SELECT * FROM rt.traces();
RESET session_replication_role;
UPDATE rt.item SET qty = 64 WHERE id = 1;
SELECT * FROM rt.traces();
ALTER TABLE rt.item ENABLE TRIGGER seen_trigger;
ALTER TABLE rt.item ENABLE TRIGGER specql_capture;

-- ---- ten thousand rows, more than fit in memory: one set --------------------------------------------------------------
TRUNCATE rt.item;
SET work_mem = '64kB';
INSERT INTO rt.item SELECT i, i FROM generate_series(1, 10000) AS i;
SELECT count(*), sum(qty), sum(id) FROM rt.traces();
UPDATE rt.item SET qty = qty + 1 WHERE id % 2 = 0;
SELECT count(*), sum(old_qty), sum(qty), sum(id) FROM rt.traces();
SELECT count(*) AS events, count(DISTINCT id) AS ids, count(DISTINCT batch) AS sets, count(DISTINCT subject) AS subjects
FROM specql.events WHERE batch = (SELECT batch FROM specql.events ORDER BY id DESC LIMIT 1);
RESET work_mem;

\set ECHO none
\i sql/include/runtime_end.psql
