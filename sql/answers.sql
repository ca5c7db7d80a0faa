-- Answers: kept with the acknowledgement of their call, heard by actions that listen to them, and nobody else's to tell.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION specql;
SET specql.worker = off;
SET client_min_messages = warning;

SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Order
schema: shop
fields: {number: integer!, customer: text!, charge_id: text, status: text = 'open'}
actions:
  - name: on_order
    on: insert Order
    steps:
      - call_external: payments "charge"
  - name: on_shipped
    on: update Order.status
    steps:
      - call_external: payments "capture"
---
service: payments
retries: 1
backoff: 1 ms
---
entity: Heard
schema: shop
fields: {what: text!, number: integer, charge: text, status: integer, attempts: integer, error: text, text: text}
---
schema: shop
actions:
  - name: on_charged
    trigger: payments.charge.succeeded
    params: {number: integer, response: jsonb, response_text: text, attempts: integer}
    steps:
      - insert: Heard SET what = 'charged', number = number, charge = response->>'id', attempts = attempts, text = response_text
  - name: on_not_charged
    trigger: payments.charge.failed
    params: {number: integer, error: text, attempts: integer}
    steps:
      - insert: Heard SET what = 'not charged', number = number, error = error, attempts = attempts
$$);

-- Nobody listens to answers of capture: nothing is written for them.
INSERT INTO shop."order" (number, customer) SELECT n, 'ada' FROM generate_series(1, 6) AS n;
UPDATE shop."order" SET status = 'shipped' WHERE number = 1;
CREATE TABLE taken AS SELECT id, operation, (payload -> 'new' ->> 'number')::integer AS number FROM specql.take('payments', 100);
CREATE FUNCTION id_of(integer) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM taken WHERE number = $1 AND operation = 'charge' $$;
SELECT specql.ack(id, '{"ok": true}'::jsonb) FROM taken WHERE operation = 'capture';
SELECT count(*) FROM specql.waiting_event;

-- The answer waits from the acknowledgement on.
SELECT specql.ack(id_of(1), '{"id": "ch_1", "list": [1, 2]}');
SELECT type, action, data ->> 'number' AS number, data -> 'response' AS response, data ->> 'response_text' AS text, data ->> 'operation' AS operation,
       data ->> 'attempts' AS attempts, data ->> 'response_cut' AS cut, depth, caused_by IS NOT NULL AS caused, status
FROM specql.events WHERE status = 'waiting';
-- The same again is none.
SELECT specql.ack(id_of(1), '{"id": "ch_2"}'), specql.ack(id_of(1)), specql.respond(id_of(1), '{"id": "ch_3"}');
SELECT count(*) FROM specql.waiting_event;
-- Literals of no type: an answer, or another id.
SELECT id_of(2) AS two, id_of(3) AS three, id_of(4) AS four \gset
SELECT specql.ack(:'two', '{"id": "ch_2"}');
SELECT specql.ack(:'three', :'four');
SELECT specql.drain();
SELECT what, number, charge, attempts, text FROM shop.heard ORDER BY number;

-- Failures: out of attempts, or final.
SELECT specql.nack(id_of(5), 'no money', '0');
SELECT pg_sleep(0.01), count(*) FROM specql.take('payments', 100);
SELECT specql.nack(id_of(5), 'no money still'), specql.nack(id_of(6), 'never', final => true);
SELECT specql.nack(id_of(6), 'never', '1 s', final => true);
SELECT specql.drain();
SELECT what, number, attempts, error FROM shop.heard WHERE what = 'not charged' ORDER BY number;
-- A dead letter that is redriven is answered anew.
SELECT specql.redrive(id_of(6));
SELECT count(*) FROM specql.take('payments', 100);
SELECT specql.ack(id_of(6), '"text"'), specql.drain();
SELECT what, charge, text FROM shop.heard WHERE number = 6 ORDER BY what;

-- In one transaction: what is rolled back was never answered.
INSERT INTO shop."order" (number, customer) VALUES (7, 'ada');
INSERT INTO taken SELECT id, operation, 7 FROM specql.take('payments', 100);
BEGIN;
SELECT specql.ack(id_of(7), '{"id": "ch_7"}');
SELECT count(*) FROM specql.waiting_event;
ROLLBACK;
SELECT count(*) FROM specql.waiting_event;
SELECT specql.ack(id_of(7), jsonb_build_object('long', repeat('x', 70000)));
SELECT specql.respond(id_of(7), jsonb_build_object('id', 'ch_7', 'null', NULL));
SELECT specql.respond(id_of(7)), specql.respond('00000000-0000-7000-8000-000000000000', '{}');
SELECT specql.ack(id_of(7), 'no json');
SELECT specql.drain();
SELECT what, charge, text FROM shop.heard WHERE number = 7;

