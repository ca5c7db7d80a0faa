#include "plan/drop_command.hpp"

#include "text/quote.hpp"

namespace specql::plan {

namespace {

// `name` and `table` are those of a trigger or constraint, quoted.
std::string dropSql(ObjectKind kind, const std::string& identity, const std::string& name, const std::string& table) {
    switch (kind) {
        case ObjectKind::function: return "DROP FUNCTION IF EXISTS " + identity + ";";
        case ObjectKind::table: return "DROP TABLE IF EXISTS " + identity + ";";
        case ObjectKind::index: return "DROP INDEX IF EXISTS " + identity + ";";
        case ObjectKind::trigger: return "DROP TRIGGER IF EXISTS " + name + " ON " + table + ";";
        case ObjectKind::constraint: return "ALTER TABLE " + table + " DROP CONSTRAINT IF EXISTS " + name + ";";
        case ObjectKind::registration: return "SELECT specql.unregister_action(" + quoteLiteral(identity) + ");";
        case ObjectKind::window: return "SELECT specql.unregister_window(" + quoteLiteral(identity) + ");";
        case ObjectKind::service: return "SELECT specql.unregister_service(" + quoteLiteral(identity) + ");";
        case ObjectKind::view: return "DROP MATERIALIZED VIEW IF EXISTS " + identity + ";";
        case ObjectKind::upkeep: return "SELECT specql.unregister_upkeep(" + quoteLiteral(identity) + ");";
        case ObjectKind::schema: break;
    }
    return {};
}

}  // namespace

std::string dropSql(const Object& object) {
    return dropSql(object.kind, object.identity, object.name, object.table);
}

std::string dropSql(const InstalledObject& object) {
    bool named = object.kind == ObjectKind::trigger || object.kind == ObjectKind::constraint;
    return dropSql(object.kind, object.identity, named ? object.ownName() : "", object.table);
}

}  // namespace specql::plan
