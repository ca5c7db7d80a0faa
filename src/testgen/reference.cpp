#include "testgen/reference.hpp"

#include <algorithm>

#include "emit/printer.hpp"
#include "emit/tables.hpp"
#include "testgen/steps.hpp"
#include "text/duration.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

// The kind of delivery that a step queues; null if it queues none.
const char* deliveryKind(const resolve::ResolvedStep& step) {
    switch (step.spec->kind) {
        case spec::StepKind::notify: return "notify";
        case spec::StepKind::escalate: return "escalation";
        case spec::StepKind::callExternal: return "call";
        default: return step.call == resolve::CallKind::queued ? "call" : nullptr;
    }
}

bool isCall(const resolve::ResolvedStep& step) {
    return deliveryKind(step) == std::string("call");
}

std::string service(const resolve::ResolvedStep& step) {
    return step.call == resolve::CallKind::queued ? step.spec->verb.value : step.spec->target.value;
}

std::string operation(const resolve::ResolvedStep& step) {
    return step.call == resolve::CallKind::queued ? step.spec->target.value : step.spec->message.value;
}

// Where what the step itself does is seen; empty if it is nowhere.
std::string placeOf(const resolve::ResolvedStep& step) {
    if (const char* kind = deliveryKind(step))
        return std::string(kind) + " " +
               (isCall(step) ? service(step) + "." + operation(step) : step.spec->target.value);
    if (step.spec->kind == spec::StepKind::emit)
        return (step.spec->after ? "later event " : "event ") + step.spec->target.value;
    return step.target && step.spec->kind != spec::StepKind::lock && !looksForRows(step) ? step.target->shown() : "";
}

// Whether the channel depends on the event.
bool hasFreeChannel(const resolve::ResolvedStep& step) {
    return std::any_of(step.targetValues.begin(), step.targetValues.end(),
                       [](const resolve::BoundExpression& bound) { return bool(bound); });
}

// Deliveries to the step's channel: those that are to all that it can be, as LIKE reads it.
std::string channelCondition(const resolve::ResolvedStep& step) {
    if (!hasFreeChannel(step))
        return " AND d.channel = " + emit::printChannel(step.spec->target, step.spec->targetParts, {});
    std::string pattern;
    for (const spec::TemplatePart& part : step.spec->targetParts) {
        for (char c : part.text)
            pattern += (c == '%' || c == '_' || c == '\\' ? "\\" : "") + std::string(1, c);
        pattern += part.value ? "%" : "";
    }
    return " AND d.channel LIKE " + quoteLiteral(pattern);
}

// What is there of events or deliveries, and came with the test.
std::string queryOf(const resolve::ResolvedStep& step) {
    if (step.spec->kind == spec::StepKind::emit && step.spec->after)
        return "SELECT jsonb_build_object('data', l.data, 'seconds', "
               "round(extract(epoch FROM l.due_at - specql.uuid_time(l.id))))\nFROM specql.later_events AS l WHERE "
               "l.type = " +
               quoteLiteral(step.spec->target.value) + " AND l.xid = pg_current_xact_id()";
    if (step.spec->kind == spec::StepKind::emit)
        return "SELECT jsonb_build_object('data', v.data)\nFROM (SELECT DISTINCT ON (o.id) o.data FROM specql.events "
               "AS o WHERE o.type = " +
               quoteLiteral(step.spec->target.value) + " AND o.xid = pg_current_xact_id()) AS v";
    const char* channel = hasFreeChannel(step) ? "'channel', d.channel, " : "";
    return std::string("SELECT jsonb_build_object(") + channel +
           "'message', d.message, 'payload', d.payload)\nFROM specql.deliveries AS d\n"
           "WHERE d.kind = " +
           quoteLiteral(deliveryKind(step)) +
           (isCall(step) ? " AND d.service = " + quoteLiteral(service(step)) +
                               " AND d.operation = " + quoteLiteral(operation(step))
                         : channelCondition(step)) +
           " AND d.created_at >= now()";
}

std::string wayVariable(int context) {
    return "v_way_" + std::to_string(context + 1);
}

