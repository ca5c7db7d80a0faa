-- States of rows: what may follow what, the functions that change them, who may call these; and specs that change.
\set ECHO none
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE ROLE states_clerk;
CREATE ROLE can_agree;
GRANT states_clerk TO CURRENT_USER;
CREATE FUNCTION pg_temp.applied(spec text, destructive boolean DEFAULT false) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', a.action, a.kind, a.object, a.detail) FROM specql.apply(spec, allow_destructive => destructive) AS a WHERE a.action <> 'unchanged' $$;
SELECT $$
entity: Person
schema: hr
fields:
  name: text!
  boss: ref(Person)
---
entity: Leave
schema: hr
fields:
  person: ref(Person)
  days: integer!
  state: enum(draft, asked, agreed, refused)
  remark: text
states:
  initial: draft
  transitions:
    - {from: draft, to: asked, on: ask, guard: "days > 0 AND new.remark IS NOT DISTINCT FROM old.remark"}
    - {from: asked, to: agreed, on: agree}
    - {from: [asked, agreed], to: refused, on: refuse}
    - {from: refused, to: draft, guard: "caller.id = 'root'"}
actions:
  - name: agree
    pattern: state_machine/transition
    requires: "caller.can_agree"
    steps:
      - notify: people "Leave of {person.name} is agreed"
  - name: refuse
    pattern: guarded_transition
    requires: "caller.id IS DISTINCT FROM person.name"
    guard: "reason <> ''"
    params: {reason: text}
    steps:
      - if: "reason = 'secret'"
        then:
          - return:
      - update: Leave SET remark = reason || ', was ' || leave.state
  - name: on_leave
    on: update Leave.state
    steps:
      - insert: Trail SET leave = id, step = old.state || ' ' || new.state
  - name: on_wanted
    on: event ask_wanted
    on_error: abort
    steps:
      - ask: "ask(leave_id)"
---
entity: Trail
schema: hr
fields:
  leave: ref(Leave)
  step: text
$$ AS spec \gset
\echo # what is made
SELECT * FROM pg_temp.applied(:'spec');
\sf hr.agree
\sf hr.refuse
\sf hr.refuse_leave_state
SELECT pg_get_triggerdef(oid, true) FROM pg_trigger WHERE tgrelid = 'hr.leave'::regclass AND tgname ~ 'state' ORDER BY 1;
\echo # what it says of itself
SELECT name, resolved_to FROM specql.explain(:'spec') WHERE action = 'hr.Leave' OR name = 'requires' OR (action = 'hr.ask' AND rule <> 'column of a row the event leads to');
SELECT * FROM regexp_split_to_table(specql.graph(), '\n') AS line WHERE line ~ 'leave (draft|refused)|n4 --|n7 --';

