#include "plan/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "plan/function_change.hpp"
#include "plan/moved.hpp"
#include "text/quote.hpp"

namespace specql::plan {

namespace {

constexpr const char* leftDetail = "left by an earlier apply whose record is gone";

std::string dropSql(const std::string& kind, const std::string& identity) {
    if (kind == "function") return "DROP FUNCTION IF EXISTS " + identity + ";";
    if (kind == "table") return "DROP TABLE IF EXISTS " + identity + ";";
    if (kind == "index") return "DROP INDEX IF EXISTS " + identity + ";";
    size_t on = identity.find(" on ");
    if (kind == "trigger" && on != std::string::npos)
        return "DROP TRIGGER IF EXISTS " + identity.substr(0, on) + " ON " + identity.substr(on + 4) + ";";
    if (kind == "constraint" && on != std::string::npos)
        return "ALTER TABLE " + identity.substr(on + 4) + " DROP CONSTRAINT IF EXISTS " + identity.substr(0, on) + ";";
    if (kind == "registration") return "SELECT specql.unregister_action(" + quoteLiteral(identity) + ");";
    if (kind == "window") return "SELECT specql.unregister_window(" + quoteLiteral(identity) + ");";
    if (kind == "service") return "SELECT specql.unregister_service(" + quoteLiteral(identity) + ");";
    return {};
}

class Planner {
public:
    Planner(resolve::World& world, const resolve::Resolver& resolver, const std::vector<Object>& objects,
            const std::vector<TableQuestion>& questions, const std::vector<TableAnswer>& answers)
        : world_(world),
          resolver_(resolver),
          catalog_(world.catalog()),
          objects_(objects),
          questions_(questions),
          answers_(answers) {
        for (const InstalledObject& object : catalog_.objects)
            installed_[object.kind + " " + object.identity] = &object;
        for (const resolve::Unit& unit : world.units)
            (unit.fresh() ? fresh_ : inForce_).insert(unit.key());
        inForce_.insert(fresh_.begin(), fresh_.end());
    }

    std::vector<PlanStep> run() {
        std::set<std::string> wanted;
        for (const Object& object : objects_)
            wanted.insert(object.kind + " " + object.identity);
        // What no spec wants any more goes first; tables and schemas hold data and stay.
        for (auto object = catalog_.objects.rbegin(); object != catalog_.objects.rend(); ++object) {
            if (wanted.count(object->kind + " " + object->identity)) continue;
            PlanStep step;
            step.action = "drop";
            step.kind = object->kind;
            step.object = object->identity;
            step.desired.kind = object->kind;
            step.desired.identity = object->identity;
            step.desired.unit = object->unit;
            std::string sql = dropSql(object->kind, object->identity);
            bool table = object->kind == "table";
            bool removed = isRemoved(object->unit);
            if (object->kind == "schema" || (table && !removed)) continue;
            if (staysWithTable(*object, wanted)) {
                if (removed && object->present)
                    add(step.desired, "unchanged", {}, table ? "stays, with its data" : "stays with its table");
                continue;
            }
            step.destructive = table;
            if (!sql.empty() && object->present) step.sql.push_back(std::move(sql));
            steps_.push_back(std::move(step));
        }
        for (const Object& object : objects_)
            changeTable(object);
        dropReaders();
        for (const Object& object : objects_)
            plan(object);
        return std::move(steps_);
    }

private:
    bool isRemoved(const std::string& unit) const {
        return std::count(catalog_.removed.begin(), catalog_.removed.end(), unit) > 0;
    }
    // What stays with its table when the unit that it came with is gone, because it guards the data. What another unit
    // makes of the table now is that one's affair.
    bool staysWithTable(const InstalledObject& object, const std::set<std::string>& wanted) const {
        bool dropped = isRemoved(object.unit) && catalog_.dropTables;
        return object.kind != "trigger" && !tableOf(object).empty() && !dropped && !inForce_.count(object.unit) &&
               !wanted.count("table " + tableOf(object));
    }

    void add(const Object& object, const char* action, std::vector<std::string> sql, std::string detail = {},
             bool destructive = false) {
        PlanStep step;
        step.action = action;
        step.kind = object.kind;
        step.object = object.identity;
        step.detail = detail.empty() ? object.detail : std::move(detail);
        step.destructive = destructive;
        step.sql = std::move(sql);
        step.desired = object;
        step.ofText = fresh_.count(object.unit) > 0;
        steps_.push_back(std::move(step));
    }

