#include "pg/bridge/spi.hpp"

#include "pg/bridge/encoding.hpp"

extern "C" {
#include "utils/array.h"
}

namespace specql::spi {

void connect() {
    int result = SPI_connect();
    if (result != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(result));
}

void finish() {
    int result = SPI_finish();
    if (result != SPI_OK_FINISH) elog(ERROR, "SPI_finish failed: %s", SPI_result_code_string(result));
}

Datum textArray(const std::vector<std::string>& items) {
    Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * Max(items.size(), 1)));
    int count = 0;
    for (const std::string& item : items)
        values[count++] = text(item);
    return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum text(const std::string& value) {
    return CStringGetTextDatum(fromUtf8(value));
}

int query(const char* sql, std::initializer_list<Argument> arguments) {
    Oid types[16];
    Datum values[16];
    int count = 0;
    Assert(arguments.size() <= lengthof(types));
    for (const Argument& argument : arguments) {
        types[count] = argument.type;
        values[count++] = argument.value;
    }
    int result = SPI_execute_with_args(sql, count, types, values, nullptr, false, 0);
    if (result < 0) elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
    return static_cast<int>(SPI_processed);
}

const char* cell(int row, int column) {
    const char* value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
    return value != nullptr ? toUtf8(value) : nullptr;
}

bool flag(int row, int column) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isNull);
    return !isNull && DatumGetBool(value);
}

int number(int row, int column) {
    bool isNull;
    Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isNull);
    return isNull ? 0 : DatumGetInt32(value);
}

}  // namespace specql::spi
