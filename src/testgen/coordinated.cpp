// Tests of an action over several entities: with one element of its array, with two that are about the same row and so
// are added up, with one too many, and with one that is about no row. What its function leaves is told by the
// sentences of the spec, with the values of the test in place of names.
#include <algorithm>

#include "emit/element_rows.hpp"
#include "resolve/coordinated.hpp"
#include "testgen/candidates.hpp"
#include "testgen/search.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

using Render = std::function<std::string(int)>;

bool isInsert(const resolve::ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::insert;
}

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

class Together {
public:
    Together(Writer& writer, const resolve::ResolvedAction& action)
        : writer_(writer),
          action_(action),
          steps_(action.branches.front().steps),
          name_(snakeCase(action.info->spec->name.value)) {
        plan();
        share();
        if (why_.empty()) scenario_.complete(writer.tables);
        if (why_.empty()) why_ = scenario_.unfit;
    }

    void write() {
        writer_.begin(action_.info->name());
        std::vector<std::string> good;
        for (int number : {1, 2})
            demand(number, nullptr, good);
        Fixture fixture;
        if (why_.empty()) fixture = findTelling(good);
        if (!fixture && writer_.pending()) return;
        if (!fixture) return writer_.skip(name_ + " writes all", why_);
        accepts(fixture, 1);
        if (!action_.items) return;
        accepts(fixture, 2);
        unknown(fixture);
        for (const resolve::ResolvedStep& step : steps_)
            for (const resolve::ResolvedStep& check : step.then)
                if (step.ofItems && !check.ofItems) tooMany(check);
    }

private:
    // --- the rows ----------------------------------------------------------------------------------------------------

    void plan() {
        if (action_.required) grant();
        if (action_.items) planElement();
        for (const resolve::ResolvedStep& step : steps_)
            planStep(step);
        for (size_t i = 0; i < action_.contexts.size(); i++)
            planContext(static_cast<int>(i));
        if (action_.items)
            for (const resolve::Items::Ref& ref : action_.items->refs) {
                const resolve::NamedRow& row = action_.rows[static_cast<size_t>(ref.row)];
                auto known = element_.find(ref.column);
                if (!row.columns.empty() && known != element_.end())
                    named_[ref.row] = rowOf(*row.entity, row.entity->key, known->second);
                else if (!row.columns.empty())
                    why_ = "the row that " + ref.column + " leads to is not among the elements";
            }
        for (const resolve::ResolvedStep& step : steps_) {
            for (const resolve::BoundAssignment& set : step.set)
                if (set.value) read(step, set.value, false);
            for (const resolve::ResolvedStep& check : step.then)
                read(step, check.condition, true);
        }
    }

    // Rights are claims of the caller.
    void grant() {
        std::vector<std::string> pairs;
        for (const resolve::Value& value : action_.required.values) {
            if (value.kind != resolve::ValueKind::caller || value.type != "boolean") {
                why_ = "who may call it is told by more than rights";
                return;
            }
            pairs.push_back(quoteLiteral(value.name) + ", true");
        }
        claims_ = "SELECT set_config('specql.caller', jsonb_build_object(" + join(pairs, ", ") + ")::text, true)";
    }

    const TestTable* tableOf(const resolve::EntityInfo& entity) {
        const TestTable* table = findTable(writer_.tables, entity.schema, entity.table);
        if (!table) why_ = "nothing is known of " + entity.shown();
        return table;
    }

    // The value of a column that the caller gives.
    int given(const resolve::EntityInfo& entity, const std::string& name, bool needed) {
        const TestTable* table = tableOf(entity);
        const TestColumn* column = table ? table->column(name) : nullptr;
        if (!column) return -1;
        Dimension dimension = dimensionOf(*column);
        dimension.notNull = needed || column->notNull;
        for (const TestCheck& check : table->checks) {
            if (check.columns != std::vector<std::string>{name}) continue;
            dimension.checks.push_back(check.sql);
            speak(dimension, check.sql);
        }
        const int which = scenario_.add(std::move(dimension));
        for (const TestForeignKey& key : table->foreignKeys)
            if (key.columns == std::vector<std::string>{name})
                if (const TestTable* parent = findTable(writer_.tables, key.schema, key.table)) {
                    scenario_.at(which).unique = true;
                    (void)scenario_.referredRow(*parent, key.referenced.front(), which);
                }
        return which;
    }

