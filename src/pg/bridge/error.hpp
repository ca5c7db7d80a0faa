// Exceptions for errors: those of the server (ServerError) and our own (Failure). They become errors of the server
// again at the boundary, see entry.hpp.
#pragma once

#include "pg/bridge/live.hpp"
#include "pg/bridge/sqlstate.hpp"

namespace specql {

// An error that the server raised, caught whole by guarded(). Owns the ErrorData, which lies in the memory context that
// was current when guarded() was called.
class ServerError : public Live {
public:
    explicit ServerError(ErrorData* data) noexcept : data_(data) {}
    ServerError(ServerError&& other) noexcept : Live(other), data_(other.release()) {}
    ServerError(const ServerError&) = delete;
    ServerError& operator=(const ServerError&) = delete;
    ~ServerError();
    const ErrorData* data() const noexcept { return data_; }
    // Gives the ErrorData up to the caller, who must rethrow or free it.
    ErrorData* release() noexcept { return std::exchange(data_, nullptr); }

private:
    ErrorData* data_;
};

// An error of ours, thrown from C++ code that has live objects. Texts are in the server's encoding.
class Failure : public Live {
public:
    Failure(int sqlstate, std::string message, std::string detail = {}, std::string hint = {})
        : sqlstate(sqlstate), message(std::move(message)), detail(std::move(detail)), hint(std::move(hint)) {}

    int sqlstate;
    std::string message, detail, hint;
};

}  // namespace specql
