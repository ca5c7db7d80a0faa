// Bound expressions to SQL text: names replaced where they stand, everything else as the user wrote it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::emit {

// A column that a handler reads of each event, in the order of first use.
struct EventColumn {
    std::string name;  // in the _rows function
    std::string type;
    std::string captureSql;  // row events: what the capture function selects; empty for event_id and the like
    std::string rowsSql;     // custom events: what the _rows function selects
};

// How the names of one action are written.
class Printer {
public:
    enum class Place {
        capture,  // over the rows old and new
        handler,  // e.column of the _rows function; v_entity.column of rows read by key
        function  // the body of a bulk operation: p_key parameters
    };

    Printer(const resolve::World& world, const resolve::Resolver& resolver, const resolve::ResolvedAction& action,
            Place place)
        : world_(world), resolver_(resolver), action_(action), place_(place) {}

    // The SQL of an expression; `operand`: it will stand beside an operator, so put parentheses if it needs them.
    std::string print(const resolve::BoundExpression& bound, bool operand = false);
    std::string print(const resolve::Value& value, bool whole);
    // When the row that a key leads to must be there. Empty: it need not, because what names it may be gone with it, as
    // a child that a cascade deletes after its parent.
    std::string owed(const resolve::Context& context);
    // e.event_id and the like; noted as used.
    std::string meta(const std::string& name, const std::string& type);
    // Whether the match of a correlation is one that was not completed in time.
    std::string timedOut();

    const std::vector<EventColumn>& used() const { return used_; }
    const resolve::Resolver& resolver() const { return resolver_; }
    std::string eventAlias = "e";
    std::string handledAlias = "h";
    std::string targetAlias = "t";
    // How values are written that stand elsewhere for a while: columns of a row that is not there yet, and names that
    // a statement over many events gives.
    std::function<std::string(const resolve::Value&)> targetSql;
    std::map<std::string, std::string> localSql;
    // How any value is written where it stands in a variable of its own; empty for those that do not.
    std::function<std::string(const resolve::Value&)> ownSql;

private:
    std::string use(EventColumn column);
    std::string ofAnswer(const std::string& name, const std::string& type);
    std::string ofMatch(const std::string& name, const std::string& type);
    std::string captured(const std::string& column, bool old, bool strict) const;
    std::string eventColumn(const std::string& column, const std::string& type, bool old, bool strict);

    const resolve::World& world_;
    const resolve::Resolver& resolver_;
    const resolve::ResolvedAction& action_;
    Place place_;
    std::vector<EventColumn> used_;
};

// The SQL text of an expression over the columns of its own table (defaults, checks, index conditions).
std::string printPlain(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound);

// q1: what SQL calls an entity that a query looks at, by its place in BoundExpression::tables.
std::string queryAlias(size_t table);
// A column of what a query looks at.
std::string printQueryColumn(const resolve::Value& value);

// What queries look at, by its place as well: the SQL that stands for it behind FROM.
using PrintTable = std::function<std::string(size_t table)>;

// The part [begin, end) of an expression's text, with each name that stands in it written by `name`, and what queries
// look at by `table`. Without that it stays as it is written.
std::string printBound(const resolve::World& world, const resolve::Resolver& resolver,
                       const resolve::BoundExpression& bound, size_t begin, size_t end,
                       const std::function<std::string(const resolve::Value&)>& name, const PrintTable& table);
// The tables themselves.
PrintTable printTables(const resolve::BoundExpression& bound);

// The text that a spec gives as a message or as a channel, of which `printed` are the values, part by part. In a
// message what is NULL leaves nothing; a channel that has such a value is none.
std::string printMessage(const Text& text, const spec::Template& parts, const std::vector<std::string>& printed);
// A length of time as an SQL literal.
std::string printInterval(const Text& length);
std::string printChannel(const Text& text, const spec::Template& parts, const std::vector<std::string>& printed);
// A value in such a text: times and booleans look as in JSON, whatever the settings of the session.
std::string printInText(const resolve::Resolver& resolver, const resolve::BoundExpression& bound,
                        const std::string& printed);
// Must this expression stand in parentheses beside an operator?
bool needsParentheses(const std::string& sql);

// v_product: a variable of a generated function that the spec names. Those that every bulk operation has keep theirs.
std::string variableName(const std::string& name);

// The value at a key of a payload, or of an element of an array; an element may lack the keys that are optional.
std::string payloadSql(const resolve::ResolvedAction& action, const std::string& data, const std::string& key,
                       const std::string& type);

// v_debit: the variable that holds the row at the end of a way.
std::string contextVariable(const resolve::Context& context);

}  // namespace specql::emit
