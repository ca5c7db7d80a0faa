#include "testgen/effects.hpp"

#include <algorithm>

#include "testgen/knowable.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

std::string quotedQuery(const std::string& query) {
    return dollarQuote("\n    " + indent(query, 0) + "\n", "sql");
}

bool sets(const resolve::ResolvedStep& step, const resolve::EntityInfo* target, const std::string& column) {
    auto within = [&](const resolve::ResolvedStep& inner) { return sets(inner, target, column); };
    return (step.target == target &&
            std::any_of(step.set.begin(), step.set.end(),
                        [&](const resolve::BoundAssignment& assignment) { return assignment.column == column; })) ||
           std::any_of(step.then.begin(), step.then.end(), within) ||
           std::any_of(step.otherwise.begin(), step.otherwise.end(), within);
}

bool removes(const resolve::ResolvedStep& step, const resolve::EntityInfo* target) {
    auto within = [&](const resolve::ResolvedStep& inner) { return removes(inner, target); };
    return (step.target == target && step.spec->kind == spec::StepKind::remove) ||
           std::any_of(step.then.begin(), step.then.end(), within) ||
           std::any_of(step.otherwise.begin(), step.otherwise.end(), within);
}

class Effects {
public:
    Effects(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage, const Arm& arm,
            const Stage::Render& literal)
        : world_(world), resolver_(resolver), stage_(stage), arm_(arm), literal_(literal) {}

    std::vector<Effect> all() {
        for (size_t i = 0; i < arm_.steps.size(); i++) {
            size_t known = effects_.size();
            add(*arm_.steps[i], i);
            for (; known < effects_.size(); known++)
                effects_[known].step = arm_.steps[i];
        }
        return std::move(effects_);
    }

private:
    void skip(const std::string& description, const std::string& reason) {
        effects_.push_back({description, "", "", reason, {}});
    }

    void add(const resolve::ResolvedStep& step, size_t place) {
        switch (step.spec->kind) {
            case spec::StepKind::insert:
            case spec::StepKind::append:
            case spec::StepKind::create: return insert(step, place);
            case spec::StepKind::update: return update(step, place);
            case spec::StepKind::remove: return remove(step, place);
            case spec::StepKind::callExternal:
            case spec::StepKind::notify:
            case spec::StepKind::escalate: return delivery(step, place);
            case spec::StepKind::emit: return emit(step);
            case spec::StepKind::function:
            case spec::StepKind::call: return call(step, place);
            case spec::StepKind::foreach:
                for (Effect& effect : effectsOfEach(world_, resolver_, stage_, arm_, step, literal_))
                    effects_.push_back(std::move(effect));
                return;
            default: return;
        }
    }

    // The number of rows since before the event, if they are not those of this test anyway.
    std::string more(const std::string& query, const std::string& condition, Effect& effect) const {
        if (isTied(stage_, literal_, condition)) return query;
        uint32_t hash = 2166136261u;
        for (unsigned char c : query)
            hash = (hash ^ c) * 16777619u;
        std::string name = quoteLiteral("specql_test.n" + std::to_string(hash));
        effect.before = "DO $do$ BEGIN PERFORM set_config(" + name + ", (" + query + ")::text, true); END $do$";
        return "SELECT (" + query + ") - current_setting(" + name + ")::bigint";
    }

