-- What refers to each other: who is referred to stays, what is removed leaves its table as it is, and no name moves elsewhere.
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all

SELECT $$
entity: Agent
schema: ta
fields: {name: text!, open: integer = 0}
---
entity: Desk
schema: ta
fields: {place: text}
---
entity: Ticket
schema: ta
fields:
  agent: ref(Agent)
  code: text
  state: enum(new, done) = 'new'
  note: {type: text, check: "note <> ''"}
indexes: [{columns: [code], unique: true, name: ticket_code}]
actions:
  - name: on_ticket
    on: insert Ticket
    steps:
      - update: Agent SET open = open + 1 WHERE id = agent
  - name: on_done
    on: update Ticket.state
    conditions:
      - if: "name <> ''"
        then:
          - notify: desk "done"
---
schema: ta
actions:
  - name: on_agent
    on: insert Agent
    steps:
      - notify: desk "a new agent"
  - name: many_agents
    trigger: crowd
    condition: "COUNT(agent_created) >= 3 WITHIN 1 hour"
    steps:
      - notify: desk "a crowd"
  - name: everything
    trigger: any_ta_change
    steps:
      - append: Journal SET
          at: "event_time"
  - name: give_back
    pattern: batch/bulk_operation
    operation: update
    params: {agent_id: uuid}
    steps:
      - update: Ticket SET note = 'given back' WHERE agent = agent_id
  - name: on_leave
    trigger: agent_left
    params: {agent_id: uuid}
    steps:
      - give_back: "give_back(agent_id)"
$$ AS ta \gset
-- The same names in another schema: they are never what ta means.
\set tb 'entity: Agent\nschema: tb\nfields: {name: text, open: integer}\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'tb');
SELECT count(*) > 0 AS made FROM specql.apply(:'ta');

\set VERBOSITY default
SELECT * FROM specql.remove('ta.Agent');
SELECT * FROM specql.remove('ta.Agent', drop_table => true);
SELECT * FROM specql.remove('give_back');
SELECT * FROM specql.remove('ta.Ticket', 'on_leave');
\set VERBOSITY terse
SELECT * FROM specql.drift();

-- A circle goes at once; tables keep what guards them, rows and all.
INSERT INTO ta.agent (name) VALUES ('Ada');
INSERT INTO ta.ticket (agent_id, code) SELECT id, 'a' FROM ta.agent;
SELECT name, open FROM ta.agent;
SELECT * FROM specql.remove('ta.Agent', 'ta.Ticket', 'on_agent', 'many_agents', 'give_back', 'on_leave')
WHERE kind <> 'function';
INSERT INTO ta.desk (place) VALUES ('here');
SELECT count(*) AS journal FROM ta.journal;
SELECT conname, contype FROM pg_constraint WHERE conrelid IN ('ta.ticket'::regclass, 'ta.agent'::regclass) AND contype <> 'n' ORDER BY 1;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'ta.ticket'::regclass ORDER BY 1::text;
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid IN ('ta.ticket'::regclass, 'ta.agent'::regclass) AND NOT tgisinternal;
INSERT INTO ta.ticket (code) VALUES ('a');
SELECT * FROM specql.drift();

-- The table that is left is what its schema means by its name, and not tb.Agent.
\set visit 'entity: Visit\nschema: ta\nfields: {agent: ref(Agent)}\nactions:\n  - name: on_visit\n    on: insert Visit\n    steps:\n      - update: Agent SET open = open + 10 WHERE id = agent\n  - name: on_new\n    trigger: agent_created\n    steps:\n      - notify: desk "new"\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'visit');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ta.visit'::regclass AND contype = 'f';
SELECT name, resolved_to FROM specql.explain(:'visit') WHERE name LIKE '%agent%';
INSERT INTO ta.visit (agent_id) SELECT id FROM ta.agent;
SELECT name, open FROM ta.agent;
SELECT count(*) > 0 AS gone FROM specql.remove('Visit', drop_table => true);

-- Applied again they find what was left, and change nothing of it.
SELECT action, kind, object FROM specql.apply(:'ta') WHERE kind IN ('table', 'constraint', 'index');
SELECT DISTINCT action FROM specql.apply(:'ta');
SELECT * FROM specql.drift();

-- With a table of that schema no name leads to another schema's, applied or rolled back.
SELECT count(*) > 0 AS changed FROM specql.apply(replace(:'ta', 'note: {', 'remark: text' || E'\n' || '  note: {'));
SELECT count(*) > 0 AS back FROM specql.rollback('ta.Ticket', 1, true);
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ta.ticket'::regclass AND contype = 'f';

