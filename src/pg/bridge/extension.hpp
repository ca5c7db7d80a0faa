// The installed extension as this database knows it: its version, and its owner, as whom the specql.* tables are
// written.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Raises SQ205 unless the version of the installed extension is that of this library. One index scan; not for hot
// paths.
void requireMatchingVersion();

// The role that owns the extension; an error if the extension is not installed.
Oid extensionOwner();

// The rights and settings in force before runAsExtensionOwner(); plain data, because errors jump over it.
struct OwnerSwitch {
    Oid user;
    int securityContext;
    int settingsLevel;
};
OwnerSwitch becomeExtensionOwner();
void endExtensionOwner(const OwnerSwitch& before);

// Runs `body` as the extension's owner with search_path = pg_catalog, pg_temp. If the server raises an error in it, the
// abort of the (sub)transaction restores user and settings; nobody may catch the error without a subtransaction. Only
// for fixed SQL of ours, never for text that a user wrote.
template <typename Body>
void runAsExtensionOwner(Body&& body) {
    OwnerSwitch before = becomeExtensionOwner();
    body();
    endExtensionOwner(before);
}

}  // namespace specql
