-- on_response: and on_failure: steps with the answer to a call, about the event that the call was of, once and after its acknowledgement.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION specql;
SET specql.worker = off;
SET client_min_messages = warning;

SELECT kind, object FROM specql.apply($$
entity: Order
schema: shop
fields: {number: integer!, total: "decimal(12,2)!", charge_id: text, status: text = 'open', error: text}
actions:
  - name: place_order
    on: insert Order
    steps:
      - call_external: payments "charge"
        on_response:
          - update: Order SET charge_id = response->>'id', status = 'paid'
          - call_external: payments "capture"
            on_response:
              - update: Order SET status = current.status || ', captured by ' || response_text
        on_failure:
          - update: Order SET status = 'payment_failed', error = answer.error
          - insert: Complaint SET number = number, why = answer.error, tried = attempts
          - notify: billing "A charge failed"
---
service: payments
retries: 0
---
entity: Complaint
schema: shop
fields: {number: integer, why: text, tried: integer}
$$) WHERE kind IN ('function', 'registration') ORDER BY object;
SELECT pg_get_functiondef('shop.handle_place_order_charge_response_events()'::regprocedure);
SELECT pg_get_functiondef('shop.place_order_charge_response_rows(integer)'::regprocedure);
SELECT pg_get_functiondef('shop.place_order_charge_response_capture()'::regprocedure);
SELECT event, part, relation, handler, enabled FROM specql.actions ORDER BY part;

CREATE FUNCTION taken(operation text) RETURNS SETOF uuid LANGUAGE sql AS $$
    SELECT t.id FROM specql.take('payments', 100) AS t WHERE t.operation = $1 ORDER BY t.id $$;
INSERT INTO shop."order" (number, total) VALUES (1, 10), (2, 20), (3, 30);
CREATE TABLE charge AS SELECT t.id, (t.payload -> 'new' ->> 'number')::integer AS number FROM specql.take('payments', 100) AS t;
SELECT specql.ack(id, '{"id": "ch_1"}'::jsonb) FROM charge WHERE number = 1;
SELECT specql.nack(id, 'no money') FROM charge WHERE number = 2;
-- The row as it was when the event happened; what is updated is the row as it is.
UPDATE shop."order" SET number = 30 WHERE number = 3;
SELECT specql.nack(id, 'no money either') FROM charge WHERE number = 3;
SELECT count(*), count(*) FILTER (WHERE charge_id IS NULL) FROM shop."order";
SELECT specql.drain();
SELECT number, charge_id, status, error FROM shop."order" ORDER BY number;
SELECT number, why, tried FROM shop.complaint ORDER BY number;
SELECT channel, message, payload -> 'new' ->> 'number' AS number FROM specql.deliveries WHERE kind = 'notify' ORDER BY id;
-- An answer's steps may wait for an answer themselves.
SELECT specql.ack(id, '"Bob"') FROM taken('capture') AS t(id);
SELECT specql.drain();
SELECT number, charge_id, status FROM shop."order" WHERE number = 1;
SELECT type, action, depth, status, data -> 'specql.answer' ->> 'operation' AS operation FROM specql.events ORDER BY id;

-- Steps that fail are a failure of their own, and tried again without calling again.
ALTER TABLE shop."order" ADD CONSTRAINT no_ten CHECK (charge_id <> 'ch_10');
INSERT INTO shop."order" (number, total) VALUES (10, 10);
SELECT specql.ack(id, '{"id": "ch_10"}'::jsonb) FROM taken('charge') AS t(id);
SELECT specql.drain();
SELECT type, status, sqlstate FROM specql.failures;
ALTER TABLE shop."order" DROP CONSTRAINT no_ten;
SELECT specql.retry(id) FROM specql.failures;
SELECT charge_id, status FROM shop."order" WHERE number = 10;
SELECT count(*), max(attempts) FROM specql.deliveries WHERE operation = 'charge';
SELECT count(*) FROM specql.failures;

-- A row that is gone: nothing is updated, and nothing fails.
INSERT INTO shop."order" (number, total) VALUES (11, 10);
CREATE TABLE eleven AS SELECT id FROM taken('charge') AS t(id);
DELETE FROM shop."order" WHERE number = 11;
SELECT specql.ack(id, '{"id": "ch_11"}'::jsonb) FROM eleven;
SELECT specql.drain();
SELECT count(*) FROM specql.failures;
-- Its operation goes on.
SELECT specql.ack(id, '"Bob"') FROM taken('capture') AS t(id);
SELECT specql.drain();
SELECT count(*) FROM specql.failures;

