#include "pg/bridge/subtransaction.hpp"

extern "C" {
#include "access/xact.h"
#include "mb/pg_wchar.h"
}

namespace specql {

void Subtransaction::begin() {
    context_ = CurrentMemoryContext;
    owner_ = CurrentResourceOwner;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context_);
}

void Subtransaction::commit() {
    ReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context_);
    CurrentResourceOwner = owner_;
}

void Subtransaction::rollback() {
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context_);
    CurrentResourceOwner = owner_;
}

namespace {

bool mayBeSwallowed(int sqlstate) {
    // Of a connection that a handler makes to another server: of this one no session ever sees them.
    if (sqlstate == ERRCODE_TOO_MANY_CONNECTIONS || sqlstate == ERRCODE_CANNOT_CONNECT_NOW) return true;
    if (sqlstate == ERRCODE_DATA_CORRUPTED || sqlstate == ERRCODE_INDEX_CORRUPTED) return false;
    switch (ERRCODE_TO_CATEGORY(sqlstate)) {
        case ERRCODE_OPERATOR_INTERVENTION:
        case ERRCODE_SYSTEM_ERROR:
        case ERRCODE_INSUFFICIENT_RESOURCES: return false;
        default: return true;
    }
}

// The texts of an error may hold the value that it is about, of any size; each is kept up to this many bytes.
constexpr size_t longestText = 8192;

void shorten(char** text) {
    if (*text == nullptr) return;
    size_t length = strlen(*text);
    if (length <= longestText) return;
    char* whole = *text;
    int kept =
        pg_mbcliplen(whole, static_cast<int>(longestText) + MAX_MULTIBYTE_CHAR_LEN, static_cast<int>(longestText));
    *text = psprintf("%.*s... (%zu bytes)", kept, whole, length);
    pfree(whole);
}

}  // namespace

namespace detail {

ErrorData* trySubtransaction(void (*body)(void*), void* closure, bool keep) {
    MemoryContext context = CurrentMemoryContext;
    ErrorData* volatile error = nullptr;
    std::exception_ptr exception;
    Subtransaction subtransaction;
    subtransaction.begin();
    PG_TRY();
    {
        try {
            body(closure);
        } catch (...) {
            exception = std::current_exception();
        }
        if (!exception && keep) subtransaction.commit();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
        subtransaction.rollback();
    }
    PG_END_TRY();
    if (exception || (!keep && error == nullptr)) subtransaction.rollback();
    if (exception) std::rethrow_exception(exception);
    if (error != nullptr && !mayBeSwallowed(error->sqlerrcode)) ReThrowError(error);
    if (error != nullptr)
        for (char** text : {&error->message, &error->detail, &error->hint, &error->context})
            shorten(text);
    return error;
}

}  // namespace detail

}  // namespace specql
