// Events: capture, dispatch, emit, the event log, failures and retries.
#pragma once

namespace specql::handling {

// Defines the settings, and registers the callbacks for invalidations and for the ends of transactions. Called once per
// backend, when the library is loaded.
void initEvents();

}  // namespace specql::handling
