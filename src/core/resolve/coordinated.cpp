#include "resolve/coordinated.hpp"

#include <algorithm>

#include "spec/coordinated.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

bool isInsert(const ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::insert;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), toAsciiLower);
    return text;
}

// Can a value of a type be assigned to a column of the other?
bool fits(const std::string& type, const std::string& column) {
    auto family = [](const std::string& full) -> std::string {
        const std::string plain = full.substr(0, full.find('('));
        for (const char* number : {"smallint", "integer", "bigint", "numeric", "real", "double precision"})
            if (plain == number) return "number";
        return plain == "character varying" ? "text" : startsWith(plain, "timestamp") ? "timestamp" : plain;
    };
    return family(type) == family(column);
}

const BoundAssignment* assignedTo(const ResolvedStep& step, const std::string& column) {
    for (const BoundAssignment& set : step.set)
        if (set.column == column) return &set;
    return nullptr;
}

}  // namespace

bool isLate(const ResolvedAction& action, const BoundAssignment& set) {
    auto ofParent = [&](const Value& value) {
        return value.kind == ValueKind::context ||
               (value.kind == ValueKind::row && value.context == action.parentRow && action.parentRow >= 0);
    };
    if (set.taken) return ofParent(*set.taken);
    return std::any_of(set.value.values.begin(), set.value.values.end(), ofParent);
}

std::vector<ResolvedStep> CoordinatedBinder::bind(const std::vector<spec::Step>& entries) {
    std::vector<ResolvedStep> steps(entries.size());
    bool known = !entries.empty();
    for (size_t i = 0; i < entries.size(); i++) {
        steps[i].spec = &entries[i];
        steps[i].target = steps_.targetOf(entries[i]);
        known = known && steps[i].target;
    }
    if (!known) return {};
    const bool cascade = spec::isCascade(*action_.spec);
    parentStep_ = cascade ? entries.size() - 1 : 0;
    result_.parentStep = parentStep_;
    ResolvedStep& parent = steps[parentStep_];
    parent_ = parent.target;
    if (cascade && isInsert(parent)) {
        world_.report(*action_.file, Code::R281, parent.spec->verb.pos,
                      "a cascade ends with its parent, which is updated or deleted, and this inserts one",
                      "write the parent last, or pattern: multi_entity/coordinated_update");
        return {};
    }
    if (parent_->key.empty()) {
        world_.report(*action_.file, Code::R270, parent.spec->target.pos,
                      parent_->shown() + " has no key of one column, which tells its rows apart", "give it one");
        return {};
    }
    if (!findItems(steps) || !bindParent(parent)) return {};
    result_.returned = parentKey();
    if (result_.items) bindItems(steps[result_.items->step]);
    for (size_t i = 0; i < steps.size(); i++)
        if (i != parentStep_ && (!result_.items || i != result_.items->step)) bindOther(steps[i]);
    checkValues(steps);
    if (result_.items) {
        if (!types_.give(result_.items->parameter, "jsonb"))
            world_.report(*action_.file, Code::R271,
                          action_.spec->branches.front().steps[result_.items->step].target.pos,
                          result_.items->parameter + " is the array of elements, and a field of another entity too",
                          "give the array another name: items: lines");
        event_.notePayload(result_.items->parameter);
    }
    return steps;
}

std::vector<const ColumnInfo*> CoordinatedBinder::refsTo(EntityInfo* parent, const EntityInfo& from) const {
    std::vector<const ColumnInfo*> refs = event_.waysTo(parent, from);
    const ColumnInfo* named = from.column(parent->word + "_id");
    const ColumnInfo* key = parent->column(parent->key);
    if (refs.empty() && named && key && named->type == key->type && named->name != from.key) refs.push_back(named);
    return refs;
}

// The second and further insertions of rows that refer to the parent are of many rows, unless they say otherwise.
bool CoordinatedBinder::findItems(const std::vector<ResolvedStep>& steps) {
    for (size_t i = 0; i < steps.size(); i++) {
        const spec::Step& spec = *steps[i].spec;
        if (!isInsert(steps[i])) continue;
        if (i == parentStep_) {
            if (spec.items && spec.items.value != spec::noItems)
                world_.report(*action_.file, Code::R271, spec.items.pos,
                              "the first of the entities is the parent, of which there is one row",
                              "write items: at an entity below");
            continue;
        }
        if (spec.items.value == spec::noItems) continue;
        const bool refers = !spec::isCascade(*action_.spec) && !refsTo(parent_, *steps[i].target).empty();
        if (!spec.items && !refers) continue;
        if (result_.items) {
            world_.report(*action_.file, Code::R271, spec.target.pos,
                          "the elements of " + result_.items->parameter + " become rows of " +
                              result_.items->entity->name + " already, and of " + spec.target.value +
                              " rows would be inserted as well",
                          "write items: none at the one of which a single row is inserted");
            return false;
        }
        Items items;
        items.entity = steps[i].target;
        items.step = i;
        items.parameter = spec.items ? spec.items.value : "items";
        result_.items = std::move(items);
    }
    if (!result_.items) return true;
    for (const spec::Param& param : action_.spec->params)
        if (param.name.value == result_.items->parameter && param.type.value != "jsonb") {
            world_.report(*action_.file, Code::R271, param.type.pos,
                          param.name.value + " is an array of objects, whose elements become rows of " +
                              result_.items->entity->name,
                          "write " + param.name.value + ": jsonb, or leave it out");
            return false;
        }
    return true;
}

