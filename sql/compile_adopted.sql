-- Tables that were there before: keys of other names and types, of several columns, or none; and objects that an earlier
-- apply left behind.
CREATE EXTENSION specql;
SET client_min_messages = warning;
CREATE SCHEMA old;
CREATE TABLE old.article (sku text PRIMARY KEY, price integer, changes integer DEFAULT 0);
CREATE TABLE old.shelf (room integer, place bigint, content text, changes integer DEFAULT 0, PRIMARY KEY (room, place));
CREATE TABLE old.reading (meter text, value numeric);
\set spec '''entity: Article\nschema: old\nfields: {price: integer, changes: integer}\nactions:\n  - name: on_price\n    on: update Article.price\n    steps:\n      - update: Article SET changes = changes + 1\n      - notify: shop "price"\n      - create: Blank\n---\nentity: Shelf\nschema: old\nfields: {room: integer, place: bigint, content: text, changes: integer}\nactions:\n  - name: on_content\n    on: update Shelf.content\n    steps:\n      - update: Shelf SET changes = changes + 1 WHERE room = new.room AND place = new.place\n---\nentity: Reading\nschema: old\nfields: {meter: text, value: numeric}\nactions:\n  - name: on_reading\n    on: Reading\n    steps:\n      - notify: watch "read"\n---\nentity: Blank\nschema: old\nfields: {at: timestamp = now()}\n'''
SELECT action, kind, object FROM specql.apply(:spec) WHERE kind = 'table';
SELECT DISTINCT action FROM specql.apply(:spec);
INSERT INTO old.article VALUES ('a', 1), ('b', 2);
UPDATE old.article SET price = price + 1;
UPDATE old.article SET sku = 'c', price = 9 WHERE sku = 'a';
SELECT * FROM old.article ORDER BY sku;
INSERT INTO old.shelf VALUES (1, 9223372036854775807, 'x'), (1, 2, 'x');
UPDATE old.shelf SET content = 'y' WHERE place > 2;
SELECT * FROM old.shelf ORDER BY place;
INSERT INTO old.reading VALUES ('m', 1), ('m', 1);
UPDATE old.reading SET value = 2;
DELETE FROM old.reading;
SELECT action, subject, count(*) FROM specql.events GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), count(at) FROM old.blank;

-- Without a key of one column there is no own row, and no order to take rows in.
SELECT code, line, col, message, hint FROM specql.validate(E'schema: old\nactions:\n  - name: on_place\n    on: update Shelf.content\n    steps:\n      - update: Shelf SET changes = 1\n');
SELECT code, line, col, message, hint FROM specql.validate(E'schema: old\nactions:\n  - name: clear_shelves\n    pattern: batch/bulk_operation\n    steps:\n      - update: Shelf SET content = NULL WHERE room = room ORDER BY place LIMIT 10\n');

-- The extension dropped and made again: its record is gone, what it generated is not. The same text takes it over.
DROP EXTENSION specql CASCADE;
CREATE EXTENSION specql;
SELECT action, kind, object, detail FROM specql.apply(:spec, adopt => true) WHERE kind IN ('table', 'function');
SELECT DISTINCT action FROM specql.apply(:spec);
UPDATE old.article SET price = price + 1 WHERE sku = 'b';
SELECT * FROM old.article ORDER BY sku;
SELECT count(*), count(at) FROM old.blank;
-- Somebody else's function is still in the way, whatever it is called.
DROP EXTENSION specql CASCADE;
CREATE EXTENSION specql;
COMMENT ON FUNCTION old.price_capture() IS 'mine';
SELECT count(*) FROM specql.apply(:spec);

-- Without any record, but with triggers and tables, as from a dump without data.
COMMENT ON FUNCTION old.price_capture() IS 'What action old.on_price captures of a changed row: which branches match, and the values they use';
SELECT count(*) FROM specql.apply(:spec || E'actions:\n  - name: on_blank\n    on: insert Blank\n    steps:\n      - append: BlankLog SET\n          at: "at"\n', adopt => true);
TRUNCATE specql.action, specql.spec, specql.unit, specql.unit_version, specql.object CASCADE;
SELECT action, kind, count(*) FROM specql.apply(:spec || E'actions:\n  - name: on_blank\n    on: insert Blank\n    steps:\n      - append: BlankLog SET\n          at: "at"\n', adopt => true)
GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO old.blank DEFAULT VALUES;
SELECT count(*) FROM old.blank_log;
-- A trigger of somebody else's is in the way.
TRUNCATE specql.action, specql.spec, specql.unit, specql.unit_version, specql.object CASCADE;
DROP TRIGGER price_trigger ON old.article;
CREATE TRIGGER price_trigger BEFORE UPDATE ON old.article FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
SELECT count(*) FROM specql.apply(:spec);
