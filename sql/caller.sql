-- Who did it: specql.caller().
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
CREATE ROLE caller_app;
CREATE ROLE caller_clerk;
GRANT caller_app, caller_clerk TO CURRENT_USER;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO caller_app, caller_clerk;
CREATE TABLE shop.broken (is_broken boolean);
CREATE TABLE shop.trace (n serial PRIMARY KEY, who text, what text);
CREATE FUNCTION shop.note(who text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM shop.broken) THEN
        RAISE EXCEPTION 'broken';
    END IF;
    INSERT INTO shop.trace (who, what) VALUES (note.who, note.what);
END $$;
CREATE FUNCTION shop.noted() RETURNS TABLE (who text, what text) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM shop.trace RETURNING n, who, what) SELECT g.who, g.what FROM gone AS g ORDER BY g.n
$$;

-- ---- of the session ----
SELECT specql.caller('user') = current_user AS me, specql.caller('id') AS id;
SELECT set_config('specql.caller', '{"id": "ada", "age": 36, "admin": true, "none": null, "roles": ["a", "b"], "org": {"x": 1}, "user": "root"}', false)
IS NOT NULL AS set;
SELECT k AS key, CASE WHEN k = 'user' THEN (specql.caller(k) = current_user)::text ELSE specql.caller(k) END AS caller
FROM unnest('{id,age,admin,none,roles,org,user,unknown}'::text[]) AS k;
SELECT specql.caller(NULL) AS nothing;
-- The first setting that is set counts.
SELECT set_config('request.jwt.claims', '{"id": "bob"}', false) IS NOT NULL AS set;
SELECT specql.caller('id'), specql.caller('age');
SELECT set_config('request.jwt.claims', '', false) IS NOT NULL AS set;
SELECT specql.caller('id');
SHOW specql.caller_claims;
SET specql.caller_claims = 'my.claims, other.claims';
SELECT specql.caller('id');
SELECT set_config('other.claims', '{"id": "eve"}', false) IS NOT NULL AS set;
SELECT specql.caller('id');
SET specql.caller_claims = '';
SELECT specql.caller('id');
SET specql.caller_claims = 'a, ,';
RESET specql.caller_claims;
-- SET ROLE counts, the owner of a function does not.
GRANT SELECT, INSERT ON shop.trace TO caller_app;
CREATE FUNCTION shop.whoami() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT specql.caller('user') $$;
ALTER FUNCTION shop.whoami() OWNER TO caller_clerk;
SET ROLE caller_app;
SELECT shop.whoami(), specql.caller('user'), specql.caller('id');
RESET ROLE;

-- What is no JSON object fails nothing: one warning in a session.
SELECT set_config('specql.caller', 'no json', false) IS NOT NULL AS set;
SELECT specql.caller('id') AS id, specql.caller('user') = current_user AS me;
SELECT specql.caller('id') AS id;
SELECT set_config('specql.caller', v, false) IS NULL AS unset, specql.caller('id') AS id
FROM unnest(ARRAY['["id"]', '7', '"id"', 'null', '{"id": "\u0000"}', '{"id": 1e999999}', '{"id"', repeat('[', 100000)]) AS v;
SELECT set_config('specql.caller', '', false) IS NOT NULL AS set;

-- ---- of events ----
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Visit
schema: shop
fields:
  page: text
actions:
  - name: on_visit
    on: insert Visit
    condition: "specql.caller('id') <> 'robot'"
    steps:
      - call: "note(specql.caller('user') || ' ' || specql.caller('id'), 'visit ' || page)"
      - emit: visited SET
          page: "page"
  - name: on_any_visit
    on: insert Visit
    steps:
      - call: "note('-', 'any ' || page)"
      - insert: Report SET
          page: "page"
---
entity: Report
schema: shop
fields:
  page: text
actions:
  - name: on_report
    on: insert Report
    condition: "specql.caller('id') IS NOT NULL"
    steps:
      - call: "note(specql.caller('user') || ' ' || specql.caller('id'), 'report ' || page)"
---
schema: shop
actions:
  - name: on_visited
    on: event visited
    params: {page: text}
    steps:
      - call: "note(specql.caller('user') || ' ' || specql.caller('id'), 'visited ' || page)"
