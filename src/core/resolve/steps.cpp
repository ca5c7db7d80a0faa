#include "resolve/steps.hpp"

#include <algorithm>

#include "spec/coordinated.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

std::vector<ResolvedStep> StepBinder::bindSteps(const std::vector<spec::Step>& steps, Scope& scope) {
    std::vector<ResolvedStep> resolved;
    for (const spec::Step& step : steps) {
        resolved.push_back(bindStep(step, scope));
        bool set = step.kind == spec::StepKind::update || step.kind == spec::StepKind::remove;
        if (!takesRows_ || !set || scope.handled || !resolved.back().target) continue;
        resolved.back().takes = true;
        scope.handled = resolved.back().target;
    }
    return resolved;
}

EntityInfo* StepBinder::targetOf(const spec::Step& step) {
    std::vector<std::string> candidates;
    EntityInfo* entity = world_.entity(step.target.value, action_.schema, &candidates);
    if (entity) {
        types_.noteTarget(entity);
        return entity;
    }
    std::string near = world_.nearestEntity(step.target.value);
    if (!candidates.empty())
        world_.report(*action_.file, Code::R031, step.target.pos,
                      step.target.value + " is more than one entity: " + join(candidates, ", "), "write schema.Entity");
    else
        world_.report(*action_.file, Code::R030, step.target.pos, "unknown entity " + step.target.value,
                      near.empty() ? "declare it in this text or apply it first" : "did you mean " + near + "?");
    return nullptr;
}

const ColumnInfo* StepBinder::settable(const Text& field, const ResolvedStep& resolved) {
    const ColumnInfo* column = resolved.target ? resolved.target->columnOf(field.value) : nullptr;
    if (resolved.target && !column) {
        std::vector<std::string> names;
        for (const ColumnInfo& known : resolved.target->columns)
            names.push_back(known.name);
        std::string near = nearest(snakeCase(field.value), names);
        world_.report(*action_.file, Code::R032, field.pos, resolved.target->name + " has no field " + field.value,
                      near.empty() ? "its fields are " + join(names, ", ") : "did you mean " + near + "?");
    }
    if (column && column->generated)
        world_.report(
            *action_.file, Code::R093, field.pos,
            "PostgreSQL computes " + column->name + " of " + resolved.target->shown() + ": it is a generated column",
            "set the columns that it is computed from");
    if (column && column->identity == "always")
        world_.report(*action_.file, Code::R208, field.pos,
                      "PostgreSQL counts " + column->name + " of " + resolved.target->shown() +
                          ": it is an identity that is always given",
                      hintOf(Code::R208));
    return column;
}

bool StepBinder::takesWord(const spec::Assignment& assignment, const ColumnInfo* column, const Scope& scope) const {
    if ((!spec::isCoordinated(*action_.spec) && !action_.spec->process) || !column || !column->field ||
        !assignment.value)
        return false;
    const int expression = assignment.value.id + action_.file->expressionBase;
    const std::string& text = world_.expressionText(expression);
    const std::vector<std::string>& values = column->field->enumValues;
    const ExpressionFacts& facts = world_.facts(expression);
    if (std::find(values.begin(), values.end(), text) == values.end() || names_.isField(scope, text)) return false;
    // Words of SQL are no names, and so stand for nothing else.
    return !facts.ok || (facts.names.size() == 1 && facts.names[0].length == text.size());
}

