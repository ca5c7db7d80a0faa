#include "resolve/resolver.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "resolve/answers.hpp"
#include "resolve/batch.hpp"
#include "resolve/due.hpp"
#include "resolve/feeds.hpp"
#include "resolve/waits.hpp"
#include "spec/states.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

constexpr std::array patterns = {
    Pattern{"multi_entity/event_driven_orchestrator", false, false},
    Pattern{"event_driven_orchestrator", false, false},
    Pattern{"composite/conditional_workflow", false, false},
    Pattern{"conditional_workflow", false, false},
    Pattern{"composite/workflow_orchestrator", false, false},
    Pattern{"workflow_orchestrator", false, false},
    Pattern{"batch/bulk_operation", true, true},
    Pattern{"bulk_operation", true, true},
    Pattern{"state_machine/transition", true, false},
    Pattern{"transition", true, false},
    Pattern{"state_machine/guarded_transition", true, false},
    Pattern{"guarded_transition", true, false},
    Pattern{"multi_entity/coordinated_update", true, false},
    Pattern{"coordinated_update", true, false},
    Pattern{"multi_entity/parent_child_cascade", true, false},
    Pattern{"parent_child_cascade", true, false},
    Pattern{"multi_entity/saga_orchestrator", true, false},
    Pattern{"saga_orchestrator", true, false},
};

}  // namespace

const Pattern* findPattern(const std::string& name) {
    if (name.empty()) return &patterns.front();
    for (const Pattern& pattern : patterns)
        if (name == pattern.name) return &pattern;
    return nullptr;
}

std::string handlerName(const ResolvedAction& action) {
    return (action.binding.custom || action.isAnswer() ? "handle_" : "trigger_") + action.base + "_events";
}

std::vector<std::string> patternNames() {
    std::vector<std::string> names;
    for (const Pattern& pattern : patterns)
        names.push_back(pattern.name);
    return names;
}

bool isFunction(const ActionInfo& action) {
    const Pattern* pattern = findPattern(action.spec->pattern.value);
    return pattern && (pattern->isFunction || action.spec->ofRow);
}

bool takesRows(const ActionInfo& action) {
    const Pattern* pattern = findPattern(action.spec->pattern.value);
    return pattern && pattern->takesRows;
}

bool isBefore(const ActionInfo& action) {
    return action.spec->when.value == "before";
}

void Resolver::resolveAll() {
    implied_.add();
    noteEmitters();
    noteWords();
    for (size_t i = 0; i < world_.entities.size(); i++)
        if (world_.entities[i].spec) bindEntityExpressions(*this, world_, world_.entities[i]);
    for (const ActionInfo& action : world_.actions)
        resolveAction(action);
    for (ResolvedAction& action : actions)
        for (ResolvedBranch& branch : action.branches) {
            checkCalls(action, branch.steps);
            checkCalls(action, branch.otherwise);
        }
    std::vector<LocalValue> none;
    for (EntityExpression& expression : entityExpressions)
        requests_.add(expression.bound, none);
    for (ResolvedAction& action : actions) {
        visitExpressions(action, [&](BoundExpression& bound) { requests_.add(bound, action.locals); });
        implied_.note(action);
    }
}

// Asked for every trigger and every source of a window: so gathered once.
void Resolver::noteEmitters() {
    for (const ActionInfo& action : world_.actions) {
        for (const spec::Branch& branch : action.spec->branches) {
            noteEmitters(branch.steps);
            noteEmitters(branch.otherwise);
        }
        noteEmitters(action.spec->onTimeout);
    }
}

// Entities that are added later are plain tables, whose fields no trigger names.
void Resolver::noteWords() {
    for (size_t entity = 0; entity < world_.entities.size(); entity++)
        for (size_t column = 0; column < world_.entities[entity].columns.size(); column++)
            for (const std::string& word : words(world_.entities[entity].columns[column].name))
                columnsByWord_[word].emplace(entity, column);
}

