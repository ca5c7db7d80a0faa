#include "resolve/action_resolver.hpp"

#include <algorithm>

#include "spec/coordinated.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

void visitIn(std::vector<ResolvedStep>& steps, const std::function<void(BoundExpression&)>& visit) {
    for (ResolvedStep& step : steps) {
        for (BoundAssignment& assignment : step.set)
            if (assignment.value) visit(assignment.value);
        for (BoundExpression* bound : {&step.where, &step.limit, &step.condition, &step.idempotencyKey})
            if (*bound) visit(*bound);
        for (BoundOrder& order : step.order)
            visit(order.value);
        for (std::vector<BoundExpression>* list : {&step.args, &step.targetValues, &step.messageValues})
            for (BoundExpression& bound : *list)
                if (bound) visit(bound);
        visitIn(step.then, visit);
        visitIn(step.otherwise, visit);
    }
}

// Shorter names are near to each other without being mistaken.
constexpr size_t shortestTypo = 5;

}  // namespace

void visitExpressions(ResolvedAction& action, const std::function<void(BoundExpression&)>& visit) {
    for (BoundExpression* bound : {&action.required, &action.result})
        if (*bound) visit(*bound);
    for (ResolvedBranch& branch : action.branches) {
        if (branch.condition) visit(branch.condition);
        if (branch.feed && branch.feed->field) visit(branch.feed->field);
        if (branch.feed)
            for (BoundExpression& key : branch.feed->keys)
                visit(key);
        visitIn(branch.steps, visit);
        visitIn(branch.otherwise, visit);
    }
}

ActionResolver::ActionResolver(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                               bool withKeys)
    : context_{resolver, world, action, withKeys, isFunction(action), takesRows(action), {}},
      world_(world),
      action_(action),
      result_(context_.result),
      function_(context_.isFunction) {
    result_.info = &action;
    result_.binding = binding;
    result_.base = action.base;
}

ResolvedAction ActionResolver::run() {
    const spec::Action& spec = *action_.spec;
    if (spec.windowed || spec.correlated) result_.window = &spec.window;
    if (context_.withKeys) event_.findWays();
    if (result_.binding.isDue()) event_.useDueRow();
    if (function_) bindFunction();
    for (const spec::Branch& branch : spec.branches) {
        Scope scope;
        ResolvedBranch resolved;
        resolved.spec = &branch;
        spec::ExpressionRef condition = branch.condition ? branch.condition : spec.plainCondition;
        scope.ofBranch = true;
        if (condition) resolved.condition = expressions_.bind(condition, "boolean", scope);
        scope.ofBranch = false;
        resolved.steps = spec.process                ? process_.bind(branch.steps)
                         : spec::isCoordinated(spec) ? coordinated_.bind(branch.steps)
                                                     : steps_.bindSteps(branch.steps, scope);
        Scope otherwise;
        resolved.otherwise = steps_.bindSteps(branch.otherwise, otherwise);
        result_.branches.push_back(std::move(resolved));
    }
    if (!spec.onTimeout.empty()) {
        ResolvedBranch resolved;
        resolved.onTimeout = true;
        Scope scope;
        resolved.steps = steps_.bindSteps(spec.onTimeout, scope);
        result_.branches.push_back(std::move(resolved));
    }
    // What a schedule tells is known, whatever of it the steps use.
    if (result_.binding.scheduled)
        for (const spec::Param& param : spec.params)
            event_.notePayload(param.name.value);
    if (function_ || isBefore(action_)) refuseEventNames();
    if (function_) orderParameters();
    checkKeys();
    inferPayloadTypes();
    return std::move(result_);
}

