#include "testgen/scenario.hpp"

#include <algorithm>
#include <cmath>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Combinations that one query may look at, and that it may compare with each other.
constexpr double mostCombinations = 60000;
constexpr double mostCompared = 40000;
// Values of a column that no condition reads but a check of several columns does.
constexpr double mostOfChecked = 4;
constexpr int deepestReference = 8;
// Numbers in values that no other row has are of this size.
constexpr int likeOthers = 1000;

std::string number(int dimension) {
    return "d" + std::to_string(dimension) + ".n";
}

// By turns what conditions and what checks speak of.
std::vector<size_t> mixed(const Dimension& dimension) {
    size_t count = dimension.candidates.size(), middle = std::min(dimension.ofChecks, count);
    std::vector<size_t> order;
    for (size_t i = 0; i < std::max(middle, count - middle); i++) {
        if (i < middle) order.push_back(i);
        if (middle + i < count) order.push_back(middle + i);
    }
    return order;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

int Scenario::add(Dimension dimension) {
    dimensions.push_back(std::move(dimension));
    return static_cast<int>(dimensions.size()) - 1;
}

int Scenario::addRow(const TestTables& tables, const TestTable& table, std::map<std::string, int> given, int depth) {
    PlannedRow row;
    row.table = &table;
    std::set<std::string> needed, asked;
    for (const auto& [column, dimension] : given)
        asked.insert(column);
    for (const TestColumn& column : table.columns)
        if (!column.generated && column.notNull && !column.hasDefault) needed.insert(column.name);
    for (const TestCheck& check : table.checks)
        for (const std::string& column : check.columns)
            if (!table.column(column) || !table.column(column)->generated) needed.insert(column);
    for (const auto& [column, dimension] : given)
        needed.insert(column);
    // Rows that must be there first; an own row that refers to its table refers to itself.
    for (const TestForeignKey& key : table.foreignKeys) {
        bool wanted = std::any_of(key.columns.begin(), key.columns.end(),
                                  [&](const std::string& column) { return needed.count(column) > 0; });
        if (!wanted) continue;
        bool self = key.schema == table.schema && key.table == table.name;
        const TestTable* parent = findTable(tables, key.schema, key.table);
        if (self || !parent) {
            bool said = self && std::all_of(key.columns.begin(), key.columns.end(),
                                            [&](const std::string& column) { return asked.count(column) > 0; });
            for (size_t i = 0; self && !said && i < key.columns.size(); i++)
                if (given.count(key.referenced[i])) given[key.columns[i]] = given[key.referenced[i]];
            continue;
        }
        if (depth >= deepestReference) {
            unfit = "the tables that " + table.schema + "." + table.name + " refers to go round in a circle";
            return 0;
        }
        std::map<std::string, int> shared;
        int existing = -1;
        for (size_t i = 0; i < rows.size(); i++)
            if (rows[i].table == parent)
                for (size_t k = 0; k < key.columns.size(); k++)
                    if (given.count(key.columns[k]) && rows[i].columns.count(key.referenced[k]) &&
                        rows[i].columns[key.referenced[k]] == given[key.columns[k]])
                        existing = static_cast<int>(i);
        if (existing < 0) {
            for (size_t k = 0; k < key.columns.size(); k++)
                if (given.count(key.columns[k])) shared[key.referenced[k]] = given[key.columns[k]];
            for (const std::string& column : key.referenced)
                if (!shared.count(column)) {
                    const TestColumn* target = parent->column(column);
                    Dimension dimension{target->type, target->baseType, {}, {}, column, true, false, {}, 0, false};
                    shared[column] = add(std::move(dimension));
                }
            existing = addRow(tables, *parent, shared, depth + 1);
            if (!unfit.empty()) return 0;
            rows[static_cast<size_t>(existing)].referred = true;
        }
        for (size_t k = 0; k < key.columns.size(); k++)
            given[key.columns[k]] = rows[static_cast<size_t>(existing)].columns[key.referenced[k]];
    }
    for (const std::string& name : needed) {
        const TestColumn* column = table.column(name);
        if (!column || column->generated) continue;
        if (!given.count(name)) {
            Dimension dimension{column->type, column->baseType, {}, {}, name, false, false, {}, 0, false};
            for (const std::vector<std::string>& key : table.uniques)
                dimension.unique = dimension.unique || contains(key, name);
            given[name] = add(std::move(dimension));
        }
        Dimension& dimension = dimensions[static_cast<size_t>(given[name])];
        if (dimension.unique && uniqueValue(dimension.baseType, 1).empty()) dimension.unique = false;
        spec::ConditionText spoken;
        for (const TestCheck& check : table.checks) {
            if (!contains(check.columns, name)) continue;
            spec::ConditionText found = spec::readCondition(check.sql);
            for (auto [to, from] : {std::pair(&spoken.numbers, &found.numbers), std::pair(&spoken.texts, &found.texts),
                                    std::pair(&spoken.intervals, &found.intervals)})
                to->insert(to->end(), from->begin(), from->end());
            if (check.columns.size() > 1) {
                dimension.essential = true;
            } else if (dimension.checks.empty() || dimension.column == name) {
                dimension.column = name;
                if (!contains(dimension.checks, check.sql)) dimension.checks.push_back(check.sql);
            }
        }
        // What the checks allow comes first for columns that no condition reads.
        size_t place = static_cast<size_t>(given[name]);
        if (dimension.ofChecks == 0) dimension.ofChecks = dimension.candidates.size();
        std::vector<std::string> more = candidates(column->baseType, column->labels, spoken, place);
        for (std::string& value : more)
            if (!dimension.fixed && !contains(dimension.candidates, value))
                dimension.candidates.push_back(std::move(value));
        // A condition reads it, and no two rows may have the same.
        bool alone = std::find(table.uniques.begin(), table.uniques.end(), std::vector<std::string>{name}) !=
                     table.uniques.end();
        if (alone && !dimension.unique && dimension.essential && !dimension.fixed && isText(dimension.baseType)) {
            std::vector<std::string> patterns = uniquePatterns(dimension.baseType);
            if (!contains(dimension.candidates, patterns.front()))
                dimension.candidates.insert(dimension.candidates.begin(), patterns.begin(), patterns.end());
        }
        if (dimension.unique && !dimension.checks.empty()) {
            // A value that the check allows, rather than one made up; best one that has a number in it.
            dimension.unique = false;
            std::vector<std::string> patterns = uniquePatterns(dimension.baseType);
            dimension.candidates.insert(dimension.candidates.begin(), patterns.begin(), patterns.end());
        }
        // What nobody reads and a check of several columns leaves free.
        if (dimension.essential && !column->notNull && column->labels.empty() && !asked.count(name) &&
            dimension.elements.empty())
            dimension.candidates.insert(dimension.candidates.begin(), "NULL");
        if (column->notNull)
            dimension.candidates.erase(
                std::remove(dimension.candidates.begin(), dimension.candidates.end(), std::string("NULL")),
                dimension.candidates.end());
        if (dimension.avoided.size() == 1 && !dimension.essential && dimension.candidates.size() > 1)
            dimension.candidates.erase(
                std::remove(dimension.candidates.begin(), dimension.candidates.end(), *dimension.avoided.begin()),
                dimension.candidates.end());
        if (!dimension.unique && dimension.candidates.empty()) {
            unfit =
                "no value is known for " + table.schema + "." + table.name + "." + name + " of type " + column->type;
            return 0;
        }
    }
    for (const auto& [column, dimension] : given)
        if (table.column(column) && !table.column(column)->generated) row.columns[column] = dimension;
    rows.push_back(std::move(row));
    return static_cast<int>(rows.size()) - 1;
}

std::vector<std::string> Scenario::rowChecks() const {
    std::vector<std::string> checks;
    for (const PlannedRow& row : rows)
        for (const TestCheck& check : row.table->checks) {
            std::vector<std::string> columns, made = {"plain.*"};
            for (const TestColumn& column : row.table->columns) {
                if (contains(check.columns, column.name) && !column.generation.empty())
                    made.push_back(column.generation + " AS " + quoteName(column.name));
                if (column.generated) continue;
                auto found = row.columns.find(column.name);
                columns.push_back((found == row.columns.end() ? "NULL::" + column.type : reference(found->second)) +
                                  " AS " + quoteName(column.name));
            }
            // What one column must be is part of its values already.
            if (check.columns.size() < 2 && made.size() < 2) continue;
            checks.push_back("(SELECT (" + check.sql + ") IS NOT FALSE FROM (SELECT " + join(made, ", ") +
                             " FROM (SELECT " + join(columns, ", ") + ") AS plain) AS checked)");
        }
    return checks;
}

std::string Scenario::array(const Dimension& dimension, const std::vector<std::string>& elements) {
    return dimension.baseType == "jsonb" ? "jsonb_build_array(" + join(elements, ", ") + ")"
                                         : "ARRAY[" + join(elements, ", ") + "]::" + dimension.baseType;
}

// The elements of the same combination in an array; and, if a condition reads it, an empty one.
std::string Scenario::arrays(const Dimension& dimension, int which, bool both) const {
    std::vector<std::string> elements;
    for (int element : dimension.elements)
        elements.push_back(reference(element));
    std::string name = quoteName(dimension.column.empty() ? "v" : dimension.column);
    std::string sql = "LATERAL (SELECT s." + name + " AS v, s.n, s.n AS p FROM (SELECT CASE c.n WHEN 0 THEN " +
                      array(dimension, elements) + " ELSE " +
                      typedValue(dimension.candidates.back(), dimension.baseType) + " END AS " + name +
                      ", c.n FROM (VALUES (0), (1)) AS c(n)) AS s";
    if (!dimension.checks.empty()) sql += " WHERE ((" + join(dimension.checks, ") AND (") + ")) IS NOT FALSE";
    return sql + " ORDER BY s.n LIMIT " + (both ? "2" : "1") + ") AS d" + std::to_string(which);
}

std::string Scenario::combinations(const std::vector<std::string>& columns, const Focus& focus, double most) const {
    double essential = 0;
    for (size_t i = 0; i < dimensions.size(); i++) {
        if (dimensions[i].unique || !dimensions[i].elements.empty()) continue;
        if (focus.count(static_cast<int>(i)))
            essential++;
        else if (dimensions[i].essential)
            most /= mostOfChecked;
    }
    int each = static_cast<int>(
        std::clamp(std::floor(std::pow(std::max(most, 1.0), 1 / std::max(essential, 1.0))), 2.0, 30.0));
    std::vector<std::string> from, made;
    for (size_t i = 0; i < dimensions.size(); i++) {
        const Dimension& dimension = dimensions[i];
        std::vector<std::string> values;
        if (!dimension.elements.empty()) {
            made.push_back(arrays(dimension, static_cast<int>(i), focus.count(static_cast<int>(i)) > 0));
            continue;
        }
        if (dimension.unique) {
            values.push_back("(" +
                             typedValue(uniqueValue(dimension.baseType, static_cast<int>(i) + 1), dimension.baseType) +
                             ", 0, 0)");
        } else {
            auto found = focus.find(static_cast<int>(i));
            std::vector<size_t> order = found == focus.end() ? mixed(dimension) : found->second;
            for (size_t place = 0; place < order.size(); place++) {
                size_t n = order[place];
                values.push_back("(" +
                                 typedValue(numbered(dimension.candidates[n], likeOthers + static_cast<int>(i)),
                                            dimension.baseType) +
                                 ", " + std::to_string(n) + ", " + std::to_string(place) + ")");
            }
        }
        std::string name = quoteName(dimension.column.empty() ? "v" : dimension.column);
        std::string sql = "(SELECT c." + name + " AS v, c.specql_n AS n, c.specql_p AS p FROM (VALUES " +
                          join(values, ", ") + ") AS c(" + name + ", specql_n, specql_p)";
        if (!dimension.checks.empty() && !dimension.unique)
            sql += " WHERE ((" + join(dimension.checks, ") AND (") + ")) IS NOT FALSE";
        int limit = focus.count(static_cast<int>(i)) ? each : dimension.essential ? static_cast<int>(mostOfChecked) : 1;
        sql += " ORDER BY c.specql_p LIMIT " + std::to_string(limit) + ") AS d" + std::to_string(i);
        from.push_back(std::move(sql));
    }
    from.insert(from.end(), made.begin(), made.end());
    std::vector<std::string> where = rowChecks();
    for (const std::vector<std::string>* list : {&demands, &rules})
        for (const std::string& demand : *list)
            where.push_back("(" + demand + ") IS TRUE");
    std::string sql = "SELECT " + join(columns, ", ");
    if (!from.empty()) sql += "\nFROM " + join(from, "\nCROSS JOIN ");
    if (!where.empty()) sql += "\nWHERE " + join(where, "\n  AND ");
    return sql;
}

std::string Scenario::find(const std::vector<std::string>& conditions, const std::vector<std::string>& asked,
                           const Focus& focus) const {
    std::vector<std::string> columns, numbers, held, order;
    std::string sum = "0";
    for (size_t i = 0; i < dimensions.size(); i++) {
        columns.push_back(number(static_cast<int>(i)) + " AS n" + std::to_string(i));
        sum += " + d" + std::to_string(i) + ".p";
    }
    std::string others = "0";
    for (size_t i = 0; i < asked.size(); i++) {
        columns.push_back("((" + asked[i] + ") IS TRUE) AS a" + std::to_string(i));
        others += " + ((" + asked[i] + ") IS TRUE)::int";
    }
    // Values that differ show which of them went where.
    std::string equal = "0";
    for (size_t i = 0; i < dimensions.size(); i++)
        for (size_t k = i + 1; k < dimensions.size(); k++)
            if (dimensions[i].essential && dimensions[k].essential && dimensions[i].type == dimensions[k].type &&
                (isNumeric(dimensions[i].type) || isText(dimensions[i].type)))
                equal += " + (" + reference(static_cast<int>(i)) + " IS NOT DISTINCT FROM " +
                         reference(static_cast<int>(k)) + ")::int";
    columns.push_back(others + " AS others");
    columns.push_back(equal + " AS equals");
    columns.push_back(sum + " AS place");
    Scenario demanding = *this;
    for (const std::string& condition : conditions)
        demanding.demands.push_back(condition);
    std::vector<std::string> wanted;
    for (size_t i = 0; i < dimensions.size(); i++)
        wanted.push_back("c.n" + std::to_string(i));
    for (size_t i = 0; i < asked.size(); i++)
        wanted.push_back("c.a" + std::to_string(i));
    if (wanted.empty()) wanted.push_back("true");
    return "SELECT " + join(wanted, ", ") + "\nFROM (\n" + demanding.combinations(columns, focus, mostCombinations) +
           "\n) AS c\nORDER BY c.others, c.equals, c.place LIMIT 1";
}

std::string Scenario::findPair(const std::string& condition, const std::string& atom,
                               const std::vector<std::string>& asked, const std::set<int>& varied, bool greater,
                               const Focus& focus, const std::set<int>& loose) const {
    std::vector<std::string> columns;
    std::string sum = "0";
    for (size_t i = 0; i < dimensions.size(); i++) {
        columns.push_back(number(static_cast<int>(i)) + " AS n" + std::to_string(i));
        sum += " + d" + std::to_string(i) + ".p";
    }
    for (int i : varied)
        columns.push_back(reference(i) + " AS v" + std::to_string(i));
    std::string others = "0";
    for (size_t i = 0; i < asked.size(); i++) {
        columns.push_back("((" + asked[i] + ") IS TRUE) AS a" + std::to_string(i));
        others += " + ((" + asked[i] + ") IS TRUE)::int";
    }
    columns.push_back("((" + condition + ") IS TRUE) AS held");
    columns.push_back("(" + atom + ") AS atom");
    columns.push_back(others + " AS others");
    columns.push_back(sum + " AS place");
    std::vector<std::string> wanted, pairs;
    for (const char* side : {"i", "o"})
        for (size_t i = 0; i < dimensions.size(); i++)
            wanted.push_back(std::string(side) + ".n" + std::to_string(i));
    for (const char* side : {"i", "o"})
        for (size_t i = 0; i < asked.size(); i++)
            wanted.push_back(std::string(side) + ".a" + std::to_string(i));
    std::vector<std::string> names;
    for (size_t i = 0; i < wanted.size(); i++)
        names.push_back("r" + std::to_string(i));
    for (int v : varied) {
        const Dimension& dimension = dimensions[static_cast<size_t>(v)];
        std::string value = "v" + std::to_string(v), distance = "0";
        if (isNumeric(dimension.baseType))
            distance = "abs(i." + value + " - o." + value + ")::float8";
        else if (isTime(dimension.baseType))
            distance = "abs(extract(epoch FROM i." + value + "::timestamptz) - extract(epoch FROM o." + value +
                       "::timestamptz))::float8";
        std::vector<std::string> same;
        for (size_t i = 0; i < dimensions.size(); i++)
            if (static_cast<int>(i) != v && !dimensions[i].unique && !loose.count(static_cast<int>(i)))
                same.push_back("i.n" + std::to_string(i) + " = o.n" + std::to_string(i));
        bool ordered = distance != "0";
        if (!ordered && !greater) continue;
        // NULL is neither greater nor less.
        if (ordered)
            same.push_back("(o." + value + (greater ? " > i." : " < i.") + value +
                           (greater ? " OR (o." + value + " IS NULL) <> (i." + value + " IS NULL)" : "") + ")");
        std::string joined = same.empty() ? "true" : join(same, " AND ");
        pairs.push_back(
            "(SELECT " + join(wanted, ", ") + ", " + distance +
            " AS distance, i.others + o.others AS others, i.place + o.place AS place\nFROM c AS i JOIN c AS "
            "o ON " +
            joined +
            "\nWHERE i.held AND NOT o.held AND i.atom IS DISTINCT FROM o.atom\nORDER BY distance, others, "
            "place LIMIT 1)");
    }
    if (pairs.empty()) return "SELECT WHERE false";
    wanted = names;
    return "WITH c AS MATERIALIZED (\n" + combinations(columns, focus, mostCompared) + "\n)\nSELECT " +
           join(wanted, ", ") + "\nFROM (\n" + join(pairs, "\nUNION ALL\n") + "\n) AS p(" + join(wanted, ", ") +
           ", distance, others, place)\nORDER BY distance, others, place LIMIT 1";
}

}  // namespace specql::testgen