bool takes(const std::vector<resolve::ResolvedStep>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const resolve::ResolvedStep& step) {
        return step.takes || takes(step.then) || takes(step.otherwise);
    });
}

}  // namespace

Reference::Reference(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                     const Stage::Render& literal, const resolve::ResolvedAction* told)
    : world_(world),
      resolver_(resolver),
      stage_(stage),
      literal_(literal),
      told_(told != nullptr ? *told : stage.action) {
    visitSteps(resolver, told_, [this](const resolve::ResolvedStep& step) {
        if (insertsRow(step) && !assignmentOf(step, step.target->key)) keysChosen_.insert(step.target);
    });
    visitSteps(resolver, told_, [this](const resolve::ResolvedStep& step) {
        if (deliveryKind(step) || step.spec->kind == spec::StepKind::emit)
            queries_[placeOf(step)] = queryOf(step);
        else if (step.target && !looksForRows(step))
            lookAtTable(*step.target);
    });
    std::string body = readWays();
    for (const resolve::ResolvedBranch& branch : told_.branches)
        body += branch.condition ? choice(branch.condition, branch.steps, branch.otherwise) : block(branch.steps);
    if (told_.info->spec->ofRow && told_.result) {
        std::string why;
        body += "PERFORM set_config('specql_test.returned', (" + print(told_.result, why) + ")::text, true);\n";
    }
    // An event that is refused leaves nothing; with `on_error: abort` not even what was about to raise it.
    if (validates_) {
        if (told_.isAnswer() || told_.info->spec->onError.value != "abort")
            body = "BEGIN\n" + indent(body, 4) +
                   "EXCEPTION WHEN SQLSTATE 'SQ206' THEN\n"
                   "    PERFORM set_config('specql_test.refused', SQLERRM, true);\nEND;\n";
        queries_[refusal] =
            "SELECT jsonb_build_object('message', coalesce(nullif(current_setting('specql_test.refused', true), ''),\n"
            "    (SELECT min(f.message) FROM specql.failures AS f WHERE " +
            stage.eventCondition(literal, "f") + ")))";
    }
    const bool takesRows = resolve::takesRows(*told_.info);
    if (takesRows || (told_.info->spec->ofRow && told_.result)) {
        // One that takes no rows returns how many elements it has handled.
        bool any = false;
        for (const resolve::ResolvedBranch& branch : told_.branches)
            any = any || takes(branch.steps) || takes(branch.otherwise);
        const std::string first = !takesRows ? "" : any ? "0" : "1";
        body = "PERFORM set_config('specql_test.returned', '" + first + "', true);\n" + body;
        queries_[returned] = "SELECT jsonb_build_object('rows', current_setting('specql_test.returned', true))";
    }
    std::string declared;
    for (const std::string& variable : variables_)
        declared += "    " + variable + ";\n";
    // A row that is taken is called as its table is.
    if (!declared.empty()) declared = "#variable_conflict use_column\nDECLARE\n" + declared;
    statement_ = "DO " + dollarQuote(declared + "BEGIN\n" + indent(body, 4) + "END ", "do");
    for (const auto& [place, why] : unclear_)
        queries_.erase(place);
}

// --- where it is seen ------------------------------------------------------------------------------------------------

// Of the rows that this transaction has written. What says that an event row was processed is tested by itself.
void Reference::lookAtTable(const resolve::EntityInfo& entity) {
    std::string row = "to_jsonb(t)";
    if (keysChosen_.count(&entity) && !entity.key.empty()) row += " - " + quoteLiteral(entity.key);
    if (entity.column("event_type") && entity.column("processed_at")) row += " - 'processed_at'";
    queries_[entity.shown()] =
        "SELECT " + row + " FROM " + tableName(entity) + " AS t\nWHERE age(t.xmin) <= age(pg_current_xact_id()::xid)";
}

std::set<std::string> Reference::places(const resolve::ResolvedStep& step, std::string& why) const {
    std::set<std::string> found;
    visitSteps(resolver_, step, [&](const resolve::ResolvedStep& one) {
        std::string place = placeOf(one);
        auto unclear = unclear_.find(place);
        if (unclear != unclear_.end())
            why = unclear->second;
        else if (!place.empty())
            found.insert(place);
    });
    if (found.empty() && why.empty()) why = "what the function does is known to its author only";
    return found;
}

