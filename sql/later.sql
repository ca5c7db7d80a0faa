-- Events that are raised later: when, by whom and how often, what they carry, and what becomes of them without their action.
\set ECHO queries
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS specql;
SET client_min_messages = notice;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Invoice
schema: late
fields:
  number: integer!
  paid: boolean! = false
actions:
  - name: on_invoice
    on: insert Invoice
    steps:
      - emit: reminder_due AFTER 2 days SET
          invoice: "number"
          level: 1
      - emit: nobody_hears
        after: 3 hours
---
entity: Letter
schema: late
fields: {invoice: integer, level: integer, at: timestamptz}
actions:
  - name: remind
    on: event reminder_due
    params: {invoice: integer, level: integer}
    steps:
      - insert: Letter SET invoice = invoice, level = level, at = event_time
      - if: "level < 40"
        then:
          - emit: reminder_due AFTER 1 day SET invoice = invoice, level = level + 1
$$);
SELECT action, name, resolved_to FROM specql.explain($$
entity: Bill
schema: late
fields:
  number: integer!
actions:
  - name: on_bill
    on: insert Bill
    steps:
      - emit: reminder_due AFTER 2 days SET
          invoice: "number"
          level: 1
$$) WHERE name LIKE 'step%';
SELECT pg_get_functiondef('late.trigger_invoice_events'::regproc) ~ 'emit_later' AS later;

-- What is written: one row in one transaction; a rollback takes it back.
BEGIN;
INSERT INTO late.invoice (number) VALUES (1);
ROLLBACK;
SELECT count(*) FROM specql.later_events;
INSERT INTO late.invoice (number) VALUES (2), (3);
SELECT type, data -> 'invoice' AS invoice, data -> 'level' AS level, owner = current_user AS mine, caused_by = root AS caused,
       round(extract(epoch FROM due_at - specql.clock()) / 3600) AS hours
FROM specql.later_events ORDER BY due_at, 2;
SELECT specql.drain();

-- Nobody listens to the first.
SET specql.clock_offset = '4 hours';
SELECT specql.drain();
SELECT type, status, action, data -> 'new' IS NOT NULL OR data ? 'number' AS with_data, depth, caused_by IS NOT NULL AS caused
FROM specql.events WHERE type = 'nobody_hears' ORDER BY id;

-- The others come once, at their own time however late that is seen to, and then the ones that they raise.
SET specql.clock_offset = '2 days 1 hour';
SELECT specql.drain() > 0 AS handled;
SELECT specql.drain();
SELECT l.invoice, l.level, round(extract(epoch FROM l.at - (SELECT e.occurred_at FROM specql.events AS e WHERE e.action = 'late.on_invoice' LIMIT 1)) / 3600) AS hours
FROM late.letter AS l ORDER BY 1, 2;
SELECT e.type, e.action, e.depth, e.status, (SELECT c.type FROM specql.events AS c WHERE c.id = e.caused_by) AS cause
FROM specql.events AS e WHERE e.action = 'late.remind' ORDER BY e.id;

-- A chain of them is no cascade.
DO $$
BEGIN
    FOR day IN 3..60 LOOP
        PERFORM set_config('specql.clock_offset', day || ' days 1 hour', false);
        PERFORM specql.drain();
    END LOOP;
END $$;
SELECT invoice, count(*), max(level) FROM late.letter GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM specql.later_events;
RESET specql.clock_offset;

-- In SQL, and what is refused.
SELECT specql.emit_later('reminder_due', '1 hour', '{"invoice": 9, "level": 50}') IS NOT NULL AS kept;
SELECT specql.emit_later('reminder_due', '-1 hour');
SELECT specql.emit_later('reminder_due', '400 days');
SELECT specql.emit_later('reminder_due', NULL);
SELECT specql.emit_later(NULL, '1 hour');
SELECT specql.emit_later('specql.event_parked', '1 hour');

-- Its action may be gone by then, or come back; and what listens is looked up then.
SELECT count(*) > 0 AS removed FROM specql.remove('late.Letter', 'late.Invoice');
SELECT type, data FROM specql.later_events;
SET specql.clock_offset = '2 hours';
SELECT specql.drain();
SELECT status, action, data FROM specql.events WHERE data ->> 'invoice' = '9';
SELECT specql.emit_later('reminder_due', '1 hour', '{"invoice": 10}') IS NOT NULL AS kept;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: late
actions:
  - name: hears
    on: event reminder_due
    params: {invoice: integer}
    steps:
      - notify: office "{invoice}"
$$);
SET specql.clock_offset = '4 hours';
SELECT specql.pause('late.hears');
SELECT specql.drain();
SELECT status, action FROM specql.events WHERE data ->> 'invoice' = '10';
SELECT specql.resume('late.hears');
SELECT message FROM specql.deliveries WHERE channel = 'office';
RESET specql.clock_offset;

-- Everybody has their own, and those of a role that is gone are raised all the same.
CREATE ROLE later_user;
GRANT specql_admin TO later_user;
SET ROLE later_user;
SELECT specql.emit_later('reminder_due', '1 hour', '{"invoice": 11}') IS NOT NULL AS kept;
SELECT owner FROM specql.later_events;
RESET ROLE;
SELECT specql.emit_later('reminder_due', '1 hour', '{"invoice": 12}') IS NOT NULL AS kept;
SET ROLE later_user;
SELECT data FROM specql.later_events;
RESET ROLE;
SET specql.clock_offset = '2 hours';
SET ROLE later_user;
SELECT specql.raise_times();
RESET ROLE;
RESET specql.clock_offset;
SET ROLE later_user;
SELECT specql.emit_later('reminder_due', '1 hour', '{"invoice": 13}') IS NOT NULL AS kept;
RESET ROLE;
SELECT data FROM specql.later_events ORDER BY id;
DROP OWNED BY later_user;
DROP ROLE later_user;
SELECT owner, data FROM specql.later_events ORDER BY id;
SET specql.clock_offset = '2 hours';
SELECT specql.raise_times();
SELECT specql.drain();
SELECT message FROM specql.deliveries WHERE channel = 'office' ORDER BY message;
RESET specql.clock_offset;
SET client_min_messages = warning;
SELECT count(*) > 0 AS removed FROM specql.remove('late.hears');
DROP SCHEMA late CASCADE;
