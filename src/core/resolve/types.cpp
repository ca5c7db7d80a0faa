#include "resolve/types.hpp"

#include <algorithm>
#include <array>

#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

struct KnownType {
    const char* name;  // lower case, without '_'
    const char* sql;
    const char* check;  // over %s, or ""
};

constexpr size_t mostDimensions = 6;  // MAXDIM

constexpr const char* timestamptz = "timestamp with time zone";

// Types whose word means something else here than in PostgreSQL, and the rich types of SpecQL. A check accepts NULL by
// itself. Sorted by name.
constexpr std::array knownTypes = {
    KnownType{"color", "text", "%s ~ '^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$'"},
    KnownType{"countrycode", "text", "%s ~ '^[A-Z]{2}$'"},
    KnownType{"currencycode", "text", "%s ~ '^[A-Z]{3}$'"},
    KnownType{"datetime", timestamptz, ""},
    KnownType{"email", "text", "%s ~* '^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$'"},
    KnownType{"html", "text", ""},
    KnownType{"ipaddress", "inet", ""},
    KnownType{"languagecode", "text", "%s ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'"},
    KnownType{"latitude", "numeric(9,6)", "%s BETWEEN -90 AND 90"},
    KnownType{"longitude", "numeric(9,6)", "%s BETWEEN -180 AND 180"},
    KnownType{"macaddress", "macaddr", ""},
    KnownType{"markdown", "text", ""},
    KnownType{"money", "numeric(19,4)", ""},
    KnownType{"percentage", "numeric(5,2)", "%s BETWEEN 0 AND 100"},
    KnownType{"phone", "text", "%s ~ '^\\+?[0-9][0-9 ().-]{4,24}$'"},
    KnownType{"phonenumber", "text", "%s ~ '^\\+?[0-9][0-9 ().-]{4,24}$'"},
    KnownType{"slug", "text", "%s ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"},
    KnownType{"string", "text", ""},
    KnownType{"timestamp", timestamptz, ""},
    KnownType{"timezone", "text", "%s ~ '^[A-Za-z0-9_+/-]+$'"},
    KnownType{"url", "text", "%s ~* '^https?://[^[:space:]]+$'"},
};

std::string trimmed(std::string_view text) {
    size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string folded(std::string_view text) {
    std::string word;
    for (char c : text)
        if (c != '_') word += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return word;
}

// "enum(a, b)" with word "enum" → "a, b"; false if the type is not word(…).
bool inside(std::string_view type, std::string_view word, std::string& content) {
    std::string text = trimmed(type);
    if (text.size() < word.size() + 2 || folded(text.substr(0, word.size())) != word || text.back() != ')')
        return false;
    std::string rest = trimmed(text.substr(word.size()));
    if (rest.empty() || rest.front() != '(') return false;
    content = trimmed(std::string_view(rest).substr(1, rest.size() - 2));
    return true;
}

const KnownType* known(std::string_view type) {
    std::string word = folded(trimmed(type));
    for (const KnownType& candidate : knownTypes)
        if (word == candidate.name) return &candidate;
    return nullptr;
}

// Takes list( … ) off; how often, at most once more than PostgreSQL has dimensions.
size_t takeLists(std::string& type) {
    size_t lists = 0;
    std::string content;
    for (; lists <= mostDimensions && inside(type, "list", content); lists++)
        type = content;
    return lists;
}

// timestamp(3) has a time zone as timestamp has.
std::string askedOfServer(std::string_view type) {
    std::string precision;
    for (const char* word : {"timestamp", "datetime"})
        if (inside(type, word, precision)) return "timestamp(" + precision + ") with time zone";
    return trimmed(type);
}

ColumnType plainType(std::string_view type, const std::map<std::string, TypeView>& types) {
    ColumnType result;
    std::string content;
    if (inside(type, "enum", content)) return {true, "text", "", "", ""};
    if (inside(type, "ref", content)) return {true, "uuid", "", "", ""};
    if (const KnownType* entry = known(type)) return {true, entry->sql, entry->check, "", ""};
    auto found = types.find(askedOfServer(type));
    if (found == types.end()) {
        result.error = "PostgreSQL was not asked about this type";
    } else if (!found->second.ok) {
        result.error = found->second.error;
        result.hint = found->second.hint;
    } else {
        result.ok = true;
        result.sql = found->second.canonical;
        result.hasEquality = found->second.hasEquality;
    }
    return result;
}

}  // namespace

std::string typeToLookUp(std::string_view written) {
    std::string type(written), content;
    if (takeLists(type) > mostDimensions) return {};
    if (inside(type, "enum", content) || inside(type, "ref", content) || known(type)) return {};
    return askedOfServer(type);
}

ColumnType columnType(std::string_view written, const std::map<std::string, TypeView>& types) {
    std::string type(written);
    size_t lists = takeLists(type);
    ColumnType result;
    if (lists > mostDimensions) {
        result.error = "an array has at most " + std::to_string(mostDimensions) + " dimensions";
        return result;
    }
    if (lists > 0 && type.empty()) {
        result.error = "list(...) needs the type of its elements";
        return result;
    }
    result = plainType(type, types);
    for (size_t i = 0; i < lists; i++)
        result.sql += "[]";
    if (lists > 0) result.check.clear();  // the check is about one value
    return result;
}

std::string elementType(std::string_view type) {
    if (type.size() > 2 && type.substr(type.size() - 2) == "[]") return std::string(type.substr(0, type.size() - 2));
    return {};
}

bool compatible(std::string_view declared, std::string_view actual) {
    if (declared == actual) return true;
    auto base = [](std::string_view type) { return trimmed(type.substr(0, type.find('('))); };
    std::string from = base(declared), to = base(actual);
    auto isText = [](const std::string& type) {
        return type == "text" || type == "character varying" || type == "citext" || type == "character";
    };
    if (isText(from) && isText(to)) return true;
    auto width = [](const std::string& type) {
        return type == "smallint" ? 1 : type == "integer" ? 2 : type == "bigint" ? 3 : type == "numeric" ? 4 : 0;
    };
    if (width(from) && width(to)) return width(to) >= width(from);
    if (from == "json" || from == "jsonb") return to == "json" || to == "jsonb";
    auto isTime = [](const std::string& type) { return type.compare(0, 9, "timestamp") == 0; };
    return isTime(from) && isTime(to);
}

}  // namespace specql::resolve
