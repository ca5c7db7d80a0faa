-- Steps behind an allocation: any step, once for each row that was taken, in their order. All values are worked out by hand.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA shop;
CREATE TABLE shop.note (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, note_text text);
CREATE FUNCTION shop.heard(quantity integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO shop.note (note_text) VALUES ('heard of ' || quantity)
$$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Depot
schema: shop
fields:
  depot_name: text
  used: integer = 0
---
entity: Parcel
schema: shop
fields:
  depot: ref(Depot)
  quantity: integer
  parcel_status: enum(waiting, loaded) = 'waiting'
  booked_at: timestamp
  tags: list(text)
---
entity: Slot
schema: shop
fields:
  depot: ref(Depot)
  parcel: ref(Parcel)
  place: integer
---
entity: Note
schema: shop
fields:
  note_text: text
$$);
CREATE TABLE shop.depots AS SELECT n, format('00000000-0000-7000-8000-00000000000%s', n)::uuid AS id FROM generate_series(1, 2) AS n;
-- Depot 1 has parcels of 3, 4, 5 and 1, in this order, and slots 1 to 3; depot 2 has one of 7.
CREATE PROCEDURE shop.refill() LANGUAGE sql AS $$
    TRUNCATE shop.depot, shop.parcel, shop.slot, shop.note RESTART IDENTITY CASCADE;
    TRUNCATE specql.outbox CASCADE;
    INSERT INTO shop.depot (id, depot_name) SELECT id, 'depot ' || n FROM shop.depots;
    INSERT INTO shop.parcel (depot_id, quantity, booked_at, tags)
    SELECT (SELECT id FROM shop.depots d WHERE d.n = p.d), q, timestamptz '2026-01-01' + p.n * interval '1 day', tags
    FROM (VALUES (1, 1, 3, '{x}'::text[]), (2, 1, 4, '{a,stop,b}'), (3, 1, 5, NULL), (4, 1, 1, '{}'), (5, 2, 7, NULL)) AS p(n, d, q, tags);
    INSERT INTO shop.slot (depot_id, place) SELECT id, p FROM shop.depots, generate_series(1, 3) AS p WHERE n = 1;
$$;
CREATE VIEW shop.state AS
    SELECT (SELECT string_agg(depot_name || ' ' || used, ', ' ORDER BY depot_name) FROM shop.depot) AS depots,
           (SELECT string_agg(quantity || CASE parcel_status WHEN 'loaded' THEN '!' ELSE '' END, ' ' ORDER BY booked_at) FROM shop.parcel) AS parcels,
           (SELECT string_agg(place || coalesce('=' || quantity, ''), ' ' ORDER BY place) FROM shop.slot s LEFT JOIN shop.parcel p ON p.id = s.parcel_id) AS slots,
           (SELECT string_agg(note_text, ', ' ORDER BY id) FROM shop.note) AS notes,
           (SELECT string_agg(message || ' ' || coalesce(payload->>'quantity', '-'), ', ' ORDER BY id) FROM specql.outbox) AS messages;

-- All that may stand there, with parameters.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: load_parcels
    pattern: batch/bulk_operation
    params: {depot_id: uuid, room: integer}
    steps:
      - validate: "room > 0"
        error: "there is no room"
      - insert: Note SET
          note_text: "'room for ' || room"
      - update: Parcel SET parcel_status = 'loaded'
        WHERE depot_id = depot_id AND parcel_status = 'waiting'
        ORDER BY booked_at LIMIT SUM(quantity) <= room
      - validate: "new.quantity <> 5"
        error: "five is refused"
      - if: "quantity > 3 AND room > 3"
        then:
          - notify: drivers "heavy"
        else:
          - insert: Note SET
              note_text: "'light ' || quantity"
      - foreach: tag in tags
        do:
          - if: "tag = 'stop'"
            then:
              - return:
          - insert: Note SET
              note_text: "tag || ' of ' || quantity"
      - update: Depot SET used = used + quantity
      - update: Slot SET parcel = new.id WHERE depot_id = new.depot_id AND parcel_id IS NULL ORDER BY place LIMIT 1
      - update: Parcel SET booked_at = booked_at + interval '1 hour'
      - delete: Note WHERE note_text = 'room for ' || room
      - call: "heard(quantity)"
$$);
\sf shop.load_parcels
CALL shop.refill();
SELECT shop.load_parcels(p_depot_id => id, p_room => 8) AS taken FROM shop.depots WHERE n = 1;
SELECT * FROM shop.state;
SELECT quantity, booked_at - date_trunc('day', booked_at) AS later FROM shop.parcel ORDER BY booked_at;
-- Five is next, and what the call has done before is undone with it. Then nothing is taken, and only what stands before is done.
SELECT shop.load_parcels(p_depot_id => id, p_room => 100) FROM shop.depots WHERE n = 1;
SELECT shop.load_parcels(p_depot_id => id, p_room => 0) FROM shop.depots WHERE n = 1;
CALL shop.refill();
SELECT shop.load_parcels(p_depot_id => id, p_room => 2) AS taken FROM shop.depots WHERE n = 1;
SELECT * FROM shop.state;

-- Each element of an array; deleted rows are as they were.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: drop_parcels
    pattern: batch/bulk_operation
    batch_field: parcel_sizes
    error_handling: continue_on_error
    params: {size: integer, place: integer}
    steps:
      - delete: Slot WHERE place = place
      - if: "new.place = 2"
        then:
          - update: Depot SET used = used + new.place + size
        else:
          - validate: "size < 10"
  - name: tell_sizes
    pattern: batch/bulk_operation
    batch_field: parcel_sizes
    error_handling: continue_on_error
    params: {size: integer}
    steps:
      - validate: "size > 0"
      - if: "size = 7"
        then:
          - return:
      - insert: Note SET
          note_text: "'told of ' || size"
  - name: tell_one
    pattern: batch/bulk_operation
    params: {size: integer}
    steps:
      - if: "size > 7"
        then:
          - return:
      - notify: drivers "one"
