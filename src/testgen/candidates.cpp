#include "testgen/candidates.hpp"

#include <algorithm>
#include <cstdio>

#include "resolve/world.hpp"
#include "testgen/sample.hpp"
#include "text/quote.hpp"
#include "time/decimal.hpp"

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

// What a numeric type has room for before the point, and the places after it in which values differ.
struct Digits {
    size_t before, after;
};

Digits digitsOf(const std::string& type) {
    if (type == "smallint") return {4, 0};
    if (type == "integer") return {9, 0};
    if (type == "bigint") return {18, 0};
    size_t precision = 0, scale = 0;
    if (std::sscanf(type.c_str(), "numeric(%zu,%zu)", &precision, &scale) < 1) return {18, 2};
    return {precision > scale ? precision - scale : 1, std::min<size_t>(scale, 6)};
}

// A number of a condition, or its neighbour; in whole numbers what stands before the point.
std::string neighbour(const std::string& number, int direction, size_t places) {
    time::Decimal value, step;
    if (!time::Decimal::parse(places == 0 ? number.substr(0, number.find('.')) : number, value)) return number;
    (void)time::Decimal::parse(places == 0 ? "1" : "0." + std::string(places - 1, '0') + "1", step);
    if (direction > 0) value += step;
    if (direction < 0) value -= step;
    return value.text();
}

void addNumbers(Values& values, const std::string& type, const spec::ConditionText& condition, size_t place) {
    const Digits digits = digitsOf(type);
    auto add = [&](const std::string& number) {
        size_t begin = number[0] == '-' ? 1 : 0, end = std::min(number.find('.'), number.size());
        if (end - begin <= digits.before) values.add(number);
    };
    for (const std::string& number : condition.numbers)
        for (int direction : {0, 1})
            add(neighbour(number, direction, digits.after));
    for (size_t base : {10, 11})
        add(std::to_string(base + 3 * (place % 20)));
    for (const std::string& number : condition.numbers)
        add(neighbour(number, -1, digits.after));
    for (const char* plain : {"1", "0", "-1", "2", "100", "10", "11", "9", "1000"})
        add(plain);
}

void addTimes(Values& values, const std::string& type, const spec::ConditionText& condition, size_t place) {
    auto add = [&](const std::string& sql) { values.add(type == "date" ? "(" + sql + ")::date" : sql); };
    for (const std::string& interval : condition.intervals)
        for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'", " + interval '1 day'"})
            for (const char* sign : {"-", "+"})
                add(std::string("now() ") + sign + " interval " + quoteLiteral(interval) + shift);
    for (const std::string& text : condition.texts)
        if (text.size() >= 10 && text[4] == '-' && text[7] == '-')
            for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'"})
                add("timestamptz " + quoteLiteral(text) + shift);
    add("now() - interval '" + std::to_string(1 + place % 20) + " hours'");
    for (const char* usual :
         {"now() - interval '400 days'", "now()", "now() + interval '1 hour'", "now() + interval '400 days'"})
        add(usual);
}

void addTexts(Values& values, const spec::ConditionText& condition, size_t place) {
    for (const std::string& text : condition.texts) {
        values.text(text);
        std::string plain = text;
        plain.erase(std::remove(plain.begin(), plain.end(), '%'), plain.end());
        values.text(plain);
    }
    // Of regular expressions: a text with a number in it, then two that differ.
    std::string sample;
    for (const std::string& text : condition.texts)
        if (numberedSampleOf(text, numberMark, sample)) values.text(sample);
    for (const std::string& text : condition.texts)
        for (size_t variant : {0, 1})
            if (sampleOf(text, variant, sample)) values.text(sample);
    for (const std::string& text : condition.texts)
        values.text(text + "x");
    values.text("text " + std::to_string(place + 1));
    for (const char* usual : {"specql", "a@example.com", "AB", "A1", "1", "2020-01-01"})
        values.text(usual);
}

void addObjects(Values& values, const spec::ConditionText& condition) {
    auto object = [&](const std::string& value) {
        std::vector<std::string> pairs;
        for (const std::string& key : condition.keys)
            pairs.push_back(quoteLiteral(key) + ", " + value);
        if (!pairs.empty()) values.add("jsonb_build_object(" + join(pairs, ", ") + ")");
    };
    for (const std::string& text : condition.texts)
        object(quoteLiteral(text) + "::text");
    for (const std::string& number : condition.numbers)
        for (int direction : {0, 1, -1})
            object(neighbour(number, direction, 0));
    object("'other'::text");
    for (const char* usual : {"'{\"a\": 1}'", "'{}'", "'[1, 2]'"})
        values.add(usual);
}

void addIntervals(Values& values, const spec::ConditionText& condition) {
    for (const std::string& interval : condition.intervals)
        for (const char* shift : {"", " + interval '1 second'", " - interval '1 second'"})
            values.add("interval " + quoteLiteral(interval) + shift);
    values.add("interval '1 hour'");
    values.add("interval '2 days'");
}

// No two of them overlap: they differ in the number. Then one that holds now, and none.
void addRanges(Values& values, const std::string& type) {
    const std::string number = numberMark, times = "'2001-01-01'::timestamp + " + number + " * interval '1 day'",
                      dates = "'2001-01-01'::date + 2 * " + number;
    if (type == "tsrange" || type == "tstzrange") {
        values.add(type + "(" + times + ", " + times + " + interval '1 hour')");
        values.add(type + "(now()::timestamp - interval '1 hour', now()::timestamp + interval '1 hour')");
    } else if (type == "daterange") {
        values.add("daterange(" + dates + ", " + dates + " + 1)");
        values.add("daterange(current_date - 1, current_date + 2)");
    } else {
        values.add(type + "(" + number + ", " + number + " + 1)");
    }
    values.add("'empty'");
}

