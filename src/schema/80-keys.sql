-- The key of a row: its columns, and the text by which its events name it.

CREATE FUNCTION specql.key_columns(relation regclass) RETURNS TABLE (name text, type text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text, format_type(t.id, CASE WHEN t.id = a.atttypid THEN a.atttypmod END)
    FROM pg_index AS i CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    CROSS JOIN LATERAL (
        WITH RECURSIVE base AS (
            SELECT a.atttypid AS id
            UNION ALL SELECT y.typbasetype FROM base AS b JOIN pg_type AS y ON y.oid = b.id WHERE y.typtype = 'd')
        SELECT b.id FROM base AS b JOIN pg_type AS y ON y.oid = b.id WHERE y.typtype <> 'd') AS t
    WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts
    ORDER BY k.place
$$;
COMMENT ON FUNCTION specql.key_columns(regclass) IS
'The columns of a table''s primary key, in its order, and their types; of a domain that below it, so that nobody''s check is run';

-- The same expression that capture functions are generated with.
CREATE FUNCTION specql.subject_sql(relation regclass, alias text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN count(*) = 1 THEN min(CASE WHEN k.type = 'date' OR k.type LIKE 'timestamp%'
                                                THEN format('(to_jsonb(%s) #>> ''{}'')', v.value) ELSE v.value || '::text' END)
                WHEN count(*) > 1 THEN format('jsonb_build_array(%s)::text', string_agg(v.value, ', ' ORDER BY k.place)) END
    FROM specql.key_columns($1) WITH ORDINALITY AS k(name, type, place)
    CROSS JOIN LATERAL (SELECT CASE WHEN k.type LIKE 'timestamp%with time zone' THEN format('(%s.%I AT TIME ZONE ''UTC'')', $2, k.name)
                                           ELSE format('%s.%I', $2, k.name) END) AS c(expression)
    -- A type that does not come with the server may have a cast, which would be code of its owner.
    CROSS JOIN LATERAL (SELECT CASE WHEN k.type::regtype::oid < 16384 THEN c.expression ELSE format('format(''%%s'', %s)', c.expression) END) AS v(value)
$$;
COMMENT ON FUNCTION specql.subject_sql(regclass, text) IS
'The expression that gives the subject of a row''s events: its key as text, of several columns a JSON array; NULL if it has no primary key';

-- In the formats of captured rows, whatever the session's are.
CREATE FUNCTION specql.subject_of(relation regclass, id text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    expression constant text := specql.subject_sql(relation, 'k');
    columns constant integer := (SELECT count(*) FROM specql.key_columns(relation));
    listed constant text := (SELECT string_agg(k.name || ' ' || k.type, ', ') FROM specql.key_columns(relation) AS k);
    key_values text[];
    result text;
    stored text;
BEGIN
    IF expression IS NULL THEN
        RAISE EXCEPTION '% has no primary key that tells its rows apart', relation USING ERRCODE = 'no_data_found';
    END IF;
    IF columns > 1 AND (CASE WHEN jsonb_typeof(id::jsonb) = 'array' THEN jsonb_array_length(id::jsonb) END) IS DISTINCT FROM columns THEN
        RAISE EXCEPTION 'the key of % is a JSON array of %', relation, listed USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF columns = 1 THEN
        key_values := ARRAY[id];
    ELSE
        key_values := ARRAY(SELECT jsonb_array_elements_text(id::jsonb));
    END IF;
    EXECUTE format('SELECT %s FROM (SELECT %s) AS k', expression,
        (SELECT string_agg(format('%L::%s AS %I', key_values[k.place], k.type, k.name), ', ')
         FROM specql.key_columns(relation) WITH ORDINALITY AS k(name, type, place)))
    INTO result;
    IF NOT has_table_privilege(relation, 'SELECT') THEN
        RETURN result;
    END IF;
    -- Equal keys may be written differently, as 1.5 and 1.50; events have the row's own.
    EXECUTE format('SELECT %s FROM %s AS k WHERE %s', expression, relation,
        (SELECT string_agg(format('k.%I = %L::%s', k.name, key_values[k.place], k.type), ' AND ')
         FROM specql.key_columns(relation) WITH ORDINALITY AS k(name, type, place)))
    INTO stored;
    RETURN coalesce(stored, result);
EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION '% is no key of %', id, relation
        USING ERRCODE = 'invalid_parameter_value', DETAIL = SQLERRM || '.',
              HINT = format('It is %s.', CASE WHEN columns > 1 THEN 'a JSON array of ' ELSE '' END || listed);
END $$;
COMMENT ON FUNCTION specql.subject_of(regclass, text) IS 'The subject of a row''s events, from its key as somebody wrote it; an error if it is none';

CREATE FUNCTION specql.key_of(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1 AND i.indisprimary AND i.indnkeyatts = 1
$$;
COMMENT ON FUNCTION specql.key_of(regclass) IS 'The column that is a table''s primary key; NULL if it is not one column';

REVOKE ALL ON FUNCTION specql.key_columns(regclass), specql.subject_sql(regclass, text),
    specql.subject_of(regclass, text), specql.key_of(regclass)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.key_columns(regclass), specql.subject_sql(regclass, text),
    specql.subject_of(regclass, text), specql.key_of(regclass)
TO specql_admin;
