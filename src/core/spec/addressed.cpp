// call_external, notify and escalate: to whom, what is said, and what leaves.
#include <algorithm>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/duration.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

constexpr size_t npos = std::string::npos;
constexpr int64_t longestRepeatMs = 7 * 24 * 3600 * 1000;

bool startsSet(const std::string& text, size_t at) {
    return at < text.size() && findKeyword(text, "SET", at) == at;
}

// The end of a text in quotes that begins at `open`; npos if it is not closed.
size_t closingQuote(const std::string& text, size_t open) {
    for (size_t at = open + 1; at < text.size(); ++at) {
        if (text[at] != text[open]) {
            continue;
        }
        if (at + 1 >= text.size() || text[at + 1] != text[open]) {
            return at;
        }
        ++at;
    }
    return npos;
}

// Behind the brace that closes the one at `open`, or behind the text.
size_t braceEnd(const std::string& text, size_t open) {
    char quote = 0;
    for (size_t at = open + 1; at < text.size(); ++at) {
        char c = text[at];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '}') {
            return at + 1;
        }
    }
    return text.size();
}

class AddressedReader {
public:
    AddressedReader(ReadContext& context, const Text& text, Step& step)
        : context_(context), text_(text), value_(text.value), step_(step) {
        isCall_ = step.kind == StepKind::callExternal;
        said_ = isCall_ ? "operation" : "message";
        shape_ = "write '" + step.verb.value + ": name \"" + said_ + "\"'";
    }

    void read(const yaml::Node* keys) {
        size_t begin = skipSpace(value_, 0);
        size_t nameEnd = nameEndFrom(begin);
        if (nameEnd == begin || (nameEnd < value_.size() && !isSpace(value_[nameEnd]))) {
            report(begin, "\"" + step_.verb.value + "\" must begin with a name", shape_);
            return;
        }
        step_.target = context_.source.piece(text_, begin, nameEnd);
        if (!isCall_) {
            step_.targetParts = readTemplate(context_, step_.target, 0);
        }
        size_t at = skipSpace(value_, nameEnd);
        if (at >= value_.size() || startsSet(value_, at)) {
            context_.diagnostics.report(Code::S024, text_.pos, "\"" + step_.verb.value + "\" lacks the " + said_,
                                        shape_);
            return;
        }
        bool isQuoted = value_[at] == '"' || value_[at] == '\'';
        if (isQuoted ? !readQuoted(at) : !readBare(at)) {
            return;
        }
        checkOperation(context_, step_);
        if (at < value_.size()) {
            readPayload(context_, context_.source.piece(text_, at, value_.size()), keys, step_);
        }
    }

    static void readPayload(ReadContext& context, const Text& set, const yaml::Node* keys, Step& step) {
        step.ownPayload = true;
        readSet(context, set, keys, step);
    }

    static void checkOperation(ReadContext& context, const Step& step) {
        const std::string& operation = step.message.value;
        if (step.kind != StepKind::callExternal) {
            return;
        }
        if (operation.find_first_of(" \t\n") != npos) {
            context.diagnostics.report(Code::S024, step.message.pos, "an operation is one word",
                                       "write 'call_external: name \"operation\"'");
        } else if (operation.find_first_of("{}") != npos) {
            context.diagnostics.report(Code::S024, step.message.pos, "an operation has one name, whatever the event",
                                       "values go into what is sent, behind SET, or into the operation's path");
        }
    }

private:
    void report(size_t at, const std::string& message, const std::string& hint) {
        context_.diagnostics.report(Code::S024, context_.source.locate(text_, at), message, hint);
    }

    // A channel may have {expressions} in its name.
    size_t nameEndFrom(size_t at) const {
        while (at < value_.size()) {
            char c = value_[at];
            if (!isCall_ && c == '{') {
                at = at + 1 < value_.size() && value_[at + 1] == '{' ? at + 2 : braceEnd(value_, at);
            } else if (isNamePart(c) || c == '-' || c == '.' || (!isCall_ && c == '}')) {
                ++at;
            } else {
                break;
            }
        }
        return at;
    }

