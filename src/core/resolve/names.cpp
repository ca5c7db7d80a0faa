#include "resolve/names.hpp"

#include <algorithm>

#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

// The type of new minus old.
std::string differenceType(const std::string& type) {
    if (startsWith(type, "timestamp")) return "interval";
    return type == "date" ? "integer" : type;
}

bool hasDifference(const std::string& type) {
    for (const char* known : {"smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "date",
                              "time", "timestamp", "interval", "inet", "jsonb"})
        if (type == known || startsWith(type, known)) return true;
    return type.find('.') != std::string::npos;  // a type of somebody's own may have any operator
}

}  // namespace

bool Names::lookup(const Scope& scope, const NameUse& use, bool eventSide, Value& value, NameProblem& problem) {
    bool known = find(scope, use, eventSide, value, problem);
    if (!known && problem.message.empty() && result_.binding.ops == opTruncate && use.length > 0 && meansRow(use))
        problem = {"a TRUNCATE tells nothing of rows: " + join(use.parts, ".") + " has no value",
                   "the event has event_id, event_type, event_time and event_data, and caller.user who did it; on: "
                   "delete " +
                       result_.binding.entity->name + " is raised for each row of a DELETE",
                   Code::R040};
    return known;
}

// Is it written like a value of the row that an event is about?
bool Names::meansRow(const NameUse& use) const {
    const std::string& first = use.parts.front();
    const EntityInfo& entity = *result_.binding.entity;
    bool qualified = first == "new" || first == "old" || (use.parts.size() > 1 && isNamed(entity, first));
    return qualified || (use.parts.size() == 1 && (entity.columnOf(first) || first == entity.word + "_id"));
}

bool Names::find(const Scope& scope, const NameUse& use, bool eventSide, Value& value, NameProblem& problem) {
    if (use.parts.size() > 1) return lookupQualified(scope, use, value, problem);
    const std::string& name = use.parts.front();
    const ColumnInfo* column = scope.target ? scope.target->columnOf(name) : nullptr;
    for (const LocalName& local : scope.locals)
        if (column && local.name == name) {
            problem = {name + " is the " + local.value.rule + ", and a column of " + scope.target->name,
                       "give the variable another name"};
            return false;
        }
    if (!eventSide && lookupTarget(scope, use, value)) return true;
    if (lookupEvent(scope, use, value, problem)) return true;
    if (!problem.message.empty()) return false;
    bool guessed =
        result_.binding.custom && !result_.window && !result_.binding.isKnown() && name != "new" && name != "old";
    if (eventSide && !guessed) {
        problem = {
            "both sides are the column " + name + " of " + scope.target->name + ": the event has nothing of that name",
            "write the event's value on the right, such as " + event_.eventPrefix() + "id", Code::R103};
        return false;
    }
    const ColumnInfo* own = scope.target && !scope.assigned.empty() ? scope.target->columnOf(name) : nullptr;
    if (own && guessed) {
        std::string what = function_ ? "a parameter" : "a key of the payload";
        problem = {name + " can be the column of " + scope.target->name + " and " + what,
                   "write target." + name + ", or payload." + name};
        return false;
    }
    if (own) {
        value = targetColumn(scope, *own);
        return true;
    }
    // Where parameters are declared, what is nearly a known name is none of them.
    bool misspelt = function_ && !action_.spec->params.empty() && !event_.declaredParam(name) && world_.wantsHints() &&
                    !nearest(name, namesInReach(scope)).empty();
    return guessed && !misspelt && lookupPayload(name, value);
}

bool Names::lookupEvent(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& name = use.parts.front();
    const Binding& binding = result_.binding;
    for (const LocalName& local : scope.locals)
        if (local.name == name) {
            value = local.value;
            return true;
        }
    if (lookupNamedRow(scope, use, value, problem) || lookupStage(scope, use, value, problem)) return true;
    if (!problem.message.empty()) return false;
    if (lookupAnswer(scope, name, value, problem)) return true;
    if (!problem.message.empty()) return false;
    bool isWritten = use.length > 0;  // create: asks for the names of columns
    if (isWritten && scope.handled && event_.declaredParam(name) && scope.handled->columnOf(name)) {
        problem = {name + " is a parameter, and a column of the taken " + scope.handled->name,
                   "write payload." + name + ", or new." + name};
        return false;
    }
    if (lookupWindow(name, value) || lookupHandled(scope, name, value)) return true;
    if (binding.custom && (result_.window || event_.declaredParam(name)) && lookupPayload(name, value)) return true;
    if (lookupRow(name, value)) return true;
    if (lookupPrefixed(name, value, problem)) return true;
    if (!problem.message.empty()) return false;
    if (lookupMeta(name, value, problem)) return true;
    return problem.message.empty() && lookupWays(name, value, problem);
}