const Vocabulary& Resolver::triggerNames() {
    if (!triggerNames_) triggerNames_ = std::make_unique<Vocabulary>(knownTriggers(world_));
    return *triggerNames_;
}

void Resolver::noteEmitters(const std::vector<spec::Step>& steps) {
    for (const spec::Step& step : steps) {
        noteEmitters(step.then);
        noteEmitters(step.otherwise);
        noteEmitters(step.onResponse);
        noteEmitters(step.onFailure);
        if (step.kind == spec::StepKind::emit) emitters_[step.target.value].push_back(&step);
    }
}

void Resolver::resolveAction(const ActionInfo& action) {
    const spec::Action& spec = *action.spec;
    if (!findPattern(spec.pattern.value)) {
        std::string near = nearest(spec.pattern.value, patternNames());
        world_.report(*action.file, Code::R057, spec.pattern.pos, "unknown pattern " + spec.pattern.value,
                      near.empty() ? "patterns are " + join(patternNames(), ", ") : "did you mean " + near + "?");
        return;
    }
    for (const Text* text : {&spec.correlationWindow, &spec.cooldown, &spec.backoff, &spec.due.offset})
        if (int expression = world_.literalExpression(*text); expression >= 0)
            requests_.addInterval(action, expression, *text);
    if (int expression = world_.literalExpression(spec.zone); expression >= 0) requests_.addZone(expression, spec.zone);

    if (isBefore(action) && (spec.windowed || spec.correlated || isFunction(action))) {
        world_.report(*action.file, Code::R231, spec.when.pos,
                      isFunction(action) ? "a function is called, and runs before nothing"
                                         : "many events are not about one row that is about to be written",
                      "leave out when: before");
        return;
    }
    if (spec.windowed || spec.correlated) return WindowResolver(*this, world_, action).resolve();

    const std::vector<Binding> bindings = raisedBy(*this, world_, action);
    if (spec.fires && !spec.schedule && !spec.due && !bindings.empty() && bindings.front().custom)
        world_.report(*action.file, Code::R143, spec.fires.pos,
                      "\"fires\" is about changes of tables, and " + bindings.front().event + " is a custom event",
                      "leave it out: emit reaches its listeners in every session");
    if (spec.required && !isFunction(action))
        world_.report(*action.file, Code::R240, world_.locate(spec.required.id + action.file->expressionBase, 0));
    if ((spec::isTransition(spec) || spec.ofRow) && !refuseRowless(action)) return;
    if (isBefore(action) && !checkBefore(action, bindings)) return;
    if (isFunction(action) && bindings.size() > 1)
        world_.report(*action.file, Code::R313, spec.further.empty() ? spec.trigger.pos : spec.further.front().pos);
    if (isFunction(action)) {
        // The body is one function; its triggers only call it.
        Binding body;
        body.custom = true;
        body.event = bindings.empty() ? "" : bindings.front().event;
        body.rule = "body of a function";
        ResolvedAction resolved = resolveUnder(*this, world_, action, body);
        resolved.batchParameter = batchParameter(action);
        if (spec.batch.size > 0 && !resolved.batchParameter.empty() && !writtenAtOnce(world_, resolved))
            world_.report(*action.file, Code::R290, spec.batch.key.pos,
                          "batch_size is of statements over many elements, and these steps are done for one after the "
                          "other",
                          "leave it out; or let one update, insert, upsert or delete by the key be the only step");
        if (spec.schedule || spec.due) refuseParameters(resolved, bindings);
        if (!bindings.empty()) resolved.binding = bindings.front();
        addAnswers(*this, world_, action, resolved.binding, resolved.base);
        const Binding raised = resolved.binding;
        const std::string base = resolved.base;
        // A copy: those who listen are added to the same list.
        const ResolvedAction process = spec.process ? resolved : ResolvedAction();
        actions.push_back(std::move(resolved));
        if (spec.process) addWaiters(*this, world_, action, process);
        if (raised.isDue()) addDueListeners(*this, world_, action, raised, base);
        return;
    }
    for (const Binding& binding : bindings) {
        ResolvedAction resolved = resolveUnder(*this, world_, action, binding);
        if (bindings.size() > 1) {
            const EntityInfo* entity = binding.entity;
            const bool isTwice = std::any_of(bindings.begin(), bindings.end(), [&](const Binding& other) {
                return other.entity != entity && other.entity->word == entity->word;
            });
            resolved.base += (isTwice ? "_" + entity->home : "") + "_" + entity->word;
        }
        world_.checkName(*action.file, isBefore(action) ? "before_" + resolved.base : handlerName(resolved),
                         spec.name.pos, "the generated function");
        const std::string base = resolved.base;
        actions.push_back(std::move(resolved));
        addAnswers(*this, world_, action, binding, base);
        if (binding.isDue()) addDueListeners(*this, world_, action, binding, base);
    }
}

