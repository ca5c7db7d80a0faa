#include "spec/due.hpp"

#include <algorithm>

#include "text/ascii.hpp"

namespace specql::spec {

namespace {

const Words backfillChoices = {"future", "all", "none"};
constexpr char blanks[] = " \t\n";

// The words of a text without what is in front of them and behind.
struct Span {
    size_t begin = 0, end = 0;
    bool isEmpty() const { return begin >= end; }
};

Span trimmed(const std::string& text, size_t begin, size_t end) {
    while (begin < end && std::string(blanks).find(text[begin]) != std::string::npos) {
        ++begin;
    }
    while (end > begin && std::string(blanks).find(text[end - 1]) != std::string::npos) {
        --end;
    }
    return {begin, end};
}

void refuseBesideDueTime(ReadContext& context, const yaml::Node& node, const Action& action) {
    auto refuse = [&](const char* key, const char* because, const char* hint) {
        if (const yaml::Entry* entry = node.find(key)) {
            context.diagnostics.report(Code::S340, entry->key.pos,
                                       std::string("\"") + key + "\" means nothing beside a due time: " + because,
                                       hint);
        }
    };
    refuse("params", "nobody gives it values", "its steps know the columns of the row that is due");
    refuse("fires", "what sets it off is a time", "leave it out");
    if (action.onError.value == "abort") {
        refuse("on_error", "there is no statement that could fail", "leave it out");
    }
    if (action.missed.value == "run_all") {
        refuse("missed", "a row is due once, however late that is", "write missed: skip, or leave it out");
    }
}

class DueReader {
public:
    DueReader(ReadContext& context, Action& action) : context_(context), action_(action), text_(action.on.value) {}

    void read() {
        const size_t targetBegin = std::min(text_.find_first_not_of(blanks, text_.find_first_of(blanks)), text_.size());
        const size_t targetEnd = std::min(text_.find_first_of(" \t\n+-", targetBegin), text_.size());
        action_.due.target = context_.source.piece(action_.on, targetBegin, targetEnd);
        const std::string& target = action_.due.target.value;
        if (target.find('.') == std::string::npos) {
            return fail(targetBegin, target.empty() ? "it names no field" : target + " is no field of an entity");
        }
        size_t end = text_.size();
        if (const size_t in = zoneWord(targetEnd); in != std::string::npos) {
            const Span zone = trimmed(text_, in + 2, text_.size());
            if (zone.isEmpty()) {
                return fail(in, "behind in stands a time zone");
            }
            action_.zone = context_.source.piece(action_.on, zone.begin, zone.end);
            end = in;
        }
        const Span rest = trimmed(text_, targetEnd, end);
        if (!rest.isEmpty()) {
            const char sign = text_[rest.begin];
            if (sign != '+' && sign != '-') {
                return fail(rest.begin, "behind the field stands + or -, and not " +
                                            text_.substr(rest.begin, rest.end - rest.begin));
            }
            const Span offset = trimmed(text_, rest.begin + 1, rest.end);
            if (offset.isEmpty()) {
                return fail(rest.begin, std::string("behind ") + sign + " stands a length of time");
            }
            const std::string length = text_.substr(offset.begin, offset.end - offset.begin);
            if (length.find('-') != std::string::npos || endsWithAgo(length)) {
                return fail(offset.begin, length + " is no length of time, as the sign says which way it goes");
            }
            action_.due.isBefore = sign == '-';
            action_.due.offset = context_.source.piece(action_.on, offset.begin, offset.end);
        }
    }

private:
    void fail(size_t at, const std::string& reason) {
        context_.diagnostics.report(Code::S341, context_.source.locate(action_.on, at),
                                    "the due time is not understood: " + reason,
                                    "write on: time Invoice.due_at + 3 days, or + 3 days in Europe/Berlin");
    }

    static bool endsWithAgo(const std::string& length) {
        std::string end = length.size() < 3 ? "" : length.substr(length.size() - 3);
        std::transform(end.begin(), end.end(), end.begin(), toAsciiLower);
        return end == "ago";
    }

    // Where the word is behind which a zone stands.
    size_t zoneWord(size_t from) const {
        for (size_t at = from; at + 2 <= text_.size(); ++at) {
            const bool isWord = toAsciiLower(text_[at]) == 'i' && toAsciiLower(text_[at + 1]) == 'n';
            const bool begins = at > 0 && std::string(blanks).find(text_[at - 1]) != std::string::npos;
            const bool ends = at + 2 == text_.size() || std::string(blanks).find(text_[at + 2]) != std::string::npos;
            if (isWord && begins && ends) {
                return at;
            }
        }
        return std::string::npos;
    }

    ReadContext& context_;
    Action& action_;
    const std::string& text_;
};

}  // namespace

bool isDueTime(const std::string& on) {
    const size_t end = std::min(on.find_first_of(blanks), on.size());
    std::string word = on.substr(0, end);
    std::transform(word.begin(), word.end(), word.begin(), toAsciiLower);
    return word == "time" && end < on.size();
}

void readDueTime(ReadContext& context, const yaml::Node& node, Action& action) {
    action.backfill = context.choice(node, "backfill", backfillChoices);
    if (!isDueTime(action.on.value)) {
        if (const yaml::Entry* entry = node.find("backfill")) {
            context.diagnostics.report(Code::S342, entry->key.pos);
        }
        return;
    }
    refuseBesideDueTime(context, node, action);
    DueReader(context, action).read();
}

}  // namespace specql::spec
