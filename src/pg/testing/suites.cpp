// specql.test_suites, specql.test_statements: generate the tests of the installed specs, each time anew.
#include "pg/apply/compilation.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/restricted.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/testing/execute.hpp"
#include "pg/testing/table_facts.hpp"

namespace specql::testing {

using testgen::StatementKind;

namespace {

// The C++ objects that generating a suite needs; to be held by a memory context.
struct Work {
    std::map<std::string, int> suites;  // with the number of their actions
    std::vector<std::string> schemas, names;
    testgen::TestTables tables;
    std::vector<testgen::SearchAnswer> answers;
    testgen::WrittenSuite written;
    std::string message;
};

void joinSuites(Work* work) {
    for (const auto& [suite, actions] : work->suites)
        work->message += (work->message.empty() ? "" : ", ") + suite;
}

// Stores the first row of a search's result, as texts; there may be none.
void recordAnswer(testgen::SearchAnswer* answer, int rows) {
    for (int column = 1; rows > 0 && column <= SPI_tuptable->tupdesc->natts; ++column) {
        const char* value = spi::cell(0, column);
        answer->cells.emplace_back(value != nullptr ? value : "");
    }
}

// Adds an answer for each new search; returns how many there were before.
size_t addAnswers(Work* work) {
    size_t before = work->answers.size();
    for (const std::string& search : work->written.searches)
        work->answers.emplace_back().search = search;
    return before;
}

void answerSearches(Work* work) {
    size_t before = addAnswers(work);
    inBatches(
        static_cast<int>(work->answers.size() - before),
        [work, before](int index) {
            CHECK_FOR_INTERRUPTS();
            testgen::SearchAnswer* answer = &work->answers[before + static_cast<size_t>(index)];
            recordAnswer(answer, spi::query(fromUtf8(answer->search)));
            SPI_freetuptable(SPI_tuptable);
        },
        [work, before](int index, ErrorData* error) {
            work->answers[before + static_cast<size_t>(index)].error = toUtf8(error->message);
        });
}

// --- trying the fixtures -------------------------------------------------------------------------------------------

struct Refused {
    int test;
    const char* check;  // description of the check that is refused; empty for the whole test
    const char* reason;
};

void skipRefused(std::vector<testgen::TestStatement>* statements, const Refused& refused) {
    std::vector<testgen::TestStatement> kept;
    bool whole = *refused.check == '\0';
    for (testgen::TestStatement& statement : *statements) {
        bool meant = statement.test == refused.test && (whole || statement.description == refused.check);
        if (whole && meant && statement.kind != StatementKind::check && statement.kind != StatementKind::skip) continue;
        if (meant && statement.kind == StatementKind::check) {
            statement.kind = StatementKind::skip;
            statement.sql = (whole ? "it cannot be set up: " : "") + std::string(refused.reason);
        }
        kept.push_back(std::move(statement));
    }
    *statements = std::move(kept);
}

// Was the error raised by somebody else than the tested action: another action, a constraint or a trigger? A failure
// that a guard has found counts as the tested action's own unless it names another.
bool isOthers(const testgen::TestStatement* statement, const char* message, const char* context) {
    return !testgen::isOfTested(statement->tested, message, context != nullptr ? context : "",
                                statement->kind == StatementKind::guard);
}

// The message of the first failure in a guard's result that isOthers(); copied to `keep`. nullptr if there is none.
const char* refusalIn(const testgen::TestStatement* statement, int rows, MemoryContext keep) {
    for (int row = 0; row < rows; ++row) {
        const char* message = toUtf8(spi::cell(row, 1));
        const char* context = spi::cell(row, 2);
        if (isOthers(statement, message, context != nullptr ? toUtf8(context) : nullptr))
            return MemoryContextStrdup(keep, message);
    }
    return nullptr;
}

// Tries the statements of all tests in a subtransaction that is rolled back. Tests that another action, a constraint or
// a trigger makes impossible are skipped. Errors of the tested action are left for its tests to show.
void tryFixtures(Work* work, Oid caller) {
    std::vector<testgen::TestStatement>* statements = &work->written.statements;
    int count = static_cast<int>(statements->size());
    Refused* refused = static_cast<Refused*>(palloc(sizeof(Refused) * static_cast<size_t>(Max(count, 1))));
    int refusals = 0;
    MemoryContext keep = CurrentMemoryContext;
    ErrorData* end = trySubtransaction([statements, count, refused, &refusals, keep, caller] {
        setLocal("client_min_messages", "error");
        // Error contexts must not depend on the caller or on a language, because isOthers() reads them.
        error_context_stack = nullptr;
        setLocal("lc_messages", "C", PGC_SUSET);
        for (int i = 0; i < count; ++i) {
            const testgen::TestStatement& statement = (*statements)[static_cast<size_t>(i)];
            bool known =
                refusals > 0 && refused[refusals - 1].test == statement.test && *refused[refusals - 1].check == '\0';
            bool guard = statement.kind == StatementKind::guard, excuse = statement.kind == StatementKind::excuse;
            bool restore = statement.kind == StatementKind::restore;
            if ((known && !restore) || !(guard || excuse || restore || statement.kind == StatementKind::fixture))
                continue;
            CHECK_FOR_INTERRUPTS();
            const char* reason = nullptr;
            ErrorData* error = trySubtransaction([&statement, &reason, guard, excuse, keep, caller] {
                const char* sql = fromUtf8(statement.sql);
                int rows = 0;
                asSuiteOwner(movesClock(sql) ? caller : GetUserId(), [sql, &rows] { rows = spi::query(sql); });
                if (guard) reason = refusalIn(&statement, rows, keep);
                if (excuse && rows > 0 && SPI_tuptable != nullptr)
                    reason = MemoryContextStrdup(keep, toUtf8(spi::cell(0, 1)));
            });
            if (error != nullptr) {
                const char* message = toUtf8(error->message);
                const char* context = error->context != nullptr ? toUtf8(error->context) : nullptr;
                if (isOthers(&statement, message, context)) reason = message;
            }
            if (reason == nullptr || known) continue;
            refused[refusals].test = statement.test;
            refused[refusals].check = excuse ? pstrdup(statement.description.c_str()) : "";
            refused[refusals++].reason = reason;
        }
        ereport(ERROR, (errcode(sqlstate::testsRolledBack), errmsg_internal("taking the rows out again")));
    });
    if (end != nullptr && end->sqlerrcode != sqlstate::testsRolledBack) ReThrowError(end);
    for (int i = 0; i < refusals; ++i)
        skipRefused(statements, refused[i]);
}

// --- the whole -----------------------------------------------------------------------------------------------------

apply::Compilation* compileSuites(Work* work) {
    apply::Compilation* compilation = apply::compile({nullptr, nullptr, false, false, true});
    apply::requireValid(compilation);
    apply::requireDone(compilation->compiler.listSuites(&work->suites));
    joinSuites(work);
    return compilation;
}

Oid suiteOwner(const char* suite) {
    spi::query("SELECT specql.suite_owner($1)", {{TEXTOID, CStringGetTextDatum(fromUtf8(suite))}});
    bool isNull;
    return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull));
}

