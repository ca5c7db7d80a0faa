-- Operators and functions of types whose extension stands in a schema of its own.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE SCHEMA extensions;
CREATE EXTENSION citext SCHEMA extensions;
CREATE EXTENSION hstore SCHEMA extensions;
CREATE EXTENSION ltree SCHEMA public;
CREATE SCHEMA s;
CREATE TABLE s.u (id integer PRIMARY KEY, email extensions.citext, tags extensions.hstore, path public.ltree, hit integer DEFAULT 0, b extensions.citext);
\set ECHO all
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: U
schema: s
fields: {id: integer!, email: extensions.citext, tags: extensions.hstore, path: public.ltree, hit: integer = 0, b: extensions.citext}
actions:
  - name: a
    on: insert U
    condition: email = 'Bob'
    steps:
      - update: U SET hit = hit + 1
  - name: b
    on: insert U
    condition: email IN ('Bob', 'Al') AND email NOT IN ('x', 'y' || 'z') AND NOT email != 'bob'
    steps:
      - update: U SET hit = hit + 10
  - name: c
    on: insert U
    condition: tags ? 'a' AND (tags -> 'a') = '1' AND tags @> 'a=>1'
    steps:
      - update: U SET hit = hit + 100 WHERE id = new.id AND target.email = 'bob'
  - name: d
    on: insert U
    condition: path <@ 'a.b' AND email LIKE 'b%' AND email NOT LIKE 'x%' AND email ~ '^B'
    steps:
      - update: U SET hit = hit + 1000
  - name: e
    on: update U.email
    steps:
      - update: U SET hit = hit + 10000
  - name: f
    on: update U.tags
    steps:
      - update: U SET hit = hit + 100000
  - name: g
    on: insert U
    condition: email = ANY (ARRAY['BOB','x']::extensions.citext[]) AND exist(tags, 'a') AND (tags || 'c=>d') ? 'c' AND b = (email || 'x')
    steps:
      - update: U SET hit = hit + 1000000
$$, adopt => true);
INSERT INTO s.u VALUES (1, 'BOB', 'a=>1', 'a.b.c', 0, 'bobX');
-- A digit for each rule: all but those on updates.
SELECT id, hit FROM s.u;
-- The bytes of the text change, and those of the hstore; then nothing does.
UPDATE s.u SET email = 'bob';
UPDATE s.u SET email = 'bob';
UPDATE s.u SET tags = 'a=>1,b=>2';
UPDATE s.u SET tags = 'b=>2,a=>1';
SELECT type, count(*) FROM specql.events GROUP BY type ORDER BY type;
SELECT id, hit FROM s.u;
SELECT count(*) FROM specql.failures;
\sf s.b_capture
\sf s.trigger_c_events
-- Applied again, nothing is changed, and the handlers are sound.
SELECT count(*) FROM specql.plan((SELECT text FROM specql.spec ORDER BY id DESC LIMIT 1), adopt => true) WHERE action <> 'unchanged';
-- What cannot name a schema is refused; it compared the texts.
SELECT line, col, code, message, hint FROM specql.validate($$
entity: V
schema: v
fields: {email: extensions.citext, path: public.ltree}
actions:
  - name: a
    on: update V
    condition: old.email IS DISTINCT FROM new.email
    steps:
      - notify: x "1"
  - name: b
    on: update V
    condition: email BETWEEN 'a' AND 'b'
    steps:
      - notify: x "1"
  - name: c
    on: update V
    condition: email LIKE 'a!%' ESCAPE '!'
    steps:
      - notify: x "1"
  - name: d
    on: update V
    condition: "CASE email WHEN 'a' THEN true ELSE nullif(email, 'b') IS NULL END"
    steps:
      - notify: x "1"
  - name: e
    on: update V
    condition: path = path || 'x'
    steps:
      - notify: x "1"
  - name: f
    on: update V
    condition: path = (path || 'x') AND email = 'a' AND NOT email <> 'a'
    steps:
      - notify: x "1"
$$);
-- Of an IN with columns of other types PostgreSQL compares each element as that is; of rows each column.
SELECT line, col, code, message, hint FROM specql.validate($$
entity: V
schema: v
fields: {email: extensions.citext, name: text, b: extensions.citext}
actions:
  - name: a
    on: update V
    condition: email IN (name, 'Bob')
    steps:
      - notify: x "1"
  - name: b
    on: update V
    condition: "'Bob' NOT IN (email, name)"
    steps:
      - notify: x "1"
  - name: c
    on: update V
    condition: (name, email) = ('bob', 'Bob')
    steps:
      - notify: x "1"
  - name: d
    on: update V
    condition: (email, name) IN (('Bob', 'bob'))
    steps:
      - notify: x "1"
  - name: e
    on: update V
    condition: email IN (b, 'Bob') AND name IN (name, 'x') AND name = email
    steps:
      - notify: x "1"
$$);
-- An operator can stand right at a name.
SELECT count(*) FROM specql.validate($$
entity: V
schema: v
fields: {email: extensions.citext, name: text, b: extensions.citext}
actions:
  - name: a
    on: update V
    condition: new.email<>'a'AND"email"!='b'AND'c'=email
    steps:
      - notify: x "1"
$$);
-- A type that an extension has in a schema that is not searched; what nobody has gets no such hint.
SELECT line, col, code, message, hint FROM specql.validate($$
entity: W
schema: v
fields: {email: citext, tags: "list(hstore)", more: public.citext, path: ltree, other: nobodys}
actions:
  - name: a
    on: update W
    condition: "'b'::citext = 'B' AND 'c'::nobodys IS NULL"
    steps:
      - notify: x "1"
---
entity: X
schema: v
fields: {email: text}
actions:
  - name: b
    on: update X
    condition: "email::citext = 'B'"
    steps:
      - notify: x "1"
$$);
DROP SCHEMA s CASCADE;
\set ECHO none
DROP EXTENSION citext, hstore, ltree;
DROP SCHEMA extensions;
DROP EXTENSION specql CASCADE;
