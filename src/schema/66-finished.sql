-- Events whose deliveries are done are told to the function that their action names as processed.

CREATE FUNCTION specql.call_processed(action text, function text, event_ids uuid[], settings jsonb) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_processed';
COMMENT ON FUNCTION specql.call_processed(text, text, uuid[], jsonb) IS
'Calls a function that an action names as `processed`, with its owner''s rights and the settings of the events; its error, as far as it may be told, or NULL';

-- An event is done when nothing of what its handler queued waits or is dead. Nothing is written for most: specql.when_processed
-- finds it in the history. Of two sessions that finish the last two deliveries of one at once, the lock makes the second see what
-- the first did.
CREATE FUNCTION specql.finish_events(event_ids uuid[], actions text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    told text[];
    ids uuid[];
BEGIN
    told := ARRAY(SELECT DISTINCT c.action FROM specql.action AS c WHERE c.action = ANY (actions) AND c.processed IS NOT NULL);
    IF told = '{}' THEN
        RETURN;
    END IF;
    ids := ARRAY(SELECT DISTINCT u.id FROM unnest(event_ids, actions) AS u(id, action) WHERE u.action = ANY (told));
    PERFORM FROM specql.event_log AS l WHERE l.id = ANY (ids) AND l.deliveries > 1 ORDER BY l.id FOR UPDATE;
    -- The function runs with its owner's rights, in a session of that role.
    INSERT INTO specql.finished_event AS f (action, event_id, due_at)
    SELECT e.action, e.id, specql.clock()
    FROM (SELECT DISTINCT u.id, u.action FROM unnest(event_ids, actions) AS u(id, action) WHERE u.action = ANY (told)) AS e
    WHERE NOT specql.delivery_waits(e.id, e.action)
    ORDER BY e.id
    ON CONFLICT ON CONSTRAINT finished_event_pkey DO UPDATE SET attempts = 0, due_at = excluded.due_at;
    IF FOUND THEN
        PERFORM specql.wake_worker();
    END IF;
END $$;
COMMENT ON FUNCTION specql.finish_events(uuid[], text[]) IS
'Queues events whose last delivery has succeeded for the function that their action names as processed';

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
CREATE FUNCTION specql.claim_finished(action text, OUT ids uuid[], OUT processed text, OUT settings jsonb)
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
    -- The function sees the settings of its events: one call is told only of those that have the same.
    SELECT s.ids, s.settings INTO ids, settings
    FROM (SELECT l.settings, array_agg(u.id ORDER BY u.id) AS ids, min(u.place) AS place
          FROM unnest(ids) WITH ORDINALITY AS u(id, place)
          LEFT JOIN specql.event_log AS l ON l.id = u.id AND l.action = claim_finished.action
          GROUP BY l.settings) AS s
    ORDER BY s.place LIMIT 1;
    ids := coalesce(ids, '{}');
    UPDATE specql.finished_event AS e SET attempts = n.attempts, due_at = n.next_attempt_at
    FROM specql.finished_event AS f, specql.next_attempt(claim_finished.action, f.attempts, NULL, NULL, false) AS n
    WHERE f.action = claim_finished.action AND f.event_id = ANY (ids) AND e.action = f.action AND e.event_id = f.event_id;
    SELECT max(a.processed) INTO processed FROM specql.action AS a WHERE a.action = claim_finished.action;
END $$;
COMMENT ON FUNCTION specql.claim_finished(text) IS 'Events that an action''s function is to be told of now, the attempt counted, that function, and the settings that are kept with all of them';

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
            PERFORM specql.end_finished(a.action, c.ids, specql.call_processed(a.action, c.processed, c.ids, c.settings));
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.tell_finished(text[]) IS
'Tells the functions of the caller''s actions, or of some of them, which of their events are done';

REVOKE ALL ON FUNCTION specql.call_processed(text, text, uuid[], jsonb), specql.finish_events(uuid[], text[]),
    specql.claim_finished(text), specql.end_finished(text, uuid[], text), specql.tell_finished(text[])
FROM PUBLIC;
