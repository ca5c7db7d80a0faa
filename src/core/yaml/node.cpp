#include "yaml/node.hpp"

namespace specql::yaml {

const Entry* Node::find(std::string_view key) const {
    for (const Entry& entry : entries) {
        if (entry.key.value == key) {
            return &entry;
        }
    }
    return nullptr;
}

}  // namespace specql::yaml
