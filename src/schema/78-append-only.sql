-- Append-only logs of the users: kept so by a trigger, whose arguments say which entities' rows they hold, and thinned
-- out by their owner only.

CREATE FUNCTION specql.refuse_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_refuse_change';
COMMENT ON FUNCTION specql.refuse_change() IS 'Trigger that keeps an append-only log append-only: refuses UPDATE, DELETE and TRUNCATE';

-- What the triggers of append-only logs say, as apply made them: others may put such a trigger on a table, or write it anew, who may
-- not be believed. src/core/emit writes their arguments.
CREATE FUNCTION specql.log_readings() RETURNS TABLE (relation text, log regclass, key_column text, state_column text,
    time_column text, type_column text, type_value text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.args[n], t.log, t.args[n + 1], t.args[n + 2], t.args[n + 3], nullif(t.args[n + 4], ''), nullif(t.args[n + 5], '')
    FROM (SELECT g.tgrelid::regclass AS log, g.tgname AS name, g.tgnargs,
                 ARRAY(SELECT convert_from(decode(p.part, 'escape'), getdatabaseencoding())
                       FROM unnest(string_to_array(encode(g.tgargs, 'escape'), '\000')) WITH ORDINALITY AS p(part, n)
                       ORDER BY p.n) AS args
          FROM pg_trigger AS g WHERE g.tgfoid = 'specql.refuse_change()'::regprocedure) AS t,
         generate_series(1, t.tgnargs, 6) AS n
    WHERE EXISTS (
        SELECT FROM specql.object AS o
        WHERE o.kind = 'trigger'
          AND o.identity = quote_ident(t.name) || ' on ' || coalesce((SELECT r.identity FROM specql.object_relation AS r WHERE r.relation = t.log), t.log::text)
          AND strpos(o.sql, format('specql.refuse_change(%s)', (SELECT string_agg(quote_literal(a.value), ', ' ORDER BY a.place)
                                    FROM unnest(t.args[:t.tgnargs]) WITH ORDINALITY AS a(value, place)))) > 0)
$$;
COMMENT ON FUNCTION specql.log_readings() IS
'Which append-only logs every change of a table''s rows is written to as a whole row, and in which columns';

CREATE FUNCTION specql.expire_log(log regclass, before timestamptz) RETURNS bigint
LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_expire_log';
COMMENT ON FUNCTION specql.expire_log(regclass, timestamptz) IS
'The retention path of append-only logs, for their owner: deletes rows older than a time, but the last of each key, from which specql.state_at goes on; how many';

REVOKE ALL ON FUNCTION specql.refuse_change(), specql.log_readings(), specql.expire_log(regclass, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.refuse_change(), specql.log_readings(), specql.expire_log(regclass, timestamptz)
TO specql_admin;
GRANT SELECT ON specql.object_relation TO specql_admin;
