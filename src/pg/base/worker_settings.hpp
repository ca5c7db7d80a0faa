// The settings of the worker and of deliveries.
#pragma once

namespace specql::settings {

enum WorkerMode { workerOff, workerAuto, workerOn };
enum DeliverAfter { deliverAfterAuto, deliverLocal, deliverReplicated };

extern int workerMode;         // a WorkerMode
extern int workers;            // per database
extern int ownerWorkers;       // per database, running at once
extern int handlerTimeout;     // milliseconds; 0 for no limit
extern int pollInterval;       // milliseconds
extern int deliverAfter;       // a DeliverAfter
extern int maxConcurrency;     // HTTP calls at once
extern int deliveryRetention;  // seconds
// The upper bound of maxPayloadSize: a text of this size can be escaped and copied within the limit of palloc().
constexpr int largestPayloadSize = 100 * 1024;  // kB
extern int maxPayloadSize;                      // kB
extern int maxAnswerSize;                       // kB
extern int workerMemory;                        // kB
extern char* allowedHosts;
extern char* caFile;
extern char* secretSources;

// Called once per backend, when the library is loaded.
void defineWorkerSettings();

}  // namespace specql::settings