\echo # new rows
INSERT INTO hr.person (name) VALUES ('ada'), ('bob');
INSERT INTO hr.leave (person_id, days) SELECT id, CASE name WHEN 'ada' THEN 3 ELSE 0 END FROM hr.person;
SELECT state, count(*) FROM hr.leave GROUP BY 1;
INSERT INTO hr.leave (days, state) VALUES (1, 'agreed');
INSERT INTO hr.leave (days, state) VALUES (1, NULL);
INSERT INTO hr.leave (days, state) VALUES (1, 'lost');
INSERT INTO hr.leave (id, days, state) SELECT id, 5, 'agreed' FROM hr.leave WHERE days = 3 ON CONFLICT (id) DO UPDATE SET remark = 'there';
\echo # changes
UPDATE hr.leave SET state = 'agreed';
UPDATE hr.leave SET state = 'asked' WHERE days = 0;
UPDATE hr.leave SET state = 'asked', remark = 'changed' WHERE days = 3;
UPDATE hr.leave SET state = NULL WHERE days = 3;
UPDATE hr.leave SET days = days, state = 'draft';
SELECT days, state, remark FROM hr.leave ORDER BY 1;
\echo # functions
SELECT hr.ask(id) FROM hr.leave WHERE days = 3;
SELECT hr.ask(id) FROM hr.leave WHERE days = 3;
SELECT hr.ask(id) FROM hr.leave WHERE days = 0;
SELECT hr.ask(NULL);
GRANT USAGE ON SCHEMA hr TO states_clerk;
SET ROLE states_clerk;
SELECT hr.agree(NULL);
RESET ROLE;
GRANT EXECUTE ON FUNCTION hr.agree TO states_clerk;
SET ROLE states_clerk;
SELECT hr.agree(NULL);
SET specql.caller = '{"can_agree": "yes"}';
SELECT hr.agree(NULL);
RESET ROLE;
SET specql.caller = '{"can_agree": true}';
SELECT hr.agree(id) FROM hr.leave WHERE days = 3;
SELECT kind, payload ? 'leave_id' FROM specql.deliveries;
SET specql.caller = '{"id": "ada"}';
SELECT hr.refuse(id, 'no') FROM hr.leave WHERE days = 3;
RESET specql.caller;
SELECT hr.refuse(id, '') FROM hr.leave WHERE days = 3;
SELECT hr.refuse(id, 'no') FROM hr.leave WHERE days = 3;
SELECT state, remark FROM hr.leave WHERE days = 3;
UPDATE hr.leave SET state = 'draft' WHERE days = 3;
SET specql.caller = '{"id": "root"}';
UPDATE hr.leave SET state = 'draft', remark = NULL WHERE days = 3;
RESET specql.caller;
SELECT specql.emit('ask_wanted', jsonb_build_object('leave_id', id)) IS NOT NULL FROM hr.leave WHERE days = 3;
SELECT specql.emit('ask_wanted', jsonb_build_object('leave_id', id)) IS NOT NULL FROM hr.leave WHERE days = 3;
SELECT hr.refuse(id, 'secret') FROM hr.leave WHERE days = 3;
SELECT state, remark FROM hr.leave WHERE days = 3;
SELECT step FROM hr.trail ORDER BY id;
\echo # roles
GRANT can_agree TO states_clerk;
SET ROLE states_clerk;
SELECT hr.agree(NULL);
SELECT specql.caller_has('can_agree'), specql.caller_has('can_fly');
RESET ROLE;

\echo # states as events, also in a correlation that filters
SELECT * FROM pg_temp.applied($$
schema: hr
actions:
  - name: on_long_leave
    trigger: leave_agreed
    condition: "days > 5"
    steps:
      - insert: Trail SET leave = id, step = 'long, was ' || coalesce(old.state, 'none')
  - name: on_agreed_and_refused
    triggers: [leave_agreed, leave_refused]
    correlation_window: "1 hour"
    correlate_by: id
    condition: "leave_agreed FILTER (WHERE days > 5) AND leave_refused"
    params: {id: uuid}
    steps:
      - insert: Trail SET leave = id, step = 'agreed and refused'
$$);
SELECT name, resolved_to FROM specql.explain($$
schema: hr
actions:
  - name: on_long_leave
    trigger: leave_agreed
    steps:
      - notify: people "agreed"
$$) WHERE name = 'leave_agreed';
CREATE ROLE states_boss SUPERUSER;
SET ROLE states_boss;
SET specql.caller = '{"id": "eve"}';
INSERT INTO hr.leave (days) VALUES (7), (2);
SELECT hr.ask(id) FROM hr.leave WHERE state = 'draft' AND days IN (7, 2);
SELECT hr.agree(id) FROM hr.leave WHERE state = 'asked';
SELECT hr.refuse(id, 'no') FROM hr.leave WHERE state = 'agreed';
RESET specql.caller;
RESET ROLE;
SELECT specql.drain() > 0;
SELECT l.days, t.step FROM hr.trail AS t JOIN hr.leave AS l ON l.id = t.leave_id WHERE step ~ 'long|and' ORDER BY 1, 2;
SELECT count(*) > 0 FROM specql.remove('hr.on_long_leave', 'hr.on_agreed_and_refused');

