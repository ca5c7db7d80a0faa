// What the states of an entity demand of the event's row.
#include "testgen/needs.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

// A new row is in the first state, and another one comes by a transition.
void Needs::states(const resolve::EntityInfo& entity) {
    if (!entity.spec || !entity.spec->states || operation_ == resolve::opDelete) return;
    const spec::States& states = *entity.spec->states;
    const resolve::ColumnInfo* column = entity.columnOf(states.field.value);
    const int after = column ? meaning_.dimension(meaning_.eventColumn(column->name, false), {}) : -1;
    if (after < 0) return;
    if (operation_ == resolve::opInsert) {
        if (scenario_.at(after).fixed && action_.binding.value != states.initial.value)
            scenario_.unfit = "a new " + entity.name + " is " + states.initial.value;
        scenario_.at(after).candidates = {quoteLiteral(states.initial.value)};
        scenario_.at(after).fixed = true;
        return;
    }
    if (!meaning_.split.count(column->name)) return;
    const int before = use(meaning_.eventColumn(column->name, true), {});
    const std::string was = Scenario::reference(before), is = Scenario::reference(after);
    std::vector<std::string> allowed = {was + " IS NOT DISTINCT FROM " + is};
    for (const spec::Transition& transition : states.transitions)
        for (const Text& from : transition.from)
            allowed.push_back("(" + was + " = " + quoteLiteral(from.value) + " AND " + is + " = " +
                              quoteLiteral(transition.to.value) + ")");
    scenario_.demands.push_back("(" + join(allowed, " OR ") + ")");
}

}  // namespace specql::testgen
