#include "spec/read.hpp"

#include "spec/batch.hpp"
#include "spec/parts.hpp"
#include "spec/states.hpp"
#include "spec/workflow.hpp"
#include "text/ascii.hpp"
#include "text/sql_text.hpp"

namespace specql::spec {

namespace {

const Words entityKeys = {"entity",
                          "schema",
                          "table",
                          "description",
                          "columns",
                          "fields",
                          "computed_fields",
                          "key",
                          "unique",
                          "indexes",
                          "partitioning",
                          "materialized_view",
                          "performance_hints",
                          "states",
                          "actions",
                          "renamed_from"};
const Words carriedColumns = {"declared", "all"};
const Words rulesKeys = {"actions", "schema"};

// The table of an entity under a name of its own, as SQL would say it.
void readTable(ReadContext& context, const yaml::Node& root, Entity& entity) {
    entity.table = context.text(root, "table");
    if (!entity.table) {
        return;
    }
    const std::string& written = entity.table.value;
    Words parts = nameParts(written);
    if (parts.empty() || parts.size() > 2) {
        context.diagnostics.report(Code::S045, entity.table.pos, "\"table\" is not the name of a table: " + written,
                                   "for example shipments, legacy.shipments or '\"Shipment\"'");
        return;
    }
    bool isFolded = false;
    bool isQuoted = false;
    for (char c : written) {
        isQuoted = c == '"' ? !isQuoted : isQuoted;
        isFolded = isFolded || (!isQuoted && isAsciiUpper(c));
    }
    if (isFolded) {
        std::string quoted, lower;
        for (const std::string& part : parts) {
            lower += (lower.empty() ? "" : ".") + part;
        }
        for (char c : written) {
            quoted += c == '.' && !isQuoted ? "\".\"" : c == '"' ? "" : std::string(1, c);
        }
        context.diagnostics.report(
            Code::S046, entity.table.pos,
            "PostgreSQL reads " + written + " as " + lower + " unless it stands in double quotes",
            "write table: '\"" + quoted + "\"', or table: " + lower);
        return;
    }
    entity.tableName = parts.back();
    entity.tableSchema = parts.size() > 1 ? parts.front() : "";
}

void readEntity(ReadContext& context, const yaml::Node& root) {
    context.checkKeys(root, entityKeys, "an entity");
    Entity entity;
    entity.pos = root.pos;
    entity.firstLine = root.pos.line;
    entity.lastLine = root.end.line;
    entity.name = context.text(root, "entity");
    entity.schema = context.text(root, "schema");
    readTable(context, root, entity);
    entity.description = context.text(root, "description");
    entity.columns = context.choice(root, "columns", carriedColumns);
    entity.renamedFrom = context.formerNames(root);
    if (const yaml::Node* fields = context.mapping(root, "fields")) {
        readFields(context, *fields, entity.fields);
    }
    if (const yaml::Node* fields = context.mapping(root, "computed_fields")) {
        readComputedFields(context, *fields, entity.fields);
    }
    readKeys(context, root, entity);
    readStorage(context, root, entity);
    if (const yaml::Node* actions = context.list(root, "actions")) {
        readActions(context, *actions, false, entity.actions);
    }
    readStates(context, root, entity);
    completeBatches(context, &entity, entity.actions);
    context.spec.entities.push_back(std::move(entity));
}

// `inherited` is the schema of the document before, if there is one.
Text readRules(ReadContext& context, const yaml::Node& root, const Text& inherited, std::string_view defaultSchema) {
    context.checkKeys(root, rulesKeys, "a rules document");
    Rules rules;
    rules.pos = root.pos;
    rules.firstLine = root.pos.line;
    rules.lastLine = root.end.line;
    Text own = context.text(root, "schema");
    rules.schema = own ? own : inherited;
    if (!rules.schema) {
        rules.schema.value = std::string(defaultSchema);
    }
    if (const yaml::Node* actions = context.list(root, "actions")) {
        readActions(context, *actions, true, rules.actions);
        completeBatches(context, nullptr, rules.actions);
    }
    Text schema = rules.schema;
    context.spec.rules.push_back(std::move(rules));
    return schema;
}

void reportUnknownDocument(ReadContext& context, const yaml::Node& root) {
    const Words kinds = {"entity", "service", "actions"};
    for (const yaml::Entry& entry : root.entries) {
        std::string hint = didYouMean(entry.key.value, kinds);
        if (!hint.empty()) {
            context.diagnostics.report(Code::S001, entry.key.pos, "unknown key \"" + entry.key.value + "\"", hint);
            return;
        }
    }
    context.diagnostics.report(Code::S005, root.pos);
}

}  // namespace

Spec readSpec(const Source& source, const yaml::ParsedText& parsed, std::string_view defaultSchema,
              Diagnostics& diagnostics) {
    Spec spec;
    ReadContext context{source, spec, diagnostics};
    Text schemaBefore;
    for (const yaml::Node& root : parsed.documents) {
        if (root.find("entity") != nullptr) {
            readEntity(context, root);
            schemaBefore = spec.entities.back().schema;
            if (!schemaBefore) {
                schemaBefore.value = "public";
                schemaBefore.present = true;
            }
        } else if (root.find("service") != nullptr) {
            readService(context, root);
        } else if (root.find("actions") != nullptr) {
            Text schema = readRules(context, root, schemaBefore, defaultSchema);
            schemaBefore = schema ? schema : schemaBefore;
        } else {
            reportUnknownDocument(context, root);
        }
    }
    completeWorkflows(context);
    return spec;
}

}  // namespace specql::spec
