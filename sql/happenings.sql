-- What happens to the engine itself, as events that rules listen to, and which cannot set themselves off.
\set ECHO queries
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS specql;
CREATE SCHEMA alarms;
-- A rule on a happening that makes another one happen.
CREATE FUNCTION alarms.pause_again(service text) RETURNS void LANGUAGE sql AS $$ SELECT specql.pause_service(service, 'by a rule') $$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
service: crm
url: http://127.0.0.1:9/
retries: 0
---
service: chat
retries: 0
---
entity: Lead
schema: alarms
fields:
  name: text!
  score: integer
actions:
  - name: greet
    on: insert Lead
    max_attempts: 1
    steps:
      - call_external: crm "add" SET name = name
      - validate: score <> 0
        error: no_score
---
entity: Alarm
schema: alarms
fields: {rule: text!, what: text, attempts: integer, at: timestamptz}
actions:
  - name: on_dead_letter
    on: event specql.delivery_died
    steps:
      - insert: Alarm SET rule = 'dead', what = concat_ws(' ', service, operation, action, error), attempts = payload.attempts
      - call_external: chat "post" SET text = service || ' has lost a call'
  - name: on_parked
    trigger: specql.event_parked
    steps:
      - insert: Alarm SET rule = 'parked', what = concat_ws(' ', action, sqlstate, error), attempts = payload.attempts
  - name: on_parked_fails
    trigger: specql.event_parked
    max_attempts: 1
    steps:
      - validate: action <> 'alarms.greet'
        error: own_failure
  - name: on_disabled
    trigger: specql.service_disabled
    steps:
      - insert: Alarm SET rule = 'disabled', what = concat_ws(' ', service, reason)
  - name: on_resumed
    trigger: specql.service_resumed
    steps:
      - insert: Alarm SET rule = 'resumed', what = service
  - name: on_resumed_too
    on: event specql.service_resumed
    steps:
      - call: "alarms.pause_again(service)"
  - name: on_missing
    trigger: specql.worker_missing
    steps:
      - insert: Alarm SET rule = 'missing', at = since
  - name: many_dead
    trigger: calls_die
    condition: "count(specql.delivery_died) >= 2 WITHIN 1 hour BY service"
    steps:
      - insert: Alarm SET rule = 'many', what = concat(service, ' ', match_count)
$$);
SELECT action, event, part FROM specql.actions WHERE action LIKE 'alarms.%' ORDER BY 1, 3;

-- A dead letter is told of, once; the message about it dies too, and is told to nobody.
INSERT INTO alarms.lead (name, score) VALUES ('Ann', 1), ('Bob', 2);
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT specql.nack(d.id, 'no such channel', final => true) FROM specql.take('chat', 10) AS d;
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT rule, regexp_replace(what, 'Could.*|Fail.*', '...') AS what, attempts FROM alarms.alarm ORDER BY rule, id;
SELECT service, action FROM specql.dead_letters ORDER BY id;
SELECT count(*) AS told FROM specql.happening;

-- So is an event that is parked; a rule that fails on it is parked as well, and that is told to nobody.
TRUNCATE alarms.alarm;
INSERT INTO alarms.lead (name, score) VALUES ('Eve', 0);
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT rule, what, attempts FROM alarms.alarm ORDER BY rule, id;
SELECT action, status, message FROM specql.failures ORDER BY id, action;
SELECT type, count(*) FROM specql.happening GROUP BY type ORDER BY type;
-- Many events of a statement that are parked at once are an event each.
BEGIN;
INSERT INTO alarms.lead (name, score) SELECT 'n' || i, 0 FROM generate_series(1, 20) AS i;
SELECT action, count(*) FROM specql.waiting_event GROUP BY action ORDER BY action;
ROLLBACK;
-- A retry that is the last one.
SELECT specql.retry(f.id) FROM specql.failures AS f WHERE f.action = 'alarms.greet';
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT rule, what, attempts FROM alarms.alarm ORDER BY rule, id;

