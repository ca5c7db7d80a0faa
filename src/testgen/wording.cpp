#include "testgen/wording.hpp"

#include <algorithm>
#include <array>

#include "text/quote.hpp"

namespace specql::testgen {

namespace {

struct Occurrence {
    const char* verb;
    const char* noun;
};
constexpr std::array occurrences = {
    Occurrence{"placed", "placement"},   Occurrence{"received", "receipt"},       Occurrence{"created", "creation"},
    Occurrence{"inserted", "insertion"}, Occurrence{"deleted", "deletion"},       Occurrence{"changed", "change"},
    Occurrence{"updated", "update"},     Occurrence{"paid", "payment"},           Occurrence{"shipped", "shipment"},
    Occurrence{"delivered", "delivery"}, Occurrence{"cancelled", "cancellation"}, Occurrence{"failed", "failure"},
    Occurrence{"returned", "return"},    Occurrence{"registered", "registration"}};

bool isVowel(char c) {
    return std::string("aeiou").find(c) != std::string::npos;
}

std::string withS(const std::string& word) {
    if (word.empty()) return word;
    for (const char* ending : {"s", "x", "z", "sh", "ch", "o"})
        if (resolve::endsWith(word, ending)) return word + "es";
    if (word.back() == 'y' && word.size() > 1 && !isVowel(word[word.size() - 2]))
        return word.substr(0, word.size() - 1) + "ies";
    return word + "s";
}

}  // namespace

std::string occurrence(const std::string& name) {
    std::vector<std::string> parts = resolve::words(name);
    for (const Occurrence& known : occurrences)
        if (!parts.empty() && parts.back() == known.verb) parts.back() = known.noun;
    return join(parts, "_");
}

std::string thirdPerson(const std::string& verb) {
    return withS(verb);
}

std::string plural(const std::string& noun) {
    return !noun.empty() && noun.back() == 's' ? noun : withS(noun);
}

std::string operationPhrase(const std::string& operation) {
    std::vector<std::string> parts = resolve::words(operation);
    if (parts.empty()) return operation;
    parts.front() = thirdPerson(parts.front());
    return join(parts, " ");
}

std::string unsaidWords(const std::string& field, const std::string& name) {
    std::vector<std::string> said = resolve::words(name), left;
    for (const std::string& word : resolve::words(field))
        if (std::find(said.begin(), said.end(), word) == said.end()) left.push_back(word);
    return left.empty() ? field : join(left, " ");
}

std::string alertPhrase(const std::string& eventType) {
    std::vector<std::string> parts = resolve::words(eventType);
    constexpr std::array alarming = {"low", "high", "out", "over", "under", "no", "missing", "critical"};
    if (parts.size() < 2 || std::find(alarming.begin(), alarming.end(), parts.front()) == alarming.end()) return "";
    return parts.back() + " alerts";
}

}  // namespace specql::testgen
