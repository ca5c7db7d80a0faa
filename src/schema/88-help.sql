-- Help in the session, from pages that are made of the docs when the extension is built.

CREATE TABLE specql.help_page (
    number integer PRIMARY KEY,
    topic text NOT NULL UNIQUE,
    about text NOT NULL,
    page text NOT NULL
);
COMMENT ON TABLE specql.help_page IS 'What specql.help() shows, made from the docs when the extension is built';
COMMENT ON COLUMN specql.help_page.number IS 'The order of the list of topics';
COMMENT ON COLUMN specql.help_page.topic IS 'One word, or a diagnostic code';
COMMENT ON COLUMN specql.help_page.about IS 'What the page is about, in a line';
COMMENT ON COLUMN specql.help_page.page IS 'The text';

CREATE FUNCTION specql.nearest(word text, candidates text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_nearest';
COMMENT ON FUNCTION specql.nearest(text, text[]) IS
'The candidate that differs from the word by the fewest letters, as hints of diagnostics find it; NULL if none is near';

-- Functions for people: not the triggers, and not what only handlers and generated code call, which their comments say.
CREATE FUNCTION specql.help(topic text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted constant text := regexp_replace(btrim(lower(topic)), '^specql\.|\(.*$', '', 'g');
    functions constant text := $query$
        SELECT p.oid, p.proname::text AS name,
               format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS short,
               format(E'specql.%s(%s)\n    returns %s\n\n%s', p.proname, pg_get_function_arguments(p.oid),
                      pg_get_function_result(p.oid), obj_description(p.oid, 'pg_proc')) AS long,
               obj_description(p.oid, 'pg_proc') AS comment
        FROM pg_proc AS p
        WHERE p.pronamespace = 'specql'::regnamespace AND p.prorettype <> 'trigger'::regtype $query$;
    lists constant text[] := '{functions,views,settings,codes}';
    near text;
    names text[];
    page text;
BEGIN
    IF wanted IS NULL OR wanted = '' THEN
        RETURN E'SELECT specql.help(''topic''), with one of\n\n'
            || (SELECT string_agg(format('  %s %s', rpad(h.topic, 14), h.about), E'\n' ORDER BY h.number)
                FROM specql.help_page AS h WHERE h.topic !~ '^SPQL-')
            || E'\n  functions      what can be called\n  views          what can be looked at'
            || E'\n  settings       their values\n  codes          the diagnostics'
            || E'\n\nor with the name of a function, view or setting, or a code such as SPQL-R012.';
    END IF;
    IF wanted = 'codes' THEN
        RETURN (SELECT string_agg(format('%s  %s', h.topic, h.about), E'\n' ORDER BY h.topic)
                FROM specql.help_page AS h WHERE h.topic ~ '^SPQL-') || E'\n\nMore of one: SELECT specql.help(''SPQL-R012'')';
    ELSIF wanted = 'functions' THEN
        EXECUTE format($query$
            SELECT string_agg(f.short || E'\n    ' || f.comment, E'\n' ORDER BY f.short) FROM (%s) AS f
            WHERE f.comment !~ '^In a handler|[Gg]enerated code|^For specql\.' AND has_function_privilege('specql_admin', f.oid, 'execute')
            $query$, functions) INTO page;
        RETURN page || E'\n\nMore of one: SELECT specql.help(''apply'')';
    ELSIF wanted = 'views' THEN
        RETURN (SELECT string_agg(format('specql.%s %s', rpad(c.relname, 14), obj_description(c.oid, 'pg_class')), E'\n'
                                  ORDER BY c.relname)
                FROM pg_class AS c WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind = 'v')
               || E'\n\nIts columns: SELECT specql.help(''events'')';
    ELSIF wanted = 'settings' THEN
        RETURN (SELECT string_agg(format(E'%s = %s\n    %s', s.name, current_setting(s.name), s.short_desc), E'\n' ORDER BY s.name)
                FROM pg_settings AS s WHERE s.name LIKE 'specql.%') || E'\n\nMore of one: SELECT specql.help(''log_events'')';
    END IF;
    -- A topic may have the name of a view or a function too: all are shown.
    SELECT string_agg(p.page, E'\n\n' ORDER BY p.number) INTO page
    FROM (SELECT h.number, h.page FROM specql.help_page AS h WHERE lower(h.topic) = wanted
          UNION ALL
          (SELECT 1000000, format(E'specql.%s: %s\n\n', c.relname, obj_description(c.oid, 'pg_class'))
                  || string_agg(format('  %s %s', rpad(a.attname, 16), col_description(c.oid, a.attnum)), E'\n' ORDER BY a.attnum)
           FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('v', 'r', 'p') AND c.relname = wanted
           GROUP BY c.oid, c.relname)) AS p(number, page);
    EXECUTE format('SELECT concat_ws(E''\n\n'', $2, string_agg(f.long, E''\n\n'' ORDER BY f.oid)) FROM (%s) AS f WHERE f.name = $1', functions)
    INTO page USING wanted, page;
    page := nullif(page, '');
    IF page IS NULL THEN
        SELECT format(E'%s = %s\n\n%s', s.name, current_setting(s.name), concat_ws(E'\n', s.short_desc, s.extra_desc)) INTO page
        FROM pg_settings AS s WHERE s.name = 'specql.' || wanted;
    END IF;
    IF page IS NOT NULL THEN
        RETURN page;
    END IF;
    EXECUTE format($query$
        SELECT array_agg(n.name) FROM (
            SELECT h.topic FROM specql.help_page AS h UNION ALL SELECT unnest($1)
            UNION ALL SELECT c.relname::text FROM pg_class AS c
            WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind = 'v'
            UNION ALL SELECT f.name FROM (%s) AS f
            UNION ALL SELECT substr(s.name, 8) FROM pg_settings AS s WHERE s.name LIKE 'specql.%%') AS n(name) $query$, functions)
    INTO names USING lists;
    near := specql.nearest(CASE WHEN wanted ~ '^spql' THEN upper(wanted) ELSE wanted END, names);
    RAISE EXCEPTION 'there is no help on "%"', topic USING
        ERRCODE = 'undefined_object',
        DETAIL = 'Topics are ' || (SELECT string_agg(h.topic, ', ' ORDER BY h.number)
                                   FROM specql.help_page AS h WHERE h.topic !~ '^SPQL-')
                 || ', ' || array_to_string(lists, ', ') || '.',
        HINT = coalesce('Did you mean ' || near || '? ', '') || 'SELECT specql.help() lists the topics.';
END $$;
COMMENT ON FUNCTION specql.help(text) IS
'Help on a topic of the language, a function, view, setting or diagnostic code; without one, the list of topics';

GRANT SELECT ON specql.help_page TO PUBLIC;
