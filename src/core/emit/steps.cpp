#include "emit/steps.hpp"

#include <algorithm>

#include "emit/fold.hpp"
#include "resolve/privacy.hpp"
#include "text/duration.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

std::string keyOf(const resolve::EntityInfo& entity, const std::string& alias) {
    return alias + "." + quoteName(entity.key);
}

}  // namespace

// Do these steps queue deliveries? A call of a function may, so it counts as yes.
static bool delivers(const std::vector<spec::Step>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const spec::Step& step) {
        switch (step.kind) {
            case spec::StepKind::callExternal:
            case spec::StepKind::notify:
            case spec::StepKind::escalate:
            case spec::StepKind::function:
            case spec::StepKind::call: return true;
            default: return delivers(step.then) || delivers(step.otherwise);
        }
    });
}

static bool delivers(const std::vector<spec::Branch>& branches) {
    return std::any_of(branches.begin(), branches.end(),
                       [](const spec::Branch& branch) { return delivers(branch.steps) || delivers(branch.otherwise); });
}

static bool deliversByItself(const resolve::ResolvedStep& step) {
    switch (step.spec->kind) {
        case spec::StepKind::callExternal:
        case spec::StepKind::notify:
        case spec::StepKind::escalate: return true;
        default: return step.call == resolve::CallKind::queued;
    }
}

bool StepEmitter::delivers(const std::vector<resolve::ResolvedStep>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const resolve::ResolvedStep& step) {
        // A bulk operation delivers what its own steps say.
        return deliversByItself(step) || delivers(step.then) || delivers(step.otherwise) ||
               (step.calledAction && emit::delivers(step.calledAction->spec->branches));
    });
}

std::string StepEmitter::emit(const std::vector<resolve::ResolvedStep>& steps, StepPlace place) {
    bool before = delivers_, surelyBefore = surely_;
    delivers_ = delivers_ || delivers(steps);
    surely_ = surely_ || std::any_of(steps.begin(), steps.end(), [](const resolve::ResolvedStep& step) {
                  return deliversByItself(step) && !step.idempotencyKey;
              });
    std::string sql;
    for (size_t i = 0; i < steps.size(); i++) {
        const bool takes = steps[i].takes;
        std::string statement =
            takes ? take(steps[i], {steps.begin() + static_cast<long>(i) + 1, steps.end()}) : one(steps[i], place);
        if (!statement.empty()) sql += (sql.empty() ? "" : "\n") + (takes ? "" : comment(steps[i])) + statement;
        if (takes) break;
    }
    delivers_ = before;
    surely_ = surelyBefore;
    return sql.empty() ? "NULL;\n" : sql;
}

std::string stepText(const resolve::World& world, const resolve::ResolvedStep& step, bool whole) {
    const spec::Step& spec = *step.spec;
    auto written = [&](const resolve::BoundExpression& bound) { return world.expressionText(bound.expression); };
    std::string text = spec.verb.value;
    switch (spec.kind) {
        case spec::StepKind::function:
        case spec::StepKind::call:
            text += ": " + spec.target.value + "(";
            for (size_t i = 0; i < step.args.size(); i++)
                text += (i > 0 ? ", " : "") + written(step.args[i]);
            text += ")";
            break;
        case spec::StepKind::validate:
        case spec::StepKind::branch: text += ": " + written(step.condition); break;
        case spec::StepKind::foreach: text += ": " + spec.variable.value + " in " + written(step.condition); break;
        case spec::StepKind::each: text += ": " + spec.variable.value + " in " + spec.target.value; break;
        case spec::StepKind::assign: {
            std::vector<std::string> fields;
            for (const resolve::BoundAssignment& assignment : step.set)
                fields.push_back(assignment.column + " = " + written(assignment.value));
            return commentText(text + ": " + join(fields, ", "));
        }
        case spec::StepKind::let: text += ": " + spec.variable.value + " = " + written(step.condition); break;
        default:
            text += ": " + spec.target.value;
            if (spec.kind == spec::StepKind::find && spec.variable) text += " AS " + spec.variable.value;
    }
    if (!whole) return commentText(text);
    if (spec.via) text += " VIA " + spec.via.value;
    std::vector<std::string> set;
    for (const resolve::BoundAssignment& assignment : step.set)
        if (assignment.value) set.push_back(assignment.column + " = " + written(assignment.value));
    // Whoever is told something is told it before what goes with it.
    bool told = spec.kind != spec::StepKind::validate && spec.message;
    if (told) text += " \"" + spec.message.value + "\"";
    if (!step.key.empty()) text += " ON (" + join(step.key, ", ") + ")";
    if (!set.empty()) text += " SET " + join(set, ", ");
    if (step.where) text += " WHERE " + written(step.where);
    if (spec.message && !told) text += " \"" + spec.message.value + "\"";
    if (spec.after) text += ", after " + spec.after.value;
    if (step.idempotencyKey) text += ", idempotency_key " + written(step.idempotencyKey);
    return commentText(text);
}

