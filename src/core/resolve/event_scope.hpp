// The event of an action: the values of its row, its payload or its match, and the ways from it to rows of other
// entities, by the refs of its row or the keys of its payload, and on by the refs of those rows.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "resolve/action_part.hpp"

namespace specql::resolve {

// Names that every event, or every match of a window, has.
struct NamedType {
    const char* name;
    const char* type;
};
// What happened to the row: insert, update, delete or truncate.
inline constexpr char operationName[] = "event_operation";
inline constexpr NamedType metaNames[] = {{"event_id", "uuid"},
                                          {"event_type", "text"},
                                          {"event_time", "timestamp with time zone"},
                                          {"event_data", "jsonb"},
                                          {operationName, "text"}};
inline constexpr NamedType matchNames[] = {{"match_count", "bigint"},
                                           {"match_key", "text"},
                                           {"first_at", "timestamp with time zone"},
                                           {"last_at", "timestamp with time zone"},
                                           {"event_ids", "uuid[]"}};

// Names that steps with an answer have.
inline constexpr NamedType answerNames[] = {{"response", "jsonb"},          {"response_text", "text"},
                                            {"response_status", "integer"}, {"response_headers", "jsonb"},
                                            {"attempts", "integer"},        {"error", "text"}};

// A key of a window or correlation: its matches have it under this name.
struct MatchKey {
    std::string name;
    std::string type;               // of the column that it is in the events; empty if none says
    EntityInfo* entity = nullptr;   // whose row it names
    std::set<std::string> aliases;  // its names in the events of the other terms
};

// What a spec calls the entity in a dotted name: orderitem.price, order_item.price.
bool isNamed(const EntityInfo& entity, const std::string& word);

// `rule` and `shown` are what specql.explain prints of the value.
Value simpleValue(ValueKind kind, std::string name, std::string type, std::string rule, std::string shown);
Value payloadValue(const std::string& name);

// The names on the right of a comparison of a target's column with itself: they are the event's.
std::set<int> rightTwins(const ExpressionFacts& facts, const Scope& scope);

// What missingRow says.
inline constexpr char noOldRow[] = "an insertion has no old row";
inline constexpr char noNewRow[] = "a deletion has no new row";

class EventScope : ActionPart {
public:
    explicit EventScope(ActionContext& context) : ActionPart(context) {}

    // Finds the rows that the event leads to, nearest first. To be called once, before any name is looked up.
    void findWays();
    const std::vector<Context>& ways() const { return ways_; }
    const std::vector<MatchKey>& matchKeys() const { return matchKeys_; }
    // Keys that steps of actions give the custom event.
    const std::set<std::string>& emitted() const { return emitted_; }

    // --- values ----------------------------------------------------------------------------------------------------
    Value eventColumn(const EntityInfo& entity, const ColumnInfo& column, bool old, std::string rule) const;
    // Of the new or old row and nothing else: NULL where there is no such row.
    Value rowColumn(const ColumnInfo& column, bool old, std::string rule) const;
    Value contextColumn(int way, const ColumnInfo& column, std::string rule);
    // A key of the payload is used.
    void notePayload(const std::string& name);
    bool declaredParam(const std::string& name) const;
    // A ref has two names, and its key in the payload one of them: the declared one.
    std::string keyInPayload(const std::string& name) const;
    // "new.", of a deletion "old.", of a custom event "payload.".
    std::string eventPrefix() const;
    // Why there is never a row that a value of the event, or the way that starts with it, could be of; null if there
    // is.
    const char* missingRow(const Value& start) const;

    // --- ways: a way is its place in ways(), -1 is none --------------------------------------------------------------
    // The way that a path leads, for VIA and for a name of several parts, whose last is `field`; with a problem if
    // more can be said than that it leads nowhere.
    int wayOf(const std::vector<std::string>& path, const std::string& field, NameProblem& problem);
    // Of a function of a row: the parameter that is its key. The row is read first, and locked.
    std::string ownKey() const { return action_.home->word + "_id"; }
    void useOwnRow();
    // The way to the row of an entity that a parameter is the key of.
    int wayByKey(EntityInfo* entity, const Value& key);
    // The row that is due is read first, as it is then.
    void useDueRow();
    // The way to the event's row as it is now, for steps with an answer; -1 if there is none.
    int currentWay();
    // The nearest ways to an entity, or to a row with a column of this name.
    std::vector<int> nearestWays(const std::function<bool(const EntityInfo&)>& fits) const;
    // The context of a way, made when first used.
    int useContext(int way);
    // The event's value that a way starts with.
    const Value& startOf(const Context& way) const;
    NameProblem ambiguous(const std::string& what, const std::vector<int>& ways, const std::string& suffix) const;
    // The entity that a name with _id behind it is the key of.
    EntityInfo* knownTable(const std::string& table);
    // The refs of an entity that lead to another.
    std::vector<const ColumnInfo*> waysTo(const EntityInfo* entity, const EntityInfo& from);

private:
    // -1 if no row of such an entity can be found by a key.
    int addWay(EntityInfo* entity, Value key, const std::string& path, int via = -1);
    // Adds what the rows at the end of ways refer to, nearest first.
    void followRefs();
    // The way that goes on from `from` (-1: the event's row, the old one if `old`) by the ref of this name.
    int follow(int from, const std::string& ref, bool old, bool strict);
    void findTakenKeys();
    // Of a custom event: the keys of the payload that steps of other actions give it.
    void findEmittedKeys();
    void findMatchKeys();
    void addPayloadKey(const std::string& name);
    // `taken`: whose row the steps of a bulk operation are done for; `target`: whose rows a WHERE is about.
    void findKeysIn(spec::ExpressionRef ref, EntityInfo* taken = nullptr, EntityInfo* target = nullptr);
    void findKeysIn(const std::vector<spec::Step>& steps, EntityInfo* taken = nullptr);
    void findTargetsIn(const std::vector<spec::Step>& steps, EntityInfo* taken = nullptr);

    std::vector<Context> ways_;
    std::vector<MatchKey> matchKeys_;
    std::set<std::string> emitted_;
};

}  // namespace specql::resolve
