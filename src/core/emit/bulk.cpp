#include "emit/bulk.hpp"

#include <algorithm>

#include "emit/batch.hpp"
#include "emit/function.hpp"
#include "emit/steps.hpp"
#include "resolve/privacy.hpp"
#include "spec/coordinated.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

// What a caller must be, before anything is done for him. The row that it speaks of is read by then, and locked.
std::string requirement(const resolve::World& world, const resolve::ResolvedAction& action, Printer& printer) {
    if (!action.required) return "";
    const std::string text = commentText(world.expressionText(action.required.expression));
    return "-- requires: " + text + "\nIF (" + printer.print(action.required) +
           ") IS NOT TRUE THEN\n    RAISE EXCEPTION USING ERRCODE = '42501',\n        MESSAGE = " +
           quoteLiteral(action.info->name() + " requires " + text) +
           ",\n        DETAIL = format('The caller is %s.', specql.caller('user'));\nEND IF;\n\n";
}

bool speaksOfRows(const resolve::BoundExpression& bound) {
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const resolve::Value& value) { return value.kind == resolve::ValueKind::context; });
}

// True if it is the same for all elements of an array.
static bool isOfCall(const resolve::BoundExpression& bound) {
    return std::none_of(bound.values.begin(), bound.values.end(), [](const resolve::Value& value) {
        return value.kind == resolve::ValueKind::payload || value.kind == resolve::ValueKind::context;
    });
}

static bool takes(const std::vector<resolve::ResolvedStep>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const resolve::ResolvedStep& step) {
        return step.takes || takes(step.then) || takes(step.otherwise);
    });
}

// The rows that parameters are the keys of, and what they refer to: read, locked, and there.
std::string readContexts(const resolve::ResolvedAction& action, Printer& printer,
                         std::vector<std::string>& declarations, bool onlyRead) {
    std::string body;
    for (const resolve::Context& context : action.contexts) {
        if (onlyRead && context.columns.empty()) continue;
        std::vector<std::string> columns;
        for (const std::string& column : context.columns)
            columns.push_back("t." + quoteName(column));
        if (!columns.empty()) declarations.push_back(contextVariable(context) + " record;");
        std::string key = printer.print(context.key, true);
        // A row that a function's own row refers to is only read, and may be missing where the ref is NULL.
        const bool coordinated = spec::isCoordinated(*action.info->spec);
        const bool isReferred =
            (action.info->spec->ofRow || coordinated) && context.key.kind == resolve::ValueKind::context;
        const bool locks = (!isReferred && !coordinated) || context.locked;
        if (isReferred && !locks && columns.empty()) continue;
        body += "-- the row of " + context.entity->shown() + " that " + context.key.name + " names" +
                (locks ? "; its lock makes two runs take turns\n" : "\n") +
                (columns.empty() ? "PERFORM 1\n"
                                 : "SELECT " + join(columns, ", ") + " INTO " + contextVariable(context) + "\n") +
                "FROM " + quoteName(context.entity->schema, context.entity->table) +
                " AS t\n"
                "WHERE t." +
                quoteName(context.entity->key) + " = " + key +
                (!locks              ? ";\n"
                 : context.isRemoved ? "\nFOR UPDATE;\n"
                                     : "\nFOR NO KEY UPDATE;\n");
        if (isReferred) {
            body += '\n';
            continue;
        }
        const std::string fails = action.info->spec->batch.key
                                      ? missingRow(action, context.key.name)
                                      : "RAISE EXCEPTION USING ERRCODE = 'SQ201',\n    MESSAGE = format('" +
                                            context.key.name + " %s names no row of " + context.entity->shown() +
                                            "', coalesce(" + key + "::text, 'null'));\n";
        body += "IF NOT FOUND THEN\n" + indent(fails, 4) + "END IF;\n\n";
    }
    return body;
}

