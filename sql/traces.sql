-- The trace that goes along with events: specql.traceparent, and the comment of a statement.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
\set trace '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
\set other '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00'

-- ---- what it can be ----
SET specql.traceparent = '4bf92f3577b34da6a3ce929d0e0e4736';
SET specql.traceparent = '00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01';
SET specql.traceparent = '00-00000000000000000000000000000000-00f067aa0ba902b7-01';
SET specql.traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more';
SET specql.traceparent = E'00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX-Evil: 1';
SHOW specql.traceparent;
SELECT set_config('specql.traceparent', :'trace', false);
SELECT set_config('specql.traceparent', '', false);

CREATE SCHEMA shop;
CREATE TABLE shop.closed (door boolean);
CREATE FUNCTION shop.open_door() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM shop.closed) THEN
        RAISE EXCEPTION 'closed';
    END IF;
END $$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Item
schema: shop
fields: {name: text, stock: integer = 0}
actions:
  - name: on_stock
    on: update Item.stock
    steps:
      - call: "open_door()"
      - call_external: warehouse "count"
      - notify: clerks "counted"
      - insert: Report SET
          name: "name"
---
entity: Report
schema: shop
fields: {name: text}
actions:
  - name: on_report
    on: insert Report
    steps:
      - warehouse: "report(name)"
      - emit: reported SET
          name: "name"
---
schema: shop
actions:
  - name: on_many
    trigger: many_reports
    condition: "COUNT(reported) >= 2 WITHIN 1 hour BY name"
    steps:
      - call_external: warehouse "many"
---
service: warehouse
$$);
INSERT INTO shop.item (name) VALUES ('tea');
CREATE VIEW traced AS SELECT e.type, e.action, e.status, split_part(e.traceparent, '-', 2) AS trace FROM specql.events AS e ORDER BY e.id, e.action;
CREATE VIEW carried AS SELECT d.kind, coalesce(d.operation, d.message) AS what, d.status, split_part(d.traceparent, '-', 2) AS trace FROM specql.deliveries AS d ORDER BY d.id;

-- ---- of an event, of what it causes, and of what they queue ----
UPDATE shop.item SET stock = 1;
BEGIN;
SELECT set_config('specql.traceparent', :'trace', true) = :'trace' AS set;
UPDATE shop.item SET stock = 2;
COMMIT;
UPDATE shop.item SET stock = 3;
SELECT * FROM traced;
SELECT * FROM carried;
SELECT w.kind, w.what, w.detail FROM specql.events AS e, specql.why(e.id) AS w WHERE e.action = 'shop.on_report' AND w.kind = 'trace' ORDER BY e.id, w.step;
-- Only those with a trace are asked for one.
SELECT operation, message, traced FROM specql.definition ORDER BY id;
-- A consumer has it, too; a match that of the event that completed it.
SELECT operation, split_part(traceparent, '-', 2) AS trace FROM specql.take('warehouse', 10) ORDER BY id;
SELECT specql.drain() > 0 AS drained;
SELECT type, trace FROM traced WHERE type = 'many_reports';
SELECT operation, split_part(traceparent, '-', 2) AS trace FROM specql.take('warehouse', 10) ORDER BY id;
SELECT count(specql.ack(id)) FROM specql.deliveries WHERE status = 'leased';
SELECT kind, status, split_part(traceparent, '-', 2) AS trace, count(*) FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- ---- after a retry, by a session with another trace ----
INSERT INTO shop.closed VALUES (true);
SET client_min_messages = error;
SELECT set_config('specql.traceparent', :'trace', false) = :'trace' AS set;
UPDATE shop.item SET stock = 4;
SELECT set_config('specql.traceparent', :'other', false) = :'other' AS set;
UPDATE shop.item SET stock = 5;
RESET specql.traceparent;
UPDATE shop.item SET stock = 6;
DELETE FROM shop.closed;
SELECT status, trace FROM traced WHERE status = 'failed';
SET specql.clock_offset = '1 hour';
SELECT set_config('specql.traceparent', '00-cccccccccccccccccccccccccccccccc-dddddddddddddddd-01', false) IS NOT NULL AS set;
SELECT specql.drain() > 0 AS drained;
RESET specql.traceparent;
RESET specql.clock_offset;
SELECT action, status, trace, count(*) FROM traced GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT what, trace FROM carried WHERE status = 'waiting' ORDER BY what, trace;

-- ---- comments ----
UPDATE shop.item SET stock = 7 /*action='count%20it',traceparent='00-11111111111111111111111111111111-00f067aa0ba902b7-01'*/;
SELECT set_config('specql.traceparent', :'other', false) = :'other' AS set;
UPDATE shop.item SET stock = 8 /*traceparent='00-22222222222222222222222222222222-00f067aa0ba902b7-01'*/;
-- What is no traceparent counts as if it was not there, and so does what is no comment at the end.
UPDATE shop.item SET stock = 9 /*traceparent='00-22222222222222222222222222222222'*/;
UPDATE shop.item SET stock = 10, name = '/*traceparent=''00-33333333333333333333333333333333-00f067aa0ba902b7-01''*/';
UPDATE shop.item SET stock = 11, name = $$/*traceparent='00-33333333333333333333333333333333-00f067aa0ba902b7-01'*/$$;
/*traceparent='00-33333333333333333333333333333333-00f067aa0ba902b7-01'*/ UPDATE shop.item SET stock = 12;
PREPARE counting AS UPDATE shop.item SET stock = $1;
EXECUTE counting(13) /*traceparent='00-44444444444444444444444444444444-00f067aa0ba902b7-01'*/;
RESET specql.traceparent;
UPDATE shop.item SET stock = 14;
SELECT specql.emit('nobody.listens', '{}') IS NOT NULL AS emitted /*traceparent='00-55555555555555555555555555555555-00f067aa0ba902b7-01'*/;
SELECT type, trace FROM traced WHERE action = 'shop.on_stock' OR type = 'nobody.listens' OFFSET 6;
-- Of a later version what this one knows is passed on.
SET specql.traceparent = 'cc-66666666666666666666666666666666-00f067aa0ba902b7-01-what-else';
SELECT specql.emit('nobody.listens', '{}') IS NOT NULL AS emitted;
SELECT traceparent FROM specql.events WHERE type = 'nobody.listens' ORDER BY id DESC LIMIT 1;

-- ---- calls without an event, and dead ones ----
SELECT set_config('specql.traceparent', :'trace', false) = :'trace' AS set;
SELECT specql.call_external('warehouse', 'by hand', NULL, '{}') IS NOT NULL AS queued;
SET specql.whole_deliveries = on;
UPDATE shop.item SET stock = 15;
RESET specql.whole_deliveries;
UPDATE shop.item SET stock = 16;
RESET specql.traceparent;
SELECT kind, what, trace FROM carried WHERE status = 'waiting' AND trace LIKE '4bf%' ORDER BY kind, what;
SELECT count(specql.bury(o.id, 'a test')) FROM specql.outbox AS o WHERE service = 'warehouse';
SELECT status, what, trace, count(*) FROM carried WHERE trace LIKE '4bf%' AND status = 'dead' GROUP BY 1, 2, 3 ORDER BY 2;
TRUNCATE specql.event_log;
SELECT specql.redrive('warehouse') > 0 AS redriven;
SELECT what, trace, count(*) FROM carried WHERE trace LIKE '4bf%' AND status = 'waiting' AND kind = 'call' GROUP BY 1, 2 ORDER BY 1;
-- What has no trace takes no room.
SELECT count(*) FROM specql.outbox WHERE traceparent IS NOT NULL AND payload IS NULL;
