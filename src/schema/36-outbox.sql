-- The outbox: deliveries that handlers queued, until they have left the database. What is written of a delivery is written once,
-- and not again when it is claimed, sent, and done: who calls what, and with what, stays where it is.

-- What all deliveries of a step have in common is written once. Rows are never changed; of two transactions that need the same
-- one at once, each writes its own.
CREATE TABLE specql.definition (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aggregatetype text NOT NULL,
    type text NOT NULL,
    operation text,
    channel text,
    message text,
    traced boolean NOT NULL DEFAULT false
);
CREATE INDEX definition_content ON specql.definition (pg_catalog.md5(aggregatetype || ' ' || type), operation);
COMMENT ON TABLE specql.definition IS 'What deliveries of the same step have in common';
COMMENT ON COLUMN specql.definition.id IS 'For specql.outbox.definition';
COMMENT ON COLUMN specql.definition.aggregatetype IS 'The table that the events are about, or the custom event';
COMMENT ON COLUMN specql.definition.type IS 'The type of the events';
COMMENT ON COLUMN specql.definition.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.definition.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.definition.message IS 'What to tell them';
COMMENT ON COLUMN specql.definition.traced IS 'Their events have traces: only of these the log is asked for them';
COMMENT ON SEQUENCE specql.definition_id_seq IS 'Numbers specql.definition';
SELECT pg_catalog.pg_extension_config_dump('specql.definition', '');
SELECT pg_catalog.pg_extension_config_dump('specql.definition_id_seq', '');

-- Calls with a payload of their own.
CREATE TABLE specql.own_payload (
    id uuid NOT NULL PRIMARY KEY,
    aggregatetype text NOT NULL,
    aggregateid text,
    type text NOT NULL,
    operation text NOT NULL,
    payload jsonb NOT NULL,
    traceparent text,
    idempotency_key text
);
COMMENT ON TABLE specql.own_payload IS 'What calls deliver that do not deliver the data of their event, or that have an idempotency key, from when they are queued until they leave the history';
COMMENT ON COLUMN specql.own_payload.id IS 'The delivery';
COMMENT ON COLUMN specql.own_payload.aggregatetype IS 'The table that the event is about, or the custom event; outside of handlers the service';
COMMENT ON COLUMN specql.own_payload.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.own_payload.type IS 'The event''s type';
COMMENT ON COLUMN specql.own_payload.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.own_payload.payload IS 'What the step, or the caller, made';
COMMENT ON COLUMN specql.own_payload.traceparent IS 'The trace of the event; outside of handlers that of the session';
COMMENT ON COLUMN specql.own_payload.idempotency_key IS 'Sent with the call, as the header Idempotency-Key';
SELECT pg_catalog.pg_extension_config_dump('specql.own_payload', '');

