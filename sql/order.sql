-- In which order actions run that one statement, or one custom event, sets off.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION specql;
CREATE SCHEMA shop;
CREATE TABLE shop.trace (n serial PRIMARY KEY, what text);
CREATE FUNCTION shop.note(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO shop.trace (what) VALUES (note.what)';
-- What was noted since the last look.
CREATE FUNCTION shop.noted() RETURNS text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM shop.trace RETURNING n, what)
    SELECT string_agg(what, ' ' ORDER BY n) FROM gone
$$;
CREATE FUNCTION shop.changes(spec text) RETURNS TABLE (step integer, action text, kind text, object text) LANGUAGE sql AS $$
    SELECT p.step, p.action, p.kind, p.object FROM specql.plan(spec) AS p WHERE p.action <> 'unchanged'
$$;

-- The order of the text, whatever the names; the invariant first, and order: before all.
CREATE FUNCTION shop.first_text() RETURNS text LANGUAGE sql AS $f$ SELECT $$
entity: Purchase
schema: shop
fields:
  amount: integer
actions:
  - name: on_zebra
    on: insert Purchase
    steps:
      - call: "note('zebra')"
  - name: on_ape
    on: insert Purchase
    steps:
      - call: "note('ape')"
  - name: on_moose
    on: Purchase
    on_error: abort
    steps:
      - call: "note('moose')"
  - name: on_bee
    on: insert Purchase
    order: -1
    steps:
      - call: "note('bee')"
  - name: on_yak
    on: insert Purchase
    order: 1
    on_error: abort
    steps:
      - call: "note('yak')"
---
schema: shop
actions:
  - name: z_told
    on: event told
    steps:
      - call: "note('z')"
  - name: a_told
    on: event told
    steps:
      - call: "note('a')"
  - name: m_told
    on: event told
    order: -5
    steps:
      - call: "note('m')"
$$ $f$;
SELECT count(*) > 0 AS applied FROM specql.apply(shop.first_text());
INSERT INTO shop.purchase (amount) VALUES (1), (2);
SELECT shop.noted();
SELECT specql.emit('told') IS NOT NULL AS emitted;
SELECT shop.noted();
-- So it is shown.
SELECT action, resolved_to, rule FROM specql.explain(shop.first_text()) WHERE name = 'order';
SELECT action, run_order, turn FROM specql.actions ORDER BY turn;
SELECT * FROM shop.changes(shop.first_text());

-- A disabled trigger is that action's alone, the first one's too.
ALTER TABLE shop.purchase DISABLE TRIGGER ape_trigger;
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
ALTER TABLE shop.purchase ENABLE TRIGGER ape_trigger, DISABLE TRIGGER bee_trigger;
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
ALTER TABLE shop.purchase ENABLE TRIGGER bee_trigger, ENABLE REPLICA TRIGGER zebra_trigger;
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
ALTER TABLE shop.purchase ENABLE REPLICA TRIGGER specql_capture;
SET session_replication_role = replica;
INSERT INTO shop.purchase (amount) VALUES (1);
RESET session_replication_role;
SELECT shop.noted();
ALTER TABLE shop.purchase ENABLE TRIGGER zebra_trigger, ENABLE TRIGGER specql_capture;
-- A paused action's turn passes.
SELECT specql.pause('shop.on_zebra');
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
SELECT specql.resume('shop.on_zebra');
SELECT shop.noted();
-- Own statement triggers run before or after all of them, by their names.
CREATE FUNCTION shop.own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM shop.note(TG_NAME); RETURN NULL; END';
CREATE TRIGGER "1" AFTER INSERT ON shop.purchase FOR EACH STATEMENT EXECUTE FUNCTION shop.own();
CREATE TRIGGER lynx AFTER INSERT ON shop.purchase FOR EACH STATEMENT EXECUTE FUNCTION shop.own();
CREATE TRIGGER row_own AFTER INSERT ON shop.purchase FOR EACH ROW EXECUTE FUNCTION shop.own();
INSERT INTO shop.purchase (amount) VALUES (1), (2);
SELECT shop.noted();
DROP TRIGGER "1" ON shop.purchase;
DROP TRIGGER lynx ON shop.purchase;
DROP TRIGGER row_own ON shop.purchase;
-- Insert and update in one statement: the actions of both are one order.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_raised
    on: update Purchase
    order: -2
    steps:
      - call: "note('raised')"
$$);
INSERT INTO shop.purchase AS p (id, amount)
SELECT * FROM (SELECT id, 5 FROM shop.purchase LIMIT 1) AS known UNION ALL SELECT specql.uuid_v7(), 6
ON CONFLICT (id) DO UPDATE SET amount = excluded.amount;
SELECT shop.noted();

-- Each is done, with all that it causes, before the next begins: in the same subtransactions as ever.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_big
    on: insert Purchase
    order: -3
    condition: "amount > 100"
    steps:
      - insert: Purchase SET
          amount: "amount - 100"
      - call: "note('big')"
  - name: on_odd
    on: insert Purchase
    order: -2
    condition: "amount = 7"
    steps:
      - call: "note('odd')"
      - validate: "amount < 7"
$$);
INSERT INTO shop.purchase (amount) VALUES (107);
SELECT shop.noted();
SELECT action, attempts FROM specql.failures;
DELETE FROM specql.failure;
BEGIN;
SAVEPOINT one;
INSERT INTO shop.purchase (amount) VALUES (1);
SAVEPOINT two;
INSERT INTO shop.purchase (amount) VALUES (107);
ROLLBACK TO two;
RELEASE one;
COMMIT;
SELECT shop.noted();
DELETE FROM specql.failure;

