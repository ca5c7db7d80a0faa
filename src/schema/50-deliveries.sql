-- Deliveries: services, claims and their results, take and ack, dead letters, the worker, health.

-- ---- services --------------------------------------------------------------------------------------------------------

CREATE TABLE specql.service (
    name text NOT NULL PRIMARY KEY,
    url text,
    timeout interval NOT NULL,
    retries integer NOT NULL CHECK (retries >= 0),
    backoff interval NOT NULL,
    headers jsonb NOT NULL,
    secrets text[] NOT NULL,
    format text NOT NULL CHECK (format IN ('cloudevents', 'hasura', 'supabase', 'plain')),
    ordering text,
    on_failure text NOT NULL CHECK (on_failure IN ('block', 'skip')),
    retry_on integer[] NOT NULL,
    operations jsonb NOT NULL,
    owner name NOT NULL,
    disabled text,
    failures integer NOT NULL DEFAULT 0,
    pauses integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    last_error text
);
COMMENT ON TABLE specql.service IS 'Services as the worker knows them: written by specql.register_service, shown by specql.services';
COMMENT ON COLUMN specql.service.name IS 'As steps call it';
COMMENT ON COLUMN specql.service.url IS 'Where calls go; NULL: consumers take them';
COMMENT ON COLUMN specql.service.timeout IS 'From the send to the end of the answer';
COMMENT ON COLUMN specql.service.retries IS 'Attempts after the first';
COMMENT ON COLUMN specql.service.backoff IS 'The longest pause before the first retry; it doubles with each, up to an hour';
COMMENT ON COLUMN specql.service.headers IS 'Sent with every call';
COMMENT ON COLUMN specql.service.secrets IS 'Names of the keys that sign: env:NAME, file:PATH, or a row of specql.secret';
COMMENT ON COLUMN specql.service.format IS 'Of the body: cloudevents, hasura, supabase or plain';
COMMENT ON COLUMN specql.service.ordering IS 'The key of the payload whose calls leave one after the other';
COMMENT ON COLUMN specql.service.on_failure IS 'What a failing call does to the later ones of its key: block or skip';
COMMENT ON COLUMN specql.service.retry_on IS 'Further 4xx answers that are tried again';
COMMENT ON COLUMN specql.service.operations IS 'Path, method, timeout and retries by operation';
COMMENT ON COLUMN specql.service.owner IS 'The role that declared it; others may call it, but not change it, nor take its calls';
COMMENT ON COLUMN specql.service.disabled IS 'Why it is not called: the receiver said 410, or specql.pause_service; NULL if it is';
COMMENT ON COLUMN specql.service.failures IS 'Failed calls in a row';
COMMENT ON COLUMN specql.service.pauses IS 'How often in a row the circuit breaker has opened';
COMMENT ON COLUMN specql.service.paused_until IS 'The circuit breaker is open until then';
COMMENT ON COLUMN specql.service.last_error IS 'Of the last call that failed';
SELECT pg_catalog.pg_extension_config_dump('specql.service', '');

-- No grants, and not in dumps.
CREATE TABLE specql.secret (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL,
    sent_to text[] NOT NULL DEFAULT '{}'
);
REVOKE ALL ON specql.secret FROM PUBLIC;
COMMENT ON TABLE specql.secret IS 'Keys that services sign with, by name. Only its owner can read it, and dumps leave its rows out';
COMMENT ON COLUMN specql.secret.name IS 'As secret: of a service says';
COMMENT ON COLUMN specql.secret.value IS 'The key; whsec_... is base64, as Standard Webhooks writes it';
COMMENT ON COLUMN specql.secret.sent_to IS 'Services that get it as it is, in a header; a key that only signs is sent to nobody';

-- Where deliveries left from last. A restored or cloned database finds that it is another, and delivers nothing.
CREATE TABLE specql.installation (
    system_identifier bigint NOT NULL,
    database oid NOT NULL
);
COMMENT ON TABLE specql.installation IS 'The server and database that deliveries leave from; another one is a copy, and paused';
COMMENT ON COLUMN specql.installation.system_identifier IS 'As pg_control_system() tells it';
COMMENT ON COLUMN specql.installation.database IS 'The database';
SELECT pg_catalog.pg_extension_config_dump('specql.installation', '');

CREATE FUNCTION specql.wake_worker() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_wake_worker';
COMMENT ON FUNCTION specql.wake_worker() IS 'Wakes this database''s worker when the transaction commits, or starts it';

CREATE FUNCTION specql.write_service(name text, url text, timeout interval, retries integer, backoff interval, headers jsonb,
    secrets text[], format text, ordering text, on_failure text, retry_on integer[], operations jsonb, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, $13) FROM specql.service AS s WHERE s.name = $1;
    INSERT INTO specql.service AS s
    SELECT $1, $2, coalesce($3, '10 s'), coalesce($4, 8), coalesce($5, '1 s'), coalesce($6, '{}'), coalesce($7, '{}'),
           coalesce($8, 'cloudevents'), $9, coalesce($10, 'block'), coalesce($11, '{}'), coalesce($12, '{}'), r.rolname
    FROM pg_roles AS r WHERE r.oid = $13
    ON CONFLICT (name) DO UPDATE
    SET url = excluded.url, timeout = excluded.timeout, retries = excluded.retries, backoff = excluded.backoff,
        headers = excluded.headers, secrets = excluded.secrets, format = excluded.format, ordering = excluded.ordering,
        on_failure = excluded.on_failure, retry_on = excluded.retry_on, operations = excluded.operations,
        owner = CASE WHEN EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = s.owner) THEN s.owner ELSE excluded.owner END,
        disabled = NULL, failures = 0, pauses = 0, paused_until = NULL;
    SELECT specql.wake_worker();