    void insert(const resolve::ResolvedStep& step, size_t place) {
        std::string description = stepPhrase(world_, arm_, step), why;
        InsertedRow row;
        if (!insertedRow(world_, resolver_, stage_, step, literal_, row, why)) return skip(description, why);
        for (size_t i = place + 1; i < arm_.steps.size(); i++)
            if (changesRowsOf(*arm_.steps[i], step.target))
                return skip(description, "a later step changes rows of the same table");
        std::string where;
        for (size_t i = 0; i < row.columns.size(); i++)
            where += (where.empty() ? "" : "\n      AND ") +
                     comparable("t." + quoteName(row.columns[i]), row.types[i]) + " IS NOT DISTINCT FROM " +
                     comparable(castTo(row.values[i], row.types[i]), row.types[i]);
        Effect effect;
        effect.description = description;
        effect.count = more(
            "SELECT count(*) FROM " + tableName(*row.entity) + " AS t" + (where.empty() ? "" : "\n    WHERE " + where),
            where, effect);
        std::vector<std::string> columns, values;
        for (size_t i = 0; i < row.columns.size(); i++) {
            columns.push_back(quoteName(row.columns[i]));
            values.push_back(castTo(row.values[i], row.types[i]));
        }
        effect.reference = "INSERT INTO " + tableName(*row.entity) +
                           (columns.empty() ? " DEFAULT VALUES"
                                            : " (" + join(columns, ", ") + ")\nVALUES (" + join(values, ", ") + ")");
        // Several steps that write rows which look alike are counted together.
        size_t alike = 0;
        for (size_t i = 0; i < arm_.steps.size(); i++) {
            const resolve::ResolvedStep& other = *arm_.steps[i];
            InsertedRow same;
            std::string ignored;
            bool inserts = other.target == step.target && other.spec->kind == step.spec->kind;
            if (!inserts || !insertedRow(world_, resolver_, stage_, other, literal_, same, ignored)) continue;
            if (same.links != row.links) continue;
            if (i < place && same.values == row.values) return;
            alike++;
        }
        if (row.links.empty() || alike > 1) {
            effect.check = countIs(effect.count, std::to_string(alike > 1 ? sameAs(step, row) : 1), description);
        } else {
            std::vector<std::string> have, want;
            for (size_t i = 0; i < row.columns.size(); i++) {
                have.push_back(comparable("t." + quoteName(row.columns[i]), row.types[i]));
                want.push_back(comparable(castTo(row.values[i], row.types[i]), row.types[i]) + " AS " +
                               quoteName(row.columns[i]));
            }
            // Rows that the test itself has put there.
            std::vector<std::string> links = row.links;
            for (const PlannedRow& planned : stage_.scenario.rows) {
                auto key = planned.columns.find(row.entity->key);
                if (planned.table->schema == row.entity->schema && planned.table->name == row.entity->table &&
                    key != planned.columns.end())
                    links.push_back("t." + quoteName(row.entity->key) + " <> " + literal_(key->second));
            }
            effect.check = "bag_eq(" +
                           quotedQuery("SELECT " + join(have, ", ") + "\n    FROM " + tableName(*row.entity) +
                                       " AS t WHERE " + join(links, " AND ")) +
                           ", " + quotedQuery("SELECT " + join(want, ", ")) + ",\n    " + quoteLiteral(description) +
                           ")";
        }
        effects_.push_back(std::move(effect));
    }

    size_t sameAs(const resolve::ResolvedStep& step, const InsertedRow& row) {
        size_t same = 0;
        for (const resolve::ResolvedStep* other : arm_.steps) {
            InsertedRow found;
            std::string ignored;
            if (other->target == step.target && other->spec->kind == step.spec->kind &&
                insertedRow(world_, resolver_, stage_, *other, literal_, found, ignored) &&
                found.values == row.values && found.columns == row.columns)
                same++;
        }
        return same;
    }

    std::string keyCondition(const resolve::ResolvedStep& step, std::string& why) const {
        const resolve::EntityInfo& target = *step.target;
        int row = stage_.rowOf(stage_.ownOf(step));
        std::string sql;
        if (step.where && !stage_.print(step.where, literal_, stage_.ownOf(step), sql, why)) return "";
        if (row < 0 || target.key.empty()) {
            why = step.limit || !step.order.empty() ? "an allocation is tested where it is a bulk operation"
                                                    : "the rows it is about have no key";
            return "";
        }
        const auto& columns = stage_.scenario.rows[static_cast<size_t>(row)].columns;
        auto key = columns.find(target.key);
        if (key == columns.end()) return why = "the rows it is about have no key", "";
        return "t." + quoteName(target.key) + " = " + literal_(key->second);
    }

    // Whether another step of the arm is about one row, which is another one.
    bool isElsewhere(const resolve::ResolvedStep& other, const resolve::ResolvedStep& step,
                     const std::string& key) const {
        std::string own = stage_.ownOf(other), why;
        if (own.empty() || other.target != step.target) return false;
        bool led = other.ownRow || other.byContext >= 0;
        if (other.where && !led && !stage_.isShared(own, other.target->key)) return false;
        std::string its = keyCondition(other, why);
        return !its.empty() && its != key;
    }

