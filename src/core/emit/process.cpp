#include "emit/process.hpp"

#include <algorithm>

#include "emit/bulk.hpp"
#include "emit/record.hpp"
#include "emit/sentences.hpp"
#include "emit/stage.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

class ProcessEmitter {
public:
    ProcessEmitter(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action)
        : world_(world),
          resolver_(resolver),
          action_(action),
          info_(*action.info),
          process_(*action.info->spec->process),
          stages_(action.branches.front().steps) {}

    void emit(std::vector<Object>& functions, std::vector<Object>& registrations) {
        std::vector<std::string> steps;
        for (size_t place = 0; place < stages_.size(); place++) {
            KeptForUndo kept;
            const std::optional<FunctionText> undo = StageEmitter(world_, resolver_, action_, place).undoes(kept);
            functions.push_back(
                functionObject(StageEmitter(world_, resolver_, action_, place).does(kept), info_.unit->key()));
            if (undo) functions.push_back(functionObject(*undo, info_.unit->key()));
            steps.push_back("    " + stepJson(place, undo.has_value()));
        }
        std::string json = "{\"compensates\": " + std::string(process_.compensates ? "true" : "false");
        if (const std::optional<FunctionText> record = recordFunction(action_)) {
            functions.push_back(functionObject(*record, info_.unit->key()));
            json += ", \"record\": " + quoteJson(quoteName(record->schema, record->name));
        }
        if (process_.timeout) json += ", \"deadline\": " + quoteJson(process_.timeout.value);
        json += ",\n \"steps\": [\n" + join(steps, ",\n") + "]}";
        functions.push_back(functionObject(start(), info_.unit->key()));
        Object object;
        object.kind = ObjectKind::registration;
        object.identity = info_.name();
        object.unit = info_.unit->key();
        object.detail = process_.isSaga ? "saga" : "process";
        // What its steps waited for before need not be what they wait for now.
        object.forgets = !process_.isSaga;
        if (object.forgets)
            object.commands.push_back("SELECT specql.unregister_action(" + quoteLiteral(info_.name()) + ");");
        object.commands.push_back("SELECT specql.register_process(" + quoteLiteral(info_.name()) + ", " +
                                  dollarQuote(json, "plan") + "::jsonb);");
        registrations.push_back(std::move(object));
    }

private:
    std::string called(const std::string& name) const { return quoteJson(quoteName(info_.schema, name)); }

    static const char* kindOf(spec::StageKind kind) {
        switch (kind) {
            case spec::StageKind::run: return "do";
            case spec::StageKind::check: return "check";
            case spec::StageKind::call: return "call";
            case spec::StageKind::wait: return "wait";
            case spec::StageKind::waitFor: return "wait_for";
            case spec::StageKind::waitUntilTrue: return "wait_until_true";
            case spec::StageKind::ask: return "ask";
            case spec::StageKind::choose: return "choose";
            case spec::StageKind::parallel: return "parallel";
            case spec::StageKind::any: return "any";
        }
        return "do";
    }

    // What the runtime knows of a step.
    std::string stepJson(size_t place, bool hasUndo) {
        const resolve::ResolvedStep& step = stages_[place];
        const spec::Stage& stage = *step.spec->stage;
        std::string json = "{\"number\": " + std::to_string(place + 1) +
                           ", \"name\": " + quoteJson(step.spec->label.value) + ", \"kind\": \"" + kindOf(stage.kind) +
                           "\", \"function\": " + called(StageEmitter::functionName(action_, *step.spec));
        auto text = [&](const char* key, const std::string& value) {
            if (!value.empty()) json += std::string(", \"") + key + "\": " + quoteJson(value);
        };
        auto number = [&](const char* key, int value) {
            if (value != 0) json += std::string(", \"") + key + "\": " + std::to_string(value);
        };
        if (stage.kind == spec::StageKind::call) {
            text("service", step.then.back().spec->target.value);
            text("operation", step.then.back().spec->message.value);
        }
        if (hasUndo) {
            const resolve::ResolvedStep* call = StageEmitter::undoCall(step);
            json += ", \"undo\": " + called(StageEmitter::undoName(action_, *step.spec));
            text("undo_kind", call ? "call" : "do");
            if (call) {
                text("undo_service", call->spec->target.value);
                text("undo_operation", call->spec->message.value);
            }
        }
        text("event", stage.event.value);
        number("retries", stage.retries);
        text("backoff", stage.backoff.value);
        text("timeout", stage.timeout.value);
        number("parent", stage.parent);
        number("chosen_by", stage.chosenBy);
        number("after_timeout_of", stage.afterTimeoutOf);
        text("sentence", sentenceOf(world_, resolver_, action_, step));
        return json + "}";
    }

