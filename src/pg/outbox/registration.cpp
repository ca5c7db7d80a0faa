// Functions that change a service, window, schedule or action, which only its owner may do. They run as the extension's
// owner a function that users may not call, and pass the OID of the calling role, which that function could not find
// out by itself.
#include "delivery/destination.hpp"
#include "delivery/rate.hpp"
#include "pg/base/server.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/extension.hpp"

namespace specql::outbox {

namespace {

constexpr int mostArguments = 16;

// What a command gives, in the memory context of the SQL function.
struct Result {
    Datum value;
    bool isNull;
};

// Runs `sql`, whose parameters are the arguments of the SQL function and, after them, the OID of the calling role.
Result runForCaller(FunctionCallInfo fcinfo, const char* sql) {
    Oid types[mostArguments];
    Datum values[mostArguments];
    char nulls[mostArguments];
    int count = PG_NARGS();
    if (count >= mostArguments) elog(ERROR, "specql: a function with %d arguments", count);
    for (int i = 0; i < count; ++i) {
        types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
        values[i] = PG_ARGISNULL(i) ? 0 : PG_GETARG_DATUM(i);
        nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
    }
    types[count] = OIDOID;
    values[count] = ObjectIdGetDatum(GetUserId());
    nulls[count] = ' ';
    Result result = {0, true};
    runAsExtensionOwner([&] {
        SPI_connect();
        int code = SPI_execute_with_args(sql, count + 1, types, values, nulls, false, 0);
        if (code != SPI_OK_SELECT || SPI_processed != 1)
            elog(ERROR, "specql: %s gave %s", sql, SPI_result_code_string(code));
        Form_pg_attribute column = TupleDescAttr(SPI_tuptable->tupdesc, 0);
        Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &result.isNull);
        if (!result.isNull) result.value = SPI_datumTransfer(value, column->attbyval, column->attlen);
        SPI_finish();
    });
    return result;
}

// Copies what is wrong with a URL into `problem`, so that no std::string is alive when the caller uses the server.
// Returns the length, 0 if nothing is wrong.
template <size_t size>
size_t urlProblem(std::string_view text, char (&problem)[size]) {
    delivery::Url url;
    return delivery::parseUrl(text, url).copy(problem, size);
}

template <size_t size>
size_t rateProblem(std::string_view text, char (&problem)[size]) {
    delivery::Rate rate;
    return delivery::parseRate(text, rate).copy(problem, size);
}

}  // namespace

SPECQL_FUNCTION(specql_register_service) {
    (void)runForCaller(fcinfo,
                       "SELECT specql.write_service($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)");
    PG_RETURN_VOID();
}

// specql.url_problem(url): what is wrong with the URL of a service, or NULL.
SPECQL_FUNCTION(specql_url_problem) {
    text* argument = PG_GETARG_TEXT_PP(0);
    char problem[256];
    size_t length = urlProblem(std::string_view(VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument)), problem);
    if (length == 0) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text_with_len(problem, static_cast<int>(length)));
}

// specql.rate_problem(rate): what is wrong with the rate of a service, or NULL.
SPECQL_FUNCTION(specql_rate_problem) {
    text* argument = PG_GETARG_TEXT_PP(0);
    char problem[256];
    size_t length = rateProblem(std::string_view(VARDATA_ANY(argument), VARSIZE_ANY_EXHDR(argument)), problem);
    if (length == 0) PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text_with_len(problem, static_cast<int>(length)));
}

// specql.is_header(name, value): can this be a header of an HTTP request?
SPECQL_FUNCTION(specql_is_header) {
    text* name = PG_GETARG_TEXT_PP(0);
    text* value = PG_GETARG_TEXT_PP(1);
    PG_RETURN_BOOL(delivery::isHeaderName(std::string_view(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))) &&
                   delivery::isHeaderValue(std::string_view(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value))));
}

SPECQL_FUNCTION(specql_unregister_service) {
    (void)runForCaller(fcinfo, "SELECT specql.drop_service($1, $2)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_register_window) {
    (void)runForCaller(fcinfo, "SELECT specql.write_window($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_unregister_window) {
    (void)runForCaller(fcinfo, "SELECT specql.drop_window($1, $2)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_register_schedule) {
    (void)runForCaller(fcinfo, "SELECT specql.write_schedule($1, $2, $3, $4)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_register_process) {
    Result version = runForCaller(fcinfo, "SELECT specql.write_process_plan($1, $2, $3)");
    PG_RETURN_DATUM(version.value);
}

SPECQL_FUNCTION(specql_begin_due) {
    Result which = runForCaller(fcinfo, "SELECT specql.write_due_rule($1, $2, $3, $4, $5, $6, $7)");
    if (which.isNull) PG_RETURN_NULL();
    PG_RETURN_DATUM(which.value);
}

SPECQL_FUNCTION(specql_take_due_rows) {
    (void)runForCaller(fcinfo, "SELECT specql.write_taken_rows($1, $2, $3, $4, $5)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_register_partitioning) {
    (void)runForCaller(fcinfo, "SELECT specql.write_partitioning($1, $2, $3, $4, $5, $6)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_register_refresh) {
    (void)runForCaller(fcinfo, "SELECT specql.write_refresh($1, $2, $3, $4)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_unregister_upkeep) {
    (void)runForCaller(fcinfo, "SELECT specql.drop_upkeep($1, $2)");
    PG_RETURN_VOID();
}

SPECQL_FUNCTION(specql_unregister_action) {
    (void)runForCaller(fcinfo, "SELECT specql.drop_action($1, $2)");
    PG_RETURN_VOID();
}

}  // namespace specql::outbox
