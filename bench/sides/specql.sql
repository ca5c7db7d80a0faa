-- The seed's spec as it stands; its tables are there already.
SET client_min_messages = error;
\set inventory `cat examples/inventory/inventory_events.yaml`
SELECT count(*) AS objects FROM specql.apply(:'inventory') \gset
