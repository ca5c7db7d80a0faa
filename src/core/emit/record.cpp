#include "emit/record.hpp"

#include <algorithm>
#include <set>

#include "emit/process.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

constexpr char pending[] = "pending";

// What the row says when the process is so, the first of these that its enum has.
struct Standing {
    const char* process;
    std::vector<std::string> words;
};
const std::vector<Standing>& standings() {
    static const std::vector<Standing> all = {
        {"running", {"processing", "running"}}, {"waiting", {"processing", "waiting"}},
        {"compensating", {"compensating"}},     {"stuck", {"stuck", "compensating"}},
        {"completed", {"completed"}},           {"failed", {"failed"}},
        {"cancelled", {"cancelled", "failed"}},
    };
    return all;
}

bool holds(const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The words of the column status, if it is an enum that can say how a saga ends.
const std::vector<std::string>* statusWords(const resolve::EntityInfo& record) {
    const resolve::ColumnInfo* column = record.column("status");
    if (!column || !column->field) return nullptr;
    const std::vector<std::string>& words = column->field->enumValues;
    return holds(words, "completed") && holds(words, "failed") ? &words : nullptr;
}

bool isTime(const resolve::ColumnInfo* column) {
    return column && resolve::startsWith(column->type, "timestamp");
}

std::string tableName(const resolve::EntityInfo& entity) {
    return quoteName(entity.schema, entity.table);
}

// Functions of a schema, for its sagas.
class SagaFunctions {
public:
    explicit SagaFunctions(const resolve::ActionInfo& first) : first_(first) {}

    void add(const resolve::ResolvedAction& action) {
        if (action.record && tellsItsEnd(*action.record)) records_.insert(tableName(*action.record));
    }

    std::vector<Object> objects() const {
        const std::string ours = "p.action LIKE " + quoteLiteral(likeSchema()) + " ESCAPE '!'";
        std::string cleanup;
        for (const std::string& table : records_)
            cleanup += "DELETE FROM " + table +
                       " AS t\nWHERE t.status = 'completed'\n    AND t.completed_at < specql.clock() - older_than;\n"
                       "GET DIAGNOSTICS v_rows = ROW_COUNT;\nv_count := v_count + v_rows;\n";
        return {
            function("retry_saga", "p_id uuid", "uuid", "boolean", "", "RETURN specql.retry_process(p_id);\n",
                     "lets a saga that is stuck go on where it stands"),
            function("manual_compensation", "p_id uuid", "uuid", "boolean", "",
                     "RETURN specql.cancel_process(p_id, 'compensated by hand');\n",
                     "undoes what a saga that has not ended did"),
            function("recover_stuck_sagas", "older_than interval", "interval", "integer",
                     "v_count integer := 0;\nv_process uuid;\n",
                     "FOR v_process IN\n    SELECT p.id\n    FROM specql.processes AS p\n    WHERE " + ours +
                         "\n        AND p.status = 'stuck'\n        AND p.started_at < specql.clock() - older_than\n"
                         "    ORDER BY p.started_at, p.id\nLOOP\n    PERFORM specql.retry_process(v_process);\n"
                         "    v_count := v_count + 1;\nEND LOOP;\nRETURN v_count;\n",
                     "lets sagas go on that began so long ago and are stuck, and returns how many"),
            function(
                "cleanup_completed_sagas", "older_than interval", "interval", "integer",
                records_.empty() ? "" : "v_count integer := 0;\nv_rows integer;\n",
                cleanup + (records_.empty() ? "-- no entity of this schema tells when a saga was completed\nRETURN 0;\n"
                                            : "RETURN v_count;\n"),
                "deletes the rows of sagas that were completed so long ago, and returns how many"),
        };
    }

private:
    // The names of actions of the schema; what LIKE would take for a pattern is none.
    std::string likeSchema() const {
        std::string text;
        for (char c : first_.schema)
            text += c == '_' || c == '%' || c == '!' ? std::string("!") + c : std::string(1, c);
        return text + ".%";
    }

    Object function(const std::string& name, const std::string& arguments, const std::string& types,
                    const std::string& returns, const std::string& declarations, const std::string& body,
                    const std::string& does) const {
        FunctionText function;
        function.schema = first_.schema;
        function.name = name;
        function.identityArguments = types;
        function.arguments = arguments;
        function.returns = returns;
        function.language = "plpgsql";
        function.body = "-- Of the sagas of schema " + commentText(first_.schema) + ": " + does +
                        ".\n-- Generated by specql.\n" +
                        (declarations.empty() ? "" : "DECLARE\n" + indent(declarations, 4)) + "BEGIN\n" +
                        indent(body, 4) + "END;\n";
        function.comment = "Of the sagas of schema " + first_.schema + ": " + does;
        return functionObject(function, first_.unit->key());
    }

    const resolve::ActionInfo& first_;
    std::set<std::string> records_;
};

}  // namespace

