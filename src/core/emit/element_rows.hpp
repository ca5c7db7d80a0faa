// The elements of an array as rows: the function that gives them, and how their values are written.
#pragma once

#include <string>
#include <vector>

#include "emit/function.hpp"
#include "emit/printer.hpp"

namespace specql::emit {

// Writes an expression with its names by `name`, and each call of an aggregate by `aggregate`.
using PrintValue = std::function<std::string(const resolve::Value&)>;
using PrintSlice = std::function<std::string(const Slice&)>;
std::string printParts(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound, const PrintValue& name, const PrintSlice& aggregate);

class ElementRows {
public:
    ElementRows(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                Printer& printer);

    // sales.place_order_items(p_items) AS i
    std::string from() const;
    // A value of an element where i is one.
    std::string value(const resolve::Value& value) const;
    std::string print(const resolve::BoundExpression& bound) const;
    std::string printAssignment(const resolve::BoundAssignment& set) const;
    // Columns of theirs that are computed, and that other values are made of.
    std::vector<std::string> computedAndNeeded() const;
    std::vector<std::string> requiredKeys() const;
    std::vector<std::string> otherKeys() const;
    // Rows that elements lead to, and of which something is read.
    std::vector<const resolve::NamedRow*> readRows() const;
    FunctionText function() const;

private:
    bool isGiven(const std::string& column) const;
    bool mustBeGiven(const std::string& column) const;
    // Is it computed for each element, and not when the rows are inserted?
    const resolve::BoundAssignment* computed(const std::string& column) const;
    std::string inside(const std::string& column) const;
    std::string inside(const resolve::Value& value) const;
    std::string alias(const resolve::NamedRow& row) const;
    void collect();
    void note(const resolve::BoundExpression& bound, bool isInside);

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    Printer& printer_;
    const resolve::Items& items_;
    const resolve::ResolvedStep& step_;
    std::vector<std::pair<std::string, std::string>> parameters_;         // that its columns are made of: name and type
    std::vector<std::pair<const resolve::NamedRow*, std::string>> read_;  // columns of rows that elements lead to
};

}  // namespace specql::emit
