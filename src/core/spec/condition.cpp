#include "spec/condition.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <set>

namespace specql::spec {

namespace {

struct Token {
    enum class Kind { word, number, string, sign, open, close } kind;
    size_t begin, end;
    std::string text;  // words in lower case; strings without their quotes
};

bool isWord(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

size_t endOfQuoted(const std::string& text, size_t at, std::string& content) {
    char quote = text[at++];
    while (at < text.size()) {
        if (text[at] == quote) {
            if (at + 1 >= text.size() || text[at + 1] != quote) return at + 1;
            at++;
        }
        content += text[at++];
    }
    return at;
}

std::vector<Token> tokens(const std::string& text) {
    std::vector<Token> found;
    size_t at = 0;
    while (at < text.size()) {
        char c = text[at];
        Token token{Token::Kind::sign, at, at + 1, std::string(1, c)};
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            at++;
            continue;
        }
        if (c == '\'' || c == '"') {
            token.kind = c == '\'' ? Token::Kind::string : Token::Kind::word;
            token.text.clear();
            token.end = endOfQuoted(text, at, token.text);
            if (c == '"') token.text = text.substr(at, token.end - at);  // no keyword
        } else if (isDigit(c) || (c == '.' && at + 1 < text.size() && isDigit(text[at + 1]))) {
            token.kind = Token::Kind::number;
            while (token.end < text.size() && (isDigit(text[token.end]) || text[token.end] == '.'))
                token.end++;
            token.text = text.substr(at, token.end - at);
        } else if (isWord(c)) {
            token.kind = Token::Kind::word;
            while (token.end < text.size() && (isWord(text[token.end]) || isDigit(text[token.end]) ||
                                               text[token.end] == '.' || text[token.end] == '$'))
                token.end++;
            token.text = text.substr(at, token.end - at);
            std::transform(token.text.begin(), token.text.end(), token.text.begin(),
                           [](char letter) { return letter >= 'A' && letter <= 'Z' ? letter + 32 : letter; });
        } else if (c == '(' || c == '[') {
            token.kind = Token::Kind::open;
        } else if (c == ')' || c == ']') {
            token.kind = Token::Kind::close;
        } else {
            const std::string signs = "<>=!-+*/%|&~#@^?";
            while (signs.find(c) != std::string::npos && token.end < text.size() &&
                   signs.find(text[token.end]) != std::string::npos) {
                // A minus that belongs to a number is no part of the operator before it.
                if (text[token.end] == '-' && token.end + 1 < text.size() && isDigit(text[token.end + 1])) break;
                token.end++;
            }
            token.text = text.substr(at, token.end - at);
        }
        at = token.end;
        found.push_back(std::move(token));
    }
    return found;
}

// Splits at OR, AND and NOT in two passes over the tokens, without calling itself: a condition may be as deep as a text
// is long.
class Splitter {
public:
    Splitter(const std::vector<Token>& all, std::vector<Atom>& atoms) : all_(all), atoms_(atoms) {}

    void split() {
        findGroups();
        pending_.push_back({0, true});
        while (!pending_.empty()) {
            Group group = pending_.back();
            pending_.pop_back();
            splitGroup(insides_[group.inside], group.conjunct);
        }
        std::sort(atoms_.begin(), atoms_.end(),
                  [](const Atom& left, const Atom& right) { return left.begin < right.begin; });
    }

private:
    static constexpr size_t none = SIZE_MAX;

    // What stands between two parentheses, between CASE and END, or all of the text.
    struct Inside {
        size_t from, to;
        bool between = false;           // a BETWEEN waits for its AND, which joins nothing
        std::vector<size_t> ors, ands;  // those that join parts of this, and not of something deeper
    };
    struct Group {
        size_t inside;
        bool conjunct;
    };

    bool is(size_t at, const char* word) const { return all_[at].kind == Token::Kind::word && all_[at].text == word; }

    void findGroups() {
        openedBy_.assign(all_.size(), none);
        insides_.push_back({0, all_.size(), false, {}, {}});
        std::vector<size_t> open = {0};
        for (size_t at = 0; at < all_.size(); at++) {
            bool opens = all_[at].kind == Token::Kind::open || is(at, "case");
            bool closes = all_[at].kind == Token::Kind::close || is(at, "end");
            if (opens) {
                openedBy_[at] = insides_.size();
                open.push_back(insides_.size());
                insides_.push_back({at + 1, all_.size(), false, {}, {}});
            } else if (closes && open.size() > 1) {
                insides_[open.back()].to = at;
                open.pop_back();
            }
            Inside& inside = insides_[open.back()];
            if (is(at, "between")) {
                inside.between = true;
            } else if (is(at, "and") && inside.between) {
                inside.between = false;
            } else if (is(at, "and")) {
                inside.ands.push_back(at);
            } else if (is(at, "or")) {
                inside.ors.push_back(at);
            }
        }
    }

    void splitGroup(const Inside& inside, bool conjunct) {
        conjunct = conjunct && inside.ors.empty();
        size_t from = inside.from;
        auto joint = inside.ands.begin();
        for (size_t i = 0; i <= inside.ors.size(); i++) {
            size_t to = i < inside.ors.size() ? inside.ors[i] : inside.to;
            for (; joint != inside.ands.end() && *joint < to; ++joint) {
                splitPart(from, *joint, conjunct);
                from = *joint + 1;
            }
            splitPart(from, to, conjunct);
            from = to + 1;
        }
    }

