#include "pg/outbox/limits.hpp"

#include <algorithm>
#include <chrono>

#include "delivery/rate.hpp"
#include "pg/base/background_worker.hpp"
#include "pg/bridge/entry.hpp"

extern "C" {
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
}

namespace specql::outbox {

namespace {

constexpr int mostServices = 256;  // with limits, of all databases of a server
constexpr int mostHolders = 32;    // processes that call a service at once
constexpr int64_t unknownMs = 3600 * 1000;

// A process with calls under way.
struct Holder {
    int pid;  // 0: none
    int calls;
};

struct Entry {
    Oid database;
    uint64 service;  // the hash of its name
    int64_t usedAt;  // 0: the entry is free
    bool hasRate;
    bool awaited;  // a worker sleeps because of the calls of others
    delivery::RateState rate;
    Holder holders[mostHolders];
};

struct Limits {
    LWLock lock;
    int64_t knownSince;  // what left before that is not known
    Entry entries[mostServices];
};

// The first piece of shared memory is small enough for what the server keeps free; it says where the other one is.
struct Root {
    dsm_handle handle;
    int tranche;
};
// Of another version of the extension the name is another one.
const char* const rootName = "specql limits 1";

Limits* limits = nullptr;
// Of this process: when a service may be called that had no room for all.
std::map<std::string, int64_t> waits;
// And when what it has claimed last was counted.
std::map<std::string, int64_t> claimed;

// The clock is the same for all processes, and never steps back.
int64_t clockUs() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Locked {
public:
    Locked() { LWLockAcquire(&limits->lock, LW_EXCLUSIVE); }
    ~Locked() { LWLockRelease(&limits->lock); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
};

uint64 hashOf(std::string_view name) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()), 0);
}

Entry* find(uint64 service) {
    for (Entry& entry : limits->entries)
        if (entry.usedAt != 0 && entry.database == MyDatabaseId && entry.service == service) return &entry;
    return nullptr;
}

// The entry of a service, made anew if it has none or had another rate. It may take the place of the one that was not
// used for longest; what is known of that is forgotten.
Entry* findOrMake(uint64 service, const delivery::Rate& rate, int64_t now) {
    Entry* entry = find(service);
    int64_t knownSince = entry != nullptr ? now : limits->knownSince;
    bool fits = entry != nullptr && entry->hasRate == (rate.calls > 0) && (!entry->hasRate || entry->rate.isOf(rate));
    if (entry == nullptr) {
        entry = std::min_element(limits->entries, limits->entries + mostServices,
                                 [](const Entry& a, const Entry& b) { return a.usedAt < b.usedAt; });
        if (entry->usedAt != 0) limits->knownSince = now;
        memset(static_cast<void*>(entry), 0, sizeof *entry);
        entry->database = MyDatabaseId;
        entry->service = service;
    }
    if (!fits) {
        entry->hasRate = rate.calls > 0;
        if (entry->hasRate) entry->rate.begin(rate, now, knownSince);
    }
    entry->usedAt = now;
    return entry;
}

int callsOfOthers(const Entry* entry) {
    int calls = 0;
    for (const Holder& holder : entry->holders)
        if (holder.pid != 0 && holder.pid != MyProcPid) calls += holder.calls;
    return calls;
}

// The place of this process, or a free one for it; nullptr if there is none.
Holder* ownHolder(Entry* entry) {
    Holder* own = nullptr;
    for (Holder& holder : entry->holders) {
        if (holder.pid == MyProcPid) return &holder;
        if (holder.pid == 0 && own == nullptr) own = &holder;
    }
    return own;
}

// Sets how many calls of this process are under way. True if others wait for one to end.
bool hold(Entry* entry, int calls) {
    Holder* own = ownHolder(entry);
    if (own == nullptr) return false;
    bool fewer = own->pid == MyProcPid && calls < own->calls;
    *own = {calls > 0 ? MyProcPid : 0, Max(calls, 0)};
    bool tells = fewer && entry->awaited;
    if (tells) entry->awaited = false;
    return tells;
}

