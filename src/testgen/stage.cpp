#include "testgen/stage.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::testgen {

Stage::Stage(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
             const resolve::ResolvedAction& which, unsigned which_operation)
    : action(which),
      operation(which_operation),
      world_(world),
      resolver_(resolver),
      tables_(tables),
      arms_(armsOf(which)) {
    build(true);
    if (unfit.empty() || demands_.empty()) return;
    // What others demand needs rows that cannot be made: the trial shows whether they refuse the event.
    scenario = {};
    allocations.clear();
    whereSteps_.clear();
    loops_.clear();
    demands_.clear();
    rows_.clear();
    unfit.clear();
    build(false);
}

void Stage::build(bool demanding) {
    contexts_ = action.contexts;
    if (operation == resolve::opUpdate && split_.empty()) {
        if (!action.binding.changedColumn.empty()) split_.insert(action.binding.changedColumn);
        resolve::ResolvedAction copy = action;
        resolve::visitExpressions(copy, [&](resolve::BoundExpression& bound) {
            for (const resolve::Value& value : bound.values)
                if (value.kind == resolve::ValueKind::eventChange ||
                    (value.kind == resolve::ValueKind::eventColumn && value.old))
                    split_.insert(value.name);
        });
        std::set<std::string> made;
        if (const TestTable* table = tableOf(*action.binding.entity))
            for (const std::string& name : split_)
                if (const TestColumn* column = table->column(name))
                    made.insert(column->generatedFrom.begin(), column->generatedFrom.end());
        split_.insert(made.begin(), made.end());
        if (split_.empty()) chooseStirred();
    }
    // A row that the old key leads to is another one than the new key's.
    for (const resolve::Context& context : contexts_)
        if (operation == resolve::opUpdate && context.key.kind == resolve::ValueKind::eventColumn && context.key.old)
            split_.insert(context.key.name);
    if (demanding) findDemands();
    for (const resolve::Context& context : contexts_)
        use(context.key, {}, nullptr);
    for (const auto& [name, dimension] : scenario.names)
        scenario.dimensions[static_cast<size_t>(dimension)].unique = true;
    for (const resolve::ResolvedBranch& branch : action.branches)
        if (branch.condition) useAll(branch.condition, {}, true);
    for (const resolve::ResolvedBranch& branch : action.branches) {
        useSteps(branch.steps);
        useSteps(branch.otherwise);
    }
    for (const resolve::ResolvedBranch& branch : action.branches)
        if (branch.feed) useFeed(*branch.feed);
    for (const std::string& key : action.payloadOrder)
        useKey(action, key);
    if (demanding) {
        findDemandsOfSteps();
        useDemands();
    }
    buildRows();
    if (unfit.empty()) stateDemands();
}

void Stage::useKey(const resolve::ResolvedAction& of, const std::string& key) {
    resolve::Value value;
    value.kind = resolve::ValueKind::payload;
    value.name = key;
    value.type = of.payload.at(key);
    int dimension = use(value, {}, nullptr);
    Dimension& found = scenario.dimensions[static_cast<size_t>(dimension)];
    if (!found.essential && found.baseType == "uuid") found.unique = true;
}

void Stage::chooseStirred() {
    const resolve::EntityInfo& entity = *action.binding.entity;
    const TestTable* table = tableOf(entity);
    if (!table) return;
    for (const TestColumn& column : table->columns) {
        bool plain = isNumeric(column.baseType) || isText(column.baseType) || column.baseType == "boolean";
        bool bound = std::any_of(table->foreignKeys.begin(), table->foreignKeys.end(), [&](const TestForeignKey& key) {
            return std::find(key.columns.begin(), key.columns.end(), column.name) != key.columns.end();
        });
        if (!plain || bound || column.generated || column.name == entity.key || !column.labels.empty()) continue;
        stirred_ = column.name;
        split_.insert(stirred_);
        return;
    }
}

const TestTable* Stage::tableOf(const resolve::EntityInfo& entity) const {
    return findTable(tables_, entity.schema, entity.table);
}

Place Stage::ownOf(const resolve::ResolvedStep& step) const {
    if (step.ownRow) return Place::after();
    if (step.byContext >= 0) return Place::context(step.byContext);
    for (size_t i = 0; i < whereSteps_.size(); i++)
        if (whereSteps_[i].step == &step && whereSteps_[i].loop == loop_ && whereSteps_[i].element == element_)
            return Place::step(i);
    return {};
}

