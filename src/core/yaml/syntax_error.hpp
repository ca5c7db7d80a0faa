// Translates the errors of yaml-cpp into diagnostics that tell the author of the spec what to change.
#pragma once

#include <yaml-cpp/exceptions.h>

#include "yaml/dialect.hpp"
#include "yaml/tree_builder.hpp"

namespace specql::yaml {

void reportSyntaxError(const YAML::Exception& error, const Source& source, const DocumentLines& lines,
                       const TreeBuilder& builder, Diagnostics& diagnostics);

}  // namespace specql::yaml
