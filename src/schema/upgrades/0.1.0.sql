-- From 0.1.0: actions run in the order of the texts, events know their caller, tables are found again when they are renamed.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Those who write to tables with rules go on to the tables that are altered here, and to others with rules. So all tables with rules are
-- locked before, at once or not at all: whoever waits holds nothing that another waits for. In two minutes it gets its turn, or says so.
DO $$
DECLARE
    tables text := (SELECT string_agg(DISTINCT t.tgrelid::regclass::text, ', ') FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
                             WHERE p.pronamespace = 'specql'::regnamespace AND t.tgrelid NOT IN (
                                 SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = 'specql'::regnamespace));
    give_up constant timestamptz := clock_timestamp() + interval '2 min';
    former constant text := current_setting('lock_timeout');
BEGIN
    WHILE tables IS NOT NULL LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '200 ms', true);
            EXECUTE 'LOCK TABLE ' || tables || ' IN SHARE ROW EXCLUSIVE MODE';
            tables := NULL;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() > give_up THEN
                RAISE EXCEPTION 'tables with rules are in use all the time' USING ERRCODE = 'lock_not_available',
                    HINT = 'Nothing was changed. Update again when no transaction that has written to them stays open.';
            END IF;
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', former, true);
END $$;

-- ---- tables ----------------------------------------------------------------------------------------------------------

ALTER TABLE specql.action
    ADD COLUMN run_order integer NOT NULL DEFAULT 0,
    ADD COLUMN place integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN uses_caller boolean NOT NULL DEFAULT false,
    ADD COLUMN retry_on text[] NOT NULL DEFAULT '{}',
    ADD COLUMN park_on text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tells_private boolean NOT NULL DEFAULT false;
ALTER TABLE specql.action_owner ADD COLUMN place integer[] NOT NULL DEFAULT '{}', ADD COLUMN paused_at timestamptz, ADD COLUMN dropped_in xid8;

-- Owners are roles, and no names.
CREATE TYPE specql.role;
CREATE FUNCTION specql.role_in(cstring) RETURNS specql.role
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_role_in';
CREATE FUNCTION specql.role_out(specql.role) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_role_out';
CREATE TYPE specql.role (INPUT = specql.role_in, OUTPUT = specql.role_out, LIKE = pg_catalog.oid);
CREATE CAST (specql.role AS pg_catalog.oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (pg_catalog.oid AS specql.role) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE OR REPLACE VIEW specql.own_actions AS SELECT NULL::text AS action WHERE false;
ALTER TABLE specql.action_owner ALTER COLUMN owner TYPE specql.role USING pg_catalog.quote_ident(owner)::specql.role;
DROP VIEW specql.services;
ALTER TABLE specql.service ALTER COLUMN owner TYPE specql.role USING pg_catalog.quote_ident(owner)::specql.role;
ALTER TABLE specql.service ADD COLUMN numbers text NOT NULL DEFAULT 'json' CHECK (numbers IN ('json', 'text')),
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}';
-- Readers had no owner.
ALTER TABLE specql.reader ADD COLUMN owner specql.role;
UPDATE specql.reader SET owner = d.datdba FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database();
ALTER TABLE specql.reader ALTER COLUMN owner SET NOT NULL;
ALTER TABLE specql.replay_failure ENABLE ROW LEVEL SECURITY;
-- @new specql.upkeep
-- @new specql.action_function
INSERT INTO specql.action_function
SELECT DISTINCT a.action, pg_catalog.to_regprocedure(a.handler || '()')::oid FROM specql.action AS a
WHERE pg_catalog.to_regprocedure(a.handler || '()') IS NOT NULL;
CREATE TRIGGER action_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON specql.action_owner
    FOR EACH STATEMENT EXECUTE FUNCTION specql.action_changed();
ALTER TABLE specql.action_owner ENABLE ALWAYS TRIGGER action_changed;

-- Deliveries belong to whom their action belongs, or to the owner of the extension; secrets sign for the services that use them now.
ALTER TABLE specql.outbox
    ADD COLUMN finished_at timestamptz,
    ADD COLUMN http_status integer,
    ADD COLUMN response text,
    ADD COLUMN owner specql.role DEFAULT pg_catalog.to_regrole(pg_catalog.quote_ident(CURRENT_USER))::pg_catalog.oid::specql.role;
