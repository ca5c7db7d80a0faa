-- Calls that wait for one another: those that leave in one request, and those of a key of which only the last one leaves.

-- What the calls of an operation are gathered by; NULL if they are not. One without a body has nothing to stand in together.
CREATE FUNCTION specql.gathering_of(s specql.service, operation text, option text) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $3 = 'batch' AND NOT coalesce($1.operations -> $2 ->> 'body' = 'true',
                                                   $1.operations -> $2 ->> 'method' IN ('GET', 'DELETE') IS NOT TRUE) THEN NULL
                ELSE coalesce($1.operations -> $2 -> $3, $1.options -> $3) END
$$;
COMMENT ON FUNCTION specql.gathering_of(specql.service, text, text) IS 'The value of batch, or coalesce, that holds for an operation of a service';

-- All that a service says of it, whatever the operation.
CREATE FUNCTION specql.gatherings(s specql.service, option text) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp ROWS 2 AS $$
    SELECT $1.options -> $2 WHERE $1.options ? $2
    UNION ALL
    SELECT o.value -> $2 FROM jsonb_each($1.operations) AS o(name, value) WHERE o.value ? $2
$$;
COMMENT ON FUNCTION specql.gatherings(specql.service, text) IS 'The values of batch, or coalesce, of a service and its operations';

-- Calls of an operation without it do not wait.
CREATE FUNCTION specql.shortest_wait(s specql.service, option text) RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1.options ? $2 THEN (SELECT min((g.value ->> 'wait')::interval) FROM specql.gatherings($1, $2) AS g(value)) ELSE '0' END
$$;
COMMENT ON FUNCTION specql.shortest_wait(specql.service, text) IS 'How long every call of a service waits for others, if its batch does not become full';

CREATE FUNCTION specql.largest_batch(s specql.service) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT max((g.value ->> 'size')::integer) FROM specql.gatherings($1, 'batch') AS g(value)
$$;
COMMENT ON FUNCTION specql.largest_batch(specql.service) IS 'How many calls of a service leave in one request at most';

-- What has become due since the claim before counts as if it was due next.
CREATE FUNCTION specql.next_gathered(s specql.service) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    looked_at constant timestamptz := clock_timestamp();
BEGIN
    RETURN coalesce(
        (SELECT min(greatest(q.available_at + w.wait, looked_at + interval '1 ms'))
         FROM (SELECT interval '0' AS wait, interval '0' AS margin
               UNION ALL SELECT (b.value ->> 'wait')::interval, '50 ms' FROM specql.gatherings(s, 'batch') AS b(value)
               UNION ALL SELECT (c.value ->> 'wait')::interval, '50 ms' FROM specql.gatherings(s, 'coalesce') AS c(value)) AS w,
              LATERAL (SELECT o.available_at FROM specql.outbox AS o
                       WHERE o.service = s.name AND o.available_at > looked_at - w.wait - w.margin ORDER BY o.available_at LIMIT 1) AS q),
        (SELECT o.available_at FROM specql.outbox AS o WHERE o.service = s.name ORDER BY o.available_at LIMIT 1));
END $$;
COMMENT ON FUNCTION specql.next_gathered(specql.service) IS
'When a call of a service has waited long enough for others, or will be due; a time that is over if all of them wait for something else';

-- ---- batches -------------------------------------------------------------------------------------------------------------

-- So that calls which wait for others are not locked with each claim.
CREATE FUNCTION specql.may_fill_batch(s specql.service) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    wait constant interval := specql.shortest_wait(s, 'batch');
    size constant integer := (SELECT min((g.value ->> 'size')::integer) FROM specql.gatherings(s, 'batch') AS g(value));
BEGIN
    RETURN wait = '0'
        OR EXISTS (SELECT FROM specql.outbox AS o WHERE o.service = s.name AND o.available_at <= clock_timestamp() - wait)
        OR EXISTS (SELECT FROM specql.lease AS l WHERE l.leased_until <= clock_timestamp() AND l.service = s.name)
        OR (SELECT count(*) = size FROM (SELECT FROM specql.outbox AS o WHERE o.service = s.name AND o.available_at <= clock_timestamp()
                                         LIMIT size) AS o);
END $$;
COMMENT ON FUNCTION specql.may_fill_batch(specql.service) IS 'Has a call of the service waited long enough, or are there enough for a batch?';

