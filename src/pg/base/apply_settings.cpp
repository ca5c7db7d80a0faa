#include "pg/base/apply_settings.hpp"

#include "pg/compat.hpp"

namespace specql {

int maxSpecSize = 1024 * 1024;

void initApply() {
    DefineCustomIntVariable("specql.max_spec_size", "The longest specification that is read.",
                            "Counted in bytes. The limit keeps a mistaken argument from costing much time and memory.",
                            &maxSpecSize, 1024 * 1024, 1024, 8 * 1024 * 1024, PGC_USERSET, GUC_UNIT_BYTE, nullptr,
                            nullptr, nullptr);
}

}  // namespace specql
