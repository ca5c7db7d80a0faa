// The type specql.role: stored as the OID of a role, which a rename does not change, and written as its name, so that a
// dump can be restored in another server. A role that does not exist is written as "-", which is read as InvalidOid.
#include "pg/bridge/entry.hpp"

namespace specql::catalog {

namespace {

constexpr const char* nobody = "-";

}  // namespace

SPECQL_FUNCTION(specql_role_in) {
    const char* text = PG_GETARG_CSTRING(0);
    if (strcmp(text, nobody) == 0) PG_RETURN_OID(InvalidOid);
    List* parts = compat::nameParts(text);
    if (list_length(parts) != 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" is not the name of a role", text)));
    PG_RETURN_OID(get_role_oid(strVal(linitial(parts)), true));
}

// A role that is called "-" is written in quotes.
SPECQL_FUNCTION(specql_role_out) {
    const char* name = GetUserNameFromId(PG_GETARG_OID(0), true);
    PG_RETURN_CSTRING(pstrdup(name == nullptr ? nobody : quote_identifier(name)));
}

}  // namespace specql::catalog
