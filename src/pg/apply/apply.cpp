// specql.apply: the database as the spec says, or an error.
#include "pg/apply/compilation.hpp"
#include "pg/apply/steps.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/spi.hpp"
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
    for (const PlanStep& step : compilation->compiler.steps())
        rows.row()
            .text(shown(step.action))
            .text(shown(step.kind))
            .text(shown(step.object))
            .text(step.detail.empty() ? nullptr : shown(step.detail))
            .end();
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

}  // namespace specql
