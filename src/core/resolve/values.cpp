#include "resolve/values.hpp"

#include <algorithm>

#include "resolve/event_scope.hpp"
#include "spec/habits.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// A text lists so many values; who wants more looks at the entity.
constexpr size_t mostShown = 12;

std::string lowerCase(const std::string& text) {
    std::string lower;
    for (char c : text)
        lower += toAsciiLower(c);
    return lower;
}

std::vector<std::string> firstOf(std::vector<std::string> values) {
    if (values.size() > mostShown) {
        values.resize(mostShown);
        values.push_back("…");
    }
    return values;
}

bool holds(const std::vector<std::string>& values, const std::string& text) {
    return std::find(values.begin(), values.end(), text) != values.end();
}

// What a value may be, by what it stands for.
struct Origin {
    const std::vector<std::string>* values = nullptr;  // null: any text
    std::string shown;
    const EntityInfo* entity = nullptr;  // whose field it is; null for a parameter
    bool guessed = false;                // a key of a payload, by the name that it has in common with a field
};

// Where an expression stands.
struct Site {
    const ResolvedAction* action = nullptr;  // null: in an entity
    const EntityInfo* target = nullptr;      // whose columns are meant by ValueKind::target
    const EntityInfo* handled = nullptr;
};

class ValueCheck {
public:
    ValueCheck(World& world, const Resolver& resolver) : world_(world), resolver_(resolver) {}

    void run() {
        for (const EntityExpression& expression : resolver_.entityExpressions) {
            Site place;
            place.target = expression.entity;
            bool isValue = expression.role == EntityExpression::Role::defaultValue ||
                           expression.role == EntityExpression::Role::computed;
            check(expression.bound, place,
                  isValue ? originOf(expression.entity, expression.field) : std::vector<Origin>());
        }
        for (const ResolvedAction& action : resolver_.actions) {
            Site place;
            place.action = &action;
            for (const ResolvedBranch& branch : action.branches) {
                check(branch.condition, place, {});
                checkSteps(branch.steps, place);
                checkSteps(branch.otherwise, place);
            }
        }
    }

private:
    // --- what values stand for -----------------------------------------------------------------------------------

    static std::vector<Origin> originOf(const EntityInfo* entity, const spec::Field* field) {
        if (!entity || !field) return {Origin()};
        return {{field->enumValues.empty() ? nullptr : &field->enumValues, entity->name + "." + field->name.value,
                 entity, false}};
    }

    static std::vector<Origin> columnOrigin(const EntityInfo* entity, const std::string& name) {
        const ColumnInfo* column = entity ? entity->column(name) : nullptr;
        return originOf(entity, column ? column->field : nullptr);
    }

    static void addTargets(const std::vector<ResolvedStep>& steps, std::set<const EntityInfo*>& to) {
        for (const ResolvedStep& step : steps) {
            if (step.target) to.insert(step.target);
            addTargets(step.then, to);
            addTargets(step.otherwise, to);
        }
    }

    // A key of a payload is what params: says, else what a field of its name is: of an entity that the action deals
    // with, else of its schema.
    std::vector<Origin> payloadOrigin(const ResolvedAction& action, const std::string& key) const {
        for (const spec::Param& param : action.info->spec->params)
            if (param.name.value == key)
                return {
                    {param.enumValues.empty() ? nullptr : &param.enumValues, "the parameter " + key, nullptr, false}};
        std::set<const EntityInfo*> near;
        for (const ResolvedBranch& branch : action.branches) {
            addTargets(branch.steps, near);
            addTargets(branch.otherwise, near);
        }
        for (const Context& context : action.contexts)
            near.insert(context.entity);
        std::vector<Origin> origins;
        auto add = [&](const EntityInfo& entity) {
            if (!entity.column(key)) return;
            for (Origin& origin : columnOrigin(&entity, key)) {
                origin.guessed = true;
                origins.push_back(std::move(origin));
            }
        };
        for (const EntityInfo& entity : world_.entities)  // in their order, which pointers do not have
            if (near.count(&entity)) add(entity);
        if (!origins.empty()) return origins;
        for (const EntityInfo& entity : world_.entities)
            if (entity.home == action.info->schema && entity.spec) add(entity);
        return origins.empty() ? std::vector<Origin>{Origin()} : origins;
    }

