-- Sentences that PostgreSQL would understand otherwise than a person: each is an error or a warning whose hint shows what to write.
CREATE EXTENSION specql;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION problems(spec text) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT concat_ws(' | ', severity, code, line || ':' || col, message, hint) FROM specql.validate(spec)
   WHERE severity <> 'notice' AND code <> 'SPQL-R070' $$;
\set world 'entity: Ticket\nschema: s\nfields:\n  title: text\n  severity: enum(low, medium, high) = low\n  phase: enum(a, b) = a\n  status: enum(open, paid) = open\n  n: integer = 0\n  due: timestamp\n  "isBig": boolean\n---\nentity: Stock\nschema: s\nfields:\n  quantity: integer = 0\n  ticket: ref(Ticket)\n---\nschema: s\nactions:\n'
-- One action of the event, with a condition and one step.
CREATE FUNCTION rule(event text, condition text, step text) RETURNS text LANGUAGE sql AS
$$ SELECT format(E'  - name: r\n    on: %s\n%s    steps:\n      - %s\n', event,
                 coalesce('    condition: ' || to_json(condition) || E'\n', ''), step) $$;

-- Values of an enum are not in the order of the alphabet, unless its list is.
SELECT problems(:'world' || rule('update Ticket', 'new.severity > ''low''', 'notify: x "y"'));
SELECT problems(:'world' || rule('update Ticket', 'severity BETWEEN ''low'' AND ''medium''', 'notify: x "y"'));
SELECT problems(:'world' || rule('update Ticket', 'greatest(severity, ''low'') = ''low''', 'notify: x "y"'));
SELECT problems(:'world' || E'  - name: take\n    pattern: batch/bulk_operation\n    steps:\n      - update: Ticket SET n = 1 WHERE n = 0 ORDER BY severity LIMIT 1\n');
SELECT problems(:'world' || rule('update Ticket', 'new.phase > old.phase', 'notify: x "y"'));
SELECT problems(:'world' || rule('update Ticket', 'array_position(ARRAY[''low'', ''medium'', ''high''], severity) > 1', 'notify: x "y"'));

-- A text of which a time is read once.
SELECT problems(:'world' || rule('update Ticket', 'due < ''now''::timestamptz', 'notify: x "y"'));
SELECT problems(:'world' || rule('update Ticket', 'date_trunc(''day'', timestamptz ''today 10:00'') < due', 'update: Ticket SET due = cast(''tomorrow'' AS timestamptz)'));
SELECT problems(:'world' || rule('update Ticket', 'title = ''now'' AND due > ''2026-01-01''', 'notify: x "y"'));

-- Texts in arrays, and enums that have no value in common.
SELECT problems(:'world' || rule('update Ticket', 'status = ANY (''{open, "payed"}'') OR status <> ALL (''{opn}''::text[])', 'notify: x "y"'));
SELECT problems(:'world' || rule('update Ticket', 'status = severity', 'update: Ticket SET status = phase'));
SELECT problems(:'world' || rule('event told', NULL, 'insert: Ticket SET status = paid'));

-- Alternatives of a WHERE that CASE, COALESCE and IS NOT FALSE hide.
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE CASE WHEN new.n > 3 THEN true ELSE ticket = new.id END'));
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE coalesce(ticket = new.id, true)'));
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE (ticket = new.id) IS NOT FALSE'));
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE NOT CASE WHEN new.n > 3 THEN false ELSE ticket <> new.id END'));
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE CASE WHEN new.n > 3 THEN false ELSE ticket = new.id END AND coalesce(quantity > 0, true) AND coalesce(ticket = new.id, false)'));
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Stock SET quantity = 1 WHERE quantity = CASE WHEN new.n > 3 OR new.n < 0 THEN 1 ELSE 2 END'));

-- JSON as a text.
SELECT problems(:'world' || rule('event told', NULL, E'foreach: item in items\n        do:\n          - insert: Ticket SET title = item\n          - insert: Ticket SET title = item.name, n = item\n          - insert: Ticket SET title = item -> ''name''\n          - insert: "Ticket SET title = item #>> ''{}''"'));

