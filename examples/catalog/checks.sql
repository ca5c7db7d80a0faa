-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'ninety-eight prices were set, and the two others say why not',
     (SELECT s.said - 'errors' = '{"processed": 98, "failed": 2}' AND s.said #>> '{errors,0,index}' = '16' AND s.said #>> '{errors,0,error}' = '-3.00 is no price'
          AND s.said #>> '{errors,1,index}' = '79' AND s.said #>> '{errors,1,error}' = 'not_found'
      FROM catalog.bulk_update_prices(:'prices') AS s(said))),
    (2, 'a call with more than ten errors did nothing', (SELECT NOT EXISTS (SELECT FROM catalog.price_change WHERE new_price = 20))),
    (3, 'the rule saw each change of a price once',
     (SELECT count(*) = 100 FROM catalog.price_change)),
    (4, 'of a product that a list names twice the last element stands', (SELECT price = 70 AND title = 'armchair' FROM catalog.product WHERE sku = 'CHAIR-1')),
    (5, 'what was wrong in the list made no product', (SELECT count(*) = 101 FROM catalog.product)),
    (6, 'deliveries are in stock, and the shop was told', (SELECT sum(stock) = 6 FROM catalog.product) AND (SELECT count(*) = 2 FROM specql.deliveries WHERE channel = 'shop'))
) AS checks(number, claim, holds)
ORDER BY number;
