#include "pg/base/known_key.hpp"

#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"

extern "C" {
#include "utils/array.h"
}

namespace specql {

namespace {

constexpr Size longestKey = 255;                   // bytes, as columns of an index have room for
constexpr double longestTime = 366 * 24 * 3600.0;  // seconds

// It is sent as the value of a header, of which blanks at both ends are no part.
bool isHeaderValue(const char* bytes, Size length) {
    for (Size i = 0; i < length; ++i)
        if (static_cast<unsigned char>(bytes[i]) < ' ' || bytes[i] == 0x7f) return false;
    return bytes[0] != ' ' && bytes[length - 1] != ' ';
}

void checkKey(const KeyScope& scope, Datum key) {
    text* value = DatumGetTextPP(key);
    Size length = VARSIZE_ANY_EXHDR(value);
    if (length == 0 || length > longestKey)
        ereport(ERROR,
                (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
                 errmsg("%s: an idempotency key has 1 to %zu bytes, this one %zu", scope.what, longestKey, length),
                 errhint("A hash of it, as md5() makes, is as good.")));
    if (!isHeaderValue(VARDATA_ANY(value), length))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("%s: an idempotency key has no control characters, and no blank at its ends", scope.what),
                 errhint("It is sent as a header of HTTP.")));
}

void checkTime(const KeyScope& scope, const Interval* time) {
    double days = 30.0 * time->month + time->day;
    double seconds = days * 24 * 3600 + static_cast<double>(time->time) / USECS_PER_SEC;
    if (seconds <= 0 || seconds > longestTime)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s: dedupe_for must be more than nothing, and 366 days at most", scope.what)));
}

}  // namespace

bool makeKeyKnown(const KeyScope& scope, Datum key, const Interval* dedupeFor, pg_uuid_t* id) {
    checkKey(scope, key);
    checkTime(scope, dedupeFor);
    Datum role = ObjectIdGetDatum(GetUserId());
    bool isNew = true;
    spi::connect();
    runAsExtensionOwner([&] {
        (void)spi::query("SELECT specql.know_key($1, $2, $3, $4, $5, $6)",
                         {{OIDOID, role},
                          {TEXTOID, scope.service},
                          {TEXTOID, scope.operation},
                          {TEXTOID, key},
                          {UUIDOID, UUIDPGetDatum(id)},
                          {INTERVALOID, IntervalPGetDatum(dedupeFor)}});
        bool isNull;
        Datum first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isNull);
        isNew = isNull;
        if (!isNull) *id = *DatumGetUUIDP(first);
    });
    spi::finish();
    return isNew;
}

void reserveKeys(const KeyScope& scope, Datum keys) {
    Datum role = ObjectIdGetDatum(GetUserId());
    spi::connect();
    runAsExtensionOwner([&] {
        (void)spi::query("SELECT specql.take_keys($1, $2, $3, $4)",
                         {{OIDOID, role}, {TEXTOID, scope.service}, {TEXTOID, scope.operation}, {TEXTARRAYOID, keys}});
    });
    spi::finish();
}

}  // namespace specql
