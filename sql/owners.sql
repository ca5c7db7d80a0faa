-- What one owner's rules did is nobody else's business: two authors, one database.
\set ECHO none
\set VERBOSITY terse
SET client_min_messages = warning;
SET specql.allowed_hosts = '';
DROP EXTENSION IF EXISTS specql CASCADE;
CREATE EXTENSION specql;
CREATE ROLE own_a IN ROLE specql_admin;
CREATE ROLE own_b IN ROLE specql_admin;
CREATE ROLE own_app;
GRANT CREATE ON DATABASE :DBNAME TO own_a, own_b;
\set ECHO all
\set a 'entity: Account\nschema: own_a\nfields: {balance: integer, divisor: integer = 1}\nactions:\n  - name: on_balance\n    trigger: balance_changed\n    steps:\n      - call_external: bank "tell"\n      - notify: auditors "moved"\n      - insert: Share SET\n          value: "new.balance / divisor"\n---\nentity: Share\nschema: own_a\nfields: {value: integer}\n---\nservice: bank\nurl: https://bank.example.org/in\n'
\set b 'entity: Note\nschema: own_b\nfields: {said: text}\nactions:\n  - name: on_said\n    trigger: said_changed\n    steps:\n      - notify: readers "said"\n'

SET ROLE own_a;
SELECT count(*) > 5 AS made FROM specql.apply(:'a');
INSERT INTO own_a.account (balance, divisor) VALUES (1, 1), (2, 0);
GRANT USAGE ON SCHEMA own_a TO own_app;
GRANT SELECT, UPDATE ON own_a.account TO own_app;
SELECT count(*) > 3 AS made FROM specql.apply(E'schema: own_a\nactions:\n  - name: often\n    trigger: often_moved\n    condition: "COUNT(moved) >= 3 WITHIN 1 hour"\n    steps:\n      - notify: auditors "often"\n');
SET ROLE own_b;
SELECT count(*) > 5 AS made FROM specql.apply(:'b');
INSERT INTO own_b.note (said) VALUES ('nothing');
UPDATE own_b.note SET said = 'a word';
-- Somebody writes to the first author's table.
SET client_min_messages = error;
SET ROLE own_app;
UPDATE own_a.account SET balance = balance + 10;
SET client_min_messages = warning;

