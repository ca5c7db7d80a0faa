#include "emit/states.hpp"

#include <algorithm>
#include <map>

#include "emit/function.hpp"
#include "emit/printer.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

std::vector<std::string> valuesOf(const std::vector<Text>& states) {
    std::vector<std::string> values;
    for (const Text& state : states)
        values.push_back(state.value);
    return values;
}

// 'a', 'b' and 'c'.
std::string orList(const std::vector<std::string>& words) {
    if (words.size() < 2) return words.empty() ? "" : words.front();
    return join({words.begin(), words.end() - 1}, ", ") + " or " + words.back();
}

class StateEmitter {
public:
    StateEmitter(resolve::World& world, const resolve::Resolver& resolver, const resolve::EntityInfo& entity)
        : world_(world),
          resolver_(resolver),
          entity_(entity),
          states_(*entity.spec->states),
          column_(quoteName(entity.columnOf(states_.field.value)->name)),
          table_(quoteName(entity.schema, entity.table)) {}

    std::vector<Object> run() {
        std::vector<Object> objects = {functionObject(function(), entity_.unit->key())};
        objects.push_back(trigger("specql_first_state", "INSERT",
                                  "new." + column_ + " IS DISTINCT FROM " + quoteLiteral(states_.initial.value),
                                  "A new row is " + states_.initial.value));
        std::string changes = "old." + column_ + " IS DISTINCT FROM new." + column_, allowed = allowedChanges();
        if (!allowed.empty()) changes += "\n        AND (" + allowed + ") IS NOT TRUE";
        objects.push_back(trigger("specql_state", "UPDATE", changes,
                                  "States change by the transitions of entity " + entity_.name + " alone"));
        for (Object& object : objects)
            object.pos = states_.pos;
        return objects;
    }

private:
    // After the row is written: what other triggers make of it, and whether ON CONFLICT inserts it at all, is settled.
    Object trigger(const std::string& name, const std::string& operation, const std::string& when,
                   const std::string& comment) const {
        Object object;
        object.kind = ObjectKind::trigger;
        object.unit = entity_.unit->key();
        object.nameOn(name, table_);
        object.comment = comment;
        object.replaceable = true;
        object.commands = {"CREATE OR REPLACE TRIGGER " + name + "\n    AFTER " + operation + " ON " + table_ +
                               "\n    FOR EACH ROW WHEN (" + when + ")\n    EXECUTE FUNCTION " + functionName() + "();",
                           "COMMENT ON TRIGGER " + name + " ON " + table_ + " IS " + quoteLiteral(comment) + ";"};
        return object;
    }

    std::string functionName() const { return quoteName(entity_.home, bareName()); }
    std::string bareName() const { return "refuse_" + entity_.word + "_state"; }

    // Transitions without a guard, which the trigger's own condition lets pass. PostgreSQL writes CASE and = ANY as it
    // has read them, so that a dump brings back the same condition.
    std::string allowedChanges() const {
        std::vector<std::string> states;
        std::map<std::string, std::vector<std::string>> to;
        for (const spec::Transition& transition : states_.transitions)
            for (const std::string& from : valuesOf(transition.from)) {
                if (transition.guard) continue;
                if (!to.count(from)) states.push_back(from);
                const std::string literal = quoteLiteral(transition.to.value);
                std::vector<std::string>& known = to[from];
                if (std::find(known.begin(), known.end(), literal) == known.end()) known.push_back(literal);
            }
        std::string sql;
        for (const std::string& from : states)
            sql += "\n            WHEN " + quoteLiteral(from) + " THEN new." + column_ +
                   (to[from].size() == 1 ? " = " + to[from].front() : " IN (" + join(to[from], ", ") + ")");
        return sql.empty() ? sql : "CASE old." + column_ + sql + "\n        END";
    }

    std::string guardSql(const spec::Transition& transition) const {
        for (const resolve::EntityExpression& expression : resolver_.entityExpressions)
            if (expression.transition == &transition)
                return printBound(
                    world_, resolver_, expression.bound, 0, world_.expressionText(expression.bound.expression).size(),
                    [](const resolve::Value& value) {
                        if (value.kind == resolve::ValueKind::caller)
                            return "specql.caller(" + quoteLiteral(value.name) + ")";
                        return (value.old ? "old." : "new.") + quoteName(value.name);
                    },
                    nullptr);
        return "true";
    }

    std::string raise(const std::string& message) const {
        return "RAISE EXCEPTION USING ERRCODE = 'SQ206', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,\n    COLUMN "
               "= " +
               quoteLiteral(entity_.columnOf(states_.field.value)->name) + ",\n    MESSAGE = " + message + ";\n";
    }

