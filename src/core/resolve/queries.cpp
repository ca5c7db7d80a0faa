// Queries in values: the entities that they look at, and what names mean in them. A bare name is a column of such an
// entity; one that could be the event's too must say which.
#include <algorithm>

#include "resolve/expressions.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

// What an entity is called in the query.
std::string calledIn(const TableUse& table) {
    return table.alias.empty() ? table.name.substr(table.name.rfind('.') + 1) : table.alias;
}

constexpr const char* rowWords[] = {"new", "old", "payload", "target", "caller"};

}  // namespace

bool ExpressionBinder::bindTables(BoundExpression& bound) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    bool known = true;
    for (const TableUse& table : facts.tables) {
        std::vector<std::string> candidates;
        EntityInfo* entity = world_.entity(table.name, action_.schema, &candidates);
        bool isEntity = entity && (entity->spec || entity->impliedByStep);
        bound.tables.push_back(entity);
        if (!isEntity) {
            std::string near = world_.nearestEntity(table.name);
            world_.report(*action_.file, Code::R151, world_.locate(bound.expression, table.offset),
                          candidates.empty() ? "a query looks at " + table.name + ", which is no entity"
                                             : table.name + " is more than one entity: " + join(candidates, ", "),
                          !candidates.empty() ? "write schema.Entity"
                          : near.empty() ? "declare it in this text or apply it first; for other tables, put the query "
                                           "into an SQL function and call that"
                                         : "did you mean " + near + "?");
            known = false;
        }
        bool isRow = std::any_of(std::begin(rowWords), std::end(rowWords),
                                 [&](const char* word) { return table.alias == word; });
        if (isRow) {
            world_.report(*action_.file, Code::R152, world_.locate(bound.expression, table.offset),
                          table.alias + " means a row already, so no entity of a query can be called so",
                          "choose another name");
            known = false;
        }
    }
    return known;
}

Value ExpressionBinder::queryColumn(const BoundExpression& bound, size_t table, const ColumnInfo& column) const {
    const TableUse& use = world_.facts(bound.expression).tables[table];
    Value value = simpleValue(ValueKind::queryColumn, column.name, column.type, "column of what a query looks at",
                              calledIn(use) + "." + quoteName(column.name));
    value.context = static_cast<int>(table);
    value.entity = bound.tables[table];
    value.expression = bound.expression;
    return value;
}

// The column that may have been meant by a name which is none.
void ExpressionBinder::suggest(const BoundExpression& bound, const NameUse& use, NameProblem& problem) const {
    if (!world_.wantsHints() || world_.trying()) return;
    std::vector<std::string> columns;
    const ExpressionFacts& facts = world_.facts(bound.expression);
    for (size_t i = 0; i < facts.tables.size(); i++)
        if (facts.tables[i].query == use.query)
            for (const ColumnInfo& column : bound.tables[i]->columns)
                columns.push_back(column.field ? column.field->name.value : column.name);
    std::string near = nearest(use.parts.back(), columns);
    if (!near.empty()) problem = {"unknown name " + use.parts.back(), "did you mean " + near + "?", Code::R040};
}

bool ExpressionBinder::lookupInQuery(const BoundExpression& bound, const Scope& scope, const NameUse& use, Value& value,
                                     NameProblem& problem) {
    const ExpressionFacts& facts = world_.facts(bound.expression);
    const std::string& first = use.parts.front();
    std::vector<size_t> named, having;
    for (size_t i = 0; i < facts.tables.size(); i++) {
        const TableUse& table = facts.tables[i];
        if (table.query != use.query) continue;
        const EntityInfo& entity = *bound.tables[i];
        if (table.alias.empty() ? isNamed(entity, first) : table.alias == first) named.push_back(i);
        if (!table.alias.empty() && use.parts.size() > 1 && isNamed(entity, first) && table.alias != first) {
            problem = {"the " + entity.name + " that is looked up is called " + table.alias + " in this query",
                       "write " + table.alias + "." + use.parts.back(), Code::R152};
            return false;
        }
        if (entity.columnOf(use.parts.size() > 1 ? first : use.parts.back())) having.push_back(i);
    }
    if (use.parts.size() > 1) return lookupQualifiedInQuery(bound, scope, use, named, having, value, problem);
    const std::string& name = use.parts.back();
    if (having.empty() && !named.empty()) {
        problem = {"a query cannot take the whole row of " + name, "name its columns", Code::R153};
        return false;
    }
    if (having.empty()) {
        bool found = names_.lookup(scope, use, false, value, problem);
        if (!found && problem.message.empty()) suggest(bound, use, problem);
        return found;
    }
    std::vector<std::string> ways;
    for (size_t table : having)
        ways.push_back(calledIn(facts.tables[table]) + "." + name);
    bool ofEvent = names_.isField(scope, name);
    if (having.size() == 1 && !ofEvent) {
        value = queryColumn(bound, having.front(), *bound.tables[having.front()]->columnOf(name));
        return true;
    }
    std::string event = ofEvent ? names_.meaningOfEvent(scope, use) : "";
    if (ofEvent) ways.push_back(event.empty() || event == name ? event_.eventPrefix() + name : event);
    problem = {having.size() == 1 ? name + " can be of the " + bound.tables[having.front()]->name +
                                        " that is looked up, and of the event"
                                  : name + " can be of more than one entity that the query looks at",
               "write " + join(ways, " or "), Code::R152};
    return false;
}

bool ExpressionBinder::lookupQualifiedInQuery(const BoundExpression& bound, const Scope& scope, const NameUse& use,
                                              const std::vector<size_t>& named, const std::vector<size_t>& having,
                                              Value& value, NameProblem& problem) {
    const std::string written = join(use.parts, ".");
    if (named.size() > 1) {
        problem = {written + " can be of two entities that the query looks at", "give each a name: FROM Entity a",
                   Code::R152};
        return false;
    }
    if (named.size() == 1 && use.parts.size() == 2) {
        const EntityInfo& entity = *bound.tables[named.front()];
        const ColumnInfo* column = entity.columnOf(use.parts.back());
        if (column) {
            value = queryColumn(bound, named.front(), *column);
            return true;
        }
        std::vector<std::string> names;
        for (const ColumnInfo& known : entity.columns)
            names.push_back(quoteName(known.name));
        std::string near = world_.wantsHints() && !world_.trying() ? nearest(use.parts.back(), names) : "";
        problem = {entity.name + " has no field " + use.parts.back(),
                   near.empty() ? "its fields are " + join(names, ", ") : "did you mean " + near + "?", Code::R153};
        return false;
    }
    bool isRow = use.parts.front() == "new" || use.parts.front() == "old" || use.parts.front() == "payload";
    if (!isRow && (!having.empty() || !named.empty())) {
        problem = {written + " can be of a row that the " +
                       bound.tables[having.empty() ? named.front() : having.front()]->name + " refers to",
                   "rows that a query does not name are not read in it: JOIN them; or write " + event_.eventPrefix() +
                       written + " for the event's",
                   Code::R153};
        return false;
    }
    return names_.lookup(scope, use, false, value, problem);
}

}  // namespace specql::resolve
