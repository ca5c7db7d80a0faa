#include "testgen/demands.hpp"

#include <algorithm>

#include "testgen/knowable.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

// The place among the contexts of a row that another action reads; -1 if there cannot be one.
int Demands::contextLike(const resolve::ResolvedAction& other, int which) {
    resolve::Context context = other.contexts[static_cast<size_t>(which)];
    resolve::Value& key = context.key;
    if (key.kind == resolve::ValueKind::context) key.context = contextLike(other, key.context);
    const bool known = key.kind == resolve::ValueKind::context
                           ? key.context >= 0
                           : key.kind == resolve::ValueKind::eventColumn || key.kind == resolve::ValueKind::payload;
    if (!known || !meaning_.tableOf(*context.entity) || context.entity->key.empty()) return -1;
    std::vector<resolve::Context>& contexts = meaning_.contexts;
    for (size_t i = 0; i < contexts.size(); i++)
        if (contexts[i].entity == context.entity && contexts[i].key.kind == key.kind &&
            contexts[i].key.name == key.name && contexts[i].key.old == key.old &&
            contexts[i].key.context == key.context)
            return static_cast<int>(i);
    contexts.push_back(std::move(context));
    return static_cast<int>(contexts.size()) - 1;
}

// Gives another action's names their meaning here; false if one has none.
bool Demands::adopt(const resolve::ResolvedAction& other, bool isOfEvent, resolve::BoundExpression& bound) {
    return std::all_of(bound.values.begin(), bound.values.end(), [&](resolve::Value& value) {
        if (value.kind == resolve::ValueKind::context) {
            if (!isOfEvent) return false;
            value.context = contextLike(other, value.context);
            return value.context >= 0;
        }
        return value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::eventChange ||
               value.kind == resolve::ValueKind::payload;
    });
}

void Demands::add(Invariant invariant, const Scope& scope, const Arm* arm) {
    Demand demand{std::move(invariant), {}, *invariant.holds, scope, arm};
    bool known = adopt(*demand.invariant.owner, !arm, demand.holds);
    for (const Arm::Part& part : demand.invariant.when) {
        demand.when.push_back(*part.condition);
        known = known && adopt(*demand.invariant.owner, !arm, demand.when.back());
    }
    if (known) demands_.push_back(std::move(demand));
}

void Demands::ofEvent() {
    const resolve::Binding& binding = meaning_.action.binding;
    if (binding.custom ? binding.event.empty() : !binding.entity) return;
    for (Invariant& invariant : invariantsOf(meaning_.resolver, meaning_.action.info, binding.entity,
                                             meaning_.operation, binding.custom ? binding.event : "")) {
        const std::vector<std::string> changed = invariant.owner->binding.changed();
        const bool mayChange = std::any_of(changed.begin(), changed.end(),
                                           [&](const std::string& column) { return meaning_.split.count(column); });
        if (meaning_.operation != resolve::opUpdate || changed.empty() || mayChange)
            add(std::move(invariant), {}, nullptr);
    }
}

void Demands::ofSteps() {
    for (const Arm& arm : meaning_.arms)
        for (const PlacedStep& placed : meaning_.steps(arm)) {
            if (!placed.scope.own || !writesRows(*placed.step)) continue;
            const Scope scope{placed.scope.own, placed.scope.element, placed.step};
            for (Invariant& invariant : invariantsOf(meaning_.resolver, meaning_.action.info, placed.step->target,
                                                     operationOf(*placed.step), ""))
                if (hears(invariant.owner->binding, *placed.step)) add(std::move(invariant), scope, &arm);
        }
    for (const Demand& demand : demands_) {
        const resolve::ResolvedAction& owner = *demand.invariant.owner;
        // Another listener of a custom event fails without the keys that it uses.
        if (owner.binding.custom)
            for (const std::string& key : owner.payloadOrder)
                needs_.key(key, owner.payload.at(key));
        std::vector<resolve::BoundExpression> conditions = demand.when;
        conditions.push_back(demand.holds);
        for (resolve::BoundExpression& condition : conditions) {
            needs_.read(condition, demand.scope);
            meaning_.demanded_.push_back({std::move(condition), demand.scope});
        }
        for (const std::string& changed : demand.arm ? owner.binding.changed() : std::vector<std::string>())
            needs_.use(meaning_.eventColumn(changed, true), demand.scope);
    }
}

