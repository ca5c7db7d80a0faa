#include "testgen/window_filter.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

WindowFilter::WindowFilter(WindowEvents& events, std::string label) : events_(events), label_(std::move(label)) {
    if (events_.writer.pending()) return;
    for (size_t i = 0; i < events_.sources.size(); i++) {
        if (!events_.sources[i].why.empty()) continue;
        for (size_t branch = 0; branch < events_.sources[i].arms.size(); branch++)
            searchSides(i, branch);
    }
}

void WindowFilter::searchSides(size_t source, size_t branch) {
    const resolve::BoundExpression& bound = events_.sources[source].feed->branches[branch].condition;
    if (!bound || events_.sources[source].conditions[branch].empty()) return;
    for (const spec::Atom& atom : spec::readCondition(events_.writer.world.expressionText(bound.expression)).atoms)
        searchAtom(source, branch, bound, atom);
}

void WindowFilter::searchAtom(size_t which, size_t branch, const resolve::BoundExpression& bound,
                              const spec::Atom& atom) {
    EventSource& source = events_.sources[which];
    Writer& writer = events_.writer;
    std::string sql, why,
        shown = commentText(writer.world.expressionText(bound.expression).substr(atom.begin, atom.end - atom.begin));
    std::string both = label_ + " counts " + source.feed->source + " on one side of " + shown;
    if (!source.stage->printSlice(bound, atom.begin, atom.end, Scenario::reference, sql, why)) {
        skipped_.push_back({both, why});
        return;
    }
    std::vector<std::string> asked;
    for (size_t i : events_.askable(source))
        asked.push_back(source.conditions[i]);
    std::set<int> read = source.stage->dimensionsOf(bound, atom.begin, atom.end);
    if (read.empty()) return;
    Focus focus;
    source.stage->focusOn(bound, {}, focus);
    for (const auto& [dimension, order] : source.stage->focus(source.arms[branch]))
        focus.emplace(dimension, order);
    bool any = false;
    for (bool greater : {true, false}) {
        Fixture inside, outside;
        if (!writer.findPair(*source.stage, source.conditions[branch], sql, asked, read, greater, focus, inside,
                             outside))
            continue;
        any = true;
        const ExpressionFacts& facts = writer.world.facts(bound.expression);
        for (const Fixture* fixture : {&inside, &outside}) {
            std::vector<std::string> values;
            for (const NameUse& use : facts.names) {
                for (int dimension : source.stage->dimensionsOf(bound, use.offset, use.offset + use.length)) {
                    if (source.stage->scenario.dimensions[static_cast<size_t>(dimension)].unique) continue;
                    std::string text = join(use.parts, ".") + " = " + fixture->values[static_cast<size_t>(dimension)];
                    if (std::find(values.begin(), values.end(), text) == values.end()) values.push_back(text);
                }
            }
            add(which, branch, *fixture, join(values, ", "));
        }
    }
    if (!any) skipped_.push_back({both, "no values were found on both sides"});
}

void WindowFilter::add(size_t which, size_t branch, const Fixture& fixture, const std::string& values) {
    const EventSource& source = events_.sources[which];
    std::vector<size_t> askable = events_.askable(source);
    Side side{which, fixture, 0, ""};
    bool counts = false;
    for (size_t i = 0; i < askable.size(); i++) {
        if (!fixture.held[i]) continue;
        side.counted++;
        counts = counts || askable[i] == branch;
    }
    side.description = label_ + (counts ? " counts " : " does not count ") + source.feed->source + " at " + values;
    bool known = std::any_of(sides_.begin(), sides_.end(),
                             [&](const Side& other) { return other.description == side.description; });
    if (!known) sides_.push_back(std::move(side));
}

void WindowFilter::checkWaiting(WindowPlay& play, size_t counted, const std::string& description) {
    Writer& writer = events_.writer;
    play.guard();
    writer.check(
        "is((SELECT w.waiting FROM specql.windows AS w WHERE w.action = " + quoteLiteral(events_.action.info->name()) +
            " AND w.key IS NULL),\n    " + std::to_string(counted) + "::bigint, " + quoteLiteral(description) + ")",
        description);
}

const EventKind* WindowFilter::kindOf(size_t source) const {
    for (const EventKind& kind : events_.kinds)
        if (kind.source == source) return &kind;
    return nullptr;
}