std::string Reference::queries(const std::set<std::string>& places) const {
    std::vector<std::string> pairs;
    for (const auto& [place, query] : queries_)
        if (places.empty() || places.count(place))
            pairs.push_back(quoteLiteral(place) + ", " + dollarQuote(query, "sql"));
    return "jsonb_build_object(" + join(pairs, ",\n    ") + ")";
}

void Reference::give(const resolve::ResolvedStep& step, const std::string& why) {
    visitSteps(resolver_, step, [&](const resolve::ResolvedStep& one) {
        if (!placeOf(one).empty()) unclear_.emplace(placeOf(one), why);
    });
}

// --- sentences -------------------------------------------------------------------------------------------------------

std::string Reference::block(const std::vector<resolve::ResolvedStep>& steps) {
    std::string sql;
    for (size_t i = 0; i < steps.size(); i++) {
        const resolve::ResolvedStep& step = steps[i];
        std::vector<resolve::ResolvedStep> behind;
        if (step.takes) behind.assign(steps.begin() + static_cast<long>(i) + 1, steps.end());
        std::string why, written = step.takes ? take(step, behind, why) : sentence(step, why);
        if (why.empty()) {
            sql += written;
        } else {
            give(step, why);
            for (const resolve::ResolvedStep& one : behind)
                give(one, why);
        }
        if (step.takes) break;
    }
    return sql.empty() ? "NULL;\n" : sql;
}

std::string Reference::choice(const resolve::BoundExpression& condition, const std::vector<resolve::ResolvedStep>& then,
                              const std::vector<resolve::ResolvedStep>& otherwise) {
    std::string why, sql = print(condition, why);
    if (!why.empty()) {
        for (const std::vector<resolve::ResolvedStep>* steps : {&then, &otherwise})
            for (const resolve::ResolvedStep& step : *steps)
                give(step, "its condition cannot be tested: " + why);
        return "";
    }
    sql = "IF " + sql + " THEN\n" + indent(block(then), 4);
    if (!otherwise.empty()) sql += "ELSE\n" + indent(block(otherwise), 4);
    return sql + "END IF;\n";
}

std::string Reference::sentence(const resolve::ResolvedStep& step, std::string& why) {
    switch (step.spec->kind) {
        case spec::StepKind::insert:
        case spec::StepKind::append:
        case spec::StepKind::create: return insert(step, why);
        case spec::StepKind::update:
        case spec::StepKind::remove: return update(step, why);
        case spec::StepKind::upsert: return upsert(step, why);
        case spec::StepKind::find: return find(step, why);
        case spec::StepKind::each: return each(step, why);
        case spec::StepKind::lock:
        case spec::StepKind::assign: return "";
        case spec::StepKind::let: return let(step, why);
        case spec::StepKind::callExternal: return queue("call_external", step, why);
        case spec::StepKind::notify: return queue("notify", step, why);
        case spec::StepKind::escalate: return queue("escalate", step, why);
        case spec::StepKind::emit: return emit(step, why);
        case spec::StepKind::function:
        case spec::StepKind::call: return call(step, why);
        case spec::StepKind::validate: return validate(step, why);
        case spec::StepKind::branch: return choice(step.condition, step.then, step.otherwise);
        case spec::StepKind::foreach: return foreach (step, why);
        case spec::StepKind::stage: return "";
        case spec::StepKind::ret: return taken_ ? "CONTINUE taken_rows;\n" : "RETURN;\n";
    }
    return "";
}