$$;
COMMENT ON FUNCTION specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, oid) IS
'What specql.register_service does, for its caller';

CREATE FUNCTION specql.register_service(name text, url text, timeout interval DEFAULT NULL, retries integer DEFAULT NULL,
    backoff interval DEFAULT NULL, headers jsonb DEFAULT NULL, secrets text[] DEFAULT NULL, format text DEFAULT NULL,
    ordering text DEFAULT NULL, on_failure text DEFAULT NULL, retry_on integer[] DEFAULT NULL, operations jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_service';
COMMENT ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb) IS
'Tells the worker of a service; again with other values changes it, which only its owner may, and calls it again if it was paused. Generated code calls this';

CREATE FUNCTION specql.drop_service(name text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, $2) FROM specql.service AS s WHERE s.name = $1;
    DELETE FROM specql.service AS s WHERE s.name = $1;
$$;
COMMENT ON FUNCTION specql.drop_service(text, oid) IS 'What specql.unregister_service does, for its caller';

CREATE FUNCTION specql.unregister_service(name text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_service';
COMMENT ON FUNCTION specql.unregister_service(text) IS 'Forgets a service; its calls wait';

CREATE FUNCTION specql.require_service(name text) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, specql.viewer()) FROM specql.service AS s WHERE s.name = $1
$$;
COMMENT ON FUNCTION specql.require_service(text) IS 'An error if a service belongs to somebody else';
REVOKE ALL ON FUNCTION specql.require_service(text) FROM PUBLIC;

CREATE FUNCTION specql.pause_service(name text, reason text DEFAULT 'paused by hand') RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_service($1);
    WITH paused AS (UPDATE specql.service AS s SET disabled = $2 WHERE s.name = $1 RETURNING 1)
    SELECT EXISTS (SELECT FROM paused)
$$;
COMMENT ON FUNCTION specql.pause_service(text, text) IS 'Stops calling a service; its calls wait. False if there is none of this name';

CREATE FUNCTION specql.resume_service(name text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_service($1);
    SELECT specql.wake_worker();
    WITH resumed AS (
        UPDATE specql.service AS s SET disabled = NULL, failures = 0, pauses = 0, paused_until = NULL
        WHERE s.name = $1 RETURNING 1)
    SELECT EXISTS (SELECT FROM resumed)
$$;
COMMENT ON FUNCTION specql.resume_service(text) IS 'Calls a paused or disabled service again, at once';

-- ---- the worker ------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.start_workers() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_start_workers';
COMMENT ON FUNCTION specql.start_workers() IS
'Starts those of this database''s specql.workers background workers that do not run, and waits for them. For specql.start_worker()';

-- The locks that workers hold as long as they live; wake.cpp knows the same numbers.
CREATE FUNCTION specql.worker_pids() RETURNS integer[]
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(l.pid ORDER BY l.objid::bigint), '{}') FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.classid = 1936749411 AND l.objsubid = 3 AND l.mode = 'ExclusiveLock' AND l.granted
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