    std::string guarded() const {
        std::string sql;
        for (const spec::Transition& transition : states_.transitions) {
            if (!transition.guard) continue;
            std::vector<std::string> from;
            for (const std::string& state : valuesOf(transition.from))
                from.push_back(quoteLiteral(state));
            std::string text = commentText(world_.expressionText(transition.guard.id + entity_.file->expressionBase));
            sql += "-- " + orList(valuesOf(transition.from)) + " → " + transition.to.value + ", if " + text + "\n" +
                   "IF new." + column_ + " = " + quoteLiteral(transition.to.value) + " AND old." + column_ +
                   (from.size() == 1 ? " = " + from.front() : " IN (" + join(from, ", ") + ")") + " THEN\n" +
                   "    IF " + guardSql(transition) + " THEN\n        RETURN NULL;\n    END IF;\n" +
                   "    v_needs := concat_ws(' or ', v_needs, " + quoteLiteral(text) + ");\nEND IF;\n";
        }
        if (!sql.empty())
            sql += "IF v_needs IS NOT NULL THEN\n" +
                   indent(raise("format('%s → %s needs %s', old." + column_ + ", new." + column_ + ", v_needs)"), 4) +
                   "END IF;\n\n";
        return sql;
    }

    // Where one may go from each state.
    std::string ways() const {
        std::vector<std::string> states;
        std::map<std::string, std::vector<std::string>> to;
        for (const spec::Transition& transition : states_.transitions)
            for (const std::string& from : valuesOf(transition.from)) {
                if (!to.count(from)) states.push_back(from);
                std::vector<std::string>& known = to[from];
                if (std::find(known.begin(), known.end(), transition.to.value) == known.end())
                    known.push_back(transition.to.value);
            }
        std::string sql = "CASE old." + column_ + "\n";
        for (const std::string& from : states)
            sql += "    WHEN " + quoteLiteral(from) + " THEN " +
                   quoteLiteral("from " + from + " one may go to " + orList(to[from])) + "\n";
        if (states.empty()) return "'there are no transitions'";
        return sql + "    ELSE format('nothing leads on from %s', coalesce(old." + column_ + ", 'NULL'))\nEND";
    }

    FunctionText function() const {
        FunctionText function;
        function.schema = entity_.home;
        function.name = bareName();
        function.returns = "trigger";
        function.language = "plpgsql";
        std::string conditions = guarded();
        std::string insertion =
            raise("format(" + quoteLiteral("a new " + entity_.name + " is " + states_.initial.value + ", not %s") +
                  ", coalesce(new." + column_ + ", 'NULL'))");
        std::string change = raise("format('%s → %s is no transition; %s', coalesce(old." + column_ +
                                   ", 'NULL'), coalesce(new." + column_ + ", 'NULL'),\n    " + indent(ways(), 4) + ")");
        function.body = "-- States of entity " + entity_.home + "." + entity_.name +
                        ": called for what the triggers specql_first_state and specql_state do not let pass.\n"
                        "-- Generated by specql: change the spec and apply it again.\n" +
                        (conditions.empty() ? "" : "DECLARE\n    v_needs text;\n") + "BEGIN\n" +
                        "    IF TG_OP = 'INSERT' THEN\n" + indent(insertion, 8) + "    END IF;\n\n" +
                        indent(conditions, 4) + indent(change, 4) + "END;\n";
        function.comment = "Refuses what is no transition of entity " + entity_.name;
        return function;
    }

    resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::EntityInfo& entity_;
    const spec::States& states_;
    const std::string column_, table_;
};

}  // namespace

std::vector<Object> stateObjects(resolve::World& world, const resolve::Resolver& resolver,
                                 const resolve::EntityInfo& entity) {
    if (!entity.spec || !entity.spec->states || !entity.columnOf(entity.spec->states->field.value)) return {};
    return StateEmitter(world, resolver, entity).run();
}

std::vector<ToldTransition> tellTransitions(const resolve::World& world, const resolve::EntityInfo& entity) {
    std::vector<ToldTransition> told;
    if (!entity.spec || !entity.spec->states) return told;
    for (const spec::Transition& transition : entity.spec->states->transitions) {
        std::string sentence = orList(valuesOf(transition.from)) + " → " + transition.to.value;
        if (transition.guard)
            sentence += ", if " + commentText(world.expressionText(transition.guard.id + entity.file->expressionBase));
        told.push_back({transition.on.value, std::move(sentence), transition.pos.line});
    }
    return told;
}

}  // namespace specql::emit