    void planElement() {
        for (const std::string& column : action_.items->given)
            element_[column] = given(*action_.items->entity, column, action_.items->needed.count(column) > 0);
    }

    int rowOf(const resolve::EntityInfo& entity, const std::string& key, int dimension) {
        const TestTable* table = tableOf(entity);
        if (!table || dimension < 0) return -1;
        // Rows of other tests have other keys.
        scenario_.at(dimension).unique = true;
        return scenario_.referredRow(*table, key, dimension);
    }

    int parameter(const std::string& name, const resolve::EntityInfo& entity, const std::string& column) {
        auto known = params_.find(name);
        if (known != params_.end()) return known->second;
        return params_[name] = given(entity, column, false);
    }

    void planStep(const resolve::ResolvedStep& step) {
        const bool isItems = action_.items && &step == &steps_[action_.items->step];
        for (const resolve::BoundAssignment& set : step.set)
            if (!isItems && set.taken && set.taken->kind == resolve::ValueKind::payload)
                (void)parameter(set.taken->name, *step.target, set.column);
        if (isInsert(step) || step.byContext >= 0) return;
        const resolve::Value* key = step.rowKey ? &*step.rowKey : resolve::keyInWhere(writer_.world, step);
        const bool alone = key && (step.rowKey || step.where.values.size() == 2);
        if (alone && key->kind == resolve::ValueKind::handled && element_.count(key->name))
            own_[&step] = rowOf(*step.target, step.target->key, element_[key->name]);
        else if (alone && key->kind == resolve::ValueKind::payload)
            own_[&step] = rowOf(*step.target, step.target->key, parameter(key->name, *step.target, step.target->key));
        else if (step.ofItems || !ofParent(step))
            why_ = "the rows of " + step.target->shown() + " are told by more than their key";
    }

    static bool ofParent(const resolve::ResolvedStep& step) {
        return std::any_of(step.where.values.begin(), step.where.values.end(), [](const resolve::Value& value) {
            return value.kind == resolve::ValueKind::context || value.kind == resolve::ValueKind::row;
        });
    }

    void planContext(int which) {
        const resolve::Context& context = action_.contexts[static_cast<size_t>(which)];
        if (context.key.kind != resolve::ValueKind::payload) {
            why_ = "it reads rows that others lead to";
            return;
        }
        const int dimension = parameter(context.key.name, *context.entity, context.entity->key);
        contexts_[which] = rowOf(*context.entity, context.entity->key, dimension);
    }

    static void speak(Dimension& dimension, const std::string& text) {
        const spec::ConditionText said = spec::readCondition(text);
        dimension.spoken.numbers.insert(dimension.spoken.numbers.end(), said.numbers.begin(), said.numbers.end());
        dimension.spoken.texts.insert(dimension.spoken.texts.end(), said.texts.begin(), said.texts.end());
    }

    // Which values an expression reads, so that they are chosen.
    void read(const resolve::ResolvedStep& step, const resolve::BoundExpression& bound, bool decides) {
        const std::string& text = writer_.world.expressionText(bound.expression);
        if (!bound.tables.empty()) why_ = "it looks at rows of other tables";
        std::vector<int> together;
        for (const resolve::Value& value : bound.values) {
            const int which = dimensionOfValue(step, value);
            if (which < 0) continue;
            Dimension& dimension = scenario_.at(which);
            dimension.essential = true;
            // What the caller gives may be nothing where that is allowed.
            const bool isGiven = value.kind == resolve::ValueKind::payload || value.kind == resolve::ValueKind::handled;
            if (!isGiven) dimension.notNull = true;
            if (!decides) continue;
            deciding_.insert(which);
            speak(dimension, text);
            together.push_back(which);
        }
        for (int one : together)
            for (int other : together)
                if (one != other && scenario_.at(one).baseType == scenario_.at(other).baseType)
                    compared_.emplace(one, other);
    }

