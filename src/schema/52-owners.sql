-- Whose work is due: code of a role runs in sessions of that role, which the first worker starts (src/pg/worker/owners.cpp).

CREATE FUNCTION specql.owner_of(action text) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT r.oid FROM specql.owned_action AS o JOIN pg_roles AS r ON r.oid = o.owner::oid WHERE o.action = $1),
                    (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()))
$$;
COMMENT ON FUNCTION specql.owner_of(text) IS 'The role that an action is of; of one whose role is gone, the owner of the database';

CREATE FUNCTION specql.no_session(role oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT r.rolcanlogin AND current_setting('server_version_num')::integer < 170000 THEN 'it has no LOGIN'
                WHEN NOT r.rolsuper AND NOT has_database_privilege(r.oid, d.oid, 'CONNECT') THEN 'it may not CONNECT' END
    FROM pg_roles AS r, pg_database AS d WHERE r.oid = $1 AND d.datname = current_database()
$$;
COMMENT ON FUNCTION specql.no_session(oid) IS 'Why a background worker cannot be connected as a role; NULL if it can';

-- The locks that owner workers hold as long as they live; locks.hpp knows the same number.
CREATE FUNCTION specql.owner_workers() RETURNS TABLE (owner oid, pid integer)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.objid, l.pid FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.classid = 1936749413 AND l.objsubid = 3 AND l.mode = 'ExclusiveLock' AND l.granted
$$;
COMMENT ON FUNCTION specql.owner_workers() IS 'The background workers that run code of roles, and for which role each does';

-- ---- work that was begun ---------------------------------------------------------------------------------------------

CREATE TABLE specql.begun_work (
    action text NOT NULL,
    kind text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (action, kind)
);
COMMENT ON TABLE specql.begun_work IS
'Events that an owner worker is handling together. What it finds here when it begins has ended a session: those events are tried one at a time';
COMMENT ON COLUMN specql.begun_work.action IS 'Whose events';
COMMENT ON COLUMN specql.begun_work.kind IS 'failures or released';
COMMENT ON COLUMN specql.begun_work.begun_at IS 'Since when';

-- ---- events whose deliveries are done --------------------------------------------------------------------------------

CREATE TABLE specql.finished_event (
    action text NOT NULL,
    event_id uuid NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    PRIMARY KEY (action, event_id)
);
CREATE INDEX finished_event_due ON specql.finished_event (action, due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE specql.finished_event IS 'Events whose deliveries are done, until the function that their action names as processed has been told';
COMMENT ON COLUMN specql.finished_event.action IS 'The action';
COMMENT ON COLUMN specql.finished_event.event_id IS 'The event';
COMMENT ON COLUMN specql.finished_event.attempts IS 'How often the function was called for it';
COMMENT ON COLUMN specql.finished_event.due_at IS 'When it is called next; NULL: the attempts are used up';
SELECT pg_catalog.pg_extension_config_dump('specql.finished_event', '');

-- The attempt is counted before it is made: it may end the session.
CREATE FUNCTION specql.claim_finished(action text, OUT ids uuid[], OUT processed text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    -- Those that failed, or may have, are told one at a time.
    ids := ARRAY(SELECT e.event_id FROM specql.finished_event AS e
                 WHERE e.action = claim_finished.action AND e.due_at <= specql.clock() AND e.attempts = 0
                 ORDER BY e.event_id LIMIT 1000 FOR UPDATE SKIP LOCKED);
    IF ids = '{}' THEN
        ids := ARRAY(SELECT e.event_id FROM specql.finished_event AS e
                     WHERE e.action = claim_finished.action AND e.due_at <= specql.clock()
                     ORDER BY e.due_at LIMIT 1 FOR UPDATE SKIP LOCKED);
    END IF;
    UPDATE specql.finished_event AS e SET attempts = e.attempts + 1, due_at = n.next_attempt_at
    FROM specql.finished_event AS f, specql.next_attempt(claim_finished.action, f.attempts + 1, false) AS n
    WHERE f.action = claim_finished.action AND f.event_id = ANY (ids) AND e.action = f.action AND e.event_id = f.event_id;
    SELECT max(a.processed) INTO processed FROM specql.action AS a WHERE a.action = claim_finished.action;
END $$;
COMMENT ON FUNCTION specql.claim_finished(text) IS 'Events that an action''s function is to be told of now, the attempt counted, and that function';

CREATE FUNCTION specql.end_finished(action text, ids uuid[], problem text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
BEGIN
    UPDATE specql.event_log AS l
    SET processed_at = CASE WHEN problem IS NULL THEN clock_timestamp() END, last_error = coalesce(problem, l.last_error)
    WHERE l.id = ANY (ids) AND l.action = end_finished.action AND l.processed_at IS NULL;
    IF problem IS NULL THEN
        DELETE FROM specql.finished_event AS e WHERE e.action = end_finished.action AND e.event_id = ANY (ids);
    END IF;
END $$;
COMMENT ON FUNCTION specql.end_finished(text, uuid[], text) IS 'What became of events of specql.claim_finished: processed, or why not';

CREATE FUNCTION specql.tell_finished(actions text[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
    c record;
BEGIN
    FOR a IN SELECT DISTINCT e.action FROM specql.finished_event AS e
             WHERE e.due_at <= specql.clock() AND (actions IS NULL OR e.action = ANY (actions)) AND specql.sees(e.action)
             ORDER BY e.action LOOP
        LOOP
            SELECT * INTO c FROM specql.claim_finished(a.action);
            EXIT WHEN c.ids = '{}';
            PERFORM specql.end_finished(a.action, c.ids, specql.call_processed(c.processed, c.ids));
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.tell_finished(text[]) IS
'Tells the functions of the caller''s actions, or of some of them, which of their events are done';

-- ---- what is due -----------------------------------------------------------------------------------------------------

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
          SELECT DISTINCT 'functions', d.action, clock_timestamp() FROM specql.due_functions() AS d WHERE functions) AS w
    WHERE w.action IS NOT NULL AND w.due_at IS NOT NULL;
END $$;
COMMENT ON FUNCTION specql.owner_work(boolean) IS
'Code of roles that waits to be run, action by action: failures, released (events of actions that are not paused any more, and matches), window (events to be counted), functions, finished; and when it is due';

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
    SELECT least($1, greatest(0, ceil(extract(epoch FROM min(w.due) - clock_timestamp()) * 1000))::bigint)
    FROM (
        SELECT w.due_at AS due FROM specql.owner_work(false) AS w
        UNION ALL
        (SELECT o.available_at FROM specql.outbox AS o WHERE o.service IS NULL AND NOT specql.is_copy()
         ORDER BY o.available_at LIMIT 1)
        UNION ALL
        SELECT greatest(q.available_at, s.paused_until)
        FROM specql.service AS s,
             LATERAL (SELECT o.available_at FROM specql.outbox AS o WHERE o.service = s.name
                      ORDER BY o.available_at LIMIT 1) AS q
        WHERE s.url IS NOT NULL AND s.disabled IS NULL AND NOT specql.is_copy()) AS w
    HAVING min(w.due) IS NOT NULL
$$;
COMMENT ON FUNCTION specql.next_work(bigint) IS 'Milliseconds until something is due for a worker; NULL if nothing waits. For the worker';

REVOKE ALL ON FUNCTION specql.next_work(bigint), specql.owner_of(text), specql.no_session(oid), specql.owner_workers(), specql.claim_finished(text),
    specql.end_finished(text, uuid[], text), specql.tell_finished(text[]), specql.owner_work(boolean), specql.waiting_owners(boolean)
FROM PUBLIC;
