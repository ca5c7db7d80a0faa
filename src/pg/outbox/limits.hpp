// What all workers of a server, and the sessions that take calls or drain, know together of services with a rate or
// with a limit of calls at once: how many have left lately, and how many are under way. It lies in shared memory,
// because a row that is written with each claim would slow claims down while an old snapshot is open. A restart of the
// server forgets it: then a service begins as if its rate had been used evenly.
#pragma once

#include <string>

#include "pg/base/server.hpp"

namespace specql::outbox {

// The time at which a call was counted that is not.
constexpr int64_t notCounted = INT64_MIN / 2;

// Has a service limits whose calls this process has claimed last? `since` gets when those were counted.
bool isClaimLimited(const std::string& service, int64_t* since);
// What was claimed has been taken over.
void forgetClaimed();

// A call that was claimed leaves now. `since`: when it was counted; gets the present. False if it may not, because it
// was claimed so long ago that others have left since.
bool limitedCallStarts(const std::string& service, int64_t* since);
// Its answer is there.
void limitedCallEnds(const std::string& service, int64_t since);
// It was claimed, and does not leave.
void limitedCallStays(const std::string& service);

// Milliseconds until a service may be called of which this process got fewer calls at its last claim than it asked for;
// -1 if there is none.
int64_t msToNextPlace();

}  // namespace specql::outbox
