// The SQLSTATEs of this extension. Class SQ is ours; documented in docs/reference.md.
#pragma once

#include "pg/compat.hpp"

namespace specql::sqlstate {

constexpr int specInvalid = MAKE_SQLSTATE('S', 'Q', '1', '0', '0');  // the spec has errors
constexpr int notAllowed = MAKE_SQLSTATE('S', 'Q', '1', '0', '1');   // an object is in the way, or not the caller's
constexpr int destructive = MAKE_SQLSTATE('S', 'Q', '1', '0', '2');  // the change would lose data
constexpr int payloadKeyMissing = MAKE_SQLSTATE('S', 'Q', '2', '0', '0');  // an event's payload lacks a key
constexpr int noSuchRow = MAKE_SQLSTATE('S', 'Q', '2', '0', '1');          // an event names a row that does not exist
constexpr int cascadeTooDeep = MAKE_SQLSTATE('S', 'Q', '2', '0', '2');
constexpr int outsideHandler = MAKE_SQLSTATE('S', 'Q', '2', '0', '3');  // a function that only handlers may call
constexpr int appendOnly = MAKE_SQLSTATE('S', 'Q', '2', '0', '4');
constexpr int versionMismatch = MAKE_SQLSTATE('S', 'Q', '2', '0', '5');   // library and extension are of two versions
constexpr int validationFailed = MAKE_SQLSTATE('S', 'Q', '2', '0', '6');  // a validate step of an action refuses
constexpr int testsRolledBack = MAKE_SQLSTATE('S', 'Q', '2', '0', '7');   // how tests take back what they did
constexpr int notCarried = MAKE_SQLSTATE('S', 'Q', '2', '0', '8');        // an event was made without this value
constexpr int actionBroken = MAKE_SQLSTATE('S', 'Q', '2', '0', '9');      // what an action needs is not there any more

}  // namespace specql::sqlstate