    // What earlier steps of the arm have done to what a step reads, or later ones do to its row; empty if nothing.
    std::string others(const resolve::ResolvedStep& step, size_t place, const std::string& key) const {
        auto reads = [&](const resolve::BoundExpression& bound, const resolve::ResolvedStep& other) {
            return std::any_of(bound.values.begin(), bound.values.end(), [&](const resolve::Value& value) {
                return value.kind == resolve::ValueKind::target && sets(other, step.target, value.name);
            });
        };
        for (size_t i = 0; i < arm_.steps.size(); i++) {
            const resolve::ResolvedStep& other = *arm_.steps[i];
            if (i == place || isElsewhere(other, step, key)) continue;
            if (step.spec->kind == spec::StepKind::update && removes(other, step.target))
                return "another step deletes rows of the same table";
            if (i > place) continue;
            bool changed = reads(step.where, other);
            for (const resolve::BoundAssignment& assignment : step.set)
                changed = changed || reads(assignment.value, other);
            if (changed) return "an earlier step changes what it reads";
        }
        return "";
    }

    void update(const resolve::ResolvedStep& step, size_t place) {
        std::string description = stepPhrase(world_, arm_, step), why;
        std::string key = keyCondition(step, why);
        if (key.empty()) return skip(description, why);
        if (why = others(step, place, key); !why.empty()) return skip(description, why);
        std::vector<std::string> have, want, assigned, facts = {key};
        for (const resolve::BoundAssignment& assignment : step.set) {
            if (!assignment.value) continue;
            if (std::string unknown = unknowable(world_, resolver_, assignment.value); !unknown.empty()) {
                why = unknown;
                continue;
            }
            // The last step that sets a column of the row decides.
            bool later = false;
            for (size_t i = place + 1; i < arm_.steps.size(); i++)
                later = later || (sets(*arm_.steps[i], step.target, assignment.column) &&
                                  !isElsewhere(*arm_.steps[i], step, key));
            if (later) {
                why = "a later step sets the same";
                continue;
            }
            std::string sql;
            if (!stage_.print(assignment.value, literal_, stage_.ownOf(step), sql, why)) return skip(description, why);
            const std::string& type = step.target->column(assignment.column)->type;
            have.push_back(comparable("t." + quoteName(assignment.column), type));
            want.push_back(comparable(castTo(sql, type), type));
            facts.push_back(have.back() + " IS NOT DISTINCT FROM " + want.back());
            assigned.push_back(quoteName(assignment.column) + " = " + castTo(sql, type));
        }
        if (have.empty()) return skip(description, why);
        Effect effect;
        effect.description = description;
        if (isSetBefore(step, want)) return skip(description, "its row is so before the event");
        effect.count =
            "SELECT count(*) FROM " + tableName(*step.target) + " AS t\n    WHERE " + join(facts, "\n      AND ");
        effect.facts = std::move(facts);
        effect.key = key;
        effect.reference = "UPDATE " + tableName(*step.target) + " AS t SET " + join(assigned, ", ") + "\nWHERE " + key;
        effect.check = "is((SELECT ROW(" + join(have, ", ") + ")::text FROM " + tableName(*step.target) +
                       " AS t WHERE " + key + "),\n    ROW(" + join(want, ", ") + ")::text, " +
                       quoteLiteral(description) + ")";
        effects_.push_back(std::move(effect));
    }

    // A row that has all values already does not tell whether they were set.
    bool isSetBefore(const resolve::ResolvedStep& step, const std::vector<std::string>& want) const {
        int row = stage_.rowOf(stage_.ownOf(step));
        const auto& columns = stage_.scenario.rows[static_cast<size_t>(row)].columns;
        size_t same = 0;
        for (const resolve::BoundAssignment& assignment : step.set) {
            auto found = columns.find(assignment.column);
            if (found != columns.end() && std::find(want.begin(), want.end(), literal_(found->second)) != want.end())
                same++;
        }
        return same >= want.size();
    }

    void remove(const resolve::ResolvedStep& step, size_t place) {
        std::string description = stepPhrase(world_, arm_, step), why;
        std::string key = keyCondition(step, why);
        if (key.empty()) return skip(description, why);
        if (why = others(step, place, key); !why.empty()) return skip(description, why);
        std::string left = "SELECT count(*) FROM " + tableName(*step.target) + " AS t WHERE " + key;
        Effect effect{description, countIs(left, "0", description), "SELECT 1 - (" + left + ")", "", {}};
        effect.key = key;
        effect.reference = "DELETE FROM " + tableName(*step.target) + " AS t WHERE " + key;
        effects_.push_back(std::move(effect));
    }

