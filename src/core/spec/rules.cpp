// Rules for the fields of elements. Each becomes a condition that the element must fulfil.
#include <algorithm>

#include "spec/batch.hpp"
#include "spec/coordinated.hpp"
#include "spec/parts.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

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

bool holds(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

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
    RuleReader(ReadContext& context, Action& action) : context_(context), action_(action) {}

    void read(const yaml::Node& node, std::vector<Step>& steps) {
        context_.checkKeys(node, ruleKeys, "a rule");
        field_ = context_.requiredText(node, "field", ruleKeys, "a rule");
        Words names;
        for (const RuleKind& kind : ruleKinds) {
            names.emplace_back(kind.name);
        }
        if (node.find("rule") == nullptr) {
            context_.missing(node, "rule", ruleKeys, "a rule");
        }
        rule_ = context_.choice(node, "rule", names);
        error_ = context_.text(node, "error");
        if (!field_ || !rule_) {
            return;
        }
        const size_t before = context_.diagnostics.errorCount();
        const RuleKind& kind =
            ruleKinds[static_cast<size_t>(std::find(names.begin(), names.end(), rule_.value) - names.begin())];
        checkKeysOf(node, kind);
        values_ =
            node.find("values") != nullptr ? context_.texts(node.find("values")->value, "values") : std::vector<Text>();
        min_ = context_.text(node, "min");
        max_ = context_.text(node, "max");
        pattern_ = context_.text(node, "pattern");
        condition_ = context_.text(node, "condition");
        checkBounds();
        if (context_.diagnostics.errorCount() > before) {
            return;
        }
        action_.batch.told.insert(field_.value);
        if (rule_.value == "required") {
            action_.batch.optional.insert(field_.value);
        }
        if (rule_.value == "unique") {
            action_.batch.uniques.push_back({field_, message(), readTemplate(context_, error_, 0)});
            return;
        }
        const bool custom = rule_.value == "custom";
        Step step = test(custom ? condition_ : written(conditionText(), rule_));
        step.message = message();
        step.messageParts = readTemplate(context_, error_, 0);
        steps.push_back(std::move(step));
    }

    // A test of the element under the message of the rule.
    Step unique(const UniqueRule& rule, const std::string& condition) {
        field_ = rule.field;
        Step step = test(written(condition, field_));
        step.message = rule.message;
        step.messageParts = rule.parts;
        return step;
    }

private:
    void checkKeysOf(const yaml::Node& node, const RuleKind& kind) {
        Words lacks = kind.needed;
        lacks.erase(std::remove_if(lacks.begin(), lacks.end(), [&](const std::string& key) { return node.find(key); }),
                    lacks.end());
        bool either = kind.either.empty() || std::any_of(kind.either.begin(), kind.either.end(),
                                                         [&](const std::string& key) { return node.find(key); });
        if (!lacks.empty() || !either) {
            context_.diagnostics.report(
                Code::S290, rule_.pos,
                "the rule " + rule_.value + " of " + field_.value + " lacks " +
                    (lacks.empty() ? orList(kind.either) : join(lacks, ", ")),
                "write {field: " + field_.value + ", rule: " + rule_.value + ", " + kind.example + "}");
        }
        for (const yaml::Entry& entry : node.entries) {
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
                                        "\"" + key + "\" means nothing for the rule " + rule_.value,
                                        "it is of the rule " + others);
        }
    }

    void checkBounds() {
        const bool length = rule_.value == "length";
        for (const Text* bound : {&min_, &max_}) {
            bool whole = std::all_of(bound->value.begin(), bound->value.end(), isAsciiDigit);
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
        const std::string value = elementValue(field_.value), unlessNull = value + " IS NULL OR ";
        if (rule_.value == "required") {
            return value + " IS NOT NULL";
        }
        if (rule_.value == "enum") {
            Words literals;
            for (const Text& one : values_) {
                literals.push_back(quoteLiteral(one.value));
            }
            return unlessNull + value + " IN (" + join(literals, ", ") + ")";
        }
        if (rule_.value == "format") {
            return unlessNull + value + " ~ " + quoteLiteral(pattern_.value);
        }
        const std::string measured = rule_.value == "length" ? "char_length(" + value + ")" : value;
        if (min_ && max_) {
            return unlessNull + measured + " BETWEEN " + literal(min_) + " AND " + literal(max_);
        }
        return unlessNull + measured + (min_ ? " >= " + literal(min_) : " <= " + literal(max_));
    }

    Text message() const {
        if (error_) {
            return error_;
        }
        std::string bounds = min_ && max_ ? "from " + min_.value + " to " + max_.value
                             : min_       ? "at least " + min_.value
                                          : "at most " + max_.value;
        if (rule_.value == "required") {
            return written(field_.value + " is required", field_);
        }
        if (rule_.value == "enum") {
            Words words;
            for (const Text& one : values_) {
                words.push_back(one.value);
            }
            return written(field_.value + " must be " + orList(words), field_);
        }
        if (rule_.value == "range") {
            return written(field_.value + " must be " + bounds, field_);
        }
        if (rule_.value == "length") {
            return written(field_.value + " must have " + bounds + " characters", field_);
        }
        if (rule_.value == "format") {
            return written(field_.value + " does not have the format " + pattern_.value, field_);
        }
        if (rule_.value == "unique") {
            return written("another row has this " + field_.value, field_);
        }
        return written(field_.value + " is not valid: " + condition_.value, field_);
    }

    Step test(const Text& condition) {
        Step step;
        step.kind = StepKind::validate;
        step.verb = written("validate", field_);
        step.field = field_;
        step.condition = context_.queryable(condition);
        step.pos = field_.pos;
        return step;
    }

    ReadContext& context_;
    Action& action_;
    Text field_, rule_, error_, min_, max_, pattern_, condition_;
    std::vector<Text> values_;
};

}  // namespace

