#include "pg/capture/compile.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/capture/images.hpp"
#include "pg/capture/safety.hpp"

namespace specql::capture {

namespace {

// ---- reading the function ------------------------------------------------------------------------------------------

struct Output {
    const char* name;
    Oid type;
    Expr* value;  // as written
};

// The old and new row are either two parameters of the table's row type, or two range table entries of the table. The
// second form leaves ALTER TABLE free: a server since the minor releases of 2026 refuses to rewrite a table, or to add
// a column with a default to it, while a stored function body mentions its row type.
struct CaptureFunction {
    const char* name;
    Oid owner;
    int oldEntry;  // range table index of the old row; 0 for parameters
    int newEntry;
    int outputCount;
    Output* outputs;
};

[[noreturn]] void refuse(const char* name, const char* why) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION), errmsg("function %s cannot capture events: %s", name, why),
             errhint("Apply the spec of the action again.")));
    pg_unreachable();
}

// Somebody changed the table so that the function could not stay, or called specql.detach.
[[noreturn]] void refuseMissing(const char* name, Relation relation) {
    MemoryContext caller = CurrentMemoryContext;
    const char* problem = nullptr;
    bool putAside = false;
    spi::connect();
    runAsExtensionOwner([name, caller, &problem, &putAside] {
        putAside = spi::query("SELECT p.problem FROM specql.put_aside AS p WHERE p.capture = $1",
                              {{TEXTOID, CStringGetTextDatum(name)}}) > 0;
        const char* found = putAside ? spi::cell(0, 1) : nullptr;
        if (found != nullptr) problem = MemoryContextStrdup(caller, found);
    });
    spi::finish();
    if (!putAside) refuse(name, "it does not exist");
    ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
                    errmsg("function %s cannot capture events: %s", name,
                           problem != nullptr ? problem : "it was put aside by specql.detach"),
                    errhint("Apply the spec of the action as it has to be now, or mend the table and SELECT "
                            "specql.attach('%s').",
                            quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                                       RelationGetRelationName(relation)))));
    pg_unreachable();
}

// Is this the table under the name `alias`?
bool isEntry(const Query* query, int index, Relation relation, const char* alias) {
    const RangeTblEntry* entry = rt_fetch(index, query->rtable);
    return entry->rtekind == RTE_RELATION && entry->relid == RelationGetRelid(relation) &&
           strcmp(entry->eref->aliasname, alias) == 0;
}

// The tree of a body that is BEGIN ATOMIC … END or RETURN …; nullptr if it is something else.
Node* bodyTree(HeapTuple tuple) {
    bool isNull;
    Datum body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isNull);
    return isNull ? nullptr : static_cast<Node*>(stringToNode(TextDatumGetCString(body)));
}

// The one SELECT of a body that is BEGIN ATOMIC … END or RETURN ….
Query* bodyQuery(HeapTuple tuple, Relation relation, CaptureFunction* function) {
    Node* tree = bodyTree(tuple);
    if (tree == nullptr) refuse(function->name, "its body is not BEGIN ATOMIC ... END");
    if (IsA(tree, List)) {
        List* statements = linitial_node(List, reinterpret_cast<List*>(tree));
        if (list_length(statements) != 1) refuse(function->name, "its body is more than one statement");
        tree = static_cast<Node*>(linitial(statements));
    }
    Query* query = castNode(Query, tree);
    if (query->commandType != CMD_SELECT || query->hasSubLinks || query->hasAggs || query->hasWindowFuncs ||
        query->hasTargetSRFs || query->setOperations != nullptr || query->cteList != NIL)
        refuse(function->name, "its body is more than a list of expressions");
    if (query->jointree->fromlist == NIL) return query;
    if (list_length(query->rtable) != 2 || !isEntry(query, 1, relation, "old") || !isEntry(query, 2, relation, "new"))
        refuse(function->name, "its body reads something else than the table AS old, the table AS new");
    function->oldEntry = 1;
    function->newEntry = 2;
    return query;
}

