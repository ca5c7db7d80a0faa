// What every name in an action means under one binding: the event's scope and the target's.
#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// The type of new minus old.
std::string differenceType(const std::string& type) {
    if (startsWith(type, "timestamp")) return "interval";
    return type == "date" ? "integer" : type;
}

bool hasDifference(const std::string& type) {
    for (const char* known : {"smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "date",
                              "time", "timestamp", "interval", "inet", "jsonb"})
        if (type == known || startsWith(type, known)) return true;
    return type.find('.') != std::string::npos;  // a type of somebody's own may have any operator
}

}  // namespace

ResolvedAction ActionResolver::run() {
    const spec::Action& spec = *action_.spec;
    if (spec.windowed || spec.correlated) result_.window = readWindow(world_, action_);
    if (withKeys_) findWays();
    for (const spec::Branch& branch : spec.branches) {
        Scope scope;
        ResolvedBranch resolved;
        resolved.spec = &branch;
        spec::ExpressionRef condition = branch.condition ? branch.condition : spec.plainCondition;
        scope.ofBranch = true;
        if (condition) resolved.condition = bind(condition, "boolean", scope);
        scope.ofBranch = false;
        resolved.steps = bindSteps(branch.steps, scope);
        Scope otherwise;
        resolved.otherwise = bindSteps(branch.otherwise, otherwise);
        result_.branches.push_back(std::move(resolved));
    }
    if (!spec.onTimeout.empty()) {
        ResolvedBranch resolved;
        resolved.onTimeout = true;
        Scope scope;
        resolved.steps = bindSteps(spec.onTimeout, scope);
        result_.branches.push_back(std::move(resolved));
    }
    if (bulk_) refuseEventNames();
    if (bulk_) orderParameters();
    checkKeys();
    inferPayloadTypes();
    return std::move(result_);
}

// Those that are declared come as they are declared, then the others as they are used.
void ActionResolver::orderParameters() {
    const std::vector<spec::Param>& params = action_.spec->params;
    auto place = [&](const std::string& key) {
        return std::find_if(params.begin(), params.end(),
                            [&](const spec::Param& param) { return param.name.value == key; }) -
               params.begin();
    };
    std::stable_sort(result_.payloadOrder.begin(), result_.payloadOrder.end(),
                     [&](const std::string& left, const std::string& right) { return place(left) < place(right); });
}

Value ActionResolver::eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old,
                                  std::string rule) const {
    bool useOld = old || result_.binding.ops == opDelete;
    Value value;
    value.kind = ValueKind::eventColumn;
    value.name = column.name;
    value.old = useOld;
    value.type = column.type;
    value.rule = std::move(rule);
    value.shown = entity.shown() + "." + column.name + (useOld ? " (old row)" : " (new row)");
    return value;
}

// As new.x or old.x: NULL where there is no such row.
Value ActionResolver::rowColumn(const ColumnInfo& column, bool old, std::string rule) const {
    Value value = eventColumn(*result_.binding.entity, column, old, std::move(rule));
    if (old) return value;
    value.old = false;
    value.strict = (result_.binding.ops & opDelete) != 0;
    value.shown = result_.binding.entity->shown() + "." + column.name + " (new row)";
    return value;
}

Value ActionResolver::contextColumn(int way, const ColumnInfo& column, std::string rule) {
    Value value;
    value.kind = ValueKind::context;
    value.context = useContext(way);
    value.name = column.name;
    value.type = column.type;
    value.rule = std::move(rule);
    value.shown = ways_[way].entity->shown() + "." + column.name + " of the row that " + ways_[way].path + " leads to";
    result_.contexts[value.context].columns.insert(column.name);
    return value;
}

Value ActionResolver::targetColumn(const Scope& scope, const ColumnInfo& column) const {
    return simple(ValueKind::target, column.name, column.type, "the target's own column",
                  scope.target->shown() + "." + column.name + " (the row being written)");
}

