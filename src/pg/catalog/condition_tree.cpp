// How a condition is put together: the parts of AND, OR and NOT, and of what else stands for them.
#include "pg/catalog/expression_walk.hpp"

extern "C" {
#include "nodes/nodeFuncs.h"
}

namespace specql::catalog {

namespace {

RawPart* makePart(RawPart::Kind kind, int begin, int end) {
    RawPart* part = static_cast<RawPart*>(palloc0(sizeof(RawPart)));
    part->kind = kind;
    part->begin = begin;
    part->end = end;
    return part;
}

RawPart* joinParts(RawPart::Kind kind, List* parts) {
    RawPart* whole = makePart(kind, 0, 0);
    whole->parts = parts;
    return whole;
}

// A constant holds everywhere or nowhere, and NULL does not hold.
bool isNeverTrue(::Node* node, bool negated) {
    if (node != nullptr && IsA(node, TypeCast) && compat::isBooleanLiteralCast(reinterpret_cast<TypeCast*>(node)))
        return (compat::constantOf(reinterpret_cast<A_Const*>(reinterpret_cast<TypeCast*>(node)->arg)).text[0] ==
                't') == negated;
    if (node == nullptr || !IsA(node, A_Const)) return false;
    compat::Constant constant = compat::constantOf(reinterpret_cast<A_Const*>(node));
    if (constant.kind == compat::ConstKind::boolean) return (constant.number != 0) == negated;
    return constant.kind == compat::ConstKind::null;
}

// A CASE of more choices than these, and a COALESCE of more values, is one part of a condition.
constexpr int maxChoices = 64;

bool hasParts(::Node* node) {
    if (node == nullptr) return false;
    switch (nodeTag(node)) {
        case T_BoolExpr:
        case T_BooleanTest: return true;
        case T_CaseExpr: return list_length(reinterpret_cast<CaseExpr*>(node)->args) <= maxChoices;
        case T_CoalesceExpr: return list_length(reinterpret_cast<CoalesceExpr*>(node)->args) <= maxChoices;
        default: return false;
    }
}

}  // namespace

bool walkCondition(::Node* node, bool negated, Walk* walk) {
    int begin = list_length(walk->result->walked);
    walk->direct = true;
    walk->negated = negated;
    if (walkNode(node, walk)) return true;
    walk->direct = false;
    if (!hasParts(node))
        walk->part = makePart(isNeverTrue(node, negated) ? RawPart::never : RawPart::leaf, begin,
                              list_length(walk->result->walked));
    return false;
}

bool walkBoolean(BoolExpr* expression, bool direct, Walk* walk) {
    bool negated = direct && walk->negated;
    bool any = (expression->boolop == OR_EXPR) != negated;
    List* parts = NIL;
    ListCell* cell;
    foreach (cell, expression->args) {
        if (walkCondition(static_cast<::Node*>(lfirst(cell)), (expression->boolop == NOT_EXPR) != negated, walk))
            return true;
        parts = lappend(parts, walk->part);
    }
    walk->part = expression->boolop == NOT_EXPR ? static_cast<RawPart*>(linitial(parts))
                                                : joinParts(any ? RawPart::any : RawPart::all, parts);
    if (!direct) walk->result->conditions = lappend(walk->result->conditions, walk->part);
    return false;
}

bool walkCase(CaseExpr* choice, bool direct, Walk* walk) {
    bool negated = direct && walk->negated;
    bool whole = direct && hasParts(reinterpret_cast<::Node*>(choice));
    List *asked = NIL, *alternatives = NIL;
    auto ask = [&](int begin) {
        if (whole) asked = lappend(asked, makePart(RawPart::leaf, begin, list_length(walk->result->walked)));
    };
    auto give = [&](::Node* result) {
        if (result == nullptr) return false;  // no ELSE: NULL, which does not hold
        walk->covered = false;
        if (!whole) return walkNode(result, walk);
        if (walkCondition(result, negated, walk)) return true;
        alternatives = lappend(alternatives, joinParts(RawPart::all, lappend(list_copy(asked), walk->part)));
        return false;
    };
    int begin = list_length(walk->result->walked);
    if (walkNode(reinterpret_cast<::Node*>(choice->arg), walk)) return true;
    if (choice->arg != nullptr) ask(begin);
    ListCell* cell;
    foreach (cell, choice->args) {
        CaseWhen* when = lfirst_node(CaseWhen, cell);
        begin = list_length(walk->result->walked);
        walk->covered = false;
        // An OR there chooses a result and not rows.
        if (walkCondition(reinterpret_cast<::Node*>(when->expr), false, walk)) return true;
        ask(begin);
        if (give(reinterpret_cast<::Node*>(when->result))) return true;
    }
    if (give(reinterpret_cast<::Node*>(choice->defresult))) return true;
    if (whole) walk->part = joinParts(RawPart::any, alternatives);
    return false;
}

bool walkCoalesce(CoalesceExpr* choice, bool direct, Walk* walk) {
    bool negated = direct && walk->negated;
    bool whole = direct && hasParts(reinterpret_cast<::Node*>(choice));
    List *missing = NIL, *alternatives = NIL;
    ListCell* cell;
    addGroup(walk, reinterpret_cast<::Node*>(choice->args), nullptr, false);
    foreach (cell, choice->args) {
        ::Node* value = static_cast<::Node*>(lfirst(cell));
        int begin = list_length(walk->result->walked);
        walk->covered = true;
        if (whole ? walkCondition(value, negated, walk) : walkNode(value, walk)) return true;
        if (!whole) continue;
        alternatives = lappend(alternatives, joinParts(RawPart::all, lappend(list_copy(missing), walk->part)));
        missing = lappend(missing, makePart(RawPart::missing, begin, list_length(walk->result->walked)));
    }
    if (whole) walk->part = joinParts(RawPart::any, alternatives);
    return false;
}

bool walkTest(BooleanTest* test, bool direct, Walk* walk) {
    bool negated = direct && walk->negated;
    bool isFalse = test->booltesttype == IS_FALSE || test->booltesttype == IS_NOT_TRUE;
    bool isUnknown = test->booltesttype == IS_UNKNOWN || test->booltesttype == IS_NOT_UNKNOWN;
    int begin = list_length(walk->result->walked);
    if (walkCondition(reinterpret_cast<::Node*>(test->arg), isFalse != negated, walk)) return true;
    int end = list_length(walk->result->walked);
    RawPart* missing = makePart(RawPart::missing, begin, end);
    if (isUnknown)
        walk->part = (test->booltesttype == IS_UNKNOWN) != negated ? missing : makePart(RawPart::leaf, begin, end);
    else if (!negated && test->booltesttype == IS_NOT_FALSE)
        walk->part = joinParts(RawPart::any, list_make2(walk->part, missing));
    if (!direct) walk->result->conditions = lappend(walk->result->conditions, walk->part);
    return false;
}

}  // namespace specql::catalog
