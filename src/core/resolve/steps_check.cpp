#include "resolve/steps_check.hpp"

#include <algorithm>

#include "emit/quote.hpp"
#include "source/ascii.hpp"
#include "spec/sql_text.hpp"

namespace specql {

namespace {

class StepCheck {
public:
    StepCheck(World& world, const Resolver& resolver) : world_(world), resolver_(resolver) {
        for (const Unit& unit : world_.units) {
            if (unit.kind != "service") continue;
            for (const Service& service : unit.file->spec.services)
                if (service.name.value == unit.name) services_[unit.name] = &service;
        }
        for (const auto& service : services_)
            serviceNames_.push_back(service.first);
    }

    void run() {
        for (const ResolvedAction& action : resolver_.actions) {
            if (action.isFeed()) continue;
            action_ = &action;
            delivers_ = std::any_of(action.branches.begin(), action.branches.end(), [](const ResolvedBranch& branch) {
                return delivers(branch.steps) || delivers(branch.otherwise);
            });
            for (const ResolvedBranch& branch : action.branches) {
                check(branch.steps);
                check(branch.otherwise);
            }
        }
    }

private:
    static bool delivers(const std::vector<ResolvedStep>& steps) {
        return std::any_of(steps.begin(), steps.end(), [](const ResolvedStep& step) {
            switch (step.spec->kind) {
                case StepKind::callExternal:
                case StepKind::notify:
                case StepKind::escalate:
                case StepKind::function:
                case StepKind::call: return true;
                default: return delivers(step.then) || delivers(step.otherwise);
            }
        });
    }

    void check(const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            check(step.then);
            check(step.otherwise);
            // An action of several tables has its steps several times.
            if (!seen_.insert(step.spec).second) continue;
            switch (step.spec->kind) {
                case StepKind::insert:
                case StepKind::append:
                case StepKind::create:
                    if (step.target) checkInsert(step);
                    break;
                case StepKind::callExternal: checkService(step.spec->target, step.spec->message); break;
                case StepKind::function:
                case StepKind::call:
                    if (step.call == CallKind::queued) checkQueued(*step.spec);
                    break;
                case StepKind::notify:
                case StepKind::escalate:
                case StepKind::validate: checkMessage(step.spec->message); break;
                default: break;
            }
        }
    }

    // --- what a row must have --------------------------------------------------------------------------------------

    // The row's key comes from the event, or from its default.
    bool isGivenKey(const EntityInfo& entity, const ColumnInfo& column) const {
        return column.name == entity.key && column.type == "uuid" && (!column.field || delivers_);
    }

    bool mustBeGiven(const EntityInfo& entity, const ColumnInfo& column) const {
        if (column.generated || !column.defaultSql.empty() || (column.field && column.field->defaultValue) ||
            isGivenKey(entity, column))
            return false;
        const ColumnView* there = entity.present ? entity.present->column(column.name) : nullptr;
        if (!there) return column.notNull;
        // What a declared field of a table of ours was before, it need not be now.
        bool staysRequired = there->notNull && (isAdopted(entity) || !column.field);
        return (column.notNull || staysRequired) && !there->hasDefault;
    }

    static bool isAdopted(const EntityInfo& entity) { return entity.present && !entity.present->owned; }

    void checkInsert(const ResolvedStep& step) {
        const EntityInfo& entity = *step.target;
        const SpecFile& file = *action_->info->file;
        bool changed = file.fresh || (entity.file && entity.file->fresh);
        if (!changed || entity.impliedByStep || (entity.present && entity.present->fillsRows)) return;
        auto isSet = [&](const std::string& column) {
            return std::any_of(step.set.begin(), step.set.end(),
                               [&](const BoundAssignment& set) { return set.column == column; });
        };
        std::vector<std::string> missing, lines, unknown;
        for (const ColumnInfo& column : entity.columns) {
            if (isSet(column.name) || !mustBeGiven(entity, column)) continue;
            missing.push_back(column.name);
            lines.push_back(column.name + " = …");
        }
        // Columns of a table that was there before, which its entity does not declare.
        if (isAdopted(entity))
            for (const ColumnView& column : entity.present->columns) {
                if (entity.column(column.name) || !column.notNull || column.hasDefault || column.generated) continue;
                missing.push_back(column.name);
                unknown.push_back(column.name);
            }
        if (missing.empty()) return;
        std::string hint = lines.empty() ? "" : (step.set.empty() ? "add SET " : "add ") + join(lines, ", ");
        if (!unknown.empty())
            hint += (hint.empty() ? "" : "; ") + std::string("declare ") + join(unknown, ", ") + " as a field of " +
                    entity.name + " to set it";
        world_.error(file, "SPQL-R123", step.spec->target.pos,
                     step.spec->verb.value + " leaves out " + join(missing, ", ") + " of " + entity.name + ": " +
                         (missing.size() == 1 ? "it is" : "they are") + " required and " +
                         (missing.size() == 1 ? "has" : "have") + " no default",
                     hint);
    }