CaptureFunction readFunction(const char* name, Relation relation) {
    CaptureFunction result;
    memset(&result, 0, sizeof result);
    result.name = name;
    Oid oid = requireCaptureFunction(name, relation);
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", oid);
    result.owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
    requireRightsOver(relation, result.owner, "capture function");

    Query* query = bodyQuery(tuple, relation, &result);
    Oid* types;
    char** names;
    char* modes;
    int count = get_func_arg_info(tuple, &types, &names, &modes);
    if (modes == nullptr || names == nullptr) refuse(name, "it has no OUT parameters");
    result.outputs = static_cast<Output*>(palloc0(sizeof(Output) * count));
    ListCell* cell = list_head(query->targetList);
    for (int i = 0; i < count; ++i) {
        if (modes[i] != PROARGMODE_OUT) continue;
        if (cell == nullptr || lfirst_node(TargetEntry, cell)->resjunk)
            refuse(name, "it has more OUT parameters than expressions");
        Output* output = &result.outputs[result.outputCount++];
        Expr* value = lfirst_node(TargetEntry, cell)->expr;
        output->name = names[i];
        output->type = types[i];
        output->value = reinterpret_cast<Expr*>(
            coerce_to_target_type(nullptr, reinterpret_cast<Node*>(value), exprType(reinterpret_cast<Node*>(value)),
                                  types[i], -1, COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1));
        if (output->value == nullptr) refuse(name, psprintf("its output \"%s\" has the wrong type", names[i]));
        cell = lnext(query->targetList, cell);
    }
    ReleaseSysCache(tuple);
    return result;
}

// A virtual generated column is computed where it is read; the row that a trigger gets has none. Those of row images
// are the affair of compileImages().
void expandVirtualColumns(CaptureFunction* function, Relation relation) {
    for (int i = 0; i < function->outputCount; ++i) {
        if (strcmp(function->outputs[i].name, "data") == 0) continue;
        Node* value = reinterpret_cast<Node*>(function->outputs[i].value);
        for (int entry : {function->oldEntry, function->newEntry})
            if (entry != 0) value = compat::withVirtualColumns(value, relation, entry);
        function->outputs[i].value = reinterpret_cast<Expr*>(value);
    }
}

// ---- references to the old and new row ----------------------------------------------------------------------------

struct Rewrite {
    const CaptureFunction* function;
    Operation operation;
};

Node* rowReference(const Rewrite* rewrite, bool isOld, int column, Oid type, int32 typmod, Oid collation) {
    // An insert has no old row, a delete no new one, and a TRUNCATE neither: it and its columns become NULL constants,
    // so that the planner simplifies the expressions that use them.
    bool absent =
        rewrite->operation == opTruncate || (isOld ? rewrite->operation == opInsert : rewrite->operation == opDelete);
    if (absent) return reinterpret_cast<Node*>(makeNullConst(type, typmod, collation));
    return reinterpret_cast<Node*>(
        makeVar(isOld ? INNER_VAR : OUTER_VAR, static_cast<AttrNumber>(column), type, typmod, collation, 0));
}

Node* replaceRowReferences(Node* node, void* context) {
    if (node == nullptr) return nullptr;
    const auto* rewrite = static_cast<const Rewrite*>(context);
    if (IsA(node, Var)) {
        const Var* var = reinterpret_cast<Var*>(node);
        if (var->varattno < 0) refuse(rewrite->function->name, "it reads a system column");
        return rowReference(rewrite, compat::entryOf(var) == rewrite->function->oldEntry, var->varattno, var->vartype,
                            var->vartypmod, var->varcollid);
    }
    if (IsA(node, FieldSelect) && IsA(reinterpret_cast<FieldSelect*>(node)->arg, Param)) {
        const FieldSelect* field = reinterpret_cast<FieldSelect*>(node);
        return rowReference(rewrite, reinterpret_cast<Param*>(field->arg)->paramid == 1, field->fieldnum,
                            field->resulttype, field->resulttypmod, field->resultcollid);
    }
    if (IsA(node, Param)) {
        const Param* param = reinterpret_cast<Param*>(node);
        return rowReference(rewrite, param->paramid == 1, 0, param->paramtype, param->paramtypmod, param->paramcollid);
    }
    return expression_tree_mutator(node, compat::mutatorArgument(replaceRowReferences), context);
}

