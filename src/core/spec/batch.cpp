// An operation without steps becomes a step here, so that everything behind this stage knows it as such.
#include "spec/batch.hpp"

#include <algorithm>

#include "spec/validations.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words bulkPatterns = {"batch/bulk_operation", "bulk_operation"};
const Words batchKeys = {"fields", "batch_size", "max_errors", "max_elements", "return"};
const Words returnChoices = {"count", "summary"};

// By which names elements say the key of their row: the column's, and that with the entity's name before it.
std::string keyName(const Entity& entity) {
    return entity.key.empty() ? "id" : snakeCase(entity.key.front().value);
}
std::string elementKey(const Entity& entity) {
    const std::string word = snakeCase(entity.name.value) + "_", key = keyName(entity);
    return key.compare(0, word.size(), word) == 0 ? key : word + key;
}

// A whole number at a key; `none` if it is not there or wrong, which was reported.
int readNumber(ReadContext& context, const yaml::Node& node, const char* key, int least, int most, int none) {
    const Text text = context.text(node, key);
    if (!text) {
        return none;
    }
    const bool digits = text.value.size() <= 8 && std::all_of(text.value.begin(), text.value.end(), isAsciiDigit);
    const int number = digits ? std::stoi(text.value) : -1;
    if (number < least || number > most) {
        context.diagnostics.report(Code::S293, text.pos,
                                   std::string("\"") + key + "\" must be a whole number from " + std::to_string(least) +
                                       " to " + std::to_string(most));
        return none;
    }
    return number;
}

void checkHandling(ReadContext& context, const yaml::Node& node, Action& action) {
    Batch& batch = action.batch;
    Text& handling = action.errorHandling;
    if (handling.empty() && (batch.summary || batch.maxErrors >= 0)) {
        handling.value = "continue_on_error";
        return;
    }
    const bool stops = handling.value == "stop_on_error";
    if (batch.summary && handling.value != "continue_on_error") {
        context.diagnostics.report(
            Code::S295, handling.pos,
            "with error_handling: " + handling.value + " a call that has errors fails, and returns no summary of them",
            "write error_handling: continue_on_error: the summary collects the errors");
    } else if (const yaml::Entry* entry = node.find("max_errors"); entry != nullptr && stops) {
        context.diagnostics.report(Code::S295, entry->key.pos,
                                   "\"max_errors\" means nothing beside error_handling: " + handling.value,
                                   "the first error stops it; write error_handling: continue_on_error");
    }
}

// What an operation without steps does to one row.
class Completion {
public:
    Completion(ReadContext& context, const Entity& entity, Action& action)
        : context_(context), entity_(entity), action_(action) {}

    void complete() {
        const std::string& operation = action_.operation.value;
        if (!checkKey() || !checkFields()) {
            return;
        }
        Step step;
        step.verb = action_.operation;
        step.target = written(entity_.name.value, action_.operation);
        step.pos = action_.operation.pos;
        std::string ownRow;
        if (operation == "update" || operation == "delete") {
            step.kind = operation == "update" ? StepKind::update : StepKind::remove;
            const std::string value = elementValue(elementKey(entity_));
            step.where = context_.expression(written(quoteName(keyName(entity_)) + " = " + value, action_.operation));
            ownRow = " AND other." + quoteName(keyName(entity_)) + " IS DISTINCT FROM " + value;
            declareKey();
        } else {
            step.kind = operation == "insert" ? StepKind::insert : StepKind::upsert;
        }
        if (step.kind == StepKind::upsert) {
            if (!findConflict(step)) {
                return;
            }
            Words columns, values;
            for (const Text& column : step.key) {
                columns.push_back("other." + quoteName(snakeCase(column.value)));
                values.push_back(elementValue(given(column)));
            }
            ownRow = " AND (" + join(columns, ", ") + ") IS DISTINCT FROM (" + join(values, ", ") + ")";
            if (columns.size() == 1) {
                ownRow = " AND " + columns.front() + " IS DISTINCT FROM " + values.front();
            }
        }
        for (const Text& field : action_.batch.fields) {
            const bool key = isKey(field.value);
            if (key && step.kind == StepKind::update) {
                continue;
            }
            Text column = field;
            column.value = key ? keyName(entity_) : field.value;
            step.set.push_back({column, context_.expression(written(elementValue(field.value), field))});
            const bool tells = std::any_of(step.key.begin(), step.key.end(),
                                           [&](const Text& one) { return given(one) == field.value; });
            if (!tells) {
                action_.batch.optional.insert(field.value);
            }
        }
        std::vector<Step>& steps = action_.branches.front().steps;
        for (const FieldRule& rule : action_.batch.uniques) {
            steps.push_back(uniqueTest(context_, rule, entity_.name.value, ownRow));
        }
        steps.push_back(std::move(step));
    }

private:
    bool isKey(const std::string& name) const {
        return entity_.key.size() <= 1 && (name == keyName(entity_) || name == elementKey(entity_));
    }

