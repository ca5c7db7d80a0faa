#include "testgen/reference.hpp"

#include <algorithm>

#include "emit/printer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

bool inserts(const resolve::ResolvedStep& step) {
    spec::StepKind kind = step.spec->kind;
    return kind == spec::StepKind::insert || kind == spec::StepKind::append || kind == spec::StepKind::create;
}

bool sets(const resolve::ResolvedStep& step, const std::string& column) {
    return std::any_of(step.set.begin(), step.set.end(),
                       [&](const resolve::BoundAssignment& assignment) { return assignment.column == column; });
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

std::string service(const resolve::ResolvedStep& step) {
    return step.call == resolve::CallKind::queued ? step.spec->verb.value : step.spec->target.value;
}

std::string operation(const resolve::ResolvedStep& step) {
    return step.call == resolve::CallKind::queued ? step.spec->target.value : step.spec->message.value;
}

}  // namespace

Reference::Reference(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                     const Stage::Render& literal)
    : world_(world), resolver_(resolver), stage_(stage), literal_(literal) {
    for (const resolve::ResolvedBranch& branch : stage.action.branches) {
        look(branch.steps);
        look(branch.otherwise);
    }
    std::string body;
    for (const resolve::ResolvedBranch& branch : stage.action.branches)
        body += branch.condition ? choice(branch.condition, branch.steps, branch.otherwise) : block(branch.steps);
    // An event that is refused leaves nothing.
    if (validates_) body = "BEGIN\n" + indent(body, 4) + "EXCEPTION WHEN SQLSTATE 'SQ206' THEN\n    NULL;\nEND;\n";
    std::string declared;
    for (const std::string& variable : variables_)
        declared += "    " + variable + ";\n";
    statement_ =
        "DO " +
        dollarQuote((declared.empty() ? "" : "DECLARE\n" + declared) + "BEGIN\n" + indent(body, 4) + "END ", "do");
    for (const auto& [place, why] : unclear_)
        queries_.erase(place);
}

// --- where it is seen ------------------------------------------------------------------------------------------------

void Reference::look(const std::vector<resolve::ResolvedStep>& steps) {
    for (const resolve::ResolvedStep& step : steps) {
        if (step.spec->kind == spec::StepKind::emit) {
            queries_["event " + step.spec->target.value] =
                "SELECT jsonb_build_object('data', v.data)\nFROM (SELECT DISTINCT ON (o.id) o.data FROM specql.events "
                "AS o WHERE o.type = " +
                quoteLiteral(step.spec->target.value) + " AND o.xid = pg_current_xact_id()) AS v";
        } else if (const char* kind = deliveryKind(step)) {
            std::string where = std::string("d.kind = '") + kind + "' AND ";
            if (std::string(kind) == "call")
                where += "d.service = " + quoteLiteral(service(step)) +
                         " AND d.operation = " + quoteLiteral(operation(step));
            else
                where += "d.channel = " + quoteLiteral(step.spec->target.value);
            queries_[*placesOf(step).begin()] =
                "SELECT jsonb_build_object('message', d.message, 'payload', d.payload)\nFROM specql.deliveries AS d\n"
                "WHERE " +
                where + " AND d.created_at >= now()";
        } else if (step.target) {
            lookAtTable(step);
        } else if (step.calledAction) {
            for (const resolve::ResolvedAction& called : resolver_.actions)
                if (called.info == step.calledAction)
                    for (const resolve::ResolvedBranch& branch : called.branches) {
                        look(branch.steps);
                        look(branch.otherwise);
                    }
        }
        look(step.then);
        look(step.otherwise);
    }
}

// Of the rows that this transaction has written. What says that an event row was processed is tested by itself.
void Reference::lookAtTable(const resolve::ResolvedStep& step) {
    const resolve::EntityInfo& entity = *step.target;
    if (inserts(step)) {
        auto known = keyed_.emplace(&entity, true).first;
        known->second = known->second && sets(step, entity.key);
    }
    std::string row = "to_jsonb(t)";
    auto made = keyed_.find(&entity);
    if (made != keyed_.end() && !made->second && !entity.key.empty()) row += " - " + quoteLiteral(entity.key);
    if (entity.column("event_type") && entity.column("processed_at")) row += " - 'processed_at'";
    queries_[entity.shown()] =
        "SELECT " + row + " FROM " + tableName(entity) + " AS t\nWHERE age(t.xmin) <= age(pg_current_xact_id()::xid)";
}

std::set<std::string> Reference::placesOf(const resolve::ResolvedStep& step) const {
    std::set<std::string> found;
    const spec::Step& spec = *step.spec;
    if (const char* kind = deliveryKind(step))
        found.insert(std::string(kind) + " " +
                     (std::string(kind) == "call" ? service(step) + "." + operation(step) : spec.target.value));
    else if (spec.kind == spec::StepKind::emit)
        found.insert("event " + spec.target.value);
    else if (step.target)
        found.insert(step.target->shown());
    if (step.calledAction)
        for (const resolve::ResolvedAction& called : resolver_.actions)
            if (called.info == step.calledAction)
                for (const resolve::ResolvedBranch& branch : called.branches)
                    for (const resolve::ResolvedStep& one : branch.steps)
                        found.merge(placesOf(one));
    for (const std::vector<resolve::ResolvedStep>* inner : {&step.then, &step.otherwise})
        for (const resolve::ResolvedStep& one : *inner)
            found.merge(placesOf(one));
    return found;
}