std::string Reference::value(const resolve::Value& value, std::string& why) const {
    if (value.kind == resolve::ValueKind::queryColumn) return emit::printQueryColumn(value);
    if (value.kind == resolve::ValueKind::target && newRow_) {
        const resolve::ColumnInfo& column = *newRow_->column(value.name);
        const std::string given = emit::columnDefault(world_, resolver_, *newRow_, column);
        return given.empty() ? "NULL::" + column.type : given;
    }
    if (value.kind == resolve::ValueKind::target) return "t." + quoteName(value.name);
    if (value.kind == resolve::ValueKind::local && unknown_.count(value.name)) why = "it reads " + value.name;
    if (value.kind == resolve::ValueKind::handled) return "v_taken." + quoteName(value.name);
    if (value.kind == resolve::ValueKind::local) return emit::variableName(value.name);
    if (value.kind == resolve::ValueKind::context && told_.isAnswer())
        return wayVariable(value.context) + "." + quoteName(value.name);
    if (value.kind == resolve::ValueKind::row)
        return emit::variableName(told_.rows[static_cast<size_t>(value.context)].variable) + "." +
               quoteName(value.name);
    std::string sql;
    (void)stage_.printValue(value, literal_, sql, why);
    return sql;
}

std::string Reference::print(const resolve::BoundExpression& bound, std::string& why) const {
    return emit::printBound(
        world_, resolver_, bound, 0, world_.expressionText(bound.expression).size(),
        [&](const resolve::Value& name) { return value(name, why); }, emit::printTables(bound));
}

std::string Reference::assigned(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment,
                                std::string& why) const {
    std::string sql = assignment.taken ? value(*assignment.taken, why) : print(assignment.value, why);
    const resolve::ColumnInfo* column = step.target ? step.target->column(assignment.column) : nullptr;
    return column ? typedValue(sql, column->type) : sql;
}

std::string Reference::assignments(const resolve::ResolvedStep& step, std::string& why) const {
    std::vector<std::string> set;
    for (const resolve::BoundAssignment& assignment : step.set)
        set.push_back(quoteName(assignment.column) + " = " + assigned(step, assignment, why));
    return join(set, ", ");
}

std::string Reference::insert(const resolve::ResolvedStep& step, std::string& why) {
    const resolve::EntityInfo& entity = *step.target;
    std::vector<std::string> columns, values;
    const resolve::ColumnInfo* key = entity.column(entity.key);
    if (key && key->type == "uuid" && !assignmentOf(step, entity.key)) {
        columns.push_back(quoteName(entity.key));
        values.emplace_back("gen_random_uuid()");
    }
    for (const resolve::BoundAssignment& assignment : step.set) {
        columns.push_back(quoteName(assignment.column));
        values.push_back(assigned(step, assignment, why));
    }
    if (columns.empty()) return "INSERT INTO " + tableName(entity) + " DEFAULT VALUES;\n";
    return "INSERT INTO " + tableName(entity) + " (" + join(columns, ", ") + ")\nVALUES (" + join(values, ", ") +
           ");\n";
}

std::string Reference::update(const resolve::ResolvedStep& step, std::string& why) {
    const resolve::EntityInfo& entity = *step.target;
    if (step.limit || !step.order.empty()) return why = "an allocation is tested where it is a bulk operation", "";
    std::vector<std::string> where;
    const std::string key = "t." + quoteName(entity.key) + " = ";
    if (step.ownRow) where.push_back(key + literal_(stage_.dimension({Place::row(), entity.key})));
    if (step.byContext >= 0) where.push_back(key + value(told_.contexts[static_cast<size_t>(step.byContext)].key, why));
    if (step.rowKey) where.push_back(key + value(*step.rowKey, why));
    if (step.where) where.push_back("(" + print(step.where, why) + ")");
    if (where.empty()) return why = "its rows are not known", "";
    std::string condition = "\nWHERE " + join(where, " AND ") + ";\n";
    if (step.spec->kind == spec::StepKind::remove) return "DELETE FROM " + tableName(entity) + " AS t" + condition;
    return "UPDATE " + tableName(entity) + " AS t SET " + assignments(step, why) + condition;
}

