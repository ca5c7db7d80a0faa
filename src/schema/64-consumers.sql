-- Services without a url: consumers take their calls, and say ack or nack.

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

-- Leases that have not ended: their times lie at the right end of the indexes.
CREATE FUNCTION specql.count_taken(service text) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (SELECT count(*) FROM specql.leased_call AS c
            WHERE c.number = ANY (ARRAY(SELECT l.number FROM specql.lease AS l
                                        WHERE l.leased_until > clock_timestamp() AND l.service = count_taken.service)))
         + (SELECT count(*) FROM specql.outbox AS o
            WHERE o.service = count_taken.service AND o.available_at > clock_timestamp() AND o.status = 'leased');
END $$;
COMMENT ON FUNCTION specql.count_taken(text) IS 'How many calls of a service are leased';

CREATE FUNCTION specql.take(service text, n integer DEFAULT 1, lease interval DEFAULT '30 s') RETURNS SETOF specql.deliveries
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    until timestamptz;
    due record;
    found_rows bigint;
    options constant jsonb := (SELECT s.options FROM specql.service AS s WHERE s.name = take.service);
    room integer := greatest(n, 0);
BEGIN
    IF options IS NULL THEN
        RAISE EXCEPTION 'no spec declares service %, so nobody may take its calls', take.service
            USING ERRCODE = 'SQ101', HINT = format('SELECT * FROM specql.apply(%L)', 'service: ' || take.service);
    END IF;
    PERFORM specql.require_service(take.service);
    IF lease IS NULL OR lease NOT BETWEEN '1 ms' AND '1 day' THEN
        RAISE EXCEPTION 'the lease must be from 1 ms to 1 day' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    until := clock_timestamp() + lease;
    IF options ? 'concurrency' THEN
        -- What another consumer takes in a transaction that is open cannot be counted.
        IF NOT specql.lock_number('taking', hashtext(take.service), false) THEN
            RETURN;
        END IF;
        room := least(room, (options ->> 'concurrency')::integer - specql.count_taken(take.service));
    END IF;
    IF options ? 'rate' AND room > 0 THEN
        room := specql.take_places(take.service, options ->> 'rate', (options ->> 'burst')::bigint, NULL, 0, room);
    END IF;
    IF room <= 0 THEN
        RETURN;
    END IF;
    SELECT * INTO due FROM specql.due_calls(take.service, room, NULL, false);
    PERFORM specql.give_places_back(take.service, room - cardinality(due.ids)) WHERE options ? 'rate' AND room > cardinality(due.ids);
    IF specql.waits_for_standby() AND current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        -- The COMMIT after which the consumer works.
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    RETURN QUERY
        SELECT w.id, w.kind, w.service, w.operation, w.channel, w.message, w.payload, w.event_id, w.type, w.action,
            w.aggregatetype, w.aggregateid, 'leased', w.attempts + 1, until, until, w.last_error, w.created_at,
            w.finished_at, w.http_status, w.response, w.traceparent, w.idempotency_key
        FROM specql.whole_delivery AS w WHERE w.id = ANY (due.ids) AND w.place = 'outbox' AND w.payload IS NOT NULL ORDER BY w.id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    IF found_rows < cardinality(due.ids) THEN
        PERFORM specql.bury_gone(ARRAY(SELECT w.id FROM specql.whole_delivery AS w
                                       WHERE w.id = ANY (due.ids) AND w.place = 'outbox' AND w.payload IS NULL));
    END IF;
    PERFORM specql.lease_calls(take.service, due.ids, due.due_at, session_user, until);
END $$;
COMMENT ON FUNCTION specql.take(text, integer, interval) IS
'Leases up to n waiting calls of a service to the caller, who says specql.ack(id) or specql.nack(id) before the lease ends, else others get them';

