// Runs expressions and other short code of a role, of which nothing may stay behind.
#pragma once

#include "pg/bridge/settings.hpp"

namespace specql {

// Runs `body` as `role`, in a security-restricted operation (no deferred triggers, no temporary tables, no cursors that
// stay) with search_path = pg_catalog, pg_temp. After an error the abort of the (sub)transaction restores all.
template <typename Body>
void asRestricted(Oid role, Body&& body) {
    Oid user;
    int securityContext;
    GetUserIdAndSecContext(&user, &securityContext);
    SetUserIdAndSecContext(role, securityContext | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    body();
    AtEOXact_GUC(true, level);
    SetUserIdAndSecContext(user, securityContext);
}

}  // namespace specql
