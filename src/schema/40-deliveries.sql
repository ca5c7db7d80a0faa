-- All deliveries in one view, wherever they are; and who may say what becomes of one.

CREATE VIEW specql.deliveries AS
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.status, d.attempts,
           CASE WHEN d.finished_at IS NULL THEN d.available_at END AS available_at, d.leased_until, d.last_error, d.created_at,
           d.finished_at, d.http_status, d.response
    FROM (SELECT * FROM specql.outbox UNION ALL
          SELECT * FROM specql.delivery_history UNION ALL
          SELECT * FROM specql.dead_letter) AS d;
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

-- Who may say what becomes of a delivery: whose it is.
CREATE FUNCTION specql.may_handle(action text, owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 IS NOT NULL THEN specql.sees($1)
                ELSE specql.works_for(coalesce($2, (SELECT x.extowner::specql.role FROM pg_extension AS x WHERE x.extname = 'specql')), specql.viewer()) END
$$;
COMMENT ON FUNCTION specql.may_handle(text, specql.role) IS
'May the user of this session look after a delivery, by its action or, if it has none, by who queued it?';

REVOKE ALL ON FUNCTION specql.may_handle(text, specql.role) FROM PUBLIC;
GRANT SELECT ON specql.deliveries TO specql_admin;
