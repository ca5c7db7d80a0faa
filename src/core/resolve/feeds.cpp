#include "resolve/feeds.hpp"

#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "resolve/answers.hpp"
#include "resolve/event_time.hpp"
#include "spec/happenings.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool isTime(const std::string& type) {
    return startsWith(type, "timestamp") || type == "date";
}

}  // namespace

void WindowResolver::resolve() {
    const spec::Action& spec = *action_.spec;
    checkWithin();
    Binding match;
    match.custom = true;
    match.rule = "the event that a match raises";
    match.event = spec.name.value;
    ResolvedAction resolved = resolveUnder(resolver_, world_, action_, match);
    const Window& window = spec.window;
    bool counted = std::any_of(window.terms.begin(), window.terms.end(), [&](const WindowTerm& term) {
        return term.source == spec.trigger.value || term.sourceWritten.value == spec.trigger.value;
    });
    if (spec.trigger && !counted) resolved.binding.event = spec.trigger.value;
    world_.addExplanation({action_.name(), spec.trigger ? spec.trigger.value : spec.name.value,
                           resolved.binding.shown(), match.rule, spec.pos.line});
    world_.checkName(*action_.file, handlerName(resolved), spec.name.pos, "the generated function");
    checkWindow(window);
    checkMatchParams(resolved);
    const std::string base = resolved.base;
    const Binding raised = resolved.binding;
    resolver_.actions.push_back(std::move(resolved));
    addAnswers(resolver_, world_, action_, raised, base);
    if (!window.understood || (window.correlation && spec.correlationWindow.empty())) return;
    std::set<std::string> done;
    for (size_t i = 0; i < window.terms.size(); i++) {
        const WindowTerm& term = window.terms[i];
        if (!done.insert(term.source).second) continue;
        if (window.correlation || knownSource(term)) addFeeds(window, term.source, term.event());
    }
}

