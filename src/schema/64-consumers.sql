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

CREATE FUNCTION specql.take(service text, n integer DEFAULT 1, lease interval DEFAULT '30 s') RETURNS SETOF specql.deliveries
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    until timestamptz;
    due record;
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
    SELECT * INTO due FROM specql.due_calls(take.service, greatest(n, 0));
    IF specql.waits_for_standby() AND current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        -- The COMMIT after which the consumer works.
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    RETURN QUERY
        SELECT w.id, w.kind, w.service, w.operation, w.channel, w.message, w.payload, w.event_id, w.type, w.action,
            w.aggregatetype, w.aggregateid, 'leased', w.attempts + 1, until, until, w.last_error, w.created_at,
            w.finished_at, w.http_status, w.response
        FROM specql.whole_delivery AS w WHERE w.id = ANY (due.ids) AND w.place = 'outbox' ORDER BY w.id;
    PERFORM specql.lease_calls(take.service, due.ids, due.due_at, session_user, until);
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
    leases constant bigint[] := specql.lock_leases(ids);
BEGIN
    WITH waiting AS (
        SELECT o.id, o.service, o.action, o.owner::oid AS owner FROM specql.outbox AS o
        WHERE o.id = ANY (ack.ids) ORDER BY o.id FOR UPDATE)
    SELECT array_agg(d.id), array_agg(d.service), array_agg(d.action), array_agg(d.owner) INTO found_ids, services, actions, owners
    FROM (SELECT c.id, c.service, c.action, c.owner::oid AS owner FROM specql.leased_call AS c
          JOIN unnest(ack.ids) AS u(id) ON u.id = c.id WHERE c.number = ANY (leases)
          UNION ALL SELECT w.* FROM waiting AS w) AS d;
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
'Taken calls are done: specql.ack(id), or specql.ack(VARIADIC ids); how many of them were not done yet';

CREATE FUNCTION specql.nack(id uuid, error text DEFAULT NULL, retry_in interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
    pause interval;
BEGIN
    IF retry_in NOT BETWEEN '0' AND '366 days' THEN
        RAISE EXCEPTION 'retry_in must be from 0 to 366 days' USING ERRCODE = 'invalid_parameter_value';
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
    PERFORM specql.record_results(ARRAY[nack.id],
        ARRAY[CASE WHEN d.attempts < 1 + coalesce((d.operations -> d.operation ->> 'retries')::integer, d.retries, 8) THEN 'retry' ELSE 'dead' END],
        ARRAY[(extract(epoch FROM pause) * 1000)::bigint], ARRAY[left(nack.error, 10000)], NULL, NULL);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.nack(uuid, text, interval) IS
'A taken call failed: it is due again after retry_in (default: the backoff of its service), or a dead letter when its attempts are used up';

REVOKE ALL ON FUNCTION specql.require_taker(text, text, specql.role), specql.take(text, integer, interval),
    specql.ack(uuid[]), specql.nack(uuid, text, interval)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.take(text, integer, interval), specql.ack(uuid[]), specql.nack(uuid, text, interval)
TO specql_admin;