    bool report(const std::string& message, const std::string& hint) {
        context_.diagnostics.report(Code::S296, action_.operation ? action_.operation.pos : action_.pos, message, hint);
        return false;
    }

    bool checkKey() {
        if (!action_.operation) {
            return report("nothing says what " + action_.name.value + " does with its elements",
                          "write operation: update, insert, upsert or delete; or steps:");
        }
        const bool byKey = action_.operation.value == "update" || action_.operation.value == "delete";
        if (byKey && entity_.key.size() > 1) {
            return report(entity_.name.value + " has no key of one column that an element could name its row by",
                          "write steps: with an update or delete and its WHERE");
        }
        return true;
    }

    bool checkFields() {
        const bool removes = action_.operation.value == "delete";
        const std::vector<Text>& fields = action_.batch.fields;
        const bool sets = std::any_of(fields.begin(), fields.end(), [&](const Text& field) {
            return action_.operation.value != "update" || !isKey(field.value);
        });
        if (removes ? !fields.empty() : !sets) {
            return report(removes ? "a deletion sets no fields" : "nothing says what the elements set",
                          removes ? "leave \"fields\" out: an element names its row by " + elementKey(entity_)
                                  : "list the fields that they may give: fields: [price, …]");
        }
        bool good = true;
        for (const Branch& branch : action_.branches) {
            for (const Step& step : branch.steps) {
                good = checkField(step.field) && good;
            }
        }
        for (const FieldRule& rule : action_.batch.uniques) {
            good = checkField(rule.field) && good;
        }
        return good;
    }

    bool checkField(const Text& field) {
        Words known = {elementKey(entity_)};
        for (const Text& one : action_.batch.fields) {
            known.push_back(one.value);
        }
        if (!field || holds(known, field.value)) {
            return true;
        }
        const std::string hint = didYouMean(field.value, known);
        context_.diagnostics.report(Code::S299, field.pos,
                                    "the rule is about " + field.value + ", which is not among \"fields\"",
                                    hint.empty() ? "the elements give " + orList(known) : hint);
        return false;
    }

    // Of which type the key is that elements name their row by.
    void declareKey() {
        Param param;
        param.name = written(elementKey(entity_), action_.operation);
        action_.batch.rowKey = param.name.value;
        param.type = written("uuid", action_.operation);
        for (const Field& field : entity_.fields) {
            if (snakeCase(field.name.value) == keyName(entity_)) {
                param.type.value = field.type.value;
            }
        }
        const bool declared = std::any_of(action_.params.begin(), action_.params.end(),
                                          [&](const Param& other) { return other.name.value == param.name.value; });
        if (!declared) {
            action_.params.push_back(std::move(param));
        }
    }

    // The field by which elements give a column.
    std::string given(const Text& column) const {
        for (const Text& field : action_.batch.fields) {
            const bool key = isKey(field.value) && column.value == keyName(entity_);
            if (key || snakeCase(field.value) == snakeCase(column.value)) {
                return field.value;
            }
        }
        return "";
    }

