#include <algorithm>
#include <map>
#include <set>

#include "emit/printer.hpp"
#include "emit/tables.hpp"
#include "text/quote.hpp"

namespace specql::emit {

namespace {

using Role = resolve::EntityExpression::Role;

// How the state of an entity's rows can be read back from a log that every change of them is appended to: arguments of
// specql.refuse_change, six for each entity: its table, and of the log the columns with the row's key, the whole row
// and the time, and the column and value that tell the entity's rows from others' ('' where all are the entity's).
class LogReader {
public:
    LogReader(const resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& log)
        : world_(world), resolver_(resolver), log_(log) {}

    std::vector<std::string> arguments() {
        for (const resolve::ResolvedAction& action : resolver_.actions)
            for (const resolve::ResolvedBranch& branch : action.branches)
                for (const resolve::ResolvedStep& step : branch.steps)
                    if (!action.isAnswer() && step.spec->kind == spec::StepKind::append && step.target == &log_)
                        appends_.push_back({&action, &branch, &step});
        // In an order of their own: actions come in another one when another text is applied.
        std::set<std::vector<std::string>> readings;
        for (const Append& append : appends_)
            readings.insert(reading(append));
        std::vector<std::string> arguments;
        for (const std::vector<std::string>& reading : readings)
            for (const std::string& argument : reading)
                arguments.push_back(quoteLiteral(argument));
        return arguments;
    }

private:
    struct Append {
        const resolve::ResolvedAction* action;
        const resolve::ResolvedBranch* branch;
        const resolve::ResolvedStep* step;
    };

    // The expression without spaces, in lower case.
    std::string bare(const resolve::BoundExpression& bound) const {
        std::string text;
        for (char c : world_.expressionText(bound.expression))
            if (c != ' ' && c != '\n') text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return text;
    }
    // The one name that the whole expression consists of.
    const resolve::Value* name(const resolve::BoundExpression& bound) const {
        if (bound.values.size() != 1) return nullptr;
        const NameUse& use = world_.facts(bound.expression).names.front();
        return use.length == world_.expressionText(bound.expression).size() ? &bound.values.front() : nullptr;
    }

    std::vector<std::string> reading(const Append& append) const {
        const resolve::Binding& binding = append.action->binding;
        bool everyChange = !binding.custom && binding.ops == resolve::everyRowChange && binding.changedColumn.empty() &&
                           !append.branch->condition;
        if (!everyChange) return {};
        std::string key, state, time, type, value;
        for (const resolve::BoundAssignment& assignment : append.step->set) {
            if (!assignment.value) continue;
            std::string text = bare(assignment.value);
            const resolve::Value* whole = name(assignment.value);
            if (text == "row_to_json(new)" || text == "to_jsonb(new)" || text == "to_json(new)")
                state = assignment.column;
            else if (text == "now()" || text == "clock_timestamp()" || text == "transaction_timestamp()" ||
                     text == "statement_timestamp()" || text == "current_timestamp" ||
                     (whole && whole->kind == resolve::ValueKind::meta && whole->name == "event_time"))
                time = assignment.column;
            else if (whole && whole->kind == resolve::ValueKind::eventColumn && whole->name == binding.entity->key &&
                     !whole->old)
                key = assignment.column;
            else if (whole && whole->kind == resolve::ValueKind::meta && whole->name == "event_type")
                type = assignment.column;
        }
        if (key.empty() || state.empty() || time.empty()) return {};
        if (!type.empty())
            value = binding.entity->shown() + "." + binding.event;
        else if (appends_.size() > 1)
            return {};
        return {quoteName(binding.entity->schema, binding.entity->table), key, state, time, type, value};
    }

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::EntityInfo& log_;
    std::vector<Append> appends_;
};

class Extras {
public:
    Extras(resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity)
        : world_(world), resolver_(resolver), entity_(entity), table_(quoteName(entity.schema, entity.table)) {}

