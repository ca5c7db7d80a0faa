-- Private fields, and columns that events do not carry: what test/deliveries/private does not look for with its marker.
SET client_min_messages = error;
\set VERBOSITY terse
CREATE EXTENSION specql;

-- A field becomes private, and the rules on its entity, of whatever text, know it at once.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Member
schema: club
fields:
  name: text!
  code: text
$$);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: club
actions:
  - name: on_member
    trigger: any_member_change
    steps:
      - call_external: office "member"
  - name: on_code
    on: update Member.code
    condition: "new.code IS NOT NULL"
    steps:
      - notify: office "code"
$$);
INSERT INTO club.member (name, code) VALUES ('ann', 'c-1');
SELECT action, kind, object, detail FROM specql.apply($$
entity: Member
schema: club
fields:
  name: text!
  code: {type: text, private: true}
$$) WHERE action <> 'unchanged';
SELECT action, tells_private FROM specql.action ORDER BY 1;
UPDATE club.member SET code = 'c-2';
UPDATE club.member SET name = 'anne';
UPDATE club.member SET code = NULL;
DELETE FROM club.member;
SELECT action, data - 'old' #- '{new,id}' AS new, data -> 'old' ->> 'name' AS old_name, data -> 'old' ? 'code' AS old_has_code, status
FROM specql.events ORDER BY id, action;
SELECT bool_or(payload::text ~ 'c-[23]') AS leaves FROM specql.deliveries;

-- With either form of images, and where they are made value by value.
SET specql.event_images = 'whole';
INSERT INTO club.member (name, code) VALUES ('whole', 'c-3');
UPDATE club.member SET code = 'c-4';
SELECT data #- '{new,id}' #- '{old,id}' AS data FROM specql.event_log WHERE action = 'club.on_code' ORDER BY id DESC LIMIT 1;
RESET specql.event_images;
SET specql.max_event_size = '1kB';
UPDATE club.member SET name = repeat('n', 2000), code = 'c-5';
SELECT data #- '{new,id}' #- '{old,id}' AS data FROM specql.event_log WHERE action = 'club.on_code' ORDER BY id DESC LIMIT 1;
RESET specql.max_event_size;

-- A paused rule that reads it cannot be handled later, one that does not can.
SELECT specql.pause('club.on_code'), specql.pause('club.on_member');
UPDATE club.member SET name = 'late', code = 'c-6';
SELECT specql.resume('club.on_code'), specql.resume('club.on_member');
SELECT specql.drain() > 0 AS drained;
SELECT action, sqlstate, message, detail, hint, status FROM specql.failure;

-- The arguments of the trigger are all that there is to it, and a private field that is lost lets nothing out.
SELECT pg_get_triggerdef(oid) AS definition FROM pg_trigger WHERE tgname = 'specql_capture' AND tgrelid = 'club.member'::regclass;
ALTER TABLE club.member RENAME code TO pass;
SELECT pg_get_triggerdef(oid) ~ '''private pass''' AS follows FROM pg_trigger WHERE tgname = 'specql_capture' AND tgrelid = 'club.member'::regclass;
SELECT action, kind, object FROM specql.apply($$
entity: Member
schema: club
fields:
  name: text!
  pass: {type: text, private: true, renamed_from: code}
---
schema: club
actions:
  - name: on_code
    on: update Member.pass
    condition: "new.pass IS NOT NULL"
    steps:
      - notify: office "code"
$$) WHERE action <> 'unchanged' AND kind <> 'function';
UPDATE club.member SET pass = 'c-7';
SELECT data #> '{new,specql.omitted}' AS omitted, status FROM specql.events WHERE action = 'club.on_code' ORDER BY id DESC LIMIT 1;