// A match has what it counted and its keys; what is declared beside these is there only if somebody adds it by hand.
void WindowResolver::checkMatchParams(const ResolvedAction& resolved) {
    std::vector<std::string> keys = matchKeyNames(*action_.spec);
    for (const spec::Param& param : action_.spec->params) {
        const std::string& name = param.name.value;
        if (!resolved.payload.count(name) || std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
        world_.report(*action_.file, Code::R108, param.name.pos,
                      "no match has a value for " + name + ": steps that use it will fail",
                      keys.empty() ? "a match has keys if its condition says BY" : "its keys are " + join(keys, ", "));
    }
}

void WindowResolver::checkWindow(const Window& window) {
    const spec::Action& spec = *action_.spec;
    if (spec.onError.value == "abort") world_.report(*action_.file, Code::R083, spec.onError.pos);
    if (spec.on)
        world_.report(*action_.file, Code::R080, spec.on.pos, "a window counts the events that its condition names",
                      "leave on: out; trigger: names the event that a match raises");
    std::vector<std::string> by;
    for (size_t i = 0; i < window.terms.size() && !window.correlation; i++) {
        const WindowTerm& term = window.terms[i];
        std::vector<std::string> own;
        for (const Text& key : term.by)
            own.push_back(key.value);
        if (i == 0) by = own;
        if (own != by)
            world_.report(*action_.file, Code::R080, term.written.pos, "all terms of a condition have the same keys",
                          by.empty() ? "write BY after every term, or after none" : "write BY " + join(by, ", "));
        if (term.distinct && term.number.size() > 3)
            world_.report(*action_.file, Code::R080, term.written.pos, "distinct values are counted up to 999",
                          "compare with a smaller number");
    }
}

std::vector<std::string> WindowResolver::customEvents() const {
    std::vector<std::string> events;
    for (const auto& emitter : resolver_.emitters())
        events.push_back(emitter.first);
    for (const ActionInfo& other : world_.actions) {
        const spec::Action& spec = *other.spec;
        if (startsWith(spec.on.value, "event ")) events.push_back(spec.on.value.substr(6));
        if (&other == &action_) continue;
        if (spec.windowed && spec.trigger) events.push_back(spec.trigger.value);
        if (spec.correlated) events.push_back(spec.name.value);
    }
    return events;
}

// A window would wait for ever for an event that nobody raises.
bool WindowResolver::knownSource(const WindowTerm& term) {
    Pos pos = term.sourceWritten.pos;
    if (const EntityInfo* entity = world_.entity(term.source, action_.schema)) {
        world_.report(*action_.file, Code::R086, pos, term.source + " is an entity, not an event",
                      "for example " + entity->word + "_created");
        return false;
    }
    if (spec::isOfEngine(term.source) && !spec::findHappening(term.source)) {
        world_.report(*action_.file, Code::S330, pos, "specql raises no event " + term.source,
                      spec::noHappening(term.source));
        return false;
    }
    if (spec::isOfEngine(term.source) || !answeringService(world_, term.source).empty()) return true;
    std::vector<std::string> events = customEvents();
    bool raised = std::find(events.begin(), events.end(), term.source) != events.end();
    std::string near = raised ? "" : resolver_.triggerNames().nearest(term.source, 2);
    if (near == term.source) return true;
    if (near.empty() && !raised) near = nearest(term.source, events, 2);
    if (near.empty()) return true;
    world_.report(
        *action_.file, Code::R086, pos, "unknown event " + term.source,
        "did you mean " + near + "? If not, some action has to emit it, or listen to it with on: event " + term.source);
    return false;
}

void WindowResolver::checkWithin() {
    auto length = [&](const Text& text) {
        // What is no interval at all is reported as such.
        bool digits = text.value.find_first_of("0123456789") != std::string::npos;
        bool positive = text.value.find_first_of("123456789") != std::string::npos &&
                        text.value.find('-') == std::string::npos && text.value.find("ago") == std::string::npos;
        bool none = digits && !positive;
        if (none)
            world_.report(*action_.file, Code::R054, text.pos, text.value + " is no length of time",
                          "write a number and a unit, for example 10 minutes");
        return !none;
    };
    length(action_.spec->correlationWindow);
    if (action_.spec->correlated) return;
    const std::vector<TermExpressions>& expressions = world_.termExpressions(*action_.spec);
    for (size_t i = 0; i < expressions.size(); i++) {
        const Text& text = action_.spec->window.terms[i].interval;
        if (length(text)) resolver_.analysis().addInterval(action_, expressions[i].interval, text);
    }
}

void WindowResolver::addFeeds(const Window& window, const std::string& source, const Text& text) {
    std::vector<Binding> bindings = resolveTrigger(resolver_, world_, action_, text);
    for (const Binding& binding : bindings) {
        ResolvedAction feed = ActionResolver(resolver_, world_, action_, binding, false).runFeed(window, source);
        feed.base += "_" + snakeCase(source) + (bindings.size() > 1 ? "_" + binding.entity->word : "");
        world_.addExplanation({action_.name(), text.value, binding.shown(),
                               window.correlation ? binding.rule : "source of a window, " + binding.rule,
                               text.pos.line});
        world_.addExplanation({action_.name(), source, eventTime(world_, binding).why,
                               "when an event of a window happened", text.pos.line});
        if (const ColumnInfo* at = binding.custom ? nullptr : binding.entity->column("occurred_at"))
            if (!isTime(at->type))
                world_.report(
                    *action_.file, Code::R087, text.pos,
                    "occurred_at of " + binding.entity->shown() + " is " + at->type + ", not a time",
                    "rename the field, or make it a timestamp: a window's events happen at their occurred_at");
        if (binding.custom && !binding.ofEngine && !resolver_.emitters().count(source) && !isNamedAsAnswer(source))
            world_.report(*action_.file, Code::R027, text.pos,
                          source + " is a custom event, raised by specql.emit('" + source + "', …)", "");
        world_.checkName(*action_.file, handlerName(feed), action_.spec->name.pos, "the generated function");
        resolver_.actions.push_back(std::move(feed));
    }
}

}  // namespace specql::resolve
