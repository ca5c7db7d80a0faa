-- A database that is not UTF-8: the core works in UTF-8, and everything goes there and back.
\set ECHO none
SET client_min_messages = warning;
DROP DATABASE IF EXISTS specql_latin1;
CREATE DATABASE specql_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\set home :DBNAME
\c specql_latin1
SET client_min_messages = warning;
CREATE EXTENSION specql;
\set ECHO all
\set spec 'entity: Größe\nschema: maß\ndescription: "Übergröße"\nfields:\n  länge: integer\n  name: text = ''größer''\nactions:\n  - name: on_länge\n    on: update Größe.länge\n    conditions:\n      - if: "länge > 3 AND name <> ''ß'' "\n        then:\n          - update: Größe SET name = ''ä'' || länge::text\n'
SELECT * FROM specql.validate(:'spec');
SELECT action, kind, object FROM specql.apply(:'spec');
SELECT DISTINCT action FROM specql.apply(:'spec');
SELECT text = :'spec' AS verbatim FROM specql.spec;
SELECT obj_description('"maß"."größe"'::regclass, 'pg_class');
INSERT INTO "maß"."größe" ("länge") VALUES (1);
UPDATE "maß"."größe" SET "länge" = 5;
SELECT "länge", name FROM "maß"."größe";

-- Columns count characters; messages say what the encoding lacks in other letters.
SELECT line, col, message FROM specql.validate(E'entity: A\nfields:\n  x: text = ''größer'' || nosuch(''ß'')\n');
SELECT line, col, message FROM specql.validate(E'entity: A\nfields:\n  x: text = ''größer'' || (SELECT ''ß'')\n');
SELECT line, col, hint FROM specql.validate(E'entity: A\nfields:\n  größe: texxt\n');
-- A character that the database cannot hold.
SELECT code, line, col, message FROM specql.validate(E'entity: A\nfields:\n  x: "text = ''\\u20ac''"\n');
SELECT * FROM specql.apply(E'entity: A\ndescription: "\\u20ac"\nfields:\n  x: text\n');
SELECT count(*) AS tables FROM pg_class WHERE relname = 'a';

\set ECHO none
\c :home
DROP DATABASE specql_latin1;

-- Other encodings: the install script has only characters that all of them have, and so have the messages.
SET client_min_messages = warning;
DROP DATABASE IF EXISTS specql_euc;
CREATE DATABASE specql_euc ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c specql_euc
SET client_min_messages = warning;
\set ECHO all
CREATE EXTENSION specql;
\set spec 'entity: A\nfields:\n  x: integer\nactions:\n  - name: on_x\n    on: update A.x\n    steps:\n      - update: A SET x = x + 1\n'
SELECT count(*) FROM specql.apply(:'spec');
INSERT INTO a (x) VALUES (1);
SET specql.max_cascade_depth = 3;
SET client_min_messages = error;
UPDATE a SET x = 2;
RESET client_min_messages;
SELECT x FROM a;
SELECT sqlstate, detail FROM specql.failures;

\set ECHO none
\c :home
DROP DATABASE specql_euc;
