#include "pg/base/event_settings.hpp"

#include "delivery/traceparent.hpp"
#include "pg/base/server.hpp"

namespace specql::settings {

int maxCascadeDepth = 16;
int logEvents = logMatched;
int eventImages = imagesChanged;
bool wholeDeliveries = false;
int maxEventSize = 1024;
int eventRetention = 30 * 24 * 3600;
int batchSize = 100;
int64_t clockOffset = 0;
int windowPatience = 10000;
const char* callerClaims = "";
const char* context = "";
char* traceparent = nullptr;

namespace {

const config_enum_entry logEventsOptions[] = {
    {"failed", logFailed, false}, {"matched", logMatched, false}, {"all", logAll, false}, {nullptr, 0, false}};

const config_enum_entry eventImagesOptions[] = {
    {"changed", imagesChanged, false}, {"whole", imagesWhole, false}, {nullptr, 0, false}};

char* clockOffsetText = nullptr;
char* callerText = nullptr;
char* callerClaimsText = nullptr;
char* contextText = nullptr;

// A list of names as `extra`, as callerClaims has it. `fits` may refuse one, with a reason.
bool checkNames(char** value, void** extra, bool (*fits)(const char*)) {
    char* list = pstrdup(*value);
    List* names = NIL;
    bool isList = SplitGUCList(list, ',', &names);
    size_t size = 1;
    ListCell* cell;
    foreach (cell, names)
        size += strlen(static_cast<const char*>(lfirst(cell))) + 1;
    bool allFit = true;
    if (isList && fits != nullptr)
        foreach (cell, names)
            allFit = allFit && fits(static_cast<const char*>(lfirst(cell)));
    auto* checked = isList && allFit ? static_cast<char*>(compat::settingMemory(size)) : nullptr;
    if (checked != nullptr) {
        char* end = checked;
        foreach (cell, names) {
            size_t length = strlen(static_cast<const char*>(lfirst(cell))) + 1;
            memcpy(end, lfirst(cell), length);
            end += length;
        }
        *end = '\0';
    }
    list_free(names);
    pfree(list);
    if (!isList) GUC_check_errdetail("It is not a list of names with commas between them.");
    *extra = checked;
    return checked != nullptr;
}

bool checkCallerClaims(char** value, void** extra, GucSource) {
    return checkNames(value, extra, nullptr);
}

bool checkContext(char** value, void** extra, GucSource) {
    return checkNames(value, extra, [](const char* name) {
        if (isContextName(name)) return true;
        GUC_check_errdetail("\"%s\" is no setting of an application.", name);
        GUC_check_errhint(
            "Name settings with a dot in their names, such as app.tenant, that do not begin with specql.");
        return false;
    });
}

void assignContext(const char*, void* extra) {
    context = static_cast<const char*>(extra);
}

bool checkTraceparent(char** value, void**, GucSource) {
    if (**value == '\0' || delivery::isTraceparent(*value)) return true;
    GUC_check_errdetail("It is not a traceparent of the W3C.");
    GUC_check_errhint(
        "That is 00-<32 digits>-<16 digits>-<2 digits>, hexadecimal and in lower case, neither id all zeros.");
    return false;
}

void assignCallerClaims(const char*, void* extra) {
    callerClaims = static_cast<const char*>(extra);
}

// Like check_timezone() of the server, which also reads intervals.
bool checkClockOffset(char** value, void** extra, GucSource) {
    int64_t micros = 0;
    if ((*value)[0] != '\0') {
        Interval* offset = DatumGetIntervalP(
            DirectFunctionCall3(interval_in, CStringGetDatum(*value), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
        micros = offset->time + (static_cast<int64_t>(offset->month) * DAYS_PER_MONTH + offset->day) * USECS_PER_DAY;
        pfree(offset);
    }
    auto* checked = static_cast<int64_t*>(compat::settingMemory(sizeof(int64_t)));
    if (checked == nullptr) return false;
    *checked = micros;
    *extra = checked;
    return true;
}

void assignClockOffset(const char*, void* extra) {
    clockOffset = *static_cast<int64_t*>(extra);
}

// The parts between the dots, as the server wants them.
bool isPart(const char* begin, const char* end) {
    auto isLetter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
    };
    if (begin == end || !isLetter(*begin)) return false;
    for (; begin < end; ++begin)
        if (!isLetter(*begin) && !(*begin >= '0' && *begin <= '9') && *begin != '$') return false;
    return true;
}

}  // namespace

bool isContextName(const char* name) {
    int parts = 0;
    for (const char* part = name;; ++part, ++parts) {
        const char* end = part + strcspn(part, ".");
        if (!isPart(part, end)) return false;
        if (*end == '\0') break;
        part = end;
    }
    return parts > 0 && pg_strncasecmp(name, "specql.", strlen("specql.")) != 0;
}

void defineEventSettings() {
    DefineCustomIntVariable("specql.max_cascade_depth", "How many events may cause one another in a chain.",
                            "The event that would be one too many fails with the whole chain in its error.",
                            &maxCascadeDepth, 16, 1, 1000, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable("specql.log_events", "Which events specql.events keeps.",
                             "failed: those that failed at least once, and those with deliveries; matched: all that an "
                             "action handled, and custom "
                             "events; all: also row changes that no condition of an action matched.",
                             &logEvents, logMatched, logEventsOptions, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable("specql.event_images", "What the tables of events keep of the old row of an update.",
                             "changed: the columns that have another value in the new row; whole: all of them. Views, "
                             "handlers and deliveries have both rows whole either way.",
                             &eventImages, imagesChanged, eventImagesOptions, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("specql.whole_deliveries",
                             "Rows of specql.outbox hold what a change-data-capture router reads.",
                             "Off, a delivery of an event's data refers to the event in the log; on, it holds all "
                             "columns, and the data twice.",
                             &wholeDeliveries, false, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "specql.max_event_size", "How much an event carries of the rows that it is about.",
        "Of the old and the new row, the largest values are left out until the rest fits; the event says which.",
        &maxEventSize, 1024, 1, 8 * 1024, PGC_SUSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "specql.event_retention", "How long finished events stay in specql.events.",
        "specql.expire_events() empties whole partitions of the log that are older; what is pending or "
        "failed stays.",
        &eventRetention, 30 * 24 * 3600, 3600, INT_MAX, PGC_SUSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("specql.batch_size", "How many waiting items are claimed at once.", nullptr, &batchSize,
                            100, 1, 100000, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("specql.clock_offset", "How far the engine's clock is ahead of the server's.",
                               "An interval, for tests: moves the time of events, windows, deadlines and retries.",
                               &clockOffsetText, "", PGC_SUSET, 0, checkClockOffset, assignClockOffset, nullptr);
    DefineCustomIntVariable("specql.window_patience", "How long windows and correlations wait for older transactions.",
                            "Events are counted in order once every transaction that began before has ended; after "
                            "this time they are counted anyway, and what those transactions commit comes late.",
                            &windowPatience, 10000, 0, 24 * 3600 * 1000, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr,
                            nullptr);
    DefineCustomStringVariable("specql.caller", "What the application says of whoever it works for.",
                               "A JSON object, whose keys are caller.<key> in specs.", &callerText, "", PGC_USERSET, 0,
                               nullptr, nullptr, nullptr);
    DefineCustomStringVariable("specql.caller_claims", "The settings that say who the caller is.",
                               "Names with commas between them: the first one that is set counts.", &callerClaimsText,
                               "request.jwt.claims, specql.caller", PGC_USERSET, 0, checkCallerClaims,
                               assignCallerClaims, nullptr);
    DefineCustomStringVariable("specql.traceparent", "The trace that the session works for.",
                               "A traceparent of the W3C: kept with events, and sent with their calls. That of a "
                               "comment at the end of the statement counts before it.",
                               &traceparent, "", PGC_USERSET, 0, checkTraceparent, nullptr, nullptr);
    DefineCustomStringVariable("specql.context", "The settings that are kept with events.",
                               "Names with commas between them, such as app.tenant: where handlers run later, they "
                               "have the values that they had in the session that raised the event.",
                               &contextText, "", PGC_SUSET, 0, checkContext, assignContext, nullptr);
}

}  // namespace specql::settings