ALTER TABLE specql.delivery_history ADD COLUMN owner specql.role;
ALTER TABLE specql.dead_letter ADD COLUMN owner specql.role;
-- From now on a delivery of an event's data refers to the log. Those that are here stay whole.
ALTER TABLE specql.outbox ADD COLUMN definition integer, ADD COLUMN log_slot smallint, ADD COLUMN traceparent text,
    ALTER COLUMN aggregatetype DROP NOT NULL, ALTER COLUMN type DROP NOT NULL, ALTER COLUMN payload DROP NOT NULL,
    DROP CONSTRAINT outbox_check,
    ADD CONSTRAINT outbox_whole CHECK (CASE
        WHEN definition IS NOT NULL THEN log_slot IS NOT NULL AND event_id IS NOT NULL AND action IS NOT NULL
        WHEN kind = 'call' THEN service IS NOT NULL
                                AND (payload IS NULL OR aggregatetype IS NOT NULL AND type IS NOT NULL AND operation IS NOT NULL)
        ELSE aggregatetype IS NOT NULL AND type IS NOT NULL AND payload IS NOT NULL
             AND channel IS NOT NULL AND message IS NOT NULL END);
ALTER TABLE specql.delivery_history ADD COLUMN definition integer, ADD COLUMN log_slot smallint, ADD COLUMN traceparent text,
    ALTER COLUMN aggregatetype DROP NOT NULL, ALTER COLUMN type DROP NOT NULL, ALTER COLUMN payload DROP NOT NULL;
ALTER TABLE specql.dead_letter ADD COLUMN definition integer, ADD COLUMN log_slot smallint, ADD COLUMN traceparent text,
    ALTER COLUMN aggregatetype DROP NOT NULL, ALTER COLUMN type DROP NOT NULL, ALTER COLUMN payload DROP NOT NULL;
DROP INDEX specql.outbox_event, specql.outbox_order, specql.delivery_history_event;
-- @new delivery_history_event
-- @new delivery_history_replaced
-- @new outbox_event
-- @new outbox_moved
-- @new outbox_open
-- @new dead_letter_open
UPDATE specql.outbox AS d SET owner = o.owner FROM specql.action_owner AS o WHERE o.action = d.action;
UPDATE specql.dead_letter AS d SET owner = o.owner FROM specql.action_owner AS o WHERE o.action = d.action;
ALTER TABLE specql.outbox DROP CONSTRAINT outbox_status_check,
    ADD CONSTRAINT outbox_status_check CHECK (status IN ('waiting', 'leased', 'held', 'sent'));
ALTER TABLE specql.secret ADD COLUMN signs_for text[] NOT NULL DEFAULT '{}', ADD COLUMN owner specql.role;
UPDATE specql.secret AS x SET signs_for = ARRAY(SELECT s.name FROM specql.service AS s WHERE x.name = ANY (s.secrets));
-- @new specql.service_share
-- @new specql.definition
-- @new specql.own_payload
-- @new specql.known_key
-- @new specql.lease
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{event_log,failure,waiting_event,outbox,lease,delivery_history,dead_letter,window_rule,window_key,window_event}'::text[] LOOP
        IF name IN ('outbox', 'delivery_history', 'dead_letter') THEN
            EXECUTE pg_catalog.format($policy$
                ALTER POLICY own_actions ON specql.%I
                USING (action IS NULL AND owner IN (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE pg_catalog.pg_has_role(r.oid, 'USAGE'))
                       OR (SELECT pg_catalog.pg_has_role(x.extowner, 'USAGE') FROM pg_catalog.pg_extension AS x WHERE x.extname = 'specql')
                       OR action IN (SELECT o.action FROM specql.own_actions AS o))$policy$, name);
        END IF;
        IF name = 'lease' THEN
            ALTER TABLE specql.lease ENABLE ROW LEVEL SECURITY;
            GRANT SELECT ON specql.lease, specql.own_payload TO specql_reader;
            CREATE POLICY own_actions ON specql.lease FOR SELECT TO specql_reader
            USING (action IS NULL AND owner IN (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE pg_catalog.pg_has_role(r.oid, 'USAGE'))
                   OR (SELECT pg_catalog.pg_has_role(x.extowner, 'USAGE') FROM pg_catalog.pg_extension AS x WHERE x.extname = 'specql')
                   OR action IN (SELECT o.action FROM specql.own_actions AS o));
        END IF;
        EXECUTE pg_catalog.format('COMMENT ON POLICY own_actions ON specql.%I IS %L', name,
                                  'Nobody sees what came of the rules of others, or what others queued; events that no rule is about, all who may look');
    END LOOP;
