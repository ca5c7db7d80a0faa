// The values of the secrets that services name, where they are kept: in a row of specql.secret, which the claim brings
// along, in the server's environment or in a file.
#pragma once

#include <string>

namespace specql::worker {

enum class SecretKind {
    key,         // or a password: nobody else may be able to read its file
    publicFile,  // a certificate
};

// The value of a secret as specql.secret_source has written it; `problem` gets what is wrong with it, and never the
// value itself.
std::string findSecret(const std::string& secret, std::string& problem, SecretKind kind = SecretKind::key);

// Without line ends at its end, as a file has them.
std::string findLine(const std::string& secret, std::string& problem);

}  // namespace specql::worker
