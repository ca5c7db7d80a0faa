// Steps that give names to values and rows, and upserts.
#include <algorithm>

#include "resolve/steps.hpp"
#include "spec/context.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

// Do steps always end what is done for the event?
bool endsEvent(const std::vector<spec::Step>& steps) {
    if (steps.empty()) return false;
    const spec::Step& last = steps.back();
    return last.kind == spec::StepKind::ret ||
           (last.kind == spec::StepKind::branch && endsEvent(last.then) && endsEvent(last.otherwise));
}

}  // namespace

bool StepBinder::checkNewName(Pos pos, const std::string& name, const Scope& scope, bool isRow) {
    std::string meaning = names_.meaningOfNew(scope, name, isRow);
    if (meaning.empty()) return true;
    world_.report(*action_.file, Code::R220, pos, name + " has a meaning already: it is " + meaning,
                  isRow ? "give the row another name: AS …" : "choose another name");
    return false;
}

std::string StepBinder::newVariable(const std::string& name) {
    auto used = [&](const std::string& variable) {
        return result_.variables.count(variable) ||
               std::any_of(result_.contexts.begin(), result_.contexts.end(),
                           [&](const Context& context) { return context.variable == variable; });
    };
    std::string variable = name;
    for (int number = 2; used(variable); number++)
        variable = name + "_" + std::to_string(number);
    result_.variables.insert(variable);
    return variable;
}

void StepBinder::bindLet(const spec::Step& step, ResolvedStep& resolved, Scope& scope) {
    const std::string& name = step.variable.value;
    resolved.condition = expressions_.bind(step.condition, "", scope);
    if (!checkNewName(step.variable.pos, name, scope, false)) return;
    resolved.variable = newVariable(name);
    Value value = simpleValue(ValueKind::local, resolved.variable, "", "name that let gives",
                              "= " + (resolved.condition ? world_.expressionText(resolved.condition.expression) : ""));
    value.context = static_cast<int>(result_.locals.size());
    resolved.condition.gives = value.context;
    result_.locals.push_back({-1, -1, resolved.condition.expression, ""});
    scope.locals.push_back({name, std::move(value)});
}

void StepBinder::bindForeach(const spec::Step& step, ResolvedStep& resolved, Scope& scope) {
    resolved.condition = expressions_.bind(step.condition, "", scope);
    if (!resolved.condition) return;
    std::string type;
    int local = -1;
    if (resolved.condition.values.size() == 1) {
        const Value& array = resolved.condition.values[0];
        type = array.type;
        local = array.kind == ValueKind::local ? array.context : -1;
        // Of a payload nothing else may say what the key is; then it is what this use demands.
        if (type.empty() && array.kind == ValueKind::payload) {
            types_.hint(array.name, "jsonb");
            type = types_.payloadType(array.name);
        }
    }
    std::string element = type == "jsonb" ? "jsonb" : elementType(type);
    if (element.empty() && local < 0 && world_.facts(resolved.condition.expression).ok)
        world_.report(*action_.file, Code::R036, world_.locate(resolved.condition.expression, 0));
    resolved.variable = newVariable(step.variable.value);
    Value value = simpleValue(ValueKind::local, resolved.variable, element, "variable of foreach",
                              "element of " + world_.expressionText(resolved.condition.expression));
    if (local >= 0) {
        value.context = static_cast<int>(result_.locals.size());
        result_.locals.push_back({local, -1, resolved.condition.expression, ""});
    }
    Scope body = scope;
    body.locals.push_back({step.variable.value, std::move(value)});
    resolved.then = bindSteps(step.then, body);
}

void StepBinder::bindRows(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    resolved.target = targetOf(step);
    if (step.via && resolved.target) {
        bindVia(step, resolved);
    } else if (!step.where && resolved.target && resolved.target == scope.stageEntity) {
        resolved.ofStage = true;
    } else if (!step.where && resolved.target) {
        auto named = std::find_if(scope.rows.begin(), scope.rows.end(), [&](const RowName& row) {
            return result_.rows[static_cast<size_t>(row.row)].entity == resolved.target;
        });
        if (named != scope.rows.end())
            world_.report(*action_.file, Code::R223, step.target.pos,
                          "nothing says which row of " + resolved.target->name + " is meant: " + named->name +
                              " is one, and the event may lead to another",
                          "write WHERE " + quoteName(resolved.target->key) + " = " + named->name + "." +
                              quoteName(resolved.target->key) + ", or the key of another row");
        else if (!bindTakenRow(step, resolved, scope))
            bindOwnRow(step, resolved, scope.handled);
    }
    if (!step.where) return;
    Scope rows = scopeOfRows(resolved, scope);
    resolved.where = expressions_.bind(step.where, "boolean", rows);
    where_.checkWhere(resolved.where, rows, bool(step.via));
}

