// How the images of an event are made for one operation: what images.cpp and images_by_column.cpp share.
#pragma once

#include "pg/bridge/settings.hpp"
#include "pg/capture/images.hpp"
#include "pg/capture/row_encoder.hpp"
#include "pg/capture/safety.hpp"

namespace specql::capture {

enum Part { partAbsent, partNull, partImage };
enum RowKind { oldRow, newRow, rowKinds };

// A column whose values can be large, or raise an error when they are written as JSON.
struct DoubtfulColumn {
    int index;
    bool varying;  // its size differs from row to row
    bool isJsonb;
    JsonSafety json;
};

// A virtual generated column of a row image.
struct ComputedColumn {
    int index;
    ExprState* value;
};

struct RowImages {
    Part parts[rowKinds];
    bool truncated;       // {"truncated": true}
    RowEncoder* encoder;  // writes the images, as `parts` says; nullptr if `usual` makes the data
    ExprState* usual;     // nullptr if there is no such expression
    bool mayRaise;        // `usual` may, whatever the row
    bool callsForeign;
    int doubtfulCount;
    DoubtfulColumn* doubtful;
    int computedCount;
    ComputedColumn* computed[rowKinds];
    bool computedMayRaise;
    Bitmapset* key;  // columns of the primary key, from 1
    Withheld withheld;
    TupleDesc columns;
};

// The rows of an event; of a virtual column the value is there when it has been computed.
struct EventRows {
    RowValues rows[rowKinds];
};
// The key of an image in the event's data.
const char* keyOf(const EventRows* rows, RowKind row);

// Runs `work` with a search path on which nobody can have put functions of his own. An abort restores it, too.
template <typename Work>
void withSafeSearchPath(const RowImages* images, Work work) {
    if (!images->callsForeign) {
        work();
        return;
    }
    int level = NewGUCNestLevel();
    setLocal("search_path", "pg_catalog, pg_temp");
    work();
    AtEOXact_GUC(true, level);
}

// The bytes that the data of an event may have.
Size imagesLimit();
// Bytes of a varlena, neither compressed nor moved elsewhere.
Size rawSize(Datum value);

// The images, value by value, without those that raise an error or are too large.
Datum makeByColumn(const RowImages* images, const EventRows* rows, ExprContext* evaluation);

}  // namespace specql::capture
