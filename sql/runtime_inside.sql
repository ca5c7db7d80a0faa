-- Functions of users that conditions, values and handlers call, and what they do meanwhile: what the server has in memory of
-- the table becomes out of date, and rows of it are written.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SELECT rt.watch('rt.item');
-- A GRANT of any session does this to a table that is open and locked.
CREATE FUNCTION rt.refresh(tbl text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT SELECT ON %s TO CURRENT_USER', tbl);
    RETURN true;
END $$;
CREATE FUNCTION rt.refreshed(tbl text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN rt.refresh(tbl); END $$;

-- Of a function that is said to be immutable the value is asked for while the condition is compiled.
SELECT rt.install('a_compiled', 'rt.item', 'INSERT OR UPDATE', '{new.qty > 10 AND rt.refreshed(''rt.item'')}');
SELECT rt.install('b_plain', 'rt.item', 'INSERT OR UPDATE', '{new.qty > 10}');
INSERT INTO rt.item VALUES (1, 11), (2, 2), (3, 33);
SELECT * FROM rt.traces() ORDER BY action, id;
UPDATE rt.item SET qty = qty + 10;
SELECT * FROM rt.traces() ORDER BY action, id;
DROP TRIGGER a_compiled_trigger ON rt.item;
DROP TRIGGER b_plain_trigger ON rt.item;

-- While a row is looked at, from its partition and from the table above.
CREATE TABLE rt.part (id integer PRIMARY KEY, qty integer) PARTITION BY RANGE (id);
CREATE TABLE rt.part_low (qty integer, id integer NOT NULL);
ALTER TABLE rt.part ATTACH PARTITION rt.part_low FOR VALUES FROM (0) TO (100);
SELECT rt.watch('rt.part');
SELECT rt.install('part', 'rt.part', 'INSERT OR UPDATE', '{rt.refresh(''rt.part_low'') AND rt.refresh(''rt.part'') AND new.qty > 10}');
SELECT rt.install('low', 'rt.part_low', 'INSERT OR UPDATE', '{rt.refresh(''rt.part_low'') AND new.qty > 10}');
INSERT INTO rt.part VALUES (1, 11), (2, 2), (3, 33);
UPDATE rt.part SET qty = qty + 10;
SELECT * FROM rt.traces() ORDER BY action, id, qty;
SELECT count(*) AS failures FROM specql.failures;

-- A handler that is called again later, with a trigger made up for it.
SELECT rt.install('named', 'rt.item', 'INSERT', '{true}',
    'PERFORM rt.refresh(''rt.item''), rt.refresh(''rt.part'');
     PERFORM 1 / (SELECT count(*) FROM rt.part WHERE id = 50);
     IF TG_NAME <> ''named_trigger'' THEN RAISE ''fired by %'', TG_NAME; END IF;');
SET client_min_messages = error;
INSERT INTO rt.item VALUES (4, 4);
SELECT message FROM specql.failures;
INSERT INTO rt.part VALUES (50, 1);
SELECT specql.retry(id) FROM specql.failures;
SELECT message FROM specql.failures;
SELECT * FROM rt.traces();
DROP TRIGGER named_trigger ON rt.item;
RESET client_min_messages;

-- A condition that changes rows of its own table would be evaluated while it is. The event fails, with all that the function
-- did; the statement does not.
CREATE FUNCTION rt.raise_next(which integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.seen VALUES (which);
    IF which < 10 THEN UPDATE rt.item SET qty = qty + 100 WHERE id = which + 10; END IF;
    RETURN true;
END $$;
CREATE TABLE rt.seen (id integer);
DELETE FROM rt.item;
INSERT INTO rt.item VALUES (5, 5), (15, 15);
SELECT rt.install('writes', 'rt.item', 'UPDATE', '{rt.raise_next(new.id)}');
UPDATE rt.item SET qty = qty + 1;
SELECT id, qty FROM rt.item ORDER BY id;
SELECT id FROM rt.seen ORDER BY id;
SELECT * FROM rt.traces();
SELECT subject, sqlstate, message, hint FROM specql.failures;
-- When it is tried again it fails again.
SELECT specql.retry(id) FROM specql.failures;
SELECT subject, sqlstate, message, attempts FROM specql.failures;
SELECT id, qty FROM rt.item ORDER BY id;
DROP TRIGGER writes_trigger ON rt.item;
-- With on_error = abort the statement fails.
SELECT rt.install('aborts', 'rt.item', 'UPDATE', '{rt.raise_next(new.id)}', '', 'abort');
\set VERBOSITY terse
UPDATE rt.item SET qty = qty + 1;
SELECT id, qty FROM rt.item ORDER BY id;
-- By way of the table above it is the same.
CREATE FUNCTION rt.move_down(which integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF which = 1 THEN UPDATE rt.part_low SET qty = qty - 1000 WHERE id = 2; END IF;
    RETURN true;
END $$;
DROP TRIGGER part_trigger ON rt.part;
DROP TRIGGER low_trigger ON rt.part_low;
SELECT rt.install('above', 'rt.part', 'UPDATE', '{rt.move_down(new.id)}');
DELETE FROM specql.failure;
UPDATE rt.part SET qty = 0 WHERE id IN (1, 3);
SELECT id, qty FROM rt.part ORDER BY id;
SELECT * FROM rt.traces();
SELECT subject, sqlstate, message FROM specql.failures;
