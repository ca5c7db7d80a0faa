-- What is installed as a whole: what each action did, counted from the event log, and the graph of what sets off what.

-- Derived from what is logged anyway: counting costs the statements that raise events nothing. Ids grow with time, so the
-- newest events are found by the log's index, and the cost is bounded by max_events however long the log is.
CREATE FUNCTION specql.measure_actions(since timestamptz DEFAULT now() - interval '1 day', max_events integer DEFAULT 100000)
RETURNS TABLE (action text, fired bigint, failed bigint, retried bigint, parked bigint, p50_latency interval,
               p99_latency interval, last_fired_at timestamptz, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH asked AS (
        SELECT least(greatest($1, 'epoch'), '9999-01-01') AS since),  -- what an id can hold
    newest AS MATERIALIZED (
        SELECT l.id, l.action, l.type, l.status, l.attempts, l.occurred_at, l.processed_at, l.deliveries
        FROM specql.event_log AS l
        WHERE l.id >= specql.first_uuid((SELECT a.since FROM asked AS a))
        ORDER BY l.id DESC LIMIT $2),
    covered AS (
        SELECT CASE WHEN count(n.id) < $2 THEN min(a.since)
                    ELSE greatest(min(a.since), specql.uuid_time((min(n.id::text))::uuid)) END AS since
        FROM asked AS a LEFT JOIN newest AS n ON true),
    -- As specql.when_processed finds it, for all at once.
    arrived AS (
        SELECT h.event_id, h.action, count(*) AS n, max(h.finished_at) AS processed_at
        FROM specql.delivery_history AS h
        WHERE h.id >= specql.first_delivery((SELECT (min(n.id::text))::uuid FROM newest AS n)) AND h.status <> 'discarded'
        GROUP BY h.event_id, h.action),
    counted AS (
        SELECT n.action, n.type, n.attempts, n.attempts > 1 AS failed, n.attempts - 1 AS retried, false AS parked,
               n.occurred_at, coalesce(n.processed_at, d.processed_at) - n.occurred_at AS latency
        FROM newest AS n
        LEFT JOIN arrived AS d ON n.processed_at IS NULL AND d.event_id = n.id AND d.action = n.action AND d.n >= n.deliveries
        WHERE n.status <> 'unmatched'
        UNION ALL
        SELECT f.action, f.type, f.attempts, true, greatest(f.attempts - 1, 0), f.status = 'parked', f.occurred_at, NULL
        FROM specql.failure AS f, covered AS c WHERE f.id >= specql.first_uuid(c.since))
    -- An event that a window counts has not set its action off.
    SELECT a.action, count(n.action) FILTER (WHERE n.fires), count(*) FILTER (WHERE n.failed),
           coalesce(sum(n.retried), 0)::bigint, count(*) FILTER (WHERE n.parked),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY n.latency) FILTER (WHERE n.fires),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY n.latency) FILTER (WHERE n.fires),
           max(n.occurred_at) FILTER (WHERE n.fires), min(c.since)
    FROM (SELECT DISTINCT r.action FROM specql.action AS r WHERE specql.sees(r.action)) AS a
    CROSS JOIN covered AS c
    LEFT JOIN (
        SELECT e.*, coalesce(e.type = r.event, true) AS fires
        FROM counted AS e LEFT JOIN specql.window_rule AS r ON r.action = e.action) AS n ON n.action = a.action
    GROUP BY a.action
    ORDER BY a.action
$$;
COMMENT ON FUNCTION specql.measure_actions(timestamptz, integer) IS
'What specql.action_stats shows, for another period, or for more events than the newest 100,000';

CREATE VIEW specql.action_stats AS
    SELECT s.action, s.fired, s.failed, s.retried, s.parked, s.p50_latency, s.p99_latency, s.last_fired_at, s.since
    FROM specql.measure_actions() AS s;
COMMENT ON VIEW specql.action_stats IS
'What each installed action did in the last day (the newest 100,000 events at most), counted from the event log: what specql.log_events and specql.event_retention keep';
COMMENT ON COLUMN specql.action_stats.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_stats.fired IS 'Events that its handler was run for; of a window or correlation its matches';
COMMENT ON COLUMN specql.action_stats.failed IS 'Those of them for which it failed at least once';
COMMENT ON COLUMN specql.action_stats.retried IS 'Attempts after the first, of all of them together';
COMMENT ON COLUMN specql.action_stats.parked IS 'Events that were given up and wait for specql.retry';
COMMENT ON COLUMN specql.action_stats.p50_latency IS 'Half of the processed events took at most so long, from occurred_at to processed_at: with their deliveries';
COMMENT ON COLUMN specql.action_stats.p99_latency IS 'The same for 99 of 100';
COMMENT ON COLUMN specql.action_stats.last_fired_at IS 'When its newest event happened';
COMMENT ON COLUMN specql.action_stats.since IS 'Events since then are counted';

CREATE FUNCTION specql.graph(format text DEFAULT 'mermaid') RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_graph';
COMMENT ON FUNCTION specql.graph(text) IS
'The event graph of what is installed, for mermaid or dot: entities, events, actions, services and channels; what can go round for ever is marked';

REVOKE ALL ON FUNCTION specql.measure_actions(timestamptz, integer), specql.graph(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.measure_actions(timestamptz, integer), specql.graph(text) TO specql_admin;
GRANT SELECT ON specql.action_stats TO specql_admin;