void writeSuite(apply::Compilation* compilation, const char* suite, Work* work) {
    if (work->suites.count(suite) == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no test suite \"%s\"", displayText(suite)),
                        work->suites.empty() ? errhint("No spec with actions is installed; specql.apply installs one.")
                                             : errhint("There are: %s.", displayText(work->message))));
    apply::requireDone(compilation->compiler.listTestTables(&work->schemas, &work->names));
    gatherTestTables(&work->schemas, &work->names, &work->tables);
    Oid owner = suiteOwner(suite);
    requireSuiteOwner(owner);
    // Many small statements, each of which is run once.
    int level = NewGUCNestLevel();
    setLocal("jit", "off");
    do {
        // Searches evaluate checks and functions that may belong to other roles.
        asRestricted(owner, [work] { answerSearches(work); });
        apply::requireDone(compilation->compiler.writeTests(suite, work->tables, work->answers, &work->written));
    } while (!work->written.searches.empty());
    setLocal("search_path", "pg_catalog, pg_temp");
    Oid caller = GetUserId();
    asSuiteOwner(owner, [work, caller] { tryFixtures(work, caller); });
    AtEOXact_GUC(true, level);
}

}  // namespace

SPECQL_FUNCTION(specql_test_suites) {
    ResultSet rows(fcinfo);
    spi::connect();
    MemoryContext context = makeWorkContext("specql tests");
    Work* work = makeHeld<Work>(context);
    apply::Compilation* compilation = compileSuites(work);
    for (const auto& [suite, actions] : work->suites)
        rows.row().text(displayText(suite)).integer(actions).end();
    spi::finish();
    MemoryContextDelete(compilation->context);
    MemoryContextDelete(context);
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_test_statements) {
    const char* suite = PG_ARGISNULL(0) ? "" : toUtf8(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    ResultSet rows(fcinfo);
    spi::connect();
    MemoryContext context = makeWorkContext("specql tests");
    Work* work = makeHeld<Work>(context);
    apply::Compilation* compilation = compileSuites(work);
    writeSuite(compilation, suite, work);
    for (const testgen::TestStatement& statement : work->written.statements)
        if (!testgen::isOfTrial(statement))
            rows.row()
                .integer(statement.test)
                .text(fromUtf8(statement.title))
                .text(testgen::shownKind(statement.kind))
                .text(fromUtf8(statement.sql))
                .text(statement.description.empty() ? nullptr : fromUtf8(statement.description))
                .end();
    spi::finish();
    MemoryContextDelete(compilation->context);
    MemoryContextDelete(context);
    PG_RETURN_NULL();
}

}  // namespace specql::testing