$$);
CALL shop.refill();
SELECT shop.drop_parcels('[{"size": 1, "place": 2}, {"size": 20, "place": 1}, {"size": 5, "place": 3}, {"size": 5, "place": 9}]') AS taken;
SELECT * FROM shop.state;
-- Without update and delete: how many elements, without those that failed, and 1 without an array.
SELECT shop.tell_sizes('[{"size": 1}, {"size": 0}, {"size": 7}, {"size": 3}]') AS elements, shop.tell_sizes('[]') AS none,
       shop.tell_one(1) AS one, shop.tell_one(8) AS one_more;
SELECT notes, messages FROM shop.state;

-- Each list of steps has its own first update: branches, their else, if and foreach.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: by_branch
    pattern: batch/bulk_operation
    params: {kind: text, sizes: "integer[]"}
    conditions:
      - if: "kind = 'parcels'"
        then:
          - update: Parcel SET parcel_status = 'loaded' WHERE quantity < 5
          - insert: Note SET
              note_text: "'parcel ' || quantity"
      - if: "kind <> 'sizes'"
        then:
          - delete: Slot WHERE true
          - if: "place > 1"
            then:
              - insert: Note SET
                  note_text: "kind || ' and slot ' || place"
          - update: Depot SET used = used + place
      - if: "kind = 'sizes'"
        then:
          - foreach: size in sizes
            do:
              - update: Parcel SET parcel_status = 'loaded' WHERE quantity = size
              - notify: drivers "of size"
          - insert: Note SET
              note_text: "'asked for ' || cardinality(sizes)"
$$);
\sf shop.by_branch
CALL shop.refill();
SELECT shop.by_branch('sizes', '{4,9,7}') AS taken;
SELECT * FROM shop.state;
CALL shop.refill();
SELECT shop.by_branch('parcels', '{}') AS taken;
SELECT * FROM shop.state;

-- ORDER BY and LIMIT in what is raised by an event: rows in order for each event.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_parcel
    on: insert Parcel
    steps:
      - update: Slot SET parcel = new.id WHERE depot_id = new.depot_id AND parcel_id IS NULL ORDER BY place DESC LIMIT 1
  - name: on_depot
    on: update Depot.used
    steps:
      - update: Parcel SET parcel_status = 'loaded' WHERE depot_id = new.id AND parcel_status = 'waiting' ORDER BY booked_at LIMIT SUM(quantity) <= new.used
$$);
\sf shop.trigger_parcel_events
CALL shop.refill();
SELECT slots FROM shop.state;
INSERT INTO shop.parcel (depot_id, quantity, booked_at) SELECT id, 20 + x, '2027-01-01' FROM shop.depots, generate_series(1, 2) AS x WHERE n = 1;
SELECT slots FROM shop.state;
UPDATE shop.depot SET used = 8;
SELECT parcels FROM shop.state;
SELECT message FROM specql.failures;
DELETE FROM specql.failure;

-- create: takes the taken row's columns, and parameters that are declared. The whole row is new.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Loaded
schema: shop
fields:
  quantity: integer
  depot: ref(Depot)
  gate: text
  parcel_row: jsonb
---
schema: shop
actions:
  - name: note_loads
    pattern: batch/bulk_operation
    trigger: gate_opened
    params: {gate: text}
    steps:
      - update: Parcel SET parcel_status = 'loaded' WHERE quantity > 4 AND quantity < 20
      - create: Loaded SET parcel_row = to_jsonb(new)
$$);
CALL shop.refill();
SELECT specql.emit('gate_opened', '{"gate": "north"}') IS NOT NULL AS raised;
SELECT l.quantity, depot_name, gate, parcel_row->>'parcel_status' AS status FROM shop.loaded l JOIN shop.depot d ON d.id = l.depot_id ORDER BY 1;

-- A name of two loops may be of two types.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: two_loops
    pattern: batch/bulk_operation
    params: {numbers: "integer[]", words: "text[]"}
    steps:
      - foreach: item in numbers
        do:
          - insert: Note SET
              note_text: "'number ' || item + 1"
      - foreach: item in words
        do:
          - insert: Note SET
              note_text: "'word ' || upper(item)"
$$);
CALL shop.refill();
SELECT shop.two_loops('{1,2}', '{a}') AS handled;
SELECT notes FROM shop.state;

-- What has no meaning there.
CREATE FUNCTION shop.problem(step text) RETURNS TABLE (line integer, col integer, code text, message text, hint text) LANGUAGE sql AS $$
    SELECT line, col, code, message, hint FROM specql.validate(E'schema: shop\nactions:\n  - name: bad\n    pattern: batch/bulk_operation\n    params: {depot_id: uuid}\n    steps:\n      - update: Parcel SET parcel_status = ''loaded'' WHERE depot_id = depot_id\n      - ' || step || E'\n')
$$;
SELECT * FROM shop.problem(E'insert: Note SET\n          note_text: "depot.depot_name"');
SELECT * FROM shop.problem(E'insert: Note SET\n          note_text: "event_type"');
SELECT * FROM shop.problem(E'insert: Note SET\n          note_text: "new.weight"');
SELECT line, col, code, message, hint FROM specql.validate($$
entity: Move
schema: shop
fields: {source: ref(Depot), goal: ref(Depot), moved: boolean}
actions:
  - name: move
    pattern: batch/bulk_operation
    steps:
      - update: Move SET moved = true WHERE NOT moved
      - update: Depot SET used = used + 1
$$);
