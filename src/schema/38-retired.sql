-- What has left the outbox: what was delivered is history for a while, what was given up is a dead letter. All three tables
-- have the same columns, so that a delivery moves from one to another as a whole.

CREATE TABLE specql.delivery_history (LIKE specql.outbox INCLUDING COMMENTS);
ALTER TABLE specql.delivery_history ALTER COLUMN finished_at SET NOT NULL;
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
COMMENT ON COLUMN specql.delivery_history.owner IS 'The role that queued it';
COMMENT ON COLUMN specql.delivery_history.definition IS 'As in specql.outbox';
COMMENT ON COLUMN specql.delivery_history.log_slot IS 'As in specql.outbox; the log may have the event no more';
SELECT pg_catalog.pg_extension_config_dump('specql.delivery_history', '');

-- A dead letter is whole: it stays longer than its event may.
CREATE TABLE specql.dead_letter (LIKE specql.outbox INCLUDING COMMENTS, PRIMARY KEY (id));
ALTER TABLE specql.dead_letter ALTER COLUMN finished_at SET NOT NULL;
CREATE INDEX dead_letter_event ON specql.dead_letter (event_id);
CREATE INDEX dead_letter_open ON specql.dead_letter (id) WHERE kind = 'escalation' AND acknowledged_at IS NULL;
CREATE INDEX dead_letter_service ON specql.dead_letter (service, id);
COMMENT ON TABLE specql.dead_letter IS
'Deliveries that ran out of attempts or were refused for good; they stay until specql.redrive or specql.discard; shown by specql.dead_letters';
COMMENT ON COLUMN specql.dead_letter.status IS 'dead';
COMMENT ON COLUMN specql.dead_letter.finished_at IS 'When it was given up';
COMMENT ON COLUMN specql.dead_letter.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letter.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.dead_letter.owner IS 'The role that queued it';
COMMENT ON COLUMN specql.dead_letter.definition IS 'NULL';
COMMENT ON COLUMN specql.dead_letter.log_slot IS 'NULL';
SELECT pg_catalog.pg_extension_config_dump('specql.dead_letter', '');

-- The one way out of the outbox. Items that are not in it any more are passed over, and those with another verdict.
CREATE FUNCTION specql.retire(ids uuid[], verdicts text[], errors text[], http_statuses integer[], responses text[],
    OUT event_ids uuid[], OUT actions text[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
BEGIN
    WITH gone AS (
        DELETE FROM specql.outbox AS o
        USING unnest(ids, verdicts, errors, http_statuses, responses) AS r(id, verdict, error, http_status, response)
        WHERE o.id = r.id AND r.verdict IN ('done', 'dead')
        -- All columns, in the order in which the three tables have them.
        RETURNING o.id, o.aggregatetype, o.aggregateid, o.type, o.payload, o.kind, o.service, o.operation, o.channel, o.message,
            o.event_id, o.action, r.verdict AS status, o.attempts, o.available_at, NULL::timestamptz AS leased_until,
            coalesce(r.error, o.last_error) AS last_error, o.created_at, o.acknowledged_at, o.acknowledged_by, o.severity,
            o.repeat_after, NULL::text AS leased_by, clock_timestamp() AS finished_at, r.http_status, r.response, o.owner,
            o.definition, o.log_slot),
    dead AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, w.aggregatetype, w.aggregateid, w.type, coalesce(w.payload, '{}'), g.kind, g.service, w.operation, w.channel, w.message,
            g.event_id, g.action, g.status, g.attempts, g.available_at, g.leased_until, g.last_error, g.created_at,
            g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, g.leased_by, g.finished_at, g.http_status, g.response,
            g.owner
        FROM gone AS g JOIN specql.whole_delivery AS w ON w.id = g.id AND w.place = 'outbox' WHERE g.status = 'dead'),
    done AS (
        INSERT INTO specql.delivery_history SELECT g.* FROM gone AS g WHERE g.status = 'done'
        RETURNING event_id, action)
    SELECT array_agg(d.event_id), array_agg(d.action) INTO event_ids, actions FROM done AS d WHERE d.event_id IS NOT NULL;
END $$;
COMMENT ON FUNCTION specql.retire(uuid[], text[], text[], integer[], text[]) IS
'Takes deliveries out of the outbox, into the history (verdict done) or to the dead letters (dead); the events of those that are done, and their actions';

-- A payload that no setting lets leave (see settings.hpp) is not copied.
CREATE FUNCTION specql.bury(id uuid, reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    -- From here on it is whole, with what it has instead of its payload.
    UPDATE specql.outbox AS o
    SET payload = jsonb_build_object('specql.omitted_bytes', specql.payload_size(w.payload)), aggregatetype = w.aggregatetype,
        aggregateid = w.aggregateid, type = w.type, operation = w.operation, channel = w.channel, message = w.message,
        definition = NULL, log_slot = NULL
    FROM specql.whole_delivery AS w
    WHERE o.id = $1 AND w.id = $1 AND w.place = 'outbox' AND specql.payload_size(w.payload) > 100 * 1024 * 1024;
    SELECT specql.retire(ARRAY[o.id], '{dead}', ARRAY[concat_ws('; before: ', $2, o.last_error)], NULL, NULL)
    FROM specql.outbox AS o WHERE o.id = $1;
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

REVOKE ALL ON FUNCTION specql.retire(uuid[], text[], text[], integer[], text[]), specql.bury(uuid, text), specql.expire_deliveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.expire_deliveries() TO specql_admin;
