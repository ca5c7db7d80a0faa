-- Replays: the handler of an action runs again, by today's rules, over its logged events.

CREATE TABLE specql.replay_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    event text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    deliver boolean NOT NULL,
    snapshot pg_snapshot NOT NULL,
    xid xid8 NOT NULL,
    last_id uuid NOT NULL,
    at_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    total bigint NOT NULL,
    handled bigint NOT NULL DEFAULT 0,
    present bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    moved_at timestamptz NOT NULL,
    finished_at timestamptz
);
COMMENT ON TABLE specql.replay_run IS 'Replays and how far each has come; shown by specql.replays. Snapshots belong to one server: dumps leave it out';

COMMENT ON SEQUENCE specql.replay_run_id_seq IS 'Numbers of replays';

COMMENT ON COLUMN specql.replay_run.id IS 'The replay, for specql.run_replay';
COMMENT ON COLUMN specql.replay_run.action IS 'Whose handler runs';
COMMENT ON COLUMN specql.replay_run.since IS 'Events from then on';
COMMENT ON COLUMN specql.replay_run.until IS 'And before then';
COMMENT ON COLUMN specql.replay_run.deliver IS 'Whether deliveries that handlers queue leave';
COMMENT ON COLUMN specql.replay_run.total IS 'How many events there are to handle';
COMMENT ON COLUMN specql.replay_run.handled IS 'How many were handled';
COMMENT ON COLUMN specql.replay_run.present IS 'How many of them changed nothing, because their effects were there';
COMMENT ON COLUMN specql.replay_run.failed IS 'How many failed';
COMMENT ON COLUMN specql.replay_run.started_by IS 'Who began it';
COMMENT ON COLUMN specql.replay_run.started_at IS 'When';
COMMENT ON COLUMN specql.replay_run.moved_at IS 'When it last came further';
COMMENT ON COLUMN specql.replay_run.finished_at IS 'When it was done; NULL until then';
COMMENT ON COLUMN specql.replay_run.event IS 'The custom event it listens to, or the name of the row event';
COMMENT ON COLUMN specql.replay_run.snapshot IS 'Only events that were committed then are replayed';
COMMENT ON COLUMN specql.replay_run.xid IS 'And those that the transaction which began the replay had raised before';
COMMENT ON COLUMN specql.replay_run.last_id IS 'Later events, such as those that the replay causes, are not replayed';
COMMENT ON COLUMN specql.replay_run.at_id IS 'All events up to this one are done';

CREATE TABLE specql.replay_failure (
    replay bigint NOT NULL REFERENCES specql.replay_run ON DELETE CASCADE,
    event_id uuid NOT NULL,
    sqlstate text NOT NULL,
    message text,
    detail text,
    hint text,
    context text,
    PRIMARY KEY (replay, event_id)
);
COMMENT ON TABLE specql.replay_failure IS 'Events that their action failed for in a replay; they are not tried again by themselves';
COMMENT ON COLUMN specql.replay_failure.replay IS 'The replay; see specql.replays';
COMMENT ON COLUMN specql.replay_failure.event_id IS 'The event; see specql.events';
COMMENT ON COLUMN specql.replay_failure.sqlstate IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.message IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.detail IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.hint IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.context IS 'Of the error: where in the handler';

CREATE VIEW specql.replays AS
    SELECT r.id, r.action, r.since, r.until, r.deliver,
           CASE WHEN r.finished_at IS NOT NULL THEN 'done'
                WHEN EXISTS (SELECT FROM specql.held_locks('replay') AS l WHERE l.number = (r.id % 2147483647)::oid) THEN 'running'
                ELSE 'stopped' END AS status,
           r.total, r.handled, r.present, r.failed, r.started_by, r.started_at, r.moved_at, r.finished_at
    FROM specql.replay_run AS r
    WHERE EXISTS (SELECT FROM specql.owned_action AS o WHERE o.action = r.action AND specql.is_mine(o.owner));