bool Names::lookupTarget(const Scope& scope, const NameUse& use, Value& value) const {
    if (!scope.target || use.parts.size() != 1) return false;
    const ColumnInfo* column = scope.target->columnOf(use.parts.front());
    if (!column || (!scope.targetFirst && column->name != scope.assigned)) return false;
    value = targetColumn(scope, *column);
    return true;
}

// Of the row being written, where no ref of the event's has the same name and leads to another row.
bool Names::lookupTargetQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    const ColumnInfo* column = scope.target->columnOf(use.parts.back());
    if (!column) {
        problem = noField(*scope.target, use.parts.back());
        return false;
    }
    for (size_t i = 0; i < event_.ways().size() && first != "target" && !scope.targetFirst; i++) {
        const Context& way = event_.ways()[i];
        if (way.via >= 0 || way.path != first || static_cast<int>(i) == scope.targetWay) continue;
        if (!way.entity->columnOf(use.parts.back())) continue;
        problem = {
            join(use.parts, ".") + " can be of the " + scope.target->name +
                " that is written, and of the one that the event's " + first + " leads to",
            "write target." + use.parts.back() + ", or " + event_.eventPrefix() + first + "." + use.parts.back()};
        return false;
    }
    bool sameEntity = first != "target" && first != scope.targetName && !result_.binding.custom &&
                      scope.target == result_.binding.entity;
    if (sameEntity && !scope.ownRow) {
        problem = {join(use.parts, ".") + " can be of the " + scope.target->name +
                       " that is written, and of the one that the event is about",
                   "write target." + use.parts.back() + ", or " + event_.eventPrefix() + use.parts.back()};
        return false;
    }
    value = targetColumn(scope, *column);
    return true;
}

// The target may have a ref of that name as well, and in its own scope a bare one would be the target's.
bool Names::isTargetsRef(const Scope& scope, const NameUse& use, NameProblem& problem) const {
    const std::string& first = use.parts.front();
    if (!scope.target || first == "new" || first == "old" || first == "payload") return false;
    bool explicitly = first == "target" || isNamed(*scope.target, first);
    const std::string& ref = explicitly && use.parts.size() > 2 ? use.parts[1] : first;
    const ColumnInfo* column = scope.target->columnOf(ref);
    if (!column) column = scope.target->column(ref + "_id");
    if (!column || !column->field || column->field->refTarget.empty()) return false;
    if (explicitly && use.parts.size() > 2) {
        problem = {"a row that the " + scope.target->name + " refers to is not read here",
                   "call a function that reads it, or keep the value in " + scope.target->name, Code::R040};
        return true;
    }
    // The event's own row refers to the same rows, whichever of the two is meant.
    if (scope.ownRow) return false;
    problem = {join(use.parts, ".") + " can be of the row that " + ref + " of the " + scope.target->name +
                   " leads to, and of the one that the event's leads to",
               std::string("write ") + event_.eventPrefix() + join(use.parts, ".") +
                   " for the event's; rows that the target refers to are not read here"};
    return true;
}

