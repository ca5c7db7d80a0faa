-- Who sees what: events, their failures and their deliveries hold rows of other people's tables. Members of specql_admin see
-- those of actions that they, or roles they are members of, have applied; whoever owns the extension sees all.
--
-- The views belong to specql_reader, a role that is nobody's, so that row-level security holds for them. The extension's own functions run
-- as its owner, for whom it does not; they read views of their own, so that not even a member of specql_reader could make them run anything.

CREATE VIEW specql.own_actions AS
    SELECT o.action
    FROM specql.owned_action AS o
    JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = o.owner::oid
    WHERE pg_catalog.pg_has_role(coalesce(r.oid, d.datdba), 'USAGE');
COMMENT ON VIEW specql.own_actions IS 'Actions, also former ones, whose events the current user may see';
COMMENT ON COLUMN specql.own_actions.action IS 'Schema and name';
GRANT SELECT ON specql.own_actions, specql.action, specql.definition, specql.own_payload TO specql_reader;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{event_log,failure,waiting_event,outbox,lease,delivery_history,dead_letter,window_rule,window_key,window_event}'::text[] LOOP
        EXECUTE pg_catalog.format('ALTER TABLE specql.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE pg_catalog.format('GRANT SELECT ON specql.%I TO specql_reader', name);
        EXECUTE pg_catalog.format($policy$
            CREATE POLICY own_actions ON specql.%I FOR SELECT TO specql_reader
            USING (action IS NULL%s
                   OR (SELECT pg_catalog.pg_has_role(x.extowner, 'USAGE') FROM pg_catalog.pg_extension AS x WHERE x.extname = 'specql')
                   OR action IN (SELECT o.action FROM specql.own_actions AS o))$policy$, name,
            CASE WHEN name IN ('outbox', 'lease', 'delivery_history', 'dead_letter') THEN
                ' AND owner IN (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE pg_catalog.pg_has_role(r.oid, ''USAGE''))' END);
        EXECUTE pg_catalog.format('COMMENT ON POLICY own_actions ON specql.%I IS %L', name,
                                  'Nobody sees what came of the rules of others, or what others queued; events that no rule is about, all who may look');
    END LOOP;
    FOREACH name IN ARRAY '{logged_events,unhandled_events,events,failures,seen_delivery,deliveries,dead_letters,escalations,windows}'::text[] LOOP
        EXECUTE pg_catalog.format('ALTER VIEW specql.%I OWNER TO specql_reader', name);
    END LOOP;
END
$$;

DO $$
DECLARE
    name text;
    original regclass;
    one record;
BEGIN
    FOREACH name IN ARRAY '{logged_event,unhandled_event,event,delivery,escalation}'::text[] LOOP
        original := pg_catalog.to_regclass('specql.' || CASE name WHEN 'delivery' THEN 'deliveries' ELSE name || 's' END);
        EXECUTE pg_catalog.format('CREATE VIEW specql.every_%s AS %s', name,
                                  replace(pg_catalog.pg_get_viewdef(original), 'seen_delivery', 'whole_delivery'));
        EXECUTE pg_catalog.format('COMMENT ON VIEW specql.every_%s IS %L', name, 'All of them, for functions of specql that run as its owner');
        FOR one IN SELECT a.attname, pg_catalog.col_description(a.attrelid, a.attnum) AS comment
                   FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = original AND a.attnum > 0 LOOP
            EXECUTE pg_catalog.format('COMMENT ON COLUMN specql.every_%s.%I IS %L', name, one.attname, one.comment);
        END LOOP;
    END LOOP;
END
$$;

-- Failures of replays are those of their actions.
ALTER TABLE specql.replay_failure ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_replays ON specql.replay_failure FOR SELECT TO specql_admin
    USING (replay IN (SELECT r.id FROM specql.replays AS r));
COMMENT ON POLICY own_replays ON specql.replay_failure IS 'Who sees a replay sees what failed in it';
