// specql.refuse_change(): the trigger that keeps an append-only log append-only.
#include "pg/bridge/entry.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/events/server.hpp"

namespace specql {

SPECQL_FUNCTION(specql_refuse_change) {
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("specql.refuse_change is a trigger function")));
    const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
    const char* verb = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)   ? "update"
                       : TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "delete from"
                                                                    : "truncate";
    Relation table = trigger->tg_relation;
    const char* name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
                                                  RelationGetRelationName(table));
    ereport(ERROR,
            (errcode(sqlstate::appendOnly), errmsg("cannot %s %s: it is an append-only log", verb, name),
             errdetail("Its rows are history; rules and reports rely on their staying as they were written."),
             errhint("Insert a row that corrects the earlier one. To remove old history on purpose, its owner types "
                     "ALTER TABLE %s DISABLE TRIGGER %s, and ENABLE TRIGGER afterwards.",
                     name, quote_identifier(trigger->tg_trigger->tgname))));
    pg_unreachable();
}

}  // namespace specql
