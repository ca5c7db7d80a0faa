-- Prices come in as a list of a hundred; two of them are wrong, and the answer says which.
--
--   psql -d some_database -f examples/catalog/story.sql     (from the top of the source tree)

\set spec `cat examples/catalog/catalog.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo A hundred products, all or none:
SELECT catalog.add_products(jsonb_agg(jsonb_build_object('sku', 'LAMP-' || i, 'title', 'lamp ' || i, 'cost', 5, 'price', 10)))
FROM generate_series(1, 100) AS i;

\echo A hundred new prices. One is below nothing, one is of a product that nobody knows:
SELECT jsonb_agg(CASE i
           WHEN 17 THEN jsonb_build_object('product_id', p.id, 'price', -3)
           WHEN 80 THEN '{"product_id": "00000000-0000-0000-0000-000000000000", "price": 12}'
           ELSE jsonb_build_object('product_id', p.id, 'price', 10 + i * 0.01)
       END ORDER BY i) AS prices
FROM (SELECT id, replace(sku, 'LAMP-', '')::integer AS i FROM catalog.product) AS p \gset
SELECT jsonb_pretty(catalog.bulk_update_prices(:'prices'));

\echo The rule has seen the others, in statements of fifty:
SELECT count(*) AS changes, min(new_price), max(new_price) FROM catalog.price_change;

\echo Too many errors, and nothing is done:
CREATE FUNCTION catalog.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SELECT catalog.outcome($$SELECT catalog.bulk_update_prices(jsonb_agg(jsonb_build_object('id', id, 'price', CASE WHEN sku LIKE '%1%' THEN 1 ELSE 20 END))) FROM catalog.product$$);
SELECT count(*) AS changes FROM catalog.price_change;

\echo A supplier's list, with a product twice: the last one stands.
SELECT catalog.load_products('[
    {"sku": "LAMP-1", "title": "reading lamp", "cost": 6, "price": 14},
    {"sku": "CHAIR-1", "title": "chair", "cost": 30, "price": 60},
    {"sku": "CHAIR-1", "title": "armchair", "cost": 30, "price": 70},
    {"sku": "chair 2", "title": "stool", "cost": 9, "price": 20},
    {"sku": "CHAIR-3", "title": "bench", "cost": "nine", "price": 20}]');
SELECT sku, title, price FROM catalog.product WHERE sku ~ 'CHAIR' OR sku = 'LAMP-1' ORDER BY sku;

\echo Deliveries, element by element:
SELECT catalog.deliver(jsonb_agg(jsonb_build_object('product_id', id, 'pieces', 3))) FROM catalog.product WHERE sku IN ('LAMP-1', 'CHAIR-1');
SELECT channel, message FROM specql.deliveries ORDER BY message;
