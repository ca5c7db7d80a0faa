-- A night on call: load comes and goes, checks fail, a deployment goes wrong.
--
--   psql -d some_database -f examples/incidents/story.sql     (from the top of the source tree)

\set spec `cat examples/incidents/incidents.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

\echo Two services.
INSERT INTO ops.service (name, instances, max_instances) VALUES ('shop', 2, 3), ('search', 2, 6);
-- What a probe would write.
CREATE FUNCTION ops.probe(target text, result text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ops.check_result (service_id, event_type, latency_ms)
    SELECT id, result, 12 FROM ops.service WHERE name = target
$$;

\echo Evening: the shop is busy, grows by one, and is at its largest. At night it shrinks again, but not below its least.
UPDATE ops.service SET cpu_percent = 90 WHERE name = 'shop';
UPDATE ops.service SET cpu_percent = 95 WHERE name = 'shop';
SELECT name, instances, cpu_percent FROM ops.service ORDER BY name;
UPDATE ops.service SET cpu_percent = 10;
UPDATE ops.service SET cpu_percent = 5;
SELECT name, instances, cpu_percent FROM ops.service ORDER BY name;

\echo The pipeline deploys the shop; then one check of search fails, which is a hiccup, and three of the shop, which is an incident.
SELECT specql.emit('deployed', jsonb_build_object('service_id', id, 'version', '1.4.2')) IS NOT NULL AS told
FROM ops.service WHERE name = 'shop';
SELECT ops.probe('search', 'check_failed'), ops.probe('search', 'check_passed');
SELECT ops.probe('shop', 'check_failed') FROM generate_series(1, 3);
SELECT specql.drain() >= 0 AS windows_are_evaluated;
\echo The incident is an event too, which the rule about deployments has waited for:
SELECT specql.drain() >= 0 AS correlations_are_evaluated;
SELECT s.name, i.title, i.severity, i.state FROM ops.incident i JOIN ops.service s ON s.id = i.service_id;

\echo A person reports one of search by hand; somebody takes it.
INSERT INTO ops.incident (service_id, title, severity) SELECT id, 'no results for umlauts', 'major' FROM ops.service WHERE name = 'search';
INSERT INTO ops.incident (service_id, title) SELECT id, 'slow on Sundays' FROM ops.service WHERE name = 'search';
SELECT name, state FROM ops.service ORDER BY name;
SELECT channel, message FROM specql.escalations ORDER BY id;
UPDATE ops.incident SET state = 'acknowledged' WHERE title = 'no results for umlauts';

\echo Nobody takes the other one. Ten minutes later (a setting for superusers moves the clock) the next in line is called.
SELECT specql.drain() >= 0 AS before_the_deadline;
SET specql.clock_offset = '11 minutes';
SELECT specql.drain() >= 0 AS after_the_deadline;
RESET specql.clock_offset;
SELECT channel, message FROM specql.escalations ORDER BY id;

\echo The page shows one of the incidents, and says where; it cannot show the other.
SELECT payload ->> 'service' AS service, payload ->> 'title' AS title,
       CASE payload ->> 'service' WHEN 'shop' THEN specql.ack(id, '{"url": "https://status.example/7"}') > 0
                                  ELSE specql.nack(id, 'no such service', final => true) END AS answered
FROM specql.take('status_page', 10) ORDER BY 1;
SELECT specql.drain() > 0 AS answers_are_handled;
SELECT title, page_url FROM ops.incident WHERE severity = 'major' ORDER BY title;
SELECT channel, message FROM specql.deliveries WHERE message LIKE 'The status page%';

\echo Services answer again: their incidents are over.
SELECT ops.probe('search', 'check_passed'), ops.probe('shop', 'check_passed');
SELECT name, state FROM ops.service ORDER BY name;
SELECT i.title, i.state, i.resolved_at IS NOT NULL AS has_end FROM ops.incident i ORDER BY i.opened_at, i.title;

\echo For the post-mortem:
SELECT i.title, regexp_replace(t.what, '[0-9:]{8}', '…') AS what
FROM ops.timeline_entry t JOIN ops.incident i ON i.id = t.incident_id ORDER BY t.id;
\echo What waits to be sent, and for whom:
SELECT kind, coalesce(service, channel) AS "to", coalesce(operation, message) AS what, count(*)
FROM specql.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
