-- The event's scope and the target's: what a bare name means in WHERE, SET and elsewhere, worked out by hand.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\pset format unaligned
\pset tuples_only on

-- ---- a ref under both of its names, on both sides -----------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Product
schema: s
fields:
  label: text
---
entity: Stock
schema: s
fields:
  product: ref(Product)
  reserved: integer = 0
  picked: integer = 0
  packed: integer = 0
  shipped: integer = 0
---
entity: Item
schema: s
fields:
  product: ref(Product)
  qty: integer
actions:
  - name: both_short
    on: insert Item
    steps:
      - update: Stock SET reserved = reserved + qty WHERE product = product
  - name: both_long
    on: insert Item
    steps:
      - update: Stock SET picked = picked + qty WHERE product_id = product_id
  - name: short_and_long
    on: insert Item
    steps:
      - update: Stock SET packed = packed + qty WHERE product = product_id
  - name: long_and_short
    on: insert Item
    steps:
      - update: Stock SET shipped = shipped + qty WHERE product_id = product
$$);
INSERT INTO s.product (label) VALUES ('pen'), ('ink');
INSERT INTO s.stock (product_id) SELECT id FROM s.product;
INSERT INTO s.item (product_id, qty) SELECT id, 3 FROM s.product WHERE label = 'pen';
SELECT p.label, k.reserved, k.picked, k.packed, k.shipped
FROM s.stock AS k JOIN s.product AS p ON p.id = k.product_id ORDER BY 1;

-- `delete:` touches the same row only; `<entity>` is the row's id as `<entity>_id` is
SELECT count(*) > 0 FROM specql.apply($$
schema: s
actions:
  - name: on_product_gone
    on: delete Product
    steps:
      - delete: Item WHERE product = product
      - delete: Stock WHERE product_id = old.id
$$, allow_destructive => true);
ALTER TABLE s.stock DROP CONSTRAINT stock_product_id_fkey;
ALTER TABLE s.item DROP CONSTRAINT item_product_id_fkey;
INSERT INTO s.item (product_id, qty) SELECT id, 1 FROM s.product WHERE label = 'ink';
DELETE FROM s.product WHERE label = 'pen';
SELECT count(*) FROM s.stock;
SELECT count(*) FROM s.item;

-- ---- self-references ------------------------------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Employee
schema: s
fields:
  name: text
  manager: ref(Employee)
  active: boolean = true
  reports_to_nobody: boolean = false
  note: text
actions:
  - name: on_leave
    on: update Employee.active
    condition: "NOT new.active"
    steps:
      - update: Employee SET reports_to_nobody = true WHERE manager = new.id
      - update: Employee VIA manager SET note = new.name || ' has left'
$$);
INSERT INTO s.employee (name) VALUES ('Ada');
INSERT INTO s.employee (name, manager_id) SELECT 'Bob', id FROM s.employee WHERE name = 'Ada';
INSERT INTO s.employee (name, manager_id) SELECT n, id FROM s.employee, unnest('{Cleo,Dan}'::text[]) AS n WHERE name = 'Bob';
UPDATE s.employee SET active = false WHERE name = 'Bob';
SELECT name, reports_to_nobody, note FROM s.employee ORDER BY name;

-- ---- two refs to one entity -------------------------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Account
schema: s
fields:
  holder: text
  currency: text
  balance: integer = 0
  status: text = 'open'
---
entity: Transfer
schema: s
fields:
  debit: ref(Account)
  credit: ref(Account)
  amount: integer
actions:
  - name: same_currency
    on: insert Transfer
    on_error: abort
    steps:
      - validate: "debit.currency = credit.currency"
        error: "not the same currency"
  - name: booked
    on: insert Transfer
    steps:
      - update: Account VIA debit SET balance = balance - amount
      - update: Account SET balance = balance + amount WHERE id = credit
  - name: frozen
    on: update Transfer
    condition: "old.credit.holder = 'Bob' AND new.credit.holder <> 'Bob'"
    steps:
      - update: Account VIA old.credit SET
          status: "'frozen'"
$$);
INSERT INTO s.account (holder, currency) VALUES ('Ada', 'EUR'), ('Bob', 'EUR'), ('Cleo', 'USD');
INSERT INTO s.transfer (debit_id, credit_id, amount)
SELECT a.id, b.id, 5 FROM s.account AS a, s.account AS b WHERE a.holder = 'Ada' AND b.holder = 'Bob';
SELECT holder, balance, status FROM s.account ORDER BY holder;
INSERT INTO s.transfer (id, debit_id, credit_id, amount)
SELECT '00000000-0000-0000-0000-000000000002', a.id, b.id, 5 FROM s.account AS a, s.account AS b WHERE a.holder = 'Ada' AND b.holder = 'Cleo';
UPDATE s.transfer SET credit_id = (SELECT id FROM s.account WHERE holder = 'Cleo');
SELECT holder, balance, status FROM s.account ORDER BY holder;
SELECT count(*) FROM specql.failures;

