#include "spec/saga.hpp"

#include <algorithm>

#include "spec/process.hpp"
#include "spec/rules.hpp"
#include "spec/workflow.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words patterns = {"multi_entity/saga_orchestrator", "saga_orchestrator"};
const Words formKeys = {"action",    "entity", "fields",    "condition", "service", "method",
                        "operation", "params", "recipient", "message",   "event"};
const Words ownKeys = {"name", "validations", "retries", "timeout", "compensation", "parallel", "branches"};
constexpr int64_t longestSagaMs = 366LL * 24 * 3600 * 1000;

std::string fieldValue(const std::string& field) {
    return quoteName(field);
}

bool writesRows(const Step& step) {
    return step.kind == StepKind::insert || step.kind == StepKind::update || step.kind == StepKind::remove;
}

bool findsRows(const Step& step) {
    return step.kind == StepKind::update || step.kind == StepKind::remove;
}

// The mapping without the keys of others, and, if that is not which rows, without its condition.
yaml::Node formOf(const yaml::Node& node) {
    yaml::Node form = node;
    const yaml::Entry* action = node.find("action");
    const bool choosesRows =
        action != nullptr && (action->value.scalar.value == "update" || action->value.scalar.value == "delete");
    auto isOther = [&](const yaml::Entry& entry) {
        return !holds(formKeys, entry.key.value) || (entry.key.value == "condition" && !choosesRows);
    };
    form.entries.erase(std::remove_if(form.entries.begin(), form.entries.end(), isOther), form.entries.end());
    return form;
}

class SagaReader {
public:
    SagaReader(ReadContext& context, std::vector<Step>& steps) : context_(context), stages_(context, steps) {}

    void read(const yaml::Node& node) {
        readEnd(node, "failure_action");
        if (const yaml::Node* steps = context_.list(node, "saga_steps")) {
            if (steps->items.empty()) {
                context_.diagnostics.report(Code::S004, steps->pos, "\"saga_steps\" is empty");
            }
            for (const yaml::Node& item : steps->items) {
                readStep(item, 0);
            }
        } else if (node.find("saga_steps") == nullptr) {
            context_.missing(node, "saga_steps", {"saga_steps"}, "a saga");
        }
        readEnd(node, "success_action");
        stages_.link();
    }

private:
    // What is done when all is undone is what undoes a first step that does nothing; what is done in the end, a last
    // one.
    void readEnd(const yaml::Node& node, const char* key) {
        const yaml::Entry* entry = node.find(key);
        if (entry == nullptr) {
            return;
        }
        std::vector<Step> steps = readPlainSteps(context_, node, key);
        Step& stage = stages_.at(stages_.add(written(key, entry->key), entry->key.pos, StageKind::run, 0));
        (std::string(key) == "failure_action" ? stage.otherwise : stage.then) = std::move(steps);
    }

