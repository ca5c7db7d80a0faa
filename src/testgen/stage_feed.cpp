// What a listener of a window reads of its event: values that a test chooses.
#include <algorithm>

#include "resolve/event_time.hpp"
#include "testgen/stage.hpp"
#include "text/quote.hpp"
#include "time/decimal.hpp"

namespace specql::testgen {

namespace {

// Values of which a few make the number, and its neighbours.
spec::ConditionText around(const resolve::WindowTerm& term, std::string text) {
    spec::ConditionText spoken = spec::readCondition(text);
    time::Decimal number;
    if (term.aggregate == "count" || !time::Decimal::parse(term.number, number)) return spoken;
    if (term.number[0] != '-') spoken.numbers.push_back(term.number);
    double whole = std::stod(term.number);
    for (int share = 2; share <= 6 && term.aggregate == "sum" && whole > 0; share++) {
        double part = whole / share;
        if (part < 1e12 && part == static_cast<double>(static_cast<long long>(part)))
            spoken.numbers.push_back(std::to_string(static_cast<long long>(part)));
    }
    return spoken;
}

// Short texts would be cut until they are alike.
bool roomFor(const std::string& type) {
    size_t bracket = type.find('(');
    bool cut = isText(type) && (bracket != std::string::npos || type == "character");
    return !cut || (bracket != std::string::npos && std::stoi(type.substr(bracket + 1)) >= 18);
}

}  // namespace

void Stage::useFeed(const resolve::FeedTerm& feed) {
    auto window =
        std::find_if(resolver_.actions.begin(), resolver_.actions.end(),
                     [&](const resolve::ResolvedAction& other) { return other.info == action.info && other.window; });
    if (window == resolver_.actions.end()) return;
    const resolve::WindowTerm& term = window->window->terms[static_cast<size_t>(feed.term)];
    spec::ConditionText text = around(term, term.filter.value);
    bool compared = term.aggregate != "count";
    auto note = [&](resolve::Value value, bool key) {
        int known = use(value, {}, !key && compared ? &text : nullptr);
        if (known < 0) return;
        Dimension& dimension = scenario.dimensions[static_cast<size_t>(known)];
        bool distinct = key || (term.distinct && !compared);
        if (distinct && !dimension.essential && !dimension.fixed)
            dimension.unique = !uniqueValue(dimension.baseType, 1).empty() && roomFor(dimension.baseType);
    };
    for (const resolve::BoundExpression& key : feed.keys)
        for (const resolve::Value& value : key.values)
            note(value, true);
    for (const resolve::Value& value : feed.field.values)
        note(value, false);
    auto payload = [&](const std::string& name, const std::string& type, bool key) {
        resolve::Value value;
        value.name = name;
        auto known = window->payload.find(name);
        value.type = known != window->payload.end() && key ? known->second : type;
        note(value, key);
    };
    for (const std::string& name : feed.keyNames)
        payload(name, "text", true);
    if (!feed.fieldName.empty()) payload(feed.fieldName, compared ? "numeric" : "text", false);
    // The time at which a row says that it happened.
    resolve::EventTime at = resolve::eventTime(world_, action.binding);
    if (!at) return;
    resolve::Value value;
    value.kind = resolve::ValueKind::eventColumn;
    value.name = at.column;
    value.type = at.type;
    Dimension& dimension = scenario.dimensions[static_cast<size_t>(use(value, {}, nullptr))];
    dimension.candidates = {"specql.clock()"};
    dimension.fixed = true;
}

}  // namespace specql::testgen
