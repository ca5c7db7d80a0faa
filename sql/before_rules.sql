-- Rules that run before a row is written: they change and check it.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT action, kind, object FROM specql.apply($$
entity: Tariff
schema: desk
fields:
  label: text
  rate: numeric
---
entity: Order
schema: desk
fields:
  code: text
  qty: integer
  price: numeric
  total: numeric
  reduced: numeric
  urgent: boolean = false
  checked_by: text
  tariff: ref(Tariff)
---
entity: Change
schema: desk
fields:
  what: text
---
schema: desk
actions:
  - name: on_order_code
    on: insert Order
    when: before
    steps:
      - set: code = upper(trim(code))
  - name: on_order_total
    description: "What an order costs"
    on: insert Order
    when: before
    conditions:
      - if: "qty > 0"
        then:
          - let: net = qty * price
          - set:
              total: net * (1 + coalesce(tariff.rate, 0))
              reduced: net
          - validate: "total < 1000"
            error: "order {code} costs {total}"
        else:
          - set: total = 0
  - name: on_price
    on: update Order.price
    when: before
    steps:
      - validate: "new.price >= old.price OR urgent"
        error: "{code} cannot become cheaper: {old.price} to {price}"
      - set: total = qty * price, reduced = total
  - name: on_order_gone
    on: delete Order
    when: before
    steps:
      - validate: "NOT urgent"
  - name: on_total
    on: update Order.total
    steps:
      - insert: Change SET what = code || ' costs ' || total || ', not ' || old.total
  - name: on_order
    on: insert Order
    steps:
      - insert: Change SET what = code || ' costs ' || total
  - name: on_any
    on: Change
    when: before
    enabled: false
    steps:
      - validate: "what IS NULL"
$$) WHERE kind IN ('trigger', 'registration', 'function');
SELECT pg_get_functiondef('desk.before_order_total'::regproc);
SELECT pg_get_functiondef('desk.before_price'::regproc);
SELECT pg_get_functiondef('desk.before_any'::regproc);
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname ~ '^before_' ORDER BY tgname;
INSERT INTO desk.tariff (label, rate) VALUES ('full', 0.2);
INSERT INTO desk.order (code, qty, price, tariff_id) SELECT ' a ', 2, 10, id FROM desk.tariff;
INSERT INTO desk.order (code, qty, price, urgent) VALUES ('b', 3, 5, true), ('c', NULL, 5, false);
SELECT code, qty, price, total, reduced FROM desk.order ORDER BY code;
INSERT INTO desk.order (code, qty, price) VALUES ('d', 300, 5);
UPDATE desk.order SET price = 4 WHERE code = 'A';
UPDATE desk.order SET price = price + 1, urgent = urgent;
UPDATE desk.order SET price = 1 WHERE code = 'B';
SELECT code, qty, price, total, reduced FROM desk.order ORDER BY code;
DELETE FROM desk.order WHERE code = 'B';
DELETE FROM desk.order WHERE code = 'C';
-- Rules that run afterwards see what was written. Each row was written once, and has no event of its own for it.
SELECT what FROM desk.change ORDER BY 1;
SELECT type, count(*) FROM specql.events GROUP BY type ORDER BY type;
-- A trigger of one's own stands among them by its name.
CREATE FUNCTION desk.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.code := '' '' || NEW.code || TG_NAME; RETURN NEW; END';
CREATE TRIGGER aa BEFORE INSERT ON desk.order FOR EACH ROW EXECUTE FUNCTION desk.stamp();
CREATE TRIGGER before_order_d BEFORE INSERT ON desk.order FOR EACH ROW EXECUTE FUNCTION desk.stamp();
INSERT INTO desk.order (code, qty, price) VALUES ('e', 1, 1) RETURNING code, total;
SELECT name, resolved_to FROM specql.explain(specql.export('desk.on_order_total')) WHERE name LIKE 'step%' OR name = 'order';
SELECT line FROM regexp_split_to_table(specql.graph(), '\n') AS line WHERE line ~ 'set';
SELECT kind, description, CASE kind WHEN 'skip' THEN sql END AS reason FROM specql.test_statements('desk.event_driven_test')
WHERE kind IN ('check', 'skip');
SELECT count(*) FROM specql.drift();
-- Out of force.
SELECT count(*) > 0 AS removed FROM specql.remove('desk.on_order_total');
INSERT INTO desk.order (code, qty, price) VALUES ('f', 1, 1) RETURNING total;
DROP SCHEMA desk CASCADE;
