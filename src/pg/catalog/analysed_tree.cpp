#include "pg/catalog/analysed_tree.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/catalog/operators.hpp"
#include "spec/habits.hpp"
#include "text/ascii.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

namespace {

// May a function read rows of users' tables? Functions of the server and of specql do not, nor immutable ones.
bool functionReadsRows(Oid function, void*) {
    return function >= FirstNormalObjectId && func_volatile(function) != PROVOLATILE_IMMUTABLE &&
           get_func_namespace(function) != get_namespace_oid("specql", true);
}

bool readsRows(::Node* node, void* context) {
    if (node == nullptr) return false;
    return check_functions_in_node(node, functionReadsRows, nullptr) ||
           expression_tree_walker(node, compat::walkerArgument(readsRows), context);
}

struct Check {
    const RawExpression* raw;
    const char* text;
    Analysed* result;
    bool inQuery;
    bool aggregates;
};

const RawCall* callAt(const RawExpression* raw, int offset) {
    ListCell* cell;
    foreach (cell, raw->calls)
        if (static_cast<RawCall*>(lfirst(cell))->offset == offset) return static_cast<RawCall*>(lfirst(cell));
    return nullptr;
}

void qualify(Check* check, int offset, Oid schema, const char* name) {
    Qualification* found = static_cast<Qualification*>(palloc0(sizeof(Qualification)));
    found->offset = offset;
    found->text = toUtf8(quote_qualified_identifier(get_namespace_name(schema), name));
    check->result->qualifications = lappend(check->result->qualifications, found);
}

// Notes the schema of a function that is named without one and is not in pg_catalog.
void checkFunction(Check* check, Oid function, CoercionForm form, int offset) {
    if (form != COERCE_EXPLICIT_CALL) return;  // casts are found by type, not by name
    Oid schema = get_func_namespace(function);
    const RawCall* call = callAt(check->raw, offset);
    if (schema != PG_CATALOG_NAMESPACE && call != nullptr && list_length(call->name) == 1)
        qualify(check, offset, schema, get_func_name(function));
}

const A_Expr* operatorAt(const RawExpression* raw, int offset) {
    ListCell* cell;
    foreach (cell, raw->operators)
        if (static_cast<A_Expr*>(lfirst(cell))->location == offset) return static_cast<A_Expr*>(lfirst(cell));
    return nullptr;
}

// Notes the schema of an operator that is not in pg_catalog; refuses what cannot name one. `array` as qualifyOperator()
// takes it.
bool checkOperator(Check* check, Oid oid, Oid array, int offset) {
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator %u", oid);
    Oid schema = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple))->oprnamespace;
    ReleaseSysCache(tuple);
    const A_Expr* written = operatorAt(check->raw, offset);
    if (schema == PG_CATALOG_NAMESPACE || (written != nullptr && list_length(written->name) > 1)) return false;
    if (qualifyOperator(written, oid, array, check->text, check->result)) return false;
    const char* name = toUtf8(get_opname(oid));
    const char* schemaName = toUtf8(quote_identifier(get_namespace_name(schema)));
    return refuse(
        check->result, Code::E107, offset,
        psprintf("this compares by operator \"%s\" of schema %s, which cannot be named in it", name, schemaName),
        comparesRows(written) ? "compare column by column: a = x AND b = y" : hintOf(Code::E107));
}

bool checkNode(::Node* node, void* context) {
    Check* check = static_cast<Check*>(context);
    if (node == nullptr) return false;
    switch (nodeTag(node)) {
        case T_Query: {
            check->inQuery = true;
            // Behind FROM stands what is there in the place of the entities.
            bool refused = query_tree_walker(reinterpret_cast<Query*>(node), compat::walkerArgument(checkNode), context,
                                             QTW_IGNORE_RT_SUBQUERIES);
            check->inQuery = false;
            return refused;
        }
        case T_Aggref: {
            Aggref* call = reinterpret_cast<Aggref*>(node);
            if (!check->inQuery && !check->aggregates) return refuse(check->result, Code::E104, exprLocation(node));
            checkFunction(check, call->aggfnoid, COERCE_EXPLICIT_CALL, call->location);
            break;
        }
        case T_WindowFunc: return refuse(check->result, Code::E105, exprLocation(node));
        case T_FuncExpr: {
            FuncExpr* call = reinterpret_cast<FuncExpr*>(node);
            if (call->funcretset)
                return refuse(check->result, Code::E103, call->location,
                              "a function that returns a set cannot be used in an expression",
                              "one value is wanted; call it in an SQL function that returns one");
            if (check->inQuery && func_volatile(call->funcid) == PROVOLATILE_VOLATILE)
                return refuse(
                    check->result, Code::E119, call->location,
                    psprintf("%s is volatile: it may change what the query looks at", get_func_name(call->funcid)),
                    hintOf(Code::E119));
            checkFunction(check, call->funcid, call->funcformat, call->location);
            break;
        }
        case T_OpExpr:
        case T_DistinctExpr:
        case T_NullIfExpr: {
            OpExpr* call = reinterpret_cast<OpExpr*>(node);
            if (call->opretset)
                return refuse(check->result, Code::E103, call->location,
                              "an operator that returns a set cannot be used in an expression", "one value is wanted");
            Oid array = get_array_type(exprType(static_cast<::Node*>(linitial(call->args))));
            if (checkOperator(check, call->opno, array, call->location)) return true;
            break;
        }
        case T_ScalarArrayOpExpr: {
            ScalarArrayOpExpr* call = reinterpret_cast<ScalarArrayOpExpr*>(node);
            if (isMixedIn(operatorAt(check->raw, call->location), call))
                return refuse(check->result, Code::E107, call->location,
                              "IN would compare its elements by different operators",
                              "compare with each of them: a = b OR a = 'x'");
            Oid array = exprType(static_cast<::Node*>(lsecond(call->args)));
            if (checkOperator(check, call->opno, array, call->location)) return true;
            break;
        }
        case T_RowCompareExpr: {
            ListCell* cell;
            foreach (cell, reinterpret_cast<RowCompareExpr*>(node)->opnos)
                if (checkOperator(check, lfirst_oid(cell), InvalidOid, exprLocation(node))) return true;
            break;
        }
        default: break;
    }
    return expression_tree_walker(node, compat::walkerArgument(checkNode), context);
}

