\set n random(1, :rows)
\set stock random(1, 1000000)
SELECT bench.set_stock(bench.product_id(:n), :stock);
