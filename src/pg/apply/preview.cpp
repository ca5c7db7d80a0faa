// specql.plan, script, validate and explain: show what specql.apply would do, without doing it.
#include "pg/apply/compilation.hpp"
#include "pg/bridge/encoding.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/result_set.hpp"
#include "pg/bridge/spi.hpp"

namespace specql::apply {

namespace {

const char* severityName(Severity severity) {
    switch (severity) {
        case Severity::error: return "error";
        case Severity::warning: return "warning";
        default: return "notice";
    }
}

// Appends a text, with a separator before it unless it is the first; pure C++.
void appendParagraph(std::string* to, const std::string& paragraph, const char* separator) {
    if (paragraph.empty()) return;
    if (!to->empty()) *to += separator;
    *to += paragraph;
}

void joinCommands(const std::vector<std::string>& commands, std::string* to) {
    to->clear();
    for (const std::string& command : commands)
        appendParagraph(to, command, "\n");
}

void joinObjects(const std::vector<Object>& objects, std::string* to) {
    to->clear();
    for (const Object& object : objects)
        if (!object.shape.adopted) appendParagraph(to, object.sql(), "\n\n");
    if (!to->empty()) *to += '\n';
}

// `number` counts on; `buffer` is for texts.
void showSteps(const std::vector<PlanStep>& steps, int* number, std::string* buffer, ResultSet* rows) {
    for (const PlanStep& step : steps) {
        joinCommands(step.sql, buffer);
        rows->row()
            .integer(++*number)
            .text(toWord(step.action))
            .text(toWord(step.desired.kind))
            .text(displayText(step.desired.identity))
            .boolean(step.destructive)
            .text(step.sql.empty() ? nullptr : fromUtf8(*buffer))
            .end();
    }
}

}  // namespace

SPECQL_FUNCTION(specql_plan) {
    CompileArguments arguments = compileArguments(fcinfo);
    ResultSet rows(fcinfo);
    spi::connect();
    Compilation* compilation = compile(arguments);
    reportWarnings(compilation);
    requireValid(compilation);
    int number = 0;
    showSteps(compilation->renames, &number, &compilation->detail, &rows);
    showSteps(compilation->compiler.steps(), &number, &compilation->detail, &rows);
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_script) {
    CompileArguments arguments = compileArguments(fcinfo);
    MemoryContext caller = CurrentMemoryContext;
    spi::connect();
    Compilation* compilation = compile(arguments);
    requireValid(compilation);
    joinObjects(compilation->compiler.objects(), &compilation->detail);
    const char* script = fromUtf8(compilation->detail);
    MemoryContext before = MemoryContextSwitchTo(caller);
    Datum result = CStringGetTextDatum(script);
    MemoryContextSwitchTo(before);
    spi::finish();
    MemoryContextDelete(compilation->context);
    return result;
}

SPECQL_FUNCTION(specql_validate) {
    CompileArguments arguments = compileArguments(fcinfo);
    ResultSet rows(fcinfo);
    spi::connect();
    Compilation* compilation = compile(arguments);
    for (const Diagnostic& problem : compilation->problems) {
        ResultSet::Row row = rows.row();
        row.text(severityName(problem.severity)).text(codeName(problem.code));
        if (problem.pos.line > 0)
            row.integer(static_cast<int>(problem.pos.line)).integer(static_cast<int>(problem.pos.col));
        else
            row.null().null();
        row.text(displayText(problem.message)).text(problem.hint.empty() ? nullptr : displayText(problem.hint)).end();
    }
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

SPECQL_FUNCTION(specql_explain) {
    CompileArguments arguments = compileArguments(fcinfo);
    ResultSet rows(fcinfo);
    spi::connect();
    Compilation* compilation = compile(arguments);
    requireValid(compilation);
    for (const Explanation& explanation : compilation->compiler.explanations())
        rows.row()
            .text(displayText(explanation.action))
            .text(displayText(explanation.name))
            .text(displayText(explanation.resolvedTo))
            .text(displayText(explanation.rule))
            .end();
    spi::finish();
    MemoryContextDelete(compilation->context);
    PG_RETURN_NULL();
}

}  // namespace specql::apply
