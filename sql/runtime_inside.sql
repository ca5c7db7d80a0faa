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
