// What the classes that resolve one action under one binding share: the action, the world, and the result that grows.
#pragma once

#include "resolve/resolver.hpp"

namespace specql::resolve {

// One action under one binding.
struct ActionContext {
    Resolver& resolver;
    World& world;
    const ActionInfo& action;
    bool withKeys;    // names may be columns of rows that the event names by a key
    bool isFunction;  // its event is its parameters
    bool takesRows;   // its first update or delete takes the rows that the steps behind it are done for
    ResolvedAction result;
};

// A class that does a part of it. The context outlives it.
class ActionPart {
protected:
    explicit ActionPart(ActionContext& context)
        : resolver_(context.resolver),
          world_(context.world),
          action_(context.action),
          result_(context.result),
          withKeys_(context.withKeys),
          function_(context.isFunction),
          takesRows_(context.takesRows) {}

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    ResolvedAction& result_;
    const bool withKeys_, function_, takesRows_;
};

// A variable of foreach, or a value by the name that let has given it.
struct LocalName {
    std::string name;
    Value value;
};

// A row by the name that a step has given it.
struct RowName {
    std::string name;
    int row = -1;               // into ResolvedAction::rows
    bool mayBeMissing = false;  // there may be none, and the steps go on
};

// A step of a process by its name, or the row that it made by that of its entity.
struct StageName {
    std::string name;
    int stage = -1;                      // its place among the steps, from 0
    const EntityInfo* entity = nullptr;  // whose row its values are of; null: of an answer, or none
    bool isOfEntity = false;             // the name is the entity's
    enum class When { before, later, beside } when = When::before;
};

// Where an expression stands: what its names may mean there.
struct Scope {
    EntityInfo* target = nullptr;           // the rows that an update or delete writes
    std::string targetName;                 // what a find calls them
    bool targetFirst = false;               // WHERE, ORDER BY: a bare name is the target's column if it has one
    std::string assigned;                   // SET: the column whose current value its own name means
    int targetWay = -1;                     // the target is the row at the end of this way
    bool ownRow = false;                    // or the event's own
    EntityInfo* handled = nullptr;          // steps after a bulk operation; what elements of an array become
    std::string handledName;                // the name of that array
    int parentWay = -1;                     // to the row that is called parent
    bool ofBranch = false;                  // a condition of the action, of which more is said when it can never hold
    const std::string* required = nullptr;  // the text of requires:, in which a key of the caller may be a right
    std::vector<LocalName> locals;
    std::vector<RowName> rows;
    std::vector<StageName> stages;
    int stage = -1;                     // what undoes this step of a process
    EntityInfo* stageEntity = nullptr;  // and whose rows that made or changed
};

// Why a name means nothing here.
struct NameProblem {
    std::string message, hint;
    Code code = Code::R041;  // ambiguous
};

}  // namespace specql::resolve
