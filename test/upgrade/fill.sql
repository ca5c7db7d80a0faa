-- What stands in a database of version 0.1.0 before its upgrade: rules, events, a failure, a parked one, a paused action with events that
-- wait, calls that wait, windows half counted. Run once, on that version, from the top of its source tree; the dump of the database is kept:
--
--   psql -d filled -f fill.sql && pg_dump filled > test/upgrade/0.1.0.dump.sql
\ir ../../examples/incidents/story.sql

CREATE ROLE parcel_office NOLOGIN;
CREATE SCHEMA "Post" AUTHORIZATION parcel_office;
GRANT specql_admin TO parcel_office;
GRANT CREATE ON SCHEMA "Post" TO parcel_office;
SET ROLE parcel_office;
SELECT count(*) > 0 FROM specql.apply($$
entity: Office
schema: Post
fields:
  name: text!
  parcels: integer = 0
---
entity: Parcel
schema: Post
fields:
  office: ref(Office)!
  state: enum(arrived, handed_over, lost) = 'arrived'
  weight: decimal(8,3)!
actions:
  - name: on_arrival
    trigger: parcel_created
    steps:
      - update: Office SET parcels = parcels + 1
      - insert: Notice SET
          parcel: "parcel_id"
          kind: "'arrival'"
      - call_external: post_service "announce"
  - name: on_heavy
    trigger: parcel_created
    condition: "weight > 10"
    steps:
      - insert: Notice SET
          parcel: "parcel_id"
          kind: "'heavy'"
          share: "100 / (weight - 20)"
  - name: on_many
    trigger: many_parcels
    condition: "COUNT(parcel_created) >= 3 WITHIN 1 hour"
    steps:
      - notify: office "many parcels"
  - name: on_lost
    trigger: parcel_state_changed
    condition: "new.state = 'lost'"
    steps:
      - insert: Notice SET
          parcel: "parcel_id"
          kind: "'lost'"
---
entity: Notice
schema: Post
fields:
  parcel: ref(Parcel)!
  kind: text!
  share: decimal(8,3)
---
service: post_service
url: http://127.0.0.1:9/post
$$);
RESET ROLE;

INSERT INTO "Post".office (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'North');
INSERT INTO "Post".parcel (id, office_id, weight) VALUES
    ('00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000001', 1),
    ('00000000-0000-0000-0000-000000000012', '00000000-0000-0000-0000-000000000001', 12);
SELECT specql.drain() > 0 AS first_two_are_counted;
-- These fail, one of them for good.
INSERT INTO "Post".parcel (id, office_id, weight) VALUES
    ('00000000-0000-0000-0000-000000000013', '00000000-0000-0000-0000-000000000001', 20);
INSERT INTO "Post".parcel (id, office_id, weight) VALUES
    ('00000000-0000-0000-0000-000000000014', '00000000-0000-0000-0000-000000000001', 20);
UPDATE specql.failure SET status = 'parked', next_attempt_at = NULL WHERE subject = '00000000-0000-0000-0000-000000000014';
-- These wait until the action is resumed.
SELECT specql.pause('Post.on_lost');
UPDATE "Post".parcel SET state = 'lost' WHERE id = '00000000-0000-0000-0000-000000000011';
-- A reader that has not come far, and a secret, which is in no dump.
SELECT specql.create_reader('warehouse', '-infinity');
INSERT INTO specql.secret VALUES ('post', 'key of the post');
SELECT status, count(*) FROM specql.failures GROUP BY 1 ORDER BY 1;
SELECT action, count(*) FROM specql.waiting_event GROUP BY 1;
SELECT status, count(*) FROM specql.deliveries GROUP BY 1;
SELECT action, count(*) FROM specql.window_event GROUP BY 1;
