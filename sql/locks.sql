-- Locks of specql's own: what C++ takes is what SQL finds, and pg_advisory_lock is neither.
CREATE EXTENSION specql;
SET client_min_messages = warning;
BEGIN;
SELECT specql.lock_number('window', 7, true), specql.lock_number('replay', 4294967295, false), pg_advisory_xact_lock(specql.lock_class('window')::bigint::integer, 8);
SELECT k AS kind, l.number, l.pid = pg_backend_pid() AS own
FROM unnest('{apply,window,worker,replay,owner}'::text[]) WITH ORDINALITY AS u(k, place), specql.held_locks(k) AS l ORDER BY place;
SELECT count(*) FROM specql.apply('entity: Thing');
SELECT number, pid = pg_backend_pid() AS own FROM specql.held_locks('apply');
COMMIT;
SELECT count(*) FROM unnest('{apply,window,worker,replay,owner}'::text[]) AS u(k), specql.held_locks(k);
SELECT specql.lock_number('door', 1, true);
SELECT specql.lock_class('door');