Expr* planForRows(const CaptureFunction& function, Expr* value, Operation operation) {
    Rewrite rewrite = {&function, operation};
    return expression_planner(reinterpret_cast<Expr*>(replaceRowReferences(reinterpret_cast<Node*>(value), &rewrite)));
}

// ---- one operation ------------------------------------------------------------------------------------------------

void compileBranches(const CaptureFunction& function, CompiledCapture* compiled, Expr* branches, Operation operation,
                     List** conditions) {
    List* elements = NIL;
    if (branches != nullptr && IsA(branches, ArrayExpr) && !reinterpret_cast<ArrayExpr*>(branches)->multidims)
        elements = reinterpret_cast<ArrayExpr*>(branches)->elements;
    if (elements == NIL) {
        Expr* array = branches == nullptr ? nullptr : planForRows(function, branches, operation);
        compiled->branchArray = ExecInitExpr(array, nullptr);
        addColumnsRead(reinterpret_cast<Node*>(array), &compiled->reads);
        compiled->mayRaise = mayRaise(reinterpret_cast<Node*>(array));
        compiled->callsForeign = callsForeign(reinterpret_cast<Node*>(array));
        *conditions = lappend(*conditions, nullptr);
        return;
    }
    compiled->branchCount = list_length(elements);
    compiled->branches = static_cast<ExprState**>(palloc(sizeof(ExprState*) * compiled->branchCount));
    for (int i = 0; i < compiled->branchCount; ++i) {
        Expr* condition = planForRows(function, static_cast<Expr*>(list_nth(elements, i)), operation);
        compiled->branches[i] = ExecInitExpr(condition, nullptr);
        addColumnsRead(reinterpret_cast<Node*>(condition), &compiled->reads);
        compiled->mayRaise |= mayRaise(reinterpret_cast<Node*>(condition));
        compiled->callsForeign |= callsForeign(reinterpret_cast<Node*>(condition));
        *conditions = lappend(*conditions, safePrefix(condition));
    }
}

Expr* nullColumn(TupleDesc rowDescriptor, int column) {
    Form_pg_attribute attribute = TupleDescAttr(rowDescriptor, column);
    return reinterpret_cast<Expr*>(makeNullConst(attribute->atttypid, attribute->atttypmod, attribute->attcollation));
}

CompiledCapture* compileFor(const CaptureFunction& function, const int* columns, TupleDesc rowDescriptor,
                            Operation operation, Relation relation, ExprContext* evaluation, List** conditions) {
    auto* compiled = static_cast<CompiledCapture*>(palloc0(sizeof(CompiledCapture)));
    Expr** values = static_cast<Expr**>(palloc0(sizeof(Expr*) * rowDescriptor->natts));
    Expr* branches = nullptr;
    for (int i = 0; i < function.outputCount; ++i) {
        if (columns[i] == captured::branches)
            branches = function.outputs[i].value;
        else
            values[columns[i]] = planForRows(function, function.outputs[i].value, operation);
    }
    compileBranches(function, compiled, branches, operation, conditions);
    compiled->images = compileImages(values[captured::data], operation, relation);
    values[captured::data] = nullptr;
    List* targets = NIL;
    for (int column = 0; column < rowDescriptor->natts; ++column) {
        Expr* value = values[column] != nullptr ? values[column] : nullColumn(rowDescriptor, column);
        targets = lappend(targets, makeTargetEntry(value, static_cast<AttrNumber>(column + 1), nullptr, false));
        addColumnsRead(reinterpret_cast<Node*>(value), &compiled->reads);
        compiled->mayRaise |= mayRaise(reinterpret_cast<Node*>(value));
        compiled->callsForeign |= callsForeign(reinterpret_cast<Node*>(value));
    }
    compiled->readsWithheld = areWithheld(compiled->images, compiled->reads);
    if (compiled->mayRaise) compiled->subject = ExecInitExpr(values[captured::subject], nullptr);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(rowDescriptor, &TTSOpsVirtual);
    compiled->row = ExecBuildProjectionInfo(targets, evaluation, slot, nullptr, nullptr);
    return compiled;
}

