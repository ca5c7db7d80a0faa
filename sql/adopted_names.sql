-- Tables that were there before, with columns that need quotes and columns that PostgreSQL computes.
CREATE EXTENSION specql;
CREATE SCHEMA mx;
CREATE TABLE mx.bar ("Id" int PRIMARY KEY, "camelCase" int, "default" text, plain_name int,
                     computed int GENERATED ALWAYS AS (plain_name * 2) STORED);
INSERT INTO mx.bar VALUES (1, 1, 'x', 1);
CREATE TABLE mx.noted (id uuid PRIMARY KEY, what text, "howMany" int);

-- Declared: its fields go by the names that the columns have.
SELECT action, kind, object FROM specql.apply($$
entity: Bar
schema: mx
fields:
  camelCase: integer
  default: text
  plainName: integer
  computed: integer
actions:
  - name: on_camel
    on: update Bar.camelCase
    condition: "\"camelCase\" > 1 and old.\"camelCase\" < 5"
    on_error: abort
    steps:
      - update: Bar SET "default" = 'y', plain_name = "camelCase"
      - insert: Noted SET id = gen_random_uuid(), what = "default", "howMany" = bar."camelCase"
$$) WHERE kind = 'trigger';
UPDATE mx.bar SET "camelCase" = 3;
SELECT * FROM mx.bar;
SELECT what, "howMany" FROM mx.noted;

-- Not declared.
SELECT count(*) FROM specql.apply($$
schema: mx
actions:
  - name: on_how_many
    on: update Noted."howMany"
    on_error: abort
    steps:
      - update: Noted SET what = 'changed' WHERE "howMany" = 7
$$);
UPDATE mx.noted SET "howMany" = 7;
SELECT what, "howMany" FROM mx.noted;

-- What PostgreSQL computes cannot be set.
SELECT code, line, col, message, hint FROM specql.validate($$
schema: mx
actions:
  - name: a
    on: insert Noted
    steps:
      - update: Bar SET computed = 3 WHERE true
      - insert: Bar SET "Id" = 3, computed = 3, "Default" = 'x'
$$);
SELECT code, line, col, message, hint FROM specql.validate($$
entity: Bar
schema: mx
fields: {computed: integer}
actions:
  - name: a
    on: insert Noted
    steps:
      - update: Bar SET computed = 3 WHERE true
$$);
SELECT code, message FROM specql.validate($$
entity: T
fields:
  a: list()
  b: list(list(integer))
  c: list(list(list(list(list(list(list(integer)))))))
$$);
SELECT sql FROM specql.plan($$
entity: T
fields:
  c: list(timestamp(2))
  d: datetime(3)
  e: timestamp
$$) WHERE kind = 'table';
DROP EXTENSION specql CASCADE;
