-- What was dropped by hand: a table that is made again is empty, and a schema of others stays gone.
\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS specql CASCADE;
DROP SCHEMA IF EXISTS gone, gone_made, kept CASCADE;
DROP ROLE IF EXISTS specql_test_first, specql_test_second;
CREATE EXTENSION specql;
CREATE ROLE specql_test_first;
CREATE ROLE specql_test_second;
GRANT specql_admin TO specql_test_first, specql_test_second;
SELECT format('GRANT CREATE ON DATABASE %I TO specql_test_first', current_database()) \gexec
CREATE SCHEMA gone AUTHORIZATION specql_test_first;
CREATE SCHEMA kept AUTHORIZATION specql_test_second;
\set ECHO all
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET ROLE specql_test_first;
SELECT count(*) > 0 FROM specql.apply($$
entity: Parcel
schema: gone
fields: {weight: integer}
actions:
  - {name: on_weight, on: update Parcel.weight, steps: [{notify: scales "weighed"}]}
---
entity: Box
schema: gone_made
fields: {weight: integer}
$$);
INSERT INTO gone.parcel (weight) VALUES (1);
DROP TABLE gone.parcel;
SELECT object, problem FROM specql.drift() WHERE kind = 'table';
SELECT severity, code, line, col FROM specql.validate(specql.export('gone.Parcel'));
SELECT action, kind, object FROM specql.apply(specql.export('gone.Parcel')) WHERE kind = 'table';
SELECT count(*) FROM gone.parcel;
-- Nothing is gone now, and nothing is said.
SELECT DISTINCT action FROM specql.apply(specql.export('gone.Parcel'));

-- Schemas with what is in force in them.
DROP SCHEMA gone, gone_made CASCADE;
SET ROLE specql_test_second;
SELECT action, kind, object FROM specql.apply(E'entity: Crate\nschema: kept\nfields: {size: integer}\n');
SELECT DISTINCT action FROM specql.apply(E'entity: Crate\nschema: kept\nfields: {size: integer}\n');
-- Whose they are gets them back, with what is in them.
SET ROLE specql_test_first;
SELECT action, kind, object FROM specql.apply(specql.export('gone.Parcel')) WHERE kind IN ('schema', 'table');
SELECT action, kind, object FROM specql.apply(specql.export('gone_made.Box')) WHERE kind IN ('schema', 'table');
RESET ROLE;

\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION specql CASCADE;
DROP SCHEMA gone, gone_made, kept CASCADE;
SELECT format('REVOKE CREATE ON DATABASE %I FROM specql_test_first', current_database()) \gexec
DROP ROLE specql_test_first, specql_test_second;
