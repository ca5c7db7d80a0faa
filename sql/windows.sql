-- Windows: the vectors of the language in the server, keys, filters, sums, cooldown, chains, failures, rebuilding. Events
-- say themselves when they happened; nothing waits for a clock.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
CREATE TABLE fired (seq bigint GENERATED ALWAYS AS IDENTITY, rule text, minute numeric, members bigint, key text);
-- Raises events of a type at minutes after midnight of a day of its own, so that tests do not meet.
CREATE FUNCTION at_minutes(day date, type text, minutes numeric[], data jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
    SELECT specql.emit(type, data, (day::timestamp + m * interval '1 minute') AT TIME ZONE 'UTC')
    FROM unnest(minutes) WITH ORDINALITY AS u(m, place) ORDER BY place
$$;
CREATE FUNCTION shown(day date) RETURNS TABLE (rule text, fired text) LANGUAGE sql AS $$
    SELECT f.rule, string_agg(trim_scale(f.minute) || ':' || f.members || coalesce(' ' || f.key, ''), ', ' ORDER BY f.seq)
    FROM fired AS f GROUP BY f.rule ORDER BY f.rule
$$;
CREATE FUNCTION minute_of(at timestamptz) RETURNS numeric LANGUAGE sql AS $$
    SELECT trim_scale(round(extract(epoch FROM at AT TIME ZONE 'UTC' - (at AT TIME ZONE 'UTC')::date) / 60, 4))
$$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: app
actions:
  - name: five_consume
    trigger: many_a
    condition: "COUNT(a_events) >= 5 WITHIN 1 hour"
    steps:
      - insert: public.fired SET
          rule: "'consume'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "match_key"
  - name: five_edge
    trigger: many_a_edge
    condition: "COUNT(a_events) >= 5 WITHIN 1 hour"
    after_match: edge
    steps:
      - insert: public.fired SET
          rule: "'edge'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "match_key"
  - name: five_every
    trigger: many_a_every
    condition: "COUNT(a_events) >= 5 WITHIN 1 hour"
    after_match: every
    steps:
      - insert: public.fired SET
          rule: "'every'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "match_key"
$$);
SELECT action, event, part FROM specql.actions ORDER BY action, part;

-- 0, 10, 20, 30, 40: fires at 40, whatever becomes of the events.
SELECT at_minutes('2020-01-01', 'a', '{0,10,20,30}');
SELECT specql.drain();
SELECT action, counts, matches FROM specql.windows ORDER BY action;
SELECT at_minutes('2020-01-01', 'a', '{40}');
SELECT specql.drain();
SELECT * FROM shown('2020-01-01');
TRUNCATE fired;
-- 60 is not within an hour of 0; 59.9 is.
SELECT at_minutes('2020-01-02', 'a', '{0,15,30,45,60}');
SELECT specql.drain();
SELECT * FROM shown('2020-01-02');
SELECT at_minutes('2020-01-03', 'a', '{0,15,30,45,59.9}');
SELECT specql.drain();
SELECT * FROM shown('2020-01-03');
TRUNCATE fired;
-- Ten events, given in one go and in disorder.
SELECT at_minutes('2020-01-04', 'a', '{9,8,7,6,5,0,1,2,3,4}');
SELECT specql.drain();
SELECT * FROM shown('2020-01-04');
TRUNCATE fired;
-- A statement does not see its own events: they are not committed.
SELECT at_minutes('2020-01-05', 'a', ARRAY[m]), specql.drain() FROM generate_series(0, 4) AS m;
SELECT specql.drain();
SELECT * FROM shown('2020-01-05');
TRUNCATE fired;
-- The ten again, each counted by itself.
DO $$
BEGIN
    FOR m IN 0..9 LOOP
        PERFORM at_minutes('2020-01-06', 'a', ARRAY[m]);
        COMMIT;
        PERFORM specql.drain();
        COMMIT;
    END LOOP;
END $$;
SELECT * FROM shown('2020-01-06');
TRUNCATE fired;
-- Four, and one that is rolled back.
SELECT at_minutes('2020-01-07', 'a', '{0,1,2,3}');
BEGIN;
SELECT at_minutes('2020-01-07', 'a', '{4}');
SELECT specql.drain();
ROLLBACK;
SELECT specql.drain();
SELECT * FROM shown('2020-01-07');
-- An event that comes late counts as of the latest one's time; one older than a match belongs to that match.
SELECT at_minutes('2020-01-08', 'a', '{0,10,30,40}');
SELECT specql.drain();
SELECT at_minutes('2020-01-08', 'a', '{20}');
SELECT specql.drain();
SELECT at_minutes('2020-01-08', 'a', '{35}');
SELECT specql.drain();
SELECT * FROM shown('2020-01-08');
SELECT action, late FROM specql.windows ORDER BY action;
TRUNCATE fired;
-- Nobody else runs the steps by raising the event that matches raise.
SELECT specql.emit('many_a') IS NOT NULL AS emitted;
SELECT count(*) FROM fired;

