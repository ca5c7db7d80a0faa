// The extension as it is installed in this database: its version and its owner, who owns the tables of schema specql.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Is the version of the installed extension that of this library? It scans an index of pg_extension, so it is not for
// hot paths.
bool hasMatchingVersion();
// Raises SQ205 unless the version of the installed extension is that of this library.
void requireMatchingVersion();

// The role that owns the extension; an error if the extension is not installed.
Oid extensionOwner();

// The user and settings to restore after runAsExtensionOwner(); plain data, because errors jump over it.
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
