#include "text/quote.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace specql {

namespace {

// PostgreSQL's keywords that quote_ident() quotes: all but the unreserved ones (src/include/parser/kwlist.h, versions
// 14 to 18 together; quoting one that a version does not know harms nothing). Sorted.
constexpr std::array keywords = {"all",
                                 "analyse",
                                 "analyze",
                                 "and",
                                 "any",
                                 "array",
                                 "as",
                                 "asc",
                                 "asymmetric",
                                 "authorization",
                                 "between",
                                 "bigint",
                                 "binary",
                                 "bit",
                                 "boolean",
                                 "both",
                                 "case",
                                 "cast",
                                 "char",
                                 "character",
                                 "check",
                                 "coalesce",
                                 "collate",
                                 "collation",
                                 "column",
                                 "concurrently",
                                 "constraint",
                                 "create",
                                 "cross",
                                 "current_catalog",
                                 "current_date",
                                 "current_role",
                                 "current_schema",
                                 "current_time",
                                 "current_timestamp",
                                 "current_user",
                                 "dec",
                                 "decimal",
                                 "default",
                                 "deferrable",
                                 "desc",
                                 "distinct",
                                 "do",
                                 "else",
                                 "end",
                                 "except",
                                 "exists",
                                 "extract",
                                 "false",
                                 "fetch",
                                 "float",
                                 "for",
                                 "foreign",
                                 "freeze",
                                 "from",
                                 "full",
                                 "grant",
                                 "greatest",
                                 "group",
                                 "grouping",
                                 "having",
                                 "ilike",
                                 "in",
                                 "initially",
                                 "inner",
                                 "inout",
                                 "int",
                                 "integer",
                                 "intersect",
                                 "interval",
                                 "into",
                                 "is",
                                 "isnull",
                                 "join",
                                 "json",
                                 "json_array",
                                 "json_arrayagg",
                                 "json_exists",
                                 "json_object",
                                 "json_objectagg",
                                 "json_query",
                                 "json_scalar",
                                 "json_serialize",
                                 "json_table",
                                 "json_value",
                                 "lateral",
                                 "leading",
                                 "least",
                                 "left",
                                 "like",
                                 "limit",
                                 "localtime",
                                 "localtimestamp",
                                 "merge_action",
                                 "national",
                                 "natural",
                                 "nchar",
                                 "none",
                                 "normalize",
                                 "not",
                                 "notnull",
                                 "null",
                                 "nullif",
                                 "numeric",
                                 "offset",
                                 "on",
                                 "only",
                                 "or",
                                 "order",
                                 "out",
                                 "outer",
                                 "overlaps",
                                 "overlay",
                                 "placing",
                                 "position",
                                 "precision",
                                 "primary",
                                 "real",
                                 "references",
                                 "returning",
                                 "right",
                                 "row",
                                 "select",
                                 "session_user",
                                 "setof",
                                 "similar",
                                 "smallint",
                                 "some",
                                 "substring",
                                 "symmetric",
                                 "system_user",
                                 "table",
                                 "tablesample",
                                 "then",
                                 "time",
                                 "timestamp",
                                 "to",
                                 "trailing",
                                 "treat",
                                 "trim",
                                 "true",
                                 "union",
                                 "unique",
                                 "user",
                                 "using",
                                 "values",
                                 "varchar",
                                 "variadic",
                                 "verbose",
                                 "when",
                                 "where",
                                 "window",
                                 "with",
                                 "xmlattributes",
                                 "xmlconcat",
                                 "xmlelement",
                                 "xmlexists",
                                 "xmlforest",
                                 "xmlnamespaces",
                                 "xmlparse",
                                 "xmlpi",
                                 "xmlroot",
                                 "xmlserialize",
                                 "xmltable"};

bool isPlain(std::string_view name) {
    if (name.empty() || !((name[0] >= 'a' && name[0] <= 'z') || name[0] == '_')) return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

std::string quoteName(std::string_view name) {
    if (isPlain(name) && !std::binary_search(keywords.begin(), keywords.end(), name)) return std::string(name);
    std::string quoted = "\"";
    for (char c : name) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

std::string quoteName(std::string_view schema, std::string_view name) {
    return schema.empty() ? quoteName(name) : quoteName(schema) + "." + quoteName(name);
}

std::string quoteNames(const std::vector<std::string>& names) {
    std::vector<std::string> quoted;
    for (const std::string& name : names)
        quoted.push_back(quoteName(name));
    return join(quoted, ", ");
}

std::string quoteLiteral(std::string_view value) {
    bool escapes = value.find_first_of("\\\n\r") != std::string_view::npos;
    std::string quoted = escapes ? "E'" : "'";
    for (char c : value) {
        if (c == '\n' || c == '\r') {
            quoted += c == '\n' ? "\\n" : "\\r";  // a literal stays on its line, so that indent() cannot change it
            continue;
        }
        if (c == '\'' || c == '\\') quoted += c;
        quoted += c;
    }
    return quoted + '\'';
}

std::string quoteJson(std::string_view value) {
    constexpr const char* digits = "0123456789abcdef";
    std::string quoted = "\"";
    for (char c : value) {
        if (static_cast<unsigned char>(c) < ' ') {
            quoted += std::string("\\u00") + digits[c >> 4] + digits[c & 15];
            continue;
        }
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

std::string dollarQuote(std::string_view body, std::string_view tag) {
    std::string mark = "$" + std::string(tag) + "$";
    for (int n = 1; body.find(mark) != std::string_view::npos; n++)
        mark = "$" + std::string(tag) + std::to_string(n) + "$";
    return mark + std::string(body) + mark;
}

std::string commentText(std::string_view text) {
    std::string line;
    for (char c : text) {
        bool space = static_cast<unsigned char>(c) <= ' ';
        if (space && (line.empty() || line.back() == ' ')) continue;
        line += space ? ' ' : c;
    }
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string joined;
    for (size_t i = 0; i < parts.size(); i++) {
        if (i > 0) joined += separator;
        joined += parts[i];
    }
    return joined;
}

std::string indent(std::string_view text, size_t spaces) {
    std::string moved;
    size_t at = 0;
    char quote = 0;  // a line that begins inside a literal of the user's is part of it and stays as it is
    while (at < text.size()) {
        size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        if (!line.empty() && !quote) moved.append(spaces, ' ');
        moved += line;
        size_t first = line.find_first_not_of(' ');
        bool comment = !quote && first != std::string_view::npos && line.substr(first, 2) == "--";
        for (char c : comment ? std::string_view() : line) {
            if (quote ? c == quote : c == '\'' || c == '"') quote = quote ? 0 : c;
        }
        if (end < text.size()) moved += '\n';
        at = end + 1;
    }
    return moved;
}

// Removes the last character.
static void shorten(std::string& name) {
    while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xC0) == 0x80)
        name.pop_back();
    if (!name.empty()) name.pop_back();
}

std::string fittingName(std::string first, std::string second, const std::string& suffix) {
    std::string name = first + (second.empty() ? "" : "_" + second) + "_" + suffix;
    if (name.size() <= maxNameBytes) return name;
    uint32_t digest = 2166136261U;  // FNV-1a
    for (char c : name)
        digest = (digest ^ static_cast<unsigned char>(c)) * 16777619U;
    std::string tail = "_";
    for (int shift = 28; shift >= 0; shift -= 4)
        tail += "0123456789abcdef"[(digest >> shift) & 15];
    tail += "_" + suffix;
    while (first.size() + second.size() + (second.empty() ? 0 : 1) + tail.size() > maxNameBytes)
        shorten(first.size() >= second.size() ? first : second);
    return first + (second.empty() ? "" : "_" + second) + tail;
}

}  // namespace specql
