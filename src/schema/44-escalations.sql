-- Escalations that are open: they stay, wherever the delivery is, until somebody takes them in hand.

CREATE VIEW specql.escalations AS
    SELECT d.id, d.channel, d.message, d.severity, d.payload, d.event_id, d.type, d.action, d.aggregatetype, d.aggregateid,
           d.attempts, d.created_at
    FROM specql.seen_delivery AS d
    WHERE d.kind = 'escalation' AND d.acknowledged_at IS NULL;
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

CREATE FUNCTION specql.acknowledge(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sent integer;
BEGIN
    UPDATE specql.outbox AS o SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE o.id = acknowledge.id AND specql.may_handle(o.action, o.owner) AND o.kind = 'escalation' AND o.acknowledged_at IS NULL RETURNING o.attempts INTO sent;
    IF FOUND THEN
        -- One that was never sent still is, once; one that would be repeated is done.
        IF sent > 0 THEN
            PERFORM specql.record_results(ARRAY[acknowledge.id], '{done}', NULL, NULL, NULL, NULL);
        END IF;
        RETURN true;
    END IF;
    UPDATE specql.delivery_history AS h SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE h.id = acknowledge.id AND specql.may_handle(h.action, h.owner) AND h.kind = 'escalation' AND h.acknowledged_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE specql.dead_letter AS d SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE d.id = acknowledge.id AND specql.may_handle(d.action, d.owner) AND d.kind = 'escalation' AND d.acknowledged_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.acknowledge(uuid) IS
'Takes an open escalation in hand, so that it is not sent again; false if there is none with this id';

REVOKE ALL ON FUNCTION specql.acknowledge(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.acknowledge(uuid) TO specql_admin;
GRANT SELECT ON specql.escalations TO specql_admin;
