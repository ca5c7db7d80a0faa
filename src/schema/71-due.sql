-- Due times of rows: an action that comes for each row at a time of that row. specql.due_row has when; a listener of the action
-- writes it in the transaction that writes the row. A worker, or specql.drain(), takes out what is due and writes it into
-- specql.waiting_event, in one transaction; from there it is handled like what waited for specql.resume.

CREATE TABLE specql.due_rule (
    action text NOT NULL PRIMARY KEY,
    event text NOT NULL,
    relation text NOT NULL,
    key text NOT NULL,
    missed text NOT NULL CHECK (missed IN ('run_once', 'skip')),
    dropped_in xid8
);
COMMENT ON TABLE specql.due_rule IS 'Actions that rows are due for: written by specql.register_due';
COMMENT ON COLUMN specql.due_rule.action IS 'Schema and name';
COMMENT ON COLUMN specql.due_rule.event IS 'When rows are due: the type of its events';
COMMENT ON COLUMN specql.due_rule.relation IS 'The table of the rows';
COMMENT ON COLUMN specql.due_rule.key IS 'What its events call the key of the row';
COMMENT ON COLUMN specql.due_rule.missed IS 'skip: a row that is written when its time has passed is not due';
COMMENT ON COLUMN specql.due_rule.dropped_in IS 'The transaction that dropped the action; registered again in the same one, as by apply, it goes on';
SELECT pg_catalog.pg_extension_config_dump('specql.due_rule', '');

-- However many rows there are, what is due is found along the second index, and a row's own time along the first.
CREATE TABLE specql.due_row (
    action text NOT NULL,
    key text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (action, key)
);
CREATE INDEX due_row_time ON specql.due_row (action, due_at);
COMMENT ON TABLE specql.due_row IS 'When rows are due, by action';
COMMENT ON COLUMN specql.due_row.action IS 'Schema and name';
COMMENT ON COLUMN specql.due_row.key IS 'The key of the row, as text';
COMMENT ON COLUMN specql.due_row.due_at IS 'By specql.clock(). While an apply looks at the rows again, infinity';
SELECT pg_catalog.pg_extension_config_dump('specql.due_row', '');

