// Resolves actions of a World: triggers to bindings, names to values. Results are plain structs; what must be asked of
// PostgreSQL's analyser is collected in requests().
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "resolve/implied.hpp"
#include "resolve/requests.hpp"

namespace specql::resolve {

// An expression that belongs to an entity, not to an action.
struct EntityExpression {
    enum class Role { defaultValue, check, computed, indexColumn, indexCondition, guard };
    const EntityInfo* entity;
    Role role;
    const spec::Field* field;      // null: of an index
    const spec::IndexSpec* index;  // null: of a field
    BoundExpression bound;
    std::string literal = {};                      // `= pending` of an enum field: the value meant
    const spec::Transition* transition = nullptr;  // a guard: of this one
};

class Resolver {
public:
    explicit Resolver(World& world) : world_(world) {}

    // Resolves every action of the world (and the defaults, checks and index conditions of entities).
    void resolveAll();
    // After the analyser answered: reports type errors, gives implied columns their types.
    void applyResults(const std::vector<AnalysisResult>& results);

    const std::vector<AnalysisRequest>& requests() const { return requests_.list(); }
    std::vector<ResolvedAction> actions;

    std::vector<EntityExpression> entityExpressions;
    const std::vector<AnalysisResult>& results() const { return requests_.results(); }
    Requests& analysis() { return requests_; }
    // For hints about near misses: every name of a trigger that stands for an event of rows.
    const Vocabulary& triggerNames();
    // By custom event: the steps that raise it.
    const std::map<std::string, std::vector<const spec::Step*>>& emitters() const { return emitters_; }
    // False if what is wrong with the expression itself was reported before: it may be bound more than once.
    bool isFirstReport(int expression) { return badExpressions_.insert(expression).second; }

private:
    friend class TriggerResolver;
    void resolveAction(const ActionInfo& action);
    bool refuseRowless(const ActionInfo& action);
    void noteEmitters();
    void noteEmitters(const std::vector<spec::Step>& steps);
    void noteWords();
    void refuseParameters(const ResolvedAction& action, const std::vector<Binding>& bindings);
    bool checkBefore(const ActionInfo& action, const std::vector<Binding>& bindings);
    void giveTypes(ResolvedAction& action);
    std::string batchParameter(const ActionInfo& action);
    void checkCalls(const ResolvedAction& caller, std::vector<ResolvedStep>& steps);

    World& world_;
    ImpliedEntities implied_{world_};
    Requests requests_{world_};
    std::map<std::string, std::vector<const spec::Step*>> emitters_;            // by event: the steps that raise it
    std::map<std::string, std::set<std::pair<size_t, size_t>>> columnsByWord_;  // entity and column, by their indexes
    std::unique_ptr<Vocabulary> triggerNames_;
    std::set<int> badExpressions_;  // reported once, however often an expression is bound
};

// Finds what a name of a trigger means. Several bindings: an any_<words>_change. None: an error was reported.
// `trigger` is one of the action's own texts: its on:, its trigger:, or one of its triggers:.
std::vector<Binding> resolveTrigger(Resolver& resolver, World& world, const ActionInfo& action, const Text& trigger);

// All that raises an action, as its on: or trigger: says, which may be a list: one binding for each entity. Empty: an
// error was reported, or nothing raises it.
std::vector<Binding> raisedBy(Resolver& resolver, World& world, const ActionInfo& action);

// A column that is NULL in no row, so that it tells whether there is an old or a new one; empty if there is none.
std::string neverNull(const EntityInfo& entity);
// Reports that an entity has no such field.
void reportNoField(World& world, const ActionInfo& action, const EntityInfo& entity, const std::string& field, Pos pos);

// Resolves one action under one binding. Reports problems to the world; with a World::Trial they are only counted.
// `withKeys`: names may be columns of rows that the event names by a key.
ResolvedAction resolveUnder(Resolver& resolver, World& world, const ActionInfo& action, const Binding& binding,
                            bool withKeys = true);

// Every trigger's name that stands for an event of rows.
std::vector<std::string> knownTriggers(const World& world);

// Binds the defaults, checks and index conditions of an entity.
void bindEntityExpressions(Resolver& resolver, World& world, const EntityInfo& entity);

// What would mend a name that nothing has: a habit of other languages, the nearest name, or quotes.
std::string wordHint(const NameUse& use, const std::string& expression, const std::string& near);

// Every expression of an action, conditions and steps alike.
void visitExpressions(ResolvedAction& action, const std::function<void(BoundExpression&)>& visit);

// The handler's own name: trigger_stock_change_events, or handle_reorder_received_events for custom events.
std::string handlerName(const ResolvedAction& action);

// What a pattern needs to be resolved and generated: the set of patterns is this table.
struct Pattern {
    const char* name;
    bool isFunction;  // always called by name, by its trigger or from psql
    bool takesRows;   // its first update or delete takes rows, and the steps behind it are done for each of them
};
const Pattern* findPattern(const std::string& name);
std::vector<std::string> patternNames();
bool isFunction(const ActionInfo& action);
bool takesRows(const ActionInfo& action);
// Does it run before the row is written, as a trigger of its own that changes and checks that row?
bool isBefore(const ActionInfo& action);

}  // namespace specql::resolve
