-- Did the story have the effects that the spec promises? One line each, "ok - …" or "not ok - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'Ada''s saga is completed, and all others have failed',
     (SELECT array_agg(status ORDER BY customer) = '{completed,failed,failed,failed,failed}' FROM fulfilment.fulfilment)),
    (2, 'what was bought left the stock, and nothing is reserved any more',
     (SELECT array_agg(ARRAY[stock, reserved] ORDER BY name) = '{{1,0},{1,0}}' FROM fulfilment.product)),
    (3, 'there is one purchase, with what the services answered',
     (SELECT array_agg(ROW(customer, payment, parcel, status)::text) = '{"(ada,P-1,C-9,shipped)"}' FROM fulfilment.purchase)),
    (4, 'a refund was asked for whenever a charge may have been made',
     (SELECT count(*) FILTER (WHERE operation = 'charge') = 4 AND count(*) FILTER (WHERE operation = 'refund') = 2
      FROM specql.deliveries WHERE service = 'till')),
    (5, 'each customer was told once how it came out',
     (SELECT count(*) = 5 AND count(DISTINCT message) = 5 FROM specql.deliveries WHERE channel = 'customers')),
    (6, 'no saga is left',
     NOT EXISTS (SELECT FROM specql.processes WHERE status NOT IN ('completed', 'failed', 'cancelled')))
) AS checks(number, claim, holds)
ORDER BY number;