    // What tells whether the row is there: its key, or fields that are unique, if the elements give them.
    bool findConflict(Step& step) {
        std::vector<std::vector<Text>> candidates;
        std::vector<Text> own = entity_.key;
        if (own.empty()) {
            own.push_back(written("id", action_.operation));
        }
        candidates.push_back(std::move(own));
        for (const Field& field : entity_.fields) {
            bool valid = true;
            if (field.unique && booleanValue(field.unique.value, valid)) {
                candidates.push_back({field.name});
            }
        }
        candidates.insert(candidates.end(), entity_.uniques.begin(), entity_.uniques.end());
        std::vector<std::vector<Text>> found;
        for (const std::vector<Text>& candidate : candidates) {
            if (std::all_of(candidate.begin(), candidate.end(),
                            [&](const Text& column) { return !given(column).empty(); })) {
                found.push_back(candidate);
            }
        }
        if (found.empty()) {
            return report("nothing tells whether the row of an element is there: the fields hold neither the key of " +
                              entity_.name.value + " nor fields that are unique",
                          "add " + elementKey(entity_) + ", or give a field unique: true");
        }
        step.key = found.front();
        return true;
    }

    ReadContext& context_;
    const Entity& entity_;
    Action& action_;
};

}  // namespace

bool isBulk(const Action& action) {
    return holds(bulkPatterns, action.pattern.value);
}

bool isByFields(const Action& action, const yaml::Node& node) {
    const bool steps = node.find("steps") != nullptr || node.find("conditions") != nullptr;
    return isBulk(action) && !steps && (node.find("operation") != nullptr || node.find("fields") != nullptr);
}

void readBatch(ReadContext& context, const yaml::Node& node, Action& action) {
    Batch& batch = action.batch;
    for (const std::string& key : batchKeys) {
        const yaml::Entry* entry = node.find(key);
        if (entry == nullptr) {
            continue;
        }
        if (!isBulk(action)) {
            context.diagnostics.report(Code::S010, entry->key.pos,
                                       "\"" + key + "\" means nothing without pattern: batch/bulk_operation");
        } else if (!batch.key) {
            batch.key = entry->key;
        }
    }
    if (!isBulk(action)) {
        return;
    }
    // An operation that is none was reported.
    batch.byFields = isByFields(action, node) && (action.operation || node.find("operation") == nullptr);
    if (const yaml::Entry* entry = node.find("fields")) {
        batch.fields = context.texts(entry->value, "fields");
        for (const Text& field : batch.fields) {
            batch.told.insert(field.value);
        }
        if (!isByFields(action, node)) {
            context.diagnostics.report(Code::S297, entry->key.pos,
                                       "\"fields\" says what an operation without steps sets, and here are steps",
                                       "leave it out, or the steps");
        }
    }
    if (batch.byFields && !batch.key) {
        batch.key = node.find("operation")->key;
    }
    batch.size = readNumber(context, node, "batch_size", 1, 1000000, 0);
    batch.maxErrors = readNumber(context, node, "max_errors", 0, 1000000, -1);
    batch.maxElements = readNumber(context, node, "max_elements", 1, 10000000, 0);
    batch.summary = context.choice(node, "return", returnChoices).value == "summary";
    checkHandling(context, node, action);
}

void completeBatches(ReadContext& context, const Entity* entity, std::vector<Action>& actions) {
    for (Action& action : actions) {
        if (!action.batch.byFields || action.branches.empty()) {
            continue;
        }
        if (entity == nullptr) {
            context.diagnostics.report(
                Code::S296, action.operation ? action.operation.pos : action.pos,
                action.name.value + " has no steps, and stands in no entity whose rows it could write",
                "write it among the actions: of the entity, or give it steps:");
        } else {
            Completion(context, *entity, action).complete();
        }
    }
}

}  // namespace specql::spec