bool tellsItsEnd(const resolve::EntityInfo& record) {
    return statusWords(record) && isTime(record.column("completed_at"));
}

std::string insertRecord(const resolve::ResolvedAction& action) {
    const resolve::EntityInfo& record = *action.record;
    std::vector<std::string> columns, values;
    for (const std::string& key : action.payloadOrder) {
        const resolve::ColumnInfo* column = record.columnOf(key);
        if (!column || column->generated || column->identity == "always") continue;
        columns.push_back(quoteName(column->name));
        values.push_back(quoteName("p_" + key));
    }
    const std::vector<std::string>* words = statusWords(record);
    if (words && holds(*words, pending) && std::find(columns.begin(), columns.end(), "status") == columns.end()) {
        columns.emplace_back("status");
        values.push_back(quoteLiteral(pending));
    }
    return "-- the row of " + record.shown() + " that tells of it\nINSERT INTO " + tableName(record) +
           (columns.empty() ? " DEFAULT VALUES"
                            : "\n    (" + wrapList(columns, 4) + ")\nVALUES\n    (" + wrapList(values, 4) + ")") +
           "\nRETURNING " + quoteName(record.table) + "." + quoteName(record.key) + " INTO v_record;\n";
}

std::optional<FunctionText> recordFunction(const resolve::ResolvedAction& action) {
    if (!action.record) return std::nullopt;
    const resolve::EntityInfo& record = *action.record;
    std::vector<std::string> set;
    if (const std::vector<std::string>* words = statusWords(record)) {
        std::string cases;
        for (const Standing& standing : standings()) {
            const auto word = std::find_if(standing.words.begin(), standing.words.end(),
                                           [&](const std::string& one) { return holds(*words, one); });
            if (word == standing.words.end()) continue;
            cases += "        WHEN " + quoteLiteral(standing.process) + " THEN " + quoteLiteral(*word) + "\n";
        }
        set.push_back("status = CASE p_status\n" + cases + "        ELSE t.status\n    END");
    }
    const resolve::ColumnInfo* state = record.column("saga_state");
    if (state && state->type == "jsonb")
        set.emplace_back("saga_state = jsonb_build_object('status', p_status, 'steps', p_results, 'error', p_error)");
    if (isTime(record.column("completed_at")))
        set.emplace_back(
            "completed_at = CASE WHEN p_status IN ('completed', 'failed', 'cancelled') THEN specql.clock() END");
    if (set.empty()) return std::nullopt;
    const resolve::ActionInfo& info = *action.info;
    FunctionText function;
    function.schema = info.schema;
    function.name = snakeCase(info.spec->name.value) + "_record";
    function.identityArguments = "uuid, text, jsonb, text";
    function.arguments = "p_process uuid, p_status text, p_results jsonb, p_error text";
    function.returns = "void";
    function.language = "plpgsql";
    function.body = "-- Action " + info.name() + ": writes down how a saga stands.\n" +
                    "-- Generated by specql: change the spec and apply it again.\nBEGIN\n" +
                    indent("UPDATE " + tableName(record) + " AS t\nSET " + join(set, ",\n    ") + "\nWHERE t." +
                               quoteName(record.key) + " = p_process;\n",
                           4) +
                    "END;\n";
    function.comment = "Action " + info.name() + ": writes down how a saga stands";
    return function;
}

std::vector<Object> sagaFunctions(const resolve::Resolver& resolver) {
    std::vector<std::pair<std::string, SagaFunctions>> schemas;
    for (const resolve::ResolvedAction& action : resolver.actions) {
        const std::optional<spec::Process>& process = action.info->spec->process;
        if (!process || !process->isSaga || action.isFeed() || action.isAnswer()) continue;
        auto found = std::find_if(schemas.begin(), schemas.end(),
                                  [&](const auto& known) { return known.first == action.info->schema; });
        if (found == schemas.end()) {
            schemas.emplace_back(action.info->schema, SagaFunctions(*action.info));
            found = schemas.end() - 1;
        }
        found->second.add(action);
    }
    std::vector<Object> objects;
    for (const auto& [schema, functions] : schemas)
        for (Object& object : functions.objects())
            objects.push_back(std::move(object));
    return objects;
}

}  // namespace specql::emit
