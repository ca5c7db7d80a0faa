-- Orders are fulfilled: goods are reserved, money is taken, a carrier comes; or all of that is undone.
--
--   psql -d some_database -f examples/fulfilment/story.sql     (from the top of the source tree)

\set spec `cat examples/fulfilment/fulfilment.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

INSERT INTO fulfilment.product (name, price, stock) VALUES ('kettle', 40, 3), ('toaster', 25, 1);
CREATE FUNCTION fulfilment.of(wanted text) RETURNS uuid LANGUAGE sql AS $$
    SELECT id FROM fulfilment.product WHERE name = wanted $$;
CREATE VIEW fulfilment.sagas AS
    SELECT f.customer, f.status, p.step
    FROM fulfilment.fulfilment AS f LEFT JOIN specql.processes AS p ON p.id = f.id;

\echo Ada orders two kettles, in haste. The saga goes as far as it can: it waits for her money.
SELECT fulfilment.fulfil('ada', fulfilment.of('kettle'), 2, true) AS ada \gset
SELECT * FROM fulfilment.sagas;
SELECT name, stock, reserved FROM fulfilment.product ORDER BY name;

\echo The money comes, and then the courier:
SELECT payload ->> 'amount' AS amount, specql.ack(id, '{"payment": "P-1"}') AS answered FROM specql.take('till');
SELECT specql.drain() > 0 AS goes_on;
SELECT operation, payload ->> 'by' AS by, specql.ack(id, '{"number": "C-9"}') AS answered FROM specql.take('shipping');
SELECT specql.drain() > 0 AS goes_on;
SELECT * FROM fulfilment.sagas;
SELECT customer, total, payment, parcel, status FROM fulfilment.purchase;
SELECT name, stock, reserved FROM fulfilment.product ORDER BY name;

\echo Bob orders the toaster. His bank refuses, so the goods are free again and there is no purchase.
SELECT fulfilment.fulfil('bob', fulfilment.of('toaster'), 1, false) AS bob \gset
SELECT name, stock, reserved FROM fulfilment.product ORDER BY name;
SELECT specql.nack(id, 'card refused', final => true) AS refused FROM specql.take('till');
SELECT specql.drain() > 0 AS goes_on;
\echo (Nobody knows whether the bank has taken money before it said no, so it is asked to give it back.)
SELECT operation, specql.ack(id, '{}'::jsonb) AS answered FROM specql.take('till');
SELECT specql.drain() >= 0 AS goes_on;
SELECT * FROM fulfilment.sagas ORDER BY customer;
SELECT name, stock, reserved FROM fulfilment.product ORDER BY name;

\echo Cyd orders the toaster too, and pays; but no carrier comes, so that is undone as well, the last step first.
SELECT fulfilment.fulfil('cyd', fulfilment.of('toaster'), 1, false) AS cyd \gset
SELECT specql.ack(id, '{"payment": "P-3"}') AS paid FROM specql.take('till');
SELECT specql.drain() > 0 AS goes_on;
SELECT specql.nack(id, 'strike', final => true) AS refused FROM specql.take('shipping');
SELECT specql.drain() > 0 AS goes_on;
SELECT operation, specql.ack(id, '{}'::jsonb) AS answered FROM specql.take('shipping');
SELECT specql.drain() > 0 AS goes_on;
SELECT operation, specql.ack(id, '{}'::jsonb) AS answered FROM specql.take('till');
SELECT specql.drain() >= 0 AS goes_on;
SELECT * FROM fulfilment.sagas ORDER BY customer;
SELECT name, stock, reserved FROM fulfilment.product ORDER BY name;

\echo Dan wants more than there is:
SELECT fulfilment.fulfil('dan', fulfilment.of('kettle'), 2, false) AS dan \gset
SELECT status, saga_state ->> 'error' AS error FROM fulfilment.fulfilment WHERE customer = 'dan';

\echo Eve changes her mind while she has not paid:
SELECT fulfilment.fulfil('eve', fulfilment.of('kettle'), 1, false) AS eve \gset
SELECT fulfilment.manual_compensation(:'eve') AS undone;
SELECT specql.drain() >= 0 AS goes_on;
SELECT operation, specql.ack(id, '{}'::jsonb) AS answered FROM specql.take('till', 10) ORDER BY operation;
SELECT specql.drain() >= 0 AS goes_on;
SELECT * FROM fulfilment.sagas ORDER BY customer;

\echo What customers were told:
SELECT message FROM specql.deliveries WHERE channel = 'customers' ORDER BY message;
