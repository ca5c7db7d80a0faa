#include "pg/catalog/analysis_error.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/catalog/analysed_tree.hpp"
#include "pg/catalog/server_message.hpp"
#include "pg/catalog/type_elsewhere.hpp"
#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace specql::catalog {

namespace {

Code codeOf(int sqlstate) {
    switch (sqlstate) {
        case ERRCODE_UNDEFINED_FUNCTION:
        case ERRCODE_AMBIGUOUS_FUNCTION:
        case ERRCODE_WRONG_OBJECT_TYPE: return Code::E101;
        case ERRCODE_DATATYPE_MISMATCH:
        case ERRCODE_CANNOT_COERCE: return Code::E106;
        case ERRCODE_UNDEFINED_OBJECT: return Code::E110;
        case ERRCODE_WINDOWING_ERROR: return Code::E105;
        case ERRCODE_GROUPING_ERROR: return Code::E104;
        case ERRCODE_STATEMENT_TOO_COMPLEX: return Code::E013;
        default: return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION ? Code::E108 : Code::E100;
    }
}

constexpr const char* jsonHint =
    "a value within JSON is taken out as a text by ->> 'key', and the whole by #>> '{}'; a JSON text has quotes of its "
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
const char* methodHint(const ExpressionFacts& facts) {
    for (const CallUse& call : facts.calls)
        if (call.name.size() == 2 && !OidIsValid(get_namespace_oid(fromUtf8(call.name[0]), true)))
            return toUtf8(
                psprintf("a function stands before its value: %s(%s)", fromUtf8(call.name[1]), fromUtf8(call.name[0])));
    return nullptr;
}

// Is there a window function of this name?
bool isWindowFunction(const CallUse* call) {
    if (call == nullptr) return false;
    CatCList* functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(fromUtf8(call->name.back())));
    bool found = false;
    for (int i = 0; i < functions->n_members && !found; ++i)
        found = reinterpret_cast<Form_pg_proc>(GETSTRUCT(&functions->members[i]->tuple))->prokind == PROKIND_WINDOW;
    ReleaseSysCacheList(functions);
    return found;
}

// The hint for a function that exists in a schema outside of the search path; nullptr if there is none.
const char* functionInOtherSchema(const CallUse* call) {
    if (call->name.size() != 1) return nullptr;
    const char* name = fromUtf8(call->name[0]);
    const char* hint = nullptr;
    CatCList* functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
    for (int i = 0; i < functions->n_members && hint == nullptr; ++i) {
        Form_pg_proc function = reinterpret_cast<Form_pg_proc>(GETSTRUCT(&functions->members[i]->tuple));
        if (function->pronamespace != PG_CATALOG_NAMESPACE && function->pronamespace != PG_PUBLIC_NAMESPACE)
            hint = psprintf("if you mean the one of that schema, write %s",
                            quote_qualified_identifier(get_namespace_name(function->pronamespace), name));
    }
    ReleaseSysCacheList(functions);
    return hint != nullptr ? toUtf8(hint) : nullptr;
}

}  // namespace

void recordFailure(const ErrorData* error, const char* text, const char* utf8, const ExpressionFacts& facts,
                   AnalysisResult& result) {
    ServerMessage message = describe(error, text);
    Code code = codeOf(error->sqlerrcode);
    result.errorOffset = message.offset < 0 ? 0 : utf8Offset(text, utf8, message.offset);
    const char* hint = message.hint;
    const CallUse* call = callAt(facts, result.errorOffset);
    if (error->sqlerrcode == ERRCODE_WRONG_OBJECT_TYPE && isWindowFunction(call)) code = Code::E105;
    if (error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION && call == nullptr) {
        code = Code::E102;
        const char* habitHint = operatorHint(utf8 + result.errorOffset, error->message);
        if (habitHint != nullptr) hint = habitHint;
        if (habitHint == nullptr && strstr(error->message, "jsonb") != nullptr) hint = jsonHint;
    } else if (error->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION && isAddedText(utf8, result.errorOffset)) {
        hint = spec::habit(spec::Habit::symbol, "+");
    } else if (error->sqlerrcode == ERRCODE_INVALID_TEXT_REPRESENTATION && strstr(error->message, "json") != nullptr) {
        hint = jsonHint;
    } else if (error->sqlerrcode == ERRCODE_INVALID_DATETIME_FORMAT) {
        const char* said = quotedText(text + (message.offset < 0 ? 0 : message.offset));
        const char* habitHint = said != nullptr ? momentHint(said) : nullptr;
        if (habitHint != nullptr) hint = habitHint;
    } else if (error->sqlerrcode == ERRCODE_UNDEFINED_OBJECT && message.offset >= 0) {
        hint = typeInOtherSchema(utf8 + result.errorOffset);
    } else if (error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA) {
        hint = methodHint(facts);
    } else if (error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION) {
        const char* elsewhere = functionInOtherSchema(call);
        const char* habitHint = call->name.size() == 1 ? spec::habit(spec::Habit::function, call->name[0]) : nullptr;
        if (elsewhere != nullptr || habitHint != nullptr) hint = elsewhere != nullptr ? elsewhere : habitHint;
    }
    result.ok = false;
    result.code = code;
    result.error = message.text;
    if (hint != nullptr) result.hint = hint;
}

}  // namespace specql::catalog
