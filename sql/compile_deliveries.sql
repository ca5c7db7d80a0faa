-- Which event a delivery belongs to, and when an event row is processed, if calls and conditions stand in between.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) FROM specql.apply($$
entity: Happening
schema: depot
fields:
  event_type: enum(counted, promised)
  part_id: uuid
  processed_at: timestamp
---
entity: Part
schema: depot
fields:
  name: text
  counted: integer
  promised: integer
actions:
  - name: on_counted
    on: update Part.counted
    steps:
      - insert: Happening SET
          event_type: "'counted'"
          part_id: "id"
      - if: "counted > 10"
        then:
          - notify: shop "many"
  - name: on_promised
    on: update Part.promised
    steps:
      - insert: Happening SET
          event_type: "'promised'"
          part_id: "id"
      - serve: "serve_waiting(id)"
  - name: serve
    pattern: batch/bulk_operation
    trigger: serve_now
    operation: update
    steps:
      - update: Waiting SET state = 'served' WHERE part_id = part_id AND state = 'waiting' ORDER BY name LIMIT 100
      - notify: people "served"
---
entity: Waiting
schema: depot
fields:
  name: text
  part_id: uuid
  state: text
$$);
INSERT INTO depot.part (name, counted, promised) VALUES ('bolt', 0, 0), ('nut', 0, 0), ('cap', 0, 0);
INSERT INTO depot.waiting (name, part_id, state)
SELECT p.name || n, p.id, 'waiting' FROM depot.part AS p, generate_series(1, 2) AS n WHERE p.name <> 'cap';

-- Nothing to deliver after all: processed. Something: pending.
UPDATE depot.part SET counted = CASE name WHEN 'bolt' THEN 5 ELSE 50 END;
SELECT p.name, h.processed_at IS NULL AS pending FROM depot.happening AS h JOIN depot.part AS p ON p.id = h.part_id
ORDER BY p.name;
TRUNCATE depot.happening;

-- What a bulk operation queues belongs to the event that it was called for, in a set of several.
UPDATE depot.part SET promised = 1;
SELECT p.name, o.payload->>'name' AS served, o.aggregateid = p.id::text AS of_its_row
FROM specql.outbox AS o JOIN specql.events AS e ON e.id = o.event_id JOIN depot.part AS p ON p.id::text = e.subject
WHERE o.channel = 'people' ORDER BY p.name, served;
SELECT p.name, h.processed_at IS NULL AS pending FROM depot.happening AS h JOIN depot.part AS p ON p.id = h.part_id
ORDER BY p.name;
SELECT p.name, e.deliveries, e.status
FROM specql.events AS e JOIN depot.part AS p ON p.id::text = e.subject WHERE e.action = 'depot.on_promised' ORDER BY p.name;
-- Called by a person there is no event.
UPDATE depot.waiting SET state = 'waiting';
SELECT depot.serve(id) FROM depot.part WHERE name = 'nut';
SELECT count(*) FILTER (WHERE event_id IS NULL) AS of_no_event FROM specql.outbox WHERE channel = 'people';

SELECT specql.focus(specql.uuid_v7());
SELECT specql.undelivered();