    int ofRow(int row, const std::string& name) {
        if (row < 0) return -1;
        auto known = scenario_.row(row).columns.find(name);
        if (known != scenario_.row(row).columns.end()) return known->second;
        const TestColumn* column = scenario_.row(row).table->column(name);
        if (!column || column->generated) return -1;
        const int which = scenario_.add(dimensionOf(*column));
        scenario_.row(row).columns[name] = which;
        return which;
    }

    int dimensionOfValue(const resolve::ResolvedStep& step, const resolve::Value& value) {
        auto found = [](const auto& map, const auto& key) {
            auto known = map.find(key);
            return known == map.end() ? -1 : known->second;
        };
        switch (value.kind) {
            case resolve::ValueKind::payload: return found(params_, value.name);
            case resolve::ValueKind::handled: return found(element_, value.name);
            case resolve::ValueKind::row: return ofRow(found(named_, value.context), value.name);
            case resolve::ValueKind::context: return ofRow(found(contexts_, value.context), value.name);
            case resolve::ValueKind::target:
                if (isInsert(step)) return -1;
                return ofRow(step.byContext >= 0 ? found(contexts_, step.byContext) : found(own_, &step), value.name);
            default: return -1;
        }
    }

    // --- what the sentences say --------------------------------------------------------------------------------------

    const resolve::BoundAssignment* assigned(const resolve::ResolvedStep& step, const std::string& column) const {
        for (const resolve::BoundAssignment& set : step.set)
            if (set.column == column) return &set;
        return nullptr;
    }

