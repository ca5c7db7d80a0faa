// The settings of apply.
#pragma once

namespace specql {

// specql.max_spec_size: the longest text that is read at all, in bytes.
extern int maxSpecSize;

// Defines them. Called once per backend, when the library is loaded.
void initApply();

}  // namespace specql
