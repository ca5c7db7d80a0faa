-- Where deliveries leave from: a restored or cloned database finds that it is another, and delivers nothing until it is
-- told to.

-- Where deliveries left from last. A restored or cloned database finds that it is another, and delivers nothing.
CREATE TABLE specql.installation (
    system_identifier bigint NOT NULL,
    database oid NOT NULL
);
COMMENT ON TABLE specql.installation IS 'The server and database that deliveries leave from; another one is a copy, and paused';
COMMENT ON COLUMN specql.installation.system_identifier IS 'As pg_control_system() tells it';
COMMENT ON COLUMN specql.installation.database IS 'The database';
SELECT pg_catalog.pg_extension_config_dump('specql.installation', '');

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

REVOKE ALL ON FUNCTION specql.is_copy(), specql.resume_deliveries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.resume_deliveries() TO specql_admin;
