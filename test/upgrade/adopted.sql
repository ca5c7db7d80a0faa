-- A table that others made and that a spec took as it is, as version 0.1.0 recorded that, with a rule whose trigger is on it.
CREATE TABLE "Post"."stamp on letter" (id uuid PRIMARY KEY DEFAULT specql.uuid_v7(), price integer, state text DEFAULT 'new');
INSERT INTO specql.spec (applied_by, text) VALUES ('postgres', 'stamps');
INSERT INTO specql.unit (kind, schema, name, version, text, spec)
SELECT 'entity', 'Post', 'Stamp', 1, E'entity: Stamp\nschema: Post\ntable: ''"stamp on letter"''\nfields:\n  price: integer\n  state: enum(new, used) = ''new''\nindexes: [{name: stamp_price, columns: [price]}]\n', max(id)
FROM specql.spec;
INSERT INTO specql.unit_version (kind, schema, name, version, text, spec)
SELECT kind, schema, name, version, text, spec FROM specql.unit WHERE name = 'Stamp';
CREATE INDEX stamp_price ON "Post"."stamp on letter" (price);
COMMENT ON INDEX "Post".stamp_price IS 'Index of entity Stamp';
INSERT INTO specql.object (kind, identity, unit, sql, state, server)
SELECT o.kind, o.identity, 'entity:Post.Stamp', o.sql, specql.object_state(o.kind, o.identity), specql.server_major()
FROM (VALUES
    ('table', '"Post"."stamp on letter"', E'-- an existing table, adopted\nCREATE TABLE "Post"."stamp on letter" (\n    id uuid DEFAULT specql.uuid_v7() NOT NULL,\n    price integer,\n    state text DEFAULT ''new'',\n    CONSTRAINT stamp_pkey PRIMARY KEY (id),\n    CONSTRAINT stamp_state_check CHECK (state IN (''new'', ''used''))\n);\nCOMMENT ON TABLE "Post"."stamp on letter" IS ''Entity Stamp'';'),
    ('index', '"Post".stamp_price', E'CREATE INDEX stamp_price ON "Post"."stamp on letter" (price);\nCOMMENT ON INDEX "Post".stamp_price IS ''Index of entity Stamp'';')) AS o(kind, identity, sql);
