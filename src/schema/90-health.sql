-- Is everything moving?

CREATE FUNCTION specql.health() RETURNS TABLE ("check" text, status text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_column
DECLARE
    pids integer[] := specql.worker_pids();
    due bigint := specql.next_work(86400000);
    slots integer := current_setting('max_worker_processes')::integer;
    used bigint;
    held_up boolean;
    problem text;
    r record;
BEGIN
    SELECT count(*) INTO used FROM pg_stat_get_activity(NULL) AS a
    WHERE a.backend_type NOT IN ('client backend', 'autovacuum launcher', 'autovacuum worker', 'walsender', 'checkpointer',
        'background writer', 'walwriter', 'archiver', 'startup', 'logger', 'walreceiver', 'standalone backend', 'walsummarizer',
        'slotsync worker', 'io worker');
    SELECT bool_or(a.query = 'specql waits for a standby'), min(substring(a.query FROM '^specql cannot work: (.*)')) INTO held_up, problem
    FROM unnest(pids) AS p, pg_stat_get_activity(p) AS a;
    "check" := 'worker';
    status := CASE WHEN pg_is_in_recovery() THEN 'standby'
                   WHEN held_up THEN 'waiting'
                   WHEN problem IS NOT NULL THEN 'failing'
                   WHEN pids <> '{}' OR due IS NULL AND specql.setting('worker') <> 'on' THEN 'ok'
                   WHEN specql.setting('worker') = 'off' THEN 'off' ELSE 'missing' END;
    detail := CASE WHEN pg_is_in_recovery() THEN 'the primary delivers; this server will after a promotion'
                   WHEN held_up THEN 'no synchronous standby has confirmed what is due; specql.deliver_after = local lets it leave all the same'
                   WHEN problem IS NOT NULL THEN 'it tries again and again: ' || problem
                   WHEN pids <> '{}' THEN format('process %s', array_to_string(pids, ', '))
                   WHEN specql.setting('worker') = 'off' THEN 'specql.worker is off; specql.drain() does its work'
                   WHEN due IS NULL THEN 'none, and nothing to do; it starts by itself'
                   ELSE 'there is work but no worker: SELECT specql.start_worker()' END;
    RETURN NEXT;
    SELECT x.extversion INTO r FROM pg_extension AS x WHERE x.extname = 'specql';
    IF r.extversion <> specql.library_version() THEN
        "check" := 'version';
        status := 'outdated';
        detail := format('the library is of version %s, the extension in this database of %s, and changes of tables with rules wait: ALTER EXTENSION specql UPDATE',
                         specql.library_version(), r.extversion);
        RETURN NEXT;
    END IF;
    "check" := 'worker slots';
    status := CASE WHEN pids <> '{}' OR used < slots THEN 'ok' ELSE 'full' END;
    detail := format('%s of %s of max_worker_processes in use', used, slots);
    RETURN NEXT;
    SELECT count(*) AS n INTO r FROM specql.waiting_owners(false) AS w WHERE w.due_ms = 0;
    "check" := 'owners';
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'waiting' END;
    detail := format('%s of specql.owner_workers = %s run; roles that wait for their turn: %s', (SELECT count(*) FROM specql.owner_workers()),
                     specql.setting('owner_workers'), r.n);
    RETURN NEXT;
    FOR r IN SELECT o.oid, pg_get_userbyid(o.oid) AS name, specql.no_session(o.oid) AS problem, w.xact_start
             FROM (SELECT DISTINCT specql.owner_of(a.action) AS oid FROM specql.action AS a) AS o
             LEFT JOIN (SELECT v.owner, a.xact_start FROM specql.owner_workers() AS v, pg_stat_get_activity(v.pid) AS a) AS w ON w.owner = o.oid
             WHERE specql.no_session(o.oid) IS NOT NULL OR w.xact_start < clock_timestamp() - interval '1 min' ORDER BY 2 LOOP
        "check" := 'owner ' || r.name;
        status := CASE WHEN r.xact_start < clock_timestamp() - interval '1 min' THEN 'held up' ELSE 'restricted' END;
        detail := concat_ws('; ', CASE WHEN status = 'held up' THEN format('code of it runs since %s', r.xact_start) END,
                            'no worker can be connected as it, ' || r.problem || ': its code runs in a session of another role, under restrictions');
        RETURN NEXT;
    END LOOP;
    "check" := 'copy';
    status := CASE WHEN specql.is_copy() THEN 'paused' ELSE 'ok' END;
    detail := CASE status WHEN 'ok' THEN 'deliveries leave from here'
              ELSE 'a restored or cloned database delivers nothing; SELECT specql.resume_deliveries() if it shall' END;
    RETURN NEXT;
    SELECT (SELECT count(*) FROM (SELECT FROM specql.outbox AS o UNION ALL SELECT FROM specql.leased_call AS c LIMIT 10001) AS o) AS n,
           least((SELECT o.created_at FROM specql.outbox AS o ORDER BY o.id LIMIT 1),
                 (SELECT min(c.created_at) FROM specql.leased_call AS c)) AS oldest INTO r;
    "check" := 'waiting deliveries';
    status := CASE WHEN r.oldest < clock_timestamp() - interval '5 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, the oldest since %s', specql.counted(r.n), r.oldest) END;
    RETURN NEXT;
    "check" := 'dead letters';
    SELECT count(*) AS n INTO r FROM (SELECT FROM specql.dead_letter AS d LIMIT 10001) AS d;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s; see specql.dead_letters', specql.counted(r.n)) END;
    RETURN NEXT;
    "check" := 'failures';
    SELECT count(*) AS n, count(*) FILTER (WHERE f.status = 'parked') AS parked INTO r
    FROM (SELECT f.status FROM specql.failure AS f LIMIT 10001) AS f;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, of which %s parked; see specql.failures', specql.counted(r.n), r.parked) END;
    RETURN NEXT;
    -- Events of windows wait for older transactions no longer than this setting says.
    SELECT count(*) AS n, (
        SELECT f.id FROM specql.window_rule AS w,
             LATERAL (SELECT e.id FROM specql.window_event AS e WHERE e.action = w.action AND e.at <= specql.clock()
                      ORDER BY e.at, e.id LIMIT 1) AS f
        ORDER BY f.id LIMIT 1) AS oldest INTO r
    FROM (SELECT FROM specql.window_event AS e WHERE e.at <= specql.clock() LIMIT 10001) AS e;
    "check" := 'windows';
    status := CASE WHEN specql.uuid_time(r.oldest) < clock_timestamp() - specql.setting('window_patience')::interval
                        - interval '1 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'nothing waits to be counted' ELSE format('%s events wait to be counted', specql.counted(r.n)) END;
    RETURN NEXT;
    IF EXISTS (SELECT FROM specql.process_plan) THEN
        SELECT (SELECT count(*) FROM (SELECT FROM specql.process AS p WHERE p.status = 'stuck' LIMIT 10001) AS p) AS stuck, min(d.due_at) AS oldest
        INTO r FROM specql.due_process AS d;
        "check" := 'processes';
        status := CASE WHEN r.stuck > 0 THEN 'look' WHEN r.oldest < specql.clock() - interval '5 min' THEN 'late' ELSE 'ok' END;
        detail := CASE WHEN r.stuck > 0 THEN format('%s are stuck; see last_error in specql.processes', specql.counted(r.stuck))
                       WHEN status = 'late' THEN format('one waits to go on since %s', r.oldest) ELSE 'none is stuck' END;
        RETURN NEXT;
    END IF;
    FOR r IN SELECT p.* FROM specql.upkeep_problems() AS p LOOP
        "check" := r.name;
        status := r.status;
        detail := r.detail;
        RETURN NEXT;
    END LOOP;
    "check" := 'drift';
    SELECT count(*) AS n INTO r FROM specql.drift();
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'all objects are as they were applied' ELSE format('%s; see specql.drift()', r.n) END;
    RETURN NEXT;
    FOR r IN SELECT h.* FROM specql.half_enabled() AS h LOOP
        "check" := r.object;
        status := 'half';
        detail := format('%s: %s', r.problem, r.fix);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT i.inhparent::regclass AS relation, string_agg(i.inhrelid::regclass::text, ', ' ORDER BY i.inhrelid::regclass::text) AS heirs
             FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid AND NOT c.relispartition
             WHERE EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = i.inhparent AND t.tgfoid = 'specql.capture()'::regprocedure)
             GROUP BY i.inhparent ORDER BY 1 LOOP
        "check" := format('table %s', r.relation);
        status := 'half';
        detail := format('no rule sees the rows of what inherits it: %s; ALTER TABLE ... NO INHERIT %s, or make them partitions', r.heirs, r.relation);
        RETURN NEXT;
    END LOOP;
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        FOR r IN EXECUTE $citus$
            SELECT d.logicalrelid::regclass AS relation FROM pg_catalog.pg_dist_partition AS d
            WHERE EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = d.logicalrelid AND t.tgfoid = 'specql.capture()'::regprocedure)
            ORDER BY 1 $citus$ LOOP
            "check" := format('table %s', r.relation);
            status := 'distributed';
            detail := format('Citus writes its rows on other servers, where no rule sees them; SELECT undistribute_table(%L)', r.relation);
            RETURN NEXT;
        END LOOP;
    END IF;
    "check" := 'escalations';
    SELECT count(*) AS n INTO r FROM (SELECT FROM specql.every_escalation AS e LIMIT 10001) AS e;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'open' END;
    detail := CASE WHEN r.n = 0 THEN 'none open' ELSE format('%s open; see specql.escalations', specql.counted(r.n)) END;
    RETURN NEXT;
    FOR r IN SELECT a.action, a.paused_at, (SELECT count(*) FROM (SELECT FROM specql.waiting_event AS w WHERE w.action = a.action LIMIT 10001) AS w) AS n
             FROM (SELECT s.action, min(s.paused_at) AS paused_at FROM specql.action AS s
                   WHERE s.paused_at IS NOT NULL GROUP BY s.action) AS a ORDER BY a.action LOOP
        "check" := 'action ' || r.action;
        status := 'paused';
        detail := format('since %s, %s events wait; SELECT specql.resume(%L)', r.paused_at, specql.counted(r.n), r.action);
        RETURN NEXT;
    END LOOP;
    -- Left by statements in which too many events failed, by transactions that were open at a resume, or matches.
    FOR r IN SELECT w.action, count(*) AS n, min(w.occurred_at) AS oldest
             FROM (SELECT DISTINCT a.action FROM specql.released_actions AS a) AS a,
                  LATERAL (SELECT w.action, w.occurred_at FROM specql.waiting_event AS w WHERE w.action = a.action
                           ORDER BY w.action, w.id LIMIT 10001) AS w
             GROUP BY w.action ORDER BY w.action LOOP
        "check" := 'action ' || r.action;
        status := CASE WHEN r.oldest < specql.clock() - interval '5 min' THEN 'late' ELSE 'ok' END;
        detail := format('%s events wait for a worker or specql.drain(), the oldest since %s', specql.counted(r.n), r.oldest);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT d.action, d.due_at FROM specql.due_action AS d WHERE d.due_at < specql.clock() - interval '5 min' ORDER BY d.action LOOP
        "check" := 'action ' || r.action;
        status := 'late';
        detail := format('rows are due that no worker or specql.drain() has seen to, the first since %s', r.due_at);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT p.action, p.put_at, p.problem, coalesce(p.detached, p.relation)::regclass AS attached_to, (SELECT count(*) FROM (SELECT FROM specql.failure AS f WHERE f.action = p.action LIMIT 10001) AS f) AS n,
                    EXISTS (SELECT FROM specql.action AS a WHERE a.capture = p.capture AND a.on_error = 'abort') AS aborts
             FROM specql.put_aside AS p WHERE to_regprocedure(p.capture || '()') IS NULL
               AND EXISTS (SELECT FROM specql.action AS a WHERE a.capture = p.capture) ORDER BY p.action, p.capture LOOP
        "check" := 'action ' || r.action;
        status := CASE WHEN r.problem IS NULL THEN 'detached' ELSE 'broken' END;
        detail := concat_ws('; ', r.problem,
                            CASE WHEN r.aborts THEN format('since %s, statements that it would check fail', r.put_at)
                                 ELSE format('since %s, %s events wait', r.put_at, specql.counted(r.n)) END,
                            CASE WHEN r.problem IS NULL THEN '' ELSE 'apply its spec as it has to be now, or ' END
                            || format('SELECT specql.attach(%L)', r.attached_to)
                            || CASE WHEN r.aborts THEN '' ELSE ', then SELECT specql.drain()' END);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT v.* FROM specql.services AS v WHERE v.status IN ('paused', 'disabled', 'undeclared') ORDER BY v.name LOOP
        "check" := 'service ' || r.name;
        status := r.status;
        detail := concat_ws(', ', r.reason, format('%s calls wait', specql.counted(r.waiting)));
        RETURN NEXT;
    END LOOP;
    -- A snapshot that is held for long keeps rows that have left the queue in its way.
    SELECT a.pid, a.xact_start INTO r FROM pg_stat_get_activity(NULL) AS a
    WHERE a.backend_xmin IS NOT NULL AND a.xact_start < clock_timestamp() - interval '5 min' ORDER BY a.xact_start LIMIT 1;
    IF FOUND THEN
        "check" := 'old snapshot';
        status := 'look';
        detail := format('process %s holds one since %s: vacuum cannot clean the queue', r.pid, r.xact_start);
        RETURN NEXT;
    END IF;
END $$;
COMMENT ON FUNCTION specql.health() IS 'Is everything moving? A row per check; status ok where nothing is to do';

REVOKE ALL ON FUNCTION specql.health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.health() TO specql_admin;