-- ---- what is sent ----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.delivery_body(format text, d specql.outbox, max_retries integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (CASE $1
        WHEN 'cloudevents' THEN jsonb_strip_nulls(jsonb_build_object(
            'specversion', '1.0', 'id', d.id, 'type', d.type,
            'source', '/specql/' || current_database() || '/' || replace(d.aggregatetype, '.', '/'),
            'subject', d.aggregateid, 'time', d.created_at, 'datacontenttype', 'application/json',
            'operation', d.operation, 'eventid', d.event_id)) || jsonb_build_object('data', d.payload)
        WHEN 'hasura' THEN jsonb_build_object(
            'id', d.id, 'created_at', d.created_at, 'trigger', jsonb_build_object('name', d.operation),
            'table', jsonb_build_object('schema', split_part(d.aggregatetype, '.', 1), 'name', split_part(d.aggregatetype, '.', 2)),
            'event', jsonb_build_object('op', o.op, 'session_variables', NULL, 'data', CASE WHEN o.row THEN
                jsonb_build_object('old', d.payload -> 'old', 'new', d.payload -> 'new')
                ELSE jsonb_build_object('old', NULL, 'new', d.payload) END),
            'delivery_info', jsonb_build_object('current_retry', d.attempts - 1, 'max_retries', $3))
        WHEN 'supabase' THEN jsonb_build_object(
            'type', o.op, 'schema', split_part(d.aggregatetype, '.', 1), 'table', split_part(d.aggregatetype, '.', 2),
            'record', CASE WHEN o.row THEN d.payload -> 'new' ELSE d.payload END,
            'old_record', CASE WHEN o.row THEN d.payload -> 'old' END)
        ELSE d.payload END)::text
    FROM (SELECT d.payload ?& '{old,new}' AS row,
                 CASE WHEN NOT d.payload ?& '{old,new}' OR jsonb_typeof(d.payload -> 'old') = 'null' THEN 'INSERT'
                      WHEN jsonb_typeof(d.payload -> 'new') = 'null' THEN 'DELETE' ELSE 'UPDATE' END AS op) AS o
$$;
COMMENT ON FUNCTION specql.delivery_body(text, specql.outbox, integer) IS 'The body of a call in the format of its service';

-- A notification holds less than 8,000 bytes.
CREATE FUNCTION specql.notification(d specql.outbox) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length(n.message) <= 7900 THEN n.message
                ELSE jsonb_build_object('ref', d.id, 'truncated', true)::text END
    FROM (SELECT jsonb_strip_nulls(jsonb_build_object('id', d.id, 'message', d.message, 'type', d.type,
                     'subject', d.aggregateid, 'event_id', d.event_id, 'created_at', d.created_at,
                     'severity', d.severity, 'acknowledge', CASE WHEN d.kind = 'escalation' THEN true END))
                 || jsonb_build_object('data', d.payload) AS body) AS b,
         LATERAL (SELECT b.body::text AS message) AS n
$$;
COMMENT ON FUNCTION specql.notification(specql.outbox) IS
'The payload of a notification; for one that is too long a reference to the row of specql.deliveries';

-- The value that keeps calls in order; calls without one are in nobody's way.
CREATE FUNCTION specql.delivery_key(ordering text, d_id uuid, aggregatetype text, aggregateid text, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce($5 ->> $1, $5 -> 'new' ->> $1, $5 -> 'old' ->> $1,
                    CASE WHEN $1 IN ('subject', split_part($3, '.', 2) || '_id') THEN $4 END, $2::text)
$$;
COMMENT ON FUNCTION specql.delivery_key(text, uuid, text, text, jsonb) IS 'What calls of a service with ordering are kept in order by';

-- ---- claims ----------------------------------------------------------------------------------------------------------

-- The planner's statistics of a queue are always old: the settings keep it on the indexes. What they make it believe of
-- costs would have every statement compiled.
--
-- `after_at`, `after_id`: the last call that was claimed before. Those that have left since, and that an old snapshot keeps,
-- lie before it in the index. Who gives them must begin anew now and then: a transaction may commit late.
CREATE FUNCTION specql.due_calls(service text, max_items integer, after_at timestamptz DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    s record;
    seen integer := 1000;
    found_rows bigint;
BEGIN
    SELECT ordering, on_failure INTO s FROM specql.service AS v WHERE v.name = due_calls.service;
    IF s.ordering IS NULL THEN
        RETURN QUERY SELECT o.id FROM specql.outbox AS o
            WHERE o.service = due_calls.service AND o.available_at <= clock_timestamp()
              AND (o.available_at, o.id) > (coalesce(after_at, '-infinity'), coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
            ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED;
        RETURN;
    END IF;
    -- The first of each key among the oldest; if all of those wait, among twice as many.
    LOOP
        RETURN QUERY
            WITH oldest AS (
                SELECT o.id, o.available_at, o.status, o.attempts,
                       specql.delivery_key(s.ordering, o.id, o.aggregatetype, o.aggregateid, o.payload) AS key
                FROM specql.outbox AS o WHERE o.service = due_calls.service ORDER BY o.id LIMIT seen),
            heads AS (
                SELECT DISTINCT ON (w.key) w.id, w.key FROM oldest AS w
                WHERE s.on_failure = 'block'
                   OR NOT (w.status = 'waiting' AND w.attempts > 0 AND w.available_at > clock_timestamp())
                ORDER BY w.key, w.id)
            SELECT o.id FROM heads AS h JOIN specql.outbox AS o ON o.id = h.id
            WHERE o.available_at <= clock_timestamp()
              AND (s.on_failure = 'skip' OR NOT EXISTS (
                  SELECT FROM specql.dead_letter AS d WHERE d.service = due_calls.service AND d.id < h.id
                    AND specql.delivery_key(s.ordering, d.id, d.aggregatetype, d.aggregateid, d.payload) = h.key))
            ORDER BY o.id LIMIT max_items FOR UPDATE OF o SKIP LOCKED;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        EXIT WHEN found_rows > 0;
        SELECT count(*) INTO found_rows FROM (
            SELECT FROM specql.outbox AS o WHERE o.service = due_calls.service LIMIT seen + 1) AS o;
        EXIT WHEN found_rows <= seen;
        seen := seen * 2;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.due_calls(text, integer, timestamptz, uuid) IS
'Calls of a service that may leave now, locked for this transaction; with ordering, at most the first of each key';

-- A copy of the database must not deliver what the original delivers. The first worker remembers where it is.
CREATE FUNCTION specql.is_copy() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here bigint := (SELECT c.system_identifier FROM pg_control_system() AS c);
    own oid := (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database());
    home record;
BEGIN
    SELECT * INTO home FROM specql.installation LIMIT 1;
    IF NOT FOUND THEN
        IF pg_is_in_recovery() THEN
            RETURN false;
        END IF;
        INSERT INTO specql.installation VALUES (here, own);
        RETURN false;
    END IF;
    RETURN (home.system_identifier, home.database) IS DISTINCT FROM (here, own);
END $$;
COMMENT ON FUNCTION specql.is_copy() IS
'Is this a restored or cloned database, which delivers nothing until specql.resume_deliveries()?';

CREATE FUNCTION specql.resume_deliveries() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.wake_worker();
    DELETE FROM specql.installation;
    INSERT INTO specql.installation
    SELECT c.system_identifier, d.oid FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database();
$$;
COMMENT ON FUNCTION specql.resume_deliveries() IS 'Makes a restored or cloned database deliver, from now on';

CREATE FUNCTION specql.works_for(owner name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_has_role(specql.viewer(), x.extowner, 'USAGE')
           OR EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = $1 AND pg_has_role(specql.viewer(), r.oid, 'USAGE'))
    FROM pg_extension AS x WHERE x.extname = 'specql'
$$;
COMMENT ON FUNCTION specql.works_for(name) IS 'Has the user of this session the rights of a role, or of whoever owns the extension?';
REVOKE ALL ON FUNCTION specql.works_for(name) FROM PUBLIC;

-- `place`: of the worker, by which the next one there knows what it leased. `probe_after`: after so many failures in a row, one call at a time until one succeeds. `busy` and `busy_calls`: how many
-- calls of which service this worker has not reported back yet. `reached`, `reached_at`, `reached_id`: up to where services
-- have been claimed.
CREATE FUNCTION specql.claim_calls(place integer, max_items integer, per_service integer, probe_after integer, busy text[], busy_calls integer[],
    reached text[], reached_at timestamptz[], reached_id uuid[])
RETURNS TABLE (id uuid, service text, url text, method text, headers text[], body text, timeout_ms integer, attempt integer,
    max_attempts integer, backoff_ms bigint, retry_on integer[], secrets text[], failures integer, pauses integer, due_at timestamptz)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    room integer;
    due uuid[];
    left_items integer := max_items;
BEGIN
    IF specql.is_copy() THEN
        RETURN;
    END IF;
    FOR s IN SELECT v.* FROM specql.service AS v
             WHERE v.url IS NOT NULL AND v.disabled IS NULL AND (v.paused_until IS NULL OR v.paused_until <= clock_timestamp())
               -- A session sends what is its user's.
               AND (place > 0 OR specql.works_for(v.owner))
             ORDER BY random() LOOP
        room := least(left_items, CASE WHEN s.failures >= probe_after THEN 1 ELSE per_service END
                                  - coalesce(busy_calls[array_position(busy, s.name)], 0));
        CONTINUE WHEN room <= 0;
        due := ARRAY(SELECT specql.due_calls(s.name, room, reached_at[array_position(reached, s.name)],
                                             reached_id[array_position(reached, s.name)]));
        CONTINUE WHEN cardinality(due) = 0;
        left_items := left_items - cardinality(due);
        RETURN QUERY
            WITH called AS (
                SELECT o.id, o.available_at AS due_at, coalesce(s.operations -> o.operation, '{}') AS operation,
                       1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries) AS attempts,
                       coalesce((s.operations -> o.operation ->> 'timeout')::interval, s.timeout) AS timeout
                FROM specql.outbox AS o WHERE o.id = ANY (due)),
            -- The last attempt did not report back: the worker died of it, or with it.
            spent AS (
                DELETE FROM specql.outbox AS o USING called AS c WHERE o.id = c.id AND o.attempts >= c.attempts RETURNING o.*),
            buried AS (
                INSERT INTO specql.dead_letter
                SELECT p.id, p.aggregatetype, p.aggregateid, p.type, p.payload, p.kind, p.service, p.operation, p.channel, p.message,
                       p.event_id, p.action, 'dead', p.attempts, p.available_at, NULL,
                       concat_ws('; before: ', 'the last attempt never came back', p.last_error),
                       p.created_at, p.acknowledged_at, p.acknowledged_by, p.severity, p.repeat_after, NULL, clock_timestamp(), NULL, NULL
                FROM spent AS p),
            leased AS (
                UPDATE specql.outbox AS o
                SET status = 'leased', attempts = o.attempts + 1, leased_by = 'worker ' || place,
                    leased_until = l.until, available_at = l.until
                FROM called AS c, LATERAL (SELECT clock_timestamp() + greatest(interval '1 min', 2 * c.timeout + '30 s') AS until) AS l
                WHERE o.id = c.id AND o.attempts < c.attempts RETURNING o AS item, c.*)
            SELECT (l.item).id, s.name,
                   CASE WHEN l.operation ->> 'path' IS NULL THEN s.url
                        ELSE rtrim(s.url, '/') || '/' || ltrim(l.operation ->> 'path', '/') END,
                   coalesce(l.operation ->> 'method', 'POST'),
                   -- What is to be filled in follows the mark, a character that no header has.
                   ARRAY(SELECT h.key || ': ' || CASE
                             WHEN h.value ~ '(^| )secret:[^ ]+$' THEN regexp_replace(h.value, '[^ ]+$', E'\x01')
                                 || coalesce('key:' || (SELECT x.value FROM specql.secret AS x
                                                        WHERE x.name = substring(h.value FROM 'secret:([^ ]+)$')
                                                          AND s.name = ANY (x.sent_to)),
                                             'missing:' || substring(h.value FROM 'secret:([^ ]+)$') || ' that may be sent to ' || s.name)
                             ELSE h.value END
                         FROM jsonb_each_text(s.headers) AS h)
                   || CASE s.format WHEN 'cloudevents' THEN 'Content-Type: application/cloudevents+json; charset=utf-8'
                                    ELSE 'Content-Type: application/json; charset=utf-8' END::text,
                   specql.delivery_body(s.format, l.item, l.attempts - 1),
                   (extract(epoch FROM l.timeout) * 1000)::integer, (l.item).attempts, l.attempts,
                   (extract(epoch FROM s.backoff) * 1000)::bigint, s.retry_on,
                   -- A stored key goes along as it is, others by their name.
                   ARRAY(SELECT CASE WHEN k LIKE 'env:%' OR k LIKE 'file:%' THEN k
                                     ELSE coalesce('key:' || (SELECT x.value FROM specql.secret AS x WHERE x.name = k), 'missing:' || k) END
                         FROM unnest(s.secrets) WITH ORDINALITY AS u(k, place) ORDER BY place),
                   s.failures, s.pauses, l.due_at
            FROM leased AS l;
        EXIT WHEN left_items <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[]) IS
'Leases calls that may leave now and counts the attempt; commit before sending. For the worker';

-- ---- results ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.call_processed(function text, event_ids uuid[]) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_call_processed';
COMMENT ON FUNCTION specql.call_processed(text, uuid[]) IS
'Calls a function that an action names as `processed`, with its owner''s rights; its error, or NULL';

-- An event is done when nothing of what its handler queued waits or is dead. Of two sessions that finish its last two
-- deliveries at once, the lock makes the second see what the first did.
CREATE FUNCTION specql.finish_events(event_ids uuid[], actions text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    a record;
BEGIN
    PERFORM FROM specql.event_log AS l WHERE l.id = ANY (event_ids) AND l.deliveries > 1 ORDER BY l.id FOR UPDATE;
    FOR a IN
        SELECT e.action, array_agg(e.id ORDER BY e.id) AS ids, max(c.processed) AS processed
        FROM (SELECT DISTINCT u.id, u.action FROM unnest(event_ids, actions) AS u(id, action)) AS e
        LEFT JOIN specql.action AS c ON c.action = e.action AND c.processed IS NOT NULL
        WHERE NOT EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id = e.id AND o.action IS NOT DISTINCT FROM e.action)
          AND NOT EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id = e.id AND d.action IS NOT DISTINCT FROM e.action)
        GROUP BY e.action LOOP
        IF a.processed IS NULL THEN
            UPDATE specql.event_log AS l SET processed_at = clock_timestamp()
            WHERE l.id = ANY (a.ids) AND l.action = a.action AND l.processed_at IS NULL;
        ELSE
            -- The function runs with its owner's rights, in a session of that role.
            INSERT INTO specql.finished_event AS f (action, event_id, due_at) SELECT a.action, u.id, specql.clock() FROM unnest(a.ids) AS u(id)
            ON CONFLICT ON CONSTRAINT finished_event_pkey DO UPDATE SET attempts = 0, due_at = excluded.due_at;
            PERFORM specql.wake_worker();
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.finish_events(uuid[], text[]) IS
'Marks events as processed whose last delivery has succeeded, or queues them for the function that their action names as processed';

-- Verdicts: done, retry (after `delays`, in milliseconds), dead. Items that are not in the outbox any more are passed over.
CREATE FUNCTION specql.record_results(ids uuid[], verdicts text[], delays bigint[], errors text[], http_statuses integer[],
    responses text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    finished_events uuid[];
    finished_actions text[];
BEGIN
    WITH result AS (
        SELECT * FROM unnest(ids, verdicts, errors, http_statuses, responses) AS r(id, verdict, error, http_status, response)
        WHERE r.verdict <> 'retry'),
    gone AS (
        DELETE FROM specql.outbox AS o USING result AS r WHERE o.id = r.id
        RETURNING o.*, r.verdict, r.error, r.http_status, r.response),
    kept AS (
        INSERT INTO specql.delivery_history
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'done', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
        FROM gone AS g WHERE g.verdict = 'done'),
    buried AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
        FROM gone AS g WHERE g.verdict = 'dead')
    SELECT array_agg(g.event_id), array_agg(g.action) INTO finished_events, finished_actions
    FROM gone AS g WHERE g.verdict = 'done' AND g.event_id IS NOT NULL;
    UPDATE specql.outbox AS o
    SET status = 'waiting', available_at = clock_timestamp() + r.delay * interval '1 ms', leased_until = NULL, leased_by = NULL,
        last_error = r.error
    FROM unnest(ids, verdicts, delays, errors) AS r(id, verdict, delay, error)
    WHERE r.verdict = 'retry' AND o.id = r.id;
    IF finished_events IS NOT NULL THEN
        PERFORM specql.finish_events(finished_events, finished_actions);
    END IF;
END $$;
COMMENT ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]) IS
'What became of leased calls. For the worker';

