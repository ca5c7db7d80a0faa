#include "testgen/planned_call.hpp"

#include <algorithm>

#include "resolve/coordinated.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

bool isInsert(const resolve::ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::insert;
}

}  // namespace

PlannedCall::PlannedCall(Writer& writer, const resolve::ResolvedAction& action)
    : writer_(writer), action_(action), steps_(action.branches.front().steps) {
    plan();
    share();
    if (why.empty()) scenario.complete(writer.tables);
    if (why.empty()) why = scenario.unfit;
}

void PlannedCall::plan() {
    if (action_.required) grant();
    if (action_.items) planElement();
    for (const resolve::ResolvedStep& step : steps_)
        planStep(step);
    for (size_t i = 0; i < action_.contexts.size(); i++)
        planContext(static_cast<int>(i));
    if (action_.items)
        for (const resolve::Items::Ref& ref : action_.items->refs) {
            const resolve::NamedRow& row = action_.rows[static_cast<size_t>(ref.row)];
            auto known = element.find(ref.column);
            if (!row.columns.empty() && known != element.end())
                named_[ref.row] = rowOf(*row.entity, row.entity->key, known->second);
            else if (!row.columns.empty())
                why = "the row that " + ref.column + " leads to is not among the elements";
        }
    for (const resolve::ResolvedStep& step : steps_) {
        for (const resolve::BoundAssignment& set : step.set)
            if (set.value) read(step, set.value, false);
        for (const resolve::ResolvedStep& check : step.then)
            read(step, check.condition, true);
    }
}

// Rights are claims of the caller.
void PlannedCall::grant() {
    std::vector<std::string> pairs;
    for (const resolve::Value& value : action_.required.values) {
        if (value.kind != resolve::ValueKind::caller || value.type != "boolean") {
            why = "who may call it is told by more than rights";
            return;
        }
        pairs.push_back(quoteLiteral(value.name) + ", true");
    }
    claims = "SELECT set_config('specql.caller', jsonb_build_object(" + join(pairs, ", ") + ")::text, true)";
}

const TestTable* PlannedCall::tableOf(const resolve::EntityInfo& entity) {
    const TestTable* table = findTable(writer_.tables, entity.schema, entity.table);
    if (!table) why = "nothing is known of " + entity.shown();
    return table;
}

// The value of a column that the caller gives.
int PlannedCall::given(const resolve::EntityInfo& entity, const std::string& name, bool needed) {
    const TestTable* table = tableOf(entity);
    const TestColumn* column = table ? table->column(name) : nullptr;
    if (!column) return -1;
    Dimension dimension = testgen::dimensionOf(*column);
    dimension.notNull = needed || column->notNull;
    for (const TestCheck& check : table->checks) {
        if (check.columns != std::vector<std::string>{name}) continue;
        dimension.checks.push_back(check.sql);
        speak(dimension, check.sql);
    }
    const int which = scenario.add(std::move(dimension));
    for (const TestForeignKey& key : table->foreignKeys)
        if (key.columns == std::vector<std::string>{name})
            if (const TestTable* parent = findTable(writer_.tables, key.schema, key.table)) {
                scenario.at(which).unique = true;
                (void)scenario.referredRow(*parent, key.referenced.front(), which);
            }
    return which;
}

void PlannedCall::planElement() {
    for (const std::string& column : action_.items->given)
        element[column] = given(*action_.items->entity, column, action_.items->needed.count(column) > 0);
}

int PlannedCall::rowOf(const resolve::EntityInfo& entity, const std::string& key, int dimension) {
    const TestTable* table = tableOf(entity);
    if (!table || dimension < 0) return -1;
    // Rows of other tests have other keys.
    scenario.at(dimension).unique = true;
    return scenario.referredRow(*table, key, dimension);
}

int PlannedCall::parameter(const std::string& name, const resolve::EntityInfo& entity, const std::string& column) {
    auto known = params.find(name);
    if (known != params.end()) return known->second;
    return params[name] = given(entity, column, false);
}