void requireType(const char* name, const Output* output, Oid type) {
    if (output->type != type)
        refuse(name, psprintf("its output \"%s\" must be of type %s", output->name, format_type_be(type)));
}

}  // namespace

Oid findCaptureFunction(const char* name, Relation relation) {
    Oid row = relation->rd_rel->reltype;
    Oid arguments[2] = {row, row};
    List* parts = compat::nameParts(name);
    Oid function = LookupFuncName(parts, 0, nullptr, true);
    return OidIsValid(function) ? function : LookupFuncName(parts, 2, arguments, true);
}

Oid requireCaptureFunction(const char* name, Relation relation) {
    Oid function = findCaptureFunction(name, relation);
    if (!OidIsValid(function)) refuseMissing(name, relation);
    return function;
}

CaptureTarget captureTargetOf(Oid function, Relation relation) {
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) return CaptureTarget::unknown;
    bool ofRows = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->pronargs == 2;
    Node* tree = ofRows ? nullptr : bodyTree(tuple);
    ReleaseSysCache(tuple);
    if (ofRows) return CaptureTarget::table;  // findCaptureFunction() found it by the row type of the table
    if (tree != nullptr && IsA(tree, List)) {
        List* statements = linitial_node(List, reinterpret_cast<List*>(tree));
        tree = statements == NIL ? nullptr : static_cast<Node*>(linitial(statements));
    }
    if (tree == nullptr || !IsA(tree, Query) || castNode(Query, tree)->rtable == NIL) return CaptureTarget::unknown;
    const RangeTblEntry* entry = rt_fetch(1, castNode(Query, tree)->rtable);
    return entry->relid == RelationGetRelid(relation) ? CaptureTarget::table : CaptureTarget::another;
}

Oid functionOwner(Oid function) {
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for function %u", function);
    Oid owner = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple))->proowner;
    ReleaseSysCache(tuple);
    return owner;
}

void requireRightsOver(Relation relation, Oid functionOwner, const char* what) {
    if (compat::ownsTable(RelationGetRelid(relation), functionOwner)) return;
    const char* owner = GetUserNameFromId(relation->rd_rel->relowner, true);
    const char* other = GetUserNameFromId(functionOwner, true);
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("the %s of an action on %s.%s belongs to %s, who has not the rights of the table's owner %s",
                           what, get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation),
                           other != nullptr ? other : "nobody", owner != nullptr ? owner : "nobody"),
                    errhint("Let the table's owner apply the spec of the action.")));
}