-- What is counted cannot be counted without an end: an event of the future waits for its time.
SELECT specql.emit('a', '{}', specql.clock() + interval '1 hour') IS NOT NULL;
SELECT specql.drain();
SELECT action, waiting FROM specql.windows ORDER BY action;
SET specql.clock_offset = '2 hours';
SELECT specql.clock() > clock_timestamp() + interval '119 minutes';
SELECT specql.drain();
RESET specql.clock_offset;
SET specql.clock_offset = 'soon';

-- Rows: five in one statement, filters, keys, fields, and a time of their own.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Reading
schema: app
fields:
  sensor: text
  celsius: numeric
  kind: text
  occurred_at: timestamp
actions:
  - name: on_hot
    trigger: sensor_hot
    condition: "COUNT(reading_created) FILTER (WHERE celsius > 80 AND kind IS DISTINCT FROM 'test') >= 3 WITHIN 10 minutes BY sensor"
    cooldown: 1 hour
    steps:
      - insert: public.fired SET
          rule: "'hot'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "sensor"
  - name: on_sum
    trigger: sensor_sum
    condition: "SUM(reading_created.celsius) > 300 WITHIN 10 minutes BY sensor, kind"
    steps:
      - insert: public.fired SET
          rule: "'sum'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
          key: "sensor || '/' || kind || ' = ' || match_key"
  - name: on_kinds
    trigger: many_kinds
    condition: "COUNT(DISTINCT reading_created.kind) >= 3 WITHIN 1 hour AND MAX(reading_created.celsius) >= 90 WITHIN 5 minutes"
    after_match: edge
    steps:
      - insert: public.fired SET
          rule: "'kinds'"
          minute: "public.minute_of(last_at)"
          members: "match_count"
$$);
SELECT pg_get_functiondef('app.trigger_hot_reading_created_events'::regproc);
SELECT pg_get_functiondef('app.hot_reading_created_capture'::regproc);
SELECT pg_get_functiondef('app.trigger_kinds_reading_created_events'::regproc);
INSERT INTO app.reading (sensor, celsius, kind, occurred_at)
SELECT s, c, k, timestamptz '2020-02-01 00:00 UTC' + m * interval '1 minute'
FROM (VALUES ('A', 81, 'x', 0), ('A', 82, 'x', 1), ('B', 99, 'x', 1), ('A', 90, 'test', 2), ('A', 79, 'x', 3), ('A', 90, 'y', 4),
             (NULL, 99, 'x', 4), ('A', 90, 'y', 5), ('A', 90, 'y', 6), ('A', 90, 'y', 7), ('A', 90, 'z', 8), ('A', 10, 'w', 30))
     AS v(s, c, k, m);
SELECT specql.drain();
SELECT * FROM shown('2020-02-01');
SELECT action, key, counts, matches, suppressed, missing_keys FROM specql.windows WHERE action LIKE 'app.on%' ORDER BY action, key NULLS FIRST;
TRUNCATE fired;
INSERT INTO app.reading (sensor, celsius, kind, occurred_at)
SELECT 'A', 99, 'y', timestamptz '2020-02-01 01:30 UTC' + m * interval '1 second' FROM generate_series(1, 3) AS m;
SELECT specql.drain();
SELECT * FROM shown('2020-02-01');
TRUNCATE fired;

-- A failing match is an ordinary failure; the window goes on.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: app
actions:
  - name: on_shaky
    trigger: shaky
    condition: "COUNT(s_events) >= 2 WITHIN 1 minute BY k"
    backoff: 0 s
    steps:
      - insert: public.fired SET
          rule: "'shaky'"
          minute: "60 / divisor_of_key"
    params:
      k: text
      divisor_of_key: integer