-- A column that gets another name between the call and its answer, and one between the answer and its steps.
INSERT INTO shop."order" (number, total) VALUES (12, 10);
CREATE TABLE twelve AS SELECT id FROM taken('charge') AS t(id);
ALTER TABLE shop."order" RENAME COLUMN number TO no;
SELECT specql.nack(id, 'no') FROM twelve;
ALTER TABLE shop."order" RENAME COLUMN no TO num;
SELECT specql.drain();
SELECT count(*) FROM specql.failures;
SELECT number, why FROM shop.complaint WHERE why = 'no';
ALTER TABLE shop."order" RENAME COLUMN num TO number;

-- And one that gets another type.
INSERT INTO shop."order" (number, total) VALUES (16, 10);
CREATE TABLE sixteen AS SELECT id FROM taken('charge') AS t(id);
ALTER TABLE shop."order" ALTER COLUMN number TYPE bigint;
SELECT specql.nack(id, 'no again') FROM sixteen;
SELECT specql.drain();
SELECT count(*) FROM specql.failures;
SELECT number, why FROM shop.complaint WHERE why = 'no again';
ALTER TABLE shop."order" ALTER COLUMN number TYPE integer;

-- While the action is paused its answers wait; while it is off, they are handled.
SELECT specql.pause('shop.place_order');
INSERT INTO shop."order" (number, total) VALUES (13, 10);
SELECT specql.resume('shop.place_order');
CREATE TABLE thirteen AS SELECT id FROM taken('charge') AS t(id);
SELECT specql.pause('shop.place_order');
SELECT specql.ack(id, '{"id": "ch_13"}'::jsonb) FROM thirteen;
SELECT specql.drain();
SELECT charge_id FROM shop."order" WHERE number = 13;
SELECT specql.resume('shop.place_order');
SELECT charge_id FROM shop."order" WHERE number = 13;
SELECT specql.ack(id, '"Bob"') FROM taken('capture') AS t(id);
INSERT INTO shop."order" (number, total) VALUES (14, 10);
ALTER TABLE shop."order" DISABLE TRIGGER place_order_trigger;
SELECT specql.ack(id, '{"id": "ch_14"}'::jsonb) FROM taken('charge') AS t(id);
SELECT specql.drain() > 0;
SELECT charge_id FROM shop."order" WHERE number = 14;
ALTER TABLE shop."order" ENABLE TRIGGER place_order_trigger;
SELECT specql.ack(id, '"Bob"') FROM taken('capture') AS t(id);
SELECT specql.drain() > 0;

-- Applied again nothing changes; with less the rest goes, and calls that wait are just done.
INSERT INTO shop."order" (number, total) VALUES (15, 10);
CREATE TABLE fifteen AS SELECT id FROM taken('charge') AS t(id);
SELECT action, kind, object FROM specql.apply($$
entity: Order
schema: shop
fields: {number: integer!, total: "decimal(12,2)!", charge_id: text, status: text = 'open', error: text}
actions:
  - name: place_order
    on: insert Order
    steps:
      - call_external: payments "charge"
        on_failure:
          - update: Order SET status = 'payment_failed'
$$);
SELECT part FROM specql.actions ORDER BY part;
SELECT specql.ack(id, '{"id": "ch_15"}'::jsonb) FROM fifteen;
SELECT specql.drain(), (SELECT count(*) FROM specql.failures);
SELECT charge_id FROM shop."order" WHERE number = 15;

-- An action on several tables has steps for each; beside a payload of its own, in each of its forms.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Cat
schema: zoo
fields: {name: text!, tag: text}
---
entity: Dog
schema: zoo
fields: {name: text!, tag: text}
---
schema: zoo
actions:
  - name: on_animal
    trigger: any_change
    conditions:
      - if: "tag IS NULL"
        then:
          - call_external: payments "register" SET
              who: "name"
            on_response:
              - notify: zoo_tags "{name} is {response->>'tag'}"
          - call_external: {service: payments, operation: second, payload: {who: "name"}}
            on_response:
              - notify: zoo_{name} "{name} has {response_text}"
