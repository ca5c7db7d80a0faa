#include "emit/action.hpp"

#include <algorithm>

#include "emit/before.hpp"
#include "emit/bulk.hpp"
#include "emit/contexts.hpp"
#include "emit/coordinated.hpp"
#include "emit/due.hpp"
#include "emit/function.hpp"
#include "emit/process.hpp"
#include "emit/registration.hpp"
#include "emit/steps.hpp"
#include "emit/subject.hpp"
#include "emit/window.hpp"
#include "resolve/event_scope.hpp"
#include "resolve/event_time.hpp"
#include "resolve/privacy.hpp"
#include "spec/coordinated.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

using Rows = StepPlace::Rows;

// A condition that can be tested where the row is captured: it reads nothing but the row itself.
bool capturable(const resolve::BoundExpression& condition) {
    return std::all_of(condition.values.begin(), condition.values.end(), [](const resolve::Value& value) {
        return value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::eventChange ||
               value.kind == resolve::ValueKind::eventRow ||
               (value.kind == resolve::ValueKind::meta &&
                (value.name == "event_type" || value.name == resolve::operationName));
    });
}

// The steps of a branch: those of its then, or those of its else.
struct Arm {
    const resolve::ResolvedBranch* branch;
    bool negated;
    const std::vector<resolve::ResolvedStep>& steps() const { return negated ? branch->otherwise : branch->steps; }
};

class ActionEmitter {
public:
    ActionEmitter(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action)
        : world_(world),
          resolver_(resolver),
          action_(action),
          binding_(action.binding),
          info_(*action.info),
          printer_(world, resolver, action, Printer::Place::handler),
          steps_(world, action, printer_) {
        for (const resolve::ResolvedBranch& branch : action.branches) {
            arms_.push_back({&branch, false});
            if (!branch.otherwise.empty()) arms_.push_back({&branch, true});
        }
        function_ = resolve::isFunction(info_);
        bool conditions =
            std::any_of(arms_.begin(), arms_.end(), [](const Arm& arm) { return bool(arm.branch->condition); });
        allCapturable_ = !binding_.custom && std::all_of(arms_.begin(), arms_.end(), [](const Arm& arm) {
            return capturable(arm.branch->condition);
        });
        std::vector<const resolve::ResolvedStep*> steps;
        for (const Arm& arm : arms_)
            for (const resolve::ResolvedStep& step : arm.steps())
                steps.push_back(&step);
        // A row that steps only update, and whose values none of them uses, is not read before.
        bool reads = std::any_of(action.contexts.begin(), action.contexts.end(),
                                 [](const resolve::Context& context) { return !context.columns.empty(); });
        set_ = !reads && !binding_.isDue() && (!conditions || allCapturable_ || action.isFeed()) && !hasTimeout() &&
               steps_.setBased(steps);
    }

    void emit(std::vector<Object>& functions, std::vector<Object>& triggers) {
        std::string body = keepsTimes()       ? keepDueTimes(action_, printer_)
                           : isAwaited()      ? waitersBody()
                           : action_.isFeed() ? feedBody()
                           : function_        ? callBody()
                           : set_             ? setBody()
                                              : loopBody();
        // Even if no step uses a value of the events, the rows function must give one row for each of them.
        if (printer_.used().empty() && body.find(rowsName() + "(") != std::string::npos)
            printer_.meta("event_id", "uuid");
        if (steps_.mayEndUndelivered())
            body += "\n-- event rows whose event had nothing to deliver after all\nPERFORM " + processedName() +
                    "(specql.undelivered());\n";
        if (!binding_.custom) functions.push_back(functionObject(captureFunction(), unit()));
        if (!printer_.used().empty()) functions.push_back(functionObject(rowsFunction(), unit()));
        if (keepsTimes() && binding_.hasRow()) functions.push_back(functionObject(dueTimesFunction(action_), unit()));
        functions.push_back(functionObject(handler(body), unit()));
        if (!steps_.reactions().empty()) functions.push_back(functionObject(processedFunction(), unit()));
        if (!binding_.custom && !action_.isAnswer()) triggers.push_back(actionTrigger(action_));
        triggers.push_back(registration(world_, resolver_, action_, steps_.reactions().empty() ? "" : processedName()));
    }

private:
    std::string unit() const { return info_.unit->key(); }
    bool hasTimeout() const {
        return std::any_of(arms_.begin(), arms_.end(), [](const Arm& arm) { return arm.branch->onTimeout; });
    }
    // Does it listen to changes of rows that are due at times?
    bool keepsTimes() const { return action_.isFeed() && binding_.due; }
    // Do steps of a process wait for it?
    bool isAwaited() const { return !action_.waiters.empty(); }
    std::string rowsName() const { return quoteName(info_.schema, action_.base + "_rows"); }
    std::string processedName() const { return quoteName(info_.schema, action_.base + "_processed"); }
    std::string from(int branch) const { return rowsName() + "(" + std::to_string(branch) + ") AS e"; }

