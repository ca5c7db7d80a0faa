-- A week in a shop: what customers and carriers do, and what the rules make of it.
--
--   psql -d some_database -f examples/orders/story.sql     (from the top of the source tree)

\set spec `cat examples/orders/orders.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo Two products, two customers.
INSERT INTO shop.product (name, price, stock) VALUES ('Kettle', 40, 10), ('Toaster', 25, 2);
INSERT INTO shop.customer (name, email, password_hash) VALUES ('Ada', 'ada@example.org', 'hash-of-ada'), ('Bob', 'bob@example.org', 'hash-of-bob');

\echo Ada orders two kettles and a toaster, Bob a toaster. Stock and totals keep themselves.
INSERT INTO shop."order" (customer_id, placed_at)
SELECT id, timestamptz '2026-03-02 09:00' + CASE name WHEN 'Bob' THEN interval '1 hour' ELSE '0' END FROM shop.customer;
CREATE VIEW shop.orders AS
    SELECT o.id, c.name AS customer, o.status, o.total, o.shipped_at IS NOT NULL AS has_left
    FROM shop."order" o JOIN shop.customer c ON c.id = o.customer_id;
INSERT INTO shop.order_item (order_id, product_id, quantity)
SELECT o.id, p.id, wish.quantity
FROM (VALUES ('Ada', 'Kettle', 2), ('Ada', 'Toaster', 1), ('Bob', 'Toaster', 1)) AS wish(customer, product, quantity)
JOIN shop.orders o ON o.customer = wish.customer JOIN shop.product p ON p.name = wish.product;
SELECT customer, status, total FROM shop.orders ORDER BY customer;
SELECT name, stock FROM shop.product ORDER BY name;

\echo Bob wants another toaster, but there is none: the rule refuses the statement.
\set ON_ERROR_STOP off
INSERT INTO shop.order_item (order_id, product_id, quantity)
SELECT o.id, p.id, 1 FROM shop.orders o, shop.product p WHERE o.customer = 'Bob' AND p.name = 'Toaster';
SELECT :'SQLSTATE' = 'SQ206' AS oversold_refused \gset
\echo An order cannot be delivered before it is paid, either:
UPDATE shop."order" SET status = 'delivered';
SELECT :'SQLSTATE' = 'SQ206' AS skipped_refused \gset
\set ON_ERROR_STOP on

\echo Both pay and are packed; a small lorry takes one order, the oldest.
UPDATE shop."order" SET status = 'paid';
UPDATE shop."order" SET status = 'packed';
SELECT shop.load_lorry(1) AS orders_taken;
SELECT customer, status, has_left FROM shop.orders ORDER BY customer;

\echo Bob cannot wait and cancels. The carrier reports that Ada has her parcel.
UPDATE shop."order" SET status = 'cancelled' WHERE status = 'packed';
SELECT specql.emit('parcel_delivered', jsonb_build_object('order_id', id)) IS NOT NULL AS reported
FROM shop.orders WHERE customer = 'Ada';
SELECT customer, status FROM shop.orders ORDER BY customer;

\echo Who pays back takes the call, and its answer goes into the order. (The mail server of this story does not exist.)
SELECT specql.pause_service('mail') IS NOT NULL AS no_mail;
SELECT operation, payload ->> 'amount' AS amount, specql.ack(id, '{"number": "R-17"}') AS answered FROM specql.take('payments');
SELECT specql.drain() > 0 AS answers_are_handled;
SELECT c.name, o.status, o.refund_number FROM shop."order" o JOIN shop.customer c ON c.id = o.customer_id ORDER BY c.name;

\echo Ada sends a kettle back within the thirty days, and the toaster, which is damaged. A second kettle, a year later, is refused.
INSERT INTO shop.item_return (order_item_id, reason, requested_at)
SELECT i.id, CASE p.name WHEN 'Toaster' THEN 'damaged' ELSE 'regret' END, now()
FROM shop.order_item i JOIN shop.product p ON p.id = i.product_id JOIN shop.orders o ON o.id = i.order_id
WHERE o.customer = 'Ada';
INSERT INTO shop.item_return (order_item_id, requested_at)
SELECT i.id, now() + interval '1 year'
FROM shop.order_item i JOIN shop.product p ON p.id = i.product_id WHERE p.name = 'Kettle';
SELECT p.name, r.reason, r.status
FROM shop.item_return r JOIN shop.order_item i ON i.id = r.order_item_id JOIN shop.product p ON p.id = i.product_id
ORDER BY p.name, r.requested_at;
UPDATE shop.item_return SET status = 'received' WHERE status = 'accepted';
\echo Only the kettles go back to the shelf:
SELECT name, stock FROM shop.product ORDER BY name;

\echo What waits to be sent, and for whom:
SELECT kind, coalesce(service, channel) AS "to", coalesce(operation, message) AS what, count(*)
FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
\echo What mail gets to know of an order, and nothing else:
SELECT operation, payload - 'to' AS payload FROM specql.deliveries WHERE operation = 'shipping_notice';
\echo What each rule did:
SELECT action, fired, failed, retried FROM specql.action_stats ORDER BY action;