    std::vector<Object> run() {
        for (const resolve::ColumnInfo& column : entity_.columns)
            if (column.field && !column.field->refTarget.empty()) addReference(column);
        for (const resolve::ColumnInfo& column : entity_.columns)
            if (column.field && column.field->unique) addUnique(column.field->unique.pos, {column.name});
        if (entity_.spec) {
            for (const std::vector<Text>& together : entity_.spec->uniques) {
                std::vector<std::string> columns;
                for (const Text& name : together)
                    columns.push_back(entity_.columnOf(name.value)->name);
                addUnique(together.front().pos, columns);
            }
            for (const spec::IndexSpec& index : entity_.spec->indexes)
                addIndex(index);
        }
        if (entity_.appendOnly) addGuard();
        if (!entity_.partitionColumn.empty()) addPartitioning();
        return std::move(objects_);
    }

private:
    Object& add(ObjectKind kind, Pos pos, const std::string& commented, std::string sql, const std::string& comment) {
        Object& object = objects_.emplace_back();
        object.pos = pos;
        object.kind = kind;
        object.unit = entity_.unit ? entity_.unit->key() : "";
        object.comment = comment;
        object.commands.push_back(std::move(sql));
        object.commands.push_back("COMMENT ON " + commented + " IS " + quoteLiteral(comment) + ";");
        return object;
    }

    Object& addConstraint(Pos pos, const std::string& name, const std::string& what, const std::string& comment) {
        std::string quoted = quoteName(madeName(world_, entity_, pos, name));
        Object& object = add(ObjectKind::constraint, pos, "CONSTRAINT " + quoted + " ON " + table_,
                             "ALTER TABLE " + table_ + " ADD CONSTRAINT " + quoted + "\n    " + what + ";", comment);
        object.nameOn(quoted, table_);
        return object;
    }

    // `definition` is what stands behind the table's name.
    Object& addIndex(Pos pos, const std::string& name, bool unique, const std::string& definition,
                     const std::string& use) {
        std::string index = madeName(world_, entity_, pos, name), identity = quoteName(entity_.schema, index);
        Object& object = add(ObjectKind::index, pos, "INDEX " + identity,
                             std::string("CREATE ") + (unique ? "UNIQUE " : "") + "INDEX " + quoteName(index) + " ON " +
                                 table_ + definition + ";",
                             use);
        object.identity = identity;
        object.table = table_;
        return object;
    }

