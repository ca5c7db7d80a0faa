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
extern char* allowedHosts;
extern char* caFile;

void defineWorkerSettings();

}  // namespace specql::settings
