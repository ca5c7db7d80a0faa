-- Actions that are due at times: what a schedule means, what is missed, and what the runtime keeps of it.
\set ECHO queries
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS specql;
SET client_min_messages = notice;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Invoice
schema: dunning
fields:
  number: integer!
  due_on: date!
  status: enum(open, late) = 'open'
---
entity: Run
schema: dunning
fields: {rule: text, at: timestamptz, since: timestamptz}
actions:
  - name: mark_late
    description: Every night
    on: Every  day at 02:30 in Europe/Berlin
    steps:
      - update: Invoice SET status = 'late' WHERE status = 'open' AND due_on < due_at::date
      - insert: Run SET rule = 'mark_late', at = due_at, since = last_due_at
  - name: beat
    on: every 6 hours
    missed: run_all
    steps:
      - insert: Run SET rule = 'beat', at = event_time
  - name: weekly
    on: cron "0 6 * * mon" in UTC
    missed: skip
    steps:
      - insert: Run SET rule = 'weekly', at = due_at
      - notify: office "The week of {due_at::date}"
$$);
SELECT action, schedule, missed, last_at, next_at > now() AS later, active FROM specql.schedules ORDER BY 1;

-- On the days when clocks change, in Europe at 01:00 UTC.
SELECT t.after, specql.next_due('every day at 02:30 in Europe/Berlin', t.after), specql.next_due('cron "30 * * * *" in Europe/Berlin', t.after)
FROM unnest('{2026-03-28 12:00, 2026-03-29 00:45, 2026-03-29 01:00, 2026-10-24 12:00, 2026-10-25 00:30, 2026-10-25 01:30}'::timestamptz[]) AS t(after);
SELECT specql.last_due('every day at 06:00', '2026-01-01', '2026-11-30 06:00'), specql.last_due('cron "0 0 29 2 *"', '2000-01-01', '2026-11-30'),
       specql.last_due('every day at 06:00', '2026-11-30 06:00', '2026-11-30 07:00'), specql.last_due('every 5 minutes', '2026-01-01', '2026-11-30 06:03:01'),
       specql.next_due('every 5 minutes', 'infinity');
SELECT specql.next_due('every day at 25:00', now());
SELECT specql.next_due('every day in Europe/Berln', now());

-- From here on the times are put where they are wanted: a worker, or drain, finds them as it would after a night in which nothing ran.
CREATE FUNCTION due(action text, at timestamptz, last timestamptz DEFAULT NULL) RETURNS void LANGUAGE sql AS
'UPDATE specql.schedule AS s SET due_at = $2, last_due_at = $3 WHERE s.action = ''dunning.'' || $1';
CREATE VIEW runs AS SELECT rule, at, since FROM dunning.run ORDER BY rule, at;
INSERT INTO dunning.invoice (number, due_on) VALUES (1, '2020-01-01'), (2, '2100-01-01');
SELECT specql.drain();
SELECT * FROM runs;

-- Three nights were missed: it runs once, for the last of them; what runs always runs for each; what is skipped is skipped.
SELECT due('mark_late', specql.next_due('every day at 02:30 in Europe/Berlin', now() - interval '3 days'), '2020-01-01');
SELECT due('beat', specql.next_due('every 6 hours', now() - interval '1 day'));
SELECT due('weekly', specql.next_due('cron "0 6 * * mon" in UTC', now() - interval '15 days'));
SELECT specql.drain();
SELECT rule, count(*), bool_and(at > now() - interval '25 hours') AS late, min(since) AS since FROM runs GROUP BY rule ORDER BY rule;
SELECT number, status FROM dunning.invoice ORDER BY 1;
SELECT action, last_at IS NOT NULL AS ran, next_at > now() AS later FROM specql.schedules ORDER BY 1;
SELECT e.type, e.action, e.status, e.data ? 'due_at' AS due_at, e.occurred_at = (e.data ->> 'due_at')::timestamptz AS at_that_time
FROM specql.events AS e WHERE e.action = 'dunning.mark_late';
SELECT specql.drain();

-- Nobody else raises it.
SELECT specql.emit('every day at 02:30 in Europe/Berlin', '{"due_at": "2026-01-01"}') IS NOT NULL AS emitted;
SELECT count(*) FROM runs WHERE rule = 'mark_late';

