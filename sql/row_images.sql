-- The images of rows are byte for byte what to_jsonb() makes of them: random rows of all types, with their limits.
SET client_min_messages = error;
SET timezone = 'Europe/Rome';
-- Images are written with these, whatever the session has.
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE EXTENSION specql;
CREATE SCHEMA i;
CREATE TYPE i.mood AS ENUM ('fine', 'so "so"', '');
CREATE TYPE i.pair AS (a integer, "b ""c" text, d numeric[], e jsonb);
CREATE TYPE i.part AS (p i.pair, m i.mood[]);
CREATE TYPE i.words AS RANGE (subtype = text);
CREATE DOMAIN i.amount AS numeric(12, 2);
CREATE DOMAIN i.moods AS i.mood[];
CREATE DOMAIN i.doc AS jsonb;
CREATE DOMAIN i.pairs AS i.pair;
CREATE TABLE i.sample (type text PRIMARY KEY, literals text[] NOT NULL);
INSERT INTO i.sample VALUES
    ('bool', '{t,f}'),
    ('bytea', ARRAY['', '\x00ff', '\x' || repeat('ab', 3000)]),
    ('"char"', ARRAY['', 'x', '"', '\']),
    ('name', ARRAY['', 'a', repeat('n', 63)]),
    ('int2', '{0,1,-1,9999,10000,-32768,32767}'),
    ('int4', '{0,7,-1,9999,10000,99999999,100000000,-2147483648,2147483647}'),
    ('int8', '{0,-1,10000,100000000,1000000000000,9999999999999999,10000000000000000,-9223372036854775808,9223372036854775807}'),
    ('float4', '{0,-0,1,-1.5,0.1,1e-45,3.4028235e38,1e6,123456.7,NaN,Infinity,-Infinity}'),
    ('float8', '{0,-0,1,-1.5,0.1,5e-324,1.7976931348623157e308,1e15,1e16,123456789012345680,NaN,Infinity,-Infinity}'),
    ('numeric', ARRAY['0', '0.000', '-0.0', '1', '-1', '10000', '100000000', '0.0001', '1.50', '123456789.987654321', '1e-100', '1e100',
                      '9' || repeat('0', 5000), '0.' || repeat('0', 5000) || '1', '1.' || repeat('0', 16383), repeat('12', 60000), 'NaN', 'Infinity', '-Infinity']),
    ('numeric(1000,500)', '{0,1,-1.25,9999.9999}'),
    ('text', ARRAY['', 'a', 'abc', '"quoted" \ and' || chr(10) || chr(9), 'NaN', 'null', repeat('t', 126), repeat('t', 127), repeat('long ', 3000),
                   (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) AS i)]),
    ('varchar(20)', ARRAY['', 'v', 'exactly twenty chars']),
    ('bpchar', ARRAY['', 'b ', 'b']),
    ('char(10)', ARRAY['', 'padded', 'ten chars.']),
    ('json', ARRAY['null', '"s"', '1.50', '{"b":1,"a":[],"a":{}}', '[1,[2,[3,{"k":null}]]]', '{}', '[]']),
    ('jsonb', ARRAY['null', '"s"', '""', '1.50', '-0', 'true', 'false', '{}', '[]', '[[]]', '{"":""}', '{"b":1,"a":[1.5,"x",null,true]}',
                    '"' || repeat('s', 4000) || '"', '{"k":"' || repeat('doc ', 4000) || '"}', '[' || repeat('{"a":1},', 100) || '0]',
                    repeat('[', 200) || repeat(']', 200), repeat('{"deep":[', 400) || repeat(']}', 400)]),
    ('jsonpath', '{"$.a[*] ? (@ > 1)",$}'),
    ('xml', '{<a/>,<b>text &amp; more</b>}'),
    ('uuid', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff,01234567-89ab-cdef-0123-456789abcdef}'),
    ('date', ARRAY['2024-02-29', '4713-01-01 BC', '0044-03-15 BC', '5874897-12-31', 'infinity', '-infinity']),
    ('time', '{00:00,24:00,12:34:56.789}'),
    ('timetz', '{00:00+00,12:34:56.789-15:59}'),
    ('timestamp', ARRAY['2024-01-01', '2024-01-01 12:34:56.789', '4713-01-01 BC', '294276-12-31 23:59:59.999999', 'infinity', '-infinity']),
    ('timestamptz', ARRAY['2024-07-01', '1883-11-18 12:00:00', '0001-01-01 BC', '294276-12-31 23:59:59.999999+00', 'infinity', '-infinity']),
    ('timestamp(0)', '{2024-01-01 12:34:56.789}'),
    ('interval', ARRAY['0', '1 day', '-1 year 2 mons -3 days 04:05:06.789', '178000000 years', '1 month -1 day -00:00:00.000001']),
    ('money', '{0,-1.50,92233720368547758.07,-92233720368547758.08}'),
    ('bit(5)', '{00000,10101}'),
    ('varbit', ARRAY['', '1', '10101010101']),
    ('inet', '{127.0.0.1,10.0.0.0/8,::1,2001:db8::/32}'),
    ('cidr', '{10.0.0.0/8,::/0}'),
    ('macaddr', '{08:00:2b:01:02:03}'),
    ('macaddr8', '{08:00:2b:01:02:03:04:05}'),
    ('point', '{"(0,-0)","(1e300,NaN)","(Infinity,-1.5)"}'),
    ('line', '{"{1,-1,0.5}"}'),
    ('lseg', '{"[(0,0),(1,1)]"}'),
    ('box', '{"(1,1),(0,0)"}'),
    ('path', '{"[(0,0),(1,1)]","((0,0),(1,1),(2,0))"}'),
    ('polygon', '{"((0,0),(1,1),(2,0))"}'),
    ('circle', '{"<(0,0),1.5>"}'),
    ('tsvector', ARRAY['', 'a:1A fat:2B,4C ''cat s''', 'x y z']),
    ('tsquery', ARRAY['', 'a & !b | ''c d'':AB <2> e']),
    ('oid', '{0,4294967295}'), ('xid', '{0,4294967295}'), ('xid8', '{0,18446744073709551615}'), ('cid', '{0,1}'), ('tid', '{"(0,1)","(4294967295,65535)"}'),
    ('pg_lsn', '{0/0,FFFFFFFF/FFFFFFFF}'), ('txid_snapshot', '{10:20:10,14}'), ('pg_snapshot', '{"10:20:10,14"}'), ('aclitem', '{=r/postgres}'),
    ('refcursor', '{cursor,"a b"}'), ('int2vector', ARRAY['', '1 2 -3']), ('oidvector', ARRAY['', '1 2 3']),
    ('regproc', '{0,pg_sleep}'), ('regprocedure', '{0,pg_sleep(double precision)}'), ('regoper', '{0,4294967295}'), ('regoperator', '{"+(integer,integer)"}'),
    ('regclass', '{0,pg_class,i.sample,4294967295}'), ('regtype', '{0,integer,i.mood}'), ('regrole', '{0}'), ('regnamespace', '{0,pg_catalog,i}'),
    ('regconfig', '{simple}'), ('regdictionary', '{simple}'), ('regcollation', '{0}'),
    ('int4range', '{empty,"[1,5)","(,)","[,3]"}'), ('int8range', '{empty,"[1,9223372036854775807)"}'), ('numrange', '{empty,"[1.50,2)","(,Infinity]"}'),
    ('tsrange', '{empty,"[2024-01-01,infinity]"}'), ('tstzrange', '{empty,"[2024-01-01,2025-01-01)"}'), ('daterange', '{empty,"[2024-01-01,)"}'),
    ('int4multirange', '{"{}","{[1,3),[5,9)}"}'), ('int8multirange', '{"{(,)}"}'), ('nummultirange', '{"{[1.50,2)}"}'),
    ('tsmultirange', '{"{[2024-01-01,2025-01-01)}"}'), ('tstzmultirange', '{"{[2024-01-01,2025-01-01)}"}'), ('datemultirange', '{"{}"}'),
    ('i.mood', ARRAY['fine', 'so "so"', '']), ('i.words', '{empty,"[a,b)"}'), ('i.amount', '{0,-1.50,9999999999.99}'),
    ('i.moods', ARRAY['{}', '{fine,NULL,""}']), ('i.doc', ARRAY['{"a": 1}', '2.50', 'null']),
    ('i.pair', ARRAY['(,,,)', '(1,"x ""y""","{1.50,NULL,NaN}","{""k"": [1]}")']), ('i.pairs', ARRAY['(2,z,"{}",null)']),
    ('i.part', ARRAY['("(1,x,{2},[])","{fine,NULL}")', '(,)']);
-- Those left out have no values of their own, or none that can be typed.
SELECT t.typname FROM pg_type AS t
WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm') AND t.typcategory <> 'A' AND t.typname !~ '^(pg_(node_tree|ndistinct|dependencies|mcv_list|brin.*)|gtsvector)$'
  AND NOT EXISTS (SELECT FROM i.sample AS s WHERE s.type::regtype = t.oid)
ORDER BY 1;

-- A column of each type and one of its arrays, in the order of a hash, with names of all lengths. Nothing in rows of the
-- first table calls code that is not the server's, or can raise an error.
CREATE VIEW i.columns AS
    SELECT t.name AS on_table, c.name, c.is_array, s.type, s.literals
    FROM i.sample AS s CROSS JOIN (VALUES ('i.plain'), ('i.wide')) AS t(name)
    CROSS JOIN LATERAL (VALUES (left(md5(s.type), 1 + length(s.type)), false), (rpad(s.type, 3 * length(s.type), '_'), true)) AS c(name, is_array)
    WHERE t.name = 'i.wide' OR s.type NOT LIKE 'i.%' AND s.type <> 'json';
DO $$
DECLARE
    tab text;
BEGIN
    FOREACH tab IN ARRAY '{i.plain,i.wide}'::text[] LOOP
        EXECUTE format('CREATE TABLE %s (id integer PRIMARY KEY, gone text DEFAULT %L, n integer DEFAULT 0)', tab, 'x');
        EXECUTE format('ALTER TABLE %s %s', tab, string_agg(format('ADD COLUMN %I %s%s', c.name, c.type, CASE WHEN c.is_array THEN '[]' END), ', ' ORDER BY md5(c.name)))
        FROM i.columns AS c WHERE c.on_table = tab;
        EXECUTE format('ALTER TABLE %s DROP COLUMN gone', tab);
        EXECUTE format('CREATE TABLE %s_before AS TABLE %1$s', tab);
    END LOOP;
END $$;
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Wide
schema: i
table: i.wide
fields: {n: integer}
actions:
  - name: on_wide
    trigger: any_wide_change
    steps:
      - insert: Seen SET wide = id
  - name: on_more
    on: update Wide.n
    steps:
      - insert: Seen SET wide = id
---
entity: Plain
schema: i
table: i.plain
fields: {n: integer}
actions:
  - name: on_plain
    trigger: any_plain_change
    steps:
      - insert: Seen SET wide = id
---
entity: Seen
schema: i
fields: {wide: integer}
$$);
-- A literal of the type, or of an array of it with all kinds of shapes; NULL now and then.
CREATE FUNCTION i.random_literal(literals text[], is_array boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    one text := literals[1 + floor(random() * cardinality(literals))];
    other text := literals[1 + floor(random() * cardinality(literals))];
BEGIN
    IF random() < 0.15 THEN
        RETURN NULL;
    ELSIF NOT is_array THEN
        RETURN one;
    END IF;
    one := '"' || regexp_replace(left(one, 3000), '(["\\])', '\\\1', 'g') || '"';
    other := '"' || regexp_replace(left(other, 3000), '(["\\])', '\\\1', 'g') || '"';
    RETURN format((ARRAY['{}', '{%1$s}', '{NULL,%1$s,NULL}', '[-1:0]={%1$s,%2$s}', '{{%1$s,NULL},{%2$s,%1$s}}', '{{{%2$s}}}'])[1 + floor(random() * 6)], one, other);
END $$;
-- Changes a part of all columns of all rows: what cannot be read, such as a text that was cut, stays what it is.
CREATE PROCEDURE i.fill(chance double precision) LANGUAGE plpgsql AS $$
DECLARE
    c record;
    tab text;
    number integer;
    sets text;
BEGIN
    FOR tab, number IN SELECT t.name, i FROM (VALUES ('i.plain'), ('i.wide')) AS t(name), generate_series(1, 60) AS i ORDER BY 1, 2 LOOP
        sets := 'n = n + 1';
        FOR c IN SELECT * FROM i.columns AS l WHERE l.on_table = tab ORDER BY md5(l.name) LOOP
            CONTINUE WHEN random() > chance;
            DECLARE
                literal text := i.random_literal(c.literals, c.is_array);
            BEGIN
                EXECUTE format('SELECT %L::%s%s', literal, c.type, CASE WHEN c.is_array THEN '[]' END);
                sets := sets || format(', %I = %L', c.name, literal);
            EXCEPTION WHEN data_exception OR syntax_error THEN
                NULL;
            END;
        END LOOP;
        EXECUTE format('UPDATE %s SET %s WHERE id = %s', tab, sets, number);
    END LOOP;
END $$;
-- What events were about, and how many of their images are not what to_jsonb() gives of the rows, and of those that were kept.
CREATE PROCEDURE i.keep() LANGUAGE sql AS $$
    TRUNCATE i.wide_before, i.plain_before, specql.event_log;
    INSERT INTO i.wide_before TABLE i.wide;
    INSERT INTO i.plain_before TABLE i.plain;
$$;
CREATE FUNCTION i.compared(OUT action text, OUT events bigint, OUT wrong bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    tab text;
BEGIN
    FOREACH tab IN ARRAY '{i.plain,i.wide}'::text[] LOOP
        RETURN QUERY EXECUTE format('
            SELECT e.action, count(*), count(*) FILTER (WHERE NOT record_image_eq(ROW(e.data), ROW(jsonb_build_object(''old'', to_jsonb(b), ''new'', to_jsonb(w)))))
            FROM specql.events AS e LEFT JOIN %s_before AS b ON b.id::text = e.subject LEFT JOIN %1$s AS w ON w.id::text = e.subject
            WHERE e.entity = %1$L GROUP BY 1 ORDER BY 1', tab);
    END LOOP;
END $$;
SELECT setseed(0.4);
INSERT INTO i.wide (id) SELECT generate_series(1, 60);
INSERT INTO i.plain (id) SELECT generate_series(1, 60);
SELECT * FROM i.compared();
CALL i.keep();
CALL i.fill(0.9);
SELECT * FROM i.compared();
-- The values of a row are many and not all equal.
SELECT count(DISTINCT v.value) > 1000 AS varied, count(*) > 5000 AS many FROM i.wide AS w, jsonb_each(to_jsonb(w)) AS v WHERE v.value <> 'null';
-- A few columns; columns that rows do not have yet; none; and settings that change how types are written.
CALL i.keep();
CALL i.fill(0.05);
SELECT * FROM i.compared();
ALTER TABLE i.wide ADD COLUMN fresh numeric DEFAULT 1.50, ADD COLUMN "fresher one" jsonb DEFAULT '{"a": [1.0]}';
ALTER TABLE i.wide_before ADD COLUMN fresh numeric, ADD COLUMN "fresher one" jsonb;
CALL i.keep();
SET datestyle = 'German';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -3;
SET bytea_output = 'escape';
UPDATE i.wide SET n = n;
UPDATE i.plain SET n = n;
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
RESET extra_float_digits;
RESET bytea_output;
SELECT * FROM i.compared();
CALL i.keep();
DELETE FROM i.wide;
DELETE FROM i.plain;
SELECT * FROM i.compared();
-- A partition may have its columns in another order, and more that are dropped.
CREATE TABLE i.parted (id integer, a text, b numeric) PARTITION BY LIST (id);
CREATE TABLE i.part_1 (b numeric, x text, id integer, a text);
ALTER TABLE i.part_1 DROP COLUMN x;
ALTER TABLE i.parted ATTACH PARTITION i.part_1 FOR VALUES IN (1);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Parted
schema: i
table: i.parted
fields: {id: integer, a: text, b: decimal}
actions:
  - name: on_parted
    trigger: any_parted_change
    steps:
      - insert: Seen SET wide = old.id
$$);
INSERT INTO i.parted VALUES (1, 'one', 1.50);
UPDATE i.parted SET a = 'two';
DELETE FROM i.part_1;
SELECT data FROM specql.events WHERE entity = 'i.parted' ORDER BY id;
-- A cast to json that comes later counts from then on.
CREATE TABLE i.moody (id integer PRIMARY KEY, m i.mood);
SELECT count(*) > 0 AS applied FROM specql.apply($$
entity: Moody
schema: i
table: i.moody
actions:
  - name: on_moody
    trigger: any_moody_change
    steps:
      - insert: Seen SET wide = id
$$);
INSERT INTO i.moody VALUES (1, 'fine');
CREATE FUNCTION i.mood_json(i.mood) RETURNS json LANGUAGE sql IMMUTABLE AS $$SELECT json_build_object('mood', $1::text)$$;
CREATE CAST (i.mood AS json) WITH FUNCTION i.mood_json(i.mood);
INSERT INTO i.moody VALUES (2, 'fine');
DROP CAST (i.mood AS json);
INSERT INTO i.moody VALUES (3, 'fine');
SELECT data -> 'new' -> 'm' AS m FROM specql.events WHERE entity = 'i.moody' ORDER BY id;
