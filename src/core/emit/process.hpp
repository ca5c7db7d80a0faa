// Processes: the function that begins one, those of its steps, what the runtime is told of them, and, of sagas, the row
// that tells of each and the functions for all of a schema.
#pragma once

#include <string>
#include <vector>

#include "emit/function.hpp"
#include "resolve/resolver.hpp"

namespace specql::emit {

void emitProcess(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                 std::vector<Object>& functions, std::vector<Object>& registrations);

// The names of what is generated for a process, beside the function that begins one.
std::vector<std::string> processFunctions(const spec::Action& action);

// retry_saga, manual_compensation, recover_stuck_sagas and cleanup_completed_sagas, once in each schema with a saga.
std::vector<Object> sagaFunctions(const resolve::Resolver& resolver);

}  // namespace specql::emit
