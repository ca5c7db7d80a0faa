// Rows that a sentence does not mean stay as they are: others like those that it is about, and rows for which a part of
// its WHERE does not hold.
#include <algorithm>

#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

std::string rowQuery(const resolve::EntityInfo& entity, const std::string& key) {
    return "SELECT to_jsonb(t) FROM " + quoteName(entity.schema, entity.table) + " AS t WHERE t." +
           quoteName(entity.key) + " = " + key;
}

}  // namespace

Bystander::Bystander(const std::string& what, const resolve::EntityInfo& entity, const std::string& key)
    : title(what), place(entity.shown() + " " + key), query(rowQuery(entity, key)) {}

std::vector<Bystander> bystanders(Writer& writer, const Stage& stage, const Arm& arm, const Stage::Render& mine,
                                  const Stage::Render& others) {
    std::vector<Bystander> found;
    int brought = -1;
    for (const auto& [placed, scope] : stage.steps(arm)) {
        const resolve::ResolvedStep& step = *placed;
        const int row = writesRows(step) ? stage.rowOf(scope.own) : -1;
        if (row < 0 || !stage.meansOne(step, scope)) continue;
        const auto& columns = stage.scenario.row(row).columns;
        auto key = columns.find(step.target->key);
        // A key of which there are few values is the same in every test.
        if (key == columns.end() || others(key->second) == mine(key->second)) continue;
        Bystander one(arm.label + " leaves other rows of " + step.target->table + " alone", *step.target,
                      others(key->second));
        if (std::none_of(found.begin(), found.end(), [&](const Bystander& other) { return other.query == one.query; }))
            found.push_back(one);
        if (scope.own == Place::after() && stage.operation == resolve::opInsert) brought = row;
    }
    if (!found.empty()) writer.rows(stage, others);
    // The event brings only its own row.
    if (brought >= 0) writer.fixture(stage.quietRow(brought, others));
    return found;
}

void writeStrangers(Writer& writer, const Stage& stage, const resolve::ResolvedStep& step, Place own, int row,
                    const std::string& label, const std::string& condition, const Focus& focus, const Play& play) {
    const std::string& text = writer.world.expressionText(step.where.expression);
    const ExpressionFacts& facts = writer.world.facts(step.where.expression);
    const auto& columns = stage.scenario.row(row).columns;
    for (const spec::Atom& atom : spec::readCondition(text).atoms) {
        // A value that the event has too, as a key, is that of other rows: they are looked at wherever rows are.
        std::set<int> varied;
        bool shared = false;
        for (size_t i = 0; i < step.where.values.size(); i++) {
            const resolve::Value& value = step.where.values[i];
            if (value.kind != resolve::ValueKind::target || facts.names[i].offset < atom.begin ||
                facts.names[i].offset >= atom.end)
                continue;
            auto known = columns.find(value.name);
            shared = shared || known == columns.end() || stage.isShared(own, value.name);
            if (!shared) varied.insert(known->second);
        }
        std::string where, slice, why;
        if (shared || varied.empty() || !stage.print(step.where, Scenario::reference, own, where, why) ||
            !stage.printSlice(step.where, atom.begin, atom.end, Scenario::reference, slice, why, own))
            continue;
        // A row that the step would not change shows nothing.
        const std::string whole = "(" + condition + ") AND (" + where + ")", changes = stage.changes(step, own);
        const std::vector<std::string> demands = changes.empty() ? std::vector<std::string>{} : std::vector{changes};
        Fixture inside, outside;
        if (!writer.findPair(stage, whole, slice, {}, varied, true, focus, inside, outside, demands) &&
            !writer.findPair(stage, whole, slice, {}, varied, false, focus, inside, outside, demands))
            continue;
        const std::string shown = commentText(text.substr(atom.begin, atom.end - atom.begin));
        const std::string title = label + " leaves rows of " + step.target->table + " alone unless " + shown;
        writer.begin(stage.action.info->name() + ": " + label + ", rows for which " + shown + " does not hold");
        Stage::Render literal = writer.literals(stage, outside);
        Reference reference(writer.world, writer.resolver, stage, literal);
        play.plant(literal);
        writer.rehearse(stage, play.script(literal), literal);
        writer.checkAll(stage, reference, play.script(literal), play.fire(literal), title,
                        "jsonb_build_object('row', " +
                            dollarQuote(rowQuery(*step.target, literal(columns.at(step.target->key))), "sql") + ")");
    }
}

}  // namespace specql::testgen