    std::vector<Origin> originsOf(const Value& value, const Site& place) const {
        const std::string optional = "payload:";  // of a key that may be missing
        switch (value.kind) {
            case ValueKind::target: return columnOrigin(place.target, value.name);
            case ValueKind::row:
            case ValueKind::result:
            case ValueKind::queryColumn: return columnOrigin(value.entity, value.name);
            case ValueKind::handled: return columnOrigin(place.handled, value.name);
            case ValueKind::eventColumn: return columnOrigin(place.action->binding.entity, value.name);
            case ValueKind::context:
                return columnOrigin(place.action->contexts[static_cast<size_t>(value.context)].entity, value.name);
            case ValueKind::payload: return payloadOrigin(*place.action, value.name);
            case ValueKind::meta:
                if (startsWith(value.name, optional))
                    return payloadOrigin(*place.action, value.name.substr(optional.size()));
                if (value.name == operationName)
                    return {{&operationWords(place.action->binding.ops), operationName, nullptr, false}};
                return {Origin()};
            default: return {Origin()};
        }
    }

    // What the listeners of a custom event take its key for.
    std::vector<Origin> keyOrigin(const std::string& event, const std::string& key) const {
        std::vector<Origin> origins;
        for (const ResolvedAction& listener : resolver_.actions)
            if (listener.binding.custom && listener.binding.event == event)
                for (Origin& origin : payloadOrigin(listener, key))
                    origins.push_back(std::move(origin));
        return origins;
    }

    std::vector<Origin> parameterOrigin(const ActionInfo* called, size_t place) const {
        for (const ResolvedAction& action : resolver_.actions)
            if (action.info == called && action.batchParameter.empty() && place < action.payloadOrder.size())
                return payloadOrigin(action, action.payloadOrder[place]);
        return {};
    }

    // --- expressions and what they hold ----------------------------------------------------------------------------

    void checkSteps(const std::vector<ResolvedStep>& steps, Site place) {
        for (const ResolvedStep& step : steps) {
            place.target = step.target;
            for (const BoundAssignment& assignment : step.set)
                check(assignment.value, place,
                      step.spec->kind == spec::StepKind::emit ? keyOrigin(step.spec->target.value, assignment.column)
                                                              : columnOrigin(step.target, assignment.column));
            for (const BoundExpression* bound : {&step.where, &step.limit, &step.condition, &step.idempotencyKey})
                check(*bound, place, {});
            for (const BoundOrder& order : step.order) {
                check(order.value, place, {});
                checkOrder(order.value, place);
            }
            for (const std::vector<BoundExpression>* list : {&step.targetValues, &step.messageValues})
                for (const BoundExpression& bound : *list)
                    check(bound, place, {});
            for (size_t i = 0; i < step.args.size(); i++)
                check(step.args[i], place,
                      step.calledAction ? parameterOrigin(step.calledAction, i) : std::vector<Origin>());
            checkSteps(step.then, place);
            checkSteps(step.otherwise, place);
            bool handles = step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
            if (handles && step.target) place.handled = step.target;
        }
    }

