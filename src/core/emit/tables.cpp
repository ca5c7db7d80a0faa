#include "emit/tables.hpp"

#include <algorithm>

#include "emit/function.hpp"
#include "emit/printer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

std::string replaceColumn(std::string check, const std::string& column) {
    size_t at = check.find("%s");
    return at == std::string::npos ? check : check.replace(at, 2, quoteName(column));
}

using Role = resolve::EntityExpression::Role;

const resolve::EntityExpression* expressionOf(const resolve::Resolver& resolver, const resolve::EntityInfo& entity,
                                              const spec::Field* field, Role role) {
    for (const resolve::EntityExpression& expression : resolver.entityExpressions)
        if (expression.entity == &entity && expression.field == field && field && expression.role == role)
            return &expression;
    return nullptr;
}

// The CHECK constraints of its fields.
std::vector<ShapeCheck> tableChecks(const resolve::World& world, const resolve::Resolver& resolver,
                                    const resolve::EntityInfo& entity) {
    std::vector<ShapeCheck> checks;
    for (const resolve::ColumnInfo& column : entity.columns) {
        auto add = [&](const char* suffix, std::string condition) {
            checks.push_back({fittingName(entity.word, column.name, suffix), std::move(condition), column.name});
        };
        if (!column.check.empty()) add("check", replaceColumn(column.check, column.name));
        if (!column.field) continue;
        if (!column.field->enumValues.empty()) {
            std::vector<std::string> values;
            for (const std::string& value : column.field->enumValues)
                values.push_back(quoteLiteral(value));
            add("check", quoteName(column.name) + " IN (" + join(values, ", ") + ")");
        }
        if (const resolve::EntityExpression* check = expressionOf(resolver, entity, column.field, Role::check)) {
            bool taken = !column.check.empty() || !column.field->enumValues.empty();
            add(taken ? "check1" : "check", printPlain(world, resolver, check->bound));
        }
    }
    return checks;
}

std::string tableComment(const resolve::EntityInfo& entity) {
    if (entity.impliedByStep) return resolve::impliedComment(entity.appendOnly);
    if (!entity.spec) return {};
    return entity.spec->description.empty() ? "Entity " + entity.name : entity.spec->description.value;
}

TableShape shapeOf(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity) {
    TableShape shape;
    for (const resolve::ColumnInfo& column : entity.columns) {
        shape.columns.push_back({column.name, column.type, columnDefault(world, resolver, entity, column),
                                 column.notNull, column.field ? column.field->description.value : ""});
        if (!column.field) continue;
        if (const resolve::EntityExpression* computed = expressionOf(resolver, entity, column.field, Role::computed))
            shape.columns.back().computed = printPlain(world, resolver, computed->bound);
        shape.columns.back().identity = column.field->identity.value;
    }
    shape.key = entity.keyColumns;
    if (!entity.partitionColumn.empty()) shape.partition = "RANGE (" + quoteName(entity.partitionColumn) + ")";
    shape.checks = tableChecks(world, resolver, entity);
    shape.comment = tableComment(entity);
    shape.implied = entity.impliedByStep;
    return shape;
}

}  // namespace

std::string columnDefault(const resolve::World& world, const resolve::Resolver& resolver,
                          const resolve::EntityInfo& entity, const resolve::ColumnInfo& column) {
    if (!column.defaultSql.empty()) return column.defaultSql;
    const resolve::EntityExpression* expression = expressionOf(resolver, entity, column.field, Role::defaultValue);
    if (!expression) return {};
    std::string value = !expression->literal.empty() ? quoteLiteral(expression->literal)
                                                     : printPlain(world, resolver, expression->bound);
    bool simple = value.find_first_of(" \n") == std::string::npos;
    return simple ? value : "(" + value + ")";
}

std::string madeName(resolve::World& world, const resolve::EntityInfo& entity, Pos pos, const std::string& name) {
    if (name.size() > maxNameBytes)
        world.report(
            *entity.file, Code::R002, pos,
            "the generated name " + name + " has " + std::to_string(name.size()) + " bytes; PostgreSQL keeps 63",
            "shorten the entity's or the field's name");
    return name;
}

Object tableObject(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity) {
    Object object;
    object.kind = ObjectKind::table;
    object.identity = quoteName(entity.schema, entity.table);
    object.pos = entity.spec ? entity.spec->name.pos : entity.pos;
    object.unit = entity.unit ? entity.unit->key() : "";
    object.shape = shapeOf(world, resolver, entity);
    std::vector<std::string> lines;
    for (const ShapeColumn& column : object.shape.columns)
        lines.push_back(column.sql());
    if (!object.shape.key.empty())
        lines.push_back("CONSTRAINT " + quoteName(fittingName(entity.word, "", "pkey")) + " PRIMARY KEY (" +
                        quoteNames(object.shape.key) + ")");
    for (const ShapeCheck& check : object.shape.checks)
        lines.push_back(check.sql());
    object.commands = object.shape.comments(object.identity, {});
    object.commands.insert(object.commands.begin(),
                           "CREATE TABLE " + object.identity + " (\n    " + join(lines, ",\n    ") + "\n)" +
                               (object.shape.partition.empty() ? "" : "\nPARTITION BY " + object.shape.partition) +
                               ";");
    if (entity.impliedByStep) object.detail = "made from the step that writes it";
    return object;
}

// Every field is a parameter but the times, which are now.
std::vector<Object> eventFunction(resolve::World& world, const resolve::EntityInfo& entity) {
    const resolve::ColumnInfo* type = entity.column("event_type");
    if (!entity.spec || !type || !type->field || type->field->enumValues.empty() || entity.key.empty()) return {};
    auto isTime = [](const resolve::ColumnInfo& column) {
        return column.type.compare(0, 9, "timestamp") == 0 &&
               (column.name == "triggered_at" || column.name == "occurred_at" || column.name == "created_at");
    };
    std::vector<std::string> parameters, types, columns, values;
    for (const resolve::ColumnInfo& column : entity.columns) {
        if (column.name == entity.key || column.generated || !column.identity.empty()) continue;
        columns.push_back(quoteName(column.name));
        if (column.name == "processed_at") {
            values.push_back("clock_timestamp()");
        } else if (isTime(column)) {
            values.push_back("now()");
        } else {
            parameters.push_back(quoteName("p_" + column.name) + " " + column.type);
            types.push_back(column.type);
            values.push_back(quoteName("p_" + column.name));
        }
    }
    FunctionText function;
    function.schema = entity.home;
    function.name = madeName(world, entity, entity.spec->name.pos, "create_" + entity.word);
    function.identityArguments = join(types, ", ");
    function.arguments = "\n    " + join(parameters, ",\n    ") + "\n";
    function.returns = entity.column(entity.key)->type;
    function.language = "sql";
    function.body = "INSERT INTO " + quoteName(entity.schema, entity.table) + "\n    (" + join(columns, ", ") +
                    ")\nVALUES\n    (" + join(values, ", ") + ")\nRETURNING " + quoteName(entity.key) + ";\n";
    function.comment = "Inserts an event row of entity " + entity.name + " by hand and gives its id";
    return {functionObject(function, entity.unit->key())};
}

}  // namespace specql::emit
