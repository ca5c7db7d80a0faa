-- Steps that give names to values and rows, lock rows, go over rows, and write rows whether or not they are there.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Customer
schema: till
fields:
  email: text!
  level: enum(plain, gold) = 'plain'
  orders: integer = 0
---
entity: Receipt
schema: till
fields:
  email: text
  qty: integer
  price: numeric
  product: text
---
entity: Invoice
schema: till
fields:
  customer: ref(Customer)
  total: numeric
  note: text
---
entity: DailySale
schema: till
fields:
  product: text!
  place: text = 'shop'
  sold: integer = 0
  best: integer
  last_email: text
indexes:
  - name: daily_sale_product
    columns: [product, place]
    unique: true
---
entity: Problem
schema: till
fields:
  what: text
---
schema: till
actions:
  - name: on_receipt
    on: insert Receipt
    steps:
      - let: total = qty * price
      - let: label = 'n' || total
      - find: Customer AS buyer WHERE email = email
        else:
          - insert: Problem SET what = 'nobody has ' || email || ' for ' || total
          - return:
      - insert: Invoice SET customer = buyer.id, total = total, note = label || ' of a ' || buyer.level || ' customer'
      - update: Customer SET orders = orders + 1 WHERE id = buyer.id
  - name: on_receipt_counted
    on: insert Receipt
    steps:
      - upsert: DailySale ON (product, place) SET
          product: product
          place: "'shop'"
          sold: sold + qty
          best: greatest(coalesce(best, 0), qty)
          last_email: email
  - name: on_receipt_told
    on: insert Receipt
    steps:
      - let: total = qty * price
      - notify: sales "{qty} for {total}"
      - insert: Problem SET what = 'sum ' || total
  - name: on_gold
    on: update Customer.level
    condition: "new.level = 'gold'"
    steps:
      - lock: Invoice WHERE customer = new.id
      - let: factor = 0.9
      - foreach: i in Invoice WHERE customer = new.id AND total > 10 ORDER BY total DESC
        do:
          - update: Invoice SET total = total * factor, note = i.note || ', less' WHERE id = i.id
          - insert: Problem SET what = 'was ' || i.total
  - name: on_problem
    on: event problem_seen
    params: {email: text, tags: jsonb}
    steps:
      - find: Customer AS c WHERE email = email
        error: "no customer has {email}"
      - find: Invoice AS newest WHERE customer = c.id ORDER BY total DESC LIMIT 1
      - let: words = tags -> 'words'
      - foreach: word in words
        do:
          - insert: Problem SET
              what: "newest.total || ' ' || (word #>> '{}')"
$$);
-- As statements, or event by event.
SELECT pg_get_functiondef('till.trigger_receipt_events'::regproc);
SELECT pg_get_functiondef('till.trigger_receipt_counted_events'::regproc);
SELECT pg_get_functiondef('till.trigger_receipt_told_events'::regproc);
SELECT pg_get_functiondef('till.trigger_gold_events'::regproc);
SELECT pg_get_functiondef('till.handle_problem_events'::regproc);
INSERT INTO till.customer (email) VALUES ('ada'), ('bob'), ('twin'), ('twin');
INSERT INTO till.receipt (email, qty, price, product) VALUES
    ('ada', 2, 10, 'tea'), ('ada', 3, 5, 'tea'), ('bob', 1, 4, 'cup'), ('cleo', 7, 1, 'tea');
SELECT c.email, c.orders, i.total, i.note FROM till.invoice i JOIN till.customer c ON c.id = i.customer_id ORDER BY 1, 3;
SELECT product, place, sold, best, last_email FROM till.daily_sale ORDER BY product;
SELECT what FROM till.problem ORDER BY 1;
SELECT message FROM specql.deliveries WHERE kind = 'notify' ORDER BY 1;
-- Two rows where one is meant; a row that is not there.
INSERT INTO till.receipt (email, qty, price, product) VALUES ('twin', 1, 1, 'cup');
SELECT specql.emit('problem_seen', '{"email": "dan", "tags": {"words": []}}') IS NOT NULL AS seen;
SELECT action, sqlstate, message FROM specql.failures ORDER BY 1;
TRUNCATE till.problem;
SELECT specql.emit('problem_seen', '{"email": "ada", "tags": {"words": ["small", "red"]}}') IS NOT NULL AS seen;
UPDATE till.customer SET level = 'gold' WHERE email = 'ada';
SELECT i.total, i.note FROM till.invoice i JOIN till.customer c ON c.id = i.customer_id WHERE c.email = 'ada' ORDER BY 1;
SELECT what FROM till.problem ORDER BY 1;
SELECT name, resolved_to FROM specql.explain(specql.export('till.on_receipt')) WHERE name LIKE 'step%';
SELECT name, resolved_to FROM specql.explain(specql.export('till.on_gold')) WHERE name LIKE 'step%';
SELECT name, resolved_to FROM specql.explain(specql.export('till.on_receipt_counted')) WHERE name LIKE 'step%';
SELECT name, resolved_to FROM specql.explain(specql.export('till.on_problem')) WHERE name LIKE 'step%';
SELECT line FROM regexp_split_to_table(specql.graph(), '\n') AS line WHERE line ~ '(read|lock|upsert)';
-- In an operation: before rows are taken, and for each that is.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: till
actions:
  - name: reprice
    pattern: batch/bulk_operation
    params: {factor: numeric, email: text}
    steps:
      - find: Customer AS c WHERE email = payload.email
      - let: share = factor / 2
      - update: Invoice SET total = total * share WHERE customer = c.id
      - let: rounded = round(total)
      - insert: Problem SET what = 'now ' || rounded || ' by ' || share
      - foreach: d in DailySale WHERE sold > 1
        do:
          - upsert: DailySale ON (place, product) SET product = d.product, place = 'web', sold = sold + 1
$$);
TRUNCATE till.problem;
SELECT till.reprice(4, 'ada');
SELECT what FROM till.problem ORDER BY 1;
SELECT product, place, sold FROM till.daily_sale ORDER BY 1, 2;
SELECT till.reprice(4, 'dan');
DROP SCHEMA till CASCADE;
