// What names mean in steps that are done with the answer to a call: what came back, and the event's row as it is now.
#include "resolve/names.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

const NamedType* answerName(const std::string& name) {
    for (const NamedType& known : answerNames)
        if (name == known.name) return &known;
    return nullptr;
}

Value answerValue(const NamedType& known) {
    return simpleValue(ValueKind::answer, known.name, known.type, "what came back of the call",
                       std::string("the answer's ") + known.name);
}

}  // namespace

bool Names::lookupAnswer(const Scope& scope, const std::string& name, Value& value, NameProblem& problem) const {
    const NamedType* known = result_.isAnswer() ? answerName(name) : nullptr;
    if (!known) return false;
    Scope event = scope;
    event.target = nullptr;
    if (isField(event, name)) {
        problem = {name + " can be of the answer, and " +
                       (result_.binding.custom ? "a key of the payload" : "a field of " + result_.binding.entity->name),
                   "write answer." + name + ", or " + event_.eventPrefix() + name};
        return false;
    }
    value = answerValue(*known);
    return true;
}

bool Names::lookupOfAnswer(const NameUse& use, Value& value, NameProblem& problem) {
    const std::string& first = use.parts.front();
    const std::string& name = use.parts.back();
    const EntityInfo* entity = result_.binding.custom ? nullptr : result_.binding.entity;
    if (!result_.isAnswer() || use.parts.size() != 2 || (first != "answer" && first != currentRow)) return false;
    if (entity && (entity->columnOf(first) || entity->column(first + "_id"))) return false;
    if (first == "answer") {
        const NamedType* known = answerName(name);
        if (known) {
            value = answerValue(*known);
            return true;
        }
        std::vector<std::string> names;
        for (const NamedType& other : answerNames)
            names.push_back(other.name);
        problem = {"an answer has no " + name, "it has " + join(names, ", "), Code::R040};
        return false;
    }
    int way = event_.currentWay();
    if (way < 0) {
        problem = {"the event is about no row that could be read as it is now",
                   "the event's values are in " + event_.eventPrefix() + name, Code::R040};
        return false;
    }
    const ColumnInfo* column = event_.ways()[way].entity->columnOf(name);
    if (column)
        value = event_.contextColumn(way, *column, "the event's row as it is now");
    else
        problem = noField(*event_.ways()[way].entity, name);
    return column != nullptr;
}

}  // namespace specql::resolve