-- Which rows are to be taken in: all, those whose time is to come, those that have been due before; NULL: none.
CREATE FUNCTION specql.write_due_rule(action text, event text, relation text, key text, missed text, backfill text, caller oid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known specql.due_rule;
BEGIN
    PERFORM specql.require_action(action, caller), specql.require_name(action, caller);
    IF backfill NOT IN ('future', 'all', 'none') THEN
        RAISE EXCEPTION 'backfill is future, all or none' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT r.* INTO known FROM specql.due_rule AS r WHERE r.action = write_due_rule.action FOR UPDATE;
    INSERT INTO specql.due_rule AS r (action, event, relation, key, missed)
    VALUES (write_due_rule.action, write_due_rule.event, write_due_rule.relation, write_due_rule.key, write_due_rule.missed)
    ON CONFLICT ON CONSTRAINT due_rule_pkey DO UPDATE
    SET event = excluded.event, relation = excluded.relation, key = excluded.key, missed = excluded.missed, dropped_in = NULL;
    PERFORM specql.wake_worker();
    IF known.action IS NULL THEN
        RETURN nullif(backfill, 'none');
    ELSIF known.event = write_due_rule.event THEN
        RETURN NULL;
    END IF;
    UPDATE specql.due_row AS d SET due_at = 'infinity' WHERE d.action = write_due_rule.action;
    RETURN CASE WHEN backfill = 'none' THEN 'known' ELSE 'future' END;
END $$;
COMMENT ON FUNCTION specql.write_due_rule(text, text, text, text, text, text, oid) IS 'What specql.begin_due does, for its caller';

CREATE FUNCTION specql.begin_due(action text, event text, relation text, key text, missed text, backfill text) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_begin_due';
COMMENT ON FUNCTION specql.begin_due(text, text, text, text, text, text) IS
'Notes that rows are due for an action, and says which of those there are specql.take_due_rows is to be told: all, future, known (those that were due before), or NULL';

CREATE FUNCTION specql.write_taken_rows(action text, keys text[], due_at timestamptz[], which text, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    now constant timestamptz := specql.clock();
BEGIN
    PERFORM specql.require_action(action, caller);
    INSERT INTO specql.due_row AS d (action, key, due_at)
    SELECT r.action, u.key, u.due_at
    FROM specql.due_rule AS r, unnest(keys, due_at) AS u(key, due_at)
    WHERE r.action = $1 AND r.dropped_in IS NULL
      AND (u.due_at > now AND which <> 'known'
           OR (u.due_at > now OR r.missed <> 'skip')
              AND (which = 'all' OR EXISTS (SELECT FROM specql.due_row AS k WHERE k.action = $1 AND k.key = u.key)))
    ORDER BY u.key
    ON CONFLICT ON CONSTRAINT due_row_pkey DO UPDATE SET due_at = excluded.due_at;
    -- What is not told any more is not due.
    IF keys IS NULL THEN
        DELETE FROM specql.due_row AS d WHERE d.action = $1 AND d.due_at = 'infinity';
    END IF;
END $$;
COMMENT ON FUNCTION specql.write_taken_rows(text, text[], timestamptz[], text, oid) IS 'What specql.take_due_rows does, for its caller';

CREATE FUNCTION specql.take_due_rows(action text, keys text[], due_at timestamptz[], which text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_take_due_rows';
COMMENT ON FUNCTION specql.take_due_rows(text, text[], timestamptz[], text) IS
'Tells the runtime when rows are due that were there before their action, as specql.begin_due said; with NULL for keys, that those were all';

-- The rows are read with the rights of the caller, by a function of the caller. Who writes them waits meanwhile: else a time
-- that is read here could be written after a later one.
CREATE FUNCTION specql.register_due(action text, event text, relation text, times text, key text, missed text DEFAULT 'run_once',
    backfill text DEFAULT 'future') RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    batch constant integer := 10000;
    which constant text := specql.begin_due(action, event, relation, key, missed, backfill);
    r record;
    keys text[] := '{}';
    due_at timestamptz[] := '{}';
BEGIN
    IF which IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation::regclass);
    FOR r IN EXECUTE format('SELECT t.key::text AS key, t.due_at FROM %s AS t', times) LOOP
        keys := keys || r.key;
        due_at := due_at || r.due_at;
        IF cardinality(keys) >= batch THEN
            PERFORM specql.take_due_rows(action, keys, due_at, which);
            keys := '{}';
            due_at := '{}';
        END IF;
    END LOOP;
    PERFORM specql.take_due_rows(action, keys, due_at, which), specql.take_due_rows(action, NULL, NULL, which);
END $$;
COMMENT ON FUNCTION specql.register_due(text, text, text, text, text, text, text) IS
'Tells the runtime when rows of a table are due for an action, which a function tells for each of them; backfill is future, all or none: which of the rows there are. Generated code calls this';

CREATE FUNCTION specql.write_due_rows(action text, keys text[], due_keys text[], due_at timestamptz[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    passed timestamptz;
    gone text[];
BEGIN
    IF keys IS NULL THEN
        DELETE FROM specql.due_row AS d WHERE d.action = $1;
        RETURN;
    END IF;
    SELECT CASE WHEN r.missed = 'skip' THEN specql.clock() ELSE '-infinity' END INTO passed
    FROM specql.due_rule AS r WHERE r.action = $1 AND r.dropped_in IS NULL;
    gone := ARRAY(SELECT k.key FROM unnest(keys) AS k(key)
                  EXCEPT SELECT u.key FROM unnest(due_keys, $4) AS u(key, due_at) WHERE u.due_at > passed);
    IF gone <> '{}' THEN
        DELETE FROM specql.due_row AS d WHERE d.action = $1 AND d.key = ANY (gone);
    END IF;
    INSERT INTO specql.due_row AS d (action, key, due_at)
    SELECT $1, u.key, u.due_at FROM unnest(due_keys, $4) AS u(key, due_at) WHERE u.due_at > passed ORDER BY u.key
    ON CONFLICT ON CONSTRAINT due_row_pkey DO UPDATE SET due_at = excluded.due_at WHERE d.due_at <> excluded.due_at;
END $$;
COMMENT ON FUNCTION specql.write_due_rows(text, text[], text[], timestamptz[]) IS 'What specql.set_due_rows does';

CREATE FUNCTION specql.set_due_rows(action text, keys text[], due_keys text[], due_at timestamptz[]) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_set_due_rows';
COMMENT ON FUNCTION specql.set_due_rows(text, text[], text[], timestamptz[]) IS
'Of the rows with these keys, which are due for the action that is handling their change, and when: the others are not; NULL: none of the table is. Generated code calls this';

-- A paused one is not looked at: its rows are due when it is resumed.
CREATE VIEW specql.due_action AS
    SELECT r.action, (SELECT d.due_at FROM specql.due_row AS d WHERE d.action = r.action ORDER BY d.due_at LIMIT 1) AS due_at
    FROM specql.due_rule AS r JOIN specql.action AS a ON a.action = r.action AND a.part = 'due'
    WHERE a.enabled AND a.paused_at IS NULL AND r.dropped_in IS NULL;
COMMENT ON VIEW specql.due_action IS 'When the next row is due for each action';
COMMENT ON COLUMN specql.due_action.action IS 'Schema and name';
COMMENT ON COLUMN specql.due_action.due_at IS 'By specql.clock(); NULL: no row is';

-- What another session has taken out, or is moving, is left to it. Whatever statistics say, rows are few beside those that wait.
CREATE FUNCTION specql.raise_due_rows(action text, max_events integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    now constant timestamptz := specql.clock();
    rule specql.due_rule;
    raised integer;
BEGIN
    SELECT r.* INTO rule FROM specql.due_rule AS r
    WHERE r.action = $1 AND EXISTS (SELECT FROM specql.due_action AS a WHERE a.action = $1);
    WITH due AS (
        DELETE FROM specql.due_row AS d
        USING (SELECT w.key FROM specql.due_row AS w WHERE w.action = rule.action AND w.due_at <= now
               ORDER BY w.due_at LIMIT max_events FOR UPDATE SKIP LOCKED) AS k
        WHERE d.action = rule.action AND d.key = k.key
        RETURNING d.key, d.due_at)
    SELECT cardinality(specql.raise_waiting(rule.action, rule.event,
               array_agg(jsonb_build_object(rule.key, d.key, 'due_at', d.due_at) ORDER BY d.due_at, d.key),
               array_agg(d.due_at ORDER BY d.due_at, d.key)))
    INTO raised
    FROM due AS d;
    RETURN raised;
END $$;
COMMENT ON FUNCTION specql.raise_due_rows(text, integer) IS
'Lets rows whose time has come raise the events of an action, which wait for it then; how many. For the worker';

CREATE FUNCTION specql.run_due(action text, key text, due_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    run uuid;
    at constant timestamptz := coalesce(due_at, specql.clock());
BEGIN
    action := specql.known_action(action);
    PERFORM specql.require_action(action, specql.viewer());
    SELECT (specql.raise_waiting(r.action, r.event, ARRAY[jsonb_build_object(r.key, run_due.key, 'due_at', at)], ARRAY[at]))[1] INTO run
    FROM specql.due_rule AS r JOIN specql.action AS a ON a.action = r.action AND a.part = 'due' AND a.enabled
    WHERE r.action = run_due.action AND r.dropped_in IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no row is ever due for action %, or it is switched off', action
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rows are due for actions with on: time Entity.field.';
    END IF;
    PERFORM specql.wake_worker();
    RETURN run;
END $$;
COMMENT ON FUNCTION specql.run_due(text, text, timestamptz) IS
'Runs an action for the row with this key as if it was due now, or at another time: its event waits for a worker, or for specql.drain(). When it is due stays as it is. Its id';

CREATE VIEW specql.due AS
    SELECT r.action, r.relation, d.key, d.due_at
    FROM specql.due_rule AS r
    JOIN specql.owned_action AS o ON o.action = r.action
    JOIN specql.due_row AS d ON d.action = r.action
    WHERE r.dropped_in IS NULL AND specql.is_mine(o.owner);
COMMENT ON VIEW specql.due IS 'Rows that will be due for actions of the current user, and when';
COMMENT ON COLUMN specql.due.action IS 'Schema and name';
COMMENT ON COLUMN specql.due.relation IS 'The table of the row';
COMMENT ON COLUMN specql.due.key IS 'The key of the row, as text';
COMMENT ON COLUMN specql.due.due_at IS 'When it is due, or has been due since';

REVOKE ALL ON FUNCTION specql.write_due_rule(text, text, text, text, text, text, oid),
    specql.begin_due(text, text, text, text, text, text), specql.write_taken_rows(text, text[], timestamptz[], text, oid),
    specql.take_due_rows(text, text[], timestamptz[], text), specql.register_due(text, text, text, text, text, text, text),
    specql.write_due_rows(text, text[], text[], timestamptz[]), specql.set_due_rows(text, text[], text[], timestamptz[]),
    specql.raise_due_rows(text, integer), specql.run_due(text, text, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.begin_due(text, text, text, text, text, text), specql.take_due_rows(text, text[], timestamptz[], text),
    specql.register_due(text, text, text, text, text, text, text), specql.set_due_rows(text, text[], text[], timestamptz[]),
    specql.run_due(text, text, timestamptz)
TO specql_admin;
GRANT SELECT ON specql.due TO specql_admin;
