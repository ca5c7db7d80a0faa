-- Former names of columns, and of values of enums. What was logged of a row before a column or a value was renamed knows it by its former name.

CREATE TABLE specql.former_column (
    id bigint GENERATED ALWAYS AS IDENTITY,
    relation regclass NOT NULL,
    name text NOT NULL,
    former text NOT NULL,
    PRIMARY KEY (relation, name, former)
);
COMMENT ON TABLE specql.former_column IS 'What columns of entities were called before, as renamed_from of their specs says';
COMMENT ON COLUMN specql.former_column.id IS 'In the order in which they came to be known';
COMMENT ON COLUMN specql.former_column.relation IS 'The table';
COMMENT ON COLUMN specql.former_column.name IS 'What the column is called now';
COMMENT ON COLUMN specql.former_column.former IS 'What it was called';
COMMENT ON SEQUENCE specql.former_column_id_seq IS 'Numbers specql.former_column';
SELECT pg_catalog.pg_extension_config_dump('specql.former_column', '');
SELECT pg_catalog.pg_extension_config_dump('specql.former_column_id_seq', '');

CREATE TABLE specql.former_value (
    id bigint GENERATED ALWAYS AS IDENTITY,
    relation regclass NOT NULL,
    column_name text NOT NULL,
    name text NOT NULL,
    former text NOT NULL,
    PRIMARY KEY (relation, column_name, name, former)
);
COMMENT ON TABLE specql.former_value IS 'What values of enums were called before, as renamed_values of their specs says';
COMMENT ON COLUMN specql.former_value.id IS 'In the order in which they came to be known';
COMMENT ON COLUMN specql.former_value.relation IS 'The table';
COMMENT ON COLUMN specql.former_value.column_name IS 'The column, as it is called now';
COMMENT ON COLUMN specql.former_value.name IS 'What the value is called now';
COMMENT ON COLUMN specql.former_value.former IS 'What it was called';
COMMENT ON SEQUENCE specql.former_value_id_seq IS 'Numbers specql.former_value';
SELECT pg_catalog.pg_extension_config_dump('specql.former_value', '');
SELECT pg_catalog.pg_extension_config_dump('specql.former_value_id_seq', '');
GRANT SELECT ON specql.former_column, specql.former_value TO specql_admin;

