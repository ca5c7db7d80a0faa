-- Idempotency keys: what was queued or raised under one is known for a while, and is not queued or raised again.

CREATE TABLE specql.known_key (
    owner specql.role NOT NULL,
    service text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    id uuid,
    known_until timestamptz NOT NULL,
    PRIMARY KEY (owner, service, operation, key)
);
CREATE INDEX known_key_until ON specql.known_key (known_until);
REVOKE ALL ON specql.known_key FROM PUBLIC;
COMMENT ON TABLE specql.known_key IS 'Idempotency keys that are known';
COMMENT ON COLUMN specql.known_key.owner IS 'Who queued the call, or raised the event: nobody''s keys stand in the way of another''s';
COMMENT ON COLUMN specql.known_key.service IS 'The service that is called; empty for an event';
COMMENT ON COLUMN specql.known_key.operation IS 'The operation, or the type of the event';
COMMENT ON COLUMN specql.known_key.key IS 'As the step, or the caller, gave it';
COMMENT ON COLUMN specql.known_key.id IS 'The first delivery, or event, of the key; NULL if it was reserved, and nothing came of that';
COMMENT ON COLUMN specql.known_key.known_until IS 'From this time on the key is as good as unknown';
SELECT pg_catalog.pg_extension_config_dump('specql.known_key', '');

-- Who comes second waits until the transaction of the first has ended, as at any unique index. A key that is known for long is
-- found without a lock, so that repetitions do not wait for each other.
CREATE FUNCTION specql.know_key(owner oid, service text, operation text, key text, id uuid, dedupe_for interval) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    first uuid;
BEGIN
    SELECT k.id INTO first FROM specql.known_key AS k
    WHERE k.owner = know_key.owner::specql.role AND k.service = know_key.service AND k.operation = know_key.operation
      AND k.key = know_key.key AND k.known_until > clock_timestamp();
    IF FOUND THEN
        RETURN first;
    END IF;
    INSERT INTO specql.known_key AS k
    VALUES (know_key.owner, know_key.service, know_key.operation, know_key.key, know_key.id, clock_timestamp() + dedupe_for)
    ON CONFLICT ON CONSTRAINT known_key_pkey DO UPDATE SET id = excluded.id, known_until = excluded.known_until
    WHERE k.known_until <= clock_timestamp();
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT k.id INTO first FROM specql.known_key AS k
    WHERE k.owner = know_key.owner::specql.role AND k.service = know_key.service AND k.operation = know_key.operation AND k.key = know_key.key;
    RETURN first;
END $$;
COMMENT ON FUNCTION specql.know_key(oid, text, text, text, uuid, interval) IS
'Makes an idempotency key known; NULL, or, if it was known already, what was queued or raised under it';

-- What is reserved is known to nobody, but only this transaction can make it known.
CREATE FUNCTION specql.take_keys(owner oid, service text, operation text, keys text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO specql.known_key AS k (owner, service, operation, key, known_until)
    SELECT $1, $2, $3, u.key, '-infinity'
    FROM (SELECT DISTINCT n.key FROM unnest($4) AS n(key) WHERE octet_length(n.key) <= 255) AS u
    WHERE NOT EXISTS (SELECT FROM specql.known_key AS o
                      WHERE o.owner = $1::specql.role AND o.service = $2 AND o.operation = $3 AND o.key = u.key AND o.known_until > clock_timestamp())
    ORDER BY u.key COLLATE "C"
    ON CONFLICT ON CONSTRAINT known_key_pkey DO UPDATE SET known_until = excluded.known_until WHERE k.known_until <= clock_timestamp()
$$;
COMMENT ON FUNCTION specql.take_keys(oid, text, text, text[]) IS
'Reserves those of these idempotency keys that are not known, one after the other in their order';

CREATE FUNCTION specql.forget_keys() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT k.ctid FROM specql.known_key AS k WHERE k.known_until <= clock_timestamp()
        ORDER BY k.known_until LIMIT 10000 FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM specql.known_key AS k USING old WHERE k.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.forget_keys() IS
'Removes up to 10,000 idempotency keys that are not known any more; how many. The worker does it';

CREATE FUNCTION specql.reserve_keys(service text, operation text, keys text[]) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_reserve_keys';
COMMENT ON FUNCTION specql.reserve_keys(text, text, text[]) IS
'In a handler: before several calls of specql.call_once, waits for others that queue calls with these keys, in the order of the keys';

CREATE FUNCTION specql.call_once(service text, operation text, idempotency_key text, event_id uuid DEFAULT NULL, payload jsonb DEFAULT '{}',
    dedupe_for interval DEFAULT '1 day', after interval DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_once';
COMMENT ON FUNCTION specql.call_once(text, text, text, uuid, jsonb, interval, interval) IS
'Queues a call of a service, as specql.call_external and specql.call_later do, unless one with this key of the same role and operation is known; the delivery''s id, or that of the first';

CREATE FUNCTION specql.headers_with_key(key text, headers text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 IS NULL THEN $2
                ELSE ARRAY(SELECT h.line FROM unnest($2) WITH ORDINALITY AS h(line, place) WHERE h.line NOT ILIKE 'idempotency-key:%' ORDER BY h.place)
                     || ('Idempotency-Key: ' || $1) END
$$;
COMMENT ON FUNCTION specql.headers_with_key(text, text[]) IS 'The headers of a call, with its idempotency key, if it has one, in place of another';

REVOKE ALL ON FUNCTION specql.headers_with_key(text, text[]), specql.know_key(oid, text, text, text, uuid, interval), specql.take_keys(oid, text, text, text[]), specql.forget_keys(),
    specql.reserve_keys(text, text, text[]), specql.call_once(text, text, text, uuid, jsonb, interval, interval)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.forget_keys(), specql.reserve_keys(text, text, text[]),
    specql.call_once(text, text, text, uuid, jsonb, interval, interval)
TO specql_admin;
