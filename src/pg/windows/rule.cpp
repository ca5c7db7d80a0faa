#include "pg/windows/rule.hpp"

#include "pg/bridge/spi.hpp"

extern "C" {
#include "utils/array.h"
#include "utils/timestamp.h"
}

namespace specql::windows {

namespace {

const char* const ruleSql = R"(
SELECT r.event, array_to_string(r.keys, chr(10)), r.joined, r.after_match,
       (extract(epoch FROM coalesce(r.cooldown, '0')) * 1000000)::bigint, r.on_timeout
FROM specql.window_rule AS r WHERE r.action = $1)";

const char* const termsSql = R"(
SELECT t.item ->> 'aggregate', t.item ? 'distinct', t.item ? 'field', t.item ->> 'comparison', t.item ->> 'number',
       (extract(epoch FROM (t.item ->> 'within')::interval) * 1000000)::bigint
FROM specql.window_rule AS r, jsonb_array_elements(r.terms) WITH ORDINALITY AS t(item, place)
WHERE r.action = $1 ORDER BY t.place)";

constexpr const char* aggregates[] = {"count", "sum", "avg", "min", "max"};
constexpr const char* comparisons[] = {"<", "<=", "=", "<>", ">=", ">"};
constexpr const char* modes[] = {"consume", "edge", "every"};

template <typename Enum, size_t count>
bool findName(const char* const (&names)[count], const char* name, Enum* value) {
    for (size_t i = 0; i < count && name != nullptr; ++i)
        if (strcmp(names[i], name) == 0) {
            *value = static_cast<Enum>(i);
            return true;
        }
    return false;
}

// False if a text is not understood. Pure C++.
bool addTerm(time::WindowRule* rule, const char* aggregate, bool distinct, bool hasField, const char* comparison,
             const char* number, int64_t within) {
    time::WindowTermRule term;
    term.distinct = distinct;
    term.hasField = hasField;
    term.within = within;
    bool good = findName(aggregates, aggregate, &term.aggregate) &&
                findName(comparisons, comparison, &term.comparison) && number != nullptr &&
                time::Decimal::parse(number, term.number) && within > 0;
    rule->terms.push_back(term);
    return good;
}

bool parseFormula(time::WindowRule* rule, const char* joined, const char* afterMatch) {
    return findName(modes, afterMatch, &rule->afterMatch) && joined != nullptr &&
           time::Formula::parse(joined, static_cast<int>(rule->terms.size()), rule->formula);
}

void setKeys(WindowDefinition* definition, const char* keys) {
    std::string all = keys;
    for (size_t at = 0; !all.empty() && at <= all.size();) {
        size_t end = std::min(all.find('\n', at), all.size());
        definition->keyNames.push_back(all.substr(at, end - at));
        at = end + 1;
    }
}

[[noreturn]] void refuse() {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a window's registration is not understood"),
                    errhint("Apply its spec again.")));
    pg_unreachable();
}

}  // namespace

void readTerms(time::WindowRule* rule) {
    for (int row = 0; row < static_cast<int>(SPI_processed); ++row)
        if (!addTerm(rule, spi::cell(row, 1), spi::flag(row, 2), spi::flag(row, 3), spi::cell(row, 4),
                     spi::cell(row, 5), bigintCell(row, 6)))
            refuse();
}

void completeRule(time::WindowRule* rule, const char* joined, const char* afterMatch, int64_t cooldown,
                  bool onTimeout) {
    rule->cooldown = cooldown;
    rule->onTimeout = onTimeout;
    if (!parseFormula(rule, joined, afterMatch)) refuse();
}

bool loadDefinition(WindowDefinition* definition, const char* action) {
    definition->action = action;
    Datum name = spi::text(definition->action);
    spi::query(termsSql, {{TEXTOID, name}});
    readTerms(&definition->rule);
    if (spi::query(ruleSql, {{TEXTOID, name}}) == 0) return false;
    definition->event = spi::cell(0, 1);
    setKeys(definition, spi::cell(0, 2));
    completeRule(&definition->rule, spi::cell(0, 3), spi::cell(0, 4), bigintCell(0, 5), spi::flag(0, 6));
    return true;
}

int64_t bigintCell(int row, int column) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isNull);
    return isNull ? 0 : DatumGetInt64(value);
}

time::Micros timeCell(int row, int column) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isNull);
    return isNull ? time::never : DatumGetTimestampTz(value);
}

Datum timeArray(const std::vector<time::Micros>& items) {
    int count = static_cast<int>(items.size());
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(count, 1)));
    auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * Max(count, 1)));
    for (int i = 0; i < count; ++i) {
        values[i] = TimestampTzGetDatum(items[i]);
        nulls[i] = items[i] == time::never;
    }
    int lower = 1;
    return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower, TIMESTAMPTZOID, sizeof(int64),
                                              FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

Datum integerArray(const std::vector<int>& items) {
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(items.size(), 1)));
    for (size_t i = 0; i < items.size(); ++i)
        values[i] = Int32GetDatum(items[i]);
    return PointerGetDatum(
        construct_array(values, static_cast<int>(items.size()), INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

}  // namespace specql::windows
