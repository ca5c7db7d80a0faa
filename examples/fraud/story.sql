-- A day at a bank: cards are used, some of them by the wrong people.
--
--   psql -d some_database -f examples/fraud/story.sql     (from the top of the source tree)

\set spec `cat examples/fraud/fraud.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo Five customers with 2,000 each.
INSERT INTO bank.account (owner_name, card_number, balance)
SELECT name, 'card-of-' || lower(name), 2000 FROM unnest(ARRAY['Ada', 'Bob', 'Eve', 'Dan', 'Kim']) AS name;
CREATE VIEW bank.payments AS
    SELECT p.id, a.owner_name, p.amount, p.country, p.merchant, p.status, p.account_id
    FROM bank.payment p JOIN bank.account a ON a.id = p.account_id;
-- pay(who, how much, where, in which country)
CREATE FUNCTION bank.pay(owner text, amount numeric, merchant text, country text DEFAULT 'DE') RETURNS void LANGUAGE sql AS $$
    INSERT INTO bank.payment (account_id, amount, merchant, country)
    SELECT id, amount, merchant, country FROM bank.account WHERE owner_name = owner
$$;

\echo Ada buys bread at home and coffee abroad; Bob a car, which is over his limit and large enough to be reported.
SELECT bank.pay('Ada', 5, 'Bakery'), bank.pay('Ada', 4, 'Cafe', 'FR'), bank.pay('Bob', 12000, 'Car dealer');
SELECT owner_name, amount, merchant, country, status FROM bank.payments ORDER BY id;
SELECT owner_name, balance, risk FROM bank.account ORDER BY owner_name;
\echo The fraud desk has something to look at, and decides: that is not Bob.
SELECT message FROM specql.escalations;
SELECT a.owner_name, c.reason, c.state FROM bank.fraud_case c JOIN bank.account a ON a.id = c.account_id;
UPDATE bank.payment SET status = 'declined' WHERE status = 'held';
SELECT a.owner_name, c.state, a.blocked FROM bank.fraud_case c JOIN bank.account a ON a.id = c.account_id;
\echo A blocked card pays nothing any more:
\set ON_ERROR_STOP off
SELECT bank.pay('Bob', 1, 'Kiosk');
SELECT :'SQLSTATE' = 'SQ206' AS blocked_refused \gset
\set ON_ERROR_STOP on

\echo What the regulator is told, and nothing else; its receipt goes into the audit log:
SELECT payload - 'payment' AS told, specql.ack(id, '{"receipt": "2026/0042"}') AS answered FROM specql.take('regulator');

\echo Somebody has copied the card of Eve: five payments within a minute, by five tills..
SELECT bank.pay('Eve', 50, 'Till ' || n) FROM generate_series(1, 5) AS n;
\echo The payments of Dan are small, but they add up.
SELECT bank.pay('Dan', 900, 'Casino'), bank.pay('Dan', 800, 'Casino'), bank.pay('Dan', 950, 'Casino');
\echo A new address, and a large payment at once: the identity of Kim may be stolen.
SELECT specql.emit('address_changed_online', jsonb_build_object('account_id', id)) IS NOT NULL AS told
FROM bank.account WHERE owner_name = 'Kim';
SELECT specql.emit('large_payment_seen', jsonb_build_object('account_id', id)) IS NOT NULL AS told
FROM bank.account WHERE owner_name = 'Kim';
SELECT specql.drain() >= 0 AS windows_are_evaluated;
SELECT owner_name, balance, blocked FROM bank.account ORDER BY owner_name;

\echo The audit log, which nobody can change:
SELECT a.owner_name, l.what FROM bank.audit_log l JOIN bank.account a ON a.id = l.account_id ORDER BY l.id;
\set ON_ERROR_STOP off
DELETE FROM bank.audit_log;
SELECT :'SQLSTATE' = 'SQ204' AS delete_refused \gset
\set ON_ERROR_STOP on

\echo What waits to be sent, and for whom:
SELECT kind, coalesce(service, channel) AS "to", coalesce(operation, message) AS what, count(*)
FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
