-- Due times of rows: what is kept as rows change, what comes when, and what an apply does with the rows there are.
\set ECHO queries
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = ISO;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS specql;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Customer
schema: dues
fields: {name: text!}
---
entity: Invoice
schema: dues
key: number
fields:
  number: integer!
  due_on: date
  customer: ref(Customer)
  status: enum(open, paid, late) = 'open'
actions:
  - name: on_due_soon
    on: time Invoice.due_on - 1 day in UTC
    missed: skip
    steps:
      - insert: Reminder SET invoice = number, of = Customer.name, rule = 'soon', at = due_at
---
entity: Reminder
schema: dues
fields: {invoice: integer, of: text, rule: text, at: timestamptz}
---
schema: dues
actions:
  - name: on_overdue
    description: Three days after the day on which it should have been paid
    on: time Invoice.due_on + 3 days in Europe/Berlin
    condition: "status <> 'paid'"
    steps:
      - update: Invoice SET status = 'late'
      - insert: Reminder SET invoice = invoice_id, of = customer.name, rule = 'overdue', at = event_time
$$);
CREATE VIEW due AS SELECT split_part(action, '.', 2) AS action, key, due_at FROM specql.due WHERE action LIKE 'dues.%' ORDER BY 1, 3, 2;
CREATE VIEW reminders AS SELECT rule, invoice, of, at FROM dues.reminder ORDER BY rule, invoice, at;
INSERT INTO dues.customer (name) VALUES ('Ann');

-- Days are those of the zone: one of these is 23 hours long, for it is kept as a moment.
INSERT INTO dues.invoice (number, due_on, customer_id) SELECT n, d, c.id
FROM dues.customer AS c, (VALUES (1, '2100-03-26'::date), (2, '2100-07-01'), (3, NULL), (4, 'infinity')) AS v(n, d);
SELECT * FROM due;

-- The time moves with the column, and with the key; without one there is none; other columns do not matter.
UPDATE dues.invoice SET due_on = '2100-01-01' WHERE number = 1;
UPDATE dues.invoice SET due_on = due_on + 1 WHERE number < 3;
UPDATE dues.invoice SET number = 20 - number WHERE number IN (2, 3);
UPDATE dues.invoice SET due_on = '2100-05-05' WHERE number = 17;
UPDATE dues.invoice SET status = 'paid' WHERE number = 18;
SELECT * FROM due;
UPDATE dues.invoice SET due_on = NULL WHERE number = 17;
DELETE FROM dues.invoice WHERE number = 18;
SELECT * FROM due;
BEGIN;
UPDATE dues.invoice SET due_on = '2100-02-02' WHERE number = 1;
DELETE FROM dues.invoice WHERE number = 1;
ROLLBACK;
SELECT * FROM due;
SELECT specql.drain();
TRUNCATE dues.invoice;
SELECT * FROM due;

-- A time that has passed when the row is written comes at once, or not at all.
INSERT INTO dues.invoice (number, due_on, customer_id) SELECT n, '2020-01-01', c.id FROM dues.customer AS c, generate_series(1, 3) AS n;
UPDATE dues.invoice SET status = 'paid' WHERE number = 2;
DELETE FROM dues.invoice WHERE number = 3;
SELECT * FROM due;
SELECT specql.drain();
SELECT * FROM reminders;
SELECT number, status FROM dues.invoice ORDER BY 1;
SELECT * FROM due;
SELECT specql.drain();
SELECT e.type, e.status, e.data, e.occurred_at FROM specql.events AS e
WHERE e.action = 'dues.on_overdue' AND e.type LIKE 'time %' ORDER BY e.data ->> 'invoice_id';

