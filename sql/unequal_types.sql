-- Updates of fields whose types PostgreSQL cannot compare by =, or whose = means something else: they have changed if their
-- bytes have.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE SCHEMA parts;
CREATE TYPE parts.pair AS (name text, more json);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Site
schema: map
fields:
  no: integer
  details: json
  place: point
  area: box
  notes: list(json)
  pair: parts.pair
  plain: jsonb
actions:
  - name: on_details
    on: update Site.details
    steps:
      - notify: changes "details"
  - name: on_place
    on: update Site.place
    steps:
      - notify: changes "place"
  - name: on_area
    on: update Site.area
    steps:
      - notify: changes "area"
  - name: on_notes
    on: update Site.notes
    steps:
      - notify: changes "notes"
  - name: on_pair
    on: update Site.pair
    steps:
      - notify: changes "pair"
  - name: on_plain
    on: update Site.plain
    steps:
      - notify: changes "plain"
$$);
CREATE FUNCTION said() RETURNS text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM specql.outbox RETURNING id)
    SELECT coalesce(string_agg(d.message, ' ' ORDER BY d.message), 'nothing') FROM gone AS g JOIN specql.deliveries AS d ON d.id = g.id
$$;

\echo == NULL, values, the same values again
INSERT INTO map.site (no) VALUES (1);
UPDATE map.site SET details = NULL, place = NULL, area = NULL, notes = NULL, pair = NULL, plain = NULL;
SELECT said();
UPDATE map.site SET details = '{"a": 1}', place = '(1,2)', area = '(2,2),(0,0)', notes = ARRAY['1', '2']::json[], pair = ('x', '[1]'),
    plain = '{"a": 1}';
SELECT said();
UPDATE map.site SET details = '{"a": 1}', place = '(1,2)', area = '(2,2),(0,0)', notes = ARRAY['1', '2']::json[], pair = ('x', '[1]'),
    plain = '{"a": 1}';
SELECT said();

\echo == a box of the same area elsewhere, json written otherwise, a NULL
UPDATE map.site SET area = '(3,3),(1,1)';
SELECT said();
UPDATE map.site SET details = '{"a":1}', plain = '{"a":1}';
SELECT said();
UPDATE map.site SET place = NULL, notes[2] = '3', pair.more = NULL;
SELECT said();

\echo == a table of somebody else
CREATE TABLE map.spot (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at point, shape polygon);
SELECT count(*) > 0 AS applied FROM specql.apply($$
actions:
  - name: on_spot
    on: update map.spot.shape
    steps:
      - notify: changes "spot"
$$, schema => 'map');
INSERT INTO map.spot (shape) VALUES ('((0,0),(1,1),(1,0))');
UPDATE map.spot SET shape = '((0,0),(1,1),(1,0))', at = '(1,1)';
SELECT said();
UPDATE map.spot SET shape = '((0,0),(2,2),(1,0))';
SELECT said();

SELECT count(*) AS problems FROM specql.drift();
\sf map.place_capture
