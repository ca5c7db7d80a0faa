-- What an event carries of its rows: values that are too large, or that no JSON can be made of, are left out with a note;
-- the statement goes through, and a rule fails only where it needs what is not there.
SET client_min_messages = error;
SET timezone = 'UTC';
\set VERBOSITY terse
CREATE EXTENSION specql;
-- The words of the server are not those of every version.
CREATE FUNCTION notes(data jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s.%s: %s', r.row, n.key, CASE WHEN n.value ~ '^(too large|no JSON)' THEN n.value ELSE 'an error' END), ', ' ORDER BY r.row DESC, n.key)
    FROM unnest('{old,new}'::text[]) AS r(row), jsonb_each_text(data #> ARRAY[r.row, 'specql.omitted']) AS n
$$;
CREATE VIEW carried AS
    SELECT id AS event_id, action, data -> 'new' ->> 'name' AS name, notes(data) AS omitted, status FROM specql.events ORDER BY id;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Sheet
schema: u
fields:
  name: text
  note: text
  more: text
  extra: json
  amount: integer = 0
  divisor: integer = 1
actions:
  - name: count_it
    on: update Sheet.amount
    steps:
      - insert: Counted SET name = name, amount = amount / divisor
      - call_external: office "counted"
  - name: read_it
    on: update Sheet.amount
    condition: "note IS NOT NULL"
    steps:
      - insert: Seen SET name = name, note_length = length(note) / divisor
  - name: keep
    trigger: any_sheet_change
    steps:
      - append: SheetLog SET sheet_id = id, row = to_jsonb(new), written = row_to_json( old ), at = event_time
  - name: whole
    on: update Sheet.divisor
    steps:
      - insert: Seen SET name = name, note_length = length(new::text)
---
entity: Counted
schema: u
fields: {name: text, amount: integer}
---
entity: Seen
schema: u
fields: {name: text, note_length: integer}
---
entity: SheetLog
schema: u
fields: {sheet_id: uuid, row: jsonb, written: json, at: timestamp}
$$);
SELECT pg_get_functiondef('u.trigger_keep_events'::regproc) ~ 'jsonb_populate_record' AS by_record;

-- A poisoned row among others: all go through, and the event says what it could not carry.
INSERT INTO u.sheet (id, name, extra) VALUES ('00000000-0000-0000-0000-000000000001', 'good', '{"a": 1}'),
    ('00000000-0000-0000-0000-000000000002', 'zero', '{"a": "\u0000"}'), ('00000000-0000-0000-0000-000000000003', 'endless', '1e999999');
UPDATE u.sheet SET amount = 5;
DELETE FROM u.sheet WHERE name = 'endless';
SELECT action, coalesce(name, 'deleted') AS name, omitted, status FROM carried;
SELECT name, amount FROM u.counted ORDER BY name;
SELECT payload -> 'new' ->> 'name' AS name, notes(payload), payload -> 'new' ? 'extra' AS has_extra FROM specql.deliveries ORDER BY 1;
-- What is logged of it is its image, with the note.
SELECT row ->> 'name' AS name, row ? 'specql.omitted' AS noted, written::jsonb ? 'specql.omitted' AS old_noted FROM u.sheet_log ORDER BY at, sheet_id;
SELECT specql.state_at('Sheet', '00000000-0000-0000-0000-000000000002', clock_timestamp()) -> 'specql.omitted' ? 'extra' AS noted;
CREATE TABLE rebuilt (LIKE u.sheet);
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT specql.rebuild('Sheet', 'rebuilt');
\set VERBOSITY terse

-- A row that did not change since every change is logged is read from its table.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Card
schema: u
fields: {name: text, extra: json}
$$);
INSERT INTO u.card (id, name, extra) VALUES ('00000000-0000-0000-0000-000000000001', 'zero', '"\u0000"');
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Card
schema: u
fields: {name: text, extra: json}
actions:
  - name: cards
    trigger: any_card_change
    steps:
      - notify: ops "card"
$$);
SELECT s ->> 'name' AS name, s -> 'specql.omitted' ? 'extra' AS noted
FROM specql.state_at('Card', '00000000-0000-0000-0000-000000000001', clock_timestamp()) AS s;

-- The limit: the largest first, of equals those of the old row, small values and the key last.
SET specql.max_event_size = '10kB';
TRUNCATE u.sheet;
DELETE FROM specql.event_log;
INSERT INTO u.sheet (id, name, note, more) VALUES ('00000000-0000-0000-0000-000000000001', 'large', repeat('n', 20000), repeat('m', 2000));
UPDATE u.sheet SET amount = 1;
UPDATE u.sheet SET note = repeat('n', 4000), amount = 2;
UPDATE u.sheet SET amount = 3;
UPDATE u.sheet SET note = repeat('n', 100), more = '', amount = 4;
SELECT action, name, omitted, status FROM carried WHERE action <> 'u.keep';
SELECT bool_and(pg_column_size((data::text)::jsonb) <= 10240) AS within FROM specql.event_log;
-- The first handling has the values at hand.
SELECT name, note_length FROM u.seen ORDER BY id;
CREATE TABLE u.wide (name text, body text, blob bytea, list boolean[], PRIMARY KEY (name));
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Wide
schema: u
table: u.wide
actions:
  - name: on_wide
    on: insert Wide
    steps:
      - notify: ops "wide"