void StepBinder::bindSet(const spec::Step& step, ResolvedStep& resolved, const Scope& outer) {
    for (const spec::Assignment& assignment : step.set) {
        BoundAssignment bound;
        const ColumnInfo* column = settable(assignment.column, resolved);
        bound.column = column ? column->name : snakeCase(assignment.column.value);
        if (takesWord(assignment, column, outer)) {
            const std::string& word = world_.expressionText(assignment.value.id + action_.file->expressionBase);
            world_.warn(*action_.file, Code::R279, assignment.column.pos,
                        word + " is taken for the value '" + word + "' of " + column->name, "write \"'" + word + "'\"");
            bound.taken = simpleValue(ValueKind::word, word, column->type, "value of an enum", "'" + word + "'");
            resolved.set.push_back(std::move(bound));
            continue;
        }
        Scope scope = outer;
        bool isKey = std::find(resolved.key.begin(), resolved.key.end(), bound.column) != resolved.key.end();
        if (step.kind == spec::StepKind::update || (step.kind == spec::StepKind::upsert && !isKey)) {
            scope.target = resolved.target;
            scope.assigned = bound.column;
            scope.targetWay = resolved.way;
            scope.ownRow = resolved.ownRow;
        }
        bound.value = expressions_.bind(assignment.value, column ? column->type : "", scope, column);
        if (resolved.target && column && bound.value) where_.checkAssignedRow(bound, *column, *resolved.target, scope);
        if (scope.target && column) {
            where_.checkSelfAssignment(bound, *column, scope);
            where_.checkValue(bound.value, scope);
        }
        bool twice = std::any_of(resolved.set.begin(), resolved.set.end(),
                                 [&](const BoundAssignment& other) { return other.column == bound.column; });
        if (twice)
            world_.report(*action_.file, Code::S025, assignment.column.pos,
                          "column \"" + bound.column + "\" is set twice", "a ref and its column are the same");
        resolved.set.push_back(std::move(bound));
    }
}

void StepBinder::bindCreate(ResolvedStep& resolved, const Scope& scope) {
    for (const ColumnInfo& column : resolved.target->columns) {
        if (column.name == resolved.target->key || column.generated || !column.identity.empty()) continue;
        bool assigned = std::any_of(resolved.set.begin(), resolved.set.end(),
                                    [&](const BoundAssignment& set) { return set.column == column.name; });
        NameUse use;
        use.parts = {column.name};
        Value value;
        NameProblem problem;
        if (assigned) continue;
        bool known = names_.lookup(scope, use, false, value, problem);
        if (!problem.message.empty())
            world_.report(*action_.file, problem.code, resolved.spec->target.pos, problem.message,
                          problem.hint + ", as the value of " + column.name + " behind SET");
        if (!known || value.type == "record") continue;
        if (function_) {
            // A function has the parameters that somebody named, and no event.
            if (value.kind == ValueKind::meta ||
                (value.kind == ValueKind::payload && !event_.declaredParam(column.name)))
                continue;
            if (value.kind == ValueKind::payload) event_.notePayload(column.name);
        } else if (value.kind == ValueKind::payload) {
            // Nobody promised this key: absent means NULL, so it is taken without being required.
            value.kind = ValueKind::meta;
            value.name = "payload:" + column.name;
            value.type = column.type;
            value.shown = "payload key " + column.name + ", if there is one";
        }
        BoundAssignment taken;
        taken.column = column.name;
        taken.taken = std::move(value);
        resolved.set.push_back(std::move(taken));
    }
}

// The WHERE that follows the one ref from the target to the event's row.
std::string StepBinder::refHint(const EntityInfo& target) const {
    const Binding& binding = result_.binding;
    if (!binding.hasRow() || binding.entity->key.empty()) return {};
    std::vector<std::string> refs;
    for (const ColumnInfo& column : target.columns)
        if (column.field && !column.field->refTarget.empty() &&
            world_.entity(column.field->refTarget.value, target.home) == binding.entity)
            refs.push_back(column.field->name.value);
    if (refs.size() != 1) return {};
    return ": WHERE " + refs.front() + " = " + (binding.ops == opDelete ? "old." : "new.") +
           quoteName(binding.entity->key);
}

void StepBinder::bindOwnRow(const spec::Step& step, ResolvedStep& resolved, const EntityInfo* handled) {
    if (result_.binding.hasRow() && resolved.target == result_.binding.entity && !resolved.target->key.empty()) {
        resolved.ownRow = true;
        return;
    }
    std::vector<int> ways = event_.nearestWays([&](const EntityInfo& entity) { return &entity == resolved.target; });
    if (ways.size() > 1) {
        std::vector<std::string> written;
        for (int way : ways)
            written.push_back(step.verb.value + ": " + resolved.target->name + " VIA " + event_.ways()[way].path);
        world_.report(*action_.file, Code::R041, step.target.pos,
                      "more than one row of " + resolved.target->name + " can be meant: the event leads to them in " +
                          std::to_string(ways.size()) + " ways",
                      "write " + join(written, " or "));
    } else if (ways.size() == 1) {
        bindWay(ways.front(), resolved);
    } else {
        world_.report(*action_.file, Code::R034, step.target.pos,
                      "nothing says which row of " + resolved.target->name + " is meant: " +
                          (handled ? "it is not the taken " + handled->name + ", and no ref of that leads to one"
                                   : "the event is not about one and names none by its key"),
                      "add WHERE" + refHint(*resolved.target) + "; WHERE true means every row");
    }
}

