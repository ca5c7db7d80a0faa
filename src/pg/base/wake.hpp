// Telling this database's workers that there is work, or starting them.
#pragma once

#include "pg/base/background_worker.hpp"

namespace specql {

// When the current transaction commits, workers are woken, or started if some are missing and specql.worker allows it.
// Once per transaction, however often it is called.
void wakeWorkerAtCommit();

// A worker of a database has a place, from 1 to specql.workers, and holds its lock as long as it lives. Takes the first
// free one; 0 if there is none.
int takeWorkerPlace();
// How many places are free. A session may ask at any time in a transaction.
int freeWorkerPlaces();
// Without waiting for them; where there is no slot, not.
void startMissingWorkers();

// How the worker of a database is registered. By its directory (may be empty) it sees after a crash of the server
// whether the database is still there.
void describeWorker(BackgroundWorker* worker, Oid database, const char* directory);

void registerWakeCallbacks();

}  // namespace specql
