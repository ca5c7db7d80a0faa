// specql.setting: current_setting() for functions in SQL. A session knows this extension's settings only once it has
// loaded the library, which calling a function in C does.
#include "pg/bridge/entry.hpp"

namespace specql {

SPECQL_FUNCTION(specql_setting)
{
    const char* name = psprintf("specql.%s", text_to_cstring(PG_GETARG_TEXT_PP(0)));
    PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, nullptr, false)));
}

}  // namespace specql
