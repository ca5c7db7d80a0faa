// Texts with {expressions} in them. `{{` and `}}` are the braces themselves.
#include "spec/parts.hpp"
#include "text/ascii.hpp"

namespace specql::spec {

namespace {

constexpr char bracesHint[] = "a value is written {name}, or {any expression}; a brace itself {{ or }}";

class TemplateReader {
public:
    TemplateReader(ReadContext& context, const Text& text, char quote) : context_(context), text_(text) {
        for (size_t at = 0; at < text.value.size(); ++at) {
            value_ += text.value[at];
            places_.push_back(at);
            bool isDoubled = quote != 0 && text.value[at] == quote && at + 1 < text.value.size();
            at += isDoubled ? 1 : 0;
        }
        places_.push_back(text.value.size());
    }

    Template read() {
        std::string said;
        for (size_t at = 0; at < value_.size(); ++at) {
            char c = value_[at];
            bool isDoubled = at + 1 < value_.size() && value_[at + 1] == c;
            if (c != '{' && c != '}') {
                said += c;
            } else if (isDoubled) {
                said += c;
                ++at;
                hasBraces_ = true;
            } else if (c == '}') {
                report(at, "a '}' closes nothing here");
                return {};
            } else {
                size_t close = closingBrace(at);
                if (close == std::string::npos) {
                    report(at, "the '{' is not closed");
                    return {};
                }
                if (value_.find_first_not_of(" \t\n\r", at + 1) == close) {
                    report(at, "there is nothing between the braces");
                    return {};
                }
                parts_.push_back({said, expression(at + 1, close)});
                said.clear();
                at = close;
            }
        }
        if (!said.empty() && (hasBraces_ || !parts_.empty())) {
            parts_.push_back({said, {}});
        }
        return std::move(parts_);
    }

private:
    void report(size_t at, const std::string& message) {
        context_.diagnostics.report(Code::S055, context_.source.locate(text_, places_[at]), message, bracesHint);
    }

    // A brace in a text or a name of the expression closes nothing.
    size_t closingBrace(size_t open) const {
        char quote = 0;
        for (size_t at = open + 1; at < value_.size(); ++at) {
            char c = value_[at];
            if (quote != 0) {
                quote = c == quote ? 0 : quote;
            } else if (c == '\'' || c == '"') {
                quote = c;
            } else if (c == '}') {
                return at;
            }
        }
        return std::string::npos;
    }

    ExpressionRef expression(size_t begin, size_t end) {
        while (isSpace(value_[begin])) {
            ++begin;
        }
        while (isSpace(value_[end - 1])) {
            --end;
        }
        Text piece = context_.source.piece(text_, places_[begin], places_[end]);
        piece.value = value_.substr(begin, end - begin);
        return context_.queryable(piece);
    }

    ReadContext& context_;
    const Text& text_;
    std::string value_;           // without what is doubled for the quotes around it
    std::vector<size_t> places_;  // of its bytes in the text
    Template parts_;
    bool hasBraces_ = false;
};

}  // namespace

Template readTemplate(ReadContext& context, const Text& text, char quote) {
    return TemplateReader(context, text, quote).read();
}

}  // namespace specql::spec
