// specql.emit: raises custom events.
#include "pg/handling/emit.hpp"

#include "pg/base/clock.hpp"
#include "pg/base/known_key.hpp"
#include "pg/base/uuid.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/capture/registry.hpp"
#include "pg/handling/later.hpp"
#include "pg/handling/log.hpp"
#include "pg/handling/run.hpp"
#include "pg/handling/waiting.hpp"

namespace specql::handling {

namespace {

// Events of one type, raised together.
struct Emission {
    const char* type;
    int count;
    Datum* payloads;  // jsonb
    TimestampTz* times;
    pg_uuid_t* ids;
    Datum key;  // text, of a single event; 0 if it has none
    const Interval* dedupeFor;
};

Datum emptyPayload() {
    return DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
}

capture::EventSet* setFor(capture::Listener* listener, const Emission* emission, const MatchEvent* match) {
    capture::EventSet* set = capture::makeEventSet(listener, false);
    if (match != nullptr) {
        set->lineage = match->lineage;
        // The events of a match may have several callers, so a match has none.
        set->caller = capture::storedCaller(set->context, 0);
        set->baggage = capture::storedBaggage(set->context, match->traceparent, match->settings);
    }
    TupleTableSlot* row = MakeSingleTupleTableSlot(listener->rowDescriptor, &TTSOpsVirtual);
    for (int i = 0; i < emission->count; ++i) {
        ExecClearTuple(row);
        row->tts_values[capture::captured::time] = TimestampTzGetDatum(emission->times[i]);
        row->tts_values[capture::captured::data] = emission->payloads[i];
        row->tts_isnull[capture::captured::time] = row->tts_isnull[capture::captured::data] = false;
        row->tts_isnull[capture::captured::subject] = true;
        ExecStoreVirtualTuple(row);
        capture::appendEvent(set, row, nullptr, 0);
    }
    ExecDropSingleTupleTableSlot(row);
    // An event has the same id for all its listeners.
    size_t size = sizeof(pg_uuid_t) * emission->count;
    set->ids = static_cast<pg_uuid_t*>(MemoryContextAllocHuge(set->context, size));
    memcpy(set->ids, emission->ids, size);
    return set;
}

bool endsWith(const char* text, const char* ending) {
    size_t length = strlen(text), size = strlen(ending);
    return length >= size && strcmp(text + length - size, ending) == 0;
}

// What a service has answered, only its owner may say; and what an action does with the answers to its own calls,
// nobody sets off.
void requireEmitter(const Emission* emission) {
    const char* type = emission->type;
    if (strncmp(type, "specql.", strlen("specql.")) == 0)
        ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME), errmsg("%s is an event of specql itself", type),
                        errhint("specql.rehearse raises one that it has for actions of yours that listen to it.")));
    if (!endsWith(type, ".succeeded") && !endsWith(type, ".failed")) return;
    constexpr char key[] = "specql.answer";
    for (int i = 0; i < emission->count; ++i) {
        Jsonb* payload = DatumGetJsonbP(emission->payloads[i]);
        if (JB_ROOT_IS_OBJECT(payload) &&
            getKeyJsonValueFromContainer(&payload->root, key, static_cast<int>(strlen(key)), nullptr) != nullptr)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no payload may have the key %s", key)));
    }
    spi::connect();
    runAsExtensionOwner([type] {
        (void)spi::query("SELECT specql.require_emitter($1)", {{TEXTOID, CStringGetTextDatum(type)}});
    });
    spi::finish();
}

// Is the key of an event known? Then its id becomes that of the first, and the log says that this one repeats it.
bool isRepeated(Emission* emission) {
    if (emission->key == 0) return false;
    if (emission->dedupeFor == nullptr)
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("specql.emit: dedupe_for is NULL")));
    KeyScope scope = {"specql.emit", CStringGetTextDatum(""), CStringGetTextDatum(emission->type)};
    pg_uuid_t own = emission->ids[0];
    if (makeKeyKnown(scope, emission->key, emission->dedupeFor, &emission->ids[0])) return false;
    const char* first = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&emission->ids[0])));
    logRepeated(emission->type, &own, emission->times[0], psprintf("repeats %s", first));
    return true;
}

void prepareEmission(const Emission* emission) {
    PreventCommandIfReadOnly("specql.emit()");
    PreventCommandIfParallelMode("specql.emit()");
    requireEmitter(emission);
}

void raiseEvents(Emission* emission) {
    prepareEmission(emission);
    emission->ids = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t) * Max(emission->count, 1)));
    for (int i = 0; i < emission->count; ++i)
        newUuid(&emission->ids[i]);
    if (emission->count == 0 || isRepeated(emission)) return;
    List* listeners = capture::eventListeners(emission->type, nullptr);
    if (listeners == NIL)
        logUnheard(emission->type, emission->ids, emission->payloads, emission->times, emission->count);
    ListCell* cell;
    foreach (cell, listeners)
        handleEventSet(setFor(static_cast<capture::Listener*>(lfirst(cell)), emission, nullptr), nullptr);
}

