#include "pg/testing/table_facts.hpp"

#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"

namespace specql::testing {

namespace {

// The tables and, over foreign keys, those that they need. $1 and $2 are schemas and names.
constexpr const char* reachable =
    "WITH RECURSIVE r(oid) AS ("
    "  SELECT c.oid FROM unnest($1, $2) AS w(schema, name)"
    "    JOIN pg_namespace n ON n.nspname = w.schema"
    "    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')"
    "  UNION"
    "  SELECT k.confrelid FROM r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f'),"
    " t AS (SELECT c.oid, n.nspname AS schema, c.relname AS name"
    "         FROM r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace)";

// Lists come with a separator that no name and no label can hold.
void split(const char* list, std::vector<std::string>* to) {
    while (list != nullptr && *list != '\0') {
        const char* end = strchr(list, '\x1f');
        if (end == nullptr) {
            to->emplace_back(list);
            return;
        }
        to->emplace_back(list, static_cast<size_t>(end - list));
        list = end + 1;
    }
}

testgen::TestTable* tableOf(testgen::TestTables* tables, const char* schema, const char* name) {
    for (testgen::TestTable& table : *tables)
        if (table.schema == schema && table.name == name) return &table;
    testgen::TestTable& table = tables->emplace_back();
    table.schema = schema;
    table.name = name;
    return &table;
}

// Calls add(table, row) for each row that `select` gives; its first two columns name the table. What is gathered is
// held by a memory context, so an error in reading a cell leaks nothing.
template <typename Add>
void gather(const char* select, std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables,
            Add&& add) {
    int count = spi::query(psprintf("%s %s", reachable, select), arguments);
    for (int row = 0; row < count; ++row) {
        const char* schema = spi::cell(row, 1);
        add(tableOf(tables, schema, spi::cell(row, 2)), row);
    }
    SPI_freetuptable(SPI_tuptable);
}

void gatherColumns(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        "SELECT t.schema, t.name, a.attname, format_type(a.atttypid, a.atttypmod),"
        "       format_type(coalesce(nullif(y.typbasetype, 0), a.atttypid),"
        "                   CASE WHEN y.typbasetype = 0 THEN a.atttypmod ELSE y.typtypmod END),"
        "       a.attnotnull OR y.typnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '',"
        "       a.attidentity = 'a',"
        "       (SELECT string_agg(e.enumlabel, chr(31) ORDER BY e.enumsortorder) FROM pg_enum e"
        "         WHERE e.enumtypid = coalesce(nullif(y.typbasetype, 0), a.atttypid))"
        "  FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  JOIN pg_type y ON y.oid = a.atttypid"
        " ORDER BY t.schema, t.name, a.attnum",
        arguments, tables, [](testgen::TestTable* table, int row) {
            testgen::TestColumn& added = table->columns.emplace_back();
            added.name = spi::cell(row, 3);
            added.type = spi::cell(row, 4);
            added.baseType = spi::cell(row, 5);
            added.notNull = spi::flag(row, 6);
            added.hasDefault = spi::flag(row, 7);
            added.generated = spi::flag(row, 8);
            added.identity = spi::flag(row, 9);
            split(spi::cell(row, 10), &added.labels);
        });
}

// Of the tables, and of the domains of their columns; and which rows the partitions of a table take.
void gatherChecks(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        "SELECT t.schema, t.name, pg_get_expr(k.conbin, k.conrelid),"
        "       (SELECT string_agg(a.attname, chr(31) ORDER BY a.attnum) FROM pg_attribute a"
        "         WHERE a.attrelid = t.oid AND a.attnum = ANY (k.conkey))"
        "  FROM t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'c' AND k.conkey IS NOT NULL "
        "UNION ALL "
        "SELECT t.schema, t.name,"
        "       regexp_replace(pg_get_expr(k.conbin, 0), '\\mVALUE\\M',"
        "                      replace(quote_ident(a.attname), '\\', '\\\\'), 'g'), a.attname"
        "  FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  JOIN pg_constraint k ON k.contypid = a.atttypid AND k.contype = 'c' "
        "UNION ALL "
        "SELECT t.schema, t.name,"
        "       (SELECT string_agg('(' || pg_get_partition_constraintdef(i.inhrelid) || ')', ' OR '"
        "                          ORDER BY i.inhrelid)"
        "          FROM pg_inherits i WHERE i.inhparent = t.oid),"
        "       (SELECT string_agg(a.attname, chr(31) ORDER BY a.attnum) FROM pg_attribute a"
        "         WHERE a.attrelid = t.oid AND a.attnum = ANY (p.partattrs::int2[]))"
        "  FROM t JOIN pg_partitioned_table p ON p.partrelid = t.oid"
        " WHERE 0 <> ALL (p.partattrs::int2[]) AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = t.oid)"
        " ORDER BY 1, 2, 3",
        arguments, tables, [](testgen::TestTable* table, int row) {
            testgen::TestCheck& check = table->checks.emplace_back();
            check.sql = spi::cell(row, 3);
            split(spi::cell(row, 4), &check.columns);
        });
}

