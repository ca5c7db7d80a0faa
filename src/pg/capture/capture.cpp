// specql.capture(): the row trigger that decides which rows are events.
#include "pg/capture/capture.hpp"

#include "pg/base/clock.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/base/table_writer.hpp"
#include "pg/base/uuid.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/capture/evaluation.hpp"
#include "pg/capture/event_set.hpp"
#include "pg/capture/failure.hpp"
#include "pg/capture/images.hpp"
#include "pg/capture/moved.hpp"
#include "pg/capture/respell.hpp"
#include "pg/capture/statement.hpp"
#include "pg/capture/tellable.hpp"

extern "C" {
#include "utils/bytea.h"
#include "utils/float.h"
}

namespace specql::capture {

namespace {

int triggerDepth() {
    LOCAL_FCINFO(call, 0);
    return DatumGetInt32(pg_trigger_depth(call));
}

Operation operationOf(TriggerEvent event) {
    if (TRIGGER_FIRED_BY_INSERT(event)) return opInsert;
    if (TRIGGER_FIRED_BY_UPDATE(event)) return opUpdate;
    return TRIGGER_FIRED_BY_DELETE(event) ? opDelete : opTruncate;
}

void setData(TupleTableSlot* row, Datum data) {
    row->tts_values[captured::data] = data;
    row->tts_isnull[captured::data] = data == 0;
}

// Computed values that are too large together fail the event here, where the statement is safe, and not when the row is
// kept. Columns of the table are not copied: what is large stays where it is stored.
void requireKeepable(TupleTableSlot* row) {
    constexpr Size most = MaxAllocSize / 2;
    Size bytes = heap_compute_data_size(row->tts_tupleDescriptor, row->tts_values, row->tts_isnull);
    if (bytes > most)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the values of an event have %zu bytes, at most %zu can be kept", bytes, most)));
}

// Evaluates the conditions and, if one of them holds (or every event is logged), the values: the captured row, in the
// slot of the projection. nullptr if there is no event. `bytes` gets the size of listener->mask, 0 if no branch holds.
TupleTableSlot* evaluate(Listener* listener, Operation operation, ExprContext* evaluation, int* bytes) {
    CompiledCapture* compiled = listener->compiled[operation];
    *bytes = evaluateBranches(listener, compiled, evaluation);
    if (*bytes == 0 && settings::logEvents != settings::logAll) return nullptr;
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    TupleTableSlot* row = ExecProject(compiled->row);
    MemoryContextSwitchTo(before);
    setData(row, makeImages(compiled->images, evaluation));
    if (compiled->mayRaise) requireKeepable(row);
    row->tts_values[captured::time] = TimestampTzGetDatum(engineTime());
    row->tts_isnull[captured::time] = false;
    return row;
}

// For an action whose capture function is unusable.
Datum imagesOfTable(Oid table, Operation operation, ExprContext* evaluation) {
    Relation relation = table_open(table, AccessShareLock);
    Datum images = makeImages(imagesOfRows(operation, relation), evaluation);
    table_close(relation, NoLock);
    return images;
}

// Records the event in specql.failure with its data and, if it can be computed, its subject; a retry evaluates the
// conditions and values again.
void recordCaptureError(Listener* listener, Operation operation, ExprContext* evaluation, const ErrorData* raised) {
    const ErrorData* error = tellable(listener->action, raised);
    CompiledCapture* compiled = listener->compiled[operation];
    TupleTableSlot* row = MakeSingleTupleTableSlot(listener->rowDescriptor, &TTSOpsVirtual);
    memset(row->tts_isnull, true, listener->rowDescriptor->natts);
    if (compiled != nullptr && compiled->subject != nullptr)
        (void)trySubtransaction([row, compiled, evaluation] {
            row->tts_values[captured::subject] =
                ExecEvalExprSwitchContext(compiled->subject, evaluation, &row->tts_isnull[captured::subject]);
        });
    setData(row, compiled != nullptr ? makeImages(compiled->images, evaluation)
                                     : imagesOfTable(listener->relation, operation, evaluation));
    row->tts_values[captured::time] = TimestampTzGetDatum(engineTime());
    row->tts_isnull[captured::time] = false;
    ExecStoreVirtualTuple(row);
    EventSet* set = makeEventSet(listener, false);
    appendEvent(set, row, nullptr, 0);
    assignIds(set);
    recordFailures(set, 0, 1, error, false);
    dropEventSet(set);
    ExecDropSingleTupleTableSlot(row);
    if (listener->warnedAt == GetCurrentStatementStartTimestamp()) return;
    listener->warnedAt = GetCurrentStatementStartTimestamp();
    const char* what = compiled == nullptr
                           ? psprintf("action %s is broken", listener->action)
                           : psprintf("a condition or value of action %s raised an error", listener->action);
    ereport(WARNING,
            (errcode(error->sqlerrcode), errmsg("%s: %s", what, error->message), hideStatement(listener->action),
             errhint("The events wait in specql.failures and are tried again by specql.drain().")));
}

// Has this transaction written the old row version? If not, none of the events that it has captured so far can be about
// this row.
bool writtenBefore(const TriggerData* trigger) {
    if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) return false;
    if (trigger->tg_relation->rd_rel->relam != HEAP_TABLE_AM_OID)
        return true;  // another access method may store no xmin
    return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(trigger->tg_trigtuple->t_data));
}

