-- Happenings: what the engine tells of itself, as custom events that actions listen to. Each is written with what it tells of, and
-- waits for its listeners, which handle it in a session of their owner.

CREATE TABLE specql.happening (
    id uuid NOT NULL PRIMARY KEY,
    type text NOT NULL,
    happened_at timestamptz NOT NULL
);
CREATE INDEX happening_at ON specql.happening (happened_at);
COMMENT ON TABLE specql.happening IS 'What the engine has told of itself to actions that listen: of what comes of it, it tells no more';
COMMENT ON COLUMN specql.happening.id IS 'The event, which is the root of all that it sets off';
COMMENT ON COLUMN specql.happening.type IS 'specql.delivery_died, specql.event_parked, specql.service_disabled, specql.service_resumed or specql.worker_missing';
COMMENT ON COLUMN specql.happening.happened_at IS 'By the clock';
SELECT pg_catalog.pg_extension_config_dump('specql.happening', '');

-- Code of a role hears what that role might look up.
CREATE FUNCTION specql.may_hear(listener text, owner oid, service text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT specql.works_for(coalesce($2, x.extowner)::specql.role, specql.owner_of($1)) FROM pg_extension AS x WHERE x.extname = 'specql')
           OR EXISTS (SELECT FROM specql.service AS s WHERE s.name = $3 AND specql.works_for(s.owner, specql.owner_of($1)))
$$;
COMMENT ON FUNCTION specql.may_hear(text, oid, text) IS
'Does an action work for the owner of what is told, or of the service that it is of?';

CREATE FUNCTION specql.current_root() RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_current_root';
COMMENT ON FUNCTION specql.current_root() IS 'The event at the start of the chain of causes of what the session is handling; NULL outside of handlers';

