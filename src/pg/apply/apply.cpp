// specql.apply: the database as the spec says, or an error; specql.remove: a unit's rules gone.
#include "pg/apply/compilation.hpp"
#include "pg/apply/steps.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/catalog/registry.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace specql {

namespace {

// Two sessions applying at once take turns until the end of the first one's transaction; the second then sees what the
// first made. Taken by specql only; no reader or writer of a table waits for it. 'SPQL', 1.
void lockApply() {
    DirectFunctionCall2(pg_advisory_xact_lock_int4, Int32GetDatum(0x5350514C), Int32GetDatum(1));
}

// Messages of all errors, a line each; pure C++.
void writeNeeds(Compilation* compilation) {
    for (const Diagnostic& problem : compilation->problems) {
        if (problem.severity != Severity::error) continue;
        compilation->detail += (compilation->detail.empty() ? "" : "\n") + problem.message;
    }
}

// The units that stay must be understood without the one that goes.
void requireNotNeeded(Compilation* compilation) {
    if (compilation->errors == 0) return;
    writeNeeds(compilation);
    ereport(ERROR, (errcode(sqlstate::notAllowed),
                    errmsg("%s is needed by others and cannot be removed", shown(compilation->view.removed)),
                    errdetail("%s", shown(compilation->detail)),
                    errhint("Change or remove those first, or all of them in one apply and then this one.")));
}

void showSteps(const Compilation* compilation, ResultSet* rows) {
    for (const PlanStep& step : compilation->compiler.steps())
        rows->row()
            .text(shown(step.action))
            .text(shown(step.kind))
            .text(shown(step.object))
            .text(step.detail.empty() ? nullptr : shown(step.detail))
            .end();
}

}  // namespace

SPECQL_FUNCTION(specql_apply) {
    CompileArguments arguments = compileArguments(fcinfo);
    ResultSet rows(fcinfo);
    lockApply();
    spi::connect();
    Compilation* compilation = compile(arguments);
    reportWarnings(compilation);
    requireValid(compilation);
    runSteps(compilation->compiler.steps());
    recordApply(compilation->text, GetUserId(), compilation->units, compilation->compiler.units(),
                compilation->compiler.steps());
    showSteps(compilation, &rows);
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_remove) {
    const char* name = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));
    ResultSet rows(fcinfo);
    lockApply();
    spi::connect();
    CompileArguments arguments;
    arguments.installedOnly = true;
    arguments.removed = knownUnit(name);
    arguments.dropTables = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
    Compilation* compilation = compile(arguments);
    requireNotNeeded(compilation);
    runSteps(compilation->compiler.steps());
    recordRemoval(compilation->view.removed, GetUserId(), compilation->compiler.steps());
    showSteps(compilation, &rows);
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

}  // namespace specql
