#include "emit/bulk.hpp"

#include <algorithm>

#include "emit/function.hpp"
#include "emit/steps.hpp"
#include "resolve/privacy.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

// People call an operation by hand, too, so an argument that is not the expected JSON is refused in words.
static std::string mustBe(const std::string& value, const std::string& type, const std::string& message,
                          const std::string& arguments) {
    return "IF jsonb_typeof(" + value + ") <> '" + type + "' THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200',\n" +
           "        MESSAGE = format(" + quoteLiteral(message) + ", " + arguments + "jsonb_typeof(" + value +
           "));\nEND IF;\n";
}

// The body of a bulk operation for each element of its array, whose keys become variables.
static std::string overArray(const resolve::ResolvedAction& action, bool tellsPrivate, const std::string& body,
                             const std::string& label, std::vector<std::string>& declarations) {
    const std::string& handling = action.info->spec->errorHandling.value;
    bool keepsOn = handling == "continue_on_error" || handling == "collect_errors";
    std::string one;
    declarations.insert(declarations.end(), {"v_item jsonb;", "v_number integer := 0;"});
    for (const std::string& key : action.payloadOrder) {
        if (key == action.batchParameter) continue;
        std::string name = quoteName("p_" + key);
        declarations.push_back(name + " " + action.payload.at(key) + ";");
        one += name + " := specql.payload(v_item, " + quoteLiteral(key) + ")::" + action.payload.at(key) + ";\n";
    }
    one += one.empty() ? body : "\n" + body;
    one = mustBe("v_item", "object", "element %s of " + action.batchParameter + " must be a JSON object, and is %s",
                 "v_number, ") +
          one;
    if (keepsOn) {
        bool collects = handling == "collect_errors";
        declarations.push_back("v_before integer;");
        if (collects) declarations.push_back("v_errors text[] := ARRAY[]::text[];");
        // Of rows with private fields an error tells its code alone.
        std::string failed =
            std::string("format('element %s: %s', v_number, ") + (tellsPrivate ? "SQLSTATE)" : "SQLERRM)");
        one = "v_before := v_count;\nBEGIN\n" + indent(one, 4) +
              "EXCEPTION\n    WHEN serialization_failure OR deadlock_detected THEN\n        RAISE;\n"
              "    WHEN OTHERS THEN\n        -- what was done for this element is undone, and so not counted\n"
              "        v_count := v_before;\n        " +
              (collects ? "v_errors := v_errors || " + failed + ";\n"
                        : "RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = " + failed + ";\n") +
              "END;\n";
    }
    std::string given = quoteName("p_" + action.batchParameter);
    std::string check =
        mustBe(given, "array", action.batchParameter + " must be a JSON array of objects, and is %s", "");
    std::string loop = check + label + "FOR v_item IN SELECT j.value FROM jsonb_array_elements(" + given +
                       ") AS j LOOP\n    v_number := v_number + 1;\n" + indent(one, 4) + "END LOOP;\n";
    if (handling == "collect_errors")
        loop +=
            "IF v_errors <> '{}' THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206',\n"
            "        MESSAGE = format('%s of %s elements failed', cardinality(v_errors), v_number),\n"
            "        DETAIL = array_to_string(v_errors, E'\\n');\nEND IF;\n";
    return loop;
}

// What a caller must be, before anything is done for him. The row that it speaks of is read by then, and locked.
static std::string requirement(const resolve::World& world, const resolve::ResolvedAction& action, Printer& printer) {
    if (!action.required) return "";
    const std::string text = commentText(world.expressionText(action.required.expression));
    return "-- requires: " + text + "\nIF (" + printer.print(action.required) +
           ") IS NOT TRUE THEN\n    RAISE EXCEPTION USING ERRCODE = '42501',\n        MESSAGE = " +
           quoteLiteral(action.info->name() + " requires " + text) +
           ",\n        DETAIL = format('The caller is %s.', specql.caller('user'));\nEND IF;\n\n";
}

static bool speaksOfRows(const resolve::BoundExpression& bound) {
    return std::any_of(bound.values.begin(), bound.values.end(),
                       [](const resolve::Value& value) { return value.kind == resolve::ValueKind::context; });
}

static bool takes(const std::vector<resolve::ResolvedStep>& steps) {
    return std::any_of(steps.begin(), steps.end(), [](const resolve::ResolvedStep& step) {
        return step.takes || takes(step.then) || takes(step.otherwise);
    });
}

