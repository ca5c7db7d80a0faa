// Telling this database's worker that there is work, or starting it.
#pragma once

#include "pg/worker/server.hpp"

namespace specql {

// When the current transaction commits, the worker is woken, or started if there is none and specql.worker allows it.
// Once per transaction, however often it is called.
void wakeWorkerAtCommit();

// The lock that the worker of a database holds as long as it lives, so that there is one. False if another has it.
bool lockWorkerPlace();
void unlockWorkerPlace();
// Does a worker hold it? A session may ask at any time in a transaction.
bool workerRuns();

// How the worker of a database is registered. By its directory (may be empty) it sees after a crash of the server
// whether the database is still there.
void describeWorker(BackgroundWorker* worker, Oid database, const char* directory);

void registerWakeCallbacks();

}  // namespace specql
