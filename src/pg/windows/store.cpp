#include "pg/windows/store.hpp"

#include <algorithm>
#include <set>

#include "pg/base/clock.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/spi.hpp"
#include "time/window_details.hpp"

namespace specql::windows {

namespace {

// Statistics of these tables are always out of date. OFFSET 0 makes the planner use the indexes.
const char* const eventsSql = R"(
WITH h AS MATERIALIZED (
    SELECT pg_current_xact_id_if_assigned() AS own, specql.first_uuid(clock_timestamp() - $4 * interval '1 ms') AS old)
SELECT e.ctid::text, e.term, e.key, e.at, e.id::text, e.value, e.root::text, e.depth,
       $5 OR e.xid IS DISTINCT FROM h.own AND (e.xid < $6 OR e.id < h.old), e.traceparent, e.settings::text
FROM h, specql.window_event AS e
WHERE e.action = $1 AND e.at <= $2 AND (NOT $5 OR e.xid = h.own)
ORDER BY e.at, e.id, e.key, e.term LIMIT $3)";

// A deadline has passed when the transactions that were open at that time have ended, because they may bring the
// awaited event. Their upper bound is stored when a run first sees the deadline.
const char* const setDeadlineXidSql = R"(
UPDATE specql.window_key AS k SET deadline_xid = pg_snapshot_xmax(pg_current_snapshot())
WHERE k.action = $1 AND k.deadline <= $2 AND k.deadline_xid IS NULL)";

const char* const deadlinesSql = R"(
SELECT k.key FROM specql.window_key AS k
WHERE k.action = $1 AND k.deadline <= $2
  AND ($6 OR k.deadline_xid <= $5 OR k.deadline < $2 - $4 * interval '1 ms')
ORDER BY k.deadline LIMIT $3)";

const char* const keysSql = R"(
SELECT k.key, k.latest, k.latest_id, k.consumed_at, k.consumed_id, k.matched_at, k.deadline, k.held,
       array_to_string(k.counts, ' '), array_to_string(k.sums, ' '), k.details, k.matches, k.suppressed,
       k.traceparent, k.settings::text
FROM unnest($2) AS w(key),
     LATERAL (SELECT v.* FROM specql.window_key AS v WHERE v.action = $1 AND v.key = w.key OFFSET 0) AS k)";

// The entries that leave the window until the given time, and the first one that stays.
const char* const entriesSql = R"(
SELECT w.key, w.term, e.at, e.id::text, e.value::text, e.place::text
FROM unnest($2, $3, $4) AS w(key, term, until),
     LATERAL (
         SELECT v.at, v.id, v.value, v.ctid AS place FROM specql.window_entry AS v
         WHERE v.action = $1 AND v.key = w.key AND v.term = w.term AND v.at <= w.until
         UNION ALL
         (SELECT v.at, v.id, v.value, v.ctid FROM specql.window_entry AS v
          WHERE v.action = $1 AND v.key = w.key AND v.term = w.term AND v.at > w.until
          ORDER BY v.at, v.id LIMIT 1)) AS e
ORDER BY w.key, w.term, e.at, e.id)";

const char* const membersSql = R"(
SELECT DISTINCT e.at, e.id::text
FROM unnest($3, $4) AS t(term, after),
     LATERAL (
         SELECT v.at, v.id FROM specql.window_entry AS v
         WHERE v.action = $1 AND v.key = $2 AND v.term = t.term AND v.at > t.after AND v.at <= $5
         ORDER BY v.at DESC, v.id DESC LIMIT $6) AS e
ORDER BY 1, 2)";

const char* const deleteEventsSql = "DELETE FROM specql.window_event WHERE ctid = ANY ($1::tid[])";

const char* const deleteAllEntriesSql = R"(
DELETE FROM specql.window_entry WHERE ctid = ANY (ARRAY(
    SELECT e.ctid FROM unnest($2) AS w(key),
         LATERAL (SELECT v.ctid FROM specql.window_entry AS v WHERE v.action = $1 AND v.key = w.key OFFSET 0) AS e)))";

const char* const deleteEntriesSql = "DELETE FROM specql.window_entry WHERE ctid = ANY ($1::tid[])";

const char* const insertEntriesSql = R"(
INSERT INTO specql.window_entry
SELECT $1, w.key, w.term, w.at, w.id::uuid, w.value::numeric
FROM unnest($2, $3, $4, $5, $6) AS w(key, term, at, id, value))";