    void check(const BoundExpression& bound, const Site& place, const std::vector<Origin>& assigned) {
        if (!bound) return;
        const ExpressionFacts& facts = world_.facts(bound.expression);
        if (!facts.ok) return;
        world_.poll();
        bool named = bound.values.size() == facts.names.size();  // else an unknown name has been reported
        auto origins = [&](const std::vector<int>& names) {
            std::vector<Origin> all;
            for (int name : names)
                for (Origin& origin : originsOf(bound.values[static_cast<size_t>(name)], place))
                    all.push_back(std::move(origin));
            return all;
        };
        for (const LiteralUse& use : facts.literals) {
            if (use.isInstead) continue;
            if (use.isResult)
                judge(bound, use, assigned, place);
            else if (named)
                judge(bound, use, origins(use.with), place);
        }
        if (!named) return;
        for (const LiteralUse& use : facts.literals)
            if (use.isInstead) judge(bound, use, origins(use.with), place);
        for (const ComparisonUse& use : facts.comparisons) {
            if (use.rightIsName) checkWord(bound, use.right[0], origins(use.left));
            if (use.leftIsName) checkWord(bound, use.left[0], origins(use.right));
            if (use.leftIsName && use.rightIsName && !use.otherOperator)
                checkCommon(bound, use.right[0], origins(use.right), origins(use.left));
        }
        for (int name : facts.results) {
            checkWord(bound, name, assigned);
            checkCommon(bound, name, origins({name}), assigned);
        }
        for (int name : facts.ordered)
            checkAlphabet(bound, name, origins({name}));
    }

    void checkOrder(const BoundExpression& bound, const Site& place) {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        if (!bound || !facts.ok || bound.values.size() != facts.names.size()) return;
        for (int name : facts.results)
            checkAlphabet(bound, name, originsOf(bound.values[static_cast<size_t>(name)], place));
    }

    // The enum that refuses the text; null if one of the values may be it.
    static const Origin* refusing(const std::vector<Origin>& origins, const std::string& text) {
        for (const Origin& origin : origins)
            if (!origin.values || holds(*origin.values, text)) return nullptr;
        return origins.empty() ? nullptr : &origins.front();
    }

    void judge(const BoundExpression& bound, const LiteralUse& use, const std::vector<Origin>& origins,
               const Site& place) {
        const Origin* origin = refusing(origins, use.value);
        if (!origin) return;
        const SpecFile& file = world_.fileOf(bound.expression);
        // What is installed stands, unless the enum is another one now.
        if (!isNews(bound, *origin, use.offset)) return;
        Pos pos = world_.locate(bound.expression, use.offset);
        std::string text = quoteLiteral(use.value), shown = origin->shown;
        if (!file.fresh)
            shown += ", but " + (place.action ? place.action->info->name() : std::string("a rule of its own")) +
                     " names it: " + commentText(world_.expressionText(bound.expression));
        std::string hint = valueHint(*origin->values, use.value);
        if (use.isInstead) {
            // What stands in for a missing value need not be one, but must not be a slip of the finger.
            if (!use.value.empty() && startsWith(hint, "did you mean"))
                world_.report(file, Code::R121, pos,
                              text + " is nearly a value of " + shown + ", which it stands in for", hint);
        } else if (origin->guessed) {
            world_.report(
                file, Code::R120, pos,
                text + " is not a value of " + shown + ", which the payload's key is named after",
                hint + (hint.back() == '?' ? " If" : "; if") + " the key is something else, say its type in params:");
        } else {
            world_.report(file, Code::R042, pos, text + " is not a value of " + shown, hint);
        }
    }

    // Reported once, for a text that is being applied, or because the enum is.
    bool isNews(const BoundExpression& bound, const Origin& origin, size_t offset) {
        bool enumIsFresh = origin.entity && origin.entity->file && origin.entity->file->fresh;
        return (world_.fileOf(bound.expression).fresh || enumIsFresh) &&
               reported_.insert({bound.expression, offset}).second;
    }

    // Values of an enum are texts to PostgreSQL, so < and ORDER BY go by the alphabet, and people by the list.
    void checkAlphabet(const BoundExpression& bound, int name, const std::vector<Origin>& origins) {
        for (const Origin& origin : origins)
            if (!origin.values || isAlphabetical(*origin.values)) return;
        const NameUse& use = world_.facts(bound.expression).names[static_cast<size_t>(name)];
        if (origins.empty() || !isNews(bound, origins.front(), use.offset)) return;
        const std::string shown = join(use.parts, ".");
        std::vector<std::string> sorted = *origins.front().values, list;
        std::sort(sorted.begin(), sorted.end());
        for (const std::string& value : *origins.front().values)
            list.push_back(quoteLiteral(value));
        report(bound, use.offset, origins.front().guessed, Code::R130,
               shown + " would be put in the order of the alphabet, " + join(firstOf(sorted), ", ") +
                   ", and not in that of " + origins.front().shown,
               "its place in the list is array_position(ARRAY[" + join(firstOf(list), ", ") + "], " + shown +
                   "); or name the values: IN (…)");
    }

