#include "resolve/process.hpp"

#include <algorithm>

#include "resolve/privacy.hpp"
#include "spec/context.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

namespace {

bool writesRows(const ResolvedStep& step) {
    const spec::StepKind kind = step.spec->kind;
    return step.target && (kind == spec::StepKind::insert || kind == spec::StepKind::update ||
                           kind == spec::StepKind::remove || kind == spec::StepKind::upsert);
}

// Is it a part of the other, or of a part of it?
bool isWithin(const std::vector<spec::Step>& stages, int part, int whole) {
    for (; part > 0; part = stages[static_cast<size_t>(part - 1)].stage->parent)
        if (part == whole) return true;
    return false;
}

// Parts of one parallel step that are not one in the other.
bool isBeside(const std::vector<spec::Step>& stages, size_t first, size_t second) {
    for (int group = stages[second].stage->parent; group > 0;
         group = stages[static_cast<size_t>(group - 1)].stage->parent)
        if (isWithin(stages, static_cast<int>(first) + 1, group)) return static_cast<int>(first) + 1 != group;
    return false;
}

}  // namespace

bool givesAnswer(const spec::Stage& stage) {
    return stage.kind == spec::StageKind::call || stage.kind == spec::StageKind::waitFor ||
           stage.kind == spec::StageKind::ask;
}

const ResolvedStep* writtenBy(const ResolvedStep& stage) {
    for (auto step = stage.then.rbegin(); step != stage.then.rend(); ++step)
        if (writesRows(*step)) return &*step;
    return nullptr;
}

std::vector<ResolvedStep> ProcessBinder::bind(const std::vector<spec::Step>& stages) {
    bindRecord();
    std::vector<ResolvedStep> resolved;
    for (size_t place = 0; place < stages.size(); place++) {
        resolved.push_back(bindStage(stages[place], place, scopeAt(stages, place)));
        const ResolvedStep* written = writtenBy(resolved.back());
        written_.push_back(written ? written->target : nullptr);
    }
    checkParameters(resolved);
    if (result_.record)
        for (const std::string& key : result_.payloadOrder)
            refuseParameter(*result_.record, result_.record->columnOf(key), action_.spec->name.pos);
    return resolved;
}

void ProcessBinder::bindRecord() {
    if (!action_.spec->process->isSaga || !action_.home) return;
    for (EntityInfo& entity : world_.entities)
        if (&entity == action_.home) result_.record = &entity;
    const ColumnInfo* key = result_.record->column(result_.record->key);
    if (!key || key->type != "uuid") {
        world_.report(*action_.file, Code::R353, action_.spec->name.pos,
                      result_.record->shown() + " cannot tell of a saga: its rows have no key of the type uuid",
                      hintOf(Code::R353));
        result_.record = nullptr;
        return;
    }
    for (const spec::Param& param : action_.spec->params)
        event_.notePayload(param.name.value);
    for (const ColumnInfo& column : result_.record->columns) {
        if (!column.type.empty()) (void)types_.give(column.name, column.type);
        const bool hasDefault = !column.defaultSql.empty() || (column.field && column.field->defaultValue);
        const bool isTold = column.name == "status" || column.name == "saga_state" || column.name == "completed_at";
        if (column.notNull && !hasDefault && !column.generated && column.identity.empty() &&
            column.name != result_.record->key && !isTold)
            event_.notePayload(event_.keyInPayload(column.name));
    }
}

Scope ProcessBinder::scopeAt(const std::vector<spec::Step>& stages, size_t place) const {
    Scope scope;
    for (size_t other = 0; other < stages.size(); other++) {
        StageName name;
        name.name = stages[other].label.value;
        name.stage = static_cast<int>(other);
        if (other != place && isBeside(stages, other, place))
            name.when = StageName::When::beside;
        else if (other >= place)
            name.when = StageName::When::later;
        if (other == place || name.name.empty()) continue;
        const bool isBefore = other < written_.size();
        name.entity = isBefore ? written_[other] : nullptr;
        scope.stages.push_back(name);
        const bool makes = !stages[other].then.empty() && stages[other].then.back().kind == spec::StepKind::insert;
        if (!name.entity || !makes || name.when != StageName::When::before) continue;
        name.isOfEntity = true;
        scope.stages.push_back(name);
    }
    return scope;
}

std::vector<ResolvedStep> ProcessBinder::bindDoes(const std::vector<spec::Step>& steps, Scope scope) {
    std::vector<ResolvedStep> bound = steps_.bindSteps(steps, scope);
    for (ResolvedStep& step : bound) {
        const bool hasTests = step.spec->kind == spec::StepKind::update || step.spec->kind == spec::StepKind::remove;
        if (!hasTests || !step.target) continue;
        // What must hold of the rows that are written.
        for (const spec::Step& test : step.spec->then) {
            const Scope rows = StepBinder::scopeOfRows(step, scope);
            ResolvedStep check;
            check.spec = &test;
            check.condition = expressions_.bind(test.condition, "boolean", rows);
            check.messageValues = steps_.bindTemplate(test.messageParts, scope);
            step.then.push_back(std::move(check));
        }
    }
    return bound;
}

