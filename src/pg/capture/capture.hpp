// What specql.capture asks of a row, for those who can ask it before.
#pragma once

#include "pg/capture/table_listeners.hpp"

namespace specql::capture {

// `rows` has the old row in ecxt_innertuple and the new one in ecxt_outertuple, nullptr where there is none, as the
// conditions of triggers do.
Operation operationOf(const ExprContext* rows);
// May the change be an event of one of the listeners? Cannot raise an error.
bool mayMatch(const TableListeners* group, ExprContext* rows);

}  // namespace specql::capture