CREATE FUNCTION specql.write_happening(happening text, data jsonb, listeners text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    event constant uuid := specql.uuid_v7();
BEGIN
    IF listeners = '{}' THEN
        RETURN 0;
    END IF;
    INSERT INTO specql.happening VALUES (event, happening, specql.clock());
    INSERT INTO specql.waiting_event (id, action, type, data, occurred_at, xid, root, depth, deliver)
    SELECT event, l.action, happening, write_happening.data, specql.clock(), pg_current_xact_id(), event, 1, true
    FROM unnest(listeners) AS l(action);
    PERFORM specql.wake_worker();
    RETURN cardinality(listeners);
END $$;
COMMENT ON FUNCTION specql.write_happening(text, jsonb, text[]) IS 'Lets these actions hear of something; how many';

CREATE FUNCTION specql.listeners(happening text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT a.action FROM specql.action AS a
                 WHERE a.event = $1 AND a.relation IS NULL AND a.part <> 'match' AND a.enabled ORDER BY a.action)
$$;
COMMENT ON FUNCTION specql.listeners(text) IS 'The actions that listen to a happening';

-- What a rule on a happening does, and what comes of that, is told to no rule: else a message that tells of dead letters, and cannot
-- be delivered, would be the next dead letter to tell of.
CREATE FUNCTION specql.tell(happening text, data jsonb, owner oid, service text, causes uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    heard text[] := specql.listeners(happening);
BEGIN
    IF heard = '{}' OR EXISTS (SELECT FROM specql.happening AS h WHERE h.id = ANY (causes || specql.current_root())) THEN
        RETURN 0;
    END IF;
    RETURN specql.write_happening(happening, data, ARRAY(
        SELECT l.action FROM unnest(heard) AS l(action) WHERE specql.may_hear(l.action, tell.owner, tell.service)));
END $$;
COMMENT ON FUNCTION specql.tell(text, jsonb, oid, text, uuid[]) IS
'Raises a happening for the actions that may hear of what this role owns, unless it is caused by a happening; for how many';

-- What cannot be told must not keep what happened from being recorded.
CREATE FUNCTION specql.tell_of_dead(ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
BEGIN
    IF specql.listeners('specql.delivery_died') = '{}' THEN
        RETURN;
    END IF;
    FOR d IN SELECT l.* FROM specql.dead_letter AS l WHERE l.id = ANY (ids) ORDER BY l.id LOOP
        BEGIN
            PERFORM specql.tell('specql.delivery_died',
                jsonb_build_object('delivery_id', d.id, 'kind', d.kind, 'service', d.service, 'operation', d.operation, 'channel', d.channel,
                    'action', d.action, 'type', d.type, 'entity', d.aggregatetype, 'subject', d.aggregateid, 'event_id', d.event_id,
                    'attempts', d.attempts, 'error', d.last_error, 'http_status', d.http_status),
                CASE WHEN d.action IS NULL THEN d.owner::oid ELSE specql.owner_of(d.action) END, d.service,
                ARRAY(SELECT g.root FROM specql.event_log AS g WHERE g.id = d.event_id) || d.event_id);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'no rule is told of the dead letter %: %', d.id, SQLERRM USING ERRCODE = SQLSTATE;
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.tell_of_dead(uuid[]) IS 'Raises specql.delivery_died for these dead letters';

CREATE FUNCTION specql.tell_of_parked(action text, ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT r.* FROM specql.failure AS r
             WHERE r.action = tell_of_parked.action AND r.id = ANY (ids) AND r.status = 'parked' ORDER BY r.id LOOP
        BEGIN
            PERFORM specql.tell('specql.event_parked',
                jsonb_build_object('event_id', f.id, 'action', f.action, 'type', f.type, 'entity', f.entity, 'subject', f.subject,
                    'attempts', f.attempts, 'sqlstate', f.sqlstate, 'error', f.message),
                specql.owner_of(f.action), NULL, ARRAY[f.id, f.root]);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'no rule is told of the parked event %: %', f.id, SQLERRM USING ERRCODE = SQLSTATE;
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.tell_of_parked(text, uuid[]) IS 'Raises specql.event_parked for those of these failures of an action that are parked';

CREATE FUNCTION specql.tell_of_service() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.disabled IS NULL THEN
        PERFORM specql.tell('specql.service_resumed', jsonb_build_object('service', NEW.name), NEW.owner, NEW.name, '{}');
    ELSE
        PERFORM specql.tell('specql.service_disabled', jsonb_build_object('service', NEW.name, 'reason', NEW.disabled), NEW.owner, NEW.name, '{}');
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.tell_of_service() IS 'Raises specql.service_disabled and specql.service_resumed';

-- Not in dumps: no worker of this server has been in a database that was restored.
CREATE TABLE specql.worker_presence (
    seen_at timestamptz NOT NULL,
    rested boolean NOT NULL
);
CREATE UNIQUE INDEX worker_presence_one ON specql.worker_presence ((true));
COMMENT ON TABLE specql.worker_presence IS 'Whether a worker is, or was, in this database: one row';
COMMENT ON COLUMN specql.worker_presence.seen_at IS 'When one said so last, which it does every minute';
COMMENT ON COLUMN specql.worker_presence.rested IS 'It ended then because nothing was to be done: what was due before was held up by something else';

CREATE FUNCTION specql.note_worker(rested boolean) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO specql.worker_presence VALUES (clock_timestamp(), $1)
    ON CONFLICT ((true)) DO UPDATE SET seen_at = excluded.seen_at, rested = excluded.rested
$$;
COMMENT ON FUNCTION specql.note_worker(boolean) IS 'A worker is there; or ends, because nothing is to be done. For the worker';

CREATE FUNCTION specql.missed_since() RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen specql.worker_presence;
BEGIN
    SELECT p.* INTO seen FROM specql.worker_presence AS p;
    RETURN (
        SELECT min(greatest(d.due_at, seen.seen_at))
        FROM (SELECT w.due_at FROM specql.owner_work(false) AS w WHERE w.kind <> 'released'
              UNION ALL
              SELECT specql.uuid_time(e.id) FROM specql.waiting_event AS e
              WHERE EXISTS (SELECT FROM specql.action AS a WHERE a.action = e.action AND a.paused_at IS NULL)
              UNION ALL
              SELECT (SELECT o.available_at FROM specql.outbox AS o WHERE o.service = s.name ORDER BY o.available_at LIMIT 1)
              FROM specql.service AS s
              WHERE s.url IS NOT NULL AND s.disabled IS NULL AND NOT s.paused_until > clock_timestamp() IS TRUE AND NOT specql.is_copy()) AS d
        WHERE d.due_at < clock_timestamp() AND NOT (seen.rested IS TRUE AND d.due_at <= seen.seen_at));
END $$;
COMMENT ON FUNCTION specql.missed_since() IS 'Since when work is due that no worker was there for; NULL if there is none';

-- A worker that has just started looks how long the work has waited for one.
CREATE FUNCTION specql.tell_of_missing_worker(patience interval DEFAULT '2 min') RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    heard constant text[] := specql.listeners('specql.worker_missing');
    since timestamptz;
    told integer := 0;
BEGIN
    IF heard <> '{}' THEN
        since := specql.missed_since();
        IF since < clock_timestamp() - patience THEN
            told := specql.write_happening('specql.worker_missing', jsonb_build_object('since', since), heard);
        END IF;
    END IF;
    PERFORM specql.note_worker(false);
    RETURN told;
END $$;
COMMENT ON FUNCTION specql.tell_of_missing_worker(interval) IS
'Raises specql.worker_missing if work has been due, with no worker there, for longer than this; for how many actions. For a worker that starts';

CREATE FUNCTION specql.forget_happenings() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM specql.happening AS h
        WHERE h.happened_at < specql.clock() - greatest(specql.setting('event_retention')::interval, interval '30 days') RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.forget_happenings() IS
'Removes happenings that nothing goes back to any more: older than specql.event_retention, and than 30 days. The worker does it';

CREATE FUNCTION specql.rehearse(happening text, data jsonb DEFAULT '{}') RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF happening NOT IN ('specql.delivery_died', 'specql.event_parked', 'specql.service_disabled', 'specql.service_resumed',
                         'specql.worker_missing') THEN
        RAISE EXCEPTION 'specql raises no event %', happening USING ERRCODE = 'invalid_parameter_value',
            HINT = 'It raises specql.delivery_died, event_parked, service_disabled, service_resumed and worker_missing.';
    ELSIF jsonb_typeof(data) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'specql.rehearse: data must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN specql.write_happening(happening, data, ARRAY(
        SELECT l.action FROM unnest(specql.listeners(happening)) AS l(action) WHERE specql.sees(l.action)));
END $$;
COMMENT ON FUNCTION specql.rehearse(text, jsonb) IS
'Raises an event of the engine itself, as specql.delivery_died, for the actions of the caller that listen to it, as if it had happened; how many hear it';

REVOKE ALL ON FUNCTION specql.may_hear(text, oid, text), specql.current_root(), specql.write_happening(text, jsonb, text[]),
    specql.listeners(text), specql.tell(text, jsonb, oid, text, uuid[]), specql.tell_of_dead(uuid[]),
    specql.tell_of_parked(text, uuid[]), specql.tell_of_service(), specql.note_worker(boolean), specql.missed_since(),
    specql.tell_of_missing_worker(interval), specql.forget_happenings(),
    specql.rehearse(text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.rehearse(text, jsonb) TO specql_admin;
