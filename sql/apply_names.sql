-- Names of 63 bytes: what PostgreSQL would cut gets a name that fits, and is unlike others.
CREATE EXTENSION specql;
SET client_min_messages = warning;
SELECT repeat('e', 62) || 'a' AS long, repeat('e', 62) || 'b' AS other, repeat('f', 50) || '_one' AS one, repeat('f', 50) || '_two' AS two, repeat('ü', 31) AS wide \gset
SELECT format(E'entity: %s\nschema: deep\nfields:\n  %s: enum(x, y)\n  %s: {type: "enum(x, y)", check: "%3$s <> ''y''"}\n---\nentity: %s\nschema: deep\nfields: {%s: email}\n---\nentity: %s\nschema: deep\nfields: {%s: email}\n', :'long', :'one', :'two', :'other', :'one', :'wide', :'wide') AS spec \gset
SELECT action, kind, object FROM specql.apply(:'spec');
SELECT DISTINCT action FROM specql.apply(:'spec');
SELECT conrelid::regclass, conname, octet_length(conname) AS bytes FROM pg_constraint WHERE connamespace = 'deep'::regnamespace AND contype <> 'n' ORDER BY conrelid::regclass::text, conname;
-- More values of one of them, when the name is a digest.
SELECT action, object, sql FROM specql.plan(replace(:'spec', format('%s: enum(x, y)', :'one'), format('%s: enum(x, y, z)', :'one'))) WHERE action <> 'unchanged';
-- A function of a long name is an error.
SELECT code, line, col, message, hint FROM specql.validate(format(E'entity: %s\nfields: {event_type: "enum(a)"}\n', :'long'));
DROP SCHEMA deep CASCADE;
