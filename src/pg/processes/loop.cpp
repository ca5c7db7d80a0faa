#include "pg/processes/loop.hpp"
#include "pg/base/wake.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/caller.hpp"
#include "pg/capture/tellable.hpp"
#include "pg/handling/owner.hpp"
#include "pg/processes/code.hpp"

namespace specql::processes {

namespace {

// A process, as specql.open_process tells of it.
struct Process {
    pg_uuid_t id;
    const char* action;
    Oid owner;
    Datum caller;             // jsonb; 0: none
    const char* traceparent;  // nullptr: none
    Datum settings;           // jsonb; 0: none
};

// What is to be done, as specql.begin_step tells.
struct Turn {
    const char* what;  // step, undo or record
    int number;
    const char* function;
    bool isCaught;  // an error is one of the process, not of whoever runs it
    Datum parameters, results, status, error;
};

// A value of the last query's first row, copied into `keep`; 0 for NULL.
Datum copyOf(int column, MemoryContext keep) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isNull);
    if (isNull) return 0;
    MemoryContext before = MemoryContextSwitchTo(keep);
    Datum copy = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
    MemoryContextSwitchTo(before);
    return copy;
}

const char* textOf(int column, MemoryContext keep) {
    const char* text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
    return text != nullptr ? MemoryContextStrdup(keep, text) : nullptr;
}

bool flagOf(int column) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isNull);
    return !isNull && DatumGetBool(value);
}

spi::Argument uuidArgument(const pg_uuid_t* id) {
    return {UUIDOID, UUIDPGetDatum(id)};
}

// A command that is parsed and planned once in a session, for it runs with every step.
struct Kept {
    const char* sql;
    int count;
    Oid types[4];
    SPIPlanPtr plan;
};
Kept beginStep = {"SELECT * FROM specql.begin_step($1)", 1, {UUIDOID}, nullptr};
Kept endStep = {"SELECT specql.end_step($1, $2, $3, $4)", 4, {UUIDOID, INT4OID, BOOLOID, JSONBOID}, nullptr};

// Needs an SPI connection. The result has one row.
void run(Kept* kept, Datum* values, const char* nulls) {
    if (kept->plan == nullptr) {
        SPIPlanPtr made = SPI_prepare(kept->sql, kept->count, kept->types);
        if (made == nullptr) elog(ERROR, "specql: %s gave %s", kept->sql, SPI_result_code_string(SPI_result));
        if (SPI_keepplan(made) != 0) elog(ERROR, "specql: the plan of %s cannot be kept", kept->sql);
        kept->plan = made;
    }
    int code = SPI_execute_plan(kept->plan, values, nulls, false, 0);
    if (code != SPI_OK_SELECT || SPI_processed != 1)
        elog(ERROR, "specql: %s gave %s", kept->sql, SPI_result_code_string(code));
}

Process openProcess(const pg_uuid_t* id) {
    Process process = {*id, nullptr, InvalidOid, 0, nullptr, 0};
    MemoryContext keep = CurrentMemoryContext;
    runAsExtensionOwner([&process, keep] {
        spi::connect();
        (void)spi::query("SELECT * FROM specql.open_process($1)", {uuidArgument(&process.id)});
        bool isNull;
        process.action = textOf(1, keep);
        process.owner = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isNull));
        process.caller = copyOf(3, keep);
        process.traceparent = textOf(4, keep);
        process.settings = copyOf(5, keep);
        spi::finish();
    });
    return process;
}

// False if the process waits, or has ended.
bool beginTurn(const Process* process, Turn* turn) {
    MemoryContext keep = CurrentMemoryContext;
    runAsExtensionOwner([process, turn, keep] {
        spi::connect();
        Datum id = UUIDPGetDatum(&process->id);
        run(&beginStep, &id, nullptr);
        turn->what = textOf(1, keep);
        bool isNull;
        turn->number = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isNull));
        turn->function = textOf(3, keep);
        turn->isCaught = flagOf(4);
        turn->parameters = copyOf(5, keep);
        turn->results = copyOf(6, keep);
        turn->status = copyOf(7, keep);
        turn->error = copyOf(8, keep);
        spi::finish();
    });
    return turn->what != nullptr;
}

bool isRecord(const Turn* turn) {
    return strcmp(turn->what, "record") == 0;
}

Datum isUndo(const Turn* turn) {
    return BoolGetDatum(strcmp(turn->what, "undo") == 0);
}

Datum call(const Process* process, const Turn* turn) {
    if (!isRecord(turn)) return callStep(turn->function, process->owner, &process->id, turn->parameters, turn->results);
    callRecord(turn->function, process->owner, &process->id, turn->status, turn->results, turn->error);
    return 0;
}

