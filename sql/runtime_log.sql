-- The event log: what is kept, for how long; the outbox; append-only tables; identifiers.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all
SET client_min_messages = warning;
SELECT rt.watch('rt.item');
SELECT rt.install('big', 'rt.item', 'INSERT OR UPDATE', '{new.qty > 10}', 'IF EXISTS (SELECT FROM rt.big_rows(1) AS e WHERE e.qty = 13) THEN RAISE ''thirteen''; END IF;');

-- ---- log_events -------------------------------------------------------------------------------------------------------
SHOW specql.log_events;
INSERT INTO rt.item VALUES (1, 11), (2, 2), (3, 13);
SELECT specql.emit('lonely') \gset
SELECT type, subject, status FROM specql.events ORDER BY id;
SET specql.log_events = 'all';
INSERT INTO rt.item VALUES (4, 11), (5, 2), (6, 13);
UPDATE rt.item SET qty = 3 WHERE id = 2;
SELECT type, subject, status, attempts FROM specql.events WHERE subject > '3' OR (subject = '2') ORDER BY id;
SET specql.log_events = 'failed';
INSERT INTO rt.item VALUES (7, 11), (8, 2), (9, 13);
SELECT specql.emit('lonely') \gset
SELECT type, subject, status FROM specql.events WHERE subject > '6' OR type = 'lonely' ORDER BY id;
SELECT * FROM rt.traces();
-- One that failed once is kept when it is handled.
CREATE OR REPLACE FUNCTION rt.big_handler() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT specql.retry_due();
SELECT type, subject, status, attempts, last_error FROM specql.events WHERE attempts > 1 ORDER BY id;
RESET specql.log_events;
SET specql.log_events = 'some';

-- ---- retention: whole partitions, never what is pending or failed -------------------------------------------------------
SELECT partition FROM specql.expire_events();
SELECT count(*) FROM specql.events WHERE status <> 'unheard';
-- Events of 31 days ago, in two partitions: one of them has a delivery that waits.
DELETE FROM specql.event_log;
CREATE FUNCTION rt.id_at(age interval) RETURNS uuid LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM now() - age) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || 'a' || substr(md5(random()::text), 1, 15))::uuid
$$;
INSERT INTO specql.event_log (slot, id, type, action, occurred_at, xid, root, depth, batch, status, attempts, deliveries)
SELECT slot, rt.id_at(age), kind, 'rt.on_big', now() - age, '1', gen_random_uuid(), 1, gen_random_uuid(), 'done', 1, 0
FROM (VALUES (0, interval '33 days', 'old'), (0, '32 days', 'old'), (1, '31 days', 'waits'), (2, '31 days', 'beside a new one'),
             (2, '1 day', 'new'), (3, '29 days', 'young')) AS v (slot, age, kind);
INSERT INTO specql.outbox (id, aggregatetype, type, payload, kind, service, operation, event_id, action)
SELECT specql.uuid_v7(), 'x', 'x', '{}', 'call', 's', 'o', id, 'rt.on_big' FROM specql.event_log WHERE type = 'waits';
INSERT INTO specql.failure (id, action, type, occurred_at, xid, root, depth, status, attempts, sqlstate, first_failed_at, last_failed_at)
SELECT rt.id_at('40 days'), 'rt.on_big', 'failed long ago', now() - interval '40 days', '1', gen_random_uuid(), 1, 'parked', 5, 'XX000', now(), now();
SELECT partition, newest < now() - interval '30 days' AS old FROM specql.expire_events();
SELECT type, status FROM specql.events ORDER BY type;
DELETE FROM specql.outbox WHERE operation = 'o';
SELECT partition FROM specql.expire_events();
SET specql.event_retention = '28d';
SELECT partition FROM specql.expire_events();
SELECT type, status FROM specql.events ORDER BY type;
RESET specql.event_retention;
SHOW specql.event_retention;
-- An event is logged into the partition of its time.
SELECT specql.emit('now') \gset
SELECT slot = (extract(epoch FROM now() - '2000-01-01 00:00+00')::bigint / (30 * 86400 / 6)) % 8 AS slot FROM specql.event_log WHERE type = 'now';
DELETE FROM specql.failure;
TRUNCATE specql.outbox;