const char* const upsertKeysSql = R"(
INSERT INTO specql.window_key AS k
SELECT $1, w.key, w.latest, w.ids[1], w.consumed, w.ids[2], w.matched, w.deadline, NULL, w.ids[3]::boolean,
       w.ids[4]::bigint[], w.ids[5]::numeric[], w.details, w.ids[6]::bigint, w.ids[7]::bigint,
       coalesce(w.forgotten, w.latest, w.deadline, now()), nullif(w.ids[8], ''), nullif(w.ids[9], '')::jsonb
FROM (SELECT u.*, string_to_array(u.packed, chr(10)) AS ids
      FROM unnest($2, $3, $4, $5, $6, $7, $8, $9)
           AS u(key, packed, details, latest, consumed, matched, deadline, forgotten)) AS w
ON CONFLICT (action, key) DO UPDATE
SET latest = excluded.latest, latest_id = excluded.latest_id, consumed_at = excluded.consumed_at,
    consumed_id = excluded.consumed_id, matched_at = excluded.matched_at, deadline = excluded.deadline,
    deadline_xid = CASE WHEN k.deadline = excluded.deadline THEN k.deadline_xid END, held = excluded.held,
    counts = excluded.counts, sums = excluded.sums, details = excluded.details, matches = excluded.matches,
    suppressed = excluded.suppressed, forgotten_after = excluded.forgotten_after,
    traceparent = excluded.traceparent, settings = excluded.settings)";

const char* const addTotalsSql = R"(
UPDATE specql.window_rule AS r
SET evaluated = r.evaluated + $2, matches = r.matches + $3, suppressed = r.suppressed + $4,
    missing_keys = r.missing_keys + $5, late = r.late + $6, unusable = r.unusable + $7,
    last_match_at = greatest(r.last_match_at, CASE WHEN $3 > 0 THEN $8 END)
WHERE r.action = $1)";

// ---- from rows to C++ objects ---------------------------------------------------------------------------------------

// Its columns are this one, with the trace, and the next one, with the settings.
void addBaggage(WindowRun* run, const std::string& event, int row, int column) {
    const char* traceparent = spi::cell(row, column);
    const char* settings = spi::cell(row, column + 1);
    if (traceparent == nullptr && settings == nullptr) return;
    run->baggageOfEvents[event] = {traceparent != nullptr ? traceparent : "", settings != nullptr ? settings : ""};
}

void addInput(WindowRun* run, int row) {
    time::WindowInput input;
    input.term = spi::number(row, 2) - 1;
    const char* key = spi::cell(row, 3);
    input.hasKey = key != nullptr;
    if (key != nullptr) input.key = key;
    input.at = timeCell(row, 4);
    input.id = spi::cell(row, 5);
    const char* value = spi::cell(row, 6);
    input.hasValue = value != nullptr;
    if (value != nullptr) input.value = value;
    input.root = spi::cell(row, 7);
    input.depth = spi::number(row, 8);
    addBaggage(run, input.id, row, 10);
    run->inputs.push_back(std::move(input));
    run->ctids.push_back(spi::cell(row, 1));
}

// The limit may have cut off inputs of the last event, so all its inputs are removed, unless it is the only one.
void removeLastEvent(WindowRun* run) {
    const std::string last = run->inputs.back().id;
    if (run->inputs.front().id == last) return;
    while (run->inputs.back().id == last) {
        run->inputs.pop_back();
        run->ctids.pop_back();
    }
}

void readNumbers(const char* counts, const char* sums, time::WindowKey* key) {
    for (time::TermState& term : key->terms) {
        char* end;
        term.count = strtoll(counts, &end, 10);
        counts = *end == ' ' ? end + 1 : end;
        const char* space = strchr(sums, ' ');
        size_t length = space != nullptr ? static_cast<size_t>(space - sums) : strlen(sums);
        (void)time::Decimal::parse(std::string_view(sums, length), term.sum);
        sums += length + (space != nullptr ? 1 : 0);
    }
}

void addKey(WindowRun* run, int row) {
    time::WindowKey key;
    key.terms.resize(run->definition.rule.terms.size());
    key.latest = timeCell(row, 2);
    key.latestId = spi::cell(row, 3);
    key.consumedAt = timeCell(row, 4);
    key.consumedId = spi::cell(row, 5);
    key.matchedAt = timeCell(row, 6);
    key.deadline = timeCell(row, 7);
    key.held = spi::flag(row, 8);
    readNumbers(spi::cell(row, 9), spi::cell(row, 10), &key);
    (void)time::readDetails(spi::cell(row, 11), key);
    key.matches = bigintCell(row, 12);
    key.suppressed = bigintCell(row, 13);
    addBaggage(run, key.latestId, row, 14);
    for (const time::TermState& term : key.terms)
        key.stored = key.stored || term.count > 0;
    run->batch.keys[spi::cell(row, 1)] = std::move(key);
}

