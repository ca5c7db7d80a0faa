#include "resolve/window.hpp"

#include <algorithm>
#include <set>

namespace specql {

namespace {

struct Token {
    std::string text;  // words lower-cased
    std::string raw;
    size_t offset = 0;
    bool word = false;
};

bool wordStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool digit(char c) {
    return c >= '0' && c <= '9';
}

std::vector<Token> tokenize(const std::string& text) {
    std::vector<Token> tokens;
    size_t at = 0;
    while (at < text.size()) {
        char c = text[at];
        if (static_cast<unsigned char>(c) <= ' ') {
            at++;
            continue;
        }
        size_t end = at + 1;
        bool word = wordStart(c);
        if (word) {
            while (end < text.size() && (wordStart(text[end]) || digit(text[end])))
                end++;
        } else if (digit(c)) {
            while (end < text.size() && (digit(text[end]) || text[end] == '.'))
                end++;
        } else if (c == '\'') {
            while (end < text.size() && text[end] != '\'')
                end++;
            end = std::min(end + 1, text.size());
        } else if ((c == '<' || c == '>' || c == '!') && end < text.size() && (text[end] == '=' || text[end] == '>')) {
            end++;
        }
        Token token{text.substr(at, end - at), text.substr(at, end - at), at, word};
        std::transform(token.text.begin(), token.text.end(), token.text.begin(),
                       [](char ch) { return ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch - 'A' + 'a') : ch; });
        tokens.push_back(std::move(token));
        at = end;
    }
    return tokens;
}

const std::set<std::string> aggregates = {"avg", "count", "max", "min", "sum"};
const std::set<std::string> comparisons = {"<", "<=", "<>", "!=", "=", ">", ">="};
const std::set<std::string> units = {"second", "seconds", "s",     "sec",   "secs",   "minute", "minutes",
                                     "min",    "mins",    "hour",  "hours", "h",      "day",    "days",
                                     "d",      "week",    "weeks", "month", "months", "year",   "years"};

// Recursive descent over: or := and ('OR' and)*; and := unit ('AND' unit)*; unit := ['NOT'] '(' or ')' | leaf.
// A leaf is a window term or, in a correlation, a trigger's name.
class Reader {
public:
    Reader(World& world, const ActionInfo& action, Window& window)
        : world_(world),
          action_(action),
          window_(window),
          text_(action.spec->condition.value),
          tokens_(tokenize(text_)) {}

    // False if a problem was reported.
    bool read() {
        window_.joined = readOr();
        if (!failed_ && at_ < tokens_.size())
            fail("unexpected " + tokens_[at_].raw + " after the condition", "join conditions by AND or OR");
        return !failed_;
    }

private:
    bool is(const char* text, size_t ahead = 0) const {
        return at_ + ahead < tokens_.size() && tokens_[at_ + ahead].text == text;
    }
    bool take(const char* text) {
        if (!is(text)) return false;
        at_++;
        return true;
    }
    void fail(const std::string& message, const std::string& hint) {
        if (failed_) return;
        failed_ = true;
        size_t offset = at_ < tokens_.size() ? tokens_[at_].offset : text_.size();
        world_.error(*action_.file, window_.correlation ? "SPQL-R081" : "SPQL-R080",
                     action_.file->source.locate(action_.spec->condition, offset), message, hint);
    }

    std::string readOr() {
        std::string joined = readAnd();
        while (!failed_ && take("or"))
            joined += " OR " + readAnd();
        return joined;
    }
    std::string readAnd() {
        std::string joined = readUnit();
        while (!failed_ && take("and"))
            joined += " AND " + readUnit();
        return joined;
    }
    std::string readUnit() {
        if (failed_) return {};
        bool negated = window_.correlation && take("not");
        if (take("(")) {
            bool before = negated_;
            negated_ = negated_ != negated;
            std::string inner = readOr();
            negated_ = before;
            if (!failed_ && !take(")")) fail("a parenthesis is not closed", "add )");
            return (negated ? "NOT (" : "(") + inner + ")";
        }
        bool before = negated_;
        negated_ = negated_ != negated;
        std::string leaf = window_.correlation ? readEvent() : readTerm();
        negated_ = before;
        return (negated ? "NOT " : "") + leaf;
    }

    std::string readEvent() {
        if (at_ >= tokens_.size() || !tokens_[at_].word) {
            fail("an event's name is missing here", "write the names of triggers: joined by AND, OR and NOT");
            return {};
        }
        const Token& token = tokens_[at_];
        std::vector<std::string> names;
        for (const Text& trigger : action_.spec->triggers)
            names.push_back(trigger.value);
        if (std::find(names.begin(), names.end(), token.raw) == names.end()) {
            std::string near = nearest(token.raw, names);
            fail(token.raw + " is not among the triggers",
                 near.empty() ? "add it to triggers:" : "did you mean " + near + "?");
            return {};
        }
        window_.events.push_back(token.raw);
        if (negated_) window_.negated.push_back(token.raw);
        at_++;
        return token.raw;
    }

