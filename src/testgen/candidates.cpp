#include "testgen/candidates.hpp"

#include <algorithm>
#include <cstdlib>

#include "resolve/world.hpp"
#include "testgen/sample.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

class Values {
public:
    void add(std::string value) {
        if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
    }
    void text(const std::string& value) { add(quoteLiteral(value)); }
    std::vector<std::string> list;
};

size_t decimals(const std::string& number) {
    size_t dot = number.find('.');
    return dot == std::string::npos ? 0 : number.size() - dot - 1;
}

// number + steps * 10^-places, exactly; numbers too long for that are left out.
bool shifted(const std::string& number, long long steps, size_t places, std::string& result) {
    std::string digits = number;
    size_t own = decimals(number);
    if (own > 0) digits.erase(digits.find('.'), 1);
    if (digits.size() > 15 || places > 6 || own > 6) return false;
    size_t scale = std::max(own, places);
    long long value = std::atoll(digits.c_str());
    for (size_t at = own; at < scale; at++)
        value *= 10;
    for (size_t at = places; at < scale; at++)
        steps *= 10;
    value += steps;
    bool negative = value < 0;
    result = std::to_string(negative ? -value : value);
    if (scale > 0) {
        if (result.size() <= scale) result.insert(0, scale + 1 - result.size(), '0');
        result.insert(result.size() - scale, ".");
        while (result.back() == '0')
            result.pop_back();
        if (result.back() == '.') result.pop_back();
    }
    if (negative) result.insert(0, "-");
    return true;
}

// Digits before the point that a type has room for.
size_t wholeDigits(const std::string& type) {
    if (type == "smallint") return 4;
    if (type == "integer") return 9;
    if (!resolve::startsWith(type, "numeric(")) return 18;
    size_t comma = type.find(',');
    size_t digits = std::strtoul(type.c_str() + 8, nullptr, 10);
    size_t places = comma == std::string::npos ? 0 : std::strtoul(type.c_str() + comma + 1, nullptr, 10);
    return digits > places ? digits - places : 1;
}

bool fits(const std::string& number, size_t digits) {
    size_t begin = number[0] == '-' ? 1 : 0, end = std::min(number.find('.'), number.size());
    return end - begin <= digits;
}

bool isUuid(const std::string& text) {
    return text.size() == 36 && text.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
}

void addNumbers(Values& values, const std::string& type, const spec::ConditionText& condition, size_t place) {
    bool whole = isInteger(type);
    size_t places = whole ? 0 : 2;
    size_t comma = type.find(',');
    if (comma != std::string::npos) places = std::min<size_t>(std::strtoul(type.c_str() + comma + 1, nullptr, 10), 6);
    if (resolve::startsWith(type, "numeric(") && comma == std::string::npos) places = 0;
    std::string value;
    auto add = [&](std::initializer_list<long long> shifts) {
        for (const std::string& number : condition.numbers) {
            bool exact = !whole || decimals(number) == 0;
            for (long long steps : shifts)
                if (exact ? shifted(number, steps, places, value)
                          : shifted(number.substr(0, number.find('.')), steps, 0, value))
                    values.add(value);
        }
    };
    add({0, 1});
    for (long long base : {10, 11})
        values.add(std::to_string(base + 3 * static_cast<long long>(place % 20)));
    add({-1});
    for (const char* base : {"1", "0", "-1", "2", "100", "10", "11", "9", "1000"})
        values.add(base);
    size_t digits = wholeDigits(type);
    values.list.erase(std::remove_if(values.list.begin(), values.list.end(),
                                     [&](const std::string& value) { return !fits(value, digits); }),
                      values.list.end());
}

void addTimes(Values& values, const std::string& type, const spec::ConditionText& condition, size_t place) {
    auto add = [&](const std::string& sql) { values.add(type == "date" ? "(" + sql + ")::date" : sql); };
    for (const std::string& interval : condition.intervals)
        for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'", " + interval '1 day'"}) {
            add("now() - interval " + quoteLiteral(interval) + shift);
            add("now() + interval " + quoteLiteral(interval) + shift);
        }
    for (const std::string& text : condition.texts)
        if (text.size() >= 10 && text[4] == '-' && text[7] == '-')
            for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'"})
                add("timestamptz " + quoteLiteral(text) + shift);
    add("now() - interval '" + std::to_string(1 + place % 20) + " hours'");
    add("now() - interval '400 days'");
    add("now()");
    add("now() + interval '1 hour'");
    add("now() + interval '400 days'");
}

