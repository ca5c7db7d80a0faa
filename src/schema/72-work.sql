-- What is due: code of roles, which runs in sessions of those roles (src/pg/worker), when a worker must wake up next,
-- and all of it done in a session.

CREATE TABLE specql.begun_work (
    action text NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (action, kind)
);
COMMENT ON TABLE specql.begun_work IS
'Events that an owner worker is handling together. What it finds here when it begins has ended a session: those events are tried one at a time';
COMMENT ON COLUMN specql.begun_work.action IS 'Whose events';
COMMENT ON COLUMN specql.begun_work.kind IS 'failures or released';

-- From action to action along the indexes, however many events wait for each. Functions that have come into being by now
-- are looked for only if `functions`.
CREATE FUNCTION specql.owner_work(functions boolean DEFAULT true)
RETURNS TABLE (owner oid, kind text, action text, due_at timestamptz)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    moved constant interval := coalesce(nullif(specql.setting('clock_offset'), ''), '0')::interval;
BEGIN
    RETURN QUERY
    WITH RECURSIVE failing AS (
        (SELECT f.action FROM specql.failure AS f WHERE f.status = 'failed' ORDER BY f.action LIMIT 1)
        UNION ALL
        SELECT (SELECT f.action FROM specql.failure AS f WHERE f.status = 'failed' AND f.action > p.action ORDER BY f.action LIMIT 1)
        FROM failing AS p WHERE p.action IS NOT NULL),
    waiting AS (
        (SELECT w.action FROM specql.waiting_event AS w ORDER BY w.action LIMIT 1)
        UNION ALL
        SELECT (SELECT w.action FROM specql.waiting_event AS w WHERE w.action > p.action ORDER BY w.action LIMIT 1)
        FROM waiting AS p WHERE p.action IS NOT NULL),
    finished AS (
        (SELECT e.action FROM specql.finished_event AS e WHERE e.due_at IS NOT NULL ORDER BY e.action LIMIT 1)
        UNION ALL
        SELECT (SELECT e.action FROM specql.finished_event AS e WHERE e.due_at IS NOT NULL AND e.action > p.action
                ORDER BY e.action LIMIT 1)
        FROM finished AS p WHERE p.action IS NOT NULL)
    SELECT specql.owner_of(w.action), w.kind, w.action, w.due_at
    FROM (SELECT 'failures' AS kind, p.action,
                 (SELECT f.next_attempt_at FROM specql.failure AS f WHERE f.status = 'failed' AND f.action = p.action
                  ORDER BY f.next_attempt_at LIMIT 1) - moved AS due_at
          FROM failing AS p
          UNION ALL
          SELECT 'released', p.action, clock_timestamp() FROM waiting AS p
          WHERE EXISTS (SELECT FROM specql.action AS a WHERE a.action = p.action AND a.paused_at IS NULL)
          UNION ALL
          SELECT 'finished', p.action,
                 (SELECT e.due_at FROM specql.finished_event AS e WHERE e.action = p.action AND e.due_at IS NOT NULL
                  ORDER BY e.due_at LIMIT 1) - moved
          FROM finished AS p
          UNION ALL
          SELECT 'window', r.action,
                 least((SELECT e.at FROM specql.window_event AS e WHERE e.action = r.action ORDER BY e.at, e.id LIMIT 1),
                       (SELECT k.deadline FROM specql.window_key AS k WHERE k.action = r.action AND k.deadline IS NOT NULL
                        ORDER BY k.deadline LIMIT 1)) - moved
          FROM specql.action AS r WHERE r.part = 'match' AND r.enabled
          UNION ALL
          SELECT 'process', p.action, p.due_at - moved FROM specql.due_process AS p
          UNION ALL
          SELECT DISTINCT 'functions', d.action, clock_timestamp() FROM specql.due_functions() AS d WHERE functions) AS w
    WHERE w.action IS NOT NULL AND w.due_at IS NOT NULL
    UNION ALL
    SELECT t.owner, t.kind, t.name, t.due_at - moved FROM specql.due_time AS t
    UNION ALL
    SELECT u.owner, 'upkeep', u.name, u.due_at - moved FROM specql.due_upkeep() AS u;
END $$;
COMMENT ON FUNCTION specql.owner_work(boolean) IS
'Code of roles that waits to be run, action by action: failures, released (events of actions that are not paused any more, and matches), window (events to be counted), schedule (times that come), due (times of rows that come), process (processes that can go on), functions, finished; later (events that a role has raised for later, by its oid), upkeep (of tables and views, by its name); and when it is due';