$$);
INSERT INTO u.wide VALUES (repeat('k', 2000), repeat('b', 1500), repeat('x', 700)::bytea, NULL);
SET specql.max_event_size = '1kB';
INSERT INTO u.wide VALUES (repeat('l', 2000), repeat('b', 65), NULL, NULL), ('list', '', NULL, array_fill(true, '{600}'));
SELECT left(subject, 4) AS subject, notes(data), data -> 'new' ? 'name' AS has_key FROM specql.events WHERE action = 'u.on_wide' ORDER BY id;
RESET specql.max_event_size;
\set VERBOSITY sqlstate
SET specql.max_event_size = '10MB';
SET specql.max_event_size = 0;
CREATE ROLE uncarried_clerk;
SET ROLE uncarried_clerk;
SET specql.max_event_size = '2MB';
\set VERBOSITY terse
RESET ROLE;
DROP ROLE uncarried_clerk;

-- What fails and is handled later, from what the event carries.
SET specql.max_event_size = '10kB';
TRUNCATE u.sheet, u.counted, u.seen;
DELETE FROM specql.event_log;
DELETE FROM specql.outbox;
INSERT INTO u.sheet (id, name, note, divisor) VALUES ('00000000-0000-0000-0000-000000000001', 'large', repeat('n', 20000), 0);
UPDATE u.sheet SET amount = 1;
SELECT action, status, sqlstate, notes(data) FROM specql.failures ORDER BY action;
-- One does not need the column, the other does, whatever the row has now.
UPDATE specql.failure SET data = jsonb_set(data, '{new,divisor}', '2'), next_attempt_at = now();
SELECT specql.retry(id, action) FROM specql.failure ORDER BY action;
SELECT name, amount FROM u.counted;
SELECT action, sqlstate, message FROM specql.failures ORDER BY action;
SELECT notes(data) FROM specql.events WHERE action = 'u.count_it';
SELECT notes(payload) FROM specql.deliveries;
SELECT kind, what, detail FROM specql.why((SELECT id FROM specql.failure)) WHERE kind = 'branch';
DELETE FROM specql.failure;
-- Waiting for a paused action.
UPDATE u.sheet SET divisor = 1;
SELECT action, sqlstate, message FROM specql.failures ORDER BY action;
DELETE FROM specql.failure;
SELECT specql.pause('u.read_it'), specql.pause('u.count_it');
UPDATE u.sheet SET amount = 2;
SELECT specql.resume('u.count_it'), specql.resume('u.read_it');
SELECT count(*) FROM u.counted;
SELECT action, sqlstate, message FROM specql.failures ORDER BY action;
DELETE FROM specql.failure;
-- Replays.
UPDATE u.sheet SET amount = 3;
SELECT specql.replay('u.read_it', '-infinity') > 0 AS replayed, specql.replay('u.count_it', '-infinity') > 0 AS replayed_too;
SELECT DISTINCT r.action, f.sqlstate, f.message FROM specql.replay_failure AS f JOIN specql.replays AS r ON r.id = f.replay ORDER BY 1;
-- Values that somebody else took over from such an image.
SELECT specql.payload('{"a": 1, "specql.omitted": {"b": "too large: 5 bytes"}}', 'a'), specql.payload('{"b": 2, "specql.omitted": 3}', 'b');
SELECT specql.payload('{"a": 1, "specql.omitted": {"b": "too large: 5 bytes"}}', 'b');
SELECT specql.payload_json('{"a": 1, "specql.omitted": {"b": "too large: 5 bytes"}}', 'b');
SELECT specql.payload_array('{"a": 1, "specql.omitted": {"b": "too large: 5 bytes"}}', 'c');
SELECT specql.image('{"old": null, "new": {"a": 1, "specql.omitted": {"b": "x"}}}', 'new', '{a,c}'), specql.image('{"old": null}', 'old'), specql.image('[]', 'old');
SELECT specql.image('{"old": null, "new": {"a": 1, "specql.omitted": {"b": "x"}}}', 'new');

-- What an error says of such a value is cut, too.
DELETE FROM specql.failure;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: u
actions:
  - name: number_it
    on: update Sheet.more
    steps:
      - insert: Seen SET name = name, note_length = note::integer
$$);
UPDATE u.sheet SET more = 'changed';
SELECT action, sqlstate, length(message) BETWEEN 8000 AND 8300 AS cut, substring(message FROM '\.\.\. \(.*\)$') AS ending FROM specql.failures;
DELETE FROM specql.failure;

-- Windows count by such a column what happens, but not what is read back.
SELECT $$
schema: u
actions:
  - name: often
    trigger: often_changed
    condition: "COUNT(sheet_amount_changed) >= 2 WITHIN 1 hour BY note"
    steps:
      - insert: Often SET key_length = length(match_key)
  - name: often_named
    trigger: often_named_changed
    condition: "COUNT(sheet_amount_changed) >= 2 WITHIN 1 hour BY name"
    steps:
      - insert: Often SET key_length = length(match_key)
