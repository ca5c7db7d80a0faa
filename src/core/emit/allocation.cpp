// The rows that a bulk operation takes, and the steps that are done for each of them.
#include <algorithm>

#include "emit/batch.hpp"
#include "emit/steps.hpp"
#include "resolve/batch.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

std::string StepEmitter::allocation(const resolve::ResolvedStep& step, const std::string& into) {
    const resolve::EntityInfo& target = *step.target;
    std::string table = quoteName(target.schema, target.table), key = quoteName(target.key);
    bool remove = step.spec->kind == spec::StepKind::remove;
    std::vector<std::string> order, runningOrder;
    std::vector<std::string> columns = {"t." + key + " AS row_key"};
    if (!step.allocated.empty()) columns.push_back("t." + quoteName(step.allocated) + " AS amount");
    for (const resolve::BoundOrder& item : step.order) {
        std::string suffix = item.spec->descending ? " DESC" : "";
        if (item.spec->nulls) suffix += item.spec->nulls == 1 ? " NULLS FIRST" : " NULLS LAST";
        std::string name = "order_" + std::to_string(runningOrder.size() + 1);
        std::string sql = printer_.print(item.value);
        columns.push_back(sql + " AS " + name);
        order.push_back(sql + suffix);
        runningOrder.push_back("c." + name + suffix);
    }
    order.push_back("t." + key);
    runningOrder.push_back("c.row_key");

    std::string sql = "WITH candidate AS MATERIALIZED (\n    SELECT " + join(columns, ", ") + "\n    FROM " + table +
                      " AS t\n    WHERE " + indent(rowCondition(step, "t"), 0) + "\n    ORDER BY " + join(order, ", ");
    if (step.limit && step.allocated.empty()) {
        // LIMIT NULL would take all rows, but a limit that is not known takes none.
        std::string limit = printer_.print(step.limit);
        bool plain = limit.find_first_not_of("0123456789") == std::string::npos;
        sql += "\n    LIMIT " + (plain ? limit : "greatest(coalesce(" + limit + ", 0), 0)");
    }
    sql += "\n    FOR UPDATE\n), taken AS (\n";
    if (step.allocated.empty()) {
        sql += "    SELECT c.row_key, row_number() OVER (ORDER BY " + join(runningOrder, ", ") +
               ") AS place, true AS fits\n"
               "    FROM candidate AS c\n";
    } else {
        // Rows are taken until the first one that does not fit; `fits` stays false for all rows behind it.
        std::string by = join(runningOrder, ", ");
        sql +=
            "    SELECT r.row_key, r.place,\n"
            "           bool_and(coalesce(r.total <= " +
            printer_.print(step.limit, true) +
            " AND r.amount IS NOT NULL, false))\n               OVER (ORDER BY r.place) AS fits\n"
            "    FROM (\n"
            "        SELECT c.row_key, c.amount,\n"
            "               row_number() OVER (ORDER BY " +
            by +
            ") AS place,\n"
            "               sum(c.amount) OVER (ORDER BY " +
            by +
            " ROWS UNBOUNDED PRECEDING) AS total\n"
            "        FROM candidate AS c\n"
            "    ) AS r\n";
    }
    std::string change = remove ? "DELETE FROM " + table + " AS t\nUSING taken\n"
                                : "UPDATE " + table + " AS t\nSET " + assignments(step) + "\nFROM taken\n";
    change += "WHERE t." + key + " = taken.row_key AND taken.fits";
    if (into.empty()) return sql + ")\n" + change + ";\n";
    return sql + "), handled AS (\n" +
           indent(change + "\nRETURNING (t.*)::" + table + " AS handled_row, taken.place\n", 4) +
           ")\nSELECT coalesce(array_agg(handled.handled_row ORDER BY handled.place), '{}')\nINTO " + into +
           "\nFROM handled;\n";
}

// One array of rows and one variable for a row of it, for each entity whose rows are taken.
std::string StepEmitter::takenName(const resolve::EntityInfo& entity, const std::string& prefix) {
    auto place = std::find(takenFrom_.begin(), takenFrom_.end(), &entity);
    size_t number = static_cast<size_t>(place - takenFrom_.begin());
    if (place == takenFrom_.end()) takenFrom_.push_back(&entity);
    return prefix + (number == 0 ? "" : "_" + std::to_string(number + 1));
}

std::string StepEmitter::take(const resolve::ResolvedStep& step, const std::vector<resolve::ResolvedStep>& behind) {
    const resolve::EntityInfo& entity = *step.target;
    const std::string rows = takenName(entity, "v_handled"), row = takenName(entity, "v_taken");
    declare(rows + " " + quoteName(entity.schema, entity.table) + "[];");
    std::string fits = step.allocated.empty() ? ""
                                              : ": rows in order, as long as their " + step.allocated +
                                                    " fits in what is left; the first that does not fit ends it";
    std::string sql = "-- " + commentText(step.spec->verb.value + ": " + step.spec->target.value) + fits + "\n" +
                      allocation(step, rows) + "v_count := v_count + cardinality(" + rows + ");\n";
    if (const resolve::Value* key = action_.info->spec->batch.key && !action_.batchParameter.empty()
                                        ? resolve::rowOfElement(world_, action_, step)
                                        : nullptr)
        sql += "IF " + rows + " = '{}' THEN\n" + indent(missingRow(action_, key->name), 4) + "END IF;\n";
    if (behind.empty()) return sql;
    std::vector<const resolve::ResolvedStep*> steps;
    for (const resolve::ResolvedStep& one : behind)
        steps.push_back(&one);
    taken_ = &entity;
    std::string aliasBefore = printer_.handledAlias;
    StepPlace each{StepPlace::Rows::taken, "", 0, "taken_rows"};
    if (setBased(steps)) {
        each.from = "unnest(" + rows + ") AS h";
        printer_.handledAlias = "h";
        sql += '\n' + emit(behind, each);
    } else {
        declare(row + " " + quoteName(entity.schema, entity.table) + ";");
        printer_.handledAlias = row;
        std::string body = emit(behind, each);
        sql += '\n' + label(each.label) + "FOREACH " + row + " IN ARRAY " + rows + " LOOP\n" + indent(body, 4) +
               "END LOOP;\n";
    }
    printer_.handledAlias = aliasBefore;
    taken_ = nullptr;
    return sql;
}

}  // namespace specql::emit
