#include "pg/handling/events.hpp"

#include "pg/base/event_settings.hpp"
#include "pg/base/tables.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/capture/baggage.hpp"
#include "pg/capture/caller.hpp"
#include "pg/capture/registry.hpp"
#include "pg/capture/statement.hpp"
#include "pg/capture/working_user.hpp"
#include "pg/handling/deferred.hpp"
#include "pg/handling/owner.hpp"
#include "pg/handling/run.hpp"
#include "pg/handling/waiting.hpp"

namespace specql::handling {

namespace {

void atTransactionEvent(XactEvent event, void*) {
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
        case XACT_EVENT_PRE_PREPARE: atBoundary([] { handleLeftovers(); }); break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_PREPARE:
        case XACT_EVENT_ABORT:
            capture::dropAllFrames();
            capture::dropAllEventSets();
            capture::forgetSessionCaller();
            capture::forgetSessionBaggage();
            capture::forgetRestrictedCalls(InvalidSubTransactionId);
            forgetUntriedOf(InvalidSubTransactionId);
            noteConstraintsSet(false);
            capture::freeOutdatedListeners();
            capture::freeOutdatedRegistry();
            break;
        default: break;
    }
}

void atSubtransactionEvent(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId parent, void*) {
    switch (event) {
        case SUBXACT_EVENT_ABORT_SUB:
            capture::dropFramesOf(subtransaction);
            capture::dropEventSetsOf(subtransaction);
            capture::forgetRestrictedCalls(subtransaction);
            forgetUntriedOf(subtransaction);
            break;
        case SUBXACT_EVENT_COMMIT_SUB:
            capture::passEventSets(subtransaction, parent);
            passUntried(subtransaction, parent);
            break;
        default: break;
    }
}

}  // namespace

void initEvents() {
    settings::defineEventSettings();
    registerTableInvalidation();
    capture::registerListenerInvalidation();
    capture::registerRegistryInvalidation();
    capture::initStatements();
    initOwners();
    initDeferred();
    RegisterXactCallback(atTransactionEvent, nullptr);
    RegisterSubXactCallback(atSubtransactionEvent, nullptr);
}

}  // namespace specql::handling
