-- What must be the same before and after.
SELECT 'failure', count(*), md5(string_agg(t::text, ',' ORDER BY t.id, t.action)) FROM (SELECT id, action, subject, data, status, attempts FROM specql.failure) AS t
UNION ALL SELECT 'waiting', count(*), md5(string_agg(t::text, ',' ORDER BY t.id)) FROM (SELECT id, action, subject, data FROM specql.waiting_event) AS t
UNION ALL SELECT 'log', count(*), md5(string_agg(t::text, ',' ORDER BY t.id, t.action)) FROM (SELECT id, action, type, subject, data, status FROM specql.event_log) AS t
UNION ALL SELECT 'outbox', count(*), md5(string_agg(t::text, ',' ORDER BY t.id)) FROM (SELECT id, kind, payload, service, operation, channel FROM specql.outbox) AS t
UNION ALL SELECT 'dead', count(*), md5(string_agg(t::text, ',' ORDER BY t.id)) FROM (SELECT id, kind, payload FROM specql.dead_letter) AS t
UNION ALL SELECT 'window', count(*), md5(string_agg(t::text, ',' ORDER BY t.id)) FROM (SELECT action, id, at FROM specql.window_event) AS t
UNION ALL SELECT 'unit', count(*), md5(string_agg(t::text, ',' ORDER BY t.kind, t.schema, t.name)) FROM (SELECT kind, schema, name, version, text FROM specql.unit) AS t