std::string elementValue(const std::string& field) {
    return "payload." + quoteName(field);
}

Step uniqueTest(ReadContext& context, Action& action, const UniqueRule& rule, const std::string& entity,
                const std::string& ownRow) {
    return RuleReader(context, action)
        .unique(rule, "NOT EXISTS (SELECT 1 FROM " + entity + " AS other WHERE other." +
                          quoteName(snakeCase(rule.field.value)) + " = " + elementValue(rule.field.value) + ownRow +
                          ")");
}

void readValidations(ReadContext& context, const yaml::Node& node, Action& action) {
    const yaml::Entry* entry = node.find("validations");
    if (entry == nullptr || isCoordinated(action)) {
        return;
    }
    const yaml::Node& value = entry->value;
    std::vector<const yaml::Node*> items = {&value};
    if (value.kind == yaml::Node::Kind::sequence) {
        items.clear();
        for (const yaml::Node& item : value.items) {
            items.push_back(&item);
        }
        if (items.empty()) {
            context.diagnostics.report(Code::S004, value.pos, "\"validations\" is empty");
        }
    }
    std::vector<Step> steps;
    RuleReader rules(context, action);
    for (const yaml::Node* item : items) {
        if (item->kind == yaml::Node::Kind::mapping) {
            if (isBulk(action)) {
                rules.read(*item, steps);
            } else {
                context.diagnostics.report(Code::S294, item->pos,
                                           "a rule for a field is of the elements of a bulk operation",
                                           "write the condition: validations: [\"price > 0\"]");
            }
            continue;
        }
        Text text = context.scalar(*item, "validations");
        if (!text) {
            continue;
        }
        action.validations.push_back(text);
        Step step;
        step.kind = StepKind::validate;
        step.verb = text;
        step.verb.value = "validate";
        step.condition = context.queryable(text);
        step.pos = text.pos;
        if (step.condition) {
            steps.push_back(std::move(step));
        }
    }
    for (Branch& branch : action.branches) {
        branch.steps.insert(branch.steps.begin(), steps.begin(), steps.end());
    }
    if (action.batch.byFields) {
        return;
    }
    for (const UniqueRule& rule : action.batch.uniques) {
        context.diagnostics.report(Code::S298, rule.field.pos,
                                   "the rule unique does not know which rows and which of them is the element's own",
                                   "write operation: and fields: in place of steps:, or rule: custom with a condition");
    }
}

}  // namespace specql::spec
