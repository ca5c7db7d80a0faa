// The boundary between the server and C++, which every function that the server calls passes. No exception leaves it,
// and no error is raised inside a catch block, because the longjmp would leak the exception object.
#pragma once

#include "pg/bridge/error.hpp"

namespace specql {

// The description of a caught exception: plain data, over which a longjmp may jump. Strings are palloc'd, or literals.
struct Caught {
    ErrorData* server = nullptr;  // an error of the server, to be rethrown unchanged
    int sqlstate = 0;
    const char* message = nullptr;
    const char* detail = nullptr;
    const char* hint = nullptr;
};

// Describes the exception that is being handled, in the current memory context. Only to be called in a catch block; it
// neither throws nor raises an error.
Caught describeCaught() noexcept;

// Raises it as an error of the server. Only to be called where no C++ object with a destructor is alive.
[[noreturn]] void reportCaught(const Caught& caught);

// Runs `body` and turns every exception into a server error. For hooks and callbacks; SQL-callable functions use
// SPECQL_FUNCTION. The closure must be trivially destructible, because errors of the server jump over it.
template <typename Body>
auto atBoundary(Body&& body) -> decltype(body()) {
    static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Body>>);
    Caught caught;
    try {
        return body();
    } catch (...) {
        caught = describeCaught();
    }
    reportCaught(caught);
}

}  // namespace specql

// Defines the SQL-callable function `name` with the body that follows:
//   SPECQL_FUNCTION(specql_emit) { … PG_RETURN_INT32(1); }
// In the body `fcinfo` is what it always is. SQL names the C symbol: AS 'MODULE_PATHNAME', 'specql_emit'.
#define SPECQL_FUNCTION(name)                                                           \
    static Datum name##_body(FunctionCallInfo fcinfo);                                  \
    extern "C" {                                                                        \
    SPECQL_EXPORT Datum name(PG_FUNCTION_ARGS);                                         \
    SPECQL_EXPORT const Pg_finfo_record* pg_finfo_##name(void);                         \
    PG_FUNCTION_INFO_V1(name);                                                          \
    Datum name(PG_FUNCTION_ARGS) {                                                      \
        return specql::atBoundary([fcinfo]() -> Datum { return name##_body(fcinfo); }); \
    }                                                                                   \
    }                                                                                   \
    static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)
