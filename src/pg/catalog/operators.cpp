#include "pg/catalog/operators.hpp"

#include "pg/bridge/encoding.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

namespace {

void addPiece(Analysed* result, int offset, int length, const char* sql, bool isOperator) {
    auto* piece = static_cast<Qualification*>(palloc0(sizeof(Qualification)));
    piece->offset = offset;
    piece->length = length;
    piece->text = toUtf8(sql);
    piece->isOperator = isOperator;
    result->qualifications = lappend(result->qualifications, piece);
}

bool isNoted(const Analysed* result, int offset) {
    ListCell* cell;
    foreach (cell, result->qualifications)
        if (static_cast<Qualification*>(lfirst(cell))->offset == offset) return true;
    return false;
}

int spaces(const char* at) {
    return static_cast<int>(strspn(at, " \t\r\n\f\v"));
}

// The length of the word at this place, with the space behind it; 0 if it is another one.
int wordLength(const char* at, const char* word) {
    size_t length = strlen(word);
    if (pg_strncasecmp(at, word, length) != 0) return 0;
    return static_cast<int>(length) + spaces(at + length);
}

// The length of an operator as it is written: a symbol, or [NOT] LIKE and [NOT] ILIKE. 0 if it is nothing of these.
int operatorLength(const char* at, const char* name) {
    if (strncmp(at, name, strlen(name)) == 0) return static_cast<int>(strlen(name));
    if (strcmp(name, "<>") == 0 && strncmp(at, "!=", 2) == 0) return 2;
    int negation = wordLength(at, "not");
    for (const char* word : {"like", "ilike"})
        if (pg_strncasecmp(at + negation, word, strlen(word)) == 0) return negation + static_cast<int>(strlen(word));
    return 0;
}

// x IN (a, b) becomes x OPERATOR(s.=) ANY (ARRAY[a, b]::type[]), and NOT IN becomes <> ALL.
bool qualifyIn(const char* text, int offset, bool negated, const char* sql, Oid array, Analysed* result) {
    int at = offset + (negated ? wordLength(text + offset, "not") : 0);
    int in = wordLength(text + at, "in");
    size_t open = static_cast<size_t>(at + in);
    size_t close = in > 0 && text[open] == '(' ? closingParen(text, open) : std::string_view::npos;
    if (close == std::string_view::npos || !OidIsValid(array)) return false;
    const char* begin = psprintf("%s %s (ARRAY[", sql, negated ? "ALL" : "ANY");
    const char* end = psprintf("]::%s)", typeText(array, -1));
    addPiece(result, offset, static_cast<int>(open) + 1 - offset, begin, false);
    addPiece(result, static_cast<int>(close), 1, end, false);
    return true;
}

// A name is a parameter where an expression is analysed.
bool containsName(::Node* node, void* context) {
    if (node == nullptr) return false;
    return IsA(node, Param) || expression_tree_walker(node, compat::walkerArgument(containsName), context);
}

// Gives the operators of a raw tree the names that they get.
bool renameOperators(::Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, A_Expr)) {
        auto* expression = reinterpret_cast<A_Expr*>(node);
        ListCell* cell;
        foreach (cell, static_cast<List*>(context)) {
            const auto* piece = static_cast<Qualification*>(lfirst(cell));
            if (!piece->isOperator || piece->offset != expression->location) continue;
            expression->name = list_make2(makeString(pstrdup("")), llast(expression->name));
            if (expression->kind == AEXPR_LIKE || expression->kind == AEXPR_ILIKE) expression->kind = AEXPR_OP;
        }
    }
    return raw_expression_tree_walker(node, compat::walkerArgument(renameOperators), context);
}

// The schemas do not matter where two trees are compared.
bool forgetSchemas(::Node* node, void* context) {
    if (node == nullptr) return false;
    if (IsA(node, A_Expr)) {
        auto* expression = reinterpret_cast<A_Expr*>(node);
        if (list_length(expression->name) > 1)
            expression->name = list_make2(makeString(pstrdup("")), llast(expression->name));
    }
    return raw_expression_tree_walker(node, compat::walkerArgument(forgetSchemas), context);
}

