#include "emit/element_rows.hpp"

#include <algorithm>

#include "emit/tables.hpp"
#include "resolve/coordinated.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

std::string printParts(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound, const PrintValue& name, const PrintSlice& aggregate) {
    std::string sql;
    size_t at = 0;
    auto plain = [&](size_t end) {
        sql += printBound(world, resolver, bound, at, end, name, printTables(bound));
        at = end;
    };
    for (const Slice& slice : bound.aggregates) {
        plain(slice.begin);
        sql += aggregate(slice);
        at = slice.end;
    }
    plain(world.expressionText(bound.expression).size());
    return sql;
}

ElementRows::ElementRows(const resolve::World& world, const resolve::Resolver& resolver,
                         const resolve::ResolvedAction& action, Printer& printer)
    : world_(world),
      resolver_(resolver),
      action_(action),
      printer_(printer),
      items_(*action.items),
      step_(action.branches.front().steps[action.items->step]) {
    collect();
}

// What is volatile has one value, that with which the row is inserted.
const resolve::BoundAssignment* ElementRows::computed(const std::string& column) const {
    for (const resolve::BoundAssignment& set : step_.set) {
        if (set.column != column || isGiven(column) || resolve::isLate(action_, set)) continue;
        const int request = set.value.request;
        const bool isVolatile = request >= 0 && resolver_.results()[static_cast<size_t>(request)].isVolatile;
        if (!isVolatile || items_.needed.count(column)) return &set;
    }
    return nullptr;
}

void ElementRows::collect() {
    for (const resolve::BoundAssignment& set : step_.set)
        if (set.value) note(set.value, computed(set.column) != nullptr);
    for (const resolve::ResolvedStep& check : step_.then) {
        note(check.condition, false);
        for (const resolve::BoundExpression& value : check.messageValues)
            note(value, false);
    }
}

void ElementRows::note(const resolve::BoundExpression& bound, bool isInside) {
    for (const resolve::Value& value : bound.values) {
        if (isInside && value.kind == resolve::ValueKind::payload) {
            std::pair<std::string, std::string> parameter(value.name, value.type);
            if (std::find(parameters_.begin(), parameters_.end(), parameter) == parameters_.end())
                parameters_.push_back(parameter);
        }
        if (isInside || value.kind != resolve::ValueKind::row) continue;
        const resolve::NamedRow& row = action_.rows[static_cast<size_t>(value.context)];
        std::pair<const resolve::NamedRow*, std::string> column(&row, value.name);
        if (!row.alias.empty() && std::find(read_.begin(), read_.end(), column) == read_.end()) read_.push_back(column);
    }
}

bool ElementRows::isGiven(const std::string& column) const {
    return std::find(items_.given.begin(), items_.given.end(), column) != items_.given.end();
}

bool ElementRows::mustBeGiven(const std::string& column) const {
    const resolve::ColumnInfo& info = *items_.entity->column(column);
    return items_.needed.count(column) ||
           (info.notNull && columnDefault(world_, resolver_, *items_.entity, info).empty());
}

std::vector<std::string> ElementRows::requiredKeys() const {
    std::vector<std::string> keys;
    for (const std::string& column : items_.given)
        if (mustBeGiven(column)) keys.push_back(column);
    return keys;
}

std::vector<std::string> ElementRows::otherKeys() const {
    std::vector<std::string> keys;
    for (const std::string& column : items_.given)
        if (!mustBeGiven(column)) keys.push_back(column);
    return keys;
}

std::vector<std::string> ElementRows::computedAndNeeded() const {
    std::vector<std::string> columns;
    for (const resolve::BoundAssignment& set : step_.set)
        if (items_.needed.count(set.column) && computed(set.column)) columns.push_back(set.column);
    return columns;
}

std::vector<const resolve::NamedRow*> ElementRows::readRows() const {
    std::vector<const resolve::NamedRow*> rows;
    for (const resolve::Items::Ref& ref : items_.refs)
        if (!action_.rows[static_cast<size_t>(ref.row)].columns.empty())
            rows.push_back(&action_.rows[static_cast<size_t>(ref.row)]);
    return rows;
}

std::string ElementRows::alias(const resolve::NamedRow& row) const {
    return quoteName(row.alias == "e" || row.alias == "i" ? row.alias + "_" : row.alias);
}

std::string ElementRows::from() const {
    std::vector<std::string> arguments = {quoteName("p_" + items_.parameter)};
    for (const auto& [name, type] : parameters_)
        arguments.push_back(quoteName("p_" + name));
    const FunctionText text = function();
    return quoteName(text.schema, text.name) + "(" + join(arguments, ", ") + ") AS i";
}

