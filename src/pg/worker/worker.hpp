// The background worker of a database: deliveries, retries of failed events, and housekeeping.
#pragma once

namespace specql::worker {

// Settings, callbacks, and with shared_preload_libraries the launcher. Called when the library is loaded.
void initWorker();

}  // namespace specql::worker
