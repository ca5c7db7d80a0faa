#include "pg/catalog/registry.hpp"

#include "pg/bridge/encoding.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/bridge/subtransaction.hpp"

extern "C" {
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
}

namespace specql::catalog {

namespace {

const char* orEmpty(const char* text) {
    return text != nullptr ? text : "";
}

// Does to_regclass() or to_regprocedure() find the object? Both raise an error for a malformed name, the second also
// for an argument type that was dropped.
bool exists(PGFunction toReg, const std::string& identity) {
    LOCAL_FCINFO(fcinfo, 1);
    InitFunctionCallInfoData(*fcinfo, nullptr, 1, InvalidOid, nullptr, nullptr);
    fcinfo->args[0].value = spi::text(identity);
    fcinfo->args[0].isnull = false;
    (void)toReg(fcinfo);
    return !fcinfo->isnull;
}

// Sets `present` of tables, indexes and functions; for objects of other kinds the query has set it.
void lookUpPresence(std::vector<InstalledObject>* objects) {
    inBatches(
        static_cast<int>(objects->size()),
        [objects](int index) {
            InstalledObject& object = (*objects)[static_cast<size_t>(index)];
            if (object.kind == ObjectKind::table || object.kind == ObjectKind::index)
                object.present = exists(to_regclass, object.identity);
            else if (object.kind == ObjectKind::function)
                object.present = exists(to_regprocedure, object.identity);
        },
        [objects](int index, ErrorData*) { (*objects)[static_cast<size_t>(index)].present = false; });
}

bool sameUnit(const InstalledUnit& a, const InstalledUnit& b) {
    return a.kind == b.kind && a.schema == b.schema && a.name == b.name;
}

// Rows to write, column by column.
struct Rows {
    std::vector<std::string> kinds, schemas, names, tables, texts, units, shapes;
};

void gatherUnits(const std::vector<InstalledUnit>& before, const std::vector<InstalledUnit>& after, Rows* rows) {
    for (const InstalledUnit& unit : after) {
        bool same = false;
        for (const InstalledUnit& old : before)
            same = same || (sameUnit(old, unit) && old.text == unit.text);
        if (same) continue;
        rows->kinds.push_back(unit.kind);
        rows->schemas.push_back(unit.schema);
        rows->names.push_back(unit.name);
        rows->texts.push_back(unit.text);
    }
}

void gatherObjects(const std::vector<PlanStep>& steps, Rows* made, Rows* dropped, Rows* kept) {
    for (const PlanStep& step : steps) {
        Rows* rows = step.action == PlanAction::unchanged ? kept : step.action == PlanAction::drop ? dropped : made;
        const Object& object = step.desired;
        rows->kinds.emplace_back(toWord(object.kind));
        rows->names.push_back(object.identity);
        rows->tables.push_back(object.table);
        rows->units.push_back(object.unit);
        rows->texts.push_back(object.sql());
        rows->shapes.push_back(object.kind == ObjectKind::table ? object.shape.json() : "");
    }
}

// The shape of the next table of that name; rows come in the order of the objects.
TableShape* shapeOf(std::vector<InstalledObject>* objects, size_t* at, const char* table) {
    while ((*objects)[*at].kind != ObjectKind::table || (*objects)[*at].identity != table)
        ++*at;
    (*objects)[*at].hasShape = true;
    return &(*objects)[*at].shape;
}

void readShapes(std::vector<InstalledObject>* objects) {
    int count = spi::query(
        "SELECT identity, shape ->> 'comment', shape ->> 'partition', (shape ->> 'adopted')::boolean,"
        "       (shape ->> 'implied')::boolean"
        "  FROM specql.object WHERE shape IS NOT NULL ORDER BY id");
    size_t at = 0;
    for (int row = 0; row < count; ++row) {
        const char* comment = spi::cell(row, 2);
        const char* partition = spi::cell(row, 3);
        bool adopted = spi::flag(row, 4);
        bool implied = spi::flag(row, 5);
        TableShape* shape = shapeOf(objects, &at, spi::cell(row, 1));
        shape->comment = orEmpty(comment);
        shape->partition = orEmpty(partition);
        shape->adopted = adopted;
        shape->implied = implied;
    }
    SPI_freetuptable(SPI_tuptable);
}

// A key that was recorded as one text is one column.
void readKeys(std::vector<InstalledObject>* objects) {
    int count = spi::query(
        "SELECT o.identity, k.value"
        "  FROM specql.object AS o CROSS JOIN LATERAL jsonb_array_elements_text("
        "       CASE jsonb_typeof(o.shape -> 'key') WHEN 'array' THEN o.shape -> 'key'"
        "            ELSE jsonb_build_array(o.shape -> 'key') END) WITH ORDINALITY AS k"
        " WHERE o.shape ? 'key' ORDER BY o.id, k.ordinality");
    size_t at = 0;
    for (int row = 0; row < count; ++row) {
        const char* column = spi::cell(row, 2);
        shapeOf(objects, &at, spi::cell(row, 1))->key.emplace_back(column);
    }
    SPI_freetuptable(SPI_tuptable);
}

void readColumns(std::vector<InstalledObject>* objects) {
    int count = spi::query(
        "SELECT o.identity, c.value ->> 'name', c.value ->> 'type', c.value ->> 'default',"
        "       (c.value ->> 'not_null')::boolean, c.value ->> 'comment', c.value ->> 'computed', c.value ->> "
        "'identity'"
        "  FROM specql.object AS o CROSS JOIN LATERAL jsonb_array_elements(o.shape -> 'columns') WITH ORDINALITY AS c"
        " ORDER BY o.id, c.ordinality");
    size_t at = 0;
    for (int row = 0; row < count; ++row) {
        const char* name = spi::cell(row, 2);
        const char* type = spi::cell(row, 3);
        const char* value = spi::cell(row, 4);
        bool notNull = spi::flag(row, 5);
        const char* comment = spi::cell(row, 6);
        const char* computed = spi::cell(row, 7);
        const char* identity = spi::cell(row, 8);
        ShapeColumn& column = shapeOf(objects, &at, spi::cell(row, 1))->columns.emplace_back();
        column.name = name;
        column.type = type;
        column.defaultValue = orEmpty(value);
        column.notNull = notNull;
        column.comment = orEmpty(comment);
        column.computed = orEmpty(computed);
        column.identity = orEmpty(identity);
    }
    SPI_freetuptable(SPI_tuptable);
}

void readChecks(std::vector<InstalledObject>* objects) {
    int count = spi::query(
        "SELECT o.identity, c.value ->> 'name', c.value ->> 'condition'"
        "  FROM specql.object AS o CROSS JOIN LATERAL jsonb_array_elements(o.shape -> 'checks') WITH ORDINALITY AS c"
        " ORDER BY o.id, c.ordinality");
    size_t at = 0;
    for (int row = 0; row < count; ++row) {
        const char* name = spi::cell(row, 2);
        const char* condition = spi::cell(row, 3);
        ShapeCheck& check = shapeOf(objects, &at, spi::cell(row, 1))->checks.emplace_back();
        check.name = name;
        check.condition = condition;
    }
    SPI_freetuptable(SPI_tuptable);
}

}  // namespace

void readUnits(std::vector<InstalledUnit>* units) {
    runAsExtensionOwner([units] {
        int count = spi::query("SELECT kind, schema, name, text FROM specql.unit ORDER BY spec, kind, schema, name");
        for (int row = 0; row < count; ++row) {
            const char* kind = spi::cell(row, 1);
            const char* schema = spi::cell(row, 2);
            const char* name = spi::cell(row, 3);
            const char* text = spi::cell(row, 4);
            InstalledUnit& unit = units->emplace_back();
            unit.kind = kind;
            unit.schema = orEmpty(schema);
            unit.name = name;
            unit.text = text;
        }
        SPI_freetuptable(SPI_tuptable);
    });
}

void readPlaces(std::map<std::string, Place>* places) {
    runAsExtensionOwner([places] {
        int count = spi::query(
            "SELECT o.action, p.part FROM specql.action_owner AS o, unnest(o.place) WITH ORDINALITY AS p(part, number)"
            " ORDER BY o.action, p.number");
        for (int row = 0; row < count; ++row) {
            const char* action = spi::cell(row, 1);
            int part = spi::number(row, 2);
            (*places)[action].push_back(part);
        }
        SPI_freetuptable(SPI_tuptable);
    });
}

void readObjects(std::vector<InstalledObject>* objects) {
    runAsExtensionOwner([objects] {
        int count = spi::query(
            "SELECT o.kind, o.identity, o.unit, o.sql,"
            "       CASE o.kind WHEN 'schema' THEN n.nspname IS NOT NULL"
            "                   WHEN 'trigger' THEN t.identity IS NOT NULL"
            "                   WHEN 'constraint' THEN c.identity IS NOT NULL"
            "                   ELSE true END, o.on_table"
            "  FROM specql.object o"
            "  LEFT JOIN pg_namespace n ON o.kind = 'schema' AND quote_ident(n.nspname) = o.identity"
            "  LEFT JOIN (SELECT format('%I on %I.%I', t.tgname, n.nspname, r.relname) AS identity"
            "               FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid"
            "               JOIN pg_namespace n ON n.oid = r.relnamespace"
            "              WHERE NOT t.tgisinternal AND t.tgparentid = 0) t"
            "         ON o.kind = 'trigger' AND t.identity = o.identity"
            "  LEFT JOIN (SELECT format('%I on %I.%I', c.conname, n.nspname, r.relname) AS identity"
            "               FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid"
            "               JOIN pg_namespace n ON n.oid = r.relnamespace WHERE c.conparentid = 0) c"
            "         ON o.kind = 'constraint' AND c.identity = o.identity"
            " ORDER BY o.id");
        for (int row = 0; row < count; ++row) {
            const char* kind = spi::cell(row, 1);
            const char* identity = spi::cell(row, 2);
            const char* unit = spi::cell(row, 3);
            const char* sql = spi::cell(row, 4);
            bool present = spi::flag(row, 5);
            const char* table = spi::cell(row, 6);
            ObjectKind known;
            if (!fromWord(kind, known)) elog(ERROR, "specql.object has an object of the kind \"%s\"", kind);
            InstalledObject& object = objects->emplace_back();
            object.kind = known;
            object.identity = identity;
            object.table = orEmpty(table);
            object.unit = orEmpty(unit);
            object.sql = orEmpty(sql);
            object.present = present;
        }
        SPI_freetuptable(SPI_tuptable);
        readShapes(objects);
        readKeys(objects);
        readColumns(objects);
        readChecks(objects);
        lookUpPresence(objects);
    });
}

void readMoved(std::vector<MovedTable>* moved) {
    runAsExtensionOwner([moved] {
        int count = spi::query(
            "SELECT identity, former[1], former[2], schema, name, unit, with_schema, back FROM specql.moved_table"
            " ORDER BY identity");
        for (int row = 0; row < count; ++row) {
            const char* identity = spi::cell(row, 1);
            const char* formerSchema = spi::cell(row, 2);
            const char* formerName = spi::cell(row, 3);
            const char* schema = spi::cell(row, 4);
            const char* name = spi::cell(row, 5);
            const char* unit = spi::cell(row, 6);
            bool withSchema = spi::flag(row, 7);
            const char* back = spi::cell(row, 8);
            MovedTable& table = moved->emplace_back();
            table.identity = identity;
            table.formerSchema = formerSchema;
            table.formerName = formerName;
            table.schema = schema;
            table.name = name;
            table.unit = unit;
            table.withSchema = withSchema;
            table.back = back;
        }
        SPI_freetuptable(SPI_tuptable);
    });
}

void lookUpMoved(std::vector<InstalledObject>* objects) {
    for (InstalledObject& object : *objects) {
        if (object.recorded.empty()) continue;
        runAsExtensionOwner([&object] {
            spi::query("SELECT specql.object_state($1, $2, $3) IS NOT NULL",
                       {{TEXTOID, CStringGetTextDatum(toWord(object.kind))},
                        {TEXTOID, spi::text(object.identity)},
                        {TEXTOID, spi::text(object.table)}});
            object.present = spi::flag(0, 1);
            SPI_freetuptable(SPI_tuptable);
        });
    }
}

namespace {

Datum insertSpec(const std::string& text, Oid caller) {
    spi::query("INSERT INTO specql.spec (applied_by, text) VALUES ($1, $2) RETURNING id",
               {{TEXTOID, CStringGetTextDatum(GetUserNameFromId(caller, false))}, {TEXTOID, spi::text(text)}});
    bool isNull;
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
}

// Gathers the objects of moved tables, with their present names.
void gatherMoved(const std::vector<InstalledObject>& objects, Rows* moved) {
    for (const InstalledObject& object : objects) {
        if (object.recorded.empty()) continue;
        moved->kinds.emplace_back(toWord(object.kind));
        moved->schemas.push_back(object.recorded);
        moved->names.push_back(object.identity);
        moved->tables.push_back(object.table);
        moved->texts.push_back(object.sql);
    }
}

void recordMoved(const Rows* moved) {
    if (moved->kinds.empty()) return;
    spi::query(
        "UPDATE specql.object AS o SET identity = n.identity, on_table = nullif(n.on_table, ''), sql = n.sql,"
        "                              state = specql.object_state(o.kind, n.identity, n.on_table)"
        "  FROM unnest($1, $2, $3, $4, $5) AS n(kind, was, identity, sql, on_table)"
        " WHERE o.kind = n.kind AND o.identity = n.was",
        {{TEXTARRAYOID, spi::textArray(moved->kinds)},
         {TEXTARRAYOID, spi::textArray(moved->schemas)},
         {TEXTARRAYOID, spi::textArray(moved->names)},
         {TEXTARRAYOID, spi::textArray(moved->texts)},
         {TEXTARRAYOID, spi::textArray(moved->tables)}});
}

// Records the OIDs of the tables, by which they are found after a rename.
void recordRelations(const Rows* made) {
    spi::query(
        "DELETE FROM specql.object_relation AS r"
        " WHERE NOT EXISTS (SELECT FROM specql.object AS o WHERE o.kind = 'table' AND o.identity = r.identity)");
    spi::query(
        "INSERT INTO specql.object_relation AS r (identity, relation)"
        " SELECT o.identity, t.oid FROM specql.object AS o"
        // CASE ensures that to_regclass() only sees names of tables, whatever the planner evaluates first.
        "  CROSS JOIN LATERAL (SELECT CASE WHEN o.kind = 'table' THEN to_regclass(o.identity) END AS oid) AS t"
        "  WHERE t.oid IS NOT NULL"
        "    AND (o.identity = ANY ($1)"
        "         OR NOT EXISTS (SELECT FROM specql.object_relation AS k WHERE k.identity = o.identity))"
        " ON CONFLICT (identity) DO UPDATE SET relation = excluded.relation WHERE r.relation <> excluded.relation",
        {{TEXTARRAYOID, spi::textArray(made->names)}});
}

void recordObjects(const Rows* made, const Rows* dropped, const Rows* kept) {
    // A table that several units write to passes to another unit when its unit is removed.
    if (!kept->kinds.empty())
        spi::query(
            "UPDATE specql.object AS o SET unit = n.unit FROM unnest($1, $2, $3) AS n(kind, identity, unit)"
            " WHERE o.kind = n.kind AND o.identity = n.identity AND o.unit <> n.unit",
            {{TEXTARRAYOID, spi::textArray(kept->kinds)},
             {TEXTARRAYOID, spi::textArray(kept->names)},
             {TEXTARRAYOID, spi::textArray(kept->units)}});
    if (!dropped->kinds.empty())
        spi::query("DELETE FROM specql.object WHERE (kind, identity) IN (SELECT * FROM unnest($1, $2))",
                   {{TEXTARRAYOID, spi::textArray(dropped->kinds)}, {TEXTARRAYOID, spi::textArray(dropped->names)}});
    if (!made->kinds.empty())
        spi::query(
            "INSERT INTO specql.object (kind, identity, on_table, unit, sql, shape, state, server)"
            " SELECT kind, identity, nullif(on_table, ''), unit, sql, nullif(shape, '')::jsonb,"
            "        specql.object_state(kind, identity, on_table), specql.server_major()"
            "   FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY AS n(kind, identity, unit, sql, on_table, shape, "
            "place)"
            "  ORDER BY place"
            " ON CONFLICT (kind, identity) DO UPDATE SET on_table = excluded.on_table, unit = excluded.unit,"
            "                                            sql = excluded.sql, shape = excluded.shape,"
            "                                            state = excluded.state, server = excluded.server",
            {{TEXTARRAYOID, spi::textArray(made->kinds)},
             {TEXTARRAYOID, spi::textArray(made->names)},
             {TEXTARRAYOID, spi::textArray(made->units)},
             {TEXTARRAYOID, spi::textArray(made->texts)},
             {TEXTARRAYOID, spi::textArray(made->tables)},
             {TEXTARRAYOID, spi::textArray(made->shapes)}});
    recordRelations(made);
}

}  // namespace

void awaitTables(const std::vector<InstalledUnit>& units) {
    if (units.empty()) return;
    MemoryContext work = makeWorkContext("specql waiting");
    auto* keys = makeHeld<std::vector<std::string>>(work);
    auto* tables = makeHeld<std::vector<Oid>>(work);
    for (const InstalledUnit& unit : units)
        keys->push_back(unit.key());
    runAsExtensionOwner([keys, tables] {
        int count = spi::query(
            "SELECT r.relation FROM specql.object AS o JOIN specql.object_relation AS r ON r.identity = o.identity"
            " WHERE o.kind = 'table' AND o.unit = ANY ($1) ORDER BY 1",
            {{TEXTARRAYOID, spi::textArray(*keys)}});
        for (int row = 0; row < count; ++row) {
            bool isNull;
            Datum table = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isNull);
            tables->push_back(DatumGetObjectId(table));
        }
        SPI_freetuptable(SPI_tuptable);
    });
    for (Oid table : *tables) {
        LockRelationOid(table, AccessShareLock);
        UnlockRelationOid(table, AccessShareLock);
    }
    MemoryContextDelete(work);
}

