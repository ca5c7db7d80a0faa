#include "testgen/window_events.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// A source's values for a search by itself: any number will do.
Stage::Render someLiterals(const Stage& stage, const Fixture& fixture) {
    return [&stage, fixture](int which) {
        const Dimension& dimension = stage.scenario.dimensions[static_cast<size_t>(which)];
        return typedValue(dimension.unique ? uniqueValue(dimension.baseType, 99000 + which)
                                           : numbered(fixture.values[static_cast<size_t>(which)], 99000 + which),
                          dimension.baseType);
    };
}

// How well a type's own values can be written as values of the others.
int strictness(const std::string& type) {
    if (type == "uuid") return 3;
    if (type == "smallint") return 2;
    return isNumeric(type) ? 1 : 0;
}

// "each amount 625", "4 × amount 625, amount 626"
std::string together(const std::vector<std::string>& shown) {
    std::vector<std::string> parts;
    for (size_t i = 0, last = 0; i < shown.size(); i = last) {
        while (last < shown.size() && shown[last] == shown[i])
            last++;
        if (last - i == shown.size() && last > 1) return "each " + shown[i];
        parts.push_back((last - i > 1 ? std::to_string(last - i) + " × " : "") + shown[i]);
    }
    return join(parts, ", ");
}

constexpr size_t mostValues = 30, mostKinds = 20;

}  // namespace

std::set<int> EventSource::field(size_t branch) const {
    const resolve::FeedTerm& term = *feed->branches[branch].feed;
    if (term.field) return stage->dimensionsOf(term.field, 0, static_cast<size_t>(-1));
    std::set<int> found;
    if (!term.fieldName.empty()) found.insert(stage->dimension({Place::payload(), term.fieldName}));
    found.erase(-1);
    return found;
}

std::vector<std::string> EventSource::keyTexts(const Stage::Render& literal) const {
    const resolve::FeedTerm& term = *feed->branches.front().feed;
    std::vector<std::string> texts;
    for (const resolve::BoundExpression& key : term.keys) {
        std::string sql, problem;
        if (stage->print(key, literal, {}, sql, problem)) texts.push_back("(" + sql + ")::text");
    }
    for (const std::string& name : term.keyNames)
        texts.push_back("(jsonb_build_object('key', " + literal(stage->dimension({Place::payload(), name})) +
                        ") ->> 'key')");
    return texts;
}

std::string EventSource::fieldText(const resolve::Window& window, size_t branch, const Stage::Render& literal) const {
    const resolve::FeedTerm& term = *feed->branches[branch].feed;
    std::string sql, problem;
    if (!term.fieldName.empty())
        return "(jsonb_build_object('value', " + literal(stage->dimension({Place::payload(), term.fieldName})) +
               ") ->> 'value')";
    if (!term.field || !stage->print(term.field, literal, {}, sql, problem)) return "NULL::text";
    bool number = window.terms[static_cast<size_t>(term.term)].aggregate != "count";
    return "(" + sql + ")" + (number ? "::numeric::text" : "::text");
}

WindowEvents::WindowEvents(Writer& writer, const resolve::ResolvedAction& action)
    : writer(writer), action(action), window(*action.window) {
    readRule();
    addSources();
    if (writer.pending() || !why.empty()) return;
    for (size_t i = 0; i < sources.size(); i++)
        findKinds(i);
}

// From the spec, not from what the runtime was told.
void WindowEvents::readRule() {
    const spec::Action& spec = *action.info->spec;
    std::vector<std::string> intervals;
    for (const resolve::WindowTerm& term : window.terms)
        intervals.push_back(term.interval.value);
    intervals.push_back(spec.cooldown.empty() ? "0" : spec.cooldown.value);
    std::vector<std::string> columns;
    for (const std::string& interval : intervals)
        columns.push_back("(extract(epoch FROM interval " + quoteLiteral(interval) + ") * 1000000)::bigint");
    const SearchAnswer* answer = writer.ask("SELECT " + join(columns, ", "));
    if (!answer) return;
    if (answer->cells.size() != columns.size()) {
        why = "its intervals are not understood";
        return;
    }
    const std::map<std::string, time::Aggregate> aggregates = {{"count", time::Aggregate::count},
                                                               {"sum", time::Aggregate::sum},
                                                               {"avg", time::Aggregate::avg},
                                                               {"min", time::Aggregate::min},
                                                               {"max", time::Aggregate::max}};
    const std::map<std::string, time::Comparison> comparisons = {
        {"<", time::Comparison::less},      {"<=", time::Comparison::lessEqual}, {"=", time::Comparison::equal},
        {"<>", time::Comparison::notEqual}, {"!=", time::Comparison::notEqual},  {">=", time::Comparison::greaterEqual},
        {">", time::Comparison::greater}};
    for (size_t i = 0; i < window.terms.size(); i++) {
        const resolve::WindowTerm& written = window.terms[i];
        time::WindowTermRule term;
        term.aggregate = aggregates.at(written.aggregate);
        term.distinct = written.distinct;
        term.hasField = bool(written.field);
        term.comparison = comparisons.at(written.comparison);
        if (!time::Decimal::parse(written.number, term.number)) why = written.number + " is too large a number";
        term.within = std::stoll(answer->cells[i]);
        rule.terms.push_back(term);
    }
    if (!time::Formula::parse(window.joined, static_cast<int>(rule.terms.size()), rule.formula))
        why = "its condition is not understood";
    const std::string& after = spec.afterMatch.value;
    rule.afterMatch = after == "edge"    ? time::AfterMatch::edge
                      : after == "every" ? time::AfterMatch::every
                                         : time::AfterMatch::consume;
    rule.cooldown = std::stoll(answer->cells.back());
    rule.onTimeout = !spec.onTimeout.empty();
    if (window.correlation) {
        if (!spec.correlateBy.empty()) keyNames.push_back(spec.correlateBy.front().value);
    } else {
        for (const Text& key : window.terms.front().by)
            keyNames.push_back(key.value);
    }
    for (std::string& name : keyNames)
        name = name.substr(name.rfind('.') + 1);
}