END
$$;

ALTER TABLE specql.event_log ADD COLUMN caller jsonb, ADD COLUMN traceparent text, ADD COLUMN settings jsonb;
ALTER TABLE specql.failure ADD COLUMN caller jsonb, ADD COLUMN traceparent text, ADD COLUMN settings jsonb;
ALTER TABLE specql.waiting_event ADD COLUMN caller jsonb, ADD COLUMN traceparent text, ADD COLUMN settings jsonb;
ALTER TABLE specql.window_event ADD COLUMN traceparent text, ADD COLUMN settings jsonb;
ALTER TABLE specql.window_key ADD COLUMN traceparent text, ADD COLUMN settings jsonb;
ALTER TABLE specql.object ADD COLUMN on_table text, ADD COLUMN shape jsonb;
ALTER TABLE specql.unit_version ADD COLUMN called text;
-- What tables were made as stood in the text of their commands alone, and the tables of other objects in their names and commands.
CREATE FUNCTION specql.former_shape(commands text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'specql_former_shape';
UPDATE specql.object SET shape = specql.former_shape(sql)::jsonb WHERE kind = 'table';
DROP FUNCTION specql.former_shape(text);
UPDATE specql.object SET on_table = (pg_catalog.regexp_match(identity, '^(?:"(?:[^"]|"")*"|[^" ]+) on (.*)$'))[1]
WHERE kind IN ('constraint', 'trigger');
UPDATE specql.object
SET on_table = (pg_catalog.regexp_match(sql, '^CREATE (?:UNIQUE )?INDEX (?:"(?:[^"]|"")*"|[^" ]+) ON ((?:"(?:[^"]|"")*"|[^" ])+)'))[1]
WHERE kind = 'index';
-- @new specql.object_relation
-- @new failure_action
-- @new specql.begun_work
-- Its body comes with those of the others.
CREATE FUNCTION specql.forget_dropped() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- @new specql.schedule
-- @new specql.due_rule
-- @new specql.due_row
-- Its body comes with those of the others.
CREATE FUNCTION specql.forget_dropped_plans() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- @new specql.process_plan
-- @new specql.process_plan_step
-- @new specql.process
-- @new specql.process_step
-- @new specql.process_ready
-- @new specql.task
-- @new specql.finished_process
-- @new specql.later_event
-- @new specql.happening
-- @new specql.worker_presence
-- Its body comes with those of the others.
CREATE FUNCTION specql.tell_of_service() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
-- @new tell_of_service
-- @new specql.finished_event
-- @new specql.truncation
-- @new specql.put_aside
-- @new specql.former_column
-- @new specql.former_value

-- Those whose tables were renamed or dropped since have none, as after a restore.
INSERT INTO specql.object_relation
SELECT o.identity, c.oid
FROM specql.object AS o
CROSS JOIN LATERAL (SELECT CASE WHEN o.kind = 'table' THEN pg_catalog.to_regclass(o.identity) END AS oid) AS c
WHERE c.oid IS NOT NULL;

-- Until now actions ran in the order of the names of their triggers. From now on it is that of the texts, spec by spec, as after
-- applying them one after the other.
UPDATE specql.action AS a SET place = p.place
FROM (SELECT o.identity, ARRAY[pg_catalog.row_number() OVER (ORDER BY pg_catalog.min(u.spec), pg_catalog.min(o.id))::integer] AS place
      FROM specql.object AS o JOIN specql.unit AS u ON o.unit = u.key
      WHERE o.kind = 'registration' GROUP BY o.identity) AS p
WHERE p.identity = a.action;
UPDATE specql.action_owner AS o SET place = a.place FROM specql.action AS a WHERE a.action = o.action;

-- ---- functions and views ---------------------------------------------------------------------------------------------

-- A function with other arguments is another one. What was granted on the former is granted on it below.
SELECT set_config('specql_update.grants', coalesce(jsonb_agg(jsonb_build_object(
           'function', p.oid::regprocedure::text, 'name', p.proname, 'grantable', a.is_grantable,
           'to', CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)), '[]')::text, true) IS NOT NULL AS noted
FROM pg_proc AS p, aclexplode(p.proacl) AS a
WHERE p.pronamespace = 'specql'::regnamespace AND a.privilege_type = 'EXECUTE' AND a.grantee NOT IN (p.proowner, 'specql_admin'::regrole);

-- Other arguments, or another result.
DROP FUNCTION specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text);
DROP FUNCTION specql.next_attempt(text, integer, boolean);
DROP FUNCTION specql.nack(uuid, text, interval);
DROP FUNCTION specql.record_results(uuid[], text[], bigint[], text[], integer[], text[]);
DROP FUNCTION specql.require_owner(text, name, oid);
DROP FUNCTION specql.object_state(text, text);
DROP FUNCTION specql.recheck(regclass, text, jsonb);
DROP FUNCTION specql.call_processed(text, uuid[]);
DROP FUNCTION specql.run_as(oid, text, jsonb);
DROP FUNCTION specql.state_at(text, uuid, timestamptz);
DROP FUNCTION specql.due_calls(text, integer, timestamptz, uuid);
DROP FUNCTION specql.claim_calls(integer, integer, integer, integer, text[], integer[], text[], timestamptz[], uuid[]);
DROP FUNCTION specql.send_notifications(integer);
DROP FUNCTION specql.handle_released(text, bigint);
DROP FUNCTION specql.delivery_body(text, specql.outbox, integer);
DROP FUNCTION specql.notification(specql.outbox);
DROP FUNCTION specql.find_function(specql.outbox);
DROP FUNCTION specql.write_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb, oid);
DROP FUNCTION specql.register_service(text, text, interval, integer, interval, jsonb, text[], text, text, text, integer[], jsonb);

