#include "resolve/event_time.hpp"

#include "resolve/privacy.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

bool isForeign(const World& world, const EntityInfo& entity) {
    if (!entity.unit) return true;
    if (!entity.present) return false;
    for (const InstalledObject& object : world.catalog().objects)
        if (object.kind == ObjectKind::table && object.identity == quoteName(entity.schema, entity.table))
            return object.shape.adopted;
    // What an apply left whose record is gone has its comment still.
    const std::string& comment = entity.present->comment;
    bool ours = entity.impliedByStep ? comment == impliedComment(entity.appendOnly)
                                     : comment == "Entity " + entity.name ||
                                           (!comment.empty() && comment == entity.spec->description.value);
    return !ours;
}

EventTime eventTime(const World& world, const Binding& binding) {
    EventTime none{"", "", "when it was captured"};
    if (binding.custom) {
        none.why = "when it was emitted, or at the occurred_at given then";
        return none;
    }
    const EntityInfo& entity = *binding.entity;
    const ColumnInfo* own = entity.column("occurred_at");
    if (own && !isPrivate(*own)) return {own->name, own->type, "at " + entity.shown() + ".occurred_at"};
    if (binding.ops != opInsert || !entity.present || !isForeign(world, entity)) return none;
    EventTime only;
    for (const ColumnView& column : entity.present->columns) {
        const ColumnInfo* declared = entity.column(column.name);
        bool leaves = declared ? !isPrivate(*declared) : !carriesDeclared(entity);
        if (!startsWith(column.type, "timestamp") || !leaves) continue;
        if (only) return none;
        only = {column.name, column.type, "at " + entity.shown() + "." + column.name + ", its only time column"};
    }
    return only ? only : none;
}

}  // namespace specql::resolve