$$);
INSERT INTO zoo.cat (name) VALUES ('Tom');
INSERT INTO zoo.dog (name) VALUES ('Rex');
SELECT specql.ack(t.id, jsonb_build_object('tag', 'of ' || (t.payload ->> 'who'))), t.payload FROM specql.take('payments', 100) AS t WHERE t.operation IN ('register', 'second') ORDER BY t.operation, t.payload;
SELECT specql.drain();
SELECT channel, message FROM specql.deliveries WHERE channel LIKE 'zoo%' ORDER BY channel, message;

-- Of a custom event, and of the matches of a window.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Log
schema: shop
fields: {said: text, number: integer}
actions:
  - name: on_custom
    on: event asked
    params: {number: integer}
    steps:
      - call_external: payments "ask"
        on_response:
          - insert: Log SET said = response_text, number = number + coalesce(response_status, 0)
  - name: many
    trigger: many_asked
    condition: "COUNT(asked) >= 2 WITHIN 1 hour"
    steps:
      - call_external: payments "tell"
        on_response:
          - insert: Log SET said = response->>'said', number = match_count
        on_failure:
          - insert: Log SET said = error, number = match_count
$$);
SELECT specql.emit('asked', '{"number": 5}') IS NOT NULL, specql.emit('asked', '{"number": 6}') IS NOT NULL;
SELECT specql.drain() > 0;
SELECT specql.ack(t.id, '{"said": "well"}'::jsonb) FROM specql.take('payments', 100) AS t WHERE t.operation IN ('ask', 'tell');
SELECT specql.drain();
SELECT said, number FROM shop.log ORDER BY said;

-- plpgsql_check or not: the functions are of their owner, and nobody else's.
SELECT p.proname, p.prosecdef, has_function_privilege('public', p.oid, 'EXECUTE') AS everybody
FROM pg_proc AS p WHERE p.proname LIKE 'handle%charge%' ORDER BY 1;
SELECT specql.remove('shop.Log');
SELECT action, part FROM specql.actions ORDER BY 1, 2;

-- What is not understood.
CREATE FUNCTION problems(steps text) RETURNS TABLE (code text, line integer, col integer, message text, hint text) LANGUAGE sql AS $$
    SELECT v.code, v.line, v.col, v.message, v.hint FROM specql.validate(format(E'schema: shop\nactions:\n  - name: other\n    on: insert Order\n    steps:\n%s', $1)) AS v
    WHERE v.severity = 'error' $$;
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - update: Order SET status = respnse_text
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - insert: Complaint SET why = error
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - insert: Complaint SET why = answer.body
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - insert: Complaint SET why = current_status
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - insert: Complaint SET why = current.stats
');
SELECT * FROM problems('      - insert: Complaint SET why = response_text
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_respones:
          - insert: Complaint SET why = error
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response: []
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response: notify
');
SELECT * FROM problems('      - notify: payments "charge"
        on_response:
          - notify: a "b"
');
SELECT * FROM problems('      - call_external: payments "charge"
        on_response:
          - notify: a "b"
      - if: "number > 5"
        then:
          - call_external: payments "charge"
');
SELECT * FROM problems('      - foreach: "x in ARRAY[1, 2]"
        do:
          - call_external: payments "each"
            on_response:
              - notify: a "b"
');
SELECT v.code, v.message, v.hint FROM specql.validate($$
entity: Item
schema: shop
fields: {n: integer}
actions:
  - name: take_items
    pattern: batch/bulk_operation
    operation: update
    steps:
      - update: Item SET n = 1 WHERE n = wanted
      - call_external: payments "each"
        on_response:
          - notify: a "b"
---
service: later
operations: {a: {answer: soon}, b: {answer_within: 1 hour}, c: {answer: later, answer_within: 1000 days}}
$$) AS v WHERE v.severity = 'error';
-- What it would do is said.
SELECT name, resolved_to, rule FROM specql.explain($$
entity: Payment
schema: shop
fields: {number: integer!, charge_id: text}
actions:
  - name: on_payment
    on: insert Payment
    steps:
      - call_external: payments "charge"
        on_response:
          - update: Payment SET charge_id = response->>'id'
$$) AS e;
