#include "pg/catalog/analysis.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/analysed_tree.hpp"
#include "pg/catalog/analysis_error.hpp"
#include "pg/catalog/expression_tree.hpp"
#include "pg/catalog/lookup_path.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
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
// By request: the type that its expression has; none until it is analysed.
using GivenTypes = std::vector<Oid>;

// The data of the column hook: the names of one request, and the text in both encodings.
struct Bindings {
    const AnalysisRequest* request;
    const KnownTypes* types;
    const GivenTypes* given;
    const char* utf8;
    const char* server;
    const RawExpression* raw;
};

// The type of a name: what its request says, or what an earlier expression has, or the elements of that.
Oid typeOfName(const TypedName& name, const KnownTypes& types, const GivenTypes& given) {
    if (name.typeOf < 0) return types.find(name.type)->second.oid;
    Oid type = given[static_cast<size_t>(name.typeOf)];
    for (int i = 0; i < name.elements && OidIsValid(type); i++)
        if (type != JSONBOID) type = get_element_type(getBaseType(type));
    return type;
}

// Makes each name a parameter node of its type, so that the analyser treats it like any value.
::Node* bindColumn(ParseState* state, ColumnRef* column) {
    const Bindings* bindings = static_cast<Bindings*>(state->p_ref_hook_state);
    size_t offset = utf8Offset(bindings->server, bindings->utf8, static_cast<size_t>(column->location));
    int number = 0;
    for (const TypedName& name : bindings->request->names) {
        ++number;
        if (name.offset != offset) continue;
        if (name.table >= 0) {
            const RawTable* table = static_cast<RawTable*>(list_nth(bindings->raw->tables, name.table));
            column->fields =
                list_make2(makeString(pstrdup(table->called)), makeString(const_cast<char*>(fromUtf8(name.column))));
            return nullptr;  // a column of what stands there for the entity
        }
        const Oid type = typeOfName(name, *bindings->types, *bindings->given);
        if (!OidIsValid(type))
            ereport(ERROR,
                    (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type \"%s\" does not exist", fromUtf8(name.type)),
                     parser_errposition(state, column->location)));
        Param* value = makeNode(Param);
        value->paramkind = PARAM_EXTERN;
        value->paramid = number;
        value->paramtype = type;
        value->paramtypmod = -1;
        value->paramcollid = get_typcollation(type);
        value->location = column->location;
        return reinterpret_cast<::Node*>(value);
    }
    return nullptr;  // the analyser says that there is no such column
}

// In the place of each entity that a query looks at, rows with those of its columns that are used.
void replaceTables(const RawExpression* raw, const Bindings* bindings) {
    ListCell* cell;
    foreach (cell, raw->tables) {
        int table = foreach_current_index(cell);
        StringInfoData columns;
        initStringInfo(&columns);
        List* seen = NIL;
        for (const TypedName& name : bindings->request->names) {
            ::Node* column =
                name.table == table ? reinterpret_cast<::Node*>(makeString(pstrdup(fromUtf8(name.column)))) : nullptr;
            if (column == nullptr || list_member(seen, column)) continue;
            seen = lappend(seen, column);
            appendStringInfo(&columns, "%sNULL::%s AS %s", columns.len > 0 ? ", " : "", fromUtf8(name.type),
                             quote_identifier(fromUtf8(name.column)));
        }
        replaceTable(static_cast<RawTable*>(lfirst(cell)), columns.data);
    }
}

