// What the steps of a foreach must have done for each of two elements.
#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/effects.hpp"
#include "testgen/knowable.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

namespace {

std::string equalTo(const std::string& have, const std::string& want, const std::string& type) {
    return comparable(have, type) + " IS NOT DISTINCT FROM " + comparable(castTo(want, type), type);
}

class Each {
public:
    Each(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage, const Arm& arm,
         const resolve::ResolvedStep& loop, const Stage::Render& literal)
        : world_(world),
          resolver_(resolver),
          stage_(stage),
          arm_(arm),
          loop_(loop),
          literal_(literal),
          number_(stage.loopOf(loop)) {}

    std::vector<Effect> all() {
        std::string goes = arm_.label + (arm_.eventLabel ? " event" : "") + " goes through " +
                           world_.expressionText(loop_.condition.expression);
        if (number_ < 0) return {skipped(goes, "no array is known for it")};
        if (stage_.isEmptied(number_, literal_)) return {skipped(goes, "its array must be empty for this")};
        flatten(loop_.then, {});
        for (size_t i = 0; i < inner_.size(); i++)
            effects_.push_back(effect(inner_[i], i));
        return std::move(effects_);
    }

private:
    // A step, and the conditions of the ifs around it; the second says whether it is in the else.
    struct Inner {
        const resolve::ResolvedStep* step;
        std::vector<std::pair<const resolve::BoundExpression*, bool>> guards;
    };

    void flatten(const std::vector<resolve::ResolvedStep>& steps,
                 const std::vector<std::pair<const resolve::BoundExpression*, bool>>& guards) {
        for (const resolve::ResolvedStep& step : steps) {
            if (step.spec->kind == spec::StepKind::ret) return;
            if (step.spec->kind != spec::StepKind::branch) {
                inner_.push_back({&step, guards});
                continue;
            }
            auto more = guards;
            more.emplace_back(&step.condition, false);
            flatten(step.then, more);
            more.back().second = true;
            flatten(step.otherwise, more);
        }
    }

    // How often a step is done for the current element, as SQL.
    std::string timesOf(const Inner& inner, std::string& why) const {
        std::vector<std::string> conditions;
        for (const auto& [condition, negated] : inner.guards) {
            std::string sql;
            (void)stage_.print(*condition, literal_, "", sql, why);
            conditions.push_back("(" + sql + (negated ? ") IS NOT TRUE" : ") IS TRUE"));
        }
        return conditions.empty() ? "1" : "(" + join(conditions, " AND ") + ")::integer";
    }

    static std::string sumOf(const std::vector<std::string>& times) {
        bool plain = std::all_of(times.begin(), times.end(), [](const std::string& one) { return one == "1"; });
        return plain ? std::to_string(times.size()) : join(times, " + ");
    }

    static Effect skipped(const std::string& description, const std::string& reason) {
        return {description, "", "", reason, {}};
    }

    Effect effect(const Inner& inner, size_t place) const {
        const resolve::ResolvedStep& step = *inner.step;
        spec::StepKind kind = step.spec->kind;
        std::string description =
            stepPhrase(world_, arm_, step) + " for each element" + (inner.guards.empty() ? "" : " that it is about");
        if (!inner.guards.empty() && (kind == spec::StepKind::update || kind == spec::StepKind::remove))
            return skipped(description, "what an if within a foreach changes is not tested");
        switch (kind) {
            case spec::StepKind::insert:
            case spec::StepKind::append:
            case spec::StepKind::create: return inserted(inner, place, description);
            case spec::StepKind::update: return updated(step, description);
            case spec::StepKind::remove: return removed(step, description);
            case spec::StepKind::emit:
                return counted(inner, description, "specql.events AS v", "count(DISTINCT v.id)",
                               [this](const resolve::ResolvedStep& other, std::string& why) {
                                   return emittedCondition(stage_, other, literal_, why);
                               });
            case spec::StepKind::validate: return skipped(description, "a loop that goes on shows nothing");
            case spec::StepKind::foreach: return skipped(description, "steps within it are not tested");
            default: break;
        }
        return counted(inner, description, "specql.deliveries AS d", "count(*)",
                       [this](const resolve::ResolvedStep& other, std::string& why) {
                           return deliveryCondition(world_, stage_, other, literal_, why);
                       });
    }

