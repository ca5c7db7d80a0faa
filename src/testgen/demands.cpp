// What other actions with `on_error: abort` demand of the event and of what its steps write: the statement fails
// otherwise. A demand that cannot be expressed over the values of a test is left out; the trial of the rows shows then
// whether it is met.
#include <algorithm>
#include <iterator>

#include "emit/printer.hpp"
#include "testgen/knowable.hpp"
#include "testgen/stage.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

const resolve::BoundAssignment* assignmentOf(const resolve::ResolvedStep& step, const std::string& column) {
    for (const resolve::BoundAssignment& assignment : step.set)
        if (assignment.column == column) return &assignment;
    return nullptr;
}

bool sameKey(const resolve::Value& a, const resolve::Value& b) {
    return a.kind == b.kind && a.name == b.name && a.old == b.old && a.context == b.context;
}

}  // namespace

// --- finding them ---------------------------------------------------------------------------------------------------

// The place among contexts_ of a row that another action reads; -1 if this stage cannot have it.
int Stage::contextLike(const resolve::ResolvedAction& other, int which) {
    resolve::Context context = other.contexts[static_cast<size_t>(which)];
    if (context.key.kind == resolve::ValueKind::context) {
        context.key.context = contextLike(other, context.key.context);
        if (context.key.context < 0) return -1;
    } else if (context.key.kind != resolve::ValueKind::eventColumn && context.key.kind != resolve::ValueKind::payload) {
        return -1;
    }
    if (!tableOf(*context.entity) || context.entity->key.empty()) return -1;
    for (size_t i = 0; i < contexts_.size(); i++)
        if (contexts_[i].entity == context.entity && sameKey(contexts_[i].key, context.key)) return static_cast<int>(i);
    contexts_.push_back(context);
    return static_cast<int>(contexts_.size()) - 1;
}

// Gives another action's names their meaning here; false if one has none.
bool Stage::adopt(const resolve::ResolvedAction& other, resolve::BoundExpression& bound) {
    for (resolve::Value& value : bound.values) {
        bool known = value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::eventChange ||
                     value.kind == resolve::ValueKind::payload;
        if (value.kind == resolve::ValueKind::context) {
            value.context = contextLike(other, value.context);
            known = value.context >= 0;
        }
        if (!known) return false;
    }
    return true;
}

void Stage::findDemands() {
    const resolve::Binding& binding = action.binding;
    std::string custom = binding.custom ? binding.event : "";
    if (binding.custom ? custom.empty() : !binding.entity) return;
    std::vector<Invariant> invariants = invariantsOf(resolver_, action.info, binding.entity, operation, custom);
    if (operation == resolve::opUpdate)
        for (const Invariant& invariant : invariants)
            splitChanging(invariant);
    for (Invariant& invariant : invariants) {
        const std::string& changed = invariant.owner->binding.changedColumn;
        if (operation == resolve::opUpdate && !changed.empty() && !split_.count(changed)) continue;
        Demand demand;
        demand.holds = *invariant.holds;
        bool known = adopt(*invariant.owner, demand.holds);
        for (const Arm::Part& part : invariant.when) {
            demand.when.push_back(*part.condition);
            known = known && adopt(*invariant.owner, demand.when.back());
        }
        demand.invariant = std::move(invariant);
        if (known) demands_.push_back(std::move(demand));
    }
}

// A column that must change with every update, such as a version that counts them.
void Stage::splitChanging(const Invariant& invariant) {
    if (!invariant.owner->binding.changedColumn.empty()) return;
    const std::string& text = world_.expressionText(invariant.holds->expression);
    const ExpressionFacts& facts = world_.facts(invariant.holds->expression);
    for (const spec::Atom& atom : spec::readCondition(text).atoms) {
        spec::Bound bound;
        bool plain = spec::readBound(text.substr(atom.begin, atom.end - atom.begin), bound);
        if (!atom.conjunct || (plain && bound.comparison.find('=') != std::string::npos)) continue;
        std::set<std::string> before, after;
        for (size_t i = 0; i < invariant.holds->values.size(); i++) {
            const resolve::Value& value = invariant.holds->values[i];
            if (facts.names[i].offset < atom.begin || facts.names[i].offset >= atom.end) continue;
            bool change = value.kind == resolve::ValueKind::eventChange;
            if (change || (value.kind == resolve::ValueKind::eventColumn && value.old)) before.insert(value.name);
            if (change || (value.kind == resolve::ValueKind::eventColumn && !value.old)) after.insert(value.name);
        }
        std::set_intersection(before.begin(), before.end(), after.begin(), after.end(),
                              std::inserter(split_, split_.end()));
    }
}

