#include "pg/bridge/entry.hpp"

namespace specql {

#ifdef SPECQL_DEBUG
long Live::count_ = 0;
#endif

namespace {

// A copy that no exception owns; nullptr if empty or if there is no memory (an error must not come of reporting one).
const char* keep(const std::string& text) {
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
        caught.message = keep(failure.message);
        caught.detail = keep(failure.detail);
        caught.hint = keep(failure.hint);
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
SPECQL_FUNCTION(specql_live_objects)
{ PG_RETURN_INT64(Live::count()); }
#endif

}  // namespace specql
