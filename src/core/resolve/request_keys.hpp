// Keys of the payload that the path, the query and the headers of an operation take.
#pragma once

#include <string>
#include <vector>

#include "resolve/world.hpp"

namespace specql::resolve {

// What is known of a payload before there is one.
struct PayloadShape {
    std::string owner;              // what has the keys, for messages
    std::vector<std::string> keys;  // all there are
    std::vector<std::string> kept;  // private ones, which do not leave
    bool hasRows = false;           // they stand in `new` and `old`
    std::string subject;            // product_id: by this name the event's row is known too; empty without one
};

// The shape of a row event's data: the columns that leave.
PayloadShape shapeOf(const EntityInfo& entity);
// That of a payload of its own, in a step of this action.
PayloadShape shapeOf(const std::vector<spec::Assignment>& set, const std::string& action);

// Reports each key that such a payload has not: where the service has it if that text is new, else at the call.
void checkRequestKeys(World& world, const SpecFile& file, const spec::Operation& operation, const PayloadShape& payload,
                      const SpecFile& caller, const Text& call);
// The same for the key by which calls of this operation replace each other.
void checkCoalesceKey(World& world, const SpecFile& file, const spec::Service& service, const PayloadShape& payload,
                      const SpecFile& caller, const Text& call);

}  // namespace specql::resolve
