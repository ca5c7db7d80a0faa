-- A capture function that is gone: the statement succeeds, every change it makes waits as a failure, and is judged when
-- the function is there again.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
SELECT rt.watch('rt.item');
SELECT rt.install('big', 'rt.item', 'INSERT OR UPDATE OR DELETE', '{coalesce(new.qty, old.qty) > 100}');
SELECT rt.install('small', 'rt.item', 'UPDATE', '{new.qty < 5}');
INSERT INTO rt.item VALUES (1, 0), (2, 200);
SELECT * FROM rt.traces();

ALTER FUNCTION rt.big_capture RENAME TO elsewhere;
UPDATE rt.item SET qty = CASE id WHEN 1 THEN 1 ELSE 300 END;
INSERT INTO rt.item VALUES (3, 4);
DELETE FROM rt.item WHERE id = 2;
-- The other action has nothing to do with it.
SELECT * FROM rt.traces();
SELECT action, subject, data->'old'->'qty' AS old_qty, data->'new'->'qty' AS qty, sqlstate, message, hint, status
FROM specql.failures ORDER BY occurred_at;
-- Still gone: nobody is helped by another attempt, but nothing is lost. One warning, however many events.
SET specql.clock_offset = '2 min';
SELECT specql.drain();
SELECT count(*), min(attempts), max(attempts) FROM specql.failures;

-- Back again: what matches is handled, what does not has nothing to do.
ALTER FUNCTION rt.elsewhere RENAME TO big_capture;
SET specql.clock_offset = '4 min';
SELECT specql.drain();
SELECT * FROM rt.traces() ORDER BY old_qty;
SELECT subject, status, attempts FROM specql.events WHERE last_error IS NOT NULL ORDER BY id;
SELECT count(*) FROM specql.failures;

-- The schema renamed: every name that the trigger knows is wrong, and right again.
ALTER SCHEMA rt RENAME TO other;
UPDATE other.item SET qty = 400 WHERE id = 1;
ALTER SCHEMA other RENAME TO rt;
SET specql.clock_offset = '6 min';
SELECT specql.drain();
UPDATE rt.item SET qty = 500 WHERE id = 1;
SELECT * FROM rt.traces();

-- An invariant that cannot be checked does not hold.
SELECT rt.install('strict', 'rt.item', 'UPDATE', '{new.qty < 0}', '', 'abort');
DROP FUNCTION rt.strict_capture;
UPDATE rt.item SET qty = 7 WHERE id = 1;
SELECT qty FROM rt.item WHERE id = 1;
-- What it does not listen to goes on.
INSERT INTO rt.item VALUES (8, 1);
DELETE FROM rt.item WHERE id = 8;

-- One that a migration has broken says why, and fails what it would check alone.
CREATE TABLE rt.crate (id integer PRIMARY KEY, weight integer);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: rt
actions:
  - name: weighed
    on: insert Crate
    on_error: abort
    steps:
      - validate: "weight > 0"
        error: "a crate weighs something"
$$);
INSERT INTO rt.crate VALUES (1, 5);
ALTER TABLE rt.crate DROP COLUMN weight;
INSERT INTO rt.crate VALUES (2);
UPDATE rt.crate SET id = 3;
DELETE FROM rt.crate;
SELECT "check", status, regexp_replace(detail, 'since [^,]*', 'since …') FROM specql.health() WHERE status IN ('broken', 'detached');
ALTER TABLE rt.crate ADD COLUMN weight integer;
SELECT specql.attach('rt.crate');
INSERT INTO rt.crate VALUES (2);
INSERT INTO rt.crate VALUES (2, 1);
SELECT specql.detach('rt.crate');
INSERT INTO rt.crate VALUES (3, 1);
SELECT "check", status, regexp_replace(detail, 'since [^,]*', 'since …') FROM specql.health() WHERE status IN ('broken', 'detached');
SELECT specql.attach('rt.crate');

\set ECHO none
\i sql/include/runtime_end.psql
