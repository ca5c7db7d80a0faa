-- Every kind of end that a call can have; after each, the count of live C++ objects (a debug build counts them).
\set bad `cat test/faults/bad.yaml`
\set inventory `cat examples/inventory/inventory_events.yaml`
\set big `cat build/check/faults/big.yaml`

-- read and refused
SELECT count(*) FROM specql.apply(:'bad') \g /dev/null
SELECT public.live_objects();
SELECT count(*) FROM specql.validate(:'bad') \g /dev/null
SELECT public.live_objects();
SELECT count(*) FROM specql.validate(repeat('[', 100000)) \g /dev/null
SELECT public.live_objects();

-- an error of the server in the middle: no right to create the schema
CREATE ROLE faults_nobody;
GRANT USAGE ON SCHEMA specql TO faults_nobody;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA specql TO faults_nobody;
SET ROLE faults_nobody;
SELECT count(*) FROM specql.apply(:'inventory') \g /dev/null
RESET ROLE;
SELECT public.live_objects();

-- an object in the way
CREATE SCHEMA inventory;
CREATE VIEW inventory.product AS SELECT 1 AS id;
SELECT count(*) FROM specql.apply(:'inventory') \g /dev/null
SELECT public.live_objects();
DROP SCHEMA inventory CASCADE;

-- cancelled
SET statement_timeout = '30ms';
SELECT count(*) FROM specql.validate(:'big') \g /dev/null
RESET statement_timeout;
SELECT public.live_objects();

-- inside a subtransaction that catches it
DO $$ BEGIN PERFORM specql.apply('entity: ['); EXCEPTION WHEN others THEN NULL; END $$;
SELECT public.live_objects();

-- rows not all fetched
SELECT 1 FROM specql.apply(:'inventory') LIMIT 1 \g /dev/null
SELECT public.live_objects();

-- at run time: a payload key that is missing, a row that is not there, a call outside a handler
SELECT count(specql.emit('reorder_delivered', '{}')) \g /dev/null
SELECT public.live_objects();
SELECT count(specql.emit('reorder_delivered', '{"product_id": "01900000-0000-7000-8000-000000000001",
    "delivered_quantity": 1, "supplier_id": null, "po_number": null}')) \g /dev/null
SELECT public.live_objects();
SELECT specql.matched(1) \g /dev/null
SELECT public.live_objects();
SELECT specql.call_external('a', 'b', 1) \g /dev/null
SELECT public.live_objects();

-- a rolled back savepoint between capture and dispatch
INSERT INTO inventory.product (name, stock_quantity, reorder_point) VALUES ('a', 50, 10);
BEGIN;
SAVEPOINT one;
UPDATE inventory.product SET stock_quantity = 5 / (stock_quantity - 50);
ROLLBACK TO one;
UPDATE inventory.product SET stock_quantity = 5;
COMMIT;
SELECT public.live_objects();
