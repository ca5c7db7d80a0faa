-- Refs to rows that the same statement has inserted, changed or deleted.
\set ECHO none
\pset format unaligned
SET client_min_messages = warning;
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Invoice
schema: shop
fields:
  no: integer
  state: enum(open, closed) = 'open'
  total: integer = 0
  lowest: integer = 0
---
entity: Item
schema: shop
fields:
  no: integer
  invoice: ref(Invoice, on_delete: cascade)
  parent: ref(Item, on_delete: set null)
  qty: integer = 1
actions:
  - name: on_item
    on: insert Item
    steps:
      - update: Invoice SET total = total + qty
  - name: on_sub
    on: insert Item
    condition: "parent.qty > 1"
    steps:
      - update: Item VIA parent SET qty = qty + 10
  - name: on_item_gone
    on: delete Item
    steps:
      - update: Invoice SET total = total - qty
  - name: on_item_lowest
    on: delete Item
    steps:
      - update: Invoice SET lowest = greatest(lowest - qty, 0)
  - name: on_item_told
    on: delete Item
    on_error: abort
    conditions:
      - if: "invoice.state = 'open'"
        then:
          - insert: Log SET
              note: "'off open invoice ' || invoice.no"
      - if: "invoice.state IS NULL"
        then:
          - insert: Log SET
              note: "'off with its invoice: ' || no"
  - name: on_any
    on: Item
    condition: "new.parent.no = 1 OR qty > 100"
    steps:
      - insert: Log SET
          note: "concat('any ', no, ' below ', parent.no, ' before ', old.parent.no)"
  - name: on_orphan
    on: update Item.parent
    steps:
      - if: "old.parent.no IS NULL"
        then:
          - insert: Log SET
              note: "'orphan ' || no"
---
entity: Log
schema: shop
fields:
  note: text
$$);
\set ECHO all
-- A row that refers to itself, one that stands before its parent, and one that is inserted with what it refers to.
INSERT INTO shop.invoice (id, no) VALUES ('01900000-0000-7000-8000-000000000001', 1);
INSERT INTO shop.item (id, no, invoice_id, parent_id, qty) VALUES
    ('01900000-0000-7000-8000-000000000011', 1, '01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000011', 5);
INSERT INTO shop.item (id, no, invoice_id, parent_id, qty) VALUES
    ('01900000-0000-7000-8000-000000000012', 2, '01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000013', 1),
    ('01900000-0000-7000-8000-000000000013', 3, '01900000-0000-7000-8000-000000000001', NULL, 7);
WITH i AS (INSERT INTO shop.invoice (id, no, total) VALUES ('01900000-0000-7000-8000-000000000002', 2, 100) RETURNING id)
INSERT INTO shop.item (no, invoice_id, qty) SELECT 4, id, 3 FROM i;
SELECT no, qty FROM shop.item ORDER BY no;
SELECT no, total FROM shop.invoice ORDER BY no;
-- The parent is gone; the item stays.
DELETE FROM shop.item WHERE no = 3;
SELECT no, total, lowest FROM shop.invoice ORDER BY no;
-- A row that leads to itself is gone.
DELETE FROM shop.item WHERE no = 1;
-- The invoice and its items are deleted in one statement: no rule fails, also not those that may abort it.
UPDATE shop.item SET qty = 101 WHERE no = 4;
DELETE FROM shop.invoice;
SELECT count(*) FROM shop.item;
SELECT note, count(*) FROM shop.log GROUP BY note ORDER BY note COLLATE "C";
SELECT action, message FROM specql.failures;
\sf shop.trigger_item_gone_events
-- A row that is there must lead to one.
ALTER TABLE shop.item DROP CONSTRAINT item_invoice_id_fkey;
INSERT INTO shop.item (no, invoice_id) VALUES (5, '01900000-0000-7000-8000-000000000009');
SELECT action, sqlstate, message FROM specql.failures;