void markAltered(const std::vector<InstalledUnit>& units, std::vector<InstalledObject>* objects) {
    if (units.empty()) return;
    MemoryContext work = makeWorkContext("specql altered");
    auto* keys = makeHeld<std::vector<std::string>>(work);
    for (const InstalledUnit& unit : units)
        keys->push_back(unit.key());
    runAsExtensionOwner([keys, objects] {
        int count = spi::query(
            "SELECT o.kind, o.identity FROM specql.object AS o"
            " WHERE o.unit = ANY ($1) AND specql.object_problem(o) IS NOT NULL",
            {{TEXTARRAYOID, spi::textArray(*keys)}});
        for (int row = 0; row < count; ++row) {
            const char* kind = spi::cell(row, 1);
            const char* identity = spi::cell(row, 2);
            for (InstalledObject& object : *objects)
                if (object.identity == identity && strcmp(toWord(object.kind), kind) == 0 && object.recorded.empty())
                    object.altered = true;
        }
        SPI_freetuptable(SPI_tuptable);
    });
    MemoryContextDelete(work);
}

void recordApply(const std::string& text, Oid caller, const std::vector<InstalledUnit>& before,
                 const std::vector<InstalledUnit>& after, const std::vector<InstalledObject>& objects,
                 const std::vector<PlanStep>& steps) {
    MemoryContext work = makeWorkContext("specql record");
    Rows* units = makeHeld<Rows>(work);
    Rows* made = makeHeld<Rows>(work);
    Rows* dropped = makeHeld<Rows>(work);
    Rows* moved = makeHeld<Rows>(work);
    gatherUnits(before, after, units);
    Rows* kept = makeHeld<Rows>(work);
    gatherObjects(steps, made, dropped, kept);
    gatherMoved(objects, moved);
    if (!units->kinds.empty() || !made->kinds.empty() || !dropped->kinds.empty() || !moved->kinds.empty())
        runAsExtensionOwner([&text, caller, units, made, dropped, kept, moved] {
            recordMoved(moved);
            Datum spec = insertSpec(text, caller);
            if (!units->kinds.empty())
                spi::query(
                    "WITH current AS ("
                    "    INSERT INTO specql.unit AS u (kind, schema, name, version, text, spec)"
                    "    SELECT kind, schema, name,"
                    "           coalesce((SELECT max(v.version) FROM specql.unit_version v"
                    "                      WHERE (v.kind, v.schema, v.name) = (n.kind, n.schema, n.name)), 0) + 1, "
                    "text, $5"
                    "      FROM unnest($1, $2, $3, $4) AS n(kind, schema, name, text)"
                    "        ON CONFLICT (kind, schema, name)"
                    "        DO UPDATE SET version = excluded.version, text = excluded.text, spec = excluded.spec"
                    "    RETURNING kind, schema, name, version, text, spec)"
                    " INSERT INTO specql.unit_version (kind, schema, name, version, text, spec) SELECT * FROM current",
                    {{TEXTARRAYOID, spi::textArray(units->kinds)},
                     {TEXTARRAYOID, spi::textArray(units->schemas)},
                     {TEXTARRAYOID, spi::textArray(units->names)},
                     {TEXTARRAYOID, spi::textArray(units->texts)},
                     {INT8OID, spec}});
            recordObjects(made, dropped, kept);
            spi::query(
                "SELECT specql.require_entity_name(n.schema, n.name,"
                "                                  specql.rows_of_entity(n.schema || '.' || n.name), $4)"
                "  FROM unnest($1, $2, $3) AS n(kind, schema, name) WHERE n.kind = 'entity'",
                {{TEXTARRAYOID, spi::textArray(units->kinds)},
                 {TEXTARRAYOID, spi::textArray(units->schemas)},
                 {TEXTARRAYOID, spi::textArray(units->names)},
                 {OIDOID, ObjectIdGetDatum(caller)}});
            SPI_freetuptable(SPI_tuptable);
            spi::query("SELECT specql.retry_missing(specql.visible_actions())");
        });
    MemoryContextDelete(work);
}

void recordRemoval(const std::vector<std::string>& units, Oid caller, const std::vector<InstalledObject>& objects,
                   const std::vector<PlanStep>& steps) {
    MemoryContext work = makeWorkContext("specql record");
    Rows* made = makeHeld<Rows>(work);
    Rows* dropped = makeHeld<Rows>(work);
    std::string* note = makeHeld<std::string>(work);
    for (const std::string& unit : units)
        *note += "# removed: " + unit + "\n";
    Rows* moved = makeHeld<Rows>(work);
    Rows* kept = makeHeld<Rows>(work);
    gatherObjects(steps, made, dropped, kept);
    gatherMoved(objects, moved);
    runAsExtensionOwner([&units, caller, note, made, dropped, kept, moved] {
        recordMoved(moved);
        (void)insertSpec(*note, caller);
        spi::query("DELETE FROM specql.unit WHERE key = ANY ($1)", {{TEXTARRAYOID, spi::textArray(units)}});
        recordObjects(made, dropped, kept);
    });
    MemoryContextDelete(work);
}

}  // namespace specql::catalog
