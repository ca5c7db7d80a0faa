-- Idempotency keys: the second call, or event, of a key is not queued, or raised, while the first is known.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION specql;
SET specql.worker = off;
SET client_min_messages = warning;
SET intervalstyle = postgres;

CREATE FUNCTION shown(uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(concat_ws(' ', d.operation, d.status, d.idempotency_key, d.payload), ', ' ORDER BY d.id) FROM specql.deliveries AS d WHERE d.id = $1
$$;
CREATE VIEW seen AS
    SELECT d.operation, d.status, d.idempotency_key AS key, d.payload,
           (SELECT f.idempotency_key FROM specql.deliveries AS f WHERE d.status = 'repeated' AND d.last_error LIKE 'repeats ' || f.id || ':%') AS repeats
    FROM specql.deliveries AS d ORDER BY d.created_at, d.id;

SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Order
schema: shop
fields: {number: integer!, customer: text, priority: boolean = false, status: text = 'open', placed: date = '2024-02-03'}
actions:
  - name: on_status
    on: update Order.status
    steps:
      - call_external: payments "charge" SET order = number
        idempotency_key: "number || ':charge'"
  - name: on_customer
    on: update Order.customer
    steps:
      - call_external: {service: crm, operation: greet}
        idempotency_key: "customer"
        dedupe_for: 2 hours
        after: 10 minutes
      - insert: OrderEvent SET order = id, event_type = 'greeted'
  - name: on_priority
    on: update Order.priority
    steps:
      - if: "new.priority"
        then:
          - call_external: crm "hurry" SET order = number
            idempotency_key: "placed"
---
entity: OrderEvent
schema: shop
fields: {order: ref(Order), event_type: text, processed_at: timestamp}
---
service: payments
retries: 1
---
service: crm
$$);
\sf shop.trigger_status_events
\sf shop.trigger_customer_events
SELECT resolved_to FROM specql.explain($$
schema: shop
actions:
  - name: on_status_again
    on: update Order.status
    steps:
      - call_external: payments "charge" SET order = number
        idempotency_key: "number || ':charge'"
        dedupe_for: 1 hour
$$) WHERE resolved_to LIKE '%queues%';
INSERT INTO shop."order" (number) VALUES (10), (9), (3), (3);

-- A set in which a key comes twice, and the same again.
UPDATE shop."order" SET status = 'placed';
TABLE seen;
UPDATE shop."order" SET status = 'sent' WHERE number > 3;
TABLE seen;
SELECT w.kind, w.what, regexp_replace(w.detail, '[0-9a-f-]{36}', 'ID') AS detail
FROM specql.why((SELECT event_id FROM specql.deliveries WHERE status = 'repeated' ORDER BY id DESC LIMIT 1)) AS w WHERE w.kind = 'delivery';
-- What is rolled back was never known.
DELETE FROM specql.known_key;
BEGIN;
SAVEPOINT one;
UPDATE shop."order" SET status = 'lost' WHERE number = 9;
ROLLBACK TO one;
UPDATE shop."order" SET status = 'found' WHERE number = 9;
UPDATE shop."order" SET status = 'found again' WHERE number = 9;
SELECT status, count(*) FROM specql.deliveries WHERE created_at >= now() GROUP BY status ORDER BY status;
ROLLBACK;
SELECT count(*) FROM specql.known_key;

-- The event's data, a delay, a time of its own; the row of an event whose call is repeated waits for nothing.
UPDATE shop."order" SET customer = 'ada' WHERE number = 10;
UPDATE shop."order" SET customer = 'ada' WHERE number = 9;
SELECT d.status, d.idempotency_key, d.payload -> 'new' ->> 'number' AS number, d.available_at - d.created_at AS after FROM specql.deliveries AS d
WHERE d.operation = 'greet' ORDER BY d.id;
SELECT o.number, e.processed_at IS NOT NULL AS processed FROM shop.order_event AS e JOIN shop."order" AS o ON o.id = e.order_id ORDER BY 1;
SELECT round(extract(epoch FROM known_until - now()) / 3600) AS hours FROM specql.known_key WHERE operation = 'greet';
SELECT data #>> '{new,number}' AS number, status FROM specql.events WHERE action = 'shop.on_customer' ORDER BY id;
-- A key that is NULL would be everybody's.
\set VERBOSITY sqlstate
UPDATE shop."order" SET customer = NULL WHERE number = 9;
\set VERBOSITY terse
SELECT sqlstate, message FROM specql.failures;
-- It is tried again, with the values it had, or has others.
DELETE FROM specql.failure;
-- Times and booleans look as in JSON. In a loop.
SET datestyle = 'German';
UPDATE shop."order" SET priority = true;
RESET datestyle;
SELECT * FROM seen WHERE operation = 'hurry';

