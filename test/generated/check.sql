-- The inventory of examples and a spec with every shape of a bulk operation, applied; then every function that they gave.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set inventory `cat examples/inventory/inventory_events.yaml`
\set bulk `cat test/generated/bulk.yaml`
\set states `cat test/generated/states.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
SELECT count(*) > 0 AS applied FROM specql.apply(:'inventory') \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'advanced', schema => 'inventory') \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'bulk') \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'states') \gset
\i test/generated/check_all.sql
