-- Migrations of others: what happens to rules when somebody changes their tables by hand. src/pg/migrations has the other half.

-- No part of a dump: after a restore, applying the spec again makes what is missing.
CREATE TABLE specql.put_aside (
    capture text PRIMARY KEY,
    action text NOT NULL,
    owner specql.role NOT NULL,
    relation oid NOT NULL,
    query text NOT NULL,
    names text[] NOT NULL,
    types text[] NOT NULL,
    afterwards text[] NOT NULL,
    put_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    put_by xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    detached oid,
    problem text
);
COMMENT ON TABLE specql.put_aside IS 'Capture functions that stood in the way of a command, or of specql.detach, until they are made again';
COMMENT ON COLUMN specql.put_aside.capture IS 'The function, quoted and qualified';
COMMENT ON COLUMN specql.put_aside.action IS 'Schema and name of the action that it is of';
COMMENT ON COLUMN specql.put_aside.owner IS 'Who owned it, and will own it again';
COMMENT ON COLUMN specql.put_aside.relation IS 'The table that the action is on: of pg_class, in this database';
COMMENT ON COLUMN specql.put_aside.query IS 'Its body';
COMMENT ON COLUMN specql.put_aside.names IS 'The names of its outputs';
COMMENT ON COLUMN specql.put_aside.types IS 'The types that they had';
COMMENT ON COLUMN specql.put_aside.afterwards IS 'Commands that give it its rights and its comment again';
COMMENT ON COLUMN specql.put_aside.put_at IS 'Since when it is not there';
COMMENT ON COLUMN specql.put_aside.put_by IS 'The transaction that did it; its next commands try to make it again, later only specql.attach does';
COMMENT ON COLUMN specql.put_aside.detached IS 'The table whose specql.attach makes it again; NULL: that of relation';
COMMENT ON COLUMN specql.put_aside.problem IS 'Why it could not be made again; NULL if nobody has tried';

