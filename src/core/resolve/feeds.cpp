// Windows and correlations: what their sources are, and what each source's event hands to them.
#include <algorithm>

#include "resolve/action_resolver.hpp"
#include "resolve/event_time.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool isTime(const std::string& type) {
    return startsWith(type, "timestamp") || type == "date";
}

Text written(const ActionInfo& action, const WindowPiece& piece, const std::string& value) {
    Text text = action.file->source.piece(action.spec->condition, piece.offset, piece.offset + piece.text.size());
    text.value = value;
    return text;
}

}  // namespace

// A trigger's name may be a source too: then matches are called after the action.
void Resolver::resolveWindowed(const ActionInfo& action) {
    const spec::Action& spec = *action.spec;
    checkWithin(action);
    Binding match;
    match.custom = true;
    match.rule = "the event that a match raises";
    match.event = spec.name.value;
    ResolvedAction resolved = resolveUnder(*this, world_, action, match);
    const Window window = *resolved.window;
    bool counted = std::any_of(window.terms.begin(), window.terms.end(), [&](const WindowTerm& term) {
        return term.source == spec.trigger.value || term.sourceWritten.text == spec.trigger.value;
    });
    if (spec.trigger && !counted) resolved.binding.event = spec.trigger.value;
    world_.addExplanation({action.name(), spec.trigger ? spec.trigger.value : spec.name.value, resolved.binding.shown(),
                           match.rule, spec.pos.line});
    world_.checkName(*action.file, handlerName(resolved), spec.name.pos, "the generated function");
    checkWindow(action, window);
    checkMatchParams(action, resolved);
    actions.push_back(std::move(resolved));
    if (!window.understood || (window.correlation && spec.correlationWindow.empty())) return;
    std::set<std::string> done;
    for (size_t i = 0; i < window.terms.size(); i++) {
        const WindowTerm& term = window.terms[i];
        if (!done.insert(term.source).second) continue;
        if (window.correlation || knownSource(action, term))
            addFeeds(action, window, term.source, sourceText(action, window, i));
    }
}

