-- What people look at: events, actions, deliveries, escalations, failures; and specql.why.

CREATE VIEW specql.logged_events AS
    SELECT l.id, l.type, l.action, l.entity, l.subject, l.data, l.occurred_at, l.xid, l.caused_by, l.root, l.depth,
           CASE WHEN l.deliveries > 0 AND l.processed_at IS NULL THEN 'pending' ELSE l.status END AS status,
           l.attempts, l.last_error, l.processed_at, l.batch, l.deliveries, l.caller
    FROM specql.event_log AS l;
COMMENT ON VIEW specql.logged_events IS 'The part of specql.events that is in the log: events that were handled, or that no action listens to';

CREATE VIEW specql.unhandled_events AS
    SELECT f.id, f.type, f.action, f.entity, f.subject, f.data, f.occurred_at, f.xid, f.caused_by, f.root, f.depth,
           f.status, f.attempts, f.message AS last_error, NULL::timestamptz AS processed_at, f.id AS batch, 0 AS deliveries,
           f.caller
    FROM specql.failure AS f
    UNION ALL
    SELECT w.id, w.type, w.action, w.entity, w.subject, w.data, w.occurred_at, w.xid, w.caused_by, w.root, w.depth,
           'paused', 0, NULL, NULL, w.id, 0, w.caller
    FROM specql.waiting_event AS w;
COMMENT ON VIEW specql.unhandled_events IS 'The part of specql.events that is still to be handled: failed, parked, paused';

CREATE VIEW specql.events AS
    SELECT * FROM specql.logged_events UNION ALL SELECT * FROM specql.unhandled_events;
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
'done; pending: a delivery waits; failed: will be tried again; parked: waits for specql.retry; paused: waits for specql.resume; unheard: no action listens; unmatched: log_events = all';
COMMENT ON COLUMN specql.events.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.events.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.events.processed_at IS 'When the reactions were done; NULL while anything is pending or failed';
COMMENT ON COLUMN specql.events.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.events.deliveries IS 'How many deliveries the handler queued for it';
COMMENT ON COLUMN specql.events.caller IS
'Who did it: the role as user, and the claims. Kept of events whose action asks for it, that failed or wait, and that nobody listens to';

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

-- The state of the triggers is read from the catalog: a DBA switches an action off there.
CREATE VIEW specql.actions AS
    SELECT a.action, a.event, a.relation, a.handler, a.on_error, a.max_attempts, a.backoff,
           CASE WHEN a.relation IS NULL THEN a.enabled
                ELSE a.enabled AND EXISTS (
                    SELECT FROM pg_catalog.pg_trigger AS t
                    WHERE t.tgrelid = pg_catalog.to_regclass(a.relation)
                      AND t.tgfoid = 'specql.dispatch()'::pg_catalog.regprocedure AND t.tgenabled <> 'D'
                      AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) = a.action) END AS enabled,
           a.part, a.paused_at, a.run_order,
           pg_catalog.dense_rank() OVER (ORDER BY a.run_order, a.on_error <> 'abort', a.place, a.action) AS turn
    FROM specql.action AS a;
COMMENT ON VIEW specql.actions IS 'Installed actions, and whether they are switched on';
COMMENT ON COLUMN specql.actions.action IS 'Schema and name';
COMMENT ON COLUMN specql.actions.event IS 'What it listens to';
COMMENT ON COLUMN specql.actions.relation IS 'The table whose changes it watches; NULL for a custom event';
COMMENT ON COLUMN specql.actions.handler IS 'The function that handles its events; \sf shows it';
COMMENT ON COLUMN specql.actions.on_error IS 'retry or abort';
COMMENT ON COLUMN specql.actions.max_attempts IS 'After so many failed attempts an event is parked';
COMMENT ON COLUMN specql.actions.backoff IS 'The first delay between attempts; it doubles with each';
COMMENT ON COLUMN specql.actions.enabled IS 'ALTER TABLE ... DISABLE TRIGGER switches an action off';
COMMENT ON COLUMN specql.actions.part IS 'Of a window or correlation: match, or source and the event that it counts';
COMMENT ON COLUMN specql.actions.paused_at IS 'Since when its events wait for specql.resume(action); NULL: they are handled';
COMMENT ON COLUMN specql.actions.run_order IS 'What its order: says';
COMMENT ON COLUMN specql.actions.turn IS 'Of those that one statement or custom event sets off, the one with the smaller number runs first';