    // What becomes of a table that specql made, before anything else is planned.
    void changeTable(const Object& object) {
        for (size_t i = 0; i < questions_.size() && i < answers_.size(); i++) {
            if (object.kind != "table" || questions_[i].identity != object.identity) continue;
            const resolve::EntityInfo& entity = *entityOf(world_, object);
            std::string before = madeText(catalog_, object);
            if (!before.empty() && entity.impliedByStep && holdsSame(entity, before)) return;
            TableChange change = plan::changeTable(world_, resolver_, entity, before, questions_[i], answers_[i]);
            for (const ColumnReader& reader : answers_[i].readers)
                if (std::count(change.columns.begin(), change.columns.end(), reader.column) > 0)
                    readers_.insert(reader.function);
            changes_.emplace(object.identity, std::move(change));
        }
    }

    // PostgreSQL keeps a column as it is while a function reads it; those that are wanted are made again afterwards.
    void dropReaders() {
        for (auto object = objects_.rbegin(); object != objects_.rend(); ++object) {
            if (object->kind != "function" || !readers_.count(object->identity)) continue;
            const FunctionView* there = functionOf(*object);
            bool ours = installed_.count("function " + object->identity) > 0 || (there && leftBehind(*object, *there));
            if (!there || !ours) continue;
            remade_.insert(object->identity);
            add(*object, "drop", {dropSql("function", object->identity)}, "reads a column that changes");
        }
    }

    void plan(const Object& object) {
        auto found = installed_.find(object.kind + " " + object.identity);
        const InstalledObject* before = found == installed_.end() ? nullptr : found->second;
        if (object.kind == "table" && planTable(object, before)) return;
        if (before && object.kind != "table" && leadsElsewhere(object, *before)) return;
        if (object.kind == "function" && remade_.count(object.identity))
            return add(object, "create", remakeFunction(object, *functionOf(object)));
        // What was dropped or moved by hand comes back when its own spec is applied, not with any other. A table that
        // was adopted is recorded without the commands that would make it.
        bool same = before && (object.kind == "table" || before->sql == object.sql());
        if (same && !before->present && !fresh_.count(object.unit)) return;
        if (!before || !before->present) {
            bool left = std::any_of(catalog_.functions.begin(), catalog_.functions.end(),
                                    [&](const FunctionView& function) { return leftBehind(object, function); }) ||
                        std::any_of(catalog_.extras.begin(), catalog_.extras.end(),
                                    [&](const ExtraView& extra) { return leftBehind(object, extra); });
            if (!left && isThere(object))
                return add(object, "adopt", {}, "a constraint that was there, taken as it is");
            if (!left) return add(object, "create", object.commands);
            return replace(object, leftDetail);
        }
        if (before->sql != object.sql()) return replace(object);
        if (before->altered) return replace(object, "was altered by hand");
        unchanged(object);
    }

    // A name that meant a table of its own schema, which was dropped, does not come to mean another schema's namesake.
    // What the text did not name stays as it is.
    bool leadsElsewhere(const Object& object, const InstalledObject& before) {
        size_t colon = object.unit.find(':') + 1;
        std::string schema = object.unit.substr(colon, object.unit.find('.', colon) - colon), sql = object.sql();
        for (const resolve::EntityInfo& entity : world_.entities) {
            std::string own = quoteName(schema, entity.word), now = quoteName(entity.schema, entity.table);
            if (says(object.unit, entity.home + "." + entity.name) ||
                says(object.unit, entity.home + "." + entity.word))
                continue;
            if (entity.home == schema || catalog_.table(schema, entity.word) || !holdsName(before.sql, own) ||
                !holdsName(sql, now) || holdsName(before.sql, now))
                continue;
            if (fresh_.count(object.unit) && told_.insert(object.origin + own).second)
                world_.diagnostics().report(
                    Code::P014, object.pos,
                    entity.name + " meant " + own + " here, which is gone; it would mean " + now + " now",
                    "write " + entity.home + "." + entity.name + " if that is meant; or bring the table back");
            return true;
        }
        return false;
    }

    bool says(const std::string& unit, const std::string& name) const {
        return std::any_of(world_.units.begin(), world_.units.end(), [&](const resolve::Unit& one) {
            return one.key() == unit && holdsName(withoutDescriptions(one.text), name);
        });
    }

    // The lines of a YAML text but for descriptions, and what is indented under them, and comments.
    static std::string withoutDescriptions(const std::string& text) {
        std::string rest;
        size_t described = std::string::npos;  // the indent of the description that goes on
        for (size_t at = 0, end = 0; at < text.size(); at = end + 1) {
            end = std::min(text.find('\n', at), text.size());
            std::string line = text.substr(at, end - at);
            size_t indent = line.find_first_not_of(" -");
            bool blank = indent == std::string::npos;
            if (described != std::string::npos && (blank || indent > described)) continue;
            described = std::string::npos;
            if (!blank && line.compare(indent, 12, "description:") == 0)
                described = indent;
            else if (!blank && line[indent] != '#')
                rest += line + '\n';
        }
        return rest;
    }

