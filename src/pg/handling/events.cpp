#include "pg/handling/events.hpp"

#include "pg/bridge/entry.hpp"
#include "pg/capture/caller.hpp"
#include "pg/capture/listeners.hpp"
#include "pg/handling/owner.hpp"
#include "pg/capture/working_user.hpp"
#include "pg/handling/run.hpp"
#include "pg/base/event_settings.hpp"
#include "pg/base/tables.hpp"

namespace specql {

namespace {

void atTransactionEvent(XactEvent event, void*) {
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
        case XACT_EVENT_PRE_PREPARE: atBoundary([] { handleLeftovers(); }); break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_PREPARE:
        case XACT_EVENT_ABORT:
            dropAllFrames();
            dropAllEventSets();
            forgetCaller();
            forgetOwnersOf(InvalidSubTransactionId);
            freeOutdatedRules();
            freeOutdatedListeners();
            break;
        default: break;
    }
}

void atSubtransactionEvent(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void*) {
    switch (event) {
        case SUBXACT_EVENT_ABORT_SUB:
            dropFramesOf(own);
            dropEventSetsOf(own);
            forgetOwnersOf(own);
            break;
        case SUBXACT_EVENT_COMMIT_SUB: passEventSets(own, parent); break;
        default: break;
    }
}

}  // namespace

void initEvents() {
    settings::defineEventSettings();
    registerTableInvalidation();
    registerRuleInvalidation();
    registerListenerInvalidation();
    initOwners();
    RegisterXactCallback(atTransactionEvent, nullptr);
    RegisterSubXactCallback(atSubtransactionEvent, nullptr);
}

}  // namespace specql
