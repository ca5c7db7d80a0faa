-- Suites where actions with on_error: abort stand in the way of the others: what these demand is part of the search.
\i sql/include/suites.psql

-- Transitions, also those that steps make; a row that only the rule reads; a listener of the same custom event.
SELECT count(*) > 0 FROM specql.apply($$
entity: Ward
schema: clinic
fields:
  beds: integer
  closed: boolean = false
---
entity: Stay
schema: clinic
fields:
  ward: ref(Ward)!
  state: enum(booked, admitted, moved, discharged) = 'booked'
  days: integer = 0
  bill: decimal(10,2) = 0
actions:
  - name: stay_goes_on
    trigger: stay_state_changed
    on_error: abort
    steps:
      - validate: "(old.state, new.state) IN (('booked', 'admitted'), ('admitted', 'moved'), ('moved', 'admitted'), ('admitted', 'discharged'))"
        error: "a stay does not go that way"
      - if: "new.state = 'discharged'"
        then:
          - validate: "days > 0"
            error: "a stay is a day at least"
  - name: ward_is_open
    on: insert Stay
    on_error: abort
    validations: ["NOT closed AND beds > 2"]
    steps:
      - validate: "days < 90"
  - name: on_stay
    on: insert Stay
    steps:
      - notify: reception "A new stay"
  - name: on_discharge
    trigger: stay_state_changed
    condition: "new.state = 'discharged'"
    steps:
      - update: Stay SET bill = days * 80
      - notify: accounts "A stay is to be paid"
  - name: discharge_all
    pattern: batch/bulk_operation
    trigger: evening
    operation: update
    params: {ward_id: uuid}
    steps:
      - update: Stay SET state = 'discharged' WHERE ward_id = ward_id AND days > 5 ORDER BY days
---
schema: clinic
actions:
  - name: on_nurse_call
    on: event nurse_called
    params: {stay_id: uuid, urgency: integer}
    condition: "urgency > 3"
    steps:
      - update: Stay SET state = 'moved'
  - name: calls_are_sane
    on: event nurse_called
    on_error: abort
    params: {stay_id: uuid, urgency: integer, nurse: text}
    steps:
      - validate: "urgency BETWEEN 0 AND 9 AND nurse <> ''"
        error: "nobody calls like that"
$$);
SELECT l FROM specql.test_suites() AS s, specql.runtests(s.suite) AS l;

-- A version that every update counts up: the tests' own updates do, and handlers that do not are refused.
SELECT count(*) > 0 FROM specql.apply($$
entity: Card
schema: files
fields: {title: text, shelf: integer, read_at: timestamp, version: integer = 1}
actions:
  - name: card_is_current
    on: update Card
    on_error: abort
    steps:
      - validate: "new.version = old.version + 1"
        error: "somebody else has changed the card"
  - name: on_shelf
    on: update Card.shelf
    condition: "new.shelf > 7"
    steps:
      - notify: runner "To the far shelves"
  - name: on_title
    on: update Card.title
    steps:
      - update: Card SET read_at = NULL, version = version + 1
  - name: on_read
    on: event card_read
    steps:
      - update: Card SET read_at = now() WHERE id = card_id
$$);
SELECT * FROM specql.runtests('files.event_driven_test');

-- What rules demand cannot be met, or cannot be known: the trial decides, and gives the rule's own words.
SELECT count(*) > 0 FROM specql.apply($$
schema: clinic
actions:
  - name: nobody_comes
    on: insert Stay
    on_error: abort
    steps:
      - validate: "days > 10 AND days < 5"
        error: "the clinic is full"
  - name: calls_by_day
    on: event nurse_called
    on_error: abort
    params: {stay_id: uuid}
    steps:
      - validate: "event_time < '2000-01-01'"
        error: "nobody calls today"
$$);
SELECT l FROM specql.runtests('clinic.event_driven_test') AS l WHERE l LIKE '% SKIP %' OR l LIKE 'not ok%';