// A change as the listeners of a table see it. The rows have the columns of their table; those that there are not are
// nullptr.
struct Change {
    Operation operation;
    TupleTableSlot* oldRow;
    TupleTableSlot* newRow;
    int triggerDepth;
    // If a statement names the partition that the row is in, the statement trigger of the table above does not fire.
    bool ofPartition;
    bool writtenBefore;
    // Some condition is known to hold, as far as can be said without evaluating all of it.
    bool mayMatch;
};

void append(Listener* listener, const Change& change, TupleTableSlot* row, int bytes) {
    EventSet* set = openEventSet(listener, change.triggerDepth, change.ofPartition);
    int before = set->operations;
    set->operations |= 1 << change.operation;
    // A row that is deleted and inserted again cannot be told by its xmin.
    bool mixed = before != 0 && before != set->operations;
    set->mayRepeat = set->mayRepeat || mixed || change.writtenBefore;
    appendEvent(set, row, listener->mask, bytes);
}

void captureForListener(Listener* listener, const Change& change, ExprContext* evaluation) {
    Operation operation = change.operation;
    int bytes = 0;
    TupleTableSlot* row = nullptr;
    if (listener->captureError != nullptr) {
        // A check that cannot be made is not one that has passed.
        if (listener->abortOnError) ReThrowError(const_cast<ErrorData*>(listener->captureError));
        MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
        recordCaptureError(listener, operation, evaluation, listener->captureError);
        MemoryContextSwitchTo(before);
        return;
    }
    if (listener->compiled[operation]->mayRaise && !listener->abortOnError) {
        // An error of the action's expressions makes its event fail, and not the user's statement.
        MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
        ErrorData* error = trySubtransaction([&row, &bytes, listener, operation, evaluation] {
            row = evaluate(listener, operation, evaluation, &bytes);
        });
        if (error != nullptr && error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot())
            ReThrowError(error);
        if (error != nullptr) recordCaptureError(listener, operation, evaluation, error);
        MemoryContextSwitchTo(before);
    } else {
        row = evaluate(listener, operation, evaluation, &bytes);
    }
    if (row != nullptr) append(listener, change, row, bytes);
}

// Sets the output formats to fixed ones, because other sessions, with other settings, will read the text that is stored
// of a row. Returns the level to end with AtEOXact_GUC(true, level); 0 if the settings were right already.
int useFixedFormats() {
    if (DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits > 0 &&
        bytea_output == BYTEA_OUTPUT_HEX)
        return 0;
    int level = NewGUCNestLevel();
    setLocal("DateStyle", "ISO");
    setLocal("IntervalStyle", "postgres");
    setLocal("extra_float_digits", "1");
    setLocal("bytea_output", "hex");
    return level;
}