    void delivery(const resolve::ResolvedStep& step, size_t place) {
        std::string description = stepPhrase(world_, arm_, step), why;
        std::string where = deliveryCondition(world_, stage_, step, literal_, why);
        if (where.empty()) return skip(description, why);
        size_t wanted = 0;
        for (size_t i = 0; i < arm_.steps.size(); i++) {
            std::string ignored;
            if (deliveryCondition(world_, stage_, *arm_.steps[i], literal_, ignored) != where) continue;
            if (i < place) return;
            wanted++;
        }
        Effect effect{description, "", "", "", {}};
        effect.count = more("SELECT count(*) FROM specql.deliveries AS d\n    WHERE " + where, where, effect);
        effect.check = countIs(effect.count, std::to_string(wanted), description);
        effects_.push_back(std::move(effect));
    }

    void emit(const resolve::ResolvedStep& step) {
        std::string description = stepPhrase(world_, arm_, step), why;
        std::string where = emittedCondition(stage_, step, literal_, why);
        if (where.empty()) return skip(description, why);
        Effect effect{description, "", "", "", {}};
        effect.count = more("SELECT count(DISTINCT v.id) FROM specql.events AS v\n    WHERE " + where, where, effect);
        effect.check = countIs(effect.count, "1", description);
        effects_.push_back(std::move(effect));
    }

    void call(const resolve::ResolvedStep& step, size_t place) {
        if (step.call == resolve::CallKind::queued) return delivery(step, place);
        if (step.call == resolve::CallKind::action) return;  // tested with rows for it to handle
        skip(stepPhrase(world_, arm_, step), "what the function does is known to its author only");
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const Stage& stage_;
    const Arm& arm_;
    const Stage::Render& literal_;
    std::vector<Effect> effects_;
};

}  // namespace

bool changesRowsOf(const resolve::ResolvedStep& step, const resolve::EntityInfo* target) {
    auto within = [&](const resolve::ResolvedStep& inner) { return changesRowsOf(inner, target); };
    spec::StepKind kind = step.spec->kind;
    return (step.target == target && (kind == spec::StepKind::update || kind == spec::StepKind::remove)) ||
           std::any_of(step.then.begin(), step.then.end(), within) ||
           std::any_of(step.otherwise.begin(), step.otherwise.end(), within);
}

bool isTied(const Stage& stage, const Stage::Render& literal, const std::string& condition) {
    // What a match says of itself.
    if (condition.find("specql_test.since") != std::string::npos) return true;
    for (size_t i = 0; i < stage.scenario.dimensions.size(); i++)
        if (stage.scenario.dimensions[i].unique && condition.find(literal(static_cast<int>(i))) != std::string::npos)
            return true;
    return false;
}

bool Effect::shows(const Effect& other) const {
    if (count == other.count) return true;
    return !other.facts.empty() && std::all_of(other.facts.begin(), other.facts.end(), [&](const std::string& fact) {
        return std::find(facts.begin(), facts.end(), fact) != facts.end();
    });
}

std::string comparable(const std::string& sql, const std::string& type) {
    if (type == "json") return "(" + sql + ")::jsonb";
    for (const char* other : {"xml", "point", "box", "path", "polygon", "circle", "line", "lseg"})
        if (type == other) return "(" + sql + ")::text";
    return sql;
}

std::string countIs(const std::string& query, const std::string& wanted, const std::string& description) {
    return "is((" + query + "),\n    " + wanted + "::bigint, " + quoteLiteral(description) + ")";
}

