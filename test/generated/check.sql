-- The seed's inventory, applied; then every function that it gave.
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
SELECT count(*) > 0 AS applied FROM specql.apply(:'inventory') \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'advanced', schema => 'inventory') \gset
\i test/generated/check_all.sql
