// What is private of a row stays in its table.
#include <algorithm>

#include "resolve/privacy.hpp"
#include "testgen/writer.hpp"
#include "text/quote.hpp"

namespace specql::testgen {

void writePrivate(Writer& writer, const Stage& stage, const std::string& label, const Stage::Render& literal) {
    if (!stage.eventTable()) return;
    std::vector<std::string> columns, keys, values;
    for (const resolve::ColumnInfo& column : stage.action.binding.entity->columns) {
        if (!resolve::isPrivate(column)) continue;
        columns.push_back(column.name);
        keys.push_back(quoteLiteral(column.name));
        // By its value where no other has it.
        for (bool old : {false, true}) {
            const int known = stage.dimension(stage.eventColumn(column.name, old), {});
            if (known < 0 || !stage.scenario.at(known).unique) continue;
            const std::string value = "strpos(l.line, " + literal(known) + "::text) > 0";
            if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
        }
    }
    if (columns.empty()) return;
    std::string told = "l.action = " + quoteLiteral(stage.action.info->name());
    told += " AND (l.data -> 'new' ?| ARRAY[" + join(keys, ", ") + "] OR l.data -> 'old' ?| ARRAY[" + join(keys, ", ") +
            "])";
    for (const std::string& value : values)
        told += "\n       OR " + value;
    writer.checkCount(
        "SELECT count(*) FROM (\n    SELECT d.action, d.payload AS data, to_jsonb(d)::text AS line FROM "
        "specql.deliveries AS d WHERE d.created_at >= now()\n    UNION ALL SELECT v.action, v.data, "
        "to_jsonb(v)::text FROM specql.events AS v WHERE v.xid = pg_current_xact_id()) AS l\n    WHERE " +
            told,
        0, label + " tells nobody the private " + join(columns, ", "));
}

}  // namespace specql::testgen
