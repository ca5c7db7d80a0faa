-- Two people want days off: what is declared happens, and nothing else, whoever writes to the table.
--
--   psql -d some_database -f examples/leave/story.sql     (from the top of the source tree)

\set spec `cat examples/leave/leave.yaml`
CREATE EXTENSION IF NOT EXISTS specql;
\echo The spec becomes tables, triggers and functions:
SELECT kind, count(*) FROM specql.apply(:'spec') GROUP BY kind ORDER BY kind;

INSERT INTO hr.employee (name, days_left) VALUES ('ada', 28), ('bob', 3);
CREATE VIEW hr.leaves AS
    SELECT l.id, e.name, l.days, l.state, e.days_left, l.decided_by, l.remark FROM hr.leave l JOIN hr.employee e ON e.id = l.employee_id;

\echo Two requests; their days are counted by the rule that runs before the row is written.
INSERT INTO hr.leave (employee_id, first_day, last_day)
SELECT e.id, w.first, w.last
FROM hr.employee e JOIN (VALUES ('ada', date '2026-08-03', date '2026-08-14'), ('bob', '2026-12-21', '2026-12-31')) AS w(name, first, last) USING (name);
SELECT name, days, state FROM hr.leaves ORDER BY name;

\echo Ada asks. Bob has not so many days left, and nothing that he tries helps:
SELECT hr.ask(id) FROM hr.leaves WHERE name = 'ada';
CREATE FUNCTION hr.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SELECT hr.outcome($$SELECT hr.ask(id) FROM hr.leaves WHERE name = 'bob'$$);
SELECT hr.outcome($$UPDATE hr.leave SET state = 'agreed' WHERE days = 11$$);
SELECT hr.outcome($$INSERT INTO hr.leave (employee_id, first_day, last_day, state) SELECT id, '2026-12-21', '2026-12-31', 'agreed' FROM hr.employee$$);
SELECT hr.outcome($$INSERT INTO hr.leave (employee_id, first_day, last_day) SELECT id, '2026-12-21', '2026-12-01' FROM hr.employee$$);

\echo Nobody has agreed to what Ada wants for four days. In the morning the heads are reminded, once:
UPDATE hr.leave SET asked_at = now() - interval '4 days' WHERE state = 'asked';
SELECT specql.run_schedule('hr.remind') IS NOT NULL AS due, specql.run_schedule('hr.remind') IS NOT NULL AS due_again;
SELECT specql.drain() >= 2 AS handled;

\echo Who may decide: not Ada herself, and nobody without the right.
SELECT set_config('specql.caller', '{"id": "ada", "can_decide": true}', false) IS NOT NULL AS as_ada;
SELECT hr.outcome($$SELECT hr.agree(id) FROM hr.leaves WHERE name = 'ada'$$) ~ 'requires' AS ada_is_refused;
SELECT set_config('specql.caller', '{"id": "eve"}', false) IS NOT NULL AS as_eve;
SELECT hr.outcome($$SELECT hr.agree(id) FROM hr.leaves WHERE name = 'ada'$$) ~ 'requires' AS eve_is_refused;
SELECT set_config('specql.caller', '{"id": "eve", "can_decide": true}', false) IS NOT NULL AS as_head;
SELECT hr.agree(id) FROM hr.leaves WHERE name = 'ada';
SELECT name, days, state, days_left, decided_by FROM hr.leaves ORDER BY name;

\echo She stays at home after all, and has her days again; a second time there is nothing to cancel.
SELECT hr.cancel(id) FROM hr.leaves WHERE name = 'ada';
SELECT hr.outcome($$SELECT hr.cancel(id) FROM hr.leaves WHERE name = 'ada'$$);
SELECT name, days, state, days_left FROM hr.leaves ORDER BY name;

\echo Who was told what:
SELECT channel, message FROM specql.deliveries ORDER BY created_at, channel;
\echo The states, as a picture:
SELECT specql.graph() ~ 'draft' AS drawn;