-- A call that nobody has had yet has no answer.
INSERT INTO shop."order" (number, customer) VALUES (8, 'ada');
\set VERBOSITY sqlstate
SELECT specql.respond(id, '{}') FROM specql.deliveries WHERE status = 'waiting';
\set VERBOSITY terse
INSERT INTO taken SELECT id, operation, 8 FROM specql.take('payments', 100);
SELECT specql.respond(id_of(8), '{"code": 1}', failed => true), specql.drain();
SELECT what, error FROM shop.heard WHERE number = 8;

-- An event that tells of an answer is the service's: forged by others it is refused. Others may not answer.
CREATE ROLE specql_stranger;
GRANT specql_admin TO specql_stranger;
INSERT INTO shop."order" (number, customer) VALUES (9, 'ada');
INSERT INTO taken SELECT id, operation, 9 FROM specql.take('payments', 100);
GRANT SELECT ON taken TO specql_stranger;
SET ROLE specql_stranger;
SELECT specql.emit('payments.charge.succeeded', '{"number": 9, "response": {}, "response_text": "", "attempts": 1}');
SELECT specql.emit('payments.other.failed', '{}') IS NOT NULL;
SELECT specql.emit('other.charge.succeeded', '{}') IS NOT NULL AS anybody;
SELECT specql.emit('other.charge.succeeded', '{"specql.answer": {}}');
SELECT specql.ack(id_of(9), '{}'::jsonb);
SELECT specql.respond(id_of(9), '{}');
SELECT specql.nack(id_of(9), final => true);
-- What a stranger listens to he does not hear, if neither the call nor the service is his.
RESET ROLE;
CREATE SCHEMA mine AUTHORIZATION specql_stranger;
SET ROLE specql_stranger;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Spy
schema: mine
fields: {data: jsonb}
---
schema: mine
actions:
  - name: on_charged
    trigger: payments.charge.succeeded
    steps:
      - insert: Spy SET data = event_data
$$);
RESET ROLE;
SELECT specql.ack(id_of(9), '{"id": "ch_9"}'), specql.drain();
SELECT count(*) FROM mine.spy;
SELECT what, charge FROM shop.heard WHERE number = 9;
GRANT USAGE ON SCHEMA shop TO specql_stranger;

-- What the service's owner emits, its listeners hear: so are they tried.
SELECT specql.emit('payments.charge.succeeded', '{"number": 10, "response": {"id": "x"}, "response_text": "", "attempts": 1}') IS NOT NULL;
SELECT what, charge FROM shop.heard WHERE number = 10;

-- A member of a correlation, by the key of the row that was sent; a source of a window.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Counted
schema: shop
fields: {n: integer}
actions:
  - name: not_paid
    triggers: [order_created, payments.charge.failed]
    condition: "order_created AND payments.charge.failed"
    correlation_window: 10 minutes
    correlate_by: number
    steps:
      - insert: Heard SET what = 'not paid', number = match_count
  - name: many_failures
    trigger: many_failed
    condition: "COUNT(payments.charge.failed) >= 2 WITHIN 1 hour"
    steps:
      - insert: Heard SET what = 'many failures', number = match_count
$$);
INSERT INTO shop."order" (number, customer) VALUES (11, 'ada'), (12, 'ada');
SELECT count(specql.nack(t.id, 'no', final => true)) FROM specql.take('payments', 100) AS t;
SELECT specql.drain() > 0;
SELECT specql.drain() > 0;
SELECT specql.drain() > 0;
SELECT what, number FROM shop.heard WHERE what IN ('not paid', 'many failures') ORDER BY what, number;

-- A service that is not there is said.
SELECT severity, code, message, hint FROM specql.validate($$
schema: shop
actions:
  - name: on_typo
    trigger: payment.charge.succeeded
    steps:
      - notify: a "b"
$$);
DROP OWNED BY specql_stranger CASCADE;
DROP ROLE specql_stranger;
