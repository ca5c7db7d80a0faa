-- Names follow refs: from a row to the rows that it refers to, nearest first; and a ref goes by its own name.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set spec 'entity: Region\nschema: geo\nfields: {label: text, trips: integer = 0}\n---\nentity: City\nschema: geo\nfields: {label: text, region: ref(Region)}\n---\nentity: Road\nschema: geo\nfields:\n  origin: ref(City)\n  toll: integer\nindexes:\n  - columns: [origin, toll]\n---\nentity: Trip\nschema: geo\nfields: {road: ref(Road), driver: text}\nactions:\n  - name: on_trip\n    trigger: trip_created\n    steps:\n      - insert: Toll SET\n          road: road\n          driver: driver\n          paid: toll\n          place: label\n          wide: region.label\n      - update: Region SET trips = trips + 1\n      - emit: trip_noted SET\n          road_id: road_id\n          label: "''key ''"\n---\nentity: Toll\nschema: geo\nfields: {road: ref(Road), driver: text, paid: integer, place: text, wide: text}\nactions:\n  - name: on_noted\n    on: event trip_noted\n    steps:\n      - insert: Note SET\n          text: "label || city.label || toll"\n---\nentity: Note\nschema: geo\nfields: {text: text}\n'
\pset format unaligned
SELECT name, resolved_to, rule FROM specql.explain(:'spec') WHERE name !~ 'trip_' ORDER BY action, name;
SELECT count(*) > 0 AS applied FROM specql.apply(:'spec');
\sf geo.trigger_trip_events
SELECT indexdef FROM pg_indexes WHERE schemaname = 'geo' AND indexname ~ 'toll' ORDER BY indexname;
INSERT INTO geo.region VALUES ('01900000-0000-7000-8000-000000000001', 'North');
INSERT INTO geo.city VALUES ('01900000-0000-7000-8000-000000000002', 'Berg', '01900000-0000-7000-8000-000000000001'),
    ('01900000-0000-7000-8000-000000000003', 'Nowhere', NULL);
INSERT INTO geo.road VALUES ('01900000-0000-7000-8000-000000000004', '01900000-0000-7000-8000-000000000002', 5),
    ('01900000-0000-7000-8000-000000000005', '01900000-0000-7000-8000-000000000003', 7);
-- A whole chain, a chain that ends early, and no road at all.
INSERT INTO geo.trip (road_id, driver) VALUES ('01900000-0000-7000-8000-000000000004', 'Ada'),
    ('01900000-0000-7000-8000-000000000005', 'Bob'), (NULL, 'Eve');
SELECT driver, paid, place, wide FROM geo.toll ORDER BY driver;
SELECT label, trips FROM geo.region;
SELECT text FROM geo.note ORDER BY text;
SELECT message FROM specql.failures;
-- Equally near is ambiguous, and a payload's own key is never taken for a farther row's column.
SELECT line, message, hint FROM specql.validate(E'entity: Ferry\nschema: geo\nfields: {from: ref(City), via: ref(Road), zone: ref(Region), fare: integer}\nactions:\n  - name: on_ferry\n    trigger: ferry_created\n    steps:\n      - insert: Note SET\n          text: "label || city.label || region.label"\n      - update: Ferry SET fare = toll + trips\n');
SELECT name, resolved_to FROM specql.explain(E'schema: geo\nactions:\n  - name: on_road_closed\n    on: event road_closed\n    steps:\n      - insert: Note SET\n          text: "label || toll || road_id"\n') WHERE name IN ('label', 'toll');
-- What another schema gets later does not take events that were never meant for it; what fits, it takes.
SET client_min_messages = error;
SELECT count(*) > 0 AS applied FROM specql.apply(E'entity: Desk\nschema: shop\nfields: {parcels: integer, heaviest: integer}\nactions:\n  - name: on_parcel\n    trigger: parcel_created\n    steps:\n      - update: Desk SET parcels = parcels + 1, heaviest = weight WHERE true\n');
SELECT count(*) > 0 AS applied FROM specql.apply(E'entity: Parcel\nschema: post\nfields: {color: text}\n');
SELECT action, event, relation FROM specql.actions WHERE action = 'shop.on_parcel';
SELECT count(*) > 0 AS applied FROM specql.apply(E'entity: Parcel\nschema: mail\nfields: {weight: integer}\n');
SELECT action, event, relation FROM specql.actions WHERE action = 'shop.on_parcel';
