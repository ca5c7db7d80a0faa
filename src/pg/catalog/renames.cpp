#include "pg/catalog/renames.hpp"

#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"

namespace specql::catalog {

namespace {

void copyCells(RenameAnswer* answer) {
    const char* name = spi::cell(0, 1);
    const char* former = spi::cell(0, 2);
    answer->name = name != nullptr ? name : "";
    answer->former = former != nullptr ? former : "";
    SPI_freetuptable(SPI_tuptable);
}

void answerColumn(const RenameQuestion& question, RenameAnswer* answer) {
    spi::query("SELECT specql.first_column($1, $2, $3), specql.first_column($1, $2, $4)",
               {{TEXTOID, spi::text(question.schema)},
                {TEXTOID, spi::text(question.table)},
                {TEXTARRAYOID, spi::textArray(question.names)},
                {TEXTARRAYOID, spi::textArray(question.formers)}});
    copyCells(answer);
}

// Is it a value that the check of its column allows, as pg_get_constraintdef() writes it?
void answerValue(const RenameQuestion& question, RenameAnswer* answer) {
    int count = spi::query(
        "SELECT name, former, quote_ident(conname), definition FROM specql.value_in_check($1, $2, $3, $4, $5)",
        {{TEXTOID, spi::text(question.schema)},
         {TEXTOID, spi::text(question.table)},
         {TEXTOID, spi::text(question.column)},
         {TEXTARRAYOID, spi::textArray(question.names)},
         {TEXTARRAYOID, spi::textArray(question.formers)}});
    const char* name = count > 0 ? spi::cell(0, 1) : nullptr;
    const char* former = count > 0 ? spi::cell(0, 2) : nullptr;
    answer->name = name != nullptr ? name : "";
    answer->former = former != nullptr ? former : "";
    if (count > 0) {
        const char* check = spi::cell(0, 3);
        const char* definition = spi::cell(0, 4);
        answer->check = check;
        answer->definition = definition;
    }
    SPI_freetuptable(SPI_tuptable);
}

void answerUnit(const RenameQuestion& question, const char* kind, RenameAnswer* answer) {
    spi::query("SELECT specql.first_in_force($1, $2), specql.first_in_force($1, $3)",
               {{TEXTOID, CStringGetTextDatum(kind)},
                {TEXTARRAYOID, spi::textArray(question.names)},
                {TEXTARRAYOID, spi::textArray(question.formers)}});
    copyCells(answer);
}

// Where the rows of the former entity are. A table in the place that they shall have is not theirs.
void findTable(const RenameQuestion& question, RenameAnswer* answer) {
    int count = spi::query(
        "SELECT n.nspname, c.relname, to_regclass(format('%I.%I', $2, $3))"
        "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.oid = specql.rows_of_entity($1) AND (n.nspname, c.relname) <> ($2, $3)",
        {{TEXTOID, spi::text(answer->former)},
         {TEXTOID, spi::text(question.schema)},
         {TEXTOID, spi::text(question.table)}});
    if (count > 0) {
        const char* schema = spi::cell(0, 1);
        const char* table = spi::cell(0, 2);
        const char* inTheWay = spi::cell(0, 3);
        answer->schema = schema;
        answer->table = table;
        if (inTheWay != nullptr) answer->name = inTheWay;
    }
    SPI_freetuptable(SPI_tuptable);
}

}  // namespace

void answerRename(const RenameQuestion& question, RenameAnswer* answer) {
    runAsExtensionOwner([&question, answer] {
        answer->schema.clear();
        answer->table.clear();
        switch (question.kind) {
            case RenameKind::column: answerColumn(question, answer); break;
            case RenameKind::value: answerValue(question, answer); break;
            case RenameKind::action: answerUnit(question, "action", answer); break;
            case RenameKind::service: answerUnit(question, "service", answer); break;
            case RenameKind::entity:
                answerUnit(question, "entity", answer);
                if (!answer->former.empty()) findTable(question, answer);
                break;
        }
    });
}

void recordFormerNames(const RenameQuestion& question, Oid caller) {
    if (question.kind != RenameKind::column && question.kind != RenameKind::value) return;
    runAsExtensionOwner([&question, caller] {
        if (question.kind == RenameKind::value)
            spi::query("SELECT specql.keep_former_values($1, $2, $3, $4, $5, $6)",
                       {{TEXTOID, spi::text(question.schema)},
                        {TEXTOID, spi::text(question.table)},
                        {TEXTOID, spi::text(question.column)},
                        {TEXTOID, spi::text(question.names.front())},
                        {TEXTARRAYOID, spi::textArray(question.formers)},
                        {OIDOID, ObjectIdGetDatum(caller)}});
        else
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