// What a statement does not say by itself is said by the step that it stands for.
std::string StepEmitter::comment(const resolve::ResolvedStep& step) const {
    switch (step.spec->kind) {
        case spec::StepKind::callExternal:
        case spec::StepKind::notify:
        case spec::StepKind::escalate:
            if (!step.spec->label) return "";
            break;
        default: break;
    }
    const std::string label = step.spec->label ? commentText(step.spec->label.value) + ", " : "";
    return "-- " + label + stepText(world_, step, false) + "\n";
}

std::string StepEmitter::perform(const std::string& expression, const StepPlace& place) const {
    std::string sql = "PERFORM " + expression;
    if (!place.from.empty()) sql += "\nFROM " + place.from;
    return sql + ";\n";
}

std::string StepEmitter::eventId(const StepPlace& place) {
    bool hasEvent = place.rows == StepPlace::Rows::set || place.rows == StepPlace::Rows::loop;
    return hasEvent ? printer_.meta("event_id", "uuid") : "NULL::uuid";
}

// A taken row, as an event of it would carry it. What is named is followed when it is renamed, or missed; a list of
// what is left out would let it through.
std::string StepEmitter::takenData() const {
    if (!resolve::hasPrivate(*taken_) && !resolve::carriesDeclared(*taken_))
        return "to_jsonb(" + printer_.handledAlias + ".*)";
    constexpr size_t most = 50;  // a function takes a hundred arguments
    std::vector<std::string> objects, pairs;
    for (const std::string& column : resolve::leavingColumns(*taken_)) {
        pairs.push_back(quoteLiteral(column) + ", " + printer_.handledAlias + "." + quoteName(column));
        if (pairs.size() < most) continue;
        objects.push_back("jsonb_build_object(" + join(pairs, ", ") + ")");
        pairs.clear();
    }
    if (!pairs.empty()) objects.push_back("jsonb_build_object(" + join(pairs, ", ") + ")");
    return objects.size() == 1 ? objects.front() : "(" + join(objects, " || ") + ")";
}

std::string StepEmitter::eventData(const StepPlace& place) {
    if (place.rows == StepPlace::Rows::taken) return takenData();
    if (place.rows != StepPlace::Rows::once) return printer_.meta("event_data", "jsonb");
    if (!action_.batchParameter.empty()) return "v_item";
    if (action_.info->spec->process) return "p_params";
    std::vector<std::string> pairs;
    for (const std::string& key : action_.payloadOrder)
        pairs.push_back(quoteLiteral(key) + ", " + quoteName("p_" + key));
    return "jsonb_build_object(" + join(pairs, ", ") + ")";
}

std::string StepEmitter::messageSql(const resolve::ResolvedStep& step) {
    return printMessage(step.spec->message, step.spec->messageParts, templateValues(step.messageValues));
}

std::vector<std::string> StepEmitter::templateValues(const std::vector<resolve::BoundExpression>& values) {
    std::vector<std::string> printed;
    for (const resolve::BoundExpression& bound : values)
        printed.push_back(bound ? printInText(printer_.resolver(), bound, printer_.print(bound)) : "");
    return printed;
}