bool Names::lookupQualified(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    const std::string& name = use.parts.back();
    const Binding& binding = result_.binding;
    if (lookupNamedRow(scope, use, value, problem) || lookupOfAnswer(use, value, problem) ||
        lookupStage(scope, use, value, problem))
        return true;
    if (!problem.message.empty()) return false;
    if (use.parts.size() == 2) {
        if (scope.handled && first == "new") return lookupHandled(scope, name, value);
        if (binding.hasRow() && (first == "new" || first == "old")) {
            const ColumnInfo* column = binding.entity->columnOf(name);
            if (column)
                value = event_.rowColumn(*column, first == "old", "" + first + ".column");
            else
                problem = noField(*binding.entity, name);
            return column != nullptr;
        }
        if (scope.target && (first == "target" || first == scope.targetName || isNamed(*scope.target, first)))
            return lookupTargetQualified(scope, use, value, problem);
        if (binding.custom && first == "payload") {
            if (result_.window || result_.binding.isKnown()) return lookupPayload(name, value);
            value = payloadValue(name);
            return true;
        }
        if (scope.handled && (isNamed(*scope.handled, first) || (first == scope.handledName && !first.empty())))
            return lookupHandled(scope, name, value);
        if (scope.parentWay >= 0 && first == "parent") {
            const EntityInfo& parent = *event_.ways()[static_cast<size_t>(scope.parentWay)].entity;
            if (const ColumnInfo* column = parent.columnOf(name))
                value = event_.contextColumn(scope.parentWay, *column, "column of the parent");
            else
                problem = noField(parent, name);
            return problem.message.empty();
        }
        if (ofTakenRef(scope, first)) return false;
        if (binding.hasRow() && isNamed(*binding.entity, first) && !binding.entity->columnOf(first)) {
            const ColumnInfo* column = binding.entity->columnOf(name);
            if (column)
                value = event_.eventColumn(*binding.entity, *column, false, "column of the event's row");
            else
                problem = noField(*binding.entity, name);
            return column != nullptr;
        }
    }
    if (isTargetsRef(scope, use, problem)) return false;
    int way = event_.wayOf({use.parts.begin(), use.parts.end() - 1}, name, problem);
    if (way >= 0) {
        const ColumnInfo* column = event_.ways()[way].entity->columnOf(name);
        if (column)
            value = event_.contextColumn(way, *column, "column of a row the event leads to");
        else
            problem = noField(*event_.ways()[way].entity, name);
        return column != nullptr;
    }
    if (use.parts.size() != 2 || first != "caller" || !problem.message.empty() || isField(scope, first)) return false;
    value = simpleValue(ValueKind::caller, name, "text", "caller: who did it", "the caller's " + name);
    // Alone, or by its name, it is a right that the caller has or has not.
    if (scope.required && (startsWith(name, "can_") || use.length == scope.required->size())) {
        value.type = "boolean";
        value.rule = "a right: a claim that is true, or membership in the role of that name";
    }
    return true;
}

bool Names::lookupHandled(const Scope& scope, const std::string& name, Value& value) const {
    if (scope.handled && name == "new") {
        value = simpleValue(ValueKind::handled, "", "record", "the handled row",
                            "the row of " + scope.handled->shown() + " that was handled");
        return true;
    }
    const ColumnInfo* column = scope.handled ? scope.handled->columnOf(name) : nullptr;
    if (!column) return false;
    value = simpleValue(ValueKind::handled, column->name, column->type, "column of the handled row",
                        scope.handled->shown() + "." + column->name + " (the row that was handled)");
    return true;
}

bool Names::lookupWindow(const std::string& name, Value& value) const {
    if (!result_.window) return false;
    for (const NamedType& known : matchNames)
        if (name == known.name) {
            value = simpleValue(ValueKind::match, name, known.type, "value of the match", "of the match");
            return true;
        }
    return false;
}

bool Names::lookupRow(const std::string& name, Value& value) {
    const Binding& binding = result_.binding;
    if (!binding.hasRow()) return false;
    EntityInfo& entity = *binding.entity;
    if (name == "new" || name == "old") {
        value = simpleValue(ValueKind::eventRow, name, "record", "the whole row",
                            "the " + name + " row of " + entity.shown());
        value.old = name == "old";
        return true;
    }
    if (const ColumnInfo* column = entity.columnOf(name)) {
        value = event_.eventColumn(entity, *column, false, "column of the event's row");
        return true;
    }
    bool isKey = name == entity.word || name == entity.word + "_id";
    if (entity.key.empty() || !isKey) return false;
    value = event_.eventColumn(entity, *entity.column(entity.key), false, "<entity>_id is that row's id");
    return true;
}

const ColumnInfo* Names::fieldNamed(const EntityInfo& entity, const std::string& word, bool guess) const {
    if (const ColumnInfo* exact = entity.columnOf(word)) return exact;
    const std::string& changed = result_.binding.changedColumn;
    if (&entity == result_.binding.entity && !changed.empty() && result_.binding.others.empty() &&
        containsWords(changed, word))
        return entity.column(changed);
    if (!guess) return nullptr;
    const ColumnInfo* only = nullptr;
    for (const ColumnInfo& column : entity.columns) {
        if (!containsWords(column.name, word)) continue;
        if (only) return nullptr;
        only = &column;
    }
    return only;
}

