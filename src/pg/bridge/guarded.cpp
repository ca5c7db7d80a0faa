#include "pg/bridge/guarded.hpp"

namespace specql {

ServerError::~ServerError() {
    if (data_ != nullptr) FreeErrorData(data_);
}

namespace detail {

void guardedCall(void (*body)(void*), void* closure) {
    MemoryContext context = CurrentMemoryContext;
    ErrorData* volatile error = nullptr;
    std::exception_ptr exception;
    PG_TRY();
    {
        // An exception must not leave PG_TRY, which would keep a dangling jump buffer.
        try {
            body(closure);
        } catch (...) {
            exception = std::current_exception();
        }
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    if (error != nullptr) throw ServerError(error);
    if (exception) std::rethrow_exception(exception);
}

}  // namespace detail

}  // namespace specql
