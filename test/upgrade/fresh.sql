-- The specs of the upgraded database, applied where nothing was before.
SET client_min_messages = error;
CREATE SCHEMA "Post";
CREATE TABLE "Post"."stamp on letter" (id uuid PRIMARY KEY DEFAULT specql.uuid_v7(), price integer, state text DEFAULT 'new');
SELECT count(*) FROM specql.apply(:'specs');
