#include <algorithm>
#include <optional>

#include "spec/batch.hpp"
#include "spec/coordinated.hpp"
#include "spec/due.hpp"
#include "spec/happenings.hpp"
#include "spec/parts.hpp"
#include "spec/saga.hpp"
#include "spec/states.hpp"
#include "spec/validations.hpp"
#include "spec/workflow.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"
#include "time/schedule.hpp"

namespace specql::spec {

namespace {

const Words actionKeys = {"name",           "description",    "pattern",
                          "trigger",        "triggers",       "on",
                          "conditions",     "condition",      "steps",
                          "params",         "operation",      "batch_field",
                          "validations",    "error_handling", "correlation_window",
                          "correlate_by",   "after_match",    "cooldown",
                          "on_timeout",     "on_error",       "max_attempts",
                          "backoff",        "enabled",        "order",
                          "fires",          "retry_on",       "park_on",
                          "renamed_from",   "missed",         "requires",
                          "from_state",     "from_states",    "to_state",
                          "guard",          "when",           "fields",
                          "batch_size",     "max_errors",     "max_elements",
                          "return",         "entities",       "workflow",
                          "backfill",       "saga_steps",     "success_action",
                          "failure_action", "timeout"};
const Words conditionKeys = {"if", "then", "else"};
const Words operations = {"update", "insert", "upsert", "delete"};
const Words afterMatchChoices = {"consume", "edge", "every"};
const Words whenChoices = {"before", "after"};
const Words firesChoices = {"origin", "replica", "always"};
const Words missedChoices = {"run_once", "run_all", "skip"};
const Words onErrorChoices = {"retry", "abort"};
const Words errorHandlingChoices = {"stop_on_error", "continue_on_error", "collect_errors"};
const Words aggregates = {"COUNT", "SUM", "AVG", "MIN", "MAX"};

// WITHIN, or a call of an aggregate: a condition about many events.
bool isWindowed(const std::string& condition) {
    if (findKeyword(condition, "WITHIN") != std::string::npos) {
        return true;
    }
    // A query counts rows and not events; it is refused as what it is.
    std::string flat = condition;
    for (char& c : flat) {
        c = c == '(' || c == ')' || c == '[' || c == ']' ? ' ' : c;
    }
    if (findKeyword(flat, "SELECT") != std::string::npos) {
        return false;
    }
    // Terms may stand in parentheses; without them all of the text is at top level.
    for (const std::string& aggregate : aggregates) {
        for (size_t at = findKeyword(flat, aggregate); at != std::string::npos;
             at = findKeyword(flat, aggregate, at + 1)) {
            size_t next = condition.find_first_not_of(" \t\n", at + aggregate.size());
            if (next != std::string::npos && condition[next] == '(') {
                return true;
            }
        }
    }
    return false;
}

void reportTogether(ReadContext& context, const yaml::Node& node, const char* first, const char* second) {
    const yaml::Entry* entry = node.find(second);
    if (node.find(first) != nullptr && entry != nullptr) {
        context.diagnostics.report(Code::S009, entry->key.pos,
                                   std::string("\"") + first + "\" and \"" + second + "\" exclude each other",
                                   "remove one of them");
    }
}

// One of the needed keys is enough.
void reportNeeds(ReadContext& context, const yaml::Node& node, const char* key, const Words& needed) {
    const yaml::Entry* entry = node.find(key);
    bool found = std::any_of(needed.begin(), needed.end(), [&](const std::string& other) { return node.find(other); });
    if (entry != nullptr && !found) {
        context.diagnostics.report(Code::S010, entry->key.pos,
                                   std::string("\"") + key + "\" means nothing without \"" + needed.front() + "\"");
    }
}

// One text, or a list of them, each of which raises the action.
void readRaising(ReadContext& context, const yaml::Node& node, const char* key, Text& first, Action& action) {
    const yaml::Entry* entry = node.find(key);
    std::vector<Text> texts = entry == nullptr ? std::vector<Text>() : context.texts(entry->value, key);
    for (Text& text : texts) {
        if (!first) {
            first = std::move(text);
        } else {
            action.further.push_back(std::move(text));
        }
    }
}

// False if the action has nothing that could raise it, though it needs that.
bool readTrigger(ReadContext& context, const yaml::Node& node, Action& action) {
    readRaising(context, node, "trigger", action.trigger, action);
    readRaising(context, node, "on", action.on, action);
    if (const yaml::Entry* triggers = node.find("triggers")) {
        action.triggers = context.texts(triggers->value, "triggers");
    }
    reportTogether(context, node, "trigger", "triggers");
    reportTogether(context, node, "trigger", "on");
    reportTogether(context, node, "triggers", "on");
    bool hasTrigger = node.find("trigger") != nullptr || node.find("triggers") != nullptr || node.find("on") != nullptr;
    // Others may be there to be called only; what they need is not known here.
    static const Words eventDriven = {"", "event_driven_orchestrator", "multi_entity/event_driven_orchestrator"};
    bool isEventDriven = std::find(eventDriven.begin(), eventDriven.end(), action.pattern.value) != eventDriven.end();
    if (!hasTrigger && isEventDriven) {
        context.missing(node, "trigger", actionKeys, "an action");
    }
    return action.trigger || action.on || !action.triggers.empty() || !isEventDriven;
}

void readBranches(ReadContext& context, const yaml::Node& node, Action& action) {
    reportTogether(context, node, "conditions", "steps");
    reportTogether(context, node, "conditions", "condition");
    const bool told = isTransition(action) || isByFields(action, node) || isCoordinated(action) || isWorkflow(action) ||
                      isSaga(action);
    if (node.find("conditions") == nullptr && node.find("steps") == nullptr && !told) {
        context.missing(node, "steps", actionKeys, "an action");
    }
    if (const yaml::Node* steps = context.list(node, "steps")) {
        Branch branch;
        branch.pos = steps->pos;
        readSteps(context, *steps, "steps", branch.steps);
        action.branches.push_back(std::move(branch));
    }
    if (isByFields(action, node)) {
        action.branches.emplace_back().pos = node.pos;
    }
    const yaml::Node* conditions = context.list(node, "conditions");
    if (conditions == nullptr) {
        return;
    }
    if (conditions->items.empty()) {
        context.diagnostics.report(Code::S004, conditions->pos, "\"conditions\" is empty");
    }
    for (const yaml::Node& item : conditions->items) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context.diagnostics.report(Code::S003, item.pos, "a condition must be a mapping with if and then");
            continue;
        }
        context.checkKeys(item, conditionKeys, "a condition");
        Branch branch;
        branch.pos = item.pos;
        branch.conditionText = context.requiredText(item, "if", conditionKeys, "a condition");
        branch.condition = context.expression(branch.conditionText);
        if (item.find("then") == nullptr) {
            context.missing(item, "then", conditionKeys, "a condition");
        }
        if (const yaml::Node* then = context.list(item, "then")) {
            readSteps(context, *then, "then", branch.steps);
        }
        if (const yaml::Node* otherwise = context.list(item, "else")) {
            readSteps(context, *otherwise, "else", branch.otherwise);
        }
        action.branches.push_back(std::move(branch));
    }
}