void addEntry(WindowRun* run, int row) {
    time::WindowKey& key = run->batch.keys[spi::cell(row, 1)];
    size_t term = static_cast<size_t>(spi::number(row, 2) - 1);
    if (term >= key.terms.size()) return;
    time::WindowEntry entry;
    entry.at = timeCell(row, 3);
    entry.id = spi::cell(row, 4);
    (void)time::Decimal::parse(spi::cell(row, 5), entry.value);
    entry.stored = true;
    run->stored.push_back({spi::cell(row, 1), static_cast<int>(term), entry.at, spi::cell(row, 6)});
    key.terms[term].entries.push_back(std::move(entry));
}

// ---- from C++ objects to columns, without the server ----------------------------------------------------------------

void columnsOfKeys(WindowRun* run) {
    run->clearColumns();
    std::set<std::string> names;
    for (const time::WindowInput& input : run->inputs)
        if (input.hasKey) names.insert(input.key);
    for (const auto& [name, key] : run->batch.keys)
        names.insert(name);
    run->keys.assign(names.begin(), names.end());
}

// For each key with stored entries, and each term: until what time entries may leave the window during this run.
void columnsOfEntryBounds(WindowRun* run, time::Micros until) {
    run->clearColumns();
    for (const auto& [name, key] : run->batch.keys) {
        if (!key.stored) continue;
        for (size_t i = 0; i < key.terms.size(); i++) {
            if (key.terms[i].count == 0) continue;
            time::Micros last = std::max({until, key.latest, key.deadline});
            run->keys.push_back(name);
            run->terms.push_back(static_cast<int>(i) + 1);
            run->times.push_back(last - run->definition.rule.terms[i].within);
        }
    }
}

void columnsOfConsumed(WindowRun* run) {
    run->clearColumns();
    for (const auto& [name, key] : run->batch.keys)
        if (key.dropStored) run->keys.push_back(name);
}

// The entries that have left the window; all of them have been loaded.
void columnsOfExpired(WindowRun* run) {
    run->clearColumns();
    for (const StoredEntry& entry : run->stored) {
        const time::WindowKey& key = run->batch.keys[entry.key];
        time::Micros within = run->definition.rule.terms[static_cast<size_t>(entry.term)].within;
        if (!key.dropStored && key.expiredAt != time::never && entry.at <= key.expiredAt - within)
            run->texts.push_back(entry.ctid);
    }
}

void columnsOfNewEntries(WindowRun* run) {
    run->clearColumns();
    for (const auto& [name, key] : run->batch.keys)
        for (size_t i = 0; i < key.terms.size(); i++)
            for (const time::WindowEntry& entry : key.terms[i].entries) {
                if (entry.stored) continue;
                run->keys.push_back(name);
                run->terms.push_back(static_cast<int>(i) + 1);
                run->times.push_back(entry.at);
                run->texts.push_back(entry.id);
                run->numbers.push_back(entry.value.text());
            }
}

void columnsOfKeyStates(WindowRun* run) {
    run->clearColumns();
    time::WindowEvaluator evaluator(run->definition.rule);
    for (const auto& [name, key] : run->batch.keys) {
        std::string counts, sums;
        for (const time::TermState& term : key.terms) {
            counts += (counts.empty() ? "{" : ",") + std::to_string(term.count);
            sums += (sums.empty() ? "{" : ",") + term.sum.text();
        }
        run->keys.push_back(name);
        auto baggage = run->baggageOfEvents.find(key.latestId);
        bool hasBaggage = baggage != run->baggageOfEvents.end();
        run->texts.push_back(key.latestId + "\n" + key.consumedId + "\n" + (key.held ? "t" : "f") + "\n" + counts +
                             "}\n" + sums + "}\n" + std::to_string(key.matches) + "\n" +
                             std::to_string(key.suppressed) + "\n" +
                             (hasBaggage ? baggage->second.traceparent + "\n" + baggage->second.settings : "\n"));
        run->details.push_back(time::writeDetails(key));
        run->times.push_back(key.latest);
        run->consumedTimes.push_back(key.consumedAt);
        run->matchedTimes.push_back(key.matchedAt);
        run->deadlines.push_back(key.deadline);
    }
    for (const auto& [name, key] : run->batch.keys)
        run->forgottenTimes.push_back(evaluator.forgottenAfter(key));
}

