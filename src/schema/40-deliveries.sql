-- All deliveries in one view, wherever they are; and who may say what becomes of one.

-- Every delivery as a whole, with what its definition and its event have. What is asked for costs something, and nothing else:
-- to count deliveries no event is looked up.
CREATE VIEW specql.seen_delivery AS
    SELECT o.place, o.id, coalesce(o.aggregatetype, d.aggregatetype, p.aggregatetype) AS aggregatetype,
           CASE WHEN o.definition IS NULL THEN coalesce(o.aggregateid, p.aggregateid)
                ELSE (SELECT l.subject FROM specql.event_log AS l
                      WHERE l.slot = o.log_slot AND l.id = o.event_id AND l.action = o.action LIMIT 1) END AS aggregateid,
           coalesce(o.type, d.type, p.type) AS type,
           CASE WHEN o.definition IS NULL THEN coalesce(o.payload, p.payload)
                ELSE (SELECT coalesce(CASE WHEN l.entity IS NULL THEN l.data ELSE specql.whole_images(l.data) END, '{}')
                      FROM specql.event_log AS l
                      WHERE l.slot = o.log_slot AND l.id = o.event_id AND l.action = o.action LIMIT 1) END AS payload,
           o.kind, o.service, coalesce(o.operation, d.operation, p.operation) AS operation, coalesce(o.channel, d.channel) AS channel,
           coalesce(o.message, d.message) AS message, o.event_id, o.action, o.status, o.attempts, o.available_at, o.leased_until,
           o.last_error, o.created_at, o.acknowledged_at, o.acknowledged_by, o.severity, o.repeat_after, o.leased_by,
           o.finished_at, o.http_status, o.response, o.owner,
           CASE WHEN o.definition IS NULL THEN coalesce(o.traceparent, p.traceparent)
                WHEN d.traced THEN (SELECT l.traceparent FROM specql.event_log AS l
                                    WHERE l.slot = o.log_slot AND l.id = o.event_id AND l.action = o.action LIMIT 1) END AS traceparent,
           p.idempotency_key
    FROM (SELECT 'outbox' AS place, q.* FROM specql.outbox AS q UNION ALL
          SELECT 'history', h.* FROM specql.delivery_history AS h UNION ALL
          SELECT 'dead letters', l.* FROM specql.dead_letter AS l UNION ALL
          SELECT 'lease', c.id, NULL, NULL, NULL, NULL, 'call', c.service, NULL, NULL, NULL, c.event_id, c.action, 'leased', 1, c.leased_until,
                 c.leased_until, NULL, c.queued_at, NULL, NULL, NULL, NULL, c.leased_by, NULL, NULL, NULL, c.owner, c.definition, c.log_slot, NULL
          FROM (SELECT l.*, u.id, u.event_id, u.created_at AS queued_at
                FROM specql.lease AS l, unnest(l.ids, l.event_ids, l.created_at) AS u(id, event_id, created_at)) AS c
          -- As in specql.leased_call, which shows everybody's.
          WHERE NOT c.partial
             OR (SELECT true FROM specql.delivery_history AS h WHERE h.id = c.id LIMIT 1) IS NULL
                AND (SELECT true FROM specql.outbox AS w WHERE w.id = c.id LIMIT 1) IS NULL
                AND (SELECT true FROM specql.dead_letter AS l WHERE l.id = c.id LIMIT 1) IS NULL) AS o
    LEFT JOIN specql.definition AS d ON d.id = o.definition
    LEFT JOIN specql.own_payload AS p ON p.id = o.id;
COMMENT ON VIEW specql.seen_delivery IS 'Deliveries as whole rows, those that the current user may see';

-- The same for the extension's own functions, which see all: they look the event up by functions that are nobody else's.
CREATE FUNCTION specql.logged_data(slot smallint, event_id uuid, action text) RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_logged_data';
COMMENT ON FUNCTION specql.logged_data(smallint, uuid, text) IS 'The data of an event in a partition of the log, with whole images; NULL if it is not there';

