// The only functions that turn values into SQL text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace specql {

// An identifier as PostgreSQL's quote_ident() writes it: quoted when it is not a plain lower-case word or is a keyword
// that cannot stand bare.
std::string quoteName(std::string_view name);
// schema.name, both quoted; the name alone when the schema is empty.
std::string quoteName(std::string_view schema, std::string_view name);
// Several identifiers, with commas between.
std::string quoteNames(const std::vector<std::string>& names);
// A string literal; E'' form when it holds a backslash or a line end.
std::string quoteLiteral(std::string_view value);
// A string of JSON.
std::string quoteJson(std::string_view value);
// A dollar-quoted body: $tag$body$tag$ with a tag that does not occur in the body.
std::string dollarQuote(std::string_view body, std::string_view tag);
// Text for a `--` comment: one line, no line end inside.
std::string commentText(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
// Indents the lines of `text` by `spaces`, except empty ones and those that begin inside a string literal.
std::string indent(std::string_view text, size_t spaces);

// PostgreSQL's NAMEDATALEN - 1; longer names are refused by resolve, never cut.
constexpr size_t maxNameBytes = 63;
// A generated name first_second_suffix. If it is too long, the longer of the first two parts is cut, and a digest of
// the whole name is added to keep it unique.
std::string fittingName(std::string first, std::string second, const std::string& suffix);

}  // namespace specql
