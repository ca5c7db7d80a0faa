#include <algorithm>
#include <set>

#include "resolve/resolver.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

void bindEntityExpressions(Resolver& resolver, World& world, const EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    auto bindColumns = [&](spec::ExpressionRef ref, const std::string& target, bool columns,
                           const spec::Field* field = nullptr) {
        BoundExpression bound;
        bound.expression = ref.id + file.expressionBase;
        bound.target = target;
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
            const ColumnInfo* column = columns && use.parts.size() == 1 ? entity.columnOf(use.parts.front()) : nullptr;
            if (!column) {
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
            } else {
                value.kind = ValueKind::target;
                value.name = column->name;
                value.type = column->type;
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
            BoundExpression bound = bindColumns(field->computed, column.type, true, field);
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
                expression.bound = bindColumns(field->defaultValue, column.type, false, field);
            resolver.entityExpressions.push_back(std::move(expression));
        }
        if (field->check)
            resolver.entityExpressions.push_back(
                {&entity, Role::check, field, nullptr, bindColumns(field->check, "boolean", true)});
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
                    {&entity, Role::indexColumn, nullptr, &index, bindColumns(item.value, "", true)});
        }
        for (const Text& name : index.include)
            requireField(name, "an index is over fields of its entity");
        if (index.where)
            resolver.entityExpressions.push_back(
                {&entity, Role::indexCondition, nullptr, &index, bindColumns(index.where, "boolean", true)});
    }
}

}  // namespace specql::resolve
