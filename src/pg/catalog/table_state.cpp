#include "pg/catalog/table_state.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/type_change.hpp"

extern "C" {
#include "access/relation.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/lsyscache.h"
}

namespace specql::catalog {

namespace {

Relation openTable(const TableQuestion& question) {
    Oid schema = get_namespace_oid(fromUtf8(question.schema), false);
    Oid table = get_relname_relid(fromUtf8(question.name), schema);
    if (!OidIsValid(table)) elog(ERROR, "table %s is gone", fromUtf8(question.identity));
    return relation_open(table, AccessShareLock);
}

// Parses an expression, as it is written in a generated command.
::Node* parseValue(const char* text) {
    List* statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
    SelectStmt* statement = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);
    return linitial_node(ResTarget, statement->targetList)->val;
}

::Node* defaultOf(Relation table, AttrNumber column) {
    TupleConstr* constraints = RelationGetDescr(table)->constr;
    for (int i = 0; constraints != nullptr && i < constraints->num_defval; ++i)
        if (constraints->defval[i].adnum == column)
            return static_cast< ::Node*>(stringToNode(constraints->defval[i].adbin));
    return nullptr;
}

void answerColumn(const TableQuestion& question, size_t index, TableAnswer* answer) {
    const ColumnQuestion& wanted = question.columns[index];
    ColumnAnswer* found = &answer->columns[index];
    found->type = TypeChange::impossible;
    Relation table = openTable(question);
    AttrNumber number = get_attnum(RelationGetRelid(table), fromUtf8(wanted.name));
    if (number <= 0) elog(ERROR, "column %s is gone", fromUtf8(wanted.name));
    Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), number - 1);
    Oid type;
    int32 typmod;
    compat::parseType(fromUtf8(wanted.type), &type, &typmod);
    found->type = typeChange(column->atttypid, column->atttypmod, type, typmod);
    ::Node* present = column->attgenerated == '\0' ? defaultOf(table, number) : nullptr;
    found->hasDefault = present != nullptr;
    found->sameDefault = false;
    if (wanted.defaultValue.empty()) {
        found->sameDefault = present == nullptr;
    } else if (present != nullptr) {
        ParseState* state = make_parsestate(nullptr);
        ::Node* value = cookDefault(state, parseValue(fromUtf8(wanted.defaultValue)), column->atttypid,
                                    column->atttypmod, NameStr(column->attname), '\0');
        found->sameDefault = equal(value, present);
    }
    relation_close(table, AccessShareLock);
}

// x IN ('a', 'b'), which the parser makes x = ANY (ARRAY[…]), or with one value x = 'a'. Binary casts are ignored.
struct ValueList {
    ::Node* value;
    List* values;
};

::Node* withoutRelabel(::Node* node) {
    for (;;) {
        if (nodeTag(node) == T_RelabelType)
            node = reinterpret_cast< ::Node*>(reinterpret_cast<RelabelType*>(node)->arg);
        else if (nodeTag(node) == T_ArrayCoerceExpr)
            node = reinterpret_cast< ::Node*>(reinterpret_cast<ArrayCoerceExpr*>(node)->arg);
        else
            return node;
    }
}

bool readValueList(::Node* check, ValueList* list) {
    bool several = nodeTag(check) == T_ScalarArrayOpExpr && reinterpret_cast<ScalarArrayOpExpr*>(check)->useOr;
    if (!several && nodeTag(check) != T_OpExpr) return false;
    List* args = several ? reinterpret_cast<ScalarArrayOpExpr*>(check)->args : reinterpret_cast<OpExpr*>(check)->args;
    Oid op = several ? reinterpret_cast<ScalarArrayOpExpr*>(check)->opno : reinterpret_cast<OpExpr*>(check)->opno;
    const char* name = get_opname(op);
    if (list_length(args) != 2 || name == nullptr || strcmp(name, "=") != 0) return false;
    list->value = withoutRelabel(static_cast< ::Node*>(linitial(args)));
    ::Node* right = withoutRelabel(static_cast< ::Node*>(lsecond(args)));
    if (several && nodeTag(right) != T_ArrayExpr) return false;
    list->values = several ? reinterpret_cast<ArrayExpr*>(right)->elements : list_make1(right);
    ListCell* cell;
    foreach (cell, list->values)
        if (nodeTag(withoutRelabel(static_cast< ::Node*>(lfirst(cell)))) != T_Const) return false;
    return true;
}

