-- Actions over several entities: all is tested, then all is written, or nothing is; what callers give wrongly is an error.
\set ECHO none
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION specql;
CREATE ROLE coordinated_clerk;
GRANT coordinated_clerk TO CURRENT_USER;
CREATE FUNCTION pg_temp.applied(spec text) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws('|', a.action, a.kind, a.object, a.detail) FROM specql.apply(spec) AS a WHERE a.action <> 'unchanged' $$;
SELECT $$
entity: Customer
schema: sales
fields:
  name: text!
  orders: integer! = 0
  discount: decimal(3,2)! = 0
---
entity: Product
schema: sales
fields:
  name: text!
  unit: text! = 'piece'
  price: decimal(10,2)!
  stock: integer!
actions:
  - name: on_stock
    on: update Product.stock
    steps:
      - append: Movement SET product = id, change = stock_change
---
entity: Movement
schema: sales
fields: {product: ref(Product)!, change: integer!}
---
entity: Order
schema: sales
fields:
  customer: ref(Customer)!
  address: text
  status: enum(placed, paid, gone)! = 'placed'
  lines: bigint!
  total: decimal(12,2)!
actions:
  - name: place_order
    description: An order with its lines
    pattern: multi_entity/coordinated_update
    requires: caller.can_order
    params: {customer: uuid, address: text}
    entities:
      - entity: Order
        operation: insert
        fields: [customer, address]
        computed:
          lines: "count(OrderItem.product_id)"
          total: "SUM(OrderItem.worth) * (1 - customer.discount)"
        validations:
          - {field: address, rule: length, min: 3, error: "bad_address {address}"}
          - {rule: custom, condition: "total <= 1000", error: too_much}
      - entity: OrderItem
        operation: insert
        fields: [product, quantity, unit, remark, {unit_price: Product.price}]
        computed: {worth: "quantity * unit_price"}
        validations:
          - {field: quantity, rule: range, min: 1, max: 100, error: "invalid_quantity {quantity}"}
          - {field: unit, rule: enum, values: [piece, box]}
          - {field: remark, rule: format, pattern: "^[a-z ]*$", error: bad_remark}
      - entity: Product
        operation: update
        condition: "id = OrderItem.product_id"
        fields: {stock: "stock - OrderItem.quantity"}
        validations:
          - {rule: custom, condition: "stock >= OrderItem.quantity", error: insufficient_stock}
          - {rule: custom, condition: "unit = OrderItem.unit", error: "{name} is sold by {unit}"}
      - entity: Customer
        operation: update
        condition: "id = customer"
        fields: {orders: "orders + 1"}
  - name: add_lines
    pattern: coordinated_update
    entities:
      - {entity: Order, operation: update, computed: {lines: "lines + count(items.quantity)", total: "total + sum(items.worth)"},
         validations: [{condition: "status = 'placed'", error: "the order is {status}"}]}
      - {entity: OrderItem, operation: insert, items: items, fields: [product, quantity], computed: {unit: "product.unit", unit_price: product.price, worth: quantity * unit_price}}
      - {entity: Product, operation: update, fields: {stock: "stock - sum(OrderItem.quantity)"}}
  - name: cancel_order
    pattern: multi_entity/parent_child_cascade
    entities:
      - {entity: OrderItem, operation: delete, condition: "order_id = parent.id"}
      - {entity: Customer, operation: update, condition: "id = parent.customer_id", fields: {orders: "orders - 1"}}
      - entity: Order
        operation: delete
        validations:
          - {rule: custom, condition: "status <> 'gone'", error: "it is {status} already"}
---
entity: OrderItem
schema: sales
fields:
  order: ref(Order)!
  product: ref(Product)!
  quantity: integer!
  unit: text!
  unit_price: decimal(10,2)!
  worth: decimal(12,2)!
  remark: text = 'none'
$$ AS spec \gset
\echo == applied, and nothing is to be done then
SELECT count(*) > 0 FROM pg_temp.applied(:'spec');
SELECT * FROM pg_temp.applied(:'spec');
SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc
WHERE pronamespace = 'sales'::regnamespace AND proname ~ 'order|lines' ORDER BY proname;
INSERT INTO sales.customer (id, name, discount) VALUES ('00000000-0000-0000-0000-00000000000c', 'Ada', 0.10);
INSERT INTO sales.product (id, name, unit, price, stock) VALUES ('00000000-0000-0000-0000-0000000000a1', 'pen', 'piece', 1.50, 10),
    ('00000000-0000-0000-0000-0000000000a2', 'ink', 'box', 4, 3);
