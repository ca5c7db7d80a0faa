-- Logged events are handled again: nothing leaves the database unless asked, what is there is not written twice.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
\set VERBOSITY terse
SET datestyle = 'ISO';
SET client_min_messages = notice;
SELECT rt.watch('rt.item');
SELECT rt.install('note', 'rt.item', 'UPDATE', '{new.qty > 10,new.qty > 20}', 'PERFORM specql.notify(''ops'', ''noted'', 1);');
SELECT specql.register_action('rt.on_note', 'changed', 'rt.item', 'rt.note_handler', 'rt.note_capture');
INSERT INTO rt.item VALUES (1, 1), (2, 2);
SELECT clock_timestamp() AS t1 \gset
UPDATE rt.item SET qty = 15 WHERE id = 1;
UPDATE rt.item SET qty = 25;
SELECT clock_timestamp() AS t2 \gset
UPDATE rt.item SET qty = 35 WHERE id = 2;
SELECT * FROM rt.traces();
SELECT count(*) AS deliveries FROM specql.deliveries;

-- The same rows as then come to the handler, in the same order; no delivery, no second line in the log.
SELECT specql.replay('rt.on_note', :'t1');
SELECT * FROM rt.traces();
SELECT count(*) AS deliveries FROM specql.deliveries;
SELECT count(*) AS events FROM specql.events;
SELECT specql.replay('on_note', :'t1', until => :'t2', deliver => true);
SELECT * FROM rt.traces();
SELECT count(*) AS deliveries FROM specql.deliveries;
SELECT specql.replay('rt.on_note', :'t2');
SELECT * FROM rt.traces();
SELECT specql.replay('rt.on_note', clock_timestamp() + interval '1 day') AS nothing;

-- Today's rules: a handler that was mended, a condition that was changed.
CREATE OR REPLACE FUNCTION rt.note_handler() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, id, qty) SELECT 'divides', 1, e.id, 100 / (e.qty - 25) FROM rt.note_rows(1) AS e;
    PERFORM specql.call_external('s', 'o', e.event_id, '{}') FROM rt.note_rows(1) AS e;
    RETURN NULL;
END $$;
-- What fails is noted with the replay, not among the failures, which would be tried again and deliver.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT specql.replay('rt.on_note', :'t1');
\set VERBOSITY terse
SELECT * FROM rt.traces();
SELECT f.replay, e.subject, f.sqlstate, f.message FROM specql.replay_failure AS f JOIN specql.events AS e ON e.id = f.event_id ORDER BY f.event_id;
SELECT count(*) AS failures FROM specql.failures;
SELECT id, action, deliver, status, total, handled, present, failed FROM specql.replays ORDER BY id;

-- Cascades: events that the handler causes are handled, logged, and deliver nothing either; where one of them fails, the
-- replayed event fails.
CREATE FUNCTION rt.order_handler() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.emit('order_noted', r.event_data) FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
END $$;
CREATE FUNCTION rt.noted_handler() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, qty) SELECT 'noted', 1, 100 / (r.event_data ->> 'n')::integer FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
    PERFORM specql.notify('ops', 'noted', 1);
END $$;
-- Events of the time before the rule are replayed too.
SELECT count(*) FROM specql.emit('order', ARRAY['{"n": 1}', '{"n": 0}', '{"n": 2}']::jsonb[]);
SELECT specql.register_action('rt.on_order', 'order', NULL, 'rt.order_handler', NULL);
SELECT specql.register_action('rt.on_noted', 'order_noted', NULL, 'rt.noted_handler', NULL);
SELECT count(*) AS before FROM specql.deliveries \gset
SELECT specql.replay('rt.on_order', NULL);
SELECT * FROM rt.traces();
SELECT count(*) - :before AS new_deliveries FROM specql.deliveries;
SELECT count(*) AS failures FROM specql.failures;
SELECT type, status, depth FROM specql.events WHERE type = 'order_noted' ORDER BY id;
-- A paused action of the cascade: its events wait, and still deliver nothing.
SELECT specql.pause('rt.on_noted');
SELECT specql.replay('rt.on_order', NULL);
SELECT count(*) AS waiting FROM specql.waiting_event;
SET client_min_messages = error;
SELECT specql.resume('rt.on_noted');
SET client_min_messages = notice;
SELECT * FROM rt.traces();
SELECT count(*) - :before AS new_deliveries FROM specql.deliveries;
SELECT action, status, sqlstate FROM specql.failures;
DELETE FROM specql.failure;

-- In batches that commit: what is cancelled stays where it was, and goes on.
CREATE OR REPLACE FUNCTION rt.order_handler() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO rt.trace (action, branch, qty) SELECT 'order', 1, (r.event_data ->> 'n')::integer FROM specql.rows(1) AS r(event_id uuid, event_data jsonb);
    IF current_setting('rt.hurdle', true) = 'up' AND EXISTS (SELECT FROM specql.rows(1) AS r(event_id uuid, event_data jsonb) WHERE (r.event_data ->> 'n')::integer = 15) THEN
        PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(60);
    END IF;