std::string ElementRows::value(const resolve::Value& value) const {
    if (value.kind == resolve::ValueKind::handled) return "i." + quoteName(value.name);
    if (value.kind == resolve::ValueKind::row) {
        const resolve::NamedRow& row = action_.rows[static_cast<size_t>(value.context)];
        if (!row.alias.empty()) return "i." + quoteName(row.alias + "_" + value.name);
    }
    return printer_.print(value, false);
}

std::string ElementRows::print(const resolve::BoundExpression& bound) const {
    return printParts(
        world_, resolver_, bound, [this](const resolve::Value& one) { return value(one); }, nullptr);
}

std::string ElementRows::printAssignment(const resolve::BoundAssignment& set) const {
    if (computed(set.column)) return "i." + quoteName(set.column);
    return set.taken ? value(*set.taken) : print(set.value);
}

// --- the function ----------------------------------------------------------------------------------------------------

std::string ElementRows::inside(const std::string& column) const {
    const resolve::ColumnInfo& info = *items_.entity->column(column);
    const resolve::BoundAssignment* set = computed(column);
    if (!set) {
        const std::string key = "e." + quoteName(column);
        const std::string otherwise = columnDefault(world_, resolver_, *items_.entity, info);
        return otherwise.empty() || mustBeGiven(column) ? key : "coalesce(" + key + ", " + otherwise + ")";
    }
    if (set->taken) return printer_.print(*set->taken, true) + "::" + info.type;
    const std::string sql = printParts(
        world_, resolver_, set->value, [this](const resolve::Value& value) { return inside(value); }, nullptr);
    const int request = set->value.request;
    const bool same = request >= 0 && resolver_.results()[static_cast<size_t>(request)].type == info.type;
    if (same) return sql;
    return (needsParentheses(sql) ? "(" + sql + ")" : sql) + "::" + info.type;
}

std::string ElementRows::inside(const resolve::Value& value) const {
    if (value.kind == resolve::ValueKind::handled) {
        const std::string sql = inside(value.name);
        return needsParentheses(sql) ? "(" + sql + ")" : sql;
    }
    if (value.kind == resolve::ValueKind::row) {
        const resolve::NamedRow& row = action_.rows[static_cast<size_t>(value.context)];
        if (!row.alias.empty()) return alias(row) + "." + quoteName(value.name);
    }
    return printer_.print(value, false);
}

FunctionText ElementRows::function() const {
    FunctionText function;
    const resolve::ActionInfo& info = *action_.info;
    function.schema = info.schema;
    function.name = snakeCase(info.spec->name.value) + "_" + items_.parameter;
    std::vector<std::string> arguments = {quoteName("p_" + items_.parameter) + " jsonb"}, types = {"jsonb"};
    for (const auto& [name, type] : parameters_) {
        arguments.push_back(quoteName("p_" + name) + " " + type);
        types.push_back(type);
    }
    function.arguments = join(arguments, ", ");
    function.identityArguments = join(types, ", ");
    std::vector<std::string> columns = {"element_number bigint"}, selected = {"e.element_number"}, keys, names;
    for (const std::string& column : items_.given) {
        const std::string name = quoteName(column);
        keys.push_back(name + " " + items_.entity->column(column)->type);
        names.push_back(name);
    }
    for (const resolve::BoundAssignment& set : step_.set) {
        if (!isGiven(set.column) && !computed(set.column)) continue;
        const std::string name = quoteName(set.column), value = inside(set.column);
        columns.push_back(name + " " + items_.entity->column(set.column)->type);
        selected.push_back(value == "e." + name ? value : value + " AS " + name);
    }
    for (const auto& [row, column] : read_) {
        const std::string name = quoteName(row->alias + "_" + column);
        columns.push_back(name + " " + row->entity->column(column)->type);
        selected.push_back(alias(*row) + "." + quoteName(column) + " AS " + name);
    }
    names.emplace_back("element_number");
    const std::string given = quoteName("p_" + items_.parameter);
    std::string from = items_.given.empty()
                           ? "jsonb_array_elements(" + given + ") WITH ORDINALITY AS e(element, element_number)"
                           : "ROWS FROM (jsonb_to_recordset(" + given + ") AS (" + wrapList(keys, 4) +
                                 "))\n    WITH ORDINALITY AS e(" + wrapList(names, 4) + ")";
    for (const resolve::NamedRow* row : readRows())
        from += "\nLEFT JOIN " + quoteName(row->entity->schema, row->entity->table) + " AS " + alias(*row) + " ON " +
                alias(*row) + "." + quoteName(row->entity->key) + " = " + inside(row->column);
    function.returns = "TABLE (" + wrapList(columns, 4) + ")";
    function.language = "sql";
    function.attributes = "STABLE";
    function.definer = false;
    function.body = "SELECT\n    " + join(selected, ",\n    ") + "\nFROM " + from + ";\n";
    function.comment =
        "The elements of " + items_.parameter + " of action " + info.name() + ", as rows of " + items_.entity->shown();
    return function;
}

}  // namespace specql::emit
