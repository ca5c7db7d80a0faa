// A workflow is written as steps here, so that everything behind this stage knows them as such.
#include "spec/workflow.hpp"

#include <algorithm>

#include "spec/parts.hpp"
#include "spec/waits.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words workflowPatterns = {"composite/workflow_orchestrator", "workflow_orchestrator"};
const Words choicePatterns = {"composite/conditional_workflow", "conditional_workflow"};

// What a step with `action:` does, and the keys that say it.
struct ActionForm {
    const char* word;
    StepKind kind;
    Words keys;
};

const std::vector<ActionForm>& forms() {
    static const std::vector<ActionForm> all = {
        {"insert", StepKind::insert, {"entity", "fields"}},
        {"update", StepKind::update, {"entity", "fields"}},
        {"delete", StepKind::remove, {"entity"}},
        {"call_external", StepKind::callExternal, {"service", "operation", "method", "params"}},
        {"notify", StepKind::notify, {"recipient", "message", "params"}},
        {"emit", StepKind::emit, {"event", "params", "after"}},
    };
    return all;
}

bool choosesRows(const Step& step) {
    return step.kind == StepKind::update || step.kind == StepKind::remove;
}

// One step of a workflow.
class WorkflowStep {
public:
    WorkflowStep(ReadContext& context, const yaml::Node& node) : context_(context), node_(node) {}

    // What stands at action:, beside `others` and a condition.
    bool readAction(const Text& name, const Words& others, Step& step) {
        const Text word = context_.text(node_, "action");
        const ActionForm* form = nullptr;
        Words words;
        for (const ActionForm& known : forms()) {
            words.push_back(known.word);
            form = known.word == word.value ? &known : form;
        }
        if (!word) {
            return false;
        }
        if (form == nullptr) {
            const std::string hint = didYouMean(word.value, words);
            return reportUnclear(name, hint.empty() ? "action: is " + orList(words) : hint);
        }
        Words keys = form->keys;
        keys.insert(keys.end(), {"action", "condition"});
        keys.insert(keys.end(), others.begin(), others.end());
        const size_t before = context_.diagnostics.errorCount();
        context_.checkKeys(node_, keys, "a step with action: " + word.value);
        step.kind = form->kind;
        step.verb = word;
        step.pos = node_.pos;
        if (isAddressed(form->kind)) {
            readAddress(step);
        } else {
            readStatementOf(name, step);
        }
        if (context_.diagnostics.errorCount() > before) {
            return false;
        }
        const yaml::Entry* condition = node_.find("condition");
        if (condition == nullptr || !choosesRows(step)) {
            return onlyIf(condition, step);
        }
        // What a condition says of rows that are written is which ones.
        step.where = context_.queryable(context_.scalar(condition->value, "condition"));
        return static_cast<bool>(step.where);
    }

    // The name is read, whatever else is wrong.
    bool read(Text& name, Step& step) {
        if (node_.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(
                Code::S003, node_.pos, "a step of a workflow must be a mapping",
                "for example {step: check_amount, condition: \"amount > 0\", error: \"no amount\"}");
            return false;
        }
        name = context_.requiredText(node_, "step", {"step"}, "a step of a workflow");
        return readNamed(name, step);
    }

    bool readNamed(const Text& name, Step& step) {
        const bool isRead = node_.find("action") != nullptr  ? readAction(name, {"step"}, step)
                            : node_.find("error") != nullptr ? readGuard(name, step)
                                                             : readPlain(name, step);
        step.label = name;
        return isRead;
    }

private:
    bool reportUnclear(const Text& name, const std::string& hint) {
        context_.diagnostics.report(Code::S312, node_.pos,
                                    "the step " + name.value + " does nothing, or more than one thing", hint);
        return false;
    }

    // condition and error: the call fails unless it holds.
    bool readGuard(const Text& name, Step& step) {
        context_.checkKeys(node_, {"step", "condition", "error"}, "a step with \"error\"");
        step.kind = StepKind::validate;
        step.pos = node_.pos;
        const yaml::Entry* condition = node_.find("condition");
        if (condition == nullptr) {
            return reportUnclear(name, "write the condition: without which it fails");
        }
        step.verb = written("validate", condition->key);
        step.condition = context_.queryable(context_.scalar(condition->value, "condition"));
        step.message = context_.text(node_, "error");
        step.messageParts = readTemplate(context_, step.message, 0);
        return static_cast<bool>(step.condition);
    }

    // A step as it stands in any action, and a name.
    bool readPlain(const Text& name, Step& step) {
        yaml::Node list = node_, own = node_;
        auto isOurs = [](const yaml::Entry& entry) {
            return entry.key.value == "step" || entry.key.value == "condition";
        };
        own.entries.erase(std::remove_if(own.entries.begin(), own.entries.end(), isOurs), own.entries.end());
        const yaml::Entry* condition = node_.find("condition");
        if (own.entries.empty()) {
            return reportUnclear(name, "write condition and error, or action, notify, call or another step");
        }
        list.kind = yaml::Node::Kind::sequence;
        list.entries.clear();
        list.items = {own};
        std::vector<Step> steps;
        readSteps(context_, list, "workflow", steps);
        if (steps.size() != 1) {
            return false;
        }
        step = std::move(steps.front());
        return onlyIf(condition, step);
    }

