#include "plan/renames.hpp"

#include <algorithm>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::plan {

namespace {

void addName(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

class FieldRenames {
public:
    FieldRenames(resolve::World& world, const resolve::EntityInfo& entity, std::vector<RenameQuestion>& questions)
        : world_(world), entity_(entity), questions_(questions) {}

    void ask() {
        for (const spec::Field& field : entity_.spec->fields) {
            if (field.renamedFrom.empty()) continue;
            RenameQuestion question;
            question.kind = RenameKind::column;
            question.schema = entity_.schema;
            question.table = entity_.table;
            question.object = quoteName(entity_.schema, entity_.table);
            question.pos = field.renamedFrom.front().pos;
            addName(question.names, resolve::columnName(field, field.name.value));
            addName(question.names, field.name.value);
            bool good = true;
            for (const Text& former : field.renamedFrom) {
                good = good && check(field, former);
                addName(question.formers, resolve::columnName(field, former.value));
                addName(question.formers, snakeCase(former.value));
                addName(question.formers, former.value);
            }
            if (good) questions_.push_back(std::move(question));
        }
    }

private:
    bool check(const spec::Field& field, const Text& former) {
        for (const spec::Field& other : entity_.spec->fields) {
            bool named = resolve::columnName(other, other.name.value) == resolve::columnName(other, former.value);
            bool claimed = std::any_of(other.renamedFrom.begin(), other.renamedFrom.end(), [&](const Text& name) {
                return &name != &former && snakeCase(name.value) == snakeCase(former.value);
            });
            if (!named && !claimed) continue;
            if (named && &other == &field)
                world_.report(*entity_.file, Code::S049, former.pos, former.value + " is the name that it has",
                              "write the name that it had before, or leave renamed_from out");
            else if (named)
                world_.report(*entity_.file, Code::S049, former.pos,
                              field.name.value + " cannot come from " + former.value + ", which is a field too",
                              "leave renamed_from out if " + former.value + " is another one; or take the field " +
                                  other.name.value + " away");
            else
                world_.report(*entity_.file, Code::S049, former.pos,
                              "two fields, or one twice, would come from " + former.value,
                              "leave renamed_from out at one of them");
            return false;
        }
        return true;
    }

    resolve::World& world_;
    const resolve::EntityInfo& entity_;
    std::vector<RenameQuestion>& questions_;
};

}  // namespace

std::vector<RenameQuestion> askOfRenames(resolve::World& world) {
    std::vector<RenameQuestion> questions;
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.spec && entity.file->fresh) FieldRenames(world, entity, questions).ask();
    return questions;
}

std::vector<PlanStep> rename(resolve::World& world, const RenameQuestion& question, const RenameAnswer& answer) {
    if (answer.former.empty()) return {};
    if (!answer.name.empty()) {
        world.diagnostics().report(
            Code::P016, question.pos,
            question.object + " has both " + answer.name + " and " + answer.former + ", which it would come from",
            "drop the one that is not needed; or leave renamed_from out, and both are what they are");
        return {};
    }
    PlanStep step;
    step.action = PlanAction::alter;
    step.detail = question.names.front() + " renamed from " + answer.former;
    step.sql.push_back("ALTER TABLE " + question.object + " RENAME COLUMN " + quoteName(answer.former) + " TO " +
                       quoteName(question.names.front()) + ";");
    step.places.push_back(question.pos);
    step.ofText = true;
    step.desired.kind = ObjectKind::table;
    step.desired.identity = question.object;
    step.desired.pos = question.pos;
    return {step};
}

}  // namespace specql::plan