void columnsOfMembers(WindowRun* run, const time::WindowFound* found) {
    run->clearColumns();
    const time::WindowRule& rule = run->definition.rule;
    for (size_t i = 0; i < rule.terms.size(); i++) {
        if (!rule.formula.uses(static_cast<int>(i), false)) continue;
        run->terms.push_back(static_cast<int>(i) + 1);
        run->times.push_back(found->match.cutoff - rule.terms[i].within);
    }
    run->texts.push_back(found->key);
}

// The stored members are older than those of this run, so they come first.
void addMembers(time::WindowFound* found, int rows) {
    std::vector<std::string> ids;
    for (int row = 0; row < rows; ++row)
        ids.push_back(spi::cell(row, 2));
    ids.insert(ids.end(), found->match.ids.begin(), found->match.ids.end());
    found->match.ids = std::move(ids);
}

void countMembers(WindowRun* run, time::WindowFound* found) {
    time::WindowMatch& match = found->match;
    if (run->definition.rule.terms.size() > 1 && match.ids.size() <= mostMembers)
        match.count = static_cast<int64_t>(match.ids.size());
    else
        match.count = std::max(match.count, static_cast<int64_t>(match.ids.size()));
    if (match.ids.size() > mostMembers) match.ids.erase(match.ids.begin(), match.ids.end() - mostMembers);
}

struct Totals {
    int64_t suppressed, late, unusable;
};

void sumSuppressedBefore(WindowRun* run) {
    for (auto& [name, key] : run->batch.keys)
        run->suppressedBefore += key.suppressed;
}

Totals totalsOf(const WindowRun* run) {
    Totals totals = {-run->suppressedBefore, 0, 0};
    for (const auto& [name, key] : run->batch.keys) {
        totals.suppressed += key.suppressed;
        totals.late += key.late;
        totals.unusable += key.unusable;
    }
    return totals;
}

time::Micros lastMatch(const WindowRun* run) {
    time::Micros last = time::never;
    for (const time::WindowFound& found : run->batch.found)
        last = std::max(last, found.match.at);
    return last;
}

spi::Argument action(WindowRun* run) {
    return {TEXTOID, spi::text(run->definition.action)};
}

}  // namespace

void WindowRun::clearColumns() {
    for (auto* column : {&keys, &texts, &details, &numbers})
        column->clear();
    for (auto* column : {&times, &consumedTimes, &matchedTimes, &deadlines, &forgottenTimes})
        column->clear();
    terms.clear();
}

FullTransactionId findHorizon(const char* action, time::Micros now) {
    spi::query(setDeadlineXidSql,
               {{TEXTOID, CStringGetTextDatum(fromUtf8(action))}, {TIMESTAMPTZOID, TimestampTzGetDatum(now)}});
    spi::query("SELECT specql.window_horizon()");
    bool isNull;
    return DatumGetFullTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
}

void loadEvents(WindowRun* run, time::Micros now, int64_t limit) {
    int64_t most = limit + static_cast<int64_t>(run->definition.rule.terms.size());
    int count = spi::query(eventsSql, {action(run),
                                       {TIMESTAMPTZOID, TimestampTzGetDatum(now)},
                                       {INT8OID, Int64GetDatum(most)},
                                       {INT4OID, Int32GetDatum(settings::windowPatience)},
                                       {BOOLOID, BoolGetDatum(run->counted == CountedEvents::ownTransaction)},
                                       {XID8OID, FullTransactionIdGetDatum(run->horizon)}});
    for (int row = 0; row < count; ++row) {
        // Events are counted in order, so those behind one that may not be counted have to wait too.
        if (!spi::flag(row, 9)) {
            run->blockedAt = timeCell(row, 4);
            return;
        }
        addInput(run, row);
    }
    run->more = count == most;
    if (run->more) removeLastEvent(run);
}

int64_t loadDeadlines(WindowRun* run, time::Micros now, int64_t limit) {
    time::Micros until = Min(now, run->blockedAt);
    int count = spi::query(deadlinesSql, {action(run),
                                          {TIMESTAMPTZOID, TimestampTzGetDatum(until)},
                                          {INT8OID, Int64GetDatum(limit)},
                                          {INT4OID, Int32GetDatum(settings::windowPatience)},
                                          {XID8OID, FullTransactionIdGetDatum(run->horizon)},
                                          {BOOLOID, BoolGetDatum(run->counted == CountedEvents::ownTransaction)}});
    for (int row = 0; row < count; ++row)
        run->batch.keys[spi::cell(row, 1)];
    return count;
}

