#include "emit/stage.hpp"

#include <algorithm>

#include "resolve/privacy.hpp"
#include "resolve/process.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

constexpr char outcome[] = "v_outcome";
constexpr char nothing[] = "'{}'::jsonb";

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

bool findsRows(const resolve::ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
}

// Under which key a result has the rows that were written, beside the columns of the first.
std::string rowsKey(const resolve::EntityInfo& entity) {
    std::string key = "rows";
    while (entity.column(key))
        key += "_";
    return quoteLiteral(key);
}

std::string withoutEnd(std::string sql) {
    sql.erase(sql.find_last_not_of(";\n") + 1);
    return sql;
}

std::string cast(const std::string& sql, const std::string& type) {
    return type == "text" ? sql : "(" + sql + ")::" + type;
}

}  // namespace

StageEmitter::StageEmitter(resolve::World& world, const resolve::Resolver& resolver,
                           const resolve::ResolvedAction& action, size_t place)
    : world_(world),
      resolver_(resolver),
      action_(action),
      stage_(action.branches.front().steps[place]),
      place_(place),
      key_(quoteLiteral(stage_.spec->label.value)),
      printer_(world, resolver, action, Printer::Place::function),
      steps_(world, action, printer_) {
    printer_.ownSql = [this](const resolve::Value& one) { return value(one); };
}

std::string StageEmitter::functionName(const resolve::ResolvedAction& action, const spec::Step& stage) {
    return snakeCase(action.info->spec->name.value) + "_" + snakeCase(stage.label.value);
}

std::string StageEmitter::undoName(const resolve::ResolvedAction& action, const spec::Step& stage) {
    return functionName(action, stage) + "_undo";
}

// --- values ----------------------------------------------------------------------------------------------------------

std::string StageEmitter::declared(const std::string& wanted, const std::string& type, const std::string& sql) {
    auto known = variables_.find(sql);
    if (known != variables_.end()) return known->second;
    auto isTaken = [&](const std::string& name) {
        return name == "p_process" || name == "p_params" || name == "p_results" || name == outcome ||
               std::any_of(variables_.begin(), variables_.end(),
                           [&](const auto& variable) { return variable.second == quoteName(name); });
    };
    std::string name = wanted;
    while (isTaken(name))
        name += "_";
    declarations_.push_back(quoteName(name) + " " + type + " := " + sql + ";");
    return variables_[sql] = quoteName(name);
}

std::string StageEmitter::resultSql(const resolve::Value& value, const std::string& step) const {
    const std::string key = quoteLiteral(value.name), of = "p_results -> " + step;
    if (value.type == "jsonb" || value.type == "json")
        return cast("nullif(" + of + " -> " + key + ", 'null')", value.type == "json" ? "json" : "text");
    if (!resolve::elementType(value.type).empty())
        return "specql.payload_array(" + of + ", " + key + ")::" + value.type;
    return cast(of + " ->> " + key, value.type);
}

// Empty for what is written as elsewhere.
std::string StageEmitter::value(const resolve::Value& value) {
    switch (value.kind) {
        case resolve::ValueKind::payload:
            return declared("p_" + value.name, value.type, payloadSql(action_, "p_params", value.name, value.type));
        case resolve::ValueKind::context: contexts_.emplace(static_cast<size_t>(value.context), value.name); return "";
        case resolve::ValueKind::result: {
            const spec::Step& step = *action_.branches.front().steps[static_cast<size_t>(value.context)].spec;
            const std::string key = quoteLiteral(step.label.value);
            if (value.name.empty()) return "(p_results ? " + key + ")";
            const bool isWhole = !value.entity && value.name == resolve::wholeAnswer;
            return declared("v_" + snakeCase(step.label.value) + "_" + value.name, value.type,
                            isWhole ? "p_results -> " + key : resultSql(value, key));
        }
        default: return "";
    }
}