bool insertedRow(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                 const resolve::ResolvedStep& step, const Stage::Render& literal, InsertedRow& row, std::string& why) {
    bool unique = false;
    row.entity = step.target;
    if (!step.target) return why = "its table is not known", false;
    for (const resolve::BoundAssignment& assignment : step.set) {
        const resolve::ColumnInfo* column = step.target->column(assignment.column);
        if (!column) continue;
        std::string sql;
        bool link = false;
        if (assignment.value) {
            if (!unknowable(world, resolver, assignment.value).empty()) continue;
            if (!stage.print(assignment.value, literal, "", sql, why)) return false;
            const ExpressionFacts& facts = world.facts(assignment.value.expression);
            const std::string& text = world.expressionText(assignment.value.expression);
            bool name = facts.names.size() == 1 && facts.names[0].length == text.size();
            std::set<int> read = stage.dimensionsOf(assignment.value, 0, text.size());
            link = name && read.size() == 1 && stage.scenario.dimensions[static_cast<size_t>(*read.begin())].unique;
            unique = unique || link;
            link = link || (facts.isLiteral && facts.literalType == "text");
        } else {
            if (!stage.printValue(*assignment.taken, literal, sql, why)) return false;
        }
        row.columns.push_back(assignment.column);
        row.types.push_back(column->type);
        row.values.push_back(sql);
        if (link) row.links.push_back("t." + quoteName(assignment.column) + " = " + sql);
    }
    // A literal alone finds other events' rows too.
    if (!unique) row.links.clear();
    return true;
}

std::string deliveryCondition(const resolve::World& world, const Stage& stage, const resolve::ResolvedStep& step,
                              const Stage::Render& literal, std::string& why) {
    const spec::Step& spec = *step.spec;
    bool queued = (spec.kind == spec::StepKind::function || spec.kind == spec::StepKind::call) &&
                  step.call == resolve::CallKind::queued;
    std::string where;
    if (spec.kind == spec::StepKind::notify || spec.kind == spec::StepKind::escalate)
        where = std::string("d.kind = '") + (spec.kind == spec::StepKind::notify ? "notify" : "escalation") +
                "' AND d.channel = " + quoteLiteral(spec.target.value) +
                " AND d.message = " + quoteLiteral(spec.message.value);
    else if (spec.kind == spec::StepKind::callExternal)
        where = "d.kind = 'call' AND d.service = " + quoteLiteral(spec.target.value) +
                " AND d.operation = " + quoteLiteral(spec.message.value);
    else if (queued)
        where = "d.kind = 'call' AND d.service = " + quoteLiteral(spec.verb.value) +
                " AND d.operation = " + quoteLiteral(spec.target.value);
    else
        return "";
    where += "\n      AND d.action = " + quoteLiteral(stage.action.info->name());
    std::string subject = stage.subject(literal);
    if (!subject.empty()) where += " AND d.aggregateid = " + subject;
    if (queued) {
        std::vector<std::string> pairs;
        for (size_t i = 0; i < step.args.size(); i++) {
            std::string sql;
            if (!stage.print(step.args[i], literal, "", sql, why)) return "";
            const ExpressionFacts& facts = world.facts(step.args[i].expression);
            bool name = facts.names.size() == 1 &&
                        facts.names[0].length == world.expressionText(step.args[i].expression).size();
            pairs.push_back(quoteLiteral(name ? facts.names[0].parts.back() : "arg" + std::to_string(i + 1)) + ", " +
                            sql);
        }
        where += " AND d.payload = jsonb_build_object(" + join(pairs, ", ") + ")";
    } else if (subject.empty()) {
        where += " AND d.payload = " + stage.payload(literal);
    }
    return where;
}

std::string emittedCondition(const Stage& stage, const resolve::ResolvedStep& step, const Stage::Render& literal,
                             std::string& why) {
    if (step.spec->kind != spec::StepKind::emit) return "";
    std::string data;
    if (step.set.empty() && stage.action.binding.custom) {
        data = "v.data = " + stage.payload(literal);
    } else if (step.set.empty()) {
        const resolve::EntityInfo& entity = *stage.action.binding.entity;
        data = "v.data ->> " + quoteLiteral(entity.word + "_id") + " = " + stage.subject(literal);
    } else {
        std::vector<std::string> pairs;
        for (const resolve::BoundAssignment& assignment : step.set) {
            std::string sql;
            if (!stage.print(assignment.value, literal, "", sql, why)) return "";
            pairs.push_back(quoteLiteral(assignment.column) + ", " + sql);
        }
        data = "v.data = jsonb_build_object(" + join(pairs, ", ") + ")";
    }
    return "v.type = " + quoteLiteral(step.spec->target.value) + " AND " + data;
}

std::vector<Effect> effectsOf(const resolve::World& world, const resolve::Resolver& resolver, const Stage& stage,
                              const Arm& arm, const Stage::Render& literal) {
    return Effects(world, resolver, stage, arm, literal).all();
}

}  // namespace specql::testgen