// Texts that satisfy the checks of rich types, and the usual ones of hand-written tables; two of a kind where a
// condition may compare them.
constexpr const char* usualTexts[] = {"specql",
                                      "a@example.com",
                                      "https://example.com/a",
                                      "#aabbcc",
                                      "AB",
                                      "ABC",
                                      "en",
                                      "slug-a",
                                      "+15550100",
                                      "UTC",
                                      "a",
                                      "A1",
                                      "0000000000",
                                      "1",
                                      "A",
                                      "2020-01-01",
                                      "b@example.com",
                                      "https://example.com/b",
                                      "#ccbbaa",
                                      "CD",
                                      "DEF",
                                      "fr"};

void addTexts(Values& values, const spec::ConditionText& condition, size_t place) {
    for (const std::string& text : condition.texts) {
        values.text(text);
        std::string plain = text;
        plain.erase(std::remove_if(plain.begin(), plain.end(), [](char c) { return c == '%' || c == '_'; }),
                    plain.end());
        if (plain != text && text.find('%') != std::string::npos) values.text(plain);
    }
    std::string sample;
    for (const std::string& text : condition.texts)
        if (numberedSampleOf(text, numberMark, sample)) values.text(sample);
    for (const std::string& text : condition.texts)
        for (size_t variant : {0, 1})
            if (sampleOf(text, variant, sample)) values.text(sample);
    for (const std::string& text : condition.texts)
        values.text(text + "x");
    values.text("text " + std::to_string(place + 1));
    for (const char* text : usualTexts)
        values.text(text);
}

void addObjects(Values& values, const spec::ConditionText& condition) {
    auto object = [&](const std::string& value) {
        std::vector<std::string> pairs;
        for (const std::string& key : condition.keys)
            pairs.push_back(quoteLiteral(key) + ", " + value);
        values.add("jsonb_build_object(" + join(pairs, ", ") + ")");
    };
    std::string value;
    if (!condition.keys.empty()) {
        for (const std::string& text : condition.texts)
            object(quoteLiteral(text) + "::text");
        for (const std::string& number : condition.numbers)
            for (long long steps : {0, 1, -1})
                if (shifted(number, steps, 0, value)) object(value);
        object("'other'::text");
    }
    values.add("'{\"a\": 1}'");
    values.add("'{}'");
    values.add("'[1, 2]'");
}

// No two of them overlap: they differ in the number. Then one that holds now, and none.
void addRanges(Values& values, const std::string& type) {
    const std::string number = numberMark;
    if (type == "int4range" || type == "int8range" || type == "numrange")
        values.add(type + "(" + number + ", " + number + " + 1)");
    for (const char* time : {"tsrange", "tstzrange"}) {
        if (type != time) continue;
        std::string start = "'2001-01-01'::timestamp + " + number + " * interval '1 day'";
        values.add(type + "(" + start + ", " + start + " + interval '1 hour')");
        values.add(type + "(now()::timestamp - interval '1 hour', now()::timestamp + interval '1 hour')");
    }
    if (type == "daterange") {
        values.add("daterange('2001-01-01'::date + 2 * " + number + ", '2001-01-01'::date + 2 * " + number + " + 1)");
        values.add("daterange(current_date - 1, current_date + 2)");
    }
    values.add("'empty'");
}

// For unique columns that have room for few characters only.
std::string shortText(size_t length, int number) {
    std::string text;
    for (; text.size() < length; number /= 36)
        text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
    return "'" + text + "'";
}

constexpr const char* others[][3] = {{"inet", "'10.0.0.1'", "'192.0.2.1'"},
                                     {"cidr", "'10.0.0.0/8'", "'192.0.2.0/24'"},
                                     {"macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"},
                                     {"bytea", "'\\x01'", "'\\x02'"},
                                     {"xml", "'<a/>'", "'<b/>'"},
                                     {"time without time zone", "'10:00'", "'20:00'"},
                                     {"time with time zone", "'10:00+00'", "'20:00+00'"},
                                     {"point", "'(1,2)'", "'(3,4)'"},
                                     {"oid", "1", "2"}};

}  // namespace

bool isInteger(const std::string& type) {
    return type == "integer" || type == "bigint" || type == "smallint";
}
bool isNumeric(const std::string& type) {
    return isInteger(type) || type == "numeric" || resolve::startsWith(type, "numeric(") || type == "real" ||
           type == "double precision";
}
bool isTime(const std::string& type) {
    return resolve::startsWith(type, "timestamp") || type == "date";
}
bool isText(const std::string& type) {
    return type == "text" || resolve::startsWith(type, "character") || type == "citext" || type == "name";
}