void Stage::useSteps(const std::vector<resolve::ResolvedStep>& steps) {
    for (const resolve::ResolvedStep& step : steps) {
        spec::StepKind kind = step.spec->kind;
        if (kind == spec::StepKind::foreach) {
            useLoop(step);
            continue;
        }
        bool writes = kind == spec::StepKind::update || kind == spec::StepKind::remove;
        bool allocates = step.limit || !step.order.empty() || resolve::isBulk(*action.info);
        if (writes && step.target && allocates) {
            useAllocation({&step, &action, nullptr, {}, -1, 0});
            continue;
        }
        if (step.call == resolve::CallKind::action) {
            for (const resolve::ResolvedAction& called : resolver_.actions) {
                if (called.info != step.calledAction || called.branches.empty()) continue;
                Allocation allocation{nullptr, &called, &step, {}, -1, 0};
                for (size_t i = 0; i < step.args.size() && i < called.payloadOrder.size(); i++)
                    if (step.args[i].values.size() == 1) {
                        use(step.args[i].values.front(), {}, nullptr);
                        allocation.params[called.payloadOrder[i]] = nameOf(step.args[i].values.front(), {});
                    }
                for (const resolve::ResolvedStep& work : called.branches.front().steps)
                    if ((work.spec->kind == spec::StepKind::update || work.spec->kind == spec::StepKind::remove) &&
                        work.target && !allocation.step)
                        allocation.step = &work;
                if (allocation.step) useAllocation(std::move(allocation));
            }
        }
        if (writes && step.where && step.target) whereSteps_.push_back({&step, loop_, element_});
        Place own = ownOf(step);
        if (step.where && own) {
            unify(step.where, own);
            useAll(step.where, own, true);
        }
        if (kind == spec::StepKind::validate || kind == spec::StepKind::branch) useAll(step.condition, {}, true);
        useAssigned(step, own);
        for (const resolve::BoundExpression& arg : step.args)
            useAll(arg, {}, false);
        useSteps(step.then);
        useSteps(step.otherwise);
    }
}

void Stage::useAssigned(const resolve::ResolvedStep& step, Place own) {
    bool writes = step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
    for (const resolve::BoundAssignment& assignment : step.set) {
        if (assignment.value) useAll(assignment.value, own, false);
        if (assignment.taken) use(*assignment.taken, own, nullptr);
        // A row that has the value already would not show that the step ran.
        if (!writes || !own || !assignment.value || !step.target) continue;
        const ExpressionFacts& facts = world_.facts(assignment.value.expression);
        const resolve::ColumnInfo* column = step.target->column(assignment.column);
        if (!facts.isLiteral || !column) continue;
        resolve::Value value;
        value.kind = resolve::ValueKind::target;
        value.name = column->name;
        value.type = column->type;
        Dimension& dimension = scenario.dimensions[static_cast<size_t>(use(value, own, nullptr))];
        dimension.avoided = facts.literalType == "null"   ? "NULL"
                            : facts.literalType == "text" ? quoteLiteral(facts.literalValue)
                                                          : facts.literalValue;
    }
}

void Stage::useAllocation(Allocation allocation) {
    Place own = Place::allocation(allocations.size());
    allocations.push_back(std::move(allocation));
    const resolve::ResolvedStep& step = *allocations.back().step;
    unify(step.where, own);
    if (step.where) useAll(step.where, own, true);
    if (step.limit) useAll(step.limit, own, true);
    useAssigned(step, own);
}

// --- rows ------------------------------------------------------------------------------------------------------------

std::map<std::string, int> Stage::given(Place place) const {
    std::map<std::string, int> columns;
    for (const auto& [name, dimension] : scenario.names)
        if (name.place == place) columns[name.column] = dimension;
    return columns;
}

