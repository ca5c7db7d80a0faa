#include "resolve/resolver.hpp"

#include <algorithm>
#include <array>

#include "text/duration.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

constexpr std::array patterns = {
    Pattern{"multi_entity/event_driven_orchestrator", false},
    Pattern{"event_driven_orchestrator", false},
    Pattern{"batch/bulk_operation", true},
    Pattern{"bulk_operation", true},
};

bool stepsImply(spec::StepKind kind) {
    return kind == spec::StepKind::append || kind == spec::StepKind::create;
}

ColumnInfo impliedColumn(std::string name, std::string type) {
    ColumnInfo column;
    column.name = std::move(name);
    column.type = std::move(type);
    return column;
}

}  // namespace

const Pattern* findPattern(const std::string& name) {
    if (name.empty()) return &patterns.front();
    for (const Pattern& pattern : patterns)
        if (name == pattern.name) return &pattern;
    return nullptr;
}

std::string handlerName(const ResolvedAction& action) {
    return (action.binding.custom ? "handle_" : "trigger_") + action.base + "_events";
}

std::vector<std::string> patternNames() {
    std::vector<std::string> names;
    for (const Pattern& pattern : patterns)
        names.push_back(pattern.name);
    return names;
}

bool isBulk(const ActionInfo& action) {
    const Pattern* pattern = findPattern(action.spec->pattern.value);
    return pattern && pattern->bulk;
}

// Logs and rows whose entity nobody declares are made from the step that writes them.
void Resolver::implyEntities() {
    for (const ActionInfo& action : world_.actions)
        for (const spec::Branch& branch : action.spec->branches) {
            implyFromSteps(action, branch.steps);
            implyFromSteps(action, branch.otherwise);
        }
    for (const ActionInfo& action : world_.actions)
        implyFromSteps(action, action.spec->onTimeout);
}

void Resolver::implyFromSteps(const ActionInfo& action, const std::vector<spec::Step>& steps) {
    for (const spec::Step& step : steps) {
        implyFromSteps(action, step.then);
        implyFromSteps(action, step.otherwise);
        if (!stepsImply(step.kind) || step.target.empty()) continue;
        std::vector<std::string> candidates;
        EntityInfo* known = world_.entity(step.target.value, action.schema, &candidates);
        if (!candidates.empty()) continue;
        // A table of that name that specql made for such a step before is still the step's.
        bool madeBefore =
            known && !known->unit && known->present &&
            (known->present->owned || (known->present->callerOwns &&
                                       known->present->comment == impliedComment(step.kind == spec::StepKind::append)));
        if (known && !known->impliedByStep && !madeBefore) continue;
        size_t dot = step.target.value.find('.');
        std::string schema = dot == std::string::npos ? action.schema : step.target.value.substr(0, dot);
        std::string name = dot == std::string::npos ? step.target.value : step.target.value.substr(dot + 1);
        if (!known || madeBefore) {
            EntityInfo implied =
                world_.implied(action, name, schema, step.target.pos, step.kind == spec::StepKind::append);
            if (madeBefore)
                *known = std::move(implied);
            else
                known = &world_.entities.emplace_back(std::move(implied));
            world_.report(
                *action.file, Code::R060, step.target.pos,
                "no entity " + step.target.value + ": the table " + known->shown() + " is made from this step",
                "declare the entity to choose its fields yourself");
            if (step.kind == spec::StepKind::create) {
                for (const char* name :
                     {"event_id uuid", "event_type text", "event_time timestamp with time zone", "event_data jsonb"})
                    known->columns.push_back(impliedColumn(std::string(name, std::string(name).find(' ')),
                                                           std::string(name).substr(std::string(name).find(' ') + 1)));
                if (action.spec->windowed || action.spec->correlated)
                    for (const char* name :
                         {"match_count bigint", "match_key text", "first_at timestamp with time zone",
                          "last_at timestamp with time zone", "event_ids uuid[]"})
                        known->columns.push_back(
                            impliedColumn(std::string(name, std::string(name).find(' ')),
                                          std::string(name).substr(std::string(name).find(' ') + 1)));
            }
        }
        for (const spec::Assignment& assignment : step.set) {
            std::string column = snakeCase(assignment.column.value);
            if (!known->column(column)) world_.checkColumn(*action.file, column, assignment.column.pos);
            if (!known->column(column)) known->columns.push_back(impliedColumn(column, ""));
        }
    }
}