-- An answer of a consumer is as long as one that a worker keeps.
CREATE FUNCTION specql.require_answer(response jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF specql.payload_size(response) > pg_size_bytes(specql.setting('max_answer_size')) THEN
        RAISE EXCEPTION 'the answer has % kB, specql.max_answer_size is %',
            (specql.payload_size(response) + 1023) / 1024, specql.setting('max_answer_size') USING ERRCODE = 'program_limit_exceeded';
    END IF;
    RETURN response::text;
END $$;
COMMENT ON FUNCTION specql.require_answer(jsonb) IS 'The text of an answer; an error if it is too long';

CREATE FUNCTION specql.end_calls(ids uuid[], responses text[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    leases constant bigint[] := specql.lock_leases(ids);
    done record;
BEGIN
    IF cardinality(ids) > 1 THEN
        ids := ARRAY(SELECT DISTINCT u.id FROM unnest(ids) AS u(id));
    END IF;
    PERFORM FROM specql.outbox AS o WHERE o.id = ANY (end_calls.ids) ORDER BY o.id FOR UPDATE;
    PERFORM specql.require_taker(d.service, d.action, d.owner::specql.role)
    FROM (SELECT l.service, l.action, l.owner::oid AS owner FROM specql.lease AS l WHERE l.number = ANY (leases)
          UNION
          SELECT o.service, o.action, o.owner::oid FROM specql.outbox AS o WHERE o.id = ANY (end_calls.ids)) AS d;
    SELECT * INTO done FROM specql.retire(ids, array_fill('done'::text, ARRAY[cardinality(ids)]), NULL, NULL, responses);
    IF done.event_ids IS NOT NULL THEN
        PERFORM specql.finish_events(done.event_ids, done.actions);
        -- What is not the caller's is for a worker.
        PERFORM specql.tell_finished(done.actions);
    END IF;
    RETURN done.retired;
END $$;
COMMENT ON FUNCTION specql.end_calls(uuid[], text[]) IS 'What specql.ack does: calls are done; with a response there is one call';

-- Variadic: ack(id) for one, ack(VARIADIC ids) for many at the price of a few.
CREATE FUNCTION specql.ack(VARIADIC ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN specql.end_calls(ids, NULL);
END $$;
COMMENT ON FUNCTION specql.ack(uuid[]) IS
'Taken calls are done: specql.ack(id), or specql.ack(VARIADIC ids); how many of them were not done yet';

CREATE FUNCTION specql.ack(id uuid, response jsonb) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN specql.end_calls(ARRAY[id], ARRAY[specql.require_answer(response)]);
END $$;
COMMENT ON FUNCTION specql.ack(uuid, jsonb) IS 'A taken call is done, and this is the answer to it; 0 if it was done before';

-- A literal of unknown type means this one. No id is JSON.
CREATE FUNCTION specql.ack(id uuid, response text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF response ~* '^\s*\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?\s*$' THEN
        RETURN specql.end_calls(ARRAY[id, response::uuid], NULL);
    END IF;
    RETURN specql.end_calls(ARRAY[id], ARRAY[specql.require_answer(response::jsonb)]);
END $$;
COMMENT ON FUNCTION specql.ack(uuid, text) IS 'The same for a plain literal, whose type PostgreSQL would otherwise have to guess; it may be another id, too';

-- And two of them this one.
CREATE FUNCTION specql.ack(id text, response text) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$ SELECT specql.ack($1::uuid, $2) $$;
COMMENT ON FUNCTION specql.ack(text, text) IS 'The same for two plain literals';

CREATE FUNCTION specql.nack(id uuid, error text DEFAULT NULL, retry_in interval DEFAULT NULL, final boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
    pause interval;
    again boolean;
BEGIN
    IF retry_in NOT BETWEEN '0' AND '366 days' THEN
        RAISE EXCEPTION 'retry_in must be from 0 to 366 days' USING ERRCODE = 'invalid_parameter_value';
    ELSIF final AND retry_in IS NOT NULL THEN
        RAISE EXCEPTION 'a failure that is final is not tried again, so that retry_in says nothing' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM specql.unlease(specql.lock_leases(ARRAY[nack.id]), ARRAY[nack.id], 'leased');
    PERFORM FROM specql.outbox AS o WHERE o.id = nack.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT o.service, o.action, o.owner, o.attempts, s.operations, s.retries, coalesce(s.backoff, '1 s') AS backoff, o.operation
    INTO d FROM specql.whole_delivery AS o LEFT JOIN specql.service AS s ON s.name = o.service WHERE o.id = nack.id AND o.place = 'outbox';
    PERFORM specql.require_taker(d.service, d.action, d.owner);
    pause := coalesce(retry_in, specql.pause_after(d.attempts, d.backoff));
    again := final IS NOT TRUE AND d.attempts < 1 + coalesce((d.operations -> d.operation ->> 'retries')::integer, d.retries, 8);
    PERFORM specql.record_results(ARRAY[nack.id], ARRAY[CASE WHEN again THEN 'retry' ELSE 'dead' END],
        ARRAY[(extract(epoch FROM pause) * 1000)::bigint], ARRAY[left(nack.error, 10000)], NULL, NULL);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.nack(uuid, text, interval, boolean) IS
'A taken call failed: it is due again after retry_in (default: the backoff of its service), or a dead letter when its attempts are used up, or with final at once';

-- A receiver may answer before the worker has written down that it has the call.
CREATE FUNCTION specql.respond(id uuid, response jsonb DEFAULT NULL, failed boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
BEGIN
    PERFORM specql.unlease(specql.lock_leases(ARRAY[respond.id]), ARRAY[respond.id], 'leased');
    SELECT o.service, o.action, o.owner, o.kind, o.attempts INTO d FROM specql.outbox AS o WHERE o.id = respond.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM specql.require_taker(d.service, d.action, d.owner);
    IF d.kind <> 'call' OR d.attempts = 0 THEN
        RAISE EXCEPTION 'delivery % is no call that was made, so that nobody can have an answer to it', id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM specql.record_results(ARRAY[respond.id], ARRAY[CASE WHEN failed THEN 'dead' ELSE 'done' END], '{0}',
        ARRAY[CASE WHEN failed THEN 'the receiver has answered that it failed' END], NULL, ARRAY[specql.require_answer(response)]);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.respond(uuid, jsonb, boolean) IS
'The answer to a call whose receiver has taken it and answers later (answer: later): it is done with this response, or with failed a dead letter; false if it is answered already, dead, or unknown';

REVOKE ALL ON FUNCTION specql.count_taken(text), specql.require_taker(text, text, specql.role), specql.take(text, integer, interval), specql.require_answer(jsonb),
    specql.end_calls(uuid[], text[]), specql.ack(uuid[]), specql.ack(uuid, jsonb), specql.ack(uuid, text),
    specql.ack(text, text),
    specql.nack(uuid, text, interval, boolean), specql.respond(uuid, jsonb, boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.take(text, integer, interval), specql.ack(uuid[]), specql.ack(uuid, jsonb), specql.ack(uuid, text),
    specql.ack(text, text),
    specql.nack(uuid, text, interval, boolean), specql.respond(uuid, jsonb, boolean)
TO specql_admin;
