-- Sagas: steps that wait for services, and what is undone if it cannot go on.
\set ECHO none
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
SELECT $$
service: payments
operations:
  charge:
  refund:
---
service: carriers
operations:
  book:
  cancel:
---
entity: Product
schema: saga
fields:
  name: text!
  price: integer!
  stock: integer! = 0
  reserved: integer! = 0
---
entity: Purchase
schema: saga
fields:
  customer: text!
  product: ref(Product)!
  quantity: integer!
  total: integer!
  payment: text
  state: enum(placed, shipped) = placed
---
entity: Coupon
schema: saga
fields: {code: text!, customer: text!, amount: integer!}
---
entity: Sale
schema: saga
fields:
  customer: text!
  product: ref(Product)!
  quantity: integer!
  status: enum(pending, processing, compensating, completed, failed) = pending
  saga_state: jsonb
  completed_at: timestamptz
actions:
  - name: sell
    pattern: multi_entity/saga_orchestrator
    params: {customer: text, product_id: uuid, quantity: integer}
    timeout: 1 day
    saga_steps:
      - name: reserve
        action: update
        entity: Product
        fields: {reserved: reserved + quantity}
        condition: "id = product_id"
        validations: [{condition: "stock - reserved >= quantity", error: "not enough for {quantity}"}]
        compensation: {action: update, fields: {reserved: reserved - quantity}}
      - name: use_coupons
        action: delete
        entity: Coupon
        condition: "customer = customer"
        compensation: {action: insert}
      - name: purchase
        action: insert
        entity: Purchase
        fields: [customer, product: product_id, quantity, total: quantity * product.price]
        compensation: {action: delete}
      - name: charge
        action: call_external
        service: payments
        method: charge
        params: {purchase_id: purchase.id, amount: purchase.total}
        timeout: 1 hour
        compensation: {action: call_external, service: payments, method: refund, params: {purchase_id: purchase.id, payment: charge.payment}}
      - name: both
        parallel:
          - name: book
            action: call_external
            service: carriers
            method: book
            params: {purchase_id: purchase.id}
            compensation: {action: call_external, service: carriers, method: cancel, params: {number: book.number}, condition: step_completed}
          - {name: tell, action: notify, recipient: warehouse, message: "pack {quantity}"}
      - name: how
        branches: [{condition: "quantity > 1", steps: [lorry]}, {steps: [bicycle]}]
      - {name: lorry, action: notify, recipient: drivers, message: "lorry for {book.number}"}
      - {name: bicycle, action: notify, recipient: drivers, message: "bicycle for {book.number}"}
      - name: ship
        action: update
        entity: Purchase
        fields: {state: "'shipped'", payment: charge.payment}
        condition: "id = purchase.id"
    success_action:
      notify: customers "{customer} paid {purchase.total}"
    failure_action:
      notify: customers "sorry, {customer}"
$$ AS spec \gset
SELECT count(*) > 0 FROM specql.apply(:'spec');

\echo == What is told of it
SELECT concat_ws('|', name, resolved_to) FROM specql.explain(:'spec') WHERE action = 'saga.sell' AND (name LIKE 'step%' OR name LIKE 'parameter%');

