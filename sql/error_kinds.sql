-- What follows an error of a handler: it is final, something outside has to be waited for, or it is tried again as usual.
\set ECHO none
\pset format unaligned
SET client_min_messages = error;
CREATE EXTENSION specql;
\set ECHO all

-- ---- the built-in list, and the lists of an action ------------------------------------------------------------------
SELECT specql.error_kind(code, '{}', '{}') AS kind, string_agg(code, ' ' ORDER BY code) AS codes
FROM unnest('{08000,08006,40001,53300,57P03,SQ209,22003,22P02,23505,23514,42703,42P01,42501,SQ200,SQ208,SQ201,SQ206,40P01,55P03,57P01,57014,53200,P0001,XX000,00000}'::text[]) AS code
GROUP BY 1 ORDER BY 1;
SELECT specql.error_kind(NULL, '{}', '{}');
-- They decide over the built-in one, and the longer entry over the shorter one.
SELECT code, specql.error_kind(code, '{23,40,P0001,08006}', '{23505,40P01,P0,08}') AS kind
FROM unnest('{23502,23505,22012,40001,40P01,P0001,P0002,08006,08001,57P03}'::text[]) AS code;

-- ---- what becomes of the event -------------------------------------------------------------------------------------------
SELECT kind, attempts_before, n.status, n.attempts, n.next_attempt_at IS NULL AS never
FROM (VALUES ('22012', 0), ('22012', 1), ('P0001', 0), ('P0001', 1), ('P0001', 6), ('P0001', 7), ('08006', 0), ('08006', 7), ('08006', 100)) AS k(kind, attempts_before),
    specql.next_attempt('no.action', attempts_before, kind, clock_timestamp(), false) AS n;
SELECT n.* FROM specql.next_attempt('no.action', 0, '08006', clock_timestamp(), true) AS n;
-- The pause grows with the outage, and is a minute at most.
SELECT since, bool_and(n.next_attempt_at - clock_timestamp() BETWEEN at_most / 2 - interval '1 s' AND at_most) AS inside
FROM (VALUES (interval '0', interval '1 s'), ('30 s', '31 s'), ('5 s', '6 s'), ('10 min', '1 min'), ('30 days', '1 min')) AS k(since, at_most),
    generate_series(1, 100), specql.next_attempt('no.action', 3, '57P03', clock_timestamp() - since, false) AS n
GROUP BY since ORDER BY since;

-- ---- actions ---------------------------------------------------------------------------------------------------------------
CREATE SCHEMA shop;
CREATE SEQUENCE shop.calls;
CREATE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('shop.calls');
    IF code <> 'ok' THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'code ' || code;
    END IF;
END $$;
CREATE FUNCTION pg_temp.spec(lists text) RETURNS text LANGUAGE sql AS $$
    SELECT E'entity: Parcel\nschema: shop\nfields: {code: text}\nactions:\n  - name: on_parcel\n    on: insert Parcel\n' || lists
        || E'    steps:\n      - call: shop.check_code(code)\n      - insert: "Sent SET code = code"\n---\nentity: Sent\nschema: shop\nfields: {code: text}\n' $$;
CREATE FUNCTION pg_temp.later(pause interval) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('specql.clock_offset', (coalesce(nullif(current_setting('specql.clock_offset'), ''), '0')::interval + pause)::text, false) $$;
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(''));
SELECT retry_on, park_on FROM specql.actions;

-- A rule's own data: once more, and then a person.
INSERT INTO shop.parcel (code) VALUES ('23514'), ('22023'), ('ok');
SELECT sqlstate, status, attempts FROM specql.failures ORDER BY 1;
SELECT pg_temp.later('2 s');
SELECT specql.drain();
SELECT sqlstate, status, attempts, next_attempt_at FROM specql.failures ORDER BY 1;
SELECT pg_temp.later('1 hour');
SELECT specql.drain();
DELETE FROM specql.failure;

-- An outage: no attempt counts, and the events of one set are not tried one by one.
SELECT setval('shop.calls', 1, false);
INSERT INTO shop.parcel (code) SELECT '08006' FROM generate_series(1, 100);
SELECT sqlstate, status, attempts, count(*) FROM specql.failures GROUP BY 1, 2, 3;
SELECT last_value AS calls FROM shop.calls;
SELECT pg_temp.later('2 min');
SELECT count(specql.drain()) AS drained FROM generate_series(1, 12);
SELECT sqlstate, status, attempts, count(*) FROM specql.failures GROUP BY 1, 2, 3;
-- Of each drain one event has met it; the others were left alone.
SELECT last_value < 20 AS few FROM shop.calls;
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT count(*) FROM specql.failures;
SELECT count(*) FROM shop.sent WHERE code = '08006';
SELECT DISTINCT attempts, last_error FROM specql.events WHERE last_error IS NOT NULL;

-- Errors that end a statement still do; those of another server's connections do not.
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'code ' || code;
END $$;
INSERT INTO shop.parcel (code) VALUES ('53300');
INSERT INTO shop.parcel (code) VALUES ('57P03');
INSERT INTO shop.parcel (code) VALUES ('57014');
INSERT INTO shop.parcel (code) VALUES ('53200');
INSERT INTO shop.parcel (code) VALUES ('57P01');
SELECT sqlstate, status, attempts FROM specql.failures ORDER BY 1;
DELETE FROM specql.failure;

