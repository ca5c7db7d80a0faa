// The columns of specql.outbox, specql.delivery_history and specql.dead_letter, in the order of their definition,
// counted from 0.
#pragma once

namespace specql::outbox {

enum Column {
    id,
    aggregateType,
    aggregateId,
    type,
    payload,
    kind,
    service,
    operation,
    channel,
    message,
    eventId,
    action,
    status,
    attempts,
    availableAt,
    leasedUntil,
    lastError,
    createdAt,
    acknowledgedAt,
    acknowledgedBy,
    severity,
    repeatAfter,
    leasedBy,
    finishedAt,
    httpStatus,
    response,
    owner,
    definition,
    logSlot,
    traceparent,
    columnCount
};

}  // namespace specql::outbox
