-- Suites of windows and correlations: every aggregate, keys of all kinds, absence, timeouts, and what cannot be tested.
\i sql/include/suites.psql

-- Rows that are inserted, changed and deleted; keys of the row itself, of a unique column, of none.
SELECT count(*) > 0 FROM specql.apply($$
entity: Pump
schema: plant
fields:
  code: text!
  pressure: numeric(6,1) = 1
  running: boolean = true
  alarms: integer = 0
indexes:
  - columns: [code]
    unique: true
actions:
  - name: flapping
    trigger: pump_flaps
    condition: "COUNT(running_changed) >= 4 WITHIN 10 minutes BY pump_id"
    after_match: edge
    steps:
      - update: Pump SET alarms = alarms + 1
      - if: match_count > 3
        then:
          - notify: pumps "It flaps"
        else:
          - notify: pumps "never"
      - if: "last_at > '2020-01-01'"
        then:
          - notify: pumps "who knows"
  - name: by_code
    trigger: pump_code_busy
    condition: "COUNT(pressure_changed) FILTER (WHERE new_pressure > 5 AND previous_pressure <= 5) > 2 WITHIN 1 hour BY code"
    after_match: every
    steps:
      - insert: Note SET code = code, n = match_count, since = first_at, until = last_at
  - name: gone
    trigger: pumps_gone
    condition: "COUNT(pump_deleted) >= 2 WITHIN 1 day"
    cooldown: 2 days
    steps:
      - notify: pumps "Two are gone"
  - name: variety
    trigger: many_codes
    condition: "COUNT(DISTINCT pump_created.code) >= 3 WITHIN 1 day AND MAX(pump_created.pressure) > 7.5 WITHIN 1 day"
    steps:
      - emit: variety_found SET n = match_count
---
entity: Note
schema: plant
fields: {code: text, n: integer, since: timestamp, until: timestamp}
$$);
SELECT * FROM specql.runtests('plant.window_test');

-- Values of a few kinds, several keys, either of two, a time of the row's own; and windows that are too short or too large.
SELECT count(*) > 0 FROM specql.apply($$
entity: Visit
schema: web
fields:
  page: "enum(home, shop, cart)"
  seconds: integer
  region: text
  shop_no: integer
  occurred_at: timestamp
actions:
  - name: all_pages
    trigger: pages_seen
    condition: "COUNT(DISTINCT visit_created.page) = 3 WITHIN 30 minutes BY region, shop_no"
    steps:
      - notify: web "All pages were seen"
  - name: hasty
    trigger: visits_hasty
    condition: "MIN(visit_created.seconds) < 5 WITHIN 1 hour AND COUNT(visit_created) FILTER (WHERE page = 'cart') >= 2 WITHIN 2 hours"
    steps:
      - notify: web "Hasty visits"
  - name: either
    trigger: busy_or_long
    condition: "SUM(visit_created.seconds) >= 1000 WITHIN 1 hour OR COUNT(visit_created) FILTER (WHERE page IN ('home', 'shop')) >= 3 WITHIN 1 hour"
    steps:
      - notify: web "Busy"
  - name: fast
    trigger: too_fast
    condition: "COUNT(visit_created) >= 2 WITHIN 3 seconds"
    steps:
      - notify: web "Fast"
  - name: huge
    trigger: too_many
    condition: "COUNT(visit_created) >= 200 WITHIN 1 day"
    steps:
      - notify: web "Very many"
  - name: off
    trigger: switched_off
    enabled: false
    condition: "COUNT(visit_created) >= 2 WITHIN 1 day"
    steps:
      - notify: web "Off"
$$);
SELECT * FROM specql.runtests('web.window_test');

