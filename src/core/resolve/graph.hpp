// The event graph: what raises which event, which action that sets off, what it writes and calls.
#pragma once

#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::resolve {

struct GraphNode {
    enum class Kind { entity, event, action, answer, service, channel, state, step };
    Kind kind;
    std::string name;    // inventory.product, inventory.product.stock_quantity_changed, inventory.on_stock_change, …;
                         // what an action does with an answer: shop.on_order: payments.charge.succeeded
    bool cycle = false;  // an action that can set itself off
    std::string detail;  // of a service: how fast its calls leave; may be empty
};

struct GraphEdge {
    size_t from, to;    // into EventGraph::nodes
    std::string label;  // the verb: update, insert, emit, notify, calls, the operation of a service with the keys of
                        // its payload; may be empty
    bool cycle = false;
};

struct EventGraph {
    std::vector<GraphNode> nodes;
    std::vector<GraphEdge> edges;
};

// All of a world as one picture. Cycles are marked by the rule of reportCycles, edge by edge.
EventGraph eventGraph(World& world, const Resolver& resolver);

// Warns of every group of actions that can set each other off without end: an action writes what another listens to.
// A write that cannot satisfy the listener (another column changes, another event_type is inserted, the condition
// demands another literal than the one assigned) is no edge.
void reportCycles(World& world, const Resolver& resolver);

}  // namespace specql::resolve
