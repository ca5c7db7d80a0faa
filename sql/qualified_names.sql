-- A name with a dot is a field of an entity, or an entity of that schema, and nothing else.
CREATE EXTENSION specql;
CREATE SCHEMA x;
CREATE TABLE public.a (id uuid PRIMARY KEY, a integer);
CREATE TABLE x.a (id uuid PRIMARY KEY, a integer);
CREATE TABLE x.sales (id uuid PRIMARY KEY, gadget integer);
CREATE SCHEMA sales;
CREATE TABLE sales.gadget (id uuid PRIMARY KEY, n integer);
CREATE FUNCTION resolved(schema text, written text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT resolved_to FROM specql.explain(format(E'entity: Status\nschema: r\nfields: {status: text, note: text}\n---\n'
        'schema: %s\nactions:\n  - name: seen\n    on: %s\n    steps:\n      - notify: team "x"\n', schema, written))
    WHERE name = written
$$;

-- A field before a schema.
SELECT resolved('r', 'update Status.status');
SELECT resolved('r', 'Status.note');
SELECT resolved('r', 'update r.Status');
SELECT resolved('r', 'update r.Status.status');
SELECT resolved('public', 'update Status.note');

-- Tables that no spec declares: of the action's own schema, or of the schema that is written.
SELECT resolved('x', 'update A.a');
SELECT resolved('x', 'update public.a');
SELECT resolved('x', 'update public.a.a');
SELECT resolved('x', 'insert x.a');
SELECT resolved('y', 'update A.a');

-- Both: an update must say which; an insert has no field.
SELECT resolved('x', 'insert sales.gadget');
SELECT severity, code, line, col, message, hint FROM specql.validate(
    E'schema: x\nactions:\n  - name: seen\n    on: update sales.gadget\n    steps:\n      - notify: team "x"\n');
SELECT resolved('x', 'update x.sales.gadget');
SELECT resolved('sales', 'update Gadget');

-- What is near.
SELECT message, hint FROM specql.validate(E'schema: x\nactions:\n  - name: seen\n    on: update Nope.gadget\n    steps:\n'
    '      - notify: team "x"\n');
SELECT message, hint FROM specql.validate(E'schema: x\nactions:\n  - name: seen\n    on: update x.a\n    steps:\n'
    '      - update: sale.gadget SET n = 3 WHERE true\n      - insert: nosuchschema.a SET a = 3\n'
    '      - append: y.seen_log SET what = 3\n');