    // A foreign key under the name that PostgreSQL itself would give it, on a table that others made.
    bool isThere(const Object& object) const {
        return object.kind == "constraint" &&
               std::any_of(catalog_.extras.begin(), catalog_.extras.end(), [&](const ExtraView& extra) {
                   return extra.kind == object.kind && extra.identity == object.identity && extra.callerOwns;
               });
    }

    const FunctionView* functionOf(const Object& object) const {
        if (object.kind != "function") return nullptr;
        for (const FunctionView& function : catalog_.functions)
            if (function.identity == object.identity) return &function;
        return nullptr;
    }

    void replace(const Object& object, std::string detail = {}) {
        std::vector<std::string> sql = object.commands;
        if (const FunctionView* function = functionOf(object))
            sql = replaceFunction(object, *function);
        else if (!object.replaceable)
            sql.insert(sql.begin(), dropSql(object.kind, object.identity));
        add(object, "replace", std::move(sql), std::move(detail));
    }

    // Units that the text did not name are told of only where they change.
    void unchanged(const Object& object) {
        if (fresh_.count(object.unit)) add(object, "unchanged", {});
    }

    // True if the step was planned (or refused) here.
    bool planTable(const Object& object, const InstalledObject* before) {
        const resolve::EntityInfo* entity = entityOf(world_, object);
        if (!entity || !entity->present) return false;
        if (before && before->sql == object.sql()) return restoreColumns(object, *entity), true;
        std::string made = madeText(catalog_, object);
        bool leftover = !object.adopted && made.empty();
        if (before && !leftover && entity->impliedByStep && holdsSame(*entity, before->sql))
            return unchanged(object), true;
        if (object.adopted) return adopt(object, *entity), true;
        return alter(object, *entity, made), true;
    }

    // Columns that were dropped by hand come back with their spec, and defaults when the caller says so; what else was
    // done to a table stays.
    void restoreColumns(const Object& object, const resolve::EntityInfo& entity) {
        std::vector<std::string> problems, missing;
        if (fresh_.count(object.unit)) missing = missingColumns(entity, problems);
        if (problems.empty()) warnOfDefaults(entity);
        if (missing.empty() || !problems.empty()) return unchanged(object);
        add(object, "alter", std::move(missing), "was altered by hand");
    }

    // DROP EXTENSION took the default with it, or the table never had one.
    void warnOfDefaults(const resolve::EntityInfo& entity) {
        if (adopts(entity)) return;
        for (const resolve::ColumnInfo& column : entity.columns) {
            const ColumnView* found = entity.present->column(column.name);
            if (!found || found->hasDefault || found->generated || column.defaultSql.empty()) continue;
            world_.report(*entity.file, Code::P005, posOf(entity),
                          "the column " + column.name + " of " + entity.shown() +
                              " has no default: rows that are inserted without it fail",
                          "adopt => true gives it " + column.defaultSql + "; or declare the field " + column.name);
        }
    }

    // A table that several steps write has the columns of all of them, in the order in which the steps were met: that
    // is another one when another text is applied.
    bool holdsSame(const resolve::EntityInfo& entity, const std::string& before) const {
        std::vector<std::string> problems;
        if (!missingColumns(entity, problems).empty() || !problems.empty()) return false;
        const auto& columns = entity.present->columns;
        return std::all_of(columns.begin(), columns.end(), [&](const ColumnView& column) {
            return entity.column(column.name) || !madeColumn(before, column.name);
        });
    }

    std::vector<std::string> missingColumns(const resolve::EntityInfo& entity,
                                            std::vector<std::string>& problems) const {
        std::string alter = "ALTER TABLE " + quoteName(entity.schema, entity.table) + "\n    ";
        std::vector<std::string> sql;
        for (const resolve::ColumnInfo& column : entity.columns) {
            const ColumnView* found = entity.present->column(column.name);
            std::string value = emit::columnDefault(world_, resolver_, entity, column);
            if (!found) {
                sql.push_back(alter + "ADD COLUMN " + emit::columnSql(world_, resolver_, entity, column) + ";");
                for (const emit::TableCheck& check : emit::tableChecks(world_, resolver_, entity))
                    if (check.column == &column) sql.push_back(alter + "ADD " + check.sql() + ";");
            } else if (!resolve::compatible(column.type, found->type)) {
                problems.push_back(column.name + " is " + found->type + ", the spec says " + column.type);
            } else if (adopts(entity) && !value.empty() && !found->hasDefault && !found->generated) {
                sql.push_back(alter + "ALTER COLUMN " + quoteName(column.name) + " SET DEFAULT " + value + ";");
            }
        }
        return sql;
    }

