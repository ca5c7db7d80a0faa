#include "pg/catalog/view.hpp"

#include "pg/bridge/holder.hpp"
#include "pg/bridge/settings.hpp"
#include "pg/bridge/spi.hpp"
#include "pg/catalog/analysis.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
}

namespace specql::catalog {

namespace {

void gatherSchemas(CatalogView* view) {
    int count = spi::query("SELECT nspname FROM pg_namespace ORDER BY nspname");
    for (int row = 0; row < count; ++row) {
        const char* name = spi::cell(row, 1);
        view->schemas.emplace_back(name);
    }
    SPI_freetuptable(SPI_tuptable);
}

// Gathers the tables with these names, and all tables that specql has made.
void gatherTables(Datum names, const std::vector<std::string>& owned, CatalogView* view) {
    int count = spi::query(
        "SELECT n.nspname, r.relname, r.relkind, o.identity IS NOT NULL,"
        "       pg_has_role(r.relowner, 'USAGE'), pg_get_userbyid(r.relowner),"
        "       coalesce(obj_description(r.oid, 'pg_class'), ''),"
        // A row trigger (1) before (2) an insert (4).
        "       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = r.oid AND t.tgtype::int & 7 = 7"
        "                  AND NOT t.tgisinternal AND t.tgenabled <> 'D'),"
        "       coalesce((SELECT string_agg(i.inhrelid::regclass::text, ', ' ORDER BY i.inhrelid::regclass::text)"
        "                   FROM pg_inherits i WHERE i.inhparent = r.oid AND r.relkind = 'r'), ''),"
        "       coalesce(pg_get_partkeydef(r.oid), '')"
        "  FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace"
        "  LEFT JOIN unnest($2) AS o(identity) ON o.identity = format('%I.%I', n.nspname, r.relname)"
        " WHERE r.relkind IN ('r', 'p') AND r.relpersistence <> 't'"
        "   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'specql')"
        "   AND (r.relname = ANY ($1) OR o.identity IS NOT NULL)"
        " ORDER BY n.nspname, r.relname",
        {{TEXTARRAYOID, names}, {TEXTARRAYOID, spi::textArray(owned)}});
    for (int row = 0; row < count; ++row) {
        const char* schema = spi::cell(row, 1);
        const char* name = spi::cell(row, 2);
        const char* kind = spi::cell(row, 3);
        bool isOwned = spi::flag(row, 4);
        bool callerOwns = spi::flag(row, 5);
        const char* owner = spi::cell(row, 6);
        const char* comment = spi::cell(row, 7);
        bool fillsRows = spi::flag(row, 8);
        const char* heirs = spi::cell(row, 9);
        const char* partition = spi::cell(row, 10);
        TableView& table = view->tables.emplace_back();
        table.schema = schema;
        table.name = name;
        table.kind = kind[0];
        table.owned = isOwned;
        table.callerOwns = callerOwns;
        table.fillsRows = fillsRows;
        table.owner = owner;
        table.comment = comment;
        table.heirs = heirs;
        table.partition = partition;
    }
    SPI_freetuptable(SPI_tuptable);
}

// Citus has a row for each table that it distributes, refers to from everywhere, or keeps in a schema of a tenant.
void gatherDistributed(CatalogView* view) {
    if (!OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE))) return;
    int count = spi::query(
        "SELECT n.nspname, r.relname"
        "  FROM pg_catalog.pg_dist_partition d JOIN pg_class r ON r.oid = d.logicalrelid"
        "  JOIN pg_namespace n ON n.oid = r.relnamespace");
    for (int row = 0; row < count; ++row) {
        const char* schema = spi::cell(row, 1);
        const char* name = spi::cell(row, 2);
        for (TableView& table : view->tables)
            if (table.schema == schema && table.name == name) table.distributed = true;
    }
    SPI_freetuptable(SPI_tuptable);
}

// The schemas and names of view->tables as two parallel arrays, for joins.
struct TableNames {
    std::vector<std::string> schemas, names;
};

