// The cases about what a window counts at all.
#include "testgen/window_cases.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

class FilterCases {
public:
    FilterCases(WindowEvents& events, const std::string& label) : events_(events), label_(label) {
        for (const EventSource& source : events.sources) {
            auto kind = std::find_if(events.kinds.begin(), events.kinds.end(),
                                     [&](const EventKind& one) { return one.source == &source; });
            if (kind == events.kinds.end()) continue;
            operation(*kind);
            for (size_t branch = 0; branch < source.arms.size(); branch++)
                sides(source, branch);
            unchanged(*kind);
            anotherType(*kind);
        }
    }

    std::vector<WindowCase> cases;

private:
    // That so many of the events wait to be counted.
    void add(std::vector<CaseEvent> events, size_t waiting, const std::string& description) {
        cases.push_back({{{std::move(events), 0, label_ + description, waiting, Look::waiting}}});
    }

    // All other cases set off the first operation of several.
    void operation(const EventKind& kind) {
        const EventSource& source = *kind.source;
        if (!heard_.insert(source.feed).second)
            add({{kind}}, kind.counted.values.size(),
                " counts " + source.name() + " on " +
                    (source.stage->operation == resolve::opInsert   ? "insert"
                     : source.stage->operation == resolve::opDelete ? "delete"
                                                                    : "update"));
    }

    // The statement that made the event, once more.
    void unchanged(const EventKind& kind) {
        const std::string& column = kind.source->feed->binding.changedColumn;
        if (kind.source->stage->operation == resolve::opUpdate && !column.empty())
            add({{kind}, {kind, 0, CaseEvent::Again::statement}}, kind.counted.values.size(),
                " does not count an update that leaves " + column + " as it is");
    }

    // A row of an event of another type.
    void anotherType(EventKind kind) {
        const resolve::Binding& binding = kind.source->feed->binding;
        const TestTable* table = kind.source->stage->eventTable();
        const TestColumn* column = table ? table->column(binding.valueColumn) : nullptr;
        if (!column) return;
        std::vector<std::string> values = column->labels;
        for (const TestCheck& check : table->checks)
            if (check.columns == std::vector<std::string>{column->name})
                for (const std::string& text : spec::readCondition(check.sql).texts)
                    values.push_back(text);
        if (values.empty() && isText(column->baseType)) values.push_back(binding.value + "x");
        auto other = std::find_if(values.begin(), values.end(),
                                  [&](const std::string& value) { return value != binding.value; });
        const int dimension = kind.source->stage->dimension({Place::row(), column->name});
        if (other == values.end() || dimension < 0) return;
        kind.fixture.values[static_cast<size_t>(dimension)] = quoteLiteral(*other);
        kind.counted = {};
        kind.ownKey = true;
        add({{kind}}, 0,
            " does not count " + binding.entity->table + " with " + column->name + " = " + quoteLiteral(*other));
    }

    void sides(const EventSource& source, size_t branch) {
        const resolve::BoundExpression& filter = source.feed->branches[branch].condition;
        if (!filter) return;
        const std::string& text = events_.writer.world.expressionText(filter.expression);
        for (const spec::Atom& atom : spec::readCondition(text).atoms) {
            const Sides sides = events_.writer.bothSides(*source.stage, source.arms[branch], source.conditions[branch],
                                                         filter, atom, source.conditions);
            for (const auto& [inside, outside] : sides.pairs)
                for (const Fixture& fixture : {inside, outside})
                    side(source, fixture, fixture.held[branch],
                         valuesOf(events_.writer, *source.stage, filter, atom, fixture));
            const std::string shown = commentText(text.substr(atom.begin, atom.end - atom.begin));
            if (!sides.why.empty())
                cases.push_back(
                    {{{{}, 0, label_ + " counts " + source.name() + " on one side of " + shown}}, sides.why});
        }
    }

    void side(const EventSource& source, const Fixture& fixture, bool counts, const std::string& values) {
        EventKind kind{&source, fixture, {}, "", true};
        for (size_t i = 0; i < source.conditions.size(); i++)
            if (fixture.held[i]) kind.counted.values.push_back({source.term(i).term, false, ""});
        add({{kind}}, kind.counted.values.size(),
            (counts ? " counts " : " does not count ") + source.name() + " at " + values);
    }

    WindowEvents& events_;
    const std::string& label_;
    std::set<const resolve::ResolvedAction*> heard_;
};

}  // namespace

std::vector<WindowCase> filterCases(WindowEvents& events, const std::string& label) {
    return FilterCases(events, label).cases;
}

}  // namespace specql::testgen
