-- All events in one view, wherever they are: in the log, failed, or waiting. The tables keep of an update's old row what
-- changed; the views show both rows whole.

-- The log's row is not written again when deliveries have arrived: the history has them.
CREATE FUNCTION specql.when_processed(event_id uuid, action text, deliveries integer) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    done record;
BEGIN
    SELECT count(*) FILTER (WHERE h.status NOT IN ('discarded', 'repeated')) AS n, max(h.finished_at) AS last, coalesce(bool_or(h.status = 'discarded'), false) AS discarded
    INTO done
    FROM (SELECT h.id, h.action, h.status, h.finished_at FROM specql.delivery_history AS h
          WHERE h.id BETWEEN specql.first_delivery(when_processed.event_id) AND specql.last_delivery(when_processed.event_id)
            AND h.event_id = when_processed.event_id
          UNION
          SELECT h.id, h.action, h.status, h.finished_at FROM specql.delivery_history AS h
          WHERE h.event_id = when_processed.event_id AND h.definition IS NULL) AS h
    WHERE h.action = when_processed.action;
    IF done.n < deliveries THEN
        -- What the history has no more has left long ago, if nothing of it is anywhere else.
        IF specql.uuid_time(event_id) >= now() - specql.setting('delivery_retention')::interval
           OR done.discarded
           OR specql.delivery_waits(event_id, action) THEN
            RETURN NULL;
        END IF;
        done.last := coalesce(done.last, specql.uuid_time(event_id));
    END IF;
    IF EXISTS (SELECT FROM specql.finished_event AS f
               WHERE f.action = when_processed.action AND f.event_id = when_processed.event_id) THEN
        RETURN NULL;
    END IF;
    RETURN done.last;
END $$;
COMMENT ON FUNCTION specql.when_processed(uuid, text, integer) IS
'When the last of an event''s deliveries had left; NULL while one waits, is dead or was discarded. For the views of events';

-- What costs something stands above the tables that are read together, so that it is done for the rows that are shown, and not for all
-- that are sorted to find the newest.
DO $$
DECLARE
    logged constant text := $q$
        SELECT l.id, l.type, l.action, l.entity, l.subject, l.data, l.occurred_at, l.xid, l.caused_by, l.root, l.depth, l.status, l.attempts,
               l.last_error, l.processed_at, l.batch, l.deliveries, l.caller, l.traceparent, l.settings
        FROM specql.event_log AS l$q$;
    unhandled constant text := $q$
        SELECT f.id, f.type, f.action, f.entity, f.subject, f.data, f.occurred_at, f.xid, f.caused_by, f.root, f.depth, f.status, f.attempts,
               f.message AS last_error, NULL::timestamptz AS processed_at, f.id AS batch, 0 AS deliveries, f.caller, f.traceparent, f.settings
        FROM specql.failure AS f
        UNION ALL
        SELECT w.id, w.type, w.action, w.entity, w.subject, w.data, w.occurred_at, w.xid, w.caused_by, w.root, w.depth,
               CASE WHEN EXISTS (SELECT FROM specql.action AS a WHERE a.action = w.action AND a.paused_at IS NOT NULL)
                    THEN 'paused' ELSE 'waiting' END, 0, NULL, NULL, w.id, 0, w.caller, w.traceparent, w.settings
        FROM specql.waiting_event AS w$q$;
    part record;
BEGIN
    FOR part IN SELECT * FROM (VALUES ('logged_events', logged), ('unhandled_events', unhandled),
                                      ('events', logged || ' UNION ALL ' || unhandled)) AS v(name, stored) LOOP
        EXECUTE pg_catalog.format($q$
            CREATE VIEW specql.%I AS
            SELECT e.id, e.type, e.action, e.entity, e.subject,
                   CASE WHEN e.entity IS NULL THEN e.data ELSE specql.whole_images(e.data) END AS data,
                   e.occurred_at, e.xid, e.caused_by, e.root, e.depth,
                   CASE WHEN e.deliveries > 0 AND e.processed_at IS NULL
                             AND specql.when_processed(e.id, e.action, e.deliveries) IS NULL THEN 'pending' ELSE e.status END AS status,
                   e.attempts, e.last_error,
                   CASE WHEN e.deliveries = 0 OR e.processed_at IS NOT NULL THEN e.processed_at
                        ELSE specql.when_processed(e.id, e.action, e.deliveries) END AS processed_at,
                   e.batch, e.deliveries, e.caller, e.traceparent, e.settings
            FROM (%s) AS e$q$, part.name, part.stored);
    END LOOP;
END
$$;
COMMENT ON VIEW specql.logged_events IS 'The part of specql.events that is in the log: events that were handled, or that no action listens to';
COMMENT ON VIEW specql.unhandled_events IS 'The part of specql.events that is still to be handled: failed, parked, paused, waiting';
COMMENT ON VIEW specql.events IS 'The event log: what happened, who handled it, and what became of it';
COMMENT ON COLUMN specql.events.id IS 'Time-ordered; an event that several actions handled has a row for each';
COMMENT ON COLUMN specql.events.type IS 'Table and event (inventory.product.stock_quantity_changed), or the custom event';
COMMENT ON COLUMN specql.events.action IS 'The action that handled it; NULL for a custom event nobody listens to';
COMMENT ON COLUMN specql.events.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.events.subject IS 'The id of that row';
COMMENT ON COLUMN specql.events.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.events.occurred_at IS 'By the clock when the row was captured, or as given to specql.emit';
COMMENT ON COLUMN specql.events.xid IS 'The transaction';
COMMENT ON COLUMN specql.events.caused_by IS 'The event whose handler caused this one; the first of them, if it handled several together';
COMMENT ON COLUMN specql.events.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.events.depth IS 'The place in that chain; 1 for an event that nothing caused';
COMMENT ON COLUMN specql.events.status IS
'done; pending: a delivery waits; failed: will be tried again; parked: waits for specql.retry; paused: waits for specql.resume; waiting: a worker or specql.drain() handles it next; unheard: no action listens; repeated: an event with its key was known, see last_error; unmatched: log_events = all';
COMMENT ON COLUMN specql.events.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.events.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.events.processed_at IS 'When the reactions were done, with their deliveries; NULL while anything is pending or failed. When it happened, of an event whose deliveries left longer ago than specql.delivery_retention';
COMMENT ON COLUMN specql.events.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.events.deliveries IS 'How many deliveries the handler queued for it';
COMMENT ON COLUMN specql.events.caller IS
'Who did it: the role as user, and the claims. Kept of events whose action asks for it, that failed or wait, and that nobody listens to';
COMMENT ON COLUMN specql.events.traceparent IS 'The trace that it happened in: what specql.traceparent, or the comment of the statement, said';
COMMENT ON COLUMN specql.events.settings IS 'The settings that specql.context named, as the session had them; where handlers run later, they have these values';

-- Its parts have the same columns.
DO $$
DECLARE
    part text;
    one record;
BEGIN
    FOREACH part IN ARRAY '{logged_events,unhandled_events}'::text[] LOOP
        FOR one IN SELECT a.attname, pg_catalog.col_description(a.attrelid, a.attnum) AS comment
                   FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = 'specql.events'::pg_catalog.regclass AND a.attnum > 0 LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN specql.%I.%I IS %L', part, one.attname, one.comment);
        END LOOP;
    END LOOP;
END
$$;

-- Events hold the rows of other people's tables.
REVOKE ALL ON FUNCTION specql.when_processed(uuid, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.when_processed(uuid, text, integer) TO specql_admin;
GRANT SELECT ON specql.events, specql.logged_events, specql.unhandled_events TO specql_admin;
