// specql.rebuild_window: computes the state of a window again from the event log.
#include "pg/history/rebuild.hpp"
#include "pg/base/clock.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/capture/registry.hpp"
#include "pg/handling/run.hpp"
#include "pg/windows/engine.hpp"

namespace specql::windows {

namespace {

// Waiting events are not deleted: they have not been counted yet, and will be after the rebuild.
const char* const emptySql = R"(
WITH keys AS (DELETE FROM specql.window_key AS k WHERE k.action = $1)
DELETE FROM specql.window_entry AS e WHERE e.action = $1)";

// The last match of each key, from the log: the events up to it are used up, and the cooldown begins with it.
const char* const matchesSql = R"(
INSERT INTO specql.window_key
SELECT r.action, m.key, m.at, m.last_id, CASE WHEN r.after_match = 'consume' THEN m.at END, m.last_id, m.at,
       NULL, NULL, false, array_fill(0::bigint, ARRAY[t.n]), array_fill(0::numeric, ARRAY[t.n]),
       array_to_string(array_fill('- - - -'::text, ARRAY[t.n]), '; '), 0, 0, m.at + r.memory
FROM specql.window_rule AS r, LATERAL (SELECT jsonb_array_length(r.terms) AS n) AS t,
     LATERAL (
         SELECT DISTINCT ON (coalesce(l.data ->> 'match_key', '')) coalesce(l.data ->> 'match_key', '') AS key,
                l.occurred_at AS at, coalesce(l.data -> 'event_ids' ->> -1, '') AS last_id
         FROM specql.every_event AS l
         WHERE l.action = r.action AND l.type = r.event AND l.entity IS NULL AND l.occurred_at > $2 - r.memory
           AND NOT l.data ? 'timed_out'
         ORDER BY coalesce(l.data ->> 'match_key', ''), l.occurred_at DESC, l.id DESC) AS m
WHERE r.action = $1)";

const char* const historySql = R"(
SELECT l.id, l.type, to_regclass(l.entity)::oid, l.data, l.occurred_at, l.root, l.depth, l.caused_by, l.caller,
       l.traceparent, l.settings
FROM specql.window_rule AS r, specql.event_log AS l
WHERE r.action = $1 AND l.action = r.action AND l.occurred_at > $2 - r.memory AND l.occurred_at <= $2
  AND NOT (l.type = r.event AND l.entity IS NULL)
  AND NOT EXISTS (SELECT FROM specql.window_event AS w WHERE w.action = r.action AND w.id = l.id)
ORDER BY l.id)";

// A row of the log.
struct Logged {
    pg_uuid_t id;
    const char* type;
    Oid relation;
    Datum data;
    TimestampTz time;
    capture::Lineage lineage;
    Datum caller;             // 0: NULL
    const char* traceparent;  // nullptr: NULL
    Datum settings;           // 0: NULL
};

Logged readLogged(HeapTuple tuple, TupleDesc descriptor) {
    Logged logged;
    memset(&logged, 0, sizeof logged);
    bool isNull;
    logged.id = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 1, &isNull));
    logged.type = SPI_getvalue(tuple, descriptor, 2);
    Datum relation = SPI_getbinval(tuple, descriptor, 3, &isNull);
    logged.relation = isNull ? InvalidOid : DatumGetObjectId(relation);
    logged.data = SPI_getbinval(tuple, descriptor, 4, &isNull);
    if (isNull) logged.data = 0;
    logged.time = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor, 5, &isNull));
    logged.lineage.root = *DatumGetUUIDP(SPI_getbinval(tuple, descriptor, 6, &isNull));
    logged.lineage.depth = DatumGetInt32(SPI_getbinval(tuple, descriptor, 7, &isNull));
    Datum causedBy = SPI_getbinval(tuple, descriptor, 8, &isNull);
    logged.lineage.caused = !isNull;
    if (!isNull) logged.lineage.causedBy = *DatumGetUUIDP(causedBy);
    Datum caller = SPI_getbinval(tuple, descriptor, 9, &isNull);
    logged.caller = isNull ? 0 : caller;
    logged.traceparent = SPI_getvalue(tuple, descriptor, 10);
    Datum settings = SPI_getbinval(tuple, descriptor, 11, &isNull);
    logged.settings = isNull ? 0 : settings;
    return logged;
}

