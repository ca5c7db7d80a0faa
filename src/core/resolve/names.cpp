// What every name in an action means under one binding: language.md section 5.
#include <algorithm>

#include "emit/quote.hpp"
#include "resolve/action_resolver.hpp"
#include "spec/sql_text.hpp"

namespace specql {

namespace {

// A name may lead over so many refs: each is a join, and what follows them calls itself.
constexpr int longestRefPath = 16;

// The type of new minus old.
std::string differenceType(const std::string& type) {
    if (startsWith(type, "timestamp")) return "interval";
    return type == "date" ? "integer" : type;
}

}  // namespace

ResolvedAction ActionResolver::run() {
    const Action& spec = *action_.spec;
    if (spec.windowed || spec.correlated) result_.window = readWindow(world_, action_);
    if (withKeys_) findKeys();
    Scope scope;
    for (const Branch& branch : spec.branches) {
        ResolvedBranch resolved;
        resolved.spec = &branch;
        ExpressionRef condition = branch.condition ? branch.condition : spec.plainCondition;
        if (condition) resolved.condition = bind(condition, "boolean", scope);
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
    inferPayloadTypes();
    return std::move(result_);
}

void ActionResolver::addKey(EntityInfo* entity, Value key) {
    if (!entity || entity == result_.binding.entity || entity->key.empty() || entity->impliedByStep) return;
    for (const Context& known : keys_)
        if (known.entity == entity) return;
    Context context;
    context.entity = entity;
    context.key = std::move(key);
    keys_.push_back(std::move(context));
}

void ActionResolver::findKeys() {
    if (!result_.binding.custom) {
        EntityInfo& entity = *result_.binding.entity;
        for (const ColumnInfo& column : entity.columns) {
            if (!endsWith(column.name, "_id")) continue;
            EntityInfo* named = column.field && !column.field->refTarget.empty()
                                    ? world_.entity(column.field->refTarget.value, entity.home)
                                    : knownTable(column.name.substr(0, column.name.size() - 3));
            addKey(named, eventColumn(entity, column, false, "rule 3: column of the event's row"));
        }
        return followRefs();
    }
    findEmittedKeys();
    for (const Branch& branch : action_.spec->branches) {
        findKeysIn(branch.condition);
        findKeysIn(branch.steps);
        findKeysIn(branch.otherwise);
    }
    findKeysIn(action_.spec->plainCondition);
    for (const Param& param : action_.spec->params)
        addPayloadKey(param.name.value);
    followRefs();
}

void ActionResolver::followRefs() {
    for (size_t i = 0; i < keys_.size() && keys_[i].distance < longestRefPath; i++) {  // nearest first
        EntityInfo& holder = *keys_[i].entity;
        for (const ColumnInfo& column : holder.columns) {
            if (!column.field || column.field->refTarget.empty()) continue;
            size_t before = keys_.size();
            Value key;
            key.name = column.name;
            addKey(world_.entity(column.field->refTarget.value, holder.home), std::move(key));
            if (keys_.size() == before) continue;
            keys_.back().via = static_cast<int>(i);
            keys_.back().distance = keys_[i].distance + 1;
        }
    }
}

void ActionResolver::findEmittedKeys() {
    auto found = resolver_.emitters_.find(result_.binding.event);
    if (found == resolver_.emitters_.end()) return;
    for (const Step* step : found->second)
        for (const Assignment& assignment : step->set) {
            emitted_.insert(assignment.column.value);
            addPayloadKey(assignment.column.value);
        }
}

EntityInfo* ActionResolver::knownTable(const std::string& table) {
    EntityInfo* found = nullptr;
    for (EntityInfo& entity : world_.entities) {
        if (entity.word != table || entity.impliedByStep) continue;
        if (entity.home == action_.schema) return &entity;
        if (entity.unit) found = &entity;
    }
    return found;
}

void ActionResolver::addPayloadKey(const std::string& name) {
    if (endsWith(name, "_id")) addKey(knownTable(name.substr(0, name.size() - 3)), payloadValue(name));
}

void ActionResolver::findKeysIn(ExpressionRef ref) {
    if (!ref) return;
    for (const NameUse& use : world_.facts(ref.id + action_.file->expressionBase).names)
        if (use.parts.size() == 1) addPayloadKey(use.parts.front());
}

void ActionResolver::findKeysIn(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        for (const Assignment& assignment : step.set)
            findKeysIn(assignment.value);
        for (ExpressionRef ref : {step.where, step.limit, step.condition})
            findKeysIn(ref);
        for (ExpressionRef ref : step.args)
            findKeysIn(ref);
        if ((step.kind == StepKind::update || step.kind == StepKind::remove) && !step.where)
            if (EntityInfo* entity = world_.entity(step.target.value, action_.schema))
                addKey(entity, payloadValue(entity->word + "_id"));
        findKeysIn(step.then);
        findKeysIn(step.otherwise);
    }
}

int ActionResolver::useContext(const Context& key) {
    for (size_t i = 0; i < result_.contexts.size(); i++)
        if (result_.contexts[i].entity == key.entity) return static_cast<int>(i);
    Context context = key;
    if (key.via >= 0) {
        const Context& holder = keys_[key.via];
        context.key =
            contextColumn(holder, *holder.entity->column(key.key.name), "rule 7: ref of a row the event names");
    }
    result_.contexts.push_back(context);
    if (context.key.kind == ValueKind::payload) notePayload(context.key.name);
    return static_cast<int>(result_.contexts.size()) - 1;
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

Value ActionResolver::contextColumn(const Context& key, const ColumnInfo& column, std::string rule) {
    Value value;
    value.kind = ValueKind::context;
    value.context = useContext(key);
    value.name = column.name;
    value.type = column.type;
    value.rule = std::move(rule);
    value.shown = key.entity->shown() + "." + column.name + " of the row that " + key.key.name + " names";
    result_.contexts[value.context].columns.insert(column.name);
    return value;
}

Value ActionResolver::payloadValue(const std::string& name) {
    Value value;
    value.kind = ValueKind::payload;
    value.name = name;
    value.rule = "rule 8: key of the event's payload";
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

const ColumnInfo* ActionResolver::fieldNamed(const EntityInfo& entity, const std::string& word) const {
    if (const ColumnInfo* exact = entity.column(word)) return exact;
    const std::string& changed = result_.binding.changedColumn;
    if (&entity == result_.binding.entity && !changed.empty() && containsWords(changed, word))
        return entity.column(changed);
    const ColumnInfo* only = nullptr;
    for (const ColumnInfo& column : entity.columns) {
        if (!containsWords(column.name, word)) continue;
        if (only) return nullptr;
        only = &column;
    }
    return only;
}

bool ActionResolver::lookupTarget(const Scope& scope, const NameUse& use, Value& value) const {
    const std::string& name = use.parts.back();
    if (!scope.target) return false;
    bool qualified = use.parts.size() == 2 && (use.parts[0] == scope.target->word);
    bool bare = use.parts.size() == 1 && ((scope.targetFirst && !use.rightTwin) || name == scope.assigned);
    const ColumnInfo* column = qualified || bare ? scope.target->column(name) : nullptr;
    if (!column) return false;
    value = simple(ValueKind::target, name, column->type, "section 5: the target's own column",
                   scope.target->shown() + "." + name + " (the row being written)");
    return true;
}

bool ActionResolver::lookupQualified(const Scope& scope, const NameUse& use, Value& value) {
    const std::string& first = use.parts[0];
    const std::string& name = use.parts[1];
    const Binding& binding = result_.binding;
    if (!binding.custom && (first == "new" || first == "old" || first == binding.entity->word)) {
        const ColumnInfo* column = binding.entity->columnOf(name);
        if (!column) return false;
        value = eventColumn(*binding.entity, *column, first == "old", "rule 2: " + first + ".column");
        if (first == "new") value.old = false;
        return true;
    }
    if (scope.handled && first == scope.handled->word) return lookupHandled(scope, name, value);
    for (const Context& key : keys_) {
        if (key.entity->word != first) continue;
        if (const ColumnInfo* column = key.entity->column(name)) {
            value = contextColumn(key, *column, "rule 7: column of a row the event names");
            return true;
        }
    }
    return false;
}

bool ActionResolver::lookupHandled(const Scope& scope, const std::string& name, Value& value) const {
    const ColumnInfo* column = scope.handled ? scope.handled->column(name) : nullptr;
    if (!column) return false;
    value = simple(ValueKind::handled, name, column->type, "section 7: column of the handled row",
                   scope.handled->shown() + "." + name + " (the row that was handled)");
    return true;
}

bool ActionResolver::lookupWindow(const std::string& name, Value& value) const {
    if (!result_.window) return false;
    for (const NamedType& known : matchNames)
        if (name == known.name)
            return value = simple(ValueKind::match, name, known.type, "section 9: value of the match", "of the match"),
                   true;
    return false;
}

bool ActionResolver::lookupRow(const std::string& name, Value& value) {
    const Binding& binding = result_.binding;
    if (binding.custom) return false;
    EntityInfo& entity = *binding.entity;
    if (name == "new" || name == "old") {
        value = simple(ValueKind::eventRow, name, "record", "rule 2: the whole row",
                       "the " + name + " row of " + entity.shown());
        value.old = name == "old";
        return true;
    }
    if (const ColumnInfo* column = entity.columnOf(name))
        return value = eventColumn(entity, *column, false, "rule 3: column of the event's row"), true;
    if (!entity.key.empty() && name == entity.word + "_id")
        return value = eventColumn(entity, *entity.column(entity.key), false, "rule 4: <entity>_id is that row's id"),
               true;
    return false;
}

bool ActionResolver::lookupPrefixed(const std::string& name, Value& value) {
    const Binding& binding = result_.binding;
    for (const char* prefix : {"previous_", "old_", "new_", "current_", "available_"}) {
        if (!startsWith(name, prefix)) continue;
        std::string word = name.substr(std::string(prefix).size());
        bool old = prefix[0] == 'p' || prefix[0] == 'o';
        std::string rule = std::string("rule 5: ") + prefix + "<field>";
        if (!binding.custom) {
            if (const ColumnInfo* column = fieldNamed(*binding.entity, word))
                return value = eventColumn(*binding.entity, *column, old, rule), true;
        }
        for (const Context& key : keys_) {
            if (key.distance > 1) break;
            const ColumnInfo* column = old ? nullptr : fieldNamed(*key.entity, word);
            if (column) return value = contextColumn(key, *column, rule + " of a row the event names"), true;
        }
    }
    if (binding.custom || !endsWith(name, "_change") || !(binding.ops & opUpdate)) return false;
    const ColumnInfo* column = fieldNamed(*binding.entity, name.substr(0, name.size() - 7));
    if (!column) return false;
    value = simple(ValueKind::eventChange, column->name, differenceType(column->type), "rule 5: <field>_change",
                   binding.entity->shown() + "." + column->name + ", new minus old");
    return true;
}

bool ActionResolver::lookupMeta(const std::string& name, Value& value) const {
    for (const NamedType& known : metaNames)
        if (name == known.name)
            return value =
                       simple(ValueKind::meta, name, known.type, "rule 6: of the event itself", "the event's " + name),
                   true;
    return false;
}

bool ActionResolver::lookupKeys(const std::string& name, Value& value, std::string& problem) {
    const Context* found = nullptr;
    for (const Context& key : keys_) {
        if (!key.entity->column(name)) continue;
        // A payload may have any key: only rows that it names itself come before it.
        if (result_.binding.custom && key.distance > 1) break;
        if (found && key.distance > found->distance) break;
        if (found) {
            problem =
                name + " can be " + found->entity->shown() + "." + name + " and " + key.entity->shown() + "." + name;
            return false;
        }
        found = &key;
    }
    if (!found) return false;
    value = contextColumn(*found, *found->entity->column(name), "rule 7: column of a row the event names");
    return true;
}

bool ActionResolver::declaredParam(const std::string& name) const {
    return emitted_.count(name) || std::any_of(action_.spec->params.begin(), action_.spec->params.end(),
                                               [&](const Param& param) { return param.name.value == name; });
}

bool ActionResolver::lookup(const Scope& scope, const NameUse& use, Value& value, std::string& problem) {
    if (lookupTarget(scope, use, value)) return true;
    if (use.parts.size() == 2) return lookupQualified(scope, use, value);
    if (use.parts.size() != 1) return false;
    const std::string& name = use.parts.front();
    for (const Value& local : scope.locals)
        if (local.name == name) return value = local, true;
    if (lookupWindow(name, value) || lookupHandled(scope, name, value)) return true;
    if (declaredParam(name) && result_.binding.custom) return value = payloadValue(name), true;
    if (lookupRow(name, value) || lookupPrefixed(name, value) || lookupMeta(name, value)) return true;
    if (lookupKeys(name, value, problem)) return true;
    if (!problem.empty()) return false;
    if (result_.binding.custom && name != "new" && name != "old") return value = payloadValue(name), true;
    const ColumnInfo* own = scope.target && !scope.assigned.empty() ? scope.target->column(name) : nullptr;
    if (!own) return false;
    value = simple(ValueKind::target, name, own->type, "section 5: the target's own column",
                   scope.target->shown() + "." + name + " (the row being written)");
    return true;
}

ResolvedAction resolveUnder(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                            bool withKeys) {
    return ActionResolver(resolver, world, action, binding, withKeys).run();
}

void visitExpressions(ResolvedAction& action, const std::function<void(BoundExpression&)>& visit) {
    ActionResolver::forEachExpression(action, visit);
}

}  // namespace specql
