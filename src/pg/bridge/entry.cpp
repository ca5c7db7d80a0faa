#include "pg/bridge/entry.hpp"

namespace specql {

#ifdef SPECQL_DEBUG
long Live::count_ = 0;
#endif

namespace {

// Copies a text out of the exception that owns it; nullptr if it is empty or if memory is short, which must not raise
// another error here.
const char* copyText(const std::string& text) {
    if (text.empty()) return nullptr;
    size_t length = Min(text.size(), MaxAllocSize - 1);
    char* copy = static_cast<char*>(MemoryContextAllocExtended(CurrentMemoryContext, length + 1, MCXT_ALLOC_NO_OOM));
    if (copy == nullptr) return nullptr;
    memcpy(copy, text.data(), length);
    copy[length] = '\0';
    return copy;
}

}  // namespace

Caught describeCaught() noexcept {
    Caught caught;
    caught.sqlstate = ERRCODE_INTERNAL_ERROR;
    try {
        throw;
    } catch (ServerError& error) {
        caught.server = error.release();
    } catch (const Failure& failure) {
        caught.sqlstate = failure.sqlstate;
        caught.message = copyText(failure.message);
        caught.detail = copyText(failure.detail);
        caught.hint = copyText(failure.hint);
    } catch (const std::bad_alloc&) {
        caught.sqlstate = ERRCODE_OUT_OF_MEMORY;
        caught.message = "out of memory";
    } catch (const std::exception& error) {
        char text[512];
        strlcpy(text, error.what(), sizeof text);
        caught.message =
            static_cast<char*>(MemoryContextAllocExtended(CurrentMemoryContext, sizeof text, MCXT_ALLOC_NO_OOM));
        if (caught.message != nullptr) memcpy(const_cast<char*>(caught.message), text, sizeof text);
    } catch (...) {
        caught.message = "unexpected C++ exception";
    }
    if (caught.message == nullptr) caught.message = "out of memory while an error was being reported";
    return caught;
}

void reportCaught(const Caught& caught) {
    if (caught.server != nullptr) ReThrowError(caught.server);
    ereport(ERROR, (errcode(caught.sqlstate), errmsg_internal("%s", caught.message),
                    caught.detail != nullptr ? errdetail_internal("%s", caught.detail) : 0,
                    caught.hint != nullptr ? errhint("%s", caught.hint) : 0));
    pg_unreachable();
}

#ifdef SPECQL_DEBUG
SPECQL_FUNCTION(specql_live_objects) {
    PG_RETURN_INT64(Live::count());
}
#endif

}  // namespace specql
