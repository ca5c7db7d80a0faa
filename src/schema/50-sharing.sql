-- Who may have whose payloads: a service of one role gets calls of another only if that one has its rights or has let
-- it have them.

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

REVOKE ALL ON FUNCTION specql.may_take(text, specql.role, specql.role), specql.release_calls(text),
    specql.share_service(text, name), specql.unshare_service(text, name)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.share_service(text, name), specql.unshare_service(text, name) TO specql_admin;
