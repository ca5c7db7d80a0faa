-- Many events of one statement that update the same row: one update with their sum where that is the same as row by row.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Account
schema: shop
fields:
  holder: text
  balance: money = 0
  bookings: integer = 0
  seen_at: timestamp
  rate: double precision = 0
  rounded: decimal(6,1) = 0
  open_items: smallint = 0
  kind: text = 'a'
---
entity: Booking
schema: shop
fields:
  account: ref(Account)
  amount: money
  fee: money = 0
  pieces: integer
  weight: double precision
  kind: text = 'a'
---
entity: Note
schema: shop
fields:
  note_text: text
---
schema: shop
actions:
  - name: on_booked
    on: insert Booking
    steps:
      - update: Account SET balance = balance - fee + amount, bookings = bookings + 1, open_items = open_items - pieces * 2, seen_at = now() WHERE id = account
      - notify: clerks "booked"
$$);
\sf shop.trigger_booked_events
INSERT INTO shop.account (holder) VALUES ('Ada'), ('Bob'), ('Cleo'), ('Dan');
CREATE VIEW shop.state AS SELECT holder, balance, bookings, open_items, seen_at IS NOT NULL AS seen, rate, rounded, kind FROM shop.account;
-- How often each row is written: once for a set, once for an event row by row.
CREATE TABLE shop.writes (holder text);
CREATE FUNCTION shop.count_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.writes VALUES (new.holder); RETURN NULL; END $$;
CREATE TRIGGER count_writes AFTER UPDATE ON shop.account FOR EACH ROW EXECUTE FUNCTION shop.count_write();
CREATE VIEW shop.written AS SELECT string_agg(holder || ' ' || n, ', ' ORDER BY holder) AS written FROM (SELECT holder, count(*) AS n FROM shop.writes GROUP BY 1) AS w;
CREATE PROCEDURE shop.book() LANGUAGE sql AS $$
    TRUNCATE shop.writes;
    -- Ada: 1.5 + 2.25 - 0.5, Bob: one that has no amount, Cleo: one; one event of nobody's. Dan is left alone.
    INSERT INTO shop.booking (account_id, amount, fee, pieces, weight, kind)
    SELECT (SELECT id FROM shop.account AS a WHERE a.holder = b.holder), amount, fee, pieces, weight, b.kind
    FROM (VALUES ('Ada', 1.5, 0.5, 1, 0.1, 'a'), ('Bob', 3, 0, 2, 0.2, 'a'), ('Ada', 2.25, 0, 3, 0.3, 'b'), ('Bob', NULL, 0, 1, 0.4, 'a'),
                 ('Cleo', -7, 0, 0, 0.5, 'a'), (NULL, 1000, 0, 1, 0.6, 'a')) AS b(holder, amount, fee, pieces, weight, kind);
$$;
CALL shop.book();
SELECT holder, balance, bookings, open_items, seen FROM shop.state ORDER BY holder;
SELECT * FROM shop.written;
SELECT count(*) AS told FROM specql.outbox;
-- What does not fit fails as it does row by row.
UPDATE shop.account SET open_items = -32760 WHERE holder = 'Cleo';
INSERT INTO shop.booking (account_id, amount, pieces) SELECT id, 1, 2 FROM shop.account, generate_series(1, 3) WHERE holder = 'Cleo';
SELECT message FROM specql.failures;
DELETE FROM specql.failure;

-- Without WHERE, by a ref that must lead to a row; and several conditions, each with its own sum.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_booked
    on: insert Booking
    conditions:
      - if: "new.amount > 0"
        then:
          - update: Account SET balance = balance + amount
      - if: "new.amount < 0"
        then:
          - update: Account SET bookings = 100 + bookings, balance = balance + amount
          - insert: Note SET
              note_text: "'minus ' || amount"
$$);
\sf shop.trigger_booked_events
UPDATE shop.account SET balance = 10, bookings = 0, open_items = 0;
CALL shop.book();
SELECT holder, balance, bookings FROM shop.state ORDER BY holder;
SELECT * FROM shop.written;
SELECT note_text FROM shop.note;
BEGIN;
ALTER TABLE shop.booking DROP CONSTRAINT booking_account_id_fkey;
INSERT INTO shop.booking (account_id, amount) VALUES ('00000000-0000-7000-8000-000000000009', 1);
SELECT message FROM specql.failures;
ROLLBACK;

