#include "pg/apply/compilation.hpp"

#include <algorithm>

#include "pg/apply/steps.hpp"
#include "pg/base/apply_settings.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/interrupt.hpp"
#include "pg/bridge/sqlstate.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/analysis.hpp"
#include "pg/catalog/facts.hpp"
#include "pg/catalog/registry.hpp"
#include "pg/catalog/renames.hpp"
#include "pg/catalog/table_state.hpp"
#include "pg/catalog/view.hpp"
#include "text/quote.hpp"

namespace specql::apply {

void requireDone(Compiler::Outcome outcome) {
    if (outcome == Compiler::Outcome::interrupted) reportInterrupt();
    if (outcome == Compiler::Outcome::outOfMemory)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The specification needs more memory than there is.")));
    if (outcome != Compiler::Outcome::ok)
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("the specification compiler failed"),
                        errhint("This is a bug in specql. Please report it with the text of the specification.")));
}

namespace {

void sortProblems(Compilation* compilation) {
    compilation->problems = compilation->compiler.diagnostics().sorted();
    compilation->errors = compilation->compiler.diagnostics().errorCount();
}

// "line 2, column 1: unknown key", or the message alone if the problem has no position.
void writeProblem(const Diagnostic& problem, std::string* to) {
    if (problem.pos.line > 0)
        *to = "line " + std::to_string(problem.pos.line) + ", column " + std::to_string(problem.pos.col) + ": " +
              problem.message;
    else
        *to = problem.message;
}

// The SQLSTATE for an error whose first problem is this.
int sqlstateOf(const Diagnostic& problem) {
    if (problem.code == Code::P004) return sqlstate::destructive;
    // SPQL-P…: what is installed.
    if (codeName(problem.code)[5] == 'P') return sqlstate::notAllowed;
    return sqlstate::specInvalid;
}

// Writes message, detail and hint of the error, and returns its SQLSTATE. Pure C++.
int writeReport(Compilation* compilation) {
    const Diagnostic* first = nullptr;
    for (const Diagnostic& problem : compilation->problems)
        if (problem.severity == Severity::error && first == nullptr) first = &problem;
    writeProblem(*first, &compilation->message);
    if (compilation->errors > 1)
        compilation->message += " (and " + std::to_string(compilation->errors - 1) + " more " +
                                (compilation->errors == 2 ? "error" : "errors") + ")";
    compilation->detail = render(compilation->compiler.diagnostics(), compilation->compiler.source());
    compilation->hint = first->hint;
    if (compilation->hint.empty())
        compilation->hint = std::string("SELECT specql.help('") + codeName(first->code) + "') has an example.";
    return sqlstateOf(*first);
}

bool isRemoved(const CatalogView& view, const std::string& unit) {
    return std::find(view.removed.begin(), view.removed.end(), unit) != view.removed.end();
}

// The compiler must not find the units that are to be removed. Pure C++.
void leaveOutUnits(CatalogView* view) {
    auto& units = view->units;
    units.erase(std::remove_if(units.begin(), units.end(),
                               [view](const InstalledUnit& unit) { return isRemoved(*view, unit.key()); }),
                units.end());
}

void leaveOutTables(CatalogView* view) {
    if (!view->dropTables) return;
    auto gone = [view](const TableView& table) {
        return std::any_of(view->objects.begin(), view->objects.end(), [&](const InstalledObject& object) {
            return object.kind == ObjectKind::table && isRemoved(*view, object.unit) &&
                   object.identity == quoteName(table.schema, table.name);
        });
    };
    view->tables.erase(std::remove_if(view->tables.begin(), view->tables.end(), gone), view->tables.end());
}

void renameAll(Compilation* work, bool keep) {
    const std::vector<RenameQuestion>& questions = work->compiler.renameQuestions();
    for (size_t i = 0; i < questions.size(); ++i) {
        size_t done = work->renames.size();
        catalog::answerRename(questions[i], &work->renameAnswer);
        requireDone(work->compiler.rename(i, work->renameAnswer, &work->renames));
        runSteps(work->renames, done);
        if (keep) catalog::recordFormerNames(questions[i], GetUserId());
    }
}

yaml::Limits limits() {
    yaml::Limits limits;
    limits.bytes = static_cast<size_t>(maxSpecSize);
    return limits;
}

// All that comes after a text was read; `hasText` is false if there is none.
void runStages(Compilation* work, bool hasText, bool plans) {
    catalog::readUnits(&work->units);
    work->view.units = work->units;
    leaveOutUnits(&work->view);
    requireDone(hasText ? work->compiler.add(work->view.units, limits(), interruptPending)
                        : work->compiler.readInstalled(work->view.units, limits(), interruptPending));
    catalog::awaitTables(work->compiler.units());
    catalog::readObjects(&work->view.objects);
    catalog::readPlaces(&work->view.places);
    catalog::readMoved(&work->view.moved);
    requireDone(work->compiler.follow(work->view));
    catalog::lookUpMoved(&work->view.objects);
    catalog::markAltered(work->compiler.units(), &work->view.objects);
    catalog::gatherFacts(work->compiler.expressions(), &work->facts);

    catalog::ViewRequest request = {&work->compiler.tableNames(), &work->compiler.functionNames(),
                                    &work->compiler.typeTexts()};
    catalog::gatherView(request, &work->view);
    leaveOutTables(&work->view);
    requireDone(work->compiler.build(work->view, work->facts));
    catalog::analyse(work->compiler.expressions(), work->facts, work->compiler.typeRequests(), &work->results);
    requireDone(work->compiler.bind(work->results));
    catalog::analyse(work->compiler.expressions(), work->facts, work->compiler.requests(), &work->results);
    requireDone(work->compiler.finish(work->results));
    if (!plans) return;
    catalog::gatherTableStates(work->compiler.tableQuestions(), &work->answers);
    requireDone(work->compiler.plan(work->answers));
}

}  // namespace

