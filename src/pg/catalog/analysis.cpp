#include "pg/catalog/analysis.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/expression_tree.hpp"
#include "pg/catalog/lookup_path.hpp"
#include "pg/catalog/server_message.hpp"
#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "utils/catcache.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

namespace {

struct KnownType {
    Oid oid = InvalidOid;
    int32 typmod = -1;
};
using KnownTypes = std::map<std::string, KnownType>;

// The data of the column hook: the names of one request, and the text in both encodings.
struct Bindings {
    const AnalysisRequest* request;
    const KnownTypes* types;
    const char* utf8;
    const char* server;
};

// A problem that is found in an analysed tree, as plain data.
struct Finding {
    const char* code;  // nullptr if there is none
    const char* message;
    const char* hint;
    int offset;
};

struct Qualification {
    int offset;        // in the server's text
    const char* text;  // in UTF-8
};

struct Moment {
    int offset;  // in the server's text
    const char* text;
    const char* hint;
};

struct Analysed {
    Finding finding;
    const char* type;  // in UTF-8
    bool isVolatile;
    bool isImmutable;
    bool readsRows;
    List* qualifications;  // of Qualification
    List* moments;         // of Moment
};

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

// Makes each name a parameter node of its type, so that the analyser treats it like any value.
::Node* bindColumn(ParseState* state, ColumnRef* column) {
    const Bindings* bindings = static_cast<Bindings*>(state->p_ref_hook_state);
    size_t offset = utf8Offset(bindings->server, bindings->utf8, static_cast<size_t>(column->location));
    int number = 0;
    for (const TypedName& name : bindings->request->names) {
        ++number;
        if (name.offset != offset) continue;
        const KnownType& type = bindings->types->find(name.type)->second;
        if (!OidIsValid(type.oid))
            ereport(ERROR,
                    (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type \"%s\" does not exist", fromUtf8(name.type)),
                     parser_errposition(state, column->location)));
        Param* value = makeNode(Param);
        value->paramkind = PARAM_EXTERN;
        value->paramid = number;
        value->paramtype = type.oid;
        value->paramtypmod = -1;
        value->paramcollid = get_typcollation(type.oid);
        value->location = column->location;
        return reinterpret_cast<::Node*>(value);
    }
    return nullptr;  // the analyser says that there is no such column
}

struct Check {
    const RawExpression* raw;
    Analysed* result;
};

bool refuse(Check* check, const char* code, int offset, const char* message, const char* hint) {
    check->result->finding = {code, message, hint, Max(offset, 0)};
    return true;
}

const RawCall* callAt(const RawExpression* raw, int offset) {
    ListCell* cell;
    foreach (cell, raw->calls)
        if (static_cast<RawCall*>(lfirst(cell))->offset == offset) return static_cast<RawCall*>(lfirst(cell));
    return nullptr;
}

