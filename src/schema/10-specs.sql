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
    called text,
    PRIMARY KEY (kind, schema, name, version)
);
COMMENT ON TABLE specql.unit_version IS 'Every version that each unit had; read it through specql.history';
COMMENT ON COLUMN specql.unit_version.kind IS 'entity, action (of a document that has only actions) or service';
COMMENT ON COLUMN specql.unit_version.schema IS 'Where it belongs; empty for a service';
COMMENT ON COLUMN specql.unit_version.name IS 'As the spec says it';
COMMENT ON COLUMN specql.unit_version.version IS 'Counts from 1';
COMMENT ON COLUMN specql.unit_version.text IS 'YAML that reads to exactly this unit';
COMMENT ON COLUMN specql.unit_version.spec IS 'The row of specql.spec that it came with';
COMMENT ON COLUMN specql.unit_version.called IS 'What it was called then, if that was another name';
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
    on_table text,
    shape jsonb,
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
COMMENT ON COLUMN specql.object.on_table IS 'Of a constraint, index or trigger: its table, quoted and qualified';
COMMENT ON COLUMN specql.object.shape IS 'Of a table: its columns, key and checks as apply made them, and whether it was adopted or made from steps';

-- No part of a dump: oids are of one database, and in another the names are the tables'.
CREATE TABLE specql.object_relation (
    identity text PRIMARY KEY,
    relation oid NOT NULL
);
COMMENT ON TABLE specql.object_relation IS 'Which relations the tables of specql.object are, whatever they are called by now';
COMMENT ON COLUMN specql.object_relation.identity IS 'As in specql.object';
COMMENT ON COLUMN specql.object_relation.relation IS 'Of pg_class, in this database';

CREATE VIEW specql.moved_table AS
    SELECT m.identity, m.unit, m.former, m.schema, m.name, m.with_schema,
           pg_catalog.concat_ws('; ',
               CASE WHEN m.with_schema THEN pg_catalog.format('ALTER SCHEMA %I RENAME TO %I', m.schema, m.former[1])
                    WHEN m.schema <> m.former[1] THEN pg_catalog.format('ALTER TABLE %I.%I SET SCHEMA %I', m.schema, m.name, m.former[1]) END,
               CASE WHEN m.name <> m.former[2] THEN pg_catalog.format('ALTER TABLE %I.%I RENAME TO %I', m.former[1], m.name, m.former[2]) END) AS back
    FROM (SELECT o.identity, o.unit, pg_catalog.parse_ident(o.identity) AS former, n.nspname::text AS schema, c.relname::text AS name,
                 NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS f
                             WHERE f.nspname = (pg_catalog.parse_ident(o.identity))[1]) AS with_schema
          FROM specql.object AS o
          JOIN specql.object_relation AS r ON r.identity = o.identity
          JOIN pg_catalog.pg_class AS c ON c.oid = r.relation
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE o.kind = 'table' AND c.relkind IN ('r', 'p')) AS m
    WHERE m.former <> ARRAY[m.schema, m.name]
      -- One that is known under that name is not a moved one.
      AND NOT EXISTS (SELECT FROM specql.object AS k
                      WHERE k.kind = 'table' AND k.identity = pg_catalog.format('%I.%I', m.schema, m.name));
COMMENT ON VIEW specql.moved_table IS 'Tables of specs that somebody renamed, or moved to another schema, since they were applied';
COMMENT ON COLUMN specql.moved_table.identity IS 'As it was applied, quoted and qualified';
COMMENT ON COLUMN specql.moved_table.unit IS 'The unit whose table it is, as kind:schema.name';
COMMENT ON COLUMN specql.moved_table.former IS 'The same as schema and name';
COMMENT ON COLUMN specql.moved_table.schema IS 'Where it is now';
COMMENT ON COLUMN specql.moved_table.name IS 'What it is called now';
COMMENT ON COLUMN specql.moved_table.with_schema IS 'Its schema was renamed';
COMMENT ON COLUMN specql.moved_table.back IS 'The commands that would undo it';

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
        WHERE t.kind = 'table' AND t.unit = u.key
        ORDER BY (t.shape ->> 'implied')::boolean, t.id
        LIMIT 1) o ON true
    WHERE u.kind = 'entity';
COMMENT ON VIEW specql.entities IS 'The entities in force, with the table of each';
COMMENT ON COLUMN specql.entities.schema IS 'Of the entity';
COMMENT ON COLUMN specql.entities.entity IS 'As the spec says it';
COMMENT ON COLUMN specql.entities."table" IS 'Quoted and qualified';
COMMENT ON COLUMN specql.entities.version IS 'Counts from 1';
COMMENT ON COLUMN specql.entities.applied_at IS 'When this version was applied';
COMMENT ON COLUMN specql.entities.applied_by IS 'The role that applied it';
COMMENT ON COLUMN specql.entities.text IS 'YAML that reads to exactly this entity';

GRANT SELECT ON specql.spec, specql.unit, specql.unit_version, specql.object, specql.moved_table, specql.history, specql.entities TO specql_admin;

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
COMMENT ON FUNCTION specql.explain(text, text) IS 'How each trigger and each name of a spec was understood, by which rule, and what each step does, in a sentence: which rows of what it touches, with which values';

-- They read what is installed, so they are for those who may apply; only apply changes anything.
REVOKE EXECUTE ON FUNCTION specql.apply(text, text, boolean, boolean), specql.plan(text, text, boolean, boolean),
    specql.script(text, text), specql.validate(text, text), specql.explain(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.apply(text, text, boolean, boolean), specql.plan(text, text, boolean, boolean),
    specql.script(text, text), specql.validate(text, text), specql.explain(text, text) TO specql_admin;
