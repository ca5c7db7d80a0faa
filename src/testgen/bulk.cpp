// Tests of a bulk operation: rows that it takes, and some that it does not, are there in the wrong order, and what it
// does is compared with the reference. Of an array also what a bad element does to the others.
#include <algorithm>

#include "resolve/batch.hpp"
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
          batch_(action.info->spec->batch),
          name_(snakeCase(action.info->spec->name.value)),
          stage_(writer.world, writer.resolver, writer.tables, action_, 0) {
        arm_.label = name_;
        if (action_.branches.size() != 1) return;
        const resolve::ResolvedBranch& branch = action_.branches.front();
        if (branch.condition) arm_.parts.push_back({&branch.condition, false, nullptr});
        for (const resolve::ResolvedStep& one : branch.steps) {
            arm_.steps.push_back(&one);
            if (one.spec->kind == spec::StepKind::validate) arm_.parts.push_back({&one.condition, false, &one});
        }
    }

    void write() {
        writer_.begin(original_.info->name());
        std::string why = stage_.unfit, given, sql;
        if (why.empty() && action_.branches.size() != 1) why = "it has more than one branch";
        const bool takes = !stage_.allocations.empty() && stage_.allocations[0].row >= 0;
        if (why.empty() && !takes && !inserts()) why = "it updates or deletes no rows that have a key";
        std::vector<std::string> conditions;
        if (why.empty() && stage_.condition(arm_, Scenario::reference, given, why)) {
            conditions.push_back(given);
            if (takes && step().where && stage_.print(step().where, Scenario::reference, own_, sql, why))
                conditions.push_back(sql);
            if (takes && !step().allocated.empty() && step().limit &&
                stage_.print(step().limit, Scenario::reference, own_, sql, why))
                conditions.push_back("(" + sql + ") >= 3");
        }
        Fixture fixture;
        if (why.empty()) fixture = writer_.find(stage_, conditions, {}, stage_.focus(arm_), why);
        if (!fixture) return writer_.skip(name_ + " handles rows", why);
        takes ? rows(fixture) : newRow(fixture);
        if (takes && original_.binding.custom && !original_.binding.event.empty() &&
            writer_.isStopped(original_).empty())
            byEvent(fixture);
        // Where no error is allowed, the call fails by the first.
        if (!action_.batchParameter.empty() && batch_.maxErrors != 0)
            elements(fixture, "(" + join(conditions, ") AND (") + ")");
        if (takes && step().where)
            writeStrangers(writer_, stage_, step(), own_, allocation().row, name_, given, stage_.focus(arm_), play());
    }

