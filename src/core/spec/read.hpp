// Located trees to Spec: keys, shapes, the SQL-like step scalars. Unknown keys get the nearest known one as a hint.
#pragma once

#include "spec/spec.hpp"
#include "yaml/parse.hpp"

namespace specql::spec {

// What is kept can be looked at: a field has a type, an event-driven action what raises it, a step its target, its
// condition or its call, an assignment its value. What lacks them has been reported and is left out.
// `defaultSchema` is apply's schema argument (may be empty); it serves rules documents that say nothing.
Spec readSpec(const Source& source, const yaml::ParsedText& parsed, std::string_view defaultSchema,
              Diagnostics& diagnostics);

}  // namespace specql::spec