void StepBinder::bindWay(int way, ResolvedStep& resolved) {
    resolved.way = way;
    resolved.byContext = event_.useContext(way);
    result_.contexts[resolved.byContext].locked = true;
}

void StepBinder::bindVia(const spec::Step& step, ResolvedStep& resolved) {
    std::vector<std::string> path;
    for (const Slice& part : splitTopLevel(step.via.value, '.'))
        path.push_back(snakeCase(step.via.value.substr(part.begin, part.end - part.begin)));
    NameProblem problem;
    int way = event_.wayOf(path, "", problem);
    if (way >= 0 && event_.ways()[way].entity == resolved.target) {
        words_.checkMissingVia(step, way);
        return bindWay(way, resolved);
    }
    std::vector<std::string> ways;
    for (const Context& known : event_.ways())
        if (known.entity == resolved.target) ways.push_back(known.path);
    std::string hint =
        ways.empty() ? "VIA takes a ref of the event's row, or a path of refs" : "write VIA " + join(ways, " or VIA ");
    if (way >= 0)
        world_.report(*action_.file, Code::R107, step.via.pos,
                      step.via.value + " leads to a row of " + event_.ways()[way].entity->name + ", not of " +
                          resolved.target->name,
                      hint);
    else
        world_.report(*action_.file, Code::R107, step.via.pos,
                      problem.message.empty() ? "the event leads to no row by " + step.via.value : problem.message,
                      hint);
}

bool StepBinder::bindTakenRow(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    if (!scope.handled) return false;
    EntityInfo& taken = *scope.handled;
    auto byColumn = [&](const std::string& name) {
        resolved.rowKey = simpleValue(ValueKind::handled, name, taken.column(name)->type, "", "");
        return true;
    };
    if (resolved.target == &taken && !taken.key.empty()) return byColumn(taken.key);
    std::vector<const ColumnInfo*> ways = event_.waysTo(resolved.target, taken);
    if (ways.empty()) return false;
    if (ways.size() == 1) return byColumn(ways.front()->name);
    std::vector<std::string> fields;
    for (const ColumnInfo* way : ways)
        fields.push_back(way->field->name.value);
    world_.report(*action_.file, Code::R140, step.target.pos,
                  "the taken row leads to " + resolved.target->name + " by more than one way: " + join(fields, ", "),
                  "say which: WHERE " + resolved.target->key + " = " + fields.front());
    return true;
}

void StepBinder::bindLimit(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    const ExpressionFacts& limit = world_.facts(step.limit.id + action_.file->expressionBase);
    if (limit.ok && limit.isLiteral && startsWith(limit.literalValue, "-"))
        world_.report(*action_.file, Code::R095, world_.locate(step.limit.id + action_.file->expressionBase, 0));
    if (step.limitSum) {
        const ColumnInfo* summed = resolved.target ? resolved.target->columnOf(step.limitSum.value) : nullptr;
        resolved.allocated = summed ? summed->name : snakeCase(step.limitSum.value);
        if (resolved.target && !summed)
            world_.report(*action_.file, Code::R032, step.limitSum.pos,
                          resolved.target->name + " has no field " + step.limitSum.value,
                          "SUM takes a field of the rows that are updated");
    } else if (resolved.target) {
        const ExpressionFacts& facts = world_.facts(step.limit.id + action_.file->expressionBase);
        if (facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1) {
            std::vector<std::string> limitWords = words(facts.names[0].parts[0]);
            for (const ColumnInfo& column : resolved.target->columns) {
                bool number = column.type == "integer" || column.type == "bigint" || column.type == "smallint" ||
                              startsWith(column.type, "numeric") || column.type == "real" ||
                              column.type == "double precision";
                std::vector<std::string> own = words(column.name);
                bool shares = std::any_of(own.begin(), own.end(), [&](const std::string& word) {
                    return std::find(limitWords.begin(), limitWords.end(), word) != limitWords.end();
                });
                if (number && shares && resolved.allocated.empty()) resolved.allocated = column.name;
            }
        }
    }
    resolved.limit = expressions_.bind(step.limit, resolved.allocated.empty() ? "bigint" : "numeric", scope);
}