\echo # the text is changed: a state more, a transition less
SELECT * FROM pg_temp.applied(:'spec');
SELECT replace(replace(:'spec', 'agreed, refused)', 'agreed, refused, taken)'),
    '{from: refused, to: draft, guard: "caller.id = ''root''"}', '{from: agreed, to: taken}') AS spec2 \gset
SELECT * FROM pg_temp.applied(:'spec2');
UPDATE hr.leave SET state = 'draft' WHERE state = 'refused';
\echo # a state that goes
SELECT replace(replace(:'spec2', 'agreed, refused, taken)', 'agreed, taken)'),
    '{from: [asked, agreed], to: refused, on: refuse}', '{from: asked, to: draft, on: refuse}') AS spec3 \gset
SELECT * FROM pg_temp.applied(:'spec3');
SELECT * FROM pg_temp.applied(:'spec3', true);
\echo # a state that has another name
SELECT replace(replace(:'spec2', 'enum(draft, asked, agreed, refused, taken)',
    '{type: "enum(draft, asked, agreed, rejected, taken)", renamed_values: {rejected: refused}}'), 'to: refused', 'to: rejected') AS spec4 \gset
SELECT * FROM pg_temp.applied(:'spec4');
SELECT state FROM hr.leave WHERE days = 3;
UPDATE hr.leave SET state = 'asked' WHERE days = 3;
\echo # no states any more
SELECT * FROM pg_temp.applied(regexp_replace(regexp_replace(:'spec4', '\nstates:.*?\nactions:', E'\nactions:'),
    '  - name: agree.*  - name: on_leave', '  - name: on_leave'));
SELECT * FROM pg_temp.applied(regexp_replace(regexp_replace(regexp_replace(:'spec4', '\nstates:.*?\nactions:', E'\nactions:'),
    '  - name: agree.*  - name: on_leave', '  - name: on_leave'), '  - name: on_wanted.*?\n---', E'---'));
UPDATE hr.leave SET state = 'asked' WHERE days = 3;

\echo # several targets of one function, the field by its name, a key of another type, no states
SELECT * FROM pg_temp.applied($$
entity: Ticket
schema: desk
fields:
  id: integer!
  status: enum(open, closed)
  phase: enum(new, first, second, done) = 'new'
states:
  field: phase
  transitions:
    - {from: new, to: first, on: advance}
    - {from: first, to: second, on: advance}
    - {from: second, to: done, on: advance}
$$);
INSERT INTO desk.ticket VALUES (7);
SELECT desk.advance(7), desk.advance(7), desk.advance(7);
SELECT desk.advance(7);
SELECT * FROM pg_temp.applied($$
entity: Order
schema: desk
fields:
  status: enum(open, paid) = 'open'
  amount: integer
actions:
  - name: pay
    pattern: state_machine/transition
    trigger: order_amount_changed
    from_states: [open]
    to_state: paid
$$);
INSERT INTO desk."order" (amount) VALUES (1);
UPDATE desk."order" SET amount = 2;
SELECT status FROM desk."order";
UPDATE desk."order" SET status = 'open';
SELECT problem FROM specql.drift();
-- A step of a transition means the row that its row refers to, and asks for no key of it.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Account
schema: st_ref
fields: {balance: integer = 10}
---
entity: Bill
schema: st_ref
fields:
  account: ref(Account)
  amount: integer
  state: enum(open, paid)!
states:
  initial: open
  transitions:
    - {from: open, to: paid, on: pay}
actions:
  - name: pay
    pattern: state_machine/transition
    guard: "account.balance >= amount"
    steps:
      - update: Account SET balance = balance - amount
$$);
SELECT pg_get_function_arguments('st_ref.pay'::regproc);
INSERT INTO st_ref.account (balance) VALUES (10), (20);
INSERT INTO st_ref.bill (account_id, amount) SELECT id, 7 FROM st_ref.account WHERE balance = 10;
SELECT st_ref.pay(id) FROM st_ref.bill;
SELECT balance FROM st_ref.account ORDER BY 1;
SELECT count(*) FROM specql.drift();
DROP SCHEMA hr, desk, st_ref CASCADE;
DROP EXTENSION specql;
DROP ROLE states_clerk, states_boss, can_agree;
