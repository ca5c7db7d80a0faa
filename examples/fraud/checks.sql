-- Did the story have the effects that the spec promises? One line each, "ok - …", "not ok - …" or "skipped - …".
SELECT CASE WHEN holds THEN 'ok - ' ELSE 'not ok - ' END || claim
FROM (VALUES
    (1, 'payments within the limit are booked, and one abroad is remembered and told',
     (SELECT balance = 1991 AND risk = 10 FROM bank.account WHERE owner_name = 'Ada')
     AND (SELECT count(*) = 1 FROM specql.deliveries WHERE message = 'Your card was used abroad: 4.0000 in FR' AND channel LIKE 'owner\_%')),
    (2, 'a payment over the limit is held, not booked, and a person is called',
     (SELECT balance = 2000 FROM bank.account WHERE owner_name = 'Bob')
     AND (SELECT count(*) = 1 AND bool_and(reason LIKE 'over the limit of 1000%') FROM bank.fraud_case)
     AND (SELECT count(*) = 1 FROM specql.escalations WHERE message LIKE 'A payment waits for you: over the limit%')),
    (3, 'declined as fraud, the card is blocked, and its owner learns of it',
     (SELECT blocked FROM bank.account WHERE owner_name = 'Bob') AND (SELECT bool_and(state = 'fraud') FROM bank.fraud_case)
     AND (SELECT count(*) >= 1 FROM specql.deliveries WHERE operation = 'card_blocked')),
    (4, 'a blocked card cannot pay: the statement fails and leaves nothing',
     :'blocked_refused' AND NOT EXISTS (SELECT FROM bank.payments WHERE merchant = 'Kiosk')),
    (5, 'a payment of 10,000 or more is reported',
     (SELECT count(*) = 1 FROM specql.deliveries WHERE service = 'regulator')
     AND EXISTS (SELECT FROM bank.audit_log WHERE what LIKE 'payment of 12000%')),
    (6, 'the audit log cannot be changed', :'delete_refused'),
    (7, 'five payments within a minute block the card, and nobody else''s',
     (SELECT array_agg(owner_name ORDER BY owner_name) = '{Bob,Eve}' FROM bank.account WHERE blocked)),
    (8, 'small payments that add up are noted, once, for that account only',
     (SELECT count(*) = 1 AND bool_and(a.owner_name = 'Dan')
      FROM bank.audit_log l JOIN bank.account a ON a.id = l.account_id WHERE l.what = 'many small payments')),
    (10, 'the regulator sees the chosen keys alone, and its receipt is in the log',
     (SELECT array_agg(k ORDER BY k) = '{amount,country,earlier,payment}' FROM specql.deliveries, jsonb_object_keys(payload) AS k
      WHERE service = 'regulator')
     AND (SELECT count(*) = 1 FROM bank.audit_log WHERE what = 'report received as 2026/0042')),
    (11, 'card numbers stand in their own table alone',
     (SELECT count(*) = 0 FROM specql.events AS e WHERE e::text LIKE '%card-of-%')
     AND (SELECT count(*) = 0 FROM specql.deliveries AS d WHERE d::text LIKE '%card-of-%')),
    (9, 'a new address and a large payment within half an hour escalate once',
     (SELECT count(*) = 1 FROM specql.escalations WHERE message LIKE 'New address%'))
) AS checks(number, claim, holds)
ORDER BY number;