-- A small, hot table: what is claimed leaves it. Its rows are narrow or whole. A narrow one is a call: if its payload is the data
-- of its event it has a definition, and its event stays in the log; if not, the rest is in specql.own_payload. A whole one, which
-- has a payload, holds everything itself. The first columns are those that a change-data-capture router expects; with
-- specql.whole_deliveries they are always there.
CREATE TABLE specql.outbox (
    id uuid NOT NULL,
    aggregatetype text,
    aggregateid text,
    type text,
    payload jsonb,
    kind text NOT NULL CHECK (kind IN ('call', 'notify', 'escalation')),
    service text,
    operation text,
    channel text,
    message text,
    event_id uuid,
    action text,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'leased', 'held', 'sent')),
    attempts integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_at timestamptz,
    acknowledged_by text,
    severity text,
    repeat_after interval,
    leased_by text,
    finished_at timestamptz,
    http_status integer,
    response text,
    -- Whose a delivery is: its payload goes to nobody whom this role has not got the rights of, or has not let have it.
    owner specql.role DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid::specql.role,
    definition integer,
    log_slot smallint,
    traceparent text,
    PRIMARY KEY (id),
    CONSTRAINT outbox_whole CHECK (CASE
        WHEN definition IS NOT NULL THEN log_slot IS NOT NULL AND event_id IS NOT NULL AND action IS NOT NULL
        WHEN kind = 'call' THEN service IS NOT NULL
                                AND (payload IS NULL OR aggregatetype IS NOT NULL AND type IS NOT NULL AND operation IS NOT NULL)
        ELSE aggregatetype IS NOT NULL AND type IS NOT NULL AND payload IS NOT NULL
             AND channel IS NOT NULL AND message IS NOT NULL END)
);
-- Claims read it from its left end, one service at a time: what waits for others costs nothing.
CREATE INDEX outbox_due ON specql.outbox (service, available_at, id);
-- Those that did not leave when they were queued: for services that keep the order of a key.
CREATE INDEX outbox_moved ON specql.outbox (service) WHERE available_at <> created_at;
-- Of the escalations that are open there are few.
CREATE INDEX outbox_open ON specql.outbox (id) WHERE kind = 'escalation' AND acknowledged_at IS NULL;
-- Ids of the others begin with that of the event.
CREATE INDEX outbox_event ON specql.outbox (event_id) WHERE definition IS NULL AND event_id IS NOT NULL;
COMMENT ON TABLE specql.outbox IS 'Deliveries that wait: calls of services, notifications, escalations; shown by specql.deliveries';
COMMENT ON COLUMN specql.outbox.id IS 'The delivery; the same for all its attempts, so that a receiver can tell a repetition';
COMMENT ON COLUMN specql.outbox.aggregatetype IS 'The table that the event is about, or the custom event; outside of handlers the service or channel';
COMMENT ON COLUMN specql.outbox.aggregateid IS 'The id of the row that the event is about';
COMMENT ON COLUMN specql.outbox.type IS 'The event''s type';
COMMENT ON COLUMN specql.outbox.payload IS 'The event''s data, or what the step made of it';
COMMENT ON COLUMN specql.outbox.kind IS 'call, notify or escalation';
COMMENT ON COLUMN specql.outbox.service IS 'The service to call';
COMMENT ON COLUMN specql.outbox.operation IS 'What of the service to call';
COMMENT ON COLUMN specql.outbox.channel IS 'Whom to notify';
COMMENT ON COLUMN specql.outbox.message IS 'What to tell them';
COMMENT ON COLUMN specql.outbox.event_id IS 'The event that the handler worked on';
COMMENT ON COLUMN specql.outbox.action IS 'The action whose step queued it; NULL for an operation that a person called';
COMMENT ON COLUMN specql.outbox.status IS 'waiting; leased (being delivered); sent (the receiver has it, and answers later); held (its service may not take it, see last_error)';
COMMENT ON COLUMN specql.outbox.attempts IS 'How often delivery was tried';
COMMENT ON COLUMN specql.outbox.available_at IS 'Not before this time; while leased, when the lease ends and others may take it; while sent, when the answer must be there';
COMMENT ON COLUMN specql.outbox.leased_until IS 'While leased: when others may take it';
COMMENT ON COLUMN specql.outbox.last_error IS 'Of the last attempt that failed';
COMMENT ON COLUMN specql.outbox.created_at IS 'When it was queued';
COMMENT ON COLUMN specql.outbox.acknowledged_at IS 'Escalations: when someone took it in hand';
COMMENT ON COLUMN specql.outbox.acknowledged_by IS 'Escalations: who did';
COMMENT ON COLUMN specql.outbox.severity IS 'Escalations: how bad it is, in the spec''s words';
COMMENT ON COLUMN specql.outbox.repeat_after IS 'Escalations: how often it is sent until someone acknowledges it; NULL: once';
COMMENT ON COLUMN specql.outbox.leased_by IS 'While leased: worker, or the role that took it';
COMMENT ON COLUMN specql.outbox.finished_at IS 'NULL until it has left';
COMMENT ON COLUMN specql.outbox.http_status IS 'NULL until it has left';
COMMENT ON COLUMN specql.outbox.response IS 'NULL until it has left';
COMMENT ON COLUMN specql.outbox.owner IS 'The role that queued it: of an action''s delivery its owner; NULL: the owner of the extension';
COMMENT ON COLUMN specql.outbox.definition IS 'Where the columns are that are NULL here, but for those that the event has';
COMMENT ON COLUMN specql.outbox.log_slot IS 'With a definition: the partition of specql.event_log that has the event, with its subject and data';
COMMENT ON COLUMN specql.outbox.traceparent IS 'Of a whole row: the trace of the event, or of the session that queued it';
SELECT pg_catalog.pg_extension_config_dump('specql.outbox', '');

-- Narrow rows that a worker or a consumer has claimed for the first time, one row for all that it claimed together: they leave
-- the outbox for it, and it for the history, or for the outbox again if they have to wait for another attempt.
CREATE TABLE specql.lease (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    action text,
    owner specql.role,
    definition integer,
    log_slot smallint,
    ids uuid[] NOT NULL,
    event_ids uuid[] NOT NULL,
    created_at timestamptz[] NOT NULL,
    last_id uuid NOT NULL,
    leased_by text NOT NULL,
    leased_until timestamptz NOT NULL,
    partial boolean NOT NULL DEFAULT false
) WITH (toast_tuple_target = 8160);
CREATE INDEX lease_last ON specql.lease (last_id);
CREATE INDEX lease_until ON specql.lease (leased_until);
COMMENT ON TABLE specql.lease IS 'Calls that are being delivered for the first time, together; shown by specql.deliveries';
COMMENT ON COLUMN specql.lease.number IS 'In the order in which they were claimed';
COMMENT ON COLUMN specql.lease.service IS 'As in specql.outbox';
COMMENT ON COLUMN specql.lease.action IS 'As in specql.outbox';
COMMENT ON COLUMN specql.lease.owner IS 'As in specql.outbox';
COMMENT ON COLUMN specql.lease.definition IS 'As in specql.outbox';
COMMENT ON COLUMN specql.lease.log_slot IS 'As in specql.outbox';
COMMENT ON COLUMN specql.lease.ids IS 'The deliveries';
COMMENT ON COLUMN specql.lease.event_ids IS 'The event of each';
COMMENT ON COLUMN specql.lease.created_at IS 'When each was queued';
COMMENT ON COLUMN specql.lease.last_id IS 'The greatest of ids';
COMMENT ON COLUMN specql.lease.leased_by IS 'worker, or the role that took them';
COMMENT ON COLUMN specql.lease.leased_until IS 'When others may take them';
COMMENT ON COLUMN specql.lease.partial IS 'Some of them have left it already: they are in another table';
COMMENT ON SEQUENCE specql.lease_number_seq IS 'Numbers specql.lease';
SELECT pg_catalog.pg_extension_config_dump('specql.lease', '');
SELECT pg_catalog.pg_extension_config_dump('specql.lease_number_seq', '');

