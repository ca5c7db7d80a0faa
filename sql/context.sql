-- Settings that go along with events: specql.context.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
CREATE ROLE context_app;
CREATE ROLE context_owner;
GRANT specql_admin TO context_owner;
CREATE SCHEMA shop AUTHORIZATION context_owner;
GRANT USAGE ON SCHEMA shop TO context_app;

-- ---- which settings it can name ----
SET specql.context = 'app.tenant, request.jwt.claims';
SHOW specql.context;
SET specql.context = 'search_path';
SET specql.context = 'app.tenant, session_replication_role';
SET specql.context = 'role';
SET specql.context = 'specql.caller';
SET specql.context = 'SPECQL.log_events';
SET specql.context = 'app.';
SET specql.context = '.tenant';
SET specql.context = 'app..tenant';
SET specql.context = 'app.ten ant';
SET specql.context = 'app.1st';
SET specql.context = '"app.ten''ant"';
SET specql.context = 'app.tenant,,x.y';
SET specql.context = '"specql.caller"';
SHOW specql.context;
SET specql.context = 'app.ténant, a_1.b$.c2';
SET specql.context = '';
SET SESSION AUTHORIZATION context_app;
SET specql.context = 'app.tenant';
RESET SESSION AUTHORIZATION;

-- ---- row-level security ----
-- The handler fails while the door is closed; its owner sees the rows of the session's tenant only.
SET SESSION AUTHORIZATION context_owner;
CREATE TABLE shop.closed (door boolean);
CREATE TABLE shop.total (tenant text PRIMARY KEY, sold integer NOT NULL DEFAULT 0);
CREATE TABLE shop.seen (n serial, what text, tenant text, other text);
INSERT INTO shop.total VALUES ('a'), ('b'), ('z');
ALTER TABLE shop.total ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON shop.total USING (tenant = current_setting('app.tenant', true));
CREATE FUNCTION shop.note(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM shop.closed) THEN
        RAISE EXCEPTION 'closed';
    END IF;
    INSERT INTO shop.seen (what, tenant, other) VALUES (what, current_setting('app.tenant', true), current_setting('app.other', true));
    IF what LIKE '%leak%' THEN
        PERFORM set_config('app.tenant', 'leaked', false), set_config('app.other', 'leaked', what LIKE '%local%');
    END IF;
END $$;
CREATE FUNCTION shop.seen() RETURNS TABLE (what text, tenant text, other text) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM shop.seen RETURNING n, what, tenant, other) SELECT g.what, g.tenant, g.other FROM gone AS g ORDER BY g.what, g.n
$$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Sale
schema: shop
fields: {item: text}
actions:
  - name: on_sale
    on: insert Sale
    steps:
      - call: "note(item)"
      - update: Total SET sold = sold + 1 WHERE sold >= 0
      - emit: sold SET
          item: "item"
---
schema: shop
actions:
  - name: on_sold
    on: event sold
    params: {item: text}
    steps:
      - call: "note('then ' || item)"
$$);
GRANT INSERT ON shop.sale TO context_app;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION totals() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(tenant || ' ' || sold, ', ' ORDER BY tenant) FROM shop.total $$;

-- Without specql.context a retry silently updates nothing.
INSERT INTO shop.closed VALUES (true);
SET client_min_messages = error;
SET SESSION AUTHORIZATION context_app;
SET app.tenant = 'a';
INSERT INTO shop.sale (item) VALUES ('forgotten');
\c
SET client_min_messages = error;
DELETE FROM shop.closed;
SET specql.clock_offset = '1 hour';
SELECT specql.drain() AS drained;
SELECT totals();
SELECT * FROM shop.seen();
SELECT settings FROM specql.events WHERE settings IS NOT NULL;

