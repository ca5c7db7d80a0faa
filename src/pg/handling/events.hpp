// Events: capture, dispatch, emit, the event log, failures and retries.
#pragma once

namespace specql::handling {

// Settings, caches' invalidation, and what happens at the ends of transactions. Called once per backend, when the
// library is loaded.
void initEvents();

}  // namespace specql::handling