-- Whose request lines and headers are equal, and what is done with whose answers, leave together. `most`: requests; `at_once`: nobody waits.
CREATE FUNCTION specql.fill_batches(s specql.service, due uuid[], most integer, at_once boolean, OUT ids uuid[], OUT numbers integer[], OUT requests integer)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT d.place, w.id, w.created_at, w.available_at, o.batch,
               CASE WHEN o.batch IS NULL THEN w.id::text
                    ELSE concat_ws(E'\n', o.operation::text, specql.filled_url(s.url, o.operation ->> 'path', o.operation -> 'query', o.payload),
                                   specql.operation_headers(s, o.operation -> 'headers', o.payload)::text) END AS request
        FROM unnest(due) WITH ORDINALITY AS d(id, place)
        JOIN specql.whole_delivery AS w ON w.id = d.id AND w.place = 'outbox',
        LATERAL (SELECT coalesce(s.operations -> w.operation, '{}') AS operation, specql.gathering_of(s, w.operation, 'batch') AS batch,
                        -- Looked up only where it is asked for.
                        CASE WHEN (s.operations -> w.operation)::text ~ '[{].*[{]' THEN w.payload END AS payload) AS o),
    placed AS (
        SELECT a.*, (row_number() OVER (PARTITION BY a.request ORDER BY a.place) - 1) / coalesce((a.batch ->> 'size')::integer, 1) AS part
        FROM asked AS a),
    gathered AS (
        SELECT p.request, p.part, p.batch, count(*) AS n, min(p.place) AS first, min(p.available_at) AS oldest
        FROM placed AS p GROUP BY p.request, p.part, p.batch),
    leaving AS (
        SELECT g.request, g.part, row_number() OVER (ORDER BY g.first)::integer AS number
        FROM gathered AS g
        WHERE at_once OR g.batch IS NULL OR g.n >= (g.batch ->> 'size')::integer
           OR g.oldest + (g.batch ->> 'wait')::interval <= clock_timestamp()
        ORDER BY g.first LIMIT most)
    -- In the order in which they were queued, so that the same calls are the same batch again.
    SELECT coalesce(array_agg(p.id ORDER BY l.number, p.created_at, p.id), '{}'),
           coalesce(array_agg(CASE WHEN p.batch IS NULL THEN 0 ELSE l.number END ORDER BY l.number, p.created_at, p.id), '{}'), count(DISTINCT l.number)
    INTO ids, numbers, requests
    FROM leaving AS l JOIN placed AS p ON p.request = l.request AND p.part = l.part;
END $$;
COMMENT ON FUNCTION specql.fill_batches(specql.service, uuid[], integer, boolean) IS
'Which of these calls leave now, request by request, and the number of each one''s request; 0: it leaves by itself';

-- ---- the last one of a key -----------------------------------------------------------------------------------------------