-- An array of elements: product and quantity, and whatever else.
CREATE FUNCTION pg_temp.item(product text, quantity text, more jsonb DEFAULT '{"unit": "piece"}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('product_id', '00000000-0000-0000-0000-0000000000' || product, 'quantity', quantity::jsonb) || more) $$;
CREATE VIEW sales.all_there_is AS
    SELECT (SELECT string_agg(stock::text, ',' ORDER BY name) FROM sales.product) AS stock, (SELECT count(*) FROM sales."order") AS orders,
        (SELECT count(*) FROM sales.order_item) AS lines, (SELECT string_agg(orders::text, ',') FROM sales.customer) AS of_customers,
        (SELECT string_agg(change::text, ',' ORDER BY id) FROM sales.movement) AS moved;
CREATE PROCEDURE pg_temp.tried(items jsonb, address text DEFAULT 'a street', customer text DEFAULT '0c') LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    PERFORM sales.place_order(('00000000-0000-0000-0000-0000000000' || customer)::uuid, address, items);
    RAISE WARNING 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE WARNING '% % | % | %', SQLSTATE, SQLERRM, detail, hint;
END $$;

\echo == a caller without right; and whoever may not execute it
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1')));
GRANT USAGE ON SCHEMA sales TO coordinated_clerk;
SET ROLE coordinated_clerk;
SELECT sales.place_order(NULL, NULL, NULL);
RESET ROLE;
SELECT set_config('specql.caller', '{"can_order": true}', false);

\echo == two lines of one article are added up
SELECT sales.place_order('00000000-0000-0000-0000-00000000000c', 'a street', jsonb_build_array(pg_temp.item('a1', '2'), pg_temp.item('a2', '1', '{"unit": "box", "remark": "red"}'),
    pg_temp.item('a1', '3'))) IS NOT NULL;
SELECT lines, total, status FROM sales."order";
SELECT p.name, i.quantity, i.unit, i.unit_price, i.worth, i.remark FROM sales.order_item AS i JOIN sales.product AS p ON p.id = i.product_id ORDER BY i.quantity;
TABLE sales.all_there_is;

\echo == what is refused, and leaves nothing behind
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '3'), pg_temp.item('a1', '3')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1'), pg_temp.item('a9', '1')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1')), customer => '0d');
CALL pg_temp.tried('[]');
CALL pg_temp.tried('{"product_id": 1}');
CALL pg_temp.tried(NULL);
CALL pg_temp.tried('[7]');
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1'), pg_temp.item('a1', NULL)));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', 'null')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1', '{"unit": "piece", "unit_price": 0}')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1', '{"unit": "piece", "order_id": 0}')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1.5')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1'), pg_temp.item('a1', '0')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1', '{"unit": "pound"}')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1', '{"unit": "box"}')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1', '{"unit": "piece", "remark": "X"}')));
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1')), address => 'x');
UPDATE sales.product SET price = 900;
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '2')));
UPDATE sales.product SET price = 2;
TABLE sales.all_there_is;
\echo == an address may be left out
CALL pg_temp.tried(jsonb_build_array(pg_temp.item('a1', '1')), address => NULL);

\echo == lines are added to an order that is there
SELECT id AS order_id FROM sales."order" WHERE lines = 3 \gset
SELECT sales.add_lines(:'order_id', jsonb_build_array(pg_temp.item('a1', '1', '{}'), pg_temp.item('a1', '2', '{}'))) = :'order_id';
SELECT lines, total FROM sales."order" WHERE id = :'order_id';
TABLE sales.all_there_is;
SELECT sales.add_lines(:'order_id', jsonb_build_array(pg_temp.item('a9', '1', '{}')));
SELECT sales.add_lines('00000000-0000-0000-0000-0000000000ff', jsonb_build_array(pg_temp.item('a1', '1', '{}')));
UPDATE sales."order" SET status = 'gone' WHERE id = :'order_id';
SELECT sales.add_lines(:'order_id', jsonb_build_array(pg_temp.item('a1', '1', '{}')));

\echo == a cascade
SELECT sales.cancel_order(:'order_id');
SELECT sales.cancel_order(NULL);
UPDATE sales."order" SET status = 'paid';
SELECT sales.cancel_order(:'order_id') = :'order_id';
TABLE sales.all_there_is;

\echo == what is said of it
SELECT name || ' | ' || resolved_to FROM specql.explain(:'spec') WHERE action = 'sales.place_order' AND name LIKE 'step%';
SELECT name || ' | ' || resolved_to FROM specql.explain(:'spec') WHERE action = 'sales.cancel_order' AND name LIKE 'step%';
SELECT line FROM regexp_split_to_table(specql.graph(), E'\n') AS line WHERE line ~ 'order|--' ORDER BY line;
SELECT * FROM specql.test_suites() WHERE suite LIKE '%coordinated%';
SELECT description || coalesce(' # ' || sql, '') FROM specql.test_statements('sales.coordinated_test') WHERE kind = 'skip';
\echo == it goes with its action
SELECT * FROM pg_temp.applied(regexp_replace(:'spec', '  - name: add_lines.*(?=  - name: cancel_order)', '')) WHERE line LIKE '%lines%';
SELECT action, object FROM specql.remove(VARIADIC ARRAY['sales.Order', 'sales.OrderItem']) WHERE kind = 'function';
SELECT proname FROM pg_proc WHERE pronamespace = 'sales'::regnamespace AND proname ~ 'order' ORDER BY proname;
DROP SCHEMA sales CASCADE;
DROP EXTENSION specql CASCADE;
DROP ROLE coordinated_clerk;
