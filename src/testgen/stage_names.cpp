// What the names of an action mean in a test: the dimensions of its values.
#include <algorithm>

#include "testgen/stage.hpp"

namespace specql::testgen {

Name Stage::nameOf(const resolve::Value& value, Place own) const {
    const Allocation* allocation = allocationOf(own);
    if (allocation && allocation->caller && value.kind == resolve::ValueKind::payload) {
        auto found = allocation->params.find(value.name);
        return found == allocation->params.end() ? Name() : found->second;
    }
    if (allocation && allocation->caller && value.kind == resolve::ValueKind::context) {
        const resolve::EntityInfo* entity = allocation->bulk->contexts[static_cast<size_t>(value.context)].entity;
        if (!action.binding.custom && entity == action.binding.entity)
            return {eventPlace(value.name, false), value.name};
        // Of several rows of that entity none is meant.
        Name found;
        for (size_t i = 0; i < contexts_.size(); i++) {
            if (contexts_[i].entity != entity) continue;
            if (found) return {};
            found = {Place::context(static_cast<int>(i)), value.name};
        }
        return found;
    }
    switch (value.kind) {
        case resolve::ValueKind::eventColumn:
            if (isMissing(value)) return {};
            return {eventPlace(value.name, value.old), value.name};
        case resolve::ValueKind::context: return {Place::context(value.context), value.name};
        case resolve::ValueKind::payload: return {Place::payload(), value.name};
        case resolve::ValueKind::target:
            return {own == Place::after() ? eventPlace(value.name, false) : own, value.name};
        case resolve::ValueKind::meta:
            if (value.name.compare(0, 8, "payload:") == 0) return {Place::payload(), value.name.substr(8)};
            return {};
        case resolve::ValueKind::local:
            if (loop_ < 0 || loops_[static_cast<size_t>(loop_)].step->spec->variable.value != value.name) return {};
            return {Place::elementOf(loop_, element_), value.name};
        default: return {};
    }
}

Place Stage::eventPlace(const std::string& column, bool old) const {
    if (!split_.count(column)) return Place::row();
    return old ? Place::before() : Place::after();
}

// A column of a row that there is not: the old one of an insertion, the new one of a deletion where it is named as
// that.
bool Stage::isMissing(const resolve::Value& value) const {
    return (value.old && operation == resolve::opInsert) ||
           (value.strict && !value.old && operation == resolve::opDelete);
}

int Stage::dimension(const Name& name) const {
    auto found = scenario.names.find(name);
    return found == scenario.names.end() ? -1 : found->second;
}

int Stage::nameDimension(const resolve::Value& value, Place own) const {
    Name name = nameOf(value, own);
    return name ? dimension(name) : -1;
}

const Allocation* Stage::allocationOf(Place own) const {
    return own.kind == Place::Kind::allocation ? &allocations[static_cast<size_t>(own.index)] : nullptr;
}

// Whose column a value is.
const resolve::EntityInfo* Stage::entityOf(const resolve::Value& value, Place own) const {
    const Allocation* allocation = allocationOf(own);
    if (value.kind == resolve::ValueKind::eventColumn) return action.binding.entity;
    if (value.kind == resolve::ValueKind::context)
        return (allocation ? allocation->bulk->contexts : contexts_)[static_cast<size_t>(value.context)].entity;
    if (value.kind != resolve::ValueKind::target) return nullptr;
    if (allocation) return allocation->step->target;
    if (own == Place::after()) return action.binding.entity;
    if (own.kind == Place::Kind::context) return contexts_[static_cast<size_t>(own.index)].entity;
    return whereSteps_[static_cast<size_t>(own.index)].step->target;
}

const TestColumn* Stage::generated(const resolve::Value& value, Place own, std::vector<resolve::Value>& parts) const {
    bool column = value.kind == resolve::ValueKind::eventColumn || value.kind == resolve::ValueKind::context ||
                  (value.kind == resolve::ValueKind::target && own);
    const resolve::EntityInfo* entity = column && nameOf(value, own) ? entityOf(value, own) : nullptr;
    const TestTable* table = entity ? tableOf(*entity) : nullptr;
    const TestColumn* found = table ? table->column(value.name) : nullptr;
    if (!found || found->generation.empty()) return nullptr;
    for (const std::string& name : found->generatedFrom) {
        resolve::Value part = value;
        part.name = name;
        part.type = table->column(name)->type;
        parts.push_back(std::move(part));
    }
    return found;
}

std::vector<resolve::Value> Stage::bothSides(const resolve::Value& change) const {
    resolve::Value after = change;
    after.kind = resolve::ValueKind::eventColumn;
    after.type = action.binding.entity->column(change.name)->type;
    after.old = false;
    resolve::Value before = after;
    before.old = true;
    return {after, before};
}

void Stage::unify(const resolve::BoundExpression& where, Place own) {
    if (!where) return;
    const std::string& text = world_.expressionText(where.expression);
    const ExpressionFacts& facts = world_.facts(where.expression);
    for (const spec::Atom& atom : spec::readCondition(text).atoms) {
        spec::Bound bound;
        std::string part = text.substr(atom.begin, atom.end - atom.begin);
        if (!atom.conjunct || !spec::readBound(part, bound) || bound.kind != spec::Bound::Kind::name ||
            bound.comparison != "=")
            continue;
        std::vector<const resolve::Value*> sides;
        for (size_t i = 0; i < where.values.size(); i++)
            if (facts.names[i].offset >= atom.begin && facts.names[i].offset < atom.end)
                sides.push_back(&where.values[i]);
        if (sides.size() != 2) continue;
        if (sides[0]->kind != resolve::ValueKind::target) std::swap(sides[0], sides[1]);
        if (sides[0]->kind != resolve::ValueKind::target || sides[1]->kind == resolve::ValueKind::target) continue;
        int other = use(*sides[1], own, nullptr);
        if (other < 0) continue;
        scenario.names.emplace(nameOf(*sides[0], own), other);
        const resolve::EntityInfo* target = entityOf(*sides[0], own);
        Dimension& dimension = scenario.dimensions[static_cast<size_t>(other)];
        bool tells =
            (target && target->key == sides[0]->name) || isText(dimension.baseType) || dimension.baseType == "uuid";
        if (tells && !dimension.essential)
            dimension.unique = dimension.unique || !uniqueValue(dimension.baseType, 1).empty();
    }
}

// The dimension of a name, made when it is met first.
int Stage::use(const resolve::Value& value, Place own, const spec::ConditionText* condition) {
    if (value.kind == resolve::ValueKind::eventChange) {
        std::vector<resolve::Value> sides = bothSides(value);
        use(sides[1], own, condition);
        return use(sides[0], own, condition);
    }
    if (std::vector<resolve::Value> parts; generated(value, own, parts)) {
        for (const resolve::Value& part : parts)
            use(part, own, condition);
        return -1;
    }
    Name name = nameOf(value, own);
    if (!name) return -1;
    int known = dimension(name);
    if (known < 0) {
        const resolve::EntityInfo* entity = entityOf(value, own);
        Dimension dimension;
        dimension.type = dimension.baseType = value.type;
        if (entity)
            if (const TestTable* table = tableOf(*entity))
                if (const TestColumn* column = table->column(value.name)) {
                    dimension.type = column->type;
                    dimension.baseType = column->baseType;
                }
        known = scenario.add(std::move(dimension));
        scenario.names[name] = known;
    }
    Dimension& dimension = scenario.dimensions[static_cast<size_t>(known)];
    const TestColumn* column = nullptr;
    if (value.kind == resolve::ValueKind::eventColumn)
        if (const TestTable* table = tableOf(*action.binding.entity)) column = table->column(value.name);
    bool key = value.kind == resolve::ValueKind::eventColumn && value.name == action.binding.entity->key;
    if (condition && !dimension.unique && !key) dimension.essential = true;
    if (!dimension.elements.empty() || dimension.fixed) return known;
    if (condition || dimension.candidates.empty())
        for (std::string& candidate :
             candidates(dimension.baseType, column ? column->labels : std::vector<std::string>{},
                        condition ? *condition : spec::ConditionText(), static_cast<size_t>(known)))
            if (std::find(dimension.candidates.begin(), dimension.candidates.end(), candidate) ==
                dimension.candidates.end())
                dimension.candidates.push_back(std::move(candidate));
    return known;
}

void Stage::useAll(const resolve::BoundExpression& bound, Place own, bool essential) {
    if (!bound) return;
    spec::ConditionText text = spec::readCondition(world_.expressionText(bound.expression));
    for (const resolve::Value& value : bound.values)
        use(value, own, essential ? &text : nullptr);
}

}  // namespace specql::testgen
