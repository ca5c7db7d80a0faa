// The located tree: what the guarded YAML parser hands to the spec stage.
#pragma once

#include <string>
#include <vector>

#include "text/source.hpp"

namespace specql::yaml {

struct Entry;

struct Node {
    enum class Kind { null, scalar, sequence, mapping };
    Kind kind = Kind::null;
    Pos pos;                     // where the node starts
    Pos end;                     // where it ends (for slices; last line of its content)
    Text scalar;                 // kind == scalar; raw, never typed by YAML rules
    std::vector<Node> items;     // kind == sequence
    std::vector<Entry> entries;  // kind == mapping, in the order written; keys are unique

    const Entry* find(std::string_view key) const;
};

struct Entry {
    Text key;
    Node value;
};

}  // namespace specql::yaml
