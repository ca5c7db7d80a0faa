// The rows of a set-returning function, collected in a tuple store.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Plain data; the tuple store belongs to the query. All columns may be NULL.
class ResultSet {
public:
    // For a function declared RETURNS TABLE or SETOF record with OUT parameters; an error elsewhere.
    explicit ResultSet(FunctionCallInfo fcinfo);
    int width() const { return descriptor_->natts; }
    void add(Datum* values, bool* nulls);

    // A row, column by column from the left; texts in the server's encoding, nullptr is NULL. At most 16 columns.
    class Row {
    public:
        Row& text(const char* value);
        Row& integer(int value);
        Row& boolean(bool value);
        Row& null();
        void end();

    private:
        friend class ResultSet;
        explicit Row(ResultSet* set) : set_(set) {}
        ResultSet* set_;
        int column_ = 0;
        Datum values_[16];
        bool nulls_[16];
    };
    Row row() { return Row(this); }

private:
    Tuplestorestate* store_;
    TupleDesc descriptor_;
};

}  // namespace specql
