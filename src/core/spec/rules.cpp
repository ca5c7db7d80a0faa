// Each rule for a field becomes a condition that its value must fulfil.
#include "spec/rules.hpp"

#include <algorithm>

#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::spec {

const Words plainRules = {"required", "enum", "range", "length", "format", "custom"};
const Words allRules = {"required", "enum", "range", "length", "format", "unique", "custom"};

namespace {

const Words ruleKeys = {"field", "rule", "values", "min", "max", "pattern", "condition", "error"};

// A kind of rule, and the keys that say what it asks for: all of the needed ones, or one of `either`.
struct RuleKind {
    const char* name;
    Words needed, either;
    const char* example;
};
const std::vector<RuleKind> ruleKinds = {
    {"required", {}, {}, ""},
    {"enum", {"values"}, {}, "values: [EUR, USD]"},
    {"range", {}, {"min", "max"}, "min: 0"},
    {"length", {}, {"min", "max"}, "max: 40"},
    {"format", {"pattern"}, {}, "pattern: '^[A-Z]{3}$'"},
    {"unique", {}, {}, ""},
    {"custom", {"condition"}, {}, "condition: \"price > cost\""},
};

bool isNumber(const std::string& text) {
    size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    bool digit = false, point = false;
    for (; at < text.size(); ++at) {
        digit = digit || isAsciiDigit(text[at]);
        if (text[at] == '.' && !point) {
            point = true;
        } else if (!isAsciiDigit(text[at])) {
            return false;
        }
    }
    return digit;
}

class RuleReader {
public:
    RuleReader(ReadContext& context, const yaml::Node& node, FieldValue value)
        : context_(context), node_(node), value_(value) {}

    FieldRule read(const Words& kinds) {
        const size_t start = context_.diagnostics.errorCount();
        context_.checkKeys(node_, ruleKeys, "a rule");
        const bool isKnown = context_.diagnostics.errorCount() == start;
        readKind(kinds);
        const bool custom = read_.rule.value == "custom";
        read_.field = custom || !read_.rule ? context_.text(node_, "field")
                                            : context_.requiredText(node_, "field", ruleKeys, "a rule");
        const Text error = context_.text(node_, "error");
        if (!isKnown || !read_.rule || !(read_.field || custom)) {
            return {};
        }
        const size_t before = context_.diagnostics.errorCount();
        checkKeysOf(*std::find_if(ruleKinds.begin(), ruleKinds.end(),
                                  [&](const RuleKind& kind) { return kind.name == read_.rule.value; }));
        const yaml::Entry* values = node_.find("values");
        values_ = values != nullptr ? context_.texts(values->value, "values") : std::vector<Text>();
        min_ = context_.text(node_, "min");
        max_ = context_.text(node_, "max");
        pattern_ = context_.text(node_, "pattern");
        condition_ = context_.text(node_, "condition");
        checkBounds();
        if (context_.diagnostics.errorCount() > before) {
            return {};
        }
        if (custom) {
            read_.condition = condition_;
        } else if (read_.rule.value != "unique") {
            read_.condition = written(conditionText(), read_.rule);
        }
        read_.messageParts = readTemplate(context_, error, 0);
        read_.message = error ? error : written(message(), read_.field ? read_.field : condition_);
        return read_;
    }

private:
    void readKind(const Words& kinds) {
        const yaml::Entry* condition = node_.find("condition");
        if (node_.find("rule") != nullptr) {
            read_.rule = context_.choice(node_, "rule", kinds);
        } else if (condition != nullptr) {
            read_.rule = written("custom", condition->key);
        } else {
            context_.missing(node_, "rule", ruleKeys, "a rule");
        }
    }

    std::string named() const { return read_.field ? " of " + read_.field.value : ""; }

