-- Everything has a comment: what the extension brings, and what specs become. Both lists are empty. The row types of tables
-- and the arrays of types, which from version 17 on are members of the extension too, are nothing of their own.
SET client_min_messages = warning;
CREATE EXTENSION specql;

SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
FROM pg_depend AS d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'specql')
  AND NOT EXISTS (SELECT FROM pg_description AS s
                  WHERE s.classoid = d.classid AND s.objoid = d.objid AND s.objsubid = 0)
  AND NOT EXISTS (SELECT FROM pg_type AS t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
                  AND (t.typelem <> 0 OR t.typrelid <> 0 AND (SELECT relkind FROM pg_class WHERE oid = t.typrelid) <> 'c'))
UNION ALL
SELECT pg_describe_object('pg_class'::regclass, a.attrelid, a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'specql'::regnamespace AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition
  AND col_description(a.attrelid, a.attnum) IS NULL
ORDER BY 1;

SET client_min_messages = error;
\set inventory `cat examples/inventory/inventory_events.yaml`
\set advanced `cat examples/inventory/advanced.yaml`
\set kinds 'entity: Customer\nschema: shop\ndescription: "Who buys"\nfields:\n  name: text!\n  email: {type: email, description: "Where to write"}\n---\nentity: Purchase\nschema: shop\nfields:\n  customer: ref(Customer)\n  state: enum(open, done)\nindexes:\n  - columns: [state]\nactions:\n  - name: on_state\n    description: "Tells the customer"\n    trigger: state_changed\n    steps:\n      - notify: desk "State changed"\n'
SELECT count(*) > 0 AS applied FROM specql.apply(:'inventory');
SELECT count(*) > 0 AS applied FROM specql.apply(:'advanced', schema => 'inventory');
SELECT count(*) > 0 AS applied FROM specql.apply(:'kinds');

WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname IN ('inventory', 'sales', 'shop')),
made AS (
    SELECT 'pg_namespace'::regclass AS class, oid FROM mine
    UNION ALL SELECT 'pg_class', c.oid FROM pg_class AS c JOIN mine AS m ON m.oid = c.relnamespace
              WHERE c.relkind = 'r'
                 OR c.relkind = 'i' AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indexrelid = c.oid AND i.indisprimary)
    UNION ALL SELECT 'pg_proc', p.oid FROM pg_proc AS p JOIN mine AS m ON m.oid = p.pronamespace
    UNION ALL SELECT 'pg_trigger', t.oid FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
              JOIN mine AS m ON m.oid = c.relnamespace WHERE NOT t.tgisinternal
    UNION ALL SELECT 'pg_constraint', k.oid FROM pg_constraint AS k JOIN mine AS m ON m.oid = k.connamespace WHERE k.contype = 'f')
SELECT pg_describe_object(o.class, o.oid, 0) AS without_comment, count(*) OVER () AS of
FROM made AS o
WHERE NOT EXISTS (SELECT FROM pg_description AS s WHERE s.classoid = o.class AND s.objoid = o.oid AND s.objsubid = 0)
ORDER BY 1;

-- What the spec says of a thing is its comment.
SELECT obj_description('shop.customer'::regclass, 'pg_class') AS "table",
       col_description('shop.customer'::regclass, 3) AS "column",
       (SELECT obj_description(t.oid, 'pg_trigger') FROM pg_trigger AS t WHERE t.tgname = 'state_trigger') AS "trigger";
-- Another description is another comment, and nothing else.
SELECT action, kind, object, sql FROM specql.plan(replace(:'kinds', 'Who buys', 'Who might buy')) WHERE action <> 'unchanged';
SELECT count(*) > 0 AS applied FROM specql.apply(replace(:'kinds', 'Who buys', 'Who might buy'));
SELECT obj_description('shop.customer'::regclass, 'pg_class') AS "table";
SELECT DISTINCT action FROM specql.apply(replace(:'kinds', 'Who buys', 'Who might buy'));