-- With it each event has its own: two tenants in one batch, and one who is none. The session that drains keeps its settings.
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET specql.context = 'app.tenant, app.other';
\c
SET client_min_messages = error;
INSERT INTO shop.closed VALUES (true);
SET SESSION AUTHORIZATION context_app;
SHOW specql.context;
INSERT INTO shop.sale (item) VALUES ('nobody''s');
SET app.tenant = 'a';
INSERT INTO shop.sale (item) VALUES ('tea');
BEGIN;
SET LOCAL app.tenant = 'b';
SET LOCAL app.other = '"quoted" \ ''text''';
INSERT INTO shop.sale (item) VALUES ('coffee leak'), ('milk');
COMMIT;
INSERT INTO shop.sale (item) VALUES ('water local leak'), ('wine local leak');
\c
SET client_min_messages = error;
SELECT data #>> '{new,item}' AS item, status, settings FROM specql.events WHERE action = 'shop.on_sale' AND status = 'failed' ORDER BY id;
DELETE FROM shop.closed;
SET app.tenant = 'z';
SET app.other = 'mine';
SET specql.clock_offset = '1 hour';
SELECT specql.drain() AS drained;
RESET specql.clock_offset;
SELECT totals(), current_setting('app.tenant') AS tenant, current_setting('app.other') AS other;
SELECT * FROM shop.seen();
-- It is in the log, that of what was caused too.
SELECT coalesce(data #>> '{new,item}', data ->> 'item') AS item, action, status, settings FROM specql.events WHERE settings IS NOT NULL ORDER BY item, action;
SELECT w.kind, w.what, w.detail FROM specql.events AS e, specql.why(e.id) AS w
WHERE e.action = 'shop.on_sold' AND e.data ->> 'item' = 'coffee leak' AND w.kind = 'context' ORDER BY w.step;

-- The same in a session of the owner, and by specql.retry(id); a handler that fails once more leaves nothing either.
INSERT INTO shop.closed VALUES (true);
SET SESSION AUTHORIZATION context_app;
SET app.tenant = 'a';
INSERT INTO shop.sale (item) VALUES ('first'), ('second leak');
SET app.tenant = 'b';
INSERT INTO shop.sale (item) VALUES ('third');
RESET SESSION AUTHORIZATION;
SET app.tenant = 'z';
SET SESSION AUTHORIZATION context_owner;
SELECT specql.retry(f.id) AS handled, current_setting('app.tenant') AS tenant FROM specql.failures AS f ORDER BY f.id;
DELETE FROM shop.closed;
SELECT specql.retry(f.id) AS handled, current_setting('app.tenant') AS tenant, current_setting('app.other') AS other FROM specql.failures AS f ORDER BY f.id;
RESET SESSION AUTHORIZATION;
SELECT totals();
SELECT * FROM shop.seen();

-- Conditions are asked again with them, as handlers are.
SET SESSION AUTHORIZATION context_owner;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Visit
schema: shop
fields: {page: text}
actions:
  - name: on_visit
    on: insert Visit
    condition: "current_setting('app.tenant', true) = 'a'"
    steps:
      - call: "note('visit of ' || page)"
$$);
RESET SESSION AUTHORIZATION;
INSERT INTO shop.visit (page) VALUES ('/z');
SET app.tenant = 'a';
INSERT INTO shop.visit (page) VALUES ('/a');
INSERT INTO shop.closed VALUES (true);
INSERT INTO shop.visit (page) VALUES ('/late');
DELETE FROM shop.closed;
SET app.tenant = 'z';
SELECT w.what FROM specql.events AS e, specql.why(e.id) AS w WHERE e.action = 'shop.on_visit' AND w.kind = 'branch' ORDER BY e.id;
SELECT specql.retry(id) AS handled FROM specql.failures;
SELECT * FROM shop.seen();
SHOW app.tenant;

-- ---- what waits, what is replayed ----
SELECT specql.pause('shop.on_sale');
SET app.tenant = 'a';
INSERT INTO shop.sale (item) VALUES ('paused 1'), ('paused 2');
SET app.tenant = 'b';
INSERT INTO shop.sale (item) VALUES ('paused 3');
SELECT data #>> '{new,item}' AS item, status, settings ->> 'app.tenant' AS tenant FROM specql.events WHERE status = 'paused' ORDER BY id;
SET app.tenant = 'z';
SELECT specql.resume('shop.on_sale');
SELECT totals(), current_setting('app.tenant') AS tenant;
SELECT * FROM shop.seen();
SELECT count(*) FROM specql.replay('shop.on_sold', now() - interval '1 day');
SELECT * FROM shop.seen();
-- A failure of what waited.
SELECT specql.pause('shop.on_sale');
SET app.tenant = 'a';
INSERT INTO shop.sale (item) VALUES ('paused 4');
INSERT INTO shop.closed VALUES (true);
SET app.tenant = 'z';
SELECT specql.resume('shop.on_sale');
SELECT status, settings ->> 'app.tenant' AS tenant FROM specql.events WHERE status = 'failed';
DELETE FROM shop.closed;
SELECT specql.retry(id) AS handled FROM specql.failures;
SELECT * FROM shop.seen();

