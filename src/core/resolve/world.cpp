#include "resolve/world.hpp"

#include <algorithm>
#include <set>

#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::resolve {

const ColumnInfo* EntityInfo::column(std::string_view name) const {
    for (const ColumnInfo& candidate : columns)
        if (candidate.name == name) return &candidate;
    return nullptr;
}

const ColumnInfo* EntityInfo::columnOf(const std::string& field) const {
    if (const ColumnInfo* exact = column(field)) return exact;
    std::string name = snakeCase(field);
    if (const ColumnInfo* snake = column(name)) return snake;
    for (const ColumnInfo& candidate : columns)
        if (candidate.field && !candidate.field->refTarget.empty() && snakeCase(candidate.field->name.value) == name)
            return &candidate;
    return nullptr;
}

bool startsWith(const std::string& text, const std::string& prefix) {
    return text.size() > prefix.size() && text.compare(0, prefix.size(), prefix) == 0;
}

bool endsWith(const std::string& text, const std::string& suffix) {
    return text.size() > suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

std::vector<std::string> words(std::string_view name) {
    std::vector<std::string> parts;
    size_t at = 0;
    while (at <= name.size()) {
        size_t end = std::min(name.find('_', at), name.size());
        if (end > at) parts.emplace_back(name.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

bool containsWords(std::string_view whole, std::string_view part) {
    std::vector<std::string> all = words(whole), wanted = words(part);
    return !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
        return std::find(all.begin(), all.end(), word) != all.end();
    });
}

namespace {

std::string withId(const spec::Field& field, const std::string& column) {
    return field.refTarget.empty() || endsWith(column, "_id") ? column : column + "_id";
}

constexpr size_t mostColumns = 1600;  // MaxHeapAttributeNumber

std::string sliceLines(const Source& source, uint32_t first, uint32_t last) {
    std::string text;
    for (uint32_t line = first; line <= last; line++)
        text.append(source.line(line)).append("\n");
    return text;
}

std::string schemaOr(const Text& schema, const char* fallback) {
    return schema.empty() ? fallback : schema.value;
}

std::string baseName(const std::string& action) {
    std::string base = snakeCase(action);
    return base.size() > 3 && base.compare(0, 3, "on_") == 0 ? base.substr(3) : base;
}

}  // namespace

std::string columnName(const spec::Field& field, const std::string& written) {
    return withId(field, snakeCase(written));
}

void World::report(const SpecFile& file, Code code, Pos pos, std::string message, std::string hint) {
    bool isError = severityOf(code) == Severity::error;
    if (trial_) {
        *trial_ += isError;
        return;
    }
    if (file.fresh)
        diagnostics_.report(code, pos, std::move(message), std::move(hint));
    else if (isError)
        diagnostics_.report(code, Pos{}, "in the installed " + file.label + ": " + message, std::move(hint));
}

void World::warn(const SpecFile& file, Code code, Pos pos, std::string message, std::string hint) {
    if (!trial_ && file.fresh) diagnostics_.warn(code, pos, std::move(message), std::move(hint));
}

Pos World::locate(int expression, size_t at) const {
    return expressionFile_[expression]->source.locate(expressions_[expression], at);
}

int World::addExpression(const SpecFile& file, Text text) {
    expressions_.push_back(std::move(text));
    expressionFile_.push_back(&file);
    return static_cast<int>(expressions_.size()) - 1;
}

// PostgreSQL reads intervals and time zones: each is asked about as a literal.
void World::addLiterals(const SpecFile& file, const spec::Action& action) {
    for (const Text* text : {&action.correlationWindow, &action.cooldown, &action.backoff, &action.due.offset}) {
        if (text->empty()) continue;
        Text literal = *text;
        literal.value = "interval " + quoteLiteral(text->value);
        literals_[text] = addExpression(file, std::move(literal));
    }
    if (action.zone.empty()) return;
    Text literal = action.zone;
    literal.value = "timestamptz " + quoteLiteral("2000-01-01 00:00 " + action.zone.value);
    literals_[&action.zone] = addExpression(file, std::move(literal));
}

// Fields, filters and keys of a window are pieces of its condition, but expressions like any other.
void World::addWindow(const SpecFile& file, const spec::Action& action) {
    if (!action.windowed && !action.correlated) return;
    auto add = [&](const Text& text) { return text ? addExpression(file, text) : -1; };
    std::vector<TermExpressions>& all = termExpressions_[&action];
    for (size_t i = 0; i < action.window.terms.size(); i++) {
        const WindowTerm& term = action.window.terms[i];
        TermExpressions expressions;
        if (!action.correlated) {
            Text interval = term.interval;
            interval.value = "interval " + quoteLiteral(term.interval.value);
            expressions.interval = addExpression(file, std::move(interval));
        }
        expressions.filter = add(term.filter);
        expressions.field = add(term.field);
        for (const Text& key : term.by)
            expressions.by.push_back(addExpression(file, key));
        if (action.correlated && !action.correlateBy.empty())
            expressions.by.push_back(addExpression(file, action.correlateBy[action.correlateBy.size() > i ? i : 0]));
        all.push_back(std::move(expressions));
    }
}

int World::literalExpression(const Text& text) const {
    auto found = literals_.find(&text);
    return found == literals_.end() ? -1 : found->second;
}

void World::addFile(std::unique_ptr<SpecFile> owned, const std::vector<std::string>& onlyUnits) {
    SpecFile& file = *owned;
    files.push_back(std::move(owned));
    file.expressionBase = static_cast<int>(expressions_.size());
    for (const Text& text : file.spec.expressions)
        addExpression(file, text);

    auto wanted = [&](const Unit& unit) {
        poll();
        return onlyUnits.empty() || std::find(onlyUnits.begin(), onlyUnits.end(), unit.key()) != onlyUnits.end();
    };
    auto add = [&](Unit unit, Pos pos) -> const Unit* {
        unit.file = &file;
        if (!wanted(unit)) return nullptr;
        if (!unitKeys_.insert(unit.key()).second) {
            if (file.fresh)
                report(file, Code::R001, pos,
                       unit.kind + " " + unit.schema + (unit.schema.empty() ? "" : ".") + unit.name +
                           " is defined twice in this text",
                       "rename one, or put both together");
            return nullptr;
        }
        units.push_back(std::move(unit));
        return &units.back();
    };

    for (const spec::Entity& spec : file.spec.entities) {
        Unit unit{"entity",
                  schemaOr(spec.schema, "public"),
                  spec.name.value,
                  nullptr,
                  spec.firstLine,
                  spec.lastLine,
                  sliceLines(file.source, spec.firstLine, spec.lastLine)};
        const Unit* added = add(std::move(unit), spec.pos);
        if (!added) continue;
        EntityInfo entity;
        entity.name = spec.name.value;
        entity.home = added->schema;
        entity.word = snakeCase(spec.name.value);
        entity.schema = spec.tableSchema.empty() ? entity.home : spec.tableSchema;
        entity.table = spec.tableName.empty() ? entity.word : spec.tableName;
        entity.unit = added;
        entity.file = &file;
        entity.spec = &spec;
        entity.pos = spec.pos;
        entities.push_back(std::move(entity));
        for (const spec::Action& action : spec.actions) {
            addLiterals(file, action);
            addWindow(file, action);
            actions.push_back(
                {added, &file, &action, added->schema, baseName(action.name.value), &entities.back(), {}});
        }
    }
    for (const spec::Rules& rules : file.spec.rules) {
        std::string schema = schemaOr(rules.schema, "public");
        for (const spec::Action& action : rules.actions) {
            Unit unit{
                "action",
                schema,
                action.name.value,
                nullptr,
                action.firstLine,
                action.lastLine,
                "schema: " + schema + "\nactions:\n" + sliceLines(file.source, action.firstLine, action.lastLine)};
            const Unit* added = add(std::move(unit), action.pos);
            if (!added) continue;
            addLiterals(file, action);
            addWindow(file, action);
            actions.push_back({added, &file, &action, schema, baseName(action.name.value), nullptr, {}});
        }
    }
    for (const spec::Service& service : file.spec.services) {
        Unit unit{"service",
                  "",
                  service.name.value,
                  nullptr,
                  service.firstLine,
                  service.lastLine,
                  sliceLines(file.source, service.firstLine, service.lastLine)};
        add(std::move(unit), service.pos);
    }
}

void World::checkName(const SpecFile& file, const std::string& name, Pos pos, const char* what) {
    if (name.size() <= maxNameBytes) return;
    report(file, Code::R002, pos,
           std::string(what) + " name " + name + " has " + std::to_string(name.size()) + " bytes; PostgreSQL keeps 63",
           "shorten it");
}

void World::checkColumn(const SpecFile& file, const std::string& name, Pos pos) {
    checkName(file, name, pos, "column");
    if (!file.fresh) return;  // what is installed came through before
    static const std::set<std::string> system = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};
    if (system.count(name))
        report(file, Code::R091, pos, name + " is a column that PostgreSQL gives every table", "choose another name");
    if (name == "old" || name == "new")
        report(file, Code::R091, pos, name + " is the row before or after a change, and no name for a column",
               "choose another name");
}

// A rule's condition is asked for every row that changes, and a check or a default is PostgreSQL's.
void World::refuseQueries() {
    for (size_t i = 0; i < facts_->size() && i < expressionFile_.size(); i++) {
        const ExpressionFacts& facts = (*facts_)[i];
        const int expression = static_cast<int>(i);
        const SpecFile& file = *expressionFile_[i];
        // One that is refused for what stands in it is a query all the same.
        const bool isRefused = facts.code == Code::E016;
        if ((facts.queries.empty() && !isRefused) || file.spec.withQueries.count(expression - file.expressionBase) > 0)
            continue;
        ExpressionFacts& refused = refused_[expression];
        refused.code = Code::E006;
        refused.error = sentenceOf(Code::E006);
        refused.hint = hintOf(Code::E006);
        refused.errorOffset = facts.queries.empty() ? facts.errorOffset : facts.queries.front();
    }
}

void World::build(const CatalogView& catalog, const std::vector<ExpressionFacts>& facts) {
    catalog_ = &catalog;
    facts_ = &facts;
    refuseQueries();
    std::map<std::string, const EntityInfo*> tables;
    for (size_t i = 0; i < entities.size(); i++) {  // by index: a ref may add a plain table at the end
        EntityInfo& entity = entities[i];
        if (!entity.spec) continue;
        entity.present = catalog.table(entity.schema, entity.table);
        auto [first, alone] = tables.emplace(entity.shown(), &entity);
        if (!alone) {
            const EntityInfo& told = entity.file->fresh ? entity : *first->second;
            report(*told.file, Code::R003, told.pos, "two entities would be the table " + entity.shown(),
                   "rename one of them");
        }
        checkPlace(entity, entity.spec->table ? entity.spec->table.pos : entity.spec->name.pos);
        if (std::find(catalog.foreignTypes.begin(), catalog.foreignTypes.end(), entity.shown()) !=
            catalog.foreignTypes.end())
            report(*entity.file, Code::P001, entity.pos, entity.shown() + " exists and is not a table",
                   "rename the entity, or move what is in the way");
        buildEntity(entity);
    }
    // A ref is of the type of the key it refers to, which a table that was there before chose for itself.
    for (size_t i = 0; i < entities.size(); i++)
        for (ColumnInfo& column : entities[i].columns) {
            if (!column.field || column.field->refTarget.empty()) continue;
            const EntityInfo* target = entity(column.field->refTarget.value, entities[i].home);
            const ColumnInfo* key = target ? target->column(target->key) : nullptr;
            if (key) column.type = key->type;
            if (target && !key && entities[i].file->fresh)
                report(*entities[i].file, Code::R015, column.field->refTarget.pos,
                       target->name + " has no key of one column, so nothing can refer to a row of it",
                       "give " + target->shown() +
                           " a primary key of one column, or declare the columns of its key as fields of their own");
        }
    askOfComputed();
    std::map<std::string, const ActionInfo*> bases;  // on_x and x would generate the same functions
    for (const ActionInfo& action : actions) {
        auto [other, first] = bases.emplace(action.schema + "." + action.base, &action);
        if (first) continue;
        const std::string& name = action.spec->name.value;
        if (other->second->spec->name.value == name)
            report(*action.file, Code::R004, action.spec->name.pos,
                   "the schema " + action.schema + " has two actions called " + name, "rename one of them");
        else
            report(*action.file, Code::R006, action.spec->name.pos,
                   "the actions " + other->second->spec->name.value + " and " + name +
                       " would generate functions of the same names",
                   "rename one of them");
    }
}

void World::buildEntity(EntityInfo& entity) {
    const SpecFile& file = *entity.file;
    checkName(file, entity.schema, entity.spec->schema.pos, "schema");
    if (entity.schema.compare(0, 3, "pg_") == 0 || entity.schema == "specql" || entity.schema == "information_schema")
        report(file, Code::R005, entity.spec->schema.pos, "the schema " + entity.schema + " is not for user tables",
               "choose another schema");
    checkName(file, entity.table, entity.spec->table ? entity.spec->table.pos : entity.spec->name.pos, "table");

    bool declaresId = std::any_of(entity.spec->fields.begin(), entity.spec->fields.end(),
                                  [](const spec::Field& field) { return field.name.value == "id"; });
    const std::vector<Text>& saidKey = entity.spec->key;
    bool keyWithoutId = !saidKey.empty() && std::none_of(saidKey.begin(), saidKey.end(),
                                                         [](const Text& name) { return name.value == "id"; });
    // An id of another type is the table's own, whether it is the key or not.
    auto ourId = [](const TableView& table) {
        return std::any_of(table.columns.begin(), table.columns.end(),
                           [](const ColumnView& column) { return column.name == "id" && column.type == "uuid"; });
    };
    auto hasColumn = [](const TableView& table, const std::string& name) { return table.column(name) != nullptr; };
    // A table that is there may have mixed-case columns.
    auto nameOf = [&](const spec::Field& field) {
        const std::string& written = field.name.value;
        std::string snake = snakeCase(written);
        bool keeps = entity.present && !hasColumn(*entity.present, snake) && hasColumn(*entity.present, written);
        return keeps ? written : snake;
    };
    // A table that is there keeps the key it has. One without a key of one column may go without: rules on it know no
    // "own row" then; adopt gives it an id.
    bool hasKey = entity.present && entity.present->primaryKey.size() == 1;
    bool adopts = catalog_->adopt && file.fresh;
    bool ownKey = entity.present && !declaresId &&
                  (hasColumn(*entity.present, "id") ? !ourId(*entity.present) : hasKey || !adopts);
    if (ownKey) {
        if (hasKey) entity.key = entity.present->primaryKey.front();
        bool declared = std::any_of(entity.spec->fields.begin(), entity.spec->fields.end(),
                                    [&](const spec::Field& field) { return nameOf(field) == entity.key; });
        for (const ColumnView& column : entity.present->columns) {
            if (column.name != entity.key || declared) continue;
            ColumnInfo known;
            known.name = column.name;
            known.type = column.type;
            known.notNull = true;
            known.generated = column.generated;
            known.hasEquality = column.hasEquality;
            known.identity = column.identity;
            entity.columns.push_back(std::move(known));
        }
    } else if (!declaresId && !keyWithoutId) {
        ColumnInfo id;
        id.name = "id";
        id.type = "uuid";
        id.notNull = true;
        id.defaultSql = "specql.uuid_v7()";
        entity.columns.push_back(std::move(id));
    }
    if (!ownKey) entity.key = "id";
    for (const spec::Field& field : entity.spec->fields) {
        if (entity.columns.size() == mostColumns) {
            report(file, Code::R092, field.name.pos,
                   "the columns of " + entity.name + " are more than a table can have: " + std::to_string(mostColumns),
                   "put some of them into another entity, or into one jsonb");
            break;
        }
        ColumnInfo column;
        column.name = withId(field, nameOf(field));
        column.field = &field;
        column.notNull = field.required || column.name == "id" || field.identity;
        ColumnType type = columnType(field.type.value, catalog_->types);
        if (!type.ok && field.type)
            report(file, Code::R010, field.type.pos,
                   "unknown type " + (field.type.value.size() > 200 ? "" : field.type.value + " ") + "of field " +
                       field.name.value + (type.error.empty() ? "" : ": " + type.error),
                   type.hint.empty()
                       ? "use a type of the language (text, integer, enum(a, b), timestamp, ref(Entity), …) "
                         "or one PostgreSQL knows"
                       : type.hint);
        column.type = type.ok ? type.sql : "text";
        const spec::States* states = entity.spec->states ? &*entity.spec->states : nullptr;
        if (states && states->field.value == field.name.value && !field.defaultValue)
            column.defaultSql = quoteLiteral(states->initial.value);
        const ColumnView* present = entity.present ? entity.present->column(column.name) : nullptr;
        column.generated = field.computed || (present && present->generated);
        column.identity = present ? present->identity : field.identity.value;
        column.hasEquality = present ? present->hasEquality : type.hasEquality;
        column.check = type.check;
        checkColumn(file, column.name, field.name.pos);
        checkField(entity, field, column);
        if (entity.column(column.name))
            report(file, Code::R011, field.name.pos,
                   "two fields of " + entity.name + " would be the column " + column.name, "rename one of them");
        if (!field.refTarget.empty()) {
            std::vector<std::string> candidates;
            if (!this->entity(field.refTarget.value, entity.home, &candidates)) {
                std::string near = nearestEntity(field.refTarget.value);
                if (candidates.empty())
                    report(file, Code::R012, field.refTarget.pos, "ref names no entity: " + field.refTarget.value,
                           near.empty() ? "declare it in this text or apply it first" : "did you mean " + near + "?");
                else
                    report(file, Code::R013, field.refTarget.pos,
                           field.refTarget.value + " is more than one entity: " + join(candidates, ", "),
                           "write ref(schema.Entity)");
            }
        }
        entity.columns.push_back(std::move(column));
    }
    buildKey(entity);
    if (entity.spec->partitioning.strategy) buildPartitioning(entity);
}

std::string impliedComment(bool appendOnly) {
    return std::string(appendOnly ? "Append-only log" : "Rows") + ", made from the steps that write it";
}

EntityInfo World::implied(const ActionInfo& action, std::string name, std::string schema, Pos pos, bool appendOnly) {
    EntityInfo info;
    info.table = info.word = snakeCase(name);
    info.name = std::move(name);
    info.schema = info.home = std::move(schema);
    info.unit = action.unit;
    info.file = action.file;
    info.impliedByStep = true;
    info.appendOnly = appendOnly;
    info.pos = pos;
    info.present = catalog_->table(info.schema, info.table);
    checkPlace(info, pos);
    info.key = "id";
    info.keyColumns = {"id"};
    ColumnInfo id;
    id.name = "id";
    id.type = "uuid";
    id.notNull = true;
    id.defaultSql = "specql.uuid_v7()";
    info.columns.push_back(std::move(id));
    checkName(*action.file, info.table, pos, "table");
    return info;
}

}  // namespace specql::resolve
