-- Whose something is: who may see an action's events, and who may change what a role has made.

-- Functions that run as the extension's owner ask for whom.
CREATE FUNCTION specql.viewer() RETURNS oid
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'specql_viewer';
COMMENT ON FUNCTION specql.viewer() IS
'For whom functions work that run as the extension''s owner: in a handler its owner, else who the session is, or has become with SET ROLE';

-- What belongs to nobody, because its role was dropped, is for the owner of the database.
CREATE FUNCTION specql.works_for(owner specql.role, caller oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT pg_has_role(caller, coalesce(r.oid, d.datdba), 'USAGE')
                   OR (SELECT pg_has_role(caller, x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql')
            FROM pg_database AS d LEFT JOIN pg_roles AS r ON r.oid = owner::oid
            WHERE d.datname = current_database());
END $$;
COMMENT ON FUNCTION specql.works_for(specql.role, oid) IS
'Has the caller the rights of the owner, or of the database''s owner if that role is gone?';

-- In a view current_user is whoever reads it.
CREATE FUNCTION specql.is_mine(owner specql.role) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.works_for($1, (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user))
$$;
COMMENT ON FUNCTION specql.is_mine(specql.role) IS 'Has the current user the rights of the owner? For views';

CREATE FUNCTION specql.sees(action text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1 IS NULL
           OR (SELECT pg_has_role(specql.viewer(), x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql')
           OR EXISTS (SELECT FROM specql.owned_action AS o WHERE o.action = $1 AND specql.works_for(o.owner, specql.viewer()))
$$;
COMMENT ON FUNCTION specql.sees(text) IS
'May the user of this session see the events of an action? For functions that run with other rights';

-- The same for all actions at once.
CREATE FUNCTION specql.visible_actions() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT pg_has_role(v.role, x.extowner, 'USAGE')
                THEN ARRAY(SELECT o.action FROM specql.owned_action AS o WHERE specql.works_for(o.owner, v.role)) END
    FROM (SELECT specql.viewer() AS role OFFSET 0) AS v, pg_extension AS x WHERE x.extname = 'specql'
$$;
COMMENT ON FUNCTION specql.visible_actions() IS 'Actions whose events the user of this session may see; NULL: all';

CREATE FUNCTION specql.require_owner(what text, owner specql.role, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    responsible text := owner::text;
BEGIN
    IF NOT specql.works_for(owner, caller) THEN
        IF responsible = '-' THEN
            responsible := (SELECT d.datdba::regrole::text FROM pg_database AS d WHERE d.datname = current_database());
            what := format('%s, whose owner is gone,', what);
        END IF;
        RAISE EXCEPTION '% belongs to %', what, responsible
            USING ERRCODE = 'SQ101', HINT = format('Let %s do it, or become a member of that role.', responsible);
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_owner(text, specql.role, oid) IS
'An error unless the caller has the rights of the owner; what belongs to nobody any more is the database''s owner''s';

CREATE FUNCTION specql.require_database_owner(what text) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner($1, d.datdba::specql.role, specql.viewer()) FROM pg_database AS d WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION specql.require_database_owner(text) IS 'An error unless the viewer has the rights of the database''s owner';

-- Names are in the schemas that they begin with: nobody takes one where he could not make the action's functions.
CREATE FUNCTION specql.require_name(action text, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace AS n
                   WHERE starts_with(require_name.action, n.nspname || '.') AND has_schema_privilege(caller, n.oid, 'CREATE'))
       AND NOT (SELECT pg_has_role(caller, x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql') THEN
        RAISE EXCEPTION 'an action % cannot be registered by you', action
            USING ERRCODE = 'SQ101', DETAIL = 'Its name begins with no schema that you may create objects in.';
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_name(text, oid) IS 'An error unless the name of an action begins with a schema that the caller may create objects in';

-- The same for an entity, which leads to a table: that may also be one of the caller's in that schema.
CREATE FUNCTION specql.require_entity_name(schema text, entity text, relation regclass, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace AS n
                   WHERE n.nspname = $1
                     AND (has_schema_privilege(caller, n.oid, 'CREATE')
                          OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = $3 AND c.relnamespace = n.oid AND pg_has_role(caller, c.relowner, 'USAGE'))))
       AND NOT (SELECT pg_has_role(caller, x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql') THEN
        RAISE EXCEPTION 'an entity %.% cannot be declared by you', schema, entity
            USING ERRCODE = 'SQ101', DETAIL = format('You may create nothing in the schema %I, and its table is not one of yours there.', schema);
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_entity_name(text, text, regclass, oid) IS
'An error unless the caller may create objects in the schema of an entity, or owns its table there';

CREATE FUNCTION specql.require_action(action text, caller oid) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('action ' || o.action, o.owner, $2) FROM specql.owned_action AS o WHERE o.action = $1
$$;
COMMENT ON FUNCTION specql.require_action(text, oid) IS 'An error if an action belongs to somebody else than the caller';

CREATE FUNCTION specql.owner_of(action text) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT r.oid FROM specql.owned_action AS o JOIN pg_roles AS r ON r.oid = o.owner::oid WHERE o.action = $1),
                    (SELECT d.datdba FROM pg_database AS d WHERE d.datname = current_database()));
END $$;
COMMENT ON FUNCTION specql.owner_of(text) IS 'The role that an action is of; of one whose role is gone, the owner of the database';

CREATE FUNCTION specql.own_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    full_name constant text := specql.known_action($1);
BEGIN
    PERFORM specql.require_action(full_name, specql.viewer());
    RETURN full_name;
END $$;
COMMENT ON FUNCTION specql.own_action(text) IS 'As specql.known_action; an error too if the action belongs to somebody else';

-- What views ask with the rights of whoever reads them is left to PUBLIC: works_for, is_mine.
REVOKE ALL ON FUNCTION specql.viewer(), specql.sees(text), specql.visible_actions(),
    specql.require_owner(text, specql.role, oid), specql.require_database_owner(text), specql.require_name(text, oid),
    specql.require_entity_name(text, text, regclass, oid),
    specql.require_action(text, oid), specql.owner_of(text), specql.own_action(text)
FROM PUBLIC;