// One delivery for each row. Deliveries of the whole set that say the same, and are about their events' data, are
// queued without reading its rows.
std::string StepEmitter::queue(const std::string& function, const resolve::ResolvedStep& step, const StepPlace& place) {
    if (step.idempotencyKey) return queueOnce(step, place);
    const spec::Step& spec = *step.spec;
    std::string head = "specql." + (spec.after ? "call_later" : function) + "(" +
                       printChannel(spec.target, spec.targetParts, templateValues(step.targetValues)) + ", " +
                       messageSql(step) + ", ";
    if (spec.after) head += printInterval(spec.after) + ", ";
    std::string tail;
    if (spec.severity) tail += ", severity => " + quoteLiteral(spec.severity.value);
    if (spec.repeat) tail += ", repeat => " + quoteLiteral(spec.repeat.value);
    auto isValue = [](const resolve::BoundExpression& bound) { return bool(bound); };
    bool ofRow = spec.ownPayload || std::any_of(step.targetValues.begin(), step.targetValues.end(), isValue) ||
                 std::any_of(step.messageValues.begin(), step.messageValues.end(), isValue);
    if (place.rows == StepPlace::Rows::set && !ofRow)
        return "PERFORM " + head + std::to_string(place.branch) + tail + ");\n";
    std::string payload = spec.ownPayload ? jsonObject(step) : eventData(place);
    return perform(head + eventId(place) + ", " + payload + tail + ")", place);
}

// Calls whose keys may be known. The keys of a set are taken in one order, so that two sessions with the same ones
// never wait for each other.
std::string StepEmitter::queueOnce(const resolve::ResolvedStep& step, const StepPlace& place) {
    const spec::Step& spec = *step.spec;
    std::string key = printInText(printer_.resolver(), step.idempotencyKey, printer_.print(step.idempotencyKey));
    const int request = step.idempotencyKey.request;
    bool isText = request >= 0 && printer_.resolver().results()[static_cast<size_t>(request)].type == "text";
    if (!isText) key = (needsParentheses(key) ? "(" + key + ")" : key) + "::text";
    std::string call = quoteLiteral(spec.target.value) + ", " + quoteLiteral(spec.message.value) + ", ";
    std::string payload = spec.ownPayload ? jsonObject(step) : eventData(place);
    std::string tail;
    if (spec.dedupeFor) tail += ", dedupe_for => " + printInterval(spec.dedupeFor);
    if (spec.after) tail += ", after => " + printInterval(spec.after);
    std::string sql;
    if (!place.from.empty()) sql = perform("specql.reserve_keys(" + call + "array_agg(" + key + "))", place);
    return sql + perform("specql.call_once(" + call + key + ", " + eventId(place) + ", " + payload + tail + ")", place);
}

// What SET says, as one JSON object. A call of a function has at most 100 arguments.
std::string StepEmitter::jsonObject(const resolve::ResolvedStep& step) {
    constexpr size_t most = 50;
    std::vector<std::string> objects, pairs;
    for (size_t i = 0; i < step.set.size(); i++) {
        pairs.push_back(quoteLiteral(step.set[i].column) + ", " + assignmentSql(step.set[i]));
        if (pairs.size() < most && i + 1 < step.set.size()) continue;
        objects.push_back("jsonb_build_object(" + join(pairs, ", ") + ")");
        pairs.clear();
    }
    return objects.empty() ? "'{}'::jsonb" : join(objects, " || ");
}

std::string StepEmitter::assignmentSql(const resolve::BoundAssignment& assignment) {
    std::string sql = assignment.taken ? printer_.print(*assignment.taken, true) : printer_.print(assignment.value);
    return lacking_ ? lacking_(assignment, sql) : sql;
}

namespace {

bool sets(const std::vector<std::string>& columns, const std::string& column) {
    return std::find(columns.begin(), columns.end(), quoteName(column)) != columns.end();
}

}  // namespace

