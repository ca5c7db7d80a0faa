-- Generated tests of actions that rows are due for: the row is planted, and the action run for it.
\i sql/include/suites.psql

SELECT count(*) > 0 FROM specql.apply($$
entity: Invoice
schema: owed
key: number
fields:
  number: integer!
  amount: integer
  due_on: date
  status: enum(open, paid, late) = 'open'
  customer: ref(Customer)
actions:
  - name: on_overdue
    on: time Invoice.due_on + 3 days in Europe/Berlin
    conditions:
      - if: "status <> 'paid' AND amount > 100"
        then:
          - update: Invoice SET status = 'late'
          - insert: Reminder SET number = invoice_id, of = customer.name, at = event_time
        else:
          - notify: office "{number} of {customer.name}: {status}"
---
entity: Customer
schema: owed
fields: {name: text!}
---
entity: Reminder
schema: owed
fields: {number: integer, of: text, at: timestamp}
$$);
SELECT * FROM specql.runtests('owed.event_driven_test');
-- A handler that does something else is noticed.
DO $$ BEGIN
    EXECUTE replace(pg_get_functiondef('owed.handle_overdue_events()'::regprocedure), '> 100', '>= 100');
END $$;
SELECT split_part(line, E'\n', 1) FROM specql.runtests('owed.event_driven_test') AS t(line) WHERE line LIKE 'not ok%';