// The rows that parameters are the keys of, and what they refer to, as they are now.
std::string StageEmitter::readContexts() {
    std::map<size_t, std::set<std::string>> columns;
    for (const auto& [context, column] : contexts_)
        columns[context].insert(column);
    // Who holds the key of one that is read is read before it.
    for (size_t i = action_.contexts.size(); i-- > 0;)
        if (columns.count(i)) {
            const resolve::Value& key = action_.contexts[i].key;
            if (key.kind == resolve::ValueKind::context) columns[static_cast<size_t>(key.context)].insert(key.name);
        }
    std::string sql;
    for (const auto& [i, read] : columns) {
        const resolve::Context& context = action_.contexts[i];
        std::vector<std::string> selected;
        for (const std::string& column : read)
            selected.push_back("t." + quoteName(column));
        const std::string variable = contextVariable(context), key = printer_.print(context.key, true);
        declarations_.push_back(variable + " record;");
        sql += "-- the row of " + context.entity->shown() + " that " + context.key.name + " names\nSELECT " +
               join(selected, ", ") + " INTO " + variable + "\nFROM " + tableName(*context.entity) + " AS t\nWHERE t." +
               quoteName(context.entity->key) + " = " + key + ";\n";
        // What a row refers to may be missing where its ref is NULL.
        if (context.key.kind == resolve::ValueKind::payload)
            sql += "IF NOT FOUND THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n        MESSAGE = format(" +
                   quoteLiteral(context.key.name + " %s names no row of " + context.entity->shown()) + ", coalesce(" +
                   key + "::text, 'null'));\nEND IF;\n";
        sql += "\n";
    }
    return sql;
}

// The same rows, as they were when the step was done.
std::string StageEmitter::keptContexts() {
    std::map<size_t, std::vector<std::string>> selected;
    for (const auto& [i, column] : contexts_) {
        const resolve::Context& context = action_.contexts[i];
        resolve::Value value;
        value.name = context.path + "." + column;
        value.type = context.entity->column(column)->type;
        selected[i].push_back(resultSql(value, key_ + " -> 'used'") + " AS " + quoteName(column));
    }
    std::string sql;
    for (const auto& [i, columns] : selected) {
        const std::string variable = contextVariable(action_.contexts[i]);
        declarations_.push_back(variable + " record;");
        sql += "-- the row of " + action_.contexts[i].entity->shown() + " as it was then\nSELECT\n    " +
               join(columns, ",\n    ") + "\nINTO " + variable + ";\n\n";
    }
    return sql;
}

std::string StageEmitter::usedThen(const KeptForUndo& kept) {
    std::vector<std::string> pairs;
    for (const auto& [i, column] : kept.contexts) {
        contexts_.emplace(i, column);
        const resolve::Context& context = action_.contexts[i];
        pairs.push_back(quoteLiteral(context.path + "." + column) + ", " + contextVariable(context) + "." +
                        quoteName(column));
    }
    return pairs.empty() ? "" : "jsonb_build_object('used', jsonb_build_object(" + wrapList(pairs, 8) + "))";
}

// --- what it does ----------------------------------------------------------------------------------------------------

std::string StageEmitter::unless(const resolve::BoundExpression& condition) {
    if (!condition) return "";
    return "IF " + printer_.print(condition, true) + " IS NOT TRUE THEN\n    RETURN NULL;\nEND IF;\n\n";
}

std::string StageEmitter::payload(const resolve::ResolvedStep& call) {
    return call.spec->ownPayload ? steps_.objectOf(call) : "p_params";
}

std::string StageEmitter::test(const resolve::ResolvedStep& step) {
    if (step.then.empty()) return "";
    const resolve::EntityInfo& entity = *step.target;
    const std::string rows = "FROM " + tableName(entity) + " AS t\nWHERE " + printer_.print(step.where);
    std::string sql = "-- nobody else changes what is tested\nPERFORM\n" + rows +
                      (entity.key.empty() ? "" : "\nORDER BY t." + quoteName(entity.key)) + "\nFOR UPDATE;\n";
    for (const resolve::ResolvedStep& check : step.then)
        sql += "IF EXISTS (\n" +
               indent("SELECT\nFROM " + tableName(entity) + " AS t\nWHERE (" + printer_.print(step.where) +
                          ")\n    AND (" + printer_.print(check.condition) + ") IS NOT TRUE\n",
                      4) +
               ") THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206', MESSAGE = " + steps_.messageOf(check) +
               (check.spec->field ? ",\n        COLUMN = " + quoteLiteral(check.spec->field.value) : "") +
               ";\nEND IF;\n";
    return sql + "\n";
}