// How the session stood before expressions of actions are evaluated.
struct Before {
    Oid user;
    int securityContext;
    int settingsLevel;
};

// Expressions are evaluated with the rights of the owner of the capture function. After an error the abort of the
// (sub)transaction restores the user.
Before enterOwner(const TableListeners* group, Operation operation) {
    Before before;
    GetUserIdAndSecContext(&before.user, &before.securityContext);
    SetUserIdAndSecContext(OidIsValid(group->owner) ? group->owner : before.user,
                           before.securityContext | SECURITY_LOCAL_USERID_CHANGE);
    // The search path of the session that writes must not decide which objects a function of the owner finds by name.
    before.settingsLevel = useFixedFormats();
    if (group->callsForeign[operation]) {
        if (before.settingsLevel == 0) before.settingsLevel = NewGUCNestLevel();
        setLocal("search_path", "pg_catalog, pg_temp");
    }
    return before;
}

void leaveOwner(const Before& before) {
    if (before.settingsLevel > 0) AtEOXact_GUC(true, before.settingsLevel);
    SetUserIdAndSecContext(before.user, before.securityContext);
}

bool evaluateAnyMatch(const TableListeners* group, Operation operation, ExprContext* rows) {
    ExprState* anyMatch = settings::logEvents == settings::logAll ? nullptr : group->anyMatch[operation];
    if (anyMatch == nullptr) return true;
    bool isNull;
    Datum value = ExecEvalExprSwitchContext(anyMatch, rows, &isNull);
    return !isNull && DatumGetBool(value);
}

void captureChange(TableListeners* group, const Change& change) {
    Operation operation = change.operation;
    if (!group->listens[operation]) return;
    Evaluation evaluated = {group->relation, group->listeners[0]->entity, nullptr, {}};
    beginEvaluation(&evaluated);
    ExprContext* evaluation = group->evaluation;
    evaluation->ecxt_innertuple = change.oldRow;
    evaluation->ecxt_outertuple = change.newRow;
    Before before = enterOwner(group, operation);
    if (change.mayMatch || evaluateAnyMatch(group, operation, evaluation)) {
        for (int i = 0; i < group->count; ++i) {
            Listener* listener = group->listeners[i];
            if (!listener->enabled || (listener->operations & (1 << operation)) == 0) continue;
            evaluated.listener = listener;
            SetUserIdAndSecContext(listener->captureOwner, before.securityContext | SECURITY_LOCAL_USERID_CHANGE);
            captureForListener(listener, change, evaluation);
        }
    }
    leaveOwner(before);
    ResetExprContext(evaluation);
    endEvaluation(&evaluated);
}

// A row of a partition, seen from the table above it: one that goes to another partition is deleted and then inserted.
void captureOfPartition(TableListeners* group, Change change, bool moved) {
    MovedRow* before = anyMoved() ? takeMoved(group->relation, change.triggerDepth) : nullptr;
    if (before != nullptr && change.operation == opInsert) {
        change.operation = opUpdate;
        change.oldRow = before->row;
        change.writtenBefore = before->writtenBefore;
        captureChange(group, change);
        dropMoved(before);
        return;
    }
    if (before != nullptr) captureDeletion(before);
    if (moved)
        keepMoved(group, change.triggerDepth, change.oldRow, change.writtenBefore);
    else
        captureChange(group, change);
}

// False if neither the change nor a move of which it is a part can be an event for these listeners.
bool mayConcern(const ListenerSource* source, Operation operation, const TriggerData* trigger) {
    if (source->group->listens[operation] || anyMoved()) return true;
    return operation == opDelete && RelationGetRelid(trigger->tg_relation) != source->group->relation &&
           hasMoved(trigger);
}

