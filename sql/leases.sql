-- Calls that are claimed leave the outbox for a lease, one row for many, and that for the history, or for the outbox again. Each is in one
-- place at a time, whatever becomes of it, and whoever looks sees it whole.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) FROM specql.apply($$
service: press
retries: 1
---
service: archive
---
entity: Book
schema: lib
fields:
  title: text
actions:
  - name: on_book
    on: insert Book
    steps:
      - call_external: press "print"
      - call_external: archive "keep"
$$);
CREATE VIEW places AS
    SELECT d.place, d.service, d.operation, d.status, d.attempts, coalesce(d.payload #>> '{new,title}', d.payload #>> '{}') AS what, d.leased_by, d.last_error
    FROM specql.whole_delivery AS d;
CREATE VIEW rows AS
    SELECT (SELECT count(*) FROM specql.outbox) AS outbox, (SELECT count(*) FROM specql.lease) AS leases, (SELECT count(*) FROM specql.leased_call) AS leased,
           (SELECT count(*) FROM specql.delivery_history) AS history, (SELECT count(*) FROM specql.dead_letter) AS dead,
           (SELECT count(*) FROM specql.own_payload) AS payloads;
INSERT INTO lib.book (title) VALUES ('one'), ('two'), ('three'), ('four');
SELECT cardinality(specql.enqueue('press', 'bind', ARRAY['"five"', '"six"']::jsonb[])) AS queued;
SELECT * FROM rows;

-- One row for those of an action, one for those of nobody's.
SELECT t.status, t.attempts, t.operation, coalesce(t.payload #>> '{new,title}', t.payload #>> '{}') AS what FROM specql.take('press', 10) AS t;
SELECT * FROM rows;
SELECT service, action, cardinality(ids) AS calls, leased_by = session_user AS own, partial FROM specql.lease ORDER BY number;
SELECT * FROM places ORDER BY place, service, what;
SELECT name, waiting, dead FROM specql.services ORDER BY name;
SELECT detail LIKE '10, the oldest since %' AS counted FROM specql.health() WHERE "check" = 'waiting deliveries';
SELECT count(*) AS of_nobody_else FROM specql.take('press', 10);

-- Some of them are done, some are not.
CREATE FUNCTION id_of(what text, called text) RETURNS uuid LANGUAGE sql AS $$
    SELECT d.id FROM specql.whole_delivery AS d
    WHERE coalesce(d.payload #>> '{new,title}', d.payload #>> '{}') = $1 AND d.service = $2
$$;
SELECT specql.ack(id_of('one', 'press'), id_of('five', 'press'), id_of('one', 'press'), gen_random_uuid()) AS done;
SELECT specql.ack(id_of('one', 'press')) AS again;
SELECT service, action, cardinality(ids) AS calls, partial FROM specql.lease ORDER BY number;
SELECT specql.nack(id_of('two', 'press'), 'out of ink', '1 hour');
SELECT * FROM places WHERE service = 'press' ORDER BY place, what;
SELECT * FROM rows;
-- A rolled back ack has changed nothing.
BEGIN;
SELECT specql.ack(VARIADIC array_agg(c.id)) FROM specql.leased_call AS c;
SELECT * FROM rows;
ROLLBACK;
SELECT * FROM rows;
SELECT specql.ack(VARIADIC array_agg(c.id)) FROM specql.leased_call AS c;
SELECT * FROM rows;
-- The history has what was delivered, also of those with a payload of their own.
SELECT * FROM places WHERE place = 'history' ORDER BY what;

-- An event is processed when all of its calls have left.
SELECT subject = (SELECT b.id::text FROM lib.book AS b WHERE b.title = 'one') AS first, status, processed_at IS NULL AS waits FROM specql.events ORDER BY id;
SELECT count(*) FROM specql.take('archive', 2);
SELECT specql.ack(VARIADIC array_agg(c.id)) FROM specql.leased_call AS c;
SELECT status, processed_at IS NULL AS waits FROM specql.events ORDER BY id;
SELECT bool_and(e.processed_at = (SELECT max(d.finished_at) FROM specql.deliveries AS d WHERE d.event_id = e.id)) AS when_the_last_left
FROM specql.events AS e WHERE e.status = 'done';
SELECT fired, p50_latency IS NOT NULL AS measured FROM specql.action_stats;

-- A lease that is over: others get its calls, with the attempt counted, and dead letters come of those that have used up theirs.
SELECT count(*) FROM specql.take('archive', 10, '1 ms');
SELECT specql.ack(id_of('three', 'archive'));
SELECT pg_sleep(0.01);
SELECT t.attempts, t.payload #>> '{new,title}' AS what FROM specql.take('archive', 10) AS t;
SELECT specql.ack(VARIADIC array_agg(d.id)) FROM specql.deliveries AS d WHERE d.status = 'leased';
SELECT cardinality(specql.enqueue('press', 'bind', ARRAY['"seven"', '"eight"', '"nine"']::jsonb[])) AS queued;
SELECT count(*) FROM specql.take('press', 3, '1 ms');
SELECT pg_sleep(0.01);
SELECT specql.expire_deliveries();
SELECT * FROM places WHERE what IN ('seven', 'eight', 'nine') ORDER BY what;
SELECT specql.nack(t.id, 'once more') FROM specql.take('press', 1) AS t;
SELECT what, attempts, last_error FROM places WHERE place = 'dead letters';
SELECT count(*) AS without_its_payload FROM specql.own_payload AS p WHERE p.payload = '"seven"';
SELECT specql.redrive('press') AS redriven;
SELECT place, status, attempts FROM places WHERE what = 'seven';

-- A worker that begins gives back what its predecessor had.
SELECT count(*) FROM specql.take('press', 1);
UPDATE specql.outbox SET leased_by = 'worker 1' WHERE status = 'leased';
SELECT cardinality(specql.enqueue('archive', 'keep', ARRAY['"ten"', '"eleven"']::jsonb[])) AS queued;
SELECT count(*) FROM specql.take('archive', 2);
UPDATE specql.lease SET leased_by = 'worker 1';
SELECT specql.release_leases(1), specql.release_leases(2);
SELECT what, status, attempts, leased_by FROM places WHERE place = 'outbox' ORDER BY what;

-- Who asks for an order gets it: of what is under way in the outbox, where those behind see it.
SELECT count(*) FROM specql.take('press', 10);
SELECT cardinality(specql.enqueue('press', 'bind', ARRAY['{"key": 1, "n": 1}', '{"key": 1, "n": 2}']::jsonb[])) AS queued;
SELECT count(*) FROM specql.take('press', 1);
SELECT leases FROM rows;
SELECT count(*) FROM specql.apply(E'service: press\nretries: 1\nordering: key\n');
SELECT count(*) AS of_a_key_under_way FROM specql.take('press', 10) AS t WHERE t.payload ? 'key';
SELECT leases FROM rows;
SELECT specql.ack(VARIADIC array_agg(d.id)) FROM specql.deliveries AS d WHERE d.status = 'leased';
SELECT t.payload FROM specql.take('press', 10) AS t;

-- A service that nobody declares any more has nobody who looks whether its leases are over.
SELECT count(*) FROM specql.take('archive', 1);
SELECT count(*) FROM specql.remove('archive');
SELECT place, service, status, what FROM places WHERE place IN ('outbox', 'lease') ORDER BY 1, 2, 4;

-- What a call delivers may be gone: its row says so, and holds nobody up.
TRUNCATE specql.outbox, specql.lease;
SELECT cardinality(specql.enqueue('press', 'bind', ARRAY['{"key": 2}', '{"key": 3}']::jsonb[])) AS queued;
DELETE FROM specql.own_payload WHERE payload ->> 'key' = '2';
SELECT t.payload FROM specql.take('press', 10) AS t;
SELECT payload, last_error FROM specql.dead_letters WHERE last_error LIKE 'its payload%';

-- The partition of the log stays that a leased call needs.
SELECT count(*) FROM specql.apply(E'service: archive\n');
INSERT INTO lib.book (title) VALUES ('last');
SELECT count(*) FROM specql.take('archive', 1);
DELETE FROM specql.outbox;
DELETE FROM specql.dead_letter;
SET specql.event_retention = '1h';
UPDATE specql.event_log SET id = specql.first_uuid(now() - interval '2 days');
UPDATE specql.lease SET event_ids = ARRAY[(SELECT l.id FROM specql.event_log AS l LIMIT 1)];
SELECT count(*) AS emptied FROM specql.expire_events();
SELECT specql.ack(VARIADIC array_agg(c.id)) FROM specql.leased_call AS c;
SELECT count(*) > 0 AS emptied FROM specql.expire_events();

-- A payload of its own may be of an event of long ago, or of one that a caller makes up. Its id tells when it was queued: the history forgets by it.
SELECT abs(extract(epoch FROM specql.uuid_time(specql.call_external('archive', 'keep', e, '{}')) - now())) < 60 AS queued_now
FROM unnest('{00000000-0000-4000-8000-000000000000,ffffffff-ffff-4fff-bfff-ffffffffffff}'::uuid[]) AS e;
SELECT specql.ack(VARIADIC array_agg(t.id)) FROM specql.take('archive', 10) AS t;
SELECT specql.expire_deliveries() AS forgotten;
SET specql.delivery_retention = 0;
SELECT pg_sleep(0.01);
SELECT specql.expire_deliveries() > 0 AS forgotten;
SELECT count(*) AS payloads_left FROM specql.own_payload AS p WHERE p.payload = '{}';
