#include "pg/apply/steps.hpp"

#include "pg/base/own_commands.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/holder.hpp"
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

// The step that is running, for the context of errors; commands count from 0.
struct RunningStep {
    const PlanStep* step;
    size_t command;
    const char* text;  // of the command that was begun, in the server's encoding
};

Pos positionOf(const RunningStep& running) {
    const PlanStep& step = *running.step;
    bool known = running.command < step.places.size() && step.places[running.command].line > 0;
    return known ? step.places[running.command] : step.desired.pos;
}

// "applying table house.lamp of entity house.Lamp, line 4, column 3".
void stepContext(void* argument) {
    const RunningStep& running = *static_cast<RunningStep*>(argument);
    const PlanStep& step = *running.step;
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfo(&text, "applying %s %s", toWord(step.desired.kind), displayText(step.desired.identity));
    if (!step.desired.origin.empty())
        appendStringInfo(&text, " of %s%s", step.ofText ? "" : "the installed ", displayText(step.desired.origin));
    Pos position = positionOf(running);
    if (step.ofText && position.line > 0) appendStringInfo(&text, ", line %u, column %u", position.line, position.col);
    errcontext("%s", text.data);
}

// Did a field fail that must not be NULL, because the table has rows?
bool lacksValues(const RunningStep& running, const ErrorData* error) {
    return running.step->desired.kind == ObjectKind::table && error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION;
}

// Shortens the command in the error's context, which may have thousands of lines.
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

void explainError(const RunningStep& running, ErrorData* error) {
    if (running.text != nullptr) cutCommand(running.text, error);
    if (error->hint == nullptr && lacksValues(running, error))
        error->hint = pstrdup(
            "The table has rows. Give the field a default; or add it without !, fill it in, and apply it with ! then.");
}

struct TriggerName {
    const char* name;   // unquoted
    const char* table;  // quoted
    Oid relation;
};

TriggerName nameOf(const Object& trigger) {
    TriggerName found;
    found.name = strVal(linitial(textToQualifiedNameList(DatumGetTextPP(spi::text(trigger.name)))));
    found.table = fromUtf8(trigger.table);
    found.relation = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(found.table)));
    return found;
}

// A role with only the TRIGGER privilege on the table could otherwise make others run its code.
void requireTableOwner(const TriggerName& trigger) {
    if (!compat::ownsTable(trigger.relation, GetUserId()))
        ereport(
            ERROR,
            (errcode(sqlstate::notAllowed), errmsg("you are not the owner of table %s", trigger.table),
             errdetail(
                 "A rule runs with the rights of whoever changes the table, so only its owner may put one on it."),
             errhint("Let the owner apply this specification, or become a member of the role that owns the table.")));
}

// Does the trigger call a function of specql? After the restore of a dump without data, triggers are not recorded.
bool callsSpecql(Oid trigger) {
    int found = spi::query(
        "SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE t.oid = $1 AND n.nspname = 'specql' AND p.proname IN ('capture', 'dispatch', 'refuse_change')",
        {{OIDOID, ObjectIdGetDatum(trigger)}});
    SPI_freetuptable(SPI_tuptable);
    return found > 0;
}

// CREATE OR REPLACE TRIGGER must not replace a trigger that specql has not made.
void requireFreeName(const TriggerName& trigger) {
    Oid present = get_trigger_oid(trigger.relation, trigger.name, true);
    if (OidIsValid(present) && !callsSpecql(present))
        ereport(ERROR,
                (errcode(sqlstate::notAllowed),
                 errmsg("trigger %s on table %s is in the way: specql did not create it", trigger.name, trigger.table),
                 errhint("Drop or rename that trigger, or rename the action.")));
}

void runCommand(const std::string& command, RunningStep* running) {
    running->text = fromUtf8(command);
    int result = SPI_execute(running->text, false, 0);
    if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
    SPI_freetuptable(SPI_tuptable);
    running->text = nullptr;
}

void runStep(const PlanStep& step, RunningStep* running) {
    ErrorContextCallback callback;
    callback.callback = stepContext;
    callback.arg = running;
    callback.previous = error_context_stack;
    error_context_stack = &callback;
    if (step.desired.kind == ObjectKind::trigger && step.action != PlanAction::drop && !step.sql.empty()) {
        TriggerName trigger = nameOf(step.desired);
        requireTableOwner(trigger);
        if (step.action == PlanAction::create) requireFreeName(trigger);
    }
    for (; running->command < step.sql.size(); ++running->command) {
        CHECK_FOR_INTERRUPTS();
        runCommand(step.sql[running->command], running);
    }
    error_context_stack = callback.previous;
}

// Runs a step; an error gets a shortened command and a hint, and is rethrown.
void runExplained(const PlanStep& step) {
    MemoryContext context = CurrentMemoryContext;
    RunningStep* running = static_cast<RunningStep*>(palloc(sizeof(RunningStep)));
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

// Processes that are under way go on by the functions that they began with: those that change now are copied before.
void keepProcesses(const std::vector<PlanStep>& steps, size_t from) {
    std::vector<std::string>* changed = makeHeld<std::vector<std::string>>(CurrentMemoryContext);
    for (size_t i = from; i < steps.size(); ++i)
        if (steps[i].desired.kind == ObjectKind::function && !steps[i].sql.empty())
            changed->push_back(steps[i].desired.identity);
    if (changed->empty()) return;
    (void)spi::query("SELECT specql.keep_processes($1)", {{TEXTARRAYOID, spi::textArray(*changed)}});
    SPI_freetuptable(SPI_tuptable);
}

}  // namespace

void runSteps(const std::vector<PlanStep>& steps, size_t from) {
    int level = NewGUCNestLevel();
    // Generated commands name everything with its schema; what a session set must not change what they mean.
    setLocal("search_path", "pg_catalog, pg_temp");
    setLocal("standard_conforming_strings", "on");
    // Notices like "constraint does not exist, skipping" tell users nothing; warnings do.
    if (client_min_messages < WARNING) setLocal("client_min_messages", "warning");
    const std::vector<PlanStep>* all = &steps;
    asOwnCommands([all, from] {
        keepProcesses(*all, from);
        for (size_t i = from; i < all->size(); ++i)
            runExplained((*all)[i]);
    });
    AtEOXact_GUC(true, level);
}

}  // namespace specql::apply
