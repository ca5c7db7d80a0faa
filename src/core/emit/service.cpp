#include "emit/service.hpp"

#include "text/duration.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

std::string jsonObject(const std::vector<std::string>& members) {
    return "{" + join(members, ", ") + "}";
}

std::string intervalText(const Text& value) {
    return std::to_string(durationMs(value.value)) + " ms";
}

void addOptions(std::vector<std::string>& members, const std::vector<spec::Option>& options) {
    for (const spec::Option& option : options)
        members.push_back(quoteJson(option.name.value) + ": " + option.json);
}

std::string member(const spec::Param& param, const std::string& value) {
    return quoteJson(param.name.value) + ": " + quoteJson(value);
}

std::string textsJson(const std::vector<spec::Param>& params) {
    std::vector<std::string> members;
    for (const spec::Param& param : params)
        members.push_back(member(param, param.type.value));
    return jsonObject(members);
}

std::string operationJson(const spec::Operation& operation) {
    std::vector<std::string> members;
    for (const spec::Param& setting : operation.settings) {
        const std::string& key = setting.name.value;
        bool isInterval = key == "timeout" || key == "answer_within";
        members.push_back(member(setting, isInterval ? intervalText(setting.type) : setting.type.value));
    }
    if (!operation.query.empty()) members.push_back("\"query\": " + textsJson(operation.query));
    if (!operation.headers.empty()) members.push_back("\"headers\": " + textsJson(operation.headers));
    addOptions(members, operation.options);
    return quoteJson(operation.name.value) + ": " + jsonObject(members);
}

// The arguments of specql.register_service after the name, in the order in which a reader looks for them.
std::vector<std::string> arguments(const spec::Service& service) {
    std::vector<std::string> args, secrets, statuses, operations, options;
    std::string url = "NULL";
    for (const spec::Param& setting : service.settings) {
        const std::string& key = setting.name.value;
        const std::string& value = setting.type.value;
        if (key == "url")
            url = quoteLiteral(value);
        else if (key == "secret")
            secrets.push_back(quoteLiteral(value));
        else if (key == "retry_on")
            statuses.push_back(value);
        else if (key == "timeout" || key == "backoff")
            args.push_back(key + " => " + quoteLiteral(intervalText(setting.type)));
        else if (key == "retries")
            args.push_back(key + " => " + value);
        else if (key == "ordering") {
            size_t space = value.find(' ');
            args.push_back("ordering => " + quoteLiteral(value.substr(0, space)));
            if (space != std::string::npos) args.push_back("on_failure => " + quoteLiteral(value.substr(space + 1)));
        } else
            args.push_back(key + " => " + quoteLiteral(value));
    }
    for (const spec::Operation& operation : service.operations)
        operations.push_back(operationJson(operation));
    addOptions(options, service.options);
    if (!service.headers.empty()) args.push_back("headers => " + quoteLiteral(textsJson(service.headers)));
    if (!secrets.empty()) args.push_back("secrets => ARRAY[" + join(secrets, ", ") + "]");
    if (!statuses.empty()) args.push_back("retry_on => ARRAY[" + join(statuses, ", ") + "]");
    if (!operations.empty()) args.push_back("operations => " + quoteLiteral(jsonObject(operations)));
    if (!options.empty()) args.push_back("options => " + quoteLiteral(jsonObject(options)));
    args.insert(args.begin(), url);
    return args;
}

}  // namespace

Object serviceObject(const resolve::Unit& unit) {
    Object object;
    object.kind = ObjectKind::service;
    object.identity = unit.name;
    object.unit = unit.key();
    object.replaceable = true;
    for (const spec::Service& service : unit.file->spec.services) {
        if (service.name.value != unit.name) continue;
        std::vector<std::string> args = arguments(service);
        object.detail = args.front() == "NULL" ? "calls wait until consumers take them" : "called by the worker";
        args.insert(args.begin(), quoteLiteral(unit.name));
        object.commands.push_back("SELECT specql.register_service(\n    " + join(args, ",\n    ") + ");");
        break;
    }
    return object;
}

}  // namespace specql::emit