void captureForSource(ListenerSource* source, Operation operation, const TriggerData* trigger) {
    Change change;
    change.operation = operation;
    change.oldRow = operation == opUpdate || operation == opDelete ? trigger->tg_trigslot : nullptr;
    change.newRow = operation == opInsert   ? trigger->tg_trigslot
                    : operation == opUpdate ? trigger->tg_newslot
                                            : nullptr;
    change.triggerDepth = triggerDepth();
    change.ofPartition = RelationGetRelid(trigger->tg_relation) != source->group->relation;
    change.writtenBefore = writtenBefore(trigger);
    change.mayMatch = hasPassed(trigger->tg_trigger);
    if (source->map != nullptr) {
        requireNotEvaluated(source->group->relation);
        if (change.oldRow != nullptr) change.oldRow = execute_attr_map_slot(source->map, change.oldRow, source->oldRow);
        if (change.newRow != nullptr) change.newRow = execute_attr_map_slot(source->map, change.newRow, source->newRow);
    }
    if (change.ofPartition)
        captureOfPartition(source->group, change, operation == opDelete && hasMoved(trigger));
    else
        captureChange(source->group, change);
}

// Does an action handle every change of the table's rows, so that their states can be read back? Then what became of
// all of them is a part of their history.
bool keepsHistory(const TableListeners* group) {
    constexpr int everyRowChange = 1 << opInsert | 1 << opUpdate | 1 << opDelete;
    for (int i = 0; i < group->count; ++i)
        if ((group->listeners[i]->operations & everyRowChange) == everyRowChange) return true;
    return false;
}

// For specql.state_at. The table is locked from before the trigger to the end of the transaction.
void noteTruncation(Oid relation) {
    enum Column { id, table, truncatedAt };
    pg_uuid_t newId;
    newUuid(&newId);
    BulkWriter* rows = openWriter("truncation", 1);
    TupleTableSlot* row = nextRow(rows);
    setColumn(row, id, UUIDPGetDatum(&newId));
    setColumn(row, table, ObjectIdGetDatum(relation));
    setColumn(row, truncatedAt, TimestampTzGetDatum(engineTime()));
    writeRow(rows);
    closeWriter(rows);
}

}  // namespace

Operation operationOf(const ExprContext* rows) {
    if (rows->ecxt_innertuple == nullptr) return opInsert;
    return rows->ecxt_outertuple == nullptr ? opDelete : opUpdate;
}

bool mayMatch(const TableListeners* group, ExprContext* rows) {
    Operation operation = operationOf(rows);
    if (!group->listens[operation]) return false;
    // What an expression keeps from row to row must live as long as it does. No function that it calls comes back here.
    ExprContext* evaluation = group->beforehand;
    evaluation->ecxt_innertuple = rows->ecxt_innertuple;
    evaluation->ecxt_outertuple = rows->ecxt_outertuple;
    Before before = enterOwner(group, operation);
    bool result = evaluateAnyMatch(group, operation, evaluation);
    leaveOwner(before);
    ResetExprContext(evaluation);
    return result;
}

void captureDeletion(MovedRow* moved) {
    captureChange(moved->group,
                  {opDelete, moved->row, nullptr, moved->triggerDepth, true, moved->writtenBefore, false});
    dropMoved(moved);
}

SPECQL_FUNCTION(specql_capture) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("specql.capture is a trigger function")));
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    // BEFORE TRUNCATE: the actions run in its AFTER triggers, the first of which wants to find the events of all.
    bool ofTruncate = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) && TRIGGER_FIRED_BEFORE(trigger->tg_event);
    if (!ofTruncate && (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event)))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.capture must be an AFTER ... FOR EACH ROW or a BEFORE TRUNCATE trigger")));
    if (isRespelled(trigger->tg_relation)) return PointerGetDatum(nullptr);
    const RelationListeners* listeners = relationListeners(trigger->tg_relation);
    Operation operation = operationOf(trigger->tg_event);
    if (trigger->tg_trigger->tgoid != listeners->captureTrigger[operation]) return PointerGetDatum(nullptr);
    if (ofTruncate && keepsHistory(listeners->direct)) noteTruncation(listeners->relation);
    for (int i = 0; i < listeners->sourceCount; ++i)
        if (mayConcern(&listeners->sources[i], operation, trigger))
            captureForSource(&listeners->sources[i], operation, trigger);
    return PointerGetDatum(nullptr);
}

}  // namespace specql::capture
