-- Answers: what came back of a call, or why nothing will. An answer that somebody listens to is written with the result of its
-- call, as an event that waits for its actions; they handle it in a transaction of their own, in a session of their owner.

CREATE FUNCTION specql.heard_answers() RETURNS text[]
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'specql_heard_answers';
COMMENT ON FUNCTION specql.heard_answers() IS 'The types of answers that actions listen to, as payments.charge.succeeded';

CREATE FUNCTION specql.hears(heard text[], service text, operation text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT $2 || '.' || $3 || '.succeeded' = ANY ($1) OR $2 || '.' || $3 || '.failed' = ANY ($1)
$$;
COMMENT ON FUNCTION specql.hears(text[], text, text) IS 'Are answers to calls of this operation among these types?';

-- PostgreSQL 16 could ask whether it is.
CREATE FUNCTION specql.json_of(text text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN text::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION specql.json_of(text) IS 'A text as JSON; NULL if it is none';

-- By its name an event would be taken for what a service has said.
CREATE FUNCTION specql.require_emitter(type text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM specql.require_owner('event ' || type || ', which tells of an answer of service ' || s.name || ',', s.owner, specql.viewer())
    FROM specql.service AS s
    WHERE starts_with(type, s.name || '.') AND substr(type, length(s.name) + 2) ~ '^.+\.(succeeded|failed)$';
END $$;
COMMENT ON FUNCTION specql.require_emitter(text) IS 'An error if an event has the name of an answer, and its service belongs to somebody else';

-- The action itself is answered whatever its rights; others hear what they might have seen leave.
CREATE FUNCTION specql.answer_listeners(answer text, action text, call_owner specql.role, service text, entity text)
RETURNS TABLE (listener text, own boolean, relation text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.action, starts_with(l.part, 'answer '), l.relation
    FROM specql.action AS l
    WHERE l.event = $1
      AND CASE WHEN starts_with(l.part, 'answer ') THEN
                   -- An action on several tables has one for each.
                   l.action = $2
                   AND (NOT EXISTS (SELECT FROM specql.action AS o WHERE o.action = $2 AND o.part = l.part AND o.relation <> l.relation)
                        OR $5 = (SELECT n.nspname || '.' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                                 WHERE c.oid = to_regclass(l.relation)))
               WHEN l.relation IS NOT NULL OR l.part = 'match' OR NOT l.enabled THEN false
               ELSE specql.may_hear(l.action, $3, $4) END
$$;
COMMENT ON FUNCTION specql.answer_listeners(text, text, specql.role, text, text) IS
'The actions that an answer is for: that of the call, if its steps say what is done then, and others that listen to it';

-- What an action hears that did not make the call: the values that were sent lie beside those that came back.
CREATE FUNCTION specql.answer_data(payload jsonb, subject text, answer jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN jsonb_typeof($1 -> 'new') = 'object' THEN $1 -> 'new'
                WHEN jsonb_typeof($1 -> 'old') = 'object' THEN $1 -> 'old'
                WHEN jsonb_typeof($1) = 'object' THEN $1
                ELSE '{}' END || jsonb_build_object('subject', $2) || $3
$$;
COMMENT ON FUNCTION specql.answer_data(jsonb, text, jsonb) IS
'The payload of an answer as an event: the values of the row, or the keys of the payload, that the call was of, and over them what came back';

CREATE FUNCTION specql.write_answers(heard text[], leases bigint[], ids uuid[], verdicts text[], errors text[], http_statuses integer[],
    responses text[], headers text[], cut boolean[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    leased constant uuid[] := ARRAY(
        SELECT u.id FROM specql.lease AS l, unnest(l.ids) AS u(id)
        WHERE l.number = ANY (leases) AND u.id = ANY (write_answers.ids)
          AND EXISTS (SELECT FROM unnest(heard) AS h(type) WHERE starts_with(h.type, l.service || '.')));
    answered uuid[];
BEGIN
    -- Of two sessions that have an answer to one call, the second finds it gone.
    IF leased <> '{}' THEN
        PERFORM specql.unlease(leases, leased, 'leased');
    END IF;
    PERFORM FROM specql.outbox AS o WHERE o.id = ANY (write_answers.ids) AND o.service IS NOT NULL ORDER BY o.id FOR UPDATE;
    answered := ARRAY(
        SELECT o.id FROM specql.outbox AS o
        WHERE o.id = ANY (write_answers.ids) AND o.kind = 'call'
          AND EXISTS (SELECT FROM unnest(heard) AS h(type) WHERE starts_with(h.type, o.service || '.')));
    IF answered = '{}' THEN
        RETURN leased <> '{}';
    END IF;
    INSERT INTO specql.waiting_event (id, action, type, entity, relation, subject, data, occurred_at, xid, caused_by, root, depth, deliver, caller,
                                      traceparent, settings)
    SELECT specql.uuid_v7(), l.listener, a.type, CASE WHEN l.own THEN e.entity END, CASE WHEN l.own THEN to_regclass(l.relation) END,
           CASE WHEN l.own THEN e.subject END,
           CASE WHEN l.own THEN CASE WHEN e.entity IS NULL THEN coalesce(e.data, '{}') ELSE specql.whole_images(coalesce(e.data, '{}')) END
                                || jsonb_build_object('specql.answer', a.answer)
                ELSE specql.answer_data(a.payload, a.aggregateid, a.answer) END,
           specql.clock(), pg_current_xact_id(), a.event_id, coalesce(e.root, a.event_id, a.id), coalesce(e.depth, 0) + 1, true,
           CASE WHEN l.own THEN e.caller END, coalesce(e.traceparent, a.traceparent), e.settings
    FROM (SELECT w.id, w.event_id, w.action, w.owner, w.service, w.payload, w.aggregateid, w.traceparent,
                 w.service || '.' || w.operation || CASE r.verdict WHEN 'done' THEN '.succeeded' ELSE '.failed' END AS type,
                 jsonb_build_object(
                     'delivery_id', w.id, 'service', w.service, 'operation', w.operation, 'attempts', w.attempts,
                     'error', CASE r.verdict WHEN 'dead' THEN coalesce(r.error, w.last_error) END,
                     'response', CASE WHEN r.cut IS NOT TRUE THEN specql.json_of(r.response) END, 'response_text', r.response,
                     'response_cut', coalesce(r.cut, false), 'response_status', r.http_status, 'response_headers', r.headers::jsonb) AS answer
          FROM unnest(ids, verdicts, errors, http_statuses, responses, headers, cut)
                   AS r(id, verdict, error, http_status, response, headers, cut)
          JOIN specql.whole_delivery AS w ON w.id = r.id
          WHERE w.id = ANY (answered) AND w.place = 'outbox' AND r.verdict IN ('done', 'dead')
            AND specql.hears(heard, w.service, w.operation)
          OFFSET 0) AS a
    -- The log has an event that has deliveries.
    LEFT JOIN LATERAL (SELECT g.* FROM specql.event_log AS g WHERE g.id = a.event_id AND g.action IS NOT DISTINCT FROM a.action LIMIT 1) AS e ON true
    CROSS JOIN LATERAL specql.answer_listeners(a.type, a.action, a.owner, a.service, e.entity) AS l
    ORDER BY a.id;
    IF FOUND THEN
        PERFORM specql.wake_worker();
    END IF;
    RETURN leased <> '{}';
END $$;
COMMENT ON FUNCTION specql.write_answers(text[], bigint[], uuid[], text[], text[], integer[], text[], text[], boolean[]) IS
'Keeps, as events that wait, the answers to those of these calls that are done or dead now and that actions listen to. True if calls have left their leases for the outbox. For specql.retire';

-- For tests, which are rolled back: an answer is never committed there.
CREATE FUNCTION specql.handle_own_answers(action text) RETURNS bigint
LANGUAGE c VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'specql_handle_own_answers';
COMMENT ON FUNCTION specql.handle_own_answers(text) IS
'Runs the steps of an action for the answers to its calls that this transaction itself has brought, as if it were committed; how many. For generated tests, which are rolled back';

REVOKE ALL ON FUNCTION specql.heard_answers(), specql.hears(text[], text, text), specql.json_of(text), specql.require_emitter(text),
    specql.answer_listeners(text, text, specql.role, text, text), specql.answer_data(jsonb, text, jsonb),
    specql.write_answers(text[], bigint[], uuid[], text[], text[], integer[], text[], text[], boolean[]), specql.handle_own_answers(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.handle_own_answers(text) TO specql_admin;