-- Keys that a check restricts, that a FILTER reads, that have few values; a key of two.
SELECT count(*) > 0 FROM specql.apply($$
entity: Ticket
schema: desk
fields:
  code: {type: text, check: "code ~ '^[A-Z]+-?[0-9]+$'", required: true}
  level: "enum(low, mid, high)"
  amount: integer!
  area: char(2)
actions:
  - name: by_code
    trigger: by_code_seen
    condition: "SUM(ticket_created.amount) FILTER (WHERE code <> 'AB-1' AND amount < 9) > 10 WITHIN 1 hour BY code"
    steps:
      - insert: DeskLog SET who = code, at = last_at
  - name: by_level
    trigger: level_seen
    condition: "COUNT(ticket_created) FILTER (WHERE level <> 'low') >= 2 WITHIN 1 hour BY level"
    params: {level: text}
    steps:
      - insert: DeskLog SET who = level, at = last_at
  - name: by_area
    trigger: area_seen
    condition: "COUNT(ticket_created) >= 2 WITHIN 1 hour BY area"
    steps:
      - insert: DeskLog SET who = area, at = last_at
  - name: unanswered
    triggers: [ticket_created, ticket_level_changed]
    correlation_window: "2 hours"
    correlate_by: ticket_id
    condition: "ticket_created AND NOT ticket_level_changed"
    steps:
      - update: Ticket SET amount = amount + 1
  - name: by_both
    trigger: both_seen
    condition: "COUNT(ticket_amount_changed) >= 3 WITHIN 1 hour BY level, ticket_id"
    steps:
      - update: Ticket SET amount = 0
      - insert: DeskLog SET who = level, at = last_at
---
entity: DeskLog
schema: desk
fields: {who: text, at: timestamp}
$$);
SELECT * FROM specql.runtests('desk.window_test');

-- Correlations of custom events and rows, keys of several names and types, absence, timeouts.
SELECT count(*) > 0 FROM specql.apply($$
schema: post
actions:
  - name: parcel
    triggers: [parcel_sent, parcel_received]
    correlation_window: "3 days"
    correlate_by: parcel
    condition: "parcel_sent AND parcel_received"
    steps:
      - notify: customers "It has arrived"
    on_timeout:
      - escalate: customer_service "It is late"
      - insert: Complaint SET parcel = parcel, since = first_at
  - name: unpaid
    triggers: [ordered, paid, called_off]
    correlation_window: "20 minutes"
    correlate_by: [order_no, invoice, order_no]
    condition: "ordered AND NOT paid AND NOT called_off"
    params: {order_no: integer}
    steps:
      - escalate: sales "Not paid"
  - name: lost
    triggers: [complaint_created, parcel_lost]
    correlation_window: "1 hour"
    correlate_by: {complaint_created: parcel, parcel_lost: number}
    condition: "complaint_created AND parcel_lost"
    steps:
      - notify: insurance "Lost"
  - name: much
    trigger: paid_much
    condition: "SUM(paid.amount) FILTER (WHERE currency = 'EUR') > 99.5 WITHIN 1 hour BY customer AND AVG(paid.amount) <= 50 WITHIN 1 hour BY customer"
    params: {customer: bigint, amount: numeric}
    steps:
      - call_external: bank "check"
---
entity: Complaint
schema: post
fields: {parcel: text!, since: timestamp}
$$);
SELECT * FROM specql.runtests('post.window_test');

-- Others bring events to the window too, or refuse them, or the match does: nothing can be said.
SELECT count(*) > 0 FROM specql.apply($$
entity: Item
schema: echo
fields: {name: text!, copy: boolean = false}
actions:
  - name: copied
    trigger: item_created
    condition: "NOT copy"
    steps:
      - insert: Item SET name = name, copy = true
  - name: many
    trigger: many_items
    condition: "COUNT(item_created) >= 3 WITHIN 1 hour"
    steps:
      - notify: store "Many"
---
entity: Letter
schema: echo
fields: {subject: text!}
actions:
  - name: nobody_writes
    trigger: letter_created
    on_error: abort
    steps:
      - validate: "subject = 'no subject is good enough' AND subject <> 'no subject is good enough'"
        error: "no letters"
  - name: letters
    trigger: many_letters
    condition: "COUNT(letter_created) >= 2 WITHIN 1 hour"
    steps:
      - notify: store "Letters"
  - name: chain
    trigger: chain_grows
    condition: "COUNT(link) >= 2 WITHIN 1 hour"
    steps:
      - emit: link
$$);
SELECT * FROM specql.runtests('echo.window_test');