-- An event that is raised, and waited for as a change of a row.
SELECT problems(:'world' || rule('insert Ticket', NULL, E'emit: stock_created\n  - name: deaf\n    trigger: stock_created\n    steps:\n      - notify: x "y"'));
SELECT problems(:'world' || rule('insert Ticket', NULL, E'emit: stock_created\n  - name: hears\n    on: event stock_created\n    steps:\n      - notify: x "y"'));

-- Conditions that nothing satisfies.
SELECT problems(:'world' || rule('insert Ticket', c, 'notify: x "y"')) FROM unnest(ARRAY['n BETWEEN 5 AND 3', 'n IN (NULL)', 'n NOT IN (1, NULL)',
    'n = 5 AND n IN (1, 2)', 'n > 5 AND n BETWEEN -1 AND 3', 'status = ''open'' AND status IN (''paid'')', 'status IN (''open'') AND status <> ''open''',
    'due BETWEEN ''2026-02-01'' AND ''2026-01-01''', 'n BETWEEN n AND 3', 'n BETWEEN 3 AND 5 AND n IN (1, 4)', 'status IN (''open'', ''paid'') AND status <> ''open''']) AS c;

-- Keys that are nearly known.
SELECT problems(:'world' || rule('event told', NULL, 'insert: Stock SET quantity = quantitty'));
SELECT problems(:'world' || E'  - name: a\n    on: insert Ticket\n    steps:\n      - emit: told SET amount = n\n  - name: b\n    on: event told\n    steps:\n      - insert: Stock SET quantity = amuont\n');

-- Times without a unit.
SELECT problems(:'world' || E'  - name: w\n    trigger: many\n    condition: "COUNT(ticket_created) >= 3 WITHIN ''15'' BY title"\n    cooldown: 5\n    steps:\n      - escalate: {channel: c, message: m, repeat: 10}\n---\nservice: erp\ntimeout: 10\n');

-- More rows than that of the event.
SELECT problems(:'world' || rule('update Ticket', NULL, 'update: Ticket SET n = 1 WHERE n < 1'));
SELECT problems(:'world' || rule('insert Ticket', NULL, 'delete: Ticket WHERE due < now()'));

-- What a log of rows that are only appended refuses.
SELECT problems(:'world' || rule('update Ticket', NULL, E'append: Stock SET quantity = 1\n      - update: Stock SET quantity = 2 WHERE ticket = new.id\n      - delete: Stock WHERE ticket = new.id'));

-- Hints that show what to write.
SELECT problems(:'world' || rule('update Ticket', NULL, s)) FROM unnest(ARRAY['delete: Stock WHERE ticket = new.id ORDER BY quantity LIMIT 1',
    'update: Stock SET (quantity, ticket) = (1, new.id) WHERE ticket = new.id', 'update: Stock SET quantity += 2 * n WHERE ticket = new.id',
    'update: Stock SET quantity = 1', 'update: Ticket SET n = 1 WHERE title = status', 'notify: x "y"']) AS s;
SELECT problems(:'world' || rule('update Ticket', c, 'notify: x "y"')) FROM unnest(ARRAY['title status', 'new.is_big', 'Ticket.isBog',
    '(SELECT count(*) FROM s.ticket) > 3']) AS c;
SELECT problems(:'world' || E'  - name: w\n    trigger: many\n    condition: "COUNT(stock_created) FILTER (WHERE ticket.n > 3) >= 3 WITHIN 15 min BY ticket"\n    steps:\n      - notify: x "y"\n');
SELECT problems(E'schema: s\nactions:\n  - name: w\n    trigger: many\n    condition: "COUNT(told) >= 3 WITHIN 15 min BY user"\n    steps:\n      - notify: x "y"\n');

