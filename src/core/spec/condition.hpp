// A condition taken apart as text: its comparisons, and the constants in it. PostgreSQL's parser has accepted the text
// before, so this only needs to find where parts begin and end; what it does not understand stays one part.
#pragma once

#include <string>
#include <vector>

namespace specql::spec {

// A part of a condition that is joined to others by AND, OR and NOT: `new_stock > 0`.
struct Atom {
    size_t begin = 0, end = 0;  // bytes
    bool conjunct = false;      // the condition cannot hold unless this part does
};

struct ConditionText {
    std::vector<Atom> atoms;
    std::vector<std::string> numbers;    // 10, 0.5
    std::vector<std::string> texts;      // what stands between quotes
    std::vector<std::string> intervals;  // of INTERVAL '1 hour'
    std::vector<std::string> keys;       // of ->> 'key'
    bool mentionsNull = false;
};

ConditionText readCondition(const std::string& text);

// `column op number` or `number op column`, without anything else: the atom as an interval.
struct Bound {
    std::string name;        // as written
    std::string comparison;  // =, <>, <, <=, >, >=, read from the name's side
    std::string other;       // a number, a quoted text, or another name
    enum class Kind { number, text, name } kind = Kind::number;
};
bool readBound(const std::string& atom, Bound& bound);

// `column BETWEEN a AND b`: what it says of the column, at both ends.
bool readBetween(const std::string& atom, Bound& low, Bound& high);

// `column IN (a, b)` or NOT IN, with constants and NULL alone.
struct Choice {
    bool isNegated = false, hasNull = false;
    std::vector<std::string> numbers, texts;
};
bool readChoice(const std::string& atom, Choice& choice);

// `column IS NULL` or `column IS NOT NULL`, without anything else.
bool readNullTest(const std::string& atom, bool& isNull);

// FALSE or NULL as a whole condition, in any case.
bool isNeverTrue(const std::string& atom);

}  // namespace specql::spec
