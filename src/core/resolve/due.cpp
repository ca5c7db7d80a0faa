#include "resolve/due.hpp"

#include "resolve/privacy.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool isTime(const std::string& type) {
    return startsWith(type, "timestamp") || type == "date";
}

bool isInstant(const std::string& type) {
    return startsWith(type, "timestamp") && endsWith(type, "with time zone");
}

class DueResolver {
public:
    DueResolver(World& world, const ActionInfo& action) : world_(world), action_(action), due_(action.spec->due) {}

    std::vector<Binding> resolve() {
        const std::string& target = due_.target.value;
        const size_t dot = target.rfind('.');
        if (dot == std::string::npos) return {};  // reported where it was read
        EntityInfo* entity = findEntity(target.substr(0, dot));
        if (!entity) return {};
        const std::string field = target.substr(dot + 1);
        const ColumnInfo* column = entity->columnOf(field);
        if (!column) return reportNoField(world_, action_, *entity, field, due_.target.pos), std::vector<Binding>();
        if (!check(*entity, *column)) return {};
        Binding binding;
        binding.custom = binding.scheduled = true;
        binding.rule = "on: a due time, for each row";
        binding.due.entity = entity;
        binding.due.column = column->name;
        binding.due.type = column->type;
        binding.due.offset = due_.offset.value;
        binding.due.isBefore = due_.isBefore;
        binding.due.zone = action_.spec->zone.empty() ? "UTC" : action_.spec->zone.value;
        binding.event = "time " + entity->shown() + "." + column->name;
        if (due_.offset) binding.event += (due_.isBefore ? " - " : " + ") + due_.offset.value;
        if (!action_.spec->zone.empty()) binding.event += " in " + action_.spec->zone.value;
        return {std::move(binding)};
    }

private:
    EntityInfo* findEntity(const std::string& name) {
        std::vector<std::string> candidates;
        EntityInfo* entity = world_.entity(name, action_.schema, &candidates);
        if (entity) return entity;
        if (!candidates.empty()) {
            world_.report(*action_.file, Code::R031, due_.target.pos,
                          name + " is of more than one entity: " + join(candidates, ", "), "write schema.Entity");
            return nullptr;
        }
        std::string near = world_.nearestEntity(name);
        world_.report(*action_.file, Code::R021, due_.target.pos, "on: names no entity: " + name,
                      near.empty() ? "declare it in this text or apply it first" : "did you mean " + near + "?");
        return nullptr;
    }

    bool check(const EntityInfo& entity, const ColumnInfo& column) {
        const std::string shown = entity.name + "." + column.name;
        if (!isTime(column.type)) {
            world_.report(*action_.file, Code::R340, due_.target.pos,
                          shown + " is " + column.type + ", and no row is due at that",
                          "a due time is that of a date or a timestamp");
            return false;
        }
        if (entity.key.empty() || entity.impliedByStep) {
            world_.report(*action_.file, Code::R341, due_.target.pos,
                          entity.impliedByStep
                              ? entity.shown() + " is declared by no spec, so nothing says which of its rows is due"
                              : "no key of one column says which row of " + entity.shown() + " is due",
                          entity.impliedByStep ? "declare the entity" : "give it one, such as id");
            return false;
        }
        for (const ColumnInfo* told : {&column, entity.column(entity.key)})
            if (isPrivate(*told)) {
                world_.report(*action_.file, Code::R343, due_.target.pos,
                              entity.name + "." + told->name + " is private, and " +
                                  (told == &column ? "when the row is due would tell it"
                                                   : "the key of the row is told when it is due"),
                              told == &column ? "keep the time in a field that is not private"
                                              : "give the entity a key that is not private");
                return false;
            }
        if (action_.spec->zone.empty() && !isInstant(column.type))
            world_.report(*action_.file, Code::R342, due_.target.pos,
                          shown + " is " + column.type + " and says no time zone, so it goes by UTC",
                          "write " + action_.spec->on.value + " in UTC, or in Europe/Berlin");
        return true;
    }

    World& world_;
    const ActionInfo& action_;
    const spec::DueTime& due_;
};

}  // namespace

std::string DueTime::key() const {
    return entity->word + "_id";
}

std::vector<Binding> dueBinding(World& world, const ActionInfo& action) {
    return DueResolver(world, action).resolve();
}

void addDueListeners(Resolver& resolver, World& world, const ActionInfo& action, const Binding& due,
                     const std::string& base) {
    for (const unsigned ops : {everyRowChange, unsigned(opTruncate)}) {
        ResolvedAction listener;
        listener.info = &action;
        listener.binding.entity = due.due.entity;
        listener.binding.due = due.due;
        listener.binding.ops = ops;
        listener.binding.event = ops == opTruncate ? "truncated" : due.due.column + "_changed";
        listener.binding.rule = "keeps when rows are due";
        listener.source = ops == opTruncate ? "truncation of rows" : "times of rows";
        listener.base = base + (ops == opTruncate ? "_due_truncated" : "_due");
        listener.branches.emplace_back();
        world.addExplanation({action.name(), action.spec->on.value, listener.binding.shown(), listener.binding.rule,
                              action.spec->on.pos.line});
        world.checkName(*action.file, handlerName(listener), action.spec->name.pos, "the generated function");
        resolver.actions.push_back(std::move(listener));
    }
}

}  // namespace specql::resolve
