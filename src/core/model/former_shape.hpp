// Tables as version 0.1.0 recorded them.
#pragma once

#include <string>

#include "model/table_shape.hpp"

namespace specql {

// From the commands that made a table, or, of an adopted one, would have: they were all that 0.1.0 kept.
TableShape formerShape(const std::string& commands);

}  // namespace specql