$$);
SELECT action, uses_caller FROM specql.action ORDER BY action;
GRANT INSERT ON shop.visit TO caller_app;
GRANT EXECUTE ON FUNCTION specql.emit(text, text, text) TO caller_app;
-- A function of somebody else writes on behalf of the session's role.
CREATE FUNCTION shop.visit_page(page text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ INSERT INTO shop.visit (page) VALUES (page) $$;
SET ROLE caller_app;
SET specql.caller = '{"id": "ada"}';
INSERT INTO shop.visit (page) VALUES ('/a');
SET specql.caller = '{"id": "robot"}';
SELECT shop.visit_page('/robots.txt');
SELECT specql.emit('visited', '{"page": "/emitted"}') IS NOT NULL AS emitted;
RESET ROLE;
SELECT * FROM shop.noted();
-- The log keeps it where it is asked for.
SELECT action, status, caller FROM specql.events ORDER BY id, action;
DELETE FROM specql.event_log;

-- A retry in another session, as somebody else: whose event it was has not changed.
INSERT INTO shop.broken VALUES (true);
SET client_min_messages = error;
SET ROLE caller_app;
SET specql.caller = '{"id": "ada"}';
INSERT INTO shop.visit (page) VALUES ('/late');
SELECT specql.emit('visited', '{"page": "/late too"}') IS NOT NULL AS emitted;
RESET ROLE;
SET client_min_messages = warning;
SELECT action, status, caller FROM specql.events ORDER BY action, id;
DELETE FROM shop.broken;
\c
SET timezone = 'UTC';
SET specql.caller = '{"id": "robot"}';
SET specql.clock_offset = '1 hour';
SELECT specql.drain();
RESET specql.clock_offset;
SELECT * FROM shop.noted() ORDER BY what;
SELECT action, attempts, caller FROM specql.events ORDER BY action, id;

-- The conditions, asked again.
SELECT w.kind, w.what FROM specql.events AS e, specql.why(e.id) AS w
WHERE e.action = 'shop.on_visit' AND w.kind = 'branch' ORDER BY e.id;
SELECT r.branch, r.held FROM specql.events AS e, specql.recheck('shop.visit', e.action, e.data) AS r WHERE e.action = 'shop.on_visit';
-- A replay.
SELECT * FROM specql.replay('shop.on_visit', now() - interval '1 day') \gset
SELECT * FROM shop.noted() ORDER BY what;
SELECT * FROM specql.replay('shop.on_visited', now() - interval '1 day') \gset
SELECT * FROM shop.noted() ORDER BY what;

-- What waits for an action that is paused.
SELECT specql.pause('shop.on_visit'), specql.pause('shop.on_visited');
SET ROLE caller_app;
SET specql.caller = '{"id": "ada"}';
INSERT INTO shop.visit (page) VALUES ('/paused');
SET specql.caller = '{"id": "bob"}';
INSERT INTO shop.visit (page) VALUES ('/paused by bob');
SELECT specql.emit('visited', '{"page": "/paused"}') IS NOT NULL AS emitted;
RESET ROLE;
RESET specql.caller;
SELECT action, status, caller FROM specql.events WHERE status = 'paused' ORDER BY action, id;
SELECT specql.resume('shop.on_visit'), specql.resume('shop.on_visited');
SELECT * FROM shop.noted();

-- Nobody listens yet.
SET specql.caller = '{"id": "ada"}';
SELECT specql.emit('unheard', '{}') IS NOT NULL AS emitted;
SELECT status, caller ->> 'id' AS id FROM specql.events WHERE type = 'unheard';

-- Rows that were written straight to a partition are handled when the session may have become somebody else.
CREATE TABLE shop.reading (id integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.reading_1 PARTITION OF shop.reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
GRANT INSERT ON shop.reading_1 TO caller_app, caller_clerk;
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_reading
    on: insert reading
    steps:
      - call: "note(specql.caller('user') || ' ' || coalesce(specql.caller('id'), '-'), 'reading ' || id)"
$$);
BEGIN;
SET LOCAL ROLE caller_app;
INSERT INTO shop.reading_1 VALUES (1, '2026-01-05'), (2, '2026-01-05');
SET LOCAL specql.caller = '{"id": "eve"}';
INSERT INTO shop.reading_1 VALUES (3, '2026-01-05');
SET LOCAL ROLE caller_clerk;
INSERT INTO shop.reading_1 VALUES (4, '2026-01-05');
RESET ROLE;
SET LOCAL specql.caller = '';
COMMIT;
SELECT * FROM shop.noted();

-- Malformed claims fail neither a statement nor a handler.
SET client_min_messages = error;
SET specql.caller = 'no json';
SET ROLE caller_app;
SELECT specql.emit('visited', '{"page": "/malformed"}') IS NOT NULL AS emitted;
RESET ROLE;
RESET specql.caller;
SET client_min_messages = warning;
SELECT * FROM shop.noted();
SELECT count(*) FROM specql.failures;

-- A match is nobody's; what is counted is somebody's.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: many_clicks
    trigger: clicked_often
    condition: "COUNT(clicked) FILTER (WHERE specql.caller('id') = 'ada') >= 2 WITHIN 1 hour"
    steps:
      - call: "note(coalesce(specql.caller('id'), 'nobody'), 'match of ' || match_count)"
$$);
SET specql.caller = '{"id": "bob"}';
SELECT specql.emit('clicked', '{}') IS NOT NULL AS emitted;
SET specql.caller = '{"id": "ada"}';
SELECT specql.emit('clicked', '{}') IS NOT NULL AS emitted FROM generate_series(1, 2);
SELECT specql.drain() > 0 AS drained;
SELECT * FROM shop.noted();

\c
DROP OWNED BY caller_app, caller_clerk;
DROP ROLE caller_app, caller_clerk;
