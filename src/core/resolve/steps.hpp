// Steps: their targets, assignments and calls. Behind the update or delete by which a bulk operation takes rows, the
// taken row stands in the event's place.
#pragma once

#include <string>
#include <vector>

#include "resolve/expressions.hpp"
#include "resolve/where.hpp"

namespace specql::resolve {

class StepBinder : ActionPart {
public:
    StepBinder(ActionContext& context, EventScope& event, PayloadTypes& types, Names& names,
               ExpressionBinder& expressions, WhereChecks& where, WordChecks& words)
        : ActionPart(context),
          event_(event),
          types_(types),
          names_(names),
          expressions_(expressions),
          where_(where),
          words_(words) {}

    std::vector<ResolvedStep> bindSteps(const std::vector<spec::Step>& steps, Scope& scope);
    EntityInfo* targetOf(const spec::Step& step);
    void bindSet(const spec::Step& step, ResolvedStep& resolved, const Scope& outer);
    // The column of a field that a step gives a value to; null if there is none, or it cannot be given one.
    const ColumnInfo* settable(const Text& field, const ResolvedStep& resolved);
    std::vector<BoundExpression> bindTemplate(const spec::Template& text, const Scope& scope);
    // Behind an allocation: the taken row itself, or the one that it refers to. False if it leads to none.
    bool bindTakenRow(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // The scope of WHERE and ORDER BY.
    static Scope scopeOfRows(const ResolvedStep& resolved, const Scope& scope);
    // What holds in generated code what a step names.
    std::string newVariable(const std::string& name);

private:
    // create: columns take the event's values of the same name.
    void bindCreate(ResolvedStep& resolved, const Scope& scope);
    // The WHERE that follows the one ref from the target to the event's row.
    std::string refHint(const EntityInfo& target) const;
    // Which row an update or delete without WHERE is about. `handled`: the entity of the taken row, behind an
    // allocation.
    void bindOwnRow(const spec::Step& step, ResolvedStep& resolved, const EntityInfo* handled);
    void bindWay(int way, ResolvedStep& resolved);
    // The row that VIA says.
    void bindVia(const spec::Step& step, ResolvedStep& resolved);
    // LIMIT that shares a word with a field of the target allocates: rows are taken while the field's sum fits.
    void bindLimit(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // A bare word that is a value of the field's enum, and nothing else here.
    bool takesWord(const spec::Assignment& assignment, const ColumnInfo* column, const Scope& scope) const;
    ResolvedStep bindStep(const spec::Step& step, Scope& scope);
    // Which rows a step is about: the one that VIA says or that the event leads to, or those that WHERE finds.
    void bindRows(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // Rows that a step looks for by WHERE, and knows by a name.
    void bindLooked(const spec::Step& step, ResolvedStep& resolved, const Scope& scope, const std::string& name);
    // False if the name that a step gives means something already, which is reported.
    bool checkNewName(Pos pos, const std::string& name, const Scope& scope, bool isRow);
    void bindLet(const spec::Step& step, ResolvedStep& resolved, Scope& scope);
    void bindFind(const spec::Step& step, ResolvedStep& resolved, Scope& scope);
    void bindEach(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    void bindAssign(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    // False, and reported, if such a step cannot stand in the action.
    bool checkMoment(const spec::Step& step);
    void bindUpsert(const spec::Step& step, ResolvedStep& resolved, const Scope& scope);
    bool isUnique(const EntityInfo& entity, const std::vector<std::string>& columns) const;
    void checkNewRow(const spec::Step& step, const ResolvedStep& resolved);
    void bindForeach(const spec::Step& step, ResolvedStep& resolved, Scope& scope);
    // <action>: "f(args)" calls the action; a function of that name is called; otherwise the call is queued.
    void bindCall(const spec::Step& step, ResolvedStep& resolved, Scope& scope);

    EventScope& event_;
    PayloadTypes& types_;
    Names& names_;
    ExpressionBinder& expressions_;
    WhereChecks& where_;
    WordChecks& words_;
};

}  // namespace specql::resolve
