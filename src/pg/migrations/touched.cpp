#include "pg/migrations/touched.hpp"

extern "C" {
#include "access/genam.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
}

namespace specql::migrations {

namespace {

void add(Touched* touched, Oid relation, int column) {
    touched->relations = lappend_oid(touched->relations, relation);
    touched->columns = lappend_int(touched->columns, column);
}

bool mayDrop(Oid relation) {
    return compat::ownsTable(relation, GetUserId()) || compat::ownsSchema(get_rel_namespace(relation), GetUserId());
}

// Columns of partitions and of tables that inherit them change with them.
void addColumns(Touched* touched, const AlterTableStmt* statement) {
    List* names = NIL;
    ListCell* cell;
    foreach (cell, statement->cmds) {
        const auto* command = static_cast<const AlterTableCmd*>(lfirst(cell));
        if (command->subtype == AT_DropColumn || command->subtype == AT_AlterColumnType)
            names = lappend(names, command->name);
    }
    if (names == NIL) return;
    Oid relation = RangeVarGetRelid(statement->relation, NoLock, true);
    if (!OidIsValid(relation) || !compat::ownsTable(relation, GetUserId())) return;
    ListCell* heir;
    foreach (heir, find_all_inheritors(relation, NoLock, nullptr))
        foreach (cell, names) {
            AttrNumber column = get_attnum(lfirst_oid(heir), static_cast<const char*>(lfirst(cell)));
            if (column > 0) add(touched, lfirst_oid(heir), column);
        }
}

void addDropped(Touched* touched, const DropStmt* statement) {
    ListCell* cell;
    foreach (cell, statement->objects) {
        RangeVar* name = makeRangeVarFromNameList(static_cast<List*>(lfirst(cell)));
        Oid relation = RangeVarGetRelid(name, NoLock, true);
        if (!OidIsValid(relation) || !mayDrop(relation)) continue;
        ListCell* heir;
        foreach (heir, find_all_inheritors(relation, NoLock, nullptr))
            add(touched, lfirst_oid(heir), 0);
    }
}

// The relations of which a column of pg_class, a schema or an owner, says that they go.
void addAll(Touched* touched, AttrNumber column, Oid value) {
    Relation catalog = table_open(RelationRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
    SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 1, &key);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
        const auto* found = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
        if (found->relkind != RELKIND_INDEX && found->relkind != RELKIND_SEQUENCE &&
            found->relkind != RELKIND_TOASTVALUE)
            add(touched, found->oid, 0);
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

}  // namespace

Touched touchedBy(Node* command) {
    Touched touched;
    ListCell* cell;
    if (IsA(command, AlterTableStmt)) {
        addColumns(&touched, reinterpret_cast<AlterTableStmt*>(command));
    } else if (IsA(command, DropOwnedStmt)) {
        foreach (cell, reinterpret_cast<DropOwnedStmt*>(command)->roles) {
            Oid role = get_rolespec_oid(static_cast<const RoleSpec*>(lfirst(cell)), true);
            if (OidIsValid(role) && compat::hasRightsOf(GetUserId(), role))
                addAll(&touched, Anum_pg_class_relowner, role);
        }
    } else if (IsA(command, DropStmt)) {
        const auto* statement = reinterpret_cast<DropStmt*>(command);
        switch (statement->removeType) {
            case OBJECT_TABLE:
            case OBJECT_FOREIGN_TABLE:
            case OBJECT_VIEW:
            case OBJECT_MATVIEW: addDropped(&touched, statement); break;
            case OBJECT_SCHEMA:
                // Without CASCADE nothing is in it, or the server refuses.
                if (statement->behavior != DROP_CASCADE) break;
                foreach (cell, statement->objects) {
                    Oid schema = get_namespace_oid(strVal(lfirst(cell)), true);
                    if (OidIsValid(schema) && compat::ownsSchema(schema, GetUserId()))
                        addAll(&touched, Anum_pg_class_relnamespace, schema);
                }
                break;
            default: break;
        }
    }
    return touched;
}

List* respelledBy(Node* command) {
    List* columns = NIL;
    auto add = [&columns](const RangeVar* name, const char* former, const char* present) {
        Oid relation = RangeVarGetRelid(name, NoLock, true);
        if (!OidIsValid(relation)) return;
        auto* column = static_cast<Respelled*>(palloc(sizeof(Respelled)));
        *column = {relation, former, present};
        columns = lappend(columns, column);
    };
    if (IsA(command, RenameStmt)) {
        const auto* rename = reinterpret_cast<const RenameStmt*>(command);
        if (rename->renameType == OBJECT_COLUMN && rename->relation != nullptr)
            add(rename->relation, rename->subname, rename->newname);
    } else if (IsA(command, AlterTableStmt)) {
        const auto* alter = reinterpret_cast<const AlterTableStmt*>(command);
        ListCell* cell;
        foreach (cell, alter->cmds) {
            const auto* step = static_cast<const AlterTableCmd*>(lfirst(cell));
            if (step->subtype == AT_DropColumn) add(alter->relation, step->name, nullptr);
        }
    }
    return columns;
}

}  // namespace specql::migrations
