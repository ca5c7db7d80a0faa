#include "resolve/privacy.hpp"

#include <algorithm>

#include "resolve/row_json.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Where a value that an expression gives goes.
enum class Fate {
    decides,  // a row is taken or not, a branch is: the value itself is gone then
    stays,    // in a private field
    leaves
};

// The names of which the expression tells no more than how a comparison came out.
std::set<int> onlyCompared(const ExpressionFacts& facts) {
    std::set<int> names(facts.notNull.begin(), facts.notNull.end());
    for (const ComparisonUse& comparison : facts.comparisons) {
        names.insert(comparison.left.begin(), comparison.left.end());
        names.insert(comparison.right.begin(), comparison.right.end());
    }
    std::vector<const ConditionPart*> open = {&facts.condition};
    for (const ConditionPart& part : facts.conditions)
        open.push_back(&part);
    while (!open.empty()) {
        const ConditionPart* part = open.back();
        open.pop_back();
        if (part->kind == ConditionPart::Kind::missing) names.insert(part->names.begin(), part->names.end());
        for (const ConditionPart& inner : part->parts)
            open.push_back(&inner);
    }
    return names;
}

// Is the name followed by IS NULL? That asks no more of whatever stands before it.
bool isAskedForNull(const std::string& text, const NameUse& use) {
    std::string behind;
    for (size_t at = use.offset + use.length; at < text.size() && behind.size() < 8; at++) {
        bool space = isSpace(text[at]);
        if (!space || (!behind.empty() && behind.back() != ' ')) behind += space ? ' ' : toAsciiLower(text[at]);
    }
    return behind.compare(0, 7, "is null") == 0 && (behind.size() == 7 || !isNamePart(behind[7]));
}

class PrivacyCheck {
public:
    PrivacyCheck(World& world, const Resolver& resolver) : world_(world), resolver_(resolver) {}

    void run() {
        for (const EntityInfo& entity : world_.entities)
            checkKey(entity);
        for (const ResolvedAction& action : resolver_.actions) {
            action_ = &action;
            checked_.clear();
            checkTrigger();
            for (const ResolvedBranch& branch : action.branches) {
                check(branch.condition, {}, Fate::decides, "");
                checkFeed(branch);
                Site site;
                if (action.items) site.handled = action.items->entity;
                checkSteps(branch.steps, site);
                checkSteps(branch.otherwise, {});
            }
            // Whatever else an expression is for, its value is not meant to stay.
            ResolvedAction copy = action;
            visitExpressions(copy, [&](const BoundExpression& bound) {
                if (!checked_.count(bound.expression)) check(bound, {}, Fate::leaves, "this value");
            });
        }
    }

private:
    // Whose rows the names of a step mean.
    struct Site {
        const EntityInfo* target = nullptr;
        const EntityInfo* handled = nullptr;
    };

    // A row is known by its key: in the subject of an event, in messages, in the order of deliveries.
    void checkKey(const EntityInfo& entity) {
        for (const ColumnInfo& column : entity.columns) {
            if (!isPrivate(column)) continue;
            const std::vector<std::string>& key = entity.keyColumns;
            if (std::find(key.begin(), key.end(), column.name) != key.end())
                world_.report(*entity.file, Code::R160, column.field->isPrivate.pos,
                              column.name + " is the key of " + entity.name + ", and events name a row by its key",
                              "give " + entity.name + " another key, or leave out private");
        }
    }

    // The name of an event may be a value; and a bulk operation takes columns of its event's row as parameters.
    void checkTrigger() {
        const Binding& binding = action_->binding;
        if (!binding.hasRow()) return;
        for (const auto& [key, type] : isFunction(*action_->info) ? action_->parameters() : Parameters())
            if (const ColumnInfo* column = binding.entity->column(key); column && isPrivate(*column))
                refuse(action_->info->spec->name.pos, *binding.entity, *column, "the parameter " + key);
        if (binding.valueColumn.empty()) return;
        const ColumnInfo* column = binding.entity->column(binding.valueColumn);
        if (column && isPrivate(*column))
            world_.report(
                *action_->info->file, Code::R161, action_->info->spec->trigger.pos,
                binding.entity->name + "." + column->name + " is private, and this trigger is called by its value",
                "write on: insert " + binding.entity->name + " and a condition on " + column->name);
    }

    void checkFeed(const ResolvedBranch& branch) {
        if (!branch.feed) return;
        for (const BoundExpression& key : branch.feed->keys)
            check(key, {}, Fate::leaves, "a key of what is counted");
        check(branch.feed->field, {}, Fate::leaves, "what is counted");
    }

