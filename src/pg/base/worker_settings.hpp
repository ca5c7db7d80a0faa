// The settings of the worker and of deliveries.
#pragma once

namespace specql::settings {

enum WorkerMode { workerOff, workerAuto, workerOn };

extern int workerMode;         // a WorkerMode
extern int workers;            // for each database
extern int ownerWorkers;       // at once, for each database
extern int handlerTimeout;     // milliseconds; 0: none
extern int pollInterval;       // milliseconds
extern int maxConcurrency;     // HTTP calls at once
extern int deliveryRetention;  // seconds
// What a text can still be made of if each byte of it is escaped, with room to copy it.
constexpr int largestPayloadSize = 100 * 1024;  // kB
extern int maxPayloadSize;                      // kB
extern int workerMemory;                        // kB
extern char* allowedHosts;
extern char* caFile;
extern char* secretSources;

void defineWorkerSettings();

}  // namespace specql::settings