void gatherColumns(const TableNames& names, CatalogView* view) {
    if (names.names.empty()) return;
    int count = spi::query(
        "SELECT k.place::int, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR "
        "a.attidentity <> '' OR t.typdefault IS NOT NULL,"
        "       a.attgenerated <> '', coalesce(array_position(i.indkey, a.attnum) < i.indnkeyatts, false),"
        "       coalesce(array_position(i.indkey, a.attnum), 0), a.atttypid,"
        "       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' ELSE '' END"
        "  FROM unnest($1, $2) WITH ORDINALITY AS k(schema, name, place)"
        "  JOIN pg_namespace n ON n.nspname = k.schema"
        "  JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = k.name"
        "  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped"
        "  JOIN pg_type t ON t.oid = a.atttypid"
        "  LEFT JOIN pg_index i ON i.indrelid = r.oid AND i.indisprimary"
        " ORDER BY k.place, a.attnum",
        {{TEXTARRAYOID, spi::textArray(names.schemas)}, {TEXTARRAYOID, spi::textArray(names.names)}});
    for (int row = 0; row < count; ++row) {
        int place = spi::number(row, 1);
        const char* name = spi::cell(row, 2);
        const char* type = spi::cell(row, 3);
        bool notNull = spi::flag(row, 4);
        bool hasDefault = spi::flag(row, 5);
        bool generated = spi::flag(row, 6);
        bool inKey = spi::flag(row, 7);
        size_t keyPlace = static_cast<size_t>(spi::number(row, 8));  // indkey counts from 0
        bool isComparable = hasEquality(static_cast<Oid>(spi::number(row, 9)));
        const char* identity = spi::cell(row, 10);
        TableView& table = view->tables[static_cast<size_t>(place - 1)];
        ColumnView& column = table.columns.emplace_back();
        column.name = name;
        column.type = type;
        column.notNull = notNull;
        column.hasDefault = hasDefault;
        column.generated = generated;
        column.identity = identity;
        column.hasEquality = isComparable;
        if (inKey) {
            if (table.primaryKey.size() <= keyPlace) table.primaryKey.resize(keyPlace + 1);
            table.primaryKey[keyPlace] = name;
        }
    }
    SPI_freetuptable(SPI_tuptable);
}

// Gathers names of functions for the hints of unknown ones. Functions of extensions are left out, because they are
// many.
void gatherCallable(CatalogView* view) {
    int count = spi::query(
        "SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'specql') AND p.prorettype <> 'trigger'::regtype"
        "   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
        "                      AND d.deptype = 'e')"
        " ORDER BY 1",
        {});
    for (int row = 0; row < count; ++row)
        view->callable.emplace_back(spi::cell(row, 1));
    SPI_freetuptable(SPI_tuptable);
}

void gatherFunctions(Datum names, const std::vector<std::string>& owned, CatalogView* view) {
    int count = spi::query(
        "SELECT n.nspname, p.proname, p.pronargs::int, p.pronargdefaults::int, p.provariadic <> 0,"
        "       o.identity IS NOT NULL, i.identity, format_type(p.prorettype, NULL),"
        "       pg_has_role(p.proowner, 'USAGE'), coalesce(obj_description(p.oid, 'pg_proc'), ''),"
        "       concat(pg_get_function_arguments(p.oid), ') ', pg_get_function_result(p.oid)),"
        "       pg_get_userbyid(p.proowner), p.proowner = (SELECT oid FROM pg_roles WHERE rolname = current_user),"
        "       p.proacl IS NOT NULL"
        "  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " CROSS JOIN LATERAL format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS i(identity)"
        "  LEFT JOIN unnest($2) AS o(identity) ON o.identity = i.identity"
        " WHERE p.proname = ANY ($1) AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'specql')"
        " ORDER BY n.nspname, p.proname, p.pronargs, p.oid",
        {{TEXTARRAYOID, names}, {TEXTARRAYOID, spi::textArray(owned)}});
    for (int row = 0; row < count; ++row) {
        const char* schema = spi::cell(row, 1);
        const char* name = spi::cell(row, 2);
        int arguments = spi::number(row, 3);
        int defaults = spi::number(row, 4);
        bool variadic = spi::flag(row, 5);
        bool isOwned = spi::flag(row, 6);
        const char* identity = spi::cell(row, 7);
        const char* returns = spi::cell(row, 8);
        bool callerOwns = spi::flag(row, 9);
        const char* comment = spi::cell(row, 10);
        const char* signature = spi::cell(row, 11);
        const char* owner = spi::cell(row, 12);
        bool callersOwn = spi::flag(row, 13);
        bool granted = spi::flag(row, 14);
        FunctionView& function = view->functions.emplace_back();
        function.schema = schema;
        function.name = name;
        function.args = arguments;
        function.defaults = defaults;
        function.variadic = variadic;
        function.owned = isOwned;
        function.identity = identity;
        function.returns = returns;
        function.callerOwns = callerOwns;
        function.comment = comment;
        function.signature = signature;
        function.owner = owner;
        function.callersOwn = callersOwn;
        function.granted = granted;
    }
    SPI_freetuptable(SPI_tuptable);
}

FunctionView* functionOf(const char* identity, CatalogView* view) {
    for (FunctionView& function : view->functions)
        if (function.identity == identity) return &function;
    return nullptr;
}

void gatherGrants(Datum names, CatalogView* view) {
    int count = spi::query(
        "SELECT format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)),"
        "       CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, bool_or(a.is_grantable)"
        "  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace CROSS JOIN LATERAL aclexplode(p.proacl) a"
        " WHERE p.proname = ANY ($1) AND a.grantee <> p.proowner"
        " GROUP BY p.oid, n.nspname, a.grantee ORDER BY p.oid, 2",
        {{TEXTARRAYOID, names}});
    for (int row = 0; row < count; ++row) {
        const char* identity = spi::cell(row, 1);
        const char* role = spi::cell(row, 2);
        bool mayGrant = spi::flag(row, 3);
        FunctionView* function = functionOf(identity, view);
        if (function == nullptr) continue;
        Grantee& grantee = function->grantees.emplace_back();
        grantee.role = role;
        grantee.mayGrant = mayGrant;
    }
    SPI_freetuptable(SPI_tuptable);
}

