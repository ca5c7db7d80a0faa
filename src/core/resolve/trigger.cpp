// The trigger's name to what raises the event: the first rule with exactly one answer.
#include <algorithm>

#include "resolve/answers.hpp"
#include "resolve/due.hpp"
#include "resolve/resolver.hpp"
#include "spec/happenings.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

const std::vector<std::string>& operationWords(unsigned ops) {
    static const std::vector<std::vector<std::string>> known = [] {
        std::vector<std::vector<std::string>> all(16);
        for (unsigned set = 0; set < all.size(); set++) {
            if (set & opInsert) all[set].push_back("insert");
            if (set & opUpdate) all[set].push_back("update");
            if (set & opDelete) all[set].push_back("delete");
            if (set & opTruncate) all[set].push_back("truncate");
        }
        return all;
    }();
    return known[ops % known.size()];
}

std::vector<std::string> Binding::changed() const {
    std::vector<std::string> columns = others;
    if (!changedColumn.empty()) columns.insert(columns.begin(), changedColumn);
    return columns;
}

std::string Binding::shown() const {
    if (scheduled) return event;
    if (custom) return "custom event " + event + " (specql.emit)";
    if (!changedColumn.empty() && changedColumn == valueColumn)
        return join(operationWords(ops), " or ") + " of " + entity->shown() + " that makes " + valueColumn + " " +
               quoteLiteral(value);
    std::string text;
    if (!changedColumn.empty() && ops != opUpdate)
        text = join(operationWords(ops & ~opUpdate), " or ") + " of " + entity->shown() + ", or update";
    else
        text = join(operationWords(ops), " or ");
    text += " of " + entity->shown();
    if (!changedColumn.empty()) text += "." + join(changed(), " or ");
    if (!value.empty()) text += " with " + valueColumn + " = " + quoteLiteral(value);
    return text;
}

namespace {

bool stripSuffix(std::string& text, const std::string& suffix) {
    if (text.size() <= suffix.size() || text.compare(text.size() - suffix.size(), suffix.size(), suffix) != 0)
        return false;
    text.resize(text.size() - suffix.size());
    return true;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

struct Verb {
    const char* suffix;
    unsigned op;
    const char* event;
};
constexpr Verb rowVerbs[] = {{"_created", opInsert, "created"},
                             {"_inserted", opInsert, "created"},
                             {"_updated", opUpdate, "updated"},
                             {"_deleted", opDelete, "deleted"}};

struct OnVerb {
    const char* word;
    unsigned ops;
    const char* event;
};
constexpr OnVerb onVerbs[] = {{"insert", opInsert, "created"},
                              {"update", opUpdate, "updated"},
                              {"delete", opDelete, "deleted"},
                              {"truncate", opTruncate, "truncated"}};

Binding rowBinding(EntityInfo* entity, unsigned ops, std::string event, std::string rule) {
    Binding binding;
    binding.entity = entity;
    binding.ops = ops;
    binding.event = std::move(event);
    binding.rule = std::move(rule);
    return binding;
}

Binding changeBinding(EntityInfo* entity, const std::string& column, std::string rule) {
    Binding binding = rowBinding(entity, opUpdate, column + "_changed", std::move(rule));
    binding.changedColumn = column;
    return binding;
}

// The on: that says the same outright.
std::string onLine(const Binding& binding) {
    const char* verb = binding.ops == opInsert ? "insert " : binding.ops == opDelete ? "delete " : "update ";
    return std::string("on: ") + verb + binding.entity->home + "." + binding.entity->name +
           (binding.changedColumn.empty() ? "" : "." + binding.changedColumn);
}

// Does this column say in which state a row is?
bool holdsState(const EntityInfo& entity, const ColumnInfo& column) {
    if (!column.field || column.field->enumValues.empty()) return false;
    const bool said =
        entity.spec && entity.spec->states && entity.spec->states->field.value == column.field->name.value;
    return said || column.name == "state" || column.name == "status";
}

}  // namespace

void reportNoField(World& world, const ActionInfo& action, const EntityInfo& entity, const std::string& field,
                   Pos pos) {
    std::vector<std::string> names;
    for (const ColumnInfo& column : entity.columns)
        names.push_back(column.name);
    std::string near = nearest(field, names);
    world.report(*action.file, Code::R024, pos, entity.name + " has no field " + field,
                 near.empty() ? "its fields are " + join(names, ", ") : "did you mean " + near + "?");
}

class TriggerResolver {
public:
    TriggerResolver(Resolver& resolver, World& world, const ActionInfo& action)
        : resolver_(resolver), world_(world), action_(action) {
        world.poll();
        // Resolution may add plain tables to the world: work on the entities there are now.
        for (EntityInfo& entity : world.entities)
            all_.push_back(&entity);
    }