    // --- the handler ------------------------------------------------------------------------------------------------

    std::string ifComment(const Arm& arm) const {
        if (!arm.branch->condition) return "";
        std::string text = commentText(world_.expressionText(arm.branch->condition.expression));
        return std::string("-- ") + (arm.negated ? "else of: " : "if: ") + text + "\n";
    }

    std::string setBody() {
        std::string body;
        for (size_t i = 0; i < arms_.size(); i++) {
            StepPlace place{Rows::set, from(static_cast<int>(i) + 1), static_cast<int>(i) + 1, ""};
            if (!body.empty()) body += '\n';
            if (arms_.size() == 1) {
                // With one branch no test is needed: dispatch calls the handler only if some row matched it.
                body += ifComment(arms_[i]) + steps_.emit(arms_[i].steps(), place);
            } else {
                body += ifComment(arms_[i]) + "IF specql.matched(" + std::to_string(i + 1) + ") THEN\n" +
                        indent(steps_.emit(arms_[i].steps(), place), 4) + "END IF;\n";
            }
        }
        return body;
    }

    std::string loopBody() {
        std::string inside = readContexts(action_, printer_);
        for (const Arm& arm : arms_) {
            StepPlace place{Rows::loop, "", 1, "events"};
            std::string steps = steps_.emit(arm.steps(), place);
            if (!inside.empty()) inside += '\n';
            if (hasTimeout()) {
                // A match is either one that was completed, or one that was not completed in time.
                std::string timedOut = printer_.timedOut();
                inside += "IF " + std::string(arm.branch->onTimeout ? "" : "NOT ") + timedOut + " THEN\n" +
                          indent(steps, 4) + "END IF;\n";
                continue;
            }
            if (!arm.branch->condition) {
                inside += steps;
                continue;
            }
            std::string condition = printer_.print(arm.branch->condition);
            if (arm.negated) condition = "(" + condition + ") IS NOT TRUE";
            inside += ifComment(arm) + "IF " + condition + " THEN\n" + indent(steps, 4) + "END IF;\n";
        }
        printer_.meta("event_id", "uuid");
        return steps_.label("events") + "FOR e IN SELECT r.* FROM " + rowsName() + "(1) AS r LOOP\n" +
               indent(inside, 4) + "END LOOP;\n";
    }

    // Hands the events to the window, term by term. Events that the capture function rules out never get here.
    std::string feedBody() {
        std::string body;
        for (size_t i = 0; i < action_.branches.size(); i++) {
            const resolve::ResolvedBranch& branch = action_.branches[i];
            std::string where;
            if (branch.condition && !allCapturable_) where = "\nWHERE " + printer_.print(branch.condition);
            std::string sql = "PERFORM specql.window_events(" + quoteLiteral(info_.name()) + ", " +
                              std::to_string(branch.feed->term + 1) + ", array_agg(" +
                              printer_.meta("event_id", "uuid") + "), array_agg(" + feedTime() + "),\n    " +
                              feedKey(*branch.feed) + ", " + feedValue(*branch.feed) + ")\nFROM " +
                              from(binding_.custom ? 1 : static_cast<int>(i) + 1) + where + ";\n";
            if (branch.condition)
                sql = "-- if: " + commentText(world_.expressionText(branch.condition.expression)) + "\n" + sql;
            if (!binding_.custom && action_.branches.size() > 1)
                sql = "IF specql.matched(" + std::to_string(i + 1) + ") THEN\n" + indent(sql, 4) + "END IF;\n";
            body += (body.empty() ? "" : "\n") + sql;
        }
        return body;
    }

