#include "testgen/search.hpp"

#include <algorithm>
#include <cmath>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Combinations that one query may look at, and that it may compare with each other.
constexpr double mostCombinations = 60000, mostCompared = 40000;
// Values of a column that the condition does not read, though another one or a check of several columns does.
constexpr int mostOfOthers = 4;
// Numbers in values that no other row has are of this size.
constexpr int likeOthers = 1000;

// Checks of several columns, and of those that are computed; other checks choose among the values of a dimension.
std::vector<std::string> rowChecks(const Scenario& scenario) {
    std::vector<std::string> checks;
    for (const PlannedRow& row : scenario.rows)
        for (const TestCheck& check : row.table->checks) {
            std::vector<std::string> columns, made = {"plain.*"};
            for (const TestColumn& column : row.table->columns) {
                bool isChecked =
                    std::find(check.columns.begin(), check.columns.end(), column.name) != check.columns.end();
                if (isChecked && !column.generation.empty())
                    made.push_back(column.generation + " AS " + quoteName(column.name));
                if (column.generated) continue;
                auto found = row.columns.find(column.name);
                columns.push_back(
                    (found == row.columns.end() ? "NULL::" + column.type : Scenario::reference(found->second)) +
                    " AS " + quoteName(column.name));
            }
            if (check.columns.size() > 1 || made.size() > 1)
                checks.push_back("(SELECT (" + check.sql + ") IS NOT FALSE FROM (SELECT " + join(made, ", ") +
                                 " FROM (SELECT " + join(columns, ", ") + ") AS plain) AS checked)");
        }
    return checks;
}

// The candidates of a dimension as a relation: v, the value; n, its number; p, its place in the order of trial.
std::string relation(const Scenario& scenario, int which, const std::vector<size_t>& order, size_t limit) {
    const Dimension& dimension = scenario.at(which);
    std::vector<std::string> values;
    for (size_t place = 0; place < order.size(); place++)
        values.push_back(
            "(" + typedValue(numbered(dimension.candidates[order[place]], likeOthers + which), dimension.baseType) +
            ", " + std::to_string(order[place]) + ", " + std::to_string(place) + ")");
    if (dimension.unique)
        values = {"(" + typedValue(uniqueValue(dimension.baseType, which + 1), dimension.baseType) + ", 0, 0)"};
    const std::string name = quoteName(dimension.column.empty() ? "v" : dimension.column);
    std::string sql = "(SELECT c." + name + " AS v, c.specql_n AS n, c.specql_p AS p FROM (VALUES " +
                      join(values, ", ") + ") AS c(" + name + ", specql_n, specql_p)";
    if (!dimension.checks.empty()) sql += " WHERE ((" + join(dimension.checks, ") AND (") + ")) IS NOT FALSE";
    return sql + " ORDER BY c.specql_p LIMIT " + std::to_string(limit) + ") AS d" + std::to_string(which);
}

// The elements of the same combination in an array; and, if a condition reads it, an empty one.
std::string arrayRelation(const Scenario& scenario, int which, bool isRead) {
    const Dimension& dimension = scenario.at(which);
    std::vector<std::string> elements;
    for (int element : dimension.elements)
        elements.push_back(Scenario::reference(element));
    const std::string empty = typedValue(dimension.candidates.back(), dimension.baseType);
    return "LATERAL (SELECT CASE c.n WHEN 0 THEN " + Scenario::array(dimension, elements) + " ELSE " + empty +
           " END AS v, c.n, c.n AS p FROM (VALUES (0)" + (isRead ? ", (1)" : "") + ") AS c(n)) AS d" +
           std::to_string(which);
}

// `columns` of all combinations for which the conditions, the checks and the demands hold.
std::string combinations(const Scenario& scenario, const std::vector<std::string>& columns, const Focus& focus,
                         double most) {
    double read = 0;
    for (size_t i = 0; i < scenario.dimensions.size(); i++) {
        const Dimension& dimension = scenario.dimensions[i];
        if (dimension.unique || !dimension.elements.empty()) continue;
        if (focus.count(static_cast<int>(i)))
            read++;
        else if (dimension.essential)
            most /= mostOfOthers;
    }
    const double each = std::clamp(std::floor(std::pow(std::max(most, 1.0), 1 / std::max(read, 1.0))), 2.0, 30.0);
    std::vector<std::string> from, arrays;
    for (size_t i = 0; i < scenario.dimensions.size(); i++) {
        const Dimension& dimension = scenario.dimensions[i];
        const int which = static_cast<int>(i);
        auto found = focus.find(which);
        const bool isRead = found != focus.end();
        if (!dimension.elements.empty()) {
            arrays.push_back(arrayRelation(scenario, which, isRead));
            continue;
        }
        std::vector<size_t> order;
        for (size_t n = 0; n < dimension.candidates.size(); n++)
            order.push_back(n);
        from.push_back(relation(scenario, which, isRead ? found->second : order,
                                isRead                ? static_cast<size_t>(each)
                                : dimension.essential ? mostOfOthers
                                                      : 1));
    }
    // They are made of the others' values.
    from.insert(from.end(), arrays.begin(), arrays.end());
    std::vector<std::string> where = rowChecks(scenario);
    for (const std::vector<std::string>* list : {&scenario.demands, &scenario.rules})
        for (const std::string& demand : *list)
            where.push_back("(" + demand + ") IS TRUE");
    std::string sql = "SELECT " + join(columns, ", ");
    if (!from.empty()) sql += "\nFROM " + join(from, "\nCROSS JOIN ");
    if (!where.empty()) sql += "\nWHERE " + join(where, "\n  AND ");
    return sql;
}

