// C++ objects that a memory context owns, so that they are destroyed however the work ends.
#pragma once

#include "pg/bridge/live.hpp"
#include "pg/compat.hpp"

namespace specql {

// Makes a T in `context` that is destroyed when the context is reset or deleted, also by the abort of the transaction.
// The destructor must not call anything that can raise an error. Exceptions of the constructor are not caught.
template <typename T, typename... Args>
T* makeHeld(MemoryContext context, Args&&... args) {
    struct Box : Live {
        explicit Box(Args&&... args) : value(std::forward<Args>(args)...) {}
        MemoryContextCallback callback;
        T value;
    };
    static_assert(alignof(Box) <= MAXIMUM_ALIGNOF);
    void* space = MemoryContextAlloc(context, sizeof(Box));
    Box* box = new (space) Box(std::forward<Args>(args)...);
    box->callback.func = [](void* box) { static_cast<Box*>(box)->~Box(); };
    box->callback.arg = box;
    MemoryContextRegisterResetCallback(context, &box->callback);
    return &box->value;
}

// A new memory context, to be deleted when the work is done; the end of the current (sub)transaction deletes it
// otherwise. It is not a child of CurrentMemoryContext, which may live much longer if a caller catches an error.
// `literalName` is not copied.
inline MemoryContext makeWorkContext(const char* literalName) {
    return AllocSetContextCreateInternal(CurTransactionContext, literalName, ALLOCSET_DEFAULT_SIZES);
}

}  // namespace specql