void qualify(Check* check, int offset, Oid schema, const char* name) {
    Qualification* found = static_cast<Qualification*>(palloc(sizeof(Qualification)));
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

bool checkOperator(Check* check, Oid oid, int offset) {
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for operator %u", oid);
    Form_pg_operator form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    Oid schema = form->oprnamespace;
    const char* name = pstrdup(NameStr(form->oprname));
    ReleaseSysCache(tuple);
    if (schema == PG_CATALOG_NAMESPACE) return false;
    ListCell* cell;
    foreach (cell, check->raw->qualifiedOperators)
        if (static_cast<RawOperator*>(lfirst(cell))->offset == offset) return false;
    const char* schemaName = toUtf8(quote_identifier(get_namespace_name(schema)));
    return refuse(
        check, "SPQL-E107", offset,
        psprintf("operator \"%s\" is found in schema %s only, where generated code does not look", name, schemaName),
        psprintf("Write OPERATOR(%s.%s)", schemaName, name));
}

bool checkNode(::Node* node, void* context) {
    Check* check = static_cast<Check*>(context);
    if (node == nullptr) return false;
    switch (nodeTag(node)) {
        case T_Aggref:
            return refuse(check, "SPQL-E104", exprLocation(node), "an aggregate cannot be used in an expression",
                          "Rules over many events are written as a windowed condition: COUNT(...) >= 5 WITHIN 1 hour");
        case T_WindowFunc:
            return refuse(check, "SPQL-E105", exprLocation(node), "a window function cannot be used in an expression",
                          "Rules over many events are written as a windowed condition: COUNT(...) >= 5 WITHIN 1 hour");
        case T_FuncExpr: {
            FuncExpr* call = reinterpret_cast<FuncExpr*>(node);
            if (call->funcretset)
                return refuse(check, "SPQL-E103", call->location,
                              "a function that returns a set cannot be used in an expression",
                              "One value is wanted; call it in an SQL function that returns one");
            checkFunction(check, call->funcid, call->funcformat, call->location);
            break;
        }
        case T_OpExpr:
        case T_DistinctExpr:
        case T_NullIfExpr: {
            OpExpr* call = reinterpret_cast<OpExpr*>(node);
            if (call->opretset)
                return refuse(check, "SPQL-E103", call->location,
                              "an operator that returns a set cannot be used in an expression", "One value is wanted");
            if (checkOperator(check, call->opno, call->location)) return true;
            break;
        }
        case T_ScalarArrayOpExpr: {
            ScalarArrayOpExpr* call = reinterpret_cast<ScalarArrayOpExpr*>(node);
            if (checkOperator(check, call->opno, call->location)) return true;
            break;
        }
        case T_RowCompareExpr: {
            ListCell* cell;
            foreach (cell, reinterpret_cast<RowCompareExpr*>(node)->opnos)
                if (checkOperator(check, lfirst_oid(cell), exprLocation(node))) return true;
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

// The text between the quotes at this place, in small letters; nullptr if none begins there.
char* quotedText(const char* at) {
    const char* end = *at == '\'' ? strchr(at + 1, '\'') : nullptr;
    return end == nullptr ? nullptr : asc_tolower(at + 1, static_cast<size_t>(end - at - 1));
}

// The hint for a text like 'now' or 'tomorrow', from which a time is read: for the first such word. nullptr if there is
// none.
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
    return expression_tree_walker(node, compat::walkerArgument(collectMoments), context);
}

// Runs the analyser; raises its errors. Allocates in the current memory context.
Analysed* analyseOne(Bindings* bindings, const KnownType* target) {
    Analysed* result = static_cast<Analysed*>(palloc0(sizeof(Analysed)));
    RawExpression* raw = parseExpression(bindings->server);
    Check check = {raw, result};
    if (raw->tree == nullptr) {
        refuse(&check, raw->refusal.code, raw->refusal.offset, raw->refusal.message, raw->refusal.hint);
        return result;
    }
    ParseState* state = make_parsestate(nullptr);
    state->p_sourcetext = bindings->server;
    state->p_pre_columnref_hook = bindColumn;
    state->p_ref_hook_state = bindings;
    // A target list is where aggregates and sets are legal, so that they come back as nodes with a place in the text.
    ::Node* value = transformExpr(state, raw->tree, EXPR_KIND_SELECT_TARGET);
    if (checkNode(value, &check)) return result;
    qualifyTypes(&check);

    Oid type = exprType(value);
    result->type = toUtf8(typeText(type == UNKNOWNOID ? TEXTOID : type, -1));
    Oid wanted = target != nullptr ? target->oid : type == UNKNOWNOID ? TEXTOID : InvalidOid;
    if (OidIsValid(wanted)) {
        ::Node* assigned = coerce_to_target_type(state, value, type, wanted, target != nullptr ? target->typmod : -1,
                                                 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
        if (assigned == nullptr) {
            const char* wantedText = toUtf8(typeText(wanted, -1));
            refuse(&check, "SPQL-E106", exprLocation(raw->tree),
                   psprintf("%s is wanted, but the expression is of type %s", wantedText, result->type),
                   wanted == BOOLOID  ? "A condition compares something; a value of its own is true or false"
                   : type == JSONBOID ? psprintf("A value within JSON is taken out by ->> 'key', and the whole by #>> "
                                                 "'{}': (… #>> '{}')::%s",
                                                 wantedText)
                                      : psprintf("Cast it: (…)::%s", wantedText));
            return result;
        }
        value = assigned;
    } else if (get_typtype(type) == TYPTYPE_PSEUDO && !IsA(value, Param)) {
        refuse(&check, "SPQL-E109", exprLocation(raw->tree),
               psprintf("the expression is of type %s, which is no type of a value", result->type),
               type == RECORDOID ? "Convert a row with to_jsonb(...)" : nullptr);
        return result;
    }
    assign_expr_collations(state, value);
    MomentSearch search = {bindings->server, result};
    collectMoments(value, &search);
    result->isVolatile = contain_volatile_functions(value);
    result->isImmutable = !contain_mutable_functions(value);
    result->readsRows = readsRows(value, nullptr);
    free_parsestate(state);
    return result;
}

const char* codeOf(int sqlstate) {
    switch (sqlstate) {
        case ERRCODE_UNDEFINED_FUNCTION:
        case ERRCODE_AMBIGUOUS_FUNCTION:
        case ERRCODE_WRONG_OBJECT_TYPE: return "SPQL-E101";
        case ERRCODE_DATATYPE_MISMATCH:
        case ERRCODE_CANNOT_COERCE: return "SPQL-E106";
        case ERRCODE_UNDEFINED_OBJECT: return "SPQL-E110";
        case ERRCODE_WINDOWING_ERROR: return "SPQL-E105";
        case ERRCODE_GROUPING_ERROR: return "SPQL-E104";
        case ERRCODE_STATEMENT_TOO_COMPLEX: return "SPQL-E013";
        default: return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION ? "SPQL-E108" : "SPQL-E100";
    }
}

constexpr const char* jsonHint =
    "A value within JSON is taken out as a text by ->> 'key', and the whole by #>> '{}'; a JSON text has quotes of its "
    "own";

// The hint for an unknown operator that is usual in other languages.
const char* operatorHint(const char* at, const char* message) {
    std::string_view written(at, strspn(at, "+-*/<>=~!@#%^&|`?"));
    // A + between numbers or times is no such habit.
    if (written == "+" && strstr(message, "text") == nullptr && strstr(message, "unknown") == nullptr &&
        strstr(message, "character varying") == nullptr)
        return nullptr;
    return spec::habit(spec::Habit::symbol, written);
}

// Does a + stand beside the text literal, so that PostgreSQL has read it as a number?
bool isAddedText(const char* text, size_t offset) {
    if (text[offset] != '\'') return false;
    std::string_view before(text, offset);
    while (!before.empty() && isSpace(before.back()))
        before.remove_suffix(1);
    const char* after = strchr(text + offset + 1, '\'');
    after = after != nullptr ? after + 1 + strspn(after + 1, " ") : "";
    return (!before.empty() && before.back() == '+') || *after == '+';
}

const CallUse* callAt(const ExpressionFacts& facts, size_t offset) {
    for (const CallUse& candidate : facts.calls)
        if (candidate.offset == offset) return &candidate;
    return nullptr;
}

// The hint for `status.lower()`, for which PostgreSQL looks for a schema "status".
const char* methodHint(const ExpressionFacts& facts, const char* message) {
    for (const CallUse& call : facts.calls)
        if (call.name.size() == 2 && strstr(message, fromUtf8("\"" + call.name[0] + "\"")) != nullptr)
            return toUtf8(
                psprintf("a function stands before its value: %s(%s)", fromUtf8(call.name[1]), fromUtf8(call.name[0])));
    return nullptr;
}

// The hint for a function that exists in a schema outside of the search path; nullptr if there is none.
const char* functionInOtherSchema(const ExpressionFacts& facts, size_t offset) {
    const CallUse* call = callAt(facts, offset);
    if (call == nullptr || call->name.size() != 1) return nullptr;
    const char* name = fromUtf8(call->name[0]);
    const char* hint = nullptr;
    CatCList* functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
    for (int i = 0; i < functions->n_members && hint == nullptr; ++i) {
        Form_pg_proc function = reinterpret_cast<Form_pg_proc>(GETSTRUCT(&functions->members[i]->tuple));
        if (function->pronamespace != PG_CATALOG_NAMESPACE && function->pronamespace != PG_PUBLIC_NAMESPACE)
            hint = psprintf("If you mean the one of that schema, write %s",
                            quote_qualified_identifier(get_namespace_name(function->pronamespace), name));
    }
    ReleaseSysCacheList(functions);
    return hint != nullptr ? toUtf8(hint) : nullptr;
}

// Pure C++: nothing here calls into the server but to look at bytes.
void record(const Analysed& analysed, const Bindings& bindings, AnalysisResult& result) {
    if (analysed.finding.code != nullptr) {
        result.code = analysed.finding.code;
        result.error = analysed.finding.message;
        if (analysed.finding.hint != nullptr) result.hint = analysed.finding.hint;
        result.errorOffset = utf8Offset(bindings.server, bindings.utf8, static_cast<size_t>(analysed.finding.offset));
        return;
    }
    result.type = analysed.type;
    result.isVolatile = analysed.isVolatile;
    result.isImmutable = analysed.isImmutable;
    result.readsRows = analysed.readsRows;
    ListCell* cell;
    foreach (cell, analysed.qualifications) {
        const Qualification* found = static_cast<Qualification*>(lfirst(cell));
        QualifiedUse& use = result.qualified.emplace_back();
        use.offset = utf8Offset(bindings.server, bindings.utf8, static_cast<size_t>(found->offset));
        use.length = nameLength(bindings.utf8, use.offset);
        use.sql = found->text;
    }
    foreach (cell, analysed.moments) {
        const Moment* found = static_cast<Moment*>(lfirst(cell));
        result.moments.push_back(
            {utf8Offset(bindings.server, bindings.utf8, static_cast<size_t>(found->offset)), found->text, found->hint});
    }
    result.ok = true;
}

void recordFailure(const ErrorData* error, const Bindings& bindings, const ExpressionFacts& facts,
                   AnalysisResult& result) {
    ServerMessage message = describe(error, bindings.server);
    const char* code = codeOf(error->sqlerrcode);
    result.errorOffset = message.offset < 0 ? 0 : utf8Offset(bindings.server, bindings.utf8, message.offset);
    const char* hint = message.hint;
    if (error->sqlerrcode == ERRCODE_WRONG_OBJECT_TYPE && strncmp(error->message_id, "window function", 15) == 0)
        code = "SPQL-E105";
    if (error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION && strncmp(error->message_id, "operator", 8) == 0) {
        code = "SPQL-E102";
        const char* habitHint = operatorHint(bindings.utf8 + result.errorOffset, error->message);
        if (habitHint != nullptr) hint = habitHint;
        if (habitHint == nullptr && strstr(error->message, "jsonb") != nullptr) hint = jsonHint;
    } else if (error->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION &&
               isAddedText(bindings.utf8, result.errorOffset)) {
        hint = spec::habit(spec::Habit::symbol, "+");
    } else if (error->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION && strstr(error->message, "json") != nullptr) {
        hint = jsonHint;
    } else if (error->sqlerrcode == ERRCODE_INVALID_DATETIME_FORMAT) {
        const char* text = quotedText(bindings.server + (message.offset < 0 ? 0 : message.offset));
        const char* habitHint = text != nullptr ? momentHint(text) : nullptr;
        if (habitHint != nullptr) hint = habitHint;
    } else if (error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA) {
        hint = methodHint(facts, error->message);
    } else if (error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION) {
        const char* elsewhere = functionInOtherSchema(facts, result.errorOffset);
        const CallUse* call = callAt(facts, result.errorOffset);
        const char* habitHint =
            call != nullptr && call->name.size() == 1 ? spec::habit(spec::Habit::function, call->name[0]) : nullptr;
        if (elsewhere != nullptr || habitHint != nullptr) hint = elsewhere != nullptr ? elsewhere : habitHint;
    }
    result.ok = false;
    result.code = code;
    result.error = message.text;
    if (hint != nullptr) result.hint = hint;
}

// Collects the types that the requests mention, each once.
void collectTypes(const std::vector<AnalysisRequest>& requests, KnownTypes* known, std::vector<std::string>* texts) {
    for (const AnalysisRequest& request : requests) {
        for (const TypedName& name : request.names)
            (*known)[name.type];
        if (!request.target.empty()) (*known)[request.target];
    }
    for (const auto& entry : *known)
        texts->push_back(entry.first);
}

void resolveTypes(const std::vector<std::string>& texts, KnownTypes* known) {
    inBatches(
        static_cast<int>(texts.size()),
        [&texts, known](int index) {
            KnownType& type = known->find(texts[static_cast<size_t>(index)])->second;
            compat::parseType(fromUtf8(texts[static_cast<size_t>(index)]), &type.oid, &type.typmod);
        },
        [](int, ErrorData*) {});  // an unknown type stays InvalidOid and is reported where it is used
}

}  // namespace

void analyse(const std::vector<Text>& expressions, const std::vector<ExpressionFacts>& facts,
             const std::vector<AnalysisRequest>& requests, std::vector<AnalysisResult>* results) {
    results->clear();
    results->resize(requests.size());
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext all = AllocSetContextCreate(outer, "specql analysis", ALLOCSET_SMALL_SIZES);
    MemoryContext each = AllocSetContextCreate(all, "specql analysis of one expression", ALLOCSET_SMALL_SIZES);
    KnownTypes* known = makeHeld<KnownTypes>(all);
    std::vector<std::string>* texts = makeHeld<std::vector<std::string>>(all);
    collectTypes(requests, known, texts);

    int level = beginLookupPath();
    resolveTypes(*texts, known);
    inBatches(
        static_cast<int>(requests.size()),
        [&expressions, &facts, &requests, known, each, results](int index) {
            CHECK_FOR_INTERRUPTS();
            const AnalysisRequest& request = requests[static_cast<size_t>(index)];
            size_t expression = static_cast<size_t>(request.expression);
            if (!facts[expression].ok) return;  // already refused; the analyser might crash on it
            MemoryContext before = MemoryContextSwitchTo(each);
            const std::string& text = expressions[expression].value;
            Bindings bindings = {&request, known, text.c_str(), fromUtf8(text)};
            const KnownType* target = nullptr;
            if (!request.target.empty()) {
                target = &known->find(request.target)->second;
                if (!OidIsValid(target->oid))
                    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                                    errmsg("type \"%s\" does not exist", fromUtf8(request.target))));
            }
            Analysed* analysed = analyseOne(&bindings, target);
            record(*analysed, bindings, (*results)[static_cast<size_t>(index)]);
            MemoryContextSwitchTo(before);
            MemoryContextReset(each);
        },
        [&expressions, &facts, &requests, results](int index, ErrorData* error) {
            const AnalysisRequest& request = requests[static_cast<size_t>(index)];
            const std::string& text = expressions[static_cast<size_t>(request.expression)].value;
            Bindings bindings = {&request, nullptr, text.c_str(), fromUtf8(text)};
            recordFailure(error, bindings, facts[static_cast<size_t>(request.expression)],
                          (*results)[static_cast<size_t>(index)]);
        });
    endLookupPath(level);
    MemoryContextDelete(all);
}

}  // namespace specql::catalog
