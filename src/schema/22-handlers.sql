-- What generated code calls: the triggers that capture changes and dispatch them, what a handler asks of its events,
-- and emit.

CREATE FUNCTION specql.capture() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_capture';
COMMENT ON FUNCTION specql.capture() IS
'Row trigger, one for all actions of a table: keeps the rows that match a condition for the end of the statement';

CREATE FUNCTION specql.dispatch() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'specql_dispatch';
COMMENT ON FUNCTION specql.dispatch() IS
'Statement trigger of the action whose capture function has the trigger''s name, with _capture for _trigger; its argument is abort if the action has on_error = abort. The first that fires runs the handlers of all actions of the table, each once for its captured rows';

CREATE FUNCTION specql.matched(branch integer) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_matched';
COMMENT ON FUNCTION specql.matched(integer) IS 'In a handler: does this branch hold for any of its events?';

CREATE FUNCTION specql.rows(branch integer) RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'specql_rows';
COMMENT ON FUNCTION specql.rows(integer) IS
'In a handler: its events for which this branch holds. The caller''s column list chooses by name among event_id, event_type, event_time, event_data, subject and the outputs of the capture function';

CREATE FUNCTION specql.several() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_several';
COMMENT ON FUNCTION specql.several() IS 'In a handler: has it more than one event to handle?';

CREATE FUNCTION specql.which_row(subject text) RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'specql_which_row';
COMMENT ON FUNCTION specql.which_row(text) IS
'In a handler: what an error says of the row that an event is about; its key only if whoever changed it may read the whole table';

CREATE FUNCTION specql.has_update_rules(relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_trigger AS t
                   WHERE t.tgrelid = $1 AND t.tgfoid = 'specql.dispatch()'::regprocedure
                     AND t.tgtype & 16 <> 0 AND t.tgenabled <> 'D')
$$;
COMMENT ON FUNCTION specql.has_update_rules(regclass) IS
'In a handler: does an action that is switched on listen to updates of this table? Then each change of a row is made by itself';

-- Conditions and steps call it as the owner of the action, so it is everybody's. Whoever asks learns only who he is himself.
CREATE FUNCTION specql.caller(key text) RETURNS text
LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'specql_caller';
COMMENT ON FUNCTION specql.caller(text) IS
'Who did it, for user the role that the session works as, for any other key that of the claims in the first of the settings named by specql.caller_claims that is set; in a handler of the event that is handled, as it was when that happened';