// The values of a text, part by part. A part that names nothing is no value: whoever wrote `{1}` meant the braces.
std::vector<BoundExpression> StepBinder::bindTemplate(const spec::Template& text, const Scope& scope) {
    std::vector<BoundExpression> values;
    for (const spec::TemplatePart& part : text) {
        const int expression = part.value.id + action_.file->expressionBase;
        if (part.value && world_.facts(expression).code == Code::E002) {
            const ExpressionFacts& facts = world_.facts(expression);
            if (world_.trying() || resolver_.isFirstReport(expression))
                world_.report(*action_.file, facts.code, world_.locate(expression, facts.errorOffset), facts.error,
                              "between braces stands an expression; a brace itself is written {{ or }}");
            values.emplace_back();
            continue;
        }
        values.push_back(expressions_.bind(part.value, "", scope));
        if (!part.value) continue;
        const ExpressionFacts& facts = world_.facts(expression);
        if (facts.ok && facts.isLiteral)
            world_.report(*action_.file, Code::R150, world_.locate(expression, 0),
                          "{" + world_.expressionText(expression) + "} is always the same: it names no value",
                          "a brace itself is written {{ or }}");
    }
    return values;
}

ResolvedStep StepBinder::bindStep(const spec::Step& step, Scope& scope) {
    ResolvedStep resolved;
    resolved.spec = &step;
    if (!checkMoment(step)) return resolved;
    switch (step.kind) {
        case spec::StepKind::insert:
        case spec::StepKind::append:
        case spec::StepKind::create:
            resolved.target = targetOf(step);
            resolved.ofStage = scope.stageEntity && resolved.target == scope.stageEntity && step.set.empty();
            bindSet(step, resolved, scope);
            if (step.kind == spec::StepKind::append && resolved.target) resolved.target->appendOnly = true;
            if (step.kind == spec::StepKind::create && resolved.target) bindCreate(resolved, scope);
            break;
        case spec::StepKind::update:
        case spec::StepKind::remove: {
            bindRows(step, resolved, scope);
            bindSet(step, resolved, scope);
            Scope rows = scopeOfRows(resolved, scope);
            if (resolved.target) words_.checkMixedSet(resolved, rows);
            if ((takesRows_ || step.limit || !step.orderBy.empty()) && resolved.target && resolved.target->key.empty())
                world_.report(*action_.file, Code::R086, step.target.pos,
                              "rows of " + resolved.target->shown() +
                                  " cannot be taken in order: it has no primary key of one column",
                              "give it one, or leave out ORDER BY and LIMIT");
            for (const spec::OrderItem& item : step.orderBy) {
                resolved.order.push_back({expressions_.bind(item.value, "", rows), &item});
                if (resolved.target) where_.checkOrder(resolved.order.back().value, rows);
            }
            if (step.limit) bindLimit(step, resolved, scope);
            break;
        }
        case spec::StepKind::upsert: bindUpsert(step, resolved, scope); break;
        case spec::StepKind::find: bindFind(step, resolved, scope); break;
        case spec::StepKind::each: bindEach(step, resolved, scope); break;
        case spec::StepKind::lock: bindRows(step, resolved, scope); break;
        case spec::StepKind::assign: bindAssign(step, resolved, scope); break;
        case spec::StepKind::let: bindLet(step, resolved, scope); break;
        case spec::StepKind::emit:
            for (const spec::Assignment& assignment : step.set) {
                BoundAssignment bound;
                bound.column = assignment.column.value;
                if (step.after && bound.column == eventTimeKey)
                    world_.report(*action_.file, Code::R370, assignment.column.pos);
                bound.value = expressions_.bind(assignment.value,
                                                bound.column == eventTimeKey ? "timestamp with time zone" : "", scope);
                resolved.set.push_back(std::move(bound));
            }
            break;
        case spec::StepKind::callExternal:
        case spec::StepKind::notify:
        case spec::StepKind::escalate:
            resolved.targetValues = bindTemplate(step.targetParts, scope);
            resolved.messageValues = bindTemplate(step.messageParts, scope);
            resolved.idempotencyKey = expressions_.bind(step.idempotencyKey, "", scope);
            for (const spec::Assignment& assignment : step.set) {
                BoundAssignment bound;
                bound.column = assignment.column.value;
                bound.value = expressions_.bind(assignment.value, "", scope);
                resolved.set.push_back(std::move(bound));
            }
            break;
        case spec::StepKind::ret: break;
        case spec::StepKind::function:
        case spec::StepKind::call:
            if (step.variable) world_.report(*action_.file, Code::R096, step.variable.pos);
            bindCall(step, resolved, scope);
            break;
        case spec::StepKind::validate:
            resolved.condition = expressions_.bind(step.condition, "boolean", scope);
            resolved.messageValues = bindTemplate(step.messageParts, scope);
            break;
        case spec::StepKind::branch: {
            resolved.condition = expressions_.bind(step.condition, "boolean", scope);
            Scope then = scope, otherwise = scope;
            resolved.then = bindSteps(step.then, then);
            resolved.otherwise = bindSteps(step.otherwise, otherwise);
            break;
        }
        case spec::StepKind::foreach: bindForeach(step, resolved, scope); break;
        case spec::StepKind::stage: break;  // see ProcessBinder
    }
    return resolved;
}