// Nobody calls it with values when its time has come.
void Resolver::refuseParameters(const ResolvedAction& action, const std::vector<Binding>& bindings) {
    if (action.info->spec->due) {
        if (bindings.empty()) return;
        const std::string key = bindings.front().due.key();
        for (const auto& [name, type] : action.parameters())
            if (name != dueTimeKey && name != key)
                world_.report(*action.info->file, Code::R344, action.info->spec->on.pos,
                              action.info->name() + " takes " + name + ", and its due time gives it nothing",
                              "a row that is due gives " + key + " and " + dueTimeKey);
        return;
    }
    for (const auto& [name, type] : action.parameters())
        if (name != "due_at" && name != "last_due_at")
            world_.report(*action.info->file, Code::R261, action.info->spec->on.pos,
                          action.info->name() + " takes " + name + ", and its schedule gives it nothing",
                          "raise it as a custom event that carries " + name);
}

// A transition is of a row of the entity it stands in, which has a key, and so is a workflow that is called.
bool Resolver::refuseRowless(const ActionInfo& action) {
    if (!spec::isTransition(*action.spec)) {
        if (action.home && !action.home->key.empty()) return true;
        world_.report(*action.file, Code::R315, action.spec->name.pos,
                      action.home ? action.home->shown() + " has no key of one column that could say which row " +
                                        action.spec->name.value + " is called for"
                                  : action.spec->name.value + " is called for a row, and stands in no entity",
                      action.home ? "give it one, or let the action have a trigger"
                                  : "write it among the actions: of that entity, or give it a trigger");
        return false;
    }
    if (!action.home)
        world_.report(*action.file, Code::R241, action.spec->name.pos,
                      action.spec->name.value + " is a transition, and stands in no entity",
                      "write it among the actions: of the entity whose state it changes");
    else if (action.home->key.empty())
        world_.report(*action.file, Code::R241, action.spec->name.pos,
                      action.home->shown() + " has no key of one column that could say which row changes its state",
                      "give it one, or change the state by an update");
    return action.spec->ofRow && action.home && !action.home->key.empty();
}

// Only changes of rows are waited for.
bool Resolver::checkBefore(const ActionInfo& action, const std::vector<Binding>& bindings) {
    for (const Binding& binding : bindings) {
        if (binding.hasRow()) continue;
        world_.report(*action.file, Code::R231, action.spec->when.pos,
                      "nothing can be done before " + binding.shown() +
                          ": only insertions, updates and deletions of rows are waited for",
                      "write on: insert, update or delete and an entity, or leave out when: before");
        return false;
    }
    return true;
}

// The entities that steps are about.
static void findTargets(World& world, const std::string& schema, const std::vector<spec::Step>& steps,
                        std::set<const EntityInfo*>& found) {
    for (const spec::Step& step : steps) {
        if (const EntityInfo* target = world.entity(step.target.value, schema)) found.insert(target);
        findTargets(world, schema, step.then, found);
        findTargets(world, schema, step.otherwise, found);
    }
}

