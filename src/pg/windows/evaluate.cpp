// specql.evaluate_windows and the like: count committed events in their order, each once, without running code of
// users. Matches are written to specql.waiting_event, and are handled like released events, in another transaction.
#include "pg/base/clock.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/handling/emit.hpp"
#include "pg/history/released.hpp"
#include "pg/windows/engine.hpp"

namespace specql::windows {

namespace {

constexpr int64_t mostAtOnce = 1000;

// Windows with events or deadlines that are due. While the handler of its matches is disabled, a window is not
// evaluated.
const char* const dueSql = R"(
SELECT r.action FROM specql.window_rule AS r
WHERE (EXISTS (SELECT FROM specql.window_event AS e WHERE e.action = r.action AND e.at <= $1)
       OR EXISTS (SELECT FROM specql.window_key AS k WHERE k.action = r.action AND k.deadline <= $1))
  AND EXISTS (SELECT FROM specql.action AS a WHERE a.action = r.action AND a.part = 'match' AND a.enabled)
  AND specql.sees(r.action)
ORDER BY r.action)";

const char* const lockSql = "SELECT specql.lock_window($1, $2)";

// $6: the names of the keys, $7: their values as one text (of several, a JSON array).
const char* const payloadSql = R"(
SELECT jsonb_build_object('match_count', $1, 'match_key', nullif($2, ''), 'first_at', $3, 'last_at', $4,
                          'event_ids', $5)
       || CASE WHEN $7 THEN jsonb_build_object('timed_out', true) ELSE '{}' END
       || CASE cardinality($6) WHEN 0 THEN '{}' WHEN 1 THEN jsonb_build_object($6[1], $2)
          ELSE (SELECT jsonb_object_agg(n.name, $2::jsonb -> (n.place - 1)::integer)
                FROM unnest($6) WITH ORDINALITY AS n(name, place)) END)";

capture::Lineage lineageOf(const time::WindowFound* found) {
    capture::Lineage lineage;
    memset(&lineage, 0, sizeof lineage);
    lineage.depth = 1;
    if (found->root.empty()) return lineage;
    lineage.caused = true;
    lineage.causedBy = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(found->match.lastId.c_str())));
    lineage.root = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(found->root.c_str())));
    lineage.depth = found->depth + 1;
    return lineage;
}

void raiseFound(WindowRun* run, time::WindowFound* found) {
    spi::query(payloadSql, {{INT8OID, Int64GetDatum(found->match.count)},
                            {TEXTOID, spi::text(found->key)},
                            {TIMESTAMPTZOID, TimestampTzGetDatum(found->match.firstAt)},
                            {TIMESTAMPTZOID, TimestampTzGetDatum(found->match.at)},
                            {TEXTARRAYOID, spi::textArray(found->match.ids)},
                            {TEXTARRAYOID, spi::textArray(run->definition.keyNames)},
                            {BOOLOID, BoolGetDatum(found->match.timedOut)}});
    bool isNull;
    handling::MatchEvent match;
    match.type = fromUtf8(run->definition.event);
    match.action = fromUtf8(run->definition.action);
    match.data =
        PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull)));
    match.time = found->match.at;
    match.lineage = lineageOf(found);
    const EventBaggage* baggage = baggageOf(run, found);
    match.traceparent = baggage != nullptr && !baggage->traceparent.empty() ? baggage->traceparent.c_str() : nullptr;
    match.settings = 0;
    if (baggage != nullptr && !baggage->settings.empty())
        match.settings = DirectFunctionCall1(jsonb_in, CStringGetDatum(fromUtf8(baggage->settings)));
    match.timedOut = found->match.timedOut;
    match.waits = run->counted == CountedEvents::committed;
    handling::raiseMatch(&match);
}

// The state is saved before matches are raised, because their handlers may raise events that this window counts.
void saveAndRaise(WindowRun* run) {
    for (time::WindowFound& found : run->batch.found)
        completeMatch(run, &found);
    saveRun(run);
    for (time::WindowFound& found : run->batch.found) {
        if (!run->discardMatches) raiseFound(run, &found);
        CHECK_FOR_INTERRUPTS();
    }
}

WindowRun* beginRun(const char* action, MemoryContext* context) {
    *context = makeWorkContext("specql window");
    MemoryContext before = MemoryContextSwitchTo(*context);
    WindowRun* run = makeHeld<WindowRun>(*context);
    MemoryContextSwitchTo(before);
    spi::connect();
    return loadDefinition(&run->definition, action) ? run : nullptr;
}

void endRun(MemoryContext context) {
    spi::finish();
    MemoryContextDelete(context);
}

// The options of a run; see WindowRun.
struct Mode {
    CountedEvents counted;
    bool discardMatches;
    FullTransactionId horizon;
};

void setMode(WindowRun* run, const Mode* mode) {
    run->counted = mode->counted;
    run->discardMatches = mode->discardMatches;
    run->horizon = mode->horizon;
}

// Counts up to `limit` events and returns how many. `more` is set if others may be counted too, and `blockedAt` to the
// time of the first event that waits for an open transaction.
int64_t countEvents(const char* action, const Mode* mode, time::Micros now, int64_t limit, bool* more,
                    time::Micros* blockedAt) {
    MemoryContext context;
    int64_t count = 0;
    *more = false;
    *blockedAt = INT64_MAX;
    if (WindowRun* run = beginRun(action, &context)) {
        setMode(run, mode);
        loadEvents(run, now, limit);
        *more = run->more;
        *blockedAt = run->blockedAt;
        if (!run->inputs.empty()) {
            loadKeys(run);
            run->batch.run(run->inputs);
            count = run->batch.events;
            saveAndRaise(run);
        }
    }
    endRun(context);
    return count;
}