void Stage::findDemandsOfSteps() {
    for (const Arm& arm : arms_)
        for (const resolve::ResolvedStep* step : arm.steps)
            if (ownOf(*step)) findDemandsOfStep(*step, ownOf(*step));
    for (size_t i = 0; i < allocations.size(); i++)
        findDemandsOfStep(*allocations[i].step, Place::allocation(i));
}

void Stage::findDemandsOfStep(const resolve::ResolvedStep& step, Place own) {
    bool remove = step.spec->kind == spec::StepKind::remove;
    if (!step.target || (!remove && step.spec->kind != spec::StepKind::update)) return;
    unsigned op = remove ? resolve::opDelete : resolve::opUpdate;
    for (Invariant& invariant : invariantsOf(resolver_, action.info, step.target, op, "")) {
        const std::string& changed = invariant.owner->binding.changedColumn;
        if (!remove && !changed.empty() && !assignmentOf(step, changed)) continue;
        Demand demand;
        demand.step = &step;
        demand.own = own;
        bool known = true;
        auto retargeted = [&](resolve::BoundExpression bound) {
            for (resolve::Value& value : bound.values) {
                known = known && (value.kind == resolve::ValueKind::eventColumn ||
                                  value.kind == resolve::ValueKind::eventChange);
                value.kind = resolve::ValueKind::target;
                if (const resolve::ColumnInfo* column = step.target->column(value.name)) value.type = column->type;
            }
            return bound;
        };
        demand.holds = retargeted(*invariant.holds);
        for (const Arm::Part& part : invariant.when)
            demand.when.push_back(retargeted(*part.condition));
        demand.invariant = std::move(invariant);
        if (known) demands_.push_back(std::move(demand));
    }
}

// --- the values they speak of ---------------------------------------------------------------------------------------

void Stage::useDemands() {
    for (const Demand& demand : demands_) {
        const resolve::Binding& binding = demand.invariant.owner->binding;
        // Another listener of a custom event fails without the keys that it uses.
        if (!demand.step && binding.custom)
            for (const std::string& key : demand.invariant.owner->payloadOrder)
                useKey(*demand.invariant.owner, key);
        useAll(demand.holds, demand.own, true);
        for (const resolve::BoundExpression& when : demand.when)
            useAll(when, demand.own, true);
        if (!demand.step || binding.changedColumn.empty()) continue;
        resolve::Value value;
        value.kind = resolve::ValueKind::target;
        value.name = binding.changedColumn;
        value.type = demand.step->target->column(value.name)->type;
        use(value, demand.own, nullptr);
    }
}

void Stage::focusOnDemands(const Arm& arm, Focus& focus) const {
    for (const Demand& demand : demands_) {
        if (demand.step && !does(arm, demand)) continue;
        focusOn(demand.holds, demand.own, focus);
        for (const resolve::BoundExpression& when : demand.when)
            focusOn(when, demand.own, focus);
    }
}

// --- as conditions of the search ------------------------------------------------------------------------------------

bool Stage::does(const Arm& arm, const Demand& demand) const {
    const Allocation* allocation = allocationOf(demand.own);
    const resolve::ResolvedStep* step = allocation && allocation->caller ? allocation->caller : demand.step;
    return std::find(arm.steps.begin(), arm.steps.end(), step) != arm.steps.end();
}

// A column of the changed row, before or after the change.
std::string Stage::changedColumn(const Demand& demand, const std::string& column, bool old, std::string& why) const {
    std::string sql;
    resolve::Value value;
    value.name = column;
    value.old = old;
    if (!demand.step) {
        value.kind = resolve::ValueKind::eventColumn;
        value.type = action.binding.entity->column(column)->type;
        (void)printValue(value, Scenario::reference, sql, why);
        return sql;
    }
    value.kind = resolve::ValueKind::target;
    value.type = demand.step->target->column(column)->type;
    const resolve::BoundAssignment* assignment = old ? nullptr : assignmentOf(*demand.step, column);
    if (assignment && assignment->taken)
        (void)printValue(*assignment->taken, Scenario::reference, sql, why, demand.own);
    else if (assignment)
        (void)print(assignment->value, Scenario::reference, demand.own, sql, why);
    else
        (void)printValue(value, Scenario::reference, sql, why, demand.own);
    return assignment ? "(" + castTo(sql, value.type) + ")" : sql;
}