void loadKeys(WindowRun* run) {
    columnsOfKeys(run);
    int count = spi::query(keysSql, {action(run), {TEXTARRAYOID, spi::textArray(run->keys)}});
    for (int row = 0; row < count; ++row)
        addKey(run, row);
    sumSuppressedBefore(run);
    columnsOfEntryBounds(run, run->inputs.empty() ? time::never : run->inputs.back().at);
    if (run->keys.empty()) return;
    count = spi::query(entriesSql, {action(run),
                                    {TEXTARRAYOID, spi::textArray(run->keys)},
                                    {INT4ARRAYOID, integerArray(run->terms)},
                                    {TIMESTAMPTZARRAYOID, timeArray(run->times)}});
    for (int row = 0; row < count; ++row)
        addEntry(run, row);
}

void completeMatch(WindowRun* run, time::WindowFound* found) {
    if (found->match.takesStored) {
        columnsOfMembers(run, found);
        time::Micros until = found->match.upTo == INT64_MAX ? DT_NOEND : found->match.upTo;
        int rows = spi::query(membersSql, {action(run),
                                           {TEXTOID, spi::text(run->texts.front())},
                                           {INT4ARRAYOID, integerArray(run->terms)},
                                           {TIMESTAMPTZARRAYOID, timeArray(run->times)},
                                           {TIMESTAMPTZOID, TimestampTzGetDatum(until)},
                                           {INT4OID, Int32GetDatum(mostMembers)}});
        addMembers(found, rows);
    }
    countMembers(run, found);
}

const EventBaggage* baggageOf(const WindowRun* run, const time::WindowFound* found) {
    const time::WindowMatch& match = found->match;
    const std::string& last = match.lastId.empty() && !match.ids.empty() ? match.ids.back() : match.lastId;
    auto baggage = run->baggageOfEvents.find(last);
    return baggage != run->baggageOfEvents.end() ? &baggage->second : nullptr;
}

void saveRun(WindowRun* run) {
    if (!run->ctids.empty()) spi::query(deleteEventsSql, {{TEXTARRAYOID, spi::textArray(run->ctids)}});
    columnsOfConsumed(run);
    if (!run->keys.empty()) spi::query(deleteAllEntriesSql, {action(run), {TEXTARRAYOID, spi::textArray(run->keys)}});
    columnsOfExpired(run);
    if (!run->texts.empty()) spi::query(deleteEntriesSql, {{TEXTARRAYOID, spi::textArray(run->texts)}});
    columnsOfNewEntries(run);
    if (!run->keys.empty())
        spi::query(insertEntriesSql, {action(run),
                                      {TEXTARRAYOID, spi::textArray(run->keys)},
                                      {INT4ARRAYOID, integerArray(run->terms)},
                                      {TIMESTAMPTZARRAYOID, timeArray(run->times)},
                                      {TEXTARRAYOID, spi::textArray(run->texts)},
                                      {TEXTARRAYOID, spi::textArray(run->numbers)}});
    columnsOfKeyStates(run);
    if (!run->keys.empty())
        spi::query(upsertKeysSql, {action(run),
                                   {TEXTARRAYOID, spi::textArray(run->keys)},
                                   {TEXTARRAYOID, spi::textArray(run->texts)},
                                   {TEXTARRAYOID, spi::textArray(run->details)},
                                   {TIMESTAMPTZARRAYOID, timeArray(run->times)},
                                   {TIMESTAMPTZARRAYOID, timeArray(run->consumedTimes)},
                                   {TIMESTAMPTZARRAYOID, timeArray(run->matchedTimes)},
                                   {TIMESTAMPTZARRAYOID, timeArray(run->deadlines)},
                                   {TIMESTAMPTZARRAYOID, timeArray(run->forgottenTimes)}});
    Totals totals = totalsOf(run);
    int64_t matches = static_cast<int64_t>(run->batch.found.size());
    spi::query(addTotalsSql, {action(run),
                              {INT8OID, Int64GetDatum(run->batch.events)},
                              {INT8OID, Int64GetDatum(run->discardMatches ? 0 : matches)},
                              {INT8OID, Int64GetDatum(totals.suppressed)},
                              {INT8OID, Int64GetDatum(run->batch.missingKeys)},
                              {INT8OID, Int64GetDatum(totals.late)},
                              {INT8OID, Int64GetDatum(totals.unusable)},
                              {TIMESTAMPTZOID, TimestampTzGetDatum(matches > 0 ? lastMatch(run) : 0)}});
}

}  // namespace specql::windows
