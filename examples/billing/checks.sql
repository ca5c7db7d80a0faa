-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'who pays in time is never reminded',
     (SELECT count(*) = 0 FROM specql.deliveries WHERE message ~ 'invoice 1\M')),
    (2, 'a card is charged once, though the service failed before',
     (SELECT count(*) = 1 AND bool_and(attempts = 2) FROM specql.deliveries WHERE operation = 'charge' AND status = 'done')),
    (3, 'its answer has paid the invoice',
     (SELECT state = 'paid' AND level = 1 FROM billing.invoices WHERE number = 2)),
    (4, 'a refused card was told to the office, and paid nothing',
     (SELECT count(*) = 1 AND bool_and(message = 'The card of eve was refused: no card') FROM specql.deliveries WHERE channel = 'office')),
    (5, 'there were three reminders more, a week apart, each once',
     (SELECT array_agg(message ORDER BY message) = '{"Reminder 2 for invoice 3","Reminder 3 for invoice 3","Reminder 4 for invoice 3"}'
      FROM specql.deliveries WHERE message ~ 'Reminder \d for')),
    (6, 'what was not paid in thirty days is somebody else''s',
     (SELECT state = 'collected' AND blocked FROM billing.invoices WHERE number = 3)),
    (7, 'nothing is left to come',
     (SELECT NOT EXISTS (SELECT FROM specql.later_events) AND NOT EXISTS (SELECT FROM specql.due))),
    (8, 'nothing failed',
     (SELECT NOT EXISTS (SELECT FROM specql.failures)))
) AS checks(number, claim, holds)
ORDER BY number;
