-- Generated tests of values that are looked up: the rows that the queries find are part of the test.
\i sql/include/suites.psql

SELECT count(*) > 0 FROM specql.apply($$
entity: Order
schema: shop
fields:
  number: integer!
  customer: text!
  status: text = 'open'
actions:
  - name: on_paid
    on: update Order.status
    condition: "new.status = 'paid'"
    steps:
      - if: "EXISTS (SELECT FROM OrderLine l WHERE l.order = new.id AND l.state = 'ready')"
        then:
          - call_external: billing "paid" SET
              order: "number"
              lines: "(SELECT count(*) FROM OrderLine l WHERE l.order = new.id)"
              first_article: "(SELECT article FROM OrderLine l WHERE l.order = new.id AND l.quantity > 7 ORDER BY l.article LIMIT 1)"
        else:
          - notify: desk "Order {number} has no lines"
  - name: on_order
    on: insert Order
    steps:
      - notify: desk "{(SELECT count(*) FROM Order o WHERE o.customer = new.customer)} orders of {customer}, lines {(SELECT count(*) FROM OrderLine l WHERE l.order = new.id)}"
---
entity: OrderLine
schema: shop
fields:
  order: ref(Order)
  article: text
  quantity: integer
  state: text
---
service: billing
$$);
SELECT * FROM specql.runtests('shop.event_driven_test');
-- A handler that looks up something else is noticed.
CREATE FUNCTION pg_temp.noticed(what text, into_ text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    f oid;
    lines text[];
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'shop'::regnamespace AND strpos(p.prosrc, what) > 0 LOOP
        EXECUTE replace(pg_get_functiondef(f), what, into_);
        lines := lines || ARRAY(SELECT t.line FROM specql.runtests('shop.event_driven_test') AS t(line) WHERE t.line LIKE 'not ok%');
        EXECUTE replace(pg_get_functiondef(f), into_, what);
    END LOOP;
    RETURN QUERY SELECT split_part(l, E'\n', 1) FROM unnest(lines) AS l;
END $$;
SELECT * FROM pg_temp.noticed('q1.quantity > 7', 'q1.quantity > 8');
SELECT * FROM pg_temp.noticed('EXISTS (SELECT', 'NOT EXISTS (SELECT');
SELECT * FROM pg_temp.noticed('''order'', ', '''ordered'', ');
SELECT * FROM pg_temp.noticed('q1.customer =', 'q1.customer <>');
SELECT * FROM specql.runtests('shop.event_driven_test') AS t(line) WHERE line LIKE 'not ok%';
