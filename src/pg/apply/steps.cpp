#include "pg/apply/steps.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/fmgrprotos.h"
#include "utils/varlena.h"
}

namespace specql {

namespace {

// Says in the context of an error which object was in the making.
void stepContext(void* argument) {
    const PlanStep* step = static_cast<PlanStep*>(argument);
    errcontext("applying %s %s", step->kind.c_str(), step->object.c_str());
}

// "name on table", as the identity of a trigger.
struct TriggerPlace {
    const char* name;   // unquoted
    const char* table;  // quoted
    Oid relation;
};

TriggerPlace placeOf(const char* identity) {
    TriggerPlace place;
    const char* on = nullptr;
    for (const char* at = strstr(identity, " on "); at != nullptr; at = strstr(at + 1, " on "))
        on = at;
    if (on == nullptr) elog(ERROR, "\"%s\" does not say on which table the trigger is", identity);
    List* name = textToQualifiedNameList(cstring_to_text_with_len(identity, static_cast<int>(on - identity)));
    place.name = strVal(linitial(name));
    place.table = on + 4;
    place.relation = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(place.table)));
    return place;
}

// Who has only TRIGGER on a table could otherwise run code as whoever writes to it.
void requireTableOwner(const TriggerPlace& trigger) {
    if (!compat::ownsRelation(trigger.relation, GetUserId()))
        ereport(
            ERROR,
            (errcode(sqlstate::notAllowed), errmsg("you are not the owner of table %s", trigger.table),
             errdetail(
                 "A rule runs with the rights of whoever changes the table, so only its owner may put one on it."),
             errhint("Let the owner apply this specification, or become a member of the role that owns the table.")));
}

// A dump without data has the triggers, but not the record of them.
bool callsSpecql(Oid trigger) {
    int found = spi::query(
        "SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE t.oid = $1 AND n.nspname = 'specql' AND p.proname IN ('capture', 'dispatch')",
        {{OIDOID, ObjectIdGetDatum(trigger)}});
    SPI_freetuptable(SPI_tuptable);
    return found > 0;
}

// The command replaces a trigger of the same name, which is right only for one of ours.
void requireFreeName(const TriggerPlace& trigger) {
    Oid present = get_trigger_oid(trigger.relation, trigger.name, true);
    if (OidIsValid(present) && !callsSpecql(present))
        ereport(ERROR,
                (errcode(sqlstate::notAllowed),
                 errmsg("trigger %s on table %s is in the way: specql did not create it", trigger.name, trigger.table),
                 errhint("Drop or rename that trigger, or rename the action.")));
}

void runStep(const PlanStep& step) {
    ErrorContextCallback callback;
    callback.callback = stepContext;
    callback.arg = const_cast<PlanStep*>(&step);
    callback.previous = error_context_stack;
    error_context_stack = &callback;
    if (step.kind == "trigger" && step.action != "drop" && !step.sql.empty()) {
        TriggerPlace trigger = placeOf(fromUtf8(step.object));
        requireTableOwner(trigger);
        if (step.action == "create") requireFreeName(trigger);
    }
    for (const std::string& command : step.sql) {
        CHECK_FOR_INTERRUPTS();
        int result = SPI_execute(fromUtf8(command), false, 0);
        if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
        SPI_freetuptable(SPI_tuptable);
    }
    error_context_stack = callback.previous;
}

}  // namespace

void runSteps(const std::vector<PlanStep>& steps) {
    int level = NewGUCNestLevel();
    // Generated commands name everything with its schema; what a session set must not change what they mean.
    setLocal("search_path", "pg_catalog, pg_temp");
    setLocal("standard_conforming_strings", "on");
    // "constraint does not exist, skipping" and the like say nothing to whoever applied; warnings do.
    if (client_min_messages < WARNING) setLocal("client_min_messages", "warning");
    for (const PlanStep& step : steps)
        runStep(step);
    AtEOXact_GUC(true, level);
}

}  // namespace specql
