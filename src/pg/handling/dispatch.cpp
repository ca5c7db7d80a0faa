// specql.dispatch(): the statement trigger of an action. The first of these triggers that fires for a statement runs
// all actions of the table that have captured events, in their order; the later ones, where they fire at all
// (capture/statement.hpp), then find nothing to do. (Nothing is captured for an action whose own trigger is disabled.)
#include "pg/bridge/entry.hpp"
#include "pg/handling/run.hpp"

namespace specql::handling {

SPECQL_FUNCTION(specql_dispatch) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("specql.dispatch is a trigger function")));
    if (!capture::anyPending()) return PointerGetDatum(nullptr);
    auto* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.dispatch must be an AFTER ... FOR EACH STATEMENT trigger")));
    LOCAL_FCINFO(depth, 0);
    int triggerDepth = DatumGetInt32(pg_trigger_depth(depth));
    while (capture::EventSet* set = capture::takePending(RelationGetRelid(trigger->tg_relation), triggerDepth))
        handleEventSet(set, set->listener->trigger == trigger->tg_trigger->tgoid ? trigger : nullptr);
    return PointerGetDatum(nullptr);
}

}  // namespace specql::handling