COMMENT ON VIEW specql.replays IS 'Replays and how far each has come. A stopped one goes on with CALL specql.continue_replay(id)';
COMMENT ON COLUMN specql.replays.id IS 'For specql.continue_replay';
COMMENT ON COLUMN specql.replays.action IS 'The action whose events are replayed';
COMMENT ON COLUMN specql.replays.since IS 'From events of this time on';
COMMENT ON COLUMN specql.replays.until IS 'To events before this time';
COMMENT ON COLUMN specql.replays.deliver IS 'Do its deliveries leave the database?';
COMMENT ON COLUMN specql.replays.status IS 'running, done, or stopped: cancelled, or its session is gone';
COMMENT ON COLUMN specql.replays.total IS 'How many events there were when it began';
COMMENT ON COLUMN specql.replays.handled IS 'Handled again';
COMMENT ON COLUMN specql.replays.present IS 'Left as they were, because a row that the handler would insert for the event is there';
COMMENT ON COLUMN specql.replays.failed IS 'Failed; see specql.replay_failure';
COMMENT ON COLUMN specql.replays.started_by IS 'The role that began it';
COMMENT ON COLUMN specql.replays.started_at IS 'When it began';
COMMENT ON COLUMN specql.replays.moved_at IS 'When its last batch ended';
COMMENT ON COLUMN specql.replays.finished_at IS 'When it was done';

CREATE FUNCTION specql.replay_events(action text, event text, after uuid, last_id uuid, since timestamptz, until timestamptz,
    snapshot pg_snapshot, xid xid8, max_items integer, deliver boolean)
