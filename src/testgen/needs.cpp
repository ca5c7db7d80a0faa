#include "testgen/needs.hpp"

#include <algorithm>

#include "resolve/event_time.hpp"
#include "resolve/privacy.hpp"
#include "testgen/demands.hpp"
#include "testgen/elements.hpp"
#include "testgen/knowable.hpp"
#include "text/quote.hpp"
#include "time/decimal.hpp"

namespace specql::testgen {

namespace {

void addTo(spec::ConditionText& to, const spec::ConditionText& more) {
    for (auto list : {&spec::ConditionText::numbers, &spec::ConditionText::texts, &spec::ConditionText::intervals,
                      &spec::ConditionText::keys})
        (to.*list).insert((to.*list).end(), (more.*list).begin(), (more.*list).end());
    to.mentionsNull = to.mentionsNull || more.mentionsNull;
}

// A value that stands by itself.
const resolve::Value* onlyValue(const resolve::BoundAssignment& assignment) {
    if (assignment.taken) return &*assignment.taken;
    return assignment.value.values.size() == 1 ? &assignment.value.values.front() : nullptr;
}

}  // namespace

void Needs::find() {
    Demands demands(meaning_, *this);
    splitColumns();
    demands.ofEvent();
    for (size_t i = 0; i < meaning_.contexts.size(); i++) {
        const resolve::Context& context = meaning_.contexts[i];
        if (context.path == resolve::currentRow) continue;
        int key = use(context.key, {});
        if (key < 0) {
            scenario_.unfit = "the key " + context.key.name + " is computed";
            return;
        }
        scenario_.at(key).unique = true;
        scenario_.names[{Place::context(static_cast<int>(i)), context.entity->key}] = key;
    }
    for (const resolve::ResolvedBranch& branch : action_.branches)
        read(branch.condition, {});
    for (const resolve::ResolvedBranch& branch : action_.branches) {
        steps(branch.steps, {});
        steps(branch.otherwise, {});
        if (branch.feed) feed(*branch.feed);
    }
    for (const std::string& name : action_.payloadOrder)
        key(name, action_.payload.at(name));
    demands.ofSteps();
    rows();
    if (scenario_.unfit.empty()) scenario_.complete(meaning_.tables);
    if (scenario_.unfit.empty()) demands.state();
}

// --- values ----------------------------------------------------------------------------------------------------------

int Needs::use(const resolve::Value& value, const Scope& scope, const spec::ConditionText* condition) {
    for (const resolve::Value& part : meaning_.parts(value, scope)) {
        Name name = meaning_.nameOf(part, scope);
        if (!name) continue;
        int known = meaning_.dimension(name);
        if (known < 0) {
            const TestColumn* column = meaning_.columnOf(part, scope);
            known = scenario_.add(column ? dimensionOf(*column) : Dimension{part.type, part.type, ""});
            scenario_.names[name] = known;
        }
        if (!condition) continue;
        Dimension& dimension = scenario_.at(known);
        bool isKey = name.place == Place::row() && isEventKey(name.column);
        dimension.essential = dimension.essential || (!dimension.unique && !isKey);
        addTo(dimension.spoken, *condition);
    }
    return meaning_.dimension(value, scope);
}

bool Needs::isEventKey(const std::string& column) const {
    const std::vector<std::string> key = meaning_.eventKey();
    return std::find(key.begin(), key.end(), column) != key.end();
}

void Needs::read(const resolve::BoundExpression& condition, const Scope& scope) {
    if (!condition) return;
    look(condition, scope);
    spec::ConditionText text = spec::readCondition(meaning_.world.expressionText(condition.expression));
    for (const resolve::Value& value : condition.values)
        use(value, scope, &text);
}

void Needs::mention(const resolve::BoundExpression& bound, const Scope& scope) {
    // What a query finds depends on what its condition reads.
    if (!bound.tables.empty()) return read(bound, scope);
    for (const resolve::Value& value : bound.values)
        use(value, scope);
}

void Needs::key(const std::string& name, const std::string& type) {
    resolve::Value value;
    value.name = name;
    value.type = type;
    use(value, {});
}

void Needs::splitColumns() {
    if (operation_ != resolve::opUpdate) return;
    std::set<std::string>& split = meaning_.split;
    for (const std::string& changed : action_.binding.changed())
        split.insert(changed);
    auto look = [&](const resolve::BoundExpression& bound) {
        for (const resolve::Value& value : bound.values)
            if (value.kind == resolve::ValueKind::eventChange ||
                (value.kind == resolve::ValueKind::eventColumn && value.old))
                split.insert(value.name);
    };
    resolve::ResolvedAction copy = action_;
    resolve::visitExpressions(copy, look);
    for (const resolve::Context& context : action_.contexts)
        if (context.key.kind == resolve::ValueKind::eventColumn && context.key.old) split.insert(context.key.name);
    // A version that counts every update.
    for (const Invariant& invariant :
         invariantsOf(meaning_.resolver, action_.info, action_.binding.entity, operation_, ""))
        if (invariant.owner->binding.changedColumn.empty()) look(*invariant.holds);
    std::set<std::string> made;
    if (const TestTable* table = meaning_.eventTable())
        for (const std::string& name : split)
            if (const TestColumn* column = table->column(name))
                made.insert(column->generatedFrom.begin(), column->generatedFrom.end());
    split.insert(made.begin(), made.end());
    if (split.empty()) touchColumn();
}

// An action that listens to any update gets one that changes something.
void Needs::touchColumn() {
    const TestTable* table = meaning_.eventTable();
    if (!table) return;
    for (const TestColumn& column : table->columns) {
        bool plain = isNumeric(column.baseType) || isText(column.baseType) || column.baseType == "boolean";
        bool refers = std::any_of(table->foreignKeys.begin(), table->foreignKeys.end(), [&](const TestForeignKey& key) {
            return std::find(key.columns.begin(), key.columns.end(), column.name) != key.columns.end();
        });
        if (!plain || refers || column.generated || isEventKey(column.name) || !column.labels.empty()) continue;
        touched_ = column.name;
        meaning_.split.insert(touched_);
        return;
    }
}

// --- steps -----------------------------------------------------------------------------------------------------------

void Needs::steps(const std::vector<resolve::ResolvedStep>& steps, Place element) {
    for (const resolve::ResolvedStep& step : steps) {
        if (step.spec->kind == spec::StepKind::foreach) {
            if (!element) loop(step);
            continue;
        }
        if (step.call == resolve::CallKind::action) called(step);
        const Scope scope = target(step, element);
        written(step, scope);
        read(step.condition, scope);
        mention(step.idempotencyKey, scope);
        for (const std::vector<resolve::BoundExpression>* list : {&step.args, &step.targetValues, &step.messageValues})
            for (const resolve::BoundExpression& bound : *list)
                mention(bound, scope);
        this->steps(step.then, element);
        this->steps(step.otherwise, element);
    }
}

// A row for a step that has none yet: one that its WHERE finds, or several that it handles.
Scope Needs::target(const resolve::ResolvedStep& step, Place element) {
    const Scope known = meaning_.scopeOf(step, element);
    if (!writesRows(step) && !looksForRows(step)) return known;
    const bool allocates = writesRows(step) && (step.limit || !step.order.empty() || resolve::takesRows(*action_.info));
    if (!allocates && (known.own || !step.where)) return known;
    Place place = allocates ? Place::allocation(meaning_.allocations.size()) : rowOfKey(step, known);
    if (!place) place = Place::step(meaning_.targets_.size());
    if (allocates) meaning_.allocations.push_back({&step, &action_});
    meaning_.targets_.push_back({&step, element, place});
    return {place, element};
}

// The place of a row that has the key that WHERE demands.
Place Needs::rowOfKey(const resolve::ResolvedStep& step, const Scope& scope) {
    const resolve::Value* key = resolve::keyInWhere(meaning_.world, step);
    const int known = key ? use(*key, scope) : -1;
    if (known < 0) return {};
    auto has = [&](Place place, const resolve::EntityInfo* entity) {
        return entity == step.target && meaning_.dimension({place, entity->key}) == known;
    };
    if (meaning_.eventTable() && has(Place::row(), action_.binding.entity)) return Place::after();
    for (size_t i = 0; i < meaning_.contexts.size(); i++)
        if (Place place = Place::context(static_cast<int>(i)); has(place, meaning_.contexts[i].entity)) return place;
    for (const Meaning::Target& target : meaning_.targets_)
        if (has(target.place, target.step->target)) return target.place;
    return {};
}

// Rows that a called bulk operation handles.
void Needs::called(const resolve::ResolvedStep& step) {
    for (const resolve::ResolvedAction& called : meaning_.resolver.actions) {
        if (called.info != step.calledAction || called.branches.empty()) continue;
        const std::vector<resolve::ResolvedStep>& steps = called.branches.front().steps;
        auto work = std::find_if(steps.begin(), steps.end(), writesRows);
        if (work == steps.end()) continue;
        Allocation allocation{&*work, &called, &step};
        for (size_t i = 0; i < step.args.size() && i < called.payloadOrder.size(); i++) {
            if (step.args[i].values.size() != 1) continue;
            mention(step.args[i], {});
            allocation.params[called.payloadOrder[i]] = meaning_.nameOf(step.args[i].values.front(), {});
        }
        meaning_.allocations.push_back(std::move(allocation));
        written(*work, Place::allocation(meaning_.allocations.size() - 1));
    }
}

void Needs::written(const resolve::ResolvedStep& step, const Scope& scope) {
    if (scope.own) {
        unify(step.where, scope);
        read(step.where, scope);
    }
    read(step.limit, scope);
    for (const resolve::BoundAssignment& assignment : step.set) {
        mention(assignment.value, scope);
        if (assignment.taken) use(*assignment.taken, scope);
        chooseWord(step, assignment, scope);
        // A row that has the value already would not show that the step ran: another one is searched for.
        if (scope.own && writesRows(step) && !literalOf(meaning_.world, assignment).empty())
            use(meaning_.eventColumn(assignment.column, true), {scope.own, scope.element, &step});
    }
}

// What is written into a column of words is one of them.
void Needs::chooseWord(const resolve::ResolvedStep& step, const resolve::BoundAssignment& assignment,
                       const Scope& scope) {
    const resolve::ColumnInfo* column = step.target ? step.target->column(assignment.column) : nullptr;
    const std::vector<resolve::Value>& values = assignment.value.values;
    if (!column || !column->field || values.size() != 1 || values.front().kind != resolve::ValueKind::payload) return;
    const int known = use(values.front(), scope);
    if (known >= 0) scenario_.dimensions[static_cast<size_t>(known)].labels = column->field->enumValues;
}

void Needs::unify(const resolve::BoundExpression& where, const Scope& scope) {
    if (!where) return;
    const std::string& text = meaning_.world.expressionText(where.expression);
    const ExpressionFacts& facts = meaning_.world.facts(where.expression);
    for (const spec::Atom& atom : spec::readCondition(text).atoms) {
        spec::Bound bound;
        if (!atom.conjunct || !spec::readBound(text.substr(atom.begin, atom.end - atom.begin), bound) ||
            bound.kind != spec::Bound::Kind::name || bound.comparison != "=")
            continue;
        std::vector<const resolve::Value*> sides;
        for (size_t i = 0; i < where.values.size(); i++)
            if (facts.names[i].offset >= atom.begin && facts.names[i].offset < atom.end)
                sides.push_back(&where.values[i]);
        if (sides.size() != 2) continue;
        if (sides[0]->kind != resolve::ValueKind::target) std::swap(sides[0], sides[1]);
        if (sides[0]->kind != resolve::ValueKind::target || sides[1]->kind == resolve::ValueKind::target) continue;
        const int other = use(*sides[1], scope);
        if (other < 0) continue;
        scenario_.names.emplace(meaning_.nameOf(*sides[0], scope), other);
        // A value that tells the row from others.
        Dimension& dimension = scenario_.at(other);
        const bool isKey = meaning_.entityOf(*sides[0], scope)->key == sides[0]->name;
        if (!dimension.essential && (isKey || isText(dimension.baseType) || dimension.baseType == "uuid"))
            dimension.unique = true;
    }
}

// --- loops -----------------------------------------------------------------------------------------------------------

void Needs::loop(const resolve::ResolvedStep& step) {
    if (step.condition.values.size() != 1) return;
    const int array = use(step.condition.values.front(), {});
    if (array < 0) return;
    const bool json = scenario_.at(array).baseType == "jsonb";
    const std::string type = json ? "jsonb" : resolve::elementType(scenario_.at(array).baseType);
    if (type.empty()) return;
    if (scenario_.at(array).elements.empty()) {
        std::vector<int> elements;
        for (int k = 0; k < 2; k++)
            elements.push_back(scenario_.add(elementOf(meaning_.world, step, type, scenario_.dimensions.size())));
        Dimension& dimension = scenario_.at(array);
        dimension.elements = elements;
        dimension.candidates = {"", json ? "'[]'" : "'{}'"};
        dimension.fixed = true;
        scenario_.demands.push_back(Scenario::reference(elements[0]) + " IS DISTINCT FROM " +
                                    Scenario::reference(elements[1]));
    }
    const int number = static_cast<int>(meaning_.loops_.size());
    meaning_.loops_.push_back(&step);
    for (int k = 0; k < 2; k++) {
        const Place element = Place::elementOf(number, k);
        scenario_.names[{element, step.variable}] = scenario_.at(array).elements[static_cast<size_t>(k)];
        steps(step.then, element);
    }
}

// --- windows ---------------------------------------------------------------------------------------------------------

namespace {

// The term's number, and values of which a few make it.
void around(const resolve::WindowTerm& term, spec::ConditionText& spoken) {
    time::Decimal number;
    if (!time::Decimal::parse(term.number, number)) return;
    if (term.number[0] != '-') spoken.numbers.push_back(term.number);
    for (int share = 2; share <= 6 && term.aggregate == "sum"; share++)
        if (int64_t part = number.floor() / share; part > 0 && number.compare(time::Decimal(part), share) == 0)
            spoken.numbers.push_back(std::to_string(part));
}

// Short texts would be cut until they are alike.
bool hasRoom(const std::string& type) {
    size_t bracket = type.find('(');
    if (!isText(type) || (bracket == std::string::npos && type != "character")) return true;
    return bracket != std::string::npos && std::stoi(type.substr(bracket + 1)) >= 18;
}

}  // namespace

void Needs::feed(const resolve::FeedTerm& feed) {
    auto window =
        std::find_if(meaning_.resolver.actions.begin(), meaning_.resolver.actions.end(),
                     [&](const resolve::ResolvedAction& other) { return other.info == action_.info && other.window; });
    if (window == meaning_.resolver.actions.end()) return;
    const resolve::WindowTerm& term = window->window->terms[static_cast<size_t>(feed.term)];
    const bool compared = term.aggregate != "count";
    spec::ConditionText text = spec::readCondition(term.filter.value);
    if (compared) around(term, text);
    auto note = [&](const resolve::Value& value, bool isKey) {
        const int known = use(value, {}, !isKey && compared ? &text : nullptr);
        if (known < 0 || (!isKey && (!term.distinct || compared))) return;
        Dimension& dimension = scenario_.at(known);
        dimension.unique = !dimension.essential && !dimension.fixed && hasRoom(dimension.baseType);
    };
    auto noteKey = [&](const std::string& name, const std::string& type, bool isKey) {
        resolve::Value value;
        value.name = name;
        auto known = window->payload.find(name);
        value.type = known != window->payload.end() && isKey ? known->second : type;
        note(value, isKey);
    };
    for (const resolve::BoundExpression& key : feed.keys)
        for (const resolve::Value& value : key.values)
            note(value, true);
    for (const resolve::Value& value : feed.field.values)
        note(value, false);
    for (const std::string& name : feed.keyNames)
        noteKey(name, "text", true);
    if (!feed.fieldName.empty()) noteKey(feed.fieldName, compared ? "numeric" : "text", false);
    // The time at which a row says that it happened.
    resolve::EventTime at = resolve::eventTime(meaning_.world, action_.binding);
    const int known = at ? use(meaning_.eventColumn(at.column, false), {}) : -1;
    if (known < 0) return;
    scenario_.at(known).candidates = {"specql.clock()"};
    scenario_.at(known).fixed = true;
}

// --- rows ------------------------------------------------------------------------------------------------------------

std::map<std::string, int> Needs::named(std::initializer_list<Place> places) const {
    std::map<std::string, int> columns;
    for (const auto& [name, dimension] : scenario_.names)
        if (std::find(places.begin(), places.end(), name.place) != places.end()) columns[name.column] = dimension;
    return columns;
}

int Needs::column(Place place, const TestTable& table, const std::string& name) {
    const TestColumn* column = table.column(name);
    auto known = scenario_.names.find({place, name});
    if (known != scenario_.names.end() || !column) return known == scenario_.names.end() ? -1 : known->second;
    return scenario_.names[{place, name}] = scenario_.add(dimensionOf(*column));
}

int Needs::row(Place place, const resolve::EntityInfo& entity) {
    const TestTable* table = meaning_.tableOf(entity);
    if (!table) {
        scenario_.unfit = "the table " + entity.shown() + " does not exist";
        return -1;
    }
    if (entity.key.empty()) return -1;
    if (!scenario_.names.count({place, entity.key}))
        if (int key = column(place, *table, entity.key); key >= 0) scenario_.at(key).unique = true;
    return scenario_.addRow(*table, named({place}));
}

void Needs::rows() {
    if (!action_.binding.custom && action_.binding.entity) eventRow();
    for (size_t i = 0; i < meaning_.contexts.size(); i++) {
        if (meaning_.contexts[i].path == resolve::currentRow) continue;
        const Place place = Place::context(static_cast<int>(i));
        const int found = row(place, *meaning_.contexts[i].entity);
        if (found < 0) return;
        scenario_.places[place] = found;
        // Events of a window have keys in common.
        scenario_.row(found).referred = action_.isFeed();
    }
    for (const Meaning::Target& target : meaning_.targets_) {
        if (target.place.kind != Place::Kind::step || scenario_.places.count(target.place)) continue;
        if (const int found = row(target.place, *target.step->target); found >= 0)
            scenario_.places[target.place] = found;
    }
    for (const Place& place : meaning_.looked) {
        // No other row has its key, whatever the query asks of it.
        if (const int key = meaning_.dimension({place, looked_.at(place)->key}); key >= 0) {
            scenario_.at(key).unique = true;
            scenario_.at(key).essential = false;
        }
        if (const int found = row(place, *looked_.at(place)); found >= 0) scenario_.places[place] = found;
    }
    for (size_t i = 0; i < meaning_.allocations.size(); i++) {
        Allocation& allocation = meaning_.allocations[i];
        const Place place = Place::allocation(i);
        allocation.firstOwn = scenario_.dimensions.size();
        if (const TestTable* table = meaning_.tableOf(*allocation.step->target)) {
            column(place, *table, allocation.step->allocated);
            for (const resolve::BoundOrder& order : allocation.step->order)
                for (const resolve::Value& value : order.value.values)
                    column(place, *table, value.name);
        }
        allocation.row = row(place, *allocation.step->target);
    }
    for (const Arm& arm : meaning_.arms)
        for (const PlacedStep& placed : meaning_.steps(arm))
            parents(*placed.step, placed.scope);
}

void Needs::eventRow() {
    const resolve::EntityInfo& entity = *action_.binding.entity;
    const TestTable* table = meaning_.tableOf(entity);
    std::string& unfit = scenario_.unfit;
    if (!table) unfit = "the table " + entity.shown() + " does not exist";
    if (table && (entity.keyColumns.empty() || (entity.key.empty() && action_.isFeed())))
        unfit = "the table " + entity.shown() + " has no key that tells its rows apart";
    if (!unfit.empty()) return;
    for (const std::string& column : meaning_.eventKey()) {
        if (meaning_.split.count(column)) unfit = "the key of " + entity.shown() + " changes";
        const int key = use(meaning_.eventColumn(column, operation_ == resolve::opDelete), {});
        if (key < 0) unfit = "the key of " + entity.shown() + " is a generated column";
        if (!unfit.empty()) return;
        scenario_.at(key).unique = true;
        scenario_.at(key).essential = false;
    }
    // A value by which it is known wherever it would turn up.
    for (const resolve::ColumnInfo& column : entity.columns) {
        if (!resolve::isPrivate(column)) continue;
        const int known = use(meaning_.eventColumn(column.name, operation_ == resolve::opDelete), {});
        if (known >= 0 && scenario_.at(known).baseType == "text" && !scenario_.at(known).essential)
            scenario_.at(known).unique = true;
    }
    if (const std::string& name = action_.binding.valueColumn; !name.empty()) {
        const int known = use(meaning_.eventColumn(name, false), {});
        if (known < 0) {
            unfit = name + " is a generated column";
            return;
        }
        scenario_.at(known).candidates = {quoteLiteral(action_.binding.value)};
        scenario_.at(known).fixed = true;
    }
    states(entity);
    if (operation_ != resolve::opUpdate) {
        const Place place = operation_ == resolve::opInsert ? Place::after() : Place::before();
        scenario_.places[place] = scenario_.addRow(*table, named({Place::row()}));
        return;
    }
    const std::string& changed = touched_.empty() ? action_.binding.changedColumn : touched_;
    for (const std::string& name : meaning_.split)
        for (bool old : {true, false})
            if (int side = use(meaning_.eventColumn(name, old), {}); side >= 0 && name == changed)
                scenario_.at(side).essential = true;
    const int before = scenario_.addRow(*table, named({Place::row(), Place::before()}));
    const int after = scenario_.addRow(*table, named({Place::row(), Place::after()}));
    scenario_.row(after).before = before;
    scenario_.places[Place::before()] = before;
    scenario_.places[Place::after()] = after;
    if (changed.empty()) return;
    std::string was, is;
    (void)meaning_.printValue(meaning_.eventColumn(changed, true), Scenario::reference, was, unfit);
    (void)meaning_.printValue(meaning_.eventColumn(changed, false), Scenario::reference, is, unfit);
    scenario_.demands.push_back(differ(is, was));
}

void Needs::parents(const resolve::ResolvedStep& step, const Scope& scope) {
    const TestTable* table = insertsRow(step) ? meaning_.tableOf(*step.target) : nullptr;
    if (!table) return;
    for (const resolve::BoundAssignment& assignment : step.set) {
        const resolve::Value* value = onlyValue(assignment);
        const int known = value ? meaning_.dimension(*value, scope) : -1;
        for (const TestForeignKey& key : table->foreignKeys) {
            const TestTable* parent = findTable(meaning_.tables, key.schema, key.table);
            if (known < 0 || !parent || key.columns != std::vector<std::string>{assignment.column}) continue;
            if (!scenario_.at(known).essential) scenario_.at(known).unique = true;
            scenario_.referredRow(*parent, key.referenced.front(), known);
        }
    }
}

}  // namespace specql::testgen