ExprState* initExpression(Expr* expression, Oid owner) {
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(owner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    ExprState* state = ExecInitExpr(expression, nullptr);
    SetUserIdAndSecContext(user, securityContext);
    return state;
}

TupleDesc makeRowDescriptor(int outputs) {
    TupleDesc rowDescriptor = CreateTemplateTupleDesc(captured::firstOutput + outputs);
    TupleDescInitEntry(rowDescriptor, captured::branches + 1, "branches", BYTEAOID, -1, 0);
    TupleDescInitEntry(rowDescriptor, captured::time + 1, "event_time", TIMESTAMPTZOID, -1, 0);
    TupleDescInitEntry(rowDescriptor, captured::subject + 1, "subject", TEXTOID, -1, 0);
    TupleDescInitEntry(rowDescriptor, captured::data + 1, "event_data", JSONBOID, -1, 0);
    return rowDescriptor;
}

void compileCapture(Listener* listener, const char* captureName, Relation relation, ExprContext* evaluation,
                    List* conditions[operationCount]) {
    CaptureFunction function = readFunction(captureName, relation);
    expandVirtualColumns(&function, relation);
    int* columns = static_cast<int*>(palloc(sizeof(int) * Max(function.outputCount, 1)));
    int outputs = 0;
    for (int i = 0; i < function.outputCount; ++i) {
        const Output* output = &function.outputs[i];
        if (strcmp(output->name, "branches") == 0) {
            requireType(captureName, output, BOOLARRAYOID);
            columns[i] = captured::branches;
        } else if (strcmp(output->name, "subject") == 0) {
            requireType(captureName, output, TEXTOID);
            columns[i] = captured::subject;
        } else if (strcmp(output->name, "data") == 0) {
            requireType(captureName, output, JSONBOID);
            columns[i] = captured::data;
        } else {
            columns[i] = captured::firstOutput + outputs++;
        }
    }
    listener->rowDescriptor = makeRowDescriptor(outputs);
    for (int i = 0; i < function.outputCount; ++i)
        if (columns[i] >= captured::firstOutput)
            TupleDescInitEntry(listener->rowDescriptor, static_cast<AttrNumber>(columns[i] + 1),
                               function.outputs[i].name, function.outputs[i].type, -1, 0);
    listener->captureOwner = function.owner;

    // ExecInitExpr() checks EXECUTE privileges, which must be those of the owner, as in initExpression().
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(function.owner, securityContext | SECURITY_LOCAL_USERID_CHANGE);
    for (int operation = 0; operation < operationCount; ++operation)
        if (listener->operations & (1 << operation))
            listener->compiled[operation] =
                compileFor(function, columns, listener->rowDescriptor, static_cast<Operation>(operation), relation,
                           evaluation, &conditions[operation]);
    SetUserIdAndSecContext(user, securityContext);
}

namespace {

uint8_t* clearMask(Listener* listener, int bytes) {
    if (listener->maskSize < bytes) {
        listener->mask = static_cast<uint8_t*>(MemoryContextAlloc(listener->context, bytes));
        listener->maskSize = bytes;
    }
    memset(listener->mask, 0, bytes);
    return listener->mask;
}

int evaluateArray(Listener* listener, ExprState* array, ExprContext* evaluation) {
    bool isNull;
    Datum value = ExecEvalExprSwitchContext(array, evaluation, &isNull);
    if (isNull) return 0;
    Datum* elements;
    bool* nulls;
    int count;
    MemoryContext before = MemoryContextSwitchTo(evaluation->ecxt_per_tuple_memory);
    deconstruct_array(DatumGetArrayTypeP(value), BOOLOID, 1, true, TYPALIGN_CHAR, &elements, &nulls, &count);
    MemoryContextSwitchTo(before);
    uint8_t* mask = clearMask(listener, (count + 7) / 8);
    bool matched = false;
    for (int i = 0; i < count; ++i)
        if (!nulls[i] && DatumGetBool(elements[i])) {
            mask[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
            matched = true;
        }
    return matched ? (count + 7) / 8 : 0;
}

}  // namespace

int evaluateBranches(Listener* listener, CompiledCapture* compiled, ExprContext* evaluation) {
    if (compiled->branches == nullptr)
        return compiled->branchArray == nullptr ? 0 : evaluateArray(listener, compiled->branchArray, evaluation);
    int bytes = (compiled->branchCount + 7) / 8;
    uint8_t* mask = clearMask(listener, bytes);
    bool matched = false;
    for (int i = 0; i < compiled->branchCount; ++i) {
        bool isNull;
        Datum value = ExecEvalExprSwitchContext(compiled->branches[i], evaluation, &isNull);
        if (!isNull && DatumGetBool(value)) {
            mask[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
            matched = true;
        }
    }
    return matched ? bytes : 0;
}

}  // namespace specql::capture
