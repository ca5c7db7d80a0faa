#include "pg/outbox/claim_place.hpp"

#include "pg/bridge/entry.hpp"

extern "C" {
#include "access/transam.h"
#include "funcapi.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace specql::outbox {

namespace {

constexpr int64_t fullLookUs = USECS_PER_SEC;  // between two looks at everything, while calls are found
constexpr int fullLookShare = 20;              // a look at everything may take this part of the time,
constexpr int64_t freeLookUs = 5000;           // if it takes longer than this
constexpr int64_t forgetUs = 60 * USECS_PER_SEC;
// Between the time that a delivery is given and the moment when its transaction gets an id.
constexpr int64_t marginUs = 100 * 1000;
constexpr int64_t sampleUs = 20 * 1000;
constexpr size_t mostSamples = 256;

// A transaction whose id is not before nextXid began to write after `at`.
struct Sample {
    TimestampTz at;
    TransactionId nextXid;
};

struct Place {
    bool known = false;  // after which call; else from the beginning
    TimestampTz dueAt = 0;
    pg_uuid_t id = {};
    TimestampTz lookedAt = 0;
    std::vector<TransactionId> open;               // transactions that were under way at the last look
    TransactionId nextXid = InvalidTransactionId;  // of those, and of others, none from here on is in `open`
    bool looksAtAll = false;                       // the look that is under way, or was the last
    bool foundNothing = false;                     // the last look at a part
    TimestampTz fullLookAt = 0;                    // not before, if calls are found
    TimestampTz mayLookAt = 0;                     // not before, if none are
};

struct Reached {
    TimestampTz dueAt;
    pg_uuid_t id;
};

std::deque<Sample> samples;
std::map<std::string, Place> places;
// Of this transaction; they count when it commits, and before that for itself.
std::map<std::string, Reached> reached;

// A claim that did not happen leaves its calls behind the places of all.
void forgetAll() {
    places.clear();
    reached.clear();
}

void atEndOfTransaction(XactEvent event, void* /*argument*/) {
    if (event == XACT_EVENT_COMMIT) {
        for (const auto& [service, end] : reached) {
            auto place = places.find(service);
            if (place == places.end()) continue;
            place->second.known = true;
            place->second.dueAt = end.dueAt;
            place->second.id = end.id;
        }
        reached.clear();
    } else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) {
        if (!reached.empty()) forgetAll();
    }
}

void atEndOfSubtransaction(SubXactEvent event, SubTransactionId /*mine*/, SubTransactionId /*parent*/,
                           void* /*argument*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB && !reached.empty()) forgetAll();
}

// The oldest of the transactions that have ended since the last look, or may have begun since: what they queued is new.
// One that is still under way, as a prepared one may be for days, has not brought anything.
TransactionId oldestEnded(const Place& place, Snapshot snapshot) {
    TransactionId oldest = place.nextXid;
    const TransactionId *begin = snapshot->xip, *end = begin + snapshot->xcnt;
    for (TransactionId xid : place.open)
        if (TransactionIdPrecedes(xid, oldest) && std::find(begin, end, xid) == end) oldest = xid;
    return oldest;
}

// Since when these transactions can have begun to write. False if that is not known.
bool endedSince(const Place& place, Snapshot snapshot, TimestampTz* since) {
    TransactionId oldest = oldestEnded(place, snapshot);
    for (auto sample = samples.rbegin(); sample != samples.rend(); ++sample) {
        if (!TransactionIdPrecedesOrEquals(sample->nextXid, oldest)) continue;
        *since = sample->at - marginUs;
        return true;
    }
    return false;
}

void addSample(TimestampTz now) {
    while (!samples.empty() && (samples.size() >= mostSamples || samples.front().at < now - forgetUs))
        samples.pop_front();
    if (samples.empty() || samples.back().at < now - sampleUs) samples.push_back({now, ReadNextTransactionId()});
}

std::string nameOf(Datum service) {
    text* name = DatumGetTextPP(service);
    return std::string(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

struct Begin {
    TimestampTz at;
    pg_uuid_t id;
    bool all;
    TimestampTz lastLook;
};

Begin beginLook(const std::string& service, bool nothingFound, Snapshot snapshot) {
    TimestampTz now = GetCurrentTimestamp();
    Place& place = places[service];
    Begin begin = {DT_NOBEGIN, {}, false, place.lookedAt};
    if (nothingFound) {
        // The one from a place is over.
        begin.all = now >= place.mayLookAt;
        place.foundNothing = !begin.all;
    } else {
        auto own = reached.find(service);
        Reached end = own != reached.end() ? own->second : Reached{place.dueAt, place.id};
        TimestampTz since = 0;
        bool fresh = place.lookedAt > now - forgetUs && place.lookedAt <= now && now < place.fullLookAt;
        begin.all = !(place.known || own != reached.end()) || !fresh || !endedSince(place, snapshot, &since);
        if (!begin.all) {
            begin.at = Min(end.dueAt, since);
            if (begin.at == end.dueAt) begin.id = end.id;
        }
        place.foundNothing = false;
    }
    place.looksAtAll = begin.all;
    place.lookedAt = now;
    place.open.assign(snapshot->xip, snapshot->xip + snapshot->xcnt);
    place.nextXid = snapshot->xmax;
    addSample(now);
    if (begin.all) begin.at = begin.lastLook = DT_NOBEGIN;
    return begin;
}

void endLook(const std::string& service) {
    Place& place = places[service];
    if (!place.looksAtAll) return;
    TimestampTz now = GetCurrentTimestamp();
    int64_t took = Max(now - place.lookedAt, 0);
    place.mayLookAt = took > freeLookUs ? now + took * fullLookShare : now;
    place.fullLookAt = now + Max(fullLookUs, took * fullLookShare);
}

}  // namespace

void registerClaimPlaces() {
    RegisterXactCallback(atEndOfTransaction, nullptr);
    RegisterSubXactCallback(atEndOfSubtransaction, nullptr);
}

int64_t msToFullLook() {
    int64_t least = -1;
    for (auto& [service, place] : places) {
        if (!place.foundNothing) continue;
        int64_t ms = Max((place.mayLookAt - GetCurrentTimestamp()) / 1000, 0) + 1;
        // One more claim is enough, and a service that is paused now has none.
        if (ms == 1) place.foundNothing = false;
        least = least < 0 ? ms : Min(least, ms);
    }
    return least;
}

// specql.claims_begin(service, nothing_found) → (after_at, after_id, all_due, last_look)
SPECQL_FUNCTION(specql_claims_begin) {
    Begin begin = beginLook(nameOf(PG_GETARG_DATUM(0)), PG_GETARG_BOOL(1), GetActiveSnapshot());
    TupleDesc descriptor;
    if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "specql: claims_begin returns a row");
    auto* id = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    *id = begin.id;
    Datum values[] = {TimestampTzGetDatum(begin.at), UUIDPGetDatum(id), BoolGetDatum(begin.all),
                      TimestampTzGetDatum(begin.lastLook)};
    bool nulls[] = {false, false, false, false};
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

SPECQL_FUNCTION(specql_claims_end) {
    endLook(nameOf(PG_GETARG_DATUM(0)));
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_claimed_up_to) {
    reached[nameOf(PG_GETARG_DATUM(0))] = {PG_GETARG_TIMESTAMPTZ(1), *PG_GETARG_UUID_P(2)};
    PG_RETURN_VOID();
}

}  // namespace specql::outbox
