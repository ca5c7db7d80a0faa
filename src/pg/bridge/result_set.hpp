// The rows of a set-returning function, collected in a tuple store.
#pragma once

#include "pg/compat.hpp"

namespace specql {

// Plain data; the tuple store is allocated in the per-query memory context.
class ResultSet {
public:
    // For a function that is declared RETURNS TABLE or RETURNS SETOF record; an error where no set can be returned.
    explicit ResultSet(FunctionCallInfo fcinfo);
    int width() const { return descriptor_->natts; }
    // Adds a row; the values are copied.
    void add(Datum* values, bool* nulls);

    // Builds a row, column by column from the left, of at most 16 columns; end() adds it. Texts are in the server's
    // encoding, and nullptr is NULL.
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
