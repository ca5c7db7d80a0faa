-- What is sent: the body of a call in the format of its service, and the text of a notification.

CREATE FUNCTION specql.numbers_as_text(value jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_numbers_as_text';
COMMENT ON FUNCTION specql.numbers_as_text(jsonb) IS 'The same with strings for its numbers, digit by digit';

CREATE FUNCTION specql.delivery_body(format text, d specql.whole_delivery, max_retries integer, numbers text DEFAULT 'json') RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'specql_delivery_body';
COMMENT ON FUNCTION specql.delivery_body(text, specql.whole_delivery, integer, text) IS 'The body of a call, before its attempt is counted, in the format of its service, with numbers as it wants them';

-- A notification holds less than 8,000 bytes.
CREATE FUNCTION specql.notification(d specql.whole_delivery) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(CASE WHEN octet_length(n.message) <= 7900 THEN n.message END, jsonb_build_object('ref', d.id, 'truncated', true)::text)
    -- A payload of so many bytes is longer as a text: it need not be written to know that.
    FROM (SELECT CASE WHEN specql.payload_size(d.payload) + octet_length(d.message) < 100000 THEN jsonb_strip_nulls(jsonb_build_object('id', d.id, 'message', d.message, 'type', d.type,
                     'subject', d.aggregateid, 'event_id', d.event_id, 'created_at', d.created_at,
                     'severity', d.severity, 'acknowledge', CASE WHEN d.kind = 'escalation' THEN true END))
                 || jsonb_build_object('data', d.payload) END AS body) AS b,
         LATERAL (SELECT b.body::text AS message) AS n
$$;
COMMENT ON FUNCTION specql.notification(specql.whole_delivery) IS
'The payload of a notification; for one that is too long a reference to the row of specql.deliveries';

REVOKE ALL ON FUNCTION specql.delivery_body(text, specql.whole_delivery, integer, text), specql.notification(specql.whole_delivery), specql.numbers_as_text(jsonb)
FROM PUBLIC;
