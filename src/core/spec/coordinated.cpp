// What an action over several entities does is written as steps here, one for each entity, in whose `then` stands what
// must hold of its rows before.
#include "spec/coordinated.hpp"

#include <algorithm>

#include "spec/rules.hpp"
#include "text/quote.hpp"

namespace specql::spec {

namespace {

const Words updatePatterns = {"multi_entity/coordinated_update", "coordinated_update"};
const Words cascadePatterns = {"multi_entity/parent_child_cascade", "parent_child_cascade"};
const Words entryKeys = {"entity", "operation", "fields", "computed", "condition", "validations", "items"};
const Words operations = {"insert", "update", "delete"};

// The field of a row, as a condition on that row names it.
std::string fieldValue(const std::string& field) {
    return quoteName(field);
}

class EntryReader {
public:
    EntryReader(ReadContext& context, std::vector<Step>& into) : context_(context), into_(into) {}

    void read(const yaml::Node& item) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S003, item.pos, "an entity of several must be a mapping",
                                        "for example {entity: Order, operation: insert, fields: [customer]}");
            return;
        }
        context_.checkKeys(item, entryKeys, "an entity of several");
        Step step;
        step.pos = item.pos;
        step.target = context_.requiredText(item, "entity", entryKeys, "an entity of several");
        if (item.find("operation") == nullptr) {
            context_.missing(item, "operation", entryKeys, "an entity of several");
        }
        step.verb = context_.choice(item, "operation", operations);
        step.kind = step.verb.value == "insert"   ? StepKind::insert
                    : step.verb.value == "delete" ? StepKind::remove
                                                  : StepKind::update;
        if (step.verb) {
            refuse(item, step, {"condition"}, StepKind::insert, "it finds no rows, it makes them");
            refuse(item, step, {"fields", "computed"}, StepKind::remove, "no field of a deleted row is changed");
            refuse(item, step, {"items"}, StepKind::remove, "its condition may name values of the elements");
            refuse(item, step, {"items"}, StepKind::update, "its condition may name values of the elements");
        }
        readFields(item, step);
        readComputed(item, step);
        step.items = context_.text(item, "items");
        step.where = context_.expressionAt(item, "condition");
        if (const yaml::Node* validations = context_.list(item, "validations")) {
            for (const yaml::Node& one : validations->items) {
                readValidation(one, step);
            }
        }
        bool changes = !step.set.empty() || !step.taken.empty();
        if (step.verb.value == "update" && step.target && !changes && item.find("fields") == nullptr) {
            context_.diagnostics.report(Code::S272, item.pos,
                                        "this update of " + step.target.value + " changes no field",
                                        "add fields: or computed:");
        }
        if (step.target && step.verb) {
            into_.push_back(std::move(step));
        }
    }

private:
    void refuse(const yaml::Node& item, const Step& step, const Words& keys, StepKind kind, const char* because) {
        for (const std::string& key : keys) {
            const yaml::Entry* entry = item.find(key);
            if (entry != nullptr && step.kind == kind) {
                context_.diagnostics.report(Code::S271, entry->key.pos,
                                            step.verb.value + " has no \"" + key + "\": " + because, "leave it out");
            }
        }
    }

    // Names alone are given by the caller; a name with a value has that.
    void readFields(const yaml::Node& item, Step& step) {
        const yaml::Entry* entry = item.find("fields");
        if (entry == nullptr) {
            return;
        }
        const yaml::Node& fields = entry->value;
        if (fields.kind == yaml::Node::Kind::mapping) {
            readValues(fields, step);
            return;
        }
        if (fields.kind != yaml::Node::Kind::sequence) {
            addTaken(context_.scalar(fields, "fields"), step);
            return;
        }
        for (const yaml::Node& field : fields.items) {
            if (field.kind == yaml::Node::Kind::mapping) {
                readValues(field, step);
            } else {
                addTaken(context_.scalar(field, "fields"), step);
            }
        }
    }

    void readComputed(const yaml::Node& item, Step& step) {
        if (const yaml::Node* computed = context_.mapping(item, "computed")) {
            readValues(*computed, step);
        }
    }

    void readValues(const yaml::Node& values, Step& step) {
        for (const yaml::Entry& entry : values.entries) {
            if (entry.value.kind == yaml::Node::Kind::null) {
                context_.diagnostics.report(Code::S004, entry.key.pos,
                                            "column \"" + entry.key.value + "\" has no value",
                                            "write an SQL expression; null is one");
                continue;
            }
            Text value = context_.scalar(entry.value, entry.key.value);
            if (value && isNew(entry.key, step)) {
                step.set.push_back({entry.key, context_.expression(value)});
            }
        }
    }

    void addTaken(Text name, Step& step) {
        if (name && isNew(name, step)) {
            step.taken.push_back(std::move(name));
        }
    }

    bool isNew(const Text& name, const Step& step) {
        bool known = std::any_of(step.set.begin(), step.set.end(),
                                 [&](const Assignment& set) { return set.column.value == name.value; }) ||
                     std::any_of(step.taken.begin(), step.taken.end(),
                                 [&](const Text& taken) { return taken.value == name.value; });
        if (known) {
            context_.diagnostics.report(Code::S025, name.pos, "column \"" + name.value + "\" is set twice",
                                        "remove one of them");
        }
        return !known;
    }

    void readValidation(const yaml::Node& item, Step& step) {
        if (item.kind != yaml::Node::Kind::mapping) {
            context_.diagnostics.report(Code::S003, item.pos, "a validation must be a mapping",
                                        "for example {rule: custom, condition: \"quantity > 0\", error: bad_quantity}");
        } else if (const FieldRule rule = readRule(context_, item, plainRules, fieldValue)) {
            step.then.push_back(ruleTest(context_, rule, rule.condition));
        }
    }

    ReadContext& context_;
    std::vector<Step>& into_;
};

}  // namespace

bool isCascade(const Action& action) {
    return holds(cascadePatterns, action.pattern.value);
}

bool isCoordinated(const Action& action) {
    return isCascade(action) || holds(updatePatterns, action.pattern.value);
}

void readCoordinated(ReadContext& context, const yaml::Node& node, Action& action) {
    const yaml::Entry* entities = node.find("entities");
    if (!isCoordinated(action)) {
        if (entities != nullptr) {
            context.diagnostics.report(
                Code::S010, entities->key.pos,
                "\"entities\" means nothing without pattern: " + updatePatterns.front() + " or " + cascadePatterns[0]);
        }
        return;
    }
    for (const char* key : {"steps", "conditions", "condition", "triggers", "operation", "batch_field",
                            "error_handling", "validations"}) {
        if (const yaml::Entry* entry = node.find(key)) {
            context.diagnostics.report(Code::S270, entry->key.pos,
                                       std::string("an action over several entities has no \"") + key + "\"",
                                       "what it does, and what must hold, stands in its entities:");
        }
    }
    action.branches.clear();
    Branch& branch = action.branches.emplace_back();
    branch.pos = node.pos;
    if (entities == nullptr) {
        context.missing(node, "entities", {"entities", "pattern", "name"}, "an action over several entities");
        return;
    }
    const yaml::Node* list = context.list(node, "entities");
    if (list == nullptr) {
        return;
    }
    if (list->items.empty()) {
        context.diagnostics.report(Code::S004, list->pos, "\"entities\" is empty");
    }
    EntryReader reader(context, branch.steps);
    for (const yaml::Node& item : list->items) {
        reader.read(item);
    }
}

}  // namespace specql::spec
