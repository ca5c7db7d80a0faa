#include "resolve/implied.hpp"

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool stepsImply(spec::StepKind kind) {
    return kind == spec::StepKind::append || kind == spec::StepKind::create;
}

ColumnInfo impliedColumn(std::string name, std::string type) {
    ColumnInfo column;
    column.name = std::move(name);
    column.type = std::move(type);
    return column;
}

}  // namespace

void ImpliedEntities::add() {
    for (const ActionInfo& action : world_.actions)
        for (const spec::Branch& branch : action.spec->branches) {
            addFrom(action, branch.steps);
            addFrom(action, branch.otherwise);
        }
    for (const ActionInfo& action : world_.actions)
        addFrom(action, action.spec->onTimeout);
}

void ImpliedEntities::addFrom(const ActionInfo& action, const std::vector<spec::Step>& steps) {
    for (const spec::Step& step : steps) {
        addFrom(action, step.then);
        addFrom(action, step.otherwise);
        addFrom(action, step.onResponse);
        addFrom(action, step.onFailure);
        if (!stepsImply(step.kind) || step.target.empty()) continue;
        std::vector<std::string> candidates;
        EntityInfo* known = world_.entity(step.target.value, action.schema, &candidates);
        if (!candidates.empty()) continue;
        // A table of that name that specql made for such a step before is still the step's.
        bool madeBefore =
            known && !known->unit && known->present &&
            (known->present->owned || (known->present->callerOwns &&
                                       known->present->comment == impliedComment(step.kind == spec::StepKind::append)));
        if (known && !known->impliedByStep && !madeBefore) continue;
        size_t dot = step.target.value.find('.');
        std::string schema = dot == std::string::npos ? action.schema : step.target.value.substr(0, dot);
        std::string name = dot == std::string::npos ? step.target.value : step.target.value.substr(dot + 1);
        if (!known || madeBefore) {
            EntityInfo implied =
                world_.implied(action, name, schema, step.target.pos, step.kind == spec::StepKind::append);
            if (madeBefore)
                *known = std::move(implied);
            else
                known = &world_.entities.emplace_back(std::move(implied));
            world_.report(
                *action.file, Code::R060, step.target.pos,
                "no entity " + step.target.value + ": the table " + known->shown() + " is made from this step",
                "declare the entity to choose its fields yourself");
            if (step.kind == spec::StepKind::create) {
                const std::pair<const char*, const char*> ofEvents[] = {{"event_id", "uuid"},
                                                                        {"event_type", "text"},
                                                                        {"event_time", "timestamp with time zone"},
                                                                        {"event_data", "jsonb"}};
                const std::pair<const char*, const char*> ofMatches[] = {{"match_count", "bigint"},
                                                                         {"match_key", "text"},
                                                                         {"first_at", "timestamp with time zone"},
                                                                         {"last_at", "timestamp with time zone"},
                                                                         {"event_ids", "uuid[]"}};
                for (const auto& [column, type] : ofEvents)
                    known->columns.push_back(impliedColumn(column, type));
                if (action.spec->windowed || action.spec->correlated)
                    for (const auto& [column, type] : ofMatches)
                        known->columns.push_back(impliedColumn(column, type));
            }
        }
        for (const spec::Assignment& assignment : step.set) {
            std::string column = snakeCase(assignment.column.value);
            if (!known->column(column)) world_.checkColumn(*action.file, column, assignment.column.pos);
            if (!known->column(column)) known->columns.push_back(impliedColumn(column, ""));
        }
    }
}

void ImpliedEntities::noteSteps(const std::vector<ResolvedStep>& steps) {
    for (const ResolvedStep& step : steps) {
        noteSteps(step.then);
        noteSteps(step.otherwise);
        if (!step.target || !step.target->impliedByStep) continue;
        for (const BoundAssignment& assignment : step.set)
            if (assignment.value.request >= 0)
                columns_.push_back({step.target, assignment.column, assignment.value.request});
    }
}

void ImpliedEntities::note(const ResolvedAction& action) {
    for (const ResolvedBranch& branch : action.branches) {
        noteSteps(branch.steps);
        noteSteps(branch.otherwise);
    }
}

void ImpliedEntities::giveTypes(const std::vector<AnalysisResult>& results) {
    for (const Column& implied : columns_) {
        for (ColumnInfo& column : implied.entity->columns) {
            if (column.name != implied.name || !column.type.empty()) continue;
            const std::string& type = results[implied.request].type;
            column.type = type.empty() || type == "unknown" ? "text" : type == "record" ? "jsonb" : type;
        }
    }
    for (EntityInfo& entity : world_.entities)
        for (ColumnInfo& column : entity.columns)
            if (column.type.empty()) column.type = "text";
}

}  // namespace specql::resolve
