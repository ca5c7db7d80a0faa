// specql.setting(name): the setting specql.<name>. SQL functions use it instead of current_setting(), because the
// settings exist only once the library is loaded, which the call of this C function ensures.
#include "pg/bridge/entry.hpp"

namespace specql {

SPECQL_FUNCTION(specql_setting) {
    const char* name = psprintf("specql.%s", text_to_cstring(PG_GETARG_TEXT_PP(0)));
    PG_RETURN_TEXT_P(cstring_to_text(GetConfigOptionByName(name, nullptr, false)));
}

}  // namespace specql
