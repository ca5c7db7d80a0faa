-- Did the story have the effects that the spec promises? One line each, "ok - …" or "not ok - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'an order of more than the stock is refused, and so is a step too far', :'oversold_refused' AND :'skipped_refused'),
    (2, 'totals are the sum of the items, at the price of the day',
     (SELECT array_agg(total::integer ORDER BY customer) = '{105,25}' FROM shop.orders)
     AND (SELECT bool_and(i.price = p.price) FROM shop.order_item i JOIN shop.product p ON p.id = i.product_id)),
    (3, 'the lorry took the oldest order only, and its shipment is on record',
     (SELECT array_agg(status ORDER BY customer) = '{delivered,cancelled}' FROM shop.orders)
     AND (SELECT count(*) = 1 AND bool_and(o.customer = 'Ada' AND o.has_left)
          FROM shop.shipment s JOIN shop.orders o ON o.id = s.order_id)),
    (4, 'the customer was told when it was sent and when it arrived, each once',
     (SELECT array_agg(operation ORDER BY operation) = '{ask_for_review,return_label,return_refused,shipping_notice}'
      FROM specql.deliveries WHERE service = 'mail')),
    (5, 'a cancelled order that was paid is refunded and put back',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE service = 'payments' AND operation = 'refund')
     AND (SELECT count(*) = 1 FROM specql.deliveries WHERE channel = 'warehouse_floor')),
    (6, 'damaged goods and returns within thirty days are accepted, later ones refused',
     (SELECT array_agg(status ORDER BY reason, requested_at) = '{received,received,refused}' FROM shop.item_return)),
    (7, 'the kettles are back on the shelf, the damaged toaster is not, and both are paid back',
     (SELECT array_agg(stock ORDER BY name) = '{10,0}' FROM shop.product)
     AND (SELECT count(*) = 2 FROM specql.deliveries WHERE operation = 'refund_item')),
    (9, 'the refund''s number came back, once, and into the order that was cancelled',
     (SELECT array_agg(refund_number) = '{R-17}' FROM shop."order" WHERE refund_number IS NOT NULL)
     AND (SELECT count(*) = 1 FROM specql.deliveries WHERE operation = 'refund' AND status = 'done')),
    (10, 'the receiver of a notice sees the chosen keys alone',
     (SELECT array_agg(k ORDER BY k) = '{lines,name,to}' FROM specql.deliveries, jsonb_object_keys(payload) AS k WHERE operation = 'shipping_notice')),
    (11, 'what is private stands in its own table alone',
     (SELECT count(*) = 0 FROM specql.events AS e WHERE e::text LIKE '%hash-of-%')
     AND (SELECT count(*) = 0 FROM specql.deliveries AS d WHERE d::text LIKE '%hash-of-%')),
    (8, 'somebody has to call about the damage',
     (SELECT count(*) = 1 FROM specql.escalations WHERE channel = 'customer_service'))
) AS checks(number, claim, holds)
ORDER BY number;