void tellOthers() {
    compat::forBackgroundWorkers([](PGPROC* process) {
        if (process->pid != MyProcPid) SetLatch(&process->procLatch);
    });
}

bool holdFewer(Entry* entry, int fewer) {
    Holder* own = ownHolder(entry);
    return own != nullptr && own->pid == MyProcPid && hold(entry, own->calls - fewer);
}

// Nothing of this process is under way any more.
void releaseAll() {
    if (limits == nullptr) return;
    bool tells = false;
    {
        Locked locked;
        for (Entry& entry : limits->entries)
            if (entry.usedAt != 0 && entry.database == MyDatabaseId) tells = hold(&entry, 0) || tells;
    }
    if (tells) tellOthers();
}

void atExit(int /*code*/, Datum /*argument*/) {
    releaseAll();
}

// Calls of a session are over with its transaction; those of a worker go on.
void atEndOfTransaction(XactEvent event, void* /*argument*/) {
    if (event == XACT_EVENT_ABORT) releaseAll();
}

void createLimits(Root* root) {
    dsm_segment* segment = dsm_create(sizeof(Limits), 0);
    dsm_pin_segment(segment);
    dsm_pin_mapping(segment);
    root->tranche = LWLockNewTrancheId();
    root->handle = dsm_segment_handle(segment);
    limits = static_cast<Limits*>(dsm_segment_address(segment));
    memset(static_cast<void*>(limits), 0, sizeof *limits);
    limits->knownSince = clockUs();
    LWLockInitialize(&limits->lock, root->tranche);
}

void attach() {
    if (limits != nullptr) return;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    bool found;
    auto* root = static_cast<Root*>(ShmemInitStruct(rootName, sizeof(Root), &found));
    if (!found) memset(root, 0, sizeof *root);
    if (root->handle == 0) {
        createLimits(root);
    } else {
        dsm_segment* segment = dsm_attach(root->handle);
        if (segment == nullptr) elog(ERROR, "specql: the shared memory of rates is gone");
        dsm_pin_mapping(segment);
        limits = static_cast<Limits*>(dsm_segment_address(segment));
    }
    LWLockRegisterTranche(root->tranche, "specql limits");
    LWLockRelease(AddinShmemInitLock);
    before_shmem_exit(atExit, 0);
    if (MyBackendType != B_BG_WORKER) RegisterXactCallback(atEndOfTransaction, nullptr);
}

std::string_view textArgument(FunctionCallInfo fcinfo, int number) {
    text* argument = PG_GETARG_TEXT_PP(number);
    return std::string_view(VARDATA_ANY(argument), static_cast<size_t>(VARSIZE_ANY_EXHDR(argument)));
}

// A rate that specql.option_problem has let through, and a burst; without calls if there is none.
delivery::Rate rateArgument(FunctionCallInfo fcinfo, int number) {
    delivery::Rate rate;
    if (PG_ARGISNULL(number)) return rate;
    bool good = delivery::parseRate(textArgument(fcinfo, number), rate).empty();
    if (!good) elog(ERROR, "specql: a service has no rate that can be read");
    if (!PG_ARGISNULL(number + 1)) rate.burst = Max(PG_GETARG_INT64(number + 1), 1);
    return rate;
}

struct Places {
    int64_t granted, now, next;
    bool tells;
};

// `most`: calls at once, 0 for any number; `busy`: those of this process.
Places takePlaces(uint64 service, const delivery::Rate& rate, int most, int busy, int64_t wanted) {
    Places places = {wanted, 0, 0, false};
    Locked locked;
    places.now = clockUs();
    Entry* entry = findOrMake(service, rate, places.now);
    if (most > 0) {
        places.granted = Min(wanted, Max(most - busy - callsOfOthers(entry), 0));
        if (ownHolder(entry) == nullptr) places.granted = 0;
        entry->awaited = entry->awaited || places.granted == 0;
    }
    if (entry->hasRate) {
        int64_t free = places.granted;
        places.granted = entry->rate.take(places.now, free);
        if (places.granted < free) places.next = entry->rate.nextAt(places.now);
    }
    if (most > 0) places.tells = hold(entry, busy + static_cast<int>(places.granted));
    return places;
}

}  // namespace

