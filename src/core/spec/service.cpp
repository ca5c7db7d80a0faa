#include "spec/parts.hpp"

#include <algorithm>

#include "delivery/destination.hpp"
#include "delivery/template.hpp"
#include "spec/access.hpp"
#include "spec/gathering.hpp"
#include "spec/options.hpp"
#include "text/ascii.hpp"

namespace specql::spec {

namespace {

const Words serviceKeys = {"service", "url",     "timeout",  "retries",  "backoff",    "headers",     "secret",
                           "format",  "numbers", "ordering", "retry_on", "operations", "renamed_from"};
const Words operationKeys = {"path",    "method",  "query",  "headers",      "body",
                             "timeout", "retries", "answer", "answer_within"};
const Words answerForms = {"later"};
const Words formats = {"cloudevents", "hasura", "supabase", "plain"};
const Words numberForms = {"json", "text"};
const Words methods = {"POST", "PUT", "PATCH", "DELETE", "GET"};
const Words failureWords = {"block", "skip"};
// What the worker sets itself.
const Words ownHeaders = {
    "host",       "content-length",    "content-type",      "transfer-encoding", "connection",      "expect",
    "webhook-id", "webhook-timestamp", "webhook-signature", "webhook-attempt",   "specql-timeline", "traceparent"};
const Words credentialHeaders = {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"};

constexpr int64_t longestTimeoutMs = 10 * 60 * 1000;
constexpr int64_t longestBackoffMs = 3600 * 1000;
constexpr int64_t longestAnswerMs = 366LL * 24 * 3600 * 1000;
constexpr int mostRetries = 100;
constexpr size_t longestName = 255;  // of a parameter

std::string lower(const std::string& text) {
    std::string result;
    for (char c : text) {
        result += toAsciiLower(c);
    }
    return result;
}

// The number that the digits of a text are; -1 if they are none, or more than `most`.
int number(const std::string& text, int most) {
    if (text.empty() || text.size() > 6 || !std::all_of(text.begin(), text.end(), isAsciiDigit)) {
        return -1;
    }
    int value = std::stoi(text);
    return value <= most ? value : -1;
}

// ---- values, each with the error it can have ------------------------------------------------------------------------

void checkUrl(ReadContext& context, const Text& value) {
    delivery::Url url;
    std::string problem = delivery::parseUrl(value.value, url);
    if (!problem.empty()) {
        context.diagnostics.report(Code::S031, value.pos,
                                   "the url \"" + value.value + "\" cannot be called: " + problem,
                                   "for example https://erp.example/hooks");
    }
}

void checkRetries(ReadContext& context, const Text& value) {
    if (number(value.value, mostRetries) < 0) {
        context.diagnostics.report(Code::S033, value.pos);
    }
}

void checkSecret(ReadContext& context, const Text& value) {
    const std::string& name = value.value;
    bool known = true;
    if (name.compare(0, 4, "env:") == 0) {
        known = name.size() > 4 && std::all_of(name.begin() + 4, name.end(), isNamePart);
    } else if (name.compare(0, 5, "file:") == 0) {
        known = name.size() > 6 && name[5] == '/' && delivery::isHeaderValue(name);
    } else {
        known = std::all_of(name.begin(), name.end(), [](char c) { return isNamePart(c) || c == '-' || c == '.'; });
    }
    if (!known) {
        context.diagnostics.report(Code::S034, value.pos);
    }
}

// A key, and perhaps what a failing call does to the later ones of the same key: "order_id skip".
void checkOrdering(ReadContext& context, const Text& value) {
    size_t space = value.value.find(' ');
    std::string word = space == std::string::npos ? "block" : value.value.substr(space + 1);
    if (!holds(failureWords, word)) {
        context.diagnostics.report(Code::S035, value.pos);
    }
}

// Braces in it stand for keys of the payload.
void checkTemplate(ReadContext& context, const Text& value) {
    size_t offset;
    const char* problem = delivery::templateProblem(value.value, offset);
    if (problem != nullptr) {
        context.diagnostics.report(Code::S060, context.source.locate(value, offset), problem, {});
    }
}

void checkPath(ReadContext& context, const Text& value) {
    delivery::Url url;
    if (value.value.front() != '/' || !delivery::parseUrl("http://host" + value.value, url).empty()) {
        context.diagnostics.report(Code::S036, value.pos);
    } else {
        checkTemplate(context, value);
    }
}

void checkRetryOn(ReadContext& context, const Text& value) {
    int status = number(value.value, 499);
    if (status < 400 || status == 410) {
        context.diagnostics.report(Code::S037, value.pos);
    }
}

// Its last word is secret:NAME; the worker puts the secret in its place.
bool namesSecret(const std::string& value) {
    const std::string source = "secret:";
    size_t space = value.rfind(' ');
    size_t word = space == std::string::npos ? 0 : space + 1;
    return value.size() > word + source.size() && value.compare(word, source.size(), source) == 0;
}

void checkHeader(ReadContext& context, const Text& name, const Text& value, bool isTemplate) {
    if (!delivery::isHeaderName(name.value)) {
        context.diagnostics.report(Code::S038, name.pos, "\"" + name.value + "\" cannot be the name of a header",
                                   "letters, digits and - are allowed");
    } else if (holds(ownHeaders, lower(name.value))) {
        context.diagnostics.report(Code::S038, name.pos, "the header " + name.value + " is set with each call");
    } else if (!delivery::isHeaderValue(value.value)) {
        context.diagnostics.report(
            Code::S038, value.pos,
            "the value of the header " + name.value + " holds a line end or another control character");
    } else if (holds(credentialHeaders, lower(name.value)) && !namesSecret(value.value) &&
               !(isTemplate && delivery::hasBraces(value.value))) {
        context.diagnostics.report(Code::S039, value.pos,
                                   "the header " + name.value + " holds a credential, and texts of specs are kept",
                                   "let it end with the name of a row of specql.secret: \"Bearer secret:NAME\"");
    } else if (isTemplate && namesSecret(value.value) && delivery::hasBraces(value.value)) {
        context.diagnostics.report(Code::S060, value.pos, "a header holds a secret, or keys of the payload",
                                   "send them in two headers");
    } else if (isTemplate) {
        checkTemplate(context, value);
    }
}

void checkSetting(ReadContext& context, const std::string& key, const Text& value) {
    if (key == "url") {
        checkUrl(context, value);
    } else if (key == "timeout") {
        context.checkDuration(key, value, longestTimeoutMs);
    } else if (key == "answer_within") {
        context.checkDuration(key, value, longestAnswerMs);
    } else if (key == "backoff") {
        context.checkDuration(key, value, longestBackoffMs);
    } else if (key == "retries") {
        checkRetries(context, value);
    } else if (key == "secret") {
        checkSecret(context, value);
    } else if (key == "ordering") {
        checkOrdering(context, value);
    } else if (key == "path") {
        checkPath(context, value);
    } else if (key == "retry_on") {
        checkRetryOn(context, value);
    }
}

// ---- reading --------------------------------------------------------------------------------------------------------

// Every key but those that have a shape of their own becomes a setting; one that has a list becomes several.
std::vector<Param> readSettings(ReadContext& context, const yaml::Node& mapping, const Words& known) {
    std::vector<Param> settings;
    for (const yaml::Entry& entry : mapping.entries) {
        const std::string& key = entry.key.value;
        bool isSetting =
            key != "service" && key != "headers" && key != "query" && key != "operations" && key != "renamed_from";
        if (!isSetting || !holds(known, key)) {
            continue;
        }
        std::vector<Text> values;
        if (key == "secret" || key == "retry_on") {
            values = context.texts(entry.value, key);
        } else {
            values.push_back(context.scalar(entry.value, key));
        }
        for (const Text& value : values) {
            if (value) {
                checkSetting(context, key, value);
                settings.push_back({entry.key, value});
            }
        }
    }
    return settings;
}

// `known`, and behind them those of options.cpp.
Words allKeys(Words known, OptionPlace place) {
    Words more = optionKeys(place);
    known.insert(known.end(), more.begin(), more.end());
    return known;
}

std::vector<Param> readHeaders(ReadContext& context, const yaml::Node& mapping, bool areTemplates) {
    std::vector<Param> headers;
    const yaml::Node* node = context.mapping(mapping, "headers");
    if (node == nullptr) {
        return headers;
    }
    for (const yaml::Entry& entry : node->entries) {
        Text value = context.scalar(entry.value, entry.key.value);
        if (value) {
            checkHeader(context, entry.key, value, areTemplates);
            headers.push_back({entry.key, value});
        }
    }
    return headers;
}

// {since: "{since}"}: parameters of the URL.
std::vector<Param> readQuery(ReadContext& context, const yaml::Node& mapping) {
    std::vector<Param> query;
    const yaml::Node* node = context.mapping(mapping, "query");
    if (node == nullptr) {
        return query;
    }
    for (const yaml::Entry& entry : node->entries) {
        if (entry.key.value.size() > longestName) {
            context.diagnostics.report(Code::S061, entry.key.pos);
        }
        Text value = context.scalar(entry.value, entry.key.value);
        if (value) {
            checkTemplate(context, value);
            query.push_back({entry.key, value});
        }
    }
    return query;
}

Operation readOperation(ReadContext& context, const yaml::Entry& entry) {
    Operation operation;
    operation.name = entry.key;
    if (entry.value.kind == yaml::Node::Kind::mapping) {
        context.checkKeys(entry.value, allKeys(operationKeys, OptionPlace::operation), "an operation");
        operation.settings = readSettings(context, entry.value, operationKeys);
        operation.options = readOptions(context, entry.value, OptionPlace::operation);
        for (Param& setting : operation.settings) {
            bool valid;
            if (setting.name.value == "method") {
                context.choice(entry.value, "method", methods);
            } else if (setting.name.value == "body") {
                context.boolean(entry.value, "body");
                setting.type.value = booleanValue(setting.type.value, valid) ? "true" : "false";
            } else if (setting.name.value == "answer") {
                context.choice(entry.value, "answer", answerForms);
            } else if (setting.name.value == "answer_within" && entry.value.find("answer") == nullptr) {
                context.diagnostics.report(Code::S015, setting.name.pos,
                                           "answer_within is of an operation whose answer comes later",
                                           "write answer: later beside it");
            }
        }
        operation.query = readQuery(context, entry.value);
        operation.headers = readHeaders(context, entry.value, true);
    } else if (entry.value.kind != yaml::Node::Kind::null) {
        context.diagnostics.report(Code::S003, entry.value.pos,
                                   "operation \"" + entry.key.value + "\" must be a mapping",
                                   "for example {path: /orders, method: POST}");
    }
    return operation;
}

}  // namespace

void readService(ReadContext& context, const yaml::Node& root) {
    context.checkKeys(root, allKeys(serviceKeys, OptionPlace::service), "a service");
    Service service;
    service.pos = root.pos;
    service.firstLine = root.pos.line;
    service.lastLine = root.end.line;
    service.name = context.text(root, "service");
    service.renamedFrom = context.formerNames(root);
    service.settings = readSettings(context, root, serviceKeys);
    service.options = readOptions(context, root, OptionPlace::service);
    for (const Param& setting : service.settings) {
        if (setting.name.value == "format") {
            context.choice(root, "format", formats);
        } else if (setting.name.value == "numbers") {
            context.choice(root, "numbers", numberForms);
        }
    }
    service.headers = readHeaders(context, root, false);
    if (const yaml::Node* operations = context.mapping(root, "operations")) {
        for (const yaml::Entry& entry : operations->entries) {
            service.operations.push_back(readOperation(context, entry));
        }
    }
    checkAccess(context, service);
    checkBatches(context, service);
    context.spec.services.push_back(std::move(service));
}

}  // namespace specql::spec