    void checkKeysOf(const RuleKind& kind) {
        const auto given = [&](const std::string& key) { return node_.find(key) != nullptr; };
        Words lacks = kind.needed;
        lacks.erase(std::remove_if(lacks.begin(), lacks.end(), given), lacks.end());
        const bool either = kind.either.empty() || std::any_of(kind.either.begin(), kind.either.end(), given);
        if (!lacks.empty() || !either) {
            context_.diagnostics.report(Code::S290, read_.rule.pos,
                                        "the rule " + read_.rule.value + named() + " lacks " +
                                            (lacks.empty() ? orList(kind.either) : join(lacks, ", ")),
                                        "write {" + (read_.field ? "field: " + read_.field.value + ", " : "") +
                                            "rule: " + read_.rule.value + ", " + kind.example + "}");
        }
        for (const yaml::Entry& entry : node_.entries) {
            const std::string& key = entry.key.value;
            if (!holds(ruleKeys, key) || key == "field" || key == "rule" || key == "error" || holds(kind.needed, key) ||
                holds(kind.either, key)) {
                continue;
            }
            std::string others;
            for (const RuleKind& other : ruleKinds) {
                if (holds(other.needed, key) || holds(other.either, key)) {
                    others += (others.empty() ? "" : " or ") + std::string(other.name);
                }
            }
            context_.diagnostics.report(Code::S291, entry.key.pos,
                                        "\"" + key + "\" means nothing for the rule " + read_.rule.value,
                                        "it is of the rule " + others);
        }
    }

    void checkBounds() {
        const bool length = read_.rule.value == "length";
        for (const Text* bound : {&min_, &max_}) {
            const bool whole = std::all_of(bound->value.begin(), bound->value.end(), isAsciiDigit);
            if (*bound && length && (!whole || bound->value.size() > 9)) {
                context_.diagnostics.report(Code::S292, bound->pos,
                                            "a length is a whole number of characters, not " + bound->value);
                return;
            }
        }
        if (!min_ || !max_ || !isNumber(min_.value) || !isNumber(max_.value)) {
            return;
        }
        if (std::stold(min_.value) > std::stold(max_.value)) {
            context_.diagnostics.report(Code::S292, min_.pos,
                                        "no value is at least " + min_.value + " and at most " + max_.value,
                                        "exchange \"min\" and \"max\"");
        }
    }

    // What is no number is a value as it stands between quotes: a day, a time.
    static std::string literal(const Text& value) {
        return isNumber(value.value) ? value.value : quoteLiteral(value.value);
    }

    // What is not there is not wrong, unless it is required.
    std::string conditionText() const {
        const std::string& rule = read_.rule.value;
        const std::string value = value_(read_.field.value), unlessNull = value + " IS NULL OR ";
        if (rule == "required") {
            return value + " IS NOT NULL";
        }
        if (rule == "enum") {
            Words literals;
            for (const Text& one : values_) {
                literals.push_back(quoteLiteral(one.value));
            }
            return unlessNull + value + " IN (" + join(literals, ", ") + ")";
        }
        if (rule == "format") {
            return unlessNull + value + " ~ " + quoteLiteral(pattern_.value);
        }
        const std::string measured = rule == "length" ? "char_length(" + value + ")" : value;
        if (min_ && max_) {
            return unlessNull + measured + " BETWEEN " + literal(min_) + " AND " + literal(max_);
        }
        return unlessNull + measured + (min_ ? " >= " + literal(min_) : " <= " + literal(max_));
    }

    std::string message() const {
        const std::string &rule = read_.rule.value, &field = read_.field.value;
        const std::string bounds = min_ && max_ ? "from " + min_.value + " to " + max_.value
                                   : min_       ? "at least " + min_.value
                                                : "at most " + max_.value;
        if (rule == "required") {
            return field + " is required";
        }
        if (rule == "enum") {
            Words words;
            for (const Text& one : values_) {
                words.push_back(one.value);
            }
            return field + " must be " + orList(words);
        }
        if (rule == "range") {
            return field + " must be " + bounds;
        }
        if (rule == "length") {
            return field + " must have " + bounds + " characters";
        }
        if (rule == "format") {
            return field + " does not have the format " + pattern_.value;
        }
        if (rule == "unique") {
            return "another row has this " + field;
        }
        return (read_.field ? field + " is not valid: " : "validation failed: ") + condition_.value;
    }

    ReadContext& context_;
    const yaml::Node& node_;
    const FieldValue value_;
    FieldRule read_;
    Text min_, max_, pattern_, condition_;
    std::vector<Text> values_;
};

}  // namespace

FieldRule readRule(ReadContext& context, const yaml::Node& node, const Words& kinds, FieldValue value) {
    return RuleReader(context, node, value).read(kinds);
}

Step ruleTest(ReadContext& context, const FieldRule& rule, const Text& condition) {
    Step step;
    step.kind = StepKind::validate;
    step.pos = rule.field ? rule.field.pos : condition.pos;
    step.verb = written("validate", rule.field ? rule.field : condition);
    step.field = rule.field;
    step.condition = context.queryable(condition);
    step.message = rule.message;
    step.messageParts = rule.messageParts;
    return step;
}

}  // namespace specql::spec