// An update that leaves the watched column as it is.
void WindowFilter::unchanged() {
    for (size_t i = 0; i < events_.sources.size(); i++) {
        const EventSource& source = events_.sources[i];
        const resolve::Binding& binding = source.feed->binding;
        const EventKind* kind = kindOf(i);
        if (source.operation != resolve::opUpdate || binding.changedColumn.empty() || !kind) continue;
        WindowPlay play(events_, events_.action.info->name() + ": " + binding.changedColumn + " stays the same");
        Stage::Render literal = play.raise(*kind, play.key());
        std::string column = quoteName(binding.changedColumn);
        events_.writer.add(StatementKind::fire,
                           "UPDATE " + quoteName(binding.entity->schema, binding.entity->table) + " SET " + column +
                               " = " + column + "\nWHERE " + quoteName(binding.entity->key) + " = " +
                               literal(source.stage->dimension({Place::row(), binding.entity->key})),
                           "");
        checkWaiting(play, kind->counted.values.size(),
                     label_ + " does not count an update that leaves " + binding.changedColumn + " as it is");
    }
}

// Rows of events that are of another type.
void WindowFilter::otherValues() {
    for (size_t i = 0; i < events_.sources.size(); i++) {
        const EventSource& source = events_.sources[i];
        const resolve::Binding& binding = source.feed->binding;
        const EventKind* kind = kindOf(i);
        if (binding.custom || binding.valueColumn.empty() || !kind) continue;
        const TestTable* table = findTable(events_.writer.tables, binding.entity->schema, binding.entity->table);
        const TestColumn* column = table ? table->column(binding.valueColumn) : nullptr;
        if (!column) continue;
        std::vector<std::string> values = column->labels;
        for (const TestCheck& check : table->checks)
            if (check.columns == std::vector<std::string>{binding.valueColumn})
                for (const std::string& text : spec::readCondition(check.sql).texts)
                    values.push_back(text);
        if (values.empty() && isText(column->baseType)) values.push_back(binding.value + "x");
        auto other = std::find_if(values.begin(), values.end(),
                                  [&](const std::string& value) { return value != binding.value; });
        if (other == values.end()) continue;
        EventKind changed = *kind;
        int dimension = source.stage->dimension({Place::row(), binding.valueColumn});
        if (dimension < 0) continue;
        changed.fixture.values[static_cast<size_t>(dimension)] = quoteLiteral(*other);
        WindowPlay play(events_, events_.action.info->name() + ": another " + binding.valueColumn);
        play.raise(changed, play.key());
        checkWaiting(play, 0,
                     label_ + " does not count " + binding.entity->table + " with " + binding.valueColumn + " = " +
                         quoteLiteral(*other));
    }
}

void WindowFilter::write() {
    Writer& writer = events_.writer;
    const std::string& name = events_.action.info->name();
    auto waiting = [&](const EventSource& source, const Fixture& fixture, size_t counted,
                       const std::string& description) {
        WindowPlay play(events_, name + ": what of " + source.feed->source + " is counted");
        EventKind kind;
        kind.source = static_cast<size_t>(&source - events_.sources.data());
        kind.fixture = fixture;
        play.raise(kind, play.key());
        checkWaiting(play, counted, description);
    };
    // Operations that no other test sets off.
    std::set<const resolve::ResolvedAction*> seen;
    for (size_t i = 0; i < events_.sources.size(); i++) {
        const EventSource& source = events_.sources[i];
        bool other = !seen.insert(source.feed).second;
        const EventKind* kind = kindOf(i);
        if (!other || !kind) continue;
        std::string description = label_ + " counts " + source.feed->source + " on " +
                                  (source.operation == resolve::opInsert   ? "insert"
                                   : source.operation == resolve::opDelete ? "delete"
                                                                           : "update");
        waiting(source, kind->fixture, kind->counted.values.size(), description);
    }
    for (const Side& side : sides_)
        waiting(events_.sources[side.source], side.fixture, side.counted, side.description);
    unchanged();
    otherValues();
    for (const auto& [description, why] : skipped_) {
        writer.begin(name + ": what is counted");
        writer.skip(description, why);
    }
}

}  // namespace specql::testgen
