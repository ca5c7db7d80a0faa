#include "resolve/steps_check.hpp"

#include <algorithm>
#include <functional>

#include "resolve/request_keys.hpp"
#include "spec/condition.hpp"
#include "spec/happenings.hpp"
#include "text/ascii.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

class StepCheck {
public:
    StepCheck(World& world, const Resolver& resolver) : world_(world), resolver_(resolver) {
        for (const Unit& unit : world_.units) {
            if (unit.kind != "service") continue;
            for (const spec::Service& service : unit.file->spec.services)
                if (service.name.value == unit.name) services_[unit.name] = {&service, unit.file};
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
                for (const std::vector<ResolvedStep>* steps : {&branch.steps, &branch.otherwise}) {
                    guarded_ = tellsEvents(branch.condition);
                    check(*steps);
                }
            }
        }
    }

private:
    static bool delivers(const std::vector<ResolvedStep>& steps) {
        return std::any_of(steps.begin(), steps.end(), [](const ResolvedStep& step) {
            switch (step.spec->kind) {
                case spec::StepKind::callExternal:
                case spec::StepKind::notify:
                case spec::StepKind::escalate:
                case spec::StepKind::function:
                case spec::StepKind::call: return true;
                default: return delivers(step.then) || delivers(step.otherwise);
            }
        });
    }

    void check(const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            // What follows `if: new.x IS NULL`, `then: return` is guarded as well.
            guarded_ = guarded_ || (step.spec->kind == spec::StepKind::branch && tellsEvents(step.condition));
            const bool before = waits_;
            waits_ = waits_ || step.spec->kind == spec::StepKind::stage;
            check(step.then);
            check(step.otherwise);
            waits_ = before;
            // An action of several tables has its steps several times.
            if (!seen_.insert(step.spec).second) continue;
            checkJson(step);
            switch (step.spec->kind) {
                case spec::StepKind::insert:
                case spec::StepKind::append:
                case spec::StepKind::create:
                case spec::StepKind::upsert:
                    if (step.target) checkInsert(step);
                    if (step.target && step.spec->kind == spec::StepKind::upsert) checkLog(step);
                    break;
                case spec::StepKind::update:
                case spec::StepKind::remove:
                    if (step.target) checkRows(step);
                    break;
                case spec::StepKind::emit: checkHeard(*step.spec); break;
                case spec::StepKind::callExternal:
                    checkService(step.spec->target, step.spec->message);
                    checkKeys(*step.spec);
                    break;
                case spec::StepKind::function:
                case spec::StepKind::call:
                    if (step.call == CallKind::queued) checkQueued(*step.spec);
                    break;
                case spec::StepKind::validate: checkMissingRow(step.condition); [[fallthrough]];
                case spec::StepKind::find:
                case spec::StepKind::notify:
                case spec::StepKind::escalate: checkMessage(*step.spec); break;
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
        if (column.generated || !column.identity.empty() || !column.defaultSql.empty() ||
            (column.field && column.field->defaultValue) || isGivenKey(entity, column))
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
        // Rows that were deleted are inserted as they were.
        if (step.ofStage) return;
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
        world_.report(file, Code::R123, step.spec->target.pos,
                      step.spec->verb.value + " leaves out " + join(missing, ", ") + " of " + entity.name + ": " +
                          (missing.size() == 1 ? "it is" : "they are") + " required and " +
                          (missing.size() == 1 ? "has" : "have") + " no default",
                      hint);
    }

    // A text in JSON has quotes of its own, and keeps them in a column of texts.
    void checkJson(const ResolvedStep& step) {
        for (const BoundAssignment& assignment : step.set) {
            const ColumnInfo* column = step.target ? step.target->column(assignment.column) : nullptr;
            const BoundExpression& bound = assignment.value;
            if (!column || !bound || !isText(column->type)) continue;
            const ExpressionFacts& facts = world_.facts(bound.expression);
            if (!facts.ok || bound.values.size() != facts.names.size()) continue;
            for (int name : facts.results) {
                const Value& value = bound.values[static_cast<size_t>(name)];
                if (value.kind != ValueKind::local || value.type != "jsonb") continue;
                const NameUse& use = facts.names[static_cast<size_t>(name)];
                reportJson(bound, use.offset, value.name, column->name,
                           "write " + value.name + " ->> 'key' for a value in it, or \"" + value.name +
                               " #>> '{}'\" for the whole, in double quotes: a # begins a comment in YAML");
            }
            bool ofJson = std::any_of(bound.values.begin(), bound.values.end(), [](const Value& value) {
                return startsWith(value.type, "json") || value.kind == ValueKind::payload;
            });
            if (facts.isJsonPart && ofJson)
                reportJson(bound, 0, world_.expressionText(bound.expression), column->name,
                           "->> and #>> give the text, -> and #> what stays JSON");
        }
    }

    static bool isText(const std::string& type) { return type == "text" || startsWith(type, "character"); }

    void reportJson(const BoundExpression& bound, size_t offset, const std::string& shown, const std::string& column,
                    const std::string& hint) {
        world_.report(*action_->info->file, Code::R132, world_.locate(bound.expression, offset),
                      commentText(shown) + " is JSON: a text in it would keep its quotes in " + column, hint);
    }

    // --- which rows ------------------------------------------------------------------------------------------------

    void checkLog(const ResolvedStep& step) {
        bool remove = step.spec->kind == spec::StepKind::remove;
        if (step.target->appendOnly)
            world_.report(*action_->info->file, Code::R136, step.spec->target.pos,
                          std::string(remove ? "deletions" : "updates") + " of " + step.target->name +
                              " are refused: a step appends to it, which makes it an append-only log",
                          "write insert: in place of append:, or leave this step out");
    }

    void checkRows(const ResolvedStep& step) {
        const EntityInfo& entity = *step.target;
        const SpecFile& file = *action_->info->file;
        checkLog(step);
        // Old rows may well be cleared away at any event; a condition without a function or the time names other rows.
        const BoundExpression& where = step.where;
        bool single = step.ownRow || step.byContext >= 0 || step.rowKey || step.limit;
        const ActionInfo& info = *action_->info;
        const bool ofRow = info.spec->ofRow && info.home;
        const EntityInfo* about = ofRow ? info.home : action_->binding.custom ? nullptr : action_->binding.entity;
        if (!where || single || &entity != about) return;
        const ExpressionFacts& facts = world_.facts(where.expression);
        bool ofTarget = std::all_of(where.values.begin(), where.values.end(),
                                    [](const Value& value) { return value.kind == ValueKind::target; });
        if (!facts.ok || facts.names.empty() || where.values.size() != facts.names.size() || !ofTarget ||
            !facts.calls.empty() || !facts.sqlValues.empty())
            return;
        std::string own = entity.key.empty() ? "" : " AND " + quoteName(entity.key) + " = ";
        if (!own.empty()) own += ofRow ? quoteName(entity.word + "_id") : "new." + quoteName(entity.key);
        world_.report(file, Code::R135, world_.locate(where.expression, 0),
                      "every " + entity.name + " for which this holds is meant, not the event's alone",
                      own.empty()
                          ? "a condition of the event's row goes into the step's if:"
                          : "for the event's alone add" + own + ", or put the condition into if: without WHERE");
    }

    // --- rows that some of the events have not ---------------------------------------------------------------------

    // A condition that may tell deletions and insertions from other events.
    static bool tellsEvents(const BoundExpression& bound) {
        return std::any_of(bound.values.begin(), bound.values.end(), [](const Value& value) {
            bool ofOneRow = value.kind == ValueKind::eventColumn && (value.old || value.strict);
            return ofOneRow || value.kind == ValueKind::eventRow || value.kind == ValueKind::eventChange ||
                   value.kind == ValueKind::meta;
        });
    }

    void checkMissingRow(const BoundExpression& bound) {
        const Binding& binding = action_->binding;
        bool oneEvent = binding.ops == opInsert || binding.ops == opDelete;
        if (guarded_ || !binding.hasRow() || oneEvent || !bound) return;
        const std::vector<NameUse>& names = world_.facts(bound.expression).names;
        const std::string& text = world_.expressionText(bound.expression);
        for (const spec::Atom& atom : spec::readCondition(text).atoms) {
            std::string said = text.substr(atom.begin, atom.end - atom.begin);
            spec::Bound low, high;
            spec::Choice choice;
            if (!atom.conjunct ||
                !(spec::readBound(said, low) || spec::readBetween(said, low, high) || spec::readChoice(said, choice)))
                continue;
            for (size_t i = 0; i < bound.values.size(); i++) {
                const Value& value = bound.values[i];
                if (names[i].offset < atom.begin || names[i].offset >= atom.end) continue;
                bool gone = value.strict && (binding.ops & opDelete), added = value.old && (binding.ops & opInsert);
                if (value.kind != ValueKind::eventColumn || (!gone && !added)) continue;
                std::string others = "listen to other events alone: on: update " + binding.entity->name;
                if (gone)
                    others = "write " + quoteName(value.name) + ", which is of the row there is, or " + others +
                             ", on: insert " + binding.entity->name;
                world_.report(*action_->info->file, Code::R117, world_.locate(bound.expression, names[i].offset),
                              join(names[i].parts, ".") + " is NULL when a row is " + (gone ? "deleted" : "inserted") +
                                  ", so this fails then",
                              others);
                return;
            }
        }
    }

    // --- events ----------------------------------------------------------------------------------------------------

    // stock_created is raised by an emit:, and waited for as an insertion of a stock.
    void checkHeard(const spec::Step& step) {
        const std::string& event = step.target.value;
        if (spec::isOfEngine(event)) {
            world_.report(*action_->info->file, Code::S331, step.target.pos, "only specql raises " + event,
                          "emit an event of your own");
            return;
        }
        const ResolvedAction* deaf = nullptr;
        for (const ResolvedAction& other : resolver_.actions) {
            if (other.window) continue;
            if (other.binding.custom && other.binding.event == event) return;
            const spec::Action& spec = *other.info->spec;
            bool named = other.isFeed() ? other.source == event : !spec.on && spec.trigger.value == event;
            if (named && !deaf) deaf = &other;
        }
        if (deaf)
            world_.report(*action_->info->file, Code::R133, step.target.pos,
                          deaf->info->name() + " does not hear this: its " + event + " is " + deaf->binding.shown(),
                          deaf->isFeed() ? "give the event another name"
                                         : "write on: event " + event + " there, or give the event another name");
    }

    // --- services --------------------------------------------------------------------------------------------------

    // False: nothing was said, and the service is not known.
    bool checkService(const Text& service, const Text& operation) {
        const SpecFile& file = *action_->info->file;
        auto found = services_.find(service.value);
        if (found == services_.end()) {
            std::string near = nearest(service.value, serviceNames_);
            if (waits_) {
                world_.report(
                    file, Code::R354, service.pos,
                    "no service " + service.value + " is declared, and a process waits for its answer",
                    near.empty() ? "declare it: 'service: " + service.value + "'" : "did you mean " + near + "?");
                return true;
            }
            if (!near.empty())
                world_.report(
                    file, Code::R124, service.pos, "no service " + service.value + " is declared",
                    "did you mean " + near + "? A call of a service that nobody declared waits for specql.take");
            return !near.empty();
        }
        std::vector<std::string> operations;
        for (const spec::Operation& declared : found->second.spec->operations) {
            if (declared.name.value == operation.value) return true;
            operations.push_back(declared.name.value);
        }
        if (operations.empty()) return true;
        std::string near = nearest(operation.value, operations);
        world_.report(file, waits_ ? Code::R355 : Code::R125, operation.pos,
                      "the service " + service.value + " declares no operation " + operation.value,
                      near.empty() ? "its operations are " + join(operations, ", ") : "did you mean " + near + "?");
        return true;
    }

    // What the operation fills in must be in the payload, where that is known.
    void checkKeys(const spec::Step& step) {
        const Binding& binding = action_->binding;
        auto found = services_.find(step.target.value);
        bool isRow = binding.entity && binding.hasRow() && !action_->window && !isFunction(*action_->info);
        if (found == services_.end() || (!step.ownPayload && !isRow)) return;
        PayloadShape payload = step.ownPayload ? shapeOf(step.set, action_->info->name()) : shapeOf(*binding.entity);
        if (isRow) payload.subject = binding.entity->table + "_id";
        const SpecFile& file = *found->second.file;
        const SpecFile& caller = *action_->info->file;
        for (const spec::Operation& operation : found->second.spec->operations)
            if (operation.name.value == step.message.value)
                checkRequestKeys(world_, file, operation, payload, caller, step.message);
        checkCoalesceKey(world_, file, *found->second.spec, payload, caller, step.message);
    }

    // A call that no function and no action answers is one of a service, if that is what was meant.
    void checkQueued(const spec::Step& step) {
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
            if (isFunction(action)) callable.push_back(action.spec->name.value);
        std::string near = nearest(name, callable);
        if (near.empty() && checkService(step.verb, operation)) return;
        world_.report(file, Code::R039, step.target.pos,
                      "no action or function " + name + " yet: calls are queued for the service " + step.verb.value,
                      near.empty() ? "create " + action_->info->schema + "." + name + ", or leave it to the service"
                                   : "did you mean " + near + "?");
    }

    // --- messages --------------------------------------------------------------------------------------------------

    // Elsewhere `{{order_id}}` is filled in. Here `{{` is a brace.
    void checkMessage(const spec::Step& step) {
        const std::string& text = step.message.value;
        for (size_t open = text.find("{{"); open != std::string::npos; open = text.find("{{", open + 2)) {
            size_t end = open + 2;
            while (end < text.size() && (isNamePart(text[end]) || text[end] == '.' || text[end] == ' '))
                ++end;
            if (end == open + 2 || text.compare(end, 2, "}}") != 0 || text[open + 2] == '{') continue;
            std::string name = text.substr(open + 2, end - open - 2);
            world_.report(*action_->info->file, Code::R126, action_->info->file->source.locate(step.message, open),
                          "{{" + name + "}} goes out as {" + name + "}: two braces are one, and nothing is filled in",
                          "for the value write {" + name + "}");
            return;
        }
    }

    World& world_;
    const Resolver& resolver_;
    const ResolvedAction* action_ = nullptr;
    bool delivers_ = false;
    bool waits_ = false;    // of a process, whose calls are waited for
    bool guarded_ = false;  // some condition before tells which of its events an action sees
    struct DeclaredService {
        const spec::Service* spec;
        const SpecFile* file;
    };
    std::map<std::string, DeclaredService> services_;
    std::vector<std::string> serviceNames_;
    std::set<const spec::Step*> seen_;
};

}  // namespace

void checkIdempotencyKeys(World& world, const Resolver& resolver) {
    std::function<void(const std::vector<ResolvedStep>&)> check = [&](const std::vector<ResolvedStep>& steps) {
        for (const ResolvedStep& step : steps) {
            const BoundExpression& key = step.idempotencyKey;
            if (key.request >= 0 && resolver.results()[static_cast<size_t>(key.request)].isVolatile)
                world.report(world.fileOf(key.expression), Code::R185, world.locate(key.expression, 0),
                             "the idempotency key " + world.expressionText(key.expression) +
                                 " has another value each time it is asked for",
                             "take it from the event, for example idempotency_key: \"event_id\"");
            check(step.then);
            check(step.otherwise);
        }
    };
    for (const ResolvedAction& action : resolver.actions) {
        for (const ResolvedBranch& branch : action.branches) {
            check(branch.steps);
            check(branch.otherwise);
        }
    }
}

void checkSteps(World& world, const Resolver& resolver) {
    StepCheck(world, resolver).run();
}

}  // namespace specql::resolve