void passDeadlines(WindowRun* run) {
    for (auto& [name, key] : run->batch.keys)
        run->batch.pass(name, key.deadline);
}

int64_t countDeadlines(const char* action, const Mode* mode, time::Micros now, time::Micros blockedAt, int64_t limit) {
    MemoryContext context;
    int64_t count = 0;
    WindowRun* run = beginRun(action, &context);
    if (run != nullptr && run->definition.rule.hasDeadlines()) {
        setMode(run, mode);
        run->blockedAt = blockedAt;
        count = loadDeadlines(run, now, limit);
        if (count > 0) {
            loadKeys(run);
            passDeadlines(run);
            saveAndRaise(run);
        }
    }
    endRun(context);
    return count;
}

List* dueWindows(time::Micros now) {
    MemoryContext caller = CurrentMemoryContext;
    List* actions = NIL;
    spi::connect();
    int count = spi::query(dueSql, {{TIMESTAMPTZOID, TimestampTzGetDatum(now)}});
    MemoryContext before = MemoryContextSwitchTo(caller);
    for (int row = 0; row < count; ++row)
        actions = lappend(actions, pstrdup(spi::cell(row, 1)));
    MemoryContextSwitchTo(before);
    spi::finish();
    return actions;
}

// Is the handler of the matches enabled? Like dueSql, which does not evaluate a window without it.
const char* const stepsEnabledSql = R"(
SELECT EXISTS (SELECT FROM specql.action AS a WHERE a.action = r.action AND a.part = 'match' AND a.enabled)
FROM specql.window_rule AS r WHERE r.action = $1)";

}  // namespace

int64_t evaluateWindow(const char* action, CountedEvents counted, time::Micros now, int64_t limit) {
    int64_t done = 0;
    Mode mode = {counted, false, FirstNormalFullTransactionId};
    for (int64_t passed = 1; passed > 0 && done < limit;) {
        time::Micros blockedAt = INT64_MAX;
        if (counted == CountedEvents::committed) {
            spi::connect();
            mode.horizon = findHorizon(action, now);
            spi::finish();
        }
        for (bool more = true; more && done < limit;) {
            done += countEvents(action, &mode, now, Min(limit - done, mostAtOnce), &more, &blockedAt);
            CHECK_FOR_INTERRUPTS();
        }
        passed = done < limit ? countDeadlines(action, &mode, now, blockedAt, Min(limit - done, mostAtOnce)) : 0;
        done += passed;
    }
    return done;
}

int64_t recountWindow(const char* action, time::Micros now) {
    int64_t done = 0;
    time::Micros blockedAt;
    const Mode mode = {CountedEvents::ownTransaction, true, FirstNormalFullTransactionId};
    for (bool more = true; more;)
        done += countEvents(action, &mode, now, mostAtOnce, &more, &blockedAt);
    return done;
}

bool lockWindow(const char* action, bool wait) {
    spi::connect();
    spi::query(lockSql, {{TEXTOID, CStringGetTextDatum(fromUtf8(action))}, {BOOLOID, BoolGetDatum(wait)}});
    bool got = spi::flag(0, 1);
    spi::finish();
    return got;
}

SPECQL_FUNCTION(specql_evaluate_windows) {
    requireMatchingVersion();  // specql.drain() begins here
    int64_t limit = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
    bool wait = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
    time::Micros now = engineTime();
    int64_t done = 0;
    ListCell* cell;
    foreach (cell, dueWindows(now)) {
        const char* action = static_cast<const char*>(lfirst(cell));
        if (done >= limit || !lockWindow(action, wait)) continue;
        // An error in one window must not keep the others from being evaluated.
        ErrorData* error = trySubtransaction([&done, action, now, limit] {
            done += evaluateWindow(action, CountedEvents::committed, now, limit - done);
        });
        if (error != nullptr)
            ereport(WARNING, (errcode(error->sqlerrcode),
                              errmsg("events of action %s cannot be counted: %s", action, error->message)));
    }
    (void)history::handleMatches(PG_INT64_MAX);
    PG_RETURN_INT32(static_cast<int32>(Min(done, static_cast<int64_t>(INT_MAX))));
}

// specql.evaluate_window(action, limit): for an owner worker, which handles the matches in another transaction.
SPECQL_FUNCTION(specql_evaluate_window) {
    const char* action = toUtf8(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    if (!lockWindow(action, false)) PG_RETURN_INT64(0);
    PG_RETURN_INT64(evaluateWindow(action, CountedEvents::committed, engineTime(), PG_GETARG_INT64(1)));
}

// specql.evaluate_own_window(action): counts the events of this transaction, for generated tests, which are rolled
// back.
SPECQL_FUNCTION(specql_evaluate_own_window) {
    if (PG_ARGISNULL(0)) PG_RETURN_INT64(0);
    const char* action = text_to_cstring(PG_GETARG_TEXT_PP(0));
    spi::connect();
    if (spi::query(stepsEnabledSql, {{TEXTOID, PG_GETARG_DATUM(0)}}) == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no window or correlation \"%s\"", action),
                        errhint("SELECT DISTINCT action FROM specql.windows shows those there are.")));
    bool enabled = spi::flag(0, 1);
    spi::query("SELECT specql.require_action($1, specql.viewer())", {{TEXTOID, PG_GETARG_DATUM(0)}});
    spi::finish();
    if (!enabled) PG_RETURN_INT64(0);
    lockWindow(toUtf8(action), true);
    PG_RETURN_INT64(evaluateWindow(toUtf8(action), CountedEvents::ownTransaction, engineTime(), PG_INT64_MAX));
}

}  // namespace specql::windows