    std::vector<Binding> on(const Text& on) {
        if (action_.spec->schedule) {
            Binding due = custom(action_.spec->schedule.value, "on: a schedule");
            due.scheduled = true;
            return {std::move(due)};
        }
        if (action_.spec->due) return dueBinding(world_, action_);
        std::vector<std::string> parts;
        size_t at = 0;
        while ((at = on.value.find_first_not_of(" \t\n", at)) != std::string::npos) {
            size_t end = std::min(on.value.find_first_of(" \t\n", at), on.value.size());
            parts.push_back(on.value.substr(at, end - at));
            at = end;
        }
        std::string verb = parts.size() == 2 ? lower(parts[0]) : "";
        if (parts.empty() || parts.size() > 2 ||
            (parts.size() == 2 && verb != "insert" && verb != "update" && verb != "delete" && verb != "truncate" &&
             verb != "event")) {
            world_.report(*action_.file, Code::R020, on.pos, "on: " + on.value + " is not understood",
                          "write on: Entity, on: insert Entity, on: update Entity.field, on: delete Entity, on: "
                          "truncate Entity, "
                          "on: event name, a schedule such as on: every day at 06:00 in Europe/Berlin, or a due time "
                          "such as on: time Invoice.due_at + 3 days");
            return {};
        }
        if (verb == "event") return {custom(parts[1], "on: event")};
        const std::string& target = parts.back();
        std::vector<std::string> candidates;
        EntityInfo* entity = world_.entity(target, action_.schema, &candidates);
        size_t dot = target.rfind('.');
        EntityInfo* owner = nullptr;
        if (dot != std::string::npos) owner = world_.entity(target.substr(0, dot), action_.schema, &candidates);
        if (owner && verb != "insert" && verb != "delete" && verb != "truncate") {
            std::string field = target.substr(dot + 1);
            if (field.size() > 2 && field.front() == '"' && field.back() == '"')
                field = field.substr(1, field.size() - 2);
            const ColumnInfo* column = owner->columnOf(field);
            if (column && entity) return fieldOrEntity(on, *owner, *column, *entity), std::vector<Binding>();
            if (column) return {changeBinding(owner, column->name, "on:")};
            if (!entity) return reportNoField(world_, action_, *owner, field, on.pos), std::vector<Binding>();
        }
        if (!entity && owner) {
            world_.report(*action_.file, Code::R022, on.pos, "a field changes in an update, not in " + verb,
                          "write on: update " + target);
            return {};
        }
        if (!entity && !candidates.empty()) {
            world_.report(*action_.file, Code::R031, on.pos,
                          target + " is of more than one entity: " + join(candidates, ", "), "write schema.Entity");
            return {};
        }
        if (!entity) {
            std::string near = world_.nearestEntity(target);
            if (near.empty() && dot != std::string::npos) near = world_.nearestEntity(target.substr(0, dot));
            world_.report(*action_.file, Code::R021, on.pos, "on: names no entity: " + target,
                          near.empty() ? "declare it in this text or apply it first" : "did you mean " + near + "?");
            return {};
        }
        for (const OnVerb& known : onVerbs)
            if (verb == known.word) return {rowBinding(entity, known.ops, known.event, "on:")};
        return {rowBinding(entity, everyRowChange, "changed", "on:")};
    }

    std::vector<Binding> named(const Text& trigger) {
        name_ = trigger.value;
        pos_ = trigger.pos;
        if (name_.empty() ||
            name_.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
                std::string::npos) {
            world_.report(*action_.file, Code::R023, pos_, "a trigger is one word: " + name_,
                          "for example trigger: order_created");
            return {};
        }
        if (entityChanged()) return {};
        using Rule = std::vector<Binding> (TriggerResolver::*)();
        constexpr Rule rules[] = {&TriggerResolver::rowEvent,     &TriggerResolver::fieldChanged,
                                  &TriggerResolver::wordsChanged, &TriggerResolver::anyChange,
                                  &TriggerResolver::eventValue,   &TriggerResolver::stateReached};
        for (Rule rule : rules) {
            std::vector<Binding> found = (this->*rule)();
            if (found.size() > 1 && rule != &TriggerResolver::anyChange)
                return ambiguous(found), std::vector<Binding>();
            if (!found.empty()) return found;
        }
        return {custom(name_, "no entity, field or event type of this name")};
    }