$$);
SELECT at_minutes('2020-03-01', 's', '{0,0.5}', '{"k": "one"}');
SELECT specql.drain();
SELECT action, type, status, sqlstate, message, data - 'event_ids' AS data FROM specql.failures;
SELECT action, key, matches FROM specql.windows WHERE action = 'app.on_shaky' ORDER BY key NULLS FIRST;
UPDATE specql.failure SET data = data || '{"divisor_of_key": 4}';
SELECT specql.retry(id) FROM specql.failures;
SELECT rule, minute FROM fired;
SELECT count(*) FROM specql.failures;
TRUNCATE fired;

-- While its steps are switched off the events wait. A key of any length is one.
UPDATE specql.action SET enabled = false WHERE action = 'app.on_shaky' AND part = 'match';
SELECT at_minutes('2020-03-02', 's', '{0,0.5}', jsonb_build_object('k', repeat('long', 5000)));
SELECT specql.drain();
SELECT waiting FROM specql.windows WHERE action = 'app.on_shaky' AND key IS NULL;
SELECT specql.next_work(1000) IS NULL AS nothing_to_do;
UPDATE specql.action SET enabled = true WHERE action = 'app.on_shaky' AND part = 'match';
SET client_min_messages = error;
SELECT specql.drain();
SET client_min_messages = warning;
SELECT data ->> 'match_key' = md5(repeat('long', 5000)) AS hashed FROM specql.failures;
DELETE FROM specql.failure;

-- Rules chain on what matches raise; what a match raises has its causes.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: app
actions:
  - name: first_window
    trigger: pair
    condition: "COUNT(t_events) >= 2 WITHIN 10 minutes"
    steps:
      - notify: somebody "a match"
  - name: second_window
    trigger: pair_of_pairs
    condition: "COUNT(pair) >= 2 WITHIN 10 minutes"
    steps:
      - notify: somebody "a match"
  - name: on_pairs
    on: event pair_of_pairs
    steps:
      - insert: public.fired SET
          rule: "'pairs'"
          members: "jsonb_array_length(event_data -> 'event_ids')"
$$);
SELECT at_minutes('2020-04-01', 't', '{0,1,2,3}');
SELECT specql.drain();
SELECT specql.drain();
SELECT rule, members FROM fired;
SELECT kind, what FROM specql.why((SELECT id FROM specql.events WHERE type = 'pair_of_pairs' AND action = 'app.on_pairs'));

-- Replaying it repeats its matches, and counts nothing twice.
SELECT specql.replay('app.second_window', '2020-01-01');
SELECT count(*) AS counted_again FROM specql.window_event;

-- State that was lost is worked out again from the log: three of five, and what matched stays used up.
TRUNCATE fired;
SELECT specql.forget_window('app.five_consume'), specql.forget_window('app.five_edge'), specql.forget_window('app.five_every');
SET specql.clock_offset = '-1 day';
SELECT specql.emit('a') IS NOT NULL FROM generate_series(1, 8);
SELECT specql.drain();
SELECT rule, members FROM fired ORDER BY seq;
SELECT action, counts FROM specql.windows WHERE action LIKE '%five%' ORDER BY action;
DELETE FROM specql.window_key;
DELETE FROM specql.window_entry;
SELECT specql.rebuild_window('app.five_consume'), specql.rebuild_window('app.five_edge'), specql.rebuild_window('app.five_every');
SELECT action, counts FROM specql.windows WHERE action LIKE '%five%' ORDER BY action;
SELECT specql.emit('a') IS NOT NULL FROM generate_series(1, 2);
SELECT specql.drain();
SELECT rule, members FROM fired WHERE rule <> 'every' ORDER BY seq;
SELECT specql.rebuild_window('app.no_such');
RESET specql.clock_offset;

-- Applying the same again keeps what was counted; another condition counts anew; without the rule nothing is left.
SELECT action, kind, object FROM specql.apply($$
schema: app
actions:
  - name: first_window
    trigger: pair
    condition: "COUNT(t_events) >= 3 WITHIN 10 minutes BY k"
    steps:
      - notify: somebody "a match"
$$) WHERE action <> 'unchanged';
SELECT action, key, counts FROM specql.windows WHERE action = 'app.first_window';
SELECT count(*) FROM specql.apply($$
entity: Reading
schema: app
fields:
  sensor: text
  celsius: numeric
  kind: text
  occurred_at: timestamp
$$) WHERE action = 'drop';
SELECT count(*) FROM specql.windows WHERE action LIKE 'app.on_%' AND action <> 'app.on_shaky';
SELECT count(*) FROM specql.actions WHERE relation IS NOT NULL;
-- Keys that cannot matter any more are swept away.
SELECT specql.expire_windows() > 0;
SELECT count(*) FROM specql.window_key WHERE forgotten_after < now();
