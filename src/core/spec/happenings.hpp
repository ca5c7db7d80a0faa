// What happens to the engine itself, and is raised as a custom event: a rule can listen to it, and nobody can emit it.
#pragma once

#include <string>
#include <vector>

#include "spec/context.hpp"
#include "spec/spec.hpp"

namespace specql::spec {

struct Happening {
    struct Key {
        const char* name;
        const char* type;
    };
    const char* name;
    std::vector<Key> keys;  // all that its payload has, as specql.tell() and its callers write it
};

// specql.delivery_died, …; nullptr for other events.
const Happening* findHappening(const std::string& event);
// The names of all.
std::vector<std::string> happeningNames();
// What mends the name of an event that the engine does not raise.
std::string noHappening(const std::string& event);
// Names that begin with specql. are the engine's, whether it has such an event or not.
bool isOfEngine(const std::string& event);

// An action that listens to one knows its keys: they become its params.
void readHappening(ReadContext& context, const yaml::Node& node, Action& action);
// A key that an event is known to carry, as if params: of the action declared it.
void addKnown(Action& action, const Text& event, const char* name, const char* type);

}  // namespace specql::spec
