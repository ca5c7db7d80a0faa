-- The event log: what happened and which action handled it, in a ring of partitions that are emptied in turn.

-- History, so that what is claimed and retried (specql.failure, specql.outbox) stays small. The log is a ring of eight
-- partitions: each takes the events of a sixth of specql.event_retention, then the next one's turn comes; `slot` is
-- fixed when an event is logged. specql.expire_events() empties a partition whose newest event is older than the
-- retention. No table is ever created or dropped at run time, so pg_dump and pg_restore see the same extension members
-- everywhere, and the ring goes on where it was. A partition that was not emptied in time only keeps its events longer.
CREATE TABLE specql.event_log (
    slot smallint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    action text,
    entity text,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    batch uuid NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    deliveries integer NOT NULL,
    last_error text,
    processed_at timestamptz,
    caller jsonb,
    traceparent text,
    settings jsonb
) PARTITION BY LIST (slot);
COMMENT ON TABLE specql.event_log IS 'Finished events, one row per event and handling action; shown by specql.events';
COMMENT ON COLUMN specql.event_log.slot IS 'The partition in the ring';
COMMENT ON COLUMN specql.event_log.id IS 'Time-ordered; an event that several actions handled has a row for each';
COMMENT ON COLUMN specql.event_log.type IS 'Table and event (inventory.product.stock_quantity_changed), or the custom event';
COMMENT ON COLUMN specql.event_log.action IS 'The action that handled it; NULL for a custom event nobody listens to';
COMMENT ON COLUMN specql.event_log.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.event_log.subject IS 'The id of that row';
COMMENT ON COLUMN specql.event_log.data IS 'The new row, and as "was" what its changed columns were; the old row alone, or both with specql.event_images = whole; or the payload';
COMMENT ON COLUMN specql.event_log.occurred_at IS 'By the clock when the row was captured, or as given to specql.emit';
COMMENT ON COLUMN specql.event_log.xid IS 'The transaction';
COMMENT ON COLUMN specql.event_log.caused_by IS 'The event whose handler caused this one; the first of them, if it handled several together';
COMMENT ON COLUMN specql.event_log.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.event_log.depth IS 'The place in that chain; 1 for an event that nothing caused';
COMMENT ON COLUMN specql.event_log.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.event_log.status IS 'done, unheard (no action listens), repeated (one with its key was known), or unmatched (log_events = all)';
COMMENT ON COLUMN specql.event_log.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.event_log.deliveries IS 'How many deliveries the handler queued for it';
COMMENT ON COLUMN specql.event_log.last_error IS 'Of an attempt that failed before';
COMMENT ON COLUMN specql.event_log.processed_at IS 'When the reactions were done; NULL of an event with deliveries, unless its action has a processed function: see specql.when_processed';
COMMENT ON COLUMN specql.event_log.caller IS 'Who did it: the role as user, and the claims; kept if the action asks for it, and if no action listens';
COMMENT ON COLUMN specql.event_log.traceparent IS 'The trace that it happened in, as the W3C writes it';
COMMENT ON COLUMN specql.event_log.settings IS 'The settings that specql.context named, as the session had them';

CREATE TABLE specql.event_log_0 PARTITION OF specql.event_log FOR VALUES IN (0);

CREATE TABLE specql.event_log_1 PARTITION OF specql.event_log FOR VALUES IN (1);

CREATE TABLE specql.event_log_2 PARTITION OF specql.event_log FOR VALUES IN (2);

CREATE TABLE specql.event_log_3 PARTITION OF specql.event_log FOR VALUES IN (3);

CREATE TABLE specql.event_log_4 PARTITION OF specql.event_log FOR VALUES IN (4);

CREATE TABLE specql.event_log_5 PARTITION OF specql.event_log FOR VALUES IN (5);

CREATE TABLE specql.event_log_6 PARTITION OF specql.event_log FOR VALUES IN (6);

CREATE TABLE specql.event_log_7 PARTITION OF specql.event_log FOR VALUES IN (7);

COMMENT ON TABLE specql.event_log_0 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_1 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_2 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_3 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_4 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_5 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_6 IS 'Partition of specql.event_log';

COMMENT ON TABLE specql.event_log_7 IS 'Partition of specql.event_log';

-- Ids grow with time: this index is appended to, finds an event, the newest, and a partition's first and last. It is not
-- unique because several actions may handle one event.
CREATE INDEX event_log_id ON specql.event_log (id);
-- Readers in the order of commits find by it what was committed between two snapshots.
CREATE INDEX event_log_xid ON specql.event_log (xid);
CREATE INDEX event_log_caused_by ON specql.event_log (caused_by) WHERE caused_by IS NOT NULL;

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_0', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_1', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_2', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_3', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_4', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_5', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_6', '');

SELECT pg_catalog.pg_extension_config_dump('specql.event_log_7', '');

-- Looks at the ids at both ends of each partition's index only.
CREATE FUNCTION specql.expire_events() RETURNS TABLE (partition text, newest timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    retention constant interval := specql.setting('event_retention')::interval;
    first uuid;
    last uuid;
    waiting boolean;
BEGIN
    FOR slot IN 0..7 LOOP
        partition := format('specql.event_log_%s', slot);
        EXECUTE format('SELECT id FROM %s ORDER BY id LIMIT 1', partition) INTO first;
        EXECUTE format('SELECT id FROM %s ORDER BY id DESC LIMIT 1', partition) INTO last;
        newest := specql.uuid_time(last);
        CONTINUE WHEN newest IS NULL OR newest >= now() - retention;
        -- An event is not history while one of its deliveries waits or is dead.
        SELECT EXISTS (SELECT FROM specql.outbox AS o
                       WHERE o.id BETWEEN specql.first_delivery(first) AND specql.last_delivery(last) AND o.event_id BETWEEN first AND last)
               OR EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id BETWEEN first AND last AND o.definition IS NULL)
               OR EXISTS (SELECT FROM specql.leased_call AS c WHERE c.event_id BETWEEN first AND last)
               OR EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id BETWEEN first AND last)
        INTO waiting;
        CONTINUE WHEN waiting;
        -- Nor before every reader has read it.
        EXECUTE format('SELECT EXISTS (SELECT FROM specql.reader AS r WHERE r.seen IS NULL
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid >= pg_snapshot_xmax(r.seen))
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))))',
                       partition) INTO waiting;
        CONTINUE WHEN waiting;
        BEGIN
            EXECUTE format('TRUNCATE %s', partition);
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.expire_events() IS
'Empties the partitions of the event log whose events are all older than specql.event_retention; events with waiting deliveries stay, and those that a reader of specql.read_events has not read';

REVOKE ALL ON FUNCTION specql.expire_events() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.expire_events() TO specql_admin;
