-- specql.action_stats: counts derived from the event log and the failures.
SET client_min_messages = warning;
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Meter
schema: plant
fields: {reading: integer, divisor: integer = 1}
actions:
  - name: on_reading
    trigger: reading_changed
    max_attempts: 3
    steps:
      - insert: Ratio SET
          value: "new.reading / divisor"
  - name: on_divisor
    trigger: divisor_changed
    steps:
      - call_external: office "tell"
---
entity: Ratio
schema: plant
fields: {value: integer}
$$);
SELECT action, fired, failed, retried, parked, p50_latency, p99_latency, last_fired_at, since < now() - interval '23 hours' AS day
FROM specql.action_stats;

-- Ten events, one of which fails.
INSERT INTO plant.meter (reading, divisor) SELECT n, CASE n WHEN 7 THEN 0 ELSE 1 END FROM generate_series(1, 10) AS n;
UPDATE plant.meter SET reading = reading + 100;
SELECT action, fired, failed, retried, parked, p50_latency >= '0' AS p50, p99_latency >= p50_latency AS p99, last_fired_at <= now() + interval '1 min' AS last
FROM specql.action_stats;
-- Again by hand, until it is parked; then it is mended, and done: it stays an event that failed.
SELECT specql.retry(id), specql.retry(id) FROM specql.failures;
SELECT action, fired, failed, retried, parked FROM specql.action_stats WHERE action = 'plant.on_reading';
UPDATE specql.failure SET data = jsonb_set(data, '{new,divisor}', '1');
SELECT specql.retry(id) FROM specql.failures;
SELECT action, fired, failed, retried, parked FROM specql.action_stats WHERE action = 'plant.on_reading';

-- An event whose delivery waits has no latency yet.
UPDATE plant.meter SET divisor = 2 WHERE reading = 101;
SELECT action, fired, failed, p50_latency FROM specql.action_stats WHERE action = 'plant.on_divisor';

-- The newest events only, and those of another period; `since` tells what was counted.
SELECT action, fired, since > now() - interval '1 hour' AS shorter FROM specql.measure_actions(max_events => 4);
SELECT action, fired, failed FROM specql.measure_actions(since => now() + interval '1 hour');
SELECT action, fired FROM specql.measure_actions(since => '-infinity');

-- A window has fired when it matched, not when it counted.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: plant
actions:
  - name: shaking
    trigger: shaken
    condition: "COUNT(tremor) >= 3 WITHIN 1 hour"
    steps:
      - notify: office "it shakes"
$$);
SELECT count(specql.emit('tremor')) FROM generate_series(1, 4);
SELECT action, fired, last_fired_at FROM specql.action_stats WHERE action = 'plant.shaking';
SELECT specql.evaluate_windows();
SELECT action, fired, failed, last_fired_at IS NOT NULL AS has_fired FROM specql.action_stats WHERE action = 'plant.shaking';
