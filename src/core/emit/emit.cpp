#include "emit/emit.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "emit/action.hpp"
#include "emit/materialized.hpp"
#include "emit/process.hpp"
#include "emit/registration.hpp"
#include "emit/service.hpp"
#include "emit/states.hpp"
#include "emit/tables.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

const InstalledObject* recorded(const CatalogView& catalog, ObjectKind kind, const std::string& identity) {
    for (const InstalledObject& object : catalog.objects)
        if (object.kind == kind && object.identity == identity) return &object;
    return nullptr;
}

// A schema that is gone comes back with the text that needs it, and not with those of others.
std::vector<Object> schemaObjects(const resolve::World& world) {
    const CatalogView& catalog = world.catalog();
    auto exists = [&](const std::string& schema) {
        return std::find(catalog.schemas.begin(), catalog.schemas.end(), schema) != catalog.schemas.end();
    };
    std::map<std::string, const resolve::Unit*> wanted;
    auto want = [&](const std::string& schema, const resolve::Unit* unit) {
        const resolve::Unit*& first = wanted.emplace(schema, unit).first->second;
        if (!first->fresh() && unit->fresh() && !exists(schema)) first = unit;
    };
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit)
            for (const std::string& schema : {entity.schema, entity.home})
                want(schema, entity.unit);
    for (const resolve::ActionInfo& action : world.actions)
        want(action.schema, action.unit);
    std::vector<Object> objects;
    for (const auto& [schema, unit] : wanted) {
        if (!recorded(catalog, ObjectKind::schema, quoteName(schema)) && (exists(schema) || !unit->fresh())) continue;
        Object object;
        object.kind = ObjectKind::schema;
        object.identity = quoteName(schema);
        object.unit = unit->key();
        object.commands.push_back("CREATE SCHEMA " + quoteName(schema) + ";");
        object.commands.push_back("COMMENT ON SCHEMA " + quoteName(schema) + " IS 'Made by specql.apply';");
        objects.push_back(std::move(object));
    }
    return objects;
}

// Says of the objects from the first on what of the spec wants them.
void mark(std::vector<Object>& objects, size_t first, const std::string& origin, Pos pos) {
    for (size_t i = first; i < objects.size(); i++) {
        objects[i].origin = origin;
        if (pos.line > 0) objects[i].pos = pos;
    }
}

// What nothing smaller wants is the unit's.
void markUnits(const resolve::World& world, std::vector<Object>& objects) {
    for (Object& object : objects) {
        if (!object.origin.empty()) continue;
        for (const resolve::Unit& unit : world.units) {
            if (unit.key() != object.unit) continue;
            object.origin = unit.kind + " " + (unit.schema.empty() ? "" : unit.schema + ".") + unit.name;
            if (object.pos.line == 0) object.pos = {unit.firstLine, 1};
        }
    }
}

// Nothing is overwritten that someone else made, and no two of ours are the same.
void checkCollisions(resolve::World& world, const std::vector<Object>& objects) {
    std::map<std::string, const resolve::Unit*> units;
    for (const resolve::Unit& unit : world.units)
        units[unit.key()] = &unit;
    std::set<ObjectKey> seen;
    for (const Object& object : objects) {
        auto found = units.find(object.unit);
        if (found == units.end()) continue;
        const resolve::Unit* unit = found->second;
        Pos pos{unit->firstLine, 1};
        if (!seen.insert(object.key()).second)
            world.report(
                *unit->file, Code::R006, pos,
                std::string("two parts of the specs generate the ") + toWord(object.kind) + " " + object.identity,
                "rename one of the actions or entities");
        if (object.kind != ObjectKind::function || recorded(world.catalog(), ObjectKind::function, object.identity))
            continue;
        std::string name = object.identity.substr(0, object.identity.find('('));
        for (const FunctionView& function : world.catalog().functions)
            if (!function.owned && !leftBehind(object, function) && quoteName(function.schema, function.name) == name)
                world.report(*unit->file, Code::P002, pos,
                             "the function " + function.identity + " is in the way: specql did not create it",
                             "rename the action, or drop or rename that function");
    }
}

// Generated messages have arrows, and not every encoding does.
void spellArrows(std::vector<Object>& objects) {
    const std::string arrow = "→", spelt = "->";
    for (Object& object : objects)
        for (std::string& command : object.commands)
            for (size_t at = command.find(arrow); at != std::string::npos; at = command.find(arrow, at))
                command.replace(at, arrow.size(), spelt);
}

}  // namespace

std::vector<Object> emitObjects(resolve::World& world, resolve::Resolver& resolver) {
    std::vector<Object> objects = schemaObjects(world), extras, functions, views, triggers;
    auto append = [](std::vector<Object>& to, std::vector<Object> from) {
        std::move(from.begin(), from.end(), std::back_inserter(to));
    };
    for (size_t i = 0; i < world.entities.size(); i++) {
        resolve::EntityInfo& entity = world.entities[i];
        if (!entity.unit) continue;
        objects.push_back(tableObject(world, resolver, entity));
        const InstalledObject* before = recorded(world.catalog(), ObjectKind::table, objects.back().identity);
        bool taken = world.catalog().adopt && entity.unit->fresh() && entity.present &&
                     leftBehind(objects.back(), *entity.present);
        objects.back().shape.adopted = entity.present && !taken && (!before || before->shape.adopted);
        size_t firstExtra = extras.size(), firstFunction = functions.size(), firstView = views.size();
        append(extras, tableExtras(world, resolver, entity));
        append(extras, stateObjects(world, resolver, entity));
        append(functions, eventFunction(world, entity));
        append(views, viewObjects(world, entity));
        std::string origin = entity.impliedByStep ? "" : "entity " + entity.home + "." + entity.name;
        mark(objects, objects.size() - 1, origin, {});
        mark(extras, firstExtra, origin, {});
        mark(functions, firstFunction, origin, entity.pos);
        mark(views, firstView, origin, {});
    }
    for (const resolve::ResolvedAction& action : resolver.actions) {
        size_t firstFunction = functions.size(), firstTrigger = triggers.size();
        emitAction(world, resolver, action, functions, triggers);
        mark(functions, firstFunction, "action " + action.info->name(), action.info->spec->name.pos);
        mark(triggers, firstTrigger, "action " + action.info->name(), action.info->spec->name.pos);
    }
    for (const resolve::Unit& unit : world.units)
        if (unit.kind == "service") functions.push_back(serviceObject(unit));
    append(functions, sagaFunctions(resolver));
    mergeRegistrations(triggers);
    append(objects, std::move(extras));
    append(objects, std::move(functions));
    append(objects, std::move(views));
    append(objects, std::move(triggers));
    append(objects, captureTriggers(resolver));
    markUnits(world, objects);
    if (!world.catalog().isUtf8) spellArrows(objects);
    checkCollisions(world, objects);
    return objects;
}

}  // namespace specql::emit
