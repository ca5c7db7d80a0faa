#include "plan/table_change.hpp"

#include <algorithm>

#include "plan/moved.hpp"
#include "text/quote.hpp"
#include "text/source.hpp"

namespace specql::plan {

namespace {

// The line of the field, with its former name.
std::string lineOf(const resolve::EntityInfo& entity, const spec::Field& field, const std::string& key,
                   const std::string& former) {
    std::string type = field.type.value + (field.required ? "!" : "");
    if (field.defaultValue) type += " = " + entity.file->spec.expressions[field.defaultValue.id].value;
    bool quotes = type.find_first_of("{}[],\"'#:") != std::string::npos;
    return field.name.value + ": {type: " + (quotes ? quoteJson(type) : type) + ", " + key + ": " + former + "}";
}

// The values of a check like x IN ('a', 'b').
std::vector<std::string> literals(const std::string& condition) {
    std::vector<std::string> values;
    for (size_t at = condition.find('\''); at != std::string::npos; at = condition.find('\'', at)) {
        std::string value;
        for (++at; at < condition.size() && (condition[at] != '\'' || condition.compare(at, 2, "''") == 0); ++at) {
            value += condition[at];
            if (condition[at] == '\'') ++at;
        }
        values.push_back(value);
        if (at < condition.size()) ++at;
    }
    return values;
}

std::vector<std::string> without(std::vector<std::string> values, const std::vector<std::string>& others) {
    values.erase(std::remove_if(values.begin(), values.end(),
                                [&](const std::string& value) {
                                    return std::find(others.begin(), others.end(), value) != others.end();
                                }),
                 values.end());
    return values;
}

class TableChanger {
public:
    TableChanger(const Object& table, const resolve::EntityInfo& entity, const TableShape* made,
                 const TableQuestion& question, const TableAnswer& answer)
        : table_(table),
          entity_(entity),
          made_(made),
          question_(question),
          answer_(answer),
          alter_("ALTER TABLE " + table.identity + "\n    ") {}

    // Checks go before the columns they read change, and come when all columns are as they shall be.
    TableChange run() {
        for (const ShapeColumn& column : table_.shape.columns)
            if (const ColumnView* view = entity_.present->column(column.name); view && isRemade(column, *view))
                change_.remade.push_back(column.name);
        dropChecks();
        checkKey();
        checkPartition();
        for (const ShapeColumn& column : table_.shape.columns)
            if (const ColumnView* view = entity_.present->column(column.name))
                alterColumn(column, *view);
            else
                addColumn(column);
        for (const ColumnView& column : entity_.present->columns) {
            if (table_.shape.column(column.name) || !made_ || !made_->column(column.name)) continue;
            add("", "DROP COLUMN " + quoteName(column.name));
            if (made_->column(column.name)->computed.empty())
                change_.losses.push_back("the field " + column.name + " would be dropped with its data");
            change_.columns.push_back(column.name);
            change_.gone.push_back(*made_->column(column.name));
        }
        for (const ShapeCheck& check : table_.shape.checks) {
            CheckState state = stateOf(check);
            if (state == CheckState::same) continue;
            add(check.column, "ADD " + check.sql());
            if (state != CheckState::shrinks) continue;
            change_.losses.push_back("values of the field " + check.column + " would no longer be allowed");
            suggestValues(check);
        }
        return std::move(change_);
    }

private:
    void add(const std::string& column, const std::string& action) {
        change_.sql.push_back(alter_ + action + ";");
        change_.places.push_back(placeOf(entity_, column));
    }

    void suggestValues(const ShapeCheck& check) {
        const ShapeCheck* was = made_ ? made_->check(check.name) : nullptr;
        const resolve::ColumnInfo* column = entity_.column(check.column);
        if (!was || !column || !column->field) return;
        std::vector<std::string> gone = without(literals(was->condition), literals(check.condition));
        std::vector<std::string> come = without(literals(check.condition), literals(was->condition));
        for (const std::string& value : gone) {
            std::string now = gone.size() == 1 && come.size() == 1 ? come.front() : nearest(value, come);
            if (now.empty()) continue;
            change_.respelled += "if " + now + " is the former " + value + ", write " +
                                 lineOf(entity_, *column->field, "renamed_values", "{" + now + ": " + value + "}") +
                                 "; ";
        }
    }