CREATE FUNCTION specql.payload_size(payload jsonb) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_payload_size';
COMMENT ON FUNCTION specql.payload_size(jsonb) IS 'The bytes of a payload before compression, without reading it';

CREATE FUNCTION specql.focus(event_id uuid) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'specql_focus';
COMMENT ON FUNCTION specql.focus(uuid) IS
'In a handler: what functions that are called from now on queue without naming an event belongs to this one';

CREATE FUNCTION specql.undelivered() RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_undelivered';
COMMENT ON FUNCTION specql.undelivered() IS 'In a handler: its events for which nothing has been queued so far';

CREATE FUNCTION specql.call_external(service text, operation text, branch integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_external';
COMMENT ON FUNCTION specql.call_external(text, text, integer) IS
'In a handler: queues a call of a service for each event of the branch, with the event''s data; how many';

CREATE FUNCTION specql.call_external(service text, operation text, event_id uuid, payload jsonb) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_external_one';
COMMENT ON FUNCTION specql.call_external(text, text, uuid, jsonb) IS
'Queues a call of a service for one event, by default that of specql.focus, or the first; the delivery''s id';

CREATE FUNCTION specql.call_later(service text, operation text, after interval, branch integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_later';
COMMENT ON FUNCTION specql.call_later(text, text, interval, integer) IS
'In a handler: queues a call of a service for each event of the branch, which leaves after this time; how many';

CREATE FUNCTION specql.call_later(service text, operation text, after interval, event_id uuid, payload jsonb) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_call_later_one';
COMMENT ON FUNCTION specql.call_later(text, text, interval, uuid, jsonb) IS
'Queues a call of a service for one event, as specql.call_external does, which leaves after this time; the delivery''s id';

CREATE FUNCTION specql.enqueue(service text, operation text, payloads jsonb[]) RETURNS uuid[]
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_enqueue';
COMMENT ON FUNCTION specql.enqueue(text, text, jsonb[]) IS
'Queues a call of a service for each payload; the deliveries'' ids, in the same order';

CREATE FUNCTION specql.notify(channel text, message text, branch integer) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_notify';
COMMENT ON FUNCTION specql.notify(text, text, integer) IS
'In a handler: queues a notification for each event of the branch, with the event''s data; how many';

CREATE FUNCTION specql.notify(channel text, message text, event_id uuid, payload jsonb) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_notify_one';
COMMENT ON FUNCTION specql.notify(text, text, uuid, jsonb) IS
'Queues a notification for one event, by default that of specql.focus, or the first; the delivery''s id';

CREATE FUNCTION specql.escalate(channel text, message text, branch integer, severity text DEFAULT NULL,
    repeat interval DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_escalate';
COMMENT ON FUNCTION specql.escalate(text, text, integer, text, interval) IS
'In a handler: queues an escalation for each event of the branch; it stays open until acknowledged; how many';

CREATE FUNCTION specql.escalate(channel text, message text, event_id uuid, payload jsonb, severity text DEFAULT NULL,
    repeat interval DEFAULT NULL) RETURNS uuid
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'specql_escalate_one';
COMMENT ON FUNCTION specql.escalate(text, text, uuid, jsonb, text, interval) IS
'Queues an escalation for one event, by default that of specql.focus, or the first; it stays open until acknowledged; its id';

REVOKE ALL ON FUNCTION specql.payload_size(jsonb), specql.focus(uuid), specql.undelivered(),
    specql.call_external(text, text, integer), specql.call_external(text, text, uuid, jsonb),
    specql.call_later(text, text, interval, integer), specql.call_later(text, text, interval, uuid, jsonb),
    specql.enqueue(text, text, jsonb[]), specql.notify(text, text, integer), specql.notify(text, text, uuid, jsonb),
    specql.escalate(text, text, integer, text, interval), specql.escalate(text, text, uuid, jsonb, text, interval)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION specql.focus(uuid), specql.undelivered(), specql.call_external(text, text, integer),
    specql.call_external(text, text, uuid, jsonb), specql.call_later(text, text, interval, integer),
    specql.call_later(text, text, interval, uuid, jsonb), specql.enqueue(text, text, jsonb[]), specql.notify(text, text, integer),
    specql.notify(text, text, uuid, jsonb), specql.escalate(text, text, integer, text, interval),
    specql.escalate(text, text, uuid, jsonb, text, interval)
TO specql_admin;
