// Makes of a place where yaml-cpp found an error a diagnostic that tells the author of the spec what to change.
#pragma once

#include <yaml-cpp/mark.h>

#include "yaml/dialect.hpp"
#include "yaml/tree_builder.hpp"

namespace specql::yaml {

// `mark` is where the parser stopped.
void reportSyntaxError(const YAML::Mark& mark, const Source& source, const Dialect& dialect, const DocumentLines& lines,
                       const TreeBuilder& builder, Diagnostics& diagnostics);

}  // namespace specql::yaml