CREATE FUNCTION specql.logged_subject(slot smallint, event_id uuid, action text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_logged_subject';
COMMENT ON FUNCTION specql.logged_subject(smallint, uuid, text) IS 'The subject of an event in a partition of the log';

CREATE FUNCTION specql.logged_traceparent(slot smallint, event_id uuid, action text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_logged_traceparent';
COMMENT ON FUNCTION specql.logged_traceparent(smallint, uuid, text) IS 'The trace of an event in a partition of the log';

CREATE FUNCTION specql.logged_bytes(slot smallint, event_id uuid, action text) RETURNS bigint
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_logged_bytes';
COMMENT ON FUNCTION specql.logged_bytes(smallint, uuid, text) IS
'At least the bytes of an event''s data with whole images, found without reading them; NULL if the event is not there';

CREATE VIEW specql.whole_delivery AS
    SELECT o.place, o.id, coalesce(o.aggregatetype, d.aggregatetype, p.aggregatetype) AS aggregatetype,
           CASE WHEN o.definition IS NULL THEN coalesce(o.aggregateid, p.aggregateid) ELSE specql.logged_subject(o.log_slot, o.event_id, o.action) END AS aggregateid,
           coalesce(o.type, d.type, p.type) AS type,
           CASE WHEN o.definition IS NULL THEN coalesce(o.payload, p.payload) ELSE specql.logged_data(o.log_slot, o.event_id, o.action) END AS payload,
           CASE WHEN o.definition IS NULL THEN specql.payload_size(coalesce(o.payload, p.payload))
                ELSE specql.logged_bytes(o.log_slot, o.event_id, o.action) END AS most_bytes,
           o.kind, o.service, coalesce(o.operation, d.operation, p.operation) AS operation, coalesce(o.channel, d.channel) AS channel,
           coalesce(o.message, d.message) AS message, o.event_id, o.action, o.status, o.attempts, o.available_at, o.leased_until,
           o.last_error, o.created_at, o.acknowledged_at, o.acknowledged_by, o.severity, o.repeat_after, o.leased_by,
           o.finished_at, o.http_status, o.response, o.owner,
           CASE WHEN o.definition IS NULL THEN coalesce(o.traceparent, p.traceparent)
                WHEN d.traced THEN specql.logged_traceparent(o.log_slot, o.event_id, o.action) END AS traceparent,
           p.idempotency_key
    FROM (SELECT 'outbox' AS place, q.* FROM specql.outbox AS q UNION ALL
          SELECT 'history', h.* FROM specql.delivery_history AS h UNION ALL
          SELECT 'dead letters', l.* FROM specql.dead_letter AS l UNION ALL
          SELECT 'lease', c.id, NULL, NULL, NULL, NULL, 'call', c.service, NULL, NULL, NULL, c.event_id, c.action, 'leased', 1, c.leased_until,
                 c.leased_until, NULL, c.created_at, NULL, NULL, NULL, NULL, c.leased_by, NULL, NULL, NULL, c.owner, c.definition, c.log_slot, NULL
          FROM specql.leased_call AS c) AS o
    LEFT JOIN specql.definition AS d ON d.id = o.definition
    LEFT JOIN specql.own_payload AS p ON p.id = o.id;

DO $$
DECLARE
    name text;
    one record;
BEGIN
    FOREACH name IN ARRAY '{seen_delivery,whole_delivery}'::text[] LOOP
        EXECUTE pg_catalog.format('COMMENT ON COLUMN specql.%I.place IS %L', name, 'Where it is: outbox, lease, history or dead letters');
        FOR one IN SELECT a.attname, pg_catalog.col_description(o.attrelid, o.attnum) AS comment
                   FROM pg_catalog.pg_attribute AS a
                   JOIN pg_catalog.pg_attribute AS o ON o.attrelid = 'specql.outbox'::pg_catalog.regclass AND o.attname = a.attname
                   WHERE a.attrelid = ('specql.' || name)::pg_catalog.regclass AND a.attnum > 0 LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN specql.%I.%I IS %L', name, one.attname, one.comment);
        END LOOP;
    END LOOP;
END $$;
COMMENT ON COLUMN specql.seen_delivery.idempotency_key IS 'As in specql.own_payload';
COMMENT ON COLUMN specql.whole_delivery.idempotency_key IS 'As in specql.own_payload';
COMMENT ON COLUMN specql.whole_delivery.most_bytes IS
'At least the size of the payload, found without reading it; NULL if there is none any more';
COMMENT ON VIEW specql.whole_delivery IS 'Deliveries as whole rows, for functions of specql that run as its owner';

CREATE VIEW specql.deliveries AS
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.status, d.attempts,
           CASE WHEN d.finished_at IS NULL THEN d.available_at END AS available_at, d.leased_until, d.last_error, d.created_at,
           d.finished_at, d.http_status, d.response, d.traceparent, d.idempotency_key
    FROM specql.seen_delivery AS d;
COMMENT ON VIEW specql.deliveries IS 'Calls, notifications and escalations that handlers queued, and what became of each';
COMMENT ON COLUMN specql.deliveries.id IS 'The delivery; the same for all its attempts';
COMMENT ON COLUMN specql.deliveries.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.deliveries.service IS 'The service to call';
COMMENT ON COLUMN specql.deliveries.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.deliveries.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.deliveries.message IS 'What to tell them';
COMMENT ON COLUMN specql.deliveries.payload IS 'The event''s data, or what the step made of it; NULL of one that has left and whose event the log has no more';
COMMENT ON COLUMN specql.deliveries.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.deliveries.type IS 'The event''s type';
COMMENT ON COLUMN specql.deliveries.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.deliveries.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.deliveries.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.deliveries.status IS
'waiting, leased (being delivered), sent (the receiver has it, and answers later), held (its service may not take it: specql.share_service), done, replaced (by a later one of its key: coalesce), dead (given up), discarded (by specql.discard), or repeated (not queued: a call with its idempotency key was known, see last_error)';
COMMENT ON COLUMN specql.deliveries.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.deliveries.available_at IS 'Not before this time';
COMMENT ON COLUMN specql.deliveries.leased_until IS 'While leased: when others may take it';
COMMENT ON COLUMN specql.deliveries.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.deliveries.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.deliveries.finished_at IS 'When it had left, or was given up';
COMMENT ON COLUMN specql.deliveries.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.deliveries.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.deliveries.traceparent IS 'The trace of its event, sent with the call';
COMMENT ON COLUMN specql.deliveries.idempotency_key IS 'A second call with this key was not queued while it was known; sent with the call';

CREATE FUNCTION specql.delivery_waits(event_id uuid, action text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM specql.outbox AS o
                   WHERE o.id BETWEEN specql.first_delivery($1) AND specql.last_delivery($1) AND o.event_id = $1 AND o.action = $2)
           OR EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id = $1 AND o.definition IS NULL AND o.action = $2)
           OR EXISTS (SELECT FROM specql.leased_call AS c
                      WHERE c.number = ANY (ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.action = $2 AND $1 = ANY (l.event_ids)))
                        AND c.event_id = $1)
           OR EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id = $1 AND d.action = $2)
$$;
COMMENT ON FUNCTION specql.delivery_waits(uuid, text) IS 'Does a delivery that an action queued for an event still wait, or is one dead?';

-- Who may say what becomes of a delivery: whose it is.
CREATE FUNCTION specql.may_handle(action text, owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 IS NOT NULL THEN specql.sees($1)
                ELSE specql.works_for(coalesce($2, (SELECT x.extowner::specql.role FROM pg_extension AS x WHERE x.extname = 'specql')), specql.viewer()) END
$$;
COMMENT ON FUNCTION specql.may_handle(text, specql.role) IS
'May the user of this session look after a delivery, by its action or, if it has none, by who queued it?';

REVOKE ALL ON FUNCTION specql.delivery_waits(uuid, text), specql.may_handle(text, specql.role), specql.logged_data(smallint, uuid, text),
    specql.logged_subject(smallint, uuid, text), specql.logged_traceparent(smallint, uuid, text), specql.logged_bytes(smallint, uuid, text)
FROM PUBLIC;
GRANT SELECT ON specql.deliveries TO specql_admin;
