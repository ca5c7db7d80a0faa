// specql.deliver: delivers in the calling session what a worker would deliver.
#include "pg/base/event_settings.hpp"
#include "pg/bridge/entry.hpp"
#include "pg/bridge/holder.hpp"
#include "pg/worker/courier.hpp"

namespace specql::worker {

namespace {

constexpr int waitMs = 50;  // between checks for interrupts

}  // namespace

// Claims and results are committed together, after the calls: if this transaction aborts, the calls are made again.
SPECQL_FUNCTION(specql_deliver) {
    int64_t left = PG_ARGISNULL(0) ? PG_INT64_MAX : PG_GETARG_INT32(0);
    int64_t handled = 0;
    MemoryContext context = makeWorkContext("specql deliver");
    MemoryContext scratch = AllocSetContextCreate(context, "specql deliver batch", ALLOCSET_DEFAULT_SIZES);
    Courier* courier = makeHeld<Courier>(context, 0, GetCurrentTimestamp());
    MemoryContext before = MemoryContextSwitchTo(scratch);
    SPI_connect();
    while (left > 0) {
        int batch = static_cast<int>(Min(left, static_cast<int64_t>(settings::batchSize)));
        MemoryContextSwitchTo(scratch);
        int sent = courier->sendNotifications(batch);
        Claims claims = {nullptr, 0};
        MemoryContextSwitchTo(scratch);  // SPI has switched to its own
        int mostCalls = static_cast<int>(Min(left - sent, static_cast<int64_t>(Courier::mostCallsAtOnce)));
        if (sent < batch) claims = courier->claim(batch - sent, mostCalls);
        if (sent + claims.count == 0) break;
        // The claim is behind what was committed by others, and makes it durable here when it is.
        XLogFlush(XactLastRecEnd);
        courier->accept(claims, XactLastRecEnd);
        while (courier->unfinished() > 0) {
            courier->perform(waitMs);
            CHECK_FOR_INTERRUPTS();
        }
        courier->record();
        courier->recorded();
        handled += sent + claims.count;
        left -= sent + claims.count;
        MemoryContextReset(scratch);
    }
    SPI_finish();
    MemoryContextSwitchTo(before);
    MemoryContextDelete(context);
    PG_RETURN_INT32(static_cast<int32>(handled));
}

}  // namespace specql::worker
