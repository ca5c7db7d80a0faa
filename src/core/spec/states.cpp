// A transition that has a name is a function. What it does is written as steps here, so that everything behind this
// stage knows them as such.
#include "spec/states.hpp"

#include <algorithm>
#include <map>

#include "spec/parts.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words statesKeys = {"field", "initial", "transitions"};
const Words transitionKeys = {"from", "to", "on", "guard"};
const Words transitionPatterns = {"state_machine/transition", "transition", "state_machine/guarded_transition",
                                  "guarded_transition"};
const Words usualNames = {"state", "status"};

bool isEnum(const Field& field) {
    return !field.enumValues.empty();
}

std::string quoted(const Words& states) {
    Words literals;
    for (const std::string& state : states) {
        literals.push_back(quoteLiteral(state));
    }
    return join(literals, ", ");
}

// Reads the states of one entity, and completes its transitions.
class StateReader {
public:
    StateReader(ReadContext& context, Entity& entity) : context_(context), entity_(entity) {}

    void readKey(const yaml::Node& node) {
        States states;
        states.pos = node.pos;
        context_.checkKeys(node, statesKeys, "\"states\"");
        field_ = findField(context_.text(node, "field"), node.pos);
        states.initial = context_.text(node, "initial");
        const yaml::Node* transitions = context_.list(node, "transitions");
        if (node.find("transitions") == nullptr) {
            context_.missing(node, "transitions", statesKeys, "\"states\"");
        }
        if (field_ == nullptr) {
            return;
        }
        states.field = field_->name;
        const bool begins = checkInitial(states);
        if (transitions != nullptr) {
            for (const yaml::Node& item : transitions->items) {
                readItem(item, states);
            }
        }
        if (begins) {
            reportUnreached(states);
        }
        entity_.states = std::move(states);
        addFunctions();
    }

    void completeActions() {
        for (Action& action : entity_.actions) {
            if (!isTransition(action)) {
                continue;
            }
            if (field_ == nullptr && !entity_.states) {
                field_ = findField({}, action.pos);
            }
            if (field_ != nullptr) {
                complete(action);
            }
        }
    }

private:
    // By the new state: the former ones.
    using Moves = std::vector<std::pair<std::string, std::string>>;  // from, to

    const Field* findField(const Text& name, Pos pos) {
        std::vector<const Field*> enums, usual;
        Words names;
        for (const Field& field : entity_.fields) {
            if (isEnum(field)) {
                enums.push_back(&field);
                names.push_back(field.name.value);
            }
            if (isEnum(field) && holds(usualNames, snakeCase(field.name.value))) {
                usual.push_back(&field);
            }
        }
        if (name) {
            for (const Field* field : enums) {
                if (field->name.value == name.value) {
                    return field;
                }
            }
            std::string hint = didYouMean(name.value, names);
            context_.diagnostics.report(Code::S240, name.pos, entity_.name.value + " has no enum field " + name.value,
                                        !hint.empty() ? hint
                                        : names.empty()
                                            ? "states are the values of a field: " + name.value + ": enum(draft, sent)"
                                            : "its enum fields are " + join(names, ", "));
            return nullptr;
        }
        if (usual.size() == 1) {
            return usual.front();
        }
        std::string why = usual.empty() ? "no enum field of " + entity_.name.value + " is called state or status"
                                        : entity_.name.value + " has both a state and a status";
        context_.diagnostics.report(Code::S240, pos, why + ": which one holds the states?",
                                    enums.empty() ? "add one: state: enum(draft, sent) = 'draft'"
                                                  : "write states: {field: " + names.front() + ", …}");
        return nullptr;
    }

    bool isState(const Text& state) {
        if (!state) {
            return false;
        }
        if (holds(field_->enumValues, state.value)) {
            return true;
        }
        std::string hint = didYouMean(state.value, field_->enumValues);
        context_.diagnostics.report(
            Code::S241, state.pos, state.value + " is no state of " + entity_.name.value,
            hint.empty() ? "the values of " + field_->name.value + " are " + join(field_->enumValues, ", ") : hint);
        return false;
    }

    // It is the field's default where it is not given, and the other way round.
    bool checkInitial(States& states) {
        std::string given;
        if (field_->defaultValue) {
            given = context_.spec.expressions[static_cast<size_t>(field_->defaultValue.id)].value;
            bool isQuoted = given.size() > 1 && given.front() == '\'' && given.back() == '\'';
            given = isQuoted ? given.substr(1, given.size() - 2) : given;
        }
        if (states.initial) {
            if (!isState(states.initial)) {
                return false;
            }
            if (!given.empty() && given != states.initial.value) {
                context_.diagnostics.report(Code::S242, states.initial.pos,
                                            "a new " + entity_.name.value + " is " + states.initial.value +
                                                " by its states, and " + given + " by the default of " +
                                                field_->name.value,
                                            "leave one of them out");
                return false;
            }
            return true;
        }
        if (holds(field_->enumValues, given)) {
            states.initial = field_->name;
            states.initial.value = given;
            return true;
        }
        context_.diagnostics.report(Code::S242, states.pos,
                                    "nothing says in which state a new " + entity_.name.value + " is",
                                    "write initial: " + field_->enumValues.front());
        return false;
    }