// The statement, and what of the rows that it writes later steps use.
std::string StageEmitter::write(const resolve::ResolvedStep& step, const KeptForUndo& kept, std::string& result) {
    const resolve::EntityInfo& entity = *step.target;
    std::set<std::string> columns = kept.columns;
    if (auto read = action_.results.find(static_cast<int>(place_)); read != action_.results.end())
        columns.insert(read->second.begin(), read->second.end());
    const resolve::ColumnInfo* key = entity.column(entity.key);
    if (key && !resolve::isPrivate(*key)) columns.insert(key->name);
    std::string sql = steps_.emit({step}, {StepPlace::Rows::once, "", 0, ""});
    const bool isInsert = step.spec->kind == spec::StepKind::insert;
    const std::string alias = isInsert ? quoteName(entity.table) : "t";
    std::vector<std::string> pairs, returned;
    for (const std::string& column : columns) {
        pairs.push_back(quoteLiteral(column) + ", " + alias + "." + quoteName(column));
        returned.push_back(alias + "." + quoteName(column));
    }
    if (!findsRows(step)) {
        if (columns.empty()) return sql;
        declarations_.push_back(std::string(outcome) + " jsonb;");
        result = isInsert ? outcome : std::string("coalesce(") + outcome + ", " + nothing + ")";
        return withoutEnd(sql) + "\nRETURNING jsonb_build_object(" + wrapList(pairs, 4) + ") INTO " + outcome + ";\n";
    }
    if (returned.empty()) returned.emplace_back("true AS is_done");
    declarations_.push_back(std::string(outcome) + " jsonb;");
    result = std::string(outcome) + " -> 0";
    if (kept.rows) result = "(" + result + ") || jsonb_build_object(" + rowsKey(entity) + ", " + outcome + ")";
    const std::string where = step.where ? " where " + commentText(world_.expressionText(step.where.expression)) : "";
    // In a workflow a condition may fit no row: then the step was not done.
    const bool mayMiss = step.where && !action_.info->spec->process->isSaga;
    const std::string missing = mayMiss ? "RETURN NULL;\n"
                                        : "RAISE EXCEPTION USING ERRCODE = 'SQ201',\n    MESSAGE = " +
                                              quoteLiteral("there is no row of " + entity.shown() + where) + ";\n";
    return test(step) + "WITH changed AS (\n" +
           indent(withoutEnd(sql) + "\nRETURNING " + wrapList(returned, 8) + "\n", 4) +
           ")\nSELECT jsonb_agg(to_jsonb(c.*)" + (entity.key.empty() ? "" : " ORDER BY c." + quoteName(entity.key)) +
           ") INTO " + outcome + "\nFROM changed AS c;\nIF " + outcome + " IS NULL THEN\n" + indent(missing, 4) +
           "END IF;\n";
}

std::string StageEmitter::run(const KeptForUndo& kept, std::string& result) {
    const resolve::ResolvedStep* written = resolve::writtenBy(stage_);
    std::string sql;
    std::vector<resolve::ResolvedStep> plain;
    auto flush = [&] {
        if (!plain.empty()) sql += (sql.empty() ? "" : "\n") + steps_.emit(plain, {StepPlace::Rows::once, "", 0, ""});
        plain.clear();
    };
    for (const resolve::ResolvedStep& step : stage_.then) {
        if (&step != written) {
            plain.push_back(step);
            continue;
        }
        flush();
        sql += (sql.empty() ? "" : "\n") + write(step, kept, result);
    }
    flush();
    return sql;
}

// The first whose condition holds; without one, else.
std::string StageEmitter::choices() {
    std::string sql;
    bool isOpen = true;
    for (size_t i = 0; i < stage_.then.size() && isOpen; i++) {
        const resolve::ResolvedStep& choice = stage_.then[i];
        std::vector<std::string> names;
        for (const Text& name : choice.spec->taken)
            names.push_back(quoteJson(name.value));
        const std::string chosen = "RETURN " + quoteLiteral("{\"steps\": [" + join(names, ", ") + "]}") + "::jsonb;\n";
        isOpen = static_cast<bool>(choice.condition);
        sql += isOpen ? "IF " + printer_.print(choice.condition) + " THEN\n" + indent(chosen, 4) + "END IF;\n" : chosen;
    }
    return sql + (isOpen ? "RETURN '{\"steps\": []}'::jsonb;\n" : "");
}

