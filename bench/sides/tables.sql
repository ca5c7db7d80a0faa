-- The same on every side: the tables of the inventory as specql makes them, without its rules. :rows products.
SET client_min_messages = warning;
SELECT count(*) AS objects FROM specql.apply($$
entity: InventoryEvent
schema: inventory
description: "Event-driven inventory management"
fields:
  product_id: uuid
  event_type: enum(low_stock, out_of_stock, restock, backorder)
  quantity_change: integer
  previous_stock: integer
  new_stock: integer
  triggered_at: timestamp
  processed_at: timestamp
  event_data: jsonb

entity: Product
schema: inventory
fields:
  name: text
  stock_quantity: integer
  reorder_point: integer
  backorder_available: boolean
  last_restocked: timestamp

entity: Backorder
schema: sales
fields:
  customer_id: uuid
  product_id: uuid
  quantity: integer
  status: enum(pending, fulfilled, cancelled)
  created_at: timestamp
  fulfilled_at: timestamp
$$) \gset

CREATE FUNCTION bench.product_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;

-- One product in a hundred is called hot.
CREATE PROCEDURE bench.refill(rows integer, reorder_point integer) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session_replication_role = replica;
    TRUNCATE inventory.product;
    INSERT INTO inventory.product (id, name, stock_quantity, reorder_point, backorder_available)
    SELECT bench.product_id(n), CASE WHEN n % 100 = 0 THEN 'hot' ELSE 'product ' || n END, 1000, reorder_point, false
    FROM generate_series(1, rows) AS n;
END $$;