-- A match that cannot run its steps is told.
BEGIN;
DO $do$
BEGIN
    EXECUTE replace(pg_get_functiondef('post.handle_unpaid_events()'::regprocedure), '''sales''', '''marketing''');
END $do$;
SELECT split_part(l, E'\n', 1) FROM specql.runtests('post.window_test') AS l WHERE l LIKE 'not ok %';
ROLLBACK;

-- Nothing stays, and what was counted before is as it was.
SELECT specql.emit('ordered', '{"order_no": 7}') IS NOT NULL;
SELECT specql.drain();
SELECT specql.emit('parcel_sent', '{"parcel": "P1"}') IS NOT NULL;
SELECT key, counts, deadline IS NOT NULL FROM specql.windows WHERE action = 'post.unpaid' AND key IS NOT NULL;
SELECT count(*) FROM specql.runtests('post.window_test') AS l WHERE l LIKE 'ok %';
SELECT key, counts, deadline IS NOT NULL FROM specql.windows WHERE action = 'post.unpaid' AND key IS NOT NULL;
SELECT count(*) FROM specql.window_event;
SELECT specql.drain();
SELECT action, key, counts FROM specql.windows WHERE key IS NOT NULL ORDER BY action, key;
SELECT sum(evaluated), sum(matches) FROM specql.windows WHERE key IS NULL;
SELECT (SELECT count(*) FROM plant.pump), (SELECT count(*) FROM plant.note), (SELECT count(*) FROM web.visit), (SELECT count(*) FROM post.complaint),
       (SELECT count(*) FROM specql.deliveries), (SELECT count(*) FROM specql.failures),
       (SELECT count(*) FROM pg_proc WHERE proname LIKE 'specql_test%'), current_setting('specql.clock_offset');

-- Only superusers may move the clock: for others the tests that do are skipped.
CREATE ROLE testing_windows_author;
GRANT specql_admin TO testing_windows_author;
GRANT CREATE ON DATABASE :DBNAME TO testing_windows_author;
SET ROLE testing_windows_author;
SELECT count(*) > 0 FROM specql.apply($$
entity: Alarm
schema: own_plant
fields: {place: text!}
actions:
  - name: fire
    trigger: fire_suspected
    condition: "COUNT(alarm_created) >= 2 WITHIN 5 minutes BY place"
    steps:
      - escalate: brigade "Two alarms in one place"
$$);
SELECT * FROM specql.runtests('own_plant.window_test');
SELECT specql.evaluate_own_window('own_plant.nothing');
SELECT specql.evaluate_own_window(NULL);
RESET ROLE;

-- Only what the transaction itself has brought is counted, and only while the steps are switched on.
INSERT INTO own_plant.alarm (place) VALUES ('hall');
BEGIN;
SELECT specql.evaluate_own_window('own_plant.fire');
INSERT INTO own_plant.alarm (place) VALUES ('yard'), ('yard');
SELECT specql.evaluate_own_window('own_plant.fire');
SELECT key, matches FROM specql.windows WHERE action = 'own_plant.fire' AND key IS NOT NULL;
SELECT channel, message FROM specql.deliveries WHERE action = 'own_plant.fire';
ROLLBACK;
SELECT waiting FROM specql.windows WHERE action = 'own_plant.fire' AND key IS NULL;

-- A pause is no mistake.
SELECT specql.pause('own_plant.fire') IS NOT NULL;
SELECT l FROM specql.runtests('own_plant.window_test') AS l WHERE l LIKE '%fires once%';
SELECT specql.resume('own_plant.fire') IS NOT NULL;

-- As a script.
SELECT l FROM specql.test_script('own_plant.window_test') AS s, regexp_split_to_table(s, '\n') AS l;
DROP SCHEMA own_plant CASCADE;
DROP OWNED BY testing_windows_author;
DROP ROLE testing_windows_author;
