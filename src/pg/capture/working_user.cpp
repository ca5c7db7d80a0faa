#include "pg/capture/working_user.hpp"

namespace specql::capture {

namespace {

// A restricted call that is running; allocated in TopTransactionContext.
struct Call {
    Call* outer;
    Oid owner;
    SubTransactionId subtransaction;
};

Call* innermost = nullptr;

}  // namespace

bool inRestrictedCall() {
    return innermost != nullptr && InSecurityRestrictedOperation();
}

void beginRestrictedCall(Oid owner) {
    auto* call = static_cast<Call*>(MemoryContextAlloc(TopTransactionContext, sizeof(Call)));
    *call = {innermost, owner, GetCurrentSubTransactionId()};
    innermost = call;
}

bool endRestrictedCall() {
    Call* call = innermost;
    innermost = call->outer;
    pfree(call);
    return innermost == nullptr;
}

Oid workingUser() {
    return inRestrictedCall() ? innermost->owner : GetOuterUserId();
}

void forgetRestrictedCalls(SubTransactionId subtransaction) {
    while (innermost != nullptr &&
           (subtransaction == InvalidSubTransactionId || innermost->subtransaction >= subtransaction))
        innermost = innermost->outer;
}

}  // namespace specql::capture