// All listeners of a custom event are given the same event: their rows are told apart by the action's name.
int reactionNumber(const resolve::ResolvedAction& action, int insert) {
    if (!action.binding.custom) return insert;
    uint32_t hash = 2166136261u;
    for (unsigned char c : action.info->name())
        hash = (hash ^ c) * 16777619u;
    return static_cast<int>((hash & 0x3fffff) << 8) + insert;
}

// Handled again, an event finds the rows it has written: a retry or a replay never writes them twice.
int StepEmitter::giveReactionId(const resolve::EntityInfo& entity, const StepPlace& place, bool delivers,
                                std::vector<std::string>& columns, std::vector<std::string>& values) {
    bool hasEvent = place.rows == StepPlace::Rows::set || place.rows == StepPlace::Rows::loop;
    const resolve::ColumnInfo* key = entity.column(entity.key);
    if (!hasEvent || !oncePerEvent_ || !key || key->type != "uuid" || (key->field && !delivers) ||
        sets(columns, entity.key))
        return 0;
    int number = reactionNumber(action_, ++inserts_);
    columns.insert(columns.begin(), quoteName(entity.key));
    values.insert(values.begin(), "specql.reaction_id(" + eventId(place) + ", " + std::to_string(number) + ")");
    return number;
}

// An event row is processed when the reactions to it are done: at once if nothing leaves the database, else when the
// last delivery has arrived.
void StepEmitter::markProcessed(const resolve::EntityInfo& entity, int reaction, bool delivers,
                                std::vector<std::string>& columns, std::vector<std::string>& values) {
    const resolve::ColumnInfo* processed = entity.column("processed_at");
    if (!processed || !entity.column("event_type") || !resolve::startsWith(processed->type, "timestamp") ||
        sets(columns, "processed_at"))
        return;
    // Nobody waits for what leaves because of an answer.
    if (delivers && !action_.isAnswer()) {
        if (reaction == 0) return;
        reactions_.push_back({&entity, reaction});
        waitsInVain_ = waitsInVain_ || !surely_;
        return;
    }
    columns.push_back("processed_at");
    values.push_back("clock_timestamp()");
}

std::string StepEmitter::insert(const resolve::ResolvedStep& step, const StepPlace& place, bool delivers) {
    std::vector<std::string> columns, values;
    for (const resolve::BoundAssignment& assignment : step.set) {
        columns.push_back(quoteName(assignment.column));
        values.push_back(assignmentSql(assignment));
    }
    int reaction = giveReactionId(*step.target, place, delivers, columns, values);
    markProcessed(*step.target, reaction, delivers, columns, values);
    std::string sql = "INSERT INTO " + tableName(*step.target);
    if (columns.empty()) {
        if (place.from.empty()) return sql + " DEFAULT VALUES;\n";
        // A SELECT without columns gives each row nothing but its defaults.
        return sql + "\nSELECT\nFROM " + place.from + ";\n";
    }
    sql += "\n    (" + join(columns, ", ") + ")\n";
    if (place.from.empty()) return sql + "VALUES\n    (" + join(values, ",\n     ") + ");\n";
    return sql + "SELECT\n    " + join(values, ",\n    ") + "\nFROM " + place.from + ";\n";
}

// WHERE of an update or delete: the row that the event is about or leads to, and what the step says.
std::string StepEmitter::rowCondition(const resolve::ResolvedStep& step, const std::string& alias) {
    const resolve::EntityInfo& target = *step.target;
    if (step.rowKey) return keyOf(target, alias) + " = " + printer_.print(*step.rowKey, false);
    if (!step.ownRow && step.byContext < 0) return printer_.print(step.where);
    resolve::Value key;
    if (step.byContext >= 0) {
        key = action_.contexts[step.byContext].key;
    } else {
        key.kind = resolve::ValueKind::eventColumn;
        key.name = target.key;
        key.type = target.column(target.key)->type;
        key.old = action_.binding.ops == resolve::opDelete;
    }
    std::string row = keyOf(target, alias) + " = " + printer_.print(key, false);
    return step.where ? row + "\n    AND (" + printer_.print(step.where) + ")" : row;
}