std::string StageEmitter::body(const KeptForUndo& kept) {
    const std::string condition = unless(stage_.condition);
    switch (stage_.spec->stage->kind) {
        case spec::StageKind::choose: return condition + choices();
        case spec::StageKind::parallel:
        case spec::StageKind::any: return condition + "RETURN " + nothing + ";\n";
        case spec::StageKind::call: {
            std::vector<resolve::ResolvedStep> before(stage_.then.begin(), stage_.then.end() - 1);
            std::string sql = condition;
            if (!before.empty()) sql += steps_.emit(before, {StepPlace::Rows::once, "", 0, ""}) + "\n";
            return sql + "RETURN " + payload(stage_.then.back()) + ";\n";
        }
        case spec::StageKind::wait:
        case spec::StageKind::waitFor:
        case spec::StageKind::waitUntilTrue:
        case spec::StageKind::ask: return condition + "RETURN jsonb_build_object(" + wrapList(awaited(), 4) + ");\n";
        case spec::StageKind::run:
        case spec::StageKind::check: break;
    }
    std::string result;
    std::string sql = condition + run(kept, result), used = usedThen(kept);
    if (result.empty())
        result = used.empty() ? nothing : "";
    else if (!used.empty())
        result = (result == outcome ? result : "(" + result + ")") + " || ";
    return sql + (sql.empty() ? "" : "\n") + "RETURN " + result + used + ";\n";
}

// What it waits for, as pairs of a JSON object.
std::vector<std::string> StageEmitter::awaited() {
    const spec::Step& spec = *stage_.spec;
    auto argument = [&] { return "(" + printer_.print(stage_.args.front()) + ")"; };
    auto later = [](const Text& length) { return "specql.clock() + interval " + printInterval(length); };
    switch (spec.stage->kind) {
        case spec::StageKind::wait:
            return {"'until', " + (spec.after ? later(spec.after) : argument() + "::timestamp with time zone")};
        case spec::StageKind::waitFor: return {"'key', " + (stage_.args.empty() ? "NULL" : argument() + "::text")};
        case spec::StageKind::waitUntilTrue: return {"'holds', coalesce(" + argument() + ", false)"};
        default: break;
    }
    std::vector<std::string> choices;
    for (const Text& choice : spec.taken)
        choices.push_back(quoteJson(choice.value));
    std::vector<std::string> pairs = {"'role', " + steps_.channelOf(stage_), "'question', " + steps_.messageOf(stage_),
                                      "'choices', '[" + join(choices, ", ") + "]'::jsonb"};
    // Without a time of its own the answer is due when nobody waits for it any more.
    const Text& due = spec.stage->due ? spec.stage->due : spec.stage->timeout;
    if (due) pairs.push_back("'due', " + later(due));
    if (spec.repeat) pairs.push_back("'repeat', " + printInterval(spec.repeat));
    return pairs;
}

FunctionText StageEmitter::does(const KeptForUndo& kept) {
    std::string sql = body(kept);
    sql = readContexts() + sql;
    return function(functionName(action_, *stage_.spec), "step " + stage_.spec->label.value, sql);
}

// --- what undoes it --------------------------------------------------------------------------------------------------

const resolve::ResolvedStep* StageEmitter::undoCall(const resolve::ResolvedStep& stage) {
    if (stage.otherwise.size() != 1) return nullptr;
    const resolve::ResolvedStep* undo = &stage.otherwise.front();
    if (undo->spec->kind == spec::StepKind::branch && undo->then.size() == 1) undo = &undo->then.front();
    return undo->spec->kind == spec::StepKind::callExternal && stage.spec->label.value != "failure_action" ? undo
                                                                                                           : nullptr;
}

