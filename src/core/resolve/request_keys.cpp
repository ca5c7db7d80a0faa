#include "resolve/request_keys.hpp"

#include <algorithm>

#include "delivery/template.hpp"
#include "resolve/privacy.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

namespace {

using delivery::TemplatePart;

bool isIn(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// The name that the payload would have to have; empty if it has what the key says.
std::string missingName(const PayloadShape& payload, std::string_view key) {
    auto has = [&](std::string_view name) { return isIn(payload.keys, name); };
    std::string_view rest = key, name = delivery::firstName(rest);
    bool inRow = payload.hasRows && (name == "new" || name == "old");
    if (inRow && rest.empty()) return {};
    if ((inRow || name == "payload") && !has(name)) name = delivery::firstName(rest);
    return has(name) ? std::string() : std::string(name.empty() ? key : name);
}

const spec::Option* coalesceOf(const std::vector<spec::Option>& options) {
    for (const spec::Option& option : options)
        if (option.key) return &option;
    return nullptr;
}

class KeyCheck {
public:
    KeyCheck(World& world, const SpecFile& file, const spec::Operation& operation, const PayloadShape& payload,
             const SpecFile& caller, const Text& call)
        : world_(world), file_(file), operation_(operation), payload_(payload), caller_(caller), call_(call) {}

    void run() {
        for (const spec::Param& setting : operation_.settings)
            if (setting.name.value == "path") check(setting.type, "the path");
        for (const spec::Param& parameter : operation_.query)
            check(parameter.type, "the parameter " + parameter.name.value);
        for (const spec::Param& header : operation_.headers)
            check(header.type, "the header " + header.name.value);
    }

private:
    void check(const Text& text, const std::string& what) {
        size_t offset = 0;
        for (;;) {
            size_t begin = offset;
            TemplatePart part = delivery::nextPart(text.value, offset);
            if (part.kind == TemplatePart::Kind::end || part.kind == TemplatePart::Kind::bad) return;
            if (part.kind != TemplatePart::Kind::key) continue;
            std::string name = missingName(payload_, part.text);
            if (name.empty()) continue;
            const bool isKept = isIn(payload_.kept, name);
            const Code code = isKept ? Code::R191 : Code::R154;
            std::string near = isKept ? "" : nearest(name, payload_.keys);
            const std::string taker = what + " of the operation " + operation_.name.value;
            std::string message = isKept ? payload_.owner + "." + name + " is private, and " + taker + " takes it"
                                         : payload_.owner + " has no " + name + ", which " + taker + " takes";
            std::string hint = !near.empty()           ? "did you mean " + near + "?"
                               : payload_.keys.empty() ? "it has no keys"
                               : isKept                ? "the keys that leave are " + join(payload_.keys, ", ")
                                                       : "its keys are " + join(payload_.keys, ", ");
            if (file_.fresh)
                world_.report(file_, code, file_.source.locate(text, begin + 1), message, hint);
            else
                world_.report(caller_, code, call_.pos, message, hint);
        }
    }

    World& world_;
    const SpecFile& file_;
    const spec::Operation& operation_;
    const PayloadShape& payload_;
    const SpecFile& caller_;
    const Text& call_;
};

}  // namespace

PayloadShape shapeOf(const EntityInfo& entity) {
    PayloadShape shape;
    shape.owner = entity.shown();
    shape.hasRows = true;
    shape.keys = leavingColumns(entity);
    for (const ColumnInfo& column : entity.columns)
        if (isPrivate(column)) shape.kept.push_back(column.name);
    // Of a table that was there before its spec, the other columns leave too, unless one is about to be renamed.
    auto isFormer = [&](const std::string& name) {
        return std::any_of(entity.columns.begin(), entity.columns.end(), [&](const ColumnInfo& column) {
            return column.field && std::any_of(column.field->renamedFrom.begin(), column.field->renamedFrom.end(),
                                               [&](const Text& former) { return former.value == name; });
        });
    };
    if (entity.spec && entity.present && !carriesDeclared(entity))
        for (const ColumnView& column : entity.present->columns)
            if (!entity.column(column.name) && !isFormer(column.name) && !isIn(shape.keys, column.name))
                shape.keys.push_back(column.name);
    return shape;
}

PayloadShape shapeOf(const std::vector<spec::Assignment>& set, const std::string& action) {
    PayloadShape shape;
    shape.owner = "the payload that " + action + " sends";
    for (const spec::Assignment& key : set)
        shape.keys.push_back(key.column.value);
    return shape;
}

void checkCoalesceKey(World& world, const SpecFile& file, const spec::Service& service, const PayloadShape& payload,
                      const SpecFile& caller, const Text& call) {
    const spec::Option* ofService = coalesceOf(service.options);
    const spec::Option* coalesce = ofService;
    for (const spec::Operation& operation : service.operations)
        if (const spec::Option* own = operation.name.value == call.value ? coalesceOf(operation.options) : nullptr)
            coalesce = own;
    if (!coalesce) return;
    const std::string& key = coalesce->key.value;
    if (key == "subject" || key == payload.subject) return;
    const std::string missing = missingName(payload, key);
    if (missing.empty()) return;
    const std::string near = nearest(missing, payload.keys);
    // A service may have operations whose calls replace each other, and others.
    const Code code = coalesce == ofService ? Code::R331 : Code::R330;
    const std::string message = payload.owner + " has no " + missing + " that leaves, so none of the calls of " +
                                call.value + " replaces another";
    const std::string hint = !near.empty()          ? "did you mean " + near + "?"
                             : payload.keys.empty() ? "it has no keys"
                                                    : "its keys are " + join(payload.keys, ", ");
    if (file.fresh)
        world.report(file, code, coalesce->key.pos, message, hint);
    else
        world.report(caller, code, call.pos, message, hint);
}

void checkRequestKeys(World& world, const SpecFile& file, const spec::Operation& operation, const PayloadShape& payload,
                      const SpecFile& caller, const Text& call) {
    KeyCheck(world, file, operation, payload, caller, call).run();
}

}  // namespace specql::resolve