private:
    const Allocation& allocation() const { return stage_.allocations[0]; }
    const resolve::ResolvedStep& step() const { return *allocation().step; }
    const PlannedRow& planned() const { return stage_.scenario.row(allocation().row); }

    // It writes one new row for each element of its array.
    bool inserts() const {
        const resolve::ResolvedStep* written = resolve::writtenAtOnce(writer_.world, original_);
        return written && stage_.allocations.empty();
    }

    // --- calls -------------------------------------------------------------------------------------------------------

    std::string value(const Stage::Render& literal, const std::string& key) const {
        return literal(stage_.dimension({Place::payload(), key}));
    }

    // An element of the array, with the keys that the steps use.
    std::string element(const Stage::Render& literal) const {
        std::vector<std::string> pairs;
        for (const std::string& key : action_.payloadOrder)
            if (key != action_.batchParameter) pairs.push_back(quoteLiteral(key) + ", " + value(literal, key));
        return "jsonb_build_object(" + join(pairs, ", ") + ")";
    }

    std::string arguments(const Stage::Render& literal) const {
        if (!action_.batchParameter.empty()) return "jsonb_build_array(" + element(literal) + ")";
        std::vector<std::string> args;
        for (const std::string& key : action_.payloadOrder)
            args.push_back(value(literal, key));
        return join(args, ", ");
    }

    std::string plainCall(const std::string& arguments) const {
        return quoteName(action_.info->schema, name_) + "(" + arguments + ")";
    }

    // How many it returns is kept, to be looked at like the tables.
    std::string call(const std::string& arguments) const {
        const std::string number = plainCall(arguments) + (batch_.summary ? " ->> 'processed'" : "::text");
        return "DO $do$ BEGIN PERFORM set_config('specql_test.returned', " + number + ", true); END $do$";
    }

    Play play() {
        return {[this](const Stage::Render& literal) { plant(literal, {}); },
                [this](const Stage::Render& literal) { return call(arguments(literal)); },
                [](const Stage::Render&) { return std::string(); }};
    }

    Reference reference(const Stage::Render& literal) const {
        return Reference(writer_.world, writer_.resolver, stage_, literal);
    }

    // --- rows --------------------------------------------------------------------------------------------------------

    // One row that it takes, with some values replaced.
    void plant(const Stage::Render& literal, Cells cells) {
        writer_.rows(stage_, literal);
        plantRow(literal, std::move(cells));
    }

    void plantRow(const Stage::Render& literal, Cells cells) {
        if (stage_.allocations.empty() || isRead()) return;
        if (!step().allocated.empty()) cells.emplace(step().allocated, "1");
        writer_.fixture(stage_.quietRow(allocation().row, literal, cells));
    }

    // The row that it writes is there already, as one that it reads.
    bool isRead() const {
        const resolve::Value* key = resolve::rowOfElement(writer_.world, action_, step());
        return key && std::any_of(action_.contexts.begin(), action_.contexts.end(), [&](const resolve::Context& read) {
                   return read.entity == step().target && read.key.kind == resolve::ValueKind::payload &&
                          read.key.name == key->name && !read.columns.empty();
               });
    }

    // A value that puts a row in a place of the order, if that begins with a column that nothing else is about.
    void putInOrder(int place, Cells& cells) const {
        if (step().order.empty()) return;
        const resolve::BoundOrder& order = step().order.front();
        if (order.value.values.size() != 1 || order.value.values[0].kind != resolve::ValueKind::target) return;
        const resolve::Value& column = order.value.values[0];
        int known = stage_.dimension({own_, column.name});
        if (known >= 0 && stage_.scenario.at(known).essential) return;
        int turned = order.spec->descending ? 10 - place : place;
        if (isTime(column.type))
            cells[column.name] = "now() - interval '" + std::to_string(100 - turned) + " hours'";
        else if (isNumeric(column.type))
            cells[column.name] = std::to_string(turned);
        else if (isText(column.type))
            cells[column.name] = "'" + std::string(1, static_cast<char>('a' + turned)) + "'";
    }

    // WHERE names the only row there can be.
    bool isSingle() const {
        const auto& columns = planned().columns;
        return std::any_of(planned().table->uniques.begin(), planned().table->uniques.end(),
                           [&](const std::vector<std::string>& unique) {
                               return std::all_of(unique.begin(), unique.end(), [&](const std::string& column) {
                                   auto known = columns.find(column);
                                   return known != columns.end() &&
                                          static_cast<size_t>(known->second) < allocation().firstOwn;
                               });
                           });
    }

    // Three rows that fit, inserted the other way round; the first two take all there is of what is allocated. Returns
    // the key of the last.
    std::string plantThree(const Stage::Render& literal) {
        const TestColumn& key = *planned().table->column(step().target->key);
        const int made = writer_.fresh();
        std::string limit, why, last;
        if (step().limit) (void)stage_.print(step().limit, literal, own_, limit, why);
        for (int place : {3, 2, 1}) {
            Cells cells;
            // What must be different in every row.
            for (const auto& [column, which] : planned().columns) {
                const Dimension& dimension = stage_.scenario.at(which);
                if (dimension.unique && static_cast<size_t>(which) >= allocation().firstOwn && !refers(column))
                    cells[column] = typedValue(uniqueValue(dimension.baseType, 600000 + made + place), dimension.type);
            }
            cells[key.name] = typedValue(uniqueValue(key.baseType, 700000 + made + place), key.type);
            putInOrder(place, cells);
            if (!step().allocated.empty() && place == 2) cells[step().allocated] = "(" + limit + ") - 1";
            if (place == 3) last = cells[key.name];
            plantRow(literal, cells);
        }
        return last;
    }

    bool refers(const std::string& column) const {
        const std::vector<TestForeignKey>& keys = planned().table->foreignKeys;
        return std::any_of(keys.begin(), keys.end(), [&](const TestForeignKey& key) {
            return std::find(key.columns.begin(), key.columns.end(), column) != key.columns.end();
        });
    }

    // --- tests -------------------------------------------------------------------------------------------------------

    void rows(const Fixture& fixture) {
        writer_.begin(original_.info->name() + ": which rows, and what becomes of them");
        Stage::Render literal = writer_.literals(stage_, fixture), others = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        Reference wanted = reference(literal);
        std::vector<Bystander> alone;
        auto watch = [&](const std::string& title, const std::string& key) {
            alone.emplace_back(title, *step().target, key);
        };
        if (isSingle())
            plantRow(literal, {});
        else if (std::string last = plantThree(literal); !step().allocated.empty())
            watch(name_ + " stops at the first row that does not fit", last);
        const std::string key = others(planned().columns.at(step().target->key));
        if (arguments(literal) != arguments(others)) {
            Cells early;
            putInOrder(0, early);
            plant(others, early);
            watch(name_ + " leaves rows alone that its parameters do not mean", key);
        }
        for (const Bystander& row : alone)
            wanted.watch(row.place, row.query);
        writer_.compare(stage_, wanted, call(arguments(literal)), "");
        writer_.fixture(call(arguments(literal)));
        writer_.checkPlaces({Reference::returned}, name_ + " returns how many rows it handled");
        std::set<std::string> said;
        for (const resolve::ResolvedStep* one : arm_.steps) {
            std::string title = stepTitle(writer_.world, arm_, *one), why;
            if (isSeen(*one) && said.insert(title).second) writer_.checkStep(stage_, wanted, *one, title);
        }
        for (const Bystander& row : alone)
            writer_.checkPlaces({row.place}, row.title);
    }

    void newRow(const Fixture& fixture) {
        writer_.begin(original_.info->name() + ": what it writes");
        Stage::Render literal = writer_.literals(stage_, fixture);
        writer_.rows(stage_, literal);
        Reference wanted = reference(literal);
        writer_.compare(stage_, wanted, call(arguments(literal)), "");
        writer_.fixture(call(arguments(literal)));
        writer_.checkPlaces({Reference::returned}, name_ + " returns how many elements it handled");
        for (const resolve::ResolvedStep* one : arm_.steps)
            if (isSeen(*one)) writer_.checkStep(stage_, wanted, *one, stepTitle(writer_.world, arm_, *one));
    }

    void byEvent(const Fixture& fixture) {
        writer_.begin(original_.info->name() + ": by its event");
        Stage::Render literal = writer_.literals(stage_, fixture);
        const std::string title = original_.binding.event + " runs " + name_;
        const std::string payload =
            action_.batchParameter.empty()
                ? stage_.payload(literal)
                : "jsonb_build_object(" + quoteLiteral(action_.batchParameter) + ", " + arguments(literal) + ")";
        const std::string event = Stage::raise(original_, payload);
        Reference wanted = reference(literal);
        std::string why;
        const std::set<std::string> places = wanted.places(step(), why);
        if (places.empty()) return writer_.skip(title, why);
        plant(literal, {});
        writer_.mustShow(stage_, wanted, event, {&step()}, title);
        writer_.rehearse(stage_, event, literal);
        writer_.checkAll(stage_, wanted, event, event, title, wanted.queries(places));
    }

    // One call with a bad element and a good one.
    void elements(const Fixture& fixture, const std::string& whole) {
        const std::string& handling = original_.info->spec->errorHandling.value;
        std::string sqlstate, title = name_ + " handles all elements or none";
        writer_.begin(original_.info->name() + ": a bad element and a good one");
        Fixture good = fixture;
        std::string bad = badElement(whole, good, sqlstate);
        if (bad.empty()) return writer_.skip(title, "no element is known that fails");
        Stage::Render literal = writer_.literals(stage_, good);
        const std::string both = "jsonb_build_array(" + bad + ", " + element(literal) + ")";
        plant(literal, {});
        Reference wanted = reference(literal);
        if (handling == "continue_on_error") {
            title = name_ + " goes on after a bad element, and does not count it";
            writer_.checkAll(stage_, wanted, call(both), "", title);
            if (batch_.summary) summary(both);
            return;
        }
        const bool collects = handling == "collect_errors";
        const std::string fails = name_ + (collects ? " tells all errors at its end" : " fails at a bad element");
        writer_.check("throws_ok(" + dollarQuote(call(both), "sql") + ", '" + (collects ? "SQ206" : sqlstate) + "', " +
                          (collects ? "'1 of 2 elements failed'" : "NULL") + ", " + quoteLiteral(fails) + ")",
                      fails);
        wanted.doNothing();
        writer_.checkAll(
            stage_, wanted,
            "DO $caught$ BEGIN EXECUTE " + quoteLiteral(call(both)) + "; EXCEPTION WHEN OTHERS THEN NULL; END $caught$",
            "", title);
    }

    void summary(const std::string& both) {
        const std::string title = name_ + " tells which element was bad";
        writer_.check("is(" + plainCall(both) + " #>> '{errors,0,index}', '0', " + quoteLiteral(title) + ")", title);
    }

    // An element that a validation refuses, or that lacks a key.
    std::string badElement(const std::string& whole, Fixture& good, std::string& sqlstate) {
        const Focus focus = stage_.focus(arm_);
        sqlstate = "SQ200";
        if (stage_.allocations.empty()) return "'17'::jsonb";
        for (const Arm::Part& part : arm_.parts) {
            if (!part.validate) continue;
            const std::string& text = writer_.world.expressionText(part.condition->expression);
            for (const spec::Atom& atom : spec::readCondition(text).atoms) {
                std::string slice, why;
                Fixture inside, bad;
                if (!stage_.printSlice(*part.condition, atom.begin, atom.end, Scenario::reference, slice, why))
                    continue;
                std::set<int> read = stage_.dimensionsOf(*part.condition, atom.begin, atom.end);
                if (!writer_.findPair(stage_, whole, slice, {}, read, false, focus, inside, bad) &&
                    !writer_.findPair(stage_, whole, slice, {}, read, true, focus, inside, bad))
                    continue;
                good = inside;
                sqlstate = "SQ206";
                return element(writer_.literals(stage_, bad));
            }
        }
        bool hasKeys = std::any_of(action_.payloadOrder.begin(), action_.payloadOrder.end(),
                                   [&](const std::string& key) { return key != action_.batchParameter; });
        return hasKeys ? "'{}'::jsonb" : "";
    }

    Writer& writer_;
    resolve::ResolvedAction action_;
    const resolve::ResolvedAction& original_;
    const spec::Batch& batch_;
    std::string name_;
    Stage stage_;
    Arm arm_;
    const Place own_ = Place::allocation(0);
};

}  // namespace

void writeBulk(Writer& writer, const resolve::ResolvedAction& action) {
    Bulk(writer, action).write();
}

}  // namespace specql::testgen
