#include "spec/parts.hpp"

namespace specql {

namespace {

const Words serviceKeys = {"service", "url",    "timeout",  "retries",  "backoff",   "headers",
                           "secret",  "format", "ordering", "retry_on", "operations"};
const Words operationKeys = {"path", "method", "timeout", "retries"};
const Words formats = {"cloudevents", "hasura", "supabase", "plain"};

// Every key but those that have a shape of their own becomes a setting.
std::vector<Param> readSettings(ReadContext& context, const Node& mapping, const Words& known) {
    std::vector<Param> settings;
    for (const Entry& entry : mapping.entries) {
        const std::string& key = entry.key.value;
        bool isSetting = key != "service" && key != "headers" && key != "operations";
        for (const std::string& word : known) {
            if (isSetting && word == key) {
                Text value = context.scalar(entry.value, key);
                if (value) {
                    settings.push_back({entry.key, value});
                }
            }
        }
    }
    return settings;
}

}  // namespace

void readService(ReadContext& context, const Node& root) {
    context.checkKeys(root, serviceKeys, "a service");
    Service service;
    service.pos = root.pos;
    service.firstLine = root.pos.line;
    service.lastLine = root.end.line;
    service.name = context.text(root, "service");
    service.settings = readSettings(context, root, serviceKeys);
    for (const Param& setting : service.settings) {
        if (setting.name.value == "format") {
            context.choice(root, "format", formats);
        }
    }
    if (const Node* headers = context.mapping(root, "headers")) {
        for (const Entry& entry : headers->entries) {
            Text value = context.scalar(entry.value, entry.key.value);
            if (value) {
                service.headers.push_back({entry.key, value});
            }
        }
    }
    if (const Node* operations = context.mapping(root, "operations")) {
        for (const Entry& entry : operations->entries) {
            Operation operation;
            operation.name = entry.key;
            if (entry.value.kind == Node::Kind::mapping) {
                context.checkKeys(entry.value, operationKeys, "an operation");
                operation.settings = readSettings(context, entry.value, operationKeys);
            } else if (entry.value.kind != Node::Kind::null) {
                context.diagnostics.error("SPQL-S003", entry.value.pos,
                                          "operation \"" + entry.key.value + "\" must be a mapping",
                                          "for example {path: /orders, method: POST}");
            }
            service.operations.push_back(std::move(operation));
        }
    }
    context.spec.services.push_back(std::move(service));
}

}  // namespace specql