-- Column 0 stands for the whole relation.
CREATE FUNCTION specql.captures_reading(relations oid[], columns smallint[])
RETURNS TABLE (function oid, capture text, action text, relation oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT p.oid, a.capture, a.action, t.tgrelid
    FROM unnest($1, $2) AS c(relation, number)
    JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relation AND d.classid = 'pg_proc'::regclass
                       AND (c.number = 0 OR d.refobjsubid = c.number)
    JOIN pg_proc AS p ON p.oid = d.objid
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN specql.action AS a ON parse_ident(a.capture) = ARRAY[n.nspname, p.proname]::text[]
    -- What handles answers to calls has no trigger.
    CROSS JOIN LATERAL (SELECT g.tgrelid FROM pg_trigger AS g
                        WHERE g.tgfoid = 'specql.dispatch()'::regprocedure AND g.tgname = specql.trigger_name(a.capture)
                        UNION ALL
                        SELECT to_regclass(a.relation)::oid WHERE starts_with(a.part, 'answer ')) AS t
    JOIN pg_depend AS r ON r.classid = 'pg_proc'::regclass AND r.objid = p.oid AND r.refclassid = 'pg_class'::regclass AND r.refobjid = t.tgrelid
    WHERE p.prosqlbody IS NOT NULL AND p.pronargs = 0
$$;
COMMENT ON FUNCTION specql.captures_reading(oid[], smallint[]) IS
'The generated capture functions of actions that read one of these columns (0: anything of the relation), and the tables that the actions are on';

-- Somebody who changes a table that is read by the rules of another role must not decide what those rules call from now on: a
-- type can bring casts that call functions. So that role makes them again itself.
CREATE FUNCTION specql.put_aside(relations oid[], columns smallint[], caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT DISTINCT ON (f.function) f.capture, f.action, f.relation, p.oid, p.proowner, p.proacl, p.proargnames, p.proallargtypes,
                    pg_has_role(caller, p.proowner, 'USAGE') AS own
             FROM specql.captures_reading($1, $2) AS f JOIN pg_proc AS p ON p.oid = f.function ORDER BY f.function LOOP
        INSERT INTO specql.put_aside AS a (capture, action, owner, relation, query, names, types, afterwards, detached, problem)
        VALUES (r.capture, r.action, r.proowner::specql.role, r.relation,
                regexp_replace(pg_get_function_sqlbody(r.oid), '^\s*BEGIN ATOMIC\s*(.*);\s*END\s*$', '\1'),
                r.proargnames, ARRAY(SELECT format_type(t.type, NULL) FROM unnest(r.proallargtypes) WITH ORDINALITY AS t(type, n) ORDER BY t.n),
                ARRAY(SELECT format('COMMENT ON FUNCTION %s() IS %L', r.capture, d.description) FROM pg_description AS d
                      WHERE d.classoid = 'pg_proc'::regclass AND d.objoid = r.oid)
                || CASE WHEN r.proacl IS NOT NULL THEN ARRAY[format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', r.capture)]
                        || ARRAY(SELECT format('GRANT EXECUTE ON FUNCTION %s() TO %s', r.capture,
                                               CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END)
                                 FROM aclexplode(r.proacl) AS x) ELSE '{}' END,
                CASE WHEN NOT r.own THEN r.relation END,
                CASE WHEN NOT r.own THEN format('%I has changed a table that it reads', pg_get_userbyid(caller)) END)
        ON CONFLICT (capture) DO UPDATE SET (action, owner, relation, query, names, types, afterwards, put_at, put_by, detached, problem)
            = ROW (excluded.action, excluded.owner, excluded.relation, excluded.query, excluded.names, excluded.types,
                   excluded.afterwards, excluded.put_at, excluded.put_by, excluded.detached, excluded.problem);
        EXECUTE format('DROP FUNCTION %s()', r.capture);
        IF NOT r.own THEN
            RAISE NOTICE 'action % is broken: it belongs to another role, and reads what is changed', r.action
                USING HINT = format('%s can make it work again: SELECT specql.attach(%L).', pg_get_userbyid(r.proowner), r.relation::regclass);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.put_aside(oid[], smallint[], oid) IS
'Drops the capture functions that read one of these columns, and keeps what it takes to make them again';

-- The function by which a handler reads its events lists the same columns, with the same types.
CREATE FUNCTION specql.commands_to_make(capture text, types text[]) RETURNS TABLE (number bigint, command text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p specql.put_aside;
    f pg_proc;
    made text[];
    columns text;
    body text;
    part record;
BEGIN
    SELECT * INTO p FROM specql.put_aside AS a WHERE a.capture = $1;
    SELECT ARRAY[format(E'CREATE FUNCTION %s(%s)\nRETURNS record\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n%s;\nEND', p.capture,
                        string_agg(format('OUT %I %s', o.name, o.type), ', ' ORDER BY o.n), p.query)] || p.afterwards INTO made
    FROM unnest(p.names, $2) WITH ORDINALITY AS o(name, type, n);
    SELECT r.* INTO f FROM pg_proc AS r JOIN pg_namespace AS n ON n.oid = r.pronamespace
    WHERE ARRAY[n.nspname, r.proname]::text[] = (SELECT ARRAY[i[1], regexp_replace(i[2], '_capture$', '_rows')] FROM parse_ident(p.capture) AS i)
      AND r.pronargs = 1 AND r.proargtypes[0] = 'integer'::regtype AND r.proowner = p.owner::oid AND p.types <> $2;
    IF FOUND AND f.prosrc ~ 'FROM specql\.rows\(branch\) AS r\(' THEN
        body := f.prosrc;
        FOR part IN SELECT o.name, o.type FROM unnest(p.names, p.types, $2) AS o(name, was, type) WHERE o.was <> o.type LOOP
            body := regexp_replace(body,
                '(FROM specql\.rows\(branch\) AS r\((?:.*,\s)?\s*' || regexp_replace(quote_ident(part.name), '([^[:alnum:]_])', '\\\1', 'g')
                || ')\s[^,()]*(?:\([^)]*\))?[^,()]*', '\1 ' || replace(part.type, '\', '\\'));
        END LOOP;
        SELECT string_agg(format('%I %s', c.name, coalesce(o.type, format_type(c.type, NULL))), ', ' ORDER BY c.n) INTO columns
        FROM unnest(f.proargnames, f.proallargtypes, f.proargmodes) WITH ORDINALITY AS c(name, type, mode, n)
        LEFT JOIN unnest(p.names, $2) AS o(name, type) ON o.name = c.name
        WHERE c.mode = 't';
        made := made || format('DROP FUNCTION %s', f.oid::regprocedure)
            || format(E'CREATE FUNCTION %s(branch integer)\nRETURNS TABLE (%s)\nLANGUAGE sql STABLE\nAS %L', left(f.oid::regprocedure::text, -length('(integer)')), columns, body)
            || ARRAY(SELECT format('COMMENT ON FUNCTION %s IS %L', f.oid::regprocedure, d.description) FROM pg_description AS d
                     WHERE d.classoid = 'pg_proc'::regclass AND d.objoid = f.oid);
    END IF;
    RETURN QUERY SELECT m.n, m.command FROM unnest(made) WITH ORDINALITY AS m(command, n);
END $$;
COMMENT ON FUNCTION specql.commands_to_make(text, text[]) IS
'The commands, for its owner, that make a capture function again whose outputs have these types now';

CREATE FUNCTION specql.made_again(capture text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.object AS o SET state = specql.object_state(o.kind, o.identity, o.on_table), server = specql.server_major()
    WHERE o.kind = 'function' AND o.state IS NOT NULL
      AND o.identity IN ($1 || '()', regexp_replace($1, '_capture("?)$', '_rows\1(integer)'));
    WITH back AS (DELETE FROM specql.put_aside AS p WHERE p.capture = $1 RETURNING p.action)
    SELECT specql.retry_missing(ARRAY(SELECT b.action FROM back AS b));
$$;
COMMENT ON FUNCTION specql.made_again(text) IS 'Writes down that a capture function is there again';

-- The events of a broken action are recognised by the name of their table.
CREATE FUNCTION specql.is_broken(capture text, problem text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.put_aside AS p SET problem = $2 WHERE p.capture = $1 AND p.problem IS DISTINCT FROM $2;
    UPDATE specql.action AS a SET relation = p.relation::regclass::text
    FROM specql.put_aside AS p
    WHERE p.capture = $1 AND a.capture = $1 AND a.relation <> p.relation::regclass::text;
$$;
COMMENT ON FUNCTION specql.is_broken(text, text) IS 'Writes down why a capture function cannot be made again';

CREATE FUNCTION specql.commands_to_drop(capture text) RETURNS TABLE (number bigint, command text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT row_number() OVER (), format('DROP FUNCTION IF EXISTS %s', f.signature)
    FROM specql.action AS a
    CROSS JOIN LATERAL (VALUES (to_regprocedure(a.handler || '()')),
                               (to_regprocedure(regexp_replace(a.capture, '_capture("?)$', '_rows\1(integer)')))) AS f(signature)
    JOIN specql.put_aside AS p ON p.capture = a.capture
    JOIN pg_proc AS r ON r.oid = f.signature AND r.proowner = p.owner::oid
    WHERE a.capture = $1 AND EXISTS (SELECT FROM specql.object AS o WHERE o.kind = 'function' AND to_regprocedure(o.identity) = f.signature)
$$;
COMMENT ON FUNCTION specql.commands_to_drop(text) IS
'The commands, for their owner, that drop the generated functions of an action whose table is gone; what was written by hand stays';

-- An entity stays in force without its table, which specql.drift() tells: others may refer to it.
CREATE FUNCTION specql.rule_dropped(capture text, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone record;
    units text[];
BEGIN
    SELECT a.action, a.relation, a.handler INTO gone FROM specql.action AS a WHERE a.capture = $1 LIMIT 1;
    DELETE FROM specql.action AS a WHERE a.capture = $1;
    DELETE FROM specql.put_aside AS p WHERE p.capture = $1;
    IF NOT EXISTS (SELECT FROM specql.action AS a WHERE a.action = gone.action) THEN
        DELETE FROM specql.action_function AS f WHERE f.action = gone.action;
    END IF;
    WITH objects AS (
        DELETE FROM specql.object AS o USING specql.unit AS u
        WHERE u.key = o.unit AND u.kind = 'action'
          AND (o.kind = 'function' AND to_regprocedure(o.identity) IS NULL OR o.kind = 'trigger' AND to_regclass(o.on_table) IS NULL
               OR o.kind = 'registration' AND NOT EXISTS (SELECT FROM specql.action AS a WHERE a.action = o.identity))
        RETURNING o.unit)
    SELECT array_agg(DISTINCT o.unit) INTO units FROM objects AS o;
    WITH dropped AS (
        DELETE FROM specql.unit AS u WHERE u.key = ANY (units) AND NOT EXISTS (
            SELECT FROM specql.object AS o WHERE o.unit = u.key AND o.kind IN ('registration', 'window'))
        RETURNING u.key)
    INSERT INTO specql.spec (applied_by, text)
    SELECT pg_get_userbyid($2), string_agg(format(E'# dropped with its table: %s\n', d.key), '') FROM dropped AS d HAVING count(*) > 0;
END $$;
COMMENT ON FUNCTION specql.rule_dropped(text, oid) IS 'Writes down that an action is gone with its table';

-- The trigger of a table names columns: those that are private, or declared. One that is declared and gone is no harm.
CREATE FUNCTION specql.commands_to_follow(relation text, spelling text[]) RETURNS TABLE (number bigint, command text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH said AS (
        SELECT t.oid, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) AS definition,
               ARRAY(SELECT convert_from(decode(p.part, 'escape'), getdatabaseencoding())
                     FROM unnest(string_to_array(encode(t.tgargs, 'escape'), '\000')) WITH ORDINALITY AS p(part, n)
                     WHERE p.n <= t.tgnargs ORDER BY p.n) AS arguments
        FROM pg_trigger AS t
        WHERE t.tgrelid = to_regclass($1) AND t.tgfoid = 'specql.capture()'::regprocedure AND t.tgnargs > 0
          AND NOT t.tgisinternal AND t.tgparentid = 0
    ), follow AS (
        SELECT s.*, ARRAY(SELECT CASE WHEN a.argument IN ('private ' || $2[1], 'declared ' || $2[1]) AND $2[2] IS NOT NULL
                                      THEN regexp_replace(a.argument, ' .*$', ' ') || $2[2] ELSE a.argument END
                          FROM unnest(s.arguments) WITH ORDINALITY AS a(argument, n)
                          WHERE $2[2] IS NOT NULL OR a.argument <> 'private ' || $2[1] ORDER BY a.n) AS now
        FROM said AS s)
    SELECT c.number, c.command
    FROM follow AS f
    CROSS JOIN LATERAL (VALUES
        (1::bigint, concat_ws(' ', 'CREATE', 'OR', 'REPLACE', substr(left(f.definition, strpos(f.definition, ' EXECUTE FUNCTION ') - 1), length('CREATE ') + 1))
            || format(' EXECUTE FUNCTION specql.capture(%s)', (SELECT string_agg(quote_literal(a.argument), ', ' ORDER BY a.n)
                                                              FROM unnest(f.now) WITH ORDINALITY AS a(argument, n)))),
        (2, CASE f.tgenabled WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', $1, f.tgname)
                             WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', $1, f.tgname)
                             WHEN 'D' THEN format('ALTER TABLE %s DISABLE TRIGGER %I', $1, f.tgname) END)) AS c(number, command)
    WHERE f.now <> f.arguments AND c.command IS NOT NULL
$$;
COMMENT ON FUNCTION specql.commands_to_follow(text, text[]) IS
'The commands, for the owner of a table, by which its trigger knows a private or declared column under another name; without a second name the column is gone';

CREATE FUNCTION specql.before_ddl() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_before_ddl';
COMMENT ON FUNCTION specql.before_ddl() IS 'Event trigger: puts the capture functions aside that read what a command is about to change or drop';

CREATE FUNCTION specql.after_ddl() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_after_ddl';
COMMENT ON FUNCTION specql.after_ddl() IS 'Event trigger: makes them again, as their owner; those that cannot be made are broken, and those of dropped tables go with them';

CREATE EVENT TRIGGER specql_before_ddl ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'DROP TABLE', 'DROP FOREIGN TABLE', 'DROP VIEW', 'DROP MATERIALIZED VIEW',
                 'DROP SCHEMA', 'DROP OWNED')
    EXECUTE FUNCTION specql.before_ddl();
COMMENT ON EVENT TRIGGER specql_before_ddl IS 'Lets commands of others through that change what rules read';
CREATE EVENT TRIGGER specql_after_ddl ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'DROP TABLE', 'DROP FOREIGN TABLE', 'DROP VIEW', 'DROP MATERIALIZED VIEW',
                 'DROP SCHEMA', 'DROP OWNED', 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER VIEW', 'CREATE VIEW', 'ALTER SCHEMA', 'CREATE TYPE')
    EXECUTE FUNCTION specql.after_ddl();
COMMENT ON EVENT TRIGGER specql_after_ddl IS 'Makes the rules again that were put aside';

CREATE FUNCTION specql.detach(relation regclass) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_detach';
COMMENT ON FUNCTION specql.detach(regclass) IS
'Takes the functions out of the way that read a table, so that its columns can be changed where event triggers do not run. Until specql.attach its events wait in specql.failures';

CREATE FUNCTION specql.attach(relation regclass) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_attach';
COMMENT ON FUNCTION specql.attach(regclass) IS 'Makes again what specql.detach took out of the way, as its owner; what cannot be made is broken, and a notice says so';

REVOKE ALL ON FUNCTION specql.captures_reading(oid[], smallint[]), specql.put_aside(oid[], smallint[], oid),
    specql.commands_to_make(text, text[]), specql.made_again(text), specql.is_broken(text, text), specql.commands_to_drop(text),
    specql.rule_dropped(text, oid), specql.commands_to_follow(text, text[]), specql.before_ddl(), specql.after_ddl(), specql.detach(regclass), specql.attach(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.detach(regclass), specql.attach(regclass) TO specql_admin;
