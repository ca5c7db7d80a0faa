-- What has left the outbox: what was delivered is history for a while, what was given up is a dead letter. All three tables
-- have the same columns, so that a delivery moves from one to another as a whole.

CREATE TABLE specql.delivery_history (LIKE specql.outbox INCLUDING COMMENTS);
ALTER TABLE specql.delivery_history ALTER COLUMN finished_at SET NOT NULL;
-- Ids grow with time: old rows are at its left end.
CREATE INDEX delivery_history_id ON specql.delivery_history (id);
CREATE INDEX delivery_history_event ON specql.delivery_history (event_id) WHERE definition IS NULL AND event_id IS NOT NULL;
CREATE INDEX delivery_history_replaced ON specql.delivery_history (service) WHERE status = 'replaced';
CREATE INDEX delivery_history_open ON specql.delivery_history (id) WHERE kind = 'escalation' AND acknowledged_at IS NULL;
COMMENT ON TABLE specql.delivery_history IS
'Deliveries that have left, for specql.delivery_retention; escalations stay until they are acknowledged';
COMMENT ON COLUMN specql.delivery_history.status IS 'done, replaced, or discarded';
COMMENT ON COLUMN specql.delivery_history.available_at IS 'As in specql.outbox, when it left';
COMMENT ON COLUMN specql.delivery_history.finished_at IS 'When it had left';
COMMENT ON COLUMN specql.delivery_history.http_status IS 'The receiver''s answer';
COMMENT ON COLUMN specql.delivery_history.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.delivery_history.owner IS 'The role that queued it';
COMMENT ON COLUMN specql.delivery_history.definition IS 'As in specql.outbox';
COMMENT ON COLUMN specql.delivery_history.log_slot IS 'As in specql.outbox; the log may have the event no more';
COMMENT ON COLUMN specql.delivery_history.traceparent IS 'As in specql.outbox';
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
COMMENT ON COLUMN specql.dead_letter.available_at IS 'As in specql.outbox, when it left';
COMMENT ON COLUMN specql.dead_letter.finished_at IS 'When it was given up';
COMMENT ON COLUMN specql.dead_letter.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letter.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.dead_letter.owner IS 'The role that queued it';
COMMENT ON COLUMN specql.dead_letter.definition IS 'NULL';
COMMENT ON COLUMN specql.dead_letter.log_slot IS 'NULL';
COMMENT ON COLUMN specql.dead_letter.traceparent IS 'The trace of the event, or of the session that queued it';
SELECT pg_catalog.pg_extension_config_dump('specql.dead_letter', '');

-- The calls of leases one by one, but for those that have left theirs. LIMIT: each is looked up; with EXISTS the planner would
-- read the whole history into a hash table.
CREATE VIEW specql.leased_call AS
    SELECT l.number, l.service, l.action, l.owner, l.definition, l.log_slot, l.leased_by, l.leased_until, u.id, u.event_id, u.created_at
    FROM specql.lease AS l, unnest(l.ids, l.event_ids, l.created_at) AS u(id, event_id, created_at)
    WHERE NOT l.partial
       OR (SELECT true FROM specql.delivery_history AS h WHERE h.id = u.id LIMIT 1) IS NULL
          AND (SELECT true FROM specql.outbox AS o WHERE o.id = u.id LIMIT 1) IS NULL
          AND (SELECT true FROM specql.dead_letter AS d WHERE d.id = u.id LIMIT 1) IS NULL;
COMMENT ON VIEW specql.leased_call IS 'Calls that are being delivered for the first time';
COMMENT ON COLUMN specql.leased_call.number IS 'The lease';
COMMENT ON COLUMN specql.leased_call.service IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.action IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.owner IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.definition IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.log_slot IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.leased_by IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.leased_until IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.id IS 'The delivery';
COMMENT ON COLUMN specql.leased_call.event_id IS 'As in specql.outbox';
COMMENT ON COLUMN specql.leased_call.created_at IS 'As in specql.outbox';