-- Another text comes behind, and changes nothing of the first.
SELECT * FROM shop.changes($$
schema: shop
actions:
  - name: another
    on: insert Purchase
    steps:
      - call: "note('another')"
  - name: a_told_too
    on: event told
    steps:
      - call: "note('too')"
$$);
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: another
    on: insert Purchase
    steps:
      - call: "note('another')"
  - name: a_told_too
    on: event told
    steps:
      - call: "note('too')"
$$);
SELECT * FROM shop.changes(shop.first_text());
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT specql.emit('told') IS NOT NULL AS emitted;
SELECT shop.noted();
SELECT action, resolved_to, rule FROM specql.explain($$
schema: shop
actions:
  - name: another
    on: insert Purchase
    steps:
      - call: "note('another')"
$$) WHERE name = 'order';

-- The text is put into another order; one is new in between, and one at its end, which is still before the other text.
CREATE FUNCTION shop.second_text() RETURNS text LANGUAGE sql AS $f$ SELECT $$
schema: shop
actions:
  - name: a_told
    on: event told
    steps:
      - call: "note('a')"
  - name: n_told
    on: event told
    steps:
      - call: "note('n')"
  - name: z_told
    on: event told
    steps:
      - call: "note('z')"
  - name: m_told
    on: event told
    order: 5
    steps:
      - call: "note('m')"
  - name: o_told
    on: event told
    steps:
      - call: "note('o')"
$$ $f$;
SELECT * FROM shop.changes(shop.second_text());
SELECT count(*) > 0 AS applied FROM specql.apply(shop.second_text());
SELECT specql.emit('told') IS NOT NULL AS emitted;
SELECT shop.noted();
SELECT * FROM shop.changes(shop.second_text());
SELECT action, place FROM specql.action ORDER BY place;
-- What is in force, as one text: it changes nothing here, and elsewhere it makes the same order.
SELECT count(*) FROM shop.changes(specql.export());
SELECT action, turn, run_order FROM specql.actions ORDER BY turn;
CREATE TABLE shop.kept AS SELECT specql.export() AS text;
SELECT count(*) FROM specql.remove('shop.n_told');
-- What is gone, and comes back, stands where it stood.
SELECT count(*) > 0 AS applied FROM specql.rollback('shop.n_told', 1);
SELECT specql.emit('told') IS NOT NULL AS emitted;
SELECT shop.noted();
-- An older version of an entity has its older order.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Purchase
schema: shop
fields:
  amount: integer
actions:
  - name: on_ape
    on: insert Purchase
    steps:
      - call: "note('ape')"
  - name: on_zebra
    on: insert Purchase
    steps:
      - call: "note('zebra')"
$$);
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
SELECT count(*) > 0 AS applied FROM specql.rollback('shop.Purchase', 1);
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT shop.noted();
-- Elsewhere.
DROP EXTENSION specql CASCADE;
DROP TABLE shop.purchase CASCADE;
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM shop.kept, specql.apply(kept.text);
SELECT action, turn, run_order FROM specql.actions ORDER BY turn;
INSERT INTO shop.purchase (amount) VALUES (1);
SELECT specql.emit('told') IS NOT NULL AS emitted;
SELECT shop.noted();

-- Rows that were written straight to a partition are handled in the same order.
CREATE TABLE shop.reading (id integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.reading_1 PARTITION OF shop.reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: read_z
    on: insert reading
    steps:
      - call: "note('z' || id)"
  - name: read_a
    on: insert reading
    steps:
      - call: "note('a' || id)"
  - name: read_m
    on: insert reading
    on_error: abort
    steps:
      - call: "note('m' || id)"
$$);
BEGIN;
INSERT INTO shop.reading VALUES (1, '2026-01-05');
SELECT shop.noted();
INSERT INTO shop.reading_1 VALUES (2, '2026-01-06');
SELECT shop.noted();
COMMIT;
SELECT shop.noted();

-- One action on several tables, an invariant, comes before the others on each.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: LeftThing
schema: pair
fields:
  a: integer
actions:
  - name: on_left
    on: insert LeftThing
    steps:
      - call: "shop.note('left')"
---
entity: RightThing
schema: pair
fields:
  a: integer
actions:
  - name: on_right
    on: insert RightThing
    steps:
      - call: "shop.note('right')"
---
schema: pair
actions:
  - name: z_any
    trigger: any_thing_change
    on_error: abort
    steps:
      - call: "shop.note('any')"
$$);
WITH made AS (INSERT INTO pair.left_thing (a) VALUES (1) RETURNING a) INSERT INTO pair.right_thing (a) SELECT a FROM made;
SELECT shop.noted();

-- A dump has the order.
SELECT action, place FROM specql.action WHERE action LIKE 'pair.%' ORDER BY place, relation;
SELECT 'specql.action'::regclass::oid = ANY (extconfig) AND 'specql.action_owner'::regclass::oid = ANY (extconfig) AS dumped
FROM pg_extension WHERE extname = 'specql';

-- Whole numbers only, and only where something can set the action off.
SELECT severity, code, line, message, hint FROM specql.validate($$
schema: shop
actions:
  - name: on_a
    on: insert Purchase
    order: first
    steps:
      - call: "note('a')"
  - name: on_b
    on: insert Purchase
    order: 1.5
    steps:
      - call: "note('b')"
  - name: on_c
    on: insert Purchase
    order: 10000000
    steps:
      - call: "note('c')"
  - name: on_d
    pattern: batch/bulk_operation
    order: 3
    steps:
      - call: "note('d')"
$$);