-- A key that is called like a word of SQL stands in quotes; and what explain says of a window.
\set windows 'entity: Visit\nschema: s\nfields:\n  user: text\n  "order": integer\nactions:\n  - name: w\n    trigger: many\n    condition: "COUNT(visit_created) FILTER (WHERE \\"order\\" > 3) >= 2 WITHIN 15 min BY \\"user\\""\n    cooldown: 1 hour\n    params: {user: text}\n    steps:\n      - notify: x "y"\n  - name: c\n    triggers: [sent_off, come_in]\n    correlation_window: 3 days\n    correlate_by: parcel\n    condition: "sent_off AND NOT come_in"\n    after_match: edge\n    steps:\n      - notify: x "y"\n'
SELECT problems(:'windows');
SELECT name, resolved_to FROM specql.explain(:'windows') WHERE rule IN ('window', 'correlation');
SELECT count(*) > 0 FROM specql.apply(:'windows');
INSERT INTO s.visit ("user", "order") VALUES ('ada', 4), ('bob', 5), ('ada', 6);
SELECT specql.drain() > 0;
SELECT key, matches FROM specql.windows WHERE action = 's.w' ORDER BY key;

-- What a bulk operation is given must be an array.
SELECT count(*) > 0 FROM specql.apply(E'schema: s\nactions:\n  - name: moves\n    pattern: batch/bulk_operation\n    batch_field: visit_moves\n    steps:\n      - update: Visit SET "order" = wanted WHERE "user" = given\n');
SELECT s.moves('{}');
SELECT s.moves('[3]');
SELECT s.moves('[{"wanted": 1, "given": "bob"}]');

-- Rows that are not there, and words that are fields of two rows.
\set staff 'entity: Team\nschema: s\nfields:\n  lead_name: text\n---\nentity: Emp\nschema: s\nfields:\n  team: ref(Team)\n  "drivenBy": ref(Team)\n  boss: ref(Emp)\n  name: text\n  salary: integer\n  bonus: integer\n---\nentity: Pay\nschema: s\nfields:\n  team: ref(Team)\n  boss: ref(Emp)\n  bonus: integer\n  lead_name: text\n---\nschema: s\nactions:\n'
SELECT problems(:'staff' || rule('delete Emp', NULL, s)) FROM unnest(ARRAY['update: Pay SET lead_name = new.team.lead_name WHERE boss = old.boss',
    'update: Emp VIA new.boss SET bonus = 1', 'update: Pay SET bonus = 1 WHERE team.lead_name = ''x''', 'update: Emp SET bonus = 1 WHERE emp.salary = 1',
    'insert: Pay SET bonus = new.salary', 'update: Emp SET bonus = salary WHERE boss = old.id']) AS s;
SELECT problems(:'staff' || rule('insert Emp', 'old.team.lead_name = ''x''', s)) FROM unnest(ARRAY['insert: Pay SET lead_name = old.boss.name',
    'update: Emp VIA old.boss SET bonus = 1']) AS s;
SELECT problems(:'staff' || rule('update Emp', NULL, s)) FROM unnest(ARRAY['update: Emp SET bonus = salary / 10 WHERE boss = new.id',
    'update: Pay SET bonus = length(lead_name) WHERE boss = new.id', 'update: Emp SET bonus = salary / 10 WHERE id = new.id', 'update: Emp VIA boss SET bonus = salary',
    'update: Team SET lead_name = lead_name', 'notify: x "y"']) AS s;