    static bool isAlphabetical(const std::vector<std::string>& values) {
        return std::is_sorted(values.begin(), values.end()) &&
               std::is_sorted(values.begin(), values.end(), [](const std::string& left, const std::string& right) {
                   return lowerCase(left) < lowerCase(right);
               });
    }

    // Two enums without a value in common never have the same one.
    void checkCommon(const BoundExpression& bound, int name, const std::vector<Origin>& origins,
                     const std::vector<Origin>& others) {
        if (origins.empty() || others.empty()) return;
        bool guessed = false;
        for (const Origin& origin : origins)
            for (const Origin& other : others) {
                if (!origin.values || !other.values) return;
                guessed = guessed || origin.guessed || other.guessed;
                for (const std::string& value : *origin.values)
                    if (holds(*other.values, value)) return;
            }
        const NameUse& use = world_.facts(bound.expression).names[static_cast<size_t>(name)];
        if (!isNews(bound, origins.front(), use.offset)) return;
        report(bound, use.offset, guessed, Code::R131,
               join(use.parts, ".") + " is never a value of " + others.front().shown + ": " + origins.front().shown +
                   " has none in common with it",
               others.front().shown + " has " + join(firstOf(*others.front().values), ", ") + ", and " +
                   origins.front().shown + " has " + join(firstOf(*origins.front().values), ", "));
    }

    void report(const BoundExpression& bound, size_t offset, bool isDoubtful, Code code, const std::string& message,
                const std::string& hint) {
        const SpecFile& file = world_.fileOf(bound.expression);
        Pos pos = world_.locate(bound.expression, offset);
        isDoubtful ? world_.warn(file, code, pos, message, hint) : world_.report(file, code, pos, message, hint);
    }

    // `status = paid`: a custom event may have any key, and so also one that is called like a value.
    void checkWord(const BoundExpression& bound, int name, const std::vector<Origin>& others) {
        const Value& value = bound.values[static_cast<size_t>(name)];
        const SpecFile& file = world_.fileOf(bound.expression);
        bool isKey = value.kind == ValueKind::payload || startsWith(value.name, "payload:");
        if (!isKey || !file.fresh) return;
        const NameUse& use = world_.facts(bound.expression).names[static_cast<size_t>(name)];
        for (const Origin& origin : others) {
            if (!origin.values || use.parts.size() != 1 || !holds(*origin.values, use.parts[0])) continue;
            if (!reported_.insert({bound.expression, use.offset}).second) return;
            world_.report(file, Code::R122, world_.locate(bound.expression, use.offset),
                          use.parts[0] + " is taken for a key of the payload, and it is a value of " + origin.shown,
                          "a text value is quoted: \"'" + use.parts[0] + "'\"");
            return;
        }
    }

    World& world_;
    const Resolver& resolver_;
    std::set<std::pair<int, size_t>> reported_;  // an action of several tables has its expressions several times
};

}  // namespace

std::string valueHint(const std::vector<std::string>& values, const std::string& text) {
    for (const std::string& value : values)
        if (lowerCase(value) == lowerCase(text))
            return "did you mean '" + value + "'? Upper and lower case are told apart";
    std::string near = nearestOfFew(text, values);
    if (!near.empty()) return "did you mean '" + near + "'?";
    return "its values are " + join(firstOf(values), ", ");
}

void checkValues(World& world, const Resolver& resolver) {
    ValueCheck(world, resolver).run();
}

}  // namespace specql::resolve
