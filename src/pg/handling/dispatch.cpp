// specql.dispatch(action, handler, capture, event, on_error): the statement trigger that hands an action its events.
// The first one of a table that fires hands the events of the statement to all of its actions, in the order in which
// they run; those of actions whose own trigger does not fire were never captured.
#include "pg/bridge/entry.hpp"
#include "pg/handling/run.hpp"

namespace specql::handling {

SPECQL_FUNCTION(specql_dispatch)
{
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
        handleSet(set, set->rule->trigger == trigger->tg_trigger->tgoid ? trigger : nullptr);
    return PointerGetDatum(nullptr);
}

}  // namespace specql::handling
