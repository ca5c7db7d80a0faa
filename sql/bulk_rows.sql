-- Bulk operations that write a row for each element of an array: which elements fail and what is said of them, elements that name a row twice, and how
-- many statements there are.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Maker
schema: stock
fields: {maker_name: text!}
---
entity: Product
schema: stock
key: sku
fields:
  sku: text!
  title: text!
  price: {type: "decimal(8,2)!", check: "price < 1000"}
  currency: enum(EUR, USD) = 'EUR'
  tags: list(text)
  extra: jsonb
  maker: ref(Maker)
  barcode: text
actions:
  - name: set_prices
    pattern: batch/bulk_operation
    batch_field: price_list
    operation: update
    fields: [price, currency, tags, extra, maker]
    validations:
      - {field: price, rule: range, min: 0.01, error: "{price} is no price"}
      - {field: price, rule: custom, condition: "price is null or price < 5 * product.price", error: "{title} costs {product.price}, not {price}"}
    batch_size: 4
    return: summary
  - name: load
    pattern: batch/bulk_operation
    batch_field: product_list
    operation: upsert
    fields: [sku, title, price, barcode, tags]
    validations:
      - {field: sku, rule: format, pattern: '^[a-z]+[0-9]*$'}
      - {field: title, rule: length, min: 2, max: 10}
      - {field: barcode, rule: unique}
    error_handling: continue_on_error
    max_errors: 3
  - name: add
    pattern: batch/bulk_operation
    batch_field: product_list
    operation: insert
    fields: [sku, title, price, barcode, currency]
    validations:
      - {field: barcode, rule: unique, error: "the barcode {barcode} is taken"}
      - {field: currency, rule: enum, values: [EUR, USD]}
    error_handling: collect_errors
    max_errors: 2
  - name: forget
    pattern: batch/bulk_operation
    batch_field: product_list
    operation: delete
    batch_size: 2
    max_elements: 5
  - name: sell
    pattern: batch/bulk_operation
    batch_field: sold
    params: {product_sku: text}
    validations:
      - {field: factor, rule: required}
      - {field: factor, rule: range, max: 10}
    steps:
      - update: Product SET price = price * factor WHERE sku = product_sku
      - notify: shop "{title} costs {price}"
    return: summary
  - name: raise_all
    pattern: batch/bulk_operation
    batch_field: raised
    batch_size: 3
    steps:
      - update: Product SET price = price + by_price WHERE sku = product_sku
  - name: on_price
    on: update Product.price
    steps:
      - insert: Note SET sku = sku, noted = price
---
entity: Note
schema: stock
fields: {sku: text, noted: "decimal(8,2)"}
$$);
CREATE FUNCTION stock.said(said jsonb) RETURNS TABLE (counted text, index text, id text, field text, error text) LANGUAGE sql AS $$
    SELECT said ->> 'processed' || ' + ' || (said ->> 'failed'), e ->> 'index', e ->> 'id', e ->> 'field', e ->> 'error'
    FROM (SELECT) AS one LEFT JOIN jsonb_array_elements(said -> 'errors') AS e ON true
$$;
CREATE FUNCTION stock.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_detail text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, nullif(v_detail, ''));
END $$;
CREATE TABLE stock.statements (verb text, of_rows bigint);
CREATE FUNCTION stock.counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock.statements SELECT TG_OP, count(*) FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER counts_update AFTER UPDATE ON stock.product REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION stock.counts();
CREATE TRIGGER counts_delete AFTER DELETE ON stock.product REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION stock.counts();
CREATE VIEW stock.shown AS SELECT sku, title, price, currency, tags, extra, barcode FROM stock.product ORDER BY sku;