void WindowEvents::addSources() {
    for (const resolve::ResolvedAction& feed : writer.resolver.actions) {
        if (!feed.isFeed() || feed.info != action.info) continue;
        for (unsigned operation : operationsOf(feed)) {
            EventSource source;
            source.feed = &feed;
            source.operation = operation;
            source.stage = std::make_unique<Stage>(writer.world, writer.resolver, writer.tables, feed, operation);
            source.arms = armsOf(writer.world, feed);
            source.why = source.stage->unfit;
            for (const Arm& arm : source.arms) {
                std::string sql, problem;
                bool known = source.stage->condition(arm, Scenario::reference, sql, problem);
                source.conditions.push_back(known ? sql : "");
                if (!known && source.why.empty()) source.why = "its FILTER cannot be tested: " + problem;
            }
            readKeys(source);
            sources.push_back(std::move(source));
        }
    }
    if (sources.empty()) why = "nothing raises its events";
    chooseKeys();
}

void WindowEvents::readKeys(EventSource& source) const {
    const resolve::FeedTerm& feed = *source.feed->branches.front().feed;
    for (const resolve::BoundExpression& key : feed.keys) {
        const std::string& text = writer.world.expressionText(key.expression);
        const ExpressionFacts& facts = writer.world.facts(key.expression);
        std::set<int> read = source.stage->dimensionsOf(key, 0, text.size());
        if (facts.names.size() != 1 || facts.names[0].length != text.size() || read.size() != 1)
            source.plainKeys = false;
        source.keys.push_back(read);
    }
    for (const std::string& name : feed.keyNames)
        source.keys.push_back({source.stage->dimension({Place::payload(), name})});
    if (source.feed->binding.custom) return;
    const resolve::EntityInfo& entity = *source.feed->binding.entity;
    const TestTable* table = findTable(writer.tables, entity.schema, entity.table);
    std::set<std::string> columns;
    for (const auto& [name, dimension] : source.stage->scenario.names)
        for (const std::set<int>& key : source.keys)
            if (key.count(dimension)) columns.insert(name.column);
    auto covered = [&](const std::vector<std::string>& unique) {
        return !unique.empty() && std::all_of(unique.begin(), unique.end(),
                                              [&](const std::string& column) { return columns.count(column) > 0; });
    };
    source.ownKey = columns.count(entity.key) > 0;
    source.sameRow = source.ownKey || (table && std::any_of(table->uniques.begin(), table->uniques.end(), covered));
}

// Correlated events have one key under several names and types.
void WindowEvents::chooseKeys() {
    for (size_t key = 0; key < keyNames.size(); key++) {
        std::string strictest;
        bool free = true;
        for (const EventSource& source : sources) {
            if (!source.why.empty()) continue;
            if (!source.plainKeys || key >= source.keys.size() || source.keys[key].size() != 1) {
                why = "its key " + keyNames[key] + " is computed";
                return;
            }

            const Dimension& dimension =
                source.stage->scenario.dimensions[static_cast<size_t>(*source.keys[key].begin())];
            free = free && dimension.unique;
            if (strictest.empty() || strictness(dimension.baseType) > strictness(strictest))
                strictest = dimension.baseType;
        }
        keyTypes_.push_back(free ? strictest : "");
        keyPatterns_.push_back("");
        patternTypes_.push_back("");
        if (free) continue;
        std::set<const resolve::ResolvedAction*> feeds;
        for (const EventSource& source : sources)
            feeds.insert(source.feed);
        if (feeds.size() > 1) why = "its key " + keyNames[key] + " has values of its own in each event";
    }
}

