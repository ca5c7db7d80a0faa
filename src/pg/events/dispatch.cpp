// specql.dispatch(action, handler, capture, event, on_error): the statement trigger that hands an action its events.
#include "pg/bridge/entry.hpp"
#include "pg/events/run.hpp"

namespace specql {

SPECQL_FUNCTION(specql_dispatch) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("specql.dispatch is a trigger function")));
    if (!anyPending())
        return PointerGetDatum(nullptr);
    auto* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.dispatch must be an AFTER ... FOR EACH STATEMENT trigger")));
    LOCAL_FCINFO(depth, 0);
    int triggerDepth = DatumGetInt32(pg_trigger_depth(depth));
    while (EventSet* set = takePending(trigger->tg_trigger->tgoid, triggerDepth))
        handleSet(set, trigger);
    return PointerGetDatum(nullptr);
}

}  // namespace specql
