-- Services: where calls go and how, who declared them, and switching them off and on.

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
    last_error text,
    numbers text NOT NULL DEFAULT 'json' CHECK (numbers IN ('json', 'text')),
    options jsonb NOT NULL DEFAULT '{}'
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
COMMENT ON COLUMN specql.service.operations IS 'By operation: path, method, query, headers, body, timeout, retries and further keys';
COMMENT ON COLUMN specql.service.owner IS 'The role that declared it; others may call it, but not change it, nor take its calls';
COMMENT ON COLUMN specql.service.disabled IS 'Why it is not called: the receiver said 410, or specql.pause_service; NULL if it is';
COMMENT ON COLUMN specql.service.failures IS 'Failed calls in a row';
COMMENT ON COLUMN specql.service.pauses IS 'How often in a row the circuit breaker has opened';
COMMENT ON COLUMN specql.service.paused_until IS 'The circuit breaker is open until then';
COMMENT ON COLUMN specql.service.last_error IS 'Of the last call that failed';
COMMENT ON COLUMN specql.service.numbers IS 'How those of the payload are sent: json, or text for receivers that lose their digits';
COMMENT ON COLUMN specql.service.options IS 'Further keys, as specql.option_problem knows them';
SELECT pg_catalog.pg_extension_config_dump('specql.service', '');
CREATE TRIGGER tell_of_service AFTER UPDATE OF disabled ON specql.service
    FOR EACH ROW WHEN ((OLD.disabled IS NULL) <> (NEW.disabled IS NULL)) EXECUTE FUNCTION specql.tell_of_service();
COMMENT ON TRIGGER tell_of_service ON specql.service IS 'Raises specql.service_disabled and specql.service_resumed';