Scope StepBinder::scopeOfRows(const ResolvedStep& resolved, const Scope& scope) {
    Scope rows = scope;
    rows.target = resolved.target;
    rows.targetFirst = true;
    rows.targetWay = resolved.way;
    rows.ownRow = resolved.ownRow;
    return rows;
}

void StepBinder::bindLooked(const spec::Step& step, ResolvedStep& resolved, const Scope& scope,
                            const std::string& name) {
    resolved.target = targetOf(step);
    Scope rows = scopeOfRows(resolved, scope);
    rows.targetName = name;
    resolved.where = expressions_.bind(step.where, "boolean", rows);
    if (resolved.where) where_.checkWhere(resolved.where, rows, false);
    for (const spec::OrderItem& item : step.orderBy) {
        resolved.order.push_back({expressions_.bind(item.value, "", rows), &item});
        if (resolved.target) where_.checkOrder(resolved.order.back().value, rows);
    }
    resolved.limit = expressions_.bind(step.limit, "bigint", scope);
    if (!resolved.target) return;
    resolved.row = static_cast<int>(result_.rows.size());
    result_.rows.push_back({resolved.target, name, newVariable(name), {}});
}

void StepBinder::bindFind(const spec::Step& step, ResolvedStep& resolved, Scope& scope) {
    EntityInfo* entity = world_.entity(step.target.value, action_.schema);
    const Text& said = step.variable ? step.variable : step.target;
    const std::string name = step.variable ? step.variable.value : entity ? entity->word : step.target.value;
    bool isNew = checkNewName(said.pos, name, scope, true);
    bindLooked(step, resolved, scope, name);
    resolved.messageValues = bindTemplate(step.messageParts, scope);
    Scope otherwise = scope;
    resolved.otherwise = bindSteps(step.otherwise, otherwise);
    if (isNew) scope.rows.push_back({name, resolved.row, step.hasElse && !endsEvent(step.otherwise)});
}

void StepBinder::bindEach(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    const std::string& name = step.variable.value;
    bool isNew = checkNewName(step.variable.pos, name, scope, true);
    bindLooked(step, resolved, scope, name);
    Scope body = scope;
    if (isNew) body.rows.push_back({name, resolved.row, false});
    resolved.then = bindSteps(step.then, body);
}

bool StepBinder::checkMoment(const spec::Step& step) {
    const bool sets = step.kind == spec::StepKind::assign;
    if (!isBefore(action_)) {
        if (sets)
            world_.report(*action_.file, Code::R230, step.pos,
                          "set: is about a row that is about to be written, and this rule runs when that is done",
                          result_.binding.hasRow()
                              ? "write when: before, or update: " + result_.binding.entity->name + " SET …"
                              : "write when: before in a rule on an insertion or an update");
        return !sets;
    }
    if (sets && (result_.binding.ops & opDelete)) {
        world_.report(
            *action_.file, Code::R234, step.pos, "a row that is deleted has no fields that could be set",
            "write on: insert " + result_.binding.entity->name + ", or on: update " + result_.binding.entity->name);
        return false;
    }
    if (sets || step.kind == spec::StepKind::validate || step.kind == spec::StepKind::branch ||
        step.kind == spec::StepKind::let)
        return true;
    world_.report(*action_.file, Code::R232, step.pos,
                  "before a row is written there is set, validate, if and let, and no " + step.verb.value,
                  "put this step into a rule without when: before");
    return false;
}

void StepBinder::bindAssign(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    resolved.target = result_.binding.entity;
    bindSet(step, resolved, scope);
}