\echo == What is generated
SELECT p.oid::regprocedure, pg_get_function_result(p.oid) FROM pg_proc AS p
WHERE pronamespace = 'saga'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell(text,uuid,integer)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_reserve(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_reserve_undo(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_use_coupons(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_use_coupons_undo(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_purchase(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_book_undo(uuid,jsonb,jsonb)'::regprocedure;
SELECT prosrc FROM pg_proc WHERE oid = 'saga.sell_record(uuid,text,jsonb,text)'::regprocedure;

INSERT INTO saga.product (name, price, stock) VALUES ('kettle', 40, 5), ('pot', 10, 1);
CREATE FUNCTION saga.of(name text) RETURNS uuid LANGUAGE sql AS $$ SELECT p.id FROM saga.product AS p WHERE p.name = of.name $$;
CREATE FUNCTION saga.standing() RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', 'product', name, stock, reserved) FROM (SELECT * FROM saga.product ORDER BY name) AS p
    UNION ALL
    SELECT concat_ws('|', 'purchase', customer, quantity, total, payment, state) FROM (SELECT * FROM saga.purchase ORDER BY customer) AS p
    UNION ALL
    SELECT concat_ws('|', 'coupon', code, customer, amount) FROM (SELECT * FROM saga.coupon ORDER BY code) AS c
    UNION ALL
    SELECT concat_ws('|', 'sale', customer, status, saga_state ->> 'error', completed_at IS NOT NULL) FROM (SELECT * FROM saga.sale ORDER BY customer) AS s $$;
-- What a service says to all that it is asked.
CREATE FUNCTION saga.answers(service text, answer jsonb) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    FOR call IN SELECT t.* FROM specql.take(service, 10) AS t ORDER BY t.operation LOOP
        line := concat_ws('|', call.operation, call.payload - 'purchase_id', call.payload ? 'purchase_id');
        IF answer IS NULL THEN
            PERFORM specql.nack(call.id, 'no', final => true);
        ELSE
            PERFORM specql.ack(call.id, answer);
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM specql.drain();
END $$;

\echo == One that succeeds
INSERT INTO saga.coupon (code, customer, amount) VALUES ('A', 'ada', 5), ('B', 'bob', 3), ('B2', 'bob', 4);
SELECT saga.sell('ada', saga.of('kettle'), 2) IS NOT NULL;
SELECT * FROM saga.standing();
SELECT * FROM saga.answers('payments', '{"payment": "P-1"}');
SELECT * FROM saga.answers('carriers', '{"number": "C-1"}');
SELECT * FROM saga.standing();
SELECT channel, message FROM specql.deliveries WHERE kind = 'notify' ORDER BY channel;

\echo == One whose call is refused: what is undone is what was done, by the values of then
SELECT saga.sell('bob', saga.of('kettle'), 1) IS NOT NULL;
UPDATE saga.product SET reserved = reserved + 1, price = 99 WHERE name = 'kettle';
SELECT * FROM saga.answers('payments', NULL);
SELECT * FROM saga.answers('payments', '{}');
SELECT * FROM saga.standing();

\echo == The call that was refused is not made again behind its back
SELECT specql.redrive('payments');
\set VERBOSITY sqlstate
SELECT specql.redrive(id) FROM specql.dead_letters WHERE service = 'payments';
\set VERBOSITY terse

\echo == One that fails behind a call that was answered
INSERT INTO saga.coupon (code, customer, amount) VALUES ('C', 'cyd', 5);
SELECT saga.sell('cyd', saga.of('kettle'), 1) IS NOT NULL;
SELECT * FROM saga.answers('payments', '{"payment": "P-3"}');
SELECT * FROM saga.answers('carriers', NULL);
SELECT * FROM saga.answers('payments', '{}');
SELECT * FROM saga.standing();

\echo == Refused by a rule of its first step; and a step that finds no row
SELECT saga.sell('dan', saga.of('pot'), 2) IS NOT NULL;
SELECT saga.sell('eve', saga.of('pot'), 1) IS NOT NULL;
SELECT * FROM saga.standing() WHERE line LIKE 'sale|%' OR line LIKE 'product|pot%';

\echo == By hand
INSERT INTO saga.coupon (code, customer, amount) VALUES ('F', 'fay', 5);
SELECT saga.sell('fay', saga.of('pot'), 1) AS fay \gset
SELECT status FROM specql.processes WHERE id = :'fay';
SELECT saga.manual_compensation(:'fay');
SELECT specql.drain() >= 0;
SELECT * FROM saga.answers('payments', '{}');
SELECT saga.manual_compensation(:'fay');
SELECT saga.retry_saga(:'fay');
SELECT * FROM saga.standing() WHERE line LIKE '%fay%' OR line LIKE 'product|pot%';

\echo == Stuck, and then not
INSERT INTO saga.coupon (code, customer, amount) VALUES ('G', 'gus', 5);
SELECT saga.sell('gus', saga.of('pot'), 1) AS gus \gset
ALTER TABLE saga.coupon ADD CONSTRAINT none CHECK (code <> 'G');
SELECT * FROM saga.answers('payments', NULL);
SELECT * FROM saga.answers('payments', '{}');
SELECT set_config('specql.clock_offset', '1 hour', false);
SELECT specql.drain() >= 0;
SELECT set_config('specql.clock_offset', '2 hours', false);
SELECT specql.drain() >= 0;
SELECT set_config('specql.clock_offset', '3 hours', false);
SELECT specql.drain() >= 0;
SELECT status FROM specql.processes WHERE id = :'gus';
SELECT * FROM saga.standing() WHERE line LIKE '%gus%' OR line LIKE 'product|pot%';
ALTER TABLE saga.coupon DROP CONSTRAINT none;
SELECT saga.recover_stuck_sagas('1 day'), saga.recover_stuck_sagas('1 minute');
SELECT specql.drain() >= 0;
SELECT * FROM saga.standing() WHERE line LIKE '%gus%' OR line LIKE 'product|pot%';

\echo == Old ones are deleted
SELECT saga.cleanup_completed_sagas('1 day'), saga.cleanup_completed_sagas('1 minute');
SELECT status, count(*) FROM saga.sale GROUP BY status ORDER BY status;

\echo == What customers were told
SELECT message FROM specql.deliveries WHERE channel = 'customers' ORDER BY message;

\echo == One that is under way when its steps change goes on by those it began with
INSERT INTO saga.coupon (code, customer, amount) VALUES ('H', 'hal', 1), ('I', 'ida', 1);
SELECT saga.sell('hal', saga.of('pot'), 1) AS hal \gset
SELECT replace(:'spec', 'pack {quantity}', 'pack with care {quantity}') AS other \gset
SELECT action, kind, object FROM specql.apply(:'other') WHERE action <> 'unchanged';
SELECT * FROM saga.answers('payments', '{"payment": "P-8"}');
SELECT version, step FROM specql.processes WHERE id = :'hal';
SELECT * FROM saga.answers('carriers', '{"number": "C-8"}');
UPDATE saga.product SET stock = 2, reserved = 0 WHERE name = 'pot';
SELECT saga.sell('ida', saga.of('pot'), 1) AS ida \gset
SELECT * FROM saga.answers('payments', '{"payment": "P-9"}');
SELECT * FROM saga.answers('carriers', '{"number": "C-9"}');
SELECT message, count(*) FROM specql.deliveries WHERE channel = 'warehouse' GROUP BY message ORDER BY message;
SELECT proname FROM pg_proc WHERE pronamespace = 'saga'::regnamespace AND proname ~ '_v[0-9]+$';
SELECT count(*) > 0 FROM specql.apply(:'spec');

\echo == Begun by an event; without a row of its own; by those who may
SELECT $$
entity: Request
schema: saga
fields:
  customer: text!
  code: text!
  amount: integer!
---
schema: saga
actions:
  - name: grant_coupon
    pattern: saga_orchestrator
    on: insert Request
    saga_steps:
      - name: granting
        action: insert
        entity: Coupon
        fields: [code, customer, amount]
        compensation: {action: delete}
      - name: check
        action: emit
        event: coupon_granted
        params: {id: granting.id}
        validations: [{field: amount, rule: range, max: 100, error: "{amount} is too much"}]
  - name: take_back
    pattern: saga_orchestrator
    requires: caller.can_take
    saga_steps:
      - {name: take, action: delete, entity: Coupon, condition: "code = code", compensation: {action: insert}}
      - {name: count, action: update, entity: Product, condition: "reserved < 0", fields: {reserved: 0}}
  - name: count_in
    pattern: saga_orchestrator
    params: {sale_id: uuid}
    saga_steps:
      - name: take
        action: update
        entity: Product
        condition: "id = sale.product_id"
        fields: {stock: stock - sale.quantity, reserved: reserved + target.price}
        compensation: {action: update, fields: {stock: stock + sale.quantity, reserved: reserved - target.price}}
$$ AS requests \gset
SELECT count(*) > 0 FROM specql.apply(:'requests');
INSERT INTO saga.request (customer, code, amount) VALUES ('kim', 'K', 5), ('lee', 'L', 500);
SELECT action, status, last_error FROM specql.processes WHERE action = 'saga.grant_coupon' ORDER BY status;
SELECT code, amount FROM saga.coupon WHERE code IN ('K', 'L');
SELECT saga.take_back('K');
SELECT set_config('specql.caller', '{"can_take": true}', false) <> '';
SELECT saga.take_back('K') IS NOT NULL;
SELECT status, last_error FROM specql.processes WHERE action = 'saga.take_back';
SELECT code, amount FROM saga.coupon WHERE code = 'K';

\echo == Values that were used are kept, if others may change them
SELECT prosrc FROM pg_proc WHERE oid IN ('saga.count_in_take(uuid,jsonb,jsonb)'::regprocedure, 'saga.count_in_take_undo(uuid,jsonb,jsonb)'::regprocedure)
ORDER BY proname;
SELECT jsonb_build_object('sale_id', id) AS params FROM saga.sale WHERE customer = 'bob' \gset
UPDATE saga.product SET stock = 9, reserved = 0, price = 7 WHERE name = 'kettle';
SELECT jsonb_build_object('take', saga.count_in_take(NULL, :'params', '{}')) AS results \gset
SELECT stock, reserved FROM saga.product WHERE name = 'kettle';
UPDATE saga.sale SET quantity = 100 WHERE customer = 'bob';
UPDATE saga.product SET price = 1000, stock = stock + 1 WHERE name = 'kettle';
SELECT saga.count_in_take_undo(NULL, :'params', :'results');
SELECT stock, reserved FROM saga.product WHERE name = 'kettle';

\echo == Its picture
SELECT line FROM regexp_split_to_table(specql.graph(), '\n') AS line WHERE line ~ 'grant|check|coupon';

\echo == Applied again nothing changes; removed, nothing of it is left but the tables
SELECT count(*) FILTER (WHERE action <> 'unchanged') FROM specql.apply(:'spec');
SELECT count(*) > 0 FROM specql.remove('saga.grant_coupon');
SELECT count(*) > 0 FROM specql.remove('saga.take_back');
SELECT count(*) > 0 FROM specql.remove('saga.count_in');
SELECT count(*) > 0 FROM specql.remove('saga.Sale');
SELECT count(*) FROM pg_proc WHERE pronamespace = 'saga'::regnamespace AND proname NOT IN ('of', 'standing', 'answers');
SELECT count(*) FROM specql.process_plan;
DROP SCHEMA saga CASCADE;
DROP EXTENSION specql CASCADE;