    // --- services --------------------------------------------------------------------------------------------------

    // False: nothing was said, and the service is not known.
    bool checkService(const Text& service, const Text& operation) {
        const SpecFile& file = *action_->info->file;
        auto found = services_.find(service.value);
        if (found == services_.end()) {
            std::string near = nearest(service.value, serviceNames_);
            if (!near.empty())
                world_.warning(
                    file, "SPQL-R124", service.pos, "no service " + service.value + " is declared",
                    "did you mean " + near + "? A call of a service that nobody declared waits for specql.take");
            return !near.empty();
        }
        std::vector<std::string> operations;
        for (const Operation& declared : found->second->operations) {
            if (declared.name.value == operation.value) return true;
            operations.push_back(declared.name.value);
        }
        if (operations.empty()) return true;
        std::string near = nearest(operation.value, operations);
        world_.warning(file, "SPQL-R125", operation.pos,
                       "the service " + service.value + " declares no operation " + operation.value,
                       near.empty() ? "its operations are " + join(operations, ", ") : "did you mean " + near + "?");
        return true;
    }

    // A call that no function and no action answers is one of a service, if that is what was meant.
    void checkQueued(const Step& step) {
        const SpecFile& file = *action_->info->file;
        std::string name = step.target.value.substr(step.target.value.rfind('.') + 1);
        Text operation = step.target;
        operation.value = name;
        if (services_.count(step.verb.value)) {
            checkService(step.verb, operation);
            return;
        }
        std::vector<std::string> callable = world_.catalog().callable;
        for (const ActionInfo& action : world_.actions)
            if (isBulk(action)) callable.push_back(action.spec->name.value);
        std::string near = nearest(name, callable);
        if (near.empty() && checkService(step.verb, operation)) return;
        world_.warning(file, "SPQL-R039", step.target.pos,
                       "no action or function " + name + " yet: calls are queued for the service " + step.verb.value,
                       near.empty() ? "create " + action_->info->schema + "." + name + ", or leave it to the service"
                                    : "did you mean " + near + "?");
    }

    // --- messages --------------------------------------------------------------------------------------------------

    // `{order_id}` looks as if it were filled in.
    void checkMessage(const Text& message) {
        const std::string& text = message.value;
        for (size_t open = text.find('{'); open != std::string::npos; open = text.find('{', open + 1)) {
            size_t end = open + 1;
            while (end < text.size() && (isNamePart(text[end]) || text[end] == '.'))
                ++end;
            if (end == open + 1 || end == text.size() || text[end] != '}' || !isNameStart(text[open + 1])) continue;
            std::string braces = text.substr(open, end + 1 - open);
            world_.warning(*action_->info->file, "SPQL-R126", action_->info->file->source.locate(message, open),
                           braces + " stands in the message as it is: a message is a fixed text",
                           "the values are in the event's data, which goes out with the message");
            return;
        }
    }

    World& world_;
    const Resolver& resolver_;
    const ResolvedAction* action_ = nullptr;
    bool delivers_ = false;
    std::map<std::string, const Service*> services_;
    std::vector<std::string> serviceNames_;
    std::set<const Step*> seen_;
};

}  // namespace

void checkSteps(World& world, const Resolver& resolver) {
    StepCheck(world, resolver).run();
}

}  // namespace specql
