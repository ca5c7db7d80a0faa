-- Bulk operations over an array: each element is handled as the event of a custom action would be, and what becomes of
-- the bad ones is the spec's choice.
CREATE EXTENSION specql;
SET client_min_messages = warning;
\set tables '''entity: Price\nschema: shop\nfields: {sku: text!, amount: numeric!, note: text}\nindexes: [{columns: [sku], unique: true}]\nactions:\n'''
\set batch '  - name: %1$s\n    pattern: batch/bulk_operation\n    batch_field: price_changes\n    operation: update\n    validations: ["new_amount > 0", "sku <> ''''"]\n    error_handling: %2$s\n    steps:\n      - update: Price SET amount = new_amount, note = reason WHERE sku = sku\n      - notify: buyers "price changed"\n'
SELECT count(*) FROM specql.apply(:tables || format(E:'batch', 'strictly', 'stop_on_error') || format(E:'batch', 'leniently', 'continue_on_error')
    || format(E:'batch', 'together', 'collect_errors'));
\sf shop.leniently
INSERT INTO shop.price (sku, amount) VALUES ('a', 1), ('b', 2), ('c', 3);
\set changes '''[{"sku": "a", "new_amount": 10, "reason": "up"}, {"sku": "b", "new_amount": -1, "reason": "?"}, {"sku": "c", "new_amount": 30.5, "reason": null}, {"sku": "a"}, {"sku": "z", "new_amount": 1, "reason": ""}]'''
-- The first error is the caller's, and nothing is done.
SELECT shop.strictly(:changes);
SELECT shop.strictly('[{"sku": "a", "new_amount": 5, "reason": "x"}, {"sku": "b", "new_amount": 6, "reason": "y"}]');
SELECT sku, amount, note FROM shop.price ORDER BY sku;
-- Bad elements are skipped, and said to be.
SELECT shop.leniently(:changes);
SELECT sku, amount, note FROM shop.price ORDER BY sku;
SELECT payload->>'sku' AS sku, count(*) FROM specql.outbox GROUP BY 1 ORDER BY 1;
-- All are tried, all errors are told together, and nothing is done.
SELECT shop.together(:changes);
SELECT shop.together('[{"sku": "a", "new_amount": 7, "reason": "z"}]'), shop.together('[]'), shop.together(NULL);
SELECT shop.together('{"sku": "a"}');

-- Raised by an event that carries the array, and called by a step.
SELECT count(*) FROM specql.apply(E'schema: shop\nactions:\n  - name: on_list\n    on: event list_came\n    params: {price_changes: jsonb}\n    steps:\n      - leniently: "leniently(price_changes)"\n');
SELECT specql.emit('list_came', jsonb_build_object('price_changes', :changes::jsonb)) IS NOT NULL;
SELECT sku, amount FROM shop.price ORDER BY sku;
SELECT message FROM specql.failures;
SELECT code, line, col, message FROM specql.validate(E'schema: shop\nactions:\n  - name: on_list\n    on: event list_came\n    steps:\n      - leniently: "leniently(a, b)"\n');

-- A field that names a value of an enum describes the set: no array, no elements to fail.
SELECT severity, code, line, col, message, hint FROM specql.validate(E'entity: Job\nschema: shop\nfields: {state: "enum(open, done)"}\nactions:\n  - name: close_jobs\n    pattern: batch/bulk_operation\n    batch_field: open_jobs\n    error_handling: stop_on_error\n    steps:\n      - update: Job SET state = \'done\' WHERE state = \'open\'\n');