    // Something without AND and OR outside of its parentheses.
    void splitPart(size_t from, size_t to, bool conjunct) {
        for (; from < to && is(from, "not"); from++)
            conjunct = false;
        if (from >= to) return;
        size_t opened = openedBy_[from];
        bool enclosed = opened != none && all_[from].text == "(" && insides_[opened].to == to - 1;
        if (enclosed)
            pending_.push_back({opened, conjunct});
        else
            atoms_.push_back({all_[from].begin, all_[to - 1].end, conjunct});
    }

    const std::vector<Token>& all_;
    std::vector<Atom>& atoms_;
    std::deque<Inside> insides_;
    std::vector<size_t> openedBy_;  // by token: what it opens among insides_
    std::vector<Group> pending_;
};

std::string mirrored(const std::string& comparison) {
    if (comparison == "<") return ">";
    if (comparison == "<=") return ">=";
    if (comparison == ">") return "<";
    if (comparison == ">=") return "<=";
    return comparison;
}

bool isWord(const Token& token, const char* word) {
    return token.kind == Token::Kind::word && token.text == word;
}

// A minus before a number belongs to it, unless it stands behind a value.
std::vector<Token> withSigns(std::vector<Token> all) {
    for (size_t at = 0; at + 1 < all.size(); at++) {
        bool begins = at == 0 || all[at - 1].kind == Token::Kind::sign || all[at - 1].kind == Token::Kind::open ||
                      isWord(all[at - 1], "between") || isWord(all[at - 1], "and");
        if (all[at].text != "-" || all[at + 1].kind != Token::Kind::number || !begins) continue;
        all[at + 1].text = "-" + all[at + 1].text;
        all.erase(all.begin() + static_cast<long>(at));
    }
    return all;
}

// Two sides of a comparison, of which one is a name.
bool boundOf(const Token& left, const std::string& sign, const Token& right, Bound& bound) {
    std::string comparison = sign == "!=" ? "<>" : sign;
    static const std::set<std::string> known = {"=", "<>", "<", "<=", ">", ">="};
    bool turned = left.kind != Token::Kind::word;
    const Token& name = turned ? right : left;
    const Token& other = turned ? left : right;
    if (!known.count(comparison) || name.kind != Token::Kind::word) return false;
    bound.name = name.text;
    bound.comparison = turned ? mirrored(comparison) : comparison;
    bound.other = other.text;
    switch (other.kind) {
        case Token::Kind::number: bound.kind = Bound::Kind::number; return true;
        case Token::Kind::string: bound.kind = Bound::Kind::text; return true;
        case Token::Kind::word: bound.kind = Bound::Kind::name; return true;
        default: return false;
    }
}

}  // namespace

ConditionText readCondition(const std::string& text) {
    ConditionText result;
    std::vector<Token> all = tokens(text);
    Splitter(all, result.atoms).split();
    for (size_t at = 0; at < all.size(); at++) {
        const Token& token = all[at];
        std::string before = at > 0 ? all[at - 1].text : "";
        if (token.kind == Token::Kind::number) {
            bool negative = before == "-" &&
                            (at == 1 || all[at - 2].kind == Token::Kind::sign || all[at - 2].kind == Token::Kind::open);
            result.numbers.push_back((negative ? "-" : "") + token.text);
        } else if (token.kind == Token::Kind::string) {
            if (before == "interval") {
                result.intervals.push_back(token.text);
            } else if (before == "->>" || before == "->" || before == "?") {
                result.keys.push_back(token.text);
            } else {
                result.texts.push_back(token.text);
            }
        } else if (token.kind == Token::Kind::word && (token.text == "null" || token.text == "coalesce")) {
            result.mentionsNull = true;
        }
    }
    return result;
}

bool readBound(const std::string& atom, Bound& bound) {
    std::vector<Token> all = withSigns(tokens(atom));
    return all.size() == 3 && all[1].kind == Token::Kind::sign && boundOf(all[0], all[1].text, all[2], bound);
}

bool readBetween(const std::string& atom, Bound& low, Bound& high) {
    std::vector<Token> all = withSigns(tokens(atom));
    return all.size() == 5 && all[0].kind == Token::Kind::word && isWord(all[1], "between") && isWord(all[3], "and") &&
           boundOf(all[0], ">=", all[2], low) && boundOf(all[0], "<=", all[4], high);
}

bool readChoice(const std::string& atom, Choice& choice) {
    std::vector<Token> all = withSigns(tokens(atom));
    if (all.size() < 5 || all[0].kind != Token::Kind::word) return false;
    choice.isNegated = isWord(all[1], "not");
    size_t at = choice.isNegated ? 2 : 1;
    if (!isWord(all[at], "in") || all[at + 1].text != "(" || all.back().text != ")") return false;
    for (at += 2; at + 1 < all.size(); at += 2) {
        const Token& value = all[at];
        if (value.kind == Token::Kind::number)
            choice.numbers.push_back(value.text);
        else if (value.kind == Token::Kind::string)
            choice.texts.push_back(value.text);
        else if (isWord(value, "null"))
            choice.hasNull = true;
        else
            return false;
        bool last = at + 2 == all.size();
        if (!last && all[at + 1].text != ",") return false;
    }
    return true;
}

bool readNullTest(const std::string& atom, bool& isNull) {
    std::vector<Token> all = tokens(atom);
    auto word = [&](size_t at, const char* text) {
        return all[at].kind == Token::Kind::word && (text[0] == '\0' || all[at].text == text);
    };
    isNull = all.size() == 3;
    if (all.size() != 3 && all.size() != 4) return false;
    return word(0, "") && word(1, "is") && word(all.size() - 1, "null") && (isNull || word(2, "not"));
}

bool isNeverTrue(const std::string& atom) {
    std::vector<Token> all = tokens(atom);
    return all.size() == 1 && all[0].kind == Token::Kind::word && (all[0].text == "false" || all[0].text == "null");
}

}  // namespace specql::spec