CREATE FUNCTION specql.first_column(schema text, "table" text, names text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attname::text
    FROM unnest($3) WITH ORDINALITY AS n(name, place)
    JOIN pg_namespace AS s ON s.nspname = $1
    JOIN pg_class AS c ON c.relnamespace = s.oid AND c.relname = $2
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = n.name AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY n.place LIMIT 1
$$;
COMMENT ON FUNCTION specql.first_column(text, text, text[]) IS 'The first of these names that a column of the table has; NULL if none has';

CREATE FUNCTION specql.keep_former_names(schema text, "table" text, names text[], formers text[], caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present constant text := specql.first_column($1, $2, $3);
    rel oid;
    former text;
BEGIN
    SELECT c.oid INTO rel FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND pg_has_role($5, c.relowner, 'USAGE');
    DELETE FROM specql.former_column AS f WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = f.relation);
    IF rel IS NULL OR present IS NULL THEN
        RETURN;
    END IF;
    -- What came before that name came before this one.
    INSERT INTO specql.former_column AS k (relation, name, former)
    SELECT rel, present, f.former FROM specql.former_column AS f
    WHERE f.relation = rel AND f.name = ANY (formers) AND specql.first_column($1, $2, ARRAY[f.name]) IS NULL ORDER BY f.id
    ON CONFLICT DO NOTHING;
    INSERT INTO specql.former_column AS k (relation, name, former)
    SELECT rel, present, n.former FROM unnest($4) WITH ORDINALITY AS n(former, place) ORDER BY n.place
    ON CONFLICT DO NOTHING;
    DELETE FROM specql.former_column AS f
    WHERE f.relation = rel AND specql.first_column($1, $2, ARRAY[f.name]) IS NULL;
    INSERT INTO specql.former_value AS k (relation, column_name, name, former)
    SELECT rel, present, v.name, v.former FROM specql.former_value AS v
    WHERE v.relation = rel AND v.column_name = ANY (formers) AND specql.first_column($1, $2, ARRAY[v.column_name]) IS NULL ORDER BY v.id
    ON CONFLICT DO NOTHING;
    DELETE FROM specql.former_value AS v
    WHERE v.relation = rel AND specql.first_column($1, $2, ARRAY[v.column_name]) IS NULL;
    -- Events that wait are of a type that has the name of the column in it.
    FOR former IN SELECT f.former FROM specql.former_column AS f
                  WHERE f.relation = rel AND f.name = present AND specql.first_column($1, $2, ARRAY[f.former]) IS NULL LOOP
        UPDATE specql.failure AS e SET type = format('%s.%s.%s_changed', $1, $2, present)
        WHERE e.type = format('%s.%s.%s_changed', $1, $2, former) AND e.relation = rel;
        UPDATE specql.waiting_event AS e SET type = format('%s.%s.%s_changed', $1, $2, present)
        WHERE e.type = format('%s.%s.%s_changed', $1, $2, former) AND e.relation = rel;
    END LOOP;
END $$;
COMMENT ON FUNCTION specql.keep_former_names(text, text, text[], text[], oid) IS
'Writes down former names of a column, if the caller has the rights of the table''s owner, and gives events that wait its new one; names of columns that are gone are forgotten';

CREATE FUNCTION specql.keep_former_values(schema text, "table" text, column_name text, name text, formers text[], caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel oid;
BEGIN
    SELECT c.oid INTO rel FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND pg_has_role($6, c.relowner, 'USAGE');
    DELETE FROM specql.former_value AS v WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = v.relation);
    -- Where the column has no check that knows the value, rows keep their word, and so does what was logged of them.
    IF rel IS NOT NULL AND EXISTS (SELECT FROM specql.value_in_check($1, $2, $3, ARRAY[$4], '{}') AS c WHERE c.name IS NOT NULL) THEN
        INSERT INTO specql.former_value AS k (relation, column_name, name, former)
        SELECT rel, $3, $4, f.former FROM unnest($5) WITH ORDINALITY AS f(former, place) ORDER BY f.place
        ON CONFLICT DO NOTHING;
    END IF;
END $$;
COMMENT ON FUNCTION specql.keep_former_values(text, text, text, text, text[], oid) IS
'Writes down former names of a value of an enum, if the caller has the rights of the table''s owner';

CREATE FUNCTION specql.with_present_names(relation regclass, image jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
    omitted constant text := 'specql.omitted';
BEGIN
    IF jsonb_typeof(image) IS DISTINCT FROM 'object' THEN
        RETURN image;
    END IF;
    FOR f IN SELECT c.name, c.former FROM specql.former_column AS c
             JOIN pg_attribute AS a ON a.attrelid = c.relation AND a.attname = c.name AND NOT a.attisdropped
             WHERE c.relation = $1 ORDER BY c.id LOOP
        CONTINUE WHEN image ? f.name OR image -> omitted ? f.name;
        IF image ? f.former THEN
            image := image - f.former || jsonb_build_object(f.name, image -> f.former);
        ELSIF image -> omitted ? f.former THEN
            image := jsonb_set(image #- ARRAY[omitted, f.former], ARRAY[omitted, f.name], image -> omitted -> f.former);
        END IF;
    END LOOP;
    -- A word that is a value again says what it says now.
    FOR f IN SELECT v.column_name, v.name, v.former, n.nspname, c.relname FROM specql.former_value AS v
             JOIN pg_class AS c ON c.oid = v.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE v.relation = $1 ORDER BY v.id LOOP
        CONTINUE WHEN image ->> f.column_name IS DISTINCT FROM f.former;
        CONTINUE WHEN EXISTS (SELECT FROM specql.value_in_check(f.nspname, f.relname, f.column_name, ARRAY[f.former], '{}') AS c
                              WHERE c.name IS NOT NULL);
        image := jsonb_set(image, ARRAY[f.column_name], to_jsonb(f.name));
    END LOOP;
    RETURN image;
END $$;
COMMENT ON FUNCTION specql.with_present_names(regclass, jsonb) IS 'The image of a row of a table, as it was logged, with the names that its columns, and values of enums, have now';

CREATE FUNCTION specql.event_with_present_names(relation regclass, data jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN jsonb_typeof($2) IS DISTINCT FROM 'object'
                     OR NOT EXISTS (SELECT FROM specql.former_column AS c WHERE c.relation = $1)
                        AND NOT EXISTS (SELECT FROM specql.former_value AS v WHERE v.relation = $1) THEN $2
                ELSE (SELECT jsonb_object_agg(e.key, CASE WHEN e.key IN ('old', 'new') THEN specql.with_present_names($1, e.value) ELSE e.value END)
                      FROM jsonb_each($2) AS e) END
$$;
COMMENT ON FUNCTION specql.event_with_present_names(regclass, jsonb) IS 'The data of an event about a row of a table, with the names that its columns, and values of enums, have now';

REVOKE ALL ON FUNCTION specql.first_column(text, text, text[]), specql.keep_former_names(text, text, text[], text[], oid),
    specql.keep_former_values(text, text, text, text, text[], oid), specql.with_present_names(regclass, jsonb), specql.event_with_present_names(regclass, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.with_present_names(regclass, jsonb), specql.event_with_present_names(regclass, jsonb) TO specql_admin;
