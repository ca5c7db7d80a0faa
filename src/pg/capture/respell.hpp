// A value of an enum that is written otherwise from now on: its rows change without an event.
#pragma once

#include "pg/base/server.hpp"

namespace specql::capture {

// Are the rows of this table being respelled, in this session?
bool isRespelled(Relation table);

}  // namespace specql::capture