// One key for all triggers, or one for each: as a list in their order, or by name.
void readCorrelateBy(ReadContext& context, const yaml::Node& node, Action& action) {
    const yaml::Entry* entry = node.find("correlate_by");
    if (entry == nullptr) {
        return;
    }
    const yaml::Node& value = entry->value;
    if (value.kind != yaml::Node::Kind::mapping) {
        action.correlateBy = context.texts(value, "correlate_by");
        bool fits = action.correlateBy.size() <= 1 || action.correlateBy.size() == action.triggers.size();
        if (!fits) {
            context.diagnostics.report(Code::S010, value.pos,
                                       "\"correlate_by\" must name one key, or one for each trigger");
        }
        return;
    }
    Words names;
    for (const Text& trigger : action.triggers) {
        names.push_back(trigger.value);
        if (value.find(trigger.value) == nullptr) {
            context.missing(value, trigger.value, names, "\"correlate_by\"");
        } else {
            action.correlateBy.push_back(context.text(value, trigger.value));
        }
    }
    context.checkKeys(value, names, "\"correlate_by\"");
}

void readTime(ReadContext& context, const yaml::Node& node, Action& action) {
    action.condition = context.text(node, "condition");
    action.correlationWindow = context.text(node, "correlation_window");
    action.correlated = node.find("triggers") != nullptr;
    action.windowed = !action.correlated && action.condition && isWindowed(action.condition.value);
    if (action.condition && !action.correlated && !action.windowed) {
        action.plainCondition = context.expression(action.condition);
    }
    if ((action.windowed || action.correlated) && !action.further.empty()) {
        context.diagnostics.report(Code::S311, action.further.front().pos);
    }
    readCorrelateBy(context, node, action);
    if (action.correlated) {
        if (node.find("correlation_window") == nullptr) {
            context.missing(node, "correlation_window", actionKeys, "an action with \"triggers\"");
        }
        if (node.find("condition") == nullptr) {
            context.missing(node, "condition", actionKeys, "an action with \"triggers\"");
        }
    }
    reportNeeds(context, node, "correlation_window", {"triggers"});
    reportNeeds(context, node, "correlate_by", {"triggers"});
    reportNeeds(context, node, "on_timeout", {"triggers"});
    reportNeeds(context, node, "after_match", {"condition"});
    reportNeeds(context, node, "cooldown", {"condition"});
    action.afterMatch = context.choice(node, "after_match", afterMatchChoices);
    action.cooldown = context.text(node, "cooldown");
    if (const yaml::Node* steps = context.list(node, "on_timeout")) {
        readSteps(context, *steps, "on_timeout", action.onTimeout);
    }
}