// Rows that an inserted row will refer to.
void Stage::referenceParents(const std::vector<resolve::ResolvedStep>& steps) {
    for (const resolve::ResolvedStep& step : steps) {
        int loop = step.spec->kind == spec::StepKind::foreach ? loopOf(step) : -1;
        for (int k = 0; loop >= 0 && k < 2; k++) {
            Element element(*this, loop, k);
            referenceParents(step.then);
        }
        if (step.spec->kind == spec::StepKind::foreach) continue;
        referenceParents(step.then);
        referenceParents(step.otherwise);
        bool inserts = step.spec->kind == spec::StepKind::insert || step.spec->kind == spec::StepKind::append ||
                       step.spec->kind == spec::StepKind::create;
        const TestTable* table = inserts && step.target ? tableOf(*step.target) : nullptr;
        if (!table) continue;
        for (const resolve::BoundAssignment& assignment : step.set) {
            const resolve::Value* value = assignment.taken                      ? &*assignment.taken
                                          : assignment.value.values.size() == 1 ? &assignment.value.values.front()
                                                                                : nullptr;
            int known = value ? nameDimension(*value, {}) : -1;
            if (known < 0) continue;
            for (const TestForeignKey& key : table->foreignKeys) {
                const TestTable* parent = findTable(tables_, key.schema, key.table);
                if (key.columns.size() != 1 || key.columns[0] != assignment.column || !parent) continue;
                bool there = std::any_of(scenario.rows.begin(), scenario.rows.end(), [&](const PlannedRow& row) {
                    auto found = row.columns.find(key.referenced[0]);
                    return row.table == parent && found != row.columns.end() && found->second == known;
                });
                if (there) continue;
                Dimension& dimension = scenario.dimensions[static_cast<size_t>(known)];
                if (!dimension.essential) dimension.unique = true;
                int row = scenario.addRow(tables_, *parent, {{key.referenced[0], known}});
                if (scenario.unfit.empty()) scenario.rows[static_cast<size_t>(row)].referred = true;
            }
        }
    }
}

