// The rows of a test, and the values in them that are still to be found.
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
    std::string type;                      // declared type, domains included
    std::string baseType;                  // what it is made of
    std::string column;                    // the name that the checks have for it
    std::vector<std::string> labels = {};  // of an enum type
    bool unique = false;                   // a fresh value in every fixture
    bool essential = false;                // a condition reads it: its values are combined with the others'
    bool alone = false;                    // no two rows of its table may have the same
    bool notNull = false;
    bool fixed = false;                    // no other value than its candidates will do
    spec::ConditionText spoken = {};       // constants of what speaks of it
    std::vector<std::string> checks = {};  // over `column` alone: `quantity > 0`
    std::vector<int> elements = {};        // the empty candidate is an array of these dimensions
    std::vector<std::string> candidates = {};
};

Dimension dimensionOf(const TestColumn& column);

struct PlannedRow {
    const TestTable* table = nullptr;
    std::map<std::string, int> columns = {};  // column → dimension
    bool referred = false;                    // it is there only because other rows refer to it
    int before = -1;                          // what an update makes of this row
    bool complete = false;
};

class Scenario {
public:
    std::vector<Dimension> dimensions;
    std::map<Name, int> names;  // → dimension
    std::vector<PlannedRow> rows;
    std::map<Place, int> places;       // → row
    std::vector<int> order;            // of the rows: in which they can be inserted
    std::vector<std::string> demands;  // conditions that every fixture satisfies, over d1.v
    std::vector<std::string> rules;    // the same, what other actions demand
    std::string unfit;                 // why no test can be made; empty if one can

    int add(Dimension dimension);
    Dimension& at(int dimension) { return dimensions[static_cast<size_t>(dimension)]; }
    const Dimension& at(int dimension) const { return dimensions[static_cast<size_t>(dimension)]; }
    PlannedRow& row(int row) { return rows[static_cast<size_t>(row)]; }
    const PlannedRow& row(int row) const { return rows[static_cast<size_t>(row)]; }

    // A row of which some columns are known. Returns its index.
    int addRow(const TestTable& table, std::map<std::string, int> columns);
    // The row whose column is that value; added, as one that others refer to, if there is none.
    int referredRow(const TestTable& table, const std::string& column, int dimension);
    // When all rows are there: what they need beside, and candidates for each value.
    void complete(const TestTables& tables);

    // The value of a dimension in a query, and the array that one with elements is.
    static std::string reference(int dimension) { return "d" + std::to_string(dimension) + ".v"; }
    static std::string array(const Dimension& dimension, const std::vector<std::string>& elements);

private:
    void completeRow(const TestTables& tables, int which);
    void refer(const TestTables& tables, int which, const TestForeignKey& key);
    void meetChecks(const TestTable& table, const TestColumn& column, int dimension, bool isNew);
    void findCandidates(int which);
};

// The values of a scenario's dimensions.
struct Fixture {
    std::vector<std::string> values;  // SQL, one for each dimension; empty if none was found
    std::vector<bool> held;           // of what was asked
    bool ruled = false;               // scenario.rules hold
    explicit operator bool() const { return !values.empty(); }
};

}  // namespace specql::testgen
