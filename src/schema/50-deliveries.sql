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
    owner specql.role NOT NULL,
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
    sent_to text[] NOT NULL DEFAULT '{}',
    signs_for text[] NOT NULL DEFAULT '{}',
    owner specql.role
);
REVOKE ALL ON specql.secret FROM PUBLIC;
COMMENT ON TABLE specql.secret IS 'Keys that services sign with, by name. Only its owner can read it, and dumps leave its rows out';
COMMENT ON COLUMN specql.secret.name IS 'As secret: of a service says';
COMMENT ON COLUMN specql.secret.value IS 'The key; whsec_... is base64, as Standard Webhooks writes it';
COMMENT ON COLUMN specql.secret.sent_to IS 'Services that get it as it is, in a header; a key that only signs is sent to nobody';
COMMENT ON COLUMN specql.secret.signs_for IS 'Services whose calls it signs; no other may use it';
COMMENT ON COLUMN specql.secret.owner IS
'The role that must own those services, itself or by a member; NULL: whoever has declared them';

CREATE FUNCTION specql.secret_for(name text, service text, service_owner specql.role, purpose text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT x.value FROM specql.secret AS x
    WHERE x.name = $1 AND $2 = ANY (CASE $4 WHEN 'sign' THEN x.signs_for ELSE x.sent_to END)
      AND (x.owner IS NULL OR specql.works_for(x.owner, $3))
$$;
COMMENT ON FUNCTION specql.secret_for(text, text, specql.role, text) IS
'The value of a secret that a service may use: to sign its calls, or to send it in a header; NULL if there is none';

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

-- Who lets whom have the payloads of his calls.
CREATE TABLE specql.service_share (
    service text NOT NULL,
    owner specql.role NOT NULL,
    role specql.role NOT NULL,
    PRIMARY KEY (service, owner, role)
);
REVOKE ALL ON specql.service_share FROM PUBLIC;
COMMENT ON TABLE specql.service_share IS 'Roles whose declaration of a service may take the calls of others: written by specql.share_service';
COMMENT ON COLUMN specql.service_share.service IS 'The service';
COMMENT ON COLUMN specql.service_share.owner IS 'Whose calls';
COMMENT ON COLUMN specql.service_share.role IS 'Who may declare the service and get them';
SELECT pg_catalog.pg_extension_config_dump('specql.service_share', '');

CREATE FUNCTION specql.may_take(service text, service_owner specql.role, call_owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.works_for(coalesce($3, (SELECT x.extowner::specql.role FROM pg_extension AS x WHERE x.extname = 'specql')), $2)
           OR EXISTS (SELECT FROM specql.service_share AS h WHERE h.service = $1 AND h.owner = $3 AND specql.works_for(h.role, $2))
$$;
COMMENT ON FUNCTION specql.may_take(text, specql.role, specql.role) IS
'May a service of this owner have the calls of that role: because it has its rights anyway, or by specql.share_service?';

-- Calls that a service might not take are looked at again.
CREATE FUNCTION specql.release_calls(service text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.wake_worker();
    UPDATE specql.outbox AS o SET status = 'waiting', available_at = clock_timestamp() WHERE o.service = $1 AND o.status = 'held';
$$;
COMMENT ON FUNCTION specql.release_calls(text) IS 'Makes held calls of a service wait again';

CREATE FUNCTION specql.share_service(name text, role name) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other oid := (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = share_service.role);
BEGIN
    IF other IS NULL THEN
        RAISE EXCEPTION 'role % does not exist', role USING ERRCODE = 'undefined_object';
    END IF;
    INSERT INTO specql.service_share VALUES (share_service.name, specql.viewer(), other) ON CONFLICT DO NOTHING;
    PERFORM specql.release_calls(name);
END $$;
COMMENT ON FUNCTION specql.share_service(text, name) IS
'Lets the service of this name that a role declares take the calls of your actions, and with them their payloads';

CREATE FUNCTION specql.unshare_service(name text, role name) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM specql.service_share AS h
        WHERE h.owner = specql.viewer() AND h.service = $1 AND h.role = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = $2) RETURNING 1)
    SELECT EXISTS (SELECT FROM gone)
$$;
COMMENT ON FUNCTION specql.unshare_service(text, name) IS
'Takes specql.share_service back: calls that have not left yet wait; false if there was nothing to take back';

CREATE FUNCTION specql.url_problem(url text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_url_problem';
COMMENT ON FUNCTION specql.url_problem(text) IS 'Why a url cannot be called; NULL if it can';

CREATE FUNCTION specql.is_header(name text, value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_is_header';
COMMENT ON FUNCTION specql.is_header(text, text) IS 'Can a call be sent with this header?';

-- The same limits as in specs. Whoever calls this by hand, or restores a row that nobody checked, learns what is wrong with it.
CREATE FUNCTION specql.check_service(s specql.service) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem text;
BEGIN
    problem := CASE
        WHEN s.name IS NULL OR octet_length(s.name) NOT BETWEEN 1 AND 255 THEN 'a name has 1 to 255 bytes'
        WHEN specql.url_problem(s.url) IS NOT NULL THEN 'the url cannot be called: ' || specql.url_problem(s.url)
        WHEN octet_length(s.url) > 8000 THEN 'a url has at most 8000 bytes'
        WHEN s.timeout IS NULL OR s.timeout NOT BETWEEN '1 ms' AND '10 min' THEN 'timeout must be from 1 ms to 10 min'
        WHEN s.retries IS NULL OR s.retries NOT BETWEEN 0 AND 100 THEN 'retries must be from 0 to 100'
        WHEN s.backoff IS NULL OR s.backoff NOT BETWEEN '1 ms' AND '1 hour' THEN 'backoff must be from 1 ms to 1 hour'
        WHEN s.format IS NULL OR s.format NOT IN ('cloudevents', 'hasura', 'supabase', 'plain')
            THEN 'format must be cloudevents, hasura, supabase or plain'
        WHEN s.on_failure IS NULL OR s.on_failure NOT IN ('block', 'skip') THEN 'on_failure must be block or skip'
        WHEN octet_length(s.ordering) NOT BETWEEN 1 AND 255 THEN 'ordering must be a key of the payload'
        WHEN s.retry_on IS NULL OR array_position(s.retry_on, NULL) IS NOT NULL
             OR EXISTS (SELECT FROM unnest(s.retry_on) AS u(status) WHERE u.status NOT BETWEEN 400 AND 499 OR u.status = 410)
            THEN 'retry_on must list answers from 400 to 499, without 410'
        WHEN s.secrets IS NULL OR array_position(s.secrets, NULL) IS NOT NULL OR cardinality(s.secrets) > 10
             OR EXISTS (SELECT FROM unnest(s.secrets) AS u(secret)
                        WHERE octet_length(u.secret) NOT BETWEEN 1 AND 1000 OR NOT specql.is_header('x', u.secret))
            THEN 'secrets must be at most ten names of keys'
        WHEN jsonb_typeof(s.headers) IS DISTINCT FROM 'object' THEN 'headers must be an object of texts'
        WHEN octet_length(s.headers::text) > 32000 THEN 'headers have at most 32000 bytes'
        WHEN jsonb_typeof(s.operations) IS DISTINCT FROM 'object' THEN 'operations must be an object of objects'
        WHEN octet_length(s.operations::text) > 1000000 THEN 'operations have at most 1000000 bytes' END;
    IF problem IS NULL THEN
        SELECT CASE
            WHEN jsonb_typeof(h.value) <> 'string' THEN format('the header %s must be a text', h.key)
            WHEN lower(h.key) IN ('host', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'expect',
                                  'webhook-id', 'webhook-timestamp', 'webhook-signature') THEN format('the header %s is set with each call', h.key)
            WHEN NOT specql.is_header(h.key, h.value #>> '{}') THEN format('the header %s cannot be sent', to_json(h.key)) END AS found
        INTO problem FROM jsonb_each(s.headers) AS h(key, value) ORDER BY 1 NULLS LAST LIMIT 1;
    END IF;
    IF problem IS NULL THEN
        SELECT format('operation %s: ', o.key) || CASE
            WHEN octet_length(o.key) > 255 THEN 'a name has at most 255 bytes'
            WHEN jsonb_typeof(o.value) <> 'object' THEN 'it must be an object'
            WHEN NOT o.keys <@ '{path,method,timeout,retries}' THEN 'it has path, method, timeout and retries'
            WHEN EXISTS (SELECT FROM jsonb_each(o.value) AS e(key, value) WHERE jsonb_typeof(e.value) NOT IN ('string', 'number'))
                THEN 'path, method, timeout and retries are texts'
            WHEN o.value ->> 'path' NOT LIKE '/%' OR specql.url_problem('http://host' || (o.value ->> 'path')) IS NOT NULL
                THEN 'its path must begin with / and hold no space, control character or fragment'
            WHEN o.value ->> 'method' NOT IN ('POST', 'PUT', 'PATCH', 'DELETE', 'GET') THEN 'its method must be POST, PUT, PATCH, DELETE or GET'
            WHEN o.value ->> 'retries' !~ '^([0-9]{1,2}|100)$' THEN 'its retries must be from 0 to 100'
            END AS found
        INTO problem
        FROM (SELECT e.key, e.value, CASE WHEN jsonb_typeof(e.value) = 'object' THEN ARRAY(SELECT jsonb_object_keys(e.value)) END AS keys
              FROM jsonb_each(s.operations) AS e(key, value)) AS o ORDER BY 1 NULLS LAST LIMIT 1;
    END IF;
    IF problem IS NULL THEN
        DECLARE
            o record;
        BEGIN
            FOR o IN SELECT e.key, e.value ->> 'timeout' AS timeout FROM jsonb_each(s.operations) AS e(key, value) WHERE e.value ? 'timeout' LOOP
                IF o.timeout::interval NOT BETWEEN '1 ms' AND '10 min' THEN
                    problem := format('operation %s: its timeout must be from 1 ms to 10 min', o.key);
                END IF;
            END LOOP;
        EXCEPTION WHEN data_exception THEN
            problem := format('operation %s: its timeout must be an interval', o.key);
        END;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'service %: %', coalesce(left(s.name, 255), 'NULL'), problem
            USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT specql.help(''services'') shows what a service may say.';
    END IF;
END $$;
COMMENT ON FUNCTION specql.check_service(specql.service) IS 'An error that says what is wrong with the declaration of a service, if anything is';

CREATE FUNCTION specql.write_service(name text, url text, timeout interval, retries integer, backoff interval, headers jsonb,
    secrets text[], format text, ordering text, on_failure text, retry_on integer[], operations jsonb, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    old_owner specql.role;
BEGIN
    s := (write_service.name, url, coalesce(timeout, '10 s'), coalesce(retries, 8), coalesce(backoff, '1 s'), coalesce(headers, '{}'),
          coalesce(secrets, '{}'), coalesce(format, 'cloudevents'), ordering, coalesce(on_failure, 'block'), coalesce(retry_on, '{}'),
          coalesce(operations, '{}'), caller::specql.role, NULL, 0, 0, NULL, NULL);
    PERFORM specql.check_service(s);
    SELECT v.owner INTO old_owner FROM specql.service AS v WHERE v.name = s.name;
    IF FOUND THEN
        PERFORM specql.require_owner('service ' || s.name, old_owner, caller);
        IF EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = old_owner) THEN
            s.owner := old_owner;
        END IF;
    END IF;
    INSERT INTO specql.service AS v SELECT s.*
    ON CONFLICT (name) DO UPDATE
    SET url = excluded.url, timeout = excluded.timeout, retries = excluded.retries, backoff = excluded.backoff,
        headers = excluded.headers, secrets = excluded.secrets, format = excluded.format, ordering = excluded.ordering,
        on_failure = excluded.on_failure, retry_on = excluded.retry_on, operations = excluded.operations,
        owner = excluded.owner, disabled = NULL, failures = 0, pauses = 0, paused_until = NULL
    WHERE v.owner = coalesce(old_owner, excluded.owner);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'service % was declared by somebody else at the same time', s.name USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM specql.release_calls(s.name);
END $$;
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
    SELECT specql.release_calls($1);
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
    SELECT specql.release_calls($1);
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
    SELECT coalesce(CASE WHEN octet_length(n.message) <= 7900 THEN n.message END, jsonb_build_object('ref', d.id, 'truncated', true)::text)
    -- A payload of so many bytes is longer as a text: it need not be written to know that.
    FROM (SELECT CASE WHEN specql.payload_size(d.payload) + octet_length(d.message) < 100000 THEN jsonb_strip_nulls(jsonb_build_object('id', d.id, 'message', d.message, 'type', d.type,
                     'subject', d.aggregateid, 'event_id', d.event_id, 'created_at', d.created_at,
                     'severity', d.severity, 'acknowledge', CASE WHEN d.kind = 'escalation' THEN true END))
                 || jsonb_build_object('data', d.payload) END AS body) AS b,
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
-- lie before it in the index. Who gives them must begin anew now and then: a transaction may commit late. `due_by`: what
-- was not due then is not taken.
CREATE FUNCTION specql.due_calls(service text, max_items integer, after_at timestamptz DEFAULT NULL, after_id uuid DEFAULT NULL,
    due_by timestamptz DEFAULT NULL, OUT ids uuid[], OUT due_at timestamptz[], OUT sizes bigint[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    s record;
    due_until timestamptz := least(clock_timestamp(), due_by);
    wanted integer := max_items;
    owners oid[];
    strangers boolean;
    held uuid[];
    seen integer := 1000;
    found_rows bigint;
BEGIN
    SELECT v.owner, v.ordering, v.on_failure INTO s FROM specql.service AS v WHERE v.name = due_calls.service;
    -- What its service may not take is put aside, a thousand at once, so that it is not looked at with each claim.
    FOR round IN 1..20 LOOP
        IF s.ordering IS NULL THEN
            SELECT array_agg(d.id), array_agg(d.available_at), array_agg(d.size), array_agg(d.owner), bool_or(d.owner IS DISTINCT FROM s.owner::oid)
            INTO ids, due_at, sizes, owners, strangers
            FROM (SELECT o.id, o.available_at, specql.payload_size(o.payload) AS size, o.owner::oid AS owner FROM specql.outbox AS o
                  WHERE o.service = due_calls.service AND o.available_at <= due_until
                    AND (o.available_at, o.id) > (coalesce(after_at, '-infinity'), coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
                  ORDER BY o.available_at, o.id LIMIT wanted FOR UPDATE SKIP LOCKED) AS d;
        ELSE
            -- The first of each key among the oldest; if all of those wait, among twice as many.
            LOOP
                SELECT array_agg(d.id), array_agg(d.available_at), array_agg(d.size), array_agg(d.owner), bool_or(d.owner IS DISTINCT FROM s.owner::oid)
                INTO ids, due_at, sizes, owners, strangers
                FROM (
                    WITH oldest AS (
                        SELECT o.id, o.available_at, o.status, o.attempts,
                               specql.delivery_key(s.ordering, o.id, o.aggregatetype, o.aggregateid, o.payload) AS key
                        FROM specql.outbox AS o WHERE o.service = due_calls.service AND o.status <> 'held' ORDER BY o.id LIMIT seen),
                    heads AS (
                        SELECT DISTINCT ON (w.key) w.id, w.key FROM oldest AS w
                        WHERE s.on_failure = 'block'
                           OR NOT (w.status = 'waiting' AND w.attempts > 0 AND w.available_at > clock_timestamp())
                        ORDER BY w.key, w.id)
                    SELECT o.id, o.available_at, specql.payload_size(o.payload) AS size, o.owner::oid AS owner
                    FROM heads AS h JOIN specql.outbox AS o ON o.id = h.id
                    WHERE o.available_at <= due_until
                      AND (s.on_failure = 'skip' OR NOT EXISTS (
                          SELECT FROM specql.dead_letter AS d
                          WHERE d.service = due_calls.service AND d.id < h.id AND specql.may_take(due_calls.service, s.owner, d.owner)
                            AND specql.delivery_key(s.ordering, d.id, d.aggregatetype, d.aggregateid, d.payload) = h.key))
                    ORDER BY o.id LIMIT wanted FOR UPDATE OF o SKIP LOCKED) AS d;
                EXIT WHEN ids IS NOT NULL;
                SELECT count(*) INTO found_rows FROM (
                    SELECT FROM specql.outbox AS o WHERE o.service = due_calls.service LIMIT seen + 1) AS o;
                EXIT WHEN found_rows <= seen;
                seen := seen * 2;
            END LOOP;
        END IF;
        EXIT WHEN strangers IS NOT TRUE;
        held := ARRAY(SELECT u.id FROM unnest(ids, owners) AS u(id, owner)
                      WHERE u.owner IS DISTINCT FROM s.owner::oid AND NOT specql.may_take(due_calls.service, s.owner, u.owner::specql.role));
        EXIT WHEN held = '{}';
        UPDATE specql.outbox AS o
        SET status = 'held', available_at = clock_timestamp() + interval '1 day',
            last_error = format('%s has not let %s have its calls: specql.share_service(%L, %L)',
                                coalesce(o.owner::text, 'the owner of the extension'), s.owner, o.service, s.owner)
        WHERE o.id = ANY (held);
        SELECT array_agg(u.id), array_agg(u.at), array_agg(u.size) INTO ids, due_at, sizes
        FROM unnest(ids, due_at, sizes) AS u(id, at, size) WHERE u.id <> ALL (held);
        EXIT WHEN ids IS NOT NULL;
        wanted := greatest(max_items, 1000);
    END LOOP;
    ids := coalesce(ids[:max_items], '{}');
END $$;
COMMENT ON FUNCTION specql.due_calls(text, integer, timestamptz, uuid, timestamptz) IS
'Calls of a service that may leave now, when they were due, and the sizes of their payloads; locked for this transaction; with ordering, at most the first of each key';

-- A payload that no setting lets leave (see settings.hpp) is not copied.
CREATE FUNCTION specql.bury(id uuid, reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM specql.outbox AS o WHERE o.id = $1 RETURNING o.*)
    INSERT INTO specql.dead_letter
    SELECT g.id, g.aggregatetype, g.aggregateid, g.type,
           CASE WHEN specql.payload_size(g.payload) > 100 * 1024 * 1024
                THEN jsonb_build_object('specql.omitted_bytes', specql.payload_size(g.payload)) ELSE g.payload END,
           g.kind, g.service, g.operation, g.channel, g.message,
           g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, concat_ws('; before: ', $2, g.last_error), g.created_at,
           g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), NULL, NULL, g.owner
    FROM gone AS g
$$;
COMMENT ON FUNCTION specql.bury(uuid, text) IS 'Makes a waiting delivery a dead letter';

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
    SELECT specql.require_database_owner('the place that deliveries leave from');
    SELECT specql.wake_worker();
    DELETE FROM specql.installation;
    INSERT INTO specql.installation
    SELECT c.system_identifier, d.oid FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database();
$$;
COMMENT ON FUNCTION specql.resume_deliveries() IS 'Makes a restored or cloned database deliver, from now on; for the owner of the database';

-- `place`: of the worker, by which the next one there knows what it leased. `probe_after`: after so many failures in a row, one call at a time until one succeeds. `busy` and `busy_calls`: how many
-- calls of which service this worker has not reported back yet. `reached`, `reached_at`, `reached_id`: up to where services
-- have been claimed. `max_bytes`: of payloads that have at most `large_bytes`; one that has more only if `takes_large`.
-- `one_service`: of no other.
CREATE FUNCTION specql.claim_calls(place integer, max_items integer, per_service integer, probe_after integer, busy text[], busy_calls integer[],
    reached text[], reached_at timestamptz[], reached_id uuid[], max_bytes bigint, large_bytes bigint, takes_large boolean,
    due_by timestamptz, one_service text)
RETURNS TABLE (id uuid, service text, url text, method text, headers text[], body text, timeout_ms integer, attempt integer,
    max_attempts integer, backoff_ms bigint, retry_on integer[], secrets text[], failures integer, pauses integer, due_at timestamptz)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    room integer;
    due record;
    size bigint;
    fitting integer;
    lease interval;
    leased_rows integer;
    left_items integer := max_items;
    left_bytes bigint := max_bytes;
    most_bytes bigint := pg_size_bytes(specql.setting('max_payload_size'));
BEGIN
    IF specql.is_copy() THEN
        RETURN;
    END IF;
    FOR s IN SELECT v.* FROM specql.service AS v
             WHERE v.url IS NOT NULL AND v.disabled IS NULL AND (v.paused_until IS NULL OR v.paused_until <= clock_timestamp())
               AND (one_service IS NULL OR v.name = one_service)
               -- A session sends what is its user's.
               AND (place > 0 OR specql.works_for(v.owner, specql.viewer()))
             ORDER BY random() LOOP
        room := least(left_items, CASE WHEN s.failures >= probe_after THEN 1 ELSE per_service END
                                  - coalesce(busy_calls[array_position(busy, s.name)], 0));
        CONTINUE WHEN room <= 0;
        SELECT * INTO due FROM specql.due_calls(s.name, room, reached_at[array_position(reached, s.name)],
                                                reached_id[array_position(reached, s.name)], due_by);
        CONTINUE WHEN due.ids = '{}';
        fitting := 0;
        FOR i IN 1..cardinality(due.ids) LOOP
            size := due.sizes[i];
            IF size > most_bytes THEN
                -- Not written out to find that it cannot be: that would take as long as all others together.
                PERFORM specql.bury(due.ids[i], format('the delivery has %s kB, specql.max_payload_size is %s kB',
                                                       (size + 1023) / 1024, most_bytes / 1024));
            ELSIF size > large_bytes THEN
                EXIT WHEN NOT takes_large;
                takes_large := false;
            ELSE
                EXIT WHEN size > left_bytes;
                left_bytes := left_bytes - size;
            END IF;
            fitting := i;
        END LOOP;
        CONTINUE WHEN fitting = 0;
        left_items := left_items - fitting;
        -- Longer than any of its calls can take.
        lease := greatest(interval '1 min', interval '30 s' + 2 * greatest(
            s.timeout, (SELECT max((e.value ->> 'timeout')::interval) FROM jsonb_each(s.operations) AS e(key, value))));
        RETURN QUERY
            WITH leased AS (
                UPDATE specql.outbox AS o
                SET status = 'leased', attempts = o.attempts + 1, leased_by = 'worker ' || place,
                    leased_until = clock_timestamp() + lease, available_at = clock_timestamp() + lease
                FROM unnest(due.ids[:fitting], due.due_at[:fitting]) AS d(id, due_at)
                WHERE o.id = d.id AND o.attempts < 1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries)
                RETURNING o AS item, d.due_at, coalesce(s.operations -> o.operation, '{}') AS operation)
            SELECT (l.item).id, s.name,
                   CASE WHEN l.operation ->> 'path' IS NULL THEN s.url
                        ELSE rtrim(s.url, '/') || '/' || ltrim(l.operation ->> 'path', '/') END,
                   coalesce(l.operation ->> 'method', 'POST'),
                   -- What is to be filled in follows the mark, a character that no header has.
                   ARRAY(SELECT h.key || ': ' || CASE
                             WHEN h.value ~ '(^| )secret:[^ ]+$' THEN regexp_replace(h.value, '[^ ]+$', E'\x01')
                                 || coalesce('key:' || specql.secret_for(substring(h.value FROM 'secret:([^ ]+)$'), s.name, s.owner, 'send'),
                                             'missing:' || substring(h.value FROM 'secret:([^ ]+)$') || ' that may be sent to ' || s.name)
                             ELSE h.value END
                         FROM jsonb_each_text(s.headers) AS h)
                   || CASE s.format WHEN 'cloudevents' THEN 'Content-Type: application/cloudevents+json; charset=utf-8'
                                    ELSE 'Content-Type: application/json; charset=utf-8' END::text,
                   specql.delivery_body(s.format, l.item, coalesce((l.operation ->> 'retries')::integer, s.retries)),
                   (extract(epoch FROM coalesce((l.operation ->> 'timeout')::interval, s.timeout)) * 1000)::integer, (l.item).attempts,
                   1 + coalesce((l.operation ->> 'retries')::integer, s.retries),
                   (extract(epoch FROM s.backoff) * 1000)::bigint, s.retry_on,
                   -- A stored key goes along as it is, others by their name.
                   ARRAY(SELECT CASE WHEN k LIKE 'env:%' OR k LIKE 'file:%' THEN k
                                     ELSE coalesce('key:' || specql.secret_for(k, s.name, s.owner, 'sign'),
                                                   'missing:' || k || ' that may sign for ' || s.name) END
                         FROM unnest(s.secrets) WITH ORDINALITY AS u(k, place) ORDER BY place),
                   s.failures, s.pauses, l.due_at
            FROM leased AS l;
        GET DIAGNOSTICS leased_rows = ROW_COUNT;
        IF leased_rows < fitting THEN
            -- The last attempt did not report back: the worker died of it, or with it.
            PERFORM specql.bury(d.id, 'the last attempt never came back')
            FROM unnest(due.ids[:fitting]) AS d(id) JOIN specql.outbox AS o ON o.id = d.id
            WHERE o.attempts >= 1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries) AND o.available_at <= clock_timestamp();
        END IF;
        EXIT WHEN left_items <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[], bigint, bigint, boolean, timestamptz, text) IS
'Leases calls that may leave now and counts the attempt; commit before sending. For the worker';

-- What makes the claims of a service fail: the service itself, whose calls wait until it is declared anew; some of its
-- calls, which are dead letters then; or something that is not known, and may pass.
CREATE FUNCTION specql.set_aside(service text, reason text, due_by timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s specql.service;
    d specql.outbox;
    due uuid[];
    problem text;
    buried integer := 0;
BEGIN
    SELECT v.* INTO s FROM specql.service AS v WHERE v.name = set_aside.service;
    BEGIN
        PERFORM specql.check_service(s);
    EXCEPTION WHEN OTHERS THEN
        problem := SQLERRM;
    END;
    IF problem IS NOT NULL THEN
        UPDATE specql.service AS v SET disabled = problem WHERE v.name = set_aside.service;
        RETURN;
    END IF;
    SELECT c.ids INTO due FROM specql.due_calls(set_aside.service, 100, due_by => set_aside.due_by) AS c;
    FOR d IN SELECT o.* FROM specql.outbox AS o WHERE o.id = ANY (due) ORDER BY o.id LOOP
        problem := NULL;
        BEGIN
            PERFORM length(specql.delivery_body(s.format, d, s.retries));
        EXCEPTION WHEN OTHERS THEN
            problem := SQLERRM;
        END;
        IF problem IS NOT NULL THEN
            PERFORM specql.bury(d.id, 'its body cannot be written: ' || problem);
            buried := buried + 1;
        END IF;
    END LOOP;
    IF buried = 0 THEN
        UPDATE specql.service AS v SET paused_until = clock_timestamp() + interval '1 min', last_error = reason
        WHERE v.name = set_aside.service;
    END IF;
END $$;
COMMENT ON FUNCTION specql.set_aside(text, text, timestamptz) IS
'Takes out of the way what makes the claims of a service fail, so that it fails alone. For the worker';

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
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response, g.owner
        FROM gone AS g WHERE g.verdict = 'done'),
    buried AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response, g.owner
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
CREATE FUNCTION specql.notify_all(due uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    d specql.outbox;
    ids uuid[] := '{}';
    verdicts text[] := '{}';
    errors text[] := '{}';
    pauses bigint[] := '{}';
BEGIN
    FOR d IN SELECT o.* FROM specql.outbox AS o WHERE o.id = ANY (due) ORDER BY o.available_at, o.id LOOP
        ids := ids || d.id;
        pauses := pauses || (extract(epoch FROM greatest('100 ms', least(d.repeat_after, '366 days'))) * 1000)::bigint;
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
    UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = ANY (ids);
    PERFORM specql.record_results(ids, verdicts, pauses, errors, NULL, NULL);
END $$;
COMMENT ON FUNCTION specql.notify_all(uuid[]) IS 'What specql.send_notifications does, for these';

-- `one_by_one`: each in a subtransaction, for when one of them makes all fail.
CREATE FUNCTION specql.send_notifications(max_items integer, due_by timestamptz, one_by_one boolean) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    due_until timestamptz := least(clock_timestamp(), due_by);
    visible constant text[] := specql.visible_actions();
    due uuid[];
    one uuid;
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    due := ARRAY(SELECT o.id FROM specql.outbox AS o WHERE o.service IS NULL AND o.available_at <= due_until
                   AND (visible IS NULL OR o.action IS NULL OR o.action = ANY (visible))
                 ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED);
    -- Whoever listens and does not read fills the server's queue, and a commit that finds it full fails.
    IF due = '{}' OR pg_notification_queue_usage() > 0.9 THEN
        RETURN 0;
    END IF;
    IF NOT one_by_one THEN
        PERFORM specql.notify_all(due);
        RETURN cardinality(due);
    END IF;
    FOREACH one IN ARRAY due LOOP
        BEGIN
            PERFORM specql.notify_all(ARRAY[one]);
        EXCEPTION WHEN OTHERS THEN
            PERFORM specql.bury(one, 'it cannot be sent: ' || SQLERRM);
        END;
    END LOOP;
    RETURN cardinality(due);
END $$;
COMMENT ON FUNCTION specql.send_notifications(integer, timestamptz, boolean) IS 'Sends notifications that are due, by NOTIFY; how many. For the worker';

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

-- Who may say what becomes of a delivery: whose it is.
CREATE FUNCTION specql.may_handle(action text, owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 IS NOT NULL THEN specql.sees($1)
                ELSE specql.works_for(coalesce($2, (SELECT x.extowner::specql.role FROM pg_extension AS x WHERE x.extname = 'specql')), specql.viewer()) END
$$;
COMMENT ON FUNCTION specql.may_handle(text, specql.role) IS
'May the user of this session look after a delivery, by its action or, if it has none, by who queued it?';

-- And of one that is taken: whoever owns its service.
CREATE FUNCTION specql.require_taker(service text, action text, owner specql.role) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM specql.service AS s WHERE s.name = service) THEN
        PERFORM specql.require_service(service);
    ELSIF NOT specql.may_handle(action, owner) THEN
        RAISE EXCEPTION 'the delivery belongs to %', coalesce(owner::text, 'the owner of the extension')
            USING ERRCODE = 'SQ101', HINT = 'Let that role do it, or become a member of it.';
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_taker(text, text, specql.role) IS 'An error unless the user of this session may take, and be done with, such a delivery';

CREATE FUNCTION specql.take(service text, n integer DEFAULT 1, lease interval DEFAULT '30 s') RETURNS SETOF specql.deliveries
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    until timestamptz;
BEGIN
    IF NOT EXISTS (SELECT FROM specql.service AS s WHERE s.name = take.service) THEN
        RAISE EXCEPTION 'no spec declares service %, so nobody may take its calls', take.service
            USING ERRCODE = 'SQ101', HINT = format('SELECT * FROM specql.apply(%L)', 'service: ' || take.service);
    END IF;
    PERFORM specql.require_service(take.service);
    IF lease IS NULL OR lease NOT BETWEEN '1 ms' AND '1 day' THEN
        RAISE EXCEPTION 'the lease must be from 1 ms to 1 day' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    until := clock_timestamp() + lease;
    RETURN QUERY
        WITH taken AS (
            UPDATE specql.outbox AS o
            SET status = 'leased', attempts = o.attempts + 1, leased_by = session_user, leased_until = until, available_at = until
            WHERE o.id = ANY (ARRAY(SELECT unnest(d.ids) FROM specql.due_calls(take.service, greatest(n, 0)) AS d))
            RETURNING o.*)
        SELECT o.id, o.kind, o.service, o.operation, o.channel, o.message, o.payload, o.event_id, o.type, o.action,
               o.aggregatetype, o.aggregateid, o.status, o.attempts, o.available_at, o.leased_until, o.last_error, o.created_at,
               NULL::timestamptz, NULL::integer, NULL::text
        FROM taken AS o ORDER BY o.id;
END $$;
COMMENT ON FUNCTION specql.take(text, integer, interval) IS
'Leases up to n waiting calls of a service to the caller, who says specql.ack(id) or specql.nack(id) before the lease ends, else others get them';

-- Variadic: ack(id) for one, ack(VARIADIC ids) for many at the price of a few.
CREATE FUNCTION specql.ack(VARIADIC ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    found_ids uuid[];
    services text[];
    actions text[];
    owners oid[];
BEGIN
    SELECT array_agg(d.id), array_agg(d.service), array_agg(d.action), array_agg(d.owner) INTO found_ids, services, actions, owners
    FROM (SELECT o.id, o.service, o.action, o.owner::oid AS owner FROM specql.outbox AS o WHERE o.id = ANY (ack.ids) ORDER BY o.id FOR UPDATE) AS d;
    IF found_ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM specql.require_taker(d.service, d.action, d.owner::specql.role)
    FROM (SELECT DISTINCT u.service, u.action, u.owner FROM unnest(services, actions, owners) AS u(service, action, owner)) AS d;
    PERFORM specql.record_results(found_ids, array_fill('done'::text, ARRAY[cardinality(found_ids)]), NULL, NULL, NULL, NULL);
    -- What is not the caller's is for a worker.
    PERFORM specql.tell_finished(actions);
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
    IF retry_in NOT BETWEEN '0' AND '366 days' THEN
        RAISE EXCEPTION 'retry_in must be from 0 to 366 days' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT o.service, o.action, o.owner, o.attempts, o.operation, s.operations, s.retries, coalesce(s.backoff, '1 s') AS backoff
    INTO d FROM specql.outbox AS o LEFT JOIN specql.service AS s ON s.name = o.service WHERE o.id = nack.id FOR UPDATE OF o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM specql.require_taker(d.service, d.action, d.owner);
    pause := coalesce(retry_in, random() * least(d.backoff * 2 ^ least(d.attempts - 1, 20), interval '1 hour'));
    PERFORM specql.record_results(ARRAY[nack.id],
        ARRAY[CASE WHEN d.attempts < 1 + coalesce((d.operations -> d.operation ->> 'retries')::integer, d.retries, 8) THEN 'retry' ELSE 'dead' END],
        ARRAY[(extract(epoch FROM pause) * 1000)::bigint], ARRAY[left(nack.error, 10000)], NULL, NULL);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.nack(uuid, text, interval) IS
'A taken call failed: it is due again after retry_in (default: the backoff of its service), or a dead letter when its attempts are used up';

-- ---- dead letters ----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.is_too_large(d specql.dead_letter) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.payload_size(d.payload) + coalesce(octet_length(d.message), 0)
               > pg_size_bytes(specql.setting('max_payload_size'))
           OR specql.payload_size(d.payload) < 100 AND d.payload ? 'specql.omitted_bytes'
$$;
COMMENT ON FUNCTION specql.is_too_large(specql.dead_letter) IS 'Is a dead letter larger than specql.max_payload_size, or without its payload for that reason?';

CREATE FUNCTION specql.redrive(id uuid) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r specql.dead_letter;
BEGIN
    SELECT d.* INTO r FROM specql.dead_letter AS d WHERE d.id = redrive.id AND specql.may_handle(d.action, d.owner) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF specql.is_too_large(r) THEN
        RAISE EXCEPTION 'the delivery is too large for specql.max_payload_size' USING ERRCODE = 'program_limit_exceeded',
            HINT = CASE WHEN r.payload ? 'specql.omitted_bytes'
                        THEN 'Its payload was not kept. specql.replay(..., deliver => true) queues what the handler queues for its event today.'
                        ELSE 'Let a superuser raise the setting, or specql.discard(id) the delivery.' END;
    END IF;
    PERFORM specql.wake_worker();
    DELETE FROM specql.dead_letter AS d WHERE d.id = redrive.id;
    INSERT INTO specql.outbox
    SELECT r.id, r.aggregatetype, r.aggregateid, r.type, r.payload, r.kind, r.service, r.operation, r.channel, r.message,
           r.event_id, r.action, 'waiting', 0, clock_timestamp(), NULL, r.last_error, r.created_at,
           r.acknowledged_at, r.acknowledged_by, r.severity, r.repeat_after, NULL, r.owner;
    RETURN 1;
END $$;
COMMENT ON FUNCTION specql.redrive(uuid) IS 'Queues a dead letter again, with all its attempts; 0 if there is none with this id';

-- A literal of unknown type means this one, so that it must also understand an id.
CREATE FUNCTION specql.redrive(service text, since timestamptz DEFAULT NULL) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(specql.redrive(d.id)), 0)::integer
    FROM (SELECT l.id FROM specql.dead_letter AS l
          WHERE (l.id::text = $1 OR l.service = $1 AND NOT specql.is_too_large(l)) AND ($2 IS NULL OR l.finished_at >= $2) ORDER BY l.id) AS d
$$;
COMMENT ON FUNCTION specql.redrive(text, timestamptz) IS
'Queues all dead letters of a service again, or those that died since, but those that are too large; how many';

CREATE FUNCTION specql.discard(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.wake_worker();
    WITH gone AS (DELETE FROM specql.dead_letter AS d WHERE d.id = discard.id AND specql.may_handle(d.action, d.owner) RETURNING d.*)
    INSERT INTO specql.delivery_history
    SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
           g.event_id, g.action, 'discarded', g.attempts, g.available_at, NULL, g.last_error, g.created_at,
           g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response, g.owner
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
    WHERE o.id = acknowledge.id AND specql.may_handle(o.action, o.owner) AND o.kind = 'escalation' AND o.acknowledged_at IS NULL RETURNING o.attempts INTO sent;
    IF FOUND THEN
        -- One that was never sent still is, once; one that would be repeated is done.
        IF sent > 0 THEN
            PERFORM specql.record_results(ARRAY[acknowledge.id], '{done}', NULL, NULL, NULL, NULL);
        END IF;
        RETURN true;
    END IF;
    UPDATE specql.delivery_history AS h SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE h.id = acknowledge.id AND specql.may_handle(h.action, h.owner) AND h.kind = 'escalation' AND h.acknowledged_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE specql.dead_letter AS d SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE d.id = acknowledge.id AND specql.may_handle(d.action, d.owner) AND d.kind = 'escalation' AND d.acknowledged_at IS NULL;
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
           coalesce(s.disabled, CASE WHEN s.failures > 0 OR s.paused_until > clock_timestamp() THEN s.last_error END,
                    (SELECT o.last_error FROM specql.outbox AS o WHERE o.service = s.name AND o.status = 'held' LIMIT 1)) AS reason, s.paused_until,
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
    SELECT count(*) AS n INTO r FROM specql.every_escalation;
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
    specql.delivery_key(text, uuid, text, text, jsonb), specql.due_calls(text, integer, timestamptz, uuid, timestamptz), specql.is_copy(),
    specql.resume_deliveries(), specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[], bigint, bigint, boolean, timestamptz, text),
    specql.secret_for(text, text, specql.role, text), specql.may_take(text, specql.role, specql.role), specql.release_calls(text),
    specql.share_service(text, name), specql.unshare_service(text, name), specql.url_problem(text), specql.is_header(text, text),
    specql.check_service(specql.service), specql.bury(uuid, text), specql.set_aside(text, text, timestamptz), specql.notify_all(uuid[]),
    specql.may_handle(text, specql.role), specql.require_taker(text, text, specql.role), specql.is_too_large(specql.dead_letter),
    specql.call_processed(text, uuid[]), specql.finish_events(uuid[], text[]),
    specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]),
    specql.record_services(text[], integer[], integer[], bigint[], text[], text[]), specql.send_notifications(integer, timestamptz, boolean),
    specql.release_leases(integer), specql.first_uuid(timestamptz),
    specql.expire_deliveries(), specql.take(text, integer, interval),
    specql.ack(uuid[]), specql.nack(uuid, text, interval), specql.redrive(uuid), specql.redrive(text, timestamptz),
    specql.discard(uuid), specql.acknowledge(uuid), specql.deliver(integer), specql.drain(integer), specql.health()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb),
    specql.unregister_service(text), specql.share_service(text, name), specql.unshare_service(text, name),
    specql.pause_service(text, text), specql.resume_service(text),
    specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(), specql.worker_pid(),
    specql.stop_worker(), specql.resume_deliveries(),
    specql.expire_deliveries(), specql.take(text, integer, interval), specql.ack(uuid[]), specql.nack(uuid, text, interval),
    specql.redrive(uuid), specql.redrive(text, timestamptz), specql.discard(uuid), specql.acknowledge(uuid), specql.drain(integer), specql.health()
TO specql_admin;
GRANT SELECT ON specql.services TO specql_admin;