    // What may be added to a table that is there is said of the tables of the text alone.
    bool adopts(const resolve::EntityInfo& entity) const {
        return catalog_.adopt && fresh_.count(entity.unit->key()) > 0;
    }

    Pos posOf(const resolve::EntityInfo& entity) const { return entity.spec ? entity.spec->name.pos : entity.pos; }

    void adopt(const Object& object, const resolve::EntityInfo& entity) {
        const TableView& table = *entity.present;
        std::vector<std::string> problems;
        std::vector<std::string> missing = missingColumns(entity, problems);
        if (table.kind != 'r' && table.kind != 'p')
            problems.insert(problems.begin(), "it is not an ordinary or partitioned table");
        if (!adopts(entity))
            for (const resolve::ColumnInfo& column : entity.columns)
                if (!table.column(column.name)) problems.push_back(column.name + " is missing (" + column.type + ")");
        if (!table.callerOwns) problems.push_back("it belongs to " + table.owner);
        if (!problems.empty()) {
            world_.report(*entity.file, Code::P003, posOf(entity),
                          "the table " + entity.shown() + " exists and does not fit: " + join(problems, "; "),
                          adopts(entity)
                              ? "change the spec or the table"
                              : "change the spec or the table, or let apply add missing columns: adopt => true");
            return;
        }
        warnOfDefaults(entity);
        add(object, missing.empty() ? "adopt" : "alter", missing, "an existing table, taken as it is");
    }

    // `before` is the CREATE TABLE that was run; empty if its record is gone.
    void alter(const Object& object, const resolve::EntityInfo& entity, const std::string& before) {
        const TableChange& change = changes_[object.identity];
        bool loses = !change.losses.empty();
        std::vector<std::string> problems = change.refused;
        if (loses && !catalog_.allowDestructive)
            problems.insert(problems.end(), change.losses.begin(), change.losses.end());
        if (!problems.empty()) {
            world_.report(*entity.file, Code::P004, posOf(entity),
                          "the entity " + entity.home + "." + entity.name +
                              " was applied before and changed: " + join(problems, "; "),
                          change.refused.empty()
                              ? "keep it as it was, or allow it: allow_destructive => true"
                              : "take the field away and apply, with allow_destructive => true, then add it anew; or "
                                "change the column with ALTER TABLE … TYPE … USING and apply again");
            return;
        }
        std::vector<std::string> sql = change.sql;
        // The first command makes the table; the others are its comments.
        for (size_t i = 1; i < object.commands.size() && !before.empty(); i++)
            if (before.find(object.commands[i]) == std::string::npos) sql.push_back(object.commands[i]);
        const char* detail = before.empty() ? leftDetail : sql.empty() ? "is as the spec says already" : "";
        const char* action = before.empty() && sql.empty() ? "adopt" : "alter";
        add(object, action, std::move(sql), detail, loses);
        steps_.back().places = change.places;
    }

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const CatalogView& catalog_;
    const std::vector<Object>& objects_;
    std::map<std::string, const InstalledObject*> installed_;
    const std::vector<TableQuestion>& questions_;
    const std::vector<TableAnswer>& answers_;
    std::map<std::string, TableChange> changes_;  // by the table's identity
    std::set<std::string> readers_;               // functions that read a column that changes
    std::set<std::string> told_;                  // of names that would lead elsewhere
    std::set<std::string> remade_;                // those that were dropped for it
    std::set<std::string> fresh_;                 // units of the text being applied
    std::set<std::string> inForce_;               // and all there are with them
    std::vector<PlanStep> steps_;
};

}  // namespace

std::vector<std::string> changedMeanings(const std::vector<Object>& before, const std::vector<Object>& after) {
    std::map<std::string, const Object*> known;
    for (const Object& object : before)
        if (object.kind == "function" || object.kind == "constraint")
            known[object.kind + " " + object.identity] = &object;
    std::vector<std::string> changed;
    for (const Object& object : after) {
        auto found = known.find(object.kind + " " + object.identity);
        if (found == known.end() || found->second->sql() == object.sql()) continue;
        if (std::find(changed.begin(), changed.end(), object.origin) == changed.end()) changed.push_back(object.origin);
    }
    return changed;
}

std::vector<PlanStep> makePlan(resolve::World& world, const resolve::Resolver& resolver,
                               const std::vector<Object>& objects, const std::vector<TableQuestion>& questions,
                               const std::vector<TableAnswer>& answers) {
    return Planner(world, resolver, objects, questions, answers).run();
}

}  // namespace specql::plan
