// When rows that tell of an event say that it was handled: at once if nothing leaves the database, else when the last
// delivery has arrived.
#include <algorithm>

#include "emit/steps.hpp"
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

// Whether the row says when its event was handled, and its key is made from the event's.
bool marksItself(const resolve::ResolvedAction& action, const resolve::ResolvedStep& step) {
    if (!insertsRow(step) || !step.target->column("event_type")) return false;
    const resolve::ColumnInfo* processed = step.target->column("processed_at");
    const resolve::ColumnInfo* key = step.target->column(step.target->key);
    if (!processed || !resolve::startsWith(processed->type, "timestamp") || !key || key->type != "uuid") return false;
    return (!key->field || waits(action, &step)) && !assignmentOf(step, "processed_at") &&
           !assignmentOf(step, key->name);
}

// The rows that a step has inserted in reaction to the event.
std::string rowsOf(const Stage& stage, const resolve::ResolvedStep& step, const Stage::Render& literal) {
    const resolve::EntityInfo& entity = *step.target;
    std::string sql = quoteName(entity.schema, entity.table) + " AS t\n    WHERE t." + quoteName(entity.key) +
                      " IN (SELECT specql.reaction_id(v.id, " + std::to_string(emit::reactionNumber(stage.action, 0)) +
                      " + n)\n        FROM specql.events AS v, generate_series(1, 255) AS n WHERE " +
                      stage.eventCondition(literal, "v") + ")";
    for (const resolve::BoundAssignment& assignment : step.set) {
        std::string type, why;
        if (assignment.column == "event_type" && assignment.value &&
            stage.print(assignment.value, literal, {}, type, why))
            sql += " AND t.event_type::text = (" + type + ")::text";
    }
    return sql;
}

}  // namespace

void writeProcessed(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& literal) {
    auto marked = std::find_if(arm.steps.begin(), arm.steps.end(),
                               [&](const resolve::ResolvedStep* step) { return marksItself(stage.action, *step); });
    if (marked == arm.steps.end()) return;
    std::string done = "(SELECT bool_and(t.processed_at IS NOT NULL) FROM " + rowsOf(stage, **marked, literal) + ")";
    auto check = [&](const std::string& call, const std::string& title) {
        writer.doubt(stage, *marked, title);
        writer.check(call + ",\n    " + quoteLiteral(title) + ")", title);
    };
    if (!waits(stage.action, *marked)) return check("ok(" + done, arm.label + " is processed at once");
    std::string mine = "FROM specql.deliveries AS d WHERE d.action = " + quoteLiteral(stage.action.info->name()) +
                       "\n      AND d.event_id IN (SELECT v.id FROM specql.events AS v WHERE " +
                       stage.eventCondition(literal, "v") + ")";
    check("is(" + done + ",\n    NOT EXISTS (SELECT " + mine + ")",
          arm.label + " is not processed as long as its deliveries wait");
    // They have arrived, without having left.
    writer.step("DO $do$ BEGIN PERFORM specql.ack(VARIADIC ARRAY(SELECT d.id " + mine + ")); END $do$");
    check("ok(" + done, arm.label + " is processed when its deliveries have arrived");
}

}  // namespace specql::testgen