    void readStep(const yaml::Node& item, int parent) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S003, item.pos, "a step of a saga must be a mapping",
                                        "for example {name: make_order, action: insert, entity: Order}");
            return;
        }
        Words keys = ownKeys;
        keys.insert(keys.end(), formKeys.begin(), formKeys.end());
        context_.checkKeys(item, keys, "a step of a saga");
        const Text name = stages_.name(item, "name", keys, "a step of a saga");
        int kinds = 0;
        for (const char* key : {"action", "parallel", "branches"}) {
            kinds += item.find(key) != nullptr ? 1 : 0;
        }
        if (kinds != 1) {
            context_.diagnostics.report(
                Code::S351, item.pos, "the step " + name.value + " does " + (kinds == 0 ? "nothing" : "several things"),
                hintOf(Code::S351));
            return;
        }
        const Text named = name ? name : written("step", {});
        if (item.find("parallel") != nullptr) {
            return readParallel(item, named, parent);
        }
        if (item.find("branches") != nullptr) {
            return readBranches(item, named, parent);
        }
        readAction(item, named, parent);
    }

    // A step that is about other steps does nothing itself.
    void refuseBeside(const yaml::Node& item, const char* key) {
        for (const yaml::Entry& entry : item.entries) {
            const std::string& other = entry.key.value;
            if (other == "name" || other == key || (other == "condition" && key == std::string("parallel")) ||
                !(holds(ownKeys, other) || holds(formKeys, other))) {
                continue;
            }
            if (other == "compensation") {
                context_.diagnostics.report(
                    Code::S354, entry.key.pos,
                    std::string("a step with \"") + key + "\" does nothing that could be undone",
                    "write compensation: at the steps that do something");
                continue;
            }
            context_.diagnostics.report(Code::S351, entry.key.pos,
                                        "\"" + other + "\" means nothing beside \"" + key + "\"",
                                        "write it at the steps that do something");
        }
    }

    void readParallel(const yaml::Node& item, const Text& name, int parent) {
        refuseBeside(item, "parallel");
        const int place = stages_.add(name, item.pos, StageKind::parallel, parent);
        readCondition(item, place);
        const yaml::Node* steps = context_.list(item, "parallel");
        if (steps == nullptr) {
            return;
        }
        if (steps->items.empty()) {
            context_.diagnostics.report(Code::S004, steps->pos, "\"parallel\" is empty");
        }
        for (const yaml::Node& part : steps->items) {
            readStep(part, place);
        }
    }

    void readBranches(const yaml::Node& item, const Text& name, int parent) {
        refuseBeside(item, "branches");
        const int place = stages_.add(name, item.pos, StageKind::choose, parent);
        if (const yaml::Node* branches = context_.list(item, "branches")) {
            readChoices(context_, *branches, stages_.at(place));
        }
    }

    // Whether the step is done at all.
    void readCondition(const yaml::Node& item, int place) {
        if (const yaml::Entry* condition = item.find("condition")) {
            stages_.at(place).condition = context_.queryable(context_.scalar(condition->value, "condition"));
        }
    }

    void readAction(const yaml::Node& item, const Text& name, int parent) {
        Step does;
        const bool isRead = readActionForm(context_, formOf(item), name, {}, does);
        // It has its place, whatever is wrong with it, so that others may name it.
        const int place = stages_.add(
            name, item.pos, isRead && does.kind == StepKind::callExternal ? StageKind::call : StageKind::run, parent);
        Stage& stage = *stages_.at(place).stage;
        readPatience(context_, item, stage);
        if (!isRead) {
            return;
        }
        if (stage.timeout && stage.kind != StageKind::call) {
            context_.diagnostics.report(Code::S360, stage.timeout.pos,
                                        "the step " + name.value + " does not wait, so it has no timeout",
                                        hintOf(Code::S360));
        }
        if (writesRows(does) && !does.target) {
            context_.missing(item, "entity", {"entity"}, "a step of a saga");
            return;
        }
        if (!findsRows(does)) {
            readCondition(item, place);
        } else if (!does.where && item.find("condition") == nullptr) {
            context_.diagnostics.report(
                Code::S353, item.pos,
                "nothing says which rows of " + does.target.value + " the step " + name.value + " is about",
                hintOf(Code::S353));
        }
        readValidations(item, place, does);
        if (const yaml::Node* compensation = context_.mapping(item, "compensation")) {
            readCompensation(*compensation, name, does, stages_.at(place));
        }
        stages_.at(place).then.push_back(std::move(does));
    }

    // Of rows that are changed it is asked of each; else it is about what the saga is given.
    void readValidations(const yaml::Node& item, int place, Step& does) {
        const yaml::Node* validations = context_.list(item, "validations");
        for (const yaml::Node& one : validations == nullptr ? std::vector<yaml::Node>() : validations->items) {
            if (one.kind != yaml::Node::Kind::mapping) {
                context_.diagnostics.report(
                    Code::S003, one.pos, "a validation must be a mapping",
                    "for example {rule: custom, condition: \"quantity > 0\", error: bad_quantity}");
                continue;
            }
            const FieldRule rule = readRule(context_, one, plainRules, fieldValue);
            if (!rule) {
                continue;
            }
            Step test = ruleTest(context_, rule, rule.condition);
            (findsRows(does) ? does.then : stages_.at(place).then).push_back(std::move(test));
        }
    }

    void readCompensation(const yaml::Node& node, const Text& name, const Step& does, Step& stage) {
        context_.checkKeys(node, formKeys, "a compensation");
        const yaml::Entry* action = node.find("action");
        if (action == nullptr) {
            context_.missing(node, "action", formKeys, "a compensation");
            return;
        }
        yaml::Node form = formOf(node);
        // Rows that were deleted come back as they were.
        const bool isWhole = action->value.scalar.value == "insert" && does.kind == StepKind::remove;
        const bool ofRows = holds({"insert", "update", "delete"}, action->value.scalar.value);
        if (ofRows && node.find("entity") == nullptr && does.target && writesRows(does)) {
            yaml::Entry entity;
            entity.key = written("entity", action->key);
            entity.value = action->value;
            entity.value.scalar = written(does.target.value, action->value.scalar);
            form.entries.push_back(std::move(entity));
        }
        Step undoes;
        const bool isOther = node.find("entity") != nullptr && context_.text(node, "entity").value != does.target.value;
        if (isWhole && !isOther && node.find("fields") == nullptr) {
            undoes.kind = StepKind::insert;
            undoes.verb = action->value.scalar;
            undoes.target = written(does.target.value, action->value.scalar);
            undoes.pos = node.pos;
        } else if (!readActionForm(context_, form, name, {}, undoes)) {
            return;
        }
        if (writesRows(undoes) && !undoes.target) {
            context_.missing(node, "entity", {"entity"}, "the compensation of a step that writes no rows");
            return;
        }
        const bool same = undoes.target.value == does.target.value && writesRows(does);
        if (findsRows(undoes) && !undoes.where && !same) {
            if (does.kind == StepKind::notify || does.kind == StepKind::emit || does.kind == StepKind::callExternal) {
                context_.diagnostics.report(Code::S354, node.pos,
                                            "the step " + name.value + " changes no rows of " + undoes.target.value +
                                                " that this could be about",
                                            "write a condition that says which rows are meant");
            } else {
                context_.diagnostics.report(
                    Code::S353, node.pos,
                    "nothing says which rows of " + undoes.target.value + " undo the step " + name.value,
                    hintOf(Code::S353));
            }
            return;
        }
        if (findsRows(undoes) && !undoes.where && does.kind == StepKind::remove) {
            context_.diagnostics.report(Code::S363, node.pos,
                                        "the rows that the step " + name.value + " deleted are not there to be " +
                                            (undoes.kind == StepKind::remove ? "deleted" : "changed"),
                                        hintOf(Code::S363));
            return;
        }
        if (!findsRows(undoes)) {
            if (const yaml::Entry* condition = node.find("condition")) {
                Step choice;
                choice.kind = StepKind::branch;
                choice.pos = node.pos;
                choice.verb = written("if", condition->key);
                choice.condition = context_.queryable(context_.scalar(condition->value, "condition"));
                choice.then.push_back(std::move(undoes));
                undoes = std::move(choice);
            }
        }
        stage.otherwise.push_back(std::move(undoes));
    }

    ReadContext& context_;
    Stages stages_;
};

}  // namespace

