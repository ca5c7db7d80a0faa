// Values and rows that steps name, rows that they look for and lock, and rows that they write whether or not they are
// there.
#include <algorithm>

#include "emit/steps.hpp"
#include "emit/tables.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

// What later steps read of the row.
std::vector<std::string> columnsRead(const resolve::NamedRow& row) {
    std::vector<std::string> columns;
    for (const std::string& column : row.columns)
        columns.push_back("t." + quoteName(column));
    return columns;
}

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

bool writes(const std::vector<resolve::ResolvedStep>& steps, const resolve::EntityInfo* entity) {
    return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& step) {
        bool here = step.target == entity &&
                    (step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove);
        return here || writes(step.then, entity) || writes(step.otherwise, entity);
    });
}

}  // namespace

std::string StepEmitter::let(const resolve::ResolvedStep& step, StepPlace& place) {
    const std::string value = printer_.print(step.condition);
    if (place.from.empty()) {
        const std::string variable = variableName(step.variable);
        declare(variable + " " + printer_.resolver().results()[static_cast<size_t>(step.condition.request)].type + ";");
        return variable + " := " + value + ";\n";
    }
    const std::string alias = "l" + std::to_string(++lets_), column = quoteName(step.variable);
    place.from += "\nCROSS JOIN LATERAL (SELECT " + value + " AS " + column + ") AS " + alias;
    printer_.localSql[step.variable] = alias + "." + column;
    return "";
}

namespace {

bool readsRow(const resolve::BoundExpression& bound, const std::string& column) {
    return std::any_of(bound.values.begin(), bound.values.end(), [&](const resolve::Value& value) {
        const bool isColumn =
            value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::eventChange;
        return value.kind == resolve::ValueKind::eventRow || (isColumn && value.name == column);
    });
}

// An assignment by itself is done without a query, which takes a fifth of the time.
bool canFollowOneAnother(const std::vector<resolve::BoundAssignment>& set) {
    for (size_t i = 0; i < set.size(); i++)
        for (size_t before = 0; before < i; before++)
            if (readsRow(set[i].value, set[before].column)) return false;
    return true;
}

}  // namespace

std::string StepEmitter::assign(const resolve::ResolvedStep& step) {
    std::vector<std::string> fields, values;
    std::string oneByOne;
    for (const resolve::BoundAssignment& assignment : step.set) {
        fields.push_back("new." + quoteName(assignment.column));
        values.push_back(assignmentSql(assignment));
        oneByOne += fields.back() + " := " + values.back() + ";\n";
    }
    if (canFollowOneAnother(step.set)) return oneByOne;
    return "SELECT " + join(values, ",\n    ") + "\nINTO " + join(fields, ", ") + ";\n";
}

std::string StepEmitter::looked(const resolve::ResolvedStep& step) {
    const resolve::EntityInfo& entity = *step.target;
    std::string sql = "FROM " + tableName(entity) + " AS t\nWHERE " + printer_.print(step.where);
    std::vector<std::string> order;
    for (const resolve::BoundOrder& item : step.order)
        order.push_back(printer_.print(item.value) + (item.spec->descending ? " DESC" : "") +
                        (item.spec->nulls == 0   ? ""
                         : item.spec->nulls == 1 ? " NULLS FIRST"
                                                 : " NULLS LAST"));
    const bool several = step.spec->kind != spec::StepKind::find || !order.empty();
    if (several && !entity.key.empty()) order.push_back("t." + quoteName(entity.key));
    if (!order.empty()) sql += "\nORDER BY " + join(order, ", ");
    if (!step.limit) return sql;
    // LIMIT NULL would take all rows, but a limit that is not known takes none.
    const std::string limit = printer_.print(step.limit);
    const bool plain = limit.find_first_not_of("0123456789") == std::string::npos;
    return sql + "\nLIMIT " + (plain ? limit : "greatest(coalesce(" + limit + ", 0), 0)");
}

