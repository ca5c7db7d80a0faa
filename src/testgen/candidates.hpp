// Values worth trying for a column or a payload key: those that the conditions speak of, their neighbours on both
// sides, and a few plain ones.
#pragma once

#include <string>
#include <vector>

#include "spec/condition.hpp"

namespace specql::testgen {

// SQL expressions without a cast, best first, without duplicates; only NULL if nothing is known of the type.
// `place` shifts the plain values, so that columns of one row differ from each other.
std::vector<std::string> candidates(const std::string& type, const std::vector<std::string>& enumLabels,
                                    const spec::ConditionText& condition, size_t place);

// A value that no other row has, for keys and unique columns; empty if there is none for the type.
std::string uniqueValue(const std::string& type, int number);

// Values of which each has a number in it, where `numberMark` stands, for unique columns that a check restricts.
constexpr const char* numberMark = "{N}";
std::vector<std::string> uniquePatterns(const std::string& type);
std::string numbered(std::string value, int number);

bool isNumeric(const std::string& type);
bool isTime(const std::string& type);
bool isText(const std::string& type);

// The value, or any expression, as it stands in a statement: typed unless its form says the type.
std::string typedValue(const std::string& value, const std::string& type);

}  // namespace specql::testgen