    void readItem(const yaml::Node& item, States& states) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S003, item.pos, "a transition must be a mapping",
                                        "for example {from: draft, to: sent, on: send}");
            return;
        }
        context_.checkKeys(item, transitionKeys, "a transition");
        Transition transition;
        transition.pos = item.pos;
        if (const yaml::Entry* from = item.find("from")) {
            transition.from = context_.texts(from->value, "from");
        } else {
            context_.missing(item, "from", transitionKeys, "a transition");
        }
        transition.to = context_.requiredText(item, "to", transitionKeys, "a transition");
        transition.on = context_.text(item, "on");
        transition.guard = context_.expressionAt(item, "guard");
        bool known = isState(transition.to);
        for (const Text& from : transition.from) {
            known = isState(from) && known;
            known = known && !reportTwice(states, from, transition);
        }
        if (known) {
            states.transitions.push_back(std::move(transition));
        }
    }

    // One function must know where it leads to.
    bool reportTwice(const States& states, const Text& from, const Transition& added) {
        for (const Transition& known : states.transitions) {
            bool isSame = std::any_of(known.from.begin(), known.from.end(),
                                      [&](const Text& other) { return other.value == from.value; });
            if (!isSame || known.on.value != added.on.value || (!added.on && known.to.value != added.to.value)) {
                continue;
            }
            context_.diagnostics.report(
                Code::S243, from.pos,
                added.on ? added.on.value + " leads from " + from.value + " to " + known.to.value + " already"
                         : from.value + " → " + added.to.value + " stands here twice",
                added.on ? "give one of them another name behind on:" : "remove one of them");
            return true;
        }
        return false;
    }

    void reportUnreached(const States& states) {
        for (const std::string& state : field_->enumValues) {
            bool isReached = state == states.initial.value ||
                             std::any_of(states.transitions.begin(), states.transitions.end(),
                                         [&](const Transition& known) { return known.to.value == state; });
            if (!isReached && !states.transitions.empty()) {
                context_.diagnostics.report(Code::S244, field_->type.pos,
                                            "no transition leads to the state " + state + " of " + entity_.name.value,
                                            "add one, or take the value away");
            }
        }
    }

    // A transition with a name and without an action of that name is a function that does nothing else.
    void addFunctions() {
        for (const Transition& transition : entity_.states->transitions) {
            const Text& name = transition.on;
            if (!name) {
                continue;
            }
            auto found = std::find_if(entity_.actions.begin(), entity_.actions.end(),
                                      [&](const Action& action) { return action.name.value == name.value; });
            if (found == entity_.actions.end()) {
                Action action;
                action.name = name;
                action.pattern.value = transitionPatterns.front();
                action.pos = transition.pos;
                action.branches.emplace_back().pos = transition.pos;
                entity_.actions.push_back(std::move(action));
            } else if (!isTransition(*found)) {
                context_.diagnostics.report(Code::S245, name.pos,
                                            "the action " + name.value + " is there already, and is no transition",
                                            "give it pattern: state_machine/transition, or another name");
            }
        }
    }

    bool isAllowed(const std::string& from, const std::string& to, const std::string& name) const {
        return std::any_of(entity_.states->transitions.begin(), entity_.states->transitions.end(),
                           [&](const Transition& known) {
                               bool leads = known.to.value == to && (!known.on || known.on.value == name);
                               return leads && std::any_of(known.from.begin(), known.from.end(),
                                                           [&](const Text& one) { return one.value == from; });
                           });
    }

    // What the action says by itself, and what the states say of it. False if there was an error.
    bool findMoves(const Action& action, Moves& moves) {
        auto add = [&](const std::string& from, const std::string& to) {
            if (std::find(moves.begin(), moves.end(), std::make_pair(from, to)) == moves.end()) {
                moves.emplace_back(from, to);
            }
        };
        bool good = !action.toState || isState(action.toState);
        for (const Text& from : action.fromStates) {
            bool known = isState(from);
            if (known && good && entity_.states && action.toState &&
                !isAllowed(from.value, action.toState.value, action.name.value)) {
                context_.diagnostics.report(
                    Code::S246, from.pos,
                    from.value + " → " + action.toState.value + " is no transition of " + entity_.name.value,
                    "add it to its states: {from: " + from.value + ", to: " + action.toState.value +
                        ", on: " + action.name.value + "}");
                known = false;
            }
            good = good && known;
            if (known && action.toState) {
                add(from.value, action.toState.value);
            }
        }
        if (entity_.states) {
            for (const Transition& transition : entity_.states->transitions) {
                for (const Text& from : transition.from) {
                    if (transition.on && transition.on.value == action.name.value) {
                        add(from.value, transition.to.value);
                    }
                }
            }
        }
        if (good && (moves.empty() || action.fromStates.empty() != !action.toState)) {
            context_.diagnostics.report(
                Code::S247, action.pos, "nothing says from which state " + action.name.value + " leads to which",
                "write from_state: and to_state:, or on: " + action.name.value + " at a transition of the states");
            return false;
        }
        return good;
    }

    std::string column() const {
        return quoteName(snakeCase(entity_.name.value)) + "." + quoteName(field_->name.value);
    }

    // The function tests the state that it finds, and writes the new one before its other steps.
    void complete(Action& action) {
        Moves moves;
        if (!findMoves(action, moves) || action.branches.empty()) {
            return;
        }
        action.ofRow = true;
        const Text& at = action.toState ? action.toState : action.name;
        Words from, to;
        std::string choice = "CASE " + column();
        for (const auto& [before, after] : moves) {
            from.push_back(before);
            if (!holds(to, after)) {
                to.push_back(after);
            }
            choice += " WHEN " + quoteLiteral(before) + " THEN " + quoteLiteral(after);
        }
        std::string state = to.size() == 1 ? quoteLiteral(to.front()) : choice + " END";
        std::vector<Step>& steps = action.branches.front().steps;
        Step set;
        set.kind = StepKind::update;
        set.verb = written("update", at);
        set.target = entity_.name;
        set.pos = at.pos;
        set.set.push_back({field_->name, context_.expression(written(state, at))});
        size_t validations = static_cast<size_t>(std::count_if(steps.begin(), steps.end(), [&](const Step& step) {
            return std::any_of(action.validations.begin(), action.validations.end(),
                               [&](const Text& text) { return text.offset == step.verb.offset; });
        }));
        steps.insert(steps.begin() + static_cast<long>(validations), std::move(set));
        if (action.guard) {
            Step guard =
                test(action.guard.value, action.guard, action.name.value + " needs " + commentText(action.guard.value));
            guard.condition = context_.queryable(action.guard);
            steps.insert(steps.begin(), std::move(guard));
        }
        steps.insert(steps.begin(), testState(action, from, to, at));
        action.result = context_.expression(written(state, at));
    }

    Step test(const std::string& condition, const Text& at, const std::string& message) {
        Step step;
        step.kind = StepKind::validate;
        step.verb = written("validate", at);
        step.pos = at.pos;
        step.condition = context_.expression(written(condition, at));
        step.message = written(message, at);
        return step;
    }

    Step testState(const Action& action, const Words& from, const Words& to, const Text& at) {
        std::string goes = action.name.value + " goes from " + orList(from);
        std::string rest = to.size() == 1 ? " → " + to.front() + " is no transition; " + goes : ": " + goes;
        Step step = test(column() + (from.size() == 1 ? " = " : " IN (") + quoted(from) + (from.size() == 1 ? "" : ")"),
                         at, rest);
        std::string found = field_->required ? column() : "coalesce(" + column() + ", 'NULL')";
        step.messageParts = {{"", context_.expression(written(found, at))}, {rest, {}}};
        return step;
    }

    ReadContext& context_;
    Entity& entity_;
    const Field* field_ = nullptr;
};

}  // namespace

