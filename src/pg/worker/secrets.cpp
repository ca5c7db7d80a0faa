#include "pg/worker/secrets.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "delivery/secret_source.hpp"
#include "pg/base/worker_settings.hpp"

namespace specql::worker {

namespace {

constexpr size_t longestSecret = 16384;
constexpr size_t longestPublic = 256 * 1024;  // a bundle of certificates

bool isAllowed(const std::string& source) {
    return settings::secretSources != nullptr && delivery::allowsSource(settings::secretSources, source);
}

// Up to `most` bytes of an open file; -1 if there are more, or they cannot be read.
ssize_t readAll(int file, std::string& bytes, size_t most) {
    bytes.resize(most + 1);
    size_t size = 0;
    for (;;) {
        ssize_t got = read(file, bytes.data() + size, bytes.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        size += static_cast<size_t>(got);
        if (got == 0 || size > most) break;
    }
    bytes.resize(size);
    return size > most ? -1 : static_cast<ssize_t>(size);
}

// The contents of the file of a secret, which only the server's user may be able to read. `problem` gets what is wrong.
std::string readFile(const std::string& secret, SecretKind kind, std::string& problem) {
    char path[PATH_MAX];
    // The path without symbolic links must be allowed too.
    if (realpath(secret.c_str() + 5, path) == nullptr) {
        problem = "the secret " + secret + " cannot be read: " + strerror(errno);
        return {};
    }
    if (!isAllowed(std::string("file:") + path)) {
        problem = "the secret " + secret + " is a link to a place that specql.secret_sources does not allow";
        return {};
    }
    bool isKey = kind == SecretKind::key;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat state;
    std::string bytes;
    if (file < 0 || fstat(file, &state) != 0)
        problem = "the secret " + secret + " cannot be read: " + strerror(errno);
    else if (!S_ISREG(state.st_mode) || (isKey && (state.st_mode & 077) != 0))
        problem = "the secret " + secret + " must be a file" + (isKey ? " that only the server's user can read" : "");
    else if (readAll(file, bytes, isKey ? longestSecret : longestPublic) <= 0)
        problem = "the secret " + secret + " is empty or too long";
    if (file >= 0) close(file);
    return problem.empty() ? bytes : std::string();
}

}  // namespace

std::string findSecret(const std::string& secret, std::string& problem, SecretKind kind) {
    if (secret.compare(0, 4, "key:") == 0) return secret.substr(4);
    bool isFile = secret.compare(0, 5, "file:") == 0;
    if (!isFile && secret.compare(0, 4, "env:") != 0) {
        problem = "there is no secret " + secret.substr(secret.find(':') + 1) + " in specql.secret";
        return {};
    }
    // This is checked first, so that nobody can find out by trial which files and variables exist.
    if (!isAllowed(secret)) {
        problem = "specql.secret_sources does not allow the secret " + secret;
        return {};
    }
    if (isFile) return readFile(secret, kind, problem);
    const char* value = getenv(secret.c_str() + 4);
    if (value == nullptr || *value == '\0')
        problem = "the secret " + secret + " is not set in the server's environment";
    return problem.empty() ? value : std::string();
}

std::string findLine(const std::string& secret, std::string& problem) {
    std::string value = findSecret(secret, problem);
    while (!value.empty() && (value.back() == '\n' || value.back() == '\r'))
        value.pop_back();
    return value;
}

}  // namespace specql::worker
