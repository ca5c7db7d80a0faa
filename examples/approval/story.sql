-- Four wishes: one is bought, one is refused, one is dearer than it was said to be, and nobody looks at the fourth. The clock is
-- moved as a test would; a worker goes on by itself when it is time.
--
--   psql -d some_database -f examples/approval/story.sql     (from the top of the source tree)

\set spec `cat examples/approval/approval.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

INSERT INTO procurement.employee (name, budget) VALUES ('ada', 1000), ('bob', 100);
INSERT INTO procurement.requisition (employee_id, title, amount, needed_at)
SELECT e.id, w.title, w.amount, now() + interval '20 days'
FROM procurement.employee AS e
JOIN (VALUES ('ada', 'a desk', 300), ('ada', 'a boat', 900), ('ada', 'a lamp', 40), ('ada', 'a plant', 20), ('bob', 'a car', 500)) AS w(name, title, amount) USING (name);
CREATE VIEW procurement.wishes AS
    SELECT r.id, e.name, r.title, r.amount, r.price, r.state, p.status AS process
    FROM procurement.requisition AS r JOIN procurement.employee AS e ON e.id = r.employee_id
    LEFT JOIN specql.processes AS p ON p.subject = r.id::text;
CREATE FUNCTION procurement.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;

\echo They are submitted. What breaks a rule before anybody is asked fails the call, and leaves nothing.
SELECT title, procurement.outcome(format('SELECT procurement.submit(%L)', id)) FROM procurement.wishes ORDER BY title;
SELECT title, procurement.outcome(format('SELECT procurement.submit(%L)', id)) FROM procurement.wishes WHERE title = 'a desk';
SELECT question FROM specql.tasks ORDER BY question;

\echo The suppliers are asked as well; their office is closed at first, which is tried again.
SELECT specql.nack(id, 'we are closed', retry_in => '0') FROM specql.take('suppliers', 10);
SELECT specql.ack(id, jsonb_build_object('supplier', 'acme', 'price', CASE payload ->> 'title' WHEN 'a lamp' THEN 60 ELSE 20 END)) > 0 AS told
FROM specql.take('suppliers', 10);

\echo The manager decides about three of them.
SELECT specql.answer(id, 'yes', 'well') IS NOT NULL AS answered FROM specql.tasks WHERE question ~ 'desk|lamp' ORDER BY question;
SELECT specql.answer(id, 'no', 'we are not at sea') IS NOT NULL AS answered FROM specql.tasks WHERE question ~ 'boat';
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state, price FROM procurement.wishes ORDER BY title;
SELECT channel, question FROM specql.tasks ORDER BY question;

\echo The controller buys the lamp all the same. The desk and the lamp are ordered.
SELECT specql.answer(id, 'buy') IS NOT NULL AS answered FROM specql.tasks WHERE channel = 'controllers';
SELECT specql.drain() > 0 AS gone_on;
SELECT specql.ack(id, '{"order": "O-1"}') > 0 AS told FROM specql.take('suppliers', 10);
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state, price FROM procurement.wishes ORDER BY title;

\echo A day later the manager is reminded of the plant, and after three days nobody waits any more.
SET specql.clock_offset = '1 day 1 minute';
SELECT specql.drain() > 0 AS reminded;
SELECT count(*) AS reminders FROM specql.deliveries WHERE channel = 'managers' AND message ~ 'plant';
SET specql.clock_offset = '3 days 1 minute';
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state, process FROM procurement.wishes ORDER BY title;
SELECT count(*) AS open_tasks FROM specql.tasks;

\echo The desk is unpacked. The lamp never comes.
SELECT specql.emit('goods_received', jsonb_build_object('requisition_id', id)) IS NOT NULL AS unpacked FROM procurement.wishes WHERE title = 'a desk';
SELECT specql.drain() > 0 AS gone_on;
SET specql.clock_offset = '40 days';
SELECT specql.drain() > 0 AS gone_on;
RESET specql.clock_offset;
SELECT title, state, process FROM procurement.wishes ORDER BY title;
SELECT message FROM specql.deliveries WHERE channel = 'requesters' ORDER BY message;
