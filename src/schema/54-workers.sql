-- The background workers of this database: waking, starting and ending them, and who they are.

CREATE FUNCTION specql.wake_worker() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_wake_worker';
COMMENT ON FUNCTION specql.wake_worker() IS 'Wakes this database''s worker when the transaction commits, or starts it';

CREATE FUNCTION specql.start_workers() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_start_workers';
COMMENT ON FUNCTION specql.start_workers() IS
'Starts those of this database''s specql.workers background workers that do not run, and waits for them. For specql.start_worker()';

-- A worker holds the lock of its place as long as it lives.
CREATE FUNCTION specql.worker_pids() RETURNS integer[]
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(l.pid ORDER BY l.number), '{}') FROM specql.held_locks('worker') AS l
$$;
COMMENT ON FUNCTION specql.worker_pids() IS 'The process ids of this database''s background workers';

CREATE FUNCTION specql.worker_pid() RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$ SELECT (specql.worker_pids())[1] $$;
COMMENT ON FUNCTION specql.worker_pid() IS 'The process id of this database''s background worker, the first if there are several; NULL if none runs';

CREATE FUNCTION specql.start_worker() RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.start_workers();
    SELECT specql.worker_pid();
$$;
COMMENT ON FUNCTION specql.start_worker() IS
'Starts this database''s background worker, or all specql.workers of them, if they do not run, and waits for it; its process id. Fails if there is no slot for it';

-- Of one that has ended by itself meanwhile nobody needs to be told.
CREATE FUNCTION specql.stop_worker() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
DECLARE
    signalled integer[] := '{}';
    pids integer[] := specql.worker_pids();
BEGIN
    PERFORM specql.require_database_owner('the worker');
    FOR i IN 1..1000 LOOP
        -- Those that start others have not started their last ones before they end.
        pids := pids || ARRAY(SELECT w.pid FROM specql.owner_workers() AS w);
        -- Once each: a second signal does not let them put back what they were sending.
        PERFORM pg_terminate_backend(p) FROM unnest(pids) AS p WHERE p <> ALL (signalled);
        signalled := signalled || pids;
        PERFORM pg_stat_clear_snapshot();
        pids := ARRAY(SELECT DISTINCT p FROM unnest(pids) AS p WHERE EXISTS (SELECT FROM pg_stat_get_activity(p)));
        EXIT WHEN pids = '{}';
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN signalled <> '{}' AND pids = '{}';
END $$;
COMMENT ON FUNCTION specql.stop_worker() IS
'Ends this database''s background workers after what they are sending; they come back with the next work unless specql.worker is off';

CREATE FUNCTION specql.waits_for_standby() RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_waits_for_standby';
COMMENT ON FUNCTION specql.waits_for_standby() IS 'Do deliveries wait until synchronous standbys have what they are of? By specql.deliver_after';

CREATE FUNCTION specql.no_session(role oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT r.rolcanlogin AND current_setting('server_version_num')::integer < 170000 THEN 'it has no LOGIN'
                WHEN NOT r.rolsuper AND NOT has_database_privilege(r.oid, d.oid, 'CONNECT') THEN 'it may not CONNECT' END
    FROM pg_roles AS r, pg_database AS d WHERE r.oid = $1 AND d.datname = current_database()
$$;
COMMENT ON FUNCTION specql.no_session(oid) IS 'Why a background worker cannot be connected as a role; NULL if it can';

-- And an owner worker that of its role.
CREATE FUNCTION specql.owner_workers() RETURNS TABLE (owner oid, pid integer)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.number, l.pid FROM specql.held_locks('owner') AS l
$$;
COMMENT ON FUNCTION specql.owner_workers() IS 'The background workers that run code of roles, and for which role each does';

REVOKE ALL ON FUNCTION specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(),
    specql.worker_pid(), specql.stop_worker(), specql.waits_for_standby(), specql.no_session(oid), specql.owner_workers()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(),
    specql.worker_pid(), specql.stop_worker()
TO specql_admin;