// The columns by which a row is told from all others, in any order.
bool StepBinder::isUnique(const EntityInfo& entity, const std::vector<std::string>& columns) const {
    const std::set<std::string> wanted(columns.begin(), columns.end());
    auto same = [&](const std::vector<std::string>& key) {
        return !key.empty() && std::set<std::string>(key.begin(), key.end()) == wanted;
    };
    if (same({entity.key}) || same(entity.keyColumns) || (entity.present && same(entity.present->primaryKey)))
        return true;
    if (!entity.spec) return false;
    for (const spec::Field& field : entity.spec->fields) {
        const ColumnInfo* column = entity.columnOf(field.name.value);
        bool valid = false;
        if (column && field.unique && spec::booleanValue(field.unique.value, valid) && same({column->name}))
            return true;
    }
    for (const std::vector<Text>& together : entity.spec->uniques) {
        std::vector<std::string> own;
        for (const Text& written : together)
            if (const ColumnInfo* column = entity.columnOf(written.value)) own.push_back(column->name);
        if (own.size() == together.size() && same(own)) return true;
    }
    return std::any_of(entity.spec->indexes.begin(), entity.spec->indexes.end(), [&](const spec::IndexSpec& index) {
        std::vector<std::string> own;
        for (const spec::OrderItem& item : index.columns) {
            if (!item.value) return false;
            const int expression = item.value.id + entity.file->expressionBase;
            const ExpressionFacts& facts = world_.facts(expression);
            const bool isName = facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1 &&
                                facts.names[0].length == world_.expressionText(expression).size();
            const ColumnInfo* column = isName ? entity.columnOf(facts.names[0].parts[0]) : nullptr;
            if (!column) return false;
            own.push_back(column->name);
        }
        return index.unique && !index.where && same(own);
    });
}

void StepBinder::bindUpsert(const spec::Step& step, ResolvedStep& resolved, const Scope& scope) {
    resolved.target = targetOf(step);
    if (!resolved.target) return;
    const EntityInfo& entity = *resolved.target;
    std::vector<std::string> written;
    for (const Text& key : step.key) {
        const ColumnInfo* column = entity.columnOf(key.value);
        if (!column)
            world_.report(*action_.file, Code::R032, key.pos, entity.name + " has no field " + key.value,
                          "ON takes the fields that tell whether the row is there");
        else
            resolved.key.push_back(column->name);
        written.push_back(key.value);
    }
    bindSet(step, resolved, scope);
    if (resolved.key.empty() || resolved.key.size() != step.key.size()) return;
    if (!isUnique(entity, resolved.key))
        world_.report(*action_.file, Code::R224, step.key.front().pos,
                      "nothing keeps two rows of " + entity.name + " from having the same " + join(written, ", "),
                      "add to " + entity.name + ": unique: [" + join(written, ", ") + "]");
    for (size_t i = 0; i < resolved.key.size(); i++) {
        bool given = std::any_of(resolved.set.begin(), resolved.set.end(),
                                 [&](const BoundAssignment& set) { return set.column == resolved.key[i]; });
        if (!given)
            world_.report(*action_.file, Code::R225, step.key[i].pos,
                          "SET does not say which " + written[i] + " the row has", "add " + written[i] + " = …");
    }
    checkNewRow(step, resolved);
}

// `count = count + 1`: in a row that is not there yet, count is what it is by default. Without a default it would be
// NULL, and so would be the sum.
void StepBinder::checkNewRow(const spec::Step& step, const ResolvedStep& resolved) {
    for (const BoundAssignment& set : resolved.set) {
        const ExpressionFacts& facts = world_.facts(set.value.expression);
        for (size_t i = 0; i < set.value.values.size(); i++) {
            const Value& value = set.value.values[i];
            if (value.kind != ValueKind::target) continue;
            const ColumnInfo& column = *resolved.target->column(value.name);
            bool hasDefault = !column.defaultSql.empty() || (column.field && column.field->defaultValue);
            const std::string& text = world_.expressionText(set.value.expression);
            std::string before = text.substr(0, facts.names[i].offset);
            std::transform(before.begin(), before.end(), before.begin(), toAsciiLower);
            before.erase(before.find_last_not_of(" \t\n") + 1);
            if (hasDefault || endsWith(before, "coalesce(")) continue;
            world_.report(*action_.file, Code::R226, world_.locate(set.value.expression, facts.names[i].offset),
                          "a new row of " + step.target.value + " has no " + column.name + " yet: this would be NULL",
                          "give the field a default, or write coalesce(" + column.name + ", 0)");
            return;
        }
    }
}

}  // namespace specql::resolve