bool Names::lookupPrefixed(const std::string& name, Value& value, NameProblem& problem) {
    const Binding& binding = result_.binding;
    if (binding.ops == opTruncate) return false;
    for (const char* prefix : {"previous_", "old_", "new_", "current_", "available_"}) {
        if (!startsWith(name, prefix)) continue;
        std::string word = name.substr(std::string(prefix).size());
        bool old = prefix[0] == 'p' || prefix[0] == 'o';
        std::string rule = std::string("") + prefix + "<field>";
        // current_year is hardly the year of birth.
        bool guess = prefix[0] != 'c';
        if (!binding.custom) {
            if (const ColumnInfo* column = fieldNamed(*binding.entity, word, guess)) {
                if (result_.isAnswer() && prefix[0] == 'c') {
                    problem = {name + " can be the value of the event, and that of now",
                               "write new." + column->name + ", or current." + column->name};
                    return false;
                }
                value = event_.rowColumn(*column, old, rule);
                return true;
            }
            continue;  // new and current are the event's row, not one that it leads to
        }
        if (old) continue;
        std::vector<int> ways;
        for (size_t i = 0; i < event_.ways().size(); i++)
            if (event_.ways()[i].distance == 1 && !event_.ways()[i].byPathOnly &&
                fieldNamed(*event_.ways()[i].entity, word, guess))
                ways.push_back(static_cast<int>(i));
        if (ways.size() > 1) {
            problem =
                event_.ambiguous(name, ways, "." + fieldNamed(*event_.ways()[ways.front()].entity, word, guess)->name);
            return false;
        }
        if (ways.size() == 1) {
            value = event_.contextColumn(ways.front(), *fieldNamed(*event_.ways()[ways.front()].entity, word, guess),
                                         rule + " of a row the event leads to");
            return true;
        }
    }
    if (binding.custom || !endsWith(name, "_change") || !(binding.ops & opUpdate)) return false;
    const ColumnInfo* column = fieldNamed(*binding.entity, name.substr(0, name.size() - 7), true);
    if (!column) return false;
    if (!hasDifference(column->type)) {
        problem = {name + " would be the new " + column->name + " minus the old one, and that is " + column->type,
                   "write new." + quoteName(column->name), Code::R113};
        return false;
    }
    value = simpleValue(ValueKind::eventChange, column->name, differenceType(column->type), "<field>_change",
                        binding.entity->shown() + "." + column->name + ", new minus old");
    return true;
}

bool Names::lookupMeta(const std::string& name, Value& value, NameProblem& problem) const {
    const Binding& binding = result_.binding;
    if (name == operationName && binding.custom) return false;
    if (name == operationName && operationWords(binding.ops).size() > 1 && neverNull(*binding.entity).empty()) {
        problem = {binding.entity->shown() + " has no column that is never NULL, so nothing tells " +
                       join(operationWords(binding.ops), " from "),
                   "give it a key, or write an action for each", Code::R314};
        return false;
    }
    for (const NamedType& known : metaNames)
        if (name == known.name) {
            value = simpleValue(ValueKind::meta, name, known.type, "of the event itself", "the event's " + name);
            return true;
        }
    return false;
}

bool Names::lookupWays(const std::string& name, Value& value, NameProblem& problem) {
    std::vector<int> ways =
        event_.nearestWays([&](const EntityInfo& entity) { return entity.columnOf(name) != nullptr; });
    if (ways.empty()) return false;
    // A payload may have any key: only rows that it names itself come before it.
    const Binding& binding = result_.binding;
    if (binding.custom && !binding.due && event_.ways()[ways.front()].distance > 1) return false;
    if (ways.size() > 1) {
        problem = event_.ambiguous(name, ways, "." + name);
        return false;
    }
    value = event_.contextColumn(ways.front(), *event_.ways()[ways.front()].entity->columnOf(name),
                                 "column of a row the event leads to");
    return true;
}

bool Names::lookupPayload(const std::string& name, Value& value) const {
    if (!result_.window && !result_.binding.isKnown()) {
        value = payloadValue(event_.keyInPayload(name));
        return true;
    }
    for (const MatchKey& key : event_.matchKeys())
        if (key.name == name || key.name == name + "_id" || key.name + "_id" == name || key.aliases.count(name)) {
            value = payloadValue(key.name);
            return true;
        }
    if (!event_.declaredParam(name)) return false;
    value = payloadValue(name);
    return true;
}

