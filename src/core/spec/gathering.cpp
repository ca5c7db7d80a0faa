#include "spec/gathering.hpp"

#include <algorithm>

#include "spec/limits.hpp"
#include "text/quote.hpp"

namespace specql::spec {

namespace {

const Words batchKeys = {"size", "wait"};
const Words coalesceKeys = {"key", "wait"};
const Words batchFormats = {"cloudevents", "plain"};
constexpr int64_t mostCallsOfBatch = 10000;
constexpr int64_t longestBatchMs = 3600 * 1000;
constexpr int64_t longestCoalesceMs = 24 * 3600 * 1000;
constexpr size_t longestKey = 255;

bool isMapping(ReadContext& context, const yaml::Entry& entry, const std::string& example) {
    if (entry.value.kind == yaml::Node::Kind::mapping) {
        return true;
    }
    context.diagnostics.report(Code::S180, entry.value.pos, "\"" + entry.key.value + "\" must be a mapping",
                               "for example " + entry.key.value + ": " + example);
    return false;
}

const yaml::Entry* entryOf(const yaml::Node& mapping, const std::string& key) {
    for (const yaml::Entry& entry : mapping.entries) {
        if (entry.key.value == key) {
            return &entry;
        }
    }
    return nullptr;
}

// The value of a key that must be there, as JSON.
template <typename Reader>
std::string readMember(ReadContext& context, const yaml::Node& mapping, const std::string& key, const Words& known,
                       const std::string& what, Reader&& reader) {
    const yaml::Entry* entry = entryOf(mapping, key);
    if (entry == nullptr) {
        context.missing(mapping, key, known, what);
        return {};
    }
    return reader(*entry);
}

std::string readKey(ReadContext& context, const yaml::Entry& entry) {
    Text key = context.scalar(entry.value, entry.key.value);
    if (!key) {
        return {};
    }
    if (key.value.size() > longestKey || key.value.find_first_of("{}") != std::string::npos) {
        context.diagnostics.report(Code::S180, key.pos, "\"key\" must be the name of a key of the payload",
                                   "for example coalesce: {key: product_id, wait: 5 s}");
        return {};
    }
    return quoteJson(key.value);
}

std::string valueOf(const std::vector<Param>& settings, const std::string& name) {
    for (const Param& setting : settings) {
        if (setting.name.value == name) {
            return setting.type.value;
        }
    }
    return {};
}

const Option* optionOf(const std::vector<Option>& options, const std::string& name) {
    for (const Option& option : options) {
        if (option.name.value == name) {
            return &option;
        }
    }
    return nullptr;
}

// Does a call of the operation have a body?
bool hasBody(const Operation& operation) {
    std::string method = valueOf(operation.settings, "method"), body = valueOf(operation.settings, "body");
    return body.empty() ? method != "GET" && method != "DELETE" : body == "true";
}

}  // namespace

std::string readBatch(ReadContext& context, const yaml::Entry& entry) {
    if (!isMapping(context, entry, "{size: 500, wait: 200 ms}")) {
        return {};
    }
    context.checkKeys(entry.value, batchKeys, "batch");
    std::string size = readMember(context, entry.value, "size", batchKeys, "batch", [&](const yaml::Entry& member) {
        return readNumber(context, member, mostCallsOfBatch);
    });
    std::string wait = readMember(context, entry.value, "wait", batchKeys, "batch", [&](const yaml::Entry& member) {
        return readDuration(context, member, longestBatchMs);
    });
    return size.empty() || wait.empty() ? std::string() : R"({"size": )" + size + R"(, "wait": )" + wait + "}";
}

std::string readCoalesce(ReadContext& context, const yaml::Entry& entry) {
    if (!isMapping(context, entry, "{key: product_id, wait: 5 s}")) {
        return {};
    }
    context.checkKeys(entry.value, coalesceKeys, "coalesce");
    std::string key = readMember(context, entry.value, "key", coalesceKeys, "coalesce",
                                 [&](const yaml::Entry& member) { return readKey(context, member); });
    std::string wait =
        readMember(context, entry.value, "wait", coalesceKeys, "coalesce",
                   [&](const yaml::Entry& member) { return readDuration(context, member, longestCoalesceMs); });
    return key.empty() || wait.empty() ? std::string() : R"({"key": )" + key + R"(, "wait": )" + wait + "}";
}

void checkBatches(ReadContext& context, const Service& service) {
    const Option* ofService = optionOf(service.options, "batch");
    std::string format = valueOf(service.settings, "format");
    auto check = [&](const Option& batch) {
        if (valueOf(service.settings, "url").empty()) {
            context.diagnostics.report(Code::S181, batch.name.pos, "\"batch\" needs a url",
                                       "consumers take as many calls at once as they like: specql.take(service, n)");
        } else if (!format.empty() &&
                   std::find(batchFormats.begin(), batchFormats.end(), format) == batchFormats.end()) {
            context.diagnostics.report(
                Code::S181, batch.name.pos,
                "there are no batches in format " + format + ": its receivers know one call only",
                "format: cloudevents or format: plain");
        }
    };
    if (ofService != nullptr) {
        check(*ofService);
    }
    for (const Operation& operation : service.operations) {
        const Option* batch = optionOf(operation.options, "batch");
        if (batch != nullptr) {
            check(*batch);
            if (!hasBody(operation)) {
                context.diagnostics.report(Code::S181, batch->name.pos,
                                           "calls of " + operation.name.value + " have no body to stand in together",
                                           "give the operation a body (body: true), or leave batch out");
            }
        }
        if ((batch != nullptr || ofService != nullptr) && format == "plain" &&
            !valueOf(operation.settings, "answer").empty()) {
            context.diagnostics.report(Code::S181, (batch != nullptr ? batch : ofService)->name.pos,
                                       "who answers a call of " + operation.name.value +
                                           " later needs its id, which is not in a batch of format plain",
                                       "format: cloudevents has it");
        }
    }
}

}  // namespace specql::spec
