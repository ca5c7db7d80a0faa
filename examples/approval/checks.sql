-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'what a guard refused left nothing: no process, no task, no call',
     (SELECT state = 'draft' AND process IS NULL FROM procurement.wishes WHERE title = 'a car')),
    (2, 'what was approved and came is delivered, at the supplier''s price',
     (SELECT state = 'delivered' AND price = 20 AND process = 'completed' FROM procurement.wishes WHERE title = 'a desk')),
    (3, 'what was refused says why, and was never ordered',
     (SELECT state = 'refused' FROM procurement.wishes WHERE title = 'a boat')
     AND EXISTS (SELECT FROM specql.deliveries WHERE message = 'a boat was refused: we are not at sea')
     AND NOT EXISTS (SELECT FROM specql.deliveries WHERE operation = 'order' AND payload ->> 'title' = 'a boat')),
    (4, 'what was dearer needed a second answer',
     (SELECT state = 'ordered' AND price = 60 FROM procurement.wishes WHERE title = 'a lamp')),
    (5, 'what nobody decided about expired, after one reminder a day',
     (SELECT state = 'expired' FROM procurement.wishes WHERE title = 'a plant')
     AND (SELECT count(*) >= 2 FROM specql.deliveries WHERE channel = 'managers' AND message ~ 'plant')),
    (6, 'the supplier who failed first was asked again, under the same id',
     (SELECT bool_and(attempts = 2) FROM specql.deliveries WHERE operation = 'quote')),
    (7, 'two orders were placed, each once',
     (SELECT count(*) = 2 FROM specql.deliveries WHERE operation = 'order')),
    (8, 'every process has ended, and no question is open',
     (SELECT bool_and(status = 'completed') FROM specql.processes) AND NOT EXISTS (SELECT FROM specql.tasks))
) AS checks(number, claim, holds)
ORDER BY number;
