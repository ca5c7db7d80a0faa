#include "dump.hpp"

namespace specql::test {

using namespace specql::spec;
using namespace specql::yaml;

namespace {

std::string place(Pos pos) {
    return std::to_string(pos.line) + ":" + std::to_string(pos.col);
}

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else {
            out += c;
        }
    }
    return out;
}

void dumpNode(std::string& out, const Node& node, size_t depth) {
    std::string indent(depth * 2, ' ');
    switch (node.kind) {
        case Node::Kind::null: out += " null\n"; return;
        case Node::Kind::scalar:
            out += std::string(" ") + (node.scalar.style == 0 ? '=' : node.scalar.style) + " " +
                   escaped(node.scalar.value) + "   @" + place(node.pos) + "-" + place(node.end) + "\n";
            return;
        case Node::Kind::sequence:
            out += " list   @" + place(node.pos) + "-" + place(node.end) + "\n";
            for (const Node& item : node.items) {
                out += indent + "-";
                dumpNode(out, item, depth + 1);
            }
            return;
        case Node::Kind::mapping:
            out += " mapping   @" + place(node.pos) + "-" + place(node.end) + "\n";
            for (const Entry& entry : node.entries) {
                out += indent + entry.key.value + " @" + place(entry.key.pos) + ":";
                dumpNode(out, entry.value, depth + 1);
            }
            return;
    }
}

const char* kindName(StepKind kind) {
    switch (kind) {
        case StepKind::insert: return "insert";
        case StepKind::update: return "update";
        case StepKind::remove: return "delete";
        case StepKind::append: return "append";
        case StepKind::create: return "create";
        case StepKind::upsert: return "upsert";
        case StepKind::find: return "find";
        case StepKind::each: return "foreach row";
        case StepKind::lock: return "lock";
        case StepKind::let: return "let";
        case StepKind::assign: return "set";
        case StepKind::callExternal: return "call_external";
        case StepKind::notify: return "notify";
        case StepKind::escalate: return "escalate";
        case StepKind::emit: return "emit";
        case StepKind::function: return "function";
        case StepKind::validate: return "validate";
        case StepKind::branch: return "if";
        case StepKind::stage: return "stage";
        case StepKind::foreach: return "foreach";
        case StepKind::call: return "call";
        case StepKind::ret: return "return";
    }
    return "?";
}

class SpecDump {
public:
    SpecDump(const Spec& spec, bool withPlaces) : spec_(spec), withPlaces_(withPlaces) {}

    std::string all() {
        for (const Entity& entity : spec_.entities) {
            line(0, "entity" + slice(entity.firstLine, entity.lastLine));
            text(1, "name", entity.name);
            text(1, "schema", entity.schema);
            text(1, "description", entity.description);
            for (const Field& field : entity.fields) {
                dumpField(field);
            }
            for (const IndexSpec& index : entity.indexes) {
                dumpIndex(index);
            }
            actions(entity.actions);
        }
        for (const Rules& rules : spec_.rules) {
            line(0, "rules" + slice(rules.firstLine, rules.lastLine));
            line(1, "schema " + rules.schema.value);
            actions(rules.actions);
        }
        for (const Service& service : spec_.services) {
            line(0, "service" + slice(service.firstLine, service.lastLine));
            text(1, "name", service.name);
            params(1, "setting", service.settings);
            params(1, "header", service.headers);
            for (const Operation& operation : service.operations) {
                text(1, "operation", operation.name);
                params(2, "setting", operation.settings);
            }
        }
        return std::move(out_);
    }

private:
    std::string slice(uint32_t first, uint32_t last) const {
        return withPlaces_ ? " lines " + std::to_string(first) + "-" + std::to_string(last) : "";
    }

    void line(size_t depth, const std::string& content) { out_ += std::string(depth * 2, ' ') + content + "\n"; }

    std::string shown(const Text& text) const {
        return escaped(text.value) + (withPlaces_ ? "   @" + place(text.pos) : "");
    }

    void text(size_t depth, const std::string& name, const Text& text) {
        if (text) {
            line(depth, name + " " + shown(text));
        }
    }

    void texts(size_t depth, const std::string& name, const std::vector<Text>& all) {
        for (const Text& one : all) {
            text(depth, name, one);
        }
    }

    void expression(size_t depth, const std::string& name, ExpressionRef ref) {
        if (ref) {
            line(depth, name + " $ " + shown(spec_.expressions[static_cast<size_t>(ref.id)]));
        }
    }

    void params(size_t depth, const std::string& name, const std::vector<Param>& all) {
        for (const Param& param : all) {
            line(depth, name + " " + shown(param.name) + " : " + shown(param.type));
        }
    }

