#include "pg/base/worker_settings.hpp"

#include "pg/compat.hpp"

namespace specql::settings {

int workerMode = workerAuto;
int workers = 1;
int ownerWorkers = 3;
int handlerTimeout = 5 * 60 * 1000;
int pollInterval = 1000;
int deliverAfter = deliverAfterAuto;
int maxConcurrency = 32;
int deliveryRetention = 7 * 24 * 3600;
int maxPayloadSize = 10 * 1024;
int maxAnswerSize = 64;
int workerMemory = 64 * 1024;
char* allowedHosts = nullptr;
char* caFile = nullptr;
char* secretSources = nullptr;

namespace {

const config_enum_entry workerOptions[] = {
    {"off", workerOff, false}, {"auto", workerAuto, false}, {"on", workerOn, false}, {nullptr, 0, false}};
const config_enum_entry deliverAfterOptions[] = {{"auto", deliverAfterAuto, false},
                                                 {"local", deliverLocal, false},
                                                 {"replicated", deliverReplicated, false},
                                                 {nullptr, 0, false}};

}  // namespace

void defineWorkerSettings() {
    DefineCustomEnumVariable(
        "specql.worker", "Whether deliveries and retries are done by a background worker.",
        "auto: one starts when there is work, and ends when there has been none for a while; on: it stays; "
        "off: none starts, and one that runs ends.",
        &workerMode, workerAuto, workerOptions, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.workers", "How many background workers a database with work gets.",
                            "They deliver; code of users runs in other processes, see specql.owner_workers.", &workers,
                            1, 1, 32, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.owner_workers",
                            "How many background workers run code of users in a database at once.",
                            "Each works for one owner of actions, who has turns if there are more owners with work.",
                            &ownerWorkers, 3, 1, 256, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.handler_timeout",
                            "How long a background worker lets code of a user run at most; 0: for ever.",
                            "What takes longer is cancelled, and counts as a failed attempt.", &handlerTimeout,
                            5 * 60 * 1000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.poll_interval", "How often the worker looks for work that nobody woke it for.",
                            nullptr, &pollInterval, 1000, 10, 3600 * 1000, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr,
                            nullptr);
    DefineCustomEnumVariable(
        "specql.deliver_after", "Where transactions must have been written before their calls leave.",
        "local: on this server; replicated: by the synchronous standbys too, so that nothing has left of what a "
        "promoted "
        "standby does not know; auto: replicated if synchronous_standby_names is set.",
        &deliverAfter, deliverAfterAuto, deliverAfterOptions, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.max_concurrency", "How many HTTP calls the worker has under way at once.",
                            "One service gets at most three quarters of them.", &maxConcurrency, 32, 1, 1000, PGC_SUSET,
                            0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.delivery_retention", "How long finished deliveries stay in specql.deliveries.",
                            nullptr, &deliveryRetention, 7 * 24 * 3600, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S, nullptr,
                            nullptr, nullptr);
    DefineCustomIntVariable(
        "specql.max_payload_size", "The largest delivery that is sent, with its payload as it is stored.",
        "A larger one that a handler queues is a dead letter at once; outside of handlers it is "
        "an error.",
        &maxPayloadSize, 10 * 1024, 1, largestPayloadSize, PGC_SUSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.max_answer_size",
                            "How much of the answer to a call is kept for what listens to it.",
                            "The rest of a longer one is not read, and what was read is a text, and no JSON. All "
                            "answers together take at most a quarter of specql.worker_memory.",
                            &maxAnswerSize, 64, 2, 16 * 1024, PGC_SUSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.worker_memory", "How much of what it sends and receives a worker holds at once.",
                            "Fewer calls are under way at once when their bodies are large. One body that is larger "
                            "than half of it is sent at a time, beside the smaller ones.",
                            &workerMemory, 64 * 1024, 1024, MAX_KILOBYTES, PGC_SUSET, GUC_UNIT_KB, nullptr, nullptr,
                            nullptr);
    DefineCustomStringVariable("specql.allowed_hosts", "Hosts that services may reach at private addresses.",
                               "A list like \"localhost:8080, 10.0.0.7, *.internal\". Loopback, private and link-local "
                               "addresses are refused for all others.",
                               &allowedHosts, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("specql.ca_file",
                               "Certificates of authorities that HTTPS calls trust instead of the system's.", nullptr,
                               &caFile, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("specql.secret_sources",
                               "Secrets of the server's environment and files that services may use.",
                               "A list like \"env:WEBHOOK_*, file:/etc/specql/*\"; * stands for any characters but a "
                               "slash. Services may use no others; rows of specql.secret say themselves who may.",
                               &secretSources, "", PGC_SUSET, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
}

}  // namespace specql::settings