    // Tells the steps that wait for these events, or whose conditions read these rows.
    std::string waitersBody() {
        std::string body;
        const std::vector<resolve::ResolvedStep>& stages = process().branches.front().steps;
        for (const resolve::Waiter& waiter : action_.waiters) {
            const spec::Step& stage = *stages[waiter.stage].spec;
            const std::string step = quoteLiteral(info_.name()) + ", " + std::to_string(waiter.stage + 1);
            body += "-- step " + stage.label.value + "\n";
            if (binding_.custom) {
                const std::string key = stage.key.empty() ? "NULL::text" : feedText(stage.key.front().value);
                body += "PERFORM specql.end_waits(" + step + ", array_agg(" + key + "), array_agg(" +
                        printer_.meta("event_data", "jsonb") + "))\nFROM " + from(1) + ";\n";
            } else if (waiter.ofRow) {
                body += "PERFORM specql.ask_again(" + step + ", r.subject)\nFROM (SELECT DISTINCT " +
                        printer_.meta("subject", "text") + " FROM " + from(1) + ") AS r;\n";
            } else {
                body += "PERFORM specql.ask_again(" + step + ", NULL);\n";
            }
        }
        return body;
    }

    const resolve::ResolvedAction& process() const {
        return *std::find_if(resolver_.actions.begin(), resolver_.actions.end(),
                             [&](const resolve::ResolvedAction& other) {
                                 return other.info == action_.info && !other.isFeed() && !other.isAnswer();
                             });
    }

    std::string feedTime() {
        std::string time = printer_.meta("event_time", "timestamp with time zone");
        resolve::EventTime said = resolve::eventTime(world_, binding_);
        if (!said) return time;
        resolve::Value value;
        value.kind = resolve::ValueKind::eventColumn;
        value.name = said.column;
        value.type = said.type;
        return "coalesce(" + printer_.print(value, true) + ", " + time + ")";
    }

    std::string feedText(const resolve::BoundExpression& bound, bool number) {
        std::string sql = printer_.print(bound, true) + (number ? "::numeric::text" : "::text");
        return sql;
    }
    std::string feedText(const std::string& key) {
        return "(" + printer_.meta("event_data", "jsonb") + " ->> " + quoteLiteral(key) + ")";
    }

    // Several keys are written as one JSON array. If one of them is NULL, the whole key is NULL.
    std::string feedKey(const resolve::FeedTerm& feed) {
        std::vector<std::string> keys;
        for (const resolve::BoundExpression& key : feed.keys)
            keys.push_back(feedText(key, false));
        for (const std::string& key : feed.keyNames)
            keys.push_back(feedText(key));
        if (keys.empty()) return "NULL";
        if (keys.size() == 1) return "array_agg(" + keys.front() + ")";
        return "array_agg(CASE WHEN num_nulls(" + join(keys, ", ") + ") = 0 THEN jsonb_build_array(" +
               join(keys, ", ") + ")::text END)";
    }
    std::string feedValue(const resolve::FeedTerm& feed) {
        if (!feed.fieldName.empty()) return "array_agg(" + feedText(feed.fieldName) + ")";
        return feed.field ? "array_agg(" + feedText(feed.field, feed.field.target == "numeric") + ")" : "NULL";
    }