ResolvedAction ActionResolver::runFeed(const Window& window, const std::string& source) {
    result_.source = source;
    const std::vector<TermExpressions>& expressions = world_.termExpressions(*action_.spec);
    bool custom = result_.binding.custom;
    Scope scope;
    auto ref = [&](int expression) {
        spec::ExpressionRef result;
        if (expression >= 0) result.id = expression - action_.file->expressionBase;
        return result;
    };
    for (size_t i = 0; i < window.terms.size(); i++) {
        const WindowTerm& term = window.terms[i];
        if (term.source != source) continue;
        ResolvedBranch branch;
        branch.condition = expressions_.bind(ref(expressions[i].filter), "boolean", scope);
        FeedTerm feed;
        feed.term = static_cast<int>(i);
        if (custom) {
            feed.fieldName = term.field.value;
            for (int key : expressions[i].by) {
                const ExpressionFacts& facts = world_.facts(key);
                const std::string& text = world_.expressionText(key);
                bool repeated = i > 0 && action_.spec->correlateBy.size() == 1;  // the same key for all triggers
                bool isName = facts.ok && facts.names.size() == 1 && facts.names[0].length == text.size();
                bool isWord = !facts.ok || !facts.sqlValues.empty();
                if (!isName && !repeated)
                    world_.report(*action_.file, Code::R081, world_.locate(key, 0),
                                  "a custom event has its key under one name: " + text,
                                  isWord ? text + " is a word of SQL: write it in double quotes, \"" + text + "\""
                                         : "for example order_id");
                feed.keyNames.push_back(isName ? facts.names[0].parts.back() : text);
            }
        } else {
            feed.field =
                expressions_.bind(ref(expressions[i].field), term.aggregate == "count" ? "" : "numeric", scope);
            for (int key : expressions[i].by)
                feed.keys.push_back(expressions_.bind(ref(key), "", scope));
        }
        branch.feed = std::move(feed);
        result_.branches.push_back(std::move(branch));
    }
    inferPayloadTypes();
    // An event without a key that a filter reads is one that the filter does not hold for.
    visitExpressions(result_, [](BoundExpression& bound) {
        for (Value& value : bound.values) {
            if (value.kind != ValueKind::payload) continue;
            value.kind = ValueKind::meta;
            value.name = "payload:" + value.name;
        }
    });
    return std::move(result_);
}

ResolvedAction ActionResolver::runAnswer(const std::vector<spec::Step>& steps, const std::string& type,
                                         const std::string& base) {
    const spec::Action& spec = *action_.spec;
    if (spec.windowed || spec.correlated) result_.window = &spec.window;
    result_.answer = type;
    result_.base = base;
    event_.findWays();
    ResolvedBranch resolved;
    Scope scope;
    resolved.steps = steps_.bindSteps(steps, scope);
    result_.branches.push_back(std::move(resolved));
    checkKeys();
    inferPayloadTypes();
    return std::move(result_);
}

// Who may call it, and what it returns.
void ActionResolver::bindFunction() {
    const spec::Action& spec = *action_.spec;
    if (spec.ofRow) event_.useOwnRow();
    Scope scope;
    result_.result = expressions_.bind(spec.result, "text", scope);
    if (spec.required) scope.required = &world_.expressionText(spec.required.id + action_.file->expressionBase);
    result_.required = expressions_.bind(spec.required, "boolean", scope);
}

// Those that are declared come as they are declared, then the others as they are used.
void ActionResolver::orderParameters() {
    const std::vector<spec::Param>& params = action_.spec->params;
    auto place = [&](const std::string& key) {
        if (action_.spec->ofRow && key == event_.ownKey()) return std::ptrdiff_t(-1);
        return std::find_if(params.begin(), params.end(),
                            [&](const spec::Param& param) { return param.name.value == key; }) -
               params.begin();
    };
    std::stable_sort(result_.payloadOrder.begin(), result_.payloadOrder.end(),
                     [&](const std::string& left, const std::string& right) { return place(left) < place(right); });
}

