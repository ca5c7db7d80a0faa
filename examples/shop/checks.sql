-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'two orders were written, with the sums of their lines',
     (SELECT array_agg(total ORDER BY total) = '{8.00,11.50}' FROM sales."order")),
    (2, 'the stock is less by what was ordered, two lines of one product together',
     (SELECT array_agg(stock ORDER BY name) = '{3,5}' FROM sales.product)),
    (3, 'what was refused left nothing behind: the customer has two orders',
     (SELECT orders = 2 FROM sales.customer)),
    (4, 'prices are those of the products',
     (SELECT bool_and(i.unit_price = p.price) FROM sales.order_item AS i JOIN sales.product AS p ON p.id = i.product_id)),
    (5, 'a cancelled order has no lines any more',
     (SELECT count(*) = 0 FROM sales.order_item AS i JOIN sales."order" AS o ON o.id = i.order_id WHERE o.status = 'cancelled')),
    (6, 'purchasing was told that ink runs out, and of nothing that did not happen',
     (SELECT array_agg(message) = '{"ink runs out: 3 left"}' FROM specql.deliveries WHERE channel = 'purchasing'))
) AS checks(number, claim, holds)
ORDER BY number;