    // Begins one, and returns what it is told apart by.
    FunctionText start() {
        Printer printer(world_, resolver_, action_, Printer::Place::function);
        std::vector<std::string> arguments, types, declarations;
        for (const auto& [key, type] : action_.parameters()) {
            arguments.push_back(quoteName("p_" + key) + " " + type);
            types.push_back(type);
        }
        std::string body;
        if (speaksOfRows(action_.required)) body += readContexts(action_, printer, declarations);
        body += requirement(world_, action_, printer);
        std::string told = "subject => NULL, id => NULL";
        if (info_.spec->ofRow)
            told = "subject => " + quoteName("p_" + action_.payloadOrder.front()) + "::text, id => NULL";
        if (action_.record) {
            declarations.push_back("v_record uuid;");
            body += insertRecord(action_) + "\n";
            told = "subject => v_record::text, id => v_record";
        }
        body +=
            "RETURN specql.start_process(" + quoteLiteral(info_.name()) + ", " + params() + ",\n    " + told + ");\n";
        FunctionText function;
        function.schema = info_.schema;
        function.name = snakeCase(info_.spec->name.value);
        function.identityArguments = join(types, ", ");
        function.arguments = join(arguments, ", ");
        function.returns = "uuid";
        function.language = "plpgsql";
        const std::string what = process_.isSaga ? "Saga " : "Process ";
        function.body =
            "-- Action " + info_.name() + ": begins a " + (process_.isSaga ? "saga" : "process") +
            ", and returns its id.\n" +
            (info_.spec->description.empty() ? "" : "-- " + commentText(info_.spec->description.value) + "\n") +
            "-- Generated by specql: change the spec and apply it again.\n" +
            (declarations.empty() ? "" : "DECLARE\n" + indent(join(declarations, "\n"), 4) + "\n") + "BEGIN\n" +
            indent(body, 4) + "END;\n";
        function.comment = what + info_.name() + "; returns its id";
        return function;
    }

    // A call of a function has at most 100 arguments.
    std::string params() const {
        constexpr size_t most = 50;
        std::vector<std::string> objects, pairs;
        for (const std::string& key : action_.payloadOrder) {
            pairs.push_back(quoteLiteral(key) + ", " + quoteName("p_" + key));
            if (pairs.size() < most) continue;
            objects.push_back("jsonb_build_object(" + wrapList(pairs, 8) + ")");
            pairs.clear();
        }
        if (!pairs.empty()) objects.push_back("jsonb_build_object(" + wrapList(pairs, 8) + ")");
        return objects.empty() ? "'{}'" : join(objects, " || ");
    }

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    const resolve::ActionInfo& info_;
    const spec::Process& process_;
    const std::vector<resolve::ResolvedStep>& stages_;
};

}  // namespace

void emitProcess(resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
                 std::vector<Object>& functions, std::vector<Object>& registrations) {
    ProcessEmitter(world, resolver, action).emit(functions, registrations);
}

std::vector<std::string> processFunctions(const spec::Action& action) {
    std::vector<std::string> names;
    if (!action.process) return names;
    const std::string base = snakeCase(action.name.value);
    names.push_back(base + "_record");
    for (const spec::Step& step : action.branches.front().steps)
        for (const char* suffix : {"", "_undo"})
            names.push_back(base + "_" + snakeCase(step.label.value) + suffix);
    if (action.process->isSaga)
        names.insert(names.end(),
                     {"retry_saga", "manual_compensation", "recover_stuck_sagas", "cleanup_completed_sagas"});
    return names;
}

}  // namespace specql::emit
