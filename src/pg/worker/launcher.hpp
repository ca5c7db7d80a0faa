// With shared_preload_libraries: starts workers after a restart of the server, before any session does.
#pragma once

namespace specql::worker {

// Registers the launcher if the library is being preloaded; does nothing otherwise.
void registerLauncher();

}  // namespace specql::worker