CREATE FUNCTION specql.record_services(names text[], failures integer[], pauses integer[], pause_ms bigint[], errors text[],
    disabled text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.service AS s
    SET failures = r.failures, pauses = r.pauses, last_error = coalesce(r.error, s.last_error),
        paused_until = CASE WHEN r.pause_ms > 0 THEN clock_timestamp() + r.pause_ms * interval '1 ms'
                            WHEN r.failures > 0 THEN s.paused_until END,
        disabled = coalesce(s.disabled, r.disabled)
    FROM unnest($1, $2, $3, $4, $5, $6) AS r(name, failures, pauses, pause_ms, error, disabled)
    WHERE s.name = r.name
$$;
COMMENT ON FUNCTION specql.record_services(text[], integer[], integer[], bigint[], text[], text[]) IS
'What the worker learned about services: the state of their circuit breakers, and who does not want calls any more';

-- Notifications leave with the transaction that records them: there is nothing to lease.
CREATE FUNCTION specql.send_notifications(max_items integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    d specql.outbox;
    ids uuid[] := '{}';
    verdicts text[] := '{}';
    errors text[] := '{}';
    pauses bigint[] := '{}';
    visible constant text[] := specql.visible_actions();
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    FOR d IN SELECT o.* FROM specql.outbox AS o
             WHERE o.service IS NULL AND o.available_at <= clock_timestamp()
               AND (visible IS NULL OR o.action IS NULL OR o.action = ANY (visible))
             ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED LOOP
        ids := ids || d.id;
        pauses := pauses || (extract(epoch FROM d.repeat_after) * 1000)::bigint;
        IF octet_length(d.channel) BETWEEN 1 AND 63 THEN
            PERFORM pg_notify(d.channel, specql.notification(d));
            -- An escalation that is to be repeated waits for its next time, or for specql.acknowledge.
            verdicts := verdicts || CASE WHEN d.repeat_after IS NULL OR d.acknowledged_at IS NOT NULL THEN 'done' ELSE 'retry' END;
            errors := errors || NULL::text;
        ELSE
            verdicts := verdicts || 'dead'::text;
            errors := errors || 'a channel''s name has 1 to 63 bytes'::text;
        END IF;
    END LOOP;
    IF cardinality(ids) > 0 THEN
        UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = ANY (ids);
        PERFORM specql.record_results(ids, verdicts, pauses, errors, NULL, NULL);
    END IF;
    RETURN cardinality(ids);
END $$;
COMMENT ON FUNCTION specql.send_notifications(integer) IS 'Sends notifications that are due, by NOTIFY; how many. For the worker';

-- At the start of a worker: its predecessor is dead, and so is whatever it was sending.
CREATE FUNCTION specql.release_leases(place integer) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH released AS (
        UPDATE specql.outbox SET status = 'waiting', available_at = clock_timestamp(), leased_until = NULL, leased_by = NULL
        WHERE status = 'leased' AND leased_by = 'worker ' || $1 RETURNING 1)
    SELECT count(*)::integer FROM released
$$;
COMMENT ON FUNCTION specql.release_leases(integer) IS 'Puts back what the worker before this one was sending, at the same place; how many';

CREATE FUNCTION specql.first_uuid(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM $1) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;
COMMENT ON FUNCTION specql.first_uuid(timestamptz) IS 'The least version 7 identifier of a millisecond';

CREATE FUNCTION specql.expire_deliveries() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT h.ctid FROM specql.delivery_history AS h
        WHERE h.id < specql.first_uuid(now() - specql.setting('delivery_retention')::interval)
          AND (h.kind <> 'escalation' OR h.acknowledged_at IS NOT NULL)
        ORDER BY h.id LIMIT 10000),
    gone AS (DELETE FROM specql.delivery_history AS h USING old WHERE h.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_deliveries() IS
'Removes up to 10,000 deliveries from the history that are older than specql.delivery_retention; how many. The worker does it';

-- ---- take, ack, nack -------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.take(service text, n integer DEFAULT 1, lease interval DEFAULT '30 s') RETURNS SETOF specql.deliveries
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
    SELECT specql.require_service($1);
    WITH taken AS (
        UPDATE specql.outbox AS o
        SET status = 'leased', attempts = o.attempts + 1, leased_by = session_user,
            leased_until = clock_timestamp() + $3, available_at = clock_timestamp() + $3
        WHERE o.id = ANY (ARRAY(SELECT specql.due_calls($1, greatest($2, 0))))
        RETURNING o.*)
    SELECT o.id, o.kind, o.service, o.operation, o.channel, o.message, o.payload, o.event_id, o.type, o.action,
           o.aggregatetype, o.aggregateid, o.status, o.attempts, o.available_at, o.leased_until, o.last_error, o.created_at,
           NULL::timestamptz, NULL::integer, NULL::text
    FROM taken AS o ORDER BY o.id
$$;
COMMENT ON FUNCTION specql.take(text, integer, interval) IS
'Leases up to n waiting calls of a service to the caller, who says specql.ack(id) or specql.nack(id) before the lease ends, else others get them';

-- Variadic: ack(id) for one, ack(VARIADIC ids) for many at the price of a few.
CREATE FUNCTION specql.ack(VARIADIC ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    found_ids uuid[] := ARRAY(SELECT o.id FROM specql.outbox AS o WHERE o.id = ANY (ack.ids) ORDER BY o.id FOR UPDATE);
    actions constant text[] := ARRAY(SELECT DISTINCT o.action FROM specql.outbox AS o WHERE o.id = ANY (found_ids));
BEGIN
    IF cardinality(found_ids) > 0 THEN
        PERFORM specql.record_results(found_ids, array_fill('done'::text, ARRAY[cardinality(found_ids)]), NULL, NULL, NULL, NULL);
        -- What is not the caller's is for a worker.
        PERFORM specql.tell_finished(actions);
    END IF;
    RETURN cardinality(found_ids);
END $$;
COMMENT ON FUNCTION specql.ack(uuid[]) IS
'Taken calls are done: specql.ack(id), or specql.ack(VARIADIC ids); how many of them were still in the outbox';

CREATE FUNCTION specql.nack(id uuid, error text DEFAULT NULL, retry_in interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
    pause interval;
BEGIN
    SELECT o.attempts, 1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries, 8) AS max_attempts,
           coalesce(s.backoff, '1 s') AS backoff
    INTO d FROM specql.outbox AS o LEFT JOIN specql.service AS s ON s.name = o.service WHERE o.id = nack.id FOR UPDATE OF o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    pause := coalesce(retry_in, random() * least(d.backoff * 2 ^ least(d.attempts - 1, 20), interval '1 hour'));
    PERFORM specql.record_results(ARRAY[nack.id], ARRAY[CASE WHEN d.attempts < d.max_attempts THEN 'retry' ELSE 'dead' END],
        ARRAY[(extract(epoch FROM pause) * 1000)::bigint], ARRAY[nack.error], NULL, NULL);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.nack(uuid, text, interval) IS
'A taken call failed: it is due again after retry_in (default: the backoff of its service), or a dead letter when its attempts are used up';

-- ---- dead letters ----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.redrive(id uuid) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.wake_worker();
    WITH raised AS (DELETE FROM specql.dead_letter AS d WHERE d.id = $1 AND specql.sees(d.action) RETURNING d.*),
    queued AS (
        INSERT INTO specql.outbox
        SELECT r.id, r.aggregatetype, r.aggregateid, r.type, r.payload, r.kind, r.service, r.operation, r.channel, r.message,
               r.event_id, r.action, 'waiting', 0, clock_timestamp(), NULL, r.last_error, r.created_at,
               r.acknowledged_at, r.acknowledged_by, r.severity, r.repeat_after, NULL
        FROM raised AS r RETURNING 1)
    SELECT count(*)::integer FROM queued
$$;
COMMENT ON FUNCTION specql.redrive(uuid) IS 'Queues a dead letter again, with all its attempts; 0 if there is none with this id';

-- A literal of unknown type means this one, so that it must also understand an id.
CREATE FUNCTION specql.redrive(service text, since timestamptz DEFAULT NULL) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(specql.redrive(d.id)), 0)::integer
    FROM (SELECT l.id FROM specql.dead_letter AS l
          WHERE (l.service = $1 OR l.id::text = $1) AND ($2 IS NULL OR l.finished_at >= $2) ORDER BY l.id) AS d
$$;
COMMENT ON FUNCTION specql.redrive(text, timestamptz) IS 'Queues all dead letters of a service again, or those that died since; how many';

CREATE FUNCTION specql.discard(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.wake_worker();
    WITH gone AS (DELETE FROM specql.dead_letter AS d WHERE d.id = discard.id AND specql.sees(d.action) RETURNING d.*)
    INSERT INTO specql.delivery_history
    SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
           g.event_id, g.action, 'discarded', g.attempts, g.available_at, NULL, g.last_error, g.created_at,
           g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
    FROM gone AS g;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.discard(uuid) IS
'Gives a dead letter up for good: later calls of its key are not blocked by it any more. Its event stays unprocessed';

-- ---- escalations -----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.acknowledge(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sent integer;
BEGIN
    UPDATE specql.outbox AS o SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE o.id = acknowledge.id AND specql.sees(o.action) AND o.kind = 'escalation' AND o.acknowledged_at IS NULL RETURNING o.attempts INTO sent;
    IF FOUND THEN
        -- One that was never sent still is, once; one that would be repeated is done.
        IF sent > 0 THEN
            PERFORM specql.record_results(ARRAY[acknowledge.id], '{done}', NULL, NULL, NULL, NULL);
        END IF;
        RETURN true;
    END IF;
    UPDATE specql.delivery_history AS h SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE h.id = acknowledge.id AND specql.sees(h.action) AND h.kind = 'escalation' AND h.acknowledged_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE specql.dead_letter AS d SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE d.id = acknowledge.id AND specql.sees(d.action) AND d.kind = 'escalation' AND d.acknowledged_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.acknowledge(uuid) IS
'Takes an open escalation in hand, so that it is not sent again; false if there is none with this id';

-- ---- draining in a session ---------------------------------------------------------------------------------------------

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
    handled := specql.evaluate_windows(max_items);
    handled := handled + specql.retry_due(max_items - handled);
    handled := handled + specql.call_functions(max_items - handled);
    handled := handled + specql.deliver(max_items - handled);
    -- Not counted: it belongs to what was.
    PERFORM specql.tell_finished();
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.drain(integer) IS
'Does the workers'' due work in this session, as far as it is the caller''s: windows, retries of failed events, calls of functions, deliveries; how many items. Of whoever owns the extension it is everybody''s. Its transaction stays open while it sends';

-- ---- looking ---------------------------------------------------------------------------------------------------------

CREATE VIEW specql.services AS
    SELECT s.name, s.url, CASE WHEN s.disabled IS NOT NULL THEN 'disabled'
                               WHEN s.paused_until > clock_timestamp() THEN 'paused'
                               WHEN s.url IS NULL THEN 'taken by consumers' ELSE 'active' END AS status,
           coalesce(s.disabled, CASE WHEN s.failures > 0 THEN s.last_error END) AS reason, s.paused_until,
           (SELECT count(*) FROM specql.outbox AS o WHERE o.service = s.name) AS waiting,
           (SELECT count(*) FROM specql.dead_letter AS d WHERE d.service = s.name) AS dead,
           s.timeout, s.retries, s.backoff, s.format, s.ordering, s.on_failure, s.operations, s.owner
    FROM specql.service AS s
    UNION ALL
    SELECT o.service, NULL, 'undeclared', 'no spec declares it; its calls wait', NULL, count(*), 0,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM specql.outbox AS o
    WHERE o.service IS NOT NULL AND NOT EXISTS (SELECT FROM specql.service AS s WHERE s.name = o.service)
    GROUP BY o.service;
COMMENT ON VIEW specql.services IS 'Services that specs declare, and those that are called without';
COMMENT ON COLUMN specql.services.name IS 'As steps call it';
COMMENT ON COLUMN specql.services.url IS 'Where calls go';
COMMENT ON COLUMN specql.services.status IS
'active; paused by the circuit breaker; disabled (410, or specql.pause_service); taken by consumers (no url); undeclared';
COMMENT ON COLUMN specql.services.reason IS 'Why it is not active, or the last error';
COMMENT ON COLUMN specql.services.paused_until IS 'When the circuit breaker lets one call through';
COMMENT ON COLUMN specql.services.waiting IS 'Calls in the outbox';
COMMENT ON COLUMN specql.services.dead IS 'Dead letters';
COMMENT ON COLUMN specql.services.timeout IS 'From the send to the end of the answer';
COMMENT ON COLUMN specql.services.retries IS 'Attempts after the first';
COMMENT ON COLUMN specql.services.backoff IS 'The longest pause before the first retry; it doubles with each';
COMMENT ON COLUMN specql.services.format IS 'Of the body';
COMMENT ON COLUMN specql.services.ordering IS 'The key whose calls leave one after the other';
COMMENT ON COLUMN specql.services.on_failure IS 'What a failing call does to the later ones of its key: block or skip';
COMMENT ON COLUMN specql.services.owner IS 'Who declared it, and alone may change, pause and take from it';
COMMENT ON COLUMN specql.services.operations IS 'Path, method, timeout and retries by operation';

CREATE FUNCTION specql.health() RETURNS TABLE ("check" text, status text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pids integer[] := specql.worker_pids();
    due bigint := specql.next_work(86400000);
    slots integer := current_setting('max_worker_processes')::integer;
    used bigint;
    r record;
BEGIN
    SELECT count(*) INTO used FROM pg_stat_get_activity(NULL) AS a
    WHERE a.backend_type NOT IN ('client backend', 'autovacuum launcher', 'autovacuum worker', 'walsender', 'checkpointer',
        'background writer', 'walwriter', 'archiver', 'startup', 'logger', 'walreceiver', 'standalone backend', 'walsummarizer',
        'slotsync worker', 'io worker');
    "check" := 'worker';
    status := CASE WHEN pg_is_in_recovery() THEN 'standby'
                   WHEN pids <> '{}' OR due IS NULL AND specql.setting('worker') <> 'on' THEN 'ok'
                   WHEN specql.setting('worker') = 'off' THEN 'off' ELSE 'missing' END;
    detail := CASE WHEN pg_is_in_recovery() THEN 'the primary delivers; this server will after a promotion'
                   WHEN pids <> '{}' THEN format('process %s', array_to_string(pids, ', '))
                   WHEN specql.setting('worker') = 'off' THEN 'specql.worker is off; specql.drain() does its work'
                   WHEN due IS NULL THEN 'none, and nothing to do; it starts by itself'
                   ELSE 'there is work but no worker: SELECT specql.start_worker()' END;
    RETURN NEXT;
    "check" := 'worker slots';
    status := CASE WHEN pids <> '{}' OR used < slots THEN 'ok' ELSE 'full' END;
    detail := format('%s of %s of max_worker_processes in use', used, slots);
    RETURN NEXT;
    SELECT count(*) AS n INTO r FROM specql.waiting_owners(false) AS w WHERE w.due_ms = 0;
    "check" := 'owners';
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'waiting' END;
    detail := format('%s of specql.owner_workers = %s run, %s roles wait for their turn', (SELECT count(*) FROM specql.owner_workers()),
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
    SELECT count(*) AS n, min(o.created_at) AS oldest INTO r FROM specql.outbox AS o;
    "check" := 'waiting deliveries';
    status := CASE WHEN r.oldest < clock_timestamp() - interval '5 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, the oldest since %s', r.n, r.oldest) END;
    RETURN NEXT;
    "check" := 'dead letters';
    SELECT count(*) AS n INTO r FROM specql.dead_letter;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s; see specql.dead_letters', r.n) END;
    RETURN NEXT;
    "check" := 'failures';
    SELECT count(*) AS n, count(*) FILTER (WHERE f.status = 'parked') AS parked INTO r FROM specql.failure AS f;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, of which %s parked; see specql.failures', r.n, r.parked) END;
    RETURN NEXT;
    -- Events of windows wait for older transactions no longer than this setting says.
    SELECT count(*) AS n, (array_agg(e.id ORDER BY e.id))[1] AS oldest INTO r FROM specql.window_event AS e
    WHERE e.at <= specql.clock();
    "check" := 'windows';
    status := CASE WHEN specql.uuid_time(r.oldest) < clock_timestamp() - specql.setting('window_patience')::interval
                        - interval '1 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'nothing waits to be counted' ELSE format('%s events wait to be counted', r.n) END;
    RETURN NEXT;
    "check" := 'drift';
    SELECT count(*) AS n INTO r FROM specql.drift();
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'all objects are as they were applied' ELSE format('%s; see specql.drift()', r.n) END;
    RETURN NEXT;
    "check" := 'escalations';
    SELECT count(*) AS n INTO r FROM specql.escalations;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'open' END;
    detail := CASE WHEN r.n = 0 THEN 'none open' ELSE format('%s open; see specql.escalations', r.n) END;
    RETURN NEXT;
    FOR r IN SELECT a.action, a.paused_at, (SELECT count(*) FROM specql.waiting_event AS w WHERE w.action = a.action) AS n
             FROM (SELECT s.action, min(s.paused_at) AS paused_at FROM specql.action AS s
                   WHERE s.paused_at IS NOT NULL GROUP BY s.action) AS a ORDER BY a.action LOOP
        "check" := 'action ' || r.action;
        status := 'paused';
        detail := format('since %s, %s events wait; SELECT specql.resume(%L)', r.paused_at, r.n, r.action);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT v.* FROM specql.services AS v WHERE v.status IN ('paused', 'disabled', 'undeclared') ORDER BY v.name LOOP
        "check" := 'service ' || r.name;
        status := r.status;
        detail := concat_ws(', ', r.reason, format('%s calls wait', r.waiting));
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

REVOKE ALL ON FUNCTION
    specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, oid),
    specql.drop_service(text, oid), specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text),
    specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(), specql.worker_pid(),
    specql.stop_worker(),
    specql.delivery_body(text, specql.outbox, integer), specql.notification(specql.outbox),
    specql.delivery_key(text, uuid, text, text, jsonb), specql.due_calls(text, integer, timestamptz, uuid), specql.is_copy(),
    specql.resume_deliveries(), specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[]),
    specql.call_processed(text, uuid[]), specql.finish_events(uuid[], text[]),
    specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]),
    specql.record_services(text[], integer[], integer[], bigint[], text[], text[]), specql.send_notifications(integer),
    specql.release_leases(integer), specql.first_uuid(timestamptz),
    specql.expire_deliveries(), specql.take(text, integer, interval),
    specql.ack(uuid[]), specql.nack(uuid, text, interval), specql.redrive(uuid), specql.redrive(text, timestamptz),
    specql.discard(uuid), specql.acknowledge(uuid), specql.deliver(integer), specql.drain(integer), specql.health()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text),
    specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(), specql.worker_pid(),
    specql.stop_worker(), specql.resume_deliveries(),
    specql.expire_deliveries(), specql.take(text, integer, interval), specql.ack(uuid[]), specql.nack(uuid, text, interval),
    specql.redrive(uuid), specql.redrive(text, timestamptz), specql.discard(uuid), specql.acknowledge(uuid), specql.drain(integer), specql.health()
TO specql_admin;
GRANT SELECT ON specql.services TO specql_admin;
