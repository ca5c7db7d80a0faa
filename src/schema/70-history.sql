-- History: pausing actions, replaying logged events, reading events in the order of commits, state of the past.

-- ---- which action, which table ---------------------------------------------------------------------------------------

CREATE FUNCTION specql.known_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_names text[] := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a WHERE a.action = $1);
BEGIN
    IF found_names = '{}' THEN
        found_names := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a
                             WHERE right(a.action, length($1) + 1) = '.' || $1 ORDER BY 1);
    END IF;
    IF cardinality(found_names) = 1 THEN
        RETURN found_names[1];
    ELSIF cardinality(found_names) > 1 THEN
        RAISE EXCEPTION 'several actions are named %: %', $1, array_to_string(found_names, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    RAISE EXCEPTION 'there is no action %', coalesce($1, 'NULL')
        USING ERRCODE = 'undefined_object',
              HINT = coalesce('Installed are ' || (SELECT string_agg(n.action, ', ') FROM (
                         SELECT DISTINCT a.action FROM specql.action AS a ORDER BY 1 LIMIT 10) AS n)
                         || '; see specql.actions.', 'No action is installed; see specql.apply.');
END $$;
COMMENT ON FUNCTION specql.known_action(text) IS 'The full name of an action, given with or without its schema; an error if there is none';

CREATE FUNCTION specql.entity_table(entity text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_tables text[] := ARRAY(SELECT e."table" FROM specql.entities AS e
                                 WHERE $1 IN (e.schema || '.' || e.entity, e.entity) AND e."table" IS NOT NULL ORDER BY 1);
    found_table regclass;
BEGIN
    IF cardinality(found_tables) > 1 THEN
        RAISE EXCEPTION 'several entities are named %: %', $1, array_to_string(found_tables, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    BEGIN
        found_table := to_regclass(coalesce(found_tables[1], $1));
    EXCEPTION WHEN invalid_name THEN
        NULL;
    END;
    IF found_table IS NULL THEN
        RAISE EXCEPTION 'there is no entity %', coalesce($1, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = coalesce('Installed are ' || (SELECT string_agg(n.name, ', ') FROM (
                             SELECT e.schema || '.' || e.entity AS name FROM specql.entities AS e ORDER BY 1 LIMIT 10) AS n)
                             || '; a table''s name is understood too.', 'No entity is installed; a table''s name is understood too.');
    END IF;
    RETURN found_table;
END $$;
COMMENT ON FUNCTION specql.entity_table(text) IS
'The table of an entity, given as schema.Entity, as Entity, or as the table''s own name; an error if there is none';

CREATE FUNCTION specql.own_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    full_name constant text := specql.known_action($1);
BEGIN
    PERFORM specql.require_action(full_name, specql.viewer());
    RETURN full_name;
END $$;
COMMENT ON FUNCTION specql.own_action(text) IS 'As specql.known_action; an error too if the action belongs to somebody else';

-- ---- pause and resume ------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.pause(action text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(pause.action);
BEGIN
    IF EXISTS (SELECT FROM specql.action AS a WHERE a.action = name AND a.on_error = 'abort') THEN
        RAISE EXCEPTION 'action % has on_error: abort: a statement that needs it cannot leave it for later', name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'To do without it for a while, disable its trigger: ALTER TABLE ... DISABLE TRIGGER.';
    END IF;
    UPDATE specql.action AS a SET paused_at = clock_timestamp() WHERE a.action = name AND a.paused_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.pause(text) IS
'From the commit on, an action''s events wait until specql.resume(action); false if it was paused already';

CREATE FUNCTION specql.resume(action text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(resume.action);
BEGIN
    UPDATE specql.action AS a SET paused_at = NULL WHERE a.action = name AND a.paused_at IS NOT NULL;
    RETURN specql.handle_released(name);
END $$;
COMMENT ON FUNCTION specql.resume(text) IS 'Handles, in their order, the events that waited for a paused action, and ends the pause; how many there were';

-- ---- replay ----------------------------------------------------------------------------------------------------------

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
                WHEN EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                             WHERE l.locktype = 'advisory' AND l.classid = 1936749412 AND l.objid = (r.id % 2147483647)::oid
                               AND l.objsubid = 3 AND l.granted
                               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                                                 WHERE d.datname = pg_catalog.current_database())) THEN 'running'
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
    WHERE (l.action = name OR l.action IS NULL AND l.type = listens_to) AND l.id <= last_id
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
        PERFORM specql.call_processed(p.processed, undelivered)
        FROM (SELECT DISTINCT a.processed FROM specql.action AS a WHERE a.action = r.action AND a.processed IS NOT NULL) AS p;
    END IF;
    UPDATE specql.replay_run AS p
    SET at_id = coalesce(newest, p.at_id), handled = p.handled + done, present = p.present + there,
        failed = p.failed + wrong, moved_at = clock_timestamp(),
        finished_at = CASE WHEN done + there + wrong < max_items THEN clock_timestamp() END
    WHERE p.id = r.id RETURNING * INTO r;
    IF done + there + wrong > 0 THEN
        RAISE NOTICE 'replay % of %: % of % events%', r.id, r.action, r.handled + r.present + r.failed, r.total,
            CASE WHEN r.present + r.failed > 0
                 THEN format(', of which %s were present and %s failed', r.present, r.failed) ELSE '' END;
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

-- ---- reading events in the order of commits ----------------------------------------------------------------------------

CREATE TABLE specql.reader (
    name text NOT NULL PRIMARY KEY,
    since timestamptz NOT NULL,
    seen pg_snapshot,
    target pg_snapshot,
    at_id uuid,
    at_action text,
    events bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz,
    owner specql.role NOT NULL
);
COMMENT ON TABLE specql.reader IS 'Where each reader of specql.read_events is; shown by specql.readers. Snapshots belong to one server: dumps leave it out';
COMMENT ON COLUMN specql.reader.name IS 'As its caller named it';
COMMENT ON COLUMN specql.reader.owner IS 'Who made it, and reads by it';
COMMENT ON COLUMN specql.reader.created_at IS 'When it first read';
COMMENT ON COLUMN specql.reader.read_at IS 'When it last read';
COMMENT ON COLUMN specql.reader.since IS 'Older events are left out when it begins';
COMMENT ON COLUMN specql.reader.seen IS 'It has read what was committed then; NULL until it has read what there was when it began';
COMMENT ON COLUMN specql.reader.target IS 'It is reading what was committed between seen and then; NULL if it is not';
COMMENT ON COLUMN specql.reader.at_id IS 'And of that it has read up to this event';
COMMENT ON COLUMN specql.reader.at_action IS 'And this action';
COMMENT ON COLUMN specql.reader.events IS 'How many events it has read';

-- The planner cannot know that a reader is hardly ever far behind: it would read the whole log.
CREATE FUNCTION specql.oldest_unread(r specql.reader) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    at_id uuid := coalesce(r.at_id, '00000000-0000-0000-0000-000000000000');
    at_action text := coalesce(r.at_action, '');
BEGIN
    IF r.seen IS NULL THEN
        RETURN (SELECT l.occurred_at FROM specql.event_log AS l
                WHERE l.id >= at_id AND (l.id, coalesce(l.action, '')) > (at_id, at_action) AND l.occurred_at >= r.since
                ORDER BY l.id LIMIT 1);
    END IF;
    RETURN (SELECT min(u.occurred_at) FROM (
                SELECT l.* FROM specql.event_log AS l WHERE l.xid >= pg_snapshot_xmax(r.seen)
                UNION ALL
                SELECT l.* FROM specql.event_log AS l WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))) AS u
            WHERE r.target IS NULL OR NOT pg_visible_in_snapshot(u.xid, r.target)
               OR (u.id, coalesce(u.action, '')) > (at_id, at_action));
END $$;
COMMENT ON FUNCTION specql.oldest_unread(specql.reader) IS 'When the oldest event happened that a reader has not read; NULL if it has read all';

CREATE VIEW specql.readers AS
    SELECT r.name, r.since, r.events, r.created_at, r.read_at, specql.oldest_unread(r) AS oldest_unread
    FROM specql.reader AS r
    WHERE specql.is_mine(r.owner);
COMMENT ON VIEW specql.readers IS 'Readers of specql.read_events, and how far behind each is; the log keeps what they have not read';
COMMENT ON COLUMN specql.readers.name IS 'For specql.read_events and specql.drop_reader';
COMMENT ON COLUMN specql.readers.since IS 'Older events were left out when it began';
COMMENT ON COLUMN specql.readers.events IS 'How many events it has read';
COMMENT ON COLUMN specql.readers.created_at IS 'Since when it exists';
COMMENT ON COLUMN specql.readers.read_at IS 'When it read last';
COMMENT ON COLUMN specql.readers.oldest_unread IS 'When the oldest event happened that it has not read; NULL if it has read all';

CREATE FUNCTION specql.create_reader(name text, since timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO specql.reader (name, owner, since)
    VALUES (create_reader.name, specql.viewer(), coalesce(create_reader.since, '-infinity'));
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'there is a reader % already', create_reader.name
        USING ERRCODE = 'duplicate_object', HINT = 'SELECT * FROM specql.readers';
END $$;
COMMENT ON FUNCTION specql.create_reader(text, timestamptz) IS
'Begins a reader for specql.read_events, at the start of the log or with events since a time. The log keeps what it has not read';

CREATE FUNCTION specql.drop_reader(name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_owner('reader ' || r.name, r.owner, specql.viewer()) FROM specql.reader AS r WHERE r.name = drop_reader.name;
    DELETE FROM specql.reader AS r WHERE r.name = drop_reader.name;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.drop_reader(text) IS 'Ends a reader; false if there is none of this name';

-- pg_current_snapshot() takes the transaction itself for committed, though it may go on to raise events.
CREATE FUNCTION specql.committed_snapshot() RETURNS pg_snapshot
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_seen pg_snapshot := pg_current_snapshot();
    own xid8 := pg_current_xact_id();
BEGIN
    IF own >= pg_snapshot_xmax(now_seen) THEN
        RETURN now_seen;
    END IF;
    RETURN (SELECT format('%s:%s:%s', least(pg_snapshot_xmin(now_seen), own), pg_snapshot_xmax(now_seen),
                          string_agg(x.xid::text, ',' ORDER BY x.xid))::pg_snapshot
            FROM (SELECT pg_snapshot_xip(now_seen) UNION SELECT own) AS x(xid));
END $$;
COMMENT ON FUNCTION specql.committed_snapshot() IS 'What is committed now, without this transaction';

-- Ids are not in the order of commits, and the newest id says nothing of transactions that are still open. So a reader
-- remembers a snapshot, and reads what was committed between that and a later one; within it, in the order of ids.
CREATE FUNCTION specql.read_events(reader text, max_items integer DEFAULT 100) RETURNS SETOF specql.events
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    r specql.reader;
    e specql.events;
    nothing constant uuid := '00000000-0000-0000-0000-000000000000';
    wanted integer := max_items;
    visible constant text[] := specql.visible_actions();
    fresh boolean;
BEGIN
    IF coalesce(max_items, 0) < 1 THEN
        RAISE EXCEPTION 'max_items is at least 1, not %', coalesce(max_items::text, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO r FROM specql.reader AS s WHERE s.name = read_events.reader FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no reader %', coalesce(read_events.reader, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = format('SELECT specql.create_reader(%L) makes one that begins at the start of the log.', read_events.reader);
    END IF;
    PERFORM specql.require_owner('reader ' || r.name, r.owner, specql.viewer());
    LOOP
        fresh := r.target IS NULL;
        r.target := coalesce(r.target, specql.committed_snapshot());
        r.at_id := coalesce(r.at_id, nothing);
        r.at_action := coalesce(r.at_action, '');
        IF r.seen IS NULL THEN
            FOR e IN
                SELECT v.* FROM specql.every_logged_event AS v
                WHERE v.id >= r.at_id AND (v.id, coalesce(v.action, '')) > (r.at_id, r.at_action)
                  AND v.occurred_at >= r.since AND pg_visible_in_snapshot(v.xid, r.target)
                  AND (visible IS NULL OR v.action IS NULL OR v.action = ANY (visible))
                ORDER BY v.id, coalesce(v.action, '') LIMIT wanted LOOP
                RETURN NEXT e;
                wanted := wanted - 1;
                r.at_id := e.id;
                r.at_action := coalesce(e.action, '');
            END LOOP;
        ELSE
            FOR e IN
                SELECT v.* FROM (
                    SELECT n.* FROM specql.every_logged_event AS n
                    WHERE n.xid >= pg_snapshot_xmax(r.seen) AND n.xid < pg_snapshot_xmax(r.target)
                    UNION ALL
                    SELECT n.* FROM specql.every_logged_event AS n
                    WHERE n.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))) AS v
                WHERE pg_visible_in_snapshot(v.xid, r.target) AND (v.id, coalesce(v.action, '')) > (r.at_id, r.at_action)
                  AND (visible IS NULL OR v.action IS NULL OR v.action = ANY (visible))
                ORDER BY v.id, coalesce(v.action, '') LIMIT wanted LOOP
                RETURN NEXT e;
                wanted := wanted - 1;
                r.at_id := e.id;
                r.at_action := coalesce(e.action, '');
            END LOOP;
        END IF;
        EXIT WHEN wanted = 0;
        r.seen := r.target;
        r.target := NULL;
        r.at_id := NULL;
        r.at_action := NULL;
        EXIT WHEN fresh;
    END LOOP;
    UPDATE specql.reader AS s
    SET seen = r.seen, target = r.target, at_id = r.at_id, at_action = r.at_action,
        events = s.events + max_items - wanted, read_at = clock_timestamp()
    WHERE s.name = r.name;
END $$;
COMMENT ON FUNCTION specql.read_events(text, integer) IS
'The next finished events for a reader, each once and in the order of commits: a slow transaction''s event comes late, but comes. Where it is moves on when the caller''s transaction commits';

-- ---- the state of the past ---------------------------------------------------------------------------------------------

-- What the triggers of append-only logs say, as apply made them: others may put such a trigger on a table, or write it anew, who may
-- not be believed. src/core/emit writes their arguments.
CREATE FUNCTION specql.log_readings() RETURNS TABLE (relation text, log regclass, key_column text, state_column text,
    time_column text, type_column text, type_value text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.args[n], t.log, t.args[n + 1], t.args[n + 2], t.args[n + 3], nullif(t.args[n + 4], ''), nullif(t.args[n + 5], '')
    FROM (SELECT g.tgrelid::regclass AS log, g.tgname AS name, g.tgnargs,
                 ARRAY(SELECT convert_from(decode(p.part, 'escape'), getdatabaseencoding())
                       FROM unnest(string_to_array(encode(g.tgargs, 'escape'), '\000')) WITH ORDINALITY AS p(part, n)
                       ORDER BY p.n) AS args
          FROM pg_trigger AS g WHERE g.tgfoid = 'specql.refuse_change()'::regprocedure) AS t,
         generate_series(1, t.tgnargs, 6) AS n
    WHERE EXISTS (
        SELECT FROM specql.object AS o
        WHERE o.kind = 'trigger'
          AND o.identity = quote_ident(t.name) || ' on ' || coalesce((SELECT r.identity FROM specql.object_relation AS r WHERE r.relation = t.log), t.log::text)
          AND strpos(o.sql, format('specql.refuse_change(%s)', (SELECT string_agg(quote_literal(a.value), ', ' ORDER BY a.place)
                                    FROM unnest(t.args[:t.tgnargs]) WITH ORDINALITY AS a(value, place)))) > 0)
$$;
COMMENT ON FUNCTION specql.log_readings() IS
'Which append-only logs every change of a table''s rows is written to as a whole row, and in which columns';

CREATE FUNCTION specql.state_logs(relation regclass) RETURNS TABLE (log regclass, key_column text, state_column text,
    time_column text, order_column text, filter text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- Rows of concurrent transactions have the times of their starts; ids are in the order of the changes of a row.
    SELECT r.log, r.key_column, r.state_column, r.time_column,
           coalesce((SELECT a.attname::text FROM pg_attribute AS a
                     WHERE a.attrelid = r.log AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype), r.time_column),
           CASE WHEN r.type_column IS NULL THEN '' ELSE format(' AND t.%I = %L', r.type_column, r.type_value) END
    FROM specql.log_readings() AS r
    JOIN pg_class AS l ON l.oid = r.log
    JOIN pg_class AS e ON e.oid = $1
    WHERE to_regclass(r.relation) = $1
      -- Of the entity's owner, or of somebody who has that role's rights.
      AND pg_has_role(l.relowner, e.relowner, 'USAGE')
      -- No other type's cast, which would be code of its owner, is run.
      AND EXISTS (SELECT FROM pg_attribute AS s WHERE s.attrelid = r.log AND s.attname = r.state_column AND s.atttypid IN ('json'::regtype, 'jsonb'::regtype))
    ORDER BY r.log::text
$$;
COMMENT ON FUNCTION specql.state_logs(regclass) IS 'The logs from which the state of a table''s rows can be read back';

-- An action is unconditional if its only branch is the constant true, as generated capture functions say it.
CREATE FUNCTION specql.full_capture(relation regclass, OUT action text, OUT type text, OUT since timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.action, n.nspname || '.' || c.relname || '.' || a.event,
           (SELECT greatest(max(s.applied_at), (
                        SELECT min(first.applied_at)
                        FROM specql.object AS o JOIN specql.unit_version AS v ON o.unit = v.key
                        JOIN specql.spec AS first ON first.id = v.spec
                        WHERE o.kind = 'table' AND o.identity = a.relation))
            FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key
            JOIN specql.spec AS s ON s.id = u.spec
            WHERE o.kind = 'trigger' AND o.identity = quote_ident(t.tgname) || ' on ' || a.relation)
    FROM specql.action AS a
    JOIN pg_class AS c ON c.oid = to_regclass(a.relation)
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgfoid = 'specql.dispatch()'::regprocedure
                        AND split_part(encode(t.tgargs, 'escape'), '\000', 1) = a.action
    WHERE c.oid = $1 AND t.tgenabled <> 'D' AND t.tgtype & 28 = 28
      AND pg_get_function_sqlbody(to_regprocedure(a.capture || '()')) ~ '^\s*BEGIN ATOMIC\s+SELECT ARRAY\[true\] '
      AND specql.setting('log_events') <> 'failed'
    ORDER BY 3, 1 LIMIT 1
$$;
COMMENT ON FUNCTION specql.full_capture(regclass) IS
'An action that handles every change of a table''s rows, so that their events are in the log, its type of event, and since when';

CREATE FUNCTION specql.key_columns(relation regclass) RETURNS TABLE (name text, type text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text, format_type(t.id, CASE WHEN t.id = a.atttypid THEN a.atttypmod END)
    FROM pg_index AS i CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    CROSS JOIN LATERAL (
        WITH RECURSIVE base AS (
            SELECT a.atttypid AS id
            UNION ALL SELECT y.typbasetype FROM base AS b JOIN pg_type AS y ON y.oid = b.id WHERE y.typtype = 'd')
        SELECT b.id FROM base AS b JOIN pg_type AS y ON y.oid = b.id WHERE y.typtype <> 'd') AS t
    WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts
    ORDER BY k.place
$$;
COMMENT ON FUNCTION specql.key_columns(regclass) IS
'The columns of a table''s primary key, in its order, and their types; of a domain that below it, so that nobody''s check is run';

-- The same expression that capture functions are generated with.
CREATE FUNCTION specql.subject_sql(relation regclass, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN count(*) = 1 THEN min(CASE WHEN k.type = 'date' OR k.type LIKE 'timestamp%'
                                                THEN format('(to_jsonb(%s) #>> ''{}'')', v.value) ELSE v.value || '::text' END)
                WHEN count(*) > 1 THEN format('jsonb_build_array(%s)::text', string_agg(v.value, ', ' ORDER BY k.place)) END
    FROM specql.key_columns($1) WITH ORDINALITY AS k(name, type, place)
    CROSS JOIN LATERAL (SELECT CASE WHEN k.type LIKE 'timestamp%with time zone' THEN format('(%s.%I AT TIME ZONE ''UTC'')', $2, k.name)
                                           ELSE format('%s.%I', $2, k.name) END) AS c(expression)
    -- A type that does not come with the server may have a cast, which would be code of its owner.
    CROSS JOIN LATERAL (SELECT CASE WHEN k.type::regtype::oid < 16384 THEN c.expression ELSE format('format(''%%s'', %s)', c.expression) END) AS v(value)
$$;
COMMENT ON FUNCTION specql.subject_sql(regclass, text) IS
'The expression that gives the subject of a row''s events: its key as text, of several columns a JSON array; NULL if it has no primary key';

-- In the formats of captured rows, whatever the session's are.
CREATE FUNCTION specql.subject_of(relation regclass, id text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    expression constant text := specql.subject_sql(relation, 'k');
    columns constant integer := (SELECT count(*) FROM specql.key_columns(relation));
    listed constant text := (SELECT string_agg(k.name || ' ' || k.type, ', ') FROM specql.key_columns(relation) AS k);
    key_values text[];
    result text;
    stored text;
BEGIN
    IF expression IS NULL THEN
        RAISE EXCEPTION '% has no primary key that tells its rows apart', relation USING ERRCODE = 'no_data_found';
    END IF;
    IF columns > 1 AND (CASE WHEN jsonb_typeof(id::jsonb) = 'array' THEN jsonb_array_length(id::jsonb) END) IS DISTINCT FROM columns THEN
        RAISE EXCEPTION 'the key of % is a JSON array of %', relation, listed USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF columns = 1 THEN
        key_values := ARRAY[id];
    ELSE
        key_values := ARRAY(SELECT jsonb_array_elements_text(id::jsonb));
    END IF;
    EXECUTE format('SELECT %s FROM (SELECT %s) AS k', expression,
        (SELECT string_agg(format('%L::%s AS %I', key_values[k.place], k.type, k.name), ', ')
         FROM specql.key_columns(relation) WITH ORDINALITY AS k(name, type, place)))
    INTO result;
    IF NOT has_table_privilege(relation, 'SELECT') THEN
        RETURN result;
    END IF;
    -- Equal keys may be written differently, as 1.5 and 1.50; events have the row's own.
    EXECUTE format('SELECT %s FROM %s AS k WHERE %s', expression, relation,
        (SELECT string_agg(format('k.%I = %L::%s', k.name, key_values[k.place], k.type), ' AND ')
         FROM specql.key_columns(relation) WITH ORDINALITY AS k(name, type, place)))
    INTO stored;
    RETURN coalesce(stored, result);
EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION '% is no key of %', id, relation
        USING ERRCODE = 'invalid_parameter_value', DETAIL = SQLERRM || '.',
              HINT = format('It is %s.', CASE WHEN columns > 1 THEN 'a JSON array of ' ELSE '' END || listed);
END $$;
COMMENT ON FUNCTION specql.subject_of(regclass, text) IS 'The subject of a row''s events, from its key as somebody wrote it; an error if it is none';

-- Types of columns bring code along: checks of domains, casts. It is that of the table's owner, whoever looks at history.
CREATE FUNCTION specql.row_as_owner(relation regclass, "row" text) RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_row_as_owner';
COMMENT ON FUNCTION specql.row_as_owner(regclass, text) IS 'A row of a table, given as format(''%s'', row), as JSON; types'' code runs as the table''s owner. For specql.state_at';

CREATE FUNCTION specql.row_of_state(relation regclass, state jsonb) RETURNS SETOF record
LANGUAGE c STABLE STRICT ROWS 1 AS 'MODULE_PATHNAME', 'specql_row_of_state';
COMMENT ON FUNCTION specql.row_of_state(regclass, jsonb) IS 'A row of a table from its JSON; types'' code runs as the table''s owner. For specql.rebuild';

CREATE FUNCTION specql.state_at(entity text, id text, at timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass := specql.entity_table(state_at.entity);
    row_subject text;
    logged_key text;
    complete record;
    l record;
    logs text[] := '{}';
    state jsonb;
    rows_found integer;
    begins timestamptz;
    found_time timestamptz;
    waiting bigint;
    key_values text[];
BEGIN
    IF state_at.id IS NULL OR state_at.at IS NULL THEN
        RETURN NULL;
    END IF;
    row_subject := specql.subject_of(rel, state_at.id);
    logged_key := CASE WHEN (SELECT count(*) FROM specql.key_columns(rel)) = 1 THEN row_subject ELSE state_at.id END;
    SELECT * INTO complete FROM specql.full_capture(rel);
    SELECT count(*) INTO waiting FROM specql.unhandled_events AS e
    WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject AND e.occurred_at <= state_at.at;
    FOR l IN SELECT * FROM specql.state_logs(rel) LOOP
        EXECUTE format('SELECT t.%I::jsonb FROM %s AS t WHERE t.%I = %L AND t.%I <= $1%s ORDER BY t.%I DESC LIMIT 1',
            l.state_column, l.log, l.key_column, logged_key, l.time_column,
            l.filter, l.order_column)
        INTO state USING state_at.at;
        GET DIAGNOSTICS rows_found = ROW_COUNT;
        IF rows_found > 0 THEN
            IF waiting > 0 THEN
                RAISE WARNING 'changes of % that action % has still to handle are not in % yet', state_at.id, complete.action, l.log
                    USING DETAIL = format('Waiting or failed: %s.', waiting), HINT = 'See specql.failures, and specql.actions for a pause.';
            END IF;
            RETURN state;
        END IF;
        EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I = %L%s', l.time_column, l.log, l.key_column, logged_key,
            l.filter) INTO found_time;
        begins := least(begins, found_time);
        logs := logs || l.log::text;
    END LOOP;
    -- The event log holds the old row too, but only of the last events.
    IF complete.action IS NOT NULL THEN
        SELECT e.data -> 'new', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject AND e.occurred_at <= state_at.at
        ORDER BY e.id DESC LIMIT 1;
        IF FOUND THEN
            RETURN nullif(state, 'null');
        END IF;
        SELECT e.data -> 'old', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject
        ORDER BY e.id LIMIT 1;
        -- Before it was inserted it was not there; or nothing was expired between then and that event, and nothing happened unseen.
        IF FOUND THEN
            begins := least(begins, found_time);
            IF state = 'null' OR state_at.at >= complete.since AND state_at.at >= now() - specql.setting('event_retention')::interval THEN
                RETURN nullif(state, 'null');
            END IF;
        ELSIF begins IS NULL AND state_at.at >= complete.since AND (logs <> '{}'
              OR state_at.at >= now() - specql.setting('event_retention')::interval) THEN
            -- Since that time every change is logged, and of this row there is none.
            IF (SELECT count(*) FROM specql.key_columns(rel)) = 1 THEN
                key_values := ARRAY[state_at.id];
            ELSE
                key_values := ARRAY(SELECT jsonb_array_elements_text(state_at.id::jsonb));
            END IF;
            EXECUTE format('SELECT specql.row_as_owner(%L::regclass, format(''%%s'', t.*)) FROM %s AS t WHERE %s', rel, rel,
                (SELECT string_agg(format('t.%I = %L::%s', k.name, key_values[k.place], k.type), ' AND ')
                 FROM specql.key_columns(rel) WITH ORDINALITY AS k(name, type, place)))
            INTO state;
            IF state IS NOT NULL THEN
                RETURN state;
            END IF;
        END IF;
    END IF;
    IF begins IS NOT NULL THEN
        RAISE EXCEPTION 'the history of % % does not reach back to %', rel, state_at.id, state_at.at
            USING ERRCODE = 'no_data_found', DETAIL = format('It begins at %s.', begins);
    ELSIF complete.action IS NOT NULL OR logs <> '{}' THEN
        RAISE EXCEPTION 'there is no history of % %', rel, state_at.id
            USING ERRCODE = 'no_data_found',
                  DETAIL = format('No change of it is logged%s.', coalesce(' in ' || nullif(array_to_string(logs, ', '), ''), ''));
    END IF;
    RAISE EXCEPTION 'no history of % is kept', rel
        USING ERRCODE = 'no_data_found',
              DETAIL = 'No append-only log holds its rows, and no action handles every change of them.',
              HINT = format('An action with trigger: any_%s_change and a step append: SomeLog SET entity_id: "%s_id", event_data: "row_to_json(NEW)", event_timestamp: "event_time" keeps it.',
                  (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel), (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel));
END $$;
COMMENT ON FUNCTION specql.state_at(text, text, timestamptz) IS
'The row of an entity, given by its key (of several columns a JSON array), as its append-only log says it was at a time, or else the event log; NULL if it was deleted; an error if history does not reach back';

CREATE FUNCTION specql.state_at(entity text, id anyelement, at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT specql.state_at($1, $2::text, $3) $$;
COMMENT ON FUNCTION specql.state_at(text, anyelement, timestamptz) IS 'The same for a key of any type: uuid, bigint, date, jsonb, ...';

CREATE FUNCTION specql.key_of(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1 AND i.indisprimary AND i.indnkeyatts = 1
$$;
COMMENT ON FUNCTION specql.key_of(regclass) IS 'The column that is a table''s primary key; NULL if it is not one column';

-- Columns of an entity that a table lacks, or has with another type.
CREATE FUNCTION specql.misfits(relation regclass, into_table regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN t.attname IS NULL THEN format('it has no column %I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                           ELSE format('column %I is %s, not %s', a.attname, format_type(t.atttypid, t.atttypmod),
                                       format_type(a.atttypid, a.atttypmod)) END, '; ' ORDER BY a.attnum)
    FROM pg_attribute AS a
    LEFT JOIN pg_attribute AS t ON t.attrelid = $2 AND t.attname = a.attname AND t.attnum > 0 AND NOT t.attisdropped
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      AND (t.attname IS NULL OR (t.atttypid, t.atttypmod) IS DISTINCT FROM (a.atttypid, a.atttypmod))
$$;
COMMENT ON FUNCTION specql.misfits(regclass, regclass) IS 'What keeps a table from taking an entity''s rows; NULL if nothing does';

CREATE FUNCTION specql.rebuild(entity text, into_table regclass, at timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    rel regclass := specql.entity_table(rebuild.entity);
    misfits text := specql.misfits(rel, into_table);
    upto timestamptz := coalesce(rebuild.at, 'infinity');
    complete record;
    l record;
    source text;
    columns text;
    filled boolean;
    from_log boolean;
    result bigint;
    unknown bigint;
BEGIN
    IF into_table IS NULL THEN
        RAISE EXCEPTION 'rebuild needs a table' USING ERRCODE = 'null_value_not_allowed';
    ELSIF misfits IS NOT NULL THEN
        RAISE EXCEPTION '% does not fit %', into_table, rel
            USING ERRCODE = 'datatype_mismatch', DETAIL = upper(left(misfits, 1)) || substr(misfits, 2) || '.',
                  HINT = format('CREATE TABLE ... (LIKE %s INCLUDING ALL) makes one that fits.', rel);
    ELSIF EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = into_table AND t.tgfoid = 'specql.capture()'::regprocedure) THEN
        RAISE EXCEPTION 'rows written to % would raise events', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Rebuild into another table, made by CREATE TABLE ... (LIKE %s INCLUDING ALL), and compare.', rel);
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', into_table) INTO filled;
    IF filled THEN
        RAISE EXCEPTION '% is not empty', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rebuild into an empty table.';
    END IF;
    SELECT * INTO l FROM specql.state_logs(rel) LIMIT 1;
    from_log := FOUND;
    IF from_log THEN
        source := format('SELECT DISTINCT ON (t.%1$I) t.%1$I::text AS key, t.%2$I::jsonb AS state FROM %3$s AS t WHERE t.%4$I <= %5$L%6$s ORDER BY t.%1$I, t.%7$I DESC',
            l.key_column, l.state_column, l.log, l.time_column, upto,
            l.filter, l.order_column);
    ELSE
        SELECT * INTO complete FROM specql.full_capture(rel);
        IF complete.action IS NULL THEN
            RAISE EXCEPTION 'no history of % is kept', rel
                USING ERRCODE = 'no_data_found',
                      DETAIL = 'No append-only log holds its rows, and no action handles every change of them.';
        END IF;
        source := format('SELECT DISTINCT ON (e.subject) e.subject AS key, nullif(e.data -> ''new'', ''null'') AS state FROM specql.events AS e WHERE e.action = %L AND e.type = %L AND e.occurred_at <= %L ORDER BY e.subject, e.id DESC',
            complete.action, complete.type, upto);
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns FROM pg_attribute AS a
    WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('WITH h AS MATERIALIZED (%1$s)
        INSERT INTO %2$s (%3$s) OVERRIDING SYSTEM VALUE
        SELECT %4$s FROM h, LATERAL specql.row_of_state(%5$L::regclass, h.state) AS r(%6$s) WHERE h.state IS NOT NULL',
        source, into_table, columns,
        (SELECT string_agg('r.' || c.name, ', ') FROM unnest(string_to_array(columns, ', ')) AS c(name)), rel,
        (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
         FROM pg_attribute AS a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped));
    GET DIAGNOSTICS result = ROW_COUNT;
    IF rebuild.at IS NULL AND specql.subject_sql(rel, 't') IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE NOT EXISTS (SELECT FROM (%s) AS h WHERE h.key = %s)',
            rel, source, CASE WHEN from_log THEN format('t.%I::text', specql.key_of(rel)) ELSE specql.subject_sql(rel, 't') END)
        INTO unknown;
        IF unknown > 0 THEN
            RAISE WARNING 'rows of % that are not in its history: %', rel, unknown
                USING DETAIL = 'They have not changed since it began, or the log was thinned out.';
        END IF;
    END IF;
    RETURN result;
END $$;
COMMENT ON FUNCTION specql.rebuild(text, regclass, timestamptz) IS
'Writes the rows of an entity, as its log says they are or were at a time, into an empty table that has its columns; how many';

CREATE FUNCTION specql.expire_log(log regclass, before timestamptz) RETURNS bigint
LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_expire_log';
COMMENT ON FUNCTION specql.expire_log(regclass, timestamptz) IS
'The retention path of append-only logs, for their owner: deletes rows older than a time, but the last of each key, from which specql.state_at goes on; how many';

-- ---- rights ------------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION specql.known_action(text), specql.own_action(text), specql.entity_table(text), specql.pause(text), specql.resume(text),
    specql.replay_events(text, text, uuid, uuid, timestamptz, timestamptz, pg_snapshot, xid8, integer, boolean),
    specql.start_replay(text, timestamptz, timestamptz, boolean), specql.replay_batch(bigint, integer),
    specql.replay(text, timestamptz, timestamptz, boolean),
    specql.create_reader(text, timestamptz), specql.drop_reader(text), specql.committed_snapshot(),
    specql.oldest_unread(specql.reader),
    specql.row_as_owner(regclass, text), specql.row_of_state(regclass, jsonb),
    specql.read_events(text, integer), specql.log_readings(), specql.state_logs(regclass), specql.full_capture(regclass),
    specql.state_at(text, text, timestamptz), specql.state_at(text, anyelement, timestamptz), specql.key_columns(regclass),
    specql.subject_sql(regclass, text), specql.subject_of(regclass, text), specql.key_of(regclass), specql.misfits(regclass, regclass),
    specql.rebuild(text, regclass, timestamptz), specql.expire_log(regclass, timestamptz)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.known_action(text), specql.entity_table(text), specql.pause(text), specql.resume(text),
    specql.start_replay(text, timestamptz, timestamptz, boolean), specql.replay_batch(bigint, integer),
    specql.replay(text, timestamptz, timestamptz, boolean),
    specql.create_reader(text, timestamptz), specql.drop_reader(text), specql.oldest_unread(specql.reader), specql.read_events(text, integer),
    specql.log_readings(), specql.state_logs(regclass), specql.full_capture(regclass), specql.row_as_owner(regclass, text),
    specql.row_of_state(regclass, jsonb),
    specql.state_at(text, text, timestamptz), specql.state_at(text, anyelement, timestamptz), specql.key_columns(regclass),
    specql.subject_sql(regclass, text), specql.subject_of(regclass, text),
    specql.first_uuid(timestamptz), specql.key_of(regclass), specql.misfits(regclass, regclass), specql.rebuild(text, regclass, timestamptz),
    specql.expire_log(regclass, timestamptz)
TO specql_admin;
GRANT EXECUTE ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer) TO specql_admin;
GRANT SELECT ON specql.object_relation, specql.action, specql.replays, specql.replay_failure, specql.readers TO specql_admin;
