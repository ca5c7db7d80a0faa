#include "testgen/scenario.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Of tables that refer to each other in a circle there would be rows without end.
constexpr size_t mostRows = 60;

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

void prepend(std::vector<std::string>& list, const std::vector<std::string>& more) {
    list.insert(list.begin(), more.begin(), more.end());
}

// Columns that a row cannot do without, and those that a check speaks of.
std::set<std::string> neededColumns(const TestTable& table) {
    std::set<std::string> needed;
    for (const TestColumn& column : table.columns)
        if (column.notNull && !column.hasDefault) needed.insert(column.name);
    for (const TestCheck& check : table.checks)
        needed.insert(check.columns.begin(), check.columns.end());
    return needed;
}

}  // namespace

Dimension dimensionOf(const TestColumn& column) {
    return {column.type, column.baseType, column.name, column.labels};
}

int Scenario::add(Dimension dimension) {
    dimensions.push_back(std::move(dimension));
    return static_cast<int>(dimensions.size()) - 1;
}

int Scenario::addRow(const TestTable& table, std::map<std::string, int> columns) {
    rows.push_back({&table, std::move(columns)});
    return static_cast<int>(rows.size()) - 1;
}

int Scenario::referredRow(const TestTable& table, const std::string& column, int dimension) {
    for (size_t i = 0; i < rows.size(); i++) {
        auto known = rows[i].columns.find(column);
        if (rows[i].table == &table && known != rows[i].columns.end() && known->second == dimension)
            return static_cast<int>(i);
    }
    rows.push_back({&table, {{column, dimension}}, true});
    return static_cast<int>(rows.size()) - 1;
}

void Scenario::complete(const TestTables& tables) {
    for (size_t i = 0; i < rows.size() && unfit.empty(); i++)
        completeRow(tables, static_cast<int>(i));
    for (size_t i = 0; i < dimensions.size() && unfit.empty(); i++)
        findCandidates(static_cast<int>(i));
}

// Its columns, and before it the rows that it refers to.
void Scenario::completeRow(const TestTables& tables, int which) {
    if (row(which).complete) return;
    row(which).complete = true;
    const TestTable& table = *row(which).table;
    if (rows.size() > mostRows) {
        unfit = "the tables that " + table.schema + "." + table.name + " refers to go round in a circle";
        return;
    }
    if (int before = row(which).before; before >= 0) {
        completeRow(tables, before);
        row(which).columns.insert(row(before).columns.begin(), row(before).columns.end());
    }
    std::set<std::string> needed = neededColumns(table);
    for (const auto& [column, dimension] : row(which).columns)
        needed.insert(column);
    for (const TestForeignKey& key : table.foreignKeys)
        if (std::any_of(key.columns.begin(), key.columns.end(),
                        [&](const std::string& column) { return needed.count(column) > 0; }))
            refer(tables, which, key);
    for (const std::string& name : needed) {
        const TestColumn* column = table.column(name);
        if (!column || column->generated) {
            row(which).columns.erase(name);
            continue;
        }
        bool isNew = row(which).columns.count(name) == 0;
        if (isNew) row(which).columns[name] = add(dimensionOf(*column));
        meetChecks(table, *column, row(which).columns[name], isNew);
    }
    order.push_back(which);
}

// A row that refers to its own table refers to itself, unless it is known to what.
void Scenario::refer(const TestTables& tables, int which, const TestForeignKey& key) {
    const TestTable* parent = findTable(tables, key.schema, key.table);
    if (!parent) return;
    bool own = parent == row(which).table;
    int found = own ? which : -1;
    for (size_t i = 0; i < rows.size(); i++)
        for (size_t k = 0; k < key.columns.size(); k++) {
            auto mine = row(which).columns.find(key.columns[k]);
            auto other = rows[i].columns.find(key.referenced[k]);
            if (rows[i].table == parent && mine != row(which).columns.end() && other != rows[i].columns.end() &&
                mine->second == other->second)
                found = static_cast<int>(i);
        }
    if (found < 0) {
        std::map<std::string, int> referenced;
        for (size_t k = 0; k < key.columns.size(); k++) {
            auto mine = row(which).columns.find(key.columns[k]);
            if (mine != row(which).columns.end()) {
                referenced[key.referenced[k]] = mine->second;
                continue;
            }
            Dimension dimension = dimensionOf(*parent->column(key.referenced[k]));
            dimension.unique = true;
            referenced[key.referenced[k]] = add(std::move(dimension));
        }
        found = addRow(*parent, std::move(referenced));
        row(found).referred = true;
    }
    completeRow(tables, found);
    for (size_t k = 0; k < key.columns.size(); k++) {
        auto other = row(found).columns.find(key.referenced[k]);
        if (other != row(found).columns.end()) row(which).columns.emplace(key.columns[k], other->second);
    }
}

// What the table says of a column of a row.
void Scenario::meetChecks(const TestTable& table, const TestColumn& column, int which, bool isNew) {
    Dimension& dimension = at(which);
    dimension.notNull = dimension.notNull || column.notNull;
    if (dimension.labels.empty()) dimension.labels = column.labels;
    for (const std::vector<std::string>& key : table.uniques) {
        const bool alone = key == std::vector<std::string>{column.name};
        dimension.unique = dimension.unique || (isNew && contains(key, column.name)) || (alone && !dimension.essential);
        dimension.alone = dimension.alone || alone;
    }
    for (const TestCheck& check : table.checks) {
        if (!contains(check.columns, column.name)) continue;
        spec::ConditionText found = spec::readCondition(check.sql);
        prepend(dimension.spoken.numbers, found.numbers);
        prepend(dimension.spoken.texts, found.texts);
        prepend(dimension.spoken.intervals, found.intervals);
        if (check.columns.size() > 1) {
            dimension.essential = true;
            // What nobody else reads is left free.
            if (isNew && !column.notNull && column.labels.empty()) dimension.candidates = {"NULL"};
        } else if (dimension.checks.empty() || dimension.column == column.name) {
            dimension.column = column.name;
            if (!contains(dimension.checks, check.sql)) dimension.checks.push_back(check.sql);
        }
    }
}

void Scenario::findCandidates(int which) {
    Dimension& dimension = at(which);
    if (dimension.fixed) {
        dimension.unique = false;
        return;
    }
    std::vector<std::string>& values = dimension.candidates;
    // Rows of other tests have other identifiers.
    if (dimension.baseType == "uuid" && !dimension.essential && dimension.checks.empty()) dimension.unique = true;
    // A value that the checks allow, rather than one made up; best one that has a number in it.
    const bool isMade = !uniqueValue(dimension.baseType, 1).empty();
    const bool isFree = dimension.unique && isMade && dimension.checks.empty();
    if (!isFree && (dimension.unique || dimension.alone)) {
        dimension.unique = false;
        prepend(values, uniquePatterns(dimension.baseType));
    }
    for (std::string& value :
         testgen::candidates(dimension.baseType, dimension.labels, dimension.spoken, static_cast<size_t>(which)))
        if (!contains(values, value)) values.push_back(std::move(value));
    if (dimension.notNull) values.erase(std::remove(values.begin(), values.end(), "NULL"), values.end());
    if (values.empty() && !dimension.unique)
        unfit = "no value is known for " + dimension.column + " of type " + dimension.type;
}

std::string Scenario::array(const Dimension& dimension, const std::vector<std::string>& elements) {
    return dimension.baseType == "jsonb" ? "jsonb_build_array(" + join(elements, ", ") + ")"
                                         : "ARRAY[" + join(elements, ", ") + "]::" + dimension.baseType;
}

}  // namespace specql::testgen