std::string StepEmitter::find(const resolve::ResolvedStep& step, const StepPlace& place) {
    const resolve::EntityInfo& entity = *step.target;
    const resolve::NamedRow& row = action_.rows[static_cast<size_t>(step.row)];
    const std::string variable = variableName(row.variable), from = looked(step);
    std::vector<std::string> columns = columnsRead(row);
    // By its key, or as the first of several, there is one at most.
    const bool one = step.limit || resolve::keyInWhere(world_, step);
    std::string counted = "rows_found", sql;
    while (row.columns.count(counted))
        counted += "_";
    if (!one || !columns.empty()) declare(variable + " record;");
    if (one) {
        sql = columns.empty() ? "PERFORM\n" : "SELECT " + join(columns, ", ") + " INTO " + variable + "\n";
        sql += from + ";\n";
    } else {
        sql = "SELECT f.*, count(*) OVER () AS " + counted + " INTO " + variable + "\nFROM (\n" +
              indent("SELECT " + (columns.empty() ? "true AS is_there" : join(columns, ", ")) + "\n" + from +
                         "\nLIMIT 2\n",
                     4) +
              ") AS f;\n";
    }
    const std::string where = commentText(world_.expressionText(step.where.expression));
    auto fail = [&](const std::string& message) {
        return "    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n        MESSAGE = " + message + ";\n";
    };
    const std::string said = step.spec->message ? messageSql(step) : "";
    auto failed = [&](const char* what) {
        return fail(said.empty() ? quoteLiteral(what + entity.shown() + " where " + where) : said);
    };
    sql += "IF NOT FOUND THEN\n";
    sql += step.spec->hasElse ? indent(emit(step.otherwise, place), 4) : failed("there is no row of ");
    if (!one)
        sql += "ELSIF " + variable + "." + counted + " > 1 THEN\n" +
               fail(quoteLiteral("there is more than one row of " + entity.shown() + " where " + where));
    return sql + "END IF;\n";
}

std::string StepEmitter::each(const resolve::ResolvedStep& step, const StepPlace& place) {
    const resolve::EntityInfo& entity = *step.target;
    const resolve::NamedRow& row = action_.rows[static_cast<size_t>(step.row)];
    const std::string variable = variableName(row.variable), from = looked(step);
    std::vector<std::string> columns = columnsRead(row);
    if (columns.empty()) columns.emplace_back("true AS is_there");
    declare(variable + " record;");
    bool before = oncePerEvent_;
    oncePerEvent_ = false;
    const std::string body = emit(step.then, place);
    oncePerEvent_ = before;
    std::string lock;
    if (writes(step.then, &entity))
        lock = "-- locked first, in their order, because they are written below\nPERFORM\n" + from + "\nFOR UPDATE;\n";
    return lock + "FOR " + variable + " IN\n" + indent("SELECT " + join(columns, ", ") + "\n" + from + "\n", 4) +
           "LOOP\n" + indent(body, 4) + "END LOOP;\n";
}

std::string StepEmitter::lock(const resolve::ResolvedStep& step, const StepPlace& place) {
    const resolve::EntityInfo& entity = *step.target;
    std::string where = rowCondition(step, "t");
    if (!place.from.empty()) where = "EXISTS (SELECT FROM " + place.from + "\n    WHERE " + where + ")";
    return "-- in the order of their keys, so that sessions never wait for each other in a circle\nPERFORM\nFROM " +
           tableName(entity) + " AS t\nWHERE " + where +
           (entity.key.empty() ? "" : "\nORDER BY t." + quoteName(entity.key)) + "\nFOR UPDATE;\n";
}

