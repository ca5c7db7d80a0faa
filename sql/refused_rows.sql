-- Which of a statement's rows a `validate:` has refused, and who is told its key.
\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS till CASCADE;
DROP ROLE IF EXISTS specql_test_blind, specql_test_clerk;
CREATE EXTENSION IF NOT EXISTS specql;
CREATE ROLE specql_test_blind;
CREATE ROLE specql_test_clerk;
\set ECHO all
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE SCHEMA till;
CREATE TABLE till.receipt (number integer PRIMARY KEY, total integer, note text);
CREATE TABLE till.loose (amount integer);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: receipt
schema: till
fields: {number: integer, total: integer, note: text}
actions:
  - name: sums
    on: update receipt.total
    steps:
      - validate: "total > 0"
    on_error: abort
  - name: notes
    trigger: note_changed
    steps:
      - validate: "note <> 'bad'"
        error: no such note
$$);
INSERT INTO till.receipt (number, total) SELECT i, i FROM generate_series(1, 10) AS i;
UPDATE till.receipt SET total = total - 7;
UPDATE till.receipt SET total = abs(total - 7);

-- The warning is for whoever types; the failure says which row.
UPDATE till.receipt SET note = 'bad' WHERE number = 4;
SELECT subject, message, detail FROM specql.failures;
SELECT specql.retry(id) FROM specql.failures;
SELECT subject, message, detail FROM specql.failures;

-- A session that changes rows that it cannot read is not told their keys.
GRANT USAGE ON SCHEMA till TO specql_test_blind, specql_test_clerk;
GRANT UPDATE (total) ON till.receipt TO specql_test_blind;
GRANT SELECT, UPDATE ON till.receipt TO specql_test_clerk;
SET ROLE specql_test_blind;
UPDATE till.receipt SET total = 0;
SET ROLE specql_test_clerk;
UPDATE till.receipt SET total = 0;
RESET ROLE;
ALTER TABLE till.receipt ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON till.receipt USING (true);
SET ROLE specql_test_clerk;
UPDATE till.receipt SET total = 0;
RESET ROLE;

-- A table without a key.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: loose
schema: till
fields: {amount: integer}
actions:
  - name: amounts
    on: insert loose
    steps: [{validate: "amount > 0"}]
    on_error: abort
$$);
INSERT INTO till.loose VALUES (1), (0);

\set ECHO none
SET client_min_messages = warning;
DROP SCHEMA till CASCADE;
DROP ROLE specql_test_blind, specql_test_clerk;