// Rows are taken one by one, in order, until there are enough or one does not fit; then the steps behind are done for
// each of them.
std::string Reference::take(const resolve::ResolvedStep& step, const std::vector<resolve::ResolvedStep>& behind,
                            std::string& why) {
    if (taken_) return why = "it takes rows for each row that it has taken", "";
    const resolve::EntityInfo& entity = *step.target;
    const std::string table = tableName(entity), key = quoteName(entity.key);
    variables_.insert({"t record", "v_taken " + table, "v_rows " + table + "[] := '{}'", "v_total numeric := 0"});
    std::vector<std::string> order;
    for (const resolve::BoundOrder& item : step.order)
        order.push_back(print(item.value, why) + (item.spec->descending ? " DESC" : "") +
                        (item.spec->nulls == 0   ? ""
                         : item.spec->nulls == 1 ? " NULLS FIRST"
                                                 : " NULLS LAST"));
    order.push_back("t." + key);
    const std::string limit = step.limit ? print(step.limit, why) : "";
    const bool sum = !step.allocated.empty();
    std::string loop = "FOR t IN SELECT t.* FROM " + table + " AS t WHERE " +
                       (step.where ? print(step.where, why) : "true") + "\n    ORDER BY " + join(order, ", ") +
                       (limit.empty() || sum ? "" : " LIMIT coalesce(" + limit + ", 0)") + " LOOP\n";
    if (sum)
        loop += "    v_total := v_total + t." + quoteName(step.allocated) + ";\n    EXIT WHEN (v_total <= (" + limit +
                ")) IS NOT TRUE;\n";
    loop += step.spec->kind == spec::StepKind::remove ? "    DELETE FROM " + table + " AS u"
                                                      : "    UPDATE " + table + " AS u SET " + assignments(step, why);
    loop += " WHERE u." + key + " = t." + key +
            " RETURNING u.* INTO v_taken;\n    v_rows := v_rows || v_taken;\nEND LOOP;\n"
            "PERFORM set_config('specql_test.returned', cardinality(v_rows)::text, true);\n";
    if (behind.empty()) return loop;
    taken_ = true;
    std::string each = block(behind);
    taken_ = false;
    return loop + "<<taken_rows>>\nFOREACH v_taken IN ARRAY v_rows LOOP\n" + indent(each, 4) + "END LOOP;\n";
}

std::string Reference::validate(const resolve::ResolvedStep& step, std::string& why) {
    validates_ = true;
    std::string message =
        step.spec->message.empty()
            ? quoteLiteral("validation failed: " + world_.expressionText(step.condition.expression))
            : emit::printMessage(step.spec->message, step.spec->messageParts, printed(step.messageValues, why));
    return "IF (" + print(step.condition, why) + ") IS NOT TRUE THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206', " +
           "MESSAGE = " + message + ";\nEND IF;\n";
}

std::string Reference::readWays() {
    std::string sql;
    for (size_t i = 0; i < told_.contexts.size() && told_.isAnswer(); i++) {
        const resolve::Context& way = told_.contexts[i];
        const std::string variable = wayVariable(static_cast<int>(i)), table = tableName(*way.entity);
        std::string why, key = value(way.key, why);
        if (!why.empty()) continue;
        variables_.insert(variable + " " + table);
        sql += "SELECT t.* INTO " + variable + " FROM " + table + " AS t WHERE t." + quoteName(way.entity->key) +
               " = " + key + ";\n";
    }
    return sql;
}

std::string Reference::eventData() const {
    if (taken_) return "to_jsonb(v_taken)";
    if (resolve::isFunction(*told_.info)) return stage_.payload(literal_);
    return "(SELECT v.data FROM specql.events AS v WHERE " + stage_.eventCondition(literal_, "v") +
           " ORDER BY v.id DESC LIMIT 1)";
}

std::vector<std::string> Reference::printed(const std::vector<resolve::BoundExpression>& values,
                                            std::string& why) const {
    std::vector<std::string> printed;
    for (const resolve::BoundExpression& bound : values)
        printed.push_back(bound ? emit::printInText(resolver_, bound, print(bound, why)) : "");
    return printed;
}

