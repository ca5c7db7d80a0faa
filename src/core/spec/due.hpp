// Due times of rows: on: time Invoice.due_at + 3 days.
#pragma once

#include <string>

#include "spec/context.hpp"
#include "spec/spec.hpp"

namespace specql::spec {

// Whether on: is meant to be one.
bool isDueTime(const std::string& on);
// Reads it, and the keys beside it.
void readDueTime(ReadContext& context, const yaml::Node& node, Action& action);

}  // namespace specql::spec