ResolvedStep ProcessBinder::bindStage(const spec::Step& stage, size_t place, const Scope& scope) {
    ResolvedStep resolved;
    resolved.spec = &stage;
    resolved.condition = expressions_.bind(stage.condition, "boolean", scope);
    const char* type = stage.stage->kind == spec::StageKind::waitUntilTrue ? "boolean"
                       : stage.stage->kind == spec::StageKind::wait        ? "timestamp with time zone"
                                                                           : "";
    for (spec::ExpressionRef arg : stage.args)
        resolved.args.push_back(expressions_.bind(arg, type, scope));
    resolved.targetValues = steps_.bindTemplate(stage.targetParts, scope);
    resolved.messageValues = steps_.bindTemplate(stage.messageParts, scope);
    resolved.then = bindDoes(stage.then, scope);
    if (stage.otherwise.empty()) return resolved;
    Scope undo = scope;
    undo.stage = static_cast<int>(place);
    StageName own;
    own.name = stage.label.value;
    own.stage = undo.stage;
    if (const ResolvedStep* written = writtenBy(resolved)) {
        undo.stageEntity = written->target;
        own.entity = written->target;
    }
    undo.stages.push_back(own);
    if (own.entity && stage.then.back().kind == spec::StepKind::insert) {
        own.isOfEntity = true;
        // The row that this step made is nearer than one that another did.
        undo.stages.erase(
            std::remove_if(undo.stages.begin(), undo.stages.end(),
                           [&](const StageName& known) { return known.isOfEntity && known.entity == own.entity; }),
            undo.stages.end());
        undo.stages.push_back(own);
    }
    resolved.otherwise = bindDoes(stage.otherwise, undo);
    checkUndone(resolved);
    return resolved;
}

void ProcessBinder::refuseParameter(const EntityInfo& entity, const ColumnInfo* column, Pos pos) {
    if (!column || !isPrivate(*column)) return;
    world_.report(*action_.file, Code::R358, pos,
                  entity.name + "." + column->name + " is private, and parameters are kept with the process",
                  hintOf(Code::R358));
}

void ProcessBinder::checkParameters(const std::vector<ResolvedStep>& steps) {
    for (const ResolvedStep& step : steps) {
        for (const BoundAssignment& set : step.set)
            for (const Value& value : set.value.values)
                if (step.target && value.kind == ValueKind::payload)
                    refuseParameter(*step.target, step.target->column(set.column),
                                    world_.locate(set.value.expression, 0));
        checkParameters(step.then);
        checkParameters(step.otherwise);
    }
}

// Rows that are found again by what the step kept of them have a key; and what is private is not kept.
void ProcessBinder::checkUndone(const ResolvedStep& stage) {
    auto refuse = [&](const EntityInfo& entity, const std::string& column, Pos pos) {
        const ColumnInfo* kept = entity.column(column);
        if (!kept || !isPrivate(*kept)) return;
        world_.report(*action_.file, Code::R357, pos,
                      entity.name + "." + column +
                          " is private, and would be kept with the process, to undo the step " +
                          stage.spec->label.value,
                      hintOf(Code::R357));
    };
    for (const ResolvedStep& undo : stage.otherwise) {
        for (const BoundAssignment& set : undo.set)
            for (size_t i = 0; i < set.value.values.size(); i++) {
                const Value& value = set.value.values[i];
                const Pos pos = world_.locate(set.value.expression, world_.facts(set.value.expression).names[i].offset);
                if (value.kind == ValueKind::context)
                    refuse(*result_.contexts[static_cast<size_t>(value.context)].entity, value.name, pos);
                if (value.kind == ValueKind::target && undo.ofStage && value.name != set.column)
                    refuse(*undo.target, value.name, pos);
            }
        if (undo.ofStage && undo.spec->kind == spec::StepKind::insert)
            for (const ColumnInfo& column : undo.target->columns)
                refuse(*undo.target, column.name, undo.spec->pos);
        if (!undo.ofStage || undo.spec->kind == spec::StepKind::insert || !undo.target->key.empty()) continue;
        world_.report(*action_.file, Code::R356, undo.spec->pos,
                      "nothing tells the rows of " + undo.target->shown() + " apart that the step " +
                          stage.spec->label.value + " wrote",
                      hintOf(Code::R356));
    }
}

}  // namespace specql::resolve