-- What is not the same in any order is changed in a variable, if the row is found by its key and no rule wants to see each change.
CREATE FUNCTION shop.row_by_row(step text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    body text;
BEGIN
    PERFORM specql.apply(E'schema: shop\nactions:\n  - name: on_booked\n    on: insert Booking\n    steps:\n' || step);
    SELECT prosrc INTO body FROM pg_proc WHERE proname = 'trigger_booked_events';
    RETURN expected || ': ' || CASE WHEN body LIKE '%FOR e IN%' THEN 'row by row' WHEN body LIKE '%FOR v_event IN%' THEN 'in a variable' ELSE 'as a sum' END;
END $$;
SELECT shop.row_by_row(E'      - update: Account SET ' || step || E'\n', why) FROM (VALUES
    ('bookings = bookings + pieces WHERE id = account_id', 'a sum of whole numbers'),
    ('bookings = pieces + bookings WHERE id = account_id AND holder <> ''Eve''', 'turned round, and a condition on the row alone'),
    ('bookings = (bookings + pieces) - 2 WHERE account_id = id', 'in parentheses'),
    ('bookings = bookings + pieces WHERE id = account_id AND kind = kind', 'two keys'),
    ('bookings = bookings + coalesce(pieces, 0) WHERE id = account_id', 'a function of the event'),
    ('balance = balance + amount WHERE id = account_id', 'as many digits'),
    ('balance = balance + amount - fee WHERE id = account_id', 'no more digits'),
    ('bookings = pieces - bookings WHERE id = account_id', 'taken away from'),
    ('bookings = bookings * 2 + pieces WHERE id = account_id', 'a product'),
    ('bookings = greatest(bookings + pieces, 0) WHERE id = account_id', 'a function of the sum'),
    ('bookings = bookings + pieces + bookings WHERE id = account_id', 'itself among the terms'),
    ('bookings = bookings + open_items WHERE id = account_id', 'another column of the target'),
    ('bookings = bookings + amount WHERE id = account_id', 'rounded to whole numbers'),
    ('rounded = rounded + amount WHERE id = account_id', 'rounded to fewer digits'),
    ('balance = balance + amount * fee WHERE id = account_id', 'a product has more digits'),
    ('rate = rate + weight WHERE id = account_id', 'floating point'),
    ('bookings = bookings + 1, kind = new.kind WHERE id = account_id', 'the last event wins'),
    ('bookings = bookings + 1, seen_at = clock_timestamp() WHERE id = account_id', 'another value each time'),
    ('bookings = bookings + 1 WHERE id = account_id AND bookings < 2', 'a condition on what it sets'),
    ('bookings = bookings + pieces WHERE id = account_id OR holder = new.kind', 'more than one key for a row'),
    ('bookings = bookings + pieces WHERE bookings < pieces', 'no equality'),
    ('bookings = bookings + (random() * 0)::integer WHERE id = account_id', 'chance'),
    ('rate = rate + weight WHERE holder = new.kind', 'floating point, and not by the key'),
    ('rate = rate + weight WHERE id = account_id OR holder = new.kind', 'nor by one row'),
    ('id = account_id, rate = rate + weight WHERE id = account_id', 'the key itself')) AS s(step, why);
SELECT shop.row_by_row(steps, why) FROM (VALUES
    (E'      - update: Account SET bookings = bookings + 1\n      - update: Account SET balance = balance + amount WHERE holder = new.kind\n', 'two sums of one entity'),
    (E'      - update: Account SET bookings = bookings + 1, seen_at = now()\n      - update: Account SET balance = balance + amount, seen_at = now() WHERE holder = new.kind\n', 'the same constant'),
    (E'      - update: Account SET bookings = bookings + 1, kind = ''x''\n      - update: Account SET balance = balance + amount, kind = ''y'' WHERE holder = new.kind\n', 'other constants'),
    (E'      - update: Account SET bookings = bookings + 1\n      - update: Account SET balance = balance + amount WHERE bookings = pieces\n', 'one reads what the other sets'),
    (E'      - update: Account SET bookings = bookings + 1\n      - insert: Account SET\n          holder: "kind"\n', 'rows of the same entity are made'),
    (E'      - update: Account SET bookings = bookings + 1\n      - emit: account_booked\n', 'somebody looks in between'),
    (E'      - update: Account SET bookings = bookings + 1\n      - update: Booking SET fee = 0\n', 'and the event''s own row'),
    (E'      - update: Account SET bookings = bookings + 1\n      - validate: "pieces > 0"\n', 'a step for each event')) AS s(steps, why);

-- Rules see each change that is not a sum.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: on_rate
    on: update Account.rate
    steps:
      - insert: Note SET
          note_text: "holder || ' from ' || old.rate || ' to ' || new.rate"
  - name: on_balance
    on: update Account.balance
    steps:
      - insert: Note SET
          note_text: "holder || ' from ' || round(old.balance) || ' to ' || round(new.balance)"
$$);
TRUNCATE shop.note;
SELECT shop.row_by_row(E'      - update: Account SET rate = rate + weight WHERE id = account_id\n', 'floating point that a rule listens to');
INSERT INTO shop.booking (account_id, weight) SELECT id, 0.5 FROM shop.account, generate_series(1, 2) WHERE holder = 'Dan';
SELECT shop.row_by_row(E'      - update: Account SET bookings = 2 * bookings + pieces WHERE id = account_id\n', 'another column');
SELECT shop.row_by_row(E'      - update: Account SET balance = balance + amount WHERE id = account_id\n', 'a sum');
INSERT INTO shop.booking (account_id, amount) SELECT id, 5 FROM shop.account, generate_series(1, 2) WHERE holder = 'Dan';
SELECT note_text FROM shop.note ORDER BY id;

