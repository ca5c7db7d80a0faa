-- Invoices that are not paid: reminders, a card that is refused, and the day on which somebody else takes over. The clock is moved
-- as a test would; a worker does the same by itself when it is time.
--
--   psql -d some_database -f examples/billing/story.sql     (from the top of the source tree)

\set spec `cat examples/billing/billing.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

INSERT INTO billing.customer (name, card) VALUES ('ada', '4711'), ('bob', '4712'), ('eve', NULL);
INSERT INTO billing.invoice (customer_id, number, amount, due_at)
SELECT c.id, i.number, i.amount, now()
FROM billing.customer AS c JOIN (VALUES ('ada', 1, 10.00), ('bob', 2, 20.00), ('eve', 3, 30.00)) AS i(name, number, amount) USING (name);
CREATE VIEW billing.invoices AS
    SELECT i.id, i.number, c.name, i.amount, i.state, i.level, c.blocked FROM billing.invoice AS i JOIN billing.customer AS c ON c.id = i.customer_id;
-- What the clock says, and what is done by then.
CREATE FUNCTION billing.wait_until_day(day integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('specql.clock_offset', day || ' days 1 hour', false);
    PERFORM specql.drain();
END $$;

\echo What is due, and when:
SELECT action, count(*), round(min(extract(epoch FROM due_at - specql.clock())) / 86400) AS days FROM specql.due GROUP BY action ORDER BY 3;

\echo The first pays in time, and nothing is heard of it any more.
SELECT billing.paid(id) IS NOT NULL AS paid FROM billing.invoices WHERE number = 1;
SELECT billing.wait_until_day(3);
SELECT channel, message FROM specql.deliveries WHERE kind = 'notify' ORDER BY message;
SELECT number, state, level FROM billing.invoices ORDER BY number;

\echo The cards are down for a while, which is tried again; then bob's card is charged, and eve has none.
SELECT specql.nack(id, 'we are down', retry_in => '0') FROM specql.take('cards', 10);
SELECT CASE WHEN payload ->> 'card' IS NULL THEN specql.nack(id, 'no card', final => true)
            ELSE specql.ack(id, '{"id": "ch_1"}') > 0 END AS told
FROM specql.take('cards', 10) ORDER BY payload ->> 'number';
SELECT specql.drain() >= 0 AS handled;
SELECT number, state, level FROM billing.invoices ORDER BY number;
SELECT message FROM specql.deliveries WHERE channel = 'office';

\echo A week later, and again, eve is reminded. Bob has paid: his event comes, too, and finds nothing to do.
SELECT type, data -> 'level' AS level, round(extract(epoch FROM due_at - specql.clock()) / 86400) AS days FROM specql.later_events ORDER BY due_at, data ->> 'invoice';
SELECT billing.wait_until_day(day) FROM generate_series(4, 29) AS day;
SELECT message FROM specql.deliveries WHERE kind = 'notify' AND message LIKE 'Reminder _ %' ORDER BY message;
SELECT number, state, level FROM billing.invoices ORDER BY number;

\echo Thirty days late somebody else takes over.
SELECT billing.wait_until_day(30);
SELECT number, name, state, level, blocked FROM billing.invoices ORDER BY number;
SELECT payload FROM specql.take('collectors');
RESET specql.clock_offset;
