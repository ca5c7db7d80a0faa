#include "spec/options.hpp"

#include "spec/access.hpp"
#include "spec/gathering.hpp"
#include "spec/limits.hpp"

namespace specql::spec {

namespace {

// Reads the value of a key, as JSON; empty if there was an error.
using Reader = std::string (*)(ReadContext& context, const yaml::Entry& entry);

struct Kind {
    const char* key;
    bool ofService, ofOperation;
    Reader read;
};

const std::vector<Kind> kinds = {
    {"auth", true, false, readAuth},         {"tls", true, false, readTls},
    {"compress", true, false, readCompress}, {"rate", true, false, readRate},
    {"burst", true, false, readBurst},       {"concurrency", true, false, readConcurrency},
    {"expires", true, true, readExpires},    {"batch", true, true, readBatch},
    {"coalesce", true, true, readCoalesce},
};

bool mayStand(const Kind& kind, OptionPlace place) {
    return place == OptionPlace::service ? kind.ofService : kind.ofOperation;
}

}  // namespace

Words optionKeys(OptionPlace place) {
    Words keys;
    for (const Kind& kind : kinds) {
        if (mayStand(kind, place)) {
            keys.emplace_back(kind.key);
        }
    }
    return keys;
}

std::vector<Option> readOptions(ReadContext& context, const yaml::Node& mapping, OptionPlace place) {
    std::vector<Option> options;
    if (place == OptionPlace::service) {
        checkLimits(context, mapping);
    }
    for (const Kind& kind : kinds) {
        for (const yaml::Entry& entry : mapping.entries) {
            if (entry.key.value != kind.key || !mayStand(kind, place)) {
                continue;
            }
            std::string json = kind.read(context, entry);
            if (!json.empty()) {
                const yaml::Entry* key = kind.read == readCoalesce ? entry.value.find("key") : nullptr;
                options.push_back({entry.key, json, key == nullptr ? Text() : context.scalar(key->value, "key")});
            }
        }
    }
    return options;
}

}  // namespace specql::spec