// A match has what it counted and its keys; what is declared beside these is there only if somebody adds it by hand.
void Resolver::checkMatchParams(const ActionInfo& action, const ResolvedAction& resolved) {
    std::vector<std::string> keys = matchKeyNames(*action.spec, *resolved.window);
    for (const spec::Param& param : action.spec->params) {
        const std::string& name = param.name.value;
        if (!resolved.payload.count(name) || std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
        world_.warning(*action.file, "SPQL-R108", param.name.pos,
                       "no match has a value for " + name + ": steps that use it will fail",
                       keys.empty() ? "a match has keys if its condition says BY" : "its keys are " + join(keys, ", "));
    }
}

void Resolver::checkWindow(const ActionInfo& action, const Window& window) {
    const spec::Action& spec = *action.spec;
    if (spec.onError.value == "abort")
        world_.error(*action.file, "SPQL-R083", spec.onError.pos,
                     "matches are found after the events are committed: there is no statement to abort",
                     "leave on_error: out; a match whose steps fail is tried again");
    if (spec.on)
        world_.error(*action.file, "SPQL-R080", spec.on.pos, "a window counts the events that its condition names",
                     "leave on: out; trigger: names the event that a match raises");
    std::vector<std::string> by;
    for (size_t i = 0; i < window.terms.size() && !window.correlation; i++) {
        const WindowTerm& term = window.terms[i];
        std::vector<std::string> own;
        for (const WindowPiece& key : term.by)
            own.push_back(key.text);
        if (i == 0) by = own;
        if (own != by)
            world_.error(*action.file, "SPQL-R080", action.file->source.locate(spec.condition, term.offset),
                         "all terms of a condition have the same keys",
                         by.empty() ? "write BY after every term, or after none" : "write BY " + join(by, ", "));
        if (term.distinct && term.number.size() > 3)
            world_.error(*action.file, "SPQL-R080", action.file->source.locate(spec.condition, term.offset),
                         "distinct values are counted up to 999", "compare with a smaller number");
    }
}

std::vector<std::string> Resolver::customEvents(const ActionInfo& except) const {
    std::vector<std::string> events;
    for (const auto& emitter : emitters_)
        events.push_back(emitter.first);
    for (const ActionInfo& other : world_.actions) {
        const spec::Action& spec = *other.spec;
        if (startsWith(spec.on.value, "event ")) events.push_back(spec.on.value.substr(6));
        if (&other == &except) continue;
        if (spec.windowed && spec.trigger) events.push_back(spec.trigger.value);
        if (spec.correlated) events.push_back(spec.name.value);
    }
    return events;
}

// A window would wait for ever for an event that nobody raises.
bool Resolver::knownSource(const ActionInfo& action, const WindowTerm& term) {
    Text text = written(action, term.sourceWritten, term.source);
    if (const EntityInfo* entity = world_.entity(term.source, action.schema)) {
        world_.error(*action.file, "SPQL-R086", text.pos, term.source + " is an entity, not an event",
                     "for example " + entity->word + "_created");
        return false;
    }
    std::vector<std::string> events = customEvents(action);
    bool raised = std::find(events.begin(), events.end(), term.source) != events.end();
    std::string near = raised ? "" : triggerNames().nearest(term.source, 2);
    if (near == term.source) return true;
    if (near.empty() && !raised) near = nearest(term.source, events, 2);
    if (near.empty()) return true;
    world_.error(
        *action.file, "SPQL-R086", text.pos, "unknown event " + term.source,
        "did you mean " + near + "? If not, some action has to emit it, or listen to it with on: event " + term.source);
    return false;
}

void Resolver::checkWithin(const ActionInfo& action) {
    auto check = [&](int expression, const Text& text) {
        BoundExpression bound;
        bound.expression = expression;
        bound.target = "interval";
        addRequest(bound);
        intervals_[expression] = text;
    };
    auto length = [&](const Text& text) {
        // What is no interval at all is reported as such.
        bool digits = text.value.find_first_of("0123456789") != std::string::npos;
        bool positive = text.value.find_first_of("123456789") != std::string::npos &&
                        text.value.find('-') == std::string::npos && text.value.find("ago") == std::string::npos;
        bool none = digits && !positive;
        if (none)
            world_.error(*action.file, "SPQL-R054", text.pos, text.value + " is no length of time",
                         "write a number and a unit, for example 10 minutes");
        return !none;
    };
    length(action.spec->correlationWindow);
    if (action.spec->correlated) return;
    const std::vector<TermExpressions>& expressions = world_.termExpressions(*action.spec);
    std::vector<WindowProblem> ignored;
    Window window = parseWindow(*action.spec, ignored);
    for (size_t i = 0; i < expressions.size() && i < window.terms.size(); i++) {
        const WindowPiece& interval = window.terms[i].interval;
        Text text = written(action, interval, interval.text);
        if (length(text) && checkUnit(action, text)) check(expressions[i].interval, text);
    }
}

void Resolver::addFeeds(const ActionInfo& action, const Window& window, const std::string& source, const Text& text) {
    std::vector<Binding> bindings = resolveTrigger(*this, world_, action, text);
    for (const Binding& binding : bindings) {
        ResolvedAction feed = ActionResolver(*this, world_, action, binding, false).runFeed(window, source);
        feed.base += "_" + snakeCase(source) + (bindings.size() > 1 ? "_" + binding.entity->word : "");
        world_.addExplanation({action.name(), text.value, binding.shown(),
                               window.correlation ? binding.rule : "source of a window, " + binding.rule,
                               text.pos.line});
        world_.addExplanation({action.name(), source, eventTime(world_, binding).why,
                               "when an event of a window happened", text.pos.line});
        if (const ColumnInfo* at = binding.custom ? nullptr : binding.entity->column("occurred_at"))
            if (!isTime(at->type))
                world_.error(*action.file, "SPQL-R087", text.pos,
                             "occurred_at of " + binding.entity->shown() + " is " + at->type + ", not a time",
                             "rename the field, or make it a timestamp: a window's events happen at their occurred_at");
        if (binding.custom && !emitters_.count(source))
            world_.notice(*action.file, "SPQL-R027", text.pos,
                          source + " is a custom event, raised by specql.emit('" + source + "', …)", "");
        world_.checkName(*action.file, handlerName(feed), action.spec->name.pos, "the generated function");
        actions.push_back(std::move(feed));
    }
}

}  // namespace specql::resolve
