-- Of an update, tables of events keep the new row and what the changed columns were; everything that shows or uses an
-- event has both rows whole, whichever way they were kept.
SET client_min_messages = error;
SET timezone = 'UTC';
\set VERBOSITY terse
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Part
schema: c
fields:
  name: text
  note: text
  amount: integer = 0
  "doc": json
actions:
  - name: on_amount
    on: update Part.amount
    steps:
      - insert: Seen SET name = name, was = old_amount, had = to_jsonb(old), note = old.note
      - call_external: office "changed"
  - name: divide
    on: update Part.name
    steps:
      - insert: Seen SET name = name, was = 10 / amount, had = to_jsonb(old), note = old.note
  - name: keep
    trigger: any_part_change
    steps:
      - append: PartLog SET part_id = id, row = to_jsonb(new), at = event_time
---
entity: Seen
schema: c
fields: {name: text, was: integer, had: jsonb, note: text}
---
entity: PartLog
schema: c
fields: {part_id: uuid, row: jsonb, at: timestamp}
---
service: office
url: "https://office.example/hook"
format: hasura
$$);
INSERT INTO c.part (id, name, note) VALUES ('00000000-0000-0000-0000-000000000001', 'bolt', repeat('note ', 3)), ('00000000-0000-0000-0000-000000000002', 'nut', NULL);
UPDATE c.part SET amount = 5;
-- Written as it was, it has not changed; nor is there a change from NULL to NULL.
UPDATE c.part SET amount = 6, name = name, note = repeat('note ', 3) WHERE name = 'bolt';
UPDATE c.part SET amount = 7, note = 'new' WHERE name = 'nut';
-- What is kept, and what is shown.
CREATE VIEW c.kept AS SELECT l.id, l.action, jsonb_pretty(l.data - 'new') AS data FROM specql.event_log AS l WHERE l.action = 'c.on_amount';
SELECT data FROM c.kept ORDER BY id;
SELECT data -> 'old' AS old, data ? 'was' AS is_short FROM specql.events WHERE action = 'c.on_amount' ORDER BY id;
SELECT name, was, had, note FROM c.seen ORDER BY id;
SELECT payload -> 'old' AS old, payload ? 'was' AS is_short FROM specql.deliveries ORDER BY id;
SELECT specql.delivery_body('hasura', o, 3)::jsonb -> 'event' -> 'data' -> 'old' AS sent FROM specql.whole_delivery AS o WHERE place = 'outbox' ORDER BY id;
SELECT split_part(detail, ', "old": ', 2) AS why FROM specql.why((SELECT id FROM specql.events WHERE action = 'c.on_amount' ORDER BY id LIMIT 1)) WHERE kind = 'event';
SELECT specql.state_at('Part', '00000000-0000-0000-0000-000000000002', (SELECT min(occurred_at) - interval '1 us' FROM specql.events WHERE action = 'c.on_amount')) ->> 'amount' AS amount;
SELECT specql.create_reader('r');
SELECT data -> 'old' AS old FROM specql.read_events('r') WHERE action = 'c.on_amount' ORDER BY id;
-- Failures and retries, and what waits.
UPDATE c.part SET amount = 0;
TRUNCATE c.seen;
UPDATE c.part SET name = upper(name) WHERE note = 'new';
SELECT data - 'new' AS kept FROM specql.failure;
SELECT action, sqlstate, data -> 'old' AS old FROM specql.failures;
UPDATE specql.failure SET data = jsonb_set(data, '{new,amount}', '2');
SELECT specql.retry(id, action) FROM specql.failure;
SELECT name, was, had ->> 'name' AS had_name, had ->> 'amount' AS had_amount, note FROM c.seen;
SELECT data -> 'old' AS old FROM specql.events WHERE action = 'c.divide';
SELECT specql.pause('c.on_amount');
UPDATE c.part SET amount = 8 WHERE name = 'bolt';
SELECT data - 'new' AS kept FROM specql.waiting_event;
SELECT data -> 'old' ->> 'note' AS note, status FROM specql.events WHERE status = 'paused';
TRUNCATE c.seen;
SELECT specql.resume('c.on_amount');
SELECT specql.drain() > 0 AS handled;
SELECT name, was, had ->> 'note' AS had_note, note FROM c.seen;
-- Replays.
TRUNCATE c.seen;
SELECT specql.replay('c.on_amount', '-infinity');
SELECT name, was, had ->> 'name' AS had_name, had ->> 'amount' AS had_amount, note FROM c.seen ORDER BY id;

-- Both rows are kept whole where somebody reads the tables himself; they are read in the same way, also beside others.
TRUNCATE c.seen, specql.outbox, specql.event_log;
UPDATE c.part SET amount = 1 WHERE name = 'bolt';
SET specql.event_images = 'whole';
UPDATE c.part SET amount = 2 WHERE name = 'bolt';
SELECT data ? 'was' AS was, data ? 'old' AS old FROM specql.event_log WHERE action = 'c.on_amount' ORDER BY id;
RESET specql.event_images;
SELECT data -> 'old' AS old FROM specql.events WHERE action = 'c.on_amount' ORDER BY id;
TRUNCATE c.seen;
SELECT specql.replay('c.on_amount', '-infinity');
SELECT name, was, note FROM c.seen ORDER BY id;
SET specql.event_images = 'short';