Value ActionResolver::payloadValue(const std::string& name) {
    Value value;
    value.kind = ValueKind::payload;
    value.name = name;
    value.rule = "key of the event's payload";
    return value;
}

Value ActionResolver::simple(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown) {
    Value value;
    value.kind = kind;
    value.name = std::move(name);
    value.type = std::move(type);
    value.rule = std::move(rule);
    value.shown = std::move(shown);
    return value;
}

const ColumnInfo* ActionResolver::fieldNamed(const EntityInfo& entity, const std::string& word, bool guess) const {
    if (const ColumnInfo* exact = entity.columnOf(word)) return exact;
    const std::string& changed = result_.binding.changedColumn;
    if (&entity == result_.binding.entity && !changed.empty() && containsWords(changed, word))
        return entity.column(changed);
    if (!guess) return nullptr;
    const ColumnInfo* only = nullptr;
    for (const ColumnInfo& column : entity.columns) {
        if (!containsWords(column.name, word)) continue;
        if (only) return nullptr;
        only = &column;
    }
    return only;
}

bool isNamed(const EntityInfo& entity, const std::string& word) {
    std::string lower = entity.name;
    std::transform(lower.begin(), lower.end(), lower.begin(), toAsciiLower);
    return word == entity.word || word == entity.name || word == lower;
}

bool ActionResolver::lookupTarget(const Scope& scope, const NameUse& use, Value& value) const {
    if (!scope.target || use.parts.size() != 1) return false;
    const ColumnInfo* column = scope.target->columnOf(use.parts.front());
    if (!column || (!scope.targetFirst && column->name != scope.assigned)) return false;
    value = targetColumn(scope, *column);
    return true;
}

NameProblem ActionResolver::noField(const EntityInfo& entity, const std::string& name) const {
    std::vector<std::string> names;
    for (const ColumnInfo& column : entity.columns)
        names.push_back(column.name);
    std::string near = world_.wantsHints() && !world_.trying() ? nearest(name, names) : "";
    for (std::string& known : names)
        known = quoteName(known);  // as an expression has to write it
    return {entity.name + " has no field " + name,
            near.empty() ? "its fields are " + join(names, ", ") : "did you mean " + quoteName(near) + "?", Code::R040};
}

// Of the row being written, where no ref of the event's has the same name and leads to another row.
bool ActionResolver::lookupTargetQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    const ColumnInfo* column = scope.target->columnOf(use.parts.back());
    if (!column) {
        problem = noField(*scope.target, use.parts.back());
        return false;
    }
    for (size_t i = 0; i < ways_.size() && first != "target" && !scope.targetFirst; i++) {
        const Context& way = ways_[i];
        if (way.via >= 0 || way.path != first || static_cast<int>(i) == scope.targetWay) continue;
        if (!way.entity->columnOf(use.parts.back())) continue;
        problem = {join(use.parts, ".") + " can be of the " + scope.target->name +
                       " that is written, and of the one that the event's " + first + " leads to",
                   "write target." + use.parts.back() + ", or " + eventPrefix() + first + "." + use.parts.back()};
        return false;
    }
    bool sameEntity = first != "target" && !result_.binding.custom && scope.target == result_.binding.entity;
    if (sameEntity && !scope.ownRow) {
        problem = {join(use.parts, ".") + " can be of the " + scope.target->name +
                       " that is written, and of the one that the event is about",
                   "write target." + use.parts.back() + ", or " + eventPrefix() + use.parts.back()};
        return false;
    }
    value = targetColumn(scope, *column);
    return true;
}