-- The same outcome both ways, for all of them at once: the second action has a step that makes it go row by row.
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Twin
schema: shop
fields:
  number: integer
  set_sum: integer = 5
  set_money: money = 5
  set_free: numeric = 5
  row_sum: integer = 5
  row_money: money = 5
  row_free: numeric = 5
  set_low: numeric(9,2) = 5
  set_last: text
  set_times: integer = 0
  row_low: numeric(9,2) = 5
  row_last: text
  row_times: integer = 0
indexes: [{columns: [number], unique: true}]
---
entity: Hit
schema: shop
fields:
  twin_number: integer
  whole: integer
  amount: money
  free: numeric
  twin: ref(Twin)
actions:
  - name: as_set
    on: insert Hit
    steps:
      - update: Twin SET set_sum = set_sum - whole, set_money = set_money + amount - 1, set_free = set_free + free * 2 WHERE number = twin_number
  - name: as_rows
    on: insert Hit
    steps:
      - update: Twin SET row_sum = row_sum - whole, row_money = row_money + amount - 1, row_free = row_free + free * 2 WHERE number = twin_number
      - validate: "true"
  - name: as_variable
    on: insert Hit
    steps:
      - update: Twin SET set_low = greatest(set_low + amount / 3, -10), set_last = coalesce(set_last, '') || whole, set_times = set_times + 1 WHERE id = twin AND set_times < 30 + whole
  - name: as_rows_too
    on: insert Hit
    steps:
      - update: Twin SET row_low = greatest(row_low + amount / 3, -10), row_last = coalesce(row_last, '') || whole, row_times = row_times + 1 WHERE id = twin AND row_times < 30 + whole
      - validate: "true"
---
schema: shop
actions:
  - name: on_booked
    on: insert Booking
    enabled: false
    steps:
      - notify: clerks "booked"
$$);
INSERT INTO shop.twin (number) SELECT generate_series(1, 40);
SELECT setseed(0.25);
INSERT INTO shop.hit (twin_id, twin_number, whole, amount, free)
SELECT (SELECT id FROM shop.twin WHERE number = n % 50), ceil(random() * 50), nullif(floor(random() * 200) - 100, 7), nullif(round((random() * 100 - 50)::numeric, 4), 0),
       CASE WHEN random() < 0.99 THEN round((random() * 10)::numeric, (random() * 12)::integer) WHEN random() < 0.5 THEN 'NaN' END
FROM generate_series(1, 2000) AS n;
SELECT count(*) AS rows, count(set_sum) > 0 AS has_sums, count(*) > count(set_sum) AS has_nulls, count(*) > count(set_free) AS has_free_nulls,
       count(DISTINCT set_times) > 1 AS has_times, min(set_low) AS low, max(length(set_last)) > 50 AS has_lasts
FROM shop.twin;
SELECT * FROM shop.twin
WHERE set_sum IS DISTINCT FROM row_sum OR set_money::text IS DISTINCT FROM row_money::text OR set_free::text IS DISTINCT FROM row_free::text
   OR (set_low::text, set_last, set_times) IS DISTINCT FROM (row_low::text, row_last, row_times);
SELECT message FROM specql.failures;
\sf shop.trigger_as_variable_events

-- Behind an allocation too.
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: shop
actions:
  - name: settle
    pattern: batch/bulk_operation
    params: {least: integer, extra: integer}
    steps:
      - update: Booking SET fee = 1 WHERE pieces >= least
      - update: Account SET bookings = bookings + pieces + extra
      - insert: Note SET
          note_text: "'settled ' || pieces"
$$);
\sf shop.settle
TRUNCATE shop.note, shop.booking;
UPDATE shop.account SET bookings = 0;
INSERT INTO shop.booking (account_id, pieces) SELECT id, p FROM shop.account, unnest('{1,2,3}'::integer[]) AS p WHERE holder IN ('Ada', 'Bob');
SELECT shop.settle(2, 10) AS taken;
SELECT holder, bookings FROM shop.state ORDER BY holder;
SELECT note_text, count(*) FROM shop.note GROUP BY 1 ORDER BY 1;
