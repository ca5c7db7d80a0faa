// The keys of services and operations that let calls wait for one another: batch and coalesce.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// Each reads the value of its key, as JSON; empty if there was an error.
std::string readBatch(ReadContext& context, const yaml::Entry& entry);
std::string readCoalesce(ReadContext& context, const yaml::Entry& entry);

// Reports what of a service cannot be sent in batches.
void checkBatches(ReadContext& context, const Service& service);

}  // namespace specql::spec