// batch_field describes the set (pending_backorders) if a word of it is a value of an enum field of what the steps are
// about; otherwise it names an array.
std::string Resolver::batchParameter(const ActionInfo& action) {
    const Text& field = action.spec->batchField;
    const Text& handling = action.spec->errorHandling;
    const Text& key = action.spec->batch.key;
    std::string name = snakeCase(field.value);
    std::string words = "_" + name + "_";
    std::set<const EntityInfo*> targets;
    for (const spec::Branch& branch : action.spec->branches) {
        findTargets(world_, action.schema, branch.steps, targets);
        findTargets(world_, action.schema, branch.otherwise, targets);
    }
    for (const EntityInfo* entity : targets) {
        for (const ColumnInfo& column : entity->columns) {
            if (!column.field) continue;
            for (const std::string& value : column.field->enumValues)
                if (!name.empty() && words.find("_" + snakeCase(value) + "_") != std::string::npos) name.clear();
        }
    }
    if (name.empty() && (key || handling))
        world_.report(
            *action.file, Code::R087, key ? key.pos : handling.pos,
            (key ? key.value : "error_handling") + " is about the elements of an array, and this action has none",
            "name the array: batch_field: order_ids");
    return name;
}

// A call of a bulk operation gives its function what it takes.
void Resolver::checkCalls(const ResolvedAction& caller, std::vector<ResolvedStep>& steps) {
    for (ResolvedStep& step : steps) {
        checkCalls(caller, step.then);
        checkCalls(caller, step.otherwise);
        for (const ResolvedAction& called : actions) {
            if (!step.calledAction || called.info != step.calledAction) continue;
            std::vector<std::pair<std::string, std::string>> parameters = called.parameters();
            std::vector<std::string> names;
            for (const auto& parameter : parameters)
                names.push_back(parameter.first);
            if (step.args.size() != parameters.size()) {
                world_.report(*caller.info->file, Code::R037, step.spec->target.pos,
                              "the action " + called.info->name() + " takes " +
                                  (names.empty() ? "nothing" : "(" + join(names, ", ") + ")") + ", not " +
                                  std::to_string(step.args.size()) +
                                  (step.args.size() == 1 ? " argument" : " arguments"),
                              "give it what it takes, in this order");
                continue;
            }
            for (size_t i = 0; i < step.args.size(); i++)
                step.args[i].target = parameters[i].second;
        }
    }
}

// The names that let gives have the types of their expressions.
void Resolver::giveTypes(ResolvedAction& action) {
    for (LocalValue& local : action.locals) {
        if (local.of < 0) {
            const bool known = local.request >= 0 && results()[static_cast<size_t>(local.request)].ok;
            local.type = known ? results()[static_cast<size_t>(local.request)].type : "";
            continue;
        }
        const std::string& array = action.locals[static_cast<size_t>(local.of)].type;
        local.type = array == "jsonb" ? array : elementType(array);
        if (local.type.empty() && !array.empty())
            world_.report(*action.info->file, Code::R036, world_.locate(local.expression, 0));
    }
    if (action.locals.empty()) return;
    visitExpressions(action, [&](BoundExpression& bound) {
        for (Value& value : bound.values)
            if (value.kind == ValueKind::local && value.context >= 0)
                value.type = action.locals[static_cast<size_t>(value.context)].type;
    });
}

void Resolver::applyResults(const std::vector<AnalysisResult>& results) {
    requests_.take(results);
    for (ResolvedAction& action : actions)
        giveTypes(action);
    for (const EntityExpression& expression : entityExpressions) {
        int request = expression.bound.request;
        Code code = expression.role == EntityExpression::Role::indexCondition ? Code::R094
                    : expression.role == EntityExpression::Role::indexColumn  ? Code::R207
                    : expression.role == EntityExpression::Role::computed     ? Code::R206
                                                                              : Code::none;
        if (code == Code::none || request < 0 || !results[request].ok || results[request].isImmutable) continue;
        world_.report(*expression.entity->file, code, world_.locate(expression.bound.expression, 0));
    }
    implied_.giveTypes(results);
}

}  // namespace specql::resolve