-- ---- without the log ----
SET specql.log_events = failed;
INSERT INTO shop.closed VALUES (true);
SET app.tenant = 'b';
INSERT INTO shop.sale (item) VALUES ('unlogged');
DELETE FROM shop.closed;
SET app.tenant = 'z';
SELECT specql.retry(id) AS handled FROM specql.failures;
SELECT * FROM shop.seen();
RESET specql.log_events;

-- ---- matches ----
SET SESSION AUTHORIZATION context_owner;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: often
    trigger: clicked_often
    condition: "COUNT(clicked) >= 2 WITHIN 1 hour BY page"
    steps:
      - call: "note('often ' || match_key)"
  - name: unpaid
    triggers: [placed, paid]
    correlation_window: "1 hour"
    correlate_by: order_number
    condition: "placed AND NOT paid"
    steps:
      - call: "note('unpaid ' || match_key)"
  - name: both
    triggers: [left_hand, right_hand]
    correlation_window: "1 hour"
    correlate_by: pair
    condition: "left_hand AND right_hand"
    steps:
      - call: "note('both ' || match_key)"
    on_timeout:
      - call: "note('not both ' || match_key)"
$$);
RESET SESSION AUTHORIZATION;
-- Of the event that completes it; if none does, of the last.
SET app.tenant = 'a';
SELECT count(specql.emit(type, data)) FROM (VALUES ('clicked', '{"page": "/x"}'::jsonb), ('clicked', '{"page": "/y"}'), ('placed', '{"order_number": 1}'),
    ('left_hand', '{"pair": "p"}'), ('left_hand', '{"pair": "q"}')) AS v(type, data);
SELECT specql.drain() > 0 AS drained;
SET app.tenant = 'b';
SELECT count(specql.emit(type, data)) FROM (VALUES ('clicked', '{"page": "/x"}'::jsonb), ('placed', '{"order_number": 2}'), ('right_hand', '{"pair": "p"}'),
    ('left_hand', '{"pair": "r"}'), ('placed', '{"order_number": 4}')) AS v(type, data);
SET app.tenant = 'z';
SELECT count(specql.emit('paid', '{"order_number": 4}'));
SET app.tenant = 'a';
SELECT count(specql.emit(type, data)) FROM (VALUES ('clicked', '{"page": "/y"}'::jsonb)) AS v(type, data);
SET app.tenant = 'z';
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.seen();
SET specql.clock_offset = '2 hours';
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.seen();
-- Counted again from the log.
RESET specql.clock_offset;
SET app.tenant = 'b';
SELECT count(specql.emit(type, data)) FROM (VALUES ('placed', '{"order_number": 3}'::jsonb)) AS v(type, data);
SET app.tenant = 'z';
SELECT specql.drain() > 0 AS drained;
SELECT specql.rebuild_window('shop.unpaid') > 0 AS rebuilt;
SET specql.clock_offset = '2 hours';
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.seen() WHERE what = 'unpaid 3';
RESET specql.clock_offset;
-- In a test's transaction.
BEGIN;
SET LOCAL app.tenant = 'a';
SELECT count(specql.emit('clicked', '{"page": "/test"}')) FROM generate_series(1, 2);
SET LOCAL app.tenant = 'z';
SELECT specql.evaluate_own_window('shop.often') AS counted, current_setting('app.tenant') AS tenant;
SELECT * FROM shop.seen();
ROLLBACK;