    // Rows are known by their keys: in the log of events, in what refers to them, in deliveries.
    void checkKey() {
        const std::vector<std::string>& there = entity_.present->primaryKey;
        if (table_.shape.key == there || (made_ && made_->key == table_.shape.key)) return;
        change_.refused.push_back("its key would be (" + join(table_.shape.key, ", ") + ") and is (" +
                                  join(there, ", ") + ")");
        change_.another = true;
    }

    void checkPartition() {
        const std::string& wanted = table_.shape.partition;
        bool wasOurs = made_ && !made_->partition.empty();
        if (wanted == entity_.present->partition || (wanted.empty() && !wasOurs)) return;
        change_.refused.push_back("it would be " + partitioned(wanted) + " and is " +
                                  partitioned(entity_.present->partition));
        change_.another = true;
    }

    void addColumn(const ShapeColumn& column) {
        add(column.name, "ADD COLUMN " + column.sql());
        change_.come.push_back(column);
    }

    // Of a check that was not asked for nothing changed.
    CheckState stateOf(const ShapeCheck& check) const {
        for (size_t i = 0; i < question_.checks.size(); i++)
            if (question_.checks[i].name == check.name) return answer_.checks[i];
        bool goes = std::any_of(change_.remade.begin(), change_.remade.end(), [&](const std::string& column) {
            return holdsName(check.condition, quoteName(column));
        });
        return goes ? CheckState::differs : CheckState::same;
    }

    const ShapeColumn* knownOf(const ShapeColumn& column) const { return made_ ? made_->column(column.name) : nullptr; }

    bool isRemade(const ShapeColumn& column, const ColumnView& view) const {
        const ShapeColumn* known = knownOf(column);
        return !column.computed.empty() && !(view.generated && (!known || known->sameDefinition(column)));
    }

    void dropChecks() {
        for (const std::string& name : answer_.present) {
            const ShapeCheck* wanted = table_.shape.check(name);
            bool ours = made_ && made_->check(name);
            if (wanted ? stateOf(*wanted) != CheckState::same : ours)
                add(wanted ? wanted->column : "", "DROP CONSTRAINT " + quoteName(name));
        }
    }

    // What PostgreSQL computes is made anew, which computes it for the rows there are; and with it what is on it.
    void computeColumn(const ShapeColumn& column, const ColumnView& view) {
        add(column.name, "DROP COLUMN " + quoteName(column.name) + ",\n    ADD COLUMN " + column.sql());
        if (!view.generated)
            change_.losses.push_back("the values of the field " + column.name + " would be computed from now on");
        change_.columns.push_back(column.name);
    }

    // The numbers go on behind the largest there is.
    void countColumn(const ShapeColumn& column, const ColumnView& view) {
        const std::string alter = "ALTER COLUMN " + quoteName(column.name) + " ";
        const ShapeColumn* known = knownOf(column);
        if (column.identity == view.identity || (known && known->identity == column.identity)) return;
        if (column.identity.empty()) return add(column.name, alter + "DROP IDENTITY");
        if (!view.identity.empty())
            return add(column.name, alter + "SET GENERATED " + (column.identity == "always" ? "ALWAYS" : "BY DEFAULT"));
        if (view.hasDefault) add(column.name, alter + "DROP DEFAULT");
        if (!view.notNull) add(column.name, alter + "SET NOT NULL");
        add(column.name, alter + "ADD " + column.identitySql());
        change_.sql.push_back("SELECT setval(pg_get_serial_sequence(" + quoteLiteral(table_.identity) + ", " +
                              quoteLiteral(column.name) + "), coalesce(max(" + quoteName(column.name) +
                              "), 0) + 1, false) FROM " + table_.identity + ";");
        change_.places.push_back(placeOf(entity_, column.name));
    }

    void alterColumn(const ShapeColumn& column, const ColumnView& view) {
        if (!column.computed.empty()) {
            if (isRemade(column, view)) computeColumn(column, view);
            return;
        }
        const ShapeColumn* known = knownOf(column);
        if (view.generated && known && !known->computed.empty())
            add(column.name, "ALTER COLUMN " + quoteName(column.name) + " DROP EXPRESSION");
        for (size_t i = 0; i < question_.columns.size(); i++)
            if (question_.columns[i].name == column.name)
                alterColumn(column, view, question_.columns[i], answer_.columns[i]);
        countColumn(column, view);
    }

