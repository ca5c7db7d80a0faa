// Which suites there are, and what belongs into each.
#include "testgen/suite.hpp"

#include "spec/coordinated.hpp"
#include "spec/states.hpp"
#include "testgen/steps.hpp"
#include "testgen/writer.hpp"
#include "text/sql_text.hpp"

namespace specql::testgen {

namespace {

std::string suiteOf(const resolve::ResolvedAction& action) {
    const char* pattern = action.window ? "window_test"
                          : action.info->spec->process
                              ? action.info->spec->process->isSaga ? "saga_test" : "workflow_test"
                          : resolve::takesRows(*action.info)        ? "batch_test"
                          : spec::isCoordinated(*action.info->spec) ? "coordinated_test"
                          : spec::isTransition(*action.info->spec)  ? "states_test"
                          : resolve::isFunction(*action.info)       ? "workflow_test"
                                                                    : "event_driven_test";
    return action.info->schema + "." + pattern;
}

}  // namespace

std::map<std::string, int> suiteNames(const resolve::Resolver& resolver) {
    std::map<std::string, std::set<std::string>> names;
    for (const resolve::ResolvedAction& action : resolver.actions)
        if (!action.isFeed() && !action.isAnswer()) names[suiteOf(action)].insert(action.info->name());
    std::map<std::string, int> counted;
    for (const auto& [suite, actions] : names)
        counted[suite] = static_cast<int>(actions.size());
    return counted;
}

std::vector<std::pair<std::string, std::string>> suiteTables(const resolve::World& world,
                                                             const resolve::Resolver& resolver) {
    std::set<std::pair<std::string, std::string>> tables;
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit) tables.emplace(entity.schema, entity.table);
    for (const resolve::ResolvedAction& action : resolver.actions) {
        if (action.binding.entity) tables.emplace(action.binding.entity->schema, action.binding.entity->table);
        for (const resolve::Context& context : action.contexts)
            tables.emplace(context.entity->schema, context.entity->table);
        visitSteps(resolver, action, [&](const resolve::ResolvedStep& step) {
            if (step.target) tables.emplace(step.target->schema, step.target->table);
        });
    }
    return {tables.begin(), tables.end()};
}

WrittenSuite writeSuite(const resolve::World& world, const resolve::Resolver& resolver, const TestTables& tables,
                        const std::string& suite, const std::vector<SearchAnswer>& answers,
                        std::map<std::string, WindowFindings> windows) {
    Writer writer(world, resolver, tables, answers);
    writer.suite.windows = std::move(windows);
    std::vector<const resolve::ResolvedAction*> tested;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        // What feeds a window only counts, and answers come from outside of the database.
        if (action.isFeed() || action.isAnswer() || suiteOf(action) != suite) continue;
        writer.about(action);
        if (isSwitchedOff(*action.info)) {
            writer.begin(action.info->name());
            writer.skip(action.info->name(), "the action is switched off in the spec");
        } else if (action.info->spec->process && action.info->spec->process->isSaga) {
            writeSaga(writer, action);
        } else if (action.info->spec->process) {
            writer.begin(action.info->name());
            writer.skip(action.info->name(), "it is a process, whose steps happen one after the other");
        } else if (resolve::isBefore(*action.info)) {
            writeBefore(writer, action);
        } else if (action.window) {
            writeWindow(writer, action);
        } else if (spec::isCoordinated(*action.info->spec)) {
            writeCoordinated(writer, action);
        } else if (!resolve::takesRows(*action.info) && resolve::isFunction(*action.info)) {
            writeCalled(writer, action);
        } else if (resolve::isFunction(*action.info)) {
            writeBulk(writer, action);
        } else {
            writeEventDriven(writer, action);
            if (writer.isStopped(action).empty()) tested.push_back(&action);
        }
    }
    writeConsistency(writer, tested);
    writeCascade(writer, tested);
    return std::move(writer.suite);
}

}  // namespace specql::testgen
