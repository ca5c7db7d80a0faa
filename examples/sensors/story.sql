-- A shift in a plant: readings come in, alarms come and go, and the mechanics get work before something breaks.
--
--   psql -d some_database -f examples/sensors/story.sql     (from the top of the source tree)

\set spec `cat examples/sensors/sensors.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo A press with two sensors, and a pump.
INSERT INTO plant.machine (name, operating_hours, last_service_hours) VALUES ('press', 480, 0), ('pump', 100, 0);
INSERT INTO plant.sensor (machine_id, quantity, low_limit, high_limit)
SELECT m.id, q.quantity, q.low, q.high
FROM plant.machine m JOIN (VALUES ('press', 'temperature', 5, 90), ('press', 'vibration', 0, 4), ('pump', 'temperature', 5, 60))
     AS q(name, quantity, low, high) ON q.name = m.name;
CREATE VIEW plant.sensors AS
    SELECT s.id, m.name AS machine, s.quantity, s.state, s.last_value, m.state AS machine_state
    FROM plant.sensor s JOIN plant.machine m ON m.id = s.machine_id;

\echo Everything is fine:
INSERT INTO plant.reading (sensor_id, value)
SELECT id, CASE quantity WHEN 'temperature' THEN 40 ELSE 1.5 END FROM plant.sensors;
SELECT machine, quantity, last_value, state FROM plant.sensors ORDER BY 1, 2;

\echo The press gets hot. Two readings are beyond the limit, but that is one alarm; then it cools down.
INSERT INTO plant.reading (sensor_id, value) SELECT id, 95 FROM plant.sensors WHERE machine = 'press' AND quantity = 'temperature';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 97 FROM plant.sensors WHERE machine = 'press' AND quantity = 'temperature';
SELECT machine, quantity, last_value, state FROM plant.sensors WHERE state = 'alarm';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 80 FROM plant.sensors WHERE machine = 'press' AND quantity = 'temperature';
SELECT value, cleared_at IS NOT NULL AS cleared FROM plant.alarm;

\echo The pump overheats: it is stopped at once, without waiting for anybody.
INSERT INTO plant.reading (sensor_id, value) SELECT id, 75 FROM plant.sensors WHERE machine = 'pump';
SELECT machine, last_value, state, machine_state FROM plant.sensors WHERE machine = 'pump';

\echo The press stays below its limit of 90, but not by much, for quite a while.
INSERT INTO plant.reading (sensor_id, value)
SELECT id, 89 FROM plant.sensors, generate_series(1, 8) WHERE machine = 'press' AND quantity = 'temperature';

\echo Vibration of the press comes and goes, and comes again. Three alarms within an hour mean wear.
INSERT INTO plant.reading (sensor_id, value) SELECT id, 5 FROM plant.sensors WHERE quantity = 'vibration';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 3 FROM plant.sensors WHERE quantity = 'vibration';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 6 FROM plant.sensors WHERE quantity = 'vibration';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 2 FROM plant.sensors WHERE quantity = 'vibration';
INSERT INTO plant.reading (sensor_id, value) SELECT id, 7 FROM plant.sensors WHERE quantity = 'vibration';
SELECT specql.drain() >= 0 AS windows_are_evaluated;
SELECT s.machine, s.quantity, w.alarms FROM plant.wear_report w JOIN plant.sensors s ON s.id = w.sensor_id;

\echo The press has run 500 hours, then 520: service is due, and asked for once. The mechanics do it.
UPDATE plant.machine SET operating_hours = operating_hours + 20;
UPDATE plant.machine SET operating_hours = operating_hours + 20;
SELECT m.name, t.reason, t.state FROM plant.maintenance_task t JOIN plant.machine m ON m.id = t.machine_id;
\echo The workshop answers with a day:
SELECT payload, specql.ack(id, '{"day": "2026-03-09"}') AS answered FROM specql.take('workshop');
SELECT specql.drain() > 0 AS answers_are_handled;
SELECT name, booked_for FROM plant.machine ORDER BY name;
UPDATE plant.maintenance_task SET state = 'done';
SELECT name, operating_hours, last_service_hours, service_due FROM plant.machine ORDER BY name;

\echo What waits to be sent, and for whom:
SELECT kind, coalesce(service, channel) AS "to", coalesce(operation, message) AS what, count(*)
FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
\echo Why was the pump stopped? Every event knows its cause:
SELECT w.kind, w.what FROM specql.events e, specql.why(e.id) w
WHERE e.action = 'plant.on_alarm' AND e.subject = (SELECT a.id::text FROM plant.alarm a WHERE a.value = 75);
