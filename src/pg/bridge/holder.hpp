// C++ objects that a memory context owns, so that they are destroyed however the work ends.
#pragma once

#include "pg/bridge/live.hpp"
#include "pg/compat.hpp"

namespace specql {

// Makes a T that is destroyed when `context` is reset or deleted: by whoever deletes it, or by the abort of the
// transaction. The destructor must not call anything that can raise an error. An exception of the constructor passes.
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
    box->callback.func = [](void* held) { static_cast<Box*>(held)->~Box(); };
    box->callback.arg = box;
    MemoryContextRegisterResetCallback(context, &box->callback);
    return &box->value;
}

// A memory context that goes with the current (sub)transaction at the latest; delete it when the work is done.
// Not a child of CurrentMemoryContext, which after an error that a caller catches may live on for long.
// `literalName` is kept by reference.
inline MemoryContext makeWorkContext(const char* literalName) {
    return AllocSetContextCreateInternal(CurTransactionContext, literalName, ALLOCSET_DEFAULT_SIZES);
}

}  // namespace specql