-- Each sees their own; the owner of the extension sees all; others nothing.
SET ROLE own_a;
SELECT action, status FROM specql.events ORDER BY 1, 2;
SELECT action, kind, coalesce(service, channel) AS "to" FROM specql.deliveries ORDER BY 1, 2;
SELECT action, sqlstate FROM specql.failures;
SET ROLE own_b;
SELECT action, status FROM specql.events ORDER BY 1, 2;
SELECT action, kind, coalesce(service, channel) AS "to" FROM specql.deliveries ORDER BY 1, 2;
SELECT action, sqlstate FROM specql.failures;
SELECT count(*) FROM specql.logged_events WHERE data::text LIKE '%balance%';
-- A function that tells what it is shown is not shown more.
CREATE FUNCTION own_b.tell(data jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
    RAISE NOTICE 'shown %', data -> 'new' ->> 'balance';
    RETURN true;
END $$;
SELECT count(*) FROM specql.events WHERE own_b.tell(data);
SET ROLE own_app;
SELECT count(*) FROM specql.events;
RESET ROLE;
SELECT action, count(*) FROM specql.events GROUP BY 1 ORDER BY 1;
SELECT id AS event FROM specql.failures \gset
SELECT id AS logged FROM specql.events WHERE action = 'own_a.on_balance' AND status = 'pending' \gset

-- Nor by asking functions that run with other rights.
SET ROLE own_b;
\set VERBOSITY sqlstate
SELECT * FROM specql.why(:'event');
SELECT * FROM specql.why(:'logged');
\set VERBOSITY terse
SELECT specql.create_reader('b');
SELECT action FROM specql.read_events('b');
SET ROLE own_a;
SELECT count(*) > 1 AS told FROM specql.why(:'logged');
SELECT specql.create_reader('a');
SELECT action FROM specql.read_events('a');
RESET ROLE;

-- What is the one's cannot be changed, stopped or taken by the other.
SET ROLE own_b;
SELECT specql.unregister_action('own_a.on_balance');
SELECT specql.pause('own_a.on_balance');
SELECT specql.start_replay('own_a.on_balance', '-infinity');
SELECT * FROM specql.apply(E'service: bank\nurl: https://elsewhere.example.org/\n');
SELECT specql.unregister_service('bank');
SELECT specql.forget_window('own_a.often');
SELECT specql.rebuild_window('own_a.often');
SELECT specql.unregister_window('own_a.often');
SELECT specql.register_window('own_a.often', 'often_moved', 'COUNT(moved) >= 1 WITHIN 1 hour', '1', '[{"within": "1 hour"}]', '{}', 'every', NULL, false);
SELECT specql.retry(:'event');
SELECT count(*) AS windows FROM specql.windows;
SELECT specql.pause_service('bank');
SELECT count(*) FROM specql.take('bank', 5);
SELECT specql.register_action('own_a.on_balance', 'heard', NULL, 'own_b.handle', NULL);
CREATE FUNCTION own_b.handle() RETURNS void LANGUAGE sql AS 'SELECT';
SELECT specql.register_action('own_a.on_balance', 'heard', NULL, 'own_b.handle', NULL);
SELECT count(*) FROM specql.events WHERE action = 'own_a.on_balance';
SET ROLE own_a;
SELECT specql.pause('own_a.on_balance'), specql.resume('own_a.on_balance');
SELECT specql.rebuild_window('own_a.often'), (SELECT count(*) FROM specql.windows) AS windows;
SELECT specql.pause_service('bank'), specql.resume_service('bank');
SELECT service, operation FROM specql.take('bank', 5);
-- A dead letter of one is not sent again, or let go, by the other.
SELECT specql.nack(id, 'no', '0') FROM specql.deliveries, generate_series(1, 20) AS n WHERE service = 'bank' AND status = 'leased';
RESET ROLE;
SELECT count(*) AS dead FROM specql.dead_letters;
UPDATE specql.outbox SET attempts = 100 WHERE service = 'bank' AND status <> 'dead';
SELECT specql.nack(id, 'no') FROM specql.deliveries WHERE service = 'bank' AND status <> 'dead';
SELECT id AS dead FROM specql.dead_letters LIMIT 1 \gset
SET ROLE own_b;
SELECT count(*) FROM specql.dead_letters;
SELECT specql.redrive(:'dead'), specql.redrive('bank'), specql.discard(:'dead');
SET ROLE own_a;
SELECT specql.discard(:'dead');

-- A member of an owner's role is as good as the owner, and so is whoever owns the action when its rules are gone.
RESET ROLE;
GRANT own_a TO own_b;
SET ROLE own_b;
SELECT DISTINCT action FROM specql.events ORDER BY 1;
RESET ROLE;
REVOKE own_a FROM own_b;
SET ROLE own_a;
SELECT count(*) > 0 AS removed FROM specql.remove('Account');
SELECT DISTINCT action FROM specql.events;
SET ROLE own_b;
SELECT DISTINCT action FROM specql.events;
RESET ROLE;
-- When the owner is gone, only who owns the extension sees what is left.
\set ECHO none
SET client_min_messages = error;
DROP OWNED BY own_a CASCADE;
DROP ROLE own_a;
\set ECHO all
SET ROLE own_b;
SELECT DISTINCT action FROM specql.events;
SELECT count(*) > 0 AS made FROM specql.apply(E'service: bank\nurl: https://elsewhere.example.org/\n');
RESET ROLE;
SELECT count(*) > 0 AS made FROM specql.apply(E'service: bank\nurl: https://elsewhere.example.org/\n');
SELECT owner::text = current_user AS mine FROM specql.services WHERE name = 'bank';
SELECT DISTINCT action FROM specql.events ORDER BY 1;
\set ECHO none
DROP OWNED BY own_b, own_app CASCADE;
DROP ROLE own_b, own_app;
