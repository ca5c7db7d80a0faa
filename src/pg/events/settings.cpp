#include "pg/events/settings.hpp"

#include "pg/compat.hpp"

namespace specql::settings {

int maxCascadeDepth = 16;
int logEvents = logMatched;
int eventRetention = 30 * 24 * 3600;
int batchSize = 100;

namespace {

const config_enum_entry logEventsOptions[] = {
    {"failed", logFailed, false}, {"matched", logMatched, false}, {"all", logAll, false}, {nullptr, 0, false}};

}  // namespace

void defineEventSettings() {
    DefineCustomIntVariable("specql.max_cascade_depth", "How many events may cause one another in a chain.",
                            "The event that would be one too many fails with the whole chain in its error.",
                            &maxCascadeDepth, 16, 1, 1000, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable("specql.log_events", "Which events specql.events keeps.",
                             "failed: those that failed at least once; matched: all that an action handled, and custom "
                             "events; all: also row changes that no condition of an action matched.",
                             &logEvents, logMatched, logEventsOptions, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "specql.event_retention", "How long finished events stay in specql.events.",
        "specql.expire_events() empties whole partitions of the log that are older; what is pending or "
        "failed stays.",
        &eventRetention, 30 * 24 * 3600, 3600, INT_MAX, PGC_SUSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.batch_size", "How many waiting items are claimed at once.", nullptr, &batchSize,
                            100, 1, 100000, PGC_SUSET, 0, nullptr, nullptr, nullptr);
}

}  // namespace specql::settings
