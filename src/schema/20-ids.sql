-- Identifiers that grow with time, and the clock that everything goes by. uuid_v7 and uuid_time are everybody's: column
-- defaults run as whoever inserts.

CREATE FUNCTION specql.uuid_v7() RETURNS uuid
LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_uuid_v7';
COMMENT ON FUNCTION specql.uuid_v7() IS
'A new time-ordered identifier (RFC 9562 version 7); within a session each is greater than the one before';

CREATE FUNCTION specql.uuid_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.to_timestamp(
    (('x' || pg_catalog.substr(pg_catalog.replace(id::text, '-', ''), 1, 12))::bit(48)::bigint)::double precision / 1000);
COMMENT ON FUNCTION specql.uuid_time(uuid) IS 'When a version 7 identifier was made, to the millisecond';

CREATE FUNCTION specql.reaction_id(event_id uuid, step integer) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_reaction_id';
COMMENT ON FUNCTION specql.reaction_id(uuid, integer) IS
'In a handler: the id of the event row that a step inserts in reaction to an event, by which it is found again when the deliveries are done';

CREATE FUNCTION specql.clock() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_clock';
COMMENT ON FUNCTION specql.clock() IS
'The time by which events happen, windows slide and retries are due: clock_timestamp(), moved by specql.clock_offset';

CREATE FUNCTION specql.first_uuid(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM $1) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;
COMMENT ON FUNCTION specql.first_uuid(timestamptz) IS 'The least version 7 identifier of a millisecond';

-- The id of a delivery that holds nothing of its own begins with that of its event: the index of the ids finds the deliveries
-- of an event as well.
CREATE FUNCTION specql.first_delivery(event_id uuid) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_first_delivery';
COMMENT ON FUNCTION specql.first_delivery(uuid) IS 'The least id that a delivery of the event''s data can have';

CREATE FUNCTION specql.last_delivery(event_id uuid) RETURNS uuid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_last_delivery';
COMMENT ON FUNCTION specql.last_delivery(uuid) IS 'The greatest id that a delivery of the event''s data can have';

REVOKE ALL ON FUNCTION specql.first_uuid(timestamptz), specql.first_delivery(uuid), specql.last_delivery(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.first_uuid(timestamptz) TO specql_admin;
