// Resolves one action under one binding; split over names.cpp (keys and names), expressions.cpp (expressions and the
// types of payload keys), steps.cpp and feeds.cpp (what windows and correlations listen to).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql {

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
    EntityInfo* target = nullptr;   // the rows an update or delete is about
    bool targetFirst = false;       // WHERE, ORDER BY: a bare name is the target's column if it has one
    std::string assigned;           // SET: the column whose current value its own name means
    EntityInfo* handled = nullptr;  // steps after a bulk operation
    std::vector<Value> locals;
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
    // --- keys: the entities whose rows the event names -----------------------------------------------------------
    void addKey(EntityInfo* entity, Value key);
    void findKeys();
    // Adds what the rows named by keys refer to, nearest first.
    void followRefs();
    // The keys of the payload that steps of other actions give the event.
    void findEmittedKeys();
    EntityInfo* knownTable(const std::string& table);
    void addPayloadKey(const std::string& name);
    // `taken`: whose row the steps of a bulk operation are done for; `target`: whose rows a WHERE is about.
    void findKeysIn(ExpressionRef ref, const EntityInfo* taken = nullptr, const EntityInfo* target = nullptr);
    void findKeysIn(const std::vector<Step>& steps, const EntityInfo* taken = nullptr);
    // The context of a key's entity, made when first used.
    int useContext(const Context& key);

    // --- values ----------------------------------------------------------------------------------------------------
    Value eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old, std::string rule) const;
    Value contextColumn(const Context& key, const ColumnInfo& column, std::string rule);
    static Value payloadValue(const std::string& name);
    static Value simple(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown);
    // The field that a word names: the exact one, else the changed one if it contains the word, else the only one.
    const ColumnInfo* fieldNamed(const EntityInfo& entity, const std::string& word) const;
    bool lookupTarget(const Scope& scope, const NameUse& use, Value& value) const;
    bool lookupQualified(const Scope& scope, const NameUse& use, Value& value);
    bool lookupHandled(const Scope& scope, const std::string& name, Value& value) const;
    bool lookupWindow(const std::string& name, Value& value) const;
    // Rules 2 to 4: the row the event is about.
    bool lookupRow(const std::string& name, Value& value);
    // Rule 5: old and new value of the field that a word names.
    bool lookupPrefixed(const std::string& name, Value& value);
    bool lookupMeta(const std::string& name, Value& value) const;
    // Rule 7. Two entities with such a column: an error that names both.
    bool lookupKeys(const std::string& name, Value& value, std::string& problem);
    bool declaredParam(const std::string& name) const;
    bool lookup(const Scope& scope, const NameUse& use, Value& value, std::string& problem);

    // --- expressions -------------------------------------------------------------------------------------------------
    void notePayload(const std::string& name);
    std::vector<std::string> namesInReach(const Scope& scope) const;
    BoundExpression bind(ExpressionRef ref, const std::string& target, const Scope& scope,
                         const ColumnInfo* column = nullptr);
    void unknownName(int expression, const NameUse& use, const Scope& scope, const ColumnInfo* column,
                     const std::string& problem);
    void checkEnum(const ExpressionFacts& facts, const BoundExpression& bound, const ColumnInfo* column);

    // --- payload types: declared, else of the field of the same name, else …_id is uuid, else by use, else text
    // --------
    void hint(const std::string& key, const std::string& type);
    void hintPayloadTypes(const ExpressionFacts& facts, const BoundExpression& bound);
    void inferPayloadTypes();
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
    std::vector<ResolvedStep> bindSteps(const std::vector<Step>& steps, Scope& scope);
    EntityInfo* targetOf(const Step& step);
    void bindSet(const Step& step, ResolvedStep& resolved, const Scope& outer);
    // create: columns take the event's values of the same name.
    void bindCreate(ResolvedStep& resolved, const Scope& scope);
    // Which row an update or delete without WHERE is about.
    void bindOwnRow(const Step& step, ResolvedStep& resolved);
    // Behind an allocation: the taken row itself, or the one that it refers to. False if it leads to none.
    bool bindTakenRow(const Step& step, ResolvedStep& resolved, const Scope& scope);
    // The refs of an entity that lead to another.
    std::vector<const ColumnInfo*> waysTo(const EntityInfo* entity, const EntityInfo& from);
    bool ofTakenRef(const Scope& scope, const std::string& name) const;
    void refuseTakenRef(Pos pos, const NameUse& use, const Scope& scope);
    // A bulk operation is a function: nothing says which event called it, if one did.
    void refuseEventNames();
    // LIMIT that shares a word with a field of the target allocates: rows are taken while the field's sum fits.
    void bindLimit(const Step& step, ResolvedStep& resolved, const Scope& scope);
    ResolvedStep bindStep(const Step& step, Scope& scope);
    void bindForeach(const Step& step, ResolvedStep& resolved, Scope& scope);
    // <action>: "f(args)" calls the action; a function of that name is called; otherwise the call is queued.
    void bindCall(const Step& step, ResolvedStep& resolved, Scope& scope);

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    bool withKeys_;
    bool bulk_ = false;
    ResolvedAction result_;
    std::vector<Context> keys_;               // entities that the event names by key
    std::set<std::string> emitted_;           // keys that steps of actions give the custom event
    std::vector<const EntityInfo*> touched_;  // targets of steps so far
    std::map<std::string, std::string> hints_;
    std::map<std::string, std::string> literalHints_;  // used where there is no other
};

}  // namespace specql
