// The keys of services and operations that say how many calls leave, and until when.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// A whole number from 1, and a length of time, as JSON; empty if there was an error.
std::string readNumber(ReadContext& context, const yaml::Entry& entry, int64_t most);
std::string readDuration(ReadContext& context, const yaml::Entry& entry, int64_t longestMs);

// Each reads the value of its key, as JSON; empty if there was an error.
std::string readRate(ReadContext& context, const yaml::Entry& entry);
std::string readBurst(ReadContext& context, const yaml::Entry& entry);
std::string readConcurrency(ReadContext& context, const yaml::Entry& entry);
std::string readExpires(ReadContext& context, const yaml::Entry& entry);

// Reports what does not go together in a service.
void checkLimits(ReadContext& context, const yaml::Node& mapping);

}  // namespace specql::spec