-- Each once, by the clock that may be moved; the condition is asked of the row as it is then, and a row that is gone is not due.
DELETE FROM dues.reminder;
TRUNCATE dues.invoice;
INSERT INTO dues.invoice (number, due_on, customer_id) SELECT n, current_date + 10, c.id FROM dues.customer AS c, generate_series(1, 4) AS n;
SELECT action, count(*), min(due_at) > now() AS later FROM due GROUP BY 1 ORDER BY 1;
SET specql.clock_offset = '10 days';
SELECT specql.drain();
SELECT rule, invoice, of FROM reminders;
UPDATE dues.invoice SET status = 'paid' WHERE number = 1;
SELECT specql.pause('dues.on_overdue');
SET specql.clock_offset = '15 days';
SELECT specql.drain();
SELECT "check", status FROM specql.health() WHERE "check" = 'action dues.on_overdue';
SELECT specql.resume('dues.on_overdue');
SELECT "check", status, detail LIKE 'rows are due that%' AS said FROM specql.health() WHERE "check" = 'action dues.on_overdue';
BEGIN;
SELECT specql.raise_times();
DELETE FROM dues.invoice WHERE number = 4;
SELECT specql.drain();
COMMIT;
SELECT rule, invoice, of FROM reminders WHERE rule = 'overdue';
SELECT count(*) FROM specql.failures;
RESET specql.clock_offset;

-- Nobody else raises it; for one row it may be run once more.
SELECT specql.emit('time dues.invoice.due_on + 3 days in Europe/Berlin', '{"invoice_id": 1}') IS NOT NULL AS emitted;
SELECT specql.run_due('on_overdue', '2', '2026-01-02 00:00Z') IS NOT NULL AS queued;
SELECT specql.drain();
SELECT * FROM reminders WHERE at = '2026-01-02';
SELECT specql.run_due('nothing', '2');
SELECT specql.set_due_rows('dues.on_overdue', '{1}', '{1}', '{2026-01-01}');

-- What fails is tried again. Keeping the times is tried again too, and then what the row is by now counts.
TRUNCATE dues.reminder;
ALTER TABLE dues.reminder ADD CONSTRAINT closed CHECK (rule <> 'overdue') NOT VALID;
SELECT specql.run_due('on_overdue', '2') IS NOT NULL AS queued;
SELECT specql.drain();
SELECT action, status, attempts FROM specql.failures;
ALTER TABLE dues.reminder DROP CONSTRAINT closed;
UPDATE specql.failure SET next_attempt_at = now();
SELECT specql.drain();
SELECT rule, invoice FROM reminders;
TRUNCATE dues.invoice;
ALTER FUNCTION dues.overdue_due_times() RENAME TO away;
INSERT INTO dues.invoice (number, due_on) VALUES (1, '2100-01-01'), (2, '2100-01-01');
UPDATE dues.invoice SET due_on = '2101-01-01' WHERE number = 1;
ALTER FUNCTION dues.away() RENAME TO overdue_due_times;
DELETE FROM dues.invoice WHERE number = 2;
UPDATE specql.failure SET next_attempt_at = now();
SELECT specql.drain();
SELECT * FROM due WHERE action = 'on_overdue';
SELECT count(*) FROM specql.failures;

-- Applied again it goes on; with another offset all times move, and what was waiting and has passed by that comes at once.
SELECT count(*) > 0 AS changed FROM specql.apply($$
schema: dues
actions:
  - name: on_overdue
    on: time  Invoice.due_on + 3 days  in Europe/Berlin
    steps:
      - insert: Reminder SET invoice = number, rule = 'overdue', at = event_time
$$);
SELECT * FROM due WHERE action = 'on_overdue';
INSERT INTO dues.invoice (number, due_on) VALUES (5, current_date + 1), (6, current_date - 30), (7, '2100-01-01');
SELECT specql.drain();
SELECT rule, invoice FROM reminders;
SELECT count(*) > 0 AS changed FROM specql.apply($$
schema: dues
actions:
  - name: on_overdue
    on: time Invoice.due_on - 3 days in Europe/Berlin
    steps:
      - insert: Reminder SET invoice = number, rule = 'overdue', at = event_time
$$);
SELECT * FROM due WHERE action = 'on_overdue' AND due_at > '2099-01-01';
SELECT key, due_at < now() AS passed FROM due WHERE action = 'on_overdue' AND due_at < '2099-01-01';
SELECT specql.drain();
SELECT rule, invoice FROM reminders;

