#include "spec/context.hpp"

#include <algorithm>

#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/duration.hpp"

namespace specql::spec {

namespace {

std::string quoted(const std::string& word) {
    return "\"" + word + "\"";
}

bool isBlankText(const std::string& text) {
    return std::all_of(text.begin(), text.end(), isSpace);
}

}  // namespace

bool booleanValue(const std::string& text, bool& valid) {
    std::string word;
    for (char c : text) {
        word += toAsciiLower(c);
    }
    bool isTrue = word == "true" || word == "yes" || word == "on" || word == "1";
    valid = isTrue || word == "false" || word == "no" || word == "off" || word == "0";
    return isTrue;
}

bool holds(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

Text written(const std::string& value, const Text& at) {
    Text text = at;
    text.value = value;
    text.present = true;
    text.made = true;
    return text;
}

std::string didYouMean(const std::string& word, const Words& candidates) {
    std::string found = nearest(word, candidates);
    return found.empty() ? "" : "did you mean " + quoted(found) + "?";
}

std::string orList(const Words& words) {
    std::string out;
    for (size_t i = 0; i < words.size(); ++i) {
        out += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

ExpressionRef ReadContext::expression(const Text& text) {
    if (!text) {
        return {};
    }
    if (isBlankText(text.value)) {
        diagnostics.report(Code::S021, text.pos, "an expression is missing here",
                           text.style == 0 ? "write a value or a condition" : "the empty text is written \"''\"");
        return {};
    }
    ExpressionRef ref;
    ref.id = static_cast<int>(spec.expressions.size());
    spec.expressions.push_back(text);
    return ref;
}

ExpressionRef ReadContext::queryable(const Text& text) {
    ExpressionRef ref = expression(text);
    if (ref) {
        spec.withQueries.insert(ref.id);
    }
    return ref;
}

void ReadContext::checkKeys(const yaml::Node& mapping, const Words& known, const std::string& what) {
    for (const yaml::Entry& entry : mapping.entries) {
        if (std::find(known.begin(), known.end(), entry.key.value) != known.end()) {
            continue;
        }
        const char* meant = habit(Habit::key, entry.key.value + " in " + what);
        std::string hint = meant ? meant : didYouMean(entry.key.value, known);
        if (hint.empty()) {
            hint = what + " has " + orList(known);
        }
        diagnostics.report(Code::S001, entry.key.pos, "unknown key " + quoted(entry.key.value) + " in " + what, hint);
    }
}

void ReadContext::checkDuration(const std::string& key, const Text& value, int64_t longestMs) {
    int64_t ms = durationMs(value.value);
    if (ms >= 1 && lacksUnit(value.value)) {
        diagnostics.report(Code::S032, value.pos, "\"" + key + "\" is a number without a unit",
                           "write " + value.value + " s, " + value.value + " min or " + value.value + " ms");
        return;
    }
    if (ms < 1 || ms > longestMs) {
        diagnostics.report(
            Code::S032, value.pos,
            "\"" + key + "\" must be a length of time up to " + std::to_string(longestMs / 60000) + " minutes",
            "for example 10 s, 500 ms, 1 min");
    }
}

void ReadContext::missing(const yaml::Node& mapping, const std::string& key, const Words& known,
                          const std::string& what) {
    for (const yaml::Entry& entry : mapping.entries) {
        bool isKnown = std::find(known.begin(), known.end(), entry.key.value) != known.end();
        if (!isKnown && nearest(entry.key.value, known) == key) {
            return;
        }
    }
    diagnostics.report(Code::S002, mapping.pos, what + " lacks the key " + quoted(key));
}

Text ReadContext::scalar(const yaml::Node& node, const std::string& name) {
    switch (node.kind) {
        case yaml::Node::Kind::scalar:
            if (isBlankText(node.scalar.value)) {
                diagnostics.report(Code::S004, node.pos, quoted(name) + " is empty");
                return {};
            }
            return node.scalar;
        case yaml::Node::Kind::null:
            diagnostics.report(Code::S004, node.pos, quoted(name) + " has no value");
            return {};
        case yaml::Node::Kind::sequence:
            diagnostics.report(Code::S003, node.pos, quoted(name) + " must be a text, not a list",
                               "to begin a text with '[', put it in quotes");
            return {};
        case yaml::Node::Kind::mapping:
            diagnostics.report(Code::S003, node.pos, quoted(name) + " must be a text, not a mapping",
                               "to begin a text with '{', put it in quotes");
            return {};
    }
    return {};
}

Text ReadContext::text(const yaml::Node& mapping, const std::string& key) {
    const yaml::Entry* entry = mapping.find(key);
    return entry == nullptr ? Text() : scalar(entry->value, key);
}

Text ReadContext::requiredText(const yaml::Node& mapping, const std::string& key, const Words& known,
                               const std::string& what) {
    if (mapping.find(key) == nullptr) {
        missing(mapping, key, known, what);
        return {};
    }
    return text(mapping, key);
}

ExpressionRef ReadContext::expressionAt(const yaml::Node& mapping, const std::string& key) {
    return expression(text(mapping, key));
}

Text ReadContext::choice(const yaml::Node& mapping, const std::string& key, const Words& choices) {
    Text found = text(mapping, key);
    if (found && std::find(choices.begin(), choices.end(), found.value) == choices.end()) {
        std::string hint = didYouMean(found.value, choices);
        diagnostics.report(Code::S006, found.pos, quoted(key) + " must be " + orList(choices), hint);
        return {};
    }
    return found;
}

Text ReadContext::boolean(const yaml::Node& mapping, const std::string& key) {
    Text found = text(mapping, key);
    bool valid = true;
    if (found) {
        booleanValue(found.value, valid);
    }
    if (!valid) {
        diagnostics.report(Code::S007, found.pos, quoted(key) + " must be true or false");
        return {};
    }
    return found;
}

const yaml::Node* ReadContext::list(const yaml::Node& mapping, const std::string& key) {
    const yaml::Entry* entry = mapping.find(key);
    if (entry == nullptr) {
        return nullptr;
    }
    if (entry->value.kind == yaml::Node::Kind::sequence) {
        return &entry->value;
    }
    if (entry->value.kind == yaml::Node::Kind::null) {
        diagnostics.report(Code::S004, entry->value.pos, quoted(key) + " has no value",
                           "begin each item with '- ' on a line of its own");
    } else {
        diagnostics.report(Code::S003, entry->value.pos, quoted(key) + " must be a list",
                           "begin each item with '- ' on a line of its own");
    }
    return nullptr;
}

const yaml::Node* ReadContext::mapping(const yaml::Node& mapping, const std::string& key) {
    const yaml::Entry* entry = mapping.find(key);
    if (entry == nullptr) {
        return nullptr;
    }
    if (entry->value.kind == yaml::Node::Kind::mapping) {
        return &entry->value;
    }
    if (entry->value.kind == yaml::Node::Kind::null) {
        diagnostics.report(Code::S004, entry->value.pos, quoted(key) + " has no value");
    } else {
        diagnostics.report(Code::S003, entry->value.pos, quoted(key) + " must be a mapping of names to values");
    }
    return nullptr;
}

std::vector<Text> ReadContext::texts(const yaml::Node& node, const std::string& name) {
    std::vector<Text> result;
    if (node.kind != yaml::Node::Kind::sequence) {
        Text only = scalar(node, name);
        if (only) {
            result.push_back(std::move(only));
        }
        return result;
    }
    for (const yaml::Node& item : node.items) {
        Text one = scalar(item, name);
        if (one) {
            result.push_back(std::move(one));
        }
    }
    if (node.items.empty()) {
        diagnostics.report(Code::S004, node.pos, quoted(name) + " is empty");
    }
    return result;
}

std::vector<Text> ReadContext::formerNames(const yaml::Node& mapping) {
    const yaml::Entry* entry = mapping.find("renamed_from");
    return entry == nullptr ? std::vector<Text>() : texts(entry->value, "renamed_from");
}

}  // namespace specql::spec
