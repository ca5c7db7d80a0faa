-- Windows and correlations: what their events are, what is known of each key, and how it is worked out.
--
-- A listener of each source writes its events into specql.window_event, in the transaction that raised them. A worker,
-- or specql.drain(), takes them out in order, brings specql.window_key and specql.window_entry up to date and writes what
-- matched into specql.waiting_event, in one transaction; from there it is handled like what waited for specql.resume.

CREATE TABLE specql.window_rule (
    action text NOT NULL PRIMARY KEY,
    event text NOT NULL,
    condition text NOT NULL,
    joined text NOT NULL,
    terms jsonb NOT NULL,
    keys text[] NOT NULL,
    after_match text NOT NULL CHECK (after_match IN ('consume', 'edge', 'every')),
    cooldown interval,
    on_timeout boolean NOT NULL,
    memory interval NOT NULL,
    evaluated bigint NOT NULL DEFAULT 0,
    matches bigint NOT NULL DEFAULT 0,
    suppressed bigint NOT NULL DEFAULT 0,
    missing_keys bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    unusable bigint NOT NULL DEFAULT 0,
    last_match_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE specql.window_rule IS 'Windows and correlations: written by specql.register_window, shown by specql.windows';
COMMENT ON COLUMN specql.window_rule.action IS 'Schema and name';
COMMENT ON COLUMN specql.window_rule.event IS 'The custom event that a match raises';
COMMENT ON COLUMN specql.window_rule.condition IS 'As the spec has it';
COMMENT ON COLUMN specql.window_rule.joined IS 'The same with its terms numbered: 1 AND (2 OR NOT 3)';
COMMENT ON COLUMN specql.window_rule.terms IS 'What is counted, and how long it counts';
COMMENT ON COLUMN specql.window_rule.keys IS 'What BY, or correlate_by, names; empty for one window over all';
COMMENT ON COLUMN specql.window_rule.after_match IS 'What becomes of events that matched: consume, edge or every';
COMMENT ON COLUMN specql.window_rule.cooldown IS 'Matches so soon after another are suppressed';
COMMENT ON COLUMN specql.window_rule.on_timeout IS 'It is told too what was not completed in time';
COMMENT ON COLUMN specql.window_rule.memory IS 'How long an event can matter';
COMMENT ON COLUMN specql.window_rule.evaluated IS 'Events counted so far';
COMMENT ON COLUMN specql.window_rule.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.window_rule.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.window_rule.missing_keys IS 'Events without a key, which belong to no window';
COMMENT ON COLUMN specql.window_rule.late IS 'Events older than one that was counted before';
COMMENT ON COLUMN specql.window_rule.unusable IS 'Values that are no number';
COMMENT ON COLUMN specql.window_rule.last_match_at IS 'The time of the last match';
SELECT pg_catalog.pg_extension_config_dump('specql.window_rule', '');

CREATE TABLE specql.window_event (
    action text NOT NULL,
    term integer NOT NULL,
    key text,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    value text,
    xid xid8 NOT NULL,
    root uuid NOT NULL,
    depth integer NOT NULL,
    traceparent text,
    settings jsonb
);
CREATE INDEX window_event_order ON specql.window_event (action, at, id);
COMMENT ON TABLE specql.window_event IS 'Events on their way into windows; taken out when they are counted';
COMMENT ON COLUMN specql.window_event.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_event.term IS 'The term that counts it, from 1';
COMMENT ON COLUMN specql.window_event.key IS 'The window it belongs to; NULL if the event lacks the key';
COMMENT ON COLUMN specql.window_event.at IS 'When it happened';
COMMENT ON COLUMN specql.window_event.id IS 'The event';
COMMENT ON COLUMN specql.window_event.value IS 'The value of the term''s field';
COMMENT ON COLUMN specql.window_event.xid IS 'The transaction';
COMMENT ON COLUMN specql.window_event.root IS 'The event at the start of its chain of causes';
COMMENT ON COLUMN specql.window_event.depth IS 'Its place in that chain';
COMMENT ON COLUMN specql.window_event.traceparent IS 'The trace that it happened in, as the W3C writes it';
COMMENT ON COLUMN specql.window_event.settings IS 'The settings that specql.context named, as the session had them';
SELECT pg_catalog.pg_extension_config_dump('specql.window_event', '');

CREATE TABLE specql.window_key (
    action text NOT NULL,
    key text NOT NULL,
    latest timestamptz,
    latest_id text NOT NULL,
    consumed_at timestamptz,
    consumed_id text NOT NULL,
    matched_at timestamptz,
    deadline timestamptz,
    deadline_xid xid8,
    held boolean NOT NULL,
    counts bigint[] NOT NULL,
    sums numeric[] NOT NULL,
    details text NOT NULL,
    matches bigint NOT NULL,
    suppressed bigint NOT NULL,
    forgotten_after timestamptz NOT NULL,
    traceparent text,
    settings jsonb,
    PRIMARY KEY (action, key)
) WITH (fillfactor = 50);
CREATE INDEX window_key_deadline ON specql.window_key (action, deadline) WHERE deadline IS NOT NULL;
COMMENT ON TABLE specql.window_key IS 'What is known of each key of a window or correlation; shown by specql.windows';
COMMENT ON COLUMN specql.window_key.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_key.key IS 'The key; empty for one window over all';
COMMENT ON COLUMN specql.window_key.latest IS 'The time of the latest event';
COMMENT ON COLUMN specql.window_key.latest_id IS 'That event';
COMMENT ON COLUMN specql.window_key.consumed_at IS 'Events up to this time belong to a match that was';
COMMENT ON COLUMN specql.window_key.consumed_id IS 'The last of them';
COMMENT ON COLUMN specql.window_key.matched_at IS 'The last match that was told';
COMMENT ON COLUMN specql.window_key.deadline IS 'When the absence of an event will be certain';
COMMENT ON COLUMN specql.window_key.deadline_xid IS 'Transactions before this one may hold events from before the deadline';
COMMENT ON COLUMN specql.window_key.held IS 'Whether the condition held after the last event';
COMMENT ON COLUMN specql.window_key.counts IS 'Events in the window, term by term';
COMMENT ON COLUMN specql.window_key.sums IS 'The sums of their values';
COMMENT ON COLUMN specql.window_key.details IS 'What MIN, MAX, COUNT(DISTINCT) and NOT must remember; see core/time/window_details.hpp';
COMMENT ON COLUMN specql.window_key.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.window_key.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.window_key.forgotten_after IS 'After this time the row tells nothing any more';
COMMENT ON COLUMN specql.window_key.traceparent IS 'The trace of the latest event';
COMMENT ON COLUMN specql.window_key.settings IS 'The settings that are kept with the latest event';
SELECT pg_catalog.pg_extension_config_dump('specql.window_key', '');

CREATE TABLE specql.window_entry (
    action text NOT NULL,
    key text NOT NULL,
    term integer NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    value numeric NOT NULL
);
CREATE INDEX window_entry_order ON specql.window_entry (action, key, term, at, id);
COMMENT ON TABLE specql.window_entry IS 'The events in the windows';
COMMENT ON COLUMN specql.window_entry.action IS 'Whose window it is';
COMMENT ON COLUMN specql.window_entry.key IS 'The key; empty for one window over all';
COMMENT ON COLUMN specql.window_entry.term IS 'The term that counts it, from 1';
COMMENT ON COLUMN specql.window_entry.at IS 'When it happened';
COMMENT ON COLUMN specql.window_entry.id IS 'The event';
COMMENT ON COLUMN specql.window_entry.value IS 'The value of the term''s field; 0 without one';
SELECT pg_catalog.pg_extension_config_dump('specql.window_entry', '');

-- One session at a time works on a window, until the end of its transaction.
CREATE FUNCTION specql.lock_window(action text, wait boolean) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.lock_number('window', hashtext($1), $2)
$$;
COMMENT ON FUNCTION specql.lock_window(text, boolean) IS
'Takes the lock of whoever works on a window or correlation; false if another session has it and this one is not to wait';

-- What was counted under another condition means nothing under this one; counting starts anew.
CREATE FUNCTION specql.write_window(action text, event text, condition text, joined text, terms jsonb, keys text[],
    after_match text, cooldown interval, on_timeout boolean, caller oid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    longest interval := (SELECT max((t ->> 'within')::interval) FROM jsonb_array_elements(write_window.terms) AS t);
BEGIN
    PERFORM specql.require_action(action, caller), specql.require_name(action, caller);
    IF EXISTS (SELECT FROM jsonb_array_elements(write_window.terms) AS t
               WHERE extract(epoch FROM (t ->> 'within')::interval) <= 0) OR cooldown < '0' THEN
        RAISE EXCEPTION 'a window of action % has no length', action USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM specql.window_rule AS r
    WHERE r.action = write_window.action
      AND (r.joined, r.terms, r.keys) IS NOT DISTINCT FROM (write_window.joined, write_window.terms, write_window.keys);
    IF NOT FOUND THEN
        PERFORM specql.clear_window(action);
    END IF;
    INSERT INTO specql.window_rule AS r
    VALUES (action, event, condition, joined, terms, keys, after_match, cooldown, on_timeout,
            greatest(CASE WHEN joined LIKE '%NOT%' THEN 2 ELSE 1 END * longest, cooldown))
    ON CONFLICT ON CONSTRAINT window_rule_pkey DO UPDATE
    SET event = excluded.event, condition = excluded.condition, joined = excluded.joined, terms = excluded.terms,
        keys = excluded.keys, after_match = excluded.after_match, cooldown = excluded.cooldown,
        on_timeout = excluded.on_timeout, memory = excluded.memory;
END $$;
COMMENT ON FUNCTION specql.write_window(text, text, text, text, jsonb, text[], text, interval, boolean, oid) IS
'What specql.register_window does, for its caller';

CREATE FUNCTION specql.register_window(action text, event text, condition text, joined text, terms jsonb, keys text[],
    after_match text, cooldown interval, on_timeout boolean) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_register_window';
COMMENT ON FUNCTION specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean) IS
'Tells the runtime of a window or correlation; with another condition than before it counts anew. Generated code calls this';

CREATE FUNCTION specql.clear_window(action text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.lock_window($1, true);
    DELETE FROM specql.window_event AS e WHERE e.action = $1;
    DELETE FROM specql.window_key AS k WHERE k.action = $1;
    DELETE FROM specql.window_entry AS e WHERE e.action = $1;
$$;
COMMENT ON FUNCTION specql.clear_window(text) IS 'What specql.forget_window does, whoever asks';

CREATE FUNCTION specql.forget_window(action text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, specql.viewer());
    SELECT specql.clear_window($1);
$$;
COMMENT ON FUNCTION specql.forget_window(text) IS
'Forgets all that a window or correlation has counted, and what waits to be; specql.rebuild_window(action) counts again what the log holds';

CREATE FUNCTION specql.drop_window(action text, caller oid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT specql.require_action($1, $2);
    SELECT specql.clear_window($1);
    DELETE FROM specql.window_rule AS r WHERE r.action = $1;
$$;
COMMENT ON FUNCTION specql.drop_window(text, oid) IS 'What specql.unregister_window does, for its caller';

CREATE FUNCTION specql.unregister_window(action text) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_unregister_window';
COMMENT ON FUNCTION specql.unregister_window(text) IS 'Makes the runtime forget a window or correlation';

CREATE FUNCTION specql.window_events(action text, term integer, event_ids uuid[], times timestamptz[], keys text[],
    "values" text[]) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_window_events';
COMMENT ON FUNCTION specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]) IS
'In a handler: hands events to a term of a window or correlation. Without keys all belong to one window; an event whose key is NULL belongs to none';

CREATE FUNCTION specql.evaluate_windows(max_items integer DEFAULT NULL, wait boolean DEFAULT true) RETURNS integer
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off AS 'MODULE_PATHNAME', 'specql_evaluate_windows';
COMMENT ON FUNCTION specql.evaluate_windows(integer, boolean) IS
'Counts the committed events that wait for windows of the caller, in order, and runs the steps of what matches; how many events and deadlines. For specql.drain()';

CREATE FUNCTION specql.evaluate_window(action text, max_items bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off AS 'MODULE_PATHNAME', 'specql_evaluate_window';
COMMENT ON FUNCTION specql.evaluate_window(text, bigint) IS
'Counts what waits for one window or correlation; matches wait for their actions. How many events and deadlines; 0 while another session counts. For the worker';

-- For tests, which are rolled back: their events are never committed, and nobody else's may be counted with them.
CREATE FUNCTION specql.evaluate_own_window(action text) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off AS 'MODULE_PATHNAME', 'specql_evaluate_own_window';
COMMENT ON FUNCTION specql.evaluate_own_window(text) IS
'Counts the events that this transaction itself has brought to a window or correlation, and passes the deadlines that have come, as if it were committed; how many of both. For generated tests, which are rolled back';

-- Transactions of other databases, and autovacuum's, hold no events of this one. To be asked before the events are read:
-- what has ended by then is visible to the statement that reads them.
CREATE FUNCTION specql.window_horizon() RETURNS xid8
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    snapshot constant pg_snapshot := pg_current_snapshot();
    next constant bigint := pg_snapshot_xmax(snapshot)::text::bigint;
    oldest bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_snapshot_xip(snapshot) AS x WHERE x IS DISTINCT FROM pg_current_xact_id_if_assigned()) THEN
        RETURN pg_snapshot_xmax(snapshot);
    END IF;
    PERFORM pg_stat_clear_snapshot();
    -- How far each is behind the next one, counted as the server does, in 32 bits that go round.
    SELECT next - max(r.behind) INTO oldest
    FROM (SELECT (next - a.backend_xid::text::bigint) & 4294967295 AS behind
          FROM pg_stat_get_activity(NULL) AS a
          WHERE a.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND a.backend_type <> 'autovacuum worker' AND a.pid <> pg_backend_pid()
          UNION ALL
          SELECT (next - p.transaction::text::bigint) & 4294967295
          FROM pg_prepared_xacts AS p WHERE p.database = current_database()) AS r
    WHERE r.behind < 2147483648;
    RETURN coalesce(oldest::text::xid8, pg_snapshot_xmax(snapshot));
END $$;
COMMENT ON FUNCTION specql.window_horizon() IS 'All transactions of this database before this one have ended, but for the caller''s own';

CREATE FUNCTION specql.expire_windows() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM specql.window_key AS k
        WHERE k.forgotten_after < specql.clock() AND k.deadline IS NULL AND specql.lock_window(k.action, false)
        RETURNING k.action, k.key),
    emptied AS (
        DELETE FROM specql.window_entry AS e USING gone AS g WHERE e.action = g.action AND e.key = g.key)
    SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION specql.expire_windows() IS
