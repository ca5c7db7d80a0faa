-- renamed_from of entities, actions and services, and values of enums: what is known under the former name is known under the new one.

CREATE FUNCTION specql.first_in_force(kind text, names text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.name FROM unnest($2) WITH ORDINALITY AS n(name, place)
    WHERE EXISTS (SELECT FROM specql.unit AS u WHERE u.key = $1 || ':' || CASE $1 WHEN 'service' THEN '.' ELSE '' END || n.name)
       OR $1 = 'action' AND EXISTS (SELECT FROM specql.action AS a WHERE a.action = n.name)
       OR $1 = 'service' AND EXISTS (SELECT FROM specql.service AS s WHERE s.name = n.name)
    ORDER BY n.place LIMIT 1
$$;
COMMENT ON FUNCTION specql.first_in_force(text, text[]) IS 'The first of these names that an entity, action or service in force has; NULL if none has';

CREATE FUNCTION specql.rows_of_entity(name text) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_regclass(e."table") FROM specql.entities AS e WHERE e.schema || '.' || e.entity = $1
$$;
COMMENT ON FUNCTION specql.rows_of_entity(text) IS 'The table of an entity in force, given with its schema; NULL if it is not where it was';

-- Versions that had the new name before come first.
CREATE FUNCTION specql.rename_unit(kind text, former text, name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was constant text := $1 || ':' || CASE $1 WHEN 'service' THEN '.' ELSE '' END || former;
    new_schema constant text := CASE $1 WHEN 'service' THEN '' ELSE regexp_replace(name, '\.[^.]*$', '') END;
    new_name constant text := CASE $1 WHEN 'service' THEN name ELSE regexp_replace(name, '^.*\.', '') END;
    versions constant integer := (SELECT coalesce(max(v.version), 0) FROM specql.unit_version AS v
                                  WHERE (v.kind, v.schema, v.name) = ($1, new_schema, new_name));
BEGIN
    UPDATE specql.unit AS u SET schema = new_schema, name = new_name, version = u.version + versions WHERE u.key = was;
    UPDATE specql.unit_version AS v SET schema = new_schema, name = new_name, version = v.version + versions, called = coalesce(v.called, former)
    WHERE v.key = was;
    UPDATE specql.object AS o SET unit = $1 || ':' || new_schema || '.' || new_name WHERE o.unit = was;
END $$;
COMMENT ON FUNCTION specql.rename_unit(text, text, text) IS 'Gives an entity, action or service in force another name, with its history';

CREATE FUNCTION specql.rename_entity(former text, name text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tables constant oid[] := ARRAY(SELECT r.relation FROM specql.object AS o JOIN specql.object_relation AS r ON r.identity = o.identity
                                   WHERE o.kind = 'table' AND o.unit = 'entity:' || former);
BEGIN
    PERFORM specql.require_owner('entity ' || former, c.relowner::specql.role, specql.viewer()) FROM pg_class AS c WHERE c.oid = ANY (tables);
    IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = ANY (tables)) THEN
        PERFORM specql.require_database_owner('entity ' || former);
    END IF;
    PERFORM specql.require_entity_name(regexp_replace(name, '\.[^.]*$', ''), regexp_replace(name, '^.*\.', ''), tables[1]::regclass, specql.viewer());
    PERFORM specql.rename_unit('entity', former, name);
END $$;
COMMENT ON FUNCTION specql.rename_entity(text, text) IS 'Gives an entity of the caller another name, with its history. specql.apply calls this, after the table was renamed';

-- Who has raised its events has ended when the table is locked; so nothing comes later under the former name.
CREATE FUNCTION specql.rename_action(former text, name text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched regclass;
    holder regclass;
BEGIN
    PERFORM specql.require_action(former, specql.viewer()), specql.require_action(name, specql.viewer()),
            specql.require_name(name, specql.viewer());
    IF NOT EXISTS (SELECT FROM specql.action_owner AS o WHERE o.action = former) THEN
        PERFORM specql.require_name(former, specql.viewer());
    END IF;
    FOR watched IN SELECT DISTINCT to_regclass(a.relation) FROM specql.action AS a
                   WHERE a.action = former AND to_regclass(a.relation) IS NOT NULL ORDER BY 1 LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', watched);
    END LOOP;
    PERFORM specql.lock_window(former, true);
    DELETE FROM specql.schedule AS s WHERE s.action = name AND s.dropped_in IS NOT NULL;
    DELETE FROM specql.due_row AS d WHERE d.action = name AND EXISTS (SELECT FROM specql.due_rule AS r WHERE r.action = name AND r.dropped_in IS NOT NULL);
    DELETE FROM specql.due_rule AS r WHERE r.action = name AND r.dropped_in IS NOT NULL;
    DELETE FROM specql.action_owner AS o WHERE o.action = name AND EXISTS (SELECT FROM specql.action_owner AS f WHERE f.action = former);
    -- Every table that says of which action its rows are.
    FOR holder IN SELECT c.oid FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                  WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                    AND a.attname = 'action' AND a.atttypid = 'text'::regtype ORDER BY c.relname LOOP
        EXECUTE format('UPDATE %s SET action = $2 WHERE action = $1', holder) USING former, name;
    END LOOP;
    UPDATE specql.reader AS r SET at_action = rename_action.name WHERE r.at_action = former;
    UPDATE specql.object AS o SET identity = name WHERE o.kind IN ('registration', 'window') AND o.identity = former;
    PERFORM specql.rename_unit('action', former, name);
END $$;
COMMENT ON FUNCTION specql.rename_action(text, text) IS
'Gives an action of the caller another name, with all that waits for it and all that is known of it. specql.apply calls this';

CREATE FUNCTION specql.rename_service(former text, name text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder regclass;
BEGIN
    IF EXISTS (SELECT FROM specql.service AS s WHERE s.name = former) THEN
        PERFORM specql.require_service(former);
    ELSE
        PERFORM specql.require_database_owner('service ' || former);
    END IF;
    -- Calls may have been queued under both names.
    DELETE FROM specql.known_key AS k USING specql.known_key AS f
    WHERE k.service = name AND f.service = former AND (k.owner, k.operation, k.key) = (f.owner, f.operation, f.key);
    FOR holder IN SELECT c.oid FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                  WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                    AND a.attname = 'service' AND a.atttypid = 'text'::regtype ORDER BY c.relname LOOP
        EXECUTE format('UPDATE %s SET service = $2 WHERE service = $1', holder) USING former, name;
    END LOOP;
    UPDATE specql.service AS s SET name = rename_service.name WHERE s.name = former;
    UPDATE specql.secret AS x SET sent_to = array_replace(x.sent_to, former, rename_service.name),
                                  signs_for = array_replace(x.signs_for, former, rename_service.name)
    WHERE former = ANY (x.sent_to || x.signs_for);
    -- Answers that wait are of types that have its name in them.
    UPDATE specql.waiting_event AS e SET type = name || substr(e.type, length(former) + 1)
    WHERE starts_with(e.type, former || '.') AND e.type ~ '\.(succeeded|failed)$';
    UPDATE specql.failure AS e SET type = name || substr(e.type, length(former) + 1)
    WHERE starts_with(e.type, former || '.') AND e.type ~ '\.(succeeded|failed)$';
    UPDATE specql.object AS o SET identity = rename_service.name WHERE o.kind = 'service' AND o.identity = former;
    PERFORM specql.rename_unit('service', former, name);
    PERFORM specql.wake_worker();
END $$;
COMMENT ON FUNCTION specql.rename_service(text, text) IS
'Gives a service of the caller another name, with its calls, dead letters, secrets and the state of its circuit breaker. specql.apply calls this';

CREATE FUNCTION specql.value_in_check(schema text, "table" text, column_name text, names text[], formers text[])
RETURNS TABLE (name text, former text, conname text, definition text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT v.value FROM unnest($4) WITH ORDINALITY AS v(value, place)
            WHERE position(quote_literal(v.value) || '::' IN c.definition) > 0 ORDER BY v.place LIMIT 1),
           (SELECT v.value FROM unnest($5) WITH ORDINALITY AS v(value, place)
            WHERE position(quote_literal(v.value) || '::' IN c.definition) > 0 ORDER BY v.place LIMIT 1),
           c.conname, c.definition
    FROM (SELECT k.conname::text, pg_get_constraintdef(k.oid) AS definition
          FROM pg_constraint AS k
          JOIN pg_class AS r ON r.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = r.relnamespace
          JOIN pg_attribute AS a ON a.attrelid = r.oid AND k.conkey = ARRAY[a.attnum]
          WHERE k.contype = 'c' AND n.nspname = $1 AND r.relname = $2 AND a.attname = $3) AS c
    WHERE position('= ANY (ARRAY[' IN c.definition) > 0 OR c.definition ~ '^CHECK \(\(\S+ = ''.*''::text\)\)$'
    ORDER BY 2 IS NULL, c.conname LIMIT 1
$$;
COMMENT ON FUNCTION specql.value_in_check(text, text, text, text[], text[]) IS
'The check of a column that lists the values it may have, and which of these are among them';

CREATE FUNCTION specql.respell_value(relation regclass, column_name text, former text, value text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_respell_value';
COMMENT ON FUNCTION specql.respell_value(regclass, text, text, text) IS
'Writes a value otherwise in all rows of a table of the caller, without an event: nothing has happened to them. specql.apply calls this';

REVOKE ALL ON FUNCTION specql.value_in_check(text, text, text, text[], text[]), specql.respell_value(regclass, text, text, text),
    specql.first_in_force(text, text[]), specql.rows_of_entity(text), specql.rename_unit(text, text, text),
    specql.rename_entity(text, text), specql.rename_action(text, text), specql.rename_service(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.respell_value(regclass, text, text, text), specql.rename_entity(text, text), specql.rename_action(text, text), specql.rename_service(text, text) TO specql_admin;