Compilation* compile(const CompileArguments& arguments) {
    requireMatchingVersion();
    MemoryContext context = makeWorkContext("specql compilation");
    MemoryContext before = MemoryContextSwitchTo(context);
    const char* text = toUtf8(arguments.text != nullptr ? arguments.text : "");
    const char* schema = toUtf8(arguments.schema != nullptr ? arguments.schema : "");

    Compilation* work = makeHeld<Compilation>(context);
    work->context = context;
    work->text = text;
    work->schema = schema;
    work->view.adopt = arguments.adopt;
    work->view.allowDestructive = arguments.allowDestructive;
    for (int i = 0; i < arguments.removedCount; ++i) {
        const char* unit = toUtf8(arguments.removed[i]);
        work->view.removed.emplace_back(unit);
    }
    work->view.dropTables = arguments.dropTables;
    if (arguments.installedOnly) {
        runStages(work, false, arguments.removedCount > 0);
        sortProblems(work);
        MemoryContextSwitchTo(before);
        return work;
    }
    requireDone(work->compiler.read(work->text, work->schema, limits(), interruptPending));
    bool keep = arguments.keepRenames;
    auto renameAndRun = [work, keep] {
        renameAll(work, keep);
        runStages(work, true, true);
    };
    if (keep || work->compiler.renameQuestions().empty()) {
        renameAndRun();
    } else {
        ErrorData* error = rehearse(renameAndRun);
        if (error != nullptr) ReThrowError(error);
    }
    sortProblems(work);
    MemoryContextSwitchTo(before);
    return work;
}

CompileArguments compileArguments(FunctionCallInfo fcinfo) {
    CompileArguments arguments;
    arguments.text = PG_ARGISNULL(0) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(0));
    arguments.schema = PG_ARGISNULL(1) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(1));
    arguments.adopt = PG_NARGS() > 2 && !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
    arguments.allowDestructive = PG_NARGS() > 3 && !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
    return arguments;
}

void requireValid(Compilation* compilation) {
    if (compilation->errors == 0) return;
    int sqlstate = writeReport(compilation);
    const char* hint = compilation->hint.empty() ? nullptr : displayText(compilation->hint);
    ereport(ERROR,
            (errcode(sqlstate), errmsg("%s", displayText(compilation->message)),
             errdetail_internal("%s", displayText(compilation->detail)), hint != nullptr ? errhint("%s", hint) : 0));
}

void reportWarnings(Compilation* compilation) {
    for (const Diagnostic& problem : compilation->problems) {
        if (problem.severity == Severity::error) continue;
        writeProblem(problem, &compilation->message);
        const char* hint = problem.hint.empty() ? nullptr : displayText(problem.hint);
        ereport(problem.severity == Severity::warning ? WARNING : NOTICE,
                (errmsg("%s", displayText(compilation->message)), hint != nullptr ? errhint("%s", hint) : 0));
    }
}

}  // namespace specql::apply