bool WindowEvents::keysDiffer() const {
    for (size_t key = 0; key < keyTypes_.size(); key++)
        if (!keyTypes_[key].empty() || keyPatterns_[key].find(numberMark) != std::string::npos) return true;
    return false;
}

std::string WindowEvents::keyLiteral(const Dimension& dimension, size_t key, int number) const {
    std::string value =
        keyTypes_[key].empty() ? numbered(keyPatterns_[key], number) : uniqueValue(keyTypes_[key], number);

    if (keyTypes_[key].empty() && dimension.baseType != patternTypes_[key])
        return "(" + typedValue(value, patternTypes_[key]) + ")::text::" + dimension.baseType;
    if (isText(dimension.baseType) && value.front() != '\'') value = quoteLiteral(value);
    return typedValue(value, dimension.baseType);
}

std::vector<size_t> WindowEvents::askable(const EventSource& source) const {
    std::vector<size_t> branches;
    for (size_t i = 0; i < source.conditions.size(); i++)
        if (!source.conditions[i].empty()) branches.push_back(i);
    return branches;
}

bool WindowEvents::kindOf(size_t which, const Fixture& fixture, const std::vector<size_t>& asked, EventKind& kind) {
    const EventSource& source = sources[which];
    const Stage& stage = *source.stage;
    kind.source = which;
    kind.fixture = fixture;
    std::vector<size_t> branches;
    for (size_t i = 0; i < asked.size(); i++)
        if (fixture.held[i]) branches.push_back(asked[i]);
    std::vector<std::string> columns, shown;
    for (size_t branch : branches)
        columns.push_back(source.fieldText(window, branch, someLiterals(stage, fixture)));
    const SearchAnswer* answer = columns.empty() ? nullptr : writer.ask("SELECT " + join(columns, ", "));
    if (!columns.empty() && (!answer || answer->cells.size() != columns.size())) return false;
    for (size_t i = 0; i < branches.size(); i++) {
        const resolve::FeedTerm& feed = *source.feed->branches[branches[i]].feed;
        const resolve::WindowTerm& term = window.terms[static_cast<size_t>(feed.term)];
        std::set<int> read = source.field(branches[i]);
        bool fresh = !read.empty() && std::all_of(read.begin(), read.end(), [&](int dimension) {
            return stage.scenario.dimensions[static_cast<size_t>(dimension)].unique;
        });
        kind.counted.values.push_back({feed.term, !term.field || !answer->cells[i].empty(), answer->cells[i]});
        if (fresh && term.distinct) {
            kind.counted.fresh.insert(feed.term);
            continue;
        }
        time::Decimal number;
        bool plain = term.aggregate != "count" && time::Decimal::parse(answer->cells[i], number);
        std::string text = term.field.value + " " + (plain ? number.text() : answer->cells[i]);

        if (term.field && (term.distinct || term.aggregate != "count") &&
            std::find(shown.begin(), shown.end(), text) == shown.end())
            shown.push_back(text);
    }
    kind.shown = join(shown, ", ");
    return true;
}

// A key that cannot be chosen is the one of the first event that was found.
void WindowEvents::fixKeys(const EventSource& source, const Fixture& fixture) {
    for (size_t key = 0; key < keyTypes_.size(); key++) {
        if (!keyTypes_[key].empty()) continue;
        size_t dimension = static_cast<size_t>(*source.keys[key].begin());
        keyPatterns_[key] = fixture.values[dimension];
        patternTypes_[key] = source.stage->scenario.dimensions[dimension].baseType;
    }
}

void WindowEvents::findKind(size_t which, size_t branch, Focus focus) {
    EventSource& source = sources[which];
    for (size_t key = 0; key < keyTypes_.size() && !kinds.empty(); key++) {
        if (!keyTypes_[key].empty()) continue;
        int dimension = *source.keys[key].begin();
        const std::vector<std::string>& values =
            source.stage->scenario.dimensions[static_cast<size_t>(dimension)].candidates;
        auto same = std::find(values.begin(), values.end(), keyPatterns_[key]);
        if (same == values.end()) return;
        focus[dimension] = {static_cast<size_t>(same - values.begin())};
    }

    std::vector<size_t> branches = askable(source);
    std::vector<std::string> asked;
    for (size_t i : branches)
        asked.push_back(source.conditions[i]);
    std::string problem;
    Fixture fixture = writer.find(*source.stage, {source.conditions[branch]}, asked, focus, problem);
    if (!fixture) {
        if (source.why.empty()) source.why = problem;
        return;
    }
    if (kinds.empty()) fixKeys(source, fixture);
    EventKind kind;
    if (!kindOf(which, fixture, branches, kind)) return;
    bool known = std::any_of(kinds.begin(), kinds.end(), [&](const EventKind& other) {
        if (other.source != which || other.counted.values.size() != kind.counted.values.size()) return false;
        for (size_t i = 0; i < kind.counted.values.size(); i++)
            if (other.counted.values[i].term != kind.counted.values[i].term ||
                other.counted.values[i].text != kind.counted.values[i].text)
                return false;
        return true;
    });
    if (!known) kinds.push_back(std::move(kind));
}