    // With as many elements, which are all the same.
    std::string print(const resolve::ResolvedStep& step, const resolve::BoundExpression& bound, int number,
                      const Render& render, bool sums) {
        const std::string times = std::to_string(number);
        return emit::printParts(
            writer_.world, writer_.resolver, bound,
            [&](const resolve::Value& value) {
                const std::string sql = valueOf(step, value, number, render);
                return sums && value.kind == resolve::ValueKind::handled ? "(" + times + " * " + sql + ")" : sql;
            },
            [&](const Slice& slice) {
                const std::string& text = writer_.world.expressionText(bound.expression);
                const size_t open = text.find('(', slice.begin);
                std::string word = text.substr(slice.begin, open - slice.begin);
                std::transform(word.begin(), word.end(), word.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
                word.erase(word.find_last_not_of(" \t\n") + 1);
                if (word == "count") return times;
                const std::string inner = emit::printBound(
                    writer_.world, writer_.resolver, bound, open, slice.end,
                    [&](const resolve::Value& value) { return valueOf(step, value, number, render); }, nullptr);
                return word == "sum" ? "(" + times + " * " + inner + ")" : inner;
            });
    }

    std::string setSql(const resolve::ResolvedStep& step, const resolve::BoundAssignment& set, int number,
                       const Render& render) {
        const std::string type = "::" + step.target->column(set.column)->type;
        if (set.taken) return valueOf(step, *set.taken, number, render) + type;
        return "(" + print(step, set.value, number, render, step.ofItems) + ")" + type;
    }

    std::string valueOf(const resolve::ResolvedStep& step, const resolve::Value& value, int number,
                        const Render& render) {
        if (const int which = dimensionOfValue(step, value); which >= 0) return render(which);
        if (value.kind == resolve::ValueKind::word) return quoteLiteral(value.name);
        const resolve::ResolvedStep* maker =
            value.kind == resolve::ValueKind::handled ? &steps_[action_.items->step] : &step;
        const bool isMade =
            value.kind == resolve::ValueKind::handled || (value.kind == resolve::ValueKind::target && isInsert(step));
        const resolve::BoundAssignment* set = isMade ? assigned(*maker, value.name) : nullptr;
        if (set) return setSql(*maker, *set, number, render);
        why_ = "the test does not know " + (value.shown.empty() ? value.name : value.shown);
        return "NULL";
    }

    // All that must hold, but for one that must not.
    void demand(int number, const resolve::ResolvedStep* broken, std::vector<std::string>& conditions) {
        if (!why_.empty()) return;
        for (const resolve::ResolvedStep& step : steps_)
            for (const resolve::ResolvedStep& check : step.then) {
                const std::string sql =
                    print(step, check.condition, number, Scenario::reference, step.ofItems && !check.ofItems);
                conditions.push_back(&check == broken ? "(" + sql + ") IS NOT TRUE" : sql);
            }
    }

    // Best with values for which two elements come to something else than one.
    Fixture findTelling(const std::vector<std::string>& good) {
        std::vector<std::string> telling = good;
        for (const resolve::ResolvedStep& step : steps_) {
            if (action_.items && &step == &steps_[action_.items->step]) continue;
            for (const resolve::BoundAssignment& set : step.set) {
                const bool readsElements =
                    std::any_of(set.value.values.begin(), set.value.values.end(),
                                [](const resolve::Value& value) { return value.kind == resolve::ValueKind::handled; });
                if (readsElements)
                    telling.push_back("(" + setSql(step, set, 1, Scenario::reference) + ") IS DISTINCT FROM (" +
                                      setSql(step, set, 2, Scenario::reference) + ")");
            }
        }
        if (!why_.empty()) return {};
        Fixture fixture = find(telling, why_);
        if (fixture || telling.size() == good.size() || why_.empty()) return fixture;
        why_.clear();
        return find(good, why_);
    }

    // Values that are compared have candidates in common.
    void share() {
        for (const auto& [one, other] : compared_) {
            const spec::ConditionText said = scenario_.at(other).spoken;
            auto add = [](std::vector<std::string>& known, const std::vector<std::string>& more) {
                for (const std::string& value : more)
                    if (std::find(known.begin(), known.end(), value) == known.end()) known.push_back(value);
            };
            add(scenario_.at(one).spoken.numbers, said.numbers);
            add(scenario_.at(one).spoken.texts, said.texts);
        }
    }

    Fixture find(const std::vector<std::string>& conditions, std::string& why) {
        Scenario demanding = scenario_;
        demanding.demands.insert(demanding.demands.end(), conditions.begin(), conditions.end());
        Focus focus;
        for (size_t i = 0; i < demanding.dimensions.size(); i++)
            for (size_t n = 0; deciding_.count(static_cast<int>(i)) && n < demanding.dimensions[i].candidates.size();
                 n++)
                focus[static_cast<int>(i)].push_back(n);
        const SearchAnswer* answer = writer_.ask(findQuery(demanding, {}, focus));
        if (!answer) return {};
        if (!answer->cells.empty()) return readFixture(scenario_, answer->cells[0], answer->cells[1]);
        why = answer->error.empty() ? "no values were found that satisfy all that must hold"
                                    : "the search for values failed: " + commentText(answer->error);
        return {};
    }

    // --- statements --------------------------------------------------------------------------------------------------

    Render literals(const Fixture& fixture) {
        const int base = writer_.fresh();
        return [this, fixture, base](int which) {
            const Dimension& dimension = scenario_.at(which);
            return typedValue(dimension.unique ? uniqueValue(dimension.baseType, base + which)
                                               : numbered(fixture.values[static_cast<size_t>(which)], base + which),
                              dimension.baseType);
        };
    }

    void rows(const Render& render) {
        for (int which : scenario_.order) {
            const PlannedRow& row = scenario_.row(which);
            std::vector<std::string> columns, values;
            for (const auto& [column, dimension] : row.columns) {
                columns.push_back(quoteName(column));
                values.push_back(render(dimension));
            }
            writer_.fixture("INSERT INTO " + quoteName(row.table->schema, row.table->name) + " (" +
                            join(columns, ", ") + ") VALUES (" + join(values, ", ") + ")");
        }
        if (!claims_.empty()) writer_.fixture(claims_);
    }

    std::string elements(int number, const Render& render) const {
        std::vector<std::string> pairs;
        for (const std::string& column : action_.items->given)
            pairs.push_back(quoteLiteral(column) + ", " + render(element_.at(column)));
        return "jsonb_build_array(" +
               join(std::vector<std::string>(static_cast<size_t>(number),
                                             "jsonb_strip_nulls(jsonb_build_object(" + join(pairs, ", ") + "))"),
                    ", ") +
               ")";
    }

    std::string call(int number, const Render& render) const {
        std::vector<std::string> arguments;
        for (const auto& [name, type] : action_.parameters()) {
            const bool isItems = action_.items && name == action_.items->parameter;
            auto known = params_.find(name);
            arguments.push_back(isItems                                       ? elements(number, render)
                                : known == params_.end() || known->second < 0 ? "NULL::" + type
                                                                              : render(known->second));
        }
        return quoteName(action_.info->schema, name_) + "(" + join(arguments, ", ") + ")";
    }

    std::string ofReturned(const resolve::EntityInfo& entity, const std::string& column) const {
        return quoteName(entity.schema, entity.table) + " AS t WHERE t." + quoteName(column) +
               "::text = current_setting('specql_test.returned')";
    }

    void same(const std::string& query, const std::string& wanted, const std::string& type, const std::string& title) {
        writer_.check(
            "is((" + query + ")::" + type + ",\n    (" + wanted + ")::" + type + ", " + quoteLiteral(title) + ")",
            title);
    }

    // The rows are there, and what the others are is what the sentences make of them.
    void accepts(const Fixture& fixture, int number) {
        const std::string with = !action_.items ? "" : number == 1 ? " of one element" : " of two elements for one row";
        writer_.begin(action_.info->name() + with);
        const Render render = literals(fixture);
        rows(render);
        writer_.fixture("DO $do$ BEGIN PERFORM set_config('specql_test.returned', " + call(number, render) +
                        "::text, true); END $do$");
        for (const resolve::ResolvedStep& step : steps_) {
            const std::string title = name_ + with + ": " + step.spec->verb.value + " " + step.spec->target.value;
            const bool isParent = &step == &steps_[action_.parentStep];
            if (action_.items && &step == &steps_[action_.items->step])
                checkElements(step, number, render, title);
            else if (isParent && step.spec->kind == spec::StepKind::remove)
                writer_.checkCount("SELECT count(*) FROM " + ofReturned(*step.target, step.target->key), 0, title);
            else if (isParent)
                checkRow(step, ofReturned(*step.target, step.target->key), number, render, title);
            else if (own_.count(&step) && step.spec->kind == spec::StepKind::update)
                checkRow(step, ownRow(step, render), number, render, title);
            else if (own_.count(&step))
                writer_.checkCount("SELECT count(*) FROM " + ownRow(step, render), 0, title);
        }
    }

    std::string ownRow(const resolve::ResolvedStep& step, const Render& render) {
        const std::string& key = step.target->key;
        return tableName(*step.target) + " AS t WHERE t." + quoteName(key) + " = " + render(ofRow(own_.at(&step), key));
    }

    void checkRow(const resolve::ResolvedStep& step, const std::string& from, int number, const Render& render,
                  const std::string& title) {
        std::vector<std::string> columns, wanted;
        for (const resolve::BoundAssignment& set : step.set) {
            const std::string before = why_, sql = setSql(step, set, number, render);
            const bool isKnown = why_ == before && isSteady(set);
            why_ = before;
            if (!isKnown) continue;
            columns.push_back("t." + quoteName(set.column));
            wanted.push_back(sql);
        }
        same("SELECT jsonb_build_array(" + join(columns, ", ") + ") FROM " + from,
             "SELECT jsonb_build_array(" + join(wanted, ", ") + ")", "text", title);
    }

    bool isSteady(const resolve::BoundAssignment& set) const {
        if (set.taken) return true;
        const int request = set.value.request;
        return request >= 0 && writer_.resolver.results()[static_cast<size_t>(request)].isImmutable;
    }

    void checkElements(const resolve::ResolvedStep& step, int number, const Render& render, const std::string& title) {
        const resolve::BoundAssignment* ref = nullptr;
        for (const resolve::BoundAssignment& set : step.set)
            if (set.taken && set.taken->kind != resolve::ValueKind::handled) ref = &set;
        if (!ref) return writer_.skip(title, "its rows do not refer to the parent");
        std::string where;
        // What is left out gets its default.
        for (const std::string& column : action_.items->given)
            if (const std::string value = render(element_.at(column)); !resolve::startsWith(value, "NULL"))
                where += " AND t." + quoteName(column) + " IS NOT DISTINCT FROM " + value;
        writer_.checkCount("SELECT count(*) FROM " + ofReturned(*step.target, ref->column) + where, number, title);
    }

    // --- what is refused ---------------------------------------------------------------------------------------------

    void refused(const Render& render, const std::string& statement, const std::string& code, const std::string& text,
                 const std::string& title) {
        writer_.check("throws_ok(" + dollarQuote("SELECT " + statement, "sql") + ", '" + code + "', " + text + ", " +
                          quoteLiteral(title) + ")",
                      title);
        for (const auto& [step, row] : own_) {
            if (row < 0) continue;
            std::string where;
            for (const auto& [column, dimension] : scenario_.row(row).columns)
                where += " AND t." + quoteName(column) + " IS NOT DISTINCT FROM " + render(dimension);
            const std::string same = title + ", and leaves " + step->target->name + " as it is";
            writer_.checkCount("SELECT count(*) FROM " + ownRow(*step, render) + where, 1, same);
        }
    }

    void unknown(const Fixture& fixture) {
        const resolve::ResolvedStep* found = nullptr;
        for (const resolve::ResolvedStep& step : steps_)
            if (step.ofItems && own_.count(&step)) found = &step;
        if (!found) return;
        const int row = own_.at(found), key = ofRow(row, found->target->key);
        const std::string strange = uniqueValue(scenario_.at(key).baseType, 990000 + writer_.fresh());
        if (strange.empty()) return;
        writer_.begin(action_.info->name() + " of an element that is about no row");
        const Render render = literals(fixture);
        const Render other = [&](int which) {
            return which == key ? typedValue(strange, scenario_.at(key).baseType) : render(which);
        };
        rows(render);
        refused(render, call(1, other), "SQ201", "NULL", name_ + " refuses an element that is about no row");
    }

    // Best with elements of which each would do by itself.
    void tooMany(const resolve::ResolvedStep& check) {
        const std::string title = name_ + " refuses what does not fit: " +
                                  commentText(writer_.world.expressionText(check.condition.expression));
        writer_.begin(action_.info->name() + ": a validation that does not hold");
        std::string why;
        for (bool together : {true, false}) {
            std::vector<std::string> conditions;
            if (together) demand(1, nullptr, conditions);
            demand(together ? 2 : 1, &check, conditions);
            Fixture fixture = find(conditions, why);
            if (writer_.pending() && !fixture) return;
            if (!fixture) continue;
            const Render render = literals(fixture);
            rows(render);
            const bool plain = std::none_of(check.messageValues.begin(), check.messageValues.end(),
                                            [](const resolve::BoundExpression& bound) { return bool(bound); });
            const std::string text = plain ? quoteLiteral(check.spec->message.value) : "NULL";
            return refused(render, call(together ? 2 : 1, render), "SQ206", text,
                           title + (together ? ", of two elements together" : ""));
        }
        writer_.skip(title, why);
    }

    Writer& writer_;
    const resolve::ResolvedAction& action_;
    const std::vector<resolve::ResolvedStep>& steps_;
    const std::string name_;
    Scenario scenario_;
    std::string why_, claims_;
    std::set<std::pair<int, int>> compared_;           // dimensions that one condition reads
    std::set<int> deciding_;                           // dimensions that conditions read
    std::map<std::string, int> params_, element_;      // → dimension
    std::map<const resolve::ResolvedStep*, int> own_;  // → row
    std::map<int, int> named_, contexts_;              // → row
};

}  // namespace

void writeCoordinated(Writer& writer, const resolve::ResolvedAction& action) {
    Together(writer, action).write();
}

}  // namespace specql::testgen