-- A service that is not called any more, and is again. A rule that pauses it when it is resumed does not go on for ever.
TRUNCATE alarms.alarm;
SELECT specql.pause_service('crm', 'holidays'), specql.pause_service('crm', 'still');
SELECT specql.resume_service('crm'), specql.resume_service('crm');
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT rule, what FROM alarms.alarm ORDER BY id;
SELECT name, status, reason FROM specql.services WHERE name = 'crm';

-- Work that nobody was there for: what was held up by something else before a worker ended, and was not due, does not count.
TRUNCATE alarms.alarm;
INSERT INTO alarms.lead (name, score) VALUES ('Zoe', 1);
UPDATE specql.outbox SET available_at = now() - interval '2 hours';
UPDATE specql.worker_presence SET seen_at = now() - interval '1 hour';
INSERT INTO specql.worker_presence SELECT now() - interval '1 hour', true WHERE NOT EXISTS (SELECT FROM specql.worker_presence);
SELECT specql.missed_since() AS paused;
UPDATE specql.service SET disabled = NULL WHERE name = 'crm';
SELECT specql.missed_since() < now() - interval '1 minute' AS rested;
UPDATE specql.worker_presence SET rested = false;
SELECT specql.missed_since() = seen_at AS since_it_was_seen, specql.tell_of_missing_worker() FROM specql.worker_presence;
SELECT specql.tell_of_missing_worker();
TRUNCATE specql.worker_presence;
SELECT specql.missed_since() = available_at AS since_it_was_due FROM specql.outbox;
SELECT count(*) > 0 AS drained FROM generate_series(1, 3) AS i, specql.drain();
SELECT rule, now() - at > interval '59 minutes' AS long_ago FROM alarms.alarm WHERE rule = 'missing' ORDER BY id;

-- Nobody else raises them; but a rule can be tried out.
SELECT specql.emit('specql.delivery_died', '{}');
SELECT specql.rehearse('specql.delivery_dead');
SELECT specql.rehearse('specql.worker_missing', '[]');
TRUNCATE alarms.alarm;
SELECT specql.rehearse('specql.service_disabled', '{"service": "crm", "reason": "rehearsal"}');
SELECT specql.drain() > 0 AS drained;
SELECT rule, what FROM alarms.alarm ORDER BY id;

-- Who hears: an action whose owner might look it up.
CREATE ROLE happenings_a LOGIN;
CREATE ROLE happenings_b LOGIN;
GRANT specql_admin TO happenings_a, happenings_b;
CREATE SCHEMA of_a AUTHORIZATION happenings_a;
CREATE SCHEMA of_b AUTHORIZATION happenings_b;
SET ROLE happenings_b;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Heard
schema: of_b
fields: {what: text}
actions:
  - name: hear
    on: event specql.event_parked
    steps:
      - insert: Heard SET what = action
  - name: hear_service
    on: event specql.service_disabled
    steps:
      - insert: Heard SET what = service
$$);
SET ROLE happenings_a;
SELECT count(*) > 0 AS applied FROM specql.apply($$
service: post_of_a
---
entity: Letter
schema: of_a
fields: {sheets: integer}
actions:
  - name: weigh
    on: insert Letter
    max_attempts: 1
    steps:
      - update: Letter SET sheets = 1 / sheets WHERE id = letter_id
$$);
BEGIN;
INSERT INTO of_a.letter (sheets) VALUES (0);
SELECT specql.pause_service('post_of_a');
SELECT specql.rehearse('specql.event_parked');
RESET ROLE;
SELECT type, array_agg(action ORDER BY action) FROM specql.waiting_event GROUP BY type ORDER BY type;
ROLLBACK;
RESET ROLE;
DROP TABLE of_a.letter, of_b.heard CASCADE;
DROP SCHEMA alarms CASCADE;
DROP OWNED BY happenings_a, happenings_b CASCADE;
DROP ROLE happenings_a, happenings_b;
