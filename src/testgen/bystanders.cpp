#include "testgen/bystanders.hpp"

#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/doubts.hpp"
#include "testgen/wording.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

bool writesRows(const resolve::ResolvedStep& step) {
    return step.target && (step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove);
}

void collectWriting(const std::vector<resolve::ResolvedStep>& steps, std::vector<const resolve::ResolvedStep*>& found) {
    for (const resolve::ResolvedStep& step : steps) {
        if (writesRows(step)) found.push_back(&step);
        collectWriting(step.then, found);
        collectWriting(step.otherwise, found);
    }
}

}  // namespace

void Bystanders::watch(const Arm& arm, const Stage::Render& mine, const Stage::Render& others) {
    watched_.clear();
    for (const resolve::ResolvedStep* step : arm.steps) {
        if (writesRows(*step)) watchStep(*step, arm, mine, others);
        int loop = stage_.loopOf(*step);
        if (loop < 0) continue;
        std::vector<const resolve::ResolvedStep*> inner;
        collectWriting(step->then, inner);
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, loop, k);
            for (const resolve::ResolvedStep* one : inner)
                watchStep(*one, arm, mine, others);
        }
    }
}

void Bystanders::watchStep(const resolve::ResolvedStep& step, const Arm& arm, const Stage::Render& mine,
                           const Stage::Render& others) {
    Place own = stage_.ownOf(step);
    int row = own ? stage_.rowOf(own) : -1;
    if (row < 0 || !stage_.meansOne(step, own)) return;
    const PlannedRow& planned = stage_.scenario.rows[static_cast<size_t>(row)];
    auto column = planned.columns.find(step.target->key);
    // A key of which there are few values is the same in every test.
    if (column == planned.columns.end() || others(column->second) == mine(column->second)) return;
    std::string key = "t." + quoteName(step.target->key) + " = " + others(column->second);
    bool brought = own == Place::after() && stage_.operation == resolve::opInsert;
    if (brought && std::none_of(watched_.begin(), watched_.end(), [&](const Watched& one) { return one.key == key; }))
        writer_.fixture(stage_.quietRow(row, others));
    watchRow(step, key, arm.label + " leaves other rows of " + step.target->table + " alone");
    excuseSteps(watched_.back(), mine);
}

void Bystanders::watchRow(const resolve::ResolvedStep& step, const std::string& key, const std::string& description) {
    std::string row =
        "(SELECT (t.*)::text FROM " + quoteName(step.target->schema, step.target->table) + " AS t WHERE " + key + ")";
    std::string setting = "'specql_test.row_" + std::to_string(writer_.next()) + "'";
    writer_.add(StatementKind::excuse,
                "SELECT 'a row that it does not mean could not be kept' WHERE " + row + " IS NULL", description);
    writer_.step("DO $do$ BEGIN PERFORM set_config(" + setting + ", " + row + ", true); END $do$");
    watched_.push_back({description, key, row, setting, &step});
}

// Another step of the action may mean the row.
void Bystanders::excuseSteps(const Watched& watched, const Stage::Render& mine) {
    std::vector<const resolve::ResolvedStep*> all;
    for (const resolve::ResolvedBranch& branch : stage_.action.branches) {
        collectWriting(branch.steps, all);
        collectWriting(branch.otherwise, all);
    }
    for (const resolve::ResolvedStep* other : all) {
        if (other->target != watched.step->target || other == watched.step) continue;
        std::string condition, why;
        if (!stage_.rowCondition(*other, mine, "t", condition, why)) condition = "true";
        writer_.add(StatementKind::excuse,
                    "SELECT 'another step may be about them' FROM " +
                        quoteName(other->target->schema, other->target->table) + " AS t\nWHERE " + watched.key +
                        " AND (" + condition + ")",
                    watched.description);
    }
}

void Bystanders::check() {
    std::vector<std::string> said;
    for (const Watched& watched : watched_) {
        for (const Meddler& other : meddlers(writer_.resolver, stage_.action, *watched.step, Meddled::bystander))
            writer_.add(StatementKind::excuse, other.excuse(stage_, nullptr), watched.description);
        if (std::find(said.begin(), said.end(), watched.row) != said.end()) continue;
        said.push_back(watched.row);
        writer_.check("is(" + watched.row + ",\n    current_setting(" + watched.setting + "), " +
                          quoteLiteral(watched.description) + ")",
                      watched.description);
    }
}

void Bystanders::strangers(const Arm& arm, const std::string& condition, const Fixture& fixture) {
    for (const resolve::ResolvedStep* step : arm.steps) {
        // What WHERE says of the one row that a step leads to is another matter.
        if (!writesRows(*step) || !step->where || step->ownRow || step->byContext >= 0 || step->limit ||
            !step->order.empty() || step->target->key.empty() || stage_.rowOf(stage_.ownOf(*step)) < 0)
            continue;
        for (const spec::Atom& atom : spec::readCondition(writer_.world.expressionText(step->where.expression)).atoms)
            stranger(*step, arm, condition, fixture, atom);
    }
}