    // A bulk operation's trigger calls its function with the values it is about.
    std::string callBody() {
        std::vector<std::string> args;
        for (const auto& [key, type] : action_.parameters()) {
            resolve::Value value;
            value.kind = resolve::ValueKind::payload;
            value.name = key;
            value.type = type;
            if (!binding_.custom) {
                const resolve::EntityInfo& entity = *binding_.entity;
                const bool hasRow = binding_.hasRow();
                const resolve::ColumnInfo* column = hasRow ? entity.column(key) : nullptr;
                if (!column && hasRow && key == entity.word + "_id" && !entity.key.empty())
                    column = entity.column(entity.key);
                if (!column) {
                    world_.report(*info_.file, Code::R059, info_.spec->name.pos,
                                  "the rows of " + entity.shown() + " have no value for the parameter " + key,
                                  "raise it as a custom event that carries " + key);
                    continue;
                }
                value.kind = resolve::ValueKind::eventColumn;
                value.name = column->name;
                value.type = column->type;
            }
            args.push_back(printer_.print(value, true));
        }
        printer_.meta("event_id", "uuid");
        return "PERFORM " + quoteName(info_.schema, snakeCase(info_.spec->name.value)) + "(" + join(args, ", ") +
               ")\nFROM " + from(1) + stillThere() + ";\n";
    }

    // A row that is gone is not due any more.
    std::string stillThere() {
        if (!binding_.isDue()) return "";
        const resolve::EntityInfo& entity = *binding_.due.entity;
        resolve::Value key;
        key.kind = resolve::ValueKind::payload;
        key.name = binding_.due.key();
        key.type = entity.column(entity.key)->type;
        return "\nWHERE EXISTS (SELECT FROM " + quoteName(entity.schema, entity.table) + " AS t WHERE t." +
               quoteName(entity.key) + " = " + printer_.print(key, false) + ")";
    }

    FunctionText handler(const std::string& body) {
        FunctionText function;
        function.schema = info_.schema;
        function.name = resolve::handlerName(action_);
        bool isTrigger = !binding_.custom && !action_.isAnswer();
        function.returns = isTrigger ? "trigger" : "void";
        function.language = "plpgsql";
        std::string raised = binding_.event.empty() && !action_.isAnswer() ? "" : ", " + raisedBy();
        std::string text = "-- Action " + info_.name() + raised + ".\n";
        if (!info_.spec->description.empty()) text += "-- " + commentText(info_.spec->description.value) + "\n";
        text += "-- Generated by specql: change the spec and apply it again.\n";
        std::vector<std::string> declarations = steps_.declarations();
        if (!function_)
            for (const resolve::Context& context : action_.contexts)
                if (!context.columns.empty()) declarations.push_back(contextVariable(context) + " record;");
        if (!function_ && !set_) declarations.insert(declarations.begin(), "e record;");
        if (keepsTimes() && binding_.hasRow()) declarations.push_back(dueKeysDeclaration(binding_.due));
        if (!declarations.empty()) text += "DECLARE\n" + indent(join(declarations, "\n"), 4) + "\n";
        text += "BEGIN\n" + indent(body, 4);
        if (isTrigger) text += "\n    RETURN NULL;\n";
        function.body = text + "END;\n";
        function.comment = "Handles action " + info_.name() + (binding_.event.empty() ? "" : ": " + binding_.shown());
        if (action_.isFeed()) function.comment = "Counts for action " + info_.name() + ": " + binding_.shown();
        if (isAwaited()) function.comment = "Lets steps of " + info_.name() + " go on: " + binding_.shown();
        if (keepsTimes()) function.comment = "Keeps when rows are due for action " + info_.name();
        if (action_.window) function.comment = "Handles the matches of action " + info_.name();
        if (action_.isAnswer())
            function.comment = "Handles answers to calls of action " + info_.name() + ": " + action_.answer;
        return function;
    }

    std::string raisedBy() const {
        if (action_.isAnswer()) return "what it does when " + answered();
        if (keepsTimes()) return "which keeps when rows are due: " + binding_.shown();
        if (isAwaited()) return "whose steps wait for it: " + binding_.shown();
        if (action_.isFeed()) return "which counts " + binding_.shown();
        if (action_.window) return "raised by a match of its condition";
        return (binding_.scheduled ? "due " : "raised by ") + binding_.shown();
    }

