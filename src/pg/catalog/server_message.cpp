#include "pg/catalog/server_message.hpp"

#include "pg/bridge/encoding.hpp"

namespace specql::catalog {

ServerMessage describe(const ErrorData* error, const char* expression) {
    ServerMessage message;
    message.text = toUtf8(error->message);
    const char* hint = error->hint != nullptr ? error->hint : error->detail;
    message.hint = hint != nullptr ? toUtf8(hint) : nullptr;
    message.offset = error->cursorpos > 0 ? static_cast<int>(characterOffset(expression, error->cursorpos - 1)) : -1;
    return message;
}

}  // namespace specql::catalog