    // Whether the step is done at all.
    bool onlyIf(const yaml::Entry* condition, Step& step) {
        if (condition == nullptr) {
            return true;
        }
        Step choice;
        choice.kind = StepKind::branch;
        choice.pos = node_.pos;
        choice.verb = written("if", condition->key);
        choice.condition = context_.queryable(context_.scalar(condition->value, "condition"));
        choice.then.push_back(std::move(step));
        step = std::move(choice);
        return static_cast<bool>(step.condition);
    }

    static bool isAddressed(StepKind kind) { return kind == StepKind::callExternal || kind == StepKind::notify; }

    // The same mapping with the keys that such a step has elsewhere.
    void readAddress(Step& step) {
        static const std::vector<std::pair<std::string, std::string>> names = {
            {"service", "service"},   {"operation", "operation"}, {"method", "operation"},
            {"recipient", "channel"}, {"message", "message"},     {"params", "payload"}};
        yaml::Node mapping = node_;
        mapping.entries.clear();
        for (const yaml::Entry& entry : node_.entries) {
            for (const auto& [own, common] : names) {
                if (entry.key.value != own) {
                    continue;
                }
                yaml::Entry renamed = entry;
                renamed.key.value = common;
                if (own == "params") {
                    renamed.value = pairs(entry.value);
                }
                mapping.entries.push_back(std::move(renamed));
            }
        }
        readAddressedMapping(context_, mapping, step);
    }

    // entity and fields as a sentence would say them. Without an entity it is the one that the action stands in.
    void readStatementOf(const Text& name, Step& step) {
        const bool emits = step.kind == StepKind::emit;
        const Text entity = context_.text(node_, emits ? "event" : "entity");
        const yaml::Entry* fields = node_.find(emits ? "params" : "fields");
        if (emits && !entity) {
            context_.missing(node_, "event", {"event"}, "a step with action: emit");
            return;
        }
        if (fields == nullptr && step.kind == StepKind::update) {
            context_.missing(node_, "fields", {"fields"}, "a step with action: update");
            return;
        }
        yaml::Node columns;
        Text statement = entity ? entity : written("own_row", name);
        if (fields != nullptr) {
            columns = pairs(fields->value);
            if (columns.kind != yaml::Node::Kind::mapping || columns.entries.empty()) {
                context_.diagnostics.report(Code::S315, fields->value.pos,
                                            "the fields of the step " + name.value + " are not understood",
                                            hintOf(Code::S315));
                return;
            }
            statement.value += " SET";
        }
        readStatement(context_, statement, fields == nullptr ? nullptr : &columns, step);
        step.ofFields = true;
        if (Text after = emits ? context_.text(node_, "after") : Text()) {
            context_.checkDuration("after", after, longestAfterMs);
            step.after = after;
        }
        if (!entity) {
            step.target = {};
        }
    }

    // A mapping, a list of mappings of one pair, or a list of names, which stand for values of the same name.
    yaml::Node pairs(const yaml::Node& fields) const {
        if (fields.kind != yaml::Node::Kind::sequence) {
            return fields;
        }
        yaml::Node mapping = fields;
        mapping.kind = yaml::Node::Kind::mapping;
        mapping.items.clear();
        for (const yaml::Node& item : fields.items) {
            if (item.kind == yaml::Node::Kind::scalar) {
                mapping.entries.push_back({item.scalar, item});
            } else if (item.kind == yaml::Node::Kind::mapping) {
                mapping.entries.insert(mapping.entries.end(), item.entries.begin(), item.entries.end());
            } else {
                return {};
            }
        }
        return mapping;
    }

    ReadContext& context_;
    const yaml::Node& node_;
};

// What steps of workflows leave to the entity around them.
class Completion {
public:
    explicit Completion(ReadContext& context) : context_(context) {}

    void complete(std::vector<Action>& actions, const Entity* home) {
        for (Action& action : actions) {
            action_ = &action;
            home_ = home;
            for (Branch& branch : action.branches) {
                complete(branch.steps);
            }
        }
    }

private:
    void complete(std::vector<Step>& steps) {
        for (Step& step : steps) {
            complete(step.then);
            complete(step.otherwise);
            if (!step.ofFields || step.kind == StepKind::emit) {
                continue;
            }
            if (!step.target && home_ != nullptr) {
                step.target = home_->name;
            } else if (!step.target) {
                context_.diagnostics.report(Code::S002, step.pos, "a step of a workflow lacks the key \"entity\"",
                                            "the action stands in none whose row it could mean");
                step.target = step.verb;
                continue;
            }
            // Of others nothing is known here: they may be of other texts.
            for (Assignment& assignment : step.set) {
                if (home_ != nullptr && step.target.value == home_->name.value) {
                    readBare(*home_, assignment);
                }
            }
        }
    }