std::string StepEmitter::assignments(const resolve::ResolvedStep& step) {
    std::vector<std::string> set;
    for (const resolve::BoundAssignment& assignment : step.set)
        set.push_back(quoteName(assignment.column) + " = " + assignmentSql(assignment));
    return join(set, ",\n    ");
}

void StepEmitter::declare(const std::string& declaration) {
    if (std::find(declarations_.begin(), declarations_.end(), declaration) == declarations_.end())
        declarations_.push_back(declaration);
}

bool StepEmitter::isOwnRow(const resolve::ResolvedStep& step) const {
    if (step.limit || !step.order.empty()) return false;
    return step.ownRow || (step.rowKey && step.target == taken_ && step.rowKey->name == step.target->key);
}

std::string StepEmitter::update(const resolve::ResolvedStep& step, const StepPlace& place) {
    if (step.limit || !step.order.empty()) return allocation(step, "");
    if (!place.from.empty() && !isOwnRow(step)) {
        if (std::optional<SumUpdate> sum = readSum(world_, printer_.resolver(), action_, step))
            return sumUpdate(step, *sum, place);
        if (std::optional<resolve::Value> key = readFold(world_, printer_.resolver(), action_, step))
            return foldUpdate(step, *key, place);
    }
    bool remove = step.spec->kind == spec::StepKind::remove;
    std::string sql = remove ? "DELETE FROM " : "UPDATE ";
    sql += tableName(*step.target) + " AS t";
    if (!remove) sql += "\nSET " + assignments(step);
    if (!place.from.empty()) sql += (remove ? "\nUSING " : "\nFROM ") + place.from;
    return sql + "\nWHERE " + rowCondition(step, "t") + ";\n";
}

std::string StepEmitter::emitEvent(const resolve::ResolvedStep& step, const StepPlace& place) {
    std::string data, time;
    if (step.set.empty()) {
        data = eventData(place);
        bool row = action_.binding.hasRow() && place.rows != StepPlace::Rows::taken;
        if (row) {
            const resolve::EntityInfo& entity = *action_.binding.entity;
            resolve::Value key;
            key.kind = resolve::ValueKind::eventColumn;
            key.name = entity.key;
            key.type = "uuid";
            const char* which = action_.binding.ops == resolve::opDelete ? "old" : "new";
            data = "(" + data + " -> '" + which + "')";
            if (!entity.key.empty())
                data += " || jsonb_build_object(" + quoteLiteral(entity.word + "_id") + ", " +
                        printer_.print(key, true) + ")";
        }
    } else {
        for (const resolve::BoundAssignment& assignment : step.set)
            if (assignment.column == resolve::eventTimeKey)
                time = ", (" + assignmentSql(assignment) + ")::timestamp with time zone";
        data = jsonObject(step);
    }
    std::string type = quoteLiteral(step.spec->target.value);
    if (const Text& after = step.spec->after)
        return perform("specql.emit_later(" + type + ", " + printInterval(after) + ", " + data + ")", place);
    return perform("specql.emit(" + type + ", " + data + time + ")", place);
}

std::string StepEmitter::call(const resolve::ResolvedStep& step, const StepPlace& place) {
    std::vector<std::string> args;
    for (const resolve::BoundExpression& arg : step.args)
        args.push_back(printer_.print(arg));
    if (step.call != resolve::CallKind::queued) {
        std::string function =
            step.call == resolve::CallKind::action
                ? quoteName(step.calledAction->schema, snakeCase(step.calledAction->spec->name.value))
                : step.calledFunction;
        std::string call = function + "(" + join(args, ", ") + ")";
        // What the function queues belongs to the event that it is called for.
        bool hasEvent = place.rows == StepPlace::Rows::set || place.rows == StepPlace::Rows::loop;
        return perform((hasEvent ? "specql.focus(" + eventId(place) + "), " : "") + call, place);
    }
    std::vector<std::string> pairs;
    for (size_t i = 0; i < step.args.size(); i++) {
        const ExpressionFacts& facts = world_.facts(step.args[i].expression);
        bool name =
            facts.names.size() == 1 && facts.names[0].length == world_.expressionText(step.args[i].expression).size();
        pairs.push_back(quoteLiteral(name ? facts.names[0].parts.back() : "arg" + std::to_string(i + 1)) + ", " +
                        args[i]);
    }
    return perform("specql.call_external(" + quoteLiteral(step.spec->verb.value) + ", " +
                       quoteLiteral(step.spec->target.value) + ", " + eventId(place) + ", jsonb_build_object(" +
                       join(pairs, ", ") + "))",
                   place);
}