void Resolver::resolveEntity(EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    auto bindColumns = [&](spec::ExpressionRef ref, const std::string& target, bool columns,
                           const spec::Field* field = nullptr) {
        BoundExpression bound;
        bound.expression = ref.id + file.expressionBase;
        bound.target = target;
        const ExpressionFacts& facts = world_.facts(bound.expression);
        if (!facts.ok) {
            if (badExpressions_.insert(bound.expression).second)
                world_.report(file, facts.code, world_.locate(bound.expression, facts.errorOffset), facts.error,
                              facts.hint);
            return bound;
        }
        bool known = true;
        for (const SqlValueUse& use : facts.sqlValues)
            if (columns && entity.columnOf(use.name))
                world_.report(file, Code::R105, world_.locate(bound.expression, use.offset),
                              use.name + " is a word of SQL with a value of its own, and a field here",
                              "write \"" + use.name + "\" in double quotes for the field");
        for (const NameUse& use : facts.names) {
            Value value;
            const ColumnInfo* column = columns && use.parts.size() == 1 ? entity.columnOf(use.parts.front()) : nullptr;
            if (!column) {
                std::vector<std::string> names;
                for (const ColumnInfo& known : entity.columns)
                    names.push_back(known.name);
                std::string near = columns && world_.wantsHints() ? nearest(use.parts.back(), names) : "";
                std::string value = field ? nearestOfFew(use.parts.back(), field->enumValues) : "";
                known = false;
                world_.report(file, Code::R040, world_.locate(bound.expression, use.offset),
                              "unknown name " + join(use.parts, "."),
                              !value.empty() ? "did you mean " + value + "?"
                                             : wordHint(use, world_.expressionText(bound.expression),
                                                        near.empty() ? near : quoteName(near)));
            } else {
                value.kind = ValueKind::target;
                value.name = column->name;
                value.type = column->type;
            }
            bound.values.push_back(std::move(value));
        }
        if (!known) bound.values.clear();
        return bound;
    };
    for (const ColumnInfo& column : entity.columns) {
        const spec::Field* field = column.field;
        if (!field) continue;
        if (field->defaultValue) {
            EntityExpression expression{&entity, field, nullptr, false, {}, ""};
            const ExpressionFacts& facts = world_.facts(field->defaultValue.id + file.expressionBase);
            bool word = facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1;
            const std::vector<std::string>& values = field->enumValues;
            if (word && std::find(values.begin(), values.end(), facts.names[0].parts[0]) != values.end())
                expression.literal = facts.names[0].parts[0];
            else
                expression.bound = bindColumns(field->defaultValue, column.type, false, field);
            entityExpressions.push_back(std::move(expression));
        }
        if (field->check)
            entityExpressions.push_back(
                {&entity, field, nullptr, true, bindColumns(field->check, "boolean", true), ""});
    }
    for (const spec::IndexSpec& index : entity.spec->indexes) {
        for (const Text& column : index.columns)
            if (!entity.columnOf(column.value))
                world_.report(file, Code::R014, column.pos, entity.name + " has no field " + column.value,
                              "an index is over fields of its entity");
        if (index.where)
            entityExpressions.push_back(
                {&entity, nullptr, &index, false, bindColumns(index.where, "boolean", true), ""});
    }
}