void ActionResolver::refuseEventNames() {
    visitExpressions(result_, [&](BoundExpression& bound) {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const Value& value = bound.values[i];
            if (value.kind != ValueKind::meta) continue;
            if (!function_) {
                if (value.name != "event_type" && value.name != operationName)
                    world_.report(*action_.file, Code::R233, world_.locate(bound.expression, facts.names[i].offset),
                                  "before a row is written there is no event, and so no " + value.name,
                                  value.name == "event_time" ? "the time is clock_timestamp()"
                                                             : "a rule without when: before has one");
                continue;
            }
            world_.report(*action_.file, Code::R142, world_.locate(bound.expression, facts.names[i].offset),
                          "it is called as a function too, so there is no " + value.name,
                          "declare it as a parameter: params: {" + value.name + ": " + value.type + "}");
        }
    });
}

void ActionResolver::inferPayloadTypes() {
    for (auto& [key, type] : result_.payload)
        type = types_.payloadType(key);
    auto fix = [&](Value& value) {
        // What a service will answer is a text unless its use says more.
        if (value.kind == ValueKind::result && value.type.empty()) value.type = types_.answerType(value);
        if (value.kind != ValueKind::payload) return;
        value.type = result_.payload[value.name];
        value.shown = "payload key " + value.name + " (" + value.type + ")";
    };
    for (Context& context : result_.contexts)
        fix(context.key);
    visitExpressions(result_, [&](BoundExpression& bound) {
        for (Value& value : bound.values)
            fix(value);
    });
    if (!world_.trying()) explain();
}

// A payload may have any key, so a slip of the finger is one too.
void ActionResolver::checkKeys() {
    if (world_.trying() || !action_.file->fresh || result_.window || !world_.wantsHints()) return;
    std::vector<std::string> declared(event_.emitted().begin(), event_.emitted().end()), fields;
    for (const ActionInfo& other : world_.actions) {
        const spec::Action& spec = *other.spec;
        bool same =
            &other == &action_ ||
            (!result_.binding.event.empty() && other.schema == action_.schema &&
             (spec.trigger.value == result_.binding.event || spec.on.value == "event " + result_.binding.event));
        for (const spec::Param& param : spec.params)
            if (same) declared.push_back(param.name.value);
    }
    for (const EntityInfo* entity : types_.targets())
        for (const ColumnInfo& column : entity->columns)
            fields.push_back(column.name);
    for (const Context& way : event_.ways())
        for (const ColumnInfo& column : way.entity->columns)
            fields.push_back(column.name);
    auto known = [](const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    std::set<std::string> reported;
    visitExpressions(result_, [&](BoundExpression& bound) {
        for (size_t i = 0; i < bound.values.size(); i++) {
            const std::string& key = bound.values[i].name;
            // A rule may be about a key that no step uses.
            const bool ruled = action_.spec->batch.told.count(key) && !action_.spec->batch.byFields;
            if (bound.values[i].kind != ValueKind::payload || (event_.declaredParam(key) && !ruled) ||
                known(declared, key) || known(fields, key) || known(fields, key + "_id") ||
                !reported.insert(key).second)
                continue;
            std::string near = nearest(key, declared, 2);
            if (near.empty() && key.size() >= shortestTypo) near = nearest(key, fields, 1);
            if (near.empty() || near + "_id" == key || key + "_id" == near) continue;
            world_.report(*action_.file, Code::R134,
                          world_.locate(bound.expression, world_.facts(bound.expression).names[i].offset),
                          key + " is taken for " + (function_ ? "a parameter" : "a key of the payload") + ", and " +
                              near + " is known",
                          "did you mean " + near + "? If not, declare it: params: {" + key + ": type}");
        }
    });
}

void ActionResolver::explain() {
    std::set<std::string> seen;
    visitExpressions(result_, [&](BoundExpression& bound) {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const Value& value = bound.values[i];
            std::string name = join(facts.names[i].parts, ".");
            if (value.rule.empty() || !seen.insert(name + "\n" + value.shown).second) continue;
            world_.addExplanation({action_.name(), name, value.shown, value.rule,
                                   world_.locate(bound.expression, facts.names[i].offset).line});
        }
    });
}

ResolvedAction resolveUnder(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                            bool withKeys) {
    return ActionResolver(resolver, world, action, binding, withKeys).run();
}

}  // namespace specql::resolve
