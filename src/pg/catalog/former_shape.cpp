// For the script that takes a database from version 0.1.0 to this one.
#include "model/former_shape.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/holder.hpp"

namespace specql::catalog {

namespace {

void writeShape(const char* commands, std::string* json) {
    *json = formerShape(commands).json();
}

}  // namespace

SPECQL_FUNCTION(specql_former_shape) {
    const char* commands = toUtf8(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    MemoryContext work = makeWorkContext("specql former shape");
    std::string* json = makeHeld<std::string>(work);
    writeShape(commands, json);
    text* result = cstring_to_text(fromUtf8(*json));
    MemoryContextDelete(work);
    PG_RETURN_TEXT_P(result);
}

}  // namespace specql::catalog