    const EntityInfo* holderOf(const Value& value, const Site& site) const {
        switch (value.kind) {
            case ValueKind::eventColumn:
            case ValueKind::eventChange: return action_->binding.entity;
            case ValueKind::context: return action_->contexts[static_cast<size_t>(value.context)].entity;
            case ValueKind::target: return site.target;
            case ValueKind::handled: return site.handled;
            case ValueKind::row:
            case ValueKind::result:
            case ValueKind::queryColumn: return value.entity;
            default: return nullptr;
        }
    }

    // The private field that a name means; null if it means none. A whole taken row has all of its fields.
    const ColumnInfo* privateOf(const Value& value, const Site& site) const {
        const EntityInfo* holder = holderOf(value, site);
        if (!holder) return nullptr;
        for (const ColumnInfo& column : holder->columns)
            if (isPrivate(column) && (value.name.empty() || column.name == value.name)) return &column;
        return nullptr;
    }

    // `what` says where the value goes, in the middle of a sentence.
    void check(const BoundExpression& bound, const Site& site, Fate fate, const std::string& what) {
        if (!bound) return;
        checked_.insert(bound.expression);
        const ExpressionFacts& facts = world_.facts(bound.expression);
        std::set<int> compared = onlyCompared(facts);
        for (size_t i = 0; i < bound.values.size(); i++) {
            const Value& value = bound.values[i];
            checkRow(bound, i);
            checkKept(value, world_.locate(bound.expression, facts.names[i].offset));
            const ColumnInfo* column = fate == Fate::leaves ? privateOf(value, site) : nullptr;
            bool asked = compared.count(static_cast<int>(i)) ||
                         isAskedForNull(world_.expressionText(bound.expression), facts.names[i]);
            if (!column || (!value.name.empty() && asked)) continue;
            refuse(world_.locate(bound.expression, facts.names[i].offset), *holderOf(value, site), *column, what);
        }
    }

    void refuse(Pos pos, const EntityInfo& holder, const ColumnInfo& column, const std::string& what) {
        world_.report(
            *action_->info->file, Code::R162, pos,
            holder.name + "." + column.field->name.value + " is private, and would leave its table in " + what,
            "compare it, which tells no more than how that comes out, or leave it out; a field that is to "
            "hold such a value is private as well");
    }

    // Events do not carry the row as a whole. As JSON it is what they carry.
    void checkRow(const BoundExpression& bound, size_t name) {
        const Value& value = bound.values[name];
        if (value.kind != ValueKind::eventRow) return;
        const EntityInfo& entity = *action_->binding.entity;
        if (!hasPrivate(entity) && !carriesDeclared(entity)) return;
        const ExpressionFacts& facts = world_.facts(bound.expression);
        const NameUse& use = facts.names[name];
        if (rowJson(facts, world_.expressionText(bound.expression), use)) return;
        std::string why = hasPrivate(entity) ? " has private fields" : " has columns that it does not declare";
        world_.report(*action_->info->file, Code::R163, world_.locate(bound.expression, use.offset),
                      "events do not carry " + value.name + " as a whole: " + entity.name + why,
                      "name its fields, or write to_jsonb(" + value.name + "), which has those that events carry");
    }

    // What an event leaves out is not there any more when the answer to its call has come.
    void checkKept(const Value& value, Pos pos) {
        if (!action_->isAnswer() || action_->binding.custom || !action_->binding.entity) return;
        const Value* read = &value;
        while (read->kind == ValueKind::context) {
            const Context* way = &action_->contexts[static_cast<size_t>(read->context)];
            while (way->via >= 0)
                way = &action_->contexts[static_cast<size_t>(way->via)];
            read = &way->key;
        }
        if (read->kind != ValueKind::eventColumn && read->kind != ValueKind::eventChange) return;
        const EntityInfo& entity = *action_->binding.entity;
        const ColumnInfo* column = entity.column(read->name);
        if (!column || !isPrivate(*column)) return;
        const bool isThere = !read->old && value.kind == ValueKind::eventColumn && !entity.key.empty();
        world_.report(*action_->info->file, Code::R190, pos,
                      entity.name + "." + column->field->name.value +
                          " is private, so the event does not keep it until the answer comes",
                      isThere ? "write " + std::string(currentRow) + "." + quoteName(column->name) +
                                    ", which is what the row has by then"
                              : "do what needs it in the steps of the event itself");
    }

    void checkSteps(const std::vector<ResolvedStep>& steps, Site site) {
        for (const ResolvedStep& step : steps) {
            site.target = step.target;
            checkStep(step, site);
            checkSteps(step.then, site);
            checkSteps(step.otherwise, site);
            if (step.takes) site.handled = step.target;
        }
    }

