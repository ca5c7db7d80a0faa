// Going on with processes: what is next is asked of specql.begin_step, code of its owner is called, and what became of
// it is told specql.end_step. The state machine is src/schema/73-process-*.sql.
#pragma once

#include "pg/base/server.hpp"

namespace specql::processes {

// Where the code of steps runs. In the transaction of whoever starts a process it is called as what it is, a function
// of the role that the generated function runs as; later by handling::asOwner.
enum class Place { start, later };

// Goes on with a process, which the caller has locked or made, until it waits or has ended. Only of Place::start do
// errors of steps come out.
void goOn(const pg_uuid_t* process, Place place);

// Goes on with one process of an action that is due, in a subtransaction: if the engine fails, the process is parked.
// False if none is due. `contended` is set to true if it met a lock, and is due still.
bool advanceNext(const char* action, bool* contended);

// A process whose steps may end the session or the transaction is gone on with in up to three transactions.
// countProcess() counts the attempt, of the process that is due first; false if there is none. goOnCounted() goes on
// with it; if that raised an error, recordCounted() writes it down.
bool countProcess(const char* action, pg_uuid_t* process);
void goOnCounted(const pg_uuid_t* process);
void recordCounted(const char* action, const pg_uuid_t* process, const ErrorData* error);

}  // namespace specql::processes
