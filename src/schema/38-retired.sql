-- What has left the outbox: what was delivered is history for a while, what was given up is a dead letter.

-- What has left the outbox. Both begin with its columns, in its order; the owner is the last of each.
CREATE TABLE specql.delivery_history (
    LIKE specql.outbox INCLUDING COMMENTS,
    finished_at timestamptz NOT NULL,
    http_status integer,
    response text
);
-- Ids grow with time: old rows are at its left end.
CREATE INDEX delivery_history_id ON specql.delivery_history (id);
CREATE INDEX delivery_history_event ON specql.delivery_history (event_id);
CREATE INDEX delivery_history_open ON specql.delivery_history (id) WHERE kind = 'escalation' AND acknowledged_at IS NULL;
COMMENT ON TABLE specql.delivery_history IS
'Deliveries that have left, for specql.delivery_retention; escalations stay until they are acknowledged';
COMMENT ON COLUMN specql.delivery_history.status IS 'done, or discarded';
COMMENT ON COLUMN specql.delivery_history.finished_at IS 'When it had left';
COMMENT ON COLUMN specql.delivery_history.http_status IS 'The receiver''s answer';
COMMENT ON COLUMN specql.delivery_history.response IS 'The beginning of its body';
SELECT pg_catalog.pg_extension_config_dump('specql.delivery_history', '');

CREATE TABLE specql.dead_letter (
    LIKE specql.outbox INCLUDING COMMENTS,
    finished_at timestamptz NOT NULL,
    http_status integer,
    response text,
    PRIMARY KEY (id)
);
CREATE INDEX dead_letter_event ON specql.dead_letter (event_id);
CREATE INDEX dead_letter_service ON specql.dead_letter (service, id);
COMMENT ON TABLE specql.dead_letter IS
'Deliveries that ran out of attempts or were refused for good; they stay until specql.redrive or specql.discard; shown by specql.dead_letters';
COMMENT ON COLUMN specql.dead_letter.status IS 'dead';
COMMENT ON COLUMN specql.dead_letter.finished_at IS 'When it was given up';
COMMENT ON COLUMN specql.dead_letter.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letter.response IS 'The beginning of its body';
SELECT pg_catalog.pg_extension_config_dump('specql.dead_letter', '');

-- Whose a delivery is: its payload goes to nobody whom this role has not got the rights of, or has not let have it.
ALTER TABLE specql.outbox ADD COLUMN owner specql.role
    DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid::specql.role;
COMMENT ON COLUMN specql.outbox.owner IS 'The role that queued it: of an action''s delivery its owner; NULL: the owner of the extension';
ALTER TABLE specql.delivery_history ADD COLUMN owner specql.role;
ALTER TABLE specql.dead_letter ADD COLUMN owner specql.role;
COMMENT ON COLUMN specql.delivery_history.owner IS 'The role that queued it';
COMMENT ON COLUMN specql.dead_letter.owner IS 'The role that queued it';

-- A payload that no setting lets leave (see settings.hpp) is not copied.
CREATE FUNCTION specql.bury(id uuid, reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM specql.outbox AS o WHERE o.id = $1 RETURNING o.*)
    INSERT INTO specql.dead_letter
    SELECT g.id, g.aggregatetype, g.aggregateid, g.type,
           CASE WHEN specql.payload_size(g.payload) > 100 * 1024 * 1024
                THEN jsonb_build_object('specql.omitted_bytes', specql.payload_size(g.payload)) ELSE g.payload END,
           g.kind, g.service, g.operation, g.channel, g.message,
           g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, concat_ws('; before: ', $2, g.last_error), g.created_at,
           g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), NULL, NULL, g.owner
    FROM gone AS g
$$;
COMMENT ON FUNCTION specql.bury(uuid, text) IS 'Makes a waiting delivery a dead letter';

CREATE FUNCTION specql.expire_deliveries() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT h.ctid FROM specql.delivery_history AS h
        WHERE h.id < specql.first_uuid(now() - specql.setting('delivery_retention')::interval)
          AND (h.kind <> 'escalation' OR h.acknowledged_at IS NOT NULL)
        ORDER BY h.id LIMIT 10000),
    gone AS (DELETE FROM specql.delivery_history AS h USING old WHERE h.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_deliveries() IS
'Removes up to 10,000 deliveries from the history that are older than specql.delivery_retention; how many. The worker does it';

REVOKE ALL ON FUNCTION specql.bury(uuid, text), specql.expire_deliveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.expire_deliveries() TO specql_admin;
