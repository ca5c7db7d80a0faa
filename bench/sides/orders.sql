-- The tables of a shop as specql makes them, on every side; -- PLACE -- stands where specql has its action.
SET client_min_messages = error;
SELECT count(*) AS objects FROM specql.apply($$
entity: Customer
schema: sales
fields:
  name: text!
  orders: integer! = 0
---
entity: Product
schema: sales
fields:
  name: text!
  price: decimal(10,2)!
  stock: integer!
---
entity: Order
schema: sales
fields:
  customer: ref(Customer)!
  total: decimal(12,2)!
-- PLACE --
---
entity: OrderItem
schema: sales
fields:
  order: ref(Order)!
  product: ref(Product)!
  quantity: integer!
  unit_price: decimal(10,2)!
$$) \gset

CREATE FUNCTION bench.id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
INSERT INTO sales.customer (id, name) SELECT bench.id(n), 'customer ' || n FROM generate_series(1, 1000) AS n;
INSERT INTO sales.product (id, name, price, stock) SELECT bench.id(n), 'product ' || n, n % 90 + 0.5, 1000000 FROM generate_series(1, :rows) AS n;

-- Five lines of five products, an order in a transaction.
CREATE PROCEDURE bench.place(orders integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. orders LOOP
        PERFORM sales.place_order(bench.id(i % 1000 + 1),
            (SELECT jsonb_agg(jsonb_build_object('product_id', bench.id((i * 7 + k * 1009) % 10000 + 1), 'quantity', k)) FROM generate_series(1, 5) AS k));
        COMMIT;
    END LOOP;
END $$;