// That what it demands holds, or something of that for which it is demanded does not.
std::string Demands::rule(const Demand& demand, std::string& why) const {
    std::vector<std::string> either;
    std::string sql;
    auto column = [&](const std::string& name, bool old) {
        (void)meaning_.printValue(meaning_.eventColumn(name, old), Scenario::reference, sql, why, demand.scope);
        return sql;
    };
    const resolve::ResolvedStep* step = demand.scope.changing;
    if (step) {
        if (meaning_.condition(*demand.arm, Scenario::reference, sql, why) && sql != "true")
            either.push_back("(" + sql + ") IS NOT TRUE");
        std::string unknown;
        const Scope scope{demand.scope.own, demand.scope.element};
        if (step->where && meaning_.print(step->where, Scenario::reference, scope, sql, unknown))
            either.push_back("(" + sql + ") IS NOT TRUE");
    }
    const resolve::Binding& binding = demand.invariant.owner->binding;
    const unsigned operation = step ? operationOf(*step) : meaning_.operation;
    std::vector<std::string> changes;
    for (const std::string& changed : operation == resolve::opUpdate ? binding.changed() : std::vector<std::string>())
        changes.push_back(differ(column(changed, true), column(changed, false)));
    if (!changes.empty()) either.push_back("NOT (" + join(changes, " OR ") + ")");
    if (!binding.valueColumn.empty())
        either.push_back("(" + column(binding.valueColumn, false) + " = " + quoteLiteral(binding.value) +
                         ") IS NOT TRUE");
    for (size_t i = 0; i < demand.when.size(); i++) {
        (void)meaning_.print(demand.when[i], Scenario::reference, demand.scope, sql, why);
        either.push_back("(" + sql + ")" + (demand.invariant.when[i].negated ? " IS TRUE" : " IS NOT TRUE"));
    }
    (void)meaning_.print(demand.holds, Scenario::reference, demand.scope, sql, why);
    either.push_back("(" + sql + ") IS TRUE");
    return join(either, " OR ");
}

void Demands::state() {
    std::map<const resolve::ResolvedAction*, size_t> stated;
    for (const Demand& demand : demands_) {
        std::string why, rule = this->rule(demand, why);
        if (!why.empty()) continue;
        meaning_.scenario.rules.push_back(rule);
        if (demand.arm) stated[demand.invariant.owner]++;
    }
    for (const auto& [owner, count] : stated)
        if (isContent(*owner, count))
            meaning_.contented.push_back(quoteName(owner->info->schema, resolve::handlerName(*owner)));
}

// Whether nothing that the action writes as its spec says can be refused by this other one: the only step that it hears
// is the one whose demands, all of them, are part of the search.
bool Demands::isContent(const resolve::ResolvedAction& owner, size_t stated) const {
    std::vector<const resolve::ResolvedStep*> heard;
    for (const Arm& arm : meaning_.arms)
        for (const PlacedStep& placed : meaning_.steps(arm)) {
            if (placed.step->call == resolve::CallKind::action) return false;
            if (hears(owner.binding, *placed.step)) heard.push_back(placed.step);
        }
    if (heard.size() != 1) return false;
    size_t all = 0;
    for (const Invariant& invariant :
         invariantsOf(meaning_.resolver, meaning_.action.info, owner.binding.entity, operationOf(*heard.front()), ""))
        all += invariant.owner == &owner;
    return all == stated;
}

}  // namespace specql::testgen