RETURNS TABLE (event_id uuid, outcome text, sqlstate text, message text, detail text, hint text, context text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_replay_events';
COMMENT ON FUNCTION specql.replay_events(text, text, uuid, uuid, timestamptz, timestamptz, pg_snapshot, xid8, integer, boolean) IS
'Gives logged events to an action''s handler again; what became of each: handled, present or failed. For specql.replay_batch';

CREATE FUNCTION specql.start_replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(start_replay.action);
    begins timestamptz := coalesce(start_replay.since, '-infinity');
    ends timestamptz := coalesce(start_replay.until, 'infinity');
    listens_to text := (SELECT min(a.event) FROM specql.action AS a WHERE a.action = name AND a.relation IS NULL);
    snapshot pg_snapshot := pg_current_snapshot();
    own xid8 := pg_current_xact_id();
    last_id uuid := specql.uuid_v7();
    total bigint;
    result bigint;
BEGIN
    IF begins >= ends THEN
        RAISE EXCEPTION 'a replay from % until % has no events', begins, ends
            USING ERRCODE = 'invalid_parameter_value', HINT = 'until must be later than since.';
    END IF;
    SELECT count(*) INTO total FROM specql.event_log AS l
    WHERE (l.action = name OR l.action IS NULL AND l.type = listens_to AND l.status <> 'repeated') AND l.id <= last_id
      AND l.occurred_at >= begins AND l.occurred_at < ends
      AND (pg_visible_in_snapshot(l.xid, snapshot) OR l.xid = own);
    INSERT INTO specql.replay_run (action, event, since, until, deliver, snapshot, xid, last_id, total, started_by,
        started_at, moved_at)
    VALUES (name, coalesce(listens_to, ''), begins, ends, coalesce(start_replay.deliver, false), snapshot, own, last_id, total,
        session_user, clock_timestamp(), clock_timestamp())
    RETURNING id INTO result;
    RETURN result;
END $$;
COMMENT ON FUNCTION specql.start_replay(text, timestamptz, timestamptz, boolean) IS
'Notes that logged events of an action shall be replayed; the id for CALL specql.continue_replay. specql.run_replay does both';

CREATE FUNCTION specql.replay_batch(replay bigint, max_items integer DEFAULT 1000) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r specql.replay_run;
    done bigint;
    there bigint;
    wrong bigint;
    newest uuid;
    undelivered uuid[];
    told text;
BEGIN
    SELECT * INTO r FROM specql.replay_run AS p WHERE p.id = replay_batch.replay;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no replay %', replay_batch.replay
            USING ERRCODE = 'undefined_object', HINT = 'SELECT id, action, status FROM specql.replays';
    END IF;
    PERFORM specql.require_action(r.action, specql.viewer());
    -- Held while a batch runs: specql.replays looks at it.
    PERFORM specql.lock_number('replay', replay_batch.replay % 2147483647, true);
    SELECT * INTO r FROM specql.replay_run AS p WHERE p.id = replay_batch.replay FOR UPDATE;
    IF r.finished_at IS NOT NULL THEN
        RETURN false;
    ELSIF coalesce(max_items, 0) < 1 THEN
        RAISE EXCEPTION 'a batch has at least one event, not %', coalesce(max_items::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WITH tried AS MATERIALIZED (
        SELECT e.* FROM specql.replay_events(r.action, r.event, r.at_id, r.last_id, r.since, r.until, r.snapshot, r.xid,
                                             max_items, r.deliver) AS e),
    noted AS (
        INSERT INTO specql.replay_failure
        SELECT r.id, t.event_id, t.sqlstate, t.message, t.detail, t.hint, t.context FROM tried AS t WHERE t.outcome = 'failed')
    SELECT count(*) FILTER (WHERE t.outcome = 'handled'), count(*) FILTER (WHERE t.outcome = 'present'),
           count(*) FILTER (WHERE t.outcome = 'failed'), (array_agg(t.event_id ORDER BY t.event_id DESC))[1],
           array_agg(t.event_id) FILTER (WHERE t.outcome = 'handled')
    INTO done, there, wrong, newest, undelivered FROM tried AS t;
    -- Event rows written anew would wait for deliveries that never leave.
    IF NOT r.deliver AND undelivered IS NOT NULL THEN
        PERFORM specql.call_processed(r.action, p.processed, s.ids, s.settings)
        FROM (SELECT DISTINCT a.processed FROM specql.action AS a WHERE a.action = r.action AND a.processed IS NOT NULL) AS p,
             LATERAL (SELECT l.settings, array_agg(DISTINCT u.id) AS ids
                      FROM unnest(undelivered) AS u(id)
                      LEFT JOIN specql.event_log AS l ON l.id = u.id AND (l.action = r.action OR l.action IS NULL)
                      GROUP BY l.settings) AS s;
    END IF;
    UPDATE specql.replay_run AS p
    SET at_id = coalesce(newest, p.at_id), handled = p.handled + done, present = p.present + there,
        failed = p.failed + wrong, moved_at = clock_timestamp(),
        finished_at = CASE WHEN done + there + wrong < max_items THEN clock_timestamp() END
    WHERE p.id = r.id RETURNING * INTO r;
    told := format('replay %s of %s: %s of %s events%s', r.id, r.action, r.handled + r.present + r.failed, r.total,
                   CASE WHEN r.present + r.failed > 0
                        THEN format(', of which %s were present and %s failed', r.present, r.failed) ELSE '' END);
    IF wrong > 0 THEN
        RAISE NOTICE '%', told USING HINT = format('SELECT * FROM specql.replay_failure WHERE replay = %s says which and why.', r.id);
    ELSIF done + there > 0 THEN
        RAISE NOTICE '%', told;
    END IF;
    RETURN r.finished_at IS NULL;
END $$;
COMMENT ON FUNCTION specql.replay_batch(bigint, integer) IS 'The next events of a replay, in this transaction; false when it is done';

CREATE FUNCTION specql.replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run bigint := specql.start_replay(replay.action, replay.since, replay.until, replay.deliver);
BEGIN
    WHILE specql.replay_batch(run) LOOP
    END LOOP;
    RETURN (SELECT r.handled FROM specql.replay_run AS r WHERE r.id = run);
END $$;
COMMENT ON FUNCTION specql.replay(text, timestamptz, timestamptz, boolean) IS
'Runs an action''s handler again, with today''s rules, on its logged events of that time, all in this transaction; how many were handled. Nothing leaves the database unless deliver';

-- They commit, so they can have neither a search_path nor rights of their own; what they call has both.
CREATE PROCEDURE specql.continue_replay(replay bigint, batch_size integer DEFAULT 1000)
LANGUAGE plpgsql AS $$
BEGIN
    WHILE specql.replay_batch(replay, batch_size) LOOP
        COMMIT;
    END LOOP;
    COMMIT;
END $$;
COMMENT ON PROCEDURE specql.continue_replay(bigint, integer) IS
'Goes on with a replay that was cancelled or whose session was lost, after the last batch that was committed';

CREATE PROCEDURE specql.run_replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false,
    batch_size integer DEFAULT 1000)
LANGUAGE plpgsql AS $$
DECLARE
    run bigint := specql.start_replay(action, since, until, deliver);
BEGIN
    COMMIT;
    CALL specql.continue_replay(run, batch_size);
END $$;
COMMENT ON PROCEDURE specql.run_replay(text, timestamptz, timestamptz, boolean, integer) IS
'The same as specql.replay in many transactions: specql.replays shows how far it is, and what is cancelled goes on with CALL specql.continue_replay(id)';

REVOKE ALL ON FUNCTION
    specql.replay_events(text, text, uuid, uuid, timestamptz, timestamptz, pg_snapshot, xid8, integer, boolean),
    specql.start_replay(text, timestamptz, timestamptz, boolean), specql.replay_batch(bigint, integer),
    specql.replay(text, timestamptz, timestamptz, boolean)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.start_replay(text, timestamptz, timestamptz, boolean),
    specql.replay_batch(bigint, integer), specql.replay(text, timestamptz, timestamptz, boolean)
TO specql_admin;
GRANT EXECUTE ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer)
TO specql_admin;
GRANT SELECT ON specql.replays, specql.replay_failure TO specql_admin;