-- It is over: the next one goes, and housekeeping forgets.
UPDATE specql.known_key SET known_until = now() - interval '1 s' WHERE operation = 'hurry';
UPDATE shop."order" SET priority = false;
UPDATE shop."order" SET priority = true WHERE number = 10;
SELECT * FROM seen WHERE operation = 'hurry';
SELECT specql.forget_keys();
UPDATE specql.known_key SET known_until = now() - interval '1 s';
SELECT specql.forget_keys();
SELECT count(*) FROM specql.known_key;

-- A failure after the call takes the key back; the retry is the first.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_placed
    on: update Order.placed
    steps:
      - call_external: payments "capture" SET order = number
        idempotency_key: "event_id"
      - validate: "current_setting('shop.open', true) = 'yes'"
        error: closed
$$);
\set VERBOSITY sqlstate
UPDATE shop."order" SET placed = '2025-01-01' WHERE number = 10;
\set VERBOSITY terse
SELECT count(*) AS known FROM specql.known_key WHERE operation = 'capture';
SET shop.open = 'yes';
SELECT specql.retry(id) FROM specql.failures;
SELECT status, key = (SELECT id::text FROM specql.events WHERE action = 'shop.on_placed') AS is_event, payload FROM seen WHERE operation = 'capture';
-- A replay handles the event again, and that call is known.
SELECT specql.replay('shop.on_placed', '-infinity', deliver => true);
SELECT status, count(*) FROM specql.deliveries WHERE operation = 'capture' GROUP BY status ORDER BY status DESC;
DELETE FROM specql.known_key;
SELECT specql.replay('shop.on_placed', '-infinity');
SELECT count(*) AS known FROM specql.known_key;

-- In SQL: the id of the first.
SELECT specql.call_once('crm', 'call', 'k1', payload => '{"n": 1}') AS one \gset
SELECT specql.call_once('crm', 'call', 'k1', payload => '{"n": 2}') = :'one' AS same, shown(:'one');
SELECT specql.call_once('crm', 'other', 'k1') = :'one' AS same, specql.call_once('payments', 'call', 'k1') = :'one' AS same;
\set VERBOSITY default
SELECT specql.call_once('crm', 'call', NULL);
SELECT specql.call_once('crm', 'call', '');
SELECT specql.call_once('crm', 'call', repeat('x', 256));
SELECT specql.call_once('crm', 'call', E'a\r\nX-Other: b');
SELECT specql.call_once('crm', 'call', ' a');
SELECT specql.call_once('crm', 'call', 'a', dedupe_for => '0 s');
SELECT specql.call_once('crm', 'call', 'a', dedupe_for => '2 years');
SELECT specql.call_once('crm', 'call', 'a', dedupe_for => NULL);
SELECT specql.call_once('crm', 'call', 'a', after => '-1 s');
\set VERBOSITY terse
SELECT specql.call_once('crm', 'call', 'a', after => '1 day') IS NOT NULL AS queued;
SELECT status, available_at - created_at AS after FROM specql.deliveries WHERE idempotency_key = 'a';
SELECT specql.reserve_keys('crm', 'call', NULL), specql.reserve_keys('crm', 'call', ARRAY['a', NULL, repeat('x', 300), 'b', 'b', 'c']);
SELECT key, id IS NOT NULL AS known FROM specql.known_key WHERE operation = 'call' AND service = 'crm' ORDER BY key;

-- Nobody's keys stand in the way of another's.
SET client_min_messages = error;
CREATE ROLE regress_other_keys;
GRANT specql_admin TO regress_other_keys;
SET client_min_messages = warning;
SET ROLE regress_other_keys;
SELECT specql.call_once('crm', 'call', 'k1') = :'one' AS same;
SELECT specql.call_once('crm', 'call', 'k1') = :'one' AS same;
SELECT count(*) FROM specql.deliveries WHERE operation = 'call';
SELECT count(*) FROM specql.known_key;
RESET ROLE;