// Gathers indexes with a comment, and constraints: by its comment an object is recognised that specql made and whose
// record was lost.
void gatherExtras(const TableNames& names, CatalogView* view) {
    if (names.names.empty()) return;
    int count = spi::query(
        "WITH t AS (SELECT r.oid, n.nspname, r.relname, pg_has_role(r.relowner, 'USAGE') AS mine"
        "             FROM unnest($1, $2) AS k(schema, name) JOIN pg_namespace n ON n.nspname = k.schema"
        "             JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = k.name)"
        " SELECT false, format('%I.%I', t.nspname, r.relname), d.description, t.mine"
        "   FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class r ON r.oid = i.indexrelid"
        "   JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = 0"
        " UNION ALL"
        " SELECT true, format('%I on %I.%I', c.conname, t.nspname, t.relname), coalesce(d.description, ''),"
        "        t.mine"
        "   FROM t JOIN pg_constraint c ON c.conrelid = t.oid"
        "   LEFT JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = c.oid",
        {{TEXTARRAYOID, spi::textArray(names.schemas)}, {TEXTARRAYOID, spi::textArray(names.names)}});
    for (int row = 0; row < count; ++row) {
        bool isConstraint = spi::flag(row, 1);
        const char* identity = spi::cell(row, 2);
        const char* comment = spi::cell(row, 3);
        bool callerOwns = spi::flag(row, 4);
        ExtraView& extra = view->extras.emplace_back();
        extra.kind = isConstraint ? ObjectKind::constraint : ObjectKind::index;
        extra.identity = identity;
        extra.comment = comment;
        extra.callerOwns = callerOwns;
    }
    SPI_freetuptable(SPI_tuptable);
}

// Gathers views, types and other objects whose names a new table cannot have.
void gatherForeign(Datum names, CatalogView* view) {
    int count = spi::query(
        "SELECT n.nspname || '.' || o.name"
        "  FROM (SELECT relnamespace AS schema, relname AS name FROM pg_class"
        "         WHERE relname = ANY ($1) AND relkind NOT IN ('r', 'p')"
        "        UNION"
        "        SELECT typnamespace, typname FROM pg_type WHERE typname = ANY ($1) AND typrelid = 0) o"
        "  JOIN pg_namespace n ON n.oid = o.schema"
        " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'specql') ORDER BY 1",
        {{TEXTARRAYOID, names}});
    for (int row = 0; row < count; ++row) {
        const char* name = spi::cell(row, 1);
        view->foreignTypes.emplace_back(name);
    }
    SPI_freetuptable(SPI_tuptable);
}

// The identities of installed objects of one kind that exist.
void ownedIdentities(const CatalogView& view, ObjectKind kind, std::vector<std::string>* identities) {
    for (const InstalledObject& object : view.objects)
        if (object.present && object.kind == kind) identities->push_back(object.identity);
}

void collectTableNames(const CatalogView& view, TableNames* names) {
    for (const TableView& table : view.tables) {
        names->schemas.push_back(table.schema);
        names->names.push_back(table.name);
    }
}

}  // namespace

void gatherView(const ViewRequest& request, CatalogView* view) {
    MemoryContext work = makeWorkContext("specql catalog view");
    auto* ownedTables = makeHeld<std::vector<std::string>>(work);
    auto* ownedFunctions = makeHeld<std::vector<std::string>>(work);
    auto* tableNames = makeHeld<TableNames>(work);
    ownedIdentities(*view, ObjectKind::table, ownedTables);
    ownedIdentities(*view, ObjectKind::function, ownedFunctions);

    // With this search path format_type() qualifies all types outside of pg_catalog.
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    view->serverVersion = PG_VERSION_NUM;
    view->isUtf8 = GetDatabaseEncoding() == PG_UTF8;
    Datum tables = spi::textArray(*request.tables);
    Datum functions = spi::textArray(*request.functions);
    gatherSchemas(view);
    gatherTables(tables, *ownedTables, view);
    gatherDistributed(view);
    collectTableNames(*view, tableNames);
    gatherColumns(*tableNames, view);
    gatherExtras(*tableNames, view);
    gatherFunctions(functions, *ownedFunctions, view);
    gatherCallable(view);
    gatherGrants(functions, view);
    gatherForeign(tables, view);
    AtEOXact_GUC(true, level);

    lookUpTypes(*request.types, &view->types);
    MemoryContextDelete(work);
}

}  // namespace specql::catalog
