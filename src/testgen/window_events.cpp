#include "testgen/window_events.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

// Values of a field that are tried for one term, kinds that are kept of them, and of values that another term compares.
constexpr size_t mostValues = 30, mostKinds = 20, mostOfOthers = 4;

// A source's values for a search by itself: any number will do.
Stage::Render someLiterals(const EventSource& source, const Fixture& fixture) {
    return [&source, fixture](int which) {
        const Dimension& dimension = source.dimension(which);
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

// Whether a term looks at the values of its field, not only at whether there is one.
bool comparesField(const resolve::WindowTerm& term) {
    return term.field && (term.distinct || term.aggregate != "count");
}

template <typename Enum>
Enum numberOf(const std::vector<std::string>& names, const std::string& name) {
    return static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
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

}  // namespace

// --- sources ---------------------------------------------------------------------------------------------------------

std::set<int> EventSource::field(size_t branch) const {
    const resolve::FeedTerm& feed = term(branch);
    if (feed.field) return stage->dimensionsOf(feed.field, 0, static_cast<size_t>(-1));
    std::set<int> found;
    if (!feed.fieldName.empty()) found.insert(stage->dimension({Place::payload(), feed.fieldName}));
    found.erase(-1);
    return found;
}

std::string EventSource::keyText(const Stage::Render& literal) const {
    std::vector<std::string> texts;
    for (const resolve::BoundExpression& key : term(0).keys) {
        std::string sql, problem;
        if (stage->print(key, literal, {}, sql, problem)) texts.push_back("(" + sql + ")::text");
    }
    for (const std::string& name : term(0).keyNames)
        texts.push_back("(jsonb_build_object('key', " + literal(stage->dimension({Place::payload(), name})) +
                        ") ->> 'key')");
    if (texts.empty()) return "NULL::text";
    return texts.size() == 1 ? texts.front() : "jsonb_build_array(" + join(texts, ", ") + ")::text";
}

std::string EventSource::fieldText(const resolve::Window& window, size_t branch, const Stage::Render& literal) const {
    const resolve::FeedTerm& feed = term(branch);
    std::string sql, problem;
    if (!feed.fieldName.empty())
        return "(jsonb_build_object('value', " + literal(stage->dimension({Place::payload(), feed.fieldName})) +
               ") ->> 'value')";
    if (!feed.field || !stage->print(feed.field, literal, {}, sql, problem)) return "NULL::text";
    bool number = window.terms[static_cast<size_t>(feed.term)].aggregate != "count";
    return "(" + sql + ")" + (number ? "::numeric::text" : "::text");
}

std::vector<std::string> keyColumns(const PlannedRow& row, const std::vector<int>& keys) {
    std::vector<std::string> columns;
    for (const auto& [column, dimension] : row.columns)
        if (std::find(keys.begin(), keys.end(), dimension) != keys.end()) columns.push_back(column);
    auto isKey = [&](const std::string& column) {
        return std::find(columns.begin(), columns.end(), column) != columns.end();
    };
    bool oneRow = std::any_of(
        row.table->uniques.begin(), row.table->uniques.end(),
        [&](const std::vector<std::string>& unique) { return std::all_of(unique.begin(), unique.end(), isKey); });
    return oneRow ? columns : std::vector<std::string>();
}

WindowEvents::WindowEvents(Writer& writer, const resolve::ResolvedAction& action)
    : writer(writer), action(action), window(*action.window) {
    readRule();
    addSources();
    for (size_t key = 0; key < keys.size() && why.empty(); key++)
        chooseType(key);
    if (writer.pending() || !why.empty()) return;
    for (EventSource& source : sources)
        findKinds(source);
}

// From the spec, not from what the runtime was told.
void WindowEvents::readRule() {
    const spec::Action& spec = *action.info->spec;
    std::vector<std::string> columns;
    auto addInterval = [&](const std::string& interval) {
        columns.push_back("(extract(epoch FROM interval " + quoteLiteral(interval) + ") * 1000000)::bigint");
    };
    for (const resolve::WindowTerm& term : window.terms)
        addInterval(term.interval.value);
    addInterval(spec.cooldown.empty() ? "0" : spec.cooldown.value);
    const SearchAnswer* answer = writer.ask("SELECT " + join(columns, ", "));
    if (!answer) return;
    if (answer->cells.size() != columns.size()) {
        why = "its intervals are not understood";
        return;
    }
    for (size_t i = 0; i < window.terms.size(); i++) {
        const resolve::WindowTerm& written = window.terms[i];
        time::WindowTermRule term;
        term.aggregate = numberOf<time::Aggregate>({"count", "sum", "avg", "min", "max"}, written.aggregate);
        term.distinct = written.distinct;
        term.hasField = bool(written.field);
        term.comparison = numberOf<time::Comparison>({"<", "<=", "=", "<>", ">=", ">"},
                                                     written.comparison == "!=" ? "<>" : written.comparison);
        if (!time::Decimal::parse(written.number, term.number)) why = written.number + " is too large a number";
        term.within = std::stoll(answer->cells[i]);
        rule.terms.push_back(term);
    }
    if (!time::Formula::parse(window.joined, static_cast<int>(rule.terms.size()), rule.formula))
        why = "its condition is not understood";
    const std::string& after = spec.afterMatch.value;
    rule.afterMatch =
        after.empty() ? time::AfterMatch::consume : numberOf<time::AfterMatch>({"consume", "edge", "every"}, after);
    rule.cooldown = std::stoll(answer->cells.back());
    rule.onTimeout = !spec.onTimeout.empty();
    const std::vector<Text>& by = window.correlation ? spec.correlateBy : window.terms.front().by;
    for (const Text& key : by)
        if (!window.correlation || keys.empty())
            keys.push_back({key.value.substr(key.value.rfind('.') + 1), "", true, ""});
}

void WindowEvents::addSources() {
    for (const resolve::ResolvedAction& feed : writer.resolver.actions) {
        if (!feed.isFeed() || feed.info != action.info) continue;
        for (unsigned operation : operationsOf(feed)) {
            EventSource source;
            source.feed = &feed;
            source.stage = std::make_unique<Stage>(writer.world, writer.resolver, writer.tables, feed, operation);
            source.arms = armsOf(feed);
            source.why = source.stage->unfit;
            for (const Arm& arm : source.arms) {
                std::string problem;
                bool known =
                    source.stage->condition(arm, Scenario::reference, source.conditions.emplace_back(), problem);
                if (!known && source.why.empty()) source.why = "its FILTER cannot be tested: " + problem;
            }
            readKeys(source);
            sources.push_back(std::move(source));
        }
    }
    if (sources.empty()) why = "nothing raises its events";
}

void WindowEvents::readKeys(EventSource& source) const {
    for (const resolve::BoundExpression& key : source.term(0).keys) {
        const std::string& text = writer.world.expressionText(key.expression);
        const ExpressionFacts& facts = writer.world.facts(key.expression);
        std::set<int> read = source.stage->dimensionsOf(key, 0, text.size());
        bool plain = facts.names.size() == 1 && facts.names[0].length == text.size() && read.size() == 1;
        source.keys.push_back(plain ? *read.begin() : -1);
    }
    for (const std::string& name : source.term(0).keyNames)
        source.keys.push_back(source.stage->dimension({Place::payload(), name}));
    std::vector<PlannedRow>& rows = source.stage->scenario.rows;
    const int before = source.stage->rowOf(Place::before()), after = source.stage->rowOf(Place::after());
    if (after >= 0) source.oneRow = keyColumns(rows[static_cast<size_t>(after)], source.keys);
    // An earlier event may have left it.
    if (before >= 0 && !source.oneRow.empty()) rows[static_cast<size_t>(before)].referred = true;
}

// One that all its events can have.
void WindowEvents::chooseType(size_t which) {
    EventKey& key = keys[which];
    std::set<const resolve::ResolvedAction*> feeds;
    for (const EventSource& source : sources) {
        feeds.insert(source.feed);
        if (!source.why.empty()) continue;
        if (which >= source.keys.size() || source.keys[which] < 0) {
            why = "its key " + key.name + " is computed";
            return;
        }
        const Dimension& dimension = source.dimension(source.keys[which]);
        key.free = key.free && dimension.unique;
        if (key.type.empty() || strictness(dimension.baseType) > strictness(key.type)) key.type = dimension.baseType;
    }
    if (!key.free && feeds.size() > 1) why = "its key " + key.name + " has values of its own in each event";
}

// --- kinds -----------------------------------------------------------------------------------------------------------

void WindowEvents::findKinds(EventSource& source) {
    if (!source.why.empty()) return;
    const size_t before = kinds.size();
    // Events that a term counts have all sorts of values for the others too.
    std::vector<std::set<int>> compared;
    std::set<int> all;
    for (size_t branch = 0; branch < source.arms.size(); branch++) {
        bool compares = comparesField(window.terms[static_cast<size_t>(source.term(branch).term)]);
        compared.push_back(compares ? source.field(branch) : std::set<int>());
        all.insert(compared.back().begin(), compared.back().end());
    }
    for (size_t branch = 0; branch < source.arms.size(); branch++) {
        Focus focus = source.stage->focus(source.arms[branch]);
        findKind(source, branch, focus);
        for (int dimension : all) {
            const Dimension& known = source.dimension(dimension);
            if (known.unique) continue;
            const size_t count = std::min(known.candidates.size(), mostValues);
            const size_t most = kinds.size() + (compared[branch].count(dimension) ? mostKinds : mostOfOthers);
            Focus varied = focus;
            for (size_t n = 0; n < count && kinds.size() < most; n++) {
                varied[dimension] = {n};
                findKind(source, branch, varied);
            }
        }
    }
    if (!kinds.empty() && !keysDiffer()) findKind(source, 0, source.stage->focus(source.arms.front()), true);
    // Some of its values may have been found although others were not.
    if (kinds.size() > before) source.why.clear();
}

// A key that cannot be chosen is the one of the first event that was found; or, for events of another key, none of
// these.
void WindowEvents::findKind(EventSource& source, size_t branch, Focus focus, bool otherKey) {
    for (size_t k = 0; k < keys.size() && !kinds.empty(); k++) {
        if (keys[k].free) continue;
        const std::vector<std::string>& values = source.dimension(source.keys[k]).candidates;
        std::vector<size_t> order;
        for (size_t n = 0; n < values.size(); n++)
            if ((values[n] == keys[k].pattern) != otherKey) order.push_back(n);
        if (order.empty()) return;
        focus[source.keys[k]] = order;
    }
    std::string problem;
    Fixture fixture = writer.find(*source.stage, {source.conditions[branch]}, source.conditions, focus, problem);
    if (!fixture) {
        if (source.why.empty()) source.why = problem;
        return;
    }
    for (size_t k = 0; k < keys.size() && kinds.empty(); k++) {
        if (keys[k].free) continue;
        keys[k].pattern = fixture.values[static_cast<size_t>(source.keys[k])];
        keys[k].type = source.dimension(source.keys[k]).baseType;
    }
    std::optional<EventKind> kind = kindOf(source, fixture);
    if (kind && otherKey) {
        kind->ownKey = true;
        return otherKeys.push_back(std::move(*kind));
    }
    auto same = [](const time::WindowValue& one, const time::WindowValue& other) {
        return one.term == other.term && one.text == other.text;
    };
    if (kind && std::none_of(kinds.begin(), kinds.end(), [&](const EventKind& known) {
            const std::vector<time::WindowValue>&one = known.counted.values, &other = kind->counted.values;
            return known.source == &source && std::equal(one.begin(), one.end(), other.begin(), other.end(), same);
        }))
        kinds.push_back(std::move(*kind));
}

// What the terms count of an event with these values; nothing while it is not known.
std::optional<EventKind> WindowEvents::kindOf(const EventSource& source, const Fixture& fixture) {
    EventKind kind{&source, fixture, {}, "", false};
    std::vector<size_t> counting;
    std::vector<std::string> columns, shown;
    for (size_t branch = 0; branch < source.conditions.size(); branch++) {
        if (!fixture.held[branch]) continue;
        counting.push_back(branch);
        columns.push_back(source.fieldText(window, branch, someLiterals(source, fixture)));
    }
    const SearchAnswer* answer = writer.ask("SELECT " + join(columns, ", "));
    if (!answer || answer->cells.size() != columns.size()) return std::nullopt;
    for (size_t i = 0; i < counting.size(); i++) {
        const int number = source.term(counting[i]).term;
        const resolve::WindowTerm& term = window.terms[static_cast<size_t>(number)];
        const std::string& value = answer->cells[i];
        kind.counted.values.push_back({number, !term.field || !value.empty(), value});
        if (!comparesField(term)) continue;
        std::set<int> read = source.field(counting[i]);
        bool fresh = !read.empty() && std::all_of(read.begin(), read.end(),
                                                  [&](int dimension) { return source.dimension(dimension).unique; });
        if (fresh && term.distinct) {
            kind.counted.fresh.insert(number);
            continue;
        }
        time::Decimal decimal;
        bool plain = term.aggregate != "count" && time::Decimal::parse(value, decimal);
        std::string text = term.field.value + " " + (plain ? decimal.text() : value);
        if (std::find(shown.begin(), shown.end(), text) == shown.end()) shown.push_back(text);
    }
    kind.shown = join(shown, ", ");
    return kind;
}

// --- keys and words --------------------------------------------------------------------------------------------------

bool WindowEvents::keysDiffer() const {
    return std::any_of(keys.begin(), keys.end(), [](const EventKey& key) {
        return key.free || key.pattern.find(numberMark) != std::string::npos;
    });
}

std::string WindowEvents::keyLiteral(const EventKey& key, const Dimension& dimension, int number) const {
    std::string value = typedValue(key.free ? uniqueValue(key.type, number) : numbered(key.pattern, number), key.type);
    return dimension.baseType == key.type ? value : "(" + value + ")::text::" + dimension.baseType;
}

std::string WindowEvents::keyNames() const {
    std::vector<std::string> names;
    for (const EventKey& key : keys)
        names.push_back(key.name);
    return join(names, ", ");
}

std::string WindowEvents::phrase(const Kinds& numbers) const {
    std::vector<std::string> parts;
    for (size_t i = 0, last = 0; i < numbers.size(); i = last) {
        const std::string& source = kinds[numbers[i]].source->name();
        std::vector<std::string> shown;
        for (; last < numbers.size() && kinds[numbers[last]].source->name() == source; last++)
            shown.push_back(kinds[numbers[last]].shown);
        std::string part = last - i == 1 ? source : std::to_string(last - i) + " " + source + " events";
        if (!shown.front().empty()) part += " (" + together(shown) + ")";
        parts.push_back(part);
    }
    return join(parts, ", then ");
}

}  // namespace specql::testgen