capture::EventSet* setFor(capture::Listener* listener, const Logged* logged) {
    capture::EventSet* set = capture::makeEventSet(listener, false);
    set->lineage = logged->lineage;
    set->caller = capture::storedCaller(set->context, logged->caller);
    set->baggage = capture::storedBaggage(set->context, logged->traceparent, logged->settings);
    set->ids = static_cast<pg_uuid_t*>(MemoryContextAlloc(set->context, sizeof(pg_uuid_t)));
    *set->ids = logged->id;
    return set;
}

// Gives one event to the handler of the source, which hands it to the window. Drops the set.
void handOver(capture::EventSet* set, const Logged* logged, TupleTableSlot* row, int maskBytes) {
    row->tts_values[capture::captured::time] = TimestampTzGetDatum(logged->time);
    row->tts_isnull[capture::captured::time] = false;
    capture::appendEvent(set, row, set->listener->mask, maskBytes);
    handling::callHandlerOnly(set);
    capture::dropEventSet(set);
}

void handOverCustom(const char* action, const Logged* logged) {
    ListCell* cell;
    foreach (cell, capture::eventListeners(logged->type, nullptr)) {
        capture::Listener* listener = static_cast<capture::Listener*>(lfirst(cell));
        if (strcmp(listener->action, action) != 0) continue;
        TupleTableSlot* row = MakeSingleTupleTableSlot(listener->rowDescriptor, &TTSOpsVirtual);
        memset(row->tts_isnull, true, sizeof(bool) * listener->rowDescriptor->natts);
        row->tts_values[capture::captured::data] = logged->data;
        row->tts_isnull[capture::captured::data] = false;
        ExecStoreVirtualTuple(row);
        handOver(setFor(listener, logged), logged, row, 0);
        ExecDropSingleTupleTableSlot(row);
    }
}

// Conditions are evaluated as the action defines them now. Events of a table that is no source any more are ignored.
void handOverRow(const char* action, const Logged* logged) {
    Relation relation = table_open(logged->relation, AccessShareLock);
    capture::Listener* listener = capture::findListener(relation, action, logged->type);
    if (listener != nullptr) {
        capture::EventSet* set = setFor(listener, logged);
        capture::Frame* frame = capture::pushFrame(set, 0, 0);
        history::RebuiltEvent event =
            history::rebuildEvent(listener, relation, logged->data != 0 ? DatumGetJsonbP(logged->data) : nullptr);
        capture::popFrame(frame);
        if (event.maskBytes > 0)
            handOver(set, logged, event.row, event.maskBytes);
        else
            capture::dropEventSet(set);
    }
    table_close(relation, NoLock);
}

void handOverHistory(const char* action, Datum name, TimestampTz now) {
    Oid types[2] = {TEXTOID, TIMESTAMPTZOID};
    Datum values[2] = {name, TimestampTzGetDatum(now)};
    Portal history = SPI_cursor_open_with_args(nullptr, historySql, 2, types, values, nullptr, false, 0);
    for (;;) {
        SPI_cursor_fetch(history, true, 1000);
        SPITupleTable* rows = SPI_tuptable;
        if (SPI_processed == 0) break;
        for (uint64_t i = 0, count = SPI_processed; i < count; ++i) {
            Logged logged = readLogged(rows->vals[i], rows->tupdesc);
            if (OidIsValid(logged.relation))
                handOverRow(action, &logged);
            else
                handOverCustom(action, &logged);
            CHECK_FOR_INTERRUPTS();
        }
        SPI_freetuptable(rows);
    }
    SPI_cursor_close(history);
}

}  // namespace

SPECQL_FUNCTION(specql_rebuild_window) {
    if (PG_ARGISNULL(0)) PG_RETURN_INT64(0);
    const char* action = text_to_cstring(PG_GETARG_TEXT_PP(0));
    Datum name = PG_GETARG_DATUM(0);
    TimestampTz now = engineTime();
    spi::connect();
    spi::query("SELECT specql.require_action($1, specql.viewer())", {{TEXTOID, name}});
    spi::finish();
    lockWindow(toUtf8(action), true);
    spi::connect();
    if (spi::query("SELECT FROM specql.window_rule AS r WHERE r.action = $1", {{TEXTOID, name}}) == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no window or correlation \"%s\"", action),
                        errhint("SELECT DISTINCT action FROM specql.windows shows those there are.")));
    spi::query(emptySql, {{TEXTOID, name}});
    spi::query(matchesSql, {{TEXTOID, name}, {TIMESTAMPTZOID, TimestampTzGetDatum(now)}});
    handOverHistory(action, name, now);
    spi::finish();
    PG_RETURN_INT64(recountWindow(toUtf8(action), now));
}

}  // namespace specql::windows