void Bystanders::stranger(const resolve::ResolvedStep& step, const Arm& arm, const std::string& condition,
                          const Fixture& fixture, const spec::Atom& atom) {
    const Place own = stage_.ownOf(step);
    const std::string& text = writer_.world.expressionText(step.where.expression);
    const ExpressionFacts& facts = writer_.world.facts(step.where.expression);
    const PlannedRow& planned = stage_.scenario.rows[static_cast<size_t>(stage_.rowOf(own))];
    std::set<std::string> columns;
    std::set<int> varied;
    for (size_t i = 0; i < step.where.values.size(); i++) {
        const resolve::Value& value = step.where.values[i];
        if (value.kind != resolve::ValueKind::target || facts.names[i].offset < atom.begin ||
            facts.names[i].offset >= atom.end)
            continue;
        auto known = planned.columns.find(value.name);
        if (known == planned.columns.end()) return;
        columns.insert(value.name);
        varied.insert(known->second);
    }
    if (columns.size() != 1) return;
    const std::string& column = *columns.begin();
    const int which = *varied.begin();
    const Dimension& dimension = stage_.scenario.dimensions[static_cast<size_t>(which)];
    if (column == step.target->key) return;

    std::string where, slice, why;
    if (!stage_.print(step.where, Scenario::reference, own, where, why) ||
        !stage_.printSlice(step.where, atom.begin, atom.end, Scenario::reference, slice, why, own))
        return;
    Fixture inside = fixture, outside;
    std::string other;
    if (stage_.isShared(own, column)) {
        // The event has this value too, and WHERE demands that they are equal.
        spec::Bound bound;
        bool equal = atom.conjunct && spec::readBound(text.substr(atom.begin, atom.end - atom.begin), bound) &&
                     bound.kind == spec::Bound::Kind::name && bound.comparison == "=";
        if (!equal) return;
        for (const std::string& candidate : dimension.candidates)
            if (other.empty() && candidate != "NULL" && candidate != fixture.values[static_cast<size_t>(which)] &&
                !dimension.unique)
                other = numbered(candidate, 900000 + writer_.next());
    } else {
        // A row that the step would not change shows nothing.
        const std::string whole = "(" + condition + ") AND (" + where + ")", changes = stage_.changes(step);
        const Focus focus = stage_.focus(arm);
        auto find = [&](const std::vector<std::string>& demands) {
            return writer_.findPair(stage_, whole, slice, {}, varied, true, focus, inside, outside, demands) ||
                   writer_.findPair(stage_, whole, slice, {}, varied, false, focus, inside, outside, demands);
        };
        if (!changes.empty() && find({changes})) {
            other = outside.values[static_cast<size_t>(which)];
        } else if ((changes.empty() || dimension.checks.empty()) && find({})) {
            // Of a value that only some are tried of, another one may do.
            const std::string& same = outside.values[static_cast<size_t>(which)];
            other = same;
            for (const std::string& candidate : dimension.candidates)
                if (!changes.empty() && other == same && candidate != "NULL" && candidate != same &&
                    candidate != inside.values[static_cast<size_t>(which)])
                    other = candidate;
        } else {
            return;
        }
    }
    const std::string shown = commentText(text.substr(atom.begin, atom.end - atom.begin));
    writer_.begin(stage_.action.info->name() + ": " + arm.label + ", rows for which " + shown + " does not hold");
    Stage::Render others = writer_.literals(stage_, inside), literal = writer_.literals(stage_, inside);
    writer_.rows(stage_, others);
    writer_.rows(stage_, literal);
    const TestColumn& key = *planned.table->column(step.target->key);
    std::map<std::string, std::string> cells;
    for (const auto& [name, known] : planned.columns)
        cells[name] = (stage_.isShared(own, name) ? literal : others)(known);
    cells[key.name] = typedValue(uniqueValue(key.baseType, 800000 + writer_.next()), key.type);
    if (!other.empty())
        cells[column] = typedValue(numbered(other, 900000 + writer_.next()), dimension.baseType);
    else
        cells[column] = others(which);
    if (uniqueValue(key.baseType, 1).empty() || cells[column] == literal(which)) return;
    writer_.fixture(stage_.quietRow(stage_.rowOf(own), [&](const std::string& name) { return cells.at(name); }));
    watched_.clear();
    watchRow(step, "t." + quoteName(key.name) + " = " + cells[key.name],
             arm.label + " leaves rows of " + step.target->table + " alone unless " + shown);
    excuseSteps(watched_.back(), literal);
    if (std::string means; !stage_.isShared(own, column) && stage_.rowCondition(step, literal, "t", means, why))
        writer_.add(StatementKind::excuse,
                    "SELECT 'no row was found that it does not mean' FROM " +
                        quoteName(step.target->schema, step.target->table) + " AS t\nWHERE " + watched_.back().key +
                        " AND (" + means + ")",
                    watched_.back().description);
    writer_.fire(stage_, stage_.fire(literal), literal);
    check();
}

}  // namespace specql::testgen