// The target may have a ref of that name as well, and in its own scope a bare one would be the target's.
bool ActionResolver::isTargetsRef(const Scope& scope, const NameUse& use, NameProblem& problem) const {
    const std::string& first = use.parts.front();
    if (!scope.target || first == "new" || first == "old" || first == "payload") return false;
    bool explicitly = first == "target" || isNamed(*scope.target, first);
    const std::string& ref = explicitly && use.parts.size() > 2 ? use.parts[1] : first;
    const ColumnInfo* column = scope.target->columnOf(ref);
    if (!column) column = scope.target->column(ref + "_id");
    if (!column || !column->field || column->field->refTarget.empty()) return false;
    if (explicitly && use.parts.size() > 2) {
        problem = {"a row that the " + scope.target->name + " refers to is not read here",
                   "call a function that reads it, or keep the value in " + scope.target->name, Code::R040};
        return true;
    }
    // The event's own row refers to the same rows, whichever of the two is meant.
    if (scope.ownRow) return false;
    problem = {join(use.parts, ".") + " can be of the row that " + ref + " of the " + scope.target->name +
                   " leads to, and of the one that the event's leads to",
               std::string("write ") + eventPrefix() + join(use.parts, ".") +
                   " for the event's; rows that the target refers to are not read here"};
    return true;
}

bool ActionResolver::lookupQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    const std::string& name = use.parts.back();
    const Binding& binding = result_.binding;
    if (use.parts.size() == 2) {
        if (scope.handled && first == "new") return lookupHandled(scope, name, value);
        if (!binding.custom && (first == "new" || first == "old")) {
            const ColumnInfo* column = binding.entity->columnOf(name);
            if (column)
                value = rowColumn(*column, first == "old", "" + first + ".column");
            else
                problem = noField(*binding.entity, name);
            return column != nullptr;
        }
        if (scope.target && (first == "target" || isNamed(*scope.target, first)))
            return lookupTargetQualified(scope, use, value, problem);
        if (binding.custom && first == "payload") {
            if (result_.window) return lookupPayload(name, value);
            return value = payloadValue(name), true;
        }
        if (scope.handled && isNamed(*scope.handled, first)) return lookupHandled(scope, name, value);
        if (ofTakenRef(scope, first)) return false;
        if (!binding.custom && isNamed(*binding.entity, first) && !binding.entity->columnOf(first)) {
            const ColumnInfo* column = binding.entity->columnOf(name);
            if (column)
                value = eventColumn(*binding.entity, *column, false, "column of the event's row");
            else
                problem = noField(*binding.entity, name);
            return column != nullptr;
        }
    }
    if (isTargetsRef(scope, use, problem)) return false;
    int way = wayOf({use.parts.begin(), use.parts.end() - 1}, name, problem);
    if (way >= 0) {
        const ColumnInfo* column = ways_[way].entity->columnOf(name);
        if (column)
            value = contextColumn(way, *column, "column of a row the event leads to");
        else
            problem = noField(*ways_[way].entity, name);
        return column != nullptr;
    }
    if (use.parts.size() != 2 || first != "caller" || !problem.message.empty() || isField(scope, first)) return false;
    value = simple(ValueKind::caller, name, "text", "caller: who did it", "the caller's " + name);
    return true;
}

bool ActionResolver::lookupHandled(const Scope& scope, const std::string& name, Value& value) const {
    if (scope.handled && name == "new")
        return value = simple(ValueKind::handled, "", "record", "the handled row",
                              "the row of " + scope.handled->shown() + " that was handled"),
               true;
    const ColumnInfo* column = scope.handled ? scope.handled->columnOf(name) : nullptr;
    if (!column) return false;
    value = simple(ValueKind::handled, column->name, column->type, "column of the handled row",
                   scope.handled->shown() + "." + column->name + " (the row that was handled)");
    return true;
}

bool ActionResolver::lookupWindow(const std::string& name, Value& value) const {
    if (!result_.window) return false;
    for (const NamedType& known : matchNames)
        if (name == known.name)
            return value = simple(ValueKind::match, name, known.type, "value of the match", "of the match"), true;
    return false;
}