SELECT problems(:'staff' || rule('update Emp', c, 'notify: x "y"')) FROM unnest(ARRAY['drivenBy.lead_name = ''x''', 'old NOTNULL', '(new) IS NOT NULL', 'NOT old IS NULL']) AS c;
SELECT problems(:'staff' || rule('event told', NULL, s)) FROM unnest(ARRAY['update: Team SET lead_name = lead_name', 'update: Pay SET bonus = 1, lead_name = team.lead_name WHERE team_id = team_id']) AS s;
SELECT problems(:'staff' || E'  - name: take\n    pattern: batch/bulk_operation\n    params: {n: integer}\n    steps:\n      - update: Pay SET bonus = n WHERE boss = boss_id AND bonus < salary\n      - update: Emp SET bonus = n WHERE salary = lead_name_id\n      - update: Team SET lead_name = ''x''\n');
SELECT problems(:'staff' || E'  - name: take\n    pattern: batch/bulk_operation\n    steps:\n      - update: Team SET lead_name = ''x'' WHERE lead_name = ''y''\n      - update: Emp SET bonus = 1\n      - update: Team SET lead_name = upper(lead_name) WHERE id = new.id\n');

-- Checks that fail for some of the events, and conditions in steps that nothing satisfies.
SELECT problems(:'staff' || rule('Emp', NULL, E'validate: "' || v || '"')) FROM unnest(ARRAY['new.salary > 0', 'bonus > 0 AND old.salary IN (1, 2)',
    'salary > 0', 'new.salary > 0 OR old.salary > 0', 'salary = NULL', 'coalesce(new.salary, 1) > 0']) AS v;
SELECT problems(:'staff' || rule('Emp', NULL, E'if: "new.salary IS NULL"\n        then:\n          - return:\n      - validate: "new.salary > 0"'));
SELECT problems(:'staff' || rule('update Emp', NULL, s)) FROM unnest(ARRAY[E'if: "salary <> NULL"\n        then:\n          - notify: x "y"',
    'update: Pay SET bonus = 1 WHERE boss = new.id AND bonus = NULL', 'delete: Pay WHERE boss = new.id AND (bonus = NULL OR bonus = 1)']) AS s;
SELECT problems(:'staff' || E'  - name: v\n    trigger: many\n    condition: "COUNT(emp_created) FILTER (WHERE salary = NULL) >= 3 WITHIN 15 min"\n    steps:\n      - notify: x "y"\n');
SELECT problems(E'entity: Flag\nschema: s\nunique: [a, b]\nfields: {a: text, b: text}\n');

-- A declared parameter is the key of the row that an update without WHERE is about.
SELECT count(*) > 0 FROM specql.apply(E'entity: Wagon\nschema: s\nfields: {n: integer = 0}\nactions:\n  - name: met\n    on: event met\n    params: {wagon: uuid}\n    steps:\n      - update: Wagon SET n = n + 1\n  - name: meet\n    pattern: batch/bulk_operation\n    params: {wagon: uuid}\n    steps:\n      - update: Wagon SET n = n + 10\n');
INSERT INTO s.wagon DEFAULT VALUES;
SELECT specql.emit('met', jsonb_build_object('wagon', id)) IS NOT NULL, s.meet(id) FROM s.wagon;
SELECT specql.drain() >= 0, (SELECT n FROM s.wagon);

-- A row of a table whose key is not one column.
CREATE TABLE s.ck (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE s.heap ("Größe" integer);
SELECT problems(E'entity: Leaf\nschema: s\nfields: {ck: ref(ck), heap: ref(Heap)}\n');
SELECT problems(E'entity: Heap\nschema: s\nfields: {"Größe": integer}\nactions:\n  - name: r\n    on: update Heap\n    condition: "Größe > 1"\n    steps:\n      - notify: x "y"\n');

-- "The row" is one that its key names.
SELECT name, resolved_to FROM specql.explain(:'staff' || rule('update Emp', NULL, E'delete: Emp WHERE id = new.boss\n      - delete: Emp WHERE id <> new.boss\n      - delete: Emp WHERE NOT id = new.boss\n      - delete: Emp WHERE id >= new.boss\n      - delete: Emp WHERE id = new.boss OR bonus = 1\n      - delete: Emp WHERE id = new.boss AND bonus = 1')) WHERE name LIKE 'step%';

-- YAML would take the quotes of a name for its own.
ALTER TABLE s.wagon RENAME TO "Cargo";
SELECT problems(E'entity: Wagon\nschema: s\nfields: {n: integer = 0}\n');