bool holdsAll(const ValueList& wanted, const ValueList& present) {
    ListCell* cell;
    foreach (cell, present.values) {
        bool found = false;
        ListCell* other;
        foreach (other, wanted.values)
            found = found || equal(withoutRelabel(static_cast< ::Node*>(lfirst(other))),
                                   withoutRelabel(static_cast< ::Node*>(lfirst(cell))));
        if (!found) return false;
    }
    return true;
}

CheckState compareChecks(::Node* wanted, ::Node* present) {
    if (equal(wanted, present)) return CheckState::same;
    ValueList wantedList, presentList;
    if (!readValueList(wanted, &wantedList) || !readValueList(present, &presentList) ||
        !equal(wantedList.value, presentList.value))
        return CheckState::differs;
    return holdsAll(wantedList, presentList) ? CheckState::grows : CheckState::shrinks;
}

void answerCheck(const TableQuestion& question, size_t index, TableAnswer* answer) {
    const CheckQuestion& wanted = question.checks[index];
    answer->checks[index] = CheckState::missing;
    Relation table = openTable(question);
    TupleConstr* constraints = RelationGetDescr(table)->constr;
    for (int i = 0; constraints != nullptr && i < constraints->num_check; ++i) {
        if (strcmp(constraints->check[i].ccname, fromUtf8(wanted.name)) != 0) continue;
        answer->checks[index] = CheckState::differs;  // stays if analysing the wanted check raises an error
        ParseState* state = make_parsestate(nullptr);
        ParseNamespaceItem* item = addRangeTableEntryForRelation(state, table, AccessShareLock, nullptr, false, true);
        addNSItemToQuery(state, item, true, true, true);
        ::Node* check = transformExpr(state, parseValue(fromUtf8(wanted.condition)), EXPR_KIND_CHECK_CONSTRAINT);
        check = coerce_to_boolean(state, check, "CHECK");
        assign_expr_collations(state, check);
        answer->checks[index] = compareChecks(check, static_cast< ::Node*>(stringToNode(constraints->check[i].ccbin)));
    }
    relation_close(table, AccessShareLock);
}

void listPresent(const TableQuestion& question, TableAnswer* answer) {
    Relation table = openTable(question);
    TupleConstr* constraints = RelationGetDescr(table)->constr;
    for (int i = 0; constraints != nullptr && i < constraints->num_check; ++i) {
        const char* name = toUtf8(constraints->check[i].ccname);
        answer->present.emplace_back(name);
    }
    relation_close(table, AccessShareLock);
}

void listReaders(const TableQuestion& question, TableAnswer* answer) {
    int count = spi::query(
        "SELECT DISTINCT a.attname, format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))"
        "  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace"
        "  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
        "   AND d.refobjid = to_regclass($1) "
        "UNION "
        "SELECT a.attname, format('%I.%I', n.nspname, v.relname)"
        "  FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class"
        "  JOIN pg_namespace n ON n.oid = v.relnamespace"
        "  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
        "   AND v.relkind = 'm' AND d.refobjid = to_regclass($1) ORDER BY 1, 2",
        {{TEXTOID, spi::text(question.identity)}});
    for (int row = 0; row < count; ++row) {
        const char* column = spi::cell(row, 1);
        const char* identity = spi::cell(row, 2);
        ColumnReader& reader = answer->readers.emplace_back();
        reader.column = column;
        reader.reader = identity;
    }
    SPI_freetuptable(SPI_tuptable);
}

}  // namespace

void gatherTableStates(const std::vector<TableQuestion>& questions, std::vector<TableAnswer>* answers) {
    answers->resize(questions.size());
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    setLocal("standard_conforming_strings", "on");
    for (size_t i = 0; i < questions.size(); ++i) {
        const TableQuestion& question = questions[i];
        TableAnswer* answer = &(*answers)[i];
        answer->columns.resize(question.columns.size());
        answer->checks.resize(question.checks.size());
        auto ignore = [](int, ErrorData*) {};
        inBatches(
            static_cast<int>(question.columns.size()),
            [&question, answer](int index) { answerColumn(question, static_cast<size_t>(index), answer); }, ignore);
        inBatches(
            static_cast<int>(question.checks.size()),
            [&question, answer](int index) { answerCheck(question, static_cast<size_t>(index), answer); }, ignore);
        listPresent(question, answer);
        listReaders(question, answer);
    }
    AtEOXact_GUC(true, level);
}

}  // namespace specql::catalog
