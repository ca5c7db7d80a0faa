#include "plan/moved.hpp"

#include <algorithm>

#include "model/object.hpp"
#include "resolve/references.hpp"
#include "text/quote.hpp"

namespace specql::plan {

namespace {

bool partOfName(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           c == '"' || c == '.' || (static_cast<unsigned char>(c) & 0x80);
}

// The text with a name, as quoteName() writes it, replaced where it stands as a whole.
std::string renamed(const std::string& text, const std::string& from, const std::string& to) {
    std::string result;
    size_t at = 0;
    for (size_t found = text.find(from); found != std::string::npos; found = text.find(from, found + 1)) {
        size_t end = found + from.size();
        bool whole = found >= at && (found == 0 || !partOfName(text[found - 1])) &&
                     (end == text.size() || text[end] == '.' || !partOfName(text[end]));
        if (!whole) continue;
        result.append(text, at, found - at).append(to);
        at = end;
    }
    return result.append(text, at, std::string::npos);
}

// With its schema a function moves too, and keeps its name.
bool movesWith(const InstalledObject& object, const MovedTable& moved) {
    std::string schema = quoteName(moved.formerSchema) + ".";
    return object.kind == ObjectKind::function && moved.withSchema &&
           object.identity.compare(0, schema.size(), schema) == 0;
}

void rename(InstalledObject& object, const MovedTable& moved, bool withFunctions) {
    std::string now = quoteName(moved.schema, moved.name), before = object.identity;
    bool ofTable = object.ofTable() == moved.identity;
    if (!ofTable && !(withFunctions && movesWith(object, moved))) return;
    if (object.kind == ObjectKind::index || object.kind == ObjectKind::function)
        object.identity = quoteName(moved.schema) + object.identity.substr(quoteName(moved.formerSchema).size());
    else if (object.kind == ObjectKind::table)
        object.identity = now;
    else
        object.identity = object.ownName() + " on " + now;
    if (!object.table.empty()) object.table = now;
    object.sql = renamed(object.sql, moved.identity, now);
    if (object.kind == ObjectKind::index) object.sql = renamed(object.sql, before, object.identity);
    if (object.recorded.empty()) object.recorded = before;
}

}  // namespace

bool holdsName(const std::string& sql, const std::string& name) {
    return renamed(sql, name, "") != sql;
}

void followMoved(CatalogView& catalog, const resolve::World& world) {
    for (MovedTable& moved : catalog.moved) {
        bool gone = std::count(catalog.removed.begin(), catalog.removed.end(), moved.unit) > 0;
        const resolve::Unit* owner = nullptr;
        for (const resolve::Unit& unit : world.units)
            if (unit.key() == moved.unit) owner = &unit;
        bool claimed =
            std::any_of(world.entities.begin(), world.entities.end(), [&](const resolve::EntityInfo& entity) {
                return entity.file->fresh && entity.schema == moved.schema && entity.table == moved.name &&
                       (!owner || entity.unit == owner);
            });
        moved.followed = gone || claimed || !owner;
        if (!moved.followed) continue;
        for (InstalledObject& object : catalog.objects) {
            bool ours = std::count(catalog.removed.begin(), catalog.removed.end(), object.unit) > 0 ||
                        std::any_of(world.units.begin(), world.units.end(), [&](const resolve::Unit& unit) {
                            return unit.fresh() && unit.key() == object.unit;
                        });
            rename(object, moved, ours);
        }
    }
    // One that moved too may be named by another's foreign key.
    for (InstalledObject& object : catalog.objects)
        for (const MovedTable& moved : catalog.moved)
            if (moved.followed && !object.recorded.empty())
                object.sql = renamed(object.sql, moved.identity, quoteName(moved.schema, moved.name));
}

void reportMoved(resolve::World& world, resolve::Resolver& resolver) {
    for (const MovedTable& moved : world.catalog().moved) {
        bool stays = std::any_of(world.units.begin(), world.units.end(),
                                 [&](const resolve::Unit& unit) { return unit.key() == moved.unit && !unit.fresh(); });
        if (moved.followed || !stays) continue;
        for (const std::string& sentence : resolve::referencesTo(world, resolver, {moved.unit}, true))
            world.diagnostics().report(
                Code::P013, Pos{},
                sentence + ", but the table " + moved.identity + " is " + quoteName(moved.schema, moved.name) + " now",
                "move it back: " + moved.back + "; or say where it is in the spec of its entity, " +
                    "and apply that first");
    }
}

std::string withoutDescriptions(const std::string& text) {
    std::string rest;
    size_t described = std::string::npos;  // the indent of the description that goes on
    for (size_t at = 0, end = 0; at < text.size(); at = end + 1) {
        end = std::min(text.find('\n', at), text.size());
        std::string line = text.substr(at, end - at);
        size_t indent = line.find_first_not_of(" -");
        bool blank = indent == std::string::npos;
        if (described != std::string::npos && (blank || indent > described)) continue;
        described = std::string::npos;
        if (!blank && line.compare(indent, 12, "description:") == 0)
            described = indent;
        else if (!blank && line[indent] != '#')
            rest += line + '\n';
    }
    return rest;
}

}  // namespace specql::plan
