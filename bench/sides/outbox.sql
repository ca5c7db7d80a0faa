-- What the sides without specql write their calls to: specql's own outbox table, under another name.
SET client_min_messages = warning;
CREATE TABLE bench.outbox (LIKE specql.outbox INCLUDING ALL);
ALTER TABLE bench.outbox ALTER id SET DEFAULT specql.uuid_v7(), ALTER kind SET DEFAULT 'call',
    ALTER action SET DEFAULT 'by hand', ALTER aggregatetype SET DEFAULT 'inventory.product',
    ALTER type SET DEFAULT 'stock_quantity_changed';
CREATE VIEW bench.calls AS
    SELECT id FROM bench.outbox WHERE kind = 'call' UNION ALL SELECT id FROM specql.outbox WHERE kind = 'call';
CREATE PROCEDURE bench.empty_log() LANGUAGE sql AS $$
    TRUNCATE bench.outbox, specql.outbox, specql.event_log, specql.failure
$$;