void Resolver::resolveAll() {
    implyEntities();
    noteEmitters();
    noteWords();
    for (size_t i = 0; i < world_.entities.size(); i++)
        if (world_.entities[i].spec) resolveEntity(world_.entities[i]);
    for (const ActionInfo& action : world_.actions)
        resolveAction(action);
    for (ResolvedAction& action : actions)
        for (ResolvedBranch& branch : action.branches) {
            checkCalls(action, branch.steps);
            checkCalls(action, branch.otherwise);
        }
    for (EntityExpression& expression : entityExpressions)
        addRequest(expression.bound);
    for (ResolvedAction& action : actions)
        addRequests(action);
}

// PostgreSQL reads intervals: each was given to its parser as a literal, and goes to its analyser now.
void Resolver::checkIntervals(const ActionInfo& action) {
    for (const Text* text : {&action.spec->correlationWindow, &action.spec->cooldown, &action.spec->backoff}) {
        int expression = world_.intervalExpression(*text);
        if (expression < 0) continue;
        BoundExpression bound;
        bound.expression = expression;
        bound.target = "interval";
        if (!checkUnit(action, *text)) continue;
        addRequest(bound);
        intervals_[expression] = *text;
    }
}

// To PostgreSQL a number alone is seconds, and to people whatever they had in mind.
bool Resolver::checkUnit(const ActionInfo& action, const Text& text) {
    if (!action.file->fresh || !lacksUnit(text.value)) return true;
    world_.report(*action.file, Code::R054, text.pos, text.value + " has no unit",
                  "write a number and a unit, for example " + text.value + " minutes");
    return false;
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
    checkIntervals(action);
    auto explainTrigger = [&](const Text& text, const std::vector<Binding>& found) {
        for (const Binding& binding : found)
            world_.addExplanation({action.name(), text.value, binding.shown(), binding.rule, text.pos.line});
    };

    if (spec.windowed || spec.correlated) return resolveWindowed(action);

    const Text& trigger = spec.on ? spec.on : spec.trigger;
    std::vector<Binding> bindings;
    if (trigger) {
        bindings = resolveTrigger(*this, world_, action, trigger);
        explainTrigger(trigger, bindings);
        if (bindings.size() == 1 && bindings.front().custom && !spec.on && !emitters_.count(trigger.value))
            world_.report(*action.file, Code::R027, trigger.pos,
                          trigger.value + " is a custom event, raised by specql.emit('" + trigger.value + "', …)", "");
    }
    if (isBulk(action)) {
        // The body is one function; its triggers only call it.
        Binding body;
        body.custom = true;
        body.event = bindings.empty() ? "" : bindings.front().event;
        body.rule = "body of a bulk operation";
        ResolvedAction resolved = resolveUnder(*this, world_, action, body);
        resolved.batchParameter = batchParameter(action);
        if (!bindings.empty()) resolved.binding = bindings.front();
        actions.push_back(std::move(resolved));
        return;
    }
    for (const Binding& binding : bindings) {
        ResolvedAction resolved = resolveUnder(*this, world_, action, binding);
        if (bindings.size() > 1) resolved.base += "_" + binding.entity->word;
        world_.checkName(*action.file, handlerName(resolved), spec.name.pos, "the generated function");
        actions.push_back(std::move(resolved));
    }
}

