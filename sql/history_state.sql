-- Append-only logs, and the state of the past read back from them.
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
DROP EXTENSION IF EXISTS specql CASCADE;
CREATE EXTENSION specql;
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
SET client_min_messages = error;
SELECT count(*) > 0 FROM specql.apply(:'inventory');
SELECT clock_timestamp() AS before_log \gset
INSERT INTO inventory.product (id, name, stock_quantity, reorder_point)
VALUES ('00000000-0000-7000-8000-00000000000a', 'early', 50, 10), ('00000000-0000-7000-8000-00000000000b', 'still', 50, 10);
SELECT count(*) > 0 FROM specql.apply(:'advanced', schema => 'inventory');
SET client_min_messages = warning;

-- ---- the log is append-only for everyone -------------------------------------------------------------------------------
SELECT clock_timestamp() AS log_began \gset
INSERT INTO inventory.product (id, name, stock_quantity, reorder_point) VALUES ('00000000-0000-7000-8000-00000000000c', 'new', 50, 10);
SELECT clock_timestamp() AS t1 \gset
UPDATE inventory.product SET stock_quantity = 20 WHERE name IN ('early', 'new');
SELECT clock_timestamp() AS t2 \gset
UPDATE inventory.product SET stock_quantity = 5 WHERE name = 'new';
SELECT clock_timestamp() AS t3 \gset
DELETE FROM inventory.product WHERE name = 'new';
SELECT clock_timestamp() AS t4 \gset
SELECT entity_id, event_type, event_data ->> 'name' AS name, event_data ->> 'stock_quantity' AS stock FROM inventory.inventory_event_log ORDER BY id;
\set VERBOSITY default
UPDATE inventory.inventory_event_log SET event_type = 'x';
\set VERBOSITY terse
DELETE FROM inventory.inventory_event_log;
TRUNCATE inventory.inventory_event_log;
INSERT INTO inventory.inventory_event_log (id) SELECT id FROM inventory.inventory_event_log LIMIT 1 ON CONFLICT (id) DO UPDATE SET event_type = 'x';
SET session_replication_role = replica;
DELETE FROM inventory.inventory_event_log;
RESET session_replication_role;

-- ---- state_at: at each time what the log says ----------------------------------------------------------------------------
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000c', :'t1') ->> 'stock_quantity' AS t1,
       specql.state_at('Product', '00000000-0000-7000-8000-00000000000c', :'t2') ->> 'stock_quantity' AS t2,
       specql.state_at('inventory.product', '00000000-0000-7000-8000-00000000000c', :'t3') AS t3,
       specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000c', :'t4') IS NULL AS deleted;
-- Before its first change in the log a row is known from the event log, which has the old row; a row that never changed
-- since the log began is as it is.
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', :'t1') ->> 'stock_quantity' AS before_change,
       specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000b', :'t1') ->> 'stock_quantity' AS never_changed;
SELECT specql.state_at('inventory.Product', NULL, now()) IS NULL AND specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', NULL) IS NULL AS no_question;
-- What the log's columns do not hold (its rows' own ids of an InventoryEvent) the event log does.
SELECT specql.state_at('inventory.InventoryEvent', (SELECT id FROM inventory.inventory_event LIMIT 1), :'t4') ->> 'event_type' AS event_type;
-- No history: errors that say what is missing. The messages have times in them.
CREATE FUNCTION pg_temp.complaint(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE command;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, nullif(detail, ''), nullif(hint, '')),
                          '\d{4}-\d\d-\d\d [0-9:.]+\+00', '<time>', 'g');
