-- Claims: a worker leases the calls that may leave now, in the order of their keys, before it makes them.

-- The value that keeps calls in order; calls without one are in nobody's way.
CREATE FUNCTION specql.delivery_key(ordering text, d_id uuid, aggregatetype text, aggregateid text, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce($5 ->> $1, $5 -> 'new' ->> $1, $5 -> 'old' ->> $1,
                    CASE WHEN $1 IN ('subject', split_part($3, '.', 2) || '_id') THEN $4 END, $2::text)
$$;
COMMENT ON FUNCTION specql.delivery_key(text, uuid, text, text, jsonb) IS 'What calls of a service with ordering are kept in order by';

-- Where a session's claims of a service begin. Calls that have left, and that an old snapshot keeps, lie in the index before it. Without a place all that is due is looked at.
CREATE FUNCTION specql.claims_begin(service text, nothing_found boolean, OUT after_at timestamptz, OUT after_id uuid, OUT all_due boolean, OUT last_look timestamptz)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_claims_begin';
COMMENT ON FUNCTION specql.claims_begin(text, boolean) IS
'Behind which call of a service to look for others, and since when nobody did; all_due: at all of them, which takes long beside an old snapshot, and is not answered too often after nothing was found';

CREATE FUNCTION specql.claims_end(service text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_claims_end';
COMMENT ON FUNCTION specql.claims_end(text) IS 'After calls of a service were looked for';

CREATE FUNCTION specql.claimed_up_to(service text, due_at timestamptz, id uuid) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_claimed_up_to';
COMMENT ON FUNCTION specql.claimed_up_to(text, timestamptz, uuid) IS 'The last call of a service that was claimed; counts from the commit on';

-- Services with limits, src/pg/outbox/limits.hpp. `most`: calls at once, of which this session has `busy` now.
CREATE FUNCTION specql.take_places(service text, rate text, burst bigint, most integer, busy integer, wanted integer) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_take_places';
COMMENT ON FUNCTION specql.take_places(text, text, bigint, integer, integer, integer) IS
'How many of the calls that are wanted a service''s limits let leave now; they count';

CREATE FUNCTION specql.give_places_back(service text, unused integer) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_give_places_back';
COMMENT ON FUNCTION specql.give_places_back(text, integer) IS 'As many of those that specql.take_places has counted do not leave';

CREATE FUNCTION specql.next_place(service text, rate text, burst bigint, most integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_next_place';
COMMENT ON FUNCTION specql.next_place(text, text, bigint, integer) IS 'Milliseconds until the limits of a service let a call leave';

-- The planner's statistics of a queue are always old: the settings keep it on the indexes. What they make it believe of
-- costs would have every statement compiled.
--
-- `due_by`: what was not due then is not taken. `measured`: their sizes are asked for, and those that have lost what they deliver
-- become dead letters. `tried`: one of them has been claimed before.
CREATE FUNCTION specql.due_calls(service text, max_items integer, due_by timestamptz, measured boolean,
    OUT ids uuid[], OUT due_at timestamptz[], OUT sizes bigint[], OUT tried boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    s record;
    place record;
    due_until timestamptz := least(clock_timestamp(), due_by);
    wanted integer := max_items;
    owners oid[];
    strangers boolean;
    held uuid[];
    gone uuid[];
    expired uuid[];
    unanswered uuid[];
    staying uuid[] := '{}';
    exact_from constant bigint := least(64 * 1024, pg_size_bytes(specql.setting('max_payload_size')));
    seen integer := 1000;
    found_rows bigint;
BEGIN
    SELECT v.owner, v.ordering, v.on_failure, specql.shortest_expiry(v.options, v.operations) AS expiry,
           v.options ? 'coalesce' OR v.operations @? '$.*.coalesce' AS coalesces INTO s FROM specql.service AS v WHERE v.name = due_calls.service;
    SELECT * INTO place FROM specql.claims_begin(due_calls.service, false);
    IF s.ordering IS NOT NULL THEN
        -- It may have had none before. In order are those in the outbox.
        IF EXISTS (SELECT FROM specql.lease AS l WHERE l.service = due_calls.service) THEN
            PERFORM specql.unlease(ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.service = due_calls.service FOR UPDATE SKIP LOCKED),
                                   NULL, 'leased');
        END IF;
    ELSIF specql.end_leases(due_calls.service, place.last_look) THEN
        -- They were due before those that were claimed meanwhile.
        place.after_at := '-infinity';
    END IF;
    IF s.coalesces THEN
        SELECT c.ripe_until, c.staying INTO due_until, staying FROM specql.coalesce_calls(due_calls.service, due_until, coalesce(due_by < 'infinity', false)) AS c;
        -- Calls before the last one that was claimed wait for others.
        place.after_at := '-infinity';
    END IF;
    -- What its service may not take is put aside, a thousand at once, so that it is not looked at with each claim.
    FOR round IN 1..20 LOOP
        IF s.ordering IS NULL THEN
            WITH due AS MATERIALIZED (
                SELECT o.id, o.available_at, o.owner::oid AS owner, o.attempts, o.status
                FROM specql.outbox AS o
                WHERE o.service = due_calls.service AND o.available_at <= due_until
                  AND (o.available_at, o.id) > (place.after_at, place.after_id)
                  AND o.id <> ALL (staying)
                ORDER BY o.available_at, o.id LIMIT wanted FOR UPDATE SKIP LOCKED)
            SELECT array_agg(d.id), array_agg(d.available_at), array_agg(d.owner), bool_or(d.owner IS DISTINCT FROM s.owner::oid),
                   bool_or(d.attempts > 0), array_agg(d.id) FILTER (WHERE d.status = 'sent')
            INTO ids, due_at, owners, strangers, tried, unanswered FROM due AS d;
            IF ids IS NULL AND NOT place.all_due THEN
                SELECT * INTO place FROM specql.claims_begin(due_calls.service, true);
                EXIT WHEN NOT place.all_due;
                PERFORM specql.end_leases(due_calls.service, place.last_look);
                CONTINUE;
            END IF;
        ELSE
            -- The first of each key among the oldest; if all of those wait, among twice as many. Those that have been tried, or put
            -- aside, are older than when they are due.
            LOOP
                ids := ARRAY(
                    WITH oldest AS (
                        (SELECT o.id FROM specql.outbox AS o
                         WHERE o.service = due_calls.service AND o.available_at <= clock_timestamp()
                         ORDER BY o.available_at, o.id LIMIT seen)
                        UNION
                        SELECT o.id FROM specql.outbox AS o WHERE o.service = due_calls.service AND o.available_at <> o.created_at),
                    keyed AS (
                        SELECT w.id, w.created_at, w.status, w.attempts, w.available_at,
                               specql.delivery_key(s.ordering, w.id, w.aggregatetype, w.aggregateid, w.payload) AS key
                        FROM specql.whole_delivery AS w
                        WHERE w.place = 'outbox' AND w.status <> 'held' AND w.id = ANY (ARRAY(SELECT p.id FROM oldest AS p))),
                    heads AS (
                        SELECT DISTINCT ON (w.key) w.id, w.created_at, w.key FROM keyed AS w
                        WHERE s.on_failure = 'block'
                           OR NOT (w.status = 'waiting' AND w.attempts > 0 AND w.available_at > clock_timestamp())
                        ORDER BY w.key, w.created_at, w.id)
                    SELECT o.id
                    FROM heads AS h JOIN specql.outbox AS o ON o.id = h.id
                    WHERE o.available_at <= due_until AND o.id <> ALL (staying)
                      AND (s.on_failure = 'skip' OR NOT EXISTS (
                          SELECT FROM specql.dead_letter AS d
                          WHERE d.service = due_calls.service AND (d.created_at, d.id) < (h.created_at, h.id)
                            AND specql.may_take(due_calls.service, s.owner, d.owner)
                            AND specql.delivery_key(s.ordering, d.id, d.aggregatetype, d.aggregateid, d.payload) = h.key))
                    ORDER BY o.created_at, o.id LIMIT wanted FOR UPDATE OF o SKIP LOCKED);
                EXIT WHEN ids <> '{}';
                SELECT count(*) INTO found_rows FROM (
                    SELECT FROM specql.outbox AS o WHERE o.service = due_calls.service LIMIT seen + 1) AS o;
                EXIT WHEN found_rows <= seen;
                seen := seen * 2;
            END LOOP;
            SELECT array_agg(o.available_at ORDER BY u.place), array_agg(o.owner::oid ORDER BY u.place),
                   bool_or(o.owner IS DISTINCT FROM s.owner), bool_or(o.attempts > 0), array_agg(o.id) FILTER (WHERE o.status = 'sent')
            INTO due_at, owners, strangers, tried, unanswered
            FROM unnest(ids) WITH ORDINALITY AS u(id, place) JOIN specql.outbox AS o ON o.id = u.id;
        END IF;
        IF unanswered IS NOT NULL THEN
            PERFORM specql.bury(u.id, 'no answer came in time') FROM unnest(unanswered) AS u(id);
            ids := NULL;
            CONTINUE;
        END IF;
        IF s.expiry IS NOT NULL AND ids <> '{}' THEN
            expired := specql.expired_calls(due_calls.service, ids);
            IF expired <> '{}' THEN
                PERFORM specql.bury(u.id, 'expired') FROM unnest(expired) AS u(id);
                SELECT array_agg(u.id), array_agg(u.at), array_agg(u.owner) INTO ids, due_at, owners
                FROM unnest(ids, due_at, owners) AS u(id, at, owner) WHERE u.id <> ALL (expired);
            END IF;
            IF ids IS NULL THEN
                wanted := greatest(max_items, 200);
                CONTINUE;
            END IF;
        END IF;
        IF measured THEN
            -- In the order of the array. Only what may be too large is measured. OFFSET 0: each is looked up once.
            SELECT array_agg(CASE WHEN w.most_bytes <= exact_from THEN w.most_bytes
                                  ELSE (SELECT specql.payload_size(d.payload) FROM specql.whole_delivery AS d WHERE d.id = w.id AND d.place = 'outbox') END
                             ORDER BY w.place),
                   array_agg(w.id) FILTER (WHERE w.most_bytes IS NULL)
            INTO sizes, gone
            FROM (SELECT u.place, d.id, d.most_bytes
                  FROM unnest(ids) WITH ORDINALITY AS u(id, place)
                  JOIN specql.whole_delivery AS d ON d.id = u.id AND d.place = 'outbox' OFFSET 0) AS w;
        END IF;
        IF gone IS NOT NULL THEN
            PERFORM specql.bury_gone(gone);
            ids := NULL;
            CONTINUE;
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
    PERFORM specql.claims_end(due_calls.service);
END $$;
COMMENT ON FUNCTION specql.due_calls(text, integer, timestamptz, boolean) IS
'Calls of a service that may leave now, when they were due, and the sizes of their payloads; locked for this transaction; with ordering, at most the first of each key';

CREATE FUNCTION specql.expired_calls(service text, ids uuid[]) RETURNS uuid[]
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT w.id
                 FROM specql.whole_delivery AS w JOIN specql.service AS s ON s.name = $1
                 WHERE w.id = ANY ($2) AND w.place = 'outbox' AND w.status IN ('waiting', 'leased', 'held')
                   AND w.created_at + coalesce(s.operations -> w.operation ->> 'expires', s.options ->> 'expires')::interval <= clock_timestamp())
$$;
COMMENT ON FUNCTION specql.expired_calls(text, uuid[]) IS 'Which of these waiting calls of a service are no longer useful';

-- Of services that are not called now, or that nobody takes from. `max_items`: of each.
CREATE FUNCTION specql.expire_calls(max_items integer DEFAULT 1000) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    s record;
    old uuid[];
    total bigint := 0;
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    FOR s IN SELECT v.name, specql.shortest_expiry(v.options, v.operations) AS expiry FROM specql.service AS v LOOP
        CONTINUE WHEN s.expiry IS NULL;
        old := ARRAY(SELECT o.id FROM specql.outbox AS o
                     WHERE o.service = s.name AND o.available_at <= clock_timestamp() - s.expiry AND o.status IN ('waiting', 'leased', 'held')
                     ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED);
        old := specql.expired_calls(s.name, old);
        PERFORM specql.bury(u.id, 'expired') FROM unnest(old) AS u(id);
        total := total + cardinality(old);
    END LOOP;
    RETURN total;
END $$;
COMMENT ON FUNCTION specql.expire_calls(integer) IS 'Makes dead letters of waiting calls that are no longer useful; how many. For the worker';

CREATE FUNCTION specql.bury_gone(ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.bury(o.id, CASE WHEN o.definition IS NULL THEN 'its payload is not in specql.own_payload any more'
                                  ELSE 'its event is not in specql.event_log any more' END)
    FROM specql.outbox AS o WHERE o.id = ANY ($1)
$$;
COMMENT ON FUNCTION specql.bury_gone(uuid[]) IS 'Makes dead letters of waiting deliveries that have lost what they deliver';

-- Of due_calls, in that order. Those of a service with ordering stay in the outbox, where the calls behind them see them.
CREATE FUNCTION specql.lease_calls(service text, ids uuid[], due_at timestamptz[], leased_by text, leased_until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ordered constant boolean := (SELECT s.ordering IS NOT NULL FROM specql.service AS s WHERE s.name = lease_calls.service);
    moved bigint := 0;
BEGIN
    IF ids = '{}' THEN
        RETURN;
    END IF;
    IF NOT ordered THEN
        WITH gone AS (
            DELETE FROM specql.outbox AS o
            WHERE o.id = ANY (lease_calls.ids) AND o.payload IS NULL AND o.attempts = 0 AND o.last_error IS NULL
            RETURNING o.id, o.event_id, o.action, o.owner::oid AS owner, o.definition, o.log_slot, o.created_at),
        together AS (
            SELECT g.action, g.owner, g.definition, g.log_slot, array_agg(g.id ORDER BY g.id) AS ids,
                   array_agg(g.event_id ORDER BY g.id) AS event_ids, array_agg(g.created_at ORDER BY g.id) AS created_at
            FROM gone AS g GROUP BY g.action, g.owner, g.definition, g.log_slot),
        kept AS (
            INSERT INTO specql.lease (service, action, owner, definition, log_slot, ids, event_ids, created_at, last_id, leased_by, leased_until)
            SELECT lease_calls.service, t.action, t.owner::specql.role, t.definition, t.log_slot, t.ids, t.event_ids, t.created_at,
                   t.ids[cardinality(t.ids)], lease_calls.leased_by, lease_calls.leased_until
            FROM together AS t)
        SELECT coalesce(sum(cardinality(t.ids)), 0) INTO moved FROM together AS t;
        PERFORM specql.claimed_up_to(lease_calls.service, due_at[cardinality(lease_calls.ids)], lease_calls.ids[cardinality(lease_calls.ids)]);
    END IF;
    IF moved < cardinality(lease_calls.ids) THEN
        UPDATE specql.outbox AS o
        SET status = 'leased', attempts = o.attempts + 1, leased_by = lease_calls.leased_by, leased_until = lease_calls.leased_until,
            available_at = lease_calls.leased_until
        WHERE o.id = ANY (lease_calls.ids);
    END IF;
END $$;
COMMENT ON FUNCTION specql.lease_calls(text, uuid[], timestamptz[], text, timestamptz) IS
'Leases calls that specql.due_calls has found, and counts the attempt';

-- `place`: of the worker, by which the next one there knows what it leased. `probe_after`: after so many failures in a row, one call at a time until one succeeds. `busy` and `busy_calls`: how many
-- requests of which service this worker has not reported back yet. `max_items`: requests, in which `max_calls` leave at most. `max_bytes`: of payloads that have at most `large_bytes`; one that has more only if `takes_large`.
-- `one_service`: of no other.
CREATE FUNCTION specql.claim_calls(place integer, max_items integer, max_calls integer, per_service integer, probe_after integer, busy text[], busy_calls integer[],
    max_bytes bigint, large_bytes bigint, takes_large boolean,
    due_by timestamptz, one_service text)
RETURNS TABLE (id uuid, service text, url text, method text, headers text[], body text, timeout_ms integer, attempt integer,
    max_attempts integer, backoff_ms bigint, retry_on integer[], secrets text[], failures integer, pauses integer, access text[], heard boolean, answer_ms bigint,
    batch integer)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    limited boolean;
    room integer;
    due record;
    size bigint;
    fitting integer;
    used integer;
    lease interval;
    leased uuid[];
    exhausted uuid[];
    left_items integer := max_items;
    left_calls integer := max_calls;
    left_bytes bigint := max_bytes;
    batched boolean;
    leaving uuid[];
    numbers integer[];
    most_bytes bigint := pg_size_bytes(specql.setting('max_payload_size'));
    access text[];
    answers constant text[] := specql.heard_answers();
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
        batched := s.options ? 'batch' OR s.operations @? '$.*.batch';
        -- Nobody waits for others in a session that drains.
        CONTINUE WHEN batched AND place > 0 AND NOT specql.may_fill_batch(s);
        room := least(left_items, left_calls, CASE WHEN s.failures >= probe_after THEN 1 ELSE per_service END
                                  - coalesce(busy_calls[array_position(busy, s.name)], 0));
        CONTINUE WHEN room <= 0;
        limited := s.options ?| '{rate,concurrency}';
        IF limited THEN
            room := specql.take_places(s.name, s.options ->> 'rate', (s.options ->> 'burst')::bigint, (s.options ->> 'concurrency')::integer,
                                       coalesce(busy_calls[array_position(busy, s.name)], 0), room);
            CONTINUE WHEN room <= 0;
        END IF;
        SELECT * INTO due FROM specql.due_calls(s.name, CASE WHEN batched THEN least(left_calls, room::bigint * specql.largest_batch(s))::integer ELSE room END,
                                                due_by, true);
        IF due.ids = '{}' THEN
            PERFORM specql.give_places_back(s.name, room) WHERE limited;
            CONTINUE;
        END IF;
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
        IF fitting = 0 THEN
            PERFORM specql.give_places_back(s.name, room) WHERE limited;
            CONTINUE;
        END IF;
        access := CASE WHEN s.options ?| '{auth,tls,compress}' THEN specql.access_of(s) END;
        -- Longer than any of its calls can take, which may have to ask for a token, twice.
        lease := greatest(interval '1 min', interval '30 s' + CASE WHEN s.options -> 'auth' ? 'oauth2' THEN 4 ELSE 2 END * greatest(
            s.timeout, (SELECT max((e.value ->> 'timeout')::interval) FROM jsonb_each(s.operations) AS e(key, value))));
        leased := due.ids[:fitting];
        IF due.tried THEN
            exhausted := ARRAY(SELECT w.id FROM specql.whole_delivery AS w
                               WHERE w.id = ANY (leased) AND w.place = 'outbox'
                                 AND w.attempts >= 1 + coalesce((s.operations -> w.operation ->> 'retries')::integer, s.retries));
            -- The last attempt did not report back: the worker died of it, or with it.
            PERFORM specql.bury(x.id, 'the last attempt never came back') FROM unnest(exhausted) AS x(id);
            leased := ARRAY(SELECT u.id FROM unnest(leased) WITH ORDINALITY AS u(id, number) WHERE u.id <> ALL (exhausted) ORDER BY u.number);
        END IF;
        used := cardinality(leased);
        numbers := NULL;
        IF batched THEN
            SELECT b.ids, b.numbers, b.requests INTO leaving, numbers, used FROM specql.fill_batches(s, leased, room, place = 0 OR fitting < cardinality(due.ids)) AS b;
            left_bytes := left_bytes + (SELECT coalesce(sum(u.size), 0) FROM unnest(due.ids[:fitting], due.sizes[:fitting]) AS u(id, size)
                                        LEFT JOIN unnest(leaving) AS l(id) ON l.id = u.id
                                        WHERE l.id IS NULL AND u.size <= large_bytes);
            leased := leaving;
        END IF;
        left_items := left_items - used;
        left_calls := left_calls - cardinality(leased);
        PERFORM specql.give_places_back(s.name, room - used) WHERE limited AND room > used;
        CONTINUE WHEN leased = '{}';
        RETURN QUERY
            SELECT l.id, s.name,
                   CASE WHEN l.operation ? 'query' OR l.operation ->> 'path' LIKE ANY ('{%\{%,%\}%}')
                            THEN specql.filled_url(s.url, l.operation ->> 'path', l.operation -> 'query', (l.item).payload)
                        WHEN l.operation ->> 'path' IS NULL THEN s.url
                        ELSE rtrim(s.url, '/') || '/' || ltrim(l.operation ->> 'path', '/') END,
                   l.method,
                   specql.headers_with_key(CASE WHEN l.batch = 0 THEN (l.item).idempotency_key END, CASE WHEN l.operation ? 'headers' THEN specql.operation_headers(s, l.operation -> 'headers', (l.item).payload)
                        ELSE ARRAY(SELECT specql.header_line(h.key, h.value, s.name, s.owner) FROM jsonb_each_text(s.headers) AS h(key, value)) END)
                   || CASE WHEN NOT l.has_body THEN '{}'
                           WHEN s.format = 'cloudevents' AND l.batch > 0 THEN ARRAY['Content-Type: application/cloudevents-batch+json; charset=utf-8']
                           WHEN s.format = 'cloudevents' THEN ARRAY['Content-Type: application/cloudevents+json; charset=utf-8']
                           ELSE ARRAY['Content-Type: application/json; charset=utf-8'] END
                   || CASE WHEN l.batch = 0 AND (l.item).traceparent IS NOT NULL THEN ARRAY['traceparent: ' || (l.item).traceparent] END,
                   CASE WHEN l.has_body THEN specql.delivery_body(s.format || CASE WHEN s.format = 'cloudevents' AND l.batch > 0 THEN '-batch' ELSE '' END, l.item, coalesce((l.operation ->> 'retries')::integer, s.retries), s.numbers) END,
                   (extract(epoch FROM coalesce((l.operation ->> 'timeout')::interval, s.timeout)) * 1000)::integer, (l.item).attempts + 1,
                   1 + coalesce((l.operation ->> 'retries')::integer, s.retries),
                   (extract(epoch FROM s.backoff) * 1000)::bigint, s.retry_on,
                   -- A stored key goes along as it is, others by their name.
                   ARRAY(SELECT CASE WHEN k LIKE 'env:%' OR k LIKE 'file:%' THEN k
                                     ELSE coalesce('key:' || specql.secret_for(k, s.name, s.owner, 'sign'),
                                                   'missing:' || k || ' that may sign for ' || s.name) END
                         FROM unnest(s.secrets) WITH ORDINALITY AS u(k, place) ORDER BY place),
                   s.failures, s.pauses, access, answers <> '{}' AND specql.hears(answers, s.name, (l.item).operation) OR specql.waits_for_answer((l.item).id),
                   CASE WHEN l.operation ->> 'answer' = 'later' THEN (extract(epoch FROM coalesce((l.operation ->> 'answer_within')::interval, '1 day')) * 1000)::bigint ELSE -1 END,
                   l.batch
            FROM (SELECT w.id, w AS item, coalesce(numbers[d.number], 0) AS batch, o.operation, o.method, coalesce(o.operation ->> 'body' = 'true', o.method NOT IN ('GET', 'DELETE')) AS has_body
                  FROM unnest(leased) WITH ORDINALITY AS d(id, number)
                  JOIN specql.whole_delivery AS w ON w.id = d.id AND w.place = 'outbox',
                  LATERAL (SELECT p.operation, coalesce(p.operation ->> 'method', 'POST') AS method
                           FROM (SELECT coalesce(s.operations -> w.operation, '{}') AS operation) AS p) AS o
                  ORDER BY d.number) AS l;
        PERFORM specql.lease_calls(s.name, leased, due.due_at[:fitting], 'worker ' || place, clock_timestamp() + lease);
        IF batched AND s.ordering IS NULL THEN
            -- The first of those that wait for others is where the next claim begins.
            SELECT coalesce(min(u.place), cardinality(due.ids) + 1)::integer - 1 INTO fitting
            FROM unnest(due.ids) WITH ORDINALITY AS u(id, place) LEFT JOIN unnest(leased) AS l(id) ON l.id = u.id WHERE l.id IS NULL;
            PERFORM specql.claimed_up_to(s.name, coalesce(due.due_at[fitting], '-infinity'), coalesce(due.ids[fitting], due.ids[1]));
        END IF;
        EXIT WHEN left_items <= 0 OR left_calls <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.claim_calls(integer, integer, integer, integer, integer, text[], integer[], bigint, bigint, boolean, timestamptz, text) IS
'Leases calls that may leave now and counts the attempt; commit before sending. For the worker';

-- What makes the claims of a service fail: the service itself, whose calls wait until it is declared anew; some of its
-- calls, which are dead letters then; or something that is not known, and may pass.
CREATE FUNCTION specql.set_aside(service text, reason text, due_by timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s specql.service;
    d specql.whole_delivery;
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
    SELECT c.ids INTO due FROM specql.due_calls(set_aside.service, 100, set_aside.due_by, true) AS c;
    FOR d IN SELECT o.* FROM specql.whole_delivery AS o WHERE o.id = ANY (due) AND o.place = 'outbox' ORDER BY o.id LOOP
        problem := NULL;
        BEGIN
            PERFORM length(specql.delivery_body(s.format, d, s.retries, s.numbers)),
                    specql.filled_url(s.url, s.operations -> d.operation ->> 'path', s.operations -> d.operation -> 'query', d.payload),
                    specql.operation_headers(s, coalesce(s.operations -> d.operation -> 'headers', '{}'), d.payload);
        EXCEPTION WHEN OTHERS THEN
            problem := SQLERRM;
        END;
        IF problem IS NOT NULL THEN
            PERFORM specql.bury(d.id, 'it cannot be written: ' || problem);
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

-- At the start of a worker: its predecessor is dead, and so is whatever it was sending.
CREATE FUNCTION specql.release_leases(place integer) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH released AS (
        UPDATE specql.outbox SET status = 'waiting', available_at = clock_timestamp(), leased_until = NULL, leased_by = NULL
        WHERE status = 'leased' AND leased_by = 'worker ' || $1 RETURNING 1)
    SELECT ((SELECT count(*) FROM released)
            + specql.unlease(ARRAY(SELECT l.number FROM specql.lease AS l WHERE l.leased_by = 'worker ' || $1 FOR UPDATE), NULL, 'waiting'))::integer
$$;
COMMENT ON FUNCTION specql.release_leases(integer) IS 'Puts back what the worker before this one was sending, at the same place; how many';

REVOKE ALL ON FUNCTION specql.take_places(text, text, bigint, integer, integer, integer), specql.give_places_back(text, integer),
    specql.next_place(text, text, bigint, integer), specql.delivery_key(text, uuid, text, text, jsonb), specql.claims_begin(text, boolean), specql.claims_end(text),
    specql.claimed_up_to(text, timestamptz, uuid), specql.due_calls(text, integer, timestamptz, boolean), specql.bury_gone(uuid[]),
    specql.expired_calls(text, uuid[]), specql.expire_calls(integer),
    specql.lease_calls(text, uuid[], timestamptz[], text, timestamptz),
    specql.claim_calls(integer, integer, integer, integer, integer, text[], integer[], bigint, bigint, boolean, timestamptz, text),
    specql.set_aside(text, text, timestamptz), specql.release_leases(integer)
FROM PUBLIC;