---
entity: Often
schema: u
fields: {key_length: integer}
$$ AS windows \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'windows');
UPDATE u.sheet SET amount = amount + 1;
UPDATE u.sheet SET amount = amount + 1;
SELECT specql.drain() > 0 AS counted;
SELECT key_length FROM u.often ORDER BY 1;
SELECT specql.rebuild_window('u.often_named') IS NOT NULL AS rebuilt;
SELECT specql.rebuild_window('u.often');
SELECT action, count(*) > 0 AS found FROM specql.backtest(replace(:'windows', 'BY note', 'BY name'), '2020-01-01') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM specql.backtest(:'windows', '2020-01-01');
RESET specql.max_event_size;

-- Types whose code raises: an output function, a cast to json. The errors that must end a statement end it.
CREATE TYPE broken;
CREATE FUNCTION broken_in(cstring) RETURNS broken LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION broken_out(broken) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'shell_out';
CREATE TYPE broken (INPUT = broken_in, OUTPUT = broken_out, LIKE = text);
CREATE TYPE mood AS ENUM ('fine', 'bad', 'stop', 'full', 'path');
CREATE FUNCTION as_json(m mood) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    IF m = 'bad' THEN
        RAISE EXCEPTION '%', 'no JSON' || repeat(' of it', 100);
    ELSIF m = 'stop' THEN
        RAISE query_canceled;
    ELSIF m = 'full' THEN
        RAISE disk_full;
    ELSIF m = 'path' THEN
        RETURN to_json(current_setting('search_path'));
    END IF;
    RETURN to_json(m::text);
END $$;
CREATE CAST (mood AS json) WITH FUNCTION as_json(mood);
CREATE DOMAIN moods AS mood[];
CREATE TABLE u.odd (id integer PRIMARY KEY, name text, b broken, m mood, l moods, deep jsonb);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Odd
schema: u
table: u.odd
fields: {name: text}
actions:
  - name: on_odd
    trigger: any_odd_change
    on_error: abort
    steps:
      - notify: ops "odd"
  - name: odd_name
    on: update Odd
    condition: "100 / length(name) > 0"
    steps:
      - notify: ops "named"
$$);
INSERT INTO u.odd VALUES (1, 'none', NULL, 'fine', '{fine}', '{}'), (2, 'broken', 'x', 'bad', NULL, NULL), (3, 'list', NULL, NULL, '{fine,bad}', NULL);
UPDATE u.odd SET name = '' WHERE id = 2;
SELECT action, name, left(omitted, 80) AS omitted, length(omitted) AS length, status FROM carried WHERE action IN ('u.on_odd', 'u.odd_name');
-- Whoever writes does not choose what such code finds.
SET search_path = u, public;
INSERT INTO u.odd VALUES (7, 'path', NULL, 'path', NULL, NULL);
RESET search_path;
SELECT data -> 'new' ->> 'm' AS search_path FROM specql.events WHERE action = 'u.on_odd' AND subject = '7';
DELETE FROM u.odd WHERE id = 7;
INSERT INTO u.odd VALUES (4, 'stop', NULL, 'stop', NULL, NULL);
INSERT INTO u.odd VALUES (5, 'full', NULL, 'full', NULL, NULL);
SELECT id FROM u.odd ORDER BY id;
-- JSON that is as deep as it could be read.
INSERT INTO u.odd SELECT 6, 'deep', NULL, NULL, NULL, (repeat('[', 3000) || repeat(']', 3000))::jsonb;
SELECT notes(data), length(data -> 'new' ->> 'deep') AS length FROM specql.events WHERE action = 'u.on_odd' AND subject = '6';

-- A rule that is broken keeps what can be kept for its retries.
DROP FUNCTION u.count_it_capture();
TRUNCATE u.sheet, u.counted;
DELETE FROM specql.failure;
INSERT INTO u.sheet (id, name, extra) VALUES ('00000000-0000-0000-0000-000000000001', 'zero', '"\u0000"');
UPDATE u.sheet SET amount = 1;
SELECT action, notes(data), data -> 'new' -> 'amount' AS amount FROM specql.failures;
-- Before, nothing was kept then.
UPDATE specql.failure SET data = NULL;
SELECT specql.retry(id) FROM specql.failure;
SELECT action, sqlstate, message FROM specql.failures;

-- An operation may take a column that the spec does not declare, where events carry it.
CREATE TABLE u.parcel (id uuid PRIMARY KEY, weight integer, place text);
SELECT c.columns, v.code, v.message, v.hint
FROM (VALUES ('all'), ('declared')) AS c(columns), LATERAL specql.validate(format($$
entity: Parcel
schema: u
columns: %s
fields: {weight: integer}
actions:
  - name: on_parcel
    on: insert Parcel
    steps:
      - call_external: depot "store"
---
service: depot
url: https://depot.example
operations: {store: {path: "/{place}/{weight}"}}
$$, c.columns)) AS v;