std::string Stage::demandSql(const Demand& demand, size_t part, std::string& why) const {
    const resolve::BoundExpression& written =
        part < demand.when.size() ? *demand.invariant.when[part].condition : *demand.invariant.holds;
    std::string sql;
    if (std::string problem = unknowable(world_, resolver_, written); !problem.empty()) why = problem;
    if (!demand.step) {
        (void)print(part < demand.when.size() ? demand.when[part] : demand.holds, Scenario::reference, {}, sql, why);
        return sql;
    }
    return emit::printBound(world_, resolver_, written, 0, world_.expressionText(written.expression).size(),
                            [&](const resolve::Value& value) {
                                if (value.kind == resolve::ValueKind::eventColumn)
                                    return changedColumn(demand, value.name, value.old, why);
                                return "(" + changedColumn(demand, value.name, false, why) + " - " +
                                       changedColumn(demand, value.name, true, why) + ")";
                            });
}

void Stage::stateDemands() {
    for (const Demand& demand : demands_) {
        std::string why;
        std::vector<std::string> unless;
        const resolve::Binding& binding = demand.invariant.owner->binding;
        bool updates = demand.step ? demand.step->spec->kind == spec::StepKind::update : operation == resolve::opUpdate;
        if (updates && !binding.changedColumn.empty())
            unless.push_back(changedColumn(demand, binding.changedColumn, true, why) + " IS NOT DISTINCT FROM " +
                             changedColumn(demand, binding.changedColumn, false, why));
        if (!binding.valueColumn.empty())
            unless.push_back("(" + changedColumn(demand, binding.valueColumn, false, why) + " = " +
                             quoteLiteral(binding.value) + ") IS NOT TRUE");
        for (size_t i = 0; i < demand.when.size(); i++)
            unless.push_back("(" + demandSql(demand, i, why) + ")" +
                             (demand.invariant.when[i].negated ? " IS TRUE" : " IS NOT TRUE"));
        std::string holds = "(" + demandSql(demand, demand.when.size(), why) + ") IS TRUE";
        for (const Arm& arm : arms_) {
            std::vector<std::string> one = unless;
            std::string sql;
            if (demand.step) {
                if (!does(arm, demand)) continue;
                if (!condition(arm, Scenario::reference, sql, why)) break;
                if (sql != "true") one.insert(one.begin(), "(" + sql + ") IS NOT TRUE");
                if (demand.step->where && print(demand.step->where, Scenario::reference, demand.own, sql, why))
                    one.insert(one.begin(), "(" + sql + ") IS NOT TRUE");
            }
            one.push_back(holds);
            if (why.empty()) scenario.rules.push_back(join(one, " OR "));
            if (!demand.step) break;
        }
        if (why.empty() && demand.step) stated_[demand.invariant.owner]++;
    }
    for (const auto& [owner, count] : stated_)
        if (isContent(*owner, count)) contented.push_back(quoteName(owner->info->schema, resolve::handlerName(*owner)));
}

// Whether nothing that the action writes as its spec says can be refused by this other one: the only step that it
// listens to is the one whose demands, all of them, are part of the search.
bool Stage::isContent(const resolve::ResolvedAction& owner, size_t stated) const {
    const resolve::Binding& binding = owner.binding;
    std::vector<const resolve::ResolvedStep*> heard;
    std::function<void(const std::vector<resolve::ResolvedStep>&)> listen =
        [&](const std::vector<resolve::ResolvedStep>& steps) {
            for (const resolve::ResolvedStep& step : steps) {
                spec::StepKind kind = step.spec->kind;
                unsigned op = kind == spec::StepKind::update   ? resolve::opUpdate
                              : kind == spec::StepKind::remove ? resolve::opDelete
                                                               : resolve::opInsert;
                bool unchanged = op == resolve::opUpdate && !binding.changedColumn.empty() &&
                                 !assignmentOf(step, binding.changedColumn);
                if (step.target == binding.entity && (binding.ops & op) && !unchanged) heard.push_back(&step);
                listen(step.then);
                listen(step.otherwise);
            }
        };
    for (const resolve::ResolvedBranch& branch : action.branches) {
        listen(branch.steps);
        listen(branch.otherwise);
    }
    bool calls = std::any_of(allocations.begin(), allocations.end(),
                             [](const Allocation& allocation) { return allocation.caller != nullptr; });
    if (calls || heard.size() != 1) return false;
    unsigned op = heard.front()->spec->kind == spec::StepKind::remove ? resolve::opDelete : resolve::opUpdate;
    size_t all = 0;
    for (const Invariant& invariant : invariantsOf(resolver_, action.info, binding.entity, op, ""))
        all += invariant.owner == &owner;
    return all == stated;
}

}  // namespace specql::testgen