CREATE FUNCTION specql.url_problem(url text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_url_problem';
COMMENT ON FUNCTION specql.url_problem(text) IS 'Why a url cannot be called; NULL if it can';

CREATE FUNCTION specql.is_header(name text, value text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_is_header';
COMMENT ON FUNCTION specql.is_header(text, text) IS 'Can a call be sent with this header?';

CREATE FUNCTION specql.template_problem(template text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_template_problem';
COMMENT ON FUNCTION specql.template_problem(text) IS 'Why a text cannot be filled in with keys of a payload; NULL if it can';

CREATE FUNCTION specql.header_problem(name text, value jsonb, is_template boolean) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN jsonb_typeof($2) <> 'string' THEN format('the header %s must be a text', $1)
        WHEN lower($1) IN ('host', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'expect', 'webhook-id',
                           'webhook-timestamp', 'webhook-signature', 'webhook-attempt', 'specql-timeline', 'traceparent') THEN format('the header %s is set with each call', $1)
        WHEN NOT specql.is_header($1, $2 #>> '{}') THEN format('the header %s cannot be sent', to_json($1))
        WHEN NOT $3 THEN NULL
        WHEN $2 #>> '{}' ~ '(^| )secret:[^ ]+$' AND $2 #>> '{}' ~ '[{}]' THEN format('the header %s holds a secret, or keys of the payload', $1)
        ELSE format('the header %s: ', $1) || specql.template_problem($2 #>> '{}') END
$$;
COMMENT ON FUNCTION specql.header_problem(text, jsonb, boolean) IS 'Why a header cannot be sent with calls; NULL if it can';

CREATE FUNCTION specql.parameter_problem(name text, value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length($1) > 255 THEN 'the name of a parameter has at most 255 bytes'
                WHEN jsonb_typeof($2) <> 'string' THEN format('the parameter %s must be a text', $1)
                ELSE format('the parameter %s: ', $1) || specql.template_problem($2 #>> '{}') END
$$;
COMMENT ON FUNCTION specql.parameter_problem(text, jsonb) IS 'Why a parameter cannot be sent with calls; NULL if it can';

CREATE FUNCTION specql.rate_problem(rate text) RETURNS text
LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'specql_rate_problem';
COMMENT ON FUNCTION specql.rate_problem(text) IS 'Why a text is no rate of calls; NULL if it is one';

CREATE FUNCTION specql.is_interval(value text, shortest interval, longest interval) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(value::interval BETWEEN shortest AND longest, false);
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION specql.is_interval(text, interval, interval) IS 'Is a text a length of time between these two?';

CREATE FUNCTION specql.names_secret(said text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1 ~ '^(secret:|env:[A-Za-z_]|file:/.)' AND octet_length($1) <= 1000 AND specql.is_header('x', $1)
$$;
COMMENT ON FUNCTION specql.names_secret(text) IS 'Does a text say where a secret is: secret:NAME, env:NAME, file:/path?';

-- Objects of texts, of which some must be there. Their values are never quoted: somebody may have written a password there.
CREATE FUNCTION specql.access_problem(key text, value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    known text[];
    required text[];
    secrets constant text[] := '{password,secret,certificate,key,ca}';
    one record;
BEGIN
    IF key = 'auth' THEN
        name := CASE WHEN jsonb_typeof(value) = 'object' AND (SELECT count(*) = 1 FROM jsonb_object_keys(value)) THEN (SELECT k FROM jsonb_object_keys(value) AS k) END;
        known := CASE name WHEN 'basic' THEN '{user,password}'::text[] WHEN 'oauth2' THEN '{token_url,client,secret,scope}' END;
        IF known IS NULL THEN
            RETURN 'auth has either basic or oauth2';
        END IF;
        required := known[:3];
        value := value -> name;
    ELSE
        name := key;
        known := '{certificate,key,ca}';
        required := CASE WHEN value ?| '{certificate,key}' THEN '{certificate,key}'::text[] ELSE '{}' END;
    END IF;
    IF jsonb_typeof(value) <> 'object' OR value = '{}' OR NOT ARRAY(SELECT jsonb_object_keys(value)) <@ known THEN
        RETURN format('%s has %s', name, array_to_string(known, ', '));
    END IF;
    IF NOT value ?& required THEN
        RETURN format('%s needs %s', name, array_to_string(required, ', '));
    END IF;
    FOR one IN SELECT e.key AS member, e.value #>> '{}' AS said, jsonb_typeof(e.value) AS type FROM jsonb_each(value) AS e(key, value) LOOP
        IF one.type <> 'string' OR octet_length(one.said) NOT BETWEEN 1 AND 8000 OR NOT specql.is_header('x', one.said) THEN
            RETURN format('the %s of %s must be a text without control characters', one.member, name);
        ELSIF one.member = ANY (secrets) AND NOT specql.names_secret(one.said) THEN
            RETURN format('the %s of %s must say where it is kept: secret:NAME, env:NAME or file:/path', one.member, name);
        ELSIF one.member = 'user' AND strpos(one.said, ':') > 0 THEN
            RETURN 'the name of a user holds no colon';
        ELSIF one.member = 'token_url' AND specql.url_problem(one.said) IS NOT NULL THEN
            RETURN 'the token_url cannot be called: ' || specql.url_problem(one.said);
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.access_problem(text, jsonb) IS 'What is wrong with auth or tls of a service; NULL if nothing is';

-- Each key of specql.service.options, and of an operation, is checked here and nowhere else; src/core/spec/options.cpp reads them from specs.
CREATE FUNCTION specql.option_problem(place text, key text, value jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Of a text or a number; NULL of anything else.
    said constant text := CASE WHEN jsonb_typeof(value) IN ('string', 'number') THEN value #>> '{}' END;
BEGIN
    RETURN CASE place || ' ' || key
        WHEN 'service rate' THEN 'rate: ' || specql.rate_problem(coalesce(said, ''))
        WHEN 'service burst' THEN
            CASE WHEN said IS NULL OR said !~ '^([1-9][0-9]{0,5}|1000000)$' THEN 'burst must be from 1 to 1000000' END
        WHEN 'service concurrency' THEN
            CASE WHEN said IS NULL OR said !~ '^([1-9][0-9]{0,2}|1000)$' THEN 'concurrency must be from 1 to 1000' END
        WHEN 'service expires' THEN
            CASE WHEN said IS NULL OR NOT specql.is_interval(said, '1 ms', '366 days') THEN 'expires must be from 1 ms to 366 days' END
        WHEN 'operation expires' THEN
            CASE WHEN said IS NULL OR NOT specql.is_interval(said, '1 ms', '366 days') THEN 'it expires after 1 ms to 366 days' END
        WHEN 'operation path' THEN
            CASE WHEN said IS NULL OR said NOT LIKE '/%' OR specql.url_problem('http://host' || said) IS NOT NULL
                 THEN 'its path must begin with / and hold no space, control character or fragment'
                 ELSE 'its path: ' || specql.template_problem(said) END
        WHEN 'operation method' THEN
            CASE WHEN said IS NULL OR said NOT IN ('POST', 'PUT', 'PATCH', 'DELETE', 'GET')
                 THEN 'its method must be POST, PUT, PATCH, DELETE or GET' END
        WHEN 'operation query' THEN
            CASE WHEN jsonb_typeof(value) <> 'object' THEN 'its query must be an object of texts'
                 ELSE (SELECT min(specql.parameter_problem(q.key, q.value)) FROM jsonb_each(value) AS q(key, value)) END
        WHEN 'operation headers' THEN
            CASE WHEN jsonb_typeof(value) <> 'object' THEN 'its headers must be an object of texts'
                 ELSE (SELECT min(specql.header_problem(h.key, h.value, true)) FROM jsonb_each(value) AS h(key, value)) END
        WHEN 'operation body' THEN
            CASE WHEN value #>> '{}' NOT IN ('true', 'false') THEN 'its body must be true or false' END
        WHEN 'operation retries' THEN
            CASE WHEN said IS NULL OR said !~ '^([0-9]{1,2}|100)$' THEN 'its retries must be from 0 to 100' END
        WHEN 'operation timeout' THEN
            CASE WHEN said IS NULL OR NOT specql.is_interval(said, '1 ms', '10 min') THEN 'its timeout must be from 1 ms to 10 min' END
        WHEN 'operation answer' THEN
            CASE WHEN said IS DISTINCT FROM 'later' THEN 'its answer can be later, and nothing else' END
        WHEN 'operation answer_within' THEN
            CASE WHEN said IS NULL OR NOT specql.is_interval(said, '1 ms', '366 days') THEN 'its answer_within must be from 1 ms to 366 days' END
        WHEN 'service auth' THEN specql.access_problem(key, value)
        WHEN 'service tls' THEN specql.access_problem(key, value)
        WHEN 'service batch' THEN specql.gathering_problem(key, value)
        WHEN 'operation batch' THEN specql.gathering_problem(key, value)
        WHEN 'service coalesce' THEN specql.gathering_problem(key, value)
        WHEN 'operation coalesce' THEN specql.gathering_problem(key, value)
        WHEN 'service compress' THEN CASE WHEN said IS DISTINCT FROM 'gzip' THEN 'compress must be gzip' END
        ELSE format('there is no key %s', to_json(left(key, 255))) END;
END $$;
COMMENT ON FUNCTION specql.option_problem(text, text, jsonb) IS
'What is wrong with a key of a service, or of an operation, and its value; NULL if nothing is';

CREATE FUNCTION specql.gathering_problem(key text, value jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN jsonb_typeof($2) <> 'object' OR NOT $2 ?& ARRAY[k.name, 'wait'] OR (SELECT count(*) > 2 FROM jsonb_object_keys($2))
                    THEN format('%s has %s and wait', $1, k.name)
                WHEN $1 = 'batch' AND $2 ->> 'size' !~ '^([1-9][0-9]{0,3}|10000)$' THEN 'the size of batch must be from 1 to 10000'
                WHEN $1 = 'coalesce' AND (jsonb_typeof($2 -> 'key') <> 'string' OR octet_length($2 ->> 'key') NOT BETWEEN 1 AND 255)
                    THEN 'the key of coalesce must be a key of the payload'
                WHEN NOT specql.is_interval($2 ->> 'wait', '1 ms', k.longest::interval) THEN format('the wait of %s must be from 1 ms to %s', $1, k.longest) END
    FROM (SELECT CASE $1 WHEN 'batch' THEN 'size' ELSE 'key' END AS name,
                 CASE $1 WHEN 'batch' THEN '1 hour' ELSE '1 day' END AS longest) AS k
$$;
COMMENT ON FUNCTION specql.gathering_problem(text, jsonb) IS 'What is wrong with batch or coalesce of a service or an operation; NULL if nothing is';

CREATE FUNCTION specql.shortest_expiry(options jsonb, operations jsonb) RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 ? 'expires' OR jsonb_path_exists($2, '$.*.expires')
                THEN (SELECT min(e.after::interval)
                      FROM (SELECT $1 ->> 'expires' UNION ALL SELECT o.value ->> 'expires' FROM jsonb_each($2) AS o(key, value)) AS e(after)) END
$$;
COMMENT ON FUNCTION specql.shortest_expiry(jsonb, jsonb) IS 'How old a call of a service is at least when it expires; NULL if none does';

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
        WHEN s.numbers IS NULL OR s.numbers NOT IN ('json', 'text') THEN 'numbers must be json or text'
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
        WHEN octet_length(s.operations::text) > 1000000 THEN 'operations have at most 1000000 bytes'
        WHEN jsonb_typeof(s.options) IS DISTINCT FROM 'object' THEN 'options must be an object'
        WHEN octet_length(s.options::text) > 100000 THEN 'options have at most 100000 bytes'
        WHEN s.options ? 'burst' AND NOT s.options ? 'rate' THEN 'burst says nothing without a rate'
        WHEN (s.options ? 'batch' OR s.operations @? '$.*.batch') AND (s.url IS NULL OR s.format NOT IN ('cloudevents', 'plain'))
            THEN 'batches need a url, and format cloudevents or plain' END;
    IF problem IS NULL THEN
        SELECT specql.header_problem(h.key, h.value, false) AS found
        INTO problem FROM jsonb_each(s.headers) AS h(key, value) ORDER BY 1 NULLS LAST LIMIT 1;
    END IF;
    IF problem IS NULL THEN
        SELECT CASE WHEN o.place = 'operation' THEN format('operation %s: ', o.name) ELSE '' END || o.problem INTO problem
        FROM (SELECT 'operation' AS place, p.name,
                     CASE WHEN octet_length(p.name) > 255 THEN 'a name has at most 255 bytes'
                          WHEN jsonb_typeof(p.value) <> 'object' THEN 'it must be an object' END AS problem
              FROM jsonb_each(s.operations) AS p(name, value)
              UNION ALL
              SELECT 'operation', p.name, specql.option_problem('operation', e.key, e.value)
              FROM jsonb_each(s.operations) AS p(name, value),
                   jsonb_each(CASE jsonb_typeof(p.value) WHEN 'object' THEN p.value END) AS e(key, value)
              UNION ALL
              SELECT 'service', NULL, specql.option_problem('service', e.key, e.value) FROM jsonb_each(s.options) AS e(key, value)) AS o
        WHERE o.problem IS NOT NULL ORDER BY o.place, o.name, o.problem LIMIT 1;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'service %: %', coalesce(left(s.name, 255), 'NULL'), problem
            USING ERRCODE = 'invalid_parameter_value', HINT = 'SELECT specql.help(''services'') shows what a service may say.';
    END IF;
END $$;
COMMENT ON FUNCTION specql.check_service(specql.service) IS 'An error that says what is wrong with the declaration of a service, if anything is';

CREATE FUNCTION specql.write_service(name text, url text, timeout interval, retries integer, backoff interval, headers jsonb,
    secrets text[], format text, ordering text, on_failure text, retry_on integer[], operations jsonb, numbers text, options jsonb, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    old_owner specql.role;
BEGIN
    s.name := write_service.name;
    s.url := url;
    s.timeout := coalesce(timeout, '10 s');
    s.retries := coalesce(retries, 8);
    s.backoff := coalesce(backoff, '1 s');
    s.headers := coalesce(headers, '{}');
    s.secrets := coalesce(secrets, '{}');
    s.format := coalesce(format, 'cloudevents');
    s.ordering := ordering;
    s.on_failure := coalesce(on_failure, 'block');
    s.retry_on := coalesce(retry_on, '{}');
    s.operations := coalesce(operations, '{}');
    s.numbers := coalesce(numbers, 'json');
    s.options := coalesce(options, '{}');
    s.owner := caller::specql.role;
    s.failures := 0;
    s.pauses := 0;
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
        on_failure = excluded.on_failure, retry_on = excluded.retry_on, operations = excluded.operations, numbers = excluded.numbers,
        options = excluded.options, owner = excluded.owner, disabled = NULL, failures = 0, pauses = 0, paused_until = NULL
    WHERE v.owner = coalesce(old_owner, excluded.owner);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'service % was declared by somebody else at the same time', s.name USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM specql.release_calls(s.name);
END $$;
COMMENT ON FUNCTION specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, text, jsonb, oid) IS
'What specql.register_service does, for its caller';

CREATE FUNCTION specql.register_service(name text, url text, timeout interval DEFAULT NULL, retries integer DEFAULT NULL,
    backoff interval DEFAULT NULL, headers jsonb DEFAULT NULL, secrets text[] DEFAULT NULL, format text DEFAULT NULL,
    ordering text DEFAULT NULL, on_failure text DEFAULT NULL, retry_on integer[] DEFAULT NULL, operations jsonb DEFAULT NULL,
    numbers text DEFAULT NULL, options jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_service';
COMMENT ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, text, jsonb) IS
'Tells the worker of a service; again with other values changes it, which only its owner may, and calls it again if it was paused. Generated code calls this';

CREATE FUNCTION specql.drop_service(name text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, $2) FROM specql.service AS s WHERE s.name = $1;
    DELETE FROM specql.service AS s WHERE s.name = $1;
    -- Nobody claims from it any more, and sees that a lease is over.
    SELECT specql.unlease(ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.service = $1 FOR UPDATE), NULL, 'leased');
    SELECT specql.release_calls($1);
$$;
COMMENT ON FUNCTION specql.drop_service(text, oid) IS 'What specql.unregister_service does, for its caller';

CREATE FUNCTION specql.unregister_service(name text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_service';
COMMENT ON FUNCTION specql.unregister_service(text) IS 'Forgets a service; its calls wait';

CREATE FUNCTION specql.require_service(name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_owner('service ' || s.name, s.owner, specql.viewer()) FROM specql.service AS s WHERE s.name = require_service.name;
END $$;
COMMENT ON FUNCTION specql.require_service(text) IS 'An error if a service belongs to somebody else';

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

-- From one to the next along the index, however many calls wait for each; and between the declared ones, so that calls that have left and that
-- an old snapshot keeps are not in the way.
CREATE VIEW specql.undeclared_services AS
    WITH RECURSIVE gap AS (
        SELECT g.low, lead(g.low) OVER (ORDER BY g.low) AS high
        FROM (SELECT '' AS low UNION ALL SELECT s.name FROM specql.service AS s) AS g),
    called AS (
        SELECT g.low AS service, g.high FROM gap AS g
        UNION ALL
        SELECT f.service, c.high
        FROM called AS c,
             LATERAL ((SELECT o.service FROM specql.outbox AS o WHERE c.high IS NOT NULL AND o.service > c.service AND o.service < c.high
                       ORDER BY o.service LIMIT 1)
                      UNION ALL
                      (SELECT o.service FROM specql.outbox AS o WHERE c.high IS NULL AND o.service > c.service
                       ORDER BY o.service LIMIT 1)) AS f)
    SELECT c.service FROM called AS c WHERE c.service <> '' AND NOT EXISTS (SELECT FROM specql.service AS s WHERE s.name = c.service);
COMMENT ON VIEW specql.undeclared_services IS 'Services whose calls wait, and that no spec declares';
COMMENT ON COLUMN specql.undeclared_services.service IS 'As steps call it';

-- What is counted is counted up to 10,000: whoever looks wants to know it at once, and how many more there are says nothing more.
CREATE FUNCTION specql.counted(n bigint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN n > 10000 THEN 'more than 10000' ELSE n::text END
$$;
COMMENT ON FUNCTION specql.counted(bigint) IS 'A number of rows that were counted up to 10,001';

-- The planner's statistics of a queue are always old: what they make it believe of costs would have it compiled.
CREATE FUNCTION specql.count_calls(service text, OUT waiting bigint, OUT dead bigint, OUT held text, OUT replaced bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT (SELECT count(*) FROM (SELECT FROM specql.outbox AS o WHERE o.service = $1 UNION ALL
                                  SELECT FROM specql.leased_call AS c WHERE c.service = $1 LIMIT 10001) AS o),
           (SELECT count(*) FROM (SELECT FROM specql.dead_letter AS d WHERE d.service = $1 LIMIT 10001) AS d),
           (SELECT o.last_error FROM specql.outbox AS o
            WHERE o.service = $1 AND o.status = 'held' AND o.available_at <> o.created_at LIMIT 1),
           (SELECT count(*) FROM (SELECT FROM specql.delivery_history AS h WHERE h.service = $1 AND h.status = 'replaced' LIMIT 10001) AS h)
$$;
COMMENT ON FUNCTION specql.count_calls(text) IS
'Of a service: the calls that wait and the dead letters, each counted up to 10,001, why calls are held, if any are, and those that were replaced. For specql.services';

CREATE VIEW specql.services AS
    SELECT s.name, s.url, CASE WHEN s.disabled IS NOT NULL THEN 'disabled'
                               WHEN s.paused_until > clock_timestamp() THEN 'paused'
                               WHEN s.url IS NULL THEN 'taken by consumers' ELSE 'active' END AS status,
           coalesce(s.disabled, CASE WHEN s.failures > 0 OR s.paused_until > clock_timestamp() THEN s.last_error END,
                    c.held) AS reason, s.paused_until,
           c.waiting, c.dead,
           s.timeout, s.retries, s.backoff, s.format, s.ordering, s.on_failure, s.operations, s.owner, s.options, c.replaced
    FROM specql.service AS s, LATERAL specql.count_calls(s.name) AS c
    UNION ALL
    SELECT c.service, NULL, 'undeclared', 'no spec declares it; its calls wait', NULL,
           n.waiting, 0,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, n.replaced
    FROM specql.undeclared_services AS c, LATERAL specql.count_calls(c.service) AS n;
COMMENT ON VIEW specql.services IS 'Services that specs declare, and those that are called without';
COMMENT ON COLUMN specql.services.name IS 'As steps call it';
COMMENT ON COLUMN specql.services.url IS 'Where calls go';
COMMENT ON COLUMN specql.services.status IS
'active; paused by the circuit breaker; disabled (410, or specql.pause_service); taken by consumers (no url); undeclared';
COMMENT ON COLUMN specql.services.reason IS 'Why it is not active, or the last error';
COMMENT ON COLUMN specql.services.paused_until IS 'When the circuit breaker lets one call through';
COMMENT ON COLUMN specql.services.waiting IS 'Calls in the outbox; 10,001 if there are more than 10,000';
COMMENT ON COLUMN specql.services.dead IS 'Dead letters; 10,001 if there are more than 10,000';
COMMENT ON COLUMN specql.services.timeout IS 'From the send to the end of the answer';
COMMENT ON COLUMN specql.services.retries IS 'Attempts after the first';
COMMENT ON COLUMN specql.services.backoff IS 'The longest pause before the first retry; it doubles with each';
COMMENT ON COLUMN specql.services.format IS 'Of the body';
COMMENT ON COLUMN specql.services.ordering IS 'The key whose calls leave one after the other';
COMMENT ON COLUMN specql.services.on_failure IS 'What a failing call does to the later ones of its key: block or skip';
COMMENT ON COLUMN specql.services.owner IS 'Who declared it, and alone may change, pause and take from it';
COMMENT ON COLUMN specql.services.operations IS 'By operation: path, method, query, headers, body, timeout, retries and further keys';
COMMENT ON COLUMN specql.services.options IS 'Its further keys';
COMMENT ON COLUMN specql.services.replaced IS 'Calls that were not made, because a later one of their key took their place (coalesce), as far as the history goes back; 10,001 if there are more than 10,000';

REVOKE ALL ON FUNCTION specql.require_service(text),
    specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, text, jsonb, oid),
    specql.drop_service(text, oid),
    specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, text, jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text),
    specql.url_problem(text), specql.is_header(text, text), specql.check_service(specql.service), specql.template_problem(text),
    specql.header_problem(text, jsonb, boolean), specql.parameter_problem(text, jsonb), specql.names_secret(text), specql.access_problem(text, jsonb),
    specql.shortest_expiry(jsonb, jsonb), specql.gathering_problem(text, jsonb), specql.rate_problem(text), specql.is_interval(text, interval, interval), specql.option_problem(text, text, jsonb), specql.counted(bigint), specql.count_calls(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, text, jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text), specql.count_calls(text)
TO specql_admin;
GRANT SELECT ON specql.services TO specql_admin;