bool ActionResolver::lookupRow(const std::string& name, Value& value) {
    const Binding& binding = result_.binding;
    if (binding.custom) return false;
    EntityInfo& entity = *binding.entity;
    if (name == "new" || name == "old") {
        value =
            simple(ValueKind::eventRow, name, "record", "the whole row", "the " + name + " row of " + entity.shown());
        value.old = name == "old";
        return true;
    }
    if (const ColumnInfo* column = entity.columnOf(name))
        return value = eventColumn(entity, *column, false, "column of the event's row"), true;
    bool isKey = name == entity.word || name == entity.word + "_id";
    if (entity.key.empty() || !isKey) return false;
    value = eventColumn(entity, *entity.column(entity.key), false, "<entity>_id is that row's id");
    return true;
}

bool ActionResolver::lookupPrefixed(const std::string& name, Value& value, NameProblem& problem) {
    const Binding& binding = result_.binding;
    for (const char* prefix : {"previous_", "old_", "new_", "current_", "available_"}) {
        if (!startsWith(name, prefix)) continue;
        std::string word = name.substr(std::string(prefix).size());
        bool old = prefix[0] == 'p' || prefix[0] == 'o';
        std::string rule = std::string("") + prefix + "<field>";
        // current_year is hardly the year of birth.
        bool guess = prefix[0] != 'c';
        if (!binding.custom) {
            if (const ColumnInfo* column = fieldNamed(*binding.entity, word, guess))
                return value = rowColumn(*column, old, rule), true;
            continue;  // new and current are the event's row, not one that it leads to
        }
        if (old) continue;
        std::vector<int> ways;
        for (size_t i = 0; i < ways_.size(); i++)
            if (ways_[i].distance == 1 && !ways_[i].byPathOnly && fieldNamed(*ways_[i].entity, word, guess))
                ways.push_back(static_cast<int>(i));
        if (ways.size() > 1) {
            problem = ambiguous(name, ways, "." + fieldNamed(*ways_[ways.front()].entity, word, guess)->name);
            return false;
        }
        if (ways.size() == 1) {
            value = contextColumn(ways.front(), *fieldNamed(*ways_[ways.front()].entity, word, guess),
                                  rule + " of a row the event leads to");
            return true;
        }
    }
    if (binding.custom || !endsWith(name, "_change") || !(binding.ops & opUpdate)) return false;
    const ColumnInfo* column = fieldNamed(*binding.entity, name.substr(0, name.size() - 7), true);
    if (!column) return false;
    if (!hasDifference(column->type)) {
        problem = {name + " would be the new " + column->name + " minus the old one, and that is " + column->type,
                   "write new." + quoteName(column->name), Code::R113};
        return false;
    }
    value = simple(ValueKind::eventChange, column->name, differenceType(column->type), "<field>_change",
                   binding.entity->shown() + "." + column->name + ", new minus old");
    return true;
}

bool ActionResolver::lookupMeta(const std::string& name, Value& value) const {
    for (const NamedType& known : metaNames)
        if (name == known.name)
            return value = simple(ValueKind::meta, name, known.type, "of the event itself", "the event's " + name),
                   true;
    return false;
}

bool ActionResolver::lookupWays(const std::string& name, Value& value, NameProblem& problem) {
    std::vector<int> ways = nearestWays([&](const EntityInfo& entity) { return entity.columnOf(name) != nullptr; });
    // A payload may have any key: only rows that it names itself come before it.
    if (ways.empty() || (result_.binding.custom && ways_[ways.front()].distance > 1)) return false;
    if (ways.size() > 1) {
        problem = ambiguous(name, ways, "." + name);
        return false;
    }
    value =
        contextColumn(ways.front(), *ways_[ways.front()].entity->columnOf(name), "column of a row the event leads to");
    return true;
}

bool ActionResolver::declaredParam(const std::string& name) const {
    return emitted_.count(name) || std::any_of(action_.spec->params.begin(), action_.spec->params.end(),
                                               [&](const spec::Param& param) { return param.name.value == name; });
}