    bool means(const std::string& word) const {
        auto isField = [&](const Entity* entity) {
            return entity != nullptr && std::any_of(entity->fields.begin(), entity->fields.end(),
                                                    [&](const Field& field) { return field.name.value == word; });
        };
        return isField(home_) || std::any_of(action_->params.begin(), action_->params.end(),
                                             [&](const Param& param) { return param.name.value == word; });
    }

    // status: 'sent' is the bare word for YAML: it is the value, where it is no name.
    void readBare(const Entity& target, const Assignment& assignment) {
        for (const Field& field : target.fields) {
            if (field.name.value != assignment.column.value || !assignment.value) {
                continue;
            }
            Text& text = context_.spec.expressions[static_cast<size_t>(assignment.value.id)];
            const std::string shown = target.name.value + "." + field.name.value;
            const bool isWord = nameLength(text.value, 0) == text.value.size() && !means(text.value);
            const std::string near = isWord ? nearest(text.value, field.enumValues) : "";
            if (!near.empty() && near != text.value) {
                context_.diagnostics.report(Code::S316, text.pos,
                                            text.value + " is no value of " + shown + ", and '" + near + "' is one",
                                            "write \"'" + near + "'\"");
            }
            if (!isWord || !holds(field.enumValues, text.value)) {
                continue;
            }
            context_.diagnostics.report(Code::S316, text.pos,
                                        text.value + " is taken for the value '" + text.value + "' of " + shown,
                                        "write \"'" + text.value + "'\"");
            text.value = quoteLiteral(text.value);
        }
    }

    ReadContext& context_;
    const Action* action_ = nullptr;
    const Entity* home_ = nullptr;
};

}  // namespace

bool isWorkflow(const Action& action) {
    return holds(workflowPatterns, action.pattern.value);
}

bool isCallable(const Action& action) {
    return isWorkflow(action) || holds(choicePatterns, action.pattern.value);
}

bool isCalled(const Action& action) {
    const bool isRaised = action.trigger || action.on || !action.triggers.empty();
    return !isRaised && !action.windowed && isCallable(action);
}

void readWorkflow(ReadContext& context, const yaml::Node& node, Action& action) {
    const yaml::Entry* entry = node.find("workflow");
    if (!isWorkflow(action)) {
        if (entry != nullptr) {
            context.diagnostics.report(Code::S010, entry->key.pos,
                                       "\"workflow\" means nothing without pattern: composite/workflow_orchestrator");
        }
        return;
    }
    for (const char* key :
         {"conditions", "condition", "steps", "triggers", "operation", "batch_field", "error_handling"}) {
        if (const yaml::Entry* other = node.find(key)) {
            context.diagnostics.report(Code::S314, other->key.pos, std::string("a workflow has no \"") + key + "\"",
                                       "all that it does are the steps of its workflow:");
        }
    }
    const yaml::Node* steps = context.list(node, "workflow");
    if (entry == nullptr) {
        context.missing(node, "workflow", {"workflow"}, "a workflow");
    }
    Branch branch;
    branch.pos = node.pos;
    if (steps != nullptr && steps->items.empty()) {
        context.diagnostics.report(Code::S004, steps->pos, "\"workflow\" is empty");
    }
    if (steps != nullptr && waits(*steps)) {
        return readWaitingWorkflow(context, node, *steps, action);
    }
    Words names;
    for (const yaml::Node& item : steps == nullptr ? std::vector<yaml::Node>() : steps->items) {
        Text name;
        Step step;
        const bool isRead = WorkflowStep(context, item).read(name, step);
        if (name && holds(names, name.value)) {
            context.diagnostics.report(Code::S317, name.pos, "two steps of the workflow are called " + name.value,
                                       "give one of them another name");
        }
        names.push_back(name.value);
        if (isRead) {
            branch.steps.push_back(std::move(step));
        }
    }
    action.branches.clear();
    action.branches.push_back(std::move(branch));
}

bool readActionForm(ReadContext& context, const yaml::Node& node, const Text& name, const Words& others, Step& step) {
    return WorkflowStep(context, node).readAction(name, others, step);
}

bool readWorkflowStep(ReadContext& context, const yaml::Node& node, const Text& name, Step& step) {
    return WorkflowStep(context, node).readNamed(name, step);
}

void completeWorkflows(ReadContext& context) {
    Completion completion(context);
    for (Entity& entity : context.spec.entities) {
        completion.complete(entity.actions, &entity);
    }
    for (Rules& rules : context.spec.rules) {
        completion.complete(rules.actions, nullptr);
    }
}

}  // namespace specql::spec
