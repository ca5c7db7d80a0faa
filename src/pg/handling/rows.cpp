// specql.matched(branch) and specql.rows(branch): how a handler sees its events; specql.which_row(subject): what it
// says of one that it refuses.
#include "pg/bridge/entry.hpp"
#include "pg/capture/frame.hpp"

extern "C" {
#include "utils/rls.h"
}

namespace specql::handling {

namespace {

// The source of a column that the caller lists: the index of a column of the captured row, or one of these.
constexpr int fromEventId = -1;
constexpr int fromEventType = -2;

int sourceOf(const capture::Listener* listener, const char* name, Oid* type) {
    if (strcmp(name, "event_id") == 0) {
        *type = UUIDOID;
        return fromEventId;
    }
    if (strcmp(name, "event_type") == 0) {
        *type = TEXTOID;
        return fromEventType;
    }
    for (int i = capture::captured::time; i < listener->rowDescriptor->natts; ++i) {
        Form_pg_attribute attribute = TupleDescAttr(listener->rowDescriptor, i);
        if (strcmp(NameStr(attribute->attname), name) == 0) {
            *type = attribute->atttypid;
            return i;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("events of action %s have no column \"%s\"", listener->action, name),
                    errhint("They have event_id, event_type, event_time, event_data, subject, and the outputs of the "
                            "action's capture function.")));
    pg_unreachable();
}

int* sourcesOf(const capture::Listener* listener, TupleDesc wanted) {
    int* sources = static_cast<int*>(palloc(sizeof(int) * wanted->natts));
    for (int i = 0; i < wanted->natts; ++i) {
        Form_pg_attribute attribute = TupleDescAttr(wanted, i);
        Oid type;
        sources[i] = sourceOf(listener, NameStr(attribute->attname), &type);
        if (type != attribute->atttypid)
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" of the events of action %s is of type %s, not %s",
                                   NameStr(attribute->attname), listener->action, format_type_be(type),
                                   format_type_be(attribute->atttypid))));
    }
    return sources;
}

// Does the event read last belong to the branch? Custom events belong to every branch: the handler checks their
// conditions.
bool matchesBranch(const capture::Frame* frame, int branch) {
    return !OidIsValid(frame->listener()->trigger) || capture::rowHasBranch(frame->set, branch);
}

bool frameMatches(const capture::Frame* frame, int branch) {
    capture::EventSet* set = frame->set;
    if (!OidIsValid(frame->listener()->trigger)) return branch >= 1;
    if (!capture::hasBranch(set->branches, set->branchBytes, branch)) return false;
    if (frame->count == set->count) return true;
    for (int64_t i = 0; i < frame->count; ++i) {
        capture::readEvent(set, frame->first + i);
        if (capture::rowHasBranch(set, branch)) return true;
    }
    return false;
}

// The error reaches whoever made the change, and an UPDATE without WHERE may change rows that its session cannot read.
// Of a retry it is kept beside the event, whose subject is the key.
bool callerReads(const capture::EventSet* set) {
    Oid user = set->caller->user;
    if (!OidIsValid(user)) return true;
    Oid relation = set->listener->relation;
    return pg_class_aclcheck(relation, user, ACL_SELECT) == ACLCHECK_OK &&
           check_enable_rls(relation, user, true) != RLS_ENABLED;
}

}  // namespace

SPECQL_FUNCTION(specql_which_row) {
    const capture::EventSet* set = capture::requireFrame("specql.which_row")->set;
    const char* entity = set->listener->entity;
    bool named = !PG_ARGISNULL(0) && callerReads(set);
    PG_RETURN_TEXT_P(cstring_to_text(
        named ? psprintf("The row is that of %s with the key %s.", entity, text_to_cstring(PG_GETARG_TEXT_PP(0)))
              : psprintf("The row is one of %s.", entity)));
}

SPECQL_FUNCTION(specql_matched) {
    PG_RETURN_BOOL(frameMatches(capture::requireFrame("specql.matched"), PG_GETARG_INT32(0)));
}

// specql.several(): has the frame more than one event?
SPECQL_FUNCTION(specql_several) {
    PG_RETURN_BOOL(capture::requireFrame("specql.several")->count > 1);
}

SPECQL_FUNCTION(specql_rows) {
    capture::Frame* frame = capture::requireFrame("specql.rows");
    int branch = PG_GETARG_INT32(0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (info == nullptr || !IsA(info, ReturnSetInfo) || (info->allowedModes & SFRM_Materialize) == 0 ||
        info->expectedDesc == nullptr)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("specql.rows needs a list of columns"),
                        errhint("Write FROM specql.rows(1) AS r(event_id uuid, ...).")));
    capture::EventSet* set = frame->set;
    capture::Listener* listener = frame->listener();
    MemoryContext before = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    TupleDesc wanted = CreateTupleDescCopy(info->expectedDesc);
    int* sources = sourcesOf(listener, wanted);
    Tuplestorestate* result =
        tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
    Datum eventType = CStringGetTextDatum(listener->eventType);
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * wanted->natts));
    auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * wanted->natts));
    MemoryContextSwitchTo(before);
    MemoryContext perEvent = AllocSetContextCreate(CurrentMemoryContext, "specql event", ALLOCSET_DEFAULT_SIZES);
    for (int64_t i = 0; i < frame->count; ++i) {
        capture::readEvent(set, frame->first + i);
        if (!matchesBranch(frame, branch)) continue;
        MemoryContextSwitchTo(perEvent);
        slot_getallattrs(set->row);
        for (int column = 0; column < wanted->natts; ++column) {
            int source = sources[column];
            nulls[column] = source >= 0 && set->row->tts_isnull[source];
            values[column] = source == fromEventId               ? UUIDPGetDatum(frame->id(i))
                             : source == fromEventType           ? eventType
                             : source == capture::captured::data ? capture::shownData(set)
                                                                 : set->row->tts_values[source];
        }
        tuplestore_putvalues(result, wanted, values, nulls);
        MemoryContextSwitchTo(before);
        MemoryContextReset(perEvent);
        CHECK_FOR_INTERRUPTS();
    }
    MemoryContextDelete(perEvent);
    info->returnMode = SFRM_Materialize;
    info->setResult = result;
    info->setDesc = wanted;
    return 0;
}

}  // namespace specql::handling
