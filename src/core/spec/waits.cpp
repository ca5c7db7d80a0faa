#include "spec/waits.hpp"

#include <algorithm>

#include "spec/parts.hpp"
#include "spec/process.hpp"
#include "spec/workflow.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

constexpr int64_t longestWaitMs = 366LL * 24 * 3600 * 1000;

// What a step waits for, and the keys that may stand beside it.
struct WaitForm {
    const char* word;
    StageKind kind;
    Words keys;
};

const std::vector<WaitForm>& forms() {
    static const std::vector<WaitForm> all = {
        {"wait", StageKind::wait, {}},
        {"wait_until", StageKind::wait, {}},
        {"wait_for", StageKind::waitFor, {"timeout", "on_timeout"}},
        {"ask", StageKind::ask, {"due", "repeat", "timeout", "on_timeout"}},
        {"parallel", StageKind::parallel, {"any", "timeout", "on_timeout"}},
    };
    return all;
}

const WaitForm* formOf(const yaml::Node& step) {
    for (const WaitForm& form : forms()) {
        if (step.find(form.word) != nullptr) {
            return &form;
        }
    }
    return nullptr;
}

// A condition alone, or with how long it may take to hold.
bool isConditionWait(const yaml::Node& step) {
    static const Words own = {"step", "condition", "timeout", "on_timeout"};
    return step.find("condition") != nullptr &&
           std::all_of(step.entries.begin(), step.entries.end(),
                       [](const yaml::Entry& entry) { return holds(own, entry.key.value); });
}

bool isWait(const yaml::Node& step) {
    return step.kind == yaml::Node::Kind::mapping &&
           (formOf(step) != nullptr || step.find("answer") != nullptr || isConditionWait(step));
}

yaml::Node without(const yaml::Node& node, const Words& keys) {
    yaml::Node rest = node;
    rest.entries.erase(std::remove_if(rest.entries.begin(), rest.entries.end(),
                                      [&](const yaml::Entry& entry) { return holds(keys, entry.key.value); }),
                       rest.entries.end());
    return rest;
}

// "event_name", or "event_name BY key", or "event_name BY key = expression".
bool isEventName(const std::string& text) {
    const size_t name = nameLength(text, 0);
    const size_t rest = std::min(text.find_first_not_of(" \t\n", name), text.size());
    return name > 0 && text[0] != '"' && (rest == text.size() || findKeyword(text, "BY", rest) == rest);
}

class WaitingWorkflow {
public:
    WaitingWorkflow(ReadContext& context, std::vector<Step>& steps) : context_(context), stages_(context, steps) {}