-- Of the rows that were there before, those whose time is to come are due; or all, or none. Dropped, none is any more.
SELECT count(*) > 0 AS changed FROM specql.apply($$
schema: dues
actions:
  - name: on_future
    on: time Invoice.due_on in UTC
    steps:
      - insert: Reminder SET invoice = number, rule = 'future', at = event_time
  - name: on_all
    on: time Invoice.due_on in UTC
    backfill: all
    steps:
      - insert: Reminder SET invoice = number, rule = 'all', at = event_time
  - name: on_none
    on: time Invoice.due_on in UTC
    backfill: none
    steps:
      - insert: Reminder SET invoice = number, rule = 'none', at = event_time
  - name: on_late
    on: time Invoice.due_on in UTC
    backfill: all
    missed: skip
    enabled: false
    steps:
      - insert: Reminder SET invoice = number, rule = 'late', at = event_time
$$);
SELECT action, count(*), count(*) FILTER (WHERE due_at < now()) AS passed FROM due WHERE action IN ('on_future', 'on_all', 'on_none', 'on_late') GROUP BY 1 ORDER BY 1;
SELECT action, part, enabled FROM specql.actions WHERE action IN ('dues.on_all', 'dues.on_late') ORDER BY 1, 2;
SELECT count(*) > 0 AS changed FROM specql.apply($$
schema: dues
actions:
  - name: on_all
    on: update Invoice.due_on
    steps:
      - notify: office "Moved"
  - name: on_later
    renamed_from: on_future
    on: time Invoice.due_on in UTC
    steps:
      - insert: Reminder SET invoice = number, rule = 'future', at = event_time
$$);
SELECT action, count(*) FROM due WHERE action NOT IN ('on_overdue', 'on_due_soon') GROUP BY 1 ORDER BY 1;
SELECT count(*) > 0 AS removed FROM specql.remove('dues.on_later');
SELECT count(*) FROM specql.due_row WHERE action IN ('dues.on_later', 'dues.on_future', 'dues.on_all');
SELECT count(*) FROM specql.due_rule WHERE action IN ('dues.on_later', 'dues.on_future', 'dues.on_all');

-- A row that a transition is due for, and one that is gone by then.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Offer
schema: dues
fields:
  name: text
  valid_until: timestamp
  state: enum(made, expired)
states:
  initial: made
  transitions:
    - {from: made, to: expired, on: expire}
actions:
  - name: expire
    pattern: state_machine/transition
    on: time Offer.valid_until
    from_state: made
    to_state: expired
    steps:
      - notify: sales "{name} has expired"
$$);
INSERT INTO dues.offer (name, valid_until) VALUES ('Chairs', '2020-01-01'), ('Tables', '2020-01-01'), ('Lamps', '2100-01-01');
SELECT specql.raise_times();
DELETE FROM dues.offer WHERE name = 'Tables';
SELECT specql.drain();
SELECT name, state FROM dues.offer ORDER BY 1;
SELECT message FROM specql.deliveries WHERE action = 'dues.expire';
SELECT action, sqlstate, message FROM specql.failures;

-- Of partitions, and what others see of it.
CREATE TABLE dues.parted (id integer PRIMARY KEY, due_at timestamptz, note text) PARTITION BY RANGE (id);
CREATE TABLE dues.parted_1 PARTITION OF dues.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE dues.parted_2 PARTITION OF dues.parted FOR VALUES FROM (10) TO (20);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Parted
schema: dues
table: parted
fields: {id: integer!, due_at: timestamp, note: text}
actions:
  - name: on_parted
    on: time Parted.due_at + 1 hour
    steps:
      - notify: office "{parted_id} {note}"
$$);
INSERT INTO dues.parted VALUES (1, '2100-01-01', 'one'), (11, '2020-01-01', 'eleven');
UPDATE dues.parted SET id = 12 WHERE id = 1;
SELECT * FROM due WHERE action = 'on_parted';
SELECT specql.drain();
SELECT message FROM specql.deliveries WHERE action = 'dues.on_parted';
CREATE ROLE dues_other;
GRANT specql_admin TO dues_other;
SET ROLE dues_other;
SELECT count(*) FROM specql.due;
SELECT specql.run_due('dues.on_parted', '12');
SELECT specql.take_due_rows('dues.on_parted', '{12}', '{2020-01-01}', 'all');
SELECT specql.begin_due('dues.on_parted', 'x', 'dues.parted', 'id', 'skip', 'all');
RESET ROLE;
DROP ROLE dues_other;
SELECT * FROM specql.drift();
