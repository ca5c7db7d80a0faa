-- What is done for tables and views again and again, as their owners: partitions made ahead and dropped, materialized views
-- refreshed. An owner worker does it, or specql.drain().

CREATE TABLE specql.upkeep (
    name text NOT NULL PRIMARY KEY,
    relation text NOT NULL,
    command text NOT NULL,
    settings jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_error text
);
COMMENT ON TABLE specql.upkeep IS 'What is done again and again for tables and materialized views of specs; see specql.health()';
COMMENT ON COLUMN specql.upkeep.name IS 'In words: make partitions of, drop partitions of, refresh';
COMMENT ON COLUMN specql.upkeep.relation IS 'The table or view, quoted and qualified; whoever owns it does it';
COMMENT ON COLUMN specql.upkeep.command IS 'What is done';
COMMENT ON COLUMN specql.upkeep.settings IS 'Of partitions: column, period, premake and retention; of a view: every';
COMMENT ON COLUMN specql.upkeep.due_at IS 'When next, by specql.clock()';
COMMENT ON COLUMN specql.upkeep.done_at IS 'When it was last done';
COMMENT ON COLUMN specql.upkeep.attempts IS 'How often in a row it was begun and did not come to its end';
COMMENT ON COLUMN specql.upkeep.last_error IS 'Of the last attempt; NULL if that was good';
SELECT pg_catalog.pg_extension_config_dump('specql.upkeep', '');