    // What the trigger would mean if the action's names were known there.
    const std::vector<Binding>& setAside() const { return aside_; }

private:
    Binding custom(const std::string& name, std::string rule) {
        Binding binding;
        binding.custom = true;
        binding.event = name;
        binding.ofEngine = spec::isOfEngine(name);
        binding.rule = std::move(rule);
        return binding;
    }

    void fieldOrEntity(const Text& on, const EntityInfo& owner, const ColumnInfo& column, const EntityInfo& entity) {
        world_.report(*action_.file, Code::R025, on.pos,
                      "on: " + on.value + " can mean the field " + column.name + " of " + owner.shown() +
                          " and the entity " + entity.shown(),
                      "settle it with on: update " + owner.home + "." + owner.name + "." + column.name +
                          ", or with on: " + (on.value.find(' ') == std::string::npos ? "" : "update ") + entity.name +
                          " in a document with schema: " + entity.home);
    }

    void ambiguous(const std::vector<Binding>& found) {
        std::vector<std::string> readings, lines;
        for (const Binding& binding : found) {
            readings.push_back(binding.shown());
            lines.push_back(onLine(binding));
        }
        world_.report(*action_.file, Code::R025, pos_, "the trigger " + name_ + " can mean " + join(readings, " and "),
                      "settle it with " + join(lines, " or "));
    }

    // Those of the action's own schema win; others count only if there is none.
    std::vector<Binding> preferOwnSchema(std::vector<Binding> found) const {
        std::vector<Binding> own;
        for (const Binding& binding : found)
            if (binding.entity->home == action_.schema) own.push_back(binding);
        return own.empty() ? found : own;
    }

    bool resolves(const Binding& binding, bool withKeys) {
        World::Trial trial(world_);
        resolveUnder(resolver_, world_, action_, binding, withKeys);
        return trial.count == 0;
    }

    // Those of the action's own schema win. One of another schema counts if every name in the action is known there:
    // what others apply later in schemas of their own must not take an event that was never meant for them.
    std::vector<Binding> settle(std::vector<Binding> found) {
        found = preferOwnSchema(std::move(found));
        bool aggregates = action_.spec->windowed || action_.spec->correlated;  // the names there are those of a match
        if (found.empty() || found.front().entity->home == action_.schema || aggregates) return found;
        std::vector<Binding> kept;
        for (Binding& binding : found)
            (resolves(binding, true) ? kept : aside_).push_back(std::move(binding));
        return kept;
    }

    // booking_changed is read as a change of a booking, whatever refs to bookings there are. True if that was reported.
    bool entityChanged() {
        std::string word = name_;
        if (!stripSuffix(word, "_changed") || resolver_.emitters_.count(name_)) return false;
        EntityInfo* named = nullptr;
        for (EntityInfo* entity : all_)
            if (entity->word == word && entity->unit && !entity->impliedByStep && entity->home == action_.schema)
                named = entity;
        if (!named) return false;
        std::vector<Binding> fields = fieldChanged();
        fields.insert(fields.begin(), rowBinding(named, opUpdate, "updated", "<entity>_changed"));
        std::vector<std::string> readings, lines;
        for (const Binding& binding : fields) {
            readings.push_back(binding.shown());
            lines.push_back(onLine(binding));
        }
        if (fields.size() == 1) {
            readings.push_back("a custom event " + name_);
            lines.push_back("on: event " + name_);
        }
        world_.report(*action_.file, Code::R025, pos_, "the trigger " + name_ + " can mean " + join(readings, " and "),
                      "settle it with " + join(lines, " or "));
        return true;
    }

