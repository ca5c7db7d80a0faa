#include "emit/batch.hpp"

#include <algorithm>

#include "resolve/batch.hpp"
#include "resolve/privacy.hpp"
#include "text/quote.hpp"
#include "text/sql_text.hpp"

namespace specql::emit {

namespace {

constexpr int usualSize = 500;        // of how many elements a statement is
constexpr int usualElements = 10000;  // how many an array may have

// People call an operation by hand, too, so an argument that is not the expected JSON is refused in words.
std::string mustBe(const std::string& value, const std::string& type, const std::string& message,
                   const std::string& arguments) {
    return "IF jsonb_typeof(" + value + ") <> '" + type + "' THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200',\n" +
           "        MESSAGE = format(" + quoteLiteral(message) + ", " + arguments + "jsonb_typeof(" + value +
           "));\nEND IF;\n";
}

std::string seen(const std::string& field) {
    return quoteName("v_seen_" + field);
}

bool isUpsert(const resolve::ResolvedStep& step) {
    return step.spec->kind == spec::StepKind::upsert;
}

// The key of the elements whose value a column gets; null if it gets another one.
const resolve::Value* valueOf(const resolve::ResolvedStep& step, const std::string& column) {
    for (const resolve::BoundAssignment& assignment : step.set)
        if (assignment.column == column && assignment.value.values.size() == 1 &&
            assignment.value.values.front().kind == resolve::ValueKind::payload)
            return &assignment.value.values.front();
    return nullptr;
}

// Errors that were kept, in the order of their elements.
constexpr const char* saidOf = "format('element %s: %s', (e.error -> 'index')::integer + 1, e.error ->> 'error')";
constexpr const char* inOrder = " ORDER BY (e.error -> 'index')::integer";
constexpr const char* fromErrors = "FROM unnest(v_errors) AS e(error)";

std::string listed() {
    return std::string("(SELECT string_agg(") + saidOf + ", E'\\n'" + inOrder + ")\n            " + fromErrors + ")";
}

constexpr const char* unlessAborted =
    "EXCEPTION\n    WHEN serialization_failure OR deadlock_detected THEN\n        RAISE;\n    WHEN OTHERS THEN\n";

}  // namespace

std::string missingRow(const resolve::ResolvedAction& action, const std::string& key) {
    const std::string& handling = action.info->spec->errorHandling.value;
    const bool stops = handling.empty() || handling == "stop_on_error";
    return "RAISE EXCEPTION USING ERRCODE = 'SQ201', COLUMN = " + quoteLiteral(key) +
           ",\n        MESSAGE = " + (stops ? "format('element %s: not_found', v_number)" : "'not_found'") + ";\n";
}

BatchEmitter::BatchEmitter(const resolve::World& world, const resolve::Resolver& resolver,
                           const resolve::ResolvedAction& action, std::vector<std::string>& declarations)
    : world_(world),
      resolver_(resolver),
      action_(action),
      batch_(action.info->spec->batch),
      declarations_(declarations),
      step_(resolve::writtenAtOnce(world, action)),
      writes_(resolve::writingStep(action)),
      keepsOn_(action.info->spec->errorHandling.value == "continue_on_error"),
      collects_(action.info->spec->errorHandling.value == "collect_errors"),
      told_(batch_.key.present),
      private_(resolve::mayTellPrivate(resolver, action)) {
    keepsOn_ = keepsOn_ || collects_;
    if (!told_ || !writes_ || writes_->target->key.empty()) return;
    rowKey_ = resolve::rowOfElement(world, action, *writes_);
    const resolve::EntityInfo& entity = *writes_->target;
    const std::string longer = entity.word + "_" + entity.key;
    if (rowKey_) alias_ = rowKey_->name == entity.key ? longer : rowKey_->name == longer ? entity.key : "";
}

std::string BatchEmitter::returned() const {
    if (!batch_.summary) return "v_count";
    return "jsonb_build_object(\n"
           "        'processed', v_number - cardinality(v_errors),\n"
           "        'failed', cardinality(v_errors),\n"
           "        'errors', (SELECT coalesce(jsonb_agg(e.error ORDER BY (e.error -> 'index')::integer), '[]')\n"
           "                   FROM unnest(v_errors) AS e(error)))";
}

std::string BatchEmitter::tooLong() const {
    if (!told_) return "";
    const std::string given = quoteName("p_" + action_.batchParameter);
    const std::string most = std::to_string(batch_.maxElements > 0 ? batch_.maxElements : usualElements);
    return "IF jsonb_array_length(" + given + ") > " + most +
           " THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200',\n        MESSAGE = format(" +
           quoteLiteral(action_.batchParameter + " has %s elements, and at most " + most + " are taken at once") +
           ", jsonb_array_length(" + given +
           ")),\n        HINT = 'Give them in parts; max_elements: of the operation says how many it takes.';\n"
           "END IF;\n";
}

// Under which keys an element says things, if those that it may have are known; and the one that names its row.
std::string BatchEmitter::keys() const {
    std::string sql;
    if (!alias_.empty()) {
        const std::string own = quoteLiteral(rowKey_->name), other = quoteLiteral(alias_);
        sql = "IF NOT v_item ? " + own + " AND v_item ? " + other +
              " THEN\n    v_item := v_item || jsonb_build_object(" + own + ", v_item -> " + other + ");\n";
        if (batch_.byFields)
            sql += "ELSIF v_item -> " + own + " <> v_item -> " + other +
                   " THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200', MESSAGE = " +
                   quoteLiteral(rowKey_->name + " and " + alias_ + " name different rows") + ";\n";
        sql += "END IF;\n";
    }
    if (!batch_.byFields) return sql;
    std::vector<std::string> known;
    if (!alias_.empty()) known.push_back(quoteLiteral(alias_));
    std::vector<std::string> names;
    for (const std::string& key : action_.payloadOrder) {
        if (key == action_.batchParameter) continue;
        names.push_back(key);
        known.push_back(quoteLiteral(key));
    }
    return sql +
           "SELECT min(k.name) INTO v_batch_field\nFROM jsonb_object_keys(v_item) AS k(name)\nWHERE k.name NOT IN (" +
           join(known, ", ") +
           ");\nIF v_batch_field IS NOT NULL THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200',\n        MESSAGE = "
           "format(" +
           quoteLiteral("unknown key %s: an element has " + join(names, ", ")) + ", v_batch_field);\nEND IF;\n";
}

// The keys of an element become variables.
std::string BatchEmitter::read() const {
    std::string sql;
    for (const std::string& key : action_.payloadOrder) {
        if (key == action_.batchParameter) continue;
        const std::string name = quoteName("p_" + key);
        declarations_.push_back(name + " " + action_.payload.at(key) + ";");
        if (batch_.summary) sql += "v_batch_field := " + quoteLiteral(key) + ";\n";
        if (told_ && !batch_.optional.count(key))
            sql += "IF NOT v_item ? " + quoteLiteral(key) +
                   " THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ200', MESSAGE = " +
                   quoteLiteral("the element has no key " + key) + ";\nEND IF;\n";
        sql += name + " := " + payloadSql(action_, "v_item", key, action_.payload.at(key)) + ";\n";
    }
    if (batch_.summary && !sql.empty()) sql += "v_batch_field := NULL;\n";
    return sql;
}

std::string BatchEmitter::gather() const {
    std::string sql;
    for (const spec::FieldRule& rule : batch_.uniques) {
        const std::string& field = rule.field.value;
        const std::string values = seen(field), value = quoteName("p_" + field);
        const std::string type = action_.payload.at(field) + "[]";
        declarations_.push_back(values + " " + type + " := ARRAY[]::" + type + ";");
        sql += "IF " + value + " = ANY (" + values + ") THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206', MESSAGE = " +
               quoteLiteral("an element before it has this " + field) + ",\n        COLUMN = " + quoteLiteral(field) +
               ";\nEND IF;\n" + values + " := array_append(" + values + ", " + value + ");\n";
    }
    return sql +
           "v_batch_places := array_append(v_batch_places, v_number);\nv_batch_elements := "
           "array_append(v_batch_elements, "
           "v_item);\n";
}

// What is kept of an error of an element.
std::string BatchEmitter::error(const std::string& number, const std::string& item, const std::string& field,
                                const std::string& message) const {
    if (!told_) return "format('element %s: %s', " + number + ", " + message + ")";
    if (!batch_.summary) return "jsonb_build_object('index', " + number + " - 1, 'error', " + message + ")";
    std::string id = "NULL";
    if (rowKey_) {
        id = item + " -> " + quoteLiteral(rowKey_->name);
    } else if (writes_ && !writes_->target->key.empty()) {
        const std::string& key = writes_->target->key;
        const resolve::Value* own = isUpsert(*writes_) ? valueOf(*writes_, writes_->key.front()) : nullptr;
        id = "coalesce(" + item + " -> " + quoteLiteral(writes_->target->word + "_" + key) + ", " + item + " -> " +
             quoteLiteral(key) + ")";
        if (own) id = item + " -> " + quoteLiteral(own->name);
    }
    return "jsonb_build_object('index', " + number + " - 1, 'id', " + id + ",\n    'field', " + field + ", 'error', " +
           message + ")";
}

// In a handler.
std::string BatchEmitter::append(const std::string& number, const std::string& item, const std::string& field) const {
    const std::string message = private_ ? "SQLSTATE" : "SQLERRM";
    if (!told_ && !collects_)
        return "RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = " + error(number, item, "", message) + ";\n";
    std::string sql = batch_.summary ? "GET STACKED DIAGNOSTICS v_batch_column = COLUMN_NAME;\n" : "";
    return sql + "v_errors := v_errors || " + error(number, item, field, message) + ";\n";
}

std::string BatchEmitter::tooMany() const {
    if (batch_.maxErrors < 0) return "";
    const std::string most = std::to_string(batch_.maxErrors);
    return "IF cardinality(v_errors) > " + most +
           " THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206',\n        MESSAGE = " +
           quoteLiteral("more than " + most + (batch_.maxErrors == 1 ? " element" : " elements") +
                        " failed, so nothing was done") +
           ",\n        DETAIL = " + listed() + ";\nEND IF;\n";
}

// What is done with one element, and what becomes of its error.
std::string BatchEmitter::caught(const std::string& body) const {
    if (!keepsOn_) return body;
    std::string sql = "BEGIN\n" + indent(body, 4) + unlessAborted;
    if (!step_)
        sql = "v_before := v_count;\n" + sql +
              "        -- what was done for this element is undone, and so not counted\n        v_count := v_before;\n";
    return sql + indent(append("v_number", "v_item", "coalesce(nullif(v_batch_column, ''), v_batch_field)"), 8) +
           "END;\n" + tooMany();
}

std::string BatchEmitter::given(const Printer& printer, const std::string& slice) const {
    std::vector<std::string> columns;
    for (const EventColumn& column : printer.used())
        columns.push_back(column.rowsSql.empty() ? "r." + quoteName(column.name)
                                                 : column.rowsSql + " AS " + quoteName(column.name));
    return "SELECT\n    " + join(columns, ",\n    ") + "\nFROM unnest(v_batch_places" + slice + ", v_batch_elements" +
           slice + ")\n    WITH ORDINALITY AS r(event_place, event_data, event_order)\n";
}

// The values of an element that name its row, if there can be one.
std::vector<std::string> BatchEmitter::keysOf(Printer& printer) const {
    std::vector<std::string> keys;
    if (rowKey_) keys.push_back(printer.print(*rowKey_, true));
    if (!isUpsert(*step_)) return keys;
    keys.clear();
    for (const std::string& column : step_->key)
        for (const resolve::BoundAssignment& assignment : step_->set)
            if (assignment.column == column)
                keys.push_back(assignment.taken ? printer.print(*assignment.taken, true)
                                                : printer.print(assignment.value, true));
    return keys;
}

std::string BatchEmitter::lock() const {
    Printer printer(world_, resolver_, action_, Printer::Place::handler);
    const std::vector<std::string> keys = keysOf(printer);
    if (keys.empty()) return "";
    const resolve::EntityInfo& entity = *step_->target;
    std::vector<std::string> columns;
    for (const std::string& column : isUpsert(*step_) ? step_->key : std::vector<std::string>{entity.key})
        columns.push_back("t." + quoteName(column));
    const std::string row = columns.size() == 1 ? columns.front() : "(" + join(columns, ", ") + ")";
    const bool removes = step_->spec->kind == spec::StepKind::remove;
    return "-- locked in the order of their keys, so that calls never wait for each other in a circle\nPERFORM\nFROM " +
           quoteName(entity.schema, entity.table) + " AS t\nWHERE " + row + " IN (\n    SELECT " + join(keys, ", ") +
           "\n    FROM (\n" + indent(given(printer, ""), 8) + "    ) AS e\n)\nORDER BY " + join(columns, ", ") +
           (removes ? "\nFOR UPDATE;\n\n" : "\nFOR NO KEY UPDATE;\n\n");
}

std::string BatchEmitter::statement() const {
    Printer printer(world_, resolver_, action_, Printer::Place::handler);
    StepEmitter steps(world_, action_, printer);
    const std::string place = printer.meta("event_place", "integer"), data = printer.meta("event_data", "jsonb");
    const std::string slice = "[v_batch_from:v_batch_to]";
    if (!rowKey_) {
        const std::string sql = steps.atOnce(*step_, "");
        return "WITH given AS (\n" + indent(given(printer, slice), 4) + ")\n" + sql +
               (batch_.summary ? ";\n" : ";\nv_count := v_count + (v_batch_to - v_batch_from + 1);\n");
    }
    const std::string sql = steps.atOnce(*step_, place);
    return "WITH given AS (\n" + indent(given(printer, slice), 4) + "), written AS (\n" + indent(sql, 4) +
           "\n)\nSELECT " + (batch_.summary ? "" : "v_count + count(w.event_place)::integer,\n    ") +
           "v_errors || coalesce(array_agg(" +
           indent(error(place, data, quoteLiteral(rowKey_->name), "'not_found'"), 4).substr(4) + "\n        ORDER BY " +
           place + ") FILTER (WHERE w.event_place IS NULL), '{}')\nINTO " + (batch_.summary ? "" : "v_count, ") +
           "v_errors\nFROM given AS e\nLEFT JOIN written AS w ON w.event_place = " + place + ";\n";
}

// One statement after the other, each about so many elements and about each row once: of two elements that name one
// row, the second is done after the first.
std::string BatchEmitter::write() const {
    const std::string size = std::to_string(batch_.size > 0 ? batch_.size : usualSize);
    declarations_.insert(declarations_.end(), {"v_batch_places integer[] := ARRAY[]::integer[];",
                                               "v_batch_elements jsonb[] := ARRAY[]::jsonb[];",
                                               "v_batch_from integer := 1;", "v_batch_to integer;"});
    declarations_.push_back("v_batch_size integer := " + size + ";");
    std::string one = "v_batch_to := least(v_batch_from + v_batch_size, cardinality(v_batch_places) + 1) - 1;\n";
    // Where rows are named again and again, not many more elements are looked at than one statement can be about.
    const std::string next =
        "v_batch_size := least((v_batch_to - v_batch_from + 1) * 2, " + size + ");\nv_batch_from := v_batch_to + 1;\n";
    Printer printer(world_, resolver_, action_, Printer::Place::handler);
    const std::string order = printer.meta("event_order", "bigint");
    const std::vector<std::string> keys = keysOf(printer);
    if (!keys.empty())
        one +=
            "-- as far as no row is named again: that is done by the next statement\n"
            "SELECT coalesce(min(k.event_order)::integer + v_batch_from - 2, v_batch_to) INTO v_batch_to\nFROM (\n    "
            "SELECT " +
            order + ", row_number() OVER (PARTITION BY " + join(keys, ", ") + " ORDER BY " + order +
            ") AS turn\n    FROM (\n" + indent(given(printer, "[v_batch_from:v_batch_to]"), 8) +
            "    ) AS e\n) AS k\nWHERE k.turn > 1;\n";
    if (!keepsOn_) {
        one += statement();
        if (rowKey_)
            one +=
                "IF v_errors <> '{}' THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ201',\n"
                "        MESSAGE = format('element %s: not_found', (v_errors[1] -> 'index')::integer + 1);\n"
                "END IF;\n";
        one += next;
    } else {
        one +=
            "BEGIN\n" + indent(statement() + next, 4) + unlessAborted +
            "        -- what it did is undone; which element it was is looked for in halves\n"
            "        IF v_batch_to > v_batch_from THEN\n            v_batch_size := (v_batch_to - v_batch_from + 1) / "
            "2;\n        ELSE\n" +
            indent(
                append("v_batch_places[v_batch_from]", "v_batch_elements[v_batch_from]", "nullif(v_batch_column, '')") +
                    "v_batch_from := v_batch_from + 1;\n",
                12) +
            "        END IF;\nEND;\n" + tooMany();
    }
    return "\n" + lock() + "WHILE v_batch_from <= cardinality(v_batch_places) LOOP\n" + indent(one, 4) + "END LOOP;\n";
}

std::string BatchEmitter::end() const {
    if (collects_)
        return "IF v_errors <> '{}' THEN\n    RAISE EXCEPTION USING ERRCODE = 'SQ206',\n"
               "        MESSAGE = format('%s of %s elements failed', cardinality(v_errors), v_number),\n"
               "        DETAIL = " +
               (told_ ? listed() : "array_to_string(v_errors, E'\\n')") + ";\nEND IF;\n";
    if (!told_ || !keepsOn_ || batch_.summary) return "";
    return std::string("FOR v_batch_error IN\n    SELECT ") + saidOf + "\n    " + fromErrors + "\n   " + inOrder +
           "\nLOOP\n    RAISE WARNING USING MESSAGE = v_batch_error;\nEND LOOP;\n";
}

// Rows that are read, and so locked, for one element after the other are read in the order of their keys.
std::string BatchEmitter::elements(const std::string& one) const {
    const std::string array = "jsonb_array_elements(" + quoteName("p_" + action_.batchParameter) + ")";
    const bool reads = step_ && rowKey_ &&
                       std::any_of(action_.contexts.begin(), action_.contexts.end(),
                                   [](const resolve::Context& context) { return !context.columns.empty(); });
    if (!reads)
        return "FOR v_item IN SELECT j.value FROM " + array + " AS j LOOP\n    v_number := v_number + 1;\n" +
               indent(one, 4) + "END LOOP;\n";
    std::string key = "j.value ->> " + quoteLiteral(rowKey_->name);
    if (!alias_.empty()) key = "coalesce(" + key + ", j.value ->> " + quoteLiteral(alias_) + ")";
    return "FOR v_item, v_number IN\n    SELECT j.value, j.number::integer FROM " + array +
           " WITH ORDINALITY AS j(value, number)\n    ORDER BY " + key + ", j.number\nLOOP\n" + indent(one, 4) +
           "END LOOP;\nv_number := coalesce(jsonb_array_length(" + quoteName("p_" + action_.batchParameter) +
           "), 0);\n";
}

std::string BatchEmitter::emit(const std::string& body, const std::string& label) {
    declarations_.insert(declarations_.end(), {"v_item jsonb;", "v_number integer := 0;"});
    std::string one = keys() + read();
    for (const std::string& part : {body, step_ ? gather() : std::string()})
        if (!part.empty()) one += (one.empty() ? "" : "\n") + part;
    const std::string must = "must be a JSON object, and is %s";
    // What is kept of an error says of which element it is.
    one = (told_ ? mustBe("v_item", "object", "it " + must, "")
                 : mustBe("v_item", "object", "element %s of " + action_.batchParameter + " " + must, "v_number, ")) +
          one;
    if (batch_.summary && batch_.byFields) one = "v_batch_field := NULL;\n" + one;
    one = caught(one);
    if (keepsOn_ && !step_) declarations_.push_back("v_before integer;");
    if (batch_.summary || batch_.byFields) declarations_.push_back("v_batch_field text;");
    if (batch_.summary) declarations_.push_back("v_batch_column text;");
    if (told_ && (keepsOn_ || (step_ && rowKey_)))
        declarations_.push_back("v_errors jsonb[] := ARRAY[]::jsonb[];");
    else if (collects_)
        declarations_.push_back("v_errors text[] := ARRAY[]::text[];");
    if (told_ && keepsOn_ && !collects_ && !batch_.summary) declarations_.push_back("v_batch_error text;");
    const std::string given = quoteName("p_" + action_.batchParameter);
    std::string sql =
        mustBe(given, "array", action_.batchParameter + " must be a JSON array of objects, and is %s", "");
    sql += tooLong() + label + elements(one);
    if (step_) sql += write();
    return sql + end();
}

}  // namespace specql::emit
