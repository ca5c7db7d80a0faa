#include "emit/tables.hpp"

#include <algorithm>
#include <set>

#include "emit/function.hpp"
#include "emit/printer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

// A name made of parts must fit PostgreSQL's 63 bytes; it is never cut.
std::string madeName(resolve::World& world, const resolve::EntityInfo& entity, Pos pos, const std::string& name) {
    if (name.size() > maxNameBytes)
        world.report(
            *entity.file, Code::R002, pos,
            "the generated name " + name + " has " + std::to_string(name.size()) + " bytes; PostgreSQL keeps 63",
            "shorten the entity's or the field's name");
    return name;
}

std::string replaceColumn(std::string check, const std::string& column) {
    size_t at = check.find("%s");
    return at == std::string::npos ? check : check.replace(at, 2, quoteName(column));
}

const resolve::EntityExpression* expressionOf(const resolve::Resolver& resolver, const resolve::EntityInfo& entity,
                                              const spec::Field* field, bool check) {
    for (const resolve::EntityExpression& expression : resolver.entityExpressions)
        if (expression.entity == &entity && expression.field == field && field && expression.isCheck == check)
            return &expression;
    return nullptr;
}

// How the state of an entity's rows can be read back from a log that every change of them is appended to: arguments of
// specql.refuse_change, six for each entity: its table, and of the log the columns with the row's key, the whole row
// and the time, and the column and value that tell the entity's rows from others' ('' where all are the entity's).
class LogReader {
public:
    LogReader(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& log)
        : world_(world), resolver_(resolver), log_(log) {}

    std::vector<std::string> arguments() {
        for (const resolve::ResolvedAction& action : resolver_.actions)
            for (const resolve::ResolvedBranch& branch : action.branches)
                for (const resolve::ResolvedStep& step : branch.steps)
                    if (!action.isAnswer() && step.spec->kind == spec::StepKind::append && step.target == &log_)
                        appends_.push_back({&action, &branch, &step});
        // In an order of their own: actions come in another one when another text is applied.
        std::set<std::vector<std::string>> readings;
        for (const Append& append : appends_)
            readings.insert(reading(append));
        std::vector<std::string> arguments;
        for (const std::vector<std::string>& reading : readings)
            for (const std::string& argument : reading)
                arguments.push_back(quoteLiteral(argument));
        return arguments;
    }

private:
    struct Append {
        const resolve::ResolvedAction* action;
        const resolve::ResolvedBranch* branch;
        const resolve::ResolvedStep* step;
    };

    // The expression without spaces, in lower case.
    std::string bare(const resolve::BoundExpression& bound) const {
        std::string text;
        for (char c : world_.expressionText(bound.expression))
            if (c != ' ' && c != '\n') text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return text;
    }
    // The one name that the whole expression consists of.
    const resolve::Value* name(const resolve::BoundExpression& bound) const {
        if (bound.values.size() != 1) return nullptr;
        const NameUse& use = world_.facts(bound.expression).names.front();
        return use.length == world_.expressionText(bound.expression).size() ? &bound.values.front() : nullptr;
    }

