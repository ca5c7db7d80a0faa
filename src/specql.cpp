// The module: what the server loads, and what it is made of.
#include "pg/base/apply_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/compat.hpp"
#include "pg/handling/events.hpp"
#include "pg/worker/worker.hpp"

extern "C" {

SPECQL_EXPORT const Pg_magic_struct* PG_MAGIC_FUNCTION_NAME(void);
PG_MODULE_MAGIC;

SPECQL_EXPORT void _PG_init(void);

void _PG_init(void) {
    specql::atBoundary([] {
        specql::initApply();
        // Before the events: at the end of a transaction the last to register is asked first, and handlers may run
        // then.
        specql::worker::initWorker();
        specql::handling::initEvents();
        specql::compat::reserveSettingPrefix("specql");
    });
}
}
