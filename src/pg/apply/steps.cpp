#include "pg/apply/steps.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"

extern "C" {
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/varlena.h"
}

namespace specql::apply {

namespace {

// The part of a command that an error shows; the rest is in specql.plan().
constexpr size_t shownBytes = 400;

// A step while it runs; its command is counted from 0.
struct Running {
    const PlanStep* step;
    size_t command;
    const char* text;  // of the command that was begun, in the server's encoding
};

Pos placeOf(const Running& running) {
    const PlanStep& step = *running.step;
    bool own = running.command < step.places.size() && step.places[running.command].line > 0;
    return own ? step.places[running.command] : step.desired.pos;
}

// "applying table house.lamp of entity house.Lamp, line 4, column 3".
void stepContext(void* argument) {
    const Running& running = *static_cast<Running*>(argument);
    const PlanStep& step = *running.step;
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "applying %s %s", toWord(step.desired.kind), shown(step.desired.identity));
    if (!step.desired.origin.empty())
        appendStringInfo(&text, " of %s%s", step.ofText ? "" : "the installed ", shown(step.desired.origin));
    Pos place = placeOf(running);
    if (step.ofText && place.line > 0) appendStringInfo(&text, ", line %u, column %u", place.line, place.col);
    errcontext("%s", text.data);
}

// Rows that are there would lack what a field demands.
bool lacksValues(const Running& running, const ErrorData* error) {
    return running.step->desired.kind == ObjectKind::table && error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION;
}

// A command of thousands of lines stands in the context; its beginning says enough.
void cutCommand(const char* command, ErrorData* error) {
    size_t length = strlen(command);
    if (length <= shownBytes) return;
    const char* found = error->context != nullptr ? strstr(error->context, command) : nullptr;
    int kept = pg_mbcliplen(command, static_cast<int>(length), static_cast<int>(shownBytes));
    if (found != nullptr)
        error->context = psprintf("%.*s%.*s ...%s", static_cast<int>(found - error->context), error->context, kept,
                                  command, found + length);
    if (error->internalquery != nullptr) {
        error->internalquery = nullptr;
        error->internalpos = 0;
    }
}

void explainError(const Running& running, ErrorData* error) {
    if (running.text != nullptr) cutCommand(running.text, error);
    if (error->hint == nullptr && lacksValues(running, error))
        error->hint = pstrdup(
            "The table has rows. Give the field a default; or add it without !, fill it in, and apply it with ! then.");
}

struct TriggerPlace {
    const char* name;   // unquoted
    const char* table;  // quoted
    Oid relation;
};

TriggerPlace placeOf(const Object& trigger) {
    TriggerPlace place;
    place.name = strVal(linitial(textToQualifiedNameList(DatumGetTextPP(spi::text(trigger.name)))));
    place.table = fromUtf8(trigger.table);
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
        " WHERE t.oid = $1 AND n.nspname = 'specql' AND p.proname IN ('capture', 'dispatch', 'refuse_change')",
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

void runCommand(const std::string& command, Running* running) {
    running->text = fromUtf8(command);
    int result = SPI_execute(running->text, false, 0);
    if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
    SPI_freetuptable(SPI_tuptable);
    running->text = nullptr;
}

void runStep(const PlanStep& step, Running* running) {
    ErrorContextCallback callback;
    callback.callback = stepContext;
    callback.arg = running;
    callback.previous = error_context_stack;
    error_context_stack = &callback;
    if (step.desired.kind == ObjectKind::trigger && step.action != PlanAction::drop && !step.sql.empty()) {
        TriggerPlace trigger = placeOf(step.desired);
        requireTableOwner(trigger);
        if (step.action == PlanAction::create) requireFreeName(trigger);
    }
    for (; running->command < step.sql.size(); ++running->command) {
        CHECK_FOR_INTERRUPTS();
        runCommand(step.sql[running->command], running);
    }
    error_context_stack = callback.previous;
}

// An error goes on to the caller, and says where in the spec it comes from.
void runExplained(const PlanStep& step) {
    MemoryContext context = CurrentMemoryContext;
    Running* running = static_cast<Running*>(palloc(sizeof(Running)));
    running->step = &step;
    running->command = 0;
    running->text = nullptr;
    ErrorData* volatile error = nullptr;
    PG_TRY();
    { runStep(step, running); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    if (error == nullptr) return;
    explainError(*running, error);
    ReThrowError(error);
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
        runExplained(step);
    AtEOXact_GUC(true, level);
}

}  // namespace specql::apply
