-- The schema and the role. Every part of this script names objects with their schema, creates them plainly (an object
-- that somebody put there before must not be captured) and takes EXECUTE on what changes something from PUBLIC.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA specql;
COMMENT ON SCHEMA specql IS 'Event-driven rules: specs, events, deliveries. Start with specql.apply(text)';
-- Handlers and column defaults of the users' tables call functions in it; each function has its own grants.
GRANT USAGE ON SCHEMA specql TO PUBLIC;

-- Roles belong to the whole cluster: another database may have made these, even at this moment.
DO $$
DECLARE
    role record;
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
    END LOOP;
END
$$;

CREATE FUNCTION specql.setting(name text) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_setting';
COMMENT ON FUNCTION specql.setting(text) IS
'A setting of this extension, by its name after the dot; unlike current_setting(), in every session';
