#include "yaml/characters.hpp"

#include <algorithm>
#include <set>

#include "text/utf8.hpp"

namespace specql::yaml {

namespace {

// Keys whose values are prose, and keys whose values are prose after a name at their beginning.
constexpr std::string_view prose[] = {"description", "error", "message"};
constexpr std::string_view addressed[] = {"notify", "escalate"};

template <size_t N>
bool isAmong(const std::string_view (&keys)[N], std::string_view key) {
    return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

bool isWordCharacter(char32_t codePoint) {
    return codePoint >= 0x80 || (codePoint >= '0' && codePoint <= '9') || isLatin(codePoint);
}

class CharacterCheck {
public:
    CharacterCheck(const Source& source, Diagnostics& diagnostics) : source_(source), diagnostics_(diagnostics) {}

    void check(const Node& node, std::string_view key) {
        if (node.kind == Node::Kind::scalar && !isAmong(prose, key)) {
            const std::string& value = node.scalar.value;
            size_t end = isAmong(addressed, key) ? value.find_first_of(" \t\n'\"") : std::string::npos;
            checkText(node.scalar, std::min(end, value.size()));
        }
        for (const Node& item : node.items) {
            check(item, key);
        }
        for (const Entry& entry : node.entries) {
            checkText(entry.key, entry.key.value.size());
            check(entry.value, entry.key.value);
        }
    }

private:
    // Checks the words up to `end`, except those in single quotes.
    void checkText(const Text& text, size_t end) {
        const std::string& value = text.value;
        if (std::all_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
            return;
        }
        bool quoted = false;
        size_t wordBegin = 0;
        for (size_t at = 0; at < end;) {
            size_t begin = at;
            char32_t codePoint = decodeUtf8(value, at);
            bool isWord = !quoted && isWordCharacter(codePoint);
            if (codePoint == '\'') {
                quoted = !quoted;
            } else if (!quoted && isInvisible(codePoint)) {
                diagnostics_.error("SPQL-Y031", source_.locate(text, begin),
                                   "the character " + codePointName(codePoint) + " cannot be seen",
                                   "take it out: names with it and without it look the same");
                return;
            } else if (!quoted && isForeignBlank(codePoint)) {
                reportForeignBlank(source_, source_.offsetOf(text, begin), diagnostics_);
                return;
            }
            if (!isWord) {
                checkWord(text, wordBegin, begin);
                wordBegin = at;
            }
        }
        checkWord(text, wordBegin, end);
    }

    void checkWord(const Text& text, size_t begin, size_t end) {
        size_t latin = 0, others = 0, firstLatin = 0, firstOther = 0;
        const char* script = nullptr;
        for (size_t at = begin; at < end;) {
            size_t place = at;
            char32_t codePoint = decodeUtf8(text.value, at);
            const char* other = lookAlikeScript(codePoint);
            if (isLatin(codePoint) && latin++ == 0) {
                firstLatin = place;
            } else if (other != nullptr && others++ == 0) {
                firstOther = place;
                script = other;
            }
        }
        std::string word = text.value.substr(begin, end - begin);
        if (latin == 0 || others == 0 || !seen_.insert(word).second) {
            return;
        }
        // The letters of the rarer script are reported.
        size_t place = others <= latin ? firstOther : firstLatin;
        size_t after = place;
        char32_t codePoint = decodeUtf8(text.value, after);
        std::string letter = text.value.substr(place, after - place) + " (" + codePointName(codePoint) + ")";
        const char *fewer = others <= latin ? script : "Latin", *more = others <= latin ? "Latin" : script;
        diagnostics_.warning("SPQL-Y032", source_.locate(text, place),
                             letter + " in " + word + " is a " + fewer + " letter among " + more + " ones",
                             "type the name anew if it should be of one script");
    }

    const Source& source_;
    Diagnostics& diagnostics_;
    std::set<std::string> seen_;
};

}  // namespace

void checkCharacters(const Node& document, const Source& source, Diagnostics& diagnostics) {
    CharacterCheck(source, diagnostics).check(document, {});
}

bool startsWithForeignBlank(std::string_view text) {
    size_t at = 0;
    return !text.empty() && isForeignBlank(decodeUtf8(text, at));
}

void reportForeignBlank(const Source& source, size_t offset, Diagnostics& diagnostics) {
    size_t after = offset;
    char32_t codePoint = decodeUtf8(source.text(), after);
    std::string name = codePoint == 0x00A0 ? "a no-break space " : "the space ";
    diagnostics.error("SPQL-Y033", source.position(offset), name + codePointName(codePoint) + ", not a blank",
                      "type a blank in its place; copied text often holds it");
}

bool reportForeignBlankIn(const Source& source, uint32_t number, Diagnostics& diagnostics) {
    std::string_view line = source.line(number);
    char quote = 0;
    for (size_t at = 0; at < line.size();) {
        size_t begin = at;
        char32_t codePoint = decodeUtf8(line, at);
        if (quote == 0 && isForeignBlank(codePoint)) {
            reportForeignBlank(source, static_cast<size_t>(line.data() - source.text().data()) + begin, diagnostics);
            return true;
        }
        if (codePoint == '"' || codePoint == '\'') {
            quote = quote == 0 ? line[begin] : quote == line[begin] ? char(0) : quote;
        }
    }
    return false;
}

}  // namespace specql::yaml
