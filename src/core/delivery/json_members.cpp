#include "delivery/json_members.hpp"

#include <cstdint>

#include "text/ascii.hpp"

namespace specql::delivery {

namespace {

constexpr int deepest = 32;

void appendUtf8(std::string& text, uint32_t code) {
    if (code < 0x80) {
        text += static_cast<char>(code);
    } else if (code < 0x800) {
        text += static_cast<char>(0xc0 | (code >> 6));
        text += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        text += static_cast<char>(0xe0 | (code >> 12));
        text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
        text += static_cast<char>(0x80 | (code & 0x3f));
    } else {
        text += static_cast<char>(0xf0 | (code >> 18));
        text += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
        text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
        text += static_cast<char>(0x80 | (code & 0x3f));
    }
}

class Reader {
public:
    explicit Reader(std::string_view json) : rest_(json) {}

    bool readDocument(std::map<std::string, std::string>& members) {
        skipSpace();
        return readObject(&members, 0) && (skipSpace(), rest_.empty());
    }

    bool readWritten(std::map<std::string, std::string_view>& members) {
        skipSpace();
        if (!take('{')) return false;
        if (take('}')) return rest_.empty();
        do {
            std::string name;
            if (!readString(name) || !take(':') || !readWrittenValue(members[name])) return false;
        } while (take(','));
        return take('}') && rest_.empty();
    }

    bool readWritten(std::vector<std::string_view>& elements) {
        skipSpace();
        if (!take('[')) return false;
        if (take(']')) return rest_.empty();
        do {
            elements.emplace_back();
            if (!readWrittenValue(elements.back())) return false;
        } while (take(','));
        return take(']') && rest_.empty();
    }

private:
    void skipSpace() {
        while (!rest_.empty() &&
               (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\n' || rest_.front() == '\r'))
            rest_.remove_prefix(1);
    }

    // Takes the character, and the space behind it.
    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        skipSpace();
        return true;
    }

    bool readHex(uint32_t& value) {
        if (rest_.size() < 4) return false;
        value = 0;
        for (size_t i = 0; i < 4; ++i) {
            char c = toAsciiLower(rest_[i]);
            bool isLetter = c >= 'a' && c <= 'f';
            if (!isAsciiDigit(c) && !isLetter) return false;
            value = value * 16 + static_cast<uint32_t>(isLetter ? c - 'a' + 10 : c - '0');
        }
        rest_.remove_prefix(4);
        return true;
    }

    // What follows \u.
    bool readCode(std::string& text) {
        uint32_t code, low;
        if (!readHex(code)) return false;
        if (code >= 0xd800 && code < 0xdc00) {
            if (rest_.substr(0, 2) != "\\u") return false;
            rest_.remove_prefix(2);
            if (!readHex(low) || low < 0xdc00 || low > 0xdfff) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code < 0xe000) {
            return false;
        }
        appendUtf8(text, code);
        return true;
    }

    bool readString(std::string& text) {
        static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
        if (rest_.empty() || rest_.front() != '"') return false;
        rest_.remove_prefix(1);
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                skipSpace();
                return true;
            }
            if (static_cast<unsigned char>(c) < ' ') return false;
            if (c != '\\') {
                text += c;
                continue;
            }
            if (rest_.empty()) return false;
            char name = rest_.front();
            rest_.remove_prefix(1);
            size_t at = names.find(name);
            if (name == 'u' ? !readCode(text) : at == std::string_view::npos) return false;
            if (name != 'u') text += values[at];
        }
        return false;
    }

    // A number, true, false or null.
    bool readWord(std::string& text) {
        size_t end = 0;
        while (end < rest_.size() &&
               (isNamePart(rest_[end]) || rest_[end] == '-' || rest_[end] == '+' || rest_[end] == '.'))
            ++end;
        text = rest_.substr(0, end);
        rest_.remove_prefix(end);
        skipSpace();
        if (text == "null") {
            text.clear();
            return true;
        }
        return text == "true" || text == "false" || (!text.empty() && (isAsciiDigit(text[0]) || text[0] == '-'));
    }

    bool readList(int depth) {
        if (!take('[') || depth > deepest) return false;
        if (take(']')) return true;
        std::string ignored;
        do {
            if (!readValue(ignored, depth + 1)) return false;
        } while (take(','));
        return take(']');
    }

    bool readObject(std::map<std::string, std::string>* members, int depth) {
        if (!take('{') || depth > deepest) return false;
        if (take('}')) return true;
        do {
            std::string name, value;
            if (!readString(name) || !take(':')) return false;
            bool isSimple = !rest_.empty() && rest_.front() != '{' && rest_.front() != '[';
            if (!readValue(value, depth + 1)) return false;
            if (members != nullptr && isSimple) (*members)[name] = value;
        } while (take(','));
        return take('}');
    }

    bool readValue(std::string& text, int depth) {
        if (rest_.empty()) return false;
        switch (rest_.front()) {
            case '{': return readObject(nullptr, depth);
            case '[': return readList(depth);
            case '"': return readString(text);
            default: return readWord(text);
        }
    }

    bool readWrittenValue(std::string_view& written) {
        std::string_view begin = rest_;
        std::string ignored;
        if (!readValue(ignored, 1)) return false;
        written = begin.substr(0, begin.size() - rest_.size());
        written.remove_suffix(written.size() - (written.find_last_not_of(" \t\r\n") + 1));
        return true;
    }

    std::string_view rest_;
};

}  // namespace

bool readMembers(std::string_view json, std::map<std::string, std::string>& members) {
    members.clear();
    return Reader(json).readDocument(members);
}

bool readWrittenMembers(std::string_view json, std::map<std::string, std::string_view>& members) {
    members.clear();
    return Reader(json).readWritten(members);
}

bool readWrittenElements(std::string_view json, std::vector<std::string_view>& elements) {
    elements.clear();
    return Reader(json).readWritten(elements);
}

}  // namespace specql::delivery
