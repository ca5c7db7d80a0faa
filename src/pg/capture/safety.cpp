#include "pg/capture/safety.hpp"

extern "C" {
#include "access/transam.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
}

namespace specql::capture {

namespace {

// Functions that PostgreSQL does not mark as leakproof, though they raise no error for any value that a table can hold.
const Oid trusted[] = {F_NUMERIC_EQ, F_NUMERIC_NE, F_NUMERIC_LT, F_NUMERIC_LE,
                       F_NUMERIC_GT, F_NUMERIC_GE, F_NUMERIC_CMP};

bool walkChildren(Node* node, compat::TreeWalker walk, void* context) {
    return expression_tree_walker(node, compat::walkerArgument(walk), context);
}

bool functionMayRaise(Oid function, void*) {
    for (Oid known : trusted)
        if (function == known) return false;
    return !get_func_leakproof(function);
}

// Is every value of the type written as text without an error? Others may be too large for a text, or have an output
// function of which nothing is known.
bool writesSafely(Oid type) {
    type = getBaseType(type);
    if (get_typtype(type) == TYPTYPE_ENUM) return true;
    if (type >= FirstNormalObjectId) return false;
    return get_typlen(type) > 0 || type == TEXTOID || type == VARCHAROID || type == BPCHAROID || type == NUMERICOID;
}

bool walk(Node* node, void* context) {
    if (node == nullptr) return false;
    switch (nodeTag(node)) {
        case T_CoerceToDomain:
        case T_XmlExpr: return true;
        case T_CoerceViaIO: {
            // Reading a value from text may fail.
            const auto* coerced = reinterpret_cast<CoerceViaIO*>(node);
            Node* argument = reinterpret_cast<Node*>(coerced->arg);
            return coerced->resulttype != TEXTOID || !writesSafely(exprType(argument)) || walk(argument, context);
        }
        default: return check_functions_in_node(node, functionMayRaise, nullptr) || walkChildren(node, walk, context);
    }
}

// Is this function or type not one of the server? `context` may point to the OID of a function that is excepted.
bool isForeign(Oid object, void* context) {
    return object >= FirstNormalObjectId && (context == nullptr || object != *static_cast<const Oid*>(context));
}

bool walkForeign(Node* node, void* context) {
    if (node == nullptr) return false;
    // Anybody may have written the constraints of a domain, and the input and output functions of a type.
    if (IsA(node, CoerceToDomain)) return true;
    if (IsA(node, CoerceViaIO)) {
        const auto* coerced = reinterpret_cast<CoerceViaIO*>(node);
        if (isForeign(coerced->resulttype, nullptr) ||
            isForeign(exprType(reinterpret_cast<Node*>(coerced->arg)), nullptr))
            return true;
    }
    return check_functions_in_node(node, isForeign, context) || walkChildren(node, walkForeign, context);
}

}  // namespace

JsonSafety jsonSafety(Oid type) {
    type = getBaseType(type);
    Oid element = get_element_type(type);
    if (OidIsValid(element)) return jsonSafety(element);
    Oid cast;
    // The words of an enum are written by the server, unless somebody has made a cast to json.
    if (get_typtype(type) == TYPTYPE_ENUM &&
        find_coercion_pathway(JSONOID, type, COERCION_EXPLICIT, &cast) != COERCION_PATH_FUNC)
        return JsonSafety::safe;
    if (type >= FirstNormalObjectId || get_typtype(type) == TYPTYPE_COMPOSITE) return JsonSafety::foreign;
    // Of JSON, \u0000 and numbers without end are text that jsonb refuses.
    return type == JSONOID ? JsonSafety::mayRaise : type == JSONBOID ? JsonSafety::nested : JsonSafety::safe;
}

bool callsForeign(Node* expression) {
    // specql.caller() is excepted, because it looks no object up by name.
    Oid argument = TEXTOID;
    Oid caller =
        LookupFuncName(list_make2(makeString(pstrdup("specql")), makeString(pstrdup("caller"))), 1, &argument, true);
    return walkForeign(expression, &caller);
}

bool mayRaise(Node* expression) {
    return walk(expression, nullptr);
}

Expr* safePrefix(Expr* condition) {
    if (!mayRaise(reinterpret_cast<Node*>(condition))) return condition;
    List* safe = NIL;
    if (is_andclause(condition)) {
        ListCell* cell;
        foreach (cell, reinterpret_cast<BoolExpr*>(condition)->args) {
            if (mayRaise(static_cast<Node*>(lfirst(cell)))) break;
            safe = lappend(safe, lfirst(cell));
        }
    }
    return make_ands_explicit(safe);
}

}  // namespace specql::capture