// Two values of other types.
constexpr const char* others[][3] = {{"boolean", "true", "false"},
                                     {"inet", "'10.0.0.1'", "'192.0.2.1'"},
                                     {"cidr", "'10.0.0.0/8'", "'192.0.2.0/24'"},
                                     {"macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"},
                                     {"bytea", "'\\x01'", "'\\x02'"},
                                     {"xml", "'<a/>'", "'<b/>'"},
                                     {"time without time zone", "'10:00'", "'20:00'"},
                                     {"time with time zone", "'10:00+00'", "'20:00+00'"},
                                     {"point", "'(1,2)'", "'(3,4)'"},
                                     {"oid", "1", "2"}};

// For unique columns that have room for few characters only.
std::string shortText(size_t length, int number) {
    std::string text;
    for (; text.size() < length; number /= 36)
        text.insert(text.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]);
    return "'" + text + "'";
}

}  // namespace

bool isNumeric(const std::string& type) {
    for (const char* known : {"integer", "bigint", "smallint", "numeric", "real", "double precision"})
        if (type == known) return true;
    return resolve::startsWith(type, "numeric(");
}

bool isTime(const std::string& type) {
    return resolve::startsWith(type, "timestamp") || type == "date";
}

bool isText(const std::string& type) {
    return type == "text" || type == "character" || resolve::startsWith(type, "character") || type == "citext" ||
           type == "name";
}

std::vector<std::string> candidates(const std::string& type, const std::vector<std::string>& enumLabels,
                                    const spec::ConditionText& condition, size_t place) {
    Values values;
    if (!enumLabels.empty()) {
        for (const std::vector<std::string>* texts : {&condition.texts, &enumLabels})
            for (const std::string& text : *texts)
                if (std::find(enumLabels.begin(), enumLabels.end(), text) != enumLabels.end()) values.text(text);
    } else if (isNumeric(type)) {
        addNumbers(values, type, condition, place);
    } else if (isText(type)) {
        addTexts(values, condition, place);
    } else if (isTime(type)) {
        addTimes(values, type, condition, place);
    } else if (type == "uuid") {
        for (const std::string& text : condition.texts)
            if (text.size() == 36 && text[8] == '-') values.text(text);
        for (int base : {900000, 800000})
            values.add(uniqueValue(type, base + static_cast<int>(place)));
    } else if (type == "jsonb" || type == "json") {
        addObjects(values, condition);
    } else if ((type == "interval" || resolve::startsWith(type, "interval "))) {
        addIntervals(values, condition);
    } else if (resolve::endsWith(type, "[]")) {
        std::vector<std::string> inner = candidates(type.substr(0, type.size() - 2), {}, condition, place);
        if (inner.size() > 1) values.add("ARRAY[" + inner[0] + ", " + inner[1] + "]");
        for (const std::string& value : inner)
            values.add("ARRAY[" + value + "]");
        values.add("'{}'");
    } else if (resolve::endsWith(type, "range")) {
        addRanges(values, type);
    } else {
        for (const auto& [other, first, second] : others)
            if (type == other || resolve::startsWith(type, std::string(other) + "(")) {
                values.add(first);
                values.add(second);
            }
    }
    if (condition.mentionsNull || values.list.empty()) values.add("NULL");
    return values.list;
}

std::string uniqueValue(const std::string& type, int number) {
    const std::string digits = std::to_string(number);
    if (type == "uuid") return "'5eed0000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits + "'";
    if (type == "smallint") return std::to_string(30000 + number % 2000);
    if (type == "integer" || type == "bigint" || type == "numeric") return std::to_string(1900000000 + number);
    if (!isText(type)) return "";
    const size_t bracket = type.find('(');
    const size_t length = bracket == std::string::npos ? 16 : std::stoul(type.substr(bracket + 1));
    return length < 16 ? shortText(length, number) : "'specql-" + digits + "'";
}

std::vector<std::string> uniquePatterns(const std::string& type) {
    if (isNumeric(type)) return {"{N}", "190000{N}", "-{N}"};
    const std::string number = numberMark;
    if (type == "date") return {"'2001-01-01'::date + " + number};
    if (isTime(type)) return {"'2001-01-01'::timestamp + " + number + " * interval '1 hour'"};
    if (!isText(type)) return {};
    return {"'specql-{N}'", "'specql-{N}@example.com'", "'specql{N}'", "'SPECQL{N}'", "'{N}'"};
}

std::string numbered(std::string value, int number) {
    const std::string mark = numberMark, digits = std::to_string(number);
    for (size_t at = value.find(mark); at != std::string::npos; at = value.find(mark, at + digits.size()))
        value.replace(at, mark.size(), digits);
    return value;
}

std::string typedValue(const std::string& value, const std::string& type) {
    const bool number = !value.empty() && value.find_first_not_of("0123456789.") == std::string::npos;
    const bool point = value.find('.') != std::string::npos;
    if (number && (type == "integer" ? !point : type == "numeric" && point)) return value;
    if (type == "boolean" && (value == "true" || value == "false")) return value;
    // A literal, perhaps one that has the type already.
    const bool literal = value.size() >= 2 && value[0] == '\'';
    const size_t end = literal ? value.find('\'', 1) : std::string::npos;
    if (literal && value.substr(end + 1) == "::" + type) return value;
    return (number || value == "NULL" || end + 1 == value.size() ? value : "(" + value + ")") + "::" + type;
}

}  // namespace specql::testgen
