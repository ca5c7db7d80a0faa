// Tests of a bulk operation: which rows it takes, in which order, where it stops, and what it does with each.
#include <algorithm>

#include "emit/printer.hpp"
#include "testgen/doubts.hpp"
#include "testgen/knowable.hpp"
#include "testgen/wording.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

using Cells = std::map<std::string, std::string>;

class Bulk {
public:
    Bulk(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          action_(alone(action)),
          original_(action),
          name_(snakeCase(action.info->spec->name.value)),
          stage_(writer.world, writer.resolver, writer.tables, action_, 0) {}

    void write() {
        writer_.begin(original_.info->name());
        std::string why = stage_.unfit, sql;
        if (why.empty() && (stage_.allocations.empty() || stage_.allocations[0].row < 0))
            why = "it updates or deletes no rows that have a key";
        if (why.empty() && action_.branches.size() != 1) why = "it has more than one branch";
        if (why.empty()) why = unclear();
        std::vector<std::string> conditions;
        if (why.empty()) {
            const resolve::ResolvedStep& step = *stage_.allocations[0].step;
            if (step.where && stage_.print(step.where, Scenario::reference, Place::allocation(0), sql, why))
                conditions.push_back(sql);
            if (!step.allocated.empty() && step.limit &&
                stage_.print(step.limit, Scenario::reference, Place::allocation(0), sql, why))
                conditions.push_back("(" + sql + ") >= 3");
            const resolve::BoundExpression& guard = action_.branches.front().condition;
            if (guard && stage_.print(guard, Scenario::reference, {}, sql, why)) conditions.push_back(sql);
            for (const resolve::ResolvedStep& one : action_.branches.front().steps)
                if (one.spec->kind == spec::StepKind::validate &&
                    stage_.print(one.condition, Scenario::reference, {}, sql, why))
                    conditions.push_back(sql);
        }
        if (!why.empty()) return writer_.skip(name_ + " handles rows", why);
        Fixture fixture = writer_.find(stage_, conditions, {}, focus(), why);
        if (!fixture) {
            writer_.skip(name_ + " handles rows", why);
        } else {
            run(fixture, false);
            if (original_.binding.custom && !original_.binding.event.empty() && writer_.isStopped(original_).empty())
                run(fixture, true);
            if (!action_.batchParameter.empty()) elements(fixture, "(" + join(conditions, ") AND (") + ")");
        }
        if (stage_.allocations[0].step->where) strangers();
    }

private:
    // The function by itself, whatever calls it.
    static resolve::ResolvedAction alone(resolve::ResolvedAction action) {
        action.binding.custom = true;
        action.binding.entity = nullptr;
        action.binding.ops = 0;
        return action;
    }

    template <typename Test>
    static bool anyStep(const std::vector<resolve::ResolvedStep>& steps, Test test) {
        return std::any_of(steps.begin(), steps.end(), [&](const resolve::ResolvedStep& one) {
            return test(one) || anyStep(one.then, test) || anyStep(one.otherwise, test);
        });
    }

    // Why it cannot be said which rows are taken, or what they are like in the end; empty if it can.
    std::string unclear() const {
        const std::vector<resolve::ResolvedStep>& steps = action_.branches.front().steps;
        auto take =
            std::find_if(steps.begin(), steps.end(), [](const resolve::ResolvedStep& one) { return one.takes; });
        bool chooses = std::any_of(steps.begin(), take, [](const resolve::ResolvedStep& one) {
            return one.spec->kind == spec::StepKind::branch || one.spec->kind == spec::StepKind::foreach ||
                   one.spec->kind == spec::StepKind::ret;
        });
        if (take == steps.end() || chooses) return "the rows are taken under a condition";
        bool again = anyStep({take + 1, steps.end()}, [&](const resolve::ResolvedStep& one) {
            bool writes = one.spec->kind == spec::StepKind::update || one.spec->kind == spec::StepKind::remove;
            return writes && one.target == take->target;
        });
        return again ? "a later step changes " + take->target->shown() + " too" : "";
    }

    Focus focus() const {
        Arm arm;
        const resolve::BoundExpression& guard = action_.branches.front().condition;
        if (guard) arm.parts.push_back({&guard, false, nullptr});
        for (const resolve::ResolvedStep& one : action_.branches.front().steps)
            if (one.spec->kind == spec::StepKind::validate) arm.parts.push_back({&one.condition, false, &one});
        return stage_.focus(arm);
    }

    const resolve::ResolvedStep& step() const { return *stage_.allocations[0].step; }
    std::string table() const { return quoteName(step().target->schema, step().target->table); }

    // Values that put rows in a place of the order, if it is by one column of a type that is understood.
    bool ordered(int place, Cells& cells) const {
        for (const resolve::BoundOrder& order : step().order) {
            if (order.value.values.size() != 1 || order.value.values[0].kind != resolve::ValueKind::target)
                return false;
            const resolve::Value& value = order.value.values[0];
            // WHERE, or what another action demands, is about the very column.
            // What a row becomes is the same wherever it stands.
            bool read =
                std::any_of(step().set.begin(), step().set.end(), [&](const resolve::BoundAssignment& assignment) {
                    return std::any_of(assignment.value.values.begin(), assignment.value.values.end(),
                                       [&](const resolve::Value& one) {
                                           return one.kind == resolve::ValueKind::target && one.name == value.name;
                                       });
                });
            if (read) return false;
            int known = stage_.dimension({Place::allocation(0), value.name});
            if (known >= 0 && stage_.scenario.dimensions[static_cast<size_t>(known)].essential) return false;
            int turned = order.spec->descending ? 10 - place : place;
            if (isTime(value.type))
                cells[value.name] = "now() - interval '" + std::to_string(100 - turned) + " hours'";
            else if (isNumeric(value.type))
                cells[value.name] = std::to_string(turned);
            else if (isText(value.type))
                cells[value.name] = "'" + std::string(1, static_cast<char>('a' + turned)) + "'";
            else
                return false;
            return true;
        }
        return false;
    }

    static bool refers(const TestTable& table, const std::string& column) {
        return std::any_of(table.foreignKeys.begin(), table.foreignKeys.end(), [&](const TestForeignKey& key) {
            return std::find(key.columns.begin(), key.columns.end(), column) != key.columns.end();
        });
    }

    // An element of the array, with the keys that the steps use.
    std::string element(const Stage::Render& literal) const {
        std::vector<std::string> pairs;
        for (const std::string& key : action_.payloadOrder)
            if (key != action_.batchParameter)
                pairs.push_back(quoteLiteral(key) + ", " + literal(stage_.dimension({Place::payload(), key})));
        return "jsonb_build_object(" + join(pairs, ", ") + ")";
    }

    std::string callWith(const std::vector<std::string>& elements) const {
        return quoteName(action_.info->schema, name_) + "(jsonb_build_array(" + join(elements, ", ") + "))";
    }

    std::string payload(const Stage::Render& literal) const {
        if (action_.batchParameter.empty()) return stage_.payload(literal);
        return "jsonb_build_object(" + quoteLiteral(action_.batchParameter) + ", jsonb_build_array(" +
               element(literal) + "))";
    }

    std::string call(const Stage::Render& literal) const {
        if (!action_.batchParameter.empty()) return callWith({element(literal)});
        std::vector<std::string> args;
        for (const std::string& key : action_.payloadOrder)
            args.push_back(literal(stage_.dimension({Place::payload(), key})));
        return quoteName(action_.info->schema, name_) + "(" + join(args, ", ") + ")";
    }

    std::string perform(const Stage::Render& literal) const {
        return "DO $do$ BEGIN PERFORM " + call(literal) + "; END $do$";
    }

    // WHERE names the only row there can be.
    bool isSingle() const {
        const PlannedRow& row = stage_.scenario.rows[static_cast<size_t>(stage_.allocations[0].row)];
        auto given = [&](const std::string& column) {
            auto found = row.columns.find(column);
            return found != row.columns.end() && static_cast<size_t>(found->second) < stage_.allocations[0].firstOwn &&
                   std::any_of(action_.payloadOrder.begin(), action_.payloadOrder.end(), [&](const std::string& key) {
                       return stage_.dimension({Place::payload(), key}) == found->second;
                   });
        };
        return std::any_of(row.table->uniques.begin(), row.table->uniques.end(),
                           [&](const std::vector<std::string>& columns) {
                               return std::all_of(columns.begin(), columns.end(), given);
                           });
    }

    // Rows 1 and 2 fit, and take all there is; row 3 comes too late. They are inserted the other way round.
    void run(const Fixture& fixture, bool byEvent) {
        std::string limit, why;
        const Allocation& allocation = stage_.allocations[0];
        Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.begin(original_.info->name() + (byEvent ? ": by its event" : ": which rows, and what becomes of them"));
        writer_.rows(stage_, literal);
        bool allocates = !step().allocated.empty();
        if (step().limit) (void)stage_.print(step().limit, literal, Place::allocation(0), limit, why);
        Cells trial;
        bool inOrder = ordered(1, trial);
        bool stops = allocates && inOrder;
        bool counts = step().limit && !allocates && limit == "1";
        bool single = isSingle();
        std::vector<std::string> keys;
        const int made = writer_.next();
        const PlannedRow& row = stage_.scenario.rows[static_cast<size_t>(allocation.row)];
        const TestColumn& key = *row.table->column(step().target->key);
        if (single) {
            keys = {literal(row.columns.at(key.name))};
            Cells cells;
            if (allocates) cells[step().allocated] = "1";
            writer_.fixture(stage_.allocationRow(allocation, literal, cells));
        }
        for (int place = 1; !single && place <= 3; place++)
            keys.push_back(typedValue(uniqueValue(key.baseType, 700000 + made * 10 + place), key.type));
        stops = stops && !single;
        for (int place = single ? 0 : stops ? 3 : 2; place >= 1; place--) {
            Cells cells;
            if (inOrder) ordered(place, cells);
            cells[key.name] = keys[static_cast<size_t>(place) - 1];
            if (allocates) cells[step().allocated] = place == 2 && inOrder ? "(" + limit + ") - 1" : "1";
            for (const auto& [column, dimension] : row.columns)
                if (!refers(*row.table, column) && static_cast<size_t>(dimension) >= allocation.firstOwn &&
                    stage_.scenario.dimensions[static_cast<size_t>(dimension)].unique && !cells.count(column))
                    cells[column] =
                        typedValue(uniqueValue(stage_.scenario.dimensions[static_cast<size_t>(dimension)].baseType,
                                               600000 + made * 10 + place),
                                   stage_.scenario.dimensions[static_cast<size_t>(dimension)].type);
            writer_.fixture(stage_.allocationRow(allocation, literal, cells));
        }
        int handled = counts || single ? 1 : 2;
        keys_ = "t." + quoteName(key.name) + " IN (" + keys[0] + (handled == 2 ? ", " + keys[1] : "") + ")";
        // The same once more, for other parameters.
        Stage::Render others = writer_.literals(stage_, fixture);
        Cells early;
        if (inOrder) ordered(0, early);
        if (allocates) early[step().allocated] = "1";
        bool parameters =
            step().where &&
            std::any_of(step().where.values.begin(), step().where.values.end(), [&](const resolve::Value& value) {
                int read = stage_.dimension({Place::payload(), value.name});
                return value.kind == resolve::ValueKind::payload && read >= 0 &&
                       stage_.scenario.dimensions[static_cast<size_t>(read)].unique;
            });
        if (parameters) {
            writer_.rows(stage_, others);
            writer_.fixture(stage_.allocationRow(allocation, others, early));
        }
        if (byEvent) {
            writer_.add(StatementKind::rehearsal, markSql(), "");
            writer_.add(StatementKind::fire,
                        "DO $do$ BEGIN PERFORM specql.emit(" + quoteLiteral(original_.binding.event) + ", " +
                            payload(literal) + "); END $do$",
                        "");
            return changed(literal, handled, original_.binding.event + " runs " + name_);
        }
        writer_.add(StatementKind::rehearsal, markSql(), "");
        writer_.add(StatementKind::rehearsal, perform(literal), "");
        std::string returns = name_ + " returns how many rows it handled";
        // Without parameters that mean rows of this test alone it may find others.
        bool alone = parameters || single || counts || allocates;
        writer_.check((alone ? "is(" : "cmp_ok(") + call(literal) + (alone ? ", " : ", '>=', ") +
                          std::to_string(handled) + ", " + quoteLiteral(returns) + ")",
                      returns);
        std::vector<std::string> columns;
        for (const resolve::BoundAssignment& assignment : step().set)
            columns.push_back(assignment.column);
        changed(literal, handled,
                step().spec->kind == spec::StepKind::remove ? name_ + " deletes " + step().target->table
                                                            : name_ + " updates " + join(columns, ", ") + " of " +
                                                                  step().target->table + (inOrder ? " in order" : ""));
        if (stops) {
            std::string description = name_ + " stops at the first row that does not fit";
            untouched(literal, "t." + quoteName(key.name) + " = " + keys[2], description);
        }
        if (parameters)
            untouched(others, "t." + quoteName(key.name) + " = " + others(row.columns.at(key.name)),
                      name_ + " leaves rows alone that its parameters do not mean");
        deliveries(keys, handled);
    }

    // An element that a validation refuses, or that lacks a key.
    std::string badElement(const std::string& whole, Fixture& inside, std::string& sqlstate) {
        for (const resolve::ResolvedStep& one : action_.branches.front().steps) {
            if (one.spec->kind != spec::StepKind::validate) continue;
            const std::string& text = writer_.world.expressionText(one.condition.expression);
            for (const spec::Atom& atom : spec::readCondition(text).atoms) {
                std::string slice, why;
                if (!stage_.printSlice(one.condition, atom.begin, atom.end, Scenario::reference, slice, why)) continue;
                std::set<int> read = stage_.dimensionsOf(one.condition, atom.begin, atom.end);
                Fixture good, bad;
                if (!writer_.findPair(stage_, whole, slice, {}, read, false, focus(), good, bad) &&
                    !writer_.findPair(stage_, whole, slice, {}, read, true, focus(), good, bad))
                    continue;
                inside = good;
                sqlstate = "SQ206";
                return element(writer_.literals(stage_, bad));
            }
        }
        bool hasKeys = std::any_of(action_.payloadOrder.begin(), action_.payloadOrder.end(),
                                   [&](const std::string& key) { return key != action_.batchParameter; });
        sqlstate = "SQ200";
        return hasKeys ? "'{}'::jsonb" : "";
    }

    // One call with a bad element and a good one.
    void elements(const Fixture& fixture, const std::string& whole) {
        const std::string& handling = original_.info->spec->errorHandling.value;
        std::string collected = name_ + " handles all elements or none", sqlstate;
        writer_.begin(original_.info->name() + ": a bad element and a good one");
        Fixture good = fixture;
        std::string bad = badElement(whole, good, sqlstate);
        if (bad.empty()) return writer_.skip(collected, "no element is known that fails");
        Stage::Render literal = writer_.literals(stage_, good);
        const Allocation& allocation = stage_.allocations[0];
        Cells cells;
        if (!step().allocated.empty()) cells[step().allocated] = "1";
        writer_.rows(stage_, literal);
        writer_.fixture(stage_.allocationRow(allocation, literal, cells));
        std::string key =
            "t." + quoteName(step().target->key) + " = " +
            literal(stage_.scenario.rows[static_cast<size_t>(allocation.row)].columns.at(step().target->key));
        std::string both = callWith({bad, element(literal)});
        if (handling == "continue_on_error") {
            keys_ = key;
            writer_.step("DO $do$ BEGIN PERFORM " + both + "; END $do$");
            changed(literal, 1, name_ + " goes on after a bad element");
            std::string none = name_ + " does not count a bad element";
            return writer_.check("is(" + callWith({bad}) + ", 0, " + quoteLiteral(none) + ")", none);
        }
        bool collects = handling == "collect_errors";
        std::string fails = name_ + (collects ? " tells all errors at its end" : " fails at a bad element");
        writer_.check("throws_ok(" + dollarQuote("SELECT " + both, "sql") + ", '" + (collects ? "SQ206" : sqlstate) +
                          "', " + (collects ? "'1 of 2 elements failed'" : "NULL") + ", " + quoteLiteral(fails) + ")",
                      fails);
        untouched(literal, key, collected);
    }

    bool isSetBefore(const Stage::Render& literal) const {
        const auto& columns = stage_.scenario.rows[static_cast<size_t>(stage_.allocations[0].row)].columns;
        return step().spec->kind == spec::StepKind::update &&
               std::all_of(step().set.begin(), step().set.end(), [&](const resolve::BoundAssignment& assignment) {
                   auto known = columns.find(assignment.column);
                   std::string sql, why;
                   if (known == columns.end() || !assignment.value ||
                       !stage_.print(assignment.value, literal, Place::allocation(0), sql, why))
                       return false;
                   const std::string& type = step().target->column(assignment.column)->type;
                   return castTo(sql, type) == castTo(literal(known->second), type);
               });
    }

    std::string setCondition(const Stage::Render& literal) {
        std::string where;
        for (const resolve::BoundAssignment& assignment : step().set) {
            std::string sql, why;
            if (!assignment.value || volatileValue(assignment) ||
                !stage_.print(assignment.value, literal, Place::allocation(0), sql, why))
                continue;
            const std::string& type = step().target->column(assignment.column)->type;
            where += " AND " + comparable("t." + quoteName(assignment.column), type) + " IS NOT DISTINCT FROM " +
                     comparable(castTo(sql, type), type);
        }
        return where;
    }

    bool volatileValue(const resolve::BoundAssignment& assignment) const {
        return !unknowable(writer_.world, writer_.resolver, assignment.value).empty();
    }

    // Another action may write the same, because of what this one has done.
    void doubtOthers(const std::string& description, Meddled what) {
        for (const Meddler& other : meddlers(writer_.resolver, original_, step(), what))
            writer_.add(StatementKind::excuse, other.excuse(stage_, nullptr), description);
    }

    void changed(const Stage::Render& literal, int handled, const std::string& description) {
        bool remove = step().spec->kind == spec::StepKind::remove;
        const std::string changing =
            stage_.tableOf(*step().target)->triggerOf(remove ? resolve::opDelete : resolve::opUpdate);
        if (!changing.empty()) return writer_.skip(description, "the " + changing + " may change what is written");
        if (!remove && setCondition(literal).empty())
            return writer_.skip(description, "its values are different every time");
        doubtOthers(description, Meddled::effect);
        std::string count =
            "SELECT count(*) FROM " + table() + " AS t\n    WHERE " + keys_ + (remove ? "" : setCondition(literal));
        writer_.check(countIs(count, remove ? "0" : std::to_string(handled), description), description);
    }

    void untouched(const Stage::Render& literal, const std::string& key, const std::string& description) {
        bool remove = step().spec->kind == spec::StepKind::remove;
        if (!remove && setCondition(literal).empty())
            return writer_.skip(description, "its values are different every time");
        doubtOthers(description, Meddled::bystander);
        std::string count =
            "SELECT count(*) FROM " + table() + " AS t\n    WHERE " + key + (remove ? "" : setCondition(literal));
        writer_.check(countIs(count, remove ? "1" : "0", description), description);
    }

    // Steps after it run once per handled row.
    void deliveries(const std::vector<std::string>& keys, int handled) {
        if (anyStep(action_.branches.front().steps,
                    [](const resolve::ResolvedStep& one) { return one.spec->kind == spec::StepKind::ret; }))
            return;
        for (const resolve::ResolvedStep& other : action_.branches.front().steps) {
            const spec::Step& spec = *other.spec;
            std::string where, description;
            if (spec.kind == spec::StepKind::notify || spec.kind == spec::StepKind::escalate) {
                where = "d.channel = " + quoteLiteral(spec.target.value) +
                        " AND d.message = " + quoteLiteral(spec.message.value);
                description =
                    name_ + (spec.kind == spec::StepKind::notify ? " notifies " : " escalates to ") + spec.target.value;
            } else if (spec.kind == spec::StepKind::callExternal) {
                where = "d.service = " + quoteLiteral(spec.target.value) +
                        " AND d.operation = " + quoteLiteral(spec.message.value);
                description = name_ + " " + operationPhrase(spec.message.value);
            } else {
                continue;
            }
            std::string list = keys[0] + "::text" + (handled == 2 ? ", " + keys[1] + "::text" : "");
            std::string count = "SELECT count(*) FROM specql.deliveries AS d\n    WHERE " + where +
                                " AND d.payload ->> " + quoteLiteral(step().target->key) + " IN (" + list + ")";
            description += " once per handled row";
            writer_.check(countIs(count, std::to_string(handled), description), description);
        }
    }

    // A row that differs in one value, so that WHERE does not hold for it, stays as it is.
    void strangers() {
        const resolve::BoundExpression& where = step().where;
        const std::string& text = writer_.world.expressionText(where.expression);
        std::string whole, why;
        if (!stage_.print(where, Scenario::reference, Place::allocation(0), whole, why)) return;
        const ExpressionFacts& facts = writer_.world.facts(where.expression);
        for (const spec::Atom& atom : spec::readCondition(text).atoms) {
            std::string shown = commentText(text.substr(atom.begin, atom.end - atom.begin));
            std::set<int> varied;
            for (size_t i = 0; i < where.values.size(); i++)
                if (facts.names[i].offset >= atom.begin && facts.names[i].offset < atom.end &&
                    where.values[i].kind == resolve::ValueKind::target)
                    varied.insert(stage_.dimension({Place::allocation(0), where.values[i].name}));
            varied.erase(-1);
            std::string slice = emit::printBound(writer_.world, writer_.resolver, where, atom.begin, atom.end,
                                                 [&](const resolve::Value& value) { return stageValue(value); });
            Fixture inside, outside;
            if (!writer_.findPair(stage_, whole, slice, {}, varied, true, focus(), inside, outside) &&
                !writer_.findPair(stage_, whole, slice, {}, varied, false, focus(), inside, outside))
                continue;
            Stage::Render literal = writer_.literals(stage_, outside);
            // Of two values there is no third that a row could have before.
            if (isSetBefore(literal)) continue;
            writer_.begin(original_.info->name() + ": rows for which " + shown + " does not hold");
            writer_.rows(stage_, literal);
            Cells cells;
            if (!step().allocated.empty()) cells[step().allocated] = "1";
            const Allocation& allocation = stage_.allocations[0];
            writer_.fixture(stage_.allocationRow(allocation, literal, cells));
            writer_.add(StatementKind::rehearsal, markSql(), "");
            writer_.add(StatementKind::fire, perform(literal), "");
            const PlannedRow& row = stage_.scenario.rows[static_cast<size_t>(allocation.row)];
            untouched(literal,
                      "t." + quoteName(step().target->key) + " = " + literal(row.columns.at(step().target->key)),
                      name_ + " leaves rows alone unless " + shown);
        }
    }

    std::string stageValue(const resolve::Value& value) const {
        std::string sql, why;
        return stage_.printValue(value, Scenario::reference, sql, why, Place::allocation(0)) ? sql : "NULL";
    }

    Writer& writer_;
    resolve::ResolvedAction action_;
    const resolve::ResolvedAction& original_;
    std::string name_;
    Stage stage_;
    std::string keys_;
};

}  // namespace

void writeBulk(Writer& writer, const resolve::ResolvedAction& action) {
    Bulk(writer, action).write();
}

}  // namespace specql::testgen
