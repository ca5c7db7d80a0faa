// With shared_preload_libraries: workers that come back by themselves after a restart of the server.
#pragma once

namespace specql::worker {

// Registers the launcher if the library is being preloaded; does nothing otherwise.
void registerLauncher();

}  // namespace specql::worker