Value Names::targetColumn(const Scope& scope, const ColumnInfo& column) const {
    return simpleValue(ValueKind::target, column.name, column.type, "the target's own column",
                       scope.target->shown() + "." + column.name + " (the row being written)");
}

NameProblem Names::noField(const EntityInfo& entity, const std::string& name) const {
    std::vector<std::string> names;
    for (const ColumnInfo& column : entity.columns)
        names.push_back(column.name);
    std::string near = world_.wantsHints() && !world_.trying() ? nearest(name, names) : "";
    for (std::string& known : names)
        known = quoteName(known);  // as an expression has to write it
    return {entity.name + " has no field " + name,
            near.empty() ? "its fields are " + join(names, ", ") : "did you mean " + quoteName(near) + "?", Code::R040};
}

bool Names::isField(const Scope& scope, const std::string& name) const {
    if (scope.target && scope.target->columnOf(name)) return true;
    if (scope.handled && scope.handled->columnOf(name)) return true;
    if (!result_.binding.custom && result_.binding.entity->columnOf(name)) return true;
    if (result_.binding.custom && event_.declaredParam(name)) return true;
    return std::any_of(scope.locals.begin(), scope.locals.end(),
                       [&](const LocalName& local) { return local.name == name; });
}

bool Names::inScope(const Scope& scope, const std::string& name) const {
    return isField(scope, name) ||
           !event_.nearestWays([&](const EntityInfo& entity) { return entity.columnOf(name) != nullptr; }).empty();
}

bool Names::ofTakenRef(const Scope& scope, const std::string& name) const {
    const ColumnInfo* column = scope.handled ? scope.handled->columnOf(name) : nullptr;
    return column && column->field && !column->field->refTarget.empty();
}

std::string Names::meaningOfEvent(const Scope& scope, const NameUse& use) {
    const std::string& name = use.parts.front();
    Scope event = scope;
    event.target = nullptr;
    // Asking must not make the action read a row.
    std::vector<Context> contexts = result_.contexts;
    std::map<std::string, std::string> payload = result_.payload;
    std::vector<std::string> order = result_.payloadOrder;
    Value value;
    NameProblem problem;
    std::string written;
    if (lookupEvent(event, use, value, problem)) {
        std::string column = quoteName(value.name), row = event_.eventPrefix();
        const std::string path = value.context < 0 ? "" : result_.contexts[value.context].path;
        written = value.kind == ValueKind::eventColumn ? (value.old ? "old." : "new.") + column
                  : value.kind == ValueKind::context
                      ? (startsWith(path, "old.") || startsWith(path, "new.") ? "" : row) + path + "." + column
                  : value.kind == ValueKind::payload ? "payload." + value.name
                  : value.kind == ValueKind::handled ? "new." + column
                                                     : name;
    } else if (!problem.message.empty()) {
        written = "<ref>." + name;
    } else if (payload.count(name) || (result_.binding.custom && scope.target && name == scope.target->key)) {
        // Whoever writes `cart_id = id` means the key of something else than the target.
        written = "payload." + name;
    }
    result_.contexts = std::move(contexts);
    result_.payload = std::move(payload);
    result_.payloadOrder = std::move(order);
    return written;
}

std::vector<std::string> Names::namesInReach(const Scope& scope) const {
    std::vector<std::string> names;
    auto add = [&](const EntityInfo* entity) {
        if (!entity) return;
        for (const ColumnInfo& column : entity->columns)
            names.push_back(column.name);
    };
    add(scope.target);
    add(scope.handled);
    add(result_.binding.entity);
    for (const Context& way : event_.ways())
        add(way.entity);
    if (const EntityInfo* entity = result_.binding.entity) {
        names.push_back(entity->word + "_id");
        for (const std::string& word : words(result_.binding.changedColumn)) {
            names.push_back("new_" + word);
            names.push_back("previous_" + word);
        }
    }
    for (const NamedType& known : metaNames)
        if (known.name != operationName || !result_.binding.custom) names.push_back(known.name);
    for (const LocalName& local : scope.locals)
        names.push_back(local.name);
    for (const MatchKey& key : event_.matchKeys())
        names.push_back(key.name);
    if (result_.window)
        for (const NamedType& known : matchNames)
            names.push_back(known.name);
    if (result_.isAnswer())
        for (const NamedType& known : answerNames)
            names.push_back(known.name);
    return names;
}

}  // namespace specql::resolve
