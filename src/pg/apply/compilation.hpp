// One run of the core over a spec, with the facts that it asks for gathered between its stages.
#pragma once

#include "compiler.hpp"
#include "pg/compat.hpp"

namespace specql::apply {

// Everything that has a destructor, held by a memory context. Texts are UTF-8.
struct Compilation {
    MemoryContext context = nullptr;  // delete it when done; it goes with the (sub)transaction anyway
    std::string text;
    std::string schema;
    Compiler compiler;
    std::vector<InstalledUnit> units;  // as they were before
    std::vector<ExpressionFacts> facts;
    CatalogView view;
    std::vector<AnalysisResult> results;
    std::vector<TableAnswer> answers;
    std::vector<Diagnostic> problems;   // sorted by position
    std::string message, detail, hint;  // room for texts that an error report points to
    size_t errors = 0;
};

struct CompileArguments {
    const char* text = nullptr;    // in the server's encoding; nullptr counts as empty
    const char* schema = nullptr;  // may be nullptr
    bool adopt = false;
    bool allowDestructive = false;
    bool installedOnly = false;            // no text: what is installed, as it is
    int removedCount = 0;                  // with installedOnly: without these units,
    const char* const* removed = nullptr;  // each given as kind:schema.name
    bool dropTables = false;               // and without their tables
};

// Runs all stages; needs an SPI connection. Problems of the spec are in `problems`; raises errors only for what is no
// problem of the spec: interrupts, memory, the library's version.
Compilation* compile(const CompileArguments& arguments);

// Raises an error unless a stage of the compiler came to its end.
void requireDone(Compiler::Outcome outcome);

// The arguments of the SQL functions: (spec, schema, adopt, allow_destructive), of which the last two may be missing.
CompileArguments compileArguments(FunctionCallInfo fcinfo);

// Raises one error if the spec has errors: the first in the message, all in the detail with carets.
void requireValid(Compilation* compilation);

// Raises its warnings and notices as such.
void reportWarnings(Compilation* compilation);

}  // namespace specql::apply