    std::vector<Binding> rowEvent() {
        for (const Verb& verb : rowVerbs) {
            std::string table = name_;
            if (!stripSuffix(table, verb.suffix)) continue;
            auto bind = [&](EntityInfo* entity) {
                return rowBinding(entity, verb.op, verb.event,
                                  std::string("") + (entity->unit ? "<entity>" : "<table>") + verb.suffix);
            };
            if (EntityInfo* own = world_.ofSchema(table, action_.schema)) return {bind(own)};
            std::vector<Binding> found;
            for (EntityInfo* entity : all_)
                if (entity->word == table && entity->unit) found.push_back(bind(entity));
            EntityInfo* open = found.empty() ? world_.ofSchema(table, "public") : nullptr;
            if (open) found.push_back(bind(open));
            return settle(std::move(found));
        }
        return {};
    }

    std::vector<Binding> fieldChanged() {
        std::string field = name_;
        if (!stripSuffix(field, "_changed")) return {};
        std::vector<Binding> found;
        for (EntityInfo* entity : all_) {
            std::string rest = field, prefix = entity->word + "_";
            const ColumnInfo* column = rest.compare(0, prefix.size(), prefix) == 0 && rest.size() > prefix.size()
                                           ? entity->columnOf(rest.substr(prefix.size()))
                                           : nullptr;
            if (column) found.push_back(changeBinding(entity, column->name, "<entity>_<field>_changed"));
        }
        if (!found.empty()) return settle(std::move(found));
        for (EntityInfo* entity : all_)
            if (const ColumnInfo* column = entity->unit && !entity->appendOnly ? entity->columnOf(field) : nullptr)
                found.push_back(changeBinding(entity, column->name, "<field>_changed"));
        return settle(std::move(found));
    }

    std::vector<Binding> wordsChanged() {
        std::string text = name_;
        if (!stripSuffix(text, "_changed")) return {};
        std::set<std::pair<size_t, size_t>> sharing;
        for (const std::string& word : words(text)) {
            auto known = resolver_.columnsByWord_.find(word);
            if (known != resolver_.columnsByWord_.end()) sharing.insert(known->second.begin(), known->second.end());
        }
        std::vector<Binding> candidates, found;
        for (auto [place, index] : sharing) {
            EntityInfo* entity = &world_.entities[place];
            if (!entity->unit || entity->appendOnly) continue;  // rows of a log never change
            const ColumnInfo& column = entity->columns[index];
            if (column.name == "id") continue;
            candidates.push_back(
                changeBinding(entity, column.name, "a field that shares a word, under which every name resolves"));
        }
        // A name that only a row reached by a key explains is a weaker reading: it counts when no other is left.
        for (bool withKeys : {false, true}) {
            for (const Binding& binding : candidates)
                if (resolves(binding, withKeys)) found.push_back(binding);
            if (!found.empty()) break;
        }
        return preferOwnSchema(std::move(found));
    }

    std::vector<Binding> anyChange() {
        std::string text = name_;
        if (text.compare(0, 4, "any_") != 0 || !(stripSuffix(text, "_change") || stripSuffix(text, "_changes")))
            return {};
        // any_change alone is about the action's own schema.
        text = text.size() > 4 ? text.substr(4) : action_.schema;
        std::set<std::string> written;
        for (const spec::Branch& branch : action_.spec->branches) {
            collectWritten(branch.steps, written);
            collectWritten(branch.otherwise, written);
        }
        std::vector<Binding> found;
        for (EntityInfo* entity : all_) {
            if (!entity->unit || written.count(entity->shown())) continue;
            if (entity->home != text && !containsWords(entity->word, text)) continue;
            if (entity->appendOnly) continue;
            Binding binding = rowBinding(entity, everyRowChange, "changed",
                                         "every entity of schema or name " + text + " under which the action resolves");
            if (resolves(binding, true)) found.push_back(std::move(binding));
        }
        return found;
    }

    void collectWritten(const std::vector<spec::Step>& steps, std::set<std::string>& written) {
        for (const spec::Step& step : steps) {
            if (step.kind == spec::StepKind::insert || step.kind == spec::StepKind::update ||
                step.kind == spec::StepKind::remove || step.kind == spec::StepKind::append ||
                step.kind == spec::StepKind::create || step.kind == spec::StepKind::upsert)
                if (EntityInfo* entity = world_.entity(step.target.value, action_.schema))
                    written.insert(entity->shown());
            collectWritten(step.then, written);
            collectWritten(step.otherwise, written);
            collectWritten(step.onResponse, written);
            collectWritten(step.onFailure, written);
        }
    }