bool holds(const std::vector<Text>& codes, const Text& code) {
    return std::any_of(codes.begin(), codes.end(), [&](const Text& other) { return other.value == code.value; });
}

bool isErrorCode(const std::string& text) {
    return (text.size() == 5 || text.size() == 2) &&
           std::all_of(text.begin(), text.end(), [](char c) { return isAsciiDigit(c) || isAsciiUpper(c); });
}

// SQLSTATEs and classes of them, each once.
std::vector<Text> readErrorCodes(ReadContext& context, const yaml::Node& node, const char* key) {
    std::vector<Text> codes;
    const yaml::Entry* entry = node.find(key);
    if (entry == nullptr) {
        return codes;
    }
    for (Text& code : context.texts(entry->value, key)) {
        if (!isErrorCode(code.value)) {
            context.diagnostics.report(
                Code::S047, code.pos,
                std::string("\"") + key + "\" must list SQLSTATEs, or classes of them, not \"" + code.value + "\"",
                "for example [23505, P0001], or [23] for all that begin with it");
        } else if (!holds(codes, code)) {
            codes.push_back(std::move(code));
        }
    }
    return codes;
}

void readErrors(ReadContext& context, const yaml::Node& node, Action& action) {
    action.retryOn = readErrorCodes(context, node, "retry_on");
    action.parkOn = readErrorCodes(context, node, "park_on");
    for (const Text& code : action.parkOn) {
        if (holds(action.retryOn, code)) {
            context.diagnostics.report(Code::S048, code.pos, "\"retry_on\" and \"park_on\" both list " + code.value);
        }
    }
    if (action.onError.value != "abort") return;
    for (const char* key : {"retry_on", "park_on"})
        if (const yaml::Entry* entry = node.find(key))
            context.diagnostics.report(Code::S050, entry->key.pos,
                                       std::string("\"") + key +
                                           "\" has no effect beside on_error: abort: the statement fails, and nothing "
                                           "is tried again",
                                       "leave it out, or on_error: abort");
}

void readRetries(ReadContext& context, const yaml::Node& node, Action& action) {
    action.onError = context.choice(node, "on_error", onErrorChoices);
    readErrors(context, node, action);
    action.backoff = context.text(node, "backoff");
    action.enabled = context.boolean(node, "enabled");
    action.fires = context.choice(node, "fires", firesChoices);
    reportNeeds(context, node, "fires", {"trigger", "triggers", "on"});
    action.maxAttempts = context.text(node, "max_attempts");
    const std::string& attempts = action.maxAttempts.value;
    bool isCount = !attempts.empty() && attempts.size() <= 6 &&
                   std::all_of(attempts.begin(), attempts.end(), isAsciiDigit) &&
                   attempts.find_first_not_of('0') != std::string::npos;
    if (action.maxAttempts && !isCount) {
        context.diagnostics.report(Code::S008, action.maxAttempts.pos);
    }
}

