#include "plan/renames.hpp"

#include <algorithm>
#include <iterator>

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

// Values are names of an enum's own.
void askOfValues(resolve::World& world, const resolve::EntityInfo& entity, const spec::Field& field,
                 std::vector<RenameQuestion>& questions) {
    auto isValue = [&](const std::string& value) {
        return std::find(field.enumValues.begin(), field.enumValues.end(), value) != field.enumValues.end();
    };
    std::vector<std::string> claimed;
    for (const spec::RenamedValue& renamed : field.renamedValues) {
        const std::string& value = renamed.value.value;
        RenameQuestion question;
        question.kind = RenameKind::value;
        question.schema = entity.schema;
        question.table = entity.table;
        question.column = resolve::columnName(field, field.name.value);
        question.object = quoteName(entity.schema, entity.table);
        question.names.push_back(value);
        question.pos = renamed.value.pos;
        bool good = isValue(value);
        if (!good)
            world.report(*entity.file, Code::S049, renamed.value.pos, value + " is not a value of " + field.name.value,
                         "renamed_values says of each new value what it was: {new: old}");
        for (const Text& former : renamed.formers) {
            bool twice = std::find(claimed.begin(), claimed.end(), former.value) != claimed.end();
            if (isValue(former.value) || twice)
                world.report(*entity.file, Code::S049, former.pos,
                             twice ? "two values would come from " + former.value
                                   : value + " cannot come from " + former.value + ", which is a value too",
                             "renamed_values says of each new value what it was: {new: old}");
            good = good && !isValue(former.value) && !twice;
            claimed.push_back(former.value);
            question.formers.push_back(former.value);
        }
        if (good) questions.push_back(std::move(question));
    }
}

// Entities, actions and services: what has a full name of its own.
class UnitRenames {
public:
    UnitRenames(resolve::World& world, std::vector<RenameQuestion>& questions) : world_(world), questions_(questions) {}

    void ask() {
        for (const resolve::EntityInfo& entity : world_.entities)
            if (entity.spec && entity.file->fresh)
                add(RenameKind::entity, entity.home, entity.spec->name, &entity.spec->renamedFrom, entity.file);
        for (const resolve::Unit& unit : world_.units)
            for (const spec::Service& service : unit.file->spec.services)
                if (unit.kind == "service" && unit.fresh() && service.name.value == unit.name)
                    add(RenameKind::service, "", service.name, &service.renamedFrom, unit.file);
        for (const resolve::ActionInfo& action : world_.actions)
            if (action.file->fresh)
                add(RenameKind::action, action.schema, action.spec->name, &action.spec->renamedFrom, action.file);
        for (const Named& named : all_)
            ask(named);
        for (const resolve::EntityInfo& entity : world_.entities)
            if (entity.spec && entity.file->fresh) place(entity);
    }

private:
    struct Named {
        RenameKind kind;
        std::string schema;
        std::string full;
        const Text* name;
        const std::vector<Text>* formers;
        const resolve::SpecFile* file;
    };

    static std::string full(RenameKind kind, const std::string& schema, const std::string& name) {
        bool whole = kind == RenameKind::service || name.find('.') != std::string::npos;
        return whole ? name : schema + "." + name;
    }

    void add(RenameKind kind, const std::string& schema, const Text& name, const std::vector<Text>* formers,
             const resolve::SpecFile* file) {
        all_.push_back({kind, schema, full(kind, schema, name.value), &name, formers, file});
    }

    void ask(const Named& named) {
        if (named.formers->empty()) return;
        RenameQuestion question;
        question.kind = named.kind;
        question.names.push_back(named.full);
        question.object = named.full;
        question.pos = named.formers->front().pos;
        for (const Text& former : *named.formers) {
            if (!check(named, former)) return;
            addName(question.formers, full(named.kind, named.schema, former.value));
        }
        questions_.push_back(std::move(question));
    }

    bool check(const Named& named, const Text& former) {
        std::string name = full(named.kind, named.schema, former.value);
        for (const Named& other : all_) {
            if (other.kind != named.kind) continue;
            bool taken = other.full == name;
            bool claimed = std::any_of(other.formers->begin(), other.formers->end(), [&](const Text& claim) {
                return &claim != &former && full(other.kind, other.schema, claim.value) == name;
            });
            if (!taken && !claimed) continue;
            if (taken && other.name == named.name)
                world_.report(*named.file, Code::S049, former.pos, former.value + " is the name that it has",
                              "write the name that it had before, or leave renamed_from out");
            else if (taken)
                world_.report(*named.file, Code::S049, former.pos,
                              named.full + " cannot come from " + name + ", which is in this text too",
                              "leave renamed_from out if " + name + " is another one; or take that away");
            else
                world_.report(*named.file, Code::S049, former.pos, "two, or one twice, would come from " + name,
                              "leave renamed_from out at one of them");
            return false;
        }
        return true;
    }

