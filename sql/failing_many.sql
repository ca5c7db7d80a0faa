-- Many events of one statement fail: they are found within a bounded number of calls of the handler, and what is left is
-- handled after the commit. Nothing is lost, nothing happens twice.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all
CREATE SCHEMA shop;
CREATE SEQUENCE shop.calls;
-- Nothing takes back what a sequence has counted.
CREATE FUNCTION shop.note_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('shop.calls');
    RETURN NULL;
END $$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Reading
schema: shop
fields: {number: integer, value: integer}
actions:
  - name: on_reading
    on: Reading
    steps:
      - insert: "Share SET number = number, share = 100 / value"
---
entity: Share
schema: shop
fields: {number: integer, share: integer}
$$);
CREATE TRIGGER note_call BEFORE INSERT ON shop.share FOR EACH STATEMENT EXECUTE FUNCTION shop.note_call();
-- How often the handler was called, and what became of the events.
CREATE FUNCTION pg_temp.outcome() RETURNS TABLE (handled bigint, twice bigint, failed bigint, waiting bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM shop.share), (SELECT count(*) FROM (SELECT FROM shop.share GROUP BY number HAVING count(*) > 1) AS s),
           (SELECT count(*) FROM specql.failures), (SELECT count(*) FROM specql.events WHERE status = 'waiting') $$;
CREATE PROCEDURE pg_temp.clean() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE shop.reading, shop.share;
    DELETE FROM specql.failure;
    DELETE FROM specql.event_log;
    PERFORM setval('shop.calls', 1, false);
END $$;

-- ---- a few: all of them are found, wherever they are --------------------------------------------------------------------
INSERT INTO shop.reading (number, value) SELECT i, CASE WHEN i IN (1, 2, 700, 1999, 2000) THEN 0 ELSE 1 END FROM generate_series(1, 2000) AS i;
SELECT * FROM pg_temp.outcome();
SELECT array_agg((data->'new'->>'number')::integer ORDER BY id) FROM specql.failures;
SELECT last_value < 100 AS few_calls FROM shop.calls;
CALL pg_temp.clean();
INSERT INTO shop.reading (number, value) SELECT i, i % 200 FROM generate_series(1, 2000) AS i;
SELECT * FROM pg_temp.outcome();
CALL pg_temp.clean();
-- Half of a small set.
INSERT INTO shop.reading (number, value) SELECT i, i % 2 FROM generate_series(1, 100) AS i;
SELECT * FROM pg_temp.outcome();
CALL pg_temp.clean();

-- ---- half of a large one ----------------------------------------------------------------------------------------------------
INSERT INTO shop.reading (number, value) SELECT i, i % 2 FROM generate_series(1, 5000) AS i;
SELECT handled + failed + waiting AS all, handled > 50 AS some_handled, failed > 50 AS some_failed, waiting > 3000 AS most_wait, twice FROM pg_temp.outcome();
SELECT last_value < 1000 AS bounded FROM shop.calls;
-- Those that were tried are the first ones.
SELECT (SELECT max(number) FROM shop.share) < min((data->'new'->>'number')::integer) AS in_order FROM specql.events WHERE status = 'waiting';
SELECT count(*), count(*) FILTER (WHERE status = 'ok') AS ok FROM specql.health() WHERE "check" = 'action shop.on_reading';
SELECT kind, action, due_at <= clock_timestamp() AS due FROM specql.owner_work() WHERE kind = 'released';
UPDATE specql.failure SET next_attempt_at = 'infinity';
SET client_min_messages = error;
SELECT specql.drain() > 3000 AS drained;
RESET client_min_messages;
SELECT * FROM pg_temp.outcome();
SELECT count(*) AS wrong FROM specql.failures WHERE (data->'new'->>'number')::integer % 2 = 1;
SELECT count(*), count(DISTINCT id) FROM specql.events WHERE status = 'done';
SELECT count(*) FROM specql.health() WHERE "check" = 'action shop.on_reading';
CALL pg_temp.clean();