std::string StepEmitter::foreach (const resolve::ResolvedStep& step, const StepPlace& place) {
    const resolve::Value& array = step.condition.values.front();
    std::string variable = variableName(step.variable);
    std::string element = array.type == "jsonb" ? "jsonb" : resolve::elementType(array.type);
    declare(variable + " " + element + ";");
    std::string over = printer_.print(step.condition);
    std::string head = array.type == "jsonb" ? "FOR " + variable + " IN SELECT j.value FROM jsonb_array_elements(" +
                                                   over + ") AS j LOOP\n"
                                             : "FOREACH " + variable + " IN ARRAY coalesce(" + over + ", '{}') LOOP\n";
    bool before = oncePerEvent_;
    oncePerEvent_ = false;
    std::string body = emit(step.then, place);
    oncePerEvent_ = before;
    return head + indent(body, 4) + "END LOOP;\n";
}

std::string StepEmitter::one(const resolve::ResolvedStep& step, StepPlace& place) {
    const spec::Step& spec = *step.spec;
    switch (spec.kind) {
        case spec::StepKind::insert:
        case spec::StepKind::append:
        case spec::StepKind::create: return insert(step, place, delivers_);
        case spec::StepKind::update:
        case spec::StepKind::remove: return update(step, place);
        case spec::StepKind::upsert: return upsert(step, place);
        case spec::StepKind::let: return let(step, place);
        case spec::StepKind::assign: return assign(step);
        case spec::StepKind::find: return find(step, place);
        case spec::StepKind::each: return each(step, place);
        case spec::StepKind::lock: return lock(step, place);
        case spec::StepKind::callExternal: return queue("call_external", step, place);
        case spec::StepKind::notify: return queue("notify", step, place);
        case spec::StepKind::escalate: return queue("escalate", step, place);
        case spec::StepKind::emit: return emitEvent(step, place);
        case spec::StepKind::function:
        case spec::StepKind::call: return call(step, place);
        case spec::StepKind::validate: {
            std::string message =
                spec.message.empty()
                    ? quoteLiteral("validation failed: " + world_.expressionText(step.condition.expression))
                    : messageSql(step);
            // Several rows may have changed; of what is no row's, the message says all.
            bool ofRow = place.rows == StepPlace::Rows::loop && action_.binding.hasRow();
            std::string detail =
                ofRow ? ",\n        DETAIL = specql.which_row(" + printer_.meta("subject", "text") + ")" : "";
            if (spec.field) detail += ",\n        COLUMN = " + quoteLiteral(spec.field.value);
            return "IF (" + printer_.print(step.condition) +
                   ") IS NOT TRUE THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206', MESSAGE = " + message + detail +
                   ";\nEND IF;\n";
        }
        case spec::StepKind::branch: {
            std::string sql = "IF " + printer_.print(step.condition) + " THEN\n" + indent(emit(step.then, place), 4);
            if (!step.otherwise.empty()) sql += "ELSE\n" + indent(emit(step.otherwise, place), 4);
            return sql + "END IF;\n";
        }
        case spec::StepKind::foreach: return foreach (step, place);
        case spec::StepKind::stage: break;  // see StageEmitter
        case spec::StepKind::ret:
            if (place.label.empty()) {
                if (action_.info->spec->process) return "RETURN '{}'::jsonb;\n";
                if (action_.info->spec->ofRow && !action_.result) return "RETURN;\n";
                return "RETURN " + (action_.result ? printer_.print(action_.result) : "v_count") + ";\n";
            }
            usedLabels_.insert(place.label);
            return "CONTINUE " + place.label + ";\n";
    }
    return {};
}

}  // namespace specql::emit
