-- Existing tables, changed specs, and what is refused.
CREATE EXTENSION IF NOT EXISTS specql;
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on

-- A table that specql did not make is adopted when it fits: nothing of it changes.
CREATE SCHEMA crm;
CREATE TABLE crm.account (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name varchar(80), balance bigint, extra text);
SELECT action, kind, object FROM specql.apply($$
entity: Account
schema: crm
fields:
  name: text
  balance: integer
actions:
  - name: on_balance
    on: update Account.balance
    steps:
      - notify: finance "balance changed"
$$);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'crm.account'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO crm.account (name, balance) VALUES ('a', 1);
UPDATE crm.account SET balance = 2;
SELECT kind, channel, message, payload #>> '{new,balance}' FROM specql.deliveries WHERE action = 'crm.on_balance';
-- What the spec does not name stays the owner's, also when the spec grows.
SELECT action, kind, object FROM specql.apply(E'entity: Account\nschema: crm\nfields: {name: text, balance: integer, extra: text}\n', allow_destructive => true);
SELECT count(*) FROM pg_attribute WHERE attrelid = 'crm.account'::regclass AND attnum > 0 AND NOT attisdropped;

-- One that does not fit is reported in full and not touched.
CREATE TABLE crm.lead (id uuid PRIMARY KEY, name integer, note text);
SELECT severity, code, line, col, message, hint FROM specql.validate(E'entity: Lead\nschema: crm\nfields:\n  name: text\n  score: integer\n  note: text\n');
SELECT * FROM specql.apply(E'entity: Lead\nschema: crm\nfields:\n  name: text\n  score: integer\n  note: text\n');
-- Missing columns are added when the caller says so; a type that differs still is not.
SELECT action, object FROM specql.apply(E'entity: Lead\nschema: crm\nfields:\n  score: integer\n  note: text\n', adopt => true);
SELECT attname FROM pg_attribute WHERE attrelid = 'crm.lead'::regclass AND attnum > 0 ORDER BY attnum;
CREATE VIEW crm.report AS SELECT 1 AS x;
SELECT code, message FROM specql.validate(E'entity: Report\nschema: crm\nfields: {x: integer}\n');

-- A new field of an applied entity is a new column; one that goes would take its data with it.
SELECT action, kind, object FROM specql.apply(E'entity: Ticket\nschema: crm\nfields: {title: text, state: text}\n');
SELECT step, action, kind, object, destructive, sql FROM specql.plan(E'entity: Ticket\nschema: crm\nfields: {title: text, state: text, owner: text}\n');
SELECT action, kind, object FROM specql.apply(E'entity: Ticket\nschema: crm\nfields: {title: text, state: text, owner: text}\n');
ALTER TABLE crm.ticket ADD COLUMN by_hand text;
SELECT code, message, hint FROM specql.validate(E'entity: Ticket\nschema: crm\nfields: {title: text, owner: text}\n');
SELECT action, destructive, sql FROM specql.plan(E'entity: Ticket\nschema: crm\nfields: {title: text, owner: text}\n', allow_destructive => true) WHERE action <> 'unchanged';
SELECT code, message, hint FROM specql.validate(E'entity: Ticket\nschema: crm\nfields: {title: text, state: integer, owner: text}\n');

-- Rules can be changed and taken away.
SELECT action, kind, object FROM specql.apply(E'schema: crm\nactions:\n  - name: on_owner\n    on: update Ticket.owner\n    steps:\n      - notify: desk "owner changed"\n');
SELECT action, kind, object FROM specql.apply(E'schema: crm\nactions:\n  - name: on_owner\n    on: update Ticket.owner\n    conditions:\n      - if: "new_owner IS NOT NULL"\n        then:\n          - notify: desk "owner set"\n') ;
INSERT INTO crm.ticket (title, owner) VALUES ('t', 'x');
UPDATE crm.ticket SET owner = 'y';
UPDATE crm.ticket SET owner = NULL;
SELECT message FROM specql.deliveries WHERE action = 'crm.on_owner';

-- A custom event becomes a row event once its entity exists.
SELECT action, kind, object, detail FROM specql.apply(E'schema: crm\nactions:\n  - name: on_visit\n    trigger: visit_created\n    steps:\n      - notify: door "somebody came"\n');
SELECT specql.emit('visit_created', '{}') IS NOT NULL;
SELECT action, kind, object, detail FROM specql.apply(E'entity: Visit\nschema: crm\nfields: {who: text}\n');
INSERT INTO crm.visit (who) VALUES ('somebody');
SELECT specql.emit('visit_created', '{}') IS NOT NULL;
SELECT count(*) FROM specql.deliveries WHERE action = 'crm.on_visit';

-- Something of that name that specql does not own is never overwritten.
CREATE FUNCTION crm.trigger_title_events() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT code, line, message, hint FROM specql.validate(E'schema: crm\nactions:\n  - name: on_title\n    on: update Ticket.title\n    steps:\n      - notify: desk "title"\n');

-- Rules that set each other off are seen before they run.
SELECT severity, code, message FROM specql.validate($$
entity: Ping
schema: crm
fields: {n: integer}
actions:
  - name: on_ping
    on: insert Ping
    steps:
      - insert: Pong SET
          n: "n"
---
entity: Pong
schema: crm
fields: {n: integer}
actions:
  - name: on_pong
    on: insert Pong
    steps:
      - insert: Ping SET
          n: "n"
$$);
-- Not where a condition ends it.
SELECT severity, code, message FROM specql.validate($$
entity: Job
schema: crm
fields: {state: "enum(new, done)"}
actions:
  - name: on_job
    on: update Job
    conditions:
      - if: "state = 'new'"
        then:
          - update: Job SET state = 'done'
$$);
-- A table with rules is altered like any other: rewritten, a column renamed (conditions follow).
ALTER TABLE crm.ticket ADD COLUMN seen timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE crm.ticket ALTER COLUMN title TYPE varchar(40);
ALTER TABLE crm.ticket RENAME COLUMN owner TO holder;
UPDATE crm.ticket SET holder = 'z';
SELECT message FROM specql.deliveries WHERE action = 'crm.on_owner';
SELECT count(*) FROM specql.failures;

-- Generated functions see pg_catalog only: another operator is named with its schema, by specql or by the spec.
CREATE FUNCTION public.crm_near(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN abs($1 - $2) < 3;
CREATE OPERATOR public.<~> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.crm_near);
SELECT code, line, col, message, hint FROM specql.validate(E'entity: Gauge\nschema: crm\nfields: {a: integer, b: integer}\nactions:\n  - name: on_a\n    on: update Gauge.a\n    conditions:\n      - if: "a <~> b"\n        then:\n          - notify: x "near"\n');
SELECT action, kind, object FROM specql.apply(E'entity: Gauge\nschema: crm\nfields: {a: integer, b: integer}\nactions:\n  - name: on_a\n    on: update Gauge.a\n    conditions:\n      - if: "a OPERATOR(public.<~>) b AND public.crm_near(a, b) AND crm_near(b, a)"\n        then:\n          - notify: x "near"\n');
INSERT INTO crm.gauge (a, b) VALUES (1, 2);
UPDATE crm.gauge SET a = 3;
SELECT count(*) FROM specql.deliveries WHERE action = 'crm.on_a';
DROP SCHEMA crm CASCADE;
DROP OPERATOR public.<~> (integer, integer);
DROP FUNCTION public.crm_near(integer, integer);
