#include "spec/window.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "spec/context.hpp"
#include "spec/happenings.hpp"
#include "time/formula.hpp"

namespace specql::spec {

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
        } else if (c == '\'' || c == '"') {
            word = c == '"';
            while (end < text.size() && text[end] != c)
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

// payments.charge.succeeded, an answer of a service, is one name, and so is specql.delivery_died.
std::vector<Token> joinNames(const std::vector<Token>& tokens) {
    constexpr size_t answerParts = 5, happeningParts = 3;
    auto isName = [&](size_t at, size_t parts) {
        if (at + parts > tokens.size()) return false;
        for (size_t i = at; i + 1 < at + parts; i++)
            if (tokens[i].offset + tokens[i].raw.size() != tokens[i + 1].offset) return false;
        for (size_t i = 0; i < parts; i++)
            if (i % 2 == 0 ? !tokens[at + i].word : tokens[at + i].text != ".") return false;
        return true;
    };
    auto partsAt = [&](size_t at) -> size_t {
        if (isName(at, answerParts) && (tokens[at + 4].text == "succeeded" || tokens[at + 4].text == "failed"))
            return answerParts;
        return isName(at, happeningParts) && isOfEngine(tokens[at].raw + ".") ? happeningParts : 1;
    };
    std::vector<Token> joined;
    for (size_t at = 0; at < tokens.size(); at++) {
        joined.push_back(tokens[at]);
        const size_t parts = partsAt(at);
        for (size_t i = 1; i < parts; i++) {
            joined.back().text += tokens[at + i].text;
            joined.back().raw += tokens[at + i].raw;
        }
        at += parts - 1;
    }
    return joined;
}

const std::set<std::string> aggregates = {"avg", "count", "max", "min", "sum"};
const std::set<std::string> comparisons = {"<", "<=", "<>", "!=", "=", ">", ">="};
const std::set<std::string> units = {"second", "seconds", "s",     "sec",   "secs",   "minute", "minutes",
                                     "min",    "mins",    "hour",  "hours", "h",      "day",    "days",
                                     "d",      "week",    "weeks", "month", "months", "year",   "years"};

// Recursive descent over: or := and ('OR' and)*; and := unit ('AND' unit)*; unit := 'NOT'* ('(' or ')' | leaf).
// A leaf is a window term or, in a correlation, a trigger's name.
class WindowReader {
public:
    WindowReader(ReadContext& context, const Action& action, WindowCondition& window)
        : context_(context),
          action_(action),
          window_(window),
          text_(action.condition.value),
          tokens_(joinNames(tokenize(text_))),
          cursor_(context.source, action.condition) {}

    void read() {
        for (size_t i = 0; window_.correlation && i < action_.triggers.size(); i++) {
            window_.terms.push_back(triggerTerm(action_.triggers[i]));
            triggers_.emplace(action_.triggers[i].value, i);
        }
        window_.joined = readOr();
        if (!failed_ && at_ < tokens_.size())
            fail("unexpected " + tokens_[at_].raw + " after the condition", "join conditions by AND or OR");
        if (!failed_ && window_.correlation) {
            checkFormula();
            checkUse();
        }
        window_.understood = understood_;
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
    size_t here() const { return at_ < tokens_.size() ? tokens_[at_].offset : text_.size(); }
    void fail(const std::string& message, const std::string& hint) {
        if (failed_) return;
        failed_ = true;
        problem(window_.correlation ? Code::R081 : Code::R080, context_.source.locate(action_.condition, here()),
                message, hint);
    }
    void failDeep() {
        failed_ = true;
        problem(
            Code::R090, context_.source.locate(action_.condition, here()),
            "the condition has more than " + std::to_string(time::Formula::deepest) + " parentheses within each other",
            "take out those that change nothing");
    }
    void problem(Code code, Pos pos) { problem(code, pos, sentenceOf(code), hintOf(code)); }
    void problem(Code code, Pos pos, const std::string& message, const std::string& hint) {
        understood_ = false;
        context_.diagnostics.report(code, pos, message, hint);
    }
    Text piece(const Token& token) { return cursor_.piece(token.offset, token.offset + token.raw.size()); }

    // A trigger of a correlation is one event of its kind within the window.
    WindowTerm triggerTerm(const Text& trigger) const {
        WindowTerm term;
        term.aggregate = "count";
        term.source = trigger.value;
        term.sourceWritten = term.written = trigger;
        term.comparison = ">=";
        term.number = "1";
        term.interval = action_.correlationWindow;
        return term;
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
        bool negated = false;
        while (window_.correlation && take("not"))
            negated = !negated;
        if (is("(")) {
            if (depth_ == time::Formula::deepest) return failDeep(), std::string();
            at_++;
            depth_++;
            std::string inner = readOr();
            depth_--;
            if (!failed_ && !take(")")) fail("a parenthesis is not closed", "add )");
            return (negated ? "NOT (" : "(") + inner + ")";
        }
        std::string leaf = window_.correlation ? readEvent() : readTerm();
        return (negated ? "NOT " : "") + leaf;
    }

    std::string readEvent() {
        if (at_ >= tokens_.size() || !tokens_[at_].word) {
            fail("an event's name is missing here", "write the names of triggers: joined by AND, OR and NOT");
            return {};
        }
        const Token& token = tokens_[at_];
        auto found = triggers_.find(token.raw);
        if (found == triggers_.end()) {
            std::vector<std::string> names;
            for (const Text& trigger : action_.triggers)
                names.push_back(trigger.value);
            std::string near = nearest(token.raw, names);
            fail(token.raw + " is not among the triggers",
                 near.empty() ? "add it to triggers:" : "did you mean " + near + "?");
            return {};
        }
        size_t index = found->second;
        used_.insert(index);
        at_++;
        // It holds wherever the condition names the trigger.
        if (is("filter") && window_.terms[index].filter) fail(token.raw + " has a FILTER already", "join both by AND");
        if (take("filter")) readFilter(window_.terms[index]);
        return std::to_string(index + 1);
    }

    std::string readTerm() {
        WindowTerm term;
        size_t begin = here();
        term.written = cursor_.piece(begin, begin);
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
        term.sourceWritten = piece(tokens_[at_]);
        term.source = tokens_[at_++].raw;
        if (term.source.size() > 7 && term.source.compare(term.source.size() - 7, 7, "_events") == 0)
            term.source.resize(term.source.size() - 7);
        if (take(".")) {
            if (at_ >= tokens_.size() || !tokens_[at_].word)
                return fail("expected a field after the dot", ""), std::string();
            term.field = piece(tokens_[at_++]);
        }
        if (!take(")")) return fail("expected ) here", "one event, or event.field, in the parentheses"), std::string();
        if ((term.aggregate != "count" || term.distinct) && !term.field) {
            at_--;
            return fail(term.aggregate + (term.distinct ? " of distinct values" : "") + " needs a field",
                        "for example SUM(" + term.sourceWritten.value + ".quantity)"),
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
                term.by.push_back(piece(tokens_[at_++]));
                if (is("."))
                    return fail("a key of BY is one name, without a path",
                                "a field of the event's own row, or a key of its payload; of a ref it is the ref"),
                           std::string();
            } while (take(","));
        }
        checkSense(term);
        if (failed_) return {};
        size_t end = here();
        while (end > begin && static_cast<unsigned char>(text_[end - 1]) <= ' ')
            end--;
        term.written.value = text_.substr(begin, end - begin);
        window_.terms.push_back(std::move(term));
        return std::to_string(window_.terms.size());
    }

    void readFilter(WindowTerm& term) {
        if (!take("(") || !take("where")) return fail("FILTER is written FILTER (WHERE …)", "");
        size_t begin = here();
        int depth = 1;
        for (; at_ < tokens_.size(); at_++) {
            depth += tokens_[at_].text == "(" ? 1 : tokens_[at_].text == ")" ? -1 : 0;
            if (depth == 0) break;
        }
        if (at_ >= tokens_.size()) return fail("FILTER ( is not closed", "add )");
        size_t end = tokens_[at_].offset;
        while (end > begin && static_cast<unsigned char>(text_[end - 1]) <= ' ')
            end--;
        if (end == begin) return fail("FILTER (WHERE …) has no condition", "for example FILTER (WHERE quantity > 10)");
        term.filter = cursor_.piece(begin, end);
        at_++;
    }

    void readInterval(WindowTerm& term) {
        std::string interval;
        size_t begin = here();
        if (at_ < tokens_.size() && tokens_[at_].raw[0] == '\'') {
            const std::string& quoted = tokens_[at_].raw;
            if (quoted.size() < 2 || quoted.back() != '\'') return fail("a quote is not closed", "add '");
            interval = quoted.substr(1, quoted.size() - 2);
            at_++;
        }
        while (at_ + 1 < tokens_.size() && digit(tokens_[at_].raw[0]) && units.count(tokens_[at_ + 1].text)) {
            if (!interval.empty()) interval += ' ';
            interval += tokens_[at_].raw + " " + tokens_[at_ + 1].text;
            at_ += 2;
        }
        if (interval.empty())
            return fail("expected an interval after WITHIN", "for example WITHIN 1 hour, WITHIN 30 minutes");
        term.interval = cursor_.piece(begin, begin);
        term.interval.value = interval;
    }

    // Nothing could raise an event for a condition that is true on nothing.
    void checkFormula() {
        time::Formula formula;
        if (!time::Formula::parse(window_.joined, static_cast<int>(window_.terms.size()), formula)) return;
        if (formula.holds([](int, bool) { return false; })) problem(Code::R085, action_.condition.pos);
        window_.impossible = !formula.canHold();
        if (window_.impossible)
            context_.diagnostics.report(Code::R075, action_.condition.pos,
                                        "this condition can never hold, so that the action can never fire: an event "
                                        "and its absence exclude each other",
                                        "mend the condition, or take the action out");
    }

    void checkUse() {
        for (size_t i = 0; i < action_.triggers.size(); i++)
            if (!used_.count(i))
                problem(Code::R084, action_.triggers[i].pos,
                        "the condition does not use the trigger " + action_.triggers[i].value,
                        "use it in condition:, or take it out of triggers:");
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
        problem(Code::R082, term.written.pos);
    }

    ReadContext& context_;
    const Action& action_;
    WindowCondition& window_;
    const std::string& text_;
    std::vector<Token> tokens_;
    TextCursor cursor_;
    size_t at_ = 0;
    bool failed_ = false;
    bool understood_ = true;
    int depth_ = 0;  // open parentheses
    std::map<std::string, size_t> triggers_;
    std::set<size_t> used_;  // triggers
};

}  // namespace

Text WindowTerm::event() const {
    Text text = sourceWritten;
    text.value = source;
    return text;
}

WindowCondition readWindow(ReadContext& context, const Action& action) {
    WindowCondition window;
    window.correlation = action.correlated;
    // That a correlation has none was said.
    if (!action.condition.empty()) WindowReader(context, action, window).read();
    return window;
}

std::vector<std::string> matchKeyNames(const Action& action) {
    std::vector<std::string> names;
    if (action.window.correlation) {
        if (!action.correlateBy.empty()) names.push_back(action.correlateBy.front().value);
    } else if (!action.window.terms.empty()) {
        for (const Text& key : action.window.terms.front().by)
            names.push_back(key.value);
    }
    for (std::string& name : names) {
        name = name.substr(name.rfind('.') + 1);
        if (name.size() > 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    }
    return names;
}

}  // namespace specql::spec
