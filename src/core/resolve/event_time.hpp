// When an event of a window happened: one answer for what counts live, for backtests and for generated tests.
#pragma once

#include "resolve/action.hpp"

namespace specql::resolve {

// A column of the event's row, or none: then the event happened when it was captured.
struct EventTime {
    std::string column, type;
    std::string why;  // for explain
    explicit operator bool() const { return !column.empty(); }
};

// A row says it in its occurred_at. An inserted row of a table that was there before specql says it in the only time
// column there is.
EventTime eventTime(const World& world, const Binding& binding);

// Was the table there before specql, or does no entity declare it?
bool isForeign(const World& world, const EntityInfo& entity);

}  // namespace specql::resolve
