// Resolves one action under one binding; split over ways.cpp (rows that the event leads to), names.cpp (names),
// where.cpp (what WHERE binds), one_word.cpp (words that could be two values), expressions.cpp (expressions and the
// types of payload keys), steps.cpp and feeds.cpp (what windows and correlations listen to).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::resolve {

// Names that every event, or every match of a window, has.
struct NamedType {
    const char* name;
    const char* type;
};
inline constexpr NamedType metaNames[] = {
    {"event_id", "uuid"}, {"event_type", "text"}, {"event_time", "timestamp with time zone"}, {"event_data", "jsonb"}};
inline constexpr NamedType matchNames[] = {{"match_count", "bigint"},
                                           {"match_key", "text"},
                                           {"first_at", "timestamp with time zone"},
                                           {"last_at", "timestamp with time zone"},
                                           {"event_ids", "uuid[]"}};

// Where an expression stands: what its names may mean there.
struct Scope {
    EntityInfo* target = nullptr;   // the rows that an update or delete writes
    bool targetFirst = false;       // WHERE, ORDER BY: a bare name is the target's column if it has one
    std::string assigned;           // SET: the column whose current value its own name means
    int targetWay = -1;             // the target is the row at the end of this way
    bool ownRow = false;            // or the event's own
    EntityInfo* handled = nullptr;  // steps after a bulk operation
    bool ofBranch = false;          // a condition of the action, of which more is said when it can never hold
    std::vector<Value> locals;
};

// A key of a window or correlation: its matches have it under this name.
struct MatchKey {
    std::string name;
    std::string type;               // of the column that it is in the events; empty if none says
    EntityInfo* entity = nullptr;   // whose row it names
    std::set<std::string> aliases;  // its names in the events of the other terms
};

// What a spec calls the entity in a dotted name: orderitem.price, order_item.price.
bool isNamed(const EntityInfo& entity, const std::string& word);

// Why a name means nothing here.
struct NameProblem {
    std::string message, hint;
    Code code = Code::R041;  // ambiguous
};

class ActionResolver {
public:
    ActionResolver(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding, bool withKeys)
        : resolver_(resolver), world_(world), action_(action), withKeys_(withKeys) {
        result_.info = &action;
        result_.binding = binding;
        result_.base = action.base;
        bulk_ = isBulk(action);
    }
    ResolvedAction run();
    // The listener that feeds the window's terms of this source.
    ResolvedAction runFeed(const Window& window, const std::string& source);

private:
    // --- ways: the rows that the event leads to (ways.cpp) ---------------------------------------------------------
    // Its place among ways_; -1 if no row of such an entity can be found by a key.
    int addWay(EntityInfo* entity, Value key, const std::string& path, int via = -1);
    void findWays();
    // Adds what the rows at the end of ways refer to, nearest first.
    void followRefs();
    // The way that goes on from `from` (-1: the event's row, the old one if `old`) by the ref of this name; -1 if none.
    int follow(int from, const std::string& ref, bool old, bool strict);
    // The way that a path leads, for VIA and for a name of several parts, whose last is `field`; -1 if it leads
    // nowhere, with a problem if more can be said than that.
    int wayOf(const std::vector<std::string>& path, const std::string& field, NameProblem& problem);
    // The nearest ways to an entity, or to a row with a column of this name.
    std::vector<int> nearestWays(const std::function<bool(const EntityInfo&)>& fits) const;
    // Of a custom event: the keys of the payload that steps of other actions give it.
    void findEmittedKeys();
    void findMatchKeys();
    EntityInfo* knownTable(const std::string& table);
    void addPayloadKey(const std::string& name);
    // `taken`: whose row the steps of a bulk operation are done for; `target`: whose rows a WHERE is about.
    void findKeysIn(spec::ExpressionRef ref, EntityInfo* taken = nullptr, EntityInfo* target = nullptr);
    void findKeysIn(const std::vector<spec::Step>& steps, EntityInfo* taken = nullptr);
    void findTargetsIn(const std::vector<spec::Step>& steps, EntityInfo* taken = nullptr);
    // The context of a way, made when first used.
    int useContext(int way);