-- Once more, now or for a time in the past.
SELECT specql.run_schedule('weekly', '{"due_at": "2026-11-30 06:00Z"}') IS NOT NULL AS queued;
SELECT specql.drain();
SELECT * FROM runs WHERE rule = 'weekly';
SELECT message FROM specql.deliveries WHERE action = 'dunning.weekly';
SELECT specql.run_schedule('nightly');

-- A handler that fails is tried again; the next time comes meanwhile.
ALTER TABLE dunning.run ADD CONSTRAINT closed CHECK (rule <> 'beat') NOT VALID;
SELECT due('beat', now() - interval '1 second');
SELECT specql.drain();
SELECT action, attempts, status FROM specql.failures;
ALTER TABLE dunning.run DROP CONSTRAINT closed;
UPDATE specql.failure SET next_attempt_at = now();
SELECT specql.drain();
SELECT count(*) FROM specql.failures;

-- Paused, it misses its times; what becomes of them is seen to when it is resumed.
DELETE FROM dunning.run;
SELECT specql.pause('beat');
SELECT due('beat', specql.next_due('every 6 hours', now() - interval '12 hours'));
SELECT specql.drain();
SELECT count(*) FROM runs;
SELECT specql.resume('beat');
SELECT specql.drain();
SELECT rule, count(*) FROM runs GROUP BY rule;

-- Applied again it goes on; with another schedule it begins anew; without one it is none.
SELECT due('beat', '2100-01-01', '2020-01-01');
SELECT count(*) FROM specql.apply($$
schema: dunning
actions:
  - name: nightly
    on: every day at 00:00 in UTC
    steps:
      - insert: Run SET rule = 'nightly', at = due_at
$$);
SELECT due('nightly', '2100-01-01', '2020-01-01');
SELECT action, change FROM specql.apply($$
schema: dunning
actions:
  - name: nightly
    on: every day  at 00:00 in UTC
    steps:
      - insert: Run SET rule = 'nightly', at = due_at, since = last_due_at
$$) AS a(change, kind, action, detail) WHERE kind = 'registration';
SELECT action, last_at, next_at FROM specql.schedules WHERE next_at = '2100-01-01' ORDER BY 1;
SELECT count(*) FROM specql.apply($$
schema: dunning
actions:
  - name: nightly
    on: every day at 01:00 in UTC
    steps:
      - insert: Run SET rule = 'nightly', at = due_at
$$);
SELECT action, schedule, last_at, next_at < now() + interval '1 day' AS soon FROM specql.schedules WHERE action = 'dunning.nightly';
SELECT count(*) FROM specql.apply($$
schema: dunning
actions:
  - name: nightly
    on: event night
    steps:
      - insert: Run SET rule = 'nightly', at = event_time
$$);
SELECT count(*) FROM specql.schedules WHERE action = 'dunning.nightly';
SELECT specql.emit('night') IS NOT NULL AS emitted;
SELECT count(*) FROM runs WHERE rule = 'nightly';
SELECT * FROM specql.drift();

-- One that cannot be followed any more holds up no other.
UPDATE specql.schedule SET schedule = 'every day in Atlantis', due_at = now() - interval '1 day' WHERE action = 'dunning.weekly';
DELETE FROM dunning.run;
SELECT due('beat', now() - interval '1 second');
SELECT specql.drain();
SELECT rule, count(*) FROM runs GROUP BY rule;
UPDATE specql.schedule SET schedule = 'cron "0 6 * * mon" in UTC', due_at = '2100-01-01' WHERE action = 'dunning.weekly';

-- What is told of it, and tested.
SELECT name, resolved_to, rule FROM specql.explain($$
schema: dunning
actions:
  - name: told
    on: every weekday at 06:00 and 18:00 in Europe/Berlin
    steps:
      - notify: office "It is {due_at}"
$$);
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
SET client_min_messages = notice;
SELECT * FROM specql.runtests('dunning.event_driven_test') AS r(line) WHERE line ~ '(weekly|mark_late|beat)' OR line ~ '^not ok';
DROP FUNCTION due;
DROP VIEW runs;
