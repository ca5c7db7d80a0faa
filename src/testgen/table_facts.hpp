// What a row must satisfy to be inserted: gathered from the catalog for the tables that tests write, and those that
// these refer to. Also of adopted tables, which have columns that no spec knows.
#pragma once

#include <string>
#include <vector>

namespace specql::testgen {

struct TestColumn {
    std::string name;
    std::string type;      // format_type()
    std::string baseType;  // the same, but of a domain the type under it
    bool notNull = false;
    bool hasDefault = false;
    bool generated = false;
    bool identity = false;            // GENERATED ALWAYS AS IDENTITY
    std::vector<std::string> labels;  // of an enum type
    std::string generation;           // of a generated column: SQL over the bare names of columns
    std::vector<std::string> generatedFrom;
};

struct TestCheck {
    std::vector<std::string> columns;
    std::string sql;  // over the bare names of columns
};

struct TestForeignKey {
    std::vector<std::string> columns;
    std::string schema, table;
    std::vector<std::string> referenced;
};

// A trigger or a rule that somebody else made: it may change what is written.
struct TestTrigger {
    std::string name;
    unsigned operations = 0;  // bits of Op
};

struct TestTable {
    std::string schema, name;
    std::vector<TestColumn> columns;
    std::vector<TestCheck> checks;
    std::vector<TestForeignKey> foreignKeys;
    std::vector<std::vector<std::string>> uniques;
    std::vector<TestTrigger> triggers;

    const TestColumn* column(const std::string& name) const {
        for (const TestColumn& column : columns)
            if (column.name == name) return &column;
        return nullptr;
    }
    // The name of what may change what one of these operations writes; empty if nothing does.
    std::string triggerOf(unsigned operations) const {
        for (const TestTrigger& trigger : triggers)
            if (trigger.operations & operations) return trigger.name;
        return "";
    }
};

using TestTables = std::vector<TestTable>;

inline const TestTable* findTable(const TestTables& tables, const std::string& schema, const std::string& name) {
    for (const TestTable& table : tables)
        if (table.schema == schema && table.name == name) return &table;
    return nullptr;
}

}  // namespace specql::testgen
