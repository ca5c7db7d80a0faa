-- Readers: each finished event once, in the order of commits.
\set VERBOSITY terse
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS specql CASCADE;
CREATE EXTENSION specql;
SELECT specql.create_reader('a');
SELECT specql.create_reader('a');
SELECT specql.read_events('a');
SELECT count(*) FROM specql.emit('e', ARRAY['1', '2', '3', '4', '5']::jsonb[]);
SELECT type, data, status FROM specql.read_events('a', 2);
SELECT data FROM specql.read_events('a', 2);
-- Events that come in the middle of a batch come after it.
SELECT count(*) FROM specql.emit('e', '6');
SELECT data FROM specql.read_events('a', 2);
SELECT data FROM specql.read_events('a', 2);
-- Where a reader is moves on with the transaction.
SELECT count(*) FROM specql.emit('e', ARRAY['7', '8']::jsonb[]);
BEGIN;
SELECT data FROM specql.read_events('a');
ROLLBACK;
SELECT data FROM specql.read_events('a', 1);
SELECT name, events, oldest_unread IS NOT NULL AS behind FROM specql.readers;
SELECT data FROM specql.read_events('a');
SELECT name, events, oldest_unread IS NOT NULL AS behind FROM specql.readers;
-- Events of the transaction itself come after its commit, those before the call and those after it.
BEGIN;
SELECT count(*) FROM specql.emit('e', '9');
SELECT data FROM specql.read_events('a');
SELECT count(*) FROM specql.emit('e', '10');
SAVEPOINT s;
SELECT count(*) FROM specql.emit('e', '11');
ROLLBACK TO s;
COMMIT;
SELECT data FROM specql.read_events('a');
-- Another reader begins at the start, or at a time; within a batch the order is that of the ids.
SELECT specql.create_reader('b');
SELECT array_agg(data ORDER BY n) FROM specql.read_events('b') WITH ORDINALITY AS e(id, type, action, entity, subject, data, occurred_at, xid, caused_by, root, depth, status, attempts, last_error, processed_at, batch, deliveries, n);
SELECT specql.create_reader('c', clock_timestamp());
SELECT count(*) FROM specql.emit('e', '12');
SELECT data FROM specql.read_events('c');
SELECT data FROM specql.read_events('b');
-- In one transaction with one snapshot.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT data FROM specql.read_events('a');
SELECT count(*) FROM specql.emit('e', '13');
SELECT data FROM specql.read_events('a');
COMMIT;
SELECT data FROM specql.read_events('a');
-- An event that several actions handle is there for each.
CREATE FUNCTION public.handles() RETURNS void LANGUAGE sql AS 'SELECT';
SELECT specql.register_action('one', 'two_hear', NULL, 'public.handles', NULL), specql.register_action('two', 'two_hear', NULL, 'public.handles', NULL);
SELECT count(*) FROM specql.emit('two_hear', '14');
SELECT data, action FROM specql.read_events('a', 1);
SELECT data, action FROM specql.read_events('a', 1);
SELECT data, action FROM specql.read_events('a', 1);
-- Retention waits for readers.
SELECT count(*) FROM specql.read_events('b') UNION ALL SELECT count(*) FROM specql.read_events('c');
SELECT specql.emit('e', '15') IS NOT NULL;
UPDATE specql.event_log SET id = overlay(id::text PLACING '00000000-0000' FROM 1 FOR 13)::uuid;
SELECT count(*) FROM specql.expire_events();
SELECT specql.drop_reader('b'), specql.drop_reader('c'), specql.drop_reader('nobody');
SELECT data FROM specql.read_events('a');
SELECT count(*) > 0 AS emptied FROM specql.expire_events();
SELECT count(*) FROM specql.event_log;

SELECT specql.read_events('nobody');
SELECT specql.read_events('a', 0);
SELECT specql.read_events(NULL);
DROP FUNCTION public.handles();
DROP EXTENSION specql CASCADE;