void WindowEvents::findKinds(size_t which) {
    EventSource& source = sources[which];
    if (!source.why.empty()) return;
    // Events that a term counts have all sorts of values for the others too.
    std::set<int> compared;
    std::vector<std::set<int>> own;
    for (size_t branch = 0; branch < source.arms.size(); branch++) {
        const resolve::WindowTerm& term = window.terms[static_cast<size_t>(source.feed->branches[branch].feed->term)];
        bool compares = term.field && (term.aggregate != "count" || term.distinct);
        own.push_back(compares ? source.field(branch) : std::set<int>());
        compared.insert(own.back().begin(), own.back().end());
    }
    for (size_t branch = 0; branch < source.arms.size(); branch++) {
        Focus focus = source.stage->focus(source.arms[branch]);
        findKind(which, branch, focus);
        for (int dimension : compared)
            vary(which, branch, dimension, own[branch].count(dimension) ? mostKinds : 4);
    }
    for (size_t branch = 0; branch < source.arms.size() && !kinds.empty() && !keysDiffer(); branch++)
        findOtherKey(which, branch);
    // Some of its values may have been found although others were not.
    if (std::any_of(kinds.begin(), kinds.end(), [&](const EventKind& kind) { return kind.source == which; }))
        source.why.clear();
}

void WindowEvents::findOtherKey(size_t which, size_t branch) {
    const EventSource& source = sources[which];
    for (size_t key = 0; key < keyTypes_.size(); key++) {
        int dimension = *source.keys[key].begin();
        const Dimension& known = source.stage->scenario.dimensions[static_cast<size_t>(dimension)];
        std::vector<std::string> asked;
        for (size_t i : askable(source))
            asked.push_back(source.conditions[i]);
        std::string differs =
            Scenario::reference(dimension) + " IS DISTINCT FROM " + typedValue(keyPatterns_[key], known.baseType);
        // Any value will do.
        Focus focus = source.stage->focus(source.arms[branch]);
        std::vector<size_t>& order = focus[dimension];
        for (size_t n = 0; n < known.candidates.size(); n++)
            if (std::find(order.begin(), order.end(), n) == order.end()) order.push_back(n);
        std::string problem;
        Fixture fixture = writer.find(*source.stage, {source.conditions[branch], differs}, asked, focus, problem);
        EventKind kind;
        if (fixture && kindOf(which, fixture, askable(source), kind)) otherKeys.push_back(std::move(kind));
    }
}

void WindowEvents::vary(size_t which, size_t branch, int dimension, size_t most) {
    const Stage& stage = *sources[which].stage;
    const Dimension& varied = stage.scenario.dimensions[static_cast<size_t>(dimension)];
    if (varied.unique) return;
    // What the table's checks speak of comes first.
    std::vector<size_t> order;
    for (bool checked : {true, false})
        for (size_t n = 0; n < varied.candidates.size(); n++)
            if (checked == (!varied.checks.empty() && n >= varied.ofChecks)) order.push_back(n);
    size_t before = kinds.size();
    for (size_t i = 0; i < std::min(order.size(), mostValues) && kinds.size() < before + most; i++) {
        Focus one = stage.focus(sources[which].arms[branch]);
        one[dimension] = {order[i]};
        findKind(which, branch, one);
    }
}

std::string WindowEvents::phrase(const std::vector<size_t>& numbers) const {
    std::vector<std::string> parts;
    for (size_t i = 0, last = 0; i < numbers.size(); i = last) {
        const std::string& source = sources[kinds[numbers[i]].source].feed->source;
        std::vector<std::string> shown;
        for (; last < numbers.size() && sources[kinds[numbers[last]].source].feed->source == source; last++)
            shown.push_back(kinds[numbers[last]].shown);
        std::string part = last - i == 1 ? source : std::to_string(last - i) + " " + source + " events";
        if (!shown.front().empty()) part += " (" + together(shown) + ")";
        parts.push_back(part);
    }
    return join(parts, ", then ");
}

std::vector<CountedKind> WindowEvents::counted() const {
    std::vector<CountedKind> found;
    for (const EventKind& kind : kinds)
        found.push_back(kind.counted);
    return found;
}

}  // namespace specql::testgen