    // Where the rows of an entity shall be. If it comes from another schema, its actions do too.
    void place(const resolve::EntityInfo& entity) {
        std::string full = entity.home + "." + entity.name;
        std::vector<RenameQuestion> actions;
        for (RenameQuestion& question : questions_) {
            if (question.kind != RenameKind::entity || question.names.front() != full) continue;
            question.schema = entity.schema;
            question.table = entity.table;
            question.object = quoteName(entity.schema, entity.table);
            for (const Named& action : all_)
                if (action.kind == RenameKind::action && action.formers->empty() && ofEntity(entity, action))
                    addAction(question, entity, action, actions);
        }
        std::move(actions.begin(), actions.end(), std::back_inserter(questions_));
    }

    bool ofEntity(const resolve::EntityInfo& entity, const Named& action) const {
        return std::any_of(entity.spec->actions.begin(), entity.spec->actions.end(),
                           [&](const spec::Action& own) { return &own.name == action.name; });
    }

    static void addAction(const RenameQuestion& entity, const resolve::EntityInfo& info, const Named& action,
                          std::vector<RenameQuestion>& actions) {
        RenameQuestion question;
        question.kind = RenameKind::action;
        question.names.push_back(action.full);
        question.object = action.full;
        question.pos = action.name->pos;
        for (const std::string& former : entity.formers) {
            std::string schema = former.substr(0, former.rfind('.'));
            if (schema != info.home) addName(question.formers, schema + "." + action.name->value);
        }
        if (!question.formers.empty()) actions.push_back(std::move(question));
    }

    resolve::World& world_;
    std::vector<RenameQuestion>& questions_;
    std::vector<Named> all_;
};

// Calls `visit` with each step, also those inside of others.
template <typename Visit>
void eachStep(const std::vector<spec::Step>& steps, const Visit& visit) {
    for (const spec::Step& step : steps) {
        visit(step);
        eachStep(step.then, visit);
        eachStep(step.otherwise, visit);
        eachStep(step.onResponse, visit);
        eachStep(step.onFailure, visit);
    }
}

template <typename Visit>
void eachStep(const spec::Action& action, const Visit& visit) {
    for (const spec::Branch& branch : action.branches) {
        eachStep(branch.steps, visit);
        eachStep(branch.otherwise, visit);
    }
    eachStep(action.onTimeout, visit);
}

bool calls(const spec::Step& step, const RenameQuestion& question, const std::string& former) {
    if (question.kind == RenameKind::service)
        return (step.kind == spec::StepKind::callExternal && step.target.value == former) ||
               (step.kind == spec::StepKind::function && step.verb.value == former);
    bool function = step.kind == spec::StepKind::function || step.kind == spec::StepKind::call;
    std::string name = step.target.value;
    return function && (name == former || snakeCase(name) == snakeCase(former.substr(former.rfind('.') + 1)));
}

PlanStep stepOf(const RenameQuestion& question, ObjectKind kind, const std::string& detail) {
    PlanStep step;
    step.action = PlanAction::alter;
    step.detail = detail;
    step.places.push_back(question.pos);
    step.ofText = true;
    step.desired.kind = kind;
    step.desired.identity = question.object;
    step.desired.pos = question.pos;
    return step;
}

// The constraint goes and comes again, with the new word in the place of the old one: what else the spec changes of it
// is planned as ever.
PlanStep respell(const resolve::World& world, const RenameQuestion& question, const RenameAnswer& answer) {
    const std::string& value = question.names.front();
    PlanStep step = stepOf(question, ObjectKind::table,
                           "value " + value + " of " + question.column + " renamed from " + answer.former);
    std::string definition = answer.definition,
                was = quoteLiteral(answer.former) + "::", is = quoteLiteral(value) + "::";
    for (size_t at = definition.find(was); at != std::string::npos; at = definition.find(was, at + is.size()))
        definition.replace(at, was.size(), is);
    std::string alter = "ALTER TABLE " + question.object + " ";
    // A state under another name is no transition. What refuses those is made again with the new words.
    for (const resolve::EntityInfo& entity : world.entities)
        if (quoteName(entity.schema, entity.table) == question.object && entity.spec && entity.spec->states)
            step.sql.push_back("DROP TRIGGER IF EXISTS specql_state ON " + question.object + ";");
    step.sql.push_back(alter + "DROP CONSTRAINT " + answer.check + ";");
    step.sql.push_back("SELECT specql.respell_value(" + quoteLiteral(question.object) + ", " +
                       quoteLiteral(question.column) + ", " + quoteLiteral(answer.former) + ", " + quoteLiteral(value) +
                       ");");
    step.sql.push_back(alter + "ADD CONSTRAINT " + answer.check + " " + definition + ";");
    return step;
}

