#include "pg/outbox/definition.hpp"

#include "pg/base/tables.hpp"
#include "pg/bridge/extension.hpp"
#include "pg/bridge/spi.hpp"

#include <string>
#include <unordered_map>

namespace specql::outbox {

namespace {

// Those of committed transactions that this backend has met, by their texts. Rows of specql.definition are never
// changed, so that nothing here can become wrong but by another table of that name.
std::unordered_map<std::string, int32_t> known;
Oid knownIn = InvalidOid;
constexpr size_t mostKnown = 10000;

void append(std::string* key, Datum value) {
    if (value != 0) {
        text* part = DatumGetTextPP(value);
        key->append(VARDATA_ANY(part), VARSIZE_ANY_EXHDR(part));
    }
    key->push_back('\0');
}

// Empty if the texts cannot be remembered.
std::string keyOf(const Definition& d) {
    std::string key;
    for (Datum value : {d.aggregateType, d.type, d.operation, d.channel, d.message})
        append(&key, value);
    key.push_back(d.traced ? 't' : 'f');
    return key;
}

int32_t lookUp(const Definition& d) {
    Oid table = tableOid("definition");
    if (table != knownIn) known.clear();
    knownIn = table;
    auto found = known.find(keyOf(d));
    return found != known.end() ? found->second : 0;
}

void remember(const Definition& d, int32_t id) {
    if (known.size() >= mostKnown) known.clear();
    known.emplace(keyOf(d), id);
}

}  // namespace

int32_t findOrWriteDefinition(const Definition& d) {
    int32_t id = lookUp(d);
    if (id != 0) return id;
    bool isCall = d.operation != 0;
    bool committed = false;
    runAsExtensionOwner([&] {
        Datum first = isCall ? d.operation : d.channel;
        Datum second = isCall ? d.operation : d.message;
        std::initializer_list<spi::Argument> arguments = {{TEXTOID, d.aggregateType},
                                                          {TEXTOID, d.type},
                                                          {TEXTOID, first},
                                                          {TEXTOID, second},
                                                          {BOOLOID, BoolGetDatum(isCall)},
                                                          {BOOLOID, BoolGetDatum(d.traced)}};
        spi::connect();
        int count = spi::query(
            "SELECT d.id, d.xmin::text::bigint FROM specql.definition AS d "
            "WHERE md5(d.aggregatetype || ' ' || d.type) = md5($1 || ' ' || $2) AND d.aggregatetype = $1 AND d.type = "
            "$2 "
            "AND CASE WHEN $5 THEN d.operation = $3 ELSE d.operation IS NULL AND d.channel = $3 AND d.message = $4 END "
            "AND d.traced = $6 ORDER BY d.id LIMIT 1",
            arguments);
        if (count > 0) {
            id = spi::number(0, 1);
            auto writer = static_cast<TransactionId>(strtoul(spi::cell(0, 2), nullptr, 10));
            committed = !TransactionIdIsCurrentTransactionId(writer);
        } else {
            (void)spi::query(
                "INSERT INTO specql.definition (aggregatetype, type, operation, channel, message, traced) "
                "VALUES ($1, $2, CASE WHEN $5 THEN $3 END, CASE WHEN NOT $5 THEN $3 END, CASE WHEN NOT $5 THEN $4 END, "
                "$6) "
                "RETURNING id",
                arguments);
            id = spi::number(0, 1);
        }
        spi::finish();
    });
    if (committed) remember(d, id);
    return id;
}

}  // namespace specql::outbox
