// Which events a window counts at all: both sides of each comparison of a FILTER, and every operation that raises one.
#pragma once

#include "testgen/window_play.hpp"

namespace specql::testgen {

class WindowFilter {
public:
    // Asks for values; writes nothing yet.
    WindowFilter(WindowEvents& events, std::string label);
    void write();

private:
    struct Side {
        size_t source;
        Fixture fixture;
        size_t counted;  // how many terms count it
        std::string description;
    };
    void searchSides(size_t source, size_t branch);
    void searchAtom(size_t source, size_t branch, const resolve::BoundExpression& bound, const spec::Atom& atom);
    const EventKind* kindOf(size_t source) const;
    void checkWaiting(WindowPlay& play, size_t counted, const std::string& description);
    void unchanged();
    void otherValues();
    void add(size_t source, size_t branch, const Fixture& fixture, const std::string& values);

    WindowEvents& events_;
    std::string label_;
    std::vector<Side> sides_;
    std::vector<std::pair<std::string, std::string>> skipped_;
};

}  // namespace specql::testgen
