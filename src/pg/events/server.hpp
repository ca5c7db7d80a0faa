// The server's headers that events and outbox need beyond those of compat.hpp, and the version differences in them.
#pragma once

#include "pg/compat.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wregister"
extern "C" {
#include "access/heapam.h"
#include "access/hio.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"
#include "utils/xid8.h"
}
#pragma GCC diagnostic pop

namespace specql::compat {

// A mutator's callback is passed by a pointer without prototype before 16.
inline ::Node* mutateTree(::Node* node, ::Node* (*mutate)(::Node*, void*), void* context) {
#if PG_VERSION_NUM >= 160000
    return expression_tree_mutator(node, mutate, context);
#else
    return expression_tree_mutator(node, reinterpret_cast< ::Node* (*)()>(reinterpret_cast<void (*)()>(mutate)),
                                   context);
#endif
}

// The same for a walker.
inline bool walkTree(::Node* node, bool (*walk)(::Node*, void*), void* context) {
#if PG_VERSION_NUM >= 160000
    return expression_tree_walker(node, walk, context);
#else
    return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walk)), context);
#endif
}

// The parts of a possibly quoted, possibly qualified name; raises an error if it is malformed.
inline List* nameParts(const char* name) {
#if PG_VERSION_NUM >= 160000
    return stringToQualifiedNameList(name, nullptr);
#else
    return stringToQualifiedNameList(name);
#endif
}

inline bool mayExecute(Oid function, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
    return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

inline bool ownsFunction(Oid function, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(ProcedureRelationId, function, role);
#else
    return pg_proc_ownercheck(function, role);
#endif
}

// Enters a tuple just inserted into the indexes of its table.
inline void insertIndexTuples(ResultRelInfo* relation, TupleTableSlot* slot, EState* state) {
#if PG_VERSION_NUM >= 160000
    List* recheck = ExecInsertIndexTuples(relation, slot, state, false, false, nullptr, NIL, false);
#else
    List* recheck = ExecInsertIndexTuples(relation, slot, state, false, false, nullptr, NIL);
#endif
    list_free(recheck);
}

}  // namespace specql::compat