    void read(const yaml::Node& workflow) {
        for (const yaml::Node& item : workflow.items) {
            readStep(item, 0, 0);
        }
        stages_.link();
    }

private:
    // `parent`: the parallel one that it is a part of; `late`: the one that took too long before it.
    void readStep(const yaml::Node& item, int parent, int late) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(
                Code::S003, item.pos, "a step of a workflow must be a mapping",
                "for example {step: check_amount, condition: \"amount > 0\", error: \"no amount\"}");
            return;
        }
        const Text name = late != 0 && item.find("step") == nullptr
                              ? freeName(late, item)
                              : stages_.name(item, "step", {"step"}, "a step of a workflow");
        const Text named = name ? name : written("step", {});
        int first = stages_.count() + 1;
        if (!isWait(item)) {
            readPlain(item, named, parent);
        } else if (const WaitForm* form = formOf(item)) {
            readWait(item, named, *form, parent);
        } else if (item.find("answer") != nullptr) {
            readCall(item, named, parent);
        } else {
            readCondition(item, named, parent);
        }
        if (first > stages_.count()) {
            return;
        }
        // Parts are done with what they are parts of.
        stages_.at(first).stage->afterTimeoutOf = late;
        readTimeout(item, named, first);
    }

    // Steps that are done when another took too long need no name of their own.
    Text freeName(int late, const yaml::Node& item) {
        const std::string base = stages_.at(late).label.value + "_timeout";
        std::string name = base;
        for (int number = 2; stages_.find(name) != 0; number++) {
            name = base + "_" + std::to_string(number);
        }
        Text text;
        text.pos = item.pos;
        return written(name, text);
    }

    void refuse(const yaml::Entry& entry, const Text& name, const std::string& hint) {
        context_.diagnostics.report(Code::S372, entry.key.pos,
                                    "\"" + entry.key.value + "\" means nothing in the step " + name.value, hint);
    }

    void checkKeys(const yaml::Node& item, const WaitForm& form) {
        Words keys = form.keys;
        keys.insert(keys.end(), {"step", "condition", form.word});
        context_.checkKeys(item, keys, std::string("a step with \"") + form.word + "\"");
    }

    int add(const yaml::Node& item, const Text& name, StageKind kind, int parent) {
        const int place = stages_.add(name, item.pos, kind, parent);
        // Whether the step is done at all.
        if (const yaml::Entry* condition = item.find("condition")) {
            stages_.at(place).condition = context_.queryable(context_.scalar(condition->value, "condition"));
        }
        return place;
    }

    void readWait(const yaml::Node& item, const Text& name, const WaitForm& form, int parent) {
        checkKeys(item, form);
        const yaml::Entry& entry = *item.find(form.word);
        if (form.kind == StageKind::parallel) {
            return readParallel(item, name, parent);
        }
        if (form.kind == StageKind::ask) {
            return readAsk(item, entry, name, parent);
        }
        const Text said = context_.scalar(entry.value, form.word);
        if (form.kind == StageKind::waitFor) {
            return readWaitFor(item, said, name, parent);
        }
        Step& step = stages_.at(add(item, name, form.kind, parent));
        step.verb = entry.key;
        if (!said) {
            return;
        }
        if (entry.key.value == "wait") {
            step.after = said;
            context_.checkDuration("wait", said, longestWaitMs);
        } else {
            keepArgument(step, said);
        }
    }

    void keepArgument(Step& step, const Text& text) {
        if (ExpressionRef value = context_.queryable(text)) {
            step.args.push_back(value);
        }
    }

    void readWaitFor(const yaml::Node& item, const Text& said, const Text& name, int parent) {
        const bool isEvent = said && isEventName(said.value);
        Step& step = stages_.at(add(item, name, isEvent ? StageKind::waitFor : StageKind::waitUntilTrue, parent));
        step.verb = item.find("wait_for")->key;
        if (!isEvent) {
            if (said) {
                keepArgument(step, said);
            }
            return;
        }
        const std::string& text = said.value;
        const size_t length = nameLength(text, 0);
        step.stage->event = context_.source.piece(said, 0, length);
        size_t by = std::min(text.find_first_not_of(" \t\n", length), text.size());
        if (by >= text.size()) {
            return;
        }
        by = std::min(text.find_first_not_of(" \t\n", by + 2), text.size());
        const size_t key = nameLength(text, by);
        size_t equals = std::min(text.find_first_not_of(" \t\n", by + key), text.size());
        const bool isKey = key > 0 && text.substr(by, key).find('.') == std::string::npos;
        if (!isKey || (equals < text.size() && text[equals] != '=')) {
            context_.diagnostics.report(
                Code::S374, context_.source.locate(said, std::min(by, text.size())),
                "what the step " + name.value + " waits for is not understood: behind BY stands a key of the event",
                "write wait_for: " + text.substr(0, length) + " BY key, or BY key = expression");
            return;
        }
        step.key.push_back(context_.source.piece(said, by, by + key));
        if (equals >= text.size()) {
            keepArgument(step, step.key.back());
            return;
        }
        const size_t begin = std::min(text.find_first_not_of(" \t\n", equals + 1), text.size());
        keepArgument(step, context_.source.piece(said, begin, text.size()));
    }

    // condition: and nothing else: it goes on when it holds.
    void readCondition(const yaml::Node& item, const Text& name, int parent) {
        const yaml::Entry& condition = *item.find("condition");
        Step& step = stages_.at(stages_.add(name, item.pos, StageKind::waitUntilTrue, parent));
        step.verb = condition.key;
        keepArgument(step, context_.scalar(condition.value, "condition"));
    }

    void readParallel(const yaml::Node& item, const Text& name, int parent) {
        const Text any = context_.boolean(item, "any");
        bool isBoolean = true;
        const bool first = any && booleanValue(any.value, isBoolean);
        const int place = add(item, name, first ? StageKind::any : StageKind::parallel, parent);
        stages_.at(place).verb = item.find("parallel")->key;
        const yaml::Node* steps = context_.list(item, "parallel");
        if (steps == nullptr) {
            return;
        }
        if (steps->items.empty()) {
            context_.diagnostics.report(Code::S004, steps->pos, "\"parallel\" is empty");
        }
        const bool before = ends_;
        ends_ = ends_ || item.find("timeout") != nullptr;
        for (const yaml::Node& part : steps->items) {
            readStep(part, place, 0);
        }
        ends_ = before;
    }

    // A call whose answer is waited for.
    void readCall(const yaml::Node& item, const Text& name, int parent) {
        const yaml::Entry& answer = *item.find("answer");
        const Text said = context_.scalar(answer.value, "answer");
        if (said && said.value != "needed") {
            context_.diagnostics.report(Code::S372, said.pos, "\"answer\" is needed, or left out",
                                        "write answer: needed");
        }
        Step does;
        const bool isRead = readWorkflowStep(
            context_, without(item, {"answer", "timeout", "on_timeout", "retries", "condition"}), name, does);
        if (isRead && does.kind != StepKind::callExternal) {
            return refuse(answer, name, "a call of a service has an answer: call_external: service \"operation\"");
        }
        const int place = add(item, name, StageKind::call, parent);
        stages_.at(place).verb = does.verb ? does.verb : answer.key;
        // Its timeout is read as that of any wait.
        readPatience(context_, without(item, {"timeout"}), *stages_.at(place).stage);
        if (!isRead) {
            return;
        }
        if (!does.onResponse.empty() || !does.onFailure.empty()) {
            context_.diagnostics.report(Code::S372, does.pos,
                                        "the step " + name.value +
                                            " waits for its answer, so on_response: and "
                                            "on_failure: mean nothing",
                                        "the steps behind it read " + name.value + ".response");
            return;
        }
        stages_.at(place).then.push_back(std::move(does));
    }

    // A step as any workflow has them.
    void readPlain(const yaml::Node& item, const Text& name, int parent) {
        const yaml::Entry* action = item.find("action");
        const bool choosesRows = action != nullptr && holds({"update", "delete"}, action->value.scalar.value);
        const bool isGuard = item.find("error") != nullptr && action == nullptr && item.find("validate") == nullptr &&
                             item.find("find") == nullptr;
        Step does;
        const bool keeps = choosesRows || isGuard;
        const bool isRead = readWorkflowStep(context_, keeps ? item : without(item, {"condition"}), name, does);
        const StageKind kind = does.kind == StepKind::validate ? StageKind::check : StageKind::run;
        const int place = keeps ? stages_.add(name, item.pos, kind, parent) : add(item, name, kind, parent);
        if (!isRead) {
            return;
        }
        if (does.kind == StepKind::let || does.kind == StepKind::find || does.kind == StepKind::ret) {
            context_.diagnostics.report(
                Code::S375, item.pos, "\"" + does.verb.value + "\" cannot be a step of a workflow that waits",
                does.kind == StepKind::ret
                    ? "give the steps that are left out then a condition"
                    : "the names that it gives end where the process waits: write the value, or a "
                      "query, where it is needed");
            return;
        }
        stages_.at(place).verb = does.verb;
        stages_.at(place).then.push_back(std::move(does));
    }

    // ask: role "question" choices [yes, no], or the same as a mapping.
    void readAsk(const yaml::Node& item, const yaml::Entry& entry, const Text& name, int parent) {
        Step& step = stages_.at(add(item, name, StageKind::ask, parent));
        step.verb = entry.key;
        if (entry.value.kind == yaml::Node::Kind::mapping) {
            readAskMapping(entry.value, step);
        } else if (Text text = context_.scalar(entry.value, "ask")) {
            readAskSentence(text, step);
        }
        step.targetParts = readTemplate(context_, step.target, 0);
        step.messageParts = readTemplate(context_, step.message, 0);
        for (const char* key : {"due", "repeat"}) {
            const Text length = context_.text(item, key);
            if (!length) {
                continue;
            }
            context_.checkDuration(key, length, longestWaitMs);
            (std::string(key) == "due" ? step.stage->due : step.repeat) = length;
        }
    }

    void readAskMapping(const yaml::Node& mapping, Step& step) {
        static const Words keys = {"role", "question", "choices"};
        context_.checkKeys(mapping, keys, "a question");
        step.target = context_.requiredText(mapping, "role", keys, "a question");
        step.message = context_.requiredText(mapping, "question", keys, "a question");
        if (const yaml::Entry* choices = mapping.find("choices")) {
            for (const Text& choice : context_.texts(choices->value, "choices")) {
                addChoice(choice, step);
            }
        } else {
            context_.missing(mapping, "choices", keys, "a question");
        }
    }

    bool reportAsk(const Text& text, size_t at, const std::string& reason) {
        context_.diagnostics.report(Code::S373, context_.source.locate(text, std::min(at, text.value.size())),
                                    "the question is not understood: " + reason, hintOf(Code::S373));
        return false;
    }

    bool readAskSentence(const Text& text, Step& step) {
        const std::string& value = text.value;
        size_t role = 0;
        while (role < value.size() && !isSpace(value[role]) && value[role] != '"' && value[role] != '\'') {
            ++role;
        }
        size_t open = std::min(value.find_first_not_of(" \t\n", role), value.size());
        if (role == 0) {
            return reportAsk(text, 0, "it begins with who is asked");
        }
        step.target = context_.source.piece(text, 0, role);
        const size_t close = open < value.size() && (value[open] == '"' || value[open] == '\'')
                                 ? value.find(value[open], open + 1)
                                 : std::string::npos;
        if (close == std::string::npos) {
            return reportAsk(text, open, "behind " + step.target.value + " stands the question, in quotes");
        }
        step.message = context_.source.piece(text, open + 1, close);
        size_t word = std::min(value.find_first_not_of(" \t\n", close + 1), value.size());
        const bool isSaid = word < value.size() && findKeyword(value, "CHOICES", word) == word;
        size_t list = isSaid ? std::min(value.find_first_not_of(" \t\n", word + 7), value.size()) : value.size();
        const size_t end = list < value.size() && value[list] == '[' ? value.find(']', list) : std::string::npos;
        if (end == std::string::npos) {
            return reportAsk(text, isSaid ? list : word, "behind the question stand the choices: choices [yes, no]");
        }
        if (value.find_first_not_of(" \t\n", end + 1) != std::string::npos) {
            return reportAsk(text, value.find_first_not_of(" \t\n", end + 1), "nothing stands behind the choices");
        }
        for (size_t at = list + 1; at <= end;) {
            const size_t comma = std::min(value.find(',', at), end);
            size_t begin = std::min(value.find_first_not_of(" \t\n", at), comma);
            size_t last = comma;
            while (last > begin && isSpace(value[last - 1])) {
                --last;
            }
            if (begin == last) {
                return reportAsk(text, begin, "a choice is missing");
            }
            addChoice(context_.source.piece(text, begin, last), step);
            at = comma + 1;
        }
        return true;
    }

    void addChoice(const Text& choice, Step& step) {
        const bool isKnown = std::any_of(step.taken.begin(), step.taken.end(),
                                         [&](const Text& known) { return known.value == choice.value; });
        if (isKnown) {
            context_.diagnostics.report(Code::S377, choice.pos, choice.value + " is a choice twice",
                                        hintOf(Code::S377));
            return;
        }
        step.taken.push_back(choice);
    }

    // For how long it waits, and what is done if that is not enough.
    void readTimeout(const yaml::Node& item, const Text& name, int place) {
        const yaml::Entry* timeout = item.find("timeout");
        const yaml::Entry* steps = item.find("on_timeout");
        const StageKind kind = stages_.at(place).stage->kind;
        const bool mayTake = kind != StageKind::run && kind != StageKind::check && kind != StageKind::wait;
        if (!mayTake) {
            return;
        }
        if (timeout != nullptr) {
            const Text length = context_.text(item, "timeout");
            if (length) {
                context_.checkDuration("timeout", length, longestWaitMs);
            }
            stages_.at(place).stage->timeout = length;
        } else if (steps != nullptr) {
            refuse(*steps, name, "say after which time: timeout: 5 days");
        } else if ((kind == StageKind::waitFor || kind == StageKind::waitUntilTrue) && !ends_) {
            context_.diagnostics.report(Code::S371, item.pos, "the step " + name.value + " may wait for ever",
                                        hintOf(Code::S371));
        }
        if (steps == nullptr) {
            return;
        }
        if (stages_.at(place).stage->parent != 0) {
            context_.diagnostics.report(Code::S375, steps->key.pos,
                                        "\"on_timeout\" cannot stand in a part of parallel:",
                                        "write timeout: and on_timeout: beside parallel:");
            return;
        }
        if (const yaml::Node* list = context_.list(item, "on_timeout")) {
            if (list->items.empty()) {
                context_.diagnostics.report(Code::S004, list->pos, "\"on_timeout\" is empty");
            }
            for (const yaml::Node& step : list->items) {
                readStep(step, 0, place);
            }
        }
    }

    ReadContext& context_;
    Stages stages_;
    bool ends_ = false;  // the parallel step around has a time of its own
};

}  // namespace

bool waits(const yaml::Node& workflow) {
    return std::any_of(workflow.items.begin(), workflow.items.end(), isWait);
}

void readWaitingWorkflow(ReadContext& context, const yaml::Node& node, const yaml::Node& workflow, Action& action) {
    action.branches.clear();
    Branch& branch = action.branches.emplace_back();
    branch.pos = node.pos;
    WaitingWorkflow(context, branch.steps).read(workflow);
    bool isRaised = false;
    for (const char* key : {"trigger", "on"}) {
        if (const yaml::Entry* entry = node.find(key)) {
            context.diagnostics.report(
                Code::S376, entry->key.pos, "a workflow that waits is set off by no event",
                "let an action with this " + std::string(key) + ": call it: begin: \"" + action.name.value + "(id)\"");
            isRaised = true;
        }
    }
    if (isRaised) {
        branch.steps.clear();
    } else {
        action.process.emplace();
    }
}

}  // namespace specql::spec