    // --- values ----------------------------------------------------------------------------------------------------
    Value eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old, std::string rule) const;
    // Of the new or old row and nothing else.
    Value rowColumn(const ColumnInfo& column, bool old, std::string rule) const;
    Value contextColumn(int way, const ColumnInfo& column, std::string rule);
    static Value payloadValue(const std::string& name);
    static Value simple(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown);
    Value targetColumn(const Scope& scope, const ColumnInfo& column) const;
    // The field that a word names: the exact one, else the changed one if it contains the word, else the only one.
    // `guess`: the last of these too.
    const ColumnInfo* fieldNamed(const EntityInfo& entity, const std::string& word, bool guess) const;
    bool lookupTarget(const Scope& scope, const NameUse& use, Value& value) const;
    bool isTargetsRef(const Scope& scope, const NameUse& use, NameProblem& problem) const;
    bool lookupTargetQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool lookupQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool lookupHandled(const Scope& scope, const std::string& name, Value& value) const;
    bool lookupWindow(const std::string& name, Value& value) const;
    // The row the event is about: old.x and new.x, its columns, its key.
    bool lookupRow(const std::string& name, Value& value);
    // previous_x, new_x and x_change: old and new value of the field that a word names.
    bool lookupPrefixed(const std::string& name, Value& value, NameProblem& problem);
    bool lookupMeta(const std::string& name, Value& value) const;
    // A column of a row that the event leads to. Two ways to such a column that are equally near are a problem that
    // names both.
    bool lookupWays(const std::string& name, Value& value, NameProblem& problem);
    bool declaredParam(const std::string& name) const;
    // A ref has two names, and its key in the payload one of them: the declared one.
    std::string keyInPayload(const std::string& name) const;
    void orderParameters();
    // The key of a payload that a bare name means when nothing else has it; of a match only a key that it has.
    bool lookupPayload(const std::string& name, Value& value) const;
    // In the event's scope alone.
    bool lookupEvent(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem);
    bool lookup(const Scope& scope, const NameUse& use, bool eventSide, Value& value, NameProblem& problem);
    NameProblem noField(const EntityInfo& entity, const std::string& name) const;
    NameProblem ambiguous(const std::string& what, const std::vector<int>& ways, const std::string& suffix) const;

    // --- what WHERE binds (where.cpp) -------------------------------------------------------------------------------
    // The names on the right of a comparison of a target's column with itself: they are the event's.
    std::set<int> rightTwins(const ExpressionFacts& facts, const Scope& scope) const;
    // How a bare name would be written that means the event's; empty if it means nothing there, or only what any
    // payload might have as a key.
    std::string meaningOfEvent(const Scope& scope, const NameUse& use);
    void checkWhere(const BoundExpression& where, const Scope& scope, bool bound);
    bool checkMixedSide(const BoundExpression& where, const std::vector<int>& side, const Scope& scope);
    // False if it was reported.
    bool checkComparison(const BoundExpression& where, const ComparisonUse& comparison, const Scope& scope);
    // False if a column of the target stands in these names more than once, where the event has something of that name.
    bool checkTwice(const BoundExpression& bound, const std::vector<int>& names, const Scope& scope);
    bool checkParts(const BoundExpression& where, const ConditionPart& part, const Scope& scope);
    // The same for a whole expression: of SET, of ORDER BY.
    void checkValue(const BoundExpression& bound, const Scope& scope);
    void checkOrder(const BoundExpression& bound, const Scope& scope);
    // Keys of rows of different entities are never the same.
    const EntityInfo* rowOf(const Value& value, const Scope& scope) const;
    void checkAssignedRow(const BoundAssignment& assignment, const ColumnInfo& column, const EntityInfo& target,
                          const Scope& scope);
    void checkSelfAssignment(const BoundAssignment& assignment, const ColumnInfo& column, const Scope& scope);
    // Words that are values of SQL although a field has their name; and who current_user is in a handler.
    void checkSqlValues(int expression, const Scope& scope);
    std::string fieldToo(const SqlValueUse& use, const Scope& scope) const;
    // A field or a variable of this name that no row has to be read for.
    bool isField(const Scope& scope, const std::string& name) const;
    bool inScope(const Scope& scope, const std::string& name) const;
    // new.x, "x": how a field is written whose name is a word of SQL.
    std::string writtenOut(const Scope& scope, const std::string& name) const;
    std::string keywordHint(int expression, const Scope& scope) const;

    // --- words that could be two values, and rows that are not there (one_word.cpp) --------------------------------
    // One word that is the target's in one assignment of a step and the event's in another; or that is a field of the
    // written row, and of another row of its entity or one that the event only leads to.
    void checkMixedSet(const ResolvedStep& step, const Scope& scope);
    // Is the row that this value is of the one that the step writes?
    bool isWrittenRow(const ResolvedStep& step, const Value& value) const;
    void checkRowTests(const BoundExpression& bound);
    // Values of a row that the event never has.
    void checkMissingRows(const BoundExpression& bound, const Scope& scope);
    void checkMissingVia(const spec::Step& step, int way);
    // Why there is never a row that a value of the event, or the way that starts with it, could be of; null if there
    // is.
    const char* missingRow(const Value& start) const;
    // The event's value that a way starts with.
    const Value& startOf(const Context& way) const;
    // "new.", of a deletion "old.", of a custom event "payload.".
    std::string eventPrefix() const;

    // --- expressions -------------------------------------------------------------------------------------------------
    void notePayload(const std::string& name);
    std::vector<std::string> namesInReach(const Scope& scope) const;
    BoundExpression bind(spec::ExpressionRef ref, const std::string& target, const Scope& scope,
                         const ColumnInfo* column = nullptr);
    std::string partHint(const NameUse& use, const Scope& scope) const;
    void unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                     const NameProblem& problem);

    // --- payload types: declared, else of the field of the same name, else …_id is uuid, else by use, else text
    // --------
    void hint(const std::string& key, const std::string& type);
    void hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound);
    void inferPayloadTypes();
    // Keys of a payload that nobody declares, and that are nearly something known.
    void checkKeys();
    std::string payloadType(const std::string& key);

