// The queries that find the values of a scenario: every combination of candidates is put to the conditions themselves,
// and to the checks of the tables, by PostgreSQL.
#pragma once

#include "testgen/scenario.hpp"

namespace specql::testgen {

// What a search is about: the dimensions that its condition reads, and for each its candidates in the order in which
// they look promising.
using Focus = std::map<int, std::vector<size_t>>;

// Two combinations that differ in one value as little as possible: `condition` holds for the first, and not for the
// second because `atom` turned. The second value is greater than the first, or less, or, where values have no order,
// just another one (looked for together with the greater).
struct Pair {
    std::string condition, atom;
    std::set<int> varied;  // one of these differs
    bool greater = false;
    std::set<int> loose = {};  // these may differ as well
};

// Each gives one row: for the combination, or for both of the pair, the numbers of its candidates, and which of `asked`
// hold, best those for which few do.
std::string findQuery(const Scenario& scenario, const std::vector<std::string>& asked, const Focus& focus);
std::string findPairQuery(const Scenario& scenario, const Pair& pair, const std::vector<std::string>& asked,
                          const Focus& focus);

// The combination that two cells of such a row are.
Fixture readFixture(const Scenario& scenario, const std::string& numbers, const std::string& held);

}  // namespace specql::testgen