CREATE FUNCTION specql.waiting_owners(functions boolean) RETURNS TABLE (owner oid, due_ms bigint, connects boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT w.owner, greatest(0, ceil(extract(epoch FROM min(w.due_at) - clock_timestamp()) * 1000))::bigint,
           specql.no_session(w.owner) IS NULL
    FROM specql.owner_work($1) AS w
    WHERE w.owner NOT IN (SELECT r.owner FROM specql.owner_workers() AS r)
    GROUP BY w.owner
$$;
COMMENT ON FUNCTION specql.waiting_owners(boolean) IS
'Roles with work for which no background worker runs, in how many milliseconds it is due, and whether one can be connected as the role';

-- What the worker waits for: milliseconds until something is due, at most `limit_ms`; NULL if nothing ever will be.
CREATE FUNCTION specql.next_work(limit_ms bigint) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    -- What could be done by now waits for something else, and does not keep the worker from what is due later.
    SELECT least($1, greatest(0, ceil(extract(epoch FROM coalesce(min(w.due) FILTER (WHERE w.due > clock_timestamp()), min(w.due))
                                                         - clock_timestamp()) * 1000))::bigint)
    FROM (
        SELECT w.due_at AS due FROM specql.owner_work(false) AS w
        UNION ALL
        (SELECT o.available_at FROM specql.outbox AS o WHERE o.service IS NULL AND NOT specql.is_copy()
         ORDER BY o.available_at LIMIT 1)
        UNION ALL
        SELECT greatest(q.due_at, s.paused_until,
                        CASE WHEN s.options ?| '{rate,concurrency}'
                             THEN clock_timestamp() + interval '1 ms' * specql.next_place(s.name, s.options ->> 'rate',
                                 (s.options ->> 'burst')::bigint, (s.options ->> 'concurrency')::integer) END)
        FROM specql.service AS s,
             LATERAL (SELECT CASE WHEN s.options ?| '{batch,coalesce}' OR s.operations @? '$.*.batch' OR s.operations @? '$.*.coalesce'
                                  THEN specql.next_gathered(s)
                                  ELSE (SELECT o.available_at FROM specql.outbox AS o WHERE o.service = s.name
                                        ORDER BY o.available_at LIMIT 1) END AS due_at OFFSET 0) AS q
        WHERE q.due_at IS NOT NULL AND s.url IS NOT NULL AND s.disabled IS NULL AND NOT specql.is_copy()
        UNION ALL
        -- Calls that wait for something else expire meanwhile.
        SELECT q.available_at + s.expiry
        FROM (SELECT v.name, specql.shortest_expiry(v.options, v.operations) AS expiry FROM specql.service AS v) AS s,
             LATERAL (SELECT o.available_at FROM specql.outbox AS o
                      WHERE o.service = s.name AND o.available_at > clock_timestamp() - s.expiry ORDER BY o.available_at LIMIT 1) AS q
        WHERE s.expiry IS NOT NULL AND NOT specql.is_copy()
        UNION ALL
        SELECT greatest(l.leased_until, s.paused_until)
        FROM specql.lease AS l JOIN specql.service AS s ON s.name = l.service
        WHERE s.url IS NOT NULL AND s.disabled IS NULL AND NOT specql.is_copy()
        UNION ALL
        -- COMMIT PREPARED wakes nobody.
        SELECT clock_timestamp() + interval '500 ms' FROM pg_prepared_xacts AS p WHERE p.database = current_database()) AS w
    HAVING min(w.due) IS NOT NULL
$$;
COMMENT ON FUNCTION specql.next_work(bigint) IS 'Milliseconds until something is due for a worker; NULL if nothing waits. For the worker';

CREATE FUNCTION specql.deliver(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_deliver';
COMMENT ON FUNCTION specql.deliver(integer) IS 'Sends deliveries that are due, in this transaction; how many. For specql.drain';

CREATE FUNCTION specql.drain(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    handled integer;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The primary does this work; this server will after a promotion.';
    END IF;
    PERFORM specql.raise_times();
    handled := specql.evaluate_windows(max_items);
    handled := handled + specql.retry_due(max_items - handled);
    handled := handled + specql.call_functions(max_items - handled);
    handled := handled + specql.run_processes(max_items - handled);
    handled := handled + specql.deliver(max_items - handled);
    -- Those whose calls were answered.
    handled := handled + specql.run_processes(max_items - handled);
    handled := handled + specql.do_upkeep();
    -- What came back.
    handled := handled + specql.retry_due(max_items - handled);
    -- Not counted: it belongs to what was.
    PERFORM specql.tell_finished();
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.drain(integer) IS
'Does the workers'' due work in this session, as far as it is the caller''s: schedules, due times of rows, events that were raised for later, windows, retries of failed events, calls of functions, processes, deliveries, partitions and views; how many items. Of whoever owns the extension it is everybody''s. Its transaction stays open while it sends';

REVOKE ALL ON FUNCTION specql.deliver(integer), specql.drain(integer), specql.next_work(bigint),
    specql.owner_work(boolean), specql.waiting_owners(boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.drain(integer) TO specql_admin;