// Keys about the event, which a schedule does not have as they mean it.
void refuseBesideSchedule(ReadContext& context, const yaml::Node& node, const Action& action) {
    auto refuse = [&](const char* key, const char* because, const char* hint) {
        if (const yaml::Entry* entry = node.find(key))
            context.diagnostics.report(Code::S260, entry->key.pos,
                                       std::string("\"") + key + "\" means nothing beside a schedule: " + because,
                                       hint);
    };
    refuse("params", "nobody gives it values", "its steps know due_at and last_due_at");
    refuse("fires", "no session changes a table", "leave it out");
    if (action.onError.value == "abort") refuse("on_error", "there is no statement that could fail", "leave it out");
}

// on: every day at 06:00. Its steps know when it was due.
void readSchedule(ReadContext& context, const yaml::Node& node, Action& action) {
    action.missed = context.choice(node, "missed", missedChoices);
    for (const Text& other : action.further) {
        const bool isOther = time::isSchedule(other.value);
        if (!isOther && !time::isSchedule(action.on.value)) {
            continue;
        }
        context.diagnostics.report(Code::S310, isOther ? other.pos : action.on.pos);
        action.on = {};
        action.further.clear();
        return;
    }
    if (!time::isSchedule(action.on.value)) {
        if (isDueTime(action.on.value)) {
            return;
        }
        if (const yaml::Entry* entry = node.find("missed"))
            context.diagnostics.report(Code::S010, entry->key.pos,
                                       "\"missed\" means nothing without a schedule or a due time",
                                       "write on: every day at 06:00, or leave it out");
        return;
    }
    action.schedule = action.on;
    action.schedule.value = time::scheduleText(action.on.value);
    refuseBesideSchedule(context, node, action);
    time::ScheduleProblem problem;
    const std::optional<time::Schedule> schedule = time::parseSchedule(action.on.value, problem);
    if (!schedule) {
        context.diagnostics.report(Code::S261, context.source.locate(action.on, problem.offset),
                                   "the schedule is not understood: " + problem.message, problem.hint);
        return;
    }
    if (!schedule->zone.empty()) {
        action.zone = action.on;
        action.zone.value = schedule->zone;
    } else if (schedule->every == 0) {
        context.diagnostics.warn(Code::S262, action.on.pos, "the schedule says no time zone, so it goes by UTC",
                                 "write " + action.schedule.value + " in UTC, or in Europe/Berlin");
    }
    addKnown(action, action.on, "due_at", "timestamp with time zone");
    addKnown(action, action.on, "last_due_at", "timestamp with time zone");
}

// When it runs among others.
void readOrder(ReadContext& context, const yaml::Node& node, Action& action) {
    action.order = context.text(node, "order");
    if (!action.order) {
        return;
    }
    const std::string& written = action.order.value;
    bool isNegative = written[0] == '-';
    std::string digits = written.substr(isNegative || written[0] == '+' ? 1 : 0);
    if (digits.empty() || digits.size() > 6 || !std::all_of(digits.begin(), digits.end(), isAsciiDigit)) {
        context.diagnostics.report(Code::S040, action.order.pos);
        return;
    }
    action.turn = std::stoi(digits) * (isNegative ? -1 : 1);
    reportNeeds(context, node, "order", {"trigger", "triggers", "on"});
}

// A rule that runs before the row is written is a trigger like any other, in the transaction of whoever writes it.
void readWhen(ReadContext& context, const yaml::Node& node, Action& action) {
    action.when = context.choice(node, "when", whenChoices);
    if (action.when.value != "before") {
        return;
    }
    static const Words others = {"on_error", "max_attempts", "backoff", "retry_on", "park_on"};
    for (const std::string& key : others) {
        if (const yaml::Entry* entry = node.find(key)) {
            context.diagnostics.report(
                Code::S230, entry->key.pos,
                "\"" + key + "\" has no effect beside when: before: what fails, fails the statement", "leave it out");
        }
    }
    if (const yaml::Entry* entry = node.find("order")) {
        context.diagnostics.report(Code::S231, entry->key.pos);
    }
    reportNeeds(context, node, "when", {"on", "trigger"});
}

