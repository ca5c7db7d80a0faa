-- Which rows are events, and what their handler sees of them.
\set ECHO none
\i sql/include/runtime.psql
\set ECHO all

-- The objects of an action, written out as src/README.md has them.
CREATE TABLE rt.product (id uuid PRIMARY KEY, stock_quantity integer, reorder_point integer);
CREATE TABLE rt.event (product_id uuid, event_type text, change integer, data jsonb);
CREATE FUNCTION rt.stock_change_capture(old rt.product, new rt.product,
    OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id uuid, OUT stock_quantity integer, OUT old_stock_quantity integer, OUT reorder_point integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        ARRAY[
            (old.stock_quantity IS DISTINCT FROM new.stock_quantity) AND (new.stock_quantity <= new.reorder_point AND new.stock_quantity > 0),
            (old.stock_quantity IS DISTINCT FROM new.stock_quantity) AND (new.stock_quantity = 0)
        ],
        new.id::text,
        jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)),
        new.id, new.stock_quantity, old.stock_quantity, new.reorder_point;
END;
CREATE FUNCTION rt.stock_change_rows(branch integer)
RETURNS TABLE (event_id uuid, id uuid, stock_quantity integer, old_stock_quantity integer, reorder_point integer)
LANGUAGE sql STABLE AS $$
    SELECT * FROM specql.rows(branch) AS r(event_id uuid, id uuid, stock_quantity integer, old_stock_quantity integer, reorder_point integer);
$$;
CREATE FUNCTION rt.trigger_stock_change_events() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF specql.matched(1) THEN
        INSERT INTO rt.event (product_id, event_type, change, data)
        SELECT e.id, 'low_stock', e.stock_quantity - e.old_stock_quantity, jsonb_build_object('reorder_point', e.reorder_point)
        FROM rt.stock_change_rows(1) AS e;
        PERFORM specql.call_external('notification_service', 'send_low_stock_alert', 1);
    END IF;
    IF specql.matched(2) THEN
        INSERT INTO rt.event (product_id, event_type, change)
        SELECT e.id, 'out_of_stock', e.stock_quantity - e.old_stock_quantity FROM rt.stock_change_rows(2) AS e;
        PERFORM specql.notify('sales_team', 'Product out of stock', 2);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_change_trigger AFTER UPDATE ON rt.product
    FOR EACH STATEMENT EXECUTE FUNCTION specql.dispatch();
CREATE TRIGGER specql_capture AFTER INSERT OR UPDATE OR DELETE ON rt.product
    FOR EACH ROW EXECUTE FUNCTION specql.capture();
SELECT specql.register_action('rt.on_stock_change', 'stock_quantity_changed', 'rt.product', 'rt.trigger_stock_change_events', 'rt.stock_change_capture');

INSERT INTO rt.product VALUES ('00000000-0000-0000-0000-000000000001', 50, 10), ('00000000-0000-0000-0000-000000000002', 50, 10),
    ('00000000-0000-0000-0000-000000000003', NULL, 10);
UPDATE rt.product SET stock_quantity = 20 WHERE stock_quantity = 50;                 -- matches no branch
UPDATE rt.product SET stock_quantity = 5 WHERE stock_quantity = 20;                  -- low twice; NULL does not match
UPDATE rt.product SET stock_quantity = 5 WHERE stock_quantity = 5;                   -- not changed
UPDATE rt.product SET stock_quantity = 0;                                            -- out twice, and from NULL
SELECT product_id, event_type, change, data FROM rt.event ORDER BY event_type, product_id;
SELECT type, action, entity, right(subject, 1) AS subject, data->'old'->'stock_quantity' AS old, data->'new'->'stock_quantity' AS new,
    depth, status, attempts, deliveries, caused_by IS NULL AND root = id AS root, xid IS NOT NULL AS xid
FROM specql.events ORDER BY id;
SELECT kind, service, operation, channel, message, right(aggregateid, 1) AS subject, aggregatetype, type, status,
    payload = (SELECT data FROM specql.events AS e WHERE e.id = d.event_id) AS same_data
FROM specql.deliveries AS d ORDER BY id;

-- Handler and rows function are plain SQL that plpgsql_check accepts, where it is installed.
SET client_min_messages = error;
DO $$ BEGIN CREATE EXTENSION plpgsql_check; EXCEPTION WHEN OTHERS THEN
    CREATE FUNCTION public.plpgsql_check_function(text, text) RETURNS SETOF text LANGUAGE sql AS 'SELECT NULL WHERE false';
END $$;
RESET client_min_messages;
SELECT * FROM plpgsql_check_function('rt.trigger_stock_change_events()', 'rt.product');
SET client_min_messages = error;
DROP EXTENSION IF EXISTS plpgsql_check;
DROP FUNCTION IF EXISTS public.plpgsql_check_function(text, text);
RESET client_min_messages;

