// The facade of the core: text in, plan out, in stages between which the caller gathers facts from the server.
// Every function is noexcept: what goes wrong comes back in `failed` (out of memory, interrupted) or as diagnostics.
//
//   Compiler c; c.read(text, schema, …)            → c.renameQuestions()
//   c.add(installed, …)                             → c.expressions(), c.typeTexts(), c.tableNames(), c.functionNames()
//   c.build(catalog, facts)                         → c.typeRequests()
//   c.bind(results)                                 → c.requests()
//   c.finish(results)                               → c.objects(), c.explanations(), c.units()
//                                                     c.tableQuestions()
//   c.plan(answers)                                 → c.steps()
//
// A stage after one that ended with errors does as much as it can, so that one run reports problems of all stages.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/facts.hpp"
#include "model/object.hpp"
#include "model/rename.hpp"
#include "model/table_state.hpp"
#include "testgen/suite.hpp"
#include "text/source.hpp"
#include "yaml/parse.hpp"

namespace specql {

class Compiler {
public:
    Compiler();
    ~Compiler();
    Compiler(const Compiler&) = delete;
    Compiler& operator=(const Compiler&) = delete;

    enum class Outcome { ok, outOfMemory, interrupted, internalError };

    // Stage 1: the new text; then every unit installed before (each is read again; the new text replaces those it
    // names).
    Outcome read(const std::string& text, const std::string& defaultSchema, const yaml::Limits& limits,
                 yaml::InterruptCheck interrupt) noexcept;
    Outcome add(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                yaml::InterruptCheck interrupt) noexcept;
    // The second alone: nothing is new.
    Outcome readInstalled(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                          yaml::InterruptCheck interrupt) noexcept;
    const std::vector<Text>& expressions() const noexcept;        // of the new text and the installed units
    const std::vector<std::string>& typeTexts() const noexcept;   // field and param types to look up
    const std::vector<std::string>& tableNames() const noexcept;  // names (without schema) of tables that may matter
    const std::vector<std::string>& functionNames()
        const noexcept;  // names (without schema) of functions that may matter

    // What the new text says was called otherwise before; to be renamed before installed units are added. rename()
    // appends the steps that do it, none or one, and is given its answers one by one: each may depend on the steps
    // before.
    const std::vector<RenameQuestion>& renameQuestions() const noexcept;
    Outcome rename(size_t question, const RenameAnswer& answer, std::vector<PlanStep>* steps) noexcept;

    // Objects of tables that were moved get their names of today, where the text says the new place or the unit goes.
    Outcome follow(CatalogView& catalog) noexcept;

    // Stage 2: entities, then names and triggers. Some fields have the types of their expressions, which are asked for
    // between.
    Outcome build(const CatalogView& catalog, const std::vector<ExpressionFacts>& facts) noexcept;
    const std::vector<AnalysisRequest>& typeRequests() const noexcept;
    Outcome bind(const std::vector<AnalysisResult>& types) noexcept;
    const std::vector<AnalysisRequest>& requests() const noexcept;

    // After stage 2: the event graph, in a format that isPictureFormat() knows.
    Outcome draw(const std::string& format, std::string& picture) noexcept;

    // Stage 3: types known; the objects that should exist.
    Outcome finish(const std::vector<AnalysisResult>& results) noexcept;
    const std::vector<Object>& objects() const noexcept;  // those of the new text's units only
    const std::vector<Object>& allObjects() const noexcept;
    const std::vector<Explanation>& explanations() const noexcept;
    const std::vector<WindowHistory>& windows() const noexcept;  // those of the new text
    const std::vector<InstalledUnit>& units() const noexcept;    // the units of the new text, to be recorded

    // After finish() of readInstalled(): who refers to these units, a sentence each.
    Outcome findReferences(const std::vector<std::string>& units, std::vector<std::string>* sentences) noexcept;

    // Tables that are there and not as their changed entities want them.
    const std::vector<TableQuestion>& tableQuestions() const noexcept;

    // Stage 4: against what is installed. `answers`: one for each of tableQuestions().
    Outcome plan(const std::vector<TableAnswer>& answers) noexcept;
    const std::vector<PlanStep>& steps() const noexcept;

    // Tests of what is installed, after finish() of readInstalled(): the suites there are, the tables to gather facts
    // of, and one suite's statements. They are written twice: first without answers, to learn the searches.
    Outcome listSuites(std::map<std::string, int>* names) noexcept;
    Outcome listTestTables(std::vector<std::string>* schemas, std::vector<std::string>* names) noexcept;
    Outcome writeTests(const std::string& suite, const testgen::TestTables& tables,
                       const std::vector<testgen::SearchAnswer>& answers, testgen::WrittenSuite* written) noexcept;

    const Diagnostics& diagnostics() const noexcept;
    const Source& source() const noexcept;  // of the new text

private:
    void addInstalled(const std::vector<InstalledUnit>& installed, const yaml::Limits& limits,
                      yaml::InterruptCheck interrupt);
    void collectNames();

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace specql
