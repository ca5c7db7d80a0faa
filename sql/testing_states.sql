-- Suites for transitions, workflows, rules before a row is written, rows with states, and rows with keys of several
-- columns.
\i sql/include/suites.psql

SELECT count(*) > 0 FROM specql.apply($$
entity: Leave
schema: hr
fields:
  person: text!
  state: enum(draft, asked, agreed, refused) = 'draft'
  days: integer = 1
  remark: text
  ticket: {type: text, unique: true}
  number: {type: integer, unique: true}
  day: {type: date, unique: true}
states:
  transitions:
    - {from: draft, to: asked, on: ask, guard: "days > 0"}
    - {from: asked, to: agreed, on: agree}
    - {from: [asked, agreed], to: refused, on: refuse}
    - {from: refused, to: draft}
actions:
  - name: refuse
    pattern: state_machine/transition
    guard: "reason <> ''"
    params: {reason: text}
    steps:
      - update: Leave SET remark = reason
      - notify: people "The leave of {person} is refused: {reason}"
  - name: shorten
    pattern: composite/workflow_orchestrator
    workflow:
      - {step: check, condition: "days > by_days", error: "{days} are too few"}
      - step: set
        update: Leave SET days = days - by_days
      - step: log
        action: insert
        entity: Entry
        fields: {what: "'shortened'", person: person, n: by_days}
  - name: decide
    pattern: composite/conditional_workflow
    conditions:
      - if: "days <= 3"
        then:
          - update: Leave SET remark = 'short'
        else:
          - update: Leave SET remark = 'long'
          - insert: Entry SET what = 'long', person = person
  - name: on_leave
    on: insert Leave
    steps:
      - insert: Entry SET what = ticket, person = person, n = number
  - name: on_agreed
    trigger: leave_agreed
    steps:
      - insert: Entry SET what = 'agreed', person = person
---
entity: Entry
schema: hr
fields:
  what: text
  person: text
  n: integer
---
entity: Line
schema: hr
key: [doc, number]
fields:
  doc: text
  number: integer
  amount: decimal(10,2)
  price: decimal(10,2)
  total: decimal(10,2)
  grade: text
actions:
  - name: line_total
    on: [insert Line, update Line.amount]
    when: before
    conditions:
      - if: "amount > 10"
        then:
          - set: grade = 'big'
          - validate: "price < 1000"
            error: "{price} is too much"
        else:
          - set: grade = 'small'
  - name: line_sum
    on: insert Line
    when: before
    steps:
      - set: total = amount * price
  - name: on_line
    on: update Line.price
    condition: "new.price > 5"
    steps:
      - insert: Entry SET what = doc, n = number
---
entity: Part
schema: hr
key: [kind, at]
fields:
  kind: text
  at: timestamp
  qty: integer
actions:
  - name: on_part
    on: [insert Part, update Part.qty]
    steps:
      - insert: Entry SET what = kind || event_operation, n = qty
$$);
SELECT * FROM specql.runtests('hr.states_test');
SELECT * FROM specql.runtests('hr.workflow_test');
SELECT * FROM specql.runtests('hr.event_driven_test');

-- They find what is wrong: a state that is not tested, a guard that is not asked, a rule that sets something else, and
-- a table that lets any change of state pass.
SELECT replace(pg_get_functiondef('hr.agree(uuid)'::regprocedure), '.state = ''asked''', '.state <> ''x''') AS f \gset
:f;
SELECT replace(pg_get_functiondef('hr.shorten(uuid,integer)'::regprocedure), 'v_leave.days > p_by_days', 'true') AS f \gset
:f;
SELECT replace(pg_get_functiondef('hr.before_line_sum()'::regprocedure), 'amount * ', 'amount + ') AS f \gset
:f;
SELECT l FROM specql.test_suites() AS s, specql.runtests(s.suite) AS l WHERE l LIKE 'not ok%';
ALTER TABLE hr.leave DISABLE TRIGGER specql_state;
SELECT l FROM specql.runtests('hr.states_test') AS l WHERE l LIKE 'not ok%';
