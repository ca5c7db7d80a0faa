// specql.backtest: runs the windows and correlations of a spec, which need not be installed, over the stored history.
#include <algorithm>

#include "pg/apply/compilation.hpp"
#include "pg/base/clock.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/windows/rule.hpp"
#include "time/window_batch.hpp"

namespace specql::windows {

namespace {

const char* const termsSql = R"(
SELECT t.item ->> 'aggregate', t.item ? 'distinct', t.item ? 'field', t.item ->> 'comparison', t.item ->> 'number',
       (extract(epoch FROM (t.item ->> 'within')::interval) * 1000000)::bigint
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS t(item, place) ORDER BY t.place)";

const char* const cooldownSql =
    "SELECT (extract(epoch FROM coalesce(nullif($1, ''), '0')::interval) * 1000000)::bigint";

// To be held by a memory context.
struct Backtest {
    time::WindowRule rule;
    time::WindowBatch batch{rule};
    std::vector<time::WindowInput> inputs, lastEvent;
    std::string sql;
};

// One query over all sources, in the order of events. Pure C++.
void writeQuery(const WindowHistory& history, std::string* sql) {
    sql->clear();
    for (const std::string& source : history.sources)
        *sql += (sql->empty() ? "" : "\nUNION ALL\n") + source;
    *sql = "SELECT h.term, h.key, h.at, h.id, h.value FROM (\n" + *sql +
           "\n) AS h WHERE h.at > $1 AND h.at <= $2 ORDER BY h.at, h.id, h.key, h.term";
}

void addInput(Backtest* backtest, int row) {
    time::WindowInput input;
    input.term = spi::number(row, 1) - 1;
    const char* key = spi::cell(row, 2);
    const char* value = spi::cell(row, 5);
    input.hasKey = key != nullptr;
    if (key != nullptr) input.key = key;
    input.at = timeCell(row, 3);
    input.id = spi::cell(row, 4);
    input.hasValue = value != nullptr;
    if (value != nullptr) input.value = value;
    backtest->inputs.push_back(std::move(input));
}

// Runs the inputs. Unless they are the `last` ones, those of the last event are kept for the next call, which may bring
// inputs of the same event for other terms.
void runInputs(Backtest* backtest, bool last) {
    std::vector<time::WindowInput>& inputs = backtest->inputs;
    backtest->lastEvent.clear();
    while (!last && !inputs.empty() &&
           (backtest->lastEvent.empty() || inputs.back().id == backtest->lastEvent.back().id)) {
        backtest->lastEvent.push_back(std::move(inputs.back()));
        inputs.pop_back();
    }
    backtest->batch.run(inputs);
    inputs.assign(backtest->lastEvent.rbegin(), backtest->lastEvent.rend());
}

void loadBacktest(Backtest* backtest, const WindowHistory& history) {
    spi::query(termsSql, {{TEXTOID, spi::text(history.terms)}});
    readTerms(&backtest->rule);
    spi::query(cooldownSql, {{TEXTOID, spi::text(history.cooldown)}});
    completeRule(&backtest->rule, history.joined.c_str(), history.afterMatch.c_str(), bigintCell(0, 1),
                 history.onTimeout);
}

void runBacktest(Backtest* backtest, const WindowHistory& history, time::Micros since, time::Micros until) {
    if (history.sources.empty()) return;
    writeQuery(history, &backtest->sql);
    Oid types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
    // Earlier events may still be in a window at the beginning.
    Datum values[2] = {TimestampTzGetDatum(since - backtest->rule.memory()), TimestampTzGetDatum(until)};
    Portal portal = SPI_cursor_open_with_args(nullptr, fromUtf8(backtest->sql), 2, types, values, nullptr, true, 0);
    for (;;) {
        SPI_cursor_fetch(portal, true, 1000);
        if (SPI_processed == 0) break;
        for (int row = 0; row < static_cast<int>(SPI_processed); ++row)
            addInput(backtest, row);
        SPI_freetuptable(SPI_tuptable);
        runInputs(backtest, false);
        CHECK_FOR_INTERRUPTS();
    }
    runInputs(backtest, true);
    SPI_cursor_close(portal);
    backtest->batch.passAll(until);
}

bool byTime(const time::WindowFound& left, const time::WindowFound& right) {
    return left.match.at != right.match.at ? left.match.at < right.match.at : left.key < right.key;
}

void report(Backtest* backtest, const WindowHistory& history, time::Micros since, ResultSet* rows) {
    std::sort(backtest->batch.found.begin(), backtest->batch.found.end(), byTime);
    for (const time::WindowFound& found : backtest->batch.found) {
        if (found.match.at < since) continue;
        Datum values[5] = {spi::text(history.action), TimestampTzGetDatum(found.match.at), spi::text(found.key),
                           Int64GetDatum(static_cast<int64_t>(found.match.ids.size())),
                           spi::textArray(found.match.ids)};
        bool nulls[5] = {false, false, found.key.empty(), false, false};
        rows->add(values, nulls);
    }
}

}  // namespace

SPECQL_FUNCTION(specql_backtest) {
    if (PG_ARGISNULL(1)) ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("since must be given")));
    apply::CompileArguments arguments = {PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0)),
                                         PG_ARGISNULL(3) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(3)), false,
                                         false, false};
    time::Micros since = PG_GETARG_TIMESTAMPTZ(1);
    time::Micros until = PG_ARGISNULL(2) ? engineTime() : PG_GETARG_TIMESTAMPTZ(2);
    if (TIMESTAMP_NOT_FINITE(since) || TIMESTAMP_NOT_FINITE(until))
        ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("since and until must be finite")));
    ResultSet rows(fcinfo);
    spi::connect();
    apply::Compilation* compilation = apply::compile(arguments);
    apply::requireValid(compilation);
    if (compilation->compiler.windows().empty())
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the spec has no window and no correlation"),
                        errhint("specql.replay runs the steps of an applied action over past events.")));
    for (const WindowHistory& history : compilation->compiler.windows()) {
        MemoryContext context = makeWorkContext("specql backtest");
        Backtest* backtest = makeHeld<Backtest>(context);
        loadBacktest(backtest, history);
        runBacktest(backtest, history, since, until);
        report(backtest, history, since, &rows);
        MemoryContextDelete(context);
    }
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

}  // namespace specql::windows