    std::vector<Binding> eventValue() {
        std::vector<Binding> found;
        for (EntityInfo* entity : all_) {
            const ColumnInfo* column = entity->column("event_type");
            if (!column || !column->field) continue;
            const std::vector<std::string>& values = column->field->enumValues;
            if (std::find(values.begin(), values.end(), name_) == values.end()) continue;
            Binding binding = rowBinding(entity, opInsert, name_, "a value of event_type");
            binding.valueColumn = "event_type";
            binding.value = name_;
            found.push_back(std::move(binding));
        }
        return settle(std::move(found));
    }

    // appointment_booked: a row comes into this state, by an insertion or an update.
    std::vector<Binding> stateReached() {
        std::vector<Binding> found;
        if (resolver_.emitters_.count(name_)) return found;
        for (EntityInfo* entity : all_) {
            if (!entity->unit || !startsWith(name_, entity->word + "_")) continue;
            const std::string word = name_.substr(entity->word.size() + 1);
            for (const ColumnInfo& column : entity->columns) {
                if (!holdsState(*entity, column)) continue;
                for (const std::string& state : column.field->enumValues) {
                    if (snakeCase(state) != word) continue;
                    Binding binding = rowBinding(entity, opInsert | opUpdate, word, "a row comes into this state");
                    binding.changedColumn = binding.valueColumn = column.name;
                    binding.value = state;
                    found.push_back(std::move(binding));
                }
            }
        }
        return settle(std::move(found));
    }

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    std::vector<EntityInfo*> all_;
    std::vector<Binding> aside_;
    std::string name_;
    Pos pos_;
};

std::vector<std::string> knownTriggers(const World& world) {
    std::vector<std::string> names;
    for (const EntityInfo& entity : world.entities) {
        for (const Verb& verb : rowVerbs)
            names.push_back(entity.word + verb.suffix);
        for (const ColumnInfo& column : entity.columns) {
            if (column.name != "id") names.push_back(column.name + "_changed");
            if (column.field && column.name == "event_type")
                names.insert(names.end(), column.field->enumValues.begin(), column.field->enumValues.end());
            if (holdsState(entity, column))
                for (const std::string& state : column.field->enumValues)
                    names.push_back(entity.word + "_" + snakeCase(state));
        }
    }
    return names;
}

namespace {

void undeclared(World& world, const ActionInfo& action, const Text& trigger) {
    std::string service = trigger.value.substr(0, trigger.value.find('.'));
    std::vector<std::string> services;
    for (const Unit& unit : world.units)
        if (unit.kind == "service") services.push_back(unit.name);
    std::string near = nearest(service, services);
    world.report(*action.file, Code::R157, trigger.pos,
                 "no service " + service + " is declared, of whose answers " + trigger.value + " would tell",
                 near.empty()
                     ? "if it is an event of your own, write on: event " + trigger.value
                     : "did you mean " + near + "? If it is an event of your own, write on: event " + trigger.value);
}

}  // namespace

std::vector<Binding> resolveTrigger(Resolver& resolver, World& world, const ActionInfo& action, const Text& trigger) {
    TriggerResolver triggers(resolver, world, action);
    const std::vector<Text>& further = action.spec->further;
    const bool isOn = action.spec->on && (&trigger == &action.spec->on ||
                                          std::any_of(further.begin(), further.end(),
                                                      [&](const Text& other) { return &other == &trigger; }));
    std::vector<Binding> found = isOn ? triggers.on(trigger) : triggers.named(trigger);
    if (found.size() == 1 && found.front().custom && !isOn) {
        const std::string& name = found.front().event;
        if (found.front().ofEngine) return found;
        if (!triggers.setAside().empty() && action.file->fresh) {
            const Binding& other = triggers.setAside().front();
            world.report(*action.file, Code::R028, trigger.pos,
                         "the trigger " + name +
                             " is taken as a custom event, because not every name is known in the " + other.shown(),
                         "write " + onLine(other) + " to see which, or on: event " + name);
        }
        if (isNamedAsAnswer(name)) {
            if (answeringService(world, name).empty()) undeclared(world, action, trigger);
            return found;
        }
        std::string near = resolver.triggerNames().nearest(name, 2);
        if (!near.empty() && near != name)
            world.report(*action.file, Code::R026, trigger.pos,
                         "the trigger " + name + " is taken as a custom event, but " + near + " is known",
                         "did you mean " + near + "? Write on: event " + name + " if not");
    }
    return found;
}

}  // namespace specql::resolve
