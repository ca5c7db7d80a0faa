// What raises an action: what each of its texts names, and what several of them come to together.
#include <algorithm>

#include "resolve/answers.hpp"
#include "resolve/resolver.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

// The events of a list, one binding for each entity.
class RaisedBy {
public:
    RaisedBy(Resolver& resolver, World& world, const ActionInfo& action)
        : resolver_(resolver), world_(world), action_(action) {}

    std::vector<Binding> run() {
        const spec::Action& spec = *action_.spec;
        const Text& first = spec.on ? spec.on : spec.trigger;
        if (!first) return {};
        std::vector<Binding> bindings = named(first);
        if (spec.further.empty()) return bindings;
        bool good = take(first, bindings);
        for (const Text& text : spec.further)
            good = take(text, named(text)) && good;
        if (!good) return {};
        for (Binding& binding : merged_)
            if (!complete(binding)) return {};
        tellUnknownNames();
        return std::move(merged_);
    }

private:
    struct Part {
        const Text* text;
        Binding binding;
    };

    std::vector<Binding> named(const Text& text) {
        std::vector<Binding> found = resolveTrigger(resolver_, world_, action_, text);
        for (const Binding& binding : found)
            world_.addExplanation({action_.name(), text.value, binding.shown(), binding.rule, text.pos.line});
        const bool isNew = found.size() == 1 && found.front().custom && !action_.spec->on &&
                           !resolver_.emitters().count(text.value) && !found.front().ofEngine &&
                           !isNamedAsAnswer(text.value);
        if (isNew)
            world_.report(*action_.file, Code::R027, text.pos,
                          text.value + " is a custom event, raised by specql.emit('" + text.value + "', …)", "");
        return found;
    }

    bool take(const Text& text, const std::vector<Binding>& found) {
        bool good = !found.empty();
        for (const Binding& binding : found) {
            if (!binding.hasRow()) {
                world_.report(*action_.file, Code::R311, text.pos,
                              "a list is of changes of rows, and " + text.value + " is " +
                                  (binding.custom ? "a custom event" : "about none that could be named"),
                              "write an action of its own for it");
                return false;
            }
            good = add(text, binding) && good;
        }
        return good;
    }

    bool add(const Text& text, const Binding& binding) {
        for (const Part& part : parts_) {
            if (part.binding.entity != binding.entity) continue;
            if (!part.binding.value.empty() || !binding.value.empty()) {
                world_.report(*action_.file, Code::R311, text.pos,
                              "what a value of " + binding.entity->name +
                                  " says, and another change of it, cannot be "
                                  "in one list: " +
                                  part.text->value + ", " + text.value,
                              "write on: with the changes, and a condition on the value");
                return false;
            }
            if (overlaps(part.binding, binding)) {
                world_.report(*action_.file, Code::R310, text.pos,
                              text.value + " and " + part.text->value + " are both raised by one change",
                              "leave one of them out: the action fires once for each of the others");
                return false;
            }
        }
        parts_.push_back({&text, binding});
        auto known = std::find_if(merged_.begin(), merged_.end(),
                                  [&](const Binding& other) { return other.entity == binding.entity; });
        if (known == merged_.end()) {
            merged_.push_back(binding);
            return true;
        }
        for (const std::string& column : binding.changed())
            (known->changedColumn.empty() ? known->changedColumn : known->others.emplace_back()) = column;
        known->ops |= binding.ops;
        known->event = known->ops == opUpdate ? "updated" : "changed";
        return true;
    }

    // Would one change of a row raise both?
    static bool overlaps(const Binding& one, const Binding& other) {
        const unsigned both = one.ops & other.ops;
        if (both & ~opUpdate) return true;
        if (!(both & opUpdate)) return false;
        const std::vector<std::string> columns = one.changed(), others = other.changed();
        if (columns.empty() || others.empty()) return true;
        return std::any_of(columns.begin(), columns.end(), [&](const std::string& column) {
            return std::find(others.begin(), others.end(), column) != others.end();
        });
    }

    // That an update must change a column is only asked where it is known to be an update.
    bool complete(const Binding& binding) {
        if (binding.changedColumn.empty() || binding.ops == opUpdate || !binding.value.empty() ||
            !neverNull(*binding.entity).empty())
            return true;
        world_.report(*action_.file, Code::R314, action_.spec->further.front().pos,
                      binding.entity->shown() +
                          " has no column that is never NULL, so nothing tells an insertion from "
                          "an update",
                      "write an action for each of the changes");
        return false;
    }

    // Each event must know all names of the action. Which one does not is more than that a name is unknown.
    void tellUnknownNames() {
        if (merged_.size() < 2 || world_.trying()) return;
        std::vector<decltype(World::Trial::count)> unknown;
        for (const Binding& binding : merged_) {
            World::Trial trial(world_);
            resolveUnder(resolver_, world_, action_, binding);
            unknown.push_back(trial.count);
        }
        const auto least = *std::min_element(unknown.begin(), unknown.end());
        for (size_t i = 0; i < merged_.size(); i++)
            if (unknown[i] > least)
                world_.report(
                    *action_.file, Code::R312, parts_.front().text->pos,
                    "not every name in " + action_.spec->name.value + " is known in the " + merged_[i].shown(),
                    "use names that all events of the list have, or write an action for each of them");
    }

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
    std::vector<Part> parts_;
    std::vector<Binding> merged_;
};

}  // namespace

std::vector<Binding> raisedBy(Resolver& resolver, World& world, const ActionInfo& action) {
    return RaisedBy(resolver, world, action).run();
}

std::string neverNull(const EntityInfo& entity) {
    if (!entity.key.empty()) return entity.key;
    if (!entity.keyColumns.empty()) return entity.keyColumns.front();
    for (const ColumnInfo& column : entity.columns)
        if (column.notNull) return column.name;
    return {};
}

}  // namespace specql::resolve