    // "payments.charge has succeeded"
    std::string answered() const {
        size_t dot = action_.answer.rfind('.');
        return commentText(action_.answer.substr(0, dot)) + " has " + action_.answer.substr(dot + 1);
    }

    // --- what it reads -----------------------------------------------------------------------------------------------

    FunctionText rowsFunction() const {
        std::vector<std::string> columns, given, selected;
        bool data = false;
        for (const EventColumn& column : printer_.used()) {
            columns.push_back(quoteName(column.name) + " " + column.type);
            if (column.rowsSql.empty()) {
                selected.push_back("r." + quoteName(column.name));
                given.push_back(columns.back());
                data = data || column.name == "event_data";
            } else {
                selected.push_back(column.rowsSql);
            }
        }
        bool needsData = selected.size() > given.size();
        if (needsData && !data) given.push_back("event_data jsonb");
        FunctionText function;
        function.schema = info_.schema;
        function.name = action_.base + "_rows";
        function.identityArguments = "integer";
        function.arguments = "branch integer";
        function.returns = "TABLE (" + wrapList(columns, 4) + ")";
        function.language = "sql";
        function.attributes = "STABLE";
        function.definer = false;
        function.body = "SELECT\n    " + join(selected, ",\n    ") + "\nFROM specql.rows(branch) AS r(" +
                        wrapList(given, 4) + ");\n";
        function.comment = "The events that action " + info_.name() + " is handling, branch by branch";
        return function;
    }

    // Called with the events whose last delivery has arrived.
    FunctionText processedFunction() const {
        const std::vector<StepEmitter::Reaction>& reactions = steps_.reactions();
        FunctionText function;
        function.schema = info_.schema;
        function.name = action_.base + "_processed";
        function.identityArguments = "uuid[]";
        function.arguments = "event_ids uuid[]";
        function.returns = "void";
        function.language = "sql";
        auto first = [&](size_t i) {
            return std::none_of(reactions.begin(), reactions.begin() + static_cast<long>(i),
                                [&](const auto& other) { return other.entity == reactions[i].entity; });
        };
        for (size_t i = 0; i < reactions.size(); i++) {
            if (!first(i)) continue;
            const resolve::EntityInfo& entity = *reactions[i].entity;
            std::vector<std::string> ids;
            for (const StepEmitter::Reaction& reaction : reactions)
                if (reaction.entity == &entity)
                    ids.push_back("specql.reaction_id(e.id, " + std::to_string(reaction.number) + ")");
            function.body += "UPDATE " + quoteName(entity.schema, entity.table) +
                             " AS t\nSET processed_at = clock_timestamp()\nFROM unnest(event_ids) AS e(id)\nWHERE t." +
                             quoteName(entity.key) + " = ANY (ARRAY[" + wrapList(ids, 4) +
                             "])\n    AND t.processed_at IS NULL;\n";
        }
        function.comment = "Marks the event rows of action " + info_.name() + " whose deliveries have all arrived";
        return function;
    }

    static std::string both(const std::string& base, const std::string& condition) {
        if (condition.empty()) return base.empty() ? "true" : base;
        if (base.empty()) return condition;
        return (findKeyword(base, "OR") == std::string::npos ? base : "(" + base + ")") + "\nAND (" + condition + ")";
    }

