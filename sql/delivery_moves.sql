-- A delivery moves as a whole: from the outbox to the history or the dead letters, from there back, or to the history. Only
-- what a move is about changes.
CREATE EXTENSION specql;
SET client_min_messages = warning;
-- All three tables have the same columns.
SELECT array_agg(DISTINCT c.names) = ARRAY[min(c.names)] AS same_columns
FROM (SELECT a.attrelid, string_agg(a.attname || ' ' || a.atttypid::regtype, ', ' ORDER BY a.attnum) AS names
      FROM pg_attribute AS a
      WHERE a.attrelid IN ('specql.outbox'::regclass, 'specql.delivery_history'::regclass, 'specql.dead_letter'::regclass)
        AND a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid) AS c;
CREATE FUNCTION changes(one jsonb, other jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s: %s', k, CASE WHEN k LIKE '%\_at' THEN coalesce(left($2 ->> k, 0), 'NULL') ELSE coalesce($2 ->> k, 'NULL') END), ', ' ORDER BY k)
    FROM jsonb_object_keys($1) AS k WHERE $1 -> k IS DISTINCT FROM $2 -> k
$$;
-- Every column has a value.
INSERT INTO specql.outbox
SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'shop.order', '7', 'shop.order.created', '{"id": 7}', 'escalation', 'mail', 'send', 'desk', 'look',
       '00000000-0000-7000-8000-0000000000ff', NULL, 'leased', 3, '2030-01-01', '2030-01-02', 'busy', '2020-01-03',
       '2020-01-04', 'somebody', 'high', '2 hours', 'worker 1', '2020-01-05', 100, 'none', current_user::regrole::oid::specql.role,
       NULL, NULL, '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
FROM generate_series(1, 3) AS n;
SELECT count(*) AS missing FROM specql.outbox AS o, jsonb_each(to_jsonb(o)) AS e WHERE e.value = 'null' AND e.key NOT IN ('action', 'definition', 'log_slot');
CREATE TABLE was AS SELECT o.id, to_jsonb(o) AS row FROM specql.outbox AS o;

SELECT event_ids, actions FROM specql.retire(ARRAY(SELECT o.id FROM specql.outbox AS o ORDER BY o.id), '{done,dead,retry}', '{NULL,broken,NULL}', '{200,500,503}', '{fine,NULL,NULL}');
SELECT changes(w.row, to_jsonb(h)) AS done FROM was AS w JOIN specql.delivery_history AS h ON h.id = w.id;
SELECT changes(w.row, to_jsonb(d)) AS dead FROM was AS w JOIN specql.dead_letter AS d ON d.id = w.id;
SELECT changes(w.row, to_jsonb(o)) AS stays FROM was AS w JOIN specql.outbox AS o ON o.id = w.id;
SELECT specql.bury(id, 'too heavy') FROM specql.outbox;
SELECT changes(w.row, to_jsonb(d)) AS buried FROM was AS w JOIN specql.dead_letter AS d ON d.id = w.id ORDER BY w.id DESC LIMIT 1;
TRUNCATE was;
INSERT INTO was SELECT d.id, to_jsonb(d) FROM specql.dead_letter AS d;
SELECT specql.redrive(max(d.id::text)::uuid) FROM specql.dead_letter AS d;
SELECT changes(w.row, to_jsonb(o)) AS redriven FROM was AS w JOIN specql.outbox AS o ON o.id = w.id;
SELECT specql.discard(d.id) FROM specql.dead_letter AS d;
SELECT changes(w.row, to_jsonb(h)) AS discarded FROM was AS w JOIN specql.delivery_history AS h ON h.id = w.id;
SELECT specql.discard('00000000-0000-7000-8000-000000000001'), specql.redrive('00000000-0000-7000-8000-000000000001'::uuid);
-- Nobody takes what has left.
SELECT event_ids, actions FROM specql.retire('{00000000-0000-7000-8000-000000000001}', '{done}', NULL, NULL, NULL);
SELECT count(*) FROM specql.deliveries;

-- What a handler queues that is too large is a dead letter of the same shape, and its owner's.
SELECT count(*) FROM specql.apply($$
entity: Note
schema: desk
fields:
  body: text
actions:
  - name: on_note
    on: insert Note
    steps:
      - notify: desk "a note"
$$);
SET specql.max_payload_size = '1kB';
INSERT INTO desk.note (body) SELECT string_agg(md5(n::text), '') FROM generate_series(1, 100) AS n;
SELECT status, attempts, last_error, finished_at - created_at AS after, http_status, response, owner = current_user::regrole::oid AS own
FROM specql.dead_letter;
RESET specql.max_payload_size;
SELECT specql.redrive(id) FROM specql.dead_letters;
SELECT status, attempts, finished_at, owner = current_user::regrole::oid AS own FROM specql.outbox WHERE channel = 'desk' AND kind = 'notify';

-- A delivery of an event's data is a reference to the log, also when it has left; a dead letter is whole. Whoever looks does not
-- see a difference.
TRUNCATE specql.outbox, specql.dead_letter, specql.delivery_history;
INSERT INTO desk.note (body) VALUES ('one'), ('two'), ('three');
CREATE VIEW kept AS
    SELECT definition IS NOT NULL AS refers, num_nulls(aggregatetype, aggregateid, type, payload, channel, message) AS left_out FROM specql.outbox
    UNION ALL SELECT definition IS NOT NULL, num_nulls(aggregatetype, aggregateid, type, payload, channel, message) FROM specql.delivery_history
    UNION ALL SELECT definition IS NOT NULL, num_nulls(aggregatetype, aggregateid, type, payload, channel, message) FROM specql.dead_letter;
CREATE VIEW shown AS
    SELECT status, type, aggregatetype, aggregateid = payload #>> '{new,id}' AS subject, channel, message, payload #>> '{new,body}' AS body,
           substr(uuid_send(id), 1, 10) = substr(uuid_send(event_id), 1, 10) AS of_event
    FROM specql.deliveries;
SELECT * FROM kept;
SELECT * FROM shown ORDER BY body;
SELECT count(*) AS definitions FROM specql.definition;
SELECT FROM specql.retire(ARRAY(SELECT o.id FROM specql.deliveries AS o ORDER BY o.payload #>> '{new,body}'), '{done,dead,retry}', '{NULL,broken,NULL}', NULL, NULL);
SELECT * FROM kept ORDER BY 1, 2;
SELECT * FROM shown ORDER BY body;
SELECT specql.redrive(id) FROM specql.dead_letters;
SELECT * FROM kept ORDER BY 1, 2;
SELECT * FROM shown ORDER BY body;
-- Events that only their deliveries need are logged, and stay.
SET specql.log_events = failed;
INSERT INTO desk.note (body) VALUES ('four');
SELECT count(*) FROM specql.events WHERE data #>> '{new,body}' = 'four';
SELECT * FROM shown WHERE body = 'four';
RESET specql.log_events;
SET specql.event_retention = '1h';
SET specql.delivery_retention = '1h';
SELECT count(*) FROM specql.expire_events();
RESET specql.event_retention;
RESET specql.delivery_retention;
-- One whose event somebody took away is a dead letter that says so.
SELECT count(*) FROM specql.apply($$
service: hand
---
entity: Parcel
schema: desk
fields:
  body: text
actions:
  - name: on_parcel
    on: insert Parcel
    steps:
      - call_external: hand "carry"
$$);
INSERT INTO desk.parcel (body) VALUES ('heavy'), ('lost'), ('light');
DELETE FROM specql.event_log WHERE data #>> '{new,body}' = 'lost';
SELECT service, operation, payload #>> '{new,body}' AS body, status, attempts, aggregateid IS NOT NULL AS subject FROM specql.take('hand', 5) ORDER BY body;
SELECT service, operation, payload, last_error FROM specql.dead_letters;
SELECT specql.ack(id) FROM specql.deliveries WHERE status = 'leased' ORDER BY id;
SELECT processed_at IS NOT NULL AS processed FROM specql.events WHERE action = 'desk.on_parcel';
-- For change-data-capture routers the rows are whole.
SET specql.whole_deliveries = on;
INSERT INTO desk.note (body) VALUES ('five');
RESET specql.whole_deliveries;
SELECT type, aggregatetype, aggregateid IS NOT NULL AS subject, channel, message, payload #>> '{new,body}' AS body, definition
FROM specql.outbox WHERE payload #>> '{new,body}' = 'five';
-- A definition that was rolled back is not remembered.
SELECT count(*) FROM specql.apply($$
entity: Note
schema: desk
fields:
  body: text
actions:
  - name: on_note
    on: insert Note
    steps:
      - notify: desk "another note"
$$);
BEGIN;
INSERT INTO desk.note (body) VALUES ('rolled back');
ROLLBACK;
BEGIN;
SAVEPOINT a;
INSERT INTO desk.note (body) VALUES ('rolled back');
ROLLBACK TO a;
INSERT INTO desk.note (body) VALUES ('six');
COMMIT;
INSERT INTO desk.note (body) VALUES ('seven');
SELECT body, message FROM shown WHERE body IN ('six', 'seven') ORDER BY body;
-- Many calls of an application at once.
SELECT cardinality(specql.enqueue('hand', 'lift', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 3) AS n) || NULL::jsonb)) AS queued;
CREATE TABLE queued AS
    SELECT w.* FROM unnest(specql.enqueue('hand', 'drop', '{"{\"n\": 1}","{\"n\": 2}"}')) WITH ORDINALITY AS w(id, n);
SELECT w.n, payload FROM queued AS w JOIN specql.deliveries AS d ON d.id = w.id ORDER BY w.n;
SELECT service, operation, payload, status, event_id FROM specql.deliveries WHERE service = 'hand' AND event_id IS NULL ORDER BY operation, payload;
SELECT specql.enqueue('hand', 'lift', '{}'), specql.enqueue('hand', 'lift', NULL);