// What is called by name has no event that could be tried again.
void readCalled(ReadContext& context, const yaml::Node& node, Action& action) {
    action.ofRow = isCalled(action);
    if (action.windowed && !action.trigger && !action.on && isCallable(action)) {
        context.missing(node, "trigger", actionKeys, "an action with a window");
    }
    for (const char* key : {"on_error", "max_attempts", "backoff", "retry_on", "park_on", "enabled"}) {
        if (action.ofRow) {
            reportNeeds(context, node, key, {"trigger", "on"});
        }
    }
}

// The line of the dash in front of a list item; 0 if something else stands in front of it.
uint32_t dashLine(const Source& source, Pos item) {
    for (uint32_t number = item.line; number > 0; --number) {
        std::string_view line = source.line(number);
        if (number == item.line) {
            // All of it is ASCII, so columns are bytes; if it is not, it is no dash either.
            line = line.substr(0, item.col - 1);
        }
        size_t first = line.find_first_not_of(" \t");
        if (first == std::string_view::npos || line[first] == '#') {
            continue;
        }
        std::string_view behind = line.substr(first + 1);
        size_t more = behind.find_first_not_of(" \t");
        bool isDash = line[first] == '-' && (more == std::string_view::npos || behind[more] == '#');
        return isDash ? number : 0;
    }
    return 0;
}

void readAction(ReadContext& context, const yaml::Node& node, bool standAlone, std::vector<Action>& into) {
    if (node.kind != yaml::Node::Kind::mapping) {
        context.diagnostics.report(Code::S003, node.pos, "an action must be a mapping", "begin it with '- name: on_…'");
        return;
    }
    context.checkKeys(node, actionKeys, "an action");
    Action action;
    action.pos = node.pos;
    action.firstLine = dashLine(context.source, node.pos);
    action.lastLine = node.end.line;
    if (action.firstLine == 0 && standAlone) {
        context.diagnostics.report(Code::S027, node.pos);
    }
    action.name = context.requiredText(node, "name", actionKeys, "an action");
    action.description = context.text(node, "description");
    action.renamedFrom = context.formerNames(node);
    action.pattern = context.text(node, "pattern");
    bool canBeRaised = readTrigger(context, node, action);
    if (const yaml::Node* params = context.mapping(node, "params")) {
        action.params = readParams(context, *params);
    }
    readBranches(context, node, action);
    readTime(context, node, action);
    readRetries(context, node, action);
    readOrder(context, node, action);
    readSchedule(context, node, action);
    readDueTime(context, node, action);
    readHappening(context, node, action);
    readWhen(context, node, action);
    action.operation = context.choice(node, "operation", operations);
    action.batchField = context.text(node, "batch_field");
    action.errorHandling = context.choice(node, "error_handling", errorHandlingChoices);
    readBatch(context, node, action);
    readWorkflow(context, node, action);
    readValidations(context, node, action);
    readCalled(context, node, action);
    readTransition(context, node, action);
    readCoordinated(context, node, action);
    readSaga(context, node, action);
    action.required = context.queryable(context.text(node, "requires"));
    if (canBeRaised) {
        if (action.windowed || action.correlated) {
            action.window = readWindow(context, action);
        }
        into.push_back(std::move(action));
    }
}

}  // namespace

std::vector<Param> readParams(ReadContext& context, const yaml::Node& params) {
    std::vector<Param> result;
    for (const yaml::Entry& entry : params.entries) {
        Text type = context.scalar(entry.value, entry.key.value);
        if (type) {
            std::vector<std::string> values = enumValues(type.value);
            result.push_back({entry.key, std::move(type), std::move(values)});
        }
    }
    return result;
}

void readActions(ReadContext& context, const yaml::Node& actions, bool standAlone, std::vector<Action>& into) {
    for (const yaml::Node& item : actions.items) {
        readAction(context, item, standAlone, into);
    }
}

}  // namespace specql::spec
