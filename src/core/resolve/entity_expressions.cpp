#include <algorithm>
#include <set>

#include "resolve/resolver.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// Which names an expression of an entity may have.
enum class Row {
    none,     // a default
    written,  // a check, the condition of an index: bare names of columns
    changed   // a guard: also new.x, old.x and caller.x
};

// False if the name means nothing there.
bool bindName(const EntityInfo& entity, const NameUse& use, Row row, Value& value) {
    const std::string& first = use.parts.front();
    const std::string& name = use.parts.back();
    const bool isPath = row == Row::changed && use.parts.size() == 2;
    if (isPath && first == "caller") {
        value.kind = ValueKind::caller;
        value.name = name;
        value.type = "text";
        return true;
    }
    const bool isRow = isPath && (first == "new" || first == "old");
    if (row == Row::none || (use.parts.size() > 1 && !isRow)) return false;
    const ColumnInfo* column = entity.columnOf(name);
    if (!column) return false;
    value.kind = ValueKind::target;
    value.name = column->name;
    value.type = column->type;
    value.old = isPath && first == "old";
    return true;
}

}  // namespace

void bindEntityExpressions(Resolver& resolver, World& world, const EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    auto bindColumns = [&](spec::ExpressionRef ref, const std::string& target, Row row,
                           const spec::Field* field = nullptr) {
        BoundExpression bound;
        bound.expression = ref.id + file.expressionBase;
        bound.target = target;
        const bool columns = row != Row::none;
        const ExpressionFacts& facts = world.facts(bound.expression);
        if (!facts.ok) {
            if (resolver.isFirstReport(bound.expression))
                world.report(file, facts.code, world.locate(bound.expression, facts.errorOffset), facts.error,
                             facts.hint);
            return bound;
        }
        bool known = true;
        for (const SqlValueUse& use : facts.sqlValues)
            if (columns && entity.columnOf(use.name))
                world.report(file, Code::R105, world.locate(bound.expression, use.offset),
                             use.name + " is a word of SQL with a value of its own, and a field here",
                             "write \"" + use.name + "\" in double quotes for the field");
        for (const NameUse& use : facts.names) {
            Value value;
            if (!bindName(entity, use, row, value)) {
                std::vector<std::string> names;
                for (const ColumnInfo& known : entity.columns)
                    names.push_back(known.name);
                std::string near = columns && world.wantsHints() ? nearest(use.parts.back(), names) : "";
                std::string value = field ? nearestOfFew(use.parts.back(), field->enumValues) : "";
                known = false;
                world.report(file, Code::R040, world.locate(bound.expression, use.offset),
                             "unknown name " + join(use.parts, "."),
                             !value.empty() ? "did you mean " + value + "?"
                                            : wordHint(use, world.expressionText(bound.expression),
                                                       near.empty() ? near : quoteName(near)));
            }
            bound.values.push_back(std::move(value));
        }
        if (!known) bound.values.clear();
        return bound;
    };
    using Role = EntityExpression::Role;
    for (const ColumnInfo& column : entity.columns) {
        const spec::Field* field = column.field;
        if (!field) continue;
        if (field->computed) {
            BoundExpression bound = bindColumns(field->computed, column.type, Row::written, field);
            for (size_t i = 0; i < bound.values.size(); i++)
                if (const ColumnInfo* read = entity.column(bound.values[i].name); read && read->generated)
                    world.report(file, Code::R205,
                                 world.locate(bound.expression, world.facts(bound.expression).names[i].offset),
                                 column.name + " is computed of " + read->name + ", which is computed itself",
                                 hintOf(Code::R205));
            resolver.entityExpressions.push_back({&entity, Role::computed, field, nullptr, std::move(bound)});
        }
        if (field->defaultValue) {
            EntityExpression expression{&entity, Role::defaultValue, field, nullptr, {}};
            const ExpressionFacts& facts = world.facts(field->defaultValue.id + file.expressionBase);
            bool word = facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1;
            const std::vector<std::string>& values = field->enumValues;
            if (word && std::find(values.begin(), values.end(), facts.names[0].parts[0]) != values.end())
                expression.literal = facts.names[0].parts[0];
            else
                expression.bound = bindColumns(field->defaultValue, column.type, Row::none, field);
            resolver.entityExpressions.push_back(std::move(expression));
        }
        if (field->check)
            resolver.entityExpressions.push_back(
                {&entity, Role::check, field, nullptr, bindColumns(field->check, "boolean", Row::written)});
    }
    auto requireField = [&](const Text& name, const char* hint) {
        const ColumnInfo* column = entity.columnOf(name.value);
        if (!column) world.report(file, Code::R014, name.pos, entity.name + " has no field " + name.value, hint);
        return column;
    };
    for (const std::vector<Text>& together : entity.spec->uniques) {
        std::set<const ColumnInfo*> seen;
        for (const Text& name : together)
            if (const ColumnInfo* column = requireField(name, "what is unique are fields of the entity");
                column && !seen.insert(column).second)
                world.report(file, Code::R204, name.pos, "unique has " + column->name + " twice", hintOf(Code::R204));
    }
    for (const spec::IndexSpec& index : entity.spec->indexes) {
        for (const spec::OrderItem& item : index.columns) {
            const int expression = item.value.id + file.expressionBase;
            const ExpressionFacts& facts = world.facts(expression);
            bool isName = facts.ok && facts.names.size() == 1 && facts.names[0].parts.size() == 1 &&
                          facts.names[0].length == world.expressionText(expression).size();
            if (isName && !entity.columnOf(facts.names[0].parts[0]))
                world.report(file, Code::R014, world.locate(expression, 0),
                             entity.name + " has no field " + facts.names[0].parts[0],
                             "an index is over fields of its entity");
            else
                resolver.entityExpressions.push_back(
                    {&entity, Role::indexColumn, nullptr, &index, bindColumns(item.value, "", Row::written)});
        }
        for (const Text& name : index.include)
            requireField(name, "an index is over fields of its entity");
        if (index.where)
            resolver.entityExpressions.push_back(
                {&entity, Role::indexCondition, nullptr, &index, bindColumns(index.where, "boolean", Row::written)});
    }
    if (!entity.spec->states) return;
    for (const spec::Transition& transition : entity.spec->states->transitions)
        if (transition.guard)
            resolver.entityExpressions.push_back({&entity, Role::guard, nullptr, nullptr,
                                                  bindColumns(transition.guard, "boolean", Row::changed), "",
                                                  &transition});
}

}  // namespace specql::resolve
