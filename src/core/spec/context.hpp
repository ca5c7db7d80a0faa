// What all readers of the spec stage share: the text, the Spec being filled, and the questions asked of every node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spec/spec.hpp"
#include "yaml/node.hpp"

namespace specql::spec {

using Words = std::vector<std::string>;

constexpr int64_t longestAfterMs = 366LL * 24 * 3600 * 1000;

struct ReadContext {
    const Source& source;
    Spec& spec;
    Diagnostics& diagnostics;

    // Records a SQL scalar; an empty one is an error and gives no reference.
    ExpressionRef expression(const Text& text);
    // One that may hold a query.
    ExpressionRef queryable(const Text& text);

    // Reports every key that is not among `known`, with the nearest one as a hint. `what` names the mapping: "an
    // action".
    void checkKeys(const yaml::Node& mapping, const Words& known, const std::string& what);

    // The text at a key; not present if the key is missing. Lists, mappings and nothing at all are errors.
    Text text(const yaml::Node& mapping, const std::string& key);
    // The same, and the key must be there. Says nothing if another key looks like it and was reported.
    Text requiredText(const yaml::Node& mapping, const std::string& key, const Words& known, const std::string& what);
    ExpressionRef expressionAt(const yaml::Node& mapping, const std::string& key);
    // The text at a key, which must be one of `choices`.
    Text choice(const yaml::Node& mapping, const std::string& key, const Words& choices);
    // The text at a key, which must be a boolean as PostgreSQL reads it.
    Text boolean(const yaml::Node& mapping, const std::string& key);

    // The list, or mapping, at a key; null if the key is missing or holds something else, which is an error.
    const yaml::Node* list(const yaml::Node& mapping, const std::string& key);
    const yaml::Node* mapping(const yaml::Node& mapping, const std::string& key);

    // The text of a node that must be one; `name` says what it is for in the error.
    Text scalar(const yaml::Node& node, const std::string& name);
    // A list of texts, or one text alone.
    std::vector<Text> texts(const yaml::Node& node, const std::string& name);

    // The names at renamed_from, if it is there.
    std::vector<Text> formerNames(const yaml::Node& mapping);

    // Reports a text that is no length of time, or longer than that; `key` names it.
    void checkDuration(const std::string& key, const Text& value, int64_t longestMs);

    void missing(const yaml::Node& mapping, const std::string& key, const Words& known, const std::string& what);
};

// True for true, yes, on, 1 (any case); `valid` says whether it is a boolean at all.
bool booleanValue(const std::string& text, bool& valid);

bool holds(const Words& words, const std::string& word);

// A text that the reader makes of what stands at that place.
Text written(const std::string& value, const Text& at);

// "did you mean \"fields\"?", or nothing if no word is near.
std::string didYouMean(const std::string& word, const Words& candidates);

// `a`, `b` or `c`.
std::string orList(const Words& words);

}  // namespace specql::spec