CREATE FUNCTION specql.caller_has("right" text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(specql.caller($1) = 'true', false) OR EXISTS (
        SELECT FROM pg_catalog.pg_roles AS role, pg_catalog.pg_roles AS caller
        WHERE role.rolname = $1 AND caller.rolname = specql.caller('user') AND pg_has_role(caller.oid, role.oid, 'MEMBER'))
$$;
COMMENT ON FUNCTION specql.caller_has(text) IS
    'Whether the caller has a right: a claim of this name is true, or he is a member of the role of this name';

CREATE FUNCTION specql.payload(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload';
COMMENT ON FUNCTION specql.payload(jsonb, text) IS
'In a handler: the value at a key as text; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_json(data jsonb, key text) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_json';
COMMENT ON FUNCTION specql.payload_json(jsonb, text) IS
'The value at a key as it is; an error that names the key if it is not there, NULL for JSON null';

CREATE FUNCTION specql.payload_array(data jsonb, key text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_array';
COMMENT ON FUNCTION specql.payload_array(jsonb, text) IS
'The same for a JSON array, written as PostgreSQL reads arrays; text is taken as it is';

CREATE FUNCTION specql.check_elements(name text, elements jsonb, required text[], others text[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    problem record;
BEGIN
    IF jsonb_typeof(elements) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'SQ200', MESSAGE = format('%s must be a JSON array of objects, and is %s',
            name, coalesce(jsonb_typeof(elements), 'NULL'));
    ELSIF elements = '[]' THEN
        RAISE EXCEPTION USING ERRCODE = 'SQ200', MESSAGE = format('%s has no elements', name);
    END IF;
    SELECT e.number, jsonb_typeof(e.value) AS type, k.missing, k.unknown INTO problem
    FROM jsonb_array_elements(elements) WITH ORDINALITY AS e(value, number)
    CROSS JOIN LATERAL (
        SELECT (SELECT r.key FROM unnest(required) WITH ORDINALITY AS r(key, number)
                WHERE coalesce(e.value -> r.key, 'null') = 'null' ORDER BY r.number LIMIT 1) AS missing,
               (SELECT o.key FROM jsonb_object_keys(CASE jsonb_typeof(e.value) WHEN 'object' THEN e.value ELSE '{}' END) AS o(key)
                WHERE o.key <> ALL (required || others) ORDER BY o.key LIMIT 1) AS unknown) AS k
    WHERE jsonb_typeof(e.value) <> 'object' OR k.missing IS NOT NULL OR k.unknown IS NOT NULL
    ORDER BY e.number LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'SQ200',
        MESSAGE = CASE
            WHEN problem.type <> 'object' THEN
                format('element %s of %s must be a JSON object, and is %s', problem.number, name, problem.type)
            WHEN problem.unknown IS NOT NULL THEN
                format('element %s of %s has the key %s, which means nothing', problem.number, name, problem.unknown)
            ELSE format('element %s of %s has no %s', problem.number, name, problem.missing) END,
        HINT = format('Its keys are %s.', array_to_string(required || others, ', '));
END $$;
COMMENT ON FUNCTION specql.check_elements(text, jsonb, text[], text[]) IS
'Fails (SQ200) unless the elements are a JSON array of objects that have all required keys, and none but these and the others';

CREATE FUNCTION specql.image(data jsonb, "row" text, columns text[] DEFAULT NULL) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_image';
COMMENT ON FUNCTION specql.image(jsonb, text, text[]) IS
'The image of the old or the new row in an event''s data, NULL if there is none; an error that names the column if one of these (NULL: any) was left out of it';

CREATE FUNCTION specql.whole_images(data jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'specql_whole_images';
COMMENT ON FUNCTION specql.whole_images(jsonb) IS
'The data of a row event with both rows whole: tables of events keep the new row, and as "was" what its changed columns were';

CREATE FUNCTION specql.emit(type text, data jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit';
COMMENT ON FUNCTION specql.emit(text, jsonb, timestamptz) IS
'Raises a custom event in this transaction; its handlers have run when it returns. The event''s id';

CREATE FUNCTION specql.emit(type text, data jsonb[], occurred_at timestamptz[] DEFAULT NULL) RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_array';
COMMENT ON FUNCTION specql.emit(text, jsonb[], timestamptz[]) IS 'Raises many custom events of one type, handled as one set';

CREATE FUNCTION specql.emit(type text, data text, occurred_at text DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_text';
COMMENT ON FUNCTION specql.emit(text, text, text) IS
'The same for a payload written as a plain literal, whose type PostgreSQL would otherwise have to guess';

CREATE FUNCTION specql.emit_once(type text, key text, data jsonb DEFAULT '{}', occurred_at timestamptz DEFAULT NULL,
    dedupe_for interval DEFAULT '1 day') RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_emit_once';
COMMENT ON FUNCTION specql.emit_once(text, text, jsonb, timestamptz, interval) IS
'Raises a custom event as specql.emit does, unless the role has raised one of this type and key before, and the key is known; the id of the first';

CREATE FUNCTION specql.recheck(relation regclass, action text, data jsonb, caller jsonb DEFAULT NULL, settings jsonb DEFAULT NULL)
RETURNS TABLE (branch integer, held boolean, "values" jsonb)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_recheck';
COMMENT ON FUNCTION specql.recheck(regclass, text, jsonb, jsonb, jsonb) IS
'Which conditions of an action hold for a logged change of a row, by today''s rules, and the values its steps read';

-- Left to PUBLIC: payload, check_elements and caller.
REVOKE ALL ON FUNCTION specql.capture(), specql.dispatch(), specql.matched(integer), specql.rows(integer),
    specql.several(), specql.which_row(text), specql.has_update_rules(regclass), specql.emit(text, jsonb, timestamptz),
    specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text), specql.emit_once(text, text, jsonb, timestamptz, interval),
    specql.recheck(regclass, text, jsonb, jsonb, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.capture(), specql.dispatch(), specql.matched(integer), specql.rows(integer),
    specql.several(), specql.which_row(text), specql.has_update_rules(regclass), specql.emit(text, jsonb, timestamptz),
    specql.emit(text, jsonb[], timestamptz[]), specql.emit(text, text, text), specql.emit_once(text, text, jsonb, timestamptz, interval)
TO specql_admin;
