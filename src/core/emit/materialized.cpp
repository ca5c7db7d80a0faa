#include "emit/materialized.hpp"

#include <algorithm>

#include "emit/tables.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

// Names without a schema are those of the entity's, or of public. A block of its own, because the path is set for no
// command but this.
std::string createView(const resolve::EntityInfo& entity, const std::string& identity, const std::string& query) {
    return "DO " +
           dollarQuote("\nBEGIN\n    PERFORM set_config('search_path', " +
                           quoteLiteral(quoteName(entity.home) + ", public") +
                           ", true);\n    CREATE MATERIALIZED VIEW " + identity + " AS\n" + indent(query, 4) +
                           ";\n    PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);\nEND\n",
                       "do") +
           ";";
}

bool isOurs(const CatalogView& catalog, const std::string& identity) {
    return std::any_of(catalog.objects.begin(), catalog.objects.end(), [&](const InstalledObject& object) {
        return object.kind == ObjectKind::view && object.identity == identity;
    });
}

// PostgreSQL has one name for tables and views.
void checkName(resolve::World& world, const resolve::EntityInfo& entity, const spec::MaterializedView& view,
               const std::string& name) {
    const CatalogView& catalog = world.catalog();
    bool isTaken = std::any_of(world.entities.begin(), world.entities.end(), [&](const resolve::EntityInfo& other) {
        return other.schema == entity.home && other.table == name;
    });
    if (!isOurs(catalog, quoteName(entity.home, name)))
        isTaken = isTaken || catalog.table(entity.home, name) ||
                  std::find(catalog.foreignTypes.begin(), catalog.foreignTypes.end(), entity.home + "." + name) !=
                      catalog.foreignTypes.end();
    if (isTaken)
        world.report(*entity.file, Code::R213, view.name.pos,
                     entity.home + "." + name + " is there already, and cannot be a materialized view",
                     hintOf(Code::R213));
}

}  // namespace

std::vector<Object> viewObjects(resolve::World& world, const resolve::EntityInfo& entity) {
    std::vector<Object> objects;
    if (!entity.spec) return objects;
    for (const spec::MaterializedView& view : entity.spec->views) {
        const std::string name = madeName(world, entity, view.name.pos, snakeCase(view.name.value));
        const std::string identity = quoteName(entity.home, name);
        checkName(world, entity, view, name);
        Object object;
        object.kind = ObjectKind::view;
        object.identity = identity;
        object.unit = entity.unit->key();
        object.pos = view.query.pos;
        object.comment =
            view.description.empty() ? "Materialized view of entity " + entity.name : view.description.value;
        object.commands.push_back(createView(entity, identity, view.query.value));
        object.commands.push_back("COMMENT ON MATERIALIZED VIEW " + identity + " IS " + quoteLiteral(object.comment) +
                                  ";");
        if (!view.unique.empty()) {
            std::vector<std::string> columns;
            for (const Text& column : view.unique)
                columns.push_back(column.value);
            std::string index = quoteName(fittingName(name, join(columns, "_"), "key"));
            object.commands.push_back("CREATE UNIQUE INDEX " + index + " ON " + identity + " (" + quoteNames(columns) +
                                      ");");
            object.commands.push_back("COMMENT ON INDEX " + quoteName(entity.home) + "." + index +
                                      " IS 'Tells the rows of the view apart';");
        }
        objects.push_back(object);
        if (view.every.empty()) continue;
        Object refresh;
        refresh.kind = ObjectKind::upkeep;
        refresh.identity = identity;
        refresh.unit = object.unit;
        refresh.pos = view.refresh.pos;
        refresh.replaceable = true;
        refresh.detail = "refreshed every " + view.every;
        refresh.commands.push_back("SELECT specql.register_refresh(" + quoteLiteral(identity) + ", " +
                                   quoteLiteral(view.every) + (view.concurrent ? ", concurrent => true" : "") + ");");
        objects.push_back(std::move(refresh));
    }
    return objects;
}

}  // namespace specql::emit
