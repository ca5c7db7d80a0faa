#include "spec/habits.hpp"

#include <string>

#include "text/ascii.hpp"

namespace specql::spec {

namespace {

constexpr const char* nowHint = "the time is now()";
constexpr const char* todayHint = "today is current_date";
constexpr const char* yesterdayHint = "yesterday is current_date - 1";
constexpr const char* tomorrowHint = "tomorrow is current_date + 1";
constexpr const char* uuidHint = "a new id is gen_random_uuid()";
constexpr const char* trueHint = "it is written true";
constexpr const char* falseHint = "it is written false";
constexpr const char* nullHint = "no value is written NULL";
constexpr const char* operationHint = "what has happened to the row is event_operation: 'insert', 'update' or 'delete'";
constexpr const char* equalHint = "equality is written =";
constexpr const char* coalesceHint = "the first value there is: coalesce(a, b)";
constexpr const char* caseHint = "a choice is written CASE WHEN condition THEN a ELSE b END";
constexpr const char* lengthHint = "the length of a text is length(x), of an array cardinality(x)";
constexpr const char* addTimeHint = "time is added with +: created_at + interval '1 day'";
constexpr const char* timeBetweenHint = "one time minus the other is the time between them";
constexpr const char* partHint = "a part of a time is extract(year FROM x), or month, day, hour";
constexpr const char* containsHint = "a text within a text: x LIKE '%text%'; a value of an array: value = ANY(x)";
constexpr const char* beginsHint = "how a text begins or ends: x LIKE 'text%', x LIKE '%text'";
constexpr const char* emptyHint = "no value is x IS NULL, the empty text x = ''";
constexpr const char* castHint = "a value becomes one of another type by x::text, x::integer";

constexpr struct {
    Habit kind;
    const char* written;
    const char* hint;
} habits[] = {
    {Habit::word, "now", nowHint},
    {Habit::word, "sysdate", nowHint},
    {Habit::word, "today", todayHint},
    {Habit::word, "yesterday", yesterdayHint},
    {Habit::word, "tomorrow", tomorrowHint},
    {Habit::word, "uuid", uuidHint},
    {Habit::word, "guid", uuidHint},
    {Habit::word, "yes", trueHint},
    {Habit::word, "on", trueHint},
    {Habit::word, "y", trueHint},
    {Habit::word, "no", falseHint},
    {Habit::word, "off", falseHint},
    {Habit::word, "n", falseHint},
    {Habit::word, "none", nullHint},
    {Habit::word, "nil", nullHint},
    {Habit::word, "undefined", nullHint},
    {Habit::word, "operation", operationHint},
    {Habit::word, "tg_op", operationHint},

    {Habit::moment, "now", nowHint},
    {Habit::moment, "now()", nowHint},
    {Habit::moment, "current_timestamp", nowHint},
    {Habit::moment, "today", todayHint},
    {Habit::moment, "current_date", todayHint},
    {Habit::moment, "yesterday", yesterdayHint},
    {Habit::moment, "tomorrow", tomorrowHint},

    {Habit::function, "ifnull", coalesceHint},
    {Habit::function, "nvl", coalesceHint},
    {Habit::function, "isnull", "no value is x IS NULL; the first value there is: coalesce(a, b)"},
    {Habit::function, "is_null", emptyHint},
    {Habit::function, "isempty", emptyHint},
    {Habit::function, "is_empty", emptyHint},
    {Habit::function, "isblank", emptyHint},
    {Habit::function, "empty", emptyHint},
    {Habit::function, "if", caseHint},
    {Habit::function, "iif", caseHint},
    {Habit::function, "iff", caseHint},
    {Habit::function, "decode", caseHint},
    {Habit::function, "len", lengthHint},
    {Habit::function, "size", lengthHint},
    {Habit::function, "count", lengthHint},
    {Habit::function, "getdate", nowHint},
    {Habit::function, "sysdate", nowHint},
    {Habit::function, "today", todayHint},
    {Habit::function, "curdate", todayHint},
    {Habit::function, "dateadd", addTimeHint},
    {Habit::function, "date_add", addTimeHint},
    {Habit::function, "adddate", addTimeHint},
    {Habit::function, "date_sub", addTimeHint},
    {Habit::function, "datediff", timeBetweenHint},
    {Habit::function, "timediff", timeBetweenHint},
    {Habit::function, "year", partHint},
    {Habit::function, "month", partHint},
    {Habit::function, "day", partHint},
    {Habit::function, "hour", partHint},
    {Habit::function, "contains", containsHint},
    {Habit::function, "includes", containsHint},
    {Habit::function, "has", containsHint},
    {Habit::function, "charindex", "the place of a text within a text is position('text' in x)"},
    {Habit::function, "instr", "the place of a text within a text is position('text' in x)"},
    {Habit::function, "startswith", beginsHint},
    {Habit::function, "endswith", beginsHint},
    {Habit::function, "ends_with", beginsHint},
    {Habit::function, "uuid", uuidHint},
    {Habit::function, "newid", uuidHint},
    {Habit::function, "ucase", "capital letters are upper(x)"},
    {Habit::function, "lcase", "small letters are lower(x)"},
    {Habit::function, "str", castHint},
    {Habit::function, "tostring", castHint},
    {Habit::function, "to_string", castHint},
    {Habit::function, "int", castHint},
    {Habit::function, "to_int", castHint},
    {Habit::function, "convert", castHint},

    {Habit::symbol, "===", equalHint},
    {Habit::symbol, "==", equalHint},
    {Habit::symbol, "!==", "inequality is written <>"},
    {Habit::symbol, "=!", "inequality is written <>"},
    {Habit::symbol, "=<", "at most is written <="},
    {Habit::symbol, "=>", "at least is written >="},
    {Habit::symbol, "&&", "a conjunction is written AND"},
    {Habit::symbol, "||", "a disjunction is written OR; || joins texts"},
    {Habit::symbol, "!", "a negation is written NOT"},
    {Habit::symbol, "**", "a power is written ^"},
    {Habit::symbol, "??", coalesceHint},
    {Habit::symbol, "?", caseHint},
    {Habit::symbol, "+", "texts are joined with ||"},

    {Habit::infix, "is", "after IS stands NULL, TRUE, FALSE or DISTINCT FROM; equality is written ="},
    {Habit::infix, "in", "the values stand in parentheses: IN ('a', 'b')"},
    {Habit::infix, "contains", containsHint},
    {Habit::infix, "includes", containsHint},
    {Habit::infix, "has", containsHint},
    {Habit::infix, "startswith", beginsHint},
    {Habit::infix, "endswith", beginsHint},
    {Habit::infix, "equals", equalHint},
    {Habit::infix, "eq", equalHint},
    {Habit::infix, "ne", "inequality is written <>"},
    {Habit::infix, "gt", "more than is written >"},
    {Habit::infix, "lt", "less than is written <"},
    {Habit::infix, "gte", "at least is written >="},
    {Habit::infix, "lte", "at most is written <="},
    {Habit::infix, "≠", "inequality is written <>"},
    {Habit::infix, "≥", "at least is written >="},
    {Habit::infix, "≤", "at most is written <="},
    {Habit::infix, "matches", "a pattern is matched by LIKE, a regular expression by ~"},
    {Habit::infix, "xor", "either one or the other of two conditions is a <> b"},
    {Habit::infix, "current_date", "current_date is written without parentheses"},
    {Habit::infix, "current_timestamp", "current_timestamp is written without parentheses"},
    {Habit::infix, "current_time", "current_time is written without parentheses"},
    {Habit::infix, "current_user", "current_user is written without parentheses"},

    {Habit::key, "primary_key in an entity", "write key: [a, b]"},
};

std::string lowerCase(std::string_view text) {
    std::string lower;
    for (char c : text)
        lower += toAsciiLower(c);
    return lower;
}

// The word that ends before `end`, blanks between them aside.
std::string wordBefore(std::string_view text, size_t end) {
    while (end > 0 && isSpace(text[end - 1]))
        --end;
    size_t begin = end;
    while (begin > 0 && isNamePart(text[begin - 1]))
        --begin;
    return lowerCase(text.substr(begin, end - begin));
}

}  // namespace

const char* habit(Habit kind, std::string_view written) {
    for (const auto& known : habits)
        if (known.kind == kind && written == known.written) return known.hint;
    return nullptr;
}

const char* syntaxHabit(std::string_view text, size_t offset) {
    if (const char* hint = habit(Habit::infix, wordBefore(text, offset))) return hint;
    size_t end = offset;
    while (end < text.size() && isNamePart(text[end]))
        ++end;
    if (const char* hint = habit(Habit::infix, lowerCase(text.substr(offset, end - offset)))) return hint;
    if (text.find("&&") != std::string_view::npos) return habit(Habit::symbol, "&&");
    return text.find(" ? ") != std::string_view::npos ? caseHint : nullptr;
}

}  // namespace specql::spec
