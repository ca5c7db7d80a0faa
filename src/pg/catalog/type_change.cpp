#include "pg/catalog/type_change.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"
}

namespace specql::catalog {

namespace {

// The greatest number of digits of an integer type; 0 for other types.
int digitsOf(Oid type) {
    return type == INT2OID ? 5 : type == INT4OID ? 10 : type == INT8OID ? 19 : 0;
}

// numeric(precision, scale); a negative scale, which version 15 brought, counts as unknown.
struct Numeric {
    int precision, scale;
    bool known;
    explicit Numeric(int32 typmod)
        : precision(((typmod - VARHDRSZ) >> 16) & 0xFFFF),
          scale((typmod - VARHDRSZ) & 0x7FF),
          known(typmod >= VARHDRSZ && scale < 0x400) {}
    int whole() const { return precision - scale; }
};

// Does a length cast keep all values? The planner removes length casts that do; numeric and character are decided here.
bool keepsLength(Oid type, int32 from, int32 to) {
    if (to < 0) return true;
    if (type == BPCHAROID && from >= 0) return to >= from;
    if (type == NUMERICOID && from >= 0) {
        Numeric was(from), is(to);
        return was.known && is.known && is.scale >= was.scale && is.whole() >= was.whole();
    }
    Param* value = makeNode(Param);
    value->paramkind = PARAM_EXTERN;
    value->paramid = 1;
    value->paramtype = type;
    value->paramtypmod = from;
    value->paramcollid = get_typcollation(type);
    value->location = -1;
    ::Node* cast = coerce_to_target_type(nullptr, reinterpret_cast< ::Node*>(value), type, type, to,
                                         COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
    if (cast == nullptr) return false;
    cast = eval_const_expressions(nullptr, cast);
    while (nodeTag(cast) == T_RelabelType)
        cast = reinterpret_cast< ::Node*>(reinterpret_cast<RelabelType*>(cast)->arg);
    return nodeTag(cast) == T_Param;
}

// Does an implicit cast to floating point round numbers with many digits?
bool mayRound(Oid from, Oid to) {
    if (to == FLOAT4OID) return from != INT2OID;
    return to == FLOAT8OID && from != INT2OID && from != INT4OID && from != FLOAT4OID;
}

bool holdsAllValues(Oid from, Oid to, int32 toTypmod) {
    if (toTypmod < 0 || (from == DATEOID && (to == TIMESTAMPOID || to == TIMESTAMPTZOID))) return true;
    Numeric numeric(toTypmod);
    return to == NUMERICOID && digitsOf(from) > 0 && numeric.known && numeric.whole() >= digitsOf(from);
}

}  // namespace

TypeChange typeChange(Oid from, int32 fromTypmod, Oid to, int32 toTypmod) {
    if (from == to && fromTypmod == toTypmod) return TypeChange::same;
    Oid fromBase = getBaseTypeAndTypmod(from, &fromTypmod);
    Oid toBase = getBaseTypeAndTypmod(to, &toTypmod);
    Oid fromElement = get_element_type(fromBase), toElement = get_element_type(toBase);
    if (OidIsValid(fromElement) && OidIsValid(toElement)) {
        TypeChange elements = typeChange(fromElement, fromTypmod, toElement, toTypmod);
        return elements == TypeChange::same ? TypeChange::widening : elements;
    }
    if (fromBase == toBase)
        return keepsLength(fromBase, fromTypmod, toTypmod) ? TypeChange::widening : TypeChange::narrowing;
    if (!can_coerce_type(1, &fromBase, &toBase, COERCION_EXPLICIT)) return TypeChange::impossible;
    bool implicit = can_coerce_type(1, &fromBase, &toBase, COERCION_IMPLICIT);
    return implicit && !mayRound(fromBase, toBase) && holdsAllValues(fromBase, toBase, toTypmod)
               ? TypeChange::widening
               : TypeChange::narrowing;
}

}  // namespace specql::catalog
