// Which entity or table a name means. One of the schema that asks comes first, declared or not; another schema's counts
// only if there is none, so that what is applied or removed elsewhere moves no name that has a meaning at home.
#include <algorithm>

#include "resolve/world.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// YAML would take the double quotes that a name begins with for its own.
std::string inYaml(const std::string& name) {
    return name.front() == '"' ? quoteLiteral(name) : name;
}

}  // namespace

EntityInfo* World::entity(std::string_view name, std::string_view schema, std::vector<std::string>* candidates) {
    size_t dot = name.find('.');
    std::string_view wantedSchema = dot == std::string_view::npos ? schema : name.substr(0, dot);
    std::string_view wanted = dot == std::string_view::npos ? name : name.substr(dot + 1);
    std::string word = snakeCase(wanted);
    std::vector<EntityInfo*> elsewhere;
    for (EntityInfo& candidate : entities) {
        if (candidate.name != wanted && candidate.word != word) continue;
        if (candidate.home == wantedSchema) return &candidate;
        if (candidate.unit) elsewhere.push_back(&candidate);
    }
    if (EntityInfo* own = ofSchema(word, wantedSchema)) return own;
    if (dot != std::string_view::npos) return nullptr;
    if (elsewhere.size() == 1) return elsewhere.front();
    if (candidates)
        for (EntityInfo* candidate : elsewhere)
            candidates->push_back(candidate->home + "." + candidate->name);
    return elsewhere.empty() ? ofSchema(word, "public") : nullptr;
}

EntityInfo* World::ofSchema(std::string_view word, std::string_view schema) {
    for (EntityInfo& candidate : entities)
        if (candidate.word == word && candidate.home == schema) return &candidate;
    for (EntityInfo& candidate : entities)
        if (candidate.table == word && candidate.schema == schema) return &candidate;
    for (const TableView& view : catalog_->tables)
        if (view.name == word && view.schema == schema && (view.kind == 'r' || view.kind == 'p'))
            return addPlainTable(view);
    return nullptr;
}

// A table of the database that no spec declares: known by its columns, touched only by triggers and statements.
EntityInfo* World::addPlainTable(const TableView& plain) {
    EntityInfo info;
    info.name = plain.name;
    info.schema = info.home = plain.schema;
    info.table = info.word = plain.name;
    info.present = &plain;
    for (const ColumnView& column : plain.columns) {
        ColumnInfo known;
        known.name = column.name;
        known.type = column.type;
        known.notNull = column.notNull;
        known.generated = column.generated;
        known.hasEquality = column.hasEquality;
        known.identity = column.identity;
        info.columns.push_back(std::move(known));
    }
    info.keyColumns = plain.primaryKey;
    if (plain.primaryKey.size() == 1) info.key = plain.primaryKey.front();
    entities.push_back(std::move(info));
    return &entities.back();
}

void World::checkPlace(const EntityInfo& entity, Pos pos) {
    if (!entity.file->fresh) return;
    const std::string place = quoteName(entity.schema, entity.table), shown = entity.home + "." + entity.name;
    for (const MovedTable& moved : catalog_->moved) {
        std::string now = quoteName(moved.schema, moved.name);
        if (moved.followed) continue;
        if (moved.identity == place)
            report(*entity.file, Code::P010, pos, "the table " + place + " of " + shown + " is " + now + " now",
                   "move it back: " + moved.back + (entity.spec ? "; or say where it is: table: " : "") +
                       (entity.spec ? inYaml(moved.schema == entity.home ? quoteName(moved.name) : now) : ""));
        else if (now == place)
            report(*entity.file, Code::P012, pos,
                   "the table " + place + " is that of " + moved.unit + ", which knows it as " + moved.identity,
                   "take that out of force first: SELECT * FROM specql.remove" +
                       (moved.withSchema ? "_schema(" + quoteLiteral(moved.formerSchema)
                                         : "(" + quoteLiteral(moved.unit)) +
                       "); or move it back: " + moved.back);
    }
    bool inForce = std::any_of(catalog_->units.begin(), catalog_->units.end(),
                               [&](const InstalledUnit& unit) { return unit.key() == entity.unit->key(); });
    if (entity.present || entity.impliedByStep || !inForce) return;
    for (const InstalledObject& object : catalog_->objects) {
        bool rows = object.kind == ObjectKind::table && object.unit == entity.unit->key() && object.present &&
                    object.identity != place && !object.shape.implied;
        if (rows)
            report(*entity.file, Code::P011, pos,
                   shown + " has its rows in " + object.identity + ", and there is no table " + place,
                   "rename the table first, or take the entity out of force: SELECT * FROM specql.remove(" +
                       quoteLiteral(shown) + ")");
    }
}

std::string World::nearestEntity(const std::string& name) const {
    if (!wantsHints()) return {};
    size_t dot = name.find('.');
    std::string table = snakeCase(name.substr(dot == std::string::npos ? 0 : dot + 1));
    std::vector<std::string> names, elsewhere;
    auto add = [&](const std::string& schema, const std::string& known, bool same) {
        std::string qualified = schema + "." + known;
        names.push_back(dot == std::string::npos ? known : qualified);
        if (same && std::find(elsewhere.begin(), elsewhere.end(), qualified) == elsewhere.end())
            elsewhere.push_back(std::move(qualified));
    };
    for (const EntityInfo& entity : entities)
        add(entity.home, entity.name, entity.word == table);
    for (const TableView& plain : catalog_->tables) {
        bool isEntity = std::any_of(entities.begin(), entities.end(), [&](const EntityInfo& entity) {
            return entity.table == plain.name && entity.schema == plain.schema;
        });
        if (!isEntity && (plain.kind == 'r' || plain.kind == 'p')) add(plain.schema, plain.name, plain.name == table);
    }
    std::string near = nearest(name, names);
    return near.empty() ? join(elsewhere, " or ") : near;
}

}  // namespace specql::resolve
