// Keys of services and operations that specql.service keeps as JSON, in its columns options and operations: each is
// read here, and checked again by specql.option_problem.
#pragma once

#include "spec/context.hpp"

namespace specql::spec {

enum class OptionPlace { service, operation };

// The keys that may stand there, in the order in which they are kept.
Words optionKeys(OptionPlace place);

// Reads those of `mapping` that are such keys.
std::vector<Option> readOptions(ReadContext& context, const yaml::Node& mapping, OptionPlace place);

}  // namespace specql::spec