    void checkStep(const ResolvedStep& step, const Site& site) {
        const bool loops = step.spec->kind == spec::StepKind::foreach;
        const bool names = step.spec->kind == spec::StepKind::let;
        check(step.condition, site, loops || names ? Fate::leaves : Fate::decides,
              names ? "the value that let names" : "the variable of foreach");
        check(step.where, site, Fate::decides, "");
        check(step.limit, site, Fate::decides, "");
        for (const BoundOrder& order : step.order)
            check(order.value, site, Fate::decides, "");
        for (const BoundAssignment& assignment : step.set)
            checkAssignment(step, assignment, site);
        for (const BoundExpression& value : step.targetValues)
            check(value, site, Fate::leaves, "the name of a channel");
        for (const BoundExpression& value : step.messageValues)
            check(value, site, Fate::leaves, "a message");
        check(step.idempotencyKey, site, Fate::leaves, "an idempotency key");
        for (const BoundExpression& arg : step.args)
            check(arg, site, Fate::leaves, "a call of " + step.spec->target.value);
    }

    void checkAssignment(const ResolvedStep& step, const BoundAssignment& assignment, const Site& site) {
        const ColumnInfo* into = step.target ? step.target->column(assignment.column) : nullptr;
        if (into && isPrivate(*into)) return check(assignment.value, site, Fate::stays, "");
        std::string what = into ? step.target->name + "." + assignment.column + ", which is not private"
                                : "the payload of " + step.spec->target.value;
        check(assignment.value, site, Fate::leaves, what);
        const ColumnInfo* taken = assignment.taken ? privateOf(*assignment.taken, site) : nullptr;
        if (taken) refuse(step.spec->target.pos, *holderOf(*assignment.taken, site), *taken, what);
    }

    World& world_;
    const Resolver& resolver_;
    const ResolvedAction* action_ = nullptr;
    std::set<int> checked_;
};

bool anyPrivate(const std::vector<ResolvedStep>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const ResolvedStep& step) {
        return (step.target && hasPrivate(*step.target)) || anyPrivate(step.then) || anyPrivate(step.otherwise);
    });
}

void collectCalled(const std::vector<ResolvedStep>& steps, std::set<const ActionInfo*>& called) {
    for (const ResolvedStep& step : steps) {
        if (step.calledAction) called.insert(step.calledAction);
        collectCalled(step.then, called);
        collectCalled(step.otherwise, called);
    }
}

bool tellsPrivate(const Resolver& resolver, const ResolvedAction& action, std::set<const ActionInfo*>& seen) {
    if (action.binding.entity && hasPrivate(*action.binding.entity)) return true;
    for (const Context& context : action.contexts)
        if (hasPrivate(*context.entity)) return true;
    bool looksUp = false;
    ResolvedAction copy = action;
    visitExpressions(copy, [&](const BoundExpression& bound) {
        looksUp = looksUp || std::any_of(bound.tables.begin(), bound.tables.end(),
                                         [](const EntityInfo* table) { return table && hasPrivate(*table); });
    });
    if (looksUp) return true;
    std::set<const ActionInfo*> called;
    for (const ResolvedBranch& branch : action.branches) {
        if (anyPrivate(branch.steps) || anyPrivate(branch.otherwise)) return true;
        collectCalled(branch.steps, called);
        collectCalled(branch.otherwise, called);
    }
    seen.insert(action.info);
    return std::any_of(resolver.actions.begin(), resolver.actions.end(), [&](const ResolvedAction& other) {
        return called.count(other.info) && !seen.count(other.info) && tellsPrivate(resolver, other, seen);
    });
}

}  // namespace

bool isPrivate(const ColumnInfo& column) {
    return column.field && column.field->isPrivate;
}

bool hasPrivate(const EntityInfo& entity) {
    return std::any_of(entity.columns.begin(), entity.columns.end(), isPrivate);
}

bool carriesDeclared(const EntityInfo& entity) {
    return entity.spec && entity.spec->columns.value == "declared";
}

std::vector<std::string> leavingColumns(const EntityInfo& entity) {
    std::vector<std::string> names;
    if (entity.present)
        for (const std::string& key : entity.present->primaryKey)
            if (!entity.column(key)) names.push_back(key);
    for (const ColumnInfo& column : entity.columns)
        if (!isPrivate(column)) names.push_back(column.name);
    return names;
}

bool mayTellPrivate(const Resolver& resolver, const ResolvedAction& action) {
    std::set<const ActionInfo*> seen;
    return tellsPrivate(resolver, action, seen);
}

void checkPrivacy(World& world, const Resolver& resolver) {
    PrivacyCheck(world, resolver).run();
}

}  // namespace specql::resolve
