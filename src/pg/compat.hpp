// PostgreSQL's headers, included so that C++ can read them, and every difference between the major versions 14 to 18.
// All other files of src/pg are written as if there were one version (background_worker.hpp has those of background
// workers).
#pragma once

// port.h turns printf and its kin into macros; the C++ headers that use those names have to come first.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/resowner.h"
}

// Symbols are hidden by default (PostgreSQL loads extensions with global symbols); what the server looks up is not.
#define SPECQL_EXPORT __attribute__((visibility("default")))

// Nothing here may use nodeTag() or IsA(): those macros name Node, and the core has another type of that name.
namespace specql::compat {

// The kinds of constants in the grammar.
enum class ConstKind { null, integer, numeric, text, boolean, bits };

// The kind of an A_Const and its value as the grammar wrote it; `number` is for integers and booleans, `text` for
// others.
struct Constant {
    ConstKind kind = ConstKind::null;
    int number = 0;
    const char* text = nullptr;
};

inline Constant constantOf(const A_Const* constant) {
    Constant result;
#if PG_VERSION_NUM >= 150000
    if (constant->isnull) return result;
    switch (constant->val.node.type) {
        case T_Integer:
            result.kind = ConstKind::integer;
            result.number = constant->val.ival.ival;
            break;
        case T_Float:
            result.kind = ConstKind::numeric;
            result.text = constant->val.fval.fval;
            break;
        case T_Boolean:
            result.kind = ConstKind::boolean;
            result.number = constant->val.boolval.boolval;
            break;
        case T_BitString:
            result.kind = ConstKind::bits;
            result.text = constant->val.bsval.bsval;
            break;
        default:
            result.kind = ConstKind::text;
            result.text = constant->val.sval.sval;
            break;
    }
#else
    switch (constant->val.type) {
        case T_Null: break;
        case T_Integer:
            result.kind = ConstKind::integer;
            result.number = constant->val.val.ival;
            break;
        case T_Float:
            result.kind = ConstKind::numeric;
            result.text = constant->val.val.str;
            break;
        case T_BitString:
            result.kind = ConstKind::bits;
            result.text = constant->val.val.str;
            break;
        default:
            result.kind = ConstKind::text;
            result.text = constant->val.val.str;
            break;
    }
#endif
    return result;
}

// Version 14 writes TRUE as a cast of 't' to pg_catalog.bool; later ones have a boolean constant. True if `cast` is
// that.
inline bool isBooleanLiteralCast(const TypeCast* cast) {
#if PG_VERSION_NUM >= 150000
    (void)cast;
    return false;
#else
    return cast->location < 0 && cast->arg != nullptr && cast->arg->type == T_A_Const && cast->typeName->names != NIL &&
           strcmp(strVal(llast(cast->typeName->names)), "bool") == 0;
#endif
}

// The range table entry that a column is of. Its number has no sign before 15.
inline int entryOf(const Var* column) {
    return static_cast<int>(column->varno);
}

// Is the column computed where it is read (18)?
inline bool isVirtual(Form_pg_attribute column) {
#if PG_VERSION_NUM >= 180000
    return column->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
    (void)column;
    return false;
#endif
}

// The expression with virtual generated columns (18) of the relation, which is a range table entry of it, in full.
inline ::Node* withVirtualColumns(::Node* expression, Relation relation, int entry) {
#if PG_VERSION_NUM >= 180000
    return expand_generated_columns_in_expr(expression, relation, entry);
#else
    (void)relation;
    (void)entry;
    return expression;
#endif
}

// Reads a type name as PostgreSQL does; raises an error if it is none.
inline void parseType(const char* text, Oid* type, int32* typmod) {
#if PG_VERSION_NUM >= 160000
    parseTypeString(text, type, typmod, nullptr);
#else
    parseTypeString(text, type, typmod, false);
#endif
}

// Memory for the `extra` data of a setting, which its check hook passes to its assign hook; nullptr if there is none.
inline void* settingMemory(size_t size) {
#if PG_VERSION_NUM >= 160000
    return guc_malloc(LOG, size);
#else
    return malloc(size);
#endif
}

inline void reserveSettingPrefix(const char* prefix) {
#if PG_VERSION_NUM >= 150000
    MarkGUCPrefixReserved(prefix);
#else
    EmitWarningsOnPlaceholders(prefix);
#endif
}

// The JSON constructors and predicates of the SQL standard came with 16 and 17. True for those whose operands are
// ordinary expressions (the aggregating and the querying ones are not among them).
inline bool isScalarJsonNode([[maybe_unused]] NodeTag tag) {
    bool found = false;
#if PG_VERSION_NUM >= 160000
    found = tag == T_JsonObjectConstructor || tag == T_JsonArrayConstructor || tag == T_JsonIsPredicate ||
            tag == T_JsonKeyValue || tag == T_JsonValueExpr || tag == T_JsonOutput || tag == T_JsonFormat ||
            tag == T_JsonReturning;
#endif
#if PG_VERSION_NUM >= 170000
    found = found || tag == T_JsonParseExpr || tag == T_JsonScalarExpr || tag == T_JsonSerializeExpr;
#endif
    return found;
}

// The aggregating JSON constructors.
inline bool isJsonAggregateNode([[maybe_unused]] NodeTag tag) {
#if PG_VERSION_NUM >= 160000
    return tag == T_JsonObjectAgg || tag == T_JsonArrayAgg;
#else
    return false;
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

// Has the first role the rights of the other: is it a member that inherits them, or a superuser?
inline bool hasRightsOf(Oid role, Oid other) {
    return has_privs_of_role(role, other);
}

inline bool mayRead(Oid table, Oid role) {
    return pg_class_aclcheck(table, role, ACL_SELECT) == ACLCHECK_OK;
}

// Does `role` own the table, as its owner, as a member of the owner, or as superuser?
inline bool ownsTable(Oid table, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, table, role);
#else
    return pg_class_ownercheck(table, role);
#endif
}

inline bool mayUseSchema(Oid schema, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

inline bool ownsSchema(Oid schema, Oid role) {
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(NamespaceRelationId, schema, role);
#else
    return pg_namespace_ownercheck(schema, role);
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

// The walkers and mutators of nodeFuncs.h. Before 16 they take a callback without prototype.
using TreeMutator = ::Node* (*)(::Node* node, void* context);
using TreeWalker = bool (*)(::Node* node, void* context);
#if PG_VERSION_NUM >= 160000
inline TreeWalker walkerArgument(TreeWalker walk) {
    return walk;
}
inline TreeMutator mutatorArgument(TreeMutator mutate) {
    return mutate;
}
#else
inline bool (*walkerArgument(TreeWalker walk))() {
    return reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walk));
}
inline ::Node* (*mutatorArgument(TreeMutator mutate))() {
    return reinterpret_cast< ::Node* (*)()>(reinterpret_cast<void (*)()>(mutate));
}
#endif

}  // namespace specql::compat