bool isTransition(const Action& action) {
    return holds(transitionPatterns, action.pattern.value);
}

void readTransition(ReadContext& context, const yaml::Node& node, Action& action) {
    const Words own = {"from_state", "from_states", "to_state", "guard"};
    if (!isTransition(action)) {
        for (const std::string& key : own) {
            if (const yaml::Entry* entry = node.find(key)) {
                context.diagnostics.report(Code::S010, entry->key.pos,
                                           "\"" + key + "\" means nothing without pattern: state_machine/transition");
            }
        }
        return;
    }
    for (const char* key : {"conditions", "condition", "triggers", "operation", "batch_field", "error_handling"}) {
        if (const yaml::Entry* entry = node.find(key)) {
            context.diagnostics.report(Code::S248, entry->key.pos, std::string("a transition has no \"") + key + "\"",
                                       "what must hold is its guard:, what it does are its steps:");
        }
    }
    for (const char* key : {"from_state", "from_states"}) {
        if (const yaml::Entry* entry = node.find(key)) {
            std::vector<Text> states = context.texts(entry->value, key);
            action.fromStates.insert(action.fromStates.end(), states.begin(), states.end());
        }
    }
    action.toState = context.text(node, "to_state");
    action.guard = context.text(node, "guard");
    if (action.branches.empty()) {
        action.branches.emplace_back().pos = node.pos;
    }
}

void readStates(ReadContext& context, const yaml::Node& root, Entity& entity) {
    StateReader reader(context, entity);
    if (const yaml::Node* states = context.mapping(root, "states")) {
        reader.readKey(*states);
    }
    reader.completeActions();
}

}  // namespace specql::spec