SELECT col, code, message, hint FROM specql.validate($$
schema: s
actions:
  - name: bare
    on: insert Transfer
    steps:
      - update: Account SET balance = 0
      - insert: Account SET
          currency: "currency"
          holder: "account.holder"
      - update: Account VIA amount SET balance = 0
      - update: Account VIA debit SET balance = balance - debit.blance
      - delete: Account VIA product
$$) WHERE severity = 'error';

-- ---- farther ways ---------------------------------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Plan
schema: s
fields:
  monthly_price: integer
  vendor: ref(Vendor)
---
entity: Vendor
schema: s
fields:
  vendor_name: text
  customers: integer = 0
---
entity: Subscription
schema: s
fields:
  plan: ref(Plan)
  credit_note: integer
actions:
  - name: on_downgrade
    on: update Subscription.plan
    condition: "plan.monthly_price < old.plan.monthly_price"
    steps:
      - insert: Downgrade SET
          from_price: "old.plan.monthly_price"
          to_price: "new.plan.monthly_price"
          vendor: "plan.vendor.vendor_name"
      - update: Vendor VIA plan.vendor SET customers = customers + 1
      - update: Subscription SET credit_note = old.plan.monthly_price - plan.monthly_price
---
entity: Downgrade
schema: s
fields:
  from_price: integer
  to_price: integer
  vendor: text
$$);
INSERT INTO s.vendor (vendor_name) VALUES ('acme');
INSERT INTO s.plan (monthly_price, vendor_id) SELECT p, id FROM s.vendor, unnest('{10,30}'::int[]) AS p;
INSERT INTO s.subscription (plan_id) SELECT id FROM s.plan WHERE monthly_price = 30;
UPDATE s.subscription SET plan_id = (SELECT id FROM s.plan WHERE monthly_price = 10);
SELECT from_price, to_price, vendor FROM s.downgrade;
SELECT customers FROM s.vendor;
SELECT credit_note FROM s.subscription;

-- ---- new of a deletion, old of an insertion ---------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Invoice
schema: s
fields:
  no: integer
  status: enum(open, paid) = 'open'
actions:
  - name: any_paid
    on: Invoice
    condition: "new.status = 'paid'"
    steps:
      - insert: Seen SET
          what: "'paid ' || no"
  - name: any_left
    on: Invoice
    condition: "new.no IS NULL"
    steps:
      - insert: Seen SET
          what: "'gone ' || no || ' ' || old.no || coalesce(new.no, 0)"
  - name: any_new
    on: Invoice
    condition: "old.no IS NULL"
    steps:
      - insert: Seen SET
          what: "'new ' || no"
---
entity: Seen
schema: s
fields:
  what: text
$$);
INSERT INTO s.invoice (no, status) VALUES (1, 'open'), (2, 'paid');
UPDATE s.invoice SET status = 'paid' WHERE no = 1;
DELETE FROM s.invoice;
SELECT what FROM s.seen ORDER BY what;

-- ---- what WHERE must bind ------------------------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Cart
schema: s
fields:
  state: text
  urgent: boolean = false
  rank: integer
---
entity: CartItem
schema: s
fields:
  cart: ref(Cart)
  shipped: integer = 0
  ordered: integer = 0
  rank: integer = 0
  done: boolean = false
  user: text
$$);
SELECT col, code, message, hint FROM specql.validate($$
schema: s
actions:
  - name: a
    on: update Cart.state
    steps:
      - update: CartItem SET done = true WHERE cart_id = id
      - update: CartItem SET done = true WHERE id = cart_id
      - update: CartItem SET done = true WHERE new.state = state
      - delete: CartItem WHERE new.urgent
      - delete: CartItem WHERE done OR new.urgent
      - delete: CartItem WHERE NOT (done AND new.urgent)
      - delete: CartItem WHERE shipped = shipped
      - update: CartItem SET rank = rank WHERE cart = new.id
      - update: CartItem SET done = done WHERE cart = new.id
$$) WHERE severity = 'error';
SELECT count(*) > 0 FROM specql.apply($$
schema: s
actions:
  - name: a
    on: update Cart.state
    steps:
      - update: CartItem SET done = true WHERE shipped = ordered AND cart = cart
      - update: CartItem SET rank = new.rank WHERE rank > rank AND cart_id = new.id
      - delete: CartItem WHERE CartItem.id = CartItem.cart OR (cart = new.id AND NOT (shipped = 9 OR cartitem.ordered = 9))
$$);
INSERT INTO s.cart (state, rank) VALUES ('a', 2), ('b', 1);
INSERT INTO s.cart_item (cart_id, shipped, ordered, rank)
SELECT c.id, v.shipped, v.ordered, 3 FROM s.cart AS c, (VALUES (9, 9), (1, 9), (2, 2)) AS v(shipped, ordered);
UPDATE s.cart SET state = 'c' WHERE state = 'a';
SELECT c.state, i.shipped, i.ordered, i.done, i.rank
FROM s.cart_item AS i JOIN s.cart AS c ON c.id = i.cart_id ORDER BY 1, 2, 3;