-- As {key} in a request finds it; or the row that the event is about.
CREATE FUNCTION specql.coalescing_key(path text, aggregatetype text, aggregateid text, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $4 ? k.names[1] THEN $4 #>> k.names
                WHEN r.image ? k.names[1] THEN r.image #>> k.names
                WHEN $1 IN ('subject', split_part($2, '.', 2) || '_id') THEN $3 END
    FROM (SELECT string_to_array($1, '.') AS names) AS k,
         (SELECT CASE WHEN jsonb_typeof($4 -> 'new') = 'object' THEN $4 -> 'new' ELSE $4 -> 'old' END AS image) AS r
$$;
COMMENT ON FUNCTION specql.coalescing_key(text, text, text, jsonb) IS 'What a call is coalesced by; NULL: it is not';

-- The calls of a key, of one operation and one owner, wait from the first of them on. That one's time is handed on to the last one, which
-- stays; the others are replaced by it at once. So there is no more to look at than a call for each key, and those that have come since.
-- A claim that finds one that has waited looks at all, and lets those go that almost have.
CREATE FUNCTION specql.coalesce_calls(service text, due_until timestamptz, at_once boolean, OUT ripe_until timestamptz, OUT staying uuid[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    most constant integer := 10000;
    share constant double precision := CASE WHEN at_once THEN 0 ELSE 0.95 END;
    c record;
    locked uuid[];
    replaced uuid[];
    errors text[];
BEGIN
    SELECT v.* INTO s FROM specql.service AS v WHERE v.name = coalesce_calls.service;
    staying := '{}';
    ripe_until := due_until - CASE WHEN at_once THEN '0' ELSE specql.shortest_wait(s, 'coalesce') END;
    IF NOT EXISTS (SELECT FROM specql.outbox AS o WHERE o.service = s.name AND o.available_at <= ripe_until) THEN
        RETURN;
    END IF;
    ripe_until := due_until - share * specql.shortest_wait(s, 'coalesce');
    FOR round IN 1..20 LOOP
        -- Those that wait for another attempt are looked at, too: what is newer has replaced them when they would leave.
        WITH waiting AS MATERIALIZED (
            (SELECT o.id FROM specql.outbox AS o
             WHERE o.service = s.name AND o.available_at <= due_until AND o.status IN ('waiting', 'leased')
             ORDER BY o.available_at, o.id LIMIT most)
            UNION
            SELECT o.id FROM specql.outbox AS o
            WHERE o.service = s.name AND o.available_at <> o.created_at AND o.status = 'waiting' AND o.attempts > 0),
        keyed AS MATERIALIZED (
            SELECT w.id, w.created_at, w.available_at, w.attempts, w.operation, w.owner::oid AS owner, (g.value ->> 'wait')::interval AS wait,
                   CASE WHEN g.value IS NOT NULL
                        THEN specql.coalescing_key(g.value ->> 'key', w.aggregatetype, w.aggregateid, w.payload) END AS key
            FROM specql.whole_delivery AS w, LATERAL (SELECT specql.gathering_of(s, w.operation, 'coalesce')) AS g(value)
            WHERE w.id = ANY (ARRAY(SELECT u.id FROM waiting AS u)) AND w.place = 'outbox'),
        grouped AS (
            SELECT k.id, k.wait, first_value(k.id) OVER (PARTITION BY k.operation, k.owner, coalesce(k.key, k.id::text), k.key IS NULL
                                                         ORDER BY k.created_at DESC, k.id DESC) AS last_id,
                   min(k.available_at) OVER (PARTITION BY k.operation, k.owner, coalesce(k.key, k.id::text), k.key IS NULL) AS first_at
            FROM keyed AS k)
        SELECT count(*) AS n, array_agg(g.id) AS ids, array_agg(g.last_id) AS last_ids, array_agg(g.first_at) AS first_at,
               array_agg(DISTINCT g.last_id) FILTER (WHERE g.id <> g.last_id) AS leaders,
               array_agg(g.id) FILTER (WHERE g.first_at <= ripe_until AND g.first_at > due_until - share * g.wait) AS unripe
        INTO c FROM grouped AS g;
        staying := coalesce(c.unripe, '{}');
        EXIT WHEN c.leaders IS NULL;
        -- Of two that look at once, one gets the last call, and with it those before. What somebody else holds is left to them.
        locked := ARRAY(SELECT o.id FROM specql.outbox AS o
                        WHERE o.id = ANY (c.leaders) AND o.status IN ('waiting', 'leased')
                          AND (o.available_at <= due_until OR o.status = 'waiting' AND o.attempts > 0) ORDER BY o.id FOR UPDATE SKIP LOCKED);
        locked := locked || ARRAY(
            SELECT o.id FROM specql.outbox AS o
            WHERE o.id = ANY (ARRAY(SELECT u.id FROM unnest(c.ids, c.last_ids) AS u(id, last_id) JOIN unnest(locked) AS l(id) ON l.id = u.last_id
                                    WHERE u.id <> u.last_id))
              AND o.status IN ('waiting', 'leased')
              AND (o.available_at <= due_until OR o.status = 'waiting' AND o.attempts > 0) ORDER BY o.id FOR UPDATE SKIP LOCKED);
        staying := staying || ARRAY(
            SELECT u.id FROM unnest(c.ids, c.last_ids) AS u(id, last_id)
            JOIN (SELECT DISTINCT g.last_id
                  FROM unnest(c.ids, c.last_ids) AS g(id, last_id) JOIN unnest(c.leaders) AS d(id) ON d.id = g.last_id
                  LEFT JOIN unnest(locked) AS l(id) ON l.id = g.id WHERE l.id IS NULL) AS held ON held.last_id = u.last_id);
        SELECT array_agg(u.id), array_agg('replaced by ' || u.last_id) INTO replaced, errors
        FROM unnest(c.ids, c.last_ids) AS u(id, last_id) JOIN unnest(locked) AS l(id) ON l.id = u.id WHERE u.id <> u.last_id;
        UPDATE specql.outbox AS o SET available_at = u.first_at
        FROM unnest(c.ids, c.last_ids, c.first_at) AS u(id, last_id, first_at) JOIN unnest(locked) AS l(id) ON l.id = u.id
        WHERE o.id = u.id AND u.id = u.last_id AND o.attempts = 0 AND o.available_at > u.first_at;
        EXIT WHEN replaced IS NULL;
        PERFORM specql.record_results(replaced, array_fill('replaced'::text, ARRAY[cardinality(replaced)]), NULL, errors, NULL, NULL);
        PERFORM specql.wake_worker();
        EXIT WHEN c.n < most;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.coalesce_calls(text, timestamptz, boolean) IS
'Replaces waiting calls of a service by the last one of their key; until when those were due that leave now, and which of those wait nevertheless';

REVOKE ALL ON FUNCTION specql.gathering_of(specql.service, text, text), specql.gatherings(specql.service, text),
    specql.shortest_wait(specql.service, text), specql.largest_batch(specql.service), specql.next_gathered(specql.service), specql.may_fill_batch(specql.service),
    specql.fill_batches(specql.service, uuid[], integer, boolean), specql.coalescing_key(text, text, text, jsonb),
    specql.coalesce_calls(text, timestamptz, boolean)
FROM PUBLIC;
