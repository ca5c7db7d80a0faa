-- The schema and the role. Every part of this script names objects with their schema and creates them plainly (an object
-- that somebody put there before must not be captured). Everything that changes something, or shows other people's data, is for
-- specql_admin, and for whoever it is granted to: EXECUTE on it is taken from PUBLIC.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA specql;
COMMENT ON SCHEMA specql IS 'Event-driven rules: specs, events, deliveries. Start with specql.apply(text)';
-- Handlers and column defaults of the users' tables call functions in it; each function has its own grants.
GRANT USAGE ON SCHEMA specql TO PUBLIC;

-- Roles belong to the whole cluster: another database may have made these, even at this moment. So may somebody who wants to be
-- one of them: a member of specql_reader can change what its views do, and superusers look at them. specql_admin has members where a
-- whole cluster is restored, which makes roles first.
DO $$
DECLARE
    role record;
    present record;
    members text;
BEGIN
    FOR role IN SELECT * FROM (VALUES
            ('specql_admin', 'Members may apply specs with specql.apply and look after their events and deliveries'),
            ('specql_reader', 'Owns the views of specql, so that row-level security holds for them; nobody needs to be a member'))
            AS r(name, about) LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role.name) THEN
                EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role.name);
                EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', role.name, role.about);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
        END;
        SELECT r.*, EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m WHERE m.member = r.oid) AS is_member INTO present
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = role.name;
        IF present.rolcanlogin OR present.rolsuper OR present.rolcreaterole OR present.rolcreatedb OR present.rolreplication
           OR present.rolbypassrls OR present.is_member THEN
            RAISE EXCEPTION 'there is a role % that is not the one of specql', role.name
                USING ERRCODE = 'duplicate_object', DETAIL = 'It may log in, has attributes, or is a member of another role.',
                      HINT = pg_catalog.format('Rename it, or take that from it: ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS.', role.name);
        END IF;
        SELECT pg_catalog.string_agg(pg_catalog.quote_ident(r.rolname), ', ' ORDER BY r.rolname) INTO members
        FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS r ON r.oid = m.member
        WHERE m.roleid = present.oid AND NOT r.rolsuper;
        IF members IS NOT NULL AND role.name = 'specql_reader' THEN
            RAISE EXCEPTION 'role specql_reader has members: %', members
                USING ERRCODE = 'duplicate_object', DETAIL = 'They could change what the views of specql do.',
                      HINT = pg_catalog.format('REVOKE specql_reader FROM %s;', members);
        ELSIF members IS NOT NULL AND pg_catalog.to_regclass('specql.event_log') IS NULL THEN
            RAISE WARNING 'role specql_admin has members already: %', members
                USING DETAIL = 'They may apply specs in this database too.';
        END IF;
    END LOOP;
END
$$;

-- Who owns what is registered: an OID, which a rename does not change, written as a name, by which a dump is read elsewhere.
CREATE TYPE specql.role;
CREATE FUNCTION specql.role_in(cstring) RETURNS specql.role
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_role_in';
COMMENT ON FUNCTION specql.role_in(cstring) IS 'Reads a specql.role: the role of this name; nobody if there is none';
CREATE FUNCTION specql.role_out(specql.role) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_role_out';
COMMENT ON FUNCTION specql.role_out(specql.role) IS 'Writes a specql.role: its name; - if it is gone';
CREATE TYPE specql.role (INPUT = specql.role_in, OUTPUT = specql.role_out, LIKE = pg_catalog.oid);
COMMENT ON TYPE specql.role IS 'A role: kept by its OID, written as its name; - is nobody';
CREATE CAST (specql.role AS pg_catalog.oid) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (specql.role AS pg_catalog.oid) IS 'That of pg_roles';
CREATE CAST (pg_catalog.oid AS specql.role) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.oid AS specql.role) IS 'That of pg_roles';

CREATE FUNCTION specql.library_version() RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'specql_library_version';
COMMENT ON FUNCTION specql.library_version() IS 'The version of the installed library; that of the extension in this database is pg_extension.extversion';

CREATE FUNCTION specql.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_setting';
COMMENT ON FUNCTION specql.setting(text) IS
'A setting of this extension, by its name after the dot; unlike current_setting(), in every session';
