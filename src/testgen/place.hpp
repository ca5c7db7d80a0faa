// Where a value of a test stands: in a row or in the payload, and there in a column or under a key.
#pragma once

#include <string>
#include <tuple>

namespace specql::testgen {

struct Place {
    enum class Kind {
        none,
        payload,
        row,         // the event's row: a column that stays as it is
        before,      // the same row before an update, a column that changes
        after,       // and after it
        context,     // a row that a key of the event leads to: `index` of the contexts
        step,        // the row that a step with WHERE is about: `index` of those steps
        allocation,  // what the rows of a bulk operation have in common: `index` of the allocations
        looked,      // a row that a query finds: `index` is its expression, `element` of the entities it looks at
        answer,      // what came back of a call: `index` of the answers, one to a call of the other's steps
        element      // an element of what a loop goes over: `index` of the loops, `element` of its array
    };
    Kind kind = Kind::none;
    int index = 0, element = 0;

    explicit operator bool() const { return kind != Kind::none; }
    bool operator==(const Place& other) const {
        return std::tie(kind, index, element) == std::tie(other.kind, other.index, other.element);
    }
    bool operator!=(const Place& other) const { return !(*this == other); }
    bool operator<(const Place& other) const {
        return std::tie(kind, index, element) < std::tie(other.kind, other.index, other.element);
    }

    static Place payload() { return {Kind::payload}; }
    static Place row() { return {Kind::row}; }
    static Place before() { return {Kind::before}; }
    static Place after() { return {Kind::after}; }
    static Place context(int index) { return {Kind::context, index}; }
    static Place step(size_t index) { return {Kind::step, static_cast<int>(index)}; }
    static Place allocation(size_t index) { return {Kind::allocation, static_cast<int>(index)}; }
    static Place looked(int expression, size_t table) { return {Kind::looked, expression, static_cast<int>(table)}; }
    static Place answer(int index) { return {Kind::answer, index}; }
    static Place elementOf(int loop, int element) { return {Kind::element, loop, element}; }
};

// A column, a key, or a variable in a place.
struct Name {
    Place place;
    std::string column;

    explicit operator bool() const { return bool(place); }
    bool operator==(const Name& other) const { return place == other.place && column == other.column; }
    bool operator<(const Name& other) const { return std::tie(place, column) < std::tie(other.place, other.column); }
};

}  // namespace specql::testgen
