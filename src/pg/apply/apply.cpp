// specql.apply: makes the database as the spec says; specql.remove_units: removes units that are in force.
#include <algorithm>

#include "pg/apply/compilation.hpp"
#include "pg/apply/steps.hpp"
#include "pg/base/locks.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/catalog/registry.hpp"
#include "plan/plan.hpp"

namespace specql::apply {

namespace {

// Serializes applies until the end of the transaction, so that the second session sees what the first has made. No
// reader or writer of a table waits for this lock.
void lockApply() {
    (void)takeLock(LockKind::apply, 1, true);
}

// Pure C++.
void addLine(const std::string& line, std::string* to) {
    *to += (to->empty() ? "" : "\n") + line;
}

// Writes the messages of all errors to `detail`, a line each; pure C++.
void writeNeeds(Compilation* compilation) {
    for (const Diagnostic& problem : compilation->problems)
        if (problem.severity == Severity::error) addLine(problem.message, &compilation->detail);
}

// Writes the removed units to `message`, as "entity:ta.Ticket, entity:ta.Agent are"; pure C++.
void writeRemoved(Compilation* compilation) {
    const std::vector<std::string>& units = compilation->view.removed;
    for (const std::string& unit : units)
        compilation->message += (compilation->message.empty() ? "" : ", ") + unit;
    compilation->message += units.size() == 1 ? " is" : " are";
}

[[noreturn]] void refuseRemoval(Compilation* compilation, const char* hint) {
    writeRemoved(compilation);
    ereport(ERROR, (errcode(sqlstate::notAllowed),
                    errmsg("%s needed by others and cannot be removed", displayText(compilation->message)),
                    errdetail("%s", displayText(compilation->detail)), errhint("%s", hint)));
    pg_unreachable();
}

// Writes to `detail` which units would mean something else after the removal. Pure C++.
void writeChanges(const Compilation* whole, Compilation* compilation) {
    for (const std::string& who :
         plan::changedMeanings(whole->compiler.allObjects(), compilation->compiler.allObjects()))
        addLine("What " + who + " says would mean something else.", &compilation->detail);
}

// Raises an error if a unit is not in force; another session may have removed it meanwhile.
void requireInForce(const Compilation* whole, Compilation* compilation) {
    for (const std::string& unit : compilation->view.removed)
        if (std::none_of(whole->units.begin(), whole->units.end(),
                         [&](const InstalledUnit& known) { return known.key() == unit; }))
            compilation->message = unit;
    if (compilation->message.empty()) return;
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("%s is not in force", displayText(compilation->message))));
}

// Raises an error if a unit that stays refers to one that is removed: the name would mean nothing, or something else.
void requireNotReferredTo(Compilation* whole, Compilation* compilation) {
    std::vector<std::string>* sentences = makeHeld<std::vector<std::string>>(compilation->context);
    requireDone(whole->compiler.findReferences(compilation->view.removed, sentences));
    for (const std::string& sentence : *sentences)
        addLine(sentence, &compilation->detail);
    if (!compilation->detail.empty())
        refuseRemoval(compilation,
                      "Remove those too, in the same call: specql.remove(VARIADIC names). Or change them first.");
    if (compilation->errors > 0) {
        writeNeeds(compilation);
        refuseRemoval(compilation, "Change or remove those first.");
    }
    writeChanges(whole, compilation);
    if (!compilation->detail.empty())
        refuseRemoval(
            compilation,
            "Say in their specs what is meant (schema.Entity, a payload key in params:), and apply them first.");
}

int readUnitNames(ArrayType* array, const char* const** names) {
    Datum* values;
    int count;
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, nullptr, &count);
    const char** texts = static_cast<const char**>(palloc(sizeof(char*) * Max(count, 1)));
    for (int i = 0; i < count; ++i)
        texts[i] = TextDatumGetCString(values[i]);
    *names = texts;
    return count;
}

void showSteps(const std::vector<PlanStep>& steps, ResultSet* rows) {
    for (const PlanStep& step : steps)
        rows->row()
            .text(toWord(step.action))
            .text(toWord(step.desired.kind))
            .text(displayText(step.desired.identity))
            .text(step.detail.empty() ? nullptr : displayText(step.detail))
            .end();
}

}  // namespace

SPECQL_FUNCTION(specql_apply) {
    CompileArguments arguments = compileArguments(fcinfo);
    arguments.keepRenames = true;
    ResultSet rows(fcinfo);
    lockApply();
    spi::connect();
    Compilation* compilation = compile(arguments);
    reportWarnings(compilation);
    requireValid(compilation);
    runSteps(compilation->compiler.steps());
    catalog::recordApply(compilation->text, GetUserId(), compilation->units, compilation->compiler.units(),
                         compilation->view.objects, compilation->compiler.steps());
    showSteps(compilation->renames, &rows);
    showSteps(compilation->compiler.steps(), &rows);
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

// specql.remove_units(units, drop_tables): each unit is given as kind:schema.name.
SPECQL_FUNCTION(specql_remove_units) {
    CompileArguments arguments;
    arguments.installedOnly = true;
    arguments.removedCount = readUnitNames(PG_GETARG_ARRAYTYPE_P(0), &arguments.removed);
    arguments.dropTables = PG_GETARG_BOOL(1);
    ResultSet rows(fcinfo);
    if (arguments.removedCount == 0) PG_RETURN_NULL();
    lockApply();
    spi::connect();
    CompileArguments all;
    all.installedOnly = true;
    Compilation* whole = compile(all);
    Compilation* compilation = compile(arguments);
    requireInForce(whole, compilation);
    requireNotReferredTo(whole, compilation);
    runSteps(compilation->compiler.steps());
    catalog::recordRemoval(compilation->view.removed, GetUserId(), compilation->view.objects,
                           compilation->compiler.steps());
    showSteps(compilation->compiler.steps(), &rows);
    spi::finish();
    MemoryContextDelete(whole->context);
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

}  // namespace specql::apply