bool isClaimLimited(const std::string& service, int64_t* since) {
    auto found = claimed.find(service);
    *since = found != claimed.end() ? found->second : notCounted;
    return found != claimed.end();
}

void forgetClaimed() {
    claimed.clear();
}

bool limitedCallStarts(const std::string& service, int64_t* since) {
    if (limits == nullptr) return false;
    Locked locked;
    int64_t now = clockUs();
    Entry* entry = find(hashOf(service));
    if (entry == nullptr || (entry->hasRate && !entry->rate.start(*since, now))) return false;
    *since = now;
    return true;
}

void limitedCallEnds(const std::string& service, int64_t since) {
    if (limits == nullptr) return;
    bool tells = false;
    {
        Locked locked;
        Entry* entry = find(hashOf(service));
        if (entry != nullptr && entry->hasRate) entry->rate.end(since, clockUs());
        if (entry != nullptr) tells = holdFewer(entry, 1);
    }
    if (tells) tellOthers();
}

void limitedCallStays(const std::string& service) {
    if (limits == nullptr) return;
    bool tells = false;
    {
        Locked locked;
        if (Entry* entry = find(hashOf(service))) tells = holdFewer(entry, 1);
    }
    if (tells) tellOthers();
}

int64_t msToNextPlace() {
    int64_t least = -1;
    for (const auto& [service, at] : waits) {
        int64_t left = at - clockUs(), ms = left <= 0 ? 0 : left / 1000 + 1;
        least = least < 0 ? ms : Min(least, ms);
    }
    return least;
}

// specql.take_places(service, rate, burst, most, busy, wanted) → how many
SPECQL_FUNCTION(specql_take_places) {
    attach();
    std::string_view name = textArgument(fcinfo, 0);
    delivery::Rate rate = rateArgument(fcinfo, 1);
    int most = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
    int64_t wanted = Max(PG_GETARG_INT32(5), 0);
    Places places = takePlaces(hashOf(name), rate, most, PG_GETARG_INT32(4), wanted);
    if (places.tells) tellOthers();
    std::string service(name);
    claimed[service] = places.now;
    if (places.granted < wanted && places.next > 0)
        waits[service] = places.next;
    else
        waits.erase(service);
    PG_RETURN_INT32(static_cast<int32>(places.granted));
}

// specql.give_places_back(service, unused): fewer calls were waiting than might have left.
SPECQL_FUNCTION(specql_give_places_back) {
    attach();
    std::string service(textArgument(fcinfo, 0));
    int unused = PG_GETARG_INT32(1);
    int64_t since;
    (void)isClaimLimited(service, &since);
    bool tells = false;
    {
        Locked locked;
        Entry* entry = find(hashOf(service));
        if (entry != nullptr && entry->hasRate) entry->rate.giveBack(since, clockUs(), unused);
        if (entry != nullptr) tells = holdFewer(entry, unused);
    }
    if (tells) tellOthers();
    waits.erase(service);
    PG_RETURN_VOID();
}

// specql.next_place(service, rate, burst, most): milliseconds until a call may leave. When calls of others end nobody
// knows; who takes them up is told.
SPECQL_FUNCTION(specql_next_place) {
    attach();
    std::string_view name = textArgument(fcinfo, 0);
    delivery::Rate rate = rateArgument(fcinfo, 1);
    int most = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
    int64_t left = 0;
    {
        Locked locked;
        int64_t now = clockUs();
        Entry* entry = findOrMake(hashOf(name), rate, now);
        if (entry->hasRate) left = entry->rate.nextAt(now) - now;
        if (most > 0 && callsOfOthers(entry) >= most) {
            entry->awaited = true;
            left = unknownMs * 1000;
        }
    }
    PG_RETURN_INT64(left <= 0 ? 0 : left / 1000 + 1);
}

}  // namespace specql::outbox
