#include "resolve/requests.hpp"

#include <set>

#include "text/duration.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

void Requests::add(BoundExpression& bound, std::vector<LocalValue>& locals) {
    if (!bound) return;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    if (!facts.ok || bound.values.size() != facts.names.size()) return;
    AnalysisRequest request;
    request.expression = bound.expression;
    request.target = bound.target;
    request.aggregates = !bound.aggregates.empty();
    for (size_t i = 0; i < bound.values.size(); i++) {
        // A column made from another step has no type yet; text is what it gets if nothing says more.
        const std::string& type = bound.values[i].type;
        const bool isLookedUp = bound.values[i].kind == ValueKind::queryColumn;
        TypedName name;
        name.offset = facts.names[i].offset;
        name.type = type.empty() ? "text" : type;
        if (bound.values[i].kind == ValueKind::local && bound.values[i].context >= 0) {
            int local = bound.values[i].context;
            for (; locals[static_cast<size_t>(local)].of >= 0; local = locals[static_cast<size_t>(local)].of)
                name.elements++;
            name.typeOf = locals[static_cast<size_t>(local)].request;
            if (name.typeOf < 0) return;  // what gives it has been refused
        }
        if (isLookedUp) {
            name.table = bound.values[i].context;
            name.column = bound.values[i].name;
        }
        request.names.push_back(std::move(name));
    }
    bound.request = static_cast<int>(list_.size());
    if (bound.gives >= 0) locals[static_cast<size_t>(bound.gives)].request = bound.request;
    list_.push_back(std::move(request));
}

void Requests::addInterval(const ActionInfo& action, int expression, const Text& text) {
    // To PostgreSQL a number alone is seconds, and to people whatever they had in mind.
    if (action.file->fresh && lacksUnit(text.value)) {
        world_.report(*action.file, Code::R054, text.pos, text.value + " has no unit",
                      "write a number and a unit, for example " + text.value + " minutes");
        return;
    }
    addLiteral(
        expression, "interval",
        {text, Code::R054, text.value + " is not an interval", "write a number and a unit, for example 10 minutes"});
}

void Requests::addZone(int expression, const Text& text) {
    addLiteral(expression, "timestamp with time zone",
               {text, Code::R260, "there is no time zone " + text.value, "pg_timezone_names has those there are"});
}

void Requests::addLiteral(int expression, const char* type, Literal literal) {
    BoundExpression bound;
    bound.expression = expression;
    bound.target = type;
    std::vector<LocalValue> none;
    add(bound, none);
    literals_.emplace(expression, std::move(literal));
}

void Requests::take(const std::vector<AnalysisResult>& results) {
    results_ = results;
    std::set<std::pair<int, std::string>> reported;
    for (size_t i = 0; i < results.size() && i < list_.size(); i++) {
        const AnalysisResult& result = results[i];
        // Nothing is said of an expression whose names have no type, as what gives them one was refused.
        if (result.ok || (result.error.empty() && result.code == Code::none)) continue;
        if (!reported.insert({list_[i].expression, result.error}).second) continue;
        int expression = list_[i].expression;
        if (auto found = literals_.find(expression); found != literals_.end()) {
            const Literal& literal = found->second;
            world_.report(world_.fileOf(expression), literal.code, literal.text.pos, literal.message, literal.hint);
            continue;
        }
        world_.report(world_.fileOf(expression), result.code == Code::none ? Code::E100 : result.code,
                      world_.locate(expression, result.errorOffset), result.error, result.hint);
    }
    checkMoments();
}

// A time that stands still from the moment at which the text was applied is not what anybody meant.
void Requests::checkMoments() {
    std::set<std::pair<int, size_t>> reported;
    for (size_t i = 0; i < results_.size() && i < list_.size(); i++) {
        int expression = list_[i].expression;
        for (const MomentUse& moment : results_[i].moments)
            if (world_.fileOf(expression).fresh && reported.insert({expression, moment.offset}).second)
                world_.report(world_.fileOf(expression), Code::R127, world_.locate(expression, moment.offset),
                              quoteLiteral(moment.text) + " would be the time at which this was applied, for ever",
                              moment.hint);
    }
}

}  // namespace specql::resolve