Object bulkFunction(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action) {
    const resolve::ActionInfo& info = *action.info;
    Printer printer(world, resolver, action, Printer::Place::function);
    StepEmitter steps(world, action, printer);
    std::vector<std::string> arguments, types, declarations;
    // How many rows it handled, the new state, or nothing.
    const bool ofRow = info.spec->ofRow, counts = !action.result && !ofRow;
    for (const auto& [key, type] : action.parameters()) {
        arguments.push_back(quoteName("p_" + key) + " " + type);
        types.push_back(type);
    }
    BatchEmitter batch(world, resolver, action, declarations);
    if (counts && !(batch.atOnce() && info.spec->batch.summary)) declarations.push_back("v_count integer := 0;");
    const bool overArray = !action.batchParameter.empty(), asksOnce = overArray && isOfCall(action.required);
    std::string body, required = requirement(world, action, printer), before;
    const bool asksRows = speaksOfRows(action.required);
    if (!asksRows) (asksOnce ? before : body) = required;
    body += readContexts(action, printer, declarations, batch.atOnce());
    if (asksRows) body += required;
    StepPlace place{StepPlace::Rows::once, "", 0, action.batchParameter.empty() ? "" : "elements"};
    // An operation that takes no rows returns the number of rows that its statements wrote.
    if (counts && !batch.atOnce() &&
        std::none_of(action.branches.begin(), action.branches.end(), [](const resolve::ResolvedBranch& branch) {
            return takes(branch.steps) || takes(branch.otherwise);
        }))
        body += "v_count := v_count + 1;\n";
    for (const resolve::ResolvedBranch& branch : action.branches) {
        std::vector<resolve::ResolvedStep> done = branch.steps;
        if (batch.atOnce()) done.pop_back();
        if (batch.atOnce() && done.empty()) continue;
        std::string block = steps.emit(done, place);
        if (branch.condition) {
            block = "IF " + printer.print(branch.condition) + " THEN\n" + indent(block, 4);
            if (!branch.otherwise.empty()) block += "ELSE\n" + indent(steps.emit(branch.otherwise, place), 4);
            block += "END IF;\n";
        }
        body += (body.empty() || resolve::endsWith(body, "\n\n") ? "" : "\n") + block;
    }
    for (const std::string& declaration : steps.declarations())
        declarations.push_back(declaration);
    if (overArray) body = before + batch.emit(body, steps.label("elements"));
    FunctionText function;
    function.schema = info.schema;
    function.name = snakeCase(info.spec->name.value);
    function.identityArguments = join(types, ", ");
    function.arguments = join(arguments, ", ");
    const bool summary = info.spec->batch.summary;
    function.returns = summary ? "jsonb" : counts ? "integer" : action.result ? "text" : "void";
    function.language = "plpgsql";
    const std::string does =
        summary         ? "handles the elements of an array, and returns how many, and what was wrong with the others"
        : counts        ? "handles a set of rows and returns how many"
        : action.result ? "changes the state of a row, and returns the new one"
                        : "does its steps for one row";
    function.body = "-- Action " + info.name() + ": " + does + ".\n" +
                    (info.spec->description.empty() ? "" : "-- " + commentText(info.spec->description.value) + "\n") +
                    "-- Generated by specql: change the spec and apply it again.\n" +
                    (declarations.empty() ? "" : "DECLARE\n" + indent(join(declarations, "\n"), 4) + "\n") + "BEGIN\n" +
                    indent(body, 4) +
                    (counts          ? "\n    RETURN " + batch.returned() + ";\n"
                     : action.result ? "\n    RETURN " + printer.print(action.result) + ";\n"
                                     : "") +
                    "END;\n";
    function.comment = summary         ? "Bulk operation " + info.name() + "; returns a summary of the elements"
                       : counts        ? "Bulk operation " + info.name() + "; returns how many rows it handled"
                       : action.result ? "Transition " + info.name() + "; returns the new state"
                                       : "Workflow " + info.name() + ", for one row of " + info.home->shown();
    return functionObject(function, info.unit->key());
}

}  // namespace specql::emit