-- ---- later events of the transaction do not overtake them ------------------------------------------------------------------
BEGIN;
INSERT INTO shop.reading (number, value) SELECT i, i % 2 FROM generate_series(1, 5000) AS i;
SELECT handled AS before FROM pg_temp.outcome() \gset
UPDATE shop.reading SET value = 50, number = 6000 WHERE number = 5000;
SELECT handled - :before AS handled_now FROM pg_temp.outcome();
COMMIT;
INSERT INTO shop.reading (number, value) VALUES (7000, 1);
SELECT handled - :before AS handled_now FROM pg_temp.outcome();
SELECT status, data->'old'->'number' AS old, data->'new'->'number' AS new FROM specql.events
WHERE subject = (SELECT id::text FROM shop.reading WHERE number = 6000) ORDER BY id;
SET client_min_messages = error;
SELECT specql.drain() > 3000 AS drained;
RESET client_min_messages;
SELECT number, share FROM shop.share WHERE number > 5000 ORDER BY 1;
CALL pg_temp.clean();
-- What is rolled back to a savepoint leaves nothing behind.
BEGIN;
SAVEPOINT before;
INSERT INTO shop.reading (number, value) SELECT i, i % 2 FROM generate_series(1, 5000) AS i;
ROLLBACK TO before;
INSERT INTO shop.reading (number, value) VALUES (1, 1);
SELECT * FROM pg_temp.outcome();
COMMIT;
CALL pg_temp.clean();
BEGIN;
SAVEPOINT before;
INSERT INTO shop.reading (number, value) SELECT i, i % 2 FROM generate_series(1, 5000) AS i;
RELEASE before;
INSERT INTO shop.reading (number, value) VALUES (6000, 1);
SELECT count(*) FROM shop.share WHERE number = 6000;
ROLLBACK;
CALL pg_temp.clean();

-- ---- a handler that fails for all is not asked for each, and its events are failures ------------------------------------
INSERT INTO shop.reading (number, value) SELECT i, 0 FROM generate_series(1, 5000) AS i;
SELECT * FROM pg_temp.outcome();
SELECT status, attempts, sqlstate, message, count(*), count(DISTINCT id), count(next_attempt_at) > 0 AS due,
    bool_and(next_attempt_at BETWEEN last_failed_at AND last_failed_at + interval '1 s') AS within_backoff, count(DISTINCT next_attempt_at) > 4000 AS spread
FROM specql.failures GROUP BY 1, 2, 3, 4;
CALL pg_temp.clean();

-- ---- with on_error: abort the first one ends the statement ------------------------------------------------------------------
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: reading_is_positive
    on: insert Reading
    on_error: abort
    steps:
      - validate: "new.value >= 0"
$$);
-- The error names the row by a key that is another in each run.
\set VERBOSITY terse
INSERT INTO shop.reading (number, value) SELECT i, i % 2 - 1 FROM generate_series(1, 5000) AS i;
\set VERBOSITY default
SELECT * FROM pg_temp.outcome();

-- ---- what does not carry its row is tried while the row is there ------------------------------------------------------------
CALL pg_temp.clean();
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Paper
schema: shop
fields: {number: integer, body: text}
actions:
  - name: on_paper
    on: insert Paper
    steps:
      - insert: "Share SET number = number, share = length(body) / (number % 2)"
$$);
SET specql.max_event_size = '2kB';
SET client_min_messages = error;
INSERT INTO shop.paper (number, body) SELECT i, CASE WHEN i < 2900 THEN 'x' ELSE repeat('x', 3000) END FROM generate_series(1, 3000) AS i;
SELECT status, count(*) FROM specql.events WHERE action = 'shop.on_paper' AND (data -> 'new' ->> 'number')::integer >= 2900 GROUP BY status ORDER BY status;
SELECT count(*) > 1000 AS others_wait FROM specql.events WHERE action = 'shop.on_paper' AND status = 'waiting';
SELECT count(*), min(share) FROM shop.share WHERE number >= 2900;
