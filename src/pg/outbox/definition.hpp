// What all deliveries of a step have in common: rows of specql.definition.
#pragma once

#include "pg/base/server.hpp"

namespace specql::outbox {

// Texts; a call has an operation, everything else a channel and a message. 0 stands for NULL. `traced`: the events have
// traces.
struct Definition {
    Datum aggregateType, type, operation, channel, message;
    bool traced;
};

// The id of a row of specql.definition with these texts, which is written if there is none.
int32_t findOrWriteDefinition(const Definition& definition);

}  // namespace specql::outbox