std::string Reference::queue(const std::string& function, const resolve::ResolvedStep& step, std::string& why) const {
    const spec::Step& spec = *step.spec;
    if (spec.idempotencyKey) why = "it depends on the keys that are known";
    std::string data = spec.ownPayload ? "'{}'::jsonb" : eventData();
    for (const resolve::BoundAssignment& assignment : step.set)
        data +=
            " || jsonb_build_object(" + quoteLiteral(assignment.column) + ", " + assigned(step, assignment, why) + ")";
    std::string after = spec.after ? ", " + emit::printInterval(spec.after) : "";
    std::string sql = "PERFORM specql." + (spec.after ? "call_later" : function) + "(" +
                      emit::printChannel(spec.target, spec.targetParts, printed(step.targetValues, why)) + ", " +
                      emit::printMessage(spec.message, spec.messageParts, printed(step.messageValues, why)) + after +
                      ", NULL::uuid, " + data;
    if (spec.severity) sql += ", severity => " + quoteLiteral(spec.severity.value);
    if (spec.repeat) sql += ", repeat => " + quoteLiteral(spec.repeat.value);
    return sql + ");\n";
}

std::string Reference::emit(const resolve::ResolvedStep& step, std::string& why) {
    std::string data = eventData(), time;
    if (!step.set.empty()) {
        std::vector<std::string> pairs;
        for (const resolve::BoundAssignment& assignment : step.set) {
            std::string sql = assigned(step, assignment, why);
            pairs.push_back(quoteLiteral(assignment.column) + ", " + sql);
            if (assignment.column == resolve::eventTimeKey) time = ", (" + sql + ")::timestamp with time zone";
        }
        data = "jsonb_build_object(" + join(pairs, ", ") + ")";
    } else if (!stage_.action.binding.custom) {
        const resolve::EntityInfo& entity = *stage_.action.binding.entity;
        data += stage_.operation == resolve::opDelete ? " -> 'old'" : " -> 'new'";
        int key = stage_.dimension({Place::row(), entity.key});
        data = "(" + data + ")";
        if (key >= 0)
            data += " || jsonb_build_object(" + quoteLiteral(entity.word + "_id") + ", " + literal_(key) + ")";
    }
    const std::string type = quoteLiteral(step.spec->target.value);
    if (const Text& after = step.spec->after)
        return "PERFORM specql.emit_later(" + type + ", " + emit::printInterval(after) + ", " + data + ");\n";
    return "PERFORM specql.emit(" + type + ", " + data + time + ");\n";
}

std::string Reference::call(const resolve::ResolvedStep& step, std::string& why) {
    std::vector<std::string> args, pairs;
    for (size_t i = 0; i < step.args.size(); i++) {
        const ExpressionFacts& facts = world_.facts(step.args[i].expression);
        bool name =
            facts.names.size() == 1 && facts.names[0].length == world_.expressionText(step.args[i].expression).size();
        args.push_back(print(step.args[i], why));
        pairs.push_back(quoteLiteral(name ? facts.names[0].parts.back() : "arg" + std::to_string(i + 1)) + ", " +
                        args.back());
    }
    if (step.call == resolve::CallKind::queued)
        return "PERFORM specql.call_external(" + quoteLiteral(step.spec->verb.value) + ", " +
               quoteLiteral(step.spec->target.value) + ", NULL::uuid, jsonb_build_object(" + join(pairs, ", ") +
               "));\n";
    std::string function = step.call == resolve::CallKind::action
                               ? quoteName(step.calledAction->schema, snakeCase(step.calledAction->spec->name.value))
                               : step.calledFunction;
    return "PERFORM " + function + "(" + join(args, ", ") + ");\n";
}

std::string Reference::foreach (const resolve::ResolvedStep& step, std::string & why) {
    const resolve::Value& array = step.condition.values.front();
    const std::string variable = emit::variableName(step.variable), over = print(step.condition, why);
    const bool json = array.type == "jsonb";
    if (!why.empty()) return "";
    const std::string declared = variable + " " + (json ? "jsonb" : resolve::elementType(array.type));
    for (const std::string& other : variables_)
        if (other != declared && resolve::startsWith(other, variable + " "))
            return why = "another loop has a variable of that name", "";
    variables_.insert(declared);
    return (json ? "FOR " + variable + " IN SELECT j.value FROM jsonb_array_elements(" + over + ") AS j LOOP\n"
                 : "FOREACH " + variable + " IN ARRAY coalesce(" + over + ", '{}') LOOP\n") +
           indent(block(step.then), 4) + "END LOOP;\n";
}

}  // namespace specql::testgen