-- @functions
ALTER VIEW specql.seen_delivery OWNER TO specql_reader;

DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT p.oid::regprocedure AS function, g.item ->> 'to' AS grantee, (g.item ->> 'grantable')::boolean AS grantable
             FROM jsonb_array_elements(current_setting('specql_update.grants')::jsonb) AS g(item)
             JOIN pg_proc AS p ON p.pronamespace = 'specql'::regnamespace AND p.proname = g.item ->> 'name'
             WHERE to_regprocedure(g.item ->> 'function') IS NULL LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', r.function, r.grantee) || CASE WHEN r.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
END
$$;

-- The triggers of actions had arguments, which every statement on their table copied. Now their names say what they are of.
DO $$
DECLARE
    r record;
    argument text;
BEGIN
    FOR r IN SELECT t.oid, t.tgrelid::regclass AS relation, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid) AS definition,
                    o.id AS object, o.state = specql.object_state(o.kind, o.identity, o.on_table) AS unaltered
             FROM pg_trigger AS t
             LEFT JOIN specql.object AS o ON o.kind = 'trigger' AND to_regclass(o.on_table) = t.tgrelid
                                         AND o.identity = quote_ident(t.tgname) || ' on ' || o.on_table
             WHERE t.tgfoid = 'specql.dispatch()'::regprocedure AND t.tgnargs = 5 LOOP
        argument := CASE WHEN r.definition LIKE '%''abort'')' THEN '''abort''' ELSE '' END;
        EXECUTE regexp_replace(r.definition, '^CREATE (.* EXECUTE FUNCTION specql\.dispatch)\(.*', format('CREATE OR REPLACE \1(%s)', argument));
        IF r.tgenabled <> 'O' THEN
            EXECUTE specql.firing_command(r.relation, r.tgname, r.tgenabled);
        END IF;
        UPDATE specql.object AS o
        SET sql = regexp_replace(o.sql, '(EXECUTE FUNCTION specql\.dispatch)\(.*?\);(\nCOMMENT ON TRIGGER)', format('\1(%s);\2', argument)),
            state = CASE WHEN r.unaltered THEN specql.object_state(o.kind, o.identity, o.on_table) ELSE o.state END
        WHERE o.id = r.object;
    END LOOP;
END
$$;
DELETE FROM specql.help_page;
-- @help
