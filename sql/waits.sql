-- Workflows that wait: for times, events, conditions over rows, people, answers, several of them; and what is done if it takes too long.
\set ECHO queries
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS specql;
SET client_min_messages = notice;
SELECT count(*) > 0 AS applied FROM specql.apply($$
service: prices
operations: {check: {}}
---
entity: Purchase
schema: waits
fields:
  title: text!
  total: decimal(10,2)!
  due_at: timestamptz
  state: enum(draft, asked, approved, refused, late) = 'draft'
  boss_ok: boolean! = false
  hr_ok: boolean! = false
actions:
  - name: pause
    description: A time
    pattern: composite/workflow_orchestrator
    workflow:
      - {step: positive, condition: "total > 0", error: "{title} costs nothing"}
      - {step: asked, action: update, fields: {state: "'asked'"}}
      - step: two_hours
        wait: 2 hours
      - step: day_before
        wait_until: "due_at - interval '1 day'"
      - step: told
        notify: office "{title} is due tomorrow"
  - name: arrival
    description: An event, of this purchase alone
    pattern: composite/workflow_orchestrator
    workflow:
      - step: parcel
        wait_for: parcel_arrived BY purchase_id
        timeout: 5 days
        on_timeout:
          - {step: too_late, action: update, fields: {state: "'late'"}}
          - notify: office "{title} is late"
      - step: told
        condition: "parcel_completed"
        notify: office "{title} weighs {parcel.weight}"
  - name: consent
    description: Both must agree
    pattern: composite/workflow_orchestrator
    workflow:
      - step: both
        condition: "boss_ok AND hr_ok"
        timeout: 3 days
      - {step: done, action: update, fields: {state: "'approved'"}}
  - name: approve
    description: A person decides
    pattern: composite/workflow_orchestrator
    params: {reason: text}
    workflow:
      - step: ok
        ask: manager "Approve {title} for {total}, {reason}?" choices [yes, no, later]
        repeat: 1 day
        due: 2 days
        timeout: 5 days
        on_timeout:
          - {step: forgotten, action: update, fields: {state: "'late'"}}
      - step: accepted
        condition: "ok.choice = 'yes'"
        action: notify
        recipient: office
        message: "{title} is approved by {ok.answered_by}: {ok.comment}"
      - step: refused
        action: update
        fields: {state: "'refused'"}
        condition: "id = purchase_id AND ok.choice = 'no'"
  - name: compare
    description: Several at once
    pattern: composite/workflow_orchestrator
    workflow:
      - step: together
        parallel:
          - step: legal
            ask: {role: legal, question: "Is {title} legal?", choices: [yes, no]}
          - step: price
            call_external: prices "check" SET title = title
            answer: needed
        timeout: 1 day
      - step: told
        notify: office "{title}: {legal.choice}, {price.price}"
      - step: first_of
        any: true
        parallel:
          - step: sooner
            wait: 1 hour
          - step: later
            wait: 3 hours
      - step: told_again
        notify: office "{title} is through"
$$);
SELECT action, name, resolved_to FROM specql.explain($$
entity: Thing
schema: waits
fields: {title: text!, boss_ok: boolean, due_at: timestamptz}
actions:
  - name: all_of_it
    pattern: composite/workflow_orchestrator
    workflow:
      - {step: a, wait: 2 hours}
      - {step: b, wait_until: "due_at - interval '1 day'"}
      - {step: c, wait_for: arrived BY thing_id, timeout: 1 day, on_timeout: [{notify: x "y"}]}
      - {step: d, condition: boss_ok, timeout: 1 day}
      - step: e
        ask: manager "Approve {title}?" choices [yes, no]
$$) WHERE name LIKE 'step%';
CREATE VIEW waits.stand AS
    SELECT p.action, p.status, s.title FROM specql.processes AS p LEFT JOIN waits.purchase AS s ON s.id::text = p.subject;
INSERT INTO waits.purchase (title, total, due_at) VALUES ('desk', 10, now() + interval '3 days'), ('gift', 0, NULL);

-- Times. What is wrong before the first wait is the caller's error; the time moves with the row.
SELECT waits.pause(id) FROM waits.purchase WHERE title = 'gift';
SELECT waits.pause(id) IS NOT NULL AS begun FROM waits.purchase WHERE title = 'desk';
SELECT title, state FROM waits.purchase ORDER BY 1;
SELECT * FROM waits.stand;
SELECT specql.drain();
SET specql.clock_offset = '2 hours 1 minute';
SELECT specql.drain();
SELECT * FROM waits.stand;
UPDATE waits.purchase SET due_at = due_at + interval '1 day' WHERE title = 'desk';
SET specql.clock_offset = '2 days 1 hour';
SELECT specql.drain() >= 0 AS drained;
SELECT count(*) FROM specql.deliveries WHERE channel = 'office';
SET specql.clock_offset = '3 days 1 hour';
SELECT specql.drain() > 0 AS gone_on;
SELECT message FROM specql.deliveries WHERE channel = 'office';
SELECT action, status FROM specql.processes ORDER BY started_at;
RESET specql.clock_offset;

