#include "spec/happenings.hpp"

#include "text/quote.hpp"
#include "text/source.hpp"

namespace specql::spec {

namespace {

constexpr const char* prefix = "specql.";

const std::vector<Happening>& happenings() {
    static const std::vector<Happening> all = {
        {"specql.delivery_died",
         {{"delivery_id", "uuid"},
          {"kind", "text"},
          {"service", "text"},
          {"operation", "text"},
          {"channel", "text"},
          {"action", "text"},
          {"type", "text"},
          {"entity", "text"},
          {"subject", "text"},
          {"event_id", "uuid"},
          {"attempts", "integer"},
          {"error", "text"},
          {"http_status", "integer"}}},
        {"specql.event_parked",
         {{"event_id", "uuid"},
          {"action", "text"},
          {"type", "text"},
          {"entity", "text"},
          {"subject", "text"},
          {"attempts", "integer"},
          {"sqlstate", "text"},
          {"error", "text"}}},
        {"specql.service_disabled", {{"service", "text"}, {"reason", "text"}}},
        {"specql.service_resumed", {{"service", "text"}}},
        {"specql.worker_missing", {{"since", "timestamp with time zone"}}},
    };
    return all;
}

std::string keysOf(const Happening& happening) {
    std::vector<std::string> names;
    for (const Happening::Key& key : happening.keys)
        names.emplace_back(key.name);
    return join(names, ", ");
}

// What an action listens to: trigger: name, or on: event name.
Text eventOf(const Action& action) {
    constexpr char verb[] = "event ";
    const size_t begin = action.on.value.find_first_not_of(' ', sizeof verb - 1);
    if (action.on.value.compare(0, sizeof verb - 1, verb) != 0 || begin == std::string::npos) return action.trigger;
    Text event = action.on;
    event.value.erase(0, begin);
    return event;
}

}  // namespace

void addKnown(Action& action, const Text& event, const char* name, const char* type) {
    Param param;
    param.name = param.type = event;
    param.name.value = name;
    param.type.value = type;
    action.params.push_back(std::move(param));
}

std::string noHappening(const std::string& event) {
    const std::string near = nearest(event, happeningNames());
    return near.empty() ? "it raises " + join(happeningNames(), ", ") : "did you mean " + near + "?";
}

void readHappening(ReadContext& context, const yaml::Node& node, Action& action) {
    auto isKnown = [&](const Text& event) {
        if (!isOfEngine(event.value) || findHappening(event.value) != nullptr) return true;
        context.diagnostics.report(Code::S330, event.pos, "specql raises no event " + event.value,
                                   noHappening(event.value));
        return false;
    };
    for (const Text& source : action.triggers)
        (void)isKnown(source);
    const Text event = eventOf(action);
    if (!isOfEngine(event.value) || !isKnown(event)) return;
    if (action.windowed || action.correlated) {
        context.diagnostics.report(Code::S331, event.pos, "only specql raises " + event.value + ", and no match does",
                                   "let trigger: name an event of your own");
        return;
    }
    const Happening& happening = *findHappening(event.value);
    if (const yaml::Entry* params = node.find("params"))
        context.diagnostics.report(Code::S332, params->key.pos, "what " + event.value + " carries is known",
                                   "leave params: out; its keys are " + keysOf(happening));
    for (const Happening::Key& key : happening.keys)
        addKnown(action, event, key.name, key.type);
}

const Happening* findHappening(const std::string& event) {
    for (const Happening& happening : happenings())
        if (event == happening.name) return &happening;
    return nullptr;
}

std::vector<std::string> happeningNames() {
    std::vector<std::string> names;
    for (const Happening& happening : happenings())
        names.emplace_back(happening.name);
    return names;
}

bool isOfEngine(const std::string& event) {
    return event.compare(0, std::string(prefix).size(), prefix) == 0;
}

}  // namespace specql::spec