Scope CoordinatedBinder::scope() const {
    Scope scope;
    if (result_.items) {
        scope.handled = result_.items->entity;
        scope.handledName = result_.items->parameter;
    }
    scope.rows = parentNames_;
    scope.parentWay = parentWay_;
    return scope;
}

void CoordinatedBinder::nameParent(const EntityInfo& entity, int row) {
    for (const std::string& name : {std::string("parent"), entity.word, lower(entity.name)})
        if (std::none_of(parentNames_.begin(), parentNames_.end(),
                         [&](const RowName& known) { return known.name == name; }))
            parentNames_.push_back({name, row, false});
}

Value CoordinatedBinder::parentKey() const {
    const ColumnInfo& key = *parent_->column(parent_->key);
    if (parentWay_ >= 0) return event_.contextColumn(parentWay_, key, "key of the parent");
    Value value = simpleValue(ValueKind::row, key.name, key.type, "key of the parent", "parent." + key.name);
    value.context = result_.parentRow;
    value.entity = parent_;
    return value;
}

bool CoordinatedBinder::bindParent(ResolvedStep& step) {
    if (isInsert(step)) {
        bindTaken(step);
        steps_.bindSet(*step.spec, step, scope());
        Scope checked = scope();
        checked.target = step.target;
        checked.targetFirst = true;
        bindChecks(step, checked);
        result_.parentRow = static_cast<int>(result_.rows.size());
        result_.rows.push_back({parent_, "parent", steps_.newVariable(parent_->word), {parent_->key}, "", ""});
        nameParent(*parent_, result_.parentRow);
        return true;
    }
    parentWay_ = parentWay(step);
    if (parentWay_ < 0) return false;
    step.way = parentWay_;
    step.byContext = event_.useContext(parentWay_);
    Context& context = result_.contexts[static_cast<size_t>(step.byContext)];
    context.locked = true;
    context.isRemoved = step.spec->kind == spec::StepKind::remove;
    (void)parentKey();  // which is what the function returns, so it is read
    bindTaken(step);
    steps_.bindSet(*step.spec, step, scope());
    bindChecks(step, StepBinder::scopeOfRows(step, scope()));
    // The row has been read, and locked, before anything is asked of it.
    auto read = [this](BoundExpression& bound) {
        for (Value& value : bound.values)
            if (value.kind == ValueKind::target)
                value = event_.contextColumn(parentWay_, *parent_->column(value.name), "column of the parent");
    };
    for (ResolvedStep& check : step.then) {
        read(check.condition);
        for (BoundExpression& value : check.messageValues)
            read(value);
    }
    return true;
}

int CoordinatedBinder::parentWay(ResolvedStep& step) {
    const spec::Step& spec = *step.spec;
    Value key = payloadValue(event_.keyInPayload(parent_->word + "_id"));
    if (spec.where) {
        step.where = expressions_.bind(spec.where, "boolean", StepBinder::scopeOfRows(step, scope()));
        if (step.where.values.empty()) return -1;
        const Value* named = keyInWhere(world_, step);
        const bool isAll = step.where.values.size() == 2 && named && named->kind == ValueKind::payload;
        if (!isAll) {
            world_.report(*action_.file, Code::R270, world_.locate(step.where.expression, 0),
                          "the condition does not say which one row of " + parent_->name + " it is about",
                          "write condition: " + quoteName(parent_->key) + " = " + parent_->word +
                              "_id, or leave it out; what else must hold stands in its validations:");
            return -1;
        }
        key = *named;
        step.where = {};
    }
    (void)types_.give(key.name, parent_->column(parent_->key)->type);
    return event_.wayByKey(parent_, key);
}

void CoordinatedBinder::bindTaken(ResolvedStep& step) {
    for (const Text& name : step.spec->taken) {
        const ColumnInfo* column = steps_.settable(name, step);
        if (!column) continue;
        Value value = payloadValue(event_.keyInPayload(column->name));
        value.type = column->type;
        const bool isAlone = types_.give(value.name, column->type);
        const std::string type = types_.payloadType(value.name);
        if ((!isAlone || event_.declaredParam(value.name)) && !fits(type, column->type))
            world_.report(*action_.file, Code::R282, name.pos,
                          "the parameter " + value.name + " is " + type + ", and " + column->name + " of " +
                              step.target->name + " is " + column->type,
                          "give both the same type, or the field a value of its own: {" + name.value + ": expression}");
        event_.notePayload(value.name);
        BoundAssignment taken;
        taken.column = column->name;
        taken.taken = std::move(value);
        step.set.push_back(std::move(taken));
    }
}

