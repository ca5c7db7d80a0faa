-- The rules of examples/inventory as a spec; their tables are there already.
SET client_min_messages = error;
\set inventory `cat examples/inventory/inventory_events.yaml`
SELECT count(*) AS objects FROM specql.apply(:'inventory') \gset