-- Values that are left out: where one did not change, neither row has it.
SET specql.max_event_size = '10kB';
TRUNCATE c.seen, specql.outbox, specql.event_log;
UPDATE c.part SET note = repeat('n', 20000) WHERE name = 'bolt';
UPDATE c.part SET amount = 3 WHERE name = 'bolt';
UPDATE c.part SET amount = 4, note = repeat('m', 30000) WHERE name = 'bolt';
UPDATE c.part SET amount = 5, note = repeat('k', 3000) WHERE name = 'bolt';
UPDATE c.part SET amount = 6 WHERE name = 'bolt';
SELECT data -> 'was' -> 'specql.omitted' AS was, data -> 'new' -> 'specql.omitted' AS new, data -> 'was' ? 'note' AS was_note FROM specql.event_log WHERE action = 'c.on_amount' ORDER BY id;
SELECT data -> 'old' -> 'specql.omitted' AS old, data -> 'new' -> 'specql.omitted' AS new, length(data -> 'old' ->> 'note') AS old_note, length(data -> 'new' ->> 'note') AS new_note
FROM specql.events WHERE action = 'c.on_amount' ORDER BY id;
SELECT was, had -> 'specql.omitted' AS had, length(note) AS note FROM c.seen ORDER BY id;
SELECT specql.image(data, 'old', '{amount}') ->> 'amount' AS amount FROM specql.event_log WHERE action = 'c.on_amount' ORDER BY id;
SELECT specql.image(data, 'old', '{note}') ->> 'note' AS note FROM specql.event_log WHERE action = 'c.on_amount' ORDER BY id LIMIT 1;
RESET specql.max_event_size;

-- What is not kept so stays as it is: payloads of the same form, other objects, a column of the note's name.
SELECT specql.whole_images('{"new": {"a": 1, "bb": [1, {"c": 2}]}, "was": {"a": 0}}'), specql.whole_images('{"new": {"a": 1}, "was": {}}'),
    specql.whole_images('{"new": {"a": 1}, "old": {}}'), specql.whole_images('{"new": null, "was": {}}'), specql.whole_images('{"new": {}, "was": 1}'),
    specql.whole_images('[1]'), specql.whole_images('1'), specql.whole_images('{"new": {"a": 1}, "was": {}, "x": 1}'), specql.whole_images(NULL);
SELECT specql.whole_images('{"new": {"a": 1, "b": 2, "specql.omitted": {"c": "x", "d": "y", "e": "z"}}, "was": {"c": 3, "specql.omitted": {"a": "w", "e": "v"}}}');
SELECT specql.whole_images('{"new": {"a": 1, "specql.omitted": {"c": "x"}}, "was": {"c": 3}}'), specql.whole_images('{"new": {"a": 1, "specql.omitted": 5}, "was": {"specql.omitted": 4}}');
SELECT specql.emit('unheard_of', '{"new": {"a": 1}, "was": {}}') IS NOT NULL AS raised;
SELECT data FROM specql.events WHERE type = 'unheard_of';

-- A column that did not change is not written twice, however it is stored.
CREATE TABLE c.large (id integer PRIMARY KEY, n integer, doc jsonb, packed text, outside text);
ALTER TABLE c.large ALTER outside SET STORAGE EXTERNAL;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Large
schema: c
table: c.large
fields: {n: integer}
actions:
  - name: on_large
    on: update Large.n
    steps:
      - insert: Seen SET was = old_n
$$);
INSERT INTO c.large SELECT 1, 0, (SELECT jsonb_object_agg(md5(i::text), md5((-i)::text)) FROM generate_series(1, 200) AS i), repeat('packed ', 1000), repeat('outside ', 1000);
UPDATE c.large SET n = 1;
UPDATE c.large SET n = 2, doc = (doc::text)::jsonb, packed = packed || '', outside = outside || '';
UPDATE c.large SET n = 3, doc = jsonb_set(doc, '{a}', '1'), packed = upper(packed), outside = NULL;
UPDATE c.large SET n = 4, outside = '';
SELECT e.key, n.n FROM (SELECT row_number() OVER (ORDER BY id) AS n, data FROM specql.event_log WHERE action = 'c.on_large') AS n, jsonb_object_keys(n.data -> 'was') AS e(key) ORDER BY 2, 1;
-- What is large is packed by lz4 where the server has it.
CREATE VIEW c.packer AS SELECT CASE WHEN 'lz4' = ANY (enumvals) THEN 'lz4' ELSE 'pglz' END AS name FROM pg_settings WHERE name = 'default_toast_compression';
SELECT count(*) > 10 AS columns, count(*) FILTER (WHERE a.attcompression <> CASE p.name WHEN 'lz4' THEN 'l' ELSE '' END) AS others
FROM c.packer AS p, pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p') AND a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped;
UPDATE c.large SET n = 5, packed = repeat('packed ', 5000);
SELECT pg_column_compression(l.data) = p.name AS packed FROM c.packer AS p, specql.event_log AS l WHERE l.action = 'c.on_large' ORDER BY l.id DESC LIMIT 1;
