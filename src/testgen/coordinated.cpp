// Tests of an action over several entities: with one element of its array, with two that are about the same row and so
// are added up, with one too many, and with one that is about no row. What its function leaves is told by the
// sentences of the spec, with the values of the test in place of names.
#include <algorithm>

#include "emit/element_rows.hpp"
#include "testgen/candidates.hpp"
#include "testgen/planned_call.hpp"
#include "testgen/search.hpp"
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
          name_(snakeCase(action.info->spec->name.value)),
          call_(writer, action) {}

    void write() {
        writer_.begin(action_.info->name());
        std::vector<std::string> good;
        for (int number : {1, 2})
            demand(number, nullptr, good);
        Fixture fixture;
        if (call_.why.empty()) fixture = findTelling(good);
        if (!fixture && writer_.pending()) return;
        if (!fixture) return writer_.skip(name_ + " writes all", call_.why);
        accepts(fixture, 1);
        if (!action_.items) return;
        accepts(fixture, 2);
        unknown(fixture);
        for (const resolve::ResolvedStep& step : steps_)
            for (const resolve::ResolvedStep& check : step.then)
                if (step.ofItems && !check.ofItems) tooMany(check);
    }

private:
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
        if (const int which = call_.dimensionOf(step, value); which >= 0) return render(which);
        if (value.kind == resolve::ValueKind::word) return quoteLiteral(value.name);
        const resolve::ResolvedStep* maker =
            value.kind == resolve::ValueKind::handled ? &steps_[action_.items->step] : &step;
        const bool isMade =
            value.kind == resolve::ValueKind::handled || (value.kind == resolve::ValueKind::target && isInsert(step));
        const resolve::BoundAssignment* set = isMade ? assigned(*maker, value.name) : nullptr;
        if (set) return setSql(*maker, *set, number, render);
        call_.why = "the test does not know " + (value.shown.empty() ? value.name : value.shown);
        return "NULL";
    }

    // All that must hold, but for one that must not.
    void demand(int number, const resolve::ResolvedStep* broken, std::vector<std::string>& conditions) {
        if (!call_.why.empty()) return;
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
        if (!call_.why.empty()) return {};
        Fixture fixture = find(telling, call_.why);
        if (fixture || telling.size() == good.size() || call_.why.empty()) return fixture;
        call_.why.clear();
        return find(good, call_.why);
    }

    Fixture find(const std::vector<std::string>& conditions, std::string& why) {
        Scenario demanding = call_.scenario;
        demanding.demands.insert(demanding.demands.end(), conditions.begin(), conditions.end());
        Focus focus;
        for (size_t i = 0; i < demanding.dimensions.size(); i++)
            for (size_t n = 0;
                 call_.deciding.count(static_cast<int>(i)) && n < demanding.dimensions[i].candidates.size(); n++)
                focus[static_cast<int>(i)].push_back(n);
        const SearchAnswer* answer = writer_.ask(findQuery(demanding, {}, focus));
        if (!answer) return {};
        if (!answer->cells.empty()) return readFixture(call_.scenario, answer->cells[0], answer->cells[1]);
        why = answer->error.empty() ? "no values were found that satisfy all that must hold"
                                    : "the search for values failed: " + commentText(answer->error);
        return {};
    }

    // --- statements --------------------------------------------------------------------------------------------------

    Render literals(const Fixture& fixture) {
        const int base = writer_.fresh();
        return [this, fixture, base](int which) {
            const Dimension& dimension = call_.scenario.at(which);
            return typedValue(dimension.unique ? uniqueValue(dimension.baseType, base + which)
                                               : numbered(fixture.values[static_cast<size_t>(which)], base + which),
                              dimension.baseType);
        };
    }

    void rows(const Render& render) {
        for (int which : call_.scenario.order) {
            const PlannedRow& row = call_.scenario.row(which);
            std::vector<std::string> columns, values;
            for (const auto& [column, dimension] : row.columns) {
                columns.push_back(quoteName(column));
                values.push_back(render(dimension));
            }
            writer_.fixture("INSERT INTO " + quoteName(row.table->schema, row.table->name) + " (" +
                            join(columns, ", ") + ") VALUES (" + join(values, ", ") + ")");
        }
        if (!call_.claims.empty()) writer_.fixture(call_.claims);
    }

    std::string elements(int number, const Render& render) const {
        std::vector<std::string> pairs;
        for (const std::string& column : action_.items->given)
            pairs.push_back(quoteLiteral(column) + ", " + render(call_.element.at(column)));
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
            auto known = call_.params.find(name);
            arguments.push_back(isItems                                            ? elements(number, render)
                                : known == call_.params.end() || known->second < 0 ? "NULL::" + type
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
            else if (call_.own.count(&step) && step.spec->kind == spec::StepKind::update)
                checkRow(step, ownRow(step, render), number, render, title);
            else if (call_.own.count(&step))
                writer_.checkCount("SELECT count(*) FROM " + ownRow(step, render), 0, title);
        }
    }

    std::string ownRow(const resolve::ResolvedStep& step, const Render& render) {
        const std::string& key = step.target->key;
        return tableName(*step.target) + " AS t WHERE t." + quoteName(key) + " = " +
               render(call_.ofRow(call_.own.at(&step), key));
    }

    void checkRow(const resolve::ResolvedStep& step, const std::string& from, int number, const Render& render,
                  const std::string& title) {
        std::vector<std::string> columns, wanted;
        for (const resolve::BoundAssignment& set : step.set) {
            const std::string before = call_.why, sql = setSql(step, set, number, render);
            const bool isKnown = call_.why == before && isSteady(set);
            call_.why = before;
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
            if (const std::string value = render(call_.element.at(column)); !resolve::startsWith(value, "NULL"))
                where += " AND t." + quoteName(column) + " IS NOT DISTINCT FROM " + value;
        writer_.checkCount("SELECT count(*) FROM " + ofReturned(*step.target, ref->column) + where, number, title);
    }

    // --- what is refused ---------------------------------------------------------------------------------------------

    void refused(const Render& render, const std::string& statement, const std::string& code, const std::string& text,
                 const std::string& title) {
        writer_.check("throws_ok(" + dollarQuote("SELECT " + statement, "sql") + ", '" + code + "', " + text + ", " +
                          quoteLiteral(title) + ")",
                      title);
        for (const auto& [step, row] : call_.own) {
            if (row < 0) continue;
            std::string where;
            for (const auto& [column, dimension] : call_.scenario.row(row).columns)
                where += " AND t." + quoteName(column) + " IS NOT DISTINCT FROM " + render(dimension);
            const std::string same = title + ", and leaves " + step->target->name + " as it is";
            writer_.checkCount("SELECT count(*) FROM " + ownRow(*step, render) + where, 1, same);
        }
    }

    void unknown(const Fixture& fixture) {
        const resolve::ResolvedStep* found = nullptr;
        for (const resolve::ResolvedStep& step : steps_)
            if (step.ofItems && call_.own.count(&step)) found = &step;
        if (!found) return;
        const int row = call_.own.at(found), key = call_.ofRow(row, found->target->key);
        const std::string strange = uniqueValue(call_.scenario.at(key).baseType, 990000 + writer_.fresh());
        if (strange.empty()) return;
        writer_.begin(action_.info->name() + " of an element that is about no row");
        const Render render = literals(fixture);
        const Render other = [&](int which) {
            return which == key ? typedValue(strange, call_.scenario.at(key).baseType) : render(which);
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
    PlannedCall call_;
};

}  // namespace

void writeCoordinated(Writer& writer, const resolve::ResolvedAction& action) {
    Together(writer, action).write();
}

}  // namespace specql::testgen