CREATE VIEW specql.deliveries AS
    SELECT o.id, o.kind, o.service, o.operation, o.channel, o.message, o.payload, o.event_id, o.type, o.action,
           o.aggregatetype, o.aggregateid, o.status, o.attempts, o.available_at, o.leased_until, o.last_error, o.created_at,
           NULL::timestamptz AS finished_at, NULL::integer AS http_status, NULL::text AS response
    FROM specql.outbox AS o
    UNION ALL
    SELECT h.id, h.kind, h.service, h.operation, h.channel, h.message, h.payload, h.event_id, h.type, h.action,
           h.aggregatetype, h.aggregateid, h.status, h.attempts, NULL, NULL, h.last_error, h.created_at,
           h.finished_at, h.http_status, h.response
    FROM specql.delivery_history AS h
    UNION ALL
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.status, d.attempts, NULL, NULL, d.last_error, d.created_at,
           d.finished_at, d.http_status, d.response
    FROM specql.dead_letter AS d;
COMMENT ON VIEW specql.deliveries IS 'Calls, notifications and escalations that handlers queued, and what became of each';
COMMENT ON COLUMN specql.deliveries.id IS 'The delivery; the same for all its attempts';
COMMENT ON COLUMN specql.deliveries.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.deliveries.service IS 'The service to call';
COMMENT ON COLUMN specql.deliveries.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.deliveries.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.deliveries.message IS 'What to tell them';
COMMENT ON COLUMN specql.deliveries.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.deliveries.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.deliveries.type IS 'The event''s type';
COMMENT ON COLUMN specql.deliveries.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.deliveries.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.deliveries.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.deliveries.status IS
'waiting, leased (being delivered), held (its service may not take it: specql.share_service), done, dead (given up), or discarded (by specql.discard)';
COMMENT ON COLUMN specql.deliveries.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.deliveries.available_at IS 'Not before this time';
COMMENT ON COLUMN specql.deliveries.leased_until IS 'While leased: when others may take it';
COMMENT ON COLUMN specql.deliveries.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.deliveries.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.deliveries.finished_at IS 'When it had left, or was given up';
COMMENT ON COLUMN specql.deliveries.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.deliveries.response IS 'The beginning of its body';

CREATE VIEW specql.dead_letters AS
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.attempts, d.last_error, d.http_status, d.response, d.created_at,
           d.finished_at AS died_at
    FROM specql.dead_letter AS d;
COMMENT ON VIEW specql.dead_letters IS
'Deliveries that were given up. They stay: SELECT specql.redrive(id) queues one again, specql.discard(id) lets it go';
COMMENT ON COLUMN specql.dead_letters.id IS 'The delivery';
COMMENT ON COLUMN specql.dead_letters.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.dead_letters.service IS 'The service that was called';
COMMENT ON COLUMN specql.dead_letters.operation IS 'What of the service';
COMMENT ON COLUMN specql.dead_letters.channel IS 'Who was to be notified';
COMMENT ON COLUMN specql.dead_letters.message IS 'What they were to be told';
COMMENT ON COLUMN specql.dead_letters.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.dead_letters.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.dead_letters.type IS 'The event''s type';
COMMENT ON COLUMN specql.dead_letters.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.dead_letters.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.dead_letters.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.dead_letters.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.dead_letters.last_error IS 'Of the last attempt';
COMMENT ON COLUMN specql.dead_letters.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letters.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.dead_letters.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.dead_letters.died_at IS 'When it was given up';