// Of each combination: its numbers, what holds and how much of it, and how far from the most promising it is.
std::vector<std::string> standardColumns(const Scenario& scenario, const std::vector<std::string>& asked) {
    std::vector<std::string> numbers, held, places = {"0"}, others = {"0"};
    for (size_t i = 0; i < scenario.dimensions.size(); i++) {
        numbers.push_back("d" + std::to_string(i) + ".n");
        places.push_back("d" + std::to_string(i) + ".p");
    }
    for (const std::string& condition : asked) {
        held.push_back("(" + condition + ") IS TRUE");
        others.push_back("((" + condition + ") IS TRUE)::int");
    }
    return {"ARRAY[" + join(numbers, ", ") + "]::integer[] AS n", "ARRAY[" + join(held, ", ") + "]::boolean[] AS held",
            join(others, " + ") + " AS others", join(places, " + ") + " AS place"};
}

// Numbers and truths of an array as PostgreSQL shows it.
std::vector<std::string> elementsOf(const std::string& array) {
    std::vector<std::string> found;
    for (size_t begin = 1; begin + 1 < array.size();) {
        size_t end = std::min(array.find(',', begin), array.size() - 1);
        found.push_back(array.substr(begin, end - begin));
        begin = end + 1;
    }
    return found;
}

}  // namespace

std::string findQuery(const Scenario& scenario, const std::vector<std::string>& asked, const Focus& focus) {
    // Values that differ show which of them went where.
    std::string equal = "0";
    const std::vector<Dimension>& dimensions = scenario.dimensions;
    for (size_t i = 0; i < dimensions.size(); i++)
        for (size_t k = i + 1; k < dimensions.size(); k++)
            if (dimensions[i].essential && dimensions[k].essential && dimensions[i].type == dimensions[k].type &&
                (isNumeric(dimensions[i].type) || isText(dimensions[i].type)))
                equal += " + (" + Scenario::reference(static_cast<int>(i)) + " IS NOT DISTINCT FROM " +
                         Scenario::reference(static_cast<int>(k)) + ")::int";
    std::vector<std::string> columns = standardColumns(scenario, asked);
    columns.push_back(equal + " AS equals");
    return "SELECT c.n, c.held\nFROM (\n" + combinations(scenario, columns, focus, mostCombinations) +
           "\n) AS c\nORDER BY c.others, c.equals, c.place LIMIT 1";
}

std::string findPairQuery(const Scenario& scenario, const Pair& pair, const std::vector<std::string>& asked,
                          const Focus& focus) {
    std::vector<std::string> columns = standardColumns(scenario, asked), pairs;
    columns.push_back("((" + pair.condition + ") IS TRUE) AS fires");
    columns.push_back("(" + pair.atom + ") AS atom");
    for (int which : pair.varied) {
        const std::string value = "v" + std::to_string(which), &type = scenario.at(which).baseType;
        columns.push_back(Scenario::reference(which) + " AS " + value);
        std::string distance = "0";
        if (isNumeric(type))
            distance = "abs(i." + value + " - o." + value + ")::float8";
        else if (isTime(type))
            distance = "abs(extract(epoch FROM i." + value + "::timestamptz) - extract(epoch FROM o." + value +
                       "::timestamptz))::float8";
        const bool ordered = distance != "0";
        if (!ordered && !pair.greater) continue;
        std::vector<std::string> where = {"i.fires AND NOT o.fires AND i.atom IS DISTINCT FROM o.atom"};
        for (size_t i = 0; i < scenario.dimensions.size(); i++)
            if (static_cast<int>(i) != which && !pair.loose.count(static_cast<int>(i)))
                where.push_back("i.n[" + std::to_string(i + 1) + "] = o.n[" + std::to_string(i + 1) + "]");
        // NULL is neither greater nor less.
        if (ordered)
            where.push_back("(o." + value + (pair.greater ? " > i." : " < i.") + value +
                            (pair.greater ? " OR (o." + value + " IS NULL) <> (i." + value + " IS NULL)" : "") + ")");
        pairs.push_back("(SELECT i.n, i.held, o.n, o.held, " + distance +
                        ", i.others + o.others, i.place + o.place\nFROM c AS i, c AS o\nWHERE " + join(where, " AND ") +
                        "\nORDER BY 5, 6, 7 LIMIT 1)");
    }
    if (pairs.empty()) return "SELECT WHERE false";
    return "WITH c AS MATERIALIZED (\n" + combinations(scenario, columns, focus, mostCompared) +
           "\n)\nSELECT p.n1, p.held1, p.n2, p.held2\nFROM (\n" + join(pairs, "\nUNION ALL\n") +
           "\n) AS p(n1, held1, n2, held2, distance, others, place)\nORDER BY distance, others, place LIMIT 1";
}

Fixture readFixture(const Scenario& scenario, const std::string& numbers, const std::string& held) {
    Fixture fixture;
    std::vector<std::string> chosen = elementsOf(numbers);
    for (size_t i = 0; i < chosen.size(); i++) {
        const Dimension& dimension = scenario.dimensions[i];
        fixture.values.push_back(dimension.unique ? "" : dimension.candidates[std::stoul(chosen[i])]);
    }
    if (fixture.values.empty()) fixture.values.push_back("");
    for (const std::string& one : elementsOf(held))
        fixture.held.push_back(one == "t");
    return fixture;
}

}  // namespace specql::testgen