void Stage::buildRows() {
    auto table = [&](const resolve::EntityInfo& entity) {
        const TestTable* found = tableOf(entity);
        if (!found && unfit.empty()) unfit = "the table " + entity.shown() + " does not exist";
        return found;
    };
    // A row that another one refers to comes after it here: it must be planned first, or it would be planned twice.
    for (size_t i = contexts_.size(); i-- > 0;) {
        const resolve::Context& context = contexts_[i];
        const TestTable* found = table(*context.entity);
        if (!found) return;
        Place place = Place::context(static_cast<int>(i));
        std::map<std::string, int> columns = given(place);
        int key = nameDimension(context.key, {});
        if (key < 0) {
            unfit = "the key " + context.key.name + " is computed";
            return;
        }
        columns[context.entity->key] = key;
        rows_[place] = scenario.addRow(tables_, *found, columns);
        // Events of a window have keys in common.
        if (scenario.unfit.empty() && action.isFeed()) scenario.rows[static_cast<size_t>(rows_[place])].referred = true;
    }
    if (!action.binding.custom && action.binding.entity) {
        const resolve::EntityInfo& entity = *action.binding.entity;
        const TestTable* found = table(entity);
        if (!found) return;
        if (entity.key.empty()) {
            unfit = "the table " + entity.shown() + " has no key that tells its rows apart";
            return;
        }
        resolve::Value key;
        key.kind = resolve::ValueKind::eventColumn;
        key.name = entity.key;
        key.type = entity.column(entity.key)->type;
        int keyKnown = use(key, {}, nullptr);
        if (keyKnown < 0) {
            unfit = "the key of " + entity.shown() + " is a generated column";
            return;
        }
        Dimension& keyDimension = scenario.dimensions[static_cast<size_t>(keyKnown)];
        keyDimension.unique = !uniqueValue(keyDimension.baseType, 1).empty();
        keyDimension.essential = false;
        if (!action.binding.valueColumn.empty()) {
            resolve::Value column;
            column.kind = resolve::ValueKind::eventColumn;
            column.name = action.binding.valueColumn;
            column.type = entity.column(column.name)->type;
            int known = use(column, {}, nullptr);
            if (known < 0) {
                unfit = column.name + " is a generated column";
                return;
            }
            Dimension& dimension = scenario.dimensions[static_cast<size_t>(known)];
            dimension.candidates = {quoteLiteral(action.binding.value)};
            dimension.fixed = true;
        }
        for (const std::string& name : split_) {
            resolve::Value column;
            column.kind = resolve::ValueKind::eventColumn;
            column.name = name;
            column.type = entity.column(name)->type;
            for (bool old : {true, false}) {
                column.old = old;
                int side = use(column, {}, nullptr);
                if (side >= 0 && (name == action.binding.changedColumn || name == stirred_))
                    scenario.dimensions[static_cast<size_t>(side)].essential = true;
            }
        }
        std::map<std::string, int> columns = given(Place::row());
        if (operation == resolve::opUpdate) {
            std::map<std::string, int> before = columns, old = given(Place::before());
            before.insert(old.begin(), old.end());
            int row = scenario.addRow(tables_, *found, before);
            if (!scenario.unfit.empty()) return;
            rows_[Place::before()] = row;
            std::map<std::string, int> after = scenario.rows[static_cast<size_t>(row)].columns;
            for (const auto& [name, dimension] : given(Place::after()))
                after[name] = dimension;
            rows_[Place::after()] = scenario.addRow(tables_, *found, after);
        } else {
            rows_[operation == resolve::opInsert ? Place::after() : Place::before()] =
                scenario.addRow(tables_, *found, columns);
        }
        std::string name = stirred_.empty() ? action.binding.changedColumn : stirred_;
        if (operation == resolve::opUpdate && !name.empty()) {
            resolve::Value change;
            change.name = name;
            std::vector<std::string> sides;
            for (const resolve::Value& side : bothSides(change))
                sides.push_back(value(side, Scenario::reference, {}, unfit));
            scenario.demands.push_back(join(sides, " IS DISTINCT FROM "));
        }
    }
    // Rows of other tests have other identifiers.
    for (Dimension& dimension : scenario.dimensions)
        if (dimension.baseType == "uuid" && !dimension.essential && !dimension.fixed && dimension.checks.empty())
            dimension.unique = true;
    for (size_t i = 0; i < whereSteps_.size(); i++) {
        const resolve::EntityInfo& entity = *whereSteps_[i].step->target;
        const TestTable* found = table(entity);
        if (!found || entity.key.empty()) continue;
        Place place = Place::step(i);
        std::map<std::string, int> columns = given(place);
        if (!columns.count(entity.key)) {
            const TestColumn* column = found->column(entity.key);
            Dimension dimension{column->type, column->baseType, {}, {}, entity.key, true, false, "", 0, false};
            columns[entity.key] = scenario.names[{place, entity.key}] = scenario.add(std::move(dimension));
        }
        // WHERE may name a row that is there already.
        auto same = std::find_if(scenario.rows.begin(), scenario.rows.end(), [&](const PlannedRow& row) {
            auto key = row.columns.find(entity.key);
            return row.table == found && key != row.columns.end() && key->second == columns[entity.key];
        });
        if (same == scenario.rows.end()) {
            rows_[place] = scenario.addRow(tables_, *found, columns);
            continue;
        }
        rows_[place] = static_cast<int>(same - scenario.rows.begin());
        for (const auto& [name, added] : columns) {
            auto [known, isNew] = same->columns.emplace(name, added);
            if (isNew || known->second == added) continue;
            Dimension& kept = scenario.dimensions[static_cast<size_t>(known->second)];
            const Dimension& other = scenario.dimensions[static_cast<size_t>(added)];
            kept.essential = kept.essential || other.essential;
            for (const std::string& candidate : other.candidates)
                if (std::find(kept.candidates.begin(), kept.candidates.end(), candidate) == kept.candidates.end())
                    kept.candidates.push_back(candidate);
            scenario.names[{place, name}] = known->second;
        }
    }
    for (size_t i = 0; i < allocations.size() && scenario.unfit.empty(); i++) {
        Allocation& allocation = allocations[i];
        const resolve::EntityInfo& entity = *allocation.step->target;
        const TestTable* found = table(entity);
        if (!found || entity.key.empty()) continue;
        Place place = Place::allocation(i);
        allocation.firstOwn = scenario.dimensions.size();
        auto need = [&](const std::string& column, bool unique) {
            const TestColumn* known = found->column(column);
            if (!known || scenario.names.count({place, column})) return;
            Dimension dimension{known->type, known->baseType, {}, {}, column, unique, false, "", 0, false};
            scenario.names[{place, column}] = scenario.add(std::move(dimension));
        };
        need(entity.key, true);
        if (!allocation.step->allocated.empty()) need(allocation.step->allocated, false);
        for (const resolve::BoundOrder& order : allocation.step->order)
            for (const resolve::Value& value : order.value.values)
                need(value.name, false);
        allocation.row = scenario.addRow(tables_, *found, given(place));
    }
    for (const resolve::ResolvedBranch& branch : action.branches) {
        referenceParents(branch.steps);
        referenceParents(branch.otherwise);
    }
    if (unfit.empty()) unfit = scenario.unfit;
}

int Stage::rowOf(Place own) const {
    auto found = rows_.find(own);
    if (found == rows_.end() && own == Place::after()) found = rows_.find(Place::before());
    return found == rows_.end() ? -1 : found->second;
}

}  // namespace specql::testgen