std::string call(const char* function, const std::string& former, const std::string& name) {
    return std::string("SELECT specql.") + function + "(" + quoteLiteral(former) + ", " + quoteLiteral(name) + ");";
}

void moveTable(const RenameQuestion& question, const RenameAnswer& answer, PlanStep& step) {
    if (answer.table.empty()) return;
    if (answer.table != question.table)
        step.sql.push_back("ALTER TABLE " + quoteName(answer.schema, answer.table) + " RENAME TO " +
                           quoteName(question.table) + ";");
    if (answer.schema == question.schema) return;
    step.sql.push_back("CREATE SCHEMA IF NOT EXISTS " + quoteName(question.schema) + ";");
    step.sql.push_back("ALTER TABLE " + quoteName(answer.schema, question.table) + " SET SCHEMA " +
                       quoteName(question.schema) + ";");
}

}  // namespace

std::vector<RenameQuestion> askOfRenames(resolve::World& world) {
    std::vector<RenameQuestion> questions;
    UnitRenames(world, questions).ask();
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.spec && entity.file->fresh) FieldRenames(world, entity, questions).ask();
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.spec && entity.file->fresh)
            for (const spec::Field& field : entity.spec->fields)
                askOfValues(world, entity, field, questions);
    return questions;
}

void reportFormerNames(resolve::World& world, const std::vector<RenameQuestion>& questions) {
    for (const RenameQuestion& question : questions)
        for (const std::string& former : question.formers) {
            if (question.kind != RenameKind::action && question.kind != RenameKind::service) continue;
            std::string does = question.kind == RenameKind::service ? "calls the service " : "calls the action ";
            for (const resolve::ActionInfo& action : world.actions) {
                if (action.file->fresh) continue;
                bool says = question.kind == RenameKind::action && action.name() == former;
                if (says) does = "declares ";
                eachStep(*action.spec, [&](const spec::Step& step) { says = says || calls(step, question, former); });
                if (says)
                    world.diagnostics().report(Code::P017, question.pos,
                                               "the installed " + action.file->label + " " + does + former +
                                                   ", which gets the name " + question.names.front(),
                                               "change it in the same text");
            }
        }
}

std::vector<PlanStep> rename(resolve::World& world, const RenameQuestion& question, const RenameAnswer& answer) {
    if (answer.former.empty()) return {};
    const std::string& name = question.names.front();
    if (!answer.name.empty()) {
        bool inTable = question.kind == RenameKind::column || question.kind == RenameKind::value;
        std::string where = inTable ? question.object + " has both " : "there are both ";
        world.diagnostics().report(
            Code::P016, question.pos, where + answer.name + " and " + answer.former + ", which it would come from",
            "drop the one that is not needed; or leave renamed_from out, and both are what they are");
        return {};
    }
    switch (question.kind) {
        case RenameKind::column: {
            PlanStep step = stepOf(question, ObjectKind::table, name + " renamed from " + answer.former);
            step.sql.push_back("ALTER TABLE " + question.object + " RENAME COLUMN " + quoteName(answer.former) +
                               " TO " + quoteName(name) + ";");
            return {step};
        }
        case RenameKind::action: {
            PlanStep step = stepOf(question, ObjectKind::registration, "renamed from " + answer.former);
            step.sql.push_back(call("rename_action", answer.former, name));
            return {step};
        }
        case RenameKind::service: {
            PlanStep step = stepOf(question, ObjectKind::service, "renamed from " + answer.former);
            step.sql.push_back(call("rename_service", answer.former, name));
            return {step};
        }
        case RenameKind::value: return {respell(world, question, answer)};
        case RenameKind::entity: break;
    }
    PlanStep step = stepOf(question, ObjectKind::table, name + " renamed from " + answer.former);
    moveTable(question, answer, step);
    step.sql.push_back(call("rename_entity", answer.former, name));
    return {step};
}

}  // namespace specql::plan
