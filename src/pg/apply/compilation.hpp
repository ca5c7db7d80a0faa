// One run of the compiler over a spec. Between its stages the facts are gathered that it asks for.
#pragma once

#include "compiler.hpp"
#include "pg/compat.hpp"

namespace specql::apply {

// Held by its memory context. Texts are UTF-8.
struct Compilation {
    MemoryContext context = nullptr;  // to be deleted when done, else the end of the (sub)transaction does
    std::string text;
    std::string schema;
    Compiler compiler;
    std::vector<InstalledUnit> units;  // installed before this run
    std::vector<ExpressionFacts> facts;
    CatalogView view;
    std::vector<AnalysisResult> results;
    std::vector<TableAnswer> answers;
    RenameAnswer renameAnswer;
    std::vector<PlanStep> renames;      // that were done before everything else
    std::vector<Diagnostic> problems;   // sorted by position
    std::string message, detail, hint;  // buffers for the texts of an error
    size_t errors = 0;
};

struct CompileArguments {
    const char* text = nullptr;    // in the server's encoding; nullptr counts as empty
    const char* schema = nullptr;  // may be nullptr
    bool adopt = false;
    bool allowDestructive = false;
    bool installedOnly = false;            // without a text: only what is installed
    int removedCount = 0;                  // with installedOnly: leave these units out,
    const char* const* removed = nullptr;  // each given as kind:schema.name
    bool dropTables = false;               // and their tables too
    bool keepRenames = false;              // what was renamed stays so, and the former names are recorded
};

// Runs all stages; needs an SPI connection. What has a renamed_from is renamed first; without keepRenames that is
// undone when all stages are done. Problems of the spec are collected in `problems`. Errors are raised only for other
// causes: interrupts, lack of memory, another version of the extension.
Compilation* compile(const CompileArguments& arguments);

// Raises an error if a stage of the compiler was interrupted, had not enough memory, or failed.
void requireDone(Compiler::Outcome outcome);

// The arguments of an SQL function (spec, schema, adopt, allow_destructive); the last two may be missing.
CompileArguments compileArguments(FunctionCallInfo fcinfo);

// Raises an error if the spec has errors: SQ100, SQ101 or SQ102 with the first in the message, and all of them with
// carets in the detail.
void requireValid(Compilation* compilation);

// Raises the warnings and notices of the spec.
void reportWarnings(Compilation* compilation);

}  // namespace specql::apply