    FunctionText captureFunction() {
        Printer rows(world_, resolver_, action_, Printer::Place::capture);
        std::string base = eventSql(binding_);
        std::vector<std::string> branches;
        if (action_.isAnswer()) {
            // What the call was of is what the answer is of.
            branches.push_back("true");
        } else if (set_ && !function_) {
            for (const Arm& arm : arms_) {
                bool here = arm.branch->condition && allCapturable_;  // else a feed tests it
                std::string condition = here ? rows.print(arm.branch->condition) : "";
                if (arm.negated) condition = "(" + condition + ") IS NOT TRUE";
                branches.push_back(both(base, condition));
            }
        } else {
            // Only the part of the condition that reads the row alone is tested at capture. The handler tests the whole
            // of it.
            std::vector<std::string> any;
            bool rulesOut = allCapturable_ && !function_;
            for (const Arm& arm : arms_) {
                if (!arm.branch->condition || arm.negated)
                    rulesOut = false;
                else if (rulesOut)
                    any.push_back(rows.print(arm.branch->condition));
            }
            std::string condition = join(any, ") OR (");
            branches.push_back(both(base, !rulesOut ? "" : any.size() > 1 ? "(" + condition + ")" : condition));
        }
        const resolve::EntityInfo& entity = *binding_.entity;
        std::string table = quoteName(entity.schema, entity.table);
        std::vector<std::string> outputs = {"OUT branches boolean[]", "OUT subject text", "OUT data jsonb"};
        std::vector<std::string> values;
        std::string conditions;
        for (size_t i = 0; i < branches.size(); i++)
            conditions += (i > 0 ? ",\n" : "") + branches[i];
        values.push_back("ARRAY[\n" + indent(conditions, 4) + "\n]");
        values.push_back(subjectSql(binding_));
        std::vector<std::string> images;
        if (!binding_.hasRow()) images.push_back("'truncated', " + quoteLiteral(entity.schema + "." + entity.table));
        if (binding_.hasRow() && binding_.ops != resolve::opInsert) images.push_back("'old', to_jsonb(old)");
        if (binding_.hasRow() && binding_.ops != resolve::opDelete) images.push_back("'new', to_jsonb(new)");
        values.push_back("jsonb_build_object(" + join(images, ", ") + ")");
        for (const EventColumn& column : printer_.used()) {
            if (column.captureSql.empty()) continue;
            outputs.push_back("OUT " + quoteName(column.name) + " " + column.type);
            values.push_back(column.captureSql);
        }
        FunctionText function;
        function.schema = info_.schema;
        function.name = action_.base + "_capture";
        function.arguments = "\n    " + wrapList(outputs, 4) + "\n";
        function.returns = "record";
        function.language = "sql";
        function.attributes = "STABLE";
        function.definer = false;
        function.atomic = true;
        // Two aliases, not two parameters: a parameter of the row's type would forbid rewriting the table.
        function.body = "SELECT\n" + indent(join(values, ",\n"), 4) + "\nFROM " + table + " AS old, " + table +
                        " AS new\nWHERE false;\n";
        function.comment =
            "What action " + info_.name() + " captures of a changed row: which branches match, and the values they use";
        return function;
    }

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    const resolve::Binding& binding_;
    const resolve::ActionInfo& info_;
    Printer printer_;
    StepEmitter steps_;
    std::vector<Arm> arms_;
    bool function_ = false;
    bool allCapturable_ = false;
    bool set_ = false;
};

}  // namespace

void emitAction(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                std::vector<Object>& functions, std::vector<Object>& triggers) {
    if (resolve::isBefore(*action.info)) return emitBefore(world, resolver, action, functions, triggers);
    if (action.window && !action.isAnswer()) functions.push_back(windowObject(action));
    // Of a function that is due, the listener only keeps the times of the rows.
    const bool isCalled = resolve::isFunction(*action.info) && !action.isFeed();
    if (isCalled && spec::isCoordinated(*action.info->spec)) {
        // Without a parent it was refused.
        if (!action.returned) return;
        for (Object& object : coordinatedFunctions(world, resolver, action))
            functions.push_back(std::move(object));
    } else if (isCalled && action.info->spec->process) {
        emitProcess(world, resolver, action, functions, triggers);
    } else if (isCalled) {
        functions.push_back(bulkFunction(world, resolver, action));
    }
    if (resolve::isFunction(*action.info) && action.binding.event.empty()) return;
    ActionEmitter(world, resolver, action).emit(functions, triggers);
}

}  // namespace specql::emit
