// yaml-cpp's complaints, said so that the writer of the spec knows what to change.
#pragma once

#include <yaml-cpp/exceptions.h>

#include "yaml/dialect.hpp"
#include "yaml/tree_builder.hpp"

namespace specql::yaml {

void reportSyntaxError(const YAML::Exception& error, const Source& source, const DocumentLines& lines,
                       const TreeBuilder& builder, Diagnostics& diagnostics);

}  // namespace specql::yaml
