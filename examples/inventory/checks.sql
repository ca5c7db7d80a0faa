-- Did the story have the effects that the spec promises? One line each, "ok - …" or "not ok - …".
\pset format unaligned
\pset tuples_only on

SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'stock 5 raised one low_stock event with change, previous, new and the reorder point',
     (SELECT count(*) FILTER (WHERE (quantity_change, previous_stock, new_stock) = (-25, 30, 5)
                                AND event_data = '{"reorder_point": 10}') = 1 AND count(*) = 1
      FROM inventory.inventory_event WHERE event_type = 'low_stock')),
    (2, 'stock 0 raised one out_of_stock event',
     (SELECT count(*) FILTER (WHERE (quantity_change, previous_stock, new_stock) = (-5, 5, 0)) = 1 AND count(*) = 1
      FROM inventory.inventory_event WHERE event_type = 'out_of_stock')),
    (3, 'stock 100 raised one restock event, and backorders are closed again',
     (SELECT count(*) = 1 FROM inventory.inventory_event
      WHERE event_type = 'restock' AND (quantity_change, previous_stock, new_stock) = (100, 0, 100))
     AND (SELECT NOT backorder_available FROM inventory.product WHERE name = 'Coffee grinder')),
    (4, 'the two oldest backorders are fulfilled: 60 and 30 of 100; 25 more do not fit',
     (SELECT array_agg(status ORDER BY created_at) = '{fulfilled,fulfilled,pending}'
             AND array_agg(fulfilled_at IS NOT NULL ORDER BY created_at) = '{t,t,f}' FROM sales.backorder)),
    (5, 'the delivery of a reorder added 20 to that product only',
     (SELECT array_agg(stock_quantity ORDER BY name) = '{100,70}' FROM inventory.product)),
    (6, 'its restock event remembers the stock before and the purchase order',
     (SELECT count(*) = 1 FROM inventory.inventory_event
      WHERE event_type = 'restock' AND (quantity_change, previous_stock, new_stock) = (20, 50, 70)
        AND event_data ->> 'po_number' = 'PO-9')),
    (7, 'two calls and six notifications have left, each at its first attempt',
     (SELECT count(*) = 8 AND bool_and(status = 'done' AND attempts = 1) FROM specql.deliveries)),
    (8, 'process_backorders by hand starts from the whole stock and fulfils the third',
     (SELECT inventory.process_backorders(id) = 1 FROM inventory.product WHERE name = 'Coffee grinder'))
) AS checks(number, claim, holds)
ORDER BY number;