Object bulkFunction(const resolve::World& world, const resolve::Resolver& resolver,
                    const resolve::ResolvedAction& action) {
    const resolve::ActionInfo& info = *action.info;
    Printer printer(world, resolver, action, Printer::Place::function);
    StepEmitter steps(world, action, printer);
    std::vector<std::string> arguments, types, declarations;
    const bool counts = !action.result;
    if (counts) declarations.push_back("v_count integer := 0;");
    for (const auto& [key, type] : action.parameters()) {
        arguments.push_back(quoteName("p_" + key) + " " + type);
        types.push_back(type);
    }
    std::string body, required = requirement(world, action, printer);
    const bool asksRows = speaksOfRows(action.required);
    if (!asksRows) body = required;
    for (const resolve::Context& context : action.contexts) {
        std::vector<std::string> columns;
        for (const std::string& column : context.columns)
            columns.push_back("t." + quoteName(column));
        if (!columns.empty()) declarations.push_back(contextVariable(context) + " record;");
        std::string key = printer.print(context.key, true);
        // A row that a function's own row refers to is only read, and may be missing where the ref is NULL.
        const bool isReferred = action.info->spec->ofRow && context.key.kind == resolve::ValueKind::context;
        const bool locks = !isReferred || context.locked;
        if (isReferred && !locks && columns.empty()) continue;
        body += "-- the row of " + context.entity->shown() + " that " + context.key.name + " names" +
                (locks ? "; its lock makes two runs take turns\n" : "\n") +
                (columns.empty() ? "PERFORM 1\n"
                                 : "SELECT " + join(columns, ", ") + " INTO " + contextVariable(context) + "\n") +
                "FROM " + quoteName(context.entity->schema, context.entity->table) +
                " AS t\n"
                "WHERE t." +
                quoteName(context.entity->key) + " = " + key + (locks ? "\nFOR NO KEY UPDATE;\n" : ";\n");
        if (isReferred) {
            body += '\n';
            continue;
        }
        body += "IF NOT FOUND THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n        MESSAGE = format('" +
                context.key.name + " %s names no row of " + context.entity->shown() + "', coalesce(" + key +
                "::text, 'null'));\nEND IF;\n\n";
    }
    if (asksRows) body += required;
    StepPlace place{StepPlace::Rows::once, "", 0, action.batchParameter.empty() ? "" : "elements"};
    // An operation that takes no rows returns the number of rows that its statements wrote.
    if (counts &&
        std::none_of(action.branches.begin(), action.branches.end(), [](const resolve::ResolvedBranch& branch) {
            return takes(branch.steps) || takes(branch.otherwise);
        }))
        body += "v_count := v_count + 1;\n";
    for (const resolve::ResolvedBranch& branch : action.branches) {
        std::string block = steps.emit(branch.steps, place);
        if (branch.condition) {
            block = "IF " + printer.print(branch.condition) + " THEN\n" + indent(block, 4);
            if (!branch.otherwise.empty()) block += "ELSE\n" + indent(steps.emit(branch.otherwise, place), 4);
            block += "END IF;\n";
        }
        body += (body.empty() || resolve::endsWith(body, "\n\n") ? "" : "\n") + block;
    }
    for (const std::string& declaration : steps.declarations())
        declarations.push_back(declaration);
    if (!action.batchParameter.empty())
        body =
            overArray(action, resolve::mayTellPrivate(resolver, action), body, steps.label("elements"), declarations);
    FunctionText function;
    function.schema = info.schema;
    function.name = snakeCase(info.spec->name.value);
    function.identityArguments = join(types, ", ");
    function.arguments = join(arguments, ", ");
    function.returns = counts ? "integer" : "text";
    function.language = "plpgsql";
    const std::string does =
        counts ? "handles a set of rows and returns how many" : "changes the state of a row, and returns the new one";
    function.body = "-- Action " + info.name() + ": " + does + ".\n" +
                    (info.spec->description.empty() ? "" : "-- " + commentText(info.spec->description.value) + "\n") +
                    "-- Generated by specql: change the spec and apply it again.\n" +
                    (declarations.empty() ? "" : "DECLARE\n" + indent(join(declarations, "\n"), 4) + "\n") + "BEGIN\n" +
                    indent(body, 4) + "\n    RETURN " + (counts ? "v_count" : printer.print(action.result)) +
                    ";\nEND;\n";
    function.comment = counts ? "Bulk operation " + info.name() + "; returns how many rows it handled"
                              : "Transition " + info.name() + "; returns the new state";
    return functionObject(function, info.unit->key());
}

}  // namespace specql::emit