-- ---- retry_on and park_on ---------------------------------------------------------------------------------------------------
SELECT pg_temp.spec(E'    max_attempts: 3\n    retry_on: [22, 23505, 08, "40"]\n    park_on:\n      - P0001\n      - 23\n      - 08001\n') AS spec \gset
SELECT count(*) FROM specql.validate(:'spec');
SELECT object, action FROM specql.plan(:'spec') WHERE action <> 'unchanged';
SELECT name, resolved_to, rule FROM specql.explain(:'spec') WHERE name = 'errors';
SELECT count(*) > 0 AS applied FROM specql.apply(:'spec');
SELECT retry_on, park_on FROM specql.actions;
SELECT count(*) FROM specql.drift();
-- The order of a list is none of the rule; what it holds is.
SELECT count(*) FROM specql.plan(replace(:'spec', '[22, 23505, 08, "40"]', '["40", 08, 22, 23505, 22]')) WHERE action <> 'unchanged';
SELECT object FROM specql.plan(replace(:'spec', '      - P0001' || chr(10), '')) WHERE action <> 'unchanged';
INSERT INTO shop.parcel (code) VALUES ('22012'), ('23505'), ('23514'), ('P0001'), ('P0002'), ('08006'), ('08001'), ('40001');
SELECT sqlstate, status, attempts FROM specql.failures ORDER BY 1;
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT sqlstate, status, attempts FROM specql.failures ORDER BY 1;
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT sqlstate, status, attempts FROM specql.failures ORDER BY 1;
-- A parked event that is retried by hand, and meets an outage, is waited for again.
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '57P03', MESSAGE = 'it is starting up';
END $$;
SELECT specql.retry(id) FROM specql.failures WHERE sqlstate = '23514';
SELECT sqlstate, status, attempts FROM specql.failures WHERE sqlstate = '57P03';
DELETE FROM specql.failure;

-- ---- a broken action waits until it is mended ----------------------------------------------------------------------------
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(E'    max_attempts: 1\n'));
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT a.handler, a.capture FROM specql.action AS a \gset
ALTER FUNCTION :handler() RENAME TO aside;
INSERT INTO shop.parcel (code) VALUES ('handler');
ALTER FUNCTION shop.aside() RENAME TO trigger_parcel_events;
ALTER FUNCTION :capture() RENAME TO aside;
INSERT INTO shop.parcel (code) VALUES ('capture');
SELECT sqlstate, status, attempts FROM specql.failures;
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT sqlstate, status, attempts FROM specql.failures;
ALTER FUNCTION shop.aside() RENAME TO parcel_capture;
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT sqlstate, status, attempts, message FROM specql.failures;
SELECT code FROM shop.sent WHERE code IN ('handler', 'capture') ORDER BY 1;

-- Applying it again makes it whole, and what waited for that is due at once.
ALTER FUNCTION :capture() RENAME TO aside;
INSERT INTO shop.parcel (code) VALUES ('applied');
DROP FUNCTION shop.aside();
SELECT pg_temp.later('2 min');
SELECT specql.drain();
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(E'    max_attempts: 1\n    park_on: P0001\n'));
SELECT specql.drain();
SELECT code FROM shop.sent WHERE code = 'applied';
-- So is what was parked because something was missing, and nothing else.
ALTER TABLE shop.sent RENAME code TO what;
INSERT INTO shop.parcel (code) VALUES ('renamed');
ALTER TABLE shop.sent RENAME what TO code;
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE sql AS 'SELECT 1 / 0';
INSERT INTO shop.parcel (code) VALUES ('divided');
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT sqlstate, status FROM specql.failures ORDER BY 1;
SELECT count(*) > 0 AS applied FROM specql.apply(pg_temp.spec(E'    max_attempts: 1\n'));
SELECT sqlstate, status FROM specql.failures ORDER BY 1;
SELECT specql.drain();
SELECT code FROM shop.sent WHERE code IN ('renamed', 'divided') ORDER BY 1;
DELETE FROM specql.failure;

-- ---- what waited, matches, and listeners of custom events ------------------------------------------------------------------
CREATE FUNCTION shop.fail_with(code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'code ' || code;
END $$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_alarm
    on: event alarm_raised
    params: {code: text}
    park_on: P0001
    steps:
      - call: shop.fail_with(code)
  - name: many_alarms
    trigger: alarms_gather
    condition: "COUNT(alarm_seen) >= 2 WITHIN 1 hour"
    park_on: P0001
    steps:
      - call: shop.fail_with('P0001')
  - name: outages
    trigger: alarms_gather_elsewhere
    condition: "COUNT(alarm_seen) >= 2 WITHIN 1 hour"
    steps:
      - call: shop.fail_with('08000')
$$);
SELECT action, part, park_on FROM specql.action WHERE park_on <> '{}' ORDER BY 1, 2;
SELECT specql.emit('alarm_raised', '{"code": "P0001"}'), specql.emit('alarm_raised', '{"code": "22012"}') \gset
SELECT specql.emit('alarm_seen', '{}'), specql.emit('alarm_seen', '{}') \gset
SELECT specql.pause('shop.on_parcel');
INSERT INTO shop.parcel (code) VALUES ('22012');
CREATE OR REPLACE FUNCTION shop.check_code(code text) RETURNS void LANGUAGE sql AS 'SELECT shop.fail_with(code)';
SELECT specql.resume('shop.on_parcel');
SELECT specql.drain() > 0 AS worked;
SELECT action, sqlstate, status, attempts FROM specql.failures ORDER BY 1, 2;
SELECT pg_temp.later('2 min');
SELECT specql.drain() > 0 AS worked;
SELECT action, sqlstate, status, attempts FROM specql.failures ORDER BY 1, 2;

-- ---- the lists are for SQLSTATEs --------------------------------------------------------------------------------------------
SELECT code, message FROM specql.validate(pg_temp.spec(E'    retry_on: [5, P000, 22, 22]\n    park_on: [22, deadlock]\n'));
