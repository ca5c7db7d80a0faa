-- What is installed as a whole: as text, in older versions, away again, and how it differs from what apply made.

-- ---- units by name ---------------------------------------------------------------------------------------------------

-- `ever`: units that are in force no more count too.
CREATE FUNCTION specql.known_unit(name text, ever boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    units constant text[] := ARRAY(
        SELECT DISTINCT v.key FROM specql.unit_version AS v
        WHERE ever OR EXISTS (SELECT FROM specql.unit AS u WHERE u.key = v.key)
        ORDER BY 1);
    short constant text := '^[a-z]+:\.?';  -- entity:inventory.Product -> inventory.Product, service:.mail -> mail
    found text[] := ARRAY(SELECT u FROM unnest(units) AS u WHERE known_unit.name = u);
    listed text;
BEGIN
    IF found = '{}' THEN
        found := ARRAY(SELECT u FROM unnest(units) AS u
                       WHERE known_unit.name IN (regexp_replace(u, short, ''), regexp_replace(u, '^[^.]*\.', '')));
    END IF;
    IF cardinality(found) = 1 THEN
        RETURN found[1];
    END IF;
    IF found <> '{}' THEN
        RAISE EXCEPTION 'several are named %: %', known_unit.name, array_to_string(found, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Write it as one of these.';
    END IF;
    SELECT string_agg(l.unit, ', ') INTO listed
    FROM (SELECT regexp_replace(u, short, '') AS unit FROM unnest(units) AS u LIMIT 10) AS l;
    RAISE EXCEPTION 'there is no entity, action or service %', coalesce(known_unit.name, 'NULL')
        USING ERRCODE = 'undefined_object',
              HINT = coalesce('Installed are ' || listed || CASE WHEN cardinality(units) > 10 THEN ' and others' ELSE '' END || '.',
                              'No spec is installed.');
END $$;
COMMENT ON FUNCTION specql.known_unit(text, boolean) IS
'The unit that a name means, as kind:schema.name: an entity, an action of a rules document or a service, with or without its schema; an error if there is none';

CREATE FUNCTION specql.export(entity text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH wanted AS MATERIALIZED (SELECT CASE WHEN $1 IS NOT NULL THEN specql.known_unit($1) END AS unit)
    -- Applied elsewhere, the actions run in the order that they have here.
    SELECT coalesce(string_agg(rtrim(u.text, E'\n') || E'\n', E'\n---\n'
                               ORDER BY p.place NULLS FIRST, u.kind = 'action', u.kind, u.schema, u.name), '')
    FROM wanted AS w, specql.unit AS u
    LEFT JOIN LATERAL (SELECT min(a.place) AS place
                       FROM specql.object AS o JOIN specql.action AS a ON a.action = o.identity
                       WHERE o.kind = 'registration' AND o.unit = u.key) AS p ON true
    WHERE w.unit IS NULL OR u.key = w.unit
$$;
COMMENT ON FUNCTION specql.export(text) IS
'What is installed, or one entity, action or service of it, as YAML; specql.apply of it changes nothing';

CREATE FUNCTION specql.rollback(entity text, version integer, allow_destructive boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    unit constant text := specql.known_unit(rollback.entity, true);
    spec text;
    schema text;
    called text;
BEGIN
    SELECT v.text, nullif(v.schema, ''), v.called INTO spec, schema, called FROM specql.unit_version AS v
    WHERE v.key = unit AND v.version = rollback.version;
    IF spec IS NULL THEN
        RAISE EXCEPTION 'there is no version % of %', coalesce(rollback.version::text, 'NULL'), rollback.entity
            USING ERRCODE = 'undefined_object',
                  HINT = format('There are versions 1 to %s: see specql.history.',
                                (SELECT max(v.version) FROM specql.unit_version AS v
                                 WHERE v.key = unit));
    END IF;
    IF called IS NOT NULL THEN
        RAISE EXCEPTION 'version % of % is from when it was called %', rollback.version, regexp_replace(unit, '^[a-z]+:\.?', ''), called
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Take its text from specql.history, write the name of today into it, and apply that.';
    END IF;
    RETURN QUERY SELECT * FROM specql.apply(spec, schema, false, rollback.allow_destructive);
END $$;
COMMENT ON FUNCTION specql.rollback(text, integer, boolean) IS
'Applies an older version of an entity, action or service, as specql.history has it; it becomes the newest version. Also brings back what specql.remove took away';

CREATE FUNCTION specql.remove_units(units text[], drop_tables boolean)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_remove_units';
COMMENT ON FUNCTION specql.remove_units(text[], boolean) IS
'Takes units, given as specql.known_unit gives them, out of force at once: what specql.remove and specql.remove_schema do';

CREATE FUNCTION specql.remove(entity text, drop_table boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE sql VOLATILE AS $$
    SELECT * FROM specql.remove_units(ARRAY[specql.known_unit($1)], $2)
$$;
COMMENT ON FUNCTION specql.remove(text, boolean) IS
'Takes an entity, with its rules, an action or a service out of force, or raises an error that lists who refers to it. Its table stays as it is, with foreign keys, indexes, checks and data, unless drop_table is true';

CREATE FUNCTION specql.remove(VARIADIC names text[])
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE sql VOLATILE AS $$
    SELECT * FROM specql.remove_units(ARRAY(SELECT DISTINCT specql.known_unit(n) FROM unnest($1) AS n ORDER BY 1), false)
$$;
COMMENT ON FUNCTION specql.remove(text[]) IS
'The same for several at once, which may refer to each other. Their tables stay';

CREATE FUNCTION specql.remove(drop_tables boolean, VARIADIC names text[])
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE sql VOLATILE AS $$
    SELECT * FROM specql.remove_units(ARRAY(SELECT DISTINCT specql.known_unit(n) FROM unnest($2) AS n ORDER BY 1), $1)
$$;
COMMENT ON FUNCTION specql.remove(boolean, text[]) IS
'The same for several at once, with their tables if drop_tables is true';

CREATE FUNCTION specql.remove_schema(name text, drop_tables boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    units constant text[] := ARRAY(SELECT u.key FROM specql.unit AS u WHERE u.schema = remove_schema.name ORDER BY 1);
BEGIN
    IF units = '{}' THEN
        RAISE EXCEPTION 'no entity and no action is in force in a schema %', coalesce(remove_schema.name, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = coalesce((SELECT 'There are some in ' || string_agg(DISTINCT u.schema, ', ') || '.'
                                   FROM specql.unit AS u WHERE u.schema <> ''), 'No spec is installed.');
    END IF;
    RETURN QUERY SELECT * FROM specql.remove_units(units, remove_schema.drop_tables);
END $$;
COMMENT ON FUNCTION specql.remove_schema(text, boolean) IS
'Takes all entities and actions of a schema out of force, with their tables if drop_tables is true; the schema stays';

-- ---- drift -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.server_major() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_setting('server_version_num')::integer / 10000
$$;
COMMENT ON FUNCTION specql.server_major() IS 'The server''s major version: catalogs of different ones word definitions differently';

-- Settings that change how the server words a definition are held.
CREATE FUNCTION specql.object_state(kind text, identity text, on_table text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "TimeZone" = 'UTC'
SET "IntervalStyle" = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' SET quote_all_identifiers = off AS $$
DECLARE
    -- Of a trigger or constraint, whose identity is "name on table".
    own_name constant text := left(identity, -length(' on ' || on_table));
BEGIN
    CASE kind
    WHEN 'schema' THEN
        RETURN (SELECT 'present' FROM pg_namespace AS n WHERE quote_ident(n.nspname) = identity);
    WHEN 'table' THEN
        RETURN (SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)
                           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
                           || coalesce(CASE WHEN a.attgenerated <> '' THEN ' GENERATED ' ELSE ' DEFAULT ' END
                                       || pg_get_expr(d.adbin, d.adrelid), ''))
                FROM pg_attribute AS a
                LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = to_regclass(identity) AND a.attnum > 0 AND NOT a.attisdropped);
    WHEN 'index' THEN
        RETURN md5(pg_get_indexdef(to_regclass(identity)));
    WHEN 'function' THEN
        RETURN md5(pg_get_functiondef(to_regprocedure(identity)));
    WHEN 'trigger' THEN
        RETURN (SELECT md5(pg_get_triggerdef(t.oid)) FROM pg_trigger AS t
                WHERE t.tgrelid = to_regclass(on_table) AND quote_ident(t.tgname) = own_name AND NOT t.tgisinternal);
    WHEN 'constraint' THEN
        RETURN (SELECT md5(pg_get_constraintdef(c.oid)) FROM pg_constraint AS c
                WHERE c.conrelid = to_regclass(on_table) AND quote_ident(c.conname) = own_name);
    WHEN 'registration' THEN
        RETURN (SELECT 'present' FROM specql.action AS a WHERE a.action = identity LIMIT 1);
    WHEN 'window' THEN
        RETURN (SELECT 'present' FROM specql.window_rule AS r WHERE r.action = identity);
    WHEN 'view' THEN
        RETURN md5(pg_get_viewdef(to_regclass(identity)));
    WHEN 'upkeep' THEN
        RETURN (SELECT 'present' FROM specql.upkeep AS u WHERE u.relation = identity LIMIT 1);
    WHEN 'service' THEN
        RETURN (SELECT 'present' FROM specql.service AS s WHERE s.name = identity);
    ELSE
        RETURN NULL;
    END CASE;
EXCEPTION
    -- An argument's type is gone.
    WHEN undefined_object OR invalid_name OR invalid_schema_name THEN
        RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.object_state(text, text, text) IS
'What the catalog says of an object of specql.object: the columns of a table, a digest of the definition of others; NULL if it is not there';

-- Columns that were added to a table are nobody's business.
CREATE FUNCTION specql.object_problem(o specql.object) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_is constant text := CASE WHEN o.state IS NOT NULL THEN specql.object_state(o.kind, o.identity, o.on_table) END;
BEGIN
    IF o.state IS NULL THEN
        RETURN NULL;
    ELSIF now_is IS NULL THEN
        RETURN 'is missing';
    ELSIF now_is = o.state OR o.server <> specql.server_major() THEN
        RETURN NULL;
    ELSIF o.kind <> 'table' THEN
        RETURN 'was altered';
    END IF;
    RETURN (SELECT string_agg(CASE WHEN is_now.value IS NULL THEN format('column %I is missing', was.key)
                                   ELSE format('column %I is %s, was %s', was.key, is_now.value, was.value) END, '; '
                              ORDER BY was.key)
            FROM jsonb_each_text(o.state::jsonb) AS was
            LEFT JOIN jsonb_each_text(now_is::jsonb) AS is_now ON is_now.key = was.key
            WHERE is_now.value IS DISTINCT FROM was.value);
END $$;
COMMENT ON FUNCTION specql.object_problem(specql.object) IS
'How an object differs from what apply made; NULL if it does not, or if a server of another major version made it';

-- pg_trigger.tgenabled in words, and as a command; without a table the end of one.
CREATE FUNCTION specql.firing_word(mode "char") RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE $1 WHEN 'O' THEN 'origin' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' ELSE 'never' END
$$;
COMMENT ON FUNCTION specql.firing_word("char") IS 'When a trigger fires, in the words of fires: in a spec';

CREATE FUNCTION specql.firing_command(relation regclass, trigger name, mode "char") RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce('ALTER TABLE ' || $1::text || ' ', '')
        || CASE $3 WHEN 'O' THEN 'ENABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END
        || ' TRIGGER ' || quote_ident($2) || ';'
$$;
COMMENT ON FUNCTION specql.firing_command(regclass, name, "char") IS 'The command that makes a trigger fire so';

-- An event needs two triggers: the one that captures the row, and that of the action. Each fires where the other does.
CREATE FUNCTION specql.half_enabled() RETURNS TABLE (object text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH triggers AS (
        SELECT t.tgrelid, t.tgname, t.tgenabled, t.tgtype & 32 <> 0 AS of_truncate,
               t.tgfoid = 'specql.capture()'::regprocedure AS captures, t.tgenabled IN ('O', 'A') AS plain, t.tgenabled IN ('R', 'A') AS replica
        FROM pg_trigger AS t
        WHERE t.tgfoid IN ('specql.capture()'::regprocedure, 'specql.dispatch()'::regprocedure) AND t.tgparentid = 0),
    actions AS (
        SELECT t.tgrelid, t.of_truncate, bool_or(t.plain) AS plain, bool_or(t.replica) AS replica, min(t.tgname) AS one
        FROM triggers AS t WHERE NOT t.captures AND t.tgenabled <> 'D' GROUP BY 1, 2),
    missing AS (
        SELECT c.tgrelid, c.tgname,
               coalesce((SELECT min(d.tgname) FROM triggers AS d
                         WHERE d.tgrelid = c.tgrelid AND d.of_truncate = c.of_truncate AND NOT d.captures
                           AND (d.plain AND NOT c.plain OR d.replica AND NOT c.replica)), a.one) AS one,
               CASE WHEN (a.plain OR c.plain) AND (a.replica OR c.replica) THEN 'A' WHEN a.replica OR c.replica THEN 'R' ELSE 'O' END AS mode,
               a.plain AND NOT c.plain OR a.replica AND NOT c.replica AS too_little, c.tgenabled
        FROM triggers AS c JOIN actions AS a USING (tgrelid, of_truncate)
        WHERE c.captures AND (a.plain AND NOT c.plain OR a.replica AND NOT c.replica OR c.replica AND NOT a.replica))
    SELECT format('trigger %I on %s', m.tgname, m.tgrelid::regclass),
           CASE WHEN m.too_little THEN format('fires %s, which leaves %I without events', specql.firing_word(m.tgenabled), m.one)
                ELSE format('fires %s, and no trigger of an action does', specql.firing_word(m.tgenabled)) END,
           CASE WHEN m.too_little THEN specql.firing_command(m.tgrelid, m.tgname, m.mode::"char")
                ELSE specql.firing_command(m.tgrelid, m.one, m.mode::"char") END
    FROM missing AS m
    UNION ALL
    SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass),
           format('fires %s, and on the partitioned table %s', specql.firing_word(t.tgenabled), specql.firing_word(p.tgenabled)),
           specql.firing_command(t.tgrelid, t.tgname, p.tgenabled)
    FROM pg_trigger AS t JOIN pg_trigger AS p ON p.oid = t.tgparentid
    WHERE p.tgfoid = 'specql.capture()'::regprocedure AND t.tgenabled <> p.tgenabled
    ORDER BY 1
$$;
COMMENT ON FUNCTION specql.half_enabled() IS
'Triggers that capture rows in sessions in which no action''s trigger fires, or the other way round, and what mends it';

-- The first of those that came in its place: columns that were added by hand are behind it.
CREATE FUNCTION specql.likely_renames(o specql.object) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH states AS (SELECT o.state::jsonb AS was, specql.object_state(o.kind, o.identity, o.on_table)::jsonb AS is_now),
    missing AS (
        SELECT min(w.key) AS name, w.value AS definition
        FROM states AS s, jsonb_each_text(s.was) AS w WHERE NOT s.is_now ? w.key GROUP BY w.value HAVING count(*) = 1)
    SELECT string_agg(format('ALTER TABLE %s RENAME COLUMN %I TO %I', o.identity, n.name, m.name), '; ' ORDER BY m.name)
    FROM missing AS m, states AS s, LATERAL (
        SELECT a.attname AS name FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass(o.identity) AND a.attnum > 0 AND NOT a.attisdropped
          AND NOT s.was ? a.attname AND s.is_now ->> a.attname = m.definition
        ORDER BY a.attnum LIMIT 1) AS n
$$;
COMMENT ON FUNCTION specql.likely_renames(specql.object) IS
'The commands that give columns of a table their names back which somebody seems to have renamed: such a column is not of the spec, and the only one that is gone was defined alike';

CREATE FUNCTION specql.drift() RETURNS TABLE (kind text, object text, problem text, fix text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH mine AS MATERIALIZED (
        SELECT o AS whole, o.id, o.kind, o.identity,
               regexp_replace(o.unit, '^[a-z]+:\.?', '') AS unit
        FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key),
    problems AS MATERIALIZED (
        SELECT m.id, m.kind, m.identity, m.unit, m.whole, p.problem
        FROM mine AS m CROSS JOIN LATERAL (SELECT specql.object_problem(m.whole) AS problem) AS p
        WHERE p.problem IS NOT NULL)
    SELECT d.kind, d.identity, d.problem, d.fix
    FROM (
        SELECT p.id, p.kind, p.identity, p.problem,
               -- Applying the spec of a table that is gone would make an empty one.
               CASE WHEN p.kind = 'table' AND p.problem = 'is missing'
                    THEN format('bring it back from a backup, or SELECT * FROM specql.remove(%L);', p.unit)
                    WHEN EXISTS (SELECT FROM problems AS t
                                 WHERE t.kind = 'table' AND t.problem = 'is missing' AND t.unit = p.unit)
                    THEN 'bring the table back first'
                    WHEN p.kind = 'table' AND p.problem !~ '^column [^;]* is missing$'
                    THEN format('ALTER TABLE %s, or change the spec', p.identity)
                    WHEN r.commands IS NOT NULL
                    THEN format('%s; or in the spec the new name, with renamed_from', r.commands)
                    ELSE format('SELECT * FROM specql.apply(specql.export(%L));', p.unit) END AS fix
        FROM problems AS p
        CROSS JOIN LATERAL (SELECT CASE WHEN p.kind = 'table' AND p.problem <> 'is missing'
                                        THEN specql.likely_renames(p.whole) END AS commands) AS r
        -- What is of a moved table, or reads it, differs with it.
        WHERE NOT EXISTS (SELECT FROM specql.moved_table AS t
                          WHERE strpos((p.whole).sql, t.identity) > 0
                             OR t.with_schema AND starts_with(p.identity || '.', quote_ident(t.former[1]) || '.'))
        UNION ALL
        SELECT m.id, m.kind, m.identity, format('is %I.%I now', t.schema, t.name),
               -- YAML would take the double quotes that a name begins with for its own.
               format('%s; or in the spec table: %s', t.back,
                      CASE WHEN n.name LIKE '"%' THEN quote_literal(n.name) ELSE n.name END)
        FROM mine AS m JOIN specql.moved_table AS t ON t.identity = m.identity,
             format('%I.%I', t.schema, t.name) AS n (name)
        WHERE m.kind = 'table'
        UNION ALL
        -- A spec that says enabled: false, or fires:, ends with the command for the trigger itself.
        SELECT m.id, m.kind, m.identity,
               CASE WHEN t.tgenabled = 'D' THEN 'is disabled' WHEN w.wanted = 'D' THEN 'is enabled'
                    ELSE 'fires ' || specql.firing_word(t.tgenabled) || ', and not ' || specql.firing_word(w.wanted) END,
               specql.firing_command(t.tgrelid, t.tgname, w.wanted)
        FROM mine AS m
        JOIN pg_trigger AS t ON m.identity = quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text
        CROSS JOIN LATERAL (
            SELECT coalesce(min(f.mode), 'O')::"char" AS wanted FROM unnest('{A,D,R}'::text[]) AS f(mode)
            WHERE starts_with(reverse((m.whole).sql), reverse(specql.firing_command(NULL, t.tgname, f.mode::"char")))) AS w
        WHERE m.kind = 'trigger' AND t.tgenabled <> w.wanted) AS d
    ORDER BY d.id, d.problem
$$;
COMMENT ON FUNCTION specql.drift() IS
'Objects of specs in force that somebody altered, moved, dropped or disabled by hand, and what would mend each; columns added to tables do not count';

REVOKE ALL ON FUNCTION specql.known_unit(text, boolean), specql.export(text), specql.rollback(text, integer, boolean),
    specql.remove_units(text[], boolean), specql.remove(text, boolean), specql.remove(text[]),
    specql.remove(boolean, text[]), specql.remove_schema(text, boolean), specql.server_major(), specql.object_state(text, text, text),
    specql.object_problem(specql.object), specql.likely_renames(specql.object), specql.firing_word("char"), specql.firing_command(regclass, name, "char"),
    specql.half_enabled(), specql.drift() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.known_unit(text, boolean), specql.export(text), specql.rollback(text, integer, boolean),
    specql.remove_units(text[], boolean), specql.remove(text, boolean), specql.remove(text[]),
    specql.remove(boolean, text[]), specql.remove_schema(text, boolean), specql.drift() TO specql_admin;