    void alterColumn(const ShapeColumn& column, const ColumnView& view, const ColumnQuestion& wanted,
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
        bool drops = found.hasDefault && column.identity.empty() &&
                     (wanted.defaultValue.empty() || (another && !found.sameDefault) || narrows);
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
        if (column.notNull && !view.notNull && column.identity.empty()) actions.push_back(alter + "SET NOT NULL");
        const std::vector<std::string>& key = table_.shape.key;
        if (!column.notNull && view.notNull && std::find(key.begin(), key.end(), column.name) == key.end())
            actions.push_back(alter + "DROP NOT NULL");
        if (!actions.empty()) add(column.name, join(actions, ",\n    "));
    }

    const Object& table_;
    const resolve::EntityInfo& entity_;
    const TableShape* made_;
    const TableQuestion& question_;
    const TableAnswer& answer_;
    std::string alter_;
    TableChange change_;
};

}  // namespace

const TableShape* madeShape(const CatalogView& catalog, const Object& table) {
    for (const InstalledObject& object : catalog.objects)
        if (object.key() == table.key() && object.hasShape && !object.shape.adopted) return &object.shape;
    return nullptr;
}

std::string partitioned(const std::string& by) {
    return by.empty() ? "not partitioned" : "partitioned by " + by;
}

std::string misfit(const ShapeColumn& wanted, const ColumnView& there) {
    if (!resolve::compatible(wanted.type, there.type))
        return wanted.name + " is " + there.type + ", the spec says " + wanted.type;
    if (!wanted.computed.empty() && !there.generated)
        return wanted.name + " is no generated column, and the spec computes it";
    if (!wanted.identity.empty() && wanted.identity != there.identity)
        return wanted.name + " is " +
               (there.identity.empty() ? "no identity" : "an identity that is given " + there.identity) +
               ", the spec says " + wanted.identity;
    return {};
}

Pos placeOf(const resolve::EntityInfo& entity, const std::string& column) {
    const resolve::ColumnInfo* info = entity.column(column);
    return info && info->field ? info->field->name.pos : entity.pos;
}

const resolve::EntityInfo* entityOf(const resolve::World& world, const Object& object) {
    for (const resolve::EntityInfo& entity : world.entities)
        if (entity.unit && object.kind == ObjectKind::table &&
            quoteName(entity.schema, entity.table) == object.identity)
            return &entity;
    return nullptr;
}

std::vector<TableQuestion> askOfTables(const resolve::World& world, const std::vector<Object>& objects) {
    std::vector<TableQuestion> questions;
    for (const Object& object : objects) {
        if (object.shape.adopted) continue;
        const resolve::EntityInfo* entity = entityOf(world, object);
        if (!entity || !entity->present) continue;
        const TableShape* made = madeShape(world.catalog(), object);
        if (made && *made == object.shape) continue;
        TableQuestion question;
        question.identity = object.identity;
        question.schema = entity->schema;
        question.name = entity->table;
        for (const ShapeColumn& column : object.shape.columns) {
            const ColumnView* view = entity->present->column(column.name);
            const ShapeColumn* known = made ? made->column(column.name) : nullptr;
            bool stays = view && known && known->sameDefinition(column) && resolve::compatible(column.type, view->type);
            if (view && !stays) question.columns.push_back({column.name, column.type, column.defaultValue});
        }
        for (const ShapeCheck& check : object.shape.checks) {
            const ShapeCheck* known = made ? made->check(check.name) : nullptr;
            if (!known || known->condition != check.condition) question.checks.push_back({check.name, check.condition});
        }
        questions.push_back(std::move(question));
    }
    return questions;
}

TableChange changeTable(const Object& table, const resolve::EntityInfo& entity, const TableShape* made,
                        const TableQuestion& question, const TableAnswer& answer) {
    return TableChanger(table, entity, made, question, answer).run();
}

std::string likelyRename(const resolve::EntityInfo& entity, const TableChange& change) {
    std::string all = change.respelled;
    for (const ShapeColumn& gone : change.gone) {
        std::vector<std::string> names, others;
        for (const ShapeColumn& come : change.come)
            (come.type == gone.type ? names : others).push_back(come.name);
        bool alone = std::count_if(change.gone.begin(), change.gone.end(),
                                   [&](const ShapeColumn& other) { return other.type == gone.type; }) == 1;
        std::string name =
            names.size() == 1 && alone ? names.front() : nearest(gone.name, names.empty() ? others : names);
        const resolve::ColumnInfo* column = name.empty() ? nullptr : entity.column(name);
        if (!column || !column->field) continue;
        const std::string& field = column->field->name.value;
        all += "if " + field + " is the former " + gone.name + ", write " +
               lineOf(entity, *column->field, "renamed_from", gone.name) + "; ";
    }
    return all;
}

}  // namespace specql::plan