void gatherForeignKeys(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        "SELECT t.schema, t.name, p.schema, p.name,"
        "       (SELECT string_agg(a.attname, chr(31) ORDER BY u.place)"
        "          FROM unnest(k.conkey) WITH ORDINALITY AS u(number, place)"
        "          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),"
        "       (SELECT string_agg(a.attname, chr(31) ORDER BY u.place)"
        "          FROM unnest(k.confkey) WITH ORDINALITY AS u(number, place)"
        "          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)"
        "  FROM t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0"
        "  JOIN t AS p ON p.oid = k.confrelid"
        " ORDER BY t.schema, t.name, k.conname",
        arguments, tables, [](testgen::TestTable* table, int row) {
            testgen::TestForeignKey& key = table->foreignKeys.emplace_back();
            key.schema = spi::cell(row, 3);
            key.table = spi::cell(row, 4);
            split(spi::cell(row, 5), &key.columns);
            split(spi::cell(row, 6), &key.referenced);
        });
}

void gatherUniques(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        "SELECT t.schema, t.name,"
        "       (SELECT string_agg(a.attname, chr(31) ORDER BY a.attnum) FROM pg_attribute a"
        "         WHERE a.attrelid = t.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))"
        "  FROM t JOIN pg_index i ON i.indrelid = t.oid AND i.indisunique"
        " WHERE 0 <> ALL ((i.indkey::int2[])[0:i.indnkeyatts - 1])"
        " ORDER BY t.schema, t.name, i.indexrelid",
        arguments, tables,
        [](testgen::TestTable* table, int row) { split(spi::cell(row, 3), &table->uniques.emplace_back()); });
}

// What generated columns are made of, and from which columns.
void gatherGenerated(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        "SELECT t.schema, t.name, a.attname, pg_get_expr(d.adbin, d.adrelid),"
        "       (SELECT string_agg(DISTINCT f.attname, chr(31))"
        "          FROM pg_depend p JOIN pg_attribute f ON f.attrelid = t.oid AND f.attnum = p.refobjsubid"
        "         WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = t.oid AND p.refobjsubid <> a.attnum"
        "           AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid"
        "                OR p.classid = 'pg_class'::regclass AND p.objid = t.oid AND p.objsubid = a.attnum))"
        "  FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attgenerated <> '' AND NOT a.attisdropped"
        "  JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum"
        " ORDER BY t.schema, t.name, a.attnum",
        arguments, tables, [](testgen::TestTable* table, int row) {
            const char* column = spi::cell(row, 3);
            for (testgen::TestColumn& known : table->columns)
                if (known.name == column) {
                    known.generation = spi::cell(row, 4);
                    split(spi::cell(row, 5), &known.generatedFrom);
                }
        });
}

// Triggers and rewrite rules of others, on the tables and their partitions, with the operations (bits of Op) for which
// they fire.
void gatherTriggers(std::initializer_list<spi::Argument> arguments, testgen::TestTables* tables) {
    gather(
        ", b AS (SELECT t.schema, t.name, t.oid FROM t"
        "        UNION SELECT b.schema, b.name, i.inhrelid FROM b JOIN pg_inherits i ON i.inhparent = b.oid) "
        "SELECT b.schema, b.name, 'trigger ' || g.tgname,"
        "       (g.tgtype >> 2 & 1) + (g.tgtype >> 4 & 1) * 2 + (g.tgtype >> 3 & 1) * 4"
        "  FROM b JOIN pg_trigger g ON g.tgrelid = b.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'"
        "  JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace"
        // That a change of state is refused changes nothing.
        " WHERE n.nspname <> 'specql' AND g.tgname NOT IN ('specql_state', 'specql_first_state') "
        "UNION "
        "SELECT b.schema, b.name, 'rule ' || r.rulename, CASE r.ev_type WHEN '3' THEN 1 WHEN '2' THEN 2 ELSE 4 END"
        "  FROM b JOIN pg_rewrite r ON r.ev_class = b.oid AND r.ev_type <> '1' AND r.ev_enabled <> 'D'"
        " ORDER BY 1, 2, 3",
        arguments, tables, [](testgen::TestTable* table, int row) {
            testgen::TestTrigger& added = table->triggers.emplace_back();
            added.name = spi::cell(row, 3);
            added.operations = static_cast<unsigned>(spi::number(row, 4));
        });
}

}  // namespace

void gatherTestTables(const std::vector<std::string>* schemas, const std::vector<std::string>* names,
                      testgen::TestTables* tables) {
    // Types and expressions come out qualified, as generated code needs them.
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    Datum both[2] = {spi::textArray(*schemas), spi::textArray(*names)};
    std::initializer_list<spi::Argument> arguments = {{TEXTARRAYOID, both[0]}, {TEXTARRAYOID, both[1]}};
    gatherColumns(arguments, tables);
    gatherChecks(arguments, tables);
    gatherForeignKeys(arguments, tables);
    gatherUniques(arguments, tables);
    gatherGenerated(arguments, tables);
    gatherTriggers(arguments, tables);
    AtEOXact_GUC(true, level);
}

}  // namespace specql::testing