std::vector<std::string> candidates(const std::string& type, const std::vector<std::string>& enumLabels,
                                    const spec::ConditionText& condition, size_t place) {
    Values values;
    if (!enumLabels.empty()) {
        for (const std::string& text : condition.texts)
            if (std::find(enumLabels.begin(), enumLabels.end(), text) != enumLabels.end()) values.text(text);
        for (const std::string& label : enumLabels)
            values.text(label);
    } else if (isNumeric(type)) {
        addNumbers(values, type, condition, place);
    } else if (isText(type)) {
        addTexts(values, condition, place);
    } else if (type == "boolean") {
        values.add("true");
        values.add("false");
    } else if (isTime(type)) {
        addTimes(values, type, condition, place);
    } else if (type == "uuid") {
        for (const std::string& text : condition.texts)
            if (isUuid(text)) values.text(text);
        values.add(uniqueValue(type, 900000 + static_cast<int>(place)));
        values.add(uniqueValue(type, 800000 + static_cast<int>(place)));
    } else if (type == "jsonb" || type == "json") {
        addObjects(values, condition);
    } else if (type == "interval" || resolve::startsWith(type, "interval ")) {
        for (const std::string& interval : condition.intervals)
            for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'"})
                values.add("interval " + quoteLiteral(interval) + shift);
        values.add("interval '1 hour'");
        values.add("interval '2 days'");
    } else if (resolve::endsWith(type, "[]")) {
        std::vector<std::string> inner = candidates(type.substr(0, type.size() - 2), {}, condition, place);
        if (inner.size() > 1) values.add("ARRAY[" + inner[0] + ", " + inner[1] + "]");
        for (const std::string& value : inner)
            values.add("ARRAY[" + value + "]");
        values.add("'{}'");
    } else if (resolve::endsWith(type, "range")) {
        addRanges(values, type);
    } else {
        for (const auto& other : others)
            if (type == other[0] || resolve::startsWith(type, std::string(other[0]) + "(")) {
                values.add(other[1]);
                values.add(other[2]);
            }
    }
    if (condition.mentionsNull || values.list.empty()) values.add("NULL");
    return values.list;
}

std::string uniqueValue(const std::string& type, int number) {
    if (type == "uuid") {
        std::string digits = std::to_string(number);
        return "'5eed0000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits + "'";
    }
    if (type == "smallint") return std::to_string(30000 + number % 2000);
    if (type == "integer" || type == "bigint") return std::to_string(1900000000 + number);
    if (type == "numeric") return std::to_string(1900000000 + number);
    if (resolve::startsWith(type, "character") && type.back() == ')') {
        size_t length = std::strtoul(type.c_str() + type.find('(') + 1, nullptr, 10);
        if (length < 16) return shortText(length, number);
    }
    if (isText(type)) return "'specql-" + std::to_string(number) + "'";
    return "";
}

std::vector<std::string> uniquePatterns(const std::string& type) {
    if (isNumeric(type)) return {"{N}", "190000{N}", "-{N}"};
    if (!isText(type)) return {};
    return {"'specql-{N}'",
            "'specql-{N}@example.com'",
            "'https://example.com/specql-{N}'",
            "'specql{N}'",
            "'SPECQL{N}'",
            "'SPECQL-{N}'",
            "'+1555{N}'",
            "'{N}'"};
}

std::string numbered(std::string value, int number) {
    const std::string mark = numberMark, digits = std::to_string(number);
    for (size_t at = value.find(mark); at != std::string::npos; at = value.find(mark, at + digits.size()))
        value.replace(at, mark.size(), digits);
    return value;
}

std::string typedValue(const std::string& value, const std::string& type) {
    bool number = !value.empty() && value.find_first_not_of("0123456789.") == std::string::npos;
    if (number && (type == "integer" || (type == "numeric" && value.find('.') != std::string::npos))) return value;
    if (value == "true" || value == "false") return value;
    bool negative =
        value.size() > 1 && value[0] == '-' && value.find_first_not_of("0123456789", 1) == std::string::npos;
    if (negative && type == "integer") return "(" + value + ")";
    bool literal = value.size() >= 2 && value.front() == '\'' && value.back() == '\'';
    if (number || literal || value == "NULL") return value + "::" + type;
    return "(" + value + ")::" + type;
}

std::string castTo(const std::string& sql, const std::string& type) {
    bool number = sql.find_first_not_of("0123456789") == std::string::npos;
    if ((number && type == "integer") || (type == "boolean" && (sql == "true" || sql == "false"))) return sql;
    // A literal that has the type already.
    std::string ending = "::" + type;
    if (resolve::endsWith(sql, ending) && sql.find('\'', 1) == sql.size() - ending.size() - 1 && sql[0] == '\'')
        return sql;
    bool literal = sql.size() >= 2 && sql[0] == '\'' && sql.find('\'', 1) == sql.size() - 1;
    return (literal ? sql : "(" + sql + ")") + ending;
}

}  // namespace specql::testgen