CREATE VIEW specql.escalations AS
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.outbox
    WHERE kind = 'escalation' AND acknowledged_at IS NULL
    UNION ALL
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.delivery_history
    WHERE kind = 'escalation' AND acknowledged_at IS NULL
    UNION ALL
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.dead_letter
    WHERE kind = 'escalation' AND acknowledged_at IS NULL;
COMMENT ON VIEW specql.escalations IS 'Escalations that nobody has acknowledged; SELECT specql.acknowledge(id) does';
COMMENT ON COLUMN specql.escalations.id IS 'For specql.acknowledge';
COMMENT ON COLUMN specql.escalations.channel IS 'Who should act';
COMMENT ON COLUMN specql.escalations.message IS 'On what';
COMMENT ON COLUMN specql.escalations.severity IS 'How bad it is, in the spec''s words';
COMMENT ON COLUMN specql.escalations.payload IS 'The event''s data';
COMMENT ON COLUMN specql.escalations.event_id IS 'The event that led to it';
COMMENT ON COLUMN specql.escalations.type IS 'The event''s type';
COMMENT ON COLUMN specql.escalations.action IS 'The action whose step escalated';
COMMENT ON COLUMN specql.escalations.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.escalations.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.escalations.attempts IS 'How often it was sent';
COMMENT ON COLUMN specql.escalations.created_at IS 'Since when it is open';

CREATE VIEW specql.failures AS
    SELECT id, action, type, subject, status, attempts, sqlstate, message, detail, hint, context, data, occurred_at,
           first_failed_at, last_failed_at, next_attempt_at, caused_by, root, depth
    FROM specql.failure;
COMMENT ON VIEW specql.failures IS
'Events whose handler failed; specql.drain() tries those again that are due, SELECT specql.retry(id) one by hand';
COMMENT ON COLUMN specql.failures.id IS 'The event; for specql.retry and specql.why';
COMMENT ON COLUMN specql.failures.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failures.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failures.subject IS 'The id of the row that changed';
COMMENT ON COLUMN specql.failures.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failures.attempts IS 'How often the handler failed for it';
COMMENT ON COLUMN specql.failures.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failures.message IS 'Of the last error';
COMMENT ON COLUMN specql.failures.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failures.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failures.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failures.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.failures.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failures.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failures.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failures.next_attempt_at IS 'When the next attempt is due; NULL if parked';
COMMENT ON COLUMN specql.failures.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failures.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failures.depth IS 'The place in that chain';