-- What would mean something else is refused too: the key of an event that only the other action gives it.
SELECT $$
entity: Till
schema: ta
fields: {amount: integer}
actions:
  - name: on_till
    on: insert Till
    steps:
      - emit: till_counted SET
          till_id: "id"
          amount: "'much'"
---
entity: Counted
schema: ta
fields: {what: text}
actions:
  - name: on_counted
    trigger: till_counted
    steps:
      - insert: Counted SET
          what: "amount"
$$ AS till \gset
SELECT count(*) > 0 AS made FROM specql.apply(:'till');
\set VERBOSITY default
SELECT * FROM specql.remove('Till');
\set VERBOSITY terse
SELECT count(*) > 0 AS gone FROM specql.remove(true, 'Till', 'Counted');
SELECT to_regclass('ta.till') IS NULL AND to_regclass('ta.counted') IS NULL AS gone;

-- All of a schema, but no other schema's.
\set user 'schema: tb\nactions:\n  - name: on_seen\n    on: insert ta.Ticket\n    steps:\n      - notify: desk "seen"\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'user');
\set VERBOSITY default
SELECT * FROM specql.remove_schema('ta');
SELECT * FROM specql.remove_schema('tc');
\set VERBOSITY terse
SELECT count(*) > 0 AS gone FROM specql.remove('tb.on_seen');
SELECT action, kind, count(*) FROM specql.remove_schema('ta') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS rows_kept FROM ta.ticket;
SELECT kind, schema, name FROM specql.unit ORDER BY 1, 2, 3;
SELECT count(*) > 0 AS made FROM specql.apply(:'ta');
SELECT action, kind, count(*) FROM specql.remove_schema('ta', drop_tables => true) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS relations FROM pg_class WHERE relnamespace = 'ta'::regnamespace;
SELECT kind, object FROM specql.drift();
SELECT kind, identity FROM specql.object ORDER BY 1, 2;
SELECT text FROM specql.spec ORDER BY id DESC LIMIT 1;
-- Nothing, the same twice, and what there is none of.
SELECT count(*) FROM specql.remove(VARIADIC '{}'::text[]);
SELECT action, kind, object FROM specql.remove('Agent', 'tb.Agent');
SELECT * FROM specql.remove('Agent', 'Nobody');

-- A rule that its spec disables is as it should be; one that somebody enabled is not.
SELECT count(*) > 0 AS made FROM specql.apply(E'entity: Bell\nschema: ta\nfields: {rung: integer}\nactions:\n  - name: on_bell\n    on: update Bell.rung\n    enabled: false\n    steps:\n      - notify: desk "rung"\n');
SELECT * FROM specql.drift();
ALTER TABLE ta.bell ENABLE TRIGGER bell_trigger;
SELECT * FROM specql.drift();
ALTER TABLE ta.bell DISABLE TRIGGER bell_trigger;
SELECT count(*) AS enabled FROM specql.apply(replace(specql.export('Bell'), 'false', 'true'));
SELECT * FROM specql.drift();
ALTER TABLE ta.bell DISABLE TRIGGER bell_trigger;
SELECT * FROM specql.drift();
SELECT action, kind, object FROM specql.remove(drop_tables => true, VARIADIC names => ARRAY['Bell', 'ta.Bell']) WHERE kind = 'table';

-- A table that was dropped by hand: its namesake in another schema does not take its place, not even when something else is applied.
CREATE TABLE ta.clerk (id uuid PRIMARY KEY, done integer DEFAULT 0);
\set desk 'entity: Counter\nschema: ta\nfields: {clerk: ref(Clerk)}\nactions:\n  - name: on_counter\n    on: insert Counter\n    steps:\n      - update: Clerk SET done = done + 1 WHERE id = clerk\n'
SELECT count(*) > 0 AS made FROM specql.apply(:'desk');
SELECT count(*) > 0 AS made FROM specql.apply(E'entity: Clerk\nschema: tb\nfields: {done: integer}\n');
DROP TABLE ta.clerk CASCADE;
SELECT action, kind, object FROM specql.apply(E'entity: Chair\nschema: tb\nfields: {legs: integer}\n');
SELECT prosrc ~ 'ta.clerk' AS as_it_was FROM pg_proc WHERE proname = 'trigger_counter_events';
SELECT code, line, col, message, hint FROM specql.validate(:'desk');
-- What a description or a longer name says of it is not what the sentence says.
SELECT code, line FROM specql.validate(replace(:'desk', 'fields:', E'description: |\n  later perhaps tb.Clerk\nfields:'));
SELECT code, line FROM specql.validate(replace(:'desk', 'update: Clerk', E'notify: x "tb.Clerks"\n      - update: Clerk'));
SELECT action, kind, object FROM specql.apply(replace(:'desk', 'Clerk', 'tb.Clerk')) WHERE kind IN ('constraint', 'function');
