-- Measurements come in, by the thousand; months begin, and others end.
--
--   psql -d some_database -f examples/metrics/story.sql     (from the top of the source tree)

\set spec `cat examples/metrics/metrics.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo The partitions of this month and of three to come are there:
SELECT count(*) AS partitions FROM specql.partition_bounds('metrics.measurement');

INSERT INTO metrics.device (name) SELECT 'rack ' || i FROM generate_series(1, 5) AS i;
\echo Five thousand measurements in one statement. Each device ends with its last value:
INSERT INTO metrics.measurement (device_id, value, measured_at)
SELECT d.id, 40 + (i % 10), now() FROM metrics.device AS d, generate_series(1, 1000) AS i ORDER BY i;
SELECT name, last_value, state FROM metrics.device ORDER BY name;

\echo Three of them become hot:
INSERT INTO metrics.measurement (device_id, value) SELECT d.id, 120 FROM metrics.device AS d WHERE d.name < 'rack 4';
SELECT specql.drain() > 0 AS counted;
SELECT channel, message FROM specql.deliveries ORDER BY channel, message;

\echo An hour later the view is refreshed:
SELECT count(*) AS before FROM metrics.hourly;
SET specql.clock_offset = '61 minutes';
SELECT specql.drain() >= 0 AS drained;
SELECT d.name, h.measurements, h.average, h.highest FROM metrics.hourly AS h JOIN metrics.device AS d ON d.id = h.device_id ORDER BY d.name;

-- What a chart has drawn stays with it.
CREATE TABLE IF NOT EXISTS metrics.drawn AS SELECT * FROM metrics.hourly;

\echo Three years later the partitions of now are gone, and those of then are there. The devices know what they knew.
SET specql.clock_offset = '1100 days';
SELECT specql.drain() >= 0 AS drained;
SELECT count(*) AS measurements FROM metrics.measurement;
SELECT count(*) AS partitions, min(b.since) > now() AS later FROM specql.partition_bounds('metrics.measurement') AS b;
SELECT name, last_value FROM metrics.device ORDER BY name;
RESET specql.clock_offset;