-- Conditions are asked again of the logged rows, by today's rules and with the rights of whoever wrote them.
CREATE FUNCTION specql.why(event_id uuid) RETURNS TABLE (step integer, kind text, what text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e record;
    r record;
    known boolean := false;
BEGIN
    step := 0;
    FOR e IN SELECT v.*, f.relation, f.sqlstate, f.context, f.next_attempt_at
             FROM specql.every_event AS v LEFT JOIN specql.failure AS f ON f.id = v.id AND f.action = v.action
             WHERE v.id = why.event_id AND specql.sees(v.action) ORDER BY v.action LOOP
        IF NOT known THEN
            known := true;
            step := step + 1;
            kind := 'event';
            what := e.type || coalesce(' of ' || e.subject, '');
            detail := e.data::text;
            RETURN NEXT;
            kind := 'cause';
            FOR r IN
                WITH RECURSIVE causes AS (
                    SELECT e.caused_by AS id, e.depth - 1 AS depth WHERE e.caused_by IS NOT NULL
                    UNION
                    SELECT v.caused_by, c.depth - 1
                    FROM causes AS c JOIN specql.every_event AS v ON v.id = c.id WHERE v.caused_by IS NOT NULL)
                SELECT DISTINCT ON (c.depth, c.id) c.id, v.type, v.action, v.subject
                FROM causes AS c LEFT JOIN specql.every_event AS v ON v.id = c.id AND specql.sees(v.action)
                ORDER BY c.depth DESC, c.id, v.action LOOP
                step := step + 1;
                what := coalesce(r.type || coalesce(' of ' || r.subject, ''), 'an event that is no longer logged, or of another''s action');
                detail := r.id || coalesce(', handled by ' || r.action, '');
                RETURN NEXT;
            END LOOP;
        END IF;
        CONTINUE WHEN e.action IS NULL;
        step := step + 1;
        kind := 'action';
        what := e.action || ': ' || e.status;
        detail := format('%s attempt%s%s', e.attempts, CASE WHEN e.attempts = 1 THEN '' ELSE 's' END,
            (SELECT format(', handled together with %s other event%s', count(*) - 1, CASE WHEN count(*) > 2 THEN 's' ELSE '' END) FROM specql.event_log AS l
             WHERE l.batch = e.batch AND l.action = e.action AND l.id >= e.batch AND l.xid = e.xid HAVING count(*) > 1));
        RETURN NEXT;
        IF e.entity IS NOT NULL THEN
            kind := 'branch';
            BEGIN
                FOR r IN SELECT c.branch, c.held,
                                c."values" - '{branches,event_time,event_data,subject}'::text[] AS seen
                         FROM specql.recheck(coalesce(e.relation, to_regclass(e.entity)), e.action, e.data, e.caller) AS c LOOP
                    step := step + 1;
                    what := format('%s %s', r.branch, CASE WHEN r.held THEN 'held' ELSE 'did not hold' END);
                    detail := r.seen::text;
                    RETURN NEXT;
                END LOOP;
            EXCEPTION WHEN OTHERS THEN
                step := step + 1;
                what := 'the conditions cannot be asked again';
                detail := SQLERRM;
                RETURN NEXT;
            END;
        END IF;
        kind := 'delivery';
        FOR r IN SELECT * FROM specql.every_delivery AS o WHERE o.event_id = e.id AND o.action = e.action ORDER BY o.id LOOP
            step := step + 1;
            what := format('%s %s: %s', r.kind, coalesce(r.service, r.channel), coalesce(r.operation, r.message));
            detail := format('%s, %s attempts%s', r.status, r.attempts, coalesce(', ' || r.last_error, ''));
            RETURN NEXT;
        END LOOP;
        kind := 'caused';
        FOR r IN SELECT v.id, v.type, v.action, v.subject, v.status FROM specql.every_event AS v
                 WHERE v.caused_by = e.batch AND specql.sees(v.action) ORDER BY v.id, v.action LOOP
            step := step + 1;
            what := r.type || coalesce(' of ' || r.subject, '');
            detail := format('%s%s, %s', r.id, coalesce(', handled by ' || r.action, ''), r.status);
            RETURN NEXT;
        END LOOP;
        IF e.sqlstate IS NOT NULL THEN
            step := step + 1;
            kind := 'failure';
            what := format('%s: %s', e.sqlstate, e.last_error);
            detail := concat_ws(E'\n', CASE WHEN e.next_attempt_at IS NULL THEN 'parked' ELSE 'next attempt ' || e.next_attempt_at END,
                                e.context);
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT known THEN
        RAISE EXCEPTION 'there is no event % in the log', why.event_id
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id, type, occurred_at FROM specql.events ORDER BY id DESC LIMIT 10';
    END IF;
END $$;
COMMENT ON FUNCTION specql.why(uuid) IS
'The trace of an event: what caused it, which conditions held with which values, what was queued, what it caused, what failed';

REVOKE ALL ON FUNCTION specql.why(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.why(uuid) TO specql_admin;
-- Events hold the rows of other people's tables.
GRANT SELECT ON specql.events, specql.logged_events, specql.unhandled_events, specql.actions, specql.deliveries, specql.dead_letters, specql.escalations, specql.failures
TO specql_admin;