// The rows that the step wrote, as it kept them.
std::string StageEmitter::undoRows(const resolve::ResolvedStep& step, KeptForUndo& kept) {
    const resolve::ResolvedStep& written = *resolve::writtenBy(stage_);
    const resolve::EntityInfo& entity = *step.target;
    kept.rows = true;
    std::vector<std::string> set, names;
    std::set<std::string> columns;
    if (step.spec->kind == spec::StepKind::insert) {
        for (const resolve::ColumnInfo& column : entity.columns)
            if (!column.generated) columns.insert(column.name);
    } else {
        columns.insert(entity.key);
    }
    for (const resolve::BoundAssignment& assignment : step.set) {
        printer_.targetSql = [&](const resolve::Value& value) {
            if (value.name == assignment.column) return "t." + quoteName(value.name);
            columns.insert(value.name);
            return "r." + quoteName(value.name);
        };
        set.push_back(quoteName(assignment.column) + " = " +
                      (assignment.taken ? printer_.print(*assignment.taken, true) : printer_.print(assignment.value)));
        printer_.targetSql = nullptr;
    }
    kept.columns.insert(columns.begin(), columns.end());
    std::vector<std::string> typed, read;
    bool hasIdentity = false;
    for (const std::string& column : columns) {
        typed.push_back(quoteName(column) + " " + entity.column(column)->type);
        names.push_back(quoteName(column));
        read.push_back("r." + quoteName(column));
        hasIdentity = hasIdentity || entity.column(column)->identity == "always";
    }
    const std::string rows = "jsonb_to_recordset(" +
                             (findsRows(written) ? "p_results -> " + key_ + " -> " + rowsKey(entity)
                                                 : "jsonb_build_array(p_results -> " + key_ + ")") +
                             ") AS r(" + wrapList(typed, 8) + ")";
    const std::string comment = "-- " + stepText(world_, step, false) + ", as the step wrote it\n";
    const std::string where = "\nWHERE t." + quoteName(entity.key) + " = r." + quoteName(entity.key) + ";\n";
    if (step.spec->kind == spec::StepKind::insert)
        return comment + "INSERT INTO " + tableName(entity) + "\n    (" + wrapList(names, 4) + ")" +
               (hasIdentity ? "\nOVERRIDING SYSTEM VALUE" : "") + "\nSELECT\n    " + wrapList(read, 4) + "\nFROM " +
               rows + ";\n";
    if (step.spec->kind == spec::StepKind::remove)
        return comment + "DELETE FROM " + tableName(entity) + " AS t\nUSING " + rows + where;
    return comment + "UPDATE " + tableName(entity) + " AS t\nSET " + join(set, ",\n    ") + "\nFROM " + rows + where;
}

std::string StageEmitter::undoSteps(const std::vector<resolve::ResolvedStep>& steps, KeptForUndo& kept) {
    std::string sql;
    for (const resolve::ResolvedStep& step : steps) {
        const std::string one =
            step.ofStage ? undoRows(step, kept) : steps_.emit({step}, {StepPlace::Rows::once, "", 0, ""});
        sql += (sql.empty() ? "" : "\n") + one;
    }
    return sql;
}

std::optional<FunctionText> StageEmitter::undoes(KeptForUndo& kept) {
    if (stage_.otherwise.empty()) return std::nullopt;
    const std::vector<resolve::ResolvedStep>* steps = &stage_.otherwise;
    std::string sql;
    if (steps->size() == 1 && steps->front().spec->kind == spec::StepKind::branch && steps->front().otherwise.empty()) {
        sql = unless(steps->front().condition);
        steps = &steps->front().then;
    }
    if (const resolve::ResolvedStep* call = undoCall(stage_))
        sql += "RETURN " + payload(*call) + ";\n";
    else
        sql += undoSteps(*steps, kept) + "\nRETURN " + nothing + ";\n";
    // What came back of a call has no room for other values.
    const bool isKept = !resolve::givesAnswer(*stage_.spec->stage);
    if (isKept) kept.contexts = contexts_;
    sql = (isKept ? keptContexts() : readContexts()) + sql;
    return function(undoName(action_, *stage_.spec), "what undoes the step " + stage_.spec->label.value, sql);
}

FunctionText StageEmitter::function(const std::string& name, const std::string& what, const std::string& body) {
    const resolve::ActionInfo& info = *action_.info;
    FunctionText function;
    function.schema = info.schema;
    function.name = name;
    function.identityArguments = "uuid, jsonb, jsonb";
    function.arguments = "p_process uuid, p_params jsonb, p_results jsonb";
    function.returns = "jsonb";
    function.language = "plpgsql";
    for (const std::string& declaration : steps_.declarations())
        declarations_.push_back(declaration);
    function.body = "-- Action " + info.name() + ", " + what +
                    ".\n-- Generated by specql: change the spec and apply it again.\n" +
                    (declarations_.empty() ? "" : "DECLARE\n" + indent(join(declarations_, "\n"), 4) + "\n") +
                    "BEGIN\n" + indent(body, 4) + "END;\n";
    function.comment = "Action " + info.name() + ", " + what;
    world_.checkName(*info.file, function.name, stage_.spec->pos, "the generated function");
    return function;
}

}  // namespace specql::emit
