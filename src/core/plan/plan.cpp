#include "plan/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "plan/drop_command.hpp"
#include "plan/function_change.hpp"
#include "plan/moved.hpp"
#include "plan/views.hpp"
#include "text/quote.hpp"
#include "text/source.hpp"

namespace specql::plan {

namespace {

constexpr const char* leftDetail = "left by an earlier apply whose record is gone";

// Event and table of a registration: what stands behind the name of the action.
std::string whatIsHeard(const std::string& sql) {
    size_t begin = sql.find(',', sql.find("register_action("));
    size_t end = begin == std::string::npos ? begin : sql.find(',', sql.find(',', begin + 1) + 1);
    std::string heard;
    for (size_t at = begin; at < std::min(end, sql.size()); ++at)
        if (sql[at] != ' ' && sql[at] != '\n') heard += sql[at];
    return heard;
}

class Planner {
public:
    Planner(resolve::World& world, const std::vector<Object>& objects, const std::vector<TableQuestion>& questions,
            const std::vector<TableAnswer>& answers)
        : world_(world), catalog_(world.catalog()), objects_(objects), questions_(questions), answers_(answers) {
        for (const InstalledObject& object : catalog_.objects)
            installed_[object.key()] = &object;
        for (const resolve::Unit& unit : world.units)
            (unit.fresh() ? fresh_ : inForce_).insert(unit.key());
        inForce_.insert(fresh_.begin(), fresh_.end());
    }

