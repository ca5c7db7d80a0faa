-- From 0.1.0: actions run in the order of the texts, events know their caller, tables are found again when they are renamed.
SET LOCAL search_path = pg_catalog, pg_temp;

-- ---- tables ----------------------------------------------------------------------------------------------------------

ALTER TABLE specql.action
    ADD COLUMN run_order integer NOT NULL DEFAULT 0,
    ADD COLUMN place integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN uses_caller boolean NOT NULL DEFAULT false;
ALTER TABLE specql.action_owner ADD COLUMN place integer[] NOT NULL DEFAULT '{}';
ALTER TABLE specql.event_log ADD COLUMN caller jsonb;
ALTER TABLE specql.failure ADD COLUMN caller jsonb;
ALTER TABLE specql.waiting_event ADD COLUMN caller jsonb;
-- @new specql.object_relation

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

-- Other arguments, or another result.
DROP FUNCTION specql.register_action(text, text, text, text, text, text, integer, interval, boolean, text, text);
DROP FUNCTION specql.recheck(regclass, text, jsonb);
DROP FUNCTION specql.state_at(text, uuid, timestamptz);

-- @functions
DELETE FROM specql.help_page;
-- @help
