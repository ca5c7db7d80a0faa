// Test suites made from specs: per schema and pattern one, as statements that pgTAP runs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"
#include "testgen/cause.hpp"
#include "testgen/table_facts.hpp"
#include "testgen/window_search.hpp"

namespace specql::testgen {

// What a statement of a suite is for. The trial of the rows runs all but steps, checks and skips.
enum class StatementKind {
    fixture,  // makes what is tested happen, or what must be there: if others refuse it, nothing can be tested
    step,     // is done in the suite alone
    restore,  // puts back for later tests what a fixture changed, in the trial also if this test has been given up
    guard,    // of the trial: a query that gives message and context of what failed while the event was handled
    excuse,   // of the trial: a query that gives a reason why nothing can be tested; or what such queries read
    check,    // an expression that gives a line of TAP
    skip,     // a line that says why there is no check
};

// A statement of a suite, in order.
struct TestStatement {
    int test = 0;       // statements of one test belong together
    std::string title;  // what the test is about
    StatementKind kind = StatementKind::step;
    std::string sql;          // without ';'; for skip the reason
    std::string description;  // of check and skip; of an excuse the check that it is about, or empty: all
    Tested tested;            // whose errors are no reason to skip the test
};

// Whether only the trial knows a statement.
inline bool isOfTrial(const TestStatement& statement) {
    return statement.kind == StatementKind::guard || statement.kind == StatementKind::excuse;
}

// The kinds that specql.test_statements shows.
inline const char* shownKind(StatementKind kind) {
    switch (kind) {
        case StatementKind::fixture: return "fixture";
        case StatementKind::check: return "check";
        case StatementKind::skip: return "skip";
        default: return "step";
    }
}

// What a query of WrittenSuite::searches gave: the cells of its one row; none if there is no such row.
struct SearchAnswer {
    std::string search;
    std::vector<std::string> cells;
    std::string error;
};

struct WrittenSuite {
    std::vector<std::string> searches;  // still to be answered
    std::vector<TestStatement> statements;
    std::map<std::string, WindowFindings> windows;  // by action: found once, for the next time the suite is written
};

// inventory.event_driven_test, inventory.batch_test, inventory.window_test: those that have something to test, with the
// number of their actions.
std::map<std::string, int> suiteNames(const resolve::Resolver& resolver);

// Tables whose rows the tests of the suite write: schema and name.
std::vector<std::pair<std::string, std::string>> suiteTables(const resolve::World& world,
                                                             const resolve::Resolver& resolver);

// Writes the suite: first without answers, to learn what is to be searched; then with them, until nothing is left to
// search. `windows`: of the time before.
WrittenSuite writeSuite(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
                        const std::string& suite, const std::vector<SearchAnswer>& answers,
                        std::map<std::string, WindowFindings> windows);

}  // namespace specql::testgen
