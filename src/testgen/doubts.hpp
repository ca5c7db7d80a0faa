// Why what a test expects may not come about though the tested action does what it should: other actions that write
// the same, before it does. The trial of the rows finds out.
#pragma once

#include <string>
#include <vector>

#include "testgen/effects.hpp"

namespace specql::testgen {

// An action, maybe the tested one once more, that may write what a step has written.
struct Meddler {
    const resolve::ResolvedAction* action;
    bool again;  // the tested action itself, by what it has written

    // Gives a reason if it has had an event since the mark. `fired`: where the tested action must have had one too.
    std::string excuse(const Stage& stage, const Stage::Render* fired) const;
};

// What of a step others may meddle with: what it has written; the whole row; or rows that it does not mean, which only
// a WHERE can mean instead.
enum class Meddled { effect, row, bystander };
std::vector<Meddler> meddlers(const resolve::Resolver& resolver, const resolve::ResolvedAction& tested,
                              const resolve::ResolvedStep& step, Meddled what);

// Actions that may set the tested one off once more in the same test.
std::vector<Meddler> stirrers(const resolve::Resolver& resolver, const resolve::ResolvedAction& tested);

// The moment from which on events count.
std::string markSql();

}  // namespace specql::testgen
