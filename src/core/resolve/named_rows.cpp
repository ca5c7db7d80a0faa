// Rows and values that steps have given names.
#include <algorithm>

#include "resolve/names.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

bool Names::lookupNamedRow(const Scope& scope, const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    auto found =
        std::find_if(scope.rows.begin(), scope.rows.end(), [&](const RowName& known) { return known.name == first; });
    if (found == scope.rows.end()) return false;
    if (found->row < 0) {  // its entity is unknown, which has been said
        value = simpleValue(ValueKind::local, first, "text", "", "");
        return true;
    }
    NamedRow& row = result_.rows[static_cast<size_t>(found->row)];
    const std::string& key = row.entity->key;
    if (use.parts.size() == 1) {
        problem = {first + " is a row of " + row.entity->name + ", and a value is wanted",
                   "name one of its fields" + (key.empty() ? "" : ", such as " + first + "." + quoteName(key))};
        return false;
    }
    const std::string& name = use.parts.back();
    if (scope.target && isNamed(*scope.target, first)) {
        problem = {join(use.parts, ".") + " can be of the row that is called " + first + ", and of the " +
                       scope.target->name + " that is meant here",
                   "give the row another name, or write target." + name};
        return false;
    }
    if (use.parts.size() > 2) {
        problem = {"rows that " + first + " refers to are not read here",
                   "find them too: 'find: Entity AS name WHERE id = " + first + "." + use.parts[1] + "'", Code::R040};
        return false;
    }
    const ColumnInfo* column = row.entity->columnOf(name);
    if (!column) {
        problem = noField(*row.entity, name);
        return false;
    }
    if (found->mayBeMissing) {
        problem = {
            "there may be no " + first + ": where none is found, the steps of its else: are done, and then these",
            "end the else: with 'return:'", Code::R221};
        return false;
    }
    row.columns.insert(column->name);
    value = simpleValue(ValueKind::row, column->name, column->type, "column of the row that a step has named",
                        first + "." + column->name);
    value.context = found->row;
    value.entity = row.entity;
    return true;
}

std::string Names::meaningOfNew(const Scope& scope, const std::string& name, bool isRow) {
    for (const char* word : {"new", "old", "payload", "target", "caller"})
        if (name == word) return name == std::string("caller") ? "whoever did it" : "a row of the event or of a step";
    if (result_.isAnswer() && (name == "answer" || name == currentRow)) return "what came back of a call";
    bool taken =
        std::any_of(scope.rows.begin(), scope.rows.end(), [&](const RowName& row) { return row.name == name; }) ||
        std::any_of(scope.locals.begin(), scope.locals.end(),
                    [&](const LocalName& local) { return local.name == name; });
    if (taken) return "what a step before has called so";
    Scope event = scope;
    event.target = nullptr;
    NameUse use;
    use.parts = {name};
    // Asking must not make the action read a row.
    std::vector<Context> contexts = result_.contexts;
    Value value;
    NameProblem problem;
    bool known = lookupEvent(event, use, value, problem);
    result_.contexts = std::move(contexts);
    const bool isEntity = (result_.binding.hasRow() && isNamed(*result_.binding.entity, name)) ||
                          (scope.handled && isNamed(*scope.handled, name));
    if (isEntity && isRow) return "the row of the event";
    // What is read of a row farther away stays within reach by its path.
    if ((known && value.kind != ValueKind::context) || result_.payload.count(name))
        return result_.binding.custom && result_.payload.count(name) ? "a key of the payload" : "a value of the event";
    if (!isRow) return "";
    bool isWay = std::any_of(event_.ways().begin(), event_.ways().end(),
                             [&](const Context& way) { return way.via < 0 && way.path == name; });
    return isWay ? "a row that the event leads to" : "";
}

}  // namespace specql::resolve
