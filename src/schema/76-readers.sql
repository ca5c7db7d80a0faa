-- Readers: each reads the log in the order of commits, every event once, and the log keeps what it has not read.

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

REVOKE ALL ON FUNCTION specql.create_reader(text, timestamptz), specql.drop_reader(text), specql.committed_snapshot(),
    specql.oldest_unread(specql.reader), specql.read_events(text, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.create_reader(text, timestamptz), specql.drop_reader(text),
    specql.oldest_unread(specql.reader), specql.read_events(text, integer)
TO specql_admin;
GRANT SELECT ON specql.readers TO specql_admin;