END $$;
SELECT pg_temp.complaint(format('SELECT specql.state_at(''inventory.Product'', ''00000000-0000-7000-8000-00000000000a'', %L)', :'before_log'));
SELECT pg_temp.complaint(format('SELECT specql.state_at(''inventory.Product'', ''00000000-0000-7000-8000-00000000000b'', %L)', :'before_log'));
SELECT pg_temp.complaint($$SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-0000000000ff', now())$$);
SELECT pg_temp.complaint($$SELECT specql.state_at('sales.Backorder', '00000000-0000-7000-8000-0000000000ff', now())$$);
SELECT pg_temp.complaint($$SELECT specql.state_at('inventory.Prodct', '00000000-0000-7000-8000-0000000000ff', now())$$);
SELECT pg_temp.complaint($$SELECT specql.state_at('not a name', '00000000-0000-7000-8000-0000000000ff', now())$$);
SELECT pg_temp.complaint($$SELECT specql.state_at(NULL, '00000000-0000-7000-8000-0000000000ff', now())$$);
-- A change whose action is paused, or failed, is not in the log yet.
SELECT specql.pause('event_sourcing');
UPDATE inventory.product SET stock_quantity = 15 WHERE name = 'early';
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', clock_timestamp()) ->> 'stock_quantity' AS stock;
SELECT specql.resume('event_sourcing');
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', clock_timestamp()) ->> 'stock_quantity' AS stock;
-- A column that was added later.
ALTER TABLE inventory.product ADD COLUMN colour text DEFAULT 'blue';
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', clock_timestamp()) ? 'colour' AS knows_colour;

-- ---- rebuild ---------------------------------------------------------------------------------------------------------------
CREATE SCHEMA scratch;
CREATE TABLE scratch.product (LIKE inventory.product INCLUDING ALL);
SELECT specql.rebuild('inventory.Product', 'scratch.product');
TABLE scratch.product;
SELECT specql.rebuild('inventory.Product', 'scratch.product');
TRUNCATE scratch.product;
SELECT specql.rebuild('inventory.Product', 'scratch.product', :'t2');
SELECT name, stock_quantity FROM scratch.product ORDER BY name;
SELECT specql.rebuild('inventory.Product', 'inventory.product');
SELECT specql.rebuild('inventory.Product', NULL);
CREATE TABLE scratch.narrow (id uuid, name varchar(10), stock_quantity integer);
SELECT pg_temp.complaint($$SELECT specql.rebuild('inventory.Product', 'scratch.narrow')$$);
CREATE TABLE scratch.backorder (LIKE sales.backorder);
SELECT pg_temp.complaint($$SELECT specql.rebuild('sales.Backorder', 'scratch.backorder')$$);
-- From the event log, where no append-only log holds the rows.
CREATE TABLE scratch.event (LIKE inventory.inventory_event);
SELECT specql.rebuild('inventory.InventoryEvent', 'scratch.event');
SELECT event_type, new_stock FROM scratch.event;

-- ---- retention: old rows go, but the state stays known ------------------------------------------------------------------
SELECT specql.expire_log('inventory.inventory_event_log', clock_timestamp() + interval '1 second');
SELECT entity_id, event_type, event_data ->> 'stock_quantity' AS stock FROM inventory.inventory_event_log ORDER BY entity_id;
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', clock_timestamp()) ->> 'stock_quantity' AS stock;
DELETE FROM inventory.inventory_event_log;
SELECT specql.expire_log('inventory.product', now());
CREATE ROLE history_other;
GRANT specql_admin TO history_other;
GRANT USAGE ON SCHEMA inventory TO history_other;
SET ROLE history_other;
SELECT specql.expire_log('inventory.inventory_event_log', now());
SELECT specql.state_at('inventory.Product', '00000000-0000-7000-8000-00000000000a', now());
RESET ROLE;
REVOKE USAGE ON SCHEMA inventory FROM history_other;
DROP ROLE history_other;
CREATE TABLE scratch.log (n integer);
CREATE TRIGGER append_only_trigger BEFORE UPDATE OR DELETE OR TRUNCATE ON scratch.log FOR EACH STATEMENT EXECUTE FUNCTION specql.refuse_change();
SELECT specql.expire_log('scratch.log', now());

-- ---- which logs are understood ---------------------------------------------------------------------------------------------
SET client_min_messages = error;
SELECT count(*) > 0 FROM specql.apply($$
entity: Account
schema: bank
fields:
  balance: integer
actions:
  - name: keep
    trigger: any_account_change
    steps:
      - append: AccountLog SET
          account_id: "id"
          row: "to_jsonb(new)"
          at: "event_time"
  - name: some_columns
    trigger: any_account_change
    steps:
      - append: BalanceLog SET
          account_id: "id"
          balance: "balance"
          at: "now()"
$$);
SET client_min_messages = warning;
SELECT * FROM specql.log_readings() ORDER BY log;
INSERT INTO bank.account (id, balance) VALUES ('00000000-0000-7000-8000-00000000000d', 1);
SELECT clock_timestamp() AS t5 \gset
UPDATE bank.account SET balance = 2;
SELECT specql.state_at('Account', '00000000-0000-7000-8000-00000000000d', :'t5') AS then, specql.state_at('Account', '00000000-0000-7000-8000-00000000000d', clock_timestamp()) ->> 'balance' AS now;
CREATE TABLE scratch.account (LIKE bank.account);
SELECT specql.rebuild('bank.Account', 'scratch.account', :'t5');
TABLE scratch.account;
SELECT specql.expire_log('bank.account_log', clock_timestamp() + interval '1 second');
SELECT specql.state_at('Account', '00000000-0000-7000-8000-00000000000d', clock_timestamp()) ->> 'balance' AS now;
-- An action with a condition does not see every change: from its events no state can be told.
SET client_min_messages = error;
SELECT count(*) > 0 FROM specql.apply($$
entity: Loan
schema: bank
fields:
  amount: integer
actions:
  - name: on_large_loan
    trigger: any_loan_change
    condition: "amount > 100"
    steps:
      - append: LoanLog SET
          loan_id: "id"
          row: "to_jsonb(new)"
          at: "event_time"
$$);
SET client_min_messages = warning;
INSERT INTO bank.loan (id, amount) VALUES ('00000000-0000-7000-8000-00000000000e', 200);
SELECT pg_temp.complaint($$SELECT specql.state_at('Loan', '00000000-0000-7000-8000-00000000000e', now())$$);

-- Before it was inserted it was not there: the log of events says so, also of times before the log.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Seat
schema: bank
fields: {colour: text}
actions:
  - name: on_any_seat
    trigger: any_seat_change
    steps:
      - notify: keepers "a seat"
$$);
INSERT INTO bank.seat (id, colour) VALUES ('00000000-0000-7000-8000-00000000000f', 'red');
UPDATE bank.seat SET colour = 'blue';
SELECT specql.state_at('Seat', '00000000-0000-7000-8000-00000000000f', now() + interval '1 min') ->> 'colour' AS now_is,
       specql.state_at('Seat', '00000000-0000-7000-8000-00000000000f', now() - interval '100 years') AS before;

DROP SCHEMA inventory, sales, bank, scratch CASCADE;
DROP EXTENSION specql CASCADE;
