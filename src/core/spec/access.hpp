// The keys of a service that say how its calls are let in: auth, tls, compress.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

// Each reads the value of its key, as JSON; empty if there was an error.
std::string readAuth(ReadContext& context, const yaml::Entry& entry);
std::string readTls(ReadContext& context, const yaml::Entry& entry);
std::string readCompress(ReadContext& context, const yaml::Entry& entry);

// Reports what does not go with these keys.
void checkAccess(ReadContext& context, const Service& service);

}  // namespace specql::spec
