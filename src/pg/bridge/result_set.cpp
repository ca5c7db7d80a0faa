#include "pg/bridge/result_set.hpp"

extern "C" {
#include "utils/tuplestore.h"
}

namespace specql {

ResultSet::ResultSet(FunctionCallInfo fcinfo) {
    ReturnSetInfo* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (info == nullptr || !IsA(info, ReturnSetInfo) || (info->allowedModes & SFRM_Materialize) == 0)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("set-valued function called in context that cannot accept a set"),
                        errhint("Write SELECT * FROM the function.")));
    MemoryContext before = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    if (get_call_result_type(fcinfo, nullptr, &descriptor_) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "return type must be a row type");
    // A copy, because the server frees the descriptor, which may belong to the caller's list of columns.
    descriptor_ = BlessTupleDesc(CreateTupleDescCopy(descriptor_));
    store_ = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
    MemoryContextSwitchTo(before);
    info->returnMode = SFRM_Materialize;
    info->setResult = store_;
    info->setDesc = descriptor_;
}

void ResultSet::add(Datum* values, bool* nulls) {
    tuplestore_putvalues(store_, descriptor_, values, nulls);
}

ResultSet::Row& ResultSet::Row::text(const char* value) {
    if (value == nullptr) return null();
    values_[column_] = CStringGetTextDatum(value);
    nulls_[column_++] = false;
    return *this;
}

ResultSet::Row& ResultSet::Row::integer(int value) {
    values_[column_] = Int32GetDatum(value);
    nulls_[column_++] = false;
    return *this;
}

ResultSet::Row& ResultSet::Row::boolean(bool value) {
    values_[column_] = BoolGetDatum(value);
    nulls_[column_++] = false;
    return *this;
}

ResultSet::Row& ResultSet::Row::null() {
    values_[column_] = 0;
    nulls_[column_++] = true;
    return *this;
}

void ResultSet::Row::end() {
    Assert(column_ == set_->width());
    set_->add(values_, nulls_);
}

}  // namespace specql
