// The rows of a test before their values are known, and the queries that find the values: every combination of the
// candidates is put to the condition itself, and to the checks of the tables, by PostgreSQL.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "testgen/candidates.hpp"
#include "testgen/place.hpp"
#include "testgen/table_facts.hpp"

namespace specql::testgen {

// One value to be found; several columns may share it.
struct Dimension {
    std::string type;      // declared type, domains included
    std::string baseType;  // what it is made of
    std::vector<std::string> candidates;
    std::vector<std::string> checks;  // over the bare name of one column: `quantity > 0`
    std::string column;               // that name
    bool unique = false;              // a fresh value in every fixture
    bool essential = false;           // a condition reads it: its values are combined with the others'
    std::string avoided;              // a value that would hide what a step does
    size_t ofChecks = 0;              // where the candidates begin that the checks speak of
    bool fixed = false;               // no other value than its candidates will do
    std::vector<int> elements = {};   // the empty candidate is an array of these dimensions
};

struct PlannedRow {
    const TestTable* table = nullptr;
    bool referred = false;               // it is there only because other rows refer to it
    std::map<std::string, int> columns;  // column → dimension
};

// What a search is about: the dimensions that its condition reads, and for each its candidates in the order in which
// they look promising.
using Focus = std::map<int, std::vector<size_t>>;

class Scenario {
public:
    std::vector<Dimension> dimensions;
    std::map<Name, int> names;         // → dimension
    std::vector<PlannedRow> rows;      // in the order in which they can be inserted
    std::vector<std::string> demands;  // conditions that every fixture satisfies, over d1.v
    std::vector<std::string> rules;    // the same, what other actions demand
    std::string unfit;                 // why no test can be made; empty if one can

    int add(Dimension dimension);
    // A row of the table with all that it needs; rows it refers to are added before it. `given` says dimensions of
    // columns that are known. Returns its index.
    int addRow(const TestTables& tables, const TestTable& table, std::map<std::string, int> given, int depth = 0);
    // The value of dimension i in a query.
    // The array that a dimension with elements is.
    static std::string array(const Dimension& dimension, const std::vector<std::string>& elements);
    static std::string reference(int dimension) { return "d" + std::to_string(dimension) + ".v"; }

    // The best combination for which all of `conditions` hold; `others`, numbers of conditions that rather do not hold.
    // Gives one row: for each dimension the number of its candidate, then for each of `asked` whether it holds.
    std::string find(const std::vector<std::string>& conditions, const std::vector<std::string>& asked,
                     const Focus& focus) const;
    // Two combinations that differ in one value as little as possible: for the first `condition` holds, for the second
    // it does not because `atom` turned. The second value is greater than the first, or less, or, where values have no
    // order, just another one (looked for together with the greater). `loose` may differ as well. Gives one row:
    // numbers of the first, of the second, `asked` of both.
    std::string findPair(const std::string& condition, const std::string& atom, const std::vector<std::string>& asked,
                         const std::set<int>& varied, bool greater, const Focus& focus,
                         const std::set<int>& loose) const;

private:
    std::string combinations(const std::vector<std::string>& columns, const Focus& focus, double most) const;
    std::string arrays(const Dimension& dimension, int which, bool both) const;
    std::vector<std::string> rowChecks() const;
};

// The values of a scenario's dimensions.
struct Fixture {
    std::vector<std::string> values;  // SQL, one for each dimension; empty if none was found
    std::vector<bool> held;           // of `asked`
    bool ruled = false;               // scenario.rules hold
    explicit operator bool() const { return !values.empty(); }
};

}  // namespace specql::testgen