    std::vector<std::string> reading(const Append& append) const {
        const resolve::Binding& binding = append.action->binding;
        bool everyChange = !binding.custom && binding.ops == resolve::everyRowChange && binding.changedColumn.empty() &&
                           !append.branch->condition;
        if (!everyChange) return {};
        std::string key, state, time, type, value;
        for (const resolve::BoundAssignment& assignment : append.step->set) {
            if (!assignment.value) continue;
            std::string text = bare(assignment.value);
            const resolve::Value* whole = name(assignment.value);
            if (text == "row_to_json(new)" || text == "to_jsonb(new)" || text == "to_json(new)")
                state = assignment.column;
            else if (text == "now()" || text == "clock_timestamp()" || text == "transaction_timestamp()" ||
                     text == "statement_timestamp()" || text == "current_timestamp" ||
                     (whole && whole->kind == resolve::ValueKind::meta && whole->name == "event_time"))
                time = assignment.column;
            else if (whole && whole->kind == resolve::ValueKind::eventColumn && whole->name == binding.entity->key &&
                     !whole->old)
                key = assignment.column;
            else if (whole && whole->kind == resolve::ValueKind::meta && whole->name == "event_type")
                type = assignment.column;
        }
        if (key.empty() || state.empty() || time.empty()) return {};
        if (!type.empty())
            value = binding.entity->shown() + "." + binding.event;
        else if (appends_.size() > 1)
            return {};
        return {quoteName(binding.entity->schema, binding.entity->table), key, state, time, type, value};
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::EntityInfo& log_;
    std::vector<Append> appends_;
};

std::vector<std::string> readings(const resolve::World& world, const resolve::Resolver& resolver,
                                  const resolve::EntityInfo& log) {
    return LogReader(world, resolver, log).arguments();
}

// The expression of a column's default; empty if it has none.
std::string columnDefault(const resolve::World& world, const resolve::Resolver& resolver,
                          const resolve::EntityInfo& entity, const resolve::ColumnInfo& column) {
    if (!column.defaultSql.empty()) return column.defaultSql;
    const resolve::EntityExpression* expression = expressionOf(resolver, entity, column.field, false);
    if (!expression) return {};
    std::string value = !expression->literal.empty() ? quoteLiteral(expression->literal)
                                                     : printPlain(world, resolver, expression->bound);
    bool simple = value.find_first_of(" \n") == std::string::npos;
    return simple ? value : "(" + value + ")";
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
        if (const resolve::EntityExpression* check = expressionOf(resolver, entity, column.field, true)) {
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
    for (const resolve::ColumnInfo& column : entity.columns)
        shape.columns.push_back({column.name, column.type, columnDefault(world, resolver, entity, column),
                                 column.notNull, column.field ? column.field->description.value : ""});
    shape.key = entity.key;
    shape.checks = tableChecks(world, resolver, entity);
    shape.comment = tableComment(entity);
    shape.implied = entity.impliedByStep;
    return shape;
}

}  // namespace

Object tableObject(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity) {
    Object object;
    object.kind = ObjectKind::table;
    object.identity = tableName(entity);
    object.pos = entity.spec ? entity.spec->name.pos : entity.pos;
    object.unit = entity.unit ? entity.unit->key() : "";
    object.shape = shapeOf(world, resolver, entity);
    std::vector<std::string> lines;
    for (const ShapeColumn& column : object.shape.columns)
        lines.push_back(column.sql());
    if (!object.shape.key.empty())
        lines.push_back("CONSTRAINT " + quoteName(fittingName(entity.word, "", "pkey")) + " PRIMARY KEY (" +
                        quoteName(object.shape.key) + ")");
    for (const ShapeCheck& check : object.shape.checks)
        lines.push_back(check.sql());
    object.commands = object.shape.comments(object.identity, {});
    object.commands.insert(object.commands.begin(),
                           "CREATE TABLE " + object.identity + " (\n    " + join(lines, ",\n    ") + "\n);");
    if (entity.impliedByStep) object.detail = "made from the step that writes it";
    return object;
}

std::vector<Object> tableExtras(resolve::World& world, const resolve::Resolver& resolver,
                                const resolve::EntityInfo& entity) {
    std::vector<Object> objects;
    std::string unit = entity.unit ? entity.unit->key() : "";
    Pos pos = entity.pos;
    const std::string table = tableName(entity);
    auto add = [&](ObjectKind kind, const std::string& commented, std::string sql, const std::string& comment) {
        Object& object = objects.emplace_back();
        object.pos = pos;
        object.kind = kind;
        object.unit = unit;
        object.comment = comment;
        object.commands.push_back(std::move(sql));
        object.commands.push_back("COMMENT ON " + commented + " IS " + quoteLiteral(comment) + ";");
    };
    auto addIndex = [&](const std::string& name, const std::string& definition, const std::string& use) {
        std::string identity = quoteName(entity.schema, name);
        add(ObjectKind::index, "INDEX " + identity, "CREATE " + definition + ";", use);
        objects.back().identity = identity;
        objects.back().table = table;
    };
    for (const resolve::ColumnInfo& column : entity.columns) {
        if (!column.field || column.field->refTarget.empty()) continue;
        const resolve::EntityInfo* target = world.entity(column.field->refTarget.value, entity.home);
        if (!target || target->key.empty()) continue;
        pos = column.field->name.pos;
        std::string name = madeName(world, entity, column.field->name.pos, entity.word + "_" + column.name + "_fkey");
        std::string onDelete = column.field->refOnDelete;
        std::transform(onDelete.begin(), onDelete.end(), onDelete.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
        add(ObjectKind::constraint, "CONSTRAINT " + quoteName(name) + " ON " + table,
            "ALTER TABLE " + table + " ADD CONSTRAINT " + quoteName(name) + "\n    FOREIGN KEY (" +
                quoteName(column.name) + ") REFERENCES " + tableName(*target) + " (" + quoteName(target->key) + ")" +
                (onDelete.empty() ? "" : " ON DELETE " + onDelete) + ";",
            "Field " + column.field->name.value + ": " + column.field->type.value);
        objects.back().nameOn(quoteName(name), table);
        std::string index = madeName(world, entity, column.field->name.pos, entity.word + "_" + column.name + "_idx");
        addIndex(index, "INDEX " + quoteName(index) + " ON " + table + " (" + quoteName(column.name) + ")",
                 "Finds the rows that refer to a row of " + target->shown());
    }
    if (entity.spec) {
        for (const spec::IndexSpec& index : entity.spec->indexes) {
            pos = index.pos;
            std::vector<std::string> columns;
            std::string made = entity.word;
            for (const Text& column : index.columns) {
                const std::string& name = entity.columnOf(column.value)->name;
                columns.push_back(quoteName(name));
                made += "_" + name;
            }
            std::string name =
                madeName(world, entity, index.pos, index.name.empty() ? made + "_idx" : index.name.value);
            std::string sql = std::string(index.unique ? "UNIQUE " : "") + "INDEX " + quoteName(name) + " ON " + table;
            if (!index.type.empty()) sql += " USING " + quoteName(index.type.value);
            sql += " (" + join(columns, ", ") + ")";
            for (const resolve::EntityExpression& expression : resolver.entityExpressions)
                if (expression.index == &index) sql += "\n    WHERE " + printPlain(world, resolver, expression.bound);
            addIndex(name, sql, "Index of entity " + entity.name);
        }
    }
    pos = entity.pos;
    if (entity.appendOnly) {
        std::string name = "append_only_trigger";
        // What can be read back from the log stands in the trigger's arguments, where specql.state_at looks. ALWAYS: a
        // session that sets session_replication_role is no way around it.
        add(ObjectKind::trigger, "TRIGGER " + name + " ON " + table,
            "CREATE OR REPLACE TRIGGER " + name + "\n    BEFORE UPDATE OR DELETE OR TRUNCATE ON " + table +
                "\n    FOR EACH STATEMENT EXECUTE FUNCTION specql.refuse_change(" +
                join(readings(world, resolver, entity), ", ") + ");",
            "Keeps the log append-only");
        objects.back().nameOn(name, table);
        objects.back().replaceable = true;
        objects.back().commands.push_back("ALTER TABLE " + table + " ENABLE ALWAYS TRIGGER " + name + ";");
    }
    return objects;
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
        if (column.name == entity.key || column.generated) continue;
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
    function.body = "INSERT INTO " + tableName(entity) + "\n    (" + join(columns, ", ") + ")\nVALUES\n    (" +
                    join(values, ", ") + ")\nRETURNING " + quoteName(entity.key) + ";\n";
    function.comment = "Inserts an event row of entity " + entity.name + " by hand and gives its id";
    return {functionObject(function, entity.unit->key())};
}

}  // namespace specql::emit
