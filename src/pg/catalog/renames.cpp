#include "pg/catalog/renames.hpp"

#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"

namespace specql::catalog {

void answerRename(const RenameQuestion& question, RenameAnswer* answer) {
    runAsExtensionOwner([&question, answer] {
        spi::query("SELECT specql.first_column($1, $2, $3), specql.first_column($1, $2, $4)",
                   {{TEXTOID, spi::text(question.schema)},
                    {TEXTOID, spi::text(question.table)},
                    {TEXTARRAYOID, spi::textArray(question.names)},
                    {TEXTARRAYOID, spi::textArray(question.formers)}});
        const char* name = spi::cell(0, 1);
        const char* former = spi::cell(0, 2);
        answer->name = name != nullptr ? name : "";
        answer->former = former != nullptr ? former : "";
        SPI_freetuptable(SPI_tuptable);
    });
}

void recordFormerNames(const RenameQuestion& question, Oid caller) {
    runAsExtensionOwner([&question, caller] {
        spi::query("SELECT specql.keep_former_names($1, $2, $3, $4, $5)",
                   {{TEXTOID, spi::text(question.schema)},
                    {TEXTOID, spi::text(question.table)},
                    {TEXTARRAYOID, spi::textArray(question.names)},
                    {TEXTARRAYOID, spi::textArray(question.formers)},
                    {OIDOID, ObjectIdGetDatum(caller)}});
        SPI_freetuptable(SPI_tuptable);
    });
}

}  // namespace specql::catalog