'Removes keys of windows whose events are all too old to matter; how many. The worker does it';

CREATE FUNCTION specql.rebuild_window(action text) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_rebuild_window';
COMMENT ON FUNCTION specql.rebuild_window(text) IS
'Forgets what a window or correlation has counted and counts the events of the log again, as far as they still matter, without running steps; how many';

-- A row for each window or correlation, and one for each of its keys.
CREATE VIEW specql.windows AS
    SELECT r.action, NULL::text AS key, r.condition, k.counts, k.latest AS last_at, r.matches, r.last_match_at, r.suppressed,
           k.deadline, r.evaluated,
           (SELECT count(*) FROM specql.window_event AS e WHERE e.action = r.action) AS waiting,
           r.missing_keys, r.late, r.unusable
    FROM specql.window_rule AS r
    LEFT JOIN specql.window_key AS k ON k.action = r.action AND k.key = '' AND r.keys = '{}'
    UNION ALL
    SELECT k.action, k.key, r.condition, k.counts, k.latest, k.matches, k.matched_at, k.suppressed, k.deadline,
           NULL, NULL, NULL, NULL, NULL
    FROM specql.window_key AS k JOIN specql.window_rule AS r ON r.action = k.action
    WHERE r.keys <> '{}';
COMMENT ON VIEW specql.windows IS 'Windows and correlations: one row for each, and one for each key that is known';
COMMENT ON COLUMN specql.windows.action IS 'Schema and name';
COMMENT ON COLUMN specql.windows.key IS 'The key; NULL for the window as a whole';
COMMENT ON COLUMN specql.windows.condition IS 'As the spec has it';
COMMENT ON COLUMN specql.windows.counts IS 'Events in the window after its last event, term by term';
COMMENT ON COLUMN specql.windows.last_at IS 'The time of the latest event';
COMMENT ON COLUMN specql.windows.matches IS 'How often the condition was met';
COMMENT ON COLUMN specql.windows.last_match_at IS 'The time of the last match that was told';
COMMENT ON COLUMN specql.windows.suppressed IS 'Matches that the cooldown kept quiet';
COMMENT ON COLUMN specql.windows.deadline IS 'When the absence of an event will be certain';
COMMENT ON COLUMN specql.windows.evaluated IS 'Events counted so far';
COMMENT ON COLUMN specql.windows.waiting IS 'Events not counted yet: of transactions that are not the oldest, or of the future';
COMMENT ON COLUMN specql.windows.missing_keys IS 'Events without a key, which belong to no window';
COMMENT ON COLUMN specql.windows.late IS 'Events older than one that was counted before';
COMMENT ON COLUMN specql.windows.unusable IS 'Values that are no number';