-- ---- SQL's own names -------------------------------------------------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Ticket
schema: s
fields:
  user: text
  order: integer
  date: date
$$);
SELECT col, code, message, hint FROM specql.validate($$
schema: s
actions:
  - name: t
    on: insert Ticket
    steps:
      - update: CartItem SET done = true WHERE user = user
      - insert: CartItem SET
          ordered: "order + 1"
          user: "current_user"
      - insert: Ticket SET
          date: "current_date"
$$);
SELECT count(*) > 0 FROM specql.apply($$
schema: s
actions:
  - name: t
    on: insert Ticket
    steps:
      - update: CartItem SET done = true, ordered = new.order WHERE "user" = new.user
$$);
UPDATE s.cart_item SET done = false, "user" = shipped::text;
INSERT INTO s.ticket ("user", "order") VALUES ('1', 77);
SELECT i."user", i.ordered, i.done FROM s.cart_item AS i ORDER BY 1, 2;

-- ---- custom events ---------------------------------------------------------------------------------------------------------
SELECT col, code, message, hint FROM specql.validate($$
schema: s
actions:
  - name: c
    on: event cart_abandoned
    steps:
      - update: CartItem SET done = true WHERE cart_id = id
      - update: CartItem SET ordered = shipped * 2 WHERE cart = payload.cart_id
$$) WHERE severity = 'error';
SELECT count(*) > 0 FROM specql.apply($$
schema: s
actions:
  - name: c
    on: event cart_abandoned
    params: {cart_id: uuid}
    steps:
      - update: CartItem SET done = true, ordered = payload.n + target.shipped WHERE cart = cart
      - update: Cart SET state = 'left'
$$);
UPDATE s.cart_item SET done = false;
SELECT specql.emit('cart_abandoned', jsonb_build_object('cart_id', id, 'n', 100)) IS NOT NULL FROM s.cart WHERE state = 'b';
SELECT c.state, i.ordered, i.done FROM s.cart_item AS i JOIN s.cart AS c ON c.id = i.cart_id ORDER BY 1, 2;

-- ---- the scope of a match is closed, and its keys lead to rows ---------------------------------------------------------------
SELECT count(*) > 0 FROM specql.apply($$
entity: Contract
schema: s
fields:
  standing: text = 'good'
---
entity: Bill
schema: s
fields:
  contract: ref(Contract)
  no: integer
$$);
SELECT col, code, message, hint FROM specql.validate($$
schema: s
actions:
  - name: dunned
    trigger: three_reminders
    condition: "COUNT(bill_reminded) >= 3 WITHIN 30 days BY bill_id"
    steps:
      - notify: sales "x"
      - insert: Seen SET
          what: "'bill ' || bil_id || match_cuont"
$$) WHERE severity = 'error';
SELECT count(*) > 0 FROM specql.apply($$
schema: s
actions:
  - name: dunned
    triggers: [bill_reminded, bill_disputed]
    correlation_window: "10 minutes"
    correlate_by: bill_id
    condition: "bill_reminded AND bill_disputed"
    steps:
      - update: Contract SET standing = 'past_due'
      - insert: Seen SET
          what: "'bill ' || bill.no"
$$);
TRUNCATE s.seen;
INSERT INTO s.contract DEFAULT VALUES;
INSERT INTO s.contract DEFAULT VALUES;
INSERT INTO s.bill (contract_id, no) SELECT id, row_number() OVER (ORDER BY id) FROM s.contract;
SELECT specql.emit('bill_reminded', jsonb_build_object('bill_id', id)) IS NOT NULL,
       specql.emit('bill_disputed', jsonb_build_object('bill_id', id)) IS NOT NULL FROM s.bill WHERE no = 2;
SELECT specql.drain() > 0;
SELECT b.no, c.standing FROM s.contract AS c JOIN s.bill AS b ON b.contract_id = c.id ORDER BY 1;
SELECT what FROM s.seen;
