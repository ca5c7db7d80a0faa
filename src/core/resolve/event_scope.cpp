#include "resolve/event_scope.hpp"

#include <algorithm>

#include "spec/coordinated.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// A way may lead over so many refs: each is a join, and what follows them calls itself.
constexpr int longestWay = 16;
// An entity with more ways than these is as ambiguous as one with two.
constexpr int mostWays = 8;

std::string withoutId(const std::string& name) {
    return endsWith(name, "_id") ? name.substr(0, name.size() - 3) : name;
}

}  // namespace

bool isNamed(const EntityInfo& entity, const std::string& word) {
    std::string lower = entity.name;
    std::transform(lower.begin(), lower.end(), lower.begin(), toAsciiLower);
    return word == entity.word || word == entity.name || word == lower;
}

Value simpleValue(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown) {
    Value value;
    value.kind = kind;
    value.name = std::move(name);
    value.type = std::move(type);
    value.rule = std::move(rule);
    value.shown = std::move(shown);
    return value;
}

Value payloadValue(const std::string& name) {
    Value value;
    value.kind = ValueKind::payload;
    value.name = name;
    value.rule = "key of the event's payload";
    return value;
}

Value EventScope::eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old, std::string rule) const {
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
Value EventScope::rowColumn(const ColumnInfo& column, bool old, std::string rule) const {
    Value value = eventColumn(*result_.binding.entity, column, old, std::move(rule));
    if (old) return value;
    value.old = false;
    value.strict = (result_.binding.ops & opDelete) != 0;
    value.shown = result_.binding.entity->shown() + "." + column.name + " (new row)";
    return value;
}

Value EventScope::contextColumn(int way, const ColumnInfo& column, std::string rule) {
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

int EventScope::useContext(int way) {
    const Context known = ways_[way];  // a copy: what follows may add ways
    for (size_t i = 0; i < result_.contexts.size(); i++)
        if (result_.contexts[i].path == known.path) return static_cast<int>(i);
    Context context = known;
    if (known.via >= 0)
        context.key = contextColumn(known.via, *ways_[known.via].entity->column(known.key.name),
                                    "ref of a row the event leads to");
    context.variable = known.path.substr(known.path.rfind('.') + 1);
    auto used = [&] {
        return result_.variables.count(context.variable) ||
               std::any_of(result_.contexts.begin(), result_.contexts.end(),
                           [&](const Context& other) { return other.variable == context.variable; });
    };
    if (used()) {
        context.variable = known.path;
        std::replace(context.variable.begin(), context.variable.end(), '.', '_');
    }
    while (used())
        context.variable += '_';
    result_.contexts.push_back(context);
    if (context.key.kind == ValueKind::payload) notePayload(context.key.name);
    return static_cast<int>(result_.contexts.size()) - 1;
}

void EventScope::notePayload(const std::string& name) {
    if (result_.payload.emplace(name, "").second) result_.payloadOrder.push_back(name);
}

bool EventScope::declaredParam(const std::string& name) const {
    return emitted_.count(name) || action_.spec->batch.told.count(name) ||
           std::any_of(action_.spec->params.begin(), action_.spec->params.end(),
                       [&](const spec::Param& param) { return param.name.value == name; });
}

std::string EventScope::keyInPayload(const std::string& name) const {
    std::string other = endsWith(name, "_id") ? name.substr(0, name.size() - 3) : name + "_id";
    return !declaredParam(name) && declaredParam(other) ? other : name;
}

std::string EventScope::eventPrefix() const {
    if (result_.binding.custom) return "payload.";
    return result_.binding.ops == opDelete ? "old." : "new.";
}

int EventScope::addWay(EntityInfo* entity, Value key, const std::string& path, int via) {
    if (!entity || entity->key.empty() || entity->impliedByStep) return -1;
    for (size_t i = 0; i < ways_.size(); i++)
        if (ways_[i].path == path) return static_cast<int>(i);
    Context way;
    way.entity = entity;
    way.path = path;
    way.key = std::move(key);
    way.via = via;
    way.distance = via < 0 ? 1 : ways_[via].distance + 1;
    way.byPathOnly = entity == result_.binding.entity;
    ways_.push_back(std::move(way));
    return static_cast<int>(ways_.size()) - 1;
}

void EventScope::findWays() {
    if (result_.binding.ops == opTruncate) return;
    if (!result_.binding.custom) {
        EntityInfo& entity = *result_.binding.entity;
        for (const ColumnInfo& column : entity.columns) {
            EntityInfo* named = column.field && !column.field->refTarget.empty()
                                    ? world_.entity(column.field->refTarget.value, entity.home)
                                : endsWith(column.name, "_id") ? knownTable(withoutId(column.name))
                                                               : nullptr;
            addWay(named, eventColumn(entity, column, false, "column of the event's row"), withoutId(column.name));
        }
        return followRefs();
    }
    if (result_.window) {
        findMatchKeys();
        return followRefs();
    }
    if (const DueTime& due = result_.binding.due) {
        emitted_.insert(due.key());
        // Under this name a row has a time of its own, from which the other may differ.
        if (!due.entity->column(dueTimeKey)) emitted_.insert(dueTimeKey);
        addWay(due.entity, payloadValue(due.key()), due.entity->word);
        return followRefs();
    }
    const std::string rowKey = action_.spec->ofRow ? ownKey() : action_.spec->batch.rowKey;
    if (!rowKey.empty())
        for (EntityInfo& entity : world_.entities)
            if (&entity == action_.home) addWay(&entity, payloadValue(rowKey), entity.word);
    // What the row refers to is not asked for by a key of its own.
    if (action_.spec->ofRow) followRefs();
    for (const spec::Param& param : action_.spec->params)
        addPayloadKey(param.name.value);
    findEmittedKeys();
    if (spec::isCoordinated(*action_.spec)) {
        findTakenKeys();
        return followRefs();
    }
    for (const spec::Branch& branch : action_.spec->branches) {
        findKeysIn(branch.condition);
        findKeysIn(branch.steps);
        findKeysIn(branch.otherwise);
    }
    findKeysIn(action_.spec->plainCondition);
    for (const spec::Branch& branch : action_.spec->branches) {
        findTargetsIn(branch.steps);
        findTargetsIn(branch.otherwise);
    }
    followRefs();
}

// Parameters that are refs of a parent that is inserted.
void EventScope::findTakenKeys() {
    for (const spec::Branch& branch : action_.spec->branches) {
        if (branch.steps.empty() || branch.steps.front().kind != spec::StepKind::insert) continue;
        const spec::Step& parent = branch.steps.front();
        const EntityInfo* entity = world_.entity(parent.target.value, action_.schema);
        for (const Text& taken : parent.taken)
            if (const ColumnInfo* column = entity ? entity->columnOf(taken.value) : nullptr)
                addPayloadKey(column->name);
    }
}

int EventScope::wayByKey(EntityInfo* entity, const Value& key) {
    return addWay(entity, key, withoutId(key.name));
}

void EventScope::useOwnRow() {
    if (ways_.empty() || ways_.front().entity != action_.home) return;
    result_.contexts[static_cast<size_t>(useContext(0))].locked = true;
}

void EventScope::useDueRow() {
    notePayload(result_.binding.due.key());
    notePayload(dueTimeKey);
    useContext(0);
}

int EventScope::currentWay() {
    if (!result_.isAnswer() || !result_.binding.hasRow() || result_.binding.entity->key.empty()) return -1;
    EntityInfo& entity = *result_.binding.entity;
    size_t before = ways_.size();
    int way = addWay(&entity, eventColumn(entity, *entity.column(entity.key), false, "column of the event's row"),
                     currentRow);
    if (ways_.size() > before) ways_.back().byPathOnly = true;
    return way;
}

void EventScope::followRefs() {
    std::map<const EntityInfo*, std::pair<int, int>> reached;  // the nearest distance, and how many ways have it
    for (const Context& way : ways_) {
        auto found = reached.emplace(way.entity, std::make_pair(way.distance, 0)).first;
        found->second.second++;
    }
    for (size_t i = 0; i < ways_.size(); i++) {  // nearest first
        EntityInfo& holder = *ways_[i].entity;
        int distance = ways_[i].distance + 1;
        if (distance > longestWay || ways_[i].byPathOnly) continue;
        for (const ColumnInfo& column : holder.columns) {
            if (!column.field || column.field->refTarget.empty()) continue;
            EntityInfo* target = world_.entity(column.field->refTarget.value, holder.home);
            if (!target || target == result_.binding.entity) continue;
            auto found = reached.emplace(target, std::make_pair(distance, 0)).first;
            if (found->second.first < distance || found->second.second >= mostWays) continue;
            size_t before = ways_.size();
            Value key;
            key.name = column.name;
            addWay(target, std::move(key), ways_[i].path + "." + withoutId(column.name), static_cast<int>(i));
            found->second.second += ways_.size() > before ? 1 : 0;
        }
    }
}

int EventScope::follow(int from, const std::string& ref, bool old, bool strict) {
    EntityInfo* holder = from < 0 ? result_.binding.entity : ways_[from].entity;
    if (!holder) return -1;
    const ColumnInfo* column = holder->columnOf(ref);
    if (!column) column = holder->column(ref + "_id");
    if (!column) return -1;
    EntityInfo* target = column->field && !column->field->refTarget.empty()
                             ? world_.entity(column->field->refTarget.value, holder->home)
                         : from < 0 && endsWith(column->name, "_id") ? knownTable(withoutId(column->name))
                                                                     : nullptr;
    Value key;
    key.name = column->name;
    std::string path = withoutId(column->name);
    if (from >= 0) {
        path = ways_[from].path + "." + path;
        if (ways_[from].distance >= longestWay) return -1;
    } else {
        key = eventColumn(*holder, *column, old, old ? "old.column" : "column of the event's row");
        if (old || strict) {
            key.old = old;
            key.strict = strict;
            path = (old ? "old." : "new.") + path;
        }
    }
    size_t before = ways_.size();
    int way = addWay(target, std::move(key), path, from);
    if (ways_.size() > before) ways_.back().byPathOnly = true;
    return way;
}

int EventScope::wayOf(const std::vector<std::string>& path, const std::string& field, NameProblem& problem) {
    const Binding& binding = result_.binding;
    if (!withKeys_ || binding.ops == opTruncate) return -1;
    size_t next = 0;
    bool old = false, strict = false;
    if (!binding.custom && path.size() > 1 && (path[0] == "old" || path[0] == "new")) {
        // Where an event always has the row there is nothing to tell apart.
        old = path[0] == "old";
        strict = !old && (binding.ops & opDelete);
        next = 1;
    } else if (path.size() > 1 &&
               (binding.custom ? path[0] == "payload"
                               : isNamed(*binding.entity, path[0]) && !binding.entity->columnOf(path[0]))) {
        next = 1;
    }
    int way = -1;
    if (binding.custom) {
        for (size_t i = 0; i < ways_.size() && way < 0; i++)
            if (ways_[i].via < 0 && ways_[i].path == withoutId(path[next])) way = static_cast<int>(i);
        // A ref of the row that is due, as of the row of an event.
        if (way < 0 && binding.due && !ways_.empty()) way = follow(0, path[next], false, false);
    } else {
        way = follow(-1, path[next], old, strict);
    }
    if (way < 0 && next == 0) {
        std::vector<int> named = nearestWays([&](const EntityInfo& entity) { return isNamed(entity, path[0]); });
        if (named.size() > 1) {
            std::string further = join({path.begin() + 1, path.end()}, ".");
            std::string suffix = (further.empty() ? "" : "." + further) + (field.empty() ? "" : "." + field);
            problem = ambiguous(path[0] + suffix, named, suffix);
            return -1;
        }
        if (named.size() == 1) way = named.front();
    }
    for (next++; way >= 0 && next < path.size(); next++) {
        int further = follow(way, path[next], false, false);
        if (further < 0)
            problem = {ways_[way].entity->name + " has no ref " + path[next],
                       "a path goes from ref to ref: purchase.customer.name", Code::R040};
        way = further;
    }
    return way;
}

std::vector<int> EventScope::nearestWays(const std::function<bool(const EntityInfo&)>& fits) const {
    std::vector<int> found;
    for (size_t i = 0; i < ways_.size(); i++) {
        const Context& way = ways_[i];
        if (way.byPathOnly || !fits(*way.entity)) continue;
        if (!found.empty() && way.distance > ways_[found.front()].distance) continue;
        if (!found.empty() && way.distance < ways_[found.front()].distance) found.clear();
        found.push_back(static_cast<int>(i));
    }
    return found;
}

void EventScope::findEmittedKeys() {
    auto found = resolver_.emitters().find(result_.binding.event);
    if (found == resolver_.emitters().end()) return;
    for (const spec::Step* step : found->second)
        for (const spec::Assignment& assignment : step->set) {
            emitted_.insert(assignment.column.value);
            addPayloadKey(assignment.column.value);
        }
}

// A key of a match leads to a row as the column does that it was in the events.
void EventScope::findMatchKeys() {
    World::Trial trial(world_);  // what is wrong with the sources is reported when they are resolved
    for (const std::string& name : matchKeyNames(*action_.spec))
        matchKeys_.push_back({name, "", nullptr, {}});
    const std::vector<TermExpressions>& expressions = world_.termExpressions(*action_.spec);
    for (size_t i = 0; i < result_.window->terms.size() && i < expressions.size(); i++) {
        std::vector<Binding> sources = resolveTrigger(resolver_, world_, action_, result_.window->terms[i].event());
        for (size_t k = 0; k < expressions[i].by.size() && k < matchKeys_.size(); k++) {
            const ExpressionFacts& facts = world_.facts(expressions[i].by[k]);
            if (!facts.ok || facts.names.size() != 1) continue;
            const std::string& name = facts.names.front().parts.back();
            matchKeys_[k].aliases.insert(name);
            EntityInfo* named = endsWith(name, "_id") ? knownTable(withoutId(name)) : nullptr;
            for (const Binding& source : sources) {
                const ColumnInfo* column = source.custom ? nullptr : source.entity->columnOf(name);
                if (!column && !source.custom && !source.entity->key.empty() && name == source.entity->word) {
                    named = source.entity;
                    matchKeys_[k].type = source.entity->column(source.entity->key)->type;
                }
                if (!column) continue;
                matchKeys_[k].type = column->type;
                if (column->field && !column->field->refTarget.empty())
                    named = world_.entity(column->field->refTarget.value, source.entity->home);
                else if (column->name == source.entity->key)
                    named = source.entity;
                else if (endsWith(column->name, "_id"))
                    named = knownTable(withoutId(column->name));
            }
            if (!matchKeys_[k].entity) matchKeys_[k].entity = named;
        }
    }
    for (const MatchKey& key : matchKeys_)
        addWay(key.entity, payloadValue(key.name),
               key.entity && key.name == key.entity->key ? key.entity->word : withoutId(key.name));
}

EntityInfo* EventScope::knownTable(const std::string& table) {
    EntityInfo* found = nullptr;
    int elsewhere = 0;
    for (EntityInfo& entity : world_.entities) {
        if (entity.word != table || entity.impliedByStep) continue;
        if (entity.home == action_.schema) return &entity;
        if (entity.unit) found = &entity, elsewhere++;
    }
    return elsewhere == 1 ? found : nullptr;
}

void EventScope::addPayloadKey(const std::string& name) {
    if (endsWith(name, "_id")) addWay(knownTable(withoutId(name)), payloadValue(keyInPayload(name)), withoutId(name));
}

void EventScope::findKeysIn(spec::ExpressionRef ref, EntityInfo* taken, EntityInfo* target) {
    if (!ref) return;
    const ExpressionFacts& facts = world_.facts(ref.id + action_.file->expressionBase);
    Scope scope;
    scope.target = target;
    scope.targetFirst = true;
    std::set<int> eventSide = rightTwins(facts, scope);
    for (size_t i = 0; i < facts.names.size(); i++) {
        const std::vector<std::string>& parts = facts.names[i].parts;
        bool ofRow = (taken && taken->columnOf(parts.back())) ||
                     (target && !eventSide.count(static_cast<int>(i)) && target->columnOf(parts.back()));
        // What a query names bare is mostly a column of what it looks at.
        ofRow = ofRow || facts.names[i].query >= 0;
        if (parts.size() == 1 ? !ofRow : parts.size() == 2 && parts[0] == "payload") addPayloadKey(parts.back());
    }
}

void EventScope::findKeysIn(const std::vector<spec::Step>& steps, EntityInfo* taken) {
    for (const spec::Step& step : steps) {
        for (const spec::Assignment& assignment : step.set)
            findKeysIn(assignment.value, taken);
        for (spec::ExpressionRef ref : {step.limit, step.condition})
            findKeysIn(ref, taken);
        for (spec::ExpressionRef ref : step.args)
            findKeysIn(ref, taken);
        for (const spec::Template* text : {&step.targetParts, &step.messageParts})
            for (const spec::TemplatePart& part : *text)
                findKeysIn(part.value, taken);
        const bool set = step.kind == spec::StepKind::update || step.kind == spec::StepKind::remove;
        EntityInfo* looked = step.where ? world_.entity(step.target.value, action_.schema) : nullptr;
        findKeysIn(step.where, taken, looked);
        findKeysIn(step.then, taken);
        findKeysIn(step.onResponse);
        findKeysIn(step.onFailure);
        findKeysIn(step.otherwise, taken);
        EntityInfo* entity = set ? world_.entity(step.target.value, action_.schema) : nullptr;
        if (takesRows_ && entity && !taken) taken = entity;
    }
}

// The row of an update without WHERE has its key in the payload, unless something else there leads to it.
void EventScope::findTargetsIn(const std::vector<spec::Step>& steps, EntityInfo* taken) {
    for (const spec::Step& step : steps) {
        findTargetsIn(step.then, taken);
        findTargetsIn(step.onResponse);
        findTargetsIn(step.onFailure);
        // What undoes a step of a process finds its rows by what the step kept of them.
        if (step.kind != spec::StepKind::stage) findTargetsIn(step.otherwise, taken);
        const bool writes = step.kind == spec::StepKind::update || step.kind == spec::StepKind::remove;
        if (!writes && step.kind != spec::StepKind::lock) continue;
        EntityInfo* entity = world_.entity(step.target.value, action_.schema);
        bool known =
            std::any_of(ways_.begin(), ways_.end(), [&](const Context& way) { return way.entity == entity; }) ||
            (taken && entity && (entity == taken || !waysTo(entity, *taken).empty()));
        // Behind an allocation the taken row says which one is meant.
        if (entity && !known && !taken && !step.where && !step.via)
            addWay(entity, payloadValue(keyInPayload(entity->word + "_id")), entity->word);
        if (takesRows_ && writes && entity && !taken) taken = entity;
    }
}

std::vector<const ColumnInfo*> EventScope::waysTo(const EntityInfo* entity, const EntityInfo& from) {
    std::vector<const ColumnInfo*> ways;
    for (const ColumnInfo& column : from.columns) {
        if (!column.field || column.field->refTarget.empty()) continue;
        if (world_.entity(column.field->refTarget.value, from.home) == entity) ways.push_back(&column);
    }
    return ways;
}

const Value& EventScope::startOf(const Context& way) const {
    const Context* at = &way;
    while (at->via >= 0)
        at = &ways_[static_cast<size_t>(at->via)];
    return at->key;
}

const char* EventScope::missingRow(const Value& start) const {
    const Binding& binding = result_.binding;
    if (binding.custom || start.kind != ValueKind::eventColumn) return nullptr;
    if (start.old && binding.ops == opInsert) return noOldRow;
    return start.strict && binding.ops == opDelete ? noNewRow : nullptr;
}

NameProblem EventScope::ambiguous(const std::string& what, const std::vector<int>& ways,
                                  const std::string& suffix) const {
    std::vector<std::string> written;
    for (int way : ways)
        written.push_back(ways_[way].path + suffix);
    return {what + " is ambiguous: it can be " + join(written, " and "), "write " + join(written, " or ")};
}

}  // namespace specql::resolve
