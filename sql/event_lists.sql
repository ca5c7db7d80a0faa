-- Rules that several changes raise, and what happened as a name in them.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT action, kind, object FROM specql.apply($$
entity: Task
schema: desk
fields:
  title: text
  state: text
  rank: integer
  note: text
actions:
  - name: on_task
    on: [insert Task, update Task.state, update Task.rank, delete Task]
    steps:
      - insert: Line SET what = event_operation, title = title, event = event_type
  - name: on_task_kept
    on: [insert Task, delete Task]
    conditions:
      - if: "event_operation = 'delete'"
        then:
          - insert: Line SET what = 'gone', title = old.title
        else:
          - insert: Line SET what = 'come', title = new.title
  - name: before_task
    when: before
    on:
      - insert Task
      - update Task.state
    steps:
      - set: note = concat_ws(' ', note, event_operation)
  - name: before_paid
    trigger: bill_paid
    when: before
    steps:
      - set: times = times + 1
  - name: on_any
    trigger: [task_rank_changed, line_created]
    steps:
      - emit: seen SET operation = event_operation, title = title
---
entity: Bill
schema: desk
fields:
  status: enum(open, paid) = 'open'
  times: integer = 0
---
entity: Line
schema: desk
fields:
  what: text
  title: text
  event: text
---
entity: Code
schema: desk
key: [area, number]
fields:
  area: text
  number: integer
  label: text
  seen: integer = 0
actions:
  - name: on_code
    on: [update Code.label, insert Code]
    steps:
      - insert: Line SET what = event_operation, title = label
$$);
INSERT INTO desk.task (title, rank) VALUES ('a', NULL), ('b', 1);
UPDATE desk.task SET state = 'open';
UPDATE desk.task SET title = upper(title);                         -- nothing
UPDATE desk.task SET state = 'done', rank = 2 WHERE title = 'A';   -- one event
DELETE FROM desk.task WHERE title = 'B';
INSERT INTO desk.code VALUES ('n', 1, NULL), ('n', 2, 'x');
UPDATE desk.code SET seen = 1;                                     -- nothing
UPDATE desk.code SET label = 'y';
SELECT what, title, event FROM desk.line ORDER BY 1, 2, 3;
-- Before it comes into a state, and not while it is in it.
INSERT INTO desk.bill (status) VALUES ('paid'), ('open');
UPDATE desk.bill SET status = 'paid';
UPDATE desk.bill SET status = status;
SELECT times FROM desk.bill;
SELECT title, note FROM desk.task;
SELECT action, relation, event FROM specql.actions ORDER BY 1, 2;
SELECT pg_get_functiondef('desk.code_capture'::regproc);
\sf desk.before_before_task
-- Retried, an event is still of the same operation.
SELECT count(*) FROM specql.events WHERE action = 'desk.on_any';
SELECT data ->> 'operation' AS operation, count(*) FROM specql.events WHERE type = 'seen' GROUP BY 1 ORDER BY 1;
CREATE OR REPLACE FUNCTION desk.refuse_line() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON desk.line FOR EACH ROW EXECUTE FUNCTION desk.refuse_line();
SET client_min_messages = error;
UPDATE desk.task SET rank = 5;
DELETE FROM desk.task;
SET client_min_messages = warning;
DROP TRIGGER refuse ON desk.line;
SELECT sum(specql.retry(id)) AS retried FROM specql.failures;
SELECT what, title, event FROM desk.line WHERE title = 'A' ORDER BY 1, 2, 3;
-- A list that becomes one event, and the other way round.
SELECT action, kind, object FROM specql.apply($$
schema: desk
actions:
  - name: on_code_told
    on: [insert Code, insert Line]
    steps:
      - notify: office "{event_operation}"
$$);
SELECT action, kind, object FROM specql.apply($$
schema: desk
actions:
  - name: on_code_told
    on: insert Code
    steps:
      - notify: office "{event_operation}"
$$);
SELECT name, resolved_to, rule FROM specql.explain($$
schema: desk
actions:
  - name: on_code_told
    on: [insert Code, update Code.label]
    steps:
      - notify: office "{event_operation}"
$$) WHERE name NOT IN ('order');
-- A table of which no column tells whether there is a row.
CREATE TABLE desk.plain (a integer);
SELECT * FROM specql.validate($$
entity: Plain
schema: desk
fields: {a: integer}
actions:
  - name: on_plain
    on: Plain
    steps:
      - notify: office "{event_operation}"
  - name: on_plain_a
    on: [insert Plain, update Plain.a]
    steps:
      - notify: office "{a}"
  - name: on_plain_gone
    on: delete Plain
    steps:
      - notify: office "{event_operation}"
$$);
DROP EXTENSION specql CASCADE;
