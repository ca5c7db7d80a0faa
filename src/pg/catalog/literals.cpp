#include "pg/catalog/literals.hpp"

namespace specql::catalog {

namespace {

// The values that a node may have, found through CASE, COALESCE, NULLIF and casts to text types.
struct PossibleValues {
    List* columns;   // of ColumnRef
    List* literals;  // of Written
    List* standIns;  // of WrittenText: texts in a COALESCE
};

// A text literal, or an element of an array literal.
struct WrittenText {
    int offset;
    const char* text;
};

// Texts are compared with at most so many names.
constexpr int maxColumns = 64;
// A side with more possible texts is only compared with names.
constexpr int maxLiterals = 64;

bool isTextConstant(const A_Const* constant) {
    return compat::constantOf(constant).kind == compat::ConstKind::text;
}

void addWritten(int offset, const char* text, List** to) {
    WrittenText* written = static_cast<WrittenText*>(palloc(sizeof(WrittenText)));
    *written = {offset, text};
    *to = lappend(*to, written);
}

void addConstant(const A_Const* constant, List** to) {
    if (isTextConstant(constant)) addWritten(constant->location, compat::constantOf(constant).text, to);
}

// The elements of '{open,paid}'. Literals with inner braces or backslashes are ignored.
void addElements(const A_Const* constant, List** to) {
    if (!isTextConstant(constant)) return;
    const char* text = compat::constantOf(constant).text;
    size_t length = strlen(text);
    if (length < 2 || text[0] != '{' || text[length - 1] != '}' || strcspn(text + 1, "{}\\") != length - 2) return;
    for (const char *at = text + 1, *last = text + length - 1; at < last; ++at) {
        at += strspn(at, " \t\n");
        bool quoted = *at == '"';
        const char* end = quoted ? strchr(at + 1, '"') : at + strcspn(at, ",}");
        if (end == nullptr) return;
        const char* next = end + strcspn(end, ",}");
        while (!quoted && end > at && strchr(" \t\n", end[-1]) != nullptr)
            --end;
        char* element = quoted ? pnstrdup(at + 1, end - at - 1) : pnstrdup(at, end - at);
        if (quoted || (*element != '\0' && pg_strcasecmp(element, "null") != 0))
            addWritten(constant->location, element, to);
        at = next;
    }
}

bool isTextType(const TypeName* type) {
    static const char* const names[] = {"text", "varchar", "bpchar", "citext"};
    if (type->names == NIL) return false;
    const char* written = strVal(llast(type->names));
    for (const char* name : names)
        if (strcmp(written, name) == 0) return true;
    return false;
}

void gather(::Node* node, PossibleValues* to);

void gatherAll(const List* nodes, PossibleValues* to) {
    const ListCell* cell;
    foreach (cell, nodes)
        gather(static_cast<::Node*>(lfirst(cell)), to);
}

// Gathers the arguments of a COALESCE; its texts become stand-ins.
void gatherFirst(const List* nodes, PossibleValues* to) {
    List* literals = to->literals;
    to->literals = NIL;
    gatherAll(nodes, to);
    to->standIns = list_concat(to->standIns, to->literals);
    to->literals = literals;
}

void gather(::Node* node, PossibleValues* to) {
    check_stack_depth();
    if (node == nullptr) return;
    switch (nodeTag(node)) {
        case T_ColumnRef:
            if (list_length(to->columns) < maxColumns) to->columns = lappend(to->columns, node);
            break;
        case T_A_Const: addConstant(reinterpret_cast<A_Const*>(node), &to->literals); break;
        case T_TypeCast: {
            TypeCast* cast = reinterpret_cast<TypeCast*>(node);
            if (isTextType(cast->typeName)) gather(cast->arg, to);
            break;
        }
        case T_CollateClause: gather(reinterpret_cast<CollateClause*>(node)->arg, to); break;
        case T_CaseExpr: {
            CaseExpr* choice = reinterpret_cast<CaseExpr*>(node);
            ListCell* cell;
            foreach (cell, choice->args)
                gather(reinterpret_cast<::Node*>(lfirst_node(CaseWhen, cell)->result), to);
            gather(reinterpret_cast<::Node*>(choice->defresult), to);
            break;
        }
        case T_CoalesceExpr: gatherFirst(reinterpret_cast<CoalesceExpr*>(node)->args, to); break;
        case T_MinMaxExpr: gatherAll(reinterpret_cast<MinMaxExpr*>(node)->args, to); break;
        case T_A_ArrayExpr: gatherAll(reinterpret_cast<A_ArrayExpr*>(node)->elements, to); break;
        case T_A_Expr: {
            A_Expr* expression = reinterpret_cast<A_Expr*>(node);
            if (expression->kind == AEXPR_NULLIF) gather(expression->lexpr, to);
            break;
        }
        default: break;
    }
}

void add(RawExpression* expression, const List* literals, List* columns, bool isResult, bool isInstead) {
    const ListCell* cell;
    foreach (cell, literals) {
        const WrittenText* written = static_cast<WrittenText*>(lfirst(cell));
        RawLiteral* literal = static_cast<RawLiteral*>(palloc(sizeof(RawLiteral)));
        *literal = {written->offset, written->text, columns, isResult, isInstead};
        expression->literals = lappend(expression->literals, literal);
    }
}

// The literals without those that the other side may have as a literal, as '' in coalesce(status, '') = ''.
List* withoutTextsOf(List* literals, const PossibleValues& side) {
    const List* others = list_concat_copy(side.literals, side.standIns);
    if (list_length(others) > maxLiterals) return NIL;
    List* result = NIL;
    const ListCell *cell, *other;
    foreach (cell, literals) {
        bool found = false;
        foreach (other, others)
            found = found || strcmp(static_cast<WrittenText*>(lfirst(cell))->text,
                                    static_cast<WrittenText*>(lfirst(other))->text) == 0;
        if (!found) result = lappend(result, lfirst(cell));
    }
    return result;
}

void addPair(RawExpression* expression, const PossibleValues& left, const PossibleValues& right) {
    if (right.columns != NIL) add(expression, withoutTextsOf(left.literals, right), right.columns, false, false);
    if (left.columns != NIL) add(expression, withoutTextsOf(right.literals, left), left.columns, false, false);
}

void collectOrdered(const PossibleValues& side, RawExpression* expression) {
    expression->ordered = list_concat(expression->ordered, side.columns);
}

// Collects a comparison; the right side may be a list, and both may be rows. `ordered`: by <, > or BETWEEN.
void collectComparison(::Node* left, ::Node* right, bool ordered, RawExpression* expression) {
    check_stack_depth();
    if (left == nullptr || right == nullptr) return;
    PossibleValues ofLeft = {NIL, NIL, NIL};
    gather(left, &ofLeft);
    if (ordered) collectOrdered(ofLeft, expression);
    List* others = IsA(right, List) ? reinterpret_cast<List*>(right) : list_make1(right);
    ListCell* cell;
    foreach (cell, others) {
        ::Node* other = static_cast<::Node*>(lfirst(cell));
        if (IsA(left, RowExpr) && IsA(other, RowExpr)) {
            ListCell *one, *two;
            forboth(one, reinterpret_cast<RowExpr*>(left)->args, two, reinterpret_cast<RowExpr*>(other)->args)
                collectComparison(static_cast<::Node*>(lfirst(one)), static_cast<::Node*>(lfirst(two)), ordered,
                                  expression);
            continue;
        }
        PossibleValues ofOther = {NIL, NIL, NIL};
        gather(other, &ofOther);
        if (ordered) collectOrdered(ofOther, expression);
        addPair(expression, ofLeft, ofOther);
    }
}

// The right side of = ANY (…): ARRAY[…] or '{…}', with a cast or without one.
void collectArrayComparison(::Node* left, ::Node* array, bool ordered, RawExpression* expression) {
    if (IsA(array, TypeCast)) array = reinterpret_cast<TypeCast*>(array)->arg;
    if (IsA(array, A_ArrayExpr)) return collectComparison(left, array, ordered, expression);
    PossibleValues ofLeft = {NIL, NIL, NIL}, elements = {NIL, NIL, NIL};
    gather(left, &ofLeft);
    if (ordered) collectOrdered(ofLeft, expression);
    if (IsA(array, A_Const)) addElements(reinterpret_cast<A_Const*>(array), &elements.literals);
    addPair(expression, ofLeft, elements);
}

void collectOperator(A_Expr* expression, RawExpression* to) {
    const char* name = strVal(llast(expression->name));
    bool ordered = isComparison(name) && strcmp(name, "=") != 0 && strcmp(name, "<>") != 0;
    switch (expression->kind) {
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL:
            if (isComparison(name)) collectArrayComparison(expression->lexpr, expression->rexpr, ordered, to);
            return;
        case AEXPR_OP:
            if (isComparison(name)) collectComparison(expression->lexpr, expression->rexpr, ordered, to);
            return;
        case AEXPR_DISTINCT:
        case AEXPR_NOT_DISTINCT:
        case AEXPR_IN:
        case AEXPR_NULLIF: collectComparison(expression->lexpr, expression->rexpr, false, to); return;
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM: collectComparison(expression->lexpr, expression->rexpr, true, to); return;
        default: return;  // a pattern
    }
}

}  // namespace

void collectLiterals(::Node* node, RawExpression* expression) {
    switch (nodeTag(node)) {
        case T_A_Expr: collectOperator(reinterpret_cast<A_Expr*>(node), expression); break;
        case T_CaseExpr: {
            CaseExpr* choice = reinterpret_cast<CaseExpr*>(node);
            List* wanted = NIL;
            ListCell* cell;
            foreach (cell, choice->args)
                wanted = lappend(wanted, lfirst_node(CaseWhen, cell)->expr);
            collectComparison(reinterpret_cast<::Node*>(choice->arg), reinterpret_cast<::Node*>(wanted), false,
                              expression);
            break;
        }
        case T_MinMaxExpr: {
            PossibleValues values = {NIL, NIL, NIL};
            gather(node, &values);
            collectOrdered(values, expression);
            break;
        }
        case T_CoalesceExpr: {
            List *literals = NIL, *columns = NIL;
            ListCell* cell;
            foreach (cell, reinterpret_cast<CoalesceExpr*>(node)->args) {
                ::Node* argument = static_cast<::Node*>(lfirst(cell));
                // An inner COALESCE is collected when the walk reaches it.
                if (IsA(argument, CoalesceExpr)) continue;
                PossibleValues values = {NIL, NIL, NIL};
                gather(argument, &values);
                columns = list_concat(columns, values.columns);
                literals = list_concat(literals, values.literals);
            }
            if (columns != NIL) add(expression, literals, list_truncate(columns, maxColumns), false, true);
            break;
        }
        default: break;
    }
}

void collectResults(::Node* tree, RawExpression* expression) {
    PossibleValues values = {NIL, NIL, NIL};
    gather(tree, &values);
    add(expression, list_concat(values.literals, values.standIns), NIL, true, false);
    expression->results = values.columns;
}

}  // namespace specql::catalog
