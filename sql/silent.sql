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
