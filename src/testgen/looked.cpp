// Queries in the values of an action: the rows that they find.
#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/needs.hpp"
#include "testgen/stage.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

bool isOperator(char c) {
    return std::string("+-*/%<>=~!@#&|?.:").find(c) != std::string::npos;
}

char before(const std::string& text, size_t at) {
    while (at > 0 && isSpace(text[at - 1]))
        --at;
    return at == 0 ? ' ' : text[at - 1];
}

char behind(const std::string& text, size_t at) {
    while (at < text.size() && isSpace(text[at]))
        ++at;
    return at == text.size() ? ' ' : text[at];
}

// Two names side by side with nothing but `=` between them, and no other operator around.
bool areEqual(const std::string& text, const NameUse& left, const NameUse& right) {
    const size_t end = left.offset + left.length;
    std::string between;
    for (size_t at = end; at < right.offset; at++)
        if (!isSpace(text[at])) between += text[at];
    return between == "=" && !isOperator(before(text, left.offset)) &&
           !isOperator(behind(text, right.offset + right.length));
}

}  // namespace

void Needs::look(const resolve::BoundExpression& bound, const Scope& scope) {
    const ExpressionFacts& facts = meaning_.world.facts(bound.expression);
    const std::string& text = meaning_.world.expressionText(bound.expression);
    auto isColumn = [&](size_t name) { return bound.values[name].kind == resolve::ValueKind::queryColumn; };
    auto rowOf = [&](size_t name) {
        return Place::looked(bound.expression, static_cast<size_t>(bound.values[name].context));
    };
    std::vector<std::pair<size_t, size_t>> equal;  // a column of what is looked at, and what it is equal to
    for (size_t i = 0; i + 1 < bound.values.size(); i++)
        if (areEqual(text, facts.names[i], facts.names[i + 1])) {
            if (isColumn(i)) equal.emplace_back(i, i + 1);
            if (isColumn(i + 1)) equal.emplace_back(i + 1, i);
        }
    for (size_t table = 0; table < bound.tables.size(); table++) {
        const TestTable* known = meaning_.tableOf(*bound.tables[table]);
        const Place place = Place::looked(bound.expression, table);
        if (!known || bound.tables[table]->key.empty()) continue;
        // A row that refers to the event's is there when the event has happened, unless that brings or deletes the row.
        auto waitsForEvent = [&](const std::pair<size_t, size_t>& pair) {
            if (operation_ == resolve::opUpdate || operation_ == 0 || rowOf(pair.first) != place) return false;
            const std::string& column = bound.values[pair.first].name;
            return meaning_.nameOf(bound.values[pair.second], scope) ==
                       Name{Place::row(), action_.binding.entity->key} &&
                   std::any_of(known->foreignKeys.begin(), known->foreignKeys.end(), [&](const TestForeignKey& key) {
                       return std::count(key.columns.begin(), key.columns.end(), column) > 0;
                   });
        };
        if (std::any_of(equal.begin(), equal.end(), waitsForEvent)) continue;
        meaning_.looked.insert(place);
        looked_[place] = bound.tables[table];
    }
    for (const auto& [column, other] : equal) {
        const Name name = meaning_.nameOf(bound.values[column], scope);
        if (!name || meaning_.dimension(name) >= 0) continue;
        const int known = use(bound.values[other], scope);
        if (known < 0) continue;
        scenario_.names[name] = known;
        Dimension& dimension = scenario_.at(known);
        if (!dimension.essential && (isText(dimension.baseType) || dimension.baseType == "uuid"))
            dimension.unique = true;
    }
}

std::vector<std::string> Stage::findings(const resolve::BoundExpression& bound, const Scope& scope) const {
    std::vector<std::string> found;
    if (!bound) return found;
    const std::string& text = world.expressionText(bound.expression);
    for (size_t query : world.facts(bound.expression).queries) {
        const size_t open = text.find('(', query);
        const size_t close = open == std::string::npos ? open : closingParen(text, open);
        if (close == std::string::npos) continue;
        const std::string inside = text.substr(0, close);
        const size_t where = findKeyword(inside, "WHERE", open + 1);
        if (where == std::string::npos) continue;
        size_t end = close;
        for (const char* next : {"ORDER BY", "LIMIT", "OFFSET"})
            end = std::min(end, findKeyword(inside, next, where));
        std::string sql, why;
        if (!printSlice(bound, where + 5, end, Scenario::reference, sql, why, scope)) continue;
        // The columns stand for those of the row that the test has.
        std::string from;
        for (size_t table = 0; table < bound.tables.size(); table++) {
            if (!looked.count(Place::looked(bound.expression, table))) break;
            from += (from.empty() ? " FROM " : ", ") + printLooked(bound, table, Scenario::reference) + " AS " +
                    emit::queryAlias(table);
        }
        if (!from.empty()) found.push_back("EXISTS (SELECT" + from + " WHERE " + sql + ")");
    }
    return found;
}

}  // namespace specql::testgen
