// The logical structure of a condition: its parts joined by AND, OR and NOT, also within CASE, COALESCE and IS TRUE.
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
    RawPart* joined = makePart(kind, 0, 0);
    joined->parts = parts;
    return joined;
}

// Is this a constant that makes the condition false or NULL?
bool isNeverTrue(::Node* node, bool negated) {
    if (node != nullptr && IsA(node, TypeCast) && compat::isBooleanLiteralCast(reinterpret_cast<TypeCast*>(node)))
        return (compat::constantOf(reinterpret_cast<A_Const*>(reinterpret_cast<TypeCast*>(node)->arg)).text[0] ==
                't') == negated;
    if (node == nullptr || !IsA(node, A_Const)) return false;
    compat::Constant constant = compat::constantOf(reinterpret_cast<A_Const*>(node));
    if (constant.kind == compat::ConstKind::boolean) return (constant.number != 0) == negated;
    return constant.kind == compat::ConstKind::null;
}

// A CASE with more choices, or a COALESCE with more values, is not divided into parts.
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
    bool divided = direct && hasParts(reinterpret_cast<::Node*>(choice));
    List *conditionsBefore = NIL, *alternatives = NIL;
    auto addCondition = [&](int begin) {
        if (divided)
            conditionsBefore =
                lappend(conditionsBefore, makePart(RawPart::leaf, begin, list_length(walk->result->walked)));
    };
    auto walkResult = [&](::Node* result) {
        if (result == nullptr) return false;  // no ELSE: NULL, which does not hold
        walk->covered = false;
        if (!divided) return walkNode(result, walk);
        if (walkCondition(result, negated, walk)) return true;
        alternatives = lappend(alternatives, joinParts(RawPart::all, lappend(list_copy(conditionsBefore), walk->part)));
        return false;
    };
    int begin = list_length(walk->result->walked);
    if (walkNode(reinterpret_cast<::Node*>(choice->arg), walk)) return true;
    if (choice->arg != nullptr) addCondition(begin);
    ListCell* cell;
    foreach (cell, choice->args) {
        CaseWhen* when = lfirst_node(CaseWhen, cell);
        begin = list_length(walk->result->walked);
        walk->covered = false;
        // The WHEN is not a part of the condition, so its own structure is recorded separately.
        if (walkCondition(reinterpret_cast<::Node*>(when->expr), false, walk)) return true;
        addCondition(begin);
        if (walkResult(reinterpret_cast<::Node*>(when->result))) return true;
    }
    if (walkResult(reinterpret_cast<::Node*>(choice->defresult))) return true;
    if (divided) walk->part = joinParts(RawPart::any, alternatives);
    return false;
}

bool walkCoalesce(CoalesceExpr* choice, bool direct, Walk* walk) {
    bool negated = direct && walk->negated;
    bool divided = direct && hasParts(reinterpret_cast<::Node*>(choice));
    List *missing = NIL, *alternatives = NIL;
    ListCell* cell;
    addGroup(walk, reinterpret_cast<::Node*>(choice->args), nullptr, false);
    foreach (cell, choice->args) {
        ::Node* value = static_cast<::Node*>(lfirst(cell));
        int begin = list_length(walk->result->walked);
        walk->covered = true;
        if (divided ? walkCondition(value, negated, walk) : walkNode(value, walk)) return true;
        if (!divided) continue;
        alternatives = lappend(alternatives, joinParts(RawPart::all, lappend(list_copy(missing), walk->part)));
        missing = lappend(missing, makePart(RawPart::missing, begin, list_length(walk->result->walked)));
    }
    if (divided) walk->part = joinParts(RawPart::any, alternatives);
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
