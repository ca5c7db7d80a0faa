-- The state of the past: a row as it was at a time, and a whole table rebuilt, from an append-only log or the event
-- log.

CREATE FUNCTION specql.entity_table(entity text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_tables text[] := ARRAY(SELECT e."table" FROM specql.entities AS e
                                 WHERE $1 IN (e.schema || '.' || e.entity, e.entity) AND e."table" IS NOT NULL ORDER BY 1);
    found_table regclass;
BEGIN
    IF cardinality(found_tables) > 1 THEN
        RAISE EXCEPTION 'several entities are named %: %', $1, array_to_string(found_tables, ', ')
            USING ERRCODE = 'ambiguous_parameter', HINT = 'Give the schema too.';
    END IF;
    BEGIN
        found_table := to_regclass(coalesce(found_tables[1], $1));
    EXCEPTION WHEN invalid_name THEN
        NULL;
    END;
    IF found_table IS NULL THEN
        RAISE EXCEPTION 'there is no entity %', coalesce($1, 'NULL')
            USING ERRCODE = 'undefined_object',
                  HINT = coalesce('Installed are ' || (SELECT string_agg(n.name, ', ') FROM (
                             SELECT e.schema || '.' || e.entity AS name FROM specql.entities AS e ORDER BY 1 LIMIT 10) AS n)
                             || '; a table''s name is understood too.', 'No entity is installed; a table''s name is understood too.');
    END IF;
    RETURN found_table;
END $$;
COMMENT ON FUNCTION specql.entity_table(text) IS
'The table of an entity, given as schema.Entity, as Entity, or as the table''s own name; an error if there is none';

-- A TRUNCATE is the end of all rows of a table at once, and of none that a log could name.
CREATE TABLE specql.truncation (
    id uuid NOT NULL PRIMARY KEY,
    relation regclass NOT NULL,
    truncated_at timestamptz NOT NULL
);
COMMENT ON TABLE specql.truncation IS 'When tables were truncated of which an action handles every change: for specql.state_at and specql.rebuild';
COMMENT ON COLUMN specql.truncation.id IS 'Time-ordered, like those of events and of the rows of logs';
COMMENT ON COLUMN specql.truncation.relation IS 'The table';
COMMENT ON COLUMN specql.truncation.truncated_at IS 'By the clock, under the lock that TRUNCATE holds';
SELECT pg_catalog.pg_extension_config_dump('specql.truncation', '');
GRANT SELECT ON specql.truncation TO specql_admin;

CREATE FUNCTION specql.state_logs(relation regclass) RETURNS TABLE (log regclass, key_column text, state_column text,
    time_column text, order_column text, filter text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- Rows of concurrent transactions have the times of their starts; ids are in the order of the changes of a row.
    SELECT r.log, r.key_column, r.state_column, r.time_column,
           coalesce((SELECT a.attname::text FROM pg_attribute AS a
                     WHERE a.attrelid = r.log AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype), r.time_column),
           CASE WHEN r.type_column IS NULL THEN '' ELSE format(' AND t.%I = %L', r.type_column, r.type_value) END
    FROM specql.log_readings() AS r
    JOIN pg_class AS l ON l.oid = r.log
    JOIN pg_class AS e ON e.oid = $1
    WHERE to_regclass(r.relation) = $1
      -- Of the entity's owner, or of somebody who has that role's rights.
      AND pg_has_role(l.relowner, e.relowner, 'USAGE')
      -- No other type's cast, which would be code of its owner, is run.
      AND EXISTS (SELECT FROM pg_attribute AS s WHERE s.attrelid = r.log AND s.attname = r.state_column AND s.atttypid IN ('json'::regtype, 'jsonb'::regtype))
    ORDER BY r.log::text
$$;
COMMENT ON FUNCTION specql.state_logs(regclass) IS 'The logs from which the state of a table''s rows can be read back';

-- An action is unconditional if its only branch is the constant true, as generated capture functions say it.
CREATE FUNCTION specql.full_capture(relation regclass, OUT action text, OUT type text, OUT since timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.action, n.nspname || '.' || c.relname || '.' || a.event,
           (SELECT greatest(max(s.applied_at), (
                        SELECT min(first.applied_at)
                        FROM specql.object AS o JOIN specql.unit_version AS v ON o.unit = v.key
                        JOIN specql.spec AS first ON first.id = v.spec
                        WHERE o.kind = 'table' AND o.identity = a.relation))
            FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key
            JOIN specql.spec AS s ON s.id = u.spec
            WHERE o.kind = 'trigger' AND o.identity = quote_ident(t.tgname) || ' on ' || a.relation)
    FROM specql.action AS a
    JOIN pg_class AS c ON c.oid = to_regclass(a.relation)
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgfoid = 'specql.dispatch()'::regprocedure
                        AND t.tgname = specql.trigger_name(a.capture)
    WHERE c.oid = $1 AND t.tgenabled <> 'D' AND t.tgtype & 28 = 28
      AND pg_get_function_sqlbody(to_regprocedure(a.capture || '()')) ~ '^\s*BEGIN ATOMIC\s+SELECT ARRAY\[true\] '
      AND specql.setting('log_events') <> 'failed'
    ORDER BY 3, 1 LIMIT 1
$$;
COMMENT ON FUNCTION specql.full_capture(regclass) IS
'An action that handles every change of a table''s rows, so that their events are in the log, its type of event, and since when';

-- Types of columns bring code along: checks of domains, casts. It is that of the table's owner, whoever looks at history.
CREATE FUNCTION specql.row_as_owner(relation regclass, "row" text) RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_row_as_owner';
COMMENT ON FUNCTION specql.row_as_owner(regclass, text) IS 'A row of a table, given as format(''%s'', row), as an event would carry it; types'' code runs as the table''s owner. For specql.state_at';

CREATE FUNCTION specql.row_of_state(relation regclass, state jsonb, key text) RETURNS SETOF record
LANGUAGE c STABLE STRICT ROWS 1 AS 'MODULE_PATHNAME', 'specql_row_of_state';
COMMENT ON FUNCTION specql.row_of_state(regclass, jsonb, text) IS 'A row of a table from its JSON; errors name its key, and types'' code runs as the table''s owner. For specql.rebuild';

CREATE FUNCTION specql.since_truncation(truncated specql.truncation, order_column text, time_column text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN ($1).id IS NULL THEN 'true'
                WHEN $2 = $3 THEN format('t.%I > %L', $3, ($1).truncated_at)
                ELSE format('t.%I > %L', $2, ($1).id) END
$$;
COMMENT ON FUNCTION specql.since_truncation(specql.truncation, text, text) IS 'A condition: the row t of a log was written after the TRUNCATE of its entity''s table';

CREATE FUNCTION specql.state_at(entity text, id text, at timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel regclass := specql.entity_table(state_at.entity);
    row_subject text;
    logged_key text;
    complete record;
    l record;
    logs text[] := '{}';
    state jsonb;
    rows_found integer;
    begins timestamptz;
    found_time timestamptz;
    waiting bigint;
    key_values text[];
    truncated specql.truncation;
    ended boolean;
BEGIN
    IF state_at.id IS NULL OR state_at.at IS NULL THEN
        RETURN NULL;
    END IF;
    row_subject := specql.subject_of(rel, state_at.id);
    logged_key := CASE WHEN (SELECT count(*) FROM specql.key_columns(rel)) = 1 THEN row_subject ELSE state_at.id END;
    SELECT * INTO complete FROM specql.full_capture(rel);
    SELECT * INTO truncated FROM specql.truncation AS t WHERE t.relation = rel AND t.truncated_at <= state_at.at ORDER BY t.id DESC LIMIT 1;
    SELECT count(*) INTO waiting FROM specql.unhandled_events AS e
    WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject AND e.occurred_at <= state_at.at;
    FOR l IN SELECT * FROM specql.state_logs(rel) LOOP
        EXECUTE format('SELECT t.%I::jsonb, NOT (%s) FROM %s AS t WHERE t.%I = %L AND t.%I <= $1%s ORDER BY t.%I DESC LIMIT 1',
            l.state_column, specql.since_truncation(truncated, l.order_column, l.time_column), l.log, l.key_column, logged_key,
            l.time_column, l.filter, l.order_column)
        INTO state, ended USING state_at.at;
        GET DIAGNOSTICS rows_found = ROW_COUNT;
        IF rows_found > 0 THEN
            IF waiting > 0 THEN
                RAISE WARNING 'changes of % that action % has still to handle are not in % yet', state_at.id, complete.action, l.log
                    USING DETAIL = format('Waiting or failed: %s.', waiting), HINT = 'See specql.failures, and specql.actions for a pause.';
            END IF;
            RETURN CASE WHEN NOT ended THEN specql.with_present_names(rel, state) END;
        END IF;
        EXECUTE format('SELECT min(t.%I) FROM %s AS t WHERE t.%I = %L%s', l.time_column, l.log, l.key_column, logged_key,
            l.filter) INTO found_time;
        begins := least(begins, found_time);
        logs := logs || l.log::text;
    END LOOP;
    -- The event log holds the old row too, but only of the last events.
    IF complete.action IS NOT NULL THEN
        SELECT e.data -> 'new', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject AND e.occurred_at <= state_at.at
        ORDER BY e.id DESC LIMIT 1;
        IF FOUND THEN
            RETURN CASE WHEN truncated.id IS NULL OR found_time > truncated.truncated_at THEN specql.with_present_names(rel, nullif(state, 'null')) END;
        ELSIF truncated.truncated_at >= complete.since AND truncated.truncated_at >= now() - specql.setting('event_retention')::interval THEN
            -- Nothing was inserted since then.
            RETURN NULL;
        END IF;
        SELECT e.data -> 'old', e.occurred_at INTO state, found_time FROM specql.events AS e
        WHERE e.action = complete.action AND e.type = complete.type AND e.subject = row_subject
        ORDER BY e.id LIMIT 1;
        -- Before it was inserted it was not there; or nothing was expired between then and that event, and nothing happened unseen.
        IF FOUND THEN
            begins := least(begins, found_time);
            IF EXISTS (SELECT FROM specql.truncation AS t
                       WHERE t.relation = rel AND t.truncated_at > state_at.at AND t.truncated_at <= found_time) THEN
                NULL;
            ELSIF state = 'null' OR state_at.at >= complete.since AND state_at.at >= now() - specql.setting('event_retention')::interval THEN
                RETURN specql.with_present_names(rel, nullif(state, 'null'));
            END IF;
        ELSIF begins IS NULL AND state_at.at >= complete.since AND (logs <> '{}'
              OR state_at.at >= now() - specql.setting('event_retention')::interval) THEN
            -- Since that time every change is logged, and of this row there is none.
            IF (SELECT count(*) FROM specql.key_columns(rel)) = 1 THEN
                key_values := ARRAY[state_at.id];
            ELSE
                key_values := ARRAY(SELECT jsonb_array_elements_text(state_at.id::jsonb));
            END IF;
            EXECUTE format('SELECT specql.row_as_owner(%L::regclass, format(''%%s'', t.*)) FROM %s AS t WHERE %s', rel, rel,
                (SELECT string_agg(format('t.%I = %L::%s', k.name, key_values[k.place], k.type), ' AND ')
                 FROM specql.key_columns(rel) WITH ORDINALITY AS k(name, type, place)))
            INTO state;
            IF state IS NOT NULL THEN
                RETURN state;
            END IF;
        END IF;
    END IF;
    IF begins IS NOT NULL THEN
        RAISE EXCEPTION 'the history of % % does not reach back to %', rel, state_at.id, state_at.at
            USING ERRCODE = 'no_data_found', DETAIL = format('It begins at %s.', begins);
    ELSIF complete.action IS NOT NULL OR logs <> '{}' THEN
        RAISE EXCEPTION 'there is no history of % %', rel, state_at.id
            USING ERRCODE = 'no_data_found',
                  DETAIL = format('No change of it is logged%s.', coalesce(' in ' || nullif(array_to_string(logs, ', '), ''), ''));
    END IF;
    RAISE EXCEPTION 'no history of % is kept', rel
        USING ERRCODE = 'no_data_found',
              DETAIL = 'No append-only log holds its rows, and no action handles every change of them.',
              HINT = format('An action with trigger: any_%s_change and a step append: SomeLog SET entity_id: "%s_id", event_data: "row_to_json(NEW)", event_timestamp: "event_time" keeps it.',
                  (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel), (SELECT c.relname FROM pg_class AS c WHERE c.oid = rel));
END $$;
COMMENT ON FUNCTION specql.state_at(text, text, timestamptz) IS
'The row of an entity, given by its key (of several columns a JSON array), as its append-only log says it was at a time, or else the event log; NULL if it was deleted; an error if history does not reach back';

CREATE FUNCTION specql.state_at(entity text, id anyelement, at timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$ SELECT specql.state_at($1, $2::text, $3) $$;
COMMENT ON FUNCTION specql.state_at(text, anyelement, timestamptz) IS 'The same for a key of any type: uuid, bigint, date, jsonb, ...';

-- Columns of an entity that a table lacks, or has with another type.
CREATE FUNCTION specql.misfits(relation regclass, into_table regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(CASE WHEN t.attname IS NULL THEN format('it has no column %I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                           ELSE format('column %I is %s, not %s', a.attname, format_type(t.atttypid, t.atttypmod),
                                       format_type(a.atttypid, a.atttypmod)) END, '; ' ORDER BY a.attnum)
    FROM pg_attribute AS a
    LEFT JOIN pg_attribute AS t ON t.attrelid = $2 AND t.attname = a.attname AND t.attnum > 0 AND NOT t.attisdropped
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      AND (t.attname IS NULL OR (t.atttypid, t.atttypmod) IS DISTINCT FROM (a.atttypid, a.atttypmod))
$$;
COMMENT ON FUNCTION specql.misfits(regclass, regclass) IS 'What keeps a table from taking an entity''s rows; NULL if nothing does';

CREATE FUNCTION specql.rebuild(entity text, into_table regclass, at timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    rel regclass := specql.entity_table(rebuild.entity);
    misfits text := specql.misfits(rel, into_table);
    upto timestamptz := coalesce(rebuild.at, 'infinity');
    complete record;
    l record;
    truncated specql.truncation;
    source text;
    columns text;
    filled boolean;
    from_log boolean;
    result bigint;
    unknown bigint;
BEGIN
    IF into_table IS NULL THEN
        RAISE EXCEPTION 'rebuild needs a table' USING ERRCODE = 'null_value_not_allowed';
    ELSIF misfits IS NOT NULL THEN
        RAISE EXCEPTION '% does not fit %', into_table, rel
            USING ERRCODE = 'datatype_mismatch', DETAIL = upper(left(misfits, 1)) || substr(misfits, 2) || '.',
                  HINT = format('CREATE TABLE ... (LIKE %s INCLUDING ALL) makes one that fits.', rel);
    ELSIF EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = into_table AND t.tgfoid = 'specql.capture()'::regprocedure) THEN
        RAISE EXCEPTION 'rows written to % would raise events', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Rebuild into another table, made by CREATE TABLE ... (LIKE %s INCLUDING ALL), and compare.', rel);
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', into_table) INTO filled;
    IF filled THEN
        RAISE EXCEPTION '% is not empty', into_table
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rebuild into an empty table.';
    END IF;
    SELECT * INTO l FROM specql.state_logs(rel) LIMIT 1;
    from_log := FOUND;
    SELECT * INTO truncated FROM specql.truncation AS t WHERE t.relation = rel AND t.truncated_at <= upto ORDER BY t.id DESC LIMIT 1;
    IF from_log THEN
        source := format('SELECT DISTINCT ON (t.%1$I) t.%1$I::text AS key, t.%2$I::jsonb AS state FROM %3$s AS t WHERE t.%4$I <= %5$L%6$s ORDER BY t.%1$I, t.%7$I DESC',
            l.key_column, l.state_column, l.log, l.time_column, upto,
            l.filter || ' AND ' || specql.since_truncation(truncated, l.order_column, l.time_column), l.order_column);
    ELSE
        SELECT * INTO complete FROM specql.full_capture(rel);
        IF complete.action IS NULL THEN
            RAISE EXCEPTION 'no history of % is kept', rel
                USING ERRCODE = 'no_data_found',
                      DETAIL = 'No append-only log holds its rows, and no action handles every change of them.';
        END IF;
        source := format('SELECT DISTINCT ON (e.subject) e.subject AS key, nullif(e.data -> ''new'', ''null'') AS state FROM specql.events AS e WHERE e.action = %L AND e.type = %L AND e.occurred_at <= %L AND e.occurred_at > %L ORDER BY e.subject, e.id DESC',
            complete.action, complete.type, upto, coalesce(truncated.truncated_at, '-infinity'));
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns FROM pg_attribute AS a
    WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('WITH h AS MATERIALIZED (%1$s)
        INSERT INTO %2$s (%3$s) OVERRIDING SYSTEM VALUE
        SELECT %4$s FROM h, LATERAL specql.row_of_state(%5$L::regclass, h.state, coalesce(h.key, ''NULL'')) AS r(%6$s) WHERE h.state IS NOT NULL',
        source, into_table, columns,
        (SELECT string_agg('r.' || c.name, ', ') FROM unnest(string_to_array(columns, ', ')) AS c(name)), rel,
        (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
         FROM pg_attribute AS a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped));
    GET DIAGNOSTICS result = ROW_COUNT;
    IF rebuild.at IS NULL AND specql.subject_sql(rel, 't') IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE NOT EXISTS (SELECT FROM (%s) AS h WHERE h.key = %s)',
            rel, source, CASE WHEN from_log THEN format('t.%I::text', specql.key_of(rel)) ELSE specql.subject_sql(rel, 't') END)
        INTO unknown;
        IF unknown > 0 THEN
            RAISE WARNING 'rows of % that are not in its history: %', rel, unknown
                USING DETAIL = 'They have not changed since it began, or the log was thinned out.';
        END IF;
    END IF;
    RETURN result;
END $$;
COMMENT ON FUNCTION specql.rebuild(text, regclass, timestamptz) IS
'Writes the rows of an entity, as its log says they are or were at a time, into an empty table that has its columns; how many';

REVOKE ALL ON FUNCTION specql.entity_table(text), specql.row_as_owner(regclass, text),
    specql.row_of_state(regclass, jsonb, text), specql.state_logs(regclass), specql.full_capture(regclass),
    specql.since_truncation(specql.truncation, text, text),
    specql.state_at(text, text, timestamptz), specql.state_at(text, anyelement, timestamptz),
    specql.misfits(regclass, regclass), specql.rebuild(text, regclass, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.entity_table(text), specql.state_logs(regclass), specql.full_capture(regclass),
    specql.since_truncation(specql.truncation, text, text),
    specql.row_as_owner(regclass, text), specql.row_of_state(regclass, jsonb, text),
    specql.state_at(text, text, timestamptz), specql.state_at(text, anyelement, timestamptz),
    specql.misfits(regclass, regclass), specql.rebuild(text, regclass, timestamptz)
TO specql_admin;