CREATE FUNCTION specql.write_upkeep(name text, relation text, command text, settings jsonb, due_at timestamptz, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner constant oid := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = to_regclass(relation));
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION 'there is no %', relation USING ERRCODE = 'undefined_table';
    END IF;
    PERFORM specql.require_owner(relation, owner::specql.role, caller);
    INSERT INTO specql.upkeep AS u (name, relation, command, settings, due_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT ON CONSTRAINT upkeep_pkey DO UPDATE
    SET relation = excluded.relation, command = excluded.command, settings = excluded.settings, due_at = excluded.due_at,
        attempts = 0, last_error = NULL;
    PERFORM specql.wake_worker();
END $$;
COMMENT ON FUNCTION specql.write_upkeep(text, text, text, jsonb, timestamptz, oid) IS
'Has something done for a table or view again and again; its owner must be the caller, or a role of his';

CREATE FUNCTION specql.drop_upkeep(relation text, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_owner(c.oid::regclass::text, c.relowner::specql.role, caller) FROM pg_class AS c WHERE c.oid = to_regclass($1);
    DELETE FROM specql.upkeep AS u WHERE u.relation = $1;
END $$;
COMMENT ON FUNCTION specql.drop_upkeep(text, oid) IS 'What specql.unregister_upkeep does, for its caller';

CREATE FUNCTION specql.unregister_upkeep(relation text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_upkeep';
COMMENT ON FUNCTION specql.unregister_upkeep(text) IS 'Does nothing more for a table or view, which stays as it is. Generated code calls this';

-- ---- partitions by time -------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.period_length(period text) RETURNS interval
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE $1 WHEN 'hourly' THEN interval '1 hour' WHEN 'daily' THEN interval '1 day' WHEN 'weekly' THEN interval '1 week'
                   WHEN 'monthly' THEN interval '1 month' WHEN 'quarterly' THEN interval '3 months' WHEN 'yearly' THEN interval '1 year' END
$$;
COMMENT ON FUNCTION specql.period_length(text) IS 'How long a partition of this kind is: hourly, daily, weekly, monthly, quarterly, yearly';

CREATE FUNCTION specql.period_start(period text, at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT date_trunc(CASE $1 WHEN 'hourly' THEN 'hour' WHEN 'daily' THEN 'day' WHEN 'weekly' THEN 'week'
                              WHEN 'monthly' THEN 'month' WHEN 'quarterly' THEN 'quarter' WHEN 'yearly' THEN 'year' END,
                      $2 AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION specql.period_start(text, timestamptz) IS 'When the period began that a time is in; periods begin at midnight UTC';

CREATE FUNCTION specql.period_end(period text, at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT (specql.period_start($1, $2) AT TIME ZONE 'UTC' + specql.period_length($1)) AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION specql.period_end(text, timestamptz) IS 'When the period ends that a time is in';

CREATE FUNCTION specql.period_name(period text, at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN specql.period_start($1, $2) <> $2 AND $1 <> 'hourly' THEN to_char($2 AT TIME ZONE 'UTC', 'YYYY_MM_DD')
                ELSE to_char($2 AT TIME ZONE 'UTC', CASE $1
                         WHEN 'hourly' THEN 'YYYY_MM_DD_HH24' WHEN 'daily' THEN 'YYYY_MM_DD' WHEN 'weekly' THEN 'IYYY"_w"IW'
                         WHEN 'monthly' THEN 'YYYY_MM' WHEN 'quarterly' THEN 'YYYY"_q"Q' WHEN 'yearly' THEN 'YYYY' END) END
$$;
COMMENT ON FUNCTION specql.period_name(text, timestamptz) IS
'What a partition''s name ends with: 2026_11, 2026_w48; one that begins within a period, because the one before was of another kind, has the day';

CREATE FUNCTION specql.partition_bounds(relation regclass) RETURNS TABLE (partition regclass, since timestamptz, until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "TimeZone" = 'UTC' AS $$
    SELECT b.partition, b.ends[1]::timestamptz, b.ends[2]::timestamptz
    FROM (SELECT c.oid::regclass AS partition,
                 regexp_match(replace(replace(pg_get_expr(c.relpartbound, c.oid), 'MINVALUE', '''-infinity'''), 'MAXVALUE', '''infinity'''),
                              '^FOR VALUES FROM \(''([^'']*)''\) TO \(''([^'']*)''\)$') AS ends
          FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = $1) AS b
    WHERE b.ends IS NOT NULL
$$;
COMMENT ON FUNCTION specql.partition_bounds(regclass) IS 'The partitions of a table that is partitioned by time: since when, and until before when, they have rows';

CREATE FUNCTION specql.partitioning(relation regclass, OUT period text, OUT premake integer, OUT retention interval)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.settings ->> 'period', (u.settings ->> 'premake')::integer, (u.settings ->> 'retention')::interval
    FROM specql.upkeep AS u WHERE u.settings ? 'period' AND to_regclass(u.relation) = $1 LIMIT 1
$$;
COMMENT ON FUNCTION specql.partitioning(regclass) IS 'How a spec has a table partitioned; NULLs if none has';

-- Attached, and not made as a partition: that would wait for all who read the table, and make all others wait. Whoever calls it must be the
-- table's owner, or a role of his, and so must those be who own its partitions.
CREATE FUNCTION specql.make_partitions(relation regclass, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET "DateStyle" = 'ISO, YMD' SET "TimeZone" = 'UTC' AS $$
DECLARE
    p constant record := specql.partitioning(relation);
    parent record;
    low timestamptz;
    high timestamptz;
    covered timestamptz;
    ending timestamptz;
    partition text;
    made integer := 0;
BEGIN
    IF p.period IS NULL THEN
        RAISE EXCEPTION 'no spec has % partitioned', relation
            USING ERRCODE = 'undefined_object', HINT = 'Its entity says how: partitioning: {strategy: range, column: sold_at, intervals: [monthly]}.';
    END IF;
    SELECT n.nspname, c.relname, c.relowner, c.oid INTO parent
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation;
    -- Two sessions make each partition once.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
    low := specql.period_start(p.period, coalesce(since, specql.clock()));
    ending := coalesce(until, specql.period_start(p.period, specql.clock()) + specql.period_length(p.period) * (p.premake + 1));
    WHILE low < ending LOOP
        -- What is covered already, as by partitions of another length, stays.
        high := specql.period_end(p.period, low);
        covered := (SELECT b.until FROM specql.partition_bounds(relation) AS b WHERE b.since <= low AND b.until > low);
        IF covered IS NULL THEN
            high := least(high, (SELECT min(b.since) FROM specql.partition_bounds(relation) AS b WHERE b.since > low));
            partition := format('%I.%I', parent.nspname, parent.relname || '_' || specql.period_name(p.period, low));
            EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)',
                           partition, relation);
            EXECUTE format('COMMENT ON TABLE %s IS %L', partition,
                           format('Rows of %I.%I from %s to before %s (made by specql)', parent.nspname, parent.relname, low, high));
            IF parent.relowner <> (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user) THEN
                EXECUTE format('ALTER TABLE %s OWNER TO %I', partition, pg_get_userbyid(parent.relowner));
            END IF;
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', relation, partition, low, high);
            made := made + 1;
        END IF;
        low := coalesce(covered, high);
    END LOOP;
    -- A log is append-only partition by partition, too.
    FOR partition IN
        SELECT i.inhrelid::regclass::text FROM pg_inherits AS i
        WHERE i.inhparent = relation
          AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = i.inhparent AND t.tgfoid = 'specql.refuse_change()'::regprocedure)
          AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = i.inhrelid AND t.tgfoid = 'specql.refuse_change()'::regprocedure) LOOP
        EXECUTE format('CREATE TRIGGER append_only_trigger BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION specql.refuse_change()', partition);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only_trigger', partition);
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION specql.make_partitions(regclass, timestamptz, timestamptz) IS
'Makes the partitions that a table lacks, from now on as far ahead as its spec says, or from one time to before another; how many. The worker does the former';

-- It would stand in line for the table, and everybody else behind it: so it does not wait for long, and is tried again later.
CREATE FUNCTION specql.drop_partitions(relation regclass) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET "TimeZone" = 'UTC' SET lock_timeout = '3s' AS $$
DECLARE
    p constant record := specql.partitioning(relation);
    partition regclass;
    dropped integer := 0;
BEGIN
    FOR partition IN
        SELECT b.partition FROM specql.partition_bounds(relation) AS b
        WHERE b.until <= specql.clock() - p.retention AND obj_description(b.partition, 'pg_class') LIKE '% (made by specql)'
        ORDER BY b.until LOOP
        EXECUTE format('DROP TABLE %s', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
COMMENT ON FUNCTION specql.drop_partitions(regclass) IS
'Drops the partitions that specql has made and whose rows are all older than the retention of the table''s spec; how many. The worker does it. No rule hears of it';

CREATE FUNCTION specql.write_partitioning(relation text, "column" text, period text, retention interval, premake integer, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    settings constant jsonb := jsonb_strip_nulls(jsonb_build_object('column', $2, 'period', $3, 'retention', $4, 'premake', $5));
BEGIN
    PERFORM specql.write_upkeep('make partitions of ' || relation, relation, format('SELECT specql.make_partitions(%L)', relation), settings,
                                specql.period_end($3, specql.clock()), caller);
    IF retention IS NULL THEN
        DELETE FROM specql.upkeep AS u WHERE u.name = 'drop partitions of ' || $1;
    ELSE
        PERFORM specql.write_upkeep('drop partitions of ' || relation, relation, format('SELECT specql.drop_partitions(%L)', relation), settings,
                                    specql.clock(), caller);
    END IF;
END $$;
COMMENT ON FUNCTION specql.write_partitioning(text, text, text, interval, integer, oid) IS 'What specql.register_partitioning does, for its caller';

CREATE FUNCTION specql.register_partitioning(relation text, "column" text, period text, retention interval, premake integer) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_partitioning';
COMMENT ON FUNCTION specql.register_partitioning(text, text, text, interval, integer) IS
'Has partitions of a table made ahead, and dropped after their retention, if that is not NULL; again with other values changes it. Generated code calls this';

-- ---- materialized views -------------------------------------------------------------------------------------------------

CREATE FUNCTION specql.write_refresh(relation text, every interval, concurrent boolean, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.write_upkeep('refresh ' || $1, $1,
                               'REFRESH MATERIALIZED VIEW ' || CASE WHEN $3 THEN 'CONCURRENTLY ' ELSE '' END || $1,
                               jsonb_build_object('every', $2), specql.clock() + $2, $4)
$$;
COMMENT ON FUNCTION specql.write_refresh(text, interval, boolean, oid) IS 'What specql.register_refresh does, for its caller';

CREATE FUNCTION specql.register_refresh(relation text, every interval, concurrent boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_refresh';
COMMENT ON FUNCTION specql.register_refresh(text, interval, boolean) IS
'Has a materialized view refreshed so often, as its owner; again with other values changes it. Generated code calls this';

-- ---- doing it -----------------------------------------------------------------------------------------------------------

-- What is gone has no owner, and nothing is done for it.
CREATE FUNCTION specql.due_upkeep() RETURNS TABLE (name text, owner oid, due_at timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.name, c.relowner, u.due_at
    FROM specql.upkeep AS u JOIN pg_class AS c ON c.oid = to_regclass(u.relation)
    WHERE NOT pg_is_in_recovery()
$$;
COMMENT ON FUNCTION specql.due_upkeep() IS 'What will be done for tables and views next, by whom, and when';

-- The attempt is counted before it is made: it may end the session.
CREATE FUNCTION specql.claim_upkeep(name text, OUT owner oid, OUT command text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_upkeep specql.upkeep;
BEGIN
    SELECT u.* INTO found_upkeep FROM specql.upkeep AS u
    WHERE u.name = $1 AND u.due_at <= specql.clock() FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        owner := (SELECT c.relowner FROM pg_class AS c WHERE c.oid = to_regclass(found_upkeep.relation));
        command := CASE WHEN owner IS NOT NULL THEN found_upkeep.command END;
        UPDATE specql.upkeep AS u
        SET attempts = u.attempts + 1, due_at = specql.clock() + interval '10 s' + specql.pause_after(u.attempts + 1, '10 s')
        WHERE u.name = $1;
    END IF;
END $$;
COMMENT ON FUNCTION specql.claim_upkeep(text) IS 'What is to be done now under this name, its attempt counted; NULLs if it is not due';

CREATE FUNCTION specql.end_upkeep(name text, problem text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE specql.upkeep AS u
    SET attempts = CASE WHEN $2 IS NULL THEN 0 ELSE u.attempts END,
        done_at = CASE WHEN $2 IS NULL THEN specql.clock() ELSE u.done_at END,
        due_at = CASE WHEN $2 IS NOT NULL THEN u.due_at
                      WHEN u.settings ? 'every' THEN specql.clock() + (u.settings ->> 'every')::interval
                      ELSE specql.period_end(u.settings ->> 'period', specql.clock()) END,
        last_error = $2
    WHERE u.name = $1
$$;
COMMENT ON FUNCTION specql.end_upkeep(text, text) IS 'What became of specql.claim_upkeep: done until the next time, or due again after a pause that grows';

CREATE FUNCTION specql.do_upkeep() RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due record;
    c record;
    handled integer := 0;
BEGIN
    FOR due IN SELECT u.* FROM specql.due_upkeep() AS u
               WHERE u.due_at <= specql.clock() AND specql.works_for(u.owner::specql.role, specql.viewer()) ORDER BY u.due_at, u.name LOOP
        SELECT * INTO c FROM specql.claim_upkeep(due.name);
        CONTINUE WHEN c.command IS NULL;
        PERFORM specql.end_upkeep(due.name, specql.run_as(due.name, c.owner, c.command, '{}', NULL, NULL));
        handled := handled + 1;
    END LOOP;
    RETURN handled;
END $$;
COMMENT ON FUNCTION specql.do_upkeep() IS 'Does what is due for the caller''s tables and views; how much. For specql.drain()';

CREATE FUNCTION specql.upkeep_problems() RETURNS TABLE (name text, status text, detail text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.name,
           CASE WHEN u.last_error IS NOT NULL THEN 'failing' WHEN to_regclass(u.relation) IS NULL THEN 'gone'
                WHEN m.missing THEN 'missing' ELSE 'late' END,
           CASE WHEN u.last_error IS NOT NULL
                -- It may quote rows.
                THEN format('after %s attempts: %s; tried again at %s', u.attempts,
                            CASE WHEN specql.works_for(c.relowner::specql.role, specql.viewer()) THEN u.last_error
                                 ELSE 'an error that is for its owner to see' END, u.due_at)
                WHEN to_regclass(u.relation) IS NULL THEN format('there is no %s', u.relation)
                WHEN m.missing THEN format('no partition takes rows of %s: SELECT specql.make_partitions(%L)', specql.clock() AT TIME ZONE 'UTC', u.relation)
                ELSE format('due since %s', u.due_at) END
    FROM specql.upkeep AS u
    LEFT JOIN pg_class AS c ON c.oid = to_regclass(u.relation)
    CROSS JOIN LATERAL (
        SELECT u.command LIKE 'SELECT specql.make_partitions(%' AND NOT EXISTS (
            SELECT FROM specql.partition_bounds(to_regclass(u.relation)) AS b WHERE b.since <= specql.clock() AND b.until > specql.clock()) AS missing) AS m
    WHERE u.last_error IS NOT NULL OR to_regclass(u.relation) IS NULL OR m.missing OR u.due_at < specql.clock() - interval '5 min'
    ORDER BY u.name
$$;
COMMENT ON FUNCTION specql.upkeep_problems() IS 'What of specql.upkeep is not done when it should be, and why. For specql.health()';

REVOKE ALL ON FUNCTION specql.write_upkeep(text, text, text, jsonb, timestamptz, oid), specql.drop_upkeep(text, oid), specql.unregister_upkeep(text),
    specql.period_length(text), specql.period_start(text, timestamptz), specql.period_end(text, timestamptz), specql.period_name(text, timestamptz), specql.partition_bounds(regclass),
    specql.make_partitions(regclass, timestamptz, timestamptz), specql.drop_partitions(regclass), specql.partitioning(regclass),
    specql.write_partitioning(text, text, text, interval, integer, oid), specql.register_partitioning(text, text, text, interval, integer),
    specql.write_refresh(text, interval, boolean, oid), specql.register_refresh(text, interval, boolean), specql.due_upkeep(),
    specql.claim_upkeep(text), specql.end_upkeep(text, text), specql.do_upkeep(), specql.upkeep_problems()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.unregister_upkeep(text), specql.period_length(text), specql.period_start(text, timestamptz),
    specql.period_end(text, timestamptz), specql.period_name(text, timestamptz), specql.partition_bounds(regclass), specql.partitioning(regclass),
    specql.make_partitions(regclass, timestamptz, timestamptz), specql.drop_partitions(regclass),
    specql.register_partitioning(text, text, text, interval, integer), specql.register_refresh(text, interval, boolean)
TO specql_admin;
