// Sentences that name values and rows, and those that write a row whether or not it is there.
#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/reference.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

std::string Reference::let(const resolve::ResolvedStep& step, std::string& why) {
    const std::string variable = emit::variableName(step.variable), value = print(step.condition, why);
    if (!why.empty()) {
        unknown_.insert(step.variable);
        return "";
    }
    variables_.insert(variable + " " + resolver_.results()[static_cast<size_t>(step.condition.request)].type);
    return variable + " := " + value + ";\n";
}

std::string Reference::looked(const resolve::ResolvedStep& step, std::string& why) const {
    const resolve::EntityInfo& entity = *step.target;
    std::string sql = "FROM " + quoteName(entity.schema, entity.table) + " AS t WHERE " + print(step.where, why);
    std::vector<std::string> order;
    for (const resolve::BoundOrder& item : step.order)
        order.push_back(print(item.value, why) + (item.spec->descending ? " DESC" : "") +
                        (item.spec->nulls == 0   ? ""
                         : item.spec->nulls == 1 ? " NULLS FIRST"
                                                 : " NULLS LAST"));
    if (!entity.key.empty()) order.push_back("t." + quoteName(entity.key));
    if (!order.empty()) sql += " ORDER BY " + join(order, ", ");
    if (step.limit) sql += " LIMIT coalesce(" + print(step.limit, why) + ", 0)";
    return sql;
}

std::string Reference::find(const resolve::ResolvedStep& step, std::string& why) {
    const resolve::EntityInfo& entity = *step.target;
    const std::string variable = emit::variableName(told_.rows[static_cast<size_t>(step.row)].variable);
    variables_.insert(variable + " record");
    std::string sql = "SELECT t.* INTO " + variable + " " + looked(step, why) + (step.limit ? "" : " LIMIT 1") + ";\n";
    if (step.spec->hasElse) return sql + "IF NOT FOUND THEN\n" + indent(block(step.otherwise), 4) + "END IF;\n";
    validates_ = true;
    const std::string message =
        step.spec->message
            ? emit::printMessage(step.spec->message, step.spec->messageParts, printed(step.messageValues, why))
            : quoteLiteral("there is no row of " + entity.shown() + " where " +
                           commentText(world_.expressionText(step.where.expression)));
    return sql + "IF NOT FOUND THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206', MESSAGE = " + message +
           ";\nEND IF;\n";
}

std::string Reference::each(const resolve::ResolvedStep& step, std::string& why) {
    const std::string variable = emit::variableName(told_.rows[static_cast<size_t>(step.row)].variable);
    variables_.insert(variable + " record");
    const std::string from = looked(step, why);
    if (!why.empty()) return "";
    return "FOR " + variable + " IN SELECT t.* " + from + " LOOP\n" + indent(block(step.then), 4) + "END LOOP;\n";
}

std::string Reference::upsert(const resolve::ResolvedStep& step, std::string& why) {
    const resolve::EntityInfo& entity = *step.target;
    const std::string table = quoteName(entity.schema, entity.table);
    std::vector<std::string> where, set;
    for (const resolve::BoundAssignment& assignment : step.set) {
        const std::string column = quoteName(assignment.column);
        const bool isKey = std::find(step.key.begin(), step.key.end(), assignment.column) != step.key.end();
        (isKey ? where : set).push_back((isKey ? "t." : "") + column + " = " + assigned(step, assignment, why));
    }
    const std::string condition = " WHERE " + join(where, " AND ") + ";\n";
    const std::string change = set.empty() ? "PERFORM FROM " + table + " AS t" + condition
                                           : "UPDATE " + table + " AS t SET " + join(set, ", ") + condition;
    newRow_ = &entity;
    const std::string added = insert(step, why);
    newRow_ = nullptr;
    return change + "IF NOT FOUND THEN\n" + indent(added, 4) + "END IF;\n";
}

}  // namespace specql::testgen
