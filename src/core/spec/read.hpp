// Located trees to Spec: keys, shapes, the SQL-like step scalars. Unknown keys get the nearest known one as a hint.
#pragma once

#include "spec/spec.hpp"
#include "yaml/parse.hpp"

namespace specql::spec {

// Elements that are returned are complete: a field has a type, an event-driven action a trigger, a step its target,
// condition or call, an assignment its value. Incomplete ones are reported and left out. `defaultSchema` is apply's
// schema argument (may be empty); it serves rules documents that say nothing.
Spec readSpec(const Source& source, const yaml::ParsedText& parsed, std::string_view defaultSchema,
              Diagnostics& diagnostics);

}  // namespace specql::spec