// Runs the analyser; raises its errors. Allocates in the current memory context.
Analysed* analyseOne(Bindings* bindings, const KnownType* target) {
    Analysed* result = static_cast<Analysed*>(palloc0(sizeof(Analysed)));
    RawExpression* raw = parseExpression(bindings->server);
    if (raw->tree == nullptr) {
        refuse(result, raw->refusal.code, raw->refusal.offset, raw->refusal.message, raw->refusal.hint);
        return result;
    }
    bindings->raw = raw;
    replaceTables(raw, bindings);
    ParseState* state = make_parsestate(nullptr);
    state->p_sourcetext = bindings->server;
    state->p_pre_columnref_hook = bindColumn;
    state->p_ref_hook_state = bindings;
    // A target list is where aggregates and sets are legal, so that they come back as nodes with a place in the text.
    ::Node* value = transformExpr(state, raw->tree, EXPR_KIND_SELECT_TARGET);
    if (checkTree(value, raw, bindings->server, bindings->request->aggregates, result)) return result;

    Oid type = exprType(value);
    result->typeOid = type == UNKNOWNOID ? TEXTOID : type;
    result->type = toUtf8(typeText(result->typeOid, -1));
    Oid wanted = target != nullptr ? target->oid : type == UNKNOWNOID ? TEXTOID : InvalidOid;
    if (OidIsValid(wanted)) {
        ::Node* assigned = coerce_to_target_type(state, value, type, wanted, target != nullptr ? target->typmod : -1,
                                                 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
        if (assigned == nullptr) {
            const char* wantedText = toUtf8(typeText(wanted, -1));
            refuse(result, Code::E106, exprLocation(raw->tree),
                   psprintf("%s is wanted, but the expression is of type %s", wantedText, result->type),
                   wanted == BOOLOID  ? "a condition compares something; a value of its own is true or false"
                   : type == JSONBOID ? psprintf("a value within JSON is taken out by ->> 'key', and the whole by #>> "
                                                 "'{}': (… #>> '{}')::%s",
                                                 wantedText)
                                      : psprintf("cast it: (…)::%s", wantedText));
            return result;
        }
        value = assigned;
    } else if (get_typtype(type) == TYPTYPE_PSEUDO && !IsA(value, Param)) {
        refuse(result, Code::E109, exprLocation(raw->tree),
               psprintf("the expression is of type %s, which is no type of a value", result->type),
               type == RECORDOID ? "convert a row with to_jsonb(...)" : nullptr);
        return result;
    }
    assign_expr_collations(state, value);
    describeTree(value, bindings->server, result);
    result->readsRows = result->readsRows || raw->tables != NIL;
    free_parsestate(state);
    return result;
}

// Pure C++: nothing here calls into the server but to look at bytes.
void record(const Analysed& analysed, const Bindings& bindings, AnalysisResult& result) {
    if (analysed.finding.code != Code::none) {
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
        use.length = found->length == 0 ? nameLength(bindings.utf8, use.offset)
                                        : utf8Offset(bindings.server, bindings.utf8,
                                                     static_cast<size_t>(found->offset + found->length)) -
                                              use.offset;
        use.sql = found->text;
    }
    foreach (cell, analysed.moments) {
        const Moment* found = static_cast<Moment*>(lfirst(cell));
        result.moments.push_back(
            {utf8Offset(bindings.server, bindings.utf8, static_cast<size_t>(found->offset)), found->text, found->hint});
    }
    result.ok = true;
}

// The schemas of the base types that the names of a request have, as types of extensions: ", ext". Their operators are
// as much part of the types as those of pg_catalog are. A base type can only be made by a superuser.
const char* schemasOfTypes(const AnalysisRequest& request, const KnownTypes& types, const GivenTypes& given) {
    List* schemas = NIL;
    StringInfoData path;
    initStringInfo(&path);
    for (const TypedName& name : request.names) {
        Oid type = getBaseType(typeOfName(name, types, given));
        if (Oid element = get_element_type(type)) type = getBaseType(element);
        HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
        if (!HeapTupleIsValid(tuple)) continue;
        auto* form = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple));
        Oid schema = form->typtype == TYPTYPE_BASE ? form->typnamespace : PG_CATALOG_NAMESPACE;
        ReleaseSysCache(tuple);
        if (schema == PG_CATALOG_NAMESPACE || list_member_oid(schemas, schema)) continue;
        schemas = lappend_oid(schemas, schema);
        appendStringInfo(&path, ", %s", quote_identifier(get_namespace_name(schema)));
    }
    return path.data;
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
    GivenTypes* given = makeHeld<GivenTypes>(all);
    given->resize(requests.size(), InvalidOid);
    collectTypes(requests, known, texts);

    int level = beginLookupPath();
    resolveTypes(*texts, known);
    inBatches(
        static_cast<int>(requests.size()),
        [&expressions, &facts, &requests, known, given, each, results](int index) {
            CHECK_FOR_INTERRUPTS();
            const AnalysisRequest& request = requests[static_cast<size_t>(index)];
            size_t expression = static_cast<size_t>(request.expression);
            if (!facts[expression].ok) return;  // already refused; the analyser might crash on it
            // Nothing can be said of a value whose own expression is refused.
            for (const TypedName& name : request.names)
                if (name.typeOf >= 0 && !OidIsValid(typeOfName(name, *known, *given))) return;
            MemoryContext before = MemoryContextSwitchTo(each);
            const std::string& text = expressions[expression].value;
            Bindings bindings = {&request, known, given, text.c_str(), fromUtf8(text), nullptr};
            const KnownType* target = nullptr;
            if (!request.target.empty()) {
                target = &known->find(request.target)->second;
                if (!OidIsValid(target->oid))
                    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                                    errmsg("type \"%s\" does not exist", fromUtf8(request.target))));
            }
            int own = extendLookupPath(schemasOfTypes(request, *known, *given));
            Analysed* analysed = analyseOne(&bindings, target);
            endLookupPath(own);
            if (analysed->finding.code == Code::none) (*given)[static_cast<size_t>(index)] = analysed->typeOid;
            record(*analysed, bindings, (*results)[static_cast<size_t>(index)]);
            MemoryContextSwitchTo(before);
            MemoryContextReset(each);
        },
        [&expressions, &facts, &requests, results](int index, ErrorData* error) {
            const AnalysisRequest& request = requests[static_cast<size_t>(index)];
            const std::string& text = expressions[static_cast<size_t>(request.expression)].value;
            recordFailure(error, fromUtf8(text), text.c_str(), facts[static_cast<size_t>(request.expression)],
                          (*results)[static_cast<size_t>(index)]);
        });
    endLookupPath(level);
    MemoryContextDelete(all);
}

}  // namespace specql::catalog
