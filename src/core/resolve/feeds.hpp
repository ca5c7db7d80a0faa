// Windows and correlations: the action that handles matches, and the listeners that hand it events.
#pragma once

#include <string>
#include <vector>

#include "resolve/resolver.hpp"

namespace specql::resolve {

class WindowResolver {
public:
    WindowResolver(Resolver& resolver, World& world, const ActionInfo& action)
        : resolver_(resolver), world_(world), action_(action) {}

    // Adds them to the resolver's actions. A trigger's name may be a source too: then matches are called after the
    // action.
    void resolve();

private:
    void checkMatchParams(const ResolvedAction& resolved);
    void checkWindow(const Window& window);
    void checkWithin();
    bool knownSource(const WindowTerm& term);
    // Events that steps, matches and on: of other actions name, for hints about near misses.
    std::vector<std::string> customEvents() const;
    void addFeeds(const Window& window, const std::string& source, const Text& text);

    Resolver& resolver_;
    World& world_;
    const ActionInfo& action_;
};

}  // namespace specql::resolve
