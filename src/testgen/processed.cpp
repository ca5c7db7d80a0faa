// When rows that tell of an event say that it was handled: at once if nothing leaves the database, else when the last
// delivery has arrived.
#include <algorithm>

#include "emit/steps.hpp"
#include "testgen/doubts.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

bool holds(const std::vector<resolve::ResolvedStep>& steps, const resolve::ResolvedStep* wanted) {
    return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& step) {
        return &step == wanted || holds(step.then, wanted) || holds(step.otherwise, wanted);
    });
}

// Whether something may leave the database with the steps around this one.
bool waits(const resolve::ResolvedAction& action, const resolve::ResolvedStep* step) {
    for (const resolve::ResolvedBranch& branch : action.branches)
        for (const std::vector<resolve::ResolvedStep>* steps : {&branch.steps, &branch.otherwise})
            if (holds(*steps, step)) return emit::StepEmitter::delivers(*steps);
    return false;
}

bool marksItself(const resolve::ResolvedStep& step) {
    spec::StepKind kind = step.spec->kind;
    bool inserts = kind == spec::StepKind::insert || kind == spec::StepKind::append || kind == spec::StepKind::create;
    if (!inserts || !step.target || !step.target->column("event_type")) return false;
    const resolve::EntityInfo& entity = *step.target;
    const resolve::ColumnInfo* processed = entity.column("processed_at");
    const resolve::ColumnInfo* key = entity.column(entity.key);
    auto sets = [&](const std::string& column) {
        return std::any_of(step.set.begin(), step.set.end(),
                           [&](const resolve::BoundAssignment& assignment) { return assignment.column == column; });
    };
    return processed && resolve::startsWith(processed->type, "timestamp") && !sets("processed_at") && key &&
           key->type == "uuid" && !sets(entity.key);
}

}  // namespace

void writeProcessed(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& literal) {
    std::string name = arm.label + (arm.eventLabel ? " event" : "");
    for (const resolve::ResolvedStep* step : arm.steps) {
        InsertedRow row;
        std::string why;
        if (!marksItself(*step) || !insertedRow(writer.world, writer.resolver, stage, *step, literal, row, why) ||
            row.links.empty())
            continue;
        std::vector<std::string> where;
        for (size_t i = 0; i < row.columns.size(); i++)
            where.push_back(comparable("t." + quoteName(row.columns[i]), row.types[i]) + " IS NOT DISTINCT FROM " +
                            comparable(castTo(row.values[i], row.types[i]), row.types[i]));
        std::string of = " FROM " + quoteName(row.entity->schema, row.entity->table) + " AS t\n    WHERE " +
                         join(where, "\n      AND ");
        // Whoever changes or deletes the row decides this too.
        auto excuse = [&](const std::string& check) {
            for (const Meddler& other : meddlers(writer.resolver, stage.action, *step, Meddled::row))
                writer.add(StatementKind::excuse, other.excuse(stage, &literal), check);
        };
        std::string done = "(SELECT bool_and(t.processed_at IS NOT NULL)" + of + ")";
        if (!waits(stage.action, step)) {
            std::string description = name + " is processed at once";
            excuse(description);
            return writer.check("ok(" + done + ",\n    " + quoteLiteral(description) + ")", description);
        }
        std::string mine = "FROM specql.deliveries AS d WHERE d.action = " + quoteLiteral(stage.action.info->name()) +
                           "\n      AND d.event_id IN (SELECT v.id FROM specql.events AS v WHERE " +
                           stage.eventCondition(literal, "v") + ")";
        std::string description = name + " is not processed as long as its deliveries wait";
        excuse(description);
        writer.check("is(" + done + ",\n    NOT EXISTS (SELECT " + mine + "),\n    " + quoteLiteral(description) + ")",
                     description);
        // They have arrived, without having left.
        writer.step("DO $do$ BEGIN PERFORM specql.ack(VARIADIC ARRAY(SELECT d.id " + mine + ")); END $do$");
        description = name + " is processed when its deliveries have arrived";
        excuse(description);
        return writer.check("ok(" + done + ",\n    " + quoteLiteral(description) + ")", description);
    }
}

}  // namespace specql::testgen