-- ---- outbox: for the events of a branch, and for one event -----------------------------------------------------------------
SELECT rt.install('out', 'rt.item', 'UPDATE', '{new.qty > 10, new.qty > 20}', $$
    PERFORM specql.call_external('erp', 'order', 1);
    PERFORM specql.escalate('managers', 'more than twenty', 2);
    PERFORM specql.notify('sales', 'row ' || e.id, e.event_id, jsonb_build_object('id', e.id)) FROM rt.out_rows(2) AS e;
    PERFORM specql.call_external('erp', 'first event', NULL, NULL);
    PERFORM specql.notify('sales', 'another event', specql.uuid_v7(), '{}');
    $$);
UPDATE rt.item SET qty = 10 * id WHERE id IN (1, 2, 3);
SELECT kind, coalesce(service, channel) AS target, coalesce(operation, message) AS what, aggregatetype, aggregateid, type, action, status, attempts,
    payload->'new'->'qty' AS qty, payload->'id' AS id, event_id IS NOT NULL AS event
FROM specql.deliveries WHERE action = 'rt.on_out' ORDER BY id;
SELECT subject, deliveries, status, processed_at FROM specql.events WHERE action = 'rt.on_out' ORDER BY id;
SELECT channel, message, aggregateid FROM specql.escalations;
SELECT specql.acknowledge(id) FROM specql.escalations;
SELECT count(*) FROM specql.escalations;
SELECT specql.acknowledge(id) FROM specql.deliveries WHERE kind = 'escalation';
SELECT acknowledged_by = session_user AS by FROM specql.outbox WHERE kind = 'escalation';
SELECT specql.call_external('erp', 'order', 1);
-- Outside of a handler, as a bulk operation that a person calls does it: for no event.
SELECT specql.notify('sales', 'x', NULL::uuid, '{"by": "hand"}') IS NOT NULL AS queued;
SELECT specql.call_external('erp', 'x', NULL::uuid, NULL) IS NOT NULL AS queued;
SELECT aggregatetype, aggregateid, type, kind, action, event_id, payload FROM specql.deliveries WHERE action IS NULL ORDER BY id;
BEGIN READ ONLY;
SELECT specql.notify('sales', 'x', NULL::uuid, NULL::jsonb);
ROLLBACK;
DROP TRIGGER out_trigger ON rt.item;
SELECT rt.install('nothing', 'rt.item', 'UPDATE', '{true}', 'PERFORM specql.call_external(''erp'', NULL, 1);');
UPDATE rt.item SET qty = 1 WHERE id = 1;
SELECT sqlstate, message FROM specql.failures;
DROP TRIGGER nothing_trigger ON rt.item;

-- ---- append-only -----------------------------------------------------------------------------------------------------------
CREATE TABLE rt.log (id integer PRIMARY KEY, what text);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rt.log FOR EACH STATEMENT EXECUTE FUNCTION specql.refuse_change();
INSERT INTO rt.log VALUES (1, 'one');
UPDATE rt.log SET what = 'two';
DELETE FROM rt.log;
TRUNCATE rt.log;
INSERT INTO rt.log VALUES (1, 'two') ON CONFLICT (id) DO UPDATE SET what = 'two';
SELECT * FROM rt.log;
ALTER TABLE rt.log DISABLE TRIGGER append_only;
DELETE FROM rt.log;

-- ---- identifiers: version 7, variant 10, growing, of now -------------------------------------------------------------------
SELECT count(DISTINCT id) AS ids, bool_and(substr(id::text, 15, 1) = '7') AS version, bool_and(substr(id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS variant,
    bool_and(id > before) AS growing, bool_and(abs(extract(epoch FROM specql.uuid_time(id) - clock_timestamp())) < 5) AS now
FROM (SELECT id, lag(id, 1, '00000000-0000-0000-0000-000000000000') OVER (ORDER BY i) AS before
      FROM (SELECT i, specql.uuid_v7() AS id FROM generate_series(1, 100000) AS i) AS made) AS ordered;
SELECT specql.uuid_time('01890a5d-ac96-774b-bcce-b302099a8057');
\set ECHO none
\i sql/include/runtime_end.psql