void StepBinder::bindCall(const spec::Step& step, ResolvedStep& resolved, Scope& scope) {
    const std::string& function = step.target.value;
    size_t dot = function.rfind('.');
    std::string schema = dot == std::string::npos ? action_.schema : function.substr(0, dot);
    std::string name = dot == std::string::npos ? function : function.substr(dot + 1);

    // An action of the own schema, else the only one elsewhere.
    std::vector<const ActionInfo*> elsewhere;
    for (const ActionInfo& other : world_.actions) {
        bool named = step.kind == spec::StepKind::function ? other.spec->name.value == step.verb.value
                                                           : other.spec->name.value == name;
        if (!named || !isFunction(other)) continue;
        if (other.schema == action_.schema)
            resolved.calledAction = &other;
        else
            elsewhere.push_back(&other);
    }
    if (!resolved.calledAction && elsewhere.size() == 1) resolved.calledAction = elsewhere.front();
    if (resolved.calledAction) resolved.call = CallKind::action;
    std::vector<std::string> arities;
    if (resolved.call == CallKind::none) {
        for (const FunctionView& view : world_.catalog().functions) {
            if (view.name != name || view.schema != schema) continue;
            int given = static_cast<int>(step.args.size());
            if (given > view.args || given < view.args - view.defaults) {
                if (!view.variadic || given < view.args - 1) {
                    arities.push_back(std::to_string(view.args));
                    continue;
                }
            }
            resolved.call = CallKind::function;
            resolved.calledFunction = quoteName(schema, name);
        }
    }
    for (spec::ExpressionRef arg : step.args)
        resolved.args.push_back(expressions_.bind(arg, "", scope));
    std::string shown =
        function + "(" + std::to_string(step.args.size()) + (step.args.size() == 1 ? " argument)" : " arguments)");
    if (resolved.call == CallKind::none && !arities.empty()) {
        world_.report(*action_.file, Code::R037, step.target.pos,
                      quoteName(schema, name) + " takes " + join(arities, " or ") + " arguments, not " +
                          std::to_string(step.args.size()),
                      "give it as many as it takes");
    } else if (resolved.call == CallKind::none && step.kind == spec::StepKind::call) {
        world_.report(*action_.file, Code::R038, step.target.pos, "no function " + schema + "." + name,
                      "create it first, or write <service>: \"" + name + "(…)\" to queue a call");
    } else if (resolved.call == CallKind::none) {
        resolved.call = CallKind::queued;
    }
    std::string to = resolved.call == CallKind::action ? "action " + resolved.calledAction->name()
                     : resolved.call == CallKind::function
                         ? "function " + resolved.calledFunction
                         : "queued call to service " + step.verb.value + ", operation " + name;
    if (resolved.call != CallKind::none)
        world_.addExplanation({action_.name(), shown, to, "call: " + step.verb.value, step.pos.line});
}

}  // namespace specql::resolve