-- Events: of this purchase, and not of another; by hand; too late.
SELECT waits.arrival(id) IS NOT NULL AS begun FROM waits.purchase ORDER BY title;
SELECT specql.emit('parcel_arrived', jsonb_build_object('purchase_id', gen_random_uuid(), 'weight', 1)) IS NOT NULL AS of_nobody;
SELECT specql.drain() >= 0 AS drained;
SELECT action, status, count(*) FROM specql.processes WHERE status = 'waiting' GROUP BY 1, 2;
SELECT specql.emit('parcel_arrived', jsonb_build_object('purchase_id', id, 'weight', 12)) IS NOT NULL AS arrived FROM waits.purchase WHERE title = 'desk';
SELECT specql.drain() > 0 AS gone_on;
SELECT message FROM specql.deliveries WHERE message LIKE '%weighs%';
DO $$
BEGIN
    PERFORM specql.signal(id, 'somthing') FROM specql.processes WHERE status = 'waiting';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, '[0-9a-f-]{36}', '…');
END $$;
SET specql.clock_offset = '5 days 1 hour';
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state FROM waits.purchase ORDER BY 1;
SELECT message FROM specql.deliveries WHERE message LIKE '%late';
RESET specql.clock_offset;

-- Conditions over rows: asked at once, and when the row changes.
UPDATE waits.purchase SET boss_ok = false, hr_ok = false;
SELECT waits.consent(id) IS NOT NULL AS begun FROM waits.purchase ORDER BY title;
UPDATE waits.purchase SET boss_ok = true;
SELECT specql.drain() >= 0 AS drained;
SELECT title, state FROM waits.purchase ORDER BY 1;
UPDATE waits.purchase SET hr_ok = true WHERE title = 'gift';
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state FROM waits.purchase ORDER BY 1;
SET specql.clock_offset = '4 days';
SELECT specql.drain() > 0 AS gone_on;
SELECT status, last_error FROM specql.processes WHERE action = 'waits.consent' ORDER BY status;
RESET specql.clock_offset;

-- People.
UPDATE waits.purchase SET state = 'draft';
SELECT waits.approve(id, 'as ever') IS NOT NULL AS begun FROM waits.purchase ORDER BY title;
SELECT channel, question, choices, round(extract(epoch FROM due_at - asked_at) / 3600) AS hours FROM specql.tasks ORDER BY question;
SELECT specql.answer(id, 'maybe') FROM specql.tasks WHERE question LIKE '%desk%';
SELECT specql.answer(id, 'yes', 'we need it') IS NOT NULL AS answered FROM specql.tasks WHERE question LIKE '%desk%';
SELECT specql.drain() > 0 AS gone_on;
SELECT regexp_replace(message, current_user, 'me') AS message FROM specql.deliveries WHERE message LIKE '%approved%';
SET specql.clock_offset = '1 day 1 minute';
SELECT specql.drain() > 0 AS reminded;
SELECT count(*) FROM specql.deliveries WHERE channel = 'manager' AND message LIKE '%gift%';
SET specql.clock_offset = '5 days 1 minute';
SELECT specql.drain() > 0 AS gone_on;
SELECT title, state FROM waits.purchase ORDER BY 1;
SELECT count(*) FROM specql.tasks;
RESET specql.clock_offset;

-- Several at once, and the first of them.
SELECT waits.compare(id) IS NOT NULL AS begun FROM waits.purchase WHERE title = 'desk';
SELECT specql.drain() >= 0 AS drained;
SELECT specql.ack(id, '{"price": "9.90"}') FROM specql.take('prices');
SELECT specql.drain() >= 0 AS drained;
SELECT count(*) FROM specql.deliveries WHERE message LIKE 'desk: %';
SELECT specql.answer(id, 'no') IS NOT NULL AS answered FROM specql.tasks;
SELECT specql.drain() > 0 AS gone_on;
SELECT message FROM specql.deliveries WHERE message LIKE 'desk: %';
SET specql.clock_offset = '1 hour 1 minute';
SELECT specql.drain() > 0 AS gone_on;
SELECT message FROM specql.deliveries WHERE message LIKE '%through';
SELECT action, status FROM specql.processes WHERE action = 'waits.compare';
RESET specql.clock_offset;

-- The same text again changes nothing; without the action nothing listens any more.
SELECT specql.drain() >= 0 AS drained;
SET client_min_messages = warning;
SELECT count(*) > 0 AS removed FROM specql.remove('waits.Purchase');
DROP SCHEMA waits CASCADE;
