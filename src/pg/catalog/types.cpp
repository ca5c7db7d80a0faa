#include "pg/bridge/encoding.hpp"
#include "pg/bridge/subtransaction.hpp"
#include "pg/catalog/analysis.hpp"
#include "pg/catalog/expression_tree.hpp"
#include "pg/catalog/lookup_path.hpp"
#include "pg/catalog/server_message.hpp"
#include "pg/catalog/type_elsewhere.hpp"
#include "text/sql_text.hpp"

extern "C" {
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

namespace specql::catalog {

namespace {

// Raises an error for a type that no column can have.
void requireColumnType(const char* text, Oid type) {
    if (strchr(text, '%') != nullptr || pg_strncasecmp(text, "setof ", 6) == 0)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("\"%s\" is not the name of a type", text)));
    if (!get_typisdefined(type))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type \"%s\" is only a shell", text)));
    if (get_typtype(type) == TYPTYPE_PSEUDO)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("\"%s\" is a pseudo-type; no column can have it", text)));
}

}  // namespace

// A box has an = too, but that compares areas. IS DISTINCT FROM finds only an = that is in pg_catalog.
bool hasEquality(Oid type) {
    Oid equality = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
    return OidIsValid(equality) && get_func_namespace(get_opcode(equality)) == PG_CATALOG_NAMESPACE;
}

void lookUpTypes(const std::vector<std::string>& texts, std::map<std::string, TypeView>* types) {
    types->clear();
    int level = beginLookupPath();
    inBatches(
        static_cast<int>(texts.size()),
        [&texts, types](int index) {
            const std::string& text = texts[static_cast<size_t>(index)];
            TypeView* view = &(*types)[text];
            if (hasComment(text)) {
                view->error = "a type cannot hold a comment";
                return;
            }
            const char* server = fromUtf8(text);
            Oid type;
            int32 typmod;
            compat::parseType(server, &type, &typmod);
            requireColumnType(server, type);
            const char* canonical = toUtf8(typeText(type, typmod));
            bool isComparable = hasEquality(type);
            view->canonical = canonical;
            view->hasEquality = isComparable;
            view->ok = true;
        },
        [&texts, types](int index, ErrorData* error) {
            const char* message = describe(error, "").text;
            bool unknown =
                error->sqlerrcode == ERRCODE_UNDEFINED_OBJECT || error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA;
            const char* hint = unknown ? typeInOtherSchema(texts[static_cast<size_t>(index)]) : nullptr;
            TypeView* view = &(*types)[texts[static_cast<size_t>(index)]];
            view->ok = false;
            view->error = message;
            if (hint != nullptr) view->hint = hint;
        });
    endLookupPath(level);
}

}  // namespace specql::catalog