    void addReference(const resolve::ColumnInfo& column) {
        const resolve::EntityInfo* target = world_.entity(column.field->refTarget.value, entity_.home);
        if (!target || target->key.empty()) return;
        Pos pos = column.field->name.pos;
        std::string onDelete = column.field->refOnDelete;
        std::transform(onDelete.begin(), onDelete.end(), onDelete.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
        addConstraint(pos, entity_.word + "_" + column.name + "_fkey",
                      "FOREIGN KEY (" + quoteName(column.name) + ") REFERENCES " +
                          quoteName(target->schema, target->table) + " (" + quoteName(target->key) + ")" +
                          (onDelete.empty() ? "" : " ON DELETE " + onDelete),
                      "Field " + column.field->name.value + ": " + column.field->type.value);
        addIndex(pos, entity_.word + "_" + column.name + "_idx", false, " (" + quoteName(column.name) + ")",
                 "Finds the rows that refer to a row of " + target->shown());
    }

    // unique: twice of the same fields is said once.
    void addUnique(Pos pos, const std::vector<std::string>& columns) {
        if (!uniques_.insert(columns).second) return;
        addConstraint(pos, entity_.word + "_" + join(columns, "_") + "_key", "UNIQUE (" + quoteNames(columns) + ")",
                      columns.size() == 1 ? "No two rows have the same " + columns.front()
                                          : "No two rows have the same " + join(columns, ", ") + " together")
            .columns = columns;
    }

    void addIndex(const spec::IndexSpec& index) {
        std::vector<std::string> parts, include, reads;
        std::string made = entity_.word, where;
        size_t place = 0;
        for (const resolve::EntityExpression& expression : resolver_.entityExpressions) {
            if (expression.index != &index) continue;
            for (const resolve::Value& value : expression.bound.values)
                reads.push_back(value.name);
            std::string sql = printPlain(world_, resolver_, expression.bound);
            if (expression.role == Role::indexCondition) {
                where = "\n    WHERE " + sql;
                continue;
            }
            const spec::OrderItem& item = index.columns[place++];
            made += "_" + wordsOf(expression.bound);
            parts.push_back((isName(expression.bound) ? sql : "(" + sql + ")") + (item.descending ? " DESC" : "") +
                            (item.nulls == 0   ? ""
                             : item.nulls == 1 ? " NULLS FIRST"
                                               : " NULLS LAST"));
        }
        for (const Text& name : index.include) {
            include.push_back(entity_.columnOf(name.value)->name);
            reads.push_back(include.back());
        }
        addIndex(index.pos, index.name.empty() ? made + "_idx" : index.name.value, index.unique,
                 (index.type.empty() ? "" : " USING " + quoteName(index.type.value)) + " (" + join(parts, ", ") + ")" +
                     (include.empty() ? "" : "\n    INCLUDE (" + quoteNames(include) + ")") + where,
                 "Index of entity " + entity_.name)
            .columns = reads;
    }

    // Does the whole expression consist of one name?
    bool isName(const resolve::BoundExpression& bound) const {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        return facts.names.size() == 1 && facts.names[0].length == world_.expressionText(bound.expression).size();
    }

    // lower(email) is lower_email: the functions and columns of an expression, as they stand in it.
    std::string wordsOf(const resolve::BoundExpression& bound) const {
        const ExpressionFacts& facts = world_.facts(bound.expression);
        std::map<size_t, std::string> words;
        for (const CallUse& call : facts.calls)
            words[call.offset] = call.name.back();
        for (size_t i = 0; i < bound.values.size(); i++)
            words[facts.names[i].offset] = bound.values[i].name;
        std::vector<std::string> all;
        for (const auto& [offset, word] : words)
            all.push_back(word);
        return all.empty() ? "expr" : join(all, "_");
    }

    // What can be read back from the log stands in the trigger's arguments, where specql.state_at looks. ALWAYS: a
    // session that sets session_replication_role is no way around it.
    void addGuard() {
        const std::string name = "append_only_trigger";
        Object& object = add(ObjectKind::trigger, entity_.pos, "TRIGGER " + name + " ON " + table_,
                             "CREATE OR REPLACE TRIGGER " + name + "\n    BEFORE UPDATE OR DELETE OR TRUNCATE ON " +
                                 table_ + "\n    FOR EACH STATEMENT EXECUTE FUNCTION specql.refuse_change(" +
                                 join(LogReader(world_, resolver_, entity_).arguments(), ", ") + ");",
                             "Keeps the log append-only");
        object.nameOn(name, table_);
        object.replaceable = true;
        object.commands.push_back("ALTER TABLE " + table_ + " ENABLE ALWAYS TRIGGER " + name + ";");
    }

    void addPartitioning() {
        const spec::Partitioning& partitioning = entity_.spec->partitioning;
        (void)madeName(world_, entity_, partitioning.column.pos, entity_.table + "_2026_12_31_23");
        Object& object = objects_.emplace_back();
        object.kind = ObjectKind::upkeep;
        object.identity = object.table = table_;
        object.unit = entity_.unit->key();
        object.pos = partitioning.strategy.pos;
        object.replaceable = true;
        object.detail = partitioning.period.value + " partitions, " + std::to_string(partitioning.premake) + " ahead" +
                        (partitioning.retentionSql.empty() ? "" : ", dropped after " + partitioning.retentionSql);
        object.commands.push_back(
            "SELECT specql.register_partitioning(\n    " + quoteLiteral(table_) + ",\n    " +
            quoteLiteral(entity_.partitionColumn) + ",\n    " + quoteLiteral(partitioning.period.value) + ",\n    " +
            (partitioning.retentionSql.empty() ? "NULL" : quoteLiteral(partitioning.retentionSql)) + ",\n    " +
            std::to_string(partitioning.premake) + ");");
        object.commands.push_back("SELECT specql.make_partitions(" + quoteLiteral(table_) + ");");
    }

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::EntityInfo& entity_;
    const std::string table_;
    std::set<std::vector<std::string>> uniques_;
    std::vector<Object> objects_;
};

}  // namespace

std::vector<Object> tableExtras(resolve::World& world, const resolve::Resolver& resolver,
                                const resolve::EntityInfo& entity) {
    return Extras(world, resolver, entity).run();
}

}  // namespace specql::emit
