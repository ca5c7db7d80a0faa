-- The install script of 0.1.0, without the pages of specql.help().
-- Generated from src/schema/*.sql.
\echo Use "CREATE EXTENSION specql" to load this file. \quit
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
-- Specs: what was applied, what it made, and the functions that apply it.

-- Every text that changed something: the history.
CREATE TABLE specql.spec (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    applied_by text NOT NULL,
    text text NOT NULL
);
COMMENT ON TABLE specql.spec IS 'Every text given to specql.apply that changed something';
COMMENT ON COLUMN specql.spec.id IS 'In the order of their application';
COMMENT ON COLUMN specql.spec.applied_at IS 'When it was applied';
COMMENT ON COLUMN specql.spec.text IS 'The text as it was given';
COMMENT ON COLUMN specql.spec.applied_by IS 'The role that applied it; its name, because roles may go';

-- The current version of each unit: an entity, an action of a rules document, a service.
CREATE TABLE specql.unit (
    kind text NOT NULL,
    schema text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    text text NOT NULL,
    spec bigint NOT NULL,
    key text NOT NULL GENERATED ALWAYS AS (kind || ':' || schema || '.' || name) STORED,
    PRIMARY KEY (kind, schema, name)
);
COMMENT ON TABLE specql.unit IS 'The entities, actions and services in force';
COMMENT ON COLUMN specql.unit.kind IS 'entity, action (of a document that has only actions) or service';
COMMENT ON COLUMN specql.unit.schema IS 'Where it belongs; empty for a service';
COMMENT ON COLUMN specql.unit.name IS 'As the spec says it';
COMMENT ON COLUMN specql.unit.version IS 'Counts from 1';
COMMENT ON COLUMN specql.unit.text IS 'YAML that reads to exactly this unit';
COMMENT ON COLUMN specql.unit.spec IS 'The row of specql.spec that it came with';
COMMENT ON COLUMN specql.unit.key IS 'entity:inventory.Product: how specql.object names it';

CREATE TABLE specql.unit_version (
    kind text NOT NULL,
    schema text NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    text text NOT NULL,
    spec bigint NOT NULL,
    key text NOT NULL GENERATED ALWAYS AS (kind || ':' || schema || '.' || name) STORED,
    PRIMARY KEY (kind, schema, name, version)
);
COMMENT ON TABLE specql.unit_version IS 'Every version that each unit had; read it through specql.history';
COMMENT ON COLUMN specql.unit_version.kind IS 'entity, action (of a document that has only actions) or service';
COMMENT ON COLUMN specql.unit_version.schema IS 'Where it belongs; empty for a service';
COMMENT ON COLUMN specql.unit_version.name IS 'As the spec says it';
COMMENT ON COLUMN specql.unit_version.version IS 'Counts from 1';
COMMENT ON COLUMN specql.unit_version.text IS 'YAML that reads to exactly this unit';
COMMENT ON COLUMN specql.unit_version.spec IS 'The row of specql.spec that it came with';
COMMENT ON COLUMN specql.unit_version.key IS 'entity:inventory.Product: how specql.object names it';

-- What apply created. The objects themselves are the users' and no members of the extension, so that pg_dump keeps them.
CREATE TABLE specql.object (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    identity text NOT NULL,
    unit text NOT NULL,
    sql text NOT NULL,
    state text,
    server integer NOT NULL,
    PRIMARY KEY (kind, identity)
);
COMMENT ON TABLE specql.object IS 'The objects that apply made or adopted';
COMMENT ON COLUMN specql.object.id IS 'In the order of creation';
COMMENT ON COLUMN specql.object.kind IS 'schema, table, constraint, index, function, trigger, registration, ...';
COMMENT ON COLUMN specql.object.identity IS 'Quoted and qualified, as in "stock_change_trigger on inventory.product"';
COMMENT ON COLUMN specql.object.unit IS 'The unit that wants it, as kind:schema.name';
COMMENT ON COLUMN specql.object.sql IS 'The commands it was made with';
COMMENT ON COLUMN specql.object.state IS 'What the catalog said of it then, as specql.object_state gives it';
COMMENT ON COLUMN specql.object.server IS 'The major version of the server that said it';

COMMENT ON SEQUENCE specql.spec_id_seq IS 'Numbers specql.spec';
COMMENT ON SEQUENCE specql.object_id_seq IS 'Numbers specql.object';
SELECT pg_catalog.pg_extension_config_dump('specql.spec', '');
SELECT pg_catalog.pg_extension_config_dump('specql.spec_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('specql.unit', '');
SELECT pg_catalog.pg_extension_config_dump('specql.unit_version', '');
SELECT pg_catalog.pg_extension_config_dump('specql.object', '');
SELECT pg_catalog.pg_extension_config_dump('specql.object_id_seq', '');

CREATE VIEW specql.history AS
    SELECT CASE v.schema WHEN '' THEN v.name ELSE v.schema || '.' || v.name END AS spec,
           v.version, s.applied_at, s.applied_by, v.text, v.kind
    FROM specql.unit_version v
    JOIN specql.spec s ON s.id = v.spec;
COMMENT ON VIEW specql.history IS 'Every applied version of every entity, action and service';
COMMENT ON COLUMN specql.history.spec IS 'Schema and name';
COMMENT ON COLUMN specql.history.version IS 'Counts from 1';
COMMENT ON COLUMN specql.history.applied_at IS 'When it was applied';
COMMENT ON COLUMN specql.history.applied_by IS 'The role that applied it';
COMMENT ON COLUMN specql.history.text IS 'YAML that reads to exactly this version';
COMMENT ON COLUMN specql.history.kind IS 'entity, action (of a document that has only actions) or service';

CREATE VIEW specql.entities AS
    SELECT u.schema, u.name AS entity, o.identity AS "table", u.version, s.applied_at, s.applied_by, u.text
    FROM specql.unit u
    JOIN specql.spec s ON s.id = u.spec
    -- Tables that the entity's steps imply are the unit's too.
    LEFT JOIN LATERAL (
        SELECT t.identity FROM specql.object AS t
        WHERE t.kind = 'table' AND t.unit = 'entity:' || u.schema || '.' || u.name
        ORDER BY t.identity <> pg_catalog.quote_ident(u.schema) || '.' || pg_catalog.quote_ident(
                     pg_catalog.lower(pg_catalog.regexp_replace(u.name, '([a-z0-9])([A-Z])', '\1_\2', 'g'))), t.id
        LIMIT 1) o ON true
    WHERE u.kind = 'entity';
COMMENT ON VIEW specql.entities IS 'The entities in force, with the table of each';
COMMENT ON COLUMN specql.entities.schema IS 'Of the entity, and of its table';
COMMENT ON COLUMN specql.entities.entity IS 'As the spec says it';
COMMENT ON COLUMN specql.entities."table" IS 'Quoted and qualified';
COMMENT ON COLUMN specql.entities.version IS 'Counts from 1';
COMMENT ON COLUMN specql.entities.applied_at IS 'When this version was applied';
COMMENT ON COLUMN specql.entities.applied_by IS 'The role that applied it';
COMMENT ON COLUMN specql.entities.text IS 'YAML that reads to exactly this entity';

GRANT SELECT ON specql.spec, specql.unit, specql.unit_version, specql.object, specql.history, specql.entities TO specql_admin;

CREATE FUNCTION specql.apply(spec text, schema text DEFAULT NULL, adopt boolean DEFAULT false,
                             allow_destructive boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'specql_apply';
COMMENT ON FUNCTION specql.apply(text, text, boolean, boolean) IS
    'Makes the database as the spec says, in this transaction, or raises an error that names every problem. Gives a row for each object';

CREATE FUNCTION specql.plan(spec text, schema text DEFAULT NULL, adopt boolean DEFAULT false,
                            allow_destructive boolean DEFAULT false)
RETURNS TABLE (step integer, action text, kind text, object text, destructive boolean, sql text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'specql_plan';
COMMENT ON FUNCTION specql.plan(text, text, boolean, boolean) IS 'What specql.apply would do with the same arguments, without doing it';

CREATE FUNCTION specql.script(spec text, schema text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'specql_script';
COMMENT ON FUNCTION specql.script(text, text) IS 'The whole SQL that a spec becomes, for people to read and psql to run';

CREATE FUNCTION specql.validate(spec text, schema text DEFAULT NULL)
RETURNS TABLE (severity text, code text, line integer, col integer, message text, hint text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'specql_validate';
COMMENT ON FUNCTION specql.validate(text, text) IS 'All problems of a spec, in the order of their places; no rows for a spec that apply would take. Never raises an error for a bad spec';

CREATE FUNCTION specql.explain(spec text, schema text DEFAULT NULL)
RETURNS TABLE (action text, name text, resolved_to text, rule text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'specql_explain';
COMMENT ON FUNCTION specql.explain(text, text) IS 'How each trigger and each name of a spec was understood, and by which rule';

-- They read what is installed, so they are for those who may apply; only apply changes anything.
REVOKE EXECUTE ON FUNCTION specql.apply(text, text, boolean, boolean), specql.plan(text, text, boolean, boolean),
    specql.script(text, text), specql.validate(text, text), specql.explain(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.apply(text, text, boolean, boolean), specql.plan(text, text, boolean, boolean),
    specql.script(text, text), specql.validate(text, text), specql.explain(text, text) TO specql_admin;
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
    SELECT coalesce(string_agg(rtrim(u.text, E'\n') || E'\n', E'\n---\n'
                               ORDER BY u.kind = 'action', u.kind, u.schema, u.name), '')
    FROM wanted AS w, specql.unit AS u
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
BEGIN
    SELECT v.text, nullif(v.schema, '') INTO spec, schema FROM specql.unit_version AS v
    WHERE v.key = unit AND v.version = rollback.version;
    IF spec IS NULL THEN
        RAISE EXCEPTION 'there is no version % of %', coalesce(rollback.version::text, 'NULL'), rollback.entity
            USING ERRCODE = 'undefined_object',
                  HINT = format('There are versions 1 to %s: see specql.history.',
                                (SELECT max(v.version) FROM specql.unit_version AS v
                                 WHERE v.key = unit));
    END IF;
    RETURN QUERY SELECT * FROM specql.apply(spec, schema, false, rollback.allow_destructive);
END $$;
COMMENT ON FUNCTION specql.rollback(text, integer, boolean) IS
'Applies an older version of an entity, action or service, as specql.history has it; it becomes the newest version. Also brings back what specql.remove took away';

CREATE FUNCTION specql.remove(entity text, drop_table boolean DEFAULT false)
RETURNS TABLE (action text, kind text, object text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_remove';
COMMENT ON FUNCTION specql.remove(text, boolean) IS
'Takes an entity, with its rules, an action or a service out of force, or raises an error if others need it. Tables and their data stay unless drop_table is true';

-- ---- drift -----------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.server_major() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT current_setting('server_version_num')::integer / 10000
$$;
COMMENT ON FUNCTION specql.server_major() IS 'The server''s major version: catalogs of different ones word definitions differently';

-- Settings that change how the server words a definition are held.
CREATE FUNCTION specql.object_state(kind text, identity text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "TimeZone" = 'UTC'
SET "IntervalStyle" = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' SET quote_all_identifiers = off AS $$
DECLARE
    place constant text[] := regexp_match(identity, '^(.*) on (.*)$');
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
                WHERE t.tgrelid = to_regclass(place[2]) AND quote_ident(t.tgname) = place[1] AND NOT t.tgisinternal);
    WHEN 'constraint' THEN
        RETURN (SELECT md5(pg_get_constraintdef(c.oid)) FROM pg_constraint AS c
                WHERE c.conrelid = to_regclass(place[2]) AND quote_ident(c.conname) = place[1]);
    WHEN 'registration' THEN
        RETURN (SELECT 'present' FROM specql.action AS a WHERE a.action = identity LIMIT 1);
    WHEN 'window' THEN
        RETURN (SELECT 'present' FROM specql.window_rule AS r WHERE r.action = identity);
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
COMMENT ON FUNCTION specql.object_state(text, text) IS
'What the catalog says of an object of specql.object: the columns of a table, a digest of the definition of others; NULL if it is not there';

-- Columns that were added to a table are nobody's business.
CREATE FUNCTION specql.object_problem(o specql.object) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_is constant text := CASE WHEN o.state IS NOT NULL THEN specql.object_state(o.kind, o.identity) END;
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

CREATE FUNCTION specql.drift() RETURNS TABLE (kind text, object text, problem text, fix text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH mine AS MATERIALIZED (
        SELECT o AS whole, o.id, o.kind, o.identity,
               regexp_replace(o.unit, '^[a-z]+:\.?', '') AS unit
        FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key)
    SELECT d.kind, d.identity, d.problem, d.fix
    FROM (
        SELECT m.id, m.kind, m.identity, p.problem,
               CASE WHEN m.kind = 'table' AND p.problem <> 'is missing' AND p.problem !~ '^column [^;]* is missing$'
                    THEN format('ALTER TABLE %s, or change the spec', m.identity)
                    ELSE format('SELECT * FROM specql.apply(specql.export(%L));', m.unit) END AS fix
        FROM mine AS m CROSS JOIN LATERAL (SELECT specql.object_problem(m.whole) AS problem) AS p
        WHERE p.problem IS NOT NULL
        UNION ALL
        SELECT m.id, m.kind, m.identity, 'is disabled',
               format('ALTER TABLE %s ENABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname)
        FROM mine AS m
        JOIN pg_trigger AS t ON m.identity = quote_ident(t.tgname) || ' on ' || t.tgrelid::regclass::text
        WHERE m.kind = 'trigger' AND t.tgenabled = 'D') AS d
    ORDER BY d.id, d.problem
$$;
COMMENT ON FUNCTION specql.drift() IS
'Objects of specs in force that somebody altered, dropped or disabled by hand, and what would mend each; columns added to tables do not count';

REVOKE ALL ON FUNCTION specql.known_unit(text, boolean), specql.export(text), specql.rollback(text, integer, boolean),
    specql.remove(text, boolean), specql.server_major(), specql.object_state(text, text),
    specql.object_problem(specql.object), specql.drift() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.known_unit(text, boolean), specql.export(text), specql.rollback(text, integer, boolean),
    specql.remove(text, boolean), specql.drift() TO specql_admin;
-- Events: capture and dispatch, emit, the event log, failures and retries.

-- ---- identifiers -----------------------------------------------------------------------------------------------------

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

-- ---- the clock -------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.clock() RETURNS timestamptz
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_clock';
COMMENT ON FUNCTION specql.clock() IS
'The time by which events happen, windows slide and retries are due: clock_timestamp(), moved by specql.clock_offset';

-- ---- the registry ----------------------------------------------------------------------------------------------------

CREATE TABLE specql.action (
    action text NOT NULL,
    event text NOT NULL,
    relation text,
    handler text NOT NULL,
    capture text,
    on_error text NOT NULL DEFAULT 'retry' CHECK (on_error IN ('retry', 'abort')),
    max_attempts integer NOT NULL DEFAULT 8 CHECK (max_attempts > 0),
    backoff interval NOT NULL DEFAULT '1 second' CHECK (backoff >= '0'),
    enabled boolean NOT NULL DEFAULT true,
    processed text,
    part text NOT NULL DEFAULT '',
    paused_at timestamptz,
    CHECK ((relation IS NULL) = (capture IS NULL))
);
-- An action may watch several tables, each with a handler of its own; a window or correlation several events.
CREATE UNIQUE INDEX action_key ON specql.action (action, (coalesce(relation, '')), part);
COMMENT ON TABLE specql.action IS 'Actions as the runtime knows them: written by specql.register_action, shown by specql.actions';
COMMENT ON COLUMN specql.action.action IS 'Schema and name, e.g. inventory.on_stock_change';
COMMENT ON COLUMN specql.action.event IS 'The custom event it listens to, or the name of the row event, e.g. stock_quantity_changed';
COMMENT ON COLUMN specql.action.relation IS 'The table whose changes it watches; NULL for a custom event';
COMMENT ON COLUMN specql.action.handler IS 'The function that handles its events';
COMMENT ON COLUMN specql.action.capture IS 'The function whose expressions decide which changes are events; NULL for a custom event';
COMMENT ON COLUMN specql.action.on_error IS 'retry: a failing handler leaves the statement alone and is tried again; abort: it fails the statement';
COMMENT ON COLUMN specql.action.max_attempts IS 'After so many failed attempts an event is parked until a person acts';
COMMENT ON COLUMN specql.action.backoff IS 'The first delay between attempts; it doubles with each';
COMMENT ON COLUMN specql.action.processed IS 'A function (uuid[]) that is told the events whose last delivery has succeeded, run with its owner''s rights; or NULL';
COMMENT ON COLUMN specql.action.part IS
'Of a window or correlation: match (its steps, which only its matches reach) or source and the event that is counted; empty for other actions';
COMMENT ON COLUMN specql.action.paused_at IS 'Since when its events wait for specql.resume; NULL: they are handled';
COMMENT ON COLUMN specql.action.enabled IS 'Whether a custom event reaches the action; for tables, see ALTER TABLE ... DISABLE TRIGGER';
SELECT pg_catalog.pg_extension_config_dump('specql.action', '');

CREATE FUNCTION specql.action_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_action_changed';
COMMENT ON FUNCTION specql.action_changed() IS 'Makes every session read specql.action again';
CREATE TRIGGER action_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON specql.action
    FOR EACH STATEMENT EXECUTE FUNCTION specql.action_changed();
COMMENT ON TRIGGER action_changed ON specql.action IS 'Makes all sessions read the actions again when one is changed';
-- Sessions that apply replicated or restored rows must notice too.
ALTER TABLE specql.action ENABLE ALWAYS TRIGGER action_changed;

-- Kept when an action goes: its events are still in the log.
CREATE TABLE specql.action_owner (
    action text NOT NULL PRIMARY KEY,
    owner name NOT NULL
);
COMMENT ON TABLE specql.action_owner IS 'Whose actions the events in the log were for; see 90-rights.sql for what follows from it';
COMMENT ON COLUMN specql.action_owner.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_owner.owner IS 'The role that registered it; its name, because roles may go';
SELECT pg_catalog.pg_extension_config_dump('specql.action_owner', '');

CREATE FUNCTION specql.register_action(action text, event text, relation text, handler text, capture text,
    on_error text DEFAULT 'retry', max_attempts integer DEFAULT NULL, backoff interval DEFAULT NULL,
    enabled boolean DEFAULT true, processed text DEFAULT NULL, part text DEFAULT '') RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_action';
COMMENT ON FUNCTION specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text) IS
'Tells the runtime of an action; again with other values changes it. A custom event''s handler can only be registered by its owner. Generated code calls this';

-- Functions that run as the extension's owner ask for whom: the user of the session, or whom SET ROLE has made of it.
CREATE FUNCTION specql.viewer() RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.oid FROM pg_roles AS r
    WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;
COMMENT ON FUNCTION specql.viewer() IS 'The role that this session works as, whatever function it is in';

CREATE FUNCTION specql.sees(action text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $1 IS NULL
           OR (SELECT pg_has_role(specql.viewer(), x.extowner, 'USAGE') FROM pg_extension AS x WHERE x.extname = 'specql')
           OR EXISTS (SELECT FROM specql.action_owner AS o JOIN pg_roles AS r ON r.rolname = o.owner
                      WHERE o.action = $1 AND pg_has_role(specql.viewer(), r.oid, 'USAGE'))
$$;
COMMENT ON FUNCTION specql.sees(text) IS
'May the user of this session see the events of an action? For functions that run with other rights';

-- The same for all actions at once.
CREATE FUNCTION specql.visible_actions() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT pg_has_role(v.role, x.extowner, 'USAGE')
                THEN ARRAY(SELECT o.action FROM specql.action_owner AS o JOIN pg_roles AS r ON r.rolname = o.owner
                           WHERE pg_has_role(v.role, r.oid, 'USAGE')) END
    FROM (SELECT specql.viewer() AS role OFFSET 0) AS v, pg_extension AS x WHERE x.extname = 'specql'
$$;
COMMENT ON FUNCTION specql.visible_actions() IS 'Actions whose events the user of this session may see; NULL: all';

REVOKE ALL ON FUNCTION specql.viewer(), specql.sees(text), specql.visible_actions() FROM PUBLIC;

-- The owner's name is kept, not the role: it may be gone, and then anybody may tidy up.
CREATE FUNCTION specql.require_owner(what text, owner name, caller oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = require_owner.owner AND NOT pg_has_role(caller, r.oid, 'USAGE')) THEN
        RAISE EXCEPTION '% belongs to %', what, owner
            USING ERRCODE = 'SQ101', HINT = format('Let %s do it, or become a member of that role.', owner);
    END IF;
END $$;
COMMENT ON FUNCTION specql.require_owner(text, name, oid) IS 'An error unless the caller has the rights of the owner; none if that role is gone';

CREATE FUNCTION specql.require_action(action text, caller oid) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('action ' || o.action, o.owner, $2) FROM specql.action_owner AS o WHERE o.action = $1
$$;
COMMENT ON FUNCTION specql.require_action(text, oid) IS 'An error if an action belongs to somebody else than the caller';

CREATE FUNCTION specql.drop_action(action text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, $2);
    DELETE FROM specql.action AS a WHERE a.action = $1;
$$;
REVOKE ALL ON FUNCTION specql.require_owner(text, name, oid), specql.require_action(text, oid),
    specql.drop_action(text, oid) FROM PUBLIC;
COMMENT ON FUNCTION specql.drop_action(text, oid) IS 'What specql.unregister_action does, for its caller';

CREATE FUNCTION specql.unregister_action(action text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_action';
COMMENT ON FUNCTION specql.unregister_action(text) IS 'Makes the runtime forget an action, on all its tables. Generated code calls this';

-- ---- the event log ---------------------------------------------------------------------------------------------------

-- History, so that what is claimed and retried (specql.failure, specql.outbox) stays small. The log is a ring of eight
-- partitions: each takes the events of a sixth of specql.event_retention, then the next one's turn comes; `slot` is
-- fixed when an event is logged. specql.expire_events() empties a partition whose newest event is older than the
-- retention. No table is ever created or dropped at run time, so pg_dump and pg_restore see the same extension members
-- everywhere, and the ring goes on where it was. A partition that was not emptied in time only keeps its events longer.
CREATE TABLE specql.event_log (
    slot smallint NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    action text,
    entity text,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    batch uuid NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    deliveries integer NOT NULL,
    last_error text,
    processed_at timestamptz
) PARTITION BY LIST (slot);
COMMENT ON TABLE specql.event_log IS 'Finished events, one row per event and handling action; shown by specql.events';
COMMENT ON COLUMN specql.event_log.slot IS 'The partition in the ring';
COMMENT ON COLUMN specql.event_log.id IS 'Time-ordered; an event that several actions handled has a row for each';
COMMENT ON COLUMN specql.event_log.type IS 'Table and event (inventory.product.stock_quantity_changed), or the custom event';
COMMENT ON COLUMN specql.event_log.action IS 'The action that handled it; NULL for a custom event nobody listens to';
COMMENT ON COLUMN specql.event_log.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.event_log.subject IS 'The id of that row';
COMMENT ON COLUMN specql.event_log.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.event_log.occurred_at IS 'By the clock when the row was captured, or as given to specql.emit';
COMMENT ON COLUMN specql.event_log.xid IS 'The transaction';
COMMENT ON COLUMN specql.event_log.caused_by IS 'The event whose handler caused this one; the first of them, if it handled several together';
COMMENT ON COLUMN specql.event_log.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.event_log.depth IS 'The place in that chain; 1 for an event that nothing caused';
COMMENT ON COLUMN specql.event_log.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.event_log.status IS 'done, unheard (no action listens), or unmatched (log_events = all)';
COMMENT ON COLUMN specql.event_log.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.event_log.deliveries IS 'How many deliveries the handler queued for it';
COMMENT ON COLUMN specql.event_log.last_error IS 'Of an attempt that failed before';
COMMENT ON COLUMN specql.event_log.processed_at IS 'When the reactions were done; NULL while a delivery waits';

CREATE TABLE specql.event_log_0 PARTITION OF specql.event_log FOR VALUES IN (0);
CREATE TABLE specql.event_log_1 PARTITION OF specql.event_log FOR VALUES IN (1);
CREATE TABLE specql.event_log_2 PARTITION OF specql.event_log FOR VALUES IN (2);
CREATE TABLE specql.event_log_3 PARTITION OF specql.event_log FOR VALUES IN (3);
CREATE TABLE specql.event_log_4 PARTITION OF specql.event_log FOR VALUES IN (4);
CREATE TABLE specql.event_log_5 PARTITION OF specql.event_log FOR VALUES IN (5);
CREATE TABLE specql.event_log_6 PARTITION OF specql.event_log FOR VALUES IN (6);
CREATE TABLE specql.event_log_7 PARTITION OF specql.event_log FOR VALUES IN (7);
COMMENT ON TABLE specql.event_log_0 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_1 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_2 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_3 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_4 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_5 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_6 IS 'Partition of specql.event_log';
COMMENT ON TABLE specql.event_log_7 IS 'Partition of specql.event_log';
-- Ids grow with time: this index is appended to, finds an event, the newest, and a partition's first and last. It is not
-- unique because several actions may handle one event.
CREATE INDEX event_log_id ON specql.event_log (id);
-- Readers in the order of commits find by it what was committed between two snapshots.
CREATE INDEX event_log_xid ON specql.event_log (xid);
CREATE INDEX event_log_caused_by ON specql.event_log (caused_by) WHERE caused_by IS NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_0', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_1', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_2', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_3', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_4', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_5', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_6', '');
SELECT pg_catalog.pg_extension_config_dump('specql.event_log_7', '');

-- ---- failures --------------------------------------------------------------------------------------------------------

CREATE TABLE specql.failure (
    id uuid NOT NULL,
    action text NOT NULL,
    type text NOT NULL,
    entity text,
    relation regclass,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    status text NOT NULL CHECK (status IN ('failed', 'parked')),
    attempts integer NOT NULL,
    sqlstate text NOT NULL,
    message text,
    detail text,
    hint text,
    context text,
    first_failed_at timestamptz NOT NULL,
    last_failed_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    PRIMARY KEY (id, action),
    CHECK ((status = 'failed') = (next_attempt_at IS NOT NULL))
);
CREATE INDEX failure_due ON specql.failure (next_attempt_at) WHERE status = 'failed';
CREATE INDEX failure_caused_by ON specql.failure (caused_by) WHERE caused_by IS NOT NULL;
COMMENT ON TABLE specql.failure IS 'Events whose handler failed: waiting for the next attempt, or parked; shown by specql.failures';
COMMENT ON COLUMN specql.failure.id IS 'The event';
COMMENT ON COLUMN specql.failure.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failure.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failure.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.failure.relation IS 'The same as an object, which follows a rename';
COMMENT ON COLUMN specql.failure.subject IS 'The id of that row';
COMMENT ON COLUMN specql.failure.data IS 'Old and new row, or the payload: what the next attempt works with';
COMMENT ON COLUMN specql.failure.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failure.xid IS 'The transaction';
COMMENT ON COLUMN specql.failure.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failure.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failure.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.failure.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failure.attempts IS 'How often the handler failed for it';
COMMENT ON COLUMN specql.failure.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failure.message IS 'Of the last error';
COMMENT ON COLUMN specql.failure.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failure.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failure.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failure.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failure.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failure.next_attempt_at IS 'When the next attempt is due; NULL if parked';
SELECT pg_catalog.pg_extension_config_dump('specql.failure', '');

-- ---- events of paused actions -----------------------------------------------------------------------------------------

CREATE TABLE specql.waiting_event (
    id uuid NOT NULL,
    action text NOT NULL,
    type text NOT NULL,
    entity text,
    relation regclass,
    subject text,
    data jsonb,
    occurred_at timestamptz NOT NULL,
    xid xid8 NOT NULL,
    caused_by uuid,
    root uuid NOT NULL,
    depth integer NOT NULL,
    deliver boolean NOT NULL,
    PRIMARY KEY (action, id)
);
CREATE INDEX waiting_event_id ON specql.waiting_event (id);
COMMENT ON TABLE specql.waiting_event IS 'Events of paused actions, until specql.resume(action); shown by specql.events';
COMMENT ON COLUMN specql.waiting_event.id IS 'The event';
COMMENT ON COLUMN specql.waiting_event.action IS 'The paused action';
COMMENT ON COLUMN specql.waiting_event.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.waiting_event.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.waiting_event.relation IS 'The same as an object, which follows a rename';
COMMENT ON COLUMN specql.waiting_event.subject IS 'The id of that row';
COMMENT ON COLUMN specql.waiting_event.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.waiting_event.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.waiting_event.xid IS 'The transaction';
COMMENT ON COLUMN specql.waiting_event.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.waiting_event.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.waiting_event.depth IS 'The place in that chain';
COMMENT ON COLUMN specql.waiting_event.deliver IS 'False if a replay that delivers nothing caused it';
SELECT pg_catalog.pg_extension_config_dump('specql.waiting_event', '');

-- Transactions that were open while the action was resumed leave such events; the worker and specql.drain() handle them.
CREATE VIEW specql.released_actions AS
    SELECT DISTINCT a.action FROM specql.action AS a
    WHERE a.paused_at IS NULL AND EXISTS (SELECT FROM specql.waiting_event AS w WHERE w.action = a.action);
COMMENT ON VIEW specql.released_actions IS 'Actions whose events wait though they are not paused: work that is due';
COMMENT ON COLUMN specql.released_actions.action IS 'Schema and name';

CREATE FUNCTION specql.handle_released(action text DEFAULT NULL, max_items bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_handle_released';
COMMENT ON FUNCTION specql.handle_released(text, bigint) IS
'Handles events that waited for an action to be resumed, of one action or all; how many. specql.resume and the worker do it';

-- Full jitter: any time up to backoff * 2^(attempts - 1), at most an hour, so that what failed in one moment does not
-- come back in one moment.
CREATE FUNCTION specql.next_attempt(action text, attempts integer, park boolean,
    OUT status text, OUT next_attempt_at timestamptz)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN p.park THEN 'parked' ELSE 'failed' END,
           CASE WHEN NOT p.park
                THEN specql.clock() + random() * least(p.backoff * 2 ^ least($2 - 1, 20), interval '1 hour') END
    FROM (SELECT $3 OR $2 >= coalesce(max(a.max_attempts), 8) AS park,
                 coalesce(max(a.backoff), interval '1 second') AS backoff
          FROM specql.action AS a WHERE a.action = $1) AS p
$$;
COMMENT ON FUNCTION specql.next_attempt(text, integer, boolean) IS
'What becomes of an event after so many failed attempts, by max_attempts and backoff of its action';

CREATE FUNCTION specql.retry(event_id uuid, action text DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry';
COMMENT ON FUNCTION specql.retry(uuid, text) IS
'Tries a failed or parked event again now, for one or all actions it failed for; how many handled it';

CREATE FUNCTION specql.retry_due(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_retry_due';
COMMENT ON FUNCTION specql.retry_due(integer) IS
'Tries all failed events again whose time has come; how many it tried. The worker and specql.drain() do it';

-- Looks at the ids at both ends of each partition's index only.
CREATE FUNCTION specql.expire_events() RETURNS TABLE (partition text, newest timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    retention constant interval := specql.setting('event_retention')::interval;
    first uuid;
    last uuid;
    waiting boolean;
BEGIN
    FOR slot IN 0..7 LOOP
        partition := format('specql.event_log_%s', slot);
        EXECUTE format('SELECT id FROM %s ORDER BY id LIMIT 1', partition) INTO first;
        EXECUTE format('SELECT id FROM %s ORDER BY id DESC LIMIT 1', partition) INTO last;
        newest := specql.uuid_time(last);
        CONTINUE WHEN newest IS NULL OR newest >= now() - retention;
        -- An event is not history while one of its deliveries waits or is dead.
        SELECT EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id BETWEEN first AND last)
               OR EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id BETWEEN first AND last)
        INTO waiting;
        CONTINUE WHEN waiting;
        -- Nor before every reader has read it.
        EXECUTE format('SELECT EXISTS (SELECT FROM specql.reader AS r WHERE r.seen IS NULL
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid >= pg_snapshot_xmax(r.seen))
                            OR EXISTS (SELECT FROM %1$s AS l WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))))',
                       partition) INTO waiting;
        CONTINUE WHEN waiting;
        BEGIN
            EXECUTE format('TRUNCATE %s', partition);
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.expire_events() IS
'Empties the partitions of the event log whose events are all older than specql.event_retention; events with waiting deliveries stay, and those that a reader of specql.read_events has not read';

-- ---- what triggers and handlers call ------------------------------------------------------------------------------------

CREATE FUNCTION specql.capture() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_capture';
COMMENT ON FUNCTION specql.capture() IS
'Row trigger, one for all actions of a table: keeps the rows that match a condition for the end of the statement';

CREATE FUNCTION specql.dispatch() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_dispatch';
COMMENT ON FUNCTION specql.dispatch() IS
'Statement trigger of an action; arguments: action, handler, capture function, event, on_error. Runs the handler once for all captured rows';

CREATE FUNCTION specql.matched(branch integer) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_matched';
COMMENT ON FUNCTION specql.matched(integer) IS 'In a handler: does this branch hold for any of its events?';

CREATE FUNCTION specql.rows(branch integer) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'specql_rows';
COMMENT ON FUNCTION specql.rows(integer) IS
'In a handler: its events for which this branch holds. The caller''s column list chooses by name among event_id, event_type, event_time, event_data, subject and the outputs of the capture function';

CREATE FUNCTION specql.payload(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload';
COMMENT ON FUNCTION specql.payload(jsonb, text) IS
'In a handler: the value at a key as text; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_json(data jsonb, key text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_json';
COMMENT ON FUNCTION specql.payload_json(jsonb, text) IS
'The value at a key as it is; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_array(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_array';
COMMENT ON FUNCTION specql.payload_array(jsonb, text) IS
'The same for a JSON array, written as PostgreSQL reads arrays; text is taken as it is';

CREATE FUNCTION specql.emit(type text, data jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit';
COMMENT ON FUNCTION specql.emit(text, jsonb, timestamptz) IS
'Raises a custom event in this transaction; its handlers have run when it returns. The event''s id';

CREATE FUNCTION specql.emit(type text, data jsonb[], occurred_at timestamptz[] DEFAULT NULL) RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_array';
COMMENT ON FUNCTION specql.emit(text, jsonb[], timestamptz[]) IS 'Raises many custom events of one type, handled as one set';

CREATE FUNCTION specql.emit(type text, data text, occurred_at text DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_text';
COMMENT ON FUNCTION specql.emit(text, text, text) IS
'The same for a payload written as a plain literal, whose type PostgreSQL would otherwise have to guess';

CREATE FUNCTION specql.refuse_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_refuse_change';
COMMENT ON FUNCTION specql.refuse_change() IS 'Trigger that keeps an append-only log append-only: refuses UPDATE, DELETE and TRUNCATE';

CREATE FUNCTION specql.recheck(relation regclass, action text, data jsonb)
RETURNS TABLE (branch integer, held boolean, "values" jsonb)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_recheck';
COMMENT ON FUNCTION specql.recheck(regclass, text, jsonb) IS
'Which conditions of an action hold for a logged change of a row, by today''s rules, and the values its steps read';

-- Everything that changes something, or shows other people's data, is for specql_admin, and for whoever it is granted to.
-- Left to PUBLIC: uuid_v7 and uuid_time (column defaults run as whoever inserts) and payload.
REVOKE ALL ON FUNCTION specql.action_changed(), specql.capture(), specql.dispatch(), specql.refuse_change(),
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text), specql.unregister_action(text),
    specql.handle_released(text, bigint), specql.next_attempt(text, integer, boolean), specql.retry(uuid, text), specql.retry_due(integer), specql.expire_events(),
    specql.matched(integer), specql.rows(integer),
    specql.emit(text, jsonb, timestamptz), specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text),
    specql.recheck(regclass, text, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.capture(), specql.dispatch(), specql.refuse_change(),
    specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text), specql.unregister_action(text),
    specql.retry(uuid, text), specql.retry_due(integer), specql.expire_events(),
    specql.matched(integer), specql.rows(integer),
    specql.emit(text, jsonb, timestamptz), specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text)
TO specql_admin;
-- The outbox: deliveries that handlers queued, until they have left the database.

-- A small, hot table: what is delivered leaves it. The first columns are those that a change-data-capture router expects.
CREATE TABLE specql.outbox (
    id uuid NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text,
    type text NOT NULL,
    payload jsonb NOT NULL,
    kind text NOT NULL CHECK (kind IN ('call', 'notify', 'escalation')),
    service text,
    operation text,
    channel text,
    message text,
    event_id uuid,
    action text,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'leased')),
    attempts integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    severity text,
    repeat_after interval,
    leased_by text,
    PRIMARY KEY (id),
    CHECK (CASE WHEN kind = 'call' THEN service IS NOT NULL AND operation IS NOT NULL
                ELSE channel IS NOT NULL AND message IS NOT NULL END)
);
CREATE INDEX outbox_event ON specql.outbox (event_id);
-- Claims read it from its left end, one service at a time: what waits for others costs nothing.
CREATE INDEX outbox_due ON specql.outbox (service, available_at, id);
-- Services that keep the order of a key are read in the order of queueing.
CREATE INDEX outbox_order ON specql.outbox (service, id);
COMMENT ON TABLE specql.outbox IS 'Deliveries that wait: calls of services, notifications, escalations; shown by specql.deliveries';
COMMENT ON COLUMN specql.outbox.id IS 'The delivery; the same for all its attempts, so that a receiver can tell a repetition';
COMMENT ON COLUMN specql.outbox.aggregatetype IS 'The table that the event is about, or the custom event; outside of handlers the service or channel';
COMMENT ON COLUMN specql.outbox.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.outbox.type IS 'The event''s type';
COMMENT ON COLUMN specql.outbox.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.outbox.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.outbox.service IS 'The service to call';
COMMENT ON COLUMN specql.outbox.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.outbox.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.outbox.message IS 'What to tell them';
COMMENT ON COLUMN specql.outbox.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.outbox.action IS 'The action whose step queued it; NULL for an operation that a person called';
COMMENT ON COLUMN specql.outbox.status IS 'waiting, or leased (being delivered)';
COMMENT ON COLUMN specql.outbox.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.outbox.available_at IS 'Not before this time; while leased, when the lease ends and others may take it';
COMMENT ON COLUMN specql.outbox.leased_until IS 'While leased: when others may take it';
COMMENT ON COLUMN specql.outbox.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.outbox.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.outbox.acknowledged_at IS 'Escalations: when someone took it in hand';
COMMENT ON COLUMN specql.outbox.acknowledged_by IS 'Escalations: who did';
COMMENT ON COLUMN specql.outbox.severity IS 'Escalations: how bad it is, in the spec''s words';
COMMENT ON COLUMN specql.outbox.repeat_after IS 'Escalations: how often it is sent until someone acknowledges it; NULL: once';
COMMENT ON COLUMN specql.outbox.leased_by IS 'While leased: worker, or the role that took it';
SELECT pg_catalog.pg_extension_config_dump('specql.outbox', '');

-- What has left the outbox. Both begin with its columns, in its order.
CREATE TABLE specql.delivery_history (
    LIKE specql.outbox INCLUDING COMMENTS,
    finished_at timestamptz NOT NULL,
    http_status integer,
    response text
);
-- Ids grow with time: old rows are at its left end.
CREATE INDEX delivery_history_id ON specql.delivery_history (id);
CREATE INDEX delivery_history_event ON specql.delivery_history (event_id);
CREATE INDEX delivery_history_open ON specql.delivery_history (id) WHERE kind = 'escalation' AND acknowledged_at IS NULL;
COMMENT ON TABLE specql.delivery_history IS
'Deliveries that have left, for specql.delivery_retention; escalations stay until they are acknowledged';
COMMENT ON COLUMN specql.delivery_history.finished_at IS 'When it had left';
COMMENT ON COLUMN specql.delivery_history.http_status IS 'The receiver''s answer';
COMMENT ON COLUMN specql.delivery_history.response IS 'The beginning of its body';
SELECT pg_catalog.pg_extension_config_dump('specql.delivery_history', '');

CREATE TABLE specql.dead_letter (
    LIKE specql.outbox INCLUDING COMMENTS,
    finished_at timestamptz NOT NULL,
    http_status integer,
    response text,
    PRIMARY KEY (id)
);
CREATE INDEX dead_letter_event ON specql.dead_letter (event_id);
CREATE INDEX dead_letter_service ON specql.dead_letter (service, id);
COMMENT ON TABLE specql.dead_letter IS
'Deliveries that ran out of attempts or were refused for good; they stay until specql.redrive or specql.discard; shown by specql.dead_letters';
COMMENT ON COLUMN specql.dead_letter.finished_at IS 'When it was given up';
COMMENT ON COLUMN specql.dead_letter.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letter.response IS 'The beginning of its body';
SELECT pg_catalog.pg_extension_config_dump('specql.dead_letter', '');

CREATE FUNCTION specql.focus(event_id uuid) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_focus';
COMMENT ON FUNCTION specql.focus(uuid) IS
'In a handler: what functions that are called from now on queue without naming an event belongs to this one';

CREATE FUNCTION specql.undelivered() RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_undelivered';
COMMENT ON FUNCTION specql.undelivered() IS 'In a handler: its events for which nothing has been queued so far';

CREATE FUNCTION specql.call_external(service text, operation text, branch integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_external';
COMMENT ON FUNCTION specql.call_external(text, text, integer) IS
'In a handler: queues a call of a service for each event of the branch, with the event''s data; how many';

CREATE FUNCTION specql.call_external(service text, operation text, event_id uuid, payload jsonb) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_external_one';
COMMENT ON FUNCTION specql.call_external(text, text, uuid, jsonb) IS
'Queues a call of a service for one event, by default that of specql.focus, or the first; the delivery''s id';

CREATE FUNCTION specql.notify(channel text, message text, branch integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_notify';
COMMENT ON FUNCTION specql.notify(text, text, integer) IS
'In a handler: queues a notification for each event of the branch, with the event''s data; how many';

CREATE FUNCTION specql.notify(channel text, message text, event_id uuid, payload jsonb) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_notify_one';
COMMENT ON FUNCTION specql.notify(text, text, uuid, jsonb) IS
'Queues a notification for one event, by default that of specql.focus, or the first; the delivery''s id';

CREATE FUNCTION specql.escalate(channel text, message text, branch integer, severity text DEFAULT NULL,
    repeat interval DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_escalate';
COMMENT ON FUNCTION specql.escalate(text, text, integer, text, interval) IS
'In a handler: queues an escalation for each event of the branch; it stays open until acknowledged; how many';

CREATE FUNCTION specql.escalate(channel text, message text, event_id uuid, payload jsonb, severity text DEFAULT NULL,
    repeat interval DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_escalate_one';
COMMENT ON FUNCTION specql.escalate(text, text, uuid, jsonb, text, interval) IS
'Queues an escalation for one event, by default that of specql.focus, or the first; it stays open until acknowledged; its id';

REVOKE ALL ON FUNCTION specql.focus(uuid), specql.undelivered(), specql.call_external(text, text, integer), specql.call_external(text, text, uuid, jsonb),
    specql.notify(text, text, integer), specql.notify(text, text, uuid, jsonb),
    specql.escalate(text, text, integer, text, interval), specql.escalate(text, text, uuid, jsonb, text, interval)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.focus(uuid), specql.undelivered(), specql.call_external(text, text, integer), specql.call_external(text, text, uuid, jsonb),
    specql.notify(text, text, integer), specql.notify(text, text, uuid, jsonb),
    specql.escalate(text, text, integer, text, interval), specql.escalate(text, text, uuid, jsonb, text, interval)
TO specql_admin;
-- What people look at: events, actions, deliveries, escalations, failures; and specql.why.

CREATE VIEW specql.logged_events AS
    SELECT l.id, l.type, l.action, l.entity, l.subject, l.data, l.occurred_at, l.xid, l.caused_by, l.root, l.depth,
           CASE WHEN l.deliveries > 0 AND l.processed_at IS NULL THEN 'pending' ELSE l.status END AS status,
           l.attempts, l.last_error, l.processed_at, l.batch, l.deliveries
    FROM specql.event_log AS l;
COMMENT ON VIEW specql.logged_events IS 'The part of specql.events that is in the log: events that were handled, or that no action listens to';

CREATE VIEW specql.unhandled_events AS
    SELECT f.id, f.type, f.action, f.entity, f.subject, f.data, f.occurred_at, f.xid, f.caused_by, f.root, f.depth,
           f.status, f.attempts, f.message AS last_error, NULL::timestamptz AS processed_at, f.id AS batch, 0 AS deliveries
    FROM specql.failure AS f
    UNION ALL
    SELECT w.id, w.type, w.action, w.entity, w.subject, w.data, w.occurred_at, w.xid, w.caused_by, w.root, w.depth,
           'paused', 0, NULL, NULL, w.id, 0
    FROM specql.waiting_event AS w;
COMMENT ON VIEW specql.unhandled_events IS 'The part of specql.events that is still to be handled: failed, parked, paused';

CREATE VIEW specql.events AS
    SELECT * FROM specql.logged_events UNION ALL SELECT * FROM specql.unhandled_events;
COMMENT ON VIEW specql.events IS 'The event log: what happened, who handled it, and what became of it';
COMMENT ON COLUMN specql.events.id IS 'Time-ordered; an event that several actions handled has a row for each';
COMMENT ON COLUMN specql.events.type IS 'Table and event (inventory.product.stock_quantity_changed), or the custom event';
COMMENT ON COLUMN specql.events.action IS 'The action that handled it; NULL for a custom event nobody listens to';
COMMENT ON COLUMN specql.events.entity IS 'The table whose row changed';
COMMENT ON COLUMN specql.events.subject IS 'The id of that row';
COMMENT ON COLUMN specql.events.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.events.occurred_at IS 'By the clock when the row was captured, or as given to specql.emit';
COMMENT ON COLUMN specql.events.xid IS 'The transaction';
COMMENT ON COLUMN specql.events.caused_by IS 'The event whose handler caused this one; the first of them, if it handled several together';
COMMENT ON COLUMN specql.events.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.events.depth IS 'The place in that chain; 1 for an event that nothing caused';
COMMENT ON COLUMN specql.events.status IS
'done; pending: a delivery waits; failed: will be tried again; parked: waits for specql.retry; paused: waits for specql.resume; unheard: no action listens; unmatched: log_events = all';
COMMENT ON COLUMN specql.events.attempts IS 'How often the handler ran for it';
COMMENT ON COLUMN specql.events.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.events.processed_at IS 'When the reactions were done; NULL while anything is pending or failed';
COMMENT ON COLUMN specql.events.batch IS 'The first of the events that were handled together';
COMMENT ON COLUMN specql.events.deliveries IS 'How many deliveries the handler queued for it';

-- Its parts have the same columns.
DO $$
DECLARE
    part text;
    one record;
BEGIN
    FOREACH part IN ARRAY '{logged_events,unhandled_events}'::text[] LOOP
        FOR one IN SELECT a.attname, pg_catalog.col_description(a.attrelid, a.attnum) AS comment
                   FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = 'specql.events'::pg_catalog.regclass AND a.attnum > 0 LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN specql.%I.%I IS %L', part, one.attname, one.comment);
        END LOOP;
    END LOOP;
END
$$;

-- The state of the triggers is read from the catalog: a DBA switches an action off there.
CREATE VIEW specql.actions AS
    SELECT a.action, a.event, a.relation, a.handler, a.on_error, a.max_attempts, a.backoff,
           CASE WHEN a.relation IS NULL THEN a.enabled
                ELSE a.enabled AND EXISTS (
                    SELECT FROM pg_catalog.pg_trigger AS t
                    WHERE t.tgrelid = pg_catalog.to_regclass(a.relation)
                      AND t.tgfoid = 'specql.dispatch()'::pg_catalog.regprocedure AND t.tgenabled <> 'D'
                      AND pg_catalog.split_part(pg_catalog.encode(t.tgargs, 'escape'), '\000', 1) = a.action) END AS enabled,
           a.part, a.paused_at
    FROM specql.action AS a;
COMMENT ON VIEW specql.actions IS 'Installed actions, and whether they are switched on';
COMMENT ON COLUMN specql.actions.action IS 'Schema and name';
COMMENT ON COLUMN specql.actions.event IS 'What it listens to';
COMMENT ON COLUMN specql.actions.relation IS 'The table whose changes it watches; NULL for a custom event';
COMMENT ON COLUMN specql.actions.handler IS 'The function that handles its events; \sf shows it';
COMMENT ON COLUMN specql.actions.on_error IS 'retry or abort';
COMMENT ON COLUMN specql.actions.max_attempts IS 'After so many failed attempts an event is parked';
COMMENT ON COLUMN specql.actions.backoff IS 'The first delay between attempts; it doubles with each';
COMMENT ON COLUMN specql.actions.enabled IS 'ALTER TABLE ... DISABLE TRIGGER switches an action off';
COMMENT ON COLUMN specql.actions.part IS 'Of a window or correlation: match, or source and the event that it counts';
COMMENT ON COLUMN specql.actions.paused_at IS 'Since when its events wait for specql.resume(action); NULL: they are handled';

CREATE VIEW specql.deliveries AS
    SELECT o.id, o.kind, o.service, o.operation, o.channel, o.message, o.payload, o.event_id, o.type, o.action,
           o.aggregatetype, o.aggregateid, o.status, o.attempts, o.available_at, o.leased_until, o.last_error, o.created_at,
           NULL::timestamptz AS finished_at, NULL::integer AS http_status, NULL::text AS response
    FROM specql.outbox AS o
    UNION ALL
    SELECT h.id, h.kind, h.service, h.operation, h.channel, h.message, h.payload, h.event_id, h.type, h.action,
           h.aggregatetype, h.aggregateid, h.status, h.attempts, NULL, NULL, h.last_error, h.created_at,
           h.finished_at, h.http_status, h.response
    FROM specql.delivery_history AS h
    UNION ALL
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.status, d.attempts, NULL, NULL, d.last_error, d.created_at,
           d.finished_at, d.http_status, d.response
    FROM specql.dead_letter AS d;
COMMENT ON VIEW specql.deliveries IS 'Calls, notifications and escalations that handlers queued, and what became of each';
COMMENT ON COLUMN specql.deliveries.id IS 'The delivery; the same for all its attempts';
COMMENT ON COLUMN specql.deliveries.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.deliveries.service IS 'The service to call';
COMMENT ON COLUMN specql.deliveries.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.deliveries.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.deliveries.message IS 'What to tell them';
COMMENT ON COLUMN specql.deliveries.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.deliveries.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.deliveries.type IS 'The event''s type';
COMMENT ON COLUMN specql.deliveries.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.deliveries.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.deliveries.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.deliveries.status IS 'waiting, leased (being delivered), done, dead (given up), or discarded (by specql.discard)';
COMMENT ON COLUMN specql.deliveries.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.deliveries.available_at IS 'Not before this time';
COMMENT ON COLUMN specql.deliveries.leased_until IS 'While leased: when others may take it';
COMMENT ON COLUMN specql.deliveries.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.deliveries.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.deliveries.finished_at IS 'When it had left, or was given up';
COMMENT ON COLUMN specql.deliveries.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.deliveries.response IS 'The beginning of its body';

CREATE VIEW specql.dead_letters AS
    SELECT d.id, d.kind, d.service, d.operation, d.channel, d.message, d.payload, d.event_id, d.type, d.action,
           d.aggregatetype, d.aggregateid, d.attempts, d.last_error, d.http_status, d.response, d.created_at,
           d.finished_at AS died_at
    FROM specql.dead_letter AS d;
COMMENT ON VIEW specql.dead_letters IS
'Deliveries that were given up. They stay: SELECT specql.redrive(id) queues one again, specql.discard(id) lets it go';
COMMENT ON COLUMN specql.dead_letters.id IS 'The delivery';
COMMENT ON COLUMN specql.dead_letters.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.dead_letters.service IS 'The service that was called';
COMMENT ON COLUMN specql.dead_letters.operation IS 'What of the service';
COMMENT ON COLUMN specql.dead_letters.channel IS 'Who was to be notified';
COMMENT ON COLUMN specql.dead_letters.message IS 'What they were to be told';
COMMENT ON COLUMN specql.dead_letters.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.dead_letters.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.dead_letters.type IS 'The event''s type';
COMMENT ON COLUMN specql.dead_letters.action IS 'The action whose step queued it';
COMMENT ON COLUMN specql.dead_letters.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.dead_letters.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.dead_letters.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.dead_letters.last_error IS 'Of the last attempt';
COMMENT ON COLUMN specql.dead_letters.http_status IS 'The receiver''s last answer';
COMMENT ON COLUMN specql.dead_letters.response IS 'The beginning of its body';
COMMENT ON COLUMN specql.dead_letters.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.dead_letters.died_at IS 'When it was given up';

CREATE VIEW specql.escalations AS
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.outbox
    WHERE kind = 'escalation' AND acknowledged_at IS NULL
    UNION ALL
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.delivery_history
    WHERE kind = 'escalation' AND acknowledged_at IS NULL
    UNION ALL
    SELECT id, channel, message, severity, payload, event_id, type, action, aggregatetype, aggregateid, attempts, created_at
    FROM specql.dead_letter
    WHERE kind = 'escalation' AND acknowledged_at IS NULL;
COMMENT ON VIEW specql.escalations IS 'Escalations that nobody has acknowledged; SELECT specql.acknowledge(id) does';
COMMENT ON COLUMN specql.escalations.id IS 'For specql.acknowledge';
COMMENT ON COLUMN specql.escalations.channel IS 'Who should act';
COMMENT ON COLUMN specql.escalations.message IS 'On what';
COMMENT ON COLUMN specql.escalations.severity IS 'How bad it is, in the spec''s words';
COMMENT ON COLUMN specql.escalations.payload IS 'The event''s data';
COMMENT ON COLUMN specql.escalations.event_id IS 'The event that led to it';
COMMENT ON COLUMN specql.escalations.type IS 'The event''s type';
COMMENT ON COLUMN specql.escalations.action IS 'The action whose step escalated';
COMMENT ON COLUMN specql.escalations.aggregatetype IS 'The table that the event is about, or the custom event';
COMMENT ON COLUMN specql.escalations.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.escalations.attempts IS 'How often it was sent';
COMMENT ON COLUMN specql.escalations.created_at IS 'Since when it is open';

CREATE VIEW specql.failures AS
    SELECT id, action, type, subject, status, attempts, sqlstate, message, detail, hint, context, data, occurred_at,
           first_failed_at, last_failed_at, next_attempt_at, caused_by, root, depth
    FROM specql.failure;
COMMENT ON VIEW specql.failures IS
'Events whose handler failed; specql.drain() tries those again that are due, SELECT specql.retry(id) one by hand';
COMMENT ON COLUMN specql.failures.id IS 'The event; for specql.retry and specql.why';
COMMENT ON COLUMN specql.failures.action IS 'The action that could not handle it';
COMMENT ON COLUMN specql.failures.type IS 'Table and event, or the custom event';
COMMENT ON COLUMN specql.failures.subject IS 'The id of the row that changed';
COMMENT ON COLUMN specql.failures.status IS 'failed: will be tried again; parked: waits for specql.retry';
COMMENT ON COLUMN specql.failures.attempts IS 'How often the handler failed for it';
COMMENT ON COLUMN specql.failures.sqlstate IS 'Of the last error';
COMMENT ON COLUMN specql.failures.message IS 'Of the last error';
COMMENT ON COLUMN specql.failures.detail IS 'Of the last error';
COMMENT ON COLUMN specql.failures.hint IS 'Of the last error';
COMMENT ON COLUMN specql.failures.context IS 'Of the last error: where in the handler';
COMMENT ON COLUMN specql.failures.data IS 'Old and new row, or the payload';
COMMENT ON COLUMN specql.failures.occurred_at IS 'When the event happened';
COMMENT ON COLUMN specql.failures.first_failed_at IS 'When it failed first';
COMMENT ON COLUMN specql.failures.last_failed_at IS 'When it failed last';
COMMENT ON COLUMN specql.failures.next_attempt_at IS 'When the next attempt is due; NULL if parked';
COMMENT ON COLUMN specql.failures.caused_by IS 'The event whose handler caused this one';
COMMENT ON COLUMN specql.failures.root IS 'The event at the start of the chain of causes';
COMMENT ON COLUMN specql.failures.depth IS 'The place in that chain';

-- Conditions are asked again of the logged rows, by today's rules and with the rights of whoever wrote them.
CREATE FUNCTION specql.why(event_id uuid) RETURNS TABLE (step integer, kind text, what text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    e record;
    r record;
    known boolean := false;
BEGIN
    step := 0;
    FOR e IN SELECT v.*, f.relation, f.sqlstate, f.context, f.next_attempt_at
             FROM specql.events AS v LEFT JOIN specql.failure AS f ON f.id = v.id AND f.action = v.action
             WHERE v.id = why.event_id AND specql.sees(v.action) ORDER BY v.action LOOP
        IF NOT known THEN
            known := true;
            step := step + 1;
            kind := 'event';
            what := e.type || coalesce(' of ' || e.subject, '');
            detail := e.data::text;
            RETURN NEXT;
            kind := 'cause';
            FOR r IN
                WITH RECURSIVE causes AS (
                    SELECT e.caused_by AS id, e.depth - 1 AS depth WHERE e.caused_by IS NOT NULL
                    UNION
                    SELECT v.caused_by, c.depth - 1
                    FROM causes AS c JOIN specql.events AS v ON v.id = c.id WHERE v.caused_by IS NOT NULL)
                SELECT DISTINCT ON (c.depth, c.id) c.id, v.type, v.action, v.subject
                FROM causes AS c LEFT JOIN specql.events AS v ON v.id = c.id
                ORDER BY c.depth DESC, c.id, v.action LOOP
                step := step + 1;
                what := coalesce(r.type || coalesce(' of ' || r.subject, ''), 'an event that is no longer logged');
                detail := r.id || coalesce(', handled by ' || r.action, '');
                RETURN NEXT;
            END LOOP;
        END IF;
        CONTINUE WHEN e.action IS NULL;
        step := step + 1;
        kind := 'action';
        what := e.action || ': ' || e.status;
        detail := format('%s attempt%s%s', e.attempts, CASE WHEN e.attempts = 1 THEN '' ELSE 's' END,
            (SELECT format(', handled together with %s other event%s', count(*) - 1, CASE WHEN count(*) > 2 THEN 's' ELSE '' END) FROM specql.event_log AS l
             WHERE l.batch = e.batch AND l.action = e.action AND l.id >= e.batch AND l.xid = e.xid HAVING count(*) > 1));
        RETURN NEXT;
        IF e.entity IS NOT NULL THEN
            kind := 'branch';
            BEGIN
                FOR r IN SELECT c.branch, c.held,
                                c."values" - '{branches,event_time,event_data,subject}'::text[] AS seen
                         FROM specql.recheck(coalesce(e.relation, to_regclass(e.entity)), e.action, e.data) AS c LOOP
                    step := step + 1;
                    what := format('%s %s', r.branch, CASE WHEN r.held THEN 'held' ELSE 'did not hold' END);
                    detail := r.seen::text;
                    RETURN NEXT;
                END LOOP;
            EXCEPTION WHEN OTHERS THEN
                step := step + 1;
                what := 'the conditions cannot be asked again';
                detail := SQLERRM;
                RETURN NEXT;
            END;
        END IF;
        kind := 'delivery';
        FOR r IN SELECT * FROM specql.deliveries AS o WHERE o.event_id = e.id AND o.action = e.action ORDER BY o.id LOOP
            step := step + 1;
            what := format('%s %s: %s', r.kind, coalesce(r.service, r.channel), coalesce(r.operation, r.message));
            detail := format('%s, %s attempts%s', r.status, r.attempts, coalesce(', ' || r.last_error, ''));
            RETURN NEXT;
        END LOOP;
        kind := 'caused';
        FOR r IN SELECT v.id, v.type, v.action, v.subject, v.status FROM specql.events AS v
                 WHERE v.caused_by = e.batch ORDER BY v.id, v.action LOOP
            step := step + 1;
            what := r.type || coalesce(' of ' || r.subject, '');
            detail := format('%s%s, %s', r.id, coalesce(', handled by ' || r.action, ''), r.status);
            RETURN NEXT;
        END LOOP;
        IF e.sqlstate IS NOT NULL THEN
            step := step + 1;
            kind := 'failure';
            what := format('%s: %s', e.sqlstate, e.last_error);
            detail := concat_ws(E'\n', CASE WHEN e.next_attempt_at IS NULL THEN 'parked' ELSE 'next attempt ' || e.next_attempt_at END,
                                e.context);
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT known THEN
        RAISE EXCEPTION 'there is no event % in the log', why.event_id
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id, type, occurred_at FROM specql.events ORDER BY id DESC LIMIT 10';
    END IF;
END $$;
COMMENT ON FUNCTION specql.why(uuid) IS
'The trace of an event: what caused it, which conditions held with which values, what was queued, what it caused, what failed';

REVOKE ALL ON FUNCTION specql.why(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.why(uuid) TO specql_admin;
-- Events hold the rows of other people's tables.
GRANT SELECT ON specql.events, specql.logged_events, specql.unhandled_events, specql.actions, specql.deliveries, specql.dead_letters, specql.escalations, specql.failures
TO specql_admin;
-- Windows and correlations: what their events are, what is known of each key, and how it is worked out.
--
-- A listener of each source writes its events into specql.window_event, in the transaction that raised them. The worker,
-- or specql.drain(), takes them out in order, brings specql.window_key and specql.window_entry up to date and raises what
-- matched, in one transaction.

CREATE TABLE specql.window_rule (
    action text NOT NULL PRIMARY KEY,
    event text NOT NULL,
    condition text NOT NULL,
    joined text NOT NULL,
    terms jsonb NOT NULL,
    keys text[] NOT NULL,
    after_match text NOT NULL CHECK (after_match IN ('consume', 'edge', 'every')),
    cooldown interval,
    on_timeout boolean NOT NULL,
    memory interval NOT NULL,
    evaluated bigint NOT NULL DEFAULT 0,
    matches bigint NOT NULL DEFAULT 0,
    suppressed bigint NOT NULL DEFAULT 0,
    missing_keys bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    unusable bigint NOT NULL DEFAULT 0,
    last_match_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE specql.window_rule IS 'Windows and correlations: written by specql.register_window, shown by specql.windows';
COMMENT ON COLUMN specql.window_rule.action IS 'Schema and name';
COMMENT ON COLUMN specql.window_rule.event IS 'The custom event that a match raises';
COMMENT ON COLUMN specql.window_rule.condition IS 'As the spec has it';
COMMENT ON COLUMN specql.window_rule.joined IS 'The same with its terms numbered: 1 AND (2 OR NOT 3)';
COMMENT ON COLUMN specql.window_rule.terms IS 'What is counted, and how long it counts';
COMMENT ON COLUMN specql.window_rule.keys IS 'What BY, or correlate_by, names; empty for one window over all';
COMMENT ON COLUMN specql.window_rule.after_match IS 'What becomes of events that matched: consume, edge or every';
COMMENT ON COLUMN specql.window_rule.cooldown IS 'Matches so soon after another are suppressed';
COMMENT ON COLUMN specql.window_rule.on_timeout IS 'It is told too what was not completed in time';
COMMENT ON COLUMN specql.window_rule.memory IS 'How long an event can matter';
COMMENT ON COLUMN specql.window_rule.evaluated IS 'Events counted so far';
COMMENT ON COLUMN specql.window_rule.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.window_rule.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.window_rule.missing_keys IS 'Events without a key, which belong to no window';
COMMENT ON COLUMN specql.window_rule.late IS 'Events older than one that was counted before';
COMMENT ON COLUMN specql.window_rule.unusable IS 'Values that are no number';
COMMENT ON COLUMN specql.window_rule.last_match_at IS 'The time of the last match';
SELECT pg_catalog.pg_extension_config_dump('specql.window_rule', '');

CREATE TABLE specql.window_event (
    action text NOT NULL,
    term integer NOT NULL,
    key text,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    value text,
    xid xid8 NOT NULL,
    root uuid NOT NULL,
    depth integer NOT NULL
);
CREATE INDEX window_event_order ON specql.window_event (action, at, id);
COMMENT ON TABLE specql.window_event IS 'Events on their way into windows; taken out when they are counted';
COMMENT ON COLUMN specql.window_event.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_event.term IS 'The term that counts it, from 1';
COMMENT ON COLUMN specql.window_event.key IS 'The window it belongs to; NULL if the event lacks the key';
COMMENT ON COLUMN specql.window_event.at IS 'When it happened';
COMMENT ON COLUMN specql.window_event.id IS 'The event';
COMMENT ON COLUMN specql.window_event.value IS 'The value of the term''s field';
COMMENT ON COLUMN specql.window_event.xid IS 'The transaction';
COMMENT ON COLUMN specql.window_event.root IS 'The event at the start of its chain of causes';
COMMENT ON COLUMN specql.window_event.depth IS 'Its place in that chain';
SELECT pg_catalog.pg_extension_config_dump('specql.window_event', '');

CREATE TABLE specql.window_key (
    action text NOT NULL,
    key text NOT NULL,
    latest timestamptz,
    latest_id text NOT NULL,
    consumed_at timestamptz,
    consumed_id text NOT NULL,
    matched_at timestamptz,
    deadline timestamptz,
    deadline_xid xid8,
    held boolean NOT NULL,
    counts bigint[] NOT NULL,
    sums numeric[] NOT NULL,
    details text NOT NULL,
    matches bigint NOT NULL,
    suppressed bigint NOT NULL,
    forgotten_after timestamptz NOT NULL,
    PRIMARY KEY (action, key)
) WITH (fillfactor = 50);
CREATE INDEX window_key_deadline ON specql.window_key (action, deadline) WHERE deadline IS NOT NULL;
COMMENT ON TABLE specql.window_key IS 'What is known of each key of a window or correlation; shown by specql.windows';
COMMENT ON COLUMN specql.window_key.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_key.key IS 'The key; empty for one window over all';
COMMENT ON COLUMN specql.window_key.latest IS 'The time of the latest event';
COMMENT ON COLUMN specql.window_key.latest_id IS 'That event';
COMMENT ON COLUMN specql.window_key.consumed_at IS 'Events up to this time belong to a match that was';
COMMENT ON COLUMN specql.window_key.consumed_id IS 'The last of them';
COMMENT ON COLUMN specql.window_key.matched_at IS 'The last match that was told';
COMMENT ON COLUMN specql.window_key.deadline IS 'When the absence of an event will be certain';
COMMENT ON COLUMN specql.window_key.deadline_xid IS 'Transactions before this one may hold events from before the deadline';
COMMENT ON COLUMN specql.window_key.held IS 'Whether the condition held after the last event';
COMMENT ON COLUMN specql.window_key.counts IS 'Events in the window, term by term';
COMMENT ON COLUMN specql.window_key.sums IS 'The sums of their values';
COMMENT ON COLUMN specql.window_key.details IS 'What MIN, MAX, COUNT(DISTINCT) and NOT must remember; see core/policy/window_details.hpp';
COMMENT ON COLUMN specql.window_key.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.window_key.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.window_key.forgotten_after IS 'After this time the row tells nothing any more';
SELECT pg_catalog.pg_extension_config_dump('specql.window_key', '');

CREATE TABLE specql.window_entry (
    action text NOT NULL,
    key text NOT NULL,
    term integer NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    value numeric NOT NULL
);
CREATE INDEX window_entry_order ON specql.window_entry (action, key, term, at, id);
COMMENT ON TABLE specql.window_entry IS 'The events in the windows';
COMMENT ON COLUMN specql.window_entry.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_entry.key IS 'The key; empty for one window over all';
COMMENT ON COLUMN specql.window_entry.term IS 'The term that counts it, from 1';
COMMENT ON COLUMN specql.window_entry.at IS 'When it happened';
COMMENT ON COLUMN specql.window_entry.id IS 'The event';
COMMENT ON COLUMN specql.window_entry.value IS 'The value of the term''s field; 0 without one';
SELECT pg_catalog.pg_extension_config_dump('specql.window_entry', '');

-- ---- registration ----------------------------------------------------------------------------------------------------

-- One session at a time works on a window, until the end of its transaction.
CREATE FUNCTION specql.lock_window(action text, wait boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF wait THEN
        PERFORM pg_advisory_xact_lock(1397772631, hashtext(action));
        RETURN true;
    END IF;
    RETURN pg_try_advisory_xact_lock(1397772631, hashtext(action));
END $$;
COMMENT ON FUNCTION specql.lock_window(text, boolean) IS
'Takes the lock of whoever works on a window or correlation; false if another session has it and this one is not to wait';
-- What was counted under another condition means nothing under this one; counting starts anew.
CREATE FUNCTION specql.write_window(action text, event text, condition text, joined text, terms jsonb, keys text[],
    after_match text, cooldown interval, on_timeout boolean, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    longest interval := (SELECT max((t ->> 'within')::interval) FROM jsonb_array_elements(write_window.terms) AS t);
BEGIN
    PERFORM specql.require_action(action, caller);
    IF EXISTS (SELECT FROM jsonb_array_elements(write_window.terms) AS t
               WHERE extract(epoch FROM (t ->> 'within')::interval) <= 0) OR cooldown < '0' THEN
        RAISE EXCEPTION 'a window of action % has no length', action USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM specql.window_rule AS r
    WHERE r.action = write_window.action
      AND (r.joined, r.terms, r.keys) IS NOT DISTINCT FROM (write_window.joined, write_window.terms, write_window.keys);
    IF NOT FOUND THEN
        PERFORM specql.clear_window(action);
    END IF;
    INSERT INTO specql.window_rule AS r
    VALUES (action, event, condition, joined, terms, keys, after_match, cooldown, on_timeout,
            greatest(CASE WHEN joined LIKE '%NOT%' THEN 2 ELSE 1 END * longest, cooldown))
    ON CONFLICT ON CONSTRAINT window_rule_pkey DO UPDATE
    SET event = excluded.event, condition = excluded.condition, joined = excluded.joined, terms = excluded.terms,
        keys = excluded.keys, after_match = excluded.after_match, cooldown = excluded.cooldown,
        on_timeout = excluded.on_timeout, memory = excluded.memory;
END $$;
COMMENT ON FUNCTION specql.write_window(text, text, text, text, jsonb, text[], text, interval, boolean, oid) IS
'What specql.register_window does, for its caller';

CREATE FUNCTION specql.register_window(action text, event text, condition text, joined text, terms jsonb, keys text[],
    after_match text, cooldown interval, on_timeout boolean) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_window';
COMMENT ON FUNCTION specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean) IS
'Tells the runtime of a window or correlation; with another condition than before it counts anew. Generated code calls this';

CREATE FUNCTION specql.clear_window(action text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.lock_window($1, true);
    DELETE FROM specql.window_event AS e WHERE e.action = $1;
    DELETE FROM specql.window_key AS k WHERE k.action = $1;
    DELETE FROM specql.window_entry AS e WHERE e.action = $1;
$$;
COMMENT ON FUNCTION specql.clear_window(text) IS 'What specql.forget_window does, whoever asks';

CREATE FUNCTION specql.forget_window(action text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, specql.viewer());
    SELECT specql.clear_window($1);
$$;
COMMENT ON FUNCTION specql.forget_window(text) IS
'Forgets all that a window or correlation has counted, and what waits to be; specql.rebuild_window(action) counts again what the log holds';

CREATE FUNCTION specql.drop_window(action text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, $2);
    SELECT specql.clear_window($1);
    DELETE FROM specql.window_rule AS r WHERE r.action = $1;
$$;
COMMENT ON FUNCTION specql.drop_window(text, oid) IS 'What specql.unregister_window does, for its caller';

CREATE FUNCTION specql.unregister_window(action text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_window';
COMMENT ON FUNCTION specql.unregister_window(text) IS 'Makes the runtime forget a window or correlation';

-- ---- events in, matches out ------------------------------------------------------------------------------------------

CREATE FUNCTION specql.window_events(action text, term integer, event_ids uuid[], times timestamptz[], keys text[],
    "values" text[]) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_window_events';
COMMENT ON FUNCTION specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]) IS
'In a handler: hands events to a term of a window or correlation. Without keys all belong to one window; an event whose key is NULL belongs to none';

CREATE FUNCTION specql.evaluate_windows(max_items integer DEFAULT NULL, wait boolean DEFAULT true) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off AS 'MODULE_PATHNAME', 'specql_evaluate_windows';
COMMENT ON FUNCTION specql.evaluate_windows(integer, boolean) IS
'Counts the committed events that wait, in order, and runs the steps of what matches; how many events and deadlines. For the worker and specql.drain()';

-- For tests, which are rolled back: their events are never committed, and nobody else's may be counted with them.
CREATE FUNCTION specql.evaluate_own_window(action text) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off AS 'MODULE_PATHNAME', 'specql_evaluate_own_window';
COMMENT ON FUNCTION specql.evaluate_own_window(text) IS
'Counts the events that this transaction itself has brought to a window or correlation, and passes the deadlines that have come, as if it were committed; how many of both. For generated tests, which are rolled back';

-- Transactions of other databases, and autovacuum's, hold no events of this one. To be asked before the events are read:
-- what has ended by then is visible to the statement that reads them.
CREATE FUNCTION specql.window_horizon() RETURNS xid8
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    snapshot constant pg_snapshot := pg_current_snapshot();
    next constant bigint := pg_snapshot_xmax(snapshot)::text::bigint;
    oldest bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_snapshot_xip(snapshot) AS x WHERE x IS DISTINCT FROM pg_current_xact_id_if_assigned()) THEN
        RETURN pg_snapshot_xmax(snapshot);
    END IF;
    PERFORM pg_stat_clear_snapshot();
    -- How far each is behind the next one, counted as the server does, in 32 bits that go round.
    SELECT next - max(r.behind) INTO oldest
    FROM (SELECT (next - a.backend_xid::text::bigint) & 4294967295 AS behind
          FROM pg_stat_get_activity(NULL) AS a
          WHERE a.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND a.backend_type <> 'autovacuum worker' AND a.pid <> pg_backend_pid()
          UNION ALL
          SELECT (next - p.transaction::text::bigint) & 4294967295
          FROM pg_prepared_xacts AS p WHERE p.database = current_database()) AS r
    WHERE r.behind < 2147483648;
    RETURN coalesce(oldest::text::xid8, pg_snapshot_xmax(snapshot));
END $$;
COMMENT ON FUNCTION specql.window_horizon() IS 'All transactions of this database before this one have ended, but for the caller''s own';

CREATE FUNCTION specql.expire_windows() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM specql.window_key AS k
        WHERE k.forgotten_after < specql.clock() AND k.deadline IS NULL AND specql.lock_window(k.action, false)
        RETURNING k.action, k.key),
    emptied AS (
        DELETE FROM specql.window_entry AS e USING gone AS g WHERE e.action = g.action AND e.key = g.key)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_windows() IS
'Removes keys of windows whose events are all too old to matter; how many. The worker does it';

CREATE FUNCTION specql.rebuild_window(action text) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_rebuild_window';
COMMENT ON FUNCTION specql.rebuild_window(text) IS
'Forgets what a window or correlation has counted and counts the events of the log again, as far as they still matter, without running steps; how many';

-- ---- looking ---------------------------------------------------------------------------------------------------------

-- A row for each window or correlation, and one for each of its keys.
CREATE VIEW specql.windows AS
    SELECT r.action, NULL::text AS key, r.condition, k.counts, k.latest AS last_at, r.matches, r.last_match_at, r.suppressed,
           k.deadline, r.evaluated,
           (SELECT count(*) FROM specql.window_event AS e WHERE e.action = r.action) AS waiting,
           r.missing_keys, r.late, r.unusable
    FROM specql.window_rule AS r
    LEFT JOIN specql.window_key AS k ON k.action = r.action AND k.key = '' AND r.keys = '{}'
    UNION ALL
    SELECT k.action, k.key, r.condition, k.counts, k.latest, k.matches, k.matched_at, k.suppressed, k.deadline,
           NULL, NULL, NULL, NULL, NULL
    FROM specql.window_key AS k JOIN specql.window_rule AS r ON r.action = k.action
    WHERE r.keys <> '{}';
COMMENT ON VIEW specql.windows IS 'Windows and correlations: one row for each, and one for each key that is known';
COMMENT ON COLUMN specql.windows.action IS 'Schema and name';
COMMENT ON COLUMN specql.windows.key IS 'The key; NULL for the window as a whole';
COMMENT ON COLUMN specql.windows.condition IS 'As the spec has it';
COMMENT ON COLUMN specql.windows.counts IS 'Events in the window after its last event, term by term';
COMMENT ON COLUMN specql.windows.last_at IS 'The time of the latest event';
COMMENT ON COLUMN specql.windows.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.windows.last_match_at IS 'The time of the last match that was told';
COMMENT ON COLUMN specql.windows.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.windows.deadline IS 'When the absence of an event will be certain';
COMMENT ON COLUMN specql.windows.evaluated IS 'Events counted so far';
COMMENT ON COLUMN specql.windows.waiting IS 'Events not counted yet: of transactions that are not the oldest, or of the future';
COMMENT ON COLUMN specql.windows.missing_keys IS 'Events without a key, which belong to no window';
COMMENT ON COLUMN specql.windows.late IS 'Events older than one that was counted before';
COMMENT ON COLUMN specql.windows.unusable IS 'Values that are no number';

CREATE FUNCTION specql.backtest(spec text, since timestamptz, until timestamptz DEFAULT NULL, schema text DEFAULT NULL)
RETURNS TABLE (action text, at timestamptz, key text, count bigint, event_ids text[])
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_backtest';
COMMENT ON FUNCTION specql.backtest(text, timestamptz, timestamptz, text) IS
'When the windows and correlations of a spec would have fired over the history there is, without applying it';

REVOKE ALL ON FUNCTION
    specql.write_window(text, text, text, text, jsonb, text[], text, interval, boolean, oid), specql.clear_window(text),
    specql.drop_window(text, oid), specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean),
    specql.forget_window(text), specql.unregister_window(text), specql.lock_window(text, boolean),
    specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]), specql.evaluate_windows(integer, boolean),
    specql.evaluate_own_window(text), specql.window_horizon(), specql.expire_windows(), specql.rebuild_window(text),
    specql.backtest(text, timestamptz, timestamptz, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean),
    specql.forget_window(text), specql.unregister_window(text),
    specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]), specql.evaluate_windows(integer, boolean),
    specql.evaluate_own_window(text), specql.expire_windows(), specql.rebuild_window(text),
    specql.backtest(text, timestamptz, timestamptz, text)
TO specql_admin;
GRANT SELECT ON specql.windows TO specql_admin;
-- Deliveries: services, claims and their results, take and ack, dead letters, the worker, health.

-- ---- services --------------------------------------------------------------------------------------------------------

CREATE TABLE specql.service (
    name text NOT NULL PRIMARY KEY,
    url text,
    timeout interval NOT NULL,
    retries integer NOT NULL CHECK (retries >= 0),
    backoff interval NOT NULL,
    headers jsonb NOT NULL,
    secrets text[] NOT NULL,
    format text NOT NULL CHECK (format IN ('cloudevents', 'hasura', 'supabase', 'plain')),
    ordering text,
    on_failure text NOT NULL CHECK (on_failure IN ('block', 'skip')),
    retry_on integer[] NOT NULL,
    operations jsonb NOT NULL,
    owner name NOT NULL,
    disabled text,
    failures integer NOT NULL DEFAULT 0,
    pauses integer NOT NULL DEFAULT 0,
    paused_until timestamptz,
    last_error text
);
COMMENT ON TABLE specql.service IS 'Services as the worker knows them: written by specql.register_service, shown by specql.services';
COMMENT ON COLUMN specql.service.name IS 'As steps call it';
COMMENT ON COLUMN specql.service.url IS 'Where calls go; NULL: consumers take them';
COMMENT ON COLUMN specql.service.timeout IS 'From the send to the end of the answer';
COMMENT ON COLUMN specql.service.retries IS 'Attempts after the first';
COMMENT ON COLUMN specql.service.backoff IS 'The longest pause before the first retry; it doubles with each, up to an hour';
COMMENT ON COLUMN specql.service.headers IS 'Sent with every call';
COMMENT ON COLUMN specql.service.secrets IS 'Names of the keys that sign: env:NAME, file:PATH, or a row of specql.secret';
COMMENT ON COLUMN specql.service.format IS 'Of the body: cloudevents, hasura, supabase or plain';
COMMENT ON COLUMN specql.service.ordering IS 'The key of the payload whose calls leave one after the other';
COMMENT ON COLUMN specql.service.on_failure IS 'What a failing call does to the later ones of its key: block or skip';
COMMENT ON COLUMN specql.service.retry_on IS 'Further 4xx answers that are tried again';
COMMENT ON COLUMN specql.service.operations IS 'Path, method, timeout and retries by operation';
COMMENT ON COLUMN specql.service.owner IS 'The role that declared it; others may call it, but not change it, nor take its calls';
COMMENT ON COLUMN specql.service.disabled IS 'Why it is not called: the receiver said 410, or specql.pause_service; NULL if it is';
COMMENT ON COLUMN specql.service.failures IS 'Failed calls in a row';
COMMENT ON COLUMN specql.service.pauses IS 'How often in a row the circuit breaker has opened';
COMMENT ON COLUMN specql.service.paused_until IS 'The circuit breaker is open until then';
COMMENT ON COLUMN specql.service.last_error IS 'Of the last call that failed';
SELECT pg_catalog.pg_extension_config_dump('specql.service', '');

-- No grants, and not in dumps.
CREATE TABLE specql.secret (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL,
    sent_to text[] NOT NULL DEFAULT '{}'
);
REVOKE ALL ON specql.secret FROM PUBLIC;
COMMENT ON TABLE specql.secret IS 'Keys that services sign with, by name. Only its owner can read it, and dumps leave its rows out';
COMMENT ON COLUMN specql.secret.name IS 'As secret: of a service says';
COMMENT ON COLUMN specql.secret.value IS 'The key; whsec_... is base64, as Standard Webhooks writes it';
COMMENT ON COLUMN specql.secret.sent_to IS 'Services that get it as it is, in a header; a key that only signs is sent to nobody';

-- Where deliveries left from last. A restored or cloned database finds that it is another, and delivers nothing.
CREATE TABLE specql.installation (
    system_identifier bigint NOT NULL,
    database oid NOT NULL
);
COMMENT ON TABLE specql.installation IS 'The server and database that deliveries leave from; another one is a copy, and paused';
COMMENT ON COLUMN specql.installation.system_identifier IS 'As pg_control_system() tells it';
COMMENT ON COLUMN specql.installation.database IS 'The database';
SELECT pg_catalog.pg_extension_config_dump('specql.installation', '');

CREATE FUNCTION specql.wake_worker() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_wake_worker';
COMMENT ON FUNCTION specql.wake_worker() IS 'Wakes this database''s worker when the transaction commits, or starts it';

CREATE FUNCTION specql.write_service(name text, url text, timeout interval, retries integer, backoff interval, headers jsonb,
    secrets text[], format text, ordering text, on_failure text, retry_on integer[], operations jsonb, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, $13) FROM specql.service AS s WHERE s.name = $1;
    INSERT INTO specql.service AS s
    SELECT $1, $2, coalesce($3, '10 s'), coalesce($4, 8), coalesce($5, '1 s'), coalesce($6, '{}'), coalesce($7, '{}'),
           coalesce($8, 'cloudevents'), $9, coalesce($10, 'block'), coalesce($11, '{}'), coalesce($12, '{}'), r.rolname
    FROM pg_roles AS r WHERE r.oid = $13
    ON CONFLICT (name) DO UPDATE
    SET url = excluded.url, timeout = excluded.timeout, retries = excluded.retries, backoff = excluded.backoff,
        headers = excluded.headers, secrets = excluded.secrets, format = excluded.format, ordering = excluded.ordering,
        on_failure = excluded.on_failure, retry_on = excluded.retry_on, operations = excluded.operations,
        owner = CASE WHEN EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = s.owner) THEN s.owner ELSE excluded.owner END,
        disabled = NULL, failures = 0, pauses = 0, paused_until = NULL;
    SELECT specql.wake_worker();
$$;
COMMENT ON FUNCTION specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, oid) IS
'What specql.register_service does, for its caller';

CREATE FUNCTION specql.register_service(name text, url text, timeout interval DEFAULT NULL, retries integer DEFAULT NULL,
    backoff interval DEFAULT NULL, headers jsonb DEFAULT NULL, secrets text[] DEFAULT NULL, format text DEFAULT NULL,
    ordering text DEFAULT NULL, on_failure text DEFAULT NULL, retry_on integer[] DEFAULT NULL, operations jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_service';
COMMENT ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb) IS
'Tells the worker of a service; again with other values changes it, which only its owner may, and calls it again if it was paused. Generated code calls this';

CREATE FUNCTION specql.drop_service(name text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, $2) FROM specql.service AS s WHERE s.name = $1;
    DELETE FROM specql.service AS s WHERE s.name = $1;
$$;
COMMENT ON FUNCTION specql.drop_service(text, oid) IS 'What specql.unregister_service does, for its caller';

CREATE FUNCTION specql.unregister_service(name text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_service';
COMMENT ON FUNCTION specql.unregister_service(text) IS 'Forgets a service; its calls wait';

CREATE FUNCTION specql.require_service(name text) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_owner('service ' || s.name, s.owner, specql.viewer()) FROM specql.service AS s WHERE s.name = $1
$$;
COMMENT ON FUNCTION specql.require_service(text) IS 'An error if a service belongs to somebody else';
REVOKE ALL ON FUNCTION specql.require_service(text) FROM PUBLIC;

CREATE FUNCTION specql.pause_service(name text, reason text DEFAULT 'paused by hand') RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_service($1);
    WITH paused AS (UPDATE specql.service AS s SET disabled = $2 WHERE s.name = $1 RETURNING 1)
    SELECT EXISTS (SELECT FROM paused)
$$;
COMMENT ON FUNCTION specql.pause_service(text, text) IS 'Stops calling a service; its calls wait. False if there is none of this name';

CREATE FUNCTION specql.resume_service(name text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_service($1);
    SELECT specql.wake_worker();
    WITH resumed AS (
        UPDATE specql.service AS s SET disabled = NULL, failures = 0, pauses = 0, paused_until = NULL
        WHERE s.name = $1 RETURNING 1)
    SELECT EXISTS (SELECT FROM resumed)
$$;
COMMENT ON FUNCTION specql.resume_service(text) IS 'Calls a paused or disabled service again, at once';

-- ---- the worker ------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.start_workers() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_start_workers';
COMMENT ON FUNCTION specql.start_workers() IS
'Starts those of this database''s specql.workers background workers that do not run, and waits for them. For specql.start_worker()';

-- The locks that workers hold as long as they live; wake.cpp knows the same numbers.
CREATE FUNCTION specql.worker_pids() RETURNS integer[]
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(l.pid ORDER BY l.objid::bigint), '{}') FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.classid = 1936749411 AND l.objsubid = 3 AND l.mode = 'ExclusiveLock' AND l.granted
$$;
COMMENT ON FUNCTION specql.worker_pids() IS 'The process ids of this database''s background workers';

CREATE FUNCTION specql.worker_pid() RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$ SELECT (specql.worker_pids())[1] $$;
COMMENT ON FUNCTION specql.worker_pid() IS 'The process id of this database''s background worker, the first if there are several; NULL if none runs';

CREATE FUNCTION specql.start_worker() RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.start_workers();
    SELECT specql.worker_pid();
$$;
COMMENT ON FUNCTION specql.start_worker() IS
'Starts this database''s background worker, or all specql.workers of them, if they do not run, and waits for it; its process id. Fails if there is no slot for it';

CREATE FUNCTION specql.stop_worker() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pids integer[] := specql.worker_pids();
BEGIN
    IF pids = '{}' THEN
        RETURN false;
    END IF;
    -- Once each: a second signal does not let them put back what they were sending.
    PERFORM pg_terminate_backend(p) FROM unnest(pids) AS p;
    FOR i IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        pids := ARRAY(SELECT p FROM unnest(pids) AS p WHERE EXISTS (SELECT FROM pg_stat_get_activity(p)));
        EXIT WHEN pids = '{}';
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN pids = '{}';
END $$;
COMMENT ON FUNCTION specql.stop_worker() IS
'Ends this database''s background workers after what they are sending; they come back with the next work unless specql.worker is off';

-- ---- what is sent ----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.delivery_body(format text, d specql.outbox, max_retries integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (CASE $1
        WHEN 'cloudevents' THEN jsonb_strip_nulls(jsonb_build_object(
            'specversion', '1.0', 'id', d.id, 'type', d.type,
            'source', '/specql/' || current_database() || '/' || replace(d.aggregatetype, '.', '/'),
            'subject', d.aggregateid, 'time', d.created_at, 'datacontenttype', 'application/json',
            'operation', d.operation, 'eventid', d.event_id)) || jsonb_build_object('data', d.payload)
        WHEN 'hasura' THEN jsonb_build_object(
            'id', d.id, 'created_at', d.created_at, 'trigger', jsonb_build_object('name', d.operation),
            'table', jsonb_build_object('schema', split_part(d.aggregatetype, '.', 1), 'name', split_part(d.aggregatetype, '.', 2)),
            'event', jsonb_build_object('op', o.op, 'session_variables', NULL, 'data', CASE WHEN o.row THEN
                jsonb_build_object('old', d.payload -> 'old', 'new', d.payload -> 'new')
                ELSE jsonb_build_object('old', NULL, 'new', d.payload) END),
            'delivery_info', jsonb_build_object('current_retry', d.attempts - 1, 'max_retries', $3))
        WHEN 'supabase' THEN jsonb_build_object(
            'type', o.op, 'schema', split_part(d.aggregatetype, '.', 1), 'table', split_part(d.aggregatetype, '.', 2),
            'record', CASE WHEN o.row THEN d.payload -> 'new' ELSE d.payload END,
            'old_record', CASE WHEN o.row THEN d.payload -> 'old' END)
        ELSE d.payload END)::text
    FROM (SELECT d.payload ?& '{old,new}' AS row,
                 CASE WHEN NOT d.payload ?& '{old,new}' OR jsonb_typeof(d.payload -> 'old') = 'null' THEN 'INSERT'
                      WHEN jsonb_typeof(d.payload -> 'new') = 'null' THEN 'DELETE' ELSE 'UPDATE' END AS op) AS o
$$;
COMMENT ON FUNCTION specql.delivery_body(text, specql.outbox, integer) IS 'The body of a call in the format of its service';

-- A notification holds less than 8,000 bytes.
CREATE FUNCTION specql.notification(d specql.outbox) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length(n.message) <= 7900 THEN n.message
                ELSE jsonb_build_object('ref', d.id, 'truncated', true)::text END
    FROM (SELECT jsonb_strip_nulls(jsonb_build_object('id', d.id, 'message', d.message, 'type', d.type,
                     'subject', d.aggregateid, 'event_id', d.event_id, 'created_at', d.created_at,
                     'severity', d.severity, 'acknowledge', CASE WHEN d.kind = 'escalation' THEN true END))
                 || jsonb_build_object('data', d.payload) AS body) AS b,
         LATERAL (SELECT b.body::text AS message) AS n
$$;
COMMENT ON FUNCTION specql.notification(specql.outbox) IS
'The payload of a notification; for one that is too long a reference to the row of specql.deliveries';

-- The value that keeps calls in order; calls without one are in nobody's way.
CREATE FUNCTION specql.delivery_key(ordering text, d_id uuid, aggregatetype text, aggregateid text, payload jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce($5 ->> $1, $5 -> 'new' ->> $1, $5 -> 'old' ->> $1,
                    CASE WHEN $1 IN ('subject', split_part($3, '.', 2) || '_id') THEN $4 END, $2::text)
$$;
COMMENT ON FUNCTION specql.delivery_key(text, uuid, text, text, jsonb) IS 'What calls of a service with ordering are kept in order by';

-- ---- claims ----------------------------------------------------------------------------------------------------------

-- The planner's statistics of a queue are always old: the settings keep it on the indexes. What they make it believe of
-- costs would have every statement compiled.
--
-- `after_at`, `after_id`: the last call that was claimed before. Those that have left since, and that an old snapshot keeps,
-- lie before it in the index. Who gives them must begin anew now and then: a transaction may commit late.
CREATE FUNCTION specql.due_calls(service text, max_items integer, after_at timestamptz DEFAULT NULL, after_id uuid DEFAULT NULL)
RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    s record;
    seen integer := 1000;
    found_rows bigint;
BEGIN
    SELECT ordering, on_failure INTO s FROM specql.service AS v WHERE v.name = due_calls.service;
    IF s.ordering IS NULL THEN
        RETURN QUERY SELECT o.id FROM specql.outbox AS o
            WHERE o.service = due_calls.service AND o.available_at <= clock_timestamp()
              AND (o.available_at, o.id) > (coalesce(after_at, '-infinity'), coalesce(after_id, '00000000-0000-0000-0000-000000000000'))
            ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED;
        RETURN;
    END IF;
    -- The first of each key among the oldest; if all of those wait, among twice as many.
    LOOP
        RETURN QUERY
            WITH oldest AS (
                SELECT o.id, o.available_at, o.status, o.attempts,
                       specql.delivery_key(s.ordering, o.id, o.aggregatetype, o.aggregateid, o.payload) AS key
                FROM specql.outbox AS o WHERE o.service = due_calls.service ORDER BY o.id LIMIT seen),
            heads AS (
                SELECT DISTINCT ON (w.key) w.id, w.key FROM oldest AS w
                WHERE s.on_failure = 'block'
                   OR NOT (w.status = 'waiting' AND w.attempts > 0 AND w.available_at > clock_timestamp())
                ORDER BY w.key, w.id)
            SELECT o.id FROM heads AS h JOIN specql.outbox AS o ON o.id = h.id
            WHERE o.available_at <= clock_timestamp()
              AND (s.on_failure = 'skip' OR NOT EXISTS (
                  SELECT FROM specql.dead_letter AS d WHERE d.service = due_calls.service AND d.id < h.id
                    AND specql.delivery_key(s.ordering, d.id, d.aggregatetype, d.aggregateid, d.payload) = h.key))
            ORDER BY o.id LIMIT max_items FOR UPDATE OF o SKIP LOCKED;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        EXIT WHEN found_rows > 0;
        SELECT count(*) INTO found_rows FROM (
            SELECT FROM specql.outbox AS o WHERE o.service = due_calls.service LIMIT seen + 1) AS o;
        EXIT WHEN found_rows <= seen;
        seen := seen * 2;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.due_calls(text, integer, timestamptz, uuid) IS
'Calls of a service that may leave now, locked for this transaction; with ordering, at most the first of each key';

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
    SELECT specql.wake_worker();
    DELETE FROM specql.installation;
    INSERT INTO specql.installation
    SELECT c.system_identifier, d.oid FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database();
$$;
COMMENT ON FUNCTION specql.resume_deliveries() IS 'Makes a restored or cloned database deliver, from now on';

-- `place`: of the worker, by which the next one there knows what it leased. `probe_after`: after so many failures in a row, one call at a time until one succeeds. `busy` and `busy_calls`: how many
-- calls of which service this worker has not reported back yet. `reached`, `reached_at`, `reached_id`: up to where services
-- have been claimed.
CREATE FUNCTION specql.claim_calls(place integer, max_items integer, per_service integer, probe_after integer, busy text[], busy_calls integer[],
    reached text[], reached_at timestamptz[], reached_id uuid[])
RETURNS TABLE (id uuid, service text, url text, method text, headers text[], body text, timeout_ms integer, attempt integer,
    max_attempts integer, backoff_ms bigint, retry_on integer[], secrets text[], failures integer, pauses integer, due_at timestamptz)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    s specql.service;
    room integer;
    due uuid[];
    left_items integer := max_items;
BEGIN
    IF specql.is_copy() THEN
        RETURN;
    END IF;
    FOR s IN SELECT v.* FROM specql.service AS v
             WHERE v.url IS NOT NULL AND v.disabled IS NULL AND (v.paused_until IS NULL OR v.paused_until <= clock_timestamp())
             ORDER BY random() LOOP
        room := least(left_items, CASE WHEN s.failures >= probe_after THEN 1 ELSE per_service END
                                  - coalesce(busy_calls[array_position(busy, s.name)], 0));
        CONTINUE WHEN room <= 0;
        due := ARRAY(SELECT specql.due_calls(s.name, room, reached_at[array_position(reached, s.name)],
                                             reached_id[array_position(reached, s.name)]));
        CONTINUE WHEN cardinality(due) = 0;
        left_items := left_items - cardinality(due);
        RETURN QUERY
            WITH called AS (
                SELECT o.id, o.available_at AS due_at, coalesce(s.operations -> o.operation, '{}') AS operation,
                       1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries) AS attempts,
                       coalesce((s.operations -> o.operation ->> 'timeout')::interval, s.timeout) AS timeout
                FROM specql.outbox AS o WHERE o.id = ANY (due)),
            -- The last attempt did not report back: the worker died of it, or with it.
            spent AS (
                DELETE FROM specql.outbox AS o USING called AS c WHERE o.id = c.id AND o.attempts >= c.attempts RETURNING o.*),
            buried AS (
                INSERT INTO specql.dead_letter
                SELECT p.id, p.aggregatetype, p.aggregateid, p.type, p.payload, p.kind, p.service, p.operation, p.channel, p.message,
                       p.event_id, p.action, 'dead', p.attempts, p.available_at, NULL,
                       concat_ws('; before: ', 'the last attempt never came back', p.last_error),
                       p.created_at, p.acknowledged_at, p.acknowledged_by, p.severity, p.repeat_after, NULL, clock_timestamp(), NULL, NULL
                FROM spent AS p),
            leased AS (
                UPDATE specql.outbox AS o
                SET status = 'leased', attempts = o.attempts + 1, leased_by = 'worker ' || place,
                    leased_until = l.until, available_at = l.until
                FROM called AS c, LATERAL (SELECT clock_timestamp() + greatest(interval '1 min', 2 * c.timeout + '30 s') AS until) AS l
                WHERE o.id = c.id AND o.attempts < c.attempts RETURNING o AS item, c.*)
            SELECT (l.item).id, s.name,
                   CASE WHEN l.operation ->> 'path' IS NULL THEN s.url
                        ELSE rtrim(s.url, '/') || '/' || ltrim(l.operation ->> 'path', '/') END,
                   coalesce(l.operation ->> 'method', 'POST'),
                   -- What is to be filled in follows the mark, a character that no header has.
                   ARRAY(SELECT h.key || ': ' || CASE
                             WHEN h.value ~ '(^| )secret:[^ ]+$' THEN regexp_replace(h.value, '[^ ]+$', E'\x01')
                                 || coalesce('key:' || (SELECT x.value FROM specql.secret AS x
                                                        WHERE x.name = substring(h.value FROM 'secret:([^ ]+)$')
                                                          AND s.name = ANY (x.sent_to)),
                                             'missing:' || substring(h.value FROM 'secret:([^ ]+)$') || ' that may be sent to ' || s.name)
                             ELSE h.value END
                         FROM jsonb_each_text(s.headers) AS h)
                   || CASE s.format WHEN 'cloudevents' THEN 'Content-Type: application/cloudevents+json; charset=utf-8'
                                    ELSE 'Content-Type: application/json; charset=utf-8' END::text,
                   specql.delivery_body(s.format, l.item, l.attempts - 1),
                   (extract(epoch FROM l.timeout) * 1000)::integer, (l.item).attempts, l.attempts,
                   (extract(epoch FROM s.backoff) * 1000)::bigint, s.retry_on,
                   -- A stored key goes along as it is, others by their name.
                   ARRAY(SELECT CASE WHEN k LIKE 'env:%' OR k LIKE 'file:%' THEN k
                                     ELSE coalesce('key:' || (SELECT x.value FROM specql.secret AS x WHERE x.name = k), 'missing:' || k) END
                         FROM unnest(s.secrets) WITH ORDINALITY AS u(k, place) ORDER BY place),
                   s.failures, s.pauses, l.due_at
            FROM leased AS l;
        EXIT WHEN left_items <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[]) IS
'Leases calls that may leave now and counts the attempt; commit before sending. For the worker';

-- ---- results ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.call_processed(function text, event_ids uuid[]) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_call_processed';
COMMENT ON FUNCTION specql.call_processed(text, uuid[]) IS
'Calls a function that an action names as `processed`, with its owner''s rights; its error, or NULL';

-- An event is done when nothing of what its handler queued waits or is dead. Of two sessions that finish its last two
-- deliveries at once, the lock makes the second see what the first did.
CREATE FUNCTION specql.finish_events(event_ids uuid[], actions text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    a record;
    problem text;
BEGIN
    PERFORM FROM specql.event_log AS l WHERE l.id = ANY (event_ids) AND l.deliveries > 1 ORDER BY l.id FOR UPDATE;
    FOR a IN
        SELECT e.action, array_agg(e.id ORDER BY e.id) AS ids, max(c.processed) AS processed
        FROM (SELECT DISTINCT u.id, u.action FROM unnest(event_ids, actions) AS u(id, action)) AS e
        LEFT JOIN specql.action AS c ON c.action = e.action AND c.processed IS NOT NULL
        WHERE NOT EXISTS (SELECT FROM specql.outbox AS o WHERE o.event_id = e.id AND o.action IS NOT DISTINCT FROM e.action)
          AND NOT EXISTS (SELECT FROM specql.dead_letter AS d WHERE d.event_id = e.id AND d.action IS NOT DISTINCT FROM e.action)
        GROUP BY e.action LOOP
        problem := specql.call_processed(a.processed, a.ids);
        UPDATE specql.event_log AS l
        SET processed_at = CASE WHEN problem IS NULL THEN clock_timestamp() END, last_error = coalesce(problem, l.last_error)
        WHERE l.id = ANY (a.ids) AND l.action = a.action AND l.processed_at IS NULL;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.finish_events(uuid[], text[]) IS 'Marks events as processed whose last delivery has succeeded';

-- Verdicts: done, retry (after `delays`, in milliseconds), dead. Items that are not in the outbox any more are passed over.
CREATE FUNCTION specql.record_results(ids uuid[], verdicts text[], delays bigint[], errors text[], http_statuses integer[],
    responses text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    finished_events uuid[];
    finished_actions text[];
BEGIN
    WITH result AS (
        SELECT * FROM unnest(ids, verdicts, errors, http_statuses, responses) AS r(id, verdict, error, http_status, response)
        WHERE r.verdict <> 'retry'),
    gone AS (
        DELETE FROM specql.outbox AS o USING result AS r WHERE o.id = r.id
        RETURNING o.*, r.verdict, r.error, r.http_status, r.response),
    kept AS (
        INSERT INTO specql.delivery_history
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'done', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
        FROM gone AS g WHERE g.verdict = 'done'),
    buried AS (
        INSERT INTO specql.dead_letter
        SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
               g.event_id, g.action, 'dead', g.attempts, g.available_at, NULL, coalesce(g.error, g.last_error), g.created_at,
               g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
        FROM gone AS g WHERE g.verdict = 'dead')
    SELECT array_agg(g.event_id), array_agg(g.action) INTO finished_events, finished_actions
    FROM gone AS g WHERE g.verdict = 'done' AND g.event_id IS NOT NULL;
    UPDATE specql.outbox AS o
    SET status = 'waiting', available_at = clock_timestamp() + r.delay * interval '1 ms', leased_until = NULL, leased_by = NULL,
        last_error = r.error
    FROM unnest(ids, verdicts, delays, errors) AS r(id, verdict, delay, error)
    WHERE r.verdict = 'retry' AND o.id = r.id;
    IF finished_events IS NOT NULL THEN
        PERFORM specql.finish_events(finished_events, finished_actions);
    END IF;
END $$;
COMMENT ON FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]) IS
'What became of leased calls. For the worker';

CREATE FUNCTION specql.record_services(names text[], failures integer[], pauses integer[], pause_ms bigint[], errors text[],
    disabled text[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.service AS s
    SET failures = r.failures, pauses = r.pauses, last_error = coalesce(r.error, s.last_error),
        paused_until = CASE WHEN r.pause_ms > 0 THEN clock_timestamp() + r.pause_ms * interval '1 ms'
                            WHEN r.failures > 0 THEN s.paused_until END,
        disabled = coalesce(s.disabled, r.disabled)
    FROM unnest($1, $2, $3, $4, $5, $6) AS r(name, failures, pauses, pause_ms, error, disabled)
    WHERE s.name = r.name
$$;
COMMENT ON FUNCTION specql.record_services(text[], integer[], integer[], bigint[], text[], text[]) IS
'What the worker learned about services: the state of their circuit breakers, and who does not want calls any more';

-- Notifications leave with the transaction that records them: there is nothing to lease.
CREATE FUNCTION specql.send_notifications(max_items integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    d specql.outbox;
    ids uuid[] := '{}';
    verdicts text[] := '{}';
    errors text[] := '{}';
    pauses bigint[] := '{}';
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    FOR d IN SELECT o.* FROM specql.outbox AS o
             WHERE o.service IS NULL AND o.available_at <= clock_timestamp()
             ORDER BY o.available_at, o.id LIMIT max_items FOR UPDATE SKIP LOCKED LOOP
        ids := ids || d.id;
        pauses := pauses || (extract(epoch FROM d.repeat_after) * 1000)::bigint;
        IF octet_length(d.channel) BETWEEN 1 AND 63 THEN
            PERFORM pg_notify(d.channel, specql.notification(d));
            -- An escalation that is to be repeated waits for its next time, or for specql.acknowledge.
            verdicts := verdicts || CASE WHEN d.repeat_after IS NULL OR d.acknowledged_at IS NOT NULL THEN 'done' ELSE 'retry' END;
            errors := errors || NULL::text;
        ELSE
            verdicts := verdicts || 'dead'::text;
            errors := errors || 'a channel''s name has 1 to 63 bytes'::text;
        END IF;
    END LOOP;
    IF cardinality(ids) > 0 THEN
        UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = ANY (ids);
        PERFORM specql.record_results(ids, verdicts, pauses, errors, NULL, NULL);
    END IF;
    RETURN cardinality(ids);
END $$;
COMMENT ON FUNCTION specql.send_notifications(integer) IS 'Sends notifications that are due, by NOTIFY; how many. For the worker';

-- At the start of a worker: its predecessor is dead, and so is whatever it was sending.
CREATE FUNCTION specql.release_leases(place integer) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH released AS (
        UPDATE specql.outbox SET status = 'waiting', available_at = clock_timestamp(), leased_until = NULL, leased_by = NULL
        WHERE status = 'leased' AND leased_by = 'worker ' || $1 RETURNING 1)
    SELECT count(*)::integer FROM released
$$;
COMMENT ON FUNCTION specql.release_leases(integer) IS 'Puts back what the worker before this one was sending, at the same place; how many';

-- What the worker waits for: milliseconds until something is due, at most `limit_ms`; NULL if nothing ever will be.
CREATE FUNCTION specql.next_work(limit_ms bigint) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    WITH moved AS (SELECT coalesce(nullif(specql.setting('clock_offset'), ''), '0')::interval AS moved),
    heard AS (SELECT a.action FROM specql.action AS a WHERE a.part = 'match' AND a.enabled)
    SELECT least($1, greatest(0, ceil(extract(epoch FROM min(w.due) - clock_timestamp()) * 1000))::bigint)
    FROM (
        SELECT min(f.next_attempt_at) - m.moved AS due FROM specql.failure AS f, moved AS m WHERE f.status = 'failed'
        GROUP BY m.moved
        UNION ALL
        -- What has not been counted although its time has come waits for a transaction, whose end wakes nobody.
        SELECT greatest(e.at - m.moved, clock_timestamp() + interval '200 ms')
        FROM moved AS m, heard AS r,
             LATERAL (SELECT v.at FROM specql.window_event AS v WHERE v.action = r.action ORDER BY v.at, v.id LIMIT 1) AS e
        UNION ALL
        SELECT greatest(k.deadline - m.moved, clock_timestamp() + CASE WHEN k.deadline_xid IS NULL THEN '0' ELSE '200 ms' END::interval)
        FROM moved AS m, heard AS r,
             LATERAL (SELECT v.deadline, v.deadline_xid FROM specql.window_key AS v
                      WHERE v.action = r.action AND v.deadline IS NOT NULL ORDER BY v.deadline LIMIT 1) AS k
        UNION ALL
        SELECT clock_timestamp() FROM specql.released_actions
        UNION ALL
        (SELECT o.available_at FROM specql.outbox AS o WHERE o.service IS NULL AND NOT specql.is_copy()
         ORDER BY o.available_at LIMIT 1)
        UNION ALL
        SELECT greatest(q.available_at, s.paused_until)
        FROM specql.service AS s,
             LATERAL (SELECT o.available_at FROM specql.outbox AS o WHERE o.service = s.name
                      ORDER BY o.available_at LIMIT 1) AS q
        WHERE s.url IS NOT NULL AND s.disabled IS NULL AND NOT specql.is_copy()) AS w
    HAVING min(w.due) IS NOT NULL
$$;
COMMENT ON FUNCTION specql.next_work(bigint) IS 'Milliseconds until something is due for the worker; NULL if nothing waits. For the worker';

CREATE FUNCTION specql.first_uuid(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM $1) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;
COMMENT ON FUNCTION specql.first_uuid(timestamptz) IS 'The least version 7 identifier of a millisecond';

CREATE FUNCTION specql.expire_deliveries() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT h.ctid FROM specql.delivery_history AS h
        WHERE h.id < specql.first_uuid(now() - specql.setting('delivery_retention')::interval)
          AND (h.kind <> 'escalation' OR h.acknowledged_at IS NOT NULL)
        ORDER BY h.id LIMIT 10000),
    gone AS (DELETE FROM specql.delivery_history AS h USING old WHERE h.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_deliveries() IS
'Removes up to 10,000 deliveries from the history that are older than specql.delivery_retention; how many. The worker does it';

-- ---- take, ack, nack -------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.take(service text, n integer DEFAULT 1, lease interval DEFAULT '30 s') RETURNS SETOF specql.deliveries
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10 AS $$
    SELECT specql.require_service($1);
    WITH taken AS (
        UPDATE specql.outbox AS o
        SET status = 'leased', attempts = o.attempts + 1, leased_by = session_user,
            leased_until = clock_timestamp() + $3, available_at = clock_timestamp() + $3
        WHERE o.id = ANY (ARRAY(SELECT specql.due_calls($1, greatest($2, 0))))
        RETURNING o.*)
    SELECT o.id, o.kind, o.service, o.operation, o.channel, o.message, o.payload, o.event_id, o.type, o.action,
           o.aggregatetype, o.aggregateid, o.status, o.attempts, o.available_at, o.leased_until, o.last_error, o.created_at,
           NULL::timestamptz, NULL::integer, NULL::text
    FROM taken AS o ORDER BY o.id
$$;
COMMENT ON FUNCTION specql.take(text, integer, interval) IS
'Leases up to n waiting calls of a service to the caller, who says specql.ack(id) or specql.nack(id) before the lease ends, else others get them';

-- Variadic: ack(id) for one, ack(VARIADIC ids) for many at the price of a few.
CREATE FUNCTION specql.ack(VARIADIC ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off AS $$
DECLARE
    found_ids uuid[] := ARRAY(SELECT o.id FROM specql.outbox AS o WHERE o.id = ANY (ack.ids) ORDER BY o.id FOR UPDATE);
BEGIN
    IF cardinality(found_ids) > 0 THEN
        PERFORM specql.record_results(found_ids, array_fill('done'::text, ARRAY[cardinality(found_ids)]), NULL, NULL, NULL, NULL);
    END IF;
    RETURN cardinality(found_ids);
END $$;
COMMENT ON FUNCTION specql.ack(uuid[]) IS
'Taken calls are done: specql.ack(id), or specql.ack(VARIADIC ids); how many of them were still in the outbox';

CREATE FUNCTION specql.nack(id uuid, error text DEFAULT NULL, retry_in interval DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    d record;
    pause interval;
BEGIN
    SELECT o.attempts, 1 + coalesce((s.operations -> o.operation ->> 'retries')::integer, s.retries, 8) AS max_attempts,
           coalesce(s.backoff, '1 s') AS backoff
    INTO d FROM specql.outbox AS o LEFT JOIN specql.service AS s ON s.name = o.service WHERE o.id = nack.id FOR UPDATE OF o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    pause := coalesce(retry_in, random() * least(d.backoff * 2 ^ least(d.attempts - 1, 20), interval '1 hour'));
    PERFORM specql.record_results(ARRAY[nack.id], ARRAY[CASE WHEN d.attempts < d.max_attempts THEN 'retry' ELSE 'dead' END],
        ARRAY[(extract(epoch FROM pause) * 1000)::bigint], ARRAY[nack.error], NULL, NULL);
    RETURN true;
END $$;
COMMENT ON FUNCTION specql.nack(uuid, text, interval) IS
'A taken call failed: it is due again after retry_in (default: the backoff of its service), or a dead letter when its attempts are used up';

-- ---- dead letters ----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.redrive(id uuid) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.wake_worker();
    WITH raised AS (DELETE FROM specql.dead_letter AS d WHERE d.id = $1 AND specql.sees(d.action) RETURNING d.*),
    queued AS (
        INSERT INTO specql.outbox
        SELECT r.id, r.aggregatetype, r.aggregateid, r.type, r.payload, r.kind, r.service, r.operation, r.channel, r.message,
               r.event_id, r.action, 'waiting', 0, clock_timestamp(), NULL, r.last_error, r.created_at,
               r.acknowledged_at, r.acknowledged_by, r.severity, r.repeat_after, NULL
        FROM raised AS r RETURNING 1)
    SELECT count(*)::integer FROM queued
$$;
COMMENT ON FUNCTION specql.redrive(uuid) IS 'Queues a dead letter again, with all its attempts; 0 if there is none with this id';

-- A literal of unknown type means this one, so that it must also understand an id.
CREATE FUNCTION specql.redrive(service text, since timestamptz DEFAULT NULL) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(specql.redrive(d.id)), 0)::integer
    FROM (SELECT l.id FROM specql.dead_letter AS l
          WHERE (l.service = $1 OR l.id::text = $1) AND ($2 IS NULL OR l.finished_at >= $2) ORDER BY l.id) AS d
$$;
COMMENT ON FUNCTION specql.redrive(text, timestamptz) IS 'Queues all dead letters of a service again, or those that died since; how many';

CREATE FUNCTION specql.discard(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.wake_worker();
    WITH gone AS (DELETE FROM specql.dead_letter AS d WHERE d.id = discard.id AND specql.sees(d.action) RETURNING d.*)
    INSERT INTO specql.delivery_history
    SELECT g.id, g.aggregatetype, g.aggregateid, g.type, g.payload, g.kind, g.service, g.operation, g.channel, g.message,
           g.event_id, g.action, 'discarded', g.attempts, g.available_at, NULL, g.last_error, g.created_at,
           g.acknowledged_at, g.acknowledged_by, g.severity, g.repeat_after, NULL, clock_timestamp(), g.http_status, g.response
    FROM gone AS g;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.discard(uuid) IS
'Gives a dead letter up for good: later calls of its key are not blocked by it any more. Its event stays unprocessed';

-- ---- escalations -----------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.acknowledge(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sent integer;
BEGIN
    UPDATE specql.outbox AS o SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE o.id = acknowledge.id AND specql.sees(o.action) AND o.kind = 'escalation' AND o.acknowledged_at IS NULL RETURNING o.attempts INTO sent;
    IF FOUND THEN
        -- One that was never sent still is, once; one that would be repeated is done.
        IF sent > 0 THEN
            PERFORM specql.record_results(ARRAY[acknowledge.id], '{done}', NULL, NULL, NULL, NULL);
        END IF;
        RETURN true;
    END IF;
    UPDATE specql.delivery_history AS h SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE h.id = acknowledge.id AND specql.sees(h.action) AND h.kind = 'escalation' AND h.acknowledged_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE specql.dead_letter AS d SET acknowledged_at = clock_timestamp(), acknowledged_by = session_user
    WHERE d.id = acknowledge.id AND specql.sees(d.action) AND d.kind = 'escalation' AND d.acknowledged_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.acknowledge(uuid) IS
'Takes an open escalation in hand, so that it is not sent again; false if there is none with this id';

-- ---- draining in a session ---------------------------------------------------------------------------------------------

CREATE FUNCTION specql.deliver(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_deliver';
COMMENT ON FUNCTION specql.deliver(integer) IS 'Sends deliveries that are due, in this transaction; how many. For specql.drain';

CREATE FUNCTION specql.drain(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    handled integer;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'The primary does this work; this server will after a promotion.';
    END IF;
    handled := specql.evaluate_windows(max_items);
    handled := handled + specql.retry_due(max_items - handled);
    handled := handled + specql.call_functions(max_items - handled);
    RETURN handled + specql.deliver(max_items - handled);
END $$;
COMMENT ON FUNCTION specql.drain(integer) IS
'Does the worker''s due work in this session: windows, retries of failed events, calls of functions, deliveries; how many items. Its transaction stays open while it sends';

-- ---- looking ---------------------------------------------------------------------------------------------------------

CREATE VIEW specql.services AS
    SELECT s.name, s.url, CASE WHEN s.disabled IS NOT NULL THEN 'disabled'
                               WHEN s.paused_until > clock_timestamp() THEN 'paused'
                               WHEN s.url IS NULL THEN 'taken by consumers' ELSE 'active' END AS status,
           coalesce(s.disabled, CASE WHEN s.failures > 0 THEN s.last_error END) AS reason, s.paused_until,
           (SELECT count(*) FROM specql.outbox AS o WHERE o.service = s.name) AS waiting,
           (SELECT count(*) FROM specql.dead_letter AS d WHERE d.service = s.name) AS dead,
           s.timeout, s.retries, s.backoff, s.format, s.ordering, s.on_failure, s.operations, s.owner
    FROM specql.service AS s
    UNION ALL
    SELECT o.service, NULL, 'undeclared', 'no spec declares it; its calls wait', NULL, count(*), 0,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM specql.outbox AS o
    WHERE o.service IS NOT NULL AND NOT EXISTS (SELECT FROM specql.service AS s WHERE s.name = o.service)
    GROUP BY o.service;
COMMENT ON VIEW specql.services IS 'Services that specs declare, and those that are called without';
COMMENT ON COLUMN specql.services.name IS 'As steps call it';
COMMENT ON COLUMN specql.services.url IS 'Where calls go';
COMMENT ON COLUMN specql.services.status IS
'active; paused by the circuit breaker; disabled (410, or specql.pause_service); taken by consumers (no url); undeclared';
COMMENT ON COLUMN specql.services.reason IS 'Why it is not active, or the last error';
COMMENT ON COLUMN specql.services.paused_until IS 'When the circuit breaker lets one call through';
COMMENT ON COLUMN specql.services.waiting IS 'Calls in the outbox';
COMMENT ON COLUMN specql.services.dead IS 'Dead letters';
COMMENT ON COLUMN specql.services.timeout IS 'From the send to the end of the answer';
COMMENT ON COLUMN specql.services.retries IS 'Attempts after the first';
COMMENT ON COLUMN specql.services.backoff IS 'The longest pause before the first retry; it doubles with each';
COMMENT ON COLUMN specql.services.format IS 'Of the body';
COMMENT ON COLUMN specql.services.ordering IS 'The key whose calls leave one after the other';
COMMENT ON COLUMN specql.services.on_failure IS 'What a failing call does to the later ones of its key: block or skip';
COMMENT ON COLUMN specql.services.owner IS 'Who declared it, and alone may change, pause and take from it';
COMMENT ON COLUMN specql.services.operations IS 'Path, method, timeout and retries by operation';

CREATE FUNCTION specql.health() RETURNS TABLE ("check" text, status text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pids integer[] := specql.worker_pids();
    due bigint := specql.next_work(86400000);
    slots integer := current_setting('max_worker_processes')::integer;
    used bigint;
    r record;
BEGIN
    SELECT count(*) INTO used FROM pg_stat_get_activity(NULL) AS a
    WHERE a.backend_type NOT IN ('client backend', 'autovacuum launcher', 'autovacuum worker', 'walsender', 'checkpointer',
        'background writer', 'walwriter', 'archiver', 'startup', 'logger', 'walreceiver', 'standalone backend', 'walsummarizer',
        'slotsync worker', 'io worker');
    "check" := 'worker';
    status := CASE WHEN pg_is_in_recovery() THEN 'standby'
                   WHEN pids <> '{}' OR due IS NULL AND specql.setting('worker') <> 'on' THEN 'ok'
                   WHEN specql.setting('worker') = 'off' THEN 'off' ELSE 'missing' END;
    detail := CASE WHEN pg_is_in_recovery() THEN 'the primary delivers; this server will after a promotion'
                   WHEN pids <> '{}' THEN format('process %s', array_to_string(pids, ', '))
                   WHEN specql.setting('worker') = 'off' THEN 'specql.worker is off; specql.drain() does its work'
                   WHEN due IS NULL THEN 'none, and nothing to do; it starts by itself'
                   ELSE 'there is work but no worker: SELECT specql.start_worker()' END;
    RETURN NEXT;
    "check" := 'worker slots';
    status := CASE WHEN pids <> '{}' OR used < slots THEN 'ok' ELSE 'full' END;
    detail := format('%s of %s of max_worker_processes in use', used, slots);
    RETURN NEXT;
    "check" := 'copy';
    status := CASE WHEN specql.is_copy() THEN 'paused' ELSE 'ok' END;
    detail := CASE status WHEN 'ok' THEN 'deliveries leave from here'
              ELSE 'a restored or cloned database delivers nothing; SELECT specql.resume_deliveries() if it shall' END;
    RETURN NEXT;
    SELECT count(*) AS n, min(o.created_at) AS oldest INTO r FROM specql.outbox AS o;
    "check" := 'waiting deliveries';
    status := CASE WHEN r.oldest < clock_timestamp() - interval '5 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, the oldest since %s', r.n, r.oldest) END;
    RETURN NEXT;
    "check" := 'dead letters';
    SELECT count(*) AS n INTO r FROM specql.dead_letter;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s; see specql.dead_letters', r.n) END;
    RETURN NEXT;
    "check" := 'failures';
    SELECT count(*) AS n, count(*) FILTER (WHERE f.status = 'parked') AS parked INTO r FROM specql.failure AS f;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'none' ELSE format('%s, of which %s parked; see specql.failures', r.n, r.parked) END;
    RETURN NEXT;
    -- Events of windows wait for older transactions no longer than this setting says.
    SELECT count(*) AS n, (array_agg(e.id ORDER BY e.id))[1] AS oldest INTO r FROM specql.window_event AS e
    WHERE e.at <= specql.clock();
    "check" := 'windows';
    status := CASE WHEN specql.uuid_time(r.oldest) < clock_timestamp() - specql.setting('window_patience')::interval
                        - interval '1 min' THEN 'late' ELSE 'ok' END;
    detail := CASE WHEN r.n = 0 THEN 'nothing waits to be counted' ELSE format('%s events wait to be counted', r.n) END;
    RETURN NEXT;
    "check" := 'drift';
    SELECT count(*) AS n INTO r FROM specql.drift();
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'look' END;
    detail := CASE WHEN r.n = 0 THEN 'all objects are as they were applied' ELSE format('%s; see specql.drift()', r.n) END;
    RETURN NEXT;
    "check" := 'escalations';
    SELECT count(*) AS n INTO r FROM specql.escalations;
    status := CASE WHEN r.n = 0 THEN 'ok' ELSE 'open' END;
    detail := CASE WHEN r.n = 0 THEN 'none open' ELSE format('%s open; see specql.escalations', r.n) END;
    RETURN NEXT;
    FOR r IN SELECT a.action, a.paused_at, (SELECT count(*) FROM specql.waiting_event AS w WHERE w.action = a.action) AS n
             FROM (SELECT s.action, min(s.paused_at) AS paused_at FROM specql.action AS s
                   WHERE s.paused_at IS NOT NULL GROUP BY s.action) AS a ORDER BY a.action LOOP
        "check" := 'action ' || r.action;
        status := 'paused';
        detail := format('since %s, %s events wait; SELECT specql.resume(%L)', r.paused_at, r.n, r.action);
        RETURN NEXT;
    END LOOP;
    FOR r IN SELECT v.* FROM specql.services AS v WHERE v.status IN ('paused', 'disabled', 'undeclared') ORDER BY v.name LOOP
        "check" := 'service ' || r.name;
        status := r.status;
        detail := concat_ws(', ', r.reason, format('%s calls wait', r.waiting));
        RETURN NEXT;
    END LOOP;
    -- A snapshot that is held for long keeps rows that have left the queue in its way.
    SELECT a.pid, a.xact_start INTO r FROM pg_stat_get_activity(NULL) AS a
    WHERE a.backend_xmin IS NOT NULL AND a.xact_start < clock_timestamp() - interval '5 min' ORDER BY a.xact_start LIMIT 1;
    IF FOUND THEN
        "check" := 'old snapshot';
        status := 'look';
        detail := format('process %s holds one since %s: vacuum cannot clean the queue', r.pid, r.xact_start);
        RETURN NEXT;
    END IF;
END $$;
COMMENT ON FUNCTION specql.health() IS 'Is everything moving? A row per check; status ok where nothing is to do';

REVOKE ALL ON FUNCTION
    specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, oid),
    specql.drop_service(text, oid), specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text),
    specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(), specql.worker_pid(),
    specql.stop_worker(),
    specql.delivery_body(text, specql.outbox, integer), specql.notification(specql.outbox),
    specql.delivery_key(text, uuid, text, text, jsonb), specql.due_calls(text, integer, timestamptz, uuid), specql.is_copy(),
    specql.resume_deliveries(), specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[]),
    specql.call_processed(text, uuid[]), specql.finish_events(uuid[], text[]),
    specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]),
    specql.record_services(text[], integer[], integer[], bigint[], text[], text[]), specql.send_notifications(integer),
    specql.release_leases(integer), specql.next_work(bigint), specql.first_uuid(timestamptz),
    specql.expire_deliveries(), specql.take(text, integer, interval),
    specql.ack(uuid[]), specql.nack(uuid, text, interval), specql.redrive(uuid), specql.redrive(text, timestamptz),
    specql.discard(uuid), specql.acknowledge(uuid), specql.deliver(integer), specql.drain(integer), specql.health()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb),
    specql.unregister_service(text), specql.pause_service(text, text), specql.resume_service(text),
    specql.wake_worker(), specql.start_workers(), specql.start_worker(), specql.worker_pids(), specql.worker_pid(),
    specql.stop_worker(), specql.resume_deliveries(),
    specql.expire_deliveries(), specql.take(text, integer, interval), specql.ack(uuid[]), specql.nack(uuid, text, interval),
    specql.redrive(uuid), specql.redrive(text, timestamptz), specql.discard(uuid), specql.acknowledge(uuid), specql.drain(integer), specql.health()
TO specql_admin;
GRANT SELECT ON specql.services TO specql_admin;
-- Calls of functions that did not exist when their spec was applied. They wait in the outbox as calls of an undeclared
-- service; once the function is there they are made, as the handler would have made them.

-- Only a function of whoever owns the action's handler: it runs with that role's rights, and others may be allowed to create
-- functions in the schema.
CREATE FUNCTION specql.find_function(d specql.outbox, OUT owner oid, OUT command text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.proowner,
           format('SELECT %I.%I(%s)', n.nspname, p.proname, (
               SELECT string_agg(format(CASE WHEN t.typname IN ('json', 'jsonb') THEN '%I => ($1 -> %L)::%s'
                                             WHEN t.typcategory = 'A' THEN '%I => ARRAY(SELECT jsonb_array_elements_text($1 -> %L))::%s'
                                             ELSE '%I => ($1 ->> %L)::%s' END,
                                        a.name, k.key, format_type(a.type, NULL)), ', ' ORDER BY a.place)
               FROM unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a(name, type, place)
               JOIN jsonb_object_keys($1.payload) AS k(key) ON a.name IN (k.key, 'p_' || k.key)
               JOIN pg_type AS t ON t.oid = a.type))
    FROM specql.action AS c
    JOIN pg_proc AS h ON h.oid = to_regproc(c.handler)
    JOIN pg_proc AS p ON p.pronamespace = h.pronamespace AND p.proname = $1.operation AND p.proowner = h.proowner
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE c.action = $1.action AND p.prokind = 'f' AND p.proargmodes IS NULL
      -- Each key is an argument, and each argument that has no default is a key.
      AND NOT EXISTS (SELECT FROM jsonb_object_keys($1.payload) AS k(key)
                      WHERE NOT (k.key = ANY (coalesce(p.proargnames, '{}')) OR 'p_' || k.key = ANY (coalesce(p.proargnames, '{}'))))
      AND NOT EXISTS (SELECT FROM unnest(p.proargnames[:p.pronargs - p.pronargdefaults]) AS a(name)
                      WHERE NOT ($1.payload ? a.name OR a.name LIKE 'p\_%' AND $1.payload ? substr(a.name, 3)))
    ORDER BY p.oid LIMIT 1
$$;
COMMENT ON FUNCTION specql.find_function(specql.outbox) IS
'The function that a waiting call means, by its name and those of its arguments, and the role to call it as; NULLs if there is none yet';

CREATE FUNCTION specql.run_as(owner oid, command text, argument jsonb) RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_run_as';
COMMENT ON FUNCTION specql.run_as(oid, text, jsonb) IS
'Runs a command with one argument, $1, as a role, in a subtransaction; its error, or NULL. For the worker';

CREATE FUNCTION specql.call_functions(max_items integer DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    place text := '';
    one specql.outbox;
    d specql.outbox;
    found_function record;
    problem text;
    handled integer := 0;
BEGIN
    IF specql.is_copy() THEN
        RETURN 0;
    END IF;
    LOOP
        -- From service to service along the index, however many calls wait for each.
        SELECT o.service INTO place FROM specql.outbox AS o WHERE o.service > place ORDER BY o.service LIMIT 1;
        EXIT WHEN place IS NULL OR handled >= max_items;
        CONTINUE WHEN EXISTS (SELECT FROM specql.service AS s WHERE s.name = place);
        -- What waits for nobody's function is not touched: only looked at, a hundred at most.
        FOR one IN SELECT DISTINCT ON (w.action, w.operation) w.*
                 FROM (SELECT o.* FROM specql.outbox AS o
                       WHERE o.service = place AND o.available_at <= clock_timestamp()
                       ORDER BY o.available_at, o.id LIMIT 100) AS w
                 WHERE w.action IS NOT NULL LOOP
            SELECT * INTO found_function FROM specql.find_function(one);
            CONTINUE WHEN found_function.command IS NULL;
            FOR d IN SELECT o.* FROM specql.outbox AS o
                     WHERE o.service = place AND o.available_at <= clock_timestamp()
                       AND o.action = one.action AND o.operation = one.operation
                     ORDER BY o.available_at, o.id LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
                SELECT * INTO found_function FROM specql.find_function(d);
                CONTINUE WHEN found_function.command IS NULL;
                UPDATE specql.outbox AS o SET attempts = o.attempts + 1 WHERE o.id = d.id;
                problem := specql.run_as(found_function.owner, found_function.command, d.payload);
                IF problem IS NULL THEN
                    PERFORM specql.ack(d.id);
                ELSE
                    PERFORM specql.nack(d.id, problem);
                END IF;
                handled := handled + 1;
                EXIT WHEN handled >= max_items;
            END LOOP;
            EXIT WHEN handled >= max_items;
        END LOOP;
    END LOOP;
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.call_functions(integer) IS
'Makes waiting calls of functions that exist now; how many. The worker and specql.drain() do it';

REVOKE ALL ON FUNCTION specql.find_function(specql.outbox), specql.run_as(oid, text, jsonb), specql.call_functions(integer)
FROM PUBLIC;
-- History: pausing actions, replaying logged events, reading events in the order of commits, state of the past.

-- ---- which action, which table ---------------------------------------------------------------------------------------

CREATE FUNCTION specql.known_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_names text[] := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a WHERE a.action = $1);
BEGIN
    IF found_names = '{}' THEN
        found_names := ARRAY(SELECT DISTINCT a.action FROM specql.action AS a
                             WHERE right(a.action, length($1) + 1) = '.' || $1 ORDER BY 1);
    END IF;
    IF cardinality(found_names) = 1 THEN
        RETURN found_names[1];
    ELSIF cardinality(found_names) > 1 THEN
        RAISE EXCEPTION 'several actions are named %: %', $1, array_to_string(found_names, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    RAISE EXCEPTION 'there is no action %', coalesce($1, 'NULL')
        USING ERRCODE = 'undefined_object',
              HINT = coalesce('Installed are ' || (SELECT string_agg(n.action, ', ') FROM (
                         SELECT DISTINCT a.action FROM specql.action AS a ORDER BY 1 LIMIT 10) AS n)
                         || '; see specql.actions.', 'No action is installed; see specql.apply.');
END $$;
COMMENT ON FUNCTION specql.known_action(text) IS 'The full name of an action, given with or without its schema; an error if there is none';

CREATE FUNCTION specql.entity_table(entity text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_tables text[] := ARRAY(SELECT e."table" FROM specql.entities AS e
                                 WHERE $1 IN (e.schema || '.' || e.entity, e.entity) AND e."table" IS NOT NULL ORDER BY 1);
    found_table regclass;
BEGIN
    IF cardinality(found_tables) > 1 THEN
        RAISE EXCEPTION 'several entities are named %: %', $1, array_to_string(found_tables, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    BEGIN
        found_table := to_regclass(coalesce(found_tables[1], $1));
    EXCEPTION WHEN invalid_name THEN
        NULL;
    END;
    IF found_table IS NULL THEN
        RAISE EXCEPTION 'there is no entity %', coalesce($1, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = coalesce('Installed are ' || (SELECT string_agg(n.name, ', ') FROM (
                             SELECT e.schema || '.' || e.entity AS name FROM specql.entities AS e ORDER BY 1 LIMIT 10) AS n)
                             || '; a table''s name is understood too.', 'No entity is installed; a table''s name is understood too.');
    END IF;
    RETURN found_table;
END $$;
COMMENT ON FUNCTION specql.entity_table(text) IS
'The table of an entity, given as schema.Entity, as Entity, or as the table''s own name; an error if there is none';

CREATE FUNCTION specql.own_action(name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    full_name constant text := specql.known_action($1);
BEGIN
    PERFORM specql.require_action(full_name, specql.viewer());
    RETURN full_name;
END $$;
COMMENT ON FUNCTION specql.own_action(text) IS 'As specql.known_action; an error too if the action belongs to somebody else';

-- ---- pause and resume ------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.pause(action text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(pause.action);
BEGIN
    IF EXISTS (SELECT FROM specql.action AS a WHERE a.action = name AND a.on_error = 'abort') THEN
        RAISE EXCEPTION 'action % has on_error: abort: a statement that needs it cannot leave it for later', name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'To do without it for a while, disable its trigger: ALTER TABLE ... DISABLE TRIGGER.';
    END IF;
    UPDATE specql.action AS a SET paused_at = clock_timestamp() WHERE a.action = name AND a.paused_at IS NULL;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.pause(text) IS
'From the commit on, an action''s events wait until specql.resume(action); false if it was paused already';

CREATE FUNCTION specql.resume(action text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(resume.action);
BEGIN
    UPDATE specql.action AS a SET paused_at = NULL WHERE a.action = name AND a.paused_at IS NOT NULL;
    RETURN specql.handle_released(name);
END $$;
COMMENT ON FUNCTION specql.resume(text) IS 'Handles, in their order, the events that waited for a paused action, and ends the pause; how many there were';

-- ---- replay ----------------------------------------------------------------------------------------------------------

CREATE TABLE specql.replay_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action text NOT NULL,
    event text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    deliver boolean NOT NULL,
    snapshot pg_snapshot NOT NULL,
    xid xid8 NOT NULL,
    last_id uuid NOT NULL,
    at_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    total bigint NOT NULL,
    handled bigint NOT NULL DEFAULT 0,
    present bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    moved_at timestamptz NOT NULL,
    finished_at timestamptz
);
COMMENT ON TABLE specql.replay_run IS 'Replays and how far each has come; shown by specql.replays. Snapshots belong to one server: dumps leave it out';
COMMENT ON SEQUENCE specql.replay_run_id_seq IS 'Numbers of replays';
COMMENT ON COLUMN specql.replay_run.id IS 'The replay, for specql.run_replay';
COMMENT ON COLUMN specql.replay_run.action IS 'Whose handler runs';
COMMENT ON COLUMN specql.replay_run.since IS 'Events from then on';
COMMENT ON COLUMN specql.replay_run.until IS 'And before then';
COMMENT ON COLUMN specql.replay_run.deliver IS 'Whether deliveries that handlers queue leave';
COMMENT ON COLUMN specql.replay_run.total IS 'How many events there are to handle';
COMMENT ON COLUMN specql.replay_run.handled IS 'How many were handled';
COMMENT ON COLUMN specql.replay_run.present IS 'How many of them changed nothing, because their effects were there';
COMMENT ON COLUMN specql.replay_run.failed IS 'How many failed';
COMMENT ON COLUMN specql.replay_run.started_by IS 'Who began it';
COMMENT ON COLUMN specql.replay_run.started_at IS 'When';
COMMENT ON COLUMN specql.replay_run.moved_at IS 'When it last came further';
COMMENT ON COLUMN specql.replay_run.finished_at IS 'When it was done; NULL until then';
COMMENT ON COLUMN specql.replay_run.event IS 'The custom event it listens to, or the name of the row event';
COMMENT ON COLUMN specql.replay_run.snapshot IS 'Only events that were committed then are replayed';
COMMENT ON COLUMN specql.replay_run.xid IS 'And those that the transaction which began the replay had raised before';
COMMENT ON COLUMN specql.replay_run.last_id IS 'Later events, such as those that the replay causes, are not replayed';
COMMENT ON COLUMN specql.replay_run.at_id IS 'All events up to this one are done';

CREATE TABLE specql.replay_failure (
    replay bigint NOT NULL REFERENCES specql.replay_run ON DELETE CASCADE,
    event_id uuid NOT NULL,
    sqlstate text NOT NULL,
    message text,
    detail text,
    hint text,
    context text,
    PRIMARY KEY (replay, event_id)
);
COMMENT ON TABLE specql.replay_failure IS 'Events that their action failed for in a replay; they are not tried again by themselves';
COMMENT ON COLUMN specql.replay_failure.replay IS 'The replay; see specql.replays';
COMMENT ON COLUMN specql.replay_failure.event_id IS 'The event; see specql.events';
COMMENT ON COLUMN specql.replay_failure.sqlstate IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.message IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.detail IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.hint IS 'Of the error';
COMMENT ON COLUMN specql.replay_failure.context IS 'Of the error: where in the handler';

CREATE VIEW specql.replays AS
    SELECT r.id, r.action, r.since, r.until, r.deliver,
           CASE WHEN r.finished_at IS NOT NULL THEN 'done'
                WHEN EXISTS (SELECT FROM pg_catalog.pg_locks AS l
                             WHERE l.locktype = 'advisory' AND l.classid = 1936749412 AND l.objid = (r.id % 2147483647)::oid
                               AND l.objsubid = 2 AND l.granted
                               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                                                 WHERE d.datname = pg_catalog.current_database())) THEN 'running'
                ELSE 'stopped' END AS status,
           r.total, r.handled, r.present, r.failed, r.started_by, r.started_at, r.moved_at, r.finished_at
    FROM specql.replay_run AS r;
COMMENT ON VIEW specql.replays IS 'Replays and how far each has come. A stopped one goes on with CALL specql.continue_replay(id)';
COMMENT ON COLUMN specql.replays.id IS 'For specql.continue_replay';
COMMENT ON COLUMN specql.replays.action IS 'The action whose events are replayed';
COMMENT ON COLUMN specql.replays.since IS 'From events of this time on';
COMMENT ON COLUMN specql.replays.until IS 'To events before this time';
COMMENT ON COLUMN specql.replays.deliver IS 'Do its deliveries leave the database?';
COMMENT ON COLUMN specql.replays.status IS 'running, done, or stopped: cancelled, or its session is gone';
COMMENT ON COLUMN specql.replays.total IS 'How many events there were when it began';
COMMENT ON COLUMN specql.replays.handled IS 'Handled again';
COMMENT ON COLUMN specql.replays.present IS 'Left as they were, because a row that the handler would insert for the event is there';
COMMENT ON COLUMN specql.replays.failed IS 'Failed; see specql.replay_failure';
COMMENT ON COLUMN specql.replays.started_by IS 'The role that began it';
COMMENT ON COLUMN specql.replays.started_at IS 'When it began';
COMMENT ON COLUMN specql.replays.moved_at IS 'When its last batch ended';
COMMENT ON COLUMN specql.replays.finished_at IS 'When it was done';

CREATE FUNCTION specql.replay_events(action text, event text, after uuid, last_id uuid, since timestamptz, until timestamptz,
    snapshot pg_snapshot, xid xid8, max_items integer, deliver boolean)
RETURNS TABLE (event_id uuid, outcome text, sqlstate text, message text, detail text, hint text, context text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_replay_events';
COMMENT ON FUNCTION specql.replay_events(text, text, uuid, uuid, timestamptz, timestamptz, pg_snapshot, xid8, integer, boolean) IS
'Gives logged events to an action''s handler again; what became of each: handled, present or failed. For specql.replay_batch';

CREATE FUNCTION specql.start_replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := specql.own_action(start_replay.action);
    begins timestamptz := coalesce(start_replay.since, '-infinity');
    ends timestamptz := coalesce(start_replay.until, 'infinity');
    listens_to text := (SELECT min(a.event) FROM specql.action AS a WHERE a.action = name AND a.relation IS NULL);
    snapshot pg_snapshot := pg_current_snapshot();
    own xid8 := pg_current_xact_id();
    last_id uuid := specql.uuid_v7();
    total bigint;
    result bigint;
BEGIN
    IF begins >= ends THEN
        RAISE EXCEPTION 'a replay from % until % has no events', begins, ends
            USING ERRCODE = 'invalid_parameter_value', HINT = 'until must be later than since.';
    END IF;
    SELECT count(*) INTO total FROM specql.event_log AS l
    WHERE (l.action = name OR l.action IS NULL AND l.type = listens_to) AND l.id <= last_id
      AND l.occurred_at >= begins AND l.occurred_at < ends
      AND (pg_visible_in_snapshot(l.xid, snapshot) OR l.xid = own);
    INSERT INTO specql.replay_run (action, event, since, until, deliver, snapshot, xid, last_id, total, started_by,
        started_at, moved_at)
    VALUES (name, coalesce(listens_to, ''), begins, ends, coalesce(start_replay.deliver, false), snapshot, own, last_id, total,
        session_user, clock_timestamp(), clock_timestamp())
    RETURNING id INTO result;
    RETURN result;
END $$;
COMMENT ON FUNCTION specql.start_replay(text, timestamptz, timestamptz, boolean) IS
'Notes that logged events of an action shall be replayed; the id for CALL specql.continue_replay. specql.run_replay does both';

CREATE FUNCTION specql.replay_batch(replay bigint, max_items integer DEFAULT 1000) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r specql.replay_run;
    done bigint;
    there bigint;
    wrong bigint;
    newest uuid;
    undelivered uuid[];
BEGIN
    -- Held while a batch runs: specql.replays looks at it.
    PERFORM pg_advisory_xact_lock(1936749412, (replay_batch.replay % 2147483647)::integer);
    SELECT * INTO r FROM specql.replay_run AS p WHERE p.id = replay_batch.replay FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no replay %', replay_batch.replay
            USING ERRCODE = 'undefined_object', HINT = 'SELECT id, action, status FROM specql.replays';
    ELSIF r.finished_at IS NOT NULL THEN
        RETURN false;
    ELSIF coalesce(max_items, 0) < 1 THEN
        RAISE EXCEPTION 'a batch has at least one event, not %', coalesce(max_items::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WITH tried AS MATERIALIZED (
        SELECT e.* FROM specql.replay_events(r.action, r.event, r.at_id, r.last_id, r.since, r.until, r.snapshot, r.xid,
                                             max_items, r.deliver) AS e),
    noted AS (
        INSERT INTO specql.replay_failure
        SELECT r.id, t.event_id, t.sqlstate, t.message, t.detail, t.hint, t.context FROM tried AS t WHERE t.outcome = 'failed')
    SELECT count(*) FILTER (WHERE t.outcome = 'handled'), count(*) FILTER (WHERE t.outcome = 'present'),
           count(*) FILTER (WHERE t.outcome = 'failed'), (array_agg(t.event_id ORDER BY t.event_id DESC))[1],
           array_agg(t.event_id) FILTER (WHERE t.outcome = 'handled')
    INTO done, there, wrong, newest, undelivered FROM tried AS t;
    -- Event rows written anew would wait for deliveries that never leave.
    IF NOT r.deliver AND undelivered IS NOT NULL THEN
        PERFORM specql.call_processed(p.processed, undelivered)
        FROM (SELECT DISTINCT a.processed FROM specql.action AS a WHERE a.action = r.action AND a.processed IS NOT NULL) AS p;
    END IF;
    UPDATE specql.replay_run AS p
    SET at_id = coalesce(newest, p.at_id), handled = p.handled + done, present = p.present + there,
        failed = p.failed + wrong, moved_at = clock_timestamp(),
        finished_at = CASE WHEN done + there + wrong < max_items THEN clock_timestamp() END
    WHERE p.id = r.id RETURNING * INTO r;
    IF done + there + wrong > 0 THEN
        RAISE NOTICE 'replay % of %: % of % events%', r.id, r.action, r.handled + r.present + r.failed, r.total,
            CASE WHEN r.present + r.failed > 0
                 THEN format(', of which %s were present and %s failed', r.present, r.failed) ELSE '' END;
    END IF;
    RETURN r.finished_at IS NULL;
END $$;
COMMENT ON FUNCTION specql.replay_batch(bigint, integer) IS 'The next events of a replay, in this transaction; false when it is done';

CREATE FUNCTION specql.replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run bigint := specql.start_replay(replay.action, replay.since, replay.until, replay.deliver);
BEGIN
    WHILE specql.replay_batch(run) LOOP
    END LOOP;
    RETURN (SELECT r.handled FROM specql.replay_run AS r WHERE r.id = run);
END $$;
COMMENT ON FUNCTION specql.replay(text, timestamptz, timestamptz, boolean) IS
'Runs an action''s handler again, with today''s rules, on its logged events of that time, all in this transaction; how many were handled. Nothing leaves the database unless deliver';

-- They commit, so they can have neither a search_path nor rights of their own; what they call has both.
CREATE PROCEDURE specql.continue_replay(replay bigint, batch_size integer DEFAULT 1000)
LANGUAGE plpgsql AS $$
BEGIN
    WHILE specql.replay_batch(replay, batch_size) LOOP
        COMMIT;
    END LOOP;
    COMMIT;
END $$;
COMMENT ON PROCEDURE specql.continue_replay(bigint, integer) IS
'Goes on with a replay that was cancelled or whose session was lost, after the last batch that was committed';

CREATE PROCEDURE specql.run_replay(action text, since timestamptz, until timestamptz DEFAULT NULL, deliver boolean DEFAULT false,
    batch_size integer DEFAULT 1000)
LANGUAGE plpgsql AS $$
DECLARE
    run bigint := specql.start_replay(action, since, until, deliver);
BEGIN
    COMMIT;
    CALL specql.continue_replay(run, batch_size);
END $$;
COMMENT ON PROCEDURE specql.run_replay(text, timestamptz, timestamptz, boolean, integer) IS
'The same as specql.replay in many transactions: specql.replays shows how far it is, and what is cancelled goes on with CALL specql.continue_replay(id)';

-- ---- reading events in the order of commits ----------------------------------------------------------------------------

CREATE TABLE specql.reader (
    name text NOT NULL PRIMARY KEY,
    since timestamptz NOT NULL,
    seen pg_snapshot,
    target pg_snapshot,
    at_id uuid,
    at_action text,
    events bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz
);
COMMENT ON TABLE specql.reader IS 'Where each reader of specql.read_events is; shown by specql.readers. Snapshots belong to one server: dumps leave it out';
COMMENT ON COLUMN specql.reader.name IS 'As its caller named it';
COMMENT ON COLUMN specql.reader.created_at IS 'When it first read';
COMMENT ON COLUMN specql.reader.read_at IS 'When it last read';
COMMENT ON COLUMN specql.reader.since IS 'Older events are left out when it begins';
COMMENT ON COLUMN specql.reader.seen IS 'It has read what was committed then; NULL until it has read what there was when it began';
COMMENT ON COLUMN specql.reader.target IS 'It is reading what was committed between seen and then; NULL if it is not';
COMMENT ON COLUMN specql.reader.at_id IS 'And of that it has read up to this event';
COMMENT ON COLUMN specql.reader.at_action IS 'And this action';
COMMENT ON COLUMN specql.reader.events IS 'How many events it has read';

-- The planner cannot know that a reader is hardly ever far behind: it would read the whole log.
CREATE FUNCTION specql.oldest_unread(r specql.reader) RETURNS timestamptz
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    at_id uuid := coalesce(r.at_id, '00000000-0000-0000-0000-000000000000');
    at_action text := coalesce(r.at_action, '');
BEGIN
    IF r.seen IS NULL THEN
        RETURN (SELECT l.occurred_at FROM specql.event_log AS l
                WHERE l.id >= at_id AND (l.id, coalesce(l.action, '')) > (at_id, at_action) AND l.occurred_at >= r.since
                ORDER BY l.id LIMIT 1);
    END IF;
    RETURN (SELECT min(u.occurred_at) FROM (
                SELECT l.* FROM specql.event_log AS l WHERE l.xid >= pg_snapshot_xmax(r.seen)
                UNION ALL
                SELECT l.* FROM specql.event_log AS l WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))) AS u
            WHERE r.target IS NULL OR NOT pg_visible_in_snapshot(u.xid, r.target)
               OR (u.id, coalesce(u.action, '')) > (at_id, at_action));
END $$;
COMMENT ON FUNCTION specql.oldest_unread(specql.reader) IS 'When the oldest event happened that a reader has not read; NULL if it has read all';

CREATE VIEW specql.readers AS
    SELECT r.name, r.since, r.events, r.created_at, r.read_at, specql.oldest_unread(r) AS oldest_unread
    FROM specql.reader AS r;
COMMENT ON VIEW specql.readers IS 'Readers of specql.read_events, and how far behind each is; the log keeps what they have not read';
COMMENT ON COLUMN specql.readers.name IS 'For specql.read_events and specql.drop_reader';
COMMENT ON COLUMN specql.readers.since IS 'Older events were left out when it began';
COMMENT ON COLUMN specql.readers.events IS 'How many events it has read';
COMMENT ON COLUMN specql.readers.created_at IS 'Since when it exists';
COMMENT ON COLUMN specql.readers.read_at IS 'When it read last';
COMMENT ON COLUMN specql.readers.oldest_unread IS 'When the oldest event happened that it has not read; NULL if it has read all';

CREATE FUNCTION specql.create_reader(name text, since timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO specql.reader (name, since) VALUES (create_reader.name, coalesce(create_reader.since, '-infinity'));
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'there is a reader % already', create_reader.name
        USING ERRCODE = 'duplicate_object', HINT = 'SELECT * FROM specql.readers';
END $$;
COMMENT ON FUNCTION specql.create_reader(text, timestamptz) IS
'Begins a reader for specql.read_events, at the start of the log or with events since a time. The log keeps what it has not read';

CREATE FUNCTION specql.drop_reader(name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM specql.reader AS r WHERE r.name = drop_reader.name;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION specql.drop_reader(text) IS 'Ends a reader; false if there is none of this name';

-- pg_current_snapshot() takes the transaction itself for committed, though it may go on to raise events.
CREATE FUNCTION specql.committed_snapshot() RETURNS pg_snapshot
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_seen pg_snapshot := pg_current_snapshot();
    own xid8 := pg_current_xact_id();
BEGIN
    IF own >= pg_snapshot_xmax(now_seen) THEN
        RETURN now_seen;
    END IF;
    RETURN (SELECT format('%s:%s:%s', least(pg_snapshot_xmin(now_seen), own), pg_snapshot_xmax(now_seen),
                          string_agg(x.xid::text, ',' ORDER BY x.xid))::pg_snapshot
            FROM (SELECT pg_snapshot_xip(now_seen) UNION SELECT own) AS x(xid));
END $$;
COMMENT ON FUNCTION specql.committed_snapshot() IS 'What is committed now, without this transaction';

-- Ids are not in the order of commits, and the newest id says nothing of transactions that are still open. So a reader
-- remembers a snapshot, and reads what was committed between that and a later one; within it, in the order of ids.
CREATE FUNCTION specql.read_events(reader text, max_items integer DEFAULT 100) RETURNS SETOF specql.events
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    r specql.reader;
    e specql.events;
    nothing constant uuid := '00000000-0000-0000-0000-000000000000';
    wanted integer := max_items;
    visible constant text[] := specql.visible_actions();
    fresh boolean;
BEGIN
    IF coalesce(max_items, 0) < 1 THEN
        RAISE EXCEPTION 'max_items is at least 1, not %', coalesce(max_items::text, 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO r FROM specql.reader AS s WHERE s.name = read_events.reader FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no reader %', coalesce(read_events.reader, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = format('SELECT specql.create_reader(%L) makes one that begins at the start of the log.', read_events.reader);
    END IF;
    LOOP
        fresh := r.target IS NULL;
        r.target := coalesce(r.target, specql.committed_snapshot());
        r.at_id := coalesce(r.at_id, nothing);
        r.at_action := coalesce(r.at_action, '');
        IF r.seen IS NULL THEN
            FOR e IN
                SELECT v.* FROM specql.logged_events AS v
                WHERE v.id >= r.at_id AND (v.id, coalesce(v.action, '')) > (r.at_id, r.at_action)
                  AND v.occurred_at >= r.since AND pg_visible_in_snapshot(v.xid, r.target)
                  AND (visible IS NULL OR v.action IS NULL OR v.action = ANY (visible))
                ORDER BY v.id, coalesce(v.action, '') LIMIT wanted LOOP
                RETURN NEXT e;
                wanted := wanted - 1;
                r.at_id := e.id;
                r.at_action := coalesce(e.action, '');
            END LOOP;
        ELSE
            FOR e IN
                SELECT v.* FROM (
                    SELECT n.* FROM specql.logged_events AS n
                    WHERE n.xid >= pg_snapshot_xmax(r.seen) AND n.xid < pg_snapshot_xmax(r.target)
                    UNION ALL
                    SELECT n.* FROM specql.logged_events AS n
                    WHERE n.xid = ANY (ARRAY(SELECT pg_snapshot_xip(r.seen)))) AS v
                WHERE pg_visible_in_snapshot(v.xid, r.target) AND (v.id, coalesce(v.action, '')) > (r.at_id, r.at_action)
                  AND (visible IS NULL OR v.action IS NULL OR v.action = ANY (visible))
                ORDER BY v.id, coalesce(v.action, '') LIMIT wanted LOOP
                RETURN NEXT e;
                wanted := wanted - 1;
                r.at_id := e.id;
                r.at_action := coalesce(e.action, '');
            END LOOP;
        END IF;
        EXIT WHEN wanted = 0;
        r.seen := r.target;
        r.target := NULL;
        r.at_id := NULL;
        r.at_action := NULL;
        EXIT WHEN fresh;
    END LOOP;
    UPDATE specql.reader AS s
    SET seen = r.seen, target = r.target, at_id = r.at_id, at_action = r.at_action,
        events = s.events + max_items - wanted, read_at = clock_timestamp()
    WHERE s.name = r.name;
END $$;
COMMENT ON FUNCTION specql.read_events(text, integer) IS
'The next finished events for a reader, each once and in the order of commits: a slow transaction''s event comes late, but comes. Where it is moves on when the caller''s transaction commits';

-- ---- the state of the past ---------------------------------------------------------------------------------------------

-- What the triggers of append-only logs say; src/core/emit writes their arguments.
CREATE FUNCTION specql.log_readings() RETURNS TABLE (relation text, log regclass, key_column text, state_column text,
    time_column text, type_column text, type_value text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.args[n], t.log, t.args[n + 1], t.args[n + 2], t.args[n + 3], nullif(t.args[n + 4], ''), nullif(t.args[n + 5], '')
    FROM (SELECT g.tgrelid::regclass AS log, g.tgnargs,
                 ARRAY(SELECT convert_from(decode(p.part, 'escape'), getdatabaseencoding())
                       FROM unnest(string_to_array(encode(g.tgargs, 'escape'), '\000')) WITH ORDINALITY AS p(part, n)
                       ORDER BY p.n) AS args
          FROM pg_trigger AS g WHERE g.tgfoid = 'specql.refuse_change()'::regprocedure) AS t,
         generate_series(1, t.tgnargs, 6) AS n
$$;
COMMENT ON FUNCTION specql.log_readings() IS
'Which append-only logs every change of a table''s rows is written to as a whole row, and in which columns';

CREATE FUNCTION specql.state_logs(relation regclass) RETURNS TABLE (log regclass, key_column text, state_column text,
    time_column text, order_column text, filter text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- Rows of concurrent transactions have the times of their starts; ids are in the order of the changes of a row.
    SELECT r.log, r.key_column, r.state_column, r.time_column,
           coalesce((SELECT a.attname::text FROM pg_attribute AS a
                     WHERE a.attrelid = r.log AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype), r.time_column),
           CASE WHEN r.type_column IS NULL THEN '' ELSE format(' AND t.%I = %L', r.type_column, r.type_value) END
    FROM specql.log_readings() AS r WHERE to_regclass(r.relation) = $1 ORDER BY r.log::text
$$;
COMMENT ON FUNCTION specql.state_logs(regclass) IS 'The logs from which the state of a table''s rows can be read back';

-- An action is unconditional if its only branch is the constant true, as generated capture functions say it.
CREATE FUNCTION specql.full_capture(relation regclass, OUT action text, OUT type text, OUT since timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.action, n.nspname || '.' || c.relname || '.' || a.event,
           (SELECT greatest(max(s.applied_at), (
                        SELECT min(first.applied_at)
                        FROM specql.object AS o JOIN specql.unit_version AS v ON o.unit = v.key
                        JOIN specql.spec AS first ON first.id = v.spec
                        WHERE o.kind = 'table' AND o.identity = a.relation))
            FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key
            JOIN specql.spec AS s ON s.id = u.spec
            WHERE o.kind = 'trigger' AND o.identity = quote_ident(t.tgname) || ' on ' || a.relation)
    FROM specql.action AS a
    JOIN pg_class AS c ON c.oid = to_regclass(a.relation)
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgfoid = 'specql.dispatch()'::regprocedure
                        AND split_part(encode(t.tgargs, 'escape'), '\000', 1) = a.action
    WHERE c.oid = $1 AND t.tgenabled <> 'D' AND t.tgtype & 28 = 28
      AND pg_get_function_sqlbody(to_regprocedure(a.capture || '()')) ~ '^\s*BEGIN ATOMIC\s+SELECT ARRAY\[true\] '
      AND specql.setting('log_events') <> 'failed'
    ORDER BY 3, 1 LIMIT 1
$$;
COMMENT ON FUNCTION specql.full_capture(regclass) IS
'An action that handles every change of a table''s rows, so that their events are in the log, its type of event, and since when';

CREATE FUNCTION specql.state_at(entity text, id uuid, at timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass := specql.entity_table(state_at.entity);
    complete record;
    l record;
    logs text[] := '{}';
    state jsonb;
    rows_found integer;
    begins timestamptz;
    found_time timestamptz;
    waiting bigint;
BEGIN
    IF state_at.id IS NULL OR state_at.at IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO complete FROM specql.full_capture(rel);
    SELECT count(*) INTO waiting FROM specql.unhandled_events AS e
    WHERE e.action = complete.action AND e.type = complete.type AND e.subject = state_at.id::text AND e.occurred_at <= state_at.at;
    FOR l IN SELECT * FROM specql.state_logs(rel) LOOP
        EXECUTE format('SELECT t.%I::jsonb FROM %s AS t WHERE t.%I = %L AND t.%I <= $1%s ORDER BY t.%I DESC LIMIT 1',
            l.state_column, l.log, l.key_column, state_at.id, l.time_column,
            l.filter, l.order_column)
        INTO state USING state_at.at;
        GET DIAGNOSTICS rows_found = ROW_COUNT;
        IF rows_found > 0 THEN
            IF waiting > 0 THEN
                RAISE WARNING 'changes of % that action % has still to handle are not in % yet', state_at.id, complete.action, l.log
                    USING DETAIL = format('Waiting or failed: %s.', waiting), HINT = 'See specql.failures, and specql.actions for a pause.';
            END IF;
            RETURN state;
        END IF;
        EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I = %L%s', l.time_column, l.log, l.key_column, state_at.id,
            l.filter) INTO found_time;
        begins := least(begins, found_time);
        logs := logs || l.log::text;
    END LOOP;
    -- The event log holds the old row too, but only of the last events.
    IF complete.action IS NOT NULL THEN
        SELECT e.data -> 'new', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = state_at.id::text AND e.occurred_at <= state_at.at
        ORDER BY e.id DESC LIMIT 1;
        IF FOUND THEN
            RETURN nullif(state, 'null');
        END IF;
        SELECT e.data -> 'old', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = state_at.id::text
        ORDER BY e.id LIMIT 1;
        -- Before it was inserted it was not there; or nothing was expired between then and that event, and nothing happened unseen.
        IF FOUND THEN
            begins := least(begins, found_time);
            IF state = 'null' OR state_at.at >= complete.since AND state_at.at >= now() - specql.setting('event_retention')::interval THEN
                RETURN nullif(state, 'null');
            END IF;
        ELSIF begins IS NULL AND state_at.at >= complete.since AND (logs <> '{}'
              OR state_at.at >= now() - specql.setting('event_retention')::interval) THEN
            -- Since that time every change is logged, and of this row there is none.
            EXECUTE format('SELECT to_jsonb(t) FROM %s AS t WHERE t.%I = %L', rel, specql.key_of(rel), state_at.id)
            INTO state;
            IF state IS NOT NULL THEN
                RETURN state;
            END IF;
        END IF;
    END IF;
    IF begins IS NOT NULL THEN
        RAISE EXCEPTION 'the history of % % does not reach back to %', rel, state_at.id, state_at.at
            USING ERRCODE = 'no_data_found', DETAIL = format('It begins at %s.', begins);
    ELSIF complete.action IS NOT NULL OR logs <> '{}' THEN
        RAISE EXCEPTION 'there is no history of % %', rel, state_at.id
            USING ERRCODE = 'no_data_found',
                  DETAIL = format('No change of it is logged%s.', coalesce(' in ' || nullif(array_to_string(logs, ', '), ''), ''));
    END IF;
    RAISE EXCEPTION 'no history of % is kept', rel
        USING ERRCODE = 'no_data_found',
              DETAIL = 'No append-only log holds its rows, and no action handles every change of them.',
              HINT = format('An action with trigger: any_%s_change and a step append: SomeLog SET entity_id: "%s_id", event_data: "row_to_json(NEW)", event_timestamp: "event_time" keeps it.',
                  (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel), (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel));
END $$;
COMMENT ON FUNCTION specql.state_at(text, uuid, timestamptz) IS
'The row of an entity as its append-only log says it was at a time, or else the event log; NULL if it was deleted; an error if history does not reach back';

CREATE FUNCTION specql.key_of(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1 AND i.indisprimary AND i.indnkeyatts = 1
$$;
COMMENT ON FUNCTION specql.key_of(regclass) IS 'The column that is a table''s primary key; NULL if it is not one column';

-- Columns of an entity that a table lacks, or has with another type.
CREATE FUNCTION specql.misfits(relation regclass, into_table regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN t.attname IS NULL THEN format('it has no column %I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                           ELSE format('column %I is %s, not %s', a.attname, format_type(t.atttypid, t.atttypmod),
                                       format_type(a.atttypid, a.atttypmod)) END, '; ' ORDER BY a.attnum)
    FROM pg_attribute AS a
    LEFT JOIN pg_attribute AS t ON t.attrelid = $2 AND t.attname = a.attname AND t.attnum > 0 AND NOT t.attisdropped
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      AND (t.attname IS NULL OR (t.atttypid, t.atttypmod) IS DISTINCT FROM (a.atttypid, a.atttypmod))
$$;
COMMENT ON FUNCTION specql.misfits(regclass, regclass) IS 'What keeps a table from taking an entity''s rows; NULL if nothing does';

CREATE FUNCTION specql.rebuild(entity text, into_table regclass, at timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass := specql.entity_table(rebuild.entity);
    misfits text := specql.misfits(rel, into_table);
    upto timestamptz := coalesce(rebuild.at, 'infinity');
    complete record;
    l record;
    source text;
    columns text;
    filled boolean;
    result bigint;
    unknown bigint;
BEGIN
    IF into_table IS NULL THEN
        RAISE EXCEPTION 'rebuild needs a table' USING ERRCODE = 'null_value_not_allowed';
    ELSIF misfits IS NOT NULL THEN
        RAISE EXCEPTION '% does not fit %', into_table, rel
            USING ERRCODE = 'datatype_mismatch', DETAIL = upper(left(misfits, 1)) || substr(misfits, 2) || '.',
                  HINT = format('CREATE TABLE ... (LIKE %s INCLUDING ALL) makes one that fits.', rel);
    ELSIF EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = into_table AND t.tgfoid = 'specql.capture()'::regprocedure) THEN
        RAISE EXCEPTION 'rows written to % would raise events', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Rebuild into another table, made by CREATE TABLE ... (LIKE %s INCLUDING ALL), and compare.', rel);
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', into_table) INTO filled;
    IF filled THEN
        RAISE EXCEPTION '% is not empty', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rebuild into an empty table.';
    END IF;
    SELECT * INTO l FROM specql.state_logs(rel) LIMIT 1;
    IF FOUND THEN
        source := format('SELECT DISTINCT ON (t.%1$I) t.%1$I::text AS key, t.%2$I::jsonb AS state FROM %3$s AS t WHERE t.%4$I <= %5$L%6$s ORDER BY t.%1$I, t.%7$I DESC',
            l.key_column, l.state_column, l.log, l.time_column, upto,
            l.filter, l.order_column);
    ELSE
        SELECT * INTO complete FROM specql.full_capture(rel);
        IF complete.action IS NULL THEN
            RAISE EXCEPTION 'no history of % is kept', rel
                USING ERRCODE = 'no_data_found',
                      DETAIL = 'No append-only log holds its rows, and no action handles every change of them.';
        END IF;
        source := format('SELECT DISTINCT ON (e.subject) e.subject AS key, nullif(e.data -> ''new'', ''null'') AS state FROM specql.events AS e WHERE e.action = %L AND e.type = %L AND e.occurred_at <= %L ORDER BY e.subject, e.id DESC',
            complete.action, complete.type, upto);
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns FROM pg_attribute AS a
    WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('WITH h AS MATERIALIZED (%1$s)
        INSERT INTO %2$s (%3$s) OVERRIDING SYSTEM VALUE
        SELECT %4$s FROM h, LATERAL jsonb_populate_record(NULL::%5$s, h.state) AS r WHERE h.state IS NOT NULL',
        source, into_table, columns,
        (SELECT string_agg('r.' || c.name, ', ') FROM unnest(string_to_array(columns, ', ')) AS c(name)), rel);
    GET DIAGNOSTICS result = ROW_COUNT;
    IF rebuild.at IS NULL AND specql.key_of(rel) IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %1$s AS t WHERE NOT EXISTS (SELECT FROM (%2$s) AS h WHERE h.key = t.%3$I::text)',
            rel, source, specql.key_of(rel)) INTO unknown;
        IF unknown > 0 THEN
            RAISE WARNING 'rows of % that are not in its history: %', rel, unknown
                USING DETAIL = 'They have not changed since it began, or the log was thinned out.';
        END IF;
    END IF;
    RETURN result;
END $$;
COMMENT ON FUNCTION specql.rebuild(text, regclass, timestamptz) IS
'Writes the rows of an entity, as its log says they are or were at a time, into an empty table that has its columns; how many';

CREATE FUNCTION specql.expire_log(log regclass, before timestamptz) RETURNS bigint
LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_expire_log';
COMMENT ON FUNCTION specql.expire_log(regclass, timestamptz) IS
'The retention path of append-only logs, for their owner: deletes rows older than a time, but the last of each key, from which specql.state_at goes on; how many';

-- ---- rights ------------------------------------------------------------------------------------------------------------

REVOKE ALL ON FUNCTION specql.known_action(text), specql.own_action(text), specql.entity_table(text), specql.pause(text), specql.resume(text),
    specql.replay_events(text, text, uuid, uuid, timestamptz, timestamptz, pg_snapshot, xid8, integer, boolean),
    specql.start_replay(text, timestamptz, timestamptz, boolean), specql.replay_batch(bigint, integer),
    specql.replay(text, timestamptz, timestamptz, boolean),
    specql.create_reader(text, timestamptz), specql.drop_reader(text), specql.committed_snapshot(),
    specql.oldest_unread(specql.reader),
    specql.read_events(text, integer), specql.log_readings(), specql.state_logs(regclass), specql.full_capture(regclass),
    specql.state_at(text, uuid, timestamptz), specql.key_of(regclass), specql.misfits(regclass, regclass),
    specql.rebuild(text, regclass, timestamptz), specql.expire_log(regclass, timestamptz)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.known_action(text), specql.entity_table(text), specql.pause(text), specql.resume(text),
    specql.start_replay(text, timestamptz, timestamptz, boolean), specql.replay_batch(bigint, integer),
    specql.replay(text, timestamptz, timestamptz, boolean),
    specql.create_reader(text, timestamptz), specql.drop_reader(text), specql.oldest_unread(specql.reader), specql.read_events(text, integer),
    specql.log_readings(), specql.state_logs(regclass), specql.full_capture(regclass), specql.state_at(text, uuid, timestamptz),
    specql.first_uuid(timestamptz), specql.key_of(regclass), specql.misfits(regclass, regclass), specql.rebuild(text, regclass, timestamptz),
    specql.expire_log(regclass, timestamptz)
TO specql_admin;
GRANT EXECUTE ON PROCEDURE specql.continue_replay(bigint, integer),
    specql.run_replay(text, timestamptz, timestamptz, boolean, integer) TO specql_admin;
GRANT SELECT ON specql.action, specql.replays, specql.replay_failure, specql.readers TO specql_admin;
-- Looking around: what each action did, the event graph, and help.

-- ---- statistics of actions -------------------------------------------------------------------------------------------

-- Derived from what is logged anyway: counting costs the statements that raise events nothing. Ids grow with time, so the
-- newest events are found by the log's index, and the cost is bounded by max_events however long the log is.
CREATE FUNCTION specql.measure_actions(since timestamptz DEFAULT now() - interval '1 day', max_events integer DEFAULT 100000)
RETURNS TABLE (action text, fired bigint, failed bigint, retried bigint, parked bigint, p50_latency interval,
               p99_latency interval, last_fired_at timestamptz, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH asked AS (
        SELECT least(greatest($1, 'epoch'), '9999-01-01') AS since),  -- what an id can hold
    newest AS MATERIALIZED (
        SELECT l.id, l.action, l.type, l.status, l.attempts, l.occurred_at, l.processed_at
        FROM specql.event_log AS l
        WHERE l.id >= specql.first_uuid((SELECT a.since FROM asked AS a))
        ORDER BY l.id DESC LIMIT $2),
    covered AS (
        SELECT CASE WHEN count(n.id) < $2 THEN min(a.since)
                    ELSE greatest(min(a.since), specql.uuid_time((min(n.id::text))::uuid)) END AS since
        FROM asked AS a LEFT JOIN newest AS n ON true),
    counted AS (
        SELECT n.action, n.type, n.attempts, n.attempts > 1 AS failed, n.attempts - 1 AS retried, false AS parked,
               n.occurred_at, n.processed_at - n.occurred_at AS latency
        FROM newest AS n WHERE n.status <> 'unmatched'
        UNION ALL
        SELECT f.action, f.type, f.attempts, true, f.attempts - 1, f.status = 'parked', f.occurred_at, NULL
        FROM specql.failure AS f, covered AS c WHERE f.id >= specql.first_uuid(c.since))
    -- An event that a window counts has not set its action off.
    SELECT a.action, count(n.action) FILTER (WHERE n.fires), count(*) FILTER (WHERE n.failed),
           coalesce(sum(n.retried), 0)::bigint, count(*) FILTER (WHERE n.parked),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY n.latency) FILTER (WHERE n.fires),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY n.latency) FILTER (WHERE n.fires),
           max(n.occurred_at) FILTER (WHERE n.fires), min(c.since)
    FROM (SELECT DISTINCT r.action FROM specql.action AS r) AS a
    CROSS JOIN covered AS c
    LEFT JOIN (
        SELECT e.*, coalesce(e.type = r.event, true) AS fires
        FROM counted AS e LEFT JOIN specql.window_rule AS r ON r.action = e.action) AS n ON n.action = a.action
    GROUP BY a.action
    ORDER BY a.action
$$;
COMMENT ON FUNCTION specql.measure_actions(timestamptz, integer) IS
'What specql.action_stats shows, for another period, or for more events than the newest 100,000';

CREATE VIEW specql.action_stats AS
    SELECT s.action, s.fired, s.failed, s.retried, s.parked, s.p50_latency, s.p99_latency, s.last_fired_at, s.since
    FROM specql.measure_actions() AS s;
COMMENT ON VIEW specql.action_stats IS
'What each installed action did in the last day (the newest 100,000 events at most), counted from the event log: what specql.log_events and specql.event_retention keep';
COMMENT ON COLUMN specql.action_stats.action IS 'Schema and name';
COMMENT ON COLUMN specql.action_stats.fired IS 'Events that its handler was run for; of a window or correlation its matches';
COMMENT ON COLUMN specql.action_stats.failed IS 'Those of them for which it failed at least once';
COMMENT ON COLUMN specql.action_stats.retried IS 'Attempts after the first, of all of them together';
COMMENT ON COLUMN specql.action_stats.parked IS 'Events that were given up and wait for specql.retry';
COMMENT ON COLUMN specql.action_stats.p50_latency IS 'Half of the processed events took at most so long, from occurred_at to processed_at: with their deliveries';
COMMENT ON COLUMN specql.action_stats.p99_latency IS 'The same for 99 of 100';
COMMENT ON COLUMN specql.action_stats.last_fired_at IS 'When its newest event happened';
COMMENT ON COLUMN specql.action_stats.since IS 'Events since then are counted';

-- ---- the event graph -------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.graph(format text DEFAULT 'mermaid') RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_graph';
COMMENT ON FUNCTION specql.graph(text) IS
'The event graph of what is installed, for mermaid or dot: entities, events, actions, services and channels; what can go round for ever is marked';

-- ---- help ------------------------------------------------------------------------------------------------------------

CREATE TABLE specql.help_page (
    number integer PRIMARY KEY,
    topic text NOT NULL UNIQUE,
    about text NOT NULL,
    page text NOT NULL
);
COMMENT ON TABLE specql.help_page IS 'What specql.help() shows, made from the docs when the extension is built';
COMMENT ON COLUMN specql.help_page.number IS 'The order of the list of topics';
COMMENT ON COLUMN specql.help_page.topic IS 'One word, or a diagnostic code';
COMMENT ON COLUMN specql.help_page.about IS 'What the page is about, in a line';
COMMENT ON COLUMN specql.help_page.page IS 'The text';

CREATE FUNCTION specql.nearest(word text, candidates text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_nearest';
COMMENT ON FUNCTION specql.nearest(text, text[]) IS
'The candidate that differs from the word by the fewest letters, as hints of diagnostics find it; NULL if none is near';

-- Functions for people: not the triggers, and not what only handlers and generated code call, which their comments say.
CREATE FUNCTION specql.help(topic text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted constant text := regexp_replace(btrim(lower(topic)), '^specql\.|\(.*$', '', 'g');
    functions constant text := $query$
        SELECT p.oid, p.proname::text AS name,
               format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS short,
               format(E'specql.%s(%s)\n    returns %s\n\n%s', p.proname, pg_get_function_arguments(p.oid),
                      pg_get_function_result(p.oid), obj_description(p.oid, 'pg_proc')) AS long,
               obj_description(p.oid, 'pg_proc') AS comment
        FROM pg_proc AS p
        WHERE p.pronamespace = 'specql'::regnamespace AND p.prorettype <> 'trigger'::regtype $query$;
    lists constant text[] := '{functions,views,settings,codes}';
    near text;
    names text[];
    page text;
BEGIN
    IF wanted IS NULL OR wanted = '' THEN
        RETURN E'SELECT specql.help(''topic''), with one of\n\n'
            || (SELECT string_agg(format('  %s %s', rpad(h.topic, 14), h.about), E'\n' ORDER BY h.number)
                FROM specql.help_page AS h WHERE h.topic !~ '^SPQL-')
            || E'\n  functions      what can be called\n  views          what can be looked at'
            || E'\n  settings       their values\n  codes          the diagnostics'
            || E'\n\nor with the name of a function, view or setting, or a code such as SPQL-R012.';
    END IF;
    IF wanted = 'codes' THEN
        RETURN (SELECT string_agg(format('%s  %s', h.topic, h.about), E'\n' ORDER BY h.topic)
                FROM specql.help_page AS h WHERE h.topic ~ '^SPQL-') || E'\n\nMore of one: SELECT specql.help(''SPQL-R012'')';
    ELSIF wanted = 'functions' THEN
        EXECUTE format($query$
            SELECT string_agg(f.short || E'\n    ' || f.comment, E'\n' ORDER BY f.short) FROM (%s) AS f
            WHERE f.comment !~ '^In a handler|[Gg]enerated code|^For specql\.' AND has_function_privilege('specql_admin', f.oid, 'execute')
            $query$, functions) INTO page;
        RETURN page || E'\n\nMore of one: SELECT specql.help(''apply'')';
    ELSIF wanted = 'views' THEN
        RETURN (SELECT string_agg(format('specql.%s %s', rpad(c.relname, 14), obj_description(c.oid, 'pg_class')), E'\n'
                                  ORDER BY c.relname)
                FROM pg_class AS c WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind = 'v')
               || E'\n\nIts columns: SELECT specql.help(''events'')';
    ELSIF wanted = 'settings' THEN
        RETURN (SELECT string_agg(format(E'%s = %s\n    %s', s.name, current_setting(s.name), s.short_desc), E'\n' ORDER BY s.name)
                FROM pg_settings AS s WHERE s.name LIKE 'specql.%') || E'\n\nMore of one: SELECT specql.help(''log_events'')';
    END IF;
    -- A topic may have the name of a view or a function too: all are shown.
    SELECT string_agg(p.page, E'\n\n' ORDER BY p.number) INTO page
    FROM (SELECT h.number, h.page FROM specql.help_page AS h WHERE lower(h.topic) = wanted
          UNION ALL
          (SELECT 1000000, format(E'specql.%s: %s\n\n', c.relname, obj_description(c.oid, 'pg_class'))
                  || string_agg(format('  %s %s', rpad(a.attname, 16), col_description(c.oid, a.attnum)), E'\n' ORDER BY a.attnum)
           FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('v', 'r', 'p') AND c.relname = wanted
           GROUP BY c.oid, c.relname)) AS p(number, page);
    EXECUTE format('SELECT concat_ws(E''\n\n'', $2, string_agg(f.long, E''\n\n'' ORDER BY f.oid)) FROM (%s) AS f WHERE f.name = $1', functions)
    INTO page USING wanted, page;
    page := nullif(page, '');
    IF page IS NULL THEN
        SELECT format(E'%s = %s\n\n%s', s.name, current_setting(s.name), concat_ws(E'\n', s.short_desc, s.extra_desc)) INTO page
        FROM pg_settings AS s WHERE s.name = 'specql.' || wanted;
    END IF;
    IF page IS NOT NULL THEN
        RETURN page;
    END IF;
    EXECUTE format($query$
        SELECT array_agg(n.name) FROM (
            SELECT h.topic FROM specql.help_page AS h UNION ALL SELECT unnest($1)
            UNION ALL SELECT c.relname::text FROM pg_class AS c
            WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind = 'v'
            UNION ALL SELECT f.name FROM (%s) AS f
            UNION ALL SELECT substr(s.name, 8) FROM pg_settings AS s WHERE s.name LIKE 'specql.%%') AS n(name) $query$, functions)
    INTO names USING lists;
    near := specql.nearest(CASE WHEN wanted ~ '^spql' THEN upper(wanted) ELSE wanted END, names);
    RAISE EXCEPTION 'there is no help on "%"', topic USING
        ERRCODE = 'undefined_object',
        DETAIL = 'Topics are ' || (SELECT string_agg(h.topic, ', ' ORDER BY h.number)
                                   FROM specql.help_page AS h WHERE h.topic !~ '^SPQL-')
                 || ', ' || array_to_string(lists, ', ') || '.',
        HINT = coalesce('Did you mean ' || near || '? ', '') || 'SELECT specql.help() lists the topics.';
END $$;
COMMENT ON FUNCTION specql.help(text) IS
'Help on a topic of the language, a function, view, setting or diagnostic code; without one, the list of topics';

GRANT SELECT ON specql.help_page TO PUBLIC;
REVOKE ALL ON FUNCTION specql.measure_actions(timestamptz, integer), specql.graph(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.measure_actions(timestamptz, integer), specql.graph(text) TO specql_admin;
GRANT SELECT ON specql.action_stats TO specql_admin;
-- Tests that nobody wrote: suites made from the specs in force, run by pgTAP.

CREATE FUNCTION specql.test_suites() RETURNS TABLE (suite text, actions integer)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_test_suites';
COMMENT ON FUNCTION specql.test_suites() IS 'The suites that specql.runtests can run: per schema and pattern one, with the number of actions in it';

CREATE FUNCTION specql.test_statements(suite text)
RETURNS TABLE (test integer, title text, kind text, sql text, description text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_test_statements';
COMMENT ON FUNCTION specql.test_statements(text) IS
'A suite, statement by statement: kind is fixture, step, check (a pgTAP call) or skip (sql is the reason)';

-- Where pgTAP is; its functions call each other without a schema.
CREATE FUNCTION specql.pgtap_schema() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pgtap'
$$;
COMMENT ON FUNCTION specql.pgtap_schema() IS 'The schema of the extension pgtap in this database; NULL if it is not installed';

-- Everything happens in a subtransaction that is rolled back: nothing is delivered, nothing stays.
CREATE FUNCTION specql.runtests(suite text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pgtap constant text := specql.pgtap_schema();
    statements jsonb;
    s record;
    line text;
    lines text[] := '{}';
    broken integer := 0;
    problem text;
BEGIN
    IF pgtap IS NULL THEN
        RAISE EXCEPTION 'specql.runtests needs pgTAP, which is not installed in this database'
            USING ERRCODE = 'undefined_function',
                  HINT = format('Type CREATE EXTENSION pgtap SCHEMA public; on Debian its package is postgresql-%s-pgtap.',
                                current_setting('server_version_num')::integer / 10000);
    END IF;
    SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') INTO statements FROM specql.test_statements($1) AS t;
    BEGIN
        PERFORM set_config('search_path', format('pg_catalog, %s, pg_temp', pgtap), true),
                set_config('client_min_messages', 'error', true);
        EXECUTE 'SELECT plan($1)' INTO line
        USING (SELECT count(*)::integer FROM jsonb_array_elements(statements) AS e
               WHERE e ->> 'kind' IN ('check', 'skip'));
        lines := array_append(lines, line);
        FOR s IN SELECT * FROM jsonb_to_recordset(statements)
                 AS e(test integer, title text, kind text, sql text, description text) LOOP
            IF s.kind = 'skip' THEN
                EXECUTE 'SELECT ok(true, $1) || '' '' || diag(''SKIP '' || $2)' INTO line USING s.description, s.sql;
                lines := array_append(lines, line);
                CONTINUE;
            END IF;
            BEGIN
                IF s.kind = 'check' THEN
                    IF s.test = broken THEN
                        RAISE EXCEPTION '%', problem;
                    END IF;
                    EXECUTE 'SELECT ' || s.sql INTO line;
                    lines := array_append(lines, line);
                ELSE
                    EXECUTE s.sql;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                IF s.kind = 'check' THEN
                    EXECUTE 'SELECT fail($1) || E''\n'' || diag($2)' INTO line USING s.description, SQLERRM;
                    lines := array_append(lines, line);
                ELSIF s.test <> broken THEN
                    broken := s.test;
                    problem := format('%s: %s', SQLERRM, s.sql);
                END IF;
            END;
        END LOOP;
        FOR line IN EXECUTE 'SELECT * FROM finish()' LOOP
            lines := array_append(lines, line);
        END LOOP;
        RAISE EXCEPTION USING ERRCODE = 'SQ207', MESSAGE = 'the tests are rolled back';
    EXCEPTION WHEN SQLSTATE 'SQ207' THEN
        NULL;
    END;
    RETURN QUERY SELECT l FROM unnest(lines) WITH ORDINALITY AS u(l, place) ORDER BY place;
END $$;
COMMENT ON FUNCTION specql.runtests(text) IS
'Runs a suite made from the specs in force with pgTAP, and rolls back all that it did. Gives lines of TAP';

-- The same as a script, for people to read and pg_prove to run.
CREATE FUNCTION specql.test_script(suite text) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH s AS MATERIALIZED (
        SELECT t.*, row_number() OVER () AS place FROM specql.test_statements($1) AS t),
    line AS (
        SELECT s.place,
               CASE WHEN s.test IS DISTINCT FROM lag(s.test) OVER (ORDER BY s.place)
                    THEN E'\n-- ' || s.title || E'\n' ELSE '' END ||
               CASE s.kind WHEN 'check' THEN 'SELECT ' || s.sql || ';'
                           WHEN 'skip' THEN format('SELECT ok(true, %L) || %L;', s.description,
                                                   ' # SKIP ' || replace(s.sql, E'\n', ' '))
                           ELSE s.sql || ';' END AS sql
        FROM s)
    SELECT format(E'-- Suite %s, written by specql from the specs in force.\n', $1) ||
           E'\\set QUIET 1\n\\set ON_ERROR_STOP 1\n\\pset format unaligned\n\\pset tuples_only true\n\\pset pager off\n' ||
           E'BEGIN;\nSET LOCAL client_min_messages = error;\n' ||
           format(E'SET LOCAL search_path = pg_catalog, %s, pg_temp;\n', coalesce(specql.pgtap_schema(), 'public')) ||
           format(E'SELECT plan(%s);\n', (SELECT count(*) FROM s WHERE s.kind IN ('check', 'skip'))) ||
           coalesce(string_agg(line.sql, E'\n' ORDER BY line.place), '') ||
           E'\n\nSELECT * FROM finish();\nROLLBACK;\n'
    FROM line
$$;
COMMENT ON FUNCTION specql.test_script(text) IS
'A suite as a psql script that ends with ROLLBACK: to read, to keep, and for pg_prove';

REVOKE ALL ON FUNCTION specql.test_suites(), specql.test_statements(text), specql.pgtap_schema(), specql.runtests(text),
    specql.test_script(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.test_suites(), specql.test_statements(text), specql.pgtap_schema(),
    specql.runtests(text), specql.test_script(text) TO specql_admin;
-- Who sees what: events, their failures and their deliveries hold rows of other people's tables. Members of specql_admin see
-- those of actions that they, or roles they are members of, have applied; whoever owns the extension sees all.
--
-- The views belong to specql_reader, a role that is nobody's, so that row-level security holds for them; the extension's own functions run
-- as its owner, for whom it does not.

CREATE VIEW specql.own_actions AS
    SELECT o.action
    FROM specql.action_owner AS o JOIN pg_catalog.pg_roles AS r ON r.rolname = o.owner
    WHERE pg_catalog.pg_has_role(r.oid, 'USAGE');
COMMENT ON VIEW specql.own_actions IS 'Actions, also former ones, whose events the current user may see';
COMMENT ON COLUMN specql.own_actions.action IS 'Schema and name';
GRANT SELECT ON specql.own_actions TO specql_reader;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{event_log,failure,waiting_event,outbox,delivery_history,dead_letter,window_rule,window_key,window_event}'::text[] LOOP
        EXECUTE pg_catalog.format('ALTER TABLE specql.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE pg_catalog.format('GRANT SELECT ON specql.%I TO specql_reader', name);
        EXECUTE pg_catalog.format($policy$
            CREATE POLICY own_actions ON specql.%I FOR SELECT TO specql_reader
            USING (action IS NULL
                   OR (SELECT pg_catalog.pg_has_role(x.extowner, 'USAGE') FROM pg_catalog.pg_extension AS x WHERE x.extname = 'specql')
                   OR action IN (SELECT o.action FROM specql.own_actions AS o))$policy$, name);
        EXECUTE pg_catalog.format('COMMENT ON POLICY own_actions ON specql.%I IS %L', name,
                                  'Nobody sees what came of the rules of others; what no rule is about, all who may look');
    END LOOP;
    FOREACH name IN ARRAY '{logged_events,unhandled_events,events,failures,deliveries,dead_letters,escalations,windows}'::text[] LOOP
        EXECUTE pg_catalog.format('ALTER VIEW specql.%I OWNER TO specql_reader', name);
    END LOOP;
END
$$;