-- Whoever changes what a lease holds has locked it. Those of calls that were claimed lately are at the right end of the index,
-- whatever an old snapshot keeps at the left.
CREATE FUNCTION specql.lock_leases(ids uuid[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN ARRAY(
        SELECT l.number FROM specql.lease AS l
        WHERE l.last_id >= (SELECT u.id FROM unnest(lock_leases.ids) AS u(id) ORDER BY u.id LIMIT 1)
          AND EXISTS (SELECT FROM unnest(l.ids) AS i(id) JOIN unnest(lock_leases.ids) AS u(id) ON u.id = i.id)
        ORDER BY l.number FOR UPDATE);
END $$;
COMMENT ON FUNCTION specql.lock_leases(uuid[]) IS 'Locks the leases that hold some of these calls; their numbers';

-- Back to the outbox, where each has a row of its own.
CREATE FUNCTION specql.unlease(numbers bigint[], ids uuid[], status text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    moved bigint;
BEGIN
    INSERT INTO specql.outbox (id, kind, service, event_id, action, status, attempts, available_at, leased_until, leased_by, created_at,
                               owner, definition, log_slot)
    SELECT c.id, 'call', c.service, c.event_id, c.action, unlease.status, 1,
           CASE unlease.status WHEN 'leased' THEN c.leased_until ELSE least(c.leased_until, clock_timestamp()) END,
           CASE unlease.status WHEN 'leased' THEN c.leased_until END, CASE unlease.status WHEN 'leased' THEN c.leased_by END, c.created_at,
           c.owner, c.definition, c.log_slot
    FROM specql.leased_call AS c WHERE c.number = ANY (numbers) AND (unlease.ids IS NULL OR c.id = ANY (unlease.ids));
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF unlease.ids IS NULL THEN
        DELETE FROM specql.lease AS l WHERE l.number = ANY (numbers);
    ELSIF moved > 0 THEN
        PERFORM specql.shrink_leases(numbers);
    END IF;
    RETURN moved;
END $$;
COMMENT ON FUNCTION specql.unlease(bigint[], uuid[], text) IS
'Puts calls of locked leases, or for NULL all of them, back into the outbox, as waiting or leased; how many';

CREATE FUNCTION specql.shrink_leases(numbers bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE specql.lease AS l SET partial = true WHERE l.number = ANY (numbers) AND NOT l.partial;
    DELETE FROM specql.lease AS l
    WHERE l.number = ANY (numbers) AND NOT EXISTS (SELECT FROM specql.leased_call AS c WHERE c.number = l.number);
END $$;
COMMENT ON FUNCTION specql.shrink_leases(bigint[]) IS 'After calls have left locked leases: those leases end whose calls have all left';

-- Of a worker that died, or a consumer that took too long. `after`: those that were over then have been looked at.
CREATE FUNCTION specql.end_leases(service text, after timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ended constant bigint[] := ARRAY(SELECT l.number FROM specql.lease AS l
                                     WHERE l.leased_until > end_leases.after AND l.leased_until <= clock_timestamp()
                                       AND (end_leases.service IS NULL OR l.service = end_leases.service)
                                     ORDER BY l.leased_until FOR UPDATE SKIP LOCKED);
BEGIN
    IF ended <> '{}' THEN
        PERFORM specql.unlease(ended, NULL, 'waiting');
    END IF;
    RETURN ended <> '{}';
END $$;
COMMENT ON FUNCTION specql.end_leases(text, timestamptz) IS
'Puts calls of a service, or for NULL of all, back into the outbox whose leases have ended since; are there any?';

CREATE FUNCTION specql.retire_leased(leases bigint[], ids uuid[], verdicts text[], errors text[], http_statuses integer[], responses text[],
    OUT event_ids uuid[], OUT actions text[], OUT retired bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_retire_leased';
COMMENT ON FUNCTION specql.retire_leased(bigint[], uuid[], text[], text[], integer[], text[]) IS
'Takes calls that are done out of locked leases, into the history, and ends the leases whose calls are all done at once; the calls'' events, their actions, and how many calls';

-- The one way out of the outbox and of leases. Items that are in neither any more are passed over, and those with another verdict; what was
-- leased and is not done goes back to the outbox.
CREATE FUNCTION specql.retire(ids uuid[], verdicts text[], errors text[], http_statuses integer[], responses text[],
    headers text[] DEFAULT NULL, cut boolean[] DEFAULT NULL, OUT event_ids uuid[], OUT actions text[], OUT retired bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    leases bigint[] := specql.lock_leases(ids);
    answers constant text[] := specql.heard_answers();
    processes constant boolean := EXISTS (SELECT FROM specql.process_plan);
    events uuid[];
    heard text[];
    waiting bigint;
    died uuid[];
BEGIN
    retired := 0;
    IF processes THEN
        PERFORM specql.end_call_steps(ids, verdicts, errors, http_statuses, responses);
    END IF;
    IF answers <> '{}' THEN
        IF specql.write_answers(answers, leases, ids, verdicts, errors, http_statuses, responses, headers, cut) THEN
            leases := ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.number = ANY (leases));
        END IF;
    END IF;
    IF answers <> '{}' OR processes THEN
        -- The history keeps the beginning.
        responses := ARRAY(SELECT left(u.response, 2000) FROM unnest(responses) WITH ORDINALITY AS u(response, place) ORDER BY u.place);
    END IF;
    IF leases <> '{}' THEN
        SELECT * INTO event_ids, actions, retired FROM specql.retire_leased(leases, ids, verdicts, errors, http_statuses, responses);
        -- Those that were emptied have gone with what was in them.
        leases := ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.number = ANY (leases));
        IF leases <> '{}' AND retired > 0 THEN
            PERFORM specql.shrink_leases(leases);
        END IF;
        IF retired >= cardinality(ids) THEN
            RETURN;
        END IF;
        IF leases <> '{}' THEN
            PERFORM specql.unlease(leases, ids, 'leased');
        END IF;
    END IF;
    WITH gone AS (
        DELETE FROM specql.outbox AS o
        USING unnest(ids, verdicts, errors, http_statuses, responses) AS r(id, verdict, error, http_status, response)
        WHERE o.id = r.id AND r.verdict IN ('done', 'dead', 'replaced')
        -- All columns, in the order in which the three tables have them.
        RETURNING o.id, o.aggregatetype, o.aggregateid, o.type, o.payload, o.kind, o.service, o.operation, o.channel, o.message,
            o.event_id, o.action, r.verdict AS status, o.attempts, o.available_at, NULL::timestamptz AS leased_until,
            coalesce(r.error, o.last_error) AS last_error, o.created_at, o.acknowledged_at, o.acknowledged_by, o.severity,
            o.repeat_after, NULL::text AS leased_by, clock_timestamp() AS finished_at, r.http_status, r.response, o.owner,
            o.definition, o.log_slot, o.traceparent),
    dead AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, w.aggregatetype, w.aggregateid, w.type, coalesce(w.payload, '{}'), g.kind, g.service, w.operation, w.channel, w.message,
            g.event_id, g.action, g.status, g.attempts, g.available_at, g.leased_until, g.last_error, g.created_at,
            g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, g.leased_by, g.finished_at, g.http_status, g.response,
            g.owner, NULL, NULL, w.traceparent
        FROM gone AS g JOIN specql.whole_delivery AS w ON w.id = g.id AND w.place = 'outbox' WHERE g.status = 'dead'
        RETURNING id),
    freed AS (
        -- The key stays beside it.
        DELETE FROM specql.own_payload AS p USING gone AS g
        WHERE p.id = g.id AND g.status = 'dead' AND g.definition IS NULL AND p.idempotency_key IS NULL),
    done AS (
        INSERT INTO specql.delivery_history SELECT g.* FROM gone AS g WHERE g.status IN ('done', 'replaced')
        RETURNING event_id, action)
    SELECT array_agg(d.event_id) FILTER (WHERE d.event_id IS NOT NULL), array_agg(d.action) FILTER (WHERE d.event_id IS NOT NULL),
           (SELECT count(*) FROM gone), (SELECT array_agg(l.id) FROM dead AS l)
    INTO events, heard, waiting, died FROM done AS d;
    IF died IS NOT NULL THEN
        PERFORM specql.tell_of_dead(died);
    END IF;
    event_ids := event_ids || events;
    actions := actions || heard;
    retired := retired + waiting;
END $$;
COMMENT ON FUNCTION specql.retire(uuid[], text[], text[], integer[], text[], text[], boolean[]) IS
'Takes deliveries out of the outbox and of leases, into the history (verdict done, or replaced) or to the dead letters (dead); the events of those that are done, their actions, and how many have left';

-- A payload that no setting lets leave (see settings.hpp) is not copied.
CREATE FUNCTION specql.bury(id uuid, reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    -- From here on it is whole, with what it has instead of its payload.
    UPDATE specql.outbox AS o
    SET payload = jsonb_build_object('specql.omitted_bytes', specql.payload_size(w.payload)), aggregatetype = w.aggregatetype,
        aggregateid = w.aggregateid, type = w.type, operation = w.operation, channel = w.channel, message = w.message,
        definition = NULL, log_slot = NULL, traceparent = w.traceparent
    FROM specql.whole_delivery AS w
    WHERE o.id = $1 AND w.id = $1 AND w.place = 'outbox' AND specql.payload_size(w.payload) > 100 * 1024 * 1024;
    SELECT specql.retire(ARRAY[o.id], '{dead}', ARRAY[concat_ws('; before: ', $2, o.last_error)], NULL, NULL)
    FROM specql.outbox AS o WHERE o.id = $1;
$$;
COMMENT ON FUNCTION specql.bury(uuid, text) IS 'Makes a waiting delivery a dead letter';

CREATE FUNCTION specql.expire_deliveries() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    -- Of a service that is not there any more, or is paused, nobody else looks for them.
    SELECT specql.end_leases(NULL, '-infinity');
    WITH old AS (
        SELECT h.ctid FROM specql.delivery_history AS h
        WHERE h.id < specql.first_uuid(now() - specql.setting('delivery_retention')::interval)
          AND (h.kind <> 'escalation' OR h.acknowledged_at IS NOT NULL)
        ORDER BY h.id LIMIT 10000),
    gone AS (DELETE FROM specql.delivery_history AS h USING old WHERE h.ctid = old.ctid RETURNING h.id, h.definition),
    freed AS (DELETE FROM specql.own_payload AS p USING gone AS g WHERE p.id = g.id AND g.definition IS NULL)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_deliveries() IS
'Removes up to 10,000 deliveries from the history that are older than specql.delivery_retention; how many. The worker does it';

REVOKE ALL ON FUNCTION specql.lock_leases(uuid[]), specql.unlease(bigint[], uuid[], text), specql.shrink_leases(bigint[]),
    specql.end_leases(text, timestamptz), specql.retire_leased(bigint[], uuid[], text[], text[], integer[], text[]), specql.retire(uuid[], text[], text[], integer[], text[], text[], boolean[]), specql.bury(uuid, text), specql.expire_deliveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.expire_deliveries() TO specql_admin;