bool isSaga(const Action& action) {
    return holds(patterns, action.pattern.value);
}

void readSaga(ReadContext& context, const yaml::Node& node, Action& action) {
    if (!isSaga(action)) {
        for (const char* key : {"saga_steps", "success_action", "failure_action", "timeout"}) {
            if (const yaml::Entry* entry = node.find(key)) {
                context.diagnostics.report(
                    Code::S010, entry->key.pos,
                    std::string("\"") + key + "\" means nothing without pattern: " + patterns[0]);
            }
        }
        return;
    }
    for (const char* key : {"steps", "conditions", "condition", "triggers", "operation", "batch_field", "validations",
                            "error_handling", "workflow", "entities", "return", "fields"}) {
        if (const yaml::Entry* other = node.find(key)) {
            context.diagnostics.report(Code::S350, other->key.pos, std::string("a saga has no \"") + key + "\"",
                                       hintOf(Code::S350));
        }
    }
    const bool isRaised = node.find("trigger") != nullptr || node.find("on") != nullptr;
    for (const char* key :
         {"on_error", "max_attempts", "backoff", "retry_on", "park_on", "enabled", "order", "fires"}) {
        if (const yaml::Entry* other = node.find(key); other != nullptr && !isRaised) {
            context.diagnostics.report(Code::S350, other->key.pos,
                                       std::string("a saga that no event begins has no \"") + key + "\"",
                                       "retries: of a step says how often that is tried again");
        }
    }
    action.process.emplace();
    action.process->compensates = true;
    action.process->isSaga = true;
    action.process->timeout = context.text(node, "timeout");
    if (action.process->timeout) {
        context.checkDuration("timeout", action.process->timeout, longestSagaMs);
    }
    action.branches.clear();
    Branch& branch = action.branches.emplace_back();
    branch.pos = node.pos;
    SagaReader(context, branch.steps).read(node);
}

}  // namespace specql::spec