// batch_field describes the set (pending_backorders) if a word of it is a value of an enum field; otherwise it names an
// array.
std::string Resolver::batchParameter(const ActionInfo& action) {
    const Text& field = action.spec->batchField;
    const Text& handling = action.spec->errorHandling;
    std::string name = snakeCase(field.value);
    std::string words = "_" + name + "_";
    for (const EntityInfo& entity : world_.entities)
        for (const ColumnInfo& column : entity.columns) {
            if (!column.field) continue;
            for (const std::string& value : column.field->enumValues)
                if (!name.empty() && words.find("_" + snakeCase(value) + "_") != std::string::npos) name.clear();
        }
    if (name.empty() && !handling.empty())
        world_.report(*action.file, Code::R087, handling.pos,
                      "error_handling is about the elements of an array, and this action has none",
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

void Resolver::addRequest(BoundExpression& bound) {
    if (!bound) return;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (!facts.ok || bound.values.size() != facts.names.size()) return;
    AnalysisRequest request;
    request.expression = bound.expression;
    request.target = bound.target;
    for (size_t i = 0; i < bound.values.size(); i++) {
        // A column made from another step has no type yet; text is what it gets if nothing says more.
        const std::string& type = bound.values[i].type;
        request.names.push_back({facts.names[i].offset, type.empty() ? "text" : type});
    }
    bound.request = static_cast<int>(requests_.size());
    requests_.push_back(std::move(request));
}

void Resolver::addRequests(ResolvedAction& action) {
    visitExpressions(action, [&](BoundExpression& bound) { addRequest(bound); });
    std::function<void(const std::vector<ResolvedStep>&)> note = [&](const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            note(step.then);
            note(step.otherwise);
            if (!step.target || !step.target->impliedByStep) continue;
            for (const BoundAssignment& assignment : step.set)
                if (assignment.value.request >= 0)
                    impliedColumns_.push_back({step.target, assignment.column, assignment.value.request});
        }
    };
    for (const ResolvedBranch& branch : action.branches) {
        note(branch.steps);
        note(branch.otherwise);
    }
}

// A time that stands still from the moment at which the text was applied is not what anybody meant.
void Resolver::checkMoments() {
    std::set<std::pair<int, size_t>> reported;
    for (size_t i = 0; i < results_.size() && i < requests_.size(); i++) {
        int expression = requests_[i].expression;
        for (const MomentUse& moment : results_[i].moments)
            if (world_.fileOf(expression).fresh && reported.insert({expression, moment.offset}).second)
                world_.report(world_.fileOf(expression), Code::R127, world_.locate(expression, moment.offset),
                              quoteLiteral(moment.text) + " would be the time at which this was applied, for ever",
                              moment.hint);
    }
}

void Resolver::applyResults(const std::vector<AnalysisResult>& results) {
    results_ = results;
    std::set<std::pair<int, std::string>> reported;
    for (size_t i = 0; i < results.size() && i < requests_.size(); i++) {
        const AnalysisResult& result = results[i];
        if (result.ok || !reported.insert({requests_[i].expression, result.error}).second) continue;
        int expression = requests_[i].expression;
        if (auto interval = intervals_.find(expression); interval != intervals_.end()) {
            world_.report(world_.fileOf(expression), Code::R054, interval->second.pos,
                          interval->second.value + " is not an interval",
                          "write a number and a unit, for example 10 minutes");
            continue;
        }
        world_.report(world_.fileOf(expression), result.code == Code::none ? Code::E100 : result.code,
                      world_.locate(expression, result.errorOffset), result.error, result.hint);
    }
    checkMoments();
    for (const EntityExpression& expression : entityExpressions) {
        int request = expression.bound.request;
        if (!expression.index || request < 0 || !results[request].ok || results[request].isImmutable) continue;
        world_.report(*expression.entity->file, Code::R094, world_.locate(expression.bound.expression, 0),
                      "the condition of an index must always give the same answer for the same row",
                      "leave out what depends on time, settings or other rows, such as now()");
    }
    for (const ImpliedColumn& implied : impliedColumns_) {
        for (ColumnInfo& column : implied.entity->columns) {
            if (column.name != implied.column || !column.type.empty()) continue;
            const std::string& type = results[implied.request].type;
            column.type = type.empty() || type == "unknown" ? "text" : type == "record" ? "jsonb" : type;
        }
    }
    for (EntityInfo& entity : world_.entities)
        for (ColumnInfo& column : entity.columns)
            if (column.type.empty()) column.type = "text";
}

}  // namespace specql::resolve
