#include "testgen/effects.hpp"

#include <algorithm>

#include "testgen/knowable.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

bool changesRowsOf(const resolve::ResolvedStep& step, const resolve::EntityInfo* target) {
    auto within = [&](const resolve::ResolvedStep& inner) { return changesRowsOf(inner, target); };
    spec::StepKind kind = step.spec->kind;
    return (step.target == target && (kind == spec::StepKind::update || kind == spec::StepKind::remove)) ||
           std::any_of(step.then.begin(), step.then.end(), within) ||
           std::any_of(step.otherwise.begin(), step.otherwise.end(), within);
}

std::string comparable(const std::string& sql, const std::string& type) {
    if (type == "json") return "(" + sql + ")::jsonb";
    for (const char* other : {"xml", "point", "box", "path", "polygon", "circle", "line", "lseg"})
        if (type == other) return "(" + sql + ")::text";
    return sql;
}

std::string countIs(const std::string& query, const std::string& wanted, const std::string& description) {
    return "is((" + query + "),\n    " + wanted + "::bigint, " + quoteLiteral(description) + ")";
}

bool insertedRow(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                 const resolve::ResolvedStep& step, const Stage::Render& literal, InsertedRow& row, std::string& why) {
    bool unique = false;
    row.entity = step.target;
    if (!step.target) return why = "its table is not known", false;
    for (const resolve::BoundAssignment& assignment : step.set) {
        const resolve::ColumnInfo* column = step.target->column(assignment.column);
        if (!column) continue;
        std::string sql;
        bool link = false;
        if (assignment.value) {
            if (!unknowable(world, resolver, assignment.value).empty()) continue;
            if (!stage.print(assignment.value, literal, {}, sql, why)) return false;
            const ExpressionFacts& facts = world.facts(assignment.value.expression);
            const std::string& text = world.expressionText(assignment.value.expression);
            bool name = facts.names.size() == 1 && facts.names[0].length == text.size();
            std::set<int> read = stage.dimensionsOf(assignment.value, 0, text.size());
            link = name && read.size() == 1 && stage.scenario.dimensions[static_cast<size_t>(*read.begin())].unique;
            unique = unique || link;
            link = link || (facts.isLiteral && facts.literalType == "text");
        } else {
            if (!stage.printValue(*assignment.taken, literal, sql, why)) return false;
        }
        row.columns.push_back(assignment.column);
        row.types.push_back(column->type);
        row.values.push_back(sql);
        if (link) row.links.push_back("t." + quoteName(assignment.column) + " = " + sql);
    }
    // A literal alone finds other events' rows too.
    if (!unique) row.links.clear();
    return true;
}

}  // namespace specql::testgen
