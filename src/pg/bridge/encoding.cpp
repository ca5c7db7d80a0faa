#include "pg/bridge/encoding.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
}

namespace specql {

namespace {

// In an SQL_ASCII database PostgreSQL converts nothing, so neither does this; the core checks that a spec is UTF-8.
bool needsConversion() {
    return GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
}

}  // namespace

const char* toUtf8(const char* text) {
    return needsConversion() ? pg_server_to_any(text, static_cast<int>(strlen(text)), PG_UTF8) : text;
}

const char* fromUtf8(const char* text) {
    return needsConversion() ? pg_any_to_server(text, static_cast<int>(strlen(text)), PG_UTF8) : text;
}

const char* displayText(const char* text) {
    if (!needsConversion()) return text;
    int encoding = GetDatabaseEncoding();
    Oid converter = FindDefaultConversionProc(PG_UTF8, encoding);
    StringInfoData result;
    initStringInfo(&result);
    for (const char* at = text; *at != '\0';) {
        unsigned char source[MAX_CONVERSION_GROWTH + 1] = {0};
        unsigned char converted[(MAX_CONVERSION_GROWTH + 1) * MAX_CONVERSION_GROWTH];
        int length = pg_utf_mblen(reinterpret_cast<const unsigned char*>(at));
        memcpy(source, at, static_cast<size_t>(length));
        if (length == 1)
            appendStringInfoChar(&result, *at);
        else if (pg_do_encoding_conversion_buf(converter, PG_UTF8, encoding, source, length, converted,
                                               sizeof converted, true) == length)
            appendStringInfoString(&result, reinterpret_cast<char*>(converted));
        else
            appendStringInfoString(&result, strcmp(reinterpret_cast<char*>(source), "…") == 0   ? "..."
                                            : strcmp(reinterpret_cast<char*>(source), "→") == 0 ? "->"
                                                                                                : "?");
        at += length;
    }
    return result.data;
}

size_t utf8Offset(const char* server, const char* utf8, size_t offset) {
    if (server == utf8) return offset;
    const char* from = server;
    const char* to = utf8;
    while (*from != '\0' && *to != '\0' && static_cast<size_t>(from - server) < offset) {
        from += pg_mblen(from);
        to += pg_utf_mblen(reinterpret_cast<const unsigned char*>(to));
    }
    return static_cast<size_t>(to - utf8);
}

size_t characterOffset(const char* text, int character) {
    const char* at = text;
    for (; character > 0 && *at != '\0'; --character)
        at += pg_mblen(at);
    return static_cast<size_t>(at - text);
}

}  // namespace specql
