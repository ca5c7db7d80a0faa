-- What leaves: the payload that a step says and nothing else, and texts that hold values of the event.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT action, object FROM specql.apply($$
entity: Customer
schema: shop
fields:
  name: text!
  email: text
  secret: text
  vip: boolean = false
  credit: decimal(10,2) = 0
  since: timestamp
actions:
  - name: on_customer
    on: insert Customer
    steps:
      - call_external: crm "add_customer" SET
          name: "name"
          "e-mail address": "email"
          since: "since::date"
          kind: "'customer'"
          credit: credit
      - call_external: crm "count" SET name = upper(name), "e-mail" = email, VIP = vip
      - call_external: {service: crm, operation: plain, payload: {name: "name", nothing: null, tags: "ARRAY['a', 'b']"}}
      - call_external: {service: crm, operation: empty, payload: {}}
      - call_external: crm whole
      - notify: customer_{name} "100% sure: {name} has {credit}, vip {vip} {{since {since::date}" SET
          name: "name"
      - notify: {channel: everybody, message: "It is {coalesce(email, '} nowhere {')}", payload: {email: email}}
      - notify: everybody "New: {upper(left(name, 1)) || '.'} #{credit}"
      - escalate: {channel: "{name}_desk", message: "{name}", severity: high, payload: {credit: "credit * 2"}}
---
service: crm
$$) WHERE kind IN ('handler', 'service');
\sf shop.trigger_customer_events

INSERT INTO shop.customer (name, email, secret, credit, since)
VALUES ('Ada', 'ada@example.org', 'hush', 12.50, '2024-01-02 03:04:05Z'), ('Bob', NULL, 'hush', 0, NULL);
-- What a receiver gets to see.
SELECT t.operation, t.payload FROM specql.take('crm', 100) AS t WHERE t.operation <> 'whole' ORDER BY t.operation, t.payload ->> 'name';
SELECT d.kind, d.channel, d.message, d.payload - 'new' - 'old' AS payload, d.payload ? 'new' AS of_the_event
FROM specql.deliveries AS d WHERE d.kind <> 'call' ORDER BY d.kind, d.channel, d.message;
-- They belong to their events.
SELECT count(DISTINCT d.event_id) AS events, count(DISTINCT d.aggregateid) AS rows, count(*) FROM specql.deliveries AS d;
-- The secret is in the log and in the calls that say nothing of their payload.
SELECT d.operation, count(*) FROM specql.deliveries AS d WHERE d.payload::text LIKE '%hush%' AND d.kind = 'call' GROUP BY 1 ORDER BY 1;

-- A channel that depends on what is NULL is none: the event fails, rather than everybody hears of it. A message has nothing there.
SELECT count(*) FROM specql.apply($$
schema: shop
actions:
  - name: on_email
    on: update Customer.email
    steps:
      - notify: mail_{email} "{name} wrote"
  - name: on_credit
    on: update Customer.credit
    on_error: abort
    steps:
      - validate: "new.credit >= 0"
        error: "{name} cannot owe {-new.credit} [{email}] {{}}"
      - if: "vip"
        then:
          - notify: desk "{name} now {new_credit}, was {old.credit}" SET before = old.credit, after = credit
$$);
INSERT INTO shop.customer (name, vip) VALUES ('Cyd', true), ('Dan', false);
UPDATE shop.customer SET email = CASE name WHEN 'Cyd' THEN 'cyd@example.org' END, name = name || '!' WHERE name IN ('Ada', 'Cyd');
SELECT d.channel, d.message FROM specql.deliveries AS d WHERE d.action = 'shop.on_email';
SELECT f.sqlstate, f.message, f.status FROM specql.failures AS f;
\set VERBOSITY terse
UPDATE shop.customer SET credit = -3 WHERE name = 'Bob';
\set VERBOSITY default
UPDATE shop.customer SET credit = 5 WHERE name IN ('Cyd!', 'Dan');
SELECT d.channel, d.message, d.payload FROM specql.deliveries AS d WHERE d.action = 'shop.on_credit';

-- Bulk operations, custom events, windows: what there is of values differs, what leaves is said in the same way.
SELECT count(*) FROM specql.apply($$
schema: shop
actions:
  - name: expire
    pattern: batch/bulk_operation
    operation: update
    params: {reason: text, most: integer}
    steps:
      - update: Customer SET vip = false WHERE vip ORDER BY name LIMIT most
      - call_external: crm "expire" SET name = name, reason = reason
      - notify: desk "{name} expired: {reason}"
  - name: on_complaint
    on: event complaint
    params: {severity: integer, lines: jsonb}
    steps:
      - call_external: crm "complain" SET severity = severity, at = event_time IS NOT NULL
      - foreach: line in lines
        do:
          - notify: desk_{severity} "{line #>> '{}'} of {severity}"
  - name: on_rush
    trigger: many_customers
    condition: "COUNT(customer_created) >= 2 WITHIN 1 hour"
    steps:
      - notify: desk "{match_count} customers" SET count = match_count
$$);
SELECT shop.expire('tired', 1);
SELECT specql.emit('complaint', '{"severity": 3, "lines": ["late", "broken"]}') IS NOT NULL AS emitted;
INSERT INTO shop.customer (name) VALUES ('Eve'), ('Fay');
UPDATE specql.failure SET next_attempt_at = now() WHERE status = 'failed';
SELECT specql.drain() >= 0 AS drained;
SELECT d.operation, d.channel, d.message, d.payload - 'id' AS payload FROM specql.deliveries AS d
WHERE d.action IN ('shop.expire', 'shop.on_complaint', 'shop.on_rush') OR d.operation = 'expire' OR d.message LIKE '%expired%'
ORDER BY d.action, d.operation, d.message;

-- How steps are shown.
SELECT e.name, e.resolved_to FROM specql.explain($$
entity: Client
schema: other
fields: {name: text, credit: integer}
actions:
  - name: on_customer
    on: update Client
    steps:
      - call_external: crm "add_customer" SET name = upper(name), "e-mail" = 'none'
      - call_external: {service: crm, operation: empty, payload: {}}
      - notify: customer_{name} "{name} has {new_credit}"
      - validate: "credit > 0"
        error: "{name} has only {credit}"
$$) AS e WHERE e.name LIKE 'step%';
