// The key of an entity, and the types of its computed fields.
#include <algorithm>

#include "resolve/world.hpp"
#include "text/quote.hpp"

namespace specql::resolve {

// Finds the columns of the key, when all columns are known.
void World::buildKey(EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    if (entity.spec->key.empty()) {
        if (!entity.key.empty())
            entity.keyColumns = {entity.key};
        else if (entity.present)
            entity.keyColumns = entity.present->primaryKey;
        return;
    }
    for (const Text& name : entity.spec->key) {
        const ColumnInfo* column = entity.columnOf(name.value);
        std::vector<std::string>& key = entity.keyColumns;
        if (!column)
            report(file, Code::R200, name.pos, "the key of " + entity.name + " names no field: " + name.value,
                   "declare it under fields");
        else if (std::find(key.begin(), key.end(), column->name) != key.end())
            report(file, Code::R201, name.pos, "the key of " + entity.name + " has " + column->name + " twice",
                   hintOf(Code::R201));
        else
            key.push_back(column->name);
    }
    for (ColumnInfo& column : entity.columns) {
        if (std::find(entity.keyColumns.begin(), entity.keyColumns.end(), column.name) == entity.keyColumns.end())
            continue;
        column.notNull = true;
        if (!column.hasEquality)
            report(file, Code::R202, column.field->type.pos,
                   column.name + " cannot be part of a key: values of type " + column.type + " are not compared",
                   hintOf(Code::R202));
    }
    entity.key = entity.keyColumns.size() == 1 ? entity.keyColumns.front() : "";
}

// PostgreSQL compares keys and what is unique within one partition: so each must hold what says which one.
void World::buildPartitioning(EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    const spec::Partitioning& partitioning = entity.spec->partitioning;
    const ColumnInfo* column = entity.columnOf(partitioning.column.value);
    if (!column)
        return report(file, Code::R212, partitioning.column.pos,
                      entity.name + " is partitioned by " + partitioning.column.value + ", which it has not",
                      hintOf(Code::R212));
    if ((column->type != "date" && !startsWith(column->type, "timestamp")) || column->generated)
        return report(file, Code::R211, partitioning.column.pos,
                      column->name + ", by which " + entity.name + " is partitioned, is " +
                          (column->generated ? "computed" : "of type " + column->type),
                      hintOf(Code::R211));
    entity.partitionColumn = column->name;
    auto require = [&](const std::string& what, Pos pos, const std::vector<std::string>& columns,
                       const std::string& hint) {
        if (std::find(columns.begin(), columns.end(), column->name) == columns.end())
            report(file, Code::R210, pos,
                   what + " of " + entity.name + " must hold " + column->name + ", by which the table is partitioned",
                   hint);
    };
    const std::vector<Text>& key = entity.spec->key;
    std::vector<std::string> wanted = entity.keyColumns;
    wanted.push_back(column->name);
    if (!entity.keyColumns.empty())
        require("the key", key.empty() ? partitioning.column.pos : key.front().pos, entity.keyColumns,
                "write key: [" + join(wanted, ", ") + "]");
    for (const ColumnInfo& one : entity.columns)
        if (one.field && one.field->unique)
            require("what is unique", one.field->unique.pos, {one.name},
                    "write unique: [" + one.name + ", " + column->name + "] of the entity");
    for (const std::vector<Text>& together : entity.spec->uniques) {
        std::vector<std::string> columns;
        for (const Text& name : together)
            if (const ColumnInfo* one = entity.columnOf(name.value)) columns.push_back(one->name);
        require("what is unique", together.front().pos, columns, hintOf(Code::R210));
    }
    for (const spec::IndexSpec& index : entity.spec->indexes) {
        std::vector<std::string> columns;
        for (const spec::OrderItem& item : index.columns)
            if (const ColumnInfo* one = entity.columnOf(expressionText(item.value.id + file.expressionBase)))
                columns.push_back(one->name);
        if (index.unique) require("a unique index", index.pos, columns, hintOf(Code::R210));
    }
}

void World::checkField(const EntityInfo& entity, const spec::Field& field, const ColumnInfo& column) {
    const std::string& type = column.type;
    if (field.identity && type != "smallint" && type != "integer" && type != "bigint")
        report(*entity.file, Code::R203, field.identity.pos,
               "the identity " + field.name.value + " of " + entity.name + " is of type " + type, hintOf(Code::R203));
}

// A computed field is of the type that PostgreSQL finds for its expression, if it says none of its own.
void World::askOfComputed() {
    for (EntityInfo& entity : entities)
        for (ColumnInfo& column : entity.columns) {
            if (!column.field || !column.field->computed || column.field->type) continue;
            AnalysisRequest request;
            request.expression = column.field->computed.id + entity.file->expressionBase;
            const ExpressionFacts& facts = this->facts(request.expression);
            bool isKnown = facts.ok;
            for (const NameUse& use : facts.names) {
                const ColumnInfo* read = use.parts.size() == 1 ? entity.columnOf(use.parts.front()) : nullptr;
                isKnown = isKnown && read;
                if (!read) continue;
                TypedName& name = request.names.emplace_back();
                name.offset = use.offset;
                name.type = read->type;
            }
            if (!isKnown) continue;  // reported where it is bound
            untyped_.push_back(std::move(request));
            untypedColumns_.push_back(&column);
        }
}

void World::giveTypes(const std::vector<AnalysisResult>& results) {
    for (size_t i = 0; i < results.size() && i < untypedColumns_.size(); i++)
        if (results[i].ok) untypedColumns_[i]->type = results[i].type;
}

}  // namespace specql::resolve
