#include "pg/base/own_commands.hpp"

namespace specql {

namespace {

int depth = 0;

}  // namespace

bool inOwnCommands() {
    return depth > 0;
}

void detail::runOwnCommands(void (*body)(void*), void* closure) {
    ++depth;
    PG_TRY();
    { body(closure); }
    PG_FINALLY();
    { --depth; }
    PG_END_TRY();
}

}  // namespace specql