std::string StepEmitter::upsert(const resolve::ResolvedStep& step, const StepPlace& place) {
    const resolve::EntityInfo& entity = *step.target;
    auto isKey = [&](const std::string& column) {
        return std::find(step.key.begin(), step.key.end(), column) != step.key.end();
    };
    std::vector<std::string> columns, values, changed, set, key, same, there;
    for (const resolve::BoundAssignment& assignment : step.set) {
        columns.push_back(quoteName(assignment.column));
        // Of a row that is not there yet its defaults are read.
        printer_.targetSql = [&](const resolve::Value& value) { return absent(entity, value.name); };
        values.push_back(assignmentSql(assignment));
        printer_.targetSql = nullptr;
        if (isKey(assignment.column)) {
            same.push_back(values.back() + " = excluded." + columns.back());
            there.push_back("x." + columns.back() + " = " + values.back());
        } else {
            changed.push_back(columns.back());
            set.push_back(assignmentSql(assignment));
        }
    }
    for (const std::string& column : step.key)
        key.push_back(quoteName(column));
    std::string sql = "INSERT INTO " + tableName(entity) + " AS t\n    (" + join(columns, ", ") + ")\n";
    sql += place.from.empty() ? "VALUES\n    (" + join(values, ",\n     ") + ")"
                              : "SELECT\n    " + join(values, ",\n    ") + "\nFROM " + place.from + "\nLEFT JOIN " +
                                    tableName(entity) + " AS x ON " + join(there, " AND ");
    sql += "\nON CONFLICT (" + join(key, ", ") + ") DO ";
    if (set.empty()) return sql + "NOTHING;\n";
    // Of many, a row finds what it is given by its key.
    if (!place.from.empty())
        return sql + "UPDATE\nSET (" + join(changed, ", ") + ") = (\n    SELECT\n        " + join(set, ",\n        ") +
               "\n    FROM " + place.from + "\n    WHERE " + join(same, " AND ") + "\n);\n";
    for (size_t i = 0; i < set.size(); i++)
        set[i] = changed[i] + " = " + set[i];
    return sql + "UPDATE\nSET " + join(set, ",\n    ") + ";\n";
}

// A value of a row that is not there yet.
std::string StepEmitter::absent(const resolve::EntityInfo& entity, const std::string& name) const {
    const resolve::ColumnInfo& column = *entity.column(name);
    const std::string given = columnDefault(world_, printer_.resolver(), entity, column);
    return given.empty() ? "NULL::" + column.type : given;
}

std::string StepEmitter::atOnce(const resolve::ResolvedStep& step, const std::string& returning) {
    const bool changes = step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
    const bool upserts = step.spec->kind == spec::StepKind::upsert;
    const spec::Batch& batch = action_.info->spec->batch;
    // What an element does not give stays as it is, or is as in any new row. A row that would be inserted is refused
    // for what it lacks before it is found to be there, so it is given what that row has.
    lacking_ = [&](const resolve::BoundAssignment& assignment, const std::string& sql) {
        const bool gives = assignment.value && assignment.value.values.size() == 1;
        const std::string key = gives ? assignment.value.values.front().name : "";
        if (!batch.byFields || !batch.optional.count(key)) return sql;
        const std::string column = quoteName(assignment.column);
        std::string otherwise = " ELSE t." + column;
        if (!changes && (!upserts || printer_.targetSql)) {
            otherwise = " ELSE " + absent(*step.target, assignment.column);
            if (upserts)
                otherwise = " WHEN x." + quoteName(step.key.front()) + " IS NOT NULL THEN x." + column + otherwise;
        }
        return "CASE WHEN " + printer_.meta("event_data", "jsonb") + " ? " + quoteLiteral(key) + " THEN " + sql +
               otherwise + " END";
    };
    StepPlace place{StepPlace::Rows::once, "given AS e", 0, ""};
    std::string sql;
    if (!changes) {
        sql = upserts ? upsert(step, place) : insert(step, place, false);
        sql.resize(sql.size() - 2);
    } else {
        const bool remove = step.spec->kind == spec::StepKind::remove;
        sql = (remove ? "DELETE FROM " : "UPDATE ") + tableName(*step.target) + " AS t\n" +
              (remove ? "USING " : "SET " + assignments(step) + "\nFROM ") + place.from + "\nWHERE " +
              rowCondition(step, "t") + "\nRETURNING " + returning;
    }
    lacking_ = nullptr;
    return sql;
}

}  // namespace specql::emit