Datum callLater(const Process* process, const Turn* turn) {
    Datum result = 0;
    handling::asOwner(process->owner, [process, turn, &result] {
        capture::applySettings(process->settings, process->owner);
        setLocal("specql.traceparent", process->traceparent != nullptr ? process->traceparent : "");
        result = call(process, turn);
    });
    return result;
}

// The function and what it makes of the process are one: an error of either undoes both.
void takeTurn(const Process* process, const Turn* turn, Place place) {
    Datum result = place == Place::start ? call(process, turn) : callLater(process, turn);
    if (isRecord(turn)) return;
    runAsExtensionOwner([process, turn, result] {
        Datum values[] = {UUIDPGetDatum(&process->id), Int32GetDatum(turn->number), isUndo(turn), result};
        const char nulls[] = {' ', ' ', ' ', result == 0 ? 'n' : ' '};
        spi::connect();
        run(&endStep, values, nulls);
        spi::finish();
    });
}

void failTurn(const Process* process, const Turn* turn, const ErrorData* error) {
    const char* message = capture::tellable(process->action, error)->message;
    runAsExtensionOwner([process, turn, error, message] {
        spi::connect();
        spi::Argument text = {TEXTOID, CStringGetTextDatum(message != nullptr ? message : "")};
        if (isRecord(turn))
            (void)spi::query("SELECT specql.fail_record($1, $2)", {uuidArgument(&process->id), text});
        else
            (void)spi::query("SELECT specql.fail_step($1, $2, $3, $4, $5)",
                             {uuidArgument(&process->id),
                              {INT4OID, Int32GetDatum(turn->number)},
                              {BOOLOID, isUndo(turn)},
                              text,
                              {TEXTOID, CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))}});
        spi::finish();
    });
}

void takeTurns(const Process* process, Place place) {
    MemoryContext turns = AllocSetContextCreate(CurrentMemoryContext, "specql process", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(turns);
    Turn turn;
    while (beginTurn(process, &turn)) {
        CHECK_FOR_INTERRUPTS();
        if (place == Place::start && !turn.isCaught) {
            takeTurn(process, &turn, place);
        } else {
            const Turn* current = &turn;
            ErrorData* error = trySubtransaction([process, current, place] { takeTurn(process, current, place); });
            if (error != nullptr) failTurn(process, current, error);
        }
        MemoryContextReset(turns);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(turns);
}

bool meetsLock(int sqlstate) {
    return sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE || sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED ||
           sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
}

// A process that is due, locked; false if there is none.
bool ask(const char* sql, const char* action, pg_uuid_t* process) {
    bool found = false;
    runAsExtensionOwner([sql, action, process, &found] {
        spi::connect();
        (void)spi::query(sql, {{TEXTOID, CStringGetTextDatum(action)}});
        bool isNull;
        Datum id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
        found = !isNull;
        if (found) *process = *DatumGetUUIDP(id);
        spi::finish();
    });
    return found;
}

}  // namespace

void goOn(const pg_uuid_t* id, Place place) {
    Process process = openProcess(id);
    if (process.action == nullptr) return;
    if (place == Place::start) {
        takeTurns(&process, place);
        return;
    }
    // An error leaves it to the end of the transaction.
    capture::Caller* before = capture::lendCaller(capture::storedCaller(CurrentMemoryContext, process.caller));
    takeTurns(&process, place);
    (void)capture::lendCaller(before);
}

bool advanceNext(const char* action, bool* contended) {
    pg_uuid_t process;
    if (!ask("SELECT specql.find_process($1)", action, &process)) return false;
    capture::Caller* before = capture::lentCaller();
    ErrorData* error = trySubtransaction([&process] { goOn(&process, Place::later); });
    if (error == nullptr) return true;
    (void)capture::lendCaller(before);
    *contended = meetsLock(error->sqlerrcode);
    if (!*contended) recordCounted(action, &process, error);
    return !*contended;
}

bool countProcess(const char* action, pg_uuid_t* process) {
    return ask("SELECT specql.count_process($1)", action, process);
}

void goOnCounted(const pg_uuid_t* process) {
    goOn(process, Place::later);
}

void recordCounted(const char* action, const pg_uuid_t* process, const ErrorData* error) {
    const char* message = capture::tellable(action, error)->message;
    runAsExtensionOwner([process, error, message] {
        spi::connect();
        (void)spi::query("SELECT specql.park_process($1, $2, $3)",
                         {uuidArgument(process),
                          {TEXTOID, CStringGetTextDatum(message != nullptr ? message : "")},
                          {TEXTOID, CStringGetTextDatum(unpack_sql_state(error->sqlerrcode))}});
        spi::finish();
    });
}

SPECQL_FUNCTION(specql_advance_process) {
    if (PG_ARGISNULL(0)) PG_RETURN_BOOL(false);
    bool contended = false;
    PG_RETURN_BOOL(advanceNext(text_to_cstring(PG_GETARG_TEXT_PP(0)), &contended));
}

}  // namespace specql::processes
