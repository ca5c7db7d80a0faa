#include "compiler.hpp"

#include <new>
#include <set>

#include "emit/emit.hpp"
#include "emit/picture.hpp"
#include "emit/process.hpp"
#include "emit/sentences.hpp"
#include "emit/window.hpp"
#include "plan/moved.hpp"
#include "plan/plan.hpp"
#include "plan/renames.hpp"
#include "resolve/contradiction.hpp"
#include "resolve/graph.hpp"
#include "resolve/order.hpp"
#include "resolve/privacy.hpp"
#include "resolve/references.hpp"
#include "resolve/resolver.hpp"
#include "resolve/steps_check.hpp"
#include "resolve/values.hpp"
#include "spec/read.hpp"
#include "text/sql_text.hpp"
#include "yaml/characters.hpp"

namespace specql {

struct Compiler::State {
    Diagnostics diagnostics;
    resolve::World world{diagnostics};
    std::unique_ptr<resolve::Resolver> resolver;
    const resolve::SpecFile* fresh = nullptr;
    std::vector<RenameQuestion> renames;
    std::vector<std::string> typeTexts, tableNames, functionNames;
    std::vector<AnalysisRequest> noRequests;
    std::vector<Object> all, own;
    std::vector<InstalledUnit> units;
    std::vector<TableQuestion> questions;
    std::vector<PlanStep> steps;
    std::vector<Explanation> explanations;
    std::vector<WindowHistory> windows;
    Source noSource{""};
};

namespace {

template <typename Work>
Compiler::Outcome guarded(Work work) noexcept {
    try {
        work();
        return Compiler::Outcome::ok;
    } catch (const yaml::Interrupted&) {
        return Compiler::Outcome::interrupted;
    } catch (const std::bad_alloc&) {
        return Compiler::Outcome::outOfMemory;
    } catch (...) {
        return Compiler::Outcome::internalError;
    }
}

// Names that the catalog should be searched for, without duplicates.
class Names {
public:
    void add(const std::string& name) {
        if (!name.empty()) names_.insert(name);
    }
    // "schema.Name" or "Name": the table it would be.
    void addTable(const std::string& name) { add(snakeCase(name.substr(name.rfind('.') + 1))); }
    std::vector<std::string> list() const { return {names_.begin(), names_.end()}; }

private:
    std::set<std::string> names_;
};

void collectSteps(const std::vector<spec::Step>& steps, Names& tables, Names& functions) {
    for (const spec::Step& step : steps) {
        switch (step.kind) {
            case spec::StepKind::function:
            case spec::StepKind::call: functions.add(step.target.value.substr(step.target.value.rfind('.') + 1)); break;
            case spec::StepKind::callExternal:
            case spec::StepKind::notify:
            case spec::StepKind::escalate:
            case spec::StepKind::emit: break;
            default: tables.addTable(step.target.value);
        }
        collectSteps(step.then, tables, functions);
        collectSteps(step.otherwise, tables, functions);
        collectSteps(step.onResponse, tables, functions);
        collectSteps(step.onFailure, tables, functions);
    }
}

// A trigger may name a table that no spec declares: order_item_created.
void collectTrigger(const std::string& trigger, Names& tables) {
    for (const char* suffix : {"_created", "_inserted", "_updated", "_deleted"}) {
        size_t length = std::string(suffix).size();
        if (trigger.size() > length && trigger.compare(trigger.size() - length, length, suffix) == 0)
            tables.add(trigger.substr(0, trigger.size() - length));
    }
}

// The functions of an action, of one source of a window, or of one of several tables.
void collectGenerated(const std::string& base, Names& functions) {
    functions.add("trigger_" + base + "_events");
    functions.add("handle_" + base + "_events");
    functions.add("before_" + base);
    functions.add(base + "_capture");
    functions.add(base + "_rows");
    functions.add(base + "_processed");
}

// The same, and for a name that may stand for several tables those of each.
void collectGenerated(const resolve::World& world, const std::string& base, const std::string& trigger,
                      Names& functions) {
    collectGenerated(base, functions);
    if (trigger.compare(0, 4, "any_") != 0) return;
    for (const resolve::EntityInfo& entity : world.entities)
        collectGenerated(base + "_" + entity.word, functions);
}

void collectAction(const resolve::World& world, const resolve::ActionInfo& action, Names& types, Names& tables,
                   Names& functions) {
    const spec::Action& spec = *action.spec;
    for (const spec::Param& param : spec.params)
        types.add(resolve::typeToLookUp(param.type.value));
    for (const spec::Branch& branch : spec.branches) {
        collectSteps(branch.steps, tables, functions);
        collectSteps(branch.otherwise, tables, functions);
    }
    collectSteps(spec.onTimeout, tables, functions);
    for (const Text& trigger : spec.triggers)
        collectTrigger(trigger.value, tables);
    // on: update sales.Order.status
    std::vector<Text> raising = spec.further;
    raising.push_back(spec.on ? spec.on : spec.trigger);
    for (const Text& text : raising) {
        if (!spec.on) {
            collectTrigger(text.value, tables);
            continue;
        }
        std::string on = text.value.substr(text.value.rfind(' ') == std::string::npos ? 0 : text.value.rfind(' ') + 1);
        tables.addTable(on);
        if (on.find('.') != std::string::npos) tables.addTable(on.substr(0, on.rfind('.')));
    }
    functions.add(snakeCase(spec.name.value));
    for (const std::string& generated : emit::processFunctions(spec))
        functions.add(generated);
    collectGenerated(world, action.base, spec.further.empty() ? spec.trigger.value : "any_", functions);
    for (const Text& trigger : spec.triggers)
        collectGenerated(world, action.base + "_" + snakeCase(trigger.value), trigger.value, functions);
    if (!spec.windowed) return;
    for (const spec::WindowTerm& term : spec.window.terms)
        collectGenerated(world, action.base + "_" + snakeCase(term.source), term.source, functions);
}

}  // namespace

Compiler::Compiler() = default;
Compiler::~Compiler() = default;

Compiler::Outcome Compiler::read(const std::string& text, const std::string& defaultSchema, const yaml::Limits& limits,
                                 yaml::InterruptCheck interrupt) noexcept {
    return guarded([&] {
        state_ = std::make_unique<State>();
        State& state = *state_;
        state.world.setInterrupt(interrupt);
        auto file = std::make_unique<resolve::SpecFile>(text);
        file->fresh = true;
        state.fresh = file.get();
        yaml::ParsedText parsed = yaml::parseText(file->source, limits, state.diagnostics, interrupt);
        size_t errors = state.diagnostics.errorCount();
        for (const yaml::Node& document : parsed.documents)
            yaml::checkCharacters(document, file->source, state.diagnostics);
        // Whatever else is wrong with a name that is not what it looks like is no help.
        if (state.diagnostics.errorCount() > errors) parsed.documents.clear();
        file->spec = spec::readSpec(file->source, parsed, defaultSchema, state.diagnostics);
        state.world.addFile(std::move(file), {});
        for (const resolve::Unit& unit : state.world.units)
            state.units.push_back({unit.kind, unit.schema, unit.name, unit.text});

        state.renames = plan::askOfRenames(state.world);
    });
}

Compiler::Outcome Compiler::add(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                                yaml::InterruptCheck interrupt) noexcept {
    return guarded([&] {
        addInstalled(installed, limits, interrupt);
        plan::reportFormerNames(state_->world, state_->renames);
        collectNames();
    });
}

Compiler::Outcome Compiler::readInstalled(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                                          yaml::InterruptCheck interrupt) noexcept {
    return guarded([&] {
        state_ = std::make_unique<State>();
        addInstalled(installed, limits, interrupt);
        collectNames();
    });
}

void Compiler::addInstalled(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                            yaml::InterruptCheck interrupt) {
    State& state = *state_;
    std::set<std::string> replaced;
    for (const resolve::Unit& unit : state.world.units)
        replaced.insert(unit.key());
    for (const InstalledUnit& unit : installed) {
        std::string key = unit.key();
        if (replaced.count(key)) continue;
        auto old = std::make_unique<resolve::SpecFile>(unit.text);
        old->label = unit.kind + " " + (unit.schema.empty() ? "" : unit.schema + ".") + unit.name;
        Diagnostics ignored;  // it was read without problems when it was applied
        old->spec =
            spec::readSpec(old->source, yaml::parseText(old->source, limits, ignored, interrupt), unit.schema, ignored);
        state.world.addFile(std::move(old), {key});
    }
}

void Compiler::collectNames() {
    State& state = *state_;
    Names types, tables, functions;
    for (const resolve::EntityInfo& entity : state.world.entities) {
        tables.add(entity.table);
        tables.add(entity.word);
        functions.add("create_" + entity.word);
        functions.add("refuse_" + entity.word + "_state");
        for (const spec::MaterializedView& view : entity.spec->views)
            tables.add(snakeCase(view.name.value));
        for (const spec::Field& field : entity.spec->fields) {
            types.add(resolve::typeToLookUp(field.type.value));
            tables.addTable(field.refTarget.value);
        }
    }
    for (const resolve::ActionInfo& action : state.world.actions)
        collectAction(state.world, action, types, tables, functions);
    state.typeTexts = types.list();
    state.tableNames = tables.list();
    state.functionNames = functions.list();
}

Compiler::Outcome Compiler::rename(size_t question, const RenameAnswer& answer, std::vector<PlanStep>* steps) noexcept {
    return guarded([&] {
        for (PlanStep& step : plan::rename(state_->world, state_->renames[question], answer))
            steps->push_back(std::move(step));
    });
}

Compiler::Outcome Compiler::follow(CatalogView& catalog) noexcept {
    return guarded([&] { plan::followMoved(catalog, state_->world); });
}

Compiler::Outcome Compiler::build(const CatalogView& catalog, const std::vector<ExpressionFacts>& facts) noexcept {
    return guarded([&] { state_->world.build(catalog, facts); });
}

const std::vector<AnalysisRequest>& Compiler::typeRequests() const noexcept {
    return state_->world.untyped();
}

Compiler::Outcome Compiler::bind(const std::vector<AnalysisResult>& types) noexcept {
    return guarded([&] {
        State& state = *state_;
        state.world.giveTypes(types);
        state.resolver = std::make_unique<resolve::Resolver>(state.world);
        state.resolver->resolveAll();
        resolve::placeActions(state.world);
        resolve::explainOrder(state.world, *state.resolver);
        resolve::reportCycles(state.world, *state.resolver);
        resolve::reportContradictions(state.world, *state.resolver);
        resolve::checkSteps(state.world, *state.resolver);
        resolve::checkValues(state.world, *state.resolver);
        resolve::checkPrivacy(state.world, *state.resolver);
    });
}

Compiler::Outcome Compiler::draw(const std::string& format, std::string& picture) noexcept {
    return guarded([&] { picture = emit::drawGraph(resolve::eventGraph(state_->world, *state_->resolver), format); });
}

Compiler::Outcome Compiler::finish(const std::vector<AnalysisResult>& results) noexcept {
    return guarded([&] {
        State& state = *state_;
        state.resolver->applyResults(results);
        resolve::checkIdempotencyKeys(state.world, *state.resolver);
        // A half-understood world has neither sentences nor SQL.
        bool understood = !state.diagnostics.hasErrors();
        if (understood) emit::explainSteps(state.world, *state.resolver);
        std::set<std::string> own;
        for (const resolve::ActionInfo& action : state.world.actions)
            if (action.unit->fresh()) own.insert(action.name());
        for (const resolve::EntityInfo& entity : state.world.entities)
            if (entity.unit && entity.unit->fresh()) own.insert(entity.home + "." + entity.name);
        for (const Explanation& explanation : state.world.explanations)
            if (own.count(explanation.action)) state.explanations.push_back(explanation);
        if (!understood) return;
        state.all = emit::emitObjects(state.world, *state.resolver);
        std::set<std::string> fresh;
        for (const InstalledUnit& unit : state.units)
            fresh.insert(unit.key());
        state.windows = emit::windowHistories(state.world, *state.resolver);
        for (const Object& object : state.all)
            if (fresh.count(object.unit)) state.own.push_back(object);
        plan::reportMoved(state.world, *state.resolver);
        state.questions = plan::askOfTables(state.world, state.all);
    });
}

Compiler::Outcome Compiler::findReferences(const std::vector<std::string>& units,
                                           std::vector<std::string>* sentences) noexcept {
    return guarded([&] {
        *sentences = resolve::referencesTo(state_->world, *state_->resolver, {units.begin(), units.end()});
    });
}

Compiler::Outcome Compiler::plan(const std::vector<TableAnswer>& answers) noexcept {
    return guarded([&] {
        State& state = *state_;
        if (state.diagnostics.hasErrors()) return;
        state.steps = plan::makePlan(state.world, state.all, state.questions, answers);
    });
}

Compiler::Outcome Compiler::listSuites(std::map<std::string, int>* names) noexcept {
    return guarded([&] { *names = testgen::suiteNames(*state_->resolver); });
}

Compiler::Outcome Compiler::listTestTables(std::vector<std::string>* schemas,
                                           std::vector<std::string>* names) noexcept {
    return guarded([&] {
        for (auto& [schema, name] : testgen::suiteTables(state_->world, *state_->resolver)) {
            schemas->push_back(schema);
            names->push_back(name);
        }
    });
}

Compiler::Outcome Compiler::writeTests(const std::string& suite, const testgen::TestTables& tables,
                                       const std::vector<testgen::SearchAnswer>& answers,
                                       testgen::WrittenSuite* written) noexcept {
    return guarded([&] {
        *written =
            testgen::writeSuite(state_->world, *state_->resolver, tables, suite, answers, std::move(written->windows));
    });
}

const std::vector<RenameQuestion>& Compiler::renameQuestions() const noexcept {
    return state_->renames;
}
const std::vector<Text>& Compiler::expressions() const noexcept {
    return state_->world.expressions();
}
const std::vector<std::string>& Compiler::typeTexts() const noexcept {
    return state_->typeTexts;
}
const std::vector<std::string>& Compiler::tableNames() const noexcept {
    return state_->tableNames;
}
const std::vector<std::string>& Compiler::functionNames() const noexcept {
    return state_->functionNames;
}
const std::vector<AnalysisRequest>& Compiler::requests() const noexcept {
    return state_->resolver ? state_->resolver->requests() : state_->noRequests;
}
const std::vector<Object>& Compiler::objects() const noexcept {
    return state_->own;
}
const std::vector<Object>& Compiler::allObjects() const noexcept {
    return state_->all;
}
const std::vector<Explanation>& Compiler::explanations() const noexcept {
    return state_->explanations;
}
const std::vector<WindowHistory>& Compiler::windows() const noexcept {
    return state_->windows;
}
const std::vector<InstalledUnit>& Compiler::units() const noexcept {
    return state_->units;
}
const std::vector<TableQuestion>& Compiler::tableQuestions() const noexcept {
    return state_->questions;
}
const std::vector<PlanStep>& Compiler::steps() const noexcept {
    return state_->steps;
}
const Diagnostics& Compiler::diagnostics() const noexcept {
    return state_->diagnostics;
}
const Source& Compiler::source() const noexcept {
    return state_->fresh ? state_->fresh->source : state_->noSource;
}

}  // namespace specql