CREATE FUNCTION specql.backtest(spec text, since timestamptz, until timestamptz DEFAULT NULL, schema text DEFAULT NULL)
RETURNS TABLE (action text, at timestamptz, key text, count bigint, event_ids text[])
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_backtest';
COMMENT ON FUNCTION specql.backtest(text, timestamptz, timestamptz, text) IS
'When the windows and correlations of a spec would have fired over the history there is, without applying it';

REVOKE ALL ON FUNCTION specql.write_window(text, text, text, text, jsonb, text[], text, interval, boolean, oid),
    specql.clear_window(text), specql.drop_window(text, oid),
    specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean), specql.forget_window(text),
    specql.unregister_window(text), specql.lock_window(text, boolean),
    specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]),
    specql.evaluate_windows(integer, boolean), specql.evaluate_window(text, bigint), specql.evaluate_own_window(text),
    specql.window_horizon(), specql.expire_windows(), specql.rebuild_window(text),
    specql.backtest(text, timestamptz, timestamptz, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.register_window(text, text, text, text, jsonb, text[], text, interval, boolean),
    specql.forget_window(text), specql.unregister_window(text),
    specql.window_events(text, integer, uuid[], timestamptz[], text[], text[]),
    specql.evaluate_windows(integer, boolean), specql.evaluate_own_window(text), specql.expire_windows(),
    specql.rebuild_window(text), specql.backtest(text, timestamptz, timestamptz, text)
TO specql_admin;
GRANT SELECT ON specql.windows TO specql_admin;