END $$;
SELECT clock_timestamp() AS t3 \gset
SELECT cardinality(specql.emit('order', ARRAY(SELECT jsonb_build_object('n', i) FROM generate_series(1, 30) AS i)));
SELECT count(*) FROM rt.traces();
SET rt.hurdle = 'up';
CALL specql.run_replay('rt.on_order', :'t3', batch_size => 10);
SELECT id AS replay FROM specql.replays ORDER BY id DESC LIMIT 1 \gset
SELECT status, total, handled FROM specql.replays WHERE id = :replay;
SET rt.hurdle = 'down';
CALL specql.continue_replay(:replay, 10);
SELECT status, total, handled FROM specql.replays WHERE id = :replay;
SELECT count(*), count(DISTINCT qty), sum(qty) FROM rt.traces();
-- Done is done.
CALL specql.continue_replay(:replay);
SELECT count(*) FROM rt.traces();
-- In one transaction it is all or nothing.
SET rt.hurdle = 'up';
SELECT specql.replay('rt.on_order', :'t3');
SELECT count(*) AS traces FROM rt.traces();
SELECT count(*) AS more FROM specql.replays WHERE id > :replay;
SET rt.hurdle = 'down';

-- Ids that are made from the event's: what is there is left alone, what was lost comes back.
SET client_min_messages = error;
SELECT count(*) > 0 FROM specql.apply($$
entity: Reading
schema: rt
fields:
  value: integer
actions:
  - name: on_reading
    on: insert Reading
    steps:
      - insert: Alarm SET
          value: "value"
      - append: ReadingLog SET
          value: "value"
      - notify: ops "alarm"
---
entity: Alarm
schema: rt
fields:
  value: integer
---
schema: rt
actions:
  - name: first
    on: event measured
    steps:
      - append: MeasuredLog SET
          n: "n::integer"
          by: "'first'"
  - name: second
    on: event measured
    steps:
      - append: MeasuredLog SET
          n: "n::integer"
          by: "'second'"
$$);
SET client_min_messages = notice;
SELECT clock_timestamp() AS t4 \gset
INSERT INTO rt.reading (value) VALUES (1), (2), (3);
SELECT specql.replay('rt.on_reading', :'t4');
-- An event of which one row is there is left alone as a whole.
DELETE FROM rt.alarm;
SELECT specql.replay('rt.on_reading', :'t4');
SELECT count(*) FROM rt.alarm;
SELECT specql.expire_log('rt.reading_log', clock_timestamp() + interval '1 s');
SELECT specql.replay('rt.on_reading', :'t4');
SELECT (SELECT array_agg(value ORDER BY value) FROM rt.alarm) AS alarms, (SELECT array_agg(value ORDER BY value) FROM rt.reading_log) AS log;
-- Event rows written anew by a replay that delivers nothing do not wait for deliveries.
SET client_min_messages = error;
SELECT count(*) > 0 FROM specql.apply($$
entity: Parcel
schema: rt
fields:
  weight: integer
actions:
  - name: on_parcel
    on: insert Parcel
    steps:
      - insert: ParcelEvent SET
          event_type: "'heavy'"
          weight: "weight"
      - notify: ops "heavy"
---
entity: ParcelEvent
schema: rt
fields:
  event_type: enum(heavy, light)
  weight: integer
  processed_at: timestamp
$$);
SET client_min_messages = notice;
INSERT INTO rt.parcel (weight) VALUES (1), (2);
SELECT weight, processed_at IS NOT NULL AS processed FROM rt.parcel_event ORDER BY weight;
DELETE FROM rt.parcel_event WHERE weight = 2;
SELECT specql.replay('on_parcel', :'t4');
SELECT weight, processed_at IS NOT NULL AS processed FROM rt.parcel_event ORDER BY weight;
SELECT specql.replay('on_parcel', :'t4');
-- Two listeners of one event do not get in each other's way.
SELECT count(*) FROM specql.emit('measured', '{"n": 1}');
SELECT n, by FROM rt.measured_log ORDER BY by;
SELECT count(*) FROM specql.failures;

-- What cannot be replayed.
SELECT specql.replay('rt.on_nothing', now());
SELECT specql.replay('rt.on_order', '2020-01-02', until => '2020-01-01');
CALL specql.continue_replay(4711);
SELECT specql.replay_batch((SELECT max(id) FROM specql.replays WHERE status = 'done'), 0) AS already_done;
SELECT specql.replay_batch(specql.start_replay('rt.on_order', :'t3'), 0);
ALTER TABLE rt.item DISABLE TRIGGER note_trigger;
SELECT specql.replay('rt.on_note', :'t1');
SELECT DISTINCT sqlstate, message FROM specql.replay_failure WHERE replay = (SELECT max(replay) FROM specql.replay_failure);
SET client_min_messages = warning;
\i sql/include/runtime_end.psql