public:
    template <typename Visit>
    static void forEachExpression(ResolvedAction& action, Visit visit) {
        for (ResolvedBranch& branch : action.branches) {
            if (branch.condition) visit(branch.condition);
            if (branch.feed && branch.feed->field) visit(branch.feed->field);
            if (branch.feed)
                for (BoundExpression& key : branch.feed->keys)
                    visit(key);
            forEachIn(branch.steps, visit);
            forEachIn(branch.otherwise, visit);
        }
    }
    template <typename Visit>
    static void forEachIn(std::vector<ResolvedStep>& steps, Visit& visit) {
        for (ResolvedStep& step : steps) {
            for (BoundAssignment& assignment : step.set)
                if (assignment.value) visit(assignment.value);
            for (BoundExpression* bound : {&step.where, &step.limit, &step.condition})
                if (*bound) visit(*bound);
            for (BoundOrder& order : step.order)
                visit(order.value);
            for (BoundExpression& arg : step.args)
                visit(arg);
            forEachIn(step.then, visit);
            forEachIn(step.otherwise, visit);
        }
    }

private:
    void explain();

    // --- steps -------------------------------------------------------------------------------------------------------
    std::vector<ResolvedStep> bindSteps(const std::vector<spec::Step>& steps, Scope& scope);
    EntityInfo* targetOf(const spec::Step& step);
    void bindSet(const spec::Step& step, ResolvedStep& resolved, const Scope& outer);
    // create: columns take the event's values of the same name.
    void bindCreate(ResolvedStep& resolved, const Scope& scope);
    // Which row an update or delete without WHERE is about.
    std::string refHint(const EntityInfo& target) const;
    // `handled`: the entity of the taken row, behind an allocation.
    void bindOwnRow(const spec::Step& step, ResolvedStep& resolved, const EntityInfo* handled);
    void bindWay(int way, ResolvedStep& resolved);
    // The row that VIA says.
    void bindVia(const spec::Step& step, ResolvedStep& resolved);
    // Behind an allocation: the taken row itself, or the one that it refers to. False if it leads to none.
    bool bindTakenRow(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // The refs of an entity that lead to another.
    std::vector<const ColumnInfo*> waysTo(const EntityInfo* entity, const EntityInfo& from);
    bool ofTakenRef(const Scope& scope, const std::string& name) const;
    void refuseTakenRef(Pos pos, const NameUse& use, const Scope& scope);
    // A bulk operation is a function: nothing says which event called it, if one did.
    void refuseEventNames();
    // LIMIT that shares a word with a field of the target allocates: rows are taken while the field's sum fits.
    void bindLimit(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    ResolvedStep bindStep(const spec::Step& step, Scope& scope);
    void bindForeach(const spec::Step& step, ResolvedStep& resolved, Scope& scope);
    // <action>: "f(args)" calls the action; a function of that name is called; otherwise the call is queued.
    void bindCall(const spec::Step& step, ResolvedStep& resolved, Scope& scope);

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    bool withKeys_;
    bool bulk_ = false;
    ResolvedAction result_;
    std::vector<Context> ways_;  // to rows that the event leads to, nearest first
    std::vector<MatchKey> matchKeys_;
    std::set<std::string> emitted_;           // keys that steps of actions give the custom event
    std::vector<const EntityInfo*> touched_;  // targets of steps so far
    std::map<std::string, std::string> hints_;
    std::map<std::string, std::string> literalHints_;  // used where there is no other
};

}  // namespace specql::resolve
