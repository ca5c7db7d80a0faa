// Lexical cuts in SQL text: where a clause, a list item or a name ends. It never decides what an expression means;
// PostgreSQL's parser does that with each piece.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace specql {

// A piece of a larger text: [begin, end) in bytes, trimmed of white space.
struct Slice {
    size_t begin = 0;
    size_t end = 0;
    bool empty() const { return begin >= end; }
};

// Cuts at `separator` outside quotes, dollar quotes, parentheses and brackets. An empty text gives no slice.
std::vector<Slice> splitTopLevel(std::string_view text, char separator, size_t begin = 0,
                                 size_t end = std::string_view::npos);

// The first occurrence at top level of the keyword (whole word, any case; "ORDER BY" allows any white space between),
// from `from` on; npos if there is none.
size_t findKeyword(std::string_view text, std::string_view keyword, size_t from = 0);

// The offset of the parenthesis that closes the one at `open`; npos if there is none.
size_t closingParen(std::string_view text, size_t open);

// The first place from `at` on where no white space stands; the text's end if there is none.
size_t skipSpace(std::string_view text, size_t at);

// The end of [begin, end) without the white space at its end.
size_t trimEnd(std::string_view text, size_t begin, size_t end);

// The end of a keyword whose begin is known; its words may be apart by any white space.
size_t keywordEnd(std::string_view text, size_t at, std::string_view keyword);

// The length in bytes of the (possibly quoted, possibly dotted) name that starts at `at`.
size_t nameLength(std::string_view text, size_t at);

// The parts of a name, schema."Table": unquoted ones in lower case, as PostgreSQL reads them. None if it is no name.
std::vector<std::string> nameParts(std::string_view name);

// True if the text holds a comment outside quotes: `--` or `/*`. It would swallow what is spliced after it.
bool hasComment(std::string_view text);

// InventoryEvent → inventory_event, HTTPCall → http_call, order_item → order_item.
std::string snakeCase(std::string_view name);

// A list of types without modifiers, as in the identity of a function: "numeric(10,2), text" gives "numeric, text".
std::string withoutModifiers(const std::string& types);

}  // namespace specql