    std::string readTerm() {
        WindowTerm term;
        term.offset = at_ < tokens_.size() ? tokens_[at_].offset : text_.size();
        if (at_ >= tokens_.size() || !aggregates.count(tokens_[at_].text)) {
            fail("expected COUNT, SUM, AVG, MIN or MAX", "for example COUNT(low_stock_events) >= 5 WITHIN 1 hour");
            return {};
        }
        term.aggregate = tokens_[at_++].text;
        if (!take("("))
            return fail("expected ( after " + term.aggregate, "for example COUNT(low_stock_events)"), std::string();
        term.distinct = take("distinct");
        if (at_ >= tokens_.size() || !tokens_[at_].word)
            return fail("expected the name of an event", "for example COUNT(low_stock_events)"), std::string();
        term.sourceWritten = term.source = tokens_[at_++].raw;
        if (term.source.size() > 7 && term.source.compare(term.source.size() - 7, 7, "_events") == 0)
            term.source.resize(term.source.size() - 7);
        if (take(".")) {
            if (at_ >= tokens_.size() || !tokens_[at_].word)
                return fail("expected a field after the dot", ""), std::string();
            term.field = tokens_[at_++].raw;
        }
        if (!take(")")) return fail("expected ) here", "one event, or event.field, in the parentheses"), std::string();
        if (term.aggregate != "count" && term.field.empty()) {
            at_--;
            return fail(term.aggregate + " needs a field", "for example SUM(" + term.sourceWritten + ".quantity)"),
                   std::string();
        }
        if (take("filter")) readFilter(term);
        if (failed_) return {};
        if (at_ >= tokens_.size() || !comparisons.count(tokens_[at_].text))
            return fail("expected a comparison such as >= here", "for example >= 5"), std::string();
        term.comparison = tokens_[at_++].text;
        bool minus = take("-");
        if (at_ >= tokens_.size() || !digit(tokens_[at_].raw[0]))
            return fail("expected a number here", "for example >= 5"), std::string();
        term.number = (minus ? "-" : "") + tokens_[at_++].raw;
        if (!take("within"))
            return fail("a window needs WITHIN and an interval", "for example WITHIN 1 hour"), std::string();
        readInterval(term);
        if (!failed_ && take("by")) {
            do {
                if (at_ >= tokens_.size() || !tokens_[at_].word)
                    return fail("expected a key after BY", ""), std::string();
                term.by.push_back(tokens_[at_++].raw);
            } while (take(","));
        }
        checkSense(term);
        window_.terms.push_back(std::move(term));
        return std::to_string(window_.terms.size());
    }

    void readFilter(WindowTerm& term) {
        if (!take("(") || !take("where")) return fail("FILTER is written FILTER (WHERE …)", "");
        size_t begin = at_ < tokens_.size() ? tokens_[at_].offset : text_.size();
        int depth = 1;
        for (; at_ < tokens_.size(); at_++) {
            depth += tokens_[at_].text == "(" ? 1 : tokens_[at_].text == ")" ? -1 : 0;
            if (depth == 0) break;
        }
        if (at_ >= tokens_.size()) return fail("FILTER ( is not closed", "add )");
        term.filter = text_.substr(begin, tokens_[at_].offset - begin);
        at_++;
    }

    void readInterval(WindowTerm& term) {
        if (at_ < tokens_.size() && tokens_[at_].raw[0] == '\'') {
            term.interval = tokens_[at_].raw.substr(1, tokens_[at_].raw.size() - 2);
            at_++;
            return;
        }
        while (at_ + 1 < tokens_.size() && digit(tokens_[at_].raw[0]) && units.count(tokens_[at_ + 1].text)) {
            if (!term.interval.empty()) term.interval += ' ';
            term.interval += tokens_[at_].raw + " " + tokens_[at_ + 1].text;
            at_ += 2;
        }
        if (term.interval.empty())
            fail("expected an interval after WITHIN", "for example WITHIN 1 hour, WITHIN 30 minutes");
    }

    // A condition that is true on nothing would fire for ever without an event.
    void checkSense(const WindowTerm& term) {
        bool zero = term.number.find_first_not_of("0.") == std::string::npos, negative = term.number[0] == '-';
        if (term.aggregate != "count" || failed_) return;
        bool onNothing = term.comparison == "<"    ? !zero && !negative
                         : term.comparison == "<=" ? !negative
                         : term.comparison == ">=" ? zero || negative
                         : term.comparison == "="  ? zero
                         : term.comparison == ">"  ? negative
                                                   : true;
        if (!onNothing) return;
        world_.error(*action_.file, "SPQL-R082", action_.file->source.locate(action_.spec->condition, term.offset),
                     "this count holds when nothing has happened", "compare with >= 1 or more");
    }

    World& world_;
    const ActionInfo& action_;
    Window& window_;
    const std::string& text_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    bool failed_ = false;
    bool negated_ = false;
};

}  // namespace

Window readWindow(World& world, const ActionInfo& action) {
    Window window;
    window.correlation = action.spec->correlated;
    const Action& spec = *action.spec;
    if (spec.condition.empty()) return window;  // the spec reader has said so
    bool understood = Reader(world, action, window).read();
    if (window.correlation && understood) {
        for (const Text& trigger : spec.triggers)
            if (std::find(window.events.begin(), window.events.end(), trigger.value) == window.events.end())
                world.error(*action.file, "SPQL-R084", trigger.pos,
                            "the condition does not use the trigger " + trigger.value,
                            "use it in condition:, or take it out of triggers:");
        if (window.negated.size() == window.events.size())
            world.error(*action.file, "SPQL-R085", spec.condition.pos,
                        "this condition is true when nothing has happened", "name at least one event without NOT");
    }
    return window;
}

}  // namespace specql