const char* typeArgument(FunctionCallInfo fcinfo) {
    if (PG_ARGISNULL(0)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an event needs a type")));
    return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

// `key` is 0 for an event that has none.
Datum emitOne(const char* type, Datum payload, bool hasTime, TimestampTz time, Datum key = 0,
              Interval* dedupeFor = nullptr) {
    if (!hasTime) time = engineTime();
    Emission emission = {type, 1, &payload, &time, nullptr, key, dedupeFor};
    raiseEvents(&emission);
    return UUIDPGetDatum(emission.ids);
}

}  // namespace

void raiseMatch(const MatchEvent* match) {
    Datum payload = match->data;
    TimestampTz time = match->time;
    pg_uuid_t id;
    newUuid(&id);
    Emission emission = {match->type, 1, &payload, &time, &id, 0, nullptr};
    ListCell* cell;
    foreach (cell, capture::eventListeners(match->type, match->action)) {
        capture::Listener* listener = static_cast<capture::Listener*>(lfirst(cell));
        if (!listener->onlyMatches && match->timedOut) continue;
        capture::EventSet* set = setFor(listener, &emission, match);
        if (match->waits) {
            storeWaiting(set, 0, set->count);
            capture::dropEventSet(set);
        } else {
            handleWithSettings(set);
        }
    }
}

SPECQL_FUNCTION(specql_emit) {
    const char* type = typeArgument(fcinfo);
    Datum payload = PG_ARGISNULL(1) ? emptyPayload() : PointerGetDatum(PG_GETARG_JSONB_P(1));
    return emitOne(type, payload, !PG_ARGISNULL(2), PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2));
}

SPECQL_FUNCTION(specql_emit_once) {
    const char* type = typeArgument(fcinfo);
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("the key of an event of type %s is NULL, and would not tell it from others", type),
                        errhint("An event without a key is raised by specql.emit.")));
    Datum payload = PG_ARGISNULL(2) ? emptyPayload() : PointerGetDatum(PG_GETARG_JSONB_P(2));
    return emitOne(type, payload, !PG_ARGISNULL(3), PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3), PG_GETARG_DATUM(1),
                   PG_ARGISNULL(4) ? nullptr : PG_GETARG_INTERVAL_P(4));
}

SPECQL_FUNCTION(specql_emit_later) {
    const char* type = typeArgument(fcinfo);
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("specql.emit_later: after is NULL")));
    Datum payload = PG_ARGISNULL(2) ? emptyPayload() : PointerGetDatum(PG_GETARG_JSONB_P(2));
    TimestampTz due = timeAfter(engineTime(), PG_GETARG_INTERVAL_P(1), "specql.emit_later");
    const Emission emission = {type, 1, &payload, &due, nullptr, 0, nullptr};
    prepareEmission(&emission);
    auto* id = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
    newUuid(id);
    keepForLater(type, id, payload, due);
    return UUIDPGetDatum(id);
}

// specql.emit(type, text, text), for calls with string literals: the parser could not choose between the jsonb and the
// jsonb[] form for a literal of unknown type.
SPECQL_FUNCTION(specql_emit_text) {
    const char* type = typeArgument(fcinfo);
    Datum payload = PG_ARGISNULL(1)
                        ? emptyPayload()
                        : DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(1))));
    TimestampTz time = 0;
    if (!PG_ARGISNULL(2))
        time = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
                                                       CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(2))),
                                                       ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
    return emitOne(type, payload, !PG_ARGISNULL(2), time);
}

SPECQL_FUNCTION(specql_emit_array) {
    Emission emission = {typeArgument(fcinfo), 0, nullptr, nullptr, nullptr, 0, nullptr};
    bool* nulls = nullptr;
    if (!PG_ARGISNULL(1))
        deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false, TYPALIGN_INT, &emission.payloads, &nulls,
                          &emission.count);
    for (int i = 0; i < emission.count; ++i)
        if (nulls[i]) emission.payloads[i] = emptyPayload();
    emission.times = static_cast<TimestampTz*>(palloc(sizeof(TimestampTz) * Max(emission.count, 1)));
    Datum* given = nullptr;
    bool* notGiven = nullptr;
    int givenCount = emission.count;
    if (!PG_ARGISNULL(2))
        deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &given,
                          &notGiven, &givenCount);
    if (givenCount != emission.count)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("%d events have %d times", emission.count, givenCount)));
    for (int i = 0; i < emission.count; ++i)
        emission.times[i] = given != nullptr && !notGiven[i] ? DatumGetTimestampTz(given[i]) : engineTime();
    raiseEvents(&emission);
    auto* ids = static_cast<Datum*>(palloc(sizeof(Datum) * Max(emission.count, 1)));
    for (int i = 0; i < emission.count; ++i)
        ids[i] = UUIDPGetDatum(&emission.ids[i]);
    PG_RETURN_ARRAYTYPE_P(construct_array(ids, emission.count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

}  // namespace specql::handling
