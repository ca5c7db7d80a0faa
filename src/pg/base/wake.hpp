// Wakes the background workers of this database, and starts missing ones.
#pragma once

#include "pg/base/background_worker.hpp"

namespace specql {

// Wakes the workers when the current transaction commits, and starts missing ones if specql.worker allows it. Calling
// it several times in a transaction has no further effect.
void wakeWorkerAtCommit();

// Each worker of a database has a number from 1 to specql.workers, and holds the lock of the number as long as it
// lives. Takes the first free number for this process and returns it; 0 if there is none.
int takeWorkerNumber();
// How many numbers no worker has. May be called in any session, within a transaction.
int countMissingWorkers();
// Registers the missing workers without waiting for their start; as many as the server has slots for.
void startMissingWorkers();

// Fills in the registration of a worker of a database. `directory` is the directory of the database, by which a worker
// that the server restarts after a crash sees whether the database was dropped meanwhile; empty if it is not known.
void describeWorker(BackgroundWorker* worker, Oid database, const char* directory);

// Once per backend, when the library is loaded.
void registerWakeCallbacks();

}  // namespace specql