    // The message in quotes at `at`, which goes on to what stands behind it. False if it was reported.
    bool readQuoted(size_t& at) {
        size_t close = closingQuote(value_, at);
        size_t next = close == npos ? npos : skipSpace(value_, close + 1);
        if (close == npos || (next < value_.size() && !startsSet(value_, next))) {
            report(at, "the quotes around the " + said_ + " do not match",
                   close == npos ? shape_ : shape_ + ", and only SET can stand behind that");
            return false;
        }
        if (close == at + 1) {
            report(at, "the " + said_ + " is empty", shape_);
            return false;
        }
        Text inside = context_.source.piece(text_, at + 1, close);
        if (!isCall_) {
            step_.messageParts = readTemplate(context_, inside, value_[at]);
        }
        step_.message = inside;
        step_.message.value.clear();
        for (size_t i = 0; i < inside.value.size(); ++i) {
            step_.message.value += inside.value[i];
            i += inside.value[i] == value_[at] ? 1 : 0;
        }
        at = next;
        return true;
    }

    // The same without quotes: an operation is a word, a message all the rest.
    bool readBare(size_t& at) {
        size_t end = value_.size();
        if (isCall_) {
            end = std::min(value_.find_first_of(" \t\n\r", at), end);
            size_t next = skipSpace(value_, end);
            if (next < value_.size() && !startsSet(value_, next)) {
                report(at, "an operation is one word", shape_);
                return false;
            }
            step_.message = context_.source.piece(text_, at, end);
            at = next;
            return true;
        }
        while (end > at && isSpace(value_[end - 1])) {
            --end;
        }
        size_t set = findKeyword(value_, "SET", at);
        if (set != npos && setsSomething(set + 3)) {
            report(set, "SET can only stand behind a message in quotes",
                   "write '" + step_.verb.value + ": " + step_.target.value + " \"message\" SET key = expression'");
            return false;
        }
        step_.message = context_.source.piece(text_, at, end);
        step_.messageParts = readTemplate(context_, step_.message, 0);
        at = value_.size();
        return true;
    }

    // Is there nothing behind SET, or an assignment? "ready to set sail" has none.
    bool setsSomething(size_t at) const {
        size_t name = skipSpace(value_, at);
        if (name >= value_.size()) {
            return true;
        }
        size_t equals = skipSpace(value_, name + nameLength(value_, name));
        return equals < value_.size() && equals > name && value_[equals] == '=';
    }

    ReadContext& context_;
    const Text& text_;
    const std::string& value_;
    Step& step_;
    bool isCall_ = false;
    std::string said_;   // operation, message
    std::string shape_;  // how it is written
};

}  // namespace

void readAddressed(ReadContext& context, const Text& text, const yaml::Node* keys, Step& step) {
    AddressedReader(context, text, step).read(keys);
}

void readAddressedMapping(ReadContext& context, const yaml::Node& mapping, Step& step) {
    static const Words ofCall = {"service", "operation", "payload"};
    static const Words ofNotice = {"channel", "message", "payload"};
    static const Words ofEscalation = {"channel", "message", "severity", "repeat", "payload"};
    bool isCall = step.kind == StepKind::callExternal, isEscalation = step.kind == StepKind::escalate;
    const Words& keys = isCall ? ofCall : isEscalation ? ofEscalation : ofNotice;
    std::string what = isCall ? "a call" : isEscalation ? "an escalation" : "a notification";
    context.checkKeys(mapping, keys, what);
    step.target = context.requiredText(mapping, isCall ? "service" : "channel", keys, what);
    step.message = context.requiredText(mapping, isCall ? "operation" : "message", keys, what);
    if (isCall) {
        AddressedReader::checkOperation(context, step);
    } else {
        step.targetParts = readTemplate(context, step.target, 0);
        step.messageParts = readTemplate(context, step.message, 0);
    }
    if (isEscalation) {
        step.severity = context.text(mapping, "severity");
        step.repeat = context.text(mapping, "repeat");
        if (step.repeat) {
            context.checkDuration("repeat", step.repeat, longestRepeatMs);
        }
    }
    if (const yaml::Node* payload = context.mapping(mapping, "payload")) {
        Text set;
        set.value = "SET";
        set.pos = payload->pos;
        set.present = true;
        AddressedReader::readPayload(context, set, payload, step);
    }
}

}  // namespace specql::spec
