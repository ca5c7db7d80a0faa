// The only way to swallow an error of the server: the work runs in a subtransaction, whose abort releases locks and
// buffers.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// An internal subtransaction. The memory context and resource owner of the time of begin() are current again after
// commit() and after rollback(). Trivially destructible on purpose: an error that nobody catches jumps over it, and the
// abort of the outer transaction ends it.
class Subtransaction {
public:
    // Leaves the current memory context as it is, so that results outlive the subtransaction.
    void begin();
    void commit();
    void rollback();

private:
    MemoryContext context_;
    ResourceOwner owner_;
};

namespace detail {
ErrorData* trySubtransaction(void (*body)(void*), void* closure, bool keep);
}

// Runs `body` in a subtransaction. Returns nullptr if it succeeded. After an error the subtransaction is rolled back,
// and the error is returned in the current memory context, to be freed by the caller, its texts cut to 8 kB each.
// Errors that must not be swallowed (cancel, shutdown, no memory, corruption) are rethrown as server errors. `body`
// must hold only trivially destructible locals; a C++ exception out of it also rolls back, and is rethrown.
template <typename Body>
ErrorData* trySubtransaction(Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    return detail::trySubtransaction([](void* closure) { (*static_cast<Closure*>(closure))(); },
                                     const_cast<void*>(static_cast<const void*>(&body)), true);
}

// The same, but what `body` has done is undone when it succeeds too.
template <typename Body>
ErrorData* rehearse(Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    return detail::trySubtransaction([](void* closure) { (*static_cast<Closure*>(closure))(); },
                                     const_cast<void*>(static_cast<const void*>(&body)), false);
}

// Runs item(0) … item(count - 1) in one subtransaction for as long as they succeed, and in a new one after each that
// fails: failed(index, error) is called for it, outside of any subtransaction of ours. What successful items changed in
// the database may be undone by a later failure, so items should only read. For both the same holds as above.
template <typename Item, typename Failed>
void inBatches(int count, Item&& item, Failed&& failed) {
    int next = 0;
    while (next < count) {
        ErrorData* error = trySubtransaction([&next, &item, count] {
            while (next < count) {
                item(next);
                ++next;
            }
        });
        if (error == nullptr) return;
        failed(next, error);
        FreeErrorData(error);
        ++next;
    }
}

}  // namespace specql
