-- The seed's texts, applied as they stand.
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
CREATE EXTENSION specql;
SELECT count(*) > 0 AS applied FROM specql.apply(:'inventory') \gset
SELECT count(*) > 0 AS applied FROM specql.apply(:'advanced', schema => 'inventory') \gset