::Node* parsed(const char* text) {
    return linitial_node(RawStmt, raw_parser(withoutTakenWords(text), RAW_PARSE_PLPGSQL_EXPR))->stmt;
}

int byOffset(const ListCell* a, const ListCell* b) {
    return static_cast<Qualification*>(lfirst(a))->offset - static_cast<Qualification*>(lfirst(b))->offset;
}

}  // namespace

bool comparesRows(const A_Expr* written) {
    return written != nullptr && written->lexpr != nullptr && IsA(written->lexpr, RowExpr);
}

bool isMixedIn(const A_Expr* written, const ScalarArrayOpExpr* comparison) {
    ::Node* left = static_cast<::Node*>(linitial(comparison->args));
    ::Node* right = static_cast<::Node*>(lsecond(comparison->args));
    if (written == nullptr || written->kind != AEXPR_IN || !IsA(right, ArrayExpr)) return false;
    Oid common = getBaseType(exprType(left));
    bool hasNames = false, isForeign = false, differs = false;
    List* values = lcons(left, list_copy(reinterpret_cast<ArrayExpr*>(right)->elements));
    ListCell* cell;
    foreach (cell, values) {
        ::Node* value = strip_implicit_coercions(static_cast<::Node*>(lfirst(cell)));
        if (lfirst(cell) != left) hasNames |= containsName(value, nullptr);
        if (IsA(value, Const)) continue;
        Oid type = getBaseType(exprType(value));
        differs |= type != common;
        isForeign |= type >= FirstNormalObjectId;
    }
    return hasNames && isForeign && differs;
}

bool qualifyOperator(const A_Expr* written, Oid oid, Oid array, const char* text, Analysed* result) {
    if (written == nullptr || comparesRows(written)) return false;
    // An IN may have been analysed into several comparisons.
    if (isNoted(result, written->location)) return true;
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator %u", oid);
    auto* form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const char* name = pstrdup(NameStr(form->oprname));
    const char* sql = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), name);
    ReleaseSysCache(tuple);
    switch (written->kind) {
        case AEXPR_IN: return qualifyIn(text, written->location, strcmp(name, "<>") == 0, sql, array, result);
        case AEXPR_LIKE:
        case AEXPR_ILIKE:
            if (IsA(written->rexpr, FuncCall) && exprLocation(written->rexpr) == written->location)
                return false;  // ESCAPE
            break;
        case AEXPR_OP:
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL: break;
        default: return false;
    }
    int length = operatorLength(text + written->location, name);
    if (length == 0) return false;
    // Without a space before it the word would be a part of the name that it stands at.
    bool isApart = written->location == 0 || spaces(text + written->location - 1) > 0;
    addPiece(result, written->location, length, isApart ? sql : psprintf(" %s", sql), true);
    return true;
}

bool sameWithOperators(const char* text, const List* qualifications) {
    List* pieces = NIL;
    ListCell* cell;
    foreach (cell, qualifications)
        if (static_cast<Qualification*>(lfirst(cell))->isOperator) pieces = lappend(pieces, lfirst(cell));
    if (pieces == NIL) return true;
    list_sort(pieces, byOffset);
    StringInfoData changed;
    initStringInfo(&changed);
    int at = 0;
    foreach (cell, pieces) {
        const auto* piece = static_cast<Qualification*>(lfirst(cell));
        appendBinaryStringInfo(&changed, text + at, piece->offset - at);
        appendStringInfoString(&changed, fromUtf8(piece->text));
        at = piece->offset + piece->length;
    }
    appendStringInfoString(&changed, text + at);
    ::Node* before = parsed(text);
    ::Node* after = parsed(changed.data);
    renameOperators(before, pieces);
    forgetSchemas(before, nullptr);
    forgetSchemas(after, nullptr);
    return equal(before, after);
}

}  // namespace specql::catalog
