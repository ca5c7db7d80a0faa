-- Results: what became of the calls that a worker made, and what it learned about their services.

-- Verdicts: done, retry (after `delays`, in milliseconds), sent (the receiver answers later, within `delays`), unsent (the call was not
-- made, and no attempt is counted), dead, replaced (by a later call of its key). Items that are not in the outbox any more are passed over.
CREATE FUNCTION specql.record_results(ids uuid[], verdicts text[], delays bigint[], errors text[], http_statuses integer[],
    responses text[], headers text[] DEFAULT NULL, cut boolean[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    done record;
BEGIN
    SELECT * INTO done FROM specql.retire(ids, verdicts, errors, http_statuses, responses, headers, cut);
    IF verdicts && '{retry,unsent,sent}' THEN
        UPDATE specql.outbox AS o
        SET status = CASE r.verdict WHEN 'sent' THEN 'sent' ELSE 'waiting' END, available_at = clock_timestamp() + r.delay * interval '1 ms', leased_until = NULL, leased_by = NULL,
            last_error = r.error, attempts = o.attempts - (r.verdict = 'unsent')::integer
        FROM unnest(ids, verdicts, delays, errors) AS r(id, verdict, delay, error)
        WHERE r.verdict IN ('retry', 'unsent', 'sent') AND o.id = r.id;
    END IF;
    IF done.event_ids IS NOT NULL THEN
        PERFORM specql.finish_events(done.event_ids, done.actions);
    END IF;
END $$;
COMMENT ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[], text[], boolean[]) IS
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

REVOKE ALL ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[], text[], boolean[]),
    specql.record_services(text[], integer[], integer[], bigint[], text[], text[])
FROM PUBLIC;
