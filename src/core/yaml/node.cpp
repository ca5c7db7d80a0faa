#include "yaml/node.hpp"

namespace specql {

const Entry* Node::find(std::string_view key) const {
    for (const Entry& entry : entries) {
        if (entry.key.value == key) {
            return &entry;
        }
    }
    return nullptr;
}

}  // namespace specql