-- ---- rows that are handled at the end of the transaction ----
SET SESSION AUTHORIZATION context_owner;
CREATE TABLE shop.reading (id integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.reading_1 PARTITION OF shop.reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_reading
    on: insert reading
    steps:
      - call: "note('reading ' || id)"
$$);
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL app.tenant = 'a';
INSERT INTO shop.reading_1 VALUES (1, '2026-01-05'), (2, '2026-01-05');
SET LOCAL app.tenant = 'b';
INSERT INTO shop.reading_1 VALUES (3, '2026-01-05');
SET LOCAL app.tenant = 'z';
COMMIT;
SELECT * FROM shop.seen();

-- ---- functions that came later, and what is written when all deliveries are done ----
SET SESSION AUTHORIZATION context_owner;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Happening
schema: shop
fields:
  event_type: enum(made)
  tenant: text
  processed_at: timestamp
---
entity: Thing
schema: shop
fields: {tenant: text}
actions:
  - name: on_thing
    on: insert Thing
    steps:
      - insert: Happening SET
          event_type: "'made'"
          tenant: "tenant"
      - call_external: desk "made"
---
service: desk
---
schema: shop
actions:
  - name: on_late
    on: event late
    params: {item: text}
    steps:
      - later: "came_later(item)"
$$);
ALTER TABLE shop.happening ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON shop.happening USING (tenant = current_setting('app.tenant', true));
RESET SESSION AUTHORIZATION;
SET app.tenant = 'a';
SELECT count(specql.emit('late', '{"item": "a"}')) FROM generate_series(1, 2);
INSERT INTO shop.thing (tenant) VALUES ('a'), ('a');
SET app.tenant = 'b';
SELECT specql.emit('late', '{"item": "b"}') IS NOT NULL AS emitted;
INSERT INTO shop.thing (tenant) VALUES ('b');
RESET app.tenant;
SELECT specql.emit('late', '{"item": "none"}') IS NOT NULL AS emitted;
SET app.tenant = 'z';
SET SESSION AUTHORIZATION context_owner;
CREATE FUNCTION shop.came_later(item text) RETURNS void LANGUAGE sql AS $$ SELECT shop.note('later ' || item) $$;
RESET SESSION AUTHORIZATION;
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.seen();
SELECT count(specql.ack(id)) FROM specql.take('desk', 10);
SELECT tenant, processed_at IS NOT NULL AS processed FROM shop.happening ORDER BY tenant;
UPDATE shop.happening SET processed_at = NULL;
DELETE FROM shop.happening WHERE tenant = 'a';
SELECT count(*) FROM specql.replay('shop.on_thing', now() - interval '1 day');
SELECT tenant, processed_at IS NOT NULL AS processed FROM shop.happening ORDER BY tenant;
SHOW app.tenant;

-- ---- what a table holds that nobody's session has written ----
SET app.tenant = 'a';
INSERT INTO shop.closed VALUES (true);
INSERT INTO shop.sale (item) VALUES ('tampered'), ('odd'), ('cannot be');
DELETE FROM shop.closed;
UPDATE specql.failure SET settings = '{"search_path": "evil", "session_replication_role": "replica", "role": "postgres", "specql.context": "a.b", "app.tenant": "b"}'
WHERE data #>> '{new,item}' = 'tampered';
UPDATE specql.failure SET settings = '["app.tenant"]' WHERE data #>> '{new,item}' = 'odd';
UPDATE specql.failure SET settings = '{"plpgsql.extra_errors": "no such"}' WHERE data #>> '{new,item}' = 'cannot be';
SET SESSION AUTHORIZATION context_owner;
CREATE OR REPLACE FUNCTION shop.note(what text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO shop.seen (what, tenant, other) VALUES (what, current_setting('app.tenant', true),
        concat_ws(' ', current_setting('search_path'), current_setting('session_replication_role'), current_setting('specql.context')))
$$;
RESET SESSION AUTHORIZATION;
SET specql.clock_offset = '1 hour';
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.seen() WHERE what NOT LIKE 'then%';
SELECT sqlstate, message FROM specql.failures;

\c
DROP OWNED BY context_owner, context_app CASCADE;
DROP ROLE context_owner, context_app;
