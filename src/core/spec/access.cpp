#include "spec/access.hpp"

#include <algorithm>

#include "delivery/destination.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::spec {

namespace {

const Words authKeys = {"basic", "oauth2"};
const Words basicKeys = {"user", "password"};
const Words oauthKeys = {"token_url", "client", "secret", "scope"};
const Words tlsKeys = {"certificate", "key", "ca"};
const Words packings = {"gzip"};

bool isSecretName(const std::string& name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](char c) { return isNamePart(c) || c == '-' || c == '.'; });
}

// Does it say where a secret is: secret:NAME, env:NAME, file:/path?
bool namesSource(const std::string& value) {
    if (value.compare(0, 7, "secret:") == 0) return isSecretName(value.substr(7));
    if (value.compare(0, 4, "env:") == 0)
        return value.size() > 4 && std::all_of(value.begin() + 4, value.end(), isNamePart);
    return value.compare(0, 5, "file:") == 0 && value.size() > 6 && value[5] == '/' && delivery::isHeaderValue(value);
}

// One of the objects that a key has as its value, and what became of it.
class Members {
public:
    Members(ReadContext& context, const yaml::Node& node, const Words& known, const std::string& what)
        : context_(context), node_(node), known_(known), what_(what) {
        context_.checkKeys(node_, known_, what_);
    }

    // The text at a key, which `required` ones must have; not present if it has none.
    Text add(const std::string& key, bool required) {
        Text value = required ? context_.requiredText(node_, key, known_, what_) : context_.text(node_, key);
        if (value && !delivery::isHeaderValue(value.value)) {
            report(value, "\"" + key + "\" holds a line end or another control character");
            return {};
        }
        if (value) members_.push_back(quoteJson(key) + ": " + quoteJson(value.value));
        failed_ = failed_ || (required && !value);
        return value;
    }

    void addSecret(const std::string& key, bool required) {
        Text value = add(key, required);
        if (value && !namesSource(value.value))
            report(
                value, "\"" + key + "\" must say where it is kept, and texts of specs are kept",
                "secret:NAME of a row of specql.secret, env:NAME of the server's environment, or file:/absolute/path");
    }

    void report(const Text& at, const std::string& problem, const std::string& hint = {}) {
        context_.diagnostics.report(Code::S062, at.pos, problem, hint);
        failed_ = true;
    }

    std::string json() const { return failed_ ? std::string() : "{" + join(members_, ", ") + "}"; }

private:
    ReadContext& context_;
    const yaml::Node& node_;
    const Words& known_;
    std::string what_;
    std::vector<std::string> members_;
    bool failed_ = false;
};

std::string readBasic(ReadContext& context, const yaml::Node& node) {
    Members members(context, node, basicKeys, "basic");
    Text user = members.add("user", true);
    if (user.value.find(':') != std::string::npos) members.report(user, "the name of a user holds no colon");
    members.addSecret("password", true);
    return members.json();
}

std::string readOauth(ReadContext& context, const yaml::Node& node) {
    Members members(context, node, oauthKeys, "oauth2");
    Text url = members.add("token_url", true);
    delivery::Url parsed;
    std::string problem = url ? delivery::parseUrl(url.value, parsed) : std::string();
    if (!problem.empty()) members.report(url, "the url \"" + url.value + "\" cannot be called: " + problem);
    members.add("client", true);
    members.addSecret("secret", true);
    members.add("scope", false);
    return members.json();
}

bool isMapping(ReadContext& context, const yaml::Entry& entry, const std::string& example) {
    if (entry.value.kind == yaml::Node::Kind::mapping) return true;
    context.diagnostics.report(Code::S003, entry.value.pos, "\"" + entry.key.value + "\" must be a mapping",
                               "for example " + example);
    return false;
}

}  // namespace

std::string readAuth(ReadContext& context, const yaml::Entry& entry) {
    if (!isMapping(context, entry, "{basic: {user: me, password: \"secret:NAME\"}}")) return {};
    context.checkKeys(entry.value, authKeys, "auth");
    const yaml::Node* basic = context.mapping(entry.value, "basic");
    const yaml::Node* oauth = context.mapping(entry.value, "oauth2");
    if ((basic != nullptr) == (oauth != nullptr)) {
        context.diagnostics.report(Code::S062, entry.key.pos, "\"auth\" has either basic or oauth2", {});
        return {};
    }
    std::string json = basic != nullptr ? readBasic(context, *basic) : readOauth(context, *oauth);
    return json.empty() ? json : "{" + quoteJson(basic != nullptr ? "basic" : "oauth2") + ": " + json + "}";
}

std::string readTls(ReadContext& context, const yaml::Entry& entry) {
    if (!isMapping(context, entry, "{certificate: \"file:/path\", key: \"file:/path\", ca: \"file:/path\"}")) return {};
    Members members(context, entry.value, tlsKeys, "tls");
    auto has = [&](const char* key) {
        return std::any_of(entry.value.entries.begin(), entry.value.entries.end(),
                           [key](const yaml::Entry& member) { return member.key.value == key; });
    };
    if (entry.value.entries.empty()) {
        context.diagnostics.report(Code::S062, entry.key.pos, "\"tls\" has certificate and key, or ca, or all three",
                                   {});
        return {};
    }
    members.addSecret("certificate", has("key"));
    members.addSecret("key", has("certificate"));
    members.addSecret("ca", false);
    return members.json();
}

std::string readCompress(ReadContext& context, const yaml::Entry& entry) {
    Text value = context.scalar(entry.value, entry.key.value);
    if (!value) return {};
    if (std::find(packings.begin(), packings.end(), value.value) == packings.end()) {
        context.diagnostics.report(Code::S062, value.pos, "\"compress\" must be gzip", {});
        return {};
    }
    return quoteJson(value.value);
}

void checkAccess(ReadContext& context, const Service& service) {
    auto lower = [](std::string text) {
        std::transform(text.begin(), text.end(), text.begin(), toAsciiLower);
        return text;
    };
    Text url;
    for (const Param& setting : service.settings)
        if (setting.name.value == "url") url = setting.type;
    for (const Option& option : service.options) {
        if (option.name.value == "tls" && lower(url.value.substr(0, 6)) != "https:")
            context.diagnostics.report(Code::S062, option.name.pos, "\"tls\" needs a url that begins with https://",
                                       {});
        if (option.name.value != "auth") continue;
        auto report = [&](const std::vector<Param>& headers) {
            for (const Param& header : headers)
                if (lower(header.name.value) == "authorization")
                    context.diagnostics.report(Code::S062, header.name.pos,
                                               "the header " + header.name.value + " is what \"auth\" sets", {});
        };
        report(service.headers);
        for (const Operation& operation : service.operations)
            report(operation.headers);
    }
}

}  // namespace specql::spec
