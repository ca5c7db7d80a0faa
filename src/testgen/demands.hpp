// What other actions with `on_error: abort` demand of the event and of what its steps write: the statement fails
// otherwise. A demand that cannot be expressed over the values of a test is left out; the trial of the rows shows then
// whether it is met.
#pragma once

#include "testgen/needs.hpp"

namespace specql::testgen {

class Demands {
public:
    Demands(Meaning& meaning, Needs& needs) : meaning_(meaning), needs_(needs) {}

    void ofEvent();
    // When the rows of the steps have their places.
    void ofSteps();
    // When there are values to speak of: as rules of the search.
    void state();

private:
    // Its conditions have the names of this action; in a scope that changes a row these are the row's.
    struct Demand {
        Invariant invariant;
        std::vector<resolve::BoundExpression> when;
        resolve::BoundExpression holds;
        Scope scope;
        const Arm* arm;  // the way that has the step; null for the event itself
    };

    int contextLike(const resolve::ResolvedAction& other, int which);
    bool adopt(const resolve::ResolvedAction& other, bool isOfEvent, resolve::BoundExpression& bound);
    void add(Invariant invariant, const Scope& scope, const Arm* arm);
    std::string rule(const Demand& demand, std::string& why) const;
    bool isContent(const resolve::ResolvedAction& owner, size_t stated) const;

    Meaning& meaning_;
    Needs& needs_;
    std::vector<Demand> demands_;
};

}  // namespace specql::testgen
