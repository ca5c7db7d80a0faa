\set n random(1, :rows)
\set stock random(1, 1000000)
UPDATE inventory.product SET stock_quantity = :stock WHERE id = bench.product_id(:n);
