#include "plan/table_change.hpp"

#include <algorithm>

#include "text/quote.hpp"

namespace specql::plan {

namespace {

// A line of a CREATE TABLE, as tableObject() writes it.
bool hasLine(const std::string& before, const std::string& line) {
    return before.find("\n    " + line + ",\n") != std::string::npos ||
           before.find("\n    " + line + "\n)") != std::string::npos;
}

class TableChanger {
public:
    TableChanger(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity,
                 const std::string& before, const TableQuestion& question, const TableAnswer& answer)
        : world_(world),
          resolver_(resolver),
          entity_(entity),
          before_(before),
          question_(question),
          answer_(answer),
          alter_("ALTER TABLE " + quoteName(entity.schema, entity.table) + "\n    ") {}

    // Checks go before the columns they read change, and come when all columns are as they shall be.
    TableChange run() {
        std::vector<emit::TableCheck> checks = emit::tableChecks(world_, resolver_, entity_);
        dropChecks(checks);
        for (const resolve::ColumnInfo& column : entity_.columns)
            if (const ColumnView* view = entity_.present->column(column.name))
                alterColumn(column, *view);
            else
                add(posOf(column), "ADD COLUMN " + emit::columnSql(world_, resolver_, entity_, column));
        for (const ColumnView& column : entity_.present->columns) {
            if (entity_.column(column.name) || !madeColumn(before_, column.name)) continue;
            add(entity_.pos, "DROP COLUMN " + quoteName(column.name));
            change_.losses.push_back("the field " + column.name + " would be dropped with its data");
            change_.columns.push_back(column.name);
        }
        for (const emit::TableCheck& check : checks) {
            CheckState state = stateOf(check);
            if (state == CheckState::same) continue;
            add(posOf(*check.column), "ADD " + check.sql());
            if (state == CheckState::shrinks)
                change_.losses.push_back("values of the field " + check.column->name + " would no longer be allowed");
        }
        return std::move(change_);
    }

private:
    void add(Pos pos, const std::string& action) {
        change_.sql.push_back(alter_ + action + ";");
        change_.places.push_back(pos);
    }
    Pos posOf(const resolve::ColumnInfo& column) const { return column.field ? column.field->name.pos : entity_.pos; }

    // Of a check that was not asked for nothing changed.
    CheckState stateOf(const emit::TableCheck& check) const {
        for (size_t i = 0; i < question_.checks.size(); i++)
            if (question_.checks[i].name == check.name) return answer_.checks[i];
        return CheckState::same;
    }

    void dropChecks(const std::vector<emit::TableCheck>& wanted) {
        for (const std::string& name : answer_.present) {
            auto found = std::find_if(wanted.begin(), wanted.end(),
                                      [&](const emit::TableCheck& check) { return check.name == name; });
            bool ours = before_.find("\n    CONSTRAINT " + quoteName(name) + " CHECK (") != std::string::npos;
            if (found == wanted.end() ? ours : stateOf(*found) != CheckState::same)
                add(found == wanted.end() ? entity_.pos : posOf(*found->column), "DROP CONSTRAINT " + quoteName(name));
        }
    }

    void alterColumn(const resolve::ColumnInfo& column, const ColumnView& view) {
        for (size_t i = 0; i < question_.columns.size(); i++)
            if (question_.columns[i].name == column.name)
                alterColumn(column, view, question_.columns[i], answer_.columns[i]);
    }

    void alterColumn(const resolve::ColumnInfo& column, const ColumnView& view, const ColumnQuestion& wanted,
                     const ColumnAnswer& found) {
        if (found.type == TypeChange::impossible) {
            change_.refused.push_back("no cast turns the field " + column.name + " from " + view.type + " into " +
                                      wanted.type);
            return;
        }
        std::string alter = "ALTER COLUMN " + quoteName(column.name) + " ";
        std::vector<std::string> actions;
        bool narrows = found.type == TypeChange::narrowing;
        bool another = found.type != TypeChange::same;
        // A default that PostgreSQL cannot cast by itself would stand in the way of the type.
        bool drops = found.hasDefault && (wanted.defaultValue.empty() || (another && !found.sameDefault) || narrows);
        if (drops) actions.push_back(alter + "DROP DEFAULT");
        if (another) {
            actions.push_back(alter + "TYPE " + wanted.type +
                              (narrows ? " USING " + quoteName(column.name) + "::" + wanted.type : ""));
            change_.columns.push_back(column.name);
        }
        if (narrows)
            change_.losses.push_back("values of the field " + column.name + " would change from " + view.type + " to " +
                                     wanted.type);
        if (!wanted.defaultValue.empty() && (drops || !found.sameDefault))
            actions.push_back(alter + "SET DEFAULT " + wanted.defaultValue);
        if (column.notNull && !view.notNull) actions.push_back(alter + "SET NOT NULL");
        if (!column.notNull && view.notNull && column.name != entity_.key) actions.push_back(alter + "DROP NOT NULL");
        if (!actions.empty()) add(posOf(column), join(actions, ",\n    "));
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::EntityInfo& entity_;
    const std::string& before_;
    const TableQuestion& question_;
    const TableAnswer& answer_;
    std::string alter_;
    TableChange change_;
};

}  // namespace

std::string madeText(const CatalogView& catalog, const Object& table) {
    for (const InstalledObject& object : catalog.objects)
        if (object.kind == "table" && object.identity == table.identity && !wasAdopted(object.sql)) return object.sql;
    return {};
}

bool madeColumn(const std::string& before, const std::string& column) {
    return before.find("\n    " + quoteName(column) + " ") != std::string::npos;
}

const resolve::EntityInfo* entityOf(const resolve::World& world, const Object& object) {
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit && object.kind == "table" && quoteName(entity.schema, entity.table) == object.identity)
            return &entity;
    return nullptr;
}

std::vector<TableQuestion> askOfTables(const resolve::World& world, const resolve::Resolver& resolver,
                                       const std::vector<Object>& objects) {
    std::vector<TableQuestion> questions;
    for (const Object& object : objects) {
        if (object.adopted) continue;
        const resolve::EntityInfo* entity = entityOf(world, object);
        if (!entity || !entity->present) continue;
        std::string before = madeText(world.catalog(), object);
        if (before == object.sql()) continue;
        TableQuestion question;
        question.identity = object.identity;
        question.schema = entity->schema;
        question.name = entity->table;
        for (const resolve::ColumnInfo& column : entity->columns) {
            const ColumnView* view = entity->present->column(column.name);
            bool stays = view && hasLine(before, emit::columnSql(world, resolver, *entity, column)) &&
                         resolve::compatible(column.type, view->type);
            if (view && !stays)
                question.columns.push_back(
                    {column.name, column.type, emit::columnDefault(world, resolver, *entity, column)});
        }
        for (const emit::TableCheck& check : emit::tableChecks(world, resolver, *entity))
            if (!hasLine(before, check.sql())) question.checks.push_back({check.name, check.condition});
        questions.push_back(std::move(question));
    }
    return questions;
}

TableChange changeTable(const resolve::World& world, const resolve::Resolver& resolver,
                        const resolve::EntityInfo& entity, const std::string& before, const TableQuestion& question,
                        const TableAnswer& answer) {
    return TableChanger(world, resolver, entity, before, question, answer).run();
}

}  // namespace specql::plan