void qualifyTypes(Check* check) {
    ListCell* cell;
    foreach (cell, check->raw->types) {
        TypeName* written = static_cast<RawType*>(lfirst(cell))->type;
        int32 typmod;
        Type type = LookupTypeName(nullptr, written, &typmod, true);
        if (type == nullptr) continue;
        Oid schema = reinterpret_cast<Form_pg_type>(GETSTRUCT(type))->typnamespace;
        ReleaseSysCache(type);
        if (schema != PG_CATALOG_NAMESPACE && written->location >= 0)
            qualify(check, written->location, schema, strVal(linitial(written->names)));
    }
}

bool isTimeType(Oid type) {
    return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID || type == TIMETZOID || type == TIMEOID;
}

struct MomentSearch {
    const char* server;
    Analysed* result;
};

// Collects constants like 'now': PostgreSQL reads them when the expression is stored, so they would never change.
bool collectMoments(::Node* node, void* context) {
    MomentSearch* search = static_cast<MomentSearch*>(context);
    if (node == nullptr) return false;
    if (IsA(node, Const)) {
        Const* constant = reinterpret_cast<Const*>(node);
        const char* text = isTimeType(constant->consttype) && constant->location >= 0
                               ? quotedText(search->server + constant->location)
                               : nullptr;
        if (const char* hint = text != nullptr ? momentHint(text) : nullptr) {
            Moment* moment = static_cast<Moment*>(palloc(sizeof(Moment)));
            *moment = {constant->location, text, hint};
            search->result->moments = lappend(search->result->moments, moment);
        }
    }
    if (IsA(node, Query))
        return query_tree_walker(reinterpret_cast<Query*>(node), compat::walkerArgument(collectMoments), context,
                                 QTW_IGNORE_RT_SUBQUERIES);
    return expression_tree_walker(node, compat::walkerArgument(collectMoments), context);
}

}  // namespace

bool refuse(Analysed* result, Code code, int offset, const char* message, const char* hint) {
    result->finding = {code, message, hint, Max(offset, 0)};
    return true;
}

bool refuse(Analysed* result, Code code, int offset) {
    return refuse(result, code, offset, sentenceOf(code), hintOf(code));
}

bool checkTree(::Node* tree, const RawExpression* raw, const char* text, bool aggregates, Analysed* result) {
    Check check = {raw, text, result, false, aggregates};
    if (checkNode(tree, &check)) return true;
    if (!sameWithOperators(text, result->qualifications))
        return refuse(result, Code::E107, exprLocation(raw->tree),
                      "an operator of another schema binds otherwise than the expression needs",
                      "put the operands of each operator into parentheses");
    qualifyTypes(&check);
    return false;
}

void describeTree(::Node* tree, const char* text, Analysed* result) {
    MomentSearch search = {text, result};
    collectMoments(tree, &search);
    result->isVolatile = contain_volatile_functions(tree);
    // As the server asks it of indexes and generated columns: what is inlined may be less mutable than it says.
    result->isImmutable = !contain_mutable_functions(tree) ||
                          !contain_mutable_functions(
                              reinterpret_cast<::Node*>(expression_planner(static_cast<Expr*>(copyObjectImpl(tree)))));
    result->readsRows = readsRows(tree, nullptr);
}

char* quotedText(const char* at) {
    const char* end = *at == '\'' ? strchr(at + 1, '\'') : nullptr;
    return end == nullptr ? nullptr : asc_tolower(at + 1, static_cast<size_t>(end - at - 1));
}

const char* momentHint(const char* text) {
    if (const char* whole = spec::habit(spec::Habit::moment, text)) return whole;
    for (const char* at = text; *at != '\0';) {
        at += strcspn(at, "nyt");
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz");
        bool begins = at == text || !isNamePart(at[-1]);
        if (const char* hint = begins ? spec::habit(spec::Habit::moment, std::string_view(at, length)) : nullptr)
            return hint;
        at += Max(length, *at != '\0' ? 1 : 0);
    }
    return nullptr;
}

}  // namespace specql::catalog