std::set<std::string> Reference::places(const resolve::ResolvedStep& step, std::string& why) const {
    std::set<std::string> found;
    for (const std::string& place : placesOf(step)) {
        auto known = unclear_.find(place);
        if (known == unclear_.end())
            found.insert(place);
        else
            why = known->second;
    }
    if (found.empty() && why.empty()) why = "what the function does is known to its author only";
    return found;
}

std::string Reference::queries() const {
    std::vector<std::string> pairs;
    for (const auto& [place, query] : queries_)
        pairs.push_back(quoteLiteral(place) + ", " + dollarQuote(query, "sql"));
    return "jsonb_build_object(" + join(pairs, ",\n    ") + ")";
}

void Reference::give(const resolve::ResolvedStep& step, const std::string& why) {
    for (const std::string& place : placesOf(step))
        unclear_.emplace(place, why);
}

// --- sentences -------------------------------------------------------------------------------------------------------

std::string Reference::block(const std::vector<resolve::ResolvedStep>& steps) {
    std::string sql;
    for (const resolve::ResolvedStep& step : steps) {
        std::string why, written = sentence(step, why);
        if (why.empty() && written.find(unknown) != std::string::npos)
            why = "it depends on values of a row that the events do not say";
        if (why.empty())
            sql += written;
        else
            give(step, why);
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
    const spec::Step& spec = *step.spec;
    switch (spec.kind) {
        case spec::StepKind::insert:
        case spec::StepKind::append:
        case spec::StepKind::create: return insert(step, why);
        case spec::StepKind::update:
        case spec::StepKind::remove: return update(step, why);
        case spec::StepKind::callExternal: return queue("call_external", step);
        case spec::StepKind::notify: return queue("notify", step);
        case spec::StepKind::escalate: return queue("escalate", step);
        case spec::StepKind::emit: return emit(step, why);
        case spec::StepKind::function:
        case spec::StepKind::call: return call(step, why);
        case spec::StepKind::validate:
            validates_ = true;
            return "IF (" + print(step.condition, why) +
                   ") IS NOT TRUE THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206';\nEND IF;\n";
        case spec::StepKind::branch: return choice(step.condition, step.then, step.otherwise);
        case spec::StepKind::foreach: return foreach (step, why);
        case spec::StepKind::ret: return "RETURN;\n";
    }
    return "";
}

std::string Reference::value(const resolve::Value& value, std::string& why) const {
    if (value.kind == resolve::ValueKind::target) return "t." + quoteName(value.name);
    if (value.kind == resolve::ValueKind::local) return emit::variableName(value.name);
    std::string sql;
    (void)stage_.printValue(value, literal_, sql, why);
    return sql;
}

std::string Reference::print(const resolve::BoundExpression& bound, std::string& why) const {
    return emit::printBound(world_, resolver_, bound, 0, world_.expressionText(bound.expression).size(),
                            [&](const resolve::Value& name) { return value(name, why); });
}

std::string Reference::assigned(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment,
                                std::string& why) const {
    std::string sql = assignment.taken ? value(*assignment.taken, why) : print(assignment.value, why);
    const resolve::ColumnInfo* column = step.target ? step.target->column(assignment.column) : nullptr;
    return column ? castTo(sql, column->type) : sql;
}

std::string Reference::insert(const resolve::ResolvedStep& step, std::string& why) {
    const resolve::EntityInfo& entity = *step.target;
    std::vector<std::string> columns, values;
    const resolve::ColumnInfo* key = entity.column(entity.key);
    if (key && key->type == "uuid" && !sets(step, entity.key)) {
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
    std::vector<std::string> where, set;
    const std::string key = "t." + quoteName(entity.key) + " = ";
    if (step.ownRow) where.push_back(key + literal_(stage_.dimension({Place::row(), entity.key})));
    if (step.byContext >= 0)
        where.push_back(key + value(stage_.action.contexts[static_cast<size_t>(step.byContext)].key, why));
    if (step.where) where.push_back("(" + print(step.where, why) + ")");
    if (where.empty()) return why = "its rows are not known", "";
    for (const resolve::BoundAssignment& assignment : step.set)
        set.push_back(quoteName(assignment.column) + " = " + assigned(step, assignment, why));
    std::string table = tableName(entity) + " AS t";
    std::string condition = "\nWHERE " + join(where, " AND ") + ";\n";
    if (step.spec->kind == spec::StepKind::remove) return "DELETE FROM " + table + condition;
    return "UPDATE " + table + " SET " + join(set, ", ") + condition;
}

std::string Reference::eventData() const {
    return "(SELECT v.data FROM specql.events AS v WHERE " + stage_.eventCondition(literal_, "v") +
           " ORDER BY v.id DESC LIMIT 1)";
}

std::string Reference::queue(const std::string& function, const resolve::ResolvedStep& step) const {
    const spec::Step& spec = *step.spec;
    std::string sql = "PERFORM specql." + function + "(" + quoteLiteral(spec.target.value) + ", " +
                      quoteLiteral(spec.message.value) + ", NULL::uuid, " + eventData();
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
    return "PERFORM specql.emit(" + quoteLiteral(step.spec->target.value) + ", " + data + time + ");\n";
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
    const std::string variable = emit::variableName(step.spec->variable.value), over = print(step.condition, why);
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