void PlannedCall::planStep(const resolve::ResolvedStep& step) {
    const bool isItems = action_.items && &step == &steps_[action_.items->step];
    for (const resolve::BoundAssignment& set : step.set)
        if (!isItems && set.taken && set.taken->kind == resolve::ValueKind::payload)
            (void)parameter(set.taken->name, *step.target, set.column);
    if (isInsert(step) || step.byContext >= 0) return;
    const resolve::Value* key = step.rowKey ? &*step.rowKey : resolve::keyInWhere(writer_.world, step);
    const bool alone = key && (step.rowKey || step.where.values.size() == 2);
    if (alone && key->kind == resolve::ValueKind::handled && element.count(key->name))
        own[&step] = rowOf(*step.target, step.target->key, element[key->name]);
    else if (alone && key->kind == resolve::ValueKind::payload)
        own[&step] = rowOf(*step.target, step.target->key, parameter(key->name, *step.target, step.target->key));
    else if (step.ofItems || !ofParent(step))
        why = "the rows of " + step.target->shown() + " are told by more than their key";
}

bool PlannedCall::ofParent(const resolve::ResolvedStep& step) {
    return std::any_of(step.where.values.begin(), step.where.values.end(), [](const resolve::Value& value) {
        return value.kind == resolve::ValueKind::context || value.kind == resolve::ValueKind::row;
    });
}

void PlannedCall::planContext(int which) {
    const resolve::Context& context = action_.contexts[static_cast<size_t>(which)];
    if (context.key.kind != resolve::ValueKind::payload) {
        why = "it reads rows that others lead to";
        return;
    }
    const int dimension = parameter(context.key.name, *context.entity, context.entity->key);
    contexts_[which] = rowOf(*context.entity, context.entity->key, dimension);
}

void PlannedCall::speak(Dimension& dimension, const std::string& text) {
    const spec::ConditionText said = spec::readCondition(text);
    dimension.spoken.numbers.insert(dimension.spoken.numbers.end(), said.numbers.begin(), said.numbers.end());
    dimension.spoken.texts.insert(dimension.spoken.texts.end(), said.texts.begin(), said.texts.end());
}

// Which values an expression reads, so that they are chosen.
void PlannedCall::read(const resolve::ResolvedStep& step, const resolve::BoundExpression& bound, bool decides) {
    const std::string& text = writer_.world.expressionText(bound.expression);
    if (!bound.tables.empty()) why = "it looks at rows of other tables";
    std::vector<int> together;
    for (const resolve::Value& value : bound.values) {
        const int which = dimensionOf(step, value);
        if (which < 0) continue;
        Dimension& dimension = scenario.at(which);
        dimension.essential = true;
        // What the caller gives may be nothing where that is allowed.
        const bool isGiven = value.kind == resolve::ValueKind::payload || value.kind == resolve::ValueKind::handled;
        if (!isGiven) dimension.notNull = true;
        if (!decides) continue;
        deciding.insert(which);
        speak(dimension, text);
        together.push_back(which);
    }
    for (int one : together)
        for (int other : together)
            if (one != other && scenario.at(one).baseType == scenario.at(other).baseType) compared_.emplace(one, other);
}

// Values that are compared have candidates in common.
void PlannedCall::share() {
    for (const auto& [one, other] : compared_) {
        const spec::ConditionText said = scenario.at(other).spoken;
        auto add = [](std::vector<std::string>& known, const std::vector<std::string>& more) {
            for (const std::string& value : more)
                if (std::find(known.begin(), known.end(), value) == known.end()) known.push_back(value);
        };
        add(scenario.at(one).spoken.numbers, said.numbers);
        add(scenario.at(one).spoken.texts, said.texts);
    }
}

int PlannedCall::ofRow(int row, const std::string& name) {
    if (row < 0) return -1;
    auto known = scenario.row(row).columns.find(name);
    if (known != scenario.row(row).columns.end()) return known->second;
    const TestColumn* column = scenario.row(row).table->column(name);
    if (!column || column->generated) return -1;
    const int which = scenario.add(testgen::dimensionOf(*column));
    scenario.row(row).columns[name] = which;
    return which;
}

int PlannedCall::dimensionOf(const resolve::ResolvedStep& step, const resolve::Value& value) {
    auto found = [](const auto& map, const auto& key) {
        auto known = map.find(key);
        return known == map.end() ? -1 : known->second;
    };
    switch (value.kind) {
        case resolve::ValueKind::payload: return found(params, value.name);
        case resolve::ValueKind::handled: return found(element, value.name);
        case resolve::ValueKind::row: return ofRow(found(named_, value.context), value.name);
        case resolve::ValueKind::context: return ofRow(found(contexts_, value.context), value.name);
        case resolve::ValueKind::target:
            if (isInsert(step)) return -1;
            return ofRow(step.byContext >= 0 ? found(contexts_, step.byContext) : found(own, &step), value.name);
        default: return -1;
    }
}

}  // namespace specql::testgen