std::string ActionResolver::keyInPayload(const std::string& name) const {
    std::string other = endsWith(name, "_id") ? name.substr(0, name.size() - 3) : name + "_id";
    return !declaredParam(name) && declaredParam(other) ? other : name;
}

bool ActionResolver::lookupPayload(const std::string& name, Value& value) const {
    if (!result_.window) {
        value = payloadValue(keyInPayload(name));
        return true;
    }
    for (const MatchKey& key : matchKeys_)
        if (key.name == name || key.name == name + "_id" || key.name + "_id" == name || key.aliases.count(name))
            return value = payloadValue(key.name), true;
    return declaredParam(name) && (value = payloadValue(name), true);
}

bool ActionResolver::lookupEvent(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& name = use.parts.front();
    const Binding& binding = result_.binding;
    for (const Value& local : scope.locals)
        if (local.name == name) return value = local, true;
    bool isWritten = use.length > 0;  // create: asks for the names of columns
    if (isWritten && scope.handled && !scope.target && declaredParam(name) && scope.handled->columnOf(name)) {
        problem = {name + " is a parameter, and a column of the taken " + scope.handled->name,
                   "write payload." + name + ", or new." + name};
        return false;
    }
    if (lookupWindow(name, value) || lookupHandled(scope, name, value)) return true;
    if (binding.custom && (result_.window || declaredParam(name)) && lookupPayload(name, value)) return true;
    if (lookupRow(name, value)) return true;
    if (lookupPrefixed(name, value, problem)) return true;
    if (!problem.message.empty()) return false;
    return lookupMeta(name, value) || lookupWays(name, value, problem);
}

bool ActionResolver::lookup(const Scope& scope, const NameUse& use, bool eventSide, Value& value,
                            NameProblem& problem) {
    if (use.parts.size() > 1) return lookupQualified(scope, use, value, problem);
    const std::string& name = use.parts.front();
    const ColumnInfo* column = scope.target ? scope.target->columnOf(name) : nullptr;
    bool variable = column && std::any_of(scope.locals.begin(), scope.locals.end(),
                                          [&](const Value& local) { return local.name == name; });
    if (variable) {
        problem = {name + " is the variable of foreach, and a column of " + scope.target->name,
                   "give the variable another name"};
        return false;
    }
    if (!eventSide && lookupTarget(scope, use, value)) return true;
    if (lookupEvent(scope, use, value, problem)) return true;
    if (!problem.message.empty()) return false;
    bool guessed = result_.binding.custom && !result_.window && name != "new" && name != "old";
    if (eventSide && !guessed) {
        problem = {
            "both sides are the column " + name + " of " + scope.target->name + ": the event has nothing of that name",
            "write the event's value on the right, such as " + eventPrefix() + "id", Code::R103};
        return false;
    }
    const ColumnInfo* own = scope.target && !scope.assigned.empty() ? scope.target->columnOf(name) : nullptr;
    if (own && guessed) {
        std::string what = bulk_ ? "a parameter" : "a key of the payload";
        problem = {name + " can be the column of " + scope.target->name + " and " + what,
                   "write target." + name + ", or payload." + name};
        return false;
    }
    if (own) return value = targetColumn(scope, *own), true;
    // Where parameters are declared, what is nearly a known name is none of them.
    bool misspelt = bulk_ && !action_.spec->params.empty() && !declaredParam(name) && world_.wantsHints() &&
                    !nearest(name, namesInReach(scope)).empty();
    return guessed && !misspelt && lookupPayload(name, value);
}

ResolvedAction resolveUnder(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                            bool withKeys) {
    return ActionResolver(resolver, world, action, binding, withKeys).run();
}

void visitExpressions(ResolvedAction& action, const std::function<void(BoundExpression&)>& visit) {
    ActionResolver::forEachExpression(action, visit);
}

}  // namespace specql::resolve