-- A dead letter's key is known; one that is discarded is forgotten. The key goes along with all attempts, whole or not.
SELECT count(*) FROM specql.take('crm', 100, '1 hour');
SELECT specql.nack(:'one', 'no', final => true);
SELECT shown(:'one');
SELECT specql.call_once('crm', 'call', 'k1') = :'one' AS same;
SELECT specql.redrive(:'one'::uuid);
SELECT shown(:'one');
SELECT count(*) FROM specql.take('crm', 100, '1 hour');
SELECT specql.nack(:'one', 'no', final => true), specql.discard(:'one');
SELECT specql.call_once('crm', 'call', 'k1') = :'one' AS same;
SET specql.whole_deliveries = on;
SELECT specql.call_once('crm', 'call', 'whole', payload => '{"n": 3}') AS whole \gset
RESET specql.whole_deliveries;
SELECT payload, operation FROM specql.outbox WHERE id = :'whole';
SELECT shown(:'whole');
SELECT count(*) FROM specql.take('crm', 100, '1 hour');
SELECT specql.ack(:'whole'::uuid);
SELECT shown(:'whole');
-- They leave the history together.
SELECT count(*) > 0 AS kept FROM specql.own_payload AS p JOIN specql.delivery_history AS h USING (id);
SET specql.delivery_retention = 0;
SELECT specql.expire_deliveries() > 0 AS gone;
RESET specql.delivery_retention;
SELECT count(*) FROM specql.own_payload AS p
WHERE NOT EXISTS (SELECT FROM specql.deliveries AS d WHERE d.id = p.id);
-- Another header of that name is replaced.
SELECT specql.headers_with_key(NULL, '{"Idempotency-Key: 1","X: 2"}'), specql.headers_with_key('k', '{"Idempotency-Key: 1","X: 2"}');

-- Under another name.
SELECT specql.call_once('crm2', 'call', 'k1') IS NOT NULL AS queued, specql.call_once('crm2', 'call', 'k2') IS NOT NULL AS queued;
SELECT specql.rename_service('crm', 'crm2');
SELECT service, key, count(*) FROM specql.known_key WHERE operation = 'call' AND owner::oid = CURRENT_USER::regrole GROUP BY 1, 2 ORDER BY 1, 2;

-- Events.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Heard
schema: shop
fields: {what: text}
actions:
  - name: on_paid
    on: event paid
    params: {what: text}
    steps:
      - insert: Heard SET what = what
$$);
SELECT specql.emit_once('paid', 'abc', '{"what": "one"}') AS first \gset
SELECT specql.emit_once('paid', 'abc', '{"what": "two"}') = :'first' AS same;
SELECT specql.emit_once('paid', 'abc', '{"what": "three"}'::jsonb, dedupe_for => '1 min') = :'first' AS same;
SELECT specql.emit('paid', '{"what": "four"}') = :'first' AS same, specql.emit('paid', '{"what": "five"}', now()) = :'first' AS same;
SELECT specql.emit_once('paid', NULL);
SELECT specql.emit_once('unheard', 'abc', '{"what": "six"}') = :'first' AS same;
BEGIN;
SELECT specql.emit_once('paid', 'def', '{"what": "rolled back"}') = :'first' AS same;
ROLLBACK;
SELECT specql.emit_once('paid', 'def', '{"what": "seven"}') = :'first' AS same;
SELECT what FROM shop.heard;
SELECT type, action, status, data, last_error = 'repeats ' || :'first' AS repeats FROM specql.events WHERE type IN ('paid', 'unheard') ORDER BY id;
\set VERBOSITY default
SELECT specql.emit_once('paid', '', '{"what": "x"}');
SELECT specql.emit_once('paid', 'abc', '{"what": "x"}', dedupe_for => NULL);
SELECT specql.emit_once('paid', 'ghi', '{"what": "x"}', dedupe_for => '-1 s');
\set VERBOSITY terse
-- What was not handled is not replayed.
SELECT specql.replay('shop.on_paid', '-infinity');
SELECT total FROM specql.replay_run ORDER BY id DESC LIMIT 1;

DROP OWNED BY regress_other_keys;
DROP ROLE regress_other_keys;
