// The one place where an error of the server is swallowed: inside a subtransaction.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// An internal subtransaction. The memory context and resource owner of the time of begin() are current again after
// commit() and after rollback(). Trivially destructible on purpose: an error that nobody catches jumps over it, and the
// abort of the outer transaction ends it.
class Subtransaction {
public:
    // The current memory context stays the caller's, so that results outlive the subtransaction.
    void begin();
    void commit();
    void rollback();

private:
    MemoryContext context_;
    ResourceOwner owner_;
};

namespace detail {
ErrorData* trySubtransaction(void (*body)(void*), void* closure);
}

// Runs `body` in a subtransaction. Returns nullptr if it ended well, else what the server reported, after the rollback;
// the caller frees it (it lies in the caller's memory context). Errors that must not be swallowed (cancel, shutdown, no
// memory, corruption) are rethrown as server errors. `body` must hold only trivially destructible locals; a C++
// exception out of it rolls back too and goes on to the caller.
template <typename Body>
ErrorData* trySubtransaction(Body&& body) {
    using Closure = std::remove_reference_t<Body>;
    return detail::trySubtransaction([](void* closure) { (*static_cast<Closure*>(closure))(); },
                                     const_cast<void*>(static_cast<const void*>(&body)));
}

// Runs item(0) … item(count - 1) in one subtransaction for as long as they succeed, and in a new one after each that
// fails: failed(index, error) is called for it, outside of any subtransaction of ours. What successful items changed in
// the database may be undone by a later failure, so items should only read. The same rules as above apply to both.
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