void CoordinatedBinder::bindChecks(ResolvedStep& step, const Scope& scope) {
    for (const spec::Step& check : step.spec->then) {
        ResolvedStep resolved;
        resolved.spec = &check;
        resolved.condition = expressions_.bind(check.condition, "boolean", scope);
        resolved.messageValues = steps_.bindTemplate(check.messageParts, scope);
        step.then.push_back(std::move(resolved));
    }
}

// Rows that refer to the parent get its key.
void CoordinatedBinder::setRefToParent(ResolvedStep& step) {
    const std::vector<const ColumnInfo*> refs = refsTo(parent_, *step.target);
    if (refs.empty() || std::any_of(refs.begin(), refs.end(),
                                    [&](const ColumnInfo* ref) { return assignedTo(step, ref->name) != nullptr; }))
        return;
    if (refs.size() > 1) {
        std::vector<std::string> names;
        for (const ColumnInfo* ref : refs)
            names.push_back(ref->name);
        world_.report(*action_.file, Code::R280, step.spec->target.pos,
                      step.target->name + " refers to " + parent_->name + " in more than one way: " + join(names, ", "),
                      "say which: fields: {" + names.front() + ": parent." + parent_->key + "}");
        return;
    }
    BoundAssignment ref;
    ref.column = refs.front()->name;
    ref.taken = parentKey();
    step.set.push_back(std::move(ref));
}

void CoordinatedBinder::bindItems(ResolvedStep& step) {
    Items& items = *result_.items;
    EntityInfo& entity = *items.entity;
    const std::vector<const ColumnInfo*> refs = refsTo(parent_, entity);
    for (const Text& name : step.spec->taken) {
        const ColumnInfo* column = steps_.settable(name, step);
        // The ref to the parent is set by itself, whoever lists it.
        if (!column || std::find(refs.begin(), refs.end(), column) != refs.end()) continue;
        items.given.push_back(column->name);
        BoundAssignment given;
        given.column = column->name;
        given.taken = simpleValue(ValueKind::handled, column->name, column->type, "key of an element",
                                  items.parameter + "." + column->name);
        step.set.push_back(std::move(given));
    }
    Scope of = scope();
    for (const ColumnInfo& column : entity.columns) {
        const bool isRef = column.field && !column.field->refTarget.empty();
        const std::string word = endsWith(column.name, "_id") ? column.name.substr(0, column.name.size() - 3) : "";
        EntityInfo* named = isRef           ? world_.entity(column.field->refTarget.value, entity.home)
                            : !word.empty() ? event_.knownTable(word)
                                            : nullptr;
        if (!named || named->key.empty() ||
            (named == parent_ && std::find(refs.begin(), refs.end(), &column) != refs.end()))
            continue;
        const int row = static_cast<int>(result_.rows.size());
        const std::string name = word.empty() ? column.name : word;
        result_.rows.push_back({named, name, name, {}, name, column.name});
        items.refs.push_back({row, column.name});
        const bool several = std::count_if(entity.columns.begin(), entity.columns.end(), [&](const ColumnInfo& other) {
                                 return other.field && column.field && isRef &&
                                        world_.entity(other.field->refTarget.value, entity.home) == named;
                             }) > 1;
        std::vector<std::string> names = {name};
        if (!several) names.insert(names.end(), {named->word, lower(named->name)});
        for (const std::string& one : names)
            if (std::none_of(of.rows.begin(), of.rows.end(), [&](const RowName& known) { return known.name == one; }))
                of.rows.push_back({one, row, false});
    }
    steps_.bindSet(*step.spec, step, of);
    setRefToParent(step);
    bindChecks(step, of);
}

void CoordinatedBinder::bindOther(ResolvedStep& step) {
    const Scope outer = scope();
    bindTaken(step);
    if (isInsert(step)) {
        steps_.bindSet(*step.spec, step, outer);
        setRefToParent(step);
        Scope checked = outer;
        checked.target = step.target;
        checked.targetFirst = true;
        return bindChecks(step, checked);
    }
    bindOtherRows(step, outer);
    steps_.bindSet(*step.spec, step, outer);
    bindChecks(step, StepBinder::scopeOfRows(step, outer));
}

void CoordinatedBinder::bindOtherRows(ResolvedStep& step, const Scope& outer) {
    const spec::Step& spec = *step.spec;
    const Scope rows = StepBinder::scopeOfRows(step, outer);
    if (spec.where) {
        step.where = expressions_.bind(spec.where, "boolean", rows);
        where_.checkWhere(step.where, rows, false);
        return;
    }
    if (outer.handled && steps_.bindTakenRow(spec, step, outer)) {
        if (step.rowKey) result_.items->needed.insert(step.rowKey->name);
        step.ofItems = step.rowKey.has_value();
        return;
    }
    const std::vector<const ColumnInfo*> refs = refsTo(parent_, *step.target);
    world_.report(*action_.file, Code::R275, spec.target.pos,
                  "nothing says which rows of " + step.target->name + " are meant",
                  refs.empty() ? "add a condition: with a column of " + step.target->name
                               : "add condition: " + refs.front()->name + " = parent." + parent_->key);
}

}  // namespace specql::resolve
