#include "pg/catalog/expression_tree.hpp"

#include "pg/catalog/expression_walk.hpp"
#include "pg/catalog/literals.hpp"

extern "C" {
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

namespace {

// The operands of one operator; resolveNames() makes each name know the others.
struct Group {
    List* columns;  // of ColumnRef
    const char* literal;
};

// The first operands of a long IN list are enough to find a type.
constexpr int maxPeers = 64;

bool refuse(Walk* walk, Code code, int offset, const char* message, const char* hint = nullptr) {
    walk->result->refusal = {code, message, hint, Max(offset, 0)};
    return true;
}

bool refuse(Walk* walk, Code code, int offset) {
    return refuse(walk, code, offset, sentenceOf(code), hintOf(code));
}

bool isArithmetic(const char* name) {
    return name[0] != '\0' && name[1] == '\0' && strchr("+-*/%", name[0]) != nullptr;
}

const char* operatorName(const A_Expr* expression) {
    return strVal(llast(expression->name));
}

bool isArithmeticNode(::Node* node) {
    if (node == nullptr || !IsA(node, A_Expr)) return false;
    const A_Expr* expression = reinterpret_cast<A_Expr*>(node);
    return expression->kind == AEXPR_OP && isArithmetic(operatorName(expression));
}

const char* literalType(const A_Const* constant) {
    switch (compat::constantOf(constant).kind) {
        case compat::ConstKind::integer: return "integer";
        case compat::ConstKind::numeric: return "numeric";
        case compat::ConstKind::boolean: return "boolean";
        case compat::ConstKind::text: return "text";
        default: return nullptr;
    }
}

// Collects the names and literals that are operands of `node`'s operator, also through arithmetic below it.
void gather(::Node* node, Group* group, bool inArithmetic) {
    check_stack_depth();
    if (node == nullptr || list_length(group->columns) >= maxPeers) return;
    if (IsA(node, ColumnRef)) {
        group->columns = lappend(group->columns, node);
    } else if (IsA(node, A_Const)) {
        const char* type = literalType(reinterpret_cast<A_Const*>(node));
        // A quoted literal beside + or - may be of any type ('1 day'); numeric is more specific than integer.
        if (type != nullptr && !(inArithmetic && strcmp(type, "text") == 0) &&
            (group->literal == nullptr || strcmp(type, "numeric") == 0))
            group->literal = type;
    } else if (IsA(node, TypeCast) && compat::isBooleanLiteralCast(reinterpret_cast<TypeCast*>(node))) {
        group->literal = "boolean";
    } else if (IsA(node, List)) {
        ListCell* cell;
        foreach (cell, reinterpret_cast<List*>(node))
            gather(static_cast<::Node*>(lfirst(cell)), group, inArithmetic);
    } else if (isArithmeticNode(node)) {
        gather(reinterpret_cast<A_Expr*>(node)->lexpr, group, true);
        gather(reinterpret_cast<A_Expr*>(node)->rexpr, group, true);
    }
}

void collectOperands(A_Expr* expression, Walk* walk) {
    switch (expression->kind) {
        case AEXPR_OP: {
            const char* name = operatorName(expression);
            if (isArithmetic(name))
                addGroup(walk, expression->lexpr, expression->rexpr, true);
            else if (isComparison(name))
                addGroup(walk, expression->lexpr, expression->rexpr, false);
            break;
        }
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL: break;  // an element beside an array
        default: addGroup(walk, expression->lexpr, expression->rexpr, false); break;
    }
}

bool walkColumn(ColumnRef* column, Walk* walk) {
    ListCell* cell;
    foreach (cell, column->fields)
        if (IsA(lfirst(cell), A_Star)) return refuse(walk, Code::E009, column->location);
    RawName* name = static_cast<RawName*>(palloc0(sizeof(RawName)));
    name->offset = column->location;
    name->fields = column->fields;
    name->query = walk->query;
    walk->result->names = lappend(walk->result->names, name);
    walk->result->walked = lappend(walk->result->walked, name);
    return false;
}

// Is this a comparison? The same name on its two sides may mean two different values.
bool isComparisonNode(const A_Expr* expression) {
    switch (expression->kind) {
        case AEXPR_OP: return expression->lexpr != nullptr && isComparison(operatorName(expression));
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL:
        case AEXPR_DISTINCT:
        case AEXPR_NOT_DISTINCT:
        case AEXPR_IN:
        case AEXPR_LIKE:
        case AEXPR_ILIKE:
        case AEXPR_SIMILAR:
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM: return true;
        default: return false;
    }
}

// Does the operator compute a value from two? Equal names on its two sides mean the same value.
bool isComputing(const char* name) {
    return isArithmetic(name) || strcmp(name, "||") == 0 || strncmp(name, "->", 2) == 0 || strncmp(name, "#>", 2) == 0;
}

bool isName(const ::Node* node) {
    return node != nullptr && IsA(node, ColumnRef);
}

bool walkSides(A_Expr* expression, bool demanded, Walk* walk) {
    bool covered = walk->covered;
    RawComparison sides = {};
    sides.begin = list_length(walk->result->walked);
    sides.leftIsName = isName(expression->lexpr);
    sides.rightIsName = isName(expression->rexpr);
    sides.isEqual = demanded && expression->kind == AEXPR_OP && strcmp(operatorName(expression), "=") == 0;
    if (walkNode(expression->lexpr, walk)) return true;
    walk->covered = covered;
    sides.middle = list_length(walk->result->walked);
    if (walkNode(expression->rexpr, walk)) return true;
    sides.end = list_length(walk->result->walked);
    bool between = sides.leftIsName && sides.rightIsName && expression->kind == AEXPR_OP;
    sides.otherOperator = between && !isComparisonNode(expression) && !isComputing(operatorName(expression));
    if (sides.otherOperator || isComparisonNode(expression)) {
        RawComparison* found = static_cast<RawComparison*>(palloc(sizeof(RawComparison)));
        *found = sides;
        walk->result->comparisons = lappend(walk->result->comparisons, found);
    }
    return false;
}

bool walkCall(FuncCall* call, Walk* walk) {
    if (call->over != nullptr) return refuse(walk, Code::E011, call->location);
    bool aggregates = call->agg_star || call->agg_distinct || call->agg_order != NIL || call->agg_filter != nullptr;
    if (call->agg_within_group || (aggregates && walk->query == 0))
        return refuse(walk, Code::E010, call->location, "an aggregate cannot be used in an expression",
                      "rules over many events are written as a windowed condition: COUNT(...) >= 5 WITHIN 1 hour");
    RawCall* found = static_cast<RawCall*>(palloc0(sizeof(RawCall)));
    found->offset = call->location;
    found->name = call->funcname;
    found->args = list_length(call->args);
    walk->result->calls = lappend(walk->result->calls, found);
    ListCell* cell;
    foreach (cell, call->agg_order)
        if (walkNode(lfirst_node(SortBy, cell)->node, walk)) return true;
    if (walkNode(call->agg_filter, walk)) return true;
    return walkNode(reinterpret_cast<::Node*>(call->args), walk);
}

bool walkCast(TypeCast* cast, Walk* walk) {
    if (cast->typeName->setof || cast->typeName->pct_type)
        return refuse(walk, Code::E014, cast->typeName->location, "this form of a type cannot be used in an expression",
                      "write the name of the type");
    if (list_length(cast->typeName->names) == 1) {
        RawType* type = static_cast<RawType*>(palloc0(sizeof(RawType)));
        type->type = cast->typeName;
        walk->result->types = lappend(walk->result->types, type);
    }
    if (cast->arg != nullptr && IsA(cast->arg, ColumnRef)) walk->casts = lappend(walk->casts, cast);
    return walkNode(cast->arg, walk);
}

bool walkChild(::Node* node, void* walk) {
    return walkNode(node, static_cast<Walk*>(walk));
}

// The offset of a clause's keyword: its last occurrence before the first operand, which is at `before`.
int keywordOffset(const char* text, const char* keyword, int before) {
    size_t length = strcspn(keyword, " ");
    for (int at = before - static_cast<int>(length); at >= 0; --at)
        if (pg_strncasecmp(text + at, keyword, length) == 0 &&
            (at == 0 || !isalnum(static_cast<unsigned char>(text[at - 1]))))
            return at;
    return before;
}

// The name of the first clause after the expression, with its offset; nullptr if there is none.
const char* otherClause(const char* text, const SelectStmt* statement, int* offset) {
    *offset = 0;
    if (statement->distinctClause != NIL) return "DISTINCT";
    struct {
        const char* name;
        const void* clause;
    } const clauses[] = {
        {"FROM", statement->fromClause},          {"WHERE", statement->whereClause},
        {"GROUP BY", statement->groupClause},     {"HAVING", statement->havingClause},
        {"WINDOW", statement->windowClause},      {"ORDER BY", statement->sortClause},
        {"OFFSET", statement->limitOffset},       {"LIMIT", statement->limitCount},
        {"FOR UPDATE", statement->lockingClause},
    };
    for (const auto& clause : clauses)
        if (clause.clause != nullptr) {
            int operand = exprLocation(static_cast<const ::Node*>(clause.clause));
            *offset = keywordOffset(text, clause.name, operand >= 0 ? operand : static_cast<int>(strlen(text)));
            return clause.name;
        }
    return nullptr;
}

// Words that PostgreSQL takes for an alias when nothing follows them.
bool isOperatorWord(const char* alias) {
    static const char* const words[] = {"and", "or", "is", "in", "like", "ilike", "between", "not"};
    for (const char* word : words)
        if (pg_strcasecmp(alias, word) == 0) return true;
    return false;
}

// The offset of the target's alias: the last occurrence of its name.
int aliasOffset(const char* text, const char* alias) {
    size_t length = strlen(alias);
    for (int at = static_cast<int>(strlen(text)) - static_cast<int>(length); at > 0; --at)
        if (pg_strncasecmp(text + at, alias, length) == 0) return at > 0 && text[at - 1] == '"' ? at - 1 : at;
    return 0;
}

int byOffset(const ListCell* a, const ListCell* b) {
    return static_cast<RawName*>(lfirst(a))->offset - static_cast<RawName*>(lfirst(b))->offset;
}

void resolveNames(Walk* walk) {
    RawExpression* result = walk->result;
    list_sort(result->names, byOffset);
    ListCell* cell;
    foreach (cell, result->names)
        static_cast<RawName*>(lfirst(cell))->index = foreach_current_index(cell);
    foreach (cell, walk->casts) {
        TypeCast* cast = static_cast<TypeCast*>(lfirst(cell));
        int32 typmod;
        // A type that does not exist is the analyser's to report.
        Type type = LookupTypeName(nullptr, cast->typeName, &typmod, true);
        if (type != nullptr) {
            Oid oid = typeTypeId(type);
            ReleaseSysCache(type);
            nameAt(result, reinterpret_cast<ColumnRef*>(cast->arg)->location)->castTo = typeText(oid, typmod);
        }
    }
    foreach (cell, walk->groups) {
        Group* group = static_cast<Group*>(lfirst(cell));
        ListCell* column;
        foreach (column, group->columns) {
            RawName* name = nameAt(result, static_cast<ColumnRef*>(lfirst(column))->location);
            if (name->literalPeer == nullptr) name->literalPeer = group->literal;
            ListCell* other;
            foreach (other, group->columns)
                if (lfirst(other) != lfirst(column))
                    name->peers =
                        lappend(name->peers, nameAt(result, static_cast<ColumnRef*>(lfirst(other))->location));
        }
    }
}

// Finds the names that are added in a sum: x in `x + a - b` or `a + (x - b)`, so that the rest can be added to x.
void findAddends(RawExpression* result) {
    List* pending = list_make1(result->tree);
    List* depths = list_make1_int(0);
    while (pending != NIL) {
        ::Node* node = static_cast<::Node*>(llast(pending));
        int depth = llast_int(depths);
        pending = list_delete_last(pending);
        depths = list_delete_last(depths);
        if (IsA(node, ColumnRef)) {
            RawName* name = nameAt(result, reinterpret_cast<ColumnRef*>(node)->location);
            if (name != nullptr) name->addend = depth;
        }
        if (!isArithmeticNode(node)) continue;
        const A_Expr* expression = reinterpret_cast<A_Expr*>(node);
        bool adds = strcmp(operatorName(expression), "+") == 0;
        if ((!adds && strcmp(operatorName(expression), "-") != 0) || expression->lexpr == nullptr) continue;
        pending = lappend(pending, expression->lexpr);
        depths = lappend_int(depths, depth + 1);
        if (!adds) continue;
        pending = lappend(pending, expression->rexpr);
        depths = lappend_int(depths, depth + 1);
    }
}

}  // namespace

void addGroup(Walk* walk, ::Node* left, ::Node* right, bool inArithmetic) {
    Group* group = static_cast<Group*>(palloc0(sizeof(Group)));
    gather(left, group, inArithmetic);
    gather(right, group, inArithmetic);
    if (group->columns != NIL) walk->groups = lappend(walk->groups, group);
    walk->covered = true;
}

bool walkNode(::Node* node, Walk* walk) {
    if (node == nullptr) return false;
    check_stack_depth();
    bool covered = walk->covered;
    bool direct = walk->direct;
    bool negated = walk->negated;
    walk->covered = covered && IsA(node, List);
    walk->direct = false;
    collectLiterals(node, walk->result);
    switch (nodeTag(node)) {
        case T_ColumnRef: return walkColumn(reinterpret_cast<ColumnRef*>(node), walk);
        case T_FuncCall: return walkCall(reinterpret_cast<FuncCall*>(node), walk);
        case T_TypeCast: return walkCast(reinterpret_cast<TypeCast*>(node), walk);
        case T_A_Const:
        case T_String: return false;
        case T_SQLValueFunction:
            walk->result->sqlValues =
                lappend_int(walk->result->sqlValues, reinterpret_cast<SQLValueFunction*>(node)->location);
            return false;
        case T_BoolExpr: return walkBoolean(reinterpret_cast<BoolExpr*>(node), direct, walk);
        case T_CaseExpr: return walkCase(reinterpret_cast<CaseExpr*>(node), direct, walk);
        case T_CoalesceExpr: return walkCoalesce(reinterpret_cast<CoalesceExpr*>(node), direct, walk);
        case T_BooleanTest: return walkTest(reinterpret_cast<BooleanTest*>(node), direct, walk);
        case T_SubLink: return walkQuery(reinterpret_cast<SubLink*>(node), walk);
        case T_ParamRef: return refuse(walk, Code::E007, exprLocation(node));
        case T_SetToDefault: return refuse(walk, Code::E008, exprLocation(node));
        case T_A_Star: return refuse(walk, Code::E009, 0);
        case T_GroupingFunc:
            return refuse(walk, Code::E010, exprLocation(node), "GROUPING cannot be used in an expression");
        case T_A_Expr: {
            A_Expr* expression = reinterpret_cast<A_Expr*>(node);
            if (covered && isArithmeticNode(node))
                walk->covered = true;
            else
                collectOperands(expression, walk);
            walk->result->operators = lappend(walk->result->operators, expression);
            return walkSides(expression, direct && !negated, walk);
        }
        case T_MinMaxExpr:
            addGroup(walk, reinterpret_cast<::Node*>(reinterpret_cast<MinMaxExpr*>(node)->args), nullptr, false);
            break;
        case T_XmlSerialize: return walkNode(reinterpret_cast<XmlSerialize*>(node)->expr, walk);
        case T_List: {
            ListCell* cell;
            foreach (cell, reinterpret_cast<List*>(node)) {
                walk->covered = covered;
                if (walkNode(static_cast<::Node*>(lfirst(cell)), walk)) return true;
            }
            return false;
        }
        case T_NullTest: {
            const NullTest* test = reinterpret_cast<NullTest*>(node);
            ::Node* tested = reinterpret_cast<::Node*>(test->arg);
            if (test->nulltesttype == IS_NOT_NULL && isName(tested))
                walk->result->notNull = lappend(walk->result->notNull, tested);
            break;
        }
        case T_A_ArrayExpr:
        case T_A_Indirection:
        case T_A_Indices:
        case T_NamedArgExpr:
        case T_CollateClause:
        case T_RowExpr:
        case T_XmlExpr:
        case T_ResTarget:  // XMLFOREST(a AS b)
            break;
        case T_TypeName: return false;  // of a JSON constructor
        default:
            if (compat::isJsonAggregateNode(nodeTag(node)))
                return refuse(walk, Code::E010, 0, "an aggregate cannot be used in an expression");
            if (!compat::isScalarJsonNode(nodeTag(node)))
                return refuse(walk, Code::E014, exprLocation(node), "this form of SQL cannot be used in an expression",
                              "Operators, function calls, CASE and constants can");
            break;
    }
    return raw_expression_tree_walker(node, compat::walkerArgument(walkChild), walk);
}

bool isComparison(const char* name) {
    static const char* const names[] = {"=", "<>", "<", ">", "<=", ">="};
    for (const char* known : names)
        if (strcmp(name, known) == 0) return true;
    return false;
}

RawName* nameAt(const RawExpression* expression, int offset) {
    int low = 0;
    int high = list_length(expression->names) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        RawName* name = static_cast<RawName*>(list_nth(expression->names, middle));
        if (name->offset == offset) return name;
        if (name->offset < offset)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return nullptr;
}

RawExpression* parseExpression(const char* text) {
    RawExpression* result = static_cast<RawExpression*>(palloc0(sizeof(RawExpression)));
    Walk walk = {result, NIL, NIL, false, false, false, 0, 0, nullptr};
    const char* masked = withoutTakenWords(text);
    List* statements = raw_parser(masked, RAW_PARSE_PLPGSQL_EXPR);
    SelectStmt* statement = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);

    int offset;
    const char* clause = otherClause(text, statement, &offset);
    if (clause != nullptr) {
        refuse(&walk, Code::E005, offset, psprintf("an expression cannot have a clause %s", clause),
               "write one value, without the clauses of a query; a query goes into an SQL function");
        return result;
    }
    if (list_length(statement->targetList) != 1) {
        // The spec stage refuses empty texts, so this is a list; an empty one comes without a second item.
        bool several = statement->targetList != NIL;
        refuse(&walk, Code::E004, several ? exprLocation(static_cast<::Node*>(lsecond(statement->targetList))) : 0,
               several ? "one expression is wanted, but several are separated by commas" : "an expression is missing",
               "A list of values is written ARRAY[a, b], a row ROW(a, b)");
        return result;
    }
    ResTarget* target = linitial_node(ResTarget, statement->targetList);
    if (target->name != nullptr && isOperatorWord(target->name)) {
        refuse(&walk, Code::E012, aliasOffset(text, target->name),
               psprintf("the right side of \"%s\" is missing", target->name), "write a condition behind it");
        return result;
    }
    if (target->name != nullptr) {
        refuse(&walk, Code::E012, aliasOffset(text, target->name),
               psprintf("\"%s\" follows the end of the expression", target->name),
               "an operator may be missing before it; a text is written in single quotes");
        return result;
    }
    if (walkCondition(target->val, false, &walk)) return result;
    collectResults(target->val, result);
    result->tree = target->val;
    result->condition = walk.part;
    if (IsA(target->val, A_Expr) && reinterpret_cast<A_Expr*>(target->val)->kind == AEXPR_OP) {
        const char* name = operatorName(reinterpret_cast<A_Expr*>(target->val));
        result->isJsonPart = strcmp(name, "->") == 0 || strcmp(name, "#>") == 0;
    }
    if (IsA(target->val, A_Const)) {
        result->literal = reinterpret_cast<A_Const*>(target->val);
    } else if (IsA(target->val, TypeCast) && compat::isBooleanLiteralCast(reinterpret_cast<TypeCast*>(target->val))) {
        result->literal = reinterpret_cast<A_Const*>(reinterpret_cast<TypeCast*>(target->val)->arg);
        result->literalIsBoolean = true;
    }
    resolveNames(&walk);
    restoreTakenWords(text, masked, result);
    findAddends(result);
    return result;
}

char* typeText(Oid type, int32 typmod) {
    char* text = format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
    const char prefix[] = "pg_catalog.";
    return strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
}

}  // namespace specql::catalog