-- Columns that the spec does not declare.
CREATE TABLE club.guest (id bigint, part integer, name text, iban text, born date, PRIMARY KEY (id, part));
SELECT object, detail FROM specql.apply($$
entity: Guest
schema: club
fields:
  name: text
actions:
  - name: on_guest
    trigger: any_guest_change
    steps:
      - append: GuestLog SET guest = name, row = to_jsonb(new), at = event_time
$$) WHERE object LIKE 'specql_capture%';
INSERT INTO club.guest VALUES (1, 1, 'bob', 'DE00', '2000-01-01');
SELECT action, object, detail FROM specql.apply($$
entity: Guest
schema: club
columns: declared
fields:
  name: text
actions:
  - name: on_guest
    trigger: any_guest_change
    steps:
      - append: GuestLog SET guest = name, row = to_jsonb(new), at = event_time
$$) WHERE action <> 'unchanged';
UPDATE club.guest SET iban = 'DE01';
ALTER TABLE club.guest ADD COLUMN more text DEFAULT 'more';
UPDATE club.guest SET name = 'rob', iban = 'DE02';
SELECT guest, row FROM club.guest_log ORDER BY at;
SELECT subject, data -> 'old' AS old FROM specql.events WHERE action = 'club.on_guest' ORDER BY id;
SELECT specql.state_at('Guest', '[1, 1]', clock_timestamp());
CREATE TABLE rebuilt (LIKE club.guest);
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT specql.rebuild('Guest', 'rebuilt');
\set VERBOSITY terse

-- Rows that a bulk operation takes leave without what is private.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Ticket
schema: club
fields:
  seat: integer
  secret: {type: text, private: true}
  taken: boolean = false
actions:
  - name: take_tickets
    pattern: batch/bulk_operation
    operation: update
    params: {most: integer}
    steps:
      - update: Ticket SET taken = true WHERE secret IS NOT NULL ORDER BY secret DESC LIMIT most
      - call_external: gate "taken"
$$);
INSERT INTO club.ticket (seat, secret) VALUES (1, 'b'), (2, 'c'), (3, 'a');
SELECT club.take_tickets(2);
SELECT payload - 'id' AS payload FROM specql.deliveries WHERE service = 'gate' ORDER BY 1;
-- What a function of somebody says when it is told that an event is processed, or is called later, may quote a private field.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Visitor
schema: club
fields:
  name: text!
  code: {type: text, private: true}
actions:
  - name: on_visitor
    on: insert Visitor
    steps:
      - insert: VisitorEvent SET event_type = 'came', visitor = id
      - call_external: desk "visitor"
      - later: "shout(id)"
---
entity: VisitorEvent
schema: club
fields: {event_type: "enum(came, left)", visitor: ref(Visitor), processed_at: timestamp}
---
service: desk
$$);
CREATE FUNCTION club.quote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'its code is %', (SELECT code FROM club.visitor);
END $$;
CREATE TRIGGER quote BEFORE UPDATE ON club.visitor_event FOR EACH ROW EXECUTE FUNCTION club.quote();
INSERT INTO club.visitor (name, code) VALUES ('gus', 'c-9');
CREATE FUNCTION club.shout(id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the code of % is %', id, (SELECT v.code FROM club.visitor AS v);
END $$;
-- Only what is said here.
DELETE FROM specql.failure;
SET client_min_messages = warning;
SELECT specql.drain() > 0 AS drained;
SELECT operation, last_error FROM specql.deliveries WHERE action = 'club.on_visitor' AND last_error IS NOT NULL;
DROP FUNCTION club.shout(uuid);
CREATE FUNCTION club.shout(id uuid) RETURNS void LANGUAGE sql AS '';
UPDATE specql.outbox SET available_at = now();
SELECT specql.drain() > 0 AS drained;
SELECT specql.ack(id) FROM specql.take('desk');
SELECT specql.drain() >= 0 AS drained;
RESET client_min_messages;
SELECT status, last_error FROM specql.event_log WHERE action = 'club.on_visitor';
DROP EXTENSION specql CASCADE;