-- PostgreSQL knows which columns the conditions read: one cannot be dropped, a rename is followed.
ALTER TABLE rt.product DROP COLUMN reorder_point;
ALTER TABLE rt.product RENAME COLUMN stock_quantity TO stock;
UPDATE rt.product SET stock = 7;
SELECT product_id, event_type, change FROM rt.event WHERE event_type = 'low_stock' AND change = 7 ORDER BY product_id;

-- Outside of a handler.
SELECT specql.matched(1);
SELECT * FROM specql.rows(1) AS r(event_id uuid);
SELECT * FROM rt.stock_change_rows(1);

-- A column list that does not fit fails the event, not the statement; the error says why.
SELECT rt.watch('rt.item');
SELECT rt.install('wrong_type', 'rt.item', 'INSERT', '{true}');
CREATE OR REPLACE FUNCTION rt.wrong_type_rows(branch integer)
RETURNS TABLE (event_id uuid, id integer, old_id integer, qty integer, old_qty integer) LANGUAGE sql STABLE AS
    'SELECT event_id, id, old_id, qty::integer, old_qty FROM specql.rows(branch) AS r(event_id uuid, id integer, old_id integer, qty text, old_qty integer)';
INSERT INTO rt.item VALUES (1, 1);
CREATE OR REPLACE FUNCTION rt.wrong_type_rows(branch integer)
RETURNS TABLE (event_id uuid, id integer, old_id integer, qty integer, old_qty integer) LANGUAGE sql STABLE AS
    'SELECT event_id, id, old_id, quantity, old_qty FROM specql.rows(branch) AS r(event_id uuid, id integer, old_id integer, quantity integer, old_qty integer)';
INSERT INTO rt.item VALUES (2, 2);
SELECT sqlstate, message, hint FROM specql.failures ORDER BY id;
DROP TRIGGER wrong_type_trigger ON rt.item;

-- The columns that every event has.
CREATE TABLE rt.seen (event_id uuid, event_type text, event_time timestamptz, event_data jsonb, subject text, qty integer);
SELECT rt.install('all_columns', 'rt.item', 'INSERT', '{true}',
    'INSERT INTO rt.seen SELECT * FROM specql.rows(1) AS r(event_id uuid, event_type text, event_time timestamptz, event_data jsonb, subject text, qty integer);');
INSERT INTO rt.item VALUES (3, 33);
SELECT s.event_type, s.event_data, s.subject, s.qty, s.event_id = e.id AS id, s.event_time = e.occurred_at AS time
FROM rt.seen AS s JOIN specql.events AS e ON e.id = s.event_id;
DROP TRIGGER all_columns_trigger ON rt.item;
TRUNCATE rt.item, rt.trace;

-- Insert, update and delete: the row that does not exist is NULL, and so is each of its fields.
SELECT rt.install('any', 'rt.item', 'INSERT OR UPDATE OR DELETE',
    '{old IS NULL, new IS NULL, old.qty IS DISTINCT FROM new.qty AND old.id IS NOT NULL AND new.id IS NOT NULL, true}');
INSERT INTO rt.item VALUES (1, 1), (2, NULL);
SELECT * FROM rt.traces();
UPDATE rt.item SET qty = 5;
SELECT * FROM rt.traces();
DELETE FROM rt.item WHERE id = 1;
SELECT * FROM rt.traces();
SELECT data FROM specql.events WHERE subject = '1' AND action = 'rt.on_any' ORDER BY id;

-- A changed primary key: old and new id side by side; the subject is the new one.
UPDATE rt.item SET id = 20;
SELECT * FROM rt.traces();
SELECT subject, data->'old'->'id' AS old, data->'new'->'id' AS new FROM specql.events WHERE action = 'rt.on_any' ORDER BY id DESC LIMIT 1;
-- The same number of changes of one row in a loop: each statement is a set of its own.
DO $$ BEGIN FOR i IN 1..3 LOOP UPDATE rt.item SET qty = i; END LOOP; END $$;
SELECT * FROM rt.traces();

-- Statements that touch no row run no handler.
UPDATE rt.item SET qty = 9 WHERE false;
DELETE FROM rt.item WHERE false;
INSERT INTO rt.item SELECT 99, 1 WHERE false;
SELECT * FROM rt.traces();

-- Two actions, one of them switched off: nothing else changes.
SELECT rt.install('other', 'rt.item', 'UPDATE', '{new.qty > 100}');
UPDATE rt.item SET qty = 101;
ALTER TABLE rt.item DISABLE TRIGGER any_trigger;
UPDATE rt.item SET qty = 102;
ALTER TABLE rt.item ENABLE TRIGGER any_trigger;
ALTER TABLE rt.item DISABLE TRIGGER other_trigger;
UPDATE rt.item SET qty = 103;
ALTER TABLE rt.item ENABLE TRIGGER other_trigger;
SELECT * FROM rt.traces() WHERE branch <> 4;
SELECT action, enabled FROM specql.actions WHERE action IN ('rt.on_any', 'rt.on_other') ORDER BY 1;
DROP TRIGGER any_trigger ON rt.item;
DROP TRIGGER other_trigger ON rt.item;

