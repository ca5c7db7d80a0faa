// What must hold before an action does anything becomes the first of its steps.
#include "spec/validations.hpp"

#include "spec/batch.hpp"
#include "spec/coordinated.hpp"
#include "spec/rules.hpp"
#include "spec/saga.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

void readElementRule(ReadContext& context, const yaml::Node& node, Action& action, std::vector<Step>& steps) {
    FieldRule rule = readRule(context, node, allRules, elementValue);
    if (!rule) {
        return;
    }
    if (rule.field) {
        action.batch.told.insert(rule.field.value);
    }
    if (rule.rule.value == "required") {
        action.batch.optional.insert(rule.field.value);
    }
    if (rule.rule.value == "unique") {
        action.batch.uniques.push_back(std::move(rule));
    } else {
        steps.push_back(ruleTest(context, rule, rule.condition));
    }
}

void readCondition(ReadContext& context, const Text& text, Action& action, std::vector<Step>& steps) {
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

}  // namespace

std::string elementValue(const std::string& field) {
    return "payload." + quoteName(field);
}

Step uniqueTest(ReadContext& context, const FieldRule& rule, const std::string& entity, const std::string& ownRow) {
    return ruleTest(
        context, rule,
        written("NOT EXISTS (SELECT 1 FROM " + entity + " AS other WHERE other." +
                    quoteName(snakeCase(rule.field.value)) + " = " + elementValue(rule.field.value) + ownRow + ")",
                rule.field));
}

void readValidations(ReadContext& context, const yaml::Node& node, Action& action) {
    const yaml::Entry* entry = node.find("validations");
    if (entry == nullptr || isCoordinated(action) || isSaga(action)) {
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
    for (const yaml::Node* item : items) {
        if (item->kind == yaml::Node::Kind::mapping) {
            if (isBulk(action)) {
                readElementRule(context, *item, action, steps);
            } else {
                context.diagnostics.report(Code::S294, item->pos,
                                           "a rule for a field is of the elements of a bulk operation",
                                           "write the condition: validations: [\"price > 0\"]");
            }
        } else if (Text text = context.scalar(*item, "validations")) {
            readCondition(context, text, action, steps);
        }
    }
    for (Branch& branch : action.branches) {
        branch.steps.insert(branch.steps.begin(), steps.begin(), steps.end());
    }
    if (action.batch.byFields) {
        return;
    }
    for (const FieldRule& rule : action.batch.uniques) {
        context.diagnostics.report(Code::S298, rule.field.pos,
                                   "the rule unique does not know which rows and which of them is the element's own",
                                   "write operation: and fields: in place of steps:, or rule: custom with a condition");
    }
}

}  // namespace specql::spec
