-- A shop takes orders: each is written with its lines, and the goods leave the stock, or nothing happens at all.
--
--   psql -d some_database -f examples/shop/story.sql     (from the top of the source tree)

\set spec `cat examples/shop/shop.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

INSERT INTO sales.customer (name) VALUES ('ada');
INSERT INTO sales.product (name, price, stock) VALUES ('pen', 1.50, 10), ('ink', 4.00, 6);
CREATE FUNCTION sales.items(VARIADIC lines text[]) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('product_id', coalesce(p.id, gen_random_uuid()), 'quantity', split_part(l, ' ', 1)::integer))
    FROM unnest(lines) AS l LEFT JOIN sales.product AS p ON p.name = split_part(l, ' ', 2) $$;
CREATE FUNCTION sales.outcome(items jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sales.place_order((SELECT id FROM sales.customer), items);
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(SQLERRM, '[0-9a-f-]{36}', '…');
END $$;

\echo Ada orders pens on two lines, and ink:
SELECT sales.outcome(sales.items('2 pen', '1 ink', '3 pen'));
SELECT total, status FROM sales."order";
SELECT name, stock FROM sales.product ORDER BY name;

\echo Each of these lines would do, and both together are more than there is; a product that the shop has not; no lines at all:
SELECT sales.outcome(sales.items('3 pen', '3 pen'));
SELECT sales.outcome(sales.items('1 pen', '1 chalk'));
SELECT sales.outcome('[]');
SELECT sales.outcome(sales.items('-1 pen'));
SELECT sales.outcome('[{"product": "pen"}]');
SELECT name, stock FROM sales.product ORDER BY name;

\echo More ink is ordered; the rule of the products looks at what is left, as after any other update.
SELECT sales.outcome(sales.items('2 ink'));
SELECT channel, message FROM specql.deliveries ORDER BY message;

\echo An order is cancelled by those who may:
SELECT set_config('specql.caller', '{"can_cancel": true}', false);
SELECT sales.cancel_order(id) = id AS cancelled FROM sales."order" WHERE total > 10;
SELECT o.total, o.status, count(i.id) AS lines FROM sales."order" AS o LEFT JOIN sales.order_item AS i ON i.order_id = o.id
GROUP BY o.id ORDER BY o.total;
