-- specql.help: topics from the docs, functions, views and settings from the catalog, diagnostics from the sources.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SELECT specql.help();
SELECT specql.help('bulk') ~ '^With pattern: batch/bulk_operation,' AS text, specql.help('bulk') ~ '(?n)^    entity: Parcel$' AS example;
SELECT specql.help('SPQL-R012');
SELECT specql.help('spql-y002') = specql.help('SPQL-Y002');
SELECT specql.help('specql.emit(') = specql.help('EMIT');
SELECT specql.help('emit');
SELECT specql.help('action_stats');
SELECT specql.help('log_events');
-- A topic and a view, or a function, of one name: both.
SELECT specql.help('replay') ~ 'docs/operations.md', specql.help('replay') ~ '\n\nspecql\.replay\(';
SELECT specql.help('failures') ~ 'max_attempts', specql.help('failures') ~ E'\n  next_attempt_at ';
-- Lists name what there is, and each thing in them has a page of its own.
SELECT specql.help('codes') ~ '(?n)^SPQL-R012  error: ref names no entity', specql.help('settings') ~ '(?n)^specql.worker = ';
SELECT specql.help('views') ~ '(?n)^specql.action_stats ', specql.help('functions') ~ '(?n)^apply\(spec text';
SELECT specql.help('functions') !~ '(?n)^(capture|dispatch|matched|rows|payload|register_action)\(';
SELECT count(*) > 90, bool_and(specql.help(topic) ~ topic) FROM specql.help_page WHERE topic ~ '^SPQL-';
-- Every page fits a terminal, but for what it quotes.
SELECT topic, line FROM specql.help_page, unnest(string_to_array(page, E'\n')) AS line
WHERE length(line) > 110 AND line !~ '^    ' AND topic !~ '^SPQL-';
-- What there is no help on.
\set VERBOSITY terse
SELECT specql.help('stpes');
SELECT specql.help('SPQL-R999');
\set VERBOSITY default
SELECT specql.help('xyzzy');
-- Everybody may ask.
CREATE ROLE specql_test_asker;
SET ROLE specql_test_asker;
SELECT specql.help('nmaes');
SELECT length(specql.help('names')) > 100, length(specql.help('settings')) > 100;
RESET ROLE;
DROP ROLE specql_test_asker;
-- An error that has nothing better to propose names the page of its code.
SELECT specql.apply(E'entity: A\nfields: {a: integer}\nactions:\n  - name: on_a\n    on: update A.a\n    steps:\n      - update: A SET a = nowhere.q\n');
