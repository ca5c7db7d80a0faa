-- Results: what became of the calls that a worker made, and what it learned about their services.

-- Verdicts: done, retry (after `delays`, in milliseconds), dead. Items that are not in the outbox any more are passed over.
CREATE FUNCTION specql.record_results(ids uuid[], verdicts text[], delays bigint[], errors text[], http_statuses integer[],
    responses text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    finished_events uuid[];
    finished_actions text[];
BEGIN
    WITH result AS (
        SELECT * FROM unnest(ids, verdicts, errors, http_statuses, responses) AS r(id, verdict, error, http_status, response)
        WHERE r.verdict <> 'retry'),
    gone AS (
        DELETE FROM specql.outbox AS o USING result AS r WHERE o.id = r.id
        RETURNING o.*, r.verdict, r.error, r.http_status, r.response),
    kept AS (
        INSERT INTO specql.delivery_history
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'done', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response, g.owner
        FROM gone AS g WHERE g.verdict = 'done'),
    buried AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response, g.owner
        FROM gone AS g WHERE g.verdict = 'dead')
    SELECT array_agg(g.event_id), array_agg(g.action) INTO finished_events, finished_actions
    FROM gone AS g WHERE g.verdict = 'done' AND g.event_id IS NOT NULL;
    UPDATE specql.outbox AS o
    SET status = 'waiting', available_at = clock_timestamp() + r.delay * interval '1 ms', leased_until = NULL, leased_by = NULL,
        last_error = r.error
    FROM unnest(ids, verdicts, delays, errors) AS r(id, verdict, delay, error)
    WHERE r.verdict = 'retry' AND o.id = r.id;
    IF finished_events IS NOT NULL THEN
        PERFORM specql.finish_events(finished_events, finished_actions);
    END IF;
END $$;
COMMENT ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]) IS
'What became of leased calls. For the worker';

CREATE FUNCTION specql.record_services(names text[], failures integer[], pauses integer[], pause_ms bigint[], errors text[],
    disabled text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.service AS s
    SET failures = r.failures, pauses = r.pauses, last_error = coalesce(r.error, s.last_error),
        paused_until = CASE WHEN r.pause_ms > 0 THEN clock_timestamp() + r.pause_ms * interval '1 ms'
                            WHEN r.failures > 0 THEN s.paused_until END,
        disabled = coalesce(s.disabled, r.disabled)
    FROM unnest($1, $2, $3, $4, $5, $6) AS r(name, failures, pauses, pause_ms, error, disabled)
    WHERE s.name = r.name
$$;
COMMENT ON FUNCTION specql.record_services(text[], integer[], integer[], bigint[], text[], text[]) IS
'What the worker learned about services: the state of their circuit breakers, and who does not want calls any more';

REVOKE ALL ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]),
    specql.record_services(text[], integer[], integer[], bigint[], text[], text[])
FROM PUBLIC;