    std::vector<PlanStep> run() {
        refuseUnseen();
        std::set<ObjectKey> wanted;
        for (const Object& object : objects_)
            wanted.insert(object.key());
        // What no spec wants any more goes first; tables and schemas hold data and stay.
        for (auto object = catalog_.objects.rbegin(); object != catalog_.objects.rend(); ++object) {
            if (wanted.count(object->key())) continue;
            PlanStep step;
            step.action = PlanAction::drop;
            step.desired.kind = object->kind;
            step.desired.identity = object->identity;
            step.desired.unit = object->unit;
            std::string sql = dropSql(*object);
            bool table = object->kind == ObjectKind::table;
            bool removed = isRemoved(object->unit);
            if (object->kind == ObjectKind::schema || (table && !removed)) continue;
            if (staysWithTable(*object, wanted)) {
                if (removed && object->present)
                    add(step.desired, PlanAction::unchanged, {},
                        table ? "stays, with its data" : "stays with its table");
                continue;
            }
            step.destructive = table;
            if (!sql.empty() && object->present) step.sql.push_back(std::move(sql));
            steps_.push_back(std::move(step));
        }
        suggestActions(wanted);
        for (const Object& object : objects_)
            changeTable(object);
        dropViews();
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
    bool staysWithTable(const InstalledObject& object, const std::set<ObjectKey>& wanted) const {
        bool dropped = isRemoved(object.unit) && catalog_.dropTables;
        return object.kind != ObjectKind::trigger && !object.ofTable().empty() && !dropped &&
               !inForce_.count(object.unit) && !wanted.count({ObjectKind::table, object.ofTable()});
    }

    // Warns of an action that is gone from its entity where a new one hears the same, or has nearly its name.
    void suggestActions(const std::set<ObjectKey>& wanted) {
        for (const InstalledObject& gone : catalog_.objects) {
            if (gone.kind != ObjectKind::registration || wanted.count(gone.key()) || !fresh_.count(gone.unit)) continue;
            std::map<std::string, const Object*> come;
            std::vector<std::string> names, hearers;
            for (const Object& object : objects_) {
                if (object.kind != gone.kind || object.unit != gone.unit || installed_.count(object.key())) continue;
                come[object.identity] = &object;
                names.push_back(object.identity);
                if (whatIsHeard(object.sql()) == whatIsHeard(gone.sql)) hearers.push_back(object.identity);
            }
            std::string name = hearers.size() == 1 ? hearers.front() : nearest(gone.identity, names);
            if (name.empty()) continue;
            world_.diagnostics().report(Code::P018, come[name]->pos,
                                        gone.identity + " is gone, and " + name +
                                            " is new: what waits for the first is not handled by the second",
                                        "if it is the same one, write in it renamed_from: " +
                                            gone.identity.substr(gone.identity.rfind('.') + 1));
        }
    }

    void add(const Object& object, PlanAction action, std::vector<std::string> sql, std::string detail = {},
             bool destructive = false) {
        PlanStep step;
        step.action = action;
        step.detail = detail.empty() ? object.detail : std::move(detail);
        step.destructive = destructive;
        step.sql = std::move(sql);
        step.desired = object;
        step.ofText = fresh_.count(object.unit) > 0;
        steps_.push_back(std::move(step));
    }

    bool isOfEntity(const std::string& table) const {
        return std::any_of(objects_.begin(), objects_.end(), [&](const Object& object) {
            return object.kind == ObjectKind::table && object.identity == table;
        });
    }

    // Tables that the text names or puts rules on: an entity's, and those of triggers and indexes. What inherits the
    // table of an entity is the affair of adopt().
    void refuseUnseen() {
        for (const Object& object : objects_) {
            if (!fresh_.count(object.unit)) continue;
            const std::string& name = object.kind == ObjectKind::table ? object.identity : object.table;
            for (const TableView& table : catalog_.tables) {
                bool inherited = object.kind == ObjectKind::trigger && !table.heirs.empty() && !isOfEntity(name);
                if ((!table.distributed && !inherited) || quoteName(table.schema, table.name) != name ||
                    !told_.insert(name).second)
                    continue;
                if (table.distributed)
                    world_.diagnostics().report(
                        Code::P015, object.pos,
                        "the table " + name +
                            " is distributed by Citus: its rows are written on other servers, where no rule sees them",
                        "make it a local table, SELECT undistribute_table('" + name +
                            "'), or leave it out of the spec");
                else
                    world_.diagnostics().report(Code::P003, object.pos,
                                                "no rule on the table " + name +
                                                    " would see the rows of what inherits it (" + table.heirs + ")",
                                                "make them partitions, or put the rule on tables that none inherits");
            }
        }
    }

    // What becomes of a table that specql made, before anything else is planned.
    void changeTable(const Object& object) {
        for (size_t i = 0; i < questions_.size() && i < answers_.size(); i++) {
            if (object.kind != ObjectKind::table || questions_[i].identity != object.identity) continue;
            const resolve::EntityInfo& entity = *entityOf(world_, object);
            const TableShape* made = madeShape(catalog_, object);
            if (made && entity.impliedByStep && holdsSame(object, entity, *made)) return;
            TableChange change = plan::changeTable(object, entity, made, questions_[i], answers_[i]);
            for (const ColumnReader& reader : answers_[i].readers)
                if (std::count(change.columns.begin(), change.columns.end(), reader.column) > 0)
                    readers_.insert(reader.reader);
            changes_.emplace(object.identity, std::move(change));
        }
    }

    // PostgreSQL keeps a column as it is while a function reads it; those that are wanted are made again afterwards.
    void dropReaders() {
        for (auto object = objects_.rbegin(); object != objects_.rend(); ++object) {
            if (object->kind != ObjectKind::function || !readers_.count(object->identity)) continue;
            const FunctionView* there = functionOf(*object);
            bool ours = installed_.count(object->key()) > 0 || (there && leftBehind(*object, *there));
            if (!there || !ours) continue;
            remade_.insert(object->identity);
            add(*object, PlanAction::drop, {dropSql(*object)}, "reads a column that changes");
        }
    }

    void dropViews() {
        for (const GoingView& view : goingViews(objects_, catalog_, readers_)) {
            remade_.insert(view.object->identity);
            add(*view.object, PlanAction::drop, {dropSql(*view.object)}, view.reason);
        }
    }

    void plan(const Object& object) {
        auto found = installed_.find(object.key());
        const InstalledObject* before = found == installed_.end() ? nullptr : found->second;
        if (object.kind == ObjectKind::table && planTable(object, before)) return;
        if (before && object.kind != ObjectKind::table && leadsElsewhere(object, *before)) return;
        if (object.kind == ObjectKind::function && remade_.count(object.identity))
            return add(object, PlanAction::create, remakeFunction(object, *functionOf(object)));
        if (object.kind == ObjectKind::view && remade_.count(object.identity))
            return add(object, PlanAction::create, object.commands);
        // What was dropped or moved by hand comes back when its own spec is applied, not with any other. Of a table
        // that is gone it does not matter what it was.
        bool same = before && (object.kind == ObjectKind::table || before->sql == object.sql());
        if (same && !before->present && !fresh_.count(object.unit)) return;
        if (!before || !before->present) {
            bool left = std::any_of(catalog_.functions.begin(), catalog_.functions.end(),
                                    [&](const FunctionView& function) { return leftBehind(object, function); }) ||
                        std::any_of(catalog_.extras.begin(), catalog_.extras.end(),
                                    [&](const ExtraView& extra) { return leftBehind(object, extra); });
            if (!left && isThere(object))
                return add(object, PlanAction::adopt, {}, "a constraint that was there, taken as it is");
            if (left) return replace(object, leftDetail);
            if (before && object.kind == ObjectKind::table)
                world_.diagnostics().report(Code::P019, object.pos,
                                            "the table " + object.identity + " is gone: it is made again, empty",
                                            "if its rows are wanted, bring it back from a backup first");
            return add(object, PlanAction::create, object.commands);
        }
        if (wentWithColumn(object))
            return add(object, before->sql == object.sql() ? PlanAction::create : PlanAction::replace, object.commands,
                       "went with a column that is computed anew");
        if (before->sql != object.sql()) return replace(object);
        if (before->altered) return replace(object, "was altered by hand");
        unchanged(object);
    }

    bool wentWithColumn(const Object& object) const {
        auto change = changes_.find(object.table);
        return change != changes_.end() &&
               std::any_of(object.columns.begin(), object.columns.end(), [&](const std::string& column) {
                   const std::vector<std::string>& remade = change->second.remade;
                   return std::find(remade.begin(), remade.end(), column) != remade.end();
               });
    }

    // A name that meant a table of its own schema, which was dropped, does not come to mean another schema's namesake.
    // What the text did not name stays as it is.
    bool leadsElsewhere(const Object& object, const InstalledObject& before) {
        size_t colon = object.unit.find(':') + 1;
        std::string schema = object.unit.substr(colon, object.unit.find('.', colon) - colon), sql = object.sql();
        for (const resolve::EntityInfo& entity : world_.entities) {
            std::string own = quoteName(schema, entity.word), now = quoteName(entity.schema, entity.table);
            if (entity.home == schema || catalog_.table(schema, entity.word) || !holdsName(before.sql, own) ||
                !holdsName(sql, now) || holdsName(before.sql, now))
                continue;
            // Asked last: it reads the texts of all units.
            if (says(object.unit, entity.home + "." + entity.name) ||
                says(object.unit, entity.home + "." + entity.word))
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

    // A foreign key under the name that PostgreSQL itself would give it, on a table that others made.
    bool isThere(const Object& object) const {
        return object.kind == ObjectKind::constraint &&
               std::any_of(catalog_.extras.begin(), catalog_.extras.end(), [&](const ExtraView& extra) {
                   return extra.kind == object.kind && extra.identity == object.identity && extra.callerOwns;
               });
    }

    const FunctionView* functionOf(const Object& object) const {
        if (object.kind != ObjectKind::function) return nullptr;
        for (const FunctionView& function : catalog_.functions)
            if (function.identity == object.identity) return &function;
        return nullptr;
    }

    void replace(const Object& object, std::string detail = {}) {
        std::vector<std::string> sql = object.commands;
        if (const FunctionView* function = functionOf(object))
            sql = replaceFunction(object, *function);
        else if (!object.replaceable)
            sql.insert(sql.begin(), dropSql(object));
        add(object, PlanAction::replace, std::move(sql), std::move(detail));
    }

    // Units that the text did not name are told of only where they change.
    void unchanged(const Object& object) {
        if (fresh_.count(object.unit)) add(object, PlanAction::unchanged, {});
    }

    // True if the step was planned (or refused) here.
    bool planTable(const Object& object, const InstalledObject* before) {
        const resolve::EntityInfo* entity = entityOf(world_, object);
        if (!entity || !entity->present) return false;
        bool known = before && before->hasShape;
        if (known && mayBeRenamed(object, *entity, before->shape)) return true;
        if (known && before->shape == object.shape) return restoreColumns(object, *entity), true;
        const TableShape* made = madeShape(catalog_, object);
        bool leftover = !object.shape.adopted && !made;
        if (known && !leftover && entity->impliedByStep && holdsSame(object, *entity, before->shape))
            return unchanged(object), true;
        if (object.shape.adopted) return adopt(object, *entity), true;
        return alter(object, *entity, made), true;
    }

    // A column that somebody has renamed by hand looks like one that was dropped. Made anew it would be empty, and the
    // rules on it would see nothing.
    bool mayBeRenamed(const Object& object, const resolve::EntityInfo& entity, const TableShape& before) {
        if (!fresh_.count(object.unit) || adopts(entity)) return false;
        for (const ShapeColumn& column : object.shape.columns) {
            if (entity.present->column(column.name) || !before.column(column.name)) continue;
            for (const ColumnView& other : entity.present->columns) {
                if (object.shape.column(other.name) || before.column(other.name)) continue;
                if (!resolve::compatible(column.type, other.type)) continue;
                world_.report(*entity.file, Code::P004, placeOf(entity, column.name),
                              "the column " + column.name + " of " + entity.shown() + " is gone, and " + other.name +
                                  ", which no field declares, may be it",
                              "if it is, call the field " + other.name + " and write renamed_from: " + column.name +
                                  ", or give the column its name back; else adopt => true makes " + column.name +
                                  " anew");
                return true;
            }
        }
        return false;
    }

    // Columns that were dropped by hand come back with their spec, and defaults when the caller says so; what else was
    // done to a table stays.
    void restoreColumns(const Object& object, const resolve::EntityInfo& entity) {
        std::vector<std::string> problems, missing;
        if (fresh_.count(object.unit)) missing = missingColumns(object, entity, problems);
        if (problems.empty()) warnOfDefaults(entity);
        if (missing.empty() || !problems.empty()) return unchanged(object);
        add(object, PlanAction::alter, std::move(missing), "was altered by hand");
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
    bool holdsSame(const Object& object, const resolve::EntityInfo& entity, const TableShape& before) const {
        std::vector<std::string> problems;
        if (!missingColumns(object, entity, problems).empty() || !problems.empty()) return false;
        const auto& columns = entity.present->columns;
        return std::all_of(columns.begin(), columns.end(), [&](const ColumnView& column) {
            return object.shape.column(column.name) || !before.column(column.name);
        });
    }

    std::vector<std::string> missingColumns(const Object& object, const resolve::EntityInfo& entity,
                                            std::vector<std::string>& problems) const {
        std::string alter = "ALTER TABLE " + object.identity + "\n    ";
        std::vector<std::string> sql;
        for (const ShapeColumn& column : object.shape.columns) {
            const ColumnView* found = entity.present->column(column.name);
            if (!found) {
                sql.push_back(alter + "ADD COLUMN " + column.sql() + ";");
                for (const ShapeCheck& check : object.shape.checks)
                    if (check.column == column.name) sql.push_back(alter + "ADD " + check.sql() + ";");
            } else if (std::string problem = misfit(column, *found); !problem.empty()) {
                problems.push_back(std::move(problem));
            } else if (adopts(entity) && !column.defaultValue.empty() && !found->hasDefault && !found->generated) {
                sql.push_back(alter + "ALTER COLUMN " + quoteName(column.name) + " SET DEFAULT " + column.defaultValue +
                              ";");
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
        std::vector<std::string> missing = missingColumns(object, entity, problems);
        if (table.kind != 'r' && table.kind != 'p')
            problems.insert(problems.begin(), "it is not an ordinary or partitioned table");
        if (!adopts(entity))
            for (const resolve::ColumnInfo& column : entity.columns)
                if (!table.column(column.name)) problems.push_back(column.name + " is missing (" + column.type + ")");
        if (entity.spec && !entity.spec->key.empty() && object.shape.key != table.primaryKey)
            problems.push_back("its key is (" + join(table.primaryKey, ", ") + "), the spec says (" +
                               join(object.shape.key, ", ") + ")");
        if (!object.shape.partition.empty() && object.shape.partition != table.partition)
            problems.push_back("it is " + partitioned(table.partition) + ", the spec says " + object.shape.partition);
        if (!table.heirs.empty())
            problems.push_back("no rule would see the rows of what inherits it (" + table.heirs + ")");
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
        add(object, missing.empty() ? PlanAction::adopt : PlanAction::alter, missing,
            "an existing table, taken as it is");
    }

    // `made` is as madeShape() gives it.
    void alter(const Object& object, const resolve::EntityInfo& entity, const TableShape* made) {
        const TableChange& change = changes_[object.identity];
        bool loses = !change.losses.empty();
        std::vector<std::string> problems = change.refused;
        if (loses && !catalog_.allowDestructive)
            problems.insert(problems.end(), change.losses.begin(), change.losses.end());
        if (!problems.empty()) {
            std::string renamed = likelyRename(entity, change);
            world_.report(
                *entity.file, Code::P004, posOf(entity),
                "the entity " + entity.home + "." + entity.name +
                    " was applied before and changed: " + join(problems, "; "),
                change.another
                    ? "keep it as it was, or make another entity and move the rows: rules, references and the "
                      "log of events know rows by their key, and PostgreSQL keeps them where they are"
                : change.refused.empty()
                    ? renamed + (renamed.empty() ? "" : "else ") +
                          "keep it as it was, or allow it: allow_destructive => true"
                    : "take the field away and apply, with allow_destructive => true, then add it anew; or "
                      "change the column with ALTER TABLE … TYPE … USING and apply again");
            return;
        }
        std::vector<std::string> sql = change.sql;
        if (made)
            for (std::string& command : object.shape.comments(object.identity, *made))
                sql.push_back(std::move(command));
        const char* detail = !made ? leftDetail : sql.empty() ? "is as the spec says already" : "";
        PlanAction action = !made && sql.empty() ? PlanAction::adopt : PlanAction::alter;
        add(object, action, std::move(sql), detail, loses);
        steps_.back().places = change.places;
    }

    resolve::World& world_;
    const CatalogView& catalog_;
    const std::vector<Object>& objects_;
    std::map<ObjectKey, const InstalledObject*> installed_;
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
    std::map<ObjectKey, const Object*> known;
    for (const Object& object : before)
        if (object.kind == ObjectKind::function || object.kind == ObjectKind::constraint) known[object.key()] = &object;
    std::vector<std::string> changed;
    for (const Object& object : after) {
        auto found = known.find(object.key());
        if (found == known.end() || found->second->sql() == object.sql()) continue;
        if (std::find(changed.begin(), changed.end(), object.origin) == changed.end()) changed.push_back(object.origin);
    }
    return changed;
}

std::vector<PlanStep> makePlan(resolve::World& world, const std::vector<Object>& objects,
                               const std::vector<TableQuestion>& questions, const std::vector<TableAnswer>& answers) {
    return Planner(world, objects, questions, answers).run();
}

}  // namespace specql::plan
