// What every name in an action means under one binding: in the event's scope and in the target's.
#pragma once

#include <string>
#include <vector>

#include "resolve/event_scope.hpp"

namespace specql::resolve {

// The functions return true and fill `value`, or false, with a problem if more can be said than that the name is
// unknown.
class Names : ActionPart {
public:
    Names(ActionContext& context, EventScope& event) : ActionPart(context), event_(event) {}

    // `eventSide`: the name stands where only the event's value makes sense.
    bool lookup(const Scope& scope, const NameUse& use, bool eventSide, Value& value, NameProblem& problem);
    // How a bare name would be written that means the event's; empty if it means nothing there, or only what any
    // payload might have as a key.
    std::string meaningOfEvent(const Scope& scope, const NameUse& use);
    // A field or a variable of this name that no row has to be read for.
    bool isField(const Scope& scope, const std::string& name) const;
    bool inScope(const Scope& scope, const std::string& name) const;
    // Is the name a ref of the row that a bulk operation has taken?
    bool ofTakenRef(const Scope& scope, const std::string& name) const;
    // What a name means that a step is about to give to something else; empty if it means nothing there. `isRow`: of
    // a row, so that paths begin with it.
    std::string meaningOfNew(const Scope& scope, const std::string& name, bool isRow);
    // For hints about near misses.
    std::vector<std::string> namesInReach(const Scope& scope) const;

private:
    bool find(const Scope& scope, const NameUse& use, bool eventSide, Value& value, NameProblem& problem);
    bool meansRow(const NameUse& use) const;
    // The field that a word names: the exact one, else the changed one if it contains the word, else the only one.
    // `guess`: the last of these too.
    const ColumnInfo* fieldNamed(const EntityInfo& entity, const std::string& word, bool guess) const;
    Value targetColumn(const Scope& scope, const ColumnInfo& column) const;
    bool lookupTarget(const Scope& scope, const NameUse& use, Value& value) const;
    bool isTargetsRef(const Scope& scope, const NameUse& use, NameProblem& problem) const;
    bool lookupTargetQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool lookupQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    // Of a row that a step has named. False without a problem: no such row is meant.
    // What a step of a process gave, or whether it was done.
    bool lookupStage(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool ofStage(const StageName& known, const NameUse& use, Value& value, NameProblem& problem);
    NameProblem notYet(const StageName& known) const;
    bool lookupNamedRow(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool lookupHandled(const Scope& scope, const std::string& name, Value& value) const;
    bool lookupWindow(const std::string& name, Value& value) const;
    // What came back of the call, in steps with an answer; a field of the same name is a problem.
    bool lookupAnswer(const Scope& scope, const std::string& name, Value& value, NameProblem& problem) const;
    // answer.x and current.x.
    bool lookupOfAnswer(const NameUse& use, Value& value, NameProblem& problem);
    // The row that the event is about.
    bool lookupRow(const std::string& name, Value& value);
    // Old and new value of the field that a word names: old_price, price_change.
    bool lookupPrefixed(const std::string& name, Value& value, NameProblem& problem);
    bool lookupMeta(const std::string& name, Value& value, NameProblem& problem) const;
    // Two ways to such a column that are equally near are a problem that names both.
    bool lookupWays(const std::string& name, Value& value, NameProblem& problem);
    // The key of a payload that a bare name means; of a match only a key that it has.
    bool lookupPayload(const std::string& name, Value& value) const;
    // In the event's scope alone.
    bool lookupEvent(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    NameProblem noField(const EntityInfo& entity, const std::string& name) const;

    EventScope& event_;
};

}  // namespace specql::resolve
