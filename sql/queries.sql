-- Queries in values: what a step sets, sends, says and asks can be looked up in entities, by their names in the spec.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA mine;
CREATE EXTENSION citext SCHEMA mine;
CREATE FUNCTION mine.near(a integer, b integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs(a - b) <= 1';
CREATE OPERATOR mine.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = mine.near);

SELECT count(*) FROM specql.apply($$
entity: Customer
schema: shop
fields:
  name: text!
  rank: integer = 0
  email: mine.citext
  orders: integer
actions:
  - name: on_rank
    on: update Customer.rank
    steps:
      - call_external: crm "rank" SET
          name: "name"
          orders: "(SELECT count(*) FROM Order WHERE customer = new.id)"
          paid: "(SELECT coalesce(sum(o.total), 0) FROM Order o WHERE o.customer = new.id AND o.state = 'paid')"
          last: "(SELECT number FROM Order AS o WHERE o.customer_id = new.id ORDER BY number DESC LIMIT 1)"
          lines: "(SELECT string_agg(l.article, ', ' ORDER BY l.article) FROM shop.Order JOIN OrderLine l ON l.order = Order.id WHERE Order.customer = new.id)"
          near: "(SELECT count(*) FILTER (WHERE state = 'paid') FROM Order WHERE number OPERATOR(mine.===) new.rank AND customer = new.id)"
          same: "(SELECT count(*) FROM Order o WHERE o.email = new.email AND o.email IN ('ADA@x', 'bob@x'))"
          has: "EXISTS (SELECT * FROM Order WHERE customer = new.id)"
      - if: "NOT EXISTS (SELECT FROM Order WHERE customer = new.id AND state = 'open')"
        then:
          - notify: desk "{name} has nothing open of {(SELECT count(*) FROM Order WHERE customer = new.id)}"
  - name: on_name
    on: update Customer.name
    on_error: abort
    steps:
      - validate: "NOT EXISTS (SELECT 1 FROM Customer c WHERE c.name = new.name AND c.id <> new.id)"
        error: "there are {(SELECT count(*) FROM Customer c WHERE c.name = new.name)} customers {name}"
---
entity: Order
schema: shop
fields:
  customer: ref(Customer)
  number: integer
  total: decimal(10,2)
  state: enum(open, paid) = 'open'
  email: mine.citext
actions:
  - name: on_order
    on: insert Order
    steps:
      - update: Customer SET orders = (SELECT count(*) FROM Order o WHERE o.customer = new.customer)
---
entity: OrderLine
schema: shop
fields:
  order: ref(Order)
  article: text
---
service: crm
$$);
\sf shop.trigger_rank_events

INSERT INTO shop.customer (name, email) VALUES ('Ada', 'Ada@X'), ('Bob', 'Bob@X');
INSERT INTO shop."order" (customer_id, number, total, email, state)
SELECT c.id, n, n * 10, 'ada@x', CASE WHEN n < 3 THEN 'paid' ELSE 'open' END FROM shop.customer AS c, generate_series(1, 3) AS n WHERE c.name = 'Ada';
INSERT INTO shop.order_line (order_id, article) SELECT o.id, a FROM shop."order" AS o, unnest('{nut,bolt}'::text[]) AS a WHERE o.number = 1;
SELECT name, orders FROM shop.customer ORDER BY name;
-- What each query finds for each row.
UPDATE shop.customer SET rank = 2;
SELECT payload FROM specql.deliveries WHERE kind = 'call' ORDER BY payload ->> 'name';
SELECT channel, message FROM specql.deliveries WHERE kind = 'notify';
\set VERBOSITY terse
UPDATE shop.customer SET name = 'Ada' WHERE name = 'Bob';
\set VERBOSITY default

-- What a query looks at and the same action writes is looked at event by event.
SELECT count(*) FROM specql.apply($$
entity: Ticket
schema: shop
fields:
  number: integer
  title: text
actions:
  - name: on_ticket
    on: insert Ticket
    steps:
      - insert: TicketLog SET ticket = id, place = 1 + (SELECT count(*) FROM TicketLog)
---
entity: TicketLog
schema: shop
fields:
  ticket: ref(Ticket)
  place: integer
$$);
INSERT INTO shop.ticket (title) VALUES ('a'), ('b'), ('c');
SELECT t.title, l.place FROM shop.ticket_log AS l JOIN shop.ticket AS t ON t.id = l.ticket_id ORDER BY l.place;

-- A name found in search_path does not take the place of what was meant, and who is looked at cannot go.
CREATE TABLE public."order" (id integer);
UPDATE shop.customer SET rank = 3 WHERE name = 'Ada';
SELECT payload -> 'orders' AS orders FROM specql.deliveries WHERE kind = 'call' AND payload ->> 'name' = 'Ada' ORDER BY created_at DESC LIMIT 1;
SELECT specql.remove('shop.TicketLog');
SELECT specql.remove('shop.OrderLine');
-- How it is shown.
SELECT e.name, e.resolved_to FROM specql.explain($$
schema: shop
actions:
  - name: on_ticket_title
    on: update Ticket.title
    steps:
      - call_external: crm "title" SET places = (SELECT max(place) FROM TicketLog l WHERE l.ticket = new.id)
$$) AS e;
-- Another form of the name of the table, a custom event, and a bulk operation.
SELECT count(*) FROM specql.apply($$
schema: shop
actions:
  - name: on_asked
    on: event asked
    params: {customer: uuid}
    steps:
      - notify: desk "{(SELECT count(*) FROM Order WHERE Order.customer = payload.customer)} orders"
  - name: count_orders
    pattern: batch/bulk_operation
    operation: update
    params: {least: integer}
    steps:
      - update: Customer SET orders = -1 WHERE orders IS NULL LIMIT 10
      - notify: desk "{name}: {(SELECT count(*) FROM Order o WHERE o.customer = new.id)} of {least}"
$$);
SELECT specql.emit('asked', jsonb_build_object('customer', id)) IS NOT NULL AS emitted FROM shop.customer WHERE name = 'Ada';
SELECT shop.count_orders(7);
SELECT message FROM specql.deliveries WHERE channel = 'desk' AND message NOT LIKE '%nothing%' ORDER BY message;