-- A stored generated column counts with its new value.
CREATE TABLE rt.gen (id integer PRIMARY KEY, qty integer, twice integer GENERATED ALWAYS AS (qty * 2) STORED);
SELECT rt.watch('rt.gen');
SELECT rt.install('generated', 'rt.gen', 'INSERT OR UPDATE', '{new.twice > 10, old.twice > 10}');
INSERT INTO rt.gen VALUES (1, 5), (2, 6);
UPDATE rt.gen SET qty = 11 - qty;
SELECT * FROM rt.traces();

-- A condition that raises an error is the rule's failure, not the statement's. The other rows are captured, and the event
-- waits with what is known of it.
SELECT rt.install('divides', 'rt.item', 'UPDATE', '{old.qty IS DISTINCT FROM new.qty AND 100 / new.qty > 1}');
SELECT rt.install('beside', 'rt.item', 'UPDATE', '{new.qty = 0}');
INSERT INTO rt.item VALUES (21, 21), (22, 22);
UPDATE rt.item SET qty = id - 20;
SELECT * FROM rt.traces();
SELECT action, subject, status, attempts, sqlstate, message, context, data->'new'->'qty' AS qty FROM specql.failures WHERE action = 'rt.on_divides';
UPDATE rt.item SET qty = 0 WHERE id = 20;                                            -- not changed: not divided
SELECT * FROM rt.traces();
SELECT specql.retry_due();
CREATE OR REPLACE FUNCTION rt.divides_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[100 / nullif(new.qty, 0) > 1 OR new.qty = 0], new.id::text, jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)),
        new.id, old.id, new.qty, old.qty
    FROM rt.item AS old, rt.item AS new;
END;
SELECT specql.retry_due();
SELECT * FROM rt.traces();
SELECT action, subject, status, attempts, last_error FROM specql.events WHERE action = 'rt.on_divides' AND attempts > 1;
DROP TRIGGER divides_trigger ON rt.item;
DROP TRIGGER beside_trigger ON rt.item;
-- The same for a value that steps read; and in an invariant, it is the statement's.
SELECT rt.install('value', 'rt.item', 'UPDATE', '{true}');
CREATE OR REPLACE FUNCTION rt.value_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[true], new.id::text, jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new)), new.id, old.id, new.qty * 2000000000, old.qty
    FROM rt.item AS old, rt.item AS new;
END;
UPDATE rt.item SET qty = id - 20;
SELECT * FROM rt.traces();
SELECT action, subject, message FROM specql.failures WHERE action = 'rt.on_value';
DROP TRIGGER value_trigger ON rt.item;
DELETE FROM specql.failure;
SELECT rt.install('invariant', 'rt.item', 'UPDATE', '{100 / new.qty > 1}', on_error => 'abort');
UPDATE rt.item SET qty = 0;
DROP TRIGGER invariant_trigger ON rt.item;
DELETE FROM rt.item WHERE id > 20;

-- Branches as a constant, and computed as a whole; many of them; a NULL among them.
SELECT rt.install('constant', 'rt.item', 'UPDATE', '{true}');
CREATE OR REPLACE FUNCTION rt.constant_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT '{t,f,NULL,t}'::boolean[], NULL::text, NULL::jsonb, new.id, old.id, new.qty, old.qty
    FROM rt.item AS old, rt.item AS new;
END;
CREATE OR REPLACE FUNCTION rt.constant_handler() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rt.trace (action, branch) SELECT 'constant', b FROM generate_series(-1, 80) AS b WHERE specql.matched(b);
    RETURN NULL;
END $$;
UPDATE rt.item SET qty = 1;
CREATE OR REPLACE FUNCTION rt.constant_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT array_fill(false, ARRAY[70]) || (new.qty > 1), NULL::text, NULL::jsonb, new.id, old.id, new.qty, old.qty
    FROM rt.item AS old, rt.item AS new;
END;
UPDATE rt.item SET qty = 2;
UPDATE rt.item SET qty = 1;
SELECT action, branch FROM rt.traces();

-- A capture function of another form is refused, in words.
CREATE OR REPLACE FUNCTION rt.constant_capture(OUT branches boolean[], OUT subject text, OUT data jsonb,
    OUT id integer, OUT old_id integer, OUT qty integer, OUT old_qty integer)
RETURNS record LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ARRAY[true], NULL::text, NULL::jsonb, i.id, i.id, i.qty, i.qty FROM rt.item AS i;
END;
UPDATE rt.item SET qty = 3;
DROP TRIGGER constant_trigger ON rt.item;
UPDATE rt.item SET qty = 3;

\set ECHO none
\i sql/include/runtime_end.psql