    // The two numbers of rows, or what else there is of, for the elements; what looks alike is counted together.
    Effect compared(const std::string& description, const std::vector<std::string>& queries,
                    const std::vector<std::string>& wanted) const {
        Effect effect;
        effect.description = description;
        effect.check = "is(ROW((" + queries[0] + "),\n    (" + queries[1] + "))::text, ROW(" + wanted[0] + ", " +
                       wanted[1] + ")::text,\n    " + quoteLiteral(description) + ")";
        if (wanted[0] == "1") effect.count = queries[0];
        return effect;
    }

    // Deliveries and events, with those that other steps of the arm make.
    Effect counted(const Inner& inner, const std::string& description, const std::string& from,
                   const std::string& count,
                   const std::function<std::string(const resolve::ResolvedStep&, std::string&)>& condition) const {
        std::vector<std::string> where, queries, wanted;
        std::vector<std::pair<std::string, std::string>> made;
        std::string why, ignored;
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, number_, k);
            where.push_back(condition(*inner.step, why));
            if (where.back().empty() && why.empty()) why = "what it does is known to its author only";
            if (why.empty() && !isTied(stage_, literal_, where.back()))
                why = "nothing tells what it does from what others have done";
            queries.push_back("SELECT " + count + " FROM " + from + "\n    WHERE " + where.back());
            for (const Inner& other : inner_)
                made.emplace_back(condition(*other.step, ignored), timesOf(other, why));
        }
        for (const resolve::ResolvedStep* other : arm_.steps)
            if (other != &loop_) made.emplace_back(condition(*other, ignored), "1");
        if (!why.empty()) return skipped(description, why);
        for (const std::string& one : where) {
            std::vector<std::string> times;
            for (const auto& [other, often] : made)
                if (other == one) times.push_back(often);
            wanted.push_back(sumOf(times));
        }
        return compared(description, queries, wanted);
    }

    Effect inserted(const Inner& inner, size_t place, const std::string& description) const {
        const resolve::ResolvedStep& step = *inner.step;
        bool changed = std::any_of(inner_.begin() + static_cast<long>(place) + 1, inner_.end(),
                                   [&](const Inner& other) { return changesRowsOf(*other.step, step.target); });
        for (auto other = std::find(arm_.steps.begin(), arm_.steps.end(), &loop_) + 1; other != arm_.steps.end();
             other++)
            changed = changed || changesRowsOf(**other, step.target);
        if (changed) return skipped(description, "a later step changes rows of the same table");
        std::vector<std::string> queries, times;
        std::string why;
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, number_, k);
            InsertedRow row;
            if (!insertedRow(world_, resolver_, stage_, step, literal_, row, why)) return skipped(description, why);
            if (row.links.empty()) return skipped(description, "nothing tells its rows from those of other events");
            std::vector<std::string> where;
            for (size_t i = 0; i < row.columns.size(); i++)
                where.push_back(equalTo("t." + quoteName(row.columns[i]), row.values[i], row.types[i]));
            queries.push_back("SELECT count(*) FROM " + quoteName(row.entity->schema, row.entity->table) +
                              " AS t\n    WHERE " + join(where, "\n      AND "));
            times.push_back(timesOf(inner, why));
        }
        if (!why.empty()) return skipped(description, why);
        if (queries[0] == queries[1]) return compared(description, queries, {sumOf(times), sumOf(times)});
        return compared(description, queries, times);
    }

    // The row of a step for the current element: its WHERE, and the place where its columns are.
    std::string keyOf(const resolve::ResolvedStep& step, std::string& own) const {
        own = stage_.ownOf(step);
        int row = own.empty() ? -1 : stage_.rowOf(own);
        if (row < 0 || step.target->key.empty()) return "";
        const auto& columns = stage_.scenario.rows[static_cast<size_t>(row)].columns;
        auto key = columns.find(step.target->key);
        return key == columns.end() ? "" : "t." + quoteName(step.target->key) + " = " + literal_(key->second);
    }

    // Whether WHERE says by name alone which element a row is about: then such rows are there.
    bool namesRows(const resolve::ResolvedStep& step) const {
        if (!step.where) return true;
        const std::string& text = world_.expressionText(step.where.expression);
        const ExpressionFacts& facts = world_.facts(step.where.expression);
        for (const spec::Atom& atom : spec::readCondition(text).atoms) {
            bool local = false;
            for (size_t i = 0; i < step.where.values.size(); i++)
                local = local || (step.where.values[i].kind == resolve::ValueKind::local &&
                                  facts.names[i].offset >= atom.begin && facts.names[i].offset < atom.end);
            spec::Bound bound;
            bool plain = spec::readBound(text.substr(atom.begin, atom.end - atom.begin), bound);
            if (local && !(plain && bound.kind == spec::Bound::Kind::name && bound.comparison == "=")) return false;
        }
        return true;
    }

    Effect removed(const resolve::ResolvedStep& step, const std::string& description) const {
        std::vector<std::string> keys;
        std::string own;
        if (!namesRows(step)) return skipped(description, "its WHERE takes the element apart");
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, number_, k);
            keys.push_back(keyOf(step, own));
            if (keys.back().empty()) return skipped(description, "the rows it is about have no key");
        }
        std::string query = "SELECT count(*) FROM " + quoteName(step.target->schema, step.target->table) +
                            " AS t\n    WHERE " + keys[0] + " OR " + keys[1];
        Effect effect{description, countIs(query, "0", description), "", "", {}};
        return effect;
    }

    // A row that both elements change is what the second has made of what the first left.
    Effect updated(const resolve::ResolvedStep& step, const std::string& description) const {
        bool another = std::any_of(inner_.begin(), inner_.end(), [&](const Inner& other) {
            return other.step != &step && other.step->target == step.target;
        });
        for (const resolve::ResolvedStep* other : arm_.steps)
            another =
                another || (other != &loop_ && (other->target == step.target || changesRowsOf(*other, step.target)));
        if (another) return skipped(description, "another step is about the same table");
        if (!namesRows(step)) return skipped(description, "its WHERE takes the element apart");
        std::vector<std::string> columns, keys;
        std::vector<std::map<std::string, std::string>> cells;
        std::string why, own;
        for (const resolve::BoundAssignment& assignment : step.set) {
            bool known = assignment.value && unknowable(world_, resolver_, assignment.value).empty();
            if (known) columns.push_back(assignment.column);
        }
        if (columns.empty()) return skipped(description, "its values are different every time");
        for (int k = 0; k < 2; k++) {
            Stage::Element element(stage_, number_, k);
            keys.push_back(keyOf(step, own));
            if (keys.back().empty()) return skipped(description, "the rows it is about have no key");
            bool same = k == 1 && keys[0] == keys[1];
            cells.push_back(assigned(step, own, same ? cells[0] : std::map<std::string, std::string>{}, why));
            if (!why.empty()) return skipped(description, why);
        }
        std::vector<std::string> have, want, shown, rows;
        for (int k = keys[0] == keys[1] ? 1 : 0; k < 2; k++) {
            have.clear();
            for (const std::string& column : columns) {
                const std::string& type = step.target->column(column)->type;
                have.push_back(comparable("t." + quoteName(column), type));
                want.push_back(comparable(castTo(cells[static_cast<size_t>(k)].at(column), type), type));
            }
            rows.push_back("(SELECT ROW(" + join(have, ", ") + ")::text FROM " +
                           quoteName(step.target->schema, step.target->table) + " AS t WHERE " +
                           keys[static_cast<size_t>(k)] + ")");
            shown.push_back("ROW(" + join(want, ", ") + ")::text");
            want.clear();
        }
        Effect effect{description, "", "", "", {}};
        effect.check = "is(concat(" + join(rows, ",\n    ") + "),\n    concat(" + join(shown, ", ") + "), " +
                       quoteLiteral(description) + ")";
        return effect;
    }

    // What the columns are set to, where they were `before`.
    std::map<std::string, std::string> assigned(const resolve::ResolvedStep& step, const std::string& own,
                                                const std::map<std::string, std::string>& before,
                                                std::string& why) const {
        std::map<std::string, std::string> cells;
        for (const resolve::BoundAssignment& assignment : step.set) {
            if (!assignment.value) continue;
            const std::string& text = world_.expressionText(assignment.value.expression);
            cells[assignment.column] =
                emit::printBound(world_, resolver_, assignment.value, 0, text.size(), [&](const resolve::Value& value) {
                    auto changed = before.find(value.name);
                    if (value.kind == resolve::ValueKind::target && changed != before.end())
                        return "(" + castTo(changed->second, step.target->column(value.name)->type) + ")";
                    std::string sql;
                    (void)stage_.printValue(value, literal_, sql, why, own);
                    return sql;
                });
        }
        return cells;
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const Stage& stage_;
    const Arm& arm_;
    const resolve::ResolvedStep& loop_;
    const Stage::Render& literal_;
    int number_;
    std::vector<Inner> inner_;
    std::vector<Effect> effects_;
};

}  // namespace

std::vector<Effect> effectsOfEach(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                                  const Arm& arm, const resolve::ResolvedStep& loop, const Stage::Render& literal) {
    return Each(world, resolver, stage, arm, loop, literal).all();
}

}  // namespace specql::testgen