    void dumpField(const Field& field) {
        line(1, "field " + shown(field.name) + " : " + shown(field.type) + (field.required ? " required" : ""));
        for (const std::string& value : field.enumValues) {
            line(2, "value " + value);
        }
        text(2, "references", field.refTarget);
        if (!field.refOnDelete.empty()) {
            line(2, "on delete " + field.refOnDelete);
        }
        expression(2, "default", field.defaultValue);
        expression(2, "check", field.check);
        text(2, "description", field.description);
    }

    void dumpIndex(const IndexSpec& index) {
        line(1, std::string(index.unique ? "unique " : "") + "index");
        text(2, "name", index.name);
        for (const OrderItem& item : index.columns) {
            expression(2, "column", item.value);
        }
        texts(2, "include", index.include);
        text(2, "type", index.type);
        expression(2, "where", index.where);
    }

    void actions(const std::vector<Action>& all) {
        for (const Action& action : all) {
            dumpAction(action);
        }
    }

    void dumpAction(const Action& action) {
        line(1, "action" + slice(action.firstLine, action.lastLine));
        text(2, "name", action.name);
        text(2, "description", action.description);
        text(2, "pattern", action.pattern);
        text(2, "trigger", action.trigger);
        texts(2, "triggers", action.triggers);
        text(2, "on", action.on);
        params(2, "param", action.params);
        text(2, "operation", action.operation);
        text(2, "batch_field", action.batchField);
        for (const Text& validation : action.validations)
            text(2, "validations", validation);
        text(2, "error_handling", action.errorHandling);
        if (action.condition) {
            const char* kind = action.windowed ? "windowed " : action.correlated ? "correlated " : "";
            text(2, std::string(kind) + "condition", action.condition);
        }
        expression(2, "plain", action.plainCondition);
        text(2, "correlation_window", action.correlationWindow);
        texts(2, "correlate_by", action.correlateBy);
        text(2, "after_match", action.afterMatch);
        text(2, "cooldown", action.cooldown);
        text(2, "on_error", action.onError);
        text(2, "max_attempts", action.maxAttempts);
        texts(2, "retry_on", action.retryOn);
        texts(2, "park_on", action.parkOn);
        text(2, "backoff", action.backoff);
        text(2, "enabled", action.enabled);
        text(2, "order", action.order);
        for (const Branch& branch : action.branches) {
            line(2, "branch");
            expression(3, "if", branch.condition);
            steps(3, branch.steps);
            if (!branch.otherwise.empty()) {
                line(3, "else");
                steps(4, branch.otherwise);
            }
        }
        if (!action.onTimeout.empty()) {
            line(2, "on_timeout");
            steps(3, action.onTimeout);
        }
    }

    void steps(size_t depth, const std::vector<Step>& all) {
        for (const Step& step : all) {
            dumpStep(depth, step);
        }
    }

    void dumpStep(size_t depth, const Step& step) {
        line(depth, std::string("step ") + kindName(step.kind));
        if (step.kind == StepKind::function) {
            text(depth + 1, "verb", step.verb);
        }
        text(depth + 1, "target", step.target);
        for (const Assignment& assignment : step.set) {
            expression(depth + 1, "set " + shown(assignment.column), assignment.value);
        }
        expression(depth + 1, "condition", step.condition);
        expression(depth + 1, "where", step.where);
        for (const OrderItem& item : step.orderBy) {
            std::string name = std::string("order") + (item.descending ? " descending" : "") +
                               (item.nulls == 1   ? " nulls first"
                                : item.nulls == 2 ? " nulls last"
                                                  : "");
            expression(depth + 1, name, item.value);
        }
        text(depth + 1, "limit sum", step.limitSum);
        expression(depth + 1, "limit", step.limit);
        text(depth + 1, "message", step.message);
        text(depth + 1, "severity", step.severity);
        text(depth + 1, "repeat", step.repeat);
        text(depth + 1, "variable", step.variable);
        for (ExpressionRef argument : step.args) {
            expression(depth + 1, "argument", argument);
        }
        steps(depth + 1, step.then);
        if (!step.otherwise.empty()) {
            line(depth, "else");
            steps(depth + 1, step.otherwise);
        }
    }

    const Spec& spec_;
    bool withPlaces_;
    std::string out_;
};

}  // namespace

std::string dumpTree(const ParsedText& parsed) {
    std::string out;
    for (const Node& document : parsed.documents) {
        out += "document";
        dumpNode(out, document, 1);
    }
    return out;
}

std::string dumpSpec(const Spec& spec, bool withPlaces) {
    return SpecDump(spec, withPlaces).all();
}

std::string dumpDiagnostics(const Diagnostics& diagnostics) {
    std::string out;
    for (const Diagnostic& one : diagnostics.sorted()) {
        const char* severity = one.severity == Severity::error     ? "error"
                               : one.severity == Severity::warning ? "warning"
                                                                   : "notice";
        out += std::string(severity) + " " + codeName(one.code) + " " + place(one.pos) + "\n";
    }
    return out;
}

}  // namespace specql::test