\echo insertions: all or none
SELECT stock.add((SELECT jsonb_agg(jsonb_build_object('sku', 'p' || n, 'title', 'thing', 'price', n)) FROM generate_series(1, 9) AS n));
SELECT stock.failure($$SELECT stock.add('[{"sku": "q1", "title": "thing", "price": 1, "barcode": "b"}, {"sku": "q2", "title": "thing", "price": 1, "barcode": "b"},
    {"sku": "q3", "title": "thing", "price": 2000}]')$$);
SELECT stock.failure($$SELECT stock.add('[{"title": 1}, {"title": 2}, {"sku": "q", "title": "good", "price": 3}, {"currency": "GBP"}]')$$);
SELECT count(*) AS products FROM stock.product;

\echo updates: one good element, and one of each kind that fails
SELECT * FROM stock.said(stock.set_prices('[
    {"product_sku": "p1", "price": 1.5},
    {"sku": "p2", "price": 2.5, "tags": ["a", "b"], "extra": "a text"},
    {"product_sku": "p3", "price": "abc"},
    {"product_sku": "p4", "price": -4},
    {"product_sku": "p5", "price": 600},
    {"product_sku": "nobody", "price": 1},
    {"price": 1},
    17, null, [], {},
    {"product_sku": "p6", "prize": 1},
    {"product_sku": "p6", "sku": "p7", "price": 1},
    {"product_sku": "p7", "price": null},
    {"product_sku": "p8", "maker": "01900000-0000-7000-8000-000000000000"},
    {"product_sku": "p9", "currency": "GBP"},
    {"product_sku": null}
]'));
SELECT * FROM stock.shown WHERE sku < 'p3';
SELECT * FROM stock.said(stock.set_prices('[]'));
SELECT * FROM stock.said(stock.set_prices(NULL));
SELECT stock.failure($$SELECT stock.set_prices('{"product_sku": "p1"}')$$);

\echo statements of four rows at most, and a row that is named again is in the next one: the last one stands
TRUNCATE stock.statements, stock.note;
SELECT stock.set_prices(jsonb_agg(jsonb_build_object('sku', 'p' || n, 'price', n + 0.25)) || '[{"sku": "p9", "price": 9.5}, {"sku": "p9", "currency": "USD"}]') FROM generate_series(1, 9) AS n;
SELECT * FROM stock.statements;
SELECT sku, array_agg(noted) AS noted FROM stock.note GROUP BY sku ORDER BY sku;
SELECT * FROM stock.shown WHERE sku = 'p9';

\echo the same of steps: what an update adds is added for each element
TRUNCATE stock.statements;
SELECT stock.raise_all('[{"product_sku": "p1", "by_price": 1}, {"product_sku": "p2", "by_price": 1}, {"product_sku": "p1", "by_price": 2}, {"product_sku": "p1", "by_price": 4}]');
SELECT * FROM stock.statements;
SELECT sku, price FROM stock.shown WHERE sku < 'p3';
SELECT stock.failure($$SELECT stock.raise_all('[{"product_sku": "p1", "by_price": 1}, {"product_sku": "nobody", "by_price": 1}]')$$);
SELECT stock.failure($$SELECT stock.raise_all('[{"product_sku": "p1", "by_price": 1}, {"product_sku": "p2", "by_price": 1000}]')$$);
SELECT sku, price FROM stock.shown WHERE sku < 'p3';

\echo new rows and rows that are there
SELECT stock.load('[{"sku": "p1", "price": 7}, {"sku": "p2", "title": "other"}, {"sku": "new", "title": "new", "price": 3, "tags": ["x"]}, {"sku": "new", "price": 4}]');
SET client_min_messages = notice;
SELECT stock.load('[{"sku": "new2", "title": "new"}, {"sku": "P", "title": "new", "price": 3}, {"sku": "new3", "title": "n", "price": 3}]');
SET client_min_messages = warning;
SELECT stock.failure($$SELECT stock.load('[{"sku": "p1", "price": 8}, {"sku": "new2", "title": "new"}, {"sku": "P"}, {"sku": "new3", "title": "n"}, {}]')$$);
SELECT stock.load('[{"sku": "p1", "barcode": "c1"}, {"sku": "p2", "barcode": "c2"}]');
SELECT stock.failure($$SELECT stock.load('[{"sku": "p1", "barcode": "c1"}, {"sku": "p3", "barcode": "c2"}, {"sku": "p4", "barcode": "c4"}, {"sku": "p5", "barcode": "c4"}, {}, 1]')$$);
SELECT * FROM stock.shown WHERE sku IN ('p1', 'p2', 'new');

\echo deletions
TRUNCATE stock.statements;
SELECT stock.forget('[{"sku": "p7"}, {"product_sku": "p8"}, {"sku": "p9"}]');
SELECT * FROM stock.statements;
SELECT stock.failure($$SELECT stock.forget('[{"sku": "p6"}, {"sku": "p6"}]')$$);
SELECT stock.failure($$SELECT stock.forget('[{"sku": "p1"}, {"sku": "p2"}, {"sku": "p3"}, {"sku": "p4"}, {"sku": "p5"}, {"sku": "p6"}]')$$);

\echo steps that the spec says, element by element
SELECT * FROM stock.said(stock.sell('[{"product_sku": "p1", "factor": 2}, {"sku": "p2", "factor": 0.5}, {"sku": "nobody", "factor": 1}, {"sku": "p3"}, {"sku": "p3", "factor": 11}, {"sku": "p3", "factor": "x"}, {"factor": 1}]'));
SELECT message FROM specql.deliveries ORDER BY message;

\echo many bad elements among many
INSERT INTO stock.product (sku, title, price) SELECT 'm' || n, 'many', 10 FROM generate_series(1, 300) AS n;
SELECT said ->> 'processed' AS processed, said ->> 'failed' AS failed, said #>> '{errors,29,index}' AS last_index, said #>> '{errors,29,error}' AS last_error
FROM stock.set_prices((SELECT jsonb_agg(jsonb_build_object('sku', 'm' || n, 'price', CASE WHEN n % 10 = 0 THEN 20 ELSE 11 END, 'currency', CASE WHEN n % 10 = 0 THEN 'GBP' ELSE 'USD' END) ORDER BY n)
                       FROM generate_series(1, 300) AS n)) AS said;
SELECT price, currency, count(*) FROM stock.product WHERE title = 'many' GROUP BY 1, 2 ORDER BY 1, 2;

\echo who may not call it is refused before the first element, whatever becomes of errors
SELECT count(*) > 0 AS applied FROM specql.apply($$
schema: stock
actions:
  - name: mark_down
    pattern: batch/bulk_operation
    batch_field: down_list
    requires: caller.can_price
    error_handling: continue_on_error
    steps:
      - update: Product SET price = price - by_price, extra = given WHERE sku = product_sku
$$);
SELECT stock.failure($$SELECT stock.mark_down('[{"product_sku": "p1", "by_price": 1, "given": {"a": "b"}}]')$$);
SELECT set_config('specql.caller', '{"can_price": true}', false) IS NOT NULL AS may;
SELECT stock.mark_down('[{"product_sku": "p1", "by_price": 1, "given": "text"}, {"product_sku": "nobody", "by_price": 1, "given": null}]');
SELECT price, extra FROM stock.product WHERE sku = 'p1';

\echo what it does, in sentences, and that it may be applied again
SELECT name, resolved_to FROM specql.explain($$
entity: Shelf
schema: stock
fields: {label: text, room: integer}
actions:
  - name: set_rooms
    pattern: batch/bulk_operation
    batch_field: shelf_list
    operation: update
    fields: [room]
    validations: [{field: room, rule: range, min: 1}]
    return: summary
$$) WHERE name ~ 'step|valid';
