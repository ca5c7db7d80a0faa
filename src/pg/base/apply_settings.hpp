// The settings of apply.
#pragma once

namespace specql {

// specql.max_spec_size: the longest text that is read at all, in bytes.
extern int maxSpecSize;

// Defines them; from _PG_init.
void initApply();

}  // namespace specql
